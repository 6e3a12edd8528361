// SPDX-License-Identifier: GPL-2.0
/*
 * table.c - a guest's table, as userspace may have made it
 */
#include "rig.h"

static u32 read_eax(const struct rig_table *r, u32 leaf, u32 subleaf)
{
	struct cpuid_out o;

	cpuid_read(&r->t, leaf, subleaf, &o);
	return o.reg[CPUID_REG_EAX];
}

TEST(empty_table)
{
	static struct rig_table r;

	r.t.e = r.e;
	cpuid_index(&r.t);
	EXPECT_FALSE(cpuid_find(&r.t, 0, 0));
	EXPECT_EQ(read_eax(&r, 0, 0), 0);
	EXPECT_EQ(read_eax(&r, ~0u, ~0u), 0);
	EXPECT_EQ(cpuid_features(&r.t), 0);
	EXPECT_EQ(cpuid_maxphyaddr(&r.t), 36);
	EXPECT_EQ(cpuid_check(&r.t), 0);
}

TEST(order_of_userspace_does_not_matter)
{
	static struct rig_table r;
	unsigned int i;

	r.t.nent = 0;
	for (i = CPUID_MAX_ENTRIES; i-- > 0;)
		rig_add(&r, i / 4 * 3, i % 4, i, 0, 0, 0);
	cpuid_index(&r.t);
	for (i = 0; i < CPUID_MAX_ENTRIES; i++) {
		EXPECT_EQ(read_eax(&r, i / 4 * 3, i % 4), i);
		EXPECT_FALSE(cpuid_find(&r.t, i / 4 * 3 + 1, i % 4));
	}
	EXPECT_EQ(r.e[0].eax, CPUID_MAX_ENTRIES - 1);
}

TEST(first_of_equals_wins)
{
	static struct rig_table r;

	r.t.nent = 0;
	rig_add(&r, 7, 0, 1, 0, 0, 0);
	rig_add(&r, 1, -1, 2, 0, 0, 0);
	rig_add(&r, 7, 0, 3, 0, 0, 0);
	rig_add(&r, 1, -1, 4, 0, 0, 0);
	cpuid_index(&r.t);
	EXPECT_EQ(read_eax(&r, 7, 0), 1);
	EXPECT_EQ(read_eax(&r, 1, 5), 2);
}

TEST(beyond_the_range_intel)
{
	static struct rig_table r;

	r.t.nent = 0;
	rig_add_vendor(&r, 0xd, false);
	rig_add(&r, 0xd, 0, 0xd0, 0, 0, 0);
	rig_add(&r, 0xd, 1, 0xd1, 0, 0, 0);
	rig_add(&r, 0x40000000, -1, 0x40000001, 0, 0, 0);
	rig_add(&r, 0x40000001, -1, 0x41, 0, 0, 0);
	rig_add(&r, 0x80000000, -1, 0x80000008, 0, 0, 0);
	cpuid_index(&r.t);
	EXPECT_EQ(read_eax(&r, 0xe, 0), 0xd0);
	EXPECT_EQ(read_eax(&r, 0xe, 1), 0xd1);
	EXPECT_EQ(read_eax(&r, 0xe, 9), 0);
	EXPECT_EQ(read_eax(&r, 0x3fffffff, 0), 0xd0);
	EXPECT_EQ(read_eax(&r, 0x80000009, 0), 0xd0);
	EXPECT_EQ(read_eax(&r, 0xc0000000, 0), 0xd0);
	EXPECT_EQ(read_eax(&r, 0x40000002, 0), 0xd0);
	EXPECT_EQ(read_eax(&r, 0x40000100, 0), 0xd0);
	/* Within the range, a leaf without an entry. */
	EXPECT_EQ(read_eax(&r, 9, 0), 0);
	EXPECT_EQ(read_eax(&r, 0x80000003, 0), 0);
}

TEST(beyond_the_range_amd)
{
	static struct rig_table r;

	r.t.nent = 0;
	rig_add_vendor(&r, 0xd, true);
	rig_add(&r, 0xd, 0, 0xd0, 0, 0, 0);
	cpuid_index(&r.t);
	EXPECT_TRUE(r.t.amd);
	EXPECT_EQ(read_eax(&r, 0xe, 0), 0);
	EXPECT_EQ(read_eax(&r, 0x80000009, 0), 0);
}

TEST(topology_id_in_every_subleaf)
{
	static struct rig_table r;
	struct cpuid_out o;

	r.t.nent = 0;
	rig_add_vendor(&r, 0x1f, true);
	rig_add(&r, 0xb, 0, 0, 1, 0x100, 5);
	rig_add(&r, 0xb, 1, 2, 4, 0x201, 5);
	cpuid_index(&r.t);
	cpuid_read(&r.t, 0xb, 0x17, &o);
	EXPECT_EQ(o.reg[CPUID_REG_EAX], 0);
	EXPECT_EQ(o.reg[CPUID_REG_ECX], 0x17);
	EXPECT_EQ(o.reg[CPUID_REG_EDX], 5);
}

TEST(check_widths)
{
	static const struct { u8 virt; int r; } cases[] = {
		{ 0, 0 }, { 48, 0 }, { 57, 0 }, { 47, -EINVAL }, { 49, -EINVAL }, { 64, -EINVAL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig_table r = { };

		rig_add(&r, 0x80000008, -1, cases[i].virt << 8 | 40, 0, 0, 0);
		cpuid_index(&r.t);
		EXPECT_EQ(cpuid_check(&r.t), cases[i].r);
		EXPECT_EQ(cpuid_maxphyaddr(&r.t), 40);
	}
}

TEST(features_from_either_vendor)
{
	struct rig_table r = { };

	rig_add(&r, 0x80000008, -1, 0, FBIT(X86_FEATURE_AMD_IBPB), 0, 0);
	cpuid_index(&r.t);
	EXPECT_EQ(cpuid_features(&r.t), BIT_ULL(KEEL_F_PRED_CMD));
	memset(&r, 0, sizeof(r));
	rig_add(&r, 7, 0, 0, 0, 0, FBIT(X86_FEATURE_SPEC_CTRL));
	cpuid_index(&r.t);
	EXPECT_EQ(cpuid_features(&r.t), BIT_ULL(KEEL_F_PRED_CMD) | BIT_ULL(KEEL_F_SPEC_CTRL));
}

TEST(tsc_aux_by_either_instruction)
{
	struct rig_table r = { };

	rig_add(&r, 7, 0, 0, 0, FBIT(X86_FEATURE_RDPID), 0);
	cpuid_index(&r.t);
	EXPECT_EQ(cpuid_features(&r.t), BIT_ULL(KEEL_F_TSC_AUX));
	memset(&r, 0, sizeof(r));
	rig_add(&r, 0x80000001, -1, 0, 0, 0, FBIT(X86_FEATURE_RDTSCP));
	cpuid_index(&r.t);
	EXPECT_EQ(cpuid_features(&r.t), BIT_ULL(KEEL_F_TSC_AUX));
}

static void add_signature(struct rig_table *r, u32 leaf)
{
	u32 sig[3];

	memcpy(sig, KVM_SIGNATURE, sizeof(sig));
	rig_add(r, leaf, -1, leaf + 1, sig[0], sig[1], sig[2]);
}

TEST(pv_features_below_another_hypervisor)
{
	struct rig_table r = { };

	rig_add(&r, 0x40000000, -1, 0x40000005, 1, 2, 3);
	rig_add(&r, 0x40000001, -1, ~0u, 0, 0, 0);
	add_signature(&r, 0x40000100);
	rig_add(&r, 0x40000101, -1, BIT(KVM_FEATURE_STEAL_TIME), 0, 0, 0);
	cpuid_index(&r.t);
	EXPECT_EQ(cpuid_features(&r.t), BIT_ULL(KEEL_F_PV_STEAL));
}

TEST(no_signature_no_pv_features)
{
	struct rig_table r = { };

	rig_add(&r, 0x40000001, -1, ~0u, 0, 0, 0);
	cpuid_index(&r.t);
	EXPECT_EQ(cpuid_features(&r.t), 0);
}

TEST(control_bits_follow_features)
{
	EXPECT_FALSE(cpuid_cr4(0) & (X86_CR4_OSXSAVE | X86_CR4_PKE | X86_CR4_SMAP | X86_CR4_VMXE));
	EXPECT_TRUE(cpuid_cr4(0) & X86_CR4_PAE);
	EXPECT_TRUE(cpuid_cr4(BIT_ULL(KEEL_F_XSAVE)) & X86_CR4_OSXSAVE);
	EXPECT_FALSE(cpuid_cr4(~0ULL) & X86_CR4_VMXE);
	EXPECT_EQ(cpuid_efer(0), 1);
	EXPECT_EQ(cpuid_efer(BIT_ULL(KEEL_F_LM) | BIT_ULL(KEEL_F_NX)), 0xd01);
	EXPECT_FALSE(cpuid_efer(~0ULL) & BIT(12));	/* SVME */
}

TEST(runtime_bits)
{
	struct cpuid_runtime rt = { .osxsave = true, .ospke = true, .apic = true, .xcr0 = 7 };
	static struct rig_table r;
	struct cpuid_xstate xs;

	rig_reset(false);
	cpuid_xstate_probe(&rig_host, &xs);
	rig_supported(&r);
	cpuid_set_runtime(&r.t, &xs, &rt);
	EXPECT_TRUE(cpuid_find(&r.t, 1, 0)->ecx & FBIT(X86_FEATURE_OSXSAVE));
	EXPECT_TRUE(cpuid_find(&r.t, 7, 0)->ecx & FBIT(X86_FEATURE_OSPKE));
	EXPECT_EQ(cpuid_find(&r.t, 0xd, 0)->ebx, 832);
	EXPECT_EQ(cpuid_find(&r.t, 0xd, 0)->ecx, 2696);
	rt = (struct cpuid_runtime) { .xcr0 = 1, .follow_mwait = true, .mwait = true };
	cpuid_set_runtime(&r.t, &xs, &rt);
	EXPECT_FALSE(cpuid_find(&r.t, 1, 0)->ecx & FBIT(X86_FEATURE_OSXSAVE));
	EXPECT_TRUE(cpuid_find(&r.t, 1, 0)->ecx & FBIT(X86_FEATURE_MWAIT));
	EXPECT_FALSE(cpuid_find(&r.t, 1, 0)->edx & FBIT(X86_FEATURE_APIC));
	EXPECT_FALSE(cpuid_find(&r.t, 7, 0)->ecx & FBIT(X86_FEATURE_OSPKE));
	EXPECT_EQ(cpuid_find(&r.t, 0xd, 0)->ebx, 576);
}

/* A table without the leaves that runtime bits live in. */
TEST(runtime_bits_of_nothing)
{
	struct cpuid_runtime rt = { .osxsave = true };
	struct rig_table r = { };
	struct cpuid_xstate xs;

	rig_reset(false);
	cpuid_xstate_probe(&rig_host, &xs);
	rig_add(&r, 1, -1, 0, 0, 0, 0);
	cpuid_index(&r.t);
	cpuid_set_runtime(&r.t, &xs, &rt);
	EXPECT_EQ(r.e[0].ecx, 0);
}

TEST(equality)
{
	static struct rig_table a, b;

	rig_reset(true);
	rig_supported(&a);
	rig_supported(&b);
	EXPECT_TRUE(cpuid_equal(&a.t, &b.t));
	b.e[3].ebx ^= 1;
	EXPECT_FALSE(cpuid_equal(&a.t, &b.t));
	b.e[3].ebx ^= 1;
	b.t.nent--;
	EXPECT_FALSE(cpuid_equal(&a.t, &b.t));
}

/* Random tables, random questions: answers as a plain walk gives them. */
TEST(against_a_plain_walk)
{
	static struct rig_table r;
	unsigned int round, i, q;

	srand(1);
	for (round = 0; round < 200; round++) {
		r.t.nent = 0;
		for (i = rand() % (CPUID_MAX_ENTRIES + 1); i > 0; i--)
			rig_add(&r, rand() % 40, rand() % 4 - 1, rand(), rand(), rand(), rand());
		r.t.e = r.e;
		cpuid_index(&r.t);
		for (q = 0; q < 200; q++) {
			u32 leaf = rand() % 42, sub = rand() % 5;
			struct kvm_cpuid_entry2 *want = NULL;

			for (i = 0; i < r.t.nent && !want; i++)
				if (r.e[i].function == leaf &&
				    (!r.e[i].flags || r.e[i].index == sub))
					want = &r.e[i];
			EXPECT_TRUE(cpuid_find(&r.t, leaf, sub) == want);
		}
	}
}

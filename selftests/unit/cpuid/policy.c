// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - what is offered, from a host that has everything
 */
#include "rig.h"

static struct rig_table r;

static const struct kvm_cpuid_entry2 *leaf(u32 function, u32 index)
{
	static const struct kvm_cpuid_entry2 none;
	const struct kvm_cpuid_entry2 *e = cpuid_find(&r.t, function, index);

	return e ? e : &none;
}

TEST(fits_the_room_that_vmms_have)
{
	rig_reset(true);
	rig_host.xcr0 = 0x2e7;
	rig_supported(&r);
	EXPECT_LT(r.t.nent, CPUID_MAX_SUPPORTED);
	rig_reset(false);
	rig_host.xcr0 = 0x2e7;
	rig_supported(&r);
	EXPECT_LT(r.t.nent, CPUID_MAX_SUPPORTED);
}

TEST(too_little_room)
{
	static struct kvm_cpuid_entry2 e[CPUID_MAX_SUPPORTED];
	int max, all;

	rig_reset(true);
	all = cpuid_supported(&rig_host, e, CPUID_MAX_SUPPORTED);
	for (max = 0; max < all; max++)
		EXPECT_EQ(cpuid_supported(&rig_host, e, max), -E2BIG);
	EXPECT_EQ(cpuid_supported(&rig_host, e, all), all);
}

TEST(no_entry_twice)
{
	unsigned int i, k;

	rig_reset(true);
	rig_supported(&r);
	for (i = 0; i < r.t.nent; i++)
		for (k = 0; k < i; k++)
			EXPECT_FALSE(r.e[i].function == r.e[k].function &&
				     r.e[i].index == r.e[k].index);
}

TEST(leaves_that_vmms_want)
{
	static const u32 wanted[] = {
		0, 1, 2, 4, 5, 6, 7, 0xa, 0xb, 0xd, 0x1f, 0x40000000, 0x40000001, 0x80000000,
		0x80000001, 0x80000002, 0x80000005, 0x80000006, 0x80000007, 0x80000008,
	};
	unsigned int i;

	rig_reset(false);
	rig_supported(&r);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		EXPECT_TRUE(cpuid_find(&r.t, wanted[i], 0));
	EXPECT_FALSE(cpuid_find(&r.t, 0x8000001d, 0));
}

TEST(maxima_are_bounded)
{
	rig_reset(true);
	rig_supported(&r);
	EXPECT_EQ(leaf(0, 0)->eax, 0x1f);
	EXPECT_EQ(leaf(0x80000000, 0)->eax, 0x80000021);
	EXPECT_EQ(leaf(7, 0)->eax, 1);
	rig_max_basic = 0xd;
	rig_max_extended = 0x80000008;
	rig_supported(&r);
	EXPECT_EQ(leaf(0, 0)->eax, 0xd);
	EXPECT_FALSE(cpuid_find(&r.t, 0x1f, 0));
	EXPECT_FALSE(cpuid_find(&r.t, 0x8000001e, 0));
}

/* What Keel does not do is not offered by whatever host. */
TEST(never_offered)
{
	static const struct { u32 leaf, index; u8 reg, bit; const char *name; } never[] = {
		{ 1, 0, CPUID_REG_ECX, 5, "VMX" },
		{ 1, 0, CPUID_REG_ECX, 3, "MONITOR" },
		{ 1, 0, CPUID_REG_ECX, 15, "PDCM" },
		{ 1, 0, CPUID_REG_ECX, 6, "SMX" },
		{ 1, 0, CPUID_REG_ECX, 24, "TSC deadline: by its capability" },
		{ 1, 0, CPUID_REG_ECX, 27, "OSXSAVE: follows CR4" },
		{ 1, 0, CPUID_REG_EDX, 21, "DS" },
		{ 1, 0, CPUID_REG_EDX, 28, "HT" },
		{ 7, 0, CPUID_REG_EBX, 2, "SGX" },
		{ 7, 0, CPUID_REG_EBX, 14, "MPX" },
		{ 7, 0, CPUID_REG_EBX, 25, "PT" },
		{ 7, 0, CPUID_REG_ECX, 5, "WAITPKG" },
		{ 7, 0, CPUID_REG_ECX, 7, "CET SS" },
		{ 7, 0, CPUID_REG_ECX, 16, "LA57" },
		{ 7, 0, CPUID_REG_EDX, 20, "CET IBT" },
		{ 7, 0, CPUID_REG_EDX, 24, "AMX" },
		{ 0xd, 1, CPUID_REG_EAX, 4, "XFD" },
		{ 0x80000001, 0, CPUID_REG_ECX, 2, "SVM" },
		{ 0x80000001, 0, CPUID_REG_ECX, 10, "IBS" },
		{ 0x80000001, 0, CPUID_REG_ECX, 12, "SKINIT" },
		{ 0x80000001, 0, CPUID_REG_ECX, 23, "performance counters" },
		{ 0x80000008, 0, CPUID_REG_EBX, 25, "VIRT_SSBD" },
		{ 0x40000001, 0, CPUID_REG_EAX, KVM_FEATURE_ASYNC_PF, "async PF" },
	};
	struct cpuid_out o;
	unsigned int i;

	rig_reset(true);
	rig_host.intel = true;	/* the union of both */
	rig_supported(&r);
	for (i = 0; i < ARRAY_SIZE(never); i++) {
		cpuid_read(&r.t, never[i].leaf, never[i].index, &o);
		if (o.reg[never[i].reg] & BIT(never[i].bit))
			tap_note("offered: %s", never[i].name);
		EXPECT_FALSE(o.reg[never[i].reg] & BIT(never[i].bit));
	}
	EXPECT_FALSE(cpuid_find(&r.t, 0x8000000a, 0));
	EXPECT_FALSE(cpuid_find(&r.t, 0x12, 0));
	EXPECT_FALSE(cpuid_find(&r.t, 0x14, 0));
	EXPECT_EQ(leaf(0xa, 0)->eax, 0);
}

TEST(emulated_on_any_host)
{
	static const u32 none[32];

	rig_reset(false);
	rig_host.caps = none;
	rig_supported(&r);
	EXPECT_EQ(leaf(1, 0)->ecx, FBIT(X86_FEATURE_X2APIC) | FBIT(X86_FEATURE_HYPERVISOR));
	EXPECT_EQ(leaf(1, 0)->edx, FBIT(X86_FEATURE_MCE) | FBIT(X86_FEATURE_MCA) |
		  FBIT(X86_FEATURE_APIC) | FBIT(X86_FEATURE_MTRR) | FBIT(X86_FEATURE_PAT));
	EXPECT_EQ(leaf(7, 0)->ebx, FBIT(X86_FEATURE_TSC_ADJUST));
	EXPECT_EQ(leaf(6, 0)->eax, 4);
	EXPECT_EQ(leaf(0x80000001, 0)->edx, 0);
}

TEST(kernel_switched_it_off)
{
	u32 off[32];

	rig_reset(false);
	memset(off, 0xff, sizeof(off));
	off[X86_FEATURE_OSPKE / 32] &= ~FBIT(X86_FEATURE_OSPKE);
	off[X86_FEATURE_XSAVES / 32] &= ~FBIT(X86_FEATURE_XSAVES);
	rig_host.caps = off;
	rig_supported(&r);
	EXPECT_FALSE(leaf(7, 0)->ecx & FBIT(X86_FEATURE_PKU));
	EXPECT_FALSE(leaf(0xd, 1)->eax & FBIT(X86_FEATURE_XSAVES));
}

TEST(signature_and_features)
{
	const struct kvm_cpuid_entry2 *e;

	rig_reset(true);
	rig_supported(&r);
	e = leaf(0x40000000, 0);
	EXPECT_EQ(e->eax, 0x40000001);
	EXPECT_MEMEQ(&e->ebx, "KVMK", 4);
	EXPECT_MEMEQ(&e->ecx, "VMKV", 4);
	EXPECT_MEMEQ(&e->edx, "M\0\0\0", 4);
	EXPECT_EQ(leaf(0x40000001, 0)->eax, BIT(KVM_FEATURE_CLOCKSOURCE2));
}

TEST(widths)
{
	rig_reset(true);
	rig_supported(&r);
	EXPECT_EQ(leaf(0x80000008, 0)->eax, 48 | 48 << 8);
	rig_host.max_gpa_bits = 52;
	rig_supported(&r);
	EXPECT_EQ(leaf(0x80000008, 0)->eax, 52 | 48 << 8);
}

TEST(topology_is_not_the_hosts)
{
	rig_reset(true);
	rig_supported(&r);
	EXPECT_EQ(leaf(0xb, 0)->ebx, 0);
	EXPECT_EQ(leaf(0x1f, 0)->ebx, 0);
	EXPECT_EQ(leaf(0x8000001e, 0)->eax, 0);
	EXPECT_EQ(leaf(1, 0)->ebx >> 24, 0);
	EXPECT_EQ(leaf(0x80000007, 0)->edx, 0x100);
}

TEST(caches_end_with_type_0)
{
	rig_reset(true);
	rig_supported(&r);
	EXPECT_EQ(leaf(4, 3)->eax, 4);
	EXPECT_TRUE(cpuid_find(&r.t, 4, 4));
	EXPECT_EQ(leaf(4, 4)->eax, 0);
	EXPECT_FALSE(cpuid_find(&r.t, 4, 5));
	EXPECT_TRUE(cpuid_find(&r.t, 0x8000001d, 4));
}

TEST(xsave_subleaves)
{
	rig_reset(false);
	rig_supported(&r);
	EXPECT_EQ(leaf(0xd, 0)->eax, 0x207);
	EXPECT_EQ(leaf(0xd, 0)->ebx, 2696);
	EXPECT_EQ(leaf(0xd, 0)->ecx, 2696);
	EXPECT_EQ(leaf(0xd, 1)->ebx, 576 + 256 + 8);
	EXPECT_EQ(leaf(0xd, 1)->ecx, 0);
	EXPECT_EQ(leaf(0xd, 2)->eax, 256);
	EXPECT_EQ(leaf(0xd, 2)->ebx, 576);
	EXPECT_EQ(leaf(0xd, 2)->edx, 0);
	EXPECT_EQ(leaf(0xd, 9)->ebx, 2688);
	EXPECT_FALSE(cpuid_find(&r.t, 0xd, 3));
}

TEST(no_xsave_no_subleaves)
{
	rig_reset(false);
	rig_host.xcr0 = 0;
	rig_supported(&r);
	EXPECT_EQ(leaf(0xd, 0)->eax, 0);
	EXPECT_FALSE(cpuid_find(&r.t, 0xd, 1));
}

/* Alignment counts in the compacted form alone. */
TEST(xsave_sizes)
{
	struct cpuid_xstate xs;

	rig_reset(false);
	rig_host.xss = BIT_ULL(11);
	cpuid_xstate_probe(&rig_host, &xs);
	EXPECT_EQ(cpuid_xstate_size(&xs, 3, false), 576);
	EXPECT_EQ(cpuid_xstate_size(&xs, 7, false), 832);
	EXPECT_EQ(cpuid_xstate_size(&xs, 7, true), 832);
	EXPECT_EQ(cpuid_xstate_size(&xs, 0x203, true), 584);
	EXPECT_EQ(cpuid_xstate_size(&xs, 0xa03, true), 592);
	EXPECT_EQ(cpuid_xstate_size(&xs, ~0ULL, true), 848);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - what CPUID and MSRs say and take, on the host that this is
 */
#include <asm/msr-index.h>
#include "arch/x86/backend.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/msr.h"
#include "arch/x86/msr_table.h"
#include "arch/x86/regs.h"
#include "rig.h"

static int policy_init(struct kunit *test)
{
	int r = rig_init(test);

	if (!r)
		rig_load(rig_of(test)->vcpu[0]);
	return r;
}

static void policy_exit(struct kunit *test)
{
	if (rig_of(test))
		rig_put(rig_of(test)->vcpu[0]);
	rig_exit(test);
}

static struct keel_vcpu *cpu_of(struct kunit *test)
{
	return rig_of(test)->vcpu[0];
}

static void give_cpuid(struct kunit *test)
{
	rig_give_cpuid(test, cpu_of(test));
}

struct regs {
	u32 eax, ebx, ecx, edx;
};

static struct regs query(struct keel_vcpu *vcpu, u32 leaf, u32 sub)
{
	struct regs r = { .eax = leaf, .ecx = sub };

	keel_cpuid_query(vcpu, &r.eax, &r.ebx, &r.ecx, &r.edx);
	return r;
}

/* ---- CPUID ---- */

/* Nothing is offered that this CPU has not, but what Keel emulates. */
static void subset_of_host(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	struct regs guest;

	give_cpuid(test);
	guest = query(vcpu, 1, 0);
	/* x2APIC, TSC deadline and "hypervisor" are Keel's own; OSXSAVE follows CR4. */
	KUNIT_EXPECT_EQ(test, guest.ecx & ~(cpuid_ecx(1) | BIT(21) | BIT(24) | BIT(27) | BIT(31)), 0);
	KUNIT_EXPECT_EQ(test, guest.edx & ~cpuid_edx(1), 0);
	guest = query(vcpu, 0x80000001, 0);
	KUNIT_EXPECT_EQ(test, guest.edx & ~cpuid_edx(0x80000001), 0);
	/* No nested guests, no SMX, no performance counters. */
	KUNIT_EXPECT_EQ(test, guest.ecx & BIT(2), 0);
	KUNIT_EXPECT_EQ(test, query(vcpu, 1, 0).ecx & (BIT(5) | BIT(6)), 0);
	KUNIT_EXPECT_EQ(test, query(vcpu, 10, 0).eax & 0xff, 0);
}

static void osxsave_follows_cr4(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	u64 cr4 = keel_cr4(vcpu);

	give_cpuid(test);
	if (!(query(vcpu, 1, 0).ecx & BIT(26)))
		kunit_skip(test, "no XSAVE");
	KUNIT_EXPECT_EQ(test, query(vcpu, 1, 0).ecx & BIT(27), 0);
	vcpu->arch.cr4 = cr4 | X86_CR4_OSXSAVE;
	keel_cpuid_update_runtime(vcpu);
	KUNIT_EXPECT_EQ(test, query(vcpu, 1, 0).ecx & BIT(27), BIT(27));
	vcpu->arch.cr4 = cr4;
	keel_cpuid_update_runtime(vcpu);
	KUNIT_EXPECT_EQ(test, query(vcpu, 1, 0).ecx & BIT(27), 0);
}

/* Beyond the last leaf: an AMD guest gets zeroes, an Intel guest the last basic leaf. */
static void beyond_the_last_leaf(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	struct regs got, last;

	give_cpuid(test);
	last = query(vcpu, query(vcpu, 0, 0).eax, 0);
	got = query(vcpu, 0x7fff, 0);
	if (keel_guest_is_amd(vcpu))
		last = (struct regs){ };
	KUNIT_EXPECT_EQ(test, memcmp(&got, &last, sizeof(got)), 0);
}

/* Without a table there are no features; with one, CR4 has no bit that the host has not. */
static void table_gives_features(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	u64 reserved = vcpu->arch.cr4_reserved;

	KUNIT_EXPECT_EQ(test, vcpu->arch.features, 0ULL);
	give_cpuid(test);
	KUNIT_EXPECT_NE(test, vcpu->arch.features, 0ULL);
	KUNIT_EXPECT_EQ(test, reserved & ~vcpu->arch.cr4_reserved, 0ULL);
	KUNIT_EXPECT_EQ(test, vcpu->arch.cr4_reserved & X86_CR4_PAE, 0ULL);
	KUNIT_EXPECT_NE(test, vcpu->arch.cr4_reserved & BIT_ULL(63), 0ULL);
}

/* ---- MSRs ---- */

/* The look-up is binary: numbers rise, ranges are ranges, none overlaps. */
static void rules_are_sorted(struct kunit *test)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < msr_nr_rules; i++) {
		wrong += msr_rules[i].last < msr_rules[i].first;
		wrong += i && msr_rules[i].first <= msr_rules[i - 1].last;
		wrong += msr_rules[i].field + sizeof(u64) > sizeof(struct keel_vcpu_arch);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, msr_nr_rules, 20U);
}

/* What can be read can be written back, as migration does, and reads the same. */
static void saved_and_restored(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	u64 val, again;
	unsigned int i, n = 0;
	u32 msr;

	give_cpuid(test);
	for (i = 0; i < msr_nr_rules; i++) {
		const struct msr_rule *rule = &msr_rules[i];

		if (!(rule->flags & MSR_LISTED) || rule->flags & (MSR_WRITE_ONLY | MSR_READ_ONLY))
			continue;
		msr = rule->first;
		if (msr == MSR_IA32_TSC || keel_msr_get(vcpu, msr, &val, true))
			continue;
		n++;
		if (keel_msr_set(vcpu, msr, val, true))
			KUNIT_FAIL(test, "MSR %#x: %#llx is refused", msr, val);
		KUNIT_EXPECT_EQ(test, keel_msr_get(vcpu, msr, &again, true), 0);
		if (again != val)
			KUNIT_FAIL(test, "MSR %#x: %#llx, then %#llx", msr, val, again);
	}
	KUNIT_EXPECT_GT(test, n, 10U);
}

/* A guest gets #GP for what userspace may do. */
static void guest_and_userspace(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	u64 val;

	give_cpuid(test);
	KUNIT_EXPECT_EQ(test, keel_msr_get(vcpu, 0x12345678, &val, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, 0x12345678, 0, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, keel_msr_get(vcpu, ~0U, &val, true), -EINVAL);
	KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, MSR_EFER, ~0ULL, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, MSR_EFER, EFER_SVME, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, MSR_EFER, EFER_LME, false), 0);
	KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, MSR_IA32_CR_PAT, 0x0202020202020202ULL, false),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, MSR_IA32_CR_PAT, 0x0606060606060606ULL, false), 0);
	KUNIT_EXPECT_EQ(test, keel_msr_get(vcpu, MSR_IA32_CR_PAT, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val, 0x0606060606060606ULL);
}

/* Addresses in MSRs are loaded by the CPU, which refuses some: a guest must not get there. */
static void addresses_are_canonical(struct kunit *test)
{
	static const u32 msrs[] = { MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_LSTAR };
	struct keel_vcpu *vcpu = cpu_of(test);
	unsigned int i;

	give_cpuid(test);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, msrs[i], 1ULL << 62, false), -EINVAL);
		KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, msrs[i], 1ULL << 62, true), -EINVAL);
		KUNIT_EXPECT_EQ(test, keel_msr_set(vcpu, msrs[i], -4096ULL, false), 0);
	}
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(subset_of_host),
	KUNIT_CASE(osxsave_follows_cr4),
	KUNIT_CASE(beyond_the_last_leaf),
	KUNIT_CASE(table_gives_features),
	KUNIT_CASE(rules_are_sorted),
	KUNIT_CASE(saved_and_restored),
	KUNIT_CASE(guest_and_userspace),
	KUNIT_CASE(addresses_are_canonical),
	{ }
};

struct kunit_suite keel_policy_suite = {
	.name = "keel_policy",
	.init = policy_init,
	.exit = policy_exit,
	.test_cases = policy_cases,
};

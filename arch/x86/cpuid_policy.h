/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cpuid_policy.h - tables of CPUID leaves: what Keel offers, and how a guest's are read
 *
 * A logic core: the host's CPUID comes in through struct cpuid_host.
 */
#ifndef KEEL_X86_CPUID_POLICY_H
#define KEEL_X86_CPUID_POLICY_H

#include <keel/core.h>
#include <linux/kvm.h>

#define CPUID_MAX_ENTRIES	256	/* in a table that userspace sets */
#define CPUID_MAX_SUPPORTED	80	/* VMMs have room for no more */

/* Features common code asks about; a bitmap made when CPUID is set, so a test is one load. */
enum keel_guest_feature {
	KEEL_F_XSAVE, KEEL_F_XSAVES, KEEL_F_X2APIC, KEEL_F_TSC_DEADLINE, KEEL_F_LM, KEEL_F_NX,
	KEEL_F_PCID, KEEL_F_INVPCID, KEEL_F_FSGSBASE, KEEL_F_SMEP, KEEL_F_SMAP, KEEL_F_UMIP,
	KEEL_F_PKU, KEEL_F_LA57, KEEL_F_TSC_AUX, KEEL_F_MOVBE, KEEL_F_AVX,
	KEEL_F_AVX2, KEEL_F_CX16, KEEL_F_GBPAGES, KEEL_F_FXSR_OPT, KEEL_F_RTM, KEEL_F_SPEC_CTRL,
	KEEL_F_PRED_CMD, KEEL_F_SSBD, KEEL_F_TSC_ADJUST, KEEL_F_ARCH_CAPS, KEEL_F_STIBP,
	KEEL_F_OSVW, KEEL_F_XMM3, KEEL_F_PV_CLOCK, KEEL_F_PV_CLOCK2, KEEL_F_PV_STEAL,
	KEEL_F_PV_UNHALT, KEEL_F_PV_SEND_IPI, KEEL_F_PV_POLL, KEEL_F_PV_YIELD,
	KEEL_NR_FEATURES
};

enum cpuid_reg { CPUID_REG_EAX, CPUID_REG_EBX, CPUID_REG_ECX, CPUID_REG_EDX, CPUID_NR_REGS };

struct cpuid_out {
	u32 reg[CPUID_NR_REGS];
};

/* Where the XSAVE area keeps each state component, as the CPU says. */
struct cpuid_xstate {
	struct {
		u32 size, offset;	/* offset: of the standard format */
		bool aligned;		/* to 64 bytes, in the compacted format */
	} comp[64];
};

/* What the policy starts from. */
struct cpuid_host {
	void (*query)(u32 leaf, u32 subleaf, struct cpuid_out *out);	/* the CPU's CPUID */
	const u32 *caps;	/* the kernel's feature words: what it switched off is off */
	u64 xcr0, xss;		/* state components that are saved and loaded for guests */
	u32 pv_features;	/* KVM_CPUID_FEATURES.EAX */
	u8 max_gpa_bits;	/* of guest physical addresses */
	bool amd, intel;	/* of whom the CPU is; AMD includes Hygon */
};

#define CPUID_HASHES	64	/* a power of 2 */

struct keel_cpuid {
	unsigned int nent;
	bool amd;		/* vendor string of the table */
	struct kvm_cpuid_entry2 *e;	/* in the order userspace gave */
	/* Chains of leaves with the same hash: one more than the index into e, or 0. */
	u16 first[CPUID_HASHES];
	u16 next[CPUID_MAX_ENTRIES];
};

/* State that some bits of CPUID mirror. */
struct cpuid_runtime {
	bool osxsave, ospke;	/* CR4 */
	bool apic;		/* APIC_BASE enable bit */
	bool follow_mwait, mwait;	/* MISC_ENABLE */
	u64 xcr0, xss;
};

/* cpuid_supported() - fill @e with what Keel offers on @h. The count, or -E2BIG. */
int cpuid_supported(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e, unsigned int max);

void cpuid_xstate_probe(const struct cpuid_host *h, struct cpuid_xstate *xs);
/* Bytes of an XSAVE area with the components @bits. */
u32 cpuid_xstate_size(const struct cpuid_xstate *xs, u64 bits, bool compacted);

/* Make a table that was filled (nent, e) ready for the functions below. */
void cpuid_index(struct keel_cpuid *t);
/* The entry of @leaf, and of @subleaf where the entry heeds it; NULL. First of equals. */
struct kvm_cpuid_entry2 *cpuid_find(const struct keel_cpuid *t, u32 leaf, u32 subleaf);
/* What the instruction returns, out-of-range leaves included. */
void cpuid_read(const struct keel_cpuid *t, u32 leaf, u32 subleaf, struct cpuid_out *out);

/* 0; -EINVAL: no guest could run with it. */
int cpuid_check(const struct keel_cpuid *t);
void cpuid_set_runtime(const struct keel_cpuid *t, const struct cpuid_xstate *xs,
		       const struct cpuid_runtime *rt);
bool cpuid_equal(const struct keel_cpuid *a, const struct keel_cpuid *b);

u64 cpuid_features(const struct keel_cpuid *t);	/* bit n: enum keel_guest_feature */
u64 cpuid_cr4(u64 features);			/* bits of CR4 that go with them */
u64 cpuid_efer(u64 features);			/* and of EFER */
u64 cpuid_xcr0(const struct keel_cpuid *t);
u64 cpuid_xss(const struct keel_cpuid *t);
u8 cpuid_maxphyaddr(const struct keel_cpuid *t);

#endif

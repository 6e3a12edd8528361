/* SPDX-License-Identifier: GPL-2.0 */
/*
 * msr_table.h - between msr_table.c, msr.c and mce.c
 */
#ifndef KEEL_X86_MSR_TABLE_H
#define KEEL_X86_MSR_TABLE_H

#include "msr.h"

struct msr_req {
	u32 msr;
	bool host;
	u64 val;
};

enum {
	MSR_LISTED	= BIT(0),	/* in KVM_GET_MSR_INDEX_LIST, where the host offers it */
	MSR_HARDWARE	= BIT(1),	/* the backend may hold it: it has the last word */
	MSR_HOST_ONLY	= BIT(2),	/* a guest gets #GP */
	MSR_HOST_SETS	= BIT(3),	/* a guest may only read it */
	MSR_DROPS	= BIT(4),	/* writes do nothing */
	MSR_WRITE_ONLY	= BIT(5),
	MSR_READ_ONLY	= BIT(6),
	MSR_IF_AMD	= BIT(7),	/* hosts that have the register at all */
	MSR_IF_INTEL	= BIT(8),
	MSR_QUICK	= BIT(9),	/* @set takes no lock that sleeps, and no guest memory */
};

#define MSR_ANY		0xff		/* .feature: no CPUID feature is asked for */

/*
 * A register, or the registers first to last. Without accessors it is the u64 at @field
 * of struct keel_vcpu_arch; without a field it reads as @value. A write passes @check,
 * which may also make @rq->val what is to be stored, and sets no bit outside @writable.
 * A @get beside MSR_HARDWARE says whether it may be read, and the value of our own.
 * All return 0 or -EINVAL (#GP). @get and @check may be called with interrupts off, and
 * with MSR_QUICK so may @set.
 */
struct msr_rule {
	u32 first, last;
	u16 flags;
	u8 feature;
	u16 field;
	u64 value, writable;
	int (*get)(struct keel_vcpu *vcpu, struct msr_req *rq);
	int (*set)(struct keel_vcpu *vcpu, struct msr_req *rq);
	int (*check)(struct keel_vcpu *vcpu, struct msr_req *rq);
};

/* Sorted by number, without overlap. */
extern const struct msr_rule msr_rules[];
extern const unsigned int msr_nr_rules;

/* Feature MSRs: what the CPU is, asked for before there is a vCPU. 0; -EINVAL: not one. */
struct msr_feature {
	u32 msr;
	bool (*offered)(void);
	u64 (*value)(void);
};

extern const struct msr_feature msr_features[];
extern const unsigned int msr_nr_features;

u64 msr_host_arch_capabilities(void);

/* mce.c */
int mce_init(struct keel_vcpu *vcpu);
void mce_destroy(struct keel_vcpu *vcpu);
int mce_get_bank(struct keel_vcpu *vcpu, struct msr_req *rq);
int mce_set_bank(struct keel_vcpu *vcpu, struct msr_req *rq);
int mce_get_ctl(struct keel_vcpu *vcpu, struct msr_req *rq);
int mce_set_ctl(struct keel_vcpu *vcpu, struct msr_req *rq);

#endif

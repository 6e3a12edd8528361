/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock_int.h - between clock.c, tsc.c, pvclock.c and steal.c
 */
#ifndef KEEL_X86_CLOCK_INT_H
#define KEEL_X86_CLOCK_INT_H

#include <linux/sched.h>
#include "clock.h"

/* How long the current task has waited for a CPU, in ns, since it exists. */
#ifdef CONFIG_SCHED_INFO
static inline u64 clock_run_delay(void)
{
	return current->sched_info.run_delay;
}
#else
static inline u64 clock_run_delay(void)
{
	return 0;
}
#endif

/* ---- clock.c: the host's time ---- */

/*
 * A moment by three clocks: the host's raw time since boot (the base of kvmclock: its
 * pace is the TSC's, no NTP), its wall clock, its TSC.
 */
struct clock_moment {
	u64 ns, real_ns, tsc;
};

/* The moment exactly; false where the host's clock source is not the TSC. */
bool clock_read_exact(struct clock_moment *m);
/* As near as two reads one after the other can be. */
void clock_read_near(struct clock_moment *m);

/* Cycles by which the host's TSC fell back over suspends: added to each of its readings. */
u64 clock_tsc_shift(void);

/* ---- tsc.c ---- */

void tsc_vm_init(struct keel_vm *vm);
void tsc_vcpu_init(struct keel_vcpu *vcpu);
void tsc_load(struct keel_vcpu *vcpu);	/* preemption off */
void tsc_put(struct keel_vcpu *vcpu);
/* The rate at which the guest's TSC really counts, as far as the host knows its own. */
u32 tsc_true_khz(struct keel_vcpu *vcpu);
/* Do all vCPUs of @vm have the same TSC on a host whose TSC can be trusted? */
bool tsc_all_match(struct keel_vm *vm);

/* ---- pvclock.c ---- */

void pvclock_vm_init(struct keel_vm *vm);
void pvclock_vcpu_reset(struct keel_vcpu *vcpu);
/* Take a new time base, also where the mode stays. Process context. */
void pvclock_rebase(struct keel_vm *vm);
/* As above if the host's clock came or went as a time base. */
void pvclock_revise(struct keel_vm *vm);

/* ---- steal.c ---- */

void steal_vcpu_reset(struct keel_vcpu *vcpu);
void steal_load(struct keel_vcpu *vcpu);
void steal_put(struct keel_vcpu *vcpu);	/* preemption off: tell the guest it does not run */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock.h - the guest's TSC (tsc.c), kvmclock (pvclock.c), steal time (steal.c)
 *
 * clock.c watches the host's clock and ties them together.
 */
#ifndef KEEL_X86_CLOCK_H
#define KEEL_X86_CLOCK_H

#include "exit.h"

int keel_clock_setup(void);	/* load: host TSC facts, timekeeper notifier */
void keel_clock_exit(void);
void keel_clock_vm_init(struct keel_vm *vm);
void keel_clock_vcpu_init(struct keel_vcpu *vcpu);
/* TSC synchronised with its siblings; vCPU loaded. */
void keel_clock_vcpu_created(struct keel_vcpu *vcpu);
void keel_clock_vcpu_reset(struct keel_vcpu *vcpu);
/*
 * Physical CPU changed or VM entered anew: offsets, steal time. Preemption off; after
 * the backend's vcpu_load, before its vcpu_put.
 */
void keel_clock_load(struct keel_vcpu *vcpu, int cpu);
void keel_clock_put(struct keel_vcpu *vcpu);

u64 keel_guest_tsc(struct keel_vcpu *vcpu);		/* now; any context of the vCPU thread */
u64 keel_guest_tsc_at(struct keel_vcpu *vcpu, u64 host_tsc);
/* Guest or host writes the TSC (MSR 10h), TSC_ADJUST. vCPU loaded. */
void keel_tsc_write(struct keel_vcpu *vcpu, u64 val, bool host);
void keel_tsc_adjust_write(struct keel_vcpu *vcpu, u64 val, bool host);

/* KEEL_REQ_CLOCK, KEEL_REQ_MASTERCLOCK, KEEL_REQ_STEAL; may sleep. */
void keel_clock_update(struct keel_vcpu *vcpu);
void keel_clock_update_master(struct keel_vm *vm);
void keel_steal_update(struct keel_vcpu *vcpu);

/* KVM's paravirtual clock MSRs. -EINVAL: bad value. May sleep. */
int keel_clock_set_system_time(struct keel_vcpu *vcpu, u64 val, bool old_msr, bool host);
int keel_clock_set_wall_clock(struct keel_vcpu *vcpu, u64 val);
int keel_clock_set_steal(struct keel_vcpu *vcpu, u64 val);

/* What KVM_CAP_ADJUST_CLOCK answers: the flags KVM_GET_CLOCK may return. */
#define KEEL_CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

/* struct kvm_clock_data */
long keel_ioc_get_clock(struct keel_vm *vm, union keel_arg arg);	/* OUT */
long keel_ioc_set_clock(struct keel_vm *vm, union keel_arg arg);	/* IN */
long keel_ioc_get_tsc_khz(struct keel_vcpu *vcpu, union keel_arg arg);	/* VALUE: none */
/* VALUE, 0 is the host's. -EINVAL: not within 250 ppm and the CPU cannot scale that far. */
long keel_ioc_set_tsc_khz(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_vm_get_tsc_khz(struct keel_vm *vm, union keel_arg arg);
/* For vCPUs to come; -EINVAL once there is one. */
long keel_ioc_vm_set_tsc_khz(struct keel_vm *vm, union keel_arg arg);
/* The guest was stopped: it is told. -EINVAL: no kvmclock. */
long keel_ioc_kvmclock_ctrl(struct keel_vcpu *vcpu, union keel_arg arg);

#endif

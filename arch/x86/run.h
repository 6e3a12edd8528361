/* SPDX-License-Identifier: GPL-2.0 */
/*
 * run.h - the run loop's surface: reset, HLT, and what a return to userspace says
 */
#ifndef KEEL_X86_RUN_H
#define KEEL_X86_RUN_H

#include "exit.h"

/* RESET or INIT of the whole vCPU: registers, APIC, FPU, MSRs, pending events. vCPU loaded. */
void keel_vcpu_reset(struct keel_vcpu *vcpu, bool init);

/* HLT has been stepped over: sleep here, or KVM_EXIT_HLT where userspace has the APIC. */
int keel_vcpu_halt(struct keel_vcpu *vcpu);

/* Userspace may inject now (KVM_INTERRUPT): what kvm_run's ready_for_interrupt_injection says. */
bool keel_user_irq_ready(struct keel_vcpu *vcpu);

#endif

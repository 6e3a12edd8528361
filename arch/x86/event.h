/* SPDX-License-Identifier: GPL-2.0 */
/*
 * event.h - exceptions, NMIs, interrupts, INIT and SIPI: queueing and order
 */
#ifndef KEEL_X86_EVENT_H
#define KEEL_X86_EVENT_H

#include "exit.h"

/* Queue an exception for the guest (vCPU thread). Merges into #DF, triple fault by the rules. */
void keel_queue_exception(struct keel_vcpu *vcpu, u8 vector);
void keel_queue_exception_error(struct keel_vcpu *vcpu, u8 vector, u32 error);
void keel_queue_page_fault(struct keel_vcpu *vcpu, u64 addr, u32 error);
void keel_queue_db(struct keel_vcpu *vcpu, u64 dr6_bits);
#define keel_inject_gp(vcpu, error)	keel_queue_exception_error((vcpu), 13, (error))
#define keel_inject_ud(vcpu)		keel_queue_exception((vcpu), 6)

/* One NMI more (at most two wait). Any context; requests and kicks. */
void keel_nmi_queue(struct keel_vcpu *vcpu);

/*
 * keel_events_inject() - before entry, interrupts on: hand the most urgent event to
 * the backend, ask for windows for the rest.
 */
void keel_events_inject(struct keel_vcpu *vcpu);
void keel_events_cancel(struct keel_vcpu *vcpu);	/* the entry was given up */
void keel_events_given(struct keel_vcpu *vcpu);

/*
 * The entry happened, call before .decode: what was given is the CPU's, and decode hands back
 * what was not delivered.
 */
static inline void keel_events_entered(struct keel_vcpu *vcpu)
{
	vcpu->arch.in_delivery = false;
	if (vcpu->arch.given != KEEL_GIVEN_NONE || vcpu->arch.exit_soon)
		keel_events_given(vcpu);
}

void keel_nmi_take(struct keel_vcpu *vcpu);		/* KEEL_REQ_NMI: queued become pending */
void keel_deliver_exception_payload(struct keel_vcpu *vcpu);	/* CR2, DR6 of a pending one */

/* Anything that would end HLT. */
bool keel_events_pending(struct keel_vcpu *vcpu);
/* INIT and SIPI waiting at the APIC: take them. */
void keel_events_init_sipi(struct keel_vcpu *vcpu);
void keel_events_reset(struct keel_vcpu *vcpu);

/* KVM_GET/SET_VCPU_EVENTS, KVM_NMI, KVM_INTERRUPT, KVM_GET/SET_MP_STATE */
long keel_ioc_get_vcpu_events(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_vcpu_events(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_nmi(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_interrupt(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_get_mp_state(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_mp_state(struct keel_vcpu *vcpu, union keel_arg arg);

#endif

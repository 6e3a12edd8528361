// SPDX-License-Identifier: GPL-2.0
/*
 * event_ioctl.c - events as userspace sees and sets them
 */
#include <asm/trapnr.h>
#include "backend.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "regs.h"

#define KEEL_EVENTS_FLAGS (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
			   KVM_VCPUEVENT_VALID_SHADOW)

long keel_ioc_get_vcpu_events(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_vcpu_events *ev = arg.buf;
	struct keel_exception *e = &vcpu->arch.exception;

	if (keel_vcpu_take_request(vcpu, KEEL_REQ_NMI))
		keel_nmi_take(vcpu);
	/*
	 * As KVM: #BP and #OF are not shown. The guest's own are executed again; one from
	 * userspace is lost when what was read is written back.
	 */
	if (!(e->vector == X86_TRAP_BP || e->vector == X86_TRAP_OF))
		ev->exception.injected = e->injected || e->pending;
	ev->exception.nr = e->vector;
	ev->exception.has_error_code = e->has_error;
	ev->exception.error_code = e->error;
	if (e->pending)
		keel_deliver_exception_payload(vcpu);
	ev->interrupt.injected = vcpu->arch.irq.injected;
	ev->interrupt.nr = vcpu->arch.irq.vector;
	if (!keel_apic_in_kernel(vcpu) && !ev->interrupt.injected && vcpu->arch.user_irq >= 0) {
		ev->interrupt.injected = 1;
		ev->interrupt.nr = vcpu->arch.user_irq;
	}
	ev->interrupt.soft = 0;
	ev->interrupt.shadow = keel_op(get_shadow)(vcpu);
	ev->nmi.injected = vcpu->arch.nmi_injected;
	ev->nmi.pending = vcpu->arch.nmi_pending;
	ev->nmi.masked = keel_op(get_nmi_mask)(vcpu);
	ev->sipi_vector = keel_apic_in_kernel(vcpu) ? keel_apic_sipi_vector(vcpu) : 0;
	ev->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	return 0;
}

static bool keel_events_valid(const struct kvm_vcpu_events *ev)
{
	if (ev->flags & ~KEEL_EVENTS_FLAGS)
		return false;
	return !ev->exception.injected ||
	       (ev->exception.nr < 32 && ev->exception.nr != X86_TRAP_NMI);
}

long keel_ioc_set_vcpu_events(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_vcpu_events *ev = arg.buf;

	if (!keel_events_valid(ev))
		return -EINVAL;
	if (keel_vcpu_take_request(vcpu, KEEL_REQ_NMI))
		keel_nmi_take(vcpu);
	vcpu->arch.exception = (struct keel_exception){
		.injected = ev->exception.injected, .vector = ev->exception.nr,
		.has_error = ev->exception.has_error_code, .error = ev->exception.error_code,
	};
	/* INT n is executed again. */
	vcpu->arch.irq.injected = ev->interrupt.injected && !ev->interrupt.soft;
	vcpu->arch.irq.vector = ev->interrupt.nr;
	if (!keel_apic_in_kernel(vcpu))
		vcpu->arch.user_irq = -1;	/* it was reported as injected */
	if (ev->flags & KVM_VCPUEVENT_VALID_SHADOW)
		keel_op(set_shadow)(vcpu, ev->interrupt.shadow);
	vcpu->arch.nmi_injected = ev->nmi.injected;
	if (ev->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		vcpu->arch.nmi_pending = min_t(u8, ev->nmi.pending, 2);
	keel_op(set_nmi_mask)(vcpu, ev->nmi.masked);
	if ((ev->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && keel_apic_in_kernel(vcpu))
		keel_apic_set_sipi_vector(vcpu, ev->sipi_vector);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return 0;
}

long keel_ioc_nmi(struct keel_vcpu *vcpu, union keel_arg arg)
{
	keel_nmi_queue(vcpu);
	return 0;
}

/* KVM_INTERRUPT: the vector of userspace's interrupt controller. */
long keel_ioc_interrupt(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_interrupt *irq = arg.buf;

	if (irq->irq >= 256)
		return -EINVAL;
	if (vcpu->vm->arch.irqchip_mode == KEEL_IRQCHIP_KERNEL)
		return -ENXIO;
	if (vcpu->arch.user_irq >= 0)
		return -EEXIST;
	vcpu->arch.user_irq = irq->irq;
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return 0;
}

long keel_ioc_get_mp_state(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_mp_state *mp = arg.buf;

	keel_events_init_sipi(vcpu);
	mp->mp_state = vcpu->arch.mp_state;
	/* A kick has no other way into what is saved. */
	if (mp->mp_state == KVM_MP_STATE_HALTED && keel_vcpu_requested(vcpu, KEEL_REQ_UNBLOCK))
		mp->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

/* Halted and the like exist only where the kernel has the APIC that ends them. */
long keel_ioc_set_mp_state(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_mp_state *mp = arg.buf;

	switch (mp->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (keel_apic_in_kernel(vcpu))
			break;
		fallthrough;
	default:
		return -EINVAL;
	}
	vcpu->arch.mp_state = mp->mp_state;
	if (mp->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		vcpu->arch.mp_state = KVM_MP_STATE_INIT_RECEIVED;
		keel_apic_post_sipi(vcpu);
	}
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return 0;
}

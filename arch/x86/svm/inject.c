// SPDX-License-Identifier: GPL-2.0
/*
 * inject.c - events into the guest; interrupt and NMI windows
 */
#include <uapi/asm/debugreg.h>
#include <asm/trapnr.h>
#include "svm.h"
#include "../regs.h"

/* #BP and #OF push the RIP behind their instruction of one byte. */
static void svm_step_soft(struct keel_vcpu *vcpu, const struct keel_event *ev)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->soft_stepped = ev->type == KEEL_EV_EXCEPTION &&
			    (ev->vector == X86_TRAP_BP || ev->vector == X86_TRAP_OF);
	if (!svm->soft_stepped)
		return;
	vcpu->arch.regs[KEEL_RIP]++;	/* always cached, always written back */
	svm->vmcb->control.next_rip = vcpu->arch.regs[KEEL_RIP];
}

/* False: the guest's own INT3 or INTO, which is executed again. */
static bool svm_unstep_soft(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->soft_stepped)
		return false;
	svm->soft_stepped = false;
	vcpu->arch.regs[KEEL_RIP]--;
	return true;
}

void svm_inject(struct keel_vcpu *vcpu, const struct keel_event *ev)
{
	struct vmcb_control_area *c = svm_control(vcpu);
	u32 inj = ev->vector | SVM_EVTINJ_VALID;

	svm_step_soft(vcpu, ev);
	switch (ev->type) {
	case KEEL_EV_NMI:
		inj = X86_TRAP_NMI | SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_NMI;
		svm_set_nmi_mask(vcpu, true);
		break;
	case KEEL_EV_EXCEPTION:
		inj |= SVM_EVTINJ_TYPE_EXEPT;
		if (ev->has_error)
			inj |= SVM_EVTINJ_VALID_ERR;
		c->event_inj_err = ev->error;
		break;
	case KEEL_EV_IRQ:
		inj |= SVM_EVTINJ_TYPE_INTR;
		break;
	}
	c->event_inj = inj;
	to_svm(vcpu)->injected = inj;
	to_svm(vcpu)->injected_err = c->event_inj_err;
}

/*
 * Hand an event back that the guest did not get. INT n, INT3 and INTO are executed
 * again instead: RIP still points to them.
 */
void svm_requeue(struct keel_vcpu *vcpu, u32 info, u32 error)
{
	struct keel_event ev = {
		.vector = info & SVM_EXITINTINFO_VEC_MASK,
		.has_error = info & SVM_EXITINTINFO_VALID_ERR,
		.error = error,
	};

	switch (info & SVM_EXITINTINFO_TYPE_MASK) {
	case SVM_EXITINTINFO_TYPE_NMI:
		svm_set_nmi_mask(vcpu, false);
		ev.type = KEEL_EV_NMI;
		break;
	case SVM_EXITINTINFO_TYPE_EXEPT:
		if ((ev.vector == X86_TRAP_BP || ev.vector == X86_TRAP_OF) &&
		    !svm_unstep_soft(vcpu))
			return;
		ev.type = KEEL_EV_EXCEPTION;
		break;
	case SVM_EXITINTINFO_TYPE_INTR:
		ev.type = KEEL_EV_IRQ;
		break;
	default:
		return;
	}
	keel_event_requeue(vcpu, &ev);
}

/* The injection that is asked for is over. */
void svm_clear_inject(struct keel_vcpu *vcpu)
{
	svm_control(vcpu)->event_inj = 0;
	to_svm(vcpu)->injected = 0;
}

void svm_cancel_inject(struct keel_vcpu *vcpu)
{
	u32 inj = to_svm(vcpu)->injected;

	svm_step_end(vcpu);
	if (!(inj & SVM_EVTINJ_VALID))
		return;
	svm_requeue(vcpu, inj, to_svm(vcpu)->injected_err);
	svm_clear_inject(vcpu);
}

bool svm_irq_blocked(struct keel_vcpu *vcpu)
{
	return !(svm_save(vcpu)->rflags & X86_EFLAGS_IF) ||
	       (svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK);
}

bool svm_nmi_blocked(struct keel_vcpu *vcpu)
{
	return to_svm(vcpu)->nmi_masked ||
	       (svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK);
}

static void svm_start_step(struct svm_vcpu *svm)
{
	struct vmcb_save_area *s = &svm->vmcb->save;

	/* The flags of a step would go onto the guest's stack. The entry ends soon. */
	if (svm->stepping || (svm->vmcb->control.event_inj & SVM_EVTINJ_VALID))
		return;
	svm->stepping = true;
	svm->step_iret = svm->iret_seen;
	svm->step_tf = s->rflags & X86_EFLAGS_TF;
	svm->step_rf = s->rflags & X86_EFLAGS_RF;
	s->rflags |= X86_EFLAGS_TF | X86_EFLAGS_RF;
}

/* A virtual interrupt of the highest priority: its intercept says that IF is set. */
void svm_request_irq_window(struct keel_vcpu *vcpu)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	if (svm_facts.loses_shadow && (c->int_state & SVM_INTERRUPT_SHADOW_MASK)) {
		svm_start_step(to_svm(vcpu));
		return;
	}
	svm_intercept(vcpu, INTERCEPT_VINTR, true);
	c->int_vector = 0;
	c->int_ctl &= ~V_INTR_PRIO_MASK;
	c->int_ctl |= V_IRQ_MASK | V_IGN_TPR_MASK | (0xf << V_INTR_PRIO_SHIFT);
	c->clean = 0;
}

void svm_end_irq_window(struct keel_vcpu *vcpu)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	svm_intercept(vcpu, INTERCEPT_VINTR, false);
	c->int_ctl &= ~V_IRQ_INJECTION_BITS_MASK;
	c->clean = 0;
}

/*
 * NMIs are masked: until IRET is intercepted there is nothing to do. Behind the
 * intercept, or in an interrupt shadow, one instruction is stepped.
 */
void svm_request_nmi_window(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->nmi_masked && !svm->iret_seen)
		return;
	svm_start_step(svm);
}

bool svm_get_nmi_mask(struct keel_vcpu *vcpu)
{
	return to_svm(vcpu)->nmi_masked;
}

void svm_set_nmi_mask(struct keel_vcpu *vcpu, bool masked)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->nmi_masked = masked;
	svm->iret_seen = false;
	svm_intercept(vcpu, INTERCEPT_IRET, masked);
	svm->vmcb->control.clean = 0;
}

void svm_iret_intercepted(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_intercept(vcpu, INTERCEPT_IRET, false);
	svm->vmcb->control.clean = 0;
	svm->iret_seen = true;
	svm->iret_rip = svm->vmcb->save.rip;
}

/* After each exit: has the IRET that was let go been executed? */
void svm_iret_check(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->iret_seen || svm->vmcb->save.rip == svm->iret_rip)
		return;
	svm->iret_seen = false;
	svm->nmi_masked = false;
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

/*
 * After an entry with a step: it got so far, or something else came first, and what the
 * step was for is looked at again. The guest's TF is put back, unless the instruction was
 * the IRET that brought its own.
 */
void svm_step_end(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save_area *s = &svm->vmcb->save;

	svm->stepped = false;
	if (likely(!svm->stepping))
		return;
	svm->stepping = false;
	svm->stepped = true;
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	if (svm->step_iret && !svm->iret_seen)
		return;
	if (!svm->step_tf)
		s->rflags &= ~X86_EFLAGS_TF;
	if (!svm->step_rf)
		s->rflags &= ~X86_EFLAGS_RF;
}

/* Is this #DB that of our step, and of nothing else? */
bool svm_step_done(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save_area *s = &svm->vmcb->save;

	if (!svm->stepped || svm->step_tf || (vcpu->arch.guest_debug & KVM_GUESTDBG_SINGLESTEP))
		return false;
	s->dr6 &= ~(u64)DR_STEP;
	return !(s->dr6 & DR_TRAP_BITS);
}

/*
 * After an exit in an interrupt shadow, where VMRUN will not load it: no window may open
 * at the next entry. svm_request_irq_window() steps over the instruction instead.
 */
void svm_keep_shadow(struct keel_vcpu *vcpu)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	if (!svm_facts.loses_shadow || !(c->int_state & SVM_INTERRUPT_SHADOW_MASK) ||
	    !(c->int_ctl & V_IRQ_MASK))
		return;
	svm_end_irq_window(vcpu);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

/* SVM does not tell STI's shadow from MOV SS's. */
u32 svm_get_shadow(struct keel_vcpu *vcpu)
{
	if (svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK)
		return KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS;
	return 0;
}

void svm_set_shadow(struct keel_vcpu *vcpu, u32 shadow)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	if (shadow)
		c->int_state |= SVM_INTERRUPT_SHADOW_MASK;
	else
		c->int_state &= ~SVM_INTERRUPT_SHADOW_MASK;
}

u64 svm_retire(struct keel_vcpu *vcpu)
{
	svm_set_shadow(vcpu, 0);
	return svm_get_rflags(vcpu);
}

/*
 * While a window is open CR8 is intercepted, too: TCG of QEMU 7.2 ends itself when the
 * guest writes CR8 with a virtual interrupt pending.
 */
void svm_update_cr8(struct keel_vcpu *vcpu, u8 tpr, int irr)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	c->int_ctl = (c->int_ctl & ~V_TPR_MASK) | (tpr >> 4);
	svm_intercept(vcpu, INTERCEPT_CR8_WRITE, svm_intercepts(vcpu, INTERCEPT_VINTR) ||
		      (irr >= 0 && (tpr >> 4) >= (irr >> 4)));
	c->clean = 0;
}

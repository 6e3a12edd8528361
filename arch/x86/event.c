// SPDX-License-Identifier: GPL-2.0
/*
 * event.c - exceptions, NMIs, interrupts, INIT and SIPI: queueing and order
 *
 * At most one event is given to the CPU for an entry. What the last exit
 * interrupted goes first; then an exception, an NMI, an interrupt.
 */
#include <uapi/asm/debugreg.h>
#include <asm/trapnr.h>
#include "backend.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "regs.h"
#include "run.h"
#include "trace.h"

/* ---- exceptions ---- */

enum keel_exc_class { EXC_BENIGN, EXC_CONTRIBUTORY, EXC_PAGE_FAULT };

/* "Interrupt 8 - Double Fault Exception": classes of exceptions */
static enum keel_exc_class keel_exc_class(u8 vector)
{
	switch (vector) {
	case X86_TRAP_PF:
		return EXC_PAGE_FAULT;
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return EXC_CONTRIBUTORY;
	default:
		return EXC_BENIGN;
	}
}

/* A second exception while @first is in delivery: #DF? */
static bool keel_exc_doubles(u8 first, u8 second)
{
	enum keel_exc_class a = keel_exc_class(first), b = keel_exc_class(second);

	return (a == EXC_CONTRIBUTORY && b == EXC_CONTRIBUTORY) ||
	       (a == EXC_PAGE_FAULT && b != EXC_BENIGN);
}

static void keel_queue(struct keel_vcpu *vcpu, const struct keel_exception *e)
{
	struct keel_exception *cur = &vcpu->arch.exception;

	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	if (!cur->pending && !cur->injected) {
		*cur = *e;
		return;
	}
	if (cur->vector == X86_TRAP_DF) {
		*cur = (struct keel_exception){};
		keel_vcpu_request(vcpu, KEEL_REQ_TRIPLE_FAULT);
		return;
	}
	if (keel_exc_doubles(cur->vector, e->vector))
		*cur = (struct keel_exception){
			.pending = true, .vector = X86_TRAP_DF, .has_error = true,
		};
	else
		*cur = *e;	/* the first is found again when its instruction is */
}

void keel_queue_exception(struct keel_vcpu *vcpu, u8 vector)
{
	struct keel_exception e = { .pending = true, .vector = vector };

	keel_queue(vcpu, &e);
}

void keel_queue_exception_error(struct keel_vcpu *vcpu, u8 vector, u32 error)
{
	struct keel_exception e = {
		.pending = true, .vector = vector, .has_error = true, .error = error,
	};

	keel_queue(vcpu, &e);
}

void keel_queue_page_fault(struct keel_vcpu *vcpu, u64 addr, u32 error)
{
	struct keel_exception e = {
		.pending = true, .vector = X86_TRAP_PF, .has_error = true, .error = error,
		.has_payload = true, .payload = addr,
	};

	keel_queue(vcpu, &e);
}

void keel_queue_db(struct keel_vcpu *vcpu, u64 dr6_bits)
{
	struct keel_exception e = {
		.pending = true, .vector = X86_TRAP_DB, .has_payload = true, .payload = dr6_bits,
	};

	keel_queue(vcpu, &e);
}

/* CR2 and DR6 change when the exception is delivered, not when it is found. */
void keel_deliver_exception_payload(struct keel_vcpu *vcpu)
{
	struct keel_exception *e = &vcpu->arch.exception;

	if (!e->has_payload)
		return;
	if (e->vector == X86_TRAP_PF) {
		vcpu->arch.cr2 = e->payload;
	} else if (e->vector == X86_TRAP_DB) {
		vcpu->arch.dr6 &= ~DR_TRAP_BITS;
		vcpu->arch.dr6 |= DR6_RESERVED | e->payload;
		keel_op(set_dr6)(vcpu, vcpu->arch.dr6);
	}
	e->has_payload = false;
}

/* Error codes exist outside real mode only. */
static bool keel_protected(struct keel_vcpu *vcpu)
{
	return keel_cr0(vcpu) & X86_CR0_PE;
}

static void keel_give(struct keel_vcpu *vcpu, const struct keel_event *ev)
{
	trace_keel_inject(vcpu->id, ev);
	keel_op(inject)(vcpu, ev);
}

static void keel_give_exception(struct keel_vcpu *vcpu)
{
	struct keel_exception *e = &vcpu->arch.exception;
	struct keel_event ev = {
		.type = KEEL_EV_EXCEPTION,
		.vector = e->vector,
		.has_error = e->has_error && keel_protected(vcpu),
		.error = e->error,
		.insn_len = e->insn_len,
	};

	vcpu->arch.given = KEEL_GIVEN_EXCEPTION;
	keel_give(vcpu, &ev);
}

/* A fault's saved flags have RF set; #DB's do not come from here as faults. */
static bool keel_is_fault(u8 vector)
{
	return vector != X86_TRAP_DB && vector != X86_TRAP_BP && vector != X86_TRAP_OF &&
	       vector != X86_TRAP_DF && vector != X86_TRAP_MC;
}

static void keel_start_exception(struct keel_vcpu *vcpu)
{
	struct keel_exception *e = &vcpu->arch.exception;

	if (keel_is_fault(e->vector))
		keel_op(set_rflags)(vcpu, keel_op(get_rflags)(vcpu) | X86_EFLAGS_RF);
	keel_deliver_exception_payload(vcpu);
	e->pending = false;
	e->injected = true;
	keel_count(&vcpu->stat.exception_injections, 1);
	keel_give_exception(vcpu);
}

/* ---- what an exit interrupted ---- */

void keel_event_requeue(struct keel_vcpu *vcpu, const struct keel_event *ev)
{
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	vcpu->arch.in_delivery = true;
	switch (ev->type) {
	case KEEL_EV_NMI:
		vcpu->arch.nmi_injected = true;
		break;
	case KEEL_EV_EXCEPTION:
		vcpu->arch.exception = (struct keel_exception){
			.injected = true, .vector = ev->vector,
			.has_error = ev->has_error, .error = ev->error,
			.insn_len = ev->insn_len,
		};
		break;
	case KEEL_EV_IRQ:
		vcpu->arch.irq.injected = true;
		vcpu->arch.irq.vector = ev->vector;
		break;
	}
}

static void keel_event_gone(struct keel_vcpu *vcpu)
{
	switch (vcpu->arch.given) {
	case KEEL_GIVEN_EXCEPTION:
		vcpu->arch.exception.injected = false;
		break;
	case KEEL_GIVEN_NMI:
		vcpu->arch.nmi_injected = false;
		break;
	case KEEL_GIVEN_IRQ:
		vcpu->arch.irq.injected = false;
		break;
	case KEEL_GIVEN_NONE:
		break;
	}
	vcpu->arch.given = KEEL_GIVEN_NONE;
}

void keel_events_given(struct keel_vcpu *vcpu)
{
	keel_event_gone(vcpu);
	if (unlikely(vcpu->arch.exit_soon))
		keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

void keel_events_cancel(struct keel_vcpu *vcpu)
{
	keel_event_gone(vcpu);
	keel_op(cancel_inject)(vcpu);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

/* ---- NMIs ---- */

#define KEEL_NMI_LIMIT	2	/* one in service, one latched */

void keel_nmi_queue(struct keel_vcpu *vcpu)
{
	atomic_inc(&vcpu->arch.nmi_queued);
	keel_vcpu_request(vcpu, KEEL_REQ_NMI);
	keel_vcpu_kick(vcpu);
}

/* One waits while another is handled; both wait if none is. */
void keel_nmi_take(struct keel_vcpu *vcpu)
{
	unsigned int limit = KEEL_NMI_LIMIT, n;

	if (keel_op(get_nmi_mask)(vcpu) || vcpu->arch.nmi_injected)
		limit = 1;
	n = vcpu->arch.nmi_pending + atomic_xchg(&vcpu->arch.nmi_queued, 0);
	vcpu->arch.nmi_pending = min(n, limit);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

/* ---- injection ---- */

static void keel_give_irq(struct keel_vcpu *vcpu)
{
	struct keel_event ev = {
		.type = KEEL_EV_IRQ, .vector = vcpu->arch.irq.vector,
	};

	keel_count(&vcpu->stat.irq_injections, 1);
	vcpu->arch.given = KEEL_GIVEN_IRQ;
	keel_give(vcpu, &ev);
}

static void keel_give_nmi(struct keel_vcpu *vcpu)
{
	struct keel_event ev = { .type = KEEL_EV_NMI, .vector = X86_TRAP_NMI };

	keel_count(&vcpu->stat.nmi_injections, 1);
	vcpu->arch.given = KEEL_GIVEN_NMI;
	keel_give(vcpu, &ev);
}

/* An interrupt that waits its turn behind an exception may find the guest's off by then. */
static bool keel_irq_due(struct keel_vcpu *vcpu)
{
	return vcpu->arch.irq.injected && !keel_op(irq_blocked)(vcpu);
}

/* Something given before that the guest has not got yet. */
static bool keel_reinject(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.exception.injected)
		keel_give_exception(vcpu);
	else if (vcpu->arch.nmi_injected)
		keel_give_nmi(vcpu);
	else if (keel_irq_due(vcpu))
		keel_give_irq(vcpu);
	else
		return false;
	return true;
}

static bool keel_inject_nmi(struct keel_vcpu *vcpu)
{
	if (!vcpu->arch.nmi_pending || keel_op(nmi_blocked)(vcpu))
		return false;
	vcpu->arch.nmi_pending--;
	vcpu->arch.nmi_injected = true;
	keel_give_nmi(vcpu);
	return true;
}

static bool keel_inject_irq(struct keel_vcpu *vcpu)
{
	int vector;

	if (vcpu->arch.irq.injected || !keel_irq_to_inject(vcpu) ||
	    keel_op(irq_blocked)(vcpu))
		return false;
	vector = keel_irq_ack(vcpu);
	if (vector < 0)
		return false;
	vcpu->arch.irq.injected = true;
	vcpu->arch.irq.vector = vector;
	keel_give_irq(vcpu);
	return true;
}

static void keel_request_windows(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.nmi_pending)
		keel_op(request_nmi_window)(vcpu);
	if (keel_irq_to_inject(vcpu) ||
	    (vcpu->arch.irq.injected && vcpu->arch.given != KEEL_GIVEN_IRQ) ||
	    (vcpu->arch.request_irq_window && !vcpu->arch.irq_window_open &&
	     vcpu->arch.user_irq < 0 && keel_apic_accepts_extint(vcpu)))
		keel_op(request_irq_window)(vcpu);
}

static void keel_update_cr8(struct keel_vcpu *vcpu)
{
	u8 cr8 = keel_get_cr8(vcpu);

	vcpu->arch.cr8 = cr8;
	keel_op(update_cr8)(vcpu, cr8 << 4, keel_irq_highest_irr(vcpu));
}

/*
 * One event is given, and another is due right behind its delivery, for which no window
 * can be asked: userspace set two, an exception waits, or an NMI that is not masked.
 */
static bool keel_another_waits(struct keel_vcpu *vcpu)
{
	enum keel_given given = vcpu->arch.given;

	if (given == KEEL_GIVEN_NONE)
		return false;
	return vcpu->arch.exception.pending ||
	       (given != KEEL_GIVEN_NMI && vcpu->arch.nmi_injected) ||
	       (given != KEEL_GIVEN_IRQ && vcpu->arch.irq.injected) ||
	       (vcpu->arch.nmi_pending && !keel_op(get_nmi_mask)(vcpu));
}

void keel_events_inject(struct keel_vcpu *vcpu)
{
	bool given = keel_reinject(vcpu);

	if (!given && vcpu->arch.exception.pending) {
		keel_start_exception(vcpu);
		given = true;
	}
	if (!given)
		given = keel_inject_nmi(vcpu);
	if (!given)
		keel_inject_irq(vcpu);
	vcpu->arch.exit_soon = keel_another_waits(vcpu);
	vcpu->arch.irq_window_open = keel_user_irq_ready(vcpu);
	keel_request_windows(vcpu);
	if (vcpu->arch.apicv_mode != KEEL_APICV_NONE)
		keel_apicv_sync(vcpu);
	else
		keel_update_cr8(vcpu);
}

/* ---- INIT, SIPI, HLT ---- */

static void keel_start_at_sipi(struct keel_vcpu *vcpu, u8 vector)
{
	struct kvm_segment cs;

	keel_op(get_segment)(vcpu, KEEL_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	keel_op(set_segment)(vcpu, KEEL_CS, &cs);
	keel_reg_write(vcpu, KEEL_RIP, 0);
	vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
}

static bool keel_is_bsp(struct keel_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->arch.bsp_vcpu_id;
}

void keel_events_init_sipi(struct keel_vcpu *vcpu)
{
	unsigned long ev;

	if (!keel_apic_in_kernel(vcpu))
		return;
	ev = keel_apic_take_pending(vcpu, KEEL_APIC_INIT);
	if (ev & KEEL_APIC_INIT) {
		keel_vcpu_reset(vcpu, true);
		vcpu->arch.mp_state = keel_is_bsp(vcpu) ? KVM_MP_STATE_RUNNABLE :
							  KVM_MP_STATE_INIT_RECEIVED;
	}
	ev = keel_apic_take_pending(vcpu, KEEL_APIC_SIPI);
	if ((ev & KEEL_APIC_SIPI) && vcpu->arch.mp_state == KVM_MP_STATE_INIT_RECEIVED)
		keel_start_at_sipi(vcpu, keel_apic_sipi_vector(vcpu));
}

bool keel_events_pending(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.exception.pending || vcpu->arch.exception.injected ||
	    keel_vcpu_requested(vcpu, KEEL_REQ_TRIPLE_FAULT))
		return true;
	if ((vcpu->arch.nmi_pending || atomic_read(&vcpu->arch.nmi_queued)) &&
	    !keel_op(get_nmi_mask)(vcpu))
		return true;
	return (keel_op(get_rflags)(vcpu) & X86_EFLAGS_IF) &&
	       (vcpu->arch.irq.injected || keel_irq_pending(vcpu));
}

void keel_events_reset(struct keel_vcpu *vcpu)
{
	vcpu->arch.exception = (struct keel_exception){};
	vcpu->arch.nmi_pending = 0;
	atomic_set(&vcpu->arch.nmi_queued, 0);
	vcpu->arch.nmi_injected = false;
	vcpu->arch.irq.injected = false;
	vcpu->arch.user_irq = -1;
	clear_bit(KEEL_REQ_TRIPLE_FAULT, &vcpu->requests);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

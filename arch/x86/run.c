// SPDX-License-Identifier: GPL-2.0
/*
 * run.c - the run loop
 *
 * One turn: requests, injection, entry, decode, handler. Between two entries
 * nothing is locked or allocated; what is unusual is in the request word, which
 * is tested last, with interrupts off and the mode already IN_GUEST: a request
 * made later finds that mode and sends an IPI, which ends the entry at once.
 *
 * A turn has many entries as long as what the guest exits for can be done with
 * interrupts off and nothing is requested: the thread stays as the first entry made
 * it ready. An interrupt for the host ends it, as the guest exits for that, too.
 */
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <asm/debugreg.h>
#include <keel/arch.h>
#include <keel/compat.h>
#include "backend.h"
#include "clock.h"
#include "cpuid.h"
#include "emulate.h"
#include "event.h"
#include "guest_context.h"
#include "host_work.h"
#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "msr.h"
#include "regs.h"
#include "run.h"
#include "trace.h"

/* ---- requests ---- */

static void keel_req_intercepts(struct keel_vcpu *vcpu)
{
	keel_op(update_intercepts)(vcpu);
}

static void keel_req_master(struct keel_vcpu *vcpu)
{
	keel_clock_update_master(vcpu->vm);
}

/* What is the APIC's does nothing where userspace has it. */
static const struct keel_req_row {
	unsigned int req;
	void (*fn)(struct keel_vcpu *vcpu);
} keel_req_rows[] = {
	{ KEEL_REQ_TLB_FLUSH,		keel_tlb_flush_vcpu },
	{ KEEL_REQ_MASTERCLOCK,		keel_req_master },
	{ KEEL_REQ_CLOCK,		keel_clock_update },
	{ KEEL_REQ_STEAL,		keel_steal_update },
	{ KEEL_REQ_APIC_TIMER,		keel_apic_timer_expired },
	{ KEEL_REQ_MIGRATE_TIMER,	keel_apic_timer_migrate },
	{ KEEL_REQ_SCAN_IOAPIC,		keel_apic_scan_ioapic },
	{ KEEL_REQ_INTERCEPTS,		keel_req_intercepts },
	{ KEEL_REQ_NMI,			keel_nmi_take },
};

static int keel_req_exits(struct keel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int vector;

	if (keel_vcpu_requested(vcpu, KEEL_REQ_DEAD))
		return -EIO;
	if (keel_vcpu_take_request(vcpu, KEEL_REQ_TRIPLE_FAULT)) {
		run->exit_reason = KVM_EXIT_SHUTDOWN;
		return KEEL_TO_USER;
	}
	if (keel_vcpu_take_request(vcpu, KEEL_REQ_IOAPIC_EOI)) {
		vector = keel_apic_take_ioapic_eoi(vcpu);
		if (vector >= 0) {
			run->exit_reason = KVM_EXIT_IOAPIC_EOI;
			run->eoi.vector = vector;
			return KEEL_TO_USER;
		}
	}
	return KEEL_RESUME;
}

static int keel_handle_requests(struct keel_vcpu *vcpu)
{
	unsigned int i;
	int r;

	if (!READ_ONCE(vcpu->requests))
		return KEEL_RESUME;
	for (i = 0; i < ARRAY_SIZE(keel_req_rows); i++)
		if (keel_vcpu_take_request(vcpu, keel_req_rows[i].req))
			keel_req_rows[i].fn(vcpu);
	r = keel_req_exits(vcpu);
	if (r != KEEL_RESUME)
		return r;
	keel_vcpu_take_request(vcpu, KEEL_REQ_OUT);
	/* The kick of a vCPU that is about to halt must not be lost. */
	if (keel_vcpu_take_request(vcpu, KEEL_REQ_UNBLOCK))
		vcpu->arch.unhalted = true;
	return KEEL_RESUME;
}

/* ---- interrupts that userspace injects ---- */

static bool keel_user_irqs(struct keel_vcpu *vcpu)
{
	return vcpu->vm->arch.irqchip_mode != KEEL_IRQCHIP_KERNEL;
}

bool keel_user_irq_ready(struct keel_vcpu *vcpu)
{
	return keel_user_irqs(vcpu) && vcpu->arch.user_irq < 0 &&
	       keel_apic_accepts_extint(vcpu) && !vcpu->arch.irq.injected &&
	       !vcpu->arch.exception.injected && !vcpu->arch.exception.pending &&
	       !keel_op(irq_blocked)(vcpu);
}

static bool keel_user_wants_window(struct keel_vcpu *vcpu)
{
	return vcpu->arch.request_irq_window && keel_user_irq_ready(vcpu);
}

/* ---- one turn ---- */

/* Interrupts off. */
static bool keel_must_not_enter(struct keel_vcpu *vcpu)
{
	return READ_ONCE(vcpu->mode) == KEEL_EXITING_GUEST || READ_ONCE(vcpu->requests) ||
	       __xfer_to_guest_mode_work_pending();
}

/* The guest moved CR8 itself; the APIC follows. */
static void keel_sync_cr8(struct keel_vcpu *vcpu)
{
	if (keel_apic_in_kernel(vcpu) && keel_apic_get_cr8(vcpu) != vcpu->arch.cr8)
		keel_apic_set_cr8(vcpu, vcpu->arch.cr8);
}

/* Interrupts off. Into the guest and back; @exit says why. As keel_exit_quick(). */
static int keel_pass(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	if (trace_keel_entry_enabled())
		trace_keel_entry(vcpu->id, keel_rip(vcpu));
	keel_times_entry(vcpu);
	keel_fpu_load_pkru(vcpu);
	keel_op(enter)(vcpu);
	keel_fpu_load_host_pkru(vcpu);
	keel_events_entered(vcpu);
	keel_sync_cr8(vcpu);
	keel_op(decode)(vcpu, exit);
	return keel_exit_quick(vcpu, exit);
}

/* Interrupts off. As many entries as nothing stands against. */
static int keel_guest_turn(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	int r;

	/* With breakpoints on, each entry starts with a clean DR6, and the host's come back. */
	vcpu->arch.one_entry = hw_breakpoint_active();
	keel_fpu_load_xcr(vcpu);
	keel_debug_load(vcpu);
	vcpu->arch.one_entry |= vcpu->arch.dr_loaded;
	keel_guest_time_enter();
	keel_op(begin)(vcpu);
	do {
		r = keel_pass(vcpu, exit);
	} while (r == KEEL_RESUME && !vcpu->arch.one_entry && !keel_must_not_enter(vcpu));
	keel_compat_guest_ran();
	keel_debug_unload(vcpu);
	keel_fpu_load_host_xcr(vcpu);
	smp_store_release(&vcpu->mode, KEEL_OUTSIDE_GUEST);	/* pairs with kick_collect() */
	keel_op(end)(vcpu);
	/* The interrupt that ended it is taken here, while time still counts as the guest's. */
	local_irq_enable();
	asm volatile("nop");	/* STI takes effect behind the instruction that follows it */
	local_irq_disable();
	keel_guest_time_exit();
	return r;
}

/* What came of it, as keel_exit_quick(). If something came up, the guest did not run. */
static int keel_try_enter(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	bool entered = false;
	int r = KEEL_RESUME;

	preempt_disable();
	local_irq_disable();
	WRITE_ONCE(vcpu->mode, KEEL_IN_GUEST);
	smp_mb();	/* the mode, before the requests are read: pairs with keel_vcpu_kick() */
	xfer_to_guest_mode_prepare();	/* what RCU put off is done before a long time here */
	if (!keel_must_not_enter(vcpu)) {
		vcpu->arch.last_cpu = smp_processor_id();
		if (unlikely(vcpu->arch.exit_soon))
			keel_kick_self();
		r = keel_guest_turn(vcpu, exit);
		entered = true;
	}
	smp_store_release(&vcpu->mode, KEEL_OUTSIDE_GUEST);	/* pairs with kick_collect() */
	local_irq_enable();
	preempt_enable();
	if (!entered)
		keel_events_cancel(vcpu);	/* what was to be injected is taken back */
	return r;
}

static bool keel_event_wanted(struct keel_vcpu *vcpu)
{
	return keel_vcpu_take_request(vcpu, KEEL_REQ_EVENT) || vcpu->arch.exception.pending ||
	       vcpu->arch.request_irq_window;
}

static int keel_turn(struct keel_vcpu *vcpu)
{
	struct keel_exit exit;
	int r = keel_handle_requests(vcpu);

	if (r != KEEL_RESUME)
		return r;
	if (keel_event_wanted(vcpu)) {
		keel_events_init_sipi(vcpu);
		if (vcpu->arch.mp_state != KVM_MP_STATE_RUNNABLE)
			return KEEL_RESUME;
		if (keel_user_wants_window(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			keel_vcpu_request(vcpu, KEEL_REQ_EVENT);	/* what else there is */
			return KEEL_TO_USER;
		}
		keel_events_inject(vcpu);
	} else {
		vcpu->arch.exit_soon = false;
	}
	r = keel_try_enter(vcpu, &exit);
	return r == KEEL_LATER ? keel_handle_exit(vcpu, &exit) : r;
}

/* ---- HLT and waiting for SIPI ---- */

int keel_vcpu_halt(struct keel_vcpu *vcpu)
{
	if (!keel_apic_in_kernel(vcpu)) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return KEEL_TO_USER;
	}
	if (!vcpu->arch.unhalted)
		vcpu->arch.mp_state = KVM_MP_STATE_HALTED;
	vcpu->arch.unhalted = false;
	return KEEL_RESUME;
}

bool arch_vcpu_runnable(struct keel_vcpu *vcpu)
{
	if (keel_vcpu_requested(vcpu, KEEL_REQ_DEAD) || keel_vcpu_requested(vcpu, KEEL_REQ_UNBLOCK))
		return true;
	if (keel_apic_in_kernel(vcpu) && keel_apic_pending(vcpu))
		return true;
	if (vcpu->arch.mp_state == KVM_MP_STATE_UNINITIALIZED ||
	    vcpu->arch.mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return false;
	if (keel_apic_in_kernel(vcpu) && keel_apic_timer_pending(vcpu))
		return true;
	return keel_events_pending(vcpu);
}

/* What ends HLT, as opposed to what only ends the sleep. */
static bool keel_halt_over(struct keel_vcpu *vcpu)
{
	return keel_vcpu_take_request(vcpu, KEEL_REQ_UNBLOCK) || keel_events_pending(vcpu);
}

static int keel_wait(struct keel_vcpu *vcpu)
{
	/* HLT in STI's shadow opens the window, and userspace alone can end this HLT. */
	if (vcpu->arch.mp_state == KVM_MP_STATE_HALTED && keel_user_wants_window(vcpu)) {
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return KEEL_TO_USER;
	}
	keel_apic_timer_wait(vcpu, true);
	keel_vcpu_block(vcpu);
	keel_apic_timer_wait(vcpu, false);
	keel_vcpu_take_request(vcpu, KEEL_REQ_OUT);
	keel_vcpu_take_request(vcpu, KEEL_REQ_APIC_TIMER);
	keel_apic_timer_expired(vcpu);
	keel_events_init_sipi(vcpu);
	if (vcpu->arch.mp_state == KVM_MP_STATE_HALTED && keel_halt_over(vcpu))
		vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
	else if (vcpu->arch.mp_state != KVM_MP_STATE_HALTED)
		keel_vcpu_take_request(vcpu, KEEL_REQ_UNBLOCK);	/* only ends HLT */
	return keel_vcpu_requested(vcpu, KEEL_REQ_DEAD) ? -EIO : KEEL_RESUME;
}

/* ---- KVM_RUN ---- */

static int keel_host_work(struct keel_vcpu *vcpu)
{
	int r = signal_pending(current) ? -EINTR : keel_host_work_do();

	if (r == -EINTR) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		keel_count(&vcpu->stat.signal_exits, 1);
	}
	return r ?: KEEL_RESUME;
}

static int keel_run_loop(struct keel_vcpu *vcpu)
{
	int r;

	do {
		if (vcpu->arch.mp_state == KVM_MP_STATE_RUNNABLE)
			r = keel_turn(vcpu);
		else
			r = keel_wait(vcpu);
		if (r > 0 && __xfer_to_guest_mode_work_pending())
			r = keel_host_work(vcpu);
	} while (r > 0);
	return r;
}

/* What userspace put into kvm_run, read once. */
static int keel_run_begin(struct keel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int r = keel_sync_regs_load(vcpu);

	if (r)
		return r;
	vcpu->arch.request_irq_window = READ_ONCE(run->request_interrupt_window) &&
					keel_user_irqs(vcpu);
	if (!keel_apic_in_kernel(vcpu) && keel_set_cr8(vcpu, READ_ONCE(run->cr8)))
		return -EINVAL;
	return 0;
}

static void keel_run_end(struct keel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(keel_op(get_rflags)(vcpu) & X86_EFLAGS_IF);
	run->flags = 0;
	run->cr8 = keel_get_cr8(vcpu);
	run->apic_base = keel_apic_get_base(vcpu);
	run->ready_for_interrupt_injection = !keel_user_irqs(vcpu) || keel_user_irq_ready(vcpu);
	if (unlikely(READ_ONCE(run->kvm_valid_regs)))
		keel_sync_regs_store(vcpu);
}

static int keel_run_complete(struct keel_vcpu *vcpu)
{
	int (*complete)(struct keel_vcpu *vcpu) = vcpu->complete;

	vcpu->complete = NULL;
	return complete ? complete(vcpu) : KEEL_RESUME;
}

/* An AP that nobody has started: KVM_RUN waits for SIPI, then says -EAGAIN once. */
static int keel_run_uninitialized(struct keel_vcpu *vcpu)
{
	int r;

	if (keel_compat_immediate_exit(vcpu->run))
		return -EINTR;
	r = keel_wait(vcpu);
	if (r < 0)
		return r;
	if (signal_pending(current)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		keel_count(&vcpu->stat.signal_exits, 1);
		return -EINTR;
	}
	return -EAGAIN;
}

int arch_vcpu_run(struct keel_vcpu *vcpu)
{
	int r;

	if (vcpu->arch.mp_state == KVM_MP_STATE_UNINITIALIZED)
		return keel_run_uninitialized(vcpu);
	r = keel_run_begin(vcpu);
	if (r)
		return r;
	keel_fpu_enter(vcpu);
	r = keel_run_complete(vcpu);
	if (r > 0) {
		/* The exit just completed stays readable in kvm_run. */
		r = -EINTR;
		if (!keel_compat_immediate_exit(vcpu->run)) {
			vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
			r = keel_run_loop(vcpu);
		}
	}
	keel_fpu_leave(vcpu);
	keel_run_end(vcpu);
	return r;
}

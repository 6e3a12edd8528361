// SPDX-License-Identifier: GPL-2.0
/*
 * exit.c - one table from the kind of exit to what is done about it
 */
#include <linux/printk.h>
#include <asm/cpu.h>
#include <asm/trapnr.h>
#include <linux/sched.h>
#include "backend.h"
#include "clock.h"
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "msr.h"
#include "plain.h"
#include "regs.h"
#include "run.h"
#include "trace.h"

int keel_internal_error(struct keel_vcpu *vcpu, u32 suberror, unsigned int n, const u64 *data)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = n;
	for (i = 0; i < n; i++)
		run->internal.data[i] = data[i];
	return KEEL_TO_USER;
}

/* ---- stepping over ---- */

int keel_skip_len(struct keel_vcpu *vcpu, unsigned int len)
{
	u64 rip = keel_rip(vcpu) + len, rflags;

	if (upper_32_bits(rip) && !keel_is_64bit(vcpu))
		rip = (u32)rip;
	keel_reg_write(vcpu, KEEL_RIP, rip);
	rflags = keel_op(retire)(vcpu);
	if (likely(!(rflags & (X86_EFLAGS_RF | X86_EFLAGS_TF))))
		return KEEL_RESUME;
	/* A fault had set RF, so that an instruction breakpoint was not met twice. */
	keel_op(set_rflags)(vcpu, rflags & ~X86_EFLAGS_RF);
	return keel_debug_step_done(vcpu, rflags & X86_EFLAGS_TF);
}

static noinline int keel_skip_unknown(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	unsigned int len = keel_plain_length(vcpu, exit);
	struct emul_decoded d;
	int r;

	if (len)
		return keel_skip_len(vcpu, len);
	r = keel_decode(vcpu, &d, &len);
	return r != KEEL_RESUME || !len ? r : keel_skip_len(vcpu, len);
}

int keel_skip(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	if (unlikely(!exit->insn_len))
		return keel_skip_unknown(vcpu, exit);
	return keel_skip_len(vcpu, exit->insn_len);
}

/* ---- handlers ---- */

static int keel_exit_none(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return KEEL_RESUME;
}

static int keel_exit_unknown(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 data[] = { exit->hw.reason, vcpu->arch.last_cpu };

	pr_warn_ratelimited("vCPU %u: exit %#llx (%#llx, %#llx) is not known\n", vcpu->id,
			    exit->hw.reason, exit->hw.info1, exit->hw.info2);
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
				   ARRAY_SIZE(data), data);
}

static int keel_exit_entry_failed(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	pr_warn_ratelimited("vCPU %u: the CPU refused the guest's state (%#llx)\n", vcpu->id,
			    exit->hw.reason);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = exit->hw.reason;
	run->fail_entry.cpu = vcpu->arch.last_cpu;
	return KEEL_TO_USER;
}

/*
 * Alignment checks that the guest asked for are its own. Else it is a lock across two
 * cache lines, for which the host has its own policy.
 */
static int keel_exit_ac(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	bool asked = keel_op(get_cpl)(vcpu) == 3 && (keel_cr0(vcpu) & X86_CR0_AM) &&
		     (keel_op(get_rflags)(vcpu) & X86_EFLAGS_AC);

	if (asked || !boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT)) {
		keel_queue_exception_error(vcpu, X86_TRAP_AC, exit->exc.error);
		return KEEL_RESUME;
	}
	if (handle_guest_split_lock(keel_rip(vcpu)))
		return KEEL_RESUME;
	vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
	vcpu->run->ex.exception = X86_TRAP_AC;
	vcpu->run->ex.error_code = exit->exc.error;
	return KEEL_TO_USER;
}

static int keel_exit_exception(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	if (exit->exc.vector == X86_TRAP_AC)
		return keel_exit_ac(vcpu, exit);
	if (exit->exc.vector == X86_TRAP_DB || exit->exc.vector == X86_TRAP_BP)
		return keel_db_exit(vcpu, exit);
	if (exit->exc.has_error)
		keel_queue_exception_error(vcpu, exit->exc.vector, exit->exc.error);
	else
		keel_queue_exception(vcpu, exit->exc.vector);
	return KEEL_RESUME;
}

/* Userspace gets the state that led to it, or INIT's where the CPU leaves none. */
static int keel_exit_triple_fault(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	if (keel_caps.shutdown_loses_state)
		keel_vcpu_reset(vcpu, true);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return KEEL_TO_USER;
}

static int keel_exit_window(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return KEEL_RESUME;
}

static int keel_exit_hlt(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	int r = keel_skip(vcpu, exit);

	keel_count(&vcpu->stat.halts, 1);
	return r == KEEL_RESUME ? keel_vcpu_halt(vcpu) : r;
}

static int keel_exit_skip(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return keel_skip(vcpu, exit);
}

static int keel_exit_pause(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_vcpu_spins(vcpu);
	return keel_skip(vcpu, exit);
}

static int keel_exit_ud(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_inject_ud(vcpu);
	return KEEL_RESUME;
}

static int keel_exit_gp(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_inject_gp(vcpu, 0);
	return KEEL_RESUME;
}

static int keel_exit_emulate(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return keel_emulate(vcpu);
}

static int keel_exit_apic_write(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_apic_hw_written(vcpu, exit->value);
	return KEEL_RESUME;
}

static int keel_exit_eoi(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_apic_hw_eoi(vcpu, exit->value);
	return KEEL_RESUME;
}

static int keel_exit_timer(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_apic_timer_expired(vcpu);
	return KEEL_RESUME;
}

static int keel_exit_task_switch(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 data[] = { exit->task.selector, exit->task.reason };

	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, ARRAY_SIZE(data), data);
}

typedef int (*keel_exit_fn)(struct keel_vcpu *vcpu, struct keel_exit *exit);

static const keel_exit_fn keel_exit_rows[KEEL_NR_EXITS] = {
	[KEEL_EXIT_UNKNOWN]	= keel_exit_unknown,
	[KEEL_EXIT_ENTRY_FAILED]	= keel_exit_entry_failed,
	[KEEL_EXIT_NONE]	= keel_exit_none,
	[KEEL_EXIT_NMI]	= keel_exit_none,
	[KEEL_EXIT_EXCEPTION]	= keel_exit_exception,
	[KEEL_EXIT_TRIPLE_FAULT]	= keel_exit_triple_fault,
	[KEEL_EXIT_IRQ_WINDOW]	= keel_exit_window,
	[KEEL_EXIT_NMI_WINDOW]	= keel_exit_window,
	[KEEL_EXIT_PIO]	= keel_pio_exit,
	[KEEL_EXIT_FAULT]	= keel_fault_exit,
	[KEEL_EXIT_MISCONFIG]	= keel_fault_exit,
	[KEEL_EXIT_APIC_ACCESS]	= keel_fault_exit,
	[KEEL_EXIT_APIC_WRITE]	= keel_exit_apic_write,
	[KEEL_EXIT_EOI]	= keel_exit_eoi,
	[KEEL_EXIT_TPR_BELOW]	= keel_exit_window,
	[KEEL_EXIT_CPUID]	= keel_cpuid_exit,
	[KEEL_EXIT_HLT]	= keel_exit_hlt,
	[KEEL_EXIT_MSR_READ]	= keel_msr_read_exit,
	[KEEL_EXIT_MSR_WRITE]	= keel_msr_write_exit,
	[KEEL_EXIT_HYPERCALL]	= keel_hypercall,
	[KEEL_EXIT_CR]	= keel_cr_exit,
	[KEEL_EXIT_DR]	= keel_dr_exit,
	[KEEL_EXIT_XSETBV]	= keel_xsetbv_exit,
	[KEEL_EXIT_INVD]	= keel_exit_skip,
	[KEEL_EXIT_INVLPG]	= keel_exit_unknown,
	[KEEL_EXIT_INVPCID]	= keel_exit_ud,
	[KEEL_EXIT_MONITOR]	= keel_exit_skip,
	[KEEL_EXIT_MWAIT]	= keel_exit_skip,
	[KEEL_EXIT_PAUSE]	= keel_exit_pause,
	[KEEL_EXIT_RDPMC]	= keel_exit_gp,
	[KEEL_EXIT_RDTSC]	= keel_exit_unknown,
	[KEEL_EXIT_RSM]	= keel_exit_ud,
	[KEEL_EXIT_TASK_SWITCH]	= keel_exit_task_switch,
	[KEEL_EXIT_UNDEFINED]	= keel_exit_ud,
	[KEEL_EXIT_DESC_ACCESS]	= keel_exit_emulate,
	[KEEL_EXIT_PREEMPT_TIMER]	= keel_exit_timer,
	[KEEL_EXIT_LOG_FULL]	= keel_exit_none,
	[KEEL_EXIT_INIT]	= keel_exit_none,
	[KEEL_EXIT_SMI]	= keel_exit_none,
};

#define NAME(kind, name) [KEEL_EXIT_##kind] = name,
static const char *const keel_exit_names[KEEL_NR_EXITS] = { KEEL_EXIT_NAMES(NAME) };

const char *arch_exit_name(unsigned int kind)
{
	return kind < KEEL_NR_EXITS ? keel_exit_names[kind] : NULL;
}

int keel_handle_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return keel_exit_rows[exit->kind](vcpu, exit);
}

/* ---- with interrupts off ---- */

/* Registers that others' maps are made of take a mutex. */
static int keel_quick_apic_write(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return keel_apic_reg_quick(exit->value) ? keel_exit_apic_write(vcpu, exit) : KEEL_LATER;
}

/*
 * What is not here waits until interrupts are on. Nothing here changes CR4 or XCR0, by which
 * extended state is loaded for a turn. @insn: steps over an instruction, whose length must be
 * known. @reaches: for other vCPUs or devices, of which there must be few.
 */
static const struct keel_quick_row {
	keel_exit_fn fn;
	bool insn, reaches;
} keel_quick_rows[KEEL_NR_EXITS] = {
	[KEEL_EXIT_PIO]		= { keel_pio_quick, true, true },
	[KEEL_EXIT_FAULT]	= { keel_fault_quick, false, true },
	[KEEL_EXIT_MISCONFIG]	= { keel_fault_quick, false, true },
	[KEEL_EXIT_APIC_ACCESS]	= { keel_fault_quick, false, true },
	[KEEL_EXIT_APIC_WRITE]	= { keel_quick_apic_write, false, true },
	[KEEL_EXIT_EOI]		= { keel_exit_eoi, false, true },
	[KEEL_EXIT_CPUID]	= { keel_cpuid_exit, true },
	[KEEL_EXIT_MSR_READ]	= { keel_msr_read_exit, true },
	[KEEL_EXIT_MSR_WRITE]	= { keel_msr_write_quick, true, true },
	[KEEL_EXIT_HYPERCALL]	= { keel_hypercall_quick, true, true },
	[KEEL_EXIT_PREEMPT_TIMER] = { keel_exit_timer },
};

static noinline int keel_quick_unknown(struct keel_vcpu *vcpu, struct keel_exit *exit,
				       keel_exit_fn fn)
{
	exit->insn_len = keel_plain_length(vcpu, exit);
	return exit->insn_len ? fn(vcpu, exit) : KEEL_LATER;
}

static __always_inline int keel_quick(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	const struct keel_quick_row *row = &keel_quick_rows[exit->kind];

	OPTIMIZER_HIDE_VAR(row);	/* GCC would work it out for each member */
	/* There what devices do takes locks that sleep. */
	if (!row->fn || IS_ENABLED(CONFIG_PREEMPT_RT))
		return KEEL_LATER;
	if (row->reaches && unlikely(READ_ONCE(vcpu->vm->crowded)))
		return KEEL_LATER;
	if (row->insn && unlikely(!exit->insn_len))
		return keel_quick_unknown(vcpu, exit, row->fn);
	return row->fn(vcpu, exit);
}

static noinline int keel_quick_watched(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	keel_times_exit(vcpu, exit->kind);
	if (trace_keel_exit_enabled())
		trace_keel_exit(vcpu->id, keel_rip(vcpu), exit);
	return keel_quick(vcpu, exit);
}

int keel_exit_quick(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	BUILD_BUG_ON(KEEL_NR_EXITS > KEEL_NR_EXIT_STATS);
	keel_count(&vcpu->stat.exits[exit->kind], 1);
	if (keel_times_watched() || trace_keel_exit_enabled())
		return keel_quick_watched(vcpu, exit);
	return keel_quick(vcpu, exit);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * lifecycle.c - a vCPU on a physical CPU: loading, one entry, putting away
 */
#include <linux/build_bug.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/spec-ctrl.h>
#include <keel/compat.h>
#include "vmx.h"
#include "../guest_context.h"
#include "../regs.h"

/* What the last entry or exit left in registers that are not cached. */
#define VMX_UNREAD	(BIT(KEEL_RSP) | BIT(KEEL_RIP) | BIT(KEEL_GRP_CR0) | \
			 BIT(KEEL_GRP_CR3) | BIT(KEEL_GRP_CR4))

void vmx_vcpu_load(struct keel_vcpu *vcpu, int cpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_load_vmcs(vmx, cpu);
	if (vmx->tsc_stale)
		vmx_write_tsc(vmx);
}

/* ---- the thread's own state around the entries of one load ---- */

static void vmx_save_segments(struct vmx_host_segments *h)
{
	savesegment(ds, h->ds);
	savesegment(es, h->es);
	savesegment(fs, h->fs);
	savesegment(gs, h->gs);
	store_ldt(h->ldt);
	rdmsrq(MSR_FS_BASE, h->fs_base);
	rdmsrq(MSR_KERNEL_GS_BASE, h->kernel_gs_base);
}

/* Selectors first: loading one changes the base. 64 bit programs have none. */
static void vmx_restore_segments(const struct vmx_host_segments *h)
{
	if (h->ldt)
		asm volatile("lldt %0" : : "r" (h->ldt));
	if (h->gs)
		load_gs_index(h->gs);
	if (h->fs)
		loadsegment(fs, h->fs);
	if (h->ds)
		loadsegment(ds, h->ds);
	if (h->es)
		loadsegment(es, h->es);
	if (h->fs)
		wrmsrq(MSR_FS_BASE, h->fs_base);
	wrmsrq(MSR_KERNEL_GS_BASE, h->kernel_gs_base);
}

/* The first entry since the vCPU was loaded. Interrupts off. */
static void vmx_load_guest(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_save_segments(&vmx->host);
	vmcs_write(HOST_FS_BASE, vmx->host.fs_base);
	vmx_swap_to_guest(vcpu);
	vmx->guest_loaded = true;
}

/* An exit leaves limits of 64 KiB in GDTR and of the bare TSS in TR. */
static void vmx_restore_tables(void)
{
	native_load_gdt(this_cpu_ptr(&vmx_cpu.gdt));
	invalidate_tss_limit();
}

void vmx_vcpu_put(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long flags;

	if (!vmx->guest_loaded)
		return;
	local_irq_save(flags);
	vmx_swap_to_host(vcpu);
	vmx_restore_segments(&vmx->host);
	vmx_restore_tables();
	vmx->guest_loaded = false;
	local_irq_restore(flags);
}

/* ---- one entry ---- */

static void vmx_flush_regs(struct keel_vcpu *vcpu)
{
	unsigned long dirty = vcpu->arch.dirty;

	if (dirty & BIT(KEEL_RSP))
		vmcs_write(GUEST_RSP, vcpu->arch.regs[KEEL_RSP]);
	if (dirty & BIT(KEEL_RIP))
		vmcs_write(GUEST_RIP, vcpu->arch.regs[KEEL_RIP]);
	vcpu->arch.dirty = 0;
}

/* A thread's own tables and CR4 may have changed since the last time. */
static void vmx_refresh_host(struct vmx_vcpu *vmx)
{
	u64 cr3 = __native_read_cr3(), cr4 = native_read_cr4();

	if (cr3 != vmx->host_cr3) {
		vmx->host_cr3 = cr3;
		vmcs_write(HOST_CR3, cr3);
	}
	if (cr4 != vmx->host_cr4) {
		vmx->host_cr4 = cr4;
		vmcs_write(HOST_CR4, cr4);
	}
}

static void vmx_prepare_spec_ctrl(struct keel_vcpu *vcpu, struct vmx_enter_args *args)
{
	if (!cpu_feature_enabled(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	args->guest_spec_ctrl = vcpu->arch.spec_ctrl;
	args->host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	/* IBRS protects the kernel only from what ran before it was written, so write it anyway. */
	args->swap_spec_ctrl = args->guest_spec_ctrl != args->host_spec_ctrl ||
			       cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS);
}

/*
 * A debugger steps with TF over STI or MOV SS. The CPU wants a pending step to be there
 * for an entry with both; without the shadow it wants nothing.
 */
static void vmx_prepare_step(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.guest_debug & KVM_GUESTDBG_SINGLESTEP)
		vmx_set_shadow(vcpu, 0);
}

#define VMX_TIMER_NEVER	U32_MAX		/* minutes; what comes early is set again */

/* The CPU counts down from what the VMCS holds, which stays: written again for each entry. */
static void vmx_prepare_timer(struct vmx_vcpu *vmx)
{
	u64 at = vmx->vcpu.arch.exit_at_tsc, now;

	if (!at && !vmx->timer_set)
		return;
	vmx->timer_set = at;
	if (!at) {
		vmcs_write(VMX_PREEMPTION_TIMER_VALUE, VMX_TIMER_NEVER);
		return;
	}
	now = rdtsc();
	at = at > now ? (at - now) >> vmx_facts.preempt_shift : 0;
	vmcs_write(VMX_PREEMPTION_TIMER_VALUE, min_t(u64, at, VMX_TIMER_NEVER));
}

/* Records of precise events would be written through the guest's page tables. */
static u64 vmx_stop_pebs(void)
{
	u64 on = 0;

	if (!boot_cpu_has(X86_FEATURE_PEBS))
		return 0;
	rdmsrq(MSR_IA32_PEBS_ENABLE, on);
	if (on)
		wrmsrq(MSR_IA32_PEBS_ENABLE, 0);
	return on;
}

static bool vmx_is_nmi(const struct vmx_vcpu *vmx)
{
	return (u16)vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI &&
	       (vmx->exit_intr & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR;
}

/*
 * Between keel_guest_state_enter() and _exit() the CPU is in guest context: RCU and
 * tracing must not be used. An NMI that caused the exit holds off others until IRET:
 * it is handled by the host's own gate before anything else can execute an IRET.
 */
static noinstr void vmx_enter_noinstr(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	keel_guest_state_enter();
	if (static_branch_unlikely(&keel_compat_stale_data_clear))
		x86_clear_cpu_buffers();
	if (vcpu->arch.cr2 != native_read_cr2())
		native_write_cr2(vcpu->arch.cr2);
	vmx_enter_guest(&vmx->args);
	vcpu->arch.cr2 = native_read_cr2();
	if (unlikely(vmx->args.failed)) {
		vmx->exit_reason = VMX_EXIT_REASONS_FAILED_VMENTRY;
	} else {
		vmx->exit_reason = vmcs_read(VM_EXIT_REASON);
		if ((u16)vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI)
			vmx->exit_intr = vmcs_read(VM_EXIT_INTR_INFO);
		if (vmx_is_nmi(vmx))
			asm volatile("int $2");
	}
	keel_guest_state_exit();
}

static void vmx_fetch_regs(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (likely(!(vmx->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY))) {
		vmx->args.launched = true;
	} else if (vmx->args.failed) {
		/* Perhaps nothing that was to be written before has been. */
		vmx->args.host_rsp = 0;
		vmx->host_cr3 = 0;
		vmx->host_cr4 = 0;
		return;
	}
	vmx->rflags_valid = false;
	vcpu->arch.avail = ~VMX_UNREAD;
	if (vmx->ctl[VMX_CPU] & CPU_BASED_TPR_SHADOW)
		vcpu->arch.cr8 = vmx->vapic[0x80] >> 4;
}

static void vmx_check_args(void)
{
	BUILD_BUG_ON(offsetof(struct vmx_enter_args, host_rsp) != 8);
	BUILD_BUG_ON(offsetof(struct vmx_enter_args, guest_spec_ctrl) != 16);
	BUILD_BUG_ON(offsetof(struct vmx_enter_args, host_spec_ctrl) != 24);
	BUILD_BUG_ON(offsetof(struct vmx_enter_args, swap_spec_ctrl) != 32);
	BUILD_BUG_ON(offsetof(struct vmx_enter_args, launched) != 33);
	BUILD_BUG_ON(offsetof(struct vmx_enter_args, failed) != 34);
}

void vmx_enter(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_check_args();
	vmx_prepare_step(vcpu);
	vmx_flush_regs(vcpu);
	vmx_prepare_spec_ctrl(vcpu, &vmx->args);
	vmx->args.failed = false;
	if (vmx_facts.preempt_timer)
		vmx_prepare_timer(vmx);
	if (vmx_facts.flush_l1d)
		wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);

	vmx_enter_noinstr(vcpu);

	vmx_fetch_regs(vcpu);
	if (vmx->ctl[VMX_CPU2] & SECONDARY_EXEC_ENABLE_PML)
		vmx_hand_in_log(vmx);
}

void vmx_begin(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->guest_loaded)
		vmx_load_guest(vcpu);
	vmx_refresh_host(vmx);
	vmx->host_pebs = vmx_stop_pebs();
	vmx->host_debugctl = get_debugctlmsr();	/* now: perf changes it by IPI */
	/* Who records the host shall miss no more of it than an entry. */
	if (vmx->host_pebs || vmx->host_debugctl)
		vcpu->arch.one_entry = true;
}

static void vmx_machine_check(const struct vmx_vcpu *vmx)
{
	bool exception = (u16)vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI;

	if (vmx->args.failed)
		return;
	if ((exception && (vmx->exit_intr & INTR_INFO_VECTOR_MASK) == X86_TRAP_MC) ||
	    (u16)vmx->exit_reason == EXIT_REASON_MCE_DURING_VMENTRY)
		keel_compat_machine_check();
}

/* An exit leaves DEBUGCTL 0. */
void vmx_end(struct keel_vcpu *vcpu)
{
	const struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->host_pebs)
		wrmsrq(MSR_IA32_PEBS_ENABLE, vmx->host_pebs);
	if (vmx->host_debugctl)
		update_debugctlmsr(vmx->host_debugctl);
	vmx_machine_check(vmx);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * lifecycle.c - a vCPU on a physical CPU: loading, one entry, putting away
 */
#include <linux/build_bug.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/spec-ctrl.h>
#include <keel/compat.h>
#include "svm.h"
#include "../guest_context.h"
#include "../regs.h"

/*
 * The host's FS, GS, TR, LDTR and system call MSRs: constant while the thread is
 * here, and taken back by VMLOAD after each exit.
 */
static void svm_save_host(struct svm_cpu *sc)
{
	asm volatile("1: vmsave %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "a" (sc->host_pa) : "memory");
}

void svm_load_tsc_ratio(struct keel_vcpu *vcpu)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u64 ratio = to_svm(vcpu)->tsc_ratio ?: SVM_TSC_RATIO_DEFAULT;

	if (!svm_facts.tsc_ratio || sc->tsc_ratio == ratio)
		return;
	wrmsrq(MSR_AMD64_TSC_RATIO, ratio);
	sc->tsc_ratio = ratio;
}

void svm_load_tsc_aux(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 host = this_cpu_read(svm_cpu.tsc_aux);

	if (!boot_cpu_has(X86_FEATURE_RDTSCP))
		return;
	if (svm->tsc_aux_loaded || vcpu->arch.tsc_aux != host)
		wrmsrq(MSR_TSC_AUX, vcpu->arch.tsc_aux);
	svm->tsc_aux_loaded = vcpu->arch.tsc_aux != host;
}

void svm_vcpu_load(struct keel_vcpu *vcpu, int cpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);

	if (svm->asid_cpu != cpu) {
		svm->asid_generation = 0;
		svm->asid_cpu = cpu;
		svm->vmcb->control.clean = 0;
	}
	if (unlikely(!sc->enabled))
		keel_cpu_unusable(vcpu);
	svm_save_host(sc);
	svm_load_tsc_ratio(vcpu);
	svm_load_tsc_aux(vcpu);
}

void svm_vcpu_put(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->tsc_aux_loaded)
		wrmsrq(MSR_TSC_AUX, this_cpu_read(svm_cpu.tsc_aux));
	svm->tsc_aux_loaded = false;
}

/* Interrupts off, on the CPU of the entry. */
static void svm_take_asid(struct svm_vcpu *svm, struct svm_cpu *sc)
{
	struct vmcb_control_area *c = &svm->vmcb->control;

	if (sc->next_asid > sc->max_asid) {
		sc->asid_generation++;
		sc->next_asid = 1;
		c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	svm->asid_generation = sc->asid_generation;
	c->asid = sc->next_asid++;
	c->clean = 0;
}

static void svm_flush_regs(struct keel_vcpu *vcpu)
{
	struct vmcb_save_area *s = svm_save(vcpu);

	s->rax = vcpu->arch.regs[KEEL_RAX];
	s->rsp = vcpu->arch.regs[KEEL_RSP];
	s->rip = vcpu->arch.regs[KEEL_RIP];
	s->cr2 = vcpu->arch.cr2;
	vcpu->arch.dirty = 0;
}

/*
 * Not after an entry that was refused: it has changed nothing, and what the save area holds
 * is not to be relied upon. QEMU's TCG has another RIP there then.
 */
static void svm_fetch_regs(struct keel_vcpu *vcpu)
{
	struct vmcb_control_area *c = svm_control(vcpu);
	struct vmcb_save_area *s = svm_save(vcpu);

	vcpu->arch.regs[KEEL_RAX] = s->rax;
	vcpu->arch.regs[KEEL_RSP] = s->rsp;
	vcpu->arch.regs[KEEL_RIP] = s->rip;
	vcpu->arch.cr2 = s->cr2;
	vcpu->arch.cr8 = c->int_ctl & V_TPR_MASK;
	vcpu->arch.avail = ~BIT(KEEL_GRP_CR3);
}

/* A VMRUN that is refused has flushed nothing: the next one on this CPU flushes all. */
static void svm_flush_done(struct svm_vcpu *svm, struct svm_cpu *sc)
{
	if (likely(!svm_entry_failed(svm))) {
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
		return;
	}
	sc->asid_generation++;
	sc->next_asid = sc->max_asid + 1;
}

/* Guest's SPEC_CTRL: the CPU swaps it where it can (V_SPEC_CTRL), else enter.S does. */
static void svm_prepare_spec_ctrl(struct keel_vcpu *vcpu, struct svm_enter_args *args)
{
	args->guest_spec_ctrl = vcpu->arch.spec_ctrl;
	args->host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	args->swap_spec_ctrl = 0;
	if (svm_facts.v_spec_ctrl)
		svm_save(vcpu)->spec_ctrl = vcpu->arch.spec_ctrl;
	else if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		args->swap_spec_ctrl = args->guest_spec_ctrl != args->host_spec_ctrl;
}

/* A guest that writes SPEC_CTRL without an exit: what it wrote. */
static void svm_save_spec_ctrl(struct keel_vcpu *vcpu, struct svm_enter_args *args)
{
	if (svm_facts.v_spec_ctrl)
		vcpu->arch.spec_ctrl = svm_save(vcpu)->spec_ctrl;
}

static __always_inline void svm_set_gif(bool on)
{
	if (on)
		asm volatile("1: stgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
	else
		asm volatile("1: clgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
}

/* Between these two the CPU is in guest context: RCU and tracing must not be used. */
static noinstr void svm_enter_noinstr(struct svm_enter_args *args)
{
	keel_guest_state_enter();
	svm_enter_guest(args);
	keel_guest_state_exit();
}

void svm_enter(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);

	svm_prepare_spec_ctrl(vcpu, &svm->args);
	if (svm->asid_generation != sc->asid_generation)
		svm_take_asid(svm, sc);
	svm_flush_regs(vcpu);
	svm->vmcb->control.exit_code = (u32)SVM_EXIT_ERR;	/* what stays if VMRUN faults */
	svm->vmcb->control.exit_code_hi = ~0U;

	svm_set_gif(false);
	svm_enter_noinstr(&svm->args);
	svm_set_gif(true);

	svm_flush_done(svm, sc);
	if (unlikely(svm_entry_failed(svm)))
		return;
	svm_save_spec_ctrl(vcpu, &svm->args);
	svm_fetch_regs(vcpu);
	svm_iret_check(vcpu);
}

static void svm_check_args(void)
{
	BUILD_BUG_ON(offsetof(struct svm_enter_args, host_pa) != 8);
	BUILD_BUG_ON(offsetof(struct svm_enter_args, regs) != 16);
	BUILD_BUG_ON(offsetof(struct svm_enter_args, guest_spec_ctrl) != 24);
	BUILD_BUG_ON(offsetof(struct svm_enter_args, host_spec_ctrl) != 32);
	BUILD_BUG_ON(offsetof(struct svm_enter_args, swap_spec_ctrl) != 40);
}

void svm_begin(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u16 ldt;

	svm_check_args();
	svm->args.vmcb_pa = svm->vmcb_pa;
	svm->args.host_pa = sc->host_pa;
	svm->args.regs = vcpu->arch.regs;
	/* An LDT that another thread changed came by an interrupt: what VMLOAD brings is old. */
	store_ldt(ldt);
	if (unlikely(ldt))
		svm_save_host(sc);
}

void svm_end(struct keel_vcpu *vcpu)
{
	if (svm_control(vcpu)->exit_code == SVM_EXIT_EXCP_BASE + X86_TRAP_MC)
		keel_compat_machine_check();
}

// SPDX-License-Identifier: GPL-2.0
/*
 * exit.c - from the VMCS's exit reason to struct keel_exit
 */
#include <linux/nospec.h>
#include <uapi/asm/debugreg.h>
#include <asm/apicdef.h>
#include "vmx.h"
#include "../regs.h"

#define VMX_REASON_GETSEC	11
#define VMX_REASON_RSM		17

/* "Exit Qualification for I/O Instructions" */
#define IO_SIZE			GENMASK(2, 0)	/* less one */
#define IO_IN			BIT(3)
#define IO_STRING		BIT(4)
#define IO_PORT_SHIFT		16

/* "Exit Qualification for Task Switches" */
#define TASK_REASON_SHIFT	30

/* "Exit Qualification for Control-Register Accesses": the type */
enum { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };

/* "Exit Qualification for EPT Violations": what the tables permit, of any kind */
#define EPT_PERMITS		GENMASK(5, 3)

/* In EPT violations, too: IRET had unblocked NMIs before it faulted. */
#define UNBLOCKED_NMI		INTR_INFO_UNBLOCK_NMI

static void vmx_decode_cr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 qual = exit->hw.info1, type = (qual & CONTROL_REG_ACCESS_TYPE) >> 4;

	exit->cr.nr = qual & 0xf;
	exit->cr.write = type == CR_MOV_TO;
	exit->cr.clts = type == CR_CLTS;
	exit->cr.lmsw = type == CR_LMSW;
	exit->cr.gpr = (qual & CONTROL_REG_ACCESS_REG) >> 8;
	exit->cr.value = qual >> LMSW_SOURCE_DATA_SHIFT;
	exit->cr.decoded = true;
}

static void vmx_decode_dr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 qual = exit->hw.info1;

	exit->cr.nr = qual & DEBUG_REG_ACCESS_NUM;
	exit->cr.write = !(qual & DEBUG_REG_ACCESS_TYPE);
	exit->cr.gpr = DEBUG_REG_ACCESS_REG(qual);
	exit->cr.clts = false;
	exit->cr.lmsw = false;
	exit->cr.value = 0;
	exit->cr.decoded = true;
}

/*
 * IRET had unblocked NMIs and then caused this exit: it will be executed again, so
 * they are blocked again. Not so if an event was in delivery: it was no IRET.
 */
static void vmx_reblock_nmi(struct keel_vcpu *vcpu, u32 info)
{
	if ((info & UNBLOCKED_NMI) &&
	    !(vmcs_read(IDT_VECTORING_INFO_FIELD) & VECTORING_INFO_VALID_MASK))
		vmx_set_nmi_mask(vcpu, true);
}

/* A step over STI or MOV SS: while the shadow lasts, an entry wants the step to be pending. */
static void vmx_keep_step(struct keel_vcpu *vcpu)
{
	u64 pending;

	if (vcpu->arch.guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return;		/* the step is the debugger's */
	if (!(vmx_get_rflags(vcpu) & X86_EFLAGS_TF) || !vmx_get_shadow(vcpu))
		return;
	pending = vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, pending | DR_STEP);
}

/* INT1 is reported as a fault; its #DB is a trap. */
static void vmx_decode_db(struct keel_vcpu *vcpu, struct keel_exit *exit, u32 type)
{
	exit->exc.payload = exit->hw.info1;
	if (type == INTR_TYPE_PRIV_SW_EXCEPTION)
		keel_reg_write(vcpu, KEEL_RIP,
			       keel_rip(vcpu) + vmcs_read(VM_EXIT_INSTRUCTION_LEN));
	else
		vmx_keep_step(vcpu);
}

static void vmx_decode_exception(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 info = to_vmx(vcpu)->exit_intr, type = info & INTR_INFO_INTR_TYPE_MASK;

	exit->hw.info2 = info;
	if (type == INTR_TYPE_NMI_INTR) {
		exit->kind = KEEL_EXIT_NMI;
		return;
	}
	exit->exc.vector = info & INTR_INFO_VECTOR_MASK;
	exit->exc.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	exit->exc.error = exit->exc.has_error ? vmcs_read(VM_EXIT_INTR_ERROR_CODE) : 0;
	exit->exc.payload = 0;
	if (exit->exc.vector != X86_TRAP_DF)
		vmx_reblock_nmi(vcpu, info);
	if (exit->exc.vector == X86_TRAP_DB)
		vmx_decode_db(vcpu, exit, type);
	else if (exit->exc.vector == X86_TRAP_MC)
		exit->kind = KEEL_EXIT_NONE;
}

static void vmx_decode_pio(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 qual = exit->hw.info1;

	exit->pio.port = qual >> IO_PORT_SHIFT;
	exit->pio.size = (qual & IO_SIZE) + 1;
	exit->pio.in = qual & IO_IN;
	exit->pio.string = qual & IO_STRING;
}

/* A walk of the guest's tables counts as a write where it keeps accessed bits in them. */
static void vmx_decode_fault(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 qual = exit->hw.info1;

	exit->fault.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	exit->hw.info2 = exit->fault.gpa;
	exit->fault.present = qual & EPT_PERMITS;
	exit->fault.access = (qual & EPT_VIOLATION_ACC_WRITE) ? KEEL_ACC_WRITE : KEEL_ACC_READ;
	if (qual & EPT_VIOLATION_ACC_INSTR)
		exit->fault.access = KEEL_ACC_EXEC;
	if ((qual & EPT_VIOLATION_GVA_IS_VALID) && !(qual & EPT_VIOLATION_GVA_TRANSLATED))
		exit->fault.access |= KEEL_ACC_GWALK;
	vmx_reblock_nmi(vcpu, qual);
}

static void vmx_decode_misconfig(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	exit->fault.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	exit->hw.info2 = exit->fault.gpa;
	exit->fault.present = false;
	exit->fault.access = KEEL_ACC_READ;
}

/* "Exit Qualification for APIC-Access VM Exits": the offset in the page */
static void vmx_decode_apic_access(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	exit->fault.gpa = APIC_DEFAULT_PHYS_BASE | (exit->hw.info1 & GENMASK(11, 0));
	exit->fault.present = true;
	exit->fault.access = KEEL_ACC_READ;
}

/* What was noted has been handed in. */
static void vmx_decode_log_full(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	vmx_reblock_nmi(vcpu, exit->hw.info1);
}

/* The register's offset, of whichever byte was written. */
static void vmx_decode_apic_write(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	exit->value = exit->hw.info1 & GENMASK(11, 4);
}

static void vmx_decode_eoi(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	exit->value = exit->hw.info1 & GENMASK(7, 0);
}

static void vmx_decode_task(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	exit->task.selector = exit->hw.info1;
	exit->task.reason = (u32)exit->hw.info1 >> TASK_REASON_SHIFT;
}

static void vmx_decode_irq_window(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	vmx_control(vcpu, VMX_CPU, CPU_BASED_INTR_WINDOW_EXITING, false);
}

static void vmx_decode_nmi_window(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	vmx_control(vcpu, VMX_CPU, CPU_BASED_NMI_WINDOW_EXITING, false);
}

struct vmx_exit_row {
	u8 kind;	/* enum keel_exit_kind */
	bool insn;	/* an instruction caused it: its length is known */
	void (*decode)(struct keel_vcpu *vcpu, struct keel_exit *exit);
};

#define ROW(reason, k) [EXIT_REASON_##reason] = { .kind = KEEL_EXIT_##k }
#define ROW_FN(reason, k, fn) \
	[EXIT_REASON_##reason] = { .kind = KEEL_EXIT_##k, .decode = vmx_decode_##fn }
#define INSN(reason, k) [EXIT_REASON_##reason] = { .kind = KEEL_EXIT_##k, .insn = true }
#define INSN_FN(reason, k, fn) [EXIT_REASON_##reason] = \
	{ .kind = KEEL_EXIT_##k, .insn = true, .decode = vmx_decode_##fn }

static const struct vmx_exit_row vmx_exit_rows[] = {
	ROW_FN(EXCEPTION_NMI, EXCEPTION, exception),
	ROW(EXTERNAL_INTERRUPT, NONE),
	ROW(TRIPLE_FAULT, TRIPLE_FAULT),
	ROW(INIT_SIGNAL, INIT),
	ROW(SIPI_SIGNAL, INIT),
	ROW_FN(INTERRUPT_WINDOW, IRQ_WINDOW, irq_window),
	ROW_FN(NMI_WINDOW, NMI_WINDOW, nmi_window),
	ROW_FN(TASK_SWITCH, TASK_SWITCH, task),
	INSN(CPUID, CPUID),
	[VMX_REASON_GETSEC] = { .kind = KEEL_EXIT_UNDEFINED },
	INSN(HLT, HLT),
	INSN(INVD, INVD),
	INSN(INVLPG, INVLPG),
	INSN(RDPMC, RDPMC),
	INSN(RDTSC, RDTSC),
	[VMX_REASON_RSM] = { .kind = KEEL_EXIT_RSM },
	INSN(VMCALL, HYPERCALL),
	ROW(VMCLEAR, UNDEFINED),
	ROW(VMLAUNCH, UNDEFINED),
	ROW(VMPTRLD, UNDEFINED),
	ROW(VMPTRST, UNDEFINED),
	ROW(VMREAD, UNDEFINED),
	ROW(VMRESUME, UNDEFINED),
	ROW(VMWRITE, UNDEFINED),
	ROW(VMOFF, UNDEFINED),
	ROW(VMON, UNDEFINED),
	INSN_FN(CR_ACCESS, CR, cr),
	INSN_FN(DR_ACCESS, DR, dr),
	INSN_FN(IO_INSTRUCTION, PIO, pio),
	INSN(MSR_READ, MSR_READ),
	INSN(MSR_WRITE, MSR_WRITE),
	INSN(MWAIT_INSTRUCTION, MWAIT),
	ROW(MONITOR_TRAP_FLAG, NONE),
	INSN(MONITOR_INSTRUCTION, MONITOR),
	INSN(PAUSE_INSTRUCTION, PAUSE),
	ROW(TPR_BELOW_THRESHOLD, TPR_BELOW),
	ROW_FN(PML_FULL, LOG_FULL, log_full),
	ROW(PREEMPTION_TIMER, PREEMPT_TIMER),
	ROW_FN(APIC_ACCESS, APIC_ACCESS, apic_access),
	ROW_FN(EOI_INDUCED, EOI, eoi),
	ROW_FN(APIC_WRITE, APIC_WRITE, apic_write),
	ROW(GDTR_IDTR, DESC_ACCESS),
	ROW(LDTR_TR, DESC_ACCESS),
	ROW_FN(EPT_VIOLATION, FAULT, fault),
	ROW_FN(EPT_MISCONFIG, MISCONFIG, misconfig),
	ROW(INVEPT, UNDEFINED),
	INSN(RDTSCP, RDTSC),
	ROW(INVVPID, UNDEFINED),
	INSN(WBINVD, INVD),
	INSN(XSETBV, XSETBV),
	INSN(INVPCID, INVPCID),
	ROW(VMFUNC, UNDEFINED),
	ROW(ENCLS, UNDEFINED),
	ROW(UMWAIT, UNDEFINED),
	ROW(TPAUSE, UNDEFINED),
};

static const struct vmx_exit_row *vmx_exit_row(u16 reason)
{
	static const struct vmx_exit_row unknown = { .kind = KEEL_EXIT_UNKNOWN };

	if (reason >= ARRAY_SIZE(vmx_exit_rows))
		return &unknown;
	reason = array_index_nospec(reason, ARRAY_SIZE(vmx_exit_rows));
	return &vmx_exit_rows[reason];
}

static noinline void vmx_decode_failed(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	bool failed = to_vmx(vcpu)->args.failed;

	exit->kind = KEEL_EXIT_ENTRY_FAILED;
	if (failed)
		exit->hw.reason = vmcs_read(VM_INSTRUCTION_ERROR);
	exit->hw.info1 = failed ? 0 : vmcs_read(EXIT_QUALIFICATION);
	vmx_cancel_inject(vcpu);
}

static noinline void vmx_decode_more(struct keel_vcpu *vcpu, struct keel_exit *exit,
				     const struct vmx_exit_row *row, u32 vectoring)
{
	if (!row->insn || row->decode)
		exit->hw.info1 = vmcs_read(EXIT_QUALIFICATION);
	if (row->decode)
		row->decode(vcpu, exit);
	if ((vectoring & VECTORING_INFO_VALID_MASK) || vmx_repairs(vcpu))
		vmx_take_back_event(vcpu, vectoring);
}

void vmx_decode(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 reason = to_vmx(vcpu)->exit_reason, vectoring;
	const struct vmx_exit_row *row;

	exit->insn_len = 0;
	exit->hw = (typeof(exit->hw)){ .reason = reason };
	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY)) {
		vmx_decode_failed(vcpu, exit);
		return;
	}
	row = vmx_exit_row(reason);
	OPTIMIZER_HIDE_VAR(row);	/* GCC would work it out for each member */
	exit->kind = row->kind;
	vectoring = vmcs_read(IDT_VECTORING_INFO_FIELD);
	if (row->insn) {
		exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
		vcpu->arch.regs[KEEL_RIP] = vmcs_read(GUEST_RIP);	/* to be stepped over */
		__set_bit(KEEL_RIP, &vcpu->arch.avail);
	}
	if (!row->insn || row->decode || (vectoring & VECTORING_INFO_VALID_MASK) ||
	    vmx_repairs(vcpu))
		vmx_decode_more(vcpu, exit, row, vectoring);
}

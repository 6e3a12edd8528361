// SPDX-License-Identifier: GPL-2.0
/*
 * exit.c - from the VMCB's exit code to struct keel_exit
 */
#include <linux/nospec.h>
#include "svm.h"
#include "../regs.h"

/* NPF error code ("Nested Page Fault"): the low bits are those of #PF */
#define NPF_PRESENT	BIT_ULL(0)
#define NPF_WRITE	BIT_ULL(1)
#define NPF_FETCH	BIT_ULL(4)
#define NPF_TABLE_WALK	BIT_ULL(33)

/* MOV CR and DR with decode assists: EXITINFO1 */
#define CR_INFO_VALID	BIT_ULL(63)
#define CR_INFO_GPR	0xf

static void svm_decode_cr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	exit->cr.nr = c->exit_code & 0xf;
	exit->cr.write = c->exit_code & 0x10;
	exit->cr.decoded = svm_facts.decode_assists &&
			   (exit->kind == KEEL_EXIT_DR || (c->exit_info_1 & CR_INFO_VALID));
	exit->cr.gpr = c->exit_info_1 & CR_INFO_GPR;
	exit->cr.clts = false;	/* where it is one of these, the instruction tells */
	exit->cr.lmsw = false;
	exit->cr.value = 0;
}

static void svm_decode_exception(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct vmcb_control_area *c = svm_control(vcpu);

	exit->exc.vector = c->exit_code - SVM_EXIT_EXCP_BASE;
	exit->exc.has_error = exit->exc.vector == X86_TRAP_AC;
	exit->exc.error = c->exit_info_1;
	exit->exc.payload = 0;
	if (exit->exc.vector == X86_TRAP_DB) {
		if (svm_step_done(vcpu))
			exit->kind = KEEL_EXIT_NMI_WINDOW;
		exit->exc.payload = svm_save(vcpu)->dr6;
	} else if (exit->exc.vector == X86_TRAP_MC) {
		exit->kind = KEEL_EXIT_NONE;
	}
}

static void svm_decode_pio(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct vmcb_control_area *c = svm_control(vcpu);
	u32 info = c->exit_info_1;

	exit->pio.port = info >> 16;
	exit->pio.size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	exit->pio.in = info & SVM_IOIO_TYPE_MASK;
	exit->pio.string = info & SVM_IOIO_STR_MASK;
	exit->insn_len = c->exit_info_2 - svm_save(vcpu)->rip;
}

static void svm_decode_fault(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct vmcb_control_area *c = svm_control(vcpu);
	u64 error = c->exit_info_1;

	exit->fault.gpa = c->exit_info_2;
	exit->fault.present = error & NPF_PRESENT;
	exit->fault.access = (error & NPF_WRITE) ? KEEL_ACC_WRITE : KEEL_ACC_READ;
	if (error & NPF_FETCH)
		exit->fault.access = KEEL_ACC_EXEC;
	if (error & NPF_TABLE_WALK)
		exit->fault.access |= KEEL_ACC_GWALK;
}

static void svm_decode_msr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	exit->kind = svm_control(vcpu)->exit_info_1 ? KEEL_EXIT_MSR_WRITE : KEEL_EXIT_MSR_READ;
}

static void svm_decode_task(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct vmcb_control_area *c = svm_control(vcpu);
	u32 type = c->exit_int_info & SVM_EXITINTINFO_TYPE_MASK;

	exit->task.selector = c->exit_info_1;
	exit->task.reason = 0;
	if (c->exit_info_2 & BIT_ULL(36))
		exit->task.reason = 1;
	else if (c->exit_info_2 & BIT_ULL(38))
		exit->task.reason = 2;
	else if ((c->exit_int_info & SVM_EXITINTINFO_VALID) && type != SVM_EXITINTINFO_TYPE_NMI)
		exit->task.reason = 3;
}

static void svm_decode_window(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	svm_end_irq_window(vcpu);
}

static void svm_decode_iret(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	svm_iret_intercepted(vcpu);
}

struct svm_exit_row {
	u8 kind;	/* enum keel_exit_kind */
	void (*decode)(struct keel_vcpu *vcpu, struct keel_exit *exit);
};

#define ROWS(first, last, k, fn) [first ... last] = { .kind = (k), .decode = (fn) }
#define ROW(code, k) [code] = { .kind = (k) }
#define ROW_FN(code, k, fn) [code] = { .kind = (k), .decode = (fn) }

static const struct svm_exit_row svm_exit_rows[] = {
	ROWS(SVM_EXIT_READ_CR0, SVM_EXIT_READ_CR0 + 15, KEEL_EXIT_CR, svm_decode_cr),
	ROWS(SVM_EXIT_WRITE_CR0, SVM_EXIT_WRITE_CR0 + 15, KEEL_EXIT_CR, svm_decode_cr),
	ROWS(SVM_EXIT_READ_DR0, SVM_EXIT_READ_DR0 + 15, KEEL_EXIT_DR, svm_decode_cr),
	ROWS(SVM_EXIT_WRITE_DR0, SVM_EXIT_WRITE_DR0 + 15, KEEL_EXIT_DR, svm_decode_cr),
	ROWS(SVM_EXIT_EXCP_BASE, SVM_EXIT_LAST_EXCP, KEEL_EXIT_EXCEPTION, svm_decode_exception),
	ROW(SVM_EXIT_INTR, KEEL_EXIT_NONE),
	ROW(SVM_EXIT_NMI, KEEL_EXIT_NMI),
	ROW(SVM_EXIT_SMI, KEEL_EXIT_SMI),
	ROW(SVM_EXIT_INIT, KEEL_EXIT_INIT),
	ROW_FN(SVM_EXIT_VINTR, KEEL_EXIT_IRQ_WINDOW, svm_decode_window),
	ROW(SVM_EXIT_RDTSC, KEEL_EXIT_RDTSC),
	ROW(SVM_EXIT_RDPMC, KEEL_EXIT_RDPMC),
	ROW(SVM_EXIT_CPUID, KEEL_EXIT_CPUID),
	ROW(SVM_EXIT_RSM, KEEL_EXIT_RSM),
	ROW_FN(SVM_EXIT_IRET, KEEL_EXIT_NMI_WINDOW, svm_decode_iret),
	ROW(SVM_EXIT_INVD, KEEL_EXIT_INVD),
	ROW(SVM_EXIT_PAUSE, KEEL_EXIT_PAUSE),
	ROW(SVM_EXIT_HLT, KEEL_EXIT_HLT),
	ROW(SVM_EXIT_INVLPGA, KEEL_EXIT_UNDEFINED),
	ROW_FN(SVM_EXIT_IOIO, KEEL_EXIT_PIO, svm_decode_pio),
	ROW_FN(SVM_EXIT_MSR, KEEL_EXIT_MSR_READ, svm_decode_msr),
	ROW_FN(SVM_EXIT_TASK_SWITCH, KEEL_EXIT_TASK_SWITCH, svm_decode_task),
	ROW(SVM_EXIT_FERR_FREEZE, KEEL_EXIT_NONE),
	ROW(SVM_EXIT_SHUTDOWN, KEEL_EXIT_TRIPLE_FAULT),
	ROW(SVM_EXIT_VMRUN, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_VMMCALL, KEEL_EXIT_HYPERCALL),
	ROW(SVM_EXIT_VMLOAD, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_VMSAVE, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_STGI, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_CLGI, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_SKINIT, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_WBINVD, KEEL_EXIT_INVD),
	ROW(SVM_EXIT_MONITOR, KEEL_EXIT_MONITOR),
	ROW(SVM_EXIT_MWAIT, KEEL_EXIT_MWAIT),
	ROW(SVM_EXIT_MWAIT_COND, KEEL_EXIT_MWAIT),
	ROW(SVM_EXIT_XSETBV, KEEL_EXIT_XSETBV),
	ROW(SVM_EXIT_RDPRU, KEEL_EXIT_UNDEFINED),
	ROW(SVM_EXIT_INVPCID, KEEL_EXIT_INVPCID),
	ROW_FN(SVM_EXIT_NPF, KEEL_EXIT_FAULT, svm_decode_fault),
};

static const struct svm_exit_row *svm_exit_row(u32 code)
{
	static const struct svm_exit_row unknown = { .kind = KEEL_EXIT_UNKNOWN };

	if (code >= ARRAY_SIZE(svm_exit_rows))
		return &unknown;
	return &svm_exit_rows[array_index_nospec(code, ARRAY_SIZE(svm_exit_rows))];
}

void svm_decode(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct vmcb_control_area *c = svm_control(vcpu);
	const struct svm_exit_row *row;

	exit->hw.reason = c->exit_code | (u64)c->exit_code_hi << 32;
	exit->hw.info1 = c->exit_info_1;
	exit->hw.info2 = c->exit_info_2;
	exit->insn_len = 0;
	if (svm_entry_failed(to_svm(vcpu))) {
		exit->kind = KEEL_EXIT_ENTRY_FAILED;
		svm_cancel_inject(vcpu);
		return;
	}
	/* An injection that was not finished is in EXITINTINFO; one that was, is done. */
	svm_clear_inject(vcpu);
	svm_step_end(vcpu);
	svm_keep_shadow(vcpu);
	if (svm_facts.nrips && c->next_rip)
		exit->insn_len = min_t(u64, c->next_rip - svm_save(vcpu)->rip, 15);
	row = svm_exit_row(c->exit_code);
	exit->kind = row->kind;
	if (row->decode)
		row->decode(vcpu, exit);
	if (c->exit_int_info & SVM_EXITINTINFO_VALID)
		svm_requeue(vcpu, c->exit_int_info, c->exit_int_info_err);
	to_svm(vcpu)->soft_stepped = false;
}

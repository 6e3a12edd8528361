/* SPDX-License-Identifier: GPL-2.0 */
/*
 * exit.h - why the guest stopped, in neutral terms
 *
 * The backend's .decode fills a struct keel_exit from the VMCB or VMCS and
 * decides nothing; exit.c looks the kind up in one table and acts.
 */
#ifndef KEEL_X86_EXIT_H
#define KEEL_X86_EXIT_H

#include <keel/ioctl.h>
#include <keel/vcpu.h>

enum keel_exit_kind {
	KEEL_EXIT_UNKNOWN,	/* hw.reason is not known to Keel */
	KEEL_EXIT_ENTRY_FAILED,	/* the CPU refused the guest state; hw.reason */
	KEEL_EXIT_NONE,		/* nothing left to do (host interrupt, handled already) */
	KEEL_EXIT_NMI,		/* host NMI, handled by the backend on exit */
	KEEL_EXIT_EXCEPTION,	/* exc */
	KEEL_EXIT_TRIPLE_FAULT,
	KEEL_EXIT_IRQ_WINDOW,
	KEEL_EXIT_NMI_WINDOW,	/* NMIs are unblocked, or IRET is about to be executed */
	KEEL_EXIT_PIO,		/* pio */
	KEEL_EXIT_FAULT,	/* second-level fault: fault */
	KEEL_EXIT_MISCONFIG,	/* fast MMIO mark: fault.gpa */
	KEEL_EXIT_APIC_ACCESS,	/* fault.gpa, by hardware APIC virtualization */
	KEEL_EXIT_APIC_WRITE,	/* value: offset written (trap) */
	KEEL_EXIT_EOI,		/* value: vector */
	KEEL_EXIT_TPR_BELOW,
	KEEL_EXIT_CPUID,
	KEEL_EXIT_HLT,
	KEEL_EXIT_MSR_READ,
	KEEL_EXIT_MSR_WRITE,
	KEEL_EXIT_HYPERCALL,	/* VMCALL or VMMCALL */
	KEEL_EXIT_CR,		/* cr */
	KEEL_EXIT_DR,		/* cr, nr of the debug register */
	KEEL_EXIT_XSETBV,
	KEEL_EXIT_INVD,		/* INVD, WBINVD, WBNOINVD: a no-op for the guest's memory type */
	KEEL_EXIT_INVLPG,
	KEEL_EXIT_INVPCID,
	KEEL_EXIT_MONITOR,
	KEEL_EXIT_MWAIT,
	KEEL_EXIT_PAUSE,
	KEEL_EXIT_RDPMC,
	KEEL_EXIT_RDTSC,
	KEEL_EXIT_RSM,
	KEEL_EXIT_TASK_SWITCH,	/* task */
	KEEL_EXIT_UNDEFINED,	/* an instruction of virtualization the guest does not have: #UD */
	KEEL_EXIT_DESC_ACCESS,	/* LGDT, SIDT ...: emulate */
	KEEL_EXIT_PREEMPT_TIMER,
	KEEL_EXIT_LOG_FULL,	/* PML */
	KEEL_EXIT_INIT,		/* physical INIT while in the guest */
	KEEL_EXIT_SMI,
	KEEL_NR_EXITS
};

/* For statistics and traces: X(kind, name) for each. */
#define KEEL_EXIT_NAMES(X) \
	X(UNKNOWN, "unknown") \
	X(ENTRY_FAILED, "entry_failed") \
	X(NONE, "host_irq") \
	X(NMI, "host_nmi") \
	X(EXCEPTION, "exception") \
	X(TRIPLE_FAULT, "triple_fault") \
	X(IRQ_WINDOW, "irq_window") \
	X(NMI_WINDOW, "nmi_window") \
	X(PIO, "pio") \
	X(FAULT, "fault") \
	X(MISCONFIG, "misconfig") \
	X(APIC_ACCESS, "apic_access") \
	X(APIC_WRITE, "apic_write") \
	X(EOI, "eoi") \
	X(TPR_BELOW, "tpr_below") \
	X(CPUID, "cpuid") \
	X(HLT, "hlt") \
	X(MSR_READ, "msr_read") \
	X(MSR_WRITE, "msr_write") \
	X(HYPERCALL, "hypercall") \
	X(CR, "cr") \
	X(DR, "dr") \
	X(XSETBV, "xsetbv") \
	X(INVD, "invd") \
	X(INVLPG, "invlpg") \
	X(INVPCID, "invpcid") \
	X(MONITOR, "monitor") \
	X(MWAIT, "mwait") \
	X(PAUSE, "pause") \
	X(RDPMC, "rdpmc") \
	X(RDTSC, "rdtsc") \
	X(RSM, "rsm") \
	X(TASK_SWITCH, "task_switch") \
	X(UNDEFINED, "undefined") \
	X(DESC_ACCESS, "desc_access") \
	X(PREEMPT_TIMER, "preempt_timer") \
	X(LOG_FULL, "log_full") \
	X(INIT, "host_init") \
	X(SMI, "host_smi")

/* Access bits of a second-level fault. */
#define KEEL_ACC_READ	BIT(0)
#define KEEL_ACC_WRITE	BIT(1)
#define KEEL_ACC_EXEC	BIT(2)
#define KEEL_ACC_GWALK	BIT(3)	/* the CPU's own walk of the guest's page tables */

struct keel_exit {
	enum keel_exit_kind kind;
	/*
	 * Length of the instruction that caused it, where the CPU told it or its bytes are
	 * known; 0 means that stepping over it takes a decode.
	 */
	u8 insn_len;
	union {
		struct {
			u8 vector;
			bool has_error;
			u32 error;
			u64 payload;	/* CR2, or DR6's new bits */
		} exc;
		struct {
			u16 port;
			u8 size;	/* 1, 2, 4 */
			bool in, string;
		} pio;
		struct {
			gpa_t gpa;
			u32 access;	/* KEEL_ACC_* */
			bool present;	/* a mapping forbade it */
		} fault;
		struct {
			u8 nr;
			bool write;	/* to the control (debug) register */
			bool decoded;	/* @gpr is valid; else decode the instruction */
			u8 gpr;
			bool clts, lmsw;
			u64 value;	/* LMSW source */
		} cr;
		struct {
			u16 selector;
			u8 reason;	/* 0 CALL, 1 IRET, 2 JMP, 3 IDT gate */
		} task;
		u64 value;
	};
	struct {
		/* The vendor's own, for messages and FAIL_ENTRY; 0 where the kind says it all. */
		u64 reason, info1, info2;
	} hw;
};

/*
 * keel_exit_quick() - count @exit, and act on it if that can be done with interrupts off,
 * as they are, without a page fault. KEEL_LATER: keel_handle_exit() is to
 * be called; else enum keel_next, or -errno. vCPU thread.
 * keel_handle_exit() - act on @exit, which has been counted. vCPU thread, interrupts and
 * preemption on. KEEL_RESUME, KEEL_TO_USER, or -errno.
 */
int keel_exit_quick(struct keel_vcpu *vcpu, struct keel_exit *exit);
int keel_handle_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);

/*
 * keel_skip() - step over the instruction of @exit: RIP, interrupt shadow, single step.
 * KEEL_RESUME; KEEL_TO_USER: it cannot be decoded, or the step is a debugger's.
 */
int keel_skip(struct keel_vcpu *vcpu, const struct keel_exit *exit);
int keel_skip_len(struct keel_vcpu *vcpu, unsigned int len);

/* KVM_EXIT_INTERNAL_ERROR filled with @suberror and @n words of data. KEEL_TO_USER. */
int keel_internal_error(struct keel_vcpu *vcpu, u32 suberror, unsigned int n, const u64 *data);

/* pio.c */
int keel_pio_quick(struct keel_vcpu *vcpu, struct keel_exit *exit);
int keel_pio_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);

/* emulate.c: run the emulator on the instruction at RIP, because of a fault or a string port. */
int keel_emulate(struct keel_vcpu *vcpu);
/*
 * Decode at RIP without executing: @d filled, @len its length. KEEL_RESUME with a length of 0:
 * a fault is queued, or the guest is to try again. KEEL_TO_USER: not decoded.
 */
int keel_decode(struct keel_vcpu *vcpu, struct emul_decoded *d, unsigned int *len);

/* hypercall.c */
int keel_hypercall_quick(struct keel_vcpu *vcpu, struct keel_exit *exit);
int keel_hypercall(struct keel_vcpu *vcpu, struct keel_exit *exit);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * backend.h - what vmx/ and svm/ fulfil, and all they may ask of Keel
 *
 * A backend decodes and loads; it decides nothing. Ops run in the vCPU thread
 * with the vCPU loaded unless the comment says otherwise. An op foo of SVM is
 * svm_foo(), of VMX vmx_foo().
 */
#ifndef KEEL_X86_BACKEND_H
#define KEEL_X86_BACKEND_H

#include <linux/static_call.h>
#include <keel/vcpu.h>
#include "exit.h"

/* Register groups beyond enum keel_reg in arch.avail and arch.dirty. */
enum keel_reg_group {
	KEEL_GRP_CR0 = KEEL_NR_REGS, KEEL_GRP_CR3, KEEL_GRP_CR4,
};

enum keel_segreg {	/* order of the encoding, then the system ones */
	KEEL_ES, KEEL_CS, KEEL_SS, KEEL_DS, KEEL_FS, KEEL_GS, KEEL_TR, KEEL_LDTR, KEEL_NR_SEGS
};

/* What is to be injected at the next entry. */
enum keel_event_type { KEEL_EV_EXCEPTION, KEEL_EV_NMI, KEEL_EV_IRQ };

struct keel_event {
	enum keel_event_type type;
	u8 vector;
	bool has_error;
	u32 error;
	u8 insn_len;	/* #BP, #OF: of INT3 or INTO; 0: not known, one byte */
};

/* mmu/pte_npt.c, mmu/pte_ept.c: what .setup can choose for s2_format */
struct s2_format;
extern const struct s2_format s2_format_npt, s2_format_ept, s2_format_ept_noad;

/* What the hardware found unsupported, and the limits it set. Filled by .setup. */
struct keel_caps {
	u64 xss;
	u8 max_level;			/* largest mapping: 1 4K, 2 2M, 3 1G */
	const struct s2_format *s2_format;	/* of stage-2 entries, see mmu/stage2.h, */
	u8 s2_levels;			/* and how deep the tables are: 4 or 5 */
	bool tsc_scaling;
	u8 tsc_frac_bits;
	u64 tsc_max_ratio;
	bool log_writes;		/* .enter hands in what vm->arch.log_writes asks for */
	bool preempt_timer;		/* .enter heeds arch.exit_at_tsc: KEEL_EXIT_PREEMPT_TIMER */
	bool apicv;			/* APICs are virtualized, with delivery by priority, */
	bool apicv_flawed;		/* but not all of it rightly */
	bool shutdown_loses_state;	/* after KEEL_EXIT_TRIPLE_FAULT state is undefined */
	u64 efer;			/* EFER bits a guest may set */
};

struct keel_backend {
	const char *name;
	size_t vm_size, vcpu_size;	/* struct keel_vm and keel_vcpu first in each */

	/* ---- module load, any CPU ---- */
	bool (*present)(void);		/* is this the CPU's vendor extension at all? */
	int (*setup)(struct keel_caps *caps);	/* -EOPNOTSUPP with a line; allocates */
	void (*teardown)(void);
	/*
	 * Before the first CPU is switched on and after the last is off, where nobody else
	 * can: the hook for a crash and an emergency reboot. May sleep.
	 */
	void (*emergency_hook)(bool on);

	/* ---- per CPU, interrupts off ---- */
	int (*cpu_enable)(void);	/* -EBUSY: somebody else has it on; -EIO: it refuses */
	void (*cpu_disable)(void);

	/* ---- life cycle ---- */
	int (*vcpu_init)(struct keel_vcpu *vcpu);
	void (*vcpu_destroy)(struct keel_vcpu *vcpu);
	/* control fields; registers by the caller */
	void (*vcpu_reset)(struct keel_vcpu *vcpu, bool init);
	void (*vcpu_load)(struct keel_vcpu *vcpu, int cpu);	/* preemption off */
	void (*vcpu_put)(struct keel_vcpu *vcpu);

	/* ---- one entry ---- */
	/*
	 * Interrupts off, and not on until .end: what holds for all entries of a turn is made
	 * ready, and taken back; a machine check goes to the host then. .begin may ask for
	 * arch.one_entry.
	 */
	void (*begin)(struct keel_vcpu *vcpu);
	void (*end)(struct keel_vcpu *vcpu);
	/* Enters and comes back with interrupts still off. */
	void (*enter)(struct keel_vcpu *vcpu);
	/*
	 * Interrupts off, after each entry. Fills all of @exit that its kind has; what the
	 * exit interrupted (an event in delivery) is handed back by keel_event_requeue().
	 * The kind is below KEEL_NR_EXITS whatever the CPU says: handlers are found by it.
	 */
	void (*decode)(struct keel_vcpu *vcpu, struct keel_exit *exit);

	/* ---- events ---- */
	void (*inject)(struct keel_vcpu *vcpu, const struct keel_event *ev);
	/* entry was given up: take it back, requeue */
	void (*cancel_inject)(struct keel_vcpu *vcpu);
	bool (*irq_blocked)(struct keel_vcpu *vcpu);	/* IF, shadow */
	bool (*nmi_blocked)(struct keel_vcpu *vcpu);
	void (*request_irq_window)(struct keel_vcpu *vcpu);
	void (*request_nmi_window)(struct keel_vcpu *vcpu);
	bool (*get_nmi_mask)(struct keel_vcpu *vcpu);
	void (*set_nmi_mask)(struct keel_vcpu *vcpu, bool masked);
	u32 (*get_shadow)(struct keel_vcpu *vcpu);	/* KVM_X86_SHADOW_INT_* */
	void (*set_shadow)(struct keel_vcpu *vcpu, u32 shadow);
	/* An instruction was done without the CPU: its shadow ends. RFLAGS. */
	u64 (*retire)(struct keel_vcpu *vcpu);
	/*
	 * TPR and the highest vector it holds back
	 * (-1 none): CR8 write exits when it would pass.
	 */
	void (*update_cr8)(struct keel_vcpu *vcpu, u8 tpr, int irr);

	/*
	 * With caps.apicv, else NULL. The highest vectors in IRR and ISR, 0 for none; the
	 * vectors (a bitmap of 256) whose EOI must exit. What else is to be done follows
	 * arch.apicv_mode, at update_intercepts.
	 */
	void (*set_apic_status)(struct keel_vcpu *vcpu, u8 irr, u8 isr);
	void (*set_eoi_exits)(struct keel_vcpu *vcpu, const unsigned long *vectors);

	/* ---- registers ---- */
	/* fill regs[reg] or the group */
	void (*cache_reg)(struct keel_vcpu *vcpu, unsigned int reg);
	u64 (*get_rflags)(struct keel_vcpu *vcpu);
	void (*set_rflags)(struct keel_vcpu *vcpu, u64 rflags);
	void (*get_segment)(struct keel_vcpu *vcpu, enum keel_segreg seg, struct kvm_segment *s);
	void (*set_segment)(struct keel_vcpu *vcpu, enum keel_segreg seg,
			    const struct kvm_segment *s);
	u8 (*get_cpl)(struct keel_vcpu *vcpu);
	bool (*get_cs_l)(struct keel_vcpu *vcpu);	/* get_segment's, sooner */
	void (*get_dtable)(struct keel_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
	void (*set_dtable)(struct keel_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
	/* Values were checked; arch.cr0 and so on are updated by the op. */
	void (*set_cr0)(struct keel_vcpu *vcpu, u64 cr0);
	void (*set_cr3)(struct keel_vcpu *vcpu, u64 cr3);
	void (*set_cr4)(struct keel_vcpu *vcpu, u64 cr4);
	void (*set_efer)(struct keel_vcpu *vcpu, u64 efer);
	void (*set_dr7)(struct keel_vcpu *vcpu, u64 dr7);
	u64 (*get_dr6)(struct keel_vcpu *vcpu);
	void (*set_dr6)(struct keel_vcpu *vcpu, u64 dr6);
	/* MSRs the hardware holds (FS_BASE, STAR, SYSENTER ...). 0; -ENOENT: not one of mine. */
	int (*get_msr)(struct keel_vcpu *vcpu, u32 msr, u64 *val);
	int (*set_msr)(struct keel_vcpu *vcpu, u32 msr, u64 val);
	void (*set_tsc)(struct keel_vcpu *vcpu, u64 offset, u64 ratio);
	/*
	 * What is intercepted follows arch state: guest_debug, DR use, CPUID (MSR
	 * pass-through), APIC mode. Recompute all of it.
	 */
	void (*update_intercepts)(struct keel_vcpu *vcpu);

	/* ---- second-level translation ---- */
	/* all of this guest's, before the next entry */
	void (*flush_tlb)(struct keel_vcpu *vcpu);
	void (*set_root)(struct keel_vcpu *vcpu, u64 root_hpa);
};

extern const struct keel_backend svm_backend;
extern const struct keel_backend vmx_backend;

/* The chosen one and its facts; constant after load. */
extern struct keel_caps keel_caps;
extern const struct keel_backend *keel_backend;

/*
 * keel_op(name)(args) - call an op of the chosen backend, as a static call: direct
 * after load. Ops used only at load and on hotplug are called through keel_backend.
 */
#define KEEL_BACKEND_OPS(X)							\
	X(vcpu_init) X(vcpu_destroy) X(vcpu_reset)				\
	X(vcpu_load) X(vcpu_put) X(begin) X(end) X(enter) X(decode)		\
	X(inject) X(cancel_inject) X(irq_blocked) X(nmi_blocked)		\
	X(request_irq_window) X(request_nmi_window) X(get_nmi_mask)		\
	X(set_nmi_mask) X(get_shadow) X(set_shadow) X(retire) X(update_cr8)	\
	X(set_apic_status) X(set_eoi_exits)					\
	X(cache_reg) X(get_rflags) X(set_rflags) X(get_segment) X(set_segment)	\
	X(get_cpl) X(get_cs_l) X(get_dtable) X(set_dtable) X(set_cr0)		\
	X(set_cr3) X(set_cr4) X(set_efer) X(set_dr7) X(get_dr6) X(set_dr6)	\
	X(get_msr) X(set_msr) X(set_tsc) X(update_intercepts) X(flush_tlb)	\
	X(set_root)

#define KEEL_DECLARE_OP(name) \
	DECLARE_STATIC_CALL(keel_##name, *(((struct keel_backend *)0)->name));
KEEL_BACKEND_OPS(KEEL_DECLARE_OP)

#define keel_op(name) static_call(keel_##name)

/* ---- services for backends ---- */

/*
 * The guest wrote the @n pages that hold @gpa[], and has not since their dirty bits were
 * cleared. Interrupts on or off. mmu/slots.c
 */
void keel_log_writes(struct keel_vcpu *vcpu, const u64 *gpa, unsigned int n);
/* The extension is off on this CPU, so @vcpu's state cannot be kept: its VM ends. Any context. */
void keel_cpu_unusable(struct keel_vcpu *vcpu);
/* An event was being delivered when the exit came: it goes first next time. event.c */
void keel_event_requeue(struct keel_vcpu *vcpu, const struct keel_event *ev);
/*
 * The four top entries of PAE paging that @cr3 points to; not present where there is no
 * memory. vCPU thread; may sleep. 0, or -EFAULT. cr.c
 */
int keel_read_pdptes(struct keel_vcpu *vcpu, u64 cr3, u64 pdpte[4]);

#endif

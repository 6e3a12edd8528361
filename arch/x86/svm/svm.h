/* SPDX-License-Identifier: GPL-2.0 */
/*
 * svm.h - AMD SVM inside: one guest's VMCB and what each CPU keeps
 */
#ifndef KEEL_SVM_H
#define KEEL_SVM_H

#include <asm/svm.h>
#include <asm/trapnr.h>
#include "../backend.h"

#define SVM_MSRPM_ORDER	1	/* 8 KiB: two bits an MSR */
#define SVM_IOPM_ORDER	2	/* 12 KiB used: a bit a port, all set */

/*
 * What enter.S is given; its offsets are checked in lifecycle.c. spec_ctrl: written
 * before entry and taken back after it when they differ and the CPU does not do
 * so itself.
 */
struct svm_enter_args {
	u64 vmcb_pa;
	u64 host_pa;		/* VMSAVE area of this CPU */
	u64 *regs;		/* keel_vcpu_arch.regs */
	u64 guest_spec_ctrl;
	u64 host_spec_ctrl;
	u64 swap_spec_ctrl;	/* bool */
};

void svm_enter_guest(struct svm_enter_args *args);

struct svm_vcpu {
	struct keel_vcpu vcpu;		/* first: see keel_backend.vcpu_size */
	struct vmcb *vmcb;
	u64 vmcb_pa;
	void *msrpm;
	u64 asid_generation;		/* of svm_cpu; 0: take a new ASID */
	int asid_cpu;
	struct svm_enter_args args;	/* from .begin on */
	bool nmi_masked;		/* an NMI handler runs: until IRET */
	bool iret_seen;			/* IRET intercepted, not yet executed */
	u64 iret_rip;
	bool stepping;			/* TF set by us: the entry ends behind one instruction */
	bool step_tf, step_rf;		/* the guest's own */
	bool step_iret;			/* the step is over IRET */
	bool stepped;			/* the last entry had a step */
	bool soft_stepped;		/* RIP was moved over INT3 or INTO to inject it */
	u32 injected, injected_err;	/* EVENTINJ of the entry under way: #VMEXIT clears it */
	bool tsc_aux_loaded;		/* the guest's TSC_AUX is in this CPU's MSR */
	u64 tsc_ratio;			/* 0: the default */
};

struct svm_cpu {
	struct page *hsave;		/* MSR_VM_HSAVE_PA: the CPU's */
	struct page *host;		/* VMSAVE area: ours */
	u64 host_pa;
	u64 asid_generation;
	u32 next_asid, max_asid;
	u64 tsc_ratio;			/* in the MSR now */
	u64 tsc_aux;			/* the host's, constant while on */
	bool enabled;
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/* Facts of the CPUs, constant after svm_setup(). caps.c */
struct svm_facts {
	bool nrips, decode_assists, flush_by_asid, v_spec_ctrl, pause_filter, tsc_ratio;
	bool loses_shadow;	/* VMRUN does not load the interrupt shadow: QEMU's TCG */
	u64 iopm_pa;
};

extern struct svm_facts svm_facts;

/* VMRUN refused the state, or faulted. */
static inline bool svm_entry_failed(const struct svm_vcpu *svm)
{
	return svm->vmcb->control.exit_code == (u32)SVM_EXIT_ERR;
}

static inline struct svm_vcpu *to_svm(struct keel_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

static inline struct vmcb_save_area *svm_save(struct keel_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->save;
}

static inline struct vmcb_control_area *svm_control(struct keel_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->control;
}

static inline void svm_intercept(struct keel_vcpu *vcpu, unsigned int bit, bool on)
{
	__assign_bit(bit, (unsigned long *)svm_control(vcpu)->intercepts, on);
}

static inline bool svm_intercepts(struct keel_vcpu *vcpu, unsigned int bit)
{
	return test_bit(bit, (unsigned long *)svm_control(vcpu)->intercepts);
}

/* caps.c */
bool svm_present(void);
int svm_setup(struct keel_caps *caps);
void svm_teardown(void);
int svm_cpu_enable(void);
void svm_cpu_disable(void);
void svm_emergency_hook(bool on);

/* vmcb.c: control fields and intercepts */
int svm_vcpu_init(struct keel_vcpu *vcpu);
void svm_vcpu_destroy(struct keel_vcpu *vcpu);
void svm_vcpu_reset(struct keel_vcpu *vcpu, bool init);
void svm_update_intercepts(struct keel_vcpu *vcpu);
void svm_set_tsc(struct keel_vcpu *vcpu, u64 offset, u64 ratio);
void svm_flush_tlb(struct keel_vcpu *vcpu);
void svm_set_root(struct keel_vcpu *vcpu, u64 root_hpa);

/* lifecycle.c */
void svm_vcpu_load(struct keel_vcpu *vcpu, int cpu);
void svm_vcpu_put(struct keel_vcpu *vcpu);
void svm_load_tsc_ratio(struct keel_vcpu *vcpu);	/* preemption off */
void svm_load_tsc_aux(struct keel_vcpu *vcpu);		/* preemption off */
void svm_enter(struct keel_vcpu *vcpu);
void svm_begin(struct keel_vcpu *vcpu);
void svm_end(struct keel_vcpu *vcpu);

/* exit.c */
void svm_decode(struct keel_vcpu *vcpu, struct keel_exit *exit);

/* inject.c */
void svm_inject(struct keel_vcpu *vcpu, const struct keel_event *ev);
void svm_cancel_inject(struct keel_vcpu *vcpu);
void svm_requeue(struct keel_vcpu *vcpu, u32 info, u32 error);
bool svm_irq_blocked(struct keel_vcpu *vcpu);
bool svm_nmi_blocked(struct keel_vcpu *vcpu);
void svm_request_irq_window(struct keel_vcpu *vcpu);
void svm_request_nmi_window(struct keel_vcpu *vcpu);
void svm_end_irq_window(struct keel_vcpu *vcpu);
bool svm_get_nmi_mask(struct keel_vcpu *vcpu);
void svm_set_nmi_mask(struct keel_vcpu *vcpu, bool masked);
u32 svm_get_shadow(struct keel_vcpu *vcpu);
void svm_set_shadow(struct keel_vcpu *vcpu, u32 shadow);
u64 svm_retire(struct keel_vcpu *vcpu);
void svm_update_cr8(struct keel_vcpu *vcpu, u8 tpr, int irr);
/* IRET and the single step behind it; true if this #DB was only ours. */
void svm_iret_intercepted(struct keel_vcpu *vcpu);
void svm_iret_check(struct keel_vcpu *vcpu);
void svm_clear_inject(struct keel_vcpu *vcpu);
void svm_step_end(struct keel_vcpu *vcpu);
bool svm_step_done(struct keel_vcpu *vcpu);
void svm_keep_shadow(struct keel_vcpu *vcpu);

/* state.c */
void svm_cache_reg(struct keel_vcpu *vcpu, unsigned int reg);
u64 svm_get_rflags(struct keel_vcpu *vcpu);
void svm_set_rflags(struct keel_vcpu *vcpu, u64 rflags);
void svm_get_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, struct kvm_segment *s);
void svm_set_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, const struct kvm_segment *s);
u8 svm_get_cpl(struct keel_vcpu *vcpu);
bool svm_get_cs_l(struct keel_vcpu *vcpu);
void svm_get_dtable(struct keel_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
void svm_set_dtable(struct keel_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
void svm_set_cr0(struct keel_vcpu *vcpu, u64 cr0);
void svm_set_cr3(struct keel_vcpu *vcpu, u64 cr3);
void svm_set_cr4(struct keel_vcpu *vcpu, u64 cr4);
void svm_set_efer(struct keel_vcpu *vcpu, u64 efer);
void svm_set_dr7(struct keel_vcpu *vcpu, u64 dr7);
u64 svm_get_dr6(struct keel_vcpu *vcpu);
void svm_set_dr6(struct keel_vcpu *vcpu, u64 dr6);

/* msr.c */
int svm_get_msr(struct keel_vcpu *vcpu, u32 msr, u64 *val);
int svm_set_msr(struct keel_vcpu *vcpu, u32 msr, u64 val);
void svm_msrpm_update(struct keel_vcpu *vcpu);

#endif

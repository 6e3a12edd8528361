/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmx.h - Intel VMX inside: one guest's VMCS and what each CPU keeps
 */
#ifndef KEEL_VMX_H
#define KEEL_VMX_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <asm/asm.h>
#include <asm/desc_defs.h>
#include <asm/trapnr.h>
#include <asm/vmx.h>
#include "../backend.h"

/*
 * What enter.S is given; its offsets are checked in lifecycle.c. spec_ctrl: written
 * before entry and taken back after it when they differ.
 */
struct vmx_enter_args {
	u64 *regs;		/* keel_vcpu_arch.regs */
	u64 host_rsp;		/* what the VMCS holds */
	u64 guest_spec_ctrl;
	u64 host_spec_ctrl;
	u8 swap_spec_ctrl;	/* bool */
	u8 launched;		/* bool: VMRESUME, not VMLAUNCH */
	u8 failed;		/* out, bool: the CPU did not enter */
};

void vmx_enter_guest(struct vmx_enter_args *args);
extern const u8 vmx_exit_point[];	/* where exits arrive */

/* MSRs of system calls: the host's are constant, the guest's are in the CPU while it is loaded. */
enum vmx_swapped { VMX_STAR, VMX_LSTAR, VMX_SYSCALL_MASK, VMX_NR_SWAPPED };

/* Controls, by the word of the VMCS they are in. */
enum vmx_ctl { VMX_PIN, VMX_CPU, VMX_CPU2, VMX_EXIT, VMX_ENTRY, VMX_NR_CTLS };

/* Of the thread that runs the vCPU, taken back in .vcpu_put; the exit leaves null selectors. */
struct vmx_host_segments {
	u16 ds, es, fs, gs, ldt;
	u64 fs_base, kernel_gs_base;
};

struct vmx_vcpu {
	struct keel_vcpu vcpu;		/* first: see keel_backend.vcpu_size */
	void *vmcs;
	u64 vmcs_pa;
	struct list_head loaded_link;	/* vmx_cpu.loaded of loaded_cpu */
	int loaded_cpu;			/* that may hold the VMCS in itself, or -1 */
	unsigned long *msr_bitmap;
	u8 *vapic;			/* virtual-APIC page: the APIC's own, or for TPR only */
	u64 *log;			/* page-modification log, or NULL: the CPU has none */
	u16 vpid;			/* 0: none left */
	struct vmx_enter_args args;
	u32 ctl[VMX_NR_CTLS];		/* what the VMCS holds */

	u32 exit_reason;
	u32 exit_intr;			/* of an exit by exception or NMI */
	u64 rflags;
	bool rflags_valid;
	u64 cr0_owned, cr4_owned;	/* bits the guest changes by itself */
	u64 eptp;
	u64 host_cr3, host_cr4;		/* what the VMCS holds */
	u64 host_pebs, host_debugctl;	/* MSRs, from .begin to .end */
	bool timer_set;			/* the VMCS holds a time, not "never" */
	u8 svi;				/* in service by the CPU's account; see inject.c */

	bool guest_loaded;		/* the MSRs below are in the CPU, host holds the thread's */
	struct vmx_host_segments host;
	u64 swapped[VMX_NR_SWAPPED], kernel_gs_base, cstar;
	bool aux_loaded;		/* TSC_AUX is not the host's */
	u64 tsc_offset, tsc_ratio;	/* ratio 0: the default */
	bool tsc_stale;			/* the VMCS has older ones */
};

struct vmx_cpu {
	void *vmxon;			/* VMXON region */
	struct list_head loaded;	/* VMCSs that this CPU may hold */
	void *current_vmcs;
	u64 tsc_aux;			/* the host's, constant while on */
	u64 swapped[VMX_NR_SWAPPED];	/* the host's, constant while on */
	struct desc_ptr gdt;
	bool enabled;
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

/* Facts of the CPUs, constant after vmx_setup(). caps.c */
struct vmx_facts {
	u32 revision;
	u32 base[VMX_NR_CTLS];		/* controls every VMCS starts with */
	u32 can[VMX_NR_CTLS];		/* controls that can be set */
	u64 cr4_fixed;			/* bits that must be 1 */
	bool ept_ad, ept_5level, invept_single;
	bool vpid, tpr_shadow, tsc_scaling, pause_loop;
	bool flush_l1d;
	bool preempt_timer, log;
	u8 preempt_shift;		/* TSC ticks of one of the timer's: a power of 2 */
};

extern struct vmx_facts vmx_facts;

static inline struct vmx_vcpu *to_vmx(struct keel_vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/* ---- instructions. One that faults, as a crash elsewhere switched VMX off, does nothing. ---- */

static __always_inline u64 vmcs_read(unsigned long field)
{
	u64 val = 0;

	asm volatile("1: vmread %[field], %[val]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : [val] "+r" (val) : [field] "r" (field) : "cc");
	return val;
}

static __always_inline void vmcs_write(unsigned long field, u64 val)
{
	asm volatile("1: vmwrite %[val], %[field]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : [val] "rm" (val), [field] "r" (field) : "cc", "memory");
}

static __always_inline void vmx_vmclear(u64 pa)
{
	asm volatile("1: vmclear %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "m" (pa) : "cc", "memory");
}

static __always_inline void vmx_vmptrld(u64 pa)
{
	asm volatile("1: vmptrld %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "m" (pa) : "cc", "memory");
}

static __always_inline void vmx_invept(unsigned long scope, u64 eptp)
{
	struct { u64 eptp, reserved; } desc = { .eptp = eptp };

	asm volatile("1: invept %[desc], %[scope]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : [desc] "m" (desc), [scope] "r" (scope) : "cc", "memory");
}

static __always_inline void vmx_invvpid(unsigned long scope, u16 vpid)
{
	struct { u64 vpid, linear; } desc = { .vpid = vpid };

	asm volatile("1: invvpid %[desc], %[scope]\n2:\n" _ASM_EXTABLE(1b, 2b)
		     : : [desc] "m" (desc), [scope] "r" (scope) : "cc", "memory");
}

static inline u64 vmx_rflags(struct vmx_vcpu *vmx)
{
	if (!vmx->rflags_valid) {
		vmx->rflags = vmcs_read(GUEST_RFLAGS);
		vmx->rflags_valid = true;
	}
	return vmx->rflags;
}

/* Is what the CPU says of an event in delivery to be looked at twice? See inject.c. */
static inline bool vmx_repairs(const struct keel_vcpu *vcpu)
{
	return unlikely(keel_caps.apicv_flawed) && vcpu->arch.apicv_mode != KEEL_APICV_NONE;
}

/* caps.c */
bool vmx_present(void);
int vmx_setup(struct keel_caps *caps);
void vmx_teardown(void);
void vmx_emergency_hook(bool on);
int vmx_cpu_enable(void);
void vmx_cpu_disable(void);

/* vmcs.c: its life, control fields and intercepts */
int vmx_vcpu_init(struct keel_vcpu *vcpu);
void vmx_vcpu_destroy(struct keel_vcpu *vcpu);
void vmx_vcpu_reset(struct keel_vcpu *vcpu, bool init);
void vmx_update_intercepts(struct keel_vcpu *vcpu);
void vmx_set_tsc(struct keel_vcpu *vcpu, u64 offset, u64 ratio);
void vmx_flush_tlb(struct keel_vcpu *vcpu);
void vmx_set_root(struct keel_vcpu *vcpu, u64 root_hpa);
/* Preemption off. */
void vmx_load_vmcs(struct vmx_vcpu *vmx, int cpu);
void vmx_write_tsc(struct vmx_vcpu *vmx);
/* Interrupts off, on that CPU: VMCLEAR all of them. */
void vmx_clear_loaded(struct vmx_cpu *vc);
/* One control, on or off. Loaded. */
void vmx_control(struct keel_vcpu *vcpu, enum vmx_ctl ctl, u32 bit, bool on);

/* apic.c */
bool vmx_can_apicv(void);
void vmx_reset_apic(struct keel_vcpu *vcpu);
void vmx_update_apic(struct keel_vcpu *vcpu);
void vmx_set_apic_status(struct keel_vcpu *vcpu, u8 irr, u8 isr);
u8 vmx_new_in_service(struct keel_vcpu *vcpu);
void vmx_set_eoi_exits(struct keel_vcpu *vcpu, const unsigned long *vectors);

/* lifecycle.c */
void vmx_vcpu_load(struct keel_vcpu *vcpu, int cpu);
void vmx_vcpu_put(struct keel_vcpu *vcpu);
void vmx_enter(struct keel_vcpu *vcpu);
void vmx_begin(struct keel_vcpu *vcpu);
void vmx_end(struct keel_vcpu *vcpu);

/* log.c: page-modification logging */
bool vmx_can_log(void);
void vmx_reset_log(struct vmx_vcpu *vmx);
void vmx_update_log(struct keel_vcpu *vcpu);
void vmx_hand_in_log(struct vmx_vcpu *vmx);	/* after each exit, interrupts off */

/* exit.c */
void vmx_decode(struct keel_vcpu *vcpu, struct keel_exit *exit);

/* inject.c */
void vmx_inject(struct keel_vcpu *vcpu, const struct keel_event *ev);
void vmx_cancel_inject(struct keel_vcpu *vcpu);
void vmx_take_back_event(struct keel_vcpu *vcpu, u32 info);
bool vmx_irq_blocked(struct keel_vcpu *vcpu);
bool vmx_nmi_blocked(struct keel_vcpu *vcpu);
void vmx_request_irq_window(struct keel_vcpu *vcpu);
void vmx_request_nmi_window(struct keel_vcpu *vcpu);
bool vmx_get_nmi_mask(struct keel_vcpu *vcpu);
void vmx_set_nmi_mask(struct keel_vcpu *vcpu, bool masked);
u32 vmx_get_shadow(struct keel_vcpu *vcpu);
void vmx_set_shadow(struct keel_vcpu *vcpu, u32 shadow);
u64 vmx_retire(struct keel_vcpu *vcpu);
void vmx_update_cr8(struct keel_vcpu *vcpu, u8 tpr, int irr);

/* state.c */
void vmx_cache_reg(struct keel_vcpu *vcpu, unsigned int reg);
u64 vmx_get_rflags(struct keel_vcpu *vcpu);
void vmx_set_rflags(struct keel_vcpu *vcpu, u64 rflags);
void vmx_get_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, struct kvm_segment *s);
void vmx_set_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, const struct kvm_segment *s);
u8 vmx_get_cpl(struct keel_vcpu *vcpu);
bool vmx_get_cs_l(struct keel_vcpu *vcpu);
void vmx_get_dtable(struct keel_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
void vmx_set_dtable(struct keel_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
void vmx_set_cr0(struct keel_vcpu *vcpu, u64 cr0);
void vmx_set_cr3(struct keel_vcpu *vcpu, u64 cr3);
void vmx_set_cr4(struct keel_vcpu *vcpu, u64 cr4);
void vmx_set_efer(struct keel_vcpu *vcpu, u64 efer);
void vmx_set_dr7(struct keel_vcpu *vcpu, u64 dr7);
u64 vmx_get_dr6(struct keel_vcpu *vcpu);
void vmx_set_dr6(struct keel_vcpu *vcpu, u64 dr6);
void vmx_update_cr_masks(struct keel_vcpu *vcpu);	/* CPUID changed what CR4 may hold */

/* msr.c */
int vmx_get_msr(struct keel_vcpu *vcpu, u32 msr, u64 *val);
int vmx_set_msr(struct keel_vcpu *vcpu, u32 msr, u64 val);
void vmx_msr_bitmap_update(struct keel_vcpu *vcpu);
void vmx_read_host_msrs(struct vmx_cpu *vc);
void vmx_swap_to_guest(struct keel_vcpu *vcpu);		/* preemption off */
void vmx_swap_to_host(struct keel_vcpu *vcpu);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * irqchip.h - what the rest of arch/x86 asks of the interrupt controllers
 *
 * The chips themselves (lapic.h, ioapic.h, pic.h, pit.h) are logic cores. This
 * is their surface towards the run loop, MSRs, MMIO and the ioctls.
 */
#ifndef KEEL_X86_IRQCHIP_H
#define KEEL_X86_IRQCHIP_H

#include <keel/arch.h>
#include "apic_msg.h"

/* ---- per vCPU: the local APIC (irqchip/apic.c over lapic.c, lapic_timer.c) ---- */

/* Of the VM: before its first vCPU, and after the last one: nothing delivers any more. */
void keel_apic_vm_init(struct keel_vm *vm);
void keel_apic_vm_destroy(struct keel_vm *vm);
/* vCPU creation and end; only where the VM's APICs are in the kernel. -ENOMEM. */
int keel_apic_create(struct keel_vcpu *vcpu);
void keel_apic_destroy(struct keel_vcpu *vcpu);
/* @vcpu can be found now. Sleeps. Without it delivery is right, but slow. */
void keel_apic_created(struct keel_vcpu *vcpu);
/* RESET (@init false) or INIT (@init true: APIC base and id stay). */
void keel_apic_reset(struct keel_vcpu *vcpu, bool init);

static inline bool keel_apic_in_kernel(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.apic;
}

/*
 * Deliver @msg to all APICs it names. Any context, interrupts on or off.
 * Returns > 0 CPUs that took it, 0 coalesced (already in IRR), -1 no such CPU or refused.
 */
int keel_apic_deliver(struct keel_vm *vm, const struct keel_apic_msg *msg);

/* vCPU thread: CR8 = TPR[7:4]. */
u8 keel_apic_get_cr8(struct keel_vcpu *vcpu);
void keel_apic_set_cr8(struct keel_vcpu *vcpu, u8 cr8);

/* IA32_APIC_BASE. set: 0, or -EINVAL (reserved bits, bad mode transition: #GP for a guest). */
u64 keel_apic_get_base(struct keel_vcpu *vcpu);
int keel_apic_set_base(struct keel_vcpu *vcpu, u64 base, bool host);

/* @msr: of x2APIC, 0x800 to 0x8ff. 0, or -EINVAL: no such register, or no APIC in the kernel. */
int keel_apic_msr_read(struct keel_vcpu *vcpu, u32 msr, u64 *val);
int keel_apic_msr_write(struct keel_vcpu *vcpu, u32 msr, u64 val);
/* TSC_DEADLINE: 0 and no effect while the APIC is off, or without one in the kernel. */
u64 keel_apic_get_tsc_deadline(struct keel_vcpu *vcpu);
void keel_apic_set_tsc_deadline(struct keel_vcpu *vcpu, u64 tsc);
/* Offset or frequency of the guest's TSC changed: recompute an armed deadline. */
void keel_apic_tsc_changed(struct keel_vcpu *vcpu);

/* Is @gpa in the page of this vCPU's APIC, if that is in the kernel, in whatever mode? */
bool keel_apic_is_at(const struct keel_vcpu *vcpu, gpa_t gpa);
/*
 * @gpa is in that page. 0: handled; -EOPNOTSUPP: the APIC is off or in x2APIC mode, and
 * KVM_X86_QUIRK_LAPIC_MMIO_HOLE is disabled.
 */
int keel_apic_mmio_read(struct keel_vcpu *vcpu, gpa_t gpa, int len, void *val);
int keel_apic_mmio_write(struct keel_vcpu *vcpu, gpa_t gpa, int len, const void *val);

/*
 * May the register at offset @reg be written with interrupts off? All but those that other
 * APICs' maps are made of.
 */
bool keel_apic_reg_quick(unsigned int reg);
/* KEEL_EXIT_APIC_WRITE: the register at offset @reg has its value; KEEL_EXIT_EOI: of @vector. */
void keel_apic_hw_written(struct keel_vcpu *vcpu, unsigned int reg);
void keel_apic_hw_eoi(struct keel_vcpu *vcpu, u8 vector);

/* KEEL_REQ_APIC_TIMER: the hrtimer fired; deliver the LVT timer. vCPU thread. */
void keel_apic_timer_expired(struct keel_vcpu *vcpu);
/* Is the timer due now although the hrtimer has not run (checked when blocking)? */
bool keel_apic_timer_pending(struct keel_vcpu *vcpu);
/* Before and after the vCPU waits in HLT. vCPU thread. */
void keel_apic_timer_wait(struct keel_vcpu *vcpu, bool wait);
/* The vCPU has moved to this CPU: arm its hrtimer here. Loaded. */
void keel_apic_timer_migrate(struct keel_vcpu *vcpu);

/*
 * INIT and SIPI wait as bits until the vCPU thread takes them (event.c acts).
 */
#define KEEL_APIC_INIT	BIT(0)
#define KEEL_APIC_SIPI	BIT(1)
unsigned long keel_apic_pending(struct keel_vcpu *vcpu);
unsigned long keel_apic_take_pending(struct keel_vcpu *vcpu, unsigned long mask);
u8 keel_apic_sipi_vector(struct keel_vcpu *vcpu);
void keel_apic_set_sipi_vector(struct keel_vcpu *vcpu, u8 vector);
/* as if a SIPI had come: KVM_SET_MP_STATE */
void keel_apic_post_sipi(struct keel_vcpu *vcpu);

/* KVM_GET_LAPIC, KVM_SET_LAPIC (layout by the KVM_CAP_X2APIC_API format bit). */
int keel_apic_get_state(struct keel_vcpu *vcpu, struct kvm_lapic_state *s);
int keel_apic_set_state(struct keel_vcpu *vcpu, struct kvm_lapic_state *s);

/*
 * KEEL_REQ_IOAPIC_EOI: the vector whose EOI is to be told to userspace, which has the IOAPIC
 * (KVM_EXIT_IOAPIC_EOI), or -1; taken by this. vCPU thread.
 */
int keel_apic_take_ioapic_eoi(struct keel_vcpu *vcpu);
/* KEEL_REQ_SCAN_IOAPIC: find anew whose EOIs an IOAPIC waits for. vCPU thread, loaded. */
void keel_apic_scan_ioapic(struct keel_vcpu *vcpu);

/* CPUID changed: x2APIC, TSC deadline offered or not. */
void keel_apic_cpuid_changed(struct keel_vcpu *vcpu);

/* ---- interrupts for the CPU: APIC, then 8259 through LINT0, or userspace's ---- */

/* Is there a vector to deliver now, by the chips' priorities (IF, shadow aside)? vCPU thread. */
bool keel_irq_pending(struct keel_vcpu *vcpu);
/* Is there one that the CPU does not deliver by itself? */
bool keel_irq_to_inject(struct keel_vcpu *vcpu);
/* Acknowledge and return it; -1 none (a spurious race). */
int keel_irq_ack(struct keel_vcpu *vcpu);
/* Would an 8259's interrupt, in the kernel or userspace's, pass LINT0? Yes without an APIC. */
bool keel_apic_accepts_extint(struct keel_vcpu *vcpu);
/* Highest IRR vector that TPR alone masks, or -1: for the CR8 intercept. */
int keel_irq_highest_irr(struct keel_vcpu *vcpu);

/* ---- APICs that the hardware virtualizes (irqchip/apicv.c) ---- */

/* Before an entry after KEEL_REQ_EVENT: what was posted, to the hardware. Loaded. */
void keel_apicv_sync(struct keel_vcpu *vcpu);
/* The page to be mapped at @gfn for the hardware's sake, or 0. mmu_lock held. */
bool keel_apicv_is_page(gfn_t gfn);	/* where that page may be */
hpa_t keel_apicv_page(struct keel_vm *vm, gfn_t gfn);

/* ---- per VM: the chips (irqchip/irqchip.c over pic.c, ioapic.c, pit.c) ---- */

int keel_irqchip_create(struct keel_vm *vm);		/* KVM_CREATE_IRQCHIP; vm->lock held */
int keel_irqchip_split(struct keel_vm *vm, u64 pins);	/* KVM_CAP_SPLIT_IRQCHIP; vm->lock held */
void keel_irqchip_destroy(struct keel_vm *vm);
int keel_irqchip_get(struct keel_vm *vm, struct kvm_irqchip *chip);
int keel_irqchip_set(struct keel_vm *vm, const struct kvm_irqchip *chip);
int keel_pit_create(struct keel_vm *vm, const struct kvm_pit_config *cfg);	/* vm->lock held */
void keel_pit_destroy(struct keel_vm *vm);
int keel_pit_get(struct keel_vm *vm, struct kvm_pit_state2 *s);
int keel_pit_set(struct keel_vm *vm, const struct kvm_pit_state2 *s);
int keel_pit_reinject(struct keel_vm *vm, const struct kvm_reinject_control *c);

/* The 8259 pair as seen by the CPU. Any context; only ack takes the lock. */
bool keel_pic_pending(struct keel_vm *vm);
int keel_pic_ack(struct keel_vm *vm);

/* An APIC wrote EOI for level-triggered @vector: the IOAPIC reacts. vCPU thread. */
void keel_ioapic_eoi(struct keel_vcpu *vcpu, u8 vector, bool level);
/*
 * Add to @eoi_vectors (256 bits) the vectors whose EOI on @vcpu the IOAPIC, the kernel's or
 * userspace's by its routes, waits for. vCPU thread.
 */
void keel_ioapic_scan(struct keel_vcpu *vcpu, unsigned long *eoi_vectors);

#endif

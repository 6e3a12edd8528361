/* SPDX-License-Identifier: GPL-2.0 */
/*
 * apic.h - a vCPU's local APIC in the kernel: core, timer, and what waits for it
 *
 * Shared by apic*.c and, through chips.h, the chips. The rest of arch/x86 uses
 * irqchip.h.
 */
#ifndef KEEL_X86_APIC_H
#define KEEL_X86_APIC_H

#include <linux/hrtimer.h>
#include "irqchip.h"
#include "lapic.h"
#include "lapic_timer.h"

/*
 *   (c) constant after keel_apic_create()
 *   (v) the vCPU thread
 *   (a) atomic
 */
struct keel_apic {
	struct lapic core;		/* see there */
	struct lapic_timer timer;	/* (v) */
	struct keel_vcpu *vcpu;		/* (c) */
	struct hrtimer hrtimer;		/* started by (v) */
	bool hrtimer_armed;		/* (v) or has fired since */
	bool waiting;			/* (v) in HLT: only the hrtimer can wake it */
	atomic_long_t pending;		/* (a) KEEL_APIC_INIT, KEEL_APIC_SIPI */
	u8 sipi_vector;			/* (a) written before KEEL_APIC_SIPI */
	int user_eoi;			/* (v) split: vector to tell userspace, or -1 */
	DECLARE_BITMAP(eoi_vectors, 256);	/* (v) whose EOI an IOAPIC waits for */
};

/* apic_timer.c; vCPU thread, may not sleep. */
void apic_timer_init(struct keel_apic *apic);
void apic_timer_stop(struct keel_apic *apic);		/* and forget its state */
void apic_timer_written(struct keel_apic *apic, unsigned int what);	/* LAPIC_FX_* */
void apic_timer_restore(struct keel_apic *apic, u32 initial, u32 current_count);
u32 apic_timer_count(struct keel_apic *apic);

/* apicv.c; vCPU thread but for the first two, which are the VM's chips' life. */
int apicv_vm_init(struct keel_vm *vm);			/* vm->lock held. -ENOMEM */
void apicv_vm_destroy(struct keel_vm *vm);
unsigned long *apicv_create(struct keel_vcpu *vcpu);	/* PIR, to be freed; NULL; ERR_PTR */
void apicv_mode_changed(struct keel_apic *apic);	/* or its address. May take mmu_lock */
void apicv_take_posted(struct keel_apic *apic);
void apicv_eoi_vectors_changed(struct keel_apic *apic);	/* loaded */

/* apic_deliver.c */
/* Does @msg name the APIC of @vcpu, if there is one, by its registers as they are? Any context. */
bool apic_matches(struct keel_vcpu *vcpu, const struct keel_apic_msg *msg);
/* The address of an APIC of @vm changed, or a vCPU came: build the map anew. Sleeps. */
void apic_map_update(struct keel_vm *vm);

#endif

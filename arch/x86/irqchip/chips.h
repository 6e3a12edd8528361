/* SPDX-License-Identifier: GPL-2.0 */
/*
 * chips.h - the VM's interrupt chips as devices: what the files that put
 * pic.c, ioapic.c and pit.c into the kernel share with each other
 *
 * Each chip has one raw spinlock with interrupts off: lines are driven from
 * hrtimers and irqfds, in hard interrupt context. The locks do not nest in each
 * other; under the IOAPIC's, messages go to the APICs, which take none. Listeners
 * of an EOI are told with no chip's lock held, since they drive lines.
 */
#ifndef KEEL_X86_CHIPS_H
#define KEEL_X86_CHIPS_H

#include <linux/hrtimer.h>
#include <linux/spinlock.h>
#include <keel/arch.h>
#include <keel/iobus.h>
#include <keel/irq.h>
#include <keel/vm.h>
#include "apic.h"
#include "ioapic.h"
#include "irqchip.h"
#include "pic.h"
#include "pit.h"

#define KEEL_PIT_GSI	0

struct keel_pic_dev {
	struct keel_iodev iodev;	/* on all three ranges */
	raw_spinlock_t lock;
	struct pic pic;			/* lock */
	bool output;			/* lock for writing: pic_output(), for keel_pic_pending() */
};

struct keel_ioapic_dev {
	struct keel_iodev mmio;
	raw_spinlock_t lock;
	struct ioapic io;		/* lock */
	struct hrtimer redeliver;	/* ends a storm's delay */
};

struct keel_irqchip {
	struct keel_vm *vm;		/* (c) */
	struct keel_pic_dev pic;
	struct keel_ioapic_dev ioapic;
	/* Pins that GSI 0 leads to, by chip: their EOIs are the PIT's. irq_lock for writing. */
	u32 pit_pins[KVM_NR_IRQCHIPS];
};

struct keel_pit_dev {
	struct keel_iodev iodev;	/* on both ranges */
	struct keel_vm *vm;		/* (c) */
	raw_spinlock_t lock;
	struct pit pit;			/* lock */
	u64 armed;			/* lock: when the timer fires, or PIT_NEVER */
	struct hrtimer timer;
};

/* irqchip.c */
/* One registration on a bus, for tables. */
struct keel_chip_range {
	enum keel_bus_id bus;
	gpa_t addr;
	u64 len;
	struct keel_iodev *dev;
};

/* Register all of @r[@nr] or none. Takes slots_lock. -ENOSPC, -ENOMEM. */
int keel_chip_register(struct keel_vm *vm, const struct keel_chip_range *r, unsigned int nr);
/* Service of (@chip, @pin) ended: tell the PIT and resample irqfds. No chip's lock held. */
void keel_chip_eoi(struct keel_irqchip *chip, u32 id, u32 pin);
/* Which EOIs matter has changed: every vCPU looks again before its next entry. Any context. */
void keel_chip_rescan(struct keel_vm *vm);
/* @opened: pins of chip @id that were masked and no longer are. No chip's lock held. */
void keel_chip_opened(struct keel_irqchip *chip, u32 id, u32 opened);

/* The PIT once it is whole, or NULL. */
static inline struct keel_pit_dev *keel_chip_pit(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->arch.pit);	/* pairs with keel_pit_create() */
}

static inline u32 keel_chip_pit_pins(const struct keel_irqchip *chip, u32 id)
{
	return READ_ONCE(chip->pit_pins[id]);
}

/* pic_dev.c. Any context. */
void keel_pic_init(struct keel_irqchip *chip);
int keel_pic_set_line(struct keel_irqchip *chip, enum keel_irq_source src, u32 pin, int level);
void keel_pic_get(struct keel_irqchip *chip, enum pic_chip_id id, struct kvm_pic_state *s);
void keel_pic_set(struct keel_irqchip *chip, enum pic_chip_id id, const struct kvm_pic_state *s);

/* ioapic_dev.c. Any context. */
void keel_ioapic_init(struct keel_irqchip *chip);
int keel_ioapic_set_line(struct keel_irqchip *chip, enum keel_irq_source src, u32 pin, int level);
void keel_ioapic_get(struct keel_irqchip *chip, struct kvm_ioapic_state *s);
void keel_ioapic_set(struct keel_irqchip *chip, const struct kvm_ioapic_state *s);

/* pit_dev.c: the guest ended an IRQ 0; the line's pin was unmasked; are ticks waiting for EOIs? */
void keel_pit_ack(struct keel_pit_dev *pit);
void keel_pit_forget(struct keel_pit_dev *pit);
bool keel_pit_wants_eoi(struct keel_vm *vm);

#endif

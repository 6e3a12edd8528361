/* SPDX-License-Identifier: GPL-2.0 */
/*
 * irq.h - GSIs: who raises them (ioctl, irqfd, PIT), and where they go
 *
 * A GSI leads to one pin of each in-kernel chip at most, or to one MSI.
 *
 * keel_irq_set(), keel_irq_eoi() and keel_irq_has_eoi_listener() may be called in
 * any context but NMI, interrupts off included: chips use irq-saving locks, so
 * nothing needs a worker. irqfds call keel_irq_set() inside the lock of an
 * eventfd, and keel_irq_eoi() signals eventfds. Therefore:
 *
 *   - no lock that arch_irq_pin() or arch_irq_msi() takes may be held when
 *     keel_irq_eoi() is called: the eventfd it signals may be another GSI's irqfd;
 *   - neither may lead to keel_irq_eoi() within itself.
 */
#ifndef KEEL_IRQ_H
#define KEEL_IRQ_H

#include <linux/kvm.h>
#include <keel/core.h>

struct keel_vm;

#define KEEL_MAX_IRQ_ROUTES	4096	/* KVM_CAP_IRQ_ROUTING */
#define KEEL_NR_CHIPS		3	/* KVM_IRQCHIP_PIC_MASTER, _PIC_SLAVE, _IOAPIC */
#define KEEL_CHIP_PINS		24	/* of the largest */

/* Who holds a level-triggered line up; a line is high while any source holds it. */
enum keel_irq_source {
	KEEL_IRQ_USERSPACE,	/* KVM_IRQ_LINE, irqfd without resample */
	KEEL_IRQ_RESAMPLE,	/* irqfd with resample */
	KEEL_IRQ_PIT,
	KEEL_NR_IRQ_SOURCES
};

struct keel_route {
	u32 gsi;
	u32 type;			/* KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI */
	union {
		struct { u32 chip, pin; } irqchip;	/* KVM_IRQCHIP_*, pin in that chip */
		struct { u64 address; u32 data; } msi;
	};
};

/*
 * keel_irq_set() - drive @gsi to @level. Returns the sum of its routes' results that
 * are not negative, as KVM does: > 0 delivered to that many CPUs, 0 coalesced, < 0
 * ignored by all (masked, no such route, an MSI driven low).
 */
int keel_irq_set(struct keel_vm *vm, enum keel_irq_source src, u32 gsi, int level);

/*
 * KVM_SIGNAL_MSI. > 0 delivered, be it to an interrupt that is pending already; 0 no APIC
 * takes it; -EINVAL: flags, no irqchip, or an address that is none of an APIC.
 */
int keel_irq_signal_msi(struct keel_vm *vm, const struct kvm_msi *msi);

/* The chip's guest wrote EOI for @pin: resample irqfds are told. Any context. */
void keel_irq_eoi(struct keel_vm *vm, u32 chip, u32 pin);
/* Does any resample irqfd wait for @pin's EOI? RCU. */
bool keel_irq_has_eoi_listener(struct keel_vm *vm, u32 chip, u32 pin);

/*
 * KVM_SET_GSI_ROUTING; entries already copied from user. Takes irq_lock; on return
 * nobody uses the old table. -EINVAL: GSI, type, flags, pin, or two routes of a GSI
 * that exclude each other; -ENOMEM.
 */
int keel_routing_set(struct keel_vm *vm, const struct kvm_irq_routing_entry *e, u32 nr);
/* Call @fn for each route of the table, under RCU (IOAPIC scan in split mode). */
void keel_routing_for_each(struct keel_vm *vm, void (*fn)(const struct keel_route *r, void *data),
			   void *data);

/*
 * irqfd.c: KVM_IRQFD with deassign and resample. -EINVAL: flags, no irqchip, not an
 * eventfd; -EBADF; -EBUSY: the eventfd is an irqfd of this VM already; -ENOMEM.
 */
int keel_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ioapic.h - an 82093AA I/O APIC: 24 pins, version 0x11, no EOI register
 *
 * A logic core: the owner's lock is held around every call. What it asks of the
 * owner must not call back.
 */
#ifndef KEEL_X86_IOAPIC_H
#define KEEL_X86_IOAPIC_H

#include <linux/kvm.h>
#include <keel/core.h>
#include "apic_msg.h"

#define IOAPIC_PINS		KVM_IOAPIC_NUM_PINS
#define IOAPIC_BASE		0xfec00000ULL
#define IOAPIC_SIZE		0x100

/*
 * A level line that is still up at this many EOIs in a row is not delivered
 * again at once: the guest has nobody who serves it, and would never come to
 * anything else.
 */
#define IOAPIC_STORM_EOIS	10000
#define IOAPIC_STORM_DELAY_NS	(10 * 1000 * 1000ULL)

struct ioapic;

struct ioapic_ops {
	/* Send @msg. Result as keel_apic_deliver(). */
	int (*deliver)(struct ioapic *io, const struct keel_apic_msg *msg);
	/*
	 * ioapic_eoi_vectors() has changed. Called before anything is delivered by
	 * the new entries, whose EOI must not be missed.
	 */
	void (*eoi_changed)(struct ioapic *io);
};

struct ioapic {
	const struct ioapic_ops *ops;	/* (c) */
	u32 regsel;
	u8 id;
	u32 line;		/* pins that are up */
	u32 sent;		/* of these, edges that an APIC has been told of */
	u32 delayed;		/* level pins that wait for ioapic_redeliver() */
	u64 entry[IOAPIC_PINS];
	u16 storm[IOAPIC_PINS];	/* EOIs in a row with the line up */
	u8 source[IOAPIC_PINS];	/* who holds the pin up: bit per source */
};

/* Power-on state, all pins masked. */
void ioapic_init(struct ioapic *io, const struct ioapic_ops *ops);

/*
 * ioapic_set_line() - @source (below 8) drives @pin to @level. Returns > 0
 * CPUs that were told (1 for a falling line); 0: coalesced; -1: masked, in
 * service, nobody there, or no such pin.
 */
int ioapic_set_line(struct ioapic *io, unsigned int pin, unsigned int source, bool level);

/* The registers, by offset in the MMIO page. */
u32 ioapic_read(const struct ioapic *io, u32 offset);
void ioapic_write(struct ioapic *io, u32 offset, u32 val);

/* Pins whose entry has @vector; pins that are masked. */
u32 ioapic_vector_pins(const struct ioapic *io, u8 vector);
u32 ioapic_masked_pins(const struct ioapic *io);

/* The EOI message of a level triggered @vector. May set bits in ->delayed. */
void ioapic_eoi(struct ioapic *io, u8 vector);
/* The delay is over: deliver the pins in ->delayed that are still up. */
void ioapic_redeliver(struct ioapic *io);

/*
 * Vectors whose EOI matters: those of level triggered entries, and of @edges
 * whatever their trigger. Sets bits in @vectors (256 bits).
 */
void ioapic_eoi_vectors(const struct ioapic *io, u32 edges, unsigned long *vectors);

/*
 * KVM_IRQCHIP_IOAPIC. ioapic_set() delivers what the state says is pending;
 * reserved bits are dropped, and the base address does not move.
 */
void ioapic_get(const struct ioapic *io, struct kvm_ioapic_state *s);
void ioapic_set(struct ioapic *io, const struct kvm_ioapic_state *s);

#endif

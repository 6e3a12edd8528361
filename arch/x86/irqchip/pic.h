/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pic.h - the two 8259A interrupt controllers of a PC, with the PIIX's ELCR
 *
 * A logic core: it knows no locks and calls nobody. After anything that may
 * have changed it, the owner looks at pic_output() and pic_take_eoi().
 */
#ifndef KEEL_X86_PIC_H
#define KEEL_X86_PIC_H

#include <linux/kvm.h>
#include <keel/core.h>

#define PIC_PINS	16	/* 0-7 of the master, 8-15 of the slave */
#define PIC_CHIP_PINS	8
#define PIC_CASCADE	2	/* the master's input that the slave drives */

enum pic_chip_id { PIC_MASTER, PIC_SLAVE, PIC_NR_CHIPS };

/* Ports. The ELCR is the PIIX's and takes the place of ICW1's LTIM bit. */
enum {
	PIC_PORT_MASTER	= 0x20,
	PIC_PORT_SLAVE	= 0xa0,
	PIC_PORT_ELCR	= 0x4d0,
	PIC_NR_PORTS	= 2,	/* of each */
};

struct pic_chip {
	u8 line;		/* inputs as last driven */
	u8 irr, imr, isr;
	u8 top;			/* the level that has the highest priority */
	u8 base;		/* vector of level 0 */
	u8 elcr;		/* bit set: level triggered */
	u8 icw;			/* which ICW, less one, is expected next: 1 to 3; 0: none */
	bool icw4;		/* ICW1 announced an ICW4, */
	bool single;		/* and no ICW3 */
	bool read_isr;		/* what a read returns: ISR or IRR */
	bool poll;		/* the next read is an acknowledge */
	bool special_mask;
	bool auto_eoi, rotate_aeoi;
	bool nested;		/* special fully nested mode */
};

struct pic {
	struct pic_chip chip[PIC_NR_CHIPS];
	u8 source[PIC_PINS];	/* who holds the pin up: bit per source */
	u16 eoi;		/* pins whose service ended since pic_take_eoi() */
	u16 opened;		/* pins that were unmasked since pic_take_opened() */
};

/* Power-on state: masks open, not initialised, all pins edge triggered. */
void pic_init(struct pic *pic);

/*
 * pic_set_line() - @source (below 8) drives @pin (below 16) to @level.
 * Returns 1: taken; 0: coalesced with a request that waits; -1: masked, or
 * not a pin that can be driven (the cascade).
 */
int pic_set_line(struct pic *pic, unsigned int pin, unsigned int source, bool level);

/* Register accesses, a byte at a time. A port that is no PIC's: 0xff, ignored. */
u8 pic_read(struct pic *pic, u16 port);
void pic_write(struct pic *pic, u16 port, u8 val);

/* Does the master's INT output ask for the CPU's attention? */
bool pic_output(const struct pic *pic);

/*
 * pic_ack() - the CPU's INTA cycle: returns the vector of the request that has
 * the highest priority, which is in service from now on; -1 if there is none.
 */
int pic_ack(struct pic *pic);

/* Pins whose service ended (EOI, automatic EOI, reset) since the last call. */
u16 pic_take_eoi(struct pic *pic);

/* Pins unmasked since the last call. A reset, which opens all masks, counts for every pin. */
u16 pic_take_opened(struct pic *pic);

/*
 * One chip's state, KVM_IRQCHIP_PIC_MASTER or _SLAVE. pic_set() takes what
 * userspace says and brings what no chip can hold into range.
 */
void pic_get(const struct pic *pic, enum pic_chip_id id, struct kvm_pic_state *s);
void pic_set(struct pic *pic, enum pic_chip_id id, const struct kvm_pic_state *s);

#endif

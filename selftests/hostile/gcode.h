/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gcode.h - the code and the tables of a hostile guest, from random numbers
 *
 * A guest's memory is one slot from address 0. What is generated is a run of units of
 * code, each of some instructions of one family (MSRs, ports, page tables ...), padded
 * to a multiple of GCODE_UNIT: the handlers of exceptions go on with the next unit, so
 * that a guest gets through all of them unless it ruined its handlers. The end is an OUT
 * to GCODE_PORT.
 */
#ifndef GCODE_H
#define GCODE_H

#include "hostile.h"

#define GUEST_MEM	(4UL << 20)	/* slot 0, from 0 */
#define GUEST_HIGH	0x100000000ULL	/* slot 1: the last page of slot 0 again */
#define GUEST_ROM	0xc0000000ULL	/* slot 2: read-only, one page */
#define GUEST_LOG	0x800000UL	/* slot 3: 64 KiB, with a dirty log */
#define GUEST_HOLE	0xd0000000ULL	/* nothing */

#define G_IDT		0x1000
#define G_GDT		0x2000
#define G_TSS		0x3000
#define G_HANDLERS	0x4000
#define G_STACK		0x9000
#define G_DATA		0xa000
#define G_CODE		0x10000
#define G_CODE_SIZE	0x4000
#define G_TABLES	0x20000
#define G_TABLES_SIZE	0x8000

#define GCODE_PORT	0x4f4
#define GCODE_UNIT	64

enum gmode {
	G_REAL,			/* 16 bit, limits of 4 GiB */
	G_PROT,			/* 32 bit, no paging */
	G_PAGED,		/* 32 bit, two levels */
	G_PAE,			/* 32 bit, three levels */
	G_LONG,			/* 64 bit */
	G_MODES
};

extern const char *const gmode_name[G_MODES];

/* What a guest is made of. One family's units, or with G_ALL those of any. */
unsigned int gcode_families(void);
const char *gcode_family_name(unsigned int family);
/* NULL, or why the family is not used on this host. */
const char *gcode_excluded(unsigned int family);
#define G_ALL	(~0U)

/*
 * Fill @mem (GUEST_MEM bytes) with code of @family for @mode, its tables and handlers,
 * and set the registers of @vcpu to run it. @units: how many. 0 or -errno.
 */
int gcode_load(struct rng *r, u8 *mem, int vcpu, enum gmode mode, unsigned int family,
	       unsigned int units);
/* Code alone, at most @size bytes at @buf, which the guest has at @at. Returns its length. */
size_t gcode_make(struct rng *r, u8 *buf, size_t size, u32 at, enum gmode mode,
		  unsigned int family, unsigned int units);

/* On the emulated AMD host, make TR what does not end the emulator. */
void tcg_stands_tr(struct kvm_sregs *s);

/* Addresses, MSRs and ports that mean something to somebody, or are random. */
u64 gcode_address(struct rng *r);
u32 gcode_msr(struct rng *r);
u64 gcode_msr_value(struct rng *r);
u16 gcode_port(struct rng *r);

#endif

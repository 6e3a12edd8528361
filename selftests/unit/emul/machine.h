/* SPDX-License-Identifier: GPL-2.0 */
/*
 * machine.h - a small guest for the table tests
 *
 * 128 KiB of memory at linear address 0, a device at DEVICE, a page that
 * faults at HOLE, one that is read-only at READONLY, and a log of accesses.
 */
#ifndef UNIT_EMUL_MACHINE_H
#define UNIT_EMUL_MACHINE_H

#include <keel/emul.h>
#include "tap.h"

#define MEM_SIZE	0x20000
#define CODE_AT		0x1000
#define DEVICE		0x8000
#define HOLE		0x9000
#define READONLY	0xa000

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

enum access_kind { ACC_FETCH, ACC_READ, ACC_WRITE, ACC_CMPXCHG, ACC_PROBE, ACC_IN, ACC_OUT };

struct access {
	enum access_kind kind;
	u64 addr;
	unsigned int len, flags;
};

struct machine {
	struct emul_ctxt c;
	u8 mem[MEM_SIZE];
	u8 ymm[16][32];
	struct access log[64];
	unsigned int nr;
	unsigned int fetches;
	bool port_denied;
	/* The access (counted from 0, fetches aside) that says WAIT; -1: none. */
	int wait_at;
	u32 port_value;
};

extern struct machine m;

/* A fresh machine with @len bytes of code at CODE_AT. */
void machine_start(enum emul_mode mode, const void *code, unsigned int len);

#define START(mode, code)	machine_start(EMUL_##mode, code, sizeof(code) - 1)

static inline u64 peek(unsigned int addr, unsigned int len)
{
	u64 v = 0;

	memcpy(&v, m.mem + addr, len);
	return v;
}

static inline void poke(unsigned int addr, u64 v, unsigned int len)
{
	memcpy(m.mem + addr, &v, len);
}

#define EXPECT_FAULT(vec)							\
	do {									\
		EXPECT_EQ(emul_step(&m.c), EMUL_FAULT);				\
		EXPECT_EQ(m.c.fault.vector, vec);				\
	} while (0)

#endif

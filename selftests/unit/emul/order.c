// SPDX-License-Identifier: GPL-2.0
/*
 * order.c - the accesses, their order, and the promise about starting again
 */
#include "machine.h"

/* Rows name what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define NONE	{ 0 }

struct order {
	enum emul_mode mode;
	const char *code;
	u8 len;
	struct access want[5];
	unsigned int nr;
};

#define ORDER(m, c, n, ...)	{ EMUL_##m, c, sizeof(c) - 1, { __VA_ARGS__ }, n }

static const struct order orders[] = {
	/* add [rsi], eax and with LOCK */
	ORDER(PROT32, "\x01\x06", 3, { ACC_PROBE, 0x2000, 4, EMUL_WRITE },
	      { ACC_READ, 0x2000, 4, 0 }, { ACC_WRITE, 0x2000, 4, EMUL_WRITE }),
	ORDER(PROT32, "\xf0\x01\x06", 3, { ACC_PROBE, 0x2000, 4, EMUL_WRITE | EMUL_LOCKED },
	      { ACC_READ, 0x2000, 4, EMUL_LOCKED },
	      { ACC_CMPXCHG, 0x2000, 4, EMUL_WRITE | EMUL_LOCKED }),
	/* xchg is locked by itself */
	ORDER(PROT32, "\x86\x06", 3, { ACC_PROBE, 0x2000, 1, EMUL_WRITE | EMUL_LOCKED },
	      { ACC_READ, 0x2000, 1, EMUL_LOCKED },
	      { ACC_CMPXCHG, 0x2000, 1, EMUL_WRITE | EMUL_LOCKED }),
	/* cmpxchg that fails writes back what it read */
	ORDER(PROT32, "\x0f\xb1\x0e", 3, { ACC_PROBE, 0x2000, 4, EMUL_WRITE },
	      { ACC_READ, 0x2000, 4, 0 }, { ACC_WRITE, 0x2000, 4, EMUL_WRITE }),
	/* cmp does not write */
	ORDER(PROT32, "\x39\x06", 1, { ACC_READ, 0x2000, 4, 0 }),
	ORDER(LONG, "\xf0\x48\x0f\xc7\x0e", 3, { ACC_PROBE, 0x2000, 16, EMUL_WRITE | EMUL_LOCKED },
	      { ACC_READ, 0x2000, 16, EMUL_LOCKED },
	      { ACC_CMPXCHG, 0x2000, 16, EMUL_WRITE | EMUL_LOCKED }),
	/* ins probes before the port is read; outs reads first */
	ORDER(PROT32, "\x6d", 3, { ACC_PROBE, 0x3000, 4, EMUL_WRITE }, { ACC_IN, 0x60, 4, 0 },
	      { ACC_WRITE, 0x3000, 4, EMUL_WRITE }),
	ORDER(LONG, "\x48\x6f", 2, { ACC_READ, 0x2000, 4, 0 }, { ACC_OUT, 0x60, 4, 0 }),
	/* push [rsi], pop [rsi], call [rsi], movs, cmps */
	ORDER(LONG, "\xff\x36", 2, { ACC_READ, 0x2000, 8, 0 },
	      { ACC_WRITE, 0x6ff8, 8, EMUL_WRITE }),
	ORDER(LONG, "\x8f\x06", 2, { ACC_READ, 0x7000, 8, 0 },
	      { ACC_WRITE, 0x2000, 8, EMUL_WRITE }),
	ORDER(PROT32, "\xff\x16", 2, { ACC_READ, 0x2000, 4, 0 },
	      { ACC_WRITE, 0x6ffc, 4, EMUL_WRITE }),
	ORDER(REAL, "\xa5", 2, { ACC_READ, 0x2000, 2, 0 }, { ACC_WRITE, 0x3000, 2, EMUL_WRITE }),
	ORDER(REAL, "\xa7", 2, { ACC_READ, 0x2000, 2, 0 }, { ACC_READ, 0x3000, 2, 0 }),
	ORDER(LONG, "\xc5\xfe\x7f\x06", 1, { ACC_WRITE, 0x2000, 32, EMUL_WRITE }),
	ORDER(LONG, "\x0f\x18\x0e", 0, NONE),
	ORDER(LONG, "\x0f\xae\x3e", 0, NONE),
};

static void order_start(const struct order *o)
{
	machine_start(o->mode, o->code, o->len);
	m.c.gpr[RSI] = 0x2000;
	m.c.gpr[RDI] = 0x3000;
	m.c.gpr[RDX] = 0x60;
	poke(0x2000, 0x4000, 8);
}

static void order_compare(const struct order *o, unsigned int from, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		EXPECT_EQ(m.log[from + i].kind, o->want[i].kind);
		EXPECT_EQ(m.log[from + i].addr, o->want[i].addr);
		EXPECT_EQ(m.log[from + i].len, o->want[i].len);
		EXPECT_EQ(m.log[from + i].flags, o->want[i].flags);
	}
}

TEST(order)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		order_start(&orders[i]);
		EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
		EXPECT_EQ(m.nr, orders[i].nr);
		order_compare(&orders[i], 0, orders[i].nr);
	}
}

/* Whichever access waits, nothing has changed, and the next start makes the same ones. */
TEST(wait_and_start_again)
{
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		const struct order *o = &orders[i];

		for (k = 0; k < o->nr; k++) {
			struct emul_ctxt before;

			order_start(o);
			before = m.c;
			m.wait_at = k;
			EXPECT_EQ(emul_step(&m.c), EMUL_WAIT);
			EXPECT_MEMEQ(m.c.gpr, before.gpr, sizeof(before.gpr));
			EXPECT_EQ(m.c.rip, before.rip);
			EXPECT_EQ(m.c.rflags, before.rflags);
			EXPECT_EQ(m.nr, k + 1);
			EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
			EXPECT_EQ(m.nr, k + 1 + o->nr);
			order_compare(o, 0, k + 1);
			order_compare(o, k + 1, o->nr);
		}
	}
}

/* User accesses say so; a changed operand makes LOCK start anew. */
TEST(access_flags)
{
	START(PROT32, "\x8b\x06");
	m.c.cpl = 3;
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.log[0].flags, EMUL_USER);
	START(VM86, "\x89\x04");
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.log[0].flags, EMUL_USER | EMUL_WRITE);
}

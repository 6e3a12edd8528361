// SPDX-License-Identifier: GPL-2.0
/*
 * random.c - random bytes in all modes: what must hold whatever they mean
 */
#include "machine.h"

static u64 random_state;

static u64 rnd(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Opcodes that are emulated, more often than chance would have it. */
static void random_code(u8 *p)
{
	unsigned int i, n = 0;

	for (i = 0; i < 15; i++)
		p[i] = rnd();
	while (rnd() % 3 == 0 && n < 3)
		p[n++] = (const u8[]){ 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x64, 0x48 }[rnd() % 8];
	if (rnd() % 3 == 0)
		p[n] = 0x0f;
}

static void random_registers(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		m.c.gpr[i] = rnd() % 4 ? rnd() % (MEM_SIZE - 0x1000) : rnd();
	m.c.rflags = (rnd() & 0x44cd5) | 2;
	m.c.cpl = m.c.mode == EMUL_REAL ? 0 : m.c.mode == EMUL_VM86 ? 3 : rnd() & 3;
	m.c.rip = CODE_AT;
	m.c.fault = (struct emul_fault){};
}

/* Anything but DONE and AGAIN leaves all as it was. */
static void check_unchanged(const struct emul_ctxt *before)
{
	EXPECT_MEMEQ(m.c.gpr, before->gpr, sizeof(before->gpr));
	EXPECT_MEMEQ(m.c.seg, before->seg, sizeof(before->seg));
	EXPECT_EQ(m.c.rip, before->rip);
	EXPECT_EQ(m.c.rflags, before->rflags);
}

/* What cannot be taken back comes last: nothing may fail after it. */
static void check_log(void)
{
	unsigned int i;

	EXPECT_LE(m.nr, 4);
	for (i = 0; i + 1 < m.nr; i++) {
		EXPECT_NE(m.log[i].kind, ACC_WRITE);
		EXPECT_NE(m.log[i].kind, ACC_CMPXCHG);
		EXPECT_NE(m.log[i].kind, ACC_OUT);
		if (m.log[i].kind == ACC_IN)
			EXPECT_EQ(m.log[i + 1].kind, ACC_WRITE);
	}
}

/* Let one access wait, start again, and expect the same accesses. */
static enum emul_result random_wait(const struct emul_ctxt *before)
{
	unsigned int waited = m.wait_at, i;
	enum emul_result r;

	check_unchanged(before);
	EXPECT_EQ(m.nr, waited + 1);
	r = emul_step(&m.c);
	EXPECT_GE(m.nr, 2 * waited + 2);
	for (i = 0; i <= waited; i++)
		EXPECT_MEMEQ(&m.log[i], &m.log[waited + 1 + i], sizeof(m.log[0]));
	memmove(m.log, m.log + waited + 1, (m.nr - waited - 1) * sizeof(m.log[0]));
	m.nr -= waited + 1;
	return r;
}

static enum emul_result random_step(void)
{
	struct emul_ctxt before;
	enum emul_result r;
	u8 code[15];

	random_code(code);
	memcpy(m.mem + CODE_AT, code, 15);
	random_registers();
	before = m.c;
	m.nr = 0;
	m.wait_at = rnd() % 4 - 1;
	r = emul_step(&m.c);
	if (r == EMUL_WAIT)
		r = random_wait(&before);
	if (r != EMUL_DONE && r != EMUL_AGAIN)
		check_unchanged(&before);
	check_log();
	EXPECT_LE(m.c.insn_len, 15);
	if (r == EMUL_DONE || r == EMUL_AGAIN)
		EXPECT_MEMEQ(m.c.insn, code, m.c.insn_len);
	return r;
}

TEST(random_bytes)
{
	static const char *const modes[] = { "real", "vm86", "prot16", "prot32", "long" };
	unsigned long i, n = 60000, results[8] = {};
	const char *seed = getenv("SEED");
	unsigned int mode;

	random_state = seed ? strtoull(seed, NULL, 0) : 20240229;
	for (mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		machine_start(mode, "", 0);
		for (i = 0; i < MEM_SIZE; i++)
			m.mem[i] = rnd();
		memset(results, 0, sizeof(results));
		for (i = 0; i < n && tap_failures < 100; i++)
			results[random_step() & 7]++;
		tap_note("%s: done %lu, again %lu, fault %lu, unhandled %lu", modes[mode],
			 results[EMUL_DONE], results[EMUL_AGAIN], results[EMUL_FAULT],
			 results[EMUL_UNHANDLED]);
		EXPECT_GT(results[EMUL_DONE], n / 10);
		EXPECT_EQ(results[EMUL_WAIT] + results[EMUL_INTR], 0);
	}
}

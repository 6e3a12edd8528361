// SPDX-License-Identifier: GPL-2.0
/*
 * plain.c - what plain.c says of an instruction, and what the emulator does
 *
 * Random bytes, most of them near the opcodes that matter. Whatever is taken for plain
 * must be done by the emulator with one access: the same address, size and direction,
 * the same value to memory or register, the same length.
 */
#include "machine.h"

static u64 plain_state;

static u64 rnd(void)
{
	u64 z = plain_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void plain_code(u8 *p)
{
	static const u8 one[] = { 0x63, 0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0xa1, 0x86 };
	static const u8 two[] = { 0xb6, 0xb7, 0xbe, 0xbf, 0xc7, 0xb0 };
	unsigned int i, n = 0;

	for (i = 0; i < EMUL_PLAIN_BYTES; i++)
		p[i] = rnd();
	if (rnd() % 3 == 0)
		p[n++] = (const u8[]){ 0x66, 0x67, 0xf2, 0x64 }[rnd() % 8 ? 0 : rnd() % 4];
	if (rnd() % 2)
		p[n++] = 0x40 | (rnd() & 0xf);
	if (rnd() % 3 == 0) {
		p[n++] = 0x0f;
		p[n++] = two[rnd() % sizeof(two)];
	} else {
		p[n++] = one[rnd() % sizeof(one)];
	}
	/* A displacement that leaves the address in memory, now and then. */
	p[n] = (p[n] & 0x7f) | (rnd() % 4 ? 0x40 : p[n] & 0x80);
}

static u64 plain_reg(const struct emul_ctxt *c, const struct emul_plain *p, u8 reg)
{
	if (reg == EMUL_PLAIN_RIP)
		return c->rip + p->len;
	return reg == EMUL_PLAIN_NONE ? 0 : c->gpr[reg];
}

/* The register or memory after the emulator is what plain.c's facts make of those before. */
static void plain_compare(const struct emul_ctxt *before, const struct emul_plain *p,
			  const u8 *mem_before)
{
	u64 at = emul_plain_address(p, plain_reg(before, p, p->base),
				    plain_reg(before, p, p->index));
	u64 mask = p->size == 8 ? ~0ULL : (1ULL << p->size * 8) - 1, val = 0;
	unsigned int i;

	EXPECT_EQ(m.nr, 1);
	EXPECT_EQ(m.log[0].kind, p->write ? ACC_WRITE : ACC_READ);
	EXPECT_EQ(m.log[0].addr, at);
	EXPECT_EQ(m.log[0].len, p->size);
	EXPECT_EQ(m.c.rip, before->rip + p->len);
	EXPECT_EQ(m.c.rflags, before->rflags);
	if (p->write) {
		val = p->has_imm ? p->imm : before->gpr[p->reg];
		EXPECT_EQ(peek(at, p->size), val & mask);
	} else {
		memcpy(&val, mem_before + at, p->size);
	}
	for (i = 0; i < 16; i++) {
		u64 want = before->gpr[i];

		if (!p->write && i == p->reg)
			want = emul_plain_loaded(p, want, val);
		EXPECT_EQ(m.c.gpr[i], want);
	}
}

static bool plain_one(unsigned long *plain)
{
	static u8 mem_before[MEM_SIZE];
	u8 code[EMUL_PLAIN_BYTES];
	struct emul_ctxt before;
	struct emul_plain p;
	unsigned int i;

	plain_code(code);
	memcpy(m.mem + CODE_AT, code, sizeof(code));
	for (i = 0; i < 16; i++)
		m.c.gpr[i] = rnd() % 8 ? rnd() % 0x6000 + 0x1000 : rnd();
	m.c.rip = CODE_AT;
	m.nr = 0;
	before = m.c;
	memcpy(mem_before, m.mem, sizeof(mem_before));
	if (!emul_plain_decode(code, &p))
		return false;
	++*plain;
	if (emul_step(&m.c) != EMUL_DONE)
		return false;	/* an address that faults: as plain.c's caller finds by its walk */
	EXPECT_EQ(m.c.insn_len, p.len);
	plain_compare(&before, &p, mem_before);
	return true;
}

TEST(plain_as_the_emulator_does)
{
	unsigned long i, n = 40000, plain = 0, done = 0;
	const char *seed = getenv("SEED");

	plain_state = seed ? strtoull(seed, NULL, 0) : 20240301;
	machine_start(EMUL_LONG, "", 0);
	m.c.cpl = 0;
	m.wait_at = -1;
	for (i = 0; i < MEM_SIZE; i++)
		m.mem[i] = rnd();
	for (i = 0; i < n; i++)
		done += plain_one(&plain);
	printf("# seed %s: %lu plain, %lu of them done\n", seed ?: "20240301", plain, done);
	EXPECT_GE(plain, n / 4);
	EXPECT_GE(done, n / 10);
}

/* Not plain, though near: each would be done otherwise. */
TEST(plain_refuses)
{
	static const u8 codes[][EMUL_PLAIN_BYTES] = {
		{ 0x89, 0xc0 },				/* no memory */
		{ 0x88, 0x20 },				/* AH */
		{ 0xc7, 0x48, 0x00 },			/* another instruction of the group */
		{ 0x63, 0x00 },				/* MOVSXD without REX.W */
		{ 0xf0, 0x89, 0x00 },			/* LOCK: #UD */
		{ 0x64, 0x89, 0x00 },			/* FS */
		{ 0x67, 0x89, 0x00 },			/* 32 bit addresses */
		{ 0x48, 0x66, 0x89, 0x00 },		/* REX that does not count */
		{ 0x0f, 0xc7, 0x08 },			/* CMPXCHG8B */
		{ 0xa1 },
	};
	struct emul_plain p;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(codes); i++)
		EXPECT_EQ(emul_plain_decode(codes[i], &p), false);
}

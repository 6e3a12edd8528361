// SPDX-License-Identifier: GPL-2.0
/*
 * random.c - hostile tables: every bit at random, every mode, against the model
 */
#include "tap.h"
#include "gwalk_test.h"

#define ROUNDS	300000

static u64 state;

static u64 rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL >> 4;
}

static bool one_in(unsigned int n)
{
	return rnd() % n == 0;
}

/* Mostly plausible: present, permissive, pointing to a page that is there. */
static u64 random_entry(unsigned int size)
{
	u64 e = mem[rnd() % (size == 4 || one_in(2) ? MEM_PAGES / 2 : MEM_PAGES)].gpa;

	if (one_in(20))
		return rnd() << 32 | rnd();
	e |= !one_in(30);
	e |= one_in(5) ? 0 : 2;
	e |= one_in(5) ? 0 : 4;
	e |= rnd() & 0x178;
	if (one_in(3))
		e |= 0x80;
	if (one_in(15))
		e |= 1ULL << (rnd() % (size * 8));
	if (size == 8) {
		if (one_in(4))
			e |= 1ULL << 63;
		e |= (rnd() & 0xf) << 59;
		if (one_in(2))
			e &= ~0x1fe000ULL;	/* what a large page may not have */
		if (one_in(3))
			e &= ~0x3fffe000ULL;
	} else if (one_in(2)) {
		e &= ~0x200000ULL;
	}
	return e;
}

static void random_mode(struct gwalk *w)
{
	*w = (struct gwalk){ .ops = &mem_ops, .maxphyaddr = 36 + rnd() % 17 };
	w->cr0 = 1 | (one_in(50) ? 0 : 1ULL << 31) | (one_in(2) ? 1ULL << 16 : 0);
	w->cr4 = rnd() & (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_LA57 | X86_CR4_SMEP |
			  X86_CR4_SMAP | X86_CR4_PKE);
	w->efer = rnd() & (1ULL << 11);
	if (one_in(2)) {
		w->efer |= 1ULL << 10;
		w->cr4 |= 1ULL << 5;
	}
	if (one_in(2))
		w->maxphyaddr = 52;
	w->ac = rnd() & 1;
	w->gbpages = rnd() & 1;
	w->pkru = one_in(2) ? rnd() & rnd() : 0;
	w->access = rnd() & EMUL_USER;
	w->access |= one_in(3) ? EMUL_FETCH : rnd() & EMUL_WRITE;
	w->gva = rnd() << 32 | rnd();
	if (!one_in(10))
		w->gva = (u64)((s64)(w->gva << 17) >> 17);
	w->cr3 = mem[rnd() % (MEM_PAGES / 2)].gpa | (rnd() & 0xfff);
	if ((w->efer & 1ULL << 10) && one_in(3))
		w->cr3 = mem[rnd() % MEM_PAGES].gpa;
}

/* Entries where the walk will look. */
static void random_tables(const struct gwalk *w)
{
	bool big = w->cr4 & 1ULL << 5;
	unsigned int i, level, size = big ? 8 : 4;

	mem_reset();
	for (i = 0; i < MEM_PAGES; i++) {
		mem[i].rom = one_in(16);
		for (level = 1; level <= 5; level++) {
			unsigned int bits = big ? 9 : 10;
			u64 index = w->gva >> (12 + (level - 1) * bits) & ((1U << bits) - 1);

			mem_put(mem[i].gpa + index * size, random_entry(size), size);
		}
		if (big && !(w->efer & 1ULL << 10))	/* PAE's top entries, and few rights */
			mem_put((w->cr3 & 0xffffffe0) + (u32)w->gva / (1U << 30) * 8,
				mem[rnd() % MEM_PAGES].gpa | !one_in(20) |
				(one_in(20) ? 1ULL << (rnd() % 64) : 0), 8);
	}
}

static void compare(struct gwalk *w)
{
	struct gwalk with_wp = *w;
	struct updates want;
	enum gwalk_result r, model, strict;
	u64 gpa = 0;
	u32 error;
	unsigned int i;

	with_wp.cr0 |= 1ULL << 16;
	strict = model_walk(&with_wp, &gpa, &error, &want);
	model = model_walk(w, &gpa, &error, &want);
	r = gwalk(w);
	EXPECT_EQ(r, model);
	if (r != model)
		return;
	if (r == GWALK_OK) {
		EXPECT_EQ(w->gpa, gpa);
		EXPECT_EQ(w->no_wp, strict == GWALK_FAULT);
	}
	if (r == GWALK_FAULT)
		EXPECT_EQ(w->error, error);
	EXPECT_EQ(updates.nr, want.nr);
	for (i = 0; i < want.nr && i < updates.nr; i++) {
		EXPECT_EQ(updates.u[i].gpa, want.u[i].gpa);
		EXPECT_EQ(updates.u[i].val, want.u[i].val);
	}
}

TEST(hostile_tables_against_model)
{
	const char *s = getenv("SEED");
	unsigned int i, ok = 0, faults[64] = {};
	struct gwalk w;

	state = s ? strtoull(s, NULL, 0) : 0x9e3779b97f4a7c15ULL;
	tap_note("seed 0x%llx (SEED= to repeat)", (unsigned long long)state);
	for (i = 0; i < ROUNDS && !tap_failures; i++) {
		mem_reset();
		random_mode(&w);
		random_tables(&w);
		compare(&w);
		if (w.error)
			faults[w.error & 63]++;
		else
			ok++;
	}
	if (tap_failures)
		tap_note("round %u: cr0 %llx cr3 %llx cr4 %llx efer %llx gva %llx access %x", i,
			 (unsigned long long)w.cr0, (unsigned long long)w.cr3,
			 (unsigned long long)w.cr4, (unsigned long long)w.efer,
			 (unsigned long long)w.gva, w.access);
	/* The rounds meant something: many walks end well, and each kind of fault was seen. */
	EXPECT_GT(ok, ROUNDS / 20);
	EXPECT_GT(faults[GWALK_PF_P | GWALK_PF_U | GWALK_PF_W], 0);
	EXPECT_GT(faults[GWALK_PF_P | GWALK_PF_RSVD], 0);
	EXPECT_GT(faults[GWALK_PF_P | GWALK_PF_ID], 0);
	EXPECT_GT(faults[GWALK_PF_P | GWALK_PF_PK | GWALK_PF_W], 0);
	EXPECT_GT(faults[GWALK_PF_W | GWALK_PF_U], 0);
}

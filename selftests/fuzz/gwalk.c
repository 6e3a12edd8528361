// SPDX-License-Identifier: GPL-2.0
/*
 * gwalk.c - hostile tables in every mode, compared with the unit tests' second walker
 */
#include "fuzz.h"
#include "gwalk/gwalk_test.h"

static void make_mode(struct fuzz *f, struct gwalk *w)
{
	u8 how = fuzz_u8(f), more = fuzz_u8(f);

	*w = (struct gwalk){
		.ops = &mem_ops, .maxphyaddr = 32 + fuzz_u8(f) % 21, .ac = how & 1,
		.gbpages = how & 2, .cr0 = 1 | (how & 4 ? 0 : BIT_ULL(31)) | (how & 8) << 13,
		.efer = (how & 16) << 7 | (how & 32) << 5,
	};
	w->cr4 = (more & 1 ? X86_CR4_PSE : 0) | (more & 2 ? X86_CR4_PAE : 0) |
		 (more & 4 ? X86_CR4_LA57 : 0) | (more & 8 ? X86_CR4_SMEP : 0) |
		 (more & 16 ? X86_CR4_SMAP : 0) | (more & 32 ? X86_CR4_PKE : 0);
	if (w->efer & BIT(10))
		w->cr4 |= X86_CR4_PAE;
	w->access = more & 64 ? EMUL_FETCH : how & 64 ? EMUL_WRITE : 0;
	w->access |= how & 128 ? EMUL_USER : 0;
	w->pkru = fuzz_u32(f);
	w->gva = fuzz_num(f);
	w->cr3 = mem[fuzz_u8(f) % MEM_PAGES].gpa | (fuzz_u8(f) & 0xff) << 4;
}

/* Entries where the walk will look: a page that is there, and the bits of the input. */
static void make_tables(struct fuzz *f, const struct gwalk *w)
{
	bool big = w->cr4 & X86_CR4_PAE;
	unsigned int i, level, bits = big ? 9 : 10, size = big ? 8 : 4;
	u8 top;

	for (i = 0; i < MEM_PAGES && fuzz_more(f); i++) {
		mem[i].rom = fuzz_u8(f) & 1;
		for (level = 1; level <= 5; level++) {
			u64 at = w->gva >> (12 + (level - 1) * bits) & ((1U << bits) - 1);
			u64 e = mem[fuzz_u8(f) % MEM_PAGES].gpa | (fuzz_u16(f) & 0x1ff);

			if (e & 0x100)
				e ^= fuzz_num(f) << 12;
			mem_put(mem[i].gpa + at * size, e, size);
		}
	}
	if (!big || w->efer & BIT(10))
		return;
	/* PAE's top entries have few bits that may be set: one at most, of any. */
	top = fuzz_u8(f);
	mem_put((w->cr3 & 0xffffffe0) + (u32)w->gva / BIT(30) * 8,
		(mem[fuzz_u8(f) % MEM_PAGES].gpa | 1) ^ (top & 0x80 ? BIT_ULL(top & 63) : 0), 8);
}

void fuzz_one(struct fuzz *f)
{
	enum gwalk_result r, model, strict;
	struct updates want = {};
	struct gwalk w, with_wp;
	unsigned int i;
	u32 error = 0;
	u64 gpa = 0;

	mem_reset();
	make_mode(f, &w);
	if (mem_at(w.cr3 & 0xffffffe0) || (w.efer & BIT(10)) || !(w.cr4 & X86_CR4_PAE))
		make_tables(f, &w);
	mem_races = fuzz_u8(f) & 0x80 ? 1 + fuzz_u8(f) % 4 : 0;
	if (mem_races) {	/* the model knows none: only that the walk ends */
		r = gwalk(&w);
		CHECK(r <= GWALK_RETRY && updates.nr < GWALK_MAX_LEVELS);
		return;
	}
	with_wp = w;
	with_wp.cr0 |= X86_CR0_WP;
	strict = model_walk(&with_wp, &gpa, &error, &want);
	model = model_walk(&w, &gpa, &error, &want);
	r = gwalk(&w);
	CHECK_EQ(r, model);
	if (r == GWALK_OK) {
		CHECK_EQ(w.gpa, gpa);
		CHECK_EQ(w.no_wp, strict == GWALK_FAULT);
	}
	if (r == GWALK_FAULT)
		CHECK_EQ(w.error, error);
	CHECK_EQ(updates.nr, want.nr);
	for (i = 0; i < want.nr; i++)
		CHECK(updates.u[i].gpa == want.u[i].gpa && updates.u[i].val == want.u[i].val);
}

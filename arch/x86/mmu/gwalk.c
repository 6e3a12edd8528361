// SPDX-License-Identifier: GPL-2.0
/*
 * gwalk.c - walk the guest's page tables as the CPU does
 *
 * "Paging" in Intel's manual, volume 3; "Page Translation and Protection" in
 * AMD's, volume 2. Where they differ (what an accessed bit does on a fault) the
 * walk does less. PAE's four top entries are read at each walk.
 */
#include "gwalk.h"

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_PK_SHIFT	59

#define GWALK_EFER_LMA	BIT_ULL(10)
#define GWALK_EFER_NXE	BIT_ULL(11)

enum gwalk_mode { GWALK_32, GWALK_PAE, GWALK_LONG };

/* A walk under way. */
struct gwalk_state {
	struct gwalk *w;
	enum gwalk_mode mode;
	unsigned int levels, level;	/* level: where the walk is; at the end, of the leaf */
	unsigned int index_bits, size;	/* bits of the address per level; bytes per entry */
	u64 allow;			/* PTE_W and PTE_U, where all levels have them */
	bool nx;			/* one level has it */
};

/* Bits @high to @low; none if high is below low. */
static u64 bits(int high, int low)
{
	return high < low ? 0 : GENMASK_ULL(high, low);
}

static bool gwalk_nxe(const struct gwalk *w)
{
	return (w->efer & GWALK_EFER_NXE) && (w->cr4 & X86_CR4_PAE);
}

static void gwalk_start(struct gwalk_state *s, struct gwalk *w)
{
	*s = (struct gwalk_state){ .w = w, .index_bits = 9, .size = 8, .allow = PTE_W | PTE_U };
	if (w->efer & GWALK_EFER_LMA) {
		s->mode = GWALK_LONG;
		s->levels = w->cr4 & X86_CR4_LA57 ? 5 : 4;
	} else if (w->cr4 & X86_CR4_PAE) {
		s->mode = GWALK_PAE;
		s->levels = 3;
	} else {
		s->mode = GWALK_32;
		s->levels = 2;
		s->index_bits = 10;
		s->size = 4;
	}
}

static bool gwalk_canonical(const struct gwalk_state *s)
{
	unsigned int top = 11 + s->levels * 9;	/* the bit that the ones above repeat */

	return s->mode != GWALK_LONG || sign_extend64(s->w->gva, top) == (s64)s->w->gva;
}

static gpa_t gwalk_root(const struct gwalk_state *s)
{
	switch (s->mode) {
	case GWALK_32:
		return s->w->cr3 & GENMASK_ULL(31, 12);
	case GWALK_PAE:
		return s->w->cr3 & GENMASK_ULL(31, 5);
	default:
		return s->w->cr3 & bits(s->w->maxphyaddr - 1, 12);
	}
}

static unsigned int gwalk_shift(const struct gwalk_state *s, unsigned int level)
{
	return 12 + (level - 1) * s->index_bits;
}

static bool gwalk_is_leaf(const struct gwalk_state *s, u64 e)
{
	if (s->level == 1)
		return true;
	if (!(e & PTE_PS))
		return false;
	if (s->mode == GWALK_32)
		return s->w->cr4 & X86_CR4_PSE;
	return s->level == 2 || (s->mode == GWALK_LONG && s->level == 3);
}

/* A page of 4 MiB: bits 20 to 13 are bits 39 to 32 of the address. */
static u64 gwalk_reserved_32(const struct gwalk_state *s, u64 e)
{
	int first = max(s->w->maxphyaddr - 32 + 13, 13);

	return s->level == 2 && gwalk_is_leaf(s, e) ? BIT_ULL(21) | bits(20, first) : 0;
}

static u64 gwalk_reserved_pae(const struct gwalk_state *s, u64 e)
{
	u64 r = bits(62, s->w->maxphyaddr);

	/* Bit 5 is reserved, too, but TCG of QEMU marks these entries accessed. */
	if (s->level == 3)
		return r | PTE_NX | bits(8, 6) | bits(2, 1);
	if (!gwalk_nxe(s->w))
		r |= PTE_NX;
	if (s->level == 2 && (e & PTE_PS))
		r |= bits(20, 13);
	return r;
}

static u64 gwalk_reserved_long(const struct gwalk_state *s, u64 e)
{
	u64 r = bits(51, s->w->maxphyaddr);

	if (!gwalk_nxe(s->w))
		r |= PTE_NX;
	if (s->level >= 4 || (s->level == 3 && !s->w->gbpages))
		r |= PTE_PS;
	else if (s->level > 1 && (e & PTE_PS))
		r |= bits(gwalk_shift(s, s->level) - 1, 13);
	return r;
}

static u64 gwalk_reserved(const struct gwalk_state *s, u64 e)
{
	switch (s->mode) {
	case GWALK_32:
		return gwalk_reserved_32(s, e);
	case GWALK_PAE:
		return gwalk_reserved_pae(s, e);
	default:
		return gwalk_reserved_long(s, e);
	}
}

static u64 gwalk_addr(const struct gwalk_state *s, u64 e)
{
	return s->mode == GWALK_32 ? e & GENMASK_ULL(31, 12) :
				     e & bits(s->w->maxphyaddr - 1, 12);
}

static gpa_t gwalk_leaf_gpa(const struct gwalk_state *s)
{
	u64 in_page = bits(gwalk_shift(s, s->level) - 1, 0), e = s->w->step[s->level].e;
	gpa_t base = gwalk_addr(s, e) & ~in_page;

	if (s->mode == GWALK_32 && s->level == 2)
		base |= (e & bits(20, 13)) << 19;
	return base | (s->w->gva & in_page);
}

/* A fault of this access, with @why: P, RSVD or PK. */
static enum gwalk_result gwalk_fault(const struct gwalk_state *s, u32 why)
{
	struct gwalk *w = s->w;

	w->error = why;
	if (w->access & EMUL_WRITE)
		w->error |= GWALK_PF_W;
	if (w->access & EMUL_USER)
		w->error |= GWALK_PF_U;
	if ((w->access & EMUL_FETCH) && (gwalk_nxe(w) || (w->cr4 & X86_CR4_SMEP)))
		w->error |= GWALK_PF_ID;
	return GWALK_FAULT;
}

/* Read the entry of s->level in @table, and add what it says. */
static enum gwalk_result gwalk_read(struct gwalk_state *s, gpa_t table)
{
	struct gwalk_step *step = &s->w->step[s->level];
	u64 index = (s->w->gva >> gwalk_shift(s, s->level)) & (BIT_ULL(s->index_bits) - 1);

	step->at = table + index * s->size;
	if (!s->w->ops->read(s->w->priv, step->at, &step->e, s->size))
		return gwalk_fault(s, 0);
	if (!(step->e & PTE_P))
		return gwalk_fault(s, 0);
	if (step->e & gwalk_reserved(s, step->e))
		return gwalk_fault(s, GWALK_PF_P | GWALK_PF_RSVD);
	if (s->mode == GWALK_PAE && s->level == 3)
		return GWALK_OK;	/* has no permissions */
	s->allow &= step->e;
	s->nx |= s->mode != GWALK_32 && (step->e & PTE_NX);
	return GWALK_OK;
}

static bool gwalk_fetch_allowed(const struct gwalk_state *s)
{
	if (s->nx)
		return false;
	return (s->w->access & EMUL_USER) || !(s->allow & PTE_U) || !(s->w->cr4 & X86_CR4_SMEP);
}

/* Pages and keys that forbid writing do not bind the kernel without CR0.WP. */
static bool gwalk_write_anyway(const struct gwalk_state *s)
{
	s->w->no_wp = !(s->w->access & EMUL_USER) && !(s->w->cr0 & X86_CR0_WP);
	return s->w->no_wp;
}

static bool gwalk_data_allowed(const struct gwalk_state *s)
{
	const struct gwalk *w = s->w;
	bool user = w->access & EMUL_USER;

	if (!user && (s->allow & PTE_U) && (w->cr4 & X86_CR4_SMAP) && !w->ac)
		return false;
	if (!(w->access & EMUL_WRITE) || (s->allow & PTE_W))
		return true;
	return gwalk_write_anyway(s);
}

/* Protection keys: for data, on pages that user mode may use. */
static bool gwalk_key_allowed(const struct gwalk_state *s)
{
	const struct gwalk *w = s->w;
	u32 key = (s->w->step[s->level].e >> PTE_PK_SHIFT) & 0xf;
	u32 rights = w->pkru >> (key * 2);

	if (s->mode != GWALK_LONG || !(w->cr4 & X86_CR4_PKE) || (w->access & EMUL_FETCH) ||
	    !(s->allow & PTE_U))
		return true;
	if (rights & 1)
		return false;
	return !(rights & 2) || !(w->access & EMUL_WRITE) || gwalk_write_anyway(s);
}

static enum gwalk_result gwalk_check(const struct gwalk_state *s)
{
	bool user_ok = !(s->w->access & EMUL_USER) || (s->allow & PTE_U);
	bool fetch = s->w->access & EMUL_FETCH;

	if (!gwalk_key_allowed(s))
		return gwalk_fault(s, GWALK_PF_P | GWALK_PF_PK);
	if (!user_ok || !(fetch ? gwalk_fetch_allowed(s) : gwalk_data_allowed(s)))
		return gwalk_fault(s, GWALK_PF_P);
	return GWALK_OK;
}

/* From the root down, as the CPU does. */
static enum gwalk_result gwalk_set_bits(const struct gwalk_state *s)
{
	struct gwalk *w = s->w;
	unsigned int level;

	for (level = s->levels; level >= s->level; level--) {
		struct gwalk_step *step = &w->step[level];
		u64 new = step->e | PTE_A;

		if (s->mode == GWALK_PAE && level == 3)
			continue;
		if (level == s->level && (w->access & EMUL_WRITE))
			new |= PTE_D;
		if (new != step->e && w->ops->update(w->priv, step->at, step->e, new, s->size))
			return GWALK_RETRY;
		step->e = new;
	}
	return GWALK_OK;
}

static enum gwalk_result gwalk_tables(struct gwalk_state *s)
{
	gpa_t table = gwalk_root(s);
	enum gwalk_result r;

	for (s->level = s->levels;; s->level--) {
		r = gwalk_read(s, table);
		if (r != GWALK_OK)
			return r;
		if (gwalk_is_leaf(s, s->w->step[s->level].e))
			break;
		table = gwalk_addr(s, s->w->step[s->level].e);
	}
	r = gwalk_check(s);
	return r == GWALK_OK ? gwalk_set_bits(s) : r;
}

enum gwalk_result gwalk(struct gwalk *w)
{
	struct gwalk_state s;
	enum gwalk_result r;

	w->error = 0;
	w->level = 1;
	w->no_wp = false;
	gwalk_start(&s, w);
	if (s.mode != GWALK_LONG)
		w->gva &= U32_MAX;
	if (!(w->cr0 & X86_CR0_PG)) {
		w->gpa = w->gva;
		return GWALK_OK;
	}
	if (!gwalk_canonical(&s))
		return GWALK_NONCANONICAL;
	r = gwalk_tables(&s);
	if (r != GWALK_OK)
		return r;
	w->gpa = gwalk_leaf_gpa(&s);
	w->level = s.level;
	w->levels = s.levels;
	return GWALK_OK;
}

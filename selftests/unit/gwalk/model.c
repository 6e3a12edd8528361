// SPDX-License-Identifier: GPL-2.0
/*
 * model.c - the walk once more, one function for each mode, straight from the
 * manual's tables of entries ("Formats of CR3 and Paging-Structure Entries")
 */
#include "tap.h"
#include "gwalk_test.h"

#define HAS(v, bit)	(((v) >> (bit)) & 1)

struct path {
	int n;
	u64 at[5], e[5];
	bool sets_a[5];
	u64 base, page_size;
	bool user, write, nx;
	int key;
};

static bool fetches(const struct gwalk *w) { return w->access & EMUL_FETCH; }
static bool writes(const struct gwalk *w) { return w->access & EMUL_WRITE; }
static bool by_user(const struct gwalk *w) { return w->access & EMUL_USER; }
static bool pae(const struct gwalk *w) { return HAS(w->cr4, 5); }
static bool nxe(const struct gwalk *w) { return HAS(w->efer, 11) && pae(w); }

static enum gwalk_result pf(const struct gwalk *w, u32 *error, bool p, bool rsvd, bool pk)
{
	*error = p | writes(w) << 1 | by_user(w) << 2 | rsvd << 3 | pk << 5;
	if (fetches(w) && (nxe(w) || HAS(w->cr4, 20)))
		*error |= 1 << 4;
	return GWALK_FAULT;
}

/* -1: a hole or not present; else the entry is in the path. */
static int take(struct path *p, u64 at, unsigned int size, bool sets_a)
{
	u64 *m = mem_at(at), e = 0;

	if (!m)
		return -1;
	memcpy(&e, m, size);
	if (!(e & 1))
		return -1;
	p->at[p->n] = at;
	p->e[p->n] = e;
	p->sets_a[p->n++] = sets_a;
	return 0;
}

static void rights(struct path *p, u64 e, bool with_nx)
{
	p->write &= HAS(e, 1);
	p->user &= HAS(e, 2);
	p->nx |= with_nx && HAS(e, 63);
}

static bool any(u64 e, int high, int low)
{
	int i;

	for (i = low; i <= high; i++)
		if (HAS(e, i))
			return true;
	return false;
}

static u64 field(u64 e, int high, int low)
{
	return (e >> low) % (2ULL << (high - low)) << low;
}

static enum gwalk_result walk_32(const struct gwalk *w, struct path *p, u32 *error)
{
	u32 va = w->gva;
	u64 e;

	if (take(p, (w->cr3 & 0xfffff000) + (va >> 22) * 4, 4, true))
		return pf(w, error, false, false, false);
	e = p->e[0];
	rights(p, e, false);
	if (HAS(w->cr4, 4) && HAS(e, 7)) {
		int i;

		if (HAS(e, 21))
			return pf(w, error, true, true, false);
		p->base = e & 0xffc00000;
		for (i = 13; i <= 20; i++) {
			if (!HAS(e, i))
				continue;
			if (i + 19 >= w->maxphyaddr)
				return pf(w, error, true, true, false);
			p->base |= 1ULL << (i + 19);
		}
		p->page_size = 4 << 20;
		return GWALK_OK;
	}
	if (take(p, (e & 0xfffff000) + (va >> 12) % 1024 * 4, 4, true))
		return pf(w, error, false, false, false);
	rights(p, p->e[1], false);
	p->base = p->e[1] & 0xfffff000;
	p->page_size = 4096;
	return GWALK_OK;
}

static bool pae_bad(const struct gwalk *w, u64 e)
{
	return any(e, 62, w->maxphyaddr) || (!nxe(w) && HAS(e, 63));
}

static enum gwalk_result walk_pae(const struct gwalk *w, struct path *p, u32 *error)
{
	u32 va = w->gva;
	int top = w->maxphyaddr - 1;
	u64 e;

	if (take(p, (w->cr3 & 0xffffffe0) + (va >> 30) * 8, 8, false))
		return pf(w, error, false, false, false);
	e = p->e[0];
	/* bit 5: let pass, see gwalk.c */
	if (any(e, 63, w->maxphyaddr) || any(e, 8, 6) || any(e, 2, 1))
		return pf(w, error, true, true, false);

	if (take(p, field(e, top, 12) + (va >> 21) % 512 * 8, 8, true))
		return pf(w, error, false, false, false);
	e = p->e[1];
	if (pae_bad(w, e) || (HAS(e, 7) && any(e, 20, 13)))
		return pf(w, error, true, true, false);
	rights(p, e, true);
	if (HAS(e, 7)) {
		p->base = field(e, top, 21);
		p->page_size = 2 << 20;
		return GWALK_OK;
	}

	if (take(p, field(e, top, 12) + (va >> 12) % 512 * 8, 8, true))
		return pf(w, error, false, false, false);
	e = p->e[2];
	if (pae_bad(w, e))
		return pf(w, error, true, true, false);
	rights(p, e, true);
	p->base = field(e, top, 12);
	p->page_size = 4096;
	return GWALK_OK;
}

static enum gwalk_result walk_long(const struct gwalk *w, struct path *p, u32 *error)
{
	int level = HAS(w->cr4, 12) ? 5 : 4, top = w->maxphyaddr - 1;
	u64 table = field(w->cr3, top, 12), e;

	for (;; level--) {
		int shift = 12 + 9 * (level - 1);
		bool bad;

		if (take(p, table + (w->gva >> shift) % 512 * 8, 8, true))
			return pf(w, error, false, false, false);
		e = p->e[p->n - 1];
		bad = any(e, 51, w->maxphyaddr) || (HAS(e, 63) && !nxe(w));
		bad |= level > 3 && HAS(e, 7);
		bad |= level == 3 && HAS(e, 7) && (!w->gbpages || any(e, 29, 13));
		bad |= level == 2 && HAS(e, 7) && any(e, 20, 13);
		if (bad)
			return pf(w, error, true, true, false);
		rights(p, e, true);
		if (level == 1 || HAS(e, 7)) {
			p->base = field(e, top, shift);
			p->page_size = 1ULL << shift;
			if (HAS(w->cr4, 22))
				p->key = field(e, 62, 59) >> 59;
			return GWALK_OK;
		}
		table = field(e, top, 12);
	}
}

/* "Determination of Access Rights" and "Protection Keys". */
static enum gwalk_result check(const struct gwalk *w, const struct path *p, u32 *error)
{
	bool wp = HAS(w->cr0, 16), smep = HAS(w->cr4, 20), smap = HAS(w->cr4, 21), ok;

	if (p->key >= 0 && p->user && !fetches(w)) {
		bool ad = HAS(w->pkru, p->key * 2), wd = HAS(w->pkru, p->key * 2 + 1);

		if (ad || (wd && writes(w) && (by_user(w) || wp)))
			return pf(w, error, true, false, true);
	}
	if (by_user(w)) {
		ok = p->user;
		if (fetches(w))
			ok &= !p->nx;
		if (writes(w))
			ok &= p->write;
	} else if (fetches(w)) {
		ok = !p->nx && !(smep && p->user);
	} else {
		ok = !(p->user && smap && !w->ac);
		if (writes(w) && wp)
			ok &= p->write;
	}
	return ok ? GWALK_OK : pf(w, error, true, false, false);
}

static bool is_rom(u64 gpa)
{
	int i;

	for (i = 0; i < MEM_PAGES; i++)
		if (mem[i].gpa == (gpa & ~0xfffULL))
			return mem[i].rom;
	return true;
}

/* Tables may be used twice in a walk: then the second entry is not what it was. */
static bool written(const struct updates *out, u64 at)
{
	unsigned int i;

	for (i = 0; i < out->nr; i++)
		if (out->u[i].gpa == at)
			return true;
	return false;
}

static enum gwalk_result accessed_dirty(const struct gwalk *w, const struct path *p,
					struct updates *out)
{
	int i;

	for (i = 0; i < p->n; i++) {
		u64 e = p->e[i];

		if (!p->sets_a[i])
			continue;
		e |= 0x20;
		if (i == p->n - 1 && writes(w))
			e |= 0x40;
		if (e == p->e[i])
			continue;
		if (written(out, p->at[i]))
			return GWALK_RETRY;
		if (!is_rom(p->at[i]))
			out->u[out->nr++] = (struct update){ p->at[i], e };
	}
	return GWALK_OK;
}

enum gwalk_result model_walk(const struct gwalk *w, u64 *gpa, u32 *error, struct updates *out)
{
	struct path p = { .user = true, .write = true, .key = -1 };
	enum gwalk_result r;
	u64 va = w->gva;

	*error = 0;
	out->nr = 0;
	if (!HAS(w->efer, 10))
		va = (u32)va;
	if (!HAS(w->cr0, 31)) {
		*gpa = va;
		return GWALK_OK;
	}
	if (HAS(w->efer, 10)) {
		int ones = HAS(w->cr4, 12) ? 56 : 47;
		u64 upper = va >> ones;

		if (upper && upper != ~0ULL >> ones)
			return GWALK_NONCANONICAL;
		r = walk_long(w, &p, error);
	} else {
		r = pae(w) ? walk_pae(w, &p, error) : walk_32(w, &p, error);
	}
	if (r == GWALK_OK)
		r = check(w, &p, error);
	if (r != GWALK_OK)
		return r;
	*gpa = p.base + va % p.page_size;
	return accessed_dirty(w, &p, out);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * stage2.c - the one walker of second-level page tables; see stage2.h
 */
#include "stage2.h"

static unsigned int s2_index(gfn_t gfn, unsigned int level)
{
	return (gfn >> ((level - 1) * S2_INDEX_BITS)) & (S2_ENTRIES - 1);
}

static bool s2_is_table(const struct stage2 *s2, u64 e, unsigned int level)
{
	return level > 1 && (e & s2->fmt->present) && !(e & s2->fmt->leaf);
}

static bool s2_is_leaf(const struct stage2 *s2, u64 e, unsigned int level)
{
	return (e & s2->fmt->present) && (level == 1 || (e & s2->fmt->leaf));
}

static u64 s2_pa(const struct stage2 *s2, u64 e)
{
	return e & s2->fmt->addr & ~s2->enc;
}

static u64 *s2_table(const struct stage2 *s2, u64 e)
{
	return s2->ops->va(s2_pa(s2, e));
}

static u64 s2_table_entry(const struct stage2 *s2, void *table)
{
	return s2->ops->pa(table) | s2->fmt->table | s2->enc;
}

static bool s2_can_exec(const struct stage2 *s2, u64 e)
{
	return s2->fmt->exec ? e & s2->fmt->exec : !(e & s2->fmt->noexec);
}

/* Physical address of @gfn by a leaf of @level that covers it. */
static u64 s2_leaf_pa(const struct stage2 *s2, u64 e, gfn_t gfn, unsigned int level)
{
	return s2_pa(s2, e) + ((gfn & (s2_span(level) - 1)) << S2_PAGE_SHIFT);
}

/* Atomic against the CPU's accessed and dirty bits. Returns what was there. */
static u64 s2_change(u64 *pte, u64 clear, u64 set)
{
	u64 old = READ_ONCE(*pte);

	while (!try_cmpxchg64(pte, &old, (old & ~clear) | set))
		;
	return old;
}

void s2_init(struct stage2 *s2, const struct s2_format *fmt, const struct s2_ops *ops,
	     unsigned int levels)
{
	s2->fmt = fmt;
	s2->ops = ops;
	s2->levels = levels;
}

/* ---- tables that wait for a flush ---- */

/*
 * The link is where the first entry was, which is not present then and now: a
 * page's address has zeroes where an entry has its permissions.
 */
static void s2_bury(struct stage2 *s2, u64 *table)
{
	void *first = READ_ONCE(s2->dead);

	do {
		WRITE_ONCE(*table, (unsigned long)first);
	} while (!try_cmpxchg(&s2->dead, &first, (void *)table));
	s2->tables--;
}

void *s2_take_dead(struct stage2 *s2)
{
	return xchg(&s2->dead, NULL);
}

void s2_free_dead(struct stage2 *s2, void *dead)
{
	while (dead) {
		void *next = (void *)(unsigned long)*(u64 *)dead;

		s2->ops->free(dead);
		dead = next;
	}
}

/* ---- leaves that go away ---- */

/* Empty the entry. True if a CPU may know what it was. */
static bool s2_drop(struct stage2 *s2, u64 *pte, unsigned int level)
{
	u64 old = xchg(pte, 0);

	if (!s2_is_leaf(s2, old, level))
		return false;
	s2->pages[level - 1]--;
	return true;
}

/* ---- the walk over a range ---- */

struct s2_walk {
	struct stage2 *s2;
	struct s2_range *r;
	const struct s2_visitor *visitor;
	unsigned int level;
	u64 *table[S2_MAX_LEVELS + 1];	/* by level, the ones on the way to r->gfn */
};

struct s2_visitor {
	/* A leaf or a mark; false ends the walk. */
	bool (*entry)(struct s2_walk *w, u64 *pte, u64 e);
	/* All of the table that @pte points to has been walked over; may be NULL. */
	void (*leave)(struct s2_walk *w, u64 *pte);
};

/* Go to the next entry of this table, or, behind its last one, of those above. */
static void s2_walk_next(struct s2_walk *w)
{
	struct s2_range *r = w->r;
	gfn_t here = r->gfn;

	r->gfn = (here | (s2_span(w->level) - 1)) + 1;
	while (w->level < w->s2->levels && !(r->gfn & (s2_span(w->level + 1) - 1))) {
		w->level++;
		if (w->visitor->leave)
			w->visitor->leave(w, &w->table[w->level][s2_index(here, w->level)]);
	}
}

static bool s2_walk(struct stage2 *s2, struct s2_range *r, const struct s2_visitor *visitor)
{
	struct s2_walk w = { .s2 = s2, .r = r, .visitor = visitor, .level = s2->levels };
	gfn_t end = min(r->end, s2_limit(s2));
	unsigned int seen = 0;

	w.table[w.level] = s2->root;
	while (r->gfn < end) {
		u64 *pte = &w.table[w.level][s2_index(r->gfn, w.level)];
		u64 e = READ_ONCE(*pte);

		if (s2_is_table(s2, e, w.level)) {
			w.table[--w.level] = s2_table(s2, e);
			continue;
		}
		if (e && !visitor->entry(&w, pte, e))
			return true;
		s2_walk_next(&w);
		if (r->budget && ++seen >= r->budget)
			return r->gfn >= end;
	}
	return true;
}

/* ---- unmap ---- */

static bool s2_unmap_entry(struct s2_walk *w, u64 *pte, u64 e)
{
	if (s2_drop(w->s2, pte, w->level))
		w->r->flush = true;
	return true;
}

static bool s2_table_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < S2_ENTRIES; i++)
		if (READ_ONCE(table[i]))
			return false;
	return true;
}

/* Paging-structure caches may hold the pointer to a table, be it empty. */
static void s2_unmap_leave(struct s2_walk *w, u64 *pte)
{
	u64 *table = w->table[w->level - 1];

	if (!s2_table_empty(table))
		return;
	xchg(pte, 0);
	s2_bury(w->s2, table);
	w->r->flush = true;
}

static const struct s2_visitor s2_unmap_visitor = {
	.entry = s2_unmap_entry,
	.leave = s2_unmap_leave,
};

bool s2_unmap(struct stage2 *s2, struct s2_range *r)
{
	return s2_walk(s2, r, &s2_unmap_visitor);
}

/* ---- write protection ---- */

static bool s2_protect_entry(struct s2_walk *w, u64 *pte, u64 e)
{
	if (!s2_is_leaf(w->s2, e, w->level) || !(e & w->s2->fmt->write))
		return true;
	s2_change(pte, w->s2->fmt->write, 0);
	w->r->flush = true;
	return true;
}

static const struct s2_visitor s2_protect_visitor = { .entry = s2_protect_entry };

bool s2_protect(struct stage2 *s2, struct s2_range *r)
{
	return s2_walk(s2, r, &s2_protect_visitor);
}

/* The log has 4 KiB granules: a larger leaf is to be split at its next write. */
static bool s2_clean_entry(struct s2_walk *w, u64 *pte, u64 e)
{
	u64 take = w->s2->fmt->dirty;

	if (w->level > 1)
		take |= w->s2->fmt->write;	/* its parts must not be dirty, either */
	if (s2_is_leaf(w->s2, e, w->level) && (e & take)) {
		s2_change(pte, take, 0);
		w->r->flush = true;
	}
	return true;
}

static const struct s2_visitor s2_clean_visitor = { .entry = s2_clean_entry };

bool s2_clean(struct stage2 *s2, struct s2_range *r)
{
	return s2_walk(s2, r, &s2_clean_visitor);
}

/* ---- age ---- */

static bool s2_age_entry(struct s2_walk *w, u64 *pte, u64 e)
{
	u64 accessed = w->s2->fmt->accessed;

	if (!accessed) {
		if (s2_drop(w->s2, pte, w->level)) {
			w->r->young = true;
			w->r->flush = true;
		}
	} else if (s2_is_leaf(w->s2, e, w->level) && (e & accessed)) {
		s2_change(pte, accessed, 0);
		w->r->young = true;
	}
	return true;
}

static const struct s2_visitor s2_age_visitor = { .entry = s2_age_entry };

bool s2_age(struct stage2 *s2, struct s2_range *r)
{
	return s2_walk(s2, r, &s2_age_visitor);
}

static bool s2_test_age_entry(struct s2_walk *w, u64 *pte, u64 e)
{
	u64 accessed = w->s2->fmt->accessed;

	w->r->young = s2_is_leaf(w->s2, e, w->level) && (!accessed || (e & accessed));
	return !w->r->young;
}

static const struct s2_visitor s2_test_age_visitor = { .entry = s2_test_age_entry };

bool s2_test_age(struct stage2 *s2, struct s2_range *r)
{
	return s2_walk(s2, r, &s2_test_age_visitor);
}

/* ---- one frame ---- */

bool s2_lookup(const struct stage2 *s2, gfn_t gfn, struct s2_leaf *leaf)
{
	unsigned int level = s2->levels;
	u64 *pte, e;

	if (gfn >= s2_limit(s2))
		return false;
	pte = &s2->root[s2_index(gfn, level)];
	e = READ_ONCE(*pte);
	while (s2_is_table(s2, e, level)) {
		pte = &s2_table(s2, e)[s2_index(gfn, --level)];
		e = READ_ONCE(*pte);
	}
	if (!s2_is_leaf(s2, e, level))
		return false;
	*leaf = (struct s2_leaf){
		.level = level,
		.pa = s2_leaf_pa(s2, e, gfn, level),
		.write = e & s2->fmt->write,
		.exec = s2_can_exec(s2, e),
		.host_write = e & s2->fmt->host_write,
		.accessed = e & s2->fmt->accessed,
		.dirty = e & s2->fmt->dirty,
		.pte = pte,
	};
	return true;
}

void s2_make_writable(const struct stage2 *s2, const struct s2_leaf *leaf)
{
	s2_change(leaf->pte, 0, s2->fmt->write | s2->fmt->accessed | s2->fmt->dirty);
}

/* ---- map ---- */

/* What the CPU writes into a table before it is linked must be seen first: xchg orders. */
static u64 *s2_link(struct stage2 *s2, u64 *pte, void *cache)
{
	u64 *table = s2->ops->get(cache);

	if (!table)
		return NULL;
	xchg(pte, s2_table_entry(s2, table));
	s2->tables++;
	return table;
}

/* The leaves of @level that together are the larger leaf @e. */
static void s2_fill(const struct stage2 *s2, u64 *table, u64 e, unsigned int level)
{
	u64 step = s2_span(level) << S2_PAGE_SHIFT;
	unsigned int i;

	if (level == 1)
		e &= ~s2->fmt->leaf;
	for (i = 0; i < S2_ENTRIES; i++)
		WRITE_ONCE(table[i], e + i * step);
}

/*
 * A table that says the same takes the leaf's place, so no flush. If the CPU sets
 * an accessed or dirty bit meanwhile, the table is filled again with it.
 */
static u64 *s2_split(struct stage2 *s2, u64 *pte, unsigned int level, void *cache)
{
	u64 *table = s2->ops->get(cache);
	u64 old = READ_ONCE(*pte);

	if (!table)
		return NULL;
	do {
		s2_fill(s2, table, old, level - 1);
	} while (!try_cmpxchg64(pte, &old, s2_table_entry(s2, table)));
	s2->tables++;
	s2->pages[level - 1]--;
	s2->pages[level - 2] += S2_ENTRIES;
	return table;
}

/* The table below @pte, made if need be; NULL: the cache is empty. */
static u64 *s2_descend(struct stage2 *s2, u64 *pte, struct s2_map *m, unsigned int level)
{
	u64 e = READ_ONCE(*pte);

	if (s2_is_table(s2, e, level))
		return s2_table(s2, e);
	if (s2_is_leaf(s2, e, level)) {
		if (s2_leaf_pa(s2, e, m->gfn, level) == m->pa)
			return s2_split(s2, pte, level, m->cache);
		m->flush |= s2_drop(s2, pte, level);
	}
	return s2_link(s2, pte, m->cache);
}

/* Does leaf @e give all that @m wants? */
static bool s2_satisfies(const struct stage2 *s2, u64 e, const struct s2_map *m,
			 unsigned int level)
{
	return s2_leaf_pa(s2, e, m->gfn, level) == m->pa &&
	       (!m->write || (e & s2->fmt->write)) &&
	       (!m->exec || s2_can_exec(s2, e));
}

static u64 s2_new_leaf(const struct stage2 *s2, const struct s2_map *m, unsigned int level)
{
	const struct s2_format *f = s2->fmt;
	u64 e = m->pa & ~((s2_span(level) << S2_PAGE_SHIFT) - 1);

	e |= m->device ? f->device : (f->normal | s2->enc);
	e |= f->accessed;
	e |= m->exec ? f->exec : f->noexec;
	if (level > 1)
		e |= f->leaf;
	if (m->write)
		e |= f->write;
	if (m->host_write)
		e |= f->host_write;
	if (m->write && m->dirty)
		e |= f->dirty;
	return e;
}

/* Permissions only grow here; less of them comes by s2_unmap() and s2_protect(). */
static void s2_upgrade(const struct stage2 *s2, u64 *pte, const struct s2_map *m, u64 new)
{
	const struct s2_format *f = s2->fmt;

	s2_change(pte, m->exec ? f->noexec : 0,
		  new & (f->write | f->exec | f->host_write | f->accessed | f->dirty));
}

/* Put a leaf where there is a leaf, a mark or nothing. */
static void s2_install(struct stage2 *s2, u64 *pte, struct s2_map *m, unsigned int level)
{
	u64 new = s2_new_leaf(s2, m, level), e = READ_ONCE(*pte);

	if (s2_is_leaf(s2, e, level) && s2_leaf_pa(s2, e, m->gfn, level) == m->pa) {
		m->spurious = s2_satisfies(s2, e, m, level);
		if (!m->spurious)
			s2_upgrade(s2, pte, m, new);
		return;
	}
	e = xchg(pte, new);
	if (s2_is_leaf(s2, e, level)) {
		s2->pages[level - 1]--;
		m->flush = true;
	}
	s2->pages[level - 1]++;
}

/* Unmap what the leaf to come covers; its table goes, too, and leaves an empty entry. */
static void s2_make_room(struct stage2 *s2, struct s2_map *m, unsigned int level)
{
	gfn_t first = m->gfn & ~(s2_span(level) - 1);
	struct s2_range r = { .gfn = first, .end = first + s2_span(level) };

	s2_unmap(s2, &r);
	m->flush |= r.flush;
}

static bool s2_map_valid(const struct stage2 *s2, const struct s2_map *m)
{
	u64 in_leaf;

	if (!m->level || m->level > S2_MAX_LEAF || m->gfn >= s2_limit(s2))
		return false;
	in_leaf = s2_span(m->level) - 1;
	return !(((m->pa >> S2_PAGE_SHIFT) ^ m->gfn) & in_leaf) &&
	       !(m->pa & ~s2->fmt->addr);
}

/*
 * The entry @m's leaf goes into, and its level. NULL: m->spurious, a greater leaf does
 * already; or there is no memory for a table on the way.
 */
static u64 *s2_walk_to(struct stage2 *s2, struct s2_map *m, unsigned int *at)
{
	unsigned int level = s2->levels;
	u64 *table = s2->root, *pte, e;

	for (; table; level--) {
		pte = &table[s2_index(m->gfn, level)];
		e = READ_ONCE(*pte);
		*at = level;
		if (level <= m->level && !(m->keep_tables && s2_is_table(s2, e, level)))
			return pte;
		m->spurious = s2_is_leaf(s2, e, level) && s2_satisfies(s2, e, m, level);
		if (m->spurious)
			return NULL;
		table = s2_descend(s2, pte, m, level);
	}
	return NULL;
}

int s2_map(struct stage2 *s2, struct s2_map *m)
{
	unsigned int level;
	u64 *pte;

	m->flush = false;
	m->spurious = false;
	if (!s2_map_valid(s2, m))
		return -EINVAL;
	pte = s2_walk_to(s2, m, &level);
	if (pte && s2_is_table(s2, READ_ONCE(*pte), level)) {
		/* Tables above it may go with it: the entry is looked up anew. */
		s2_make_room(s2, m, level);
		pte = s2_walk_to(s2, m, &level);
	}
	if (!pte)
		return m->spurious ? 0 : -ENOMEM;
	s2_install(s2, pte, m, level);
	return 0;
}

int s2_mark(struct stage2 *s2, gfn_t gfn, void *cache)
{
	unsigned int level = s2->levels;
	u64 *table = s2->root, *pte, e;

	if (!s2->fmt->mark || gfn >= s2_limit(s2))
		return 0;
	for (;; level--) {
		pte = &table[s2_index(gfn, level)];
		e = READ_ONCE(*pte);
		if (level == 1 || s2_is_leaf(s2, e, level))
			break;
		table = s2_is_table(s2, e, level) ? s2_table(s2, e) : s2_link(s2, pte, cache);
		if (!table)
			return -ENOMEM;
	}
	if (!e)
		xchg(pte, s2->fmt->mark);
	return 0;
}

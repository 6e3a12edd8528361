// SPDX-License-Identifier: GPL-2.0
/*
 * stage2.c - operations in any order, compared with a list of runs of equal leaves
 *
 * A run is what a number of leaves next to each other have in common. The model
 * knows no tables; the unit tests' env.c has those, and a CPU that walks them.
 */
#include "fuzz.h"
#include "stage2/stage2_test.h"

#define BASE		(512ULL * 512 * 3)	/* first frame of the model's 2 GiB */
#define FRAMES		(512ULL * 512 * 2)
#define MAX_RUNS	2048
#define MAX_OPS		100

struct run {
	gfn_t first, end;
	u64 delta;		/* of page and frame number */
	u8 level;
	bool write, exec, host, young, dirty;
};

static struct run runs[MAX_RUNS];
static unsigned int nr;

static bool has_ad(void)
{
	return env.s2.fmt->accessed;
}

static struct run *find(gfn_t gfn)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (gfn >= runs[i].first && gfn < runs[i].end)
			return &runs[i];
	return NULL;
}

static struct run *add(struct run r)
{
	CHECK(nr < MAX_RUNS);
	runs[nr] = r;
	return &runs[nr++];
}

/* The part of @r in [first, end) as a run of its own; both are bounds of leaves. */
static struct run *cut(struct run *r, gfn_t first, gfn_t end)
{
	struct run old = *r;

	r->first = max(first, old.first);
	r->end = min(end, old.end);
	if (old.first < r->first)
		add((struct run){ old.first, r->first, old.delta, old.level, old.write,
				  old.exec, old.host, old.young, old.dirty });
	if (r->end < old.end)
		add((struct run){ r->end, old.end, old.delta, old.level, old.write,
				  old.exec, old.host, old.young, old.dirty });
	return r;
}

static void drop(struct run *r)
{
	*r = runs[--nr];
}

/* Call @fn for the leaves that [first, end) touches, as a run; it may drop it. */
static bool for_range(gfn_t first, gfn_t end, bool (*fn)(struct run *r))
{
	unsigned int i, was = nr;
	bool any = false;

	for (i = was; i-- > 0;) {
		struct run *r = &runs[i];
		u64 span = s2_span(r->level);

		if (r->end <= first || r->first >= end)
			continue;
		any |= fn(cut(r, ALIGN_DOWN(first, span), ALIGN(end, span)));
	}
	return any;
}

static bool model_drop(struct run *r)
{
	drop(r);
	return true;
}

static bool model_protect(struct run *r)
{
	bool was = r->write;

	r->write = false;
	return was;
}

static bool model_clean(struct run *r)
{
	bool was = r->dirty || (r->level > 1 && r->write);

	r->dirty = false;
	r->write = r->write && r->level == 1;
	return was;
}

static bool model_age(struct run *r)
{
	bool was = r->young || !has_ad();

	r->young = false;
	if (!has_ad())
		drop(r);
	return was;
}

static bool model_is_young(struct run *r)
{
	return r->young || !has_ad();
}

static struct run *leaf_of(struct run *r, gfn_t gfn)
{
	gfn_t first = ALIGN_DOWN(gfn, s2_span(r->level));

	return cut(r, first, first + s2_span(r->level));
}

static bool satisfied(const struct run *r, const struct s2_map *m)
{
	return r->delta == (m->pa >> 12) - m->gfn && (!m->write || r->write) &&
	       (!m->exec || r->exec);
}

/* A larger leaf in the way: cut down if it is of the same memory, else away. */
static void model_shrink(const struct s2_map *m, unsigned int level)
{
	struct run *r = leaf_of(find(m->gfn), m->gfn);

	if (r->delta != (m->pa >> 12) - m->gfn) {
		drop(r);
		return;
	}
	for (; r->level > level; r = leaf_of(r, m->gfn))
		r->level--;
}

/* After s2_map(), which put the leaf at @level. */
static void model_map(const struct s2_map *m, unsigned int level)
{
	gfn_t first = ALIGN_DOWN(m->gfn, s2_span(level));
	struct run *r = find(m->gfn);

	if (r && r->level > level)
		model_shrink(m, level);
	r = find(m->gfn);
	if (r && r->level == level && r->delta == (m->pa >> 12) - m->gfn) {
		r = leaf_of(r, m->gfn);
		r->write |= m->write;
		r->exec |= m->exec;
		r->host |= m->host_write;
		r->young = has_ad();
		r->dirty |= m->write && m->dirty && has_ad();
		return;
	}
	for_range(first, first + s2_span(level), model_drop);
	add((struct run){
		.first = first, .end = first + s2_span(level), .level = level,
		.delta = (m->pa >> 12) - m->gfn, .write = m->write, .exec = m->exec,
		.host = m->host_write, .young = has_ad(),
		.dirty = m->write && m->dirty && has_ad(),
	});
}

static gfn_t pick(struct fuzz *f)
{
	u16 n = fuzz_u16(f);

	/* Mostly near each other, so that they meet; over all of it if the bit says so. */
	return BASE + (n & 0x8000 ? (n & 0x7fffULL) * 16 : n & 0x7ff);
}

static void op_map(struct fuzz *f)
{
	u8 how = fuzz_u8(f), more = fuzz_u8(f);
	struct s2_map m = {
		.gfn = pick(f), .level = 1 + (how & 3) % 3, .write = how & 4, .exec = how & 8,
		.host_write = how & 16, .dirty = how & 32, .keep_tables = how & 64,
		.device = more & 8, .cache = &env,
	};
	struct s2_leaf l;
	struct run *r;
	bool bad = how & 128 && more & 16;
	int ret;

	/* Three kinds of memory, congruent by 1 GiB. */
	m.pa = (m.gfn + (more & 3) * s2_span(3) + (bad ? 1 : 0)) << 12;
	bad = bad && m.level > 1;
	env.cache = env.s2.levels - 1;
	r = find(m.gfn);
	if (!bad && r && r->level >= m.level && satisfied(r, &m)) {
		CHECK_EQ(s2_map(&env.s2, &m), 0);
		CHECK(m.spurious && !m.flush);
		return;
	}
	ret = s2_map(&env.s2, &m);
	CHECK_EQ(ret, bad ? -EINVAL : 0);
	if (ret)
		return;
	CHECK(s2_lookup(&env.s2, m.gfn, &l));
	CHECK(m.keep_tables ? l.level <= m.level : l.level == m.level);
	if (!m.spurious)
		model_map(&m, l.level);
	else
		CHECK(satisfied(find(m.gfn), &m));
	if (m.flush)
		env_flush();
}

/* Without memory for tables nothing of what is wanted is done, and what was there stays. */
static void op_starve(struct fuzz *f)
{
	struct s2_map m = { .gfn = pick(f), .level = 1, .cache = &env };
	struct s2_leaf l;

	env.cache = fuzz_u8(f) % 3;
	if (find(m.gfn))
		return;
	m.pa = m.gfn << 12;
	if (!s2_map(&env.s2, &m))
		model_map(&m, 1);
	else
		CHECK(!m.flush && !s2_lookup(&env.s2, m.gfn, &l));
}

static void op_mark(struct fuzz *f)
{
	unsigned int level;
	gfn_t gfn = pick(f);
	u64 e;

	env.cache = fuzz_u8(f) & 1 ? 0 : env.s2.levels - 1;
	if (s2_mark(&env.s2, gfn, &env) || !env.s2.fmt->mark)
		return;
	e = cpu_entry(gfn, &level);
	if (find(gfn))
		CHECK(e & env.s2.fmt->present);
	else
		CHECK(e == env.s2.fmt->mark && level == 1);
	/* The CPU's walk sets accessed bits of tables only. */
}

static bool run_op(struct fuzz *f, bool (*fn)(struct stage2 *s2, struct s2_range *r),
		   struct s2_range *r)
{
	u8 budget = fuzz_u8(f);

	r->budget = budget & 1 ? budget : 0;
	while (!fn(&env.s2, r))
		CHECK(r->budget && r->gfn < r->end);
	return r->flush;
}

static void op_range(struct fuzz *f, u8 what)
{
	gfn_t first = pick(f), end = first + 1 + (fuzz_u16(f) & 0xfff);
	struct s2_range r, t;
	bool any;

	if (what & 8)
		end += FRAMES / 2;
	r = (struct s2_range){ .gfn = first, .end = min(end, BASE + FRAMES) };
	t = r;
	switch (what % 4) {
	case 0:
		any = for_range(r.gfn, r.end, model_drop);
		if (run_op(f, s2_unmap, &r))
			env_flush();
		CHECK(!any || r.flush);
		break;
	case 1:
		any = for_range(r.gfn, r.end, model_protect);
		CHECK_EQ(run_op(f, s2_protect, &r), any);
		break;
	case 2:
		any = for_range(r.gfn, r.end, model_clean);
		CHECK_EQ(run_op(f, s2_clean, &r), any);
		break;
	default:
		any = for_range(r.gfn, r.end, model_is_young);
		s2_test_age(&env.s2, &t);
		CHECK_EQ(t.young, any);
		for_range(r.gfn, r.end, model_age);
		run_op(f, s2_age, &r);
		CHECK_EQ(r.young, any);
	}
}

static void op_access(struct fuzz *f)
{
	gfn_t gfn = pick(f);
	bool write = fuzz_u8(f) & 1, ok;
	struct run *r = find(gfn);
	u64 pa = 0;

	ok = r && (!write || r->write);
	CHECK_EQ(cpu_access(gfn, write, &pa), ok);
	if (!ok)
		return;
	CHECK_EQ(pa, (gfn + r->delta) << 12);
	r = leaf_of(r, gfn);
	r->young = has_ad();
	r->dirty |= write && has_ad();
}

static void check_frame(gfn_t gfn)
{
	struct run *r = find(gfn);
	struct s2_leaf l;

	CHECK_EQ(s2_lookup(&env.s2, gfn, &l), !!r);
	if (!r)
		return;
	CHECK_EQ(l.pa, (gfn + r->delta) << 12);
	CHECK_EQ(l.level, r->level);
	CHECK(l.write == r->write && l.exec == r->exec && l.host_write == r->host);
	CHECK(l.accessed == r->young && l.dirty == r->dirty);
}

static void check(void)
{
	u64 leaves[S2_MAX_LEAF] = {};
	unsigned int i;

	for (i = 0; i < nr; i++) {
		check_frame(runs[i].first);
		check_frame(runs[i].end - 1);
		check_frame(runs[i].end);
		leaves[runs[i].level - 1] += (runs[i].end - runs[i].first) / s2_span(runs[i].level);
	}
	CHECK(!memcmp(leaves, env.s2.pages, sizeof(leaves)));
	CHECK(env.s2.tables + 1 <= env.live);
}

static void operate(struct fuzz *f)
{
	u8 op = fuzz_u8(f);

	switch (op % 8) {
	case 0:
	case 1:
	case 2:
		op_map(f);
		break;
	case 3:
		op_access(f);
		break;
	case 4:
	case 5:
		op_range(f, op >> 3);
		break;
	case 6:
		op_starve(f);
		break;
	default:
		op_mark(f);
	}
}

void fuzz_one(struct fuzz *f)
{
	u8 how = fuzz_u8(f);
	unsigned int ops = 0;

	nr = 0;
	env_start(env_formats[how % 3], how & 4 ? 5 : 4, how & 8 ? BIT_ULL(47) : 0);
	CHECK(!s2_lookup(&env.s2, s2_limit(&env.s2), &(struct s2_leaf){ }));
	while (fuzz_more(f) && ops++ < MAX_OPS) {
		operate(f);
		check();
	}
	env_flush();
	CHECK_EQ(env.s2.tables + 1, env.live);
	env_end();
}

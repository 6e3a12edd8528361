// SPDX-License-Identifier: GPL-2.0
/*
 * model.c - random operations, compared with a plain array of frames
 *
 * The array knows no tables: for each frame what maps it, how large, and its bits.
 */
#include "tap.h"
#include "stage2_test.h"

#define BASE	(512ULL * 512 * 3)	/* first frame of the model's 2 GiB */
#define N	(512U * 512 * 2)
#define OPS	1500

struct frame {
	u64 page;
	u8 level;	/* 0: not mapped */
	bool write, exec, young, dirty;
};

static struct frame model[N];

static unsigned int span(unsigned int level)
{
	return 1U << (9 * (level - 1));
}

static bool has_ad(void)
{
	return env.s2.fmt->accessed;
}

static void model_drop(unsigned int i)
{
	unsigned int n = span(model[i].level), first = i & ~(n - 1), j;

	for (j = first; j < first + n; j++)
		model[j] = (struct frame){};
}

/* Cut the leaf at @i down to @level: its other parts become as large as can be. */
static void model_split(unsigned int i, unsigned int level)
{
	while (model[i].level > level) {
		unsigned int n = span(model[i].level), first = i & ~(n - 1), j;

		for (j = first; j < first + n; j++)
			model[j].level--;
	}
}

static void model_map(unsigned int i, u64 page, unsigned int level, bool write, bool exec,
		      bool dirty)
{
	unsigned int n = span(level), first = i & ~(n - 1), j;
	struct frame *f = &model[i], old;

	if (f->level > level) {
		if (f->page == page && (!write || f->write) && (!exec || f->exec))
			return;
		if (f->page == page)
			model_split(i, level);
		else
			model_drop(i);
	}
	old = *f;
	if (old.level == level && old.page == page) {
		if ((!write || old.write) && (!exec || old.exec))
			return;
		for (j = first; j < first + n; j++) {
			model[j].write |= write;
			model[j].exec |= exec;
			model[j].young = has_ad();
			model[j].dirty |= write && dirty && has_ad();
		}
		return;
	}
	for (j = first; j < first + n; j++)
		if (model[j].level)
			model_drop(j);
	for (j = first; j < first + n; j++)
		model[j] = (struct frame){
			.page = page - i + j, .level = level, .write = write, .exec = exec,
			.young = has_ad(), .dirty = write && dirty && has_ad(),
		};
}

static void op_map(void)
{
	unsigned int kind = test_random() % 64, i = test_random() % N;
	struct s2_map m = {
		.level = kind == 0 ? 3 : kind < 16 ? 2 : 1,
		.write = test_random() & 1,
		.exec = test_random() & 1,
		.dirty = test_random() & 1,
		.cache = &env,
	};

	if (test_random() & 1)	/* near the others, so that they meet */
		i = (i & ~(N / 2 - 1)) + i % 2048;
	m.gfn = BASE + i;
	/* Mostly the same memory for a frame, sometimes another: congruent by 1 GiB. */
	m.pa = (i + (u64)(test_random() % 8 ? 0 : 4) * span(3)) << 12;
	env.cache = env.s2.levels - 1;
	model_map(i, m.pa >> 12, m.level, m.write, m.exec, m.dirty);
	EXPECT_EQ(s2_map(&env.s2, &m), 0);
	if (m.flush || !(test_random() % 16))
		env_flush();
}

/* A range, random in size and place; whole leaves in the model. */
static void pick(unsigned int *from, unsigned int *to)
{
	unsigned int len = 1U << (test_random() % 18);

	*from = test_random() % N;
	if (test_random() & 1)
		*from = *from % 4096;
	*to = min_t(u64, N, *from + 1 + test_random() % len);
}

/* In small steps, sometimes. */
static bool run(bool (*fn)(struct stage2 *s2, struct s2_range *r), struct s2_range *r)
{
	r->budget = test_random() & 1 ? 0 : 1 + test_random() % 1000;
	while (!fn(&env.s2, r))
		;
	return r->flush;
}

static void op_unmap(void)
{
	unsigned int from, to, i;
	struct s2_range r = {};

	pick(&from, &to);
	for (i = from; i < to; i++)
		if (model[i].level)
			model_drop(i);
	r.gfn = BASE + from;
	r.end = BASE + to;
	if (run(s2_unmap, &r))
		env_flush();
}

static void op_protect(void)
{
	unsigned int from, to, i, j, n;
	struct s2_range r = {};
	bool any = false;

	pick(&from, &to);
	for (i = from; i < to; i++) {
		if (!model[i].level || !model[i].write)
			continue;
		any = true;
		n = span(model[i].level);
		for (j = i & ~(n - 1); j < (i & ~(n - 1)) + n; j++)
			model[j].write = false;
	}
	r.gfn = BASE + from;
	r.end = BASE + to;
	EXPECT_EQ(run(s2_protect, &r), any);
}

static void op_clean(void)
{
	unsigned int from, to, i, j, n;
	struct s2_range r = {};
	bool any = false;

	pick(&from, &to);
	for (i = from; i < to; i++) {
		n = span(model[i].level ?: 1);
		if (n == 1) {	/* also where nothing is: it is not dirty */
			any |= model[i].dirty;
			model[i].dirty = false;
			continue;
		}
		any |= model[i].write || model[i].dirty;
		for (j = i & ~(n - 1); j < (i & ~(n - 1)) + n; j++)
			model[j].write = model[j].dirty = false;
	}
	r.gfn = BASE + from;
	r.end = BASE + to;
	EXPECT_EQ(run(s2_clean, &r), any);
}

static void model_age(unsigned int i)
{
	unsigned int n = span(model[i].level), first = i & ~(n - 1), j;

	if (!has_ad()) {
		model_drop(i);
		return;
	}
	for (j = first; j < first + n; j++)
		model[j].young = false;
}

static void op_age(void)
{
	struct s2_range r = {}, t;
	unsigned int from, to, i;
	bool any = false;

	pick(&from, &to);
	r.gfn = BASE + from;
	r.end = BASE + to;
	t = r;
	for (i = from; i < to; i++)
		any |= model[i].level && (model[i].young || !has_ad());
	s2_test_age(&env.s2, &t);
	EXPECT_EQ(t.young, any);
	for (i = from; i < to; i++)
		if (model[i].level && (model[i].young || !has_ad()))
			model_age(i);
	run(s2_age, &r);
	EXPECT_EQ(r.young, any);
}

/* The CPU reads or writes. */
static void op_access(void)
{
	unsigned int i = test_random() % (test_random() & 1 ? N : 4096), n, j;
	bool write = test_random() & 1, ok;
	u64 pa = 0;

	ok = model[i].level && (!write || model[i].write);
	EXPECT_EQ(cpu_access(BASE + i, write, &pa), ok);
	if (!ok)
		return;
	EXPECT_EQ(pa, model[i].page << 12);
	n = span(model[i].level);
	for (j = i & ~(n - 1); has_ad() && j < (i & ~(n - 1)) + n; j++) {
		model[j].young = true;
		model[j].dirty |= write;
	}
}

static bool same(unsigned int i)
{
	const struct frame *f = &model[i];
	struct s2_leaf l;

	if (!s2_lookup(&env.s2, BASE + i, &l))
		return !f->level;
	return l.level == f->level && l.pa == f->page << 12 && l.write == f->write &&
	       l.exec == f->exec && l.accessed == f->young && l.dirty == f->dirty;
}

static void compare(void)
{
	u64 leaves[3] = {};
	unsigned int i;

	for (i = 0; i < N && same(i); i++)
		if (model[i].level && !(i & (span(model[i].level) - 1)))
			leaves[model[i].level - 1]++;
	EXPECT_EQ(i, N);
	if (i < N)
		return;
	EXPECT_EQ(env.s2.pages[0], leaves[0]);
	EXPECT_EQ(env.s2.pages[1], leaves[1]);
	EXPECT_EQ(env.s2.pages[2], leaves[2]);
}

static void random_ops(const struct s2_format *fmt, unsigned int levels, u64 enc)
{
	unsigned int n;

	memset(model, 0, sizeof(model));
	env_start(fmt, levels, enc);
	for (n = 0; n < OPS && !tap_failures; n++) {
		unsigned int what = test_random() % 100;

		if (what < 60)
			op_map();
		else if (what < 85)
			op_access();
		else if (what < 88)
			op_protect();
		else if (what < 90)
			op_clean();
		else if (what < 96)
			op_age();
		else
			op_unmap();
		if (n % 100 == 99)
			compare();
		EXPECT_EQ(env.s2.tables + 1 <= env.live, true);
	}
	env_flush();
	EXPECT_EQ(env.s2.tables + 1, env.live);
	compare();
	env_end();
}

TEST(random_against_model)
{
	unsigned int i;

	tap_note("seed 0x%llx (SEED= to repeat)", (unsigned long long)test_seed());
	for (i = 0; i < ARRAY_SIZE(env_formats); i++) {
		random_ops(env_formats[i], 4, 0);
		random_ops(env_formats[i], 5, BIT_ULL(47));
	}
}

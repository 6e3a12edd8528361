// SPDX-License-Identifier: GPL-2.0
/*
 * stage2.c - the second-level tables in pages of the kernel's
 */
#include <linux/mm.h>
#include <linux/xarray.h>
#include "arch/x86/mmu/stage2.h"
#include "rig.h"

static unsigned long pages_out;
static bool cache_empty;

static void *pool_va(u64 pa)
{
	return __va(pa);
}

static u64 pool_pa(void *table)
{
	return __pa(table);
}

static void *pool_get(void *cache)
{
	void *page = cache_empty ? NULL : (void *)get_zeroed_page(GFP_KERNEL);

	if (page)
		pages_out++;
	return page;
}

static void pool_free(void *table)
{
	pages_out--;
	free_page((unsigned long)table);
}

static const struct s2_ops pool_ops = {
	.va = pool_va, .pa = pool_pa, .get = pool_get, .free = pool_free,
};

static const struct s2_format *const formats[] = {
	&s2_format_npt, &s2_format_ept, &s2_format_ept_noad,
};

static void format_name(const struct s2_format *const *f, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", (*f)->name);
}

KUNIT_ARRAY_PARAM(format, formats, format_name);

static int stage2_init(struct kunit *test)
{
	struct stage2 *s2 = kunit_kzalloc(test, sizeof(*s2), GFP_KERNEL);

	if (!s2)
		return -ENOMEM;
	cache_empty = false;
	pages_out = 0;
	test->priv = s2;
	s2->root = pool_get(NULL);
	return s2->root ? 0 : -ENOMEM;
}

static struct stage2 *start(struct kunit *test)
{
	struct stage2 *s2 = test->priv;

	s2_init(s2, *(const struct s2_format *const *)test->param_value, &pool_ops, 4);
	return s2;
}

static void unmap(struct stage2 *s2, gfn_t from, gfn_t to)
{
	struct s2_range r = { .gfn = from, .end = to };

	s2_unmap(s2, &r);
}

/* All gone: of all pages only the root is out. */
static void stage2_exit(struct kunit *test)
{
	struct stage2 *s2 = test->priv;

	if (!s2 || !s2->fmt)
		return;
	unmap(s2, 0, s2_limit(s2));
	s2_free_dead(s2, s2_take_dead(s2));
	KUNIT_EXPECT_EQ(test, s2->pages[0] + s2->pages[1] + s2->pages[2], 0);
	KUNIT_EXPECT_EQ(test, pages_out, s2->tables + 1);
	pool_free(s2->root);
}

static int map(struct stage2 *s2, gfn_t gfn, u64 pa, unsigned int level, bool write)
{
	struct s2_map m = { .gfn = gfn, .pa = pa, .level = level, .write = write, .exec = true };

	return s2_map(s2, &m);
}

static void maps_and_unmaps(struct kunit *test)
{
	struct stage2 *s2 = start(test);
	struct s2_leaf leaf;

	KUNIT_EXPECT_EQ(test, map(s2, 5, 0x5000, 1, true), 0);
	KUNIT_EXPECT_EQ(test, map(s2, 6, 0x9000, 1, false), 0);
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 5, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.pa, 0x5000ULL);
	KUNIT_EXPECT_TRUE(test, leaf.write);
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 6, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.pa, 0x9000ULL);
	KUNIT_EXPECT_FALSE(test, leaf.write);
	unmap(s2, 5, 6);
	KUNIT_EXPECT_FALSE(test, s2_lookup(s2, 5, &leaf));
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 6, &leaf));
}

/* With no page left, what was there still is. */
static void empty_cache(struct kunit *test)
{
	struct stage2 *s2 = start(test);
	struct s2_leaf leaf;

	KUNIT_EXPECT_EQ(test, map(s2, 0, 0x200000, 2, true), 0);
	cache_empty = true;
	KUNIT_EXPECT_EQ(test, map(s2, 1UL << 30, 0, 1, true), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 17, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.level, 2);
	KUNIT_EXPECT_EQ(test, leaf.pa, 0x211000ULL);
	cache_empty = false;
	KUNIT_EXPECT_EQ(test, map(s2, 1UL << 30, 0, 1, true), 0);
}

/* A small leaf within a large one splits it; a large one over small ones replaces them. */
static void split_and_replaced(struct kunit *test)
{
	struct stage2 *s2 = start(test);
	struct s2_leaf leaf;

	KUNIT_EXPECT_EQ(test, map(s2, 512, 0x400000, 2, false), 0);
	KUNIT_EXPECT_EQ(test, map(s2, 515, 0x403000, 1, true), 0);
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 515, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.level, 1);
	KUNIT_EXPECT_TRUE(test, leaf.write);
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 516, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.pa, 0x404000ULL);
	KUNIT_EXPECT_FALSE(test, leaf.write);
	KUNIT_EXPECT_EQ(test, map(s2, 512, 0x400000, 2, true), 0);
	KUNIT_EXPECT_TRUE(test, s2_lookup(s2, 900, &leaf));
	KUNIT_EXPECT_EQ(test, leaf.level, 2);
	/* The table that held the small ones waits until all TLBs are flushed. */
	KUNIT_EXPECT_EQ(test, pages_out, s2->tables + 2);
	s2_free_dead(s2, s2_take_dead(s2));
	KUNIT_EXPECT_EQ(test, pages_out, s2->tables + 1);
}

#define FRAMES	(1U << 14)

/* Any series of operations agrees with an array of what ought to be. */
static void random_against_model(struct kunit *test)
{
	struct stage2 *s2 = start(test);
	struct rnd_state rnd;
	struct s2_leaf leaf;
	struct xarray model;
	unsigned int i, wrong = 0;
	gfn_t gfn, n;
	void *want;

	rig_random(&rnd);
	xa_init(&model);
	for (i = 0; i < 4000; i++) {
		gfn = prandom_u32_state(&rnd) % FRAMES;
		if (prandom_u32_state(&rnd) % 3) {
			KUNIT_EXPECT_EQ(test, map(s2, gfn, (gfn * 7 + 1) << PAGE_SHIFT, 1, true), 0);
			xa_store(&model, gfn, xa_mk_value(gfn * 7 + 1), GFP_KERNEL);
		} else {
			n = prandom_u32_state(&rnd) % 16;
			unmap(s2, gfn, gfn + n);
			while (n--)
				xa_erase(&model, gfn + n);
		}
		if (i % 64 == 0)
			s2_free_dead(s2, s2_take_dead(s2));
	}
	for (gfn = 0; gfn < FRAMES + 16; gfn++) {
		want = xa_load(&model, gfn);
		if (s2_lookup(s2, gfn, &leaf))
			wrong += !want || leaf.pa != (u64)xa_to_value(want) << PAGE_SHIFT;
		else
			wrong += !!want;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	xa_destroy(&model);
}

static struct kunit_case stage2_cases[] = {
	KUNIT_CASE_PARAM(maps_and_unmaps, format_gen_params),
	KUNIT_CASE_PARAM(empty_cache, format_gen_params),
	KUNIT_CASE_PARAM(split_and_replaced, format_gen_params),
	KUNIT_CASE_PARAM(random_against_model, format_gen_params),
	{ }
};

struct kunit_suite keel_stage2_suite = {
	.name = "keel_stage2",
	.init = stage2_init,
	.exit = stage2_exit,
	.test_cases = stage2_cases,
};

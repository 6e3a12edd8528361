// SPDX-License-Identifier: GPL-2.0
/*
 * env.c - see stage2_test.h
 */
#include "tap.h"
#include "stage2_test.h"

#define MAX_TABLES	BIT(21)
#define TABLE_BASE	0x7000000ULL	/* first table's page number */

struct env env;
static void *tables[MAX_TABLES];
static unsigned int nr_tables;

static void *env_va(u64 pa)
{
	u64 nr = (pa >> S2_PAGE_SHIFT) - TABLE_BASE;

	if ((pa & 0xfff) || nr >= nr_tables || !tables[nr]) {
		printf("Bail out! walk to 0x%llx, no table\n", (unsigned long long)pa);
		abort();
	}
	return tables[nr];
}

static void *env_new_table(void)
{
	u64 *t = aligned_alloc(4096, 8192);

	memset(t, 0, 4096);
	t[512] = nr_tables;	/* behind the page: its number */
	tables[nr_tables++] = t;
	env.live++;
	return t;
}

static u64 env_pa(void *table)
{
	return (((u64 *)table)[512] + TABLE_BASE) << S2_PAGE_SHIFT;
}

static void *env_get(void *cache)
{
	struct env *e = cache;

	if (!e->cache)
		return NULL;
	e->cache--;
	return env_new_table();
}

static void env_free(void *table)
{
	tables[((u64 *)table)[512]] = NULL;
	free(table);
	env.live--;
}

static const struct s2_ops env_ops = {
	.va = env_va, .pa = env_pa, .get = env_get, .free = env_free,
};

void env_start(const struct s2_format *fmt, unsigned int levels, u64 enc)
{
	memset(&env, 0, sizeof(env));
	nr_tables = 0;
	env.s2.root = env_new_table();
	env.s2.enc = enc;
	s2_init(&env.s2, fmt, &env_ops, levels);
}

void env_flush(void)
{
	s2_free_dead(&env.s2, s2_take_dead(&env.s2));
}

void env_end(void)
{
	struct s2_range all = { .end = s2_limit(&env.s2) };

	EXPECT_TRUE(s2_unmap(&env.s2, &all));
	env_flush();
	EXPECT_EQ(env.s2.pages[0] + env.s2.pages[1] + env.s2.pages[2], 0);
	EXPECT_EQ(env.s2.tables, 0);
	EXPECT_EQ(env.live, 1);
	env_free(env.s2.root);
}

/* Written from the manuals' pictures, not with the engine's helpers. */
static u64 *cpu_walk(gfn_t gfn, unsigned int *level)
{
	const struct s2_format *f = env.s2.fmt;
	u64 *table = env.s2.root;

	for (*level = env.s2.levels;; --*level) {
		u64 *pte = &table[(gfn >> (9 * (*level - 1))) & 511];
		u64 e = __atomic_load_n(pte, __ATOMIC_SEQ_CST);

		if (*level == 1 || !(e & 1) || (e & 0x80))
			return pte;
		if (f->accessed)
			__atomic_fetch_or(pte, f->accessed, __ATOMIC_SEQ_CST);
		table = env_va(e & 0x000ffffffffff000ULL & ~env.s2.enc);
	}
}

u64 cpu_entry(gfn_t gfn, unsigned int *level)
{
	return *cpu_walk(gfn, level);
}

bool cpu_access(gfn_t gfn, bool write, u64 *pa)
{
	const struct s2_format *f = env.s2.fmt;
	unsigned int level;
	u64 *pte, e, in_page;

	pte = cpu_walk(gfn, &level);
	e = __atomic_load_n(pte, __ATOMIC_SEQ_CST);
	do {
		if (!(e & 1) || (write && !(e & 2)) || (level > 1 && !(e & 0x80)))
			return false;
	} while (!__atomic_compare_exchange_n(pte, &e,
					      e | f->accessed | (write ? f->dirty : 0), false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	in_page = (1ULL << (12 + 9 * (level - 1))) - 1;
	if (pa)
		*pa = (e & 0x000ffffffffff000ULL & ~env.s2.enc & ~in_page) |
		      ((gfn << 12) & in_page);
	return true;
}

static u64 state;

u64 test_seed(void)
{
	const char *s = getenv("SEED");

	state = s ? strtoull(s, NULL, 0) : 0x9e3779b97f4a7c15ULL;
	return state;
}

u64 test_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL >> 8;
}

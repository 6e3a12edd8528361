// SPDX-License-Identifier: GPL-2.0
/*
 * basic.c - one operation at a time, its corner cases, and what must be refused
 */
#include "tap.h"
#include "stage2_test.h"

#define FRAMES_2M	512ULL
#define FRAMES_1G	(512ULL * 512)

#define for_each_format(f)							\
	for ((f) = env_formats; (f) < env_formats + ARRAY_SIZE(env_formats); (f)++)

static int map(gfn_t gfn, u64 frame, unsigned int level, bool write, struct s2_map *out)
{
	struct s2_map m = {
		.gfn = gfn, .pa = frame << 12, .level = level, .write = write, .exec = true,
		.host_write = true, .cache = &env,
	};
	int r;

	env.cache = env.s2.levels - 1;
	r = s2_map(&env.s2, &m);
	if (out)
		*out = m;
	return r;
}

static bool unmap(gfn_t start, gfn_t end)
{
	struct s2_range r = { .gfn = start, .end = end };

	EXPECT_TRUE(s2_unmap(&env.s2, &r));
	return r.flush;
}

static bool protect(gfn_t start, gfn_t end)
{
	struct s2_range r = { .gfn = start, .end = end };

	EXPECT_TRUE(s2_protect(&env.s2, &r));
	return r.flush;
}

TEST(map_each_level)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		for (unsigned int levels = 4; levels <= 5; levels++) {
			struct s2_leaf l;
			u64 pa = 0;

			env_start(*f, levels, 0);
			EXPECT_EQ(map(5, 0x1234, 1, true, NULL), 0);
			EXPECT_EQ(map(FRAMES_2M + 7, 0x80000 + 7, 2, true, NULL), 0);
			EXPECT_EQ(map(FRAMES_1G * 3 + 9, FRAMES_1G * 5 + 9, 3, false, NULL), 0);
			EXPECT_EQ(map(s2_limit(&env.s2) - 1, 0xffffffffffULL, 1, true, NULL), 0);
			EXPECT_EQ(env.s2.pages[0], 2);
			EXPECT_EQ(env.s2.pages[1], 1);
			EXPECT_EQ(env.s2.pages[2], 1);
			EXPECT_TRUE(cpu_access(5, true, &pa));
			EXPECT_EQ(pa, 0x1234000);
			EXPECT_TRUE(cpu_access(FRAMES_2M + 511, true, &pa));
			EXPECT_EQ(pa, (0x80000ULL + 511) << 12);
			EXPECT_TRUE(cpu_access(FRAMES_1G * 3 + 12345, false, &pa));
			EXPECT_EQ(pa, (FRAMES_1G * 5 + 12345) << 12);
			EXPECT_FALSE(cpu_access(FRAMES_1G * 3, true, &pa));
			EXPECT_FALSE(cpu_access(6, false, &pa));
			EXPECT_TRUE(s2_lookup(&env.s2, FRAMES_1G * 3 + 1, &l));
			EXPECT_EQ(l.level, 3);
			EXPECT_EQ(l.pa, (FRAMES_1G * 5 + 1) << 12);
			EXPECT_FALSE(l.write);
			EXPECT_TRUE(l.exec);
			EXPECT_TRUE(l.host_write);
			EXPECT_FALSE(s2_lookup(&env.s2, 4, &l));
			env_end();
		}
	}
}

TEST(entry_bits_npt)
{
	unsigned int level;

	env_start(&s2_format_npt, 4, 0);
	map(5, 0x1234, 1, true, NULL);
	/* P, W, U, A, our own bit 52 */
	EXPECT_EQ(cpu_entry(5, &level), 0x0010000001234027ULL);
	map(FRAMES_2M, 0x80000, 2, false, NULL);
	EXPECT_EQ(cpu_entry(FRAMES_2M, &level), 0x00100000800000a5ULL);
	EXPECT_EQ(env.s2.root[0] & 0xfff, 0x27);	/* the walk has set A */
	env_end();
}

TEST(entry_bits_ept)
{
	unsigned int level;
	struct s2_map m = { .gfn = 6, .pa = 0xfe000000, .level = 1, .write = true,
			    .device = true, .cache = &env };

	env_start(&s2_format_ept, 4, 0);
	map(5, 0x1234, 1, true, NULL);
	/* R, W, X, write-back, ignore PAT, A */
	EXPECT_EQ(cpu_entry(5, &level), 0x0010000001234177ULL);
	map(FRAMES_2M, 0x80000, 2, false, NULL);
	EXPECT_EQ(cpu_entry(FRAMES_2M, &level), 0x00100000800001f5ULL);
	env.cache = 4;
	EXPECT_EQ(s2_map(&env.s2, &m), 0);
	EXPECT_EQ(cpu_entry(6, &level), 0xfe000103ULL);	/* uncacheable, not executable */
	EXPECT_EQ(env.s2.root[0] & 0xff, 0x07);		/* tables: no memory type */
	env_end();
}

TEST(encryption_bit)
{
	unsigned int level;
	u64 pa, enc = BIT_ULL(47);
	struct s2_map dev = { .gfn = 6, .pa = 0xfe000000, .level = 1, .device = true,
			      .cache = &env };
	struct s2_leaf l;

	env_start(&s2_format_npt, 4, enc);
	map(5, 0x1234, 1, true, NULL);
	EXPECT_TRUE(env.s2.root[0] & enc);
	EXPECT_TRUE(cpu_entry(5, &level) & enc);
	EXPECT_TRUE(s2_lookup(&env.s2, 5, &l));
	EXPECT_EQ(l.pa, 0x1234000);
	EXPECT_TRUE(cpu_access(5, false, &pa));
	EXPECT_EQ(pa, 0x1234000);
	env.cache = 4;
	EXPECT_EQ(s2_map(&env.s2, &dev), 0);
	EXPECT_FALSE(cpu_entry(6, &level) & enc);
	env_end();
}

TEST(refused)
{
	struct s2_map m = { .gfn = 1, .pa = 0x1000, .level = 0, .cache = &env };
	struct s2_leaf l;

	env_start(&s2_format_npt, 4, 0);
	env.cache = 8;
	EXPECT_EQ(s2_map(&env.s2, &m), -EINVAL);
	m.level = 4;
	EXPECT_EQ(s2_map(&env.s2, &m), -EINVAL);
	m.level = 2;	/* frame 1 of one 2 MiB by frame 2 of another */
	m.pa = 0x2000;
	EXPECT_EQ(s2_map(&env.s2, &m), -EINVAL);
	m.level = 1;
	m.gfn = s2_limit(&env.s2);
	EXPECT_EQ(s2_map(&env.s2, &m), -EINVAL);
	m.gfn = 1;
	m.pa = BIT_ULL(52);
	EXPECT_EQ(s2_map(&env.s2, &m), -EINVAL);
	m.pa = 0x1001;
	EXPECT_EQ(s2_map(&env.s2, &m), -EINVAL);
	EXPECT_FALSE(s2_lookup(&env.s2, s2_limit(&env.s2), &l));
	EXPECT_FALSE(s2_lookup(&env.s2, ~0ULL, &l));
	EXPECT_EQ(s2_mark(&env.s2, ~0ULL, &env), 0);
	EXPECT_EQ(env.cache, 8);
	EXPECT_FALSE(unmap(s2_limit(&env.s2), ~0ULL));
	EXPECT_FALSE(unmap(10, 3));
	env_end();
}

TEST(empty_cache)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m = { .gfn = 1, .pa = 0x1000, .level = 1, .write = true,
				    .cache = &env };
		u64 pa;

		env_start(*f, 5, 0);
		for (unsigned int n = 0; n < 4; n++) {
			env.cache = 0;
			EXPECT_EQ(s2_map(&env.s2, &m), -ENOMEM);
			EXPECT_FALSE(cpu_access(1, false, &pa));
			env.cache = 1;	/* each round gets one table further */
			EXPECT_EQ(s2_map(&env.s2, &m), n < 3 ? -ENOMEM : 0);
		}
		EXPECT_TRUE(cpu_access(1, true, &pa));
		/* A split that cannot be made leaves the large mapping. */
		map(FRAMES_1G, FRAMES_1G, 3, false, NULL);
		m.gfn = FRAMES_1G + 1;
		m.pa = (FRAMES_1G + 1) << 12;
		env.cache = 1;
		EXPECT_EQ(s2_map(&env.s2, &m), -ENOMEM);
		EXPECT_TRUE(cpu_access(FRAMES_1G + 1, false, &pa));
		EXPECT_EQ(pa, m.pa);
		EXPECT_TRUE(cpu_access(FRAMES_1G + 600, false, &pa));
		EXPECT_EQ(pa, (FRAMES_1G + 600) << 12);
		env_end();
	}
}

TEST(spurious_and_upgrade)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m;

		env_start(*f, 4, 0);
		map(5, 0x1234, 1, false, &m);
		EXPECT_FALSE(m.spurious);
		map(5, 0x1234, 1, false, &m);
		EXPECT_TRUE(m.spurious);
		map(5, 0x1234, 1, true, &m);
		EXPECT_FALSE(m.spurious);
		EXPECT_FALSE(m.flush);		/* more rights: no flush */
		EXPECT_TRUE(cpu_access(5, true, NULL));
		map(5, 0x1234, 1, false, &m);
		EXPECT_TRUE(m.spurious);
		EXPECT_TRUE(cpu_access(5, true, NULL));
		map(5, 0x9999, 1, false, &m);	/* another page: less rights, and a flush */
		EXPECT_TRUE(m.flush);
		EXPECT_FALSE(cpu_access(5, true, NULL));
		EXPECT_EQ(env.s2.pages[0], 1);
		/* Inside a larger leaf. */
		map(FRAMES_2M, 0x80000, 2, true, NULL);
		map(FRAMES_2M + 3, 0x80003, 1, true, &m);
		EXPECT_TRUE(m.spurious);
		EXPECT_EQ(env.s2.pages[1], 1);
		env_end();
	}
}

TEST(exec_upgrade)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m = { .gfn = 5, .pa = 0x5000, .level = 1, .cache = &env };
		struct s2_leaf l;

		env_start(*f, 4, 0);
		env.cache = 4;
		EXPECT_EQ(s2_map(&env.s2, &m), 0);
		EXPECT_TRUE(s2_lookup(&env.s2, 5, &l) && !l.exec);
		m.exec = true;
		EXPECT_EQ(s2_map(&env.s2, &m), 0);
		EXPECT_FALSE(m.spurious);
		EXPECT_TRUE(s2_lookup(&env.s2, 5, &l) && l.exec);
		m.exec = false;		/* rights do not shrink by mapping */
		m.write = true;
		EXPECT_EQ(s2_map(&env.s2, &m), 0);
		EXPECT_TRUE(s2_lookup(&env.s2, 5, &l) && l.exec && l.write);
		env_end();
	}
}

/* Only that: what the leaf is of, and its neighbours, stay as they are. */
TEST(make_writable)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_leaf before, l;
		unsigned int level;

		env_start(*f, 4, 0);
		map(5, 0x1234, 1, true, NULL);
		map(6, 0x1235, 1, true, NULL);
		map(FRAMES_2M, 0x80000, 2, true, NULL);
		EXPECT_TRUE(protect(0, FRAMES_2M * 2));
		for (level = 1; level <= 2; level++) {
			gfn_t gfn = level == 1 ? 5 : FRAMES_2M + 3;

			ASSERT_TRUE(s2_lookup(&env.s2, gfn, &before));
			EXPECT_FALSE(cpu_access(gfn, true, NULL));
			s2_make_writable(&env.s2, &before);
			EXPECT_TRUE(cpu_access(gfn, true, NULL));
			ASSERT_TRUE(s2_lookup(&env.s2, gfn, &l));
			EXPECT_EQ(l.level, level);
			EXPECT_EQ(l.pa, before.pa);
			EXPECT_EQ(l.exec, before.exec);
			EXPECT_EQ(l.host_write, before.host_write);
		}
		EXPECT_FALSE(cpu_access(6, true, NULL));
		env_end();
	}
}

TEST(split_keeps_translation)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		unsigned int i, level;
		struct s2_map m;
		u64 pa;

		env_start(*f, 4, 0);
		map(FRAMES_1G, FRAMES_1G * 2, 3, false, NULL);
		map(FRAMES_1G + 1000, FRAMES_1G * 2 + 1000, 1, true, &m);
		EXPECT_FALSE(m.flush);
		/* Level 1 has another meaning for the bit that makes a leaf above. */
		EXPECT_EQ(cpu_entry(FRAMES_1G + 1001, &level) & (*f)->leaf, 0);
		EXPECT_EQ(level, 1);
		EXPECT_EQ(cpu_entry(FRAMES_1G, &level) & (*f)->leaf, level > 1 ? (*f)->leaf : 0);
		EXPECT_EQ(env.s2.pages[2], 0);
		EXPECT_EQ(env.s2.pages[1], 511);
		EXPECT_EQ(env.s2.pages[0], 512);
		for (i = 0; i < FRAMES_1G; i += 61) {
			EXPECT_TRUE(cpu_access(FRAMES_1G + i, false, &pa));
			EXPECT_EQ(pa, (FRAMES_1G * 2 + i) << 12);
			EXPECT_EQ(cpu_access(FRAMES_1G + i, true, NULL), i == 1000);
		}
		EXPECT_TRUE(cpu_access(FRAMES_1G + 1000, true, NULL));
		env_end();
	}
}

TEST(split_of_another_page_drops)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m;

		env_start(*f, 4, 0);
		map(FRAMES_2M, 0x80000, 2, true, NULL);
		map(FRAMES_2M + 1, 0x99999, 1, true, &m);
		EXPECT_TRUE(m.flush);
		EXPECT_FALSE(cpu_access(FRAMES_2M, false, NULL));
		EXPECT_TRUE(cpu_access(FRAMES_2M + 1, true, NULL));
		env_end();
	}
}

TEST(leaf_replaces_tables)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m;
		unsigned int i;
		u64 pa;

		env_start(*f, 4, 0);
		for (i = 0; i < 2000; i++)
			map(FRAMES_1G + i, 0x1000 + i, 1, true, NULL);
		EXPECT_EQ(env.live, 1 + 2 + 4);
		map(FRAMES_1G + 5, FRAMES_1G * 7 + 5, 3, true, &m);
		EXPECT_TRUE(m.flush);
		EXPECT_EQ(env.s2.pages[0], 0);
		EXPECT_EQ(env.s2.pages[2], 1);
		/* Unlinked, and kept until the flush. */
		EXPECT_EQ(env.live, 1 + 2 + 4);
		env_flush();
		EXPECT_EQ(env.live, 2);
		EXPECT_TRUE(cpu_access(FRAMES_1G + 1, true, &pa));
		EXPECT_EQ(pa, (FRAMES_1G * 7 + 1) << 12);
		env_end();
	}
}

TEST(keep_tables)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m = { .gfn = 6, .pa = 0x80006000, .level = 2, .write = true,
				    .keep_tables = true, .cache = &env };
		unsigned int level;

		env_start(*f, 4, 0);
		map(5, 0x80005, 1, true, NULL);
		env.cache = 4;
		EXPECT_EQ(s2_map(&env.s2, &m), 0);
		EXPECT_FALSE(m.flush);
		EXPECT_TRUE(cpu_access(6, true, NULL));
		EXPECT_FALSE(cpu_access(7, false, NULL));
		cpu_entry(6, &level);
		EXPECT_EQ(level, 1);
		m.gfn = FRAMES_2M;	/* where there is nothing, a large one */
		m.pa = 0x80200000;
		EXPECT_EQ(s2_map(&env.s2, &m), 0);
		EXPECT_TRUE(cpu_access(FRAMES_2M + 7, false, NULL));
		env_end();
	}
}

TEST(unmap_frees_tables)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		unsigned int i;

		env_start(*f, 4, 0);
		for (i = 0; i < 1024; i++)
			map(i, i, 1, true, NULL);
		EXPECT_EQ(env.live, 5);
		EXPECT_TRUE(unmap(100, 101));
		EXPECT_FALSE(unmap(100, 101));
		EXPECT_TRUE(unmap(0, 512));
		env_flush();
		EXPECT_EQ(env.live, 4);
		EXPECT_FALSE(cpu_access(511, false, NULL));
		EXPECT_TRUE(cpu_access(512, false, NULL));
		EXPECT_TRUE(unmap(512, FRAMES_1G));
		env_flush();
		EXPECT_EQ(env.live, 2);	/* the range ends before the end of the 512 GiB */
		env_end();
	}
}

/* The leaf that takes a table's place may be the last of its own table, too. */
TEST(leaf_for_the_last_table)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		gfn_t first = 4 * FRAMES_1G - 512;

		env_start(*f, 4, 0);
		map(first + 3, first + 3, 1, true, NULL);
		map(first, first, 2, true, NULL);
		EXPECT_TRUE(cpu_access(first + 7, false, NULL));
		env_flush();
		EXPECT_TRUE(cpu_access(first + 7, false, NULL));
		EXPECT_EQ(env.live, 3);
		env_end();
	}
}

TEST(unmap_whole_leaf)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		env_start(*f, 4, 0);
		map(FRAMES_2M, 0x80000, 2, true, NULL);
		map(FRAMES_2M * 2, 0x90000, 2, true, NULL);
		EXPECT_TRUE(unmap(FRAMES_2M + 100, FRAMES_2M + 101));
		EXPECT_FALSE(cpu_access(FRAMES_2M, false, NULL));
		EXPECT_TRUE(cpu_access(FRAMES_2M * 2, false, NULL));
		env_end();
	}
}

TEST(ranges_resume)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_range r = { .gfn = 3, .end = FRAMES_1G * 2, .budget = 7 };
		unsigned int i, calls = 0;
		bool done;

		env_start(*f, 4, 0);
		for (i = 0; i < 1000; i++)
			map(i, i, 1, true, NULL);
		map(FRAMES_1G, FRAMES_1G, 2, true, NULL);
		do {
			r.flush = false;
			done = s2_protect(&env.s2, &r);
			calls++;
		} while (!done);
		EXPECT_GT(calls, 1000 / 7);
		for (i = 0; i < 1000; i++)
			EXPECT_EQ(cpu_access(i, true, NULL), i < 3);
		EXPECT_FALSE(cpu_access(FRAMES_1G, true, NULL));
		EXPECT_TRUE(cpu_access(FRAMES_1G, false, NULL));

		r = (struct s2_range){ .gfn = 3, .end = FRAMES_1G * 2, .budget = 7 };
		for (calls = 0; !s2_unmap(&env.s2, &r); calls++)
			if (calls == 40)	/* a fault comes in between, behind the cursor */
				map(3, 3, 1, true, NULL);
		EXPECT_TRUE(cpu_access(3, true, NULL));
		EXPECT_FALSE(cpu_access(4, true, NULL));
		EXPECT_EQ(env.s2.pages[0], 4);
		env_end();
	}
}

TEST(protect)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_map m;

		env_start(*f, 4, 0);
		map(5, 5, 1, true, NULL);
		map(6, 6, 1, true, NULL);
		EXPECT_TRUE(cpu_access(5, true, NULL));
		EXPECT_TRUE(protect(0, 6));
		EXPECT_FALSE(protect(0, 6));
		EXPECT_FALSE(cpu_access(5, true, NULL));
		EXPECT_TRUE(cpu_access(5, false, NULL));
		EXPECT_TRUE(cpu_access(6, true, NULL));
		map(5, 5, 1, true, &m);		/* the write fault that follows */
		EXPECT_FALSE(m.flush);
		EXPECT_TRUE(cpu_access(5, true, NULL));
		env_end();
	}
}

TEST(age)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		struct s2_range all = { .end = 100 }, r;

		env_start(*f, 4, 0);
		r = all;
		EXPECT_TRUE(s2_test_age(&env.s2, &r));
		EXPECT_FALSE(r.young);
		map(5, 5, 1, true, NULL);
		r = all;
		s2_test_age(&env.s2, &r);
		EXPECT_TRUE(r.young);
		r = all;
		s2_age(&env.s2, &r);
		EXPECT_TRUE(r.young);
		EXPECT_EQ(r.flush, !(*f)->accessed);
		EXPECT_EQ(cpu_access(5, false, NULL), !!(*f)->accessed);
		if ((*f)->accessed) {
			struct s2_range once = { .gfn = 5, .end = 6 };

			s2_age(&env.s2, &once);
			EXPECT_TRUE(once.young);
			r = all;
			s2_test_age(&env.s2, &r);
			EXPECT_FALSE(r.young);
			s2_age(&env.s2, &r);
			EXPECT_FALSE(r.young);
		}
		env_end();
	}
}

TEST(dirty_stays_with_its_leaf)
{
	struct s2_leaf l;

	env_start(&s2_format_npt, 4, 0);
	map(5, 5, 1, true, NULL);
	map(6, 6, 1, true, NULL);
	EXPECT_TRUE(cpu_access(5, true, NULL));
	EXPECT_TRUE(protect(0, 10));
	EXPECT_TRUE(s2_lookup(&env.s2, 5, &l));
	EXPECT_TRUE(l.dirty);
	EXPECT_TRUE(s2_lookup(&env.s2, 6, &l));
	EXPECT_FALSE(l.dirty);
	EXPECT_TRUE(unmap(0, 10));
	map(5, 5, 1, true, NULL);
	EXPECT_TRUE(s2_lookup(&env.s2, 5, &l));
	EXPECT_FALSE(l.dirty);
	map(FRAMES_2M, 0x80000, 2, true, NULL);
	EXPECT_TRUE(cpu_access(FRAMES_2M + 3, true, NULL));
	map(FRAMES_2M + 3, 0x12345, 1, true, NULL);	/* another page replaces it */
	EXPECT_TRUE(s2_lookup(&env.s2, FRAMES_2M + 3, &l));
	EXPECT_FALSE(l.dirty);
	env_end();
}

TEST(clean_for_a_log)
{
	struct s2_range r = { .gfn = 0, .end = FRAMES_2M * 2 };
	struct s2_leaf l;

	env_start(&s2_format_ept, 4, 0);
	map(5, 5, 1, true, NULL);
	map(6, 6, 1, false, NULL);
	map(FRAMES_2M, 0x80000, 2, true, NULL);
	EXPECT_TRUE(cpu_access(5, true, NULL));
	EXPECT_TRUE(cpu_access(FRAMES_2M + 1, true, NULL));
	EXPECT_TRUE(s2_clean(&env.s2, &r));
	EXPECT_TRUE(r.flush);
	EXPECT_TRUE(s2_lookup(&env.s2, 5, &l));
	EXPECT_TRUE(l.write);
	EXPECT_FALSE(l.dirty);
	EXPECT_FALSE(cpu_access(FRAMES_2M + 1, true, NULL));
	EXPECT_TRUE(s2_lookup(&env.s2, FRAMES_2M, &l));
	EXPECT_FALSE(l.dirty);
	EXPECT_TRUE(cpu_access(5, true, NULL));
	EXPECT_TRUE(s2_lookup(&env.s2, 5, &l));
	EXPECT_TRUE(l.dirty);

	/* Nothing left to clean but that. */
	r = (struct s2_range) { .gfn = 6, .end = FRAMES_2M * 2 };
	EXPECT_TRUE(s2_clean(&env.s2, &r));
	EXPECT_FALSE(r.flush);
	env_end();
}

TEST(marks)
{
	const struct s2_format * const *f;

	for_each_format(f) {
		unsigned int level;
		struct s2_leaf l;
		u64 e;

		env_start(*f, 4, 0);
		env.cache = 4;
		EXPECT_EQ(s2_mark(&env.s2, 0xfee00, &env), 0);
		e = cpu_entry(0xfee00, &level);
		EXPECT_EQ(e, (*f)->mark);
		EXPECT_FALSE(cpu_access(0xfee00, false, NULL));
		EXPECT_FALSE(s2_lookup(&env.s2, 0xfee00, &l));
		EXPECT_FALSE(protect(0, 0x100000));
		EXPECT_EQ(cpu_entry(0xfee00, &level), (*f)->mark);
		EXPECT_EQ(map(0xfee00, 1, 1, true, NULL), 0);
		EXPECT_TRUE(cpu_access(0xfee00, true, NULL));
		EXPECT_EQ(s2_mark(&env.s2, 0xfee00, &env), 0);	/* not over a mapping */
		EXPECT_TRUE(cpu_access(0xfee00, true, NULL));
		EXPECT_EQ(s2_mark(&env.s2, 0xfee01, &env), 0);
		EXPECT_EQ(map(0xfee00, 0xfe00, 2, true, NULL), 0);
		EXPECT_TRUE(cpu_access(0xfee01, true, NULL));
		env_flush();
		EXPECT_EQ(env.live, 3);
		env_end();
	}
}

TEST(mark_needs_memory)
{
	env_start(&s2_format_ept, 4, 0);
	EXPECT_EQ(s2_mark(&env.s2, 1, &env), -ENOMEM);
	env_end();
	env_start(&s2_format_npt, 4, 0);
	EXPECT_EQ(s2_mark(&env.s2, 1, &env), 0);	/* has no mark: nothing to do */
	env_end();
}

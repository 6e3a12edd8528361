// SPDX-License-Identifier: GPL-2.0
#include "../../../arch/x86/clockmath.h"
#include "tap.h"

static const u32 rates[] = {
	1, 2, 3, 999, 1000, 1193, 32768, 100000, 999999, 1000000, 1000001, 1999999, 2000000,
	2000001, 2394374, 2800000, 3141592, 4000000, 5600000, 10000000, 0x7fffffff, 0xffffffff,
};

/* A minute off by no more than 100 ns, on a counter that is fine enough for it. */
TEST(scale_is_exact)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		struct clock_scale s = clock_scale(rates[i]);
		u64 minute = 60000ULL * rates[i];
		u64 ns = clock_cycles_to_ns(minute, s);
		u64 want = 60 * KEEL_NSEC_PER_SEC;

		EXPECT_TRUE(s.mul & BIT(31));
		EXPECT_LE(ns, want);
		EXPECT_LE(want - ns, 100);
	}
}

TEST(scale_of_nothing_is_survived)
{
	struct clock_scale s = clock_scale(0);

	EXPECT_TRUE(s.mul);
}

TEST(time_never_goes_back)
{
	struct clock_scale s = clock_scale(2394374);
	u64 tsc, last = 0;

	for (tsc = 0; tsc < 1000000; tsc += 7) {
		u64 ns = clock_cycles_to_ns(tsc, s);

		EXPECT_GE(ns, last);
		last = ns;
	}
}

TEST(cycles_and_back)
{
	u64 day = 86400 * KEEL_NSEC_PER_SEC, year = 365 * day;

	EXPECT_EQ(clock_ns_to_cycles(KEEL_NSEC_PER_SEC, 2000000), 2000000000ULL);
	EXPECT_EQ(clock_ns_to_cycles(year, 4000000), 4 * year);
	EXPECT_EQ(clock_ns_to_cycles(0, 4000000), 0);
}

TEST(close_is_250_ppm)
{
	EXPECT_TRUE(clock_khz_close(2000000, 2000000));
	EXPECT_TRUE(clock_khz_close(2000500, 2000000));
	EXPECT_TRUE(clock_khz_close(1999500, 2000000));
	EXPECT_FALSE(clock_khz_close(2000501, 2000000));
	EXPECT_FALSE(clock_khz_close(1999499, 2000000));
	EXPECT_TRUE(clock_khz_close(0xffffffff, 0xffffffff));
}

TEST(ratio_by_vendor)
{
	/* AMD: 8.32 */
	EXPECT_EQ(clock_ratio(2000000, 2000000, 32, 1ULL << 40), 1ULL << 32);
	EXPECT_EQ(clock_ratio(1000000, 2000000, 32, 1ULL << 40), 1ULL << 31);
	EXPECT_EQ(clock_ratio(512000000, 2000000, 32, 1ULL << 40), 0);
	/* Intel: 16.48 */
	EXPECT_EQ(clock_ratio(3000000, 2000000, 48, ~0ULL), 3ULL << 47);
	EXPECT_EQ(clock_ratio(0xffffffff, 1, 48, ~0ULL), 0);
}

TEST(ratio_of_nonsense)
{
	EXPECT_EQ(clock_ratio(1, 0, 32, ~0ULL), 0);
	EXPECT_EQ(clock_ratio(1, 1, 64, ~0ULL), 0);
	EXPECT_EQ(clock_ratio(0, 2000000, 32, ~0ULL), 0);
}

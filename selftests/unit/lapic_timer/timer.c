// SPDX-License-Identifier: GPL-2.0
/*
 * timer.c - the local APIC's timer
 *
 * From "APIC Timer" and "TSC-Deadline Mode" in the manual, and what KVM promises
 * beyond it: a bus of 1 GHz, a floor under periods, and how counts are restored.
 */
#include <time.h>
#include "../../../arch/x86/irqchip/lapic_timer.h"
#include "tap.h"

#define ONESHOT		0x00000
#define PERIODIC	0x20000
#define DEADLINE	0x40000
#define RESERVED	0x60000

#define DIV_1		0xb
#define DIV_2		0x0
#define DIV_16		0x3

static struct lapic_timer make(u32 lvtt, u32 tdcr)
{
	struct lapic_timer t;

	lapic_timer_reset(&t);
	lapic_timer_set_mode(&t, lvtt);
	lapic_timer_set_divide(&t, tdcr, 0);
	return t;
}

static bool expire(struct lapic_timer *t, u64 now)
{
	struct lapic_clock c = { .now = now };

	return lapic_timer_expire(t, &c);
}

static bool expire_tsc(struct lapic_timer *t, u64 now, u64 tsc, u32 khz)
{
	struct lapic_clock c = { .now = now, .tsc = tsc, .khz = khz };

	return lapic_timer_expire(t, &c);
}

static void deadline(struct lapic_timer *t, u64 at, u64 now, u64 tsc, u32 khz)
{
	struct lapic_clock c = { .now = now, .tsc = tsc, .khz = khz };

	lapic_timer_set_deadline(t, at, &c);
}

TEST(divide_configuration)
{
	static const struct { u32 tdcr, divide; } rows[] = {
		{ 0x0, 2 }, { 0x1, 4 }, { 0x2, 8 }, { 0x3, 16 },
		{ 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lapic_timer t = make(ONESHOT, rows[i].tdcr);

		lapic_timer_start(&t, 1000, 5000);
		EXPECT_TRUE(t.armed);
		EXPECT_EQ(t.expires, 5000 + 1000 * rows[i].divide);
	}
}

TEST(idle_after_reset)
{
	struct lapic_timer t;

	lapic_timer_reset(&t);
	EXPECT_FALSE(t.armed);
	EXPECT_EQ(lapic_timer_count(&t, 0), 0);
	EXPECT_FALSE(lapic_timer_due(&t, ~0ULL));
	EXPECT_FALSE(expire(&t, ~0ULL));
	lapic_timer_start(&t, 10, 0);	/* TDCR 0: by 2 */
	EXPECT_EQ(t.expires, 20);
}

TEST(oneshot)
{
	struct lapic_timer t = make(ONESHOT, DIV_1);

	lapic_timer_start(&t, 100, 1000);
	EXPECT_EQ(lapic_timer_count(&t, 1000), 100);
	EXPECT_EQ(lapic_timer_count(&t, 1001), 99);
	EXPECT_EQ(lapic_timer_count(&t, 1099), 1);
	EXPECT_FALSE(lapic_timer_due(&t, 1099));
	EXPECT_FALSE(expire(&t, 1099));
	EXPECT_EQ(lapic_timer_count(&t, 1100), 0);
	EXPECT_TRUE(lapic_timer_due(&t, 1100));
	EXPECT_TRUE(expire(&t, 1100));
	EXPECT_FALSE(t.armed);
	EXPECT_FALSE(expire(&t, 5000));
	EXPECT_EQ(lapic_timer_count(&t, 5000), 0);
}

TEST(zero_stops)
{
	struct lapic_timer t = make(PERIODIC, DIV_1);

	lapic_timer_start(&t, 1000000, 0);
	lapic_timer_start(&t, 0, 10);
	EXPECT_FALSE(t.armed);
	EXPECT_EQ(lapic_timer_count(&t, 20), 0);
	EXPECT_FALSE(expire(&t, 10000000));
}

TEST(write_restarts)
{
	struct lapic_timer t = make(ONESHOT, DIV_1);

	lapic_timer_start(&t, 100, 0);
	lapic_timer_start(&t, 100, 90);
	EXPECT_FALSE(expire(&t, 100));
	EXPECT_EQ(lapic_timer_count(&t, 100), 90);
	EXPECT_TRUE(expire(&t, 190));
}

TEST(greatest_count)
{
	struct lapic_timer t = make(ONESHOT, 0xa);

	lapic_timer_start(&t, 0xffffffff, 0);
	EXPECT_EQ(t.expires, 0xffffffffULL * 128);
	EXPECT_EQ(lapic_timer_count(&t, 0), 0xffffffff);
	EXPECT_EQ(lapic_timer_count(&t, 127), 0xffffffff);
	EXPECT_EQ(lapic_timer_count(&t, 128), 0xfffffffe);
}

TEST(periodic_keeps_phase)
{
	struct lapic_timer t = make(PERIODIC, DIV_1);

	lapic_timer_start(&t, 1000000, 500);
	EXPECT_TRUE(expire(&t, 1000500));
	EXPECT_EQ(t.expires, 2000500);
	EXPECT_TRUE(expire(&t, 2000900));	/* late: the next is not */
	EXPECT_EQ(t.expires, 3000500);
	EXPECT_EQ(lapic_timer_count(&t, 2000900), 999600);
	EXPECT_FALSE(expire(&t, 2000901));
}

TEST(missed_periods_are_one_tick)
{
	struct lapic_timer t = make(PERIODIC, DIV_1);

	lapic_timer_start(&t, 1000000, 0);
	EXPECT_TRUE(lapic_timer_due(&t, 7300000));
	EXPECT_EQ(lapic_timer_count(&t, 7300000), 700000);
	EXPECT_TRUE(expire(&t, 7300000));
	EXPECT_FALSE(expire(&t, 7300000));
	EXPECT_EQ(t.expires, 8000000);
	EXPECT_TRUE(expire(&t, 8000000));
}

TEST(absurd_periods_are_clamped)
{
	struct lapic_timer t = make(PERIODIC, DIV_1);
	u64 now = 0;
	int i;

	lapic_timer_start(&t, 1, 0);
	for (i = 0; i < 1000; i++) {
		EXPECT_GE(t.expires, now + 200000);
		now = t.expires;
		EXPECT_TRUE(expire(&t, now));
		EXPECT_LE(lapic_timer_count(&t, now), 1);
	}
	/* A one-shot may be short: the guest must run to set the next. */
	t = make(ONESHOT, DIV_1);
	lapic_timer_start(&t, 1, 0);
	EXPECT_EQ(t.expires, 1);
	/* Turned periodic it may not. */
	lapic_timer_set_mode(&t, PERIODIC);
	EXPECT_TRUE(expire(&t, 1));
	EXPECT_EQ(t.expires, 200001);
	/* Nor by a smaller divisor. */
	t = make(PERIODIC, 0xa);
	lapic_timer_start(&t, 2000, 0);
	lapic_timer_set_divide(&t, DIV_1, 0);
	EXPECT_TRUE(expire(&t, 2000));
	EXPECT_EQ(t.expires, 2000 + 200000);
	/* The floor itself is allowed. */
	t = make(PERIODIC, DIV_1);
	lapic_timer_start(&t, 200000, 0);
	EXPECT_EQ(t.expires, 200000);
}

TEST(mode_changes)
{
	struct lapic_timer t = make(ONESHOT, DIV_1);

	/* One-shot to periodic: the count runs on, and starts again at 0. */
	lapic_timer_start(&t, 1000000, 0);
	lapic_timer_set_mode(&t, PERIODIC);
	EXPECT_EQ(lapic_timer_count(&t, 250000), 750000);
	EXPECT_TRUE(expire(&t, 1000000));
	EXPECT_TRUE(t.armed);
	/* And back: it ends at the next 0. */
	lapic_timer_set_mode(&t, ONESHOT);
	EXPECT_TRUE(expire(&t, 2000000));
	EXPECT_FALSE(t.armed);
	/* A one-shot that is over does not start by becoming periodic. */
	lapic_timer_set_mode(&t, PERIODIC);
	EXPECT_FALSE(t.armed);
	/* The same mode written again changes nothing. */
	lapic_timer_start(&t, 1000000, 0);
	lapic_timer_set_mode(&t, PERIODIC | 0xec);
	EXPECT_TRUE(t.armed);
}

TEST(deadline_mode_switch_disarms)
{
	struct lapic_timer t = make(ONESHOT, DIV_1);

	lapic_timer_start(&t, 1000, 0);
	lapic_timer_set_mode(&t, DEADLINE);
	EXPECT_FALSE(t.armed);
	lapic_timer_start(&t, 1000, 0);		/* ignored here */
	EXPECT_FALSE(t.armed);
	EXPECT_EQ(lapic_timer_count(&t, 0), 0);
	deadline(&t, 5000, 0, 0, 1000000);
	EXPECT_TRUE(t.armed);
	lapic_timer_set_mode(&t, PERIODIC);
	EXPECT_FALSE(t.armed);
	EXPECT_EQ(t.deadline, 0);
	deadline(&t, 5000, 0, 0, 1000000);	/* ignored here */
	EXPECT_FALSE(t.armed);
	EXPECT_EQ(t.deadline, 0);
}

TEST(reserved_mode_never_runs)
{
	struct lapic_timer t = make(RESERVED, DIV_1);

	lapic_timer_start(&t, 1000, 0);
	EXPECT_FALSE(t.armed);
	deadline(&t, 1000, 0, 0, 1000000);
	EXPECT_FALSE(t.armed);
	lapic_timer_restore(&t, 1000, 10, 0);
	EXPECT_FALSE(t.armed);
}

TEST(divide_change_keeps_the_count)
{
	struct lapic_timer t = make(ONESHOT, DIV_16);

	lapic_timer_start(&t, 1000, 0);
	EXPECT_EQ(lapic_timer_count(&t, 16 * 400), 600);
	lapic_timer_set_divide(&t, DIV_2, 16 * 400);
	EXPECT_EQ(lapic_timer_count(&t, 16 * 400), 600);
	EXPECT_EQ(t.expires, 16 * 400 + 2 * 600);
	lapic_timer_set_divide(&t, 0xa, 16 * 400);
	EXPECT_EQ(t.expires, 16 * 400 + 128 * 600);
	/* One that is due stays due. */
	lapic_timer_set_divide(&t, DIV_1, 16 * 400 + 128 * 601);
	EXPECT_TRUE(expire(&t, 16 * 400 + 128 * 601));
	/* Stopped stays stopped. */
	lapic_timer_set_divide(&t, DIV_2, 0);
	EXPECT_FALSE(t.armed);
}

/* The floor under a short period is no count: a coarser divider does not stretch it. */
TEST(divide_change_of_a_clamped_period)
{
	struct lapic_timer t = make(PERIODIC, DIV_1);

	lapic_timer_start(&t, 10, 1000);
	EXPECT_EQ(t.expires, 1000 + LAPIC_TIMER_MIN_PERIOD);
	lapic_timer_set_divide(&t, DIV_16, 1000);
	EXPECT_EQ(t.expires, 1000 + LAPIC_TIMER_MIN_PERIOD);
	lapic_timer_set_mode(&t, ONESHOT);
	lapic_timer_set_divide(&t, DIV_2, 1000);
	EXPECT_EQ(t.expires, 1000 + 20);
}

TEST(tsc_deadline)
{
	struct lapic_timer t = make(DEADLINE, DIV_1);

	/* 2.5 GHz: 2500 ticks are 1000 ns */
	deadline(&t, 12500, 777, 10000, 2500000);
	EXPECT_TRUE(t.armed);
	EXPECT_EQ(t.expires, 777 + 1000);
	EXPECT_EQ(t.deadline, 12500);
	EXPECT_FALSE(expire_tsc(&t, 1776, 12499, 2500000));
	EXPECT_TRUE(t.armed);
	EXPECT_TRUE(expire_tsc(&t, 1777, 12500, 2500000));
	EXPECT_FALSE(t.armed);
	EXPECT_EQ(t.deadline, 0);		/* the MSR reads 0 then */
	EXPECT_FALSE(expire_tsc(&t, 9999, 99999, 2500000));
}

TEST(tsc_deadline_zero_disarms)
{
	struct lapic_timer t = make(DEADLINE, DIV_1);

	deadline(&t, 1000000, 0, 0, 1000000);
	deadline(&t, 0, 0, 0, 1000000);
	EXPECT_FALSE(t.armed);
	EXPECT_FALSE(expire_tsc(&t, ~0ULL, ~0ULL, 1000000));
}

TEST(tsc_deadline_in_the_past)
{
	struct lapic_timer t = make(DEADLINE, DIV_1);

	deadline(&t, 999, 50, 1000, 1000000);
	EXPECT_TRUE(lapic_timer_due(&t, 50));
	EXPECT_TRUE(expire_tsc(&t, 50, 1000, 1000000));
}

/* Not even by rounding, nor with a host clock that runs fast, does it come early. */
TEST(tsc_deadline_is_never_early)
{
	struct lapic_timer t = make(DEADLINE, DIV_1);

	deadline(&t, 1, 0, 0, 3000000);
	EXPECT_EQ(t.expires, 1);
	deadline(&t, 3000000, 0, 0, 3000000);
	EXPECT_EQ(t.expires, 1000000);
	EXPECT_FALSE(expire_tsc(&t, 1000000, 2999700, 3000000));
	EXPECT_EQ(t.expires, 1000000 + 100);
	EXPECT_TRUE(expire_tsc(&t, 1000100, 3000000, 3000000));
}

TEST(tsc_jumps)
{
	struct lapic_timer t = make(DEADLINE, DIV_1);
	struct lapic_clock c = { .now = 100, .tsc = 4000, .khz = 1000000 };

	deadline(&t, 10000, 0, 0, 1000000);
	lapic_timer_tsc_changed(&t, &c);
	EXPECT_EQ(t.expires, 100 + 6000);
	c.khz = 2000000;
	lapic_timer_tsc_changed(&t, &c);
	EXPECT_EQ(t.expires, 100 + 3000);
	c.tsc = 20000;
	lapic_timer_tsc_changed(&t, &c);
	EXPECT_TRUE(lapic_timer_due(&t, 100));
	t = make(ONESHOT, DIV_1);
	lapic_timer_start(&t, 1000, 0);
	lapic_timer_tsc_changed(&t, &c);
	EXPECT_EQ(t.expires, 1000);
}

/* No far deadline and no odd frequency may overflow or divide by 0. */
TEST(tsc_deadline_extremes)
{
	static const u64 at[] = { 1, 1ULL << 32, 1ULL << 62, ~0ULL >> 1, ~0ULL - 1, ~0ULL };
	static const u32 khz[] = { 0, 1, 999, 1000000, 5000000, ~0U };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (j = 0; j < ARRAY_SIZE(khz); j++) {
			struct lapic_timer t = make(DEADLINE, DIV_1);
			u64 now = 1ULL << 60;

			deadline(&t, at[i], now, 0, khz[j]);
			EXPECT_TRUE(t.armed);
			EXPECT_GT(t.expires, now);
			EXPECT_LE(t.expires, (u64)S64_MAX);
		}
	}
}

TEST(restore_counts_on)
{
	struct lapic_timer t = make(ONESHOT, DIV_16);

	lapic_timer_restore(&t, 1000, 300, 50);
	EXPECT_EQ(t.expires, 50 + 16 * 300);
	EXPECT_EQ(lapic_timer_count(&t, 50), 300);
	t = make(PERIODIC, DIV_16);
	lapic_timer_restore(&t, 1000000, 300, 0);
	EXPECT_TRUE(expire(&t, 16 * 300));
	EXPECT_EQ(t.expires, 16 * 300 + 16 * 1000000);
}

/* QEMU does not save the current count: a tick too many is better than none. */
TEST(restore_without_current_count)
{
	struct lapic_timer t = make(ONESHOT, DIV_1);

	lapic_timer_restore(&t, 1000, 0, 50);
	EXPECT_TRUE(lapic_timer_due(&t, 50));
	EXPECT_TRUE(expire(&t, 50));
	t = make(PERIODIC, DIV_1);
	lapic_timer_restore(&t, 1000000, 0, 50);
	EXPECT_EQ(t.expires, 50 + 1000000);
	t = make(ONESHOT, DIV_1);
	lapic_timer_restore(&t, 0, 0, 50);
	EXPECT_FALSE(t.armed);
	lapic_timer_restore(&t, 0, 77, 50);
	EXPECT_FALSE(t.armed);
}

TEST(restore_hostile_current_count)
{
	struct lapic_timer t = make(ONESHOT, DIV_1);

	lapic_timer_restore(&t, 1000, 0xffffffff, 0);
	EXPECT_EQ(t.expires, 1000);
	t = make(PERIODIC, DIV_1);
	lapic_timer_restore(&t, 1, 0xffffffff, 0);
	EXPECT_EQ(t.expires, 200000);
	EXPECT_LE(lapic_timer_count(&t, 0), 1);
}

TEST(restore_keeps_a_deadline)
{
	struct lapic_timer t = make(DEADLINE, DIV_1);

	deadline(&t, 5000, 0, 0, 1000000);
	lapic_timer_restore(&t, 1000, 10, 0);
	EXPECT_TRUE(t.armed);
	EXPECT_EQ(t.deadline, 5000);
}

/* ---- against a counter that counts ---- */

struct counter {
	bool periodic, on;
	u64 started;		/* ns */
	u64 initial, divide;
	u64 seen;		/* zeros reached that were reported */
};

static u64 c_zeros(const struct counter *c, u64 now)
{
	u64 n = (now - c->started) / c->divide / c->initial;

	return c->periodic ? n : n > 0;
}

static u64 c_count(const struct counter *c, u64 now)
{
	u64 ticks = (now - c->started) / c->divide;

	if (!c->on || (!c->periodic && ticks >= c->initial))
		return 0;
	return c->initial - ticks % c->initial;
}

TEST(random_against_counter)
{
	const char *env = getenv("SEED");
	unsigned int n = env ? strtoul(env, NULL, 0) : time(NULL), i, j;

	tap_note("SEED=%u", n);
	srandom(n);
	for (i = 0; i < 2000 && !tap_failures; i++) {
		u32 tdcr = random() & 0xb;
		struct counter c = { .periodic = random() & 1, .on = true };
		struct lapic_timer t = make(c.periodic ? PERIODIC : ONESHOT, tdcr);
		u64 now = random();

		c.divide = t.divide;
		c.started = now;
		c.initial = 200000 + random() % 5000000;
		lapic_timer_start(&t, c.initial, now);
		for (j = 0; j < 50; j++) {
			u64 zeros;

			now += random() % (c.initial * c.divide * (random() % 3 ? 1 : 5));
			EXPECT_EQ(lapic_timer_count(&t, now), c_count(&c, now));
			zeros = c_zeros(&c, now);
			EXPECT_EQ(expire(&t, now), zeros > c.seen);
			c.seen = zeros;
			EXPECT_EQ(lapic_timer_count(&t, now), c_count(&c, now));
		}
	}
}

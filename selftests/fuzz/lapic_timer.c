// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_timer.c - any registers, any time that passes
 */
#include "fuzz.h"
#include "../../arch/x86/irqchip/lapic_timer.h"

static struct lapic_timer t;
static struct lapic_clock now;

static void check(void)
{
	u32 count = lapic_timer_count(&t, now.now);

	CHECK(t.divide >= 1 && t.divide <= 128 && hweight32(t.divide) == 1);
	CHECK(count <= t.initial);
	CHECK(count <= lapic_timer_count(&t, now.now - 1) || t.mode != LAPIC_TIMER_ONESHOT);
	if (t.mode == LAPIC_TIMER_RESERVED)
		CHECK(!t.armed);
	if (!t.armed || t.mode == LAPIC_TIMER_DEADLINE)
		CHECK_EQ(count, 0);
	if (t.armed && t.mode == LAPIC_TIMER_DEADLINE)
		CHECK(t.deadline);
	if (t.armed && t.mode == LAPIC_TIMER_PERIODIC)
		CHECK(t.period >= LAPIC_TIMER_MIN_PERIOD);
	if (t.armed && t.mode != LAPIC_TIMER_DEADLINE && t.expires > now.now)
		CHECK(t.expires - now.now <= max_t(u64, t.period, LAPIC_TIMER_MIN_PERIOD));
}

static void expire(void)
{
	bool due = lapic_timer_due(&t, now.now), tick = lapic_timer_expire(&t, &now);

	if (t.mode != LAPIC_TIMER_DEADLINE)
		CHECK_EQ(tick, due);
	if (tick && t.mode != LAPIC_TIMER_PERIODIC)
		CHECK(!t.armed);
	/* A deadline that the TSC has not reached is aimed at anew; a period is ahead. */
	CHECK(!lapic_timer_due(&t, now.now) || (t.mode == LAPIC_TIMER_DEADLINE && !tick));
	CHECK(!lapic_timer_expire(&t, &now));
}

/* When the time comes the guest's TSC, at its rate, is past the deadline. */
static void check_aim(void)
{
	unsigned __int128 ticks;

	if (!t.armed || t.mode != LAPIC_TIMER_DEADLINE || !now.khz || t.deadline <= now.tsc)
		return;
	ticks = (unsigned __int128)(t.expires - now.now) * now.khz / 1000000;
	CHECK(ticks >= t.deadline - now.tsc || t.expires - now.now >= 1ULL << 61);
}

/* A count that was running goes on from where it was, but for what a coarser step hides. */
static void divide(struct fuzz *f)
{
	u32 count = lapic_timer_count(&t, now.now), old = t.divide;
	bool ran = t.armed && t.mode == LAPIC_TIMER_ONESHOT && t.expires > now.now;

	lapic_timer_set_divide(&t, fuzz_u8(f), now.now);
	if (ran)
		CHECK(lapic_timer_count(&t, now.now) + 1ULL >= count &&
		      lapic_timer_count(&t, now.now) <= count);
	CHECK(old == t.divide || !ran || t.armed);
}

static void pass(struct fuzz *f)
{
	u64 ns = fuzz_num(f) & GENMASK_ULL(55, 0);

	now.now += ns;
	now.tsc += ns * now.khz / 1000000;
}

static void clock_changes(struct fuzz *f)
{
	now.tsc = fuzz_num(f);
	now.khz = fuzz_num(f);
	lapic_timer_tsc_changed(&t, &now);
	check_aim();
}

static void start(struct fuzz *f)
{
	u32 initial = fuzz_num(f);
	bool counts = t.mode <= LAPIC_TIMER_PERIODIC;

	lapic_timer_start(&t, initial, now.now);
	if (counts && initial && t.divide > 0)
		CHECK_EQ(lapic_timer_count(&t, now.now), t.initial);
	CHECK(!counts || t.armed == !!initial);
}

static void operate(struct fuzz *f)
{
	switch (fuzz_u8(f) % 8) {
	case 0:
		lapic_timer_set_mode(&t, fuzz_u8(f) << 17);
		break;
	case 1:
		divide(f);
		break;
	case 2:
		start(f);
		break;
	case 3:
		lapic_timer_restore(&t, fuzz_num(f), fuzz_num(f), now.now);
		break;
	case 4:
		lapic_timer_set_deadline(&t, fuzz_num(f), &now);
		check_aim();
		break;
	case 5:
		clock_changes(f);
		break;
	case 6:
		expire();
		break;
	default:
		pass(f);
	}
}

void fuzz_one(struct fuzz *f)
{
	lapic_timer_reset(&t);
	now = (struct lapic_clock){ .now = 1000000000, .tsc = fuzz_num(f), .khz = fuzz_num(f) };
	/* Time stays below what 64 bits of nanoseconds hold: 2^56 at each step. */
	while (fuzz_more(f) && now.now < BIT_ULL(62)) {
		operate(f);
		check();
	}
}

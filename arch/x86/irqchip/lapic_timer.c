// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_timer.c - the timer of one local APIC
 */
#include "lapic_timer.h"

/* A deadline is at most 100 years off. */
#define MSEC_MAX	(100ULL * 366 * 24 * 3600 * 1000)

static u64 lapic_timer_ns(const struct lapic_timer *t, u32 count)
{
	return (u64)count * t->divide * LAPIC_TIMER_NS;
}

static bool lapic_timer_counts(const struct lapic_timer *t)
{
	return t->mode == LAPIC_TIMER_ONESHOT || t->mode == LAPIC_TIMER_PERIODIC;
}

/* TSC ticks to ns, rounded up, so that the TSC is past the deadline then. */
static u64 lapic_timer_tsc_ns(u64 ticks, u32 khz)
{
	u32 rem;
	u64 ms;

	if (!khz)
		return MSEC_MAX * 1000000;
	ms = div_u64_rem(ticks, khz, &rem);
	if (ms >= MSEC_MAX)
		return MSEC_MAX * 1000000;
	return ms * 1000000 + div_u64((u64)rem * 1000000 + khz - 1, khz);
}

static void lapic_timer_set_period(struct lapic_timer *t)
{
	t->period = lapic_timer_ns(t, t->initial);
	if (t->mode == LAPIC_TIMER_PERIODIC && t->period)
		t->period = max_t(u64, t->period, LAPIC_TIMER_MIN_PERIOD);
}

void lapic_timer_reset(struct lapic_timer *t)
{
	*t = (struct lapic_timer) { .mode = LAPIC_TIMER_ONESHOT, .divide = 2 };
}

static void lapic_timer_disarm(struct lapic_timer *t)
{
	t->armed = false;
	t->initial = 0;
	t->period = 0;
	t->deadline = 0;
}

void lapic_timer_set_mode(struct lapic_timer *t, u32 lvtt)
{
	u8 mode = (lvtt >> 17) & 3;
	bool counted = lapic_timer_counts(t);

	if (mode == t->mode)
		return;
	t->mode = mode;
	if (counted && lapic_timer_counts(t))
		lapic_timer_set_period(t);
	else
		lapic_timer_disarm(t);
}

void lapic_timer_set_divide(struct lapic_timer *t, u32 tdcr, u64 now)
{
	/* Bits 3, 1 and 0 are the logarithm, less one, modulo 8. */
	u32 log = ((tdcr & 3) | (tdcr & 8) >> 1) + 1;
	u32 divide = 1U << (log & 7), old = t->divide;
	u64 left;

	t->divide = divide;
	if (divide == old || !lapic_timer_counts(t))
		return;
	lapic_timer_set_period(t);
	if (!t->armed)
		return;
	left = t->expires > now ? t->expires - now : 0;
	/* The floor under a short period may have kept it back longer than it counts. */
	t->expires = now + min(div_u64(left * divide, old), t->period);
}

void lapic_timer_start(struct lapic_timer *t, u32 initial, u64 now)
{
	if (!lapic_timer_counts(t))
		return;
	t->initial = initial;
	lapic_timer_set_period(t);
	t->armed = initial;
	t->expires = now + t->period;
}

void lapic_timer_restore(struct lapic_timer *t, u32 initial, u32 current_count, u64 now)
{
	u64 left = lapic_timer_ns(t, current_count);

	if (!lapic_timer_counts(t))
		return;
	lapic_timer_start(t, initial, now);
	if (!left && t->mode == LAPIC_TIMER_PERIODIC)
		return;
	t->expires = now + min(left, t->period);
}

static void lapic_timer_aim(struct lapic_timer *t, const struct lapic_clock *c)
{
	u64 left = t->deadline > c->tsc ? t->deadline - c->tsc : 0;

	t->armed = t->deadline;
	t->expires = c->now + lapic_timer_tsc_ns(left, c->khz);
}

void lapic_timer_set_deadline(struct lapic_timer *t, u64 deadline, const struct lapic_clock *c)
{
	if (t->mode != LAPIC_TIMER_DEADLINE)
		return;
	t->deadline = deadline;
	lapic_timer_aim(t, c);
}

void lapic_timer_tsc_changed(struct lapic_timer *t, const struct lapic_clock *c)
{
	if (t->mode == LAPIC_TIMER_DEADLINE)
		lapic_timer_aim(t, c);
}

u32 lapic_timer_count(const struct lapic_timer *t, u64 now)
{
	u64 left;

	if (!t->armed || !lapic_timer_counts(t))
		return 0;
	if (now < t->expires) {
		left = t->expires - now;
	} else if (t->mode == LAPIC_TIMER_PERIODIC) {
		/* Due, not yet delivered: already in a later period. */
		div64_u64_rem(now - t->expires, t->period, &left);
		left = t->period - left;
	} else {
		return 0;
	}
	left = div_u64(left + t->divide * LAPIC_TIMER_NS - 1, t->divide * LAPIC_TIMER_NS);
	return min_t(u64, left, t->initial);
}

static bool lapic_timer_expire_deadline(struct lapic_timer *t, const struct lapic_clock *c)
{
	if (c->tsc < t->deadline) {
		lapic_timer_aim(t, c);	/* host clock and TSC drift apart */
		return false;
	}
	lapic_timer_disarm(t);
	return true;
}

bool lapic_timer_expire(struct lapic_timer *t, const struct lapic_clock *c)
{
	u64 missed;

	if (!t->armed)
		return false;
	if (t->mode == LAPIC_TIMER_DEADLINE)
		return lapic_timer_expire_deadline(t, c);
	if (c->now < t->expires)
		return false;
	if (t->mode == LAPIC_TIMER_PERIODIC) {
		missed = div64_u64(c->now - t->expires, t->period);
		t->expires += (missed + 1) * t->period;
	} else {
		t->armed = false;
	}
	return true;
}

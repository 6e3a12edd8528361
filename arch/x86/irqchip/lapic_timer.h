/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lapic_timer.h - the timer of one local APIC
 *
 * A logic core that is told the time: host nanoseconds (of the clock the caller's
 * timer runs on) and, in TSC-deadline mode, the guest's TSC. It says when to be
 * called next; apic_timer.c owns the hrtimer. vCPU thread only.
 */
#ifndef KEEL_X86_LAPIC_TIMER_H
#define KEEL_X86_LAPIC_TIMER_H

#include <keel/core.h>

/* As encoded in LVT timer bits 18:17. */
enum lapic_timer_mode {
	LAPIC_TIMER_ONESHOT,
	LAPIC_TIMER_PERIODIC,
	LAPIC_TIMER_DEADLINE,
	LAPIC_TIMER_RESERVED,	/* never runs */
};

#define LAPIC_TIMER_NS		1	/* of an undivided count: kvm's 1 GHz */
/* A guest cannot have periodic ticks faster than this; kvm's default. */
#define LAPIC_TIMER_MIN_PERIOD	200000

struct lapic_timer {
	u8 mode;	/* enum lapic_timer_mode */
	bool armed;	/* expires is valid */
	u32 divide;	/* 1 to 128 */
	u32 initial;	/* TMICT */
	u64 period;	/* ns of the initial count; in periodic mode not below the minimum */
	u64 expires;	/* ns */
	u64 deadline;	/* guest TSC; 0: none */
};

struct lapic_clock {
	u64 now;	/* ns */
	u64 tsc;	/* the guest's, at @now */
	u32 khz;	/* of the guest's TSC */
};

void lapic_timer_reset(struct lapic_timer *t);
/* LVT timer was written. Into or out of TSC-deadline mode the timer is disarmed. */
void lapic_timer_set_mode(struct lapic_timer *t, u32 lvtt);
/* Divide configuration was written: a running count goes on from where it is. */
void lapic_timer_set_divide(struct lapic_timer *t, u32 tdcr, u64 now);
/* Initial count was written; 0 stops. */
void lapic_timer_start(struct lapic_timer *t, u32 initial, u64 now);
/*
 * From KVM_SET_LAPIC: both counts. A current count of 0 beside an initial one is a
 * one-shot that is due: userspace may not have saved the current count.
 */
void lapic_timer_restore(struct lapic_timer *t, u32 initial, u32 current_count, u64 now);
/* IA32_TSC_DEADLINE was written; 0 disarms. Ignored in other modes. */
void lapic_timer_set_deadline(struct lapic_timer *t, u64 deadline, const struct lapic_clock *c);
/* The guest's TSC jumped or changed its rate. */
void lapic_timer_tsc_changed(struct lapic_timer *t, const struct lapic_clock *c);

/* The current count register. */
u32 lapic_timer_count(const struct lapic_timer *t, u64 now);

static inline bool lapic_timer_due(const struct lapic_timer *t, u64 now)
{
	return t->armed && now >= t->expires;
}

/*
 * lapic_timer_expire() - true if a tick is to be delivered, and then the timer is
 * disarmed or set for its next period. Periods that were missed make one tick.
 * Call it whenever lapic_timer_due(); more often is harmless.
 */
bool lapic_timer_expire(struct lapic_timer *t, const struct lapic_clock *c);

#endif

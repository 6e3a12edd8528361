// SPDX-License-Identifier: GPL-2.0
/*
 * pit_irq_test.c - IRQ 0, the ticks that wait for it, and the state that userspace
 * gets and sets
 */
#include "pit_test.h"

TEST(irq0_never_without_a_count)
{
	setup();
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
	EXPECT_FALSE(pit_expire(&p, T0 + 1000000000));
	out(CTL, 0x34, T0);
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
	out(C0, 0x10, T0);
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
	out(C0, 0x10, T0);
	EXPECT_NE(pit_due(&p), PIT_NEVER);
}

TEST(irq0_at_the_rise_of_out)
{
	static const struct { u8 mode; u64 at, next; } m[] = {
		{ 0, 1000, 0 }, { 2, 1000, 2000 }, { 3, 1000, 2000 }, { 4, 1001, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m); i++) {
		start0(m[i].mode, 1000);
		EXPECT_GE(pit_due(&p), at(m[i].at) - 1);
		EXPECT_LE(pit_due(&p), at(m[i].at) + 1);
		EXPECT_FALSE(pit_out(&p, 0, at(m[i].at - 1)));
		EXPECT_TRUE(pit_out(&p, 0, pit_due(&p)));
		EXPECT_FALSE(pit_expire(&p, pit_due(&p) - 1));
		EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
		if (!m[i].next) {
			EXPECT_EQ(pit_due(&p), PIT_NEVER);
			continue;
		}
		EXPECT_GE(pit_due(&p), at(m[i].next) - 1);
		EXPECT_LE(pit_due(&p), at(m[i].next) + 1);
	}
}

TEST(irq0_never_in_the_triggered_modes)
{
	start0(1, 1000);
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
	start0(5, 1000);
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
}

TEST(irq0_frequency)
{
	u64 n = 0;

	start0(2, 11932);		/* Linux at 100 Hz */
	while (pit_due(&p) <= T0 + 10 * KEEL_NSEC_PER_SEC) {
		EXPECT_EQ(pit_expire(&p, pit_due(&p)), n == 0);
		n++;
	}
	EXPECT_EQ(n, 10 * 1193182 / 11932);
}

TEST(irq0_takes_a_new_count)
{
	start0(2, 60000);
	pit_expire(&p, pit_due(&p));
	count(C0, 6000, at(100000));
	EXPECT_LE(pit_due(&p), at(120000) + 1);
	EXPECT_GE(pit_due(&p), at(120000) - 1);
	pit_expire(&p, pit_due(&p));
	EXPECT_LE(pit_due(&p), at(126000) + 2);
	EXPECT_GE(pit_due(&p), at(126000) - 2);

	start0(3, 60000);
	pit_expire(&p, pit_due(&p));
	count(C0, 6000, at(100000));		/* in the low half, which ends at 120000 */
	EXPECT_LE(pit_due(&p), at(120000) + 1);
	EXPECT_GE(pit_due(&p), at(120000) - 1);

	start0(3, 60000);
	pit_expire(&p, pit_due(&p));
	count(C0, 6000, at(70000));		/* in the high half, which ends at 90000 */
	EXPECT_LE(pit_due(&p), at(93000) + 2);
	EXPECT_GE(pit_due(&p), at(93000) - 2);
}

TEST(irq0_a_due_tick_is_not_lost_by_other_accesses)
{
	u64 due;

	start0(2, 1000);
	due = pit_due(&p);
	out(CTL, 0x00, due + 100);		/* a latch, before the timer runs */
	out(CTL, 0xb6, due + 100);
	EXPECT_EQ(pit_due(&p), due);
	EXPECT_TRUE(pit_expire(&p, due + 200));
}

TEST(irq0_a_control_word_stops_it)
{
	start0(2, 60000);
	out(CTL, 0x34, at(1000));
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
}

TEST(irq0_is_not_faster_than_allowed)
{
	u64 last, i;

	start0(2, 1);
	last = T0;
	for (i = 0; i < 100; i++) {
		EXPECT_GE(pit_due(&p), i ? last + PIT_MIN_PERIOD_NS : last);
		last = pit_due(&p);
		pit_expire(&p, last);
	}
	/* Nor by writing the count again and again. */
	for (i = 0; i < 100; i++) {
		out(CTL, 0x10, last + 1);
		out(C0, 1, last + 1);
		EXPECT_GE(pit_due(&p), last + PIT_MIN_PERIOD_NS);
	}
}

TEST(hpet_legacy_silences_irq0)
{
	struct kvm_pit_state2 s;

	start0(2, 1000);
	pit_get(&p, &s, at(10));
	s.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	pit_set(&p, &s, at(10));
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
	EXPECT_FALSE(pit_expire(&p, at(100000)));
	out(CTL, 0x34, at(20));
	count(C0, 1000, at(20));
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
	EXPECT_EQ(latched(0, at(20)), 1000);	/* it counts all the same */
	pit_get(&p, &s, at(30));
	EXPECT_EQ(s.flags, KVM_PIT_FLAGS_HPET_LEGACY);
	s.flags = 0;
	pit_set(&p, &s, at(30));
	EXPECT_NE(pit_due(&p), PIT_NEVER);
}

/* ---- ticks that wait ---- */

static void ticks(unsigned int n)
{
	while (n--)
		pit_expire(&p, pit_due(&p));
}

TEST(reinjection_repeats_what_was_missed)
{
	start0(2, 1000);
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
	EXPECT_FALSE(pit_expire(&p, pit_due(&p)));	/* the first is not ended */
	EXPECT_FALSE(pit_expire(&p, pit_due(&p)));
	EXPECT_TRUE(pit_ack(&p));
	EXPECT_TRUE(pit_ack(&p));
	EXPECT_FALSE(pit_ack(&p));			/* three in all */
	EXPECT_FALSE(pit_ack(&p));
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
}

TEST(reinjection_counts_a_late_timer)
{
	u64 due, n;

	start0(2, 1000);
	due = pit_due(&p);
	EXPECT_TRUE(pit_expire(&p, at(5500)));		/* five have passed */
	for (n = 1; pit_ack(&p); n++)
		;
	EXPECT_EQ(n, 5);
	EXPECT_GT(pit_due(&p), due);
	EXPECT_LE(pit_due(&p), at(6000) + 1);
	EXPECT_GE(pit_due(&p), at(6000) - 1);
}

TEST(without_reinjection_nothing_waits)
{
	start0(2, 1000);
	pit_set_reinject(&p, false);
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
	EXPECT_FALSE(pit_ack(&p));
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
}

TEST(change_of_policy_forgets)
{
	start0(2, 1000);
	ticks(5);
	pit_set_reinject(&p, true);			/* as it was */
	EXPECT_TRUE(pit_ack(&p));
	pit_set_reinject(&p, false);
	pit_set_reinject(&p, true);
	EXPECT_FALSE(pit_ack(&p));
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
}

TEST(forget_lets_the_next_tick_through)
{
	start0(2, 1000);
	ticks(5);
	pit_forget(&p);
	EXPECT_FALSE(pit_ack(&p));
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
}

TEST(backlog_is_bounded)
{
	unsigned int i;
	u64 now = T0;

	start0(2, 1000);
	for (i = 0; i < 64; i++) {
		now += 1ULL << 57;
		pit_expire(&p, now);
	}
	EXPECT_LE(p.backlog, U32_MAX / 2);
	EXPECT_GT(p.backlog, 1000000);
	EXPECT_TRUE(pit_ack(&p));
}

/* ---- state ---- */

TEST(state_of_a_channel)
{
	struct kvm_pit_state2 s;
	unsigned int i;

	setup();
	pit_get(&p, &s, T0);
	EXPECT_EQ(s.flags, 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(s.channels[i].count, 0x10000);
		EXPECT_EQ(s.channels[i].mode, 0xff);
		EXPECT_EQ(s.channels[i].gate, i != 2);
	}

	start2(3, 0);
	out(SPK, 3, T0);
	out(C2, 0x12, T0);		/* half a count */
	out(CTL, 0xd8, at(100));	/* latch */
	in(C2, at(100));		/* and read half of it */
	pit_get(&p, &s, at(100));
	EXPECT_EQ(s.flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	EXPECT_EQ(s.channels[2].count, 0x10000);
	EXPECT_EQ(s.channels[2].mode, 3);
	EXPECT_EQ(s.channels[2].rw_mode, 3);
	EXPECT_EQ(s.channels[2].write_state, 4);
	EXPECT_EQ(s.channels[2].write_latch, 0x12);
	EXPECT_EQ(s.channels[2].read_state, 3);
	EXPECT_EQ(s.channels[2].count_latched, 2);
	EXPECT_EQ(s.channels[2].latched_count, 0x10000 - 200);
	EXPECT_EQ(s.channels[2].bcd, 0);
	EXPECT_EQ(s.channels[2].gate, 1);
	EXPECT_EQ(s.channels[2].count_load_time, T0);
	for (i = 0; i < 9; i++)
		EXPECT_EQ(s.reserved[i], 0);
}

TEST(load_time_tells_userspace_the_output)
{
	struct kvm_pit_state2 s;

	/* A VMM that emulates port 0x61 computes OUT from this. */
	start2(0, 1000);
	pit_get(&p, &s, at(700));
	EXPECT_EQ(s.channels[2].count_load_time, T0);
	out(SPK, 0, at(700));
	pit_get(&p, &s, at(5000));
	EXPECT_LE(s.channels[2].count_load_time, at(4300) + 1);
	EXPECT_GE(s.channels[2].count_load_time, at(4300) - 1);
}

TEST(set_starts_counts_anew)
{
	struct kvm_pit_state2 s;

	start0(2, 6000);
	out(CTL, 0xb0, T0);
	count(C2, 1000, T0);
	out(SPK, 3, T0);
	pit_get(&p, &s, at(500));
	setup();
	pit_set(&p, &s, at(100000));
	EXPECT_EQ(latched(0, at(100000)), 6000);
	EXPECT_LE(pit_due(&p), at(106000) + 1);
	EXPECT_GE(pit_due(&p), at(106000) - 1);
	EXPECT_FALSE(pit_out(&p, 2, at(100999)));
	EXPECT_TRUE(pit_out(&p, 2, at(101001)));
	EXPECT_EQ(in(SPK, at(100000)) & 3, 3);
}

TEST(set_continues_half_done_accesses)
{
	struct kvm_pit_state2 s;

	start2(2, 0x1234);
	out(CTL, 0x80, T0);
	EXPECT_EQ(in(C2, T0), 0x34);
	pit_get(&p, &s, T0);
	setup();
	pit_set(&p, &s, at(50));
	EXPECT_EQ(in(C2, at(50)), 0x12);

	start2(2, 0x1234);
	out(CTL, 0xe8, T0);
	pit_get(&p, &s, T0);
	setup();
	pit_set(&p, &s, at(50));
	EXPECT_EQ(in(C2, at(50)), 0xb4);
}

TEST(set_continues_unlatched_accesses)
{
	struct kvm_pit_state2 s;

	start2(2, 0x1234);
	EXPECT_EQ(in(C2, T0), 0x34);		/* MSB is next */
	out(C2, 0x55, T0);			/* and of a write as well */
	pit_get(&p, &s, T0);
	EXPECT_EQ(s.channels[2].read_state, 4);
	EXPECT_EQ(s.channels[2].write_state, 4);
	setup();
	pit_set(&p, &s, at(50));
	EXPECT_EQ(in(C2, at(50)), 0x12);
	out(SPK, 0, at(50));
	out(C2, 0x66, at(50));
	EXPECT_EQ(latched(2, at(50)), 0x6655);
}

TEST(set_forgets_waiting_ticks)
{
	struct kvm_pit_state2 s;

	start0(2, 1000);
	ticks(4);
	pit_get(&p, &s, pit_due(&p) - 1);
	pit_set(&p, &s, pit_due(&p) - 1);
	EXPECT_FALSE(pit_ack(&p));
	EXPECT_TRUE(pit_expire(&p, pit_due(&p)));
}

static void check_state(void)
{
	struct kvm_pit_state2 s;
	unsigned int i;

	pit_get(&p, &s, T0);
	EXPECT_EQ(s.flags & ~3, 0);
	for (i = 0; i < 3; i++) {
		const struct kvm_pit_channel_state *c = &s.channels[i];

		EXPECT_GE(c->count, 1);
		EXPECT_LE(c->count, 0x10000);
		EXPECT_TRUE(c->mode < 6 || c->mode == 0xff);
		EXPECT_LE(c->rw_mode, 3);
		EXPECT_LE(c->read_state, 4);
		EXPECT_LE(c->write_state, 4);
		EXPECT_LE(c->count_latched, 3);
		EXPECT_LE(c->status_latched, 1);
		EXPECT_LE(c->bcd, 1);
		EXPECT_LE(c->gate, 1);
	}
}

TEST(hostile_state_is_brought_into_range)
{
	struct kvm_pit_state2 s;
	unsigned int i;

	setup();
	memset(&s, 0xff, sizeof(s));
	pit_set(&p, &s, T0);
	check_state();
	memset(&s, 0, sizeof(s));
	pit_set(&p, &s, T0);
	check_state();
	for (i = 6; i < 256; i++) {
		s.channels[0].mode = i;
		pit_set(&p, &s, T0);
		check_state();
	}
}

/* ---- whatever is done, these hold ---- */

static unsigned int seed;

static u32 rnd(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 8;
}

static void random_access(u64 now)
{
	static const u16 ports[] = { 0x40, 0x41, 0x42, 0x43, 0x43, 0x61, 0x44, 0x3f };
	struct kvm_pit_state2 s;
	unsigned int j;
	u8 *b = (u8 *)&s;

	switch (rnd() % 16) {
	case 0 ... 7:
		out(ports[rnd() % 8], rnd(), now);
		break;
	case 8 ... 12:
		in(ports[rnd() % 8], now);
		break;
	case 13:
		pit_ack(&p);
		break;
	case 14:
		pit_set_reinject(&p, rnd() & 1);
		break;
	default:
		if (rnd() % 64)
			break;
		for (j = 0; j < sizeof(s); j++)
			b[j] = rnd();
		pit_set(&p, &s, now);
		check_state();
	}
}

TEST(random_accesses)
{
	unsigned int i, start = 0x8254;
	u64 now = T0, last_pulse = 0, due;

	seed = start;
	setup();
	for (i = 0; i < 400000 && !tap_failures; i++) {
		now += rnd() % 4 ? rnd() % 2000 : rnd() % 20000000;
		due = pit_due(&p);
		if (now >= due) {
			u32 waited = p.backlog;
			bool pulse = pit_expire(&p, now);

			EXPECT_EQ(pulse, !p.reinject || !waited);
			EXPECT_GE(now, last_pulse + PIT_MIN_PERIOD_NS);
			EXPECT_GT(pit_due(&p), now);
			last_pulse = now;
		}
		random_access(now);
		EXPECT_EQ(p.waiting, p.backlog > 0);
		if (p.hpet_legacy && due == PIT_NEVER)
			EXPECT_EQ(pit_due(&p), PIT_NEVER);
	}
	if (tap_failures)
		tap_note("seed 0x%x, step %u", start, i);
}

/* OUT, sampled every CLK by hand, rises exactly when the timer says so. */
TEST(random_counts_rise_when_due)
{
	unsigned int i, start = 0x8255;

	seed = start;
	for (i = 0; i < 300 && !tap_failures; i++) {
		static const u8 modes[] = { 0, 2, 3, 4 };
		u32 n = 300 + rnd() % 3000, m = 300 + rnd() % 3000, t, when = rnd() % (3 * n);
		u8 mode = modes[rnd() % 4];
		bool was, is;

		setup();
		pit_set_reinject(&p, false);
		out(CTL, 0x30 | mode << 1, T0);
		count(C0, n, T0);
		was = pit_out(&p, 0, T0);
		for (t = 1; t < 20000 && !tap_failures; t++) {
			/* In the middle of the CLK, clear of roundings. */
			u64 now = at(t) + 400;
			bool tick = pit_due(&p) <= now && pit_expire(&p, now);

			is = pit_out(&p, 0, now);
			EXPECT_EQ(tick, is && !was);
			was = is;
			if (t == when && (mode == 2 || mode == 3))
				count(C0, m, now);
		}
		if (tap_failures)
			tap_note("mode %u, count %u, then %u at %u, fails at %u", mode, n, m,
				 when, t);
	}
	if (tap_failures)
		tap_note("seed 0x%x, round %u", start, i);
}

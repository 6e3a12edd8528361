// SPDX-License-Identifier: GPL-2.0
/*
 * pit_test.c - the timer against the rules of Intel's 8254 data sheet
 */
#include "pit_test.h"

TEST(mode_0_terminal_count)
{
	start2(0, 1000);
	EXPECT_FALSE(pit_out(&p, 2, T0));
	EXPECT_EQ(latched(2, T0), 1000);
	EXPECT_EQ(latched(2, at(1)), 999);
	EXPECT_EQ(latched(2, at(999)), 1);
	EXPECT_FALSE(pit_out(&p, 2, at(999)));
	EXPECT_TRUE(pit_out(&p, 2, at(1000)));
	EXPECT_EQ(latched(2, at(1000)), 0);
	EXPECT_EQ(latched(2, at(1001)), 0xffff);	/* counts on */
	EXPECT_TRUE(pit_out(&p, 2, at(100000)));	/* and stays high */
	out(C2, 5, at(100000));				/* half a count: low at once */
	EXPECT_FALSE(pit_out(&p, 2, at(100000)));
	out(C2, 0, at(100000));
	EXPECT_FALSE(pit_out(&p, 2, at(100004)));
	EXPECT_TRUE(pit_out(&p, 2, at(100006)));
}

TEST(mode_0_gate_stops_counting)
{
	start2(0, 1000);
	out(SPK, 0, at(300));
	EXPECT_EQ(latched(2, at(300)), 700);
	EXPECT_EQ(latched(2, at(5000)), 700);
	EXPECT_FALSE(pit_out(&p, 2, at(5000)));
	out(SPK, 1, at(5000));
	EXPECT_EQ(latched(2, at(5500)), 200);
	EXPECT_FALSE(pit_out(&p, 2, at(5690)));
	EXPECT_TRUE(pit_out(&p, 2, at(5701)));
	out(SPK, 0, at(6000));
	EXPECT_TRUE(pit_out(&p, 2, at(6000)));		/* no effect on OUT */
}

TEST(mode_0_count_written_with_gate_low)
{
	setup();
	out(CTL, 0xb0, T0);
	count(C2, 100, T0);
	EXPECT_FALSE(pit_out(&p, 2, at(5000)));
	EXPECT_EQ(latched(2, at(5000)), 100);
	out(SPK, 1, at(5000));
	EXPECT_FALSE(pit_out(&p, 2, at(5098)));
	EXPECT_TRUE(pit_out(&p, 2, at(5101)));
}

TEST(mode_0_new_count_while_stopped)
{
	start2(0, 1000);
	out(SPK, 0, at(300));
	count(C2, 500, at(400));
	EXPECT_EQ(latched(2, at(600)), 500);
	out(SPK, 1, at(1000));
	EXPECT_EQ(latched(2, at(1000) + 400), 500);
	EXPECT_FALSE(pit_out(&p, 2, at(1498)));
	EXPECT_TRUE(pit_out(&p, 2, at(1501)));
}

TEST(mode_1_needs_a_trigger)
{
	setup();
	out(CTL, 0xb2, T0);
	count(C2, 1000, T0);
	EXPECT_TRUE(pit_out(&p, 2, at(5000)));
	out(SPK, 1, at(5000));
	EXPECT_FALSE(pit_out(&p, 2, at(5001)));
	EXPECT_FALSE(pit_out(&p, 2, at(5998)));
	EXPECT_TRUE(pit_out(&p, 2, at(6001)));
}

TEST(mode_1_runs_out_with_the_gate_low)
{
	setup();
	out(CTL, 0xb2, T0);
	count(C2, 1000, T0);
	EXPECT_EQ(latched(2, at(700)), 1000);		/* waits for the trigger */
	out(SPK, 1, at(1000));
	out(SPK, 0, at(1300));
	EXPECT_EQ(latched(2, at(1500) + 400), 500);
	EXPECT_FALSE(pit_out(&p, 2, at(1998)));
	EXPECT_TRUE(pit_out(&p, 2, at(2001)));
}

TEST(mode_1_programmed_anew_waits_for_a_trigger)
{
	setup();
	out(CTL, 0xb2, T0);
	count(C2, 1000, T0);
	out(SPK, 1, T0);
	EXPECT_FALSE(pit_out(&p, 2, at(10)));
	out(CTL, 0xb2, at(20));
	EXPECT_TRUE(pit_out(&p, 2, at(20)));
	count(C2, 1000, at(20));
	EXPECT_TRUE(pit_out(&p, 2, at(30)));
}

TEST(mode_1_retriggers)
{
	setup();
	out(CTL, 0xb2, T0);
	count(C2, 1000, T0);
	out(SPK, 1, T0);
	out(SPK, 0, at(500));
	EXPECT_FALSE(pit_out(&p, 2, at(500)));		/* the gate's level is nothing to it */
	out(SPK, 1, at(900));
	EXPECT_FALSE(pit_out(&p, 2, at(1800)));
	EXPECT_TRUE(pit_out(&p, 2, at(1901)));

	/* A new count does not affect the shot, but the next. */
	out(SPK, 0, at(2000));
	out(SPK, 1, at(2000));
	count(C2, 10, at(2100));
	EXPECT_FALSE(pit_out(&p, 2, at(2990)));
	EXPECT_TRUE(pit_out(&p, 2, at(3001)));
	out(SPK, 0, at(4000));
	out(SPK, 1, at(4000));
	EXPECT_FALSE(pit_out(&p, 2, at(4008)));
	EXPECT_TRUE(pit_out(&p, 2, at(4011)));
}

TEST(mode_2_rate_generator)
{
	u64 base;

	start2(2, 100);
	for (base = 0; base <= 300; base += 100) {
		EXPECT_TRUE(pit_out(&p, 2, at(base)));
		EXPECT_EQ(latched(2, at(base)), 100);
		EXPECT_TRUE(pit_out(&p, 2, at(base + 98)));
		EXPECT_EQ(latched(2, at(base + 98)), 2);
		EXPECT_FALSE(pit_out(&p, 2, at(base + 99)));	/* low while the count is 1 */
		EXPECT_EQ(latched(2, at(base + 99)), 1);
	}
}

TEST(mode_2_gate)
{
	start2(2, 100);
	out(SPK, 0, at(99));
	EXPECT_TRUE(pit_out(&p, 2, at(99)));		/* high at once */
	EXPECT_TRUE(pit_out(&p, 2, at(199)));
	out(SPK, 1, at(1050));				/* starts anew */
	EXPECT_EQ(latched(2, at(1050)), 100);
	EXPECT_TRUE(pit_out(&p, 2, at(1147)));
	EXPECT_FALSE(pit_out(&p, 2, at(1149) + 300));
}

TEST(mode_2_new_count_at_the_end_of_the_cycle)
{
	start2(2, 1000);
	count(C2, 10, at(2500));
	EXPECT_EQ(latched(2, at(2600)), 400);
	EXPECT_TRUE(status(2, at(2600)) & 0x40);	/* null count: not loaded yet */
	EXPECT_FALSE(pit_out(&p, 2, at(2999)));
	EXPECT_EQ(latched(2, at(3000)), 10);
	EXPECT_FALSE(status(2, at(3000)) & 0x40);
	EXPECT_FALSE(pit_out(&p, 2, at(3009)));
	EXPECT_TRUE(pit_out(&p, 2, at(3010)));
	EXPECT_FALSE(pit_out(&p, 2, at(3019)));
}

TEST(mode_2_last_count_written_counts)
{
	start2(2, 1000);
	count(C2, 10, at(100));
	out(SPK, 0, at(200));
	count(C2, 20, at(300));			/* stopped: loaded at once */
	EXPECT_FALSE(status(2, at(300)) & 0x40);
	out(SPK, 1, at(400));
	EXPECT_EQ(latched(2, at(400)), 20);
	EXPECT_EQ(latched(2, at(405) + 400), 15);

	start2(2, 1000);
	count(C2, 10, at(100));
	count(C2, 20, at(200));
	EXPECT_EQ(latched(2, at(1000)), 20);

	start2(2, 1000);
	count(C2, 10, at(100));
	out(SPK, 0, at(200));
	out(SPK, 1, at(300));			/* a trigger loads the new count */
	EXPECT_EQ(latched(2, at(300)), 10);
}

TEST(mode_2_new_count_after_the_gate_has_moved)
{
	start2(2, 1000);
	out(SPK, 0, at(100));
	out(SPK, 1, at(200));
	out(SPK, 0, at(300));
	count(C2, 20, at(300));
	EXPECT_EQ(latched(2, at(300)), 20);
}

TEST(mode_2_new_count_is_seen_by_every_reader)
{
	struct kvm_pit_state2 s;

	start2(2, 0x2000);
	count(C2, 0x1000, at(100));
	EXPECT_EQ(in(C2, at(0x2010)), 0xf0);	/* not latched */
	EXPECT_EQ(in(C2, at(0x2010)), 0x0f);

	start0(2, 0x2000);
	count(C0, 0x1000, at(100));
	EXPECT_EQ(in(C0, at(0x2010)), 0xf0);
	EXPECT_EQ(in(C0, at(0x2010)), 0x0f);
	start0(2, 0x2000);
	count(C0, 0x1000, at(100));
	EXPECT_EQ(latched(0, at(0x2010)), 0x0ff0);

	start2(2, 0x2000);
	count(C2, 0x1000, at(100));
	pit_get(&p, &s, at(200));
	EXPECT_EQ(s.channels[2].count, 0x1000);	/* the count that was written */
	EXPECT_EQ(s.channels[2].count_load_time, T0);
	pit_get(&p, &s, at(0x2010));
	EXPECT_EQ(s.channels[2].count, 0x1000);
	EXPECT_GE(s.channels[2].count_load_time, at(0x2000) - 1);
	EXPECT_LE(s.channels[2].count_load_time, at(0x2000) + 1);
}

TEST(mode_2_new_count_seen_much_later)
{
	start2(2, 1000);
	count(C2, 10, at(2500));
	EXPECT_EQ(latched(2, at(9003)), 7);
}

TEST(mode_3_even_square_wave)
{
	u64 base;

	start2(3, 100);
	for (base = 0; base <= 300; base += 100) {
		EXPECT_TRUE(pit_out(&p, 2, at(base)));
		EXPECT_EQ(latched(2, at(base)), 100);
		EXPECT_EQ(latched(2, at(base + 1)), 98);
		EXPECT_EQ(latched(2, at(base + 49)), 2);
		EXPECT_TRUE(pit_out(&p, 2, at(base + 49)));
		EXPECT_FALSE(pit_out(&p, 2, at(base + 50)));
		EXPECT_EQ(latched(2, at(base + 50)), 100);
		EXPECT_EQ(latched(2, at(base + 99)), 2);
		EXPECT_FALSE(pit_out(&p, 2, at(base + 99)));
	}
}

TEST(mode_3_odd_square_wave)
{
	start2(3, 5);
	EXPECT_EQ(latched(2, at(0)), 4);
	EXPECT_EQ(latched(2, at(1)), 2);
	EXPECT_EQ(latched(2, at(2)), 0);
	EXPECT_TRUE(pit_out(&p, 2, at(2)));		/* high for (N + 1) / 2 */
	EXPECT_FALSE(pit_out(&p, 2, at(3)));
	EXPECT_EQ(latched(2, at(3)), 4);
	EXPECT_EQ(latched(2, at(4)), 2);
	EXPECT_FALSE(pit_out(&p, 2, at(4)));
	EXPECT_TRUE(pit_out(&p, 2, at(5)));
}

TEST(mode_3_new_count_at_the_end_of_the_half)
{
	start2(3, 1000);
	count(C2, 100, at(2200));
	EXPECT_TRUE(pit_out(&p, 2, at(2499)));
	EXPECT_FALSE(pit_out(&p, 2, at(2501)));		/* low half of the new count */
	EXPECT_FALSE(pit_out(&p, 2, at(2549)));
	EXPECT_TRUE(pit_out(&p, 2, at(2551)));
	EXPECT_FALSE(pit_out(&p, 2, at(2601)));

	start2(3, 1000);
	count(C2, 100, at(2700));
	EXPECT_FALSE(pit_out(&p, 2, at(2998)));
	EXPECT_TRUE(pit_out(&p, 2, at(3001)));
	EXPECT_TRUE(pit_out(&p, 2, at(3048)));
	EXPECT_FALSE(pit_out(&p, 2, at(3051)));
}

TEST(mode_3_new_count_at_the_edge_of_a_half)
{
	start2(3, 1000);
	count(C2, 100, at(500));		/* the low half has just begun */
	EXPECT_FALSE(pit_out(&p, 2, at(998)));
	EXPECT_TRUE(pit_out(&p, 2, at(1001)));
	EXPECT_FALSE(pit_out(&p, 2, at(1051)));
}

TEST(mode_3_gate)
{
	start2(3, 100);
	out(SPK, 0, at(60));
	EXPECT_TRUE(pit_out(&p, 2, at(60)));
	EXPECT_TRUE(pit_out(&p, 2, at(160)));
	out(SPK, 1, at(1000));
	EXPECT_TRUE(pit_out(&p, 2, at(1048)));
	EXPECT_FALSE(pit_out(&p, 2, at(1051)));
}

TEST(mode_4_software_strobe)
{
	start2(4, 1000);
	EXPECT_TRUE(pit_out(&p, 2, T0));
	EXPECT_TRUE(pit_out(&p, 2, at(999)));
	EXPECT_FALSE(pit_out(&p, 2, at(1000)));
	EXPECT_TRUE(pit_out(&p, 2, at(1001)));
	EXPECT_TRUE(pit_out(&p, 2, at(66536)));		/* once */
	count(C2, 10, at(70000));
	EXPECT_TRUE(pit_out(&p, 2, at(70008)));
	EXPECT_FALSE(pit_out(&p, 2, at(70010) + 400));
}

TEST(mode_5_hardware_strobe)
{
	setup();
	out(CTL, 0xba, T0);
	count(C2, 1000, T0);
	EXPECT_TRUE(pit_out(&p, 2, at(1000)));
	out(SPK, 1, at(2000));
	EXPECT_TRUE(pit_out(&p, 2, at(2998)));
	EXPECT_FALSE(pit_out(&p, 2, at(3000) + 400));
	EXPECT_TRUE(pit_out(&p, 2, at(3002)));
	out(SPK, 0, at(4000));
	out(SPK, 1, at(4000));
	EXPECT_FALSE(pit_out(&p, 2, at(5000) + 400));
}

TEST(modes_6_and_7_are_2_and_3)
{
	struct kvm_pit_state2 s;

	setup();
	out(CTL, 0xbc, T0);
	pit_get(&p, &s, T0);
	EXPECT_EQ(s.channels[2].mode, 2);
	out(CTL, 0xbe, T0);
	pit_get(&p, &s, T0);
	EXPECT_EQ(s.channels[2].mode, 3);
}

TEST(count_0_is_the_greatest)
{
	start2(0, 0);
	EXPECT_FALSE(pit_out(&p, 2, at(65535)));
	EXPECT_TRUE(pit_out(&p, 2, at(65536)));
	EXPECT_EQ(latched(2, at(1)), 0xffff);

	setup();
	out(SPK, 1, T0);
	out(CTL, 0xb1, T0);		/* BCD */
	count(C2, 0, T0);
	EXPECT_EQ(latched(2, at(1)), 0x9999);
	EXPECT_FALSE(pit_out(&p, 2, at(9999)));
	EXPECT_TRUE(pit_out(&p, 2, at(10000)));
}

TEST(bcd_counts)
{
	setup();
	out(SPK, 1, T0);
	out(CTL, 0xb1, T0);
	count(C2, 0x1234, T0);
	EXPECT_EQ(latched(2, T0), 0x1234);
	EXPECT_EQ(latched(2, at(35)), 0x1199);
	EXPECT_FALSE(pit_out(&p, 2, at(1233)));
	EXPECT_TRUE(pit_out(&p, 2, at(1234)));
	EXPECT_EQ(latched(2, at(1235)), 0x9999);
	EXPECT_EQ(status(2, at(1235)) & 0x3f, 0x31);
}

TEST(byte_access_modes)
{
	setup();
	out(SPK, 1, T0);
	out(CTL, 0x90, T0);		/* LSB only: the MSB is 0 */
	out(C2, 0x64, T0);
	EXPECT_EQ(in(C2, at(4)), 0x60);
	EXPECT_EQ(in(C2, at(4)), 0x60);
	EXPECT_TRUE(pit_out(&p, 2, at(100)));

	setup();
	out(SPK, 1, T0);
	out(CTL, 0xa0, T0);		/* MSB only: the LSB is 0 */
	out(C2, 0x02, T0);
	EXPECT_EQ(in(C2, at(1)), 0x01);
	EXPECT_FALSE(pit_out(&p, 2, at(511)));
	EXPECT_TRUE(pit_out(&p, 2, at(512)));

	start2(0, 0x1234);
	EXPECT_EQ(in(C2, T0), 0x34);
	EXPECT_EQ(in(C2, T0), 0x12);
	EXPECT_EQ(in(C2, T0), 0x34);
	out(CTL, 0xb0, T0);		/* a control word begins with the LSB again */
	count(C2, 0x4321, T0);
	EXPECT_EQ(in(C2, T0), 0x21);
}

TEST(counter_latch)
{
	start2(2, 0x2000);
	out(CTL, 0x80, at(0x10));
	out(CTL, 0x80, at(0x20));	/* ignored until the first is read */
	EXPECT_EQ(in(C2, at(0x30)), 0xf0);
	EXPECT_EQ(in(C2, at(0x30)), 0x1f);
	EXPECT_EQ(in(C2, at(0x30)), 0xd0);	/* unlatched again */
	in(C2, at(0x30));
	out(CTL, 0x80, at(0x40));
	EXPECT_EQ(in(C2, at(0x50)), 0xc0);
	EXPECT_EQ(in(C2, at(0x50)), 0x1f);
}

TEST(a_control_word_drops_the_latches)
{
	start2(2, 0x2000);
	out(CTL, 0xc8, at(0x10));	/* count and status */
	out(CTL, 0xb0, at(0x10));
	count(C2, 0x1111, at(0x10));
	EXPECT_EQ(in(C2, at(0x10)), 0x11);
}

TEST(read_back_of_several_channels)
{
	start2(2, 0x2000);
	out(CTL, 0x34, T0);
	count(C0, 0x1000, T0);
	out(CTL, 0xda, at(8));		/* count, channels 0 and 2 */
	EXPECT_EQ(in(C0, at(100)), 0xf8);
	EXPECT_EQ(in(C0, at(100)), 0x0f);
	EXPECT_EQ(in(C2, at(100)), 0xf8);
	EXPECT_EQ(in(C2, at(100)), 0x1f);
}

TEST(read_back_leaves_the_others_alone)
{
	start2(2, 0x2000);
	out(CTL, 0x34, T0);
	count(C0, 0x1000, T0);
	out(CTL, 0x74, T0);
	count(C0 + 1, 0x3000, T0);
	out(CTL, 0xd4, at(8));		/* count, channel 1 */
	EXPECT_EQ(in(C0, at(16)), 0xf0);
	EXPECT_EQ(in(C0 + 1, at(16)), 0xf8);
	EXPECT_EQ(in(C2, at(16)), 0xf0);
	out(CTL, 0xc0, at(24));		/* nobody */
	EXPECT_EQ(in(C0, at(32)), 0x0f);
	EXPECT_EQ(in(C2, at(32)), 0x1f);
}

TEST(read_back_status)
{
	setup();
	out(SPK, 1, T0);
	out(CTL, 0xb4, T0);
	EXPECT_EQ(status(2, T0), 0xf4);		/* OUT, null count, both bytes, mode 2 */
	count(C2, 100, T0);
	EXPECT_EQ(status(2, T0), 0xb4);
	EXPECT_EQ(status(2, at(99)), 0x34);	/* OUT low */
	out(CTL, 0x91, T0 + 1000000);
	EXPECT_EQ(status(2, T0 + 1000000), 0x51);	/* LSB, mode 0, BCD, null count */
}

TEST(status_comes_before_the_count)
{
	start2(2, 0x2000);
	out(CTL, 0xc8, at(16));
	out(CTL, 0xc8, at(8191));		/* neither is latched twice */
	EXPECT_EQ(in(C2, at(9000)), 0xb4);
	EXPECT_EQ(in(C2, at(9000)), 0xf0);
	EXPECT_EQ(in(C2, at(9000)), 0x1f);
}

TEST(control_word_stops_until_the_count)
{
	start2(3, 100);
	out(CTL, 0xb0, at(10));
	EXPECT_FALSE(pit_out(&p, 2, at(10)));		/* mode 0: low */
	EXPECT_FALSE(pit_out(&p, 2, at(100000)));
	out(CTL, 0xb6, at(100000));
	EXPECT_TRUE(pit_out(&p, 2, at(100050)));	/* others: high */
	EXPECT_EQ(pit_due(&p), PIT_NEVER);
}

TEST(control_port_and_foreign_ports)
{
	struct pit before;
	unsigned int port;

	start2(2, 100);
	before = p;
	EXPECT_EQ(in(CTL, T0), 0);
	for (port = 0; port < 0x10000; port++) {
		if ((port >= C0 && port <= CTL) || port == SPK)
			continue;
		EXPECT_EQ(in(port, T0), 0xff);
		out(port, 0x55, T0);
	}
	EXPECT_MEMEQ(&before, &p, sizeof(p));
}

TEST(speaker_port)
{
	u64 now, toggles = 0;
	u8 was, is;

	setup();
	EXPECT_EQ(in(SPK, T0) & 0xc3, 0);
	out(SPK, 0xff, T0);
	EXPECT_EQ(in(SPK, T0) & 0xcf, 3);	/* only these two can be written */
	out(SPK, 0xfd, T0);
	EXPECT_EQ(in(SPK, T0) & 0xcf, 1);
	out(SPK, 0xfe, T0);
	EXPECT_EQ(in(SPK, T0) & 0xcf, 2);
	out(SPK, 1, T0);
	out(CTL, 0xb0, T0);
	count(C2, 100, T0);
	EXPECT_EQ(in(SPK, at(50)) & 0x20, 0);
	EXPECT_EQ(in(SPK, at(100)) & 0x20, 0x20);

	/* The refresh bit toggles every 15.085 us: 66 times in a millisecond. */
	was = in(SPK, T0);
	for (now = T0; now < T0 + 1000000; now += 500) {
		is = in(SPK, now);
		toggles += (is ^ was) >> 4 & 1;
		was = is;
	}
	EXPECT_GE(toggles, 65);
	EXPECT_LE(toggles, 67);
}

TEST(counts_do_not_drift)
{
	u64 day = 86400 * 1193182ULL;

	start2(2, 1193);
	EXPECT_EQ(latched(2, at(day / 1193 * 1193)), 1193);
	EXPECT_EQ(latched(2, at(day / 1193 * 1193 + 1000)), 193);
	EXPECT_EQ(latched(2, at(3650 * day / 1193 * 1193 + 1)), 1192);
}

TEST(no_now_divides_by_zero)
{
	static const u64 times[] = { 0, 1, T0 - 1, S64_MAX, U64_MAX - 1, U64_MAX };
	unsigned int mode, i;

	for (mode = 0; mode < 6; mode++)
		for (i = 0; i < ARRAY_SIZE(times); i++) {
			start2(mode, 1);
			pit_out(&p, 2, times[i]);
			latched(2, times[i]);
			start0(mode, 1);
			pit_expire(&p, times[i]);
		}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * pit_test.c - the timer against the rules of Intel's 8254 data sheet
 */
#include "tap.h"
#include "../../../arch/x86/irqchip/pit.h"

#define C0	0x40
#define C2	0x42
#define CTL	0x43
#define SPK	0x61

#define T0	1000000000000ULL	/* some time after boot */

static struct pit p;

/* The first nanosecond in which @n CLKs have passed since T0, counted with care. */
static u64 at(u64 n)
{
	unsigned __int128 ns = (unsigned __int128)n * 1000000000 + 1193182 - 1;

	return T0 + (u64)(ns / 1193182) + (n ? 1 : 0);
}

static void out(u16 port, u8 val, u64 now)
{
	pit_write(&p, port, val, now);
}

static u8 in(u16 port, u64 now)
{
	return pit_read(&p, port, now);
}

static void setup(void)
{
	pit_init(&p, T0);
}

/* Low byte, then high byte. */
static void count(u16 port, u16 n, u64 now)
{
	out(port, n & 0xff, now);
	out(port, n >> 8, now);
}

/* Channel 2 in @mode with @n, its gate high. */
static void start2(u8 mode, u16 n)
{
	setup();
	out(SPK, 1, T0);
	out(CTL, 0xb0 | mode << 1, T0);
	count(C2, n, T0);
}

static void start0(u8 mode, u16 n)
{
	setup();
	out(CTL, 0x30 | mode << 1, T0);
	count(C0, n, T0);
}

static u16 latched(unsigned int ch, u64 now)
{
	u8 low;

	out(CTL, ch << 6, now);
	low = in(C0 + ch, now);
	return low | in(C0 + ch, now) << 8;
}

static u8 status(unsigned int ch, u64 now)
{
	out(CTL, 0xe0 | 2 << ch, now);
	return in(C0 + ch, now);
}

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

/* ---- IRQ 0 ---- */

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

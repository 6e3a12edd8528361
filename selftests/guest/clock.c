// SPDX-License-Identifier: GPL-2.0
/*
 * clock.c - kvmclock, wall clock, steal time
 */
#include "apic.h"
#include "lib.h"

#define MSR_WALL_OLD	0x11
#define MSR_TIME_OLD	0x12
#define MSR_WALL	0x4b564d00
#define MSR_TIME	0x4b564d01
#define MSR_STEAL	0x4b564d03

#define SECOND		1000000000ull

struct time_info {
	u32 version, pad0;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pad[2];
} __attribute__((packed));

struct wall {
	u32 version, sec, nsec;
};

static volatile struct time_info info[MAX_CPUS] __attribute__((aligned(64)));
static unsigned int n;

void setup(void)
{
	n = cpus_start();
}

static u64 scale(u64 delta, u32 mul, signed char shift)
{
	u64 lo, hi;

	delta = shift < 0 ? delta >> -shift : delta << shift;
	asm("mulq %2" : "=a"(lo), "=d"(hi) : "rm"((u64)mul), "0"(delta));
	return lo >> 32 | hi << 32;
}

/* As guests read it */
static u64 clock_ns(void)
{
	volatile struct time_info *t = &info[this_cpu()->id];
	u32 version;
	u64 ns;

	do {
		version = t->version & ~1u;
		barrier();
		ns = t->ns + scale(rdtsc() - t->tsc, t->mul, t->shift);
		barrier();
	} while (version != t->version);
	return ns;
}

static void start_clock(u64 msr)
{
	wrmsr(msr, (u64)&info[this_cpu()->id] | 1);
}

static void stop_clock(u64 msr)
{
	wrmsr(msr, 0);
}

static void on_all(void (*fn)(u64), u64 arg)
{
	unsigned int i;

	for (i = 1; i < n; i++)
		on_cpu(i, fn, arg);
	fn(arg);
	for (i = 1; i < n; i++)
		wait_cpu(i);
}

static void t_fields(void)
{
	volatile struct time_info *t = &info[0];

	start_clock(MSR_TIME);
	EXPECT(t->version && !(t->version & 1));
	EXPECT(t->mul);
	EXPECT(t->tsc <= rdtsc());
	EXPECT_EQ(rdmsr(MSR_TIME), (u64)t | 1);
	stop_clock(MSR_TIME);
}

static void t_runs(void)
{
	u64 a, b, start;
	unsigned int i;

	start_clock(MSR_TIME);
	start = clock_ns();
	a = start;
	for (i = 0; i < 10000; i++) {
		b = clock_ns();
		if (b < a)
			break;
		a = b;
	}
	EXPECT_EQ(i, 10000);
	EXPECT(a > start);
	EXPECT(a - start < 60 * SECOND);
	stop_clock(MSR_TIME);
}

/* Exits of all kinds, and HLT, between two readings */
static void t_over_exits(void)
{
	u64 a, b;
	unsigned int i;

	start_clock(MSR_TIME);
	a = clock_ns();
	for (i = 0; i < 300; i++) {
		cpuid(0, 0);
		inb(0x80);
		if (i % 100 == 0) {
			apic_write(APIC_TIMER_DIV, 0xb);
			apic_write(APIC_LVT_TIMER, 0x76);
			apic_write(APIC_TIMER_INIT, 1000000);
			halt();
		}
		b = clock_ns();
		if (b < a)
			break;
		a = b;
	}
	EXPECT_EQ(i, 300);
	apic_write(APIC_LVT_TIMER, APIC_MASKED);
	stop_clock(MSR_TIME);
}

static volatile u64 last;
static volatile unsigned int backwards;

static void read_clock(u64 count)
{
	while (count--) {
		u64 seen = last, now;

		barrier();
		now = clock_ns();
		if (now < seen)
			__sync_fetch_and_add(&backwards, 1);
		__sync_bool_compare_and_swap(&last, seen, now);
	}
}

static void t_all_cpus(void)
{
	last = 0;
	backwards = 0;
	on_all(start_clock, MSR_TIME);
	on_all(read_clock, 5000);
	if (!(info[0].flags & 1)) {
		note("the clock does not claim to be stable across CPUs");
		if (backwards) {
			skip("not a stable clock");
			on_all(stop_clock, MSR_TIME);
			return;
		}
	}
	EXPECT_EQ(backwards, 0);
	on_all(stop_clock, MSR_TIME);
}

static void t_old_msrs(void)
{
	u64 a;

	if (!(cpuid(0x40000001, 0).a & BIT(0))) {
		skip("no old MSRs");
		return;
	}
	start_clock(MSR_TIME);
	a = clock_ns();
	stop_clock(MSR_TIME);
	start_clock(MSR_TIME_OLD);
	EXPECT(clock_ns() >= a);
	EXPECT(clock_ns() - a < 60 * SECOND);
	stop_clock(MSR_TIME_OLD);
}

static u8 cmos(u8 reg)
{
	u8 bcd;

	outb(0x70, reg);
	bcd = inb(0x71);
	return (bcd >> 4) * 10 + (bcd & 15);
}

/* The wall clock is when the machine's clock was 0: it and the clock give the time of day. */
static void t_wall(void)
{
	static struct wall wall __attribute__((aligned(16)));
	u64 day, rtc, now;

	start_clock(MSR_TIME);
	wrmsr(MSR_WALL, (u64)&wall);
	EXPECT(wall.version && !(wall.version & 1));
	EXPECT(wall.nsec < SECOND);
	/* Seconds of the day, by the VMM's real-time clock */
	do {
		rtc = cmos(0);
		rtc += cmos(2) * 60 + cmos(4) * 3600;
	} while (rtc % 60 != cmos(0));
	now = wall.sec + (wall.nsec + clock_ns()) / SECOND;
	EXPECT(now > 1577836800ull && now < 4102444800ull);
	day = now % 86400;
	EXPECT((day + 86400 + 5 - rtc) % 86400 <= 10);
	stop_clock(MSR_TIME);
}

/* Writes anew each time */
static void t_wall_again(void)
{
	static struct wall wall __attribute__((aligned(16)));
	u32 version;

	wrmsr(MSR_WALL, (u64)&wall);
	version = wall.version;
	wall.sec = 0;
	wrmsr(MSR_WALL, (u64)&wall);
	EXPECT(wall.sec);
	EXPECT(wall.version != version);
	EXPECT(!(wall.version & 1));
}

struct steal {
	u64 steal;
	u32 version, flags;
	u8 preempted, pad0[3];
	u32 pad[11];
};

static void t_steal(void)
{
	static volatile struct steal s __attribute__((aligned(64)));
	unsigned int i;
	u64 a;

	if (!(cpuid(0x40000001, 0).a & BIT(5))) {
		skip("no steal time");
		return;
	}
	EXPECT_TRAP(GP, wrmsr(MSR_STEAL, (u64)&s | 3));		/* reserved bit */
	wrmsr(MSR_STEAL, (u64)&s | 1);
	EXPECT_EQ(rdmsr(MSR_STEAL), (u64)&s | 1);
	EXPECT(!(s.version & 1));
	a = s.steal;
	for (i = 0; i < 200; i++)
		inb(0x80);
	EXPECT(s.steal >= a);
	EXPECT_EQ(s.preempted, 0);
	wrmsr(MSR_STEAL, 0);
}

/* Addresses where no RAM is: accepted, without effect, and nobody is hurt */
static void t_bad_addresses(void)
{
	EXPECT_EQ(CATCH(wrmsr(MSR_TIME, MMIO_NONE | 1))->vector, -1);
	cpuid(0, 0);
	wrmsr(MSR_TIME, 0);
	EXPECT_EQ(CATCH(wrmsr(MSR_WALL, MMIO_NONE))->vector, -1);
	CATCH(wrmsr(MSR_STEAL, MMIO_NONE | 1));
	inb(0x80);
	wrmsr(MSR_STEAL, 0);
	/* Across a page's edge */
	CATCH(wrmsr(MSR_TIME, 0x4000ff0 | 1));
	cpuid(0, 0);
	wrmsr(MSR_TIME, 0);
}

static void t_follows_tsc(void)
{
	u64 a, b, tsc = rdtsc();

	start_clock(MSR_TIME);
	a = clock_ns();
	wrmsr(MSR_TSC, tsc + BIT(40));
	cpuid(0, 0);
	b = clock_ns();
	if (option("kvm") && b - a >= 60 * SECOND)
		skip("kvm tells the new TSC with the next update only");
	else
		EXPECT(b >= a && b - a < 60 * SECOND);
	wrmsr(MSR_TSC, rdtsc() - BIT(40));
	stop_clock(MSR_TIME);
}

const struct test tests[] = {
	{ "fields", t_fields },
	{ "goes forward", t_runs },
	{ "goes forward over exits", t_over_exits },
	{ "never goes back on any CPU", t_all_cpus },
	{ "old MSRs", t_old_msrs },
	{ "wall clock", t_wall },
	{ "wall clock, again", t_wall_again },
	{ "a TSC that is written", t_follows_tsc },
	{ "steal time", t_steal },
	{ "bad addresses", t_bad_addresses },
	{ }
};

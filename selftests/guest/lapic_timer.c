// SPDX-License-Identifier: GPL-2.0
/*
 * lapic_timer.c - the local APIC's timer in its three modes: counted, not measured
 */
#include "apic.h"
#include "lib.h"

#define VEC	0x70
#define DIV_1	0xb

static volatile unsigned int ticks;

static void on_tick(struct regs *r)
{
	ticks++;
	apic_write(APIC_EOI, 0);
}

void setup(void)
{
	on_vector(VEC, on_tick);
}

static void begin(u32 mode)
{
	ticks = 0;
	apic_write(APIC_LVT_TIMER, VEC | mode);
	apic_write(APIC_TIMER_DIV, DIV_1);
}

static void end(void)
{
	irq_disable();
	apic_write(APIC_TIMER_INIT, 0);
	apic_write(APIC_LVT_TIMER, APIC_MASKED);
	irq_window();
}

/* One shot: one interrupt, and the counter rests at 0. */
static void t_one_shot(void)
{
	begin(0);
	irq_enable();
	apic_write(APIC_TIMER_INIT, 100000);
	EXPECT(WAIT(ticks == 1));
	delay(SHORT_TIME);
	EXPECT_EQ(ticks, 1);
	EXPECT_EQ(apic_read(APIC_TIMER_NOW), 0);
	EXPECT_EQ(apic_read(APIC_TIMER_INIT), 100000);
	end();
}

static void t_one_shot_many(void)
{
	unsigned int i;

	begin(0);
	irq_enable();
	for (i = 1; i <= 100; i++) {
		apic_write(APIC_TIMER_INIT, i % 3 ? 1000 * i : 1);
		if (!WAIT(ticks == i))
			break;
	}
	EXPECT_EQ(ticks, 100);
	end();
}

static void t_one_shot_halt(void)
{
	unsigned int i;

	begin(0);
	for (i = 1; i <= 50; i++) {
		apic_write(APIC_TIMER_INIT, i * 5000);
		while (ticks < i)
			halt();
	}
	EXPECT_EQ(ticks, 50);
	end();
}

static void t_periodic(void)
{
	begin(APIC_PERIODIC);
	irq_enable();
	apic_write(APIC_TIMER_INIT, 1000000);
	EXPECT(WAIT(ticks >= 20));
	end();
	ticks = 0;
	irq_enable();
	delay(SHORT_TIME);
	irq_disable();
	EXPECT_EQ(ticks, 0);
}

static void t_periodic_halt(void)
{
	begin(APIC_PERIODIC);
	apic_write(APIC_TIMER_INIT, 1000000);
	while (ticks < 20)
		halt();
	EXPECT(ticks >= 20);
	end();
}

/* With interrupts off periods are lost, but one stays pending. */
static void t_periodic_merges(void)
{
	begin(APIC_PERIODIC);
	apic_write(APIC_TIMER_INIT, 100000);
	EXPECT(WAIT(apic_bit(APIC_IRR, VEC)));
	delay(SHORT_TIME);
	EXPECT_EQ(ticks, 0);
	apic_write(APIC_TIMER_INIT, 0);
	irq_window();
	irq_window();
	EXPECT(ticks == 1 || ticks == 2);
	end();
}

static void t_counts_down(void)
{
	u32 a, b;

	begin(APIC_MASKED);
	apic_write(APIC_TIMER_INIT, 0xffffffff);
	a = apic_read(APIC_TIMER_NOW);
	delay(1000000);
	b = apic_read(APIC_TIMER_NOW);
	EXPECT(a > b && b > 0);
	EXPECT(a > 0x10000000);
	apic_write(APIC_TIMER_INIT, 0);
	EXPECT_EQ(apic_read(APIC_TIMER_NOW), 0);
	EXPECT_EQ(ticks, 0);
	end();
}

/* A larger divisor is a slower timer: the same delay, fewer counts. */
static void t_divisor(void)
{
	static const u8 code[] = { 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa };
	u32 counted[8];
	unsigned int i;

	begin(APIC_MASKED);
	for (i = 0; i < 8; i++) {
		apic_write(APIC_TIMER_DIV, code[i]);
		EXPECT_EQ(apic_read(APIC_TIMER_DIV), code[i]);
		apic_write(APIC_TIMER_INIT, 0xffffffff);
		delay(20000000);
		counted[i] = 0xffffffff - apic_read(APIC_TIMER_NOW);
	}
	EXPECT(counted[7] * 8 < counted[0]);
	EXPECT(counted[7] > 0);
	apic_write(APIC_TIMER_DIV, 0xffffffff);
	EXPECT_EQ(apic_read(APIC_TIMER_DIV), 0xb);
	end();
}

static void t_masked(void)
{
	begin(APIC_MASKED);
	irq_enable();
	apic_write(APIC_TIMER_INIT, 1000);
	EXPECT(WAIT(apic_read(APIC_TIMER_NOW) == 0));
	delay(SHORT_TIME);
	EXPECT_EQ(ticks, 0);
	/* What was masked when it expired is lost. */
	apic_write(APIC_LVT_TIMER, VEC);
	delay(SHORT_TIME);
	if (option("kvm") && ticks == 1)
		skip("kvm keeps it");
	else
		EXPECT_EQ(ticks, 0);
	end();
}

/* Unmasking before the end lets it come. */
static void t_unmask_in_time(void)
{
	begin(APIC_MASKED);
	irq_enable();
	apic_write(APIC_TIMER_INIT, 50000000);
	apic_write(APIC_LVT_TIMER, VEC);
	EXPECT(WAIT(ticks == 1));
	end();
}

static bool has_deadline(void)
{
	if (cpuid(1, 0).c & BIT(24))
		return true;
	skip("no TSC deadline");
	return false;
}

static void t_deadline(void)
{
	unsigned int i;

	if (!has_deadline())
		return;
	begin(APIC_DEADLINE);
	irq_enable();
	for (i = 1; i <= 50; i++) {
		u64 when = rdtsc() + 100000 * i;

		wrmsr(MSR_TSC_DEADLINE, when);
		if (!WAIT(ticks == i) || !EXPECT(rdtsc() >= when))
			break;
		EXPECT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	}
	EXPECT_EQ(ticks, 50);
	end();
}

static void t_deadline_past(void)
{
	if (!has_deadline())
		return;
	begin(APIC_DEADLINE);
	irq_enable();
	wrmsr(MSR_TSC_DEADLINE, 1);
	EXPECT(WAIT(ticks == 1));
	EXPECT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
	EXPECT(WAIT(ticks == 2));
	end();
}

static void t_deadline_cancel(void)
{
	u64 when;

	if (!has_deadline())
		return;
	begin(APIC_DEADLINE);
	irq_enable();
	when = rdtsc() + SHORT_TIME;
	wrmsr(MSR_TSC_DEADLINE, when);
	EXPECT_EQ(rdmsr(MSR_TSC_DEADLINE), when);
	wrmsr(MSR_TSC_DEADLINE, 0);
	delay(2 * SHORT_TIME);
	EXPECT_EQ(ticks, 0);
	end();
}

static void t_deadline_halt(void)
{
	unsigned int i;

	if (!has_deadline())
		return;
	begin(APIC_DEADLINE);
	for (i = 1; i <= 50; i++) {
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 50000 * i);
		while (ticks < i)
			halt();
	}
	EXPECT_EQ(ticks, 50);
	end();
}

/* "Changing modes": from deadline disarms; in other modes the MSR reads 0, writes are dropped. */
static void t_deadline_modes(void)
{
	if (!has_deadline())
		return;
	begin(APIC_DEADLINE);
	irq_enable();
	apic_write(APIC_TIMER_INIT, 1000);	/* no effect in this mode */
	EXPECT_EQ(apic_read(APIC_TIMER_NOW), 0);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + SHORT_TIME);
	apic_write(APIC_LVT_TIMER, VEC);
	EXPECT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
	delay(2 * SHORT_TIME);
	EXPECT_EQ(ticks, 0);
	end();
}

/* A timer with software disable on: LVT is masked and cannot be unmasked. */
static void t_software_disable(void)
{
	begin(0);
	apic_write(APIC_SVR, SPURIOUS_VECTOR);
	EXPECT(apic_read(APIC_LVT_TIMER) & APIC_MASKED);
	apic_write(APIC_LVT_TIMER, VEC);
	EXPECT(apic_read(APIC_LVT_TIMER) & APIC_MASKED);
	apic_write(APIC_SVR, APIC_SW_ENABLE | SPURIOUS_VECTOR);
	EXPECT(apic_read(APIC_LVT_TIMER) & APIC_MASKED);
	end();
}

/* The TSC moves: the deadline is one of the TSC. */
static void t_deadline_tsc_write(void)
{
	u64 now;

	if (!has_deadline())
		return;
	begin(APIC_DEADLINE);
	irq_enable();
	now = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, now + BIT(40));
	delay(SHORT_TIME);
	EXPECT_EQ(ticks, 0);
	wrmsr(MSR_TSC_DEADLINE, 0);
	wrmsr(MSR_TSC, now + BIT(40));
	wrmsr(MSR_TSC_DEADLINE, now + BIT(40) + 1);
	EXPECT(WAIT(ticks == 1));
	wrmsr(MSR_TSC, now);
	wrmsr(MSR_TSC_DEADLINE, now + SHORT_TIME);
	EXPECT(WAIT(ticks == 2));
	end();
}

const struct test tests[] = {
	{ "one shot", t_one_shot },
	{ "one shot, a hundred times", t_one_shot_many },
	{ "one shot ends HLT", t_one_shot_halt },
	{ "periodic", t_periodic },
	{ "periodic ends HLT", t_periodic_halt },
	{ "periods merge while they cannot be taken", t_periodic_merges },
	{ "the counter counts down", t_counts_down },
	{ "divisors", t_divisor },
	{ "masked", t_masked },
	{ "unmasked before it expires", t_unmask_in_time },
	{ "deadline", t_deadline },
	{ "deadline in the past", t_deadline_past },
	{ "deadline cancelled", t_deadline_cancel },
	{ "deadline ends HLT", t_deadline_halt },
	{ "deadline and other modes", t_deadline_modes },
	{ "deadline and a TSC that is written", t_deadline_tsc_write },
	{ "software disable masks", t_software_disable },
	{ }
};

// SPDX-License-Identifier: GPL-2.0
/*
 * pit.c - the 8254's channels and the speaker port
 */
#include "apic.h"
#include "lib.h"

#define SPEAKER		0x61
#define GATE2		BIT(0)
#define SPEAK		BIT(1)
#define OUT2		BIT(5)
#define STATUS_OUT	BIT(7)
#define STATUS_NULL	BIT(6)

static u8 status(unsigned int channel)
{
	outb(0x43, 0xe0 | 2u << channel);
	return inb(0x40 + channel);
}

/* The counter goes down and round. */
static void t_counts(void)
{
	u16 a, b;

	pit_set(0, 2, 0);
	a = pit_read(0);
	EXPECT(WAIT((b = pit_read(0)) != a));
	pit_set(0, 2, 1000);
	for (a = 0; a < 50; a++) {
		b = pit_read(0);
		if (!EXPECT(b <= 1000))
			break;
	}
}

static void t_readback_status(void)
{
	pit_set(0, 2, 5000);
	EXPECT_EQ(status(0) & 0x3f, 0x34);
	pit_set(0, 3, 5000);
	EXPECT_EQ(status(0) & 0x3f, 0x36);
	outb(0x43, 0x10);			/* low byte only, mode 0 */
	EXPECT_EQ(status(0) & 0x3f, 0x10);
	outb(0x40, 0x10);
	pit_set(0, 2, 0);
}

/* Both latched: the status first, then the count that was current. */
static void t_readback_both(void)
{
	u8 st, lo, hi;
	u16 count, later;

	pit_set(2, 2, 60000);
	outb(SPEAKER, GATE2);
	outb(0x43, 0xc0 | 8);
	st = inb(0x42);
	lo = inb(0x42);
	hi = inb(0x42);
	EXPECT_EQ(st & 0x3f, 0x34);
	count = lo | hi << 8;
	later = pit_read(2);
	EXPECT(count <= 60000);
	EXPECT(later != 0 || count != 0);
}

static void t_latch_holds(void)
{
	u8 lo, hi;
	u16 first;

	pit_set(0, 2, 0);
	outb(0x43, 0x00);
	delay(3000000);
	outb(0x43, 0x00);			/* a second latch is ignored */
	lo = inb(0x40);
	hi = inb(0x40);
	first = lo | hi << 8;
	outb(0x43, 0x00);
	lo = inb(0x40);
	hi = inb(0x40);
	EXPECT((u16)(first - (lo | hi << 8)) >= 500);
}

static void t_access_modes(void)
{
	outb(0x43, 0x94);			/* channel 2, low byte, mode 2 */
	outb(0x42, 0x80);
	outb(SPEAKER, GATE2);
	outb(0x43, 0x80);
	EXPECT(inb(0x42) <= 0x80);
	outb(0x43, 0xa4);			/* high byte */
	outb(0x42, 0x80);
	outb(0x43, 0x80);
	EXPECT(inb(0x42) <= 0x80);
	EXPECT_EQ(status(2) & 0x3f, 0x24);
}

/* Mode 0 on channel 2: OUT goes up at the end; the gate stops it. */
static void t_gate(void)
{
	u16 a;

	outb(SPEAKER, 0);
	pit_set(2, 0, 2000);
	EXPECT(!(inb(SPEAKER) & OUT2));
	outb(SPEAKER, GATE2);
	EXPECT(WAIT(inb(SPEAKER) & OUT2));
	EXPECT(status(2) & STATUS_OUT);
	pit_set(2, 0, 60000);
	EXPECT(!(inb(SPEAKER) & OUT2));
	outb(SPEAKER, 0);
	a = pit_read(2);
	delay(3000000);
	if (option("kvm"))
		skip("kvm counts with the gate closed");
	else
		EXPECT_EQ(pit_read(2), a);
}

/* As Linux calibrates the TSC: mode 0, poll OUT2 */
static void t_calibrate(void)
{
	u64 start, took[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		outb(SPEAKER, (inb(SPEAKER) & ~SPEAK) | GATE2);
		outb(0x43, 0xb0);
		outb(0x42, 0x00);
		outb(0x42, i ? 0x40 : 0x08);
		start = rdtsc();
		EXPECT(WAIT(inb(SPEAKER) & OUT2));
		took[i] = rdtsc() - start;
	}
	EXPECT(took[1] > took[0]);
}

static void t_speaker_port(void)
{
	u8 a;

	outb(SPEAKER, GATE2 | SPEAK);
	EXPECT_EQ(inb(SPEAKER) & 3, 3);
	outb(SPEAKER, 0);
	EXPECT_EQ(inb(SPEAKER) & 3, 0);
	/* The refresh bit toggles. */
	a = inb(SPEAKER) & 0x10;
	EXPECT(WAIT((inb(SPEAKER) & 0x10) != a));
}

static volatile unsigned int hits;

static void on_irq(struct regs *r)
{
	hits++;
	pic_eoi(0);
}

static void timer_irq(bool on)
{
	outb(0x43, 0x30);		/* no tick from before: it waits for a count */
	pic_init();
	hits = 0;
	on_vector(PIC_BASE, on_irq);
	apic_write(APIC_LVT_LINT0, on ? 0x700 : APIC_MASKED);
	pic_mask(on ? 0xfffe : 0xffff);
}

static void t_one_shot(void)
{
	timer_irq(true);
	pit_set(0, 0, 3000);
	irq_enable();
	EXPECT(WAIT(hits == 1));
	delay(SHORT_TIME);
	EXPECT_EQ(hits, 1);
	pit_set(0, 0, 3000);
	EXPECT(WAIT(hits == 2));
	irq_disable();
	timer_irq(false);
}

/* At 1 kHz a slow host's guest would be in its handler for ever. */
static void t_periodic_modes(void)
{
	unsigned int mode;

	for (mode = 2; mode <= 3; mode++) {
		timer_irq(true);
		pit_set(0, mode, PIT_HZ / 100);
		irq_enable();
		EXPECT(WAIT(hits >= 10));
		irq_disable();
	}
	pit_set(0, 0, 0);
	timer_irq(false);
}

/* Reprogrammed a hundred times; the last one counts */
static void t_reprogram(void)
{
	unsigned int i;

	timer_irq(true);
	irq_enable();
	for (i = 0; i < 100; i++)
		pit_set(0, 2, PIT_HZ / 100 + i);
	hits = 0;
	EXPECT(WAIT(hits >= 5));
	pit_set(0, 0, 0xffff);
	irq_disable();
	timer_irq(false);
}

/* Wide and string accesses to byte ports: no harm */
static void t_odd_accesses(void)
{
	pit_set(0, 2, 1000);
	inw(0x40);
	inl(0x40);
	outw(0x42, 0);
	EXPECT_EQ(status(0) & 0x3f, 0x34);
}

const struct test tests[] = {
	{ "counts", t_counts },
	{ "read-back of the status", t_readback_status },
	{ "read-back of status and count", t_readback_both },
	{ "latch", t_latch_holds },
	{ "byte modes", t_access_modes },
	{ "gate of channel 2", t_gate },
	{ "OUT2 as a clock", t_calibrate },
	{ "speaker port", t_speaker_port },
	{ "one shot", t_one_shot },
	{ "periodic", t_periodic_modes },
	{ "programmed anew", t_reprogram },
	{ "odd accesses", t_odd_accesses },
	{ }
};

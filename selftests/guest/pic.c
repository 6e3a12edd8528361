// SPDX-License-Identifier: GPL-2.0
/*
 * pic.c - the two 8259s by LINT0 in virtual wire mode
 */
#include "apic.h"
#include "lib.h"

#define LINE_A	5	/* a line of the first, */
#define LINE_B	11	/* and of the second, that only the test device drives */
#define LINE_C	10
#define NEVER	~0u

static volatile unsigned int hits, seen[16];
static volatile unsigned int lower;	/* at which hit, and later ones, the line goes down */
static volatile bool eoi = true;

static void on_irq(struct regs *r)
{
	unsigned int irq = r->vector - PIC_BASE;

	if (hits < 16)
		seen[hits] = irq;
	hits++;
	if (hits >= lower)
		line(irq, false);
	if (eoi)
		pic_eoi(irq);
}

static void begin(u16 mask)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		on_vector(PIC_BASE + i, on_irq);
	line(LINE_A, false);
	line(LINE_B, false);
	line(LINE_C, false);
	pic_init();
	apic_write(APIC_LVT_LINT0, 0x700);
	hits = 0;
	eoi = true;
	lower = 0;
	pic_mask(mask);
}

#define ALL_BUT(...)	((u16)~(0u __VA_ARGS__))
#define IRQ(n)		| 1u << (n)

static void t_masks(void)
{
	pic_init();
	outb(0x21, 0x5a);
	outb(0xa1, 0xa5);
	EXPECT_EQ(inb(0x21), 0x5a);
	EXPECT_EQ(inb(0xa1), 0xa5);
	pic_mask(0xffff);
	EXPECT_EQ(pic_isr(), 0);
}

static void t_edge(void)
{
	begin(ALL_BUT(IRQ(LINE_A)));
	line(LINE_A, true);
	EXPECT_EQ(pic_irr() & BIT(LINE_A), BIT(LINE_A));
	irq_window();
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen[0], LINE_A);
	irq_window();
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(pic_isr(), 0);
	lower = NEVER;
	line(LINE_A, true);
	irq_window();
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 2);
	line(LINE_A, false);
}

static void t_cascade(void)
{
	begin(ALL_BUT(IRQ(LINE_B) IRQ(2)));
	line(LINE_B, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(seen[0], LINE_B);
	EXPECT_EQ(pic_isr(), 0);
	pic_mask(ALL_BUT(IRQ(LINE_B)));		/* the cascade is closed */
	line(LINE_B, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	pic_mask(ALL_BUT(IRQ(LINE_B) IRQ(2)));
	irq_window();
	EXPECT_EQ(hits, 2);
}

static void t_masked(void)
{
	begin(0xffff);
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 0);
	pic_mask(ALL_BUT(IRQ(LINE_A)));
	irq_window();
	EXPECT_EQ(hits, 1);
	/* A pulse is remembered, unlike on the chip: those who drive lines here pulse them. */
	pic_mask(0xffff);
	line(LINE_A, true);
	line(LINE_A, false);
	pic_mask(ALL_BUT(IRQ(LINE_A)));
	irq_window();
	EXPECT_EQ(hits, 2);
}

/* Line 0 is the highest; the second chip's come in place of line 2. */
static void t_priority(void)
{
	begin(ALL_BUT(IRQ(LINE_A) IRQ(LINE_B) IRQ(2)));
	line(LINE_A, true);
	line(LINE_B, true);
	irq_window();
	irq_window();
	EXPECT_EQ(hits, 2);
	EXPECT_EQ(seen[0], LINE_B);
	EXPECT_EQ(seen[1], LINE_A);
}

/* In service without EOI: lower ones wait, higher ones come. */
static void t_in_service(void)
{
	begin(ALL_BUT(IRQ(LINE_A) IRQ(LINE_B) IRQ(LINE_C) IRQ(2)));
	eoi = false;
	line(LINE_B, true);
	irq_window();
	EXPECT_EQ(pic_isr(), BIT(2) | BIT(LINE_B));
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	/* The first chip has its own line 2 in service: not special fully nested */
	line(LINE_C, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	pic_eoi(LINE_B);
	irq_window();
	EXPECT_EQ(hits, 2);
	EXPECT_EQ(seen[1], LINE_C);
	pic_eoi(LINE_C);
	irq_window();
	EXPECT_EQ(hits, 3);
	EXPECT_EQ(seen[2], LINE_A);
	pic_eoi(LINE_A);
	EXPECT_EQ(pic_isr(), 0);
}

static void t_specific_eoi(void)
{
	begin(ALL_BUT(IRQ(LINE_A) IRQ(3)));
	eoi = false;
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(pic_isr(), BIT(LINE_A));
	outb(0x20, 0x60 | 3);		/* another one */
	EXPECT_EQ(pic_isr(), BIT(LINE_A));
	outb(0x20, 0x60 | LINE_A);
	EXPECT_EQ(pic_isr(), 0);
}

/* OCW2 "set priority": after 5 the order is 6 7 0 1 2 3 4 5. */
static void t_rotation(void)
{
	begin(0xffff);
	outb(0x20, 0xc0 | 5);
	line(3, true);
	line(6, true);
	pic_mask(ALL_BUT(IRQ(3) IRQ(6)));
	irq_window();
	irq_window();
	EXPECT_EQ(hits, 2);
	EXPECT_EQ(seen[0], 6);
	EXPECT_EQ(seen[1], 3);
	/* Rotate on EOI: what was served becomes the lowest. */
	eoi = false;
	hits = 0;
	outb(0x20, 0xc0 | 7);
	line(3, true);
	irq_window();
	outb(0x20, 0xa0);
	line(3, true);
	line(6, true);
	irq_window();
	EXPECT_EQ(seen[1], 6);
	outb(0x20, 0x20);
	irq_window();
	EXPECT_EQ(seen[2], 3);
	outb(0x20, 0x20);
	outb(0x20, 0xc0 | 7);
}

static void t_auto_eoi(void)
{
	begin(0xffff);
	outb(0x20, 0x11);
	outb(0x21, PIC_BASE);
	outb(0x21, 4);
	outb(0x21, 3);
	pic_mask(ALL_BUT(IRQ(LINE_A)));
	eoi = false;
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(pic_isr(), 0);
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 2);
}

/* ELCR: a level comes again until it is down; some lines cannot be level. */
static void t_elcr(void)
{
	begin(ALL_BUT(IRQ(LINE_A) IRQ(LINE_B) IRQ(2)));
	outb(0x4d0, 0xff);
	outb(0x4d1, 0xff);
	EXPECT_EQ(inb(0x4d0), 0xf8);
	EXPECT_EQ(inb(0x4d1), 0xde);
	lower = 3;
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 3);
	irq_window();
	EXPECT_EQ(hits, 3);
	hits = 0;
	line(LINE_B, true);
	irq_window();
	EXPECT_EQ(hits, 3);
	EXPECT_EQ(seen[2], LINE_B);
	EXPECT_EQ(pic_isr(), 0);
	outb(0x4d0, 0);
	outb(0x4d1, 0);
}

/* The request is gone when it is acknowledged: line 7 without a bit in service. */
static void t_spurious(void)
{
	begin(ALL_BUT(IRQ(LINE_A)));
	outb(0x4d0, BIT(LINE_A));
	eoi = false;
	line(LINE_A, true);
	line(LINE_A, false);
	irq_window();
	/* Dropping the request before the CPU looked is allowed, too. */
	EXPECT(hits == 0 || (hits == 1 && seen[0] == 7));
	EXPECT_EQ(pic_isr(), 0);
	outb(0x4d0, 0);
}

/* "Poll command": the next read acknowledges. */
static void t_poll(void)
{
	u8 val;

	begin(ALL_BUT(IRQ(LINE_A)));
	line(LINE_A, true);
	outb(0x20, 0x0c);
	val = inb(0x20);
	/* kvm does not say that there was a request. */
	EXPECT_EQ(val & 0x87, option("kvm") ? LINE_A : 0x80 | LINE_A);
	line(LINE_A, false);
	outb(0x20, 0x60 | LINE_A);
	irq_window();
	EXPECT_EQ(hits, 0);
	outb(0x20, 0x0c);
	val = inb(0x20);
	EXPECT(!(val & 0x80));
	EXPECT_EQ(pic_isr(), 0);
}

static void t_special_mask(void)
{
	begin(ALL_BUT(IRQ(LINE_A) IRQ(6)));
	eoi = false;
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	line(6, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	/* The line in service is masked, special mask mode lets the others in. */
	outb(0x21, inb(0x21) | BIT(LINE_A));
	outb(0x20, 0x68);
	irq_window();
	if (option("kvm") && hits == 1)
		skip("kvm has no special mask mode when it was set late");
	else
		EXPECT_EQ(hits, 2);
	outb(0x20, 0x48);
	outb(0x20, 0x20);
	outb(0x20, 0x20);
	outb(0x20, 0x60 | LINE_A);
}

static void t_pit(void)
{
	begin(ALL_BUT(IRQ(0)));
	lower = NEVER;
	pit_set(0, 2, PIT_HZ / 500);
	irq_enable();
	EXPECT(WAIT(hits >= 10));
	irq_disable();
	EXPECT_EQ(seen[0], 0);
	pit_set(0, 0, 0);
	pic_mask(0xffff);
	irq_window();
}

static void t_pit_halt(void)
{
	begin(ALL_BUT(IRQ(0)));
	lower = NEVER;
	pit_set(0, 2, PIT_HZ / 500);
	while (hits < 10)
		halt();
	pit_set(0, 0, 0);
	pic_mask(0xffff);
	irq_window();
}

/* A masked LINT0 takes nothing; it comes when unmasked. */
static void t_lint0(void)
{
	begin(ALL_BUT(IRQ(LINE_A)));
	apic_write(APIC_LVT_LINT0, APIC_MASKED | 0x700);
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 0);
	apic_write(APIC_LVT_LINT0, 0x700);
	irq_window();
	if (option("kvm") && !hits)
		skip("kvm does not look at the 8259s when LINT0 opens");
	else
		EXPECT_EQ(hits, 1);
	apic_write(APIC_LVT_LINT0, APIC_MASKED);
}

/* With the APIC disabled its INTR pin is the CPU's. */
static void t_without_apic(void)
{
	begin(ALL_BUT(IRQ(LINE_A)));
	apic_set_disabled();
	line(LINE_A, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	apic_set_xapic();
	apic_enable();
}

const struct test tests[] = {
	{ "masks", t_masks },
	{ "edge", t_edge },
	{ "cascade", t_cascade },
	{ "masked", t_masked },
	{ "priority", t_priority },
	{ "in service", t_in_service },
	{ "specific EOI", t_specific_eoi },
	{ "rotation", t_rotation },
	{ "automatic EOI", t_auto_eoi },
	{ "ELCR", t_elcr },
	{ "spurious", t_spurious },
	{ "poll", t_poll },
	{ "special mask mode", t_special_mask },
	{ "the PIT", t_pit },
	{ "the PIT ends HLT", t_pit_halt },
	{ "LINT0", t_lint0 },
	{ "without an APIC", t_without_apic },
	{ }
};

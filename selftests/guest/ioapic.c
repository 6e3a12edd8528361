// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic.c - the I/O APIC: edge and level, remote IRR, masking, destinations; lines come
 * from the test device and from the PIT
 */
#include "apic.h"
#include "lib.h"

#define PIN	10	/* nobody else drives it */
#define VEC	0x6a

static volatile unsigned int hits;
static volatile bool lower;	/* the handler takes the line down, as a driver does */

static void on_irq(struct regs *r)
{
	hits++;
	if (lower)
		line(PIN, false);
	apic_write(APIC_EOI, 0);
}

static void begin(u64 entry)
{
	hits = 0;
	lower = true;
	line(PIN, false);
	on_vector(VEC, on_irq);
	ioapic_set(PIN, entry | VEC);
}

static void end(void)
{
	ioapic_set(PIN, REDIR_MASKED);
	line(PIN, false);
	lower = true;
	irq_window();
}

static void t_registers(void)
{
	u32 ver = ioapic_read(1);

	EXPECT_EQ(ver >> 16 & 0xff, IOAPIC_PINS - 1);
	EXPECT((ver & 0xff) >= 0x11);
	ioapic_write(0, 0x0f000000);
	EXPECT_EQ(ioapic_read(0) >> 24 & 0xf, 0xf);
	ioapic_write(0, 0x03000000);
	EXPECT_EQ(ioapic_read(0) >> 24 & 0xf, 3);
	EXPECT_EQ(ioapic_read(2) >> 24 & 0xf, 3);	/* arbitration follows */
	ioapic_write(1, 0);
	EXPECT_EQ(ioapic_read(1), ver);
	ioapic_write(0, 0);
	POKE(u32, IOAPIC_BASE, 0x11);
	EXPECT_EQ(PEEK(u8, IOAPIC_BASE), 0x11);
}

static void t_entries(void)
{
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 want = 0x0500000000000000ull | REDIR_MASKED | REDIR_LEVEL | REDIR_LOW |
			   REDIR_LOGICAL | (0x40 + pin);

		ioapic_set(pin, want);
		EXPECT_EQ(ioapic_get(pin), want);
		ioapic_set(pin, REDIR_MASKED);
		EXPECT_EQ(ioapic_get(pin), REDIR_MASKED);
	}
	/* Status bits cannot be written, beyond the last entry is nothing. */
	ioapic_set(PIN, REDIR_MASKED | REDIR_PENDING | REDIR_REMOTE | REDIR_LEVEL);
	EXPECT_EQ(ioapic_get(PIN), REDIR_MASKED | REDIR_LEVEL);
	ioapic_set(PIN, REDIR_MASKED);
	ioapic_write(0x10 + 2 * IOAPIC_PINS, 0x12345);
	ioapic_read(0x10 + 2 * IOAPIC_PINS);
	ioapic_write(0xff, 0x12345);
	ioapic_read(0xff);
}

static void t_edge(void)
{
	unsigned int i;

	begin(0);
	lower = false;
	for (i = 1; i <= 20; i++) {
		line(PIN, true);
		irq_window();
		EXPECT_EQ(hits, i);
		line(PIN, true);	/* no edge */
		irq_window();
		EXPECT_EQ(hits, i);
		line(PIN, false);
		irq_window();
		EXPECT_EQ(hits, i);
	}
	EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
	end();
}

static void t_level(void)
{
	unsigned int i;

	begin(REDIR_LEVEL);
	for (i = 1; i <= 20; i++) {
		line(PIN, true);
		EXPECT(ioapic_get(PIN) & REDIR_REMOTE);
		EXPECT(apic_bit(APIC_TMR, VEC));
		irq_window();
		EXPECT_EQ(hits, i);
		EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
		irq_window();
		EXPECT_EQ(hits, i);
	}
	end();
}

static volatile unsigned int want_hits;

static void on_level_stays(struct regs *r)
{
	if (++hits == want_hits)
		line(PIN, false);
	apic_write(APIC_EOI, 0);
}

/* The line stays up over the EOI: it comes again, until it goes down. */
static void t_level_again(void)
{
	begin(REDIR_LEVEL);
	want_hits = 5;
	on_vector(VEC, on_level_stays);
	line(PIN, true);
	irq_enable();
	EXPECT(WAIT(hits == 5));
	delay(1000000);
	EXPECT_EQ(hits, 5);
	irq_disable();
	EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
	end();
}

/* While remote IRR is set the line may move as it will: nothing more is sent. */
static void t_level_remote(void)
{
	begin(REDIR_LEVEL);
	line(PIN, true);
	line(PIN, false);
	line(PIN, true);
	line(PIN, false);
	irq_window();
	irq_window();
	EXPECT_EQ(hits, 1);
	end();
}

static void t_masked_edge(void)
{
	begin(REDIR_MASKED);
	line(PIN, true);
	line(PIN, false);
	irq_window();
	EXPECT_EQ(hits, 0);
	end();
}

static void t_masked_level(void)
{
	begin(REDIR_MASKED | REDIR_LEVEL);
	line(PIN, true);
	irq_window();
	EXPECT_EQ(hits, 0);
	EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
	/* It is still up when the mask goes. */
	ioapic_write(0x10 + 2 * PIN, REDIR_LEVEL | VEC);
	irq_window();
	EXPECT_EQ(hits, 1);
	EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
	end();
}

/* A level that is masked between delivery and EOI, as Linux does: EOI clears remote IRR. */
static void on_masking(struct regs *r)
{
	hits++;
	ioapic_write(0x10 + 2 * PIN, REDIR_MASKED | REDIR_LEVEL | VEC);
	apic_write(APIC_EOI, 0);
}

static void t_mask_in_handler(void)
{
	begin(REDIR_LEVEL);
	on_vector(VEC, on_masking);
	line(PIN, true);
	irq_window();
	irq_window();
	EXPECT_EQ(hits, 1);
	EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
	ioapic_write(0x10 + 2 * PIN, REDIR_LEVEL | VEC);
	irq_window();
	EXPECT_EQ(hits, 2);
	end();
	irq_window();
}

/* Changing an entry from level to edge forgets remote IRR: older kernels' way to an EOI. */
static void t_level_to_edge(void)
{
	begin(REDIR_LEVEL);
	line(PIN, true);
	EXPECT(ioapic_get(PIN) & REDIR_REMOTE);
	line(PIN, false);
	ioapic_write(0x10 + 2 * PIN, REDIR_MASKED | VEC);
	EXPECT(!(ioapic_get(PIN) & REDIR_REMOTE));
	irq_window();
	end();
}

static void t_logical(void)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 0x02000000);
	begin(REDIR_LOGICAL | 2ull << 56);
	line(PIN, true);
	irq_window();
	EXPECT_EQ(hits, 1);
	ioapic_set(PIN, VEC | REDIR_LOGICAL | 4ull << 56);	/* to nobody */
	line(PIN, true);
	line(PIN, false);
	irq_window();
	EXPECT_EQ(hits, 1);
	ioapic_set(PIN, VEC | REDIR_LOGICAL | APIC_LOWEST | 0xffull << 56);
	line(PIN, true);
	irq_window();
	EXPECT_EQ(hits, 2);
	end();
}

static volatile unsigned int nmis;

static void on_nmi(struct regs *r)
{
	nmis++;
}

static void t_nmi(void)
{
	nmis = 0;
	on_vector(NMI, on_nmi);
	begin(APIC_NMI);
	line(PIN, true);
	EXPECT(WAIT(nmis == 1));
	line(PIN, false);
	EXPECT_EQ(nmis, 1);
	EXPECT_EQ(hits, 0);
	end();
	on_vector(NMI, NULL);
}

static void t_pit(void)
{
	begin(REDIR_MASKED);
	lower = false;
	ioapic_set(2, VEC);	/* ISA IRQ 0 is GSI 2 or 0: whichever comes */
	ioapic_set(0, VEC);
	pit_set(0, 2, PIT_HZ / 500);
	irq_enable();
	EXPECT(WAIT(hits >= 10));
	irq_disable();
	ioapic_set(2, REDIR_MASKED);
	ioapic_set(0, REDIR_MASKED);
	pit_set(0, 0, 0);
	end();
}

static void t_wakes_halt(void)
{
	unsigned int i;

	begin(0);
	for (i = 1; i <= 5; i++) {
		line_later(PIN, true);
		while (hits < i)
			halt();
	}
	EXPECT_EQ(hits, 5);
	ioapic_set(PIN, REDIR_LEVEL | VEC);
	for (i = 6; i <= 10; i++) {
		line_later(PIN, true);
		while (hits < i)
			halt();
	}
	EXPECT_EQ(hits, 10);
	end();
}

/* An edge while one is in service comes after. */
static void on_edge_again(struct regs *r)
{
	if (++hits == 1) {
		line(PIN, false);
		line(PIN, true);
	}
	apic_write(APIC_EOI, 0);
}

static void t_edge_in_service(void)
{
	begin(0);
	on_vector(VEC, on_edge_again);
	line(PIN, true);
	irq_window();
	irq_window();
	EXPECT_EQ(hits, 2);
	end();
}

/* Accesses of a byte, of a word, of eight; to the window with a bad index; to the EOI register */
static void t_odd_accesses(void)
{
	POKE(u8, IOAPIC_BASE, 1);
	EXPECT_EQ(PEEK(u32, IOAPIC_BASE + 0x10), ioapic_read(1));
	POKE(u16, IOAPIC_BASE + 0x10, 0);
	PEEK(u64, IOAPIC_BASE);
	POKE(u64, IOAPIC_BASE + 0x10, 0);
	POKE(u32, IOAPIC_BASE + 0x40, VEC);
	PEEK(u32, IOAPIC_BASE + 0xf0);
	PEEK(u32, IOAPIC_BASE + 0x20);
	EXPECT_EQ(ioapic_read(1) >> 16 & 0xff, IOAPIC_PINS - 1);
}

const struct test tests[] = {
	{ "registers", t_registers },
	{ "redirection entries", t_entries },
	{ "odd accesses", t_odd_accesses },
	{ "edge", t_edge },
	{ "edge while in service", t_edge_in_service },
	{ "level and remote IRR", t_level },
	{ "level that stays", t_level_again },
	{ "level that moves before the EOI", t_level_remote },
	{ "masked edge is lost", t_masked_edge },
	{ "masked level waits", t_masked_level },
	{ "level masked in its handler", t_mask_in_handler },
	{ "level becomes edge", t_level_to_edge },
	{ "logical and lowest priority", t_logical },
	{ "NMI", t_nmi },
	{ "the PIT", t_pit },
	{ "ends HLT", t_wakes_halt },
	{ }
};

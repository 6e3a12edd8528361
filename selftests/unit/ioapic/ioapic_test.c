// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic_test.c - the IOAPIC against the rules of Intel's 82093AA data sheet
 */
#include "tap.h"
#include "../../../arch/x86/irqchip/ioapic.h"

#define SRC		0
#define MASKED		0x10000
#define LEVEL		0x8000
#define REMOTE_IRR	0x4000
#define LOGICAL		0x0800

static struct ioapic io;
static struct keel_apic_msg sent[64];
static unsigned int nr_sent, nr_changed;
static int answer = 1;
static u64 entries_at_change;

static int deliver(struct ioapic *chip, const struct keel_apic_msg *msg)
{
	EXPECT_TRUE(chip == &io);
	if (nr_sent < ARRAY_SIZE(sent))
		sent[nr_sent] = *msg;
	nr_sent++;
	return answer;
}

static void eoi_changed(struct ioapic *chip)
{
	EXPECT_TRUE(chip == &io);
	nr_changed++;
	entries_at_change = chip->entry[5];
	EXPECT_EQ(nr_sent, 0);	/* before what the new entry delivers */
}

static const struct ioapic_ops ops = { .deliver = deliver, .eoi_changed = eoi_changed };

static void forget(void)
{
	nr_sent = 0;
	nr_changed = 0;
}

static void setup(void)
{
	answer = 1;
	forget();
	ioapic_init(&io, &ops);
}

static void wr(u32 reg, u32 val)
{
	ioapic_write(&io, 0x00, reg);
	ioapic_write(&io, 0x10, val);
}

static u32 rd(u32 reg)
{
	ioapic_write(&io, 0x00, reg);
	return ioapic_read(&io, 0x10);
}

static void rte(unsigned int pin, u32 high, u32 low)
{
	wr(0x11 + 2 * pin, high);
	wr(0x10 + 2 * pin, low);
	forget();
}

static u32 rte_low(unsigned int pin)
{
	return rd(0x10 + 2 * pin);
}

static int set(unsigned int pin, bool level)
{
	return ioapic_set_line(&io, pin, SRC, level);
}

TEST(registers_after_reset)
{
	unsigned int pin;

	setup();
	EXPECT_EQ(rd(0), 0);
	EXPECT_EQ(rd(1), 0x00170011);	/* 24 entries, version 0x11 */
	EXPECT_EQ(rd(2), 0);
	for (pin = 0; pin < 24; pin++) {
		EXPECT_EQ(rd(0x10 + 2 * pin), MASKED);
		EXPECT_EQ(rd(0x11 + 2 * pin), 0);
	}
	EXPECT_EQ(ioapic_masked_pins(&io), 0xffffff);
}

TEST(id_and_arbitration_id)
{
	setup();
	wr(0, 0xffffffff);
	EXPECT_EQ(rd(0), 0x0f000000);
	EXPECT_EQ(rd(2), 0x0f000000);	/* loaded with the id */
	wr(2, 0x03000000);
	EXPECT_EQ(rd(0), 0x0f000000);
	wr(1, 0);
	EXPECT_EQ(rd(1), 0x00170011);
}

TEST(select_register_has_eight_bits)
{
	setup();
	ioapic_write(&io, 0, 0xffffff01);
	EXPECT_EQ(ioapic_read(&io, 0), 1);
	EXPECT_EQ(ioapic_read(&io, 0x10), 0x00170011);
}

TEST(registers_that_do_not_exist)
{
	struct ioapic before;
	unsigned int reg;

	setup();
	rte(5, 0, 0x40);
	for (reg = 3; reg < 0x10; reg++) {
		EXPECT_EQ(rd(reg), 0);
		before = io;
		wr(reg, 0xffffffff);
		EXPECT_MEMEQ(&before, &io, sizeof(io));
	}
	for (reg = 0x40; reg < 0x100; reg++) {
		EXPECT_EQ(rd(reg), 0xffffffff);
		before = io;
		wr(reg, 0);
		EXPECT_MEMEQ(&before, &io, sizeof(io));
	}
	for (reg = 4; reg < 0x100; reg += 4) {
		if (reg == 0x10)
			continue;
		EXPECT_EQ(ioapic_read(&io, reg), 0);
		before = io;
		ioapic_write(&io, reg, 0x12345678);	/* 0x40 too: no EOI register */
		EXPECT_MEMEQ(&before, &io, sizeof(io));
	}
}

TEST(entry_bits_that_can_be_written)
{
	setup();
	rte(7, 0xffffffff, 0xffffffff);
	EXPECT_EQ(rte_low(7), 0x0001afff);	/* not delivery status, not remote IRR */
	EXPECT_EQ(rd(0x1f), 0xff000000);
	rte(7, 0, 0);
	EXPECT_EQ(rte_low(7), 0);
	EXPECT_EQ(rd(0x1f), 0);
}

TEST(edge_is_delivered_once_per_rise)
{
	setup();
	rte(4, 0x03000000, 0x0041);
	EXPECT_EQ(set(4, true), 1);
	ASSERT_EQ(nr_sent, 1);
	EXPECT_EQ(sent[0].vector, 0x41);
	EXPECT_EQ(sent[0].dest, 3);
	EXPECT_EQ(sent[0].mode, KEEL_DM_FIXED);
	EXPECT_EQ(sent[0].shorthand, KEEL_SH_NONE);
	EXPECT_EQ(sent[0].src, -1);
	EXPECT_FALSE(sent[0].logical);
	EXPECT_FALSE(sent[0].level);
	EXPECT_TRUE(sent[0].assert);
	EXPECT_FALSE(sent[0].redir_hint);
	EXPECT_EQ(rte_low(4), 0x41);
	EXPECT_EQ(set(4, true), 0);	/* no rise: coalesced */
	EXPECT_EQ(nr_sent, 1);
	set(4, false);
	set(4, true);
	EXPECT_EQ(nr_sent, 2);
}

TEST(message_of_every_delivery_mode)
{
	static const struct { u8 mode; bool sent, level; } m[] = {
		{ KEEL_DM_FIXED, true, true },
		{ KEEL_DM_LOWEST, true, true },
		{ KEEL_DM_SMI, true, false },
		{ 3, false, false },		/* reserved */
		{ KEEL_DM_NMI, true, false },
		{ KEEL_DM_INIT, true, false },
		{ 6, false, false },		/* reserved */
		{ KEEL_DM_EXTINT, true, false },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m); i++) {
		setup();
		rte(9, 0x0f000000, LOGICAL | LEVEL | i << 8 | 0x55);
		set(9, true);
		ASSERT_EQ(nr_sent, m[i].sent);
		if (!nr_sent)
			continue;
		EXPECT_EQ(sent[0].mode, m[i].mode);
		EXPECT_EQ(sent[0].dest, 0x0f);
		EXPECT_TRUE(sent[0].logical);
		EXPECT_EQ(sent[0].redir_hint, i == 1);
		/* Without an EOI there is no level and no remote IRR. */
		EXPECT_EQ(sent[0].level, m[i].level);
		EXPECT_EQ(!!(rte_low(9) & REMOTE_IRR), m[i].level);
		set(9, false);
		set(9, true);
		EXPECT_EQ(nr_sent, m[i].level ? 1 : 2);
	}
}

TEST(masked_edge_is_lost)
{
	setup();
	rte(4, 0, MASKED | 0x41);
	EXPECT_EQ(set(4, true), -1);
	wr(0x18, 0x41);
	EXPECT_EQ(nr_sent, 0);
	set(4, false);
	set(4, true);
	EXPECT_EQ(nr_sent, 1);
}

TEST(level_waits_for_its_eoi)
{
	setup();
	rte(10, 0, LEVEL | 0x60);
	EXPECT_EQ(set(10, true), 1);
	EXPECT_TRUE(sent[0].level);
	EXPECT_EQ(rte_low(10), LEVEL | REMOTE_IRR | 0x60);
	EXPECT_EQ(set(10, true), -1);
	EXPECT_EQ(nr_sent, 1);
	set(10, false);
	EXPECT_EQ(rte_low(10), LEVEL | REMOTE_IRR | 0x60);	/* only an EOI resets it */
	set(10, true);
	EXPECT_EQ(nr_sent, 1);

	ioapic_eoi(&io, 0x61);		/* another vector's */
	EXPECT_EQ(nr_sent, 1);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 2);		/* still up: again */
	set(10, false);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 2);
	EXPECT_EQ(rte_low(10), LEVEL | 0x60);
}

TEST(level_that_was_masked_is_delivered_on_unmask)
{
	setup();
	rte(10, 0, MASKED | LEVEL | 0x60);
	EXPECT_EQ(set(10, true), -1);
	EXPECT_EQ(nr_sent, 0);
	wr(0x24, LEVEL | 0x60);
	EXPECT_EQ(nr_sent, 1);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);

	/* Masked while in service: the EOI delivers nothing, the unmask does. */
	wr(0x24, MASKED | LEVEL | 0x60);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 1);
	EXPECT_FALSE(rte_low(10) & REMOTE_IRR);
	wr(0x24, LEVEL | 0x60);
	EXPECT_EQ(nr_sent, 2);
}

TEST(unmask_of_a_line_in_service_delivers_nothing)
{
	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	forget();
	wr(0x24, MASKED | LEVEL | 0x60);
	wr(0x24, LEVEL | 0x60);
	EXPECT_EQ(nr_sent, 0);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);
}

TEST(edge_and_back_ends_a_level_interrupt)
{
	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	forget();
	/* How Linux does an EOI without an EOI register. */
	wr(0x24, MASKED | 0x60);
	EXPECT_FALSE(rte_low(10) & REMOTE_IRR);
	EXPECT_EQ(nr_sent, 0);
	nr_changed = 0;
	wr(0x24, LEVEL | 0x60);
	EXPECT_EQ(nr_sent, 1);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);
}

TEST(eoi_reaches_every_pin_of_the_vector)
{
	setup();
	rte(10, 0, LEVEL | 0x60);
	rte(11, 0, LEVEL | 0x60);
	rte(12, 0, 0x60);
	set(10, true);
	set(11, true);
	set(12, true);
	EXPECT_EQ(ioapic_vector_pins(&io, 0x60), 0x1c00);
	EXPECT_EQ(ioapic_vector_pins(&io, 0x61), 0);
	set(11, false);
	forget();
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 1);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);
	EXPECT_FALSE(rte_low(11) & REMOTE_IRR);
}

TEST(level_that_nobody_took_has_no_remote_irr)
{
	setup();
	rte(10, 0x09000000, LEVEL | 0x60);
	answer = -1;
	EXPECT_EQ(set(10, true), -1);
	EXPECT_FALSE(rte_low(10) & REMOTE_IRR);
	answer = 1;
	wr(0x25, 0);			/* a CPU that is there */
	EXPECT_EQ(nr_sent, 2);
	EXPECT_EQ(sent[1].dest, 0);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);
}

TEST(level_that_was_pending_already_waits_for_the_eoi)
{
	setup();
	rte(10, 0, LEVEL | 0x60);
	answer = 0;
	EXPECT_EQ(set(10, true), 0);
	EXPECT_TRUE(rte_low(10) & REMOTE_IRR);
}

TEST(result_is_the_number_of_cpus)
{
	setup();
	rte(3, 0xff000000, 0x33);
	answer = 4;
	EXPECT_EQ(set(3, true), 4);
	EXPECT_EQ(sent[0].dest, 0xff);
	EXPECT_EQ(set(3, false), 1);
}

TEST(sources_share_a_line)
{
	setup();
	rte(10, 0, LEVEL | 0x60);
	ioapic_set_line(&io, 10, 0, true);
	ioapic_set_line(&io, 10, 1, true);
	ioapic_set_line(&io, 10, 0, false);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 2);
	ioapic_set_line(&io, 10, 1, false);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 2);
}

TEST(pins_that_do_not_exist)
{
	struct ioapic before;

	setup();
	before = io;
	EXPECT_EQ(set(24, true), -1);
	EXPECT_EQ(set(31, true), -1);
	EXPECT_EQ(set(~0U, true), -1);
	EXPECT_EQ(ioapic_set_line(&io, 3, 8, true), -1);
	EXPECT_MEMEQ(&before, &io, sizeof(io));
}

TEST(polarity_does_not_turn_a_line)
{
	setup();
	rte(9, 0, 0x2000 | LEVEL | 0x49);
	EXPECT_EQ(nr_sent, 0);
	set(9, true);
	EXPECT_EQ(nr_sent, 1);
}

TEST(stuck_line_is_damped)
{
	unsigned int i;

	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	for (i = 1; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, IOAPIC_STORM_EOIS);
	EXPECT_EQ(io.delayed, 0);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, IOAPIC_STORM_EOIS);
	EXPECT_EQ(io.delayed, 1 << 10);
	EXPECT_FALSE(rte_low(10) & REMOTE_IRR);
	ioapic_redeliver(&io);
	EXPECT_EQ(nr_sent, IOAPIC_STORM_EOIS + 1);
	EXPECT_EQ(io.delayed, 0);

	/* And so on. */
	for (i = 0; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 2 * IOAPIC_STORM_EOIS);
	EXPECT_EQ(io.delayed, 1 << 10);
}

TEST(delayed_line_that_falls_is_forgotten)
{
	unsigned int i;

	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	for (i = 0; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	set(10, false);
	EXPECT_EQ(io.delayed, 0);
	forget();
	ioapic_redeliver(&io);
	EXPECT_EQ(nr_sent, 0);
	set(10, true);
	EXPECT_EQ(nr_sent, 1);
}

TEST(delayed_line_that_is_masked_waits_for_the_unmask)
{
	unsigned int i;

	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	for (i = 0; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	wr(0x24, MASKED | LEVEL | 0x60);
	forget();
	ioapic_redeliver(&io);
	EXPECT_EQ(nr_sent, 0);
	wr(0x24, LEVEL | 0x60);
	EXPECT_EQ(nr_sent, 1);
}

TEST(line_that_falls_now_and_then_is_no_storm)
{
	unsigned int i;

	setup();
	rte(10, 0, LEVEL | 0x60);
	for (i = 0; i < 3 * IOAPIC_STORM_EOIS; i++) {
		set(10, true);
		if (i % 100 == 0)
			set(10, false);
		ioapic_eoi(&io, 0x60);
		ASSERT_EQ(io.delayed, 0);
	}
}

TEST(storm_is_counted_from_the_last_fall)
{
	unsigned int i;

	setup();
	rte(0, 0, LEVEL | 0x60);
	set(0, true);
	for (i = 0; i < 100; i++)
		ioapic_eoi(&io, 0x60);
	set(0, false);
	ioapic_eoi(&io, 0x60);
	set(0, true);
	for (i = 1; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	EXPECT_EQ(io.delayed, 0);
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(io.delayed, 1);
}

TEST(first_and_last_pin)
{
	static const unsigned int pins[] = { 0, 23 };
	struct kvm_ioapic_state s;
	unsigned int i, j, pin;
	unsigned long v[4] = { };

	for (i = 0; i < 2; i++) {
		pin = pins[i];
		setup();
		rte(pin, 0, LEVEL | 0x60);
		EXPECT_EQ(ioapic_vector_pins(&io, 0x60), 1U << pin);
		EXPECT_EQ(ioapic_masked_pins(&io), 0xffffff & ~(1U << pin));
		ioapic_eoi_vectors(&io, 0, v);
		EXPECT_EQ(v[1], 1UL << 32);
		set(pin, true);
		EXPECT_EQ(nr_sent, 1);
		for (j = 0; j < IOAPIC_STORM_EOIS; j++)
			ioapic_eoi(&io, 0x60);
		EXPECT_EQ(nr_sent, IOAPIC_STORM_EOIS);
		ioapic_redeliver(&io);
		EXPECT_EQ(nr_sent, IOAPIC_STORM_EOIS + 1);
		ioapic_eoi(&io, 0x60);
		ioapic_get(&io, &s);
		EXPECT_EQ(s.irr, 1U << pin);
		setup();
		ioapic_set(&io, &s);
		EXPECT_EQ(rte_low(pin), LEVEL | REMOTE_IRR | 0x60);
		set(pin, true);
		/* The state does not tell how long the storm has lasted. */
		for (j = 1; j < IOAPIC_STORM_EOIS; j++)
			ioapic_eoi(&io, 0x60);
		EXPECT_EQ(io.delayed, 0);
		ioapic_eoi(&io, 0x60);
		EXPECT_EQ(io.delayed, 1U << pin);
	}
}

TEST(set_starts_storms_anew)
{
	struct kvm_ioapic_state s;
	unsigned int i;

	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	for (i = 1; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	ioapic_get(&io, &s);
	forget();
	ioapic_set(&io, &s);
	for (i = 1; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	EXPECT_EQ(io.delayed, 0);
}

TEST(vectors_whose_eoi_matters)
{
	unsigned long v[4] = { };

	setup();
	rte(1, 0, LEVEL | 0x31);
	rte(2, 0, 0x32);
	rte(3, 0, 0x33);
	rte(4, 0, LEVEL | KEEL_DM_NMI << 8 | 0x34);
	rte(5, 0, MASKED | LEVEL | 0xff);
	ioapic_eoi_vectors(&io, 1 << 3, v);
	EXPECT_EQ(v[0], 1UL << 0x31 | 1UL << 0x33);
	EXPECT_EQ(v[1], 0);
	EXPECT_EQ(v[2], 0);
	EXPECT_EQ(v[3], 1UL << 63);	/* masked, but perhaps on its way */
}

TEST(change_is_told_before_delivery)
{
	setup();
	set(5, true);
	forget();
	wr(0x1a, LEVEL | 0x75);		/* delivers; eoi_changed() looks at the order */
	EXPECT_EQ(nr_changed, 1);
	EXPECT_EQ(nr_sent, 1);
	EXPECT_EQ(entries_at_change, LEVEL | 0x75);
	forget();
	wr(0x1a, MASKED | LEVEL | 0x75);
	wr(0x1b, 0x01000000);
	EXPECT_EQ(nr_changed, 0);	/* mask and destination are not the vector */
	wr(0x1a, MASKED | LEVEL | 0x76);
	EXPECT_EQ(nr_changed, 1);
}

TEST(masked_pins)
{
	setup();
	rte(0, 0, 0x30);
	rte(23, 0, 0x47);
	EXPECT_EQ(ioapic_masked_pins(&io), 0x7ffffe);
}

TEST(state_round_trip)
{
	struct kvm_ioapic_state s, back;

	setup();
	wr(0, 0x05000000);
	rte(4, 0x02000000, 0x41);
	rte(10, 0x01000000, LEVEL | LOGICAL | 0x60);
	rte(11, 0, MASKED | LEVEL | 0x61);
	rte(12, 0, MASKED | 0x62);
	set(4, true);			/* an edge that was delivered */
	set(10, true);			/* a level in service */
	set(11, true);			/* a level that waits */
	set(12, true);			/* an edge that is masked */
	ioapic_write(&io, 0, 0x17);
	ioapic_get(&io, &s);
	EXPECT_EQ(s.base_address, 0xfec00000);
	EXPECT_EQ(s.ioregsel, 0x17);
	EXPECT_EQ(s.id, 5);
	EXPECT_EQ(s.pad, 0);
	EXPECT_EQ(s.irr, 1 << 10 | 1 << 11 | 1 << 12);
	EXPECT_EQ(s.redirtbl[10].bits, 0x0100000000000000ULL | REMOTE_IRR | LEVEL | LOGICAL | 0x60);
	EXPECT_EQ(s.redirtbl[4].fields.vector, 0x41);
	EXPECT_EQ(s.redirtbl[4].fields.dest_id, 2);

	setup();
	ioapic_set(&io, &s);
	EXPECT_EQ(nr_sent, 0);		/* in service, or masked */
	ioapic_get(&io, &back);
	EXPECT_MEMEQ(&s, &back, sizeof(s));
	ioapic_eoi(&io, 0x60);
	EXPECT_EQ(nr_sent, 1);
}

TEST(restored_requests_are_delivered)
{
	struct kvm_ioapic_state s = { .irr = 1 << 3 | 1 << 10 | 1 << 11 | 1U << 31 };

	setup();
	s.redirtbl[3].bits = 0x33;
	s.redirtbl[10].bits = LEVEL | 0x60;
	s.redirtbl[11].bits = LEVEL | REMOTE_IRR | 0x61;
	ioapic_set(&io, &s);
	ASSERT_EQ(nr_sent, 2);
	EXPECT_EQ(sent[0].vector, 0x33);
	EXPECT_EQ(sent[1].vector, 0x60);
	EXPECT_EQ(nr_changed, 1);
	set(11, false);			/* whoever held it, it falls */
	ioapic_eoi(&io, 0x61);
	EXPECT_EQ(nr_sent, 2);
}

TEST(set_drops_what_was_there)
{
	struct kvm_ioapic_state s = { };
	unsigned int i;

	setup();
	rte(10, 0, LEVEL | 0x60);
	set(10, true);
	for (i = 0; i < IOAPIC_STORM_EOIS; i++)
		ioapic_eoi(&io, 0x60);
	s.redirtbl[10].bits = LEVEL | 0x60;
	forget();
	ioapic_set(&io, &s);
	EXPECT_EQ(io.delayed, 0);
	EXPECT_EQ(nr_sent, 0);
	ioapic_redeliver(&io);
	EXPECT_EQ(nr_sent, 0);
}

static void check_entries(void)
{
	unsigned int pin;

	EXPECT_LE(io.regsel, 0xff);
	EXPECT_LE(io.id, 0xf);
	EXPECT_EQ(io.line >> 24, 0);
	EXPECT_EQ(io.sent & ~io.line, 0);
	EXPECT_EQ(io.delayed & ~io.line, 0);
	for (pin = 0; pin < 24; pin++) {
		u64 e = io.entry[pin];
		unsigned int mode = e >> 8 & 7;

		EXPECT_EQ(e & 0x00fffffffffe1000ULL, 0);
		EXPECT_LT(io.storm[pin], IOAPIC_STORM_EOIS);
		if (e & REMOTE_IRR)
			EXPECT_TRUE((e & LEVEL) && mode <= KEEL_DM_LOWEST);
		/* A level line that is up, open and not delayed is in service: none is lost. */
		if ((e & LEVEL) && mode <= KEEL_DM_LOWEST && !(e & MASKED) &&
		    (io.line & ~io.delayed & 1 << pin) && answer > 0)
			EXPECT_TRUE(e & REMOTE_IRR);
	}
}

TEST(hostile_state_is_brought_into_range)
{
	struct kvm_ioapic_state s;

	setup();
	memset(&s, 0xff, sizeof(s));
	ioapic_set(&io, &s);
	check_entries();
	ioapic_get(&io, &s);
	EXPECT_EQ(s.base_address, 0xfec00000);
	EXPECT_EQ(s.pad, 0);
	EXPECT_EQ(s.irr, 0xffffff);
}

static unsigned int seed;

static u32 rnd(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 8;
}

static u32 rnd32(void)
{
	return rnd() << 16 ^ rnd();
}

static void random_step(void)
{
	switch (rnd() % 8) {
	case 0:
		ioapic_write(&io, rnd() % 0x100, rnd32());
		break;
	case 1 ... 2:
		/* Few vectors, so that EOIs meet them. */
		wr(0x10 + rnd() % 50, (rnd32() & ~0xf8) | (rnd() & 0xff000000));
		break;
	case 3:
		ioapic_read(&io, rnd() % 0x100);
		break;
	case 4 ... 5:
		ioapic_set_line(&io, rnd() % 26, rnd() % 3, rnd() & 1);
		break;
	case 6:
		ioapic_eoi(&io, rnd() % 8);
		break;
	default:
		ioapic_redeliver(&io);
	}
}

TEST(random_accesses)
{
	unsigned int i, start = 0x10a91c01;

	seed = start;
	setup();
	for (i = 0; i < 300000 && !tap_failures; i++) {
		forget();
		random_step();
		check_entries();
	}
	if (tap_failures)
		tap_note("seed 0x%x, step %u", start, i);
}

TEST(random_answers)
{
	unsigned int i, start = 0x10a91c02;

	seed = start;
	setup();
	for (i = 0; i < 100000 && !tap_failures; i++) {
		forget();
		answer = (int)(rnd() % 3) - 1;
		random_step();
		answer = 0;		/* lines may wait for want of a CPU */
		check_entries();
	}
	if (tap_failures)
		tap_note("seed 0x%x, step %u", start, i);
}

TEST(random_states)
{
	struct kvm_ioapic_state s, once, twice;
	unsigned int i, j, start = 0x10a91c03;
	u8 *b = (u8 *)&s;

	seed = start;
	for (i = 0; i < 5000 && !tap_failures; i++) {
		setup();
		for (j = 0; j < sizeof(s); j++)
			b[j] = rnd();
		ioapic_set(&io, &s);
		check_entries();
		/* What is left after one round trip is stable. */
		ioapic_get(&io, &once);
		forget();
		ioapic_set(&io, &once);
		ioapic_get(&io, &twice);
		EXPECT_MEMEQ(&once, &twice, sizeof(once));
		for (j = 0; j < 50; j++) {
			forget();
			random_step();
		}
		check_entries();
	}
	if (tap_failures)
		tap_note("seed 0x%x, step %u", start, i);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * pic_test.c - the 8259 pair against the rules of Intel's 8259A data sheet, and
 * the ELCR against the PIIX's
 */
#include "tap.h"
#include "../../../arch/x86/irqchip/pic.h"

#define M	0x20
#define S	0xa0
#define SRC	0

static struct pic p;

static void out(u16 port, u8 val)
{
	pic_write(&p, port, val);
}

static u8 in(u16 port)
{
	return pic_read(&p, port);
}

/* As a PC's firmware does: vectors 0x20 and 0x28, ICW4 as given, all unmasked. */
static void setup_icw4(u8 master4, u8 slave4)
{
	pic_init(&p);
	out(M, 0x11);
	out(M + 1, 0x20);
	out(M + 1, 0x04);
	out(M + 1, master4);
	out(S, 0x11);
	out(S + 1, 0x28);
	out(S + 1, 0x02);
	out(S + 1, slave4);
	out(M + 1, 0);
	out(S + 1, 0);
}

static void setup(void)
{
	setup_icw4(0x01, 0x01);
}

static int set(unsigned int pin, bool level)
{
	return pic_set_line(&p, pin, SRC, level);
}

static void pulse(unsigned int pin)
{
	set(pin, true);
	set(pin, false);
}

static u8 irr(u16 base)
{
	out(base, 0x0a);
	return in(base);
}

static u8 isr(u16 base)
{
	out(base, 0x0b);
	return in(base);
}

TEST(edge_request_is_acknowledged_once)
{
	setup();
	EXPECT_FALSE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), -1);
	EXPECT_EQ(set(3, true), 1);
	EXPECT_TRUE(pic_output(&p));
	EXPECT_EQ(irr(M), 0x08);
	EXPECT_EQ(pic_ack(&p), 0x23);
	EXPECT_EQ(irr(M), 0);
	EXPECT_EQ(isr(M), 0x08);
	EXPECT_FALSE(pic_output(&p));

	/* The line stays high: no second request, even after the EOI. */
	out(M, 0x20);
	EXPECT_EQ(isr(M), 0);
	EXPECT_FALSE(pic_output(&p));
	set(3, true);
	EXPECT_FALSE(pic_output(&p));
	set(3, false);
	set(3, true);
	EXPECT_TRUE(pic_output(&p));
}

TEST(slave_goes_through_the_cascade)
{
	setup();
	pulse(12);
	EXPECT_EQ(irr(S), 0x10);
	EXPECT_EQ(irr(M), 0x04);
	EXPECT_EQ(pic_ack(&p), 0x2c);
	EXPECT_EQ(isr(M), 0x04);
	EXPECT_EQ(isr(S), 0x10);
	EXPECT_FALSE(pic_output(&p));
	out(S, 0x20);
	out(M, 0x20);
	EXPECT_EQ(isr(M), 0);
	EXPECT_EQ(isr(S), 0);
}

TEST(two_requests_of_the_slave_are_both_served)
{
	setup();
	pulse(8);
	pulse(9);
	EXPECT_EQ(pic_ack(&p), 0x28);
	EXPECT_FALSE(pic_output(&p));
	out(S, 0x20);
	EXPECT_FALSE(pic_output(&p));	/* the master still serves level 2 */
	out(M, 0x20);
	EXPECT_TRUE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), 0x29);
}

TEST(the_cascade_input_is_nobodys)
{
	setup();
	EXPECT_EQ(set(2, true), -1);
	EXPECT_EQ(irr(M), 0);
	EXPECT_EQ(set(16, true), -1);
	EXPECT_EQ(set(~0U, true), -1);
	EXPECT_EQ(pic_set_line(&p, 3, 8, true), -1);
	EXPECT_FALSE(pic_output(&p));
}

TEST(fully_nested_priorities)
{
	setup();
	pulse(4);
	EXPECT_EQ(pic_ack(&p), 0x24);
	pulse(5);
	EXPECT_FALSE(pic_output(&p));	/* lower */
	pulse(4);
	EXPECT_FALSE(pic_output(&p));	/* equal */
	pulse(1);
	EXPECT_TRUE(pic_output(&p));	/* higher */
	EXPECT_EQ(pic_ack(&p), 0x21);
	EXPECT_EQ(isr(M), 0x12);

	/* A non-specific EOI ends the highest in service. */
	out(M, 0x20);
	EXPECT_EQ(isr(M), 0x10);
	EXPECT_FALSE(pic_output(&p));
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x24);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x25);
}

TEST(priority_order_over_both_chips)
{
	static const u8 order[] = {
		0x20, 0x21, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f,
		0x23, 0x24, 0x25, 0x26, 0x27,
	};
	unsigned int i;

	setup();
	for (i = 0; i < 16; i++)
		pulse(15 - i);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		EXPECT_EQ(pic_ack(&p), order[i]);
		if (order[i] >= 0x28)
			out(S, 0x20);
		out(M, 0x20);
	}
	EXPECT_FALSE(pic_output(&p));
}

TEST(specific_eoi)
{
	setup();
	pulse(6);
	EXPECT_EQ(pic_ack(&p), 0x26);
	pulse(1);
	EXPECT_EQ(pic_ack(&p), 0x21);
	out(M, 0x66);
	EXPECT_EQ(isr(M), 0x02);
	out(M, 0x60 | 3);		/* not in service: nothing */
	EXPECT_EQ(isr(M), 0x02);
	out(M, 0x61);
	EXPECT_EQ(isr(M), 0);
}

TEST(mask_holds_a_request_back)
{
	setup();
	out(M + 1, 0x08);
	EXPECT_EQ(in(M + 1), 0x08);
	EXPECT_EQ(set(3, true), -1);
	EXPECT_FALSE(pic_output(&p));
	EXPECT_EQ(irr(M), 0x08);	/* IRR is before the mask */
	out(M + 1, 0);
	EXPECT_TRUE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), 0x23);
}

TEST(mask_at_the_slave_takes_its_request_from_the_master)
{
	setup();
	pulse(10);
	EXPECT_TRUE(pic_output(&p));
	out(S + 1, 0x04);
	EXPECT_FALSE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), -1);
	out(S + 1, 0);
	EXPECT_EQ(pic_ack(&p), 0x2a);
}

TEST(mask_of_the_cascade)
{
	setup();
	out(M + 1, 0x04);
	pulse(15);
	EXPECT_FALSE(pic_output(&p));
	pulse(7);
	EXPECT_EQ(pic_ack(&p), 0x27);
	out(M, 0x20);
	out(M + 1, 0);
	EXPECT_EQ(pic_ack(&p), 0x2f);
}

TEST(coalesced_and_delivered_results)
{
	setup();
	EXPECT_EQ(set(5, true), 1);
	EXPECT_EQ(set(5, false), 1);
	EXPECT_EQ(set(5, true), 0);	/* a new edge, and IRR still has the first */
	EXPECT_EQ(pic_ack(&p), 0x25);
	set(5, false);
	EXPECT_EQ(set(5, true), 1);
}

TEST(rotation_on_non_specific_eoi)
{
	setup();
	pulse(4);
	EXPECT_EQ(pic_ack(&p), 0x24);
	out(M, 0xa0);			/* level 4 is the lowest now: 5 is the highest */
	EXPECT_EQ(isr(M), 0);
	pulse(4);
	pulse(0);
	pulse(5);
	EXPECT_EQ(pic_ack(&p), 0x25);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x20);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x24);
}

TEST(rotation_on_specific_eoi)
{
	setup();
	pulse(0);
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x20);
	out(M, 0xe0 | 0);		/* 0 ends and is the lowest */
	EXPECT_EQ(isr(M), 0);
	pulse(0);
	pulse(7);
	EXPECT_EQ(pic_ack(&p), 0x23);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x27);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x20);
}

TEST(set_priority_command)
{
	setup();
	out(M, 0xc0 | 5);		/* IR5 lowest, IR6 highest */
	pulse(0);
	pulse(5);
	pulse(6);
	pulse(7);
	EXPECT_EQ(pic_ack(&p), 0x26);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x27);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x20);
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x25);
}

TEST(no_operation_command)
{
	struct pic before;

	setup();
	pulse(3);
	pic_ack(&p);
	before = p;
	out(M, 0x40 | 3);
	EXPECT_MEMEQ(&before, &p, sizeof(p));
}

TEST(automatic_eoi)
{
	setup_icw4(0x03, 0x03);
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x23);
	EXPECT_EQ(isr(M), 0);
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x23);
	pulse(14);
	EXPECT_EQ(pic_ack(&p), 0x2e);
	EXPECT_EQ(isr(S), 0);
	EXPECT_EQ(isr(M), 0);
}

TEST(automatic_eoi_leaves_the_slaves_next_request)
{
	setup_icw4(0x03, 0x03);
	pulse(8);
	pulse(15);
	EXPECT_EQ(pic_ack(&p), 0x28);
	EXPECT_TRUE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), 0x2f);
	EXPECT_FALSE(pic_output(&p));
}

TEST(rotation_in_automatic_eoi_mode)
{
	setup_icw4(0x03, 0x01);
	out(M, 0x80);
	pulse(0);
	pulse(1);
	EXPECT_EQ(pic_ack(&p), 0x20);
	pulse(0);
	EXPECT_EQ(pic_ack(&p), 0x21);	/* 0 is the lowest */
	EXPECT_EQ(pic_ack(&p), 0x20);
	out(M, 0x00);			/* rotation off: 0 stays the lowest */
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x23);
	pulse(0);
	pulse(3);
	pulse(7);
	EXPECT_EQ(pic_ack(&p), 0x23);
	EXPECT_EQ(pic_ack(&p), 0x27);
	EXPECT_EQ(pic_ack(&p), 0x20);
}

TEST(special_mask_mode)
{
	setup();
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x23);
	pulse(6);
	EXPECT_FALSE(pic_output(&p));
	out(M + 1, 0x08);
	EXPECT_FALSE(pic_output(&p));	/* masking alone does not open lower levels */
	out(M, 0x68);			/* set special mask mode */
	EXPECT_TRUE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), 0x26);

	/* A masked level in service is not what a non-specific EOI ends. */
	out(M, 0x20);
	EXPECT_EQ(isr(M), 0x08);
	out(M, 0x20);
	EXPECT_EQ(isr(M), 0x08);
	out(M, 0x63);
	EXPECT_EQ(isr(M), 0);

	out(M, 0x28);			/* ESMM clear: the mode stays */
	out(M + 1, 0);
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x23);
	out(M + 1, 0x08);
	pulse(7);
	EXPECT_TRUE(pic_output(&p));
	out(M, 0x48);			/* reset special mask mode */
	EXPECT_FALSE(pic_output(&p));
}

TEST(special_fully_nested_mode)
{
	setup_icw4(0x11, 0x01);
	pulse(12);
	EXPECT_EQ(pic_ack(&p), 0x2c);
	pulse(14);
	EXPECT_FALSE(pic_output(&p));	/* lower within the slave */
	pulse(5);
	EXPECT_FALSE(pic_output(&p));	/* lower at the master */
	pulse(9);
	EXPECT_TRUE(pic_output(&p));	/* higher within the slave */
	EXPECT_EQ(pic_ack(&p), 0x29);
	EXPECT_EQ(isr(S), 0x12);
	out(S, 0x20);
	EXPECT_EQ(isr(S), 0x10);
}

TEST(without_special_nesting_the_slave_waits)
{
	setup();
	pulse(12);
	EXPECT_EQ(pic_ack(&p), 0x2c);
	pulse(9);
	EXPECT_FALSE(pic_output(&p));
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x29);
}

TEST(poll_acknowledges)
{
	setup();
	out(M, 0x0c);
	EXPECT_EQ(in(M) & 0x80, 0);	/* nobody */
	pulse(0);
	out(M, 0x0c);
	EXPECT_EQ(in(M), 0x80);
	out(M, 0x20);
	pulse(6);
	pulse(4);
	out(M, 0x0c);
	EXPECT_EQ(in(M), 0x84);
	EXPECT_EQ(isr(M), 0x10);
	EXPECT_EQ(irr(M), 0x40);
	EXPECT_FALSE(pic_output(&p));
	EXPECT_EQ(in(M), 0x40);		/* one read only; the register chosen before remains */
}

TEST(poll_of_the_slave_is_the_slaves)
{
	setup();
	pulse(13);
	out(S, 0x0c);
	EXPECT_EQ(in(S), 0x85);
	EXPECT_EQ(isr(S), 0x20);
	EXPECT_EQ(isr(M), 0);
	EXPECT_FALSE(pic_output(&p));
}

TEST(poll_by_the_data_port)
{
	setup();
	out(M + 1, 0x40);
	pulse(1);
	out(M, 0x0c);
	EXPECT_EQ(in(M + 1), 0x81);
	EXPECT_EQ(in(M + 1), 0x40);
}

TEST(icw1_resets)
{
	setup();
	out(M + 1, 0xf0);
	out(M, 0xc3);			/* IR3 lowest */
	out(M, 0x68);			/* special mask mode */
	pulse(1);
	pic_ack(&p);
	pulse(0);
	out(M, 0x0b);
	out(M, 0x0c);			/* a poll that nobody reads */
	out(M, 0x80);			/* rotation in automatic EOI mode */
	out(M, 0x11);
	EXPECT_FALSE(pic_output(&p));
	out(M + 1, 0x40);
	out(M + 1, 0x04);
	out(M + 1, 0x03);
	EXPECT_EQ(in(M + 1), 0);	/* mask cleared */
	EXPECT_EQ(in(M), 0);		/* the edge is forgotten */
	EXPECT_EQ(isr(M), 0);
	out(M, 0x11);
	out(M + 1, 0x40);
	out(M + 1, 0x04);
	out(M + 1, 0x03);
	pulse(7);
	pulse(0);
	EXPECT_EQ(in(M), 0x81);		/* IRR is what a read returns */
	EXPECT_EQ(pic_ack(&p), 0x40);	/* IR0 is the highest again, with the new base */
	pulse(0);
	EXPECT_EQ(pic_ack(&p), 0x40);	/* and no longer rotates */
}

TEST(opened_pins)
{
	setup();
	pic_take_opened(&p);
	out(M + 1, 0xff);
	out(S + 1, 0xff);
	EXPECT_EQ(pic_take_opened(&p), 0);
	out(M + 1, 0xfc);
	out(S + 1, 0x7f);
	EXPECT_EQ(pic_take_opened(&p), 0x8003);
	out(M + 1, 0xfc);
	EXPECT_EQ(pic_take_opened(&p), 0);	/* they were open */
	/* A reset forgets requests of pins that were open, too. */
	out(S, 0x11);
	EXPECT_EQ(pic_take_opened(&p), 0xff00);
	out(S + 1, 0x28);			/* ICW2 to ICW4 are no masks */
	out(S + 1, 0x02);
	out(S + 1, 0x01);
	EXPECT_EQ(pic_take_opened(&p), 0);
}

TEST(icw1_ends_special_mask_mode)
{
	setup();
	out(M, 0x68);
	out(M, 0x11);
	out(M + 1, 0x20);
	out(M + 1, 0x04);
	out(M + 1, 0x01);
	pulse(3);
	pic_ack(&p);
	out(M + 1, 0x08);
	pulse(6);
	EXPECT_FALSE(pic_output(&p));
}

TEST(icw1_wants_a_new_rise)
{
	setup();
	set(5, true);
	out(M, 0x11);
	out(M + 1, 0x20);
	out(M + 1, 0x04);
	out(M + 1, 0x01);
	EXPECT_FALSE(pic_output(&p));
	set(5, true);
	EXPECT_FALSE(pic_output(&p));
	set(5, false);
	set(5, true);
	EXPECT_EQ(pic_ack(&p), 0x25);
}

TEST(icw1_without_icw4_clears_its_functions)
{
	setup_icw4(0x13, 0x01);
	out(M, 0x10);
	out(M + 1, 0x20);
	out(M + 1, 0x04);
	out(M + 1, 0xa5);		/* no ICW4: this is the mask */
	EXPECT_EQ(in(M + 1), 0xa5);
	out(M + 1, 0);
	pulse(3);
	pic_ack(&p);
	EXPECT_EQ(isr(M), 0x08);	/* no automatic EOI, */
	out(M, 0x20);
	pulse(12);
	pic_ack(&p);
	pulse(9);
	EXPECT_FALSE(pic_output(&p));	/* and no special nesting */
}

TEST(icw1_single_has_no_icw3)
{
	setup();
	out(M, 0x13);
	out(M + 1, 0x30);
	out(M + 1, 0x03);		/* ICW4: automatic EOI */
	out(M + 1, 0x00);
	pulse(3);
	EXPECT_EQ(pic_ack(&p), 0x33);
	EXPECT_EQ(isr(M), 0);
}

TEST(icw2_has_five_bits)
{
	setup();
	out(M, 0x11);
	out(M + 1, 0x7f);
	out(M + 1, 0x04);
	out(M + 1, 0x01);
	pulse(1);
	EXPECT_EQ(pic_ack(&p), 0x79);
}

TEST(no_request_while_being_initialised)
{
	setup();
	out(0x4d0, 0x20);
	set(5, true);
	out(M, 0x11);
	EXPECT_FALSE(pic_output(&p));
	out(M + 1, 0x20);
	EXPECT_FALSE(pic_output(&p));
	out(M + 1, 0x04);
	EXPECT_FALSE(pic_output(&p));
	out(M + 1, 0x01);
	EXPECT_TRUE(pic_output(&p));	/* the level is still there */
}

TEST(elcr_has_its_fixed_bits)
{
	setup();
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	EXPECT_EQ(in(0x4d0), 0xf8);	/* not IRQ 0, 1, 2 */
	EXPECT_EQ(in(0x4d1), 0xde);	/* not IRQ 8, 13 */
}

TEST(level_triggered_follows_the_line)
{
	setup();
	out(0x4d0, 0x20);
	EXPECT_EQ(set(5, true), 1);
	EXPECT_EQ(set(5, true), 0);
	EXPECT_EQ(pic_ack(&p), 0x25);
	EXPECT_EQ(irr(M), 0x20);	/* still up */
	EXPECT_FALSE(pic_output(&p));
	out(M, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x25);	/* and again */
	set(5, false);
	EXPECT_EQ(irr(M), 0);
	out(M, 0x20);
	EXPECT_FALSE(pic_output(&p));
}

TEST(level_line_that_falls_is_no_request)
{
	setup();
	out(0x4d1, 0x08);
	set(11, true);
	EXPECT_TRUE(pic_output(&p));
	set(11, false);
	EXPECT_FALSE(pic_output(&p));
	EXPECT_EQ(pic_ack(&p), -1);
}

TEST(elcr_change_shows_the_line)
{
	setup();
	set(5, true);
	pic_ack(&p);
	out(M, 0x20);
	EXPECT_FALSE(pic_output(&p));
	out(0x4d0, 0x20);
	EXPECT_EQ(pic_ack(&p), 0x25);
	set(5, false);
	out(M, 0x20);
	pulse(6);
	out(0x4d0, 0x40);		/* a latched edge whose line is low */
	EXPECT_FALSE(pic_output(&p));
}

TEST(sources_share_a_line)
{
	setup();
	out(0x4d0, 0x20);
	pic_set_line(&p, 5, 0, true);
	pic_set_line(&p, 5, 2, true);
	pic_set_line(&p, 5, 0, false);
	EXPECT_TRUE(pic_output(&p));
	pic_set_line(&p, 5, 2, false);
	EXPECT_FALSE(pic_output(&p));
}

TEST(eoi_is_reported)
{
	setup();
	pic_take_eoi(&p);
	pulse(0);
	pic_ack(&p);
	EXPECT_EQ(pic_take_eoi(&p), 0);
	out(M, 0x20);
	EXPECT_EQ(pic_take_eoi(&p), 0x0001);
	EXPECT_EQ(pic_take_eoi(&p), 0);
	out(M, 0x60);
	EXPECT_EQ(pic_take_eoi(&p), 0);	/* nothing was in service */

	pulse(12);
	pic_ack(&p);
	out(S, 0x64);
	out(M, 0x62);
	EXPECT_EQ(pic_take_eoi(&p), 0x1000);	/* the cascade is nobody's */
}

TEST(automatic_eoi_is_reported)
{
	setup_icw4(0x03, 0x03);
	pic_take_eoi(&p);
	pulse(0);
	EXPECT_EQ(pic_take_eoi(&p), 0);
	pic_ack(&p);
	EXPECT_EQ(pic_take_eoi(&p), 0x0001);
}

TEST(reset_reports_what_it_drops)
{
	setup();
	pic_take_eoi(&p);
	pulse(0);
	pulse(1);
	pic_ack(&p);
	out(M, 0x11);
	EXPECT_EQ(pic_take_eoi(&p), 0x0003);
}

TEST(foreign_ports)
{
	struct pic before;
	unsigned int port;

	setup();
	pulse(3);
	before = p;
	for (port = 0; port < 0x10000; port++) {
		if ((port & ~1U) == M || (port & ~1U) == S || (port & ~1U) == 0x4d0)
			continue;
		EXPECT_EQ(in(port), 0xff);
		out(port, 0x11);
	}
	EXPECT_MEMEQ(&before, &p, sizeof(p));
}

TEST(state_round_trip)
{
	struct kvm_pic_state m, s, m2, s2;
	struct pic q;

	setup_icw4(0x11, 0x03);
	out(0x4d1, 0x08);
	out(M, 0xc4);
	out(M + 1, 0x21);
	set(11, true);
	pulse(6);
	pic_ack(&p);
	out(M, 0x0b);
	out(M, 0x68);
	out(S, 0x0c);
	pic_get(&p, PIC_MASTER, &m);
	pic_get(&p, PIC_SLAVE, &s);
	EXPECT_EQ(m.irq_base, 0x20);
	EXPECT_EQ(m.imr, 0x21);
	EXPECT_EQ(m.priority_add, 5);
	EXPECT_EQ(m.isr, 0x40);		/* IR5 highest, masked; then IR6 */
	EXPECT_EQ(m.read_reg_select, 1);
	EXPECT_EQ(m.special_mask, 1);
	EXPECT_EQ(m.special_fully_nested_mode, 1);
	EXPECT_EQ(m.init4, 1);
	EXPECT_EQ(m.init_state, 0);
	EXPECT_EQ(m.auto_eoi, 0);
	EXPECT_EQ(m.elcr, 0);
	EXPECT_EQ(m.elcr_mask, 0xf8);
	EXPECT_EQ(m.irr, 0x04);
	EXPECT_EQ(s.irr, 0x08);
	EXPECT_EQ(s.last_irr, 0x08);
	EXPECT_EQ(s.auto_eoi, 1);
	EXPECT_EQ(s.poll, 1);
	EXPECT_EQ(s.elcr, 0x08);
	EXPECT_EQ(s.elcr_mask, 0xde);

	pic_init(&q);
	pic_set(&q, PIC_MASTER, &m);
	pic_set(&q, PIC_SLAVE, &s);
	pic_get(&q, PIC_MASTER, &m2);
	pic_get(&q, PIC_SLAVE, &s2);
	EXPECT_MEMEQ(&m, &m2, sizeof(m));
	EXPECT_MEMEQ(&s, &s2, sizeof(s));
	EXPECT_EQ(pic_output(&q), pic_output(&p));
	EXPECT_EQ(pic_ack(&q), pic_ack(&p));
}

TEST(state_in_the_middle_of_initialisation)
{
	struct kvm_pic_state m;
	struct pic q;

	setup();
	out(M, 0x11);
	out(M + 1, 0x50);
	pic_get(&p, PIC_MASTER, &m);
	EXPECT_EQ(m.init_state, 2);
	pic_init(&q);
	pic_set(&q, PIC_MASTER, &m);
	pic_write(&q, M + 1, 0x04);
	pic_get(&q, PIC_MASTER, &m);
	EXPECT_EQ(m.init_state, 3);
	pic_set(&q, PIC_MASTER, &m);
	pic_write(&q, M + 1, 0x01);
	pic_write(&q, M + 1, 0x7f);
	EXPECT_EQ(pic_read(&q, M + 1), 0x7f);
	pic_set_line(&q, 7, SRC, true);
	EXPECT_EQ(pic_ack(&q), 0x57);
}

TEST(restored_slave_request_reaches_the_master)
{
	struct kvm_pic_state m, s;

	setup();
	pic_get(&p, PIC_MASTER, &m);
	pulse(9);
	pic_get(&p, PIC_SLAVE, &s);
	setup();
	pic_set(&p, PIC_SLAVE, &s);
	pic_set(&p, PIC_MASTER, &m);	/* its IRR lacks the cascade: the wire counts */
	EXPECT_EQ(pic_ack(&p), 0x29);
}

TEST(hostile_state_is_brought_into_range)
{
	struct kvm_pic_state s, back;
	unsigned int id, i;

	memset(&s, 0xff, sizeof(s));
	pic_init(&p);
	for (id = 0; id < 2; id++) {
		pic_set(&p, id, &s);
		pic_get(&p, id, &back);
		EXPECT_EQ(back.priority_add, 7);
		EXPECT_EQ(back.irq_base, 0xf8);
		EXPECT_LE(back.init_state, 3);
		EXPECT_EQ(back.elcr_mask, id ? 0xde : 0xf8);
		EXPECT_EQ(back.elcr & ~back.elcr_mask, 0);
		EXPECT_EQ(back.poll, 1);
		EXPECT_EQ(back.init4, 1);
		EXPECT_EQ(back.auto_eoi, 1);
	}
	for (i = 0; i < 16; i++)
		pulse(i);
	EXPECT_LE(pic_ack(&p), 255);
}

/* ---- whatever is written, these hold ---- */

static unsigned int seed;

static u32 rnd(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 8;
}

static void check_invariants(void)
{
	struct kvm_pic_state m, s;
	int vector;
	struct pic q = p;

	pic_get(&p, PIC_MASTER, &m);
	pic_get(&p, PIC_SLAVE, &s);
	EXPECT_LT(m.priority_add, 8);
	EXPECT_LT(s.priority_add, 8);
	EXPECT_LE(m.init_state, 3);
	EXPECT_EQ(m.irq_base & 7, 0);
	EXPECT_EQ(m.elcr & ~0xf8, 0);
	EXPECT_EQ(s.elcr & ~0xde, 0);

	/* A level triggered request is its line. */
	EXPECT_EQ((m.irr ^ m.last_irr) & m.elcr, 0);
	EXPECT_EQ((s.irr ^ s.last_irr) & s.elcr, 0);

	/* INT is up exactly if there is something to acknowledge, and that is not masked. */
	vector = pic_ack(&q);
	EXPECT_EQ(pic_output(&p), vector >= 0);
	if (vector < 0)
		return;
	if ((vector & 0xf8) == m.irq_base && m.irq_base != s.irq_base)
		EXPECT_TRUE(m.irr & ~m.imr & BIT(vector & 7));
	else if (m.irq_base != s.irq_base)
		EXPECT_TRUE(s.irr & ~s.imr & BIT(vector & 7));
}

TEST(random_accesses)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	unsigned int i, start = 0x5eed0001;

	seed = start;
	setup();
	for (i = 0; i < 400000 && !tap_failures; i++) {
		u16 port = ports[rnd() % 6];

		switch (rnd() % 8) {
		case 0 ... 2:
			/* Mostly operation, seldom a new initialisation. */
			out(port, rnd() % 16 || (port & 1) ? rnd() & 0xef : rnd());
			break;
		case 3:
			in(port);
			break;
		case 4 ... 5:
			pic_set_line(&p, rnd() % 20, rnd() % 4, rnd() & 1);
			break;
		case 6:
			pic_ack(&p);
			break;
		default:
			out(rnd() & 1 ? M : S, 0x20);
			EXPECT_EQ(pic_take_eoi(&p) & 0x0004, 0);
		}
		check_invariants();
	}
	if (tap_failures)
		tap_note("seed 0x%x, step %u", start, i);
}

TEST(random_states)
{
	struct kvm_pic_state s, once, twice;
	unsigned int i, j, start = 0x5eed0002;
	u8 *b = (u8 *)&s;

	seed = start;
	for (i = 0; i < 20000 && !tap_failures; i++) {
		enum pic_chip_id id = rnd() & 1;

		pic_init(&p);
		for (j = 0; j < sizeof(s); j++)
			b[j] = rnd();
		pic_set(&p, id, &s);
		pic_get(&p, id, &once);
		pic_set(&p, id, &once);
		pic_get(&p, id, &twice);
		EXPECT_MEMEQ(&once, &twice, sizeof(once));
		EXPECT_LT(once.priority_add, 8);
		EXPECT_LE(once.init_state, 3);
		EXPECT_EQ(once.imr, s.imr);
		EXPECT_EQ(once.isr, s.isr);
		for (j = 0; j < 8; j++)
			pic_ack(&p);
		pic_read(&p, M);
		pic_read(&p, S);
	}
	if (tap_failures)
		tap_note("seed 0x%x, step %u", start, i);
}

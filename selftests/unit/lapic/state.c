// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - struct kvm_lapic_state: what goes out comes back, and what is hostile is tamed
 */
#include <time.h>
#include "rig.h"

static u32 sget(const u8 *s, unsigned int reg)
{
	u32 val;

	memcpy(&val, s + reg, 4);
	return val;
}

static void sput(u8 *s, unsigned int reg, u32 val)
{
	memcpy(s + reg, &val, 4);
}

TEST(layout)
{
	u8 s[0x400];
	struct rig r;

	rig_xapic(&r);
	wr(&r, LAPIC_LVT1, 0x400);
	wr(&r, LAPIC_ICR2, 0x09000000);
	wr(&r, LAPIC_ICR, 0x40f1);
	lapic_post(&r.a, 0x83, true);
	memset(s, 0xee, sizeof(s));
	lapic_get_state(&r.a, s, false);
	EXPECT_EQ(sget(s, 0x20), 0x03000000);
	EXPECT_EQ(sget(s, 0x30), 0x01060014);
	EXPECT_EQ(sget(s, 0xf0), 0x1ff);
	EXPECT_EQ(sget(s, 0x360), 0x400);
	EXPECT_EQ(sget(s, 0x300), 0x40f1);
	EXPECT_EQ(sget(s, 0x310), 0x09000000);
	EXPECT_EQ(sget(s, 0x240), 8);		/* vector 0x83 in IRR */
	EXPECT_EQ(sget(s, 0x1c0), 8);		/* and TMR */
	EXPECT_EQ(sget(s, 0x24), 0);
	EXPECT_EQ(sget(s, 0x3fc), 0);
}

TEST(round_trip_goes_on)
{
	u8 s[0x400], again[0x400];
	struct rig r, copy;

	rig_xapic(&r);
	wr(&r, LAPIC_TPR, 0x10);
	lapic_post(&r.a, 0x31, true);
	lapic_ack(&r.a);
	lapic_post(&r.a, 0x61, false);
	lapic_ack(&r.a);
	lapic_post(&r.a, 0x62, false);
	lapic_get_state(&r.a, s, false);

	rig_init(&copy, 3, &rig_full);
	EXPECT_EQ(lapic_set_state(&copy.a, s, false), 0);
	lapic_get_state(&copy.a, again, false);
	EXPECT_MEMEQ(s, again, sizeof(s));
	EXPECT_EQ(rd(&copy, LAPIC_PPR), 0x60);
	EXPECT_EQ(lapic_pending(&copy.a), -1);
	lapic_post(&copy.a, 0x71, false);
	EXPECT_EQ(lapic_ack(&copy.a), 0x71);
	wr(&copy, LAPIC_EOI, 0);
	EXPECT_EQ(rd(&copy, LAPIC_PPR), 0x60);
	wr(&copy, LAPIC_EOI, 0);
	EXPECT_EQ(copy.fx.eoi_vector, 0x61);
	EXPECT_EQ(lapic_ack(&copy.a), 0x62);
	wr(&copy, LAPIC_EOI, 0);
	wr(&copy, LAPIC_EOI, 0);
	EXPECT_EQ(copy.fx.eoi_vector, 0x31);
	EXPECT_TRUE(copy.fx.eoi_level);
	EXPECT_EQ(wr(&copy, LAPIC_EOI, 0), 0);
}

TEST(id_formats)
{
	u8 s[0x400];
	struct rig r;

	/* xAPIC: the upper byte, whatever the format. */
	rig_xapic(&r);
	lapic_get_state(&r.a, s, true);
	EXPECT_EQ(sget(s, LAPIC_ID), 0x03000000);
	sput(s, LAPIC_ID, 0x5a123456);
	EXPECT_EQ(lapic_set_state(&r.a, s, true), 0);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x5a000000);

	rig_x2apic(&r, 0x45);
	lapic_get_state(&r.a, s, false);
	EXPECT_EQ(sget(s, LAPIC_ID), 0x45000000);
	EXPECT_EQ(lapic_set_state(&r.a, s, false), 0);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x45);

	lapic_get_state(&r.a, s, true);
	EXPECT_EQ(sget(s, LAPIC_ID), 0x45);
	EXPECT_EQ(lapic_set_state(&r.a, s, true), 0);
	sput(s, LAPIC_ID, 0x46);
	EXPECT_EQ(lapic_set_state(&r.a, s, true), -EINVAL);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x45);
}

TEST(x2apic_derived_and_icr)
{
	u8 s[0x400];
	struct rig r;
	u64 val;

	rig_x2apic(&r, 0x45);
	wrmsr_fx(&r, LAPIC_ICR, 0x1234567800004030);
	lapic_get_state(&r.a, s, true);
	EXPECT_EQ(sget(s, LAPIC_ICR2), 0x12345678);
	sput(s, LAPIC_LDR, 0xffffffff);
	sput(s, LAPIC_ICR2, 0x87654321);
	EXPECT_EQ(lapic_set_state(&r.a, s, true), 0);
	lapic_msr_read(&r.a, LAPIC_LDR, &val);
	EXPECT_EQ(val, 0x40020);
	lapic_msr_read(&r.a, LAPIC_ICR, &val);
	EXPECT_EQ(val, 0x8765432100004030);
}

/* KVM's own tests pass values through IRR, vectors below 16 included. */
TEST(irr_bits_are_kept)
{
	u8 s[0x400];
	struct rig r;

	rig_xapic(&r);
	lapic_get_state(&r.a, s, false);
	sput(s, LAPIC_IRR, 0xa5a5a5a5);
	sput(s, LAPIC_IRR + 0x10, 0x5a5a5a5a);
	lapic_set_state(&r.a, s, false);
	EXPECT_EQ(rd(&r, LAPIC_IRR), 0xa5a5a5a5);
	EXPECT_EQ(rd(&r, LAPIC_IRR + 0x10), 0x5a5a5a5a);
	EXPECT_EQ(lapic_pending(&r.a), 0x3e);

	/* but below 16 is never delivered */
	sput(s, LAPIC_IRR, 0xffff);
	sput(s, LAPIC_IRR + 0x10, 0);
	lapic_set_state(&r.a, s, false);
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(lapic_tpr_masked(&r.a), -1);
}

/* QEMU opens LINT0 on the boot CPU while the APIC is disabled by software. */
TEST(lint0_of_a_disabled_apic)
{
	u8 s[0x400];
	struct rig r;

	rig_init(&r, 0, &rig_plain);
	lapic_get_state(&r.a, s, false);
	sput(s, LAPIC_LVT0, 0x700);
	lapic_set_state(&r.a, s, false);
	EXPECT_TRUE(lapic_accepts_extint(&r.a));
	EXPECT_FALSE(lapic_sw_enabled(&r.a));
}

TEST(reserved_bits_are_dropped)
{
	u8 s[0x400];
	struct rig r;

	rig_init(&r, 0, &rig_plain);
	memset(s, 0xff, sizeof(s));
	EXPECT_EQ(lapic_set_state(&r.a, s, false), 0);
	EXPECT_EQ(rd(&r, LAPIC_LVR), 0x50014);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0xff000000);
	EXPECT_EQ(rd(&r, LAPIC_TPR), 0xff);
	EXPECT_EQ(rd(&r, LAPIC_PPR), 0xff);
	EXPECT_EQ(rd(&r, LAPIC_SPIV), 0x3ff);
	EXPECT_EQ(rd(&r, LAPIC_LVTT), 0x300ff);
	EXPECT_EQ(rd(&r, LAPIC_LVTERR), 0x100ff);
	EXPECT_EQ(rd(&r, LAPIC_TDCR), 0xb);
	EXPECT_EQ(rd(&r, LAPIC_ICR), 0xffffefff);
	EXPECT_EQ(rd(&r, LAPIC_TMCCT), 0);
	lapic_get_state(&r.a, s, false);
	EXPECT_EQ(sget(s, 0x000), 0);
	EXPECT_EQ(sget(s, LAPIC_LVTCMCI), 0);
	EXPECT_EQ(sget(s, 0x3f0), 0);
}

/* Any state, then any guest: nothing may be indexed, counted or shifted out of bounds. */
TEST(hostile_state)
{
	const char *env = getenv("SEED");
	unsigned int n = env ? strtoul(env, NULL, 0) : time(NULL);
	u8 s[0x400];
	struct rig r;
	int i, j;

	tap_note("SEED=%u", n);
	srandom(n);
	for (i = 0; i < 3000; i++) {
		if (i & 1)
			rig_x2apic(&r, random() & 0xfff);
		else
			rig_xapic(&r);
		for (j = 0; j < 0x400; j++)
			s[j] = random() & (i & 2 ? random() : 0xff);
		lapic_set_state(&r.a, s, i & 4);
		for (j = 0; j < 300; j++) {
			u32 x = random();
			u64 val;

			lapic_write(&r.a, x & 0x7f0, random(), &r.fx);
			lapic_msr_write(&r.a, x >> 8 & 0x7f0, random(), &r.fx);
			lapic_msr_read(&r.a, x >> 8 & 0x7f0, &val);
			lapic_post(&r.a, x >> 16, x >> 31);
			lapic_ack(&r.a);
			lapic_set_base(&r.a, (u64)random() << 8 & 0xfee00f00, x & 1, &r.fx);
		}
		/* Service ends after at most one EOI a vector. */
		lapic_set_base(&r.a, 0xfee00800, true, &r.fx);
		for (j = 0; j < 256 && wr(&r, LAPIC_EOI, 0) & LAPIC_FX_EOI; j++)
			;
		EXPECT_EQ(wr(&r, LAPIC_EOI, 0), 0);
		EXPECT_EQ(r.a.isr_count, 0);
		EXPECT_EQ(r.a.isr_top, -1);
	}
}

/* An APIC that is off has an xAPIC's registers: they survive a get and a set. */
TEST(x2apic_switched_off_by_the_host)
{
	u8 s[0x400], again[0x400];
	struct rig r;

	rig_x2apic(&r, 0x45);
	wrmsr_fx(&r, LAPIC_ICR, 0x1234567800004030);
	EXPECT_EQ(lapic_set_base(&r.a, 0xfee00000, true, &r.fx), 0);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x45000000);
	EXPECT_EQ(rd(&r, LAPIC_LDR), 0);
	EXPECT_EQ(rd(&r, LAPIC_ICR2), 0);
	lapic_get_state(&r.a, s, true);
	EXPECT_EQ(lapic_set_state(&r.a, s, true), 0);
	lapic_get_state(&r.a, again, true);
	EXPECT_MEMEQ(s, again, sizeof(s));
	EXPECT_EQ(lapic_set_base(&r.a, 0xfee00800, true, &r.fx), 0);
	EXPECT_EQ(rd(&r, LAPIC_LDR), 0);
}

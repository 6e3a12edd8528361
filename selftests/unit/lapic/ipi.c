// SPDX-License-Identifier: GPL-2.0
/*
 * ipi.c - the interrupt command register, SELF IPI, IA32_APIC_BASE and x2APIC's ids
 */
#include "rig.h"

TEST(icr_fields)
{
	struct rig r;
	unsigned int dm;

	rig_xapic(&r);
	for (dm = 0; dm < 8; dm++) {
		wr(&r, LAPIC_ICR2, 0xa5000000);
		EXPECT_EQ(r.fx.what, 0);	/* only the low half sends */
		EXPECT_EQ(wr(&r, LAPIC_ICR, 0x4041 | dm << 8), LAPIC_FX_IPI);
		EXPECT_EQ(r.fx.msg.dest, 0xa5);
		EXPECT_EQ(r.fx.msg.vector, 0x41);
		EXPECT_EQ(r.fx.msg.mode, dm);
		EXPECT_EQ(r.fx.msg.shorthand, KEEL_SH_NONE);
		EXPECT_FALSE(r.fx.msg.logical);
		EXPECT_FALSE(r.fx.msg.level);
		EXPECT_TRUE(r.fx.msg.assert);
		EXPECT_FALSE(r.fx.msg.x2apic);
		EXPECT_FALSE(r.fx.msg.redir_hint);
		EXPECT_EQ(r.fx.msg.src, 7);
	}
	wr(&r, LAPIC_ICR, 0x8041 | 0x800);
	EXPECT_TRUE(r.fx.msg.logical);
	EXPECT_TRUE(r.fx.msg.level);
	EXPECT_FALSE(r.fx.msg.assert);
}

TEST(icr_shorthands)
{
	static const u8 want[] = { KEEL_SH_NONE, KEEL_SH_SELF, KEEL_SH_ALL, KEEL_SH_OTHERS };
	struct rig r;
	unsigned int i;

	rig_xapic(&r);
	for (i = 0; i < 4; i++) {
		wr(&r, LAPIC_ICR, 0x4050 | i << 18);
		EXPECT_EQ(r.fx.msg.shorthand, want[i]);
	}
}

TEST(icr_is_never_busy)
{
	struct rig r;
	u64 val;

	rig_xapic(&r);
	wr(&r, LAPIC_ICR, 0xa5a5b5f5);
	EXPECT_EQ(rd(&r, LAPIC_ICR), 0xa5a5a5f5);
	rig_x2apic(&r, 0);
	EXPECT_EQ(wrmsr_fx(&r, LAPIC_ICR, 0x12345678000c50f0), LAPIC_FX_IPI);
	EXPECT_EQ(lapic_msr_read(&r.a, LAPIC_ICR, &val), 0);
	EXPECT_EQ(val, 0x12345678000c40f0);
}

TEST(x2apic_icr)
{
	struct rig r;

	rig_x2apic(&r, 0x1234);
	EXPECT_EQ(wrmsr_fx(&r, LAPIC_ICR, 0xdeadbeef00004830), LAPIC_FX_IPI);
	EXPECT_EQ(r.fx.msg.dest, 0xdeadbeef);
	EXPECT_TRUE(r.fx.msg.logical);
	EXPECT_TRUE(r.fx.msg.x2apic);
	EXPECT_EQ(wrmsr_fx(&r, LAPIC_ICR, 0xdeadbeef80004830), ~0U);
}

TEST(self_ipi)
{
	struct rig r;
	u64 val;

	rig_x2apic(&r, 0);
	wrmsr_fx(&r, LAPIC_ICR, 0x1100004022);
	EXPECT_EQ(wrmsr_fx(&r, LAPIC_SELF_IPI, 0xf7), LAPIC_FX_IPI);
	EXPECT_EQ(r.fx.msg.shorthand, KEEL_SH_SELF);
	EXPECT_EQ(r.fx.msg.mode, KEEL_DM_FIXED);
	EXPECT_EQ(r.fx.msg.vector, 0xf7);
	EXPECT_FALSE(r.fx.msg.level);
	EXPECT_EQ(wrmsr_fx(&r, LAPIC_SELF_IPI, 0x100), ~0U);
	lapic_msr_read(&r.a, LAPIC_ICR, &val);
	EXPECT_EQ(val, 0x1100004022);		/* ICR is another register */
}

/* Modes 0 off, 1 xAPIC, 2 x2APIC, 3 not one. "Local APIC State Transitions". */
static const u64 base_of[] = { 0xfee00000, 0xfee00800, 0xfee00c00, 0xfee00400 };

TEST(mode_transitions)
{
	static const bool guest_may[3][4] = {
		{ true,  true,  false, false },
		{ true,  true,  true,  false },
		{ true,  false, true,  false },
	};
	unsigned int from, to;
	struct rig r;

	for (from = 0; from < 3; from++) {
		for (to = 0; to < 4; to++) {
			rig_init(&r, 1, &rig_full);
			ASSERT_EQ(lapic_set_base(&r.a, base_of[from], true, &r.fx), 0);
			EXPECT_EQ(lapic_set_base(&r.a, base_of[to], false, &r.fx),
				  guest_may[from][to] ? 0 : -EINVAL);
			EXPECT_EQ(r.a.base, base_of[guest_may[from][to] ? to : from]);
			ASSERT_EQ(lapic_set_base(&r.a, base_of[from], true, &r.fx), 0);
			EXPECT_EQ(lapic_set_base(&r.a, base_of[to], true, &r.fx),
				  to < 3 ? 0 : -EINVAL);
		}
	}
}

TEST(base_reserved_bits)
{
	static const struct lapic_features feat = {
		.nr_lvt = 6, .base_reserved = GENMASK_ULL(51, 40),
	};
	unsigned int bit;
	struct rig r;

	for (bit = 0; bit < 64; bit++) {
		bool ok = bit == 8 || (bit >= 10 && bit < 40);

		rig_init(&r, 1, &feat);
		EXPECT_EQ(lapic_set_base(&r.a, 0x800 | 1ULL << bit, false, &r.fx),
			  ok ? 0 : -EINVAL);
		EXPECT_EQ(lapic_set_base(&r.a, 0x800 | 1ULL << bit, true, &r.fx),
			  ok ? 0 : -EINVAL);
	}
	/* Without x2APIC in CPUID its bit is reserved, for userspace as well. */
	rig_init(&r, 1, &rig_plain);
	EXPECT_EQ(lapic_set_base(&r.a, 0xfee00c00, false, &r.fx), -EINVAL);
	EXPECT_EQ(lapic_set_base(&r.a, 0xfee00c00, true, &r.fx), -EINVAL);
}

TEST(base_effects)
{
	struct rig r;

	rig_xapic(&r);
	r.fx.what = 0;
	lapic_set_base(&r.a, 0xfed00900, false, &r.fx);		/* moved, same mode */
	EXPECT_EQ(r.fx.what, 0);
	lapic_set_base(&r.a, 0xfed00d00, false, &r.fx);
	EXPECT_EQ(r.fx.what, LAPIC_FX_MAP | LAPIC_FX_EVENT);
	r.fx.what = 0;
	lapic_set_base(&r.a, 0xfed00100, false, &r.fx);
	EXPECT_EQ(r.fx.what, LAPIC_FX_MAP | LAPIC_FX_EVENT | LAPIC_FX_OFF);
}

TEST(x2apic_ids)
{
	static const u32 ids[] = { 0, 1, 15, 16, 17, 255, 256, 0x1234, 0xabcde };
	unsigned int i;
	struct rig r;
	u64 val;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		rig_x2apic(&r, ids[i]);
		EXPECT_EQ(lapic_msr_read(&r.a, LAPIC_ID, &val), 0);
		EXPECT_EQ(val, ids[i]);
		EXPECT_EQ(lapic_msr_read(&r.a, LAPIC_LDR, &val), 0);
		EXPECT_EQ(val >> 16, ids[i] / 16);
		EXPECT_EQ(val & 0xffff, 1U << ids[i] % 16);
	}
}

TEST(x2apic_id_is_initial)
{
	struct rig r;
	u64 val;

	rig_xapic(&r);
	wr(&r, LAPIC_ID, 0x77000000);
	wr(&r, LAPIC_LDR, 0x10000000);
	wr(&r, LAPIC_ICR2, 0x55000000);
	lapic_set_base(&r.a, 0xfee00c00, false, &r.fx);
	lapic_msr_read(&r.a, LAPIC_ID, &val);
	EXPECT_EQ(val, 3);
	lapic_msr_read(&r.a, LAPIC_LDR, &val);
	EXPECT_EQ(val, 8);
	lapic_msr_read(&r.a, LAPIC_ICR, &val);
	EXPECT_EQ(val >> 32, 0);
}

TEST(disable_forgets)
{
	struct rig r;

	rig_xapic(&r);
	wr(&r, LAPIC_ID, 0x77000000);
	wr(&r, LAPIC_LVT1, 0x400);
	wr(&r, LAPIC_TPR, 0x20);
	lapic_post(&r.a, 0x41, true);
	lapic_ack(&r.a);
	lapic_post(&r.a, 0x51, false);
	lapic_set_base(&r.a, 0xfee00000, false, &r.fx);
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(lapic_post(&r.a, 0x61, false), LAPIC_REFUSED);
	EXPECT_EQ(lapic_ack(&r.a), -1);

	lapic_set_base(&r.a, 0xfee00800, false, &r.fx);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x03000000);
	EXPECT_EQ(rd(&r, LAPIC_SPIV), 0xff);
	EXPECT_EQ(rd(&r, LAPIC_LVT1), 0x10000);
	EXPECT_EQ(rd(&r, LAPIC_TPR), 0);
	EXPECT_EQ(rd(&r, LAPIC_ISR + 0x20), 0);
	EXPECT_EQ(rd(&r, LAPIC_IRR + 0x20), 0);
	EXPECT_EQ(rd(&r, LAPIC_TMR + 0x20), 0);
	EXPECT_EQ(lapic_pending(&r.a), -1);
}

TEST(init_keeps_id_and_base)
{
	struct rig r;
	u64 val;

	rig_xapic(&r);
	wr(&r, LAPIC_ID, 0x77000000);
	wr(&r, LAPIC_LDR, 0x01000000);
	lapic_set_base(&r.a, 0xfed00800, false, &r.fx);
	lapic_post(&r.a, 0x41, false);
	lapic_reset(&r.a, LAPIC_INIT, false, false);
	EXPECT_EQ(r.a.base, 0xfed00800);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x77000000);
	EXPECT_EQ(rd(&r, LAPIC_LDR), 0);
	EXPECT_EQ(rd(&r, LAPIC_SPIV), 0xff);
	EXPECT_EQ(lapic_pending(&r.a), -1);

	rig_x2apic(&r, 0x21);
	lapic_reset(&r.a, LAPIC_INIT, false, false);
	EXPECT_EQ(lapic_mode(&r.a), LAPIC_X2APIC);
	lapic_msr_read(&r.a, LAPIC_ID, &val);
	EXPECT_EQ(val, 0x21);
	lapic_msr_read(&r.a, LAPIC_LDR, &val);
	EXPECT_EQ(val, 0x20002);
	lapic_reset(&r.a, LAPIC_RESET, false, false);
	EXPECT_EQ(lapic_mode(&r.a), LAPIC_XAPIC);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x21000000);
}

TEST(arbitration)
{
	struct rig a, b;

	rig_xapic(&a);
	rig_xapic(&b);
	EXPECT_FALSE(lapic_arb_before(&a.a, &b.a));
	EXPECT_FALSE(lapic_arb_before(&b.a, &a.a));
	atomic_inc(&a.a.arb);		/* a's turn was last */
	EXPECT_TRUE(lapic_arb_before(&b.a, &a.a));
	EXPECT_FALSE(lapic_arb_before(&a.a, &b.a));
	wr(&b, LAPIC_TPR, 0x20);	/* but b is busier */
	EXPECT_TRUE(lapic_arb_before(&a.a, &b.a));
	wr(&a, LAPIC_TPR, 0x2f);	/* same class */
	EXPECT_TRUE(lapic_arb_before(&b.a, &a.a));
	atomic_set(&a.a.arb, INT_MIN);	/* wrapped past b's */
	atomic_set(&b.a.arb, INT_MAX);
	EXPECT_TRUE(lapic_arb_before(&b.a, &a.a));
}

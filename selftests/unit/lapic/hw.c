// SPDX-License-Identifier: GPL-2.0
/*
 * hw.c - an APIC whose page the hardware works on
 *
 * A model of "Virtual-Interrupt Delivery" stands for the CPU: it moves vectors from IRR
 * to ISR, ends their service and writes TPR in the page, and tells what it leaves undone.
 */
#include "rig.h"

struct hw {
	struct rig r;
	unsigned long pir[LAPIC_PIR_SIZE / sizeof(unsigned long)];
	u8 rvi, svi;
};

static void hw_init(struct hw *hw)
{
	memset(hw, 0, sizeof(*hw));
	lapic_init(&hw->r.a, hw->r.page, hw->pir, 3, 7);
	lapic_set_features(&hw->r.a, &rig_full);
	lapic_reset(&hw->r.a, LAPIC_RESET, false, false);
	lapic_write(&hw->r.a, LAPIC_SPIV, 0x1ff, &hw->r.fx);
}

static u32 *hw_word(struct hw *hw, unsigned int reg, u8 vector)
{
	return (u32 *)((u8 *)hw->r.page + reg + (vector / 32) * 16);
}

static u8 hw_highest(struct hw *hw, unsigned int reg)
{
	int v;

	for (v = 255; v > 0; v--)
		if (*hw_word(hw, reg, v) & 1U << v % 32)
			return v;
	return 0;
}

static void hw_ppr(struct hw *hw)
{
	u32 *tpr = hw_word(hw, LAPIC_TPR, 0), *ppr = hw_word(hw, LAPIC_PPR, 0);

	*ppr = (*tpr & 0xf0) >= (hw->svi & 0xf0) ? *tpr : hw->svi & 0xf0;
}

static void hw_entry(struct hw *hw)
{
	lapic_take_posted(&hw->r.a);
	lapic_hw_status(&hw->r.a, &hw->rvi, &hw->svi);
	hw_ppr(hw);
}

/* What the guest takes now, or -1. */
static int hw_deliver(struct hw *hw)
{
	u8 v = hw->rvi;

	if ((v & 0xf0) <= (*hw_word(hw, LAPIC_PPR, 0) & 0xf0))
		return -1;
	*hw_word(hw, LAPIC_ISR, v) |= 1U << v % 32;
	*hw_word(hw, LAPIC_IRR, v) &= ~(1U << v % 32);
	hw->svi = v;
	hw->rvi = hw_highest(hw, LAPIC_IRR);
	hw_ppr(hw);
	return v;
}

static u8 hw_eoi(struct hw *hw)
{
	u8 v = hw->svi;

	*hw_word(hw, LAPIC_ISR, v) &= ~(1U << v % 32);
	hw->svi = hw_highest(hw, LAPIC_ISR);
	hw_ppr(hw);
	return v;
}

TEST(hw_post_waits_beside_the_page)
{
	struct hw hw;

	hw_init(&hw);
	EXPECT_EQ(lapic_post(&hw.r.a, 0x41, false), LAPIC_POSTED);
	EXPECT_EQ(lapic_post(&hw.r.a, 0x41, false), LAPIC_COALESCED);
	EXPECT_EQ(rd(&hw.r, LAPIC_IRR + 0x20), 0);
	EXPECT_EQ(lapic_pending(&hw.r.a), -1);
	EXPECT_TRUE(lapic_take_posted(&hw.r.a));
	EXPECT_FALSE(lapic_take_posted(&hw.r.a));
	EXPECT_EQ(rd(&hw.r, LAPIC_IRR + 0x20), 2);
	EXPECT_EQ(lapic_pending(&hw.r.a), 0x41);
	EXPECT_TRUE(lapic_in_flight(&hw.r.a, 0x41));
	EXPECT_EQ(lapic_post(&hw.r.a, 0x41, false), LAPIC_POSTED);
}

TEST(hw_every_vector_passes)
{
	struct hw hw;
	int v;

	hw_init(&hw);
	for (v = 16; v < 256; v++)
		EXPECT_EQ(lapic_post(&hw.r.a, v, false), LAPIC_POSTED);
	hw_entry(&hw);
	for (v = 255; v >= 16; v--) {
		EXPECT_EQ(hw_deliver(&hw), v);
		EXPECT_EQ(hw_eoi(&hw), v);
	}
	EXPECT_EQ(hw_deliver(&hw), -1);
	EXPECT_EQ(lapic_pending(&hw.r.a), -1);
}

TEST(hw_status_after_software)
{
	struct hw hw;

	hw_init(&hw);
	lapic_post(&hw.r.a, 0x41, true);
	hw_entry(&hw);
	EXPECT_EQ(hw_deliver(&hw), 0x41);
	lapic_post(&hw.r.a, 0x62, false);
	lapic_post(&hw.r.a, 0x45, false);
	hw_entry(&hw);
	EXPECT_EQ(hw.rvi, 0x62);
	EXPECT_EQ(hw.svi, 0x41);
	EXPECT_EQ(hw_deliver(&hw), 0x62);
	EXPECT_EQ(hw_deliver(&hw), -1);

	/* An EOI that was emulated: the hardware must be told in any case. */
	EXPECT_EQ(wr(&hw.r, LAPIC_EOI, 0), LAPIC_FX_EOI | LAPIC_FX_EVENT);
	EXPECT_EQ(hw.r.fx.eoi_vector, 0x62);
	EXPECT_FALSE(hw.r.fx.eoi_level);
	EXPECT_EQ(wr(&hw.r, LAPIC_EOI, 0), LAPIC_FX_EOI | LAPIC_FX_EVENT);
	EXPECT_EQ(hw.r.fx.eoi_vector, 0x41);
	EXPECT_TRUE(hw.r.fx.eoi_level);
	EXPECT_EQ(wr(&hw.r, LAPIC_EOI, 0), 0);
	hw_entry(&hw);
	EXPECT_EQ(hw.svi, 0);
	EXPECT_EQ(hw_deliver(&hw), 0x45);
}

TEST(hw_eoi_effects)
{
	struct lapic_effect fx = { .what = 0 };
	struct hw hw;

	hw_init(&hw);
	lapic_post(&hw.r.a, 0x41, true);
	hw_entry(&hw);
	hw_deliver(&hw);
	lapic_hw_eoi(&hw.r.a, hw_eoi(&hw), &fx);
	EXPECT_EQ(fx.what, LAPIC_FX_EOI);
	EXPECT_EQ(fx.eoi_vector, 0x41);
	EXPECT_TRUE(fx.eoi_level);
	EXPECT_TRUE(fx.eoi_broadcast);
}

/* A self IPI that the hardware took sets IRR with nobody told; HLT must not sleep on it. */
TEST(hw_self_ipi_is_pending)
{
	struct hw hw;

	hw_init(&hw);
	*hw_word(&hw, LAPIC_IRR, 0x61) |= 1U << 0x61 % 32;
	EXPECT_EQ(lapic_pending(&hw.r.a), 0x61);
	*hw_word(&hw, LAPIC_TPR, 0) = 0x60;
	hw_ppr(&hw);
	EXPECT_EQ(lapic_pending(&hw.r.a), -1);
	EXPECT_EQ(lapic_tpr_masked(&hw.r.a), 0x61);
}

TEST(hw_tpr_holds_back)
{
	struct hw hw;

	hw_init(&hw);
	*hw_word(&hw, LAPIC_TPR, 0) = 0x50;
	lapic_post(&hw.r.a, 0x55, false);
	hw_entry(&hw);
	EXPECT_EQ(hw_deliver(&hw), -1);
	EXPECT_EQ(lapic_pending(&hw.r.a), -1);	/* the page's TPR counts */
	*hw_word(&hw, LAPIC_TPR, 0) = 0x40;
	hw_ppr(&hw);
	EXPECT_EQ(lapic_pending(&hw.r.a), 0x55);
	EXPECT_EQ(hw_deliver(&hw), 0x55);
}

/* The page has the raw value when Keel hears of it. */
static unsigned int hw_write(struct hw *hw, unsigned int reg, u32 val)
{
	hw->r.fx.what = 0;
	*hw_word(hw, reg, 0) = val;
	lapic_hw_written(&hw->r.a, reg, &hw->r.fx);
	return hw->r.fx.what;
}

TEST(hw_written)
{
	struct hw hw;

	hw_init(&hw);
	EXPECT_EQ(hw_write(&hw, LAPIC_LVTT, ~0U), LAPIC_FX_LVTT);
	EXPECT_EQ(rd(&hw.r, LAPIC_LVTT), 0x700ff);
	EXPECT_EQ(hw_write(&hw, LAPIC_LVTT, 0x30), LAPIC_FX_LVTT);
	EXPECT_EQ(hw_write(&hw, LAPIC_TMICT, 1000), LAPIC_FX_TMICT);
	EXPECT_EQ(rd(&hw.r, LAPIC_TMICT), 1000);

	/* Into deadline mode: the count is gone, and stays so. */
	EXPECT_EQ(hw_write(&hw, LAPIC_LVTT, 0x40030), LAPIC_FX_LVTT);
	EXPECT_EQ(rd(&hw.r, LAPIC_TMICT), 0);
	EXPECT_EQ(hw_write(&hw, LAPIC_TMICT, 1000), 0);
	EXPECT_EQ(rd(&hw.r, LAPIC_TMICT), 0);

	EXPECT_EQ(hw_write(&hw, LAPIC_ICR2, 0xff123456), 0);
	EXPECT_EQ(rd(&hw.r, LAPIC_ICR2), 0xff000000);
	EXPECT_EQ(hw_write(&hw, LAPIC_ICR, 0x4041), LAPIC_FX_IPI);
	EXPECT_EQ(hw.r.fx.msg.dest, 0xff);
	EXPECT_EQ(hw.r.fx.msg.vector, 0x41);

	/* ESR: what was written does not show, the errors do. */
	lapic_error(&hw.r.a, LAPIC_ESR_RECV_ILLEGAL);
	EXPECT_EQ(hw_write(&hw, LAPIC_ESR, 0x1234), 0);
	EXPECT_EQ(rd(&hw.r, LAPIC_ESR), LAPIC_ESR_RECV_ILLEGAL);
}

TEST(hw_state_and_reset_drop_posts)
{
	u8 state[LAPIC_REGS_SIZE];
	struct hw hw;

	hw_init(&hw);
	lapic_get_state(&hw.r.a, state, false);
	lapic_post(&hw.r.a, 0x41, false);
	EXPECT_EQ(lapic_set_state(&hw.r.a, state, false), 0);
	EXPECT_FALSE(lapic_take_posted(&hw.r.a));
	lapic_post(&hw.r.a, 0x41, false);
	lapic_reset(&hw.r.a, LAPIC_INIT, false, false);
	EXPECT_FALSE(lapic_take_posted(&hw.r.a));
	EXPECT_EQ(lapic_pending(&hw.r.a), -1);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * regs.c - which registers there are, what can be written, what it does
 *
 * From "Local APIC Register Address Map", "x2APIC Register Address Space" and the
 * registers' figures in the manual.
 */
#include "rig.h"

/*
 * By register number (offset / 16), in xAPIC and in x2APIC mode: r read, w write,
 * b both, W write but 0 only, - reserved.
 */
static const char xapic_map[] =
	"--br----brrwrbbbrrrrrrrrrrrrrrrrrrrrrrrrb------bbbbbbbbbbr----b-";
static const char x2apic_map[] =
	"--rr----b-rW-r-brrrrrrrrrrrrrrrrrrrrrrrrB------bb-bbbbbbbr----bw";

/* Bits that a write may set, of the registers that take any. */
static u32 defined_bits(unsigned int reg)
{
	switch (reg) {
	case LAPIC_TPR:
	case LAPIC_SELF_IPI:
		return 0xff;
	case LAPIC_SPIV:
		return 0x13ff;
	case LAPIC_LVTT:
		return 0x700ff;
	case LAPIC_LVTERR:
		return 0x100ff;
	case LAPIC_LVTCMCI:
	case LAPIC_LVTTHMR:
	case LAPIC_LVTPC:
		return 0x107ff;
	case LAPIC_LVT0:
	case LAPIC_LVT1:
		return 0x1a7ff;
	case LAPIC_TMICT:
		return ~0U;
	case LAPIC_TDCR:
		return 0xb;
	default:
		return 0;
	}
}

TEST(power_up)
{
	struct rig r;
	unsigned int i;

	rig_init(&r, 5, &rig_plain);
	EXPECT_EQ(r.a.base, 0xfee00800);
	EXPECT_EQ(rd(&r, LAPIC_ID), 5U << 24);
	EXPECT_EQ(rd(&r, LAPIC_LVR), 0x50014);
	EXPECT_EQ(rd(&r, LAPIC_DFR), 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_LDR), 0);
	EXPECT_EQ(rd(&r, LAPIC_SPIV), 0xff);
	EXPECT_EQ(rd(&r, LAPIC_TPR), 0);
	EXPECT_EQ(rd(&r, LAPIC_PPR), 0);
	EXPECT_EQ(rd(&r, LAPIC_ESR), 0);
	EXPECT_EQ(rd(&r, LAPIC_ICR), 0);
	EXPECT_EQ(rd(&r, LAPIC_TMICT), 0);
	EXPECT_EQ(rd(&r, LAPIC_TDCR), 0);
	for (i = LAPIC_LVTT; i <= LAPIC_LVTERR; i += 16)
		EXPECT_EQ(rd(&r, i), 0x10000);
	for (i = LAPIC_ISR; i < LAPIC_ESR; i += 16)
		EXPECT_EQ(rd(&r, i), 0);
}

TEST(version_follows_features)
{
	struct rig r;

	rig_init(&r, 0, &rig_full);
	EXPECT_EQ(rd(&r, LAPIC_LVR), 0x01060014);
	EXPECT_EQ(rd(&r, LAPIC_LVTCMCI), 0x10000);
	lapic_set_features(&r.a, &rig_plain);
	EXPECT_EQ(rd(&r, LAPIC_LVR), 0x00050014);
	wr(&r, LAPIC_LVR, 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_LVR), 0x00050014);
}

TEST(xapic_register_map)
{
	struct rig r;
	unsigned int reg;
	u32 val;

	rig_xapic(&r);
	for (reg = 0; reg < 0x400; reg += 16) {
		bool there = xapic_map[reg / 16] != '-';

		EXPECT_EQ(lapic_read(&r.a, reg, &val), there ? 0 : -EINVAL);
		EXPECT_EQ(lapic_write(&r.a, reg, 0, &r.fx), there ? 0 : -EINVAL);
	}
	/* Beyond the page, off the 16 byte grid, and a register this CPU does not have. */
	EXPECT_EQ(lapic_read(&r.a, 0x400, &val), -EINVAL);
	EXPECT_EQ(lapic_read(&r.a, 0xffffffe0, &val), -EINVAL);
	EXPECT_EQ(lapic_read(&r.a, LAPIC_TPR + 4, &val), -EINVAL);
	EXPECT_EQ(lapic_write(&r.a, 0x400, 0, &r.fx), -EINVAL);
	lapic_set_features(&r.a, &rig_plain);
	EXPECT_EQ(lapic_read(&r.a, LAPIC_LVTCMCI, &val), -EINVAL);
}

TEST(x2apic_register_map)
{
	struct rig r;
	unsigned int reg;
	u64 val;

	rig_x2apic(&r, 3);
	for (reg = 0; reg < 0x1000; reg += 16) {
		char c = reg < 0x400 ? x2apic_map[reg / 16] : '-';
		bool readable = strchr("rbB", c), writable = strchr("wWbB", c);

		EXPECT_EQ(lapic_msr_read(&r.a, reg, &val), readable ? 0 : -EINVAL);
		EXPECT_EQ(lapic_msr_write(&r.a, reg, 0, &r.fx), writable ? 0 : -EINVAL);
		if (strchr("WB", c))
			EXPECT_EQ(lapic_msr_write(&r.a, reg, 1, &r.fx), -EINVAL);
	}
}

TEST(msrs_need_x2apic_mode)
{
	struct rig r;
	u64 val;

	rig_xapic(&r);
	EXPECT_EQ(lapic_msr_read(&r.a, LAPIC_TPR, &val), -EINVAL);
	EXPECT_EQ(lapic_msr_write(&r.a, LAPIC_TPR, 0, &r.fx), -EINVAL);
	EXPECT_EQ(lapic_msr_write(&r.a, LAPIC_SELF_IPI, 0x30, &r.fx), -EINVAL);
}

TEST(x2apic_reserved_bits)
{
	static const unsigned int regs[] = {
		LAPIC_TPR, LAPIC_SPIV, LAPIC_LVTCMCI, LAPIC_LVTT, LAPIC_LVTTHMR, LAPIC_LVTPC,
		LAPIC_LVT0, LAPIC_LVT1, LAPIC_LVTERR, LAPIC_TMICT, LAPIC_TDCR, LAPIC_SELF_IPI,
	};
	struct rig r;
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		u64 bits = defined_bits(regs[i]);

		/* Status bits of an LVT are read-only: a write may carry them. */
		if (regs[i] >= LAPIC_LVTCMCI && regs[i] <= LAPIC_LVTERR)
			bits |= 0x1000;
		if (regs[i] == LAPIC_LVT0 || regs[i] == LAPIC_LVT1)
			bits |= 0x4000;
		for (bit = 0; bit < 64; bit++) {
			rig_x2apic(&r, 1);
			EXPECT_EQ(lapic_msr_write(&r.a, regs[i], 1ULL << bit, &r.fx),
				  bits & 1ULL << bit ? 0 : -EINVAL);
		}
	}
	for (bit = 0; bit < 64; bit++) {
		rig_x2apic(&r, 1);
		EXPECT_EQ(lapic_msr_write(&r.a, LAPIC_ICR, 1ULL << bit, &r.fx),
			  0xfff32000ULL & 1ULL << bit ? -EINVAL : 0);
	}
}

TEST(xapic_reserved_bits_read_as_zero)
{
	struct rig r;
	unsigned int reg;

	for (reg = LAPIC_LVTCMCI; reg <= LAPIC_TDCR; reg += 16) {
		u32 bits = defined_bits(reg);

		if (!bits || reg == LAPIC_TMICT)
			continue;
		rig_xapic(&r);
		wr(&r, reg, 0xffffffff);
		EXPECT_EQ(rd(&r, reg), bits);
		wr(&r, reg, 0);
		EXPECT_EQ(rd(&r, reg), 0);
	}
	rig_xapic(&r);
	wr(&r, LAPIC_SPIV, 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_SPIV), 0x13ff);
	wr(&r, LAPIC_TPR, 0xffffff5a);
	EXPECT_EQ(rd(&r, LAPIC_TPR), 0x5a);
	wr(&r, LAPIC_ICR2, 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_ICR2), 0xff000000);
	wr(&r, LAPIC_LDR, 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_LDR), 0xff000000);
	wr(&r, LAPIC_DFR, 0x0f00aaaa);
	EXPECT_EQ(rd(&r, LAPIC_DFR), 0x0fffffff);
	wr(&r, LAPIC_ID, 0x42ffffff);
	EXPECT_EQ(rd(&r, LAPIC_ID), 0x42000000);
}

TEST(features_open_bits)
{
	struct rig r;

	rig_init(&r, 0, &rig_plain);
	wr(&r, LAPIC_SPIV, 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_SPIV), 0x3ff);
	wr(&r, LAPIC_LVTT, 0xffffffff);
	EXPECT_EQ(rd(&r, LAPIC_LVTT), 0x300ff);
}

TEST(read_only_registers_keep)
{
	static const unsigned int regs[] = { LAPIC_APR, LAPIC_PPR, LAPIC_ISR, LAPIC_TMR + 0x20,
					     LAPIC_IRR + 0x70, LAPIC_TMCCT };
	struct rig r;
	unsigned int i;

	rig_xapic(&r);
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		EXPECT_EQ(wr(&r, regs[i], 0xffffffff), 0);
		EXPECT_EQ(rd(&r, regs[i]), 0);
	}
	EXPECT_EQ(lapic_pending(&r.a), -1);
}

TEST(eoi_reads_as_zero)
{
	struct rig r;

	rig_xapic(&r);
	wr(&r, LAPIC_EOI, 77);
	EXPECT_EQ(rd(&r, LAPIC_EOI), 0);
}

TEST(software_disable_masks_lvt)
{
	struct rig r;
	unsigned int reg;

	rig_xapic(&r);
	for (reg = LAPIC_LVTT; reg <= LAPIC_LVTERR; reg += 16)
		wr(&r, reg, 0x40);
	wr(&r, LAPIC_LVTCMCI, 0x40);
	wr(&r, LAPIC_SPIV, 0xff);
	for (reg = LAPIC_LVTT; reg <= LAPIC_LVTERR; reg += 16)
		EXPECT_EQ(rd(&r, reg), 0x10040);
	EXPECT_EQ(rd(&r, LAPIC_LVTCMCI), 0x10040);

	/* While disabled a mask cannot be taken away; enabling does not take it away. */
	wr(&r, LAPIC_LVT0, 0x700);
	EXPECT_EQ(rd(&r, LAPIC_LVT0), 0x10700);
	wr(&r, LAPIC_SPIV, 0x1ff);
	EXPECT_EQ(rd(&r, LAPIC_LVT0), 0x10700);
	wr(&r, LAPIC_LVT0, 0x700);
	EXPECT_EQ(rd(&r, LAPIC_LVT0), 0x700);
}

TEST(address_registers_change_the_map)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(wr(&r, LAPIC_ID, 0x09000000), LAPIC_FX_MAP);
	EXPECT_EQ(wr(&r, LAPIC_LDR, 0x02000000), LAPIC_FX_MAP);
	EXPECT_EQ(wr(&r, LAPIC_DFR, 0x00000000), LAPIC_FX_MAP);
	EXPECT_EQ(wr(&r, LAPIC_TPR, 0x20), LAPIC_FX_EVENT);
	EXPECT_EQ(wr(&r, LAPIC_SPIV, 0x1f0), 0);
}

TEST(address)
{
	struct apic_addr addr;
	struct rig r;

	rig_xapic(&r);
	wr(&r, LAPIC_ID, 0x09000000);
	wr(&r, LAPIC_LDR, 0x21000000);
	lapic_addr(&r.a, &addr);
	EXPECT_EQ(addr.id, 3);
	EXPECT_EQ(addr.xid, 9);
	EXPECT_EQ(addr.ldr, 0x21);
	EXPECT_EQ(addr.mode, LAPIC_XAPIC);
	EXPECT_EQ(addr.model, APIC_FLAT);
	wr(&r, LAPIC_DFR, 0);
	lapic_addr(&r.a, &addr);
	EXPECT_EQ(addr.model, APIC_CLUSTER);
	wr(&r, LAPIC_DFR, 0x70000000);
	lapic_addr(&r.a, &addr);
	EXPECT_EQ(addr.model, APIC_NO_LOGICAL);
	rig_x2apic(&r, 0x123);
	lapic_addr(&r.a, &addr);
	EXPECT_EQ(addr.mode, LAPIC_X2APIC);
	EXPECT_EQ(addr.model, APIC_X2CLUSTER);
	lapic_set_base(&r.a, 0xfee00000, false, &r.fx);
	lapic_addr(&r.a, &addr);
	EXPECT_EQ(addr.mode, LAPIC_OFF);
}

TEST(timer_registers_report)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(wr(&r, LAPIC_TMICT, 1000), LAPIC_FX_TMICT);
	EXPECT_EQ(wr(&r, LAPIC_TDCR, 0xb), LAPIC_FX_TDCR);
	EXPECT_EQ(wr(&r, LAPIC_LVTT, 0x20030), LAPIC_FX_LVTT);
	EXPECT_EQ(rd(&r, LAPIC_TMICT), 1000);

	/* Into TSC-deadline mode the count is gone, and is ignored there. */
	EXPECT_EQ(wr(&r, LAPIC_LVTT, 0x40030), LAPIC_FX_LVTT);
	EXPECT_EQ(rd(&r, LAPIC_TMICT), 0);
	EXPECT_EQ(wr(&r, LAPIC_TMICT, 1000), 0);
	EXPECT_EQ(rd(&r, LAPIC_TMICT), 0);
}

TEST(lint_modes)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(lapic_lint_mode(&r.a, LAPIC_LVT1), -1);
	EXPECT_FALSE(lapic_accepts_extint(&r.a));
	wr(&r, LAPIC_LVT1, 0x400);
	EXPECT_EQ(lapic_lint_mode(&r.a, LAPIC_LVT1), KEEL_DM_NMI);
	wr(&r, LAPIC_LVT0, 0x10700);
	EXPECT_FALSE(lapic_accepts_extint(&r.a));
	wr(&r, LAPIC_LVT0, 0x400);
	EXPECT_FALSE(lapic_accepts_extint(&r.a));
	wr(&r, LAPIC_LVT0, 0x700);
	EXPECT_TRUE(lapic_accepts_extint(&r.a));
	wr(&r, LAPIC_SPIV, 0xff);
	EXPECT_FALSE(lapic_accepts_extint(&r.a));

	/* Without an APIC the 8259's INTR is the CPU's own pin. */
	lapic_set_base(&r.a, 0xfee00000, false, &r.fx);
	EXPECT_EQ(lapic_lint_mode(&r.a, LAPIC_LVT0), -1);
	EXPECT_TRUE(lapic_accepts_extint(&r.a));
}

TEST(firmware_gets_lint0)
{
	struct rig r;

	rig_init(&r, 0, &rig_plain);
	lapic_reset(&r.a, LAPIC_RESET, true, true);
	EXPECT_EQ(r.a.base, 0xfee00900);
	EXPECT_EQ(rd(&r, LAPIC_LVT0), 0x700);
	EXPECT_TRUE(lapic_accepts_extint(&r.a));
	lapic_reset(&r.a, LAPIC_RESET, true, false);
	EXPECT_EQ(rd(&r, LAPIC_LVT0), 0x10000);
	lapic_reset(&r.a, LAPIC_RESET, false, true);
	EXPECT_EQ(rd(&r, LAPIC_LVT0), 0x10000);
}

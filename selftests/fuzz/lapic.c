// SPDX-License-Identifier: GPL-2.0
/*
 * lapic.c - a guest, other CPUs, userspace and, if there is, hardware that delivers
 */
#include "fuzz.h"
#include "../../arch/x86/irqchip/lapic.h"

#define ID	0x45

static struct {
	struct lapic a;
	unsigned long page[LAPIC_REGS_SIZE / 8];
	unsigned long pir[LAPIC_PIR_SIZE / 8];
} r;

static u32 get(unsigned int reg)
{
	return lapic_get(&r.a, reg);
}

static int highest(unsigned int reg)
{
	int v;

	for (v = 255; v >= 0; v--)
		if (get(reg + v / 32 * 16) & BIT(v % 32))
			return v;
	return -1;
}

static bool has(unsigned int reg, int v)
{
	return get(reg + v / 32 * 16) & BIT(v % 32);
}

static unsigned int in_service(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < 8; i++)
		n += hweight32(get(LAPIC_ISR + i * 16));
	return n;
}

/* Priorities by the manual; @irr is what may be delivered if it is above @ppr. */
static void check_priority(void)
{
	int isr = highest(LAPIC_ISR), irr = highest(LAPIC_IRR);
	int tpr = get(LAPIC_TPR), top = isr < 0 ? 0 : isr & 0xf0;
	int ppr = (tpr & 0xf0) >= top ? tpr : top;
	bool off = lapic_mode(&r.a) == LAPIC_OFF;

	CHECK_EQ(get(LAPIC_PPR), ppr);
	CHECK_EQ(lapic_pending(&r.a), !off && irr >= 0 && (irr & 0xf0) > (ppr & 0xf0) ? irr : -1);
	if (lapic_pending(&r.a) >= 0)
		CHECK_EQ(lapic_tpr_masked(&r.a), -1);
	if (lapic_tpr_masked(&r.a) >= 0)
		CHECK((irr & 0xf0) > top && lapic_tpr_masked(&r.a) == irr);
}

static void check_registers(void)
{
	struct apic_addr addr;

	lapic_addr(&r.a, &addr);
	CHECK_EQ(addr.id, ID);
	CHECK_EQ(get(LAPIC_LVR) & 0xff, LAPIC_VERSION);
	CHECK_EQ(get(LAPIC_TDCR) & ~0xb, 0);
	CHECK_EQ(get(LAPIC_ICR) & BIT(12), 0);
	CHECK_EQ(get(LAPIC_DFR) & GENMASK(27, 0), GENMASK(27, 0));
	if (lapic_mode(&r.a) == LAPIC_X2APIC) {
		CHECK_EQ(get(LAPIC_ID), ID);
		CHECK_EQ(get(LAPIC_LDR), apic_x2apic_ldr(ID));
		CHECK_EQ(addr.model, APIC_X2CLUSTER);
	}
	CHECK_EQ((r.a.lvtt ^ get(LAPIC_LVTT)) & ~LAPIC_LVT_MASKED, 0);
}

static void check(void)
{
	check_registers();
	if (r.a.pir)
		return;
	check_priority();
	CHECK_EQ(r.a.isr_top, highest(LAPIC_ISR));
	CHECK_EQ(r.a.isr_count, in_service());
	CHECK(r.a.irr_pending || highest(LAPIC_IRR) < 0);
}

/* Effects name what happened, and nothing else. */
static void check_effect(const struct lapic_effect *fx, int isr_before)
{
	if (fx->what & LAPIC_FX_IPI)
		CHECK(fx->msg.src == 7 && fx->msg.mode <= 7 && fx->msg.shorthand <= 3);
	if (fx->what & LAPIC_FX_IPI)
		CHECK(fx->msg.x2apic || fx->msg.dest <= 0xff);
	if (!(fx->what & LAPIC_FX_EOI))
		return;
	CHECK_EQ(fx->eoi_vector, isr_before);
	CHECK(!has(LAPIC_ISR, isr_before));
	CHECK_EQ(fx->eoi_level, has(LAPIC_TMR, isr_before));
}

static void write_mmio(struct fuzz *f)
{
	unsigned int reg = fuzz_u16(f) & 0x7ff;
	int isr = highest(LAPIC_ISR), ret;
	struct lapic_effect fx = { };
	u32 val = fuzz_num(f), got;

	if (!(reg & 0x400))
		reg &= ~0xf;
	if (lapic_mode(&r.a) == LAPIC_X2APIC)
		return;
	ret = lapic_write(&r.a, reg, val, &fx);
	if (ret)
		CHECK(ret == -EINVAL && !fx.what);
	if (!ret && reg == LAPIC_SPIV && !lapic_sw_enabled(&r.a))
		CHECK(get(LAPIC_LVTT) & get(LAPIC_LVT0) & get(LAPIC_LVTERR) & LAPIC_LVT_MASKED);
	check_effect(&fx, isr);
	CHECK_EQ(lapic_read(&r.a, reg, &got), ret);
	CHECK(!ret || !got);
}

static void write_msr(struct fuzz *f)
{
	unsigned int reg = fuzz_u8(f) << 4 & 0x7f0;
	bool x2 = lapic_mode(&r.a) == LAPIC_X2APIC;
	int isr = highest(LAPIC_ISR), ret;
	struct lapic_effect fx = { };
	u64 val = fuzz_num(f), got;

	ret = lapic_msr_write(&r.a, reg, val, &fx);
	CHECK(x2 || ret == -EINVAL);
	CHECK(!ret || !fx.what);
	check_effect(&fx, isr);
	if (!lapic_msr_read(&r.a, reg, &got))
		CHECK(x2 && (reg == LAPIC_ICR || !(got >> 32)));
	else
		CHECK(!got);
	if (!ret && (reg == LAPIC_TPR || reg == LAPIC_ICR))
		CHECK_EQ(got, val & ~BIT_ULL(12));
}

static void post(struct fuzz *f)
{
	u8 v = fuzz_u8(f), how = fuzz_u8(f);
	bool open = lapic_mode(&r.a) != LAPIC_OFF && lapic_sw_enabled(&r.a);
	enum lapic_post p = lapic_post(&r.a, v, how & 1);

	if (!open || v < 16)
		CHECK(p == LAPIC_REFUSED || (open && p == LAPIC_ERROR));
	else
		CHECK(p == LAPIC_POSTED || p == LAPIC_COALESCED);
	if (p == LAPIC_POSTED || p == LAPIC_COALESCED) {
		CHECK_EQ(has(LAPIC_TMR, v), how & 1);
		CHECK(r.a.pir ? test_bit(v, r.pir) : has(LAPIC_IRR, v));
	}
}

static void ack(void)
{
	int v = lapic_pending(&r.a);

	if (r.a.pir)		/* the hardware does that */
		return;
	CHECK_EQ(lapic_ack(&r.a), v);
	if (v < 0)
		return;
	CHECK(v >= 16 && has(LAPIC_ISR, v) && !has(LAPIC_IRR, v));
	CHECK(lapic_in_flight(&r.a, v));
	CHECK_EQ(highest(LAPIC_ISR), v);
}

static void set_base(struct fuzz *f)
{
	static const u16 low[] = { 0, 0x800, 0xc00, 0x400, 0x900, 0xd00, 0x801, 0xa00 };
	u8 how = fuzz_u8(f);
	u64 base = (how & 0x10 ? fuzz_num(f) << 12 : LAPIC_BASE_DEFAULT) | low[how & 7];
	bool host = how & 8;
	enum lapic_mode from = lapic_mode(&r.a), to;
	struct lapic_effect fx = { };
	u64 old = r.a.base;
	int ret = lapic_set_base(&r.a, base, host, &fx);

	to = lapic_mode(&r.a);
	if (ret) {
		CHECK(ret == -EINVAL && r.a.base == old && !fx.what);
		return;
	}
	CHECK_EQ(r.a.base, base);
	CHECK_EQ(!!(fx.what & LAPIC_FX_MAP), from != to);
	CHECK_EQ(!!(fx.what & LAPIC_FX_OFF), from != to && to == LAPIC_OFF);
	CHECK(host || !(from == LAPIC_X2APIC && to == LAPIC_XAPIC));
	CHECK(host || !(from == LAPIC_OFF && to == LAPIC_X2APIC));
}

/* Few bytes for many registers: a pattern, and some that are chosen. */
static void set_state(struct fuzz *f)
{
	u8 s[LAPIC_REGS_SIZE], n, how = fuzz_u8(f);

	if (how & 1)
		lapic_get_state(&r.a, s, how & 4);
	else
		memset(s, fuzz_u8(f), sizeof(s));
	for (n = how >> 4; n; n--) {
		unsigned int reg = fuzz_u8(f) * 4 % LAPIC_REGS_SIZE;
		u32 val = fuzz_num(f);

		memcpy(s + reg, &val, sizeof(val));
	}
	if (lapic_set_state(&r.a, s, how & 4))
		CHECK(lapic_mode(&r.a) == LAPIC_X2APIC && (how & 4) && memcmp(s + LAPIC_ID,
		      &(u32){ ID }, 4));
}

static void tame(void)
{
	u8 s[LAPIC_REGS_SIZE];

	lapic_get_state(&r.a, s, true);
	CHECK_EQ(lapic_set_state(&r.a, s, true), 0);
}

static void move(bool format32)
{
	u8 s[LAPIC_REGS_SIZE], again[LAPIC_REGS_SIZE];

	if (r.a.pir)
		lapic_take_posted(&r.a);
	lapic_get_state(&r.a, s, format32);
	CHECK_EQ(lapic_set_state(&r.a, s, format32), 0);
	lapic_get_state(&r.a, again, format32);
	CHECK(!memcmp(s, again, sizeof(s)));
}

/* What a CPU that delivers by itself does to the page. */
static void hardware(struct fuzz *f)
{
	static const u16 regs[] = { LAPIC_TPR, LAPIC_EOI, LAPIC_SPIV, LAPIC_ICR, LAPIC_LVTT };
	struct lapic_effect fx = { };
	u8 how = fuzz_u8(f), irr, isr;

	if (!r.a.pir)
		return;
	lapic_take_posted(&r.a);
	CHECK(!(r.pir[0] | r.pir[1] | r.pir[2] | r.pir[3]));
	check_priority();
	lapic_hw_status(&r.a, &irr, &isr);
	CHECK_EQ(irr, max(highest(LAPIC_IRR), 0));
	CHECK_EQ(isr, max(highest(LAPIC_ISR), 0));
	if (irr > 15 && (how & 1)) {
		clear_bit(irr & 31, &r.page[(LAPIC_IRR >> 3) + (irr >> 5) * 2]);
		set_bit(irr & 31, &r.page[(LAPIC_ISR >> 3) + (irr >> 5) * 2]);
	}
	if (how & 2)
		lapic_hw_written(&r.a, regs[(how >> 2) % ARRAY_SIZE(regs)], &fx);
	if (how & 128) {
		lapic_hw_eoi(&r.a, how, &fx);
		CHECK(fx.eoi_vector == how && fx.eoi_level == has(LAPIC_TMR, how));
	}
}

static void features(struct fuzz *f)
{
	u8 how = fuzz_u8(f);
	struct lapic_features feat = {
		.tsc_deadline = how & 1, .directed_eoi = how & 2, .nr_lvt = how >> 4,
		.base_reserved = how & 4 ? GENMASK_ULL(51, 40) : 0,
	};

	lapic_set_features(&r.a, &feat);
	CHECK(r.a.feat.nr_lvt == 6 || r.a.feat.nr_lvt == 7);
	/* A state that the features before it allowed is brought into the new ones' range. */
	tame();
}

static void local(struct fuzz *f)
{
	static const u16 lvts[] = { LAPIC_LVTT, LAPIC_LVTERR, LAPIC_LVTTHMR, LAPIC_LVTPC };
	u8 how = fuzz_u8(f);
	struct lapic other = r.a;
	int mode;

	lapic_lvt_post(&r.a, lvts[how & 3]);
	if (how & 4)
		lapic_error(&r.a, BIT(how >> 5));
	mode = lapic_lint_mode(&r.a, how & 8 ? LAPIC_LVT0 : LAPIC_LVT1);
	CHECK(mode >= -1 && mode <= 7);
	CHECK(lapic_mode(&r.a) != LAPIC_OFF || lapic_accepts_extint(&r.a));
	atomic_inc(&other.arb);
	CHECK(!lapic_arb_before(&r.a, &r.a));
	CHECK(lapic_arb_before(&r.a, &other) && !lapic_arb_before(&other, &r.a));
}

/* Service ends after at most one EOI for each vector. */
static void drain(void)
{
	unsigned int n = in_service();
	struct lapic_effect fx;

	if (lapic_mode(&r.a) == LAPIC_X2APIC)
		return;
	do {
		fx = (struct lapic_effect){ };
		lapic_write(&r.a, LAPIC_EOI, 0, &fx);
	} while (fx.what & LAPIC_FX_EOI && n--);
	CHECK_EQ(in_service(), 0);
}

static void operate(struct fuzz *f)
{
	u8 op = fuzz_u8(f);

	switch (op % 13) {
	case 0:
	case 1:
		write_mmio(f);
		break;
	case 2:
		write_msr(f);
		break;
	case 3:
	case 4:
		post(f);
		break;
	case 5:
	case 6:
		ack();
		break;
	case 7:
		set_base(f);
		break;
	case 8:
		set_state(f);
		break;
	case 9:
		hardware(f);
		break;
	case 10:
		if (op & 128)
			features(f);
		else
			move(op & 64);
		break;
	case 11:
		local(f);
		break;
	default:
		if (op & 128)
			lapic_reset(&r.a, op & 64 ? LAPIC_INIT : LAPIC_RESET, op & 32, op & 16);
		else
			drain();
	}
}

void fuzz_one(struct fuzz *f)
{
	struct lapic_features feat = { .tsc_deadline = true, .directed_eoi = true, .nr_lvt = 7 };
	u8 how = fuzz_u8(f);

	memset(&r, 0, sizeof(r));
	lapic_init(&r.a, r.page, how & 1 ? r.pir : NULL, ID, 7);
	if (how & 2)
		lapic_set_features(&r.a, &feat);
	lapic_reset(&r.a, LAPIC_RESET, how & 4, how & 8);
	while (fuzz_more(f)) {
		operate(f);
		check();
	}
}

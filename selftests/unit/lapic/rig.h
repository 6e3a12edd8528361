/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig.h - one APIC on the bench
 */
#ifndef UNIT_LAPIC_RIG_H
#define UNIT_LAPIC_RIG_H

#include "../../../arch/x86/irqchip/lapic.h"
#include "tap.h"

struct rig {
	struct lapic a;
	struct lapic_effect fx;
	unsigned long page[LAPIC_REGS_SIZE / 8];
};

static inline void rig_init(struct rig *r, u32 id, const struct lapic_features *feat)
{
	memset(r, 0, sizeof(*r));
	lapic_init(&r->a, r->page, NULL, id, 7);
	lapic_set_features(&r->a, feat);
	lapic_reset(&r->a, LAPIC_RESET, false, false);
}

static const struct lapic_features rig_plain = { .nr_lvt = 6, .base_reserved = BIT(10) };
static const struct lapic_features rig_full = {
	.tsc_deadline = true, .directed_eoi = true, .nr_lvt = 7,
};

/* An xAPIC that software has enabled. */
static inline void rig_xapic(struct rig *r)
{
	rig_init(r, 3, &rig_full);
	lapic_write(&r->a, LAPIC_SPIV, 0x1ff, &r->fx);
	memset(&r->fx, 0, sizeof(r->fx));
}

static inline void rig_x2apic(struct rig *r, u32 id)
{
	rig_init(r, id, &rig_full);
	lapic_write(&r->a, LAPIC_SPIV, 0x1ff, &r->fx);
	lapic_set_base(&r->a, 0xfee00c00, true, &r->fx);
	memset(&r->fx, 0, sizeof(r->fx));
}

static inline u32 rd(struct rig *r, unsigned int reg)
{
	u32 val;

	lapic_read(&r->a, reg, &val);
	return val;
}

/* Write, and return what the write asks for. */
static inline unsigned int wr(struct rig *r, unsigned int reg, u32 val)
{
	r->fx.what = 0;
	lapic_write(&r->a, reg, val, &r->fx);
	return r->fx.what;
}

static inline unsigned int wrmsr_fx(struct rig *r, unsigned int reg, u64 val)
{
	r->fx.what = 0;
	if (lapic_msr_write(&r->a, reg, val, &r->fx))
		return ~0U;
	return r->fx.what;
}

/* A write to ESR latches what has gathered. */
static inline u32 esr(struct rig *r)
{
	wr(r, LAPIC_ESR, 0);
	return rd(r, LAPIC_ESR);
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * lapic.c - the registers of one local APIC
 *
 * By the manual's chapter "Advanced Programmable Interrupt Controller (APIC)".
 */
#include "lapic.h"

#define LAPIC_NR_REGS		(LAPIC_REGS_SIZE / 16)
#define LAPIC_PIR_WORDS		(LAPIC_PIR_SIZE / sizeof(unsigned long))

#define LAPIC_ICR_BUSY		BIT(12)
#define LAPIC_ICR_X2_RESERVED	(GENMASK(31, 20) | GENMASK(17, 16) | BIT(13))
#define LAPIC_LVT_VECTOR	GENMASK(7, 0)
#define LAPIC_LVT_DM		GENMASK(10, 8)
#define LAPIC_LVT_STATUS	BIT(12)
#define LAPIC_LVT_POLARITY	BIT(13)
#define LAPIC_LVT_REMOTE_IRR	BIT(14)
#define LAPIC_LVT_LEVEL		BIT(15)
#define LAPIC_DFR_FIXED		GENMASK(27, 0)
#define LAPIC_DFR_FLAT		0xf	/* bits 31:28 */
#define LAPIC_DFR_CLUSTER	0x0
#define LAPIC_BASE_RESERVED	GENMASK_ULL(63, 52)

/* What a write does. */
enum lapic_action {
	LAPIC_ABSENT,		/* not a register */
	LAPIC_W_NOTHING,	/* read-only */
	LAPIC_W_ID, LAPIC_W_TPR, LAPIC_W_EOI, LAPIC_W_LDR, LAPIC_W_DFR, LAPIC_W_SPIV,
	LAPIC_W_ESR, LAPIC_W_ICR, LAPIC_W_ICR2, LAPIC_W_LVT, LAPIC_W_TMICT, LAPIC_W_TDCR,
	LAPIC_W_SELF,
};

#define LAPIC_WRITE_ONLY	BIT(0)
#define LAPIC_NO_X2APIC		BIT(1)	/* absent in x2APIC mode */
#define LAPIC_X2APIC_RO		BIT(2)	/* read-only in x2APIC mode */
#define LAPIC_X2APIC_ONLY	BIT(3)

struct lapic_reg {
	u8 action;	/* enum lapic_action */
	u8 flags;
	u32 mask;	/* bits that can be written */
	u32 status;	/* read-only bits, that a WRMSR may carry */
};

#define LVT_REG(more)		{ LAPIC_W_LVT, 0, LAPIC_LVT_VECTOR | LAPIC_LVT_MASKED | (more), \
				  LAPIC_LVT_STATUS }
#define LINT_REG		{ LAPIC_W_LVT, 0, LAPIC_LVT_VECTOR | LAPIC_LVT_MASKED |		\
				  LAPIC_LVT_DM | LAPIC_LVT_POLARITY | LAPIC_LVT_LEVEL,		\
				  LAPIC_LVT_STATUS | LAPIC_LVT_REMOTE_IRR }
#define WRITE_REG(act, fl, m)	{ .action = LAPIC_W_##act, .flags = (fl), .mask = (m) }
#define READ_REG		WRITE_REG(NOTHING, 0, 0)

static const struct lapic_reg lapic_regs[LAPIC_NR_REGS] = {
	[LAPIC_ID >> 4]		= WRITE_REG(ID, LAPIC_X2APIC_RO, GENMASK(31, 24)),
	[LAPIC_LVR >> 4]	= READ_REG,
	[LAPIC_TPR >> 4]	= WRITE_REG(TPR, 0, 0xff),
	[LAPIC_APR >> 4]	= WRITE_REG(NOTHING, LAPIC_NO_X2APIC, 0),
	[LAPIC_PPR >> 4]	= READ_REG,
	[LAPIC_EOI >> 4]	= WRITE_REG(EOI, LAPIC_WRITE_ONLY, 0),
	[LAPIC_RRR >> 4]	= WRITE_REG(NOTHING, LAPIC_NO_X2APIC, 0),
	[LAPIC_LDR >> 4]	= WRITE_REG(LDR, LAPIC_X2APIC_RO, GENMASK(31, 24)),
	[LAPIC_DFR >> 4]	= WRITE_REG(DFR, LAPIC_NO_X2APIC, GENMASK(31, 28)),
	[LAPIC_SPIV >> 4]	= WRITE_REG(SPIV, 0, GENMASK(9, 0)),
	[LAPIC_ISR >> 4 ... (LAPIC_IRR + 0x70) >> 4] = READ_REG,	/* TMR is between */
	[LAPIC_ESR >> 4]	= WRITE_REG(ESR, 0, 0),
	[LAPIC_LVTCMCI >> 4]	= LVT_REG(LAPIC_LVT_DM),
	[LAPIC_ICR >> 4]	= WRITE_REG(ICR, 0, ~(u32)LAPIC_ICR_BUSY),
	[LAPIC_ICR2 >> 4]	= WRITE_REG(ICR2, LAPIC_NO_X2APIC, GENMASK(31, 24)),
	[LAPIC_LVTT >> 4]	= LVT_REG(LAPIC_LVT_PERIODIC),
	[LAPIC_LVTTHMR >> 4]	= LVT_REG(LAPIC_LVT_DM),
	[LAPIC_LVTPC >> 4]	= LVT_REG(LAPIC_LVT_DM),
	[LAPIC_LVT0 >> 4]	= LINT_REG,
	[LAPIC_LVT1 >> 4]	= LINT_REG,
	[LAPIC_LVTERR >> 4]	= LVT_REG(0),
	[LAPIC_TMICT >> 4]	= WRITE_REG(TMICT, 0, ~0U),
	[LAPIC_TMCCT >> 4]	= READ_REG,
	[LAPIC_TDCR >> 4]	= WRITE_REG(TDCR, 0, 0xb),
	[LAPIC_SELF_IPI >> 4]	= WRITE_REG(SELF, LAPIC_WRITE_ONLY | LAPIC_X2APIC_ONLY, 0xff),
};

/* The LVT registers, the optional one last. */
static const u16 lapic_lvts[] = {
	LAPIC_LVTT, LAPIC_LVTTHMR, LAPIC_LVTPC, LAPIC_LVT0, LAPIC_LVT1, LAPIC_LVTERR, LAPIC_LVTCMCI,
};

static void lapic_put(struct lapic *a, unsigned int reg, u32 val)
{
	WRITE_ONCE(a->page[reg >> 3], val);
}

static unsigned long *lapic_word(const struct lapic *a, unsigned int reg, u8 vector)
{
	return &a->page[(reg >> 3) + (vector >> 5) * 2];
}

static bool lapic_test(const struct lapic *a, unsigned int reg, u8 vector)
{
	return test_bit(vector & 31, lapic_word(a, reg, vector));
}

/* Highest vector of the 256 bits at @reg, or -1. */
static int lapic_highest(const struct lapic *a, unsigned int reg)
{
	int i;

	for (i = 7; i >= 0; i--) {
		u32 word = lapic_get(a, reg + i * 16);

		if (word)
			return i * 32 + fls(word) - 1;
	}
	return -1;
}

/* ---- priorities ---- */

static u8 lapic_class(int vector)
{
	return vector & 0xf0;
}

static int lapic_isr_top(const struct lapic *a)
{
	return a->pir ? lapic_highest(a, LAPIC_ISR) : a->isr_top;
}

static void lapic_update_ppr(struct lapic *a)
{
	int top = lapic_isr_top(a);
	u32 tpr = lapic_get(a, LAPIC_TPR);
	u32 isr = top < 0 ? 0 : lapic_class(top);

	lapic_put(a, LAPIC_PPR, lapic_class(tpr) >= isr ? tpr : isr);
}

/*
 * PPR went down: what waits in IRR may pass now. Or it is the TPR alone that holds it
 * back from now on, and no change of the TPR may go unseen.
 */
static void lapic_recheck(struct lapic *a, struct lapic_effect *fx)
{
	lapic_update_ppr(a);
	/* With pir, the hardware is to be told of ISR in any case. */
	if (a->pir || lapic_pending(a) >= 0 || lapic_tpr_masked(a) >= 0)
		fx->what |= LAPIC_FX_EVENT;
}

/* With pir the hardware sets bits in IRR, too. */
static bool lapic_irr_empty(const struct lapic *a)
{
	return !a->pir && !READ_ONCE(a->irr_pending);
}

int lapic_pending(const struct lapic *a)
{
	int vector;

	if (lapic_irr_empty(a) || lapic_mode(a) == LAPIC_OFF)
		return -1;
	vector = lapic_highest(a, LAPIC_IRR);
	if (vector < 0 || lapic_class(vector) <= lapic_class(lapic_get(a, LAPIC_PPR)))
		return -1;
	return vector;
}

int lapic_tpr_masked(const struct lapic *a)
{
	int vector, top = lapic_isr_top(a);

	if (lapic_irr_empty(a) || lapic_mode(a) == LAPIC_OFF)
		return -1;
	vector = lapic_highest(a, LAPIC_IRR);
	if (vector < 0 || lapic_class(vector) > lapic_class(lapic_get(a, LAPIC_TPR)))
		return -1;
	if (top >= 0 && lapic_class(vector) <= lapic_class(top))
		return -1;
	return lapic_class(vector) ? vector : -1;
}

bool lapic_in_flight(const struct lapic *a, u8 vector)
{
	return lapic_test(a, LAPIC_IRR, vector) || lapic_test(a, LAPIC_ISR, vector);
}

/*
 * The flag is cleared before IRR is searched, and set by lapic_post() after the
 * bit: a vector that the search misses finds the flag set afterwards.
 */
static void lapic_irr_changed(struct lapic *a)
{
	WRITE_ONCE(a->irr_pending, false);
	smp_mb();	/* the flag, before the search */
	if (lapic_highest(a, LAPIC_IRR) >= 0)
		WRITE_ONCE(a->irr_pending, true);
}

int lapic_ack(struct lapic *a)
{
	int vector = lapic_pending(a);

	if (vector < 0)
		return -1;
	clear_bit(vector & 31, lapic_word(a, LAPIC_IRR, vector));
	lapic_irr_changed(a);
	if (!__test_and_set_bit(vector & 31, lapic_word(a, LAPIC_ISR, vector)))
		a->isr_count++;
	a->isr_top = vector;	/* only a higher class gets past PPR */
	lapic_update_ppr(a);
	return vector;
}

static void lapic_eoi_effect(const struct lapic *a, u8 vector, struct lapic_effect *fx)
{
	fx->what |= LAPIC_FX_EOI;
	fx->eoi_vector = vector;
	fx->eoi_level = lapic_test(a, LAPIC_TMR, vector);
	fx->eoi_broadcast = !(lapic_get(a, LAPIC_SPIV) & LAPIC_SPIV_NO_BROADCAST);
}

static void lapic_eoi(struct lapic *a, struct lapic_effect *fx)
{
	int vector = lapic_isr_top(a);

	if (vector < 0)
		return;		/* nothing in service, as after a spurious interrupt */
	__clear_bit(vector & 31, lapic_word(a, LAPIC_ISR, vector));
	a->isr_count--;
	a->isr_top = a->isr_count ? lapic_highest(a, LAPIC_ISR) : -1;
	lapic_eoi_effect(a, vector, fx);
	lapic_recheck(a, fx);
}

void lapic_set_tpr(struct lapic *a, u8 tpr, struct lapic_effect *fx)
{
	lapic_put(a, LAPIC_TPR, tpr);
	lapic_recheck(a, fx);
}

/* ---- acceptance ---- */

enum lapic_post lapic_post(struct lapic *a, u8 vector, bool level)
{
	unsigned long *tmr = lapic_word(a, LAPIC_TMR, vector);

	if (lapic_mode(a) == LAPIC_OFF || !lapic_sw_enabled(a))
		return LAPIC_REFUSED;
	if (vector < 16)
		return lapic_error(a, LAPIC_ESR_RECV_ILLEGAL) ? LAPIC_ERROR : LAPIC_REFUSED;
	if (test_bit(vector & 31, tmr) != level) {
		if (level)
			set_bit(vector & 31, tmr);
		else
			clear_bit(vector & 31, tmr);
	}
	if (a->pir) {
		/* Its bit in IRR may be taken at this moment: one too many is none lost. */
		if (test_and_set_bit(vector, a->pir))
			return LAPIC_COALESCED;
		return LAPIC_POSTED;
	}
	if (test_and_set_bit(vector & 31, lapic_word(a, LAPIC_IRR, vector)))
		return LAPIC_COALESCED;
	WRITE_ONCE(a->irr_pending, true);
	return LAPIC_POSTED;
}

enum lapic_post lapic_lvt_post(struct lapic *a, unsigned int lvt)
{
	u32 val = lapic_get(a, lvt);

	if (val & LAPIC_LVT_MASKED)
		return LAPIC_REFUSED;
	return lapic_post(a, val & LAPIC_LVT_VECTOR, false);
}

/* A write to ESR arms the error interrupt: only the first error after it makes one. */
bool lapic_error(struct lapic *a, u32 error)
{
	if (atomic_fetch_or(error, &a->errors))
		return false;
	return lapic_lvt_post(a, LAPIC_LVTERR) > LAPIC_COALESCED;
}

int lapic_lint_mode(const struct lapic *a, unsigned int lvt)
{
	u32 val = lapic_get(a, lvt);

	if (lapic_mode(a) == LAPIC_OFF || val & LAPIC_LVT_MASKED)
		return -1;
	return (val & LAPIC_LVT_DM) >> 8;
}

/* Not the software enable: firmware takes 8259 interrupts before it sets that. */
bool lapic_accepts_extint(const struct lapic *a)
{
	return lapic_mode(a) == LAPIC_OFF || lapic_lint_mode(a, LAPIC_LVT0) == KEEL_DM_EXTINT;
}

/* ---- address, arbitration ---- */

void lapic_addr(const struct lapic *a, struct apic_addr *addr)
{
	u32 dfr = lapic_get(a, LAPIC_DFR) >> 28;

	addr->id = a->id;
	addr->xid = lapic_get(a, LAPIC_ID) >> 24;
	addr->ldr = lapic_get(a, LAPIC_LDR) >> 24;
	addr->mode = lapic_mode(a);
	addr->model = APIC_NO_LOGICAL;
	if (addr->mode == LAPIC_X2APIC)
		addr->model = APIC_X2CLUSTER;
	else if (dfr == LAPIC_DFR_FLAT)
		addr->model = APIC_FLAT;
	else if (dfr == LAPIC_DFR_CLUSTER)
		addr->model = APIC_CLUSTER;
}

bool lapic_arb_before(const struct lapic *a, const struct lapic *b)
{
	u8 prio_a = lapic_class(lapic_get(a, LAPIC_TPR));
	u8 prio_b = lapic_class(lapic_get(b, LAPIC_TPR));

	if (prio_a != prio_b)
		return prio_a < prio_b;
	return (int)((u32)atomic_read(&a->arb) - (u32)atomic_read(&b->arb)) < 0;
}

/* ---- registers ---- */

static u32 lapic_writable(const struct lapic *a, unsigned int reg)
{
	u32 mask = lapic_regs[reg >> 4].mask;

	if (reg == LAPIC_SPIV && a->feat.directed_eoi)
		mask |= LAPIC_SPIV_NO_BROADCAST;
	if (reg == LAPIC_LVTT && a->feat.tsc_deadline)
		mask |= LAPIC_LVT_DEADLINE;
	return mask;
}

/* The table's entry for the mode of @a, or NULL: reserved. */
static const struct lapic_reg *lapic_find(const struct lapic *a, unsigned int reg)
{
	const struct lapic_reg *r;
	bool x2 = lapic_mode(a) == LAPIC_X2APIC;

	if (reg >= LAPIC_REGS_SIZE || reg & 0xf)
		return NULL;
	r = &lapic_regs[array_index_nospec(reg >> 4, LAPIC_NR_REGS)];
	if (r->action == LAPIC_ABSENT || r->flags & (x2 ? LAPIC_NO_X2APIC : LAPIC_X2APIC_ONLY))
		return NULL;
	if (reg == LAPIC_LVTCMCI && a->feat.nr_lvt < ARRAY_SIZE(lapic_lvts))
		return NULL;
	return r;
}

static void lapic_icr(struct lapic *a, u32 lo, u32 hi, struct lapic_effect *fx)
{
	bool x2 = lapic_mode(a) == LAPIC_X2APIC;

	fx->what |= LAPIC_FX_IPI;
	fx->msg = (struct keel_apic_msg) {
		.dest		= x2 ? hi : hi >> 24,
		.vector		= lo & 0xff,
		.mode		= (lo >> 8) & 7,
		.logical	= lo & BIT(11),
		.assert		= lo & BIT(14),
		.level		= lo & BIT(15),
		.shorthand	= (lo >> 18) & 3,
		.x2apic		= x2,
		.src		= a->idx,
	};
	if (fx->msg.vector < 16 && fx->msg.mode <= KEEL_DM_LOWEST &&
	    lapic_error(a, LAPIC_ESR_SEND_ILLEGAL))
		fx->what |= LAPIC_FX_EVENT;
}

static void lapic_put_spiv(struct lapic *a, u32 val)
{
	unsigned int i;

	lapic_put(a, LAPIC_SPIV, val);
	if (val & LAPIC_SPIV_ENABLED)
		return;
	for (i = 0; i < a->feat.nr_lvt; i++)
		lapic_put(a, lapic_lvts[i], lapic_get(a, lapic_lvts[i]) | LAPIC_LVT_MASKED);
}

static void lapic_put_lvt(struct lapic *a, unsigned int reg, u32 val, struct lapic_effect *fx)
{
	u32 old = a->lvtt;

	if (!lapic_sw_enabled(a))
		val |= LAPIC_LVT_MASKED;
	lapic_put(a, reg, val);
	if (reg == LAPIC_LVT0)
		fx->what |= LAPIC_FX_EVENT;	/* an 8259 may have waited for it to open */
	if (reg != LAPIC_LVTT)
		return;
	fx->what |= LAPIC_FX_LVTT;
	a->lvtt = val;
	if ((old ^ val) & LAPIC_LVT_DEADLINE)
		lapic_put(a, LAPIC_TMICT, 0);
}

static void lapic_put_tmict(struct lapic *a, u32 val, struct lapic_effect *fx)
{
	if (lapic_get(a, LAPIC_LVTT) & LAPIC_LVT_DEADLINE) {
		lapic_put(a, LAPIC_TMICT, 0);
		return;
	}
	lapic_put(a, LAPIC_TMICT, val);
	fx->what |= LAPIC_FX_TMICT;
}

static void lapic_put_reg(struct lapic *a, unsigned int reg, u32 val, struct lapic_effect *fx,
			  unsigned int what)
{
	lapic_put(a, reg, val);
	fx->what |= what;
}

static void lapic_act(struct lapic *a, enum lapic_action action, unsigned int reg, u32 val,
		      struct lapic_effect *fx)
{
	switch (action) {
	case LAPIC_W_EOI:
		lapic_eoi(a, fx);
		break;
	case LAPIC_W_TPR:
		lapic_set_tpr(a, val, fx);
		fx->what |= LAPIC_FX_EVENT;	/* the CPU's own TPR follows before it goes on */
		break;
	case LAPIC_W_ICR:
		lapic_put(a, LAPIC_ICR, val);
		lapic_icr(a, val, lapic_get(a, LAPIC_ICR2), fx);
		break;
	case LAPIC_W_SELF:
		lapic_icr(a, val | KEEL_SH_SELF << 18 | BIT(14), 0, fx);
		break;
	case LAPIC_W_ID:
	case LAPIC_W_LDR:
		lapic_put_reg(a, reg, val, fx, LAPIC_FX_MAP);
		break;
	case LAPIC_W_DFR:
		lapic_put_reg(a, reg, val | LAPIC_DFR_FIXED, fx, LAPIC_FX_MAP);
		break;
	case LAPIC_W_SPIV:
		lapic_put_spiv(a, val);
		break;
	case LAPIC_W_ESR:
		lapic_put(a, reg, atomic_xchg(&a->errors, 0));
		break;
	case LAPIC_W_LVT:
		lapic_put_lvt(a, reg, val, fx);
		break;
	case LAPIC_W_TMICT:
		lapic_put_tmict(a, val, fx);
		break;
	case LAPIC_W_TDCR:
		lapic_put_reg(a, reg, val, fx, LAPIC_FX_TDCR);
		break;
	case LAPIC_W_ICR2:
		lapic_put(a, reg, val);
		break;
	default:
		break;		/* read-only */
	}
}

int lapic_read(struct lapic *a, unsigned int reg, u32 *val)
{
	const struct lapic_reg *r = lapic_find(a, reg);

	*val = 0;
	if (!r)
		return -EINVAL;
	if (!(r->flags & LAPIC_WRITE_ONLY))
		*val = lapic_get(a, reg);
	return 0;
}

int lapic_write(struct lapic *a, unsigned int reg, u32 val, struct lapic_effect *fx)
{
	const struct lapic_reg *r = lapic_find(a, reg);

	if (!r)
		return -EINVAL;
	lapic_act(a, r->action, reg, val & lapic_writable(a, reg), fx);
	return 0;
}

int lapic_msr_read(struct lapic *a, unsigned int reg, u64 *val)
{
	const struct lapic_reg *r = lapic_find(a, reg);

	*val = 0;
	if (lapic_mode(a) != LAPIC_X2APIC || !r || r->flags & LAPIC_WRITE_ONLY)
		return -EINVAL;
	*val = lapic_get(a, reg);
	if (reg == LAPIC_ICR)
		*val |= (u64)lapic_get(a, LAPIC_ICR2) << 32;
	return 0;
}

static int lapic_msr_write_icr(struct lapic *a, u64 val, struct lapic_effect *fx)
{
	if (val & LAPIC_ICR_X2_RESERVED)
		return -EINVAL;
	lapic_put(a, LAPIC_ICR2, val >> 32);
	lapic_act(a, LAPIC_W_ICR, LAPIC_ICR, val & ~LAPIC_ICR_BUSY, fx);
	return 0;
}

int lapic_msr_write(struct lapic *a, unsigned int reg, u64 val, struct lapic_effect *fx)
{
	const struct lapic_reg *r = lapic_find(a, reg);
	u32 mask;

	if (lapic_mode(a) != LAPIC_X2APIC || !r)
		return -EINVAL;
	if (r->action == LAPIC_W_NOTHING || r->flags & LAPIC_X2APIC_RO)
		return -EINVAL;
	if (reg == LAPIC_ICR)
		return lapic_msr_write_icr(a, val, fx);
	mask = lapic_writable(a, reg);
	if (val & ~(u64)(mask | r->status))
		return -EINVAL;
	lapic_act(a, r->action, reg, val & mask, fx);
	return 0;
}

/* ---- hardware that works on the page by itself ---- */

static void lapic_drop_posted(struct lapic *a)
{
	unsigned int i;

	for (i = 0; a->pir && i < LAPIC_PIR_WORDS; i++)
		WRITE_ONCE(a->pir[i], 0);
}

bool lapic_take_posted(struct lapic *a)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < LAPIC_PIR_WORDS; i++) {
		unsigned long bits = READ_ONCE(a->pir[i]) ? xchg(&a->pir[i], 0) : 0;
		unsigned int reg = LAPIC_IRR + i * 32;

		if (!bits)
			continue;
		lapic_put(a, reg, lapic_get(a, reg) | (u32)bits);
		lapic_put(a, reg + 16, lapic_get(a, reg + 16) | bits >> 32);
		WRITE_ONCE(a->irr_pending, true);
		any = true;
	}
	lapic_update_ppr(a);
	return any;
}

void lapic_hw_status(const struct lapic *a, u8 *irr, u8 *isr)
{
	*irr = max(lapic_highest(a, LAPIC_IRR), 0);
	*isr = max(lapic_highest(a, LAPIC_ISR), 0);
}

void lapic_hw_written(struct lapic *a, unsigned int reg, struct lapic_effect *fx)
{
	lapic_write(a, reg, lapic_get(a, reg), fx);
}

void lapic_hw_eoi(const struct lapic *a, u8 vector, struct lapic_effect *fx)
{
	lapic_eoi_effect(a, vector, fx);
}

/* ---- reset, base, features ---- */

static void lapic_put_version(struct lapic *a)
{
	u32 lvr = LAPIC_VERSION | (a->feat.nr_lvt - 1) << 16;

	lapic_put(a, LAPIC_LVR, a->feat.directed_eoi ? lvr | LAPIC_LVR_DIRECTED_EOI : lvr);
}

/* The registers whose meaning differs between the modes. */
static void lapic_enter_mode(struct lapic *a, enum lapic_mode from, enum lapic_mode to)
{
	bool x2 = to == LAPIC_X2APIC;

	lapic_put(a, LAPIC_ID, x2 ? a->id : a->id << 24);
	if (!x2 && from != LAPIC_X2APIC)
		return;
	lapic_put(a, LAPIC_LDR, x2 ? apic_x2apic_ldr(a->id) : 0);
	lapic_put(a, LAPIC_DFR, ~0U);
	lapic_put(a, LAPIC_ICR2, 0);
}

/* All registers to their values after power-up, but for the id, which others may look up. */
static void lapic_clear(struct lapic *a)
{
	unsigned int reg;

	for (reg = 0; reg < LAPIC_REGS_SIZE; reg += 16)
		if (reg != LAPIC_ID)
			lapic_put(a, reg, 0);
	if (lapic_mode(a) == LAPIC_X2APIC)
		lapic_put(a, LAPIC_LDR, apic_x2apic_ldr(a->id));
	lapic_put(a, LAPIC_DFR, ~0U);
	lapic_put_spiv(a, 0xff);	/* masks the LVT */
	lapic_put_version(a);
	a->isr_top = -1;
	a->isr_count = 0;
	a->lvtt = lapic_get(a, LAPIC_LVTT);
	lapic_drop_posted(a);
	WRITE_ONCE(a->irr_pending, false);
	atomic_set(&a->errors, 0);
	atomic_set(&a->arb, 0);
}

void lapic_init(struct lapic *a, unsigned long *page, unsigned long *pir, u32 id,
		unsigned int idx)
{
	*a = (struct lapic) {
		.page = page, .pir = pir, .id = id, .idx = idx, .isr_top = -1,
	};
	a->feat.nr_lvt = ARRAY_SIZE(lapic_lvts) - 1;
	a->feat.base_reserved = LAPIC_BASE_X2APIC;
}

void lapic_set_features(struct lapic *a, const struct lapic_features *feat)
{
	unsigned int old = a->feat.nr_lvt;

	a->feat = *feat;
	a->feat.nr_lvt = clamp_t(unsigned int, feat->nr_lvt, ARRAY_SIZE(lapic_lvts) - 1,
				 ARRAY_SIZE(lapic_lvts));
	if (a->feat.nr_lvt > old)
		lapic_put(a, LAPIC_LVTCMCI, LAPIC_LVT_MASKED);
	lapic_put_version(a);
}

void lapic_reset(struct lapic *a, enum lapic_reset how, bool bsp, bool extint)
{
	if (how == LAPIC_RESET) {
		WRITE_ONCE(a->base, LAPIC_BASE_DEFAULT | LAPIC_BASE_ENABLE |
				    (bsp ? LAPIC_BASE_BSP : 0));
		lapic_enter_mode(a, LAPIC_OFF, LAPIC_XAPIC);
	}
	lapic_clear(a);
	if (bsp && extint)
		lapic_put(a, LAPIC_LVT0, KEEL_DM_EXTINT << 8);
}

bool lapic_base_valid(u64 old, u64 base, u64 reserved, bool host)
{
	enum lapic_mode from = lapic_base_mode(old), to = lapic_base_mode(base);

	if (base & (reserved | LAPIC_BASE_RESERVED | GENMASK(7, 0) | BIT(9)))
		return false;
	if (to == LAPIC_OFF && base & LAPIC_BASE_X2APIC)
		return false;
	if (host)
		return true;
	return !(from == LAPIC_X2APIC && to == LAPIC_XAPIC) &&
	       !(from == LAPIC_OFF && to == LAPIC_X2APIC);
}

int lapic_set_base(struct lapic *a, u64 base, bool host, struct lapic_effect *fx)
{
	enum lapic_mode from = lapic_mode(a), to = lapic_base_mode(base);

	if (!lapic_base_valid(a->base, base, a->feat.base_reserved, host))
		return -EINVAL;
	WRITE_ONCE(a->base, base);
	if (from == to)
		return 0;
	fx->what |= LAPIC_FX_MAP | LAPIC_FX_EVENT;
	if (to != LAPIC_OFF) {
		lapic_enter_mode(a, from, to);
	} else {
		fx->what |= LAPIC_FX_OFF;
		if (from == LAPIC_X2APIC)	/* off, its registers are an xAPIC's */
			lapic_enter_mode(a, from, LAPIC_XAPIC);
		if (!host)
			lapic_clear(a);		/* the state is lost */
	}
	return 0;
}

/* ---- state to and from userspace ---- */

static u32 lapic_state_get(const void *regs, unsigned int reg)
{
	u32 val;

	memcpy(&val, (const u8 *)regs + reg, sizeof(val));
	return val;
}

static void lapic_state_put(void *regs, unsigned int reg, u32 val)
{
	memcpy((u8 *)regs + reg, &val, sizeof(val));
}

void lapic_get_state(const struct lapic *a, void *regs, bool format32)
{
	u32 id = lapic_get(a, LAPIC_ID);
	unsigned int i;

	memset(regs, 0, LAPIC_REGS_SIZE);
	for (i = 0; i < LAPIC_NR_REGS; i++)
		lapic_state_put(regs, i * 16, lapic_get(a, i * 16));
	if (lapic_mode(a) == LAPIC_X2APIC && !format32)
		lapic_state_put(regs, LAPIC_ID, id << 24);
}

/* The value that @reg may have, of what userspace asks for. */
static u32 lapic_state_clean(const struct lapic *a, unsigned int reg, u32 val)
{
	const struct lapic_reg *r = lapic_find(a, reg);

	if (reg == LAPIC_ICR2 && lapic_mode(a) == LAPIC_X2APIC)
		return val;	/* the upper half of ICR */
	if (!r || r->flags & LAPIC_WRITE_ONLY)
		return 0;
	switch (reg) {
	case LAPIC_DFR:
		return val | LAPIC_DFR_FIXED;
	case LAPIC_ESR:
		return val & 0xff;
	case LAPIC_ISR ... LAPIC_IRR + 0x70:
		return val;
	case LAPIC_TMCCT:
		return 0;	/* the timer's */
	default:
		return val & lapic_writable(a, reg);
	}
}

/* ISR and IRR came from outside: count and search anew. */
static void lapic_recount(struct lapic *a)
{
	int i;

	a->isr_count = 0;
	for (i = 0; i < 8; i++)
		a->isr_count += hweight32(lapic_get(a, LAPIC_ISR + i * 16));
	a->isr_top = lapic_highest(a, LAPIC_ISR);
	lapic_irr_changed(a);
	lapic_update_ppr(a);
}

/*
 * LVT masks stay as they come, although the APIC may be disabled by software: so
 * userspace opens LINT0 for the 8259s before firmware runs.
 */
int lapic_set_state(struct lapic *a, const void *regs, bool format32)
{
	bool x2 = lapic_mode(a) == LAPIC_X2APIC;
	unsigned int reg;

	if (x2 && format32 && lapic_state_get(regs, LAPIC_ID) != a->id)
		return -EINVAL;
	for (reg = 0; reg < LAPIC_REGS_SIZE; reg += 16)
		lapic_put(a, reg, lapic_state_clean(a, reg, lapic_state_get(regs, reg)));
	if (x2) {
		lapic_put(a, LAPIC_ID, a->id);
		lapic_put(a, LAPIC_LDR, apic_x2apic_ldr(a->id));
		lapic_put(a, LAPIC_DFR, ~0U);	/* what xAPIC mode would find */
	}
	lapic_put_version(a);
	a->lvtt = lapic_get(a, LAPIC_LVTT);
	lapic_drop_posted(a);
	atomic_set(&a->errors, 0);
	lapic_recount(a);
	return 0;
}

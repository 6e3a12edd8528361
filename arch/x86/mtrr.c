// SPDX-License-Identifier: GPL-2.0
#include <keel/mtrr.h>

#define MTRR_TYPES		(BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6))	/* UC WC WT WP WB */
#define PAT_TYPES		(MTRR_TYPES | BIT(7))				/* UC- */
#define MTRR_DEF_BITS		(0xffULL | BIT(10) | BIT(11))	/* type, fixed enable, enable */
#define MTRR_MASK_VALID		BIT(11)

static bool type_valid(unsigned long types, u8 type)
{
	return type < 8 && (types & BIT(type));
}

static bool types_valid(unsigned long types, u64 val)
{
	unsigned int i;

	for (i = 0; i < 8; i++, val >>= 8) {
		if (!type_valid(types, val))
			return false;
	}
	return true;
}

bool mtrr_pat_valid(u64 val)
{
	return types_valid(PAT_TYPES, val);
}

/* The fixed registers lie in three groups of numbers, by the size of what they describe. */
static const struct { u16 msr, nr, first; } mtrr_fixed[] = {
	{ MTRR_MSR_FIX64K, 1, 0 },
	{ MTRR_MSR_FIX16K, MTRR_NR_FIX16K, 1 },
	{ MTRR_MSR_FIX4K, MTRR_NR_FIX4K, 1 + MTRR_NR_FIX16K },
};

static u64 *mtrr_fixed_reg(struct keel_mtrr *m, u32 msr)
{
	unsigned int i;
	u32 n;

	for (i = 0; i < ARRAY_SIZE(mtrr_fixed); i++) {
		n = msr - mtrr_fixed[i].msr;
		if (n < mtrr_fixed[i].nr) {
			n = array_index_nospec(n, mtrr_fixed[i].nr);
			return &m->fixed[mtrr_fixed[i].first + n];
		}
	}
	return NULL;
}

static u64 *mtrr_var_reg(struct keel_mtrr *m, u32 msr)
{
	u32 i = msr - MTRR_MSR_VAR;

	if (i >= ARRAY_SIZE(m->var))
		return NULL;
	return &m->var[array_index_nospec(i, ARRAY_SIZE(m->var))];
}

static u64 *mtrr_reg(struct keel_mtrr *m, u32 msr)
{
	u64 *reg;

	if (msr == MTRR_MSR_DEF_TYPE)
		return &m->def_type;
	reg = mtrr_fixed_reg(m, msr);
	return reg ? reg : mtrr_var_reg(m, msr);
}

/* Bases are even and hold a type; masks hold a valid bit. */
static bool mtrr_var_valid(u32 msr, u64 val, u8 maxphyaddr)
{
	u64 addr = GENMASK_ULL(clamp_t(u8, maxphyaddr, 32, 52) - 1, 12);

	if (msr & 1)
		return !(val & ~(addr | MTRR_MASK_VALID));
	return !(val & ~(addr | 0xff)) && type_valid(MTRR_TYPES, val);
}

static bool mtrr_valid(u32 msr, u64 val, u8 maxphyaddr)
{
	if (msr == MTRR_MSR_DEF_TYPE)
		return !(val & ~MTRR_DEF_BITS) && type_valid(MTRR_TYPES, val);
	if (msr >= MTRR_MSR_FIX64K)
		return types_valid(MTRR_TYPES, val);
	return mtrr_var_valid(msr, val, maxphyaddr);
}

int mtrr_read(const struct keel_mtrr *m, u32 msr, u64 *val)
{
	const u64 *reg = mtrr_reg((struct keel_mtrr *)m, msr);

	if (msr == MTRR_MSR_CAP) {
		*val = MTRR_CAP;
		return 0;
	}
	if (!reg)
		return -ENOENT;
	*val = *reg;
	return 0;
}

int mtrr_write(struct keel_mtrr *m, u32 msr, u64 val, u8 maxphyaddr)
{
	u64 *reg = mtrr_reg(m, msr);

	if (msr == MTRR_MSR_CAP)
		return -EINVAL;
	if (!reg)
		return -ENOENT;
	if (!mtrr_valid(msr, val, maxphyaddr))
		return -EINVAL;
	*reg = val;
	return 0;
}

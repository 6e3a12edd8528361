// SPDX-License-Identifier: GPL-2.0
/*
 * mtrr.c - any value to any number: what is stored is valid, the rest changes nothing
 */
#include "fuzz.h"
#include <keel/mtrr.h>

static bool type_valid(u8 type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool types_valid(u64 val, bool pat)
{
	unsigned int i;

	for (i = 0; i < 8; i++, val >>= 8)
		if (!type_valid(val) && !(pat && (u8)val == 7))
			return false;
	return true;
}

static bool is_fixed(u32 msr)
{
	return msr == 0x250 || msr == 0x258 || msr == 0x259 || (msr >= 0x268 && msr <= 0x26f);
}

/* By the manual's figures of the registers. */
static int expected(u32 msr, u64 val, u8 bits)
{
	u64 beyond = ~0ULL << clamp_t(u8, bits, 32, 52);

	if (msr == 0xfe)
		return -EINVAL;
	if (msr == 0x2ff)
		return type_valid(val) && !(val & ~0xcffULL) ? 0 : -EINVAL;
	if (is_fixed(msr))
		return types_valid(val, false) ? 0 : -EINVAL;
	if (msr < 0x200 || msr > 0x20f)
		return -ENOENT;
	if (msr & 1)
		return val & (beyond | 0x7ff) ? -EINVAL : 0;
	return type_valid(val) && !(val & (beyond | 0xf00)) ? 0 : -EINVAL;
}

void fuzz_one(struct fuzz *f)
{
	static const u16 near[] = { 0xfe, 0x200, 0x210, 0x250, 0x258, 0x25a, 0x268, 0x270, 0x2ff };
	struct keel_mtrr m = {}, before;
	u8 bits = fuzz_u8(f);

	while (fuzz_more(f)) {
		u8 how = fuzz_u8(f);
		u32 msr = how & 0x80 ? fuzz_u32(f) : near[(how >> 3) % ARRAY_SIZE(near)] + (how & 7);
		u64 val = fuzz_num(f), got = 0;
		int r;

		before = m;
		r = mtrr_write(&m, msr, val, bits);
		CHECK_EQ(r, expected(msr, val, bits));
		CHECK_EQ(mtrr_pat_valid(val), types_valid(val, true));
		if (r)
			CHECK(!memcmp(&m, &before, sizeof(m)));
		CHECK_EQ(mtrr_read(&m, msr, &got), r == -ENOENT ? -ENOENT : 0);
		CHECK_EQ(got, r == -ENOENT ? 0 : r ? got : val);
	}
}

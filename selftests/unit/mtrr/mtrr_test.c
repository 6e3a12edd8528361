// SPDX-License-Identifier: GPL-2.0
#include <keel/mtrr.h>
#include "tap.h"

#define PHYS	40

TEST(pat_takes_each_memory_type)
{
	EXPECT_TRUE(mtrr_pat_valid(PAT_RESET));
	EXPECT_TRUE(mtrr_pat_valid(0x0706050401000000ULL));
}

TEST(pat_refuses_what_is_none)
{
	static const u8 bad[] = { 2, 3, 8, 0x10, 0x80, 0xff };
	unsigned int i, slot;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		for (slot = 0; slot < 8; slot++)
			EXPECT_FALSE(mtrr_pat_valid((u64)bad[i] << 8 * slot));
}

TEST(registers_are_read_back)
{
	static const u32 msrs[] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
	};
	struct keel_mtrr m = { };
	unsigned int i;
	u64 val;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		EXPECT_EQ(mtrr_write(&m, msrs[i], 0x0606060606060600ULL | i % 2, PHYS), 0);
	for (i = 0; i < 16; i++)
		EXPECT_EQ(mtrr_write(&m, 0x200 + i, (u64)i << 12 | (i & 1 ? 0x800 : 6), PHYS), 0);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		EXPECT_EQ(mtrr_read(&m, msrs[i], &val), 0);
		EXPECT_EQ(val, 0x0606060606060600ULL | i % 2);
	}
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(mtrr_read(&m, 0x200 + i, &val), 0);
		EXPECT_EQ(val, (u64)i << 12 | (i & 1 ? 0x800 : 6));
	}
}

TEST(var_mask_and_base_have_reserved_bits)
{
	struct keel_mtrr m = { };

	EXPECT_EQ(mtrr_write(&m, 0x200, 7, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, 0x200, 2, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, 0x200, 0x800, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, 0x200, BIT_ULL(PHYS), PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, 0x200, BIT_ULL(PHYS - 1), PHYS), 0);
	EXPECT_EQ(mtrr_write(&m, 0x201, 6, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, 0x201, BIT_ULL(PHYS) | 0x800, PHYS), -EINVAL);
	EXPECT_EQ(m.var[0], BIT_ULL(PHYS - 1));
	EXPECT_EQ(m.var[1], 0);
}

/* Userspace may have told any width: nothing may shift too far. */
TEST(any_width_is_survived)
{
	struct keel_mtrr m = { };
	unsigned int w;

	for (w = 0; w < 256; w++)
		EXPECT_EQ(mtrr_write(&m, 0x200, ~0ULL, w), -EINVAL);
}

TEST(def_type)
{
	struct keel_mtrr m = { };
	u64 val;

	EXPECT_EQ(mtrr_write(&m, MTRR_MSR_DEF_TYPE, 0xc06, PHYS), 0);
	EXPECT_EQ(mtrr_write(&m, MTRR_MSR_DEF_TYPE, 0xc02, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, MTRR_MSR_DEF_TYPE, 0x1c06, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_write(&m, MTRR_MSR_DEF_TYPE, 0xc26, PHYS), -EINVAL);
	EXPECT_EQ(mtrr_read(&m, MTRR_MSR_DEF_TYPE, &val), 0);
	EXPECT_EQ(val, 0xc06);
}

TEST(cap_is_read_only)
{
	struct keel_mtrr m = { };
	u64 val;

	EXPECT_EQ(mtrr_read(&m, MTRR_MSR_CAP, &val), 0);
	EXPECT_EQ(val, 0x508);
	EXPECT_EQ(mtrr_write(&m, MTRR_MSR_CAP, 0x508, PHYS), -EINVAL);
}

TEST(others_are_not_mine)
{
	struct keel_mtrr m = { };
	u32 msr, taken = 0;
	u64 val;

	for (msr = 0; msr < 0x1000; msr++)
		taken += mtrr_read(&m, msr, &val) == 0;
	EXPECT_EQ(taken, 16 + 11 + 2);
	EXPECT_EQ(mtrr_read(&m, 0x210, &val), -ENOENT);
	EXPECT_EQ(mtrr_write(&m, 0x1ff, 0, PHYS), -ENOENT);
	EXPECT_EQ(mtrr_write(&m, ~0u, 0, PHYS), -ENOENT);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mtrr.h - the guest's memory type range registers and PAT
 *
 * A logic core. What the guest writes is checked, stored and read back; EPT and
 * NPT memory types do not follow it.
 */
#ifndef KEEL_X86_MTRR_H
#define KEEL_X86_MTRR_H

#include <keel/core.h>

#define MTRR_VAR_RANGES		8
#define MTRR_NR_FIXED		11

struct keel_mtrr {
	u64 fixed[MTRR_NR_FIXED];
	u64 var[2 * MTRR_VAR_RANGES];	/* base, mask, base, ... */
	u64 def_type;
};

/* Numbers of the registers; those of several in a row are of the first. */
enum mtrr_msr {
	MTRR_MSR_CAP		= 0x0fe,
	MTRR_MSR_VAR		= 0x200,
	MTRR_MSR_FIX64K		= 0x250,
	MTRR_MSR_FIX16K		= 0x258,
	MTRR_MSR_FIX4K		= 0x268,
	MTRR_MSR_DEF_TYPE	= 0x2ff,
};

#define MTRR_NR_FIX16K		2
#define MTRR_NR_FIX4K		8

/* The capability register: the variable ranges, fixed ranges and write combining. */
#define MTRR_CAP		(MTRR_VAR_RANGES | BIT(8) | BIT(10))

#define PAT_RESET		0x0007040600070406ULL

/* Value of PAT: eight memory types, of which UC- is one and 2 and 3 are none. */
bool mtrr_pat_valid(u64 val);

/*
 * mtrr_read(), mtrr_write() - by MSR number. 0; -ENOENT: not an MTRR;
 * -EINVAL: a reserved bit or memory type (#GP).
 */
int mtrr_read(const struct keel_mtrr *m, u32 msr, u64 *val);
int mtrr_write(struct keel_mtrr *m, u32 msr, u64 val, u8 maxphyaddr);

#endif

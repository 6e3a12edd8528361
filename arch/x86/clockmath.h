/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clockmath.h - arithmetic of TSC cycles and nanoseconds
 *
 * A logic core. A scale is what kvmclock hands to the guest:
 * ns = (cycles << shift) * mul >> 32, where a negative shift goes right.
 */
#ifndef KEEL_X86_CLOCKMATH_H
#define KEEL_X86_CLOCKMATH_H

#include <keel/core.h>

struct clock_scale {
	u32 mul;
	s8 shift;
};

/* The scale of a counter of @khz kHz (not 0), with 32 significant bits. */
static inline struct clock_scale clock_scale(u32 khz)
{
	u64 num = 1000000, den = khz ? khz : 1;	/* ns in a ms, cycles in a ms */
	struct clock_scale s = { };

	/* Until num / den is in [1/2, 1). */
	for (; num >= den; den <<= 1)
		s.shift++;
	for (; num * 2 < den; num <<= 1)
		s.shift--;
	s.mul = div64_u64(num << 32, den);
	return s;
}

static inline u64 clock_cycles_to_ns(u64 cycles, struct clock_scale s)
{
	cycles = s.shift < 0 ? cycles >> -s.shift : cycles << s.shift;
	return mul_u64_u32_shr(cycles, s.mul, 32);
}

static inline u64 clock_ns_to_cycles(u64 ns, u32 khz)
{
	/* Wraps after years, where a division would trap. */
	return mul_u64_u64_shr(ns, div_u64((u64)khz << 32, 1000000), 32);
}

/* Is @khz within 250 parts per million of @host_khz? Then the difference is not worth scaling. */
static inline bool clock_khz_close(u32 khz, u32 host_khz)
{
	u32 slack = div_u64((u64)host_khz * 250, 1000000);

	return khz >= host_khz - slack && khz <= (u64)host_khz + slack;
}

/*
 * The fixed-point ratio that makes @host_khz look like @khz; 0: not possible
 * with @frac_bits bits of fraction below @max.
 */
static inline u64 clock_ratio(u32 khz, u32 host_khz, u8 frac_bits, u64 max)
{
	u64 ratio;

	if (!host_khz || frac_bits > 63)
		return 0;
	/* The quotient must fit 64 bits: whole part first. */
	if (frac_bits && (u64)(khz / host_khz) >> (64 - frac_bits))
		return 0;
	ratio = mul_u64_u32_div(BIT_ULL(frac_bits), khz, host_khz);
	return ratio < max ? ratio : 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: products and quotients of 64 bits. */
#ifndef SHIM_LINUX_MATH64_H
#define SHIM_LINUX_MATH64_H

#include <linux/types.h>

static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	*rem = n % d;
	return n / d;
}

static inline u64 div64_u64_rem(u64 n, u64 d, u64 *rem)
{
	*rem = n % d;
	return n / d;
}

static inline u64 div_u64(u64 n, u32 d)		{ return n / d; }
static inline s64 div_s64(s64 n, s32 d)		{ return n / d; }
static inline u64 div64_u64(u64 n, u64 d)	{ return n / d; }
static inline s64 div64_s64(s64 n, s64 d)	{ return n / d; }
static inline u64 mul_u32_u32(u32 a, u32 b)	{ return (u64)a * b; }

static inline u64 mul_u64_u32_shr(u64 a, u32 mul, unsigned int shift)
{
	return ((unsigned __int128)a * mul) >> shift;
}

static inline u64 mul_u64_u64_shr(u64 a, u64 mul, unsigned int shift)
{
	return ((unsigned __int128)a * mul) >> shift;
}

static inline u64 mul_u64_u32_div(u64 a, u32 mul, u32 d)
{
	return (unsigned __int128)a * mul / d;
}

static inline u64 mul_u64_u64_div_u64(u64 a, u64 mul, u64 d)
{
	return (unsigned __int128)a * mul / d;
}

#define do_div(n, base) ({ u32 r__ = (n) % (base); (n) /= (base); r__; })
#define DIV64_U64_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

#endif

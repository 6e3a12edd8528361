/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: bit operations and bitmaps' search. */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>

#define SHIM_BIT_P(addr, nr)	(&((unsigned long *)(addr))[BIT_WORD(nr)])

static inline void set_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_or(&addr[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline void clear_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline void change_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_xor(&addr[BIT_WORD(nr)], BIT_MASK(nr), __ATOMIC_SEQ_CST);
}

static inline bool test_and_set_bit(long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_or(&addr[BIT_WORD(nr)], BIT_MASK(nr),
				 __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline bool test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_and(&addr[BIT_WORD(nr)], ~BIT_MASK(nr),
				  __ATOMIC_SEQ_CST) & BIT_MASK(nr);
}

static inline bool test_bit(long nr, const volatile unsigned long *addr)
{
	return addr[BIT_WORD(nr)] & BIT_MASK(nr);
}

static inline void __set_bit(long nr, volatile unsigned long *addr)
{
	addr[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void __clear_bit(long nr, volatile unsigned long *addr)
{
	addr[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline void __change_bit(long nr, volatile unsigned long *addr)
{
	addr[BIT_WORD(nr)] ^= BIT_MASK(nr);
}

static inline bool __test_and_set_bit(long nr, volatile unsigned long *addr)
{
	bool old = test_bit(nr, addr);

	__set_bit(nr, addr);
	return old;
}

static inline bool __test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	bool old = test_bit(nr, addr);

	__clear_bit(nr, addr);
	return old;
}

#define assign_bit(nr, addr, v)	((v) ? set_bit(nr, addr) : clear_bit(nr, addr))
#define __assign_bit(nr, addr, v) ((v) ? __set_bit(nr, addr) : __clear_bit(nr, addr))

static inline unsigned long __ffs(unsigned long w)	{ return __builtin_ctzl(w); }
static inline unsigned long __fls(unsigned long w)	{ return 63 - __builtin_clzl(w); }
static inline unsigned long ffz(unsigned long w)	{ return __ffs(~w); }
static inline int fls(unsigned int x)	{ return x ? 32 - __builtin_clz(x) : 0; }
static inline int fls64(u64 x)		{ return x ? 64 - __builtin_clzll(x) : 0; }
static inline unsigned long __ffs64(u64 w)	{ return __builtin_ctzll(w); }
#define fls_long(x)	fls64(x)
#define ffs(x)		__builtin_ffs(x)
#define hweight8(w)	((unsigned int)__builtin_popcount((u8)(w)))
#define hweight16(w)	((unsigned int)__builtin_popcount((u16)(w)))
#define hweight32(w)	((unsigned int)__builtin_popcount((u32)(w)))
#define hweight64(w)	((unsigned int)__builtin_popcountll((u64)(w)))
#define hweight_long(w)	hweight64(w)

static inline u8 rol8(u8 v, unsigned int n)	{ return v << (n & 7) | v >> (-n & 7); }
static inline u8 ror8(u8 v, unsigned int n)	{ return v >> (n & 7) | v << (-n & 7); }
static inline u32 rol32(u32 v, unsigned int n)	{ return v << (n & 31) | v >> (-n & 31); }
static inline u32 ror32(u32 v, unsigned int n)	{ return v >> (n & 31) | v << (-n & 31); }
static inline u64 rol64(u64 v, unsigned int n)	{ return v << (n & 63) | v >> (-n & 63); }
static inline u64 ror64(u64 v, unsigned int n)	{ return v >> (n & 63) | v << (-n & 63); }

static inline s32 sign_extend32(u32 value, int index)
{
	u8 shift = 31 - index;

	return (s32)(value << shift) >> shift;
}

static inline s64 sign_extend64(u64 value, int index)
{
	u8 shift = 63 - index;

	return (s64)(value << shift) >> shift;
}

static inline unsigned long find_next_bit(const unsigned long *addr,
					  unsigned long size, unsigned long from)
{
	for (; from < size; from++)
		if (test_bit(from, addr))
			return from;
	return size;
}

static inline unsigned long find_next_zero_bit(const unsigned long *addr,
					       unsigned long size, unsigned long from)
{
	for (; from < size; from++)
		if (!test_bit(from, addr))
			return from;
	return size;
}

static inline unsigned long find_last_bit(const unsigned long *addr, unsigned long size)
{
	unsigned long i;

	for (i = size; i-- > 0;)
		if (test_bit(i, addr))
			return i;
	return size;
}

#define find_first_bit(addr, size)	find_next_bit(addr, size, 0)
#define find_first_zero_bit(addr, size)	find_next_zero_bit(addr, size, 0)
#define for_each_set_bit(bit, addr, size)					\
	for ((bit) = find_first_bit(addr, size); (bit) < (size);		\
	     (bit) = find_next_bit(addr, size, (bit) + 1))
#define for_each_clear_bit(bit, addr, size)					\
	for ((bit) = find_first_zero_bit(addr, size); (bit) < (size);		\
	     (bit) = find_next_zero_bit(addr, size, (bit) + 1))

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* pit_test.h - one PIT, and short words for what is done to it */
#ifndef UNIT_PIT_TEST_H
#define UNIT_PIT_TEST_H

#include "tap.h"
#include "../../../arch/x86/irqchip/pit.h"

#define C0	0x40
#define C2	0x42
#define CTL	0x43
#define SPK	0x61

#define T0	1000000000000ULL	/* some time after boot */

static struct pit p;

/* The first nanosecond in which @n CLKs have passed since T0, counted with care. */
static inline u64 at(u64 n)
{
	unsigned __int128 ns = (unsigned __int128)n * 1000000000 + 1193182 - 1;

	return T0 + (u64)(ns / 1193182) + (n ? 1 : 0);
}

static inline void out(u16 port, u8 val, u64 now)
{
	pit_write(&p, port, val, now);
}

static inline u8 in(u16 port, u64 now)
{
	return pit_read(&p, port, now);
}

static inline void setup(void)
{
	pit_init(&p, T0);
}

/* Low byte, then high byte. */
static inline void count(u16 port, u16 n, u64 now)
{
	out(port, n & 0xff, now);
	out(port, n >> 8, now);
}

/* Channel 2 in @mode with @n, its gate high. */
static inline void start2(u8 mode, u16 n)
{
	setup();
	out(SPK, 1, T0);
	out(CTL, 0xb0 | mode << 1, T0);
	count(C2, n, T0);
}

static inline void start0(u8 mode, u16 n)
{
	setup();
	out(CTL, 0x30 | mode << 1, T0);
	count(C0, n, T0);
}

static inline u16 latched(unsigned int ch, u64 now)
{
	u8 low;

	out(CTL, ch << 6, now);
	low = in(C0 + ch, now);
	return low | in(C0 + ch, now) << 8;
}

static inline u8 status(unsigned int ch, u64 now)
{
	out(CTL, 0xe0 | 2 << ch, now);
	return in(C0 + ch, now);
}

#endif

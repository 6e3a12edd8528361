// SPDX-License-Identifier: GPL-2.0
/*
 * clock.c - rates and times of any size, against 128 bits
 */
#include "fuzz.h"
#include "../../arch/x86/clockmath.h"

typedef unsigned __int128 u128;

/* ns = (cycles << shift) * mul >> 32, as the guest's kvmclock does. */
static u64 to_ns(u64 cycles, struct clock_scale s)
{
	cycles = s.shift < 0 ? cycles >> -s.shift : cycles << s.shift;
	return (u128)cycles * s.mul >> 32;
}

static void check_scale(u32 khz, u64 cycles)
{
	struct clock_scale s = clock_scale(khz);
	u128 exact = (u128)cycles * 1000000 / (khz ?: 1);
	u64 ns;

	CHECK(s.mul & BIT(31));
	CHECK(s.shift > -32 && s.shift < 32);
	CHECK_EQ(clock_cycles_to_ns(cycles, s), to_ns(cycles, s));
	if (exact >> 58)
		return;		/* more than nine years: it wraps in time */
	ns = clock_cycles_to_ns(cycles, s);
	/* Never ahead; behind by 31 bits of the scale, and by cycles the shift drops. */
	CHECK(ns <= (u64)exact);
	CHECK((u64)exact - ns <= ((u64)exact >> 31) + (s.shift < 0 ? 2 : 1) +
	      (s.shift > 0 ? 1ULL << s.shift : 0));
	CHECK(cycles + 1 == 0 || clock_cycles_to_ns(cycles + 1, s) >= ns);
}

static void check_cycles(u64 ns, u32 khz)
{
	u128 exact = (u128)ns * khz / 1000000;

	if (!(exact >> 64))
		CHECK((u64)exact - clock_ns_to_cycles(ns, khz) <= (ns >> 32) + 1);
}

static void check_ratio(u32 khz, u32 host, u8 frac, u64 max)
{
	u64 ratio = clock_ratio(khz, host, frac, max);
	u128 exact;

	if (!host || frac > 63) {
		CHECK_EQ(ratio, 0);
		return;
	}
	exact = ((u128)khz << frac) / host;
	CHECK_EQ(ratio, exact < max && !(exact >> 64) ? (u64)exact : 0);
}

static void check_close(u32 khz, u32 host)
{
	u64 off = khz > host ? khz - host : host - khz;

	CHECK_EQ(clock_khz_close(khz, host), off <= (u64)host * 250 / 1000000);
}

void fuzz_one(struct fuzz *f)
{
	while (fuzz_more(f)) {
		u32 khz = fuzz_num(f), host = fuzz_num(f);
		u64 n = fuzz_num(f);

		check_scale(khz, n);
		check_cycles(n, khz);
		check_ratio(khz, host, fuzz_u8(f), n);
		check_close(khz, host);
		/* At the bound, and one beyond. */
		check_close(host + (u64)host * 250 / 1000000 + (khz & 1), host);
		check_close(host - (u64)host * 250 / 1000000 - (khz & 1), host);
	}
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz.h - what the fuzz targets share
 *
 * A target reads its input as a stream: settings first, then operations until
 * nothing is left. Behind the end all bytes are 0, so any input is valid and a
 * longer one goes on where a shorter one ended. CHECK() is an invariant; EXPECT_x
 * of rigs shared with the unit tests count as well, by fuzz_end().
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <keel/core.h>
#include "tap.h"

struct fuzz {
	const u8 *p, *end;
};

static inline bool fuzz_more(const struct fuzz *f)
{
	return f->p < f->end;
}

static inline u8 fuzz_u8(struct fuzz *f)
{
	return f->p < f->end ? *f->p++ : 0;
}

static inline u16 fuzz_u16(struct fuzz *f)
{
	u16 low = fuzz_u8(f);

	return low | (u16)fuzz_u8(f) << 8;
}

static inline u32 fuzz_u32(struct fuzz *f)
{
	u32 low = fuzz_u16(f);

	return low | (u32)fuzz_u16(f) << 16;
}

static inline u64 fuzz_u64(struct fuzz *f)
{
	u64 low = fuzz_u32(f);

	return low | (u64)fuzz_u32(f) << 32;
}

/* Numbers of any magnitude: the high bits of a byte say how many bytes follow. */
static inline u64 fuzz_num(struct fuzz *f)
{
	u8 b = fuzz_u8(f);

	switch (b >> 6) {
	case 0:
		return b;
	case 1:
		return fuzz_u16(f) << (b & 3);
	case 2:
		return (u64)fuzz_u32(f) << (b & 15);
	default:
		return fuzz_u64(f);
	}
}

static inline void fuzz_bytes(struct fuzz *f, void *to, size_t n)
{
	u8 *p = to;

	while (n--)
		*p++ = fuzz_u8(f);
}

#define CHECK(x)								\
	do {									\
		if (!(x)) {							\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort();						\
		}								\
	} while (0)

#define CHECK_EQ(a, b)								\
	do {									\
		unsigned long long a__ = (a), b__ = (b);			\
										\
		if (a__ != b__) {						\
			fprintf(stderr, "%s:%d: %s is 0x%llx, %s is 0x%llx\n", __FILE__, \
				__LINE__, #a, a__, #b, b__);			\
			abort();						\
		}								\
	} while (0)

/* The target: one input. */
void fuzz_one(struct fuzz *f);

#endif

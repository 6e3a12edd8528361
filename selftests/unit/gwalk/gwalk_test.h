/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gwalk_test.h - a small guest memory, with holes and ROM, and a second opinion
 */
#ifndef GWALK_TEST_H
#define GWALK_TEST_H

#include <keel/core.h>
#include "../../../arch/x86/mmu/gwalk.h"

#define MEM_PAGES	16
#define MAX_UPDATES	8

struct mem_page {
	u64 gpa;
	bool rom;
	u8 data[4096] __aligned(8);
};

struct update {
	u64 gpa, val;
};

struct updates {
	unsigned int nr;
	struct update u[MAX_UPDATES];
};

extern struct mem_page mem[MEM_PAGES];
extern struct updates updates;		/* what the walk wrote */
extern unsigned int mem_races;		/* so many updates find another value */

extern const struct gwalk_ops mem_ops;

void mem_reset(void);
u64 *mem_at(u64 gpa);			/* NULL: a hole */
void mem_put(u64 gpa, u64 val, unsigned int size);

/* model.c: the answer, by another way. @out: what is written. */
enum gwalk_result model_walk(const struct gwalk *w, u64 *gpa, u32 *error, struct updates *out);

#endif

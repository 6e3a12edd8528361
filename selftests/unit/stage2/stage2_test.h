/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stage2_test.h - tables in malloc'ed memory, and a CPU that walks them
 *
 * "Physical" addresses of tables are indices into an array of pages, shifted, so
 * that they have the bits a physical address has; a freed table's number is not
 * used again, and touching it is caught.
 */
#ifndef STAGE2_TEST_H
#define STAGE2_TEST_H

#include <keel/core.h>
#include "../../../arch/x86/mmu/stage2.h"

struct env {
	struct stage2 s2;
	unsigned int cache;	/* tables that ops.get still gives */
	unsigned long live;	/* allocated, not freed; the root counts */
};

extern struct env env;

static const struct s2_format * const env_formats[] = {
	&s2_format_npt, &s2_format_ept, &s2_format_ept_noad,
};

void env_start(const struct s2_format *fmt, unsigned int levels, u64 enc);
void env_end(void);		/* unmaps all; expects nothing left */
void env_flush(void);		/* what a TLB flush lets be freed */

/* What the CPU does for an access: false is a fault. Sets accessed and dirty bits. */
bool cpu_access(gfn_t gfn, bool write, u64 *pa);
/* The raw entry that ends the CPU's walk, and its level. */
u64 cpu_entry(gfn_t gfn, unsigned int *level);

u64 test_seed(void);
u64 test_random(void);

#endif

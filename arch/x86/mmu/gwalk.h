/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gwalk.h - the guest's own page tables: linear to guest physical address
 *
 * A logic core. What the guest has in its tables is the guest's affair; each
 * entry is read once, and what the walk does with it depends on that value alone.
 */
#ifndef KEEL_GWALK_H
#define KEEL_GWALK_H

#include <keel/core.h>
#include <keel/emul.h>

/* The page fault's error code ("Interrupt 14 - Page-Fault Exception"). */
#define GWALK_PF_P	BIT(0)
#define GWALK_PF_W	BIT(1)
#define GWALK_PF_U	BIT(2)
#define GWALK_PF_RSVD	BIT(3)
#define GWALK_PF_ID	BIT(4)
#define GWALK_PF_PK	BIT(5)

#define GWALK_MAX_LEVELS 5

enum gwalk_result {
	GWALK_OK,
	GWALK_FAULT,		/* a page fault, error says which */
	GWALK_NONCANONICAL,	/* not an address in this mode: #GP(0) */
	GWALK_RETRY,		/* an entry changed while its bits were set: walk again */
};

struct gwalk_ops {
	/* Read an entry of @size bytes, 4 or 8, which is aligned. False: there is no memory. */
	bool (*read)(void *priv, gpa_t gpa, u64 *val, unsigned int size);
	/*
	 * Compare with @old and exchange for @new. -EAGAIN: it was not @old. 0: done,
	 * or memory is read-only, and then the bits stay as they are.
	 */
	int (*update)(void *priv, gpa_t gpa, u64 old, u64 new, unsigned int size);
};

/* An entry that the walk read, and what it held at the end: accessed and dirty bits are set. */
struct gwalk_step {
	gpa_t at;
	u64 e;
};

struct gwalk {
	/* in */
	const struct gwalk_ops *ops;
	void *priv;
	gva_t gva;
	unsigned int access;	/* enum emul_access: WRITE, FETCH, USER */
	u64 cr0, cr3, cr4, efer;
	u32 pkru;
	bool ac;		/* RFLAGS.AC, and not for an access that ignores it */
	bool gbpages;
	u8 maxphyaddr;		/* 32 to 52 */
	/* out */
	gpa_t gpa;		/* GWALK_OK */
	u32 error;		/* GWALK_FAULT */
	unsigned int level;	/* GWALK_OK: size of the page, 1 is 4 KiB */
	bool no_wp;		/* GWALK_OK: a write of the kernel's, not allowed with CR0.WP */
	unsigned int levels;	/* GWALK_OK with paging: of the first entry; the last is at level */
	struct gwalk_step step[GWALK_MAX_LEVELS + 1];	/* by level */
};

/* Walk for one access; sets accessed and dirty bits if it is allowed. */
enum gwalk_result gwalk(struct gwalk *w);

#endif

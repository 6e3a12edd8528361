/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stage2.h - the second-level page tables of one VM: guest frame to host page
 *
 * A logic core: one radix-tree walker for every format of entry. A format is a
 * constant table of masks (pte_npt.c, pte_ept.c). Memory for tables comes from
 * a cache that the caller has filled, so nothing here sleeps or fails but for
 * an empty cache.
 *
 * All functions but s2_free_dead() are called with the VM's mmu_lock held. The
 * CPU reads the tables at any time, and sets accessed and dirty bits in them:
 * an entry is changed by one atomic operation, and what it held is looked at
 * after that. A table that was unlinked may be in use by a CPU until TLBs are
 * flushed, so it waits on a list: take the list, flush, free the list.
 *
 * Levels count from 1 (4 KiB) through 2 (2 MiB) and 3 (1 GiB) to the root.
 */
#ifndef KEEL_STAGE2_H
#define KEEL_STAGE2_H

#include <keel/core.h>

#define S2_MAX_LEVELS	5
#define S2_MAX_LEAF	3	/* largest level that maps memory */
#define S2_INDEX_BITS	9
#define S2_ENTRIES	BIT(S2_INDEX_BITS)
#define S2_PAGE_SHIFT	12

/*
 * An entry is empty (0), a mark (not present, not 0), a table or a leaf. All
 * masks are for any level unless the comment says otherwise.
 */
struct s2_format {
	const char *name;
	u64 present;	/* set in each table and leaf, clear in a mark */
	u64 leaf;	/* above level 1: this entry maps memory */
	u64 addr;	/* where the physical address is */
	u64 table;	/* of an entry that points to a table; permits everything */
	u64 normal;	/* of a leaf for memory, */
	u64 device;	/* and for a device */
	u64 write;	/* permissions of a leaf */
	u64 exec;	/* set if it may be executed, */
	u64 noexec;	/* or this if not */
	u64 accessed;	/* 0 if the CPU keeps no such bits */
	u64 dirty;
	u64 host_write;	/* ours, ignored by the CPU: the host lets it be written */
	u64 mark;	/* 0: this format has no mark */
};

extern const struct s2_format s2_format_npt;
extern const struct s2_format s2_format_ept;
extern const struct s2_format s2_format_ept_noad;	/* EPT without accessed and dirty */

struct stage2;

struct s2_ops {
	void *(*va)(u64 pa);
	u64 (*pa)(void *table);
	void *(*get)(void *cache);	/* a page of zeroes, or NULL: cache is empty */
	void (*free)(void *table);
};

struct stage2 {
	const struct s2_format *fmt;	/* (c) */
	const struct s2_ops *ops;	/* (c) */
	u64 *root;			/* (c) */
	u64 enc;			/* (c) address bit that says "encrypted", or 0 */
	unsigned int levels;		/* (c) 4 or 5 */
	u64 pages[S2_MAX_LEAF];		/* (m) leaves by level, [0] is level 1 */
	u64 tables;			/* (m) linked, root not counted */
	void *dead;			/* atomic: unlinked tables, see s2_take_dead() */
};

/* The caller has set root, a page of zeroes, and enc; the rest of @s2 is zero. */
void s2_init(struct stage2 *s2, const struct s2_format *fmt, const struct s2_ops *ops,
	     unsigned int levels);

/* First gfn that the tables cannot hold. */
static inline gfn_t s2_limit(const struct stage2 *s2)
{
	return 1ULL << (s2->levels * S2_INDEX_BITS);
}

/* Frames that one entry of @level covers. */
static inline u64 s2_span(unsigned int level)
{
	return 1ULL << ((level - 1) * S2_INDEX_BITS);
}

struct s2_map {
	/* in */
	gfn_t gfn;
	u64 pa;			/* of the page behind @gfn, whatever the level */
	unsigned int level;	/* of the leaf; gfn and pa must be congruent */
	bool write, exec;
	bool host_write;	/* may become writable without asking the host again */
	bool device;
	bool dirty;		/* this is for a write: spare the CPU setting the bit */
	bool keep_tables;	/* where there are smaller leaves, do not replace them by one */
	void *cache;		/* for s2_ops.get */
	/* out */
	bool flush;		/* something that could be used was taken away */
	bool spurious;		/* mapped well enough before; nothing was done */
};

/*
 * s2_map() - map a frame. A larger leaf in the way that maps the same memory is
 * split; smaller ones are replaced; permissions of the same mapping are added.
 * 0; -ENOMEM: the cache ran empty, what was there still is; -EINVAL: beyond the
 * limit, or not congruent. A cache of levels - 1 pages is always enough.
 */
int s2_map(struct stage2 *s2, struct s2_map *m);

/*
 * s2_mark() - where nothing is mapped at @gfn, put the format's mark. Does not
 * flush: an entry that is not present is in no TLB. 0 or -ENOMEM.
 */
int s2_mark(struct stage2 *s2, gfn_t gfn, void *cache);

struct s2_leaf {
	unsigned int level;
	u64 pa;			/* of the frame asked for */
	bool write, exec, host_write;
	bool accessed, dirty;	/* for tests: the kernel asks s2_age(), s2_clean() */
	u64 *pte;
};

/* What maps @gfn; false if nothing does. */
bool s2_lookup(const struct stage2 *s2, gfn_t gfn, struct s2_leaf *leaf);

/* Let the leaf, which has host_write and was looked up with this mmu_lock, be written. */
void s2_make_writable(const struct stage2 *s2, const struct s2_leaf *leaf);

/*
 * Operations on a range of frames. Each goes on from @gfn and returns true when
 * the end is reached, false when @budget entries have been looked at: the caller
 * flushes if @flush is set, may let go of mmu_lock, and calls again. A leaf that
 * reaches out of the range is treated as a whole.
 */
struct s2_range {
	gfn_t gfn;		/* in, out */
	gfn_t end;		/* first one not in the range */
	unsigned int budget;	/* 0: no limit */
	bool flush;		/* out: TLBs may hold what is no longer so */
	bool young;		/* out, s2_age(): an accessed bit was set */
};

bool s2_unmap(struct stage2 *s2, struct s2_range *r);	/* marks, too */
bool s2_protect(struct stage2 *s2, struct s2_range *r);	/* take write permission away */
/* For hardware that logs a write which sets a dirty bit: clear them; but protect large leaves. */
bool s2_clean(struct stage2 *s2, struct s2_range *r);
/* Accessed bits; clear them. Without such bits in the format, mapped is young, and unmapped. */
bool s2_age(struct stage2 *s2, struct s2_range *r);
bool s2_test_age(struct stage2 *s2, struct s2_range *r);	/* ends at the first */

/*
 * s2_take_dead() - all tables unlinked so far; s2_free_dead() - free them. Flush
 * all TLBs in between. Any context, mmu_lock not needed.
 */
void *s2_take_dead(struct stage2 *s2);
void s2_free_dead(struct stage2 *s2, void *dead);

#endif

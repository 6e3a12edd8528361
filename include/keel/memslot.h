/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memslot.h - which guest frames are backed by which user memory
 *
 * Slots are found by gfn in a maple tree, by hva in an interval tree, by id in
 * an xarray. A slot is immutable but for its dirty bitmap and @gone; a change
 * of flags or place puts a new one where the old one was.
 *
 * How a slot ends, and why no mapping of it survives:
 *
 *	0. by_hva, in mmu_lock: its successor (or a first slot) comes in, so that MMU
 *	   notifiers find what faults map from 1 on. Both are there for a while.
 *	1. by_gfn: the new slot, or nothing, is what readers find from now on.
 *	   The only step that can fail, and then 0 is undone.
 *	2. mmu_lock: gone = true; if only the flags changed, it leaves by_hva, and
 *	   write protection that the new flags ask for is made.
 *	3. its frames are unmapped and flushed, mmu_lock let go at times; the slot
 *	   stays in by_hva meanwhile, so that MMU notifiers find what is mapped.
 *	   Then, in mmu_lock, it leaves by_hva.
 *	4. synchronize_srcu: who found the old slot before 1 has let go of it.
 *	5. the slot is freed.
 *
 * A fault that found the slot before 1 takes mmu_lock before it maps, and must
 * test @gone there: if set, it maps nothing and lets the guest fault again. If
 * not set, step 3 (or the protection of step 2) comes later and finds the
 * mapping. So: in mmu_lock, test keel_slot_gone() next to keel_notifier_retry().
 *
 * Host accesses by hva (gfn.h) in the section may use the old slot until they
 * leave it; the ioctl returns after step 4, so they come before its end.
 */
#ifndef KEEL_MEMSLOT_H
#define KEEL_MEMSLOT_H

#include <linux/interval_tree.h>
#include <linux/kvm.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/xarray.h>
#include <keel/core.h>

#define KEEL_MEMSLOT_MAX	32764	/* KVM_CAP_NR_MEMSLOTS; ids 0 to this - 1 */
#define KEEL_MAX_PAGES		((1UL << 31) - 1)	/* pages in one slot */
#define KEEL_MAX_GFN		((1ULL << 40) - 1)	/* 52 bits of guest physical address */

struct keel_vm;
struct keel_vcpu;

struct keel_memslot {
	gfn_t base;
	unsigned long npages;
	unsigned long hva;		/* of the first page; page aligned */
	u32 flags;			/* KVM_MEM_* */
	u32 id;
	unsigned long *dirty;		/* bitmap of npages, or NULL; set_bit from anywhere */
	unsigned long *dirty_copy;	/* slots_lock: as long, for keel_dirty_log_get() */
	struct interval_tree_node node;	/* by hva, [start, last] */
	bool gone;			/* mmu_lock: a racing fault must not map it */
};

struct keel_memslots {
	struct maple_tree by_gfn;	/* slots_lock for writing, SRCU for reading */
	struct rb_root_cached by_hva;	/* mmu_lock */
	struct xarray by_id;		/* slots_lock */
	u64 generation;			/* bumped at each change; odd while one is under way */
	unsigned long nr_pages;		/* slots_lock */
	int nr_logs;			/* slots_lock; slots with a dirty log */
};

/*
 * KVM_SET_USER_MEMORY_REGION. -EINVAL: unaligned, unknown flags, size or
 * address overflow, id out of range, bad user address, change of size;
 * -EEXIST: overlap; -ENOMEM.
 */
int keel_memslot_set(struct keel_vm *vm, const struct kvm_userspace_memory_region *r);

/* Slot that holds @gfn, or NULL. vCPU: inside keel_mem_enter(). Else: @vm->srcu held. */
struct keel_memslot *keel_memslot_find(struct keel_vm *vm, gfn_t gfn);
struct keel_memslot *keel_vcpu_memslot(struct keel_vcpu *vcpu, gfn_t gfn);

/* Slot with @id, or NULL. slots_lock held. */
struct keel_memslot *keel_memslot_by_id(struct keel_vm *vm, u32 id);

/* @gfn is of the slot, also for a CPU that speculates: a guest may have chosen it. */
static inline unsigned long keel_slot_hva(const struct keel_memslot *slot, gfn_t gfn)
{
	u64 at = array_index_nospec(gfn - slot->base, slot->npages);

	return slot->hva + (at << PAGE_SHIFT);
}

static inline bool keel_slot_holds(const struct keel_memslot *slot, gfn_t gfn)
{
	return gfn >= slot->base && gfn - slot->base < slot->npages;
}

static inline bool keel_slot_writable(const struct keel_memslot *slot)
{
	return !(slot->flags & KVM_MEM_READONLY);
}

/* mmu_lock held. True: do not map, let the guest fault again; see above. */
static inline bool keel_slot_gone(const struct keel_memslot *slot)
{
	return slot->gone;
}

/* dirty_log.c */
/*
 * KVM_GET_DIRTY_LOG: copies and clears; write protection is renewed. -EINVAL: no
 * such id; -ENOENT: no slot, or no log; -EFAULT: nothing was cleared.
 */
int keel_dirty_log_get(struct keel_vm *vm, const struct kvm_dirty_log *log);
/* Note a write by the host or guest. SRCU held. Any context. */
void keel_mark_dirty(struct keel_vm *vm, struct keel_memslot *slot, gfn_t gfn);

#endif

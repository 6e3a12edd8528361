// SPDX-License-Identifier: GPL-2.0
/*
 * notifier.c - the host changes its page tables: so must the stage-2 tables
 *
 * A guest's page is mapped without a reference. What keeps it right: before the
 * host changes a range it calls invalidate_range_start(), and we unmap and flush
 * the range before we return; until invalidate_range_end() no fault maps in it
 * (mn_active), and a fault that looked its page up before the end does not map
 * what it found (mn_seq).
 *
 * Unmap and flush are one section of mmu_lock. Were the lock let go between, a
 * second invalidation of the same page would find nothing mapped and return,
 * while another CPU's TLB still held the page.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <keel/arch.h>
#include <keel/gfn.h>
#include "virt.h"

#define CHUNK_FRAMES	(1UL << (28 - PAGE_SHIFT))	/* unmapped in one go: 256 MiB */

static struct keel_vm *mn_to_vm(struct mmu_notifier *mn)
{
	return container_of(mn, struct keel_vm, mn);
}

void keel_unmap_gfns(struct keel_vm *vm, gfn_t start, gfn_t end)
{
	gfn_t next;

	for (; start < end; start = next) {
		next = min(end, start + CHUNK_FRAMES);
		spin_lock(&vm->mmu_lock);
		if (arch_mmu_unmap(vm, start, next))
			arch_mmu_flush(vm);
		spin_unlock(&vm->mmu_lock);
		cond_resched();
	}
}

/* Frames of @slot that [start, last] of user addresses backs. They overlap. */
static void slot_frames(const struct keel_memslot *slot, unsigned long start, unsigned long last,
			gfn_t *first, gfn_t *end)
{
	start = max(start, slot->node.start);
	last = min(last, slot->node.last);
	*first = slot->base + ((start - slot->hva) >> PAGE_SHIFT);
	*end = slot->base + ((last - slot->hva) >> PAGE_SHIFT) + 1;
}

static struct keel_memslot *node_slot(struct interval_tree_node *node)
{
	return container_of(node, struct keel_memslot, node);
}

static struct interval_tree_node *first_slot_node(struct keel_vm *vm, unsigned long start,
						  unsigned long last)
{
	return interval_tree_iter_first(&vm->slots.by_hva, start, last);
}

static bool unmap_hvas(struct keel_vm *vm, unsigned long start, unsigned long last)
{
	struct interval_tree_node *node;
	gfn_t first, end;
	bool flush = false;

	lockdep_assert_held(&vm->mmu_lock);
	for (node = first_slot_node(vm, start, last); node;
	     node = interval_tree_iter_next(node, start, last)) {
		slot_frames(node_slot(node), start, last, &first, &end);
		if (!arch_mmu_unmap(vm, first, end))
			continue;
		flush = true;
		WRITE_ONCE(vm->stat.mmu_unmaps, vm->stat.mmu_unmaps + (end - first));
	}
	return flush;
}

/*
 * In pieces, so that a large range does not keep mmu_lock: the slots may change
 * between two pieces, so each piece looks them up. Returns the first address
 * that is not done, or 0 at the end.
 */
static unsigned long unmap_piece(struct keel_vm *vm, unsigned long start, unsigned long last)
{
	struct interval_tree_node *node;
	unsigned long piece_last;

	lockdep_assert_held(&vm->mmu_lock);
	node = first_slot_node(vm, start, last);
	if (!node)
		return 0;
	start = max(start, node->start);	/* the least start of all: nothing lies before */
	piece_last = last;
	if (last - start >= CHUNK_FRAMES << PAGE_SHIFT)
		piece_last = start + (CHUNK_FRAMES << PAGE_SHIFT) - 1;
	if (unmap_hvas(vm, start, piece_last))
		arch_mmu_flush(vm);
	return piece_last == last ? 0 : piece_last + 1;
}

/* mn_start..mn_end covers all invalidations under way, whole 2 MiB mappings included. */
static void mn_begin(struct keel_vm *vm, unsigned long start, unsigned long end)
{
	u64 from = start & PMD_MASK;
	u64 to = end > PMD_MASK ? ULONG_MAX : ALIGN(end, PMD_SIZE);

	lockdep_assert_held(&vm->mmu_lock);
	if (vm->mn_active++) {
		from = min(from, vm->mn_start);
		to = max(to, vm->mn_end);
	}
	vm->mn_start = from;
	vm->mn_end = to;
}

static int mn_invalidate_range_start(struct mmu_notifier *mn,
				     const struct mmu_notifier_range *range)
{
	struct keel_vm *vm = mn_to_vm(mn);
	unsigned long start = range->start;

	spin_lock(&vm->mmu_lock);
	mn_begin(vm, range->start, range->end);
	while (start < range->end) {
		start = unmap_piece(vm, start, range->end - 1);
		if (!start)
			break;
		if (mmu_notifier_range_blockable(range))
			cond_resched_lock(&vm->mmu_lock);
	}
	spin_unlock(&vm->mmu_lock);
	return 0;
}

static void mn_invalidate_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct keel_vm *vm = mn_to_vm(mn);

	spin_lock(&vm->mmu_lock);
	smp_wmb(); /* the host's page tables, before the sequence: see keel_notifier_seq() */
	WRITE_ONCE(vm->mn_seq, vm->mn_seq + 1);
	vm->mn_active--;
	spin_unlock(&vm->mmu_lock);
}

bool keel_notifier_retry(struct keel_vm *vm, unsigned long seq, unsigned long hva)
{
	lockdep_assert_held(&vm->mmu_lock);
	if (vm->mn_active && hva >= vm->mn_start && hva < vm->mn_end)
		return true;
	return vm->mn_seq != seq;
}

static bool age_hvas(struct keel_vm *vm, unsigned long start, unsigned long last, bool clear,
		     bool *flush)
{
	struct interval_tree_node *node;
	gfn_t first, end;
	bool young = false;

	lockdep_assert_held(&vm->mmu_lock);
	for (node = first_slot_node(vm, start, last); node;
	     node = interval_tree_iter_next(node, start, last)) {
		slot_frames(node_slot(node), start, last, &first, &end);
		young |= arch_mmu_age(vm, first, end, clear, flush);
	}
	return young;
}

static int mn_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	struct keel_vm *vm = mn_to_vm(mn);
	bool young, flush = false;

	spin_lock(&vm->mmu_lock);
	young = age_hvas(vm, start, end - 1, true, &flush);
	if (young || flush)
		arch_mmu_flush(vm);
	spin_unlock(&vm->mmu_lock);
	return young;
}

/* Page aging: a translation that stays in a TLB makes a page look old. That is allowed. */
static int mn_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	struct keel_vm *vm = mn_to_vm(mn);
	bool young, flush = false;

	spin_lock(&vm->mmu_lock);
	young = age_hvas(vm, start, end - 1, true, &flush);
	if (flush)
		arch_mmu_flush(vm);
	spin_unlock(&vm->mmu_lock);
	return young;
}

static int mn_test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	struct keel_vm *vm = mn_to_vm(mn);
	bool young, flush = false;

	spin_lock(&vm->mmu_lock);
	young = age_hvas(vm, address, address, false, &flush);
	spin_unlock(&vm->mmu_lock);
	return young;
}

/*
 * The address space ends, or we unregister, or both at once: may come twice. No thread of
 * it runs a vCPU.
 */
static void mn_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	arch_vm_release(mn_to_vm(mn));
}

static const struct mmu_notifier_ops keel_mn_ops = {
	.release = mn_release,
	.invalidate_range_start = mn_invalidate_range_start,
	.invalidate_range_end = mn_invalidate_range_end,
	.clear_flush_young = mn_clear_flush_young,
	.clear_young = mn_clear_young,
	.test_young = mn_test_young,
};

int keel_notifier_register(struct keel_vm *vm)
{
	vm->mn.ops = &keel_mn_ops;
	return mmu_notifier_register(&vm->mn, vm->mm);
}

void keel_notifier_unregister(struct keel_vm *vm)
{
	mmu_notifier_unregister(&vm->mn, vm->mm);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * dirty_log.c - which frames of a slot were written since the last look
 *
 * A bit is set before or while the frame becomes writable for the guest, and
 * cleared when the frame is protected again, both in mmu_lock. So, in mmu_lock and
 * with TLBs flushed, a frame whose bit is clear cannot be written without a fault; or,
 * where the hardware logs, without a note that sets the bit before the vCPU has left
 * the guest.
 */
#include <linux/bitmap.h>
#include <linux/uaccess.h>
#include <keel/arch.h>
#include "virt.h"

#define WORDS_PER_LOCK	512	/* bitmap words, 32768 frames each time mmu_lock is held */

/*
 * After the write, and with a full barrier (set_bit() is one on x86) even where the
 * bit is set already: whoever takes the bit must see what was written before.
 */
void keel_mark_dirty(struct keel_vm *vm, struct keel_memslot *slot, gfn_t gfn)
{
	if (!slot->dirty || !keel_slot_holds(slot, gfn))
		return;
	smp_mb__before_atomic(); /* what was written, before the bit */
	set_bit(array_index_nospec(gfn - slot->base, slot->npages), slot->dirty);
}

/* Move words [from, to) of the log into the copy and protect what they name. */
static bool log_take(struct keel_vm *vm, struct keel_memslot *slot, unsigned long from,
		     unsigned long to)
{
	bool any = false;
	unsigned long i;

	lockdep_assert_held(&vm->mmu_lock);
	for (i = from; i < to; i++) {
		slot->dirty_copy[i] = READ_ONCE(slot->dirty[i]) ? xchg(&slot->dirty[i], 0) : 0;
		if (!slot->dirty_copy[i])
			continue;
		arch_mmu_protect(vm, slot, i * BITS_PER_LONG, slot->dirty_copy[i]);
		any = true;
	}
	return any;
}

/*
 * The flush is before userspace sees the copy: a write through an old TLB entry
 * is not logged again, so it must come before the pages are read.
 */
static void log_take_all(struct keel_vm *vm, struct keel_memslot *slot)
{
	unsigned long words = BITS_TO_LONGS(slot->npages), i;
	bool any = false;

	arch_dirty_sync(vm);
	for (i = 0; i < words; i += WORDS_PER_LOCK) {
		spin_lock(&vm->mmu_lock);
		any |= log_take(vm, slot, i, min(words, i + WORDS_PER_LOCK));
		spin_unlock(&vm->mmu_lock);
		cond_resched();
	}
	if (any)
		arch_mmu_flush(vm);
}

/* Userspace did not get the copy: put it back, nothing is lost. */
static void log_give_back(struct keel_memslot *slot)
{
	unsigned long words = BITS_TO_LONGS(slot->npages), i;

	for (i = 0; i < words; i++) {
		if (slot->dirty_copy[i])
			atomic_long_or(slot->dirty_copy[i], (atomic_long_t *)&slot->dirty[i]);
		if (!(i % WORDS_PER_LOCK))
			cond_resched();
	}
}

static int log_get(struct keel_vm *vm, const struct kvm_dirty_log *log)
{
	struct keel_memslot *slot = keel_memslot_by_id(vm, log->slot);

	if (!slot || !slot->dirty)
		return -ENOENT;
	log_take_all(vm, slot);
	if (copy_to_user(log->dirty_bitmap, slot->dirty_copy,
			 BITS_TO_LONGS(slot->npages) * sizeof(long))) {
		log_give_back(slot);
		return -EFAULT;
	}
	return 0;
}

int keel_dirty_log_get(struct keel_vm *vm, const struct kvm_dirty_log *log)
{
	int r;

	if (log->slot >= KEEL_MEMSLOT_MAX)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	r = log_get(vm, log);
	mutex_unlock(&vm->slots_lock);
	return r;
}

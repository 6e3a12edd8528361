// SPDX-License-Identifier: GPL-2.0
/*
 * memslot.c - changes of guest memory; memslot.h tells the protocol
 */
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <keel/arch.h>
#include "virt.h"

#define WORDS_AT_A_TIME	4096	/* of a log, before others may run */
#define SLOT_FLAGS	(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)

/* What one call of keel_memslot_set() does. */
struct slot_change {
	struct keel_memslot *old;	/* NULL: a new slot */
	struct keel_memslot *new;	/* NULL: deletion */
};

void keel_memslots_init(struct keel_vm *vm)
{
	mt_init_flags(&vm->slots.by_gfn, MT_FLAGS_USE_RCU);
	vm->slots.by_hva = RB_ROOT_CACHED;
	xa_init_flags(&vm->slots.by_id, XA_FLAGS_ACCOUNT);
}

static gfn_t slot_last(const struct keel_memslot *slot)
{
	return slot->base + slot->npages - 1;
}

static void slot_free(struct keel_memslot *slot)
{
	if (!slot)
		return;
	vfree(slot->dirty);
	kfree(slot);
}

void keel_memslots_destroy(struct keel_vm *vm)
{
	struct keel_memslot *slot;
	unsigned long id;

	/*
	 * Nobody reads any more, so the nodes go at once. An RCU callback that walks a
	 * tree of four levels takes a full node's metadata for a child (Linux 6.1).
	 */
	mt_clear_in_rcu(&vm->slots.by_gfn);
	mtree_destroy(&vm->slots.by_gfn);
	xa_for_each(&vm->slots.by_id, id, slot)
		slot_free(slot);
	xa_destroy(&vm->slots.by_id);
}

struct keel_memslot *keel_memslot_find(struct keel_vm *vm, gfn_t gfn)
{
	RCU_LOCKDEP_WARN(!srcu_read_lock_held(&vm->srcu) && !lockdep_is_held(&vm->slots_lock),
			 "memslot looked up outside its read section");
	return mtree_load(&vm->slots.by_gfn, gfn);
}

struct keel_memslot *keel_vcpu_memslot(struct keel_vcpu *vcpu, gfn_t gfn)
{
	struct keel_memslot *slot = vcpu->last_slot;

	/* A gone slot is looked up anew, or a fault that retries would find it for ever. */
	if (slot && !READ_ONCE(slot->gone) && keel_slot_holds(slot, gfn))
		return slot;
	slot = keel_memslot_find(vcpu->vm, gfn);
	if (slot)
		vcpu->last_slot = slot;
	return slot;
}

struct keel_memslot *keel_memslot_by_id(struct keel_vm *vm, u32 id)
{
	lockdep_assert_held(&vm->slots_lock);
	return xa_load(&vm->slots.by_id, array_index_nospec(id, KEEL_MEMSLOT_MAX));
}

/* What can be said of a region without knowing other slots. */
static int region_check(const struct kvm_userspace_memory_region *r)
{
	u64 gpa_end;

	if (r->flags & ~SLOT_FLAGS)
		return -EINVAL;
	if ((r->memory_size | r->guest_phys_addr | r->userspace_addr) & ~PAGE_MASK)
		return -EINVAL;
	if (r->userspace_addr != untagged_addr(r->userspace_addr) ||
	    !access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	/* The upper half of the id is the address space; there is one. */
	if (r->slot >= KEEL_MEMSLOT_MAX)
		return -EINVAL;
	if (check_add_overflow(r->guest_phys_addr, r->memory_size, &gpa_end))
		return -EINVAL;
	if (r->memory_size >> PAGE_SHIFT > KEEL_MAX_PAGES)
		return -EINVAL;
	return 0;
}

static struct keel_memslot *slot_alloc(const struct kvm_userspace_memory_region *r)
{
	struct keel_memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	unsigned long words;

	if (!slot)
		return NULL;
	slot->base = r->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = r->memory_size >> PAGE_SHIFT;
	slot->hva = r->userspace_addr;
	slot->flags = r->flags;
	slot->id = r->slot;
	slot->node.start = slot->hva;
	slot->node.last = slot->hva + r->memory_size - 1;
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return slot;

	words = BITS_TO_LONGS(slot->npages);
	/* Userspace chose the size: that there is no such room is no news for the log. */
	slot->dirty = __vcalloc(2 * words, sizeof(long), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!slot->dirty) {
		kfree(slot);
		return NULL;
	}
	slot->dirty_copy = slot->dirty + words;
	return slot;
}

/* Does a slot other than @old hold a frame of @new? */
static bool slot_overlaps(struct keel_vm *vm, const struct keel_memslot *new,
			  const struct keel_memslot *old)
{
	unsigned long index = new->base;
	struct keel_memslot *slot;

	mt_for_each(&vm->slots.by_gfn, slot, index, slot_last(new))
		if (slot != old)
			return true;
	return false;
}

static int tree_set(struct keel_vm *vm, gfn_t first, gfn_t last, struct keel_memslot *slot,
		    gfp_t gfp)
{
	return mtree_store_range(&vm->slots.by_gfn, first, last, slot, gfp);
}

/*
 * After a move, clear what of the old place the new one has not taken: they
 * have one size, so it is one range. Giving up would leave a pointer to a slot
 * that is about to be freed, so wait for the few bytes it needs.
 */
static void tree_clear_rest(struct keel_vm *vm, const struct keel_memslot *old,
			    const struct keel_memslot *new)
{
	gfn_t first = old->base, last = slot_last(old);

	if (new->base > first)
		last = min(last, new->base - 1);
	else
		first = max(first, slot_last(new) + 1);
	while (tree_set(vm, first, last, NULL, GFP_KERNEL))
		schedule_timeout_uninterruptible(1);
}

/* Step 1: what readers find by gfn. May fail, and then has changed nothing. */
static int change_tree(struct keel_vm *vm, const struct slot_change *c)
{
	int r;

	if (!c->new)
		return tree_set(vm, c->old->base, slot_last(c->old), NULL, GFP_KERNEL);

	r = tree_set(vm, c->new->base, slot_last(c->new), c->new, GFP_KERNEL_ACCOUNT);
	if (!r && c->old && c->old->base != c->new->base)
		tree_clear_rest(vm, c->old, c->new);
	return r;
}

static void hva_insert(struct keel_vm *vm, struct keel_memslot *slot)
{
	spin_lock(&vm->mmu_lock);
	interval_tree_insert(&slot->node, &vm->slots.by_hva);
	spin_unlock(&vm->mmu_lock);
}

static void hva_remove(struct keel_vm *vm, struct keel_memslot *slot)
{
	spin_lock(&vm->mmu_lock);
	interval_tree_remove(&slot->node, &vm->slots.by_hva);
	spin_unlock(&vm->mmu_lock);
}

#define PROTECT_PIECE	(SZ_1G >> PAGE_SHIFT)	/* frames in one hold of mmu_lock */

/* What faults in meanwhile finds the new slot and is logged: pieces will do. */
static void protect_slot(struct keel_vm *vm, struct keel_memslot *slot)
{
	gfn_t gfn = slot->base, end = slot->base + slot->npages;
	bool flush = false;

	for (; gfn < end; gfn += PROTECT_PIECE) {
		spin_lock(&vm->mmu_lock);
		flush |= arch_mmu_protect_range(vm, gfn, min(end, gfn + PROTECT_PIECE));
		spin_unlock(&vm->mmu_lock);
		cond_resched();
	}
	if (flush)
		arch_mmu_flush(vm);
}

/* Steps 2 and 3. */
static void change_mappings(struct keel_vm *vm, const struct slot_change *c)
{
	bool moved = c->old && (!c->new || c->old->base != c->new->base);

	spin_lock(&vm->mmu_lock);
	if (c->old)
		WRITE_ONCE(c->old->gone, true);
	if (c->old && !moved)
		interval_tree_remove(&c->old->node, &vm->slots.by_hva);
	spin_unlock(&vm->mmu_lock);
	if (c->old && !moved && c->new->dirty)
		protect_slot(vm, c->new);

	if (!moved)
		return;
	keel_unmap_gfns(vm, c->old->base, c->old->base + c->old->npages);
	hva_remove(vm, c->old);
}

/* by_id has an entry for the id already, so storing a slot does not allocate. */
static void change_ids(struct keel_vm *vm, const struct slot_change *c)
{
	if (c->new)
		xa_store(&vm->slots.by_id, c->new->id, c->new, GFP_KERNEL_ACCOUNT);
	else
		xa_erase(&vm->slots.by_id, c->old->id);
	if (!c->old)
		vm->slots.nr_pages += c->new->npages;
	else if (!c->new)
		vm->slots.nr_pages -= c->old->npages;
}

/*
 * A log goes on where the slot is moved to: nobody writes the old one any more. But what
 * the hardware had noted of the old place may have found no slot there: all is dirty.
 */
static void keep_dirty(const struct keel_memslot *old, struct keel_memslot *new)
{
	unsigned long words = BITS_TO_LONGS(new->npages), i;

	if (!old->dirty || !new->dirty)
		return;
	/* Who marks meanwhile sets bits that are set. */
	for (i = 0; i < words; i++) {
		WRITE_ONCE(new->dirty[i], i + 1 < words ? ~0UL :
						BITMAP_LAST_WORD_MASK(new->npages));
		if (!(i % WORDS_AT_A_TIME))
			cond_resched();
	}
}

/* Before a log can be written to, and after it cannot any more. */
static void count_logs(struct keel_vm *vm, int by)
{
	bool before = vm->slots.nr_logs;

	vm->slots.nr_logs += by;
	if (before != (bool)vm->slots.nr_logs)
		arch_dirty_logging(vm, !before);
}

static bool has_log(const struct keel_memslot *slot)
{
	return slot && slot->dirty;
}

/* Step 0 and all the others. */
static int change_apply(struct keel_vm *vm, const struct slot_change *c)
{
	int r;

	lockdep_assert_held(&vm->slots_lock);
	count_logs(vm, has_log(c->new));
	WRITE_ONCE(vm->slots.generation, vm->slots.generation + 1);
	smp_wmb(); /* odd generation, before the change can be seen */
	if (c->new)
		hva_insert(vm, c->new);
	r = change_tree(vm, c);
	if (r && c->new)
		hva_remove(vm, c->new);
	if (!r) {
		change_mappings(vm, c);
		change_ids(vm, c);
		if (c->old)
			synchronize_srcu_expedited(&vm->srcu);
		if (c->old && c->new)
			keep_dirty(c->old, c->new);
		arch_memslot_changed(vm, c->old, c->new);
	}
	smp_wmb(); /* the change, before the even generation */
	WRITE_ONCE(vm->slots.generation, vm->slots.generation + 1);
	count_logs(vm, -(int)has_log(r ? c->new : c->old));
	return r;
}

static int slot_delete(struct keel_vm *vm, struct keel_memslot *old)
{
	struct slot_change c = { .old = old };
	int r;

	if (!old)
		return -EINVAL;
	r = change_apply(vm, &c);
	if (!r)
		slot_free(old);
	return r;
}

static int slot_create(struct keel_vm *vm, struct keel_memslot *new)
{
	struct slot_change c = { .new = new };
	unsigned long total;
	int r;

	if (check_add_overflow(vm->slots.nr_pages, new->npages, &total))
		return -EINVAL;
	r = xa_reserve(&vm->slots.by_id, new->id, GFP_KERNEL_ACCOUNT);
	if (r)
		return r;
	r = change_apply(vm, &c);
	if (r)
		xa_release(&vm->slots.by_id, new->id);
	return r;
}

/* A slot may move and start or stop its log; it keeps size, memory and being read-only. */
static int slot_replace(struct keel_vm *vm, struct keel_memslot *old, struct keel_memslot *new)
{
	struct slot_change c = { .old = old, .new = new };
	int r = change_apply(vm, &c);

	if (!r)
		slot_free(old);
	return r;
}

static bool slot_may_become(const struct keel_memslot *old,
			    const struct kvm_userspace_memory_region *r)
{
	return old->npages == r->memory_size >> PAGE_SHIFT && old->hva == r->userspace_addr &&
	       !((old->flags ^ r->flags) & KVM_MEM_READONLY);
}

static int slot_set(struct keel_vm *vm, struct keel_memslot *old,
		    const struct kvm_userspace_memory_region *r)
{
	gfn_t base = r->guest_phys_addr >> PAGE_SHIFT;
	struct keel_memslot *new;
	int ret;

	if (base + (r->memory_size >> PAGE_SHIFT) - 1 > KEEL_MAX_GFN)
		return -EINVAL;
	if (old && !slot_may_become(old, r))
		return -EINVAL;
	if (old && old->base == base && old->flags == r->flags)
		return 0;

	new = slot_alloc(r);
	if (!new)
		return -ENOMEM;
	if (slot_overlaps(vm, new, old))
		ret = -EEXIST;
	else
		ret = old ? slot_replace(vm, old, new) : slot_create(vm, new);
	if (ret)
		slot_free(new);
	return ret;
}

int keel_memslot_set(struct keel_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct keel_memslot *old;
	int ret;

	ret = region_check(r);
	if (ret)
		return ret;

	mutex_lock(&vm->slots_lock);
	old = keel_memslot_by_id(vm, r->slot);
	ret = r->memory_size ? slot_set(vm, old, r) : slot_delete(vm, old);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

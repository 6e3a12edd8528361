// SPDX-License-Identifier: GPL-2.0
/*
 * slots.c - what the host's memory management and the memslots ask of the tables
 */
#include <linux/bitops.h>
#include "../backend.h"
#include "s2_vm.h"

/*
 * True also where nothing was found, but somebody who unmapped has not flushed
 * yet: the page that is gone from the tables may still be in a TLB.
 */
bool arch_mmu_unmap(struct keel_vm *vm, gfn_t start, gfn_t end)
{
	struct s2_range r = { .gfn = start, .end = end };
	struct keel_s2 *ks = keel_s2(vm);

	lockdep_assert_held(&vm->mmu_lock);
	s2_unmap(&ks->s2, &r);
	if (r.flush) {
		keel_s2_owe_flush(vm);
		keel_s2_account(vm);
	}
	return ks->owed != READ_ONCE(ks->flushed);
}

bool arch_mmu_age(struct keel_vm *vm, gfn_t start, gfn_t end, bool clear,
		  bool *flush)
{
	struct s2_range r = { .gfn = start, .end = end };

	lockdep_assert_held(&vm->mmu_lock);
	if (clear)
		s2_age(vm->arch.s2, &r);
	else
		s2_test_age(vm->arch.s2, &r);
	if (r.flush) {
		keel_s2_owe_flush(vm);
		keel_s2_account(vm);
		*flush = true;
	}
	return r.young;
}

bool arch_mmu_protect_range(struct keel_vm *vm, gfn_t start, gfn_t end)
{
	struct s2_range r = { .gfn = start, .end = end };

	lockdep_assert_held(&vm->mmu_lock);
	if (READ_ONCE(vm->arch.log_writes))
		s2_clean(vm->arch.s2, &r);
	else
		s2_protect(vm->arch.s2, &r);
	return r.flush;
}

/* ---- logging by the hardware ---- */

/* A vCPU that is not to be found yet looks at log_writes when it is. */
void arch_dirty_logging(struct keel_vm *vm, bool on)
{
	if (!keel_caps.log_writes)
		return;
	WRITE_ONCE(vm->arch.log_writes, on);
	keel_request_all(vm, KEEL_REQ_INTERCEPTS);
}

/* A vCPU has handed in its notes when it is seen outside the guest. */
void arch_dirty_sync(struct keel_vm *vm)
{
	if (READ_ONCE(vm->arch.log_writes))
		keel_request_all(vm, KEEL_REQ_OUT);
}

void keel_log_writes(struct keel_vcpu *vcpu, const u64 *gpa, unsigned int n)
{
	struct keel_memslot *slot;
	unsigned int i;

	keel_mem_enter(vcpu);
	for (i = 0; i < n; i++) {
		slot = keel_vcpu_memslot(vcpu, gpa[i] >> PAGE_SHIFT);
		if (slot)
			keel_mark_dirty(vcpu->vm, slot, gpa[i] >> PAGE_SHIFT);
	}
	keel_mem_leave(vcpu);
}

/* Runs of bits are runs of frames. The caller flushes. */
void arch_mmu_protect(struct keel_vm *vm, struct keel_memslot *slot, gfn_t offset,
		      unsigned long mask)
{
	gfn_t base = slot->base + offset;
	unsigned int first, n;

	while (mask) {
		first = __ffs(mask);
		mask >>= first;
		n = ~mask ? ffz(mask) : BITS_PER_LONG;
		mask = n < BITS_PER_LONG ? mask >> n : 0;
		base += first;
		arch_mmu_protect_range(vm, base, base + n);
		base += n;
	}
}

/*
 * What a change makes wrong was unmapped or protected with it, in mmu_lock. Left
 * is what it makes slow: after a dirty log's end, memory mapped in small pieces.
 */
void arch_memslot_changed(struct keel_vm *vm, const struct keel_memslot *old,
			  const struct keel_memslot *new)
{
	if (!old || !new || new->npages < s2_span(2))
		return;
	if ((old->flags & ~new->flags) & KVM_MEM_LOG_DIRTY_PAGES)
		keel_s2_zap(vm, new->base, new->base + new->npages);
}

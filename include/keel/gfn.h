/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gfn.h - the host's access to guest memory, and guest frames to host pages
 */
#ifndef KEEL_GFN_H
#define KEEL_GFN_H

#include <keel/vcpu.h>

/*
 * keel_read_guest(), keel_write_guest() - copy @len bytes at @gpa, across pages.
 * Inside keel_mem_enter(); may fault in pages (sleep). 0, or -EFAULT where a
 * page has no slot, is read-only (write) or does not answer; a part may have
 * been copied then. Writes are noted in dirty logs.
 */
int keel_read_guest(struct keel_vcpu *vcpu, gpa_t gpa, void *buf, size_t len);
int keel_write_guest(struct keel_vcpu *vcpu, gpa_t gpa, const void *buf, size_t len);

/*
 * keel_cmpxchg_guest() - atomic compare-and-exchange of 1, 2, 4, 8 or 16 bytes
 * that do not cross a page. 0: done; -EAGAIN: memory did not hold @old, which now
 * has what it does hold; -EFAULT as above, or a length or page crossing that cannot
 * be. An operand that crosses a cache line is not exchanged atomically.
 */
int keel_cmpxchg_guest(struct keel_vcpu *vcpu, gpa_t gpa, void *old, const void *new, size_t len);

/* Does a slot hold @gfn, and one that may be written? Inside keel_mem_enter(). */
bool keel_gfn_backed(struct keel_vcpu *vcpu, gfn_t gfn);
bool keel_gfn_writable(struct keel_vcpu *vcpu, gfn_t gfn);

/*
 * struct keel_page - a frame brought in by keel_gfn_fault(), referenced until
 * keel_page_put(), which the caller makes right after mapping: nothing stays pinned.
 */
struct keel_page {
	unsigned long pfn;
	struct page *page;	/* NULL: memory without struct page (VM_PFNMAP) */
	bool writable;		/* the host lets it be written */
	bool device;		/* the host does not map it as memory that is cached */
	u8 level;		/* 1: 4 KiB, 2: 2 MiB, 3: 1 GiB: how large the host maps it */
};

/*
 * keel_gfn_fault() - find the host page behind @hva. Sleeps, takes mmap_lock; call
 * from a thread of the VM's mm, without mmu_lock and with the notifier sequence
 * already read. 0; -EFAULT: no such memory; -EHWPOISON: poisoned, tell userspace;
 * -EINTR, -EAGAIN: try again after signals were looked at. @pg->writable may be
 * true for a read: the caller still asks the slot.
 */
int keel_gfn_fault(struct keel_vm *vm, unsigned long hva, bool write, struct keel_page *pg);

/* @dirty: mapped writable. Under mmu_lock or not; clears pg->page. */
void keel_page_put(struct keel_page *pg, bool dirty);

/* notifier.c */
/* The sequence to pass to keel_notifier_retry(). Any context. */
static inline unsigned long keel_notifier_seq(struct keel_vm *vm)
{
	unsigned long seq = READ_ONCE(vm->mn_seq);

	smp_rmb();	/* the sequence, before the page is looked up */
	return seq;
}

/*
 * Under mmu_lock: has anything been invalidated since, or is @hva (or its 2 MiB
 * neighbourhood) being so now? Then do not map. A page's level is as fresh as the
 * page: a split of the host's mapping is an invalidation of all of it.
 */
bool keel_notifier_retry(struct keel_vm *vm, unsigned long seq, unsigned long hva);

#endif

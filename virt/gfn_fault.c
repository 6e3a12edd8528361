// SPDX-License-Identifier: GPL-2.0
/*
 * gfn_fault.c - bring in the host page behind a guest frame
 *
 * Nothing here stays pinned. A page, its write permission and its level are
 * facts of a moment, which the caller makes use of only in mmu_lock and if
 * keel_notifier_retry() says that no invalidation came in between.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <keel/compat.h>
#include <keel/gfn.h>

/*
 * Page tables are freed only after an IPI to, or an RCU grace period of, all
 * CPUs that use the mm: with interrupts off here, what a present entry points
 * to stays a page table. Each entry is read once.
 */
static u8 walk_level(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return 1;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 1;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		return 1;
	if (pud_leaf(pud))
		return 3;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		return 1;
	return pmd_leaf(pmd) ? 2 : 1;
}

static u8 host_level(struct mm_struct *mm, unsigned long hva)
{
	unsigned long flags;
	u8 level;

	local_irq_save(flags);
	level = walk_level(mm, hva);
	local_irq_restore(flags);
	return level;
}

/* VM_PFNMAP: a device's memory, or memory that has a driver for its owner. mmap_lock held. */
static int pfnmap_lookup(struct keel_vm *vm, unsigned long hva, bool write, struct keel_page *pg)
{
	struct vm_area_struct *vma = vma_lookup(vm->mm, hva);
	bool unlocked = false;
	int r;

	if (!vma || !(vma->vm_flags & (VM_IO | VM_PFNMAP)))
		return -EFAULT;
	r = keel_compat_follow_pfn(vma, hva, &pg->pfn, &pg->writable, &pg->device);
	if (!r && (pg->writable || !write))
		return 0;

	r = fixup_user_fault(vm->mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	if (unlocked)
		return -EAGAIN;
	if (r)
		return r;
	r = keel_compat_follow_pfn(vma, hva, &pg->pfn, &pg->writable, &pg->device);
	if (r || (write && !pg->writable))
		return -EFAULT;
	return 0;
}

/*
 * No reference is taken: the mapping in the mm is what keeps such memory, and the
 * notifier ends ours with it. Its level is 1, for there is nobody to ask how it
 * may be split.
 */
static int pfnmap_fault(struct keel_vm *vm, unsigned long hva, bool write, struct keel_page *pg)
{
	int r;

	if (mmap_read_lock_killable(vm->mm))
		return -EINTR;
	r = pfnmap_lookup(vm, hva, write, pg);
	mmap_read_unlock(vm->mm);
	pg->page = NULL;
	pg->level = 1;
	return r;
}

/* Sleeps: faults the page in. */
static int page_slow(unsigned long hva, bool write, struct keel_page *pg)
{
	unsigned int flags = FOLL_HWPOISON | KEEL_COMPAT_FOLL_INTR | (write ? FOLL_WRITE : 0);
	struct page *page;
	long n = get_user_pages_unlocked(hva, 1, &page, flags);

	if (n != 1)
		return n < 0 ? n : -EAGAIN;
	pg->page = page;
	pg->writable = write;
	if (write)
		return 0;
	/* Read in; if it can be written without copying it, spare the guest a second fault. */
	if (get_user_page_fast_only(hva, FOLL_WRITE, &page)) {
		put_page(pg->page);
		pg->page = page;
		pg->writable = true;
	}
	return 0;
}

int keel_gfn_fault(struct keel_vm *vm, unsigned long hva, bool write, struct keel_page *pg)
{
	int r;

	if (get_user_page_fast_only(hva, FOLL_WRITE, &pg->page)) {
		pg->writable = true;
	} else {
		r = page_slow(hva, write, pg);
		if (r == -EFAULT)
			return pfnmap_fault(vm, hva, write, pg);
		if (r)
			return r;
	}
	pg->device = false;
	pg->pfn = page_to_pfn(pg->page);
	pg->level = host_level(vm->mm, hva);
	return 0;
}

/*
 * The page was mapped writable, so it may be written at any time until the
 * notifier unmaps it. Writeback cleans a page only after that, so dirty once per
 * mapping is enough. That it is in use shows where it is mapped, to whoever ages it.
 */
void keel_page_put(struct keel_page *pg, bool dirty)
{
	if (!pg->page)
		return;
	if (dirty && !PageReserved(pg->page))
		SetPageDirty(pg->page);
	put_page(pg->page);
	pg->page = NULL;
}

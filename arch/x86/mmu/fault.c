// SPDX-License-Identifier: GPL-2.0
/*
 * fault.c - second-level faults
 *
 * The page is looked up without locks, and mapped in mmu_lock only if no
 * invalidation and no change of memslots came in between; else the guest runs
 * into the same fault again. No reference to the page is kept.
 */
#include <linux/gfp.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/cpufeature.h>
#include "../backend.h"
#include "../irqchip/irqchip.h"
#include "../plain.h"
#include "../regs.h"
#include "../trace.h"
#include "s2_vm.h"

#define FAULT_MARK_TABLES	1024	/* for 2 GiB of MMIO windows */
#define CACHE_LEAST	(S2_MAX_LEVELS - 1)	/* tables that mapping one frame may take */

struct fault {
	/* in */
	struct keel_vcpu *vcpu;
	struct keel_memslot *slot;	/* NULL: the page of the hardware's APIC */
	gfn_t gfn;
	u32 access;		/* KEEL_ACC_* */
	/* the host's answer */
	unsigned long seq;
	struct keel_page page;
};

static bool fault_is_write(const struct fault *f)
{
	return f->access & KEEL_ACC_WRITE;
}

static bool slot_logs(const struct keel_memslot *slot)
{
	return slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* May sleep. -ENOMEM: not even enough for one fault. */
static int fault_fill_cache(struct keel_vcpu *vcpu)
{
	struct keel_vcpu_arch *a = &vcpu->arch;
	void *table;

	BUILD_BUG_ON(ARRAY_SIZE(a->table_cache) < CACHE_LEAST);
	if (a->nr_table_cache >= CACHE_LEAST)
		return 0;
	while (a->nr_table_cache < ARRAY_SIZE(a->table_cache)) {
		table = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!table)
			return a->nr_table_cache >= CACHE_LEAST ? 0 : -ENOMEM;
		a->table_cache[a->nr_table_cache++] = table;
	}
	return 0;
}

/* ---- how large ---- */

/* Is all of the mapping of @level around @gfn in the slot, and user memory congruent? */
static bool slot_fits(const struct keel_memslot *slot, gfn_t gfn, unsigned int level)
{
	u64 in_leaf = s2_span(level) - 1;
	gfn_t first = gfn & ~in_leaf;

	return !(((slot->hva >> PAGE_SHIFT) ^ slot->base) & in_leaf) &&
	       first >= slot->base && first + in_leaf < slot->base + slot->npages;
}

static unsigned int fault_level(const struct fault *f)
{
	unsigned int level = min_t(unsigned int, f->page.level, keel_caps.max_level);

	if (slot_logs(f->slot))
		return 1;
	while (level > 1 && (!slot_fits(f->slot, f->gfn, level) ||
			     ((f->page.pfn ^ f->gfn) & (s2_span(level) - 1))))
		level--;
	return max(level, 1U);
}

/*
 * On a CPU with the instruction-fetch machine check ("Machine Check Error on Page
 * Size Change"), a guest must not execute from a large page: what it does execute
 * is mapped small, and stays so.
 */
static void fault_limit_exec(const struct fault *f, struct s2_map *m)
{
	m->exec = true;
	if (!boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT))
		return;
	m->keep_tables = true;
	if (f->access & KEEL_ACC_EXEC)
		m->level = 1;
	else if (m->level > 1)
		m->exec = false;
}

/* ---- mapping ---- */

/* mmu_lock held. What s2_map() took away must be out of the TLBs before the lock goes. */
static int fault_commit(struct fault *f, struct s2_map *m)
{
	struct keel_vcpu *vcpu = f->vcpu;
	int r;

	lockdep_assert_held(&vcpu->vm->mmu_lock);
	r = s2_map(vcpu->vm->arch.s2, m);
	if (m->flush) {
		keel_s2_owe_flush(vcpu->vm);
		arch_mmu_flush(vcpu->vm);
	}
	if (r)
		return r;
	if (m->write && m->dirty && f->slot)
		keel_mark_dirty(vcpu->vm, f->slot, f->gfn);
	if (!m->spurious)
		keel_count(&vcpu->stat.faults, 1);
	keel_s2_account(vcpu->vm);
	return KEEL_RESUME;
}

/* Of a large leaf that is logged: the one page. False: no memory for the table. */
static bool fault_split(struct fault *f, const struct s2_leaf *leaf)
{
	struct s2_map m = {
		.gfn = f->gfn,
		.pa = leaf->pa,
		.level = 1,
		.write = true,
		.exec = leaf->exec,
		.host_write = true,
		.dirty = true,
		.cache = f->vcpu,
	};

	return fault_commit(f, &m) == KEEL_RESUME;
}

static bool fault_permit_write(struct fault *f, const struct s2_leaf *leaf)
{
	struct keel_vcpu *vcpu = f->vcpu;

	if (leaf->write)
		return true;
	if (!leaf->host_write)
		return false;
	if (leaf->level > 1 && slot_logs(f->slot))
		return fault_split(f, leaf);
	s2_make_writable(vcpu->vm->arch.s2, leaf);
	keel_mark_dirty(vcpu->vm, f->slot, f->gfn);
	keel_count(&vcpu->stat.faults, 1);
	return true;
}

/*
 * A mapping exists but forbade the access. If all it lacks is write permission that
 * the host has given before (write protection for the dirty log), or another vCPU
 * was faster, the host need not be asked. True: done.
 */
static bool fault_fast(struct fault *f)
{
	struct keel_vm *vm = f->vcpu->vm;
	struct s2_leaf leaf;
	bool done = false;

	spin_lock(&vm->mmu_lock);
	if (!keel_slot_gone(f->slot) && s2_lookup(vm->arch.s2, f->gfn, &leaf) &&
	    (leaf.exec || !(f->access & KEEL_ACC_EXEC)))
		done = !fault_is_write(f) || fault_permit_write(f, &leaf);
	spin_unlock(&vm->mmu_lock);
	return done;
}

/* Of a slot with a log, what is only read must not be written unseen. */
static bool fault_may_write(const struct fault *f)
{
	return fault_is_write(f) || !slot_logs(f->slot) || READ_ONCE(f->vcpu->vm->arch.log_writes);
}

/* The page is here: map it if it still is the page. */
static int fault_map(struct fault *f)
{
	struct keel_vm *vm = f->vcpu->vm;
	struct keel_page *page = &f->page;
	bool writable = page->writable && keel_slot_writable(f->slot);
	struct s2_map m = {
		.gfn = f->gfn,
		.pa = (u64)page->pfn << PAGE_SHIFT,
		.level = fault_level(f),
		.write = writable && fault_may_write(f),
		.host_write = writable,
		.device = page->device,
		.dirty = fault_is_write(f),
		.cache = f->vcpu,
	};
	int r = KEEL_RESUME;

	fault_limit_exec(f, &m);
	spin_lock(&vm->mmu_lock);
	if (!keel_slot_gone(f->slot) &&
	    !keel_notifier_retry(vm, f->seq, keel_slot_hva(f->slot, f->gfn)))
		r = fault_commit(f, &m);
	spin_unlock(&vm->mmu_lock);
	keel_page_put(page, writable);
	return r == -EINVAL ? -EFAULT : r;
}

/* A page that the hardware lost: the thread that wants it is told, as on a host's access. */
static int fault_poisoned(unsigned long hva)
{
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, PAGE_SHIFT, current);
	return KEEL_RESUME;
}

static int fault_slow(struct fault *f)
{
	struct keel_vm *vm = f->vcpu->vm;
	unsigned long hva = keel_slot_hva(f->slot, f->gfn);
	int r;

	f->seq = keel_notifier_seq(vm);
	r = keel_gfn_fault(vm, hva, fault_is_write(f), &f->page);
	switch (r) {
	case 0:
		return fault_map(f);
	case -EINTR:
	case -EAGAIN:
		return KEEL_RESUME;	/* the run loop looks at signals; then again */
	case -EHWPOISON:
		return fault_poisoned(hva);
	default:
		return r;
	}
}

/* ---- no memory there ---- */

/*
 * The fault came while the CPU delivered an event, so the instruction at RIP has
 * nothing to do with it.
 */
static bool fault_in_delivery(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.in_delivery;
}

static int fault_emulate(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	u64 data[] = { exit->hw.reason, exit->hw.info1, exit->hw.info2, exit->fault.gpa };

	if (fault_in_delivery(vcpu))
		return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV,
					   ARRAY_SIZE(data), data);
	return keel_emulate(vcpu);
}

/*
 * Marks cost tables, for which a guest needs no memory of its own: beyond a number of them
 * it gets on without.
 */
static void fault_mark(struct keel_vcpu *vcpu, gfn_t gfn)
{
	struct keel_vm *vm = vcpu->vm;
	u64 before;

	spin_lock(&vm->mmu_lock);
	before = vm->arch.s2->tables;
	if (vm->arch.mark_tables < FAULT_MARK_TABLES)
		s2_mark(vm->arch.s2, gfn, vcpu);
	vm->arch.mark_tables += vm->arch.s2->tables - before;
	spin_unlock(&vm->mmu_lock);
}

/*
 * An exit by the mark was preceded by a violation that found no slot. A doorbell
 * whose value does not matter needs no decoding. Otherwise the mark is put, and
 * next time costs less.
 */
static int fault_mmio(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	struct keel_vm *vm = vcpu->vm;

	if (exit->kind == KEEL_EXIT_MISCONFIG) {
		if (!fault_in_delivery(vcpu) &&
		    !keel_bus_write(vcpu, KEEL_BUS_FAST_MMIO, exit->fault.gpa, 0, NULL))
			return keel_skip(vcpu, exit);
	} else if (vm->arch.s2->fmt->mark) {
		fault_mark(vcpu, exit->fault.gpa >> PAGE_SHIFT);
	}
	return fault_emulate(vcpu, exit);
}

/* A mark where there is memory now: an exit by it does not say what was wanted. */
static int fault_unmark(struct keel_vcpu *vcpu, gfn_t gfn)
{
	spin_lock(&vcpu->vm->mmu_lock);
	if (arch_mmu_unmap(vcpu->vm, gfn, gfn + 1))
		arch_mmu_flush(vcpu->vm);
	spin_unlock(&vcpu->vm->mmu_lock);
	return KEEL_RESUME;
}

/* The page that marks where the hardware's APIC is. True: mapped, or no memory for tables. */
static bool fault_map_apic(struct fault *f)
{
	struct s2_map m = {
		.gfn = f->gfn, .level = 1, .write = true, .exec = true, .host_write = true,
		.dirty = true, .cache = f->vcpu,
	};
	struct keel_vm *vm = f->vcpu->vm;

	if (f->vcpu->arch.apicv_mode != KEEL_APICV_XAPIC || !keel_apicv_is_page(f->gfn))
		return false;
	spin_lock(&vm->mmu_lock);
	m.pa = keel_apicv_page(vm, f->gfn);
	if (m.pa)
		fault_commit(f, &m);
	spin_unlock(&vm->mmu_lock);
	return m.pa;
}

/*
 * A write to read-only memory is emulated, and becomes an MMIO write. That includes
 * the CPU's walk of page tables in ROM, which counts as a write for their accessed
 * bits: the emulator walks without setting them, and the guest gets on by one
 * instruction.
 */
static int fault_handle(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	struct fault f = {
		.vcpu = vcpu,
		.gfn = exit->fault.gpa >> PAGE_SHIFT,
		.access = exit->fault.access,
	};

	if (exit->kind == KEEL_EXIT_APIC_ACCESS)
		return fault_emulate(vcpu, exit);
	if (fault_map_apic(&f))
		return KEEL_RESUME;
	f.slot = keel_vcpu_memslot(vcpu, f.gfn);
	if (!f.slot)
		return fault_mmio(vcpu, exit);
	if (exit->kind == KEEL_EXIT_MISCONFIG)
		return fault_unmark(vcpu, f.gfn);
	if (fault_is_write(&f) && !keel_slot_writable(f.slot))
		return fault_emulate(vcpu, exit);
	if (exit->fault.present && fault_fast(&f))
		return KEEL_RESUME;
	return fault_slow(&f);
}

/*
 * With interrupts off: a device access that a mark tells of, or, where there are no marks,
 * the want of a slot. What is traced is traced with them on.
 */
int keel_fault_quick(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	bool marks = vcpu->vm->arch.s2->fmt->mark;
	int r;

	if (fault_in_delivery(vcpu) ||
	    (exit->kind == KEEL_EXIT_FAULT && (marks || exit->fault.present)) ||
	    exit->fault.access & (KEEL_ACC_EXEC | KEEL_ACC_GWALK) ||
	    trace_keel_fault_enabled() || trace_keel_mmio_enabled())
		return KEEL_LATER;
	keel_mem_enter(vcpu);
	r = keel_plain_mmio(vcpu, exit);
	keel_mem_leave(vcpu);
	return r;
}

int keel_fault_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	int r = fault_fill_cache(vcpu);

	if (r)
		return r;
	if (trace_keel_fault_enabled())
		trace_keel_fault(vcpu->id, keel_rip(vcpu), exit->fault.gpa, exit->fault.access,
				 exit->fault.present);
	keel_mem_enter(vcpu);
	r = fault_handle(vcpu, exit);
	keel_mem_leave(vcpu);
	return r;
}

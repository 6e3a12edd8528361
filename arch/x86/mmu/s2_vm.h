/* SPDX-License-Identifier: GPL-2.0 */
/*
 * s2_vm.h - a VM's stage-2 tables, as the files of mmu/ share them
 */
#ifndef KEEL_X86_S2_VM_H
#define KEEL_X86_S2_VM_H

#include <keel/arch.h>
#include <keel/gfn.h>
#include "mmu.h"
#include "stage2.h"

/*
 * owed and flushed: how many times something was unmapped that a TLB may hold,
 * and up to which of these all TLBs have been flushed. Whoever finds nothing to
 * unmap, but a flush under way, waits for one of his own.
 */
struct keel_s2 {
	struct stage2 s2;	/* (m) */
	u64 owed;		/* (m) */
	u64 flushed;		/* single-copy; an old value costs a flush too many */
};

static inline struct keel_s2 *keel_s2(struct keel_vm *vm)
{
	return container_of(vm->arch.s2, struct keel_s2, s2);
}

/* mmu_lock held: a range operation or s2_map() asked for a flush. */
static inline void keel_s2_owe_flush(struct keel_vm *vm)
{
	struct keel_s2 *ks = keel_s2(vm);

	WRITE_ONCE(ks->owed, ks->owed + 1);
}

/* mmu_lock held: numbers of mapped pages, for statistics. */
void keel_s2_account(struct keel_vm *vm);

/*
 * keel_s2_zap() - unmap all of [start, end), flushed on return. Takes mmu_lock, and
 * lets go of it now and then. May sleep.
 */
void keel_s2_zap(struct keel_vm *vm, gfn_t start, gfn_t end);

#endif

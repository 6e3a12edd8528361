// SPDX-License-Identifier: GPL-2.0
/*
 * tlb.c - the TLBs' copies of a VM's stage-2 tables
 */
#include "../backend.h"
#include "s2_vm.h"

void keel_tlb_flush_vcpu(struct keel_vcpu *vcpu)
{
	keel_op(flush_tlb)(vcpu);
}

/*
 * A table on the list was unlinked before the list was taken, so no CPU can come
 * to it after the flush. What is unlinked later waits for the next flush.
 */
void arch_mmu_flush(struct keel_vm *vm)
{
	struct keel_s2 *ks = keel_s2(vm);
	u64 owed = READ_ONCE(ks->owed);
	void *dead = s2_take_dead(&ks->s2);

	smp_mb(); /* the changes that owed counts, before the requests */
	keel_request_all(vm, KEEL_REQ_TLB_FLUSH);
	if ((s64)(owed - READ_ONCE(ks->flushed)) > 0)
		WRITE_ONCE(ks->flushed, owed);
	WRITE_ONCE(vm->stat.tlb_flushes, READ_ONCE(vm->stat.tlb_flushes) + 1);
	s2_free_dead(&ks->s2, dead);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * tlb.c - a VM's stage-2 tables: their memory, their life, and the TLBs' copies
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include "../backend.h"
#include "gtlb.h"
#include "s2_vm.h"

#define ZAP_BUDGET	4096	/* entries looked at each time mmu_lock is held */

/* ---- memory for tables ---- */

static void *tlb_table_va(u64 pa)
{
	return __va(pa);
}

static u64 tlb_table_pa(void *table)
{
	return __pa(table);
}

/* From the vCPU's cache: see fault.c, which fills it before it takes mmu_lock. */
static void *tlb_table_get(void *cache)
{
	struct keel_vcpu *vcpu = cache;

	if (!vcpu->arch.nr_table_cache)
		return NULL;
	return vcpu->arch.table_cache[--vcpu->arch.nr_table_cache];
}

static void tlb_table_free(void *table)
{
	free_page((unsigned long)table);
}

static const struct s2_ops tlb_s2_ops = {
	.va = tlb_table_va,
	.pa = tlb_table_pa,
	.get = tlb_table_get,
	.free = tlb_table_free,
};

/* ---- life ---- */

int keel_mmu_vm_init(struct keel_vm *vm)
{
	struct keel_s2 *ks;

	if (!keel_caps.s2_format) {
		pr_err_once("%s has named no format for stage-2 tables: build Keel from clean sources\n",
			    keel_backend->name);
		return -EOPNOTSUPP;
	}
	ks = kzalloc(sizeof(*ks), GFP_KERNEL_ACCOUNT);
	if (!ks)
		return -ENOMEM;
	ks->s2.root = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!ks->s2.root) {
		kfree(ks);
		return -ENOMEM;
	}
	ks->s2.enc = sme_me_mask;
	s2_init(&ks->s2, keel_caps.s2_format, &tlb_s2_ops, keel_caps.s2_levels);
	vm->arch.s2 = &ks->s2;
	return 0;
}

/* Nobody else knows the VM any more. */
void keel_mmu_vm_destroy(struct keel_vm *vm)
{
	struct keel_s2 *ks;

	if (!vm->arch.s2)
		return;
	ks = keel_s2(vm);
	keel_mmu_zap_all(vm);
	free_page((unsigned long)ks->s2.root);
	vm->arch.s2 = NULL;
	kfree(ks);
}

u64 keel_mmu_root(struct keel_vm *vm)
{
	return __pa(vm->arch.s2->root);
}

int keel_mmu_vcpu_init(struct keel_vcpu *vcpu)
{
	vcpu->arch.gtlb = keel_gtlb_alloc();
	return vcpu->arch.gtlb ? 0 : -ENOMEM;
}

void keel_mmu_vcpu_destroy(struct keel_vcpu *vcpu)
{
	while (vcpu->arch.nr_table_cache)
		tlb_table_free(tlb_table_get(vcpu));
	kfree(vcpu->arch.gtlb);
	vcpu->arch.gtlb = NULL;
}

void keel_s2_account(struct keel_vm *vm)
{
	const struct stage2 *s2 = vm->arch.s2;

	WRITE_ONCE(vm->stat.pages_4k, s2->pages[0]);
	WRITE_ONCE(vm->stat.pages_2m, s2->pages[1]);
	WRITE_ONCE(vm->stat.pages_1g, s2->pages[2]);
}

/* ---- TLBs ---- */

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

/* ---- long ranges ---- */

/* Under one hold of mmu_lock; false: more is to be done. */
static bool tlb_zap_some(struct keel_vm *vm, struct s2_range *r)
{
	bool done;

	spin_lock(&vm->mmu_lock);
	done = s2_unmap(vm->arch.s2, r);
	if (r->flush) {
		keel_s2_owe_flush(vm);
		arch_mmu_flush(vm);
		r->flush = false;
	}
	keel_s2_account(vm);
	spin_unlock(&vm->mmu_lock);
	return done;
}

void keel_s2_zap(struct keel_vm *vm, gfn_t start, gfn_t end)
{
	struct s2_range r = { .gfn = start, .end = end, .budget = ZAP_BUDGET };

	while (!tlb_zap_some(vm, &r))
		cond_resched();
}

void keel_mmu_zap_all(struct keel_vm *vm)
{
	keel_s2_zap(vm, 0, s2_limit(vm->arch.s2));
}

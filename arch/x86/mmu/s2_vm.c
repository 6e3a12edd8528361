// SPDX-License-Identifier: GPL-2.0
/*
 * s2_vm.c - a VM's stage-2 tables: their memory, their life, long ranges of them
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

static void *s2_vm_table_va(u64 pa)
{
	return __va(pa);
}

static u64 s2_vm_table_pa(void *table)
{
	return __pa(table);
}

/* From the vCPU's cache: see fault.c, which fills it before it takes mmu_lock. */
static void *s2_vm_table_get(void *cache)
{
	struct keel_vcpu *vcpu = cache;

	if (!vcpu->arch.nr_table_cache)
		return NULL;
	return vcpu->arch.table_cache[--vcpu->arch.nr_table_cache];
}

static void s2_vm_table_free(void *table)
{
	free_page((unsigned long)table);
}

static const struct s2_ops s2_vm_ops = {
	.va = s2_vm_table_va,
	.pa = s2_vm_table_pa,
	.get = s2_vm_table_get,
	.free = s2_vm_table_free,
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
	s2_init(&ks->s2, keel_caps.s2_format, &s2_vm_ops, keel_caps.s2_levels);
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
		s2_vm_table_free(s2_vm_table_get(vcpu));
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

/* ---- long ranges ---- */

/* Under one hold of mmu_lock; false: more is to be done. */
static bool s2_vm_zap_some(struct keel_vm *vm, struct s2_range *r)
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

	while (!s2_vm_zap_some(vm, &r))
		cond_resched();
}

void keel_mmu_zap_all(struct keel_vm *vm)
{
	keel_s2_zap(vm, 0, s2_limit(vm->arch.s2));
}

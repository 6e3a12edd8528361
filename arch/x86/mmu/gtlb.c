// SPDX-License-Identifier: GPL-2.0
/*
 * gtlb.c - walks of the guest's page tables that are remembered, and proved at each use
 */
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../cpuid.h"
#include "../regs.h"
#include "gtlb.h"
#include "mmu.h"

#define GTLB_ENTRIES	8	/* code and device pages that are in use at a time */
#define GTLB_NEVER	(~0ULL)	/* no page */

/* Of CR4, EFER and the access: bits that do not collide. Of long mode is what has LMA. */
#define GTLB_CR4	(X86_CR4_LA57 | X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE)
#define GTLB_EFER	(EFER_LMA | EFER_NX)
#define GTLB_ACCESS	(EMUL_WRITE | EMUL_FETCH | EMUL_USER)
#define GTLB_AC		BIT(8)

struct gtlb_entry {
	u64 page, cr3;
	u32 how, pkru;
	gpa_t gpa;		/* of the page */
	unsigned long hva;	/* the same, if it is memory */
	bool memory;
	u8 nr;
	struct {
		const u64 __user *at;
		u64 e;
	} step[GWALK_MAX_LEVELS];
};

struct keel_gtlb {
	struct gtlb_entry entry[GTLB_ENTRIES];
};

struct keel_gtlb *keel_gtlb_alloc(void)
{
	struct keel_gtlb *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	BUILD_BUG_ON(sizeof(*g) > SZ_1K);
	if (g)
		for (i = 0; i < GTLB_ENTRIES; i++)
			g->entry[i].page = GTLB_NEVER;
	return g;
}

void keel_gtlb_forget(struct keel_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < GTLB_ENTRIES; i++)
		vcpu->arch.gtlb->entry[i].page = GTLB_NEVER;
}

/* What beside the address, CR3 and PKRU decides, in one word. */
static __always_inline u32 gtlb_how(struct keel_vcpu *vcpu, unsigned int access)
{
	u64 cr4 = keel_cr4_kept(vcpu);
	u32 how = cr4 & GTLB_CR4;

	BUILD_BUG_ON(GTLB_CR4 & ~KEEL_CR4_KEPT);
	BUILD_BUG_ON(GTLB_CR4 & (GTLB_AC | GTLB_EFER | GTLB_ACCESS));
	how |= vcpu->arch.efer & GTLB_EFER;
	if ((cr4 & X86_CR4_SMAP) && keel_gwalk_ac(vcpu, cr4, access))
		how |= GTLB_AC;
	return how | (access & GTLB_ACCESS);
}

static u32 gtlb_pkru(const struct keel_vcpu *vcpu)
{
	return keel_cr4_kept(vcpu) & X86_CR4_PKE ? vcpu->arch.pkru : 0;
}

static struct gtlb_entry *gtlb_slot(struct keel_vcpu *vcpu, gva_t gva, unsigned int access)
{
	unsigned int i = (gva >> PAGE_SHIFT) ^ (access & EMUL_FETCH ? GTLB_ENTRIES / 2 : 0);

	return &vcpu->arch.gtlb->entry[i % GTLB_ENTRIES];
}

/* The addresses are of memslots, which hold user memory only. */
static bool gtlb_proved(const struct gtlb_entry *e)
{
	unsigned int i;
	u64 now;

	pagefault_disable();
	if (!user_access_begin(e->step[0].at, sizeof(now)))
		goto out;
	for (i = 0; i < e->nr; i++) {
		unsafe_get_user(now, e->step[i].at, end);
		if (now != e->step[i].e)
			goto end;
	}
	user_access_end();
	pagefault_enable();
	return true;
end:
	user_access_end();
out:
	pagefault_enable();
	return false;
}

bool keel_gtlb_find(struct keel_vcpu *vcpu, gva_t gva, unsigned int access,
		    struct keel_gtlb_hit *hit)
{
	const struct gtlb_entry *e = gtlb_slot(vcpu, gva, access);

	OPTIMIZER_HIDE_VAR(e);		/* GCC would work it out for each member */
	if (e->page != gva >> PAGE_SHIFT ||
	    vcpu->arch.gtlb_generation != READ_ONCE(vcpu->vm->slots.generation) ||
	    e->cr3 != keel_cr3(vcpu) || e->how != gtlb_how(vcpu, access) ||
	    e->pkru != gtlb_pkru(vcpu) || !gtlb_proved(e))
		return false;
	hit->gpa = e->gpa | offset_in_page(gva);
	hit->memory = e->memory;
	hit->hva = e->hva | offset_in_page(gva);
	return true;
}

/* False: there is no memory. */
static bool gtlb_hva(struct keel_vcpu *vcpu, gpa_t gpa, unsigned long *hva)
{
	struct keel_memslot *slot = keel_vcpu_memslot(vcpu, gpa >> PAGE_SHIFT);

	*hva = slot ? keel_slot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa) : 0;
	return slot;
}

void keel_gtlb_note(struct keel_vcpu *vcpu, const struct gwalk *w, u64 generation)
{
	struct gtlb_entry *e = gtlb_slot(vcpu, w->gva, w->access);
	unsigned int level;
	unsigned long hva;

	/* What may be written with CR0.WP may be without: who looks need not read CR0. */
	if (!(vcpu->arch.efer & EFER_LMA) || (generation & 1) || w->no_wp)
		return;
	if (vcpu->arch.gtlb_generation != generation)
		keel_gtlb_forget(vcpu);
	vcpu->arch.gtlb_generation = generation;
	e->page = GTLB_NEVER;
	e->nr = 0;
	for (level = w->levels; level >= w->level; level--) {
		if (!gtlb_hva(vcpu, w->step[level].at, &hva))
			return;
		e->step[e->nr].at = (const u64 __user *)hva;
		e->step[e->nr++].e = w->step[level].e;
	}
	e->cr3 = w->cr3;
	e->how = gtlb_how(vcpu, w->access);
	e->pkru = gtlb_pkru(vcpu);
	e->gpa = w->gpa & PAGE_MASK;
	e->memory = gtlb_hva(vcpu, e->gpa, &e->hva);
	smp_rmb();	/* the slots, before the generation: pairs with memslot.c's */
	if (READ_ONCE(vcpu->vm->slots.generation) == generation)
		e->page = w->gva >> PAGE_SHIFT;
}

static bool gtlb_read_code(unsigned long hva, u64 *insn)
{
	const u64 __user *from = (const u64 __user *)hva;

	pagefault_disable();
	if (!user_access_begin(from, EMUL_PLAIN_BYTES))
		goto out;
	unsafe_get_user(insn[0], from, end);
	unsafe_get_user(insn[1], from + 1, end);
	user_access_end();
	pagefault_enable();
	return true;
end:
	user_access_end();
out:
	pagefault_enable();
	return false;
}

bool keel_gtlb_fetch(struct keel_vcpu *vcpu, gva_t rip, bool user, u64 *code)
{
	unsigned int access = EMUL_FETCH | (user ? EMUL_USER : 0);
	struct keel_gtlb_hit hit;

	BUILD_BUG_ON(EMUL_PLAIN_BYTES != 2 * sizeof(u64));
	if (offset_in_page(rip) > PAGE_SIZE - EMUL_PLAIN_BYTES)
		return false;
	return keel_gtlb_find(vcpu, rip, access, &hit) && hit.memory &&
	       gtlb_read_code(hit.hva, code);
}

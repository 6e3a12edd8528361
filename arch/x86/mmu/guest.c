// SPDX-License-Identifier: GPL-2.0
/*
 * guest.c - the walk of gwalk.c over this vCPU's memory
 */
#include <asm/trapnr.h>
#include <keel/gfn.h>
#include "../backend.h"
#include "../cpuid.h"
#include "../regs.h"
#include "gtlb.h"
#include "gwalk.h"
#include "mmu.h"

static bool guest_read(void *priv, gpa_t gpa, u64 *val, unsigned int size)
{
	*val = 0;
	return !keel_read_guest(priv, gpa, val, size);
}

/* Tables in memory that cannot be written (ROM) keep their bits as they are. */
static int guest_update(void *priv, gpa_t gpa, u64 old, u64 new, unsigned int size)
{
	return keel_cmpxchg_guest(priv, gpa, &old, &new, size) == -EAGAIN ? -EAGAIN : 0;
}

static const struct gwalk_ops guest_ops = { .read = guest_read, .update = guest_update };

bool keel_gwalk_ac(struct keel_vcpu *vcpu, u64 cr4, unsigned int access)
{
	if (!(cr4 & X86_CR4_SMAP) || (access & EMUL_USER))
		return false;
	return keel_op(get_cpl)(vcpu) < 3 && (keel_op(get_rflags)(vcpu) & X86_EFLAGS_AC);
}

static enum emul_result guest_fault(const struct gwalk *w, enum gwalk_result r,
				    struct emul_fault *fault)
{
	*fault = (struct emul_fault){ .vector = X86_TRAP_GP, .has_error = true };
	if (r == GWALK_FAULT) {
		fault->vector = X86_TRAP_PF;
		fault->error = w->error;
		fault->addr = w->gva;
	}
	return EMUL_FAULT;
}

enum emul_result keel_gwalk(struct keel_vcpu *vcpu, gva_t gva, unsigned int access, gpa_t *gpa,
			    struct emul_fault *fault)
{
	struct gwalk w = {
		.ops = &guest_ops,
		.priv = vcpu,
		.gva = gva,
		.access = access,
		.cr0 = keel_cr0(vcpu),
		.cr3 = keel_cr3(vcpu),
		.cr4 = keel_cr4(vcpu),
		.efer = vcpu->arch.efer,
		.pkru = vcpu->arch.pkru,
		.gbpages = keel_guest_has(vcpu, KEEL_F_GBPAGES),
		.maxphyaddr = clamp_t(u8, vcpu->arch.maxphyaddr, 32, 52),
	};
	u64 generation = READ_ONCE(vcpu->vm->slots.generation);
	struct keel_gtlb_hit hit;
	enum gwalk_result r;

	if (keel_gtlb_find(vcpu, gva, access, &hit)) {
		*gpa = hit.gpa;
		return EMUL_DONE;
	}
	smp_rmb();	/* the generation, before the slots */
	w.ac = keel_gwalk_ac(vcpu, w.cr4, access);
	r = gwalk(&w);
	*gpa = w.gpa;
	switch (r) {
	case GWALK_OK:
		keel_gtlb_note(vcpu, &w, generation);
		return EMUL_DONE;
	case GWALK_RETRY:
		return EMUL_INTR;
	default:
		return guest_fault(&w, r, fault);
	}
}

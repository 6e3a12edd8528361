// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - registers and segments in the VMCB's save area
 */
#include <asm/cpufeature.h>
#include <asm/tlbflush.h>
#include "svm.h"
#include "../regs.h"

/* CR0.CD and NW would switch the host's caches: the guest only believes in them. */
#define SVM_CR0_SHADOWED	(X86_CR0_CD | X86_CR0_NW)

void svm_cache_reg(struct keel_vcpu *vcpu, unsigned int reg)
{
	if (reg == KEEL_GRP_CR3)
		vcpu->arch.cr3 = svm_save(vcpu)->cr3;
	__set_bit(reg, &vcpu->arch.avail);
}

u64 svm_get_rflags(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 rflags = svm->vmcb->save.rflags;

	if (!svm->stepping)
		return rflags;
	if (!svm->step_tf)
		rflags &= ~X86_EFLAGS_TF;
	if (!svm->step_rf)
		rflags &= ~X86_EFLAGS_RF;
	return rflags;
}

void svm_set_rflags(struct keel_vcpu *vcpu, u64 rflags)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->stepping) {
		svm->step_tf = rflags & X86_EFLAGS_TF;
		svm->step_rf = rflags & X86_EFLAGS_RF;
		rflags |= X86_EFLAGS_TF | X86_EFLAGS_RF;
	}
	svm->vmcb->save.rflags = rflags;
}

static struct vmcb_seg *svm_seg(struct keel_vcpu *vcpu, enum keel_segreg seg)
{
	struct vmcb_save_area *s = svm_save(vcpu);

	switch (seg) {
	case KEEL_ES: return &s->es;
	case KEEL_CS: return &s->cs;
	case KEEL_SS: return &s->ss;
	case KEEL_DS: return &s->ds;
	case KEEL_FS: return &s->fs;
	case KEEL_GS: return &s->gs;
	case KEEL_TR: return &s->tr;
	default:      return &s->ldtr;
	}
}

void svm_get_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, struct kvm_segment *s)
{
	const struct vmcb_seg *v = svm_seg(vcpu, seg);

	*s = (struct kvm_segment) {
		.base = v->base,
		.limit = v->limit,
		.selector = v->selector,
		.type = v->attrib & SVM_SELECTOR_TYPE_MASK,
		.s = (v->attrib >> SVM_SELECTOR_S_SHIFT) & 1,
		.dpl = (v->attrib >> SVM_SELECTOR_DPL_SHIFT) & 3,
		.present = (v->attrib >> SVM_SELECTOR_P_SHIFT) & 1,
		.avl = (v->attrib >> SVM_SELECTOR_AVL_SHIFT) & 1,
		.l = (v->attrib >> SVM_SELECTOR_L_SHIFT) & 1,
		.db = (v->attrib >> SVM_SELECTOR_DB_SHIFT) & 1,
		/* The G bit is not kept by every CPU; the limit is in bytes anyway. */
		.g = v->limit > 0xfffff,
	};
	s->unusable = !s->present;
	if (seg == KEEL_TR)
		s->type |= 2;	/* always busy, though the VMCB may not say so */
	if (seg == KEEL_SS) {
		s->dpl = svm_save(vcpu)->cpl;
		if (s->unusable)
			s->db = 0;
	} else if (seg != KEEL_CS && seg < KEEL_TR && !s->unusable) {
		s->type |= 1;	/* accessed: a usable data segment always is */
	}
}

void svm_set_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, const struct kvm_segment *s)
{
	struct vmcb_seg *v = svm_seg(vcpu, seg);
	bool present = s->present && !s->unusable;

	v->base = s->base;
	v->limit = s->limit;
	v->selector = s->selector;
	v->attrib = (s->type & SVM_SELECTOR_TYPE_MASK) |
		    (s->s & 1) << SVM_SELECTOR_S_SHIFT |
		    (s->dpl & 3) << SVM_SELECTOR_DPL_SHIFT |
		    present << SVM_SELECTOR_P_SHIFT |
		    (s->avl & 1) << SVM_SELECTOR_AVL_SHIFT |
		    (s->l & 1) << SVM_SELECTOR_L_SHIFT |
		    (s->db & 1) << SVM_SELECTOR_DB_SHIFT |
		    (s->g & 1) << SVM_SELECTOR_G_SHIFT;
	/* The CPU takes the privilege level from the field, not from SS. */
	if (seg == KEEL_SS)
		svm_save(vcpu)->cpl = s->dpl & 3;
	svm_control(vcpu)->clean = 0;
}

u8 svm_get_cpl(struct keel_vcpu *vcpu)
{
	return svm_save(vcpu)->cpl;
}

bool svm_get_cs_l(struct keel_vcpu *vcpu)
{
	return svm_save(vcpu)->cs.attrib & SVM_SELECTOR_L_MASK;
}

void svm_get_dtable(struct keel_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	struct vmcb_save_area *s = svm_save(vcpu);
	const struct vmcb_seg *v = idt ? &s->idtr : &s->gdtr;

	dt->base = v->base;
	dt->limit = v->limit;
}

void svm_set_dtable(struct keel_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	struct vmcb_save_area *s = svm_save(vcpu);
	struct vmcb_seg *v = idt ? &s->idtr : &s->gdtr;

	v->base = dt->base;
	v->limit = dt->limit;
	svm_control(vcpu)->clean = 0;
}

void svm_set_cr0(struct keel_vcpu *vcpu, u64 cr0)
{
	vcpu->arch.cr0 = cr0;
	svm_save(vcpu)->cr0 = (cr0 & ~SVM_CR0_SHADOWED) | X86_CR0_ET;
	svm_intercept(vcpu, INTERCEPT_CR0_READ, svm_save(vcpu)->cr0 != cr0);
	svm_control(vcpu)->clean = 0;
}

void svm_set_cr3(struct keel_vcpu *vcpu, u64 cr3)
{
	vcpu->arch.cr3 = cr3;
	__set_bit(KEEL_GRP_CR3, &vcpu->arch.avail);
	svm_save(vcpu)->cr3 = cr3;
	svm_control(vcpu)->clean = 0;
}

/* Machine checks are the host's: CR4.MCE stays as the host has it. */
void svm_set_cr4(struct keel_vcpu *vcpu, u64 cr4)
{
	u64 host_mce = cr4_read_shadow() & X86_CR4_MCE;

	vcpu->arch.cr4 = cr4;
	svm_save(vcpu)->cr4 = (cr4 & ~X86_CR4_MCE) | host_mce;
	svm_intercept(vcpu, INTERCEPT_CR4_READ, svm_save(vcpu)->cr4 != cr4);
	svm_control(vcpu)->clean = 0;
}

/*
 * LME does nothing before there is paging, and reads of EFER are intercepted: the CPU gets
 * it together with LMA. TCG of QEMU 7.2 does not load the host's CR0 at #VMEXIT if it finds
 * LME set with PG and PAE clear, so that any guest could end the host.
 */
void svm_set_efer(struct keel_vcpu *vcpu, u64 efer)
{
	u64 hidden = efer & EFER_LMA ? 0 : EFER_LME;

	vcpu->arch.efer = efer;
	svm_save(vcpu)->efer = (efer & ~hidden) | EFER_SVME;
	svm_control(vcpu)->clean = 0;
}

void svm_set_dr7(struct keel_vcpu *vcpu, u64 dr7)
{
	svm_save(vcpu)->dr7 = dr7;
	svm_control(vcpu)->clean = 0;
}

u64 svm_get_dr6(struct keel_vcpu *vcpu)
{
	return svm_save(vcpu)->dr6;
}

void svm_set_dr6(struct keel_vcpu *vcpu, u64 dr6)
{
	svm_save(vcpu)->dr6 = dr6;
	svm_control(vcpu)->clean = 0;
}

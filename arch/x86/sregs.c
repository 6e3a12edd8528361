// SPDX-License-Identifier: GPL-2.0
/*
 * sregs.c - KVM_GET_SREGS and KVM_SET_SREGS: segments, control registers, APIC base
 */
#include <linux/bitops.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "regs.h"

#define KEEL_VECTORS	256

static const u16 keel_sregs_segments[KEEL_NR_SEGS] = {
	[KEEL_ES]   = offsetof(struct kvm_sregs, es),
	[KEEL_CS]   = offsetof(struct kvm_sregs, cs),
	[KEEL_SS]   = offsetof(struct kvm_sregs, ss),
	[KEEL_DS]   = offsetof(struct kvm_sregs, ds),
	[KEEL_FS]   = offsetof(struct kvm_sregs, fs),
	[KEEL_GS]   = offsetof(struct kvm_sregs, gs),
	[KEEL_TR]   = offsetof(struct kvm_sregs, tr),
	[KEEL_LDTR] = offsetof(struct kvm_sregs, ldt),
};

/* ---- interrupt_bitmap: at most the one vector the guest was about to take ---- */

static void get_interrupt(struct keel_vcpu *vcpu, struct kvm_sregs *s)
{
	int vector = -1;

	if (vcpu->arch.irq.injected)
		vector = vcpu->arch.irq.vector;
	else if (!keel_apic_in_kernel(vcpu))
		vector = vcpu->arch.user_irq;
	if (vector >= 0 && vector < KEEL_VECTORS)
		s->interrupt_bitmap[vector / 64] |= BIT_ULL(vector % 64);
}

static void set_interrupt(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->interrupt_bitmap); i++) {
		if (!s->interrupt_bitmap[i])
			continue;
		vcpu->arch.irq.injected = true;
		vcpu->arch.irq.vector = i * 64 + __ffs64(s->interrupt_bitmap[i]);
		if (!keel_apic_in_kernel(vcpu))
			vcpu->arch.user_irq = -1;	/* get_interrupt() showed it as this one */
		return;
	}
}

/* ---- get ---- */

long keel_ioc_get_sregs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_sregs *s = arg.buf;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < KEEL_NR_SEGS; i++)
		keel_op(get_segment)(vcpu, i, arg.buf + keel_sregs_segments[i]);
	keel_op(get_dtable)(vcpu, false, &s->gdt);
	keel_op(get_dtable)(vcpu, true, &s->idt);
	s->cr0 = keel_cr0(vcpu);
	s->cr2 = vcpu->arch.cr2;
	s->cr3 = keel_cr3(vcpu);
	s->cr4 = keel_cr4(vcpu);
	s->cr8 = keel_get_cr8(vcpu);
	s->efer = vcpu->arch.efer;
	s->apic_base = keel_apic_get_base(vcpu);
	get_interrupt(vcpu, s);
	return 0;
}

/* ---- set ---- */

static bool long_mode_valid(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	if (!(s->efer & EFER_LME) || !(s->cr0 & X86_CR0_PG))
		return !(s->efer & EFER_LMA) && !s->cs.l;
	return (s->efer & EFER_LMA) && (s->cr4 & X86_CR4_PAE) &&
	       !(s->cr3 & keel_gpa_reserved(vcpu));
}

/*
 * EFER is held against what the host can do, not against the guest's CPUID: clients
 * set up long mode before or without KVM_SET_CPUID2. CR4 bits are free of each other:
 * a combination that no CPU takes fails at entry, for that VM alone.
 */
static bool sregs_valid(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	if (s->efer & ~(keel_caps.efer | EFER_LMA))
		return false;
	if (!keel_cr0_valid(s->cr0) || !keel_cr4_valid(vcpu, s->cr4))
		return false;
	return long_mode_valid(vcpu, s);
}

static void set_tables(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	keel_op(set_dtable)(vcpu, true, &s->idt);
	keel_op(set_dtable)(vcpu, false, &s->gdt);
}

static void set_control(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	vcpu->arch.cr2 = s->cr2;
	keel_op(set_efer)(vcpu, s->efer);
	keel_op(set_cr0)(vcpu, s->cr0 | X86_CR0_ET);
	keel_op(set_cr4)(vcpu, s->cr4);
	keel_op(set_cr3)(vcpu, s->cr3);
}

/* Does what CPUID shows of these registers change? */
static bool changes_cpuid(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	return ((keel_cr4(vcpu) ^ s->cr4) & KEEL_CR4_IN_CPUID) ||
	       ((keel_apic_get_base(vcpu) ^ s->apic_base) & MSR_IA32_APICBASE_ENABLE);
}

static void set_segments(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	unsigned int i;

	for (i = 0; i < KEEL_NR_SEGS; i++)
		keel_op(set_segment)(vcpu, i, (void *)s + keel_sregs_segments[i]);
}

/* Clients that reset the boot CPU by its registers alone expect it to run again. */
static void unhalt_at_reset(struct keel_vcpu *vcpu, const struct kvm_sregs *s)
{
	if (vcpu->id == vcpu->vm->arch.bsp_vcpu_id && keel_rip(vcpu) == 0xfff0 &&
	    s->cs.selector == 0xf000 && !(s->cr0 & X86_CR0_PE))
		vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
}

long keel_ioc_set_sregs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_sregs *s = arg.buf;
	bool cpuid;

	if (!sregs_valid(vcpu, s))
		return -EINVAL;
	cpuid = changes_cpuid(vcpu, s);
	if (keel_apic_set_base(vcpu, s->apic_base, true))
		return -EINVAL;
	set_tables(vcpu, s);
	set_control(vcpu, s);
	keel_set_cr8(vcpu, s->cr8);	/* more than 15 changes nothing */
	set_segments(vcpu, s);
	set_interrupt(vcpu, s);
	unhalt_at_reset(vcpu, s);
	if (cpuid)
		keel_cpuid_update_runtime(vcpu);
	keel_vcpu_request(vcpu, KEEL_REQ_TLB_FLUSH);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return 0;
}

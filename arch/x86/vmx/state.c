// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - registers and segments in the VMCS's guest-state area
 */
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <uapi/asm/debugreg.h>
#include "vmx.h"
#include "../regs.h"

/* CR0.CD and NW would switch the host's caches: the guest only believes in them. */
#define VMX_CR0_SHADOWED	(X86_CR0_CD | X86_CR0_NW)
/* What the guest may change without an exit. CR0.PG, PE and CR4.PAE change modes. */
#define VMX_CR0_OWNED		(X86_CR0_TS | X86_CR0_EM | X86_CR0_MP | X86_CR0_WP | X86_CR0_AM)
#define VMX_CR4_OWNED		(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | \
				 X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | \
				 X86_CR4_OSXMMEXCPT | X86_CR4_FSGSBASE)

/* ---- lazily read ---- */

void vmx_cache_reg(struct keel_vcpu *vcpu, unsigned int reg)
{
	struct keel_vcpu_arch *a = &vcpu->arch;
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	switch (reg) {
	case KEEL_RSP:
		a->regs[KEEL_RSP] = vmcs_read(GUEST_RSP);
		break;
	case KEEL_RIP:
		a->regs[KEEL_RIP] = vmcs_read(GUEST_RIP);
		break;
	case KEEL_GRP_CR0:
		a->cr0 = (a->cr0 & ~vmx->cr0_owned) | (vmcs_read(GUEST_CR0) & vmx->cr0_owned);
		break;
	case KEEL_GRP_CR3:
		a->cr3 = vmcs_read(GUEST_CR3);
		break;
	case KEEL_GRP_CR4:
		a->cr4 = (a->cr4 & ~vmx->cr4_owned) | (vmcs_read(GUEST_CR4) & vmx->cr4_owned);
		break;
	}
	__set_bit(reg, &a->avail);
}

u64 vmx_get_rflags(struct keel_vcpu *vcpu)
{
	return vmx_rflags(to_vmx(vcpu));
}

void vmx_set_rflags(struct keel_vcpu *vcpu, u64 rflags)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->rflags = rflags;
	vmx->rflags_valid = true;
	vmcs_write(GUEST_RFLAGS, rflags);
}

/* ---- segments ---- */

#define SEG(r) { GUEST_##r##_SELECTOR, GUEST_##r##_BASE, GUEST_##r##_LIMIT, GUEST_##r##_AR_BYTES }

static const struct { u16 selector, base, limit, ar; } vmx_segs[KEEL_NR_SEGS] = {
	[KEEL_ES] = SEG(ES), [KEEL_CS] = SEG(CS), [KEEL_SS] = SEG(SS), [KEEL_DS] = SEG(DS),
	[KEEL_FS] = SEG(FS), [KEEL_GS] = SEG(GS), [KEEL_TR] = SEG(TR), [KEEL_LDTR] = SEG(LDTR),
};

#define AR_AVL_SHIFT	12
#define TYPE_ACCESSED	1
#define TYPE_TSS_BUSY	2

void vmx_get_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, struct kvm_segment *s)
{
	u32 ar = vmcs_read(vmx_segs[seg].ar);

	*s = (struct kvm_segment) {
		.base = vmcs_read(vmx_segs[seg].base),
		.limit = vmcs_read(vmx_segs[seg].limit),
		.selector = vmcs_read(vmx_segs[seg].selector),
		.type = ar & VMX_AR_TYPE_MASK,
		.s = !!(ar & VMX_AR_S_MASK),
		.dpl = VMX_AR_DPL(ar),
		.present = (ar & VMX_AR_P_MASK) && !(ar & VMX_AR_UNUSABLE_MASK),
		.avl = (ar >> AR_AVL_SHIFT) & 1,
		.l = !!(ar & VMX_AR_L_MASK),
		.db = !!(ar & VMX_AR_DB_MASK),
		.g = !!(ar & VMX_AR_G_MASK),
	};
	s->unusable = !s->present;
}

/* What a usable segment always is, and an entry insists on. */
static u8 vmx_segment_type(enum keel_segreg seg, const struct kvm_segment *s)
{
	if (seg == KEEL_TR)
		return s->type | TYPE_TSS_BUSY;
	return s->s ? s->type | TYPE_ACCESSED : s->type;
}

void vmx_set_segment(struct keel_vcpu *vcpu, enum keel_segreg seg, const struct kvm_segment *s)
{
	u32 ar = (vmx_segment_type(seg, s) & VMX_AR_TYPE_MASK) |
		 (s->dpl & 3) << VMX_AR_DPL_SHIFT | (s->avl & 1) << AR_AVL_SHIFT;

	ar |= s->s ? VMX_AR_S_MASK : 0;
	ar |= s->l ? VMX_AR_L_MASK : 0;
	ar |= s->db ? VMX_AR_DB_MASK : 0;
	ar |= s->g ? VMX_AR_G_MASK : 0;
	ar |= s->present && !s->unusable ? VMX_AR_P_MASK : VMX_AR_UNUSABLE_MASK;
	vmcs_write(vmx_segs[seg].base, s->base);
	vmcs_write(vmx_segs[seg].limit, s->limit);
	vmcs_write(vmx_segs[seg].selector, s->selector);
	vmcs_write(vmx_segs[seg].ar, ar);
}

/* SS holds the privilege level even where it is unusable. */
u8 vmx_get_cpl(struct keel_vcpu *vcpu)
{
	return VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));
}

bool vmx_get_cs_l(struct keel_vcpu *vcpu)
{
	return vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}

void vmx_get_dtable(struct keel_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	dt->base = vmcs_read(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE);
	dt->limit = vmcs_read(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT);
}

void vmx_set_dtable(struct keel_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	vmcs_write(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE, dt->base);
	vmcs_write(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT, dt->limit);
}

/* ---- control registers ---- */

/*
 * In PAE paging an entry takes the four top entries from the VMCS, not from memory.
 * Where memory cannot be read they are not present.
 */
static void vmx_load_pdptes(struct keel_vcpu *vcpu)
{
	static const u16 fields[] = { GUEST_PDPTR0, GUEST_PDPTR1, GUEST_PDPTR2, GUEST_PDPTR3 };
	u64 pdpte[ARRAY_SIZE(fields)];
	unsigned int i;

	if ((vcpu->arch.efer & EFER_LMA) || !(keel_cr0(vcpu) & X86_CR0_PG) ||
	    !(keel_cr4(vcpu) & X86_CR4_PAE))
		return;
	keel_read_pdptes(vcpu, keel_cr3(vcpu), pdpte);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		vmcs_write(fields[i], pdpte[i]);
}

static void vmx_write_cr0(struct keel_vcpu *vcpu)
{
	u64 cr0 = vcpu->arch.cr0;

	vmcs_write(CR0_READ_SHADOW, cr0);
	vmcs_write(GUEST_CR0, (cr0 & ~VMX_CR0_SHADOWED) | X86_CR0_NE | X86_CR0_ET);
}

void vmx_set_cr0(struct keel_vcpu *vcpu, u64 cr0)
{
	vcpu->arch.cr0 = cr0;
	__set_bit(KEEL_GRP_CR0, &vcpu->arch.avail);
	vmx_write_cr0(vcpu);
	vmx_load_pdptes(vcpu);
}

void vmx_set_cr3(struct keel_vcpu *vcpu, u64 cr3)
{
	vcpu->arch.cr3 = cr3;
	__set_bit(KEEL_GRP_CR3, &vcpu->arch.avail);
	vmcs_write(GUEST_CR3, cr3);
	vmx_load_pdptes(vcpu);
}

/* Machine checks are the host's: CR4.MCE stays as the host has it. */
static void vmx_write_cr4(struct keel_vcpu *vcpu)
{
	u64 host_mce = native_read_cr4() & X86_CR4_MCE;

	vmcs_write(CR4_READ_SHADOW, vcpu->arch.cr4);
	vmcs_write(GUEST_CR4, (vcpu->arch.cr4 & ~X86_CR4_MCE) | host_mce | vmx_facts.cr4_fixed);
}

void vmx_set_cr4(struct keel_vcpu *vcpu, u64 cr4)
{
	vcpu->arch.cr4 = cr4;
	__set_bit(KEEL_GRP_CR4, &vcpu->arch.avail);
	vmx_write_cr4(vcpu);
	vmx_load_pdptes(vcpu);
}

void vmx_update_cr_masks(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* With the masks they were changed under. */
	keel_cr0(vcpu);
	keel_cr4(vcpu);
	BUILD_BUG_ON(VMX_CR4_OWNED & KEEL_CR4_KEPT);
	vmx->cr0_owned = VMX_CR0_OWNED;
	vmx->cr4_owned = VMX_CR4_OWNED & ~vcpu->arch.cr4_reserved;
	vmcs_write(CR0_GUEST_HOST_MASK, ~vmx->cr0_owned);
	vmcs_write(CR4_GUEST_HOST_MASK, ~vmx->cr4_owned);
	vmx_write_cr0(vcpu);
	vmx_write_cr4(vcpu);
}

/* Long mode needs a TSS of its kind, and what ran before may have had none at all. */
static void vmx_fix_tss(void)
{
	u32 ar = vmcs_read(GUEST_TR_AR_BYTES);

	if ((ar & VMX_AR_TYPE_MASK) != VMX_AR_TYPE_BUSY_64_TSS)
		vmcs_write(GUEST_TR_AR_BYTES,
			   (ar & ~VMX_AR_TYPE_MASK) | VMX_AR_TYPE_BUSY_64_TSS);
}

void vmx_set_efer(struct keel_vcpu *vcpu, u64 efer)
{
	vcpu->arch.efer = efer;
	vmcs_write(GUEST_IA32_EFER, efer);
	vmx_control(vcpu, VMX_ENTRY, VM_ENTRY_IA32E_MODE, efer & EFER_LMA);
	if (efer & EFER_LMA)
		vmx_fix_tss();
}

/* ---- debug registers: the guest's DR6 is never in the CPU, as #DB and MOV DR exit ---- */

void vmx_set_dr7(struct keel_vcpu *vcpu, u64 dr7)
{
	vmcs_write(GUEST_DR7, dr7);
}

u64 vmx_get_dr6(struct keel_vcpu *vcpu)
{
	return DR6_RESERVED;
}

void vmx_set_dr6(struct keel_vcpu *vcpu, u64 dr6)
{
}

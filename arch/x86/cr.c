// SPDX-License-Identifier: GPL-2.0
/*
 * cr.c - control registers, EFER and XCR0 as the guest writes them
 *
 * Second-level paging lets the guest write CR3 and read most of the others by
 * itself. What comes here is what changes modes, or what the backend hides.
 */
#include <linux/bits.h>
#include <asm/processor.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <keel/gfn.h>
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "regs.h"

#define KEEL_CR0_KNOWN	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET |	\
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD |	\
			 X86_CR0_PG)

/* Changes after which the CPU must forget translations. */
#define KEEL_CR0_FLUSHES	(X86_CR0_PG | X86_CR0_WP)
#define KEEL_CR4_FLUSHES	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE |	\
				 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_LA57)
/* Changes that load the PDPTEs anew in PAE paging. */
#define KEEL_CR4_LOADS_PDPTES	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP)

#define KEEL_CR3_NOFLUSH	BIT_ULL(63)	/* with CR4.PCIDE, in the value written only */

static void request_flush(struct keel_vcpu *vcpu)
{
	keel_vcpu_request(vcpu, KEEL_REQ_TLB_FLUSH);
}

static bool in_long_mode(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.efer & EFER_LMA;
}

static bool in_pae_paging(struct keel_vcpu *vcpu)
{
	return !in_long_mode(vcpu) && (keel_cr0(vcpu) & X86_CR0_PG) &&
	       (keel_cr4(vcpu) & X86_CR4_PAE);
}

/* ---- PAE: the four page-directory-pointer entries must be loadable ---- */

#define KEEL_NR_PDPTES		4
#define KEEL_PDPTE_PRESENT	BIT_ULL(0)
#define KEEL_PDPTE_RESERVED	(GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5))

int keel_read_pdptes(struct keel_vcpu *vcpu, u64 cr3, u64 pdpte[KEEL_NR_PDPTES])
{
	size_t size = KEEL_NR_PDPTES * sizeof(*pdpte);
	int r;

	keel_mem_enter(vcpu);
	r = keel_read_guest(vcpu, cr3 & GENMASK_ULL(31, 5), pdpte, size);
	keel_mem_leave(vcpu);
	if (r)
		memset(pdpte, 0, size);
	return r;
}

static bool pdptes_valid(struct keel_vcpu *vcpu, u64 cr3)
{
	u64 reserved = KEEL_PDPTE_RESERVED | keel_gpa_reserved(vcpu);
	u64 pdpte[KEEL_NR_PDPTES];
	unsigned int i;

	if (keel_read_pdptes(vcpu, cr3, pdpte))
		return false;
	for (i = 0; i < KEEL_NR_PDPTES; i++)
		if ((pdpte[i] & KEEL_PDPTE_PRESENT) && (pdpte[i] & reserved))
			return false;
	return true;
}

/* ---- CR0 ---- */

bool keel_cr0_valid(u64 cr0)
{
	if (upper_32_bits(cr0))
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

/* PG is being set: LME makes it long mode, which must not start in 64-bit code. */
static bool paging_may_start(struct keel_vcpu *vcpu)
{
	bool pae = keel_cr4(vcpu) & X86_CR4_PAE;
	struct kvm_segment cs;

	if (!(vcpu->arch.efer & EFER_LME))
		return !pae || pdptes_valid(vcpu, keel_cr3(vcpu));
	keel_op(get_segment)(vcpu, KEEL_CS, &cs);
	return pae && !cs.l;
}

static bool paging_may_end(struct keel_vcpu *vcpu)
{
	return !(keel_cr4(vcpu) & X86_CR4_PCIDE) && !keel_is_64bit(vcpu);
}

static bool cr0_change_valid(struct keel_vcpu *vcpu, u64 old, u64 new)
{
	u64 changed = old ^ new;

	if (changed & new & X86_CR0_PG)
		return paging_may_start(vcpu);
	if (changed & X86_CR0_PG)
		return paging_may_end(vcpu);
	if ((changed & (X86_CR0_CD | X86_CR0_NW)) && in_pae_paging(vcpu))
		return pdptes_valid(vcpu, keel_cr3(vcpu));
	return true;
}

/* EFER.LMA is LME and PG together. */
static void follow_paging(struct keel_vcpu *vcpu, bool on)
{
	u64 efer = vcpu->arch.efer;

	if (on && (efer & EFER_LME))
		keel_op(set_efer)(vcpu, efer | EFER_LMA);
	else if (efer & EFER_LMA)
		keel_op(set_efer)(vcpu, efer & ~EFER_LMA);
}

int keel_set_cr0(struct keel_vcpu *vcpu, u64 cr0)
{
	u64 old = keel_cr0(vcpu);

	if (!keel_cr0_valid(cr0))
		return -EINVAL;
	cr0 = (cr0 & KEEL_CR0_KNOWN) | X86_CR0_ET;
	if (!cr0_change_valid(vcpu, old, cr0))
		return -EINVAL;
	if ((old ^ cr0) & X86_CR0_PG)
		follow_paging(vcpu, cr0 & X86_CR0_PG);
	keel_op(set_cr0)(vcpu, cr0);
	if ((old ^ cr0) & KEEL_CR0_FLUSHES)
		request_flush(vcpu);
	return 0;
}

/* ---- CR3 ---- */

int keel_set_cr3(struct keel_vcpu *vcpu, u64 cr3)
{
	bool flush = true;

	if (keel_cr4(vcpu) & X86_CR4_PCIDE) {
		flush = !(cr3 & KEEL_CR3_NOFLUSH);
		cr3 &= ~KEEL_CR3_NOFLUSH;
	}
	if (in_long_mode(vcpu) && (cr3 & keel_gpa_reserved(vcpu)))
		return -EINVAL;
	if (in_pae_paging(vcpu) && !pdptes_valid(vcpu, cr3))
		return -EINVAL;
	keel_op(set_cr3)(vcpu, cr3);
	if (flush)
		request_flush(vcpu);
	return 0;
}

/* ---- CR4 ---- */

bool keel_cr4_valid(struct keel_vcpu *vcpu, u64 cr4)
{
	return !(cr4 & vcpu->arch.cr4_reserved);
}

static bool cr4_change_valid(struct keel_vcpu *vcpu, u64 old, u64 new)
{
	u64 changed = old ^ new;

	if ((changed & new & X86_CR4_PCIDE) &&
	    (!in_long_mode(vcpu) || (keel_cr3(vcpu) & GENMASK_ULL(11, 0))))
		return false;
	if (in_long_mode(vcpu))
		return (new & X86_CR4_PAE) && !(changed & X86_CR4_LA57);
	if ((keel_cr0(vcpu) & X86_CR0_PG) && (new & X86_CR4_PAE) &&
	    (changed & KEEL_CR4_LOADS_PDPTES))
		return pdptes_valid(vcpu, keel_cr3(vcpu));
	return true;
}

int keel_set_cr4(struct keel_vcpu *vcpu, u64 cr4)
{
	u64 old = keel_cr4(vcpu);

	if (!keel_cr4_valid(vcpu, cr4) || !cr4_change_valid(vcpu, old, cr4))
		return -EINVAL;
	keel_op(set_cr4)(vcpu, cr4);
	if ((old ^ cr4) & KEEL_CR4_FLUSHES)
		request_flush(vcpu);
	if ((old ^ cr4) & KEEL_CR4_IN_CPUID)
		keel_cpuid_update_runtime(vcpu);
	return 0;
}

/* ---- CR8 ---- */

u64 keel_get_cr8(struct keel_vcpu *vcpu)
{
	return keel_apic_in_kernel(vcpu) ? keel_apic_get_cr8(vcpu) : vcpu->arch.cr8;
}

int keel_set_cr8(struct keel_vcpu *vcpu, u64 cr8)
{
	if (cr8 & ~X86_CR8_TPR)
		return -EINVAL;
	if (keel_apic_in_kernel(vcpu))
		keel_apic_set_cr8(vcpu, cr8);
	vcpu->arch.cr8 = cr8;
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);	/* the CPU's own TPR follows */
	return 0;
}

/* ---- EFER ---- */

bool keel_efer_valid(struct keel_vcpu *vcpu, u64 efer)
{
	return !(efer & ~EFER_LMA & vcpu->arch.efer_reserved);
}

/* LMA is the CPU's: what is written to it is ignored. */
int keel_set_efer(struct keel_vcpu *vcpu, u64 efer)
{
	u64 old = vcpu->arch.efer;

	if (!keel_efer_valid(vcpu, efer))
		return -EINVAL;
	if (((old ^ efer) & EFER_LME) && (keel_cr0(vcpu) & X86_CR0_PG))
		return -EINVAL;
	efer = (efer & ~EFER_LMA) | (old & EFER_LMA);
	keel_op(set_efer)(vcpu, efer);
	if ((old ^ efer) & EFER_NX)
		request_flush(vcpu);
	return 0;
}

/* ---- XCR0 ---- */

/* State components that are switched on together, and what each needs besides. */
static const struct { u64 group, needs; } keel_xcr0_rules[] = {
	{ XFEATURE_MASK_YMM, XFEATURE_MASK_SSE },
	{ XFEATURE_MASK_AVX512, XFEATURE_MASK_SSE | XFEATURE_MASK_YMM },
};

static bool xcr0_valid(struct keel_vcpu *vcpu, u64 xcr0)
{
	unsigned int i;

	if (!(xcr0 & XFEATURE_MASK_FP))
		return false;
	if (xcr0 & ~vcpu->arch.xcr0_supported)
		return false;	/* with a bit that the host has off, entry would fault */
	for (i = 0; i < ARRAY_SIZE(keel_xcr0_rules); i++) {
		u64 on = keel_xcr0_rules[i].group & xcr0;

		if (!on)
			continue;
		if (on != keel_xcr0_rules[i].group || (keel_xcr0_rules[i].needs & ~xcr0))
			return false;
	}
	return true;
}

int keel_set_xcr(struct keel_vcpu *vcpu, u32 index, u64 val)
{
	if (index != XCR_XFEATURE_ENABLED_MASK || !xcr0_valid(vcpu, val))
		return -EINVAL;
	vcpu->arch.xcr0 = val;
	keel_cpuid_update_runtime(vcpu);
	return 0;
}

int keel_xsetbv_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 index = keel_reg_read(vcpu, KEEL_RCX);

	if (keel_op(get_cpl)(vcpu) || keel_set_xcr(vcpu, index, keel_edx_eax(vcpu))) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	return keel_skip(vcpu, exit);
}

/* ---- exits ---- */

static u64 gpr_read(struct keel_vcpu *vcpu, unsigned int gpr)
{
	u64 val = keel_reg_read(vcpu, gpr & 15);

	return keel_is_64bit(vcpu) ? val : (u32)val;
}

static void gpr_write(struct keel_vcpu *vcpu, unsigned int gpr, u64 val)
{
	keel_reg_write(vcpu, gpr & 15, keel_is_64bit(vcpu) ? val : (u32)val);
}

/* The end of a write: #GP, or past the instruction. */
static int finish(struct keel_vcpu *vcpu, struct keel_exit *exit, int err)
{
	if (!err)
		return keel_skip(vcpu, exit);
	keel_inject_gp(vcpu, 0);
	return KEEL_RESUME;
}

static int clts(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return finish(vcpu, exit, keel_set_cr0(vcpu, keel_cr0(vcpu) & ~X86_CR0_TS));
}

/* LMSW moves PE, MP, EM and TS, and cannot clear PE. */
static int lmsw(struct keel_vcpu *vcpu, struct keel_exit *exit, u64 val)
{
	u64 cr0 = keel_cr0(vcpu) & ~(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS);

	val &= X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;
	return finish(vcpu, exit, keel_set_cr0(vcpu, cr0 | val));
}

static int smsw(struct keel_vcpu *vcpu, struct keel_exit *exit, const struct emul_decoded *d)
{
	u64 cr0 = keel_cr0(vcpu);

	if (d->opsize == 2)
		cr0 = (keel_reg_read(vcpu, d->rm & 15) & ~0xffffULL) | (cr0 & 0xffff);
	gpr_write(vcpu, d->rm, cr0);
	return keel_skip(vcpu, exit);
}

/* Without an APIC here, userspace wants to know when the guest lets more interrupts in. */
static int write_cr8(struct keel_vcpu *vcpu, struct keel_exit *exit, u64 val)
{
	u64 old = keel_get_cr8(vcpu);
	int r = keel_set_cr8(vcpu, val), next = finish(vcpu, exit, r);

	if (r || next != KEEL_RESUME || keel_apic_in_kernel(vcpu) || val >= old)
		return next;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return KEEL_TO_USER;
}

static int mov_to_cr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 val = gpr_read(vcpu, exit->cr.gpr);

	switch (exit->cr.nr) {
	case 0:
		return finish(vcpu, exit, keel_set_cr0(vcpu, val));
	case 2:
		vcpu->arch.cr2 = val;
		return keel_skip(vcpu, exit);
	case 3:
		return finish(vcpu, exit, keel_set_cr3(vcpu, val));
	case 4:
		return finish(vcpu, exit, keel_set_cr4(vcpu, val));
	case 8:
		return write_cr8(vcpu, exit, val);
	default:
		keel_inject_ud(vcpu);
		return KEEL_RESUME;
	}
}

static int mov_from_cr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 val;

	switch (exit->cr.nr) {
	case 0:
		val = keel_cr0(vcpu);
		break;
	case 2:
		val = vcpu->arch.cr2;
		break;
	case 3:
		val = keel_cr3(vcpu);
		break;
	case 4:
		val = keel_cr4(vcpu);
		break;
	case 8:
		val = keel_get_cr8(vcpu);
		break;
	default:
		keel_inject_ud(vcpu);
		return KEEL_RESUME;
	}
	gpr_write(vcpu, exit->cr.gpr, val);
	return keel_skip(vcpu, exit);
}

static int mov_cr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return exit->cr.write ? mov_to_cr(vcpu, exit) : mov_from_cr(vcpu, exit);
}

#define OP_CLTS		0x06	/* all behind 0F */
#define OP_GROUP7	0x01
#define OP_MOV_FROM_CR	0x20
#define OP_MOV_TO_CR	0x22
#define GROUP7_SMSW	4
#define GROUP7_LMSW	6

/* With memory they are the emulator's. */
static int group7(struct keel_vcpu *vcpu, struct keel_exit *exit, const struct emul_decoded *d)
{
	bool memory = d->modrm >> 6 != 3;

	if (memory || ((d->reg & 7) != GROUP7_SMSW && (d->reg & 7) != GROUP7_LMSW))
		return keel_emulate(vcpu);
	if ((d->reg & 7) == GROUP7_SMSW)
		return smsw(vcpu, exit, d);
	return lmsw(vcpu, exit, keel_reg_read(vcpu, d->rm & 15));
}

/* The CPU told which register is concerned, not by which instruction. */
static int undecoded(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct emul_decoded d;
	unsigned int len;
	int r = keel_decode(vcpu, &d, &len);

	if (r != KEEL_RESUME || !len)
		return r;
	exit->insn_len = len;
	if (d.map != 1)
		return keel_emulate(vcpu);

	switch (d.opcode) {
	case OP_CLTS:
		return clts(vcpu, exit);
	case OP_GROUP7:
		return group7(vcpu, exit, &d);
	case OP_MOV_FROM_CR:
	case OP_MOV_TO_CR:
		exit->cr.write = d.opcode == OP_MOV_TO_CR;
		exit->cr.gpr = d.rm;
		return mov_cr(vcpu, exit);
	default:
		return keel_emulate(vcpu);
	}
}

int keel_cr_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	if (exit->cr.clts)
		return clts(vcpu, exit);
	if (exit->cr.lmsw)
		return lmsw(vcpu, exit, exit->cr.value);
	if (!exit->cr.decoded)
		return undecoded(vcpu, exit);
	return mov_cr(vcpu, exit);
}

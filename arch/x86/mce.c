// SPDX-License-Identifier: GPL-2.0
/*
 * mce.c - machine check banks: state for the guest, and errors that userspace injects
 */
#include <linux/slab.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/trapnr.h>
#include "event.h"
#include "msr_table.h"
#include "regs.h"

/* A bank's registers, in the order of their MSRs. */
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC, BANK_REGS };

#define MCE_CAPS	(MCG_CTL_P | MCG_SER_P)
#define HWCR_STATUS_WR	BIT(18)		/* AMD: McStatusWrEn */

static unsigned int nr_banks(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.mcg_cap & MCG_BANKCNT_MASK;
}

int mce_init(struct keel_vcpu *vcpu)
{
	vcpu->arch.mcg_cap = KEEL_MCE_BANKS;
	vcpu->arch.mce_banks = kcalloc(KEEL_MCE_BANKS * BANK_REGS, sizeof(u64),
				       GFP_KERNEL_ACCOUNT);
	return vcpu->arch.mce_banks ? 0 : -ENOMEM;
}

void mce_destroy(struct keel_vcpu *vcpu)
{
	kfree(vcpu->arch.mce_banks);
	vcpu->arch.mce_banks = NULL;
}

/* ---- MSRs ---- */

static u64 *bank_reg(struct keel_vcpu *vcpu, u32 msr)
{
	unsigned int i = msr - MSR_IA32_MC0_CTL, n = nr_banks(vcpu) * BANK_REGS;

	return i < n ? &vcpu->arch.mce_banks[array_index_nospec(i, n)] : NULL;
}

int mce_get_bank(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	const u64 *reg = bank_reg(vcpu, rq->msr);

	if (!reg)
		return -EINVAL;
	rq->val = *reg;
	return 0;
}

/* All on or all off; Linux leaves bit 10 out (a false report of old AMD CPUs), or bit 0. */
static bool ctl_valid(u64 val)
{
	return val == 0 || (val | BIT(10) | BIT(0)) == ~0ULL;
}

/* Guests clear it; with McStatusWrEn, AMD's let them write anything. */
static bool status_valid(struct keel_vcpu *vcpu, u64 val)
{
	return val == 0 || (vcpu->arch.hwcr & HWCR_STATUS_WR);
}

int mce_set_bank(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	u64 *reg = bank_reg(vcpu, rq->msr);
	u32 which = (rq->msr - MSR_IA32_MC0_CTL) % BANK_REGS;

	if (!reg)
		return -EINVAL;
	if (which == BANK_CTL && !ctl_valid(rq->val))
		return -EINVAL;
	if (which == BANK_STATUS && !rq->host && !status_valid(vcpu, rq->val))
		return -EINVAL;
	*reg = rq->val;
	return 0;
}

int mce_get_ctl(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (!rq->host && !(vcpu->arch.mcg_cap & MCG_CTL_P))
		return -EINVAL;
	rq->val = vcpu->arch.mcg_ctl;
	return 0;
}

/*
 * Userspace may set it even where the guest is not told of it: QEMU does so without
 * having asked for KVM_CAP_MCE.
 */
int mce_set_ctl(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (!(vcpu->arch.mcg_cap & MCG_CTL_P) && !rq->host)
		return -EINVAL;
	if (rq->val != 0 && rq->val != ~0ULL)
		return -EINVAL;
	vcpu->arch.mcg_ctl = rq->val;
	return 0;
}

/* ---- ioctls ---- */

long keel_ioc_get_mce_cap_supported(union keel_arg arg)
{
	u64 *caps = arg.buf;

	*caps = MCE_CAPS;
	return 0;
}

long keel_ioc_setup_mce(struct keel_vcpu *vcpu, union keel_arg arg)
{
	u64 cap = *(const u64 *)arg.buf;
	unsigned int i, banks = cap & MCG_BANKCNT_MASK;

	if (!banks || banks > KEEL_MCE_BANKS ||
	    (cap & ~(MCE_CAPS | MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK)))
		return -EINVAL;
	vcpu->arch.mcg_cap = cap;
	if (cap & MCG_CTL_P)
		vcpu->arch.mcg_ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		vcpu->arch.mce_banks[i * BANK_REGS + BANK_CTL] = ~0ULL;
	return 0;
}

static void bank_store(u64 *bank, const struct kvm_x86_mce *m)
{
	u64 lost = bank[BANK_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank[BANK_STATUS] = m->status | lost;
	bank[BANK_ADDR] = m->addr;
	bank[BANK_MISC] = m->misc;
}

/* An error that stops the guest: #MC, or shutdown where it is not ready for one. */
static void raise_uncorrected(struct keel_vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *m)
{
	if ((vcpu->arch.mcg_status & MCG_STATUS_MCIP) || !(keel_cr4(vcpu) & X86_CR4_MCE)) {
		keel_vcpu_request(vcpu, KEEL_REQ_TRIPLE_FAULT);
		return;
	}
	bank_store(bank, m);
	vcpu->arch.mcg_status = m->mcg_status;
	keel_queue_exception(vcpu, X86_TRAP_MC);
}

/* Corrected errors are logged, but never over an uncorrected one. */
static void log_corrected(u64 *bank, const struct kvm_x86_mce *m)
{
	if ((bank[BANK_STATUS] & MCI_STATUS_VAL) && (bank[BANK_STATUS] & MCI_STATUS_UC))
		bank[BANK_STATUS] |= MCI_STATUS_OVER;
	else
		bank_store(bank, m);
}

/* Does the guest want to hear of uncorrected errors of this bank? */
static bool reports(const struct keel_vcpu *vcpu, const u64 *bank)
{
	if ((vcpu->arch.mcg_cap & MCG_CTL_P) && vcpu->arch.mcg_ctl != ~0ULL)
		return false;
	return bank[BANK_CTL] == ~0ULL;
}

long keel_ioc_set_mce(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_x86_mce *m = arg.buf;
	unsigned int n = nr_banks(vcpu);
	u64 *bank;

	if (m->bank >= n || !(m->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &vcpu->arch.mce_banks[array_index_nospec(m->bank, n) * BANK_REGS];
	if (!(m->status & MCI_STATUS_UC))
		log_corrected(bank, m);
	else if (reports(vcpu, bank))
		raise_uncorrected(vcpu, bank, m);
	return 0;
}

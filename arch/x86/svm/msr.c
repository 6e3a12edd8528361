// SPDX-License-Identifier: GPL-2.0
/*
 * msr.c - the MSRs that live in the VMCB, and which ones the guest reaches unseen
 */
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include "svm.h"
#include "../cpuid.h"

struct svm_msr_row {
	u32 msr;
	u16 offset;	/* in struct vmcb_save_area */
	bool direct;	/* the guest reads and writes it without an exit */
};

#define ROW(m, field, d) { (m), offsetof(struct vmcb_save_area, field), (d) }

static const struct svm_msr_row svm_msr_rows[] = {
	ROW(MSR_STAR, star, true),
	ROW(MSR_LSTAR, lstar, true),
	ROW(MSR_CSTAR, cstar, true),
	ROW(MSR_SYSCALL_MASK, sfmask, true),
	ROW(MSR_KERNEL_GS_BASE, kernel_gs_base, true),
	ROW(MSR_FS_BASE, fs.base, true),
	ROW(MSR_GS_BASE, gs.base, true),
	ROW(MSR_IA32_SYSENTER_CS, sysenter_cs, true),
	ROW(MSR_IA32_SYSENTER_ESP, sysenter_esp, true),
	ROW(MSR_IA32_SYSENTER_EIP, sysenter_eip, true),
	ROW(MSR_IA32_CR_PAT, g_pat, false),
	ROW(MSR_IA32_DEBUGCTLMSR, dbgctl, false),
};

static u64 *svm_msr_field(struct keel_vcpu *vcpu, u32 msr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(svm_msr_rows); i++)
		if (svm_msr_rows[i].msr == msr)
			return (void *)svm_save(vcpu) + svm_msr_rows[i].offset;
	return NULL;
}

/* The one MSR that is swapped at load: a new value goes to the CPU now. */
static void svm_set_tsc_aux(struct keel_vcpu *vcpu, u64 val)
{
	vcpu->arch.tsc_aux = val;
	preempt_disable();
	if (vcpu->cpu == smp_processor_id())
		svm_load_tsc_aux(vcpu);
	preempt_enable();
}

int svm_get_msr(struct keel_vcpu *vcpu, u32 msr, u64 *val)
{
	const u64 *field = svm_msr_field(vcpu, msr);

	if (!field)
		return -ENOENT;
	*val = *field;
	return 0;
}

int svm_set_msr(struct keel_vcpu *vcpu, u32 msr, u64 val)
{
	u64 *field = svm_msr_field(vcpu, msr);

	if (msr == MSR_TSC_AUX) {
		svm_set_tsc_aux(vcpu, val);
		return 0;
	}
	if (!field)
		return -ENOENT;
	*field = val;
	svm_control(vcpu)->clean = 0;
	return 0;
}

/* "MSR Permissions Map": three ranges of 0x2000 MSRs, two bits each: read, write. */
static int svm_msrpm_bit(u32 msr)
{
	static const u32 first[] = { 0, 0xc0000000, 0xc0010000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(first); i++)
		if (msr - first[i] < 0x2000)
			return (i * 0x2000 + (msr - first[i])) * 2;
	return -1;
}

static void svm_msrpm_set(struct keel_vcpu *vcpu, u32 msr, bool read, bool write)
{
	unsigned long *map = to_svm(vcpu)->msrpm;
	int bit = svm_msrpm_bit(msr);

	if (bit < 0)
		return;
	__assign_bit(bit, map, !read);
	__assign_bit(bit + 1, map, !write);
}

void svm_msrpm_update(struct keel_vcpu *vcpu)
{
	bool spec = svm_facts.v_spec_ctrl && keel_guest_has(vcpu, KEEL_F_SPEC_CTRL);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(svm_msr_rows); i++)
		svm_msrpm_set(vcpu, svm_msr_rows[i].msr, svm_msr_rows[i].direct,
			      svm_msr_rows[i].direct);
	svm_msrpm_set(vcpu, MSR_IA32_SPEC_CTRL, spec, spec);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * msr.c - the MSRs that live in the VMCS or in the CPU, and which ones the guest
 * reaches unseen
 *
 * An entry does not switch the system call MSRs, KERNEL_GS_BASE and TSC_AUX. The
 * guest's are put into the CPU at the first entry after a load, and the host's are
 * taken back before the thread can run in user mode or another can run at all.
 */
#include <linux/bits.h>
#include <linux/smp.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/msr-index.h>
#include <keel/compat.h>
#include "vmx.h"
#include "../cpuid.h"

/* ---- in the VMCS ---- */

static const struct vmx_msr_row {
	u32 msr;
	u16 field;
	bool direct;	/* the guest reads and writes it without an exit */
} vmx_msr_rows[] = {
	{ MSR_FS_BASE, GUEST_FS_BASE, true },
	{ MSR_GS_BASE, GUEST_GS_BASE, true },
	{ MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS, true },
	{ MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP, true },
	{ MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP, true },
	{ MSR_IA32_CR_PAT, GUEST_IA32_PAT, false },
};

static u16 vmx_msr_field(u32 msr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmx_msr_rows); i++)
		if (vmx_msr_rows[i].msr == msr)
			return vmx_msr_rows[i].field;
	return 0;
}

/* ---- in the CPU ---- */

static const u32 vmx_swapped_msrs[VMX_NR_SWAPPED] = {
	[VMX_STAR] = MSR_STAR,
	[VMX_LSTAR] = MSR_LSTAR,
	[VMX_SYSCALL_MASK] = MSR_SYSCALL_MASK,
};

void vmx_read_host_msrs(struct vmx_cpu *vc)
{
	unsigned int i;

	for (i = 0; i < VMX_NR_SWAPPED; i++)
		rdmsrq(vmx_swapped_msrs[i], vc->swapped[i]);
	if (boot_cpu_has(X86_FEATURE_RDTSCP))
		rdmsrq(MSR_TSC_AUX, vc->tsc_aux);
}

static void vmx_swap(const u64 *from, const u64 *to)
{
	unsigned int i;

	for (i = 0; i < VMX_NR_SWAPPED; i++)
		if (from[i] != to[i])
			wrmsrq(vmx_swapped_msrs[i], to[i]);
}

void vmx_swap_to_guest(struct keel_vcpu *vcpu)
{
	const struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_swap(vc->swapped, vmx->swapped);
	wrmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	vmx->aux_loaded = boot_cpu_has(X86_FEATURE_RDTSCP) && vcpu->arch.tsc_aux != vc->tsc_aux;
	if (vmx->aux_loaded)
		wrmsrq(MSR_TSC_AUX, vcpu->arch.tsc_aux);
}

/* KERNEL_GS_BASE of the host is the thread's: vmx_restore_segments() writes it. */
void vmx_swap_to_host(struct keel_vcpu *vcpu)
{
	const struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_swap(vmx->swapped, vc->swapped);
	rdmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	if (vmx->aux_loaded)
		wrmsrq(MSR_TSC_AUX, vc->tsc_aux);
	vmx->aux_loaded = false;
}

/* Where the guest's value is kept while it is not in the CPU; NULL: not one of these. */
static u64 *vmx_msr_kept(struct keel_vcpu *vcpu, u32 msr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	switch (msr) {
	case MSR_KERNEL_GS_BASE:
		return &vmx->kernel_gs_base;
	case MSR_CSTAR:		/* SYSCALL from compatibility mode is undefined */
		return &vmx->cstar;
	case MSR_TSC_AUX:
		return &vcpu->arch.tsc_aux;
	}
	for (i = 0; i < VMX_NR_SWAPPED; i++)
		if (vmx_swapped_msrs[i] == msr)
			return &vmx->swapped[i];
	return NULL;
}

/* Only KERNEL_GS_BASE changes without an exit. */
static void vmx_refresh_kept(struct keel_vcpu *vcpu, u32 msr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	preempt_disable();
	if (msr == MSR_KERNEL_GS_BASE && vmx->guest_loaded)
		rdmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	preempt_enable();
}

static void vmx_set_kept(struct keel_vcpu *vcpu, u32 msr, u64 *kept, u64 val)
{
	preempt_disable();
	*kept = val;
	if (to_vmx(vcpu)->guest_loaded && msr != MSR_CSTAR &&
	    (msr != MSR_TSC_AUX || boot_cpu_has(X86_FEATURE_RDTSCP))) {
		wrmsrq(msr, val);
		to_vmx(vcpu)->aux_loaded |= msr == MSR_TSC_AUX;
	}
	preempt_enable();
}

/* ---- the ops ---- */

int vmx_get_msr(struct keel_vcpu *vcpu, u32 msr, u64 *val)
{
	u16 field = vmx_msr_field(msr);
	u64 *kept = vmx_msr_kept(vcpu, msr);

	if (!field && !kept)
		return -ENOENT;
	if (kept) {
		vmx_refresh_kept(vcpu, msr);
		*val = *kept;
	} else {
		*val = vmcs_read(field);
	}
	return 0;
}

int vmx_set_msr(struct keel_vcpu *vcpu, u32 msr, u64 val)
{
	u16 field = vmx_msr_field(msr);
	u64 *kept = vmx_msr_kept(vcpu, msr);

	if (!field && !kept)
		return -ENOENT;
	if (msr == MSR_SYSCALL_MASK)
		val = (u32)val;
	if (kept)
		vmx_set_kept(vcpu, msr, kept, val);
	else
		vmcs_write(field, val);
	return 0;
}

/* ---- pass-through ---- */

/* "MSR-Bitmap Address": four of 1 KiB: read low, read high, write low, write high. */
#define MAP_READ	0
#define MAP_WRITE	(2 * 0x2000)

static int vmx_msr_bit(u32 msr)
{
	if (msr < 0x2000)
		return msr;
	if (msr - 0xc0000000 < 0x2000)
		return 0x2000 + (msr - 0xc0000000);
	return -1;
}

static void vmx_msr_direct(struct keel_vcpu *vcpu, u32 msr, bool read, bool write)
{
	unsigned long *map = to_vmx(vcpu)->msr_bitmap;
	int bit = vmx_msr_bit(msr);

	if (bit < 0)
		return;
	__assign_bit(MAP_READ + bit, map, !read);
	__assign_bit(MAP_WRITE + bit, map, !write);
}

/*
 * Registers that the CPU answers from the APIC's page, as ranges. Not the ICR, whose
 * halves are two registers there, nor the current count, nor what can only be written.
 */
static const struct { u8 first, last; } vmx_x2apic_reads[] = {
	{ 0x02, 0x03 },		/* id, version */
	{ 0x08, 0x08 },		/* TPR */
	{ 0x0a, 0x0a },		/* PPR */
	{ 0x0d, 0x0d },		/* LDR */
	{ 0x0f, 0x28 },		/* SVR, ISR, TMR, IRR, ESR */
	{ 0x32, 0x38 },		/* LVT, initial count */
	{ 0x3e, 0x3e },		/* divide configuration */
};

/* Writes that the CPU completes: TPR, EOI, self IPI. */
static const u8 vmx_x2apic_writes[] = { 0x08, 0x0b, 0x3f };

static void vmx_msr_bitmap_x2apic(struct keel_vcpu *vcpu)
{
	bool on = vcpu->arch.apicv_mode == KEEL_APICV_X2APIC;
	unsigned int i, reg;

	for (reg = 0; reg < 0x100; reg++)
		vmx_msr_direct(vcpu, APIC_BASE_MSR + reg, false, false);
	for (i = 0; on && i < ARRAY_SIZE(vmx_x2apic_reads); i++)
		for (reg = vmx_x2apic_reads[i].first; reg <= vmx_x2apic_reads[i].last; reg++)
			vmx_msr_direct(vcpu, APIC_BASE_MSR + reg, true, false);
	for (i = 0; on && i < ARRAY_SIZE(vmx_x2apic_writes); i++) {
		reg = vmx_x2apic_writes[i];
		vmx_msr_direct(vcpu, APIC_BASE_MSR + reg, reg == 0x08, true);
	}
}

/* What is swapped is read directly; its writes are rare, and not to be read back at each put. */
void vmx_msr_bitmap_update(struct keel_vcpu *vcpu)
{
	bool aux = keel_guest_has(vcpu, KEEL_F_TSC_AUX);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmx_msr_rows); i++)
		vmx_msr_direct(vcpu, vmx_msr_rows[i].msr, vmx_msr_rows[i].direct,
			       vmx_msr_rows[i].direct);
	for (i = 0; i < VMX_NR_SWAPPED; i++)
		vmx_msr_direct(vcpu, vmx_swapped_msrs[i], true, false);
	vmx_msr_bitmap_x2apic(vcpu);
	vmx_msr_direct(vcpu, MSR_KERNEL_GS_BASE, true, true);
	vmx_msr_direct(vcpu, MSR_TSC_AUX, aux && boot_cpu_has(X86_FEATURE_RDTSCP), false);
}

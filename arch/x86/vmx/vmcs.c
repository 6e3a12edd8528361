// SPDX-License-Identifier: GPL-2.0
/*
 * vmcs.c - the VMCS: its memory, which CPU holds it, control fields, intercepts,
 * the host's constant state
 *
 * A CPU keeps a VMCS that was loaded in itself until VMCLEAR, on that CPU. So each
 * VMCS is in the list of the CPU that holds it: that list is changed on that CPU
 * only, with interrupts off.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <keel/compat.h>
#include "vmx.h"
#include "../cpuid.h"
#include "../regs.h"

#define VMX_SPIN_GAP		128	/* cycles between two PAUSEs of one loop */
#define VMX_SPIN_WINDOW		4096	/* cycles in one loop before an exit */
#define VMX_TSC_DEFAULT		BIT_ULL(48)

/* ---- VPIDs ---- */

static DECLARE_BITMAP(vmx_vpids, VMX_NR_VPIDS);	/* vmx_vpid_lock */
static DEFINE_SPINLOCK(vmx_vpid_lock);

/* 0 is the host's, and says: none left. */
static u16 vmx_vpid_get(void)
{
	unsigned long vpid;

	if (!vmx_facts.vpid)
		return 0;
	spin_lock(&vmx_vpid_lock);
	vpid = find_next_zero_bit(vmx_vpids, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vmx_vpids);
	else
		vpid = 0;
	spin_unlock(&vmx_vpid_lock);
	return vpid;
}

static void vmx_vpid_put(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vmx_vpid_lock);
	__clear_bit(vpid, vmx_vpids);
	spin_unlock(&vmx_vpid_lock);
}

/* ---- the CPU that holds it ---- */

static void vmx_clear_one(struct vmx_vcpu *vmx, struct vmx_cpu *vc)
{
	vmx_vmclear(vmx->vmcs_pa);
	if (vc->current_vmcs == vmx->vmcs)
		vc->current_vmcs = NULL;
	list_del(&vmx->loaded_link);
	vmx->args.launched = false;
	smp_wmb();	/* the list, before another CPU takes it: pairs with vmx_take() */
	WRITE_ONCE(vmx->loaded_cpu, -1);
}

static void vmx_clear_here(void *data)
{
	struct vmx_vcpu *vmx = data;

	if (vmx->loaded_cpu == raw_smp_processor_id())
		vmx_clear_one(vmx, this_cpu_ptr(&vmx_cpu));
}

void vmx_clear_loaded(struct vmx_cpu *vc)
{
	while (!list_empty(&vc->loaded))
		vmx_clear_one(list_first_entry(&vc->loaded, struct vmx_vcpu, loaded_link), vc);
}

/* Out of whichever CPU. One that went offline has cleared it itself. */
static void vmx_clear(struct vmx_vcpu *vmx)
{
	int cpu = READ_ONCE(vmx->loaded_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, vmx_clear_here, vmx, 1);
}

static void vmx_take(struct vmx_vcpu *vmx, struct vmx_cpu *vc, int cpu)
{
	unsigned long flags;

	vmx_clear(vmx);
	local_irq_save(flags);
	/* Also before the first time: only VMCLEAR makes a VMCS of a page. */
	vmx_vmclear(vmx->vmcs_pa);
	smp_rmb();	/* loaded_cpu, before the list: pairs with vmx_clear_one() */
	list_add(&vmx->loaded_link, &vc->loaded);
	vmx->loaded_cpu = cpu;
	local_irq_restore(flags);
}

/* The host's state that differs from CPU to CPU. */
static void vmx_write_host_cpu(struct vmx_cpu *vc)
{
	const struct ldttss_desc *tss = (void *)vc->gdt.address + GDT_ENTRY_TSS * 8;
	u64 val;

	vmcs_write(HOST_TR_BASE, tss->base0 | (u64)tss->base1 << 16 | (u64)tss->base2 << 24 |
				 (u64)tss->base3 << 32);
	vmcs_write(HOST_GDTR_BASE, vc->gdt.address);
	rdmsrq(MSR_GS_BASE, val);
	vmcs_write(HOST_GS_BASE, val);
	rdmsrq(MSR_IA32_SYSENTER_ESP, val);
	vmcs_write(HOST_IA32_SYSENTER_ESP, val);
}

void vmx_load_vmcs(struct vmx_vcpu *vmx, int cpu)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	bool moved = vmx->loaded_cpu != cpu;

	if (unlikely(!READ_ONCE(vc->enabled))) {
		keel_cpu_unusable(&vmx->vcpu);
		return;
	}
	if (moved)
		vmx_take(vmx, vc, cpu);
	if (vc->current_vmcs != vmx->vmcs) {
		vmx_vmptrld(vmx->vmcs_pa);
		vc->current_vmcs = vmx->vmcs;
	}
	if (!moved)
		return;
	vmx_write_host_cpu(vc);
	/* This CPU's TLB may be as old as the last time the guest was here. */
	vmx_flush_tlb(&vmx->vcpu);
	if (vmx->vpid)
		vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vmx->vpid);
}

/* ---- life ---- */

static void vmx_free_pages(struct vmx_vcpu *vmx)
{
	free_page((unsigned long)vmx->vmcs);
	free_page((unsigned long)vmx->msr_bitmap);
	free_page((unsigned long)vmx->log);
	if (!vmx->vcpu.arch.apicv_regs)
		free_page((unsigned long)vmx->vapic);
	vmx->vmcs = NULL;
}

int vmx_vcpu_init(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->vapic = vcpu->arch.apicv_regs ?: (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vmx_facts.log)
		vmx->log = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs || !vmx->msr_bitmap || !vmx->vapic || (vmx_facts.log && !vmx->log)) {
		vmx_free_pages(vmx);
		return -ENOMEM;
	}
	*(u32 *)vmx->vmcs = vmx_facts.revision;
	vmx->vmcs_pa = __pa(vmx->vmcs);
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	vmx->loaded_cpu = -1;
	vmx->args.regs = vcpu->arch.regs;
	vmx->vpid = vmx_vpid_get();
	vmx->eptp = 0;
	return 0;
}

void vmx_vcpu_destroy(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->vmcs)
		return;
	vmx_clear(vmx);
	vmx_vpid_put(vmx->vpid);
	vmx_free_pages(vmx);
}

/* ---- reset ---- */

static void vmx_write_host_constant(void)
{
	struct desc_ptr idt;
	u64 val;

	vmcs_write(HOST_CR0, native_read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	vmcs_write(HOST_RIP, (unsigned long)vmx_exit_point);
	rdmsrq(MSR_IA32_SYSENTER_CS, val);
	vmcs_write(HOST_IA32_SYSENTER_CS, (u32)val);
	rdmsrq(MSR_IA32_SYSENTER_EIP, val);
	vmcs_write(HOST_IA32_SYSENTER_EIP, val);
	rdmsrq(MSR_EFER, val);
	vmcs_write(HOST_IA32_EFER, val);
	rdmsrq(MSR_IA32_CR_PAT, val);
	vmcs_write(HOST_IA32_PAT, val);
}

static const u16 vmx_ctl_fields[VMX_NR_CTLS] = {
	[VMX_PIN] = PIN_BASED_VM_EXEC_CONTROL,
	[VMX_CPU] = CPU_BASED_VM_EXEC_CONTROL,
	[VMX_CPU2] = SECONDARY_VM_EXEC_CONTROL,
	[VMX_EXIT] = VM_EXIT_CONTROLS,
	[VMX_ENTRY] = VM_ENTRY_CONTROLS,
};

void vmx_control(struct keel_vcpu *vcpu, enum vmx_ctl ctl, u32 bit, bool on)
{
	u32 *now = &to_vmx(vcpu)->ctl[ctl], val = on ? *now | bit : *now & ~bit;

	if (val == *now)
		return;
	*now = val;
	vmcs_write(vmx_ctl_fields[ctl], val);
}

static void vmx_write_controls(struct vmx_vcpu *vmx)
{
	unsigned int i;

	for (i = 0; i < VMX_NR_CTLS; i++) {
		vmx->ctl[i] = vmx_facts.base[i];
		/* Userspace's APIC hears of every CR8. */
		if (i == VMX_CPU && !vmx->vcpu.arch.apic) {
			vmx->ctl[i] &= ~CPU_BASED_TPR_SHADOW;
			vmx->ctl[i] |= CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING;
		}
		if (i == VMX_CPU2 && vmx->vpid)
			vmx->ctl[i] |= SECONDARY_EXEC_ENABLE_VPID;
		vmcs_write(vmx_ctl_fields[i], vmx->ctl[i]);
	}
	if (vmx->vpid)
		vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	vmcs_write(MSR_BITMAP, __pa(vmx->msr_bitmap));
	if (vmx_facts.tpr_shadow) {
		vmcs_write(VIRTUAL_APIC_PAGE_ADDR, __pa(vmx->vapic));
		vmcs_write(TPR_THRESHOLD, 0);
	}
	vmx->timer_set = true;	/* whatever it is: to be written */
	if (vmx_facts.pause_loop) {
		vmcs_write(PLE_GAP, VMX_SPIN_GAP);
		vmcs_write(PLE_WINDOW, VMX_SPIN_WINDOW);
	}
	if (vmx_facts.can[VMX_CPU2] & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, ~0ULL);
	if (vmx_facts.can[VMX_CPU2] & SECONDARY_EXEC_ENABLE_XSAVES)
		vmcs_write(XSS_EXIT_BITMAP, 0);
}

/* Fields without a meaning here, which still must be right. */
static void vmx_write_neutral(void)
{
	static const u16 zero[] = {
		PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT,
		VM_EXIT_MSR_STORE_COUNT, VM_EXIT_MSR_LOAD_COUNT, VM_ENTRY_MSR_LOAD_COUNT,
		VM_ENTRY_INTR_INFO_FIELD, GUEST_INTERRUPTIBILITY_INFO, GUEST_ACTIVITY_STATE,
		GUEST_PENDING_DBG_EXCEPTIONS, GUEST_IA32_DEBUGCTL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(zero); i++)
		vmcs_write(zero[i], 0);
	vmcs_write(VMCS_LINK_POINTER, ~0ULL);
}

void vmx_vcpu_reset(struct keel_vcpu *vcpu, bool init)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_write_host_constant();
	vmx_write_controls(vmx);
	vmx_write_neutral();
	vmx->host_cr3 = 0;
	vmx->host_cr4 = 0;
	vmx->args.host_rsp = 0;
	vmx->vapic[0x80] = 0;
	vmx_reset_apic(vcpu);
	vmx_reset_log(vmx);
	vmx_write_tsc(vmx);
	if (init)
		return;
	memset(vmx->swapped, 0, sizeof(vmx->swapped));
	vmx->kernel_gs_base = 0;
	vmx->cstar = 0;
	vmcs_write(GUEST_SYSENTER_CS, 0);
	vmcs_write(GUEST_SYSENTER_ESP, 0);
	vmcs_write(GUEST_SYSENTER_EIP, 0);
}

/* ---- intercepts ---- */

/* Always: #AC and #DB in endless delivery would hold the CPU; #MC is the host's. */
#define VMX_EXCEPTIONS (BIT(X86_TRAP_AC) | BIT(X86_TRAP_DB) | BIT(X86_TRAP_MC))

/* Instructions that are undefined unless a control allows them. */
static const struct { u8 feature; u32 bit; } vmx_allowed[] = {
	{ KEEL_F_TSC_AUX, SECONDARY_EXEC_ENABLE_RDTSCP },	/* RDPID, too */
	{ KEEL_F_INVPCID, SECONDARY_EXEC_ENABLE_INVPCID },
	{ KEEL_F_XSAVES, SECONDARY_EXEC_ENABLE_XSAVES },
};

static void vmx_allow_instructions(struct keel_vcpu *vcpu)
{
	u32 all = 0, on = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmx_allowed); i++) {
		all |= vmx_allowed[i].bit;
		if (keel_guest_has(vcpu, vmx_allowed[i].feature))
			on |= vmx_allowed[i].bit;
	}
	on &= vmx_facts.can[VMX_CPU2];
	vmx_control(vcpu, VMX_CPU2, all & ~on & ~vmx_facts.base[VMX_CPU2], false);
	vmx_control(vcpu, VMX_CPU2, on, true);
}

void vmx_update_intercepts(struct keel_vcpu *vcpu)
{
	u32 exceptions = VMX_EXCEPTIONS;

	if (vcpu->arch.guest_debug & KVM_GUESTDBG_USE_SW_BP)
		exceptions |= BIT(X86_TRAP_BP);
	vmcs_write(EXCEPTION_BITMAP, exceptions);
	vmx_allow_instructions(vcpu);
	vmx_update_cr_masks(vcpu);
	vmx_update_apic(vcpu);
	vmx_update_log(vcpu);
	vmx_msr_bitmap_update(vcpu);
}

/* ---- time and translation ---- */

void vmx_write_tsc(struct vmx_vcpu *vmx)
{
	vmcs_write(TSC_OFFSET, vmx->tsc_offset);
	if (vmx_facts.tsc_scaling)
		vmcs_write(TSC_MULTIPLIER, vmx->tsc_ratio ?: VMX_TSC_DEFAULT);
	vmx->tsc_stale = false;
}

/* Written here for a vCPU that is loaded, else at its load. */
void vmx_set_tsc(struct keel_vcpu *vcpu, u64 offset, u64 ratio)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	preempt_disable();
	vmx->tsc_offset = offset;
	vmx->tsc_ratio = ratio;
	vmx->tsc_stale = true;
	if (vcpu->cpu == smp_processor_id() && this_cpu_read(vmx_cpu.current_vmcs) == vmx->vmcs)
		vmx_write_tsc(vmx);
	preempt_enable();
}

/* INVEPT drops all that was made from these tables, guest's own translations included. */
void vmx_flush_tlb(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx_facts.invept_single && vmx->eptp)
		vmx_invept(VMX_EPT_EXTENT_CONTEXT, vmx->eptp);
	else
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
}

void vmx_set_root(struct keel_vcpu *vcpu, u64 root_hpa)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->eptp = root_hpa | VMX_EPTP_MT_WB |
		    (keel_caps.s2_levels == 5 ? VMX_EPTP_PWL_5 : VMX_EPTP_PWL_4);
	if (vmx_facts.ept_ad)
		vmx->eptp |= VMX_EPTP_AD_ENABLE_BIT;
	vmcs_write(EPT_POINTER, vmx->eptp);
	vmx_flush_tlb(vcpu);
}

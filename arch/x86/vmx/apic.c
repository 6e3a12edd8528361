// SPDX-License-Identifier: GPL-2.0
/*
 * apic.c - the CPU's own virtualization of a guest's APIC, "APIC Virtualization and
 * Virtual Interrupts"
 *
 * Without posted interrupts: they want interrupts to be acknowledged on exit. Who posts
 * kicks the vCPU, and the next entry delivers.
 */
#include "vmx.h"

#define VMX_APICV_CPU2	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | \
			 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | \
			 SECONDARY_EXEC_APIC_REGISTER_VIRT | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)

/*
 * Every CPU that delivers virtual interrupts has posted ones, too; Bochs 2.7 has not. It
 * delivers one to a guest with interrupts off when an interrupt of the host's comes then,
 * and keeps no IDT-vectoring information of it (vmx_repair_vectoring()).
 */
bool vmx_can_apicv(void)
{
	return vmx_facts.tpr_shadow && (vmx_facts.can[VMX_CPU2] & VMX_APICV_CPU2) == VMX_APICV_CPU2;
}

/* At reset of a vCPU that has it: fields without a value yet. */
void vmx_reset_apic(struct keel_vcpu *vcpu)
{
	static const u16 fields[] = {
		GUEST_INTR_STATUS, EOI_EXIT_BITMAP0, EOI_EXIT_BITMAP1, EOI_EXIT_BITMAP2,
		EOI_EXIT_BITMAP3,
	};
	unsigned int i;

	if (vcpu->arch.apicv_mode == KEEL_APICV_NONE)
		return;
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		vmcs_write(fields[i], 0);
	vmcs_write(APIC_ACCESS_ADDR, vcpu->vm->arch.apicv_page);
}

/*
 * What is cached of the page at the APIC's address depends on the control, so a change
 * of it is followed by a flush.
 */
void vmx_update_apic(struct keel_vcpu *vcpu)
{
	enum keel_apicv_mode mode = vcpu->arch.apicv_mode;
	u32 old = to_vmx(vcpu)->ctl[VMX_CPU2], on = 0;

	if (mode != KEEL_APICV_NONE)
		on |= SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	if (mode == KEEL_APICV_XAPIC)
		on |= SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	if (mode == KEEL_APICV_X2APIC)
		on |= SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	vmx_control(vcpu, VMX_CPU2, VMX_APICV_CPU2 & ~on & ~vmx_facts.base[VMX_CPU2], false);
	vmx_control(vcpu, VMX_CPU2, on, true);
	if ((old ^ on) & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES)
		vmx_flush_tlb(vcpu);
}

void vmx_set_apic_status(struct keel_vcpu *vcpu, u8 irr, u8 isr)
{
	vmcs_write(GUEST_INTR_STATUS, isr << 8 | irr);
	to_vmx(vcpu)->svi = isr;
}

/* After an exit: the vector that the CPU took into service in this run, or 0. */
u8 vmx_new_in_service(struct keel_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u8 old = vmx->svi;

	vmx->svi = vmcs_read(GUEST_INTR_STATUS) >> 8;
	return vmx->svi == old ? 0 : vmx->svi;
}

void vmx_set_eoi_exits(struct keel_vcpu *vcpu, const unsigned long *vectors)
{
	vmcs_write(EOI_EXIT_BITMAP0, vectors[0]);
	vmcs_write(EOI_EXIT_BITMAP1, vectors[1]);
	vmcs_write(EOI_EXIT_BITMAP2, vectors[2]);
	vmcs_write(EOI_EXIT_BITMAP3, vectors[3]);
}

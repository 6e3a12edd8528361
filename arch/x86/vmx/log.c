// SPDX-License-Identifier: GPL-2.0
/*
 * log.c - "Page-Modification Logging": the CPU notes each page whose dirty bit it sets
 *
 * It fills the page from its end; the index is of the next note, and wraps to 0xffff
 * when the page is full. While no slot of the VM has a dirty log, it is switched off.
 */
#include "vmx.h"

#define VMX_LOG_NOTES	(PAGE_SIZE / sizeof(u64))
#define VMX_LOG_FIRST	(VMX_LOG_NOTES - 1)

bool vmx_can_log(void)
{
	return vmx_facts.ept_ad && (vmx_facts.can[VMX_CPU2] & SECONDARY_EXEC_ENABLE_PML);
}

void vmx_reset_log(struct vmx_vcpu *vmx)
{
	if (!vmx->log)
		return;
	vmcs_write(PML_ADDRESS, __pa(vmx->log));
	vmcs_write(GUEST_PML_INDEX, VMX_LOG_FIRST);
}

void vmx_update_log(struct keel_vcpu *vcpu)
{
	if (to_vmx(vcpu)->log)
		vmx_control(vcpu, VMX_CPU2, SECONDARY_EXEC_ENABLE_PML,
			    READ_ONCE(vcpu->vm->arch.log_writes));
}

void vmx_hand_in_log(struct vmx_vcpu *vmx)
{
	u16 next = vmcs_read(GUEST_PML_INDEX);
	unsigned int first = next < VMX_LOG_NOTES ? next + 1 : 0;

	if (first == VMX_LOG_NOTES)
		return;
	keel_log_writes(&vmx->vcpu, vmx->log + first, VMX_LOG_NOTES - first);
	vmcs_write(GUEST_PML_INDEX, VMX_LOG_FIRST);
}

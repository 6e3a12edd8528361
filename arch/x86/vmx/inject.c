// SPDX-License-Identifier: GPL-2.0
/*
 * inject.c - events into the guest; interrupt and NMI windows
 */
#include <asm/processor-flags.h>
#include "vmx.h"
#include "../regs.h"

#define VMX_SHADOW	(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)
#define VAPIC_TPR	0x80

/* "VM-Entry Interruption-Information": these have an error code in protected mode, no others. */
#define VMX_WITH_ERROR	(BIT(X86_TRAP_DF) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | \
			 BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF) | \
			 BIT(X86_TRAP_AC))

static u32 vmx_exception_info(struct keel_vcpu *vcpu, const struct keel_event *ev)
{
	u32 info = INTR_TYPE_HARD_EXCEPTION;

	/* They push the RIP behind their instruction. */
	if (ev->vector == X86_TRAP_BP || ev->vector == X86_TRAP_OF) {
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, ev->insn_len ?: 1);
		return INTR_TYPE_SOFT_EXCEPTION;
	}
	if (ev->vector < 32 && (BIT(ev->vector) & VMX_WITH_ERROR) &&
	    (keel_cr0(vcpu) & X86_CR0_PE)) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, ev->has_error ? (u16)ev->error : 0);
	}
	return info;
}

void vmx_inject(struct keel_vcpu *vcpu, const struct keel_event *ev)
{
	u32 info = ev->vector | INTR_INFO_VALID_MASK;

	switch (ev->type) {
	case KEEL_EV_NMI:
		info = X86_TRAP_NMI | INTR_INFO_VALID_MASK | INTR_TYPE_NMI_INTR;
		break;
	case KEEL_EV_EXCEPTION:
		info |= vmx_exception_info(vcpu, ev);
		break;
	case KEEL_EV_IRQ:
		info |= INTR_TYPE_EXT_INTR;
		break;
	}
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
}

/*
 * Hand an event back that the guest did not get. INT n and INT1 are executed again instead:
 * RIP still points to them. So it does to INT3 and INTO, but their exception may have come
 * from userspace, without them. An NMI that was not delivered blocks none. @len is the field
 * with the instruction's length.
 */
static void vmx_requeue(struct keel_vcpu *vcpu, u32 info, u32 error, unsigned long len)
{
	struct keel_event ev = {
		.vector = info & VECTORING_INFO_VECTOR_MASK,
		.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK,
		.error = error,
	};

	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_NMI_INTR:
		vmx_set_nmi_mask(vcpu, false);
		ev.type = KEEL_EV_NMI;
		break;
	case INTR_TYPE_HARD_EXCEPTION:
		ev.type = KEEL_EV_EXCEPTION;
		break;
	case INTR_TYPE_SOFT_EXCEPTION:
		ev.type = KEEL_EV_EXCEPTION;
		ev.insn_len = vmcs_read(len);
		break;
	case INTR_TYPE_EXT_INTR:
		ev.type = KEEL_EV_IRQ;
		break;
	default:
		return;
	}
	keel_event_requeue(vcpu, &ev);
}

/*
 * Bochs 2.7 does not record the delivery of an interrupt that it takes from the virtual
 * APIC by itself: when that faults, the IDT-vectoring information is valid, but of the
 * event before. The interrupt is in service since this run, and its handler, which would
 * have interrupts off, has not begun.
 */
static u32 vmx_repair_vectoring(struct keel_vcpu *vcpu, u32 info)
{
	u8 vector;

	vector = vmx_new_in_service(vcpu);
	if (!(info & VECTORING_INFO_VALID_MASK) || !vector ||
	    !(vmx_get_rflags(vcpu) & X86_EFLAGS_IF))
		return info;
	return VECTORING_INFO_VALID_MASK | INTR_TYPE_EXT_INTR | vector;
}

void vmx_take_back_event(struct keel_vcpu *vcpu, u32 info)
{
	if (vmx_repairs(vcpu))
		info = vmx_repair_vectoring(vcpu, info);
	if (info & VECTORING_INFO_VALID_MASK)
		vmx_requeue(vcpu, info, vmcs_read(IDT_VECTORING_ERROR_CODE),
			    VM_EXIT_INSTRUCTION_LEN);
}

void vmx_cancel_inject(struct keel_vcpu *vcpu)
{
	u32 info = vmcs_read(VM_ENTRY_INTR_INFO_FIELD);

	if (!(info & INTR_INFO_VALID_MASK))
		return;
	vmx_requeue(vcpu, info, vmcs_read(VM_ENTRY_EXCEPTION_ERROR_CODE), VM_ENTRY_INSTRUCTION_LEN);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
}

static u32 vmx_interruptibility(void)
{
	return vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
}

static void vmx_change_interruptibility(u32 clear, u32 set)
{
	u32 old = vmx_interruptibility(), new = (old & ~clear) | set;

	if (new != old)
		vmcs_write(GUEST_INTERRUPTIBILITY_INFO, new);
}

bool vmx_irq_blocked(struct keel_vcpu *vcpu)
{
	return !(vmx_get_rflags(vcpu) & X86_EFLAGS_IF) || (vmx_interruptibility() & VMX_SHADOW);
}

bool vmx_nmi_blocked(struct keel_vcpu *vcpu)
{
	return vmx_interruptibility() & (VMX_SHADOW | GUEST_INTR_STATE_NMI);
}

void vmx_request_irq_window(struct keel_vcpu *vcpu)
{
	vmx_control(vcpu, VMX_CPU, CPU_BASED_INTR_WINDOW_EXITING, true);
}

/*
 * Behind STI the NMI window may open where an NMI still cannot be injected. Interrupts
 * are on there, so their window opens right behind the shadow.
 */
void vmx_request_nmi_window(struct keel_vcpu *vcpu)
{
	if (vmx_interruptibility() & GUEST_INTR_STATE_STI)
		vmx_request_irq_window(vcpu);
	else
		vmx_control(vcpu, VMX_CPU, CPU_BASED_NMI_WINDOW_EXITING, true);
}

bool vmx_get_nmi_mask(struct keel_vcpu *vcpu)
{
	return vmx_interruptibility() & GUEST_INTR_STATE_NMI;
}

void vmx_set_nmi_mask(struct keel_vcpu *vcpu, bool masked)
{
	vmx_change_interruptibility(GUEST_INTR_STATE_NMI, masked ? GUEST_INTR_STATE_NMI : 0);
}

u32 vmx_get_shadow(struct keel_vcpu *vcpu)
{
	u32 state = vmx_interruptibility(), shadow = 0;

	if (state & GUEST_INTR_STATE_STI)
		shadow |= KVM_X86_SHADOW_INT_STI;
	if (state & GUEST_INTR_STATE_MOV_SS)
		shadow |= KVM_X86_SHADOW_INT_MOV_SS;
	return shadow;
}

/* One of both: MOV SS's holds back more. */
void vmx_set_shadow(struct keel_vcpu *vcpu, u32 shadow)
{
	u32 set = 0;

	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		set = GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		set = GUEST_INTR_STATE_STI;
	vmx_change_interruptibility(VMX_SHADOW, set);
}

u64 vmx_retire(struct keel_vcpu *vcpu)
{
	if (unlikely(vmx_interruptibility() & VMX_SHADOW))
		vmx_set_shadow(vcpu, 0);
	return vmx_rflags(to_vmx(vcpu));
}

void vmx_update_cr8(struct keel_vcpu *vcpu, u8 tpr, int irr)
{
	u32 threshold = 0;

	if (!(to_vmx(vcpu)->ctl[VMX_CPU] & CPU_BASED_TPR_SHADOW))
		return;	/* each access to CR8 exits */
	if (irr >= 0 && (tpr >> 4) >= (irr >> 4))
		threshold = irr >> 4;
	to_vmx(vcpu)->vapic[VAPIC_TPR] = tpr;
	vmcs_write(TPR_THRESHOLD, threshold);
}

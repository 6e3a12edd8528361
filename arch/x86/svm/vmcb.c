// SPDX-License-Identifier: GPL-2.0
/*
 * vmcb.c - the VMCB's control fields: what is intercepted, the ASID, the tables
 */
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/tlbflush.h>
#include "svm.h"
#include "../regs.h"

/* Always intercepted, whatever the guest and userspace do. */
static const u8 svm_fixed_intercepts[] = {
	INTERCEPT_CR0_WRITE, INTERCEPT_CR4_WRITE,
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_INVD, INTERCEPT_HLT,
	INTERCEPT_INVLPGA, INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT,
	INTERCEPT_TASK_SWITCH, INTERCEPT_FERR_FREEZE, INTERCEPT_SHUTDOWN,
	INTERCEPT_RSM, INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT,
	INTERCEPT_WBINVD, INTERCEPT_MONITOR, INTERCEPT_MWAIT, INTERCEPT_XSETBV,
	INTERCEPT_RDPRU,
	/* The guest's debug registers are common code's, whatever is in the CPU. */
	INTERCEPT_DR0_READ, INTERCEPT_DR1_READ, INTERCEPT_DR2_READ, INTERCEPT_DR3_READ,
	INTERCEPT_DR4_READ, INTERCEPT_DR5_READ, INTERCEPT_DR6_READ, INTERCEPT_DR7_READ,
	INTERCEPT_DR0_WRITE, INTERCEPT_DR1_WRITE, INTERCEPT_DR2_WRITE, INTERCEPT_DR3_WRITE,
	INTERCEPT_DR4_WRITE, INTERCEPT_DR5_WRITE, INTERCEPT_DR6_WRITE, INTERCEPT_DR7_WRITE,
	/*
	 * #AC and #DB in endless delivery would hold the CPU without an exit
	 * otherwise; #MC is the host's.
	 */
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_AC,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_DB,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_MC,
};

#define SVM_SPIN_FILTER		3000	/* PAUSEs in one loop before an exit */
#define SVM_SPIN_THRESHOLD	128	/* cycles between two of one loop */

int svm_vcpu_init(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct page *msrpm;

	svm->vmcb = (struct vmcb *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	msrpm = alloc_pages(GFP_KERNEL_ACCOUNT, SVM_MSRPM_ORDER);
	if (!svm->vmcb || !msrpm) {
		free_page((unsigned long)svm->vmcb);
		if (msrpm)
			__free_pages(msrpm, SVM_MSRPM_ORDER);
		svm->vmcb = NULL;
		return -ENOMEM;
	}
	svm->vmcb_pa = __sme_set(__pa(svm->vmcb));
	svm->msrpm = page_address(msrpm);
	memset(svm->msrpm, 0xff, PAGE_SIZE << SVM_MSRPM_ORDER);
	svm->asid_cpu = -1;
	return 0;
}

void svm_vcpu_destroy(struct keel_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->vmcb)
		return;
	free_page((unsigned long)svm->vmcb);
	free_pages((unsigned long)svm->msrpm, SVM_MSRPM_ORDER);
	svm->vmcb = NULL;
}

void svm_vcpu_reset(struct keel_vcpu *vcpu, bool init)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *c = svm_control(vcpu);
	unsigned int i;

	memset(c->intercepts, 0, sizeof(c->intercepts));
	for (i = 0; i < ARRAY_SIZE(svm_fixed_intercepts); i++)
		svm_intercept(vcpu, svm_fixed_intercepts[i], true);
	if (svm_facts.pause_filter) {
		svm_intercept(vcpu, INTERCEPT_PAUSE, true);
		c->pause_filter_count = SVM_SPIN_FILTER;
		c->pause_filter_thresh = SVM_SPIN_THRESHOLD;
	}
	c->iopm_base_pa = svm_facts.iopm_pa;
	c->msrpm_base_pa = __sme_set(__pa(svm->msrpm));
	c->int_ctl = V_INTR_MASKING_MASK;
	c->int_vector = 0;
	c->int_state = 0;
	svm_clear_inject(vcpu);
	c->exit_int_info = 0;
	c->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	c->virt_ext = 0;
	c->clean = 0;
	svm->nmi_masked = false;
	svm->iret_seen = false;
	svm->stepping = false;
	svm->asid_generation = 0;
	svm_update_intercepts(vcpu);
}

void svm_update_intercepts(struct keel_vcpu *vcpu)
{
	svm_intercept(vcpu, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_BP,
		      vcpu->arch.guest_debug & KVM_GUESTDBG_USE_SW_BP);
	svm_msrpm_update(vcpu);
	svm_control(vcpu)->clean = 0;
}

/* The ratio's MSR is the CPU's: written here for a vCPU that is loaded, else at its load. */
void svm_set_tsc(struct keel_vcpu *vcpu, u64 offset, u64 ratio)
{
	svm_control(vcpu)->tsc_offset = offset;
	to_svm(vcpu)->tsc_ratio = ratio;
	preempt_disable();
	if (vcpu->cpu == smp_processor_id())
		svm_load_tsc_ratio(vcpu);
	preempt_enable();
}

void svm_flush_tlb(struct keel_vcpu *vcpu)
{
	if (svm_facts.flush_by_asid)
		svm_control(vcpu)->tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	else
		to_svm(vcpu)->asid_generation = 0;	/* a fresh ASID holds nothing */
}

void svm_set_root(struct keel_vcpu *vcpu, u64 root_hpa)
{
	svm_control(vcpu)->nested_cr3 = __sme_set(root_hpa);
	svm_flush_tlb(vcpu);
}

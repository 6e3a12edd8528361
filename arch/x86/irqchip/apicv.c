// SPDX-License-Identifier: GPL-2.0
/*
 * apicv.c - APICs that the hardware virtualizes
 *
 * Chosen for a VM with its interrupt chips, and then for all of its vCPUs. The CPU
 * works on the page of registers: it answers reads, takes EOI, TPR and self IPIs, and
 * delivers by priority. What it cannot finish comes as an exit.
 *
 * An xAPIC's registers are memory, so a page must be mapped at its address, whose
 * accesses the CPU then redirects. One page for the VM, at the default address: it
 * goes for good when one APIC of the VM is elsewhere, off, or in x2APIC mode, since
 * for that vCPU it would be memory.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <asm/io.h>
#include "apic.h"
#include "../backend.h"

#define APICV_GFN	(LAPIC_BASE_DEFAULT >> PAGE_SHIFT)
#define APICV_PIR_ALIGN	64	/* of a posted-interrupt descriptor */

static bool keel_apicv = true;
module_param_named(apicv, keel_apicv, bool, 0444);
MODULE_PARM_DESC(apicv, "let the CPU virtualize guests' APICs where it can");

static bool keel_apicv_flawed;
module_param_named(apicv_flawed, keel_apicv_flawed, bool, 0444);
MODULE_PARM_DESC(apicv_flawed, "even if it does not do so rightly (emulated CPUs, for tests)");

/* ---- the VM ---- */

static bool apicv_wanted(void)
{
	return keel_apicv && keel_caps.apicv && (!keel_caps.apicv_flawed || keel_apicv_flawed);
}

int apicv_vm_init(struct keel_vm *vm)
{
	struct page *page;

	if (!apicv_wanted())
		return 0;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	vm->arch.apicv_page = page_to_phys(page);
	vm->arch.apicv = true;
	return 0;
}

void apicv_vm_destroy(struct keel_vm *vm)
{
	if (vm->arch.apicv_page)
		__free_page(pfn_to_page(PHYS_PFN(vm->arch.apicv_page)));
	vm->arch.apicv_page = 0;
	vm->arch.apicv = false;
}

bool keel_apicv_is_page(gfn_t gfn)
{
	return gfn == APICV_GFN;
}

hpa_t keel_apicv_page(struct keel_vm *vm, gfn_t gfn)
{
	lockdep_assert_held(&vm->mmu_lock);
	if (!keel_apicv_is_page(gfn) || vm->arch.apicv_page_off)
		return 0;
	return vm->arch.apicv_page;
}

static void apicv_drop_page(struct keel_vm *vm)
{
	if (READ_ONCE(vm->arch.apicv_page_off))
		return;
	spin_lock(&vm->mmu_lock);
	WRITE_ONCE(vm->arch.apicv_page_off, true);
	if (arch_mmu_unmap(vm, APICV_GFN, APICV_GFN + 1))
		arch_mmu_flush(vm);
	spin_unlock(&vm->mmu_lock);
}

/* ---- the vCPU ---- */

/* The vectors posted to it, as the core wants them; NULL without the hardware, or -ENOMEM. */
unsigned long *apicv_create(struct keel_vcpu *vcpu)
{
	unsigned long *pir;

	if (!vcpu->vm->arch.apicv)
		return NULL;
	pir = kzalloc(APICV_PIR_ALIGN, GFP_KERNEL_ACCOUNT);
	return pir ?: ERR_PTR(-ENOMEM);
}

void apicv_mode_changed(struct keel_apic *apic)
{
	struct keel_vcpu *vcpu = apic->vcpu;
	enum lapic_mode mode = lapic_mode(&apic->core);
	bool there = mode == LAPIC_XAPIC &&
		     (apic->core.base & LAPIC_BASE_ADDR) == LAPIC_BASE_DEFAULT;

	if (!apic->core.pir)
		return;
	if (!there)
		apicv_drop_page(vcpu->vm);
	if (mode == LAPIC_X2APIC)
		vcpu->arch.apicv_mode = KEEL_APICV_X2APIC;
	else if (there && !READ_ONCE(vcpu->vm->arch.apicv_page_off))
		vcpu->arch.apicv_mode = KEEL_APICV_XAPIC;
	else
		vcpu->arch.apicv_mode = KEEL_APICV_EMULATED;
	keel_vcpu_request(vcpu, KEEL_REQ_INTERCEPTS);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
}

void apicv_take_posted(struct keel_apic *apic)
{
	if (apic->core.pir && lapic_take_posted(&apic->core))
		keel_vcpu_request(apic->vcpu, KEEL_REQ_EVENT);
}

void apicv_eoi_vectors_changed(struct keel_apic *apic)
{
	if (apic->core.pir)
		keel_op(set_eoi_exits)(apic->vcpu, apic->eoi_vectors);
}

void keel_apicv_sync(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;
	u8 irr, isr;

	if (!apic || !apic->core.pir)
		return;
	lapic_take_posted(&apic->core);
	lapic_hw_status(&apic->core, &irr, &isr);
	if (lapic_mode(&apic->core) == LAPIC_OFF)
		irr = 0;
	keel_op(set_apic_status)(vcpu, irr, isr);
}

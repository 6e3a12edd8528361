// SPDX-License-Identifier: GPL-2.0
/*
 * vcpu.c - a vCPU's life: made of its parts, reset, put on a CPU
 */
#include <linux/percpu.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <keel/arch.h>
#include "backend.h"
#include "clock.h"
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "msr.h"
#include "regs.h"
#include "run.h"

static_assert((int)KEEL_REQ_EVENT == (int)KEEL_REQ_ARCH);

static int keel_backend_vcpu_init(struct keel_vcpu *vcpu)
{
	return keel_op(vcpu_init)(vcpu);
}

static void keel_backend_vcpu_destroy(struct keel_vcpu *vcpu)
{
	keel_op(vcpu_destroy)(vcpu);
}

static int keel_vcpu_apic_init(struct keel_vcpu *vcpu)
{
	if (vcpu->vm->arch.irqchip_mode == KEEL_IRQCHIP_NONE)
		return 0;
	return keel_apic_create(vcpu);
}

static void keel_vcpu_apic_destroy(struct keel_vcpu *vcpu)
{
	if (keel_apic_in_kernel(vcpu))
		keel_apic_destroy(vcpu);
}

void keel_vcpu_reset(struct keel_vcpu *vcpu, bool init)
{
	keel_op(vcpu_reset)(vcpu, init);
	keel_events_reset(vcpu);
	if (keel_apic_in_kernel(vcpu))
		keel_apic_reset(vcpu, init);
	keel_regs_reset(vcpu, init);
	keel_fpu_reset(vcpu, init);
	keel_msr_reset(vcpu, init);
	if (!init)
		keel_clock_vcpu_reset(vcpu);
	keel_op(set_root)(vcpu, keel_mmu_root(vcpu->vm));
	keel_op(update_intercepts)(vcpu);
}

static const struct keel_vcpu_part {
	int (*init)(struct keel_vcpu *vcpu);
	void (*destroy)(struct keel_vcpu *vcpu);
} keel_vcpu_parts[] = {
	{ keel_vcpu_apic_init,		keel_vcpu_apic_destroy },	/* its page, before */
	{ keel_backend_vcpu_init,	keel_backend_vcpu_destroy },
	{ keel_mmu_vcpu_init,		keel_mmu_vcpu_destroy },
	{ keel_cpuid_init,		keel_cpuid_destroy },
	{ keel_msr_init,		keel_msr_destroy },
	{ keel_fpu_init,		keel_fpu_destroy },
};

static void keel_vcpu_parts_destroy(struct keel_vcpu *vcpu, int n)
{
	while (n--)
		keel_vcpu_parts[n].destroy(vcpu);
}

int arch_vcpu_init(struct keel_vcpu *vcpu)
{
	unsigned int i;
	int r;

	vcpu->arch.user_irq = -1;
	vcpu->arch.apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
	if (vcpu->id == vcpu->vm->arch.bsp_vcpu_id)
		vcpu->arch.apic_base |= MSR_IA32_APICBASE_BSP;
	else if (vcpu->vm->arch.irqchip_mode != KEEL_IRQCHIP_NONE)
		vcpu->arch.mp_state = KVM_MP_STATE_UNINITIALIZED;
	for (i = 0; i < ARRAY_SIZE(keel_vcpu_parts); i++) {
		r = keel_vcpu_parts[i].init(vcpu);
		if (r) {
			keel_vcpu_parts_destroy(vcpu, i);
			return r;
		}
	}
	keel_clock_vcpu_init(vcpu);
	keel_vcpu_load(vcpu);
	keel_vcpu_reset(vcpu, false);
	keel_vcpu_put(vcpu);
	return 0;
}

void arch_vcpu_created(struct keel_vcpu *vcpu)
{
	keel_vcpu_load(vcpu);
	keel_clock_vcpu_created(vcpu);
	if (keel_apic_in_kernel(vcpu))
		keel_apic_created(vcpu);
	keel_vcpu_request(vcpu, KEEL_REQ_INTERCEPTS);	/* what others were told before */
	keel_vcpu_put(vcpu);
}

/* That was last on this CPU; only to compare with. */
static DEFINE_PER_CPU(struct keel_vcpu *, keel_last_vcpu);

/* Two guests, or two vCPUs that do not trust each other, must not share branch history. */
static void keel_vcpu_barrier(struct keel_vcpu *vcpu)
{
	if (this_cpu_read(keel_last_vcpu) == vcpu)
		return;
	this_cpu_write(keel_last_vcpu, vcpu);
	if (boot_cpu_has(X86_FEATURE_USE_IBPB))
		indirect_branch_prediction_barrier();
}

/* Another vCPU in the same memory must not look like this one. */
static void keel_vcpu_forget(struct keel_vcpu *vcpu)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(keel_last_vcpu, cpu), vcpu, NULL);
}

void arch_vcpu_destroy(struct keel_vcpu *vcpu)
{
	keel_vcpu_parts_destroy(vcpu, ARRAY_SIZE(keel_vcpu_parts));
	keel_vcpu_forget(vcpu);
}

/* Preemption off: also at each time the thread is scheduled in. */
void arch_vcpu_load(struct keel_vcpu *vcpu, int cpu)
{
	bool moved = vcpu->arch.last_cpu != cpu;

	keel_op(vcpu_load)(vcpu, cpu);
	keel_vcpu_barrier(vcpu);
	keel_clock_load(vcpu, cpu);
	if (moved)
		keel_vcpu_request(vcpu, KEEL_REQ_MIGRATE_TIMER);
}

void arch_vcpu_put(struct keel_vcpu *vcpu)
{
	keel_clock_put(vcpu);
	keel_op(vcpu_put)(vcpu);
}

bool arch_vcpu_in_kernel(struct keel_vcpu *vcpu)
{
	return keel_op(get_cpl)(vcpu) == 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * steal.c - time that the vCPU wanted to run and did not, as the guest is told of it
 */
#include <linux/mm_types.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>
#include <asm/kvm_para.h>
#include <keel/gfn.h>
#include "clock_int.h"

#define STEAL_RESERVED	GENMASK_ULL(5, 1)

static gpa_t steal_gpa(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.clock.steal_msr & ~(STEAL_RESERVED | KVM_MSR_ENABLED);
}

static bool steal_enabled(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.clock.steal_msr & KVM_MSR_ENABLED;
}

void steal_vcpu_reset(struct keel_vcpu *vcpu)
{
	vcpu->arch.clock.steal_msr = 0;
}

int keel_clock_set_steal(struct keel_vcpu *vcpu, u64 val)
{
	if (!sched_info_on() || (val & STEAL_RESERVED))
		return -EINVAL;
	vcpu->arch.clock.steal_msr = val;
	vcpu->arch.clock.last_steal = clock_run_delay();
	vcpu->arch.clock.preempted = false;
	if (val & KVM_MSR_ENABLED)
		keel_vcpu_request(vcpu, KEEL_REQ_STEAL);
	return 0;
}

/* Odd version, values, even version. The structure lies within one page by its alignment. */
static void write_steal(struct keel_vcpu *vcpu, gpa_t gpa)
{
	struct keel_pvclock *c = &vcpu->arch.clock;
	u64 delay = clock_run_delay();
	struct kvm_steal_time st;
	u32 version;

	if (keel_read_guest(vcpu, gpa, &st, sizeof(st)))
		return;
	version = (st.version + 1) | 1;
	if (keel_write_guest(vcpu, gpa + offsetof(struct kvm_steal_time, version), &version,
			     sizeof(version)))
		return;
	smp_wmb();	/* odd, before the rest changes */
	st.steal += delay - c->last_steal;
	st.preempted = 0;
	keel_write_guest(vcpu, gpa + offsetof(struct kvm_steal_time, steal), &st.steal,
			 sizeof(st.steal));
	keel_write_guest(vcpu, gpa + offsetof(struct kvm_steal_time, preempted), &st.preempted,
			 sizeof(st.preempted));
	smp_wmb();	/* the rest, before it is even again */
	version++;
	keel_write_guest(vcpu, gpa + offsetof(struct kvm_steal_time, version), &version,
			 sizeof(version));
	c->last_steal = delay;
	c->preempted = false;
}

void keel_steal_update(struct keel_vcpu *vcpu)
{
	if (!steal_enabled(vcpu))
		return;
	keel_mem_enter(vcpu);
	write_steal(vcpu, steal_gpa(vcpu));
	keel_mem_leave(vcpu);
}

void steal_load(struct keel_vcpu *vcpu)
{
	if (steal_enabled(vcpu))
		keel_vcpu_request(vcpu, KEEL_REQ_STEAL);
}

/*
 * Other vCPUs of the guest need not wait for one that does not run. The scheduler calls
 * this: a page that is not there now is left alone. keel_mem_enter() may be half done
 * below us, so this has an SRCU section of its own.
 */
void steal_put(struct keel_vcpu *vcpu)
{
	gpa_t gpa = steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted);
	struct keel_vm *vm = vcpu->vm;
	static const u8 preempted = KVM_VCPU_PREEMPTED;
	struct keel_memslot *slot;
	unsigned long hva;
	int idx;

	if (!steal_enabled(vcpu) || vcpu->arch.clock.preempted || current->mm != vm->mm)
		return;
	idx = srcu_read_lock(&vm->srcu);
	slot = keel_memslot_find(vm, gpa >> PAGE_SHIFT);
	if (slot && keel_slot_writable(slot)) {
		hva = keel_slot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa);
		if (!copy_to_user_nofault((void __user *)hva, &preempted, sizeof(preempted))) {
			vcpu->arch.clock.preempted = true;
			keel_mark_dirty(vm, slot, gpa >> PAGE_SHIFT);
		}
	}
	srcu_read_unlock(&vm->srcu, idx);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * kick.c - get a vCPU's attention, or that of all, from another CPU
 *
 * The protocol. The vCPU thread, interrupts off, before each entry:
 *
 *	mode = KEEL_IN_GUEST
 *	full barrier (smp_store_mb)
 *	test requests, and that mode is still KEEL_IN_GUEST; else do not enter
 *
 * and after each exit, before interrupts go on, mode = KEEL_OUTSIDE_GUEST. Who wants attention:
 *
 *	set the request
 *	full barrier
 *	test mode; if the vCPU is in the guest, IPI
 *
 * Of two stores each followed by a full barrier and a load of the other one's,
 * at least one load sees the other store: either the vCPU sees the request and
 * does not enter, or the IPI is sent and ends the guest's time. An IPI that is
 * sent while interrupts are still off before entry is pending at the entry, and
 * the CPU exits at once.
 */
#include <linux/cpumask.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>	/* smp_send_reschedule() traces from 6.4 on */
#include <keel/vcpu.h>
#include "virt.h"

static DEFINE_PER_CPU(cpumask_var_t, kick_mask);

int keel_kick_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (!zalloc_cpumask_var_node(&per_cpu(kick_mask, cpu), GFP_KERNEL,
					     cpu_to_node(cpu))) {
			keel_kick_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

void keel_kick_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(kick_mask, cpu));
}

/* Moving mode from IN_GUEST to EXITING_GUEST makes one IPI enough for many kicks. */
void keel_vcpu_kick(struct keel_vcpu *vcpu)
{
	int me, cpu;

	if (rcuwait_wake_up(&vcpu->wait))
		return;

	me = get_cpu();
	smp_mb(); /* the request, before mode is looked at */
	if (cmpxchg(&vcpu->mode, KEEL_IN_GUEST, KEEL_EXITING_GUEST) == KEEL_IN_GUEST) {
		/*
		 * On this very CPU we are an interrupt that the vCPU left the
		 * guest for, or took before entry, or its own thread between two
		 * entries: it will see the new mode.
		 */
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && (unsigned int)cpu < nr_cpu_ids && cpu_online(cpu))
			smp_send_reschedule(cpu);
	}
	put_cpu();
}

void keel_kick_self(void)
{
	smp_send_reschedule(smp_processor_id());
}

static void kick_ack(void *unused)
{
	/* The interrupt itself was the purpose: the vCPU has left the guest. */
}

/*
 * CPUs whose vCPU may be in the guest with the request unseen. EXITING_GUEST
 * counts: another's kick is on its way there, but the guest may still run. A vCPU
 * that moves to another CPU while we look has been outside, and has seen the
 * request before it entered again, so an old number in vcpu->cpu does no harm.
 */
static void kick_collect(struct keel_vm *vm, unsigned int req, struct cpumask *mask)
{
	struct keel_vcpu *vcpu;
	unsigned int i;
	int cpu;

	cpumask_clear(mask);
	keel_for_each_vcpu(i, vcpu, vm) {
		keel_vcpu_request(vcpu, req);
		smp_mb__after_atomic(); /* the request, before mode is looked at */
		if (smp_load_acquire(&vcpu->mode) == KEEL_OUTSIDE_GUEST)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if ((unsigned int)cpu < nr_cpu_ids)
			cpumask_set_cpu(cpu, mask);
	}
}

/*
 * smp_call_function_many() leaves out this CPU: a vCPU loaded here is us, or was
 * preempted, and not in the guest either way. It waits for every CPU in the mask
 * to have run kick_ack(), so none of them may spin for mmu_lock with interrupts
 * off: nobody takes mmu_lock so.
 */
void keel_request_all(struct keel_vm *vm, unsigned int req)
{
	struct cpumask *mask;
	int cpu;

	cpu = get_cpu();
	mask = per_cpu(kick_mask, cpu);
	kick_collect(vm, req, mask);
	if (!cpumask_empty(mask))
		smp_call_function_many(mask, kick_ack, NULL, true);
	put_cpu();
}

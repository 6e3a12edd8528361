/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig.h - a VM with memory and vCPUs for the tests within the kernel
 *
 * KUnit runs each case in a kernel thread. A case that needs a VM borrows the address
 * space of the process that started the tests.
 */
#ifndef KEEL_KUNIT_RIG_H
#define KEEL_KUNIT_RIG_H

#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <keel/arch.h>
#include <keel/gfn.h>

#define RIG_VCPUS	3
#define RIG_PAGES	512UL
#define RIG_BASE	0x100000ULL	/* where the memory is in the guest; slot 0 */

struct rig {
	struct keel_vm *vm;
	struct keel_vcpu *vcpu[RIG_VCPUS];
	unsigned long hva;
};

/* .init and .exit of suites with a VM: test->priv is the rig. The chips are in the kernel. */
int rig_init(struct kunit *test);
void rig_exit(struct kunit *test);

/* vCPU's mutex and the CPU, as an ioctl has them. */
void rig_load(struct keel_vcpu *vcpu);
void rig_put(struct keel_vcpu *vcpu);

/* Begin the series of the parameter kunit_seed, which the runner prints. */
void rig_random(struct rnd_state *rnd);

/* All local APICs are on by their spurious-interrupt registers. No vCPU loaded. */
void rig_enable_apics(struct rig *rig);

/* The supported CPUID table, in the rig's memory, for @vcpu, which is loaded. Asserts. */
void rig_give_cpuid(struct kunit *test, struct keel_vcpu *vcpu);

/* Memory of the borrowed address space; with @at at that place, whatever is there. */
unsigned long rig_map(unsigned long at, unsigned long pages);

/* Handle a second-level fault at @gfn: a result of keel_fault_exit(). vCPU loaded. */
int rig_fault(struct keel_vcpu *vcpu, gfn_t gfn, bool write);

/* Is @gfn mapped for the CPU? Takes mmu_lock. */
bool rig_mapped(struct keel_vm *vm, gfn_t gfn);

/*
 * A thread that calls @fn over and over until rig_thread_stop(), in the rig's address space.
 */
struct rig_thread {
	struct task_struct *task;
	void (*fn)(void *arg);
	void *arg;
	unsigned long rounds;
};

/* Is it asleep until somebody wakes it? */
static inline bool rig_thread_sleeps(const struct rig_thread *t)
{
	return READ_ONCE(t->task->__state) == TASK_INTERRUPTIBLE;
}

/* Does @cond come true in a time that only a hang exceeds? May sleep. */
#define rig_soon(cond) ({							\
	unsigned long __end = jiffies + 60 * HZ;				\
	unsigned int __tries = 0;						\
	bool __true;								\
										\
	while (!(__true = (cond)) && time_before(jiffies, __end)) {		\
		if (__tries++ < 100)						\
			cond_resched();						\
		else								\
			schedule_timeout_uninterruptible(1);			\
	}									\
	__true;									\
})

void rig_thread_start(struct kunit *test, struct rig_thread *t);
void rig_thread_stop(struct rig_thread *t);

#define rig_of(test)	((struct rig *)(test)->priv)

/* One of each file. */
extern struct kunit_suite keel_stage2_suite, keel_notifier_suite, keel_event_suite,
	keel_request_suite, keel_routing_suite, keel_bus_suite, keel_slots_suite,
	keel_policy_suite, keel_stats_suite, keel_apic_map_suite;

#endif

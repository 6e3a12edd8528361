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

void rig_thread_start(struct kunit *test, struct rig_thread *t);
void rig_thread_stop(struct rig_thread *t);

#define rig_of(test)	((struct rig *)(test)->priv)

/* One of each file. */
extern struct kunit_suite keel_stage2_suite, keel_notifier_suite, keel_event_suite,
	keel_request_suite, keel_routing_suite, keel_bus_suite, keel_slots_suite,
	keel_policy_suite, keel_stats_suite;

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * yield.c - a vCPU that waits for another of its VM lets that one have the CPU
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <keel/arch.h>
#include <keel/vcpu.h>

#define YIELD_TRIES	3	/* that the scheduler refuses, before the next is left alone */

/* <0: the scheduler will not; 0: it may stay, or is gone; >0: the target is next. */
static int yield_to_thread(struct keel_vcpu *target)
{
	struct task_struct *task;
	int r;

	rcu_read_lock();
	task = get_pid_task(rcu_dereference(target->pid), PIDTYPE_PID);
	rcu_read_unlock();
	if (!task)
		return 0;
	r = yield_to(task, true);
	put_task_struct(task);
	return r;
}

bool keel_vcpu_yield_to(struct keel_vcpu *vcpu, struct keel_vcpu *target)
{
	return target != vcpu && READ_ONCE(target->preempted) && yield_to_thread(target) > 0;
}

static bool may_hold(struct keel_vcpu *target, bool kernel)
{
	return READ_ONCE(target->preempted) &&
	       (!kernel || READ_ONCE(target->preempted_in_kernel));
}

/*
 * Who holds what we spin for is not known: one after the other of those whose time was
 * taken gets a turn, the one after the last first. A guest's kernel waits for its kernel.
 */
void keel_vcpu_spins(struct keel_vcpu *vcpu)
{
	bool kernel = arch_vcpu_in_kernel(vcpu);
	struct keel_vm *vm = vcpu->vm;
	unsigned int n = READ_ONCE(vm->nr_vcpus), at = READ_ONCE(vm->last_yield), i;
	struct keel_vcpu *target;
	int r, tries = YIELD_TRIES;

	for (i = 0; i < n && tries; i++) {
		at = at + 1 < n ? at + 1 : 0;
		target = keel_vcpu_by_index(vm, at);
		if (!target || target == vcpu || !may_hold(target, kernel))
			continue;
		r = yield_to_thread(target);
		if (r > 0) {
			WRITE_ONCE(vm->last_yield, at);
			return;
		}
		tries -= r < 0;
	}
	cond_resched();
}

// SPDX-License-Identifier: GPL-2.0
/*
 * vcpu_run.c - a thread's time as a vCPU: KVM_RUN, load and put, HLT, read sections
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <keel/arch.h>
#include "virt.h"

static struct keel_vcpu *pn_to_vcpu(struct preempt_notifier *pn)
{
	return container_of(pn, struct keel_vcpu, pn);
}

static void vcpu_sched_in(struct preempt_notifier *pn, int cpu)
{
	struct keel_vcpu *vcpu = pn_to_vcpu(pn);

	WRITE_ONCE(vcpu->preempted, false);
	WRITE_ONCE(vcpu->cpu, cpu);
	arch_vcpu_load(vcpu, cpu);
}

/* Still runnable: it did not go to sleep, its time was taken. */
static void vcpu_sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct keel_vcpu *vcpu = pn_to_vcpu(pn);

	if (task_is_running(current)) {
		WRITE_ONCE(vcpu->preempted_in_kernel, arch_vcpu_in_kernel(vcpu));
		WRITE_ONCE(vcpu->preempted, true);
	}
	arch_vcpu_put(vcpu);
	WRITE_ONCE(vcpu->cpu, -1);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

void keel_vcpu_notifier_init(struct keel_vcpu *vcpu)
{
	preempt_notifier_init(&vcpu->pn, &vcpu_preempt_ops);
}

void keel_vcpu_load(struct keel_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->pn);
	WRITE_ONCE(vcpu->cpu, cpu);
	arch_vcpu_load(vcpu, cpu);
	put_cpu();
}

void keel_vcpu_put(struct keel_vcpu *vcpu)
{
	preempt_disable();
	arch_vcpu_put(vcpu);
	WRITE_ONCE(vcpu->cpu, -1);
	preempt_notifier_unregister(&vcpu->pn);
	preempt_enable();
}

/*
 * A signal that the set blocks but the thread does not must neither run its
 * handler here nor get lost: real_blocked makes the signal code treat it as
 * blocked by choice, as sigtimedwait() does.
 */
static void vcpu_sigset_enter(struct keel_vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void vcpu_sigset_leave(struct keel_vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

/* Readers of vcpu->pid are in RCU read sections; put_pid() frees at once. */
static void vcpu_note_thread(struct keel_vcpu *vcpu)
{
	struct pid *old = rcu_dereference_protected(vcpu->pid, lockdep_is_held(&vcpu->mutex));

	if (likely(old == task_pid(current)))
		return;
	rcu_assign_pointer(vcpu->pid, get_task_pid(current, PIDTYPE_PID));
	if (old)
		synchronize_rcu();
	put_pid(old);
}

long keel_vcpu_run(struct keel_vcpu *vcpu)
{
	long r;

	lockdep_assert_held(&vcpu->mutex);
	vcpu_note_thread(vcpu);
	vcpu_sigset_enter(vcpu);
	r = arch_vcpu_run(vcpu);
	vcpu_sigset_leave(vcpu);
	if (!r)
		keel_count(&vcpu->stat.user_exits, 1);
	return r;
}

static bool vcpu_block_ends(struct keel_vcpu *vcpu)
{
	return keel_vcpu_requested(vcpu, KEEL_REQ_UNBLOCK) ||
	       keel_vcpu_requested(vcpu, KEEL_REQ_DEAD) ||
	       keel_vcpu_requested(vcpu, KEEL_REQ_OUT) ||
	       arch_vcpu_runnable(vcpu);
}

/*
 * Sleeps with the vCPU loaded: the preempt notifier takes it off this CPU.
 * The condition is tested after the thread's state is set and its name is in
 * vcpu->wait, with a full barrier between; a waker sets the condition and then,
 * after a full barrier in rcuwait_wake_up(), looks for the name. One of the two
 * sees the other.
 */
void keel_vcpu_block(struct keel_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->stat.blocking, 1);
	if (!rcuwait_wait_event(&vcpu->wait, vcpu_block_ends(vcpu), TASK_INTERRUPTIBLE))
		keel_count(&vcpu->stat.wakeups, 1);
	WRITE_ONCE(vcpu->stat.blocking, 0);
}

void keel_mem_enter(struct keel_vcpu *vcpu)
{
	if (vcpu->srcu_depth++)
		return;
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	__release(&vcpu->vm->srcu);	/* for sparse: the section outlives this function */
	vcpu->last_slot = NULL;
}

void keel_mem_leave(struct keel_vcpu *vcpu)
{
	if (--vcpu->srcu_depth)
		return;
	vcpu->last_slot = NULL;
	__acquire(&vcpu->vm->srcu);
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
}

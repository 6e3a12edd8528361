// SPDX-License-Identifier: GPL-2.0
/*
 * clock.c - the host's clocks as guests depend on them
 *
 * The timekeeper tells when it changes to or from the TSC; suspending may set the TSC
 * back. In both cases every VM gets a new time base, from a worker: the notifier runs
 * with the timekeeper's lock held.
 */
#include <linux/clocksource.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <linux/workqueue.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <keel/compat.h>
#include "clock_int.h"

static bool host_counts_tsc;		/* the timekeeper's clock source is the TSC */
static u64 tsc_shift;			/* written with one CPU up and interrupts off */
static u64 tsc_at_suspend;
static bool resumed;			/* the worker tells guests that they were paused */

u64 clock_tsc_shift(void)
{
	return READ_ONCE(tsc_shift);
}

/* ---- a moment ---- */

static u64 boot_ns(ktime_t raw)
{
	/* Monotonic time 0, as boot time: what was spent in suspend. */
	return ktime_to_ns(raw) + ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT));
}

bool clock_read_exact(struct clock_moment *m)
{
	struct system_time_snapshot snap;

	if (!READ_ONCE(host_counts_tsc))
		return false;
	ktime_get_snapshot(&snap);
	/* The notifier runs inside the change that the snapshot would have been torn by. */
	if (!READ_ONCE(host_counts_tsc))
		return false;
	m->ns = boot_ns(snap.raw);
	m->real_ns = ktime_to_ns(snap.real);
	m->tsc = snap.cycles;
	return true;
}

void clock_read_near(struct clock_moment *m)
{
	unsigned long flags;

	local_irq_save(flags);
	m->tsc = rdtsc_ordered();
	m->ns = boot_ns(ktime_get_raw());
	m->real_ns = ktime_get_real_ns();
	local_irq_restore(flags);
}

/* ---- changes of the host's clock ---- */

/*
 * The VM behind @vm, with a reference, which @vm's is given up for; NULL at the end. One
 * whose last reference is gone is passed over.
 */
static struct keel_vm *next_vm(struct keel_vm *vm)
{
	struct keel_vm *next = NULL;
	struct list_head *pos;

	mutex_lock(&keel_vm_list_lock);
	pos = vm ? vm->link.next : keel_vm_list.next;
	for (; pos != &keel_vm_list; pos = pos->next) {
		next = list_entry(pos, struct keel_vm, link);
		if (kref_get_unless_zero(&next->ref))
			break;
		next = NULL;
	}
	mutex_unlock(&keel_vm_list_lock);
	if (vm)
		keel_vm_put(vm);
	return next;
}

/* The guest is told; and its timer counts in a TSC that may have started anew. */
static void tell_paused(struct keel_vm *vm)
{
	struct keel_vcpu *vcpu;
	unsigned int i;

	keel_for_each_vcpu(i, vcpu, vm) {
		WRITE_ONCE(vcpu->arch.clock.stopped, true);
		keel_vcpu_request(vcpu, KEEL_REQ_MIGRATE_TIMER);
		keel_vcpu_kick(vcpu);
	}
}

static void revise_all(struct work_struct *work)
{
	bool was_suspended = xchg(&resumed, false);
	struct keel_vm *vm;

	for (vm = next_vm(NULL); vm; vm = next_vm(vm)) {
		if (was_suspended) {
			tell_paused(vm);
			pvclock_rebase(vm);
		} else {
			pvclock_revise(vm);
		}
	}
}

static DECLARE_WORK(clock_work, revise_all);

static void queue_revision(struct irq_work *work)
{
	schedule_work(&clock_work);
}

static DEFINE_IRQ_WORK(clock_irq_work, queue_revision);

/* At each tick, with the timekeeper's lock held: a worker cannot be queued from here. */
static int timekeeper_changed(struct notifier_block *nb, unsigned long stepped, void *priv)
{
	const struct timekeeper *tk = priv;
	bool tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	if (tsc != READ_ONCE(host_counts_tsc)) {
		WRITE_ONCE(host_counts_tsc, tsc);
		irq_work_queue(&clock_irq_work);
	}
	return NOTIFY_OK;
}

static struct notifier_block timekeeper_nb = {
	.notifier_call = timekeeper_changed,
};

static int clock_suspend(KEEL_COMPAT_SYSCORE_ARG)
{
	tsc_at_suspend = rdtsc_ordered();
	return 0;
}

static void clock_resume(KEEL_COMPAT_SYSCORE_ARG)
{
	u64 now = rdtsc_ordered();

	if (now < tsc_at_suspend)
		WRITE_ONCE(tsc_shift, tsc_shift + tsc_at_suspend - now);
	WRITE_ONCE(resumed, true);
	schedule_work(&clock_work);
}

KEEL_COMPAT_DEFINE_SYSCORE(clock_syscore, clock_suspend, clock_resume);

int keel_clock_setup(void)
{
	int r = pvclock_gtod_register_notifier(&timekeeper_nb);

	if (!r)
		keel_compat_register_syscore(&clock_syscore);
	return r;
}

void keel_clock_exit(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_nb);
	keel_compat_unregister_syscore(&clock_syscore);
	irq_work_sync(&clock_irq_work);
	cancel_work_sync(&clock_work);
}

/* ---- VMs and vCPUs ---- */

void keel_clock_vm_init(struct keel_vm *vm)
{
	tsc_vm_init(vm);
	pvclock_vm_init(vm);
}

void keel_clock_vcpu_init(struct keel_vcpu *vcpu)
{
	vcpu->arch.clock.cpu = -1;
	tsc_vcpu_init(vcpu);
}

void keel_clock_vcpu_reset(struct keel_vcpu *vcpu)
{
	pvclock_vcpu_reset(vcpu);
	steal_vcpu_reset(vcpu);
}

/*
 * Without a master each CPU's TSC needs its own pair: always where TSCs are not to be
 * trusted, else on another CPU, and now and then so that the clocks do not drift apart.
 */
static bool needs_clock(struct keel_vcpu *vcpu, int cpu)
{
	struct keel_pvclock *c = &vcpu->arch.clock;

	if (!(c->msr & KVM_MSR_ENABLED))
		return false;	/* what enables it asks for it */
	if (READ_ONCE(vcpu->vm->arch.master_clock))
		return false;
	return c->cpu != cpu || check_tsc_unstable() ||
	       ktime_get_boottime_ns() - c->written_ns > NSEC_PER_SEC;
}

void keel_clock_load(struct keel_vcpu *vcpu, int cpu)
{
	tsc_load(vcpu);
	if (needs_clock(vcpu, cpu))
		keel_vcpu_request(vcpu, KEEL_REQ_CLOCK);
	vcpu->arch.clock.cpu = cpu;
	steal_load(vcpu);
}

void keel_clock_put(struct keel_vcpu *vcpu)
{
	tsc_put(vcpu);
	steal_put(vcpu);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * apic_timer.c - the local APIC's timer on the host's clock
 *
 * The hrtimer only asks the vCPU thread to look; that delivers, and sets it for
 * the next period. So a vCPU that does not run costs the host no interrupts, and
 * finds one tick when it comes back.
 *
 * Where the CPU can end the guest's run at a time (caps.preempt_timer), that takes the
 * hrtimer's place, which is then for a vCPU that waits in HLT.
 */
#include <linux/ktime.h>
#include "apic.h"
#include <asm/msr.h>
#include <asm/tsc.h>
#include <keel/compat.h>
#include "../backend.h"
#include "../clock.h"
#include "../clockmath.h"

/* On the vCPU's own CPU, where expiry is an exit at once; RT: in hard interrupt. */
#define APIC_HRTIMER_MODE	HRTIMER_MODE_ABS_PINNED_HARD

static enum hrtimer_restart apic_timer_fn(struct hrtimer *hrtimer)
{
	struct keel_apic *apic = container_of(hrtimer, struct keel_apic, hrtimer);

	keel_vcpu_request(apic->vcpu, KEEL_REQ_APIC_TIMER);
	keel_vcpu_kick(apic->vcpu);
	return HRTIMER_NORESTART;
}

static void apic_clock(struct keel_apic *apic, struct lapic_clock *c)
{
	c->now = ktime_get_ns();
	c->khz = apic->vcpu->arch.tsc_khz;
	c->tsc = apic->timer.mode == LAPIC_TIMER_DEADLINE ? keel_guest_tsc(apic->vcpu) : 0;
}

/* One that runs just now is noticed as not due. */
static void apic_timer_cancel(struct keel_apic *apic)
{
	if (apic->hrtimer_armed)
		hrtimer_try_to_cancel(&apic->hrtimer);
	apic->hrtimer_armed = false;
}

/* Should the host's two clocks disagree, the exit comes early, and this is done again. */
static u64 apic_timer_host_tsc(const struct lapic_timer *t, u64 now)
{
	return (rdtsc() + clock_ns_to_cycles(t->expires - now, tsc_khz)) | 1;
}

/* Bring the timers in line with the core. */
static void apic_timer_arm(struct keel_apic *apic)
{
	const struct lapic_timer *t = &apic->timer;
	u64 now = ktime_get_ns();

	apic->vcpu->arch.exit_at_tsc = 0;
	if (!t->armed) {
		apic_timer_cancel(apic);
	} else if (lapic_timer_due(t, now)) {
		keel_vcpu_request(apic->vcpu, KEEL_REQ_APIC_TIMER);
	} else if (keel_caps.preempt_timer && !apic->waiting) {
		apic_timer_cancel(apic);
		apic->vcpu->arch.exit_at_tsc = apic_timer_host_tsc(t, now);
	} else {
		hrtimer_start(&apic->hrtimer, ns_to_ktime(t->expires), APIC_HRTIMER_MODE);
		apic->hrtimer_armed = true;
	}
}

void keel_apic_timer_wait(struct keel_vcpu *vcpu, bool wait)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (!apic || !keel_caps.preempt_timer)
		return;
	apic->waiting = wait;
	if (apic->timer.armed)
		apic_timer_arm(apic);
}

void apic_timer_init(struct keel_apic *apic)
{
	hrtimer_setup(&apic->hrtimer, apic_timer_fn, CLOCK_MONOTONIC, APIC_HRTIMER_MODE);
	lapic_timer_reset(&apic->timer);
}

void apic_timer_stop(struct keel_apic *apic)
{
	lapic_timer_reset(&apic->timer);
	apic_timer_arm(apic);
}

void apic_timer_written(struct keel_apic *apic, unsigned int what)
{
	struct lapic_timer *t = &apic->timer;
	u64 now = ktime_get_ns();

	if (what & LAPIC_FX_LVTT)
		lapic_timer_set_mode(t, lapic_get(&apic->core, LAPIC_LVTT));
	if (what & LAPIC_FX_TDCR)
		lapic_timer_set_divide(t, lapic_get(&apic->core, LAPIC_TDCR), now);
	if (what & LAPIC_FX_TMICT)
		lapic_timer_start(t, lapic_get(&apic->core, LAPIC_TMICT), now);
	apic_timer_arm(apic);
}

void apic_timer_restore(struct keel_apic *apic, u32 initial, u32 current_count)
{
	struct lapic_timer *t = &apic->timer;
	u64 now = ktime_get_ns();

	lapic_timer_set_mode(t, lapic_get(&apic->core, LAPIC_LVTT));
	lapic_timer_set_divide(t, lapic_get(&apic->core, LAPIC_TDCR), now);
	lapic_timer_restore(t, initial, current_count, now);
	apic_timer_arm(apic);
}

u32 apic_timer_count(struct keel_apic *apic)
{
	return lapic_timer_count(&apic->timer, ktime_get_ns());
}

void keel_apic_timer_expired(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_clock c;

	if (!apic || !apic->timer.armed)
		return;
	apic_clock(apic, &c);
	if (lapic_timer_expire(&apic->timer, &c) &&
	    lapic_lvt_post(&apic->core, LAPIC_LVTT) > LAPIC_COALESCED)
		keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	apic_timer_arm(apic);
}

bool keel_apic_timer_pending(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (!apic || !apic->timer.armed)
		return false;
	if (lapic_get(&apic->core, LAPIC_LVTT) & LAPIC_LVT_MASKED)
		return false;
	return lapic_timer_due(&apic->timer, ktime_get_ns());
}

void keel_apic_timer_migrate(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (apic && apic->timer.armed)
		apic_timer_arm(apic);
}

u64 keel_apic_get_tsc_deadline(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (!apic || lapic_mode(&apic->core) == LAPIC_OFF)
		return 0;
	keel_apic_timer_expired(vcpu);	/* it reads as 0 once it has passed */
	return apic->timer.deadline;
}

void keel_apic_set_tsc_deadline(struct keel_vcpu *vcpu, u64 tsc)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_clock c;

	if (!apic || lapic_mode(&apic->core) == LAPIC_OFF)
		return;
	if (apic->timer.mode != LAPIC_TIMER_DEADLINE)
		return;
	apic_clock(apic, &c);
	lapic_timer_set_deadline(&apic->timer, tsc, &c);
	apic_timer_arm(apic);
}

void keel_apic_tsc_changed(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_clock c;

	if (!apic || apic->timer.mode != LAPIC_TIMER_DEADLINE || !apic->timer.armed)
		return;
	apic_clock(apic, &c);
	lapic_timer_tsc_changed(&apic->timer, &c);
	apic_timer_arm(apic);
}

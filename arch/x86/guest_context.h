/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guest_context.h - telling the kernel that a CPU runs a guest
 *
 * For RCU a guest is like user mode: nothing between enter and exit may be traced,
 * use RCU or take a lock. Interrupts are off in the host and on in the guest.
 */
#ifndef KEEL_X86_GUEST_CONTEXT_H
#define KEEL_X86_GUEST_CONTEXT_H

#include <linux/context_tracking.h>
#include <linux/instrumentation.h>
#include <linux/ftrace.h>
#include <linux/irqflags.h>
#include <linux/vtime.h>
#include <keel/compat.h>

/*
 * CPU time is the guest's from here to keel_guest_time_exit(). Interrupts off. Once for many
 * entries: RCU need not be told at each that nothing is being read here.
 */
static __always_inline void keel_guest_time_enter(void)
{
	keel_compat_rcu_note_guest();
	vtime_account_guest_enter();
}

/* Interrupts off; ticks that were due have been taken before. */
static __always_inline void keel_guest_time_exit(void)
{
	vtime_account_guest_exit();
}

static __always_inline void keel_guest_state_enter(void)
{
	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	context_tracking_guest_enter();
	instrumentation_end();
	lockdep_hardirqs_on(CALLER_ADDR0);
}

static __always_inline void keel_guest_state_exit(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	context_tracking_guest_exit();
	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * event.c - which event the CPU gets next, on the backend that this host has
 */
#include <asm/trapnr.h>
#include "arch/x86/backend.h"
#include "arch/x86/event.h"
#include "arch/x86/irqchip/irqchip.h"
#include "arch/x86/regs.h"
#include "rig.h"

#define GP	X86_TRAP_GP
#define PF	X86_TRAP_PF
#define DF	X86_TRAP_DF
#define UD	X86_TRAP_UD

#define APIC_SVR	0xfee000f0ULL
#define MSI_ADDRESS	0xfee00000ULL

static int event_init(struct kunit *test)
{
	int r = rig_init(test);
	u32 enabled = 0x1ff;

	if (r)
		return r;
	rig_load(rig_of(test)->vcpu[0]);
	keel_op(set_rflags)(rig_of(test)->vcpu[0], X86_EFLAGS_IF | X86_EFLAGS_FIXED);
	return keel_apic_mmio_write(rig_of(test)->vcpu[0], APIC_SVR, 4, &enabled);
}

static void event_exit(struct kunit *test)
{
	if (rig_of(test))
		rig_put(rig_of(test)->vcpu[0]);
	rig_exit(test);
}

static struct keel_vcpu *cpu_of(struct kunit *test)
{
	return rig_of(test)->vcpu[0];
}

static void raise_irq(struct kunit *test, u8 vector)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = vector };

	KUNIT_EXPECT_EQ(test, keel_irq_signal_msi(rig_of(test)->vm, &msi), 1);
}

static void raise_nmi(struct keel_vcpu *vcpu)
{
	keel_nmi_queue(vcpu);
	keel_nmi_take(vcpu);
}

static enum keel_given next(struct keel_vcpu *vcpu)
{
	keel_events_inject(vcpu);
	return vcpu->arch.given;
}

/* An exception goes first, then the NMI, then the interrupt; each once. */
static void order(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);

	raise_irq(test, 0x55);
	raise_nmi(vcpu);
	keel_queue_exception_error(vcpu, GP, 8);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_EXCEPTION);
	KUNIT_EXPECT_TRUE(test, vcpu->arch.exit_soon);
	keel_events_entered(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NMI);
	keel_events_entered(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_IRQ);
	KUNIT_EXPECT_EQ(test, vcpu->arch.irq.vector, 0x55);
	keel_events_entered(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NONE);
}

/* An entry that was given up: the same event again, and nothing else before it. */
static void cancelled(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);

	/* In real mode VMX takes no error code, and so gives none back. */
	KUNIT_ASSERT_EQ(test, keel_set_cr0(vcpu, keel_cr0(vcpu) | X86_CR0_PE), 0);
	keel_queue_exception_error(vcpu, GP, 0x10);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_EXCEPTION);
	keel_events_cancel(vcpu);
	raise_nmi(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_EXCEPTION);
	KUNIT_EXPECT_EQ(test, vcpu->arch.exception.vector, GP);
	KUNIT_EXPECT_EQ(test, vcpu->arch.exception.error, 0x10);
	keel_events_entered(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NMI);
	keel_events_cancel(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NMI);
}

static void interrupts_off(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);

	keel_op(set_rflags)(vcpu, X86_EFLAGS_FIXED);
	raise_irq(test, 0x44);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NONE);
	KUNIT_EXPECT_FALSE(test, keel_events_pending(vcpu));
	raise_nmi(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NMI);
	keel_events_entered(vcpu);
	keel_op(set_rflags)(vcpu, X86_EFLAGS_FIXED | X86_EFLAGS_IF);
	KUNIT_EXPECT_TRUE(test, keel_events_pending(vcpu));
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_IRQ);
}

static void highest_interrupt_first(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);

	raise_irq(test, 0x41);
	raise_irq(test, 0x91);
	raise_irq(test, 0x61);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_IRQ);
	KUNIT_EXPECT_EQ(test, vcpu->arch.irq.vector, 0x91);
	/* The lower ones wait for the EOI of the one in service. */
	keel_events_entered(vcpu);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NONE);
}

/* One in service and one latched: more are lost, as on a CPU. */
static void nmis_merge(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);
	unsigned int i;

	for (i = 0; i < 5; i++)
		keel_nmi_queue(vcpu);
	keel_nmi_take(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->arch.nmi_pending, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&vcpu->arch.nmi_queued), 0);
}

/* "Interrupt 8 - Double Fault Exception" */
static const struct merge {
	u8 first, second, then;	/* 0: a triple fault */
} merges[] = {
	{ GP, GP, DF }, { PF, GP, DF }, { PF, PF, DF }, { GP, PF, PF }, { UD, GP, GP },
	{ GP, UD, UD }, { PF, UD, UD }, { DF, GP, 0 }, { DF, PF, 0 }, { DF, UD, 0 },
};

static void merge_name(const struct merge *m, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u_then_%u", m->first, m->second);
}

KUNIT_ARRAY_PARAM(merge, merges, merge_name);

static void exceptions_merge(struct kunit *test)
{
	const struct merge *m = test->param_value;
	struct keel_vcpu *vcpu = cpu_of(test);

	keel_queue_exception_error(vcpu, m->first, 0);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_EXCEPTION);
	keel_events_cancel(vcpu);
	keel_queue_exception_error(vcpu, m->second, 0);
	KUNIT_EXPECT_EQ(test, keel_vcpu_requested(vcpu, KEEL_REQ_TRIPLE_FAULT), !m->then);
	KUNIT_EXPECT_EQ(test, vcpu->arch.exception.pending, !!m->then);
	if (m->then)
		KUNIT_EXPECT_EQ(test, vcpu->arch.exception.vector, m->then);
}

/* CR2 is the guest's until the page fault is delivered. */
static void payload_comes_late(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);

	vcpu->arch.cr2 = 0x1111;
	keel_queue_page_fault(vcpu, 0x2222, 2);
	KUNIT_EXPECT_EQ(test, vcpu->arch.cr2, 0x1111ULL);
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_EXCEPTION);
	KUNIT_EXPECT_EQ(test, vcpu->arch.cr2, 0x2222ULL);
}

static void reset_forgets(struct kunit *test)
{
	struct keel_vcpu *vcpu = cpu_of(test);

	raise_nmi(vcpu);
	keel_queue_exception_error(vcpu, GP, 0);
	keel_events_reset(vcpu);
	KUNIT_EXPECT_FALSE(test, keel_events_pending(vcpu));
	KUNIT_EXPECT_EQ(test, next(vcpu), KEEL_GIVEN_NONE);
}

static struct kunit_case event_cases[] = {
	KUNIT_CASE(order),
	KUNIT_CASE(cancelled),
	KUNIT_CASE(interrupts_off),
	KUNIT_CASE(highest_interrupt_first),
	KUNIT_CASE(nmis_merge),
	KUNIT_CASE_PARAM(exceptions_merge, merge_gen_params),
	KUNIT_CASE(payload_comes_late),
	KUNIT_CASE(reset_forgets),
	{ }
};

struct kunit_suite keel_event_suite = {
	.name = "keel_event",
	.init = event_init,
	.exit = event_exit,
	.test_cases = event_cases,
};

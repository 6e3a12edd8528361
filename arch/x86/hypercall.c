// SPDX-License-Identifier: GPL-2.0
/*
 * hypercall.c - the calls of KVM's guests: number in RAX, arguments in RBX, RCX, RDX, RSI
 */
#include <linux/kvm_para.h>
#include <asm/apicdef.h>
#include "cpuid.h"
#include "irqchip/irqchip.h"
#include "regs.h"

#define NR_ARGS		4
#define QUICK_IPIS	8	/* of one call, with interrupts off */
#define NO_FEATURE	KEEL_NR_FEATURES
#define ICR_SHORTHAND	APIC_DEST_ALLBUT	/* both bits of the field */

struct hypercall {
	u64 arg[NR_ARGS];
	bool wide;		/* made by 64 bit code */
};

/* Nothing waits: a guest that polls has its interrupts looked at on the way back anyway. */
static long hc_vapic_poll_irq(struct keel_vcpu *vcpu, const struct hypercall *hc)
{
	return 0;
}

/* arg 1: APIC id, which in a guest that uses this is the vCPU's id. */
static long hc_kick_cpu(struct keel_vcpu *vcpu, const struct hypercall *hc)
{
	struct keel_vcpu *target;

	if (hc->arg[1] > U32_MAX)
		return 0;
	target = keel_vcpu_by_id(vcpu->vm, hc->arg[1]);
	if (target) {
		keel_vcpu_request(target, KEEL_REQ_UNBLOCK);
		keel_vcpu_kick(target);
	}
	return 0;
}

/* One word of the bitmap, @base the APIC id of its bit 0. How many CPUs took it. */
static long send_to(struct keel_vcpu *vcpu, struct keel_apic_msg *msg, unsigned long bits, u64 base)
{
	unsigned int bit;
	long sent = 0;

	for_each_set_bit(bit, &bits, BITS_PER_LONG) {
		if (base + bit > U32_MAX)
			break;
		msg->dest = base + bit;
		if (keel_apic_deliver(vcpu->vm, msg) > 0)
			sent++;
	}
	return sent;
}

/* args: bitmap low, bitmap high, least APIC id, ICR without a destination. */
static long hc_send_ipi(struct keel_vcpu *vcpu, const struct hypercall *hc)
{
	u32 icr = hc->arg[3], width = hc->wide ? 64 : 32;
	struct keel_apic_msg msg = {
		.vector = icr & APIC_VECTOR_MASK,
		.mode = (icr & APIC_MODE_MASK) >> 8,
		.level = icr & APIC_INT_LEVELTRIG,
		.assert = icr & APIC_INT_ASSERT,
		.x2apic = true,
		.src = vcpu->idx,
	};

	if (!keel_apic_in_kernel(vcpu))
		return -KVM_EOPNOTSUPP;
	if (icr & (APIC_DEST_LOGICAL | ICR_SHORTHAND))
		return -KVM_EINVAL;
	return send_to(vcpu, &msg, hc->arg[0], hc->arg[2]) +
	       send_to(vcpu, &msg, hc->arg[1], hc->arg[2] + width);
}

/* A vCPU spins for what another one holds that does not run: let that one have the CPU. */
static long hc_sched_yield(struct keel_vcpu *vcpu, const struct hypercall *hc)
{
	struct keel_vcpu *target;

	if (hc->arg[0] > U32_MAX)
		return 0;
	target = keel_vcpu_by_id(vcpu->vm, hc->arg[0]);
	if (target)
		keel_vcpu_yield_to(vcpu, target);
	return 0;
}

static const struct hypercall_rule {
	long (*fn)(struct keel_vcpu *vcpu, const struct hypercall *hc);
	u8 feature;
} hypercall_rules[] = {
	[KVM_HC_VAPIC_POLL_IRQ]	= { hc_vapic_poll_irq, NO_FEATURE },
	[KVM_HC_KICK_CPU]	= { hc_kick_cpu, KEEL_F_PV_UNHALT },
	[KVM_HC_SEND_IPI]	= { hc_send_ipi, KEEL_F_PV_SEND_IPI },
	[KVM_HC_SCHED_YIELD]	= { hc_sched_yield, KEEL_F_PV_YIELD },
};

static const struct hypercall_rule *find_rule(struct keel_vcpu *vcpu, u64 nr)
{
	const struct hypercall_rule *r;

	if (nr >= ARRAY_SIZE(hypercall_rules))
		return NULL;
	r = &hypercall_rules[array_index_nospec(nr, ARRAY_SIZE(hypercall_rules))];
	if (!r->fn)
		return NULL;
	return r->feature == NO_FEATURE || keel_guest_may_pv(vcpu, r->feature) ? r : NULL;
}

/* Outside 64 bit code the upper halves of registers are not the guest's to use. */
static u64 arg_of(struct keel_vcpu *vcpu, bool wide, unsigned int reg)
{
	u64 val = keel_reg_read(vcpu, reg);

	return wide ? val : lower_32_bits(val);
}

static long do_call(struct keel_vcpu *vcpu, bool wide)
{
	static const u8 regs[NR_ARGS] = { KEEL_RBX, KEEL_RCX, KEEL_RDX, KEEL_RSI };
	struct hypercall hc = { .wide = wide };
	const struct hypercall_rule *r;
	unsigned int i;

	if (keel_op(get_cpl)(vcpu) > 0)
		return -KVM_EPERM;
	r = find_rule(vcpu, arg_of(vcpu, wide, KEEL_RAX));
	if (!r)
		return -KVM_ENOSYS;
	for (i = 0; i < NR_ARGS; i++)
		hc.arg[i] = arg_of(vcpu, wide, regs[i]);
	return r->fn(vcpu, &hc);
}

int keel_hypercall(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	bool wide = keel_is_64bit(vcpu);
	u64 ret = do_call(vcpu, wide);

	keel_reg_write(vcpu, KEEL_RAX, wide ? ret : lower_32_bits(ret));
	return keel_skip(vcpu, exit);
}

/* Yielding schedules, and each bit of a bitmap of IPIs may mean all vCPUs. */
int keel_hypercall_quick(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	switch (lower_32_bits(keel_reg_read(vcpu, KEEL_RAX))) {
	case KVM_HC_SCHED_YIELD:
		return KEEL_LATER;
	case KVM_HC_SEND_IPI:
		if (hweight64(keel_reg_read(vcpu, KEEL_RBX)) +
		    hweight64(keel_reg_read(vcpu, KEEL_RCX)) > QUICK_IPIS)
			return KEEL_LATER;
		break;
	}
	return keel_hypercall(vcpu, exit);
}

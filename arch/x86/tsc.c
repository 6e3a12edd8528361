// SPDX-License-Identifier: GPL-2.0
/*
 * tsc.c - the guest's TSC
 *
 * Guest TSC = host TSC * ratio + offset. vCPUs whose TSC userspace sets to about the
 * same time get the very same offset: they form a generation, and guests may compare
 * their TSCs. Where the host's own TSC cannot be trusted (it stops, or differs between
 * CPUs), each load moves the offset so that the guest's goes on by the host's clock,
 * and never back.
 */
#include <linux/ktime.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include "backend.h"
#include "clock_int.h"
#include "clockmath.h"
#include "irqchip/irqchip.h"

#define SYNC_WINDOW_NS	NSEC_PER_SEC	/* writes that are this close are meant to be equal */

static u64 default_ratio(void)
{
	return keel_caps.tsc_scaling ? BIT_ULL(keel_caps.tsc_frac_bits) : 1;
}

static u64 scale(const struct keel_vcpu *vcpu, u64 cycles)
{
	u64 ratio = vcpu->arch.tsc_scaling;

	if (ratio == default_ratio())
		return cycles;
	return mul_u64_u64_shr(cycles, ratio, keel_caps.tsc_frac_bits);
}

u64 keel_guest_tsc_at(struct keel_vcpu *vcpu, u64 host_tsc)
{
	return scale(vcpu, host_tsc + clock_tsc_shift()) + vcpu->arch.tsc_offset;
}

u64 keel_guest_tsc(struct keel_vcpu *vcpu)
{
	return keel_guest_tsc_at(vcpu, rdtsc_ordered());
}

u32 tsc_true_khz(struct keel_vcpu *vcpu)
{
	return scale(vcpu, tsc_khz);
}

/* Tell the backend. vCPU loaded, preemption off or the vCPU thread. */
static void apply(struct keel_vcpu *vcpu)
{
	struct keel_vcpu_arch *a = &vcpu->arch;

	a->tsc.host_shift_seen = clock_tsc_shift();
	a->tsc.stale = false;
	keel_op(set_tsc)(vcpu, a->tsc_offset + scale(vcpu, a->tsc.host_shift_seen),
			 a->tsc_scaling);
}

/* The guest's does not go back behind now. */
void tsc_put(struct keel_vcpu *vcpu)
{
	vcpu->arch.last_tsc = rdtsc() + clock_tsc_shift();
}

/* What hangs on the guest's TSC: kvmclock's page and an armed deadline. */
static void tsc_changed(struct keel_vcpu *vcpu)
{
	preempt_disable();
	apply(vcpu);
	preempt_enable();
	keel_vcpu_request(vcpu, KEEL_REQ_CLOCK);
	if (keel_apic_in_kernel(vcpu))
		keel_apic_tsc_changed(vcpu);
}

/* ---- writes ---- */

static void tsc_move(struct keel_vcpu *vcpu, s64 by)
{
	vcpu->arch.tsc_offset += by;
	vcpu->arch.tsc.base += by;
	tsc_changed(vcpu);
}

/* Is @val at @ns what the VM's TSC would read now, give or take a second? tsc_lock held. */
static bool is_near(const struct keel_vm_arch *va, u64 val, u64 ns, u32 khz)
{
	u64 expected = va->last_tsc_write + clock_ns_to_cycles(ns - va->last_tsc_nsec, khz);
	u64 window = clock_ns_to_cycles(SYNC_WINDOW_NS, khz);

	/* 0: a new vCPU, which takes what the others have. */
	return val == 0 || val - expected + window < 2 * window;
}

/* The vCPU is of the VM's newest generation from here on. tsc_lock held. */
static void join_generation(struct keel_vcpu *vcpu)
{
	struct keel_vm_arch *va = &vcpu->vm->arch;
	struct keel_tsc *t = &vcpu->arch.tsc;

	if (t->generation != va->tsc_generation)
		va->tsc_generation_nr++;
	t->generation = va->tsc_generation;
	t->base_ns = va->tsc_base_ns;
	t->base = va->tsc_base;
}

static void new_generation(struct keel_vm_arch *va, u64 val, u64 ns)
{
	va->tsc_generation++;
	va->tsc_generation_nr = 0;
	va->tsc_base_ns = ns;
	va->tsc_base = val;
}

/* Userspace (or creation) sets the TSC to @val: with the others, or on its own. */
static void synchronize(struct keel_vcpu *vcpu, u64 val)
{
	struct keel_vm_arch *va = &vcpu->vm->arch;
	u32 khz = vcpu->arch.tsc_khz;
	unsigned long flags;
	u64 ns, now, offset;

	raw_spin_lock_irqsave(&va->tsc_lock, flags);
	ns = ktime_get_boottime_ns();
	now = scale(vcpu, rdtsc_ordered() + clock_tsc_shift());
	offset = val - now;
	if (va->last_tsc_khz != khz || !is_near(va, val, ns, khz)) {
		new_generation(va, val, ns);
	} else if (!check_tsc_unstable()) {
		offset = va->last_tsc_offset;
	} else {
		/* Offsets differ between CPUs; what can be equal is the progress. */
		val = va->last_tsc_write + clock_ns_to_cycles(ns - va->last_tsc_nsec, khz);
		offset = val - now;
	}
	va->last_tsc_nsec = ns;
	va->last_tsc_write = offset + now;
	va->last_tsc_offset = offset;
	va->last_tsc_khz = khz;
	vcpu->arch.tsc_offset = offset;
	tsc_put(vcpu);
	join_generation(vcpu);
	raw_spin_unlock_irqrestore(&va->tsc_lock, flags);
}

void keel_tsc_write(struct keel_vcpu *vcpu, u64 val, bool host)
{
	s64 by;

	if (host) {
		synchronize(vcpu, val);
		tsc_changed(vcpu);
		keel_vcpu_request(vcpu, KEEL_REQ_MASTERCLOCK);
		return;
	}
	by = val - keel_guest_tsc(vcpu);
	vcpu->arch.tsc_adjust += by;
	tsc_put(vcpu);
	tsc_move(vcpu, by);
}

/* By userspace it is the register alone that is restored: the TSC has been set as a whole. */
void keel_tsc_adjust_write(struct keel_vcpu *vcpu, u64 val, bool host)
{
	s64 by = val - vcpu->arch.tsc_adjust;

	vcpu->arch.tsc_adjust = val;
	if (host || !by)
		return;
	tsc_move(vcpu, by);
}

bool tsc_all_match(struct keel_vm *vm)
{
	struct keel_vm_arch *va = &vm->arch;
	unsigned long flags;
	bool match;

	raw_spin_lock_irqsave(&va->tsc_lock, flags);
	match = va->tsc_generation_nr == READ_ONCE(vm->nr_vcpus);
	raw_spin_unlock_irqrestore(&va->tsc_lock, flags);
	return match && !check_tsc_unstable();
}

/* ---- life ---- */

void tsc_vm_init(struct keel_vm *vm)
{
	raw_spin_lock_init(&vm->arch.tsc_lock);
	vm->arch.default_tsc_khz = tsc_khz;
}

/* ns has passed by the host's clock since the base was set: the TSC must show it. */
static u64 expected_tsc(const struct keel_vcpu *vcpu)
{
	const struct keel_vcpu_arch *a = &vcpu->arch;
	u64 ns = ktime_get_boottime_ns() - a->tsc.base_ns;
	u64 tsc = a->tsc.base + clock_ns_to_cycles(ns, a->tsc_khz);
	u64 last = scale(vcpu, a->last_tsc) + a->tsc_offset;

	return (s64)(tsc - last) > 0 ? tsc : last;
}

void tsc_load(struct keel_vcpu *vcpu)
{
	struct keel_vcpu_arch *a = &vcpu->arch;

	if (check_tsc_unstable() && a->tsc.generation) {
		u64 want = expected_tsc(vcpu);

		a->tsc_offset += want - keel_guest_tsc(vcpu);
		a->tsc.stale = true;
	}
	if (a->tsc.stale || a->tsc.host_shift_seen != clock_tsc_shift())
		apply(vcpu);
}

/* ---- frequency ---- */

/* 0, or -EINVAL. The offset stays: userspace sets the TSC after its frequency. */
static int set_khz(struct keel_vcpu *vcpu, u32 khz)
{
	u64 ratio = default_ratio();

	if (!clock_khz_close(khz, tsc_khz)) {
		if (!keel_caps.tsc_scaling)
			return -EINVAL;
		ratio = clock_ratio(khz, tsc_khz, keel_caps.tsc_frac_bits,
				    keel_caps.tsc_max_ratio);
		if (!ratio)
			return -EINVAL;
	}
	vcpu->arch.tsc_khz = khz;
	vcpu->arch.tsc_scaling = ratio;
	vcpu->arch.tsc.stale = true;
	return 0;
}

void tsc_vcpu_init(struct keel_vcpu *vcpu)
{
	if (set_khz(vcpu, READ_ONCE(vcpu->vm->arch.default_tsc_khz)))
		set_khz(vcpu, tsc_khz);
}

void keel_clock_vcpu_created(struct keel_vcpu *vcpu)
{
	keel_tsc_write(vcpu, 0, true);
}

long keel_ioc_get_tsc_khz(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return vcpu->arch.tsc_khz;
}

/* A frequency from userspace; 0 stands for the host's. */
static int check_khz(unsigned long val, u32 *khz)
{
	if (val > INT_MAX)
		return -EINVAL;
	*khz = val ? val : tsc_khz;
	return 0;
}

long keel_ioc_set_tsc_khz(struct keel_vcpu *vcpu, union keel_arg arg)
{
	u32 khz;
	int r = check_khz(arg.value, &khz);

	if (!r)
		r = set_khz(vcpu, khz);
	if (!r)
		tsc_changed(vcpu);
	return r;
}

long keel_ioc_vm_get_tsc_khz(struct keel_vm *vm, union keel_arg arg)
{
	return READ_ONCE(vm->arch.default_tsc_khz);
}

long keel_ioc_vm_set_tsc_khz(struct keel_vm *vm, union keel_arg arg)
{
	u32 khz;
	int r = check_khz(arg.value, &khz);

	if (r)
		return r;
	if (!clock_khz_close(khz, tsc_khz) &&
	    (!keel_caps.tsc_scaling || !clock_ratio(khz, tsc_khz, keel_caps.tsc_frac_bits,
						    keel_caps.tsc_max_ratio)))
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		r = -EINVAL;
	else
		WRITE_ONCE(vm->arch.default_tsc_khz, khz);
	mutex_unlock(&vm->lock);
	return r;
}

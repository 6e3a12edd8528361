// SPDX-License-Identifier: GPL-2.0
/*
 * pvclock.c - kvmclock: the page by which a guest turns its TSC into time
 *
 * While the host counts time by the TSC and all vCPUs have the same, one pair of host
 * time and host TSC (the master) serves all of them, and guests are told that what
 * they compute on different vCPUs can be compared. Otherwise each vCPU gets a pair of
 * its own at each load, and its guest keeps the greatest value it has seen.
 */
#include <linux/ktime.h>
#include <linux/timekeeping.h>
#include <asm/kvm_para.h>
#include <asm/pvclock-abi.h>
#include <keel/gfn.h>
#include "clock_int.h"
#include "clockmath.h"

/* A step back of less than this is drift of the clocks against each other: held up. */
#define DRIFT_NS	(10 * NSEC_PER_MSEC)

/* The host clock that stands at the base of kvmclock, now. */
static u64 base_ns(void)
{
	struct clock_moment m;

	clock_read_near(&m);
	return m.ns;
}

void pvclock_vm_init(struct keel_vm *vm)
{
	mutex_init(&vm->arch.clock_lock);
	vm->arch.kvmclock_offset = -base_ns();
}

void pvclock_vcpu_reset(struct keel_vcpu *vcpu)
{
	vcpu->arch.clock.msr = 0;
	vcpu->arch.clock.stopped = false;
}

/* ---- the master ---- */

/*
 * Choose the mode anew and take a moment if the mode needs one. clock_lock held; every
 * vCPU is out of the guest or has KEEL_REQ_CLOCK set, which waits for the lock.
 */
static void choose(struct keel_vm *vm, bool anew)
{
	struct keel_vm_arch *va = &vm->arch;
	struct clock_moment m;
	bool master;

	master = tsc_all_match(vm) && !READ_ONCE(va->old_kvmclock) && clock_read_exact(&m);
	if (master && (anew || !va->master_clock)) {
		va->master_kernel_ns = m.ns;
		va->master_cycle_now = m.tsc;
	}
	WRITE_ONCE(va->master_clock, master);
}

/*
 * No vCPU may compute from the old master while another has the new one: all get the
 * request, which only the lock's release lets them go on from.
 */
static void update(struct keel_vm *vm, bool anew)
{
	mutex_lock(&vm->arch.clock_lock);
	keel_request_all(vm, KEEL_REQ_CLOCK);
	choose(vm, anew);
	mutex_unlock(&vm->arch.clock_lock);
}

void pvclock_rebase(struct keel_vm *vm)
{
	update(vm, true);
}

/* A master that stays is kept: a new moment would differ from it by the clocks' rounding. */
void pvclock_revise(struct keel_vm *vm)
{
	update(vm, false);
}

void keel_clock_update_master(struct keel_vm *vm)
{
	pvclock_revise(vm);
}

/* ---- the page ---- */

struct pvclock_base {
	struct clock_moment at;
	s64 offset;
	bool master;
};

static void read_base(struct keel_vm *vm, struct pvclock_base *b)
{
	struct keel_vm_arch *va = &vm->arch;

	mutex_lock(&va->clock_lock);
	b->offset = va->kvmclock_offset;
	b->master = va->master_clock;
	if (b->master) {
		b->at.ns = va->master_kernel_ns;
		b->at.tsc = va->master_cycle_now;
	} else {
		clock_read_near(&b->at);
	}
	mutex_unlock(&va->clock_lock);
}

static u64 read_info(const struct pvclock_vcpu_time_info *info, u64 tsc)
{
	struct clock_scale s = { .mul = info->tsc_to_system_mul, .shift = info->tsc_shift };

	return info->system_time + clock_cycles_to_ns(tsc - info->tsc_timestamp, s);
}

/* Without a master, what this vCPU has told its guest must not run ahead of what comes. */
static void hold_up(const struct keel_pvclock *c, struct pvclock_vcpu_time_info *new, s64 offset)
{
	u64 was;

	if (!c->info.version || c->offset != offset)
		return;
	was = read_info(&c->info, new->tsc_timestamp);
	if (was - new->system_time < DRIFT_NS)
		new->system_time = was;
}

static void fill_info(struct keel_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct keel_pvclock *c = &vcpu->arch.clock;
	struct pvclock_base b;
	struct clock_scale s;

	read_base(vcpu->vm, &b);
	s = clock_scale(tsc_true_khz(vcpu));
	*info = (struct pvclock_vcpu_time_info) {
		.tsc_timestamp = keel_guest_tsc_at(vcpu, b.at.tsc),
		.system_time = b.at.ns + b.offset,
		.tsc_to_system_mul = s.mul,
		.tsc_shift = s.shift,
		.flags = b.master ? PVCLOCK_TSC_STABLE_BIT : 0,
	};
	if (!b.master)
		hold_up(c, info, b.offset);
	c->offset = b.offset;
	c->written_ns = ktime_get_boottime_ns();
}

/*
 * The guest may read at any time: an odd version tells it that the rest changes. Its
 * own version is counted on, and a pause it has not seen yet stays told.
 */
static int write_info(struct keel_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct keel_pvclock *c = &vcpu->arch.clock;
	struct pvclock_vcpu_time_info old;
	int r;

	r = keel_read_guest(vcpu, c->gpa, &old, sizeof(old));
	if (r)
		return r;
	info->flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	if (READ_ONCE(c->stopped))
		info->flags |= PVCLOCK_GUEST_STOPPED;
	info->version = (old.version + 1) | 1;
	r = keel_write_guest(vcpu, c->gpa, &info->version, sizeof(info->version));
	if (r)
		return r;
	smp_wmb();	/* odd, before the rest changes */
	keel_write_guest(vcpu, c->gpa, info, sizeof(*info));
	smp_wmb();	/* the rest, before it is even again */
	info->version++;
	r = keel_write_guest(vcpu, c->gpa, &info->version, sizeof(info->version));
	if (!r)
		WRITE_ONCE(c->stopped, false);
	return r;
}

/* Where the page is not backed by memory there is no clock, and nobody to tell. */
void keel_clock_update(struct keel_vcpu *vcpu)
{
	struct keel_pvclock *c = &vcpu->arch.clock;
	struct pvclock_vcpu_time_info info;

	if (!(c->msr & KVM_MSR_ENABLED))
		return;
	fill_info(vcpu, &info);
	keel_mem_enter(vcpu);
	if (!write_info(vcpu, &info))
		c->info = info;
	keel_mem_leave(vcpu);
}

/* ---- MSRs ---- */

int keel_clock_set_system_time(struct keel_vcpu *vcpu, u64 val, bool old_msr, bool host)
{
	struct keel_vm_arch *va = &vcpu->vm->arch;
	struct keel_pvclock *c = &vcpu->arch.clock;

	/* Guests that know the old MSR only do not know of a stable TSC either. */
	if (vcpu->id == 0 && !host && READ_ONCE(va->old_kvmclock) != old_msr) {
		WRITE_ONCE(va->old_kvmclock, old_msr);
		keel_vcpu_request(vcpu, KEEL_REQ_MASTERCLOCK);
	}
	c->msr = val;
	c->gpa = val & ~(u64)KVM_MSR_ENABLED;
	memset(&c->info, 0, sizeof(c->info));
	keel_vcpu_request(vcpu, KEEL_REQ_CLOCK);
	return 0;
}

/* What kvmclock reads now. clock_lock held. */
static u64 clock_now(struct keel_vm *vm, const struct clock_moment *m)
{
	struct keel_vm_arch *va = &vm->arch;

	if (!va->master_clock)
		return m->ns + va->kvmclock_offset;
	return va->master_kernel_ns + va->kvmclock_offset +
	       clock_cycles_to_ns(m->tsc - va->master_cycle_now, clock_scale(tsc_khz));
}

/* Wall clock time of the moment at which kvmclock was 0. */
static u64 boot_wall_ns(struct keel_vm *vm)
{
	struct clock_moment m;
	u64 ns;

	mutex_lock(&vm->arch.clock_lock);
	if (!clock_read_exact(&m))
		clock_read_near(&m);
	ns = m.real_ns - clock_now(vm, &m);
	mutex_unlock(&vm->arch.clock_lock);
	return ns;
}

static int write_wall_clock(struct keel_vcpu *vcpu, gpa_t gpa)
{
	u64 ns = boot_wall_ns(vcpu->vm);
	struct pvclock_wall_clock wc;
	u32 version, rem;
	int r;

	r = keel_read_guest(vcpu, gpa, &version, sizeof(version));
	if (r)
		return r;
	wc.version = (version + 1) | 1;
	wc.sec = div_u64_rem(ns, NSEC_PER_SEC, &rem);
	wc.nsec = rem;
	r = keel_write_guest(vcpu, gpa, &wc.version, sizeof(wc.version));
	if (r)
		return r;
	smp_wmb();	/* odd, before the rest changes */
	keel_write_guest(vcpu, gpa, &wc, sizeof(wc));
	smp_wmb();	/* the rest, before it is even again */
	wc.version++;
	return keel_write_guest(vcpu, gpa, &wc.version, sizeof(wc.version));
}

int keel_clock_set_wall_clock(struct keel_vcpu *vcpu, u64 val)
{
	WRITE_ONCE(vcpu->vm->arch.wall_clock_msr, val);
	if (!val)
		return 0;
	keel_mem_enter(vcpu);
	write_wall_clock(vcpu, val);
	keel_mem_leave(vcpu);
	return 0;
}

/* ---- ioctls ---- */

long keel_ioc_get_clock(struct keel_vm *vm, union keel_arg arg)
{
	struct kvm_clock_data *data = arg.buf;
	struct clock_moment m;
	bool exact;

	memset(data, 0, sizeof(*data));
	mutex_lock(&vm->arch.clock_lock);
	exact = clock_read_exact(&m);
	if (!exact)
		clock_read_near(&m);
	if (vm->arch.master_clock)
		data->flags = exact ? KEEL_CLOCK_FLAGS : KVM_CLOCK_TSC_STABLE;
	if (data->flags & KVM_CLOCK_REALTIME)
		data->realtime = m.real_ns;
	if (data->flags & KVM_CLOCK_HOST_TSC)
		data->host_tsc = m.tsc;
	data->clock = clock_now(vm, &m);
	mutex_unlock(&vm->arch.clock_lock);
	return 0;
}

/* Userspace wants @data->clock now, or to have been at @data->realtime. */
static u64 wanted_clock(const struct kvm_clock_data *data)
{
	u64 real = ktime_get_real_ns();

	if ((data->flags & KVM_CLOCK_REALTIME) && real > data->realtime)
		return data->clock + (real - data->realtime);
	return data->clock;
}

long keel_ioc_set_clock(struct keel_vm *vm, union keel_arg arg)
{
	const struct kvm_clock_data *data = arg.buf;
	struct keel_vm_arch *va = &vm->arch;
	u64 ns;

	if (data->flags & ~KEEL_CLOCK_FLAGS)
		return -EINVAL;
	mutex_lock(&va->clock_lock);
	keel_request_all(vm, KEEL_REQ_CLOCK);
	choose(vm, true);
	ns = va->master_clock ? va->master_kernel_ns : base_ns();
	va->kvmclock_offset = wanted_clock(data) - ns;
	mutex_unlock(&va->clock_lock);
	return 0;
}

long keel_ioc_kvmclock_ctrl(struct keel_vcpu *vcpu, union keel_arg arg)
{
	if (!(vcpu->arch.clock.msr & KVM_MSR_ENABLED))
		return -EINVAL;
	WRITE_ONCE(vcpu->arch.clock.stopped, true);
	keel_vcpu_request(vcpu, KEEL_REQ_CLOCK);
	return 0;
}

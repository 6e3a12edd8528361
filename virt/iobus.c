// SPDX-License-Identifier: GPL-2.0
/*
 * iobus.c - find the in-kernel device of a port or guest physical address
 *
 * A bus is an array sorted by start address, replaced as a whole at each change
 * and read under RCU.
 */
#include <linux/kvm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <keel/vcpu.h>
#include "virt.h"

/* ioeventfds are ranges too, and a VM has as many as it has virtqueues. */
#define BUS_MAX_RANGES	32768

struct bus_range {
	gpa_t start;
	u64 len;		/* 0: accesses of any length at start */
	gpa_t max_last;		/* the greatest last address of this and all ranges before it */
	struct keel_iodev *dev;
};

struct keel_iobus {
	struct rcu_head rcu;
	unsigned int nr;
	struct bus_range range[];
};

static gpa_t range_last(const struct bus_range *r)
{
	return r->start + (r->len ? r->len - 1 : 0);
}

static bool range_holds(const struct bus_range *r, gpa_t addr, int len)
{
	gpa_t off = addr - r->start;

	if (!r->len)
		return !off;
	return addr >= r->start && len && off < r->len && r->len - off >= len;
}

/* The first range that may reach @addr: max_last never falls, so halve. */
static unsigned int bus_first(const struct keel_iobus *bus, gpa_t addr)
{
	unsigned int lo = 0, hi = bus->nr, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (bus->range[mid].max_last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int dev_write(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len,
		     const void *val)
{
	return dev->ops->write ? dev->ops->write(dev, vcpu, addr, len, val) : -EOPNOTSUPP;
}

static int dev_read(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len, void *val)
{
	return dev->ops->read ? dev->ops->read(dev, vcpu, addr, len, val) : -EOPNOTSUPP;
}

/* The first range from @i on that answers the access, or bus->nr. */
static unsigned int bus_next(const struct keel_iobus *bus, unsigned int i, gpa_t addr, int len)
{
	for (; i < bus->nr && bus->range[i].start <= addr; i++)
		if (range_holds(&bus->range[i], addr, len))
			return i;
	return bus->nr;
}

int keel_bus_write(struct keel_vcpu *vcpu, enum keel_bus_id id, gpa_t addr, int len,
		   const void *val)
{
	const struct keel_iobus *bus;
	int r = -EOPNOTSUPP;
	unsigned int i;

	rcu_read_lock();
	bus = rcu_dereference(vcpu->vm->bus[id]);
	i = bus_next(bus, bus_first(bus, addr), addr, len);
	while (r && i < bus->nr) {
		r = dev_write(bus->range[i].dev, vcpu, addr, len, val);
		i = bus_next(bus, i + 1, addr, len);
	}
	rcu_read_unlock();
	return r;
}

int keel_bus_read(struct keel_vcpu *vcpu, enum keel_bus_id id, gpa_t addr, int len, void *val)
{
	const struct keel_iobus *bus;
	int r = -EOPNOTSUPP;
	unsigned int i;

	rcu_read_lock();
	bus = rcu_dereference(vcpu->vm->bus[id]);
	i = bus_next(bus, bus_first(bus, addr), addr, len);
	while (r && i < bus->nr) {
		r = dev_read(bus->range[i].dev, vcpu, addr, len, val);
		i = bus_next(bus, i + 1, addr, len);
	}
	rcu_read_unlock();
	return r;
}

static struct keel_iobus *bus_alloc(unsigned int nr)
{
	struct keel_iobus *bus;

	bus = kvzalloc(struct_size(bus, range, nr), GFP_KERNEL_ACCOUNT);
	if (bus)
		bus->nr = nr;
	return bus;
}

static void bus_set_max(struct keel_iobus *bus)
{
	gpa_t max_last = 0;
	unsigned int i;

	for (i = 0; i < bus->nr; i++) {
		max_last = max(max_last, range_last(&bus->range[i]));
		bus->range[i].max_last = max_last;
	}
}

/* Has one address more devices than are soon asked, or ranges that touch as if it had? */
static bool bus_crowded(const struct keel_iobus *bus)
{
	unsigned int i, run = 0;

	for (i = 1; i < bus->nr; i++) {
		run = bus->range[i].start <= bus->range[i - 1].max_last ? run + 1 : 0;
		if (run >= KEEL_CROWD)
			return true;
	}
	return false;
}

static struct keel_iobus *bus_locked(struct keel_vm *vm, enum keel_bus_id id)
{
	return rcu_dereference_protected(vm->bus[id], lockdep_is_held(&vm->slots_lock));
}

int keel_buses_init(struct keel_vm *vm)
{
	enum keel_bus_id id;

	for (id = 0; id < KEEL_NR_BUSES; id++) {
		struct keel_iobus *bus = bus_alloc(0);

		if (!bus) {
			keel_bus_destroy(vm);
			return -ENOMEM;
		}
		rcu_assign_pointer(vm->bus[id], bus);
	}
	return 0;
}

int keel_bus_register(struct keel_vm *vm, enum keel_bus_id id, gpa_t addr, u64 len,
		      struct keel_iodev *dev)
{
	struct keel_iobus *old = bus_locked(vm, id), *new;
	unsigned int i = 0;
	gpa_t end;

	if (check_add_overflow(addr, len, &end))
		return -EINVAL;
	if (old->nr >= BUS_MAX_RANGES)
		return -ENOSPC;
	new = bus_alloc(old->nr + 1);
	if (!new)
		return -ENOMEM;

	while (i < old->nr && old->range[i].start <= addr)
		i++;
	memcpy(new->range, old->range, i * sizeof(old->range[0]));
	new->range[i] = (struct bus_range){ .start = addr, .len = len, .dev = dev };
	memcpy(new->range + i + 1, old->range + i, (old->nr - i) * sizeof(old->range[0]));
	bus_set_max(new);
	if (bus_crowded(new))
		WRITE_ONCE(vm->crowded, true);

	rcu_assign_pointer(vm->bus[id], new);
	kvfree_rcu(old, rcu);
	return 0;
}

static unsigned int bus_count(const struct keel_iobus *bus, const struct keel_iodev *dev)
{
	unsigned int i, n = 0;

	for (i = 0; i < bus->nr; i++)
		n += bus->range[i].dev == dev;
	return n;
}

/* Removal must not fail: it would leave a pointer to memory that is about to be freed. */
static struct keel_iobus *bus_without(const struct keel_iobus *old, const struct keel_iodev *dev,
				      unsigned int removed)
{
	unsigned int nr = old->nr - removed, i, n = 0;
	struct keel_iobus *new;

	new = kvzalloc(struct_size(new, range, nr), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	new->nr = nr;
	for (i = 0; i < old->nr; i++)
		if (old->range[i].dev != dev)
			new->range[n++] = old->range[i];
	bus_set_max(new);
	return new;
}

void keel_bus_unregister(struct keel_vm *vm, enum keel_bus_id id, struct keel_iodev *dev)
{
	struct keel_iobus *old = bus_locked(vm, id);
	unsigned int n = bus_count(old, dev);

	if (!n)
		return;
	rcu_assign_pointer(vm->bus[id], bus_without(old, dev, n));
	synchronize_rcu_expedited();
	kvfree(old);
	if (dev->ops->release)
		dev->ops->release(dev);
}

/* release() may free the device: forget its other ranges first. */
static void bus_release_dev(struct keel_iobus *bus, unsigned int i)
{
	struct keel_iodev *dev = bus->range[i].dev;
	unsigned int j;

	if (!dev)
		return;
	for (j = i; j < bus->nr; j++)
		if (bus->range[j].dev == dev)
			bus->range[j].dev = NULL;
	if (dev->ops->release)
		dev->ops->release(dev);
}

static void bus_release(struct keel_iobus *bus)
{
	unsigned int i;

	if (!bus)
		return;
	for (i = 0; i < bus->nr; i++) {
		bus_release_dev(bus, i);
		cond_resched();
	}
	kvfree(bus);
}

void keel_bus_destroy(struct keel_vm *vm)
{
	enum keel_bus_id id;

	for (id = 0; id < KEEL_NR_BUSES; id++) {
		bus_release(rcu_dereference_protected(vm->bus[id], 1));
		RCU_INIT_POINTER(vm->bus[id], NULL);
	}
}

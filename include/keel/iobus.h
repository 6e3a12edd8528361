/* SPDX-License-Identifier: GPL-2.0 */
/*
 * iobus.h - in-kernel devices by port or guest physical address
 */
#ifndef KEEL_IOBUS_H
#define KEEL_IOBUS_H

#include <linux/rcupdate.h>
#include <keel/core.h>

/*
 * MMIO accesses go to KEEL_BUS_MMIO. Where the address of a write is known before
 * its length and value (an EPT misconfiguration exit), KEEL_BUS_FAST_MMIO is asked
 * first, with length 0: only ioeventfds of any length are there.
 */
enum keel_bus_id { KEEL_BUS_PIO, KEEL_BUS_MMIO, KEEL_BUS_FAST_MMIO, KEEL_NR_BUSES };

struct keel_vm;
struct keel_vcpu;
struct keel_iodev;

/*
 * Called inside an RCU read section, with interrupts on or, unless the kernel is a
 * PREEMPT_RT one, off: must not sleep. 0: handled; -EOPNOTSUPP: not
 * mine, the next one or userspace is asked. @addr is the bus address, @len 1 to 8
 * (0 on the fast MMIO bus). An op may be NULL: -EOPNOTSUPP.
 */
struct keel_iodev_ops {
	int (*read)(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len, void *val);
	int (*write)(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len,
		     const void *val);
	/*
	 * VM destroyed, or unregistered; may be NULL. Nobody is inside the device any
	 * more. Called once for each bus it is on, however many ranges. May sleep.
	 */
	void (*release)(struct keel_iodev *dev);
};

struct keel_iodev {
	const struct keel_iodev_ops *ops;
};

/* 0 handled, -EOPNOTSUPP nobody. Any context that may take a spinlock. */
int keel_bus_read(struct keel_vcpu *vcpu, enum keel_bus_id bus, gpa_t addr, int len, void *val);
int keel_bus_write(struct keel_vcpu *vcpu, enum keel_bus_id bus, gpa_t addr, int len,
		   const void *val);

/*
 * slots_lock held. A device answers accesses that lie in [addr, addr + len) whole; with
 * @len 0, those of any length that start at @addr. -EINVAL: @addr + @len overflows;
 * -ENOSPC: too many; -ENOMEM. Overlap is allowed: the lower start, then the earlier
 * registration, is asked first. On failure release() is not called.
 */
int keel_bus_register(struct keel_vm *vm, enum keel_bus_id bus, gpa_t addr, u64 len,
		      struct keel_iodev *dev);
/*
 * slots_lock held. Removes every range of @dev on @bus, waits until nobody is inside
 * it, and calls its release. Cannot fail; sleeps.
 */
void keel_bus_unregister(struct keel_vm *vm, enum keel_bus_id bus, struct keel_iodev *dev);

/* ioeventfd.c: KVM_IOEVENTFD. -EINVAL, -EBADF, -EEXIST, -ENOENT (deassign), -ENOMEM, -ENOSPC. */
struct kvm_ioeventfd;
int keel_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args);

/* coalesced.c: KVM_(UN)REGISTER_COALESCED_MMIO. -EINVAL, -ENOMEM, -ENOSPC. */
struct kvm_coalesced_mmio_zone;
int keel_coalesced_register(struct keel_vm *vm, const struct kvm_coalesced_mmio_zone *zone);
int keel_coalesced_unregister(struct keel_vm *vm, const struct kvm_coalesced_mmio_zone *zone);

#endif

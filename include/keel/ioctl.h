/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ioctl.h - tables of ioctls
 *
 * A file descriptor's ioctls are one table indexed by keel_ioctl_index(). The
 * dispatcher compares the whole command, copies a fixed-size argument in and out, takes
 * the lock the entry asks for, and calls the handler with the kernel's copy:
 * no handler of a fixed-size ioctl touches user memory itself.
 */
#ifndef KEEL_IOCTL_H
#define KEEL_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KEEL_IOC_IN	BIT(0)	/* copy _IOC_SIZE bytes from user before */
#define KEEL_IOC_OUT	BIT(1)	/* copy _IOC_SIZE bytes to user after success (result >= 0) */
#define KEEL_IOC_VALUE	BIT(2)	/* arg is a value: handler gets arg.value */
#define KEEL_IOC_USER	BIT(3)	/* arg points to user data of variable size: arg.user */
#define KEEL_IOC_ASYNC	BIT(4)	/* vCPU: without the vCPU's mutex (it may be running) */
#define KEEL_IOC_ANYONE	BIT(5)	/* VM, vCPU: for any process that has the fd, not the owner alone */

union keel_arg {
	void *buf;		/* KEEL_IOC_IN, _OUT: kernel copy; zeroed first if only OUT */
	unsigned long value;	/* KEEL_IOC_VALUE */
	void __user *user;	/* KEEL_IOC_USER */
};

struct keel_vm;
struct keel_vcpu;

/* Each returns >= 0 (the ioctl's result) or -errno. Process context, may sleep. */
struct keel_sys_ioctl {
	unsigned int cmd, flags;
	long (*fn)(union keel_arg arg);
};

struct keel_vm_ioctl {
	unsigned int cmd, flags;
	long (*fn)(struct keel_vm *vm, union keel_arg arg);
};

/* vCPU: mutex held and the vCPU loaded on this CPU, unless KEEL_IOC_ASYNC. */
struct keel_vcpu_ioctl {
	unsigned int cmd, flags;
	long (*fn)(struct keel_vcpu *vcpu, union keel_arg arg);
};

/*
 * KVM's numbers are not unique: 0x67 is KVM_REGISTER_COALESCED_MMIO (_IOW) and
 * KVM_IRQ_LINE_STATUS (_IOWR), 0xa3 is KVM_GET_TSC_KHZ (_IO) and KVM_ENABLE_CAP
 * (_IOW). The parity of the direction bits tells each pair apart; another clash
 * would be warned of (W=1, initialized field overwritten).
 */
#define KEEL_IOC_PARITY(c)	((_IOC_DIR(c) ^ _IOC_DIR(c) >> 1) & 1)
#define keel_ioctl_index(c)	(_IOC_NR(c) | KEEL_IOC_PARITY(c) << _IOC_NRBITS)
#define KEEL_NR_IOCTLS		(2 << _IOC_NRBITS)

/* KEEL_IOCTL(KVM_GET_REGS, KEEL_IOC_OUT, fn): an entry's index and what it holds in one */
#define KEEL_IOCTL(c, f, handler) \
	[keel_ioctl_index(c)] = { .cmd = (c), .flags = (f), .fn = (handler) }

#endif

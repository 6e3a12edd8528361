/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virt.h - what the files of virt/ share with each other and nobody else
 */
#ifndef KEEL_VIRT_H
#define KEEL_VIRT_H

#include <linux/sched.h>
#include <keel/ioctl.h>
#include <keel/vm.h>

/* ioctl.c: the argument of one ioctl, between user memory and its handler */
#define KEEL_IOC_SMALL	320	/* bytes that need no allocation */

struct keel_ioctl_call {
	union keel_arg arg;
	void *heap;
	u64 small[KEEL_IOC_SMALL / sizeof(u64)];
};

/*
 * @c is zeroed. -EFAULT, -ENOMEM or 0; after 0, keel_ioctl_end() must follow and returns the
 * ioctl's result.
 */
int keel_ioctl_begin(struct keel_ioctl_call *c, unsigned int cmd, unsigned int flags,
		     unsigned long uarg);
long keel_ioctl_end(struct keel_ioctl_call *c, unsigned int cmd, unsigned int flags,
		    unsigned long uarg, long result);

/* The entry of @table for @command, or NULL. Any command's index is in range: it has 9 bits. */
#define keel_ioctl_find(table, command)					\
({									\
	typeof(&(table)[0]) __e = &(table)[keel_ioctl_index(command)];	\
									\
	__e->fn && __e->cmd == (command) ? __e : NULL;			\
})

/* vm_ioctl.c */
extern const struct file_operations keel_vm_fops;

/* May the current process use this VM? Else ioctls return -EIO. */
static inline bool keel_vm_usable(const struct keel_vm *vm)
{
	return vm->mm == current->mm && !READ_ONCE(vm->dead);
}

/* kick.c: per-CPU cpumasks for keel_request_all() */
int keel_kick_init(void);
void keel_kick_exit(void);

/* vcpu_run.c */
long keel_vcpu_run(struct keel_vcpu *vcpu);
void keel_vcpu_notifier_init(struct keel_vcpu *vcpu);

/* vcpu.c */
void keel_vcpus_destroy(struct keel_vm *vm);

/* memslot.c. destroy: last reference; no vCPU runs */
void keel_memslots_init(struct keel_vm *vm);
void keel_memslots_destroy(struct keel_vm *vm);

/* irqfd.c: one workqueue for the module; the VM's fd was closed: no irqfd may fire from now on */
int keel_irqfd_init(void);
void keel_irqfd_exit(void);
int keel_irqfds_init(struct keel_vm *vm);		/* -ENOMEM */
void keel_irqfds_release(struct keel_vm *vm);
void keel_irqfds_destroy(struct keel_vm *vm);

/* iobus.c, ioeventfd.c. destroy: no vCPU runs; all devices are released, then the rest goes */
int keel_buses_init(struct keel_vm *vm);		/* -ENOMEM */
void keel_bus_destroy(struct keel_vm *vm);
void keel_ioeventfd_destroy(struct keel_vm *vm);

/* coalesced.c: the page of the ring */
int keel_coalesced_init(struct keel_vm *vm);
void keel_coalesced_destroy(struct keel_vm *vm);

/* notifier.c: between these two the host's changes reach arch_mmu_*(). Sleep; -errno */
int keel_notifier_register(struct keel_vm *vm);
void keel_notifier_unregister(struct keel_vm *vm);
/* unmap [start, end) and flush; takes mmu_lock, and lets others in between */
void keel_unmap_gfns(struct keel_vm *vm, gfn_t start, gfn_t end);

/* irq_route.c: the GSI that (chip, pin) serves, or -1. RCU read section. */
int keel_routing_pin_gsi(struct keel_vm *vm, u32 chip, u32 pin);
void keel_routing_destroy(struct keel_vm *vm);		/* nobody asks any more */

#endif

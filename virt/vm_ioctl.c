// SPDX-License-Identifier: GPL-2.0
/*
 * vm_ioctl.c - the VM's file: its ioctls and capabilities
 */
#include <linux/compat.h>
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <keel/arch.h>
#include <keel/irq.h>
#include "virt.h"

/* Capabilities of virt/ that are one number. 0 here: ask the architecture. */
static long generic_capability(long cap)
{
	switch (cap) {
	case KVM_CAP_USER_MEMORY:
	case KVM_CAP_SYNC_MMU:
	case KVM_CAP_DESTROY_MEMORY_REGION_WORKS:
	case KVM_CAP_JOIN_MEMORY_REGIONS_WORKS:
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_IRQFD:
	case KVM_CAP_IRQFD_RESAMPLE:
	case KVM_CAP_IRQ_INJECT_STATUS:
	case KVM_CAP_IOEVENTFD:
	case KVM_CAP_IOEVENTFD_ANY_LENGTH:
	case KVM_CAP_IOEVENTFD_NO_LENGTH:
	case KVM_CAP_COALESCED_PIO:
	case KVM_CAP_SIGNAL_MSI:
	case KVM_CAP_IMMEDIATE_EXIT:
	case KVM_CAP_CHECK_EXTENSION_VM:
	case KVM_CAP_INTERNAL_ERROR_DATA:
	case KVM_CAP_BINARY_STATS_FD:
		return 1;
	case KVM_CAP_COALESCED_MMIO:
		return KEEL_COALESCED_PAGE;
	case KVM_CAP_IRQ_ROUTING:
		return KEEL_MAX_IRQ_ROUTES;
	case KVM_CAP_NR_MEMSLOTS:
		return KEEL_MEMSLOT_MAX;
	case KVM_CAP_NR_VCPUS:
		return min_t(long, num_online_cpus(), KEEL_MAX_VCPUS);
	case KVM_CAP_MAX_VCPUS:
		return KEEL_MAX_VCPUS;
	case KVM_CAP_MAX_VCPU_ID:
		return KEEL_MAX_VCPU_IDS;
	default:
		return 0;
	}
}

long keel_vm_check_extension(struct keel_vm *vm, long cap)
{
	return generic_capability(cap) ?: arch_check_extension(vm, cap);
}

static long vm_check_extension(struct keel_vm *vm, union keel_arg arg)
{
	return keel_vm_check_extension(vm, arg.value);
}

static long vm_create_vcpu(struct keel_vm *vm, union keel_arg arg)
{
	return keel_vcpu_create_fd(vm, arg.value);
}

static long vm_set_memory_region(struct keel_vm *vm, union keel_arg arg)
{
	return keel_memslot_set(vm, arg.buf);
}

static long vm_get_dirty_log(struct keel_vm *vm, union keel_arg arg)
{
	return keel_dirty_log_get(vm, arg.buf);
}

static long vm_get_stats_fd(struct keel_vm *vm, union keel_arg arg)
{
	return keel_vm_stats_fd(vm);
}

static long vm_irqfd(struct keel_vm *vm, union keel_arg arg)
{
	return keel_irqfd(vm, arg.buf);
}

static long vm_ioeventfd(struct keel_vm *vm, union keel_arg arg)
{
	return keel_ioeventfd(vm, arg.buf);
}

static long vm_register_coalesced(struct keel_vm *vm, union keel_arg arg)
{
	return keel_coalesced_register(vm, arg.buf);
}

static long vm_unregister_coalesced(struct keel_vm *vm, union keel_arg arg)
{
	return keel_coalesced_unregister(vm, arg.buf);
}

static long vm_signal_msi(struct keel_vm *vm, union keel_arg arg)
{
	return keel_irq_signal_msi(vm, arg.buf);
}

static long vm_irq_line_status(struct keel_vm *vm, union keel_arg arg)
{
	struct kvm_irq_level *line = arg.buf;

	if (!arch_irqchip_present(vm))
		return -ENXIO;
	line->status = keel_irq_set(vm, KEEL_IRQ_USERSPACE, line->irq, !!line->level);
	return 0;
}

static long vm_set_gsi_routing(struct keel_vm *vm, union keel_arg arg)
{
	struct kvm_irq_routing __user *user = arg.user;
	struct kvm_irq_routing_entry *entries;
	struct kvm_irq_routing head;
	long r = -EFAULT;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!arch_irqchip_present(vm) || head.nr > KEEL_MAX_IRQ_ROUTES || head.flags)
		return -EINVAL;

	entries = kvmalloc_array(max(head.nr, 1U), sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	if (!copy_from_user(entries, user->entries, head.nr * sizeof(*entries)))
		r = keel_routing_set(vm, entries, head.nr);
	kvfree(entries);
	return r;
}

#define IN	KEEL_IOC_IN
#define OUT	KEEL_IOC_OUT

static const struct keel_vm_ioctl vm_ioctls[KEEL_NR_IOCTLS] = {
	KEEL_IOCTL(KVM_CHECK_EXTENSION, KEEL_IOC_VALUE, vm_check_extension),
	KEEL_IOCTL(KVM_CREATE_VCPU, KEEL_IOC_VALUE, vm_create_vcpu),
	KEEL_IOCTL(KVM_SET_USER_MEMORY_REGION, IN, vm_set_memory_region),
	KEEL_IOCTL(KVM_GET_DIRTY_LOG, IN, vm_get_dirty_log),
	KEEL_IOCTL(KVM_GET_STATS_FD, KEEL_IOC_VALUE | KEEL_IOC_ANYONE, vm_get_stats_fd),
	KEEL_IOCTL(KVM_IRQFD, IN, vm_irqfd),
	KEEL_IOCTL(KVM_IOEVENTFD, IN, vm_ioeventfd),
	KEEL_IOCTL(KVM_REGISTER_COALESCED_MMIO, IN, vm_register_coalesced),
	KEEL_IOCTL(KVM_UNREGISTER_COALESCED_MMIO, IN, vm_unregister_coalesced),
	KEEL_IOCTL(KVM_SET_GSI_ROUTING, KEEL_IOC_USER, vm_set_gsi_routing),
	KEEL_IOCTL(KVM_SIGNAL_MSI, IN, vm_signal_msi),
	KEEL_IOCTL(KVM_IRQ_LINE, IN, vm_irq_line_status),
	KEEL_IOCTL(KVM_IRQ_LINE_STATUS, IN | OUT, vm_irq_line_status),
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct keel_vm_ioctl *e = keel_ioctl_find(vm_ioctls, cmd);
	struct keel_vm *vm = file->private_data;
	struct keel_ioctl_call call = { };
	int r;

	if (!keel_vm_usable(vm) && !(e && (e->flags & KEEL_IOC_ANYONE)))
		return -EIO;
	if (!e)
		e = keel_ioctl_find(arch_vm_ioctls, cmd);
	if (!e)
		return -ENOTTY;

	r = keel_ioctl_begin(&call, cmd, e->flags, uarg);
	if (r)
		return r;
	return keel_ioctl_end(&call, cmd, e->flags, uarg, e->fn(vm, call.arg));
}

/* The one argument of a VM that holds a pointer: 32-bit callers leave its upper half undefined. */
static long vm_compat_dirty_log(struct keel_vm *vm, unsigned long uarg)
{
	struct kvm_dirty_log log;

	if (!keel_vm_usable(vm))
		return -EIO;
	if (copy_from_user(&log, compat_ptr(uarg), sizeof(log)))
		return -EFAULT;
	log.dirty_bitmap = compat_ptr((compat_uptr_t)log.padding2);
	return keel_dirty_log_get(vm, &log);
}

static long vm_compat_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	if (cmd == KVM_GET_DIRTY_LOG)
		return vm_compat_dirty_log(file->private_data, uarg);
	return vm_ioctl(file, cmd, (unsigned long)compat_ptr(uarg));
}

/* irqfds end with the VM's fd, though vCPU fds may keep the VM alive. */
static int vm_release(struct inode *inode, struct file *file)
{
	struct keel_vm *vm = file->private_data;

	keel_irqfds_release(vm);
	keel_vm_put(vm);
	return 0;
}

const struct file_operations keel_vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = vm_compat_ioctl,
	.llseek = noop_llseek,
};

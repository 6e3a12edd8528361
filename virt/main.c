// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - the module, /dev/keel and the ioctls of the system fd
 */
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <keel/arch.h>
#include <keel/stats.h>
#include "virt.h"

static bool kvm_node;
module_param(kvm_node, bool, 0444);
MODULE_PARM_DESC(kvm_node, "Also provide /dev/kvm; kvm.ko must not be loaded");

static long sys_get_api_version(union keel_arg arg)
{
	return arg.value ? -EINVAL : KVM_API_VERSION;
}

static long sys_create_vm(union keel_arg arg)
{
	return keel_vm_create_fd(arg.value);
}

static long sys_check_extension(union keel_arg arg)
{
	return keel_vm_check_extension(NULL, arg.value);
}

static long sys_get_vcpu_mmap_size(union keel_arg arg)
{
	return arg.value ? -EINVAL : KEEL_VCPU_MMAP_PAGES * PAGE_SIZE;
}

static const struct keel_sys_ioctl sys_ioctls[KEEL_NR_IOCTLS] = {
	KEEL_IOCTL(KVM_GET_API_VERSION, KEEL_IOC_VALUE, sys_get_api_version),
	KEEL_IOCTL(KVM_CREATE_VM, KEEL_IOC_VALUE, sys_create_vm),
	KEEL_IOCTL(KVM_CHECK_EXTENSION, KEEL_IOC_VALUE, sys_check_extension),
	KEEL_IOCTL(KVM_GET_VCPU_MMAP_SIZE, KEEL_IOC_VALUE, sys_get_vcpu_mmap_size),
};

static long sys_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	const struct keel_sys_ioctl *e = keel_ioctl_find(sys_ioctls, cmd);
	struct keel_ioctl_call call = { };
	int r;

	if (!e)
		e = keel_ioctl_find(arch_sys_ioctls, cmd);
	if (!e)
		return -EINVAL;

	r = keel_ioctl_begin(&call, cmd, e->flags, uarg);
	if (r)
		return r;
	return keel_ioctl_end(&call, cmd, e->flags, uarg, e->fn(call.arg));
}

static const struct file_operations sys_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = sys_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice keel_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "keel",
	.fops = &sys_fops,
};

/* Number, name and mode are those that udev rules and jailers expect of KVM. */
static struct miscdevice kvm_alias_node = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &sys_fops,
};

static int nodes_register(void)
{
	int r;

	if (kvm_node) {
		r = misc_register(&kvm_alias_node);
		if (r) {
			pr_err("kvm_node=1: /dev/kvm belongs to another module: remove kvm_amd or kvm_intel, or load without kvm_node (%d)\n",
			       r);
			return r;
		}
	}
	r = misc_register(&keel_node);
	if (r)
		pr_err("/dev/keel cannot be made: look for what has that name (%d)\n", r);
	if (r && kvm_node)
		misc_deregister(&kvm_alias_node);
	return r;
}

static int __init keel_init(void)
{
	int r;

	r = keel_kick_init();
	if (r)
		return r;
	r = keel_irqfd_init();
	if (r)
		goto err_kick;
	r = arch_init();
	if (r)
		goto err_irqfd;
	keel_stats_init();
	/* Once, not for each VM: it rewrites the scheduler's code on all CPUs. */
	preempt_notifier_inc();
	r = nodes_register();	/* last: from here on userspace may call */
	if (r)
		goto err_arch;
	return 0;

err_arch:
	preempt_notifier_dec();
	keel_stats_exit();
	arch_exit();
err_irqfd:
	keel_irqfd_exit();
err_kick:
	keel_kick_exit();
	return r;
}

/*
 * Every open file holds the module; still a VM may live on for as long as the clock's
 * worker looks at it, until arch_exit(). RCU callbacks may be left.
 */
static void __exit keel_exit(void)
{
	misc_deregister(&keel_node);
	if (kvm_node)
		misc_deregister(&kvm_alias_node);
	arch_exit();
	preempt_notifier_dec();
	keel_stats_exit();
	keel_irqfd_exit();
	keel_kick_exit();
	rcu_barrier();
}

module_init(keel_init);
module_exit(keel_exit);

MODULE_DESCRIPTION("Keel: a hypervisor with the KVM ABI for AMD SVM and Intel VMX");
MODULE_VERSION(KEEL_VERSION);
MODULE_LICENSE("GPL");

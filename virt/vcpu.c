// SPDX-License-Identifier: GPL-2.0
/*
 * vcpu.c - the vCPU's file: creation, ioctls, mmap, end
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <keel/arch.h>
#include "virt.h"

static long vcpu_ioctl_signal_mask(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_signal_mask __user *user = arg.user;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!user) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static long vcpu_get_stats_fd(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return keel_vcpu_stats_fd(vcpu);
}

static const struct keel_vcpu_ioctl vcpu_ioctls[KEEL_NR_IOCTLS] = {
	KEEL_IOCTL(KVM_SET_SIGNAL_MASK, KEEL_IOC_USER, vcpu_ioctl_signal_mask),
	KEEL_IOCTL(KVM_GET_STATS_FD, KEEL_IOC_VALUE | KEEL_IOC_ASYNC | KEEL_IOC_ANYONE,
		   vcpu_get_stats_fd),
};

static long vcpu_run(struct keel_vcpu *vcpu)
{
	long r;

	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	keel_vcpu_load(vcpu);
	r = keel_vcpu_run(vcpu);
	keel_vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
	return r;
}

static long vcpu_call(struct keel_vcpu *vcpu, const struct keel_vcpu_ioctl *e, union keel_arg arg)
{
	long r;

	if (e->flags & KEEL_IOC_ASYNC)
		return e->fn(vcpu, arg);

	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	keel_vcpu_load(vcpu);
	r = e->fn(vcpu, arg);
	keel_vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
	return r;
}

static long vcpu_ioctl_other(struct keel_vcpu *vcpu, unsigned int cmd, unsigned long uarg)
{
	const struct keel_vcpu_ioctl *e = keel_ioctl_find(vcpu_ioctls, cmd);
	struct keel_ioctl_call call = { };
	int r;

	if (!keel_vm_usable(vcpu->vm) && !(e && (e->flags & KEEL_IOC_ANYONE)))
		return -EIO;
	if (!e)
		e = keel_ioctl_find(arch_vcpu_ioctls, cmd);
	if (!e)
		return -EINVAL;

	r = keel_ioctl_begin(&call, cmd, e->flags, uarg);
	if (r)
		return r;
	return keel_ioctl_end(&call, cmd, e->flags, uarg, vcpu_call(vcpu, e, call.arg));
}

/* The one that is called for each exit to userspace has no argument to carry. */
static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	struct keel_vcpu *vcpu = file->private_data;

	if (cmd != KVM_RUN)
		return vcpu_ioctl_other(vcpu, cmd, uarg);
	if (!keel_vm_usable(vcpu->vm))
		return -EIO;
	return uarg ? -EINVAL : vcpu_run(vcpu);
}

/*
 * The pages live as long as the VM, and a vma holds the vCPU's file; each page
 * mapped has its own reference besides, as get_user_pages() may outlast both.
 */
static vm_fault_t vcpu_vm_fault(struct vm_fault *vmf)
{
	struct keel_vcpu *vcpu = vmf->vma->vm_file->private_data;
	void *const pages[KEEL_VCPU_MMAP_PAGES] = {
		[0] = vcpu->run,
		[KEEL_PIO_PAGE_OFFSET] = vcpu->pio_data,
		[KEEL_COALESCED_PAGE] = vcpu->vm->coalesced_ring,
	};

	if (vmf->pgoff >= KEEL_VCPU_MMAP_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(pages[array_index_nospec(vmf->pgoff, KEEL_VCPU_MMAP_PAGES)]);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_vm_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/* The file held the VM, not the vCPU: that one lives until the VM ends. */
static int vcpu_release(struct inode *inode, struct file *file)
{
	struct keel_vcpu *vcpu = file->private_data;

	keel_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

static void vcpu_free(struct keel_vcpu *vcpu)
{
	vfree(vcpu->times);
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->run);
	kvfree(vcpu);
}

static struct keel_vcpu *vcpu_alloc(struct keel_vm *vm, u32 id)
{
	struct keel_vcpu *vcpu = kvzalloc(arch_vcpu_size(), GFP_KERNEL_ACCOUNT);
	int r = -ENOMEM;

	BUILD_BUG_ON(sizeof(struct kvm_run) > PAGE_SIZE);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->idx = vm->nr_vcpus;
	vcpu->cpu = -1;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	keel_vcpu_notifier_init(vcpu);
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio_data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->run || !vcpu->pio_data)
		goto err;
	r = arch_vcpu_init(vcpu);
	if (r)
		goto err;
	return vcpu;
err:
	vcpu_free(vcpu);
	return ERR_PTR(r);
}

static void vcpu_destroy(struct keel_vcpu *vcpu)
{
	arch_vcpu_destroy(vcpu);
	put_pid(rcu_dereference_protected(vcpu->pid, 1));
	vcpu_free(vcpu);
}

/* Each leaves the xarray before it goes, the last first: loops over vCPUs see only whole ones. */
void keel_vcpus_destroy(struct keel_vm *vm)
{
	struct keel_vcpu *vcpu;

	while (vm->nr_vcpus) {
		vcpu = xa_load(&vm->vcpus, vm->nr_vcpus - 1);
		/* The number, before the entry goes. */
		smp_store_release(&vm->nr_vcpus, vm->nr_vcpus - 1);
		xa_erase(&vm->vcpus, vm->nr_vcpus);
		vcpu_destroy(vcpu);
	}
}

/* The file with its reference to the VM. */
static struct file *vcpu_file(struct keel_vcpu *vcpu)
{
	struct file *file;
	char name[sizeof("kvm-vcpu:4294967295")];

	snprintf(name, sizeof(name), "kvm-vcpu:%u", vcpu->id);
	keel_vm_get(vcpu->vm);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file))
		keel_vm_put(vcpu->vm);
	return file;
}

/*
 * Let others find the vCPU, which is whole now. Only the reservation in the
 * xarray can fail, so it comes first, and the file last: undoing a file would
 * call vcpu_release().
 */
static struct file *vcpu_publish(struct keel_vcpu *vcpu)
{
	struct keel_vm *vm = vcpu->vm;
	struct file *file;
	int r;

	lockdep_assert_held(&vm->lock);
	r = xa_reserve(&vm->vcpus, vcpu->idx, GFP_KERNEL_ACCOUNT);
	if (r)
		return ERR_PTR(r);
	file = vcpu_file(vcpu);
	if (IS_ERR(file)) {
		xa_release(&vm->vcpus, vcpu->idx);
		return file;
	}
	xa_store(&vm->vcpus, vcpu->idx, vcpu, GFP_KERNEL_ACCOUNT);
	set_bit(vcpu->id, vm->vcpu_ids);
	if (vcpu->idx >= KEEL_CROWD)
		WRITE_ONCE(vm->crowded, true);
	/* The entry and the vCPU, before the number: pairs with keel_vcpu_by_index(). */
	smp_store_release(&vm->nr_vcpus, vcpu->idx + 1);
	arch_vcpu_created(vcpu);
	return file;
}

static int vcpu_check_id(struct keel_vm *vm, unsigned long id)
{
	lockdep_assert_held(&vm->lock);
	if (id >= vm->max_vcpu_ids || vm->nr_vcpus >= KEEL_MAX_VCPUS)
		return -EINVAL;
	if (test_bit(array_index_nospec(id, KEEL_MAX_VCPU_IDS), vm->vcpu_ids))
		return -EEXIST;
	return 0;
}

static struct file *vcpu_create(struct keel_vm *vm, unsigned long id)
{
	struct keel_vcpu *vcpu;
	struct file *file;
	int r;

	r = vcpu_check_id(vm, id);
	if (r)
		return ERR_PTR(r);
	vcpu = vcpu_alloc(vm, id);
	if (IS_ERR(vcpu))
		return ERR_CAST(vcpu);
	file = vcpu_publish(vcpu);
	if (IS_ERR(file))
		vcpu_destroy(vcpu);
	return file;
}

long keel_vcpu_create_fd(struct keel_vm *vm, unsigned long id)
{
	struct file *file;
	int fd;

	if (id >= KEEL_MAX_VCPU_IDS)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	mutex_lock(&vm->lock);
	file = vcpu_create(vm, id);
	mutex_unlock(&vm->lock);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * stats_fd.c - KVM_GET_STATS_FD: the counters of a VM or vCPU as a binary file
 *
 * A header, the name of the object, a descriptor for each counter, the counters
 * (uapi linux/kvm.h, KVM_GET_STATS_FD). All but the counters is made anew from
 * the tables at each read. The file keeps the VM, not its use: a VM whose other
 * files are closed lives on, without running.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <keel/compat.h>
#include <keel/stats.h>
#include <keel/vcpu.h>
#include "virt.h"

#define STATS_NAME_SIZE	48	/* of all names, with the NUL */

struct stats_file {
	struct keel_vm *vm;		/* a reference */
	const struct keel_counter *(*counter)(unsigned int i);
	const void *stat;
	struct keel_vcpu *vcpu;		/* NULL: the VM's */
	struct mutex lock;
	bool timed;			/* lock */
	char id[STATS_NAME_SIZE];
};

/* One read: what comes is skipped up to @pos, then copied until @left is 0. */
struct stats_reader {
	char __user *to;
	size_t left;
	loff_t pos;	/* where the read began */
	loff_t at;	/* where in the file the next piece is */
	size_t done;
};

static int stats_emit(struct stats_reader *r, const void *piece, size_t size)
{
	loff_t want = r->pos + r->done;
	size_t skip, n;

	if (r->left && want < r->at + size) {
		skip = want - r->at;
		n = min(size - skip, r->left);
		if (copy_to_user(r->to + r->done, piece + skip, n))
			return -EFAULT;
		r->done += n;
		r->left -= n;
	}
	r->at += size;
	return 0;
}

static unsigned int stats_number(const struct stats_file *f)
{
	unsigned int n = 0;

	while (f->counter(n))
		n++;
	return n;
}

struct stats_desc {
	struct kvm_stats_desc desc;
	char name[STATS_NAME_SIZE];
};

static int stats_emit_head(struct stats_reader *r, const struct stats_file *f)
{
	struct kvm_stats_header head = {
		.name_size = STATS_NAME_SIZE,
		.num_desc = stats_number(f),
		.id_offset = sizeof(head),
		.desc_offset = sizeof(head) + sizeof(f->id),
	};

	head.data_offset = head.desc_offset + head.num_desc * sizeof(struct stats_desc);
	return stats_emit(r, &head, sizeof(head)) ?: stats_emit(r, f->id, sizeof(f->id));
}

static int stats_emit_desc(struct stats_reader *r, const struct keel_counter *c, unsigned int i)
{
	struct stats_desc d = {
		.desc = {
			.flags = (c->now ? KVM_STATS_TYPE_INSTANT : KVM_STATS_TYPE_CUMULATIVE) |
				 (c->yes_or_no ? KVM_STATS_UNIT_BOOLEAN : KVM_STATS_UNIT_NONE) |
				 KVM_STATS_BASE_POW10,
			.size = 1,
			.offset = i * sizeof(u64),
		},
	};

	snprintf(d.name, sizeof(d.name), "%s%s", c->prefix ?: "", c->name);
	return stats_emit(r, &d, sizeof(d));
}

static int stats_emit_value(struct stats_reader *r, const struct stats_file *f,
			    const struct keel_counter *c)
{
	u64 value = keel_counter_read(f->stat, c);

	return stats_emit(r, &value, sizeof(value));
}

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	const struct stats_file *f = file->private_data;
	struct stats_reader r = { .to = to, .left = size, .pos = *pos };
	const struct keel_counter *c;
	unsigned int i;
	int err = stats_emit_head(&r, f);

	for (i = 0; !err && (c = f->counter(i)); i++)
		err = stats_emit_desc(&r, c, i);
	for (i = 0; !err && (c = f->counter(i)); i++)
		err = stats_emit_value(&r, f, c);
	if (err)
		return err;
	*pos += r.done;
	return r.done;
}

static long stats_time(struct stats_file *f)
{
	int r = 0;

	mutex_lock(&f->lock);
	if (!f->timed) {
		r = keel_times_start(f->vcpu);
		f->timed = !r;
	}
	mutex_unlock(&f->lock);
	return r;
}

static long stats_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	struct stats_file *f = file->private_data;

	return cmd == KEEL_STATS_TIMES && f->vcpu ? stats_time(f) : -ENOTTY;
}

/* A page that is mapped has a reference of its own: get_user_pages() may outlast the vCPU. */
static vm_fault_t stats_vm_fault(struct vm_fault *vmf)
{
	const struct stats_file *f = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= DIV_ROUND_UP(sizeof(*f->vcpu->times), PAGE_SIZE))
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page((void *)f->vcpu->times + (vmf->pgoff << PAGE_SHIFT));
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct stats_vm_ops = {
	.fault = stats_vm_fault,
};

static int stats_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct stats_file *f = file->private_data;

	/* Pairs with the release in keel_times_start(). */
	if (!f->vcpu || !smp_load_acquire(&f->vcpu->times))
		return -ENXIO;
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);
	vma->vm_ops = &stats_vm_ops;
	return 0;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *f = file->private_data;

	if (f->timed)
		keel_times_stop(f->vcpu);
	keel_vm_put(f->vm);
	kfree(f);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.unlocked_ioctl = stats_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = stats_mmap,
	.release = stats_release,
	.llseek = noop_llseek,
};

/* Takes @f, also if it fails. */
static long stats_install(struct stats_file *f, const char *name)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	mutex_init(&f->lock);
	if (fd < 0) {
		kfree(f);
		return fd;
	}
	keel_vm_get(f->vm);
	file = anon_inode_getfile(name, &stats_fops, f, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		keel_vm_put(f->vm);
		kfree(f);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}

long keel_vm_stats_fd(struct keel_vm *vm)
{
	struct stats_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	f->vm = vm;
	f->stat = &vm->stat;
	f->counter = keel_vm_counter;
	snprintf(f->id, sizeof(f->id), "kvm-%d", f->vm->owner);
	return stats_install(f, "kvm-vm-stats");
}

long keel_vcpu_stats_fd(struct keel_vcpu *vcpu)
{
	struct stats_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	f->vm = vcpu->vm;
	f->vcpu = vcpu;
	f->stat = &vcpu->stat;
	f->counter = keel_vcpu_counter;
	snprintf(f->id, sizeof(f->id), "kvm-%d/vcpu-%u", f->vm->owner, vcpu->id);
	return stats_install(f, "kvm-vcpu-stats");
}

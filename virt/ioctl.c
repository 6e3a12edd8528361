// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl.c - carries the argument of an ioctl in and out
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "virt.h"

int keel_ioctl_begin(struct keel_ioctl_call *c, unsigned int cmd, unsigned int flags,
		     unsigned long uarg)
{
	size_t size = _IOC_SIZE(cmd);

	c->arg.value = uarg;
	if (!(flags & (KEEL_IOC_IN | KEEL_IOC_OUT)))
		return 0;

	if (size <= sizeof(c->small)) {
		c->arg.buf = c->small;
	} else {
		c->heap = kzalloc(size, GFP_KERNEL_ACCOUNT);
		if (!c->heap)
			return -ENOMEM;
		c->arg.buf = c->heap;
	}

	if ((flags & KEEL_IOC_IN) && copy_from_user(c->arg.buf, (void __user *)uarg, size)) {
		kfree(c->heap);
		return -EFAULT;
	}
	return 0;
}

long keel_ioctl_end(struct keel_ioctl_call *c, unsigned int cmd, unsigned int flags,
		    unsigned long uarg, long result)
{
	if (result >= 0 && (flags & KEEL_IOC_OUT) &&
	    copy_to_user((void __user *)uarg, c->arg.buf, _IOC_SIZE(cmd)))
		result = -EFAULT;
	kfree(c->heap);
	return result;
}

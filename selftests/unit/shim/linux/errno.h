/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: the same numbers. */
#ifndef SHIM_LINUX_ERRNO_H
#define SHIM_LINUX_ERRNO_H

#include_next <linux/errno.h>

#define ENOTSUPP	524

#endif

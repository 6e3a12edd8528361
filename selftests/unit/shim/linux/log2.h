/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: logarithms and powers of two. */
#ifndef SHIM_LINUX_LOG2_H
#define SHIM_LINUX_LOG2_H

#include <linux/bitops.h>

#define ilog2(n)		(fls64(n) - 1)
#define is_power_of_2(n)	((n) && !((n) & ((n) - 1)))
#define roundup_pow_of_two(n)	(1UL << fls64((n) - 1))
#define rounddown_pow_of_two(n)	(1UL << (fls64(n) - 1))

#endif

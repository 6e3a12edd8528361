/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: arithmetic that tells of overflow. */
#ifndef SHIM_LINUX_OVERFLOW_H
#define SHIM_LINUX_OVERFLOW_H

#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d)	__builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#define struct_size(p, member, n) \
	(sizeof(*(p)) + (n) * sizeof((p)->member[0]))
#define flex_array_size(p, member, n)	((n) * sizeof((p)->member[0]))
#define array_size(a, b)		((a) * (b))

#endif

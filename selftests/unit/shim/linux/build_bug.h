/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: build-time assertions. */
#ifndef SHIM_LINUX_BUILD_BUG_H
#define SHIM_LINUX_BUILD_BUG_H

#undef static_assert
#define SHIM_STATIC_ASSERT(expr, msg, ...)	_Static_assert(expr, msg)
#define static_assert(expr, ...)	SHIM_STATIC_ASSERT(expr, ##__VA_ARGS__, #expr)
#define BUILD_BUG_ON_MSG(cond, msg)	_Static_assert(!(cond), msg)
#define BUILD_BUG_ON(cond)		_Static_assert(!(cond), #cond)
#define BUILD_BUG_ON_ZERO(e)		((int)(sizeof(struct { int: (-!!(e)); })))

#endif

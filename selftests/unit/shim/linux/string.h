/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: the C library's string functions. */
#ifndef SHIM_LINUX_STRING_H
#define SHIM_LINUX_STRING_H

#include <string.h>

#define memzero_explicit(p, n)	memset(p, 0, n)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: the exported half has the bits. */
#ifndef SHIM_ASM_PROCESSOR_FLAGS_H
#define SHIM_ASM_PROCESSOR_FLAGS_H

#include_next <asm/processor-flags.h>

#endif

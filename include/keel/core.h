/* SPDX-License-Identifier: GPL-2.0 */
/*
 * core.h - all that a logic core may know of the kernel
 *
 * The instruction emulator, the stage-2 tables and the interrupt chips are
 * compiled into keel.ko and, unchanged, into the userspace tests. What they
 * include is this header and their own; the tests answer each name below with
 * a header of the same name in selftests/unit/shim.
 */
#ifndef KEEL_CORE_H
#define KEEL_CORE_H

#include <linux/types.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <asm/processor-flags.h>

typedef u64 gpa_t;	/* guest physical address */
typedef unsigned long gva_t;	/* guest linear address */
typedef u64 gfn_t;	/* guest frame number: gpa >> 12 */
typedef u64 hpa_t;	/* host physical address */

#define KEEL_NSEC_PER_SEC	1000000000ULL

#endif

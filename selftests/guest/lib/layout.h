/* SPDX-License-Identifier: GPL-2.0 */
/* layout.h - selectors and addresses, for C and assembly */
#ifndef LAYOUT_H
#define LAYOUT_H

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x18
#define SEL_CODE16	0x20
#define SEL_DATA16	0x28
#define SEL_ABSENT	0x30	/* a data segment that is not present */
#define SEL_SPARE	0x38	/* for a test to fill */
#define SEL_USER32	0x43
#define SEL_USER_DATA	0x4b
#define SEL_USER64	0x53
#define SEL_TSS		0x60	/* 16 bytes a CPU */

#define MAX_CPUS	8
#define STACK_SIZE	0x4000

#define TRAMPOLINE	0x40000	/* where application processors start */
#define REAL_CODE	0x50000	/* where 16 bit code is copied to; its stack ends above */

/* Members of struct cpu that assembly knows */
#define CPU_SELF	0
#define CPU_JUMP	8

#endif

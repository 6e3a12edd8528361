/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cases.h - the cases of the guest oracle: made by the generator when the suite is built,
 * executed by a program in a VM
 */
#ifndef ORACLE_CASES_H
#define ORACLE_CASES_H

#define GUEST_CODE	0xe0010000U	/* where the guest maps them: below 4 GiB, as some */
#define GUEST_DATA	0xe0020000U	/* instructions have addresses of 32 bits */
#define GUEST_PORT	0x500		/* keelvm's FIFO */

enum {
	CASE_LOCK_ACROSS = 1,	/* a locked access across the edge of two pages */
	CASE_PORT = 2,
	CASE_NOT_TCG = 4,	/* QEMU executes it wrongly: allow.c has the reasons */
};

struct guest_case {
	uint64_t gpr[16];
	uint32_t rflags;
	uint32_t undefined;	/* flags */
	uint16_t at;		/* in the code */
	uint8_t insn[15], len;
	uint8_t kind;
	uint8_t reserved[5];
} __attribute__((aligned(8)));

struct guest_cases {
	uint64_t seed, nr;
	struct guest_case c[];
};

#endif

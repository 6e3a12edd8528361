// SPDX-License-Identifier: GPL-2.0
/*
 * pte_npt.c - the entries of AMD's nested page tables
 *
 * They are those of the CPU's long mode ("Nested Paging" in AMD's Architecture
 * Programmer's Manual, volume 2). The walk is a user access: so U is set. The
 * memory type is left write-back, and the guest's PAT and the host's MTRRs
 * decide.
 */
#include "stage2.h"

#define NPT_P		BIT_ULL(0)
#define NPT_W		BIT_ULL(1)
#define NPT_U		BIT_ULL(2)
#define NPT_A		BIT_ULL(5)
#define NPT_D		BIT_ULL(6)
#define NPT_PS		BIT_ULL(7)
#define NPT_NX		BIT_ULL(63)
#define NPT_SOFT	BIT_ULL(52)	/* available to software */

const struct s2_format s2_format_npt = {
	.name		= "npt",
	.present	= NPT_P,
	.leaf		= NPT_PS,
	.addr		= GENMASK_ULL(51, 12),
	.table		= NPT_P | NPT_W | NPT_U,
	.normal		= NPT_P | NPT_U,
	.device		= NPT_P | NPT_U,
	.write		= NPT_W,
	.noexec		= NPT_NX,
	.accessed	= NPT_A,
	.dirty		= NPT_D,
	.host_write	= NPT_SOFT,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * pte_ept.c - the entries of Intel's extended page tables
 *
 * "EPT Translation Mechanism" and "EPT and Memory Typing" in Intel's manual,
 * volume 3. Memory is write-back whatever the guest's PAT says, as nothing
 * but the CPU reads it; a device's is uncacheable. The mark, writable and
 * executable but not readable, is a misconfiguration by definition: the exit
 * it causes is told apart from a violation without a look at the tables.
 */
#include "stage2.h"

#define EPT_R		BIT_ULL(0)
#define EPT_W		BIT_ULL(1)
#define EPT_X		BIT_ULL(2)
#define EPT_UC		(0ULL << 3)
#define EPT_WB		(6ULL << 3)
#define EPT_IPAT	BIT_ULL(6)
#define EPT_PS		BIT_ULL(7)
#define EPT_A		BIT_ULL(8)
#define EPT_D		BIT_ULL(9)
#define EPT_SOFT	BIT_ULL(52)	/* ignored by the CPU */

#define EPT_COMMON						\
	.present	= EPT_R,				\
	.leaf		= EPT_PS,				\
	.addr		= GENMASK_ULL(51, 12),			\
	.table		= EPT_R | EPT_W | EPT_X,		\
	.normal		= EPT_R | EPT_WB | EPT_IPAT,		\
	.device		= EPT_R | EPT_UC,			\
	.write		= EPT_W,				\
	.exec		= EPT_X,				\
	.host_write	= EPT_SOFT,				\
	.mark		= EPT_W | EPT_X

const struct s2_format s2_format_ept = {
	.name		= "ept",
	EPT_COMMON,
	.accessed	= EPT_A,
	.dirty		= EPT_D,
};

const struct s2_format s2_format_ept_noad = {
	.name		= "ept without accessed and dirty bits",
	EPT_COMMON,
};

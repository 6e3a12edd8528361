/* SPDX-License-Identifier: GPL-2.0 */
/*
 * apic_msg.h - an interrupt message on the APIC bus: IPI, IOAPIC entry, MSI
 */
#ifndef KEEL_X86_APIC_MSG_H
#define KEEL_X86_APIC_MSG_H

#include <keel/core.h>

/* Delivery modes, as encoded in ICR, LVT and redirection entries (bits 10:8). */
enum keel_apic_dm {
	KEEL_DM_FIXED	= 0,
	KEEL_DM_LOWEST	= 1,
	KEEL_DM_SMI	= 2,
	KEEL_DM_REMOTE	= 3,
	KEEL_DM_NMI	= 4,
	KEEL_DM_INIT	= 5,
	KEEL_DM_SIPI	= 6,
	KEEL_DM_EXTINT	= 7,
};

enum keel_apic_shorthand {
	KEEL_SH_NONE, KEEL_SH_SELF, KEEL_SH_ALL, KEEL_SH_OTHERS,
};

struct keel_apic_msg {
	/* 8 bit xAPIC, or 32 bit x2APIC destination; 0xff or ~0 broadcast */
	u32 dest;
	u8 vector;
	u8 mode;		/* enum keel_apic_dm */
	u8 shorthand;		/* enum keel_apic_shorthand; needs @src */
	bool logical;
	bool level;		/* trigger mode */
	bool assert;		/* level: assert; INIT: false is the de-assert that is ignored */
	bool redir_hint;	/* MSI: lowest priority by redirection hint */
	bool x2apic;		/* sent by an APIC in x2APIC mode (dest has 32 bits) */
	int src;		/* sender's vCPU index, or -1 */
};

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gtlb.h - walks of the guest's page tables that are remembered, and proved at each use
 *
 * A guest changes its tables without telling anybody. What is remembered of a walk is
 * each entry it read, where that is in the host and what it held: as long as all of them
 * still hold it, a new walk would come to the same. To look is a few loads, and takes no
 * page fault: where memory does not answer at once, nothing is proved.
 *
 * Walks of long mode only. All of it in the vCPU's thread, inside keel_mem_enter().
 */
#ifndef KEEL_X86_GTLB_H
#define KEEL_X86_GTLB_H

#include "../exit.h"
#include "gwalk.h"

struct keel_gtlb_hit {
	gpa_t gpa;
	bool memory;		/* there is some, */
	unsigned long hva;	/* of the same byte there */
};

struct keel_gtlb *keel_gtlb_alloc(void);	/* NULL: no memory. kfree() ends it */
/* Forget all: CPUID has changed, which says what addresses and tables there can be. */
void keel_gtlb_forget(struct keel_vcpu *vcpu);

/*
 * What keel_gwalk() would say of @gva for @access (EMUL_* of emul.h). False: not known.
 * Interrupts on or off.
 */
bool keel_gtlb_find(struct keel_vcpu *vcpu, gva_t gva, unsigned int access,
		    struct keel_gtlb_hit *hit);

/* @w ended with GWALK_OK, and began when the memslots' generation was @generation. */
void keel_gtlb_note(struct keel_vcpu *vcpu, const struct gwalk *w, u64 generation);

/*
 * EMUL_PLAIN_BYTES from linear @rip on, as the guest would fetch them now, at CPL 3 if
 * @user. False: not known, or not in one page. Interrupts on or off.
 */
bool keel_gtlb_fetch(struct keel_vcpu *vcpu, gva_t rip, bool user, u64 *code);

#endif

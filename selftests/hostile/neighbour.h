/* SPDX-License-Identifier: GPL-2.0 */
/*
 * neighbour.h - a VM whose guest checks its memory and its registers, round by round
 */
#ifndef NEIGHBOUR_H
#define NEIGHBOUR_H

#include "hostile.h"

struct neighbour {
	int vm, vcpu;
	u8 *mem;
	struct kvm_run *run;
	u32 rounds;
	char wrong[120];	/* the first thing that was wrong */
};

/* False: it cannot be made, and n->wrong says why. */
bool neighbour_start(struct neighbour *n, int dev);
/* One KVM_RUN, which a signal may end anywhere; false: something was wrong. */
bool neighbour_poke(struct neighbour *n);
/* To the end of the round. */
bool neighbour_round(struct neighbour *n);
void neighbour_stop(struct neighbour *n);
/* Does a neighbour notice a changed byte, register, XMM register, MSR? NULL, or which not. */
const char *neighbour_control(int dev);

#endif

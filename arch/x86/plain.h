/* SPDX-License-Identifier: GPL-2.0 */
/*
 * plain.h - device accesses by plain MOVs, and the lengths of plain instructions,
 * without the emulator
 *
 * All with interrupts off, in the vCPU's thread. Each says KEEL_LATER, or 0, where it does
 * not know enough: the emulator does then, with interrupts on, and what it finds of the
 * guest's tables is remembered for the next time.
 */
#ifndef KEEL_X86_PLAIN_H
#define KEEL_X86_PLAIN_H

#include "exit.h"

/*
 * The access of @exit, a second-level fault where there is no memory, by the instruction at
 * RIP. As keel_exit_quick().
 */
int keel_plain_mmio(struct keel_vcpu *vcpu, const struct keel_exit *exit);

/* The length of the instruction that caused @exit, where the CPU does not say; 0: not known. */
u8 keel_plain_length(struct keel_vcpu *vcpu, const struct keel_exit *exit);

#endif

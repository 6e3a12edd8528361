/* SPDX-License-Identifier: GPL-2.0 */
/*
 * faults.h - what the tests of faults share beside the ABI tests' harness
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "abi.h"

/* Below @n, which is not 0. Each test has the series of KEEL_SEED. */
uint32_t rnd(uint32_t n);

/* How often: for make check, for an Intel host there, and with KEEL_FULL. */
unsigned int times(unsigned int usual, unsigned int intel, unsigned int full);

/*
 * A guest that adds one to a word of each of PAGES pages from DATA on, over and over, and
 * writes 1 to STEP_PORT when a page has not the count of the one before.
 */
#define PAGES	16
#define PAGES_SIZE	(PAGES * PAGE)
extern const uint8_t count_pages[], count_pages_end[];

/* The words: all alike, or those of the first pages one ahead. */
void expect_counted(const uint8_t *pages);

/* vCPU threads, until stop_vcpus(): each runs on whatever exits the guest makes. */
struct runner {
	struct vcpu *c;
	unsigned long runs, efaults;	/* KVM_RUNs; those that said EFAULT */
	unsigned long wrong;		/* writes to STEP_PORT, exits and errors not expected */
	bool may_fault;			/* memory may be gone: EFAULT is right */
	unsigned long thread;
	volatile bool ended;
};

void start_vcpu(struct runner *r, struct vcpu *c);
void stop_vcpus(struct runner *r, unsigned int nr);

/* KVM_RUN of each has come back @n times more. */
void wait_for_runs(struct runner *r, unsigned int nr, unsigned int n);

int online_cpus(void);

/* Skip the test for want of @cond. A kernel with sanitizers has it all: there it fails. */
bool kernel_has_sanitizers(void);
#define NEED(cond, why)								\
	do {									\
		if (!(cond)) {							\
			ASSERT_TRUE(!kernel_has_sanitizers());			\
			SKIP(why);						\
		}								\
	} while (0)
void write_file(const char *path, const char *text);	/* asserts */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hostile.h - what the hostile userspace (storm) and the hostile guest (guests) share
 *
 * All that is random comes from a seed that is printed and can be given: SEED=N. What is
 * counted is work, never time; the only clock is the timer that ends endless guests.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define PAGE		4096UL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* ---- numbers ---- */

struct rng {
	u64 s;
};

u64 rng_next(struct rng *r);
u32 rng_below(struct rng *r, u32 n);		/* 0 to n - 1; n is not 0 */
bool rng_one_in(struct rng *r, u32 n);
void rng_fill(struct rng *r, void *buf, size_t len);
/* A number at which sums overflow, limits end and signs change. */
u64 rng_boundary(struct rng *r);
#define rng_pick(r, array) ((array)[rng_below(r, ARRAY_SIZE(array))])

/* SEED of the environment; else 1, or with KEEL_FULL one of the kernel's. Printed. */
u64 seed_of_run(void);
/*
 * A count from the environment, else what is right for this host and KEEL_FULL. An Intel
 * host is slow, and so is a kernel with sanitizers: with KEEL_FULL ten times as many there.
 */
struct counts {
	const char *env;
	unsigned long amd, intel, sanitizers, full;
};
unsigned long count_of_run(const struct counts *c);
bool on_host(const char *name);

/* ---- results ---- */

void tap_plan(unsigned int n);
/* True if @ok. The text is the name of the test, the same in each run. */
bool tap(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tap_skip(const char *name, const char *why);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int tap_status(void);

/* ---- the device ---- */

int dev_open(void);		/* KEEL_DEV, else /dev/keel; exits if there is none */
bool dev_is_keel(void);
void *vcpu_map(int vcpu_fd);	/* kvm_run and what is behind it; NULL */
#define RUN_PAGES	3

/*
 * This thread's KVM_RUN returns sooner or later, whatever the guest does: a timer
 * signals it. @flag, if any, is set to 1 each time (immediate_exit).
 */
#define KICK_SIGNAL	SIGUSR1
struct kicker {
	timer_t timer;
};
void kick_start(struct kicker *k, volatile u8 *flag);
void kick_aim(volatile u8 *flag);
void kick_stop(struct kicker *k);

/* A new VM runs a guest that counts and answers: 0, or what went wrong. */
const char *fresh_vm_check(int dev);

/*
 * Run @fn in a process of its own, which counts on in *@progress: its exit status, 128 and
 * the signal that killed it, or -1 if it made no progress for so long that it hangs. Tells
 * now and then how far it is.
 */
int run_watched(int (*fn)(void *), void *arg, volatile u64 *progress);
void *shared_memory(size_t size);	/* with processes forked later */

/* ---- the host ---- */

long memory_used(void);		/* KiB that neither files nor processes account for */
bool kernel_has_kasan(void);
int module_users(void);		/* of the module behind the device; -1 unknown */

#endif

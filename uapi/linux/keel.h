/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * keel.h - the ABI of /dev/keel
 *
 * The ABI is that of /dev/kvm, as <linux/kvm.h> defines it; a program that
 * runs on one runs on the other. This header adds what is Keel's own.
 */
#ifndef _UAPI_LINUX_KEEL_H
#define _UAPI_LINUX_KEEL_H

#include <linux/kvm.h>

#define KEEL_DEV_PATH	"/dev/keel"

/*
 * KEEL_STATS_TIMES - on a vCPU's fd of KVM_GET_STATS_FD: time exits until it is closed and unmapped
 *
 * The time from an exit to the entry that follows it, userspace and waiting in HLT
 * included, is counted by the kind of exit in buckets of powers of two of CPU cycles.
 * The counters are mapped read-only by mmap(NULL, sizeof(struct keel_exit_times),
 * PROT_READ, MAP_SHARED, fd, 0) and go on from where they were when timed before.
 * The kinds' order is that of the counters "exit_*" of the fd.
 *
 * Returns 0. -ENOTTY: not a vCPU's. -ENOMEM.
 */
#define KEEL_STATS_TIMES	_IO(KVMIO, 0xf0)

#define KEEL_TIMES_KINDS	64
#define KEEL_TIMES_BUCKETS	40	/* of 2^i to 2^(i+1) - 1 cycles; the last: and more */

struct keel_exit_times {
	__u64 count[KEEL_TIMES_KINDS][KEEL_TIMES_BUCKETS];
};

#endif

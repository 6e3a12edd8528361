/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - counters of VMs and vCPUs, shown in debugfs and by KVM_GET_STATS_FD
 */
#ifndef KEEL_STATS_H
#define KEEL_STATS_H

#include <linux/compiler.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/types.h>
#include <linux/keel.h>

#define KEEL_NR_EXIT_STATS	KEEL_TIMES_KINDS

struct keel_vm_stat {
	u64 mmu_unmaps;		/* frames of the ranges that MMU notifiers unmapped */
	u64 tlb_flushes;	/* of all vCPUs */
	u64 pages_4k, pages_2m, pages_1g;	/* mapped now */
};

struct keel_vcpu_stat {
	u64 user_exits;		/* KVM_RUN returned 0; counted by keel_vcpu_run() */
	u64 signal_exits;
	u64 halts;		/* HLT executed */
	u64 wakeups;		/* keel_vcpu_block() ended other than by a signal */
	u64 irq_injections, nmi_injections, exception_injections;
	u64 insns_emulated;
	u64 faults;		/* second-level faults mapped */
	u64 blocking;		/* 1: in keel_vcpu_block() */
	u64 exits[KEEL_NR_EXIT_STATS];	/* by enum keel_exit_kind */
};

/* A counter that one thread writes and anybody reads, at any time and without a lock. */
static inline void keel_count(u64 *counter, u64 n)
{
	/*
	 * An aligned u64 is never seen half written, and to increment memory is one
	 * instruction, which WRITE_ONCE() would make three.
	 */
	data_race(*counter += n);
}

struct keel_vm;
struct keel_vcpu;

/* One number of a struct above. */
struct keel_counter {
	const char *prefix;	/* of the name, or NULL */
	const char *name;
	size_t offset;
	bool now;		/* goes up and down */
	bool yes_or_no;		/* it is 0 or 1 */
};

/* Counter number @i of struct keel_vm_stat, struct keel_vcpu_stat; NULL: past the last. */
const struct keel_counter *keel_vm_counter(unsigned int i);
const struct keel_counter *keel_vcpu_counter(unsigned int i);
u64 keel_counter_read(const void *stat, const struct keel_counter *c);

/* KVM_GET_STATS_FD: an fd, or -errno. It holds a reference to the VM. Process context. */
long keel_vm_stats_fd(struct keel_vm *vm);
long keel_vcpu_stats_fd(struct keel_vcpu *vcpu);

/*
 * How long exits take, KEEL_STATS_TIMES. keel_times_exit() and keel_times_entry() go
 * around what is timed; vCPU thread, the latter with interrupts off. A no-op while
 * nobody looks.
 */
extern struct static_key_false_deferred keel_times_on;

/* KEEL_BARE=1 leaves out what users watch by, so that the bench can tell what it costs. */
#ifdef KEEL_BARE
#define keel_times_watched()	false
#else
#define keel_times_watched()	static_branch_unlikely(&keel_times_on.key)
#endif

void keel_times_note_exit(struct keel_vcpu *vcpu, unsigned int kind);
void keel_times_note_entry(struct keel_vcpu *vcpu);

static inline void keel_times_exit(struct keel_vcpu *vcpu, unsigned int kind)
{
	if (keel_times_watched())
		keel_times_note_exit(vcpu, kind);
}

static inline void keel_times_entry(struct keel_vcpu *vcpu)
{
	if (keel_times_watched())
		keel_times_note_entry(vcpu);
}

/*
 * keel_times_start() - give the vCPU counters, if it has none, and time its exits (and
 * those of other vCPUs that have them) until keel_times_stop(). -ENOMEM. May sleep.
 */
int keel_times_start(struct keel_vcpu *vcpu);
void keel_times_stop(struct keel_vcpu *vcpu);
void keel_times_flush(void);	/* nobody looks any more */

/* debugfs; failing to create is not an error. Process context. */
void keel_stats_init(void);
void keel_stats_exit(void);
void keel_stats_vm_add(struct keel_vm *vm, int fd);
void keel_stats_vm_remove(struct keel_vm *vm);

#endif

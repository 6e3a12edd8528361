/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - counters of VMs and vCPUs, shown in debugfs (keel/<pid>-<fd>/)
 */
#ifndef KEEL_STATS_H
#define KEEL_STATS_H

#include <linux/types.h>

#define KEEL_NR_EXIT_STATS	64

struct keel_vm_stat {
	u64 mmu_unmaps;		/* frames of the ranges that MMU notifiers unmapped */
	u64 tlb_flushes;	/* of all vCPUs */
	u64 pages_4k, pages_2m, pages_1g;	/* mapped now */
};

struct keel_vcpu_stat {
	u64 exits[KEEL_NR_EXIT_STATS];	/* by enum keel_exit_kind */
	u64 user_exits;		/* KVM_RUN returned 0; counted by keel_vcpu_run() */
	u64 signal_exits;
	u64 halts;		/* HLT executed */
	u64 wakeups;		/* keel_vcpu_block() ended other than by a signal */
	u64 irq_injections, nmi_injections, exception_injections;
	u64 insns_emulated;
	u64 faults;		/* second-level faults mapped */
};

struct keel_vm;
struct keel_vcpu;

/* debugfs; failing to create is not an error. Process context. */
void keel_stats_init(void);
void keel_stats_exit(void);
void keel_stats_vm_add(struct keel_vm *vm, int fd);
void keel_stats_vm_remove(struct keel_vm *vm);

#endif

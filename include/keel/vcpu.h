/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vcpu.h - one virtual CPU: a file, a thread's time in the guest, requests
 */
#ifndef KEEL_VCPU_H
#define KEEL_VCPU_H

#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/signal_types.h>
#include <keel/vm.h>

/* What a handler, an op or a completion says about the way on; or -errno. */
enum keel_next {
	KEEL_TO_USER	= 0,	/* kvm_run is filled: return to userspace */
	KEEL_RESUME	= 1,	/* enter the guest again */
	KEEL_LATER	= 2,	/* with interrupts off: nothing done, they must be on */
};

/*
 * The request word. A bit is set by any context with keel_vcpu_request() (and
 * a kick where the vCPU must see it now), and cleared by the vCPU thread. It is
 * tested last before entry, with interrupts off and mode already IN_GUEST.
 * Bits of the architecture start at KEEL_REQ_ARCH.
 */
enum {
	KEEL_REQ_DEAD,		/* the VM was killed: KVM_RUN returns -EIO */
	KEEL_REQ_TLB_FLUSH,	/* stage-2 mappings went away */
	KEEL_REQ_UNBLOCK,	/* leave HLT (set by what makes the vCPU runnable) */
	KEEL_REQ_OUT,		/* leave the guest once, nothing else: see arch_dirty_sync() */
	KEEL_REQ_ARCH = 8,
};

/* Where the vCPU thread is; a kick sends an IPI only when it is in the guest. */
enum keel_vcpu_mode { KEEL_OUTSIDE_GUEST, KEEL_IN_GUEST, KEEL_EXITING_GUEST };

#define KEEL_PIO_PAGE_OFFSET	1	/* pages into the vCPU mmap */
#define KEEL_COALESCED_PAGE	2
#define KEEL_VCPU_MMAP_PAGES	3

/*
 *   (c) constant after creation
 *   (v) the vCPU thread: under mutex
 *   (a) atomic or single-copy, see the comment
 */
struct keel_vcpu {
	struct keel_vm *vm;		/* (c) */
	unsigned long requests;		/* (a) bit operations */
	int mode;			/* (a) enum keel_vcpu_mode */
	int cpu;			/* (a) physical CPU loaded or being loaded on, or -1 */
	u32 id;				/* (c) the one userspace gave */
	u32 idx;			/* (c) creation order */
	struct mutex mutex;		/* one ioctl at a time */
	struct pid __rcu *pid;		/* (v) last thread that ran it */
	struct preempt_notifier pn;	/* (v) */
	bool preempted;			/* (a) scheduled out while runnable, */
	bool preempted_in_kernel;	/* (a) and then the guest was at CPL 0 */
	struct rcuwait wait;		/* where HLT sleeps */
	struct kvm_run *run;		/* (c) shared with userspace: written, and read once */
	void *pio_data;			/* (c) page, shared with userspace */
	sigset_t sigset;		/* (v) KVM_SET_SIGNAL_MASK */
	bool sigset_active;		/* (v) */
	/* (v) What the last exit to userspace left undone; the next KVM_RUN calls it first. */
	int (*complete)(struct keel_vcpu *vcpu);
	int srcu_depth;			/* (v) nesting of keel_mem_enter() */
	int srcu_idx;			/* (v) */
	struct keel_memslot *last_slot;	/* (v) valid within one SRCU section */
	struct keel_vcpu_stat stat;	/* (v) written; read by anyone */
	struct keel_exit_times *times;	/* vm->lock; set once. Counted by (v) */
	unsigned int times_users;	/* vm->lock; read by (v): who looks at times */
	u64 times_since;		/* (v) cycles at the last exit, */
	unsigned int times_kind;	/* (v) and its kind */
	struct keel_vcpu_arch arch;
};

/* KVM_CREATE_VCPU: an fd, or -EINVAL: the id, or no room for more; -EEXIST; -ENOMEM. */
long keel_vcpu_create_fd(struct keel_vm *vm, unsigned long id);

/* Put on / take off this physical CPU; pairs, process context, preemption on. */
void keel_vcpu_load(struct keel_vcpu *vcpu);
void keel_vcpu_put(struct keel_vcpu *vcpu);

/* Requests. set and test-and-clear imply the barriers that pairing with a kick needs. */
static inline void keel_vcpu_request(struct keel_vcpu *vcpu, unsigned int req)
{
	smp_wmb();	/* what the request is about, before the bit */
	set_bit(req, &vcpu->requests);
}

static inline bool keel_vcpu_requested(const struct keel_vcpu *vcpu, unsigned int req)
{
	return test_bit(req, &vcpu->requests);
}

static inline bool keel_vcpu_take_request(struct keel_vcpu *vcpu, unsigned int req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic(); /* the bit, before what it is about is read */
	return true;
}

/*
 * keel_vcpu_kick() - make the vCPU look at its request word soon: wakes it from
 * HLT, or out of the guest by an IPI. Any context, interrupts on or off.
 */
void keel_vcpu_kick(struct keel_vcpu *vcpu);

/*
 * keel_kick_self() - an interrupt for this CPU: the entry to the guest that follows ends
 * as soon as what it injects is delivered. Interrupts off.
 */
void keel_kick_self(void);

/*
 * keel_request_all() - set @req on every vCPU and return when none of them is
 * in the guest with the request unseen. May be called under mmu_lock
 * (interrupts on, preemption off).
 */
void keel_request_all(struct keel_vm *vm, unsigned int req);

/*
 * keel_vcpu_block() - sleep until arch_vcpu_runnable(), KEEL_REQ_UNBLOCK,
 * KEEL_REQ_OUT, KEEL_REQ_DEAD (which it leaves to the caller) or a signal. vCPU
 * loaded, interrupts on. arch_vcpu_runnable() is called with the thread's state
 * already TASK_INTERRUPTIBLE: it must not sleep.
 */
void keel_vcpu_block(struct keel_vcpu *vcpu);

/*
 * keel_vcpu_yield_to() - the CPU to @target, if that one was preempted; true: it has it.
 * keel_vcpu_spins() - @vcpu waits in a loop for who knows whom: the CPU to a preempted vCPU
 * of the VM, or to whoever wants it. Thread of @vcpu, may schedule.
 */
bool keel_vcpu_yield_to(struct keel_vcpu *vcpu, struct keel_vcpu *target);
void keel_vcpu_spins(struct keel_vcpu *vcpu);

/*
 * The read section of guest memory. Nestable; vCPU thread only. Every function
 * of gfn.h that takes a vCPU asserts it.
 */
void keel_mem_enter(struct keel_vcpu *vcpu);
void keel_mem_leave(struct keel_vcpu *vcpu);

#endif

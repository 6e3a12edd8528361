/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm.h - one virtual machine: a file, an address space, vCPUs, buses, routes
 */
#ifndef KEEL_VM_H
#define KEEL_VM_H

#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/xarray.h>
#include <keel/core.h>
#include <keel/iobus.h>
#include <keel/memslot.h>
#include <keel/stats.h>
#include <keel/arch_types.h>

#define KEEL_MAX_VCPUS		1024	/* at once */
#define KEEL_MAX_VCPU_IDS	4096	/* ids are 0 to this - 1 */

struct keel_irqfds;
struct keel_routing;

/*
 * More vCPUs than this, devices at one address, or irqfds that wait for an EOI: to reach for
 * all of them takes long, and is not done with interrupts off.
 */
#define KEEL_CROWD	64

/*
 * Locks, outermost first: vcpu->mutex, lock, slots_lock, irq_lock, srcu (read
 * side), mmu_lock. Documentation/locking has the whole order. No srcu read
 * section may wait for slots_lock: its holder waits for the section's end.
 *
 *   (c) constant after creation
 *   (l) lock: creation of vCPUs and chips, capabilities
 *   (s) slots_lock
 *   (i) irq_lock
 *   (m) mmu_lock; a spinlock, taken by faults and MMU notifiers
 *   (a) atomic
 */
struct keel_vm {
	struct kref ref;		/* the VM fd, each vCPU fd, each device fd */
	struct mm_struct *mm;		/* (c) the creator's; ioctls from another get -EIO */
	pid_t owner;			/* (c) the creator's thread group, as it sees itself */
	struct mutex lock;		/* (l) */
	struct mutex slots_lock;	/* (s) */
	struct mutex irq_lock;		/* (i) */
	struct srcu_struct srcu;	/* memslots: readers of guest memory */
	spinlock_t mmu_lock;		/* never with interrupts off: see keel_request_all() */

	struct keel_memslots slots;	/* see memslot.h */

	/* MMU notifier; seq and in-progress range: read by faults under (m) */
	struct mmu_notifier mn;
	unsigned long mn_seq;		/* (m) bumped at the end of each invalidation */
	unsigned int mn_active;		/* (m) invalidations under way */
	u64 mn_start, mn_end;		/* (m) hva range they cover together */

	struct xarray vcpus;		/* (l) for writing; index is creation order, 0.. */
	unsigned int nr_vcpus;		/* (l) published with release after the xarray entry */
	u32 last_yield;			/* (a) index of the vCPU that a spinning one let run */
	unsigned int max_vcpu_ids;	/* (l) */
	DECLARE_BITMAP(vcpu_ids, KEEL_MAX_VCPU_IDS);	/* (l) */

	struct keel_iobus __rcu *bus[KEEL_NR_BUSES];	/* (s) */
	struct list_head ioeventfds;	/* (s) */
	struct list_head coalesced_zones;	/* (s) */
	struct kvm_coalesced_mmio_ring *coalesced_ring;	/* (c) a page, shared with userspace */
	spinlock_t ring_lock;		/* one writer at a time; taken inside RCU */
	u32 coalesced_last;		/* ring_lock; our own copy of the ring's tail */

	struct keel_routing __rcu *routing;	/* (i) for writing, RCU for reading */
	struct keel_irqfds *irqfds;	/* (c) */

	bool crowded;			/* (a) set once, by KEEL_CROWD */
	bool dead;			/* (a) set once; every later ioctl gets -EIO */
	struct keel_vm_stat stat;	/* (m) written, tlb_flushes by anyone: it may miss some */
	struct dentry *debugfs;		/* (c) */
	struct list_head link;		/* keel_vm_list_lock: keel_vm_list */
	struct keel_vm_arch arch;
};

/* All VMs, for those who must tell each of them something (clocks, power). */
extern struct list_head keel_vm_list;
extern struct mutex keel_vm_list_lock;

/*
 * keel_vm_create() - a new VM owned by current->mm, with one reference.
 * Returns the VM or ERR_PTR: -EINVAL for an unknown @type, -ENOMEM, -EBUSY or
 * -EOPNOTSUPP from switching the hardware on. May sleep.
 */
struct keel_vm *keel_vm_create(unsigned long type);
long keel_vm_create_fd(unsigned long type);

void keel_vm_get(struct keel_vm *vm);
void keel_vm_put(struct keel_vm *vm);	/* may sleep; the last put destroys */

/*
 * keel_vm_kill() - this VM must not go on (an invariant of ours broke).
 * Any context. vCPUs leave the guest; every later ioctl returns -EIO. One
 * rate-limited line says @why.
 */
void keel_vm_kill(struct keel_vm *vm, const char *why);

/* keel_vm_check_extension() - KVM_CHECK_EXTENSION; @vm may be NULL (system fd). */
long keel_vm_check_extension(struct keel_vm *vm, long cap);

/* vCPU by creation index or by id; NULL if none. Safe against creation, without a lock. */
struct keel_vcpu *keel_vcpu_by_index(struct keel_vm *vm, unsigned int idx);
struct keel_vcpu *keel_vcpu_by_id(struct keel_vm *vm, u32 id);

#define keel_for_each_vcpu(i, vcpu, vm) \
	for ((i) = 0; ((vcpu) = keel_vcpu_by_index((vm), (i))); (i)++)

#endif

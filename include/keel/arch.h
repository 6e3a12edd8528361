/* SPDX-License-Identifier: GPL-2.0 */
/*
 * arch.h - what virt/ asks of the architecture
 */
#ifndef KEEL_ARCH_H
#define KEEL_ARCH_H

#include <keel/ioctl.h>
#include <keel/irq.h>
#include <keel/vcpu.h>

/* Module load: choose a backend. -EOPNOTSUPP with a line that says what is missing. */
int arch_init(void);
void arch_exit(void);

/*
 * Switch virtualization on for all CPUs (first VM) and off again (last VM gone).
 * Counted inside. -EBUSY: another hypervisor holds it; -EIO: the CPU refuses; each with one
 * line. -ESHUTDOWN: the machine goes down.
 */
int arch_hardware_get(void);
void arch_hardware_put(void);

/* Sizes of the containing objects: the backend embeds keel_vm and keel_vcpu at offset 0. */
size_t arch_vm_size(void);
size_t arch_vcpu_size(void);

bool arch_vm_type_valid(unsigned long type);	/* KVM_CREATE_VM's argument */
int arch_vm_init(struct keel_vm *vm);
void arch_vm_release(struct keel_vm *vm);	/* mm is going away: drop all mappings */
void arch_vm_destroy(struct keel_vm *vm);	/* after vCPUs are destroyed */
int arch_vcpu_init(struct keel_vcpu *vcpu);
void arch_vcpu_created(struct keel_vcpu *vcpu);	/* it can be found by others now */
void arch_vcpu_destroy(struct keel_vcpu *vcpu);

/* Preemption off. Also from the preempt notifiers. */
void arch_vcpu_load(struct keel_vcpu *vcpu, int cpu);
void arch_vcpu_put(struct keel_vcpu *vcpu);

/* KVM_RUN. mutex held, loaded, signal mask set. 0: see kvm_run; -EINTR; -errno. */
int arch_vcpu_run(struct keel_vcpu *vcpu);
bool arch_vcpu_runnable(struct keel_vcpu *vcpu);	/* would HLT end now? vCPU thread */
bool arch_vcpu_in_kernel(struct keel_vcpu *vcpu);	/* guest CPL 0 at preemption */

/* The name of stat.exits[@kind]; NULL: not counted. */
const char *arch_exit_name(unsigned int kind);

/* Capabilities of the architecture; 0 for unknown ones. @vm may be NULL. */
long arch_check_extension(struct keel_vm *vm, long cap);

extern const struct keel_sys_ioctl arch_sys_ioctls[KEEL_NR_IOCTLS];
extern const struct keel_vm_ioctl arch_vm_ioctls[KEEL_NR_IOCTLS];
extern const struct keel_vcpu_ioctl arch_vcpu_ioctls[KEEL_NR_IOCTLS];

/* Stage-2 tables. mmu_lock held for all but the last. */
/* Unmap [start, end); true if a TLB flush is owed. */
bool arch_mmu_unmap(struct keel_vm *vm, gfn_t start, gfn_t end);
/* Was it young? *@flush is set when pages have gone: flush before mmu_lock is dropped. */
bool arch_mmu_age(struct keel_vm *vm, gfn_t start, gfn_t end, bool clear, bool *flush);
/*
 * "Protect": from here on a write is logged, because it faults or because the hardware
 * notes it.
 */
/* Protect 4 KiB granules of @slot: where bit n of @mask is set, gfn base + offset + n. */
void arch_mmu_protect(struct keel_vm *vm, struct keel_memslot *slot, gfn_t offset,
		      unsigned long mask);
/* Protect [start, end); true if the caller owes a flush before it relies on that. */
bool arch_mmu_protect_range(struct keel_vm *vm, gfn_t start, gfn_t end);
/* every vCPU's TLB, done on return; mmu_lock or not */
void arch_mmu_flush(struct keel_vm *vm);

/*
 * The first slot with a dirty log is about to be seen (@on), or the last one is gone.
 * slots_lock held. Every vCPU obeys on return.
 */
void arch_dirty_logging(struct keel_vm *vm, bool on);
/* What vCPUs have written so far is in the logs on return. */
void arch_dirty_sync(struct keel_vm *vm);
/* A memslot's change has been made; the mmu may drop or rebuild (log on: protect; off: nothing). */
void arch_memslot_changed(struct keel_vm *vm, const struct keel_memslot *old,
			  const struct keel_memslot *new);

/*
 * Interrupts: deliver to a pin of a chip, or as MSI. Any context, RCU held.
 * Results as keel_irq_set().
 */
int arch_irq_pin(struct keel_vm *vm, enum keel_irq_source src, u32 chip, u32 pin, int level);
int arch_irq_msi(struct keel_vm *vm, u64 address, u32 data);
/* Is (chip, pin) one that exists for this VM? irq_lock held. */
bool arch_irq_pin_valid(struct keel_vm *vm, u32 chip, u32 pin);
bool arch_irq_msi_valid(struct keel_vm *vm, u64 address);	/* could any APIC get it? */
bool arch_irqchip_present(struct keel_vm *vm);	/* in the kernel, whole or split */
void arch_routing_changed(struct keel_vm *vm);	/* irq_lock held, new table visible */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mmu.h - what the rest of arch/x86 asks of second-level paging
 */
#ifndef KEEL_X86_MMU_H
#define KEEL_X86_MMU_H

#include "../exit.h"

int keel_mmu_vm_init(struct keel_vm *vm);	/* root table; -ENOMEM */
void keel_mmu_vm_destroy(struct keel_vm *vm);
int keel_mmu_vcpu_init(struct keel_vcpu *vcpu);
void keel_mmu_vcpu_destroy(struct keel_vcpu *vcpu);
u64 keel_mmu_root(struct keel_vm *vm);		/* physical address for NCR3 or EPTP */
/* Unmap all of guest memory, flushed on return. Takes mmu_lock, may sleep. */
void keel_mmu_zap_all(struct keel_vm *vm);

/*
 * keel_fault_exit() - a second-level fault. Maps the frame; or emulates (MMIO, write
 * to a read-only slot); or goes to userspace (-EFAULT and poisoned memory).
 */
int keel_fault_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);
/* As keel_exit_quick(): a plain access to a device. */
int keel_fault_quick(struct keel_vcpu *vcpu, struct keel_exit *exit);

/*
 * Guest's own page tables: linear to physical, by CR0, CR3, CR4, EFER as they are now.
 * Inside keel_mem_enter(). @access: EMUL_* of emul.h. EMUL_DONE; EMUL_FAULT: @fault filled
 * with the #PF (or #GP); EMUL_INTR: tables changed below us, start again.
 */
enum emul_result keel_gwalk(struct keel_vcpu *vcpu, gva_t gva, unsigned int access, gpa_t *gpa,
			    struct emul_fault *fault);
/*
 * Does RFLAGS.AC lift SMAP for @access? For what an instruction of the guest's kernel names,
 * not for the CPU's own accesses.
 */
bool keel_gwalk_ac(struct keel_vcpu *vcpu, u64 cr4, unsigned int access);

/* tlb.c: KEEL_REQ_TLB_FLUSH of this vCPU. */
void keel_tlb_flush_vcpu(struct keel_vcpu *vcpu);

#endif

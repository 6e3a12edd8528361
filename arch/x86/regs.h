/* SPDX-License-Identifier: GPL-2.0 */
/*
 * regs.h - the guest's registers: lazily read, written back before entry
 */
#ifndef KEEL_X86_REGS_H
#define KEEL_X86_REGS_H

#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include "backend.h"

/* Saved at each exit and loaded at each entry: neither read nor written back by need. */
#define KEEL_REGS_CARRIED	(GENMASK(KEEL_RIP - 1, 0) & ~BIT(KEEL_RSP))

/* vCPU thread, loaded. */
static __always_inline u64 keel_reg_read(struct keel_vcpu *vcpu, unsigned int reg)
{
	if (!(KEEL_REGS_CARRIED & BIT(reg)) && !test_bit(reg, &vcpu->arch.avail))
		keel_op(cache_reg)(vcpu, reg);
	return vcpu->arch.regs[reg];
}

static __always_inline void keel_reg_write(struct keel_vcpu *vcpu, unsigned int reg, u64 val)
{
	vcpu->arch.regs[reg] = val;
	if (KEEL_REGS_CARRIED & BIT(reg))
		return;
	__set_bit(reg, &vcpu->arch.avail);
	__set_bit(reg, &vcpu->arch.dirty);
}

static inline u64 keel_rip(struct keel_vcpu *vcpu)
{
	return keel_reg_read(vcpu, KEEL_RIP);
}

static inline u64 keel_cr0(struct keel_vcpu *vcpu)
{
	if (!test_bit(KEEL_GRP_CR0, &vcpu->arch.avail))
		keel_op(cache_reg)(vcpu, KEEL_GRP_CR0);
	return vcpu->arch.cr0;
}

static inline u64 keel_cr3(struct keel_vcpu *vcpu)
{
	if (!test_bit(KEEL_GRP_CR3, &vcpu->arch.avail))
		keel_op(cache_reg)(vcpu, KEEL_GRP_CR3);
	return vcpu->arch.cr3;
}

static inline u64 keel_cr4(struct keel_vcpu *vcpu)
{
	if (!test_bit(KEEL_GRP_CR4, &vcpu->arch.avail))
		keel_op(cache_reg)(vcpu, KEEL_GRP_CR4);
	return vcpu->arch.cr4;
}

/* Bits of CR4 that no backend lets a guest change without an exit: always known. */
#define KEEL_CR4_KEPT	(X86_CR4_LA57 | X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE | \
			 X86_CR4_OSXSAVE)

static inline u64 keel_cr4_kept(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.cr4 & KEEL_CR4_KEPT;
}

/* The low 32 bits of EDX:EAX pairs, as RDMSR and friends use them. */
static inline u64 keel_edx_eax(struct keel_vcpu *vcpu)
{
	return (u32)keel_reg_read(vcpu, KEEL_RAX) |
	       (u64)(u32)keel_reg_read(vcpu, KEEL_RDX) << 32;
}

static inline void keel_set_edx_eax(struct keel_vcpu *vcpu, u64 val)
{
	keel_reg_write(vcpu, KEEL_RAX, (u32)val);
	keel_reg_write(vcpu, KEEL_RDX, val >> 32);
}

/* EFER.LMA and CS.L: 64 bit code runs now. */
static inline bool keel_is_64bit(struct keel_vcpu *vcpu)
{
	return (vcpu->arch.efer & EFER_LMA) && keel_op(get_cs_l)(vcpu);
}

u64 keel_linear_rip(struct keel_vcpu *vcpu);

/* RESET or INIT: architectural values ("Processor State after Reset"). */
void keel_regs_reset(struct keel_vcpu *vcpu, bool init);

/* RFLAGS as userspace sees them: without the TF of its own single step; reserved bits cleared. */
u64 keel_rflags_to_user(struct keel_vcpu *vcpu);
void keel_rflags_from_user(struct keel_vcpu *vcpu, u64 rflags);

long keel_ioc_get_regs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_regs(struct keel_vcpu *vcpu, union keel_arg arg);
/* sregs.c */
long keel_ioc_get_sregs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_sregs(struct keel_vcpu *vcpu, union keel_arg arg);
/* regs.c. KVM_CAP_SYNC_REGS: kvm_run->s.regs. -EINVAL for unknown bits. */
void keel_sync_regs_store(struct keel_vcpu *vcpu);
int keel_sync_regs_load(struct keel_vcpu *vcpu);
long keel_ioc_translate(struct keel_vcpu *vcpu, union keel_arg arg);

/* Bits above the guest's physical address width. */
static inline u64 keel_gpa_reserved(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.maxphyaddr < 64 ? GENMASK_ULL(63, vcpu->arch.maxphyaddr) : 0;
}

/* cr.c: as the guest writes them. 0, or -EINVAL: #GP, nothing changed. */
int keel_set_cr0(struct keel_vcpu *vcpu, u64 cr0);
int keel_set_cr3(struct keel_vcpu *vcpu, u64 cr3);
int keel_set_cr4(struct keel_vcpu *vcpu, u64 cr4);
int keel_set_cr8(struct keel_vcpu *vcpu, u64 cr8);
int keel_set_efer(struct keel_vcpu *vcpu, u64 efer);
int keel_set_xcr(struct keel_vcpu *vcpu, u32 index, u64 val);
u64 keel_get_cr8(struct keel_vcpu *vcpu);
/* Could a CPU hold these values at all; CR4 and EFER by the guest's CPUID. */
bool keel_cr0_valid(u64 cr0);
bool keel_cr4_valid(struct keel_vcpu *vcpu, u64 cr4);
bool keel_efer_valid(struct keel_vcpu *vcpu, u64 efer);
/* Exit handlers. */
int keel_cr_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);
int keel_xsetbv_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);

/* debug.c */
/* What KVM_SET_GUEST_DEBUG takes. */
#define KEEL_GUESTDBG_KNOWN	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |		\
				 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP |		\
				 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)

int keel_dr_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);
int keel_db_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);	/* #DB, #BP intercepted */
/* -EINVAL: #GP; -ENXIO: #UD */
int keel_set_dr(struct keel_vcpu *vcpu, unsigned int nr, u64 val);
u64 keel_get_dr(struct keel_vcpu *vcpu, unsigned int nr);
/* interrupts off, before entry: DR0-3 when needed */
void keel_debug_load(struct keel_vcpu *vcpu);
/* interrupts off, after: save, restore the host's */
void keel_debug_unload(struct keel_vcpu *vcpu);
/* an instruction was stepped over or emulated, before which RFLAGS.TF was @tf */
int keel_debug_step_done(struct keel_vcpu *vcpu, bool tf);
long keel_ioc_get_debugregs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_debugregs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_guest_debug(struct keel_vcpu *vcpu, union keel_arg arg);

/* fpu.c */
int keel_fpu_init(struct keel_vcpu *vcpu);
void keel_fpu_destroy(struct keel_vcpu *vcpu);
void keel_fpu_reset(struct keel_vcpu *vcpu, bool init);
void keel_fpu_enter(struct keel_vcpu *vcpu);	/* KVM_RUN begins: guest state into current */
void keel_fpu_leave(struct keel_vcpu *vcpu);
/* interrupts off, before the first entry of a turn and after the last: XCR0, XSS */
void keel_fpu_load_xcr(struct keel_vcpu *vcpu);
void keel_fpu_load_host_xcr(struct keel_vcpu *vcpu);
/* Around each entry: by PKRU the host reads user memory, too. */
void keel_fpu_swap_pkru(struct keel_vcpu *vcpu, bool guest);

static __always_inline void keel_fpu_load_pkru(struct keel_vcpu *vcpu)
{
	if (cpu_feature_enabled(X86_FEATURE_OSPKE))
		keel_fpu_swap_pkru(vcpu, true);
}

static __always_inline void keel_fpu_load_host_pkru(struct keel_vcpu *vcpu)
{
	if (cpu_feature_enabled(X86_FEATURE_OSPKE))
		keel_fpu_swap_pkru(vcpu, false);
}

/* Emulator's vector registers; guest FPU state is in current's registers (KVM_RUN). */
void keel_fpu_vec_read(struct keel_vcpu *vcpu, unsigned int nr, void *buf, unsigned int len);
void keel_fpu_vec_write(struct keel_vcpu *vcpu, unsigned int nr, const void *buf,
			unsigned int len, bool zext);
long keel_ioc_get_fpu(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_fpu(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_get_xsave(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_get_xsave2(struct keel_vcpu *vcpu, union keel_arg arg);	/* USER */
long keel_ioc_set_xsave(struct keel_vcpu *vcpu, union keel_arg arg);	/* USER */
long keel_ioc_get_xcrs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_xcrs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_fpu_xsave2_size(struct keel_vm *vm);	/* KVM_CAP_XSAVE2 */

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * regs.c - general registers: as the guest has them, after reset, for userspace
 */
#include <linux/percpu.h>
#include <linux/string.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <keel/gfn.h>
#include "cpuid.h"
#include "event.h"
#include "mmu/mmu.h"
#include "regs.h"

/* Bits of RFLAGS that exist. The others must be 0, bit 1 must be 1, or the CPU refuses entry. */
#define KEEL_RFLAGS_VALID (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |	\
			   X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF |	\
			   X86_EFLAGS_OF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | X86_EFLAGS_RF |	\
			   X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP |	\
			   X86_EFLAGS_ID)

#define KEEL_RESET_CS		0xf000
#define KEEL_RESET_CS_BASE	0xffff0000
#define KEEL_RESET_RIP		0xfff0
#define KEEL_RESET_EDX		0x600	/* a vCPU that has no CPUID yet: family 6 */

u64 keel_linear_rip(struct keel_vcpu *vcpu)
{
	struct kvm_segment cs;

	if (keel_is_64bit(vcpu))
		return keel_rip(vcpu);
	keel_op(get_segment)(vcpu, KEEL_CS, &cs);
	return (u32)(cs.base + keel_rip(vcpu));
}

/* ---- reset ---- */

/* "Processor State after Reset": all present, limit 0xffff, base and selector 0 but for CS. */
static const struct { u8 type, s; } keel_reset_segments[KEEL_NR_SEGS] = {
	[KEEL_ES]   = { .type = 3,  .s = 1 },
	[KEEL_CS]   = { .type = 11, .s = 1 },
	[KEEL_SS]   = { .type = 3,  .s = 1 },
	[KEEL_DS]   = { .type = 3,  .s = 1 },
	[KEEL_FS]   = { .type = 3,  .s = 1 },
	[KEEL_GS]   = { .type = 3,  .s = 1 },
	[KEEL_TR]   = { .type = 11 },
	[KEEL_LDTR] = { .type = 2 },
};

static void reset_segments(struct keel_vcpu *vcpu)
{
	const struct kvm_dtable table = { .limit = 0xffff };
	unsigned int i;

	for (i = 0; i < KEEL_NR_SEGS; i++) {
		struct kvm_segment s = {
			.limit = 0xffff,
			.present = 1,
			.type = keel_reset_segments[i].type,
			.s = keel_reset_segments[i].s,
		};

		if (i == KEEL_CS) {
			s.base = KEEL_RESET_CS_BASE;
			s.selector = KEEL_RESET_CS;
		}
		keel_op(set_segment)(vcpu, i, &s);
	}
	keel_op(set_dtable)(vcpu, false, &table);
	keel_op(set_dtable)(vcpu, true, &table);
}

/* The caches' bits survive INIT. */
static void reset_control(struct keel_vcpu *vcpu, bool init)
{
	u64 cache = X86_CR0_CD | X86_CR0_NW;

	if (init)
		cache &= keel_cr0(vcpu);
	vcpu->arch.cr2 = 0;
	vcpu->arch.cr8 = 0;
	keel_op(set_cr0)(vcpu, X86_CR0_ET | cache);
	keel_op(set_cr3)(vcpu, 0);
	keel_op(set_cr4)(vcpu, 0);
	keel_op(set_efer)(vcpu, 0);
	keel_cpuid_update_runtime(vcpu);
	keel_vcpu_request(vcpu, KEEL_REQ_TLB_FLUSH);
}

static u32 reset_edx(struct keel_vcpu *vcpu)
{
	u32 eax = 1, ebx = 0, ecx = 0, edx = 0;

	keel_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	return eax ?: KEEL_RESET_EDX;
}

static void reset_debug(struct keel_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		keel_set_dr(vcpu, i, 0);
	keel_set_dr(vcpu, 6, DR6_RESERVED);
	keel_set_dr(vcpu, 7, 0);
}

void keel_regs_reset(struct keel_vcpu *vcpu, bool init)
{
	unsigned int i;

	for (i = 0; i < KEEL_RIP; i++)
		keel_reg_write(vcpu, i, 0);
	keel_reg_write(vcpu, KEEL_RIP, KEEL_RESET_RIP);
	keel_reg_write(vcpu, KEEL_RDX, reset_edx(vcpu));
	keel_rflags_from_user(vcpu, 0);
	reset_segments(vcpu);
	reset_control(vcpu, init);
	reset_debug(vcpu);
}

/* ---- KVM_GET_REGS, KVM_SET_REGS ---- */

/* TF that is set for userspace's single step is not the guest's. */
u64 keel_rflags_to_user(struct keel_vcpu *vcpu)
{
	u64 rflags = keel_op(get_rflags)(vcpu);

	if (vcpu->arch.guest_debug & KVM_GUESTDBG_SINGLESTEP)
		rflags &= ~X86_EFLAGS_TF;
	return rflags;
}

void keel_rflags_from_user(struct keel_vcpu *vcpu, u64 rflags)
{
	rflags &= KEEL_RFLAGS_VALID;
	if (vcpu->arch.guest_debug & KVM_GUESTDBG_SINGLESTEP)
		rflags |= X86_EFLAGS_TF;
	keel_op(set_rflags)(vcpu, rflags | X86_EFLAGS_FIXED);
}

/* Those of struct kvm_regs, by both names. */
#define KEEL_KVM_REGS(X)							\
	do {									\
		X(RAX, rax); X(RCX, rcx); X(RDX, rdx); X(RBX, rbx);		\
		X(RSP, rsp); X(RBP, rbp); X(RSI, rsi); X(RDI, rdi);		\
		X(R8, r8); X(R9, r9); X(R10, r10); X(R11, r11);			\
		X(R12, r12); X(R13, r13); X(R14, r14); X(R15, r15);		\
		X(RIP, rip);							\
	} while (0)

#define KEEL_GET_REG(reg, name) (regs->name = keel_reg_read(vcpu, KEEL_##reg))
#define KEEL_SET_REG(reg, name) keel_reg_write(vcpu, KEEL_##reg, regs->name)

long keel_ioc_get_regs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_regs *regs = arg.buf;

	KEEL_KVM_REGS(KEEL_GET_REG);
	regs->rflags = keel_rflags_to_user(vcpu);
	return 0;
}

/* An exception found but not delivered belongs to the state that is replaced. */
long keel_ioc_set_regs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_regs *regs = arg.buf;

	KEEL_KVM_REGS(KEEL_SET_REG);
	keel_rflags_from_user(vcpu, regs->rflags);
	vcpu->arch.exception.pending = false;
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return 0;
}

/* ---- registers in kvm_run ---- */

union keel_sync_buf {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
};

static const struct keel_sync_row {
	u64 bit;
	size_t offset, size;
	long (*get)(struct keel_vcpu *vcpu, union keel_arg arg);
	long (*set)(struct keel_vcpu *vcpu, union keel_arg arg);
} keel_sync_rows[] = {
	{
		KVM_SYNC_X86_REGS, offsetof(struct kvm_sync_regs, regs), sizeof(struct kvm_regs),
		keel_ioc_get_regs, keel_ioc_set_regs,
	}, {
		KVM_SYNC_X86_SREGS, offsetof(struct kvm_sync_regs, sregs), sizeof(struct kvm_sregs),
		keel_ioc_get_sregs, keel_ioc_set_sregs,
	}, {
		KVM_SYNC_X86_EVENTS, offsetof(struct kvm_sync_regs, events),
		sizeof(struct kvm_vcpu_events), keel_ioc_get_vcpu_events, keel_ioc_set_vcpu_events,
	},
};

void keel_sync_regs_store(struct keel_vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	const struct keel_sync_row *row;
	union keel_sync_buf buf;
	union keel_arg arg = { .buf = &buf };

	for (row = keel_sync_rows; row < keel_sync_rows + ARRAY_SIZE(keel_sync_rows); row++) {
		if (!(valid & row->bit))
			continue;
		memset(&buf, 0, sizeof(buf));
		row->get(vcpu, arg);
		memcpy((void *)&vcpu->run->s.regs + row->offset, &buf, row->size);
	}
}

/* Each part is copied before it is looked at: userspace may write to it meanwhile. */
static int sync_load(struct keel_vcpu *vcpu, u64 dirty)
{
	const struct keel_sync_row *row;
	union keel_sync_buf buf;
	union keel_arg arg = { .buf = &buf };
	long r;

	for (row = keel_sync_rows; row < keel_sync_rows + ARRAY_SIZE(keel_sync_rows); row++) {
		if (!(dirty & row->bit))
			continue;
		memcpy(&buf, (void *)&vcpu->run->s.regs + row->offset, row->size);
		r = row->set(vcpu, arg);
		if (r)
			return r;
	}
	return 0;
}

int keel_sync_regs_load(struct keel_vcpu *vcpu)
{
	u64 valid = READ_ONCE(vcpu->run->kvm_valid_regs);
	u64 dirty = READ_ONCE(vcpu->run->kvm_dirty_regs);
	int r;

	if ((valid | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (!dirty)
		return 0;
	r = sync_load(vcpu, dirty);
	if (!r)
		WRITE_ONCE(vcpu->run->kvm_dirty_regs, 0);
	return r;
}

/* ---- KVM_TRANSLATE ---- */

#define KEEL_TRANSLATE_TRIES	8	/* other vCPUs may change the tables meanwhile */

static enum emul_result translate(struct keel_vcpu *vcpu, gva_t gva, unsigned int access,
				  gpa_t *gpa)
{
	struct emul_fault fault;
	enum emul_result r;
	unsigned int i;

	for (i = 0; i < KEEL_TRANSLATE_TRIES; i++) {
		r = keel_gwalk(vcpu, gva, access, gpa, &fault);
		if (r != EMUL_INTR)
			break;
	}
	return r;
}

/* A debugger's view: supervisor, and user where SMAP keeps the supervisor out. */
long keel_ioc_translate(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_translation *tr = arg.buf;
	enum emul_result r;
	gpa_t gpa = 0;

	keel_mem_enter(vcpu);
	r = translate(vcpu, tr->linear_address, EMUL_READ, &gpa);
	if (r != EMUL_DONE)
		r = translate(vcpu, tr->linear_address, EMUL_READ | EMUL_USER, &gpa);
	keel_mem_leave(vcpu);

	tr->valid = r == EMUL_DONE;
	tr->physical_address = tr->valid ? gpa : ~0ULL;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}

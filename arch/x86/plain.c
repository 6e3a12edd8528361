// SPDX-License-Identifier: GPL-2.0
/*
 * plain.c - device accesses by plain MOVs, and the lengths of plain instructions,
 * without the emulator
 */
#include <linux/mm.h>
#include <keel/iobus.h>
#include "emulate.h"
#include "irqchip/irqchip.h"
#include "mmu/gtlb.h"
#include "plain.h"
#include "regs.h"

/* ---- one access ---- */

static u64 plain_reg(struct keel_vcpu *vcpu, unsigned int reg)
{
	return reg < KEEL_RIP ? keel_reg_read(vcpu, reg) : 0;
}

static gva_t plain_address(struct keel_vcpu *vcpu, const struct emul_plain *p)
{
	u64 base = p->base == EMUL_PLAIN_RIP ? keel_rip(vcpu) + p->len :
					       plain_reg(vcpu, p->base);

	return emul_plain_address(p, base, plain_reg(vcpu, p->index));
}

/* Is it the access that the exit is about, all of it, and one the guest may make? */
static bool plain_is_it(struct keel_vcpu *vcpu, const struct emul_plain *p,
			const struct keel_exit *exit, bool user)
{
	unsigned int access = (p->write ? EMUL_WRITE : 0) | (user ? EMUL_USER : 0);
	gva_t at = plain_address(vcpu, p);
	struct keel_gtlb_hit hit;

	return offset_in_page(at) + p->size <= PAGE_SIZE &&
	       keel_gtlb_find(vcpu, at, access, &hit) && !hit.memory && hit.gpa == exit->fault.gpa;
}

/* The instruction at RIP. A driver's loop has the same one again and again. */
static const struct emul_plain *plain_insn(struct keel_vcpu *vcpu, bool user)
{
	struct keel_plain *last = &vcpu->arch.plain;
	u64 code[EMUL_PLAIN_BYTES / sizeof(u64)];

	if (!keel_gtlb_fetch(vcpu, keel_rip(vcpu), user, code))
		return NULL;
	if (last->known && last->code[0] == code[0] && last->code[1] == code[1])
		return &last->insn;
	last->known = emul_plain_decode((const u8 *)code, &last->insn);
	memcpy(last->code, code, sizeof(code));
	return last->known ? &last->insn : NULL;
}

static int plain_read_done(struct keel_vcpu *vcpu, const struct emul_plain *p, u64 val)
{
	keel_reg_write(vcpu, p->reg, emul_plain_loaded(p, plain_reg(vcpu, p->reg), val));
	return keel_skip_len(vcpu, p->len);
}

static int plain_complete(struct keel_vcpu *vcpu)
{
	struct emul_plain p = vcpu->arch.plain.waits;
	u64 val = 0;

	vcpu->complete = NULL;
	if (keel_linear_rip(vcpu) != vcpu->arch.plain.rip)
		return KEEL_RESUME;	/* reset or moved by userspace meanwhile */
	if (p.write)
		return keel_skip_len(vcpu, p.len);
	memcpy(&val, vcpu->run->mmio.data, p.size);
	return plain_read_done(vcpu, &p, val);
}

static int plain_to_user(struct keel_vcpu *vcpu, const struct emul_plain *p, gpa_t gpa, u64 val)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = p->size;
	run->mmio.is_write = p->write;
	memcpy(run->mmio.data, &val, sizeof(run->mmio.data));
	vcpu->arch.plain.waits = *p;
	vcpu->arch.plain.rip = keel_linear_rip(vcpu);
	vcpu->complete = plain_complete;
	return KEEL_TO_USER;
}

static int plain_write(struct keel_vcpu *vcpu, const struct emul_plain *p, gpa_t gpa)
{
	u64 val = p->has_imm ? p->imm : plain_reg(vcpu, p->reg);

	val &= GENMASK_ULL(p->size * 8 - 1, 0);
	if (!keel_mmio_write(vcpu, gpa, p->size, &val))
		return keel_skip_len(vcpu, p->len);
	return plain_to_user(vcpu, p, gpa, val);
}

static int plain_read(struct keel_vcpu *vcpu, const struct emul_plain *p, gpa_t gpa)
{
	u64 val = 0;

	if (!keel_mmio_read(vcpu, gpa, p->size, &val))
		return plain_read_done(vcpu, p, val);
	return plain_to_user(vcpu, p, gpa, 0);
}

/* A doorbell whose value does not matter. */
static bool plain_rings(struct keel_vcpu *vcpu, const struct emul_plain *p,
			const struct keel_exit *exit)
{
	return p->write && exit->kind == KEEL_EXIT_MISCONFIG &&
	       !keel_bus_write(vcpu, KEEL_BUS_FAST_MMIO, exit->fault.gpa, 0, NULL);
}

int keel_plain_mmio(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	const struct emul_plain *p;
	bool user;

	if (!keel_is_64bit(vcpu))
		return KEEL_LATER;
	user = keel_op(get_cpl)(vcpu) == 3;
	p = plain_insn(vcpu, user);
	if (!p || !plain_is_it(vcpu, p, exit, user) ||
	    (p->write && !keel_mmio_write_quick(vcpu, exit->fault.gpa)))
		return KEEL_LATER;
	if (plain_rings(vcpu, p, exit))
		return keel_skip_len(vcpu, p->len);
	keel_count(&vcpu->stat.insns_emulated, 1);
	return p->write ? plain_write(vcpu, p, exit->fault.gpa) :
			  plain_read(vcpu, p, exit->fault.gpa);
}

/* ---- lengths ---- */

#define PLAIN_LENGTH(n, first) { .len = (n), .mask = GENMASK((n) * 8 - 1, 0), .bytes = (first) }

static const struct plain_length {
	u32 mask, bytes;
	u8 len;
} plain_lengths[KEEL_NR_EXITS] = {
	[KEEL_EXIT_CPUID]	= PLAIN_LENGTH(2, 0xa20f),
	[KEEL_EXIT_HLT]		= PLAIN_LENGTH(1, 0xf4),
	[KEEL_EXIT_PAUSE]	= PLAIN_LENGTH(2, 0x90f3),
	[KEEL_EXIT_MSR_READ]	= PLAIN_LENGTH(2, 0x320f),
	[KEEL_EXIT_MSR_WRITE]	= PLAIN_LENGTH(2, 0x300f),
	[KEEL_EXIT_HYPERCALL]	= PLAIN_LENGTH(3, 0xd9010f),
};

u8 keel_plain_length(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	const struct plain_length *want = &plain_lengths[exit->kind];
	u64 code[EMUL_PLAIN_BYTES / sizeof(u64)];
	bool found;

	if (!want->len || !keel_is_64bit(vcpu))
		return 0;
	keel_mem_enter(vcpu);
	found = keel_gtlb_fetch(vcpu, keel_rip(vcpu), keel_op(get_cpl)(vcpu) == 3, code);
	keel_mem_leave(vcpu);
	return found && ((u32)code[0] & want->mask) == want->bytes ? want->len : 0;
}

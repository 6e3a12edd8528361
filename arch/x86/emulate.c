// SPDX-License-Identifier: GPL-2.0
/*
 * emulate.c - an instruction of the guest, by the emulator: state in, result out
 */
#include <linux/kvm.h>
#include <linux/sched/signal.h>
#include <asm/trapnr.h>
#include "cpuid.h"
#include "emulate.h"
#include "event.h"
#include "regs.h"

#define EMULATE_BATCH	4096	/* iterations of REP before the guest is entered again */

static void emulate_vec_read(struct emul_ctxt *c, unsigned int nr, void *buf, unsigned int len)
{
	keel_fpu_vec_read(c->priv, nr, buf, len);
}

static void emulate_vec_write(struct emul_ctxt *c, unsigned int nr, const void *buf,
			      unsigned int len, bool zext)
{
	keel_fpu_vec_write(c->priv, nr, buf, len, zext);
}

static const struct emul_ops emulate_ops = {
	.fetch = keel_emul_fetch,
	.read = keel_emul_read,
	.write = keel_emul_write,
	.cmpxchg = keel_emul_cmpxchg,
	.probe_write = keel_emul_probe_write,
	.port_in = keel_emul_port_in,
	.port_out = keel_emul_port_out,
	.port_check = keel_emul_port_check,
	.vec_read = emulate_vec_read,
	.vec_write = emulate_vec_write,
};

/* ---- state in ---- */

static void emulate_load_segment(struct keel_vcpu *vcpu, enum emul_seg seg)
{
	struct emul_segment *s = &vcpu->arch.emul.ctxt.seg[seg];
	struct kvm_segment k;

	keel_op(get_segment)(vcpu, (enum keel_segreg)seg, &k);
	*s = (struct emul_segment){
		.base = k.base,
		.limit = k.limit,
		.sel = k.selector,
		.type = k.type,
		.dpl = k.dpl,
		.s = k.s,
		.present = k.present,
		.db = k.db,
		.l = k.l,
		.unusable = k.unusable,
	};
	vcpu->arch.emul.seg[seg] = *s;
}

static enum emul_mode emulate_mode(const struct emul_ctxt *c)
{
	if (!(c->cr0 & X86_CR0_PE))
		return EMUL_REAL;
	if ((c->efer & EFER_LMA) && c->seg[EMUL_CS].l)
		return EMUL_LONG;
	if (!(c->efer & EFER_LMA) && (c->rflags & X86_EFLAGS_VM))
		return EMUL_VM86;
	return c->seg[EMUL_CS].db ? EMUL_PROT32 : EMUL_PROT16;
}

/* What decoding needs; the rest is for execution. */
static void emulate_load_code(struct keel_vcpu *vcpu)
{
	struct emul_ctxt *c = &vcpu->arch.emul.ctxt;

	c->ops = &emulate_ops;
	c->priv = vcpu;
	c->rip = keel_rip(vcpu);
	c->rflags = keel_op(get_rflags)(vcpu);
	c->cr0 = keel_cr0(vcpu);
	c->cr4 = keel_cr4(vcpu);
	c->efer = vcpu->arch.efer;
	c->cpl = keel_op(get_cpl)(vcpu);
	emulate_load_segment(vcpu, EMUL_CS);
	c->mode = emulate_mode(c);
	/* The CPU that executes the rest of the guest decides how this one behaves. */
	c->amd_branch16 = keel_host_is_amd();
}

static void emulate_load(struct keel_vcpu *vcpu)
{
	struct emul_ctxt *c = &vcpu->arch.emul.ctxt;
	unsigned int i;

	emulate_load_code(vcpu);
	for (i = 0; i < ARRAY_SIZE(c->gpr); i++)
		c->gpr[i] = keel_reg_read(vcpu, i);
	for (i = 0; i < EMUL_NR_SEGS; i++)
		if (i != EMUL_CS)
			emulate_load_segment(vcpu, i);
	c->xcr0 = vcpu->arch.xcr0;
	c->has_movbe = keel_guest_has(vcpu, KEEL_F_MOVBE);
	c->has_avx = keel_guest_has(vcpu, KEEL_F_AVX);
	c->has_avx2 = keel_guest_has(vcpu, KEEL_F_AVX2);
	c->has_cx16 = keel_guest_has(vcpu, KEEL_F_CX16);
}

/* ---- result out ---- */

/* Only real and virtual-8086 mode load segments here: selector and base. */
static void emulate_store_segment(struct keel_vcpu *vcpu, enum emul_seg seg)
{
	const struct emul_segment *was = &vcpu->arch.emul.seg[seg];
	const struct emul_segment *s = &vcpu->arch.emul.ctxt.seg[seg];
	struct kvm_segment k;

	if (s->sel == was->sel && s->base == was->base)
		return;
	keel_op(get_segment)(vcpu, (enum keel_segreg)seg, &k);
	k.selector = s->sel;
	k.base = s->base;
	keel_op(set_segment)(vcpu, (enum keel_segreg)seg, &k);
}

/* An instruction, or at least one iteration of it, was completed. */
static void emulate_store(struct keel_vcpu *vcpu, enum emul_result r)
{
	const struct emul_ctxt *c = &vcpu->arch.emul.ctxt;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c->gpr); i++)
		if (c->gpr[i] != vcpu->arch.regs[i])
			keel_reg_write(vcpu, i, c->gpr[i]);
	if (c->rip != keel_rip(vcpu))
		keel_reg_write(vcpu, KEEL_RIP, c->rip);
	if (c->rflags != keel_op(get_rflags)(vcpu))
		keel_op(set_rflags)(vcpu, c->rflags);
	for (i = 0; i < EMUL_NR_SEGS; i++)
		if (i != EMUL_CS)
			emulate_store_segment(vcpu, i);
	keel_op(set_shadow)(vcpu, r == EMUL_DONE && c->sets_shadow ?
				  KVM_X86_SHADOW_INT_MOV_SS : 0);
}

static void emulate_fault(struct keel_vcpu *vcpu, const struct emul_fault *f)
{
	if (f->vector == X86_TRAP_PF)
		keel_queue_page_fault(vcpu, f->addr, f->error);
	else if (f->has_error)
		keel_queue_exception_error(vcpu, f->vector, f->error);
	else
		keel_queue_exception(vcpu, f->vector);
}

/*
 * Not an instruction that is known here. The guest gets #UD for it; if it was the
 * guest's kernel, userspace is told first, with the bytes (layout: emulation_failure).
 */
static int emulate_failed(struct keel_vcpu *vcpu)
{
	const struct emul_ctxt *c = &vcpu->arch.emul.ctxt;
	u64 data[3] = { KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES };
	u8 *insn = (u8 *)&data[1];

	keel_inject_ud(vcpu);
	if (c->cpl)
		return KEEL_RESUME;
	insn[0] = min_t(u8, c->insn_len, sizeof(c->insn));
	memset(insn + 1, 0x90, sizeof(c->insn));
	memcpy(insn + 1, c->insn, insn[0]);
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION,
				   insn[0] ? ARRAY_SIZE(data) : 0, data);
}

static int emulate_wait(struct keel_vcpu *vcpu)
{
	u64 rip = keel_linear_rip(vcpu);

	return keel_mmio_waits(vcpu) ? keel_mmio_to_user(vcpu, rip) :
				       keel_pio_to_user(vcpu, rip);
}

/* ---- run ---- */

static bool emulate_stepping(const struct keel_vcpu *vcpu)
{
	return (vcpu->arch.emul.ctxt.rflags & X86_EFLAGS_TF) ||
	       (vcpu->arch.guest_debug & KVM_GUESTDBG_SINGLESTEP);
}

/* What userspace has answered ahead is used up before anything else happens. */
static bool emulate_pauses(const struct keel_vcpu *vcpu, unsigned int n)
{
	if (keel_pio_left(vcpu))
		return false;
	return n >= EMULATE_BATCH || READ_ONCE(vcpu->requests) || need_resched() ||
	       signal_pending(current) || emulate_stepping(vcpu);
}

/* One instruction; with REP, as many iterations as are allowed in a row. */
static enum emul_result emulate_steps(struct keel_vcpu *vcpu, unsigned int *n)
{
	enum emul_result r;

	for (*n = 0;; ) {
		keel_mmio_replay(vcpu);
		keel_pio_replay(vcpu);
		r = emul_step(&vcpu->arch.emul.ctxt);
		if (r != EMUL_DONE && r != EMUL_AGAIN)
			return r;
		++*n;
		keel_mmio_forget(vcpu);
		keel_pio_iterated(vcpu);
		if (r == EMUL_DONE || emulate_pauses(vcpu, *n))
			return r;
	}
}

static int emulate_run(struct keel_vcpu *vcpu)
{
	enum emul_result r;
	unsigned int n;
	bool tf;

	keel_mem_enter(vcpu);
	emulate_load(vcpu);
	tf = vcpu->arch.emul.ctxt.rflags & X86_EFLAGS_TF;	/* POPF may take it away */
	r = emulate_steps(vcpu, &n);
	keel_mem_leave(vcpu);

	keel_count(&vcpu->stat.insns_emulated, n);
	if (n && vcpu->arch.emul.ctxt.cr0 != keel_cr0(vcpu) &&
	    keel_set_cr0(vcpu, vcpu->arch.emul.ctxt.cr0)) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	if (n)
		emulate_store(vcpu, r);
	if (r == EMUL_WAIT)
		return emulate_wait(vcpu);
	keel_mmio_forget(vcpu);
	keel_pio_forget(vcpu);
	switch (r) {
	case EMUL_DONE:
	case EMUL_AGAIN:
		return keel_debug_step_done(vcpu, tf);
	case EMUL_FAULT:
		emulate_fault(vcpu, &vcpu->arch.emul.ctxt.fault);
		return KEEL_RESUME;
	case EMUL_INTR:
		return KEEL_RESUME;
	default:
		return emulate_failed(vcpu);
	}
}

int keel_emulate(struct keel_vcpu *vcpu)
{
	keel_mmio_forget(vcpu);
	keel_pio_forget(vcpu);
	return emulate_run(vcpu);
}

int keel_emulate_again(struct keel_vcpu *vcpu, u64 rip)
{
	if (keel_linear_rip(vcpu) == rip)
		return emulate_run(vcpu);
	keel_mmio_forget(vcpu);
	keel_pio_forget(vcpu);
	return KEEL_RESUME;
}

int keel_decode(struct keel_vcpu *vcpu, struct emul_decoded *d, unsigned int *len)
{
	struct emul_ctxt *c = &vcpu->arch.emul.ctxt;
	enum emul_result r;

	*len = 0;
	keel_mem_enter(vcpu);
	emulate_load_code(vcpu);
	r = emul_decode_len(c);
	keel_mem_leave(vcpu);
	switch (r) {
	case EMUL_DONE:
		emul_decoded(c, d);
		*len = c->insn_len;
		return KEEL_RESUME;
	case EMUL_FAULT:
		emulate_fault(vcpu, &c->fault);
		return KEEL_RESUME;
	case EMUL_INTR:
		return KEEL_RESUME;
	default:
		return emulate_failed(vcpu);
	}
}

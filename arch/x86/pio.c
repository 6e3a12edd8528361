// SPDX-License-Identifier: GPL-2.0
/*
 * pio.c - port I/O: IN and OUT without the emulator, INS and OUTS as its ports
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <asm/trapnr.h>
#include <keel/iobus.h>
#include "cpuid.h"
#include "emulate.h"
#include "regs.h"
#include "trace.h"

#define PIO_PORT_SKIPPED	0x7e	/* KVM_X86_QUIRK_OUT_7E_INC_RIP */

/* ---- IN and OUT ---- */

/* A doubleword clears the upper half of RAX, smaller ones leave the rest. */
static void pio_set_rax(struct keel_vcpu *vcpu, unsigned int size, u32 val)
{
	u64 keep = size == 4 ? 0 : ~GENMASK_ULL(size * 8 - 1, 0);

	keel_reg_write(vcpu, KEEL_RAX, (keel_reg_read(vcpu, KEEL_RAX) & keep) | val);
}

static int pio_skip(struct keel_vcpu *vcpu)
{
	struct keel_exit exit = { .kind = KEEL_EXIT_PIO, .insn_len = vcpu->arch.pio.insn_len };

	return keel_skip(vcpu, &exit);
}

/* The guest may have been reset or moved by userspace meanwhile. */
static bool pio_is_void(struct keel_vcpu *vcpu)
{
	vcpu->complete = NULL;
	return keel_linear_rip(vcpu) != vcpu->arch.pio.rip;
}

static int pio_complete_out(struct keel_vcpu *vcpu)
{
	return pio_is_void(vcpu) ? KEEL_RESUME : pio_skip(vcpu);
}

static int pio_complete_in(struct keel_vcpu *vcpu)
{
	u32 val = 0;

	if (pio_is_void(vcpu))
		return KEEL_RESUME;
	memcpy(&val, vcpu->pio_data, vcpu->arch.pio.size);
	pio_set_rax(vcpu, vcpu->arch.pio.size, val);
	return pio_skip(vcpu);
}

static void pio_fill_run(struct keel_vcpu *vcpu, unsigned int count)
{
	const struct keel_pio *p = &vcpu->arch.pio;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = p->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = p->size;
	run->io.port = p->port;
	run->io.count = count;
	run->io.data_offset = KEEL_PIO_PAGE_OFFSET * PAGE_SIZE;
}

static bool pio_skips_first(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.pio.port == PIO_PORT_SKIPPED &&
	       keel_guest_quirk(vcpu->vm, KVM_X86_QUIRK_OUT_7E_INC_RIP);
}

static int pio_in(struct keel_vcpu *vcpu)
{
	const struct keel_pio *p = &vcpu->arch.pio;
	u32 val = 0;

	if (!keel_bus_read(vcpu, KEEL_BUS_PIO, p->port, p->size, &val)) {
		pio_set_rax(vcpu, p->size, val);
		return pio_skip(vcpu);
	}
	pio_fill_run(vcpu, 1);
	vcpu->complete = pio_complete_in;
	return KEEL_TO_USER;
}

static int pio_out(struct keel_vcpu *vcpu)
{
	const struct keel_pio *p = &vcpu->arch.pio;
	u32 val = keel_reg_read(vcpu, KEEL_RAX);
	int r;

	if (!keel_bus_write(vcpu, KEEL_BUS_PIO, p->port, p->size, &val))
		return pio_skip(vcpu);
	if (pio_skips_first(vcpu)) {
		r = pio_skip(vcpu);
		if (r != KEEL_RESUME)
			return r;
	} else {
		vcpu->complete = pio_complete_out;
	}
	memcpy(vcpu->pio_data, &val, sizeof(val));
	pio_fill_run(vcpu, 1);
	return KEEL_TO_USER;
}

/* With the value that goes out, if the instruction has it. */
static void pio_trace(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	u32 value = 0;

	if (!exit->pio.in && !exit->pio.string)
		value = keel_reg_read(vcpu, KEEL_RAX) & GENMASK(exit->pio.size * 8 - 1, 0);
	trace_keel_pio(vcpu->id, exit, value);
}

static int pio_access(struct keel_vcpu *vcpu, const struct keel_exit *exit)
{
	vcpu->arch.pio = (struct keel_pio){
		.port = exit->pio.port,
		.size = min_t(u8, exit->pio.size, 4),
		.insn_len = exit->insn_len,
		.in = exit->pio.in,
		.rip = keel_linear_rip(vcpu),
	};
	return exit->pio.in ? pio_in(vcpu) : pio_out(vcpu);
}

int keel_pio_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	if (trace_keel_pio_enabled())
		pio_trace(vcpu, exit);
	return exit->pio.string ? keel_emulate(vcpu) : pio_access(vcpu, exit);
}

int keel_pio_quick(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return exit->pio.string ? KEEL_LATER : keel_pio_exit(vcpu, exit);
}

/* ---- INS and OUTS: one access for each iteration of the emulator ---- */

void keel_pio_forget(struct keel_vcpu *vcpu)
{
	vcpu->arch.pio = (struct keel_pio){};
}

void keel_pio_replay(struct keel_vcpu *vcpu)
{
	vcpu->arch.pio.used = false;
}

void keel_pio_iterated(struct keel_vcpu *vcpu)
{
	struct keel_pio *p = &vcpu->arch.pio;

	if (!p->used)
		return;
	p->used = false;
	p->taken = false;
	p->pos += p->size;
	if (!--p->count)
		p->done = false;
}

bool keel_pio_left(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.pio.done;
}

static int pio_complete_string(struct keel_vcpu *vcpu)
{
	struct keel_pio *p = &vcpu->arch.pio;

	vcpu->complete = NULL;
	p->pending = false;
	p->done = true;
	p->pos = 0;
	return keel_emulate_again(vcpu, p->rip);
}

int keel_pio_to_user(struct keel_vcpu *vcpu, u64 rip)
{
	struct keel_pio *p = &vcpu->arch.pio;

	p->rip = rip;
	if (!p->in)
		memcpy(vcpu->pio_data, p->data, p->size);
	pio_fill_run(vcpu, p->count);
	vcpu->complete = pio_complete_string;
	return KEEL_TO_USER;
}

static bool pio_is_rep_ins(const struct emul_ctxt *c)
{
	struct emul_decoded d;

	emul_decoded(c, &d);
	return d.map == 0 && (d.opcode & 0xfe) == 0x6c && (d.rep || d.repne);
}

/*
 * How many items REP INS will surely take: userspace is asked once for all. CX counts
 * no more than the instruction's own count does, be that ECX or RCX, and what is
 * written stays in one page, so that a fault comes before the first or not at all.
 */
static u16 pio_batch(struct keel_vcpu *vcpu, const struct emul_ctxt *c, unsigned int size)
{
	u64 base = c->mode == EMUL_LONG ? 0 : c->seg[EMUL_ES].base;
	unsigned int at = offset_in_page(base + c->gpr[KEEL_RDI]);
	u16 count = c->gpr[KEEL_RCX], room;

	if (!count || (c->rflags & X86_EFLAGS_TF) || vcpu->arch.guest_debug ||
	    !pio_is_rep_ins(c))
		return 1;
	if (c->rflags & X86_EFLAGS_DF)
		room = at / size + 1;
	else
		room = (PAGE_SIZE - at) / size;
	return clamp_t(u16, min(count, room), 1, PAGE_SIZE / size);
}

/* Is the answer that is there one to this question? */
static bool pio_matches(const struct keel_pio *p, u16 port, unsigned int size, bool in)
{
	return p->port == port && p->size == size && p->in == in;
}

static void pio_start(struct keel_vcpu *vcpu, u16 port, unsigned int size, bool in)
{
	vcpu->arch.pio = (struct keel_pio){
		.port = port, .size = size, .in = in, .count = 1,
	};
}

/* An answer from inside the kernel is kept, too: the iteration may yet wait for MMIO. */
enum emul_result keel_emul_port_in(struct emul_ctxt *c, u16 port, void *buf,
				   unsigned int size)
{
	struct keel_vcpu *vcpu = c->priv;
	struct keel_pio *p = &vcpu->arch.pio;

	if (!p->done) {
		pio_start(vcpu, port, size, true);
		if (keel_bus_read(vcpu, KEEL_BUS_PIO, port, size, p->data)) {
			p->count = pio_batch(vcpu, c, size);
			p->pending = true;
			return EMUL_WAIT;
		}
		p->done = true;
		p->taken = true;
	}
	if (!pio_matches(p, port, size, true)) {
		keel_pio_forget(vcpu);
		return EMUL_INTR;
	}
	if (!p->taken)		/* once: userspace may write it meanwhile */
		memcpy(p->data, vcpu->pio_data + p->pos, size);
	p->taken = true;
	memcpy(buf, p->data, size);
	p->used = true;
	return EMUL_DONE;
}

enum emul_result keel_emul_port_out(struct emul_ctxt *c, u16 port, const void *buf,
				    unsigned int size)
{
	struct keel_vcpu *vcpu = c->priv;
	struct keel_pio *p = &vcpu->arch.pio;

	if (!p->done) {
		pio_start(vcpu, port, size, false);
		memcpy(p->data, buf, size);
		if (keel_bus_write(vcpu, KEEL_BUS_PIO, port, size, p->data)) {
			p->pending = true;
			return EMUL_WAIT;
		}
		p->done = true;
	}
	if (!pio_matches(p, port, size, false)) {
		keel_pio_forget(vcpu);
		return EMUL_INTR;
	}
	p->used = true;
	return EMUL_DONE;
}

/* ---- may this task use the port? "I/O Permission Bit Map" ---- */

#define TSS_LIMIT_LEAST	103
#define TSS_IO_MAP	102	/* where the TSS says where the map is */

static enum emul_result pio_denied(struct emul_ctxt *c)
{
	c->fault = (struct emul_fault){ .vector = X86_TRAP_GP, .has_error = true };
	return EMUL_FAULT;
}

static enum emul_result pio_read_tss(struct emul_ctxt *c, const struct kvm_segment *tr,
				     u32 offset, u16 *val)
{
	gva_t at = tr->base + offset;

	if (c->mode != EMUL_LONG)
		at = (u32)at;
	return keel_emul_read(c, at, val, sizeof(*val), EMUL_READ);
}

enum emul_result keel_emul_port_check(struct emul_ctxt *c, u16 port, unsigned int size)
{
	unsigned int used = GENMASK(size - 1, 0) << (port & 7);
	enum emul_result r;
	struct kvm_segment tr;
	u16 map, bits;

	keel_op(get_segment)(c->priv, KEEL_TR, &tr);
	if (tr.unusable || !tr.present || (tr.type & ~2) != 9 || tr.limit < TSS_LIMIT_LEAST)
		return pio_denied(c);
	r = pio_read_tss(c, &tr, TSS_IO_MAP, &map);
	if (r != EMUL_DONE)
		return r;
	if (map + port / 8 + 1 > tr.limit)	/* the CPU always looks at two bytes */
		return pio_denied(c);
	r = pio_read_tss(c, &tr, map + port / 8, &bits);
	if (r != EMUL_DONE)
		return r;
	return bits & used ? pio_denied(c) : EMUL_DONE;
}

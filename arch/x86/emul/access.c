// SPDX-License-Identifier: GPL-2.0
/*
 * access.c - every touch of registers, segments, memory, stack and ports
 *
 * All checks that stand between an instruction and an address are made in
 * access_linear(); nothing else computes a linear address of data.
 */
#include "emul.h"

enum emul_result emul_fault(struct emul_ctxt *c, enum emul_vector vector)
{
	c->fault = (struct emul_fault){
		.vector = vector,
		.has_error = vector == EMUL_GP || vector == EMUL_SS_FAULT || vector == EMUL_AC,
	};
	return EMUL_FAULT;
}

bool emul_canonical(const struct emul_ctxt *c, u64 addr)
{
	unsigned int bits = c->cr4 & X86_CR4_LA57 ? 57 : 48;

	return (u64)sign_extend64(addr, bits - 1) == addr;
}

/* Without REX, byte registers 4 to 7 are AH, CH, DH and BH. */
static bool access_high_byte(const struct emul *e, unsigned int nr, unsigned int size)
{
	return size == 1 && !e->i.rex && nr >= 4 && nr < 8;
}

u64 emul_reg(const struct emul *e, unsigned int nr, unsigned int size)
{
	if (access_high_byte(e, nr, size))
		return e->gpr[nr - 4] >> 8 & 0xff;
	return e->gpr[nr & 15] & emul_mask(size);
}

/* A doubleword written clears the upper half, as in long mode; else it is not looked at. */
void emul_set_reg(struct emul *e, unsigned int nr, unsigned int size, u64 val)
{
	u64 mask = emul_mask(size), *reg;

	if (access_high_byte(e, nr, size)) {
		reg = &e->gpr[nr - 4];
		*reg = (*reg & ~0xff00ULL) | (val & 0xff) << 8;
		return;
	}
	reg = &e->gpr[nr & 15];
	*reg = size >= 4 ? val & mask : (*reg & ~mask) | (val & mask);
}

/* Offset of the ModRM operand. */
u64 emul_ea(const struct emul *e)
{
	const struct emul_insn *i = &e->i;
	u64 off = i->disp + e->ea_extra;

	if (i->base == EMUL_RIP_REG)
		off += e->rip;
	else if (i->base != EMUL_NO_REG)
		off += e->gpr[i->base & 15];
	if (i->index != EMUL_NO_REG)
		off += e->gpr[i->index & 15] << i->scale;
	return off & emul_mask(i->adsize);
}

struct emul_ref emul_rm_ref(const struct emul *e, unsigned int size)
{
	return (struct emul_ref){ .off = emul_ea(e), .seg = e->i.seg, .size = size };
}

/* Data segment limit, both ways of growing. Sizes are at least 1. */
static bool access_in_limit(const struct emul_segment *s, const struct emul_ref *m, bool down)
{
	u64 last = m->off + m->size - 1;

	if (!down)
		return last <= s->limit;
	return m->off > s->limit && last <= (s->db ? U32_MAX : U16_MAX);
}

/* Protected mode: is an access of this kind allowed at all? */
static bool access_type_ok(const struct emul_segment *s, bool write)
{
	bool code = s->type & 8, readable_or_writable = s->type & 2;

	if (s->unusable || !s->present || !s->s)
		return false;
	if (write)
		return !code && readable_or_writable;
	return !code || readable_or_writable;
}

static bool access_segment_ok(const struct emul *e, const struct emul_ref *m, bool write)
{
	const struct emul_segment *s = &e->c->seg[m->seg];
	bool flat_types = e->i.mode == EMUL_REAL || e->i.mode == EMUL_VM86;

	if (!flat_types && !access_type_ok(s, write))
		return false;
	return access_in_limit(s, m, !flat_types && (s->type & 0xc) == 4);
}

static bool access_misaligned(const struct emul *e, const struct emul_ref *m, u64 la)
{
	return (la & (m->size - 1)) && e->c->cpl == 3 && (e->c->cr0 & X86_CR0_AM) &&
	       (e->c->rflags & X86_EFLAGS_AC) && e->i.mode != EMUL_REAL;
}

static enum emul_result access_linear(struct emul *e, const struct emul_ref *m, bool write,
				      gva_t *la)
{
	struct emul_ctxt *c = e->c;
	bool ok;

	if (e->i.mode == EMUL_LONG) {
		*la = m->off;
		if (m->seg == EMUL_FS || m->seg == EMUL_GS)
			*la += c->seg[m->seg].base;
		ok = emul_canonical(c, *la) && emul_canonical(c, *la + m->size - 1);
	} else {
		*la = (u32)(c->seg[m->seg].base + m->off);
		ok = access_segment_ok(e, m, write);
	}
	if (m->aligned && (*la & (m->size - 1)))
		return emul_fault(c, EMUL_GP);
	if (!ok)
		return emul_fault(c, m->seg == EMUL_SS ? EMUL_SS_FAULT : EMUL_GP);
	if (m->size <= 8 && access_misaligned(e, m, *la))
		return emul_fault(c, EMUL_AC);
	return EMUL_DONE;
}

static unsigned int access_bits(const struct emul *e, const struct emul_ref *m, unsigned int bits)
{
	if (e->c->cpl == 3)
		bits |= EMUL_USER;
	if (m->locked)
		bits |= EMUL_LOCKED;
	return bits;
}

/* The segment checks of a read, without the read. */
enum emul_result emul_mem_check(struct emul *e, const struct emul_ref *m)
{
	gva_t la = 0;

	return access_linear(e, m, false, &la);
}

enum emul_result emul_mem_read(struct emul *e, const struct emul_ref *m, void *buf)
{
	enum emul_result r;
	gva_t la = 0;

	r = access_linear(e, m, false, &la);
	if (r != EMUL_DONE)
		return r;
	return e->c->ops->read(e->c, la, buf, m->size, access_bits(e, m, EMUL_READ));
}

enum emul_result emul_mem_write(struct emul *e, const struct emul_ref *m, const void *buf)
{
	enum emul_result r;
	gva_t la = 0;

	r = access_linear(e, m, true, &la);
	if (r != EMUL_DONE)
		return r;
	return e->c->ops->write(e->c, la, buf, m->size, access_bits(e, m, EMUL_WRITE));
}

enum emul_result emul_mem_probe(struct emul *e, const struct emul_ref *m)
{
	enum emul_result r;
	gva_t la = 0;

	r = access_linear(e, m, true, &la);
	if (r != EMUL_DONE)
		return r;
	return e->c->ops->probe_write(e->c, la, m->size, access_bits(e, m, EMUL_WRITE));
}

enum emul_result emul_mem_update(struct emul *e, const struct emul_ref *m, const void *old,
				 const void *new)
{
	/* A variable, as the kernel's cmpxchg() is a macro. */
	typeof(e->c->ops->cmpxchg) update = e->c->ops->cmpxchg;
	enum emul_result r;
	gva_t la = 0;

	if (!m->locked)
		return emul_mem_write(e, m, new);
	r = access_linear(e, m, true, &la);
	if (r != EMUL_DONE)
		return r;
	return update(e->c, la, old, new, m->size, access_bits(e, m, EMUL_WRITE));
}

static bool access_operand_is_mem(const struct emul *e, enum emul_operand o)
{
	return o == O_MOFFS || (o == O_RM && e->i.mod != 3);
}

static struct emul_ref access_operand_ref(const struct emul *e, enum emul_operand o)
{
	if (o == O_RM)
		return emul_rm_ref(e, e->i.opsize);
	return (struct emul_ref){ .off = e->i.imm, .seg = e->i.seg, .size = e->i.opsize };
}

static unsigned int access_operand_reg(const struct emul *e, enum emul_operand o)
{
	switch (o) {
	case O_RM:
		return e->i.rm;
	case O_REG:
		return e->i.reg;
	case O_OPREG:
		return (e->i.opcode & 7) | e->i.rex_b;
	default:
		return EMUL_RAX;
	}
}

enum emul_result emul_get(struct emul *e, enum emul_operand o, u64 *val)
{
	struct emul_ref m;

	*val = 0;
	if (access_operand_is_mem(e, o)) {
		m = access_operand_ref(e, o);
		return emul_mem_read(e, &m, val);
	}
	switch (o) {
	case O_IMM:
		*val = e->i.imm & emul_mask(e->i.opsize);
		break;
	case O_ONE:
		*val = 1;
		break;
	case O_CL:
		*val = emul_reg(e, EMUL_RCX, 1);
		break;
	default:
		*val = emul_reg(e, access_operand_reg(e, o), e->i.opsize);
		break;
	}
	return EMUL_DONE;
}

enum emul_result emul_get_as(struct emul *e, enum emul_operand o, unsigned int size, u64 *val)
{
	u8 opsize = e->i.opsize;
	enum emul_result r;

	e->i.opsize = size;
	r = emul_get(e, o, val);
	e->i.opsize = opsize;
	return r;
}

enum emul_result emul_put(struct emul *e, enum emul_operand o, u64 val)
{
	struct emul_ref m;

	if (access_operand_is_mem(e, o)) {
		m = access_operand_ref(e, o);
		return emul_mem_write(e, &m, &val);
	}
	emul_set_reg(e, access_operand_reg(e, o), e->i.opsize, val);
	return EMUL_DONE;
}

enum emul_result emul_get_rmw(struct emul *e, enum emul_operand o, u64 *val)
{
	enum emul_result r;

	if (!access_operand_is_mem(e, o))
		return emul_get(e, o, val);
	e->rmw = access_operand_ref(e, o);
	e->rmw.locked = e->i.lock;
	e->rmw_old = 0;
	r = emul_mem_probe(e, &e->rmw);
	if (r == EMUL_DONE)
		r = emul_mem_read(e, &e->rmw, &e->rmw_old);
	*val = e->rmw_old;
	return r;
}

enum emul_result emul_put_rmw(struct emul *e, enum emul_operand o, u64 val)
{
	if (!access_operand_is_mem(e, o))
		return emul_put(e, o, val);
	return emul_mem_update(e, &e->rmw, &e->rmw_old, &val);
}

/* Width of the stack pointer. */
static unsigned int access_stack_size(const struct emul *e)
{
	if (e->i.mode == EMUL_LONG)
		return 8;
	if (e->i.mode == EMUL_REAL || e->i.mode == EMUL_VM86)
		return 2;
	return e->c->seg[EMUL_SS].db ? 4 : 2;
}

static struct emul_ref access_stack_top(const struct emul *e, unsigned int size)
{
	return (struct emul_ref){
		.off = e->gpr[EMUL_RSP] & emul_mask(access_stack_size(e)),
		.seg = EMUL_SS,
		.size = size,
	};
}

void emul_rsp_add(struct emul *e, s64 n)
{
	emul_set_reg(e, EMUL_RSP, access_stack_size(e), e->gpr[EMUL_RSP] + n);
}

enum emul_result emul_push(struct emul *e, u64 val, unsigned int size)
{
	struct emul_ref m;

	emul_rsp_add(e, -(s64)size);
	m = access_stack_top(e, size);
	return emul_mem_write(e, &m, &val);
}

enum emul_result emul_pop(struct emul *e, u64 *val, unsigned int size)
{
	struct emul_ref m = access_stack_top(e, size);

	*val = 0;
	emul_rsp_add(e, size);
	return emul_mem_read(e, &m, val);
}

/* The TSS bitmap is asked only where IOPL does not permit. */
enum emul_result emul_port_check(struct emul *e, u16 port, unsigned int size)
{
	unsigned int iopl = (e->c->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;

	if (e->i.mode == EMUL_REAL || (e->i.mode != EMUL_VM86 && e->c->cpl <= iopl))
		return EMUL_DONE;
	return e->c->ops->port_check(e->c, port, size);
}

/* Protected mode would have to read a descriptor: not done here. */
enum emul_result emul_load_sreg(struct emul *e, enum emul_seg seg, u16 sel)
{
	if (e->i.mode != EMUL_REAL && e->i.mode != EMUL_VM86)
		return EMUL_UNHANDLED;
	e->sreg = seg;
	e->sel = sel;
	return EMUL_DONE;
}

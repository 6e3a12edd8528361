// SPDX-License-Identifier: GPL-2.0
/*
 * string.c - string instructions, one iteration each, and the ports
 */
#include "emul.h"

static struct emul_ref string_src(const struct emul *e, unsigned int size)
{
	return (struct emul_ref){
		.off = emul_reg(e, EMUL_RSI, e->i.adsize), .seg = e->i.seg, .size = size,
	};
}

/* Always ES, whatever the prefixes. */
static struct emul_ref string_dst(const struct emul *e, unsigned int size)
{
	return (struct emul_ref){
		.off = emul_reg(e, EMUL_RDI, e->i.adsize), .seg = EMUL_ES, .size = size,
	};
}

/* REP with a count of zero does nothing at all. */
static bool string_empty(const struct emul *e)
{
	return e->i.rep && !emul_reg(e, EMUL_RCX, e->i.adsize);
}

static void string_advance(struct emul *e, enum emul_reg reg, unsigned int size)
{
	u64 step = e->rflags & X86_EFLAGS_DF ? -(u64)size : size;

	emul_set_reg(e, reg, e->i.adsize, emul_reg(e, reg, e->i.adsize) + step);
}

static enum emul_result string_end(struct emul *e)
{
	u64 count;

	if (!e->i.rep)
		return EMUL_DONE;
	count = emul_reg(e, EMUL_RCX, e->i.adsize) - 1;
	emul_set_reg(e, EMUL_RCX, e->i.adsize, count);
	e->again = count;
	return EMUL_DONE;
}

/* CMPS and SCAS also end on the ZF that the prefix does not want. */
static enum emul_result string_end_compare(struct emul *e)
{
	bool zf = e->rflags & X86_EFLAGS_ZF, while_zf = e->i.rep == 0xf3;

	string_end(e);
	if (zf != while_zf)
		e->again = false;
	return EMUL_DONE;
}

enum emul_result exec_movs(struct emul *e)
{
	unsigned int size = e->i.opsize;
	struct emul_ref from = string_src(e, size), to = string_dst(e, size);
	enum emul_result r;
	u64 val = 0;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_mem_read(e, &from, &val);
	if (r == EMUL_DONE)
		r = emul_mem_write(e, &to, &val);
	if (r != EMUL_DONE)
		return r;
	string_advance(e, EMUL_RSI, size);
	string_advance(e, EMUL_RDI, size);
	return string_end(e);
}

enum emul_result exec_cmps(struct emul *e)
{
	unsigned int size = e->i.opsize;
	struct emul_ref a = string_src(e, size), b = string_dst(e, size);
	u64 x = 0, y = 0;
	enum emul_result r;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_mem_read(e, &a, &x);
	if (r == EMUL_DONE)
		r = emul_mem_read(e, &b, &y);
	if (r != EMUL_DONE)
		return r;
	alu_op(ALU_CMP, size, x, y, &e->rflags);
	string_advance(e, EMUL_RSI, size);
	string_advance(e, EMUL_RDI, size);
	return string_end_compare(e);
}

enum emul_result exec_stos(struct emul *e)
{
	unsigned int size = e->i.opsize;
	struct emul_ref to = string_dst(e, size);
	enum emul_result r;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_mem_write(e, &to, &e->gpr[EMUL_RAX]);
	if (r != EMUL_DONE)
		return r;
	string_advance(e, EMUL_RDI, size);
	return string_end(e);
}

enum emul_result exec_lods(struct emul *e)
{
	unsigned int size = e->i.opsize;
	struct emul_ref from = string_src(e, size);
	enum emul_result r;
	u64 val = 0;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_mem_read(e, &from, &val);
	if (r != EMUL_DONE)
		return r;
	emul_set_reg(e, EMUL_RAX, size, val);
	string_advance(e, EMUL_RSI, size);
	return string_end(e);
}

enum emul_result exec_scas(struct emul *e)
{
	unsigned int size = e->i.opsize;
	struct emul_ref from = string_dst(e, size);
	enum emul_result r;
	u64 val = 0;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_mem_read(e, &from, &val);
	if (r != EMUL_DONE)
		return r;
	alu_op(ALU_CMP, size, emul_reg(e, EMUL_RAX, size), val, &e->rflags);
	string_advance(e, EMUL_RDI, size);
	return string_end_compare(e);
}

/* There are no ports of eight bytes. */
static unsigned int string_port_size(const struct emul *e)
{
	return min_t(unsigned int, e->i.opsize, 4);
}

/* A port read cannot be taken back: all that may fault comes before it. */
enum emul_result exec_ins(struct emul *e)
{
	unsigned int size = string_port_size(e);
	struct emul_ref to = string_dst(e, size);
	u16 port = e->gpr[EMUL_RDX];
	enum emul_result r;
	u64 val = 0;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_port_check(e, port, size);
	if (r == EMUL_DONE)
		r = emul_mem_probe(e, &to);
	if (r == EMUL_DONE)
		r = e->c->ops->port_in(e->c, port, &val, size);
	if (r == EMUL_DONE)
		r = emul_mem_write(e, &to, &val);
	if (r != EMUL_DONE)
		return r;
	string_advance(e, EMUL_RDI, size);
	return string_end(e);
}

enum emul_result exec_outs(struct emul *e)
{
	unsigned int size = string_port_size(e);
	struct emul_ref from = string_src(e, size);
	u16 port = e->gpr[EMUL_RDX];
	enum emul_result r;
	u64 val = 0;

	if (string_empty(e))
		return EMUL_DONE;
	r = emul_port_check(e, port, size);
	if (r == EMUL_DONE)
		r = emul_mem_read(e, &from, &val);
	if (r == EMUL_DONE)
		r = e->c->ops->port_out(e->c, port, &val, size);
	if (r != EMUL_DONE)
		return r;
	string_advance(e, EMUL_RSI, size);
	return string_end(e);
}

static u16 string_port(const struct emul *e)
{
	return e->i.op->src == O_IMM ? e->i.imm : e->gpr[EMUL_RDX];
}

enum emul_result exec_in(struct emul *e)
{
	unsigned int size = string_port_size(e);
	u16 port = string_port(e);
	enum emul_result r;
	u64 val = 0;

	r = emul_port_check(e, port, size);
	if (r == EMUL_DONE)
		r = e->c->ops->port_in(e->c, port, &val, size);
	if (r == EMUL_DONE)
		emul_set_reg(e, EMUL_RAX, size, val);
	return r;
}

enum emul_result exec_out(struct emul *e)
{
	unsigned int size = string_port_size(e);
	u16 port = string_port(e);
	enum emul_result r;

	r = emul_port_check(e, port, size);
	if (r == EMUL_DONE)
		r = e->c->ops->port_out(e->c, port, &e->gpr[EMUL_RAX], size);
	return r;
}

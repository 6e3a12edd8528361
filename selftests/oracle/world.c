// SPDX-License-Identifier: GPL-2.0
/*
 * world.c - the emulator's surroundings: two pages of data, three of code, ports
 */
#include "oracle.h"

#define NEAR	0x7000U		/* unmapped for sure, on both sides of the data */

const char *const mode_names[NR_MODES] = {
	[EMUL_REAL] = "real", [EMUL_VM86] = "vm86", [EMUL_PROT16] = "prot16",
	[EMUL_PROT32] = "prot32", [EMUL_LONG] = "long",
};

struct world {
	struct emul_ctxt c;
	const struct test_case *t;
	struct outcome *o;
};

static struct world w;

static enum emul_result world_fault(u8 vector, u32 error, u64 addr)
{
	w.c.fault = (struct emul_fault){
		.vector = vector, .has_error = true, .error = error, .addr = addr,
	};
	return EMUL_FAULT;
}

static bool world_in(u64 addr, u64 start, u64 size)
{
	return addr >= start && addr - start < size;
}

/* The byte at @addr; NULL if it is not there. Code is for reading. */
static u8 *world_byte(u64 addr, bool write)
{
	static u8 code;
	const struct layout *at = &w.t->place->at;

	if (world_in(addr, at->data, DATA_SIZE))
		return w.o->mem + (addr - at->data);
	if (write || !world_in(addr, at->code, CODE_SIZE))
		return NULL;
	code = INT3;
	addr -= at->cs_base + w.t->rip;
	if (addr < sizeof(w.t->insn) && addr < w.t->i.pos)
		code = w.t->insn[addr];
	return &code;
}

static enum emul_result world_missing(u64 addr, bool write)
{
	const struct layout *at = &w.t->place->at;
	bool code = world_in(addr, at->code, CODE_SIZE);
	u32 error = (write ? 2 : 0) | (w.c.cpl == 3 ? 4 : 0) | (code ? 1 : 0);

	if (!code && !world_in(addr, at->data - NEAR, DATA_SIZE + 2 * NEAR) &&
	    w.c.mode == EMUL_LONG)
		w.o->stray = true;
	return world_fault(VECTOR_PF, error, addr);
}

static enum emul_result world_check(u64 addr, unsigned int len, bool write)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		if (!world_byte(addr + i, write))
			return world_missing(addr + i, write);
	return EMUL_DONE;
}

/* Bytes that are not there are INT3, so that the emulator gets an instruction's all. */
static enum emul_result world_fetch(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				    unsigned int *got)
{
	u64 off = addr - (w.t->place->at.cs_base + w.t->rip);
	u8 *to = buf;
	unsigned int i;

	for (i = 0; i < len; i++, off++)
		to[i] = off < sizeof(w.t->insn) ? w.t->insn[off] : INT3;
	*got = len;
	return EMUL_DONE;
}

static enum emul_result world_read(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				   unsigned int access)
{
	enum emul_result r = world_check(addr, len, false);
	u8 *to = buf;
	unsigned int i;

	for (i = 0; i < len && r == EMUL_DONE; i++)
		to[i] = *world_byte(addr + i, false);
	return r;
}

static enum emul_result world_write(struct emul_ctxt *c, gva_t addr, const void *buf,
				    unsigned int len, unsigned int access)
{
	enum emul_result r = world_check(addr, len, true);
	const u8 *from = buf;
	unsigned int i;

	for (i = 0; i < len && r == EMUL_DONE; i++)
		*world_byte(addr + i, true) = from[i];
	return r;
}

static enum emul_result world_cmpxchg(struct emul_ctxt *c, gva_t addr, const void *old,
				      const void *new, unsigned int len, unsigned int access)
{
	const u8 *was = old;
	unsigned int i;

	for (i = 0; i < len; i++) {
		const u8 *is = world_byte(addr + i, true);

		if (is && *is != was[i])
			return EMUL_INTR;
	}
	return world_write(c, addr, new, len, access);
}

static enum emul_result world_probe(struct emul_ctxt *c, gva_t addr, unsigned int len,
				    unsigned int access)
{
	return world_check(addr, len, true);
}

u32 world_port_value(u16 port, unsigned int size)
{
	u32 val = port * 0x01010101U ^ 0x5aa5c33cU;

	return val & emul_mask(size);
}

void world_note_port(struct outcome *o, u16 port, unsigned int size, bool out, u32 val)
{
	if (o->ports < MAX_PORTS)
		o->port[o->ports] = (struct port_access){ port, size, out, val & emul_mask(size) };
	o->ports++;
}

static enum emul_result world_in_port(struct emul_ctxt *c, u16 port, void *buf, unsigned int size)
{
	u32 val = world_port_value(port, size);

	world_note_port(w.o, port, size, false, val);
	memcpy(buf, &val, size);
	return EMUL_DONE;
}

static enum emul_result world_out_port(struct emul_ctxt *c, u16 port, const void *buf,
				       unsigned int size)
{
	u32 val = 0;

	memcpy(&val, buf, size);
	world_note_port(w.o, port, size, true, val);
	return EMUL_DONE;
}

static enum emul_result world_port_check(struct emul_ctxt *c, u16 port, unsigned int size)
{
	return w.t->place->ports ? EMUL_DONE : world_fault(EMUL_GP, 0, 0);
}

static void world_vec_read(struct emul_ctxt *c, unsigned int nr, void *buf, unsigned int len)
{
	memcpy(buf, w.o->ymm[nr], len);
}

static void world_vec_write(struct emul_ctxt *c, unsigned int nr, const void *buf,
			    unsigned int len, bool zext)
{
	memcpy(w.o->ymm[nr], buf, len);
	if (zext)
		memset(w.o->ymm[nr] + len, 0, 32 - len);
}

static const struct emul_ops world_ops = {
	.fetch = world_fetch,
	.read = world_read,
	.write = world_write,
	.cmpxchg = world_cmpxchg,
	.probe_write = world_probe,
	.port_in = world_in_port,
	.port_out = world_out_port,
	.port_check = world_port_check,
	.vec_read = world_vec_read,
	.vec_write = world_vec_write,
};

/* Flat segments; 64 KiB for 16 bit code. The oracle changes what it has otherwise. */
void place_init(struct place *p, enum emul_mode mode, const struct layout *at)
{
	bool small = mode != EMUL_LONG && mode != EMUL_PROT32;
	unsigned int i;

	p->mode = mode;
	p->at = *at;
	p->c = (struct emul_ctxt){
		.ops = &world_ops, .mode = mode, .cr0 = mode == EMUL_REAL ? 0x10 : 0x80050033,
		.cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE, .xcr0 = 7,
		.has_movbe = true, .has_avx = true, .has_avx2 = true, .has_cx16 = true,
	};
	for (i = 0; i < EMUL_NR_SEGS; i++)
		p->c.seg[i] = (struct emul_segment){
			.base = i == EMUL_CS ? at->cs_base : at->data_base,
			.limit = small ? 0xffff : 0xffffffff,
			.type = i == EMUL_CS ? 11 : 3,
			.s = true, .present = true, .db = mode == EMUL_PROT32,
			.l = mode == EMUL_LONG && i == EMUL_CS,
		};
}

static void world_outcome(enum emul_result r)
{
	struct outcome *o = w.o;
	unsigned int i;

	o->vector = r == EMUL_FAULT ? w.c.fault.vector : NO_VECTOR;
	o->has_error = w.c.fault.has_error;
	o->error = w.c.fault.error;
	o->addr = w.c.fault.addr;
	o->rip = w.c.rip;
	o->rflags = w.c.rflags;
	o->msw = w.c.cr0 & MSW_BITS;
	memcpy(o->gpr, w.c.gpr, sizeof(o->gpr));
	for (i = 0; i < EMUL_NR_SEGS; i++)
		o->sel[i] = w.c.mode == EMUL_REAL ? w.c.seg[i].sel : 0;
}

enum emul_result world_run(const struct test_case *t, struct outcome *o)
{
	unsigned int n = 0;
	enum emul_result r;

	w.t = t;
	w.o = o;
	w.c = t->place->c;
	w.c.rip = t->rip;
	w.c.rflags = t->rflags;
	memcpy(w.c.gpr, t->gpr, sizeof(t->gpr));
	memcpy(o->ymm, t->ymm, sizeof(o->ymm));
	memcpy(o->mem, t->mem, sizeof(o->mem));
	o->ports = 0;
	o->stray = false;
	do {
		r = emul_step(&w.c);
	} while (r == EMUL_AGAIN && ++n < MAX_ITERATIONS);
	world_outcome(r);
	return r;
}

bool locked_across(const struct test_case *t, unsigned int line)
{
	unsigned int size = t->i.op->exec == exec_cmpxchg8b ? 16 : t->i.opsize;
	bool memory = t->i.has_modrm && t->i.mod != 3;
	struct emul e = { .i = t->i, .rip = t->rip + t->i.pos };
	u64 at;

	if (!memory || !(t->i.lock || t->i.op->exec == exec_xchg))
		return false;
	memcpy(e.gpr, t->gpr, sizeof(e.gpr));
	at = emul_ea(&e) + t->place->c.seg[t->i.seg].base;
	return (at & (line - 1)) + size > line || t->i.op->exec == exec_bt;
}

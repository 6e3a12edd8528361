// SPDX-License-Identifier: GPL-2.0
/*
 * machine.c - the small guest's memory, ports and log
 */
#include "machine.h"

struct machine m;

static enum emul_result machine_fault(struct emul_ctxt *c, u64 addr, u32 error)
{
	c->fault = (struct emul_fault){
		.vector = 14, .has_error = true, .error = error, .addr = addr,
	};
	return EMUL_FAULT;
}

static enum emul_result machine_note(enum access_kind kind, u64 addr, unsigned int len,
				     unsigned int flags)
{
	if (m.nr < ARRAY_SIZE(m.log))
		m.log[m.nr] = (struct access){ kind, addr, len, flags };
	if ((int)m.nr++ == m.wait_at)
		return EMUL_WAIT;
	return EMUL_DONE;
}

/* Every byte must be there, and writable if that is asked. */
static enum emul_result machine_check(struct emul_ctxt *c, u64 addr, unsigned int len, bool write)
{
	u64 a;

	for (a = addr; a < addr + len; a++) {
		if (a >= MEM_SIZE || a >> 12 == HOLE >> 12)
			return machine_fault(c, a, write ? 2 : 0);
		if (write && a >> 12 == READONLY >> 12)
			return machine_fault(c, a, 3);
	}
	return EMUL_DONE;
}

static enum emul_result machine_fetch(struct emul_ctxt *c, gva_t addr, void *buf,
				      unsigned int len, unsigned int *got)
{
	enum emul_result r = machine_check(c, addr, len, false);

	m.fetches++;
	EXPECT_EQ(addr >> 12, (addr + len - 1) >> 12);
	if (r != EMUL_DONE)
		return r;
	memcpy(buf, m.mem + addr, len);
	*got = len;
	return EMUL_DONE;
}

static enum emul_result machine_read(struct emul_ctxt *c, gva_t addr, void *buf,
				     unsigned int len, unsigned int access)
{
	enum emul_result r = machine_check(c, addr, len, false);

	if (r == EMUL_DONE)
		r = machine_note(ACC_READ, addr, len, access);
	if (r == EMUL_DONE)
		memcpy(buf, m.mem + addr, len);
	return r;
}

static enum emul_result machine_write(struct emul_ctxt *c, gva_t addr, const void *buf,
				      unsigned int len, unsigned int access)
{
	enum emul_result r = machine_check(c, addr, len, true);

	if (r == EMUL_DONE)
		r = machine_note(ACC_WRITE, addr, len, access);
	if (r == EMUL_DONE)
		memcpy(m.mem + addr, buf, len);
	return r;
}

static enum emul_result machine_cmpxchg(struct emul_ctxt *c, gva_t addr, const void *old,
					const void *new, unsigned int len, unsigned int access)
{
	enum emul_result r = machine_check(c, addr, len, true);

	if (r == EMUL_DONE)
		r = machine_note(ACC_CMPXCHG, addr, len, access);
	if (r != EMUL_DONE)
		return r;
	if (memcmp(m.mem + addr, old, len))
		return EMUL_INTR;
	memcpy(m.mem + addr, new, len);
	return r;
}

static enum emul_result machine_probe(struct emul_ctxt *c, gva_t addr, unsigned int len,
				      unsigned int access)
{
	enum emul_result r = machine_check(c, addr, len, true);

	return r == EMUL_DONE ? machine_note(ACC_PROBE, addr, len, access) : r;
}

static enum emul_result machine_in(struct emul_ctxt *c, u16 port, void *buf, unsigned int size)
{
	enum emul_result r = machine_note(ACC_IN, port, size, 0);

	if (r == EMUL_DONE)
		memcpy(buf, &m.port_value, size);
	return r;
}

static enum emul_result machine_out(struct emul_ctxt *c, u16 port, const void *buf,
				    unsigned int size)
{
	enum emul_result r = machine_note(ACC_OUT, port, size, 0);

	if (r == EMUL_DONE)
		memcpy(&m.port_value, buf, size);
	return r;
}

static enum emul_result machine_port_check(struct emul_ctxt *c, u16 port, unsigned int size)
{
	if (!m.port_denied)
		return EMUL_DONE;
	c->fault = (struct emul_fault){ .vector = 13, .has_error = true };
	return EMUL_FAULT;
}

static void machine_vec_read(struct emul_ctxt *c, unsigned int nr, void *buf, unsigned int len)
{
	memcpy(buf, m.ymm[nr], len);
}

static void machine_vec_write(struct emul_ctxt *c, unsigned int nr, const void *buf,
			      unsigned int len, bool zext)
{
	memcpy(m.ymm[nr], buf, len);
	if (zext)
		memset(m.ymm[nr] + len, 0, 32 - len);
}

static const struct emul_ops machine_ops = {
	.fetch = machine_fetch,
	.read = machine_read,
	.write = machine_write,
	.cmpxchg = machine_cmpxchg,
	.probe_write = machine_probe,
	.port_in = machine_in,
	.port_out = machine_out,
	.port_check = machine_port_check,
	.vec_read = machine_vec_read,
	.vec_write = machine_vec_write,
};

void machine_start(enum emul_mode mode, const void *code, unsigned int len)
{
	bool real = mode == EMUL_REAL || mode == EMUL_VM86;
	unsigned int i;

	memset(&m, 0, sizeof(m));
	m.wait_at = -1;
	m.c.ops = &machine_ops;
	m.c.mode = mode;
	m.c.rip = CODE_AT;
	m.c.rflags = 2;
	m.c.gpr[RSP] = 0x7000;
	m.c.cpl = mode == EMUL_VM86 ? 3 : 0;
	m.c.cr0 = mode == EMUL_REAL ? 0 : X86_CR0_PE;
	m.c.cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	m.c.xcr0 = 7;
	m.c.has_movbe = true;
	m.c.has_avx = true;
	m.c.has_avx2 = true;
	m.c.has_cx16 = true;
	for (i = 0; i < EMUL_NR_SEGS; i++) {
		m.c.seg[i] = (struct emul_segment){
			.limit = real ? 0xffff : 0xffffffff,
			.type = i == EMUL_CS ? 11 : 3,
			.s = true, .present = true,
			.db = mode == EMUL_PROT32,
			.l = mode == EMUL_LONG && i == EMUL_CS,
			.dpl = m.c.cpl,
		};
	}
	memcpy(m.mem + CODE_AT, code, len);
}

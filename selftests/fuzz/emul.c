// SPDX-License-Identifier: GPL-2.0
/*
 * emul.c - any code, registers, segments and memory that faults: all or nothing
 *
 * Memory is 2 KiB that repeat, and each page of the address space has a kind by its
 * number. The same instruction is run three times: as it is, again (it must do the
 * same), and with one access that waits for userspace (it must have changed nothing).
 */
#include "fuzz.h"
#include <keel/emul.h>

#define MEM_SIZE	0x800
#define MAX_LOG		16
#define FLAGS_KEPT	(X86_EFLAGS_VM | X86_EFLAGS_VIP | X86_EFLAGS_VIF)

enum { FETCH, READ, WRITE, CMPXCHG, PROBE, IN, OUT, PORT_CHECK };

struct access {
	u8 kind, len;
	u16 flags;
	u64 addr;
};

struct machine {
	struct emul_ctxt c;
	u8 mem[MEM_SIZE], ymm[16][32];
	struct access log[MAX_LOG];
	unsigned int nr;
	bool ended;		/* something happened that cannot be taken back */
	bool port_read;		/* nor can this: what it read must not be lost */
};

static struct machine m;
static u8 kinds;		/* which pages are holes, read-only, racing */
static int wait_at;		/* this access waits; -1: none */
static unsigned int fetched;

static enum emul_result fault(u8 vector, u64 addr, u32 error)
{
	CHECK(!m.port_read);
	m.c.fault = (struct emul_fault){
		.vector = vector, .has_error = true, .error = error, .addr = addr,
	};
	return EMUL_FAULT;
}

static enum emul_result note(u8 kind, u64 addr, unsigned int len, unsigned int flags)
{
	CHECK(!m.ended);
	CHECK(m.nr < MAX_LOG);
	m.log[m.nr] = (struct access){ kind, len, flags, addr };
	return (int)m.nr++ == wait_at ? EMUL_WAIT : EMUL_DONE;
}

/* By the page's number: 0 and 1 are always there. */
static bool page_is(u64 addr, unsigned int kind)
{
	u8 nr = addr >> 12;

	return nr > 1 && (nr ^ kinds) % 8 == kind;
}

static enum emul_result check_mem(u64 addr, unsigned int len, unsigned int access)
{
	u64 last = addr + len - 1;
	bool user = access & EMUL_USER;

	CHECK_EQ(hweight32(len), 1);
	CHECK(len <= 32);
	if (m.c.mode == EMUL_LONG)
		CHECK((u64)sign_extend64(addr, m.c.cr4 & X86_CR4_LA57 ? 56 : 47) == addr);
	else
		CHECK(addr <= U32_MAX);
	CHECK_EQ(user, m.c.cpl == 3);
	if (page_is(addr, 0) || page_is(last, 0))
		return fault(14, page_is(addr, 0) ? addr : last & ~0xfffULL, access & EMUL_WRITE);
	if ((access & EMUL_WRITE) && (page_is(addr, 1) || page_is(last, 1)))
		return fault(14, addr, 3);
	return EMUL_DONE;
}

static void copy(void *to, const void *from, u64 addr, unsigned int len, bool in)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		u8 *p = &m.mem[(addr + i) % MEM_SIZE];

		if (in)
			((u8 *)to)[i] = *p;
		else
			*p = ((const u8 *)from)[i];
	}
}

static enum emul_result fetch(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
			      unsigned int *got)
{
	CHECK_EQ(addr >> 12, (addr + len - 1) >> 12);
	CHECK(!m.nr && fetched + len <= 15);
	fetched += len;
	copy(buf, NULL, addr, len, true);
	*got = len;
	return EMUL_DONE;
}

static enum emul_result read(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
			     unsigned int access)
{
	enum emul_result r = check_mem(addr, len, access);

	CHECK(!(access & EMUL_WRITE));
	if (r == EMUL_DONE)
		r = note(READ, addr, len, access);
	if (r == EMUL_DONE)
		copy(buf, NULL, addr, len, true);
	return r;
}

static enum emul_result write(struct emul_ctxt *c, gva_t addr, const void *buf, unsigned int len,
			      unsigned int access)
{
	enum emul_result r = check_mem(addr, len, access);

	CHECK(access & EMUL_WRITE);
	CHECK(!(access & EMUL_LOCKED));
	if (r == EMUL_DONE)
		r = note(WRITE, addr, len, access);
	if (r != EMUL_DONE)
		return r;
	copy(NULL, buf, addr, len, false);
	m.ended = true;
	return EMUL_DONE;
}

static enum emul_result exchange(struct emul_ctxt *c, gva_t addr, const void *old,
				 const void *new, unsigned int len, unsigned int access)
{
	enum emul_result r = check_mem(addr, len, access);
	u8 is[32];

	CHECK(len <= 16);
	CHECK_EQ(access & ~EMUL_USER, EMUL_WRITE | EMUL_LOCKED);
	if (r == EMUL_DONE)
		r = note(CMPXCHG, addr, len, access);
	if (r != EMUL_DONE)
		return r;
	copy(is, NULL, addr, len, true);
	CHECK(!memcmp(is, old, len));
	if (page_is(addr, 2))
		return EMUL_INTR;	/* another CPU was faster */
	copy(NULL, new, addr, len, false);
	m.ended = true;
	return EMUL_DONE;
}

static enum emul_result probe_write(struct emul_ctxt *c, gva_t addr, unsigned int len,
				    unsigned int access)
{
	enum emul_result r = check_mem(addr, len, access);

	CHECK(access & EMUL_WRITE);
	return r == EMUL_DONE ? note(PROBE, addr, len, access) : r;
}

static enum emul_result port_in(struct emul_ctxt *c, u16 port, void *buf, unsigned int size)
{
	enum emul_result r = note(IN, port, size, 0);

	CHECK(size == 1 || size == 2 || size == 4);
	m.port_read = r == EMUL_DONE;
	if (r == EMUL_DONE)
		memset(buf, port, size);
	return r;
}

static enum emul_result port_out(struct emul_ctxt *c, u16 port, const void *buf, unsigned int size)
{
	enum emul_result r = note(OUT, port, size, *(const u8 *)buf);

	CHECK(size == 1 || size == 2 || size == 4);
	m.ended = r == EMUL_DONE;
	return r;
}

static enum emul_result port_check(struct emul_ctxt *c, u16 port, unsigned int size)
{
	unsigned int iopl = c->rflags >> 12 & 3;

	CHECK(c->mode == EMUL_VM86 || (c->mode != EMUL_REAL && c->cpl > iopl));
	note(PORT_CHECK, port, size, 0);
	return (port ^ kinds) % 8 ? EMUL_DONE : fault(13, 0, 0);
}

static void vec_read(struct emul_ctxt *c, unsigned int nr, void *buf, unsigned int len)
{
	CHECK(nr < 16 && (len == 16 || len == 32));
	memcpy(buf, m.ymm[nr], len);
}

static void vec_write(struct emul_ctxt *c, unsigned int nr, const void *buf, unsigned int len,
		      bool zext)
{
	CHECK(nr < 16 && (len == 16 || len == 32));
	memcpy(m.ymm[nr], buf, len);
}

static const struct emul_ops ops = {
	.fetch = fetch, .read = read, .write = write, .cmpxchg = exchange,
	.probe_write = probe_write, .port_in = port_in, .port_out = port_out,
	.port_check = port_check, .vec_read = vec_read, .vec_write = vec_write,
};

static void make_segment(struct fuzz *f, struct emul_segment *s, bool code)
{
	u8 how = fuzz_u8(f);
	bool real = m.c.mode == EMUL_REAL || m.c.mode == EMUL_VM86;

	*s = (struct emul_segment){
		.base = how & 1 ? fuzz_u32(f) : 0,
		.limit = how & 2 ? fuzz_u16(f) : real ? 0xffff : 0xffffffff,
		.type = how & 4 ? fuzz_u8(f) & 15 : code ? 11 : 3,
		.s = !(how & 8), .present = !(how & 16), .unusable = how & 32,
		.db = how & 64, .dpl = m.c.cpl,
	};
	if (code && s->limit < 0x100)
		s->limit = 0x100;
}

static void make_machine(struct fuzz *f)
{
	u8 how = fuzz_u8(f), more = fuzz_u8(f);
	unsigned int i;

	memset(&m, 0, sizeof(m));
	m.c.ops = &ops;
	m.c.mode = how % 5;
	m.c.cpl = m.c.mode == EMUL_REAL ? 0 : m.c.mode == EMUL_VM86 ? 3 : how & 0x80 ? 3 : 0;
	m.c.rflags = (fuzz_u16(f) & 0x7fd7) | 2 | (more & 1 ? X86_EFLAGS_AC : 0) |
		     (more & 2 ? X86_EFLAGS_RF : 0);
	if (m.c.mode == EMUL_VM86)
		m.c.rflags |= X86_EFLAGS_VM;
	m.c.cr0 = (m.c.mode == EMUL_REAL ? 0 : X86_CR0_PE) | (more & 4 ? X86_CR0_AM : 0) |
		  (more & 8 ? X86_CR0_TS : 0) | (more & 16 ? X86_CR0_EM : 0);
	m.c.cr4 = (more & 32 ? 0 : X86_CR4_OSFXSR | X86_CR4_OSXSAVE) |
		  (more & 64 ? X86_CR4_LA57 : 0);
	m.c.xcr0 = more & 128 ? 1 : 7;
	m.c.has_movbe = !(how & 0x40);
	m.c.has_cx16 = !(how & 0x40);
	m.c.has_avx = !(how & 0x20);
	m.c.has_avx2 = !(how & 0x20);
	m.c.amd_branch16 = how & 0x10;
	m.c.rip = 0x1ff8;
	kinds = fuzz_u8(f);
	for (i = 0; i < EMUL_NR_SEGS; i++) {
		if (how & 0x08)
			make_segment(f, &m.c.seg[i], i == EMUL_CS);
		else
			make_segment(&(struct fuzz){ }, &m.c.seg[i], i == EMUL_CS);
	}
	if (m.c.mode == EMUL_PROT32)
		m.c.seg[EMUL_CS].limit = 0xffffffff;
}

/* The code last: what a longer input adds is one register after the other. */
static void make_contents(struct fuzz *f)
{
	unsigned int i, n = 1 + fuzz_u8(f) % 15;
	u64 at = m.c.mode == EMUL_LONG ? 0 : m.c.seg[EMUL_CS].base;
	u8 code[15];

	fuzz_bytes(f, code, n);
	for (i = 0; i < MEM_SIZE; i++)
		m.mem[i] = i * 7;
	copy(NULL, code, (u32)(at + m.c.rip), n, false);
	for (i = 0; i < 16; i++)
		m.c.gpr[i] = fuzz_more(f) ? fuzz_num(f) : 0x100 * i;
	fuzz_bytes(f, m.ymm[1], 16);
	fuzz_bytes(f, m.mem, 64);
}

static void check_unchanged(const struct machine *was)
{
	CHECK(!memcmp(m.c.gpr, was->c.gpr, sizeof(m.c.gpr)));
	CHECK(!memcmp(m.c.seg, was->c.seg, sizeof(m.c.seg)));
	CHECK(m.c.rip == was->c.rip && m.c.rflags == was->c.rflags && m.c.cr0 == was->c.cr0);
	CHECK(!memcmp(m.mem, was->mem, sizeof(m.mem)));
	CHECK(!memcmp(m.ymm, was->ymm, sizeof(m.ymm)));
}

static void check_fault(void)
{
	u8 v = m.c.fault.vector;

	CHECK(v == 0 || v == 6 || v == 7 || (v >= 12 && v <= 14) || v == 17);
	CHECK_EQ(m.c.fault.has_error, (v >= 12 && v <= 14) || v == 17);
}

static bool is_string(const struct emul_decoded *d)
{
	return !d->map && ((d->opcode >= 0x6c && d->opcode <= 0x6f) ||
			   (d->opcode >= 0xa4 && d->opcode <= 0xaf && (d->opcode & 0xfe) != 0xa8));
}

static bool is_branch(const struct emul_decoded *d)
{
	if (d->map == 1)
		return (d->opcode & 0xf0) == 0x80;
	return (d->opcode & 0xf0) == 0x70 || (d->opcode & 0xf8) == 0xe0 ||
	       (d->opcode & 0xf8) == 0xe8 || (d->opcode & 0xfe) == 0xc2 || d->opcode == 0xff;
}

/* What an instruction that ended may have changed. */
static void check_done(const struct machine *was, enum emul_result r)
{
	u64 next = was->c.rip + m.c.insn_len;
	u64 flags = m.c.rflags ^ was->c.rflags;
	struct emul_decoded d;

	emul_decoded(&m.c, &d);
	if (m.c.mode != EMUL_LONG)
		next = (u32)next;
	if (r == EMUL_AGAIN)
		CHECK(m.c.rip == was->c.rip && (d.rep || d.repne) && is_string(&d));
	else if (!is_branch(&d))
		CHECK_EQ(m.c.rip, next);
	CHECK(!(flags & FLAGS_KEPT) && (m.c.rflags & 2));
	CHECK(!(flags & X86_EFLAGS_IOPL) || m.c.cpl == 0);
	CHECK(r == EMUL_AGAIN || !(m.c.rflags & X86_EFLAGS_RF));
	CHECK_EQ((m.c.cr0 ^ was->c.cr0) & ~0xfULL, 0);
	CHECK((m.c.cr0 & X86_CR0_PE) || !(was->c.cr0 & X86_CR0_PE));
	CHECK(m.c.cpl == 0 || m.c.cr0 == was->c.cr0);
	if (m.c.mode > EMUL_VM86)
		CHECK(!memcmp(m.c.seg, was->c.seg, sizeof(m.c.seg)));
	CHECK(!is_string(&d) || !(flags & ~0xed5ULL & ~(u64)X86_EFLAGS_RF));
}

static enum emul_result step(const struct machine *start)
{
	enum emul_result r;

	m = *start;
	fetched = 0;
	r = emul_step(&m.c);
	CHECK(m.c.insn_len <= 15);
	if (r == EMUL_DONE || r == EMUL_AGAIN) {
		CHECK(m.c.insn_len >= 1);
		check_done(start, r);
		return r;
	}
	CHECK(!m.ended);
	check_unchanged(start);
	if (r == EMUL_FAULT)
		check_fault();
	return r;
}

void fuzz_one(struct fuzz *f)
{
	static struct machine start, first;
	enum emul_result r;
	int waits;

	make_machine(f);
	make_contents(f);
	start = m;
	wait_at = -1;
	r = step(&start);
	CHECK(r != EMUL_WAIT);
	first = m;
	CHECK_EQ(step(&start), r);
	CHECK(!memcmp(&m, &first, sizeof(m)));
	for (waits = 0; waits < (int)first.nr; waits++) {
		if (first.log[waits].kind == PORT_CHECK)
			continue;
		wait_at = waits;
		CHECK_EQ(step(&start), EMUL_WAIT);
		CHECK_EQ(m.nr, waits + 1);
		CHECK(!memcmp(m.log, first.log, m.nr * sizeof(m.log[0])));
	}
}

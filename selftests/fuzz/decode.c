// SPDX-License-Identifier: GPL-2.0
/*
 * decode.c - any bytes, any mode: what may be fetched, and what the length depends on
 */
#include "fuzz.h"
#include <keel/emul.h>

#define RIP	0xff0	/* a page ends within the instruction */

struct code {
	u8 *bytes;		/* of exactly len bytes, for ASan to guard */
	unsigned int len;
	unsigned int chunk;	/* most a fetch returns */
	unsigned int fetched;
};

static enum emul_result fetch(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
			      unsigned int *got)
{
	struct code *code = c->priv;
	u64 at = (addr - c->seg[EMUL_CS].base) - RIP;

	CHECK_EQ(at, code->fetched);
	CHECK(len >= 1 && len <= 15);
	CHECK(at + len <= 15);
	CHECK_EQ(addr >> 12, (addr + len - 1) >> 12);
	CHECK(c->mode == EMUL_LONG || RIP + at + len - 1 <= c->seg[EMUL_CS].limit);
	if (at >= code->len) {
		c->fault = (struct emul_fault){ .vector = 14, .addr = addr };
		return EMUL_FAULT;
	}
	*got = min3(len, code->chunk, (unsigned int)(code->len - at));
	memcpy(buf, code->bytes + at, *got);
	code->fetched += *got;
	return EMUL_DONE;
}

static const struct emul_ops ops = { .fetch = fetch };

static enum emul_result decode(struct emul_ctxt *c, const struct emul_ctxt *start,
			       const u8 *bytes, unsigned int len, unsigned int chunk)
{
	struct code code = { .bytes = malloc(len ?: 1), .len = len, .chunk = chunk };
	enum emul_result r;

	memcpy(code.bytes, bytes, len);
	*c = *start;
	c->priv = &code;
	r = emul_decode_len(c);
	CHECK(r == EMUL_DONE || r == EMUL_FAULT);
	CHECK(c->insn_len <= 15);
	CHECK(c->insn_len <= code.fetched);
	CHECK(!memcmp(c->insn, bytes, c->insn_len));
	if (chunk == 1)
		CHECK_EQ(c->insn_len, code.fetched);
	CHECK(!memcmp(c->gpr, start->gpr, sizeof(c->gpr)));
	CHECK_EQ(c->rip, start->rip);
	free(code.bytes);
	return r;
}

static void check_facts(const struct emul_ctxt *c)
{
	struct emul_decoded a, b;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	emul_decoded(c, &a);
	emul_decoded(c, &b);
	CHECK(!memcmp(&a, &b, sizeof(a)));
	CHECK(a.reg < 16 && a.rm < 16);
	CHECK(a.opsize == 1 || a.opsize == 2 || a.opsize == 4 || a.opsize == 8);
	CHECK(!a.has_modrm || a.modrm == 0 || memchr(c->insn, a.modrm, c->insn_len));
	CHECK(memchr(c->insn, a.opcode, c->insn_len));
}

/* All of the instruction is needed, and nothing behind it. */
static void check_length(struct emul_ctxt *c, const struct emul_ctxt *start, const u8 *bytes)
{
	unsigned int len = c->insn_len, shorter;

	CHECK(len >= 1);
	CHECK_EQ(decode(c, start, bytes, len, 15), EMUL_DONE);
	CHECK_EQ(c->insn_len, len);
	CHECK_EQ(decode(c, start, bytes, len, 1), EMUL_DONE);
	CHECK_EQ(c->insn_len, len);
	check_facts(c);
	for (shorter = 0; shorter < len; shorter++) {
		CHECK_EQ(decode(c, start, bytes, shorter, 15), EMUL_FAULT);
		CHECK_EQ(c->fault.vector, 14);
	}
}

void fuzz_one(struct fuzz *f)
{
	u8 how = fuzz_u8(f), bytes[15] = {};
	struct emul_ctxt start = {
		.ops = &ops, .mode = how % 5, .amd_branch16 = how & 0x80, .rip = RIP,
	}, c;
	struct emul_decoded d;
	unsigned int n;

	start.seg[EMUL_CS].base = how & 0x40 ? 0x10000 : 0;
	start.seg[EMUL_CS].limit = how & 0x20 ? RIP + fuzz_u8(f) % 16 : 0xffff;
	if (start.mode == EMUL_LONG)
		start.seg[EMUL_CS].base = 0;
	n = min_t(size_t, f->end - f->p, 15);
	fuzz_bytes(f, bytes, n);
	if (decode(&c, &start, bytes, n, 15) == EMUL_DONE)
		check_length(&c, &start, bytes);
	emul_decoded(&c, &d);		/* of what is no instruction, too */
	c.insn_len = how;		/* nor is this a length */
	emul_decoded(&c, &d);
}

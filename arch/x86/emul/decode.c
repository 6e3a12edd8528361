// SPDX-License-Identifier: GPL-2.0
/*
 * decode.c - from bytes to struct emul_insn
 *
 * Bytes are fetched as they are needed: one read up to the end of the page
 * (or of the code segment), and another only if the instruction goes on there.
 */
#include "emul.h"

static enum emul_result decode_fault(struct emul_insn *i, enum emul_vector vector)
{
	return i->c ? emul_fault(i->c, vector) : EMUL_FAULT;
}

/* The linear address of the next byte to fetch, and how many may follow it. */
static enum emul_result decode_fetch_at(struct emul_insn *i, gva_t *la, unsigned int *len)
{
	struct emul_ctxt *c = i->c;
	const struct emul_segment *cs = &c->seg[EMUL_CS];
	u64 off = c->rip + i->have;

	*len = sizeof(i->bytes) - i->have;
	if (!*len)
		return decode_fault(i, EMUL_GP);
	if (i->mode == EMUL_LONG) {
		*la = off;
		if (!emul_canonical(c, off))
			return decode_fault(i, EMUL_GP);
	} else {
		*la = (u32)(cs->base + off);
		if (off > cs->limit)
			return decode_fault(i, EMUL_GP);
		*len = min_t(u64, *len, cs->limit - off + 1);
	}
	*len = min_t(u64, *len, 0x1000 - (*la & 0xfff));
	return EMUL_DONE;
}

static enum emul_result decode_fetch(struct emul_insn *i)
{
	unsigned int len = 0, got = 0;
	enum emul_result r;
	gva_t la = 0;

	if (!i->c)
		return EMUL_UNHANDLED;
	r = decode_fetch_at(i, &la, &len);
	if (r != EMUL_DONE)
		return r;
	r = i->c->ops->fetch(i->c, la, i->bytes + i->have, len, &got);
	if (r != EMUL_DONE)
		return r;
	if (!got)
		return EMUL_UNHANDLED;
	i->have += min(got, len);
	return EMUL_DONE;
}

/* The next @n (up to 8) bytes, little endian. */
static enum emul_result decode_bytes(struct emul_insn *i, unsigned int n, u64 *val)
{
	enum emul_result r;

	while (i->have - i->pos < (int)n) {
		r = decode_fetch(i);
		if (r != EMUL_DONE)
			return r;
	}
	*val = 0;
	memcpy(val, i->bytes + i->pos, n);
	i->pos += n;
	return EMUL_DONE;
}

static enum emul_result decode_u8(struct emul_insn *i, u8 *val)
{
	u64 v = 0;
	enum emul_result r = decode_bytes(i, 1, &v);

	*val = v;
	return r;
}

static void decode_rex(struct emul_insn *i, u8 rex)
{
	i->rex = rex;
	i->rex_w = rex & 8;
	i->rex_r = (rex & 4) << 1;
	i->rex_x = (rex & 2) << 2;
	i->rex_b = (rex & 1) << 3;
}

/* One legacy prefix; false if @b is none. */
static bool decode_prefix(struct emul_insn *i, u8 b)
{
	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (i->mode != EMUL_LONG)	/* else it is nothing, and FS or GS stays */
			i->seg_prefix = b >> 3 & 3;
		return true;
	case 0x64:
	case 0x65:
		i->seg_prefix = b & 7;
		return true;
	case 0x66:
		i->opsize_prefix = true;
		return true;
	case 0x67:
		i->adsize_prefix = true;
		return true;
	case 0xf0:
		i->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		i->rep = b;
		return true;
	default:
		return false;
	}
}

/* Prefixes, and the first byte after them. REX counts only if it is the last. */
static enum emul_result decode_prefixes(struct emul_insn *i, u8 *b)
{
	enum emul_result r;

	for (;;) {
		r = decode_u8(i, b);
		if (r != EMUL_DONE)
			return r;
		if (i->mode == EMUL_LONG && (*b & 0xf0) == 0x40)
			decode_rex(i, *b);
		else if (decode_prefix(i, *b))
			decode_rex(i, 0);
		else
			return EMUL_DONE;
	}
}

static void decode_vex_start(struct emul_insn *i, enum emul_vex kind)
{
	i->bad_prefix = i->opsize_prefix || i->rep || i->lock || i->rex;
	i->opsize_prefix = false;
	i->rep = 0;
	i->vex = kind;
}

/* The byte W.vvvv.L.pp that all but EVEX share in full. */
static void decode_vex_last(struct emul_insn *i, u8 p)
{
	i->rex_w = i->mode == EMUL_LONG && (p & 0x80);
	i->vex_reg = (~p >> 3) & 15;
	i->vex_l = p & 4;
	i->pp = p & 3;
}

/* The inverted R, X and B in the upper bits. */
static void decode_vex_rxb(struct emul_insn *i, u8 p)
{
	u8 inv = i->mode == EMUL_LONG ? ~p : 0;

	i->rex_r = inv >> 4 & 8;
	i->rex_x = inv >> 3 & 8;
	i->rex_b = inv >> 2 & 8;
}

static enum emul_result decode_vex2(struct emul_insn *i)
{
	enum emul_result r;
	u8 p;

	decode_vex_start(i, VEX_VEX);
	r = decode_u8(i, &p);
	if (r != EMUL_DONE)
		return r;
	decode_vex_rxb(i, p | 0x60);
	decode_vex_last(i, p & 0x7f);
	i->map = MAP_0F;
	return decode_u8(i, &i->opcode);
}

static enum emul_result decode_vex3(struct emul_insn *i, enum emul_vex kind)
{
	enum emul_result r;
	u64 p;

	decode_vex_start(i, kind);
	r = decode_bytes(i, 2, &p);
	if (r != EMUL_DONE)
		return r;
	decode_vex_rxb(i, p);
	decode_vex_last(i, p >> 8);
	i->map = p & 0x1f;
	return decode_u8(i, &i->opcode);
}

static enum emul_result decode_evex(struct emul_insn *i)
{
	enum emul_result r;
	u64 p;

	decode_vex_start(i, VEX_EVEX);
	r = decode_bytes(i, 3, &p);
	if (r != EMUL_DONE)
		return r;
	if ((p & 8) || !(p & 0x400))
		return decode_fault(i, EMUL_UD);
	decode_vex_rxb(i, p);
	i->rex_w = i->mode == EMUL_LONG && (p & 0x8000);
	i->pp = p >> 8 & 3;
	i->map = p & 7;
	return decode_u8(i, &i->opcode);
}

/* Peek at the byte after C4, C5, 62 or 8F, which may be an older instruction's ModRM. */
static enum emul_result decode_peek(struct emul_insn *i, u8 *b)
{
	enum emul_result r = decode_u8(i, b);

	if (r == EMUL_DONE)
		i->pos--;
	return r;
}

/* VEX, XOP and EVEX; *taken says whether the opcode was read by one. */
static enum emul_result decode_extended(struct emul_insn *i, u8 b, bool *taken)
{
	enum emul_result r;
	u8 next;

	*taken = false;
	if ((b != 0xc4 && b != 0xc5 && b != 0x62 && b != 0x8f) ||
	    i->mode == EMUL_REAL || i->mode == EMUL_VM86)
		return EMUL_DONE;
	r = decode_peek(i, &next);
	if (r != EMUL_DONE)
		return r;
	if (b == 0x8f)
		*taken = (next & 0x1f) >= 8;
	else
		*taken = i->mode == EMUL_LONG || next >= 0xc0;
	if (!*taken)
		return EMUL_DONE;
	if (b == 0xc5)
		return decode_vex2(i);
	if (b == 0x62)
		return decode_evex(i);
	return decode_vex3(i, b == 0x8f ? VEX_XOP : VEX_VEX);
}

static enum emul_result decode_opcode(struct emul_insn *i)
{
	enum emul_result r;
	bool taken;
	u8 b;

	r = decode_prefixes(i, &b);
	if (r != EMUL_DONE)
		return r;
	r = decode_extended(i, b, &taken);
	if (r != EMUL_DONE || taken)
		return r;

	i->opcode = b;
	i->pp = i->rep ? (i->rep == 0xf3 ? 2 : 3) : i->opsize_prefix;
	if (b != 0x0f)
		return EMUL_DONE;
	i->map = MAP_0F;
	r = decode_u8(i, &i->opcode);
	if (r != EMUL_DONE || (i->opcode != 0x38 && i->opcode != 0x3a))
		return r;
	i->map = i->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
	return decode_u8(i, &i->opcode);
}

/* The lengths that change with a mandatory prefix. */
static void decode_row_quirks(struct emul_insn *i)
{
	if (i->map != MAP_0F || i->vex)
		return;
	if (i->opcode == 0x78 && (i->pp == 1 || i->pp == 3))	/* EXTRQ, INSERTQ */
		i->flags = (i->flags & ~F_IMM) | IMM_BB;
}

static void decode_set_row(struct emul_insn *i, const struct emul_opcode *op)
{
	i->op = op;
	i->flags |= op->flags;
}

static enum emul_result decode_row(struct emul_insn *i)
{
	decode_set_row(i, emul_opcode_row(i));
	if ((!i->op->exec && !i->op->group) || ((i->flags & F_NO64) && i->mode == EMUL_LONG))
		return decode_fault(i, EMUL_UD);
	decode_row_quirks(i);
	return EMUL_DONE;
}

static const struct {
	u8 base, index;
} decode_rm16[8] = {
	[0] = { EMUL_RBX, EMUL_RSI },
	[1] = { EMUL_RBX, EMUL_RDI },
	[2] = { EMUL_RBP, EMUL_RSI },
	[3] = { EMUL_RBP, EMUL_RDI },
	[4] = { EMUL_RSI, EMUL_NO_REG },
	[5] = { EMUL_RDI, EMUL_NO_REG },
	[6] = { EMUL_RBP, EMUL_NO_REG },
	[7] = { EMUL_RBX, EMUL_NO_REG },
};

static enum emul_result decode_disp(struct emul_insn *i, unsigned int size)
{
	enum emul_result r;
	u64 v;

	if (!size)
		return EMUL_DONE;
	r = decode_bytes(i, size, &v);
	if (r == EMUL_DONE)
		i->disp = emul_sext(v, size);
	return r;
}

static enum emul_result decode_mem16(struct emul_insn *i)
{
	u8 rm = i->modrm & 7;

	i->base = decode_rm16[rm].base;
	i->index = decode_rm16[rm].index;
	if (i->mod == 0 && rm == 6) {
		i->base = EMUL_NO_REG;
		return decode_disp(i, 2);
	}
	return decode_disp(i, i->mod);
}

static enum emul_result decode_sib(struct emul_insn *i)
{
	enum emul_result r;
	u8 sib;

	r = decode_u8(i, &sib);
	if (r != EMUL_DONE)
		return r;
	i->scale = sib >> 6;
	i->index = (sib >> 3 & 7) | i->rex_x;
	if (i->index == EMUL_RSP)
		i->index = EMUL_NO_REG;
	i->base = (sib & 7) | i->rex_b;
	if ((sib & 7) == EMUL_RBP && i->mod == 0)
		i->base = EMUL_NO_REG;
	return EMUL_DONE;
}

static enum emul_result decode_mem32(struct emul_insn *i)
{
	enum emul_result r;

	i->index = EMUL_NO_REG;
	i->base = i->rm;
	if ((i->modrm & 7) == EMUL_RSP) {
		r = decode_sib(i);
		if (r != EMUL_DONE)
			return r;
	} else if ((i->modrm & 7) == EMUL_RBP && i->mod == 0) {
		i->base = i->mode == EMUL_LONG ? EMUL_RIP_REG : EMUL_NO_REG;
		return decode_disp(i, 4);
	}
	if (i->mod == 0)
		return decode_disp(i, i->base == EMUL_NO_REG ? 4 : 0);
	return decode_disp(i, i->mod == 1 ? 1 : 4);
}

static enum emul_result decode_modrm(struct emul_insn *i)
{
	enum emul_result r;

	if (!(i->flags & F_MODRM))
		return EMUL_DONE;
	r = decode_u8(i, &i->modrm);
	if (r != EMUL_DONE)
		return r;
	i->has_modrm = true;
	i->mod = i->flags & F_REGMOD ? 3 : i->modrm >> 6;
	i->reg = (i->modrm >> 3 & 7) | i->rex_r;
	i->rm = (i->modrm & 7) | i->rex_b;
	if (i->mod != 3) {
		r = i->adsize == 2 ? decode_mem16(i) : decode_mem32(i);
		if (r != EMUL_DONE)
			return r;
	}
	if (i->op->group)
		decode_set_row(i, &i->op->group[i->reg & 7]);
	return EMUL_DONE;
}

static void decode_adsize(struct emul_insn *i)
{
	if (i->mode == EMUL_LONG)
		i->adsize = i->adsize_prefix ? 4 : 8;
	else
		i->adsize = (i->mode == EMUL_PROT32) != i->adsize_prefix ? 4 : 2;
}

static void decode_opsize(struct emul_insn *i)
{
	bool wide = i->mode == EMUL_LONG || i->mode == EMUL_PROT32;

	i->opsize = wide != i->opsize_prefix ? 4 : 2;
	if (i->flags & F_REGMOD)	/* MOV CR, MOV DR */
		i->opsize = i->mode == EMUL_LONG ? 8 : 4;
	else if (i->mode == EMUL_LONG && i->flags & F_NEAR)
		i->opsize = i->opsize_prefix && i->amd_branch16 && !i->rex_w ? 2 : 8;
	else if (i->rex_w || (i->opsize == 4 && i->mode == EMUL_LONG && i->flags & F_D64))
		i->opsize = 8;
	if (i->flags & F_BYTE || (i->flags & F_WBIT && !(i->opcode & 1)))
		i->opsize = 1;
}

/* SS for what BP and SP address; long mode knows FS and GS only. */
static void decode_segment(struct emul_insn *i)
{
	bool stack = i->has_modrm && i->mod != 3 &&
		     (i->base == EMUL_RBP || (i->base == EMUL_RSP && i->adsize != 2));

	i->seg = stack ? EMUL_SS : EMUL_DS;
	if (i->seg_prefix == EMUL_NR_SEGS ||
	    (i->mode == EMUL_LONG && i->seg_prefix < EMUL_FS))
		return;
	i->seg = i->seg_prefix;
}

/* In bytes; what follows the first part of FAR, ENTER and BB is decode_imm()'s. */
static unsigned int decode_imm_size(const struct emul_insn *i)
{
	switch (i->flags & F_IMM) {
	case IMM_B:
	case IMM_UB:
	case IMM_BB:
		return 1;
	case IMM_W:
	case IMM_ENTER:
		return 2;
	case IMM_Z:
	case IMM_FAR:
		return i->opsize == 2 ? 2 : 4;
	case IMM_V:
		return i->opsize;
	case IMM_D:
		return 4;
	case IMM_MOFFS:
		return i->adsize;
	default:
		return 0;
	}
}

static enum emul_result decode_imm(struct emul_insn *i)
{
	unsigned int kind = i->flags & F_IMM, size = decode_imm_size(i);
	enum emul_result r;

	if (!size)
		return EMUL_DONE;
	r = decode_bytes(i, size, &i->imm);
	if (r != EMUL_DONE)
		return r;
	if (kind == IMM_B || kind == IMM_Z)
		i->imm = emul_sext(i->imm, size);
	if (kind == IMM_FAR)
		return decode_bytes(i, 2, &i->imm2);
	if (kind == IMM_ENTER || kind == IMM_BB)
		return decode_bytes(i, 1, &i->imm2);
	return EMUL_DONE;
}

static enum emul_result decode_all(struct emul_insn *i)
{
	enum emul_result r;

	r = decode_opcode(i);
	if (r == EMUL_DONE)
		r = decode_row(i);
	decode_adsize(i);
	if (r == EMUL_DONE)
		r = decode_modrm(i);
	if (r != EMUL_DONE)
		return r;
	decode_opsize(i);
	decode_segment(i);
	return decode_imm(i);
}

static void decode_start(struct emul_insn *i, const struct emul_ctxt *c)
{
	*i = (struct emul_insn){
		.mode = c->mode,
		.amd_branch16 = c->amd_branch16,
		.seg_prefix = EMUL_NR_SEGS,
		.base = EMUL_NO_REG,
		.index = EMUL_NO_REG,
	};
}

enum emul_result emul_decode(struct emul_insn *i, struct emul_ctxt *c)
{
	enum emul_result r;

	decode_start(i, c);
	i->c = c;
	r = decode_all(i);
	memcpy(c->insn, i->bytes, sizeof(c->insn));
	c->insn_len = r == EMUL_DONE ? i->pos : i->have;
	return r;
}

enum emul_result emul_decode_len(struct emul_ctxt *c)
{
	struct emul_insn i;

	return emul_decode(&i, c);
}

void emul_decoded(const struct emul_ctxt *c, struct emul_decoded *d)
{
	struct emul_insn i;

	decode_start(&i, c);
	i.have = min_t(u8, c->insn_len, sizeof(i.bytes));
	memcpy(i.bytes, c->insn, i.have);
	if (decode_all(&i) != EMUL_DONE)
		i.opsize = 0;
	*d = (struct emul_decoded){
		.opcode = i.opcode,
		.map = i.map,
		.modrm = i.modrm,
		.reg = i.reg,
		.rm = i.rm,
		.opsize = i.opsize,
		.has_modrm = i.has_modrm,
		.rep = i.rep == 0xf3,
		.repne = i.rep == 0xf2,
	};
}

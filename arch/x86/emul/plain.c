// SPDX-License-Identifier: GPL-2.0
/*
 * plain.c - the few instructions by which drivers reach device registers
 *
 * Plain MOVs between a register (or a constant) and memory, of 64 bit code, with no
 * prefix but 66 and REX. Everything else is for the decoder proper, which says the
 * same of these; the tests compare the two.
 */
#include <keel/emul.h>

#define REX_W	0x8
#define REX_R	0x4
#define REX_X	0x2
#define REX_B	0x1

#define NO_INDEX	4
#define BASE_IS_DISP	5	/* with mod 0: no base, in a SIB byte; RIP in ModRM */

enum plain_form {
	PLAIN_NONE,
	PLAIN_STORE,		/* memory from a register */
	PLAIN_LOAD,		/* a register from memory */
	PLAIN_LOAD_ZERO,	/* and the rest of it cleared */
	PLAIN_LOAD_SIGN,	/* and filled with the sign */
	PLAIN_STORE_IMM,	/* memory from a constant; reg of ModRM is 0 */
};

struct plain_row {
	u8 form;	/* enum plain_form */
	u8 size;	/* of the memory operand; 0: of the instruction's operands */
};

static const struct plain_row plain_one[256] = {
	[0x63] = { PLAIN_LOAD_SIGN, 4 },
	[0x88] = { PLAIN_STORE, 1 },
	[0x89] = { PLAIN_STORE, 0 },
	[0x8a] = { PLAIN_LOAD, 1 },
	[0x8b] = { PLAIN_LOAD, 0 },
	[0xc6] = { PLAIN_STORE_IMM, 1 },
	[0xc7] = { PLAIN_STORE_IMM, 0 },
};

static const struct plain_row plain_0f[256] = {
	[0xb6] = { PLAIN_LOAD_ZERO, 1 },
	[0xb7] = { PLAIN_LOAD_ZERO, 2 },
	[0xbe] = { PLAIN_LOAD_SIGN, 1 },
	[0xbf] = { PLAIN_LOAD_SIGN, 2 },
};

/* Bytes of an instruction, read in order. */
struct plain_code {
	const u8 *at;
	u8 rex;
	bool narrow;	/* prefix 66 */
};

static s32 plain_s32(struct plain_code *c)
{
	u32 v = c->at[0] | c->at[1] << 8 | c->at[2] << 16 | (u32)c->at[3] << 24;

	c->at += 4;
	return v;
}

static void plain_prefixes(struct plain_code *c)
{
	if (*c->at == 0x66) {
		c->narrow = true;
		c->at++;
	}
	if ((*c->at & 0xf0) == 0x40)
		c->rex = *c->at++;
}

/* SIB's base and index; true: a displacement of 32 bits is in place of the base. */
static bool plain_sib(struct plain_code *c, unsigned int mod, struct emul_plain *p)
{
	u8 sib = *c->at++, index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);

	p->scale = sib >> 6;
	p->index = index == NO_INDEX ? EMUL_PLAIN_NONE : index;
	if (!mod && (sib & 7) == BASE_IS_DISP) {
		p->base = EMUL_PLAIN_NONE;
		return true;
	}
	p->base = (sib & 7) | (c->rex & REX_B ? 8 : 0);
	return false;
}

static void plain_address(struct plain_code *c, u8 modrm, struct emul_plain *p)
{
	unsigned int mod = modrm >> 6;
	bool disp32 = mod == 2;

	p->index = EMUL_PLAIN_NONE;
	p->scale = 0;
	p->disp = 0;
	if ((modrm & 7) == 4) {
		disp32 |= plain_sib(c, mod, p);
	} else if (!mod && (modrm & 7) == BASE_IS_DISP) {
		p->base = EMUL_PLAIN_RIP;
		disp32 = true;
	} else {
		p->base = (modrm & 7) | (c->rex & REX_B ? 8 : 0);
	}
	if (disp32)
		p->disp = plain_s32(c);
	else if (mod == 1)
		p->disp = (s8)*c->at++;
}

static void plain_immediate(struct plain_code *c, struct emul_plain *p)
{
	if (p->size == 1) {
		p->imm = *c->at++;
	} else if (p->size == 2) {
		p->imm = c->at[0] | c->at[1] << 8;
		c->at += 2;
	} else {
		p->imm = (s64)plain_s32(c);
	}
}

static const struct plain_row *plain_opcode(struct plain_code *c)
{
	if (*c->at != 0x0f)
		return &plain_one[*c->at++];
	c->at += 2;
	return &plain_0f[c->at[-1]];
}

/* AH, CH, DH and BH are 4 to 7 where there is no REX. */
static bool plain_is_high_byte(const struct plain_code *c, const struct plain_row *row, u8 reg)
{
	return row->size == 1 && !c->rex && reg >= 4 &&
	       (row->form == PLAIN_STORE || row->form == PLAIN_LOAD);
}

bool emul_plain_decode(const u8 insn[EMUL_PLAIN_BYTES], struct emul_plain *p)
{
	struct plain_code c = { .at = insn };
	const struct plain_row *row;
	u8 opsize, modrm;

	plain_prefixes(&c);
	row = plain_opcode(&c);
	modrm = *c.at++;
	if (row->form == PLAIN_NONE || modrm >> 6 == 3)
		return false;
	opsize = c.rex & REX_W ? 8 : c.narrow ? 2 : 4;
	p->size = row->size ?: opsize;
	p->reg_size = row->form == PLAIN_LOAD ? p->size : opsize;
	p->write = row->form == PLAIN_STORE || row->form == PLAIN_STORE_IMM;
	p->sign = row->form == PLAIN_LOAD_SIGN;
	p->has_imm = row->form == PLAIN_STORE_IMM;
	p->reg = (modrm >> 3 & 7) | (c.rex & REX_R ? 8 : 0);
	if (p->has_imm ? modrm >> 3 & 7 : plain_is_high_byte(&c, row, p->reg))
		return false;
	/* MOVSXD is what it is named with REX.W only. */
	if (row == &plain_one[0x63] && opsize != 8)
		return false;
	plain_address(&c, modrm, p);
	if (p->has_imm)
		plain_immediate(&c, p);
	p->len = c.at - insn;
	return true;
}

u64 emul_plain_address(const struct emul_plain *p, u64 base, u64 index)
{
	return base + (index << p->scale) + (s64)p->disp;
}

u64 emul_plain_loaded(const struct emul_plain *p, u64 old, u64 val)
{
	if (p->sign)
		val = sign_extend64(val, p->size * 8 - 1);
	switch (p->reg_size) {
	case 8:
		return val;
	case 4:
		return (u32)val;
	default:
		return (old & ~GENMASK_ULL(p->reg_size * 8 - 1, 0)) |
		       (val & GENMASK_ULL(p->reg_size * 8 - 1, 0));
	}
}

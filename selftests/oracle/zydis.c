// SPDX-License-Identifier: GPL-2.0
/*
 * zydis.c - the decoder against Zydis: is it an instruction, how long, with which operands
 *
 * Half of the byte strings are instructions of the emulator's tables, the others random with
 * prefixes; some are stretched by prefixes to 15 bytes and beyond.
 */
#include <Zydis/Zydis.h>
#include "oracle.h"

#define MAX_TOLD	20

struct zydis {
	ZydisDecoder decoder;
	struct emul_ctxt c;
	struct emul_insn i;
	enum emul_result r;
	ZyanStatus status;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	u8 bytes[32];
	struct tally *n;
	unsigned long operands;
};

static enum emul_result zydis_fetch(struct emul_ctxt *c, gva_t addr, void *buf,
				    unsigned int len, unsigned int *got)
{
	const struct zydis *z = c->priv;

	memcpy(buf, z->bytes + (addr & 15), len);
	*got = len;
	return EMUL_DONE;
}

static const struct emul_ops zydis_ops = { .fetch = zydis_fetch };

static void zydis_start(struct zydis *z, enum emul_mode mode)
{
	static const struct {
		ZydisMachineMode machine;
		ZydisStackWidth width;
	} modes[NR_MODES] = {
		[EMUL_REAL] = { ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16 },
		[EMUL_PROT16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		[EMUL_PROT32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		[EMUL_LONG] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};

	z->c = (struct emul_ctxt){
		.ops = &zydis_ops, .priv = z, .mode = mode, .amd_branch16 = true,
		.seg[EMUL_CS] = { .limit = 0xffffffff, .s = true, .present = true },
	};
	ZydisDecoderInit(&z->decoder, modes[mode].machine, modes[mode].width);
	ZydisDecoderEnableMode(&z->decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, true);
}

/* ---- byte strings ---- */

static void zydis_random(u8 *p)
{
	static const u8 prefixes[] = {
		0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0x48, 0x41, 0x0f, 0xc4, 0xc5,
		0x62, 0x8f,
	};
	unsigned int n = 0;

	while (rnd() % 2 && n < 4)
		p[n++] = prefixes[rnd() % ARRAY_SIZE(prefixes)];
}

static void zydis_bytes(struct zydis *z, unsigned long nr)
{
	unsigned int i, pad;

	for (i = 0; i < sizeof(z->bytes); i += 8) {
		u64 val = rnd();

		memcpy(z->bytes + i, &val, 8);
	}
	if (nr & 1)
		zydis_random(z->bytes);
	else
		gen_bytes(z->bytes, z->c.mode, nr / 2);
	if (rnd() % 32)
		return;
	pad = 6 + rnd() % 10;
	memmove(z->bytes + pad, z->bytes, sizeof(z->bytes) - pad);
	memset(z->bytes, rnd() & 1 ? 0x2e : 0x66, pad);
}

/* ---- comparison ---- */

static bool zydis_differs(struct zydis *z, const char *what, u64 is, u64 want)
{
	char hex[64];

	if (is == want)
		return false;
	if (z->n->differ++ < MAX_TOLD) {
		print_hex(hex, z->bytes, 15);
		comment("zydis %s, %s: %s: emulator %#llx, Zydis %#llx (%s)", mode_names[z->c.mode],
			hex, what, is, want,
			ZYAN_SUCCESS(z->status) ? ZydisMnemonicGetString(z->insn.mnemonic) : "none");
	}
	return true;
}

static unsigned int zydis_reg(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return EMUL_NO_REG;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return EMUL_RIP_REG;
	return ZydisRegisterGetId(reg);
}

/*
 * SDM 2, Special Encodings for REX Prefixes: SIB base 101 with mod 00 is no base, whatever
 * REX.B says. Zydis 4.0 has R13 there; the CPU does as the manual says.
 */
static bool zydis_r13(const struct zydis *z, const ZydisDecodedOperand *o)
{
	unsigned int reg = zydis_reg(o->mem.base);

	return z->i.base == EMUL_NO_REG && reg == 13 && z->i.mod == 0 && z->i.rex_b;
}

/* A SIB with neither index has a scale that means nothing. */
static void zydis_memory(struct zydis *z, const ZydisDecodedOperand *o)
{
	const struct emul_insn *i = &z->i;
	bool generic = o->mem.type == ZYDIS_MEMOP_TYPE_AGEN;

	z->operands++;
	/* 3E before an indirect branch is NOTRACK, too: Zydis has the segment without it. */
	if (!generic && !(z->insn.attributes & ZYDIS_ATTRIB_HAS_NOTRACK))
		zydis_differs(z, "segment", i->seg, o->mem.segment - ZYDIS_REGISTER_ES);
	if (zydis_r13(z, o))
		return;
	if (zydis_differs(z, "base", i->base, zydis_reg(o->mem.base)) ||
	    zydis_differs(z, "index", i->index, zydis_reg(o->mem.index)))
		return;
	if (i->index != EMUL_NO_REG && i->adsize != 2)
		zydis_differs(z, "scale", 1 << i->scale, o->mem.scale);
	zydis_differs(z, "displacement", i->disp & emul_mask(i->adsize),
		      (o->mem.disp.has_displacement ? o->mem.disp.value : 0) &
		      emul_mask(i->adsize));
	if ((i->op->dst == O_RM || i->op->src == O_RM) && i->op->exec != exec_unhandled &&
	    i->op->exec != exec_movbe && !(i->flags & F_NEAR))
		zydis_differs(z, "width of the memory operand", i->opsize * 8, o->size);
}

static void zydis_operands(struct zydis *z)
{
	unsigned int k;

	if (z->i.op->exec == exec_unhandled || z->i.op->exec == exec_nop)
		return;
	zydis_differs(z, "address size", z->i.adsize * 8, z->insn.address_width);
	for (k = 0; k < z->insn.operand_count; k++) {
		const ZydisDecodedOperand *o = &z->op[k];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
			zydis_memory(z, o);
		else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			 o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
			 o->encoding != ZYDIS_OPERAND_ENCODING_NONE && z->i.flags & F_IMM)
			zydis_differs(z, "immediate", z->i.imm & emul_mask(z->i.opsize),
				      o->imm.value.u & emul_mask(z->i.opsize));
	}
}

/* What Zydis refuses must not be executed here; what has only a length by rule may be. */
static bool zydis_executes(const struct zydis *z)
{
	const struct emul_insn *i = &z->i;
	bool mem = i->has_modrm && i->mod != 3;

	if (z->r != EMUL_DONE || i->op->exec == exec_unhandled || !i->op->exec)
		return false;
	if (i->bad_prefix || (i->lock && !(mem && i->flags & F_LOCK)))
		return false;
	return !(i->flags & F_MEM && !mem) && !(i->flags & F_NOPFX && i->pp);
}

/* Decided when it is executed, or otherwise for one vendor. */
static bool zydis_decided_later(const struct zydis *z)
{
	const struct emul_insn *i = &z->i;

	return i->op->exec == exec_vec_move || i->op->exec == exec_mov_to_sreg ||
	       i->op->exec == exec_mov_from_sreg || i->op->exec == exec_ud ||
	       i->op->exec == exec_movsxd || i->op->exec == exec_fence ||
	       i->op->exec == exec_nop;	/* MPX, where there is MPX */
}

static void zydis_judge(struct zydis *z)
{
	if (!ZYAN_SUCCESS(z->status)) {
		if (zydis_executes(z) && !zydis_decided_later(z))
			zydis_differs(z, "executes what is invalid", z->i.pos, 0);
		/* In real mode C4, C5 and 62 start no VEX, as Zydis thinks. */
		if (z->status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG && z->c.mode != EMUL_REAL)
			zydis_differs(z, "more than 15 bytes", z->r == EMUL_DONE, false);
		return;
	}
	/* The first Xeon Phi's own */
	if (z->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
		return;
	if (z->insn.mnemonic == ZYDIS_MNEMONIC_JKZD || z->insn.mnemonic == ZYDIS_MNEMONIC_JKNZD)
		return;
	z->n->ended++;
	if (zydis_differs(z, "result", z->r, EMUL_DONE) ||
	    zydis_differs(z, "length", z->i.pos, z->insn.length))
		return;
	zydis_operands(z);
}

static void zydis_case(struct zydis *z, unsigned long nr)
{
	zydis_bytes(z, nr);
	z->status = ZydisDecoderDecodeFull(&z->decoder, z->bytes, sizeof(z->bytes), &z->insn, z->op);
	z->r = emul_decode(&z->i, &z->c);
	z->n->cases++;
	z->n->compared++;
	zydis_judge(z);
}

void zydis_run(struct run *r)
{
	static struct zydis z;
	unsigned long i;

	z = (struct zydis){ .n = r->n };
	zydis_start(&z, r->mode);
	rnd_start(gen_seed);
	for (i = 0; i < r->cases; i++)
		zydis_case(&z, i);
	comment("%s: %lu valid for Zydis, %lu memory operands", mode_names[r->mode], r->n->ended,
		z.operands);
}

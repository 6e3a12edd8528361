// SPDX-License-Identifier: GPL-2.0
/*
 * tables.c - the opcode maps
 *
 * A slot left empty is an undefined opcode. UNHANDLED() rows give the length
 * of what is defined but not emulated.
 */
#include "emul.h"

#define ROW(fn, fl, ...)	{ .exec = exec_##fn, .flags = (fl), ##__VA_ARGS__ }
#define DS(d, s)		.dst = O_##d, .src = O_##s
#define UNHANDLED(fl)		ROW(unhandled, fl)
#define GROUP(rows, fl)		{ .group = rows, .flags = F_MODRM | (fl) }

static const struct emul_opcode group_1[8] = {
	[0] = ROW(alu, F_LOCK, .sub = ALU_ADD, DS(RM, IMM)),
	[1] = ROW(alu, F_LOCK, .sub = ALU_OR, DS(RM, IMM)),
	[2] = ROW(alu, F_LOCK, .sub = ALU_ADC, DS(RM, IMM)),
	[3] = ROW(alu, F_LOCK, .sub = ALU_SBB, DS(RM, IMM)),
	[4] = ROW(alu, F_LOCK, .sub = ALU_AND, DS(RM, IMM)),
	[5] = ROW(alu, F_LOCK, .sub = ALU_SUB, DS(RM, IMM)),
	[6] = ROW(alu, F_LOCK, .sub = ALU_XOR, DS(RM, IMM)),
	[7] = ROW(alu, 0, .sub = ALU_CMP, DS(RM, IMM)),
};

static const struct emul_opcode group_1a[8] = {
	[0] = ROW(pop, F_D64, .dst = O_RM),
};

/* F6 and F7 differ in the immediate of TEST. */
static const struct emul_opcode group_3_byte[8] = {
	[0 ... 1] = ROW(test, IMM_B, DS(RM, IMM)),
	[2] = ROW(not, F_LOCK, .dst = O_RM),
	[3] = ROW(neg, F_LOCK, .dst = O_RM),
	[4] = ROW(mul, 0, .sub = 0, .src = O_RM),
	[5] = ROW(mul, 0, .sub = 1, .src = O_RM),
	[6] = ROW(div, 0, .sub = 0, .src = O_RM),
	[7] = ROW(div, 0, .sub = 1, .src = O_RM),
};

static const struct emul_opcode group_3[8] = {
	[0 ... 1] = ROW(test, IMM_Z, DS(RM, IMM)),
	[2] = ROW(not, F_LOCK, .dst = O_RM),
	[3] = ROW(neg, F_LOCK, .dst = O_RM),
	[4] = ROW(mul, 0, .sub = 0, .src = O_RM),
	[5] = ROW(mul, 0, .sub = 1, .src = O_RM),
	[6] = ROW(div, 0, .sub = 0, .src = O_RM),
	[7] = ROW(div, 0, .sub = 1, .src = O_RM),
};

static const struct emul_opcode group_4[8] = {
	[0] = ROW(inc, F_LOCK, .dst = O_RM),
	[1] = ROW(dec, F_LOCK, .dst = O_RM),
};

static const struct emul_opcode group_5[8] = {
	[0] = ROW(inc, F_LOCK, .dst = O_RM),
	[1] = ROW(dec, F_LOCK, .dst = O_RM),
	[2] = ROW(call, F_NEAR, .src = O_RM),
	[3] = UNHANDLED(F_MEM),
	[4] = ROW(jmp, F_NEAR, .src = O_RM),
	[5] = UNHANDLED(F_MEM),
	[6] = ROW(push, F_D64, .src = O_RM),
};

/* With a register, most are other instructions. */
static const struct emul_opcode group_7[8] = {
	[0 ... 3] = UNHANDLED(0),
	[4] = ROW(smsw, 0),
	[5] = UNHANDLED(0),
	[6] = ROW(lmsw, 0),
	[7] = UNHANDLED(0),
};

static const struct emul_opcode group_8[8] = {
	[4] = ROW(bt, 0, .sub = 0, .src = O_IMM),
	[5] = ROW(bt, F_LOCK, .sub = 1, .src = O_IMM),
	[6] = ROW(bt, F_LOCK, .sub = 2, .src = O_IMM),
	[7] = ROW(bt, F_LOCK, .sub = 3, .src = O_IMM),
};

/* RDRAND, RDSEED, XSAVEC and the VMX instructions are the others. */
static const struct emul_opcode group_9[8] = {
	[1] = ROW(cmpxchg8b, F_MEM | F_LOCK),
	[3 ... 5] = UNHANDLED(F_MEM),
	[6 ... 7] = UNHANDLED(0),
};

static const struct emul_opcode group_11[8] = {
	[0] = ROW(mov, 0, DS(RM, IMM)),
	[7] = UNHANDLED(0),
};

/* Saved state with a memory operand, fences without. */
static const struct emul_opcode group_15[8] = {
	[0 ... 4] = UNHANDLED(0),
	[5 ... 7] = ROW(fence, 0),
};

static const struct emul_opcode map_one[256] = {
	[0x00 ... 0x01] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_ADD, DS(RM, REG)),
	[0x02 ... 0x03] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_ADD, DS(REG, RM)),
	[0x04] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_ADD, DS(ACC, IMM)),
	[0x05] = ROW(alu, IMM_Z, .sub = ALU_ADD, DS(ACC, IMM)),
	[0x06] = ROW(push_sreg, F_NO64, .sub = EMUL_ES),
	[0x07] = ROW(pop_sreg, F_NO64, .sub = EMUL_ES),
	[0x08 ... 0x09] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_OR, DS(RM, REG)),
	[0x0a ... 0x0b] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_OR, DS(REG, RM)),
	[0x0c] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_OR, DS(ACC, IMM)),
	[0x0d] = ROW(alu, IMM_Z, .sub = ALU_OR, DS(ACC, IMM)),
	[0x0e] = ROW(push_sreg, F_NO64, .sub = EMUL_CS),
	[0x10 ... 0x11] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_ADC, DS(RM, REG)),
	[0x12 ... 0x13] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_ADC, DS(REG, RM)),
	[0x14] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_ADC, DS(ACC, IMM)),
	[0x15] = ROW(alu, IMM_Z, .sub = ALU_ADC, DS(ACC, IMM)),
	[0x16] = ROW(push_sreg, F_NO64, .sub = EMUL_SS),
	[0x17] = ROW(pop_sreg, F_NO64, .sub = EMUL_SS),
	[0x18 ... 0x19] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_SBB, DS(RM, REG)),
	[0x1a ... 0x1b] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_SBB, DS(REG, RM)),
	[0x1c] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_SBB, DS(ACC, IMM)),
	[0x1d] = ROW(alu, IMM_Z, .sub = ALU_SBB, DS(ACC, IMM)),
	[0x1e] = ROW(push_sreg, F_NO64, .sub = EMUL_DS),
	[0x1f] = ROW(pop_sreg, F_NO64, .sub = EMUL_DS),
	[0x20 ... 0x21] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_AND, DS(RM, REG)),
	[0x22 ... 0x23] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_AND, DS(REG, RM)),
	[0x24] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_AND, DS(ACC, IMM)),
	[0x25] = ROW(alu, IMM_Z, .sub = ALU_AND, DS(ACC, IMM)),
	[0x27] = UNHANDLED(F_NO64),
	[0x28 ... 0x29] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_SUB, DS(RM, REG)),
	[0x2a ... 0x2b] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_SUB, DS(REG, RM)),
	[0x2c] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_SUB, DS(ACC, IMM)),
	[0x2d] = ROW(alu, IMM_Z, .sub = ALU_SUB, DS(ACC, IMM)),
	[0x2f] = UNHANDLED(F_NO64),
	[0x30 ... 0x31] = ROW(alu, F_MODRM | F_WBIT | F_LOCK, .sub = ALU_XOR, DS(RM, REG)),
	[0x32 ... 0x33] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_XOR, DS(REG, RM)),
	[0x34] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_XOR, DS(ACC, IMM)),
	[0x35] = ROW(alu, IMM_Z, .sub = ALU_XOR, DS(ACC, IMM)),
	[0x37] = UNHANDLED(F_NO64),
	[0x38 ... 0x39] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_CMP, DS(RM, REG)),
	[0x3a ... 0x3b] = ROW(alu, F_MODRM | F_WBIT, .sub = ALU_CMP, DS(REG, RM)),
	[0x3c] = ROW(alu, F_BYTE | IMM_B, .sub = ALU_CMP, DS(ACC, IMM)),
	[0x3d] = ROW(alu, IMM_Z, .sub = ALU_CMP, DS(ACC, IMM)),
	[0x3f] = UNHANDLED(F_NO64),
	[0x40 ... 0x47] = ROW(inc, 0, .dst = O_OPREG),
	[0x48 ... 0x4f] = ROW(dec, 0, .dst = O_OPREG),
	[0x50 ... 0x57] = ROW(push, F_D64, .src = O_OPREG),
	[0x58 ... 0x5f] = ROW(pop, F_D64, .dst = O_OPREG),
	[0x60 ... 0x61] = UNHANDLED(F_NO64),
	[0x62] = UNHANDLED(F_MODRM | F_NO64 | F_MEM),
	[0x63] = ROW(movsxd, F_MODRM),
	[0x68] = ROW(push, F_D64 | IMM_Z, .src = O_IMM),
	[0x69] = ROW(imul, F_MODRM | IMM_Z, DS(RM, IMM)),
	[0x6a] = ROW(push, F_D64 | IMM_B, .src = O_IMM),
	[0x6b] = ROW(imul, F_MODRM | IMM_B, DS(RM, IMM)),
	[0x6c ... 0x6d] = ROW(ins, F_WBIT),
	[0x6e ... 0x6f] = ROW(outs, F_WBIT),
	[0x70 ... 0x7f] = ROW(jcc, F_NEAR | IMM_B),
	[0x80] = GROUP(group_1, F_BYTE | IMM_B),
	[0x81] = GROUP(group_1, IMM_Z),
	[0x82] = GROUP(group_1, F_BYTE | IMM_B | F_NO64),
	[0x83] = GROUP(group_1, IMM_B),
	[0x84 ... 0x85] = ROW(test, F_MODRM | F_WBIT, DS(RM, REG)),
	[0x86 ... 0x87] = ROW(xchg, F_MODRM | F_WBIT | F_LOCK, DS(RM, REG)),
	[0x88 ... 0x89] = ROW(mov, F_MODRM | F_WBIT, DS(RM, REG)),
	[0x8a ... 0x8b] = ROW(mov, F_MODRM | F_WBIT, DS(REG, RM)),
	[0x8c] = ROW(mov_from_sreg, F_MODRM),
	[0x8d] = ROW(lea, F_MODRM | F_MEM),
	[0x8e] = ROW(mov_to_sreg, F_MODRM),
	[0x8f] = GROUP(group_1a, 0),
	[0x90] = ROW(nop_or_xchg, 0, DS(OPREG, ACC)),
	[0x91 ... 0x97] = ROW(xchg, 0, DS(OPREG, ACC)),
	[0x98] = ROW(cbw, 0),
	[0x99] = ROW(cwd, 0),
	[0x9a] = UNHANDLED(F_NO64 | IMM_FAR),
	[0x9b] = UNHANDLED(0),
	[0x9c] = ROW(pushf, F_D64),
	[0x9d] = ROW(popf, F_D64),
	[0x9e] = ROW(sahf, 0),
	[0x9f] = ROW(lahf, 0),
	[0xa0 ... 0xa1] = ROW(mov, F_WBIT | IMM_MOFFS, DS(ACC, MOFFS)),
	[0xa2 ... 0xa3] = ROW(mov, F_WBIT | IMM_MOFFS, DS(MOFFS, ACC)),
	[0xa4 ... 0xa5] = ROW(movs, F_WBIT),
	[0xa6 ... 0xa7] = ROW(cmps, F_WBIT),
	[0xa8] = ROW(test, F_BYTE | IMM_B, DS(ACC, IMM)),
	[0xa9] = ROW(test, IMM_Z, DS(ACC, IMM)),
	[0xaa ... 0xab] = ROW(stos, F_WBIT),
	[0xac ... 0xad] = ROW(lods, F_WBIT),
	[0xae ... 0xaf] = ROW(scas, F_WBIT),
	[0xb0 ... 0xb7] = ROW(mov, F_BYTE | IMM_B, DS(OPREG, IMM)),
	[0xb8 ... 0xbf] = ROW(mov, IMM_V, DS(OPREG, IMM)),
	[0xc0 ... 0xc1] = ROW(shift, F_MODRM | F_WBIT | IMM_UB, DS(RM, IMM)),
	[0xc2] = ROW(ret, F_NEAR | IMM_W),
	[0xc3] = ROW(ret, F_NEAR),
	[0xc4 ... 0xc5] = UNHANDLED(F_MODRM | F_NO64 | F_MEM),
	[0xc6] = GROUP(group_11, F_BYTE | IMM_B),
	[0xc7] = GROUP(group_11, IMM_Z),
	[0xc8] = UNHANDLED(F_D64 | IMM_ENTER),
	[0xc9] = ROW(leave, F_D64),
	[0xca] = UNHANDLED(IMM_W),
	[0xcb ... 0xcc] = UNHANDLED(0),
	[0xcd] = UNHANDLED(IMM_UB),
	[0xce] = UNHANDLED(F_NO64),
	[0xcf] = UNHANDLED(0),
	[0xd0 ... 0xd1] = ROW(shift, F_MODRM | F_WBIT, DS(RM, ONE)),
	[0xd2 ... 0xd3] = ROW(shift, F_MODRM | F_WBIT, DS(RM, CL)),
	[0xd4 ... 0xd5] = UNHANDLED(F_NO64 | IMM_UB),
	[0xd6] = UNHANDLED(F_NO64),
	[0xd7] = ROW(xlat, F_BYTE),
	[0xd8 ... 0xdf] = UNHANDLED(F_MODRM),
	[0xe0 ... 0xe2] = ROW(loop, F_NEAR | IMM_B),
	[0xe3] = ROW(jcxz, F_NEAR | IMM_B),
	[0xe4 ... 0xe5] = ROW(in, F_WBIT | IMM_UB, .src = O_IMM),
	[0xe6 ... 0xe7] = ROW(out, F_WBIT | IMM_UB, .src = O_IMM),
	[0xe8] = ROW(call, F_NEAR | IMM_Z, .src = O_IMM),
	[0xe9] = ROW(jmp, F_NEAR | IMM_Z, .src = O_IMM),
	[0xea] = UNHANDLED(F_NO64 | IMM_FAR),
	[0xeb] = ROW(jmp, F_NEAR | IMM_B, .src = O_IMM),
	[0xec ... 0xed] = ROW(in, F_WBIT),
	[0xee ... 0xef] = ROW(out, F_WBIT),
	[0xf1] = UNHANDLED(0),
	[0xf4] = UNHANDLED(0),
	[0xf5] = ROW(flag, 0),
	[0xf6] = GROUP(group_3_byte, F_BYTE),
	[0xf7] = GROUP(group_3, 0),
	[0xf8 ... 0xf9] = ROW(flag, 0),
	[0xfa ... 0xfb] = UNHANDLED(0),
	[0xfc ... 0xfd] = ROW(flag, 0),
	[0xfe] = GROUP(group_4, F_BYTE),
	[0xff] = GROUP(group_5, 0),
};

#define VEC	(F_MODRM | F_VEX)

static const struct emul_opcode map_0f[256] = {
	[0x00] = UNHANDLED(F_MODRM),
	[0x01] = GROUP(group_7, 0),
	[0x02 ... 0x03] = UNHANDLED(F_MODRM),
	[0x05 ... 0x09] = UNHANDLED(0),
	[0x0b] = ROW(ud, 0),
	[0x0d] = ROW(prefetch, F_MODRM),
	[0x0e] = UNHANDLED(0),
	[0x0f] = UNHANDLED(F_MODRM | IMM_UB),
	[0x10 ... 0x13] = ROW(vec_move, VEC),
	[0x14 ... 0x15] = UNHANDLED(F_MODRM),
	[0x16 ... 0x17] = ROW(vec_move, VEC),
	[0x18 ... 0x1f] = ROW(nop, F_MODRM),
	[0x20 ... 0x23] = UNHANDLED(F_MODRM | F_REGMOD),
	[0x28 ... 0x29] = ROW(vec_move, VEC),
	[0x2a] = UNHANDLED(F_MODRM),
	[0x2b] = ROW(vec_move, VEC),
	[0x2c ... 0x2f] = UNHANDLED(F_MODRM),
	[0x30 ... 0x35] = UNHANDLED(0),
	[0x37] = UNHANDLED(0),
	[0x40 ... 0x4f] = ROW(cmov, F_MODRM),
	[0x50 ... 0x6d] = UNHANDLED(F_MODRM),
	[0x6e ... 0x6f] = ROW(vec_move, VEC),
	[0x70 ... 0x73] = UNHANDLED(F_MODRM | IMM_UB),
	[0x74 ... 0x76] = UNHANDLED(F_MODRM),
	[0x77] = UNHANDLED(0),
	[0x78 ... 0x79] = UNHANDLED(F_MODRM),
	[0x7c ... 0x7d] = UNHANDLED(F_MODRM),
	[0x7e ... 0x7f] = ROW(vec_move, VEC),
	[0x80 ... 0x8f] = ROW(jcc, F_NEAR | IMM_Z),
	[0x90 ... 0x9f] = ROW(setcc, F_MODRM | F_BYTE),
	[0xa0] = ROW(push_sreg, F_D64, .sub = EMUL_FS),
	[0xa1] = ROW(pop_sreg, F_D64, .sub = EMUL_FS),
	[0xa2] = UNHANDLED(0),
	[0xa3] = ROW(bt, F_MODRM, .sub = 0, .src = O_REG),
	[0xa4] = ROW(shiftd, F_MODRM | IMM_UB, .sub = 0, .src = O_IMM),
	[0xa5] = ROW(shiftd, F_MODRM, .sub = 0, .src = O_CL),
	[0xa6 ... 0xa7] = UNHANDLED(F_MODRM),	/* PadLock */
	[0xa8] = ROW(push_sreg, F_D64, .sub = EMUL_GS),
	[0xa9] = ROW(pop_sreg, F_D64, .sub = EMUL_GS),
	[0xaa] = UNHANDLED(0),
	[0xab] = ROW(bt, F_MODRM | F_LOCK, .sub = 1, .src = O_REG),
	[0xac] = ROW(shiftd, F_MODRM | IMM_UB, .sub = 1, .src = O_IMM),
	[0xad] = ROW(shiftd, F_MODRM, .sub = 1, .src = O_CL),
	[0xae] = GROUP(group_15, 0),
	[0xaf] = ROW(imul, F_MODRM, DS(REG, RM)),
	[0xb0 ... 0xb1] = ROW(cmpxchg, F_MODRM | F_WBIT | F_LOCK),
	[0xb2] = UNHANDLED(F_MODRM | F_MEM),
	[0xb3] = ROW(bt, F_MODRM | F_LOCK, .sub = 2, .src = O_REG),
	[0xb4 ... 0xb5] = UNHANDLED(F_MODRM | F_MEM),
	[0xb6] = ROW(movx, F_MODRM, .sub = 1),
	[0xb7] = ROW(movx, F_MODRM, .sub = 2),
	[0xb8] = UNHANDLED(F_MODRM),
	[0xb9] = ROW(ud, F_MODRM),
	[0xba] = GROUP(group_8, IMM_UB),
	[0xbb] = ROW(bt, F_MODRM | F_LOCK, .sub = 3, .src = O_REG),
	[0xbc ... 0xbd] = UNHANDLED(F_MODRM),
	[0xbe] = ROW(movx, F_MODRM, .sub = 1),
	[0xbf] = ROW(movx, F_MODRM, .sub = 2),
	[0xc0 ... 0xc1] = ROW(xadd, F_MODRM | F_WBIT | F_LOCK),
	[0xc2] = UNHANDLED(F_MODRM | IMM_UB),
	[0xc3] = ROW(movnti, F_MODRM | F_MEM | F_NOPFX),
	[0xc4 ... 0xc6] = UNHANDLED(F_MODRM | IMM_UB),
	[0xc7] = GROUP(group_9, 0),
	[0xc8 ... 0xcf] = ROW(bswap, 0),
	[0xd0 ... 0xd5] = UNHANDLED(F_MODRM),
	[0xd6] = ROW(vec_move, VEC),
	[0xd7 ... 0xe6] = UNHANDLED(F_MODRM),
	[0xe7] = ROW(vec_move, VEC),
	[0xe8 ... 0xef] = UNHANDLED(F_MODRM),
	[0xf0] = ROW(vec_move, VEC),
	[0xf1 ... 0xfe] = UNHANDLED(F_MODRM),
	[0xff] = ROW(ud, F_MODRM),
};

/* What the three-byte maps have by rule, and the few of theirs that are emulated. */
static const struct emul_opcode row_undefined;
static const struct emul_opcode row_plain = UNHANDLED(0);
static const struct emul_opcode row_modrm = UNHANDLED(F_MODRM);
static const struct emul_opcode row_modrm_imm8 = UNHANDLED(F_MODRM | IMM_UB);
static const struct emul_opcode row_modrm_imm32 = UNHANDLED(F_MODRM | IMM_D);
static const struct emul_opcode row_movntdqa = ROW(vec_move, VEC);
static const struct emul_opcode row_movbe_load = ROW(movbe, F_MODRM | F_MEM, DS(REG, RM));
static const struct emul_opcode row_movbe_store = ROW(movbe, F_MODRM | F_MEM, DS(RM, REG));

static const struct emul_opcode *table_0f38(const struct emul_insn *i)
{
	if (i->opcode == 0x2a && i->vex != VEX_EVEX)
		return &row_movntdqa;
	if ((i->opcode & 0xfe) == 0xf0 && !i->vex && !i->rep)
		return i->opcode & 1 ? &row_movbe_store : &row_movbe_load;
	return &row_modrm;
}

static const struct emul_opcode *table_vex_0f(const struct emul_insn *i)
{
	const struct emul_opcode *op = &map_0f[i->opcode];

	if (i->vex == VEX_VEX && op->flags & F_VEX)
		return op;
	switch (i->opcode) {
	case 0x77:
		return i->vex == VEX_EVEX ? &row_modrm : &row_plain;
	case 0x70 ... 0x73:
	case 0xc2:
	case 0xc4 ... 0xc6:
		return &row_modrm_imm8;
	default:
		return &row_modrm;
	}
}

static const struct emul_opcode *table_xop(const struct emul_insn *i)
{
	switch (i->map) {
	case MAP_XOP8:
		return &row_modrm_imm8;
	case MAP_XOP9:
		return &row_modrm;
	case MAP_XOPA:
		return &row_modrm_imm32;
	default:
		return &row_undefined;
	}
}

const struct emul_opcode *emul_opcode_row(const struct emul_insn *i)
{
	if (i->vex == VEX_XOP)
		return table_xop(i);
	switch (i->map) {
	case MAP_ONE:
		return i->vex ? &row_undefined : &map_one[i->opcode];
	case MAP_0F:
		return i->vex ? table_vex_0f(i) : &map_0f[i->opcode];
	case MAP_0F38:
		return table_0f38(i);
	case MAP_0F3A:
		return &row_modrm_imm8;
	case 5:		/* half precision */
	case 6:
		return i->vex == VEX_EVEX ? &row_modrm : &row_undefined;
	default:
		return &row_undefined;
	}
}

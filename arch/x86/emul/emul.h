/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emul.h - what the emulator's own files share
 *
 * decode.c turns bytes into struct emul_insn with the help of tables.c; the
 * row found there names the function that executes it (exec.c, flow.c,
 * string.c, vec.c). Those compute with alu.c and reach registers, memory, the
 * stack and ports through access.c only.
 */
#ifndef KEEL_EMUL_PRIVATE_H
#define KEEL_EMUL_PRIVATE_H

#include <keel/core.h>
#include <keel/emul.h>

struct emul;

enum emul_vector {
	EMUL_DE = 0,
	EMUL_UD = 6,
	EMUL_NM = 7,
	EMUL_SS_FAULT = 12,
	EMUL_GP = 13,
	EMUL_AC = 17,
};

enum emul_reg {
	EMUL_RAX, EMUL_RCX, EMUL_RDX, EMUL_RBX, EMUL_RSP, EMUL_RBP, EMUL_RSI, EMUL_RDI,
	EMUL_NO_REG = 16,	/* no base, no index */
	EMUL_RIP_REG = 17,	/* base is the next instruction's address */
};

/* Where a row of the tables has its operands. */
enum emul_operand {
	O_NONE,
	O_RM,		/* register or memory, by ModRM */
	O_REG,		/* ModRM.reg */
	O_ACC,		/* rAX */
	O_OPREG,	/* the opcode's low three bits */
	O_IMM,		/* the immediate, extended */
	O_ONE,
	O_CL,
	O_MOFFS,	/* memory at an absolute offset */
};

/* The immediate that follows; names as in the manuals' opcode maps. */
enum emul_imm {
	IMM_NONE,
	IMM_B,		/* a byte, sign extended */
	IMM_UB,		/* a byte, zero extended */
	IMM_W,		/* a word */
	IMM_Z,		/* word or doubleword by operand size, sign extended */
	IMM_V,		/* word, doubleword or quadword by operand size */
	IMM_D,		/* a doubleword */
	IMM_MOFFS,	/* an offset of address size */
	IMM_FAR,		/* offset by operand size, and a selector */
	IMM_ENTER,	/* a word and a byte */
	IMM_BB,		/* two bytes */
};

#define F_IMM		GENMASK(3, 0)	/* enum emul_imm */
#define F_MODRM		BIT(4)
#define F_BYTE		BIT(5)	/* operand size is 1 */
#define F_WBIT		BIT(6)	/* operand size is 1 if the opcode is even */
#define F_D64		BIT(7)	/* long mode: operand size is 8 without REX.W */
#define F_NEAR		BIT(8)	/* near branch: long mode has 8, but see amd_branch16 */
#define F_NO64		BIT(9)	/* undefined in long mode */
#define F_LOCK		BIT(10)	/* LOCK is legal if the destination is memory */
#define F_REGMOD	BIT(11)	/* ModRM.mod counts as 3 */
#define F_MEM		BIT(12)	/* undefined with a register operand */
#define F_NOPFX		BIT(13)	/* undefined with 66, F2 or F3 */
#define F_VEX		BIT(14)	/* the function knows the VEX form */

struct emul_opcode {
	enum emul_result (*exec)(struct emul *e);	/* NULL (and no group): undefined */
	const struct emul_opcode *group;		/* eight more rows, by ModRM.reg */
	u16 flags;					/* a group's row adds its own */
	u8 dst, src;					/* enum emul_operand */
	u8 sub;						/* which of the function's kind */
};

enum emul_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_XOP8 = 8, MAP_XOP9, MAP_XOPA };

enum emul_vex { VEX_NO, VEX_VEX, VEX_XOP, VEX_EVEX };

struct emul_insn {
	struct emul_ctxt *c;	/* to fetch through; NULL: bytes[] is all there is */
	enum emul_mode mode;
	bool amd_branch16;

	u8 bytes[15];
	u8 have, pos;		/* fetched; decoded */

	bool opsize_prefix, adsize_prefix, lock;
	u8 rep;			/* 0, 0xF2 or 0xF3: the last one */
	bool rex;		/* there is one: no AH, CH, DH, BH */
	bool rex_w;
	u8 rex_r, rex_x, rex_b;	/* 0 or 8 */
	u8 vex;			/* enum emul_vex */
	u8 vex_reg;		/* VEX.vvvv, true sense, all four bits; 0 also if unused */
	bool vex_l;
	bool bad_prefix;	/* VEX after 66, F2, F3, LOCK or REX */

	u8 map, opcode, pp;	/* pp: 0 none, 1: 66, 2: F3, 3: F2 */
	u8 modrm, mod, reg, rm;	/* reg and rm extended */
	bool has_modrm;
	u8 opsize, adsize;
	u8 seg;			/* of the ModRM, moffs or string source operand */
	u8 seg_prefix;		/* EMUL_NR_SEGS: none */
	u8 base, index, scale;
	s64 disp;
	u64 imm, imm2;

	const struct emul_opcode *op;
	u16 flags;		/* of the row and its group's row */
};

/* A memory operand. */
struct emul_ref {
	u64 off;
	u8 seg;
	u8 size;
	bool aligned;		/* #GP(0) unless naturally aligned */
	bool locked;		/* read for a locked read-modify-write */
};

/* One instruction under way; committed to the context by emul_step(). */
struct emul {
	struct emul_ctxt *c;
	struct emul_insn i;
	u64 gpr[16];
	u64 rip;		/* next */
	u64 rflags;
	bool again;		/* REP goes on: rip stays */
	s64 ea_extra;		/* what a register bit offset adds to the address */
	u64 cr0;
	u8 sreg;		/* segment register to load, EMUL_NR_SEGS: none */
	u16 sel;
	struct emul_ref rmw;	/* the operand emul_get_rmw() read, */
	u64 rmw_old;		/* and what was there */
};

#define FLAGS_ARITH (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
		     X86_EFLAGS_SF | X86_EFLAGS_OF)

static inline u64 emul_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : BIT_ULL(size * 8) - 1;
}

static inline u64 emul_sign_bit(unsigned int size)
{
	return BIT_ULL(size * 8 - 1);
}

static inline u64 emul_sext(u64 val, unsigned int size)
{
	return sign_extend64(val, size * 8 - 1);
}

/* tables.c */
/* The row, or one that is undefined; never NULL. */
const struct emul_opcode *emul_opcode_row(const struct emul_insn *i);

/* decode.c: everything from c->rip to the end of the instruction. */
enum emul_result emul_decode(struct emul_insn *i, struct emul_ctxt *c);

/* access.c */
enum emul_result emul_fault(struct emul_ctxt *c, enum emul_vector vector);
bool emul_canonical(const struct emul_ctxt *c, u64 addr);
u64 emul_reg(const struct emul *e, unsigned int nr, unsigned int size);
void emul_set_reg(struct emul *e, unsigned int nr, unsigned int size, u64 val);
u64 emul_ea(const struct emul *e);
struct emul_ref emul_rm_ref(const struct emul *e, unsigned int size);
enum emul_result emul_mem_check(struct emul *e, const struct emul_ref *m);
enum emul_result emul_mem_read(struct emul *e, const struct emul_ref *m, void *buf);
enum emul_result emul_mem_write(struct emul *e, const struct emul_ref *m, const void *buf);
enum emul_result emul_mem_probe(struct emul *e, const struct emul_ref *m);
/* The write that ends a read-modify-write: compare-and-exchange if m->locked. */
enum emul_result emul_mem_update(struct emul *e, const struct emul_ref *m, const void *old,
				 const void *new);
/* Operands of i.opsize bytes. */
enum emul_result emul_get(struct emul *e, enum emul_operand o, u64 *val);
/* As emul_get(), of another size. */
enum emul_result emul_get_as(struct emul *e, enum emul_operand o, unsigned int size, u64 *val);
enum emul_result emul_put(struct emul *e, enum emul_operand o, u64 val);
/* As emul_get(); memory is probed for writing first, and read LOCKed if i.lock. */
enum emul_result emul_get_rmw(struct emul *e, enum emul_operand o, u64 *val);
/* As emul_put(), for what emul_get_rmw() read. */
enum emul_result emul_put_rmw(struct emul *e, enum emul_operand o, u64 val);
enum emul_result emul_push(struct emul *e, u64 val, unsigned int size);
enum emul_result emul_pop(struct emul *e, u64 *val, unsigned int size);
void emul_rsp_add(struct emul *e, s64 n);
enum emul_result emul_port_check(struct emul *e, u16 port, unsigned int size);
enum emul_result emul_load_sreg(struct emul *e, enum emul_seg seg, u16 sel);

/* alu.c: values masked to size in and out; flags go through *fl. */
enum emul_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum emul_shift { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAL, SH_SAR };

struct emul_wide { u64 lo, hi; };	/* a product; a dividend; quotient and remainder */

u64 alu_op(enum emul_alu op, unsigned int size, u64 dst, u64 src, u64 *fl);
u64 alu_inc(unsigned int size, u64 val, u64 *fl);
u64 alu_dec(unsigned int size, u64 val, u64 *fl);
u64 alu_shift(enum emul_shift op, unsigned int size, u64 val, unsigned int count, u64 *fl);
u64 alu_shiftd(bool right, unsigned int size, struct emul_wide v, unsigned int count, u64 *fl);
struct emul_wide alu_mul(unsigned int size, u64 a, u64 b, u64 *fl);
struct emul_wide alu_imul(unsigned int size, u64 a, u64 b, u64 *fl);
/* *v: dividend in, quotient (lo) and remainder (hi) out; false: #DE. */
bool alu_div(unsigned int size, struct emul_wide *v, u64 divisor);
bool alu_idiv(unsigned int size, struct emul_wide *v, u64 divisor);
bool alu_cond(unsigned int cc, u64 fl);

/* exec.c; rows, as all that follow */
enum emul_result exec_unhandled(struct emul *e);
enum emul_result exec_alu(struct emul *e);
enum emul_result exec_test(struct emul *e);
enum emul_result exec_inc(struct emul *e);
enum emul_result exec_dec(struct emul *e);
enum emul_result exec_not(struct emul *e);
enum emul_result exec_neg(struct emul *e);
enum emul_result exec_mul(struct emul *e);
enum emul_result exec_div(struct emul *e);
enum emul_result exec_imul(struct emul *e);
enum emul_result exec_shift(struct emul *e);
enum emul_result exec_shiftd(struct emul *e);
enum emul_result exec_bt(struct emul *e);
enum emul_result exec_xchg(struct emul *e);
enum emul_result exec_xadd(struct emul *e);
enum emul_result exec_cmpxchg(struct emul *e);
enum emul_result exec_cmpxchg8b(struct emul *e);
enum emul_result exec_setcc(struct emul *e);
enum emul_result exec_cmov(struct emul *e);
enum emul_result exec_flag(struct emul *e);

/* move.c */
enum emul_result exec_mov(struct emul *e);
enum emul_result exec_movx(struct emul *e);
enum emul_result exec_movsxd(struct emul *e);
enum emul_result exec_movbe(struct emul *e);
enum emul_result exec_movnti(struct emul *e);
enum emul_result exec_bswap(struct emul *e);
enum emul_result exec_lea(struct emul *e);
enum emul_result exec_xlat(struct emul *e);
enum emul_result exec_cbw(struct emul *e);
enum emul_result exec_cwd(struct emul *e);
enum emul_result exec_nop(struct emul *e);
enum emul_result exec_prefetch(struct emul *e);
enum emul_result exec_nop_or_xchg(struct emul *e);
enum emul_result exec_fence(struct emul *e);
enum emul_result exec_mov_from_sreg(struct emul *e);
enum emul_result exec_mov_to_sreg(struct emul *e);
enum emul_result exec_push(struct emul *e);
enum emul_result exec_pop(struct emul *e);
enum emul_result exec_push_sreg(struct emul *e);
enum emul_result exec_pop_sreg(struct emul *e);
enum emul_result exec_pushf(struct emul *e);
enum emul_result exec_popf(struct emul *e);
enum emul_result exec_leave(struct emul *e);
enum emul_result exec_lahf(struct emul *e);
enum emul_result exec_sahf(struct emul *e);
enum emul_result exec_smsw(struct emul *e);
enum emul_result exec_lmsw(struct emul *e);

/* flow.c */
enum emul_result exec_ud(struct emul *e);
enum emul_result exec_jcc(struct emul *e);
enum emul_result exec_jmp(struct emul *e);
enum emul_result exec_call(struct emul *e);
enum emul_result exec_ret(struct emul *e);
enum emul_result exec_loop(struct emul *e);
enum emul_result exec_jcxz(struct emul *e);

/* string.c; the ports too */
enum emul_result exec_movs(struct emul *e);
enum emul_result exec_cmps(struct emul *e);
enum emul_result exec_stos(struct emul *e);
enum emul_result exec_lods(struct emul *e);
enum emul_result exec_scas(struct emul *e);
enum emul_result exec_ins(struct emul *e);
enum emul_result exec_outs(struct emul *e);
enum emul_result exec_in(struct emul *e);
enum emul_result exec_out(struct emul *e);

/* vec.c */
enum emul_result exec_vec_move(struct emul *e);

#endif

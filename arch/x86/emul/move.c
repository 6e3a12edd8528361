// SPDX-License-Identifier: GPL-2.0
/*
 * move.c - data moves, the stack, and instructions that do nothing
 */
#include "emul.h"

enum emul_result exec_mov(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get(e, e->i.op->src, &val);
	return r == EMUL_DONE ? emul_put(e, e->i.op->dst, val) : r;
}

/* MOVZX and MOVSX; sub is the source's size. */
enum emul_result exec_movx(struct emul *e)
{
	unsigned int size = e->i.op->sub;
	enum emul_result r;
	u64 val;

	r = emul_get_as(e, O_RM, size, &val);
	if (r != EMUL_DONE)
		return r;
	if (e->i.opcode & 8)
		val = emul_sext(val, size);
	return emul_put(e, O_REG, val);
}

/* Outside long mode the opcode is ARPL. */
enum emul_result exec_movsxd(struct emul *e)
{
	unsigned int size = min_t(unsigned int, e->i.opsize, 4);
	enum emul_result r;
	u64 val;

	if (e->i.mode == EMUL_REAL || e->i.mode == EMUL_VM86)
		return emul_fault(e->c, EMUL_UD);
	if (e->i.mode != EMUL_LONG)
		return EMUL_UNHANDLED;
	r = emul_get_as(e, O_RM, size, &val);
	return r == EMUL_DONE ? emul_put(e, O_REG, emul_sext(val, size)) : r;
}

static u64 move_swap(u64 val, unsigned int size)
{
	u64 out = 0;

	while (size--) {
		out = out << 8 | (val & 0xff);
		val >>= 8;
	}
	return out;
}

enum emul_result exec_movbe(struct emul *e)
{
	enum emul_result r;
	u64 val;

	if (!e->c->has_movbe)
		return emul_fault(e->c, EMUL_UD);
	r = emul_get(e, e->i.op->src, &val);
	if (r != EMUL_DONE)
		return r;
	return emul_put(e, e->i.op->dst, move_swap(val, e->i.opsize));
}

/* A doubleword, or with REX.W a quadword: no operand size makes it a word. */
enum emul_result exec_movnti(struct emul *e)
{
	e->i.opsize = e->i.rex_w ? 8 : 4;
	return emul_put(e, O_RM, emul_reg(e, e->i.reg, e->i.opsize));
}

/* Of a word it is undefined; CPUs clear it. */
enum emul_result exec_bswap(struct emul *e)
{
	unsigned int size = e->i.opsize;
	u64 val;

	emul_get(e, O_OPREG, &val);
	return emul_put(e, O_OPREG, size == 2 ? 0 : move_swap(val, size));
}

enum emul_result exec_lea(struct emul *e)
{
	return emul_put(e, O_REG, emul_ea(e));
}

enum emul_result exec_xlat(struct emul *e)
{
	struct emul_ref m = {
		.off = (e->gpr[EMUL_RBX] + emul_reg(e, EMUL_RAX, 1)) & emul_mask(e->i.adsize),
		.seg = e->i.seg,
		.size = 1,
	};
	enum emul_result r;
	u64 val = 0;

	r = emul_mem_read(e, &m, &val);
	if (r == EMUL_DONE)
		emul_set_reg(e, EMUL_RAX, 1, val);
	return r;
}

/* CBW, CWDE, CDQE */
enum emul_result exec_cbw(struct emul *e)
{
	unsigned int size = e->i.opsize;

	emul_set_reg(e, EMUL_RAX, size, emul_sext(emul_reg(e, EMUL_RAX, size / 2), size / 2));
	return EMUL_DONE;
}

/* CWD, CDQ, CQO */
enum emul_result exec_cwd(struct emul *e)
{
	unsigned int size = e->i.opsize;
	bool neg = emul_reg(e, EMUL_RAX, size) & emul_sign_bit(size);

	emul_set_reg(e, EMUL_RDX, size, neg ? ~0ULL : 0);
	return EMUL_DONE;
}

/* Prefetches and hints do not touch memory. */
enum emul_result exec_nop(struct emul *e)
{
	return EMUL_DONE;
}

/* PREFETCH and PREFETCHW: what the register form does differs between vendors. */
enum emul_result exec_prefetch(struct emul *e)
{
	return e->i.mod == 3 ? EMUL_UNHANDLED : EMUL_DONE;
}

/* 90 is NOP, with F3 PAUSE, and exchanges only if REX.B names R8. */
enum emul_result exec_nop_or_xchg(struct emul *e)
{
	return e->i.rex_b ? exec_xchg(e) : EMUL_DONE;
}

/*
 * Group 15, 5 to 7: LFENCE, MFENCE and SFENCE by register form; by memory form
 * CLFLUSH, CLFLUSHOPT and CLWB, whose segment is checked but whose line is not
 * touched: there is nothing to flush in MMIO.
 */
enum emul_result exec_fence(struct emul *e)
{
	unsigned int nr = e->i.reg & 7, pp = e->i.pp;
	struct emul_ref m;

	if (e->i.mod == 3)
		return pp ? EMUL_UNHANDLED : EMUL_DONE;
	if ((nr == 7 && pp <= 1) || (nr == 6 && pp == 1)) {
		m = emul_rm_ref(e, 1);
		return emul_mem_check(e, &m);
	}
	return EMUL_UNHANDLED;
}

/* Memory gets a word; a register is filled by operand size. */
enum emul_result exec_mov_from_sreg(struct emul *e)
{
	unsigned int seg = e->i.modrm >> 3 & 7;

	if (seg >= EMUL_NR_SEGS)
		return emul_fault(e->c, EMUL_UD);
	if (e->i.mod != 3)
		e->i.opsize = 2;
	return emul_put(e, O_RM, e->c->seg[array_index_nospec(seg, EMUL_NR_SEGS)].sel);
}

/*
 * The CPU has asked for UMIP before it exits; but another thread may have written this
 * instruction since, over the one that did.
 */
enum emul_result exec_smsw(struct emul *e)
{
	if ((e->c->cr4 & X86_CR4_UMIP) && e->c->cpl)
		return emul_fault(e->c, EMUL_GP);
	if (e->i.mod != 3)
		e->i.opsize = 2;
	return emul_put(e, O_RM, e->c->cr0);
}

/* PE can be set, but not cleared. */
enum emul_result exec_lmsw(struct emul *e)
{
	const u64 moved = X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;
	enum emul_result r;
	u64 val;

	if (e->c->cpl)
		return emul_fault(e->c, EMUL_GP);
	r = emul_get_as(e, O_RM, 2, &val);
	if (r == EMUL_DONE)
		e->cr0 = (e->cr0 & ~moved) | (val & (moved | X86_CR0_PE));
	return r;
}

enum emul_result exec_mov_to_sreg(struct emul *e)
{
	unsigned int seg = e->i.modrm >> 3 & 7;
	enum emul_result r;
	u64 sel;

	if (seg >= EMUL_NR_SEGS || seg == EMUL_CS)
		return emul_fault(e->c, EMUL_UD);
	r = emul_load_sreg(e, seg, 0);
	if (r == EMUL_DONE)
		r = emul_get_as(e, O_RM, 2, &sel);
	return r == EMUL_DONE ? emul_load_sreg(e, seg, sel) : r;
}

enum emul_result exec_push(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get(e, e->i.op->src, &val);
	return r == EMUL_DONE ? emul_push(e, val, e->i.opsize) : r;
}

/* A memory operand addressed by rSP sees it after the pop. */
enum emul_result exec_pop(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_pop(e, &val, e->i.opsize);
	return r == EMUL_DONE ? emul_put(e, e->i.op->dst, val) : r;
}

enum emul_result exec_push_sreg(struct emul *e)
{
	return emul_push(e, e->c->seg[e->i.op->sub].sel, e->i.opsize);
}

enum emul_result exec_pop_sreg(struct emul *e)
{
	enum emul_result r;
	u64 sel;

	r = emul_load_sreg(e, e->i.op->sub, 0);
	if (r == EMUL_DONE)
		r = emul_pop(e, &sel, e->i.opsize);
	return r == EMUL_DONE ? emul_load_sreg(e, e->i.op->sub, sel) : r;
}

static unsigned int move_iopl(const struct emul *e)
{
	return (e->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;
}

/* Virtual-8086 mode below IOPL 3: a fault, or the virtual IF, which is not emulated. */
static enum emul_result move_flags_check(struct emul *e)
{
	if (e->i.mode != EMUL_VM86 || move_iopl(e) == 3)
		return EMUL_DONE;
	if (e->c->cr4 & X86_CR4_VME && e->i.opsize == 2)
		return EMUL_UNHANDLED;
	return emul_fault(e->c, EMUL_GP);
}

enum emul_result exec_pushf(struct emul *e)
{
	enum emul_result r = move_flags_check(e);
	u64 val = (e->rflags & ~(u64)(X86_EFLAGS_RF | X86_EFLAGS_VM)) | X86_EFLAGS_FIXED;

	return r == EMUL_DONE ? emul_push(e, val, e->i.opsize) : r;
}

/* The flags that POPF may change where it runs. */
static u64 move_popf_mask(const struct emul *e)
{
	u64 mask = FLAGS_ARITH | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT |
		   X86_EFLAGS_AC | X86_EFLAGS_ID;
	unsigned int cpl = e->i.mode == EMUL_REAL ? 0 : e->c->cpl;

	if (cpl <= move_iopl(e))
		mask |= X86_EFLAGS_IF;
	if (cpl == 0)
		mask |= X86_EFLAGS_IOPL;
	return mask & emul_mask(e->i.opsize);
}

enum emul_result exec_popf(struct emul *e)
{
	enum emul_result r = move_flags_check(e);
	u64 val, mask = move_popf_mask(e);

	if (r == EMUL_DONE)
		r = emul_pop(e, &val, e->i.opsize);
	if (r == EMUL_DONE)
		e->rflags = (e->rflags & ~mask) | (val & mask);
	return r;
}

enum emul_result exec_leave(struct emul *e)
{
	enum emul_result r;
	u64 val;

	emul_rsp_add(e, e->gpr[EMUL_RBP] - e->gpr[EMUL_RSP]);
	r = emul_pop(e, &val, e->i.opsize);
	if (r == EMUL_DONE)
		emul_set_reg(e, EMUL_RBP, e->i.opsize, val);
	return r;
}

#define FLAGS_AH	(X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_AF | \
			 X86_EFLAGS_PF | X86_EFLAGS_CF)

enum emul_result exec_lahf(struct emul *e)
{
	u64 ah = (e->rflags & FLAGS_AH) | X86_EFLAGS_FIXED;

	emul_set_reg(e, EMUL_RAX, 2, emul_reg(e, EMUL_RAX, 1) | ah << 8);
	return EMUL_DONE;
}

enum emul_result exec_sahf(struct emul *e)
{
	u64 ah = emul_reg(e, EMUL_RAX, 2) >> 8;

	e->rflags = (e->rflags & ~(u64)FLAGS_AH) | (ah & FLAGS_AH);
	return EMUL_DONE;
}

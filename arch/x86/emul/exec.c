// SPDX-License-Identifier: GPL-2.0
/*
 * exec.c - one step, and the arithmetic instructions
 *
 * An instruction works on struct emul's copy of the registers; emul_step()
 * writes the copy back when nothing can fail any more.
 */
#include "emul.h"

static void exec_start(struct emul *e, struct emul_ctxt *c)
{
	e->c = c;
	memcpy(e->gpr, c->gpr, sizeof(e->gpr));
	e->rflags = c->rflags;
	e->again = false;
	e->ea_extra = 0;
	e->cr0 = c->cr0;
	e->sreg = EMUL_NR_SEGS;
	e->rip = c->rip + e->i.pos;
	if (e->i.mode != EMUL_LONG)
		e->rip &= U32_MAX;
}

/* What the bytes alone make undefined. */
static bool exec_legal(const struct emul *e)
{
	const struct emul_insn *i = &e->i;
	bool mem = i->has_modrm && i->mod != 3;

	if (!i->op->exec || i->bad_prefix)
		return false;
	if (i->lock && !(mem && i->flags & F_LOCK))
		return false;
	if (i->flags & F_MEM && !mem)
		return false;
	return !(i->flags & F_NOPFX && i->pp);
}

static void exec_commit_sreg(struct emul *e)
{
	struct emul_segment *s;

	if (e->sreg >= EMUL_NR_SEGS)
		return;
	s = &e->c->seg[e->sreg];
	s->sel = e->sel;
	s->base = (u64)e->sel << 4;
	e->c->sets_shadow = e->sreg == EMUL_SS;
}

static void exec_commit(struct emul *e)
{
	struct emul_ctxt *c = e->c;

	memcpy(c->gpr, e->gpr, sizeof(c->gpr));
	c->rflags = e->rflags;
	if (!e->again) {
		c->rip = e->rip;
		c->rflags &= ~X86_EFLAGS_RF;
	}
	c->cr0 = e->cr0;
	exec_commit_sreg(e);
}

enum emul_result emul_step(struct emul_ctxt *c)
{
	enum emul_result r;
	struct emul e;

	c->sets_shadow = false;
	r = emul_decode(&e.i, c);
	if (r != EMUL_DONE)
		return r;
	exec_start(&e, c);
	if (!exec_legal(&e))
		return emul_fault(c, EMUL_UD);
	r = e.i.op->exec(&e);
	if (r != EMUL_DONE)
		return r;
	exec_commit(&e);
	return e.again ? EMUL_AGAIN : EMUL_DONE;
}

enum emul_result exec_unhandled(struct emul *e)
{
	return EMUL_UNHANDLED;
}

static enum emul_result exec_get_both(struct emul *e, u64 *dst, u64 *src)
{
	const struct emul_opcode *op = e->i.op;
	enum emul_result r = emul_get(e, op->dst, dst);

	return r == EMUL_DONE ? emul_get(e, op->src, src) : r;
}

enum emul_result exec_test(struct emul *e)
{
	enum emul_result r;
	u64 dst, src;

	r = exec_get_both(e, &dst, &src);
	if (r == EMUL_DONE)
		alu_op(ALU_AND, e->i.opsize, dst, src, &e->rflags);
	return r;
}

static enum emul_result exec_cmp(struct emul *e)
{
	enum emul_result r;
	u64 dst, src;

	r = exec_get_both(e, &dst, &src);
	if (r == EMUL_DONE)
		alu_op(ALU_CMP, e->i.opsize, dst, src, &e->rflags);
	return r;
}

enum emul_result exec_alu(struct emul *e)
{
	const struct emul_opcode *op = e->i.op;
	enum emul_result r;
	u64 dst, src;

	if (op->sub == ALU_CMP)
		return exec_cmp(e);
	r = emul_get_rmw(e, op->dst, &dst);
	if (r == EMUL_DONE)
		r = emul_get(e, op->src, &src);
	if (r != EMUL_DONE)
		return r;
	dst = alu_op(op->sub, e->i.opsize, dst, src, &e->rflags);
	return emul_put_rmw(e, op->dst, dst);
}

enum emul_result exec_inc(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get_rmw(e, e->i.op->dst, &val);
	if (r != EMUL_DONE)
		return r;
	return emul_put_rmw(e, e->i.op->dst, alu_inc(e->i.opsize, val, &e->rflags));
}

enum emul_result exec_dec(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get_rmw(e, e->i.op->dst, &val);
	if (r != EMUL_DONE)
		return r;
	return emul_put_rmw(e, e->i.op->dst, alu_dec(e->i.opsize, val, &e->rflags));
}

enum emul_result exec_not(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get_rmw(e, O_RM, &val);
	if (r != EMUL_DONE)
		return r;
	return emul_put_rmw(e, O_RM, ~val);
}

enum emul_result exec_neg(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get_rmw(e, O_RM, &val);
	if (r != EMUL_DONE)
		return r;
	return emul_put_rmw(e, O_RM, alu_op(ALU_SUB, e->i.opsize, 0, val, &e->rflags));
}

/* AX, or rDX:rAX: products, dividends, quotient and remainder. */
static void exec_set_wide(struct emul *e, struct emul_wide v)
{
	unsigned int size = e->i.opsize;

	if (size == 1) {
		emul_set_reg(e, EMUL_RAX, 2, v.hi << 8 | v.lo);
		return;
	}
	emul_set_reg(e, EMUL_RAX, size, v.lo);
	emul_set_reg(e, EMUL_RDX, size, v.hi);
}

static struct emul_wide exec_get_wide(const struct emul *e)
{
	unsigned int size = e->i.opsize;

	return (struct emul_wide){
		.lo = emul_reg(e, EMUL_RAX, size),
		.hi = size == 1 ? emul_reg(e, EMUL_RAX, 2) >> 8 : emul_reg(e, EMUL_RDX, size),
	};
}

/* MUL (sub 0) and IMUL (1) of one operand. */
enum emul_result exec_mul(struct emul *e)
{
	unsigned int size = e->i.opsize;
	enum emul_result r;
	u64 a, b;

	r = emul_get(e, O_RM, &b);
	if (r != EMUL_DONE)
		return r;
	a = emul_reg(e, EMUL_RAX, size);
	exec_set_wide(e, e->i.op->sub ? alu_imul(size, a, b, &e->rflags) :
					alu_mul(size, a, b, &e->rflags));
	return EMUL_DONE;
}

/* DIV (sub 0) and IDIV (1). */
enum emul_result exec_div(struct emul *e)
{
	struct emul_wide v = exec_get_wide(e);
	unsigned int size = e->i.opsize;
	enum emul_result r;
	u64 divisor;
	bool ok;

	r = emul_get(e, O_RM, &divisor);
	if (r != EMUL_DONE)
		return r;
	ok = e->i.op->sub ? alu_idiv(size, &v, divisor) : alu_div(size, &v, divisor);
	if (!ok)
		return emul_fault(e->c, EMUL_DE);
	exec_set_wide(e, v);
	return EMUL_DONE;
}

/* IMUL of two and three operands. */
enum emul_result exec_imul(struct emul *e)
{
	enum emul_result r;
	u64 a, b;

	r = exec_get_both(e, &a, &b);
	if (r != EMUL_DONE)
		return r;
	return emul_put(e, O_REG, alu_imul(e->i.opsize, a, b, &e->rflags).lo);
}

enum emul_result exec_shift(struct emul *e)
{
	const struct emul_opcode *op = e->i.op;
	enum emul_result r;
	u64 val, count;

	r = emul_get_rmw(e, O_RM, &val);
	if (r == EMUL_DONE)
		r = emul_get(e, op->src, &count);
	if (r != EMUL_DONE)
		return r;
	val = alu_shift(e->i.reg & 7, e->i.opsize, val, count, &e->rflags);
	return emul_put_rmw(e, O_RM, val);
}

/* SHLD (sub 0) and SHRD (1). */
enum emul_result exec_shiftd(struct emul *e)
{
	unsigned int size = e->i.opsize;
	enum emul_result r;
	struct emul_wide v;
	u64 count, val;

	r = emul_get_rmw(e, O_RM, &v.lo);
	if (r == EMUL_DONE)
		r = emul_get(e, e->i.op->src, &count);
	if (r != EMUL_DONE)
		return r;
	v.hi = emul_reg(e, e->i.reg, size);
	val = alu_shiftd(e->i.op->sub, size, v, count, &e->rflags);
	return emul_put_rmw(e, O_RM, val);
}

/* A register's bit offset reaches beyond the memory operand. */
static unsigned int exec_bit_offset(struct emul *e)
{
	unsigned int size = e->i.opsize;
	s64 off;

	if (e->i.op->src == O_IMM)
		return e->i.imm & (size * 8 - 1);
	off = emul_sext(emul_reg(e, e->i.reg, size), size);
	if (e->i.mod != 3)
		e->ea_extra = (off >> (fls(size) + 2)) * size;
	return off & (size * 8 - 1);
}

/* BT (sub 0), BTS, BTR, BTC. */
enum emul_result exec_bt(struct emul *e)
{
	u64 val, bit = BIT_ULL(exec_bit_offset(e));
	unsigned int sub = e->i.op->sub;
	enum emul_result r;

	r = sub ? emul_get_rmw(e, O_RM, &val) : emul_get(e, O_RM, &val);
	if (r != EMUL_DONE)
		return r;
	e->rflags &= ~X86_EFLAGS_CF;
	if (val & bit)
		e->rflags |= X86_EFLAGS_CF;
	switch (sub) {
	case 1:
		return emul_put_rmw(e, O_RM, val | bit);
	case 2:
		return emul_put_rmw(e, O_RM, val & ~bit);
	case 3:
		return emul_put_rmw(e, O_RM, val ^ bit);
	default:
		return EMUL_DONE;
	}
}

/* With memory it is locked, prefix or not. */
enum emul_result exec_xchg(struct emul *e)
{
	const struct emul_opcode *op = e->i.op;
	enum emul_result r;
	u64 dst, src;

	e->i.lock = true;
	r = emul_get_rmw(e, op->dst, &dst);
	if (r == EMUL_DONE)
		r = emul_get(e, op->src, &src);
	if (r == EMUL_DONE)
		r = emul_put_rmw(e, op->dst, src);
	if (r == EMUL_DONE)
		r = emul_put(e, op->src, dst);
	return r;
}

/* If both operands are one register it holds the sum: that is written last. */
enum emul_result exec_xadd(struct emul *e)
{
	unsigned int size = e->i.opsize;
	enum emul_result r;
	u64 dst, src;

	r = emul_get_rmw(e, O_RM, &dst);
	if (r != EMUL_DONE)
		return r;
	src = emul_reg(e, e->i.reg, size);
	emul_set_reg(e, e->i.reg, size, dst);
	return emul_put_rmw(e, O_RM, alu_op(ALU_ADD, size, dst, src, &e->rflags));
}

/* If the comparison fails memory is written with what it held; a register is left alone. */
enum emul_result exec_cmpxchg(struct emul *e)
{
	unsigned int size = e->i.opsize;
	enum emul_result r;
	u64 old, acc, new;

	r = emul_get_rmw(e, O_RM, &old);
	if (r != EMUL_DONE)
		return r;
	acc = emul_reg(e, EMUL_RAX, size);
	new = emul_reg(e, e->i.reg, size);
	alu_op(ALU_CMP, size, acc, old, &e->rflags);
	if (acc == old)
		return emul_put_rmw(e, O_RM, new);
	emul_set_reg(e, EMUL_RAX, size, old);
	return e->i.mod == 3 ? EMUL_DONE : emul_put_rmw(e, O_RM, old);
}

static void exec_pair_join(void *buf, u64 lo, u64 hi, unsigned int half)
{
	memcpy(buf, &lo, half);
	memcpy(buf + half, &hi, half);
}

/* CMPXCHG8B, and with REX.W CMPXCHG16B. */
enum emul_result exec_cmpxchg8b(struct emul *e)
{
	unsigned int half = e->i.rex_w ? 8 : 4;
	struct emul_ref m = emul_rm_ref(e, half * 2);
	u64 lo = 0, hi = 0;
	u8 old[16], new[16], want[16];
	enum emul_result r;

	if (half == 8 && !e->c->has_cx16)
		return emul_fault(e->c, EMUL_UD);
	m.aligned = half == 8;
	m.locked = e->i.lock;
	r = emul_mem_probe(e, &m);
	if (r == EMUL_DONE)
		r = emul_mem_read(e, &m, old);
	if (r != EMUL_DONE)
		return r;

	exec_pair_join(want, e->gpr[EMUL_RAX], e->gpr[EMUL_RDX], half);
	exec_pair_join(new, e->gpr[EMUL_RBX], e->gpr[EMUL_RCX], half);
	if (!memcmp(old, want, m.size)) {
		e->rflags |= X86_EFLAGS_ZF;
		return emul_mem_update(e, &m, old, new);
	}
	e->rflags &= ~X86_EFLAGS_ZF;
	memcpy(&lo, old, half);
	memcpy(&hi, old + half, half);
	emul_set_reg(e, EMUL_RAX, half, lo);
	emul_set_reg(e, EMUL_RDX, half, hi);
	return emul_mem_update(e, &m, old, old);
}

enum emul_result exec_setcc(struct emul *e)
{
	return emul_put(e, O_RM, alu_cond(e->i.opcode, e->rflags));
}

/* Memory is read, and a doubleword's upper half cleared, whatever the condition. */
enum emul_result exec_cmov(struct emul *e)
{
	enum emul_result r;
	u64 val;

	r = emul_get(e, O_RM, &val);
	if (r != EMUL_DONE)
		return r;
	if (!alu_cond(e->i.opcode, e->rflags))
		val = emul_reg(e, e->i.reg, e->i.opsize);
	return emul_put(e, O_REG, val);
}

enum emul_result exec_flag(struct emul *e)
{
	switch (e->i.opcode) {
	case 0xf5:
		e->rflags ^= X86_EFLAGS_CF;
		break;
	case 0xf8:
		e->rflags &= ~X86_EFLAGS_CF;
		break;
	case 0xf9:
		e->rflags |= X86_EFLAGS_CF;
		break;
	case 0xfc:
		e->rflags &= ~X86_EFLAGS_DF;
		break;
	default:
		e->rflags |= X86_EFLAGS_DF;
		break;
	}
	return EMUL_DONE;
}

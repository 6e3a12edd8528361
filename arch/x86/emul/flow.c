// SPDX-License-Identifier: GPL-2.0
/*
 * flow.c - near branches
 */
#include "emul.h"

enum emul_result exec_ud(struct emul *e)
{
	return emul_fault(e->c, EMUL_UD);
}

/* The target must be fetchable as far as the code segment goes. */
static enum emul_result flow_set_rip(struct emul *e, u64 target)
{
	target &= emul_mask(e->i.opsize);
	if (e->i.mode == EMUL_LONG ? !emul_canonical(e->c, target) :
				     target > e->c->seg[EMUL_CS].limit)
		return emul_fault(e->c, EMUL_GP);
	e->rip = target;
	return EMUL_DONE;
}

static enum emul_result flow_relative(struct emul *e)
{
	return flow_set_rip(e, e->rip + e->i.imm);
}

enum emul_result exec_jcc(struct emul *e)
{
	return alu_cond(e->i.opcode, e->rflags) ? flow_relative(e) : EMUL_DONE;
}

static enum emul_result flow_target(struct emul *e, u64 *target)
{
	if (e->i.op->src == O_RM)
		return emul_get(e, O_RM, target);
	*target = e->rip + e->i.imm;
	return EMUL_DONE;
}

enum emul_result exec_jmp(struct emul *e)
{
	enum emul_result r;
	u64 target;

	r = flow_target(e, &target);
	return r == EMUL_DONE ? flow_set_rip(e, target) : r;
}

enum emul_result exec_call(struct emul *e)
{
	u64 target, back = e->rip;
	enum emul_result r;

	r = flow_target(e, &target);
	if (r == EMUL_DONE)
		r = flow_set_rip(e, target);
	return r == EMUL_DONE ? emul_push(e, back, e->i.opsize) : r;
}

enum emul_result exec_ret(struct emul *e)
{
	enum emul_result r;
	u64 target;

	r = emul_pop(e, &target, e->i.opsize);
	if (r != EMUL_DONE)
		return r;
	emul_rsp_add(e, e->i.imm);
	return flow_set_rip(e, target);
}

/* LOOPNE, LOOPE, LOOP: the count is of address size. */
enum emul_result exec_loop(struct emul *e)
{
	u64 count = (emul_reg(e, EMUL_RCX, e->i.adsize) - 1) & emul_mask(e->i.adsize);
	bool zf = e->rflags & X86_EFLAGS_ZF;
	bool go = count;

	emul_set_reg(e, EMUL_RCX, e->i.adsize, count);
	if (e->i.opcode != 0xe2)
		go = go && zf == (e->i.opcode & 1);
	return go ? flow_relative(e) : EMUL_DONE;
}

enum emul_result exec_jcxz(struct emul *e)
{
	return emul_reg(e, EMUL_RCX, e->i.adsize) ? EMUL_DONE : flow_relative(e);
}

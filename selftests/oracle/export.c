// SPDX-License-Identifier: GPL-2.0
/*
 * export.c - cases for the guest: those with a memory operand that a VM can execute at CPL 0
 */
#include "oracle.h"
#include "guest/cases.h"

#define MAX_COUNT	8	/* of REP: each iteration is an exit */

static bool export_string(const struct test_case *t)
{
	u8 op = t->i.opcode;

	return t->i.map == MAP_ONE && ((op >= 0x6c && op <= 0x6f) || (op >= 0xa4 && op <= 0xa7) ||
				       (op >= 0xaa && op <= 0xaf));
}

static bool export_port(const struct test_case *t)
{
	return export_string(t) && t->i.opcode < 0x70;
}

static bool export_memory(const struct test_case *t)
{
	return (t->i.has_modrm && t->i.mod != 3) || (t->i.flags & F_IMM) == IMM_MOFFS ||
	       export_string(t) || t->i.op->exec == exec_xlat;
}

/* What would take the test program's stack, segments or control away. */
static bool export_harmful(const struct test_case *t)
{
	enum emul_result (*exec)(struct emul *e) = t->i.op->exec;

	return exec == exec_push || exec == exec_pop || exec == exec_jmp || exec == exec_call ||
	       exec == exec_lmsw || exec == exec_smsw || exec == exec_mov_to_sreg ||
	       exec == exec_mov_from_sreg || exec == exec_lea || exec == exec_nop ||
	       exec == exec_prefetch || exec == exec_fence || exec == exec_ud || t->i.vex;
}

static bool export_stack(const struct test_case *t)
{
	return t->i.has_modrm && (t->i.reg == EMUL_RSP || t->i.base == EMUL_RSP ||
				  t->i.index == EMUL_RSP);
}

static bool export_wanted(const struct test_case *t)
{
	u64 count = t->gpr[EMUL_RCX] & emul_mask(t->i.adsize);
	static struct outcome o;
	bool result;

	if (t->decoded != EMUL_DONE || t->i.op != t->slot->row || !export_memory(t) ||
	    export_harmful(t) || export_stack(t) || t->i.seg == EMUL_GS)
		return false;
	if (export_string(t) && t->i.rep && count > MAX_COUNT)
		return false;
	if (world_run(t, &o) > EMUL_FAULT || o.stray)
		return false;
	flags_undefined(t, &result);
	return !result;
}

static void export_case(struct guest_case *g, const struct test_case *t)
{
	bool result;

	*g = (struct guest_case){
		.rflags = t->rflags,
		.undefined = flags_undefined(t, &result),
		.at = t->rip - GUEST_CODE,
		.len = t->i.pos,
		.kind = (locked_across(t, PAGE_SIZE) ? CASE_LOCK_ACROSS : 0) |
			(export_port(t) ? CASE_PORT : 0) | (tcg_cannot(t) ? CASE_NOT_TCG : 0),
	};
	memcpy(g->gpr, t->gpr, sizeof(g->gpr));
	memcpy(g->insn, t->insn, sizeof(g->insn));
	if (export_port(t))
		g->gpr[EMUL_RDX] = (g->gpr[EMUL_RDX] & ~0xffffULL) | GUEST_PORT;
}

static void export_place(struct place *p)
{
	struct layout at = { .code = GUEST_CODE, .data = GUEST_DATA };

	place_init(p, EMUL_LONG, &at);
	p->oracle = "guest";
	p->id = AT_UNICORN;	/* of QEMU, too: what that cannot, the CPU of an AMD host cannot */
	p->ports = true;
	p->random_flags = FLAGS_ARITH | FLAG_DF;
	p->fixed_flags = 2;
}

int export_cases(const char *file, unsigned long nr)
{
	static struct test_case t;
	static struct place p;
	struct guest_cases head = { .seed = gen_seed, .nr = nr };
	struct guest_case g;
	FILE *f = fopen(file, "wb");
	unsigned long i, n;

	if (!f)
		return 1;
	export_place(&p);
	fwrite(&head, sizeof(head), 1, f);
	for (i = n = 0; n < nr; i++) {
		rnd_start(gen_seed ^ (i + 1) * 0x9e3779b97f4a7c15ULL);
		gen_case(&t, &p, i);
		if (!export_wanted(&t))
			continue;
		export_case(&g, &t);
		n += fwrite(&g, sizeof(g), 1, f);
	}
	return fclose(f) ? 1 : 0;
}

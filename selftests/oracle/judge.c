// SPDX-License-Identifier: GPL-2.0
/*
 * judge.c - two outcomes compared; a difference told so that a test can be made of it
 */
#include <stdarg.h>
#include "oracle.h"

#define MAX_TOLD	20	/* differences in full, per oracle and mode */

static const char *const reg_names[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

void comment(const char *fmt, ...)
{
	va_list ap;

	fputs("    # ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void print_hex(char *to, const u8 *bytes, unsigned int n)
{
	unsigned int i;

	*to = 0;
	for (i = 0; i < n; i++)
		to += sprintf(to, i ? " %02x" : "%02x", bytes[i]);
}

static void tell_registers(const u64 *gpr, u64 rip, u64 rflags)
{
	unsigned int i;

	for (i = 0; i < 16; i += 4)
		comment("    %s %#llx %s %#llx %s %#llx %s %#llx",
			reg_names[i], gpr[i], reg_names[i + 1], gpr[i + 1],
			reg_names[i + 2], gpr[i + 2], reg_names[i + 3], gpr[i + 3]);
	comment("    rip %#llx rflags %#llx", rip, rflags);
}

static void tell_outcome(const char *who, const struct outcome *o)
{
	if (o->vector == NO_VECTOR)
		comment("  %s: ends", who);
	else
		comment("  %s: vector %d error %#x address %#llx", who, o->vector, o->error,
			o->addr);
	tell_registers(o->gpr, o->rip, o->rflags);
}

static void tell_case(const struct test_case *t)
{
	char hex[64], operand[64];
	const u8 *at;
	u64 off;

	print_hex(hex, t->insn, t->decoded == EMUL_DONE ? t->i.pos : 15);
	comment("  bytes %s, mode %s, opsize %u, adsize %u", hex, mode_names[t->place->mode],
		t->i.opsize, t->i.adsize);
	comment("  from:");
	tell_registers(t->gpr, t->rip, t->rflags);
	off = (t->gpr[t->i.base & 15] + t->i.disp) & emul_mask(t->i.adsize);
	off += t->place->at.data_base - t->place->at.data;
	if (t->i.base < EMUL_NO_REG && off < DATA_SIZE - 16) {
		at = t->mem + off;
		print_hex(operand, at, 16);
		comment("    memory there: %s", operand);
	}
}

static void tell(const struct difference *d, struct tally *n)
{
	char name[32];

	if (n->differ++ >= MAX_TOLD)
		return;
	comment("%s %s: %s: emulator %#llx, %s %#llx (case %lu)", d->t->place->oracle,
		slot_name(d->t->slot, name, sizeof(name)), d->what, d->is, d->t->place->oracle,
		d->want, n->cases);
	tell_case(d->t);
	tell_outcome("emulator", d->emul);
	tell_outcome(d->t->place->oracle, d->oracle);
}

void judge_died(const struct test_case *t, int status)
{
	comment("%s: the process that ran this died, status %#x", t->place->oracle, status);
	tell_case(t);
}

/* ---- comparison ---- */

static bool differs(struct difference *d, const char *what, u64 is, u64 want)
{
	if (is == want)
		return false;
	d->what = what;
	d->is = is;
	d->want = want;
	return true;
}

static bool differ_fault(struct difference *d)
{
	const struct outcome *a = d->emul, *b = d->oracle;

	if (b->vector == SOME_VECTOR && a->vector != NO_VECTOR && a->vector != VECTOR_PF)
		return false;
	if (differs(d, "vector", a->vector, b->vector))
		return true;
	if (a->vector == NO_VECTOR)
		return false;
	if (b->has_error && a->has_error && differs(d, "error code", a->error, b->error))
		return true;
	return b->has_error && a->vector == VECTOR_PF && differs(d, "CR2", a->addr, b->addr);
}

static bool differ_registers(struct difference *d)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (differs(d, reg_names[i], d->emul->gpr[i], d->oracle->gpr[i]))
			return true;
	return differs(d, "rip", d->emul->rip, d->oracle->rip) ||
	       differs(d, "MSW", d->emul->msw, d->oracle->msw);
}

static bool differ_bytes(struct difference *d, const char *what, const u8 *a, const u8 *b,
			 unsigned int n)
{
	static char text[64];
	unsigned int i;

	if (!memcmp(a, b, n))
		return false;
	for (i = 0; a[i] == b[i];)
		i++;
	snprintf(text, sizeof(text), "%s at %#x", what, i);
	return differs(d, text, a[i], b[i]);
}

static bool differ_ports(struct difference *d)
{
	unsigned int i, n = min_t(unsigned int, d->emul->ports, MAX_PORTS);

	if (differs(d, "number of port accesses", d->emul->ports, d->oracle->ports))
		return true;
	for (i = 0; i < n; i++) {
		const struct port_access *a = &d->emul->port[i], *b = &d->oracle->port[i];

		if (differs(d, "port", a->port, b->port) ||
		    differs(d, "port access size", a->size, b->size) ||
		    differs(d, "direction", a->out, b->out) ||
		    differs(d, "port value", a->val, b->val))
			return true;
	}
	return false;
}

static bool differ(struct difference *d)
{
	const u64 which = FLAGS_ARITH | FLAG_DF | FLAG_AC | X86_EFLAGS_NT | X86_EFLAGS_ID;
	u64 undefined = 0;
	bool result = false;

	if (differ_fault(d))
		return true;
	if (d->emul->vector == NO_VECTOR)
		undefined = flags_undefined(d->t, &result);
	else if (d->t->place->vague)
		return false;
	if (result)
		return differs(d, "rip", d->emul->rip, d->oracle->rip);
	return differ_registers(d) ||
	       differs(d, "rflags", d->emul->rflags & which & ~undefined,
		       d->oracle->rflags & which & ~undefined) ||
	       differ_bytes(d, "segment selectors", (u8 *)d->emul->sel, (u8 *)d->oracle->sel,
			    sizeof(d->emul->sel)) ||
	       differ_bytes(d, "memory", d->emul->mem, d->oracle->mem, DATA_SIZE) ||
	       differ_bytes(d, "vector register", (u8 *)d->emul->ymm, (u8 *)d->oracle->ymm,
			    sizeof(d->emul->ymm)) ||
	       differ_ports(d);
}

void judge(const struct test_case *t, const struct outcome *emul, const struct outcome *oracle,
	   struct tally *n)
{
	struct difference d = { .t = t, .emul = emul, .oracle = oracle };
	struct slot *s = &slots[t->slot - slots];
	/* In long mode 40 to 4F are REX prefixes, and the instruction is another one. */
	bool meant = t->i.op == t->slot->row;

	n->compared++;
	s->compared += meant;
	if (emul->vector == NO_VECTOR) {
		n->ended++;
		s->ended += meant;
	}
	if (differ(&d) && !allowed(&d))
		tell(&d, n);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * allow.c - differences that are known, and cases that an oracle cannot run
 */
#include "oracle.h"

#define CACHE_LINE	64

struct allowance {
	unsigned int who;
	bool (*match)(const struct difference *d);
	const char *manual, *why;
};

struct exclusion {
	unsigned int who;
	bool (*match)(const struct test_case *t);
	const char *why;
};

static bool is(const struct test_case *t, enum emul_result (*exec)(struct emul *e))
{
	return t->i.op && t->i.op->exec == exec;
}

/* ---- differences ---- */

static bool both_fault(const struct difference *d)
{
	return d->emul->vector != NO_VECTOR && d->oracle->vector != NO_VECTOR;
}

static bool rep_without_string(const struct difference *d)
{
	return is(d->t, exec_loop) && d->t->i.rep;
}

static bool two_operands_fault(const struct difference *d)
{
	return both_fault(d) && is(d->t, exec_cmps);
}

static bool call_stack_faults(const struct difference *d)
{
	return both_fault(d) && is(d->t, exec_call) && d->emul->vector == EMUL_GP;
}

static bool port_of_nothing(const struct difference *d)
{
	bool ports = is(d->t, exec_ins) || is(d->t, exec_outs);

	return ports && d->t->i.rep && d->emul->vector == NO_VECTOR && d->oracle->vector == EMUL_GP &&
	       !(d->t->gpr[EMUL_RCX] & emul_mask(d->t->i.adsize));
}

static bool wide_alignment(const struct difference *d)
{
	return is(d->t, exec_vec_move) && d->oracle->vector == EMUL_AC;
}

static bool flush_faults(const struct difference *d)
{
	return is(d->t, exec_fence) && d->emul->vector == NO_VECTOR &&
	       d->oracle->vector == VECTOR_PF;
}

static bool word_read_as_two(const struct difference *d)
{
	return is(d->t, exec_movsxd) && d->t->i.opsize == 2 && d->oracle->vector != NO_VECTOR;
}

static bool offset_not_canonical(const struct difference *d)
{
	bool other = both_fault(d) || is(d->t, exec_fence);	/* no memory is touched by that */

	return d->t->place->mode == EMUL_LONG && d->t->i.seg >= EMUL_FS && other &&
	       d->oracle->vector == EMUL_GP;
}

static bool segments_unchecked(const struct difference *d)
{
	return d->emul->vector == EMUL_GP || d->emul->vector == EMUL_SS_FAULT;
}

static bool test_alias(const struct difference *d)
{
	return is(d->t, exec_test) && d->t->slot->reg == 1;
}

static bool ret_pops_negative(const struct difference *d)
{
	return is(d->t, exec_ret) && d->t->i.imm & 0x8000;
}

static bool movnti_prefixed(const struct difference *d)
{
	return is(d->t, exec_movnti) && d->emul->vector == EMUL_UD;
}

static bool locked_neg(const struct difference *d)
{
	return is(d->t, exec_neg) && d->t->i.lock && !strcmp(d->what, "rflags");
}

static bool moves_that_are_not(const struct difference *d)
{
	return is(d->t, exec_vec_move) && d->emul->vector == EMUL_UD &&
	       d->oracle->vector == NO_VECTOR;
}

static bool hints_that_are_not(const struct difference *d)
{
	bool hint = is(d->t, exec_fence) || is(d->t, exec_nop);

	return hint && d->oracle->vector == SOME_VECTOR;
}

static bool accumulator_cleared(const struct difference *d)
{
	return is(d->t, exec_cmpxchg) && d->t->i.opsize == 4 && d->want == (u32)d->is;
}

static bool mov_with_rex_r(const struct difference *d)
{
	return is(d->t, exec_mov) && d->t->slot->reg == 0 && d->t->i.rex_r &&
	       d->oracle->vector == SOME_VECTOR;
}

static bool shrd_beside_rip(const struct difference *d)
{
	return is(d->t, exec_shiftd) && d->t->i.base == EMUL_RIP_REG && d->t->i.imm;
}

static bool undefined_but_read(const struct difference *d)
{
	return d->emul->vector == EMUL_UD && d->oracle->vector == VECTOR_PF;
}

static bool not_written_back(const struct difference *d)
{
	return is(d->t, exec_cmpxchg8b) && d->emul->vector == VECTOR_PF &&
	       d->oracle->vector == NO_VECTOR;
}

static bool smsw_upper_half(const struct difference *d)
{
	return is(d->t, exec_smsw) && d->t->i.mod == 3 && !((d->is ^ d->want) & 0xffff);
}

static const struct allowance allowances[] = {
	{ AT_NATIVE, rep_without_string, "SDM 2, Instruction Prefixes",
	  "REP and REPNE before LOOPcc are reserved; AMD CPUs take another condition" },
	{ AT_NATIVE, two_operands_fault, "SDM 3, Priority Among Simultaneous Exceptions",
	  "CMPS: which of two operands faults first differs between CPUs" },
	{ AT_NATIVE, call_stack_faults, "SDM 2, CALL—Call Procedure, Operation",
	  "CALL: the manual checks the target first, AMD CPUs push first" },
	{ AT_NATIVE, port_of_nothing, "SDM 2, REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation",
	  "REP INS and OUTS of nothing: AMD CPUs ask for the port's permission first" },
	{ AT_NATIVE, wide_alignment, "SDM 3, Interrupt 17—Alignment Check Exception (#AC)",
	  "#AC for an unaligned move of 16 or 32 bytes is up to the implementation" },
	{ AT_NATIVE, flush_faults, "SDM 2, CLFLUSH—Flush Cache Line",
	  "the emulator does not walk page tables for a line that it does not touch" },
	{ AT_NATIVE, word_read_as_two, "SDM 2, MOVSX/MOVSXD—Move With Sign-Extension",
	  "MOVSXD of a word, which is discouraged: AMD CPUs read a doubleword" },
	{ AT_NATIVE, offset_not_canonical, "APM 2, Canonical Address Form",
	  "AMD CPUs want the offset to FS and GS canonical, too, before they look at alignment" },
	{ AT_UNICORN, segments_unchecked, "SDM 3, Limit Checking; SDM 1, Canonical Addressing",
	  "QEMU checks neither limits nor canonical addresses nor the alignment of MOVAPS" },
	{ AT_UNICORN, test_alias, "APM 3, One-Byte and Two-Byte Opcode ModRM Extensions",
	  "QEMU 5 does not know F6 /1 and F7 /1, TEST like /0" },
	{ AT_UNICORN, ret_pops_negative, "SDM 2, RET—Return From Procedure",
	  "QEMU 5 extends the immediate of RET by its sign" },
	{ AT_UNICORN, movnti_prefixed, "SDM 2, MOVNTI, opcode NP 0F C3",
	  "QEMU 5 ignores a prefix before MOVNTI" },
	{ AT_UNICORN, locked_neg, "SDM 2, NEG—Two's Complement Negation",
	  "QEMU 5 has wrong flags after LOCK NEG" },
	{ AT_UNICORN, moves_that_are_not, "SDM 2, MOVLPD and MOVHPD have no register form",
	  "QEMU 5 executes 66 0F 12 and 66 0F 16 between registers" },
	{ AT_UNICORN, hints_that_are_not, "SDM 2, PREFETCHh, NOP, CLFLUSHOPT, CLWB",
	  "QEMU 5 does not know the register forms of 0F 18, nor CLFLUSHOPT and CLWB" },
	{ AT_UNICORN, accumulator_cleared, "SDM 2, CMPXCHG—Compare and Exchange, Operation",
	  "QEMU 5 clears upper halves that a 32-bit CMPXCHG does not write" },
	{ AT_UNICORN, mov_with_rex_r, "SDM 2, REX.R in an opcode extension field",
	  "QEMU 5 refuses C6 /0 and C7 /0 with REX.R, which means nothing there" },
	{ AT_UNICORN, shrd_beside_rip, "SDM 2, RIP-Relative Addressing",
	  "QEMU 5 forgets the immediate of SHRD behind an operand relative to RIP" },
	{ AT_UNICORN, undefined_but_read, "SDM 3, Priority Among Simultaneous Exceptions",
	  "QEMU 5 reads the operand of FF /7 before it refuses it" },
	{ AT_UNICORN, not_written_back, "SDM 2, CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes",
	  "QEMU 5 does not write memory after a comparison that failed" },
	{ AT_UNICORN, smsw_upper_half, "SDM 2, SMSW—Store Machine Status Word",
	  "the upper half of a 32-bit register is undefined" },
	{ }
};

/* ---- cases ---- */

/* Where a CPU takes the other condition such a branch would never end. */
static bool case_endless_loop(const struct test_case *t)
{
	s64 to = (s64)t->i.imm + t->i.pos;

	return t->decoded == EMUL_DONE && is(t, exec_loop) && t->i.rep && to >= 0 && to < t->i.pos;
}

static bool case_smsw(const struct test_case *t)
{
	return is(t, exec_smsw);
}

static bool case_split_lock(const struct test_case *t)
{
	return t->place->split_locks_cost && t->decoded == EMUL_DONE &&
	       locked_across(t, CACHE_LINE);
}

static bool case_vex(const struct test_case *t)
{
	return t->i.vex;
}

static bool case_lmsw(const struct test_case *t)
{
	return is(t, exec_lmsw) && t->place->mode == EMUL_REAL;
}

static bool case_bad_lock(const struct test_case *t)
{
	return t->i.lock && !(t->i.has_modrm && t->i.mod != 3 && t->i.flags & F_LOCK);
}

static bool case_movbe(const struct test_case *t)
{
	return is(t, exec_movbe);
}

static bool case_lahf(const struct test_case *t)
{
	return t->place->mode == EMUL_LONG && (is(t, exec_lahf) || is(t, exec_sahf));
}

static bool is_rex(u8 byte)
{
	return (byte & 0xf0) == 0x40;
}

static bool is_segment(u8 byte)
{
	return byte == 0x64 || byte == 0x65 || (byte & 0xe7) == 0x26;
}

static bool is_legacy(u8 byte)
{
	return is_segment(byte) || byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 ||
	       byte == 0xf3;
}

static bool case_lost_rex(const struct test_case *t)
{
	const u8 *p = t->insn;

	if (t->place->mode != EMUL_LONG)
		return false;
	for (; is_legacy(*p) || is_rex(*p); p++)
		if (is_rex(p[0]) && (is_legacy(p[1]) || is_rex(p[1])))
			return true;
	return false;
}

static bool case_two_segments(const struct test_case *t)
{
	return t->place->mode == EMUL_LONG && is_segment(t->insn[0]) && is_segment(t->insn[1]);
}

static bool case_narrow_branch(const struct test_case *t)
{
	return t->place->mode == EMUL_LONG && t->i.flags & F_NEAR && t->i.has_modrm &&
	       t->i.opsize == 2;
}

static bool case_two_mandatory(const struct test_case *t)
{
	bool f2 = memchr(t->insn, 0xf2, 2), f3 = memchr(t->insn, 0xf3, 2);

	return (f2 && f3) || (t->i.rep && t->i.opsize_prefix && is(t, exec_vec_move));
}

static bool case_real_sse(const struct test_case *t)
{
	return t->place->mode == EMUL_REAL && is(t, exec_vec_move);
}

static const struct exclusion exclusions[] = {
	{ AT_UNICORN, case_lost_rex, "QEMU 5 keeps a REX that is followed by another prefix" },
	{ AT_UNICORN, case_two_segments, "QEMU 5 lets 3E take FS or GS away in 64-bit mode" },
	{ AT_UNICORN, case_narrow_branch, "QEMU 5 ignores 66 before FF /2 and /4, not before others" },
	{ AT_UNICORN, case_two_mandatory, "QEMU 5 takes the first of F2, F3 and 66" },
	{ AT_UNICORN, case_real_sse, "no way to set CR4.OSFXSR in real mode" },
	{ AT_UNICORN, case_movbe, "its CPU has no MOVBE" },
	{ AT_UNICORN, case_lahf, "its CPU has no LAHF and SAHF in 64-bit mode" },
	{ AT_UNICORN, case_bad_lock, "LOCK where it is undefined aborts or is overlooked" },
	{ AT_UNICORN, case_vex, "no AVX: it takes VEX for a prefix of nothing" },
	{ AT_UNICORN, case_lmsw, "LMSW may leave real mode, and there is no way back" },
	{ AT_NATIVE, case_endless_loop, "LOOPcc with REP onto itself does not end on AMD CPUs" },
	{ AT_NATIVE, case_split_lock, "Linux punishes split locks where the CPU detects them" },
	{ AT_NATIVE, case_smsw, "Linux answers SMSW itself where the CPU has UMIP" },
};

#define NR_COUNTS	64

static unsigned long *counts;

void allow_init(void)
{
	counts = shared_memory(NR_COUNTS * sizeof(*counts));
}

bool allowed(const struct difference *d)
{
	const struct allowance *a;

	for (a = allowances; a->match; a++) {
		if (!(a->who & d->t->place->id) || !a->match(d))
			continue;
		counts[a - allowances]++;
		return true;
	}
	return false;
}

bool excluded(const struct test_case *t)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(exclusions); i++)
		if (exclusions[i].who & t->place->id && exclusions[i].match(t))
			return true;
	return false;
}

void allow_report(const char *indent)
{
	const struct allowance *a;

	for (a = allowances; a->match; a++)
		printf("%s# allowed %lu times: %s (%s)\n", indent, counts[a - allowances], a->why,
		       a->manual);
}

/* The newer QEMU that is an AMD host's CPU has these errors of the older one still. */
bool tcg_cannot(const struct test_case *t)
{
	if (excluded(t) || (is(t, exec_test) && t->slot->reg == 1))
		return true;
	if (is(t, exec_shiftd) && t->i.base == EMUL_RIP_REG)
		return true;
	return (is(t, exec_movnti) && t->i.pp) || (is(t, exec_neg) && t->i.lock);
}

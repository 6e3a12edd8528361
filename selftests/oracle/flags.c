// SPDX-License-Identifier: GPL-2.0
/*
 * flags.c - what an instruction leaves undefined
 *
 * A row for each function of the emulator. Titles are those of the instruction reference in
 * Intel's Software Developer's Manual, volume 2, paragraph "Flags Affected"; the flags are
 * undefined in AMD's Programmer's Manual, volume 3, "General-Purpose Instruction Reference",
 * too. A function that is not here fails the suite.
 */
#include "oracle.h"

#define CF	X86_EFLAGS_CF
#define PF	X86_EFLAGS_PF
#define AF	X86_EFLAGS_AF
#define ZF	X86_EFLAGS_ZF
#define SF	X86_EFLAGS_SF
#define OF	X86_EFLAGS_OF

struct rule {
	enum emul_result (*exec)(struct emul *e);
	u64 undefined;
	u64 (*depends)(const struct test_case *t, bool *result);
	const char *title;
};

/* "AND—Logical AND", "OR—Logical Inclusive OR", "XOR—Logical Exclusive OR" */
static u64 flags_alu(const struct test_case *t, bool *result)
{
	switch (t->i.op->sub) {
	case ALU_AND:
	case ALU_OR:
	case ALU_XOR:
		return AF;
	default:
		return 0;
	}
}

static unsigned int flags_count(const struct test_case *t)
{
	unsigned int count;

	switch (t->i.op->src) {
	case O_ONE:
		count = 1;
		break;
	case O_CL:
		count = t->gpr[EMUL_RCX];
		break;
	default:
		count = t->i.imm;
	}
	return count & (t->i.opsize == 8 ? 63 : 31);
}

static u64 flags_shift(const struct test_case *t, bool *result)
{
	unsigned int count = flags_count(t);
	bool rotate = (t->i.reg & 7) < SH_SHL;
	u64 undefined = 0;

	if (!count)
		return 0;
	if (count != 1)
		undefined |= OF;
	if (!rotate)
		undefined |= AF;
	/* CF: only SHL and SHR, only with a count of the operand's size or more */
	if (!rotate && (t->i.reg & 7) != SH_SAR && count >= t->i.opsize * 8)
		undefined |= CF;
	return undefined;
}

static u64 flags_shiftd(const struct test_case *t, bool *result)
{
	unsigned int count = flags_count(t);

	if (!count)
		return 0;
	if (count > t->i.opsize * 8) {
		*result = true;
		return FLAGS_ARITH;
	}
	return AF | (count != 1 ? OF : 0);
}

/* "BSWAP—Byte Swap": of a 16-bit register the result is undefined. */
static u64 flags_bswap(const struct test_case *t, bool *result)
{
	*result = t->i.opsize == 2;
	return 0;
}

#define NONE(fn, text)		{ .exec = exec_##fn, .title = text }
#define SOME(fn, fl, text)	{ .exec = exec_##fn, .undefined = (fl), .title = text }
#define ASK(fn, text)		{ .exec = exec_##fn, .depends = flags_##fn, .title = text }

static const struct rule rules[] = {
	ASK(alu, "AND—Logical AND; OR—Logical Inclusive OR; XOR—Logical Exclusive OR"),
	SOME(test, AF, "TEST—Logical Compare"),
	NONE(inc, "INC—Increment by 1"),
	NONE(dec, "DEC—Decrement by 1"),
	NONE(not, "NOT—One's Complement Negation"),
	NONE(neg, "NEG—Two's Complement Negation"),
	SOME(mul, SF | ZF | AF | PF, "MUL—Unsigned Multiply; IMUL—Signed Multiply"),
	SOME(div, FLAGS_ARITH, "DIV—Unsigned Divide; IDIV—Signed Divide"),
	SOME(imul, SF | ZF | AF | PF, "IMUL—Signed Multiply"),
	ASK(shift, "SAL/SAR/SHL/SHR—Shift; RCL/RCR/ROL/ROR—Rotate"),
	ASK(shiftd, "SHLD—Double Precision Shift Left; SHRD—Double Precision Shift Right"),
	SOME(bt, OF | SF | AF | PF, "BT—Bit Test; BTC; BTR; BTS"),
	NONE(xchg, "XCHG—Exchange Register/Memory With Register"),
	NONE(xadd, "XADD—Exchange and Add"),
	NONE(cmpxchg, "CMPXCHG—Compare and Exchange"),
	NONE(cmpxchg8b, "CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"),
	NONE(setcc, "SETcc—Set Byte on Condition"),
	NONE(cmov, "CMOVcc—Conditional Move"),
	NONE(flag, "CMC—Complement Carry Flag; CLC; STC; CLD; STD"),
	NONE(mov, "MOV—Move"),
	NONE(movx, "MOVSX/MOVSXD—Move With Sign-Extension; MOVZX—Move With Zero-Extend"),
	NONE(movsxd, "MOVSX/MOVSXD—Move With Sign-Extension"),
	NONE(movbe, "MOVBE—Move Data After Swapping Bytes"),
	NONE(movnti, "MOVNTI—Store Doubleword Using Non-Temporal Hint"),
	ASK(bswap, "BSWAP—Byte Swap"),
	NONE(lea, "LEA—Load Effective Address"),
	NONE(xlat, "XLAT/XLATB—Table Look-up Translation"),
	NONE(cbw, "CBW/CWDE/CDQE—Convert"),
	NONE(cwd, "CWD/CDQ/CQO—Convert"),
	NONE(nop, "NOP—No Operation; PREFETCHh—Prefetch Data Into Caches"),
	NONE(prefetch, "PREFETCHW—Prefetch Data Into Caches in Anticipation of a Write"),
	NONE(nop_or_xchg, "NOP—No Operation; PAUSE—Spin Loop Hint; XCHG"),
	NONE(fence, "LFENCE—Load Fence; MFENCE; SFENCE; CLFLUSH—Flush Cache Line"),
	NONE(mov_from_sreg, "MOV—Move"),
	NONE(mov_to_sreg, "MOV—Move"),
	NONE(smsw, "SMSW—Store Machine Status Word"),
	NONE(lmsw, "LMSW—Load Machine Status Word"),
	NONE(push, "PUSH—Push Word, Doubleword, or Quadword Onto the Stack"),
	NONE(pop, "POP—Pop a Value From the Stack"),
	NONE(push_sreg, "PUSH"),
	NONE(pop_sreg, "POP—Pop a Value From the Stack"),
	NONE(pushf, "PUSHF/PUSHFD/PUSHFQ—Push EFLAGS Register Onto the Stack"),
	NONE(popf, "POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"),
	NONE(leave, "LEAVE—High Level Procedure Exit"),
	NONE(lahf, "LAHF—Load Status Flags Into AH Register"),
	NONE(sahf, "SAHF—Store AH Into Flags"),
	NONE(ud, "UD—Undefined Instruction"),
	NONE(jcc, "Jcc—Jump if Condition Is Met"),
	NONE(jmp, "JMP—Jump"),
	NONE(call, "CALL—Call Procedure"),
	NONE(ret, "RET—Return From Procedure"),
	NONE(loop, "LOOP/LOOPcc—Loop According to ECX Counter"),
	NONE(jcxz, "Jcc—Jump if Condition Is Met"),
	NONE(movs, "MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"),
	NONE(cmps, "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"),
	NONE(stos, "STOS/STOSB/STOSW/STOSD/STOSQ—Store String"),
	NONE(lods, "LODS/LODSB/LODSW/LODSD/LODSQ—Load String"),
	NONE(scas, "SCAS/SCASB/SCASW/SCASD—Scan String"),
	NONE(ins, "INS/INSB/INSW/INSD—Input from Port to String"),
	NONE(outs, "OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"),
	NONE(in, "IN—Input From Port"),
	NONE(out, "OUT—Output to Port"),
	NONE(vec_move, "MOVUPS and the other moves of XMM and YMM registers"),
};

static const struct rule *flags_rule(const struct emul_opcode *op)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].exec == op->exec)
			return &rules[i];
	return NULL;
}

bool flags_known(const struct slot *s)
{
	return flags_rule(s->row);
}

u64 flags_undefined(const struct test_case *t, bool *result)
{
	const struct rule *r = flags_rule(t->i.op);

	*result = false;
	if (!r)
		return 0;
	return r->depends ? r->depends(t, result) : r->undefined;
}

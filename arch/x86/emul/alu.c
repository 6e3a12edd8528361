// SPDX-License-Identifier: GPL-2.0
/*
 * alu.c - arithmetic and its flags
 *
 * Pure functions. Flags that an instruction leaves undefined keep the value
 * they had, or take the one the general formula gives.
 */
#include "emul.h"

#define FLAGS_SZP	(X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_PF)

static u64 alu_szp(unsigned int size, u64 res)
{
	u64 fl = 0;

	if (!res)
		fl |= X86_EFLAGS_ZF;
	if (res & emul_sign_bit(size))
		fl |= X86_EFLAGS_SF;
	if (!(hweight8(res) & 1))
		fl |= X86_EFLAGS_PF;
	return fl;
}

static void alu_set(u64 *fl, u64 which, u64 val)
{
	*fl = (*fl & ~which) | (val & which);
}

static u64 alu_add(unsigned int size, u64 dst, u64 src, bool carry, u64 *fl)
{
	u64 res = (dst + src + carry) & emul_mask(size);
	u64 out = (dst & src) | ((dst | src) & ~res);
	u64 val = alu_szp(size, res);

	if (out & emul_sign_bit(size))
		val |= X86_EFLAGS_CF;
	if ((dst ^ res) & (src ^ res) & emul_sign_bit(size))
		val |= X86_EFLAGS_OF;
	val |= (dst ^ src ^ res) & X86_EFLAGS_AF;
	alu_set(fl, FLAGS_ARITH, val);
	return res;
}

static u64 alu_sub(unsigned int size, u64 dst, u64 src, bool borrow, u64 *fl)
{
	u64 res = (dst - src - borrow) & emul_mask(size);
	u64 out = (~dst & src) | ((~dst | src) & res);
	u64 val = alu_szp(size, res);

	if (out & emul_sign_bit(size))
		val |= X86_EFLAGS_CF;
	if ((dst ^ src) & (dst ^ res) & emul_sign_bit(size))
		val |= X86_EFLAGS_OF;
	val |= (dst ^ src ^ res) & X86_EFLAGS_AF;
	alu_set(fl, FLAGS_ARITH, val);
	return res;
}

static u64 alu_logic(unsigned int size, u64 res, u64 *fl)
{
	alu_set(fl, FLAGS_ARITH, alu_szp(size, res));
	return res;
}

u64 alu_op(enum emul_alu op, unsigned int size, u64 dst, u64 src, u64 *fl)
{
	bool carry = *fl & X86_EFLAGS_CF;

	switch (op) {
	case ALU_ADD:
		return alu_add(size, dst, src, false, fl);
	case ALU_ADC:
		return alu_add(size, dst, src, carry, fl);
	case ALU_SBB:
		return alu_sub(size, dst, src, carry, fl);
	case ALU_OR:
		return alu_logic(size, dst | src, fl);
	case ALU_AND:
		return alu_logic(size, dst & src, fl);
	case ALU_XOR:
		return alu_logic(size, dst ^ src, fl);
	case ALU_SUB:
	case ALU_CMP:
	default:
		return alu_sub(size, dst, src, false, fl);
	}
}

u64 alu_inc(unsigned int size, u64 val, u64 *fl)
{
	u64 carry = *fl & X86_EFLAGS_CF;

	val = alu_add(size, val, 1, false, fl);
	alu_set(fl, X86_EFLAGS_CF, carry);
	return val;
}

u64 alu_dec(unsigned int size, u64 val, u64 *fl)
{
	u64 carry = *fl & X86_EFLAGS_CF;

	val = alu_sub(size, val, 1, false, fl);
	alu_set(fl, X86_EFLAGS_CF, carry);
	return val;
}

/* A shift by one bit: the result, and the bit that fell out. */
struct shifted {
	u64 val;
	bool out;
};

static struct shifted alu_shift_one(enum emul_shift op, unsigned int size, struct shifted in)
{
	u64 top = emul_sign_bit(size);
	bool msb = in.val & top, lsb = in.val & 1;
	u64 left = (in.val << 1) & emul_mask(size), right = in.val >> 1;

	switch (op) {
	case SH_ROL:
		return (struct shifted){ left | msb, msb };
	case SH_ROR:
		return (struct shifted){ right | (lsb ? top : 0), lsb };
	case SH_RCL:
		return (struct shifted){ left | in.out, msb };
	case SH_RCR:
		return (struct shifted){ right | (in.out ? top : 0), lsb };
	case SH_SHR:
		return (struct shifted){ right, lsb };
	case SH_SAR:
		return (struct shifted){ right | (msb ? top : 0), lsb };
	case SH_SHL:
	case SH_SAL:
	default:
		return (struct shifted){ left, msb };
	}
}

/* OF is defined for a count of one; the formula below is that one's for all. */
static bool alu_shift_of(enum emul_shift op, unsigned int size, u64 old, struct shifted now)
{
	u64 top = emul_sign_bit(size);

	switch (op) {
	case SH_ROR:
	case SH_RCR:
		return !(now.val & top) != !(now.val & (top >> 1));
	case SH_SHR:
		return old & top;
	case SH_SAR:
		return false;
	default:
		return !(now.val & top) != !now.out;
	}
}

u64 alu_shift(enum emul_shift op, unsigned int size, u64 val, unsigned int count, u64 *fl)
{
	struct shifted now = { val, *fl & X86_EFLAGS_CF };
	u64 old = val, set = 0;

	count &= size == 8 ? 63 : 31;
	if (!count)
		return val;
	while (count--) {
		old = now.val;
		now = alu_shift_one(op, size, now);
	}

	if (now.out)
		set |= X86_EFLAGS_CF;
	if (alu_shift_of(op, size, old, now))
		set |= X86_EFLAGS_OF;
	alu_set(fl, X86_EFLAGS_CF | X86_EFLAGS_OF, set);
	if (op >= SH_SHL)
		alu_set(fl, FLAGS_SZP, alu_szp(size, now.val));
	return now.val;
}

/* SHLD, SHRD: v.lo is shifted, the bits that enter come from v.hi. */
u64 alu_shiftd(bool right, unsigned int size, struct emul_wide v, unsigned int count, u64 *fl)
{
	u64 top = emul_sign_bit(size), old = v.lo, set = 0;
	bool out = false;

	count &= size == 8 ? 63 : 31;
	if (!count)
		return v.lo;
	while (count--) {
		old = v.lo;
		if (right) {
			out = v.lo & 1;
			v.lo = v.lo >> 1 | (v.hi & 1 ? top : 0);
			v.hi = v.hi >> 1 | (v.hi & 1 ? top : 0);
		} else {
			out = v.lo & top;
			v.lo = ((v.lo << 1) & emul_mask(size)) | (v.hi >> (size * 8 - 1));
			v.hi = ((v.hi << 1) & emul_mask(size)) | (v.hi >> (size * 8 - 1));
		}
	}

	if (out)
		set |= X86_EFLAGS_CF;
	if ((old ^ v.lo) & top)
		set |= X86_EFLAGS_OF;
	alu_set(fl, FLAGS_SZP | X86_EFLAGS_CF | X86_EFLAGS_OF, set | alu_szp(size, v.lo));
	return v.lo;
}

static void alu_mul_flags(bool wide, u64 *fl)
{
	alu_set(fl, X86_EFLAGS_CF | X86_EFLAGS_OF,
		wide ? X86_EFLAGS_CF | X86_EFLAGS_OF : 0);
}

struct emul_wide alu_mul(unsigned int size, u64 a, u64 b, u64 *fl)
{
	struct emul_wide v;

	v.lo = a * b;
	v.hi = size == 8 ? mul_u64_u64_shr(a, b, 64) : v.lo >> (size * 8);
	v.lo &= emul_mask(size);
	v.hi &= emul_mask(size);
	alu_mul_flags(v.hi, fl);
	return v;
}

struct emul_wide alu_imul(unsigned int size, u64 a, u64 b, u64 *fl)
{
	u64 mask = emul_mask(size), sign;
	struct emul_wide v;

	a = emul_sext(a, size);
	b = emul_sext(b, size);
	v.lo = a * b;
	v.hi = mul_u64_u64_shr(a, b, 64);
	if ((s64)a < 0)
		v.hi -= b;
	if ((s64)b < 0)
		v.hi -= a;
	if (size < 8)
		v.hi = v.lo >> (size * 8);
	v.lo &= mask;
	v.hi &= mask;
	sign = v.lo & emul_sign_bit(size) ? mask : 0;
	alu_mul_flags(v.hi != sign, fl);
	return v;
}

/* Bit by bit: the kernel has no division of 128 bits. */
static void alu_div_long(struct emul_wide *v, u64 divisor)
{
	u64 q = 0, rem = v->hi;
	int i;

	for (i = 63; i >= 0; i--) {
		bool over = rem >> 63;

		rem = rem << 1 | (v->lo >> i & 1);
		q <<= 1;
		if (over || rem >= divisor) {
			rem -= divisor;
			q |= 1;
		}
	}
	v->lo = q;
	v->hi = rem;
}

bool alu_div(unsigned int size, struct emul_wide *v, u64 divisor)
{
	u64 n;

	if (v->hi >= divisor)	/* also for a divisor of zero */
		return false;
	if (size == 8) {
		alu_div_long(v, divisor);
		return true;
	}
	n = v->hi << (size * 8) | v->lo;
	v->lo = div64_u64(n, divisor);
	v->hi = n - v->lo * divisor;
	return true;
}

static void alu_negate_wide(unsigned int size, struct emul_wide *v)
{
	v->lo = -v->lo & emul_mask(size);
	v->hi = (~v->hi + !v->lo) & emul_mask(size);
}

bool alu_idiv(unsigned int size, struct emul_wide *v, u64 divisor)
{
	u64 sign = emul_sign_bit(size), mask = emul_mask(size);
	bool neg_n = v->hi & sign, neg_d = divisor & sign;
	bool neg_q = neg_n != neg_d;

	if (neg_n)
		alu_negate_wide(size, v);
	if (neg_d)
		divisor = -divisor & mask;
	if (!alu_div(size, v, divisor))
		return false;
	if (v->lo > sign - !neg_q)
		return false;
	if (neg_q)
		v->lo = -v->lo & mask;
	if (neg_n)
		v->hi = -v->hi & mask;
	return true;
}

bool alu_cond(unsigned int cc, u64 fl)
{
	bool less = !(fl & X86_EFLAGS_SF) != !(fl & X86_EFLAGS_OF);
	bool yes;

	switch (cc >> 1 & 7) {
	case 0:
		yes = fl & X86_EFLAGS_OF;
		break;
	case 1:
		yes = fl & X86_EFLAGS_CF;
		break;
	case 2:
		yes = fl & X86_EFLAGS_ZF;
		break;
	case 3:
		yes = fl & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		yes = fl & X86_EFLAGS_SF;
		break;
	case 5:
		yes = fl & X86_EFLAGS_PF;
		break;
	case 6:
		yes = less;
		break;
	default:
		yes = less || (fl & X86_EFLAGS_ZF);
		break;
	}
	return yes != (cc & 1);
}

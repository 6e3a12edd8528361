// SPDX-License-Identifier: GPL-2.0
/*
 * vec.c - SSE and AVX moves
 */
#include "emul.h"

#define XCR0_SSE_AVX	(BIT_ULL(1) | BIT_ULL(2))

enum vec_kind {
	VEC_NONE,	/* MMX, or arithmetic: not emulated */
	VEC_FULL,	/* the whole register */
	VEC_SCALAR,	/* the lowest 4 or 8 bytes; from memory the rest is cleared */
	VEC_QWORD,	/* the lowest 8 bytes; the rest is cleared in any case */
	VEC_LOW,	/* the lowest 8 bytes; the others stay */
	VEC_HIGH,	/* the upper 8 bytes; the others stay */
	VEC_GPR,	/* 4 or 8 bytes to or from a general register or memory */
};

struct vec_form {
	u8 kind;
	bool store;	/* the ModRM operand is the destination */
	bool aligned;
	bool mem;	/* undefined between registers */
	u8 size;	/* of VEC_SCALAR */
};

#define LOAD(k, ...)	{ .kind = VEC_##k, ##__VA_ARGS__ }
#define STORE(k, ...)	{ .kind = VEC_##k, .store = true, ##__VA_ARGS__ }
#define ALIGNED		.aligned = true
#define MEM		.mem = true
#define SIZE(n)		.size = n

/* By opcode of map 0F, and mandatory prefix: none, 66, F3, F2. */
static const struct vec_form vec_forms[256][4] = {
	[0x10] = { LOAD(FULL), LOAD(FULL), LOAD(SCALAR, SIZE(4)), LOAD(SCALAR, SIZE(8)) },
	[0x11] = { STORE(FULL), STORE(FULL), STORE(SCALAR, SIZE(4)), STORE(SCALAR, SIZE(8)) },
	[0x12] = { LOAD(LOW), LOAD(LOW, MEM) },
	[0x13] = { STORE(LOW, MEM), STORE(LOW, MEM) },
	[0x16] = { LOAD(HIGH), LOAD(HIGH, MEM) },
	[0x17] = { STORE(HIGH, MEM), STORE(HIGH, MEM) },
	[0x28] = { LOAD(FULL, ALIGNED), LOAD(FULL, ALIGNED) },
	[0x29] = { STORE(FULL, ALIGNED), STORE(FULL, ALIGNED) },
	[0x2b] = { STORE(FULL, ALIGNED, MEM), STORE(FULL, ALIGNED, MEM) },
	[0x6e] = { [1] = LOAD(GPR) },
	[0x6f] = { [1] = LOAD(FULL, ALIGNED), [2] = LOAD(FULL) },
	[0x7e] = { [1] = STORE(GPR), [2] = LOAD(QWORD) },
	[0x7f] = { [1] = STORE(FULL, ALIGNED), [2] = STORE(FULL) },
	[0xd6] = { [1] = STORE(QWORD) },
	[0xe7] = { [1] = STORE(FULL, ALIGNED, MEM) },
	[0xf0] = { [3] = LOAD(FULL, MEM) },
};

/* MOVNTDQA, the only one of map 0F38. */
static const struct vec_form vec_form_movntdqa = LOAD(FULL, ALIGNED, MEM);
static const struct vec_form vec_form_none;

static const struct vec_form *vec_form(const struct emul *e)
{
	unsigned int opcode = e->i.opcode, pp = e->i.pp & 3;

	if (e->i.map == MAP_0F)
		return &vec_forms[opcode][pp];
	return pp == 1 ? &vec_form_movntdqa : &vec_form_none;
}

/* May the guest use such a register now? */
static enum emul_result vec_enabled(struct emul *e)
{
	struct emul_ctxt *c = e->c;
	bool on;

	if (e->i.vex)
		on = c->has_avx && c->cr4 & X86_CR4_OSXSAVE &&
		     (c->xcr0 & XCR0_SSE_AVX) == XCR0_SSE_AVX;
	else
		on = c->cr4 & X86_CR4_OSFXSR && !(c->cr0 & X86_CR0_EM);
	if (!on)
		return emul_fault(c, EMUL_UD);
	if (c->cr0 & X86_CR0_TS)
		return emul_fault(c, EMUL_NM);
	return EMUL_DONE;
}

/* Does the form merge with VEX.vvvv? All others want that field unused. */
static bool vec_merges(const struct emul *e, const struct vec_form *f)
{
	if (f->kind == VEC_SCALAR)
		return e->i.mod == 3;
	return (f->kind == VEC_LOW || f->kind == VEC_HIGH) && !f->store;
}

static bool vec_legal(const struct emul *e, const struct vec_form *f)
{
	if (f->mem && e->i.mod == 3)
		return false;
	if (!e->i.vex)
		return true;
	if (e->i.vex_l && f->kind != VEC_FULL && f->kind != VEC_SCALAR)
		return false;
	if (e->i.map == MAP_0F38 && e->i.vex_l && !e->c->has_avx2)
		return false;
	return !e->i.vex_reg || vec_merges(e, f);
}

/*
 * The register that a form merges with. An unused field must be all ones in any mode,
 * but outside long mode the topmost bit of a used one is ignored.
 */
static unsigned int vec_merged(const struct emul *e, unsigned int otherwise)
{
	if (!e->i.vex)
		return otherwise;
	return e->i.vex_reg & (e->i.mode == EMUL_LONG ? 15 : 7);
}

static void vec_get(struct emul *e, unsigned int nr, u8 *buf, unsigned int len)
{
	e->c->ops->vec_read(e->c, nr, buf, len);
}

/* A VEX instruction clears what lies above; others leave it. */
static void vec_put(struct emul *e, unsigned int nr, const u8 *buf, unsigned int len)
{
	e->c->ops->vec_write(e->c, nr, buf, len, e->i.vex && len == 16);
}

static enum emul_result vec_load_full(struct emul *e, const struct vec_form *f)
{
	struct emul_ref m = emul_rm_ref(e, e->i.vex && e->i.vex_l ? 32 : 16);
	enum emul_result r = EMUL_DONE;
	u8 buf[32];

	m.aligned = f->aligned;
	if (e->i.mod == 3)
		vec_get(e, e->i.rm, buf, m.size);
	else
		r = emul_mem_read(e, &m, buf);
	if (r == EMUL_DONE)
		vec_put(e, e->i.reg, buf, m.size);
	return r;
}

static enum emul_result vec_store_full(struct emul *e, const struct vec_form *f)
{
	struct emul_ref m = emul_rm_ref(e, e->i.vex && e->i.vex_l ? 32 : 16);
	u8 buf[32];

	m.aligned = f->aligned;
	vec_get(e, e->i.reg, buf, m.size);
	if (e->i.mod != 3)
		return emul_mem_write(e, &m, buf);
	vec_put(e, e->i.rm, buf, m.size);
	return EMUL_DONE;
}

/* Between registers: @to takes @len bytes of @from, and the rest of the merged source. */
static enum emul_result vec_merge(struct emul *e, unsigned int to, unsigned int from,
				  unsigned int len)
{
	u8 src[16], buf[16];

	vec_get(e, vec_merged(e, to), buf, 16);
	vec_get(e, from, src, 16);
	memcpy(buf, src, len);
	vec_put(e, to, buf, 16);
	return EMUL_DONE;
}

/* The lowest @len bytes from memory or a register, the rest cleared. */
static enum emul_result vec_load_zero(struct emul *e, unsigned int len)
{
	struct emul_ref m = emul_rm_ref(e, len);
	enum emul_result r = EMUL_DONE;
	u8 buf[16] = {}, src[16];

	if (e->i.mod == 3) {
		vec_get(e, e->i.rm, src, 16);
		memcpy(buf, src, len);
	} else {
		r = emul_mem_read(e, &m, buf);
	}
	if (r == EMUL_DONE)
		vec_put(e, e->i.reg, buf, 16);
	return r;
}

/* @len bytes of the register from @at to memory. */
static enum emul_result vec_store_part(struct emul *e, unsigned int at, unsigned int len)
{
	struct emul_ref m = emul_rm_ref(e, len);
	u8 buf[16];

	vec_get(e, e->i.reg, buf, 16);
	return emul_mem_write(e, &m, buf + at);
}

static enum emul_result vec_scalar(struct emul *e, const struct vec_form *f)
{
	if (e->i.mod == 3)
		return f->store ? vec_merge(e, e->i.rm, e->i.reg, f->size) :
				  vec_merge(e, e->i.reg, e->i.rm, f->size);
	return f->store ? vec_store_part(e, 0, f->size) : vec_load_zero(e, f->size);
}

static enum emul_result vec_qword(struct emul *e, const struct vec_form *f)
{
	u8 buf[16];

	if (!f->store)
		return vec_load_zero(e, 8);
	if (e->i.mod != 3)
		return vec_store_part(e, 0, 8);
	vec_get(e, e->i.reg, buf, 16);
	memset(buf + 8, 0, 8);
	vec_put(e, e->i.rm, buf, 16);
	return EMUL_DONE;
}

/* Between registers these are MOVHLPS and MOVLHPS: the source is the other half. */
static enum emul_result vec_half(struct emul *e, const struct vec_form *f)
{
	unsigned int at = f->kind == VEC_HIGH ? 8 : 0;
	struct emul_ref m = emul_rm_ref(e, 8);
	enum emul_result r = EMUL_DONE;
	u8 buf[16], src[16];

	if (f->store)
		return vec_store_part(e, at, 8);
	vec_get(e, vec_merged(e, e->i.reg), buf, 16);
	if (e->i.mod == 3) {
		vec_get(e, e->i.rm, src, 16);
		memcpy(buf + at, src + (8 - at), 8);
	} else {
		r = emul_mem_read(e, &m, buf + at);
	}
	if (r == EMUL_DONE)
		vec_put(e, e->i.reg, buf, 16);
	return r;
}

static enum emul_result vec_gpr(struct emul *e, const struct vec_form *f)
{
	enum emul_result r;
	u8 buf[16] = {};
	u64 val;

	e->i.opsize = e->i.rex_w ? 8 : 4;
	if (f->store) {
		vec_get(e, e->i.reg, buf, 16);
		memcpy(&val, buf, 8);
		return emul_put(e, O_RM, val);
	}
	r = emul_get(e, O_RM, &val);
	if (r != EMUL_DONE)
		return r;
	memcpy(buf, &val, 8);
	vec_put(e, e->i.reg, buf, 16);
	return r;
}

enum emul_result exec_vec_move(struct emul *e)
{
	const struct vec_form *f = vec_form(e);
	enum emul_result r;

	if (f->kind == VEC_NONE)
		return EMUL_UNHANDLED;
	if (!vec_legal(e, f))
		return emul_fault(e->c, EMUL_UD);
	r = vec_enabled(e);
	if (r != EMUL_DONE)
		return r;
	switch (f->kind) {
	case VEC_FULL:
		return f->store ? vec_store_full(e, f) : vec_load_full(e, f);
	case VEC_SCALAR:
		return vec_scalar(e, f);
	case VEC_QWORD:
		return vec_qword(e, f);
	case VEC_GPR:
		return vec_gpr(e, f);
	default:
		return vec_half(e, f);
	}
}

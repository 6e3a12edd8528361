// SPDX-License-Identifier: GPL-2.0
/*
 * gen.c - instructions and states, from the emulator's opcode tables
 *
 * A combination is a slot, a set of prefixes, a REX and an operand form; combinations are
 * numbered, and the numbers are gone through in steps that reach each one once before any
 * comes again. Operands are random, with a preference for edges. The emulator's decoder is
 * used to aim the memory operand; whether it is right is not assumed anywhere.
 */
#include "oracle.h"

u64 gen_seed;
static u64 rnd_state;

/* splitmix64 */
u64 rnd(void)
{
	u64 z = rnd_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void rnd_start(u64 seed)
{
	rnd_state = seed;
}

static bool chance(unsigned int percent)
{
	return rnd() % 100 < percent;
}

#define PICK(a)	((a)[rnd() % ARRAY_SIZE(a)])

static u64 rnd_value(void)
{
	static const u64 edges[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL, ~1ULL,
	};

	switch (rnd() % 4) {
	case 0:
	case 1:
		return PICK(edges);
	case 2:
		return (s64)(rnd() % 160) - 80;
	default:
		return rnd();
	}
}

/* ---- combinations ---- */

static const struct {
	u8 n, bytes[4];
} prefix_sets[] = {
	{ 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0x67 } }, { 2, { 0x66, 0x67 } }, { 1, { 0xf2 } },
	{ 1, { 0xf3 } }, { 1, { 0xf0 } }, { 2, { 0x66, 0xf2 } }, { 2, { 0xf3, 0x66 } },
	{ 2, { 0x66, 0xf0 } }, { 2, { 0xf0, 0xf2 } }, { 2, { 0xf3, 0x67 } }, { 1, { 0x65 } },
	{ 1, { 0x64 } }, { 1, { 0x2e } }, { 1, { 0x36 } }, { 1, { 0x3e } }, { 1, { 0x26 } },
	{ 2, { 0x65, 0x67 } }, { 2, { 0xf3, 0x65 } }, { 2, { 0xf2, 0xf3 } }, { 2, { 0x65, 0x3e } },
	{ 3, { 0x66, 0x66, 0x66 } }, { 3, { 0x67, 0xf3, 0x66 } },
};

enum { REX_NONE, REX_W, REX_EMPTY, REX_LOW, REX_ANY, REX_LOST, NR_REX };

enum {
	FORM_REG, FORM_SAME, FORM_BASE, FORM_DISP8, FORM_DISP32, FORM_ABS, FORM_SIB, FORM_SIB_DISP,
	FORM_SIB_ABS, FORM_SIB_NO_INDEX, FORM_STACK, NR_FORMS
};

unsigned long gen_combinations(enum emul_mode mode)
{
	return (unsigned long)nr_slots * ARRAY_SIZE(prefix_sets) * NR_FORMS *
	       (mode == EMUL_LONG ? NR_REX : 1);
}

struct combination {
	const struct slot *slot;
	unsigned int prefixes, rex, form;
};

/* A prime, so that stepping by it goes through all numbers. */
#define STEP	7368787UL

static struct combination combination(enum emul_mode mode, unsigned long nr)
{
	struct combination k;

	nr = (nr * STEP + gen_seed) % gen_combinations(mode);
	k.slot = &slots[nr % nr_slots];
	nr /= nr_slots;
	k.prefixes = nr % ARRAY_SIZE(prefix_sets);
	nr /= ARRAY_SIZE(prefix_sets);
	k.form = nr % NR_FORMS;
	k.rex = nr / NR_FORMS;
	return k;
}

/* ---- bytes ---- */

struct writer {
	u8 *p;
	unsigned int n;
	const struct combination *k;
	enum emul_mode mode;
	bool adsize16;
};

static void put(struct writer *b, u8 byte)
{
	b->p[b->n++] = byte;
}

static void put_value(struct writer *b, u64 val, unsigned int size)
{
	memcpy(b->p + b->n, &val, size);
	b->n += size;
}

static void put_rex(struct writer *b)
{
	switch (b->k->rex) {
	case REX_W:
		put(b, 0x48);
		break;
	case REX_EMPTY:
		put(b, 0x40);
		break;
	case REX_LOW:
		put(b, 0x40 | (rnd() & 7));
		break;
	case REX_ANY:
		put(b, 0x40 | (rnd() & 15));
		break;
	}
}

/* VEX is undefined after most prefixes: that is tried, but not most of the time. */
static void put_prefixes(struct writer *b)
{
	bool adsize = false, keep = !b->k->slot->vex || chance(10);
	unsigned int i;

	if (b->k->rex == REX_LOST && keep)
		put(b, 0x40 | (rnd() & 15));
	for (i = 0; i < prefix_sets[b->k->prefixes].n; i++) {
		u8 byte = prefix_sets[b->k->prefixes].bytes[i];
		bool mandatory = byte == 0x66 || byte >= 0xf0;

		if (mandatory && (!keep || (b->k->slot->movbe && byte >= 0xf2)))
			continue;
		adsize |= byte == 0x67;
		put(b, byte);
	}
	b->adsize16 = b->mode != EMUL_LONG && (b->mode == EMUL_PROT32) == adsize;
	if (keep)
		put_rex(b);
}

/* W.vvvv.L.pp; vvvv is unused by most */
static u8 vex_last(void)
{
	return chance(75) ? (rnd() & 0x87) | 0x78 : rnd();
}

static void put_opcode(struct writer *b)
{
	const struct slot *s = b->k->slot;
	bool wide = b->mode == EMUL_LONG;

	if (s->vex == VEX_VEX && s->map == MAP_0F && chance(50)) {
		put(b, 0xc5);
		put(b, vex_last() | (wide && chance(50) ? 0 : 0x80));
	} else if (s->vex) {
		static const u8 first[] = { [VEX_VEX] = 0xc4, [VEX_XOP] = 0x8f, [VEX_EVEX] = 0x62 };

		put(b, first[s->vex]);
		put(b, (wide ? rnd() & 0xe0 : 0xe0) | s->map);
		put(b, vex_last());
	} else {
		if (s->map)
			put(b, 0x0f);
		if (s->map > MAP_0F)
			put(b, s->map == MAP_0F38 ? 0x38 : 0x3a);
	}
	put(b, s->opcode);
}

static void put_modrm16(struct writer *b, u8 reg)
{
	static const u8 mods[NR_FORMS] = { [FORM_DISP8] = 1, [FORM_DISP32] = 2, [FORM_SIB_DISP] = 1,
					   [FORM_STACK] = 2 };
	u8 mod = mods[b->k->form], rm = rnd() & 7;

	if (b->k->form == FORM_ABS || b->k->form == FORM_SIB_ABS)
		rm = 6;
	put(b, mod << 6 | reg << 3 | rm);
	put_value(b, chance(80) ? (s64)(rnd() % 256) - 128 : rnd_value(),
		  mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
}

static s64 rnd_disp(void)
{
	return chance(85) ? (s64)(rnd() % 512) - 256 : (s64)rnd_value();
}

static void put_sib(struct writer *b, u8 mod, u8 reg)
{
	u8 sib = rnd();

	if (b->k->form == FORM_SIB_ABS)
		sib = (sib & ~7) | 5;
	else if (b->k->form == FORM_SIB_NO_INDEX)
		sib = (sib & ~0x38) | 0x20;
	else if (b->k->form == FORM_STACK)
		sib = 0x24;
	put(b, mod << 6 | reg << 3 | 4);
	put(b, sib);
	put_value(b, rnd_disp(), mod == 1 ? 1 : mod == 2 || (sib & 7) == 5 ? 4 : 0);
}

static void put_modrm32(struct writer *b, u8 reg)
{
	u8 rm = rnd() & 7;

	if (rm == 4 || rm == 5)
		rm = 7;
	switch (b->k->form) {
	case FORM_BASE:
		put(b, reg << 3 | rm);
		break;
	case FORM_DISP8:
		put(b, 0x40 | reg << 3 | (chance(20) ? 5 : rm));
		put(b, rnd());
		break;
	case FORM_DISP32:
		put(b, 0x80 | reg << 3 | (chance(20) ? 5 : rm));
		put_value(b, rnd_disp(), 4);
		break;
	case FORM_ABS:
		put(b, reg << 3 | 5);
		put_value(b, rnd_disp(), 4);
		break;
	case FORM_SIB_DISP:
	case FORM_STACK:
		put_sib(b, 1 + (rnd() & 1), reg);
		break;
	default:
		put_sib(b, 0, reg);
	}
}

static void put_modrm(struct writer *b)
{
	u8 reg = rnd() & 7;

	if (!(b->k->slot->flags & F_MODRM))
		return;
	if (b->k->slot->reg != NO_GROUP)
		reg = b->k->slot->reg;
	if (b->k->form == FORM_REG)
		put(b, 0xc0 | reg << 3 | (rnd() & 7));
	else if (b->k->form == FORM_SAME)
		put(b, 0xc0 | reg << 3 | reg);
	else if (b->adsize16)
		put_modrm16(b, reg);
	else
		put_modrm32(b, reg);
}

/* Branches stay near, for the most part. */
static void put_imm(struct writer *b)
{
	u64 imm = rnd_value();

	if (b->k->slot->flags & F_NEAR && chance(80))
		imm = (s64)(rnd() % 0xc00) - 0x600;
	put_value(b, imm, 8);
}

static void put_insn(struct writer *b)
{
	put_prefixes(b);
	put_opcode(b);
	put_modrm(b);
	put_imm(b);
}

void gen_bytes(u8 *bytes, enum emul_mode mode, unsigned long nr)
{
	struct combination k = combination(mode, nr);
	u8 buf[48];
	struct writer b = { .p = buf, .k = &k, .mode = mode };

	put_insn(&b);
	memcpy(bytes, buf, 15);
}

/* ---- state ---- */

/* An offset of the data: on a boundary or not, across the edges of pages, or beside them. */
static u64 rnd_offset(const struct place *p)
{
	u64 off = p->at.data - p->at.data_base, in;

	switch (rnd() % 16) {
	case 0:
		in = DATA_SIZE - rnd() % 34;
		break;
	case 1:
	case 2:
		in = PAGE_SIZE - rnd() % 34;
		break;
	case 3:
		in = -(rnd() % 20);
		break;
	case 4 ... 8:
		in = rnd() % DATA_SIZE & ~31ULL;
		break;
	default:
		in = rnd() % DATA_SIZE;
	}
	return off + in;
}

static u64 rnd_target(const struct test_case *t)
{
	return t->rip + (s64)(rnd() % 0xc00) - 0x600;
}

static u64 rnd_register(const struct test_case *t)
{
	if (chance(40))
		return rnd_offset(t->place);
	return chance(5) ? rnd_target(t) : rnd_value();
}

static u64 rnd_count(void)
{
	static const u8 counts[] = { 0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 0xff };

	switch (rnd() % 4) {
	case 0:
		return PICK(counts) | (chance(30) ? rnd() << 8 : 0);
	case 1:
		return rnd_value();
	default:
		return rnd() % 8;
	}
}

static void state_registers(struct test_case *t)
{
	unsigned int i, n = t->place->mode == EMUL_LONG ? 16 : 8;

	memset(t->gpr, 0, sizeof(t->gpr));
	for (i = 0; i < n; i++)
		t->gpr[i] = rnd_register(t);
	t->gpr[EMUL_RCX] = rnd_count();
	if (chance(90))
		t->gpr[EMUL_RSP] = t->place->at.data - t->place->at.data_base + 0x1000 +
				   (rnd() % 256) * 8 - 1024;
	if (chance(10))
		t->gpr[EMUL_RSP] = rnd_offset(t->place);
	if (chance(80)) {
		t->gpr[EMUL_RSI] = rnd_offset(t->place);
		t->gpr[EMUL_RDI] = rnd_offset(t->place);
	}
	t->rflags = (rnd() & t->place->random_flags) | t->place->fixed_flags;
	if (chance(75))
		t->rflags &= ~(u64)(FLAG_DF | FLAG_AC);
}

static void state_memory(struct test_case *t)
{
	unsigned int i;
	u64 val;

	switch (rnd() % 3) {
	case 0:
		memset(t->mem, chance(50) ? 0 : 0xff, DATA_SIZE);
		break;
	default:
		val = rnd();
		for (i = 0; i < DATA_SIZE; i += 8) {
			val = val * 0xd1342543de82ef95ULL + 1;
			memcpy(t->mem + i, &val, 8);
		}
	}
}

static void state_vectors(struct test_case *t)
{
	unsigned int i;

	if (t->slot->row->exec != exec_vec_move && chance(90))
		return;		/* the last one's will do */
	for (i = 0; i < sizeof(t->ymm); i += 8) {
		u64 val = rnd();

		memcpy((u8 *)t->ymm + i, &val, 8);
	}
}

static bool is_string(const struct test_case *t)
{
	return !(t->slot->flags & F_MODRM) && t->i.map == MAP_ONE &&
	       ((t->i.opcode & 0xfc) == 0x6c || (t->i.opcode >= 0xa4 && t->i.opcode <= 0xaf));
}

/* ---- aim ---- */

static void set_part(u64 *reg, u64 val, unsigned int size)
{
	u64 mask = emul_mask(size);

	*reg = (*reg & ~mask) | (val & mask);
}

/* The bytes of a displacement or absolute offset that end at @end */
static void patch(struct test_case *t, unsigned int end, u64 val, unsigned int size)
{
	if (end >= size && end <= sizeof(t->insn))
		memcpy(t->insn + end - size, &val, size);
}

static unsigned int imm_size(const struct test_case *t)
{
	switch (t->i.flags & F_IMM) {
	case IMM_NONE:
		return 0;
	case IMM_B:
	case IMM_UB:
		return 1;
	case IMM_W:
		return 2;
	default:
		return min_t(unsigned int, t->i.opsize, 4);
	}
}

static void aim_index(struct test_case *t, u64 *off)
{
	const struct emul_insn *i = &t->i;

	if (i->index == EMUL_NO_REG)
		return;
	if (i->index != i->base && chance(85))
		set_part(&t->gpr[i->index & 15], (s64)(rnd() % 64) - 32, i->adsize);
	*off -= t->gpr[i->index & 15] << i->scale;
}

/* So that the ModRM operand is at offset @off of its segment. */
static void aim_modrm(struct test_case *t, u64 off)
{
	const struct emul_insn *i = &t->i;
	unsigned int end = i->pos - imm_size(t);

	aim_index(t, &off);
	if (i->base == EMUL_RIP_REG) {
		patch(t, end, off - t->rip - i->pos, 4);
	} else if (i->base == EMUL_NO_REG) {
		patch(t, end, off, i->adsize == 2 ? 2 : 4);
	} else {
		set_part(&t->gpr[i->base], off - i->disp, i->adsize);
		if (i->adsize < 8 && chance(10))
			t->gpr[i->base] ^= rnd() & ~emul_mask(i->adsize);
	}
}

/* What memory holds decides a CMPXCHG, a branch, a division. */
static void state_operand(struct test_case *t, u64 off)
{
	u64 at = t->place->at.data_base + off - t->place->at.data, val = rnd_value();

	if (at > DATA_SIZE - 16)
		return;
	if ((t->slot->row->exec == exec_jmp || t->slot->row->exec == exec_call) && chance(80))
		val = rnd_target(t);
	if (chance(60))
		memcpy(t->mem + at, &val, 8);
	if (chance(30)) {
		unsigned int half = t->i.rex_w ? 8 : 4;

		memcpy(&t->gpr[EMUL_RAX], t->mem + at, 8);
		memcpy(&t->gpr[EMUL_RDX], t->mem + at + half, 8);
	}
}

static u64 segment_shift(const struct test_case *t)
{
	const struct place *p = t->place;

	if (p->mode == EMUL_LONG && t->i.seg < EMUL_FS)
		return 0;
	return p->at.data_base - p->c.seg[t->i.seg].base;
}

static void aim(struct test_case *t)
{
	u64 off = rnd_offset(t->place);
	bool memory = t->i.has_modrm && t->i.mod != 3;

	if (t->decoded != EMUL_DONE)
		return;
	if (t->slot->row->exec == exec_div && chance(70))
		t->gpr[EMUL_RDX] = chance(70) ? 0 : ~0ULL;
	if (memory || (t->i.flags & F_IMM) == IMM_MOFFS)
		state_operand(t, off);
	if (memory && chance(95))
		aim_modrm(t, off + segment_shift(t));
	else if ((t->i.flags & F_IMM) == IMM_MOFFS && chance(90))
		patch(t, t->i.pos, off + segment_shift(t), t->i.adsize);
	else if (t->i.has_modrm && t->slot->flags & F_NEAR && chance(80))
		set_part(&t->gpr[t->i.rm], rnd_target(t), t->i.opsize);
	if (t->slot->row->exec == exec_bt && t->slot->row->src == O_REG && chance(80))
		set_part(&t->gpr[t->i.reg], (s64)(rnd() % 512) - 256, t->i.opsize);
}

/* Those whose operands ModRM does not name */
static void aim_implied(struct test_case *t)
{
	u64 sp = t->gpr[EMUL_RSP] + t->place->at.data_base - t->place->at.data;
	u64 target = rnd_target(t);

	if (is_string(t)) {
		if (t->i.rep && chance(97))
			set_part(&t->gpr[EMUL_RCX], rnd() % 9, t->i.adsize);
		if (chance(90))
			set_part(&t->gpr[EMUL_RSI], rnd_offset(t->place) + segment_shift(t),
				 t->i.adsize);
	}
	if (t->slot->row->exec == exec_xlat && chance(90))
		set_part(&t->gpr[EMUL_RBX], rnd_offset(t->place) + segment_shift(t), t->i.adsize);
	if (t->slot->row->exec == exec_ret && sp < DATA_SIZE - 8 && chance(90))
		memcpy(t->mem + sp, &target, 8);
	if (t->slot->row->exec == exec_leave && chance(90))
		t->gpr[EMUL_RBP] = t->gpr[EMUL_RSP] + (rnd() & 0xff);
}

/* ---- all of it ---- */

static enum emul_result decode_fetch(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				     unsigned int *got)
{
	const struct test_case *t = c->priv;
	u64 off = addr - (t->place->at.cs_base + t->rip);
	unsigned int i;

	for (i = 0; i < len; i++)
		((u8 *)buf)[i] = off + i < sizeof(t->insn) ? t->insn[off + i] : INT3;
	*got = len;
	return EMUL_DONE;
}

static void decode(struct test_case *t)
{
	static const struct emul_ops ops = { .fetch = decode_fetch };
	struct emul_ctxt c = t->place->c;

	c.ops = &ops;
	c.priv = t;
	c.rip = t->rip;
	t->decoded = emul_decode(&t->i, &c);
}

/* In the second page of code, now and then across its end. */
static u64 rnd_rip(const struct place *p)
{
	u64 off = chance(85) ? 0x1800 : 0x2000 - 1 - rnd() % 14;

	return p->at.code - p->at.cs_base + off;
}

/* Outside long mode registers have 32 bits. */
static void state_narrow(struct test_case *t)
{
	unsigned int i;

	if (t->place->mode == EMUL_LONG)
		return;
	for (i = 0; i < 8; i++) {
		if (t->place->mode != EMUL_PROT32 && chance(60))
			t->gpr[i] = (u16)t->gpr[i];
		t->gpr[i] = (u32)t->gpr[i];
	}
	if (t->place->rsp_high)
		t->gpr[EMUL_RSP] = (u16)t->gpr[EMUL_RSP] | t->place->rsp_high;
}

void gen_case(struct test_case *t, const struct place *p, unsigned long nr)
{
	struct combination k = combination(p->mode, nr);
	u8 buf[48];
	struct writer b = { .p = buf, .k = &k, .mode = p->mode };

	t->slot = k.slot;
	t->place = p;
	t->rip = rnd_rip(p);
	put_insn(&b);
	memcpy(t->insn, buf, 15);
	t->insn[15] = INT3;
	decode(t);
	state_registers(t);
	state_memory(t);
	state_vectors(t);
	state_narrow(t);
	aim_implied(t);
	aim(t);
	if (p->mode != EMUL_LONG)
		state_narrow(t);
	decode(t);		/* what was patched */
}

// SPDX-License-Identifier: GPL-2.0
/*
 * unicorn.c - libunicorn, the core of an older QEMU, as an oracle in all modes, at CPL 0
 *
 * What it lacks or gets wrong is in allow.c.
 */
#include <stddef.h>
#include <unicorn/unicorn.h>
#include "oracle.h"

#define GDT		0x37650000U	/* where no edge value leads */
#define LOW_CODE	0x10000U	/* below 1 MiB, for real mode */
#define LOW_DATA	0x28000U
#define HIGH_CODE	0x20000000U
#define HIGH_DATA	0x20010000U
#define FS_BASE		0x1230U
#define GS_BASE		0x40U
#define VECTOR_DF	8

enum { GDT_CODE = 1, GDT_DATA, GDT_FS, GDT_GS, NR_GDT };

static u8 code_page[CODE_SIZE] __attribute__((aligned(4096)));
static u8 data_page[DATA_SIZE] __attribute__((aligned(4096)));
static u8 gdt_page[PAGE_SIZE] __attribute__((aligned(4096)));

static const int reg_ids[16] = {
	UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP,
	UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8, UC_X86_REG_R9,
	UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14,
	UC_X86_REG_R15,
};

static const int reg_ids32[8] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX, UC_X86_REG_ESP,
	UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI,
};

static struct outcome *got;

static void on_interrupt(uc_engine *uc, u32 number, void *priv)
{
	got->vector = number;
	uc_emu_stop(uc);
}

static u32 on_in(uc_engine *uc, u32 port, int size, void *priv)
{
	u32 val = world_port_value(port, size);

	world_note_port(got, port, size, false, val);
	return val;
}

static void on_out(uc_engine *uc, u32 port, int size, u32 val, void *priv)
{
	world_note_port(got, port, size, true, val);
}

static bool on_invalid(uc_engine *uc, uc_mem_type type, u64 addr, int size, s64 val, void *priv)
{
	bool fetch = type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT;

	got->vector = fetch ? NO_VECTOR : VECTOR_PF;
	return false;
}

static bool unicorn_hooks(uc_engine *uc)
{
	static uc_hook h[4];

	return !uc_hook_add(uc, &h[0], UC_HOOK_INTR, on_interrupt, NULL, 1, 0) &&
	       !uc_hook_add(uc, &h[1], UC_HOOK_MEM_INVALID, on_invalid, NULL, 1, 0) &&
	       !uc_hook_add(uc, &h[2], UC_HOOK_INSN, on_in, NULL, 1, 0, UC_X86_INS_IN) &&
	       !uc_hook_add(uc, &h[3], UC_HOOK_INSN, on_out, NULL, 1, 0, UC_X86_INS_OUT);
}

static bool unicorn_map(uc_engine *uc, const struct layout *at)
{
	memset(code_page, INT3, CODE_SIZE);
	return !uc_mem_map_ptr(uc, at->code, CODE_SIZE, UC_PROT_READ | UC_PROT_EXEC, code_page) &&
	       !uc_mem_map_ptr(uc, at->data, DATA_SIZE, UC_PROT_READ | UC_PROT_WRITE, data_page) &&
	       !uc_mem_map_ptr(uc, GDT, PAGE_SIZE, UC_PROT_ALL, gdt_page);
}

/* ---- modes ---- */

static u64 descriptor(u32 base, bool code, bool wide)
{
	u64 limit = wide ? 0xfffff : 0xffff;
	u64 d = (limit & 0xffff) | (limit >> 16) << 48 | (u64)(base & 0xffffff) << 16 |
		(u64)(base >> 24) << 56;

	return d | (code ? 0x9bULL : 0x93ULL) << 40 | (wide ? 0xcULL << 52 : 0);
}

static void write_reg(uc_engine *uc, int id, u64 val)
{
	uc_reg_write(uc, id, &val);
}

static void load_selectors(uc_engine *uc, struct place *p)
{
	static const struct {
		enum emul_seg seg;
		int id;
		u16 sel;
	} regs[] = {
		{ EMUL_SS, UC_X86_REG_SS, GDT_DATA << 3 }, { EMUL_DS, UC_X86_REG_DS, GDT_DATA << 3 },
		{ EMUL_ES, UC_X86_REG_ES, GDT_DATA << 3 }, { EMUL_FS, UC_X86_REG_FS, GDT_FS << 3 },
		{ EMUL_GS, UC_X86_REG_GS, GDT_GS << 3 }, { EMUL_CS, UC_X86_REG_CS, GDT_CODE << 3 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		p->c.seg[regs[i].seg].sel = regs[i].sel;
		write_reg(uc, regs[i].id, regs[i].sel);
	}
}

static void enter_protected(uc_engine *uc, struct place *p)
{
	bool wide = p->mode == EMUL_PROT32;
	uc_x86_mmr gdtr = { .base = GDT, .limit = NR_GDT * 8 - 1 };
	u64 d[NR_GDT] = {
		[GDT_CODE] = descriptor(p->at.cs_base, true, wide),
		[GDT_DATA] = descriptor(p->at.data_base, false, wide),
		[GDT_FS] = descriptor(p->c.seg[EMUL_FS].base, false, wide),
		[GDT_GS] = descriptor(p->c.seg[EMUL_GS].base, false, wide),
	};

	memcpy(gdt_page, d, sizeof(d));
	uc_reg_write(uc, UC_X86_REG_GDTR, &gdtr);
	load_selectors(uc, p);
}

static const int sreg_ids[EMUL_NR_SEGS] = {
	UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS,
};

static void enter_real(uc_engine *uc, const struct place *p)
{
	unsigned int i;

	for (i = 0; i < EMUL_NR_SEGS; i++)
		write_reg(uc, sreg_ids[i], p->c.seg[i].sel);
}

static const char *unicorn_mode(uc_engine *uc, struct place *p)
{
	unsigned int i;
	u64 cr0 = 0, cr4 = 0;

	p->c.seg[EMUL_FS].base = p->at.data_base + (p->mode == EMUL_REAL ? 0x20 : FS_BASE);
	p->c.seg[EMUL_GS].base = p->at.data_base + GS_BASE;
	if (p->mode == EMUL_LONG) {
		write_reg(uc, UC_X86_REG_FS_BASE, p->c.seg[EMUL_FS].base);
		write_reg(uc, UC_X86_REG_GS_BASE, p->c.seg[EMUL_GS].base);
	} else if (p->mode == EMUL_REAL) {
		for (i = 0; i < EMUL_NR_SEGS; i++)
			p->c.seg[i].sel = p->c.seg[i].base >> 4;
		enter_real(uc, p);
	} else {
		enter_protected(uc, p);
	}
	uc_reg_read(uc, UC_X86_REG_CR4, &cr4);
	write_reg(uc, UC_X86_REG_CR4, cr4 | X86_CR4_OSFXSR);
	uc_reg_read(uc, UC_X86_REG_CR0, &cr0);
	p->c.cr0 = cr0;
	return NULL;
}

static uc_engine *unicorn_open(struct place *p, enum emul_mode mode, const char **why)
{
	static const uc_mode uc_modes[NR_MODES] = {
		[EMUL_REAL] = UC_MODE_16, [EMUL_PROT16] = UC_MODE_32, [EMUL_PROT32] = UC_MODE_32,
		[EMUL_LONG] = UC_MODE_64,
	};
	bool real = mode == EMUL_REAL, small = real || mode == EMUL_PROT16;
	struct layout at = { .code = real ? LOW_CODE : HIGH_CODE,
			     .data = real ? LOW_DATA : HIGH_DATA };
	uc_engine *uc;

	at.cs_base = small ? at.code - CODE_OFFSET : 0;
	at.data_base = small ? at.data - DATA_OFFSET : 0;
	place_init(p, mode, &at);
	p->oracle = "unicorn";
	p->id = AT_UNICORN;
	p->ports = true;
	p->vague = true;
	p->c.amd_branch16 = true;
	p->random_flags = FLAGS_ARITH | FLAG_DF;
	p->fixed_flags = 2;
	*why = "libunicorn does not open";
	if (uc_open(UC_ARCH_X86, uc_modes[mode], &uc))
		return NULL;
	if (!unicorn_map(uc, &at) || !unicorn_hooks(uc))
		return NULL;
	*why = unicorn_mode(uc, p);
	return *why ? NULL : uc;
}

/* ---- one case ---- */

static void put_state(uc_engine *uc, const struct test_case *t)
{
	bool wide = t->place->mode == EMUL_LONG;
	unsigned int i;

	for (i = 0; i < (wide ? 16 : 8); i++)
		uc_reg_write(uc, wide ? reg_ids[i] : reg_ids32[i], &t->gpr[i]);
	for (i = 0; i < 16 && t->i.op->exec == exec_vec_move; i++)
		uc_reg_write(uc, UC_X86_REG_XMM0 + i, t->ymm[i]);
	write_reg(uc, UC_X86_REG_EFLAGS, t->rflags);
}

static void get_state(uc_engine *uc, const struct test_case *t)
{
	bool wide = t->place->mode == EMUL_LONG;
	unsigned int i;

	memset(got->gpr, 0, sizeof(got->gpr));
	memset(got->sel, 0, sizeof(got->sel));
	for (i = 0; i < (wide ? 16 : 8); i++)
		uc_reg_read(uc, wide ? reg_ids[i] : reg_ids32[i], &got->gpr[i]);
	memcpy(got->ymm, t->ymm, sizeof(got->ymm));
	for (i = 0; i < 16 && t->i.op->exec == exec_vec_move; i++)
		uc_reg_read(uc, UC_X86_REG_XMM0 + i, got->ymm[i]);
	got->msw = 0;
	got->rip = 0;
	got->rflags = 0;
	uc_reg_read(uc, wide ? UC_X86_REG_RIP : UC_X86_REG_EIP, &got->rip);
	uc_reg_read(uc, UC_X86_REG_EFLAGS, &got->rflags);
	for (i = 0; i < EMUL_NR_SEGS && t->place->mode == EMUL_REAL; i++)
		uc_reg_read(uc, sreg_ids[i], &got->sel[i]);
	uc_reg_read(uc, UC_X86_REG_CR0, &got->msw);
	got->msw &= MSW_BITS;
	memcpy(got->mem, data_page, DATA_SIZE);
}

/* The machine status word as it was: a register written from outside does not do it all. */
static void restore_msw(uc_engine *uc, const struct test_case *t)
{
	static struct outcome nobodys;
	struct outcome *was = got;
	static const u8 mov_cr0_rax[] = { 0x0f, 0x22, 0xc0 };
	u64 off = t->place->at.cs_base + t->rip - t->place->at.code;

	memcpy(code_page + off, mov_cr0_rax, sizeof(mov_cr0_rax));
	uc_ctl_remove_cache(uc, t->place->at.code, t->place->at.code + CODE_SIZE);
	write_reg(uc, t->place->mode == EMUL_LONG ? UC_X86_REG_RAX : UC_X86_REG_EAX,
		  t->place->c.cr0);
	got = &nobodys;
	uc_emu_start(uc, t->rip, 0, 0, 0);
	got = was;
	memset(code_page + off, INT3, sizeof(mov_cr0_rax));
}

static void run_one(uc_engine *uc, const struct test_case *t)
{
	u64 at = t->place->at.cs_base + t->rip, off = at - t->place->at.code;
	unsigned int len = t->i.pos;
	/* Unicorn counts from the segment's base in real mode only. */
	u64 start = t->place->mode == EMUL_REAL ? at : t->rip;
	uc_err err;

	got->vector = NO_VECTOR;
	got->has_error = false;
	got->ports = 0;
	memcpy(data_page, t->mem, DATA_SIZE);
	memcpy(code_page + off, t->insn, len);
	uc_ctl_remove_cache(uc, t->place->at.code, t->place->at.code + CODE_SIZE);
	put_state(uc, t);
	/* Until an INT3: with the address of the end given, exceptions there get lost. */
	err = uc_emu_start(uc, start, 0, 0, 0);
	get_state(uc, t);
	memset(code_page + off, INT3, len);
	/* After its first such exception the engine stops without a word. */
	if (err == UC_ERR_INSN_INVALID || (!err && got->vector == NO_VECTOR && got->rip == t->rip))
		got->vector = SOME_VECTOR;
	if (got->vector == VECTOR_DF)	/* the one before was not delivered */
		got->vector = SOME_VECTOR;
	/* INT3 at a branch's target */
	if (got->vector == 3) {
		got->vector = NO_VECTOR;
		got->rip--;
	}
}

static bool inside(const struct test_case *t, u64 rip)
{
	return rip >= t->rip && rip < t->rip + t->i.pos;
}

static void one_case(uc_engine *uc, struct test_case *t, struct tally *n)
{
	static struct outcome emul, oracle;
	enum emul_result r;

	n->cases++;
	if (t->decoded != EMUL_DONE || excluded(t)) {
		n->excluded++;
		return;
	}
	r = world_run(t, &emul);
	if (r == EMUL_UNHANDLED) {
		n->unhandled++;
		return;
	}
	if (r == EMUL_DONE && inside(t, emul.rip)) {
		n->unsafe++;
		return;
	}
	got = &oracle; if (getenv("TRACE")) { char h[64]; print_hex(h, t->insn, t->i.pos); fprintf(stderr, "%s rip %llx\n", h, t->rip); }
	run_one(uc, t);
	if (t->place->mode == EMUL_REAL)
		enter_real(uc, t->place);	/* MOV and POP load segments there */
	if (t->i.op->exec == exec_lmsw)
		restore_msw(uc, t);
	judge(t, &emul, &oracle, n);
}

void unicorn_run(struct run *r)
{
	static struct test_case t;
	static struct place p;
	unsigned long i;
	uc_engine *uc;

	uc = unicorn_open(&p, r->mode, &r->skip);
	if (!uc)
		return;
	for (i = 0; i < r->cases; i++) {
		rnd_start(gen_seed ^ (i + 1) * 0x9e3779b97f4a7c15ULL);
		gen_case(&t, &p, i);
		one_case(uc, &t, r->n);
	}
	uc_close(uc);
}

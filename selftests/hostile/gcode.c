// SPDX-License-Identifier: GPL-2.0
/*
 * gcode.c - families of hostile instructions
 *
 * Registers are loaded at once before each instruction: nothing is kept from one to the
 * next, so any of them may fault.
 */
#include <string.h>
#include "gcode.h"

struct gen {
	struct rng *r;
	u8 *buf;		/* of size bytes */
	size_t size, len;
	u32 at;			/* the guest's address of buf */
	enum gmode mode;
};

enum { AX, CX, DX, BX, SP, BP, SI, DI };

/* ---- assembling ---- */

static void put(struct gen *g, u64 val, unsigned int bytes)
{
	while (bytes-- && g->len < g->size) {
		g->buf[g->len++] = val;
		val >>= 8;
	}
}

/* Bytes given as a string: put_code(g, "\x0f\x30"). */
#define put_code(g, s)	put_bytes(g, s, sizeof(s) - 1)

static void put_bytes(struct gen *g, const char *s, size_t n)
{
	while (n--)
		put(g, (u8)*s++, 1);
}

/* The prefix that makes operands of 32 bits, or addresses. */
static void wide(struct gen *g)
{
	if (g->mode == G_REAL)
		put(g, 0x66, 1);
}

static void wide_address(struct gen *g)
{
	if (g->mode == G_REAL)
		put(g, 0x67, 1);
}

static void mov(struct gen *g, unsigned int reg, u64 val)
{
	if (g->mode == G_LONG && val >> 32) {
		put(g, 0x48, 1);
		put(g, 0xb8 + reg, 1);
		put(g, val, 8);
		return;
	}
	wide(g);
	put(g, 0xb8 + reg, 1);
	put(g, val, 4);
}

/* mov dword [address], value; by a register, since 64 bit code has no such address. */
static void store(struct gen *g, u64 address, u32 val)
{
	mov(g, BX, address);
	wide_address(g);
	wide(g);
	put_code(g, "\xc7\x03");
	put(g, val, 4);
}

/* ---- what means something ---- */

u64 gcode_address(struct rng *r)
{
	static const u64 places[] = {
		0xfee00000, 0xfee00000, 0xfee00000, 0xfec00000, 0xfec00000, 0xfed00000,
		0xa0000, 0, G_TABLES, G_IDT, G_GDT, G_TSS, G_CODE, G_STACK, G_DATA,
		GUEST_MEM - PAGE, GUEST_MEM, GUEST_ROM, GUEST_LOG, GUEST_HOLE, GUEST_HIGH,
		0xfffbd000, 0xfffbc000, 0xfffff000, 0xe0000,
	};
	u64 a = rng_pick(r, places);

	switch (rng_below(r, 8)) {
	case 0: return rng_boundary(r);
	case 1: return a + PAGE - 1 - rng_below(r, 8);	/* across the end of a page */
	case 2: return a - 1 - rng_below(r, 4);
	case 3: return a + rng_below(r, PAGE);
	default: return a + rng_below(r, 64) * 16;	/* registers of APICs are there */
	}
}

u32 gcode_msr(struct rng *r)
{
	static const u32 msrs[] = {
		0x10, 0x11, 0x12, 0x17, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x79, 0x8b, 0xc1, 0xce,
		0xcd, 0xe1, 0xe7, 0xe8, 0xfe, 0x10a, 0x10b, 0x11e, 0x122, 0x140, 0x174, 0x175,
		0x176, 0x179, 0x17a, 0x17b, 0x186, 0x198, 0x199, 0x19a, 0x19c, 0x1a0, 0x1a2,
		0x1ad, 0x1c9, 0x1d9, 0x1db, 0x1dc, 0x1dd, 0x1de, 0x200, 0x201, 0x20f, 0x250,
		0x258, 0x259, 0x268, 0x26f, 0x277, 0x2ff, 0x300, 0x309, 0x345, 0x38d, 0x38f,
		0x390, 0x400, 0x401, 0x402, 0x403, 0x47f, 0x480, 0x48b, 0x491, 0x560, 0x600,
		0x606, 0x6e0, 0xc80, 0xd90, 0xda0, 0x4b564d00, 0x4b564d01, 0x4b564d02,
		0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06, 0x4b564d07, 0x40000000,
		0x40000001, 0x40000020, 0x40000070, 0x40000073, 0x40000118, 0xc0000080,
		0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101,
		0xc0000102, 0xc0000103, 0xc0000104, 0xc0010000, 0xc0010004, 0xc0010010,
		0xc0010015, 0xc001001f, 0xc0010055, 0xc0010058, 0xc0010061, 0xc0010062,
		0xc0010063, 0xc0010064, 0xc0010112, 0xc0010113, 0xc0010114, 0xc0010115,
		0xc0010117, 0xc001011f, 0xc0010131, 0xc0010140, 0xc0011020, 0xc0011022,
		0xc0011023, 0xc0011029, 0xc001102c, 0xc0011030,
	};

	switch (rng_below(r, 8)) {
	case 0: return rng_next(r);
	case 1: return 0x800 + rng_below(r, 0x100);	/* x2APIC */
	case 2: return rng_below(r, 0x1000);
	case 3: return (rng_one_in(r, 2) ? 0xc0000000 : 0xc0010000) + rng_below(r, 0x2100);
	default: return rng_pick(r, msrs);
	}
}

u16 gcode_port(struct rng *r)
{
	static const u16 ports[] = {
		0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x4d0, 0x4d1, 0x60, 0x64,
		0x70, 0x71, 0x80, 0x92, 0xb2, 0x3f8, 0xcf8, 0xcfc, 0xffff, 0xfffe, 0,
	};
	u16 p = rng_one_in(r, 4) ? rng_next(r) : rng_pick(r, ports);

	return p == GCODE_PORT ? p + 4 : p;
}

u64 gcode_msr_value(struct rng *r)
{
	static const u64 values[] = {
		0xd01, 0x500, 0x100, 0xfee00900, 0xfee00d00, 0xfee00c00, 0xfee00800, 0xfee00000,
		0x1fee00900, 0x0007040600070406, 0x0606060606060606, G_DATA | 1, G_TABLES | 1,
		(GUEST_MEM - 16) | 1, GUEST_ROM | 1, GUEST_LOG | 1, GUEST_HOLE | 1, 0x800000000000,
		0x7fffffffffff, 0xffff800000000000, 0x20040, 0xc4040, 0xc4500, 0xf00000fd,
	};

	return rng_one_in(r, 2) ? rng_pick(r, values) : rng_boundary(r);
}

/* ---- families ---- */

static void gen_bytes(struct gen *g)
{
	unsigned int n = 1 + rng_below(g->r, 40);

	while (n--)
		put(g, rng_next(g->r), 1);
}

static void gen_rdmsr(struct gen *g)
{
	mov(g, CX, gcode_msr(g->r));
	put_code(g, "\x0f\x32");
}

static void gen_wrmsr(struct gen *g)
{
	u64 val = gcode_msr_value(g->r);

	mov(g, CX, gcode_msr(g->r));
	mov(g, AX, (u32)val);
	mov(g, DX, val >> 32);
	put_code(g, "\x0f\x30");
}

/* Read, flip a bit or two, write back. */
static void gen_flip_msr(struct gen *g)
{
	mov(g, CX, gcode_msr(g->r));
	put_code(g, "\x0f\x32");
	wide(g);
	if (rng_one_in(g->r, 4))
		put_code(g, "\x81\xf2");	/* xor edx */
	else
		put(g, 0x35, 1);		/* xor eax */
	put(g, 1U << rng_below(g->r, 32), 4);
	put_code(g, "\x0f\x30");
}

static void gen_port(struct gen *g)
{
	static const u8 ops[] = { 0xec, 0xed, 0xee, 0xef };

	mov(g, AX, rng_boundary(g->r));
	mov(g, DX, gcode_port(g->r));
	if (rng_one_in(g->r, 3))
		put(g, 0x66, 1);
	put(g, rng_pick(g->r, ops), 1);
	if (rng_one_in(g->r, 4)) {
		put(g, 0xe4 + rng_below(g->r, 4), 1);
		put(g, gcode_port(g->r), 1);
	}
}

static void gen_string_io(struct gen *g)
{
	static const u8 ops[] = { 0x6c, 0x6d, 0x6e, 0x6f };

	mov(g, DX, gcode_port(g->r));
	mov(g, CX, rng_one_in(g->r, 4) ? rng_boundary(g->r) : rng_below(g->r, 40));
	mov(g, SI, gcode_address(g->r));
	mov(g, DI, gcode_address(g->r));
	put(g, rng_one_in(g->r, 3) ? 0xfd : 0xfc, 1);	/* std, cld */
	if (rng_one_in(g->r, 2))
		put(g, rng_one_in(g->r, 2) ? 0xf3 : 0xf2, 1);
	if (rng_one_in(g->r, 3))
		put(g, 0x66, 1);
	wide_address(g);
	put(g, rng_pick(g->r, ops), 1);
}

/* One instruction on [BX], of those that the emulator knows and some that it does not. */
static void memory_op(struct gen *g)
{
	static const struct {
		u8 len, code[4], imm;
	} ops[] = {
		{ 1, { 0x88 }, 0 }, { 1, { 0x89 }, 0 }, { 1, { 0x8a }, 0 }, { 1, { 0x8b }, 0 },
		{ 1, { 0x89 }, 0 }, { 1, { 0x8b }, 0 }, { 1, { 0xc6 }, 1 }, { 1, { 0xc7 }, 4 },
		{ 2, { 0x0f, 0xb6 }, 0 }, { 2, { 0x0f, 0xb7 }, 0 }, { 2, { 0x0f, 0xbe }, 0 },
		{ 1, { 0x63 }, 0 }, { 1, { 0x01 }, 0 }, { 1, { 0x09 }, 0 }, { 1, { 0x21 }, 0 },
		{ 1, { 0x29 }, 0 }, { 1, { 0x31 }, 0 }, { 1, { 0x39 }, 0 }, { 1, { 0x85 }, 0 },
		{ 1, { 0x87 }, 0 }, { 2, { 0xf0, 0x01 }, 0 }, { 2, { 0x0f, 0xb1 }, 0 },
		{ 2, { 0x0f, 0xc7 }, 0 }, { 2, { 0x0f, 0xc1 }, 0 }, { 1, { 0xff }, 0 },
		{ 1, { 0xf7 }, 4 }, { 1, { 0x81 }, 4 }, { 1, { 0x83 }, 1 }, { 1, { 0xd3 }, 0 },
		{ 1, { 0xc1 }, 1 }, { 1, { 0x8f }, 0 }, { 2, { 0x0f, 0xab }, 0 },
		{ 2, { 0x0f, 0xba }, 1 }, { 2, { 0x0f, 0x11 }, 0 }, { 2, { 0x0f, 0x29 }, 0 },
		{ 3, { 0x66, 0x0f, 0x6f }, 0 }, { 3, { 0x66, 0x0f, 0xe7 }, 0 },
		{ 2, { 0x0f, 0xae }, 0 }, { 2, { 0x0f, 0x00 }, 0 }, { 2, { 0x0f, 0x01 }, 0 },
		{ 1, { 0x62 }, 0 }, { 1, { 0xc4 }, 0 }, { 1, { 0x8e }, 0 }, { 1, { 0x8c }, 0 },
		{ 1, { 0xd9 }, 0 }, { 1, { 0xdd }, 0 }, { 2, { 0x0f, 0xc3 }, 0 },
		{ 3, { 0x0f, 0x38, 0xf0 }, 0 }, { 2, { 0x0f, 0x20 }, 0 },
	};
	unsigned int i = rng_below(g->r, ARRAY_SIZE(ops)), k;
	u64 imm = rng_boundary(g->r);

	wide_address(g);
	if (rng_one_in(g->r, 4))
		put(g, 0x66, 1);
	if (rng_one_in(g->r, 12))
		put(g, 0xf0, 1);
	if (g->mode == G_LONG && rng_one_in(g->r, 3))
		put(g, 0x40 | rng_below(g->r, 16) * 4, 1);
	for (k = 0; k < ops[i].len; k++)
		put(g, ops[i].code[k], 1);
	put(g, 0x03 | rng_below(g->r, 8) << 3, 1);
	put(g, imm, ops[i].imm);
}

static void gen_memory(struct gen *g)
{
	mov(g, AX, rng_boundary(g->r));
	mov(g, CX, rng_boundary(g->r));
	mov(g, BX, gcode_address(g->r));
	memory_op(g);
}

static void gen_string(struct gen *g)
{
	static const u8 ops[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };

	mov(g, CX, rng_one_in(g->r, 4) ? rng_boundary(g->r) : rng_below(g->r, 40));
	mov(g, SI, gcode_address(g->r));
	mov(g, DI, gcode_address(g->r));
	put(g, rng_one_in(g->r, 3) ? 0xfd : 0xfc, 1);
	put(g, rng_one_in(g->r, 2) ? 0xf3 : 0xf2, 1);
	wide_address(g);
	put(g, rng_pick(g->r, ops), 1);
}

/* APICs by their registers, with values of the right kind. */
static void gen_apic(struct gen *g)
{
	static const u16 regs[] = {
		0x20, 0x30, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x330,
		0x340, 0x350, 0x360, 0x370, 0x380, 0x390, 0x3e0, 0x3f0, 0x2f0,
	};
	u32 val = rng_one_in(g->r, 2) ? rng_boundary(g->r) :
		  rng_below(g->r, 256) | rng_below(g->r, 8) << 8 | rng_below(g->r, 64) << 12;

	if (rng_one_in(g->r, 4)) {
		store(g, 0xfec00000, rng_below(g->r, 0x48));
		store(g, 0xfec00010 + rng_below(g->r, 4) * 16, val);
	} else if (rng_one_in(g->r, 2)) {
		mov(g, CX, 0x800 + (rng_pick(g->r, regs) >> 4));
		mov(g, AX, val);
		mov(g, DX, rng_one_in(g->r, 2) ? 0 : rng_boundary(g->r));
		put_code(g, "\x0f\x30");
	} else {
		store(g, 0xfee00000 + rng_pick(g->r, regs), val);
	}
	if (rng_one_in(g->r, 4))
		put(g, 0xfb, 1);	/* sti */
}

static void gen_cr(struct gen *g)
{
	static const u8 crs[] = { 0, 0, 2, 3, 4, 4, 8, 1, 5 };
	u8 cr = rng_pick(g->r, crs), modrm = 0xc0 | (cr & 7) << 3;
	bool rex = cr == 8;

	if (rex)
		put(g, g->mode == G_LONG ? 0x44 : 0xf0, 1);
	put_code(g, "\x0f\x20");
	put(g, modrm, 1);
	wide(g);
	put(g, 0x35, 1);
	put(g, rng_one_in(g->r, 4) ? rng_boundary(g->r) : 1U << rng_below(g->r, 32), 4);
	/* TCG ends guests that write high bits into CR3, see is_tcg_cr3() in guests.c. */
	if (rng_one_in(g->r, 4))
		mov(g, AX, cr == 3 && on_host("amd") ? (u32)rng_boundary(g->r) :
						       rng_boundary(g->r));
	if (rex)
		put(g, g->mode == G_LONG ? 0x44 : 0xf0, 1);
	put_code(g, "\x0f\x22");
	put(g, modrm, 1);
}

/* Switches of mode that are nearly right: PAE, LME, PG in some order, then a far jump. */
static void gen_mode(struct gen *g)
{
	static const u16 selectors[] = { 0x08, 0x18, 0x20, 0x28, 0x58, 0x60 };
	static const u32 cr0s[] = { 0x80000011, 0x80000033, 0x11, 0x10, 0x60000010, 0x80010011 };
	static const u32 cr4s[] = { 0x20, 0x620, 0, 0x10, 0xb0, 0x1620, 0x20620, 0x40620 };
	static const u32 efers[] = { 0x100, 0x500, 0, 0x900, 0xd01, 0x1d01 };
	unsigned int n = 1 + rng_below(g->r, 4);

	while (n--) {
		switch (rng_below(g->r, 4)) {
		case 0:
			mov(g, AX, rng_pick(g->r, cr0s));
			put_code(g, "\x0f\x22\xc0");
			break;
		case 1:
			mov(g, AX, rng_pick(g->r, cr4s));
			put_code(g, "\x0f\x22\xe0");
			break;
		case 2:
			mov(g, CX, 0xc0000080);
			mov(g, AX, rng_pick(g->r, efers));
			mov(g, DX, 0);
			put_code(g, "\x0f\x30");
			break;
		default:
			mov(g, AX, G_TABLES + rng_below(g->r, 8) * PAGE);
			put_code(g, "\x0f\x22\xd8");
		}
	}
	if (rng_one_in(g->r, 2))
		return;
	/* push selector; push address; retf */
	mov(g, AX, rng_pick(g->r, selectors));
	wide(g);
	put(g, 0x50, 1);
	mov(g, AX, g->at + (g->len | (GCODE_UNIT - 1)) + 1);
	wide(g);
	put(g, 0x50, 1);
	wide(g);
	put(g, 0xcb, 1);
}

static void gen_dr(struct gen *g)
{
	mov(g, AX, rng_one_in(g->r, 2) ? rng_boundary(g->r) : g->at + rng_below(g->r, 1024));
	put_code(g, "\x0f\x23");
	put(g, 0xc0 | rng_below(g->r, 8) << 3, 1);
	mov(g, AX, 0x700 | rng_next(g->r));
	put_code(g, "\x0f\x23\xf8");
	put_code(g, "\x0f\x21");
	put(g, 0xc0 | rng_below(g->r, 8) << 3, 1);
	if (rng_one_in(g->r, 4))
		put_code(g, "\x9c\x58\x80\xcc\x01\x50\x9d\x90");	/* TF */
}

static void gen_xcr(struct gen *g)
{
	static const u64 values[] = { 1, 3, 7, 5, 0, 0xe7, 0x1f, 0x207, 0x60003 };
	u64 val = rng_one_in(g->r, 2) ? rng_pick(g->r, values) : rng_boundary(g->r);

	put_code(g, "\x0f\x20\xe0");
	wide(g);
	put_code(g, "\x0d\x00\x06\x04\x00");	/* or eax, OSXSAVE and OSFXSR */
	put_code(g, "\x0f\x22\xe0");
	mov(g, CX, rng_one_in(g->r, 8) ? rng_boundary(g->r) : 0);
	mov(g, AX, (u32)val);
	mov(g, DX, val >> 32);
	put_code(g, "\x0f\x01");
	put(g, rng_one_in(g->r, 4) ? 0xd0 : 0xd1, 1);
}

/* Entries with bits that are reserved, that point anywhere, or at themselves. */
static void gen_tables(struct gen *g)
{
	u64 entry = rng_one_in(g->r, 2) ? rng_boundary(g->r) :
		    ((gcode_address(g->r) & ~(PAGE - 1)) | rng_below(g->r, 0x200));
	u32 where = G_TABLES + (rng_below(g->r, G_TABLES_SIZE) & ~7);

	if (rng_one_in(g->r, 3))
		where = G_TABLES + rng_below(g->r, 8) * PAGE + rng_below(g->r, 4) * 8;
	store(g, where, entry);
	if (rng_one_in(g->r, 2))
		store(g, where + 4, entry >> 32);
	switch (rng_below(g->r, 3)) {
	case 0:
		put_code(g, "\x0f\x20\xd8\x0f\x22\xd8");	/* CR3 again */
		break;
	case 1:
		mov(g, BX, gcode_address(g->r));
		wide_address(g);
		put_code(g, "\x0f\x01\x3b");	/* invlpg */
		break;
	}
	mov(g, BX, rng_one_in(g->r, 2) ? gcode_address(g->r) : (u64)where << 18);
	memory_op(g);
}

/* GDT, IDT, TSS: garbage in, used at once. */
static void gen_descriptors(struct gen *g)
{
	static const char *const uses[] = {
		"\x0f\x00\xd0", "\x0f\x00\xd8", "\x8e\xd8", "\x8e\xc0", "\x8e\xd0", "\x8e\xe0",
		"\x8e\xe8", "\x0f\x02\xc0", "\x0f\x03\xc0", "\x0f\x00\xe0", "\x0f\x00\xe8",
		"\x0f\x00\xc8", "\x0f\x01\xf0", "\x0f\x01\xe0", "\x0f\x06\x90",
	};
	u32 base = rng_one_in(g->r, 2) ? G_GDT : G_IDT;

	store(g, base + rng_below(g->r, 64) * 4, rng_next(g->r));
	if (rng_one_in(g->r, 6)) {
		store(g, G_DATA, rng_next(g->r));
		store(g, G_DATA + 4, gcode_address(g->r));
		mov(g, BX, G_DATA);
		wide_address(g);
		put_code(g, "\x0f\x01");
		put(g, rng_one_in(g->r, 2) ? 0x13 : 0x1b, 1);	/* lgdt, lidt */
	}
	mov(g, AX, rng_below(g->r, 0x90));
	put_bytes(g, rng_pick(g->r, uses), 3);
}

static void gen_interrupt(struct gen *g)
{
	static const char *const ops[] = {
		"\xcc\x90", "\xce\x90", "\xf1\x90", "\x0f\x0b", "\xcf\x90", "\xcb\x90", "\x9d\x90",
		"\x0f\x05", "\x0f\x34", "\x0f\x35", "\x0f\x07", "\xfb\xf4", "\xfa\xf4", "\xfb\x90",
	};

	if (rng_one_in(g->r, 2)) {
		put(g, 0xcd, 1);
		put(g, rng_next(g->r), 1);
	} else {
		put_bytes(g, rng_pick(g->r, ops), 2);
	}
	if (rng_one_in(g->r, 6))
		mov(g, SP, gcode_address(g->r));
}

/* By jump, call, interrupt through a gate, and IRET with NT. */
static void gen_task(struct gen *g)
{
	static const u8 selectors[] = { 0x30, 0x38, 0x40, 0x48, 0x50 };
	u8 selector = rng_pick(g->r, selectors);

	if (rng_one_in(g->r, 2)) {
		mov(g, AX, selector);
		put_code(g, "\x0f\x00\xd8");	/* ltr */
	}
	switch (rng_below(g->r, 3)) {
	case 0:
		put_code(g, "\x9c\x58\x80\xcc\x40\x50\x9d\xcf");	/* NT, iret */
		break;
	case 1:
		put(g, 0xcd, 1);
		put(g, 0x30, 1);	/* a task gate is there */
		break;
	default:
		if (g->mode == G_LONG)
			return;
		put(g, rng_one_in(g->r, 2) ? 0xea : 0x9a, 1);
		put(g, 0, g->mode == G_REAL ? 2 : 4);
		put(g, selector, 2);
	}
}

static void gen_hypercall(struct gen *g)
{
	mov(g, AX, rng_one_in(g->r, 6) ? rng_boundary(g->r) : rng_below(g->r, 13));
	mov(g, BX, rng_one_in(g->r, 2) ? rng_below(g->r, 4) : rng_boundary(g->r));
	mov(g, CX, rng_one_in(g->r, 2) ? rng_below(g->r, 4) : rng_boundary(g->r));
	mov(g, DX, rng_one_in(g->r, 2) ? 0 : rng_boundary(g->r));
	mov(g, SI, rng_one_in(g->r, 2) ? rng_below(g->r, 0x800) : rng_boundary(g->r));
	if (rng_one_in(g->r, 8))
		put(g, 0xfb, 1);
	put_code(g, "\x0f\x01");
	put(g, rng_one_in(g->r, 2) ? 0xd9 : 0xc1, 1);
}

/* Virtualization and other things that a guest shall not have. */
static void gen_privileged(struct gen *g)
{
	static const char *const ops[] = {
		"\x0f\x01\xd8", "\x0f\x01\xda", "\x0f\x01\xdb", "\x0f\x01\xdc", "\x0f\x01\xdd",
		"\x0f\x01\xde", "\x0f\x01\xdf", "\x0f\x01\xc2", "\x0f\x01\xc3", "\x0f\x01\xc4",
		"\x0f\x01\xd4", "\x0f\x01\xc8", "\x0f\x01\xc9", "\x0f\x01\xfa", "\x0f\x01\xfb",
		"\x0f\x01\xfc", "\x0f\x01\xfd", "\x0f\x01\xf9", "\x0f\x01\xf8", "\x0f\x01\xca",
		"\x0f\x01\xcf", "\x0f\x01\xd7", "\x0f\x01\xc5", "\x0f\x01\xee", "\x0f\x33\x90",
		"\x0f\x31\x90", "\x0f\x08\x90", "\x0f\x09\x90", "\x0f\x37\x90", "\x0f\xaa\x90",
		"\xf3\x90\x90", "\x0f\xa2\x90", "\x0f\x78\xc0", "\x0f\x79\xc0", "\x0f\xc7\x33",
		"\x0f\xc7\x3b", "\x0f\xc7\xf0", "\x0f\xc7\xf8", "\x0f\xae\x23", "\x0f\xae\x2b",
		"\x0f\xc7\x23", "\x0f\xc7\x1b",
	};
	static const u8 inv[] = { 0x80, 0x81, 0x82 };

	mov(g, AX, rng_one_in(g->r, 2) ? rng_below(g->r, 32) : gcode_address(g->r));
	mov(g, CX, rng_one_in(g->r, 2) ? rng_below(g->r, 8) : rng_boundary(g->r));
	mov(g, BX, gcode_address(g->r));
	if (rng_one_in(g->r, 6)) {
		put_code(g, "\x66\x0f\x38");	/* invept, invvpid, invpcid */
		put(g, rng_pick(g->r, inv), 1);
		put(g, 0x03, 1);
	} else {
		if (rng_one_in(g->r, 8))
			put(g, rng_one_in(g->r, 2) ? 0xf3 : 0x66, 1);
		put_bytes(g, rng_pick(g->r, ops), 3);
	}
}

/* Write into what comes next, or what has been. */
static void gen_self(struct gen *g)
{
	u32 near = g->at + g->len + rng_below(g->r, 256) - 64;

	store(g, near, rng_next(g->r));
}

/* Go where code should not be: the end of the slot, holes, MMIO, other places. */
static void gen_jump(struct gen *g)
{
	u64 to = rng_one_in(g->r, 2) ? GUEST_MEM - 1 - rng_below(g->r, 16) : gcode_address(g->r);

	if (g->mode == G_REAL) {
		put(g, 0xea, 1);
		put(g, to & 0xf, 2);
		put(g, to >> 4, 2);
		return;
	}
	mov(g, AX, to);
	put_code(g, "\xff");
	put(g, rng_one_in(g->r, 2) ? 0xe0 : 0xd0, 1);
}

/* Some turns of a loop of what went before. */
static void gen_loop(struct gen *g)
{
	mov(g, CX, rng_below(g->r, 50));
	put_code(g, "\x90\xe2\xfd");
	if (rng_one_in(g->r, 8))
		put_code(g, "\xf3\x90\xeb\xfc");	/* for ever, with PAUSE */
}

static void gen_prefixes(struct gen *g)
{
	static const u8 prefixes[] = {
		0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x48, 0x40, 0x4f,
	};
	unsigned int n = rng_below(g->r, 16);

	mov(g, BX, gcode_address(g->r));
	while (n--)
		put(g, rng_pick(g->r, prefixes), 1);
	memory_op(g);
}

struct family {
	const char *name;
	void (*fn)(struct gen *g);
	/* Set where an emulated host does not stand it: not Keel's, so not done there. */
	const char *not_amd, *not_intel;
};

static const struct family families[] = {
	{ "bytes", gen_bytes, NULL, NULL },
	{ "rdmsr", gen_rdmsr, NULL, NULL },
	{ "wrmsr", gen_wrmsr, NULL, NULL },
	{ "flip-msr", gen_flip_msr, NULL, NULL },
	{ "port", gen_port, NULL, NULL },
	{ "string-io", gen_string_io, NULL, NULL },
	{ "memory", gen_memory, NULL, NULL },
	{ "string", gen_string, NULL, NULL },
	{ "apic", gen_apic, NULL, NULL },
	{ "cr", gen_cr, NULL, NULL },
	{ "mode", gen_mode, NULL, NULL },
	{ "dr", gen_dr, NULL, NULL },
	{ "xcr", gen_xcr, NULL, NULL },
	{ "tables", gen_tables, NULL, NULL },
	{ "descriptors", gen_descriptors, NULL, NULL },
	{ "interrupt", gen_interrupt, NULL, NULL },
	{ "task", gen_task, NULL, NULL },
	{ "hypercall", gen_hypercall, NULL, NULL },
	{ "privileged", gen_privileged, NULL, NULL },
	{ "self", gen_self, NULL, NULL },
	{ "jump", gen_jump, NULL, NULL },
	{ "loop", gen_loop, NULL, NULL },
	{ "prefixes", gen_prefixes, NULL, NULL },
};

unsigned int gcode_families(void)
{
	return ARRAY_SIZE(families);
}

const char *gcode_family_name(unsigned int family)
{
	return family < ARRAY_SIZE(families) ? families[family].name : "all";
}

const char *gcode_excluded(unsigned int family)
{
	if (family >= ARRAY_SIZE(families))
		return NULL;
	return on_host("intel") ? families[family].not_intel : families[family].not_amd;
}

/* ---- putting them together ---- */

static void pad(struct gen *g)
{
	while (g->len % GCODE_UNIT && g->len < g->size)
		put(g, 0x90, 1);
}

static const struct family *pick_family(struct gen *g, unsigned int family)
{
	do {
		if (family == G_ALL || rng_one_in(g->r, 8))
			family = rng_below(g->r, ARRAY_SIZE(families));
	} while (gcode_excluded(family) && (family = G_ALL));
	return &families[family];
}

size_t gcode_make(struct rng *r, u8 *buf, size_t size, u32 at, enum gmode mode,
		  unsigned int family, unsigned int units)
{
	struct gen g = { .r = r, .buf = buf, .size = size, .at = at, .mode = mode };

	while (units-- && g.len + 3 * GCODE_UNIT < size) {
		pick_family(&g, family)->fn(&g);
		if (rng_one_in(r, 2))
			pick_family(&g, family)->fn(&g);
		pad(&g);
	}
	mov(&g, DX, GCODE_PORT);
	put_code(&g, "\xee\xeb\xfe");
	return g.len;
}

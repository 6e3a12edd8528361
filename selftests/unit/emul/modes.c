// SPDX-License-Identifier: GPL-2.0
/*
 * modes.c - one table of instructions in all modes
 */
#include "machine.h"

/* Rows name what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define CF	0x001
#define PF	0x004
#define AF	0x010
#define ZF	0x040
#define SF	0x080
#define OF	0x800

#define REAL	EMUL_REAL
#define VM86	EMUL_VM86
#define P16	EMUL_PROT16
#define P32	EMUL_PROT32
#define LONG	EMUL_LONG

/* RAX, RCX, RBX, flags and the 8 bytes at 0x2000, before and after; RSI is 0x2000. */
struct row {
	enum emul_mode mode;
	const char *code;
	u8 len;
	struct { u64 rax, rcx, rbx, mem; u16 fl; } in, out;
};

#define ROW(m, c, ...)	{ m, c, sizeof(c) - 1, __VA_ARGS__ }

static const struct row rows[] = {
	/* add [si], ax; the same bytes are [rsi] elsewhere */
	ROW(REAL, "\x01\x04", { 1, .mem = 0xffff }, { 1, .mem = 0, .fl = CF | ZF | AF | PF }),
	ROW(VM86, "\x01\x04", { 1, .mem = 0x7fff }, { 1, .mem = 0x8000, .fl = OF | SF | AF | PF }),
	ROW(P16, "\x66\x01\x04", { 1, .mem = 0xffff }, { 1, .mem = 0x10000, .fl = AF | PF }),
	ROW(P32, "\x01\x06", { 2, .mem = 0xffffffff }, { 2, .mem = 1, .fl = CF | AF }),
	ROW(LONG, "\x48\x01\x06", { 2, .mem = 0xffffffff }, { 2, .mem = 0x100000001, .fl = AF }),
	ROW(LONG, "\x66\x01\x06", { 2, .mem = 0x1ffff }, { 2, .mem = 0x10001, .fl = CF | AF }),
	/* sbb al, [rsi] */
	ROW(P32, "\x1a\x06", { 0x100, .mem = 0, .fl = CF },
	    { 0x1ff, .mem = 0, .fl = CF | AF | SF | PF }),
	/* cmp word/dword [rsi], imm8 sign extended */
	ROW(P32, "\x83\x3e\xff", { .mem = 0xffffffff }, { .mem = 0xffffffff, .fl = ZF | PF }),
	ROW(P16, "\x83\x3c\xff", { .mem = 0xfffe }, { .mem = 0xfffe, .fl = CF | AF | SF | PF }),
	/* mov eax, [rsi]: clears the upper half in long mode */
	ROW(LONG, "\x8b\x06", { ~0ULL, .mem = 0x12345678 }, { 0x12345678, .mem = 0x12345678 }),
	ROW(P16, "\x8b\x04", { 0xaabbccdd, .mem = 0x1122 }, { 0xaabb1122, .mem = 0x1122 }),
	/* mov [rsi], ah */
	ROW(P32, "\x88\x26", { 0xab00 }, { 0xab00, .mem = 0xab }),
	/* with REX the same register is SPL */
	ROW(LONG, "\x40\x88\x26", { 0xab00 }, { 0xab00, .mem = 0x00 }),
	/* movnti [rsi], eax: a doubleword in code of 16 bits too */
	ROW(REAL, "\x0f\xc3\x04", { 0x12345678 }, { 0x12345678, .mem = 0x12345678 }),
	ROW(P16, "\x0f\xc3\x04", { 0x12345678 }, { 0x12345678, .mem = 0x12345678 }),
	ROW(P32, "\x0f\xc3\x06", { 0x12345678 }, { 0x12345678, .mem = 0x12345678 }),
	/* smsw [rsi]: a word */
	ROW(LONG, "\x48\x0f\x01\x26", { .mem = 0xaaaaaaaa }, { .mem = 0xaaaa0001 }),
	ROW(REAL, "\x0f\x01\x24", { .mem = 0xaaaa }, { .mem = 0 }),
	/* moffs of 2, 4 and 8 bytes */
	ROW(REAL, "\xa1\x00\x20", { .mem = 0xbeef }, { 0xbeef, .mem = 0xbeef }),
	ROW(P32, "\xa3\x00\x20\x00\x00", { 0xdead }, { 0xdead, .mem = 0xdead }),
	ROW(LONG, "\xa2\x00\x20\x00\x00\x00\x00\x00\x00", { 0x55 }, { 0x55, .mem = 0x55 }),
	ROW(LONG, "\x67\xa0\x00\x20\x00\x00", { .mem = 0x77 }, { 0x77, .mem = 0x77 }),
	/* mov r64, imm64 */
	ROW(LONG, "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11", {}, { 0x1122334455667788 }),
	/* movzx, movsx, movsxd, movbe, bswap */
	ROW(P32, "\x0f\xb6\x06", { ~0ULL, .mem = 0x80 }, { 0x80, .mem = 0x80 }),
	ROW(LONG, "\x48\x0f\xbf\x06", { .mem = 0x8000 }, { 0xffffffffffff8000, .mem = 0x8000 }),
	ROW(LONG, "\x48\x63\x06", { .mem = 0x80000000 }, { 0xffffffff80000000, .mem = 0x80000000 }),
	ROW(P32, "\x0f\x38\xf0\x06", { .mem = 0x11223344 }, { 0x44332211, .mem = 0x11223344 }),
	ROW(P16, "\x0f\x38\xf1\x04", { 0x1122 }, { 0x1122, .mem = 0x2211 }),
	ROW(P32, "\x0f\xc8", { 0x11223344 }, { 0x44332211 }),
	/* xchg, xadd, cmpxchg */
	ROW(REAL, "\x87\x04", { 1, .mem = 2 }, { 2, .mem = 1 }),
	ROW(P32, "\x0f\xc1\x06", { 1, .mem = 2 }, { 2, .mem = 3, .fl = PF }),
	ROW(P32, "\x0f\xb1\x0e", { 5, 7, .mem = 5 }, { 5, 7, .mem = 7, .fl = ZF | PF }),
	ROW(P32, "\x0f\xb1\x0e", { 5, 7, .mem = 6 }, { 6, 7, .mem = 6, .fl = CF | AF | SF | PF }),
	ROW(P32, "\xf0\x0f\xc7\x0e", { 1, 9, 8, .mem = 1 },
	    { 1, 9, 8, .mem = 0x900000008, .fl = ZF }),
	/* shifts: by one, by CL, by an immediate; double */
	ROW(P16, "\xd1\x24", { .mem = 0x8001 }, { .mem = 2, .fl = CF | OF }),
	ROW(P32, "\xd3\x2e", { 0, 4, .mem = 0x18 }, { 0, 4, .mem = 1, .fl = CF | OF * 0 }),
	ROW(LONG, "\x48\xc1\x06\x04", { .mem = 0xf000000000000001 },
	    { .mem = 0x1f, .fl = CF | OF }),
	ROW(P32, "\x0f\xa4\x06\x08", { 0xab000000, .mem = 0x11223344 },
	    { 0xab000000, .mem = 0x223344ab, .fl = CF }),
	/* bts with a register offset of 32 addresses the next doubleword; -1 the one before */
	ROW(P32, "\x0f\xab\x06", { 32 }, { 32, .mem = 1ULL << 32 }),
	ROW(LONG, "\x48\x0f\xab\x46\x08", { -1ULL }, { -1ULL, .mem = 1ULL << 63 }),
	ROW(P16, "\x0f\xab\x44\x02", { 0xffff }, { 0xffff, .mem = 0x8000 }),
	ROW(P32, "\x0f\xba\x26\x1f", { .mem = 0x80000000 }, { .mem = 0x80000000, .fl = CF }),
	/* inc keeps CF; neg; not */
	ROW(P32, "\xff\x06", { .mem = 0xffffffff, .fl = CF },
	    { .mem = 0, .fl = CF | ZF | AF | PF }),
	ROW(P16, "\x40", { 0x7fff }, { 0x8000, .fl = OF | SF | AF | PF }),
	ROW(P32, "\xf7\x1e", { .mem = 1 }, { .mem = 0xffffffff, .fl = CF | AF | SF | PF }),
	ROW(P32, "\xf6\x16", { .mem = 0x0f }, { .mem = 0xf0 }),
	/* mul byte; imul of three operands */
	ROW(P32, "\xf6\x26", { 0x10, .mem = 0x11 }, { 0x110, .mem = 0x11, .fl = CF | OF }),
	ROW(P32, "\x6b\x06\xfe", { .mem = 3 }, { 0xfffffffa, .mem = 3 }),
	/* div and idiv byte */
	ROW(P32, "\xf6\x36", { 0x0107, .mem = 0x10 }, { 0x0710, .mem = 0x10 }),
	ROW(P32, "\xf6\x3e", { 0xfff9, .mem = 2 }, { 0xfffd, .mem = 2 }),
	/* setz, cmovz */
	ROW(P32, "\x0f\x94\x06", { .mem = 0xff, .fl = ZF }, { .mem = 1, .fl = ZF }),
	ROW(LONG, "\x0f\x44\x06", { ~0ULL, .mem = 5 }, { 0xffffffff, .mem = 5 }),
	/* lea of 16 bits wraps */
	ROW(P32, "\x67\x8d\x47\xff", {}, { 0xffff }),
	/* xlat, cbw, cwde, cdqe */
	ROW(P32, "\xd7", { 3, .rbx = 0x1ffe, .mem = 0x7700 },
	    { 0x77, .rbx = 0x1ffe, .mem = 0x7700 }),
	ROW(P16, "\x98", { 0x1180 }, { 0xff80 }),
	ROW(P32, "\x98", { 0x8000 }, { 0xffff8000 }),
	ROW(LONG, "\x48\x98", { 0x80000000 }, { 0xffffffff80000000 }),
	/* segment registers: memory gets a word */
	ROW(P32, "\x8c\x1e", { .mem = ~0ULL }, { .mem = 0xffffffffffff0000 }),
	ROW(P32, "\x8c\xd8", { ~0ULL }, { 0 }),
	ROW(P16, "\x8c\xd8", { 0x11112222 }, { 0x11110000 }),
	/* nothing: nop, pause, long nop, endbr64, prefetch, clflush, fences */
	ROW(P32, "\x90", { 1 }, { 1 }),
	ROW(P32, "\xf3\x90", { 1 }, { 1 }),
	ROW(P32, "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00", { 1 }, { 1 }),
	ROW(LONG, "\xf3\x0f\x1e\xfa", { 1 }, { 1 }),
	ROW(P32, "\x0f\x18\x0e", { 1 }, { 1 }),
	ROW(P32, "\x0f\xae\x3e", { 1 }, { 1 }),
	ROW(P32, "\x0f\xae\xe8", { 1 }, { 1 }),
	ROW(P32, "\x0f\xae\xf0", { 1 }, { 1 }),
	ROW(P32, "\x0f\xae\xf8", { 1 }, { 1 }),
	/* lahf, sahf, stc */
	ROW(P32, "\x9f", { .fl = ZF | CF }, { 0x4300, .fl = ZF | CF }),
	ROW(P32, "\x9e", { 0xff00 }, { 0xff00, .fl = SF | ZF | AF | PF | CF }),
	ROW(P32, "\xf9", {}, { .fl = CF }),
};

static u16 undefined_of(const struct row *r)
{
	/* Double shift and rotate by more than one: OF; shifts: AF; products: S, Z, A, P. */
	if (!memcmp(r->code, "\x0f\xa4", 2))
		return OF | AF | SF | PF | ZF;
	if (!memcmp(r->code, "\x48\xc1", 2) || !memcmp(r->code, "\xd3", 1))
		return OF | AF;
	if (!memcmp(r->code, "\xf6\x36", 2) || !memcmp(r->code, "\xf6\x3e", 2))
		return CF | PF | AF | ZF | SF | OF;
	return 0;
}

TEST(modes)
{
	unsigned int i, before;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		u16 undef = undefined_of(r);

		before = tap_failures;
		machine_start(r->mode, r->code, r->len);
		m.c.gpr[RAX] = r->in.rax;
		m.c.gpr[RCX] = r->in.rcx;
		m.c.gpr[RBX] = r->in.rbx;
		m.c.gpr[RSI] = 0x2000;
		m.c.rflags |= r->in.fl;
		poke(0x2000, r->in.mem, 8);
		EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
		EXPECT_EQ(m.c.rip, CODE_AT + r->len);
		EXPECT_EQ(m.c.insn_len, r->len);
		EXPECT_EQ(m.c.gpr[RAX], r->out.rax);
		EXPECT_EQ(m.c.gpr[RCX], r->out.rcx);
		EXPECT_EQ(m.c.gpr[RBX], r->out.rbx);
		EXPECT_EQ(peek(0x2000, 8), r->out.mem);
		EXPECT_EQ((m.c.rflags & ~2) & ~undef, r->out.fl & ~undef);
		if (tap_failures != before)
			tap_note("row %u: mode %u, first byte %02x", i, r->mode, (u8)r->code[0]);
	}
	tap_note("%zu rows", ARRAY_SIZE(rows));
}

TEST(addressing)
{
	/* [bp+di+disp8] goes through SS and wraps at 64K */
	START(REAL, "\x8a\x43\x10");
	m.c.seg[EMUL_SS].base = 0x100;
	m.c.gpr[RBP] = 0xfff0;
	m.c.gpr[RDI] = 0x2000;
	poke(0x2100, 0x5a, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 0x5a);

	/* a 32 bit address with SIB in 16 bit code */
	START(REAL, "\x67\x8a\x04\x88");
	m.c.gpr[RAX] = 0x1000;
	m.c.gpr[RCX] = 0x400;
	poke(0x2000, 0x5b, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 0x105b);

	/* RIP relative counts from the end, the immediate included */
	START(LONG, "\xc7\x05\xf6\x0f\x00\x00\x44\x33\x22\x11");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(peek(0x2000, 4), 0x11223344);

	/* FS has a base in long mode, ES has none */
	START(LONG, "\x64\x8b\x06");
	m.c.seg[EMUL_FS].base = 0x1000;
	m.c.gpr[RSI] = 0x1000;
	poke(0x2000, 0x77, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 0x77);
	START(LONG, "\x26\x8b\x06");
	m.c.seg[EMUL_ES].base = 0x1000;
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, 0x78, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 0x78);

	/* linear addresses wrap at 4G outside long mode */
	START(PROT32, "\x8b\x06");
	m.c.seg[EMUL_DS].base = 0xfffff000;
	m.c.gpr[RSI] = 0x3000;
	poke(0x2000, 0x79, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 0x79);
}

TEST(stack)
{
	/* push [si]; 16 bit stack keeps the upper half of ESP */
	START(PROT16, "\xff\x34");
	m.c.gpr[RSP] = 0xabcd7000;
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, 0x1234, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RSP], 0xabcd6ffe);
	EXPECT_EQ(peek(0x6ffe, 2), 0x1234);

	/* push imm8 sign extends to 8 bytes; push ax with 66 */
	START(LONG, "\x6a\xff");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RSP], 0x6ff8);
	EXPECT_EQ(peek(0x6ff8, 8), ~0ULL);
	START(LONG, "\x66\x50");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RSP], 0x6ffe);

	/* push rsp pushes the old value, pop rsp keeps what it read */
	START(LONG, "\x54");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(peek(0x6ff8, 8), 0x7000);
	START(LONG, "\x5c");
	poke(0x7000, 0x1111, 8);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RSP], 0x1111);

	/* pop [esp]: the address is computed after the increment */
	START(PROT32, "\x8f\x04\x24");
	poke(0x7000, 0x99, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(peek(0x7004, 4), 0x99);

	/* segment registers: pop ss in real mode blocks interrupts */
	START(REAL, "\x17");
	poke(0x7000, 0x1234, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.seg[EMUL_SS].base, 0x12340);
	EXPECT_TRUE(m.c.sets_shadow);
	START(PROT32, "\x1f");
	EXPECT_EQ(emul_step(&m.c), EMUL_UNHANDLED);
	EXPECT_EQ(m.nr, 0);
	START(PROT32, "\x0f\xa0");
	m.c.seg[EMUL_FS].sel = 0x53;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(peek(0x6ffc, 4), 0x53);
}

TEST(flags_on_the_stack)
{
	/* pushf hides VM and RF */
	START(PROT32, "\x9c");
	m.c.rflags = 0x10202;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(peek(0x6ffc, 4), 0x202);

	/* popf at CPL 0 sets IOPL and IF, at CPL 3 neither, and no fault */
	START(PROT32, "\x9d");
	poke(0x7000, 0x3201, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rflags, 0x3203);
	START(PROT32, "\x9d");
	m.c.cpl = 3;
	poke(0x7000, 0x3201, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rflags, 3);

	/* virtual-8086 mode wants IOPL 3 */
	START(VM86, "\x9c");
	EXPECT_FAULT(13);
	START(VM86, "\x9d");
	m.c.rflags |= 0x3000;
	poke(0x7000, 0x0201, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rflags, 0x3203);
}

TEST(branches)
{
	/* jz taken and not; rel16 wraps at 64K */
	START(REAL, "\x74\xfe");
	m.c.rflags |= ZF;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, CODE_AT);
	START(REAL, "\x74\xfe");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, CODE_AT + 2);
	START(REAL, "\xe9\x00\xf0");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, 3);

	/* jmp through memory, call through memory, ret imm */
	START(PROT32, "\xff\x26");
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, 0x4444, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, 0x4444);
	START(LONG, "\xff\x16");
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, 0x4444, 8);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, 0x4444);
	EXPECT_EQ(peek(0x6ff8, 8), CODE_AT + 2);
	START(PROT32, "\xc2\x08\x00");
	poke(0x7000, 0x5555, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, 0x5555);
	EXPECT_EQ(m.c.gpr[RSP], 0x700c);

	/* loop counts by address size */
	START(PROT32, "\x67\xe2\x10");
	m.c.gpr[RCX] = 0x10001;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RCX], 0x10000);
	EXPECT_EQ(m.c.rip, CODE_AT + 3);

	/* 66 before a near branch in long mode */
	START(LONG, "\x66\xe8\x10\x00\x00\x00");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.insn_len, 6);
	START(LONG, "\x66\xe8\x10\x00");
	m.c.amd_branch16 = true;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.insn_len, 4);
	EXPECT_EQ(m.c.gpr[RSP], 0x6ffe);
}

TEST(strings)
{
	/* rep movsb: one iteration a step, rip moves with the last */
	START(PROT32, "\xf3\xa4");
	m.c.gpr[RSI] = 0x2000;
	m.c.gpr[RDI] = 0x3000;
	m.c.gpr[RCX] = 2;
	poke(0x2000, 0x1122, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_AGAIN);
	EXPECT_EQ(m.c.rip, CODE_AT);
	EXPECT_EQ(m.c.gpr[RCX], 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, CODE_AT + 2);
	EXPECT_EQ(peek(0x3000, 2), 0x1122);

	/* a count of zero touches nothing */
	START(REAL, "\xf3\xab");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.nr, 0);

	/* downwards, with a 16 bit DI that wraps and keeps its upper half */
	START(REAL, "\xfd\xab");
	m.c.rflags |= 0x400;
	m.c.rip++;
	m.c.gpr[RDI] = 0xabc00000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RDI], 0xabc0fffe);

	/* repne scasb ends on the match, repe cmpsb on the difference */
	START(PROT32, "\xf2\xae");
	m.c.gpr[RDI] = 0x2000;
	m.c.gpr[RCX] = 5;
	m.c.gpr[RAX] = 7;
	poke(0x2001, 7, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_AGAIN);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RCX], 3);
	START(PROT32, "\xf3\xa6");
	m.c.gpr[RSI] = 0x2000;
	m.c.gpr[RDI] = 0x3000;
	m.c.gpr[RCX] = 5;
	poke(0x2001, 1, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_AGAIN);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RCX], 3);
	EXPECT_EQ(m.c.rflags & ZF, 0);

	/* the source's segment may be overridden, the destination's may not */
	START(PROT32, "\x64\xa4");
	m.c.seg[EMUL_FS].base = 0x100;
	m.c.gpr[RSI] = 0x2000;
	m.c.gpr[RDI] = 0x3000;
	poke(0x2100, 0x42, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(peek(0x3000, 1), 0x42);
}

TEST(ports)
{
	START(PROT32, "\xe5\x40");
	m.c.gpr[RAX] = ~0ULL;
	m.port_value = 0x11223344;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 0x11223344);
	EXPECT_EQ(m.log[0].addr, 0x40);
	START(LONG, "\x66\xef");
	m.c.gpr[RDX] = 0x123f8;
	m.c.gpr[RAX] = 0xaabbccdd;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.log[0].addr, 0x23f8);
	EXPECT_EQ(m.log[0].len, 2);
	EXPECT_EQ(m.port_value, 0xccdd);

	/* the bitmap is asked only if IOPL does not permit */
	START(PROT32, "\xec");
	m.port_denied = true;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	m.c.rip = CODE_AT;
	m.c.cpl = 3;
	EXPECT_FAULT(13);
	START(VM86, "\xec");
	m.c.rflags |= 0x3000;
	m.port_denied = true;
	EXPECT_FAULT(13);
}

/* What mov eax, gs:[rsi] gets with prefix @p behind GS's: 2 by GS's base of 0x100, else 1. */
static u64 behind_gs(enum emul_mode mode, u8 p)
{
	const u8 code[] = { 0x65, p, 0x8b, 0x06 };

	machine_start(mode, code, sizeof(code));
	m.c.seg[EMUL_GS].base = 0x100;
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, 1, 4);
	poke(0x2100, 2, 4);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	return m.c.gpr[RAX];
}

/* In long mode the prefixes of ES, CS, SS and DS are nothing, and one before them stays. */
TEST(prefixes_that_are_nothing)
{
	static const u8 none[] = { 0x26, 0x2e, 0x36, 0x3e };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		EXPECT_EQ(behind_gs(LONG, none[i]), 2);
		EXPECT_EQ(behind_gs(P32, none[i]), 1);
	}
}

/* LMSW of memory: MP, EM and TS move, PE is set and never cleared, nothing else changes. */
TEST(lmsw_of_memory)
{
	machine_start(P32, "\x0f\x01\x36", 3);
	m.c.gpr[RSI] = 0x2000;
	m.c.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_NE | X86_CR0_PG;
	poke(0x2000, X86_CR0_TS | 0xfff0, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.cr0, X86_CR0_PE | X86_CR0_TS | X86_CR0_NE | X86_CR0_PG);

	machine_start(REAL, "\x0f\x01\x34", 3);
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, X86_CR0_PE, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.cr0, X86_CR0_PE);

	machine_start(P32, "\x0f\x01\x36", 3);
	m.c.cpl = 3;
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_FAULT);
	EXPECT_EQ(m.c.fault.vector, 13);
}

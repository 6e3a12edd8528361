// SPDX-License-Identifier: GPL-2.0
/*
 * fault.c - what must fault, what must not, and that nothing is lost
 */
#include "machine.h"

/* The state must be as it was after any of these. */
static void expect_unchanged(const struct emul_ctxt *before)
{
	EXPECT_MEMEQ(m.c.gpr, before->gpr, sizeof(before->gpr));
	EXPECT_EQ(m.c.rip, before->rip);
	EXPECT_EQ(m.c.rflags, before->rflags);
	EXPECT_MEMEQ(m.c.seg, before->seg, sizeof(before->seg));
}

static void expect_fault(unsigned int vector, int line)
{
	struct emul_ctxt before = m.c;
	int failures = tap_failures;

	EXPECT_EQ(emul_step(&m.c), EMUL_FAULT);
	EXPECT_EQ(m.c.fault.vector, vector);
	EXPECT_EQ(m.c.fault.has_error, vector == 12 || vector == 13 || vector == 14 ||
		  vector == 17);
	expect_unchanged(&before);
	if (tap_failures != failures)
		tap_note("fault.c:%d", line);
}

#undef EXPECT_FAULT
#define EXPECT_FAULT(vec)	expect_fault(vec, __LINE__)

TEST(undefined)
{
	static const struct {
		enum emul_mode mode;
		const char *code;
		u8 len;
	} rows[] = {
#define ROW(m, c) { EMUL_##m, c, sizeof(c) - 1 }
		ROW(LONG, "\x06"), ROW(LONG, "\x27"), ROW(LONG, "\x60"), ROW(LONG, "\x82\x00\x00"),
		ROW(LONG, "\x9a"), ROW(LONG, "\xea"), ROW(LONG, "\xce"), ROW(LONG, "\xd6"),
		ROW(PROT32, "\x0f\x04"), ROW(PROT32, "\x0f\x0b"), ROW(PROT32, "\x0f\xff\xc0"),
		ROW(PROT32, "\x0f\xb9\xc0"), ROW(PROT32, "\x0f\x24\xc0"),
		/* LOCK where it is not legal */
		ROW(PROT32, "\xf0\x90"), ROW(PROT32, "\xf0\x89\x06"), ROW(PROT32, "\xf0\x01\xc0"),
		ROW(PROT32, "\xf0\x39\x06"), ROW(PROT32, "\xf0\x03\x06"),
		ROW(PROT32, "\xf0\x0f\xa3\x06"),
		ROW(PROT32, "\xf0\xa4"), ROW(PROT32, "\xf0\xd1\x06"), ROW(PROT32, "\xf0\x87\xc0"),
		ROW(PROT32, "\xf0\xf7\x26"), ROW(PROT32, "\xf0\x80\x3e\x00"),
		ROW(PROT32, "\xf0\x91"), ROW(PROT32, "\xf0\x84\x06"),
		/* empty rows of groups */
		ROW(PROT32, "\x8f\x20"), ROW(PROT32, "\xfe\x16"), ROW(PROT32, "\xff\x3e"),
		ROW(PROT32, "\xc6\x0e\x00"), ROW(PROT32, "\x0f\xba\x06\x00"),
		/* register forms that do not exist */
		ROW(PROT32, "\x8d\xc0"), ROW(PROT32, "\x0f\xc7\xc8"),
		ROW(PROT32, "\x0f\x38\xf0\xc0"),
		ROW(PROT32, "\x0f\xc3\xc0"), ROW(REAL, "\xc4\xc0"), ROW(REAL, "\x62\xc0"),
		/* segment registers 6 and 7, and CS as a destination */
		ROW(PROT32, "\x8c\xf0"), ROW(PROT32, "\x8e\xf8"), ROW(REAL, "\x8e\xc8"),
		/* ARPL in real mode; VEX after 66, LOCK or REX */
		ROW(REAL, "\x63\xc0"), ROW(LONG, "\x66\xc5\xf8\x28\x06"),
		ROW(LONG, "\x48\xc5\xf8\x28\x06"), ROW(LONG, "\xf0\xc5\xf8\x28\x06"),
#undef ROW
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_start(rows[i].mode, rows[i].code, rows[i].len);
		expect_fault(6, 1000 + i);
		EXPECT_EQ(m.nr, 0);
	}
	START(PROT32, "\x0f\x38\xf0\x06");
	m.c.has_movbe = false;
	EXPECT_FAULT(6);
	START(LONG, "\x48\x0f\xc7\x0e");
	m.c.has_cx16 = false;
	EXPECT_FAULT(6);
}

TEST(unhandled)
{
	static const char *const codes[] = {
		"\xd9\x06", "\x0f\xa2", "\x0f\x32", "\xcf", "\xcd\x80", "\xf4", "\xfa",
		"\xc8\x10\x11\x11", "\x0f\x6f\x06", "\x0f\x58\xc1", "\x0f\x22\xc0",
		"\x0f\x01\xd0", "\xff\x2e", "\x0f\xae\x06", "\x0f\x3a\x0f\xc1\x08",
		"\xc5\xf8\x58\xc1",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		machine_start(EMUL_PROT32, codes[i], strlen(codes[i]));
		EXPECT_EQ(emul_step(&m.c), EMUL_UNHANDLED);
		EXPECT_EQ(m.c.insn_len, strlen(codes[i]));
		EXPECT_MEMEQ(m.c.insn, codes[i], m.c.insn_len);
		EXPECT_EQ(m.c.rip, CODE_AT);
	}
}

/* SMSW in ring 3 under CR4.UMIP, of a register and of memory. */
TEST(umip)
{
	START(LONG, "\x0f\x01\xe0");
	m.c.cr4 |= X86_CR4_UMIP;
	m.c.cpl = 3;
	EXPECT_FAULT(13);
	EXPECT_EQ(m.c.fault.error, 0);
	m.c.cpl = 0;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);

	START(PROT32, "\x0f\x01\x26");
	m.c.cr4 |= X86_CR4_UMIP;
	m.c.cpl = 3;
	m.c.gpr[RSI] = 0x2000;
	poke(0x2000, 0xaaaa, 2);
	EXPECT_FAULT(13);
	EXPECT_EQ(peek(0x2000, 2), 0xaaaa);
	EXPECT_EQ(m.nr, 0);
	m.c.cr4 &= ~X86_CR4_UMIP;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
}

TEST(segments)
{
	/* the limit is the last byte; one past it is #GP, through SS #SS */
	START(PROT32, "\x8b\x06");
	m.c.seg[EMUL_DS].limit = 0x2003;
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	m.c.rip = CODE_AT;
	m.c.gpr[RSI] = 0x2001;
	EXPECT_FAULT(13);
	START(PROT32, "\x8b\x45\x00");
	m.c.seg[EMUL_SS].limit = 0x2003;
	m.c.gpr[RBP] = 0x2001;
	EXPECT_FAULT(12);

	/* expand down: above the limit only, and up to 64K or 4G */
	START(PROT32, "\x8b\x06");
	m.c.seg[EMUL_DS] = (struct emul_segment){
		.type = 7, .limit = 0x1fff, .s = true, .present = true };
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	m.c.rip = CODE_AT;
	m.c.gpr[RSI] = 0x1fff;
	EXPECT_FAULT(13);
	m.c.gpr[RSI] = 0xfffd;
	EXPECT_FAULT(13);
	m.c.seg[EMUL_DS].db = true;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);

	/* types: read-only, execute-only, code, not present, null, system */
	START(PROT32, "\x89\x06");
	m.c.seg[EMUL_DS].type = 1;
	EXPECT_FAULT(13);
	START(PROT32, "\x2e\x89\x06");
	EXPECT_FAULT(13);
	START(PROT32, "\x2e\x8b\x06");
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	START(PROT32, "\x2e\x8b\x06");
	m.c.seg[EMUL_CS].type = 9;
	EXPECT_FAULT(13);
	START(PROT32, "\x8b\x06");
	m.c.seg[EMUL_DS].unusable = true;
	EXPECT_FAULT(13);
	START(PROT32, "\x8b\x06");
	m.c.seg[EMUL_DS].present = false;
	EXPECT_FAULT(13);
	START(PROT32, "\x50");
	m.c.seg[EMUL_SS].unusable = true;
	EXPECT_FAULT(12);

	/* read-modify-write of a read-only segment does not read first */
	START(PROT32, "\x01\x06");
	m.c.seg[EMUL_DS].type = 1;
	EXPECT_FAULT(13);
	EXPECT_EQ(m.nr, 0);

	/* long mode looks at none of that */
	START(LONG, "\x8b\x06");
	memset(&m.c.seg[EMUL_DS], 0, sizeof(m.c.seg[EMUL_DS]));
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);

	/* real mode writes through CS, and ends at 64K */
	START(REAL, "\x2e\x89\x04");
	m.c.gpr[RSI] = 0x2000;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	START(REAL, "\x8b\x04");
	m.c.gpr[RSI] = 0xffff;
	EXPECT_FAULT(13);
	START(VM86, "\x8b\x46\x00");
	m.c.gpr[RBP] = 0xffff;
	EXPECT_FAULT(12);
}

TEST(canonical)
{
	START(LONG, "\x8b\x06");
	m.c.gpr[RSI] = 0x800000000000;
	EXPECT_FAULT(13);
	START(LONG, "\x8b\x06");
	m.c.gpr[RSI] = 0x7ffffffffffe;
	EXPECT_FAULT(13);
	START(LONG, "\x8b\x45\x00");
	m.c.gpr[RBP] = 0x800000000000;
	EXPECT_FAULT(12);
	START(LONG, "\x50");
	m.c.gpr[RSP] = 0x800000000010;
	EXPECT_FAULT(12);
	/* five-level paging: an address is not mapped, but canonical */
	START(LONG, "\x8b\x06");
	m.c.cr4 |= X86_CR4_LA57;
	m.c.gpr[RSI] = 0x800000000000;
	EXPECT_FAULT(14);
	START(LONG, "\xff\xe0");
	m.c.gpr[RAX] = 0x800000000000;
	EXPECT_FAULT(13);
	START(LONG, "\xc3");
	poke(0x7000, 0x8000000000000000, 8);
	EXPECT_FAULT(13);
	START(PROT32, "\xff\xe0");
	m.c.seg[EMUL_CS].limit = 0xffff;
	m.c.gpr[RAX] = 0x10000;
	EXPECT_FAULT(13);
}

TEST(alignment)
{
	START(PROT32, "\x8b\x06");
	m.c.gpr[RSI] = 0x2001;
	m.c.cpl = 3;
	m.c.cr0 |= X86_CR0_AM;
	m.c.rflags |= X86_EFLAGS_AC;
	EXPECT_FAULT(17);
	EXPECT_EQ(m.c.fault.error, 0);
	m.c.cpl = 0;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	/* 16 bytes aligned or #GP(0); the unaligned form does not care */
	START(PROT32, "\x0f\x28\x06");
	m.c.gpr[RSI] = 0x2008;
	EXPECT_FAULT(13);
	START(PROT32, "\x0f\x10\x06");
	m.c.gpr[RSI] = 0x2008;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	START(LONG, "\xc5\xfc\x28\x06");
	m.c.gpr[RSI] = 0x2010;
	EXPECT_FAULT(13);
	START(LONG, "\x48\x0f\xc7\x0e");
	m.c.gpr[RSI] = 0x2008;
	EXPECT_FAULT(13);
}

TEST(divide)
{
	START(PROT32, "\xf7\x36");
	m.c.gpr[RSI] = 0x2000;
	EXPECT_FAULT(0);
	poke(0x2000, 1, 4);
	m.c.gpr[RDX] = 1;
	EXPECT_FAULT(0);
	START(LONG, "\x48\xf7\xf9");
	m.c.gpr[RAX] = 1ULL << 63;
	m.c.gpr[RDX] = ~0ULL;
	m.c.gpr[RCX] = ~0ULL;
	EXPECT_FAULT(0);
	m.c.gpr[RCX] = 1;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.gpr[RAX], 1ULL << 63);
}

TEST(page_faults)
{
	/* nothing is lost, and a read-modify-write reports a write */
	START(PROT32, "\x01\x06");
	m.c.gpr[RSI] = HOLE + 0x10;
	EXPECT_FAULT(14);
	EXPECT_EQ(m.c.fault.error, 2);
	EXPECT_EQ(m.c.fault.addr, HOLE + 0x10);
	START(PROT32, "\x01\x06");
	m.c.gpr[RSI] = READONLY;
	EXPECT_FAULT(14);
	EXPECT_EQ(m.nr, 0);
	START(PROT32, "\xf3\xa4");
	m.c.gpr[RCX] = 3;
	m.c.gpr[RSI] = HOLE - 1;
	m.c.gpr[RDI] = 0x3000;
	EXPECT_EQ(emul_step(&m.c), EMUL_AGAIN);
	EXPECT_FAULT(14);
	EXPECT_EQ(m.c.gpr[RCX], 2);
	/* push to the hole: RSP stays */
	START(LONG, "\xff\x36");
	m.c.gpr[RSI] = 0x2000;
	m.c.gpr[RSP] = HOLE + 0x10;
	EXPECT_FAULT(14);
	/* pop into it */
	START(LONG, "\x8f\x06");
	m.c.gpr[RSI] = HOLE;
	EXPECT_FAULT(14);
}

TEST(vector_state)
{
	static const char sse[] = "\x0f\x10\x06", avx[] = "\xc5\xf8\x10\x06";

	machine_start(EMUL_LONG, sse, 3);
	m.c.cr4 &= ~X86_CR4_OSFXSR;
	EXPECT_FAULT(6);
	machine_start(EMUL_LONG, sse, 3);
	m.c.cr0 |= X86_CR0_EM;
	EXPECT_FAULT(6);
	machine_start(EMUL_LONG, sse, 3);
	m.c.cr0 |= X86_CR0_TS;
	EXPECT_FAULT(7);
	machine_start(EMUL_LONG, avx, 4);
	m.c.cr0 |= X86_CR0_TS;
	EXPECT_FAULT(7);
	machine_start(EMUL_LONG, avx, 4);
	m.c.cr4 &= ~X86_CR4_OSXSAVE;
	EXPECT_FAULT(6);
	machine_start(EMUL_LONG, avx, 4);
	m.c.xcr0 = 3;
	EXPECT_FAULT(6);
	machine_start(EMUL_LONG, avx, 4);
	m.c.has_avx = false;
	EXPECT_FAULT(6);
	START(LONG, "\xc4\xe2\x7d\x2a\x06");	/* vmovntdqa ymm is AVX2 */
	m.c.has_avx2 = false;
	EXPECT_FAULT(6);
	START(LONG, "\xc5\xf0\x10\x06");	/* vvvv in use */
	EXPECT_FAULT(6);
	START(PROT32, "\xc4\xe1\x38\x10\x06");	/* its topmost bit only, which is no register's */
	EXPECT_FAULT(6);
	START(PROT32, "\xc4\xe1\x32\x10\xc2");	/* vmovss xmm0, xmm1, xmm2: there it is ignored */
	m.ymm[1][4] = 0x77;
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.ymm[0][4], 0x77);

	/* VEX.128 clears the upper half, the legacy form leaves it */
	machine_start(EMUL_LONG, avx, 4);
	m.c.gpr[RSI] = 0x2000;
	memset(m.ymm[0], 0xee, 32);
	poke(0x2000, 0x1122, 2);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.ymm[0][0], 0x22);
	EXPECT_EQ(m.ymm[0][31], 0);
	machine_start(EMUL_LONG, sse, 3);
	m.c.gpr[RSI] = 0x2000;
	memset(m.ymm[0], 0xee, 32);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.ymm[0][15], 0);
	EXPECT_EQ(m.ymm[0][31], 0xee);
}

TEST(fetch)
{
	/* fifteen bytes are an instruction, sixteen a #GP */
	START(PROT32, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90");
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.rip, CODE_AT + 15);
	START(PROT32, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90");
	EXPECT_FAULT(13);

	/* the next page is not touched unless the instruction goes there */
	START(PROT32, "");
	m.c.rip = HOLE - 1;
	poke(HOLE - 1, 0x90, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	EXPECT_EQ(m.fetches, 1);
	m.c.rip = HOLE - 1;
	poke(HOLE - 1, 0x04, 1);
	EXPECT_FAULT(14);
	EXPECT_EQ(m.c.fault.addr, HOLE);
	EXPECT_EQ(m.c.insn_len, 1);

	/* nor what lies beyond the limit of CS */
	START(PROT16, "");
	m.c.seg[EMUL_CS].limit = 0x2000;
	m.c.rip = 0x2000;
	poke(0x2000, 0x90, 1);
	EXPECT_EQ(emul_step(&m.c), EMUL_DONE);
	m.c.rip = 0x2000;
	poke(0x2000, 0x04, 1);
	EXPECT_FAULT(13);
	START(LONG, "");
	m.c.rip = 0x800000000000;
	EXPECT_FAULT(13);
}

/* emul_decoded() from the bytes alone. */
TEST(decoded)
{
	struct emul_decoded d;

	START(LONG, "\x44\x0f\x22\xc1");	/* mov cr8, rcx */
	EXPECT_EQ(emul_decode_len(&m.c), EMUL_DONE);
	EXPECT_EQ(m.c.insn_len, 4);
	emul_decoded(&m.c, &d);
	EXPECT_EQ(d.opcode, 0x22);
	EXPECT_EQ(d.map, 1);
	EXPECT_EQ(d.reg, 8);
	EXPECT_EQ(d.rm, 1);
	EXPECT_EQ(d.opsize, 8);
	EXPECT_TRUE(d.has_modrm);
	START(REAL, "\xf3\x66\x6d");
	EXPECT_EQ(emul_decode_len(&m.c), EMUL_DONE);
	emul_decoded(&m.c, &d);
	EXPECT_TRUE(d.rep);
	EXPECT_EQ(d.opsize, 4);
	/* without the bytes there are no facts, and no harm */
	m.c.insn_len = 0;
	emul_decoded(&m.c, &d);
	EXPECT_EQ(d.opsize, 0);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * length.c - emul_decode_len() against Zydis, over all opcodes
 *
 * Whatever Zydis decodes, the emulator must know, with the same length. The
 * reverse does not hold: reserved encodings have a length by rule, too.
 */
#include <keel/emul.h>
#include "tap.h"

#if __has_include(<Zydis/Zydis.h>)
#include <Zydis/Zydis.h>

struct length {
	const char *name;
	enum emul_mode mode;
	ZydisMachineMode machine;
	ZydisStackWidth width;
	bool amd;
	ZydisDecoder decoder;
	struct emul_ctxt c;
	u8 bytes[32];
	unsigned long cases, decoded;
};

static enum emul_result length_fetch(struct emul_ctxt *c, gva_t addr, void *buf,
				     unsigned int len, unsigned int *got)
{
	struct length *l = c->priv;

	memcpy(buf, l->bytes + (addr & 15), len);
	*got = len;
	return EMUL_DONE;
}

static const struct emul_ops length_ops = { .fetch = length_fetch };

static void length_start(struct length *l)
{
	l->c = (struct emul_ctxt){
		.ops = &length_ops,
		.priv = l,
		.mode = l->mode,
		.amd_branch16 = l->amd,
		.seg[EMUL_CS] = { .limit = 0xffff, .s = true, .present = true },
	};
	ZydisDecoderInit(&l->decoder, l->machine, l->width);
	ZydisDecoderEnableMode(&l->decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, l->amd);
}

static void length_fail(struct length *l, unsigned int want, enum emul_result r)
{
	char hex[3 * 15 + 1];
	unsigned int i;

	for (i = 0; i < 15; i++)
		sprintf(hex + 3 * i, "%02x ", l->bytes[i]);
	if (tap_failures++ < TAP_MAX_NOTES)
		tap_note("%s%s: %s: length %u, emulator result %d length %u", l->name,
			 l->amd ? " (AMD branches)" : "", hex, want, r, l->c.insn_len);
}

static void length_check(struct length *l)
{
	ZydisDecodedInstruction insn;
	enum emul_result r;

	l->cases++;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&l->decoder, NULL, l->bytes, 15, &insn)))
		return;
	if (insn.mnemonic == ZYDIS_MNEMONIC_JKZD || insn.mnemonic == ZYDIS_MNEMONIC_JKNZD)
		return;		/* the first Xeon Phi's own */
	l->decoded++;
	r = emul_decode_len(&l->c);
	if (r != EMUL_DONE || l->c.insn_len != insn.length)
		length_fail(l, insn.length, r);
}

/* All ModRM forms that matter, after @n bytes of prefixes and opcode. */
static void length_modrms(struct length *l, unsigned int n, unsigned int reg_step)
{
	static const u8 rms[] = { 0, 4, 5, 6 };
	static const u8 sibs[] = { 0x24, 0x65, 0xc1 };
	unsigned int mod, reg, k, s, n_sib;

	for (mod = 0; mod < 4; mod++) {
		for (reg = 0; reg < 8; reg += reg_step) {
			for (k = 0; k < ARRAY_SIZE(rms); k++) {
				l->bytes[n] = mod << 6 | reg << 3 | rms[k];
				n_sib = rms[k] == 4 && mod != 3 ? ARRAY_SIZE(sibs) : 1;
				for (s = 0; s < n_sib; s++) {
					l->bytes[n + 1] = sibs[s];
					length_check(l);
				}
			}
		}
	}
}

static const u8 length_prefixes[][5] = {	/* a count, and so many */
	{ 0 }, { 1, 0x66 }, { 1, 0x67 }, { 1, 0xf2 }, { 1, 0xf3 }, { 1, 0xf0 }, { 1, 0x2e },
	{ 1, 0x64 }, { 2, 0x66, 0x67 }, { 2, 0x66, 0xf2 }, { 2, 0xf3, 0x66 }, { 2, 0xf0, 0x66 },
	{ 1, 0x48 }, { 2, 0x66, 0x48 }, { 2, 0x67, 0x48 }, { 2, 0xf3, 0x48 }, { 1, 0x45 },
	{ 2, 0x48, 0x66 }, { 3, 0x66, 0xf2, 0x4f }, { 4, 0x36, 0x67, 0x66, 0x48 },
};

static void length_legacy(struct length *l)
{
	static const u8 maps[][3] = { { 0 }, { 1, 0x0f }, { 2, 0x0f, 0x38 }, { 2, 0x0f, 0x3a } };
	unsigned int p, m, op, n;

	for (p = 0; p < ARRAY_SIZE(length_prefixes); p++) {
		for (m = 0; m < ARRAY_SIZE(maps); m++) {
			for (op = 0; op < 256; op++) {
				n = length_prefixes[p][0];
				memcpy(l->bytes, length_prefixes[p] + 1, n);
				memcpy(l->bytes + n, maps[m] + 1, maps[m][0]);
				n += maps[m][0];
				l->bytes[n] = op;
				length_modrms(l, n + 1, 1);
			}
		}
	}
}

/*
 * VEX, XOP and EVEX by every value of the bytes that choose map, W, L and pp.
 */
static void length_vex(struct length *l)
{
	unsigned int map, sel, op, a;

	for (sel = 0; sel < 16; sel++) {
		u8 last = 0x78 | (sel & 8) << 4 | (sel & 7);

		for (op = 0; op < 256; op++) {
			memcpy(l->bytes, (u8[]){ 0xc5, 0x80 | last, op }, 3);
			length_modrms(l, 3, 4);
			for (map = 0; map < 12; map++) {
				l->bytes[0] = map < 8 ? 0xc4 : 0x8f;
				memcpy(l->bytes + 1, (u8[]){ 0xe0 | map, last, op }, 3);
				length_modrms(l, 4, 4);
			}
			for (map = 0; map < 8; map++) {
				for (a = 0; a < 3; a++) {
					memcpy(l->bytes, (u8[]){ 0x62, 0xf0 | map, last | 4,
								 a << 5 | 8 | (a & 1), op }, 5);
					length_modrms(l, 5, 4);
				}
			}
		}
	}
}

static void length_all(struct length l)
{
	static const u8 fill[] = { 0x00, 0x7f };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fill); i++) {
		length_start(&l);
		memset(l.bytes, fill[i], sizeof(l.bytes));
		length_legacy(&l);
		if (i == 0 && !l.amd)	/* VEX has no branches */
			length_vex(&l);
	}
	tap_note("%s%s: %lu byte strings, %lu instructions compared", l.name,
		 l.amd ? " (AMD branches)" : "", l.cases, l.decoded);
	EXPECT_GT(l.decoded, 500000);
}

#define LENGTH(id, m, zm, w, a)							\
	TEST(length_##id)							\
	{									\
		length_all((struct length){					\
			.name = #id, .mode = EMUL_##m, .machine = ZYDIS_MACHINE_MODE_##zm, \
			.width = ZYDIS_STACK_WIDTH_##w, .amd = a });		\
	}

LENGTH(real, REAL, REAL_16, 16, false)
LENGTH(prot16, PROT16, LEGACY_16, 16, false)
LENGTH(prot32, PROT32, LEGACY_32, 32, false)
LENGTH(long, LONG, LONG_64, 64, false)
LENGTH(long_amd, LONG, LONG_64, 64, true)

#else

TEST(length)
{
	SKIP("no Zydis here");
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * The leaves Keel offers, by one table: which registers pass, which bits of
 * feature registers may pass where the host has them, which bits are offered
 * because Keel emulates them. A leaf or bit that is not named is not offered.
 */
#include "cpuid_policy.h"
#include <asm/cpufeatures.h>
#include <asm/kvm_para.h>

#define LEAF_EXTENDED		0x80000000
#define MAX_BASIC		0x1f
#define MAX_EXTENDED_INTEL	0x80000008
#define MAX_EXTENDED_AMD	0x80000021

/* The kernel's numbers of feature words that are a register of CPUID. */
enum cpuid_word {
	W_1_EDX = 0, W_80000001_EDX = 1, W_1_ECX = 4, W_80000001_ECX = 6, W_7_EBX = 9,
	W_D_1_EAX = 10, W_7_1_EAX = 12, W_80000008_EBX = 13, W_7_ECX = 16, W_7_EDX = 18,
	W_NONE = 0xff,
};

/* A feature's bit; does not build where the feature is not of that word. */
#define BIT_OF(word, feature)	\
	((u32)BIT((feature) & 31) + BUILD_BUG_ON_ZERO(((feature) >> 5) != (word)))

#define PASS		{ .word = W_NONE, .host = ~0u }
#define BITS(mask)	{ .word = W_NONE, .host = (mask) }
#define FIXED(val)	{ .word = W_NONE, .always = (val) }
#define ZERO		{ .word = W_NONE }

struct reg_rule {
	u8 word;		/* enum cpuid_word: the kernel's view is honoured too */
	u32 host;		/* offered where the host has it */
	u32 always;		/* offered in any case */
};

enum {
	LEAF_INDEXED	= BIT(0),	/* subleaf in ECX is significant */
	LEAF_OPTIONAL	= BIT(1),	/* left out where nothing of it is offered */
	LEAF_AMD	= BIT(2),
};

struct leaf_rule {
	u32 leaf;
	u32 subleaf;		/* first one */
	u32 flags;
	struct reg_rule reg[CPUID_NR_REGS];
	/* What bits alone cannot say. */
	void (*fix)(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e);
	/* The subleaf after @e's, or -1. */
	int (*next)(const struct cpuid_host *h, const struct kvm_cpuid_entry2 *e);
};

#define F1C(name) BIT_OF(W_1_ECX, X86_FEATURE_##name)
#define LEAF_1_ECX {							\
	.word = W_1_ECX,						\
	.host = F1C(XMM3) | F1C(PCLMULQDQ) | F1C(SSSE3) | F1C(FMA) | F1C(CX16) |	\
		F1C(PCID) | F1C(XMM4_1) | F1C(XMM4_2) | F1C(MOVBE) | F1C(POPCNT) |	\
		F1C(AES) | F1C(XSAVE) | F1C(AVX) | F1C(F16C) | F1C(RDRAND),		\
	.always = F1C(X2APIC) | F1C(HYPERVISOR),			\
}

#define F1D(name) BIT_OF(W_1_EDX, X86_FEATURE_##name)
#define LEAF_1_EDX {							\
	.word = W_1_EDX,						\
	.host = F1D(FPU) | F1D(VME) | F1D(DE) | F1D(PSE) | F1D(TSC) | F1D(MSR) | F1D(PAE) |	\
		F1D(CX8) | F1D(SEP) | F1D(PGE) | F1D(CMOV) | F1D(PSE36) | F1D(CLFLUSH) |	\
		F1D(MMX) | F1D(FXSR) | F1D(XMM) | F1D(XMM2) | F1D(SELFSNOOP),			\
	.always = F1D(MCE) | F1D(APIC) | F1D(MTRR) | F1D(MCA) | F1D(PAT),	\
}

#define F7B(name) BIT_OF(W_7_EBX, X86_FEATURE_##name)
#define LEAF_7_EBX {							\
	.word = W_7_EBX,						\
	.host = F7B(FSGSBASE) | F7B(BMI1) | F7B(HLE) | F7B(AVX2) | F7B(SMEP) | F7B(BMI2) |	\
		F7B(ERMS) | F7B(INVPCID) | F7B(RTM) | F7B(AVX512F) | F7B(AVX512DQ) |		\
		F7B(RDSEED) | F7B(ADX) | F7B(SMAP) | F7B(AVX512IFMA) | F7B(CLFLUSHOPT) |	\
		F7B(CLWB) | F7B(AVX512PF) | F7B(AVX512ER) | F7B(AVX512CD) | F7B(SHA_NI) |	\
		F7B(AVX512BW) | F7B(AVX512VL),						\
	.always = F7B(TSC_ADJUST),					\
}

#define F7C(name) BIT_OF(W_7_ECX, X86_FEATURE_##name)
#define LEAF_7_ECX {							\
	.word = W_7_ECX,						\
	.host = F7C(AVX512VBMI) | F7C(UMIP) | F7C(PKU) | F7C(AVX512_VBMI2) | F7C(GFNI) |	\
		F7C(VAES) | F7C(VPCLMULQDQ) | F7C(AVX512_VNNI) | F7C(AVX512_BITALG) |		\
		F7C(AVX512_VPOPCNTDQ) | F7C(RDPID) | F7C(CLDEMOTE) | F7C(MOVDIRI) |		\
		F7C(MOVDIR64B),								\
}

#define F7D(name) BIT_OF(W_7_EDX, X86_FEATURE_##name)
#define LEAF_7_EDX {							\
	.word = W_7_EDX,						\
	.host = F7D(AVX512_4VNNIW) | F7D(AVX512_4FMAPS) | F7D(FSRM) |	\
		F7D(AVX512_VP2INTERSECT) | F7D(MD_CLEAR) | F7D(SERIALIZE) | F7D(TSXLDTRK) |	\
		F7D(AVX512_FP16) | F7D(SPEC_CTRL) | F7D(INTEL_STIBP) | F7D(ARCH_CAPABILITIES) |	\
		F7D(SPEC_CTRL_SSBD),						\
}

#define F71A(name) BIT_OF(W_7_1_EAX, X86_FEATURE_##name)
#define LEAF_7_1_EAX {							\
	.word = W_7_1_EAX,						\
	.host = F71A(AVX_VNNI) | F71A(AVX512_BF16),			\
}

#define FD1A(name) BIT_OF(W_D_1_EAX, X86_FEATURE_##name)
static const u32 xsave_bits = FD1A(XSAVEOPT) | FD1A(XSAVEC) | FD1A(XGETBV1) | FD1A(XSAVES);

#define FE1C(name) BIT_OF(W_80000001_ECX, X86_FEATURE_##name)
#define LEAF_80000001_ECX {						\
	.word = W_80000001_ECX,						\
	.host = FE1C(LAHF_LM) | FE1C(CMP_LEGACY) | FE1C(CR8_LEGACY) | FE1C(ABM) | FE1C(SSE4A) |	\
		FE1C(MISALIGNSSE) | FE1C(3DNOWPREFETCH) | FE1C(OSVW) | FE1C(XOP) | FE1C(FMA4) |	\
		FE1C(TBM) | FE1C(TOPOEXT),						\
}

/* The AMD register repeats some of leaf 1's bits in the same places. */
#define FE1D(name) BIT_OF(W_80000001_EDX, X86_FEATURE_##name)
#define REPEATED							\
	(F1D(FPU) | F1D(VME) | F1D(DE) | F1D(PSE) | F1D(TSC) | F1D(MSR) | F1D(PAE) |	\
	 F1D(MCE) | F1D(CX8) | F1D(APIC) | F1D(MTRR) | F1D(PGE) | F1D(MCA) | F1D(CMOV) |	\
	 F1D(PAT) | F1D(PSE36) | F1D(MMX) | F1D(FXSR))
#define LEAF_80000001_EDX {						\
	.word = W_80000001_EDX,						\
	.host = REPEATED | FE1D(SYSCALL) | FE1D(NX) | FE1D(MMXEXT) | FE1D(FXSR_OPT) |	\
		FE1D(GBPAGES) | FE1D(RDTSCP) | FE1D(LM) | FE1D(3DNOWEXT) | FE1D(3DNOW),	\
}

#define FE8B(name) BIT_OF(W_80000008_EBX, X86_FEATURE_##name)
#define LEAF_80000008_EBX {						\
	.word = W_80000008_EBX,						\
	.host = FE8B(CLZERO) | FE8B(XSAVEERPTR) | FE8B(WBNOINVD) | FE8B(AMD_IBPB) |	\
		FE8B(AMD_IBRS) | FE8B(AMD_STIBP) | FE8B(AMD_STIBP_ALWAYS_ON) |		\
		FE8B(AMD_SSBD) | FE8B(AMD_SSB_NO),					\
}

/* ---- what masks cannot say ---- */

static bool has_cap(const struct cpuid_host *h, unsigned int feature)
{
	return h->caps[feature >> 5] & BIT(feature & 31);
}

static void fix_max_basic(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	e->eax = min_t(u32, e->eax, MAX_BASIC);
}

static void fix_max_extended(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	e->eax = min_t(u32, e->eax, h->amd ? MAX_EXTENDED_AMD : MAX_EXTENDED_INTEL);
}

static void fix_leaf_7(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	e->eax = min_t(u32, e->eax, 1);
	/* Keys can be switched per guest only where the host runs with them. */
	if (!has_cap(h, X86_FEATURE_OSPKE))
		e->ecx &= ~F7C(PKU);
	if (!h->intel)
		e->edx &= ~F7D(ARCH_CAPABILITIES);
}

/* AMD can tell a width for guests apart from the host's. */
static void fix_widths(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	u8 phys = e->eax, virt = e->eax >> 8, guest_phys = e->eax >> 16;

	if (!guest_phys)
		guest_phys = phys;
	e->eax = min(guest_phys, h->max_gpa_bits) | max_t(u8, virt, 48) << 8;
}

static void fix_signature(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	u32 sig[3];

	memcpy(sig, KVM_SIGNATURE, sizeof(sig));
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = sig[0];
	e->ecx = sig[1];
	e->edx = sig[2];
}

static void fix_pv(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	e->eax = h->pv_features;
}

/* Subleaf 0: all user components; 1: the instructions; then one each. */
static void fix_xsave(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e)
{
	struct cpuid_xstate xs;
	u64 both = h->xcr0 | h->xss;

	if (e->index > 1) {
		e->edx = 0;
		return;
	}
	cpuid_xstate_probe(h, &xs);
	if (e->index == 0) {
		e->eax = h->xcr0;
		e->edx = h->xcr0 >> 32;
		e->ebx = cpuid_xstate_size(&xs, h->xcr0, false);
		e->ecx = e->ebx;
		return;
	}
	e->eax &= xsave_bits & h->caps[W_D_1_EAX];
	e->ebx = e->eax & (FD1A(XSAVES) | FD1A(XSAVEC)) ? cpuid_xstate_size(&xs, both, true) : 0;
	e->ecx = e->eax & FD1A(XSAVES) ? h->xss : 0;
	e->edx = e->eax & FD1A(XSAVES) ? h->xss >> 32 : 0;
}

static int next_xsave(const struct cpuid_host *h, const struct kvm_cpuid_entry2 *e)
{
	u64 comps = (h->xcr0 | h->xss) & ~3ULL;
	u32 i;

	if (!h->xcr0)
		return -1;
	if (e->index == 0)
		return 1;
	for (i = e->index + 1; i < 63; i++) {
		if (comps & BIT_ULL(i))
			return i;
	}
	return -1;
}

/* Caches: a subleaf of type 0 ends the list. */
static int next_cache(const struct cpuid_host *h, const struct kvm_cpuid_entry2 *e)
{
	return (e->eax & 0x1f) && e->index < 7 ? (int)e->index + 1 : -1;
}

/*
 * Topology is the VMM's to tell: leaves 0xb and 0x1f and APIC ids are zero. So are
 * the leaves of features that are not offered, where a VMM wants to find them: 5
 * MONITOR, 0xa PMU.
 */
static const struct leaf_rule leaf_rules[] = {
	{ .leaf = 0, .reg = { PASS, PASS, PASS, PASS }, .fix = fix_max_basic },
	{ .leaf = 1, .reg = { PASS, BITS(0xffff), LEAF_1_ECX, LEAF_1_EDX } },
	{ .leaf = 2, .reg = { PASS, PASS, PASS, PASS } },
	{ .leaf = 4, .flags = LEAF_INDEXED, .reg = { PASS, PASS, PASS, PASS },
	  .next = next_cache },
	{ .leaf = 5, .reg = { ZERO, ZERO, ZERO, ZERO } },
	{ .leaf = 6, .reg = { FIXED(BIT(2)), ZERO, ZERO, ZERO } },	/* ARAT */
	{ .leaf = 7, .flags = LEAF_INDEXED, .reg = { PASS, LEAF_7_EBX, LEAF_7_ECX, LEAF_7_EDX },
	  .fix = fix_leaf_7 },
	{ .leaf = 7, .subleaf = 1, .flags = LEAF_INDEXED | LEAF_OPTIONAL,
	  .reg = { LEAF_7_1_EAX, ZERO, ZERO, ZERO } },
	{ .leaf = 0xa, .reg = { ZERO, ZERO, ZERO, ZERO } },
	{ .leaf = 0xb, .flags = LEAF_INDEXED, .reg = { ZERO, ZERO, ZERO, ZERO } },
	{ .leaf = 0xd, .flags = LEAF_INDEXED, .reg = { PASS, PASS, PASS, PASS },
	  .fix = fix_xsave, .next = next_xsave },
	{ .leaf = 0x1f, .flags = LEAF_INDEXED, .reg = { ZERO, ZERO, ZERO, ZERO } },
	{ .leaf = KVM_CPUID_SIGNATURE, .reg = { ZERO, ZERO, ZERO, ZERO }, .fix = fix_signature },
	{ .leaf = KVM_CPUID_FEATURES, .reg = { ZERO, ZERO, ZERO, ZERO }, .fix = fix_pv },
	{ .leaf = 0x80000000, .reg = { PASS, PASS, PASS, PASS }, .fix = fix_max_extended },
	{ .leaf = 0x80000001, .reg = { PASS, PASS, LEAF_80000001_ECX, LEAF_80000001_EDX } },
	{ .leaf = 0x80000002, .reg = { PASS, PASS, PASS, PASS } },	/* brand string */
	{ .leaf = 0x80000003, .reg = { PASS, PASS, PASS, PASS } },
	{ .leaf = 0x80000004, .reg = { PASS, PASS, PASS, PASS } },
	{ .leaf = 0x80000005, .reg = { PASS, PASS, PASS, PASS } },	/* caches and TLBs */
	{ .leaf = 0x80000006, .reg = { PASS, PASS, PASS, PASS } },
	{ .leaf = 0x80000007, .reg = { ZERO, ZERO, ZERO, BITS(BIT(8)) } },	/* invariant TSC */
	{ .leaf = 0x80000008, .reg = { PASS, LEAF_80000008_EBX, BITS(0xffff), ZERO },
	  .fix = fix_widths },
	{ .leaf = 0x80000019, .flags = LEAF_AMD, .reg = { PASS, PASS, ZERO, ZERO } },
	{ .leaf = 0x8000001a, .flags = LEAF_AMD, .reg = { BITS(7), ZERO, ZERO, ZERO } },
	{ .leaf = 0x8000001d, .flags = LEAF_AMD | LEAF_INDEXED | LEAF_OPTIONAL,
	  .reg = { PASS, PASS, PASS, PASS }, .next = next_cache },
	{ .leaf = 0x8000001e, .flags = LEAF_AMD, .reg = { ZERO, ZERO, ZERO, ZERO } },
	/* No nested data breakpoints; LFENCE serializes; null selectors clear the base. */
	{ .leaf = 0x80000021, .flags = LEAF_AMD | LEAF_OPTIONAL,
	  .reg = { BITS(BIT(0) | BIT(2) | BIT(6)), ZERO, ZERO, ZERO } },
};

/* ---- what is offered ---- */

static u32 offered(const struct cpuid_host *h, const struct reg_rule *r, u32 host)
{
	if (r->word != W_NONE)
		host &= h->caps[r->word];
	return (host & r->host) | r->always;
}

static void make_entry(const struct cpuid_host *h, const struct leaf_rule *r, u32 subleaf,
		       struct kvm_cpuid_entry2 *e)
{
	struct cpuid_out o;

	h->query(r->leaf, subleaf, &o);
	memset(e, 0, sizeof(*e));
	e->function = r->leaf;
	e->index = subleaf;
	e->flags = r->flags & LEAF_INDEXED ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	e->eax = offered(h, &r->reg[CPUID_REG_EAX], o.reg[CPUID_REG_EAX]);
	e->ebx = offered(h, &r->reg[CPUID_REG_EBX], o.reg[CPUID_REG_EBX]);
	e->ecx = offered(h, &r->reg[CPUID_REG_ECX], o.reg[CPUID_REG_ECX]);
	e->edx = offered(h, &r->reg[CPUID_REG_EDX], o.reg[CPUID_REG_EDX]);
	if (r->fix)
		r->fix(h, e);
}

static bool is_pv_leaf(u32 leaf)
{
	return leaf >> 28 == 4;
}

static bool host_has_leaf(const struct cpuid_host *h, const struct leaf_rule *r)
{
	struct cpuid_out o;

	if (is_pv_leaf(r->leaf))
		return true;
	if ((r->flags & LEAF_AMD) && !h->amd)
		return false;
	h->query(r->leaf & LEAF_EXTENDED, 0, &o);
	return r->leaf <= o.reg[CPUID_REG_EAX];
}

static bool is_empty(const struct kvm_cpuid_entry2 *e)
{
	return !(e->eax | e->ebx | e->ecx | e->edx);
}

/* The subleaves of one rule into @e. How many, or -E2BIG. */
static int fill_leaf(const struct cpuid_host *h, const struct leaf_rule *r,
		     struct kvm_cpuid_entry2 *e, unsigned int max)
{
	unsigned int n = 0;
	int sub = r->subleaf;

	while (sub >= 0) {
		struct kvm_cpuid_entry2 new;

		make_entry(h, r, sub, &new);
		if ((r->flags & LEAF_OPTIONAL) && n == 0 && is_empty(&new))
			return 0;
		if (n >= max)
			return -E2BIG;
		e[n++] = new;
		sub = r->next ? r->next(h, &new) : -1;
	}
	return n;
}

int cpuid_supported(const struct cpuid_host *h, struct kvm_cpuid_entry2 *e, unsigned int max)
{
	unsigned int i, n = 0;
	int r;

	for (i = 0; i < ARRAY_SIZE(leaf_rules); i++) {
		if (!host_has_leaf(h, &leaf_rules[i]))
			continue;
		r = fill_leaf(h, &leaf_rules[i], e + n, max - n);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

/* ---- XSAVE areas ---- */

void cpuid_xstate_probe(const struct cpuid_host *h, struct cpuid_xstate *xs)
{
	u64 both = h->xcr0 | h->xss;
	struct cpuid_out o;
	unsigned int i;

	memset(xs, 0, sizeof(*xs));
	for (i = 2; i < 63; i++) {
		if (!(both & BIT_ULL(i)))
			continue;
		h->query(0xd, i, &o);
		xs->comp[i].size = o.reg[CPUID_REG_EAX];
		xs->comp[i].offset = o.reg[CPUID_REG_EBX];
		xs->comp[i].aligned = o.reg[CPUID_REG_ECX] & BIT(1);
	}
}

u32 cpuid_xstate_size(const struct cpuid_xstate *xs, u64 bits, bool compacted)
{
	u32 size = 512 + 64;	/* the legacy area and the header */
	unsigned int i;

	for (i = 2; i < 63; i++) {
		u32 at = xs->comp[i].offset;

		if (!(bits & BIT_ULL(i)) || !xs->comp[i].size)
			continue;
		if (compacted)
			at = xs->comp[i].aligned ? (size + 63) & ~63u : size;
		size = max(size, at + xs->comp[i].size);
	}
	return size;
}

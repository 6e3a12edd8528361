// SPDX-License-Identifier: GPL-2.0
/*
 * cpuid.c - any table of userspace's, on any host: look-ups against a plain search
 */
#include "fuzz.h"
#include "../../arch/x86/cpuid_policy.h"
#include <asm/cpufeatures.h>
#include <asm/kvm_para.h>

static struct {
	struct keel_cpuid t;
	struct kvm_cpuid_entry2 *e;	/* of exactly nent entries */
} r;

static u32 caps[32];
static struct fuzz host_in;	/* the host's CPUID: the input, anew for each leaf */

static void host_query(u32 leaf, u32 subleaf, struct cpuid_out *out)
{
	struct fuzz f = host_in;
	size_t skip = (leaf * 31 + subleaf * 7 + (leaf >> 28)) % 64;

	f.p += min_t(size_t, skip, f.end - f.p);
	fuzz_bytes(&f, out, sizeof(*out));
	if (!(leaf & 0x7fffffff))
		out->reg[CPUID_REG_EAX] = leaf | (out->reg[CPUID_REG_EAX] & 0x3f);
}

/* What Keel offers fits VMMs, and names no leaf and no feature twice or unasked. */
static void check_supported(struct fuzz *f)
{
	struct cpuid_host h = {
		.query = host_query, .caps = caps, .xcr0 = fuzz_num(f), .xss = fuzz_num(f) & 0xff00,
		.pv_features = fuzz_u32(f), .max_gpa_bits = 48, .amd = fuzz_u8(f) & 1,
	};
	unsigned int max = fuzz_u8(f) % (CPUID_MAX_SUPPORTED + 1);
	struct kvm_cpuid_entry2 *e = calloc(max ?: 1, sizeof(*e));
	struct cpuid_xstate xs;
	int n, i, j;

	h.intel = !h.amd;
	memset(caps, fuzz_u8(f), sizeof(caps));
	host_in = *f;
	n = cpuid_supported(&h, e, max);
	CHECK(n == -E2BIG || (n >= 0 && n <= (int)max));
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++)
			CHECK(e[i].function != e[j].function || e[i].index != e[j].index);
		if (e[i].function == 1)
			CHECK(!(e[i].ecx & BIT(5)));	/* VMX */
		if (e[i].function == 0x80000001)
			CHECK(!(e[i].ecx & BIT(X86_FEATURE_SVM & 31)));
		if (e[i].function == 0x80000008)
			CHECK((e[i].eax & 0xff) <= 48);
	}
	cpuid_xstate_probe(&h, &xs);
	CHECK(cpuid_xstate_size(&xs, 0, false) == 576 && cpuid_xstate_size(&xs, 3, true) == 576);
	free(e);
}

static void make_entry(struct fuzz *f, struct kvm_cpuid_entry2 *e)
{
	static const u32 leaves[] = {
		0, 1, 7, 0xb, 0xd, 0x1f, 0x40000000, 0x40000001, 0x40000100, 0x40000101,
		0x80000000, 0x80000001, 0x80000008, 0xc0000000, 4, 0x20,
	};
	static const char *const words[] = { "AuthenticAMD", "GenuineIntel", KVM_SIGNATURE };
	static const u32 widths[] = { 0, 48, 56, 57 };
	u8 how = fuzz_u8(f);

	fuzz_bytes(f, &e->eax, 4 * (how >> 6));
	e->function = how & 0x20 ? fuzz_u32(f) : leaves[how & 15];
	e->index = how & 0x10 ? fuzz_u8(f) : 0;
	e->flags = how & 0x10 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	if (e->function == 0x80000008 && !(how & 0xc0))
		e->eax = fuzz_u8(f) | widths[fuzz_u8(f) % 4] << 8;
	if (how & 0xc0 || e->function & 0x0fffffff)
		return;
	e->eax = fuzz_u8(f) | (e->function & 0xf0000000);
	if (e->function) {
		memcpy(&e->ebx, words[2], 12);
		return;
	}
	memcpy(&e->ebx, words[e->eax & 1], 4);
	memcpy(&e->edx, words[e->eax & 1] + 4, 4);
	memcpy(&e->ecx, words[e->eax & 1] + 8, 4);
}

static struct kvm_cpuid_entry2 *search(u32 leaf, u32 sub)
{
	unsigned int i;

	for (i = 0; i < r.t.nent; i++)
		if (r.e[i].function == leaf && (!(r.e[i].flags & 1) || r.e[i].index == sub))
			return &r.e[i];
	return NULL;
}

static void look_up(u32 leaf, u32 sub)
{
	struct kvm_cpuid_entry2 *e = search(leaf, sub);
	struct cpuid_out out;

	CHECK(cpuid_find(&r.t, leaf, sub) == e);
	cpuid_read(&r.t, leaf, sub, &out);
	if (e)
		CHECK(out.reg[0] == e->eax && out.reg[1] == e->ebx && out.reg[2] == e->ecx &&
		      out.reg[3] == e->edx);
	else if (r.t.amd && leaf != 0xb && leaf != 0x1f)
		CHECK(!(out.reg[0] | out.reg[1] | out.reg[2] | out.reg[3]));
}

/* Bits that mirror state follow it, change nothing else, and twice is as once. */
static void check_runtime(struct fuzz *f)
{
	u8 how = fuzz_u8(f);
	struct cpuid_runtime rt = {
		.osxsave = how & 1, .ospke = how & 2, .apic = how & 4, .follow_mwait = how & 8,
		.mwait = how & 16, .xcr0 = fuzz_num(f), .xss = fuzz_num(f),
	};
	size_t size = r.t.nent * sizeof(*r.e);
	struct kvm_cpuid_entry2 *once = malloc(size ?: 1);
	struct keel_cpuid copy = { .nent = r.t.nent, .e = once };
	struct cpuid_xstate xs = { };
	u64 features = cpuid_features(&r.t);

	xs.comp[2].size = 256;
	xs.comp[2].offset = 576;
	cpuid_set_runtime(&r.t, &xs, &rt);
	memcpy(once, r.e, size);
	cpuid_set_runtime(&r.t, &xs, &rt);
	CHECK(cpuid_equal(&r.t, &copy));
	if (search(1, 0))
		CHECK_EQ(!!(search(1, 0)->edx & BIT(X86_FEATURE_APIC & 31)), rt.apic);
	CHECK_EQ(features, cpuid_features(&r.t));
	if (r.t.nent) {
		once[0].edx ^= 1;
		CHECK(!cpuid_equal(&r.t, &copy));
	}
	free(once);
}

static void check_facts(void)
{
	const struct kvm_cpuid_entry2 *e = search(0x80000008, 0);
	u8 virt = e ? e->eax >> 8 : 0, phys = e ? e->eax : 0;
	u64 features = cpuid_features(&r.t);

	CHECK_EQ(cpuid_check(&r.t), virt == 0 || virt == 48 || virt == 57 ? 0 : -EINVAL);
	CHECK_EQ(cpuid_maxphyaddr(&r.t), phys ?: 36);
	CHECK_EQ(features >> KEEL_NR_FEATURES, 0);
	CHECK_EQ(!!(cpuid_cr4(features) & X86_CR4_SMEP), !!(features & BIT_ULL(KEEL_F_SMEP)));
	CHECK_EQ(!!(cpuid_efer(features) & BIT(11)), !!(features & BIT_ULL(KEEL_F_NX)));
	CHECK_EQ(cpuid_cr4(0) & (X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_LA57), 0);
	CHECK_EQ(cpuid_xcr0(&r.t) >> 32, search(0xd, 0) ? search(0xd, 0)->edx : 0);
	CHECK_EQ(cpuid_xss(&r.t) >> 32, search(0xd, 1) ? search(0xd, 1)->edx : 0);
}

void fuzz_one(struct fuzz *f)
{
	unsigned int i;

	if (fuzz_u8(f) & 1) {
		check_supported(f);
		return;
	}
	r.t.nent = fuzz_u8(f) % (CPUID_MAX_ENTRIES + 1);
	r.e = calloc(r.t.nent ?: 1, sizeof(*r.e));
	r.t.e = r.e;
	for (i = 0; i < r.t.nent; i++)
		make_entry(f, &r.e[i]);
	cpuid_index(&r.t);
	check_facts();
	check_runtime(f);
	while (fuzz_more(f)) {
		look_up(fuzz_u32(f), fuzz_u8(f));
		if (r.t.nent)
			look_up(r.e[fuzz_u8(f) % r.t.nent].function + (s8)fuzz_u8(f) / 64, fuzz_u8(f));
	}
	free(r.e);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's CPUID table as userspace set it: look-up by the rules of the
 * instruction, and what of it Keel acts on. Userspace may have put anything into it.
 */
#include "cpuid_policy.h"
#include <asm/cpufeatures.h>
#include <asm/kvm_para.h>

#define LEAF_CLASS_EXTENDED	0x80000000
#define LEAF_CLASS_CENTAUR	0xc0000000
#define MAXPHYADDR_UNTOLD	36	/* of a CPU without leaf 0x80000008 */

/* ---- order and look-up ---- */

static bool vendor_is(const struct kvm_cpuid_entry2 *e, const char *id)
{
	u32 v[3] = { e->ebx, e->edx, e->ecx };

	return !memcmp(v, id, sizeof(v));
}

/* The leaves of each class are a few in a row. */
static unsigned int hash_of(u32 leaf)
{
	return (leaf ^ leaf >> 26) % CPUID_HASHES;
}

/* Equal leaves stay in userspace's order: the first one wins. */
void cpuid_index(struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e;
	unsigned int i = t->nent;
	u16 *first;

	memset(t->first, 0, sizeof(t->first));
	while (i-- > 0) {
		first = &t->first[hash_of(t->e[i].function)];
		t->next[i] = *first;
		*first = i + 1;
	}
	e = cpuid_find(t, 0, 0);
	t->amd = e && (vendor_is(e, "AuthenticAMD") || vendor_is(e, "HygonGenuine") ||
		       vendor_is(e, "AMDisbetter!"));
}

struct kvm_cpuid_entry2 *cpuid_find(const struct keel_cpuid *t, u32 leaf, u32 subleaf)
{
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	for (i = t->first[hash_of(leaf)]; i; i = t->next[i]) {
		i = array_index_nospec(i - 1, t->nent);	/* beyond a chain's end, too */
		e = &t->e[i];
		if (e->function == leaf &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == subleaf))
			return e;
	}
	return NULL;
}

/* The leaf that tells the greatest leaf of @leaf's class. */
static u32 class_of(u32 leaf)
{
	if (leaf >> 28 == 4)
		return leaf & 0xffffff00;	/* hypervisors are found in steps of 0x100 */
	if (leaf >= LEAF_CLASS_CENTAUR)
		return LEAF_CLASS_CENTAUR;
	return leaf & LEAF_CLASS_EXTENDED;
}

/*
 * Beyond the greatest leaf of its class, Intel's CPUs answer with their greatest
 * basic leaf, AMD's with zeros. A leaf within range that has no entry is zero.
 */
static struct kvm_cpuid_entry2 *out_of_range(const struct keel_cpuid *t, u32 leaf, u32 subleaf)
{
	const struct kvm_cpuid_entry2 *basic = cpuid_find(t, 0, 0);
	const struct kvm_cpuid_entry2 *class = cpuid_find(t, class_of(leaf), 0);

	if (!basic || t->amd || (class && leaf <= class->eax))
		return NULL;
	return cpuid_find(t, basic->eax, subleaf);
}

/* Topology leaves tell the x2APIC id in every subleaf, even those that do not exist. */
static void read_topology(const struct keel_cpuid *t, u32 leaf, u32 subleaf, struct cpuid_out *o)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(t, leaf, 1);

	if ((leaf != 0xb && leaf != 0x1f) || !e)
		return;
	o->reg[CPUID_REG_ECX] = subleaf & 0xff;
	o->reg[CPUID_REG_EDX] = e->edx;
}

void cpuid_read(const struct keel_cpuid *t, u32 leaf, u32 subleaf, struct cpuid_out *o)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(t, leaf, subleaf);

	if (!e)
		e = out_of_range(t, leaf, subleaf);
	if (!e) {
		memset(o, 0, sizeof(*o));
		read_topology(t, leaf, subleaf, o);
		return;
	}
	o->reg[CPUID_REG_EAX] = e->eax;
	o->reg[CPUID_REG_EBX] = e->ebx;
	o->reg[CPUID_REG_ECX] = e->ecx;
	o->reg[CPUID_REG_EDX] = e->edx;
}

/* ---- checks and runtime bits ---- */

int cpuid_check(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(t, 0x80000008, 0);
	u8 virt = e ? e->eax >> 8 : 0;

	return virt == 0 || virt == 48 || virt == 57 ? 0 : -EINVAL;
}

bool cpuid_equal(const struct keel_cpuid *a, const struct keel_cpuid *b)
{
	return a->nent == b->nent && !memcmp(a->e, b->e, a->nent * sizeof(*a->e));
}

static void change_bit_in(u32 *reg, unsigned int feature, bool on)
{
	u32 bit = BIT(feature & 31);

	*reg = on ? *reg | bit : *reg & ~bit;
}

void cpuid_set_runtime(const struct keel_cpuid *t, const struct cpuid_xstate *xs,
		       const struct cpuid_runtime *rt)
{
	const u32 compacting = BIT(X86_FEATURE_XSAVES & 31) | BIT(X86_FEATURE_XSAVEC & 31);
	struct kvm_cpuid_entry2 *e = cpuid_find(t, 1, 0);

	if (e) {
		if (e->ecx & BIT(X86_FEATURE_XSAVE & 31))
			change_bit_in(&e->ecx, X86_FEATURE_OSXSAVE, rt->osxsave);
		if (rt->follow_mwait)
			change_bit_in(&e->ecx, X86_FEATURE_MWAIT, rt->mwait);
		change_bit_in(&e->edx, X86_FEATURE_APIC, rt->apic);
	}
	e = cpuid_find(t, 7, 0);
	if (e && e->ecx & BIT(X86_FEATURE_PKU & 31))
		change_bit_in(&e->ecx, X86_FEATURE_OSPKE, rt->ospke);
	e = cpuid_find(t, 0xd, 0);
	if (e)
		e->ebx = cpuid_xstate_size(xs, rt->xcr0, false);
	e = cpuid_find(t, 0xd, 1);
	if (e && e->eax & compacting)
		e->ebx = cpuid_xstate_size(xs, rt->xcr0 | rt->xss, true);
}

/* ---- features ---- */

struct feature_rule {
	u32 leaf;
	u8 reg, bit, feature;
};

#define FEATURE(l, r, name, f) { l, CPUID_REG_##r, X86_FEATURE_##name & 31, KEEL_F_##f }

/* A feature with more than one source is there when one of them says so. */
static const struct feature_rule feature_rules[] = {
	FEATURE(1, ECX, XMM3, XMM3),
	FEATURE(1, ECX, CX16, CX16),
	FEATURE(1, ECX, PCID, PCID),
	FEATURE(1, ECX, X2APIC, X2APIC),
	FEATURE(1, ECX, MOVBE, MOVBE),
	FEATURE(1, ECX, TSC_DEADLINE_TIMER, TSC_DEADLINE),
	FEATURE(1, ECX, XSAVE, XSAVE),
	FEATURE(1, ECX, AVX, AVX),
	FEATURE(7, EBX, FSGSBASE, FSGSBASE),
	FEATURE(7, EBX, TSC_ADJUST, TSC_ADJUST),
	FEATURE(7, EBX, AVX2, AVX2),
	FEATURE(7, EBX, SMEP, SMEP),
	FEATURE(7, EBX, INVPCID, INVPCID),
	FEATURE(7, EBX, RTM, RTM),
	FEATURE(7, EBX, SMAP, SMAP),
	FEATURE(7, ECX, UMIP, UMIP),
	FEATURE(7, ECX, PKU, PKU),
	FEATURE(7, ECX, LA57, LA57),
	FEATURE(7, ECX, RDPID, TSC_AUX),
	FEATURE(7, EDX, SPEC_CTRL, SPEC_CTRL),
	FEATURE(7, EDX, SPEC_CTRL, PRED_CMD),
	FEATURE(7, EDX, INTEL_STIBP, STIBP),
	FEATURE(7, EDX, ARCH_CAPABILITIES, ARCH_CAPS),
	FEATURE(7, EDX, SPEC_CTRL_SSBD, SSBD),
	FEATURE(0x80000001, ECX, OSVW, OSVW),
	FEATURE(0x80000001, EDX, NX, NX),
	FEATURE(0x80000001, EDX, FXSR_OPT, FXSR_OPT),
	FEATURE(0x80000001, EDX, GBPAGES, GBPAGES),
	FEATURE(0x80000001, EDX, RDTSCP, TSC_AUX),
	FEATURE(0x80000001, EDX, LM, LM),
	FEATURE(0x80000008, EBX, AMD_IBPB, PRED_CMD),
	FEATURE(0x80000008, EBX, AMD_IBRS, SPEC_CTRL),
	FEATURE(0x80000008, EBX, AMD_STIBP, STIBP),
	FEATURE(0x80000008, EBX, AMD_SSBD, SSBD),
};

static const struct { u8 bit, feature; } pv_rules[] = {
	{ KVM_FEATURE_CLOCKSOURCE, KEEL_F_PV_CLOCK },
	{ KVM_FEATURE_CLOCKSOURCE2, KEEL_F_PV_CLOCK2 },
	{ KVM_FEATURE_STEAL_TIME, KEEL_F_PV_STEAL },
	{ KVM_FEATURE_PV_UNHALT, KEEL_F_PV_UNHALT },
	{ KVM_FEATURE_PV_SEND_IPI, KEEL_F_PV_SEND_IPI },
	{ KVM_FEATURE_POLL_CONTROL, KEEL_F_PV_POLL },
	{ KVM_FEATURE_PV_SCHED_YIELD, KEEL_F_PV_YIELD },
};

static u32 entry_reg(const struct kvm_cpuid_entry2 *e, u8 reg)
{
	switch (reg) {
	case CPUID_REG_EAX:
		return e->eax;
	case CPUID_REG_EBX:
		return e->ebx;
	case CPUID_REG_ECX:
		return e->ecx;
	default:
		return e->edx;
	}
}

static bool is_pv_signature(const struct kvm_cpuid_entry2 *e)
{
	u32 sig[3] = { e->ebx, e->ecx, e->edx };

	return e->function >> 28 == 4 && !(e->function & 0xff) &&
	       !memcmp(sig, KVM_SIGNATURE, sizeof(sig));
}

/* KVM's leaves stand where its signature is first, which another interface may have pushed up. */
static const struct kvm_cpuid_entry2 *find_pv(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *first = NULL;
	unsigned int i;

	for (i = 0; i < t->nent; i++)
		if (is_pv_signature(&t->e[i]) && (!first || t->e[i].function < first->function))
			first = &t->e[i];
	if (!first)
		return NULL;
	return cpuid_find(t, first->function | (KVM_CPUID_FEATURES & 0xff), 0);
}

static u64 pv_features(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e = find_pv(t);
	u64 features = 0;
	unsigned int i;

	for (i = 0; e && i < ARRAY_SIZE(pv_rules); i++) {
		if (e->eax & BIT(pv_rules[i].bit))
			features |= BIT_ULL(pv_rules[i].feature);
	}
	return features;
}

u64 cpuid_features(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e, *xsave = cpuid_find(t, 0xd, 1);
	u64 features = pv_features(t);
	unsigned int i;

	BUILD_BUG_ON(KEEL_NR_FEATURES > 64);
	for (i = 0; i < ARRAY_SIZE(feature_rules); i++) {
		const struct feature_rule *r = &feature_rules[i];

		e = cpuid_find(t, r->leaf, 0);
		if (e && entry_reg(e, r->reg) & BIT(r->bit))
			features |= BIT_ULL(r->feature);
	}
	if (xsave && xsave->eax & BIT(X86_FEATURE_XSAVES & 31))
		features |= BIT_ULL(KEEL_F_XSAVES);
	return features;
}

/* CR4 and EFER bits that are there only with a feature. */
static const struct { u64 bit; u8 feature; } cr4_rules[] = {
	{ X86_CR4_OSXSAVE, KEEL_F_XSAVE },
	{ X86_CR4_SMEP, KEEL_F_SMEP },
	{ X86_CR4_SMAP, KEEL_F_SMAP },
	{ X86_CR4_FSGSBASE, KEEL_F_FSGSBASE },
	{ X86_CR4_PKE, KEEL_F_PKU },
	{ X86_CR4_LA57, KEEL_F_LA57 },
	{ X86_CR4_UMIP, KEEL_F_UMIP },
	{ X86_CR4_PCIDE, KEEL_F_PCID },
};

u64 cpuid_cr4(u64 features)
{
	u64 cr4 = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		  X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
		  X86_CR4_OSXMMEXCPT;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cr4_rules); i++) {
		if (features & BIT_ULL(cr4_rules[i].feature))
			cr4 |= cr4_rules[i].bit;
	}
	return cr4;
}

u64 cpuid_efer(u64 features)
{
	u64 efer = BIT(0);	/* SCE */

	if (features & BIT_ULL(KEEL_F_LM))
		efer |= BIT(8) | BIT(10);	/* LME, LMA */
	if (features & BIT_ULL(KEEL_F_NX))
		efer |= BIT(11);		/* NXE */
	if (features & BIT_ULL(KEEL_F_FXSR_OPT))
		efer |= BIT(14);		/* FFXSR */
	return efer;
}

u64 cpuid_xcr0(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(t, 0xd, 0);

	return e ? e->eax | (u64)e->edx << 32 : 0;
}

u64 cpuid_xss(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(t, 0xd, 1);

	return e ? e->ecx | (u64)e->edx << 32 : 0;
}

u8 cpuid_maxphyaddr(const struct keel_cpuid *t)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(t, 0x80000008, 0);

	return e && (e->eax & 0xff) ? e->eax & 0xff : MAXPHYADDR_UNTOLD;
}

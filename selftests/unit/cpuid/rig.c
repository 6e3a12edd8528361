// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

u32 rig_max_basic, rig_max_extended;
static u32 caps[32];

static void vendor(struct cpuid_out *o, u32 max, const char *id)
{
	o->reg[CPUID_REG_EAX] = max;
	memcpy(&o->reg[CPUID_REG_EBX], id, 4);
	memcpy(&o->reg[CPUID_REG_EDX], id + 4, 4);
	memcpy(&o->reg[CPUID_REG_ECX], id + 8, 4);
}

/* Components 2 (standard, at 576) and 9 (at 2688, aligned) as on real CPUs; the rest made up. */
static void xsave(u32 subleaf, struct cpuid_out *o)
{
	if (subleaf < 2)
		return;
	o->reg[CPUID_REG_EAX] = subleaf == 2 ? 256 : 8;
	o->reg[CPUID_REG_EBX] = subleaf == 2 ? 576 : 2688 + (subleaf - 9) * 64;
	o->reg[CPUID_REG_ECX] = subleaf == 9 ? 2 : 0;
	o->reg[CPUID_REG_EDX] = 0x55;
}

static void query(u32 leaf, u32 subleaf, struct cpuid_out *o)
{
	const char *id = rig_host.amd ? "AuthenticAMD" : "GenuineIntel";

	memset(o, 0xff, sizeof(*o));
	if (leaf == 0)
		vendor(o, rig_max_basic, id);
	if (leaf == 0x80000000)
		vendor(o, rig_max_extended, id);
	if (leaf == 4 || leaf == 0x8000001d)
		o->reg[CPUID_REG_EAX] = subleaf < 4 ? subleaf + 1 : 0;
	if (leaf == 0xd)
		xsave(subleaf, o);
	if (leaf == 0x80000008)
		o->reg[CPUID_REG_EAX] = 52 | 48 << 8;
}

struct cpuid_host rig_host = { .query = query, .caps = caps };

void rig_reset(bool amd)
{
	memset(caps, 0xff, sizeof(caps));
	rig_host = (struct cpuid_host) {
		.query = query, .caps = caps, .xcr0 = 0x207, .max_gpa_bits = 48,
		.pv_features = BIT(KVM_FEATURE_CLOCKSOURCE2), .amd = amd, .intel = !amd,
	};
	rig_max_basic = 0x20;
	rig_max_extended = 0x80000030;
}

void rig_add(struct rig_table *r, u32 leaf, int subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	r->t.e = r->e;
	r->e[r->t.nent++] = (struct kvm_cpuid_entry2) {
		.function = leaf, .index = subleaf < 0 ? 0 : subleaf,
		.flags = subleaf < 0 ? 0 : KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx,
	};
}

void rig_add_vendor(struct rig_table *r, u32 max, bool amd)
{
	struct cpuid_out o;

	vendor(&o, max, amd ? "AuthenticAMD" : "GenuineIntel");
	rig_add(r, 0, -1, o.reg[0], o.reg[1], o.reg[2], o.reg[3]);
}

void rig_supported(struct rig_table *r)
{
	int n = cpuid_supported(&rig_host, r->e, CPUID_MAX_SUPPORTED);

	EXPECT_GT(n, 0);
	r->t.e = r->e;
	r->t.nent = n > 0 ? n : 0;
	cpuid_index(&r->t);
}

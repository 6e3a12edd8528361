// SPDX-License-Identifier: GPL-2.0
/*
 * cpuid.c - is what CPUID says consistent, and does it follow the CPU's state?
 */
#include "apic.h"
#include "lib.h"

#define HYPERVISOR	0x40000000u

static bool same(struct cpuid a, struct cpuid b)
{
	return a.a == b.a && a.b == b.b && a.c == b.c && a.d == b.d;
}

static bool is_zero(struct cpuid r)
{
	return !(r.a | r.b | r.c | r.d);
}

static void t_vendor(void)
{
	struct cpuid r = cpuid(0, 0), x = cpuid(0x80000000, 0);

	EXPECT(r.a >= 7);
	EXPECT(x.a >= 0x80000008);
	EXPECT(r.b == 0x68747541 || r.b == 0x756e6547 || r.b == 0x6f677948);
	if (r.b == 0x68747541) {
		EXPECT_EQ(x.b, r.b);
		EXPECT_EQ(x.c, r.c);
		EXPECT_EQ(x.d, r.d);
	}
}

/* What long mode and this library need is there. */
static void t_required(void)
{
	struct cpuid r = cpuid(1, 0), x = cpuid(0x80000001, 0);

	EXPECT_EQ(r.d & 0x07808171, 0x07808171);	/* FPU TSC MSR PAE CX8 ... SSE2 */
	EXPECT(r.d & BIT(9));				/* APIC */
	EXPECT(r.c & BIT(21));				/* x2APIC */
	EXPECT(r.c & BIT(31));				/* hypervisor */
	EXPECT(x.d & BIT(29));				/* LM */
	EXPECT(x.d & BIT(20));				/* NX */
	EXPECT(x.d & BIT(11));				/* SYSCALL */
	EXPECT_EQ(r.b >> 24, this_cpu()->id);
}

/* Nothing that is not emulated: SVM, VMX, MONITOR, SMX, debug store */
static void t_not_offered(void)
{
	struct cpuid r = cpuid(1, 0), x = cpuid(0x80000001, 0);

	EXPECT(!(r.c & BIT(2)));
	EXPECT(!(r.c & BIT(5)) || option("kvm"));
	EXPECT(!(r.c & BIT(6)));
	EXPECT(!(r.d & BIT(21)));
	EXPECT(!(x.c & BIT(2)) || option("kvm"));
	if (!(x.c & BIT(2)))
		EXPECT(is_zero(cpuid(0x8000000a, 0)));
}

static void t_hypervisor_leaves(void)
{
	struct cpuid r = cpuid(HYPERVISOR, 0);

	EXPECT(r.a >= HYPERVISOR + 1);
	EXPECT_EQ(r.b, 0x4b4d564b);	/* KVMKVMKVM */
	EXPECT_EQ(r.c, 0x564b4d56);
	EXPECT_EQ(r.d, 0x4d);
	EXPECT(cpuid(HYPERVISOR + 1, 0).a & (BIT(0) | BIT(3)));
	EXPECT(cpuid(HYPERVISOR + 1, 0).a & BIT(24));	/* stable clock */
}

/*
 * "CPUID": above the highest standard leaf Intel's CPUs return that leaf, AMD's zeros.
 */
static void t_beyond_last(void)
{
	u32 max = cpuid(0, 0).a;

	if (cpuid(0, 0).b != 0x756e6547) {
		EXPECT(is_zero(cpuid(max + 1, 0)));
		EXPECT(is_zero(cpuid(0x3fffffff, 0)));
	} else {
		EXPECT(same(cpuid(max + 1, 0), cpuid(max, 0)));
	}
	EXPECT(is_zero(cpuid(0x8fffffff, 0)) || cpuid(0, 0).b == 0x756e6547);
}

/* Leaves without subleaves do not look at ECX. */
static void t_ecx_ignored(void)
{
	static const u32 leaves[] = { 0, 1, 0x80000000, 0x80000001, 0x80000008, HYPERVISOR };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		EXPECT(same(cpuid(leaves[i], 0), cpuid(leaves[i], 0x12345)));
	EXPECT(is_zero(cpuid(7, 0x1234)));
}

static void t_upper_halves(void)
{
	u64 a = 0xdeadbeef00000001, b = ~0ull, c = 0xdeadbeef00000000, d = ~0ull;

	asm volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	EXPECT_EQ(a >> 32, 0);
	EXPECT_EQ(b >> 32, 0);
	EXPECT_EQ(c >> 32, 0);
	EXPECT_EQ(d >> 32, 0);
	EXPECT_EQ((u32)a, cpuid(1, 0).a);
}

static void t_osxsave(void)
{
	u64 cr4 = read_cr4();

	if (!(cpuid(1, 0).c & BIT(26))) {
		EXPECT(!(cpuid(1, 0).c & BIT(27)));
		EXPECT_TRAP(GP, write_cr4(cr4 | CR4_OSXSAVE));
		return;
	}
	write_cr4(cr4 & ~CR4_OSXSAVE);
	EXPECT(!(cpuid(1, 0).c & BIT(27)));
	write_cr4(cr4 | CR4_OSXSAVE);
	EXPECT(cpuid(1, 0).c & BIT(27));
	write_cr4(cr4);
	EXPECT(!(cpuid(1, 0).c & BIT(27)));
}

static void t_apic_bit(void)
{
	EXPECT(cpuid(1, 0).d & BIT(9));
	apic_set_disabled();
	EXPECT(!(cpuid(1, 0).d & BIT(9)));
	apic_set_xapic();
	EXPECT(cpuid(1, 0).d & BIT(9));
	apic_enable();
}

/* Leaf 0xd, 0: sizes that XCR0 enables and supports */
static void t_xsave_sizes(void)
{
	struct cpuid r = cpuid(0xd, 0);

	if (!(cpuid(1, 0).c & BIT(26))) {
		skip("no XSAVE");
		return;
	}
	EXPECT_EQ(r.a & 3, 3);
	EXPECT(r.b >= 576);
	EXPECT(r.c >= r.b);
	if (r.a & 4) {
		struct cpuid ymm = cpuid(0xd, 2);

		EXPECT_EQ(ymm.a, 256);
		EXPECT_EQ(ymm.b, 576);
		EXPECT(r.c >= 832);
	}
	if (!(r.a & 4))
		EXPECT(!(cpuid(1, 0).c & BIT(28)));
}

static void t_address_widths(void)
{
	u32 a = cpuid(0x80000008, 0).a;

	EXPECT((a & 0xff) >= 36 && (a & 0xff) <= 52);
	EXPECT((a >> 8 & 0xff) == 48 || (a >> 8 & 0xff) == 57);
}

static void t_brand_string(void)
{
	struct cpuid r[3];
	const char *s = (const char *)r;
	unsigned int i, ended = 0;

	for (i = 0; i < 3; i++)
		r[i] = cpuid(0x80000002 + i, 0);
	for (i = 0; i < sizeof(r); i++) {
		ended |= !s[i];
		EXPECT(ended || (s[i] >= ' ' && s[i] < 127));
	}
	if (!s[0] && option("kvm"))
		skip("kvm leaves the brand string empty");
	else
		EXPECT(s[0]);
}

/* Repeated a thousand times: always the same answer, and all other registers kept */
static void t_stable(void)
{
	struct cpuid first = cpuid(1, 0);
	unsigned int i;

	for (i = 0; i < 1000; i++)
		if (!same(cpuid(1, 0), first))
			break;
	EXPECT_EQ(i, 1000);
}

static void t_feature_bits_work(void)
{
	struct cpuid r = cpuid(1, 0), f = cpuid(7, 0);
	u64 val = 0x1122334455667788, out = 0;
	u32 lo, hi;

	if (r.c & BIT(22)) {
		asm volatile("movbe %1, %0" : "=r"(out) : "m"(val));
		EXPECT_EQ(out, 0x8877665544332211);
	}
	if (r.c & BIT(23)) {
		asm volatile("popcnt %1, %0" : "=r"(out) : "r"(val));
		EXPECT_EQ(out, 26);
	}
	if (r.c & BIT(30))
		EXPECT_NO_TRAP(asm volatile("rdrand %0" : "=r"(out)));
	if (f.b & BIT(0)) {
		write_cr4(read_cr4() | CR4_FSGSBASE);
		EXPECT_NO_TRAP(asm volatile("rdfsbase %0" : "=r"(out)));
		write_cr4(read_cr4() & ~CR4_FSGSBASE);
		EXPECT_TRAP(UD, asm volatile("rdfsbase %0" : "=r"(out)));
	}
	if (cpuid(0x80000001, 0).d & BIT(27)) {
		wrmsr(MSR_TSC_AUX, 0x1234567);
		asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(out));
		EXPECT_EQ(out, 0x1234567);
	}
}

const struct test tests[] = {
	{ "vendor and last leaves", t_vendor },
	{ "required features", t_required },
	{ "features that must not be there", t_not_offered },
	{ "hypervisor leaves", t_hypervisor_leaves },
	{ "leaves beyond the last", t_beyond_last },
	{ "ECX without meaning", t_ecx_ignored },
	{ "upper halves are cleared", t_upper_halves },
	{ "OSXSAVE follows CR4", t_osxsave },
	{ "APIC bit follows the base MSR", t_apic_bit },
	{ "XSAVE sizes", t_xsave_sizes },
	{ "address widths", t_address_widths },
	{ "brand string", t_brand_string },
	{ "the same answer every time", t_stable },
	{ "features work", t_feature_bits_work },
	{ }
};

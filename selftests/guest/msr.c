// SPDX-License-Identifier: GPL-2.0
/*
 * msr.c - RDMSR and WRMSR: values kept, values refused, registers that do not exist
 */
#include "apic.h"
#include "lib.h"

#define NONCANONICAL	0x0000900000000000ull
#define HIGH_CANONICAL	0xffff800000001000ull

static bool amd(void)
{
	return cpuid(0, 0).b != 0x756e6547;
}

struct kept {
	u32 msr;
	u64 val;
	const char *name;
};

/* Ordinary registers: what is written is read. */
static void t_kept(void)
{
	static const struct kept list[] = {
		{ MSR_SYSENTER_CS, 0x8, "SYSENTER_CS" },
		{ MSR_SYSENTER_ESP, HIGH_CANONICAL, "SYSENTER_ESP" },
		{ MSR_SYSENTER_EIP, HIGH_CANONICAL, "SYSENTER_EIP" },
		{ MSR_STAR, 0x0053001000000000, "STAR" },
		{ MSR_LSTAR, HIGH_CANONICAL, "LSTAR" },
		{ MSR_CSTAR, HIGH_CANONICAL, "CSTAR" },
		{ MSR_SFMASK, 0x47700, "SFMASK" },
		{ MSR_FS_BASE, HIGH_CANONICAL, "FS_BASE" },
		{ MSR_KERNEL_GS, HIGH_CANONICAL, "KERNEL_GS_BASE" },
		{ MSR_PAT, 0x0706050400010406, "PAT" },
		{ MSR_TSC_AUX, 0x12345678, "TSC_AUX" },
		{ 0x2ff, 0xc06, "MTRRdefType" },
		{ 0x200, 0x12345006, "MTRRphysBase0" },
		{ 0x201, 0xfffff800, "MTRRphysMask0" },
		{ 0x250, 0x0606060606060606, "MTRRfix64K" },
		{ 0x26f, 0x0505050505050505, "MTRRfix4K_F8000" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		volatile u64 old = 0, now = 0;

		EXPECT_NO_TRAP(old = rdmsr(list[i].msr));
		EXPECT_NO_TRAP(wrmsr(list[i].msr, list[i].val));
		EXPECT_NO_TRAP(now = rdmsr(list[i].msr));
		if (now != list[i].val)
			fail("%s reads %#llx", list[i].name, (unsigned long long)now);
		EXPECT_NO_TRAP(wrmsr(list[i].msr, old));
	}
}

/* Every number that no CPU has is #GP(0), reading and writing. */
static void t_unknown(void)
{
	static const u32 list[] = { 0x12345678, 0x4000, 0xffffffff, 0xc0002fff, 0x4b564dff, 0x900 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		EXPECT_EQ(EXPECT_TRAP(GP, rdmsr(list[i]))->error, 0);
		EXPECT_EQ(EXPECT_TRAP(GP, wrmsr(list[i], 0))->error, 0);
	}
}

static void t_refused(void)
{
	static const struct kept list[] = {
		{ MSR_PAT, 0x0706050400070402, "PAT: type 2" },
		{ MSR_PAT, 0x0806050400070406, "PAT: type 8" },
		{ MSR_EFER, BIT(63), "EFER: reserved" },
		{ MSR_EFER, BIT(1), "EFER: reserved low" },
		{ MSR_APIC_BASE, 0xfee00400, "APIC_BASE: x2APIC alone" },
		{ MSR_APIC_BASE, BIT(62), "APIC_BASE: reserved" },
		{ 0x2ff, 0xc02, "MTRRdefType: type 2" },
		{ 0x2ff, 0xc00000000006, "MTRRdefType: reserved" },
		{ 0x250, 2, "MTRRfix: type 2" },
		{ 0x200, 3, "MTRRphysBase: type 3" },
		{ 0x200, BIT(62), "MTRRphysBase: beyond the address width" },
		{ 0xfe, 0, "MTRRcap is read-only" },
		{ 0x179, 0, "MCG_CAP is read-only" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		volatile u64 old = rdmsr(list[i].msr);
		const struct trap *t = CATCH(wrmsr(list[i].msr, list[i].val));

		if (t->vector != GP || t->error)
			fail("%s: vector %d", list[i].name, t->vector);
		EXPECT_EQ(rdmsr(list[i].msr), old);
	}
}

static void t_canonical(void)
{
	static const u32 list[] = { MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS };
	unsigned int i;

	if (option("tcg")) {
		skip("TCG does not check, and these are not intercepted");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(list); i++)
		EXPECT_EQ(EXPECT_TRAP(GP, wrmsr(list[i], NONCANONICAL))->error, 0);
}

static void t_efer(void)
{
	u64 efer = rdmsr(MSR_EFER);

	EXPECT_EQ(efer & (EFER_LME | EFER_LMA | EFER_NXE), EFER_LME | EFER_LMA | EFER_NXE);
	wrmsr(MSR_EFER, efer | EFER_SCE);
	EXPECT_EQ(rdmsr(MSR_EFER), efer | EFER_SCE);
	/* LME cannot change while paging is on; LMA is not for software to set. */
	EXPECT_TRAP(GP, wrmsr(MSR_EFER, efer & ~EFER_LME));
	EXPECT_EQ(rdmsr(MSR_EFER), efer | EFER_SCE);
	wrmsr(MSR_EFER, efer);
	EXPECT_EQ(rdmsr(MSR_EFER), efer);
	if (!(cpuid(0x80000001, 0).c & BIT(2)))
		EXPECT_TRAP(GP, wrmsr(MSR_EFER, efer | BIT(12)));	/* SVME */
}

static void t_cpl3(void)
{
	extern char user_rdmsr[], user_wrmsr[];
	const struct trap *t;

	asm volatile("jmp 1f\n"
		     "user_rdmsr: mov $0x10, %ecx; rdmsr; int $0x81\n"
		     "user_wrmsr: mov $0x10, %ecx; wrmsr; int $0x81\n"
		     "1:");
	t = EXPECT_TRAP(GP, enter_user((u64)user_rdmsr, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->regs.rip, (u64)user_rdmsr + 5);
	EXPECT_EQ(t->error, 0);
	t = EXPECT_TRAP(GP, enter_user((u64)user_wrmsr, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->regs.rip, (u64)user_wrmsr + 5);
}

/* RDMSR writes EDX and EAX as 32 bit registers, WRMSR looks at no more. */
static void t_halves(void)
{
	u64 a = ~0ull, c = 0xffffffff00000000ull | MSR_LSTAR, d = ~0ull;

	wrmsr(MSR_LSTAR, 0xffff800012345678);
	asm volatile("rdmsr" : "+a"(a), "+d"(d) : "c"(c));
	EXPECT_EQ(a, 0x12345678);
	EXPECT_EQ(d, 0xffff8000);
	a = 0xdeadbeef00001000;
	d = 0xdeadbeef00000000;
	asm volatile("wrmsr" : : "a"(a), "c"(c), "d"(d));
	EXPECT_EQ(rdmsr(MSR_LSTAR), 0x1000);
	wrmsr(MSR_LSTAR, 0);
}

static void t_swapgs(void)
{
	u64 gs = rdmsr(MSR_GS_BASE), mine, kernel;

	wrmsr(MSR_KERNEL_GS, 0x123450);
	asm volatile("swapgs");
	mine = rdmsr(MSR_GS_BASE);
	kernel = rdmsr(MSR_KERNEL_GS);
	asm volatile("swapgs");
	EXPECT_EQ(mine, 0x123450);
	EXPECT_EQ(kernel, gs);
	EXPECT_EQ(rdmsr(MSR_GS_BASE), gs);
	EXPECT_EQ(rdmsr(MSR_KERNEL_GS), 0x123450);
}

static void t_syscall(void)
{
	u64 efer = rdmsr(MSR_EFER), rcx = 0, r11 = 0, back;

	wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32 | (u64)(SEL_USER32 - 0) << 48);
	wrmsr(MSR_SFMASK, FL_DF);
	wrmsr(MSR_EFER, efer | EFER_SCE);
	/* From ring 0 it is a jump; STAR's selectors are CODE64 and DATA. */
	asm volatile("lea 1f(%%rip), %%rax\n"
		     "mov %%rax, %%rdx\n"
		     "shr $32, %%rdx\n"
		     "mov %3, %%ecx\n"
		     "wrmsr\n"
		     "lea 2f(%%rip), %2\n"
		     "std\n"
		     "syscall\n"
		     "2: ud2\n"
		     "1: mov %%rcx, %0\n"
		     "mov %%r11, %1\n"
		     : "=&r"(rcx), "=&r"(r11), "=&r"(back) : "i"(MSR_LSTAR)
		     : "rax", "rcx", "rdx", "r11", "memory", "cc");
	EXPECT_EQ(rcx, back);
	EXPECT(r11 & FL_DF);
	EXPECT(!(rflags() & FL_DF));
	wrmsr(MSR_EFER, efer);
	EXPECT_TRAP(UD, asm volatile("syscall" : : : "rcx", "r11"));
}

static void t_tsc(void)
{
	u64 a = rdtsc(), b = rdmsr(MSR_TSC), c = rdtsc();

	EXPECT(a <= b && b <= c);
	wrmsr(MSR_TSC, BIT(50));
	a = rdtsc();
	EXPECT(a >= BIT(50) && a < BIT(50) + LONG_TIME);
	wrmsr(MSR_TSC, 0);
	a = rdtsc();
	EXPECT(a < LONG_TIME);
	wrmsr(MSR_TSC, b);
}

/* "TSC_ADJUST": follows writes of the TSC, and moves it. */
static void t_tsc_adjust(void)
{
	u64 a, b;

	if (!(cpuid(7, 0).b & BIT(1))) {
		skip("no TSC_ADJUST");
		return;
	}
	a = rdtsc();
	b = rdmsr(MSR_TSC_ADJUST);
	wrmsr(MSR_TSC_ADJUST, b + BIT(48));
	EXPECT_EQ(rdmsr(MSR_TSC_ADJUST), b + BIT(48));
	EXPECT(rdtsc() - a >= BIT(48) && rdtsc() - a < BIT(48) + LONG_TIME);
	wrmsr(MSR_TSC_ADJUST, b);
	EXPECT(rdtsc() - a < LONG_TIME);
	wrmsr(MSR_TSC, rdtsc() + BIT(45));
	EXPECT(rdmsr(MSR_TSC_ADJUST) - b >= BIT(45) - LONG_TIME);
	EXPECT(rdmsr(MSR_TSC_ADJUST) - b <= BIT(45) + LONG_TIME);
	wrmsr(MSR_TSC_ADJUST, b);
}

/* CR4.TSD keeps RDTSC for ring 0. */
static void t_tsd(void)
{
	extern char user_rdtsc[];

	asm volatile("jmp 1f\n"
		     "user_rdtsc: rdtsc; int $0x81\n"
		     "1:");
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_rdtsc, SEL_USER64, user_stack(), 2));
	write_cr4(read_cr4() | CR4_TSD);
	EXPECT_TRAP(GP, enter_user((u64)user_rdtsc, SEL_USER64, user_stack(), 2));
	EXPECT_NO_TRAP(rdtsc());
	write_cr4(read_cr4() & ~CR4_TSD);
}

static void t_mce(void)
{
	u64 cap = rdmsr(0x179);
	unsigned int banks = cap & 0xff;

	EXPECT(banks && banks <= 32);
	EXPECT_NO_TRAP(rdmsr(0x400));
	EXPECT_NO_TRAP(wrmsr(0x401, 0));	/* status may be cleared */
	EXPECT_TRAP(GP, wrmsr(0x400, 0x1234));	/* control: all ones or none */
	EXPECT_NO_TRAP(wrmsr(0x400, ~0ull));
	EXPECT_EQ(rdmsr(0x400), ~0ull);
	EXPECT_EQ(rdmsr(0x17a), 0);
	EXPECT_TRAP(GP, rdmsr(0x400 + 4 * 64));
}

static void t_apic_base(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	EXPECT_EQ(base & 0xfffff000, APIC_BASE);
	EXPECT(base & BIT(8));			/* boot processor */
	EXPECT(base & BIT(11));
	EXPECT(!(base & BIT(10)));
	EXPECT_TRAP(GP, rdmsr(0x802));		/* x2APIC registers in xAPIC mode */
	EXPECT_TRAP(GP, wrmsr(0x80b, 0));
}

/* AMD's CPUs keep 32 bits of TSC_AUX, Intel's refuse more. */
static void t_tsc_aux(void)
{
	if (amd()) {
		EXPECT_NO_TRAP(wrmsr(MSR_TSC_AUX, 0x100000005));
		EXPECT_EQ(rdmsr(MSR_TSC_AUX), 5);
	} else {
		EXPECT_TRAP(GP, wrmsr(MSR_TSC_AUX, 0x100000005));
	}
}

/* Linux writes 0 before it asks for the microcode's revision, which that does not change. */
static void t_microcode(void)
{
	u64 was = rdmsr(0x8b);

	EXPECT_NO_TRAP(wrmsr(0x8b, 0));
	EXPECT_EQ(rdmsr(0x8b), was);
	EXPECT_NO_TRAP(wrmsr(0x8b, ~0ULL));
	EXPECT_EQ(rdmsr(0x8b), was);
}

const struct test tests[] = {
	{ "values are kept", t_kept },
	{ "unknown registers", t_unknown },
	{ "refused values", t_refused },
	{ "revision of the microcode", t_microcode },
	{ "addresses that are not canonical", t_canonical },
	{ "EFER", t_efer },
	{ "not in ring 3", t_cpl3 },
	{ "upper halves", t_halves },
	{ "SWAPGS", t_swapgs },
	{ "SYSCALL", t_syscall },
	{ "TSC", t_tsc },
	{ "TSC_ADJUST", t_tsc_adjust },
	{ "CR4.TSD", t_tsd },
	{ "machine check banks", t_mce },
	{ "APIC base", t_apic_base },
	{ "TSC_AUX", t_tsc_aux },
	{ }
};

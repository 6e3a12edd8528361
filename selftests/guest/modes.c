// SPDX-License-Identifier: GPL-2.0
/*
 * modes.c - CR0, CR4, EFER: what is refused, what has effect; and the way from long mode
 * through all others and back
 */
#include "apic.h"
#include "lib.h"

/* kvm emulates these writes where the CPU does not decode them, and drops the upper half. */
static bool upper_half_dropped(void)
{
	return option("kvm") && option("tcg");
}

static void t_cr0_refused(void)
{
	u64 cr0 = read_cr0();

	EXPECT_TRAP(GP, write_cr0(cr0 & ~CR0_PE));		/* PG without PE */
	EXPECT_TRAP(GP, write_cr0((cr0 & ~CR0_CD) | CR0_NW));	/* NW without CD */
	if (!upper_half_dropped())
		EXPECT_TRAP(GP, write_cr0(cr0 | BIT(32)));
	EXPECT_EQ(read_cr0(), cr0);
}

/* ET is 1 always; bits that do not exist are dropped. */
static void t_cr0_fixed(void)
{
	u64 cr0 = read_cr0();

	write_cr0(cr0 & ~CR0_ET);
	EXPECT_EQ(read_cr0(), cr0);
	EXPECT_NO_TRAP(write_cr0(cr0 | BIT(10)));
	EXPECT_EQ(read_cr0(), cr0);
	write_cr0(cr0 | CR0_CD | CR0_NW);
	EXPECT_EQ(read_cr0(), cr0 | CR0_CD | CR0_NW);
	write_cr0(cr0);
	write_cr0(cr0 & ~(CR0_NE | CR0_MP));
	EXPECT_EQ(read_cr0(), cr0 & ~(CR0_NE | CR0_MP));
	write_cr0(cr0);
}

static void t_lmsw(void)
{
	u64 cr0 = read_cr0();
	u16 msw = 0;

	asm volatile("smsw %0" : "=r"(msw));
	EXPECT_EQ(msw, (u16)cr0);
	asm volatile("lmsw %0" : : "r"((u16)(msw | CR0_TS)));
	EXPECT_EQ(read_cr0(), cr0 | CR0_TS);
	asm volatile("lmsw %0" : : "r"((u16)0));	/* PE cannot be cleared */
	EXPECT_EQ(read_cr0(), cr0 & ~(CR0_MP | CR0_EM | CR0_TS));
	write_cr0(cr0);
}

/* Of memory they have 16 bits, whatever the operand size. */
static void t_lmsw_memory(void)
{
	static volatile u64 mem;
	u64 cr0 = read_cr0();

	mem = ~0ULL;
	asm volatile("smsw %0" : "=m"(mem));
	EXPECT_EQ(mem, (~0ULL << 16) | (u16)cr0);
	mem = (u16)cr0 | CR0_TS | (~0ULL << 16);
	asm volatile("lmsw %0" : : "m"(mem));
	EXPECT_EQ(read_cr0(), cr0 | CR0_TS);
	write_cr0(cr0);
	EXPECT_TRAP(GP, asm volatile("lmsw (%0)" : : "r"(BIT(62))));
	EXPECT_EQ(read_cr0(), cr0);
}

static void t_cr4_refused(void)
{
	u64 cr4 = read_cr4();

	EXPECT_TRAP(GP, write_cr4(cr4 | BIT(31)));
	EXPECT_TRAP(GP, write_cr4(cr4 | BIT(15)));
	if (!upper_half_dropped())
		EXPECT_TRAP(GP, write_cr4(cr4 | BIT(40)));
	EXPECT_TRAP(GP, write_cr4(cr4 & ~CR4_PAE));	/* in long mode */
	EXPECT_TRAP(GP, write_cr4(cr4 | CR4_LA57));	/* absent, or not now */
	EXPECT_TRAP(GP, write_cr4(cr4 | BIT(13)));	/* VMXE */
	EXPECT_EQ(read_cr4(), cr4);
}

/*
 * All memory of the test belongs to ring 3, too, by its tables. These give ring 0 what it
 * runs on for itself, as SMEP and SMAP want it, and show the same at USER_VIEW to ring 3.
 */
#define USER_VIEW	BIT(39)

static u64 supervisor_tables(void)
{
	u64 *old = (u64 *)(read_cr3() & ~(PAGE - 1)), *new = pages(1);

	new[0] = old[0] & ~PTE_U;
	new[1] = old[0];
	return (u64)new;
}

/* Bits come with their CPUID feature, or are #GP. */
static void t_cr4_features(void)
{
	const u64 cr3 = read_cr3();
	struct cpuid f1 = cpuid(1, 0), f7 = cpuid(7, 0);
	const struct {
		u64 bit;
		bool there;
		const char *name;
	} list[] = {
		/* Without their feature bits these may be taken or refused. */
		{ CR4_VME, f1.d & BIT(1), "VME" }, { CR4_TSD, f1.d & BIT(4), "TSD" },
		{ CR4_DE, f1.d & BIT(2), "DE" }, { CR4_PSE, f1.d & BIT(3), "PSE" },
		{ CR4_PGE, f1.d & BIT(13), "PGE" }, { CR4_FSGSBASE, f7.b & BIT(0), "FSGSBASE" },
		{ CR4_SMEP, f7.b & BIT(7), "SMEP" }, { CR4_SMAP, f7.b & BIT(20), "SMAP" },
		{ CR4_UMIP, f7.c & BIT(2), "UMIP" }, { BIT(22), f7.c & BIT(3), "PKE" },
		{ CR4_OSXSAVE, f1.c & BIT(26), "OSXSAVE" },
	};
	const volatile u64 cr4 = read_cr4();
	volatile unsigned int i;

	write_cr3(supervisor_tables());
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		volatile u64 now = 0;
		int vector;

		if (!list[i].there && i < 5)
			continue;
		vector = CATCH(write_cr4(cr4 | list[i].bit))->vector;
		now = read_cr4();
		write_cr4(cr4);
		if (vector != (list[i].there ? -1 : GP))
			fail("%s: vector %d", list[i].name, vector);
		if (now != (list[i].there ? cr4 | list[i].bit : cr4))
			fail("%s: CR4 %#llx", list[i].name, (unsigned long long)now);
	}
	write_cr3(cr3);
}

static void t_cr3(void)
{
	u64 cr3 = read_cr3(), width = cpuid(0x80000008, 0).a & 0xff;

	write_cr3(cr3 | 0x18);			/* PWT, PCD */
	EXPECT_EQ(read_cr3(), cr3 | 0x18);
	write_cr3(cr3);
	if (option("tcg")) {
		skip("TCG does not check CR3, which is not intercepted");
		return;
	}
	EXPECT_TRAP(GP, write_cr3(cr3 | BIT(width)));
	EXPECT_TRAP(GP, write_cr3(cr3 | BIT(63)));
	EXPECT_EQ(read_cr3(), cr3);
}

static void t_cr8(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		write_cr8(i);
		EXPECT_EQ(read_cr8(), i);
	}
	write_cr8(0);
}

/* Supervisor writes to read-only pages depend on WP. */
static void t_wp(void)
{
	u64 v = virt_area(1), p = (u64)pages(1);
	const struct trap *t;

	map(v, p, PTE_P);
	t = EXPECT_TRAP(PF, POKE(u32, v, 1));
	EXPECT_EQ(t->error, PF_P | PF_W);
	write_cr0(read_cr0() & ~CR0_WP);
	EXPECT_NO_TRAP(POKE(u32, v, 2));
	write_cr0(read_cr0() | CR0_WP);
	EXPECT_TRAP(PF, POKE(u32, v, 3));
	EXPECT_EQ(PEEK(u32, p), 2);
}

static void t_nx(void)
{
	u64 v = virt_area(1), p = (u64)pages(1), efer = rdmsr(MSR_EFER);
	const struct trap *t;

	*(u8 *)p = 0xc3;
	map(v, p, PTE_RW | PTE_NX);
	t = EXPECT_TRAP(PF, asm volatile("call *%0" : : "r"(v)));
	EXPECT_EQ(t->error, PF_P | PF_I);
	map(v, p, PTE_RW);
	EXPECT_NO_TRAP(asm volatile("call *%0" : : "r"(v)));
	/* Without NXE the bit is reserved. */
	wrmsr(MSR_EFER, efer & ~EFER_NXE);
	map(v, p, PTE_RW | PTE_NX);
	t = EXPECT_TRAP(PF, PEEK(u8, v));
	EXPECT(t->error & BIT(3));
	wrmsr(MSR_EFER, efer);
	EXPECT_NO_TRAP(PEEK(u8, v));
}

#define USER_CODE(name, text) asm(".pushsection .text\n" #name ": " text "\n.popsection"); \
	extern char name[]

USER_CODE(user_sgdt, "sgdt -16(%rsp); int $0x81");
USER_CODE(user_smsw, "smsw %eax; int $0x81");

static void t_umip(void)
{
	if (!(cpuid(7, 0).c & BIT(2))) {
		skip("no UMIP");
		return;
	}
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_sgdt, SEL_USER64, user_stack(), 2));
	write_cr4(read_cr4() | CR4_UMIP);
	EXPECT_TRAP(GP, enter_user((u64)user_sgdt, SEL_USER64, user_stack(), 2));
	EXPECT_TRAP(GP, enter_user((u64)user_smsw, SEL_USER64, user_stack(), 2));
	EXPECT_NO_TRAP(asm volatile("smsw %%eax" : : : "eax"));
	write_cr4(read_cr4() & ~CR4_UMIP);
}

static void t_smep(void)
{
	u64 p = (u64)pages(1), cr3 = read_cr3();
	const struct trap *t;

	if (!(cpuid(7, 0).b & BIT(7))) {
		skip("no SMEP");
		return;
	}
	*(u8 *)p = 0xc3;
	write_cr3(supervisor_tables());
	EXPECT_NO_TRAP(asm volatile("call *%0" : : "r"(USER_VIEW + p)));
	write_cr4(read_cr4() | CR4_SMEP);
	EXPECT_NO_TRAP(asm volatile("call *%0" : : "r"(p)));
	t = EXPECT_TRAP(PF, asm volatile("call *%0" : : "r"(USER_VIEW + p)));
	EXPECT_EQ(t->error, PF_P | PF_I);
	EXPECT_EQ(t->cr2, USER_VIEW + p);
	EXPECT_EQ(PEEK(u8, USER_VIEW + p), 0xc3);	/* data it may be */
	write_cr4(read_cr4() & ~CR4_SMEP);
	EXPECT_NO_TRAP(asm volatile("call *%0" : : "r"(USER_VIEW + p)));
	write_cr3(cr3);
}

/* Of memory, which the CPU checks, and of MMIO, which the hypervisor does. */
static void smap_at(u64 p)
{
	const struct trap *t;

	t = EXPECT_TRAP(PF, PEEK(u32, USER_VIEW + p));
	EXPECT_EQ(t->error, PF_P);
	EXPECT_EQ(t->cr2, USER_VIEW + p);
	t = EXPECT_TRAP(PF, POKE(u32, USER_VIEW + p, 3));
	EXPECT_EQ(t->error, PF_P | PF_W);
	EXPECT_NO_TRAP(POKE(u32, p, 1));
	set_rflags(rflags() | FL_AC);
	EXPECT_NO_TRAP(EXPECT_EQ(PEEK(u32, USER_VIEW + p), 1));
	EXPECT_NO_TRAP(POKE(u32, USER_VIEW + p, 2));
	set_rflags(rflags() & ~FL_AC);
	EXPECT_EQ(PEEK(u32, p), 2);
}

static void t_smap(void)
{
	u64 p = (u64)pages(1), cr3 = read_cr3();

	if (!(cpuid(7, 0).b & BIT(20))) {
		skip("no SMAP");
		return;
	}
	write_cr3(supervisor_tables());
	EXPECT_NO_TRAP(PEEK(u32, USER_VIEW + p));
	write_cr4(read_cr4() | CR4_SMAP);
	smap_at(p);
	smap_at(MMIO_SCRATCH);
	write_cr4(read_cr4() & ~CR4_SMAP);
	EXPECT_NO_TRAP(PEEK(u32, USER_VIEW + p));
	write_cr3(cr3);
}

/* Global pages survive a change of CR3, and go with CR4.PGE. */
static void t_global(void)
{
	u64 v = virt_area(1), a = (u64)pages(1), b = (u64)pages(1);

	*(u32 *)a = 1;
	*(u32 *)b = 2;
	write_cr4(read_cr4() | CR4_PGE);
	map(v, a, PTE_RW | PTE_G);
	EXPECT_EQ(PEEK(u32, v), 1);
	*pte_of(v) = b | PTE_RW | PTE_G;
	write_cr4(read_cr4() & ~CR4_PGE);
	EXPECT_EQ(PEEK(u32, v), 2);
	*pte_of(v) = a | PTE_RW;
	write_cr3(read_cr3());
	EXPECT_EQ(PEEK(u32, v), 1);
	*pte_of(v) = b | PTE_RW;
	invlpg(v);
	EXPECT_EQ(PEEK(u32, v), 2);
}

static void t_pcid(void)
{
	u64 cr3 = read_cr3(), cr4 = read_cr4();

	if (!(cpuid(1, 0).c & BIT(17))) {
		EXPECT_TRAP(GP, write_cr4(cr4 | CR4_PCIDE));
		return;
	}
	write_cr4(cr4 | CR4_PCIDE);
	EXPECT_EQ(read_cr4(), cr4 | CR4_PCIDE);
	EXPECT_NO_TRAP(write_cr3(cr3 | 5));
	EXPECT_EQ(read_cr3(), cr3 | 5);
	EXPECT_NO_TRAP(write_cr3(cr3 | 6 | BIT(63)));
	EXPECT_EQ(read_cr3(), cr3 | 6);
	write_cr3(cr3);
	write_cr4(cr4);
}

static void xsetbv(u32 xcr, u64 val)
{
	asm volatile("xsetbv" : : "c"(xcr), "a"((u32)val), "d"((u32)(val >> 32)));
}

static u64 xgetbv(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (u64)hi << 32;
}

static void t_xcr0(void)
{
	struct cpuid r = cpuid(0xd, 0);
	u64 cr4 = read_cr4();

	if (!(cpuid(1, 0).c & BIT(26))) {
		skip("no XSAVE");
		return;
	}
	EXPECT_TRAP(UD, xsetbv(0, 3));		/* OSXSAVE is off */
	EXPECT_TRAP(UD, xgetbv());
	if (option("tcg")) {
		skip("TCG does not intercept XSETBV");
		return;
	}
	write_cr4(cr4 | CR4_OSXSAVE);
	EXPECT_EQ(xgetbv(), 1);
	EXPECT_NO_TRAP(xsetbv(0, 3));
	EXPECT_EQ(xgetbv(), 3);
	EXPECT_EQ(cpuid(0xd, 0).b, 576);
	EXPECT_TRAP(GP, xsetbv(0, 0));		/* x87 is not optional */
	EXPECT_TRAP(GP, xsetbv(0, 2));
	EXPECT_TRAP(GP, xsetbv(0, 5));		/* AVX without SSE */
	EXPECT_TRAP(GP, xsetbv(0, BIT(62)));
	EXPECT_TRAP(GP, xsetbv(1, 3));
	EXPECT_EQ(xgetbv(), 3);
	if (r.a & 4) {
		EXPECT_NO_TRAP(xsetbv(0, 7));
		EXPECT_EQ(xgetbv(), 7);
		EXPECT(cpuid(0xd, 0).b >= 832);
	}
	xsetbv(0, 1);
	write_cr4(cr4);
}

/* ---- other modes ---- */

extern char real_blob[], real_blob_end[];
extern char rm_cr0[], rm_int[], rm_divide[], rm_step[], rm_a20[], rm_mmio[], rm_outs[], rm_stos[],
	rm_cpuid[], rm_push[], rm_irq[], rm_halt[], rm_handler[], rm_de_handler[],
	rm_db_handler[], rm_irq_handler[], rm_string_mmio[], rm_ud[], rm_ud_handler[];

u32 call_real(u32 offset);

static u32 real(const char *routine)
{
	return call_real(routine - real_blob);
}

static void real_vector(unsigned int vector, const char *handler)
{
	u32 *ivt = NULL;

	asm("" : "+r"(ivt));
	ivt[vector] = (REAL_CODE >> 4) << 16 | (u32)(handler - real_blob);
}

void setup(void)
{
	memcpy((void *)REAL_CODE, real_blob, real_blob_end - real_blob);
}

static void t_real(void)
{
	unsigned int i;

	for (i = 0; i < 50; i++)
		EXPECT_EQ(real(rm_cr0), read_cr0() & ~(CR0_PE | CR0_PG));
	EXPECT_EQ(real(rm_push), 0x9abc1234);
	EXPECT_EQ(real(rm_cpuid), cpuid(1, 0).d);
	EXPECT_EQ(rdmsr(MSR_EFER) & (EFER_LME | EFER_LMA), EFER_LME | EFER_LMA);
}

static void t_real_int(void)
{
	real_vector(0x40, rm_handler);
	EXPECT_EQ(real(rm_int), 102);
}

static void t_real_exceptions(void)
{
	real_vector(DE, rm_de_handler);
	EXPECT_EQ(real(rm_divide), 0x7766);
	real_vector(UD, rm_ud_handler);
	EXPECT_EQ(real(rm_ud), 0x106);
}

static void t_real_step(void)
{
	real_vector(DB, rm_db_handler);
	EXPECT(real(rm_step) >= 8);
}

static void t_real_a20(void)
{
	EXPECT_EQ(real(rm_a20), *(u32 *)0x100000);
}

static void t_real_mmio(void)
{
	EXPECT_EQ(real(rm_mmio), apic_read(APIC_VERSION));
	memset((void *)(u64)SCRATCH_RAM, 0, 64);
	EXPECT_EQ(real(rm_stos), 0);
	EXPECT_EQ(PEEK(u32, SCRATCH_RAM + 12), 0x11223344);
	EXPECT_EQ(PEEK(u32, SCRATCH_RAM + 16), 0);
	EXPECT_EQ(real(rm_string_mmio), 0x11223344);
	EXPECT_EQ(PEEK(u32, 0x58000 + 12), 0x11223344);
}

static void t_real_outs(void)
{
	EXPECT_EQ(real(rm_outs), 0x4c414552);
}

static void t_real_irq(void)
{
	real_vector(0x70, rm_irq_handler);
	apic_ipi(this_cpu()->id, APIC_FIXED | 0x70);
	EXPECT_EQ(real(rm_irq), 1);
	EXPECT_EQ(apic_read(APIC_PPR), 0);
	apic_write(APIC_TIMER_DIV, 0xb);
	apic_write(APIC_LVT_TIMER, 0x70);
	apic_write(APIC_TIMER_INIT, 10000000);
	EXPECT_EQ(real(rm_halt), 1);
	apic_write(APIC_LVT_TIMER, APIC_MASKED);
}

struct visit {
	u32 cr3_pae, cr3_pse, addr;
	struct {
		u32 val, cr0, cr4, efer;
	} stage[4];
} __attribute__((packed));

void visit_protected(struct visit *v);

#define PROBE	0x01800000u	/* its address means another page in each mode */

static void make_pae(struct visit *v, u64 page)
{
	u64 *pdpt = pages(1), *pd = pages(1);
	unsigned int i;

	for (i = 0; i < 512; i++)
		pd[i] = (u64)i << 21 | PTE_PS | PTE_P | PTE_W;
	pd[PROBE >> 21] = (page & ~(BIT(21) - 1)) | PTE_PS | PTE_P | PTE_W;
	pdpt[0] = (u64)pd | PTE_P;
	v->cr3_pae = (u64)pdpt;
}

static void make_pse(struct visit *v, u32 page)
{
	u32 *pd = pages(1);
	unsigned int i;

	for (i = 0; i < 1024; i++)
		pd[i] = i << 22 | 0x83;
	pd[PROBE >> 22] = (page & ~0x3fffffu) | 0x83;
	v->cr3_pse = (u64)pd;
}

static void t_protected(void)
{
	struct visit *v = pages(1);
	unsigned int i, n;

	v->addr = PROBE;
	POKE(u32, PROBE, 0x11110000);
	POKE(u32, 0x2000000, 0x22220000);
	POKE(u32, 0x2400000, 0x33330000);
	make_pae(v, 0x2000000);
	make_pse(v, 0x2400000);
	/* PROBE is on a 4 MiB and on a 2 MiB boundary, so the offset is 0. */
	for (n = 0; n < 20; n++) {
		memset(v->stage, 0, sizeof(v->stage));
		visit_protected(v);
		/* TCG sets this bit, which is reserved here: kvm would refuse the entry. */
		if (option("tcg"))
			*(u64 *)(u64)v->cr3_pae &= ~PTE_A;
		EXPECT_EQ(v->stage[0].val, 0x11110000);
		EXPECT_EQ(v->stage[1].val, 0x22220000);
		EXPECT_EQ(v->stage[2].val, 0x33330000);
		EXPECT_EQ(v->stage[3].val, 0x11110000);
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(v->stage[i].cr0 >> 31, i == 1 || i == 2);
		EXPECT_EQ(v->stage[i].efer & (EFER_LME | EFER_LMA), 0);
	}
	EXPECT_EQ(v->stage[1].cr4 & (CR4_PAE | CR4_PSE), CR4_PAE);
	EXPECT_EQ(v->stage[2].cr4 & (CR4_PAE | CR4_PSE), CR4_PSE);
}

const struct test tests[] = {
	{ "CR0: refused", t_cr0_refused },
	{ "CR0: fixed bits", t_cr0_fixed },
	{ "LMSW and SMSW", t_lmsw },
	{ "LMSW and SMSW of memory", t_lmsw_memory },
	{ "CR3", t_cr3 },
	{ "CR4: refused", t_cr4_refused },
	{ "CR4: bits of features", t_cr4_features },
	{ "CR8", t_cr8 },
	{ "write protection", t_wp },
	{ "NX", t_nx },
	{ "UMIP", t_umip },
	{ "SMEP", t_smep },
	{ "SMAP", t_smap },
	{ "global pages", t_global },
	{ "PCID", t_pcid },
	{ "XCR0", t_xcr0 },
	{ "real mode and back", t_real },
	{ "real mode: INT", t_real_int },
	{ "real mode: exceptions", t_real_exceptions },
	{ "real mode: single step", t_real_step },
	{ "real mode: above 1 MiB", t_real_a20 },
	{ "real mode: MMIO", t_real_mmio },
	{ "real mode: REP OUTS", t_real_outs },
	{ "real mode: interrupts and HLT", t_real_irq },
	{ "protected mode with all kinds of paging", t_protected },
	{ }
};

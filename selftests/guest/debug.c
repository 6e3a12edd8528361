// SPDX-License-Identifier: GPL-2.0
/*
 * debug.c - debug registers and single step, above all over instructions that exit
 */
#include "apic.h"
#include "lib.h"

#define DR6_FIXED	0xffff0ff0u
#define DR6_BS		BIT(14)
#define DR6_BD		BIT(13)
#define DR7_FIXED	0x400u
#define DR7_GD		BIT(13)
#define DR7_ENABLE(n)	BIT(2 * (n))
#define DR7_TYPE(n, type, len)	((u64)((type) | (len) << 2) << (16 + 4 * (n)))
enum { DR_EXEC, DR_WRITE, DR_IO, DR_RW };
enum { LEN1, LEN2, LEN8, LEN4 };

#define MAX_HITS 64

static volatile unsigned int hits;
static u64 hit_rip[MAX_HITS], hit_dr6[MAX_HITS];

static void on_debug(struct regs *r)
{
	if (hits < MAX_HITS) {
		hit_rip[hits] = r->rip;
		hit_dr6[hits] = read_dr6();
	}
	hits++;
	write_dr6(DR6_FIXED);
	/* An instruction breakpoint is a fault: go on. */
	if (hit_dr6[hits - 1] & 0xf)
		r->rflags |= FL_RF;
	if (hits >= MAX_HITS)
		r->rflags &= ~FL_TF;
}

static void start(void)
{
	hits = 0;
	write_dr6(DR6_FIXED);
	on_vector(DB, on_debug);
}

static void stop(void)
{
	write_dr7(DR7_FIXED);
	on_vector(DB, NULL);
}

static void t_registers(void)
{
	write_dr0(0x123456789abc);
	write_dr1(0x1111);
	write_dr2(0x2222);
	write_dr3(0xffff800000003333);
	EXPECT_EQ(read_dr0(), 0x123456789abc);
	EXPECT_EQ(read_dr1(), 0x1111);
	EXPECT_EQ(read_dr2(), 0x2222);
	EXPECT_EQ(read_dr3(), 0xffff800000003333);
	write_dr6(0);
	EXPECT_EQ(read_dr6() & ~BIT(11), DR6_FIXED & ~BIT(11));
	write_dr6(0xffff);
	EXPECT_EQ(read_dr6() & 0xe00f, 0xe00f);
	write_dr6(DR6_FIXED);
	EXPECT_EQ(read_dr7(), DR7_FIXED);
	write_dr7(DR7_FIXED | DR7_ENABLE(3) | DR7_TYPE(3, DR_RW, LEN4));
	EXPECT_EQ(read_dr7(), DR7_FIXED | DR7_ENABLE(3) | DR7_TYPE(3, DR_RW, LEN4));
	stop();
	EXPECT_EQ(read_dr7(), DR7_FIXED);
	EXPECT_TRAP(GP, write_dr6(BIT(32)));
	EXPECT_TRAP(GP, write_dr7(BIT(32)));
}

/* DR4 and DR5 are other names without CR4.DE, undefined with it. */
static void t_aliases(void)
{
	volatile u64 val = 0;

	write_dr6(DR6_FIXED | 5);
	asm volatile("mov %%dr4, %0" : "=r"(val));
	EXPECT_EQ(val, read_dr6());
	asm volatile("mov %%dr5, %0" : "=r"(val));
	EXPECT_EQ(val, DR7_FIXED);
	write_cr4(read_cr4() | CR4_DE);
	EXPECT_TRAP(UD, asm volatile("mov %%dr4, %0" : "=r"(val)));
	EXPECT_TRAP(UD, asm volatile("mov %0, %%dr5" : : "r"(val)));
	write_cr4(read_cr4() & ~CR4_DE);
	write_dr6(DR6_FIXED);
}

/* Step through code whose instructions begin at labels NAME_0, NAME_1 and so on. */
#define STEP(name, n, text, ...)					\
static void name(void)							\
{									\
	extern char name##_0[];						\
									\
	start();							\
	asm volatile("pushf; orl $0x100, (%%rsp); popf\n"		\
		     #name "_0:\n" text					\
		     "pushf; andl $~0x100, (%%rsp); popf\n"		\
		     : : : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc");	\
	check_steps(n, (u64[]){ __VA_ARGS__ }, (u64)name##_0);		\
	stop();								\
}

/* Traps at the given distances, then the three of the epilogue. */
static void check_steps(unsigned int n, const u64 *want, u64 base)
{
	unsigned int i;

	/* KVM's emulator loses the trap behind what userspace answers, and that of REP. */
	if (option("kvm") && hits != n + 3) {
		skip("kvm loses a trap");
		return;
	}
	EXPECT_EQ(hits, n + 3);
	for (i = 0; i < n; i++) {
		if (hit_rip[i] - base != want[i])
			fail("step %u ends at +%#llx, not +%#llx", i,
			     (unsigned long long)(hit_rip[i] - base), (unsigned long long)want[i]);
		if (!(hit_dr6[i] & DR6_BS))
			fail("step %u: DR6 %#llx", i, (unsigned long long)hit_dr6[i]);
	}
}

STEP(step_plain, 3, "nop; nop; nop\n", 1, 2, 3)
/* b8 imm32 (5), 0f a2 (2) */
STEP(step_cpuid, 5, "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid; nop; nop\n", 2, 4, 6, 7, 8)
STEP(step_in, 3, "in $0x80, %%al; nop; nop\n", 2, 3, 4)
STEP(step_out, 4, "xor %%eax, %%eax; out %%al, $0x80; nop; nop\n", 2, 4, 5, 6)
STEP(step_in_kernel, 3, "in $0x61, %%al; nop; nop\n", 2, 3, 4)
STEP(step_out_kernel, 4, "mov $0xff, %%al; out %%al, $0xa1; nop; nop\n", 2, 4, 5, 6)
STEP(step_mmio_read, 4, "mov $0xfee00020, %%ecx; mov (%%rcx), %%eax; nop; nop\n", 5, 7, 8, 9)
STEP(step_mmio_write, 4, "mov $0xfee000b0, %%ecx; mov %%eax, (%%rcx); nop; nop\n", 5, 7, 8, 9)
STEP(step_mmio_user_read, 4, "mov $0xd0000000, %%ecx; mov (%%rcx), %%eax; nop; nop\n", 5, 7, 8, 9)
STEP(step_mmio_user_write, 4, "mov $0xd0000000, %%ecx; mov %%eax, (%%rcx); nop; nop\n", 5, 7, 8, 9)
STEP(step_mmio_rmw, 4, "mov $0xd0000000, %%ecx; incl (%%rcx); nop; nop\n", 5, 7, 8, 9)
STEP(step_msr, 4, "mov $0x1b, %%ecx; rdmsr; wrmsr; nop\n", 5, 7, 9, 10)
STEP(step_cr, 4, "mov %%cr0, %%rax; mov %%rax, %%cr0; nop; nop\n", 3, 6, 7, 8)
STEP(step_cr4, 4, "mov %%cr4, %%rax; mov %%rax, %%cr4; nop; nop\n", 3, 6, 7, 8)
STEP(step_cr8, 4, "mov %%cr8, %%rax; mov %%rax, %%cr8; nop; nop\n", 4, 8, 9, 10)
STEP(step_dr, 4, "mov %%dr0, %%rax; mov %%rax, %%dr0; nop; nop\n", 3, 6, 7, 8)
STEP(step_invd, 3, "wbinvd; nop; nop\n", 2, 3, 4)
/* REP: a trap after each iteration */
STEP(step_rep_mmio, 6, "mov $0xd0000000, %%edi; mov $3, %%ecx; rep stosb; nop\n",
     5, 10, 10, 10, 12, 13)
STEP(step_rep_outs, 7, "mov $0x200000, %%esi; mov $0x500, %%edx; mov $3, %%ecx; rep outsb; nop\n",
     5, 10, 15, 15, 15, 17, 18)
STEP(step_rep_ins, 7, "mov $0x4f00000, %%edi; mov $0x500, %%edx; mov $3, %%ecx; rep insb; nop\n",
     5, 10, 15, 15, 15, 17, 18)

/* After MOV SS one instruction goes by before the trap. */
static void t_step_mov_ss(void)
{
	extern char step_ss_0[];
	static const u64 want[] = { 2, 5, 6 };

	start();
	asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
		     "step_ss_0: mov %%ss, %%eax; mov %%eax, %%ss; nop; nop\n"
		     "pushf; andl $~0x100, (%%rsp); popf\n"
		     : : : "rax", "memory", "cc");
	check_steps(3, want, (u64)step_ss_0);
	stop();
}

static void t_step_hypercall(void)
{
	start();
	if (cpuid(0, 0).b == 0x756e6547)
		asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
			     "mov $100, %%eax; vmcall; nop\n"
			     "pushf; andl $~0x100, (%%rsp); popf\n"
			     : : : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	else
		asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
			     "mov $100, %%eax; vmmcall; nop\n"
			     "pushf; andl $~0x100, (%%rsp); popf\n"
			     : : : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	EXPECT_EQ(hits, 6);
	EXPECT_EQ(hit_rip[1], hit_rip[0] + 3);
	stop();
}

/* TF is cleared for the handler, and the one of a fault sees it pushed. */
static void t_step_into_exception(void)
{
	const struct trap *t;

	start();
	t = EXPECT_TRAP(UD, asm volatile("pushf; orl $0x100, (%%rsp); popf; ud2" : : : "memory"));
	EXPECT(t->regs.rflags & FL_TF);
	EXPECT_EQ(hits, 0);
	stop();
}

/*
 * TCG does not look at breakpoints that VMRUN loads, only at those MOV to DR7 sets. KVM
 * lets a guest that has written a debug register do the next ones itself.
 */
static bool no_breakpoints(void)
{
	if (!option("tcg") || option("kvm"))
		return false;
	skip("TCG's VMRUN does not arm breakpoints");
	return true;
}

static u8 watched[64] __attribute__((aligned(64)));

static void t_execute_breakpoint(void)
{
	extern char break_here[];

	if (no_breakpoints())
		return;
	start();
	write_dr0((u64)break_here);
	write_dr7(DR7_FIXED | DR7_ENABLE(0));
	asm volatile("nop; break_here: nop; nop");
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(hit_rip[0], (u64)break_here);
	EXPECT_EQ(hit_dr6[0] & 0xf, 1);
	EXPECT(!(hit_dr6[0] & DR6_BS));
	stop();
	EXPECT_EQ(read_dr7(), DR7_FIXED);
}

/*
 * A fault that exits sets RF for the instruction that is then done for the guest; the next one
 * has its breakpoint met. The first time round by the emulator, then as a plain MOV.
 */
static void t_breakpoint_behind_mmio(void)
{
	extern char behind_mmio[];
	unsigned int i;

	if (no_breakpoints())
		return;
	start();
	write_dr0((u64)behind_mmio);
	write_dr7(DR7_FIXED | DR7_ENABLE(0));
	asm volatile("mov $3, %%ecx; 1: mov (%0), %%eax; behind_mmio: nop; dec %%ecx; jnz 1b"
		     : : "r" (0xfec00000UL) : "eax", "ecx", "cc", "memory");
	EXPECT_EQ(hits, 3);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(hit_rip[i], (u64)behind_mmio);
	stop();
}

static void t_data_breakpoint(void)
{
	volatile u32 *p = (volatile u32 *)watched;

	if (no_breakpoints())
		return;
	start();
	write_dr1((u64)&p[2]);
	write_dr7(DR7_FIXED | DR7_ENABLE(1) | DR7_TYPE(1, DR_WRITE, LEN4));
	(void)p[2];
	EXPECT_EQ(hits, 0);
	p[1] = 1;
	p[3] = 1;
	EXPECT_EQ(hits, 0);
	p[2] = 1;
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(hit_dr6[0] & 0xf, 2);
	*((volatile u8 *)&p[2] + 3) = 1;
	EXPECT_EQ(hits, 2);
	write_dr7(DR7_FIXED | DR7_ENABLE(1) | DR7_TYPE(1, DR_RW, LEN4));
	(void)p[2];
	EXPECT_EQ(hits, 3);
	stop();
}

/* Breakpoints on instructions that exit */
static void t_break_on_exits(void)
{
	extern char break_cpuid[], break_in[], break_mmio[];

	if (no_breakpoints())
		return;
	start();
	write_dr0((u64)break_cpuid);
	write_dr1((u64)break_in);
	write_dr2((u64)break_mmio);
	write_dr7(DR7_FIXED | DR7_ENABLE(0) | DR7_ENABLE(1) | DR7_ENABLE(2));
	asm volatile("xor %%eax, %%eax\n"
		     "break_cpuid: cpuid\n"
		     "break_in: in $0x80, %%al\n"
		     "mov $0xd0000000, %%ecx\n"
		     "break_mmio: mov (%%rcx), %%eax\n"
		     : : : "rax", "rbx", "rcx", "rdx");
	EXPECT_EQ(hits, 3);
	EXPECT_EQ(hit_rip[0], (u64)break_cpuid);
	EXPECT_EQ(hit_rip[1], (u64)break_in);
	EXPECT_EQ(hit_rip[2], (u64)break_mmio);
	stop();
}

/* DR7.GD: any access of a debug register is a #DB, and GD is off in the handler. */
static void t_general_detect(void)
{
	const struct trap *t;

	if (option("kvm")) {
		skip("kvm lets the CPU do it, and TCG does not");
		return;
	}
	start();
	on_vector(DB, NULL);
	write_dr7(DR7_FIXED | DR7_GD);
	t = EXPECT_TRAP(DB, read_dr0());
	EXPECT(t->dr6 & DR6_BD);
	EXPECT(!(read_dr7() & DR7_GD));
	stop();
	write_dr6(DR6_FIXED);
}

/* POPF of TF in ring 3, IN by permission */
static void t_user_step(void)
{
	extern char user_step[];

	asm volatile("jmp 1f\n"
		     "user_step: nop; in $0x80, %al; nop; int $0x81\n"
		     "1:");
	start();
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_step, SEL_USER64, user_stack(),
					  2 | FL_TF | 3 << 12));
	EXPECT_EQ(hits, 3);
	EXPECT_EQ(hit_rip[0], (u64)user_step + 1);
	EXPECT_EQ(hit_rip[1], (u64)user_step + 3);
	EXPECT_EQ(hit_rip[2], (u64)user_step + 4);
	stop();
}

static void irq_seen(struct regs *r)
{
	apic_write(APIC_EOI, 0);
}

/* An interrupt that comes while stepping: its handler is not stepped. */
static void t_step_and_irq(void)
{
	unsigned int before = this_cpu()->count[0x60];

	on_vector(0x60, irq_seen);
	start();
	apic_ipi(this_cpu()->id, APIC_FIXED | 0x60);
	asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
		     "sti; nop; nop; cli\n"
		     "pushf; andl $~0x100, (%%rsp); popf\n" : : : "memory", "cc");
	EXPECT_EQ(this_cpu()->count[0x60], before + 1);
	EXPECT(hits >= 6 && hits <= 8);
	stop();
	on_vector(0x60, NULL);
}

const struct test tests[] = {
	{ "registers", t_registers },
	{ "DR4 and DR5", t_aliases },
	{ "step over NOP", step_plain },
	{ "step over CPUID", step_cpuid },
	{ "step over IN", step_in },
	{ "step over OUT", step_out },
	{ "step over IN answered in the kernel", step_in_kernel },
	{ "step over OUT answered in the kernel", step_out_kernel },
	{ "step over a read of the APIC", step_mmio_read },
	{ "step over a write of the APIC", step_mmio_write },
	{ "step over a read of MMIO", step_mmio_user_read },
	{ "step over a write of MMIO", step_mmio_user_write },
	{ "step over INC of MMIO", step_mmio_rmw },
	{ "step over RDMSR and WRMSR", step_msr },
	{ "step over MOV CR0", step_cr },
	{ "step over MOV CR4", step_cr4 },
	{ "step over MOV CR8", step_cr8 },
	{ "step over MOV DR", step_dr },
	{ "step over WBINVD", step_invd },
	{ "step over REP STOS to MMIO", step_rep_mmio },
	{ "step over REP OUTS", step_rep_outs },
	{ "step over REP INS", step_rep_ins },
	{ "step over MOV SS", t_step_mov_ss },
	{ "step over a hypercall", t_step_hypercall },
	{ "step into an exception", t_step_into_exception },
	{ "step in ring 3", t_user_step },
	{ "step and an interrupt", t_step_and_irq },
	{ "breakpoint on execution", t_execute_breakpoint },
	{ "breakpoint behind MMIO", t_breakpoint_behind_mmio },
	{ "breakpoint on data", t_data_breakpoint },
	{ "breakpoints on what exits", t_break_on_exits },
	{ "general detect", t_general_detect },
	{ }
};

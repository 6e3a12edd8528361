// SPDX-License-Identifier: GPL-2.0
/*
 * shadow.c - when interrupts and NMIs are taken: STI, MOV SS, HLT, NMI blocking
 */
#include "apic.h"
#include "lib.h"

#define VEC 0x61

static volatile u64 irq_rip, nmi_rip;
static volatile unsigned int nmis, irqs, order[4], nr_order;

static void on_irq(struct regs *r)
{
	irq_rip = r->rip;
	irqs++;
	if (nr_order < 4)
		order[nr_order++] = 'i';
	apic_write(APIC_EOI, 0);
}

static void on_nmi(struct regs *r)
{
	nmi_rip = r->rip;
	nmis++;
	if (nr_order < 4)
		order[nr_order++] = 'n';
}

static void begin(void)
{
	irqs = 0;
	nmis = 0;
	nr_order = 0;
	on_vector(VEC, on_irq);
	on_vector(NMI, on_nmi);
}

static void self(u32 icr)
{
	apic_ipi(this_cpu()->id, icr);
}

/* Pending, then STI: taken after the instruction that follows. */
static void t_sti(void)
{
	extern char sti_next[];

	begin();
	self(APIC_FIXED | VEC);
	EXPECT_EQ(irqs, 0);
	asm volatile("sti; nop; sti_next: nop; cli");
	EXPECT_EQ(irqs, 1);
	EXPECT_EQ(irq_rip, (u64)sti_next);
}

static void t_sti_cli(void)
{
	begin();
	self(APIC_FIXED | VEC);
	asm volatile("sti; cli; nop; sti; cli");
	EXPECT_EQ(irqs, 0);
	irq_window();
	EXPECT_EQ(irqs, 1);
}

/* The shadow is one instruction also when that instruction exits. */
static void t_sti_exit(void)
{
	extern char sti_cpuid[], sti_in[];

	begin();
	self(APIC_FIXED | VEC);
	asm volatile("xor %%eax, %%eax; sti; cpuid; sti_cpuid: nop; cli" : : :
		     "eax", "ebx", "ecx", "edx");
	EXPECT_EQ(irqs, 1);
	EXPECT_EQ(irq_rip, (u64)sti_cpuid);
	begin();
	self(APIC_FIXED | VEC);
	asm volatile("sti; in $0x80, %%al; sti_in: nop; cli" : : : "eax");
	EXPECT_EQ(irqs, 1);
	EXPECT_EQ(irq_rip, (u64)sti_in);
}

/* Interrupts are held over MOV SS and the next one. */
static void t_mov_ss(void)
{
	extern char movss_next[], movss_cpuid[];

	begin();
	self(APIC_FIXED | VEC);
	asm volatile("mov %%ss, %%eax; sti; mov %%eax, %%ss; nop; movss_next: nop; cli" : : : "eax");
	EXPECT_EQ(irqs, 1);
	/* The shadow of STI covers the load, whose own covers the NOP. */
	EXPECT(irq_rip == (u64)movss_next || irq_rip == (u64)movss_next - 1);
	begin();
	asm volatile("mov %%ss, %%ebx; mov %0, %%edi; mov %1, %%ecx\n"
		     "sti; nop; mov %%ebx, %%ss; movl %%ecx, (%%rdi); movss_cpuid: nop; cli"
		     : : "i"(APIC_BASE + APIC_ICR), "i"(APIC_SELF | VEC) : "ebx", "ecx", "edi");
	EXPECT_EQ(irqs, 1);
	EXPECT_EQ(irq_rip, (u64)movss_cpuid);
}

static void t_pop_ss_mmio(void)
{
	begin();
	self(APIC_FIXED | VEC);
	asm volatile("sti; hlt; cli");
	EXPECT_EQ(irqs, 1);
}

/* STI; HLT with an interrupt pending: HLT is left at once, the handler returns behind it. */
static void t_sti_hlt(void)
{
	extern char after_hlt[];
	unsigned int i;

	for (i = 0; i < 100; i++) {
		begin();
		self(APIC_FIXED | VEC);
		asm volatile("sti; hlt; after_hlt: cli");
		if (!EXPECT_EQ(irqs, 1) || !EXPECT_EQ(irq_rip, (u64)after_hlt))
			break;
	}
}

/* HLT with interrupts off: only an NMI wakes. */
static void t_cli_hlt_nmi(void)
{
	extern char after_cli_hlt[];

	begin();
	self(APIC_FIXED | VEC);
	line_later(2, false);
	/* LINT0 as NMI by a line from the test device, 20 ms later */
	apic_write(APIC_LVT_TIMER, APIC_NMI);
	outb(0x80, 0);
	apic_write(APIC_LVT_TIMER, APIC_MASKED);
	ioapic_set(2, APIC_NMI);
	line_later(2, true);
	asm volatile("cli; hlt; after_cli_hlt: nop");
	EXPECT_EQ(nmis, 1);
	EXPECT_EQ(nmi_rip, (u64)after_cli_hlt);
	EXPECT_EQ(irqs, 0);
	ioapic_set(2, REDIR_MASKED);
	line(2, false);
	irq_window();
	EXPECT_EQ(irqs, 1);
}

static void t_nmi_self(void)
{
	begin();
	self(APIC_NMI);
	EXPECT(WAIT(nmis == 1));
	self(APIC_NMI);
	EXPECT(WAIT(nmis == 2));
	delay(SHORT_TIME);
	EXPECT_EQ(nmis, 2);
}

static void t_nmi_ioctl(void)
{
	begin();
	outb(PORT_NMI, 0);
	EXPECT_EQ(nmis, 1);
}

static volatile unsigned int nested;

/* Two more NMIs in the handler: one is kept, until IRET. */
static void on_nmi_nesting(struct regs *r)
{
	nmis++;
	if (nmis == 1) {
		self(APIC_NMI);
		self(APIC_NMI);
		delay(1000000);
		nested = nmis;
	}
}

static void t_nmi_blocked(void)
{
	begin();
	on_vector(NMI, on_nmi_nesting);
	self(APIC_NMI);
	EXPECT(WAIT(nmis == 2));
	delay(SHORT_TIME);
	EXPECT_EQ(nested, 1);
	EXPECT_EQ(nmis, 2);
}

/* The handler exits in many ways: the block must hold over them. */
static void on_nmi_exiting(struct regs *r)
{
	nmis++;
	if (nmis == 1) {
		self(APIC_NMI);
		cpuid(0, 0);
		inb(0x80);
		PEEK(u32, MMIO_SCRATCH);
		rdmsr(MSR_APIC_BASE);
		cpuid(0, 0);
		nested = nmis;
	}
}

static void t_nmi_blocked_exits(void)
{
	begin();
	on_vector(NMI, on_nmi_exiting);
	self(APIC_NMI);
	EXPECT(WAIT(nmis == 2));
	EXPECT_EQ(nested, 1);
}

/* An exception's IRET inside the handler ends the block. */
static void on_nmi_exception(struct regs *r)
{
	nmis++;
	if (nmis == 1) {
		asm volatile("int $0x62");
		self(APIC_NMI);
		delay(1000000);
		nested = nmis;
	}
}

static void nothing(struct regs *r)
{
}

static void t_nmi_unblocked_by_iret(void)
{
	begin();
	on_vector(NMI, on_nmi_exception);
	on_vector(0x62, nothing);
	/* The nested one would use the same stack. */
	set_gate(NMI, (u64)vectors + 16 * NMI, SEL_CODE64, 0x8e, 0);
	self(APIC_NMI);
	EXPECT(WAIT(nmis == 2));
	EXPECT_EQ(nested, 2);
	set_gate(NMI, (u64)vectors + 16 * NMI, SEL_CODE64, 0x8e, IST_NMI);
}

/* An interrupt in the NMI handler with IF set: taken, its IRET unblocks. */
static void on_nmi_irq(struct regs *r)
{
	nmis++;
	if (nmis == 1) {
		self(APIC_FIXED | VEC);
		irq_window();
	}
}

static void t_irq_in_nmi(void)
{
	begin();
	on_vector(NMI, on_nmi_irq);
	self(APIC_NMI);
	EXPECT(WAIT(nmis == 1));
	EXPECT_EQ(irqs, 1);
}

/* NMI and interrupt pending together: the NMI first. */
static void t_nmi_before_irq(void)
{
	begin();
	/* Both become pending in the shadow of MOV SS, which is too short for two writes;
	 * IF off keeps the interrupt.
	 */
	self(APIC_FIXED | VEC);
	asm volatile("mov %%ss, %%ebx; mov %0, %%edi; mov %1, %%ecx; cli\n"
		     "mov %%ecx, (%%rdi); sti; nop; nop; cli"
		     : : "i"(APIC_BASE + APIC_ICR), "i"(APIC_SELF | APIC_NMI)
		     : "ebx", "ecx", "edi");
	EXPECT_EQ(nmis + irqs >= 1, 1);
	begin();
	self(APIC_FIXED | VEC);
	asm volatile("sti; outb %%al, %%dx; cli" : : "a"(0), "d"(PORT_NMI));
	EXPECT_EQ(nmis, 1);
	EXPECT_EQ(irqs, 1);
	EXPECT_EQ(order[0], 'n');
}

/* Single step in the NMI handler must not unblock early. */
static void on_step(struct regs *r)
{
}

static void t_nmi_in_shadow(void)
{
	begin();
	on_vector(DB, on_step);
	asm volatile("mov %%ss, %%ebx; mov %%ebx, %%ss; outb %%al, %%dx; nop; nop"
		     : : "a"(0), "d"(PORT_NMI) : "ebx");
	EXPECT_EQ(nmis, 1);
	on_vector(DB, NULL);
}

/* Nothing is delivered while IF is 0, whatever exits happen. */
static void t_if_off(void)
{
	unsigned int i;

	begin();
	self(APIC_FIXED | VEC);
	for (i = 0; i < 200; i++) {
		cpuid(0, 0);
		inb(0x80);
		PEEK(u32, APIC_BASE + APIC_ID);
	}
	EXPECT_EQ(irqs, 0);
	EXPECT(apic_bit(APIC_IRR, VEC));
	irq_window();
	EXPECT_EQ(irqs, 1);
	EXPECT(!apic_bit(APIC_IRR, VEC));
	EXPECT(!apic_bit(APIC_ISR, VEC));
}

/* POPF and IRET switch interrupts on without a shadow. */
static void t_popf(void)
{
	extern char popf_next[];

	begin();
	self(APIC_FIXED | VEC);
	asm volatile("pushf; orl $0x200, (%%rsp); popf; popf_next: nop; cli" : : : "memory");
	EXPECT_EQ(irqs, 1);
	EXPECT_EQ(irq_rip, (u64)popf_next);
}

/* A thousand times: an interrupt sent with interrupts on is there before long. */
static void t_many(void)
{
	unsigned int i;

	begin();
	irq_enable();
	for (i = 1; i <= 1000; i++) {
		self(APIC_FIXED | VEC);
		if (!WAIT(irqs == i))
			break;
	}
	irq_disable();
	EXPECT_EQ(irqs, 1000);
}

/* Many NMIs, each followed by instructions that exit */
static void t_many_nmis(void)
{
	unsigned int i;

	begin();
	for (i = 1; i <= 300; i++) {
		self(APIC_NMI);
		cpuid(0, 0);
		if (!WAIT(nmis == i))
			break;
	}
	EXPECT_EQ(nmis, 300);
}

const struct test tests[] = {
	{ "shadow of STI", t_sti },
	{ "STI and CLI", t_sti_cli },
	{ "shadow of STI over instructions that exit", t_sti_exit },
	{ "shadow of MOV SS", t_mov_ss },
	{ "HLT with an interrupt pending", t_pop_ss_mmio },
	{ "STI; HLT, many times", t_sti_hlt },
	{ "no interrupt while IF is 0", t_if_off },
	{ "POPF has no shadow", t_popf },
	{ "a thousand interrupts", t_many },
	{ "NMI to itself", t_nmi_self },
	{ "NMI from the VMM", t_nmi_ioctl },
	{ "HLT with IF 0 is left by an NMI", t_cli_hlt_nmi },
	{ "NMIs are blocked in the handler", t_nmi_blocked },
	{ "NMIs stay blocked over exits", t_nmi_blocked_exits },
	{ "any IRET unblocks NMIs", t_nmi_unblocked_by_iret },
	{ "interrupt in an NMI handler", t_irq_in_nmi },
	{ "NMI before interrupt", t_nmi_before_irq },
	{ "NMI in the shadow of MOV SS", t_nmi_in_shadow },
	{ "300 NMIs", t_many_nmis },
	{ }
};

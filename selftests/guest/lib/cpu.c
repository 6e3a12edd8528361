// SPDX-License-Identifier: GPL-2.0
/*
 * cpu.c - processors: exceptions, interrupts, start-up, work for others
 */
#include "apic.h"
#include "lib.h"

#define WAKE_VECTOR	0xf0

void tap_main(void);

struct cpu cpus[MAX_CPUS];
unsigned int nr_cpus = 1;

extern u64 gdt[];
extern char trampoline[], trampoline_end[];

static u64 idt[512] __attribute__((aligned(4096)));
static void (*handlers[256])(struct regs *regs);
static u8 ist_stacks[MAX_CPUS][3][4096] __attribute__((aligned(16)));
static u8 user_stacks[MAX_CPUS][8192] __attribute__((aligned(16)));
static u8 ring0_stacks[MAX_CPUS][8192] __attribute__((aligned(16)));

u64 *idt_entry(unsigned int vector)
{
	return &idt[2 * vector];
}

void set_gate(unsigned int vector, u64 offset, u16 sel, u8 type, u8 ist)
{
	idt[2 * vector + 1] = offset >> 32;
	idt[2 * vector] = (offset & 0xffff) | (u64)sel << 16 | (u64)ist << 32 | (u64)type << 40 |
			  (offset >> 16 & 0xffff) << 48;
}

static void default_gates(void)
{
	unsigned int v;

	for (v = 0; v < 256; v++)
		set_gate(v, (u64)vectors + v * 16, SEL_CODE64,
			 v == BP || v == OF || v == VEC_LEAVE ? 0xee : 0x8e,
			 v == DF ? IST_DF : v == NMI ? IST_NMI : 0);
}

void on_vector(unsigned int vector, void (*fn)(struct regs *regs))
{
	WRITE_ONCE(handlers[vector], fn);
}

struct jump trap_begin(void)
{
	this_cpu()->trap.vector = -1;
	return this_cpu()->jump;
}

void trap_end(const struct jump *outer)
{
	barrier();
	this_cpu()->jump = *outer;
}

static void jump_back(struct cpu *c, struct regs *r)
{
	struct jump *j = &c->jump;

	c->trap.vector = r->vector;
	c->trap.error = r->error;
	c->trap.cr2 = read_cr2();
	c->trap.dr6 = read_dr6();
	c->trap.regs = *r;
	j->armed = 0;
	r->rbx = j->rbx;
	r->rbp = j->rbp;
	r->r12 = j->r12;
	r->r13 = j->r13;
	r->r14 = j->r14;
	r->r15 = j->r15;
	r->rip = j->rip;
	r->rsp = j->rsp;
	r->rflags = j->rflags;
	r->rax = 1;
	r->cs = SEL_CODE64;
	r->ss = SEL_DATA;
}

static void die(struct cpu *c, struct regs *r)
{
	print("Bail out! CPU %u: vector %u, error %#llx, rip %#llx, cr2 %#llx\n", c->id,
	      (unsigned int)r->vector, (unsigned long long)r->error,
	      (unsigned long long)r->rip, (unsigned long long)read_cr2());
	quit(99);
}

void trap_entry(struct regs *r)
{
	struct cpu *c = this_cpu();
	void (*fn)(struct regs *regs) = READ_ONCE(handlers[r->vector]);

	WRITE_ONCE(c->count[r->vector], c->count[r->vector] + 1);
	if (fn)
		fn(r);
	else if (r->vector >= 32 && r->vector != VEC_LEAVE)
		apic_write(APIC_EOI, 0);
	else if (c->jump.armed)
		jump_back(c, r);
	else
		die(c, r);
}

u64 user_stack(void)
{
	return (u64)user_stacks[this_cpu()->id] + sizeof(user_stacks[0]) - 64;
}

static void set_tss(struct cpu *c)
{
	u64 *d = &gdt[SEL_TSS / 8 + 2 * c->id], base = (u64)&c->tss;
	u64 limit = offsetof(struct cpu, iomap) - offsetof(struct cpu, tss) + sizeof(c->iomap) - 1;
	unsigned int i;

	memset(c->iomap, 0xff, sizeof(c->iomap));
	c->tss.iomap = offsetof(struct cpu, iomap) - offsetof(struct cpu, tss);
	c->tss.rsp[0] = (u64)ring0_stacks[c->id] + sizeof(ring0_stacks[0]);
	for (i = 0; i < 3; i++)
		c->tss.ist[i + 1] = (u64)ist_stacks[c->id][i] + sizeof(ist_stacks[0][0]);
	d[1] = base >> 32;
	d[0] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	asm volatile("ltr %w0" : : "r"(SEL_TSS + 16 * c->id));
}

static void cpu_init(struct cpu *c, unsigned int id)
{
	struct descriptor_ptr p = { sizeof(idt) - 1, (u64)idt };

	c->self = c;
	c->id = id;
	wrmsr(MSR_GS_BASE, (u64)c);
	set_tss(c);
	lidt(&p);
	c->x2apic = rdmsr(MSR_APIC_BASE) & BIT(10);
	apic_enable();
}

static void work_loop(struct cpu *c)
{
	WRITE_ONCE(c->online, c->online + 1);
	for (;;) {
		void (*fn)(u64) = READ_ONCE(c->work);

		if (fn) {
			fn(c->arg);
			irq_disable();
			WRITE_ONCE(c->work, NULL);
		}
		irq_disable();
		if (!READ_ONCE(c->work))
			halt();
	}
}

void cpu_start(unsigned int id)
{
	struct cpu *c = &cpus[id];

	if (id == 0)
		default_gates();
	c->work = NULL;
	cpu_init(c, id);
	if (id)
		work_loop(c);
	c->online = 1;
	tap_main();
	quit(98);
}

void on_cpu(unsigned int cpu, void (*fn)(u64), u64 arg)
{
	cpus[cpu].arg = arg;
	barrier();
	WRITE_ONCE(cpus[cpu].work, fn);
	apic_ipi(cpu, APIC_FIXED | WAKE_VECTOR);
}

void wait_cpu(unsigned int cpu)
{
	if (!WAIT(!READ_ONCE(cpus[cpu].work)))
		fail("CPU %u does not end its work", cpu);
}

void cpu_wait_online(unsigned int cpu, int times)
{
	if (!WAIT(READ_ONCE(cpus[cpu].online) >= times))
		fail("CPU %u does not start", cpu);
}

void trampoline_install(void)
{
	memcpy((void *)TRAMPOLINE, trampoline, trampoline_end - trampoline);
}

unsigned int cpus_start(void)
{
	unsigned int n = cpuid(1, 0).b >> 16 & 0xff, i;

	if (nr_cpus > 1)
		return nr_cpus;
	trampoline_install();
	for (i = 1; i < n && i < MAX_CPUS; i++) {
		apic_ipi(i, APIC_INIT);
		apic_ipi(i, APIC_SIPI | TRAMPOLINE >> 12);
		cpu_wait_online(i, 1);
	}
	nr_cpus = i;
	return nr_cpus;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * lapic.c - the local APIC of one CPU: registers, priorities, spurious and error
 * interrupts, IPIs to itself, x2APIC
 */
#include "apic.h"
#include "lib.h"

static volatile unsigned int seen[16];
static volatile unsigned int nr_seen;

static void record(struct regs *r)
{
	if (nr_seen < 16)
		seen[nr_seen] = r->vector;
	nr_seen++;
	apic_write(APIC_EOI, 0);
}

static void begin(void)
{
	nr_seen = 0;
	apic_enable();
}

static void self(u32 vector)
{
	apic_ipi(this_cpu()->id, APIC_FIXED | vector);
}

static void take(unsigned int vector)
{
	on_vector(vector, record);
}

static void t_registers(void)
{
	apic_enable();
	EXPECT_EQ(apic_read(APIC_ID) >> 24, this_cpu()->id);
	EXPECT((apic_read(APIC_VERSION) & 0xff) >= 0x10);
	EXPECT((apic_read(APIC_VERSION) >> 16 & 0xff) >= 3);
	apic_write(APIC_VERSION, 0);
	EXPECT(apic_read(APIC_VERSION) != 0);
	/* KVM takes the TPR back from the CPU, which has four bits of it. */
	apic_write(APIC_TPR, option("kvm") ? 0x1f0 : 0x1ff);
	EXPECT_EQ(apic_read(APIC_TPR), option("kvm") ? 0xf0 : 0xff);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LDR, 0xffffffff);
	EXPECT_EQ(apic_read(APIC_LDR), 0xff000000);
	apic_write(APIC_DFR, 0);
	EXPECT_EQ(apic_read(APIC_DFR), 0x0fffffff);
	apic_write(APIC_DFR, 0xffffffff);
	EXPECT_EQ(apic_read(APIC_DFR), 0xffffffff);
	apic_write(APIC_LVT_ERROR, 0xffffffff);
	EXPECT_EQ(apic_read(APIC_LVT_ERROR) & ~BIT(12), 0x100ff);
	apic_write(APIC_LVT_LINT0, 0xffffffff & ~BIT(16));
	EXPECT_EQ(apic_read(APIC_LVT_LINT0) & ~(BIT(12) | BIT(14)), 0xa7ff);
	apic_enable();
	apic_read(0x40);		/* no register */
}

/* LDR bits: one CPU addresses itself */
static void t_ppr(void)
{
	begin();
	if (!option("kvm")) {
		apic_write(APIC_TPR, 0x35);
		EXPECT_EQ(apic_read(APIC_PPR), 0x35);
	}
	apic_write(APIC_TPR, 0x20);
	EXPECT_EQ(apic_read(APIC_PPR), 0x20);
	EXPECT_EQ(read_cr8(), 2);
	write_cr8(7);
	EXPECT_EQ(apic_read(APIC_TPR), 0x70);
	EXPECT_EQ(apic_read(APIC_PPR), 0x70);
	write_cr8(0);
	EXPECT_EQ(apic_read(APIC_TPR), 0);
	if (!option("tcg"))		/* it drops the bits */
		EXPECT_TRAP(GP, write_cr8(16));
	EXPECT_EQ(read_cr8(), 0);
}

/* Lower or equal classes wait behind the TPR. */
static void t_tpr_masks(void)
{
	begin();
	take(0x52);
	take(0x61);
	write_cr8(5);
	self(0x52);
	irq_window();
	EXPECT_EQ(nr_seen, 0);
	EXPECT(apic_bit(APIC_IRR, 0x52));
	self(0x61);
	irq_window();
	EXPECT_EQ(nr_seen, 1);
	EXPECT_EQ(seen[0], 0x61);
	write_cr8(4);
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	EXPECT_EQ(seen[1], 0x52);
	write_cr8(0);
}

/* The same with interrupts on: lowering the TPR is enough. */
static void t_tpr_lowered(void)
{
	unsigned int i;

	begin();
	take(0x52);
	irq_enable();
	for (i = 1; i <= 100; i++) {
		write_cr8(15);
		self(0x52);
		asm volatile("nop");
		if (!EXPECT_EQ(nr_seen, i - 1))
			break;
		if (i & 1)
			write_cr8(0);
		else
			apic_write(APIC_TPR, 0);
		asm volatile("nop; nop");
		if (!EXPECT_EQ(nr_seen, i))
			break;
	}
	irq_disable();
	write_cr8(0);
}

static void t_tpr_all_classes(void)
{
	unsigned int class, tpr;

	begin();
	for (class = 2; class < 16; class++) {
		take(class << 4 | 3);
		for (tpr = 0; tpr < 16; tpr++) {
			nr_seen = 0;
			write_cr8(tpr);
			self(class << 4 | 3);
			irq_window();
			if (nr_seen != (class > tpr)) {
				fail("class %u, TPR %u: %u", class, tpr, nr_seen);
				return;
			}
			write_cr8(0);
			irq_window();
		}
	}
}

/* Several pending: the highest vector first. */
static void t_order(void)
{
	static const u8 sent[] = { 0x45, 0xa1, 0x33, 0xa0, 0x9f, 0xee };
	static const u8 want[] = { 0xee, 0xa1, 0xa0, 0x9f, 0x45, 0x33 };
	unsigned int i;

	begin();
	for (i = 0; i < ARRAY_SIZE(sent); i++) {
		take(sent[i]);
		self(sent[i]);
	}
	irq_enable();
	WAIT(nr_seen == ARRAY_SIZE(want));
	irq_disable();
	EXPECT_EQ(nr_seen, ARRAY_SIZE(want));
	for (i = 0; i < ARRAY_SIZE(want); i++)
		EXPECT_EQ(seen[i], want[i]);
}

/* Sent twice while pending: taken once. Once more in service: again after. */
static void t_collapse(void)
{
	begin();
	take(0x45);
	self(0x45);
	self(0x45);
	irq_window();
	irq_window();
	EXPECT_EQ(nr_seen, 1);
}

static volatile unsigned int depth, deepest, trail[16], nr_trail;

static void nest(struct regs *r)
{
	if (nr_trail < 16)
		trail[nr_trail++] = r->vector;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (r->vector == 0x45) {
		EXPECT_EQ(apic_read(APIC_PPR), 0x40);
		EXPECT(apic_bit(APIC_ISR, 0x45));
		self(0x35);		/* lower: waits */
		self(0x48);		/* same class: waits */
		self(0x75);		/* higher: now */
		irq_window();
		EXPECT_EQ(nr_trail, 2);
		EXPECT_EQ(trail[1], 0x75);
	}
	if (r->vector == 0x75)
		EXPECT_EQ(apic_read(APIC_PPR), 0x70);
	depth--;
	apic_write(APIC_EOI, 0);
}

static void t_nested(void)
{
	begin();
	depth = deepest = nr_trail = 0;
	on_vector(0x45, nest);
	on_vector(0x35, nest);
	on_vector(0x48, nest);
	on_vector(0x75, nest);
	self(0x45);
	irq_window();
	irq_window();
	irq_window();
	EXPECT_EQ(nr_trail, 4);
	EXPECT_EQ(trail[2], 0x48);
	EXPECT_EQ(trail[3], 0x35);
	EXPECT_EQ(deepest, 2);
	EXPECT_EQ(apic_read(APIC_PPR), 0);
}

static void no_eoi(struct regs *r)
{
	if (nr_seen < 16)
		seen[nr_seen] = r->vector;
	nr_seen++;
}

/* An EOI ends the highest in service. */
static void t_eoi(void)
{
	begin();
	on_vector(0x45, no_eoi);
	on_vector(0x65, no_eoi);
	self(0x45);
	irq_window();
	self(0x65);
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	EXPECT(apic_bit(APIC_ISR, 0x45) && apic_bit(APIC_ISR, 0x65));
	self(0x45);
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	apic_write(APIC_EOI, 0);
	EXPECT(apic_bit(APIC_ISR, 0x45) && !apic_bit(APIC_ISR, 0x65));
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	apic_write(APIC_EOI, 0);
	irq_window();
	EXPECT_EQ(nr_seen, 3);
	apic_write(APIC_EOI, 0);
	EXPECT_EQ(apic_read(APIC_PPR), 0);
	apic_write(APIC_EOI, 0);	/* nothing in service */
}

/* Every legal vector, by the self shorthand */
static void t_all_vectors(void)
{
	unsigned int v;

	begin();
	for (v = 32; v < 256; v++) {
		if (v == VEC_LEAVE)
			continue;
		take(v);
		nr_seen = 0;
		apic_write(APIC_ICR, APIC_SELF | v);
		irq_window();
		if (nr_seen != 1 || seen[0] != v) {
			fail("vector %u: %u times", v, nr_seen);
			return;
		}
		on_vector(v, NULL);
	}
}

/* Vectors below 16 cannot be sent: an error, which has its own interrupt. */
static void t_errors(void)
{
	begin();
	take(0x92);
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	EXPECT_EQ(apic_read(APIC_ESR), 0);
	apic_write(APIC_LVT_ERROR, 0x92);
	apic_write(APIC_ICR, APIC_SELF | 5);
	irq_window();
	apic_write(APIC_ESR, 0);
	if (option("kvm") && !nr_seen) {
		skip("kvm has no error for a vector that is sent");
	} else {
		EXPECT(apic_read(APIC_ESR) & (BIT(5) | BIT(6)));
		EXPECT_EQ(nr_seen, 1);
		EXPECT_EQ(seen[0], 0x92);
	}
	apic_write(APIC_ESR, 0);
	EXPECT_EQ(apic_read(APIC_ESR), 0);
	apic_write(APIC_LVT_ERROR, APIC_MASKED);
}

/* Software disable: pending interrupts stay, new ones are not accepted. */
static void t_software_disable(void)
{
	begin();
	take(0x45);
	apic_write(APIC_SVR, SPURIOUS_VECTOR);
	self(0x45);
	EXPECT(!apic_bit(APIC_IRR, 0x45));
	apic_write(APIC_SVR, APIC_SW_ENABLE | SPURIOUS_VECTOR);
	irq_window();
	EXPECT_EQ(nr_seen, 0);
	self(0x45);
	irq_window();
	EXPECT_EQ(nr_seen, 1);
}

/* The timer's LVT as another source, with the highest and the lowest vector */
static void t_spurious(void)
{
	begin();
	on_vector(SPURIOUS_VECTOR, no_eoi);
	apic_write(APIC_SVR, APIC_SW_ENABLE | 0xff);
	EXPECT_EQ(apic_read(APIC_SVR) & 0x1ff, 0x1ff);
	irq_window();
	EXPECT_EQ(nr_seen, 0);
	/* Sent as an ordinary vector it is one, and needs its EOI. */
	self(0xff);
	irq_window();
	EXPECT_EQ(nr_seen, 1);
	EXPECT(apic_bit(APIC_ISR, 0xff));
	apic_write(APIC_EOI, 0);
	EXPECT(!apic_bit(APIC_ISR, 0xff));
}

static void t_msi(void)
{
	begin();
	take(0x66);
	msi(0xfee00000 | this_cpu()->id << 12, 0x66);
	irq_window();
	EXPECT_EQ(nr_seen, 1);
	apic_write(APIC_LDR, 0x01000000);
	apic_write(APIC_DFR, 0xffffffff);
	msi(0xfee00004 | 1 << 12, 0x66);	/* logical */
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	msi(0xfee00004 | 2 << 12, 0x66);	/* to no one */
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	msi(0xfee0000c | 0xff << 12, 0x166);	/* lowest priority, redirectable */
	irq_window();
	EXPECT_EQ(nr_seen, 3);
	/* Level triggered: the TMR has it until the EOI. */
	msi(0xfee00000 | this_cpu()->id << 12, 0xc066);
	EXPECT(apic_bit(APIC_TMR, 0x66));
	irq_window();
	EXPECT_EQ(nr_seen, 4);
	msi(0xfee00000 | this_cpu()->id << 12, 0x66);
	EXPECT(!apic_bit(APIC_TMR, 0x66));
	irq_window();
	EXPECT_EQ(nr_seen, 5);
}

static void t_logical(void)
{
	begin();
	take(0x67);
	apic_write(APIC_DFR, 0xffffffff);	/* flat */
	apic_write(APIC_LDR, 0x04000000);
	apic_ipi(0x04, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 1);
	apic_ipi(0x0c, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	apic_ipi(0x08, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	apic_ipi(0xff, APIC_LOGICAL | APIC_LOWEST | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 3);
	apic_write(APIC_DFR, 0x0fffffff);	/* cluster */
	apic_write(APIC_LDR, 0x24000000);
	apic_ipi(0x24, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 4);
	apic_ipi(0x14, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 4);
	apic_ipi(0x22, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 4);
	apic_ipi(0xff, APIC_LOGICAL | 0x67);
	irq_window();
	EXPECT_EQ(nr_seen, 5);
	apic_write(APIC_DFR, 0xffffffff);
}

/* The page moves with the base, and is memory or nothing when the APIC is disabled. */
static void t_disabled(void)
{
	begin();
	EXPECT(apic_read(APIC_VERSION) != 0xffffffff);
	apic_set_disabled();
	EXPECT_EQ(PEEK(u32, APIC_BASE + APIC_VERSION), 0xffffffff);
	apic_set_xapic();
	EXPECT(apic_read(APIC_VERSION) != 0xffffffff);
	apic_enable();
}

static void t_x2apic_transitions(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	apic_set_x2apic();
	EXPECT_TRAP(GP, wrmsr(MSR_APIC_BASE, base));			/* back to xAPIC */
	EXPECT_TRAP(GP, wrmsr(MSR_APIC_BASE, (base | BIT(10)) & ~BIT(11)));
	EXPECT_EQ(rdmsr(MSR_APIC_BASE), base | BIT(10));
	apic_set_disabled();
	EXPECT_TRAP(GP, wrmsr(MSR_APIC_BASE, base | BIT(10)));		/* disabled to x2APIC */
	apic_set_xapic();
	EXPECT_EQ(rdmsr(MSR_APIC_BASE), base);
	EXPECT_TRAP(GP, rdmsr(0x802));
	apic_enable();
}

static void t_x2apic_registers(void)
{
	begin();
	apic_set_x2apic();
	apic_enable();
	EXPECT_EQ(rdmsr(0x802), this_cpu()->id);
	EXPECT_EQ(rdmsr(0x80d), BIT(this_cpu()->id & 15) | this_cpu()->id >> 4 << 16);
	EXPECT_TRAP(GP, wrmsr(0x802, 0));	/* read-only */
	EXPECT_TRAP(GP, wrmsr(0x803, 0));
	EXPECT_TRAP(GP, wrmsr(0x80d, 0));
	EXPECT_TRAP(GP, rdmsr(0x80e));		/* no DFR */
	EXPECT_TRAP(GP, rdmsr(0x831));		/* no ICR2 */
	EXPECT_TRAP(GP, rdmsr(0x80b));		/* EOI and self IPI are write-only */
	EXPECT_TRAP(GP, rdmsr(0x83f));
	if (!option("kvm")) {
		EXPECT_TRAP(GP, wrmsr(0x80b, 1));	/* EOI takes 0 only */
		EXPECT_TRAP(GP, wrmsr(0x808, 0x100));	/* reserved bits */
	}
	EXPECT_TRAP(GP, wrmsr(0x828, 1));
	EXPECT_TRAP(GP, wrmsr(0x80f, BIT(32)));
	EXPECT_TRAP(GP, rdmsr(0x840));
	EXPECT_NO_TRAP(wrmsr(0x808, 0x30));
	EXPECT_EQ(read_cr8(), 3);
	write_cr8(0);
	EXPECT_EQ(rdmsr(0x808), 0);
	/* The page is gone. */
	EXPECT_EQ(PEEK(u32, APIC_BASE + APIC_VERSION), 0xffffffff);
	apic_set_disabled();
	apic_set_xapic();
	apic_enable();
}

static void t_x2apic_ipis(void)
{
	begin();
	apic_set_x2apic();
	apic_enable();
	take(0x68);
	apic_ipi(this_cpu()->id, 0x68);
	irq_window();
	EXPECT_EQ(nr_seen, 1);
	wrmsr(0x83f, 0x68);			/* self IPI */
	irq_window();
	EXPECT_EQ(nr_seen, 2);
	EXPECT_TRAP(GP, wrmsr(0x83f, 0x168));
	apic_ipi(rdmsr(0x80d), APIC_LOGICAL | 0x68);
	irq_window();
	EXPECT_EQ(nr_seen, 3);
	apic_ipi(0xffffffff, 0x68);
	irq_window();
	EXPECT_EQ(nr_seen, 4);
	apic_ipi(0x1000, 0x68);			/* nobody */
	irq_window();
	EXPECT_EQ(nr_seen, 4);
	wrmsr(0x830, APIC_SELF | 0x68);
	EXPECT_EQ(rdmsr(0x830), APIC_SELF | 0x68);
	irq_window();
	EXPECT_EQ(nr_seen, 5);
	apic_set_disabled();
	apic_set_xapic();
	apic_enable();
}

static void t_x2apic_timer(void)
{
	begin();
	apic_set_x2apic();
	apic_enable();
	take(0x69);
	wrmsr(0x83e, 0xb);
	wrmsr(0x832, 0x69);
	wrmsr(0x838, 100000);
	irq_enable();
	EXPECT(WAIT(nr_seen == 1));
	irq_disable();
	EXPECT_EQ(rdmsr(0x839), 0);
	EXPECT_TRAP(GP, wrmsr(0x839, 1));
	apic_set_disabled();
	apic_set_xapic();
	apic_enable();
}

/* Accesses that are not of 32 bits on 16 bytes: no rule, but no harm */
static void t_odd_accesses(void)
{
	begin();
	PEEK(u8, APIC_BASE + APIC_ID + 3);
	PEEK(u16, APIC_BASE + APIC_VERSION);
	PEEK(u64, APIC_BASE + APIC_VERSION);
	PEEK(u32, APIC_BASE + 0xffc);
	POKE(u8, APIC_BASE + APIC_TPR, 0xff);
	POKE(u32, APIC_BASE + 0x84, 0xff);
	POKE(u64, APIC_BASE + 0x400, 0);
	apic_write(APIC_TPR, 0);
	EXPECT_EQ(apic_read(APIC_PPR), 0);
	EXPECT_EQ(apic_read(APIC_ID) >> 24, this_cpu()->id);
}

const struct test tests[] = {
	{ "registers", t_registers },
	{ "odd accesses", t_odd_accesses },
	{ "PPR, TPR and CR8", t_ppr },
	{ "TPR holds interrupts back", t_tpr_masks },
	{ "a lowered TPR lets them come", t_tpr_lowered },
	{ "TPR and all priority classes", t_tpr_all_classes },
	{ "highest first", t_order },
	{ "the same vector twice", t_collapse },
	{ "nested interrupts", t_nested },
	{ "EOI", t_eoi },
	{ "every vector to itself", t_all_vectors },
	{ "error interrupt", t_errors },
	{ "software disable", t_software_disable },
	{ "spurious vector", t_spurious },
	{ "MSI", t_msi },
	{ "logical destinations", t_logical },
	{ "disabled", t_disabled },
	{ "x2APIC: ways in and out", t_x2apic_transitions },
	{ "x2APIC: registers", t_x2apic_registers },
	{ "x2APIC: IPIs", t_x2apic_ipis },
	{ "x2APIC: timer", t_x2apic_timer },
	{ }
};

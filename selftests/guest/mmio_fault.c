// SPDX-License-Identifier: GPL-2.0
/*
 * mmio_fault.c - exceptions of instructions that are emulated, registers of devices by
 * them, code and tables in odd places, and code that changes under the CPU
 */
#include "apic.h"
#include "lib.h"

static u64 io;		/* page of scratch MMIO, then one that is not there */
static u8 *io_ram;	/* the same memory as RAM */

void setup(void)
{
	io = virt_area(2);
	io_ram = (u8 *)(u64)SCRATCH_RAM;
	map(io, MMIO_SCRATCH, PTE_RW);
}

static void t_unbacked(void)
{
	EXPECT_EQ(PEEK(u8, MMIO_NONE), 0xff);
	EXPECT_EQ(PEEK(u64, MMIO_NONE + 1), ~0ull);
	POKE(u32, MMIO_NONE, 0);
	EXPECT_EQ(PEEK(u32, MMIO_NONE), 0xffffffff);
	EXPECT_EQ(PEEK(u32, 0xffffff00), 0xffffffff);
}

/* The address beyond RAM up to the last the CPU has */
static void t_high(void)
{
	u64 v = virt_area(1), width = cpuid(0x80000008, 0).a & 0xff;

	map(v, BIT(width - 1), PTE_RW);
	EXPECT_EQ(PEEK(u32, v), 0xffffffff);
	map(v, BIT(width) - PAGE, PTE_RW);
	EXPECT_EQ(PEEK(u32, v), 0xffffffff);
	POKE(u32, v, 1);
	map(v, BIT(33), PTE_RW);
	EXPECT_EQ(PEEK(u32, v), 0xffffffff);
}

/* Reads to the edge, past it: #PF for the page behind, and nothing changed */
static void t_read_past(void)
{
	const struct trap *t;

	io_ram[PAGE - 1] = 0x5a;
	t = EXPECT_TRAP(PF, PEEK(u32, io + PAGE - 2));
	EXPECT_EQ(t->cr2, io + PAGE);
	EXPECT_EQ(t->error, 0);
	EXPECT_NO_TRAP(PEEK(u32, io + PAGE - 4));
}

static void t_write_past(void)
{
	const struct trap *t;

	io_ram[PAGE - 1] = 0x5a;
	io_ram[PAGE - 2] = 0xa5;
	t = EXPECT_TRAP(PF, POKE(u32, io + PAGE - 2, 0x12345678));
	EXPECT_EQ(t->cr2, io + PAGE);
	EXPECT_EQ(t->error, PF_W);
	EXPECT_EQ(io_ram[PAGE - 1], 0x5a);
	EXPECT_EQ(io_ram[PAGE - 2], 0xa5);
}

/* A page that may not be written: #PF, also for an addition of 0; the memory stays */
static void t_read_only(void)
{
	const struct trap *t;

	map(io, MMIO_SCRATCH, PTE_P | PTE_U);
	io_ram[8] = 7;
	t = EXPECT_TRAP(PF, POKE(u32, io + 8, 1));
	EXPECT_EQ(t->error, PF_P | PF_W);
	EXPECT_EQ(t->cr2, io + 8);
	/* TCG lets these come as a read; kvm then takes the page to be writable. */
	if (!option("kvm") || !option("tcg")) {
		t = EXPECT_TRAP(PF, asm volatile("addl $1, %0" : "+m"(*(u32 *)(io + 8))));
		EXPECT_EQ(t->error, PF_P | PF_W);
		t = EXPECT_TRAP(PF, asm volatile("lock incb %0" : "+m"(*(u8 *)(io + 8))));
		EXPECT_EQ(t->error, PF_P | PF_W);
	}
	EXPECT_EQ(io_ram[8], 7);
	EXPECT_EQ(PEEK(u8, io + 8), 7);
	write_cr0(read_cr0() & ~CR0_WP);
	EXPECT_NO_TRAP(POKE(u8, io + 8, 9));
	write_cr0(read_cr0() | CR0_WP);
	EXPECT_EQ(io_ram[8], 9);
	map(io, MMIO_SCRATCH, PTE_RW);
}

/* Strings from MMIO into a hole, and on after it was filled */
static void t_string_fault(void)
{
	u64 ram = virt_area(2), si = io, di = ram + PAGE - 6, cx = 20;
	const struct trap *t;
	unsigned int i;

	map(ram, (u64)pages(1), PTE_RW);
	for (i = 0; i < 20; i++)
		io_ram[i] = i + 1;
	t = EXPECT_TRAP(PF, asm volatile("rep movsb" : : "S"(si), "D"(di), "c"(cx) : "memory"));
	EXPECT_EQ(t->cr2, ram + PAGE);
	EXPECT_EQ(t->error, PF_W);
	EXPECT_EQ(t->regs.rcx, 14);
	EXPECT_EQ(t->regs.rsi, io + 6);
	EXPECT_EQ(t->regs.rdi, ram + PAGE);
	EXPECT_EQ(PEEK(u8, ram + PAGE - 1), 6);
	map(ram + PAGE, (u64)pages(1), PTE_RW);
	asm volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
	EXPECT(!memcmp((void *)(ram + PAGE - 6), io_ram, 20));
	EXPECT_EQ(di, ram + PAGE + 14);
}

/* The accessed and dirty bits of MMIO pages, as for RAM */
static void t_accessed_dirty(void)
{
	u64 v = virt_area(1);

	map(v, MMIO_SCRATCH, PTE_RW);
	EXPECT_EQ(READ_ONCE(*pte_of(v)) & (PTE_A | PTE_D), 0);
	PEEK(u8, v);
	EXPECT_EQ(READ_ONCE(*pte_of(v)) & (PTE_A | PTE_D), PTE_A);
	POKE(u8, v, 1);
	EXPECT_EQ(READ_ONCE(*pte_of(v)) & (PTE_A | PTE_D), PTE_A | PTE_D);
}

#define USER_CODE(name, text) asm(".pushsection .text\n" #name ": " text "\n.popsection"); \
	extern char name[]

u64 user_io;

USER_CODE(user_store, "mov user_io, %rax; movl $0x1234, (%rax); int $0x81");

static void t_user(void)
{
	const struct trap *t;

	user_io = io + 16;
	*(u32 *)(io_ram + 16) = 0;
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_store, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(*(u32 *)(io_ram + 16), 0x1234);
	map(io, MMIO_SCRATCH, PTE_P | PTE_W);
	t = EXPECT_TRAP(PF, enter_user((u64)user_store, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->error, PF_P | PF_W | PF_U);
	map(io, MMIO_SCRATCH, PTE_RW);
}

static void t_not_canonical(void)
{
	EXPECT_TRAP(GP, PEEK(u8, 0x800000000000));
	/* From MMIO, to an address that is none */
	EXPECT_TRAP(GP, asm volatile("movsb" : : "S"(io), "D"(0x800000000000) : "memory"));
}

/* ---- device registers by other instructions than MOV ---- */

static void t_apic_forms(void)
{
	volatile u32 *tpr = (u32 *)(u64)(APIC_BASE + APIC_TPR);
	u32 val = 0x60, four[4] = { 0x10, 0, 0, 0 };

	asm volatile("movl $0x30, %0" : "=m"(*tpr));
	EXPECT_EQ(read_cr8(), 3);
	asm volatile("addl $0x10, %0" : "+m"(*tpr));
	EXPECT_EQ(read_cr8(), 4);
	asm volatile("xchg %0, %1" : "+r"(val), "+m"(*tpr));
	EXPECT_EQ(val & 0xf0, 0x40);
	EXPECT_EQ(read_cr8(), 6);
	asm volatile("orl $0x10, %0" : "+m"(*tpr));
	EXPECT_EQ(read_cr8(), 7);
	asm volatile("btrl $4, %0" : "+m"(*tpr));
	EXPECT_EQ(read_cr8(), 6);
	asm volatile("push %1; popq %0" : "=m"(*(u64 *)tpr) : "r"(0x20ull) : "memory");
	asm volatile("movl $0x50, %0" : "=m"(*tpr));
	asm volatile("stosl" : : "a"(0x20), "D"(tpr) : "memory");
	EXPECT_EQ(read_cr8(), 2);
	asm volatile("movsl" : : "S"(four), "D"(tpr) : "memory");
	EXPECT_EQ(read_cr8(), 1);
	asm volatile("movl $0, %0" : "=m"(*tpr));
	EXPECT_EQ(read_cr8(), 0);
	asm volatile("cmpl $0, %0; sete %b1" : "+m"(*tpr), "=q"(val));
	EXPECT_EQ(val & 0xff, 1);
}

/* ---- code ---- */

/* Instructions fetched from MMIO cannot be emulated; data moves from there into RAM can run. */
static void t_code_from_mmio(void)
{
	static const u8 code[] = { 0x89, 0xf8, 0xc3 };	/* mov %edi, %eax; ret */
	u64 v = virt_area(1), ram = (u64)pages(1);
	unsigned int i;
	u32 eax = 0;

	for (i = 0; i < sizeof(code); i++)
		POKE(u8, io + i, code[i]);
	asm volatile("rep movsb" : : "S"(io), "D"(ram), "c"(sizeof(code)) : "memory");
	map(v, ram, PTE_RW);
	asm volatile("call *%1" : "=a"(eax) : "r"(v), "D"(0x1234));
	EXPECT_EQ(eax, 0x1234);
}

/* The instruction itself lies across an edge; its second page is new, or not there. */
static void t_code_across_edge(void)
{
	/* mov %eax, (%rdi) with a displacement of 4 bytes; ret */
	static const u8 code[] = { 0x89, 0x87, 0x20, 0, 0, 0, 0xc3 };
	u64 v = virt_area(2), ram = (u64)pages(2);
	const struct trap *t;
	unsigned int off;

	map(v, ram, PTE_RW);
	map(v + PAGE, ram + PAGE, PTE_RW);
	for (off = 1; off < sizeof(code); off++) {
		u64 at = v + PAGE - off;

		memcpy((void *)at, code, sizeof(code));
		*(u32 *)(io_ram + 0x20) = 0;
		asm volatile("call *%0" : : "r"(at), "a"(off + 100), "D"(io) : "memory");
		EXPECT_EQ(*(u32 *)(io_ram + 0x20), off + 100);
	}
	*pte_of(v + PAGE) = 0;
	invlpg(v + PAGE);
	for (off = 1; off < 6; off++) {
		u64 at = v + PAGE - off;

		memcpy((void *)at, code, off);
		t = EXPECT_TRAP(PF, asm volatile("call *%0" : : "r"(at), "D"(io) : "memory"));
		EXPECT_EQ(t->cr2, v + PAGE);
		EXPECT_EQ(t->error & ~PF_I, 0);
		EXPECT_EQ(t->regs.rip, at);
	}
}

/* The same address gets other code, a thousand times. */
static void t_self_modifying(void)
{
	u8 *code = pages(1);
	unsigned int i;
	u32 eax;

	code[0] = 0xb8;				/* mov $imm, %eax */
	code[5] = 0xc3;
	for (i = 0; i < 1000; i++) {
		*(u32 *)(code + 1) = i * 77;
		asm volatile("call *%1" : "=a"(eax) : "r"(code) : "memory");
		if (eax != i * 77)
			break;
	}
	EXPECT_EQ(i, 1000);
}

/* An instruction that is emulated changes: what is emulated must be what is there now. */
static void t_self_modifying_emulated(void)
{
	static const u8 ops[][2] = { { 0x01, 0x07 }, { 0x29, 0x07 }, { 0x31, 0x07 }, { 0x89, 0x07 } };
	u8 *code = pages(1);
	unsigned int i;

	code[2] = 0xc3;
	for (i = 0; i < 200; i++) {
		u32 want = 1000;

		*(u32 *)io_ram = 1000;
		memcpy(code, ops[i % 4], 2);
		asm volatile("call *%0" : : "r"(code), "a"(i), "D"(io) : "memory");
		switch (i % 4) {
		case 0: want += i; break;
		case 1: want -= i; break;
		case 2: want ^= i; break;
		default: want = i;
		}
		if (*(u32 *)io_ram != want)
			break;
	}
	EXPECT_EQ(i, 200);
}

/* The emulated instruction writes into the code that follows. */
static void t_code_written_by_string(void)
{
	u8 *code = pages(1);
	u32 eax = 0;

	code[0] = 0xf3;		/* rep movsb: from MMIO over what follows */
	code[1] = 0xa4;
	memset(code + 2, 0xcc, 16);
	POKE(u8, io, 0xb8);
	POKE(u32, io + 1, 4242);
	POKE(u8, io + 5, 0xc3);
	asm volatile("call *%1" : "=a"(eax) : "r"(code), "S"(io), "D"(code + 2), "c"(6ull)
		     : "memory");
	EXPECT_EQ(eax, 4242);
}

/* Remapped behind the same virtual address: RAM, MMIO, RAM */
static void t_remap(void)
{
	u64 v = virt_area(1), ram = (u64)pages(1);
	unsigned int i;

	for (i = 0; i < 50; i++) {
		map(v, ram, PTE_RW);
		POKE(u32, v, i);
		map(v, MMIO_SCRATCH + 2 * PAGE, PTE_RW);
		POKE(u32, v, i + 1000);
		map(v, MMIO_NONE, PTE_RW);
		EXPECT_EQ(PEEK(u32, v), 0xffffffff);
		EXPECT_EQ(PEEK(u32, ram), i);
		EXPECT_EQ(PEEK(u32, SCRATCH_RAM + 2 * PAGE), i + 1000);
	}
}

/* Large pages over MMIO */
static void t_large_page(void)
{
	*(u32 *)(io_ram + 0x3000) = 0x5151;
	EXPECT_EQ(PEEK(u32, MMIO_SCRATCH + 0x3000), 0x5151);
	EXPECT_EQ(PEEK(u32, APIC_BASE + APIC_VERSION), apic_read(APIC_VERSION));
}

/* Not an instruction for MMIO: the VM must not die of LOCK on a register or UD forms. */
static void t_undefined(void)
{
	EXPECT_TRAP(UD, asm volatile(".byte 0xf0, 0x8b, 0x07" : : "D"(io)));	/* lock mov */
	EXPECT_TRAP(UD, asm volatile(".byte 0x0f, 0x0b"));
	EXPECT_TRAP(UD, asm volatile(".byte 0x06"));				/* push %es */
}

/* A thousand reads in a row: nothing gets lost between kernel and VMM. */
static void t_many(void)
{
	unsigned int i;
	u32 sum = 0, want = 0;

	for (i = 0; i < 1000; i++) {
		u64 at = MMIO_SCRATCH + 0x3000 + i % 1000 * 4;

		POKE(u32, at, i * 3);
		sum += PEEK(u32, at);
		want += i * 3;
	}
	EXPECT_EQ(sum, want);
}

const struct test tests[] = {
	{ "nobody there", t_unbacked },
	{ "high addresses", t_high },
	{ "read past the page", t_read_past },
	{ "write past the page", t_write_past },
	{ "read-only page", t_read_only },
	{ "string into a hole", t_string_fault },
	{ "accessed and dirty bits", t_accessed_dirty },
	{ "ring 3", t_user },
	{ "addresses that are not canonical", t_not_canonical },
	{ "undefined forms", t_undefined },
	{ "the APIC by many instructions", t_apic_forms },
	{ "code copied from MMIO", t_code_from_mmio },
	{ "instruction across an edge", t_code_across_edge },
	{ "code that changes", t_self_modifying },
	{ "emulated code that changes", t_self_modifying_emulated },
	{ "emulated code that writes code", t_code_written_by_string },
	{ "RAM and MMIO at one address", t_remap },
	{ "large pages", t_large_page },
	{ "two thousand accesses", t_many },
	{ }
};

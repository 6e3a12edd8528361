// SPDX-License-Identifier: GPL-2.0
/*
 * memory.c - all of RAM, by small and by large pages, and what lies beyond it
 */
#include "lib.h"

#define LOW		0x1000000ull	/* below are we */
#define TOUCHED		(512ull << 20)
#define HIGH		BIT(32)

static u64 pattern(u64 addr)
{
	return addr * 0x9e3779b97f4a7c15ull + 1;
}

/* Every page once, by the 2 MiB pages of our own map */
static void t_touch_large(void)
{
	u64 at;

	for (at = LOW; at < LOW + TOUCHED; at += PAGE)
		POKE(u64, at, pattern(at));
	for (at = LOW; at < LOW + TOUCHED; at += PAGE)
		if (PEEK(u64, at) != pattern(at))
			break;
	EXPECT_EQ(at, LOW + TOUCHED);
}

/* The same memory by 4 KiB pages at another address, in another order */
static void t_touch_small(void)
{
	u64 v = virt_area(16384), i, j;

	for (i = 0; i < 16384; i++)
		*pte_of(v + i * PAGE) = (LOW + i * PAGE) | PTE_RW;
	for (i = 0; i < 16384; i++) {
		j = i * 7919 % 16384;
		if (PEEK(u64, v + j * PAGE) != pattern(LOW + j * PAGE))
			break;
		POKE(u64, v + j * PAGE + 8, j);
	}
	EXPECT_EQ(i, 16384);
	for (i = 0; i < 16384; i++)
		if (PEEK(u64, LOW + i * PAGE + 8) != i)
			break;
	EXPECT_EQ(i, 16384);
}

/* RAM above 4 GiB; nothing behind its end */
static void t_high(void)
{
	u64 v = virt_area(4), i, end = HIGH;

	map(v, HIGH, PTE_RW);
	POKE(u64, v, 0x1234);
	if (PEEK(u64, v) != 0x1234) {
		skip("no RAM above 4 GiB");
		return;
	}
	/* The end, by steps of 1 MiB */
	for (i = 0; i < 4096; i++) {
		map(v, HIGH + (i << 20), PTE_RW);
		POKE(u64, v, i);
		if (PEEK(u64, v) != i)
			break;
		end = HIGH + ((i + 1) << 20);
	}
	EXPECT(end > HIGH && i < 4096);
	map(v, end - PAGE, PTE_RW);
	map(v + PAGE, end, PTE_RW);
	POKE(u64, v + PAGE - 8, 0x5678);
	EXPECT_EQ(PEEK(u64, v + PAGE - 8), 0x5678);
	EXPECT_EQ(PEEK(u64, v + PAGE), ~0ull);
	/* Half in RAM, half beyond */
	EXPECT_EQ(PEEK(u64, v + PAGE - 4), 0xffffffff00000000ull);
}

/* The end of low RAM */
static void t_low_end(void)
{
	u64 end = mem_size();

	POKE(u64, end - 8, 0x1122334455667788);
	EXPECT_EQ(PEEK(u64, end - 8), 0x1122334455667788);
	EXPECT_EQ(PEEK(u64, end), ~0ull);
	EXPECT_EQ(PEEK(u32, end - 2), 0xffff1122);
}

/* Code in pages never executed before */
static void t_execute(void)
{
	u64 at;
	u32 eax;

	for (at = LOW + TOUCHED; at < LOW + TOUCHED + 64 * BIT(18); at += BIT(18)) {
		u8 *code = (u8 *)at;

		code[0] = 0xb8;
		*(u32 *)(code + 1) = at >> 12;
		code[5] = 0xc3;
		asm volatile("call *%1" : "=a"(eax) : "r"(code) : "memory");
		if (eax != at >> 12)
			break;
	}
	EXPECT_EQ(at, LOW + TOUCHED + 64 * BIT(18));
}

static void t_unaligned(void)
{
	u64 at = LOW + 0x5000000 - 4, v;

	for (v = 0; v < 64; v++) {
		POKE(u64, at + v * BIT(21), v);
		EXPECT_EQ(PEEK(u64, at + v * BIT(21)), v);
	}
}

/* A page table in RAM that was not there, and large pages with odd flags */
static void t_large_flags(void)
{
	u64 v = virt_area(512), *pde = pde_of(v);

	*pde = (LOW + 0x600000) | PTE_RW | PTE_PS;
	EXPECT_EQ(PEEK(u64, v), PEEK(u64, LOW + 0x600000));
	EXPECT_EQ(READ_ONCE(*pde) & (PTE_A | PTE_D), PTE_A);
	POKE(u64, v + 0x1ffff8, 77);
	EXPECT_EQ(READ_ONCE(*pde) & (PTE_A | PTE_D), PTE_A | PTE_D);
	EXPECT_EQ(PEEK(u64, LOW + 0x7ffff8), 77);
	*pde = (LOW + 0x600000) | PTE_P | PTE_PS;
	write_cr3(read_cr3());
	EXPECT_TRAP(PF, POKE(u8, v, 1));
}

static void t_gigabyte_page(void)
{
	extern u64 page_pml4[];
	u64 *pdpt, v = 0x7000000000ull;

	if (!(cpuid(0x80000001, 0).d & BIT(26))) {
		skip("no 1 GiB pages");
		return;
	}
	pde_of(v);
	pdpt = (u64 *)(page_pml4[v >> 39 & 511] & ~0xfffull);
	pdpt[v >> 30 & 511] = PTE_RW | PTE_PS;
	write_cr3(read_cr3());
	EXPECT_EQ(PEEK(u64, v + LOW), PEEK(u64, LOW));
	POKE(u64, v + LOW + 16, 4711);
	EXPECT_EQ(PEEK(u64, LOW + 16), 4711);
}

/* Our tables move through a hundred places of RAM. */
static void t_move_tables(void)
{
	extern u64 page_pml4[];
	u64 old = read_cr3(), at = LOW + 0x10000000, i;

	for (i = 0; i < 100; i++, at += 3 * BIT(20)) {
		memcpy((void *)at, page_pml4, PAGE);
		write_cr3(at);
		if (PEEK(u32, (u64)page_pml4) != (u32)page_pml4[0])
			break;
	}
	write_cr3(old);
	EXPECT_EQ(i, 100);
}

/* The stack in the last page of RAM */
static void t_stack_at_end(void)
{
	u64 end = mem_size(), val = 0;

	asm volatile("mov %%rsp, %%rbx; mov %1, %%rsp; pushq $42; popq %0; mov %%rbx, %%rsp"
		     : "=r"(val) : "r"(end) : "rbx", "memory");
	EXPECT_EQ(val, 42);
}

const struct test tests[] = {
	{ "512 MiB by 2 MiB pages", t_touch_large },
	{ "64 MiB of it by 4 KiB pages", t_touch_small },
	{ "above 4 GiB", t_high },
	{ "end of low RAM", t_low_end },
	{ "execution of new pages", t_execute },
	{ "unaligned", t_unaligned },
	{ "large pages: flags", t_large_flags },
	{ "1 GiB pages", t_gigabyte_page },
	{ "page tables that move", t_move_tables },
	{ "stack at the end of RAM", t_stack_at_end },
	{ }
};

// SPDX-License-Identifier: GPL-2.0
/*
 * mem.c - RAM and page tables
 */
#include "lib.h"

#define MB_MEM_UPPER	2	/* word of the boot information: KiB above 1 MiB */
#define VIRT_START	0x4000000000ull

extern u32 boot_info;
extern u64 page_pml4[];
extern char image_end[];

static u64 next_page, next_virt = VIRT_START;

u64 mem_size(void)
{
	const u32 *info = (const u32 *)(u64)boot_info;

	return ((u64)info[MB_MEM_UPPER] << 10) + 0x100000;
}

void *pages(unsigned int n)
{
	u64 p;

	if (!next_page)
		next_page = ((u64)image_end + PAGE - 1) & ~(PAGE - 1);
	p = next_page;
	next_page += n * PAGE;
	return memset((void *)p, 0, n * PAGE);
}

u64 virt_area(unsigned int n)
{
	u64 v = next_virt;

	/* Tables of their own, and a gap */
	next_virt += (n * PAGE + 2 * BIT(21)) & ~(BIT(21) - 1);
	return v;
}

/* The table below an entry, made if there is none */
static u64 *table(u64 *entry)
{
	if (!(*entry & PTE_P))
		*entry = (u64)pages(1) | PTE_RW;
	return (u64 *)(*entry & 0x000ffffffffff000ull);
}

static unsigned int index_of(u64 virt, unsigned int level)
{
	return virt >> (12 + 9 * level) & 511;
}

u64 *pde_of(u64 virt)
{
	u64 *t = table(&page_pml4[index_of(virt, 3)]);

	return &table(&t[index_of(virt, 2)])[index_of(virt, 1)];
}

static void split(u64 *pde)
{
	u64 *t = pages(1), old = *pde;
	unsigned int i;

	for (i = 0; i < 512; i++)
		t[i] = (old & ~PTE_PS) + i * PAGE;
	*pde = (u64)t | PTE_RW;
	write_cr3(read_cr3());
}

u64 *pte_of(u64 virt)
{
	u64 *pde = pde_of(virt);

	if ((*pde & PTE_P) && (*pde & PTE_PS))
		split(pde);
	return &table(pde)[index_of(virt, 0)];
}

void map(u64 virt, u64 phys, u64 flags)
{
	*pte_of(virt) = phys | flags;
	invlpg(virt);
}

void *memset(void *p, int c, size_t n)
{
	void *to = p;

	asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return p;
}

void *memcpy(void *p, const void *from, size_t n)
{
	void *to = p;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return p;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

u64 random64(void)
{
	static u64 s = 0x9e3779b97f4a7c15ull;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

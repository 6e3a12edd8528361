// SPDX-License-Identifier: GPL-2.0
/*
 * mem.c - see gwalk_test.h
 */
#include "tap.h"
#include "gwalk_test.h"

struct mem_page mem[MEM_PAGES];
struct updates updates;
unsigned int mem_races;

u64 *mem_at(u64 gpa)
{
	unsigned int i;

	for (i = 0; i < MEM_PAGES; i++)
		if (mem[i].gpa == (gpa & ~0xfffULL))
			return (u64 *)(mem[i].data + (gpa & 0xfff));
	return NULL;
}

void mem_put(u64 gpa, u64 val, unsigned int size)
{
	memcpy(mem_at(gpa), &val, size);
}

/* Half below 4 GiB, where all modes can have tables, and half anywhere below 2^46. */
void mem_reset(void)
{
	unsigned int i;

	memset(mem, 0, sizeof(mem));
	memset(&updates, 0, sizeof(updates));
	mem_races = 0;
	for (i = 0; i < MEM_PAGES; i++)
		mem[i].gpa = i < MEM_PAGES / 2 ? 0x1000ULL * (i + 1) :
						 0x123456789000ULL + 0x10000000000ULL * i;
}

static bool mem_read(void *priv, gpa_t gpa, u64 *val, unsigned int size)
{
	void *p = mem_at(gpa);

	EXPECT_EQ(gpa % size, 0);
	*val = 0;
	if (p)
		memcpy(val, p, size);
	return p;
}

static int mem_update(void *priv, gpa_t gpa, u64 old, u64 new, unsigned int size)
{
	void *p = mem_at(gpa);
	u64 is = 0;
	unsigned int i;

	EXPECT_TRUE(p);
	memcpy(&is, p, size);
	if (is != old || (mem_races && !--mem_races))
		return -EAGAIN;
	for (i = 0; i < MEM_PAGES; i++)
		if (mem[i].gpa == (gpa & ~0xfffULL) && mem[i].rom)
			return 0;
	memcpy(p, &new, size);
	EXPECT_LT(updates.nr, MAX_UPDATES);
	updates.u[updates.nr++] = (struct update){ gpa, new };
	return 0;
}

const struct gwalk_ops mem_ops = { .read = mem_read, .update = mem_update };

// SPDX-License-Identifier: GPL-2.0
/*
 * modes.c - each mode and each rule once, with numbers worked out by hand
 */
#include "tap.h"
#include "gwalk_test.h"

#define CR0_PG	(BIT_ULL(31) | 1)
#define CR0_WP	BIT_ULL(16)
#define PSE	BIT_ULL(4)
#define PAE	BIT_ULL(5)
#define LA57	BIT_ULL(12)
#define SMEP	BIT_ULL(20)
#define SMAP	BIT_ULL(21)
#define PKE	BIT_ULL(22)
#define LMA	BIT_ULL(10)
#define NXE	BIT_ULL(11)
#define NX	BIT_ULL(63)
#define HIGH	(mem[10].gpa)	/* a page far above 4 GiB */

static struct gwalk start(u64 cr4, u64 efer)
{
	mem_reset();
	return (struct gwalk){
		.ops = &mem_ops, .cr0 = CR0_PG | CR0_WP, .cr3 = 0x1000, .cr4 = cr4,
		.efer = efer, .maxphyaddr = 48, .gbpages = true,
	};
}

static void expect_gpa(struct gwalk *w, gva_t gva, unsigned int access, u64 gpa)
{
	w->gva = gva;
	w->access = access;
	EXPECT_EQ(gwalk(w), GWALK_OK);
	EXPECT_EQ(w->gpa, gpa);
}

static void expect_pf(struct gwalk *w, gva_t gva, unsigned int access, u32 error)
{
	w->gva = gva;
	w->access = access;
	EXPECT_EQ(gwalk(w), GWALK_FAULT);
	EXPECT_EQ(w->error, error);
}

/* 4 levels, tables at 1000, 2000, 3000, 4000; the last one's entry 5 is @pte. */
static struct gwalk start_long(u64 cr4, u64 efer, u64 pte)
{
	struct gwalk w = start(cr4 | PAE, efer | LMA);

	mem_put(0x1000, 0x2007, 8);
	mem_put(0x2000, 0x3007, 8);
	mem_put(0x3000, 0x4007, 8);
	mem_put(0x4000 + 5 * 8, pte, 8);
	return w;
}

TEST(paging_off)
{
	struct gwalk w = start(0, 0);

	w.cr0 = 0;
	expect_gpa(&w, 0xfffffff0, EMUL_FETCH, 0xfffffff0);
	expect_gpa(&w, 0x1fffffff0ULL, EMUL_WRITE, 0xfffffff0);
	EXPECT_EQ(updates.nr, 0);
}

TEST(legacy)
{
	struct gwalk w = start(0, 0);

	mem_put(0x1000 + 3 * 4, 0x2087, 4);	/* PS without CR4.PSE is nothing */
	mem_put(0x2000 + 7 * 4, 0x0abcd007, 4);
	expect_gpa(&w, 0x00c07123, EMUL_WRITE | EMUL_USER, 0x0abcd123);
	EXPECT_EQ(*mem_at(0x1008) >> 32, 0x20a7);
	EXPECT_EQ(*mem_at(0x2018) >> 32, 0x0abcd067);
	expect_pf(&w, 0x00c08000, EMUL_USER, GWALK_PF_U);
	expect_pf(&w, 0x01000000, EMUL_FETCH, 0);	/* no NX, no SMEP: no I/D */
}

TEST(pse36)
{
	struct gwalk w = start(PSE, 0);

	mem_put(0x1000, 0x00c00087 | 0x5a << 13, 4);
	w.maxphyaddr = 40;
	expect_gpa(&w, 0x00345678, 0, 0x5a00f45678ULL);
	w.maxphyaddr = 38;	/* 0x5a needs 39 bits */
	expect_pf(&w, 0x00345678, 0, GWALK_PF_P | GWALK_PF_RSVD);
	mem_put(0x1000, 0x00e00087, 4);	/* bit 21 */
	expect_pf(&w, 0x00345678, EMUL_WRITE, GWALK_PF_P | GWALK_PF_RSVD | GWALK_PF_W);
}

TEST(pae)
{
	struct gwalk w = start(PAE, NXE);

	w.cr3 = 0x1fe0;		/* aligned to 32 bytes, the rest of CR3 is other things */
	mem_put(0x1ff0, 0x2001, 8);
	mem_put(0x2000 + 3 * 8, HIGH | 7, 8);
	mem_put(HIGH + 4 * 8, 0x800000123000ULL | 7 | NX, 8);
	expect_gpa(&w, 0x80604567, EMUL_WRITE, 0x800000123567ULL);
	EXPECT_EQ(*mem_at(0x1ff0), 0x2001);		/* has no accessed bit */
	EXPECT_EQ(*mem_at(HIGH + 32), 0x800000123067ULL | NX);
	expect_pf(&w, 0x80604567, EMUL_FETCH, GWALK_PF_P | GWALK_PF_ID);
	mem_put(0x1ff0, 0x2003, 8);
	expect_pf(&w, 0x80604567, 0, GWALK_PF_P | GWALK_PF_RSVD);
	mem_put(0x1ff0, 0x2001, 8);
	mem_put(0x2018, 0x400087, 8);	/* 2 MiB */
	expect_gpa(&w, 0x80745678, EMUL_USER, 0x545678);
	mem_put(0x2018, 0x402087, 8);
	expect_pf(&w, 0x80745678, EMUL_USER, GWALK_PF_P | GWALK_PF_U | GWALK_PF_RSVD);
	mem_put(0x2018, 1ULL << 52 | 0x400087, 8);	/* ignored in long mode only */
	expect_pf(&w, 0x80745678, 0, GWALK_PF_P | GWALK_PF_RSVD);
}

TEST(long_4_level)
{
	struct gwalk w = start_long(0, NXE, HIGH | 7);

	expect_gpa(&w, 0x5678, EMUL_WRITE | EMUL_USER, HIGH + 0x678);
	EXPECT_EQ(w.level, 1);
	EXPECT_EQ(*mem_at(0x1000), 0x2027);
	EXPECT_EQ(*mem_at(0x2000), 0x3027);
	EXPECT_EQ(*mem_at(0x3000), 0x4027);
	EXPECT_EQ(*mem_at(0x4028), HIGH | 0x67);
	EXPECT_EQ(updates.nr, 4);
	expect_gpa(&w, 0x5678, EMUL_WRITE, HIGH + 0x678);
	EXPECT_EQ(updates.nr, 4);	/* nothing left to set */
}

TEST(long_large_pages)
{
	struct gwalk w = start_long(0, 0, 0);

	mem_put(0x3008, 0x40000087, 8);
	expect_gpa(&w, 0x212345, EMUL_WRITE, 0x40012345);
	EXPECT_EQ(w.level, 2);
	EXPECT_EQ(*mem_at(0x3008), 0x400000e7);
	mem_put(0x2008, 0xc0000087, 8);
	expect_gpa(&w, 0x51234567, 0, 0xd1234567);
	EXPECT_EQ(w.level, 3);
	w.gbpages = false;
	expect_pf(&w, 0x51234567, 0, GWALK_PF_P | GWALK_PF_RSVD);
	w.gbpages = true;
	mem_put(0x2008, 0xc0002087, 8);
	expect_pf(&w, 0x51234567, 0, GWALK_PF_P | GWALK_PF_RSVD);
	mem_put(0x1008, 0x2087, 8);	/* no page is that large */
	expect_pf(&w, 1ULL << 39, 0, GWALK_PF_P | GWALK_PF_RSVD);
}

TEST(long_5_level)
{
	struct gwalk w = start_long(LA57, 0, 0x9007);

	mem_put(0x8000 + 0x1ff * 8, 0x1007, 8);
	w.cr3 = 0x8fff;		/* low bits are PCID or ignored */
	expect_gpa(&w, 0xffff000000005000ULL, 0, 0x9000);
	EXPECT_EQ(*mem_at(0x8ff8), 0x1027);
	w.gva = 0x0100000000005000ULL;
	EXPECT_EQ(gwalk(&w), GWALK_NONCANONICAL);
}

TEST(canonical)
{
	struct gwalk w = start_long(0, 0, 0);

	w.gva = 0x800000000000ULL;
	EXPECT_EQ(gwalk(&w), GWALK_NONCANONICAL);
	w.gva = 0xffff7fffffffffffULL;
	EXPECT_EQ(gwalk(&w), GWALK_NONCANONICAL);
	expect_pf(&w, 0xffff800000000000ULL, 0, 0);
	expect_pf(&w, 0x7fffffffffffULL, EMUL_WRITE, GWALK_PF_W);
	EXPECT_EQ(updates.nr, 0);
}

TEST(reserved_by_maxphyaddr)
{
	struct gwalk w = start_long(0, 0, 1ULL << 45 | 7);

	expect_gpa(&w, 0x5000, 0, 1ULL << 45);
	w.maxphyaddr = 45;
	expect_pf(&w, 0x5000, 0, GWALK_PF_P | GWALK_PF_RSVD);
	w.maxphyaddr = 52;
	mem_put(0x4028, 0x7ff0000000009007ULL, 8);	/* bits 62 to 52 are the system's own */
	expect_gpa(&w, 0x5000, 0, 0x9000);
	mem_put(0x4028, NX | 0x9007, 8);		/* NX without EFER.NXE */
	expect_pf(&w, 0x5000, 0, GWALK_PF_P | GWALK_PF_RSVD);
}

TEST(user_and_write)
{
	struct gwalk w = start_long(0, 0, 0x9001);

	expect_gpa(&w, 0x5000, 0, 0x9000);
	expect_pf(&w, 0x5000, EMUL_WRITE, GWALK_PF_P | GWALK_PF_W);
	expect_pf(&w, 0x5000, EMUL_USER, GWALK_PF_P | GWALK_PF_U);
	EXPECT_FALSE(w.no_wp);
	w.cr0 &= ~CR0_WP;
	expect_gpa(&w, 0x5000, EMUL_WRITE, 0x9000);
	EXPECT_TRUE(w.no_wp);
	EXPECT_EQ(*mem_at(0x4028), 0x9061);
	mem_put(0x4028, 0x9005, 8);
	expect_pf(&w, 0x5000, EMUL_WRITE | EMUL_USER, GWALK_PF_P | GWALK_PF_W | GWALK_PF_U);
	mem_put(0x4028, 0x9007, 8);
	mem_put(0x2000, 0x3003, 8);	/* all levels must allow */
	expect_pf(&w, 0x5000, EMUL_USER, GWALK_PF_P | GWALK_PF_U);
}

TEST(a_fault_sets_nothing)
{
	struct gwalk w = start_long(0, 0, 0x9001);

	expect_pf(&w, 0x5000, EMUL_WRITE, GWALK_PF_P | GWALK_PF_W);
	EXPECT_EQ(updates.nr, 0);
}

TEST(no_execute)
{
	struct gwalk w = start_long(0, NXE, 0x9007 | NX);

	expect_gpa(&w, 0x5000, EMUL_WRITE | EMUL_USER, 0x9000);
	expect_pf(&w, 0x5000, EMUL_FETCH, GWALK_PF_P | GWALK_PF_ID);
	expect_pf(&w, 0x5000, EMUL_FETCH | EMUL_USER, GWALK_PF_P | GWALK_PF_ID | GWALK_PF_U);
	mem_put(0x4028, 0x9007, 8);
	mem_put(0x1000, 0x2007 | NX, 8);
	expect_pf(&w, 0x5000, EMUL_FETCH, GWALK_PF_P | GWALK_PF_ID);
	expect_pf(&w, 0x6000, EMUL_FETCH, GWALK_PF_ID);
}

TEST(smep)
{
	struct gwalk w = start_long(SMEP, 0, 0x9007);

	expect_gpa(&w, 0x5000, EMUL_FETCH | EMUL_USER, 0x9000);
	expect_pf(&w, 0x5000, EMUL_FETCH, GWALK_PF_P | GWALK_PF_ID);
	mem_put(0x4028, 0x9003, 8);
	expect_gpa(&w, 0x5000, EMUL_FETCH, 0x9000);
}

TEST(smap)
{
	struct gwalk w = start_long(SMAP, 0, 0x9007);

	expect_gpa(&w, 0x5000, EMUL_USER, 0x9000);
	expect_pf(&w, 0x5000, 0, GWALK_PF_P);
	expect_pf(&w, 0x5000, EMUL_WRITE, GWALK_PF_P | GWALK_PF_W);
	expect_gpa(&w, 0x5000, EMUL_FETCH, 0x9000);
	w.ac = true;
	expect_gpa(&w, 0x5000, EMUL_WRITE, 0x9000);
	mem_put(0x4028, 0x9003, 8);
	w.ac = false;
	expect_gpa(&w, 0x5000, 0, 0x9000);
}

TEST(protection_keys)
{
	struct gwalk w = start_long(PKE, 0, 5ULL << 59 | 0x9007);

	w.pkru = 1 << 11;	/* key 5: no writes */
	expect_gpa(&w, 0x5000, EMUL_USER, 0x9000);
	expect_pf(&w, 0x5000, EMUL_USER | EMUL_WRITE,
		  GWALK_PF_P | GWALK_PF_W | GWALK_PF_U | GWALK_PF_PK);
	expect_pf(&w, 0x5000, EMUL_WRITE, GWALK_PF_P | GWALK_PF_W | GWALK_PF_PK);
	w.cr0 &= ~CR0_WP;
	expect_gpa(&w, 0x5000, EMUL_WRITE, 0x9000);
	w.pkru = 1 << 10;	/* no access */
	expect_pf(&w, 0x5000, 0, GWALK_PF_P | GWALK_PF_PK);
	expect_gpa(&w, 0x5000, EMUL_FETCH | EMUL_USER, 0x9000);
	mem_put(0x4028, 5ULL << 59 | 0x9003, 8);	/* keys are for user pages */
	expect_gpa(&w, 0x5000, 0, 0x9000);
	w.cr4 &= ~PKE;
	mem_put(0x4028, 5ULL << 59 | 0x9007, 8);
	expect_gpa(&w, 0x5000, 0, 0x9000);
}

TEST(holes)
{
	struct gwalk w = start_long(0, 0, 0x9007);

	mem_put(0x3000, 0xdead000007ULL, 8);	/* a table where there is no memory */
	expect_pf(&w, 0x5000, EMUL_WRITE, GWALK_PF_W);
	w.cr3 = 0xffffffffffffffffULL;
	expect_pf(&w, 0x5000, EMUL_USER, GWALK_PF_U);
	EXPECT_EQ(updates.nr, 0);
}

TEST(tables_in_rom)
{
	struct gwalk w = start_long(0, 0, 0x9007);
	unsigned int i;

	for (i = 0; i < MEM_PAGES; i++)
		mem[i].rom = true;
	expect_gpa(&w, 0x5000, EMUL_WRITE, 0x9000);
	EXPECT_EQ(*mem_at(0x4028), 0x9007);
}

TEST(entry_changes_below)
{
	struct gwalk w = start_long(0, 0, 0x9007);

	w.gva = 0x5000;
	w.access = EMUL_WRITE;
	mem_races = 3;
	EXPECT_EQ(gwalk(&w), GWALK_RETRY);
	EXPECT_EQ(updates.nr, 2);
	EXPECT_EQ(gwalk(&w), GWALK_OK);
	EXPECT_EQ(updates.nr, 4);
}

TEST(table_that_is_its_own)
{
	struct gwalk w = start(PAE, LMA | NXE);

	mem_put(0x1000, 0x1007, 8);	/* root, table and page in one */
	w.gva = 0x123;
	EXPECT_EQ(gwalk(&w), GWALK_RETRY);	/* the root's accessed bit changed the others */
	expect_gpa(&w, 0x123, 0, 0x1123);
	EXPECT_EQ(updates.nr, 1);
}

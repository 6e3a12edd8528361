// SPDX-License-Identifier: GPL-2.0
/*
 * memory.c - second-level faults
 */
#include "bench.h"

#define REGION		(2UL << 20)	/* what one table maps */
#define REGIONS		9
#define AREA		0x40000000UL	/* in the guest */
#define CHUNK		32		/* pages touched in one batch */
#define CHUNKS		(REGION / PAGE / CHUNK)

/* RBX: where; RDI: instructions of each batch, one after the other, from DATA + 8 on */
GUEST(64, touch,
	"mov $" STRING(AREA) ", %ebx\n"
	"8: mov $" STRING(CHUNK) ", %r15d\n"
	GUEST_TSC
	"mov %rax, %r14\n"
	"9: movl $1, (%rbx)\n"
	"add $0x1000, %rbx\n"
	"dec %r15d\n"
	"jnz 9b\n"
	GUEST_TSC
	"sub %r14, %rax\n"
	"mov %rax, " STRING(DATA) "\n"
	GUEST_OUT
	"jmp 8b\n");

static struct vm vm;
static struct vcpu c;
static uint64_t least[CHUNKS];

static uint8_t *aligned_pages(size_t size)
{
	uintptr_t p = (uintptr_t)map_pages(size + REGION);

	return (void *)((p + REGION - 1) & ~(REGION - 1));
}

static void touch_region(void)
{
	uint64_t *result = (void *)(vm.mem + DATA);
	unsigned int i;

	for (i = 0; i < CHUNKS; i++) {
		window_start();
		run_to_out(&c, DONE_PORT);
		window_end();
		if (*result < least[i])
			least[i] = *result;
	}
}

/*
 * The guest touches all pages of regions of 2 MiB in batches, so that the one that finds
 * no table yet counts in what a page costs; each batch's least is that of all regions.
 */
static void bench_faults(const char *name, bool resident)
{
	uint8_t *area = aligned_pages(REGIONS * REGION);
	uint64_t sum = 0;
	unsigned int i;

	ASSERT_OK(madvise(area, REGIONS * REGION, MADV_NOHUGEPAGE));
	if (resident)
		memset(area, 1, REGIONS * REGION);
	bench_make(&vm, &c, VM_IRQCHIP, touch, touch_end);
	ASSERT_OK(set_slot(&vm, 1, 0, AREA, REGIONS * REGION, area));
	memset(least, 0xff, sizeof(least));
	for (i = 0; i < REGIONS; i++)
		touch_region();
	for (i = 0; i < CHUNKS; i++)
		sum += least[i] - 4 * CHUNK - 6;	/* the guest's own */
	bench_result(name, (double)sum / (CHUNKS * CHUNK));
}

TEST(fault_4k_resident)
{
	bench_faults("fault-4k-resident", true);
}

TEST(fault_4k_fresh)
{
	bench_faults("fault-4k-fresh", false);
}

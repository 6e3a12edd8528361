// SPDX-License-Identifier: GPL-2.0
/*
 * memory.c - second-level faults, the dirty log, and what the kernel keeps for a VM
 */
#include "bench.h"

#define REGION		(2UL << 20)	/* what one table maps */
#define REGIONS		9
#define SIZE		(REGIONS * REGION)
#define AREA		0x40000000UL	/* in the guest */
#define CHUNK		32		/* pages touched in one batch */
#define CHUNKS		(REGION / PAGE / CHUNK)

static struct vm vm;
static struct vcpu c;
static uint8_t *area;

static void make_area(int advice)
{
	uintptr_t p = (uintptr_t)map_pages(SIZE + REGION);

	area = (void *)((p + REGION - 1) & ~(REGION - 1));
	ASSERT_OK(madvise(area, SIZE, advice));
}

static void make_touching(const void *code, const void *end, uint32_t flags)
{
	bench_make(&vm, &c, VM_IRQCHIP, code, end);
	ASSERT_OK(set_slot(&vm, 1, flags, AREA, SIZE, area));
}

/* ---- pages of 4 KiB ---- */

#define TOUCH_OWN	4		/* of these instructions, for each page */

/* RBX: where; each batch goes on from there */
GUEST(64, touch,
	"mov $0x40000000, %ebx\n"
	"8: mov $32, %r15d\n"
	GUEST_TSC
	"mov %rax, %r14\n"
	"9: movl $1, (%rbx)\n"
	"add $0x1000, %rbx\n"
	"dec %r15d\n"
	"jnz 9b\n"
	GUEST_TSC
	"sub %r14, %rax\n"
	"mov %rax, " STRING(RESULT) "\n"
	GUEST_OUT
	"jmp 8b\n");

static uint64_t least[CHUNKS];

/* @whole: with the exit that ends a batch, and what the kernel does then. */
static void touch_region(bool whole)
{
	uint64_t *result = (void *)(vm.mem + RESULT), t;
	unsigned int i;

	for (i = 0; i < CHUNKS; i++) {
		window_start();
		t = tsc();
		run_to_out(&c, DONE_PORT);
		t = tsc() - t;
		window_end();
		if (!whole)
			t = *result;
		if (t < least[i])
			least[i] = t;
	}
}

/*
 * The guest touches all pages of regions of 2 MiB in batches, so that the one that finds
 * no table yet counts in what a page costs; each batch's least is that of all regions.
 * Instructions for each page.
 */
static double touch_all(bool whole)
{
	struct kvm_regs r = get_regs(&c);
	uint64_t sum = 0;
	unsigned int i;

	r.rbx = AREA;
	set_regs(&c, &r);
	memset(least, 0xff, sizeof(least));
	for (i = 0; i < REGIONS; i++)
		touch_region(whole);
	for (i = 0; i < CHUNKS; i++)
		sum += least[i];
	return (double)sum / (CHUNKS * CHUNK);
}

TEST(fault_4k_resident)
{
	make_area(MADV_NOHUGEPAGE);
	memset(area, 1, SIZE);
	make_touching(touch, touch_end, 0);
	bench_result("fault-4k-resident", touch_all(false) - TOUCH_OWN);
}

TEST(fault_4k_fresh)
{
	make_area(MADV_NOHUGEPAGE);
	make_touching(touch, touch_end, 0);
	bench_result("fault-4k-fresh", touch_all(false) - TOUCH_OWN);
}

/* ---- the dirty log ---- */

static uint8_t bitmap[SIZE / PAGE / 8];

static void harvest(void)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	ASSERT_EQ(bare_ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), 0);
}

static void make_logged(void)
{
	make_area(MADV_NOHUGEPAGE);
	memset(area, 1, SIZE);
	make_touching(touch, touch_end, KVM_MEM_LOG_DIRTY_PAGES);
	touch_all(true);
	harvest();
	ASSERT_EQ(bitmap[0], 0xff);
}

/*
 * All is mapped, and was written; after a harvest it is written again, and once more, which
 * the log does not see. A CPU may keep the log itself: then the kernel reads it at an exit.
 */
TEST(dirty_write)
{
	double first;

	make_logged();
	first = touch_all(true);
	window_less();
	bench_result("dirty-write", first - touch_all(true));
}

TEST(dirty_harvest)
{
	uint64_t t, best = ~0UL;
	int i;

	make_logged();
	for (i = 0; i < 4; i++) {
		touch_all(true);
		window_start();
		t = tsc();
		harvest();
		t = tsc() - t;
		window_end();
		if (t < best)
			best = t;
	}
	bench_result("dirty-harvest", (double)best / (SIZE / PAGE));
}

/* ---- pages of 2 MiB ---- */

/* One a batch */
GUEST(64, touch_huge,
	"mov $0x40000000, %ebx\n"
	"8: " GUEST_TSC
	"mov %rax, %r14\n"
	"movl $1, (%rbx)\n"
	GUEST_TSC
	"sub %r14, %rax\n"
	"mov %rax, " STRING(RESULT) "\n"
	"add $0x200000, %rbx\n"
	GUEST_OUT
	"jmp 8b\n");

static void touch_huge_all(const char *name)
{
	uint64_t *result, best = ~0UL;
	unsigned int i;

	make_touching(touch_huge, touch_huge_end, 0);
	result = (void *)(vm.mem + RESULT);
	for (i = 0; i < REGIONS; i++) {
		window_start();
		run_to_out(&c, DONE_PORT);
		window_end();
		if (*result < best)
			best = *result;
	}
	bench_result(name, best - TOUCH_OWN);
}

TEST(fault_2m_resident)
{
	make_area(MADV_HUGEPAGE);
	memset(area, 1, SIZE);
	touch_huge_all("fault-2m-resident");
}

TEST(fault_2m_fresh)
{
	make_area(MADV_HUGEPAGE);
	touch_huge_all("fault-2m-fresh");
}

/* ---- the same in a process: what the page alone costs ---- */

static void bench_host_fault(const char *name, int advice, size_t step)
{
	uint64_t best = ~0UL, start, t;
	size_t i;

	make_area(advice);
	for (i = 0; i < SIZE; i += step) {
		start = tsc();
		*(volatile uint8_t *)(area + i) = 1;
		t = tsc() - start;
		if (t < best)
			best = t;
	}
	bench_result(name, best);
}

TEST(host_fault_4k)
{
	bench_host_fault("host-fault-4k", MADV_NOHUGEPAGE, PAGE);
}

TEST(host_fault_2m)
{
	bench_host_fault("host-fault-2m", MADV_HUGEPAGE, REGION);
}

/* ---- what the kernel keeps, in bytes ---- */

#define VMS	256
#define VCPUS	128

/* The sum of the numbers in lines of @file that begin with @word. */
static long sum_of(const char *file, const char *word)
{
	char line[200], name[50];
	long sum = 0, n;
	FILE *f = fopen(file, "r");

	ASSERT_TRUE(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%49s %ld", name, &n) == 2 && !strcmp(name, word))
			sum += n;
	fclose(f);
	return sum;
}

/* What is free, with the pages that each CPU keeps for itself */
static long free_memory(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	ASSERT_EQ(write(fd, "1", 1), 1);
	close(fd);
	return sum_of("/proc/meminfo", "MemFree:") * 1024 +
	       sum_of("/proc/zoneinfo", "count:") * PAGE;
}

TEST(memory_vm)
{
	long before;
	int i;

	/* The first ones fill what the allocators keep. */
	for (i = 0; i < VMS / 4; i++)
		ASSERT_OK(ioctl(dev, KVM_CREATE_VM, 0));
	before = free_memory();
	for (i = 0; i < VMS; i++)
		ASSERT_OK(ioctl(dev, KVM_CREATE_VM, 0));
	bench_result("memory-vm", (before - free_memory()) / VMS);
}

TEST(memory_vcpu)
{
	long before = 0;
	int i, fd;

	make_vm(&vm, VM_IRQCHIP);
	for (i = 0; i < VCPUS + VCPUS / 4; i++) {
		if (i == VCPUS / 4)
			before = free_memory();
		fd = ioctl(vm.fd, KVM_CREATE_VCPU, i);
		ASSERT_OK(fd);
	}
	bench_result("memory-vcpu", (before - free_memory()) / VCPUS);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * smp.c - what several CPUs do with one memory and one time
 */
#include "apic.h"
#include "lib.h"

static unsigned int n;

void setup(void)
{
	n = cpus_start();
}

static void on_all(void (*fn)(u64), u64 arg)
{
	unsigned int i;

	for (i = 1; i < n; i++)
		on_cpu(i, fn, arg);
	fn(arg);
	for (i = 1; i < n; i++)
		wait_cpu(i);
}

static u64 counter, plain;
static u32 spinlock;

static void add_locked(u64 count)
{
	while (count--)
		asm volatile("lock incq %0" : "+m"(counter));
}

static void add_xadd(u64 count)
{
	while (count--) {
		u64 one = 1;

		asm volatile("lock xaddq %0, %1" : "+r"(one), "+m"(counter));
	}
}

static void add_cmpxchg(u64 count)
{
	while (count--) {
		u64 old;

		do {
			old = READ_ONCE(counter);
		} while (!__sync_bool_compare_and_swap(&counter, old, old + 1));
	}
}

static void add_in_lock(u64 count)
{
	while (count--) {
		while (__sync_lock_test_and_set(&spinlock, 1))
			while (READ_ONCE(spinlock))
				pause();
		WRITE_ONCE(plain, READ_ONCE(plain) + 1);
		__sync_lock_release(&spinlock);
	}
}

static void t_atomic(void)
{
	counter = 0;
	on_all(add_locked, 20000);
	EXPECT_EQ(counter, 20000 * n);
	on_all(add_xadd, 20000);
	EXPECT_EQ(counter, 40000 * n);
	on_all(add_cmpxchg, 5000);
	EXPECT_EQ(counter, 45000 * n);
}

static void t_spinlock(void)
{
	plain = 0;
	on_all(add_in_lock, 3000);
	EXPECT_EQ(plain, 3000 * n);
}

static u64 wide[2] __attribute__((aligned(16)));

static void add_wide(u64 count)
{
	while (count--) {
		u64 lo = READ_ONCE(wide[0]), hi = READ_ONCE(wide[1]);
		bool done;

		do {
			asm volatile("lock cmpxchg16b %1; sete %0"
				     : "=q"(done), "+m"(*(u64(*)[2])wide), "+a"(lo), "+d"(hi)
				     : "b"(lo + 1), "c"(hi - 1) : "memory");
		} while (!done);
	}
}

static void t_cmpxchg16b(void)
{
	if (!(cpuid(1, 0).c & BIT(13))) {
		skip("no CMPXCHG16B");
		return;
	}
	wide[0] = 0;
	wide[1] = 0;
	on_all(add_wide, 3000);
	EXPECT_EQ(wide[0], 3000 * n);
	EXPECT_EQ(wide[1], -3000ull * n);
}

/*
 * The same by MMIO, where LOCK is not atomic against other CPUs: each has its own word,
 * no one's is lost.
 */
static void add_mmio(u64 count)
{
	volatile u32 *p = (u32 *)(u64)(MMIO_SCRATCH + 64 * this_cpu()->id);

	while (count--)
		asm volatile("lock incl %0" : "+m"(*p));
}

static void t_mmio(void)
{
	unsigned int i;

	memset((void *)(u64)SCRATCH_RAM, 0, 1024);
	on_all(add_mmio, 300);
	for (i = 0; i < n; i++)
		EXPECT_EQ(PEEK(u32, SCRATCH_RAM + 64 * i), 300);
}

/* ---- translations ---- */

#define SHOOT_VEC 0x75

static u64 shot;		/* the address */
static volatile unsigned int flushed;
static volatile bool stop;
static volatile u64 wrong;

static void on_shootdown(struct regs *r)
{
	invlpg(shot);
	__sync_fetch_and_add(&flushed, 1);
	apic_write(APIC_EOI, 0);
}

/* Nobody may see an old page after all have flushed. */
static volatile u64 least;

static void read_it(u64 arg)
{
	irq_enable();
	while (!stop) {
		u64 want = least, seen = PEEK(u64, shot);

		pause();
		if (seen < want)
			wrong++;
	}
	irq_disable();
}

static void t_shootdown(void)
{
	u64 *page[2] = { pages(1), pages(1) }, round;
	unsigned int i;

	shot = virt_area(1);
	on_vector(SHOOT_VEC, on_shootdown);
	page[0][0] = 0;
	map(shot, (u64)page[0], PTE_RW);
	stop = false;
	wrong = 0;
	least = 0;
	for (i = 1; i < n; i++)
		on_cpu(i, read_it, 0);
	for (round = 1; round <= 300; round++) {
		page[round & 1][0] = round;
		flushed = 0;
		*pte_of(shot) = (u64)page[round & 1] | PTE_RW;
		invlpg(shot);
		apic_write(APIC_ICR, APIC_OTHERS | SHOOT_VEC);
		if (!WAIT(flushed == n - 1))
			break;
		least = round;
	}
	EXPECT_EQ(round, 301);
	stop = true;
	for (i = 1; i < n; i++)
		wait_cpu(i);
	EXPECT_EQ(wrong, 0);
}

/* Each page of an area is touched first by another CPU. */
static u64 fresh;

static void touch(u64 count)
{
	unsigned int id = this_cpu()->id;
	u64 i;

	for (i = id; i < count; i += n)
		POKE(u64, fresh + i * PAGE, i * 3 + 1);
}

static void t_touch(void)
{
	u64 i;

	fresh = 0x4000000;
	on_all(touch, 4096);
	for (i = 0; i < 4096; i++)
		if (PEEK(u64, fresh + i * PAGE) != i * 3 + 1)
			break;
	EXPECT_EQ(i, 4096);
}

/* All at once at the same new pages */
static void touch_same(u64 count)
{
	u64 i;

	for (i = 0; i < count; i++)
		__sync_fetch_and_add((u64 *)(fresh + i * PAGE), 1);
}

static void t_touch_same(void)
{
	u64 i;

	fresh = 0x6000000;
	on_all(touch_same, 1024);
	for (i = 0; i < 1024; i++)
		if (PEEK(u64, fresh + i * PAGE) != n)
			break;
	EXPECT_EQ(i, 1024);
}

/* ---- code ---- */

static u8 *code;
static volatile u64 ran[MAX_CPUS];

static void run_code(u64 arg)
{
	u32 eax;

	cpuid(0, 0);		/* serialize */
	asm volatile("call *%1" : "=a"(eax) : "r"(code) : "memory");
	ran[this_cpu()->id] = eax;
}

static void t_cross_modifying(void)
{
	unsigned int i, c;

	code = pages(1);
	code[0] = 0xb8;
	code[5] = 0xc3;
	for (i = 0; i < 50; i++) {
		*(u32 *)(code + 1) = i + 1000;
		on_all(run_code, 0);
		for (c = 0; c < n; c++)
			if (!EXPECT_EQ(ran[c], i + 1000))
				return;
	}
}

/* ---- time ---- */

static volatile u64 last_tsc;
static volatile unsigned int backwards;

/* Who reads later must not read less. */
static void read_tsc(u64 count)
{
	while (count--) {
		u64 seen = last_tsc, now;

		barrier();
		now = rdtsc();
		if (now < seen)
			__sync_fetch_and_add(&backwards, 1);
		__sync_bool_compare_and_swap(&last_tsc, seen, now);
	}
}

static void t_tsc(void)
{
	last_tsc = 0;
	backwards = 0;
	on_all(read_tsc, 20000);
	EXPECT_EQ(backwards, 0);
}

/* Messages by memory: what was stored first is seen first. */
static volatile u64 data[2], flag;

static void write_message(u64 count)
{
	u64 i;

	for (i = 1; i <= count; i++) {
		data[0] = i;
		data[1] = i * 2;
		flag = i;
	}
}

static void read_message(u64 count)
{
	u64 f, b;

	do {
		f = flag;
		b = data[1];
		if (b < f * 2)
			__sync_fetch_and_add(&backwards, 1);
		pause();
	} while (f < count);
}

static void t_order(void)
{
	unsigned int i;

	flag = 0;
	backwards = 0;
	for (i = 1; i < n; i++)
		on_cpu(i, read_message, 20000);
	write_message(20000);
	for (i = 1; i < n; i++)
		wait_cpu(i);
	EXPECT_EQ(backwards, 0);
}

/* All exit as fast as they can, in different ways. */
static void exits(u64 count)
{
	unsigned int id = this_cpu()->id, i;

	for (i = 0; i < count; i++) {
		switch ((i + id) % 5) {
		case 0:
			cpuid(0, 0);
			break;
		case 1:
			inb(0x80);
			break;
		case 2:
			PEEK(u32, APIC_BASE + APIC_VERSION);
			break;
		case 3:
			PEEK(u32, MMIO_SCRATCH);
			break;
		default:
			rdmsr(MSR_APIC_BASE);
		}
	}
}

static void t_exits(void)
{
	on_all(exits, 1000);
	EXPECT(true);
}

const struct test tests[] = {
	{ "atomic additions", t_atomic },
	{ "spin lock", t_spinlock },
	{ "CMPXCHG16B", t_cmpxchg16b },
	{ "locked additions in MMIO", t_mmio },
	{ "TLB shootdown", t_shootdown },
	{ "new pages from all CPUs", t_touch },
	{ "the same new pages from all CPUs", t_touch_same },
	{ "code changed for others", t_cross_modifying },
	{ "order of stores", t_order },
	{ "TSC never goes back", t_tsc },
	{ "exits on all CPUs", t_exits },
	{ }
};

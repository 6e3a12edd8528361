// SPDX-License-Identifier: GPL-2.0
/*
 * ipi.c - interrupts from one CPU to others, in all forms; start and restart of CPUs
 */
#include "apic.h"
#include "lib.h"

#define VEC 0x72

static unsigned int n;		/* CPUs */
static volatile unsigned int got[MAX_CPUS], nmis[MAX_CPUS];

static void on_irq(struct regs *r)
{
	got[this_cpu()->id]++;
	apic_write(APIC_EOI, 0);
}

static void on_nmi(struct regs *r)
{
	nmis[this_cpu()->id]++;
}

static void begin(void)
{
	unsigned int i;

	for (i = 0; i < MAX_CPUS; i++) {
		got[i] = 0;
		nmis[i] = 0;
	}
	on_vector(VEC, on_irq);
	on_vector(NMI, on_nmi);
}

void setup(void)
{
	begin();
	n = cpus_start();
}

static unsigned int total(const volatile unsigned int *count)
{
	unsigned int i, sum = 0;

	for (i = 0; i < MAX_CPUS; i++)
		sum += count[i];
	return sum;
}

/* Exactly these CPUs, by bit, have got it @times more; none else. */
static bool only(const volatile unsigned int *count, unsigned int set, unsigned int times)
{
	unsigned int i, sum = 0;
	bool good;

	for (i = 0; i < n; i++)
		sum += set & BIT(i) ? times : 0;
	irq_enable();
	good = WAIT(total(count) >= sum);
	delay(2000000);
	irq_disable();
	for (i = 0; i < n; i++)
		good = good && count[i] == (set & BIT(i) ? times : 0);
	if (!good)
		note("CPUs %#x, %u times: got %u %u %u %u", set, times, count[0], count[1],
		     count[2], count[3]);
	return good;
}

static void t_started(void)
{
	unsigned int i;

	EXPECT_EQ(n, 4);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(cpus[i].online, 1);
		EXPECT_EQ(cpus[i].id, i);
	}
}

static u64 ap_base[MAX_CPUS], ap_cr0[MAX_CPUS], ap_leaf[MAX_CPUS];

static void look(u64 arg)
{
	unsigned int id = this_cpu()->id;

	ap_base[id] = rdmsr(MSR_APIC_BASE);
	ap_cr0[id] = apic_read(APIC_ID) >> 24;
	ap_leaf[id] = cpuid(0xb, 0).d;
}

static void t_identity(void)
{
	unsigned int i;

	look(0);
	for (i = 1; i < n; i++) {
		on_cpu(i, look, 0);
		wait_cpu(i);
	}
	for (i = 0; i < n; i++) {
		EXPECT_EQ(ap_base[i] & 0xfff, i ? 0x800 : 0x900);
		EXPECT_EQ(ap_cr0[i], i);
		EXPECT_EQ(ap_leaf[i], i);
	}
}

static void t_fixed(void)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		begin();
		apic_ipi(i, APIC_FIXED | VEC);
		EXPECT(only(got, BIT(i), 1));
	}
	begin();
	apic_ipi(77, APIC_FIXED | VEC);		/* nobody */
	EXPECT(only(got, 0, 0));
	begin();
	apic_ipi(0xff, APIC_FIXED | VEC);	/* broadcast */
	EXPECT(only(got, 0xf, 1));
}

static void t_shorthands(void)
{
	begin();
	apic_write(APIC_ICR, APIC_SELF | VEC);
	EXPECT(only(got, 1, 1));
	begin();
	apic_write(APIC_ICR, APIC_ALL | VEC);
	EXPECT(only(got, 0xf, 1));
	begin();
	apic_write(APIC_ICR, APIC_OTHERS | VEC);
	EXPECT(only(got, 0xe, 1));
}

static void set_ldr(u64 val)
{
	apic_write(APIC_DFR, val & 1 ? 0x0fffffff : 0xffffffff);
	apic_write(APIC_LDR, (u32)val & 0xff000000);
}

static void set_all_ldr(const u8 *ldr, bool cluster)
{
	unsigned int i;

	for (i = 1; i < n; i++) {
		on_cpu(i, set_ldr, (u64)ldr[i] << 24 | cluster);
		wait_cpu(i);
	}
	set_ldr((u64)ldr[0] << 24 | cluster);
}

static void t_flat(void)
{
	static const u8 ldr[] = { 1, 2, 4, 8 };
	unsigned int set;

	set_all_ldr(ldr, false);
	for (set = 0; set < 16; set++) {
		begin();
		apic_ipi(set, APIC_LOGICAL | VEC);
		EXPECT(only(got, set, 1));
	}
	begin();
	apic_ipi(0xff, APIC_LOGICAL | VEC);
	EXPECT(only(got, 0xf, 1));
}

static void t_cluster(void)
{
	static const u8 ldr[] = { 0x11, 0x12, 0x21, 0x28 };

	set_all_ldr(ldr, true);
	begin();
	apic_ipi(0x13, APIC_LOGICAL | VEC);
	EXPECT(only(got, 3, 1));
	begin();
	apic_ipi(0x21, APIC_LOGICAL | VEC);
	EXPECT(only(got, 4, 1));
	begin();
	apic_ipi(0x2f, APIC_LOGICAL | VEC);
	EXPECT(only(got, 0xc, 1));
	begin();
	apic_ipi(0x31, APIC_LOGICAL | VEC);
	EXPECT(only(got, 0, 0));
	begin();
	apic_ipi(0xff, APIC_LOGICAL | VEC);
	EXPECT(only(got, 0xf, 1));
	t_flat();
}

/* One of the set gets it. */
static void t_lowest(void)
{
	unsigned int i, sum;

	begin();
	for (i = 1; i <= 40; i++) {
		apic_ipi(0xe, APIC_LOGICAL | APIC_LOWEST | VEC);
		irq_enable();
		if (!WAIT(total(got) == i))
			break;
		irq_disable();
	}
	irq_disable();
	delay(2000000);
	sum = total(got);
	EXPECT_EQ(sum, 40);
	EXPECT_EQ(got[0], 0);
	begin();
	apic_ipi(0x4, APIC_LOGICAL | APIC_LOWEST | VEC);
	EXPECT(only(got, 4, 1));
}

static void t_msi(void)
{
	begin();
	msi(0xfee00000 | 2 << 12, VEC);
	EXPECT(only(got, 4, 1));
	begin();
	msi(0xfee00004 | 0xa << 12, VEC);
	EXPECT(only(got, 0xa, 1));
	begin();
	msi(0xfee0000c | 0xf << 12, 0x100 | VEC);
	irq_enable();
	WAIT(total(got) == 1);
	irq_disable();
	EXPECT_EQ(total(got), 1);
}

static void t_ioapic(void)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		begin();
		ioapic_set(10, VEC | (u64)i << 56);
		line(10, true);
		line(10, false);
		EXPECT(only(got, BIT(i), 1));
	}
	begin();
	ioapic_set(10, VEC | REDIR_LOGICAL | 0x6ull << 56);
	line(10, true);
	line(10, false);
	EXPECT(only(got, 6, 1));
	ioapic_set(10, REDIR_MASKED);
}

static void t_nmi(void)
{
	begin();
	apic_ipi(2, APIC_NMI);
	EXPECT(only(nmis, 4, 1));
	begin();
	apic_write(APIC_ICR, APIC_OTHERS | APIC_NMI);
	EXPECT(only(nmis, 0xe, 1));
	begin();
	apic_ipi(0xf, APIC_LOGICAL | APIC_NMI);
	EXPECT(only(nmis, 0xf, 1));
	EXPECT_EQ(total(got), 0);
}

static volatile bool stop_spinning;

/*
 * Without an exit, if possible: Bochs keeps the host's own interrupts away from a guest
 * that was entered with its off, until it exits.
 */
static void spin_masked(u64 arg)
{
	bool exits = option("bochs");

	irq_disable();
	while (!stop_spinning) {
		if (exits)
			pause();
		barrier();
	}
}

/* An NMI reaches a CPU that never lets interrupts in; an interrupt does not. */
static void t_nmi_to_masked(void)
{
	begin();
	stop_spinning = false;
	on_cpu(1, spin_masked, 0);
	delay(10000000);
	apic_ipi(1, APIC_NMI);
	EXPECT(WAIT(nmis[1] == 1));
	apic_ipi(1, APIC_FIXED | VEC);
	delay(10000000);
	EXPECT_EQ(got[1], 0);
	stop_spinning = true;
	wait_cpu(1);
	EXPECT(WAIT(got[1] == 1));
}

static volatile unsigned int balls[MAX_CPUS];

static void on_ball(struct regs *r)
{
	unsigned int id = this_cpu()->id;

	apic_write(APIC_EOI, 0);
	balls[id]++;
	if (id)
		apic_ipi(0, APIC_FIXED | 0x73);
}

/* To a CPU in HLT and back, a thousand times */
static void t_ping_pong(void)
{
	unsigned int i, to;

	on_vector(0x73, on_ball);
	balls[0] = 0;
	for (i = 1; i <= 1000; i++) {
		to = 1 + i % (n - 1);
		apic_ipi(to, APIC_FIXED | 0x73);
		while (balls[0] < i)
			halt();
	}
	EXPECT_EQ(balls[0], 1000);
	EXPECT_EQ(balls[1] + balls[2] + balls[3], 1000);
}

static void shoot(u64 count)
{
	unsigned int i, me = this_cpu()->id;

	irq_enable();
	for (i = 0; i < count; i++) {
		unsigned int to = (me + 1 + i % (n - 1)) % n, before = got[to];

		apic_ipi(to, APIC_FIXED | VEC);
		/* Somebody's, if not ours: they merge while pending */
		if (!WAIT(got[to] != before))
			break;
	}
	irq_disable();
}

/* All at all others at the same time; each shot may wait for a CPU that does not run */
static void t_cross_fire(void)
{
	unsigned int count = option("full") ? 300 : 60, i;

	begin();
	for (i = 1; i < n; i++)
		on_cpu(i, shoot, count);
	shoot(count);
	irq_enable();
	for (i = 1; i < n; i++)
		wait_cpu(i);
	irq_disable();
	for (i = 0; i < n; i++)
		EXPECT(got[i] > 0);
}

/* INIT stops a CPU wherever it is; it waits for SIPI and begins anew. */
static void t_restart(void)
{
	int before = cpus[2].online;

	stop_spinning = false;
	on_cpu(2, spin_masked, 0);
	delay(10000000);
	apic_ipi(2, APIC_INIT);
	delay(10000000);
	EXPECT_EQ(cpus[2].online, before);
	begin();
	/*
	 * Not while it waits for SIPI. An NMI would be held until it starts, and find
	 * nothing at the vector of real mode.
	 */
	apic_ipi(2, APIC_FIXED | VEC);
	delay(10000000);
	EXPECT_EQ(got[2], 0);
	apic_ipi(2, APIC_SIPI | TRAMPOLINE >> 12);
	cpu_wait_online(2, before + 1);
	on_cpu(2, look, 0);
	wait_cpu(2);
	EXPECT_EQ(ap_cr0[2], 2);
}

/* A SIPI to a CPU that runs, and a second one after the first, are ignored. */
static void t_extra_sipi(void)
{
	int before = cpus[3].online;

	apic_ipi(3, APIC_SIPI | TRAMPOLINE >> 12);
	delay(20000000);
	EXPECT_EQ(cpus[3].online, before);
	apic_ipi(3, APIC_INIT);
	apic_ipi(3, APIC_SIPI | TRAMPOLINE >> 12);
	apic_ipi(3, APIC_SIPI | TRAMPOLINE >> 12);
	cpu_wait_online(3, before + 1);
	delay(20000000);
	EXPECT_EQ(cpus[3].online, before + 1);
	on_cpu(3, look, 0);
	wait_cpu(3);
}

/* As firmware does: to all but itself */
static void t_broadcast_start(void)
{
	int before[MAX_CPUS];
	unsigned int i;

	for (i = 1; i < n; i++)
		before[i] = cpus[i].online;
	apic_write(APIC_ICR, APIC_OTHERS | APIC_INIT);
	apic_write(APIC_ICR, APIC_OTHERS | APIC_SIPI | TRAMPOLINE >> 12);
	for (i = 1; i < n; i++)
		cpu_wait_online(i, before[i] + 1);
}

/* INIT de-assert (level, not asserted) does nothing. */
static void t_deassert(void)
{
	int before = cpus[1].online;

	apic_ipi(1, 0x8500);
	delay(10000000);
	on_cpu(1, look, 0);
	wait_cpu(1);
	EXPECT_EQ(cpus[1].online, before);
}

static volatile unsigned int ticks[MAX_CPUS];

static void on_tick(struct regs *r)
{
	ticks[this_cpu()->id]++;
	apic_write(APIC_EOI, 0);
}

static void run_timer(u64 arg)
{
	unsigned int id = this_cpu()->id, i;

	apic_write(APIC_TIMER_DIV, 0xb);
	apic_write(APIC_LVT_TIMER, 0x74);
	for (i = 1; i <= 30; i++) {
		apic_write(APIC_TIMER_INIT, 200000 + 1000 * id);
		while (ticks[id] < i)
			halt();
	}
	apic_write(APIC_LVT_TIMER, APIC_MASKED);
}

/* Every CPU's own timer, all at once, each waiting in HLT */
static void t_timers(void)
{
	unsigned int i;

	on_vector(0x74, on_tick);
	for (i = 1; i < n; i++)
		on_cpu(i, run_timer, 0);
	run_timer(0);
	for (i = 1; i < n; i++)
		wait_cpu(i);
	for (i = 0; i < n; i++)
		EXPECT_EQ(ticks[i], 30);
}

static void go_x2apic(u64 on)
{
	if (on) {
		apic_set_x2apic();
	} else {
		apic_set_disabled();
		apic_set_xapic();
	}
	apic_enable();
}

static void set_x2apic(bool on)
{
	unsigned int i;

	for (i = 1; i < n; i++) {
		on_cpu(i, go_x2apic, on);
		wait_cpu(i);
	}
	go_x2apic(on);
}

static void t_x2apic(void)
{
	unsigned int i;

	set_x2apic(true);
	for (i = 0; i < n; i++) {
		begin();
		apic_ipi(i, VEC);
		EXPECT(only(got, BIT(i), 1));
		begin();
		apic_ipi(BIT(i), APIC_LOGICAL | VEC);
		EXPECT(only(got, BIT(i), 1));
	}
	begin();
	apic_ipi(0xb, APIC_LOGICAL | VEC);
	EXPECT(only(got, 0xb, 1));
	begin();
	apic_ipi(0x1000b, APIC_LOGICAL | VEC);	/* another cluster */
	EXPECT(only(got, 0, 0));
	begin();
	apic_ipi(0xffffffff, VEC);
	EXPECT(only(got, 0xf, 1));
	begin();
	wrmsr(0x830, APIC_OTHERS | VEC);
	EXPECT(only(got, 0xe, 1));
	begin();
	apic_ipi(3, APIC_NMI);
	EXPECT(only(nmis, 8, 1));
	begin();
	apic_ipi(255, VEC);			/* no broadcast here */
	EXPECT(only(got, 0, 0));
	set_x2apic(false);
	begin();
	apic_ipi(2, VEC);
	EXPECT(only(got, 4, 1));
}

/* One CPU in x2APIC mode, the others not */
static void t_mixed(void)
{
	on_cpu(2, go_x2apic, true);
	wait_cpu(2);
	begin();
	apic_ipi(2, APIC_FIXED | VEC);
	EXPECT(only(got, 4, 1));
	begin();
	apic_write(APIC_ICR, APIC_OTHERS | VEC);
	EXPECT(only(got, 0xe, 1));
	on_cpu(2, go_x2apic, false);
	wait_cpu(2);
}

const struct test tests[] = {
	{ "all have started", t_started },
	{ "who they are", t_identity },
	{ "fixed", t_fixed },
	{ "shorthands", t_shorthands },
	{ "logical, flat", t_flat },
	{ "logical, cluster", t_cluster },
	{ "lowest priority", t_lowest },
	{ "MSI", t_msi },
	{ "I/O APIC", t_ioapic },
	{ "NMI", t_nmi },
	{ "NMI to a CPU with interrupts off", t_nmi_to_masked },
	{ "ping-pong by HLT", t_ping_pong },
	{ "cross-fire", t_cross_fire },
	{ "timers of all CPUs", t_timers },
	{ "x2APIC", t_x2apic },
	{ "x2APIC on one of them", t_mixed },
	{ "INIT de-assert", t_deassert },
	{ "restart by INIT and SIPI", t_restart },
	{ "SIPI that must be ignored", t_extra_sipi },
	{ "start by broadcast", t_broadcast_start },
	{ }
};

// SPDX-License-Identifier: GPL-2.0
/*
 * host.c - CPUs that go, clocks that step, threads that move, very many VMs
 */
#include <pthread.h>
#include <sched.h>
#include "faults.h"

static struct vm vm;
static struct vcpu c[64];
static struct runner r[64];

static void make_counter(struct vcpu *vcpu)
{
	make_guest(&vm, vcpu, VM_IRQCHIP | VM_PIT, count_pages, count_pages_end);
}

/* Who is no boot CPU waits for it, unless told otherwise. */
static void add_vcpu(unsigned int i, uint64_t ip)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

	make_vcpu(&c[i], &vm, i);
	start_at(&c[i], ip);
	ASSERT_OK(ioctl(c[i].fd, KVM_SET_MP_STATE, &runnable));
}

/* ---- CPUs ---- */

#define CPU1	"/sys/devices/system/cpu/cpu1/online"

GUEST(16, halt_or_spin, GUEST_LOOP "incw 0x7000\njmp 1b\n");
#define SPIN	0x3000

TEST(cpus_come_and_go)
{
	unsigned int n = times(6, 6, 60), i;

	if (online_cpus() < 2 || access(CPU1, W_OK))
		SKIP("one CPU, or none that can go");
	make_counter(&c[0]);
	guest_code(&vm, SPIN, halt_or_spin, halt_or_spin_end);
	add_vcpu(1, SPIN);
	add_vcpu(2, SPIN);
	for (i = 0; i < 3; i++)
		start_vcpu(&r[i], &c[i]);
	for (i = 0; i < n; i++) {
		write_file(CPU1, "0");
		wait_for_runs(&r[rnd(3)], 1, 1);
		write_file(CPU1, "1");
		wait_for_runs(&r[rnd(3)], 1, 1);
	}
	stop_vcpus(r, 3);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(r[i].wrong, 0);
	expect_counted(vm.mem + DATA);
	EXPECT_NE(*(uint16_t *)(vm.mem + DATA), 0);
	EXPECT_NE(*(uint16_t *)(vm.mem + 0x7000), 0);
}

/* To STEP_PORT if the TSC went back. */
GUEST(16, watch_tsc,
	GUEST_LOOP "rdtsc\n"
	"cmp %esi, %edx\n"
	"jb 3f\n"
	"ja 2f\n"
	"cmp %edi, %eax\n"
	"jb 3f\n"
	"2: mov %edx, %esi\n"
	"mov %eax, %edi\n"
	"incw 0x7000\n"
	"jmp 1b\n"
	"3: out %al, $0xf5\n"
	"jmp 2b\n");

static void move_thread(struct runner *runner, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ASSERT_EQ(pthread_setaffinity_np(runner->thread, sizeof(set), &set), 0);
}

TEST(threads_move)
{
	unsigned int n = times(200, 40, 10000), cpus = online_cpus(), i;

	if (cpus < 2)
		SKIP("one CPU");
	make_guest(&vm, &c[0], VM_IRQCHIP, watch_tsc, watch_tsc_end);
	start_vcpu(&r[0], &c[0]);
	for (i = 0; i < n; i++) {
		move_thread(&r[0], rnd(cpus));
		if (rnd(2))
			wait_for_runs(&r[0], 1, 1);
		else
			usleep(rnd(1000));
	}
	wait_for_runs(&r[0], 1, 1);
	stop_vcpus(r, 1);
	EXPECT_EQ(r[0].wrong, 0);
	EXPECT_NE(*(uint16_t *)(vm.mem + 0x7000), 0);
}

/* ---- clocks ---- */

static uint64_t vm_clock(void)
{
	struct kvm_clock_data d = { };

	ASSERT_OK(ioctl(vm.fd, KVM_GET_CLOCK, &d));
	return d.clock;
}

#define HOUR	3600

/* The VM's clock is none of the host's wall clock: it goes on, and by no hour. */
TEST(clock_steps)
{
	unsigned int n = times(40, 10, 1000), i;
	struct timespec ts, began;
	uint64_t last, now, first;

	make_guest(&vm, &c[0], VM_IRQCHIP, watch_tsc, watch_tsc_end);
	start_vcpu(&r[0], &c[0]);
	ASSERT_OK(clock_gettime(CLOCK_MONOTONIC, &began));
	first = last = vm_clock();
	for (i = 0; i < n; i++) {
		ASSERT_OK(clock_gettime(CLOCK_REALTIME, &ts));
		ts.tv_sec += i & 1 ? -HOUR : HOUR;
		ASSERT_OK(clock_settime(CLOCK_REALTIME, &ts));
		wait_for_runs(&r[0], 1, 1);
		now = vm_clock();
		EXPECT_GE(now, last);
		last = now;
	}
	ASSERT_OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	stop_vcpus(r, 1);
	EXPECT_LT(last - first, (ts.tv_sec - began.tv_sec + HOUR / 2) * 1000000000ULL);
	EXPECT_EQ(r[0].wrong, 0);
}

/* ---- many ---- */

GUEST(16, one_out, "1: " GUEST_OUT "jmp 1b\n");

/* All at once, each of which has run; then they go, in an order of their own. */
TEST(two_hundred_vms)
{
	unsigned int n = times(200, 60, 200), i, j;
	static struct vm vms[200];
	static struct vcpu vcpus[200];
	static unsigned int order[200];
	int refs = module_refs();

	for (i = 0; i < n; i++) {
		make_guest(&vms[i], &vcpus[i], VM_IRQCHIP, one_out, one_out_end);
		run_to_out(&vcpus[i], DONE_PORT);
	}
	EXPECT_GE(count_refs(), refs + n);
	for (i = 0; i < n; i++) {
		run_to_out(&vcpus[rnd(n)], DONE_PORT);
		j = rnd(i + 1);
		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; i < n; i++) {
		drop_vcpu(&vcpus[order[i]]);
		drop_vm(&vms[order[i]]);
	}
	expect_refs(refs);
}

/* Each gets its turn, and all are there at the end. */
TEST(sixty_four_vcpus)
{
	unsigned int n = ARRAY_SIZE(c), i;

	make_vm(&vm, VM_IRQCHIP);
	guest_code(&vm, SPIN, halt_or_spin, halt_or_spin_end);
	for (i = 0; i < n; i++)
		add_vcpu(i, SPIN);
	for (i = 0; i < n; i++)
		start_vcpu(&r[i], &c[i]);
	wait_for_runs(r, n, 1);
	stop_vcpus(r, n);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(r[i].wrong, 0);
		EXPECT_GT(r[i].runs, 0);
	}
	EXPECT_NE(*(uint16_t *)(vm.mem + 0x7000), 0);
}

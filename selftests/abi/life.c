// SPDX-License-Identifier: GPL-2.0
/*
 * life.c - the ends of VMs: killed VMMs, many rounds, nothing left behind
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "abi.h"

static struct vm vm;
static struct vcpu c;

GUEST(16, spin, GUEST_LOOP "incw 0x6000\njmp 1b\n");
GUEST(16, halt, "cli\n1: hlt\njmp 1b\n");

static long meminfo(const char *name)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	ASSERT_TRUE(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ": %ld", &kib);
	fclose(f);
	return kib;
}

/* ---- SIGKILL ---- */

static void *run_vcpu_thread(void *arg)
{
	run_vcpu(arg);
	return NULL;
}

#define VCPUS	3

static void vmm(const void *code, const void *end, int ready)
{
	static struct vcpu more[VCPUS];
	pthread_t t;
	int i;

	make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, code, end);
	for (i = 0; i < VCPUS; i++) {
		make_vcpu(&more[i], &vm, i + 1);
		pthread_create(&t, NULL, run_vcpu_thread, &more[i]);
	}
	if (write(ready, "x", 1) != 1)
		_exit(1);
	run_vcpu(&c);
	_exit(2);
}

static void kill_vmm(const void *code, const void *end)
{
	int refs = module_refs(), ready[2], status, i;
	char byte;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		ASSERT_OK(pipe(ready));
		pid = fork();
		if (!pid)
			vmm(code, end, ready[1]);
		ASSERT_EQ(read(ready[0], &byte, 1), 1);
		sleep_ms(i * 15);
		kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
		close(ready[0]);
		close(ready[1]);
	}
	expect_refs(refs);
}

TEST(sigkill_running)
{
	kill_vmm(spin, spin_end);
}

TEST(sigkill_halted)
{
	kill_vmm(halt, halt_end);
}

/* With irqfds, ioeventfds, a log, an MMIO answer that is owed. */
TEST(sigkill_with_all)
{
	static const uint8_t code[] = { 0xa0, 0x00, 0x00 };	/* mov 0, %al */
	int refs = module_refs(), ready[2], status;
	struct kvm_irqfd f = { .gsi = 4 };
	struct kvm_ioeventfd e = { .addr = HOLE };
	char byte;
	pid_t pid;

	ASSERT_OK(pipe(ready));
	pid = fork();
	if (!pid) {
		make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, code, code + sizeof(code));
		f.fd = eventfd(0, 0);
		e.fd = f.fd;
		ASSERT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
		ASSERT_OK(ioctl(vm.fd, KVM_IOEVENTFD, &e));
		ASSERT_OK(set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, vm.mem));
		ASSERT_OK(set_slot(&vm, 0, 0, 0, 0, NULL));
		ASSERT_OK(set_slot(&vm, 0, 0, CODE, PAGE, vm.mem + CODE));
		run_to(&c, KVM_EXIT_MMIO);
		EXPECT_EQ(write(ready[1], "x", 1), 1);
		pause();
	}
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	expect_refs(refs);
}

/* ---- rounds ---- */

static void one_round(void)
{
	struct vcpu more[4];
	struct kvm_irqfd f = { .gsi = 4 };
	struct kvm_ioeventfd e = { .addr = HOLE };
	struct kvm_coalesced_mmio_zone z = { .addr = HOLE + PAGE, .size = 16 };
	/* Again and again: the first may come before the vCPU runs. */
	struct itimerval t = { .it_value.tv_usec = 3000, .it_interval.tv_usec = 3000 }, off = { 0 };
	int i;

	make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, spin, spin_end);
	for (i = 0; i < 4; i++)
		make_vcpu(&more[i], &vm, i + 1);
	set_all_cpuid(&c);
	f.fd = eventfd(0, 0);
	e.fd = f.fd;
	ASSERT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
	ASSERT_OK(ioctl(vm.fd, KVM_IOEVENTFD, &e));
	ASSERT_OK(ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z));
	ASSERT_OK(set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, vm.mem));
	setitimer(ITIMER_REAL, &t, NULL);
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	setitimer(ITIMER_REAL, &off, NULL);
	close(f.fd);
	for (i = 0; i < 4; i++)
		drop_vcpu(&more[i]);
	drop_vcpu(&c);
	drop_vm(&vm);
}

static void nothing(int sig)
{
}

/*
 * Memory of a VM may be freed late: by RCU, and in batches that wait for seconds or for
 * a shortage, of which /proc/sys/vm/drop_caches is one. And slabs and CPUs keep some in
 * stock. So a measure is the least of some, and one batch of rounds that leaves less
 * than that each clears the others: a leak is in all of them.
 */
#define ROUNDS		32
#define BATCHES		4
#define LEAK_KIB	(2 * ROUNDS)	/* half a page each */

static void write_to(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	ASSERT_OK(fd);
	EXPECT_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void reclaim(void)
{
	write_to("/proc/sys/vm/drop_caches", "2");	/* shrinkers; no pages of files */
	write_to("/proc/sys/vm/stat_refresh", "1");	/* sum up what CPUs have counted */
}

static long kernel_memory(void)
{
	return meminfo("SUnreclaim") + meminfo("VmallocUsed") + meminfo("KernelStack") +
	       meminfo("Percpu");
}

/* In KiB; MemFree alone leaves out the hundreds of pages that each CPU has in stock. */
static long free_memory(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	char line[128];
	long n, pages = 0;

	ASSERT_TRUE(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " nr_free_pages %ld", &n) == 1 || sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	fclose(f);
	return pages * 4;
}

/* All that is neither free nor could be so. */
static long used_memory(void)
{
	return meminfo("MemTotal") - free_memory() - meminfo("Buffers") - meminfo("Cached") -
	       meminfo("SReclaimable");
}

/* The least of ten measures in a second, or of one if it is below @enough */
static long least(long (*measure)(void), long enough)
{
	long now, min = 0;
	int i;

	for (i = 0; i < 10 && (!i || min >= enough); i++) {
		reclaim();
		sleep_ms(100);
		now = measure();
		min = i && min < now ? min : now;
	}
	return min;
}

static void expect_no_growth(long (*measure)(void))
{
	struct sigaction sa = { .sa_handler = nothing };
	long before, grown = 0;
	int batch, i;

	ASSERT_OK(sigaction(SIGALRM, &sa, NULL));
	for (i = 0; i < 5; i++)
		one_round();
	if (kernel_is("kasan"))
		SKIP("KASAN keeps what is freed: there kmemleak looks for leaks");
	for (batch = 0; batch < BATCHES; batch++) {
		before = least(measure, 0);
		for (i = 0; i < ROUNDS; i++)
			one_round();
		grown = least(measure, before + LEAK_KIB) - before;
		abi_note("%ld KiB more after %d rounds", grown, ROUNDS);
		if (grown < LEAK_KIB)
			break;
	}
	EXPECT_LT(grown, LEAK_KIB);
}

TEST(rounds_leave_nothing)
{
	int refs = module_refs();

	expect_no_growth(kernel_memory);
	expect_refs(refs);
}

/* Pages that a VM had are free again: all of memory, and not only slabs. */
TEST(rounds_leave_pages)
{
	expect_no_growth(used_memory);
}

/* VMs that were never whole. */
TEST(half_made)
{
	int refs = module_refs(), i;

	for (i = 0; i < 20; i++) {
		make_vm(&vm, i & 1 ? VM_NO_MEM : VM_NO_MEM | VM_IRQCHIP);
		if (i & 2)
			ASSERT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
		drop_vm(&vm);
	}
	EXPECT_GE(count_refs(), refs + 10);	/* a vCPU each, which nobody has closed */
}

/* Many at once. */
TEST(many_vms)
{
	int refs = module_refs(), fd[40], i;

	for (i = 0; i < 40; i++) {
		fd[i] = ioctl(dev, KVM_CREATE_VM, 0);
		ASSERT_OK(fd[i]);
		ASSERT_OK(ioctl(fd[i], KVM_CREATE_IRQCHIP, 0));
	}
	EXPECT_GE(count_refs(), refs + 40);
	for (i = 0; i < 40; i++)
		close(fd[(i * 7) % 40]);
	expect_refs(refs);
}

TEST(many_vcpus)
{
	int i, fd;

	make_vm(&vm, VM_IRQCHIP);
	for (i = 0; i < 300; i++) {
		fd = ioctl(vm.fd, KVM_CREATE_VCPU, i);
		ASSERT_OK(fd);
		close(fd);
	}
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 299), EEXIST);
}

/* No fd is left for a VM: nothing is made, and nothing is lost. */
TEST(no_fds_left)
{
	struct rlimit limit = { 64, 64 };
	int refs, fd, last = 0;

	make_vm(&vm, VM_NO_MEM);
	refs = module_refs();
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	while ((fd = dup(0)) >= 0)
		last = fd;
	EXPECT_ERR(ioctl(dev, KVM_CREATE_VM, 0), EMFILE);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 0), EMFILE);
	close(last);			/* to read the count by */
	expect_refs(refs);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
}

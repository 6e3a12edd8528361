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

GUEST(16, spin, "1: incw 0x6000\njmp 1b\n");
GUEST(16, halt, "cli\n1: hlt\njmp 1b\n");

/* How many hold the module: files of VMs and vCPUs, and us. */
static int module_refs(void)
{
	FILE *f = fopen(abi_on_kvm() ? "/sys/module/kvm_amd/refcnt" : "/sys/module/keel/refcnt",
			"r");
	int n = -1;

	ASSERT_TRUE(f);
	EXPECT_EQ(fscanf(f, "%d", &n), 1);
	fclose(f);
	return n;
}

/* A killed process' files go a moment after waitpid(). */
static void expect_refs(int want)
{
	int i;

	for (i = 0; i < 200 && module_refs() != want; i++)
		sleep_ms(10);
	EXPECT_EQ(module_refs(), want);
}

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
	struct itimerval t = { .it_value.tv_usec = 3000 };
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
	close(f.fd);
	for (i = 0; i < 4; i++)
		drop_vcpu(&more[i]);
	drop_vcpu(&c);
	drop_vm(&vm);
}

static void nothing(int sig)
{
}

/* What is freed late (RCU, slabs of CPUs) needs a moment, and is not counted to the page. */
#define ROUNDS		20
#define LEAK_KIB	(4 * ROUNDS)	/* less than a page table or two each round */

static long kernel_memory(void)
{
	sleep_ms(300);
	return meminfo("Slab") + meminfo("VmallocUsed") + meminfo("KernelStack");
}

TEST(rounds_leave_nothing)
{
	struct sigaction sa = { .sa_handler = nothing };
	int refs = module_refs(), i;
	long before, after;

	ASSERT_OK(sigaction(SIGALRM, &sa, NULL));
	for (i = 0; i < 5; i++)
		one_round();
	before = kernel_memory();
	for (i = 0; i < ROUNDS; i++)
		one_round();
	after = kernel_memory();
	for (i = 0; i < 5 && after - before >= LEAK_KIB; i++)
		after = kernel_memory();
	abi_note("kernel memory grew by %ld KiB in %d rounds", after - before, ROUNDS);
	EXPECT_LT(after - before, LEAK_KIB);
	expect_refs(refs);
}

/* Pages that a VM had are free again: MemFree and not only slabs. */
TEST(rounds_leave_pages)
{
	struct sigaction sa = { .sa_handler = nothing };
	long before, after;
	int i;

	ASSERT_OK(sigaction(SIGALRM, &sa, NULL));
	for (i = 0; i < 5; i++)
		one_round();
	sleep_ms(300);
	before = meminfo("MemFree");
	for (i = 0; i < 2 * ROUNDS; i++)
		one_round();
	sleep_ms(300);
	after = meminfo("MemFree");
	abi_note("free memory fell by %ld KiB in %d rounds", before - after, 2 * ROUNDS);
	EXPECT_LT(before - after, 4096);
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
	EXPECT_GE(module_refs(), refs);
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
	EXPECT_GE(module_refs(), refs + 40);
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
	int refs = module_refs();

	make_vm(&vm, VM_NO_MEM);
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	while (dup(0) >= 0)
		;
	EXPECT_ERR(ioctl(dev, KVM_CREATE_VM, 0), EMFILE);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 0), EMFILE);
	close(0);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	EXPECT_GE(module_refs(), refs + 2);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * life.c - VMs and vCPUs made and closed, with few and with many others alive
 */
#include <sys/resource.h>
#include "bench.h"

#define TIMES	33

static uint64_t least = ~0UL, started;

static void begin(void)
{
	window_start();
	started = work_tsc();
}

static void end(void)
{
	uint64_t t = work_tsc() - started;

	window_end();
	if (t < least)
		least = t;
}

static void result(const char *name)
{
	bench_result(name, least);
	least = ~0UL;
}

static void have_vms(int n)
{
	struct rlimit files = { .rlim_cur = 4096, .rlim_max = 4096 };

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &files));
	while (n--)
		ASSERT_OK(ioctl(dev, KVM_CREATE_VM, 0));
}

static void bench_create(const char *name)
{
	int fd, i;

	for (i = 0; i < TIMES; i++) {
		begin();
		fd = bare_ioctl(dev, KVM_CREATE_VM, NULL);
		end();
		ASSERT_OK(fd);
		syscall(SYS_close, fd);
	}
	result(name);
}

static void bench_close(const char *name)
{
	int fd, i;

	for (i = 0; i < TIMES; i++) {
		fd = bare_ioctl(dev, KVM_CREATE_VM, NULL);
		ASSERT_OK(fd);
		begin();
		syscall(SYS_close, fd);
		end();
	}
	result(name);
}

static void among(int vms, const char *create_name, const char *close_name)
{
	idle_start();
	have_vms(vms);
	if (create_name)
		bench_create(create_name);
	if (close_name)
		bench_close(close_name);
	idle_stop();
}

TEST(create_vm)
{
	among(1, "create-vm", NULL);
}

TEST(close_vm)
{
	among(1, NULL, "close-vm");
}

TEST(with_100_vms)
{
	among(100, "create-vm-100", "close-vm-100");
}

TEST(with_1000_vms)
{
	if (!bench_full())
		SKIP("takes long");
	among(1000, "create-vm-1000", "close-vm-1000");
}

TEST(create_vcpu)
{
	struct vm vm;
	int fd;
	long i;

	make_vm(&vm, VM_IRQCHIP);
	idle_start();
	for (i = 0; i < TIMES; i++) {
		begin();
		fd = bare_ioctl(vm.fd, KVM_CREATE_VCPU, (void *)i);
		end();
		ASSERT_OK(fd);
	}
	result("create-vcpu");
	idle_stop();
}

/* ---- what no design can avoid: a file, its descriptor, an ioctl ---- */

static void no_ioctl(void)
{
	bare_ioctl(dev, 0, NULL);
}

TEST(ioctl_nothing)
{
	bench_calls("ioctl-nothing", no_ioctl);
}

TEST(make_fd)
{
	int i, fd[TIMES];

	for (i = 0; i < TIMES; i++) {
		begin();
		fd[i] = syscall(SYS_eventfd2, 0, 0);
		end();
	}
	result("make-fd");
	for (i = 0; i < TIMES; i++) {
		begin();
		syscall(SYS_close, fd[i]);
		end();
	}
	result("close-fd");
}

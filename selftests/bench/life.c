// SPDX-License-Identifier: GPL-2.0
/*
 * life.c - VMs and vCPUs made and closed, with few and with many others alive
 */
#include <sys/resource.h>
#include "bench.h"

#define TIMES	9

static uint64_t started;

static void begin(void)
{
	window_start();
	started = work_tsc();
}

static void end(uint64_t *least)
{
	uint64_t t = work_tsc() - started;

	window_end();
	if (t < *least)
		*least = t;
}

static void have_vms(int n)
{
	struct rlimit files = { .rlim_cur = 4096, .rlim_max = 4096 };

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &files));
	while (n--)
		ASSERT_OK(ioctl(dev, KVM_CREATE_VM, 0));
}

static void bench_vm(const char *make_name, const char *close_name, int alive)
{
	uint64_t make = ~0UL, close = ~0UL;
	int fd, i;

	idle_start();
	have_vms(alive);
	for (i = 0; i < TIMES; i++) {
		begin();
		fd = bare_ioctl(dev, KVM_CREATE_VM, NULL);
		end(&make);
		ASSERT_OK(fd);
		syscall(SYS_close, fd);
	}
	if (make_name)
		bench_result(make_name, make);
	for (i = 0; close_name && i < TIMES; i++) {
		fd = bare_ioctl(dev, KVM_CREATE_VM, NULL);
		ASSERT_OK(fd);
		begin();
		syscall(SYS_close, fd);
		end(&close);
	}
	if (close_name)
		bench_result(close_name, close);
	idle_stop();
}

TEST(create_vm)
{
	bench_vm("create-vm", NULL, 1);
}

TEST(close_vm)
{
	bench_vm(NULL, "close-vm", 1);
}

TEST(with_100_vms)
{
	bench_vm("create-vm-100", "close-vm-100", 100);
}

TEST(with_1000_vms)
{
	if (!bench_full())
		SKIP("takes long");
	bench_vm("create-vm-1000", "close-vm-1000", 1000);
}

TEST(create_vcpu)
{
	uint64_t make = ~0UL;
	struct vm vm;
	int fd;
	long i;

	make_vm(&vm, VM_IRQCHIP);
	idle_start();
	for (i = 0; i < TIMES; i++) {
		begin();
		fd = bare_ioctl(vm.fd, KVM_CREATE_VCPU, (void *)i);
		end(&make);
		ASSERT_OK(fd);
	}
	bench_result("create-vcpu", make);
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
	uint64_t make = ~0UL, close = ~0UL;
	int i, fd;

	idle_start();
	for (i = 0; i < TIMES; i++) {
		begin();
		fd = syscall(SYS_eventfd2, 0, 0);
		end(&make);
		begin();
		syscall(SYS_close, fd);
		end(&close);
	}
	bench_result("make-fd", make);
	bench_result("close-fd", close);
	idle_stop();
}

// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls.c - what a VMM does beside KVM_RUN
 */
#include "bench.h"

static struct vm vm;
static struct vcpu c;
static struct kvm_regs regs;
static struct kvm_sregs sregs;

#define IOCTL_BENCH(id, name, fd, request, arg)				\
	static void do_##id(void)					\
	{								\
		bare_ioctl(fd, request, arg);				\
	}								\
	TEST(id)							\
	{								\
		make_vm(&vm, VM_IRQCHIP);				\
		make_vcpu(&c, &vm, 0);					\
		set_all_cpuid(&c);					\
		start_long(&c, CODE);					\
		regs = get_regs(&c);					\
		sregs = get_sregs(&c);					\
		ASSERT_EQ(bare_ioctl(fd, request, arg), 0);		\
		bench_calls(name, do_##id);				\
	}

IOCTL_BENCH(get_regs, "get-regs", c.fd, KVM_GET_REGS, &regs);
IOCTL_BENCH(set_regs, "set-regs", c.fd, KVM_SET_REGS, &regs);
IOCTL_BENCH(get_sregs, "get-sregs", c.fd, KVM_GET_SREGS, &sregs);
IOCTL_BENCH(set_sregs, "set-sregs", c.fd, KVM_SET_SREGS, &sregs);

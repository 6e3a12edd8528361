// SPDX-License-Identifier: GPL-2.0
/*
 * vcpu.c - vCPUs' ids and fds, their mmap, who may use them and for how long
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include "abi.h"

static struct vm vm;
static struct vcpu c;

GUEST(16, hello,
	"1: " GUEST_OUT
	"jmp 1b\n");

/* ---- ids ---- */

TEST(ids)
{
	int max = cap(KVM_CAP_MAX_VCPU_ID);

	make_vm(&vm, 0);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, max), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, -1), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1UL << 31), EINVAL);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, max - 1));
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, max - 1), EEXIST);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 3));
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 3), EEXIST);
}

/* An id stays taken when the fd is closed. */
TEST(id_outlives_fd)
{
	int fd;

	make_vm(&vm, 0);
	fd = ioctl(vm.fd, KVM_CREATE_VCPU, 5);
	ASSERT_OK(fd);
	close(fd);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 5), EEXIST);
}

TEST(max_vcpu_id_cap)
{
	make_vm(&vm, 0);
	if (!cap(KVM_CAP_MAX_VCPU_ID))
		SKIP("no KVM_CAP_MAX_VCPU_ID");
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_MAX_VCPU_ID, cap(KVM_CAP_MAX_VCPU_ID) + 1), EINVAL);
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_MAX_VCPU_ID, 4));
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_MAX_VCPU_ID, 4));
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_MAX_VCPU_ID, 5), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 4), EINVAL);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 3));
}

TEST(max_vcpu_id_too_late)
{
	make_vm(&vm, 0);
	ASSERT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_MAX_VCPU_ID, 4), EINVAL);
}

TEST(boot_cpu_id)
{
	struct vcpu a, b;
	uint64_t base;

	make_vm(&vm, VM_IRQCHIP);
	ASSERT_OK(ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 1));
	make_vcpu(&a, &vm, 0);
	make_vcpu(&b, &vm, 1);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 0), EBUSY);
	ASSERT_EQ(get_msr(&a, 0x1b, &base), 1);
	EXPECT_EQ(base & 0x100, 0);
	ASSERT_EQ(get_msr(&b, 0x1b, &base), 1);
	EXPECT_EQ(base & 0x100, 0x100);
}

/* ---- the fd ---- */

TEST(vcpu_fd)
{
	char link[64] = "", path[64];
	struct pollfd p;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 7);
	EXPECT_EQ(fcntl(c.fd, F_GETFD), FD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", c.fd);
	EXPECT_GT(readlink(path, link, sizeof(link) - 1), 0);
	EXPECT_EQ(strcmp(link, "anon_inode:kvm-vcpu:7"), 0);
	EXPECT_ERR(read(c.fd, link, 1), EINVAL);
	EXPECT_ERR(write(c.fd, link, 1), EINVAL);
	p = (struct pollfd){ .fd = c.fd, .events = POLLIN };
	EXPECT_GE(poll(&p, 1, 0), 0);
}

TEST(unknown_vm_ioctls)
{
	char buf[4096] = "";

	make_vm(&vm, 0);
	EXPECT_ERR(ioctl(vm.fd, _IO(KVMIO, 0xfe), 0), ENOTTY);
	EXPECT_ERR(ioctl(vm.fd, _IOW(KVMIO, 0x41, int), buf), ENOTTY);
	EXPECT_ERR(ioctl(vm.fd, _IOW(KVMIO, 0x46, struct kvm_regs), buf), ENOTTY);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_API_VERSION, 0), ENOTTY);
	EXPECT_ERR(ioctl(vm.fd, KVM_RUN, 0), ENOTTY);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_SREGS, buf), ENOTTY);
	EXPECT_ERR(ioctl(vm.fd, 0, buf), ENOTTY);
}

TEST(unknown_vcpu_ioctls)
{
	char buf[4096] = "";

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	EXPECT_ERR(ioctl(c.fd, _IO(KVMIO, 0xfe), 0), EINVAL);
	EXPECT_ERR(ioctl(c.fd, _IO('x', 0x80), 0), EINVAL);
	EXPECT_ERR(ioctl(c.fd, _IOR(KVMIO, 0x81, int), buf), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_CREATE_VCPU, 0), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_GET_API_VERSION, 0), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_USER_MEMORY_REGION, buf), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_RUN, 1), EINVAL);
	EXPECT_ERR(ioctl(c.fd, _IOW(KVMIO, 0x80, long), buf), EINVAL);
}

/* Every ioctl that takes or gives a structure, without memory behind its pointer. */
TEST(bad_pointers)
{
	static const unsigned long vm_cmds[] = {
		KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_IRQFD, KVM_IOEVENTFD,
		KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO,
		KVM_SET_GSI_ROUTING, KVM_SIGNAL_MSI, KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS,
		KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, KVM_CREATE_PIT2,
		KVM_GET_PIT, KVM_SET_PIT, KVM_GET_PIT2, KVM_SET_PIT2, KVM_REINJECT_CONTROL,
		KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_ENABLE_CAP,
	};
	static const unsigned long vcpu_cmds[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_TRANSLATE,
		KVM_GET_FPU, KVM_SET_FPU, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS,
		KVM_SET_XCRS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_SET_GUEST_DEBUG,
		KVM_SET_CPUID, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_MSRS, KVM_SET_MSRS,
		KVM_X86_SETUP_MCE, KVM_GET_LAPIC, KVM_SET_LAPIC, KVM_TPR_ACCESS_REPORTING,
		KVM_SET_VAPIC_ADDR, KVM_INTERRUPT, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS,
		KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_SET_SIGNAL_MASK,
	};
	unsigned int i;

	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	for (i = 0; i < ARRAY_SIZE(vm_cmds); i++) {
		if (vm_cmds[i] == KVM_CREATE_PIT2)
			EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_PIT2, BAD_PTR), EFAULT);
		if (vm_cmds[i] == KVM_GET_PIT)
			ASSERT_OK(ioctl(vm.fd, KVM_CREATE_PIT, 0));
		errno = 0;
		if (ioctl(vm.fd, vm_cmds[i], BAD_PTR) != -1 || errno != EFAULT)
			abi_note("VM ioctl %u of the list, number %#x", i,
				 (unsigned int)_IOC_NR(vm_cmds[i]));
		EXPECT_EQ(errno, EFAULT);
	}
	for (i = 0; i < ARRAY_SIZE(vcpu_cmds); i++) {
		errno = 0;
		if (ioctl(c.fd, vcpu_cmds[i], BAD_PTR) != -1 || errno != EFAULT)
			abi_note("vCPU ioctl %u of the list, number %#x", i,
				 (unsigned int)_IOC_NR(vcpu_cmds[i]));
		EXPECT_EQ(errno, EFAULT);
	}
}

/* ---- mmap ---- */

TEST(mmap_layout)
{
	volatile uint8_t *p, *pio;

	make_guest(&vm, &c, 0, hello, hello_end);
	p = (void *)c.run;
	EXPECT_EQ(c.run->immediate_exit, 0);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(c.run->io.data_offset, PAGE);
	/* Each page alone, and twice at the same time. */
	pio = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, PAGE);
	ASSERT_NE((long)pio, -1L);
	p[PAGE] = 0x99;
	EXPECT_EQ(pio[0], 0x99);
	p[2 * PAGE] = p[2 * PAGE];
}

TEST(mmap_twice)
{
	struct kvm_run *other;

	make_guest(&vm, &c, 0, hello, hello_end);
	other = map_run(c.fd);
	c.run->immediate_exit = 1;
	EXPECT_EQ(other->immediate_exit, 1);
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	other->immediate_exit = 0;
	run_to_out(&c, DONE_PORT);
}

static void touch(const void *where)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		*(volatile uint8_t *)where;
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGBUS);
}

TEST(mmap_beyond)
{
	uint8_t *p;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
	ASSERT_NE((long)p, -1L);
	p[0] = p[0];
	p[PAGE] = 1;
	touch(p + 3 * PAGE);
	touch(p + 7 * PAGE);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, c.fd, 1L << 40);
	if ((long)p != -1L)
		touch(p);
}

/* The pages live on when the fds are gone. */
TEST(mmap_outlives_fds)
{
	make_guest(&vm, &c, 0, hello, hello_end);
	run_to_out(&c, DONE_PORT);
	close(c.fd);
	close(vm.fd);
	close(dev);
	EXPECT_EQ(c.run->io.port, DONE_PORT);
	memset(c.run, 0, 3 * PAGE);
	EXPECT_EQ(c.run->exit_reason, 0);
}

/* ---- after the VM's fd ---- */

TEST(vcpu_outlives_vm_fd)
{
	make_guest(&vm, &c, VM_IRQCHIP, hello, hello_end);
	close(vm.fd);
	close(dev);
	run_to_out(&c, DONE_PORT);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rip & ~0xfUL, CODE);
	close(c.fd);
}

TEST(other_vcpus_outlive_one_fd)
{
	struct vcpu b;

	make_guest(&vm, &c, 0, hello, hello_end);
	make_vcpu(&b, &vm, 1);
	start_at(&b, CODE);
	drop_vcpu(&b);
	run_to_out(&c, DONE_PORT);
}

TEST(closed_fds)
{
	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	close(c.fd);
	EXPECT_ERR(ioctl(c.fd, KVM_RUN, 0), EBADF);
	close(vm.fd);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1), EBADF);
}

/* ---- another process ---- */

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

static void use_foreign(void)
{
	char buf[4096] = "";

	EXPECT_ERR(ioctl(c.fd, KVM_RUN, 0), EIO);
	EXPECT_ERR(ioctl(c.fd, KVM_GET_REGS, buf), EIO);
	EXPECT_ERR(ioctl(c.fd, KVM_NMI, 0), EIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1), EIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP), EIO);
	EXPECT_ERR(set_slot(&vm, 1, 0, 1 << 30, PAGE, buf), EIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), EIO);
	EXPECT_OK(ioctl(dev, KVM_GET_API_VERSION, 0));
	EXPECT_OK(ioctl(dev, KVM_CREATE_VM, 0));
}

TEST(other_process)
{
	make_guest(&vm, &c, 0, hello, hello_end);
	in_child(use_foreign);
	run_to_out(&c, DONE_PORT);
}

static void drop_foreign(void)
{
	close(c.fd);
	close(vm.fd);
	munmap(c.run, 3 * PAGE);
}

/* Its references are as good as ours, though: the last one may be there. */
TEST(other_process_closes)
{
	make_guest(&vm, &c, 0, hello, hello_end);
	in_child(drop_foreign);
	run_to_out(&c, DONE_PORT);
}

TEST(other_process_closes_last)
{
	int gate[2], status;
	char byte;
	pid_t pid;

	ASSERT_OK(pipe(gate));
	make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, hello, hello_end);
	run_to_out(&c, DONE_PORT);
	pid = fork();
	if (!pid) {
		close(gate[1]);
		read(gate[0], &byte, 1);
		EXPECT_ERR(ioctl(c.fd, KVM_RUN, 0), EIO);
		drop_foreign();
		_exit(0);
	}
	close(gate[0]);
	drop_vcpu(&c);
	drop_vm(&vm);
	close(gate[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* Of the creator's mm nothing is left but what we hold. */
TEST(creator_is_gone)
{
	int pair[2], status;
	char byte;
	pid_t pid;

	ASSERT_OK(pipe(pair));
	pid = fork();
	if (!pid) {
		pid_t grandchild;

		make_guest(&vm, &c, VM_IRQCHIP, hello, hello_end);
		run_to_out(&c, DONE_PORT);
		grandchild = fork();
		if (grandchild)
			_exit(0);
		close(pair[0]);
		sleep_ms(100);
		EXPECT_ERR(ioctl(c.fd, KVM_RUN, 0), EIO);
		EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1), EIO);
		close(c.fd);
		close(vm.fd);
		_exit(write(pair[1], "x", 1) != 1);
	}
	close(pair[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(read(pair[0], &byte, 1), 1);
}

/* ---- numbers that are only kept ---- */

TEST(tss_addr)
{
	make_vm(&vm, VM_NO_MEM);
	EXPECT_OK(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	EXPECT_OK(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xffffd000UL));
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xffffe000UL), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_TSS_ADDR, 1UL << 32), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_TSS_ADDR, ~0UL), EINVAL);
}

TEST(identity_map_addr)
{
	uint64_t addr = 0xfffbc000;

	make_vm(&vm, VM_NO_MEM);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, BAD_PTR), EFAULT);
	EXPECT_OK(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	addr = 0;
	EXPECT_OK(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	make_vcpu(&c, &vm, 0);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr), EINVAL);
}

TEST(nr_mmu_pages)
{
	make_vm(&vm, VM_NO_MEM);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 63), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 0), EINVAL);
	EXPECT_OK(ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 64));
	EXPECT_EQ(ioctl(vm.fd, KVM_GET_NR_MMU_PAGES, 0), 64);
	EXPECT_OK(ioctl(vm.fd, KVM_SET_NR_MMU_PAGES, 5000));
	EXPECT_EQ(ioctl(vm.fd, KVM_GET_NR_MMU_PAGES, 0), 5000);
}

TEST(enable_cap_errors)
{
	struct kvm_enable_cap e = { .cap = KVM_CAP_X2APIC_API };

	make_vm(&vm, VM_NO_MEM);
	EXPECT_OK(ioctl(vm.fd, KVM_ENABLE_CAP, &e));
	e.flags = 1;
	EXPECT_ERR(ioctl(vm.fd, KVM_ENABLE_CAP, &e), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_X2APIC_API, 4), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_X2APIC_API, 1UL << 32), EINVAL);
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_X2APIC_API, 3));
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_IRQCHIP, 0), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, 100000, 0), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, ~0U, 0), EINVAL);
}

/* ---- the TSC's frequency and the clock ---- */

TEST(tsc_khz)
{
	int khz;

	make_vm(&vm, VM_NO_MEM);
	make_vcpu(&c, &vm, 0);
	khz = ioctl(c.fd, KVM_GET_TSC_KHZ, 0);
	ASSERT_TRUE(khz > 1000);
	EXPECT_OK(ioctl(c.fd, KVM_SET_TSC_KHZ, khz));
	EXPECT_OK(ioctl(c.fd, KVM_SET_TSC_KHZ, 0));
	EXPECT_EQ(ioctl(c.fd, KVM_GET_TSC_KHZ, 0), khz);
	if (!cap(KVM_CAP_TSC_CONTROL)) {
		EXPECT_ERR(ioctl(c.fd, KVM_SET_TSC_KHZ, khz / 2), EINVAL);
		if (!abi_on_kvm())	/* which shows what it has refused */
			EXPECT_EQ(ioctl(c.fd, KVM_GET_TSC_KHZ, 0), khz);
	}
}

TEST(tsc_khz_too_high)
{
	int khz;

	DIFFERS("without TSC scaling kvm lets a faster TSC lag and catch up at exits");
	if (cap(KVM_CAP_TSC_CONTROL))
		SKIP("this host scales TSCs");
	make_vm(&vm, VM_NO_MEM);
	make_vcpu(&c, &vm, 0);
	khz = ioctl(c.fd, KVM_GET_TSC_KHZ, 0);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_TSC_KHZ, 2 * khz), EINVAL);
	EXPECT_EQ(ioctl(c.fd, KVM_GET_TSC_KHZ, 0), khz);
}

TEST(vm_tsc_khz)
{
	int khz;

	if (!cap(KVM_CAP_VM_TSC_CONTROL))
		SKIP("no TSC scaling");
	make_vm(&vm, VM_NO_MEM);
	khz = ioctl(vm.fd, KVM_GET_TSC_KHZ, 0);
	ASSERT_TRUE(khz > 1000);
	EXPECT_OK(ioctl(vm.fd, KVM_SET_TSC_KHZ, khz));
	make_vcpu(&c, &vm, 0);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_TSC_KHZ, khz), EINVAL);
	EXPECT_EQ(ioctl(c.fd, KVM_GET_TSC_KHZ, 0), khz);
}

TEST(clock)
{
	struct kvm_clock_data a, b;

	memset(&a, 0xff, sizeof(a));
	make_vm(&vm, VM_NO_MEM);
	make_vcpu(&c, &vm, 0);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_CLOCK, &a));
	EXPECT_EQ(a.flags & ~0xeU, 0);
	EXPECT_EQ(a.pad0 | a.pad[0] | a.pad[3], 0);
	sleep_ms(20);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_CLOCK, &b));
	EXPECT_GE(b.clock - a.clock, 20000000);
	EXPECT_LT(b.clock - a.clock, 5000000000);
	b = (struct kvm_clock_data){ .clock = 1000000000000000 };
	ASSERT_OK(ioctl(vm.fd, KVM_SET_CLOCK, &b));
	ASSERT_OK(ioctl(vm.fd, KVM_GET_CLOCK, &a));
	EXPECT_GE(a.clock, b.clock);
	EXPECT_LT(a.clock - b.clock, 1000000000);
}

TEST(clock_flags)
{
	struct kvm_clock_data a = { .clock = 1, .flags = 1 };

	make_vm(&vm, VM_NO_MEM);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_CLOCK, &a), EINVAL);
	a.flags = 0x10;
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_CLOCK, &a), EINVAL);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_CLOCK, &a));
	EXPECT_OK(ioctl(vm.fd, KVM_SET_CLOCK, &a));
}

TEST(kvmclock_ctrl_without_clock)
{
	make_vm(&vm, VM_NO_MEM);
	make_vcpu(&c, &vm, 0);
	EXPECT_ERR(ioctl(c.fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
}

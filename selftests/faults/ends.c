// SPDX-License-Identifier: GPL-2.0
/*
 * ends.c - VMMs that are killed at any point, fds in other hands, the module that is wanted
 */
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "faults.h"

static struct vm vm;
static struct vcpu c;

/* ---- SIGKILL ---- */

#define VCPUS	3

/* All that a VMM does, over and over: death may find it anywhere. */
static void live(void)
{
	struct vcpu more[VCPUS];
	struct runner r[VCPUS] = { };
	struct kvm_irqfd f = { .gsi = 4, .fd = eventfd(0, 0) };
	struct kvm_ioeventfd e = { .addr = HOLE, .fd = f.fd };
	uint64_t one = 1;
	int i;

	make_vm(&vm, VM_IRQCHIP | VM_PIT);
	guest_code(&vm, CODE, count_pages, count_pages_end);
	for (i = 0; i < VCPUS; i++) {
		make_vcpu(&more[i], &vm, i);
		start_at(&more[i], CODE);
	}
	set_all_cpuid(&more[0]);
	start_vcpu(&r[0], &more[0]);
	start_vcpu(&r[1], &more[1]);
	ASSERT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
	ASSERT_OK(ioctl(vm.fd, KVM_IOEVENTFD, &e));
	ASSERT_OK(set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, vm.mem));
	ASSERT_EQ(write(f.fd, &one, 8), 8);
	madvise(vm.mem + DATA, PAGES_SIZE, MADV_DONTNEED);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, 0, NULL));
	ASSERT_OK(set_slot(&vm, 0, 0, 0, MEM_SIZE, vm.mem));
	stop_vcpus(r, 2);
	for (i = 0; i < VCPUS; i++)
		drop_vcpu(&more[i]);
	drop_vm(&vm);
	close(f.fd);
}

static pid_t vmm(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* What it notes of its own last moments is of no interest. */
		if (freopen("/dev/null", "w", stdout))
			for (;;)
				live();
		_exit(1);
	}
	return pid;
}

TEST(sigkill_at_any_point)
{
	unsigned int n = times(40, 8, 1000), i;
	int refs = module_refs(), status;
	pid_t pid;

	for (i = 0; i < n; i++) {
		pid = vmm();
		ASSERT_OK(pid);
		usleep(rnd(i & 1 ? 20000 : 200000));
		ASSERT_OK(kill(pid, SIGKILL));
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			abi_note("VMM %u: status %#x", i, status);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	abi_note("%u VMMs killed", n);
	expect_refs(refs);
}

/* Several at once, each killed while the others go on. */
TEST(sigkill_among_others)
{
	unsigned int n = times(10, 2, 200), i;
	int refs = module_refs(), status;
	pid_t pid[3];

	for (i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = vmm();
	for (i = 0; i < n; i++) {
		unsigned int which = rnd(ARRAY_SIZE(pid));

		usleep(rnd(100000));
		kill(pid[which], SIGKILL);
		ASSERT_EQ(waitpid(pid[which], &status, 0), pid[which]);
		EXPECT_TRUE(WIFSIGNALED(status));
		pid[which] = vmm();
	}
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
	}
	expect_refs(refs);
}

/* ---- other hands ---- */

static void send_fd(int via, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = "";
	struct iovec io = { .iov_base = "x", .iov_len = 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	ASSERT_EQ(sendmsg(via, &m, 0), 1);
}

static int receive_fd(int via)
{
	char room[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec io = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd;

	ASSERT_EQ(recvmsg(via, &m, 0), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

/* Whoever has another mm may keep the fds, and no more. */
static void use_as_stranger(int vm_fd, int vcpu_fd)
{
	struct kvm_regs r;
	int stats;

	EXPECT_ERR(ioctl(vm_fd, KVM_CREATE_VCPU, 7), EIO);
	EXPECT_ERR(ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0), EIO);
	EXPECT_ERR(ioctl(vcpu_fd, KVM_GET_REGS, &r), EIO);
	EXPECT_ERR(ioctl(vcpu_fd, KVM_RUN, 0), EIO);
	if (abi_on_kvm())
		return;
	stats = ioctl(vm_fd, KVM_GET_STATS_FD, 0);	/* anyone's to read */
	EXPECT_OK(stats);
	close(stats);
}

/* A VMM that ends as soon as its fds are on their way. */
static void give_away(int via)
{
	make_guest(&vm, &c, VM_IRQCHIP, count_pages, count_pages_end);
	send_fd(via, vm.fd);
	send_fd(via, c.fd);
	_exit(0);
}

TEST(fds_by_socket)
{
	int refs = module_refs(), via[2], vm_fd, vcpu_fd, status;
	pid_t pid;

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, via));
	pid = fork();
	if (!pid)
		give_away(via[1]);
	vm_fd = receive_fd(via[0]);
	vcpu_fd = receive_fd(via[0]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	use_as_stranger(vm_fd, vcpu_fd);
	EXPECT_GT(count_refs(), refs);
	close(vm_fd);
	EXPECT_ERR(ioctl(vcpu_fd, KVM_RUN, 0), EIO);
	close(vcpu_fd);
	expect_refs(refs);
}

/* Fds on their way when both ends of the way are closed. */
TEST(fds_never_received)
{
	int refs = module_refs(), via[2], status;
	pid_t pid;

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, via));
	pid = fork();
	if (!pid)
		give_away(via[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	close(via[0]);
	close(via[1]);
	expect_refs(refs);
}

TEST(dup_keeps)
{
	struct kvm_regs r;
	int refs, vm_fd, vcpu_fd;

	refs = module_refs();
	make_guest(&vm, &c, VM_IRQCHIP, count_pages, count_pages_end);
	vm_fd = dup(vm.fd);
	vcpu_fd = dup(c.fd);
	drop_vcpu(&c);
	close(vm.fd);
	EXPECT_OK(ioctl(vm_fd, KVM_CREATE_VCPU, 9));
	EXPECT_OK(ioctl(vcpu_fd, KVM_GET_REGS, &r));
	EXPECT_EQ(r.rip, CODE);
	close(vm_fd);
	EXPECT_OK(ioctl(vcpu_fd, KVM_GET_REGS, &r));
	close(vcpu_fd);
	EXPECT_GT(count_refs(), refs);	/* vCPU 9's fd is open */
}

/* ---- fork and exec ---- */

TEST(fork_under_run)
{
	struct runner r = { };
	unsigned int i;
	int status;
	pid_t pid;

	make_guest(&vm, &c, VM_IRQCHIP, count_pages, count_pages_end);
	start_vcpu(&r, &c);
	for (i = 0; i < times(10, 4, 100); i++) {
		pid = fork();
		if (!pid) {
			use_as_stranger(vm.fd, c.fd);
			usleep(rnd(2000));
			abi_end();
		}
		wait_for_runs(&r, 1, 1);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
	}
	stop_vcpus(&r, 1);
	EXPECT_EQ(r.wrong, 0);
	expect_counted(vm.mem + DATA);
	EXPECT_NE(*(uint16_t *)(vm.mem + DATA), 0);
}

/* The VMM dies, and its child, who was there when it ran, has the last fds. */
TEST(child_outlives_vmm)
{
	int refs = module_refs(), status, go[2];
	struct runner r = { };
	char byte;
	pid_t pid;

	ASSERT_OK(pipe(go));
	pid = fork();
	if (!pid) {
		make_guest(&vm, &c, VM_IRQCHIP, count_pages, count_pages_end);
		start_vcpu(&r, &c);
		wait_for_runs(&r, 1, 1);
		if (!fork()) {
			pid = getppid();
			EXPECT_EQ(write(go[1], "x", 1), 1);
			while (getppid() == pid)
				usleep(1000);
			use_as_stranger(vm.fd, c.fd);
			abi_end();
		}
		pause();
	}
	ASSERT_EQ(read(go[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	expect_refs(refs);
}

/* By exec() the process has another mm, and the fds if they are not close-on-exec. */
TEST(exec_keeps_fds)
{
	int refs = module_refs(), status;
	pid_t pid = fork();

	if (!pid) {
		make_guest(&vm, &c, VM_IRQCHIP, count_pages, count_pages_end);
		ASSERT_OK(fcntl(vm.fd, F_SETFD, 0));
		ASSERT_OK(fcntl(c.fd, F_SETFD, 0));
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	expect_refs(refs);
}

/* ---- the module ---- */

static void expect_in_use(void)
{
	EXPECT_ERR(syscall(SYS_delete_module, "keel", O_NONBLOCK), EWOULDBLOCK);
	EXPECT_ERR(syscall(SYS_delete_module, "keel", 0), EWOULDBLOCK);
}

/* Each file and each mapping keeps it, by itself. */
TEST(module_stays)
{
	struct runner r = { };
	void *run;
	int stats;

	DIFFERS("the module's name");
	make_guest(&vm, &c, VM_IRQCHIP, count_pages, count_pages_end);
	close(dev);
	expect_in_use();
	start_vcpu(&r, &c);
	wait_for_runs(&r, 1, 1);
	expect_in_use();
	stop_vcpus(&r, 1);
	EXPECT_EQ(r.wrong, 0);

	stats = ioctl(vm.fd, KVM_GET_STATS_FD, 0);
	EXPECT_OK(stats);
	run = c.run;
	close(vm.fd);
	close(stats);
	expect_in_use();
	close(c.fd);
	expect_in_use();
	EXPECT_NE(((struct kvm_run *)run)->exit_reason, ~0U);
	munmap(run, 3 * PAGE);
}

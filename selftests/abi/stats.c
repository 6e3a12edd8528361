// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - what can be seen of a VM from outside: KVM_GET_STATS_FD, tracepoints
 */
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "abi.h"
#include "../../uapi/linux/keel.h"

#define OUTS	7

static struct vm vm;
static struct vcpu c;

GUEST(16, some_outs, "1: " GUEST_STEP "jmp 1b\n");
/* 64-bit: a word to where no memory is. */
GUEST(64, to_hole, "mov $0xd0000040, %edi\nmovw $0x1234, (%rdi)\n" GUEST_OUT "hlt\n");

/* ---- the stats fd ---- */

struct stats {
	struct kvm_stats_header head;
	char *all;		/* the whole file */
	size_t size;
};

static void read_stats(int fd, struct stats *s)
{
	char *buf = calloc(1, 1 << 16);
	ssize_t n = pread(fd, buf, 1 << 16, 0);

	ASSERT_TRUE(n > (ssize_t)sizeof(s->head) && n < 1 << 16);
	memcpy(&s->head, buf, sizeof(s->head));
	s->all = buf;
	s->size = n;
}

static const struct kvm_stats_desc *stats_desc(const struct stats *s, unsigned int i)
{
	return (void *)(s->all + s->head.desc_offset +
			i * (sizeof(struct kvm_stats_desc) + s->head.name_size));
}

static uint64_t stats_value(const struct stats *s, const char *name)
{
	const struct kvm_stats_desc *d;
	unsigned int i;
	uint64_t v;

	for (i = 0; i < s->head.num_desc; i++) {
		d = stats_desc(s, i);
		if (!strcmp(d->name, name)) {
			memcpy(&v, s->all + s->head.data_offset + d->offset, sizeof(v));
			return v;
		}
	}
	abi_note("no counter %s", name);
	ASSERT_TRUE(false);
	return 0;
}

static void check_layout(const struct stats *s)
{
	size_t desc = sizeof(struct kvm_stats_desc) + s->head.name_size, data = 0;
	const struct kvm_stats_desc *d;
	unsigned int i;

	EXPECT_EQ(s->head.flags, 0);
	EXPECT_GT(s->head.num_desc, 0);
	EXPECT_EQ(strncmp(s->all + s->head.id_offset, "kvm-", 4), 0);
	EXPECT_LE(s->head.desc_offset + s->head.num_desc * desc, s->head.data_offset);
	for (i = 0; i < s->head.num_desc; i++) {
		d = stats_desc(s, i);
		EXPECT_GT(strnlen(d->name, s->head.name_size), 0);
		EXPECT_LT(strnlen(d->name, s->head.name_size), s->head.name_size);
		EXPECT_LE(s->head.data_offset + d->offset + d->size * sizeof(uint64_t), s->size);
		data += d->size * sizeof(uint64_t);
	}
	EXPECT_EQ(s->size, s->head.data_offset + data);
}

TEST(stats_fd_layout)
{
	struct stats s;
	int fd;

	ASSERT_EQ(cap(KVM_CAP_BINARY_STATS_FD), 1);
	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	ASSERT_OK(fd = ioctl(vm.fd, KVM_GET_STATS_FD, NULL));
	read_stats(fd, &s);
	check_layout(&s);
	close(fd);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	read_stats(fd, &s);
	check_layout(&s);
	EXPECT_ERR(write(fd, &s, 8), EBADF);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

/* In pieces of any size it is the same file, and it ends. */
TEST(stats_fd_in_pieces)
{
	char piece[37];
	struct stats s;
	size_t at = 0;
	ssize_t n;
	int fd;

	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	read_stats(fd, &s);
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		ASSERT_TRUE(at + n <= s.size);
		EXPECT_EQ(memcmp(piece, s.all + at, n), 0);
		at += n;
	}
	EXPECT_EQ(n, 0);
	EXPECT_EQ(at, s.size);
	EXPECT_EQ(pread(fd, piece, sizeof(piece), s.size), 0);
	EXPECT_EQ(pread(fd, piece, sizeof(piece), s.size - 1), 1);
	EXPECT_ERR(syscall(SYS_pread64, fd, BAD_PTR, 8, 0), EFAULT);
}

TEST(stats_fd_counts)
{
	struct stats before, after;
	unsigned int i;
	int fd;

	DIFFERS("the counters' names are Keel's own");
	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	read_stats(fd, &before);
	for (i = 0; i < OUTS; i++)
		run_to_out(&c, STEP_PORT);
	read_stats(fd, &after);
	EXPECT_EQ(stats_value(&after, "exit_pio") - stats_value(&before, "exit_pio"), OUTS);
	EXPECT_EQ(stats_value(&after, "user_exits") - stats_value(&before, "user_exits"), OUTS);
	EXPECT_EQ(stats_value(&after, "exit_unknown"), 0);
}

/* The file keeps what it reads from. */
TEST(stats_fd_outlives_vm)
{
	struct stats s;
	int fd;

	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	run_to_out(&c, STEP_PORT);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	drop_vcpu(&c);
	drop_vm(&vm);
	read_stats(fd, &s);
	check_layout(&s);
}

/* Another process that was given the fds may count, and nothing else. */
TEST(stats_fd_of_another_process)
{
	int status, fd, pid;

	DIFFERS("kvm lets its counters be read by who has an fd for them only");
	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	pid = fork();
	if (!pid) {
		struct kvm_regs r;

		fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL);
		status = fd < 0 || read(fd, &r, 8) != 8;
		status |= ioctl(vm.fd, KVM_GET_STATS_FD, NULL) < 0;
		status |= ioctl(c.fd, KVM_GET_REGS, &r) != -1 || errno != EIO;
		_exit(status);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* ---- how long exits take ---- */

static uint64_t times_sum(const struct keel_exit_times *t)
{
	uint64_t sum = 0;
	unsigned int i, j;

	for (i = 0; i < KEEL_TIMES_KINDS; i++)
		for (j = 0; j < KEEL_TIMES_BUCKETS; j++)
			sum += t->count[i][j];
	return sum;
}

static const struct keel_exit_times *map_times(int fd)
{
	void *p = mmap(NULL, sizeof(struct keel_exit_times), PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_TRUE(p != MAP_FAILED);
	return p;
}

TEST(exit_times)
{
	const struct keel_exit_times *t;
	unsigned int i;
	int fd;

	DIFFERS("kvm has no such times");
	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	EXPECT_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0, ENXIO);
	ASSERT_OK(ioctl(fd, KEEL_STATS_TIMES, 0));
	ASSERT_OK(ioctl(fd, KEEL_STATS_TIMES, 0));
	t = map_times(fd);
	EXPECT_EQ(times_sum(t), 0);
	for (i = 0; i < OUTS; i++)
		run_to_out(&c, STEP_PORT);
	/* The last exit was followed by no entry. */
	EXPECT_GE(times_sum(t), OUTS - 1);
	i = times_sum(t);
	munmap((void *)t, sizeof(*t));
	close(fd);
	/* Off, and on again: what was counted is kept, what came between is not counted. */
	run_to_out(&c, STEP_PORT);
	run_to_out(&c, STEP_PORT);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	ASSERT_OK(ioctl(fd, KEEL_STATS_TIMES, 0));
	EXPECT_EQ(times_sum(map_times(fd)), i);
}

TEST(exit_times_refused)
{
	int fd;

	DIFFERS("kvm has no such times");
	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	ASSERT_OK(fd = ioctl(vm.fd, KVM_GET_STATS_FD, NULL));
	EXPECT_ERR(ioctl(fd, KEEL_STATS_TIMES, 0), ENOTTY);
	EXPECT_ERR(ioctl(fd, KVM_GET_STATS_FD, 0), ENOTTY);
	close(fd);
	ASSERT_OK(fd = ioctl(c.fd, KVM_GET_STATS_FD, NULL));
	ASSERT_OK(ioctl(fd, KEEL_STATS_TIMES, 0));
	EXPECT_ERR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ?
		   -1 : 0, EACCES);
	EXPECT_ERR(mprotect((void *)map_times(fd), PAGE, PROT_READ | PROT_WRITE), EACCES);
}

/* ---- tracepoints ---- */

static char tracefs[] = "/tmp/abi-tracefs-XXXXXX";

static void trace_write(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tracefs, name);
	ASSERT_OK(fd = open(path, O_WRONLY | O_TRUNC));
	ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static char *trace_read(void)
{
	char *buf = calloc(1, 1 << 20), path[256];
	size_t size = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/trace", tracefs);
	ASSERT_OK(fd = open(path, O_RDONLY));
	while ((n = read(fd, buf + size, (1 << 20) - 1 - size)) > 0)
		size += n;
	close(fd);
	return buf;
}

static void trace_begin(void)
{
	ASSERT_TRUE(mkdtemp(tracefs));
	if (mount("tracefs", tracefs, "tracefs", 0, NULL)) {
		rmdir(tracefs);
		SKIP("this kernel has no tracefs");
	}
	trace_write("trace", "\n");
	trace_write("events/keel/enable", "1");
}

static void trace_end(void)
{
	trace_write("events/keel/enable", "0");
	ASSERT_OK(umount(tracefs));
	rmdir(tracefs);
}

static void expect_trace(const char *all, const char *what)
{
	if (!strstr(all, what))
		abi_note("not in the trace: %s%.4000s", what, all);
	EXPECT_TRUE(strstr(all, what));
}

TEST(tracepoints)
{
	char *all;

	DIFFERS("the events are Keel's own");
	make_guest(&vm, &c, 0, to_hole, to_hole_end);
	start_long(&c, CODE);
	trace_begin();
	run_to(&c, KVM_EXIT_MMIO);
	run_to_out(&c, DONE_PORT);
	all = trace_read();
	trace_end();
	expect_trace(all, "keel_entry: vcpu 0 rip 0x1000\n");
	expect_trace(all, "keel_exit: vcpu 0 fault rip ");
	expect_trace(all, "keel_fault: vcpu 0 rip 0x1005 gpa 0xd0000040 write");
	expect_trace(all, "keel_mmio: vcpu 0 write gpa 0xd0000040 len 2 value 0x1234 to userspace\n");
	expect_trace(all, "keel_exit: vcpu 0 pio rip ");
	expect_trace(all, "keel_pio: vcpu 0 out port 0xf4 size 1 value ");
}

TEST(tracepoint_of_injection)
{
	char *all;

	DIFFERS("the events are Keel's own");
	make_guest(&vm, &c, 0, some_outs, some_outs_end);
	set_idt_entry(&vm, 2, CODE);
	trace_begin();
	EXPECT_OK(ioctl(c.fd, KVM_NMI));
	run_to_out(&c, STEP_PORT);
	all = trace_read();
	trace_end();
	expect_trace(all, "keel_inject: vcpu 0 nmi vector 2 no error 0x0\n");
}

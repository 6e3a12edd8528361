// SPDX-License-Identifier: GPL-2.0
/*
 * memory.c - guest memory that moves, goes and comes back while the guest uses it; and none
 * to be had
 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "faults.h"

#define KEPT	0x10000UL	/* what count_pages counts in: never lost */
#define LOST	0x100000UL	/* a slot of its own, of which anything may happen */
#define LOST_SIZE	(64 * PAGE)

static struct vm vm;
static struct vcpu c[2];
static uint8_t *kept, *lost;

/* All of the second slot, with no count: in unreal mode, which KVM_SET_SREGS can make. */
GUEST(16, touch_lost,
	GUEST_LOOP "mov $0x100000, %ebx\n"
	"2: incl (%ebx)\n"
	"add $0x1000, %ebx\n"
	"cmp $0x140000, %ebx\n"
	"jne 2b\n"
	"jmp 1b\n");
#define TOUCH	0x3000

static void reach_all(struct vcpu *vcpu)
{
	struct kvm_sregs s = get_sregs(vcpu);

	s.ds.limit = ~0U;
	s.ds.g = 1;
	set_sregs(vcpu, &s);
}

static void make_two(void)
{
	make_vm(&vm, VM_NO_MEM);
	vm.mem = map_pages(MEM_SIZE);
	kept = vm.mem + KEPT;
	lost = map_pages(LOST_SIZE);
	guest_code(&vm, CODE, count_pages, count_pages_end);
	guest_code(&vm, TOUCH, touch_lost, touch_lost_end);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, KEPT + PAGES_SIZE, vm.mem));
	ASSERT_OK(set_slot(&vm, 1, 0, LOST, LOST_SIZE, lost));
	make_vcpu(&c[0], &vm, 0);
	start_at(&c[0], CODE);
	make_vcpu(&c[1], &vm, 1);
	start_at(&c[1], TOUCH);
	reach_all(&c[1]);
}

/* ---- what loses nothing ---- */

/* Not read-only: a guest that writes would be told EFAULT. */
static void protect_and_back(uint8_t *p, size_t size)
{
	ASSERT_OK(mprotect(p, size, PROT_READ | PROT_WRITE | PROT_EXEC));
	if (rnd(2))
		sched_yield();
	ASSERT_OK(mprotect(p, size, PROT_READ | PROT_WRITE));
}

static void copy_on_write(uint8_t *p, size_t size)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(0);
	while (waitpid(pid, &status, 0) != pid && errno == EINTR)
		;
}

/* Advice that this kernel does not know is no fault of ours. */
static void advise(uint8_t *p, size_t size)
{
	static const int kinds[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
				     MADV_UNMERGEABLE, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED };

	madvise(p, size, kinds[rnd(ARRAY_SIZE(kinds))]);
}

static void lock_and_unlock(uint8_t *p, size_t size)
{
	if (!mlock(p, size))
		munlock(p, size);
}

static void do_one(void (*const *list)(uint8_t *, size_t), unsigned int nr, uint8_t *base,
		   unsigned int pages)
{
	unsigned int first = rnd(pages), n = 1 + rnd(pages - first);

	list[rnd(nr)](base + first * PAGE, n * PAGE);
}

static void (*const harmless[])(uint8_t *, size_t) = {
	protect_and_back, copy_on_write, advise, lock_and_unlock,
};

/* ---- what loses all ---- */

static void unmap_and_map(uint8_t *p, size_t size)
{
	ASSERT_OK(munmap(p, size));
	if (rnd(2))
		sched_yield();
	ASSERT_NE((long)mmap(p, size, PROT_READ | PROT_WRITE,
			     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), -1L);
}

static void map_over(uint8_t *p, size_t size)
{
	ASSERT_NE((long)mmap(p, size, PROT_READ | PROT_WRITE,
			     MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0), -1L);
}

static void forget(uint8_t *p, size_t size)
{
	madvise(p, size, rnd(2) ? MADV_DONTNEED : MADV_FREE);
}

static void forbid(uint8_t *p, size_t size)
{
	ASSERT_OK(mprotect(p, size, PROT_NONE));
	if (rnd(2))
		sched_yield();
	ASSERT_OK(mprotect(p, size, PROT_READ | PROT_WRITE));
}

/* A page, for more may be several mappings, which do not move as one. */
static void swap_places(uint8_t *p, size_t size)
{
	void *there = map_pages(PAGE);

	ASSERT_NE((long)mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there), -1L);
	ASSERT_NE((long)mremap(there, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), -1L);
}

static void (*const harmful[])(uint8_t *, size_t) = {
	unmap_and_map, map_over, forget, forbid, swap_places,
};

/* ---- both at once ---- */

/*
 * One guest counts in memory that is only moved about, and no count is lost; the other's
 * goes and comes back, and its KVM_RUN says EFAULT at the worst.
 */
TEST(moved_and_lost)
{
	struct runner r[2] = { { .may_fault = false }, { .may_fault = true } };
	unsigned int n = times(100, 30, 10000), i;

	make_two();
	start_vcpu(&r[0], &c[0]);
	start_vcpu(&r[1], &c[1]);
	for (i = 0; i < n; i++) {
		do_one(harmless, ARRAY_SIZE(harmless), kept, PAGES);
		do_one(harmful, ARRAY_SIZE(harmful), lost, LOST_SIZE / PAGE);
		if (i % 10 == 0)
			wait_for_runs(r, 2, 1);
	}
	wait_for_runs(r, 2, 2);
	stop_vcpus(r, 2);
	abi_note("%u changes, %lu and %lu KVM_RUNs, %lu said EFAULT", 2 * n, r[0].runs, r[1].runs,
		 r[1].efaults);
	EXPECT_EQ(r[0].wrong, 0);
	EXPECT_EQ(r[1].wrong, 0);
	EXPECT_EQ(r[0].efaults, 0);
	expect_counted(kept);
	EXPECT_NE(*(uint16_t *)kept, 0);
}

/* Memory that is not there is EFAULT, each time, and the guest goes on when it is. */
TEST(goes_and_comes)
{
	struct runner r = { .may_fault = true };

	make_two();
	start_vcpu(&r, &c[1]);	/* before: its stack would take the place */
	ASSERT_OK(munmap(lost, LOST_SIZE));
	while (*(volatile unsigned long *)&r.efaults < 3)
		sleep_ms(5);
	ASSERT_NE((long)mmap(lost, LOST_SIZE, PROT_READ | PROT_WRITE,
			     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), -1L);
	while (!*(volatile uint32_t *)(lost + LOST_SIZE - PAGE))
		sleep_ms(5);
	stop_vcpus(&r, 1);
	EXPECT_EQ(r.wrong, 0);
}

/* ---- a memory control group that is full ---- */

static char mount_point[] = "/tmp/faults-cgroup-XXXXXX", group[64], path[96];

static const char *in_group(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", group, name);
	return path;
}

static void leave_group(void)
{
	rmdir(group);
	umount(mount_point);
	rmdir(mount_point);
}

static void make_group(const char *limit)
{
	ssize_t n;
	int fd, r;

	ASSERT_TRUE(mkdtemp(mount_point));
	r = mount("cgroup2", mount_point, "cgroup2", 0, NULL);
	if (r)
		rmdir(mount_point);
	NEED(!r, "this kernel has no control groups");
	snprintf(group, sizeof(group), "%s/cgroup.subtree_control", mount_point);
	fd = open(group, O_WRONLY | O_CLOEXEC);
	n = write(fd, "+memory", 7);
	close(fd);
	if (n != 7) {
		umount(mount_point);
		rmdir(mount_point);
	}
	NEED(n == 7, "this kernel has no memory control groups");
	snprintf(group, sizeof(group), "%s/keel-faults", mount_point);
	ASSERT_OK(mkdir(group, 0755));
	write_file(in_group("memory.max"), limit);
}

static long oom_kills(void)
{
	FILE *f = fopen(in_group("memory.events"), "r");
	char line[64];
	long n = -1;

	ASSERT_TRUE(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "oom_kill %ld", &n);
	fclose(f);
	return n;
}

static pid_t start_in_group(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	write_file(in_group("cgroup.procs"), "0");
	fn();
	abi_end();
}

#define BIG_SIZE	(128UL << 20)

GUEST(16, touch_big,
	GUEST_LOOP "incl (%ebx)\n"
	"add $0x1000, %ebx\n"
	"jmp 1b\n");

/* A guest that touches more than there may be. */
static void eat_by_guest(void)
{
	struct kvm_regs regs;
	void *big;

	make_vm(&vm, 0);
	big = map_pages(BIG_SIZE);
	guest_code(&vm, CODE, touch_big, touch_big_end);
	ASSERT_OK(set_slot(&vm, 1, 0, MEM_SIZE, BIG_SIZE, big));
	make_vcpu(&c[0], &vm, 0);
	start_at(&c[0], CODE);
	reach_all(&c[0]);
	regs = get_regs(&c[0]);
	regs.rbx = MEM_SIZE;
	set_regs(&c[0], &regs);
	run_vcpu(&c[0]);
	abi_note("the guest came to %#llx", get_regs(&c[0]).rbx);
	EXPECT_EQ(get_regs(&c[0]).rbx, 0);	/* it cannot have come back */
}

TEST(oom_by_guest)
{
	int refs = module_refs(), status;
	long kills;
	pid_t pid;

	make_group("32M");
	pid = start_in_group(eat_by_guest);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	kills = oom_kills();
	expect_refs(refs);
	leave_group();
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_GT(kills, 0);
}

/* vCPUs are the group's memory, too: ENOMEM, or its killer. */
static void eat_by_vcpus(void)
{
	int fd = 0, i;

	for (;;) {
		make_vm(&vm, VM_NO_MEM | VM_IRQCHIP);
		for (i = 0; i < 64 && fd >= 0; i++)
			fd = ioctl(vm.fd, KVM_CREATE_VCPU, i);
		if (fd < 0) {
			EXPECT_EQ(errno, ENOMEM);
			return;
		}
	}
}

TEST(oom_by_vcpus)
{
	int refs = module_refs(), status;
	long kills;
	pid_t pid;

	make_group("16M");
	pid = start_in_group(eat_by_vcpus);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	kills = oom_kills();
	expect_refs(refs);
	leave_group();
	EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && kills > 0));
}

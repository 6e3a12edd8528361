// SPDX-License-Identifier: GPL-2.0
/*
 * common.c - numbers, results, the device and the host
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "hostile.h"

/* ---- numbers ---- */

/* splitmix64: any seed is as good as another, 0 included. */
u64 rng_next(struct rng *r)
{
	u64 z = r->s += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

u32 rng_below(struct rng *r, u32 n)
{
	return (rng_next(r) >> 32) * n >> 32;
}

bool rng_one_in(struct rng *r, u32 n)
{
	return !rng_below(r, n);
}

void rng_fill(struct rng *r, void *buf, size_t len)
{
	u8 *p = buf;
	u64 v;

	for (; len >= sizeof(v); p += sizeof(v), len -= sizeof(v)) {
		v = rng_next(r);
		memcpy(p, &v, sizeof(v));
	}
	v = rng_next(r);
	memcpy(p, &v, len);
}

u64 rng_boundary(struct rng *r)
{
	u64 bit = 1ULL << rng_below(r, 64);

	switch (rng_below(r, 8)) {
	case 0: return rng_below(r, 4);
	case 1: return -(u64)rng_below(r, 4);
	case 2: return bit;
	case 3: return bit - 1;
	case 4: return -bit;
	case 5: return bit | (rng_next(r) & (bit - 1));
	case 6: return (rng_next(r) % 64) << 12;
	default: return rng_next(r);
	}
}

u64 seed_of_run(void)
{
	const char *given = getenv("SEED");
	u64 seed = 1;

	if (given && *given)
		seed = strtoull(given, NULL, 0);
	else if (getenv("KEEL_FULL") && *getenv("KEEL_FULL"))
		if (getrandom(&seed, 4, 0) == 4)
			seed &= 0xffffffff;
	note("SEED=%llu", (unsigned long long)seed);
	return seed;
}

bool on_host(const char *name)
{
	const char *host = getenv("KEEL_HOST");

	return host && !strcmp(host, name);
}

static bool kernel_has_sanitizers(void)
{
	const char *kernel = getenv("KEEL_KERNEL") ?: "";

	return !strcmp(kernel, "kasan") || !strcmp(kernel, "kcsan");
}

unsigned long count_of_run(const struct counts *c)
{
	const char *given = getenv(c->env), *full_env = getenv("KEEL_FULL");
	bool full = full_env && *full_env;

	if (given && *given)
		return strtoul(given, NULL, 0);
	if (on_host("intel"))
		return c->intel * (full ? 10 : 1);
	if (kernel_has_sanitizers())
		return c->sanitizers * (full ? 10 : 1);
	return full ? c->full : c->amd;
}

/* ---- results ---- */

static unsigned int number, failures;

void note(const char *fmt, ...)
{
	va_list ap;

	flockfile(stdout);
	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
}

void tap_plan(unsigned int n)
{
	printf("TAP version 13\n1..%u\n", n);
	fflush(stdout);
}

bool tap(bool ok, const char *fmt, ...)
{
	va_list ap;

	failures += !ok;
	printf("%s %u - ", ok ? "ok" : "not ok", ++number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return ok;
}

void tap_skip(const char *name, const char *why)
{
	printf("ok %u - %s # SKIP %s\n", ++number, name, why);
	fflush(stdout);
}

int tap_status(void)
{
	return failures ? 1 : 0;
}

/* ---- the device ---- */

static const char *dev_path(void)
{
	const char *path = getenv("KEEL_DEV");

	return path && *path ? path : "/dev/keel";
}

int dev_open(void)
{
	int fd = open(dev_path(), O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("Bail out! %s: %s\n", dev_path(), strerror(errno));
		exit(1);
	}
	return fd;
}

bool dev_is_keel(void)
{
	return !access("/sys/module/keel", F_OK);
}

void *vcpu_map(int vcpu_fd)
{
	void *p = mmap(NULL, RUN_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

#define KICK_NS		4000000L

static __thread volatile u8 *kick_flag;

static void kicked(int sig)
{
	volatile u8 *flag = kick_flag;

	if (flag)
		*flag = 1;
}

void kick_aim(volatile u8 *flag)
{
	kick_flag = flag;
}

void kick_start(struct kicker *k, volatile u8 *flag)
{
	struct sigaction sa = { .sa_handler = kicked };
	struct itimerspec every = { { 0, KICK_NS }, { 0, KICK_NS } };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK_SIGNAL };

	kick_flag = flag;
	sigaction(KICK_SIGNAL, &sa, NULL);
	ev._sigev_un._tid = syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &ev, &k->timer) ||
	    timer_settime(k->timer, 0, &every, NULL)) {
		printf("Bail out! no timer: %s\n", strerror(errno));
		exit(1);
	}
}

void kick_stop(struct kicker *k)
{
	timer_delete(k->timer);
	kick_flag = NULL;
}

/* ---- a VM that must work ---- */

#define CHECK_MEM	(2UL << 20)
#define CHECK_CODE	0x1000
#define CHECK_PORT	0x40f4
#define CHECK_ROUNDS	3

/* Adds 1 to 1000 into memory, and writes the sum to the port: 500500, with 32 bits of it. */
static const u8 check_code[] = {
	0x66, 0x31, 0xc0,			/* xor eax, eax */
	0x66, 0xb9, 0xe8, 0x03, 0x00, 0x00,	/* mov ecx, 1000 */
	0x66, 0xa3, 0x00, 0x20,			/* 1: mov [0x2000], eax */
	0x66, 0x01, 0x0e, 0x00, 0x20,		/* add [0x2000], ecx */
	0x66, 0xa1, 0x00, 0x20,			/* mov eax, [0x2000] */
	0x66, 0x49,				/* dec ecx */
	0x75, 0xef,				/* jnz 1b */
	0xba, CHECK_PORT & 0xff, CHECK_PORT >> 8,	/* mov dx, port */
	0x66, 0xef,				/* out dx, eax */
	0xeb, 0xdf,				/* jmp to the start */
};

static const char *check_run(int vcpu)
{
	struct kvm_run *run = vcpu_map(vcpu);
	const char *wrong = NULL;
	u32 sum;
	int i, r;

	if (!run)
		return "kvm_run cannot be mapped";
	for (i = 0; i < CHECK_ROUNDS && !wrong; i++) {
		do {
			r = ioctl(vcpu, KVM_RUN, 0);
		} while (r && errno == EINTR);
		if (r)
			wrong = "KVM_RUN fails";
		else if (run->exit_reason != KVM_EXIT_IO || run->io.port != CHECK_PORT)
			wrong = "another exit than that of its port";
		memcpy(&sum, (u8 *)run + run->io.data_offset % (RUN_PAGES * PAGE - 4), 4);
		if (!wrong && sum != 500500)
			wrong = "a wrong sum";
	}
	munmap(run, RUN_PAGES * PAGE);
	return wrong;
}

static const char *check_vcpu(int vm, u8 *mem)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = CHECK_MEM, .userspace_addr = (uintptr_t)mem,
	};
	struct kvm_regs regs = { .rip = CHECK_CODE, .rsp = 0x8000, .rflags = 2 };
	struct kvm_sregs sregs;
	const char *wrong;
	int vcpu;

	ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		return "KVM_SET_USER_MEMORY_REGION fails";
	if (ioctl(vm, KVM_CREATE_IRQCHIP, 0))
		return "KVM_CREATE_IRQCHIP fails";
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return "KVM_CREATE_VCPU fails";
	memcpy(mem + CHECK_CODE, check_code, sizeof(check_code));
	wrong = "its registers cannot be set";
	if (!ioctl(vcpu, KVM_GET_SREGS, &sregs)) {
		sregs.cs.base = sregs.cs.selector = 0;
		if (!ioctl(vcpu, KVM_SET_SREGS, &sregs) && !ioctl(vcpu, KVM_SET_REGS, &regs))
			wrong = check_run(vcpu);
	}
	close(vcpu);
	return wrong;
}

const char *fresh_vm_check(int dev)
{
	int vm = ioctl(dev, KVM_CREATE_VM, 0);
	const char *wrong;
	u8 *mem;

	if (vm < 0)
		return "KVM_CREATE_VM fails";
	mem = mmap(NULL, CHECK_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	wrong = mem == MAP_FAILED ? "no memory" : check_vcpu(vm, mem);
	close(vm);
	if (mem != MAP_FAILED)
		munmap(mem, CHECK_MEM);
	return wrong;
}

/* ---- processes ---- */

#define HANG_SECONDS	60	/* far more than any one call takes on the slowest host */
#define TURN_MS		50
#define TELL_TURNS	400	/* 20 seconds */

void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	return p;
}

static unsigned long hang_turns(void)
{
	const char *scale = getenv("KEEL_TIMEOUT_SCALE");

	return HANG_SECONDS * 1000 / TURN_MS * (scale ? atof(scale) ?: 1 : 1);
}

int run_watched(int (*fn)(void *), void *arg, volatile u64 *progress)
{
	struct timespec turn = { 0, TURN_MS * 1000000L };
	unsigned long idle = 0, turns = 0;
	u64 seen = *progress, told = seen;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(fn(arg));
	while (waitpid(pid, &status, WNOHANG) != pid) {
		nanosleep(&turn, NULL);
		idle = *progress == seen ? idle + 1 : 0;
		seen = *progress;
		/* Who waits for a word of ours does so for minutes. */
		if (++turns % TELL_TURNS == 0 && seen != told) {
			told = seen;
			note("%llu so far", (unsigned long long)told);
		}
		if (idle > hang_turns()) {
			kill(pid, SIGKILL);
			return -1;
		}
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- the host ---- */

static long meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			kib = atol(line + strlen(key) + 1);
	if (f)
		fclose(f);
	return kib;
}

long memory_used(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	sync();
	if (fd >= 0) {
		if (write(fd, "3", 1) != 1)
			note("caches cannot be dropped: %s", strerror(errno));
		close(fd);
	}
	return meminfo("MemTotal") - meminfo("MemFree") - meminfo("Buffers") - meminfo("Cached") -
	       meminfo("AnonPages");
}

/* KASAN keeps freed objects for a while, and the kernel says so in its symbols. */
bool kernel_has_kasan(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " kasan_quarantine_put") ||
			strstr(line, " kasan_save_free_info");
	if (f)
		fclose(f);
	return found;
}

int module_users(void)
{
	FILE *f = fopen(dev_is_keel() ? "/sys/module/keel/refcnt" : "/sys/module/kvm_amd/refcnt",
			"r");
	int n = -1;

	if (f) {
		if (fscanf(f, "%d", &n) != 1)
			n = -1;
		fclose(f);
	}
	return n;
}

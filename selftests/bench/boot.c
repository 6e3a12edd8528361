// SPDX-License-Identifier: GPL-2.0
/*
 * boot.c - Linux, from its entry to its first process, which resets the machine
 */
#include <libgen.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "bench.h"

#define TICKS		100	/* of the host's timer, in a second */

static char out_dir[400], kernel[500], keelvm[500], initrd[500], preload[500];

static void find_files(void)
{
	struct utsname u;
	ssize_t n = readlink("/proc/self/exe", out_dir, sizeof(out_dir) - 1);

	ASSERT_TRUE(n > 0);
	dirname(out_dir);
	ASSERT_OK(uname(&u));
	snprintf(kernel, sizeof(kernel), "/boot/vmlinuz-%s", u.release);
	snprintf(keelvm, sizeof(keelvm), "%s/../tools/keelvm", out_dir);
	snprintf(initrd, sizeof(initrd), "%s/initrd", out_dir);
	snprintf(preload, sizeof(preload), "%s/count.so", out_dir);
	ASSERT_OK(access(kernel, R_OK));
}

static void run_keelvm(int to, int console)
{
	char fd[20];

	dup2(open("/dev/null", O_RDWR), 0);
	dup2(console, 1);
	snprintf(fd, sizeof(fd), "%d", to);
	setenv("BENCH_COUNT", fd, 1);
	setenv("LD_PRELOAD", preload, 1);
	execl(keelvm, "keelvm", "-d", dev_path, "--kernel", kernel, "--initrd", initrd,
	      "--cmdline", "console=ttyS0 quiet reboot=t panic=-1 no_timer_check", NULL);
	_exit(124);
}

/* The rate of the TSC: instructions of a second. */
static double tsc_hz(void)
{
	struct vcpu c;
	struct vm vm;
	long khz;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	khz = ioctl(c.fd, KVM_GET_TSC_KHZ, 0);
	ASSERT_TRUE(khz > 0);
	drop_vcpu(&c);
	drop_vm(&vm);
	return khz * 1000.0;
}

static void tell_counters(FILE *f, double hz)
{
	unsigned long long n;
	char name[100];

	while (fscanf(f, "%99s %llu", name, &n) == 2) {
		if (!strcmp(name, "guest_ticks"))
			bench_result("boot-guest", n * hz / TICKS);
		else
			abi_note("boot: %s %llu", name, n);
		if (!strcmp(name, "exits"))
			bench_result("boot-exits", n);
	}
}

/* A panic resets the machine, too. */
static bool restarted(int console)
{
	static char said[1 << 16];

	return pread(console, said, sizeof(said) - 1, 0) > 0 &&
	       strstr(said, "Restarting system");
}

TEST(boot)
{
	int to = memfd_create("counters", 0), console = memfd_create("console", 0), status;
	double hz = tsc_hz();
	uint64_t start, t;
	pid_t pid;

	if (!bench_full())
		SKIP("takes long");
	find_files();
	idle_start();
	start = work_tsc();
	pid = fork();
	if (!pid)
		run_keelvm(to, console);
	waitpid(pid, &status, 0);
	t = work_tsc() - start;
	idle_stop();
	ASSERT_TRUE(restarted(console));
	bench_result("boot", t);
	lseek(to, 0, SEEK_SET);
	tell_counters(fdopen(to, "r"), hz);
}

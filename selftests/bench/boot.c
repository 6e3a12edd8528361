// SPDX-License-Identifier: GPL-2.0
/*
 * boot.c - Linux, from its entry to its first process, which resets the machine
 */
#include <libgen.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "bench.h"

#define BOOTS		4
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

static double guest_time;		/* of all boots, in instructions */

/* kvm counts all exits, and Keel each kind. */
static void add_counters(int fd, bool tell, double hz)
{
	unsigned long long n, exits = 0;
	FILE *f = fdopen(fd, "r");
	char name[100];

	rewind(f);
	while (fscanf(f, "%99s %llu", name, &n) == 2) {
		if (!strcmp(name, "guest_ticks"))
			guest_time += n * hz / TICKS;
		else if (tell)
			abi_note("boot: %s %llu", name, n);
		if (!strcmp(name, "exits") || !strncmp(name, "exit_", 5))
			exits += n;
	}
	fclose(f);
	if (tell)
		bench_result("boot-exits", exits);
}

/* A panic resets the machine, too. */
static bool restarted(int console)
{
	static char said[1 << 16];

	return pread(console, said, sizeof(said) - 1, 0) > 0 &&
	       strstr(said, "Restarting system");
}

static uint64_t boot_once(bool tell, double hz)
{
	int to = memfd_create("counters", 0), console = memfd_create("console", 0), status;
	uint64_t start, t;
	pid_t pid;

	start = work_tsc();
	pid = fork();
	if (!pid)
		run_keelvm(to, console);
	waitpid(pid, &status, 0);
	t = work_tsc() - start;
	ASSERT_TRUE(restarted(console));
	close(console);
	add_counters(to, tell, hz);
	return t;
}

TEST(boot)
{
	uint64_t t, least = ~0UL;
	double hz = tsc_hz();
	int i;

	if (!bench_full())
		SKIP("takes long");
	find_files();
	idle_start();
	for (i = 0; i < BOOTS; i++) {
		t = boot_once(i == 0, hz);
		if (t < least)
			least = t;
	}
	idle_stop();
	bench_result("boot", least);
	bench_result("boot-guest", guest_time / BOOTS);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * abi.c - runs tests, each in a process of its own, and prints TAP
 */
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include "abi.h"

#define TIME_LIMIT	20	/* seconds for one test, if ABI_SECONDS does not say */
#define MAX_NOTES	20

const char *dev_path;
int dev = -1;

static struct abi_test *first;
static struct abi_test **last = &first;

/* What a test tells its parent. */
static struct report {
	int failures;
	char skip[200];
} *report;

static bool env_is(const char *env, const char *value)
{
	const char *is = getenv(env);

	return is && !strcmp(is, value);
}

bool on_host(const char *name)
{
	return env_is("KEEL_HOST", name);
}

bool kernel_is(const char *name)
{
	return env_is("KEEL_KERNEL", name);
}

void abi_register(struct abi_test *t)
{
	*last = t;
	last = &t->next;
}

void abi_note(const char *fmt, ...)
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

static bool failed(void)
{
	return __atomic_add_fetch(&report->failures, 1, __ATOMIC_RELAXED) <= MAX_NOTES;
}

bool abi_check(bool ok, const char *file, int line, const char *what, long long a, long long b)
{
	if (!ok && failed())
		abi_note("%s:%d: %s: %lld (%#llx) and %lld (%#llx)", file, line, what, a, a, b, b);
	return ok;
}

bool abi_check_errno(long r, int want, const char *file, int line, const char *what)
{
	int got = r < 0 ? errno : 0;

	if (got == want && (want || r >= 0))
		return true;
	if (failed())
		abi_note("%s:%d: %s: result %ld, %s; wanted %s", file, line, what, r,
			 got ? strerrorname_np(got) : "no error",
			 want ? strerrorname_np(want) : "no error");
	return false;
}

void abi_end(void)
{
	fflush(stdout);
	_exit(0);
}

void abi_skip(const char *why)
{
	snprintf(report->skip, sizeof(report->skip), "%s", why);
	abi_end();
}

bool abi_on_kvm(void)
{
	return access("/sys/module/keel", F_OK);
}

void abi_differs(const char *how)
{
	char why[150];

	if (!abi_on_kvm())
		return;
	snprintf(why, sizeof(why), "Keel differs: %s", how);
	abi_skip(why);
}

static void run_test(const struct abi_test *t)
{
	setpgid(0, 0);
	dev = open_dev();
	t->run();
	abi_end();
}

/* Wait for SIGCHLD or the end of time. */
static bool wait_for(pid_t pid, int *status, int seconds)
{
	const char *scale = getenv("KEEL_TIMEOUT_SCALE");
	uint64_t end = now_ms() + seconds * 1000ULL * (scale ? atoi(scale) ?: 1 : 1);
	struct timespec ts;
	sigset_t set;
	uint64_t left;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now_ms() >= end)
			return false;
		left = end - now_ms();
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		sigtimedwait(&set, NULL, &ts);
	}
	return true;
}

static void tell_death(int status)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	report->failures++;
	if (WIFSIGNALED(status))
		abi_note("killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		abi_note("exit status %d", WEXITSTATUS(status));
}

static int time_limit(void)
{
	const char *seconds = getenv("ABI_SECONDS");

	return seconds ? atoi(seconds) : TIME_LIMIT;
}

static bool do_test(const struct abi_test *t, int nr)
{
	int status = 0;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(stdout);
	pid = fork();
	if (!pid)
		run_test(t);
	setpgid(pid, pid);
	if (!wait_for(pid, &status, time_limit())) {
		abi_note("no end after %d s", time_limit());
		kill(-pid, SIGKILL);
		if (!wait_for(pid, &status, 5))
			abi_note("and SIGKILL does not end it");
		status = SIGKILL;
	}
	kill(-pid, SIGKILL);	/* whom it left behind */
	tell_death(status);
	printf("%s %d - %s%s%s\n", report->failures ? "not ok" : "ok", nr, t->name,
	       report->skip[0] ? " # SKIP " : "", report->skip);
	fflush(stdout);
	return !report->failures;
}

static bool wanted(const struct abi_test *t, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(t->name, argv[i]))
			return true;
	return argc < 2;
}

static int count_tests(int argc, char **argv)
{
	struct abi_test *t;
	int n = 0;

	for (t = first; t; t = t->next)
		n += wanted(t, argc, argv);
	return n;
}

int main(int argc, char **argv)
{
	struct abi_test *t;
	bool good = true;
	sigset_t set;
	int n = 0;

	dev_path = getenv("KEEL_DEV") ?: "/dev/keel";
	if (argc == 2 && !strcmp(argv[1], "--count")) {
		printf("%d\n", count_tests(1, argv));
		return 0;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/*
	 * kvm rewrites the scheduler's code for the first VM and after the last, which
	 * the emulated host's CPUs do not always survive: let there be one all the time.
	 */
	if (abi_on_kvm())
		ioctl(open(dev_path, O_RDWR | O_CLOEXEC), KVM_CREATE_VM, 0);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	printf("TAP version 13\n1..%d\n", count_tests(argc, argv));
	for (t = first; t; t = t->next)
		if (wanted(t, argc, argv))
			good &= do_test(t, ++n);
	return good ? 0 : 1;
}

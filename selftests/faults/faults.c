// SPDX-License-Identifier: GPL-2.0
/*
 * faults.c - helpers of the tests of faults
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include "faults.h"

uint32_t rnd(uint32_t n)
{
	static uint64_t s;

	if (!s) {
		s = strtoull(getenv("KEEL_SEED") ?: "1", NULL, 0);
		s = (s + 1) * 0x9e3779b97f4a7c15ULL;
	}
	s = s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (s >> 33) % n;
}

unsigned int times(unsigned int usual, unsigned int intel, unsigned int full)
{
	const char *is_full = getenv("KEEL_FULL");

	if (is_full && *is_full)
		return full;
	return on_host("intel") ? intel : usual;
}

int online_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

bool kernel_has_sanitizers(void)
{
	const char *kernel = getenv("KEEL_KERNEL") ?: "";

	return !strcmp(kernel, "kasan") || !strcmp(kernel, "kcsan");
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		abi_note("%s", path);
	ASSERT_OK(fd);
	ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* ---- a guest that counts ---- */

asm(".globl count_pages, count_pages_end");

/* cx: the count of the page before; the first one's is the new round's. */
GUEST(16, count_pages,
	GUEST_LOOP "mov $0x1000, %bx\n"
	"mov %bx, %es\n"
	"mov %es:0, %cx\n"
	"inc %cx\n"
	"2: mov %bx, %es\n"
	"incw %es:0\n"
	"cmp %cx, %es:0\n"
	"je 3f\n"
	"out %al, $0xf5\n"
	"3: add $0x100, %bx\n"
	"cmp $0x2000, %bx\n"
	"jne 2b\n"
	"jmp 1b\n");

static uint16_t count_of(const uint8_t *pages, unsigned int page)
{
	return *(const volatile uint16_t *)(pages + page * PAGE);
}

void expect_counted(const uint8_t *pages)
{
	uint16_t first = count_of(pages, 0), now, last = first;
	unsigned int i;

	for (i = 1; i < PAGES; i++) {
		now = count_of(pages, i);
		EXPECT_TRUE(now == last || (last == first && now == (uint16_t)(first - 1)));
		last = now;
	}
}

/* ---- threads ---- */

static volatile bool stop;

static void nothing(int sig)
{
}

static bool run_is_right(struct runner *r, int result)
{
	struct kvm_run *run = r->c->run;

	if (result == -EINTR)
		return true;
	if (result == -EFAULT) {
		r->efaults++;
		return r->may_fault;
	}
	if (!result && run->exit_reason == KVM_EXIT_IO)
		return run->io.port != STEP_PORT;
	return false;
}

static void *run_until_stopped(void *arg)
{
	struct runner *r = arg;
	int result;

	/* Who disturbs the guests has more of the CPU than they: this thread's, in Linux. */
	setpriority(PRIO_PROCESS, 0, 5);
	while (!stop) {
		result = run_vcpu(r->c);
		if (!run_is_right(r, result) && !r->wrong++)
			abi_note("KVM_RUN: %d, exit reason %u, port %#x", result,
				 r->c->run->exit_reason, r->c->run->io.port);
		r->runs++;
	}
	r->ended = true;
	return NULL;
}

void start_vcpu(struct runner *r, struct vcpu *c)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t t;

	ASSERT_OK(sigaction(SIGUSR1, &sa, NULL));
	r->c = c;
	ASSERT_EQ(pthread_create(&t, NULL, run_until_stopped, r), 0);
	r->thread = t;
}

/*
 * A kick may come before KVM_RUN, so there is another one; and each later, as on a slow host
 * guests that are kicked all the time get nowhere. All at once: each waits for its turn of
 * the CPU.
 */
static void kick_until(struct runner *r, unsigned int nr, const unsigned long *want)
{
	unsigned int ms = 2, left = nr, i;

	while (left) {
		sleep_ms(ms);
		for (i = left = 0; i < nr; i++) {
			if (want ? *(volatile unsigned long *)&r[i].runs >= want[i] : r[i].ended)
				continue;
			pthread_kill(r[i].thread, SIGUSR1);
			left++;
		}
		if (ms < 100)
			ms *= 2;
	}
}

void wait_for_runs(struct runner *r, unsigned int nr, unsigned int n)
{
	unsigned long want[nr];
	unsigned int i;

	for (i = 0; i < nr; i++)
		want[i] = *(volatile unsigned long *)&r[i].runs + n;
	kick_until(r, nr, want);
}

void stop_vcpus(struct runner *r, unsigned int nr)
{
	unsigned int i;

	stop = true;
	kick_until(r, nr, NULL);
	for (i = 0; i < nr; i++)
		pthread_join(r[i].thread, NULL);
	stop = false;
}

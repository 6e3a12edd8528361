// SPDX-License-Identifier: GPL-2.0
/*
 * storm.c - hostile userspace
 *
 *	storm			PROGRAMS programs, of those in seeds/ and new ones
 *	storm --replay FILE...	those, one after the other
 *	storm --show N		the first N programs that SEED makes, as text
 *
 * With KCOV in the kernel, programs that reach new code are kept, in $RESULTS/corpus, and
 * changed; without, each is new. The program that is being carried out is always in
 * $RESULTS/storm.last: when the host dies, it is that one. Programs that break a rule are
 * kept as $RESULTS/storm.bad-N.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "storm.h"

#define PROGRAMS_OF_PROCESS	100
#define MAX_CORPUS		1024
#define TEXT			8192
#define ENOUGH			400	/* programs, for each ioctl to come about */
#define GROWTH_KIB		8192	/* what may be more at the end than half-way */
#define GROWTH_KASAN_KIB	98304	/* freed objects wait in its quarantine */

static const struct counts programs_wanted = { "PROGRAMS", 400, 60, 250, 12000 };

/* Shared with the processes that carry programs out. */
static struct state {
	volatile u64 next;
	struct verdict v;
	struct cover cover;
	struct rng rng;
	u32 nr_corpus, kept, bad_programs;
	struct program corpus[MAX_CORPUS];
	bool feedback;
	char fresh[120];
} *state;

static unsigned long last;
static char **replay;
static int last_fd = -1;

/* ---- files ---- */

static const char *results(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", getenv("RESULTS") ?: "/tmp", name);
	return path;
}

static void save(const struct program *p, const char *path)
{
	char text[TEXT];
	size_t len = program_print(p, text, sizeof(text));
	FILE *f = fopen(path, "w");

	if (f) {
		fwrite(text, len, 1, f);
		fclose(f);
	}
}

static void note_last(const struct program *p)
{
	char text[TEXT];
	size_t len = program_print(p, text, sizeof(text));

	if (last_fd < 0)
		last_fd = open(results("storm.last"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (last_fd >= 0 && pwrite(last_fd, text, len, 0) == len && ftruncate(last_fd, len))
		note("storm.last: %s", strerror(errno));
}

static void keep(const struct program *p)
{
	char name[64];

	if (state->nr_corpus < MAX_CORPUS)
		state->corpus[state->nr_corpus++] = *p;
	snprintf(name, sizeof(name), "corpus/%u", state->kept++);
	save(p, results(name));
}

/* seeds/ beside the source, and what CORPUS names. */
static void load_corpus(const char *dir)
{
	char pattern[512];
	glob_t g;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/*", dir);
	if (glob(pattern, 0, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc && state->nr_corpus < MAX_CORPUS; i++)
		if (program_read(&state->corpus[state->nr_corpus], g.gl_pathv[i]))
			state->nr_corpus++;
	globfree(&g);
}

/* ---- programs ---- */

static u32 nr_seeds;

static bool next_program(struct program *p, u64 nr)
{
	struct rng *r = &state->rng;

	if (replay)
		return program_read(p, replay[nr]);
	if (nr < nr_seeds) {
		*p = state->corpus[nr];
	} else if (state->nr_corpus && rng_below(r, 4)) {
		*p = state->corpus[rng_below(r, state->nr_corpus)];
		program_mutate(r, p, &state->corpus[rng_below(r, state->nr_corpus)]);
	} else {
		program_make(r, p);
	}
	return true;
}

static void one_program(const struct program *p, int dev)
{
	u64 bad = state->v.bad;
	char name[64];
	bool news;

	note_last(p);
	news = exec_program(p, dev, &state->v, &state->cover);
	if (news && state->feedback && !replay)
		keep(p);
	if (state->v.bad == bad)
		return;
	snprintf(name, sizeof(name), "storm.bad-%u", state->bad_programs++);
	note("program %llu: %s, kept as %s", (unsigned long long)state->next, state->v.first, name);
	save(p, results(name));
}

/* As many as one process takes; then a VM like any other must work. */
static int run_programs(void *arg)
{
	unsigned long end = state->next + PROGRAMS_OF_PROCESS;
	int dev = dev_open();
	struct program p;

	state->feedback = kcov_open();
	for (; state->next < last && state->next < end; state->next++)
		if (next_program(&p, state->next))
			one_program(&p, dev);
	snprintf(state->fresh, sizeof(state->fresh), "%s", fresh_vm_check(dev) ?: "");
	return state->fresh[0] ? 3 : 0;
}

static int run_until(unsigned long end)
{
	int status = 0;

	last = end;
	while (state->next < last && !status) {
		status = run_watched(run_programs, NULL, &state->next);
		if (status)
			note("program %llu: the process ended with %d",
			     (unsigned long long)state->next, status);
	}
	return status;
}

/* ---- the end ---- */

static void tell(void)
{
	unsigned int i, never = 0;

	note("%llu programs, %llu calls, %llu of them good, %llu KVM_RUNs, %llu by another process",
	     (unsigned long long)state->next, (unsigned long long)state->v.calls,
	     (unsigned long long)state->v.good, (unsigned long long)state->v.runs,
	     (unsigned long long)state->v.forks);
	if (state->feedback)
		note("KCOV: %u PCs, %u edges, %u programs kept", state->cover.pcs,
		     state->cover.edges, state->kept);
	else
		note("no KCOV in this kernel: programs are made without feedback");
	for (i = 0; i < nr_calls; i++)
		if (!state->v.reached[i]) {
			note("never successful: %s", calls[i].name);
			never++;
		}
	if (replay || state->next < ENOUGH)
		tap_skip("nearly every ioctl succeeds somewhere", "too few programs for that");
	else
		tap(never <= nr_calls / 10, "nearly every ioctl succeeds somewhere");
}

static void judge_memory(long middle, long end)
{
	long room = kernel_has_kasan() ? GROWTH_KASAN_KIB : GROWTH_KIB;

	note("kernel memory: %ld KiB half-way, %ld KiB at the end", middle, end);
	tap(end - middle < room, "kernel memory does not grow");
}

static int show(unsigned long n)
{
	struct program p;
	struct rng r = { strtoull(getenv("SEED") ?: "1", NULL, 0) };
	char text[TEXT];

	while (n--) {
		program_make(&r, &p);
		program_print(&p, text, sizeof(text));
		puts(text);
	}
	return 0;
}

static void prepare(int argc, char **argv)
{
	state = shared_memory(sizeof(*state));
	tap_plan(6);
	state->rng.s = seed_of_run();
	mkdir(results("corpus"), 0755);
	if (argc > 2 && !strcmp(argv[1], "--replay")) {
		replay = argv + 2;
		return;
	}
	load_corpus(getenv("SEEDS") ?: "selftests/hostile/seeds");
	if (getenv("CORPUS"))
		load_corpus(getenv("CORPUS"));
	nr_seeds = state->nr_corpus;
	note("%u programs to begin with", nr_seeds);
}

int main(int argc, char **argv)
{
	unsigned long wanted;
	int status, users;
	long middle;

	if (argc == 3 && !strcmp(argv[1], "--show"))
		return show(strtoul(argv[2], NULL, 0));
	prepare(argc, argv);
	wanted = replay ? argc - 2 : count_of_run(&programs_wanted);
	status = run_until(wanted / 2);
	middle = memory_used();
	if (!status)
		status = run_until(wanted);
	users = module_users();
	tell();
	tap(!status, "every call ends, and no process dies");
	tap(!state->v.bad, "every result is a documented one");
	tap(!state->fresh[0], "a fresh VM runs a guest");
	if (state->fresh[0])
		note("fresh VM: %s", state->fresh);
	tap(!users, "nothing holds the module");
	judge_memory(middle, memory_used());
	return tap_status();
}

// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - which oracles in which modes, how often, and what came of it as TAP
 *
 *	oracle [NAME...]	native, unicorn, zydis; all without a name
 *
 *	oracle --cases FILE N	cases for the program in a guest (export.c)
 *
 * SEED=n repeats a run, CASES=n is the number for each oracle and mode.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "oracle.h"

#define ENOUGH	20	/* cases of a slot that ended without an exception */
#define ALL_SLOTS 60000	/* cases in a mode that bring each slot so often */

struct oracle {
	const char *name;
	void (*run)(struct run *r);
	unsigned long brief, full;	/* cases in a mode */
};

static const struct oracle oracles[] = {
	{ "native", native_run, 300000, 1500000 },
	{ "unicorn", unicorn_run, 60000, 500000 },
	{ "zydis", zydis_run, 500000, 2000000 },
};

static const enum emul_mode modes[] = { EMUL_LONG, EMUL_PROT32, EMUL_PROT16, EMUL_REAL };

static unsigned long total_compared;

void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		return p;
	perror("oracle: memory");
	exit(2);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 0) : otherwise;
}

static bool run_mode(const struct oracle *o, unsigned int nr)
{
	unsigned long cases = number("KEEL_FULL", 0) ? o->full : o->brief;
	struct run r = { .mode = modes[nr], .n = shared_memory(sizeof(*r.n)) };
	bool good;

	r.cases = number("CASES", cases);
	o->run(&r);
	if (r.skip) {
		printf("    ok %u - %s # SKIP %s\n", nr + 1, mode_names[r.mode], r.skip);
		return true;
	}
	comment("%s: %lu cases: %lu compared (%lu without exception), %lu not emulated, "
		"%lu not for this oracle, %lu not safe to run, %lu differ", mode_names[r.mode],
		r.n->cases, r.n->compared, r.n->ended, r.n->unhandled, r.n->excluded,
		r.n->unsafe, r.n->differ);
	good = !r.n->differ && r.n->compared > r.cases / 3;
	total_compared += r.n->compared;
	printf("    %sok %u - %s\n", good ? "" : "not ", nr + 1, mode_names[r.mode]);
	return good;
}

static bool run_oracle(const struct oracle *o)
{
	unsigned long before = total_compared;
	struct timespec a, b;
	bool good = true;
	unsigned int i;
	double t;

	printf("# Subtest: %s\n    1..%zu\n", o->name, ARRAY_SIZE(modes));
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		good &= run_mode(o, i);
	clock_gettime(CLOCK_MONOTONIC, &b);
	t = b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9;
	comment("%s: %lu compared in %.0f s, %.0f in a second", o->name, total_compared - before,
		t, (total_compared - before) / (t > 0 ? t : 1));
	return good;
}

/* Each slot must have been executed to its end; UD has no other end than an exception. */
static bool covered(void)
{
	bool good = true;
	unsigned int i;
	char name[32];

	for (i = 0; i < nr_slots; i++) {
		const struct slot *s = &slots[i];
		unsigned long n = s->row->exec == exec_ud ? s->compared : s->ended;

		if (n >= ENOUGH)
			continue;
		comment("%s: compared %lu times, %lu without exception",
			slot_name(s, name, sizeof(name)), s->compared, s->ended);
		good = false;
	}
	return good;
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

static unsigned int finish(bool good, unsigned int nr, const char *name)
{
	printf("%sok %u - %s\n", good ? "" : "not ", nr, name);
	fflush(stdout);
	return !good;
}

int main(int argc, char **argv)
{
	unsigned int i, nr = 0, bad = 0, n = 1;

	for (i = 0; i < ARRAY_SIZE(oracles); i++)
		n += wanted(oracles[i].name, argc, argv);
	/* The same cases each time, but for those who have time to look at a difference. */
	gen_seed = number("SEED", getenv("KEEL_FULL") && *getenv("KEEL_FULL") ?
			  time(NULL) * 1000003UL + getpid() : 1);
	allow_init();
	if (argc == 4 && !strcmp(argv[1], "--cases"))
		return slots_init() ? export_cases(argv[2], strtoul(argv[3], NULL, 0)) : 1;
	printf("TAP version 13\n1..%u\n# SEED=%llu\n", n + (argc < 2), gen_seed);
	bad += finish(slots_init(), ++nr, "every opcode of the tables has its rules");
	printf("# %u opcodes, %lu combinations in long mode\n", nr_slots,
	       gen_combinations(EMUL_LONG));
	for (i = 0; i < ARRAY_SIZE(oracles); i++)
		if (wanted(oracles[i].name, argc, argv))
			bad += finish(run_oracle(&oracles[i]), ++nr, oracles[i].name);
	if (argc < 2 && number("CASES", ALL_SLOTS) < ALL_SLOTS)
		printf("ok %u - every opcode was executed by an oracle # SKIP too few CASES\n", ++nr);
	else if (argc < 2 && native_possible(EMUL_LONG))
		printf("ok %u - every opcode was executed by an oracle # SKIP no native oracle\n",
		       ++nr);
	else if (argc < 2)
		bad += finish(covered(), ++nr, "every opcode was executed by an oracle");
	allow_report("");
	printf("# %lu cases compared, %.0f s\n", total_compared, seconds());
	return bad ? 1 : 0;
}

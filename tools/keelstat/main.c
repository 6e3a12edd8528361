// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - options and tables
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "keelstat.h"

#define MAX_COUNTERS	256
#define BAR		40

static struct {
	pid_t pid;
	double seconds;
	long rounds;		/* 0: for ever */
	bool timed;
	bool total;		/* since the VM's start, not per round */
} opt = { .seconds = 1 };

static void usage(FILE *f)
{
	fputs("usage: keelstat [-p PID] [-d SECONDS] [-n ROUNDS] [-t] [-a]\n"
	      "\n"
	      "Counters of the VMs that run on keel, and of their vCPUs: per second, or with -a\n"
	      "since they were made. -t: how long exits took, too, as histograms of CPU cycles\n"
	      "until the guest ran again; userspace's time and HLT's wait are in it.\n"
	      "Wants what ptrace wants: the same user (Yama may forbid it), or root.\n", f);
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "p:d:n:tah")) != -1) {
		switch (c) {
		case 'p':
			opt.pid = atoi(optarg);
			break;
		case 'd':
			opt.seconds = atof(optarg);
			break;
		case 'n':
			opt.rounds = atol(optarg);
			break;
		case 't':
			opt.timed = true;
			break;
		case 'a':
			opt.total = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(64);
		}
	}
	if (optind != argc || !(opt.seconds > 0) || opt.rounds < 0) {
		usage(stderr);
		exit(64);
	}
}

static double elapsed = 1;	/* seconds that the last round took */

struct row {
	const char *name;
	uint64_t value;
	bool level;
};

static int by_value(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->level != y->level)
		return x->level - y->level;
	return (x->value < y->value) - (x->value > y->value);
}

static void print_source(const struct source *s)
{
	struct row rows[MAX_COUNTERS];
	unsigned int i, n = 0;

	for (i = 0; i < source_counters(s) && n < MAX_COUNTERS; i++) {
		struct row r = { source_name(s, i), source_value(s, i), source_is_level(s, i) };

		if (!r.level && !opt.total)
			r.value = source_delta(s, i) / elapsed;
		if (r.value)
			rows[n++] = r;
	}
	qsort(rows, n, sizeof(rows[0]), by_value);
	for (i = 0; i < n; i++)
		printf("  %12llu %s%s\n", (unsigned long long)rows[i].value,
		       opt.total || rows[i].level ? "" : "/s ", rows[i].name);
}

/* The names of the kinds are those of the counters that count them. */
static const char *kind_name(const struct source *s, unsigned int kind)
{
	unsigned int i;

	for (i = 0; i < source_counters(s); i++)
		if (!strncmp(source_name(s, i), "exit_", 5) && !kind--)
			return source_name(s, i) + 5;
	return NULL;
}

static void print_times(struct source *s, const char *name, unsigned int kind)
{
	uint64_t now[KEEL_TIMES_BUCKETS], all = 0, most = 0;
	unsigned int i;

	for (i = 0; i < KEEL_TIMES_BUCKETS; i++) {
		now[i] = s->times->count[kind][i] - s->times_before->count[kind][i];
		s->times_before->count[kind][i] += now[i];
		all += now[i];
		most = now[i] > most ? now[i] : most;
	}
	if (!all)
		return;
	printf("    %s: %llu, cycles\n", name, (unsigned long long)all);
	for (i = 0; i < KEEL_TIMES_BUCKETS; i++)
		if (now[i])
			printf("      >= 2^%-2u %10llu %.*s\n", i, (unsigned long long)now[i],
			       (int)(1 + now[i] * (BAR - 1) / most),
			       "########################################");
}

static void print_all_times(struct source *s)
{
	unsigned int kind;
	const char *name;

	for (kind = 0; kind < KEEL_TIMES_KINDS && (name = kind_name(s, kind)); kind++)
		print_times(s, name, kind);
}

static void show(struct source *s)
{
	if (s->vcpu < 0)
		printf("VM of process %d, file %d\n", s->pid, s->theirs);
	else
		printf("vCPU %d of process %d, file %d\n", s->vcpu, s->pid, s->theirs);
	print_source(s);
	if (s->times)
		print_all_times(s);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Let go of those for which @good is false. */
static void keep(struct source **all, bool (*good)(struct source *s))
{
	struct source *s;

	while ((s = *all)) {
		if (good(s)) {
			all = &s->next;
			continue;
		}
		*all = s->next;
		source_free(s);
	}
}

/* A VM that ended is let go within @PIECE, however long the round is. */
#define PIECE	1.0

static void wait_round(struct source **all)
{
	double end = now() + opt.seconds, left;
	struct timespec t;

	fflush(stdout);
	while ((left = end - now()) > 0) {
		left = left < PIECE ? left : PIECE;
		t.tv_sec = left;
		t.tv_nsec = (left - (long)left) * 1e9;
		nanosleep(&t, NULL);
		keep(all, source_lives);
	}
}

static void run_round(struct source **all)
{
	double begin = now();
	struct source *s;

	if (!opt.total) {
		wait_round(all);
		elapsed = now() - begin;
		keep(all, source_read);
	}
	for (s = *all; s; s = s->next)
		show(s);
	putchar('\n');
}

int main(int argc, char **argv)
{
	unsigned int denied;
	struct source *all;
	long round;

	parse_options(argc, argv);
	all = find_sources(opt.pid, opt.timed, opt.total, &denied);
	if (denied)
		warnx("no access to %u files or processes (another user's, or Yama forbids it)",
		      denied);
	if (!all)
		errx(1, "no VM on keel is found%s", denied ? ": try as root" : "");
	keep(&all, source_read);
	for (round = 0; all && (!opt.rounds || round < opt.rounds); round++) {
		run_round(&all);
		if (opt.total)
			break;
	}
	return 0;
}

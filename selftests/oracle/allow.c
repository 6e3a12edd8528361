// SPDX-License-Identifier: GPL-2.0
/*
 * allow.c - differences that are known, and cases that an oracle cannot run
 */
#include "oracle.h"

struct allowance {
	unsigned int who;
	bool (*match)(const struct difference *d);
	const char *manual, *why;
};

struct exclusion {
	unsigned int who;
	bool (*match)(const struct test_case *t);
	const char *why;
};

static bool is(const struct test_case *t, enum emul_result (*exec)(struct emul *e))
{
	return t->slot->row->exec == exec;
}

/* ---- differences ---- */

static const struct allowance allowances[] = {
	{ }
};

/* ---- cases ---- */

static bool case_smsw(const struct test_case *t)
{
	return is(t, exec_smsw);
}

static const struct exclusion exclusions[] = {
	{ AT_NATIVE, case_smsw, "Linux answers SMSW itself where the CPU has UMIP" },
};

#define NR_COUNTS	64

static unsigned long *counts;

void allow_init(void)
{
	counts = shared_memory(NR_COUNTS * sizeof(*counts));
}

bool allowed(const struct difference *d)
{
	const struct allowance *a;

	for (a = allowances; a->match; a++) {
		if (!(a->who & d->t->place->id) || !a->match(d))
			continue;
		counts[a - allowances]++;
		return true;
	}
	return false;
}

bool excluded(const struct test_case *t)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(exclusions); i++)
		if (exclusions[i].who & t->place->id && exclusions[i].match(t))
			return true;
	return false;
}

void allow_report(const char *indent)
{
	const struct allowance *a;

	for (a = allowances; a->match; a++)
		printf("%s# allowed %lu times: %s (%s)\n", indent, counts[a - allowances], a->why,
		       a->manual);
}

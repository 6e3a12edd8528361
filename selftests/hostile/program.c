// SPDX-License-Identifier: GPL-2.0
/*
 * program.c - programs: how they are made, changed, written and read
 *
 * As text a program is a line for itself and one for each step:
 *
 *	program 17 scribbler 0x1234
 *	call KVM_SET_REGS vcpu 1 thread 0 level 2 seed 0xdeadbeef
 *	run vcpu 0 thread 1 seed 0x12
 */
#include <stdio.h>
#include <string.h>
#include "storm.h"

static const char *const kind_name[S_KINDS] = {
	[S_CALL] = "call", [S_SETUP] = "setup", [S_CLOSE] = "close", [S_DUP] = "dup",
	[S_FORK] = "fork", [S_MAP] = "map", [S_MEMORY] = "memory", [S_RUN] = "run",
	[S_SCRIBBLE] = "scribble", [S_SIGNAL] = "signal",
};

/* ---- making ---- */

static u8 any_kind(struct rng *r)
{
	static const u8 kinds[] = {
		S_CALL, S_CALL, S_CALL, S_CALL, S_CALL, S_CALL, S_CALL, S_CALL, S_CALL, S_CALL,
		S_RUN, S_RUN, S_RUN, S_RUN, S_SETUP, S_CLOSE, S_DUP, S_FORK, S_MAP, S_MEMORY,
		S_MEMORY, S_SCRIBBLE, S_SCRIBBLE, S_SIGNAL,
	};

	return rng_pick(r, kinds);
}

static u8 any_level(struct rng *r)
{
	static const u8 levels[] = { 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4 };

	return rng_pick(r, levels);
}

static struct step any_step(struct rng *r)
{
	return (struct step){
		.kind = any_kind(r),
		.call = rng_below(r, nr_calls),
		.object = rng_one_in(r, 3) ? rng_below(r, VCPUS) : 0,
		.thread = rng_one_in(r, 3),
		.level = any_level(r),
		.seed = rng_next(r),
	};
}

/* One thread alone can be repeated exactly: half of all programs. */
static void maybe_alone(struct rng *r, struct program *p)
{
	unsigned int i;

	p->scribbler = rng_one_in(r, 2) ? (rng_next(r) & 0xffffffff) | 1 : 0;
	if (p->scribbler)
		return;
	for (i = 0; i < p->nr; i++)
		p->steps[i].thread = 0;
}

void program_make(struct rng *r, struct program *p)
{
	unsigned int i;

	p->nr = 6 + rng_below(r, MAX_STEPS - 6);
	for (i = 0; i < p->nr; i++)
		p->steps[i] = any_step(r);
	for (i = 0; i < 1 + rng_below(r, 2); i++)
		p->steps[i] = (struct step){
			.kind = S_SETUP, .object = i, .seed = rng_next(r),
		};
	maybe_alone(r, p);
}

static void insert(struct program *p, unsigned int at, struct step s)
{
	if (p->nr >= MAX_STEPS)
		return;
	memmove(&p->steps[at + 1], &p->steps[at], (p->nr - at) * sizeof(s));
	p->steps[at] = s;
	p->nr++;
}

static void drop(struct program *p, unsigned int at)
{
	if (p->nr < 2)
		return;
	p->nr--;
	memmove(&p->steps[at], &p->steps[at + 1], (p->nr - at) * sizeof(p->steps[0]));
}

void program_mutate(struct rng *r, struct program *p, const struct program *other)
{
	unsigned int n = 1 + rng_below(r, 4), at, i;

	while (n--) {
		at = rng_below(r, p->nr);
		switch (rng_below(r, 6)) {
		case 0:
			p->steps[at].seed = rng_next(r);
			break;
		case 1:
			p->steps[at].level = any_level(r);
			break;
		case 2:
			insert(p, at, any_step(r));
			break;
		case 3:
			drop(p, at);
			break;
		case 4:
			insert(p, at, p->steps[rng_below(r, p->nr)]);
			break;
		default:
			for (i = 0; i < 6; i++)
				insert(p, at, other->steps[rng_below(r, other->nr)]);
		}
	}
	if (rng_one_in(r, 4))
		maybe_alone(r, p);
}

/* ---- text ---- */

static const char *object_name(const struct step *s)
{
	static const char *const names[O_KINDS] = { "dev", "vm", "vcpu" };

	return s->kind == S_CALL || s->kind == S_FORK ? names[calls[s->call].object] : "object";
}

size_t program_print(const struct program *p, char *buf, size_t size)
{
	size_t len = snprintf(buf, size, "program %u scribbler %#x\n", p->nr, p->scribbler);
	unsigned int i;

	for (i = 0; i < p->nr && len < size; i++) {
		const struct step *s = &p->steps[i];

		len += snprintf(buf + len, size - len,
				"%s %s %s %u thread %u level %u seed %#x\n", kind_name[s->kind],
				s->kind == S_CALL || s->kind == S_FORK ? calls[s->call].name : "-",
				object_name(s), s->object, s->thread, s->level, s->seed);
	}
	return len < size ? len : 0;
}

static int kind_of(const char *name)
{
	int i;

	for (i = 0; i < S_KINDS; i++)
		if (!strcmp(kind_name[i], name))
			return i;
	return -1;
}

static int call_of(const char *name, const char *object)
{
	struct step s = { .kind = S_CALL };
	unsigned int i;

	for (i = 0; i < nr_calls; i++) {
		s.call = i;
		if (!strcmp(calls[i].name, name) && !strcmp(object_name(&s), object))
			return i;
	}
	return -1;
}

static bool read_step(const char *line, struct step *s)
{
	unsigned int object, thread, level, seed;
	char kind[16], call[48], what[16];
	int k, c = 0;

	if (sscanf(line, "%15s %47s %15s %u thread %u level %u seed %x", kind, call, what, &object,
		   &thread, &level, &seed) != 7)
		return false;
	k = kind_of(kind);
	if (k == S_CALL || k == S_FORK)
		c = call_of(call, what);
	if (k < 0 || c < 0 || thread > 1)
		return false;
	*s = (struct step){ k, c, object, thread, level, seed };
	return true;
}

bool program_read(struct program *p, const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned int steps = 0;
	char line[200];

	memset(p, 0, sizeof(*p));
	if (!f || !fgets(line, sizeof(line), f) ||
	    sscanf(line, "program %u scribbler %x", &steps, &p->scribbler) != 2) {
		note("%s: no program", path);
		if (f)
			fclose(f);
		return false;
	}
	while (p->nr < MAX_STEPS && fgets(line, sizeof(line), f) &&
	       read_step(line, &p->steps[p->nr]))
		p->nr++;
	fclose(f);
	if (p->nr != steps || !steps)
		note("%s: line %u is not understood", path, p->nr + 2);
	return p->nr == steps && steps;
}

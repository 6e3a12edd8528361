// SPDX-License-Identifier: GPL-2.0
/*
 * kernel.c - see kernel.h
 */
#include "fuzz.h"
#include "kernel.h"

struct shim_task shim_task;
int shim_fail = -1;
long shim_live;

void *shim_alloc(size_t n, size_t size)
{
	void *p;

	if (shim_fail >= 0 && shim_fail-- == 0)
		return NULL;
	/* Untouched pages of a large log cost nothing here, either. */
	p = calloc(n, size);
	CHECK(p);
	shim_live++;
	return p;
}

void shim_free(const void *p)
{
	if (!p)
		return;
	shim_live--;
	free((void *)p);
}

void shim_lock(bool *held)
{
	CHECK(!*held);
	*held = true;
}

void shim_unlock(bool *held)
{
	CHECK(*held);
	*held = false;
}

void shim_assert(bool held)
{
	CHECK(held);
}

/* The first range that touches [first, last]. */
struct shim_range *shim_find(struct shim_ranges *t, unsigned long first, unsigned long last)
{
	struct shim_range *best = NULL;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->r[i].first <= last && t->r[i].last >= first &&
		    (!best || t->r[i].first < best->first))
			best = &t->r[i];
	return best;
}

static void shim_add(struct shim_ranges *t, unsigned long first, unsigned long last, void *p)
{
	CHECK(t->nr < SHIM_RANGES);
	t->r[t->nr++] = (struct shim_range){ first, last, p };
}

/* NULL in a maple tree is nothing; an xarray's is made by shim_store() with one index. */
int shim_store(struct shim_ranges *t, unsigned long first, unsigned long last, void *p)
{
	struct shim_range *r, old;

	if (shim_fail >= 0 && shim_fail-- == 0)
		return -ENOMEM;
	while ((r = shim_find(t, first, last))) {
		old = *r;
		*r = t->r[--t->nr];
		if (old.first < first)
			shim_add(t, old.first, first - 1, old.p);
		if (old.last > last)
			shim_add(t, last + 1, old.last, old.p);
	}
	if (p)
		shim_add(t, first, last, p);
	return 0;
}

/* Cannot fail: an entry was there, or is taken away. */
void shim_store_there(struct shim_ranges *t, unsigned long index, void *p)
{
	int fail = shim_fail;

	shim_fail = -1;
	shim_store(t, index, index, p);
	shim_fail = fail;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * counters.c - the file of KVM_GET_STATS_FD
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "keelstat.h"

#define IMAGE_STEP	4096

static const struct kvm_stats_header *header(const struct source *s)
{
	return (const void *)s->image;
}

static const struct kvm_stats_desc *desc(const struct source *s, unsigned int i)
{
	size_t size = sizeof(struct kvm_stats_desc) + header(s)->name_size;

	return (const void *)(s->image + header(s)->desc_offset + i * size);
}

static uint64_t *values(const struct source *s)
{
	return (uint64_t *)(s->image + header(s)->data_offset);
}

unsigned int source_counters(const struct source *s)
{
	return header(s)->num_desc;
}

const char *source_name(const struct source *s, unsigned int i)
{
	return desc(s, i)->name;
}

bool source_is_level(const struct source *s, unsigned int i)
{
	return (desc(s, i)->flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_INSTANT;
}

uint64_t source_value(const struct source *s, unsigned int i)
{
	return values(s)[desc(s, i)->offset / sizeof(uint64_t)];
}

uint64_t source_delta(const struct source *s, unsigned int i)
{
	return source_value(s, i) - s->before[desc(s, i)->offset / sizeof(uint64_t)];
}

/* The first read: how large is it? */
static bool source_read_all(struct source *s)
{
	size_t room = 0;
	ssize_t n;
	char *p;

	do {
		room += IMAGE_STEP;
		p = realloc(s->image, room);
		if (!p)
			return false;
		s->image = p;
		n = pread(s->fd, p, room, 0);
	} while (n == (ssize_t)room);
	if (n < (ssize_t)sizeof(struct kvm_stats_header) || header(s)->data_offset > n)
		return false;
	s->size = n;
	s->before = calloc(1, s->size - header(s)->data_offset);
	return s->before;
}

bool source_read(struct source *s)
{
	size_t data;

	if (!s->before)
		return source_read_all(s);
	data = s->size - header(s)->data_offset;
	memcpy(s->before, values(s), data);
	return pread(s->fd, values(s), data, header(s)->data_offset) == (ssize_t)data;
}

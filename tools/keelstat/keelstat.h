/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keelstat.h - VMs and vCPUs of other processes, and their counters
 */
#ifndef KEELSTAT_H
#define KEELSTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/keel.h>

#define LINK_SIZE	64

/* One stats fd: a VM's or a vCPU's. */
struct source {
	pid_t pid;
	int vcpu;			/* its id, or -1: the VM */
	int theirs;			/* the file it came from, in @pid, */
	char link[LINK_SIZE];		/* and what /proc says of that */
	int fd;
	char *image;			/* the file, as it was read last */
	size_t size;
	uint64_t *before;		/* the counters as they were read before that */
	const struct keel_exit_times *times;	/* NULL: not timed */
	struct keel_exit_times *times_before;
	struct source *next;
};

/*
 * find.c: the sources of process @pid, or of all processes if @pid is 0, in the order of
 * /proc; a file that has several names in one process once. What we may not look at is
 * passed over, and *denied counts it.
 */
struct source *find_sources(pid_t pid, bool timed, bool total, unsigned int *denied);

/* Our file keeps a VM alive, so let go when its own process has no more of it. */
bool source_lives(struct source *s);
void source_free(struct source *s);

/* counters.c: read anew. False: the VM is gone. */
bool source_read(struct source *s);
unsigned int source_counters(const struct source *s);
const char *source_name(const struct source *s, unsigned int i);
bool source_is_level(const struct source *s, unsigned int i);	/* goes up and down */
uint64_t source_value(const struct source *s, unsigned int i);
uint64_t source_delta(const struct source *s, unsigned int i);

#endif

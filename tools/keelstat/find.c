// SPDX-License-Identifier: GPL-2.0
/*
 * find.c - the VMs' and vCPUs' files of other processes
 *
 * By the names that /proc shows. Taking a copy of another's file wants what ptrace
 * wants: the same user (and that Yama and the process allow it), or root.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kcmp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "keelstat.h"

#define LINK_VM		"anon_inode:kvm-vm"
#define LINK_VCPU	"anon_inode:kvm-vcpu:%d"

struct search {
	bool timed, total;
	struct source *first;
	unsigned int *denied;
	struct source **end;
};

static int pidfd_open_(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

static int pidfd_getfd_(int pidfd, int fd)
{
	return syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

static void start_times(struct source *s, bool total)
{
	void *p;

	if (ioctl(s->fd, KEEL_STATS_TIMES))
		return;
	p = mmap(NULL, sizeof(*s->times), PROT_READ, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return;
	s->times = p;
	s->times_before = calloc(1, sizeof(*s->times_before));
	if (s->times_before && !total)
		memcpy(s->times_before, p, sizeof(*s->times_before));
	if (!s->times_before)
		s->times = NULL;
}

static bool known(const struct source *all, pid_t pid, int theirs)
{
	for (; all; all = all->next)
		if (all->pid == pid &&
		    !syscall(SYS_kcmp, pid, pid, KCMP_FILE, all->theirs, theirs))
			return true;
	return false;
}

/* What /proc says of file @fd of process @pid. */
static bool read_link(pid_t pid, int fd, char link[LINK_SIZE])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	n = readlink(path, link, LINK_SIZE - 1);
	if (n >= 0)
		link[n] = 0;
	return n >= 0;
}

bool source_lives(struct source *s)
{
	char link[LINK_SIZE];

	return read_link(s->pid, s->theirs, link) && !strcmp(link, s->link);
}

void source_free(struct source *s)
{
	if (s->times)
		munmap((void *)s->times, sizeof(*s->times));
	close(s->fd);
	free(s->times_before);
	free(s->before);
	free(s->image);
	free(s);
}

/* @link: read_link() of file @theirs of process @pid. */
static void add(struct search *q, pid_t pid, int pidfd, int theirs, const char *link)
{
	int ours = pidfd_getfd_(pidfd, theirs), fd;
	struct source *s;

	if (ours < 0) {
		*q->denied += errno == EPERM || errno == EACCES;
		return;
	}
	/* kvm's are not for other processes. */
	fd = ioctl(ours, KVM_GET_STATS_FD, NULL);
	close(ours);
	s = fd < 0 ? NULL : calloc(1, sizeof(*s));
	if (!s) {
		if (fd >= 0)
			close(fd);
		return;
	}
	s->pid = pid;
	s->fd = fd;
	s->theirs = theirs;
	snprintf(s->link, sizeof(s->link), "%s", link);
	if (sscanf(link, LINK_VCPU, &s->vcpu) != 1)
		s->vcpu = -1;
	if (q->timed && s->vcpu >= 0)
		start_times(s, q->total);
	*q->end = s;
	q->end = &s->next;
}

static void look_at(struct search *q, pid_t pid, int pidfd, int theirs)
{
	char link[LINK_SIZE];
	int vcpu;

	if (!read_link(pid, theirs, link))
		return;
	if (strcmp(link, LINK_VM) && sscanf(link, LINK_VCPU, &vcpu) != 1)
		return;
	if (!known(q->first, pid, theirs))
		add(q, pid, pidfd, theirs, link);
}

static void search_process(struct search *q, pid_t pid)
{
	int pidfd = pidfd_open_(pid);
	struct dirent *e;
	char dir[32];
	DIR *d;

	if (pidfd < 0)
		return;
	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	if (!d && errno == EACCES && pid != getpid())
		++*q->denied;
	while (d && (e = readdir(d)))
		if (isdigit(e->d_name[0]))
			look_at(q, pid, pidfd, atoi(e->d_name));
	if (d)
		closedir(d);
	close(pidfd);
}

struct source *find_sources(pid_t pid, bool timed, bool total, unsigned int *denied)
{
	struct search q = { .timed = timed, .total = total, .denied = denied };
	struct dirent *e;
	DIR *d;

	*denied = 0;
	q.end = &q.first;
	if (pid) {
		search_process(&q, pid);
		return q.first;
	}
	d = opendir("/proc");
	while (d && (e = readdir(d)))
		if (isdigit(e->d_name[0]))
			search_process(&q, atoi(e->d_name));
	if (d)
		closedir(d);
	return q.first;
}

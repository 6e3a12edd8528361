// SPDX-License-Identifier: GPL-2.0
/*
 * kcov.c - feedback: which code of the module a program's system calls reached
 *
 * Only keel.ko is built with KCOV, so whatever is reported is Keel's.
 */
#include <fcntl.h>
#include <linux/kcov.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "storm.h"

#define WORDS		(256 * 1024UL)
#define THREADS		2

static struct {
	int fd;
	u64 *area;
} handles[THREADS];

static bool open_one(unsigned int i)
{
	handles[i].fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (handles[i].fd < 0 || ioctl(handles[i].fd, KCOV_INIT_TRACE, WORDS))
		return false;
	handles[i].area = mmap(NULL, WORDS * sizeof(u64), PROT_READ | PROT_WRITE, MAP_SHARED,
			       handles[i].fd, 0);
	return handles[i].area != MAP_FAILED;
}

bool kcov_open(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (!open_one(i)) {
			handles[0].area = NULL;
			return false;
		}
	return true;
}

void kcov_start(unsigned int thread)
{
	if (!handles[0].area || ioctl(handles[thread].fd, KCOV_ENABLE, KCOV_TRACE_PC))
		return;
	__atomic_store_n(&handles[thread].area[0], 0, __ATOMIC_RELAXED);
}

static bool mark(u8 *seen, u64 what, u32 *count)
{
	u32 bit = (what * 0x9e3779b97f4a7c15ULL) >> 44;

	if (seen[bit / 8] & 1 << bit % 8)
		return false;
	seen[bit / 8] |= 1 << bit % 8;
	(*count)++;
	return true;
}

bool kcov_stop(unsigned int thread, struct cover *c)
{
	u64 *area = handles[thread].area, n, i, last = 0;
	bool any = false;

	if (!handles[0].area)
		return false;
	ioctl(handles[thread].fd, KCOV_DISABLE, 0);
	n = __atomic_load_n(&area[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < WORDS; i++) {
		any |= mark(c->pc_seen, area[i], &c->pcs);
		any |= mark(c->edge_seen, area[i] ^ (last << 1 | last >> 63), &c->edges);
		last = area[i];
	}
	return any;
}

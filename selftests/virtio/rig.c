// SPDX-License-Identifier: GPL-2.0
/*
 * rig.c - guest memory with a queue in it
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "rig.h"
#include "tap.h"

struct vm_options opt = { .mem = RAM };
struct vm vm = { .lock = PTHREAD_MUTEX_INITIALIZER };
struct vq rig_q;
struct vq_chain rig_c;

void rig_setup(void)
{
	free(vm.mem);
	vm.mem = calloc(1, RAM);	/* exactly: ASan sees a byte beyond */
	assert(vm.mem);
	rig_q = (struct vq){ .r.num = NUM, .r.gpa = { DESC, AVAIL, USED },
		.r.indirect = true };
	assert(vq_start(&rig_q));
}

void rig_put(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*rig_desc(i) = (struct vring_desc){ addr, len, flags, next };
}

void rig_put_table(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc d = { addr, len, flags, next };

	memcpy(vm.mem + TABLE + i * sizeof(d), &d, sizeof(d));
}

void rig_offer(uint16_t head)
{
	rig_avail()->ring[rig_avail()->idx % NUM] = head;
	__atomic_add_fetch(&rig_avail()->idx, 1, __ATOMIC_RELEASE);
}

static uint64_t random_state;

static unsigned long seed(void)
{
	const char *given = getenv("SEED"), *full = getenv("KEEL_FULL");

	if (given && *given)
		return strtoul(given, NULL, 0);
	return full && *full ? time(NULL) * 1000003UL + getpid() : 1;
}

void rig_seed(void)
{
	unsigned long n = seed();

	tap_note("SEED=%lu", n);
	random_state = (n + 1) * 0x9e3779b97f4a7c15ull;
}

uint32_t rig_random(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return random_state >> 33;
}

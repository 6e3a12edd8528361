// SPDX-License-Identifier: GPL-2.0
/*
 * race.c - the CPU sets a dirty bit at the moment its entry is changed
 *
 * In each round a thread writes to one frame as the CPU would, while the frame is
 * protected, aged, or its leaf split. If the write got through, the dirty bit must
 * still be in the tables.
 */
#include <pthread.h>
#include <sched.h>
#include "tap.h"
#include "stage2_test.h"

#define ROUNDS	6000
#define FRAME	5ULL

static unsigned int go, done;	/* numbers of rounds: started, and over for the CPU */
static bool wrote;

static void delay(unsigned int n)
{
	while (n--)
		barrier();
}

/* The other thread may not be running: let it. */
static void wait_for(const unsigned int *round, unsigned int value)
{
	unsigned int spins = 0;

	while (__atomic_load_n(round, __ATOMIC_ACQUIRE) < value)
		if (++spins % 256 == 0)
			sched_yield();
}

static void *cpu_thread(void *unused)
{
	unsigned int round;
	u64 x = 88172645463325252ULL;

	for (round = 1; round <= ROUNDS; round++) {
		wait_for(&go, round);
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		delay(x % (1U << ((x >> 40) % 15)));	/* any order of magnitude */
		wrote = cpu_access(FRAME, true, NULL);
		__atomic_store_n(&done, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void map(gfn_t gfn, unsigned int level, bool exec)
{
	struct s2_map m = {
		.gfn = gfn, .pa = gfn << 12, .level = level, .write = true, .exec = exec,
		.cache = &env,
	};

	env.cache = 4;
	EXPECT_EQ(s2_map(&env.s2, &m), 0);
}

static void change(unsigned int what)
{
	struct s2_range r = { .gfn = FRAME, .end = FRAME + 1 };

	switch (what) {
	case 0:
		s2_protect(&env.s2, &r);
		break;
	case 1:
		s2_age(&env.s2, &r);
		break;
	default:	/* a right that the large leaf does not have: it is split */
		map(FRAME + 1, 1, true);
	}
}

static void clean(void)
{
	struct s2_range all = { .end = 512 };

	s2_unmap(&env.s2, &all);
	env_flush();
}

static void race_round(unsigned int round)
{
	unsigned int what = test_random() % 3;
	struct s2_leaf l = {};

	map(FRAME, what == 2 ? 2 : 1 + test_random() % 2, false);
	__atomic_store_n(&go, round, __ATOMIC_RELEASE);
	delay(test_random() % (1U << (test_random() % 8)));
	change(what);
	wait_for(&done, round);
	s2_lookup(&env.s2, FRAME, &l);
	EXPECT_LE(wrote, l.dirty);
	clean();
}

static void race(const struct s2_format *fmt)
{
	unsigned int i, writes = 0;
	pthread_t cpu;

	go = 0;
	done = 0;
	env_start(fmt, 4, 0);
	pthread_create(&cpu, NULL, cpu_thread, NULL);
	for (i = 1; i <= ROUNDS; i++) {
		race_round(i);
		writes += wrote;
	}
	pthread_join(cpu, NULL);
	EXPECT_GT(writes, 0);
	env_end();
}

TEST(dirty_bit_set_meanwhile)
{
	test_seed();
	race(&s2_format_npt);
	race(&s2_format_ept);
}

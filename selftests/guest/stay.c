// SPDX-License-Identifier: GPL-2.0
/*
 * stay.c - no test: a guest that runs, exits and sleeps until it is killed
 */
#include "lib.h"

static void t_stay(void)
{
	print("running\n");
	for (;;) {
		cpuid(0, 0);
		inb(0x80);
	}
}

const struct test tests[] = {
	{ "stay", t_stay },
	{ }
};

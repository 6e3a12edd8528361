// SPDX-License-Identifier: GPL-2.0
/*
 * triple.c - a triple fault ends the machine: keelvm must end with its own status. The
 * plan is met before; what comes after must not.
 */
#include "lib.h"

static void t_last(void)
{
	EXPECT(true);
}

const struct test tests[] = {
	{ "last words before a triple fault", t_last },
	{ }
};

void setup(void)
{
	const struct descriptor_ptr none = { 0, 0 };

	print("1..1\nok 1 - the plan is met before the triple fault\n");
	lidt(&none);
	asm volatile("ud2");
	print("not ok 2 - a triple fault was survived\n");
}

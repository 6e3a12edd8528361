// SPDX-License-Identifier: GPL-2.0
/*
 * For GNU make's "load": the function $(exit STATUS) ends make with that status.
 *
 * Make itself only knows 0, 1 and 2; `make run CMD=...` is to return what the
 * command in the guest returned.
 */
#include <gnumake.h>
#include <stdlib.h>

int plugin_is_GPL_compatible;

int exit_gmk_setup(void);

static char *exit_with(const char *name, unsigned int argc, char **argv)
{
	(void)name;
	(void)argc;
	exit(atoi(argv[0]));
}

int exit_gmk_setup(void)
{
	gmk_add_function("exit", exit_with, 1, 1, GMK_FUNC_DEFAULT);
	return 1;
}

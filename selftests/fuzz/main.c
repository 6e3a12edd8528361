// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - between libFuzzer and a target
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz f = { .p = data, .end = data + size };

	fuzz_one(&f);
	if (tap_failures) {
		fflush(stdout);
		abort();
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * mem.c - guest addresses in the VMM's memory
 */
#include "keelvm.h"

uint64_t vm_low(const struct vm *vm)
{
	return vm->opt->mem < KEELVM_GAP_START ? vm->opt->mem : KEELVM_GAP_START;
}

void *vm_ram(struct vm *vm, uint64_t addr, uint64_t len)
{
	uint64_t low = vm_low(vm), base = 0, size = low;

	if (addr >= KEELVM_GAP_END) {
		addr -= KEELVM_GAP_END;
		base = low;
		size = vm->opt->mem - low;
	}
	return addr <= size && len <= size - addr ? vm->mem + base + addr : NULL;
}

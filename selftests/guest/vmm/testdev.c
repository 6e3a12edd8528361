// SPDX-License-Identifier: GPL-2.0
/*
 * testdev.c - what guest tests need beside a PC: memory and a FIFO that are answered by
 * exits, and a way to raise any interrupt
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include "keelvm.h"

#define KEELVM_SCRATCH		0xd0000000ULL	/* memory behind MMIO exits */
#define KEELVM_SCRATCH_RAM	0xd1000000ULL	/* the same memory, as RAM */
#define KEELVM_SCRATCH_SIZE	0x10000
#define KEELVM_FIFO_SIZE	0x10000
#define KEELVM_PORT_FIFO	0x500	/* bytes written are read in the same order */
#define KEELVM_PORT_LINE	0x510	/* writing: sets a GSI's line; 32 bits: GSI | level << 8 */
#define KEELVM_PORT_LATER	0x514	/* the same, 20 ms later */
#define KEELVM_PORT_MSI_ADDR	0x518	/* writing: address of the next MSI */
#define KEELVM_PORT_MSI_DATA	0x51c	/* writing: data; sends it */
#define KEELVM_PORT_NMI		0x520	/* writing: an NMI to the CPU that writes */
#define KEELVM_PORT_LAST	0x523

#define LATER_US	20000

static uint8_t scratch[KEELVM_SCRATCH_SIZE] __attribute__((aligned(4096)));

void testdev_init(void)
{
	vm_add_slot(2, KEELVM_SCRATCH_RAM, KEELVM_SCRATCH_SIZE, scratch);
}

/* The part of an access that lies in the scratch memory; the rest has nobody. */
void testdev_mmio(uint64_t addr, bool write, unsigned int len, uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		uint64_t at = addr + i - KEELVM_SCRATCH;

		if (at >= sizeof(scratch)) {
			if (!write)
				data[i] = 0xff;
		} else if (write) {
			scratch[at] = data[i];
		} else {
			data[i] = scratch[at];
		}
	}
}

/* ---- ports ---- */

static uint8_t fifo[KEELVM_FIFO_SIZE];
static unsigned int fifo_head, fifo_count;

static uint8_t fifo_pop(void)
{
	uint8_t c = fifo[fifo_head];

	if (!fifo_count)
		return 0xff;
	fifo_head = (fifo_head + 1) % KEELVM_FIFO_SIZE;
	fifo_count--;
	return c;
}

static void fifo_push(uint8_t c)
{
	if (fifo_count < KEELVM_FIFO_SIZE)
		fifo[(fifo_head + fifo_count++) % KEELVM_FIFO_SIZE] = c;
}

static void fifo_io(bool in, unsigned int size, uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < size; i++) {
		if (in)
			data[i] = fifo_pop();
		else
			fifo_push(data[i]);
	}
}

/* @val: GSI in the low byte, level above */
static void set_line(uint32_t val)
{
	vm_irq(val & 0xff, val >> 8 & 1);
}

static void *later_run(void *val)
{
	usleep(LATER_US);
	set_line((uintptr_t)val);
	return NULL;
}

static void set_line_later(uint32_t val)
{
	pthread_t t;

	if (pthread_create(&t, NULL, later_run, (void *)(uintptr_t)val))
		vm_die(VM_HOST, "thread of the test device");
	pthread_detach(t);
}

static uint32_t msi_address;

static void send_msi(uint32_t data)
{
	struct kvm_msi msi = { .address_lo = msi_address, .data = data };

	if (ioctl(vm.fd, KVM_SIGNAL_MSI, &msi) < 0)
		vm_die(VM_HOST, "KVM_SIGNAL_MSI");
}

static void testdev_out(struct vm_cpu *cpu, uint16_t port, uint32_t val)
{
	switch (port) {
	case KEELVM_PORT_LINE:
		set_line(val);
		break;
	case KEELVM_PORT_LATER:
		set_line_later(val);
		break;
	case KEELVM_PORT_MSI_ADDR:
		msi_address = val;
		break;
	case KEELVM_PORT_MSI_DATA:
		send_msi(val);
		break;
	case KEELVM_PORT_NMI:
		if (ioctl(cpu->fd, KVM_NMI) < 0)
			vm_die(VM_HOST, "KVM_NMI");
		break;
	}
}

bool testdev_io(struct vm_cpu *cpu, uint16_t port, bool in, unsigned int size, uint8_t *data)
{
	uint32_t val = 0;

	if (port < KEELVM_PORT_FIFO || port > KEELVM_PORT_LAST)
		return false;
	if (port == KEELVM_PORT_FIFO) {
		fifo_io(in, size, data);
	} else if (in) {
		memset(data, 0xff, size);
	} else {
		memcpy(&val, data, size);
		testdev_out(cpu, port, val);
	}
	return true;
}

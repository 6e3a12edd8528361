// SPDX-License-Identifier: GPL-2.0
/*
 * ports.c - the few ports of a PC that a kernel cannot do without
 */
#include "virtio.h"

#define CMOS_INDEX	0x70
#define CMOS_DATA	0x71
#define KBD_COMMAND	0x64
#define PCI_ADDRESS	0xcf8
#define RESET_PORT	0xcf9
#define SLP_EN		0x20	/* in the second byte; there is S5 only */

static uint8_t bcd(int n)
{
	return n / 10 << 4 | n % 10;
}

/* The real-time clock by the host's time; never in the middle of an update */
static uint8_t cmos_read(uint8_t reg)
{
	time_t now = time(NULL);
	struct tm tm = *gmtime(&now);
	const uint8_t cmos[128] = {
		[0x0] = bcd(tm.tm_sec), [0x2] = bcd(tm.tm_min), [0x4] = bcd(tm.tm_hour),
		[0x6] = bcd(tm.tm_wday + 1), [0x7] = bcd(tm.tm_mday), [0x8] = bcd(tm.tm_mon + 1),
		[0x9] = bcd(tm.tm_year % 100), [0x32] = bcd(19 + tm.tm_year / 100),
		[0xa] = 0x26, [0xb] = 0x02, [0xd] = 0x80,
	};

	return cmos[reg % sizeof(cmos)];
}

static uint8_t port_in(uint16_t port)
{
	if (port >= SERIAL_BASE && port < SERIAL_BASE + 8)
		return serial_read(port - SERIAL_BASE);
	if (port == CMOS_DATA)
		return cmos_read(vm.pc.cmos_index);
	if (port >= ACPI_PM1_EVT && port < ACPI_PM1_CNT + 2)
		return vm.pc.pm1[port - ACPI_PM1_EVT];
	return 0xff;	/* nobody there */
}

static void port_out(struct vm_cpu *cpu, uint16_t port, uint8_t val)
{
	if (port >= SERIAL_BASE && port < SERIAL_BASE + 8) {
		serial_write(cpu, port - SERIAL_BASE, val);
	} else if (port == CMOS_INDEX) {
		vm.pc.cmos_index = val;
	} else if (port == ACPI_PM1_EVT + 2 || port == ACPI_PM1_EVT + 3) {
		vm.pc.pm1[port - ACPI_PM1_EVT] = val;
	} else if (port == KEELVM_EXIT_PORT) {
		vm_exit(val);
	} else if ((port == KBD_COMMAND && val == 0xfe) || (port == RESET_PORT && (val & 4)) ||
		   (port == ACPI_PM1_CNT + 1 && (val & SLP_EN))) {
		vm_must(!opt.exec, VM_GUEST, "the guest ended before its program");
		vm_exit(0);
	}
}

/*
 * An access wider than a byte is that many byte ports, as on an 8 bit bus; but for
 * PCI's address register, whose second byte alone is the reset port.
 */
void port_io(struct vm_cpu *cpu, uint16_t port, bool in, unsigned int size, uint8_t *data)
{
	unsigned int i;

	if (port == PCI_ADDRESS && size == 4) {
		memset(data, 0xff, size);
		return;
	}
	pthread_mutex_lock(&vm.lock);
	if (testdev_io && testdev_io(cpu, port, in, size, data))
		size = 0;
	for (i = 0; i < size; i++) {
		if (in)
			data[i] = port_in(port + i);
		else
			port_out(cpu, port + i, data[i]);
	}
	pthread_mutex_unlock(&vm.lock);
	serial_flush(cpu);
}

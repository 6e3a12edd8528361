// SPDX-License-Identifier: GPL-2.0
/*
 * mptable.c - the table of the MultiProcessor Specification, for guests without ACPI
 */
#include <string.h>
#include "keelvm.h"

#define MP_FLOAT	0x9fc00		/* start of the EBDA: where guests look */
#define MP_TABLE	0x9fc10
#define APIC_BASE	0xfee00000
#define IOAPIC_BASE	0xfec00000
#define ISA_BUS		0

struct mp_cpu {
	uint8_t type, apic_id, apic_ver, flags;
	uint32_t signature, features, reserved[2];
} __attribute__((packed));

struct mp_bus {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type, id, ver, flags;
	uint32_t addr;
} __attribute__((packed));

struct mp_int {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, irq, apic, pin;
} __attribute__((packed));

struct mp_table {
	char sig[4];
	uint16_t len;
	uint8_t rev, sum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_len, entries;
	uint32_t lapic;
	uint32_t reserved;
} __attribute__((packed));

static uint8_t checksum(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint8_t s = 0;

	while (n--)
		s += *b++;
	return -s;
}

static void *put(struct mp_table *t, const void *entry, size_t n)
{
	memcpy((char *)t + t->len, entry, n);
	t->len += n;
	t->entries++;
	return t;
}

static void put_cpus(struct mp_table *t, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		put(t, &(struct mp_cpu){ .type = 0, .apic_id = i, .apic_ver = 0x14,
		    .flags = i ? 1 : 3, .signature = 0x600, .features = 0x201 },
		    sizeof(struct mp_cpu));
}

static void put_ints(struct mp_table *t, unsigned int ioapic)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		put(t, &(struct mp_int){ .type = 3, .bus = ISA_BUS, .irq = i, .apic = ioapic,
		    .pin = i }, sizeof(struct mp_int));
	put(t, &(struct mp_int){ .type = 4, .kind = 3, .apic = 0, .pin = 0 },
	    sizeof(struct mp_int));		/* ExtINT at LINT0 of the boot CPU */
	put(t, &(struct mp_int){ .type = 4, .kind = 1, .apic = 0xff, .pin = 1 },
	    sizeof(struct mp_int));		/* NMI at LINT1 of all */
}

void mptable_write(struct vm *vm)
{
	unsigned int cpus = vm->opt->cpus;
	struct mp_table *t = vm_ram(vm, MP_TABLE, 0x3f0);
	uint8_t *f = vm_ram(vm, MP_FLOAT, 16);

	if (!t || !f)
		return;
	memset(t, 0, 0x3f0);
	memcpy(t->sig, "PCMP", 4);
	memcpy(t->oem, "KEEL    ", 8);
	memcpy(t->product, "KEELVM      ", 12);
	t->rev = 4;
	t->lapic = APIC_BASE;
	t->len = sizeof(*t);
	/* 20 bytes each: as many as the kilobyte holds beside the rest */
	put_cpus(t, cpus > 40 ? 40 : cpus);
	put(t, &(struct mp_bus){ .type = 1, .id = ISA_BUS, .name = "ISA   " },
	    sizeof(struct mp_bus));
	put(t, &(struct mp_ioapic){ .type = 2, .id = cpus, .ver = 0x11, .flags = 1,
	    .addr = IOAPIC_BASE }, sizeof(struct mp_ioapic));
	put_ints(t, cpus);
	t->sum = checksum(t, t->len);

	memset(f, 0, 16);
	memcpy(f, "_MP_", 4);
	memcpy(f + 4, &(uint32_t){ MP_TABLE }, 4);
	f[8] = 1;
	f[9] = 4;
	f[10] = checksum(f, 16);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * tables.c - how a guest finds CPUs, interrupts and devices: by ACPI, or without by the
 * MultiProcessor Specification's table
 *
 * No more than a kernel needs to find them, and to power off. Offsets are those of the
 * specifications.
 */
#include "virtio.h"

#define FACS		0xe0040
#define TABLES		0xe0080
#define TABLES_END	0xf0000
#define SCI		9
#define LAPIC_BASE	0xfee00000
#define IOAPIC_BASE	0xfec00000

#define FADT_SIZE	244
#define FADT_LEGACY	(1 << 0 | 1 << 2)	/* serial lines; no VGA */
#define FADT_FLAGS	(1 << 0 | 1 << 4 | 1 << 5 | 1 << 6)	/* WBINVD; no fixed buttons */

static uint8_t *mem;		/* guest memory at 0 */
static uint32_t next;

static void put32(uint32_t at, uint32_t val)
{
	memcpy(mem + at, &val, 4);
}

static void sum(uint32_t at, uint32_t len, unsigned int field)
{
	uint32_t i;
	uint8_t s = 0;

	mem[at + field] = 0;
	for (i = 0; i < len; i++)
		s += mem[at + i];
	mem[at + field] = -s;
}

static void add(const void *data, uint32_t len)
{
	memcpy(mem + next, data, len);
	next += len;
}

static uint32_t begin(const char *signature, uint8_t revision)
{
	uint32_t at = (next + 15) & ~15u;

	memset(mem + at, 0, 36);
	memcpy(mem + at, signature, 4);
	mem[at + 8] = revision;
	memcpy(mem + at + 10, "KEEL  KEELVM  \1\0\0\0KEEL\1", 23);
	next = at + 36;
	return at;
}

static uint32_t end(uint32_t at)
{
	put32(at + 4, next - at);
	sum(at, next - at, 9);
	return at;
}

/* ---- AML ---- */

/* A package length of two bytes, itself included */
static void put_length(uint8_t *p, uint32_t len)
{
	p[0] = 0x40 | (len & 0xf);
	p[1] = len >> 4;
}

struct aml_device {		/* Device (VRxx) { _HID, _UID, _CRS } */
	uint8_t op[2], len[2];
	char name[4], hid[15], uid[6];
	uint8_t index;
	char crs[9];
	uint8_t memory[4];	/* Memory32Fixed (ReadWrite, */
	uint32_t base, size;
	uint8_t irq[5];		/* Interrupt (Consumer, Edge, ActiveHigh, Exclusive) */
	uint32_t gsi;
	uint8_t end[2];
} __attribute__((packed));

static void add_device(unsigned int i)
{
	struct aml_device d = {
		.op = { 0x5b, 0x82 }, .name = { 'V', 'R', '0' + i / 10, '0' + i % 10 },
		.hid = "\x08_HID\x0dLNRO0005", .uid = "\x08_UID\x0a", .index = i,
		.crs = "\x08_CRS\x11\x1a\x0a\x17", .memory = { 0x86, 9, 0, 1 },
		.base = VIRTIO_BASE + i * VIRTIO_STRIDE, .size = VIRTIO_STRIDE,
		.irq = { 0x89, 6, 0, 3, 1 }, .gsi = virtio_gsi(i), .end = { 0x79, 0 },
	};

	put_length(d.len, sizeof(d) - 2);
	add(&d, sizeof(d));
}

static uint32_t dsdt(void)
{
	uint32_t at = begin("DSDT", 2), scope;
	unsigned int i;

	add("\x08_S5_\x12\x07\x04\x0a\x05\0\0\0", 12);	/* Name (_S5, Package () {5,0,0,0}) */
	scope = next;
	add("\x10\0\0\\_SB_", 8);
	for (i = 0; i < vm.vdevs; i++)
		add_device(i);
	put_length(mem + scope + 1, next - scope - 1);
	return end(at);
}

static uint32_t fadt(uint32_t dsdt_at)
{
	uint32_t at = begin("FACP", 3);

	memset(mem + next, 0, FADT_SIZE - 36);
	next = at + FADT_SIZE;
	put32(at + 36, FACS);
	put32(at + 40, dsdt_at);
	mem[at + 46] = SCI;
	put32(at + 56, ACPI_PM1_EVT);
	put32(at + 64, ACPI_PM1_CNT);
	mem[at + 88] = 4;
	mem[at + 89] = 2;
	mem[at + 108] = 0x32;		/* century in the CMOS */
	mem[at + 109] = FADT_LEGACY;
	put32(at + 112, FADT_FLAGS);
	return end(at);
}

static uint32_t madt(unsigned int cpus)
{
	uint32_t at = begin("APIC", 1), i;

	add((uint32_t[]){ LAPIC_BASE, 1 }, 8);
	for (i = 0; i < cpus; i++)
		add((uint8_t[]){ 0, 8, i, i, 1, 0, 0, 0 }, 8);
	add((uint8_t[]){ 1, 12, cpus, 0 }, 4);
	add((uint32_t[]){ IOAPIC_BASE, 0 }, 8);
	add((uint8_t[]){ 4, 6, 0xff, 0, 0, 1 }, 6);	/* NMI at LINT1 of all */
	return end(at);
}

void acpi_write(void)
{
	uint32_t tables[2], rsdt;

	mem = vm_ram(0, TABLES_END);
	vm_must(mem, VM_USAGE, "too little memory");
	memset(mem + ACPI_RSDP, 0, TABLES - ACPI_RSDP);
	next = TABLES;
	tables[0] = fadt(dsdt());
	tables[1] = madt(opt.cpus);
	rsdt = begin("RSDT", 1);
	add(tables, sizeof(tables));
	end(rsdt);
	memcpy(mem + ACPI_RSDP, "RSD PTR \0KEEL  ", 15);
	put32(ACPI_RSDP + 16, rsdt);
	sum(ACPI_RSDP, 20, 8);
	memcpy(mem + FACS, "FACS\x40", 5);
	mem[FACS + 32] = 1;
}

/* ---- the MultiProcessor Specification ---- */

#define MP_FLOAT	0x9fc00		/* start of the EBDA: where guests look */
#define MP_TABLE	0x9fc10
#define MP_HEADER	44

void mptable_write(void)
{
	/* As many as the kilobyte holds beside the rest */
	uint8_t cpu[20] = { 0, 0, 0x14, 0, 0, 6, 0, 0, 1, 2 };
	unsigned int i, cpus = opt.cpus, shown = cpus > 40 ? 40 : cpus;

	mem = vm_ram(0, MP_TABLE + 0x3f0);
	if (!mem)
		return;
	memset(mem + MP_FLOAT, 0, 0x400);
	next = MP_TABLE + MP_HEADER;
	for (i = 0; i < shown; i++) {
		cpu[1] = i;
		cpu[3] = i ? 1 : 3;
		add(cpu, sizeof(cpu));
	}
	add("\1\0ISA   ", 8);
	add((uint8_t[]){ 2, cpus, 0x11, 1 }, 4);
	add(&(uint32_t){ IOAPIC_BASE }, 4);
	for (i = 0; i < 16; i++)
		add((uint8_t[]){ 3, 0, 0, 0, 0, i, cpus, i }, 8);
	add((uint8_t[]){ 4, 3, 0, 0, 0, 0, 0, 0 }, 8);	/* ExtINT at LINT0 of the first CPU */
	add((uint8_t[]){ 4, 1, 0, 0, 0, 0, 0xff, 1 }, 8);	/* NMI at LINT1 of all */
	memcpy(mem + MP_TABLE, "PCMP\0\0\4\0KEEL    KEELVM      ", 28);
	put32(MP_TABLE + 36, LAPIC_BASE);
	memcpy(mem + MP_TABLE + 4, &(uint16_t){ next - MP_TABLE }, 2);
	memcpy(mem + MP_TABLE + 34, &(uint16_t){ shown + 20 }, 2);
	sum(MP_TABLE, next - MP_TABLE, 7);

	memcpy(mem + MP_FLOAT, "_MP_", 4);
	put32(MP_FLOAT + 4, MP_TABLE);
	memcpy(mem + MP_FLOAT + 8, "\1\4", 2);
	sum(MP_FLOAT, 16, 10);
}

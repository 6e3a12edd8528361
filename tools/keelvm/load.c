// SPDX-License-Identifier: GPL-2.0
/*
 * load.c - a bzImage, a multiboot ELF or 16 bit code into guest memory
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <asm/bootparam.h>
#include "keelvm.h"

#define ZERO_PAGE	0x7000
#define MB_INFO		0x8000
#define CMDLINE		0x20000
#define CMDLINE_MAX	0x10000
#define KERNEL_MIN	0x100000
#define ENTRY_64	0x200		/* of the protected-mode part ("64-bit Boot Protocol") */
#define EBDA		0x9fc00

#define MB_HEADER_MAGIC	0x1badb002
#define MB_BOOT_MAGIC	0x2badb002

struct image {
	const char *name;
	const uint8_t *data;
	size_t size;
};

static struct image open_image(struct vm *vm, const char *name)
{
	struct image im = { .name = name };
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		vm_die(vm, VM_HOST, "%s", name);
	im.size = st.st_size;
	if (!im.size)
		vm_die(vm, VM_USAGE, "%s is empty", name);
	im.data = mmap(NULL, im.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (im.data == MAP_FAILED)
		vm_die(vm, VM_HOST, "%s", name);
	close(fd);
	return im;
}

static void *must_ram(struct vm *vm, const struct image *im, uint64_t addr, uint64_t len)
{
	void *p = vm_ram(vm, addr, len);

	if (!p)
		vm_die(vm, VM_USAGE, "%s does not fit: %llu bytes at %#llx", im->name,
		       (unsigned long long)len, (unsigned long long)addr);
	return p;
}

/* ---- Linux ---- */

static void add_e820(struct boot_params *bp, uint64_t addr, uint64_t end, uint32_t type)
{
	struct boot_e820_entry *e = &bp->e820_table[bp->e820_entries++];

	e->addr = addr;
	e->size = end - addr;
	e->type = type;
}

static void set_e820(struct vm *vm, struct boot_params *bp)
{
	uint64_t mem = vm->opt->mem, low = vm_low(vm);

	add_e820(bp, 0, EBDA, 1);
	add_e820(bp, EBDA, 0x100000, 2);
	add_e820(bp, 0x100000, low, 1);
	if (mem > low)
		add_e820(bp, KEELVM_GAP_END, KEELVM_GAP_END + mem - low, 1);
}

/* As high as kernel and memory allow, on a page */
static void load_initrd(struct vm *vm, struct boot_params *bp, uint64_t kernel_end)
{
	struct image im;
	uint64_t top, addr;

	if (!vm->opt->initrd)
		return;
	im = open_image(vm, vm->opt->initrd);
	top = vm_low(vm);
	if (top > (uint64_t)bp->hdr.initrd_addr_max + 1)
		top = (uint64_t)bp->hdr.initrd_addr_max + 1;
	if (im.size > top || ((top - im.size) & ~0xfffULL) < kernel_end)
		vm_die(vm, VM_USAGE, "%s does not fit beside the kernel: give more memory (-m)",
		       im.name);
	addr = (top - im.size) & ~0xfffULL;
	memcpy(must_ram(vm, &im, addr, im.size), im.data, im.size);
	bp->hdr.ramdisk_image = addr;
	bp->hdr.ramdisk_size = im.size;
}

static void set_cmdline(struct vm *vm, struct boot_params *bp)
{
	size_t len = strlen(vm->opt->cmdline) + 1;

	if (len > CMDLINE_MAX || len > bp->hdr.cmdline_size)
		vm_die(vm, VM_USAGE, "the command line has %zu bytes, too many for this kernel",
		       len);
	memcpy(vm_ram(vm, CMDLINE, len), vm->opt->cmdline, len);
	bp->hdr.cmd_line_ptr = CMDLINE;
}

static bool is_bzimage(const struct image *im)
{
	return im->size > 0x1000 && !memcmp(im->data + 0x202, "HdrS", 4);
}

static void load_bzimage(struct vm *vm, const struct image *im)
{
	struct boot_params *bp = vm_ram(vm, ZERO_PAGE, sizeof(*bp));
	const struct setup_header *hdr = (const void *)(im->data + 0x1f1);
	size_t setup = ((hdr->setup_sects ? hdr->setup_sects : 4) + 1) * 512;
	uint64_t addr, end;

	if (!bp)
		vm_die(vm, VM_USAGE, "too little memory");
	if (hdr->version < 0x20c || !(hdr->xloadflags & XLF_KERNEL_64) || setup >= im->size)
		vm_die(vm, VM_USAGE, "%s has no 64 bit entry (boot protocol 2.12)", im->name);
	memset(bp, 0, sizeof(*bp));
	memcpy(&bp->hdr, hdr, sizeof(*hdr));
	addr = hdr->relocatable_kernel ? hdr->pref_address : KERNEL_MIN;
	end = addr + (hdr->init_size > im->size ? hdr->init_size : im->size);
	must_ram(vm, im, addr, end - addr);
	memcpy(must_ram(vm, im, addr, im->size - setup), im->data + setup, im->size - setup);
	bp->hdr.type_of_loader = 0xff;
	bp->hdr.loadflags |= LOADED_HIGH;
	set_e820(vm, bp);
	set_cmdline(vm, bp);
	load_initrd(vm, bp, end);
	cpu_start_long(&vm->cpu[0], addr + ENTRY_64, ZERO_PAGE);
}

/* ---- multiboot ---- */

/* "The layout of Multiboot header": within the first 8 KiB, on 4 bytes */
static bool is_multiboot(const struct image *im)
{
	size_t i, max = im->size < 8192 ? im->size : 8192;
	uint32_t h[3];

	for (i = 0; i + sizeof(h) <= max; i += 4) {
		memcpy(h, im->data + i, sizeof(h));
		if (h[0] == MB_HEADER_MAGIC && h[0] + h[1] + h[2] == 0)
			return true;
	}
	return false;
}

struct segment {
	uint64_t offset, addr, filesz, memsz;
};

static void load_segment(struct vm *vm, const struct image *im, const struct segment *s)
{
	uint8_t *to;

	if (s->offset > im->size || s->filesz > im->size - s->offset || s->filesz > s->memsz)
		vm_die(vm, VM_USAGE, "%s: a segment lies outside the file", im->name);
	to = must_ram(vm, im, s->addr, s->memsz);
	memcpy(to, im->data + s->offset, s->filesz);
	memset(to + s->filesz, 0, s->memsz - s->filesz);
}

static uint64_t load_elf32(struct vm *vm, const struct image *im)
{
	const Elf32_Ehdr *eh = (const void *)im->data;
	unsigned int i;

	for (i = 0; i < eh->e_phnum; i++) {
		size_t at = eh->e_phoff + (size_t)i * sizeof(Elf32_Phdr);
		Elf32_Phdr ph;

		if (at + sizeof(ph) > im->size)
			vm_die(vm, VM_USAGE, "%s: cut short", im->name);
		memcpy(&ph, im->data + at, sizeof(ph));
		if (ph.p_type == PT_LOAD)
			load_segment(vm, im, &(struct segment){ ph.p_offset, ph.p_paddr,
				     ph.p_filesz, ph.p_memsz });
	}
	return eh->e_entry;
}

static bool is_elf32(const struct image *im)
{
	return im->size > sizeof(Elf32_Ehdr) && !memcmp(im->data, ELFMAG, SELFMAG) &&
	       im->data[EI_CLASS] == ELFCLASS32;
}

static void load_multiboot(struct vm *vm, const struct image *im)
{
	uint32_t *info = vm_ram(vm, MB_INFO, 128);
	uint64_t low = vm_low(vm);
	size_t len = strlen(vm->opt->cmdline) + 1;
	uint64_t entry = load_elf32(vm, im);
	char *cmdline = vm_ram(vm, CMDLINE, len);

	if (!cmdline || len > CMDLINE_MAX)
		vm_die(vm, VM_USAGE, "the command line does not fit");
	memcpy(cmdline, vm->opt->cmdline, len);
	memset(info, 0, 128);
	info[0] = 1 | 4;			/* memory sizes, command line */
	info[1] = EBDA >> 10;
	info[2] = (low - 0x100000) >> 10;
	info[4] = CMDLINE;
	cpu_start_prot(&vm->cpu[0], entry, MB_BOOT_MAGIC, MB_INFO);
}

void load_guest(struct vm *vm)
{
	struct image im = open_image(vm, vm->opt->flat ? vm->opt->flat : vm->opt->kernel);

	if (vm->opt->flat) {
		memcpy(must_ram(vm, &im, vm->opt->flat_addr, im.size), im.data, im.size);
		cpu_start_real(&vm->cpu[0], vm->opt->flat_addr);
	} else if (is_elf32(&im) && is_multiboot(&im)) {
		load_multiboot(vm, &im);
	} else if (is_bzimage(&im)) {
		load_bzimage(vm, &im);
	} else {
		vm_die(vm, VM_USAGE, "%s is neither a bzImage nor a 32 bit multiboot ELF", im.name);
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * load.c - a bzImage, a PVH or multiboot ELF, or 16 bit code into guest memory
 */
#include <elf.h>
#include <asm/bootparam.h>
#include "virtio.h"

#define ZERO_PAGE	0x7000
#define START_INFO	0x8000		/* of PVH and multiboot, then modules, then memory map */
#define MODULES		0x8080
#define MEMORY_MAP	0x8100
#define CMDLINE		0x20000
#define CMDLINE_MAX	0x10000
#define KERNEL_MIN	0x100000
#define EBDA		0x9fc00

#define PVH_MAGIC	0x336ec578
#define PHYS32_ENTRY	18	/* the number of PVH's note */
#define MB_HEADER_MAGIC	0x1badb002
#define MB_BOOT_MAGIC	0x2badb002

/* "x86/HVM direct boot ABI": the machine's state at the entry */
struct hvm_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct hvm_modlist_entry {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_table_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

struct image {
	const char *name;
	const uint8_t *data;
	size_t size;
};

static struct image open_image(const char *name)
{
	struct image im = { .name = name };
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	vm_must(fd >= 0 && !fstat(fd, &st), VM_HOST, "%s", name);
	im.size = st.st_size;
	vm_must(im.size, VM_USAGE, "%s is empty", name);
	im.data = mmap(NULL, im.size, PROT_READ, MAP_PRIVATE, fd, 0);
	vm_must(im.data != MAP_FAILED, VM_HOST, "%s", name);
	close(fd);
	return im;
}

static void *must_ram(const struct image *im, uint64_t addr, uint64_t len)
{
	void *p = vm_ram(addr, len);

	vm_must(p, VM_USAGE, "%s does not fit: %llu bytes at %#llx", im->name,
		(unsigned long long)len, (unsigned long long)addr);
	return p;
}

/* RAM but for the EBDA and what a BIOS would have there */
static unsigned int memory_map(struct hvm_memmap_table_entry *e)
{
	uint64_t low = vm_low(), high = opt.mem - low;

	e[0] = (struct hvm_memmap_table_entry){ 0, EBDA, 1, 0 };
	e[1] = (struct hvm_memmap_table_entry){ EBDA, 0x100000 - EBDA, 2, 0 };
	e[2] = (struct hvm_memmap_table_entry){ 0x100000, low - 0x100000, 1, 0 };
	e[3] = (struct hvm_memmap_table_entry){ KEELVM_GAP_END, high, 1, 0 };
	return high ? 4 : 3;
}

/* As high as memory and @max allow, on a page above the kernel. Its size, at *@addr. */
static uint64_t load_initrd(uint64_t max, uint64_t kernel_end, uint64_t *addr)
{
	const char *initrd = opt.exec ? exec_initramfs() : opt.initrd;
	uint64_t top = vm_low() < max ? vm_low() : max;
	struct image im;

	if (!initrd)
		return 0;
	im = open_image(initrd);
	vm_must(im.size <= top && ((top - im.size) & ~0xfffULL) >= kernel_end, VM_USAGE,
		"%s does not fit beside the kernel: give more memory (-m)", im.name);
	*addr = (top - im.size) & ~0xfffULL;
	memcpy(must_ram(&im, *addr, im.size), im.data, im.size);
	return im.size;
}

static void set_cmdline(size_t max)
{
	size_t len = strlen(vm.cmdline) + 1;
	char *to = vm_ram(CMDLINE, len);

	vm_must(to && len <= CMDLINE_MAX && len <= max, VM_USAGE,
		"the command line has %zu bytes, too many for this kernel", len);
	memcpy(to, vm.cmdline, len);
}

/* ---- bzImage ---- */

static void load_bzimage(const struct image *im)
{
	struct boot_params *bp = vm_ram(ZERO_PAGE, sizeof(*bp));
	const struct setup_header *hdr = (const void *)(im->data + 0x1f1);
	size_t setup = ((hdr->setup_sects ? hdr->setup_sects : 4) + 1) * 512;
	struct hvm_memmap_table_entry map[4];
	uint64_t addr, end, initrd = 0;
	unsigned int i;

	vm_must(hdr->version >= 0x20a && setup < im->size, VM_USAGE,
		"%s is too old (boot protocol before 2.10)", im->name);
	memset(bp, 0, sizeof(*bp));
	memcpy(&bp->hdr, hdr, sizeof(*hdr));
	addr = hdr->relocatable_kernel ? hdr->pref_address : KERNEL_MIN;
	end = addr + (hdr->init_size > im->size ? hdr->init_size : im->size);
	memcpy(must_ram(im, addr, end - addr), im->data + setup, im->size - setup);
	bp->hdr.type_of_loader = 0xff;
	bp->hdr.loadflags |= LOADED_HIGH;
	bp->acpi_rsdp_addr = vm.acpi ? ACPI_RSDP : 0;
	bp->e820_entries = memory_map(map);
	for (i = 0; i < bp->e820_entries; i++)
		bp->e820_table[i] = (struct boot_e820_entry){ map[i].addr, map[i].size,
			map[i].type };
	set_cmdline(bp->hdr.cmdline_size);
	bp->hdr.cmd_line_ptr = CMDLINE;
	bp->hdr.ramdisk_size = load_initrd(bp->hdr.initrd_addr_max + 1ULL, end, &initrd);
	bp->hdr.ramdisk_image = initrd;
	/* Paging is the kernel's business: "32-bit Boot Protocol" */
	cpu_start(&vm.cpu[0], (struct kvm_regs){ .rip = addr, .rsi = ZERO_PAGE }, false);
}

/* ---- ELF ---- */

struct elf {
	const struct image *im;
	uint64_t phoff, entry, end;	/* end: the address behind all that is loaded */
	uint32_t pvh;		/* PVH's entry, if there is one */
	unsigned int phnum;
	bool wide;
};

/* Program header @i, in the file's bounds, as a 64 bit one */
static Elf64_Phdr program_header(const struct elf *e, unsigned int i)
{
	size_t size = e->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	Elf64_Phdr p;
	Elf32_Phdr n;

	vm_must(e->phoff <= e->im->size && (i + 1) * size <= e->im->size - e->phoff, VM_USAGE,
		"%s: cut short", e->im->name);
	memcpy(e->wide ? (void *)&p : (void *)&n, e->im->data + e->phoff + i * size, size);
	if (!e->wide)
		p = (Elf64_Phdr){ .p_type = n.p_type, .p_offset = n.p_offset,
			.p_paddr = n.p_paddr, .p_filesz = n.p_filesz, .p_memsz = n.p_memsz };
	vm_must(p.p_offset <= e->im->size && p.p_filesz <= e->im->size - p.p_offset &&
		(p.p_type != PT_LOAD || p.p_filesz <= p.p_memsz), VM_USAGE,
		"%s: a segment lies outside the file", e->im->name);
	return p;
}

/* The entry that a note XEN_ELFNOTE_PHYS32_ENTRY among these names, or 0 */
static uint32_t pvh_entry(const uint8_t *at, uint64_t left)
{
	uint32_t entry = 0;
	uint64_t size;
	Elf32_Nhdr n;

	for (; left >= sizeof(n); at += size, left -= size) {
		memcpy(&n, at, sizeof(n));
		size = sizeof(n) + ((n.n_namesz + 3ULL) & ~3ULL) + ((n.n_descsz + 3ULL) & ~3ULL);
		if (size > left)
			break;
		if (n.n_type == PHYS32_ENTRY && n.n_namesz == 4 && n.n_descsz >= 4 &&
		    !memcmp(at + sizeof(n), "Xen", 4))
			memcpy(&entry, at + sizeof(n) + 4, 4);
	}
	return entry;
}

static struct elf load_elf(const struct image *im)
{
	const Elf32_Ehdr *n = (const void *)im->data;
	const Elf64_Ehdr *w = (const void *)im->data;
	struct elf e = { .im = im, .wide = im->data[EI_CLASS] == ELFCLASS64 };
	unsigned int i;

	e.phoff = e.wide ? w->e_phoff : n->e_phoff;
	e.phnum = e.wide ? w->e_phnum : n->e_phnum;
	e.entry = e.wide ? w->e_entry : n->e_entry;
	for (i = 0; i < e.phnum; i++) {
		Elf64_Phdr p = program_header(&e, i);
		uint8_t *to;

		if (p.p_type == PT_NOTE && !e.pvh)
			e.pvh = pvh_entry(im->data + p.p_offset, p.p_filesz);
		if (p.p_type != PT_LOAD)
			continue;
		to = must_ram(im, p.p_paddr, p.p_memsz);
		memcpy(to, im->data + p.p_offset, p.p_filesz);
		memset(to + p.p_filesz, 0, p.p_memsz - p.p_filesz);
		if (p.p_paddr + p.p_memsz > e.end)
			e.end = p.p_paddr + p.p_memsz;
	}
	return e;
}

static void start_pvh(const struct elf *e)
{
	struct hvm_start_info *info = vm_ram(START_INFO, sizeof(*info));
	struct hvm_modlist_entry *module = vm_ram(MODULES, sizeof(*module));
	void *map = vm_ram(MEMORY_MAP, 4 * sizeof(struct hvm_memmap_table_entry));

	memset(module, 0, sizeof(*module));
	module->size = load_initrd(1ULL << 32, e->end, &module->paddr);
	set_cmdline(CMDLINE_MAX);
	*info = (struct hvm_start_info){
		.magic = PVH_MAGIC, .version = 1, .nr_modules = module->size != 0,
		.modlist_paddr = MODULES, .cmdline_paddr = CMDLINE,
		.rsdp_paddr = vm.acpi ? ACPI_RSDP : 0, .memmap_paddr = MEMORY_MAP,
		.memmap_entries = memory_map(map),
	};
	cpu_start(&vm.cpu[0], (struct kvm_regs){ .rip = e->pvh, .rbx = START_INFO }, false);
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

static void start_multiboot(const struct elf *e)
{
	struct kvm_regs regs = { .rip = e->entry, .rax = MB_BOOT_MAGIC, .rbx = START_INFO };
	uint32_t *info = vm_ram(START_INFO, 128), *module = vm_ram(MODULES, 16);
	uint64_t addr = 0, size = load_initrd(1ULL << 32, e->end, &addr);

	set_cmdline(CMDLINE_MAX);
	memset(info, 0, 128);
	memcpy(module, (uint32_t[]){ addr, addr + size, 0, 0 }, 16);
	info[0] = 1 | 4 | 8;			/* memory sizes, command line, modules */
	info[1] = EBDA >> 10;
	info[2] = (vm_low() - 0x100000) >> 10;
	info[4] = CMDLINE;
	info[5] = size != 0;
	info[6] = MODULES;
	cpu_start(&vm.cpu[0], regs, false);
}

static void load_elf_guest(const struct image *im)
{
	struct elf e = load_elf(im);

	vm_must(e.pvh || (!e.wide && is_multiboot(im)), VM_USAGE,
		"%s has neither a PVH entry nor a multiboot header", im->name);
	if (e.pvh)
		start_pvh(&e);
	else
		start_multiboot(&e);
}

void load_guest(void)
{
	struct image im = open_image(opt.flat ? opt.flat : opt.kernel);

	if (opt.flat) {
		memcpy(must_ram(&im, opt.flat_addr, im.size), im.data, im.size);
		cpu_start(&vm.cpu[0], (struct kvm_regs){ .rip = opt.flat_addr }, true);
	} else if (im.size > sizeof(Elf64_Ehdr) && !memcmp(im.data, ELFMAG, SELFMAG)) {
		load_elf_guest(&im);
	} else {
		vm_must(im.size > 0x1000 && !memcmp(im.data + 0x202, "HdrS", 4), VM_USAGE,
			"%s is neither a bzImage nor an ELF", im.name);
		load_bzimage(&im);
	}
}

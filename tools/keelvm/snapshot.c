// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot.c - all of a machine in a file, and back
 *
 * The file is a header, then sections: state by a table of ioctls, devices, and runs of
 * pages that are not zero; the last has a sum of all before it. A process of its own
 * writes it, from its copy of the memory, while the machine may go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "virtio.h"

#define VERSION		1
#define PAGE		4096
#define MAX_MSRS	512
#define MSR_TSC_DEADLINE 0x6e0

struct header {
	char magic[8];
	uint32_t version, cpus;
	uint64_t mem;
	uint32_t vdevs, devices[17];	/* IDs; a multiple of 8 bytes in all */
};

enum tag { END, CPUID, STATE, SERIAL, REGS, QUEUES, MEMORY };

struct section {		/* then len bytes, a multiple of 8 */
	uint32_t tag, row;	/* of the table of state */
	uint32_t index, unused;	/* of a CPU or device */
	uint64_t addr, len;	/* address in RAM; or the sum of all before the end */
};

struct msrs {
	struct kvm_msrs h;
	struct kvm_msr_entry e[MAX_MSRS];
};

/* In the order in which they are set */
#define ROW(name, type, chip)	{ KVM_GET_##name, KVM_SET_##name, sizeof(type), chip }
static const struct row {
	unsigned long get, set;
	size_t size;
	int chip;
} rows[] = {
	ROW(IRQCHIP, struct kvm_irqchip, 0), ROW(IRQCHIP, struct kvm_irqchip, 1),
	ROW(IRQCHIP, struct kvm_irqchip, 2), ROW(PIT2, struct kvm_pit_state2, 0),
	ROW(CLOCK, struct kvm_clock_data, 0),
#define CPU_ROWS 5
	ROW(SREGS, struct kvm_sregs, 0), ROW(LAPIC, struct kvm_lapic_state, 0),
	ROW(XCRS, struct kvm_xcrs, 0), ROW(XSAVE, struct kvm_xsave, 0),
	ROW(MSRS, struct msrs, 0), ROW(REGS, struct kvm_regs, 0),
	ROW(DEBUGREGS, struct kvm_debugregs, 0), ROW(VCPU_EVENTS, struct kvm_vcpu_events, 0),
	ROW(MP_STATE, struct kvm_mp_state, 0),
};

#define ROWS	(sizeof(rows) / sizeof(*rows))

/* ---- MSRs: one by one, as not all can be read or written at all times ---- */

static bool one_msr(int fd, unsigned long request, struct kvm_msr_entry *e)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} one = { .h.nmsrs = 1, .e = *e };
	int n = ioctl(fd, request, &one);

	*e = one.e;
	return n == 1;
}

static void get_msrs(struct vm *vm, int fd, struct msrs *m)
{
	static struct {
		struct kvm_msr_list h;
		uint32_t index[MAX_MSRS];
	} list;
	unsigned int i;

	list.h.nmsrs = MAX_MSRS - 1;
	if (ioctl(vm->sys, KVM_GET_MSR_INDEX_LIST, &list) < 0)
		vm_die(vm, VM_HOST, "KVM_GET_MSR_INDEX_LIST");
	/* Last, or again: it counts from the TSC. */
	list.index[list.h.nmsrs] = MSR_TSC_DEADLINE;
	for (i = 0; i <= list.h.nmsrs; i++) {
		m->e[m->h.nmsrs].index = list.index[i];
		m->h.nmsrs += one_msr(fd, KVM_GET_MSRS, &m->e[m->h.nmsrs]);
	}
}

/* What has its value already need not be writable. */
static int set_msrs(int fd, struct msrs *m)
{
	unsigned int i;

	for (i = 0; i < m->h.nmsrs && i < MAX_MSRS; i++) {
		struct kvm_msr_entry e = m->e[i], now = e;

		if (!one_msr(fd, KVM_SET_MSRS, &e) && one_msr(fd, KVM_GET_MSRS, &now) &&
		    now.data != m->e[i].data)
			return -1;
	}
	return 0;
}

/* ---- saved ---- */

static uint8_t *blob;		/* all but the memory */
static size_t blob_len;

static void add(struct vm *vm, const struct section *s, const void *data, size_t len)
{
	struct section head = *s;
	size_t size = sizeof(head) + ((len + 7) & ~7ULL);

	head.len = size - sizeof(head);
	blob = realloc(blob, blob_len + size);
	if (!blob)
		vm_die(vm, VM_HOST, "memory");
	memset(blob + blob_len, 0, size);
	memcpy(blob + blob_len, &head, sizeof(head));
	memcpy(blob + blob_len + sizeof(head), data, len);
	blob_len += size;
}

static int row_fd(struct vm *vm, unsigned int row, unsigned int cpu)
{
	return row < CPU_ROWS ? vm->fd : vm->cpu[cpu].fd;
}

static void add_rows(struct vm *vm, unsigned int from, unsigned int to, unsigned int cpu)
{
	static union {
		uint32_t chip;
		struct msrs msrs;
		struct kvm_clock_data clock;
		uint8_t any[4096];
	} s;

	for (; from < to; from++) {
		const struct row *r = &rows[from];
		int fd = row_fd(vm, from, cpu);

		memset(&s, 0, sizeof(s));
		s.chip = r->chip;
		if (r->get == KVM_GET_MSRS)
			get_msrs(vm, fd, &s.msrs);
		else if (ioctl(fd, r->get, &s) < 0)
			continue;	/* XCRs, where there is no XSAVE */
		if (r->get == KVM_GET_CLOCK)
			s.clock.flags = 0;
		add(vm, &(struct section){ .tag = STATE, .row = from, .index = cpu }, &s, r->size);
	}
}

static struct header header_of(struct vm *vm)
{
	struct header h = { "KEELVM", VERSION, vm->opt->cpus, vm->opt->mem, vm->vdevs, { 0 } };
	unsigned int i;

	for (i = 0; i < vm->vdevs; i++)
		h.devices[i] = vm->vdev[i]->type->id;
	return h;
}

static void collect(struct vm *vm)
{
	unsigned int i;
	size_t size;
	void *data = serial_state(&size);

	blob_len = 0;
	add(vm, &(struct section){ .tag = CPUID }, vm->cpuid, cpu_cpuid_size(vm));
	add_rows(vm, 0, CPU_ROWS, 0);
	for (i = 0; i < vm->opt->cpus; i++)
		add_rows(vm, CPU_ROWS, ROWS, i);
	add(vm, &(struct section){ .tag = SERIAL }, data, size);
	for (i = 0; i < vm->vdevs; i++) {
		struct vdev *d = vm->vdev[i];

		add(vm, &(struct section){ .tag = REGS, .index = i }, &d->r, sizeof(d->r));
		add(vm, &(struct section){ .tag = QUEUES, .index = i }, d->q, sizeof(d->q));
	}
}

static uint64_t sum_of(uint64_t sum, const void *data, size_t len)
{
	const uint64_t *w = data;

	for (; len >= 8; len -= 8)
		sum = (sum ^ *w++) * 0x100000001b3ULL + (sum >> 47);
	return sum;
}

static bool put(int fd, const void *data, size_t len, uint64_t *sum)
{
	*sum = sum_of(*sum, data, len);
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return false;
		data = (const uint8_t *)data + (n > 0 ? n : 0);
		len -= n > 0 ? n : 0;
	}
	return true;
}

static bool zero(const uint8_t *page)
{
	return !*page && !memcmp(page, page + 1, PAGE - 1);
}

static bool put_memory(struct vm *vm, int fd, uint64_t *sum)
{
	struct section s = { .tag = MEMORY };
	uint64_t end;

	for (s.addr = 0; s.addr < vm->opt->mem; s.addr = end) {
		bool none = zero(vm->mem + s.addr);

		for (end = s.addr + PAGE; end < vm->opt->mem && zero(vm->mem + end) == none;)
			end += PAGE;
		s.len = end - s.addr;
		if (!none && (!put(fd, &s, sizeof(s), sum) ||
			      !put(fd, vm->mem + s.addr, s.len, sum)))
			return false;
	}
	return true;
}

/* In the process of its own. NULL, or what is wrong. */
static const char *write_file(struct vm *vm, const char *name)
{
	struct header h = header_of(vm);
	struct section end = { .tag = END };
	char temporary[4096];
	uint64_t sum = 0, unused = 0;
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return strerror(errno);
	if (put(fd, &h, sizeof(h), &sum) && put(fd, blob, blob_len, &sum) &&
	    put_memory(vm, fd, &sum)) {
		end.addr = sum;
		if (put(fd, &end, sizeof(end), &unused) && !fsync(fd) && !rename(temporary, name))
			return NULL;
	}
	name = strerror(errno);
	unlink(temporary);
	return name;
}

int snapshot_save(struct vm *vm, const char *name)
{
	const char *error;
	int fd[2];
	pid_t pid;

	collect(vm);
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		error = write_file(vm, name);
		dprintf(fd[1], "%s%s", error ? "error: " : "ok", error ? error : "");
		_exit(0);
	}
	close(fd[1]);
	if (pid > 0)
		return fd[0];
	close(fd[0]);
	return -1;
}

/* ---- restored ---- */

static const uint8_t *file;
static uint64_t file_size;

static void check(struct vm *vm, bool good, const char *why)
{
	if (!good)
		vm_die(vm, VM_USAGE, "%s: %s", vm->opt->restore, why);
}

/* The section at *@at, which goes on to the next */
static const struct section *next_section(struct vm *vm, uint64_t *at)
{
	const struct section *s = (const void *)(file + *at);

	check(vm, sizeof(*s) <= file_size - *at, "cut short");
	*at += sizeof(*s);
	check(vm, s->len <= file_size - *at && s->len % 8 == 0, "cut short");
	*at += s->len;
	return s;
}

void snapshot_open(struct vm *vm, struct vm_options *opt)
{
	const struct header *h;
	const struct section *s;
	uint64_t at = sizeof(*h);
	int fd = open(opt->restore, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		vm_die(vm, VM_HOST, "%s", opt->restore);
	file_size = st.st_size;
	check(vm, file_size >= sizeof(*h), "not a snapshot of keelvm");
	h = mmap(NULL, file_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (h == MAP_FAILED)
		vm_die(vm, VM_HOST, "%s", opt->restore);
	close(fd);
	file = (const void *)h;
	check(vm, !memcmp(h->magic, "KEELVM\0", 8), "not a snapshot of keelvm");
	check(vm, h->version == VERSION, "a snapshot of another version of keelvm");
	do
		s = next_section(vm, &at);
	while (s->tag != END);
	check(vm, at == file_size && s->addr == sum_of(0, file, (const uint8_t *)s - file) &&
	      h->cpus && h->cpus <= KEELVM_MAX_CPUS && h->mem && h->mem % PAGE == 0, "damaged");
	opt->cpus = h->cpus;
	opt->mem = h->mem;
}

static void set_row(struct vm *vm, const struct section *s)
{
	const struct row *r = &rows[s->row < ROWS ? s->row : 0];
	int fd;

	check(vm, s->row < ROWS && s->len >= r->size && s->index < vm->opt->cpus, "damaged");
	fd = row_fd(vm, s->row, s->index);
	if (r->set == KVM_SET_MSRS ? set_msrs(fd, (void *)(s + 1)) : ioctl(fd, r->set, s + 1))
		vm_die(vm, VM_HOST, "%s: state %u of CPU %u", vm->opt->restore, s->row, s->index);
}

static void restore_section(struct vm *vm, const struct section *s)
{
	struct vdev *d = vm->vdev[s->index % 16];
	bool device = s->tag == REGS || s->tag == QUEUES;
	uint8_t *ram = vm->mem + s->addr;
	size_t size;
	void *data;

	check(vm, !device || s->index < vm->vdevs, "damaged");
	switch (s->tag) {
	case STATE:
		set_row(vm, s);
		return;
	case CPUID:
		size = cpu_cpuid_size(vm);
		check(vm, s->len >= size && !memcmp(s + 1, vm->cpuid, size),
		      "the CPU is another one here");
		return;
	case SERIAL:
		data = serial_state(&size);
		break;
	case REGS:
		data = &d->r;
		size = sizeof(d->r);
		break;
	case QUEUES:
		data = d->q;
		size = sizeof(d->q);
		break;
	default:
		check(vm, s->addr <= vm->opt->mem && s->len <= vm->opt->mem - s->addr, "damaged");
		data = ram;
		size = s->len;
	}
	check(vm, s->len >= size, "damaged");
	memcpy(data, s + 1, size);
}

void snapshot_restore(struct vm *vm)
{
	const struct header *h = (const void *)file;
	struct header mine = header_of(vm);
	const struct section *s;
	uint64_t at = sizeof(*h);
	unsigned int i;

	check(vm, h->vdevs == mine.vdevs && !memcmp(h->devices, mine.devices, sizeof(mine.devices)),
	      "made with other virtio devices, or in another order");
	while ((s = next_section(vm, &at))->tag != END)
		restore_section(vm, s);
	munmap((void *)file, file_size);
	for (i = 0; i < vm->vdevs; i++)
		virtio_restore(vm->vdev[i]);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot.c - all of a machine in a file, and back
 *
 * The file is one struct, then the memory, with holes where it is zero. A process of its
 * own writes it, from its copy of the memory, while the machine may go on. The sum finds
 * damage, not malice: whatever is taken out of a file is checked as if it were the guest's.
 */
#include "virtio.h"

#define VERSION		3
#define PAGE		4096
#define MAX_MSRS	512
#define MAX_CPUID	(16 << 10)
#define MSR_TSC_DEADLINE 0x6e0

struct msrs {
	struct kvm_msrs h;
	struct kvm_msr_entry e[MAX_MSRS];
};

struct state {			/* of the machine, or of a CPU */
	uint32_t have;		/* bits: rows of the table */
	union {
		struct {
			struct kvm_irqchip chip[3];
			struct kvm_pit_state2 pit;
			struct kvm_clock_data clock;
		};
		struct {
			struct kvm_sregs sregs;
			struct kvm_lapic_state lapic;
			struct kvm_xcrs xcrs;
			struct kvm_xsave xsave;
			struct msrs msrs;
			struct kvm_regs regs;
			struct kvm_debugregs debugregs;
			struct kvm_vcpu_events events;
			struct kvm_mp_state mp;
		};
	};
};

static struct snapshot {
	char magic[8];
	uint32_t version, cpus;
	uint64_t mem, sum;		/* of all but itself */
	uint32_t devices[VIRTIO_MAX];	/* their IDs */
	uint8_t cpuid[MAX_CPUID];
	struct pc_state pc;
	struct {
		struct vdev_regs r;
		struct vq_regs q[VIRTIO_QUEUES];
	} vdev[VIRTIO_MAX];
	struct state vm, cpu[KEELVM_MAX_CPUS];
} __attribute__((aligned(PAGE))) mine;

/* In the order in which they are set */
#define ROW(name, field)	{ KVM_GET_##name, KVM_SET_##name, offsetof(struct state, field) }
static const struct row {
	unsigned long get, set;
	size_t at;
} rows[] = {
	ROW(IRQCHIP, chip[0]), ROW(IRQCHIP, chip[1]), ROW(IRQCHIP, chip[2]), ROW(PIT2, pit),
	ROW(CLOCK, clock),
#define CPU_ROWS 5
	ROW(SREGS, sregs), ROW(LAPIC, lapic), ROW(XCRS, xcrs), ROW(XSAVE, xsave),
	ROW(MSRS, msrs), ROW(REGS, regs), ROW(DEBUGREGS, debugregs),
	ROW(VCPU_EVENTS, events), ROW(MP_STATE, mp),
};

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

static void get_msrs(int fd, struct msrs *m)
{
	static struct {
		struct kvm_msr_list h;
		uint32_t index[MAX_MSRS];
	} list = { .h.nmsrs = MAX_MSRS - 1 };
	unsigned int i;

	vm_must(!ioctl(vm.sys, KVM_GET_MSR_INDEX_LIST, &list), VM_HOST,
		"KVM_GET_MSR_INDEX_LIST");
	/* Last, or again: it counts from the TSC. */
	list.index[list.h.nmsrs] = MSR_TSC_DEADLINE;
	for (i = 0; i <= list.h.nmsrs; i++) {
		m->e[m->h.nmsrs].index = list.index[i];
		m->h.nmsrs += one_msr(fd, KVM_GET_MSRS, &m->e[m->h.nmsrs]);
	}
}

/* What has its value already need not be writable. */
static int set_msrs(int fd, const struct msrs *m)
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

/* ---- state: @fd is the machine's or a CPU's ---- */

static void get_state(int fd, struct state *s, unsigned int from, unsigned int to)
{
	memset(s, 0, sizeof(*s));
	for (; from < to; from++) {
		void *p = (uint8_t *)s + rows[from].at;

		if (rows[from].get == KVM_GET_IRQCHIP)
			s->chip[from].chip_id = from;
		if (rows[from].get == KVM_GET_MSRS)
			get_msrs(fd, p);
		else if (ioctl(fd, rows[from].get, p) < 0)
			continue;	/* XCRs, where there is no XSAVE */
		s->have |= 1u << from;
	}
	if (fd == vm.fd)
		s->clock.flags = 0;
}

static void set_state(int fd, const struct state *s, unsigned int from,
		      unsigned int to)
{
	for (; from < to; from++) {
		const void *p = (const uint8_t *)s + rows[from].at;

		if (!(s->have & 1u << from))
			continue;
		vm_must(!(rows[from].set == KVM_SET_MSRS ? set_msrs(fd, p) :
			      ioctl(fd, rows[from].set, p)), VM_HOST,
			"%s: state %u is not taken", opt.restore, from);
	}
}

/* ---- saved ---- */

static void describe(struct snapshot *s)
{
	unsigned int i;

	memcpy(s->magic, "KEELVM\0", 8);
	s->version = VERSION;
	s->cpus = opt.cpus;
	s->mem = opt.mem;
	for (i = 0; i < vm.vdevs; i++)
		s->devices[i] = vm.vdev[i]->type->id;
	if (cpu_cpuid_size() <= MAX_CPUID)
		memcpy(s->cpuid, vm.cpuid, cpu_cpuid_size());
}

static void collect(struct snapshot *s)
{
	unsigned int i, q;

	describe(s);
	s->pc = vm.pc;
	for (i = 0; i < vm.vdevs; i++) {
		s->vdev[i].r = vm.vdev[i]->r;
		for (q = 0; q < VIRTIO_QUEUES; q++)
			s->vdev[i].q[q] = vm.vdev[i]->q[q].r;
	}
	get_state(vm.fd, &s->vm, 0, CPU_ROWS);
	for (i = 0; i < opt.cpus; i++)
		get_state(vm.cpu[i].fd, &s->cpu[i], CPU_ROWS, COUNT(rows));
}

static bool zero(const uint8_t *page)
{
	return !*page && !memcmp(page, page + 1, PAGE - 1);
}

/* Of pages, and of where they are; those of zeros are none. */
static uint64_t sum_pages(uint64_t sum, const uint8_t *page, uint64_t len)
{
	const uint64_t *w;
	uint64_t at;

	for (at = 0; at < len; at += PAGE) {
		if (zero(page + at))
			continue;
		sum ^= at;
		for (w = (const void *)(page + at); w < (const uint64_t *)(page + at + PAGE); w++)
			sum = (sum ^ *w) * 0x100000001b3ULL + (sum >> 47);
	}
	return sum;
}

/* Of all but the sum itself */
static uint64_t sum_of(const struct snapshot *s, const uint8_t *mem)
{
	static struct snapshot copy;

	copy = *s;
	copy.sum = 0;
	return sum_pages(sum_pages(0, (const uint8_t *)&copy, sizeof(copy)), mem, s->mem);
}

/* Only what is not zero: the rest are holes. */
static bool put(int fd, const uint8_t *data, uint64_t len, off_t to)
{
	uint64_t at;

	for (at = 0; at < len; at += PAGE)
		if (!zero(data + at) && pwrite(fd, data + at, PAGE, to + at) != PAGE)
			return false;
	return true;
}

/* In the process of its own. NULL, or what is wrong. */
static const char *write_file(const char *name)
{
	char temporary[4096];
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return strerror(errno);
	mine.sum = sum_of(&mine, vm.mem);
	if (put(fd, (uint8_t *)&mine, sizeof(mine), 0) && put(fd, vm.mem, mine.mem, sizeof(mine)) &&
	    !ftruncate(fd, sizeof(mine) + mine.mem) && !fsync(fd) && !rename(temporary, name))
		return NULL;
	name = strerror(errno);
	unlink(temporary);
	return name;
}

int snapshot_save(const char *name)
{
	const char *error;
	int fd[2];
	pid_t pid;

	collect(&mine);
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		/* Neither sockets nor the machine live on in it. */
		dup2(fd[1], 0);
		close_range(1, ~0U, 0);
		error = write_file(name);
		dprintf(0, "%s%s", error ? "error: " : "ok", error ? error : "");
		_exit(0);
	}
	close(fd[1]);		/* without a process there is nothing to read */
	return fd[0];
}

/* ---- restored ---- */

/* The struct is read once: who may write the file may do so meanwhile. The memory is mapped. */
static struct snapshot file;
static const uint8_t *file_mem;

static void check(bool good, const char *why)
{
	vm_must(good, VM_USAGE, "%s: %s", opt.restore, why);
}

void snapshot_open(void)
{
	int fd = open(opt.restore, O_RDONLY | O_CLOEXEC);
	const uint8_t *mapped;
	uint64_t size;
	struct stat st;

	vm_must(fd >= 0 && !fstat(fd, &st), VM_HOST, "%s", opt.restore);
	size = st.st_size;
	check(S_ISREG(st.st_mode) && size >= PAGE, "not a snapshot of keelvm");
	mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	vm_must(mapped != MAP_FAILED, VM_HOST, "%s", opt.restore);
	close(fd);
	memcpy(&file, mapped, size < sizeof(file) ? size : sizeof(file));
	file_mem = mapped + sizeof(file);
	check(!memcmp(file.magic, "KEELVM\0", 8), "not a snapshot of keelvm");
	check(file.version == VERSION, "a snapshot of another version of keelvm");
	check(file.cpus && file.cpus <= KEELVM_MAX_CPUS && file.mem && file.mem % PAGE == 0 &&
	      file.mem <= KEELVM_MAX_MIB << 20, "damaged");
	check(size == sizeof(file) + file.mem, "cut short");
	check(file.sum == sum_of(&file, file_mem), "damaged");
	opt.cpus = file.cpus;
	opt.mem = file.mem;
}

static void restore_device(struct vdev *d)
{
	unsigned int q;

	d->r = file.vdev[d->index].r;
	for (q = 0; q < VIRTIO_QUEUES; q++)
		d->q[q].r = file.vdev[d->index].q[q];
	vm_must(virtio_restore(d), VM_USAGE, "%s: the %s device was another one",
		opt.restore, d->type->option);
}

void snapshot_restore(void)
{
	unsigned int i;
	uint64_t at;

	describe(&mine);
	check(!memcmp(file.devices, mine.devices, sizeof(mine.devices)),
	      "made with other virtio devices, or in another order");
	check(!memcmp(file.cpuid, mine.cpuid, MAX_CPUID), "the CPU is another one here");
	check(file.pc.serial.count <= SERIAL_FIFO && file.pc.serial.level <= 1, "damaged");
	vm.pc = file.pc;
	for (at = 0; at < opt.mem; at += PAGE)
		if (!zero(file_mem + at))
			memcpy(vm.mem + at, file_mem + at, PAGE);
	set_state(vm.fd, &file.vm, 0, CPU_ROWS);
	for (i = 0; i < opt.cpus; i++)
		set_state(vm.cpu[i].fd, &file.cpu[i], CPU_ROWS, COUNT(rows));
	for (i = 0; i < vm.vdevs; i++)
		restore_device(vm.vdev[i]);
	munmap((void *)(file_mem - sizeof(file)), sizeof(file) + opt.mem);
}

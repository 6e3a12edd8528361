// SPDX-License-Identifier: GPL-2.0
/*
 * world.c - the objects of a program: VMs, vCPUs, memory, eventfds
 *
 * An object that is not there, or no more, is an eventfd: its number is never free for
 * something else, and an ioctl on it is ENOTTY. Two threads and the scribbler share all of
 * it without a lock: fds are replaced by dup2(), and guest memory, which comes and goes, is
 * written by system calls that fail where nothing is mapped.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "gcode.h"
#include "storm.h"

static int spare_fd(struct world *w)
{
	return fcntl(w->closed, F_DUPFD_CLOEXEC, 0);
}

static void *pages(size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(4);
	return p;
}

void world_make(struct world *w, int dev)
{
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->dev = dev;
	w->closed = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (w->closed < 0 || w->memfd < 0 || ftruncate(w->memfd, GUEST_SHARED))
		_exit(4);
	for (i = 0; i < VMS; i++) {
		w->vms[i] = spare_fd(w);
		w->mem[i] = pages(GUEST_MEM, PROT_READ | PROT_WRITE);
	}
	for (i = 0; i < VCPUS; i++)
		w->vcpus[i] = spare_fd(w);
	for (i = 0; i < EVENTFDS; i++)
		w->eventfds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->shared = mmap(NULL, GUEST_SHARED, PROT_READ | PROT_WRITE, MAP_SHARED, w->memfd, 0);
	w->rom = pages(PAGE, PROT_READ);
	w->half = pages(2 * PAGE, PROT_READ | PROT_WRITE);
	munmap(w->half + PAGE, PAGE);
	for (i = 0; i < 2; i++)
		w->args[i] = pages(ARG_ROOM, PROT_READ | PROT_WRITE);
}

void world_drop(struct world *w)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++) {
		if (w->runs[i])
			munmap(w->runs[i], RUN_PAGES * PAGE);
		close(w->vcpus[i]);
	}
	for (i = 0; i < VMS; i++) {
		close(w->vms[i]);
		munmap(w->mem[i], GUEST_MEM);
	}
	for (i = 0; i < EVENTFDS; i++)
		close(w->eventfds[i]);
	munmap(w->shared, GUEST_SHARED);
	munmap(w->rom, PAGE);
	munmap(w->half, PAGE);
	for (i = 0; i < 2; i++)
		munmap(w->args[i], ARG_ROOM);
	close(w->memfd);
	close(w->closed);
}

int world_fd(struct world *w, enum object object, unsigned int i)
{
	if (object == O_SYS)
		return w->dev;
	return object == O_VM ? w->vms[i % VMS] : w->vcpus[i % VCPUS];
}

/* ---- objects that come and go ---- */

static void replace(struct world *w, int *slot, int fd)
{
	dup3(fd, *slot, O_CLOEXEC);
	close(fd);
}

static void map_vcpu(struct world *w, unsigned int i)
{
	void *new = vcpu_map(w->vcpus[i]);

	/* An old mapping stays: somebody may be writing into it. It goes with the process. */
	if (new)
		__atomic_store_n(&w->runs[i], new, __ATOMIC_RELAXED);
}

/* What an ioctl of a program made takes a place where the others find it. */
void world_new_fd(struct world *w, const struct call *c, unsigned int i, int fd)
{
	if (c->object == O_SYS) {
		replace(w, &w->vms[i % VMS], fd);
		return;
	}
	i = i % VMS * 2 + (fd & 1);
	replace(w, &w->vcpus[i], fd);
	map_vcpu(w, i);
}

void world_close(struct world *w, unsigned int i)
{
	int *slot = i < VMS ? &w->vms[i] : &w->vcpus[i % VCPUS];

	dup3(w->closed, *slot, O_CLOEXEC);
}

void world_dup(struct world *w, unsigned int i)
{
	int *slot = i < VMS ? &w->vms[i] : &w->vcpus[i % VCPUS];
	int fd = fcntl(*slot, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return;
	dup3(w->closed, *slot, O_CLOEXEC);
	replace(w, slot, fd);
}

static void add_slots(struct world *w, unsigned int vm, struct rng *r)
{
	struct kvm_userspace_memory_region slots[] = {
		{ 0, rng_one_in(r, 2), 0, GUEST_MEM, (uintptr_t)w->mem[vm] },
		{ 1, 0, GUEST_HIGH, PAGE, (uintptr_t)w->mem[vm] },
		{ 2, KVM_MEM_READONLY, GUEST_ROM, PAGE, (uintptr_t)w->rom },
		{ 3, KVM_MEM_LOG_DIRTY_PAGES, GUEST_LOG, GUEST_SHARED, (uintptr_t)w->shared },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slots); i++)
		ioctl(w->vms[vm], KVM_SET_USER_MEMORY_REGION, &slots[i]);
}

static void add_chips(struct world *w, unsigned int vm, struct rng *r)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_pit_config pit = { 0 };

	switch (rng_below(r, 6)) {
	case 0:
		break;
	case 1:
		ioctl(w->vms[vm], KVM_ENABLE_CAP, &split);
		break;
	case 2:
		ioctl(w->vms[vm], KVM_CREATE_IRQCHIP, 0);
		break;
	default:
		ioctl(w->vms[vm], KVM_CREATE_IRQCHIP, 0);
		ioctl(w->vms[vm], KVM_CREATE_PIT2, &pit);
	}
}

/* Parts of the guest's memory may not be mapped just now: the kernel copies what it can. */
static void copy_out(u8 *mem, u8 *draft, size_t at, size_t size)
{
	struct iovec from = { draft + at, size }, to = { mem + at, size };

	process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

static void load_code(struct world *w, unsigned int i, struct rng *r)
{
	u8 *mem = w->mem[i / 2], *draft = pages(GUEST_MEM, PROT_READ | PROT_WRITE);

	gcode_load(r, draft, w->vcpus[i], rng_below(r, G_MODES), G_ALL, 4 + rng_below(r, 20));
	copy_out(mem, draft, 0, G_TABLES + G_TABLES_SIZE);
	copy_out(mem, draft, GUEST_MEM - PAGE, PAGE);
	munmap(draft, GUEST_MEM);
}

static void add_vcpu(struct world *w, unsigned int i, struct rng *r)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + 256 * sizeof(t->entries[0]));
	int fd = ioctl(w->vms[i / 2], KVM_CREATE_VCPU, i % 2);

	t->nent = 256;
	if (fd >= 0) {
		replace(w, &w->vcpus[i], fd);
		map_vcpu(w, i);
		if (!ioctl(w->dev, KVM_GET_SUPPORTED_CPUID, t))
			ioctl(w->vcpus[i], KVM_SET_CPUID2, t);
		load_code(w, i, r);
	}
	free(t);
}

/* A whole machine takes the place of what was there. */
void world_setup(struct world *w, unsigned int vm, struct rng *r)
{
	int fd = ioctl(w->dev, KVM_CREATE_VM, 0);
	unsigned int i, n = rng_one_in(r, 4) ? 0 : 1 + rng_below(r, 2);

	if (fd < 0)
		return;
	mmap(w->mem[vm], GUEST_MEM, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	replace(w, &w->vms[vm], fd);
	ioctl(w->vms[vm], KVM_SET_TSS_ADDR, 0xfffbd000UL);
	add_slots(w, vm, r);
	add_chips(w, vm, r);
	for (i = 0; i < n; i++)
		add_vcpu(w, vm * 2 + i, r);
}

/* ---- memory ---- */

/* Is it there? Asked of the kernel, for mappings beyond the end raise SIGBUS. */
static void touch(void *p)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { p, 1 };

	process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	process_vm_writev(getpid(), &to, 1, &from, 1, 0);
}

void world_map(struct world *w, unsigned int i, struct rng *r)
{
	size_t size = PAGE << rng_below(r, 5);
	off_t at = rng_one_in(r, 4) ? rng_boundary(r) & ~(PAGE - 1) : rng_below(r, 6) * PAGE;
	int prot = rng_below(r, 8), flags = rng_one_in(r, 4) ? MAP_PRIVATE : MAP_SHARED;
	u8 *p = mmap(NULL, size, prot, flags, w->vcpus[i % VCPUS], at);
	unsigned int page;

	if (p == MAP_FAILED)
		return;
	for (page = 0; page < size / PAGE; page++)
		touch(p + page * PAGE);
	madvise(p, size, rng_one_in(r, 2) ? MADV_DONTNEED : MADV_DONTFORK);
	munmap(p, size);
}

void world_memory(struct world *w, unsigned int vm, struct rng *r)
{
	size_t at = rng_below(r, GUEST_MEM / PAGE) * PAGE;
	size_t size = (1 + rng_below(r, 32)) * PAGE;
	u8 *p = w->mem[vm % VMS] + at;

	if (at + size > GUEST_MEM)
		size = GUEST_MEM - at;
	switch (rng_below(r, 8)) {
	case 0:
		mprotect(p, size, rng_below(r, 4));
		break;
	case 1:
		mmap(p, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 2:
		mmap(p, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		fallocate(w->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  at % GUEST_SHARED, size);
		break;
	case 4:
		if (!ftruncate(w->memfd, at % GUEST_SHARED))
			touch(w->shared);
		break;
	case 5:
		if (!ftruncate(w->memfd, GUEST_SHARED))
			touch(w->shared + GUEST_SHARED - 1);
		break;
	case 6:
		mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, w->memfd, 0);
		break;
	default:
		madvise(p, size, rng_one_in(r, 2) ? MADV_DONTNEED : MADV_FREE);
	}
}

u64 world_hva(struct world *w, struct rng *r)
{
	u8 *const places[] = {
		w->mem[0], w->mem[1], w->shared, w->rom, w->half, w->mem[0] + GUEST_MEM - PAGE,
	};
	u64 p = (u64)rng_pick(r, places);

	switch (rng_below(r, 8)) {
	case 0: return rng_boundary(r);
	case 1: return (u64)__atomic_load_n(&w->runs[rng_below(r, VCPUS)], __ATOMIC_RELAXED);
	default: return p + rng_below(r, 16) * PAGE;
	}
}

int world_any_fd(struct world *w, struct rng *r)
{
	switch (rng_below(r, 10)) {
	case 0: return w->dev;
	case 1: return w->vms[rng_below(r, VMS)];
	case 2: return w->vcpus[rng_below(r, VCPUS)];
	case 3: return w->memfd;
	case 4: return -1;
	case 5: return 1000 + rng_below(r, 1000);
	default: return w->eventfds[rng_below(r, EVENTFDS)];
	}
}

/* ---- into what the kernel and the guest use ---- */

static void write_guest(u8 *p, u64 val)
{
	struct iovec from = { &val, sizeof(val) }, to = { p, sizeof(val) };

	process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

/* TR would come from what is scribbled: tcg_stands_tr() tells why not there. */
static bool asks_for_sregs(size_t word)
{
	return on_host("amd") && word == offsetof(struct kvm_run, kvm_dirty_regs) / 8;
}

void world_scribble(struct world *w, struct rng *r)
{
	size_t word = rng_below(r, 3) * (PAGE / 8) + rng_below(r, rng_one_in(r, 2) ? 16 : 512);
	volatile u64 *run = __atomic_load_n(&w->runs[rng_below(r, VCPUS)], __ATOMIC_RELAXED);
	u8 *mem = w->mem[rng_below(r, VMS)];

	/* Most words are where the fields are, the ring's head and PIO data among them. */
	switch (rng_below(r, 6)) {
	case 0:
		write_guest(mem + G_TABLES + (rng_below(r, G_TABLES_SIZE) & ~7),
			    rng_one_in(r, 2) ? gcode_address(r) | 7 : rng_boundary(r));
		break;
	case 1:
		write_guest(mem + G_CODE + rng_below(r, G_CODE_SIZE), rng_next(r));
		break;
	case 2:
		write_guest(mem + rng_below(r, G_CODE), rng_next(r));
		break;
	default:
		if (run && !asks_for_sregs(word))
			run[word] = rng_boundary(r);
	}
}

void world_signal(struct world *w, struct rng *r)
{
	u64 n = rng_one_in(r, 8) ? rng_boundary(r) : 1;
	int fd = w->eventfds[rng_below(r, EVENTFDS)];
	ssize_t done = rng_one_in(r, 4) ? read(fd, &n, sizeof(n)) : write(fd, &n, sizeof(n));

	(void)done;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * guest.c - VMs, vCPUs and small guests for the tests
 */
#include "abi.h"

int open_dev(void)
{
	int fd = open(dev_path, O_RDWR | O_CLOEXEC);

	ASSERT_OK(fd);
	return fd;
}

int cap(int nr)
{
	return ioctl(dev, KVM_CHECK_EXTENSION, nr);
}

void *map_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT_NE((long)p, -1L);
	return p;
}

void *map_run(int vcpu_fd)
{
	void *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);

	ASSERT_NE((long)p, -1L);
	return p;
}

int set_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
	     const void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

int enable_cap(int fd, uint32_t nr, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = nr, .args = { arg } };

	return ioctl(fd, KVM_ENABLE_CAP, &c);
}

void make_vm(struct vm *vm, unsigned int flags)
{
	struct kvm_pit_config pit = { 0 };

	vm->mem = NULL;
	vm->fd = ioctl(dev, KVM_CREATE_VM, 0);
	ASSERT_OK(vm->fd);
	ASSERT_OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	if (!(flags & VM_NO_MEM)) {
		vm->mem = map_pages(MEM_SIZE);
		ASSERT_OK(set_slot(vm, 0, 0, 0, MEM_SIZE, vm->mem));
	}
	if (flags & VM_IRQCHIP)
		ASSERT_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	if (flags & VM_SPLIT)
		ASSERT_OK(enable_cap(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 24));
	if (flags & VM_PIT)
		ASSERT_OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
}

void make_vcpu(struct vcpu *c, struct vm *vm, unsigned long id)
{
	c->vm = vm;
	c->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	ASSERT_OK(c->fd);
	c->run = map_run(c->fd);
}

void make_guest(struct vm *vm, struct vcpu *c, unsigned int flags, const void *code,
		const void *end)
{
	make_vm(vm, flags);
	guest_code(vm, CODE, code, end);
	make_vcpu(c, vm, 0);
	start_at(c, CODE);
}

void drop_vcpu(struct vcpu *c)
{
	munmap(c->run, 3 * PAGE);
	close(c->fd);
}

void drop_vm(struct vm *vm)
{
	close(vm->fd);
	if (vm->mem)
		munmap(vm->mem, MEM_SIZE);
}

void guest_code(struct vm *vm, uint64_t gpa, const void *code, const void *end)
{
	memcpy(vm->mem + gpa, code, (const char *)end - (const char *)code);
}

/* ---- registers ---- */

struct kvm_regs get_regs(struct vcpu *c)
{
	struct kvm_regs r;

	ASSERT_OK(ioctl(c->fd, KVM_GET_REGS, &r));
	return r;
}

void set_regs(struct vcpu *c, const struct kvm_regs *r)
{
	ASSERT_OK(ioctl(c->fd, KVM_SET_REGS, r));
}

struct kvm_sregs get_sregs(struct vcpu *c)
{
	struct kvm_sregs s;

	ASSERT_OK(ioctl(c->fd, KVM_GET_SREGS, &s));
	return s;
}

void set_sregs(struct vcpu *c, const struct kvm_sregs *s)
{
	ASSERT_OK(ioctl(c->fd, KVM_SET_SREGS, s));
}

void start_at(struct vcpu *c, uint64_t ip)
{
	struct kvm_regs r = { .rip = ip, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs s = get_sregs(c);

	s.cs.base = 0;
	s.cs.selector = 0;
	set_sregs(c, &s);
	set_regs(c, &r);
}

#define LONG_PML4	TABLES
#define LONG_PDPT	(TABLES + PAGE)
#define LONG_PD		(TABLES + 2 * PAGE)	/* four of them */

static void long_tables(struct vm *vm)
{
	uint64_t *pml4 = (void *)(vm->mem + LONG_PML4);
	uint64_t *pdpt = (void *)(vm->mem + LONG_PDPT);
	uint64_t *pd = (void *)(vm->mem + LONG_PD);
	uint64_t i;

	pml4[0] = LONG_PDPT | 7;
	for (i = 0; i < 4; i++)
		pdpt[i] = (LONG_PD + i * PAGE) | 7;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | 0x87;	/* 2 MiB */
}

void start_long(struct vcpu *c, uint64_t ip)
{
	struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	}, data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs r = { .rip = ip, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs s = get_sregs(c);

	long_tables(c->vm);
	s.cs = code;
	s.ds = data;
	s.es = data;
	s.fs = data;
	s.gs = data;
	s.ss = data;
	s.cr0 = 0x80000033;	/* PG, NE, ET, MP, PE */
	s.cr3 = LONG_PML4;
	s.cr4 = 0x620;		/* OSXMMEXCPT, OSFXSR, PAE */
	s.efer = 0x500;		/* LMA, LME */
	set_sregs(c, &s);
	set_regs(c, &r);
}

void set_idt_entry(struct vm *vm, uint8_t vector, uint16_t ip)
{
	uint16_t *ivt = (void *)vm->mem;

	ivt[vector * 2] = ip;
	ivt[vector * 2 + 1] = 0;
}

int get_msr(struct vcpu *c, uint32_t index, uint64_t *val)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e.index = index };
	int r = ioctl(c->fd, KVM_GET_MSRS, &m);

	*val = m.e.data;
	return r;
}

int set_msr(struct vcpu *c, uint32_t index, uint64_t val)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e.index = index, .e.data = val };

	return ioctl(c->fd, KVM_SET_MSRS, &m);
}

#define CPUID_ROOM	256

struct kvm_cpuid2 *supported_cpuid(void)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + CPUID_ROOM * sizeof(t->entries[0]));

	t->nent = CPUID_ROOM;
	ASSERT_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, t));
	return t;
}

const struct kvm_cpuid_entry2 *find_cpuid(const struct kvm_cpuid2 *t, uint32_t leaf, uint32_t sub)
{
	unsigned int i;

	for (i = 0; i < t->nent; i++)
		if (t->entries[i].function == leaf &&
		    (!(t->entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
		     t->entries[i].index == sub))
			return &t->entries[i];
	return NULL;
}

void set_all_cpuid(struct vcpu *c)
{
	struct kvm_cpuid2 *t = supported_cpuid();

	ASSERT_OK(ioctl(c->fd, KVM_SET_CPUID2, t));
	free(t);
}

/* ---- running ---- */

int run_vcpu(struct vcpu *c)
{
	return ioctl(c->fd, KVM_RUN, 0) ? -errno : 0;
}

void run_to(struct vcpu *c, uint32_t reason)
{
	ASSERT_EQ(run_vcpu(c), 0);
	ASSERT_EQ(c->run->exit_reason, reason);
}

void run_to_out(struct vcpu *c, uint16_t port)
{
	run_to(c, KVM_EXIT_IO);
	ASSERT_EQ(c->run->io.direction, KVM_EXIT_IO_OUT);
	ASSERT_EQ(c->run->io.port, port);
}

void *pio_data(struct vcpu *c)
{
	return (char *)c->run + c->run->io.data_offset;
}

uint32_t out_value(struct vcpu *c)
{
	uint32_t val = 0;

	memcpy(&val, pio_data(c), c->run->io.size);
	return val;
}

int irq_line(struct vm *vm, uint32_t gsi, uint32_t level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	return ioctl(vm->fd, KVM_IRQ_LINE, &l);
}

/* ---- the module ---- */

int count_refs(void)
{
	FILE *f = fopen(abi_on_kvm() ? "/sys/module/kvm_amd/refcnt" : "/sys/module/keel/refcnt",
			"r");
	int n = -1;

	ASSERT_TRUE(f);
	EXPECT_EQ(fscanf(f, "%d", &n), 1);
	fclose(f);
	return n;
}

void expect_refs(int want)
{
	int i;

	for (i = 0; i < 1000 && count_refs() != want; i++)
		sleep_ms(10);
	EXPECT_EQ(count_refs(), want);
}

int module_refs(void)
{
	int n = count_refs(), now, same = 0;

	while (same++ < 10) {
		sleep_ms(10);
		now = count_refs();
		if (now != n)
			same = 0;
		n = now;
	}
	return n;
}

/* ---- time ---- */

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

uint64_t take_eventfd(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

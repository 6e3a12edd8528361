// SPDX-License-Identifier: GPL-2.0
/*
 * cpu.c - virtual CPUs: made, set up to start, run
 */
#include "virtio.h"

#define CR0_PE		1u
#define CR0_ET		(1u << 4)
#define STACK		0x8f00	/* what a kernel of 32 bits may use at first */
#define REAL_STACK	0x7000

#define MSR_MISC_ENABLE	0x1a0

#define MAX_CPUID	256

static void ioctl_cpu(struct vm_cpu *cpu, unsigned long req, void *arg, const char *name)
{
	vm_must(ioctl(cpu->fd, req, arg) >= 0, VM_HOST, "CPU %u: %s", cpu->id, name);
}

/* The identity of this CPU in what the hypervisor supports */
static void cpuid_patch(struct vm_cpu *cpu, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0x0000ffff) | cpu->id << 24 | opt.cpus << 16;
		e->ecx |= 1u << 31;	/* hypervisor present */
		if (ioctl(vm.sys, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= 1u << 24;
		if (opt.cpus > 1)
			e->edx |= 1u << 28;
		break;
	case 0xb:
	case 0x1f:
		e->edx = cpu->id;
		break;
	case 0x8000001e:
		e->eax = cpu->id;
		break;
	}
}

static void set_cpuid(struct vm_cpu *cpu)
{
	struct kvm_cpuid2 *c = vm.cpuid;
	unsigned int i;

	if (!c)
		c = calloc(1, sizeof(*c) + MAX_CPUID * sizeof(c->entries[0]));
	vm_must(c, VM_HOST, "memory");
	vm.cpuid = c;
	c->nent = MAX_CPUID;
	vm_must(!ioctl(vm.sys, KVM_GET_SUPPORTED_CPUID, c), VM_HOST,
		"KVM_GET_SUPPORTED_CPUID");
	for (i = 0; i < c->nent; i++)
		cpuid_patch(cpu, &c->entries[i]);
	ioctl_cpu(cpu, KVM_SET_CPUID2, c, "KVM_SET_CPUID2");
}

size_t cpu_cpuid_size(void)
{
	return sizeof(*vm.cpuid) + vm.cpuid->nent * sizeof(vm.cpuid->entries[0]);
}

/* LINT0 takes the 8259's interrupts, LINT1 is NMI: as a BIOS leaves them */
static void set_lapic(struct vm_cpu *cpu)
{
	struct kvm_lapic_state s;
	uint32_t lint[] = { 0x700, 0, 0, 0, 0x400 };

	ioctl_cpu(cpu, KVM_GET_LAPIC, &s, "KVM_GET_LAPIC");
	memcpy(s.regs + 0x350, lint, sizeof(lint));
	ioctl_cpu(cpu, KVM_SET_LAPIC, &s, "KVM_SET_LAPIC");
}

/* Fast strings, as a BIOS leaves them */
static void set_msrs(struct vm_cpu *cpu)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e = { .index = MSR_MISC_ENABLE, .data = 1 } };

	vm_must(ioctl(cpu->fd, KVM_SET_MSRS, &m) == 1, VM_HOST, "CPU %u: KVM_SET_MSRS", cpu->id);
}

void cpu_create(unsigned int id)
{
	struct vm_cpu *cpu = &vm.cpu[id];

	cpu->id = id;
	cpu->fd = ioctl(vm.fd, KVM_CREATE_VCPU, (unsigned long)id);
	vm_must(cpu->fd >= 0, VM_HOST, "KVM_CREATE_VCPU %u", id);
	cpu->run = mmap(NULL, vm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	vm_must(cpu->run != MAP_FAILED, VM_HOST, "mmap of CPU %u", id);
	set_cpuid(cpu);
	set_lapic(cpu);
	set_msrs(cpu);
}

/* As Linux's boot protocol and the others want it: segments of 4 GiB; or in real mode */
void cpu_start(struct vm_cpu *cpu, struct kvm_regs regs, bool real)
{
	static const struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x18, .type = 0x3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_sregs s;

	ioctl_cpu(cpu, KVM_GET_SREGS, &s, "KVM_GET_SREGS");
	if (real) {
		s.cs.selector = regs.rip >> 4;
		s.cs.base = regs.rip & ~0xfULL;
		regs.rip &= 0xf;
	} else {
		s.ds = data;
		s.es = data;
		s.fs = data;
		s.gs = data;
		s.ss = data;
		s.cs = data;
		s.cs.selector = 0x10;
		s.cs.type = 0xb;
		s.cr0 = CR0_PE | CR0_ET;
	}
	regs.rflags = 2;
	regs.rsp = real ? REAL_STACK : STACK;
	ioctl_cpu(cpu, KVM_SET_SREGS, &s, "KVM_SET_SREGS");
	ioctl_cpu(cpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

/* ---- running ---- */

static void handle_io(struct vm_cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int i;

	for (i = 0; i < run->io.count; i++, data += run->io.size)
		port_io(cpu, run->io.port, run->io.direction == KVM_EXIT_IO_IN, run->io.size, data);
}

static void handle_mmio(struct vm_cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	uint64_t addr = run->mmio.phys_addr;
	uint8_t *data = run->mmio.data;

	if (exec_mmio(run))
		return;
	pthread_mutex_lock(&vm.lock);
	if (!virtio_mmio(addr, run->mmio.is_write, run->mmio.len, data)) {
		if (testdev_mmio)
			testdev_mmio(addr, run->mmio.is_write, run->mmio.len, data);
		else if (!run->mmio.is_write)
			memset(data, 0xff, run->mmio.len);
	}
	pthread_mutex_unlock(&vm.lock);
}

static void show(struct vm_cpu *cpu)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct kvm_regs r = { 0 };
	struct kvm_sregs s = { 0 };
	struct kvm_mp_state mp = { 0 };
	struct kvm_vcpu_events e = { 0 };
	struct kvm_lapic_state a = { 0 };
	uint32_t *reg = (uint32_t *)a.regs;
	int i;

	ioctl(cpu->fd, KVM_GET_REGS, &r);
	ioctl(cpu->fd, KVM_GET_SREGS, &s);
	ioctl(cpu->fd, KVM_GET_MP_STATE, &mp);
	ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &e);
	ioctl(cpu->fd, KVM_GET_LAPIC, &a);
	pthread_mutex_lock(&lock);
	fprintf(stderr, "keelvm: CPU %u rip %#llx cs %#x base %#llx rsp %#llx rflags %#llx\n"
		"keelvm: cr0 %#llx cr2 %#llx cr3 %#llx cr4 %#llx efer %#llx\n"
		"keelvm: mp_state %u injected %u:%#x shadow %u nmi %u TPR %#x\n", cpu->id, r.rip,
		s.cs.selector, s.cs.base, r.rsp, r.rflags, s.cr0, s.cr2, s.cr3, s.cr4, s.efer,
		mp.mp_state, e.interrupt.injected, e.interrupt.nr, e.interrupt.shadow,
		e.nmi.pending, reg[0x80 / 4]);
	for (i = 0; i < 8; i++)
		if (reg[0x100 / 4 + 4 * i] | reg[0x200 / 4 + 4 * i])
			fprintf(stderr, "keelvm: vectors from %#x: ISR %#x IRR %#x\n", 32 * i,
				reg[0x100 / 4 + 4 * i], reg[0x200 / 4 + 4 * i]);
	pthread_mutex_unlock(&lock);
}

/* ---- SIGQUIT: each CPU tells where it is, and goes on ---- */

static __thread struct vm_cpu *self;

/* In the thread of the CPU: the next KVM_RUN ends at once, should it not be in one. */
static void on_kick(int signal __unused)
{
	if (self)
		self->run->immediate_exit = 1;
}

static void kick_cpus(void)
{
	unsigned int i;

	for (i = 0; i < opt.cpus; i++)
		if (vm.cpu[i].thread)	/* else it is not started yet */
			pthread_kill(vm.cpu[i].thread, SIGUSR1);
}

static void on_quit(int signal __unused)
{
	unsigned int i;

	for (i = 0; i < opt.cpus; i++)
		vm.cpu[i].show = 1;
	kick_cpus();
}

void cpu_show_on_quit(void)
{
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_kick }, NULL);
	sigaction(SIGQUIT, &(struct sigaction){ .sa_handler = on_quit }, NULL);
}

/* All that the CPU did is complete: KVM_RUN did so before it saw immediate_exit. */
static void interrupted(struct vm_cpu *cpu)
{
	cpu->run->immediate_exit = 0;
	if (cpu->show)
		show(cpu);
	cpu->show = 0;
	pthread_mutex_lock(&vm.lock);
	vm.parked++;
	if (vm.paused)
		loop_wake();
	while (vm.paused)
		pthread_cond_wait(&vm.resumed, &vm.lock);
	vm.parked--;
	pthread_mutex_unlock(&vm.lock);
}

void vm_pause(void)
{
	vm.paused = true;
	virtio_pause();
	kick_cpus();
}

bool vm_quiet(void)
{
	return vm.paused && vm.parked == opt.cpus && !vm.working;
}

void vm_resume(void)
{
	vm.paused = false;
	pthread_cond_broadcast(&vm.resumed);
	virtio_resume();
}

static void handle_error(struct vm_cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	unsigned int i;

	if (opt.go_on && run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		return;
	show(cpu);
	fprintf(stderr, "keelvm: internal error %u:", run->internal.suberror);
	for (i = 0; i < run->internal.ndata && i < 16; i++)
		fprintf(stderr, " %#llx", run->internal.data[i]);
	fputc('\n', stderr);
	vm_exit(VM_GUEST);
}

static void handle_exit(struct vm_cpu *cpu)
{
	struct kvm_run *run = cpu->run;

	cpu->exits[run->exit_reason % COUNT(cpu->exits)]++;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(cpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(cpu);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_HLT:
		break;
	case KVM_EXIT_SHUTDOWN:
		vm_die(VM_GUEST, "the guest shut down by a triple fault");
	case KVM_EXIT_SYSTEM_EVENT:
		vm_exit(0);
	case KVM_EXIT_INTERNAL_ERROR:
		handle_error(cpu);
		break;
	default:
		show(cpu);
		vm_must(run->exit_reason != KVM_EXIT_FAIL_ENTRY, VM_GUEST,
			"entry failed: %#llx", (unsigned long long)
			run->fail_entry.hardware_entry_failure_reason);
		vm_die(VM_GUEST, "exit reason %u", run->exit_reason);
	}
}

void *cpu_run(void *arg)
{
	struct vm_cpu *cpu = arg;

	self = cpu;
	cpu->run->immediate_exit = vm.paused;
	for (;;) {
		if (ioctl(cpu->fd, KVM_RUN, 0) == 0)
			handle_exit(cpu);
		else if (errno == EINTR)
			interrupted(cpu);
		else
			vm_must(errno == EAGAIN, VM_HOST, "CPU %u: KVM_RUN", cpu->id);
	}
	return NULL;
}

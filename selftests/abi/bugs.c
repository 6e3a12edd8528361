// SPDX-License-Identifier: GPL-2.0
/*
 * bugs.c - what went wrong in other hypervisors: leaks to userspace, state that crosses
 * between host and guest, counts that lie, fds that are guessed. Documentation/security
 * says which test is for which class.
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include "abi.h"

#define POISON	0xa5

static struct vm vm;
static struct vcpu c;

/* ---- uninitialised bytes to userspace ---- */

/* Leaves POISON where the kernel's next buffers of all sizes will be, heap and stack. */
static void poison_kernel(void)
{
	static uint8_t bytes[1 << 16];
	struct kvm_msrs *msrs = (void *)bytes;
	int i;

	memset(bytes, POISON, sizeof(bytes));
	for (i = 0; i < 4; i++) {
		ioctl(c.fd, KVM_SET_XSAVE, bytes);
		ioctl(c.fd, KVM_SET_DEBUGREGS, bytes);
		ioctl(c.fd, KVM_SET_SREGS, bytes);
		ioctl(vm.fd, KVM_SET_CLOCK, bytes);
		msrs->nmsrs = 8 << i;
		ioctl(c.fd, KVM_SET_MSRS, msrs);
		memset(bytes, POISON, sizeof(*msrs));
	}
}

struct hole { uint16_t at, len; };

/* An ioctl that fills a struct, and the bytes of it that mean nothing. */
struct getter {
	const char *name;
	unsigned long nr;
	bool of_vm;
	size_t size;
	struct hole hole[8];
};

#define PAD(type, field) { offsetof(type, field), sizeof(((type *)0)->field) }

static const struct getter getters[] = {
	{ "KVM_GET_SREGS", KVM_GET_SREGS, false, sizeof(struct kvm_sregs),
	  { PAD(struct kvm_sregs, cs.padding), PAD(struct kvm_sregs, ds.padding),
	    PAD(struct kvm_sregs, ss.padding), PAD(struct kvm_sregs, tr.padding),
	    PAD(struct kvm_sregs, ldt.padding), PAD(struct kvm_sregs, gdt.padding),
	    PAD(struct kvm_sregs, idt.padding) } },
	{ "KVM_GET_FPU", KVM_GET_FPU, false, sizeof(struct kvm_fpu),
	  { PAD(struct kvm_fpu, pad1), PAD(struct kvm_fpu, pad2) } },
	{ "KVM_GET_XSAVE", KVM_GET_XSAVE, false, sizeof(struct kvm_xsave),
	  { { 528, 48 } } },	/* of the header, reserved */
	{ "KVM_GET_XCRS", KVM_GET_XCRS, false, sizeof(struct kvm_xcrs),
	  { PAD(struct kvm_xcrs, flags), PAD(struct kvm_xcrs, xcrs[0].reserved),
	    PAD(struct kvm_xcrs, xcrs[1]), PAD(struct kvm_xcrs, xcrs[15]),
	    PAD(struct kvm_xcrs, padding) } },
	{ "KVM_GET_DEBUGREGS", KVM_GET_DEBUGREGS, false, sizeof(struct kvm_debugregs),
	  { PAD(struct kvm_debugregs, reserved) } },
	{ "KVM_GET_VCPU_EVENTS", KVM_GET_VCPU_EVENTS, false, sizeof(struct kvm_vcpu_events),
	  { PAD(struct kvm_vcpu_events, nmi.pad), PAD(struct kvm_vcpu_events, reserved) } },
	{ "KVM_GET_CLOCK", KVM_GET_CLOCK, true, sizeof(struct kvm_clock_data),
	  { PAD(struct kvm_clock_data, pad0), PAD(struct kvm_clock_data, pad) } },
	{ "KVM_GET_PIT2", KVM_GET_PIT2, true, sizeof(struct kvm_pit_state2),
	  { PAD(struct kvm_pit_state2, reserved) } },
	{ "KVM_GET_LAPIC", KVM_GET_LAPIC, false, sizeof(struct kvm_lapic_state),
	  { { 0x24, 12 }, { 0x34, 12 }, { 0x84, 12 }, { 0xc0, 16 }, { 0x3f0, 16 } } },
};

static void expect_zero(const char *name, const uint8_t *p, struct hole h)
{
	unsigned int i;

	for (i = h.at; i < h.at + h.len; i++) {
		if (!p[i])
			continue;
		abi_note("%s: byte %u is %#x", name, i, p[i]);
		EXPECT_EQ(p[i], 0);
	}
}

TEST(no_leak_in_padding)
{
	static uint8_t buf[PAGE];
	unsigned int i, k;

	make_vm(&vm, VM_IRQCHIP | VM_PIT);
	make_vcpu(&c, &vm, 0);
	set_all_cpuid(&c);
	for (i = 0; i < ARRAY_SIZE(getters); i++) {
		const struct getter *g = &getters[i];

		memset(buf, POISON, sizeof(buf));
		poison_kernel();
		if (ioctl(g->of_vm ? vm.fd : c.fd, g->nr, buf)) {
			EXPECT_EQ(g->nr, KVM_GET_XCRS);	/* a host without XSAVE */
			continue;
		}
		for (k = 0; k < ARRAY_SIZE(g->hole); k++)
			expect_zero(g->name, buf, g->hole[k]);
		if (g->size < sizeof(buf))
			EXPECT_EQ(buf[g->size], POISON);
	}
}

TEST(no_leak_in_tables)
{
	struct kvm_cpuid2 *t = supported_cpuid();
	unsigned int i;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	for (i = 0; i < t->nent; i++)
		memset(t->entries[i].padding, POISON, sizeof(t->entries[i].padding));
	t->nent = 100;
	poison_kernel();
	ASSERT_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, t));
	for (i = 0; i < t->nent; i++)
		EXPECT_EQ(t->entries[i].padding[0] | t->entries[i].padding[1] |
			  t->entries[i].padding[2], 0);
}

/* What userspace maps is new memory: the three pages of a vCPU. */
TEST(no_leak_in_run_pages)
{
	const uint64_t *p;
	unsigned int i;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	poison_kernel();
	make_vcpu(&c, &vm, 1);
	p = (void *)c.run;
	for (i = 0; i < 3 * PAGE / sizeof(*p); i++)
		if (p[i])
			EXPECT_EQ(p[i], 0);
}

/* ---- host state in the guest, guest state in the host ---- */

/* RBX: all of the host's that can be seen, in one word. Then the guest makes it all ones. */
GUEST(64, look_and_spoil,
	"xor %ebx, %ebx\n"
	".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movq %xmm\\r, %rax\nor %rax, %rbx\n"
	".endr\n"
	".irp r,0,1,2,3\nmov %db\\r, %rax\nor %rax, %rbx\n.endr\n"
	".irp m,0xc0000081,0xc0000082,0xc0000084,0xc0000100,0xc0000101,0xc0000102,0xc0000103\n"
	"mov $\\m, %ecx\nrdmsr\nor %rax, %rbx\nor %rdx, %rbx\n"
	".endr\n"
	GUEST_STEP
	"mov $0x5a5a5a5a, %eax\nxor %edx, %edx\n"
	".irp m,0xc0000081,0xc0000082,0xc0000084,0xc0000100,0xc0000101,0xc0000102,0xc0000103\n"
	"mov $\\m, %ecx\nwrmsr\n"
	".endr\n"
	".irp r,0,1,2,3\nmov %rax, %db\\r\n.endr\n"
	".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\nmovq %rax, %xmm\\r\n.endr\n"
	"mov $0x1f00, %eax\npush %rax\nldmxcsr (%rsp)\n"
	GUEST_OUT);

/* KVM_RUN with a pattern in the vector registers; how many of them came back changed. */
static int run_with_vectors(int *result)
{
	static uint64_t in[16], out[16];
	long r = SYS_ioctl;
	int i, bad = 0;

	for (i = 0; i < 16; i++)
		in[i] = 0x1111111111111111ULL * i | 1;
#define EACH(op) \
	".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" op "\n.endr\n"
	asm volatile(EACH("movq \\r*8(%[in]), %%xmm\\r")
		     "syscall\n"
		     EACH("movq %%xmm\\r, \\r*8(%[out])")
		     : "+a" (r) : "D" ((long)c.fd), "S" ((long)KVM_RUN), "d" (0L),
		       [in] "r" (in), [out] "r" (out)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
		       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
		       "xmm14", "xmm15");
	for (i = 0; i < 16; i++)
		bad += in[i] != out[i];
	*result = r;
	return bad;
}

struct host_state {
	unsigned long fs, gs;
	uint32_t aux, mxcsr;
};

static struct host_state host_state(void)
{
	struct host_state h;
	uint32_t lo, hi;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &h.fs);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &h.gs);
	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (h.aux));
	asm volatile("stmxcsr %0" : "=m" (h.mxcsr));
	return h;
}

TEST(state_does_not_cross)
{
	struct host_state before, after;
	struct kvm_regs r;
	cpu_set_t one;
	int i, result;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_OK(sched_setaffinity(0, sizeof(one), &one));
	ASSERT_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456789000UL));
	make_guest(&vm, &c, 0, look_and_spoil, look_and_spoil_end);
	set_all_cpuid(&c);
	start_long(&c, CODE);
	before = host_state();
	EXPECT_EQ(run_with_vectors(&result), 0);
	ASSERT_EQ(result, 0);
	ASSERT_EQ(c.run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(c.run->io.port, STEP_PORT);
	r = get_regs(&c);
	EXPECT_EQ(r.rbx, 0);
	for (i = 0; i < 2; i++) {
		if (!i)
			EXPECT_EQ(run_with_vectors(&result), 0);
		after = host_state();
		EXPECT_EQ(after.fs, before.fs);
		EXPECT_EQ(after.gs, before.gs);
		EXPECT_EQ(after.aux, before.aux);
		EXPECT_EQ(after.mxcsr, before.mxcsr);
		sched_yield();
	}
	EXPECT_EQ(c.run->io.port, DONE_PORT);
}

/* ---- a vCPU whose state the CPU refuses ---- */

GUEST(64, say_done, GUEST_OUT "hlt\n");

TEST(refused_state_can_be_mended)
{
	struct kvm_sregs good, bad;
	struct kvm_regs regs;

	make_guest(&vm, &c, 0, say_done, say_done_end);
	start_long(&c, CODE);
	regs = get_regs(&c);
	good = get_sregs(&c);
	bad = good;
	bad.cs.db = 1;			/* with L: reserved in long mode */
	set_sregs(&c, &bad);
	ASSERT_EQ(run_vcpu(&c), 0);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	ASSERT_EQ(run_vcpu(&c), 0);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	EXPECT_EQ(get_regs(&c).rip, regs.rip);		/* nothing of the host's is there, either */
	EXPECT_EQ(get_regs(&c).rsp, regs.rsp);
	EXPECT_EQ(get_regs(&c).rax, regs.rax);
	set_sregs(&c, &good);
	run_to_out(&c, DONE_PORT);
}

/* What was to be injected at the entry that was refused is not lost. */
TEST(refused_state_keeps_event)
{
	struct kvm_vcpu_events ev = { 0 };
	struct kvm_sregs bad;

	DIFFERS("kvm may lose the event");
	make_guest(&vm, &c, 0, say_done, say_done_end);
	start_long(&c, CODE);
	bad = get_sregs(&c);
	bad.cs.db = 1;
	set_sregs(&c, &bad);
	ASSERT_OK(ioctl(c.fd, KVM_NMI));
	ASSERT_EQ(run_vcpu(&c), 0);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	ASSERT_OK(ioctl(c.fd, KVM_GET_VCPU_EVENTS, &ev));
	EXPECT_EQ(ev.nmi.injected + ev.nmi.pending, 1);
	EXPECT_EQ(ev.nmi.masked, 0);
}

/* ---- counts and indices that lie ---- */

/* Of tables whose size their own first word tells, more than there can be. */
TEST(counts_that_lie)
{
	static const struct { unsigned long nr; bool of_vm; int err; } rows[] = {
		{ KVM_SET_MSRS, false, E2BIG }, { KVM_GET_MSRS, false, E2BIG },
		{ KVM_SET_CPUID, false, E2BIG }, { KVM_SET_CPUID2, false, E2BIG },
		{ KVM_SET_GSI_ROUTING, true, EINVAL }, { KVM_SET_SIGNAL_MASK, false, EINVAL },
	};
	static const uint32_t counts[] = { ~0U, 1U << 31, 0x10000001, 0x08000001, 0x00100000 };
	unsigned int i, k;
	uint32_t *table = map_pages(PAGE);

	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		for (k = 0; k < ARRAY_SIZE(counts); k++) {
			table[0] = counts[k];
			EXPECT_ERR(ioctl(rows[i].of_vm ? vm.fd : c.fd, rows[i].nr, table),
				   rows[i].err);
		}
	}
}

/* One page past the end of each thing that is numbered, and the greatest number of all. */
TEST(indices_that_lie)
{
	struct kvm_x86_mce mce = { .status = 1ULL << 63, .bank = 255 };
	struct kvm_irq_level line = { .irq = ~0U, .level = 1 };
	struct kvm_dirty_log log = { .slot = ~0U };
	uint64_t mcg = 255, val;
	unsigned int msr;

	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	set_all_cpuid(&c);
	EXPECT_ERR(ioctl(c.fd, KVM_X86_SETUP_MCE, &mcg), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_X86_SET_MCE, &mce), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), EINVAL);
	EXPECT_OK(ioctl(vm.fd, KVM_IRQ_LINE_STATUS, &line));
	EXPECT_EQ((int)line.status, -1);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, ~0UL), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_VCPU, 1UL << 32), EINVAL);
	/* the ends of the banks, of the variable and the fixed ranges, and of the APIC's */
	for (msr = 0x480; msr < 0x500; msr++)
		EXPECT_EQ(set_msr(&c, msr, 0) == 1, 0);
	EXPECT_EQ(get_msr(&c, 0x210, &val), 0);
	EXPECT_EQ(get_msr(&c, 0x270, &val), 0);
	EXPECT_EQ(get_msr(&c, 0x900, &val), 0);
}

/*
 * A log as large as a slot can have it, 512 MiB, over memory that is not there. Where the
 * host is smaller it is refused at once, and the kernel's log must not tell of it.
 */
TEST(log_of_everything)
{
	uint64_t size = ((1ULL << 31) - 1) * PAGE;
	uint64_t needed = kernel_is("kasan") ? 5UL << 29 : 1UL << 30;
	struct sysinfo host;
	int r;

	sysinfo(&host);
	if (host.totalram > 512UL << 20 && host.freeram < needed)
		SKIP("it would fill the host's memory");
	make_vm(&vm, VM_NO_MEM);
	r = set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, size, (void *)PAGE);
	if (r)
		EXPECT_EQ(errno, ENOMEM);
	else
		EXPECT_OK(set_slot(&vm, 0, 0, 0, 0, (void *)PAGE));
}

/* ---- fds that are guessed ---- */

static volatile int guess;
static volatile bool stop;
static unsigned long hits;

/* An fd answers whole, or is not there yet. */
static void *use_guess(void *arg)
{
	struct kvm_regs r;

	while (!stop) {
		errno = 0;
		if (!ioctl(guess, KVM_GET_REGS, &r))
			hits++;
		else
			EXPECT_TRUE(errno == EBADF || errno == ENOTTY || errno == EINVAL);
	}
	return NULL;
}

TEST(fds_are_whole)
{
	pthread_t t;
	int i, fd;

	make_vm(&vm, VM_IRQCHIP);
	guess = fd = dup(dev);
	close(fd);
	ASSERT_EQ(pthread_create(&t, NULL, use_guess, NULL), 0);
	for (i = 0; i < 60; i++) {
		fd = ioctl(vm.fd, KVM_CREATE_VCPU, i);
		ASSERT_OK(fd);
		EXPECT_EQ(fd, guess);
		sched_yield();
		close(fd);
	}
	for (i = 0; i < 60; i++) {
		fd = ioctl(dev, KVM_CREATE_VM, 0);
		ASSERT_OK(fd);
		close(fd);
	}
	stop = true;
	pthread_join(t, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * irq.c - interrupts: APIC registers, IPIs, timers, eventfds, HLT and what ends it
 */
#include <pthread.h>
#include "bench.h"

/* ---- one vCPU and its APIC ---- */

GUEST_BENCH(eoi_xapic, "eoi-xapic", VM_IRQCHIP, NULL, GUEST_AT(0xfee000b0), "",
	    "movl $0, (%rbx)\n", "");
GUEST_BENCH(eoi_x2apic, "eoi-x2apic", VM_IRQCHIP, NULL, GUEST_X2APIC, GUEST_MSR_0(0x80b),
	    "wrmsr\n", "");

#define SELF_IPI GUEST_MSR(0x83f) "xor %edx, %edx\nmov $" STRING(VECTOR) ", %eax\n"

/* To the end of the handler, its EOI included. */
GUEST_BENCH(ipi_self, "ipi-self", VM_IRQCHIP, NULL, GUEST_X2APIC "sti\n", SELF_IPI, "wrmsr\n",
	    GUEST_HANDLER);
GUEST_BENCH(hlt_self, "hlt-self-ipi", VM_IRQCHIP, NULL, GUEST_X2APIC, "cli\n" SELF_IPI,
	    "wrmsr\nsti\nhlt\n", "nop\n" GUEST_HANDLER);

/* ---- IPIs to vCPUs that are not running: what they cost the sender ---- */

#define APIC_SVR	0xf0
#define OTHERS		7

static void enable_apic(struct vcpu *c)
{
	struct kvm_lapic_state apic;
	uint32_t svr = 0x1ff;

	ASSERT_OK(ioctl(c->fd, KVM_GET_LAPIC, &apic));
	memcpy(apic.regs + APIC_SVR, &svr, sizeof(svr));
	ASSERT_OK(ioctl(c->fd, KVM_SET_LAPIC, &apic));
}

static void others(struct vm *vm, uint64_t apic_base)
{
	struct kvm_sregs s;
	struct vcpu c;
	unsigned int i;

	for (i = 1; i <= OTHERS; i++) {
		bench_vcpu(&c, vm, i, CODE);
		s = get_sregs(&c);
		s.apic_base = apic_base;
		set_sregs(&c, &s);
		enable_apic(&c);
	}
}

static void others_xapic(struct vm *vm)
{
	others(vm, 0xfee00800);
}

static void others_x2apic(struct vm *vm)
{
	others(vm, 0xfee00c00);
}

#define XAPIC_ICR GUEST_AT(0xfee00300) "movl $0x1ff, -0x210(%rbx)\nmovl $0x01000000, 0x10(%rbx)\n"
#define X2APIC_ICR(dest, icr) GUEST_MSR(0x830) "mov $" #dest ", %edx\nmov $" #icr ", %eax\n"

GUEST_BENCH(ipi_xapic, "ipi-xapic", VM_IRQCHIP, others_xapic, XAPIC_ICR, "",
	    "movl $0x4040, (%rbx)\n", "");
GUEST_BENCH(ipi_xapic_all, "ipi-xapic-7-others", VM_IRQCHIP, others_xapic, XAPIC_ICR, "",
	    "movl $0xc4040, (%rbx)\n", "");
GUEST_BENCH(ipi_x2apic, "ipi-x2apic", VM_IRQCHIP, others_x2apic, GUEST_X2APIC,
	    X2APIC_ICR(1, 0x4040), "wrmsr\n", "");
GUEST_BENCH(ipi_x2apic_all, "ipi-x2apic-7-others", VM_IRQCHIP, others_x2apic, GUEST_X2APIC,
	    X2APIC_ICR(0, 0xc4040), "wrmsr\n", "");

/* ---- two vCPUs that wake each other, on one CPU ---- */

#define OTHER_CODE	0x2000
#define OTHER_STACK	0xa000

/* Says that it is there, then answers each interrupt by one to vCPU 0. */
GUEST(64, answer,
	GUEST_X2APIC
	"out %al, $0xf5\n"
	"9: sti\n"
	"hlt\n"
	"cli\n"
	X2APIC_ICR(0, 0x4040)
	"wrmsr\n"
	"jmp 9b\n");

static struct vcpu other;

static void *run_other(void *arg)
{
	for (;;)
		bare_ioctl(other.fd, KVM_RUN, NULL);
	return NULL;
}

static void start_other(struct vm *vm)
{
	struct kvm_regs r;
	pthread_t t;

	guest_code(vm, OTHER_CODE, answer, answer_end);
	bench_vcpu(&other, vm, 1, OTHER_CODE);
	r = get_regs(&other);
	r.rsp = OTHER_STACK;
	set_regs(&other, &r);
	run_to_out(&other, STEP_PORT);
	ASSERT_OK(pthread_create(&t, NULL, run_other, NULL));
}

/* There and back: two of each. */
GUEST_BENCH(hlt_other, "hlt-wake-round-trip", VM_IRQCHIP, start_other, GUEST_X2APIC,
	    "cli\n" X2APIC_ICR(1, 0x4040), "wrmsr\nsti\nhlt\n",
	    "nop\n" GUEST_HANDLER GUEST_HANDLER "nop\nnop\nnop\nnop\nnop\nnop\n");

/* ---- timers ---- */

/* Arm it, fire, handler; LVT timer by deadline */
#define DEADLINE_SETUP GUEST_X2APIC GUEST_MSR_0(0x832) "mov $0x40040, %eax\nwrmsr\nsti\n"
#define DEADLINE_PREP							\
	GUEST_NO_IRQ							\
	GUEST_TSC							\
	"add $20000, %rax\n"						\
	"mov %rax, %rdx\n"						\
	"shr $32, %rdx\n"						\
	GUEST_MSR(0x6e0)
GUEST_BENCH(deadline, "tsc-deadline", VM_IRQCHIP, NULL, DEADLINE_SETUP, DEADLINE_PREP,
	    "wrmsr\n" GUEST_WAIT_IRQ, GUEST_HANDLER);

/* Arming alone, far away */
#define FAR_PREP GUEST_MSR_0(0x6e0) "not %eax\nmov $0x7fff, %edx\n"
GUEST_BENCH(deadline_arm, "tsc-deadline-arm", VM_IRQCHIP, NULL, DEADLINE_SETUP, FAR_PREP,
	    "wrmsr\n", "");

/*
 * IOAPIC pin 0, edge; channel 0 every 250 us. A guest that was entered with its interrupts
 * off, as after the EOI, keeps the host's away in Bochs until it exits: hence CPUID.
 */
#define MASK_PICS "mov $0xff, %al\nout %al, $0x21\nout %al, $0xa1\n"
#define PIT_SETUP							\
	MASK_PICS							\
	GUEST_X2APIC							\
	GUEST_AT(0xfec00000)						\
	"movl $0x10, (%rbx)\n"						\
	"movl $" STRING(VECTOR) ", 0x10(%rbx)\n"			\
	"mov $0x34, %al\nout %al, $0x43\n"				\
	"mov $0x2a, %al\nout %al, $0x40\n"				\
	"mov $0x01, %al\nout %al, $0x40\n"				\
	"sti\n"
GUEST(64, pit_code, GUEST_BATCH(PIT_SETUP, GUEST_NO_IRQ "cpuid\n" GUEST_WAIT_IRQ));
GUEST(64, pit_less, GUEST_BATCH(PIT_SETUP, GUEST_NO_IRQ "cpuid\n" GUEST_HANDLER));

TEST(pit_tick)
{
	if (on_host("intel") && abi_on_kvm())
		SKIP("no tick arrives on kvm in Bochs");
	bench_guest(&(struct bench_guest){
		.name = "pit-tick", .flags = VM_IRQCHIP | VM_PIT,
		.code = pit_code, .code_end = pit_code_end,
		.less = pit_less, .less_end = pit_less_end,
	});
}

/* ---- eventfds: port 0x500 and the page of MMIO signal one, port 0x501 another ---- */

#define EVENT_PORT	0x500
#define OTHER_PORT	0x501
#define EVENT_MMIO	0xd0000000
#define MSI_GSI		1
#define LEVEL_GSI	3

static void ioeventfd(struct vm *vm, int fd, uint64_t addr, uint32_t len, uint32_t flags)
{
	struct kvm_ioeventfd io = { .addr = addr, .len = len, .fd = fd, .flags = flags };

	ASSERT_OK(ioctl(vm->fd, KVM_IOEVENTFD, &io));
}

static int make_ioeventfds(struct vm *vm)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	ioeventfd(vm, fd, EVENT_PORT, 1, KVM_IOEVENTFD_FLAG_PIO);
	ioeventfd(vm, fd, EVENT_MMIO, 4, 0);
	ioeventfd(vm, eventfd(0, EFD_NONBLOCK), OTHER_PORT, 1, KVM_IOEVENTFD_FLAG_PIO);
	return fd;
}

static void ioeventfds(struct vm *vm)
{
	make_ioeventfds(vm);
}

static void irqfd(struct vm *vm, unsigned int gsi)
{
	struct kvm_irqfd fd = { .fd = make_ioeventfds(vm), .gsi = gsi };

	ASSERT_OK(ioctl(vm->fd, KVM_IRQFD, &fd));
}

static void irqfd_msi(struct vm *vm)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e;
	} t = {
		.h.nr = 1,
		.e = { .gsi = MSI_GSI, .type = KVM_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = 0xfee00000, .data = VECTOR } },
	};

	ASSERT_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &t));
	irqfd(vm, MSI_GSI);
}

static void irqfd_level(struct vm *vm)
{
	irqfd(vm, LEVEL_GSI);
}

#define PORT(port) "mov $" #port ", %edx\n"

GUEST_BENCH(ioeventfd_port, "ioeventfd-port", VM_IRQCHIP, ioeventfds, "", PORT(0x501),
	    "out %al, %dx\n", "");
GUEST_BENCH(ioeventfd_mmio, "ioeventfd-mmio", VM_IRQCHIP, ioeventfds, GUEST_AT(0xd0000000), "",
	    "movl $1, (%rbx)\n", "");

/* From a signal to the end of the handler; the ioeventfd that signals is taken off. */
GUEST_BENCH(irqfd_msi, "irqfd-msi", VM_IRQCHIP, irqfd_msi, GUEST_X2APIC "sti\n",
	    GUEST_NO_IRQ, PORT(0x500) "out %al, %dx\n" GUEST_WAIT_IRQ,
	    PORT(0x501) "out %al, %dx\n" GUEST_HANDLER);

/* The same by pin 3 of the IOAPIC, level triggered, with the EOI that it hears of */
#define LEVEL_SETUP							\
	MASK_PICS							\
	GUEST_X2APIC							\
	GUEST_AT(0xfec00000)						\
	"movl $0x16, (%rbx)\n"						\
	"movl $0x8040, 0x10(%rbx)\n"					\
	"sti\n"
GUEST_BENCH(irqfd_level, "irqfd-ioapic-level", VM_IRQCHIP, irqfd_level, LEVEL_SETUP,
	    GUEST_NO_IRQ, PORT(0x500) "out %al, %dx\n" GUEST_WAIT_IRQ,
	    PORT(0x501) "out %al, %dx\n" GUEST_HANDLER);

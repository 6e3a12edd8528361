// SPDX-License-Identifier: GPL-2.0
/*
 * eventfd.c - irqfd, ioeventfd, coalesced MMIO
 */
#include <poll.h>
#include "abi.h"

static struct vm vm;
static struct vcpu c;

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_OK(fd);
	return fd;
}

static void signal_eventfd(int fd)
{
	uint64_t one = 1;

	ASSERT_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* ---- irqfd ---- */

GUEST(16, sti_spin, GUEST_LOOP "jmp 1b\n");
GUEST(16, handler, GUEST_OUT "iretw\n");
#define HANDLER	0x2000
#define VECTOR	0x40
#define PIN	10
#define GSI	10

static int irqfd(int fd, uint32_t gsi, uint32_t flags)
{
	struct kvm_irqfd f = { .fd = fd, .gsi = gsi, .flags = flags };

	return ioctl(vm.fd, KVM_IRQFD, &f);
}

static int resample_irqfd(int fd, int resamplefd)
{
	struct kvm_irqfd f = {
		.fd = fd, .gsi = GSI, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = resamplefd,
	};

	return ioctl(vm.fd, KVM_IRQFD, &f);
}

static void set_lapic_reg(unsigned int reg, uint32_t val)
{
	struct kvm_lapic_state l;

	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &l));
	memcpy(l.regs + reg, &val, 4);
	ASSERT_OK(ioctl(c.fd, KVM_SET_LAPIC, &l));
}

static void set_pin(uint64_t rte)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	ASSERT_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[PIN].bits = rte;
	ASSERT_OK(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip));
}

static void make_irq_guest(uint64_t rte)
{
	make_guest(&vm, &c, VM_IRQCHIP, sti_spin, sti_spin_end);
	guest_code(&vm, HANDLER, handler, handler_end);
	set_idt_entry(&vm, VECTOR, HANDLER);
	set_lapic_reg(0xf0, 0x1ff);
	set_lapic_reg(0x350, 0x10000);	/* LINT0: the GSI is an 8259's pin as well */
	set_pin(rte);
}

TEST(irqfd_errors)
{
	int fd, pipe_fd[2];

	make_vm(&vm, VM_IRQCHIP);
	fd = new_eventfd();
	ASSERT_OK(pipe(pipe_fd));
	EXPECT_ERR(irqfd(fd, GSI, 4), EINVAL);
	EXPECT_ERR(irqfd(fd, GSI, ~0U), EINVAL);
	EXPECT_ERR(irqfd(-1, GSI, 0), EBADF);
	EXPECT_ERR(irqfd(9999, GSI, 0), EBADF);
	EXPECT_ERR(irqfd(vm.fd, GSI, 0), EINVAL);
	EXPECT_ERR(irqfd(pipe_fd[0], GSI, 0), EINVAL);
	EXPECT_ERR(irqfd(-1, GSI, KVM_IRQFD_FLAG_DEASSIGN), EBADF);
	EXPECT_ERR(irqfd(pipe_fd[0], GSI, KVM_IRQFD_FLAG_DEASSIGN), EINVAL);
	EXPECT_ERR(resample_irqfd(fd, -1), EBADF);
	EXPECT_ERR(resample_irqfd(fd, pipe_fd[0]), EINVAL);
	EXPECT_OK(irqfd(fd, GSI, 0));
}

TEST(irqfd_without_irqchip)
{
	make_vm(&vm, 0);
	EXPECT_ERR(irqfd(new_eventfd(), GSI, 0), EINVAL);
	EXPECT_ERR(resample_irqfd(new_eventfd(), new_eventfd()), EINVAL);
}

TEST(irqfd_split)
{
	make_vm(&vm, VM_SPLIT);
	EXPECT_OK(irqfd(new_eventfd(), GSI, 0));
	EXPECT_ERR(resample_irqfd(new_eventfd(), new_eventfd()), EINVAL);
}

TEST(irqfd_twice)
{
	int fd;

	make_vm(&vm, VM_IRQCHIP);
	fd = new_eventfd();
	EXPECT_OK(irqfd(fd, GSI, 0));
	EXPECT_ERR(irqfd(fd, GSI, 0), EBUSY);
	EXPECT_ERR(irqfd(fd, GSI + 1, 0), EBUSY);
	EXPECT_OK(irqfd(new_eventfd(), GSI, 0));	/* another one may drive the GSI, too */
	/* Another GSI's is none, and no error. */
	EXPECT_OK(irqfd(fd, GSI + 1, KVM_IRQFD_FLAG_DEASSIGN));
	EXPECT_ERR(irqfd(fd, GSI, 0), EBUSY);
	EXPECT_OK(irqfd(fd, GSI, KVM_IRQFD_FLAG_DEASSIGN));
	EXPECT_OK(irqfd(fd, GSI, KVM_IRQFD_FLAG_DEASSIGN));
	EXPECT_OK(irqfd(fd, GSI, 0));
}

TEST(irqfd_interrupts)
{
	int fd, i;

	make_irq_guest(VECTOR);		/* edge */
	fd = new_eventfd();
	ASSERT_OK(irqfd(fd, GSI, 0));
	for (i = 0; i < 5; i++) {
		signal_eventfd(fd);
		run_to_out(&c, DONE_PORT);
		EXPECT_EQ(take_eventfd(fd), 0);		/* taken by the irqfd */
		set_lapic_reg(0x100 + VECTOR / 32 * 16, 0);	/* EOI by userspace */
	}
}

/* Signalled before it became an irqfd. */
TEST(irqfd_signalled_before)
{
	int fd;

	make_irq_guest(VECTOR);
	fd = new_eventfd();
	signal_eventfd(fd);
	ASSERT_OK(irqfd(fd, GSI, 0));
	run_to_out(&c, DONE_PORT);
}

TEST(irqfd_deassigned)
{
	int fd;

	make_irq_guest(VECTOR);
	fd = new_eventfd();
	ASSERT_OK(irqfd(fd, GSI, 0));
	ASSERT_OK(irqfd(fd, GSI, KVM_IRQFD_FLAG_DEASSIGN));
	signal_eventfd(fd);
	EXPECT_EQ(take_eventfd(fd), 1);
	close(fd);
}

/* The eventfd's last reference goes while it is an irqfd; and the VM's. */
TEST(irqfd_closed)
{
	int fd, i;

	make_irq_guest(VECTOR);
	for (i = 0; i < 20; i++) {
		fd = new_eventfd();
		ASSERT_OK(irqfd(fd, GSI, 0));
		signal_eventfd(fd);
		close(fd);
	}
	run_to_out(&c, DONE_PORT);
	fd = new_eventfd();
	ASSERT_OK(irqfd(fd, GSI, 0));
	close(vm.fd);
	/* vCPUs go on, irqfds end with the VM's fd. */
	signal_eventfd(fd);
	EXPECT_EQ(take_eventfd(fd), 1);
}

/* A level that the guest's EOI takes down, and the owner learns of it. */
GUEST(64, eoi_loop,
	"1: mov $0xfee00000, %ebx\n"
	"movl $0, 0xb0(%rbx)\n"
	GUEST_STEP
	"jmp 1b\n");

TEST(irqfd_resample)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int fd, resamplefd;

	make_irq_guest(0x8000 | VECTOR);	/* level */
	fd = new_eventfd();
	resamplefd = new_eventfd();
	ASSERT_OK(resample_irqfd(fd, resamplefd));
	signal_eventfd(fd);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(resamplefd), 0);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(chip.chip.ioapic.redirtbl[PIN].bits & 0x4000, 0x4000);
	guest_code(&vm, 0x3000, eoi_loop, eoi_loop_end);
	start_long(&c, 0x3000);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(take_eventfd(resamplefd), 1);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(chip.chip.ioapic.redirtbl[PIN].bits & 0x4000, 0);
	EXPECT_EQ(chip.chip.ioapic.irr & 1 << PIN, 0);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(take_eventfd(resamplefd), 0);
}

/* However many wait for one EOI, each is told once. */
#define CROWD	100

TEST(irqfd_resample_crowd)
{
	int fd[CROWD], resamplefd[CROWD], i;

	make_irq_guest(0x8000 | VECTOR);	/* level */
	guest_code(&vm, 0x3000, eoi_loop, eoi_loop_end);
	for (i = 0; i < CROWD; i++) {
		fd[i] = new_eventfd();
		resamplefd[i] = new_eventfd();
		ASSERT_OK(resample_irqfd(fd[i], resamplefd[i]));
	}
	signal_eventfd(fd[CROWD - 1]);
	run_to_out(&c, DONE_PORT);
	start_long(&c, 0x3000);
	run_to_out(&c, STEP_PORT);
	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(take_eventfd(resamplefd[i]), 1);
}

TEST(irqfd_resample_deassign_lowers)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int fd, resamplefd, i;

	make_irq_guest(0x18000 | VECTOR);	/* level, masked */
	fd = new_eventfd();
	resamplefd = new_eventfd();
	ASSERT_OK(resample_irqfd(fd, resamplefd));
	signal_eventfd(fd);
	/* kvm raises it from a worker. */
	for (i = 0; i < 200 && !(chip.chip.ioapic.irr & 1 << PIN); i++) {
		ASSERT_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
		sleep_ms(10);
	}
	EXPECT_EQ(chip.chip.ioapic.irr & 1 << PIN, 1 << PIN);
	ASSERT_OK(irqfd(fd, GSI, KVM_IRQFD_FLAG_DEASSIGN));
	ASSERT_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(chip.chip.ioapic.irr & 1 << PIN, 0);
}

/* ---- ioeventfd ---- */

static int ioeventfd(uint64_t addr, uint32_t len, int fd, uint32_t flags, uint64_t match)
{
	struct kvm_ioeventfd e = {
		.addr = addr, .len = len, .fd = fd, .flags = flags, .datamatch = match,
	};

	return ioctl(vm.fd, KVM_IOEVENTFD, &e);
}

#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define REMOVE	KVM_IOEVENTFD_FLAG_DEASSIGN

TEST(ioeventfd_errors)
{
	int fd;

	make_vm(&vm, 0);
	fd = new_eventfd();
	/* The bits between the flags of x86 and these are other architectures'. */
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, 0x20, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, 1U << 31, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, 3, fd, 0, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, 16, fd, 0, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, ~0U, fd, 0, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, 0, fd, MATCH, 0), EINVAL);
	EXPECT_ERR(ioeventfd(-2, 4, fd, 0, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, 4, -1, 0, 0), EBADF);
	EXPECT_ERR(ioeventfd(HOLE, 4, vm.fd, 0, 0), EINVAL);
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, REMOVE, 0), ENOENT);
	EXPECT_ERR(ioeventfd(HOLE, 4, -1, REMOVE, 0), EBADF);
	EXPECT_OK(ioeventfd(HOLE, 8, fd, 0, 0));
}

TEST(ioeventfd_collisions)
{
	int fd, other;

	make_vm(&vm, 0);
	fd = new_eventfd();
	other = new_eventfd();
	EXPECT_OK(ioeventfd(HOLE, 4, fd, MATCH, 1));
	EXPECT_ERR(ioeventfd(HOLE, 4, other, MATCH, 1), EEXIST);
	EXPECT_ERR(ioeventfd(HOLE, 4, other, 0, 0), EEXIST);
	EXPECT_ERR(ioeventfd(HOLE, 0, other, 0, 0), EEXIST);
	EXPECT_OK(ioeventfd(HOLE, 4, other, MATCH, 2));
	EXPECT_OK(ioeventfd(HOLE, 2, other, MATCH, 1));
	EXPECT_OK(ioeventfd(HOLE, 4, other, MATCH | PIO, 1));
	EXPECT_OK(ioeventfd(HOLE + 4, 4, fd, 0, 0));
	/* What is not the same is not removed. */
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, MATCH | REMOVE, 2), ENOENT);
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, REMOVE, 1), ENOENT);
	EXPECT_ERR(ioeventfd(HOLE, 8, fd, MATCH | REMOVE, 1), ENOENT);
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, MATCH | REMOVE | PIO, 1), ENOENT);
	EXPECT_OK(ioeventfd(HOLE, 4, fd, MATCH | REMOVE, 1));
	EXPECT_ERR(ioeventfd(HOLE, 4, fd, MATCH | REMOVE, 1), ENOENT);
	EXPECT_OK(ioeventfd(HOLE, 4, fd, MATCH, 1));
}

GUEST(64, mmio_writes,
	"mov $0xd0000000, %ebx\n"
	"1: movb $7, (%rbx)\n"
	"movw $7, (%rbx)\n"
	"movl $7, (%rbx)\n"
	"movl $8, (%rbx)\n"
	"movq $7, (%rbx)\n"
	GUEST_OUT
	"jmp 1b\n");

static void expect_mmio(unsigned int len, uint64_t val)
{
	uint64_t got = 0;

	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.is_write, 1);
	EXPECT_EQ(c.run->mmio.phys_addr, HOLE);
	EXPECT_EQ(c.run->mmio.len, len);
	memcpy(&got, c.run->mmio.data, len);
	EXPECT_EQ(got, val);
}

TEST(ioeventfd_mmio)
{
	int match, any, big;

	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	match = new_eventfd();
	any = new_eventfd();
	big = new_eventfd();
	ASSERT_OK(ioeventfd(HOLE, 4, match, MATCH, 7));
	ASSERT_OK(ioeventfd(HOLE, 2, any, 0, 0));
	ASSERT_OK(ioeventfd(HOLE, 8, big, MATCH, 7));
	expect_mmio(1, 7);
	expect_mmio(4, 8);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(match), 1);
	EXPECT_EQ(take_eventfd(any), 1);
	EXPECT_EQ(take_eventfd(big), 1);
	/* Gone: all exits are userspace's again. */
	ASSERT_OK(ioeventfd(HOLE, 4, match, MATCH | REMOVE, 7));
	ASSERT_OK(ioeventfd(HOLE, 2, any, REMOVE, 0));
	ASSERT_OK(ioeventfd(HOLE, 8, big, MATCH | REMOVE, 7));
	expect_mmio(1, 7);
	expect_mmio(2, 7);
	expect_mmio(4, 7);
	expect_mmio(4, 8);
	expect_mmio(8, 7);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(match) + take_eventfd(any) + take_eventfd(big), 0);
}

TEST(ioeventfd_any_length)
{
	int fd;

	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	fd = new_eventfd();
	ASSERT_OK(ioeventfd(HOLE, 0, fd, 0, 0));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(fd), 5);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(fd), 5);
	ASSERT_OK(ioeventfd(HOLE, 0, fd, REMOVE, 0));
	expect_mmio(1, 7);
}

GUEST(16, pio_writes,
	"1: mov $7, %ax\n"
	"out %al, $0x50\n"
	"out %ax, $0x50\n"
	"in $0x50, %al\n"
	GUEST_OUT
	"jmp 1b\n");

TEST(ioeventfd_pio)
{
	int byte, any;

	make_guest(&vm, &c, 0, pio_writes, pio_writes_end);
	byte = new_eventfd();
	any = new_eventfd();
	ASSERT_OK(ioeventfd(0x50, 1, byte, PIO | MATCH, 7));
	run_to_out(&c, 0x50);
	EXPECT_EQ(c.run->io.size, 2);
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(c.run->io.direction, KVM_EXIT_IO_IN);	/* reads are not for eventfds */
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(byte), 1);
	ASSERT_OK(ioeventfd(0x50, 1, byte, PIO | MATCH | REMOVE, 7));
	ASSERT_OK(ioeventfd(0x50, 0, any, PIO, 0));
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(c.run->io.direction, KVM_EXIT_IO_IN);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(take_eventfd(any), 2);
}

/* One eventfd from a port to an interrupt, without userspace. */
TEST(ioeventfd_to_irqfd)
{
	GUEST(16, kick_self, "sti\nout %al, $0x50\n1: jmp 1b\n");
	int fd;

	make_irq_guest(VECTOR);
	guest_code(&vm, CODE, kick_self, kick_self_end);
	fd = new_eventfd();
	ASSERT_OK(ioeventfd(0x50, 1, fd, PIO, 0));
	ASSERT_OK(irqfd(fd, GSI, 0));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
}

TEST(ioeventfd_closed_eventfd)
{
	int fd;

	make_guest(&vm, &c, 0, pio_writes, pio_writes_end);
	fd = new_eventfd();
	ASSERT_OK(ioeventfd(0x50, 0, fd, PIO, 0));
	close(fd);
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(c.run->io.direction, KVM_EXIT_IO_IN);
}

TEST(ioeventfd_many)
{
	int fd, i;

	make_vm(&vm, 0);
	fd = new_eventfd();
	for (i = 0; i < 900; i++)
		ASSERT_OK(ioeventfd(HOLE + i * 8, 8, fd, 0, 0));
	for (i = 0; i < 900; i += 3)
		ASSERT_OK(ioeventfd(HOLE + i * 8, 8, fd, REMOVE, 0));
	EXPECT_ERR(ioeventfd(HOLE + 8, 8, fd, 0, 0), EEXIST);
	EXPECT_OK(ioeventfd(HOLE, 8, fd, 0, 0));
}

/* ---- coalesced MMIO ---- */

static int zone(unsigned long cmd, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return ioctl(vm.fd, cmd, &z);
}

#define ADD	KVM_REGISTER_COALESCED_MMIO
#define DROP	KVM_UNREGISTER_COALESCED_MMIO

static struct kvm_coalesced_mmio_ring *ring(void)
{
	return (void *)((char *)c.run + cap(KVM_CAP_COALESCED_MMIO) * PAGE);
}

TEST(coalesced_errors)
{
	make_vm(&vm, 0);
	EXPECT_ERR(zone(ADD, HOLE, PAGE, 2), EINVAL);
	EXPECT_ERR(zone(DROP, HOLE, PAGE, 2), EINVAL);
	EXPECT_ERR(zone(ADD, HOLE, PAGE, ~0U), EINVAL);
	EXPECT_OK(zone(DROP, HOLE, PAGE, 0));
	EXPECT_OK(zone(ADD, HOLE, PAGE, 0));
	EXPECT_OK(zone(ADD, HOLE, PAGE, 0));
	EXPECT_OK(zone(DROP, HOLE, PAGE, 0));
	EXPECT_OK(zone(DROP, HOLE, PAGE, 0));
}

TEST(coalesced_mmio)
{
	struct kvm_coalesced_mmio_ring *r;
	static const unsigned int len[] = { 1, 2, 4, 4, 8 };
	unsigned int i;

	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	ASSERT_OK(zone(ADD, HOLE, PAGE, 0));
	r = ring();
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(r->first, 0);
	EXPECT_EQ(r->last, 5);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(r->coalesced_mmio[i].phys_addr, HOLE);
		EXPECT_EQ(r->coalesced_mmio[i].len, len[i]);
		EXPECT_EQ(r->coalesced_mmio[i].pio, 0);
		EXPECT_EQ(r->coalesced_mmio[i].data[0], i == 3 ? 8 : 7);
	}
	ASSERT_OK(zone(DROP, HOLE, PAGE, 0));
	expect_mmio(1, 7);
}

TEST(coalesced_pio)
{
	struct kvm_coalesced_mmio_ring *r;

	make_guest(&vm, &c, 0, pio_writes, pio_writes_end);
	ASSERT_OK(zone(ADD, 0x50, 2, 1));
	r = ring();
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(c.run->io.direction, KVM_EXIT_IO_IN);
	EXPECT_EQ(r->last, 2);
	EXPECT_EQ(r->coalesced_mmio[0].phys_addr, 0x50);
	EXPECT_EQ(r->coalesced_mmio[0].len, 1);
	EXPECT_EQ(r->coalesced_mmio[0].pio, 1);
	EXPECT_EQ(r->coalesced_mmio[1].len, 2);
}

/* What does not lie in the zone as a whole is not coalesced. */
TEST(coalesced_edges)
{
	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	ASSERT_OK(zone(ADD, HOLE - 4, 6, 0));	/* to HOLE + 2 */
	expect_mmio(4, 7);
	expect_mmio(4, 8);
	expect_mmio(8, 7);
	EXPECT_EQ(ring()->last, 2);
	run_to_out(&c, DONE_PORT);
}

/*
 * A full ring: the write is userspace's, nothing is lost. How full is full: kvm leaves
 * half of the ring unused when first is 0, by an overflow in its arithmetic.
 */
TEST(coalesced_full)
{
	struct kvm_coalesced_mmio_ring *r;
	unsigned int max = (PAGE - sizeof(*r)) / sizeof(r->coalesced_mmio[0]), n = 0, entries;

	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	ASSERT_OK(zone(ADD, HOLE, PAGE, 0));
	r = ring();
	do {
		ASSERT_EQ(run_vcpu(&c), 0);
	} while (c.run->exit_reason == KVM_EXIT_IO && ++n < 100);
	ASSERT_EQ(c.run->exit_reason, KVM_EXIT_MMIO);
	EXPECT_EQ(r->first, 0);
	entries = r->last;
	if (!abi_on_kvm())
		EXPECT_EQ(entries, max - 1);
	EXPECT_EQ(n, entries / 5);		/* five writes before each OUT */
	r->first = r->last;			/* userspace has emptied it */
	for (n += 3; entries + 1 < n * 5; ) {
		run_to_out(&c, DONE_PORT);
		entries += (r->last + max - r->first) % max;
		r->first = r->last;
	}
	EXPECT_EQ(entries + 1, n * 5);		/* the one is userspace's */
}

/* Indices that userspace spoils: no harm to the host, and no write is lost. */
TEST(coalesced_hostile)
{
	static const uint32_t bad[] = { 170, 171, 4096, 0x7fffffff, 0x80000000, ~0U };
	struct kvm_coalesced_mmio_ring *r;
	unsigned int i, k;

	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	ASSERT_OK(zone(ADD, HOLE, PAGE, 0));
	r = ring();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (k = 0; k < 4; k++) {
			r->first = k & 1 ? bad[i] : 0;
			r->last = k & 2 ? bad[i] : 0;
			do {
				ASSERT_EQ(run_vcpu(&c), 0);
			} while (c.run->exit_reason == KVM_EXIT_MMIO);
			ASSERT_EQ(c.run->exit_reason, KVM_EXIT_IO);
		}
	}
}

/* The tail is the kernel's own. */
TEST(coalesced_own_tail)
{
	struct kvm_coalesced_mmio_ring *r;

	DIFFERS("kvm believes the tail in the shared page");
	make_guest(&vm, &c, 0, mmio_writes, mmio_writes_end);
	start_long(&c, CODE);
	ASSERT_OK(zone(ADD, HOLE, PAGE, 0));
	r = ring();
	r->last = 100;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(r->last, 5);
	EXPECT_EQ(r->coalesced_mmio[4].data[0], 7);
}

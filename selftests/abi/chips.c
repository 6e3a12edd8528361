// SPDX-License-Identifier: GPL-2.0
/*
 * chips.c - interrupt chips: creation, state, routing, MSI
 */
#include "abi.h"

static struct vm vm;
static struct vcpu c;

GUEST(16, sti_spin, GUEST_LOOP "jmp 1b\n");
GUEST(16, handler, GUEST_OUT "iretw\n");
#define HANDLER	0x2000

/* ---- creation ---- */

TEST(create_irqchip)
{
	make_vm(&vm, 0);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 24), EEXIST);
}

TEST(create_irqchip_too_late)
{
	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 24), EEXIST);
	run_vcpu(&c);
}

TEST(split_irqchip)
{
	struct kvm_irqchip chip = { .chip_id = 0 };

	make_vm(&vm, 0);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 4097), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, ~0UL), EINVAL);
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 24));
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 24), EEXIST);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip), ENXIO);
}

TEST(create_pit)
{
	struct kvm_pit_config cfg = { .flags = KVM_PIT_SPEAKER_DUMMY };

	make_vm(&vm, VM_IRQCHIP);
	EXPECT_OK(ioctl(vm.fd, KVM_CREATE_PIT2, &cfg));
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_PIT2, &cfg), EEXIST);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_PIT, 0), EEXIST);
}

TEST(create_pit_errors)
{
	struct kvm_pit_config cfg = { .flags = 2 };

	DIFFERS("kvm takes unknown flags of the PIT, and a PIT without PICs");
	make_vm(&vm, VM_IRQCHIP);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_PIT2, &cfg), EINVAL);
	drop_vm(&vm);
	cfg.flags = 0;
	make_vm(&vm, 0);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_PIT2, &cfg), ENOENT);
	drop_vm(&vm);
	make_vm(&vm, VM_SPLIT);
	EXPECT_ERR(ioctl(vm.fd, KVM_CREATE_PIT2, &cfg), ENOENT);
}

TEST(nothing_there)
{
	struct kvm_pit_state2 pit = { .flags = 0 };
	struct kvm_reinject_control rc = { .pit_reinject = 1 };
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_irq_level line = { .irq = 0, .level = 1 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
	struct kvm_irq_routing routes = { .nr = 0 };

	make_vm(&vm, 0);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_PIT, &pit), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_PIT, &pit), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_PIT2, &pit), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_PIT2, &pit), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_REINJECT_CONTROL, &rc), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_IRQ_LINE, &line), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_IRQ_LINE_STATUS, &line), ENXIO);
	EXPECT_ERR(ioctl(vm.fd, KVM_SIGNAL_MSI, &msi), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &routes), EINVAL);
}

/* ---- chips' state ---- */

static struct kvm_irqchip get_chip(uint32_t id)
{
	struct kvm_irqchip chip;

	memset(&chip, 0xff, sizeof(chip));
	chip.chip_id = id;
	ASSERT_OK(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip));
	return chip;
}

static void set_chip(struct kvm_irqchip *chip)
{
	ASSERT_OK(ioctl(vm.fd, KVM_SET_IRQCHIP, chip));
}

TEST(irqchip_ids)
{
	struct kvm_irqchip chip = { .chip_id = 3 };

	make_vm(&vm, VM_IRQCHIP);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip), EINVAL);
	chip.chip_id = ~0U;
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_IRQCHIP, &chip), EINVAL);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_IRQCHIP, &chip), EINVAL);
}

TEST(pic_state)
{
	struct kvm_irqchip a, b;

	make_vm(&vm, VM_IRQCHIP);
	a = get_chip(KVM_IRQCHIP_PIC_SLAVE);
	a.chip.pic.imr = 0x5a;
	a.chip.pic.irq_base = 0x70;
	a.chip.pic.elcr = 0x0c;
	a.chip.pic.priority_add = 3;
	a.chip.pic.special_mask = 1;
	set_chip(&a);
	b = get_chip(KVM_IRQCHIP_PIC_SLAVE);
	EXPECT_EQ(memcmp(&a.chip.pic, &b.chip.pic, sizeof(a.chip.pic)), 0);
	b = get_chip(KVM_IRQCHIP_PIC_MASTER);
	EXPECT_NE(b.chip.pic.imr, 0x5a);
}

TEST(ioapic_state)
{
	struct kvm_irqchip a, b;

	make_vm(&vm, VM_IRQCHIP);
	a = get_chip(KVM_IRQCHIP_IOAPIC);
	EXPECT_EQ(a.chip.ioapic.base_address, 0xfec00000);
	EXPECT_EQ(a.chip.ioapic.redirtbl[0].bits, 0x10000);
	EXPECT_EQ(a.chip.ioapic.redirtbl[23].bits, 0x10000);
	a.chip.ioapic.redirtbl[5].bits = 0x0300000000018055;
	a.chip.ioapic.redirtbl[23].bits = 0x0000000000010999;
	a.chip.ioapic.id = 0x7;
	a.chip.ioapic.ioregsel = 0x12;
	set_chip(&a);
	b = get_chip(KVM_IRQCHIP_IOAPIC);
	EXPECT_EQ(b.chip.ioapic.redirtbl[5].bits, 0x0300000000018055);
	EXPECT_EQ(b.chip.ioapic.redirtbl[23].bits, 0x0000000000010999);
	EXPECT_EQ(b.chip.ioapic.id, 7);
	EXPECT_EQ(b.chip.ioapic.ioregsel, 0x12);
	EXPECT_EQ(b.chip.ioapic.base_address, 0xfec00000);
}

/* All bits of all chips: the guest and the host must live on. */
TEST(irqchip_garbage)
{
	struct kvm_irqchip chip;
	unsigned int id, byte;

	make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, handler, handler_end);
	for (byte = 0; byte < 256; byte += 17) {
		for (id = 0; id < 3; id++) {
			memset(&chip, byte, sizeof(chip));
			chip.chip_id = id;
			ioctl(vm.fd, KVM_SET_IRQCHIP, &chip);
			chip = get_chip(id);
		}
		irq_line(&vm, 3, 1);
		irq_line(&vm, 12, 1);
		irq_line(&vm, 23, 1);
		irq_line(&vm, 3, 0);
		start_at(&c, CODE);
		run_to_out(&c, DONE_PORT);
	}
}

/* ---- PIT ---- */

TEST(pit_state)
{
	struct kvm_pit_state2 a, b;
	struct kvm_pit_state old;

	make_vm(&vm, VM_IRQCHIP | VM_PIT);
	memset(&a, 0xff, sizeof(a));
	ASSERT_OK(ioctl(vm.fd, KVM_GET_PIT2, &a));
	EXPECT_EQ(a.flags, 0);
	a.channels[2].count = 0x1234;
	a.channels[2].mode = 3;
	a.channels[2].rw_mode = 3;
	a.channels[2].gate = 1;
	a.channels[0].mode = 0;
	a.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	ASSERT_OK(ioctl(vm.fd, KVM_SET_PIT2, &a));
	ASSERT_OK(ioctl(vm.fd, KVM_GET_PIT2, &b));
	EXPECT_EQ(b.channels[2].count, 0x1234);
	EXPECT_EQ(b.channels[2].mode, 3);
	EXPECT_EQ(b.channels[2].rw_mode, 3);
	EXPECT_EQ(b.channels[2].gate, 1);
	EXPECT_EQ(b.flags, KVM_PIT_FLAGS_HPET_LEGACY);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_PIT, &old));
	EXPECT_EQ(old.channels[2].count, 0x1234);
	old.channels[2].count = 0x4321;
	ASSERT_OK(ioctl(vm.fd, KVM_SET_PIT, &old));
	ASSERT_OK(ioctl(vm.fd, KVM_GET_PIT2, &b));
	EXPECT_EQ(b.channels[2].count, 0x4321);
}

TEST(pit_garbage)
{
	struct kvm_pit_state2 s;
	unsigned int byte;

	make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, handler, handler_end);
	for (byte = 0; byte < 256; byte += 15) {
		memset(&s, byte, sizeof(s));
		ioctl(vm.fd, KVM_SET_PIT2, &s);
		ASSERT_OK(ioctl(vm.fd, KVM_GET_PIT2, &s));
		ioctl(vm.fd, KVM_SET_PIT, &s);
		start_at(&c, CODE);
		run_to_out(&c, DONE_PORT);
	}
}

TEST(pit_reinject)
{
	struct kvm_reinject_control rc = { .pit_reinject = 0 };

	make_vm(&vm, VM_IRQCHIP | VM_PIT);
	EXPECT_OK(ioctl(vm.fd, KVM_REINJECT_CONTROL, &rc));
	rc.pit_reinject = 1;
	EXPECT_OK(ioctl(vm.fd, KVM_REINJECT_CONTROL, &rc));
	EXPECT_OK(ioctl(vm.fd, KVM_REINJECT_CONTROL, &rc));
}

/* Channel 0 by the guest's ports, 100 Hz, to IRQ 0 at the PIC. */
TEST(pit_ticks)
{
	GUEST(16, pit_guest,
	      "mov $0x11, %al\nout %al, $0x20\n"
	      "mov $0x20, %al\nout %al, $0x21\n"
	      "mov $4, %al\nout %al, $0x21\n"
	      "mov $1, %al\nout %al, $0x21\n"
	      "mov $0xfe, %al\nout %al, $0x21\n"
	      "mov $0x34, %al\nout %al, $0x43\n"
	      "mov $0x9c, %al\nout %al, $0x40\n"
	      "mov $0x2e, %al\nout %al, $0x40\n"
	      "1: sti\nhlt\njmp 1b\n");
	GUEST(16, tick,
	      GUEST_OUT
	      "mov $0x20, %al\nout %al, $0x20\n"
	      "iretw\n");
	uint64_t start;
	int i;

	make_guest(&vm, &c, VM_IRQCHIP | VM_PIT, pit_guest, pit_guest_end);
	guest_code(&vm, HANDLER, tick, tick_end);
	set_idt_entry(&vm, 0x20, HANDLER);
	start = now_ms();
	for (i = 0; i < 20; i++)
		run_to_out(&c, DONE_PORT);
	EXPECT_GE(now_ms() - start, 150);
}

/* ---- lines ---- */

static int line_status(uint32_t gsi, uint32_t level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	ASSERT_OK(ioctl(vm.fd, KVM_IRQ_LINE_STATUS, &l));
	return l.status;
}

TEST(irq_line_status)
{
	make_guest(&vm, &c, VM_IRQCHIP, sti_spin, sti_spin_end);
	/* Both chips have the pin, one of them masks it. */
	EXPECT_GE(line_status(4, 1), 0);
	EXPECT_GE(line_status(4, 0), 0);
	EXPECT_EQ(line_status(4096, 1), -1);
	EXPECT_EQ(line_status(~0U, 1), -1);
	EXPECT_EQ(line_status(100, 1), -1);
	EXPECT_OK(irq_line(&vm, ~0U, 1));
	EXPECT_OK(irq_line(&vm, 23, 0xffffffff));
	EXPECT_OK(irq_line(&vm, 23, 0));
}

/* KVM_IRQ_LINE does not write its argument. */
TEST(irq_line_is_input)
{
	struct kvm_irq_level *l = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	make_vm(&vm, VM_IRQCHIP);
	l->irq = 4;
	l->level = 1;
	ASSERT_OK(mprotect(l, PAGE, PROT_READ));
	EXPECT_OK(ioctl(vm.fd, KVM_IRQ_LINE, l));
	EXPECT_ERR(ioctl(vm.fd, KVM_IRQ_LINE_STATUS, l), EFAULT);
}

/* ---- routing ---- */

struct table {
	struct kvm_irq_routing h;
	struct kvm_irq_routing_entry e[4];
};

static struct kvm_irq_routing_entry to_pin(uint32_t gsi, uint32_t chip, uint32_t pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static struct kvm_irq_routing_entry to_msi(uint32_t gsi, uint32_t lo, uint32_t data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = lo, .data = data },
	};
}

static int route1(struct kvm_irq_routing_entry e)
{
	struct table t = { .h.nr = 1, .e = { e } };

	return ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t);
}

static int route2(struct kvm_irq_routing_entry e, struct kvm_irq_routing_entry f)
{
	struct table t = { .h.nr = 2, .e = { e, f } };

	return ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t);
}

/* With IDs of 32 bits the address has bits that say nothing. */
TEST(routing_of_an_address_that_is_none)
{
	struct kvm_irq_routing_entry e;

	make_vm(&vm, VM_IRQCHIP);
	e = to_msi(5, 0xfee00000, 0x30);
	e.u.msi.address_hi = 1;
	EXPECT_OK(route1(e));
	ASSERT_OK(enable_cap(vm.fd, KVM_CAP_X2APIC_API, 3));
	EXPECT_ERR(route1(e), EINVAL);
	e.u.msi.address_hi = 0x100;
	EXPECT_OK(route1(e));
}

TEST(routing_errors)
{
	struct table t = { .h.nr = 4097 };
	struct kvm_irq_routing_entry e;

	make_vm(&vm, VM_IRQCHIP);
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t), EINVAL);
	t.h = (struct kvm_irq_routing){ .nr = 0, .flags = 1 };
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t), EINVAL);
	EXPECT_ERR(route1(to_pin(4096, KVM_IRQCHIP_IOAPIC, 0)), EINVAL);
	EXPECT_ERR(route1(to_pin(~0U, KVM_IRQCHIP_IOAPIC, 0)), EINVAL);
	EXPECT_ERR(route1(to_pin(0, 3, 0)), EINVAL);
	EXPECT_ERR(route1(to_pin(0, ~0U, 0)), EINVAL);
	EXPECT_ERR(route1(to_pin(0, KVM_IRQCHIP_IOAPIC, 24)), EINVAL);
	EXPECT_ERR(route1(to_pin(0, KVM_IRQCHIP_IOAPIC, ~0U)), EINVAL);
	EXPECT_ERR(route1(to_pin(0, KVM_IRQCHIP_PIC_MASTER, 8)), EINVAL);
	EXPECT_ERR(route1(to_pin(0, KVM_IRQCHIP_PIC_SLAVE, 8)), EINVAL);
	e = to_msi(0, 0xfee00000, 0x40);
	e.type = 0;
	EXPECT_ERR(route1(e), EINVAL);
	e.type = 100;
	EXPECT_ERR(route1(e), EINVAL);
	e = to_pin(0, KVM_IRQCHIP_IOAPIC, 0);
	e.flags = 1;
	EXPECT_ERR(route1(e), EINVAL);
	e = to_msi(0, 0xfee00000, 0x40);
	e.flags = 2;
	EXPECT_ERR(route1(e), EINVAL);
}

TEST(routing_combinations)
{
	make_vm(&vm, VM_IRQCHIP);
	EXPECT_OK(route2(to_pin(4, KVM_IRQCHIP_IOAPIC, 4), to_pin(4, KVM_IRQCHIP_PIC_MASTER, 4)));
	EXPECT_ERR(route2(to_pin(4, KVM_IRQCHIP_IOAPIC, 4), to_pin(4, KVM_IRQCHIP_IOAPIC, 5)),
		   EINVAL);
	EXPECT_ERR(route2(to_msi(4, 0xfee00000, 1), to_msi(4, 0xfee00000, 2)), EINVAL);
	EXPECT_ERR(route2(to_msi(4, 0xfee00000, 1), to_pin(4, KVM_IRQCHIP_IOAPIC, 4)), EINVAL);
	EXPECT_ERR(route2(to_pin(4, KVM_IRQCHIP_IOAPIC, 4), to_msi(4, 0xfee00000, 1)), EINVAL);
	EXPECT_OK(route2(to_pin(4, KVM_IRQCHIP_IOAPIC, 4), to_pin(5, KVM_IRQCHIP_IOAPIC, 4)));
	EXPECT_OK(route1(to_msi(4095, 0xfee00000, 0x40)));
}

TEST(routing_bad_entries)
{
	struct {
		char pad[PAGE - sizeof(struct kvm_irq_routing)];
		struct table t;
	} *p = map_pages(2 * PAGE);

	make_vm(&vm, VM_IRQCHIP);
	p->t.h.nr = 1;
	ASSERT_OK(munmap((char *)p + PAGE, PAGE));
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &p->t), EFAULT);
	p->t.h.nr = 0;
	EXPECT_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &p->t));
	EXPECT_EQ(line_status(4, 1), -1);	/* no route is left */
}

/* The greatest table, and the refusal of a later one leaves it. */
TEST(routing_full)
{
	struct kvm_irq_routing *t = calloc(1, sizeof(*t) + 4096 * sizeof(t->entries[0]));
	unsigned int i;

	make_vm(&vm, VM_IRQCHIP);
	t->nr = 4096;
	for (i = 0; i < 4096; i++)
		t->entries[i] = to_pin(i, KVM_IRQCHIP_IOAPIC, i % 24);
	ASSERT_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, t));
	/* A line is lowered always, but raised in vain at a pin that is masked. */
	EXPECT_EQ(line_status(4095, 1), -1);
	EXPECT_EQ(line_status(4095, 0), 1);
	EXPECT_ERR(route1(to_pin(0, KVM_IRQCHIP_IOAPIC, 24)), EINVAL);
	EXPECT_EQ(line_status(4095, 0), 1);
	t->nr = 4095;
	ASSERT_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, t));
	EXPECT_EQ(line_status(4094, 0), 1);
	EXPECT_EQ(line_status(4095, 0), -1);
}

TEST(routing_split)
{
	make_vm(&vm, VM_SPLIT);
	EXPECT_OK(route1(to_msi(4, 0xfee00000, 0x40)));
	EXPECT_ERR(route1(to_pin(4, KVM_IRQCHIP_IOAPIC, 4)), EINVAL);
	EXPECT_ERR(route1(to_pin(4, KVM_IRQCHIP_PIC_MASTER, 4)), EINVAL);
}

/* ---- MSI ---- */

static int signal_msi(uint64_t address, uint32_t data, uint32_t flags)
{
	struct kvm_msi msi = {
		.address_lo = address, .address_hi = address >> 32, .data = data, .flags = flags,
	};

	return ioctl(vm.fd, KVM_SIGNAL_MSI, &msi);
}

static void enable_lapic(void)
{
	struct kvm_lapic_state l;
	uint32_t spiv = 0x1ff;

	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &l));
	memcpy(l.regs + 0xf0, &spiv, 4);
	ASSERT_OK(ioctl(c.fd, KVM_SET_LAPIC, &l));
}

static void make_msi_guest(unsigned int flags)
{
	make_guest(&vm, &c, flags, sti_spin, sti_spin_end);
	guest_code(&vm, HANDLER, handler, handler_end);
	set_idt_entry(&vm, 0x40, HANDLER);
	enable_lapic();
}

TEST(signal_msi)
{
	make_msi_guest(VM_IRQCHIP);
	EXPECT_EQ(signal_msi(0xfee00000, 0x40, 0), 1);
	run_to_out(&c, DONE_PORT);
}

TEST(signal_msi_split)
{
	make_msi_guest(VM_SPLIT);
	EXPECT_EQ(signal_msi(0xfee00000, 0x40, 0), 1);
	run_to_out(&c, DONE_PORT);
}

TEST(signal_msi_results)
{
	make_msi_guest(VM_IRQCHIP);
	EXPECT_ERR(signal_msi(0xfee00000, 0x40, 2), EINVAL);
	EXPECT_ERR(signal_msi(0xfee00000, 0x40, 1U << 31), EINVAL);
	EXPECT_EQ(signal_msi(0xfee05000, 0x40, 0), 0);		/* APIC 5: nobody */
	EXPECT_EQ(signal_msi(0xfeeff000, 0x40, 0), 1);		/* broadcast */
	EXPECT_EQ(signal_msi(0xfee00000, 0x40, 0), 1);		/* it is there already */
	EXPECT_EQ(signal_msi(0xfee00000, 0x41, KVM_MSI_VALID_DEVID), 1);
}

TEST(signal_msi_disabled_apic)
{
	struct kvm_lapic_state l;
	uint32_t irr;

	make_guest(&vm, &c, VM_IRQCHIP, sti_spin, sti_spin_end);
	EXPECT_EQ(signal_msi(0xfee00000, 0x40, 0), 0);
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &l));
	memcpy(&irr, l.regs + 0x220, 4);
	EXPECT_EQ(irr, 0);
	EXPECT_EQ(signal_msi(0xfee05000, 0x40, 0), 0);
}

/* A GSI by MSI: on the rising edge only. */
TEST(route_to_msi)
{
	make_msi_guest(VM_IRQCHIP);
	ASSERT_OK(route1(to_msi(40, 0xfee00000, 0x40)));
	EXPECT_EQ(line_status(40, 1), 1);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(line_status(40, 0), -1);
}

/* A level through the IOAPIC's pin 5, as a guest would have set it up. */
TEST(route_to_ioapic)
{
	struct kvm_irqchip chip;

	make_msi_guest(VM_IRQCHIP);
	chip = get_chip(KVM_IRQCHIP_IOAPIC);
	chip.chip.ioapic.redirtbl[5].bits = 0x8040;	/* level, vector 0x40 */
	set_chip(&chip);
	ASSERT_OK(route1(to_pin(100, KVM_IRQCHIP_IOAPIC, 5)));
	EXPECT_GE(line_status(100, 1), 1);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_chip(KVM_IRQCHIP_IOAPIC).chip.ioapic.redirtbl[5].bits & 0x4000, 0x4000);
	EXPECT_GE(line_status(100, 0), 0);
}

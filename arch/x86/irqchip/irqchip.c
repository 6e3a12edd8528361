// SPDX-License-Identifier: GPL-2.0
/*
 * irqchip.c - the interrupt chips of a VM: creation, state, and GSIs to pins
 */
#include <linux/slab.h>
#include "chips.h"

#define GSIS_ISA	16	/* lead to both the PIC and the IOAPIC */
#define NR_DEFAULT_ROUTES (GSIS_ISA + KVM_IOAPIC_NUM_PINS)

static void chip_unregister(struct keel_vm *vm, const struct keel_chip_range *r, unsigned int nr)
{
	mutex_lock(&vm->slots_lock);
	while (nr--)
		keel_bus_unregister(vm, r[nr].bus, r[nr].dev);
	mutex_unlock(&vm->slots_lock);
}

int keel_chip_register(struct keel_vm *vm, const struct keel_chip_range *r, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	mutex_lock(&vm->slots_lock);
	for (i = 0; i < nr && !ret; i++)
		ret = keel_bus_register(vm, r[i].bus, r[i].addr, r[i].len, r[i].dev);
	mutex_unlock(&vm->slots_lock);
	if (ret)
		chip_unregister(vm, r, i - 1);
	return ret;
}

void keel_chip_eoi(struct keel_irqchip *chip, u32 id, u32 pin)
{
	struct keel_pit_dev *pit = keel_chip_pit(chip->vm);

	keel_irq_eoi(chip->vm, id, pin);
	if (pit && (keel_chip_pit_pins(chip, id) & BIT(pin)))
		keel_pit_ack(pit);
}

void keel_chip_opened(struct keel_irqchip *chip, u32 id, u32 opened)
{
	struct keel_pit_dev *pit = keel_chip_pit(chip->vm);

	if (pit && (keel_chip_pit_pins(chip, id) & opened))
		keel_pit_forget(pit);
}

void keel_chip_rescan(struct keel_vm *vm)
{
	struct keel_vcpu *vcpu;
	unsigned int i;

	keel_for_each_vcpu(i, vcpu, vm) {
		keel_vcpu_request(vcpu, KEEL_REQ_SCAN_IOAPIC);
		keel_vcpu_kick(vcpu);
	}
}

static enum keel_irqchip_mode irqchip_mode(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->arch.irqchip_mode);	/* pairs with irqchip_publish() */
}

/* All of the mode's chips and routes are there. */
static void irqchip_publish(struct keel_vm *vm, enum keel_irqchip_mode mode)
{
	smp_store_release(&vm->arch.irqchip_mode, mode);	/* pairs with irqchip_mode() */
}

/* The chips, once they are whole. */
static struct keel_irqchip *irqchip_of(struct keel_vm *vm)
{
	return irqchip_mode(vm) == KEEL_IRQCHIP_KERNEL ? vm->arch.irqchip : NULL;
}

bool arch_irqchip_present(struct keel_vm *vm)
{
	return irqchip_mode(vm) != KEEL_IRQCHIP_NONE;
}

/* Also while the chips are being created: their first routes come before the mode. */
bool arch_irq_pin_valid(struct keel_vm *vm, u32 chip, u32 pin)
{
	if (!vm->arch.irqchip)
		return false;
	switch (chip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		return pin < PIC_CHIP_PINS;
	case KVM_IRQCHIP_IOAPIC:
		return pin < IOAPIC_PINS;
	default:
		return false;
	}
}

int arch_irq_pin(struct keel_vm *vm, enum keel_irq_source src, u32 chip, u32 pin, int level)
{
	struct keel_irqchip *irqchip = vm->arch.irqchip;

	if (!irqchip)
		return -1;
	switch (chip) {
	case KVM_IRQCHIP_PIC_MASTER:
		return keel_pic_set_line(irqchip, src, pin, level);
	case KVM_IRQCHIP_PIC_SLAVE:
		return keel_pic_set_line(irqchip, src, pin + PIC_CHIP_PINS, level);
	case KVM_IRQCHIP_IOAPIC:
		return keel_ioapic_set_line(irqchip, src, pin, level);
	default:
		return -1;
	}
}

static void irqchip_note_pit_pin(const struct keel_route *r, void *data)
{
	u32 *pins = data;

	if (r->gsi == KEEL_PIT_GSI && r->type == KVM_IRQ_ROUTING_IRQCHIP &&
	    r->irqchip.chip < KVM_NR_IRQCHIPS)
		pins[r->irqchip.chip] |= BIT(r->irqchip.pin);
}

/* The EOI that the PIT waits for may come from a pin that is no longer its own. */
void arch_routing_changed(struct keel_vm *vm)
{
	struct keel_irqchip *irqchip = vm->arch.irqchip;
	struct keel_pit_dev *pit = keel_chip_pit(vm);
	u32 pins[KVM_NR_IRQCHIPS] = { };
	unsigned int i;

	if (irqchip) {
		keel_routing_for_each(vm, irqchip_note_pit_pin, pins);
		for (i = 0; i < KVM_NR_IRQCHIPS; i++)
			WRITE_ONCE(irqchip->pit_pins[i], pins[i]);
	}
	if (pit)
		keel_pit_forget(pit);
	keel_chip_rescan(vm);
}

static struct kvm_irq_routing_entry irqchip_route(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* GSI n leads to the IOAPIC's pin n, and if below 16 to the PICs' pin n as well. */
static int irqchip_default_routing(struct keel_vm *vm)
{
	struct kvm_irq_routing_entry *e;
	u32 gsi, nr = 0;
	int ret;

	e = kcalloc(NR_DEFAULT_ROUTES, sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	for (gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++)
		e[nr++] = irqchip_route(gsi, KVM_IRQCHIP_IOAPIC, gsi);
	for (gsi = 0; gsi < GSIS_ISA; gsi++)
		e[nr++] = irqchip_route(gsi, gsi < PIC_CHIP_PINS ? KVM_IRQCHIP_PIC_MASTER :
					KVM_IRQCHIP_PIC_SLAVE, gsi % PIC_CHIP_PINS);
	ret = keel_routing_set(vm, e, nr);
	kfree(e);
	return ret;
}

/* Bring @chip into the world; its routes are the first way to it. */
static int irqchip_attach(struct keel_irqchip *chip)
{
	const struct keel_chip_range ranges[] = {
		{ KEEL_BUS_PIO, PIC_PORT_MASTER, PIC_NR_PORTS, &chip->pic.iodev },
		{ KEEL_BUS_PIO, PIC_PORT_SLAVE, PIC_NR_PORTS, &chip->pic.iodev },
		{ KEEL_BUS_PIO, PIC_PORT_ELCR, PIC_NR_PORTS, &chip->pic.iodev },
		{ KEEL_BUS_MMIO, IOAPIC_BASE, IOAPIC_SIZE, &chip->ioapic.mmio },
	};
	struct keel_vm *vm = chip->vm;
	int ret;

	ret = keel_chip_register(vm, ranges, ARRAY_SIZE(ranges));
	if (ret)
		return ret;
	vm->arch.irqchip = chip;
	ret = irqchip_default_routing(vm);
	if (!ret)
		return 0;
	vm->arch.irqchip = NULL;
	chip_unregister(vm, ranges, ARRAY_SIZE(ranges));
	return ret;
}

/* -EEXIST: there are some. -EINVAL: vCPUs were made without an APIC. -ENOMEM. */
int keel_irqchip_create(struct keel_vm *vm)
{
	struct keel_irqchip *chip;
	int ret;

	lockdep_assert_held(&vm->lock);
	if (arch_irqchip_present(vm))
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	chip = kzalloc(sizeof(*chip), GFP_KERNEL_ACCOUNT);
	if (!chip)
		return -ENOMEM;

	chip->vm = vm;
	keel_pic_init(chip);
	keel_ioapic_init(chip);
	ret = apicv_vm_init(vm);
	if (!ret)
		ret = irqchip_attach(chip);
	if (ret) {
		apicv_vm_destroy(vm);
		kfree(chip);
		return ret;
	}
	irqchip_publish(vm, KEEL_IRQCHIP_KERNEL);
	return 0;
}

/* -EINVAL: more @pins than routes. -EEXIST: too late. -ENOMEM. */
int keel_irqchip_split(struct keel_vm *vm, u64 pins)
{
	int ret;

	lockdep_assert_held(&vm->lock);
	if (pins > KEEL_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (arch_irqchip_present(vm) || vm->nr_vcpus)
		return -EEXIST;
	ret = apicv_vm_init(vm);
	if (!ret)
		ret = keel_routing_set(vm, NULL, 0);
	if (ret) {
		apicv_vm_destroy(vm);
		return ret;
	}
	vm->arch.split_pins = pins;
	irqchip_publish(vm, KEEL_IRQCHIP_SPLIT);
	return 0;
}

/* The buses and the vCPUs are gone, and with them timers and everyone who came this way. */
void keel_irqchip_destroy(struct keel_vm *vm)
{
	apicv_vm_destroy(vm);
	if (!vm->arch.irqchip)
		return;
	kfree(vm->arch.irqchip);
	vm->arch.irqchip = NULL;
}

int keel_irqchip_get(struct keel_vm *vm, struct kvm_irqchip *chip)
{
	struct keel_irqchip *irqchip = irqchip_of(vm);

	if (!irqchip)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
		keel_pic_get(irqchip, PIC_MASTER, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_PIC_SLAVE:
		keel_pic_get(irqchip, PIC_SLAVE, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		keel_ioapic_get(irqchip, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int keel_irqchip_set(struct keel_vm *vm, const struct kvm_irqchip *chip)
{
	struct keel_irqchip *irqchip = irqchip_of(vm);

	if (!irqchip)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
		keel_pic_set(irqchip, PIC_MASTER, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_PIC_SLAVE:
		keel_pic_set(irqchip, PIC_SLAVE, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		keel_ioapic_set(irqchip, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

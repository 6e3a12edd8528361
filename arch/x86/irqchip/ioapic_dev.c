// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic_dev.c - the IOAPIC as a device: its MMIO page, its lock, EOIs
 */
#include <keel/compat.h>
#include "chips.h"

static struct keel_irqchip *ioapic_chip(struct ioapic *io)
{
	return container_of(io, struct keel_irqchip, ioapic.io);
}

static int ioapic_dev_deliver(struct ioapic *io, const struct keel_apic_msg *msg)
{
	return keel_apic_deliver(ioapic_chip(io)->vm, msg);
}

/*
 * The chip's lock is held: a vCPU that scans waits for the new entries, and it
 * scans before it takes an interrupt that they deliver.
 */
static void ioapic_dev_eoi_changed(struct ioapic *io)
{
	keel_chip_rescan(ioapic_chip(io)->vm);
}

static const struct ioapic_ops ioapic_dev_core_ops = {
	.deliver = ioapic_dev_deliver,
	.eoi_changed = ioapic_dev_eoi_changed,
};

int keel_ioapic_set_line(struct keel_irqchip *chip, enum keel_irq_source src, u32 pin, int level)
{
	struct keel_ioapic_dev *dev = &chip->ioapic;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&dev->lock, flags);
	ret = ioapic_set_line(&dev->io, pin, src, level);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	return ret;
}

/*
 * Listeners first: the owner of a line that is resampled lowers it, and raises
 * it again if it must; only then is the line looked at, so that one that was
 * lowered is not delivered again.
 */
void keel_ioapic_eoi(struct keel_vcpu *vcpu, u8 vector, bool level)
{
	struct keel_irqchip *chip = vcpu->vm->arch.irqchip;
	struct keel_ioapic_dev *dev;
	unsigned long flags, pins;
	unsigned int pin;

	if (!chip)
		return;
	dev = &chip->ioapic;
	raw_spin_lock_irqsave(&dev->lock, flags);
	pins = ioapic_vector_pins(&dev->io, vector);
	raw_spin_unlock_irqrestore(&dev->lock, flags);

	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		keel_chip_eoi(chip, KVM_IRQCHIP_IOAPIC, pin);
	if (!pins || !level)
		return;

	raw_spin_lock_irqsave(&dev->lock, flags);
	ioapic_eoi(&dev->io, vector);
	if (dev->io.delayed && !hrtimer_is_queued(&dev->redeliver))
		hrtimer_start(&dev->redeliver, ns_to_ktime(IOAPIC_STORM_DELAY_NS),
			      HRTIMER_MODE_REL_HARD);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
}

static enum hrtimer_restart ioapic_dev_redeliver(struct hrtimer *timer)
{
	struct keel_ioapic_dev *dev = container_of(timer, struct keel_ioapic_dev, redeliver);
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->lock, flags);
	ioapic_redeliver(&dev->io);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	return HRTIMER_NORESTART;
}

/* Edge triggered pins whose EOI somebody waits for: the PIT, resample irqfds. */
static u32 ioapic_dev_listeners(struct keel_irqchip *chip)
{
	u32 pins = 0;
	unsigned int pin;

	if (keel_pit_wants_eoi(chip->vm))
		pins = keel_chip_pit_pins(chip, KVM_IRQCHIP_IOAPIC);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (keel_irq_has_eoi_listener(chip->vm, KVM_IRQCHIP_IOAPIC, pin))
			pins |= BIT(pin);
	return pins;
}

static void ioapic_dev_scan(struct keel_irqchip *chip, unsigned long *eoi_vectors)
{
	u32 edges = ioapic_dev_listeners(chip);
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	ioapic_eoi_vectors(&chip->ioapic.io, edges, eoi_vectors);
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
}

struct split_scan {
	struct keel_vcpu *vcpu;
	unsigned long *vectors;
};

/* Userspace's IOAPIC has the first GSIs, as MSI routes that carry its trigger mode. */
static void split_scan_route(const struct keel_route *r, void *data)
{
	struct split_scan *scan = data;
	struct keel_vm_arch *arch = &scan->vcpu->vm->arch;
	struct keel_apic_msg msg;

	if (r->type != KVM_IRQ_ROUTING_MSI || r->gsi >= arch->split_pins)
		return;
	if (apic_msi_decode(&msg, r->msi.address, r->msi.data,
			    READ_ONCE(arch->x2apic_format)))
		return;
	if (msg.level && apic_matches(scan->vcpu, &msg))
		__set_bit(msg.vector, scan->vectors);
}

void keel_ioapic_scan(struct keel_vcpu *vcpu, unsigned long *eoi_vectors)
{
	struct keel_vm *vm = vcpu->vm;
	struct split_scan scan = { .vcpu = vcpu, .vectors = eoi_vectors };

	if (vm->arch.irqchip)
		ioapic_dev_scan(vm->arch.irqchip, eoi_vectors);
	else
		keel_routing_for_each(vm, split_scan_route, &scan);
}

void keel_ioapic_get(struct keel_irqchip *chip, struct kvm_ioapic_state *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	ioapic_get(&chip->ioapic.io, s);
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
}

void keel_ioapic_set(struct keel_irqchip *chip, const struct kvm_ioapic_state *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	ioapic_set(&chip->ioapic.io, s);
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
}

/* Registers are 32 bits wide: what is read beyond is 0, what is written beyond lost. */
static int ioapic_dev_read(struct keel_iodev *iodev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			   void *val)
{
	struct keel_irqchip *chip = container_of(iodev, struct keel_irqchip, ioapic.mmio);
	unsigned long flags;
	u64 data;

	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	data = ioapic_read(&chip->ioapic.io, addr - IOAPIC_BASE);
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
	memcpy(val, &data, min_t(int, len, sizeof(data)));
	return 0;
}

static int ioapic_dev_write(struct keel_iodev *iodev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			    const void *val)
{
	struct keel_irqchip *chip = container_of(iodev, struct keel_irqchip, ioapic.mmio);
	struct ioapic *io = &chip->ioapic.io;
	unsigned long flags;
	u32 data = 0, opened;

	memcpy(&data, val, min_t(int, len, sizeof(data)));
	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	opened = ioapic_masked_pins(io);
	ioapic_write(io, addr - IOAPIC_BASE, data);
	opened &= ~ioapic_masked_pins(io);
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
	keel_chip_opened(chip, KVM_IRQCHIP_IOAPIC, opened);
	return 0;
}

/* The bus goes before the vCPUs: nothing is delivered from here on. */
static void ioapic_dev_release(struct keel_iodev *iodev)
{
	hrtimer_cancel(&container_of(iodev, struct keel_ioapic_dev, mmio)->redeliver);
}

static const struct keel_iodev_ops ioapic_dev_ops = {
	.read = ioapic_dev_read,
	.write = ioapic_dev_write,
	.release = ioapic_dev_release,
};

void keel_ioapic_init(struct keel_irqchip *chip)
{
	struct keel_ioapic_dev *dev = &chip->ioapic;

	raw_spin_lock_init(&dev->lock);
	ioapic_init(&dev->io, &ioapic_dev_core_ops);
	hrtimer_setup(&dev->redeliver, ioapic_dev_redeliver, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	dev->mmio.ops = &ioapic_dev_ops;
}

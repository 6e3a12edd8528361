// SPDX-License-Identifier: GPL-2.0
/*
 * pic_dev.c - the 8259 pair as a device: its ports, its lock, the CPU it wakes
 */
#include "chips.h"

/* INT goes to every CPU's LINT0. Whose LINT0 is shut looks by itself when it opens. */
static void pic_dev_wake(struct keel_vm *vm)
{
	struct keel_vcpu *vcpu;
	unsigned int i;

	keel_for_each_vcpu(i, vcpu, vm) {
		if (!keel_apic_accepts_extint(vcpu))
			continue;
		keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
		keel_vcpu_kick(vcpu);
	}
}

static unsigned long pic_dev_lock(struct keel_pic_dev *dev)
	__acquires(&dev->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->lock, flags);
	return flags;
}

/* A tick that waited behind a mask, or for an EOI that a reset has cut off, is stale. */
static void pic_dev_opened(struct keel_irqchip *chip, u16 pins)
{
	keel_chip_opened(chip, KVM_IRQCHIP_PIC_MASTER, pins & 0xff);
	keel_chip_opened(chip, KVM_IRQCHIP_PIC_SLAVE, pins >> PIC_CHIP_PINS);
}

/*
 * Unlock, and tell the world what the chips did meanwhile: of opened pins first,
 * so that the end of what a reset dropped does not bring the next tick at once.
 */
static void pic_dev_unlock(struct keel_irqchip *chip, unsigned long flags)
	__releases(&chip->pic.lock)
{
	struct keel_pic_dev *dev = &chip->pic;
	unsigned long eoi = pic_take_eoi(&dev->pic);
	u16 opened = pic_take_opened(&dev->pic);
	bool output = pic_output(&dev->pic);
	bool rises = output && !dev->output;
	unsigned int pin;

	WRITE_ONCE(dev->output, output);
	raw_spin_unlock_irqrestore(&dev->lock, flags);

	if (rises)
		pic_dev_wake(chip->vm);
	if (opened)
		pic_dev_opened(chip, opened);
	for_each_set_bit(pin, &eoi, PIC_PINS)
		keel_chip_eoi(chip, pin < PIC_CHIP_PINS ? KVM_IRQCHIP_PIC_MASTER :
			      KVM_IRQCHIP_PIC_SLAVE, pin % PIC_CHIP_PINS);
}

int keel_pic_set_line(struct keel_irqchip *chip, enum keel_irq_source src, u32 pin, int level)
{
	unsigned long flags = pic_dev_lock(&chip->pic);
	int ret = pic_set_line(&chip->pic.pic, pin, src, level);

	pic_dev_unlock(chip, flags);
	return ret;
}

/* Lock-free: a rise that is missed here comes with KEEL_REQ_EVENT. */
bool keel_pic_pending(struct keel_vm *vm)
{
	struct keel_irqchip *chip = vm->arch.irqchip;

	return chip && READ_ONCE(chip->pic.output);
}

/* INT falls with INTA: what is left to deliver makes it rise anew. */
int keel_pic_ack(struct keel_vm *vm)
{
	struct keel_irqchip *chip = vm->arch.irqchip;
	unsigned long flags;
	int vector;

	if (!chip)
		return -1;
	flags = pic_dev_lock(&chip->pic);
	vector = pic_ack(&chip->pic.pic);
	WRITE_ONCE(chip->pic.output, false);
	pic_dev_unlock(chip, flags);
	return vector;
}

void keel_pic_get(struct keel_irqchip *chip, enum pic_chip_id id, struct kvm_pic_state *s)
{
	unsigned long flags = pic_dev_lock(&chip->pic);

	pic_get(&chip->pic.pic, id, s);
	pic_dev_unlock(chip, flags);
}

void keel_pic_set(struct keel_irqchip *chip, enum pic_chip_id id, const struct kvm_pic_state *s)
{
	unsigned long flags = pic_dev_lock(&chip->pic);

	pic_set(&chip->pic.pic, id, s);
	pic_dev_unlock(chip, flags);
}

/* A wide access is one to each port, lowest first, as the ISA bus makes it. */
static int pic_dev_read(struct keel_iodev *iodev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			void *val)
{
	struct keel_irqchip *chip = vcpu->vm->arch.irqchip;
	unsigned long flags = pic_dev_lock(&chip->pic);
	u8 *p = val;
	int i;

	for (i = 0; i < len; i++)
		p[i] = pic_read(&chip->pic.pic, addr + i);
	pic_dev_unlock(chip, flags);
	return 0;
}

static int pic_dev_write(struct keel_iodev *iodev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			 const void *val)
{
	struct keel_irqchip *chip = vcpu->vm->arch.irqchip;
	unsigned long flags = pic_dev_lock(&chip->pic);
	const u8 *p = val;
	int i;

	for (i = 0; i < len; i++)
		pic_write(&chip->pic.pic, addr + i, p[i]);
	pic_dev_unlock(chip, flags);
	return 0;
}

static const struct keel_iodev_ops pic_dev_ops = {
	.read = pic_dev_read,
	.write = pic_dev_write,
};

void keel_pic_init(struct keel_irqchip *chip)
{
	struct keel_pic_dev *dev = &chip->pic;

	raw_spin_lock_init(&dev->lock);
	pic_init(&dev->pic);
	dev->iodev.ops = &pic_dev_ops;
}

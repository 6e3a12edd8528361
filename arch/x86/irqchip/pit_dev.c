// SPDX-License-Identifier: GPL-2.0
/*
 * pit_dev.c - the PIT as a device: its ports, its timer, and GSI 0
 *
 * The timer's callback drives GSI 0 itself. It never holds the PIT's lock
 * then, since the way from the line to an EOI leads back here.
 */
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <keel/compat.h>
#include "chips.h"

/* The lock is held. The callback, if it runs now, waits for it and sees what is due. */
static void pit_dev_arm(struct keel_pit_dev *dev)
{
	u64 due = pit_due(&dev->pit);

	lockdep_assert_held(&dev->lock);
	if (due == dev->armed)
		return;
	dev->armed = due;
	if (due == PIT_NEVER)
		hrtimer_try_to_cancel(&dev->timer);
	else
		hrtimer_start(&dev->timer, ns_to_ktime(due), HRTIMER_MODE_ABS_HARD);
}

/* A pulse that no chip takes has no EOI: what waits for it would wait for good. */
static void pit_dev_pulse(struct keel_pit_dev *dev)
{
	int taken = keel_irq_set(dev->vm, KEEL_IRQ_PIT, KEEL_PIT_GSI, 1);

	keel_irq_set(dev->vm, KEEL_IRQ_PIT, KEEL_PIT_GSI, 0);
	if (taken < 0)
		keel_pit_forget(dev);
}

static enum hrtimer_restart pit_dev_tick(struct hrtimer *timer)
{
	struct keel_pit_dev *dev = container_of(timer, struct keel_pit_dev, timer);
	unsigned long flags;
	bool pulse;

	raw_spin_lock_irqsave(&dev->lock, flags);
	pulse = pit_expire(&dev->pit, ktime_get_ns());
	if (!hrtimer_is_queued(timer))
		dev->armed = PIT_NEVER;
	pit_dev_arm(dev);
	raw_spin_unlock_irqrestore(&dev->lock, flags);

	if (pulse)
		pit_dev_pulse(dev);
	return HRTIMER_NORESTART;	/* pit_dev_arm() has started it */
}

void keel_pit_ack(struct keel_pit_dev *dev)
{
	unsigned long flags;
	bool pulse;

	raw_spin_lock_irqsave(&dev->lock, flags);
	pulse = pit_ack(&dev->pit);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	if (pulse)
		pit_dev_pulse(dev);
}

void keel_pit_forget(struct keel_pit_dev *dev)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->lock, flags);
	pit_forget(&dev->pit);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
}

bool keel_pit_wants_eoi(struct keel_vm *vm)
{
	struct keel_pit_dev *dev = keel_chip_pit(vm);

	return dev && READ_ONCE(dev->pit.reinject);
}

/* A wide access is one to each port, lowest first, as the ISA bus makes it. */
static int pit_dev_read(struct keel_iodev *iodev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			void *val)
{
	struct keel_pit_dev *dev = container_of(iodev, struct keel_pit_dev, iodev);
	unsigned long flags;
	u8 *p = val;
	int i;

	raw_spin_lock_irqsave(&dev->lock, flags);
	for (i = 0; i < len; i++)
		p[i] = pit_read(&dev->pit, addr + i, ktime_get_ns());
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	return 0;
}

static int pit_dev_write(struct keel_iodev *iodev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			 const void *val)
{
	struct keel_pit_dev *dev = container_of(iodev, struct keel_pit_dev, iodev);
	unsigned long flags;
	const u8 *p = val;
	int i;

	raw_spin_lock_irqsave(&dev->lock, flags);
	for (i = 0; i < len; i++)
		pit_write(&dev->pit, addr + i, p[i], ktime_get_ns());
	pit_dev_arm(dev);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	return 0;
}

/* The bus goes before the vCPUs: no interrupt is raised from here on. */
static void pit_dev_release(struct keel_iodev *iodev)
{
	hrtimer_cancel(&container_of(iodev, struct keel_pit_dev, iodev)->timer);
}

static const struct keel_iodev_ops pit_dev_ops = {
	.read = pit_dev_read,
	.write = pit_dev_write,
	.release = pit_dev_release,
};

static struct keel_pit_dev *pit_dev_alloc(struct keel_vm *vm)
{
	struct keel_pit_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);

	if (!dev)
		return NULL;
	dev->vm = vm;
	dev->iodev.ops = &pit_dev_ops;
	raw_spin_lock_init(&dev->lock);
	pit_init(&dev->pit, ktime_get_ns());
	dev->armed = PIT_NEVER;
	hrtimer_setup(&dev->timer, pit_dev_tick, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	return dev;
}

/*
 * KVM_CREATE_PIT2: -EINVAL for unknown flags, -EEXIST, -ENOENT without PICs to
 * raise, -ENOMEM. Port 0x61 is userspace's unless it asks for the dummy.
 */
int keel_pit_create(struct keel_vm *vm, const struct kvm_pit_config *cfg)
{
	struct keel_pit_dev *dev;
	unsigned int nr;
	int ret;

	lockdep_assert_held(&vm->lock);
	if (cfg->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	if (vm->arch.pit)
		return -EEXIST;
	if (vm->arch.irqchip_mode != KEEL_IRQCHIP_KERNEL)
		return -ENOENT;
	dev = pit_dev_alloc(vm);
	if (!dev)
		return -ENOMEM;

	nr = cfg->flags & KVM_PIT_SPEAKER_DUMMY ? 2 : 1;
	ret = keel_chip_register(vm, (const struct keel_chip_range[]){
		{ KEEL_BUS_PIO, PIT_PORT, PIT_NR_PORTS, &dev->iodev },
		{ KEEL_BUS_PIO, PIT_SPEAKER_PORT, 1, &dev->iodev },
	}, nr);
	if (ret) {
		kfree(dev);
		return ret;
	}
	smp_store_release(&vm->arch.pit, dev);	/* pairs with keel_chip_pit() */
	keel_chip_rescan(vm);
	return 0;
}

/* The bus is gone, and has stopped the timer. */
void keel_pit_destroy(struct keel_vm *vm)
{
	if (!vm->arch.pit)
		return;
	kfree(vm->arch.pit);
	vm->arch.pit = NULL;
}

int keel_pit_get(struct keel_vm *vm, struct kvm_pit_state2 *s)
{
	struct keel_pit_dev *dev = keel_chip_pit(vm);
	unsigned long flags;

	if (!dev)
		return -ENXIO;
	raw_spin_lock_irqsave(&dev->lock, flags);
	pit_get(&dev->pit, s, ktime_get_ns());
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	return 0;
}

int keel_pit_set(struct keel_vm *vm, const struct kvm_pit_state2 *s)
{
	struct keel_pit_dev *dev = keel_chip_pit(vm);
	unsigned long flags;

	if (!dev)
		return -ENXIO;
	raw_spin_lock_irqsave(&dev->lock, flags);
	pit_set(&dev->pit, s, ktime_get_ns());
	pit_dev_arm(dev);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	return 0;
}

int keel_pit_reinject(struct keel_vm *vm, const struct kvm_reinject_control *c)
{
	struct keel_pit_dev *dev = keel_chip_pit(vm);
	unsigned long flags;

	if (!dev)
		return -ENXIO;
	raw_spin_lock_irqsave(&dev->lock, flags);
	pit_set_reinject(&dev->pit, c->pit_reinject);
	raw_spin_unlock_irqrestore(&dev->lock, flags);
	keel_chip_rescan(vm);
	return 0;
}

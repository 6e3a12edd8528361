// SPDX-License-Identifier: GPL-2.0
/*
 * coalesced.c - writes that userspace need not see at once wait in a ring
 *
 * The ring is a page that userspace can write at any time. What decides where
 * we store is our own copy of its tail, vm->coalesced_last; the head, which only
 * userspace moves, is read once and bounded.
 */
#include <linux/kvm.h>
#include <linux/slab.h>
#include <keel/vcpu.h>
#include "virt.h"

struct keel_zone {
	struct keel_iodev dev;
	struct list_head link;		/* vm->coalesced_zones, slots_lock */
	gpa_t addr;
	u64 size;
	u32 pio;
};

/* ring_lock held. The entry to fill, or NULL if the ring is full. */
static struct kvm_coalesced_mmio *ring_slot(struct keel_vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->coalesced_ring;
	u32 first = READ_ONCE(ring->first) % KVM_COALESCED_MMIO_MAX;

	lockdep_assert_held(&vm->ring_lock);
	if ((vm->coalesced_last + 1) % KVM_COALESCED_MMIO_MAX == first)
		return NULL;
	return &ring->coalesced_mmio[vm->coalesced_last];
}

static void ring_advance(struct keel_vm *vm)
{
	lockdep_assert_held(&vm->ring_lock);
	vm->coalesced_last = (vm->coalesced_last + 1) % KVM_COALESCED_MMIO_MAX;
	smp_wmb(); /* the entry, before the tail that tells of it */
	WRITE_ONCE(vm->coalesced_ring->last, vm->coalesced_last);
}

static int zone_write(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len,
		      const void *val)
{
	struct keel_zone *zone = container_of(dev, struct keel_zone, dev);
	struct keel_vm *vm = vcpu->vm;
	struct kvm_coalesced_mmio *entry;

	if (len < 1 || len > sizeof(entry->data))
		return -EOPNOTSUPP;
	spin_lock(&vm->ring_lock);
	entry = ring_slot(vm);
	if (entry) {
		entry->phys_addr = addr;
		entry->len = len;
		memcpy(entry->data, val, len);
		entry->pio = zone->pio;
		ring_advance(vm);
	}
	spin_unlock(&vm->ring_lock);
	return entry ? 0 : -EOPNOTSUPP;	/* full: userspace sees this one, and empties the ring */
}

static void zone_release(struct keel_iodev *dev)
{
	struct keel_zone *zone = container_of(dev, struct keel_zone, dev);

	list_del(&zone->link);
	kfree(zone);
}

static const struct keel_iodev_ops zone_ops = {
	.write = zone_write,
	.release = zone_release,
};

static enum keel_bus_id zone_bus(u32 pio)
{
	return pio ? KEEL_BUS_PIO : KEEL_BUS_MMIO;
}

int keel_coalesced_register(struct keel_vm *vm, const struct kvm_coalesced_mmio_zone *args)
{
	struct keel_zone *zone;
	int r;

	if (args->pio > 1)
		return -EINVAL;
	zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	zone->dev.ops = &zone_ops;
	zone->addr = args->addr;
	zone->size = args->size;
	zone->pio = args->pio;

	mutex_lock(&vm->slots_lock);
	r = args->size ? keel_bus_register(vm, zone_bus(args->pio), args->addr, args->size,
					   &zone->dev) : 0;
	if (!r && args->size)
		list_add_tail(&zone->link, &vm->coalesced_zones);
	mutex_unlock(&vm->slots_lock);
	if (r || !args->size)	/* an empty zone matches nothing */
		kfree(zone);
	return r;
}

static bool zone_holds(const struct keel_zone *zone, const struct kvm_coalesced_mmio_zone *args)
{
	u64 off = args->addr - zone->addr;

	return zone->pio == args->pio && args->addr >= zone->addr && off <= zone->size &&
	       zone->size - off >= args->size;
}

/* Every zone in which the given one lies; none is no error. */
int keel_coalesced_unregister(struct keel_vm *vm, const struct kvm_coalesced_mmio_zone *args)
{
	struct keel_zone *zone, *next;

	if (args->pio > 1)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	list_for_each_entry_safe(zone, next, &vm->coalesced_zones, link)
		if (zone_holds(zone, args))
			keel_bus_unregister(vm, zone_bus(zone->pio), &zone->dev);
	mutex_unlock(&vm->slots_lock);
	return 0;
}

int keel_coalesced_init(struct keel_vm *vm)
{
	vm->coalesced_ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->coalesced_ring ? 0 : -ENOMEM;
}

void keel_coalesced_destroy(struct keel_vm *vm)
{
	free_page((unsigned long)vm->coalesced_ring);
}

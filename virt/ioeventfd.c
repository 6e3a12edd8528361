// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd.c - a guest's write to an address signals an eventfd
 *
 * One of any length on MMIO is on two buses, with a device for each: whichever
 * way the exit comes, it is found.
 */
#include <linux/eventfd.h>
#include <linux/kvm.h>
#include <linux/slab.h>
#include <keel/compat.h>
#include <keel/vcpu.h>
#include "virt.h"

#define IOEVENTFD_FLAGS	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
			 KVM_IOEVENTFD_FLAG_DEASSIGN)

struct keel_ioeventfd {
	struct keel_iodev dev, fast_dev;
	struct list_head link;		/* vm->ioeventfds, slots_lock */
	struct eventfd_ctx *eventfd;
	enum keel_bus_id bus;
	gpa_t addr;
	u32 len;			/* 0: any */
	bool any_data;
	u64 datamatch;
};

/* Guest values are little-endian, and so is every host that Keel runs on. */
static u64 value_of(const void *val, int len)
{
	u64 v = 0;

	memcpy(&v, val, min_t(size_t, len, sizeof(v)));
	return v;
}

static bool ioeventfd_matches(const struct keel_ioeventfd *p, gpa_t addr, int len, const void *val)
{
	if (addr != p->addr)
		return false;
	if (!p->len)
		return true;
	if (len != p->len)
		return false;
	return p->any_data || value_of(val, len) == p->datamatch;
}

static int ioeventfd_write(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			   const void *val)
{
	struct keel_ioeventfd *p = container_of(dev, struct keel_ioeventfd, dev);

	if (!ioeventfd_matches(p, addr, len, val))
		return -EOPNOTSUPP;
	keel_compat_eventfd_signal(p->eventfd);
	return 0;
}

static int ioeventfd_fast_write(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr,
				int len, const void *val)
{
	struct keel_ioeventfd *p = container_of(dev, struct keel_ioeventfd, fast_dev);

	keel_compat_eventfd_signal(p->eventfd);
	return 0;
}

/* No release: ioeventfd_remove() frees, after both buses have let go. */
static const struct keel_iodev_ops ioeventfd_ops = { .write = ioeventfd_write };
static const struct keel_iodev_ops ioeventfd_fast_ops = { .write = ioeventfd_fast_write };

static bool has_fast(const struct keel_ioeventfd *p)
{
	return p->bus == KEEL_BUS_MMIO && !p->len;
}

static void ioeventfd_free(struct keel_ioeventfd *p)
{
	eventfd_ctx_put(p->eventfd);
	kfree(p);
}

/* Would one write signal both? */
static bool ioeventfd_collides(struct keel_vm *vm, const struct keel_ioeventfd *n)
{
	const struct keel_ioeventfd *p;

	list_for_each_entry(p, &vm->ioeventfds, link) {
		if (p->bus != n->bus || p->addr != n->addr)
			continue;
		if (!p->len || !n->len)
			return true;
		if (p->len == n->len &&
		    (p->any_data || n->any_data || p->datamatch == n->datamatch))
			return true;
	}
	return false;
}

static int ioeventfd_register(struct keel_vm *vm, struct keel_ioeventfd *p)
{
	int r;

	lockdep_assert_held(&vm->slots_lock);
	if (ioeventfd_collides(vm, p))
		return -EEXIST;
	r = keel_bus_register(vm, p->bus, p->addr, p->len, &p->dev);
	if (r)
		return r;
	if (has_fast(p)) {
		r = keel_bus_register(vm, KEEL_BUS_FAST_MMIO, p->addr, 0, &p->fast_dev);
		if (r) {
			keel_bus_unregister(vm, p->bus, &p->dev);
			return r;
		}
	}
	list_add_tail(&p->link, &vm->ioeventfds);
	return 0;
}

static void ioeventfd_remove(struct keel_vm *vm, struct keel_ioeventfd *p)
{
	lockdep_assert_held(&vm->slots_lock);
	list_del(&p->link);
	if (has_fast(p))
		keel_bus_unregister(vm, KEEL_BUS_FAST_MMIO, &p->fast_dev);
	keel_bus_unregister(vm, p->bus, &p->dev);
	ioeventfd_free(p);
}

static struct keel_ioeventfd *ioeventfd_alloc(const struct kvm_ioeventfd *args)
{
	struct keel_ioeventfd *p;
	struct eventfd_ctx *ctx;

	ctx = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(ctx))
		return ERR_CAST(ctx);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p) {
		eventfd_ctx_put(ctx);
		return ERR_PTR(-ENOMEM);
	}
	p->dev.ops = &ioeventfd_ops;
	p->fast_dev.ops = &ioeventfd_fast_ops;
	p->eventfd = ctx;
	p->bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? KEEL_BUS_PIO : KEEL_BUS_MMIO;
	p->addr = args->addr;
	p->len = args->len;
	p->any_data = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	p->datamatch = p->any_data ? 0 : args->datamatch;
	return p;
}

static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	u64 end;

	if (args->flags & ~IOEVENTFD_FLAGS)
		return -EINVAL;
	if (args->len > 8 || (args->len && !is_power_of_2(args->len)))
		return -EINVAL;
	if (check_add_overflow(args->addr, (u64)args->len, &end))
		return -EINVAL;
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	return 0;
}

static int ioeventfd_assign(struct keel_vm *vm, const struct kvm_ioeventfd *args)
{
	struct keel_ioeventfd *p = ioeventfd_alloc(args);
	int r;

	if (IS_ERR(p))
		return PTR_ERR(p);
	mutex_lock(&vm->slots_lock);
	r = ioeventfd_register(vm, p);
	mutex_unlock(&vm->slots_lock);
	if (r)
		ioeventfd_free(p);
	return r;
}

static struct keel_ioeventfd *ioeventfd_find(struct keel_vm *vm, const struct keel_ioeventfd *key)
{
	struct keel_ioeventfd *p;

	list_for_each_entry(p, &vm->ioeventfds, link)
		if (p->eventfd == key->eventfd && p->bus == key->bus && p->addr == key->addr &&
		    p->len == key->len && p->any_data == key->any_data &&
		    p->datamatch == key->datamatch)
			return p;
	return NULL;
}

static int ioeventfd_deassign(struct keel_vm *vm, const struct kvm_ioeventfd *args)
{
	struct keel_ioeventfd *key = ioeventfd_alloc(args), *p;

	if (IS_ERR(key))
		return PTR_ERR(key);
	mutex_lock(&vm->slots_lock);
	p = ioeventfd_find(vm, key);
	if (p)
		ioeventfd_remove(vm, p);
	mutex_unlock(&vm->slots_lock);
	ioeventfd_free(key);
	return p ? 0 : -ENOENT;
}

int keel_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args)
{
	int r = ioeventfd_check(args);

	if (r)
		return r;
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(vm, args);
	return ioeventfd_assign(vm, args);
}

/* VM end: the buses are gone, and with them who could call. */
void keel_ioeventfd_destroy(struct keel_vm *vm)
{
	struct keel_ioeventfd *p, *next;

	list_for_each_entry_safe(p, next, &vm->ioeventfds, link)
		ioeventfd_free(p);
}

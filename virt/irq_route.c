// SPDX-License-Identifier: GPL-2.0
/*
 * irq_route.c - the table from GSIs to chips' pins and MSIs
 *
 * One block of memory, replaced as a whole in irq_lock and read under RCU: the
 * routes sorted by GSI, the place where each GSI's begin, and the way back from
 * a pin to its GSI.
 */
#include <linux/kvm.h>
#include <linux/slab.h>
#include <keel/arch.h>
#include "virt.h"

struct keel_routing {
	u32 nr_gsis;			/* one more than the greatest GSI */
	u32 nr;
	s32 pin_gsi[KEEL_NR_CHIPS][KEEL_CHIP_PINS];	/* -1: none */
	u16 *first;			/* nr_gsis + 1: routes of g are [first[g], first[g + 1]) */
	struct keel_route route[];
};

/* @first and @last become the routes of @gsi; true if there are any. RCU. */
static bool routes_of(const struct keel_routing *t, u32 gsi, u32 *first, u32 *last)
{
	if (!t || gsi >= t->nr_gsis)
		return false;
	gsi = array_index_nospec(gsi, t->nr_gsis);
	*first = t->first[gsi];
	*last = t->first[gsi + 1];
	return *first < *last;
}

static int route_drive(struct keel_vm *vm, enum keel_irq_source src, const struct keel_route *r,
		       int level)
{
	if (r->type == KVM_IRQ_ROUTING_IRQCHIP)
		return arch_irq_pin(vm, src, r->irqchip.chip, r->irqchip.pin, level);
	return level ? arch_irq_msi(vm, r->msi.address, r->msi.data) : -1;
}

int keel_irq_set(struct keel_vm *vm, enum keel_irq_source src, u32 gsi, int level)
{
	const struct keel_routing *t;
	int sum = -1, one;
	u32 i, end;

	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	if (routes_of(t, gsi, &i, &end)) {
		for (; i < end; i++) {
			one = route_drive(vm, src, &t->route[i], level);
			if (one >= 0)
				sum = max(sum, 0) + one;
		}
	}
	rcu_read_unlock();
	return sum;
}

int keel_irq_signal_msi(struct keel_vm *vm, const struct kvm_msi *msi)
{
	int r;

	if (msi->flags & ~KVM_MSI_VALID_DEVID || !arch_irqchip_present(vm))
		return -EINVAL;
	rcu_read_lock();
	r = arch_irq_msi(vm, (u64)msi->address_hi << 32 | msi->address_lo, msi->data);
	rcu_read_unlock();
	if (r == -EINVAL)
		return r;
	/* Nobody there, or an APIC that is off, is the guest's doing: no error of the caller's. */
	return r < 0 ? 0 : max(r, 1);
}

int keel_routing_pin_gsi(struct keel_vm *vm, u32 chip, u32 pin)
{
	const struct keel_routing *t = rcu_dereference(vm->routing);

	if (!t || chip >= KEEL_NR_CHIPS || pin >= KEEL_CHIP_PINS)
		return -1;
	return t->pin_gsi[array_index_nospec(chip, KEEL_NR_CHIPS)]
			 [array_index_nospec(pin, KEEL_CHIP_PINS)];
}

void keel_routing_for_each(struct keel_vm *vm, void (*fn)(const struct keel_route *r, void *data),
			   void *data)
{
	const struct keel_routing *t;
	u32 i;

	rcu_read_lock();
	t = rcu_dereference(vm->routing);
	for (i = 0; t && i < t->nr; i++)
		fn(&t->route[i], data);
	rcu_read_unlock();
}

/* irq_lock held. -EINVAL: userspace's entry @e is none that this VM can have. */
static int route_from_user(struct keel_vm *vm, const struct kvm_irq_routing_entry *e,
			   struct keel_route *r)
{
	*r = (struct keel_route){ .gsi = e->gsi, .type = e->type };
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (e->flags || e->u.irqchip.irqchip >= KEEL_NR_CHIPS ||
		    e->u.irqchip.pin >= KEEL_CHIP_PINS ||
		    !arch_irq_pin_valid(vm, e->u.irqchip.irqchip, e->u.irqchip.pin))
			return -EINVAL;
		r->irqchip.chip = array_index_nospec(e->u.irqchip.irqchip, KEEL_NR_CHIPS);
		r->irqchip.pin = array_index_nospec(e->u.irqchip.pin, KEEL_CHIP_PINS);
		return 0;
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags & ~KVM_MSI_VALID_DEVID)
			return -EINVAL;
		r->msi.address = (u64)e->u.msi.address_hi << 32 | e->u.msi.address_lo;
		r->msi.data = e->u.msi.data;
		return arch_irq_msi_valid(vm, r->msi.address) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* A GSI has pins of different chips, or one MSI: @r beside the ones from @i to @end. */
static bool route_fits(const struct keel_routing *t, u32 i, u32 end, const struct keel_route *r)
{
	for (; i < end; i++)
		if (r->type != KVM_IRQ_ROUTING_IRQCHIP || t->route[i].type != r->type ||
		    t->route[i].irqchip.chip == r->irqchip.chip)
			return false;
	return true;
}

/* t->first[g + 1] = number of entries of GSI g, then summed up: a counting sort. */
static void table_count(struct keel_routing *t, const struct kvm_irq_routing_entry *e, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		t->first[array_index_nospec(e[i].gsi, t->nr_gsis) + 1]++;
	for (i = 0; i < t->nr_gsis; i++)
		t->first[i + 1] += t->first[i];
}

/* @fill: how many routes each GSI has so far. */
static int table_fill(struct keel_vm *vm, struct keel_routing *t,
		      const struct kvm_irq_routing_entry *e, u32 nr, u16 *fill)
{
	u32 i, gsi, first, at;
	struct keel_route r;

	table_count(t, e, nr);
	for (i = 0; i < nr; i++) {
		gsi = array_index_nospec(e[i].gsi, t->nr_gsis);
		first = t->first[gsi];
		at = first + fill[gsi]++;
		if (route_from_user(vm, &e[i], &r) || !route_fits(t, first, at, &r))
			return -EINVAL;
		t->route[at] = r;
		if (r.type == KVM_IRQ_ROUTING_IRQCHIP)
			t->pin_gsi[r.irqchip.chip][r.irqchip.pin] = r.gsi;
	}
	return 0;
}

static void table_free(struct keel_routing *t)
{
	if (!t)
		return;
	kvfree(t->first);
	kvfree(t);
}

static struct keel_routing *table_alloc(u32 nr_gsis, u32 nr)
{
	struct keel_routing *t;

	BUILD_BUG_ON(KEEL_MAX_IRQ_ROUTES > U16_MAX);
	t = kvzalloc(struct_size(t, route, nr), GFP_KERNEL_ACCOUNT);
	if (!t)
		return NULL;
	t->first = kvcalloc(nr_gsis + 1, sizeof(*t->first), GFP_KERNEL_ACCOUNT);
	if (!t->first) {
		kvfree(t);
		return NULL;
	}
	t->nr_gsis = nr_gsis;
	t->nr = nr;
	memset(t->pin_gsi, 0xff, sizeof(t->pin_gsi));	/* -1 each */
	return t;
}

static struct keel_routing *table_build(struct keel_vm *vm, const struct kvm_irq_routing_entry *e,
					u32 nr)
{
	u32 i, nr_gsis = 0;
	struct keel_routing *t;
	u16 *fill;
	int r;

	lockdep_assert_held(&vm->irq_lock);
	if (nr > KEEL_MAX_IRQ_ROUTES)
		return ERR_PTR(-EINVAL);
	for (i = 0; i < nr; i++) {
		if (e[i].gsi >= KEEL_MAX_IRQ_ROUTES)
			return ERR_PTR(-EINVAL);
		nr_gsis = max(nr_gsis, e[i].gsi + 1);
	}

	t = table_alloc(nr_gsis, nr);
	fill = kvcalloc(nr_gsis + 1, sizeof(*fill), GFP_KERNEL_ACCOUNT);
	r = t && fill ? table_fill(vm, t, e, nr, fill) : -ENOMEM;
	kvfree(fill);
	if (!r)
		return t;
	table_free(t);
	return ERR_PTR(r);
}

int keel_routing_set(struct keel_vm *vm, const struct kvm_irq_routing_entry *e, u32 nr)
{
	struct keel_routing *new, *old;

	mutex_lock(&vm->irq_lock);
	new = table_build(vm, e, nr);
	if (IS_ERR(new)) {
		mutex_unlock(&vm->irq_lock);
		return PTR_ERR(new);
	}
	old = rcu_dereference_protected(vm->routing, lockdep_is_held(&vm->irq_lock));
	rcu_assign_pointer(vm->routing, new);
	arch_routing_changed(vm);
	mutex_unlock(&vm->irq_lock);

	if (old)
		synchronize_rcu_expedited();
	table_free(old);
	return 0;
}

void keel_routing_destroy(struct keel_vm *vm)
{
	table_free(rcu_dereference_protected(vm->routing, 1));
	RCU_INIT_POINTER(vm->routing, NULL);
}

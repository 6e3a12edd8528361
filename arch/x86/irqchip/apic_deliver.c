// SPDX-License-Identifier: GPL-2.0
/*
 * apic_deliver.c - from a message to the APICs that take it
 *
 * The map answers most messages. It is built under a mutex and published by RCU;
 * senders take no lock. Where it cannot answer, or has not heard of the newest vCPU,
 * each APIC is asked by its registers as they are now.
 */
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "apic.h"
#include "chips.h"
#include "../event.h"

struct keel_apic_map {
	struct rcu_head rcu;
	struct apic_map core;
	struct keel_apic *apic[];	/* by vCPU index; the core's tables follow */
};

/* ---- the map ---- */

static struct keel_apic_map *apic_map_alloc(const struct apic_map *size)
{
	size_t head = struct_size((struct keel_apic_map *)NULL, apic, size->nr);
	struct keel_apic_map *map;

	map = kvzalloc(head + array_size(size->nr_phys + size->nr_logical, sizeof(u16)),
		       GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;
	map->core = *size;
	map->core.phys = (void *)map + head;
	map->core.logical = map->core.phys + size->nr_phys;
	return map;
}

static bool apic_collect(struct keel_vm *vm, struct apic_addr *addr, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_by_index(vm, i);

		if (!vcpu || !vcpu->arch.apic)
			return false;
		lapic_addr(&vcpu->arch.apic->core, &addr[i]);
	}
	return true;
}

/* NULL: no memory, or nothing to map; delivery then asks each APIC. */
static struct keel_apic_map *apic_map_make(struct keel_vm *vm)
{
	/* Pairs with the release that publishes a vCPU. */
	unsigned int i, nr = smp_load_acquire(&vm->nr_vcpus);
	struct keel_apic_map *map = NULL;
	struct apic_map size;
	struct apic_addr *addr;

	addr = kvcalloc(nr, sizeof(*addr), GFP_KERNEL_ACCOUNT);
	if (!addr)
		return NULL;
	if (apic_collect(vm, addr, nr)) {
		apic_map_size(&size, addr, nr);
		map = apic_map_alloc(&size);
	}
	if (map) {
		apic_map_fill(&map->core, addr);
		for (i = 0; i < nr; i++)
			map->apic[i] = keel_vcpu_by_index(vm, i)->arch.apic;
	}
	kvfree(addr);
	return map;
}

static void apic_map_publish(struct keel_vm *vm, struct keel_apic_map *map)
{
	struct keel_apic_map *old;

	old = rcu_replace_pointer(vm->arch.apic_map, map,
				  lockdep_is_held(&vm->arch.apic_map_lock));
	if (old)
		kvfree_rcu(old, rcu);
}

/*
 * The mark is set after the registers changed, and taken before they are read: a
 * change that finds the mark taken is in the map that took it, once the mutex is had.
 */
void apic_map_update(struct keel_vm *vm)
{
	atomic_set_release(&vm->arch.apic_map_dirty, 1);
	mutex_lock(&vm->arch.apic_map_lock);
	if (atomic_xchg(&vm->arch.apic_map_dirty, 0))
		apic_map_publish(vm, apic_map_make(vm));
	mutex_unlock(&vm->arch.apic_map_lock);
	keel_chip_rescan(vm);	/* who needs to report which EOI follows the destinations */
}

void keel_apic_vm_init(struct keel_vm *vm)
{
	mutex_init(&vm->arch.apic_map_lock);
	atomic_set(&vm->arch.apic_map_dirty, 0);
	RCU_INIT_POINTER(vm->arch.apic_map, NULL);
}

void keel_apic_vm_destroy(struct keel_vm *vm)
{
	mutex_lock(&vm->arch.apic_map_lock);
	apic_map_publish(vm, NULL);
	mutex_unlock(&vm->arch.apic_map_lock);
}

void keel_apic_created(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.apic)
		apic_map_update(vcpu->vm);
}

/* ---- one APIC accepts ---- */

static int apic_accept_fixed(struct keel_apic *apic, const struct keel_apic_msg *msg)
{
	enum lapic_post r;

	if (msg->level && !msg->assert)
		return -1;
	r = lapic_post(&apic->core, msg->vector, msg->level);
	if (r > LAPIC_COALESCED) {
		keel_vcpu_request(apic->vcpu, KEEL_REQ_EVENT);
		keel_vcpu_kick(apic->vcpu);
	}
	return r == LAPIC_ERROR ? -1 : r;
}

void keel_apic_post_sipi(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (!apic)
		return;
	smp_mb__before_atomic();	/* the vector, before the bit */
	atomic_long_or(KEEL_APIC_SIPI, &apic->pending);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	keel_vcpu_kick(vcpu);
}

static int apic_accept_init(struct keel_apic *apic, const struct keel_apic_msg *msg)
{
	if (msg->level && !msg->assert)
		return -1;
	atomic_long_set(&apic->pending, KEEL_APIC_INIT);	/* a SIPI before it is void */
	keel_vcpu_request(apic->vcpu, KEEL_REQ_EVENT);
	keel_vcpu_kick(apic->vcpu);
	return 1;
}

static int apic_accept_sipi(struct keel_apic *apic, const struct keel_apic_msg *msg)
{
	WRITE_ONCE(apic->sipi_vector, msg->vector);
	keel_apic_post_sipi(apic->vcpu);
	return 1;
}

static int apic_accept(struct keel_apic *apic, const struct keel_apic_msg *msg)
{
	switch (msg->mode) {
	case KEEL_DM_FIXED:
	case KEEL_DM_LOWEST:
		return apic_accept_fixed(apic, msg);
	case KEEL_DM_NMI:
		keel_nmi_queue(apic->vcpu);
		return 1;
	case KEEL_DM_INIT:
		return apic_accept_init(apic, msg);
	case KEEL_DM_SIPI:
		return apic_accept_sipi(apic, msg);
	case KEEL_DM_SMI:
		pr_debug_ratelimited("SMI to vCPU %u ignored: no SMM\n", apic->vcpu->id);
		return -1;
	default:
		return -1;	/* remote read; ExtINT, which comes by LINT0 alone */
	}
}

unsigned long keel_apic_pending(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	return apic ? atomic_long_read(&apic->pending) : 0;
}

unsigned long keel_apic_take_pending(struct keel_vcpu *vcpu, unsigned long mask)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (!(keel_apic_pending(vcpu) & mask))
		return 0;
	return atomic_long_fetch_andnot(mask, &apic->pending) & mask;
}

u8 keel_apic_sipi_vector(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	return apic ? READ_ONCE(apic->sipi_vector) : 0;
}

void keel_apic_set_sipi_vector(struct keel_vcpu *vcpu, u8 vector)
{
	if (vcpu->arch.apic)
		WRITE_ONCE(vcpu->arch.apic->sipi_vector, vector);
}

/* ---- all that a message names ---- */

/* A message under way: its result so far, and the best for lowest priority. */
struct apic_delivery {
	const struct keel_apic_msg *msg;
	int result;
	struct keel_apic *best;
};

static void apic_hand_over(struct apic_delivery *d, struct keel_apic *apic)
{
	int r = apic_accept(apic, d->msg);

	if (r > 0 && d->result > 0)
		d->result += r;
	else
		d->result = max(d->result, r);
}

static void apic_offer(struct apic_delivery *d, struct keel_apic *apic)
{
	if (!apic_msg_lowest(d->msg))
		apic_hand_over(d, apic);
	else if (lapic_sw_enabled(&apic->core) &&
		 (!d->best || lapic_arb_before(&apic->core, &d->best->core)))
		d->best = apic;
}

static void apic_offer_by_map(struct apic_delivery *d, const struct keel_apic_map *map,
			      const u16 *idx, int n)
{
	int i;

	for (i = 0; i < n; i++)
		apic_offer(d, map->apic[idx[i]]);
}

bool apic_matches(struct keel_vcpu *vcpu, const struct keel_apic_msg *msg)
{
	struct apic_addr addr;

	if (!vcpu->arch.apic)
		return false;
	lapic_addr(&vcpu->arch.apic->core, &addr);
	return apic_addr_match(&addr, vcpu->idx, msg,
			       READ_ONCE(vcpu->vm->arch.x2apic_no_broadcast_quirk));
}

static void apic_offer_by_scan(struct apic_delivery *d, struct keel_vm *vm)
{
	struct keel_vcpu *vcpu;
	unsigned int i;

	keel_for_each_vcpu(i, vcpu, vm)
		if (apic_matches(vcpu, d->msg))
			apic_offer(d, vcpu->arch.apic);
}

/* How many APICs the map finds; APIC_MAP_SCAN also if it is not of these vCPUs. */
static int apic_lookup(struct keel_vm *vm, const struct keel_apic_map *map,
		       const struct keel_apic_msg *msg, u16 *idx)
{
	if (!map || map->core.nr != READ_ONCE(vm->nr_vcpus))
		return APIC_MAP_SCAN;
	return apic_map_lookup(&map->core, msg, idx);
}

int keel_apic_deliver(struct keel_vm *vm, const struct keel_apic_msg *msg)
{
	struct apic_delivery d = { .msg = msg, .result = -1 };
	u16 idx[APIC_MAP_TARGETS];
	const struct keel_apic_map *map;
	int n;

	rcu_read_lock();
	map = rcu_dereference(vm->arch.apic_map);
	n = apic_lookup(vm, map, msg, idx);
	if (n == APIC_MAP_SCAN)
		apic_offer_by_scan(&d, vm);
	else
		apic_offer_by_map(&d, map, idx, n);
	if (d.best) {
		atomic_inc(&d.best->core.arb);
		apic_hand_over(&d, d.best);
	}
	rcu_read_unlock();
	return d.result;
}

bool arch_irq_msi_valid(struct keel_vm *vm, u64 address)
{
	struct keel_apic_msg msg;

	return !apic_msi_decode(&msg, address, 0, READ_ONCE(vm->arch.x2apic_format));
}

int arch_irq_msi(struct keel_vm *vm, u64 address, u32 data)
{
	struct keel_apic_msg msg;
	int r = apic_msi_decode(&msg, address, data, READ_ONCE(vm->arch.x2apic_format));

	return r ?: keel_apic_deliver(vm, &msg);
}

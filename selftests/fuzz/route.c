// SPDX-License-Identifier: GPL-2.0
/*
 * route.c - hostile tables of GSIs: taken whole or not at all, compared with a search
 */
#include "fuzz.h"
#include <keel/arch.h>
#include "../../virt/virt.h"

#define MAX_ROUTES	40

static struct keel_vm vm;
static struct kvm_irq_routing_entry entry[MAX_ROUTES], taken[MAX_ROUTES];
static u32 nr_taken;
static struct fuzz *in;

/* What an interrupt reached. */
static struct { u32 chip, pin, msis; int sum; } hit;

int arch_irq_pin(struct keel_vm *v, enum keel_irq_source src, u32 chip, u32 pin, int level)
{
	int r = (s8)fuzz_u8(in) % 3;

	CHECK(chip < KEEL_NR_CHIPS && pin < KEEL_CHIP_PINS);
	hit.chip |= BIT(chip);
	hit.pin = pin;
	hit.sum = r < 0 ? hit.sum : max(hit.sum, 0) + r;
	return r;
}

int arch_irq_msi(struct keel_vm *v, u64 address, u32 data)
{
	hit.msis++;
	hit.sum = 1;
	return address & 1 ? -EINVAL : 1;
}

bool arch_irq_msi_valid(struct keel_vm *v, u64 address)
{
	return !(address >> 32 & 0xff);
}

bool arch_irq_pin_valid(struct keel_vm *v, u32 chip, u32 pin)
{
	return pin < (chip == KVM_IRQCHIP_IOAPIC ? 24 : 8);
}

bool arch_irqchip_present(struct keel_vm *v)
{
	return true;
}

void arch_routing_changed(struct keel_vm *v)
{
	CHECK(v->irq_lock.held);
}

static bool entry_valid(const struct kvm_irq_routing_entry *e)
{
	if (e->gsi >= KEEL_MAX_IRQ_ROUTES)
		return false;
	if (e->type == KVM_IRQ_ROUTING_MSI)
		return !(e->flags & ~KVM_MSI_VALID_DEVID);
	return e->type == KVM_IRQ_ROUTING_IRQCHIP && !e->flags && e->u.irqchip.irqchip < 3 &&
	       e->u.irqchip.pin < (e->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC ? 24 : 8);
}

/* May both be of one GSI? */
static bool pair_valid(const struct kvm_irq_routing_entry *a, const struct kvm_irq_routing_entry *b)
{
	return a->gsi != b->gsi ||
	       (a->type == KVM_IRQ_ROUTING_IRQCHIP && b->type == a->type &&
		a->u.irqchip.irqchip != b->u.irqchip.irqchip);
}

static bool table_valid(u32 nr)
{
	u32 i, j;

	for (i = 0; i < nr; i++) {
		if (!entry_valid(&entry[i]))
			return false;
		for (j = 0; j < i; j++)
			if (!pair_valid(&entry[i], &entry[j]))
				return false;
	}
	return true;
}

static void make_entry(struct fuzz *f, struct kvm_irq_routing_entry *e)
{
	u8 how = fuzz_u8(f);

	memset(e, 0, sizeof(*e));
	e->gsi = how & 0x80 ? fuzz_u32(f) : how & 0x40 ? fuzz_u16(f) & 0x1fff : fuzz_u8(f) & 31;
	e->type = (how & 0x30) == 0x30 ? fuzz_u8(f) : 1 + !!(how & 0x10);
	e->flags = (how & 0xf) == 0xf ? fuzz_u8(f) : 0;
	if (e->type != KVM_IRQ_ROUTING_IRQCHIP) {
		e->u.msi.address_lo = fuzz_u8(f);
		return;
	}
	e->u.irqchip.irqchip = how & 3;
	e->u.irqchip.pin = fuzz_u8(f) & 31;
	if ((how & 0xc) == 0xc)
		e->u.irqchip.pin = fuzz_u32(f);
}

static void set_table(struct fuzz *f)
{
	u32 nr = fuzz_u8(f) % (MAX_ROUTES + 1), i;
	long live = shim_live;
	int r;

	for (i = 0; i < nr; i++)
		make_entry(f, &entry[i]);
	shim_fail = fuzz_u8(f) % 8 - 4;
	r = keel_routing_set(&vm, entry, nr);
	CHECK(!vm.irq_lock.held);
	if (r == -ENOMEM)
		CHECK(shim_fail == -1);
	else
		CHECK_EQ(r, table_valid(nr) ? 0 : -EINVAL);
	shim_fail = -1;
	CHECK(!r || shim_live == live);
	CHECK(shim_live == 2 || (r && !shim_live));
	if (r)
		return;
	memcpy(taken, entry, sizeof(taken));
	nr_taken = nr;
}

static void raise_gsi(struct fuzz *f)
{
	u32 gsi = fuzz_u8(f) & 0x80 ? fuzz_u32(f) : fuzz_u8(f) & 31, i, msis = 0, chips = 0;
	int level = fuzz_u8(f) & 1, r;

	for (i = 0; i < nr_taken; i++) {
		if (taken[i].gsi != gsi)
			continue;
		if (taken[i].type == KVM_IRQ_ROUTING_MSI)
			msis += level;
		else
			chips |= BIT(taken[i].u.irqchip.irqchip);
	}
	memset(&hit, 0, sizeof(hit));
	hit.sum = -1;
	r = keel_irq_set(&vm, KEEL_IRQ_USERSPACE, gsi, level);
	CHECK(hit.msis == msis && hit.chip == chips);
	CHECK(msis || r == hit.sum);
}

static void pin_gsi(struct fuzz *f)
{
	u32 chip = fuzz_u8(f) % 5, pin = fuzz_u8(f) % 40, i;
	int gsi = -1;

	for (i = 0; i < nr_taken && chip < KEEL_NR_CHIPS; i++)
		if (taken[i].type == KVM_IRQ_ROUTING_IRQCHIP && taken[i].u.irqchip.pin == pin &&
		    taken[i].u.irqchip.irqchip == chip)
			gsi = taken[i].gsi;
	CHECK_EQ(keel_routing_pin_gsi(&vm, chip, pin), gsi);
}

static void count(const struct keel_route *r, void *data)
{
	CHECK(r->gsi < KEEL_MAX_IRQ_ROUTES);
	++*(u32 *)data;
}

static void signal_msi(struct fuzz *f)
{
	struct kvm_msi msi = { .address_lo = fuzz_u8(f), .flags = fuzz_u8(f) & 3 };
	int r = keel_irq_signal_msi(&vm, &msi);

	CHECK_EQ(r, msi.flags & ~KVM_MSI_VALID_DEVID || (msi.address_lo & 1) ? -EINVAL : 1);
}

void fuzz_one(struct fuzz *f)
{
	u32 n;

	in = f;
	nr_taken = 0;
	memset(&vm, 0, sizeof(vm));
	CHECK_EQ(keel_routing_set(&vm, entry, KEEL_MAX_IRQ_ROUTES + 1), -EINVAL);
	while (fuzz_more(f)) {
		set_table(f);
		n = 0;
		keel_routing_for_each(&vm, count, &n);
		CHECK_EQ(n, nr_taken);
		for (n = fuzz_u8(f) & 15; n; n--) {
			raise_gsi(f);
			pin_gsi(f);
			signal_msi(f);
		}
	}
	keel_routing_destroy(&vm);
	CHECK_EQ(shim_live, 0);
}

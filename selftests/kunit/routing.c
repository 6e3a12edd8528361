// SPDX-License-Identifier: GPL-2.0
/*
 * routing.c - GSIs to pins and messages, and messages to APICs
 */
#include "arch/x86/irqchip/irqchip.h"
#include "rig.h"

#define MSI_ADDRESS	0xfee00000U
#define TO(id)		(MSI_ADDRESS | (id) << 12)

static int routing_init(struct kunit *test)
{
	int r = rig_init(test);

	if (!r)
		rig_enable_apics(rig_of(test));
	return r;
}

static int send(struct rig *rig, u32 address, u8 vector)
{
	struct kvm_msi msi = { .address_lo = address, .data = vector };

	return keel_irq_signal_msi(rig->vm, &msi);
}

static bool has_interrupt(struct rig *rig, unsigned int i)
{
	bool pending;

	rig_load(rig->vcpu[i]);
	pending = keel_irq_pending(rig->vcpu[i]);
	rig_put(rig->vcpu[i]);
	return pending;
}

static void message_to_one(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, send(rig, TO(1), 0x40), 1);
	KUNIT_EXPECT_FALSE(test, has_interrupt(rig, 0));
	KUNIT_EXPECT_TRUE(test, has_interrupt(rig, 1));
	KUNIT_EXPECT_FALSE(test, has_interrupt(rig, 2));
}

static void message_to_all(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, send(rig, TO(0xff), 0x41), RIG_VCPUS);
	for (i = 0; i < RIG_VCPUS; i++)
		KUNIT_EXPECT_TRUE(test, has_interrupt(rig, i));
}

static void message_to_nobody(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, send(rig, TO(77), 0x41), 0);
	for (i = 0; i < RIG_VCPUS; i++)
		KUNIT_EXPECT_FALSE(test, has_interrupt(rig, i));
}

/* The map follows an APIC that changes its address, and one that goes off. */
static void map_follows(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	u32 id = 9U << 24;

	rig_load(rig->vcpu[1]);
	KUNIT_EXPECT_EQ(test, keel_apic_mmio_write(rig->vcpu[1], 0xfee00020, 4, &id), 0);
	rig_put(rig->vcpu[1]);
	KUNIT_EXPECT_EQ(test, send(rig, TO(1), 0x42), 0);
	KUNIT_EXPECT_EQ(test, send(rig, TO(9), 0x42), 1);
	KUNIT_EXPECT_TRUE(test, has_interrupt(rig, 1));
	rig_load(rig->vcpu[2]);
	KUNIT_EXPECT_EQ(test, keel_apic_set_base(rig->vcpu[2], 0xfee00000, true), 0);
	rig_put(rig->vcpu[2]);
	KUNIT_EXPECT_EQ(test, send(rig, TO(2), 0x42), 0);
}

/* ---- routes ---- */

static struct kvm_irq_routing_entry msi_route(u32 gsi, u32 dest, u8 vector)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = TO(dest), .data = vector },
	};
}

static struct kvm_irq_routing_entry pin_route(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static void gsi_as_message(struct kunit *test)
{
	struct kvm_irq_routing_entry e[] = { msi_route(100, 2, 0x50), msi_route(7, 0, 0x51) };
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, keel_routing_set(rig->vm, e, 2), 0);
	KUNIT_EXPECT_EQ(test, keel_irq_set(rig->vm, KEEL_IRQ_USERSPACE, 100, 1), 1);
	KUNIT_EXPECT_TRUE(test, has_interrupt(rig, 2));
	KUNIT_EXPECT_FALSE(test, has_interrupt(rig, 0));
	/* A message has no low level, a GSI without a route nobody who listens. */
	KUNIT_EXPECT_LT(test, keel_irq_set(rig->vm, KEEL_IRQ_USERSPACE, 100, 0), 0);
	KUNIT_EXPECT_LT(test, keel_irq_set(rig->vm, KEEL_IRQ_USERSPACE, 8, 1), 0);
	KUNIT_EXPECT_LT(test, keel_irq_set(rig->vm, KEEL_IRQ_USERSPACE, 101, 1), 0);
	KUNIT_EXPECT_LT(test, keel_irq_set(rig->vm, KEEL_IRQ_USERSPACE, ~0U, 1), 0);
}

static void count_route(const struct keel_route *r, void *data)
{
	(*(unsigned int *)data)++;
}

static unsigned int routes(struct keel_vm *vm)
{
	unsigned int n = 0;

	keel_routing_for_each(vm, count_route, &n);
	return n;
}

static const struct bad_table {
	const char *name;
	struct kvm_irq_routing_entry e[2];
} bad_tables[] = {
	{ "gsi", { { .gsi = KEEL_MAX_IRQ_ROUTES, .type = KVM_IRQ_ROUTING_MSI } } },
	{ "type", { { .gsi = 1, .type = 77 } } },
	{ "chip", { { .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { KEEL_NR_CHIPS, 0 } } } },
	{ "pin_of_pic", { { .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 0, 8 } } } },
	{ "pin_of_ioapic", { { .type = KVM_IRQ_ROUTING_IRQCHIP,
			       .u.irqchip = { KVM_IRQCHIP_IOAPIC, 24 } } } },
	{ "huge_pin", { { .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { KVM_IRQCHIP_IOAPIC, ~0U } } } },
	{ "flags", { { .type = KVM_IRQ_ROUTING_MSI, .flags = 1U << 31 } } },
	{ "twice", { { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI },
		     { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI } } },
};

static void table_name(const struct bad_table *t, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", t->name);
}

KUNIT_ARRAY_PARAM(table, bad_tables, table_name);

/* A table that is refused leaves the one that was there. */
static void bad_table_changes_nothing(struct kunit *test)
{
	const struct bad_table *t = test->param_value;
	struct kvm_irq_routing_entry good[] = { msi_route(100, 1, 0x50) };
	struct rig *rig = rig_of(test);

	KUNIT_ASSERT_EQ(test, keel_routing_set(rig->vm, good, 1), 0);
	KUNIT_EXPECT_EQ(test, keel_routing_set(rig->vm, t->e, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, routes(rig->vm), 1);
	KUNIT_EXPECT_EQ(test, keel_irq_set(rig->vm, KEEL_IRQ_USERSPACE, 100, 1), 1);
}

/* A GSI may have a pin of each chip. */
static void pins_of_two_chips(struct kunit *test)
{
	struct kvm_irq_routing_entry e[] = {
		pin_route(3, KVM_IRQCHIP_PIC_MASTER, 3), pin_route(3, KVM_IRQCHIP_IOAPIC, 3),
		pin_route(4, KVM_IRQCHIP_IOAPIC, 4), pin_route(4, KVM_IRQCHIP_IOAPIC, 5),
	};
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, keel_routing_set(rig->vm, e, 3), 0);
	KUNIT_EXPECT_EQ(test, routes(rig->vm), 3);
	KUNIT_EXPECT_EQ(test, keel_routing_set(rig->vm, e, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, routes(rig->vm), 3);
}

/* Who looks at a table sees one of those that were set, whole. */
struct swap {
	struct keel_vm *vm;
	unsigned int turn;
};

static void swap_tables(void *arg)
{
	struct swap *s = arg;
	struct kvm_irq_routing_entry e[12];
	unsigned int i, n = s->turn++ & 1 ? 12 : 6;

	for (i = 0; i < n; i++)
		e[i] = msi_route(i, n, 0x60);
	keel_routing_set(s->vm, e, n);
}

struct look {
	u64 first;
	unsigned int nr, mixed;
};

static void look_at(const struct keel_route *r, void *data)
{
	struct look *l = data;

	if (!l->nr++)
		l->first = r->msi.address;
	l->mixed += r->msi.address != l->first;
}

static void tables_are_whole(struct kunit *test)
{
	struct swap s = { .vm = rig_of(test)->vm };
	struct rig_thread other = { .fn = swap_tables, .arg = &s };
	unsigned int i, wrong = 0;
	struct look l;

	swap_tables(&s);
	rig_thread_start(test, &other);
	for (i = 0; i < 2000 || READ_ONCE(other.rounds) < 50; i++) {
		l = (struct look){ };
		keel_routing_for_each(s.vm, look_at, &l);
		wrong += l.mixed || (l.nr != 6 && l.nr != 12);
		keel_irq_set(s.vm, KEEL_IRQ_USERSPACE, 7, 1);
		cond_resched();
	}
	rig_thread_stop(&other);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static struct kunit_case routing_cases[] = {
	KUNIT_CASE(message_to_one),
	KUNIT_CASE(message_to_all),
	KUNIT_CASE(message_to_nobody),
	KUNIT_CASE(map_follows),
	KUNIT_CASE(gsi_as_message),
	KUNIT_CASE_PARAM(bad_table_changes_nothing, table_gen_params),
	KUNIT_CASE(pins_of_two_chips),
	KUNIT_CASE(tables_are_whole),
	{ }
};

struct kunit_suite keel_routing_suite = {
	.name = "keel_routing",
	.init = routing_init,
	.exit = rig_exit,
	.test_cases = routing_cases,
};

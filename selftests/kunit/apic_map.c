// SPDX-License-Identifier: GPL-2.0
/*
 * apic_map.c - which APICs a message finds while guests change their addresses
 */
#include <asm/apicdef.h>
#include "arch/x86/irqchip/irqchip.h"
#include "rig.h"

#define PAGE_OF_APIC	0xfee00000ULL
#define FLAT		0xffffffffU
#define CLUSTERS	0x0fffffffU
#define NOBODY		(-1)

static int map_init(struct kunit *test)
{
	int r = rig_init(test);

	if (!r)
		rig_enable_apics(rig_of(test));
	return r;
}

static int reg_write(struct rig *rig, unsigned int i, unsigned int reg, u32 val)
{
	int r;

	rig_load(rig->vcpu[i]);
	r = keel_apic_mmio_write(rig->vcpu[i], PAGE_OF_APIC + reg, 4, &val);
	rig_put(rig->vcpu[i]);
	return r;
}

static void set_logical(struct kunit *test, unsigned int i, u32 model, u8 ldr)
{
	KUNIT_EXPECT_EQ(test, reg_write(rig_of(test), i, APIC_DFR, model), 0);
	KUNIT_EXPECT_EQ(test, reg_write(rig_of(test), i, APIC_LDR, ldr << 24), 0);
}

/* How many took it. A vector of its own each time: none finds an earlier one waiting. */
static int send(struct rig *rig, u32 dest, bool logical, enum keel_apic_dm mode)
{
	static u8 vector;
	struct keel_apic_msg msg = {
		.dest = dest, .logical = logical, .mode = mode, .vector = 0x20 + vector++ % 0xd0,
		.src = -1,
	};

	return keel_apic_deliver(rig->vm, &msg);
}

static int physical(struct rig *rig, u32 dest)
{
	return send(rig, dest, false, KEEL_DM_FIXED);
}

static int logical(struct rig *rig, u32 dest)
{
	return send(rig, dest, true, KEEL_DM_FIXED);
}

static void flat(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	unsigned int i;

	for (i = 0; i < RIG_VCPUS; i++)
		set_logical(test, i, FLAT, 1 << i);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x02), 1);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x05), 2);
	KUNIT_EXPECT_EQ(test, logical(rig, 0xff), 3);
	KUNIT_EXPECT_EQ(test, logical(rig, 0xf8), NOBODY);
}

static void clusters(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	set_logical(test, 0, CLUSTERS, 0x11);
	set_logical(test, 1, CLUSTERS, 0x12);
	set_logical(test, 2, CLUSTERS, 0x21);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x12), 1);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x13), 2);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x2f), 1);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x31), NOBODY);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x2e), NOBODY);
}

/* Which no table can hold: each APIC is asked by its own model. */
static void models_mixed(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	set_logical(test, 0, FLAT, 0x13);
	set_logical(test, 1, CLUSTERS, 0x12);
	set_logical(test, 2, CLUSTERS, 0x21);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x12), 2);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x21), 2);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x20), NOBODY);
	KUNIT_EXPECT_EQ(test, logical(rig, 0x40), NOBODY);
}

static void one_id_twice(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, reg_write(rig, 1, APIC_ID, 7U << 24), 0);
	KUNIT_EXPECT_EQ(test, reg_write(rig, 2, APIC_ID, 7U << 24), 0);
	KUNIT_EXPECT_EQ(test, physical(rig, 7), 2);
	KUNIT_EXPECT_EQ(test, physical(rig, 1), NOBODY);
	KUNIT_EXPECT_EQ(test, reg_write(rig, 2, APIC_ID, 8U << 24), 0);
	KUNIT_EXPECT_EQ(test, physical(rig, 7), 1);
}

/* One takes it, and all in turn: those that have it wait for nothing. */
static void lowest_priority(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	unsigned int i, has = 0;

	for (i = 0; i < RIG_VCPUS; i++)
		set_logical(test, i, FLAT, 1 << i);
	for (i = 0; i < RIG_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, send(rig, 0xff, true, KEEL_DM_LOWEST), 1);
	for (i = 0; i < RIG_VCPUS; i++) {
		rig_load(rig->vcpu[i]);
		has += keel_irq_pending(rig->vcpu[i]);
		rig_put(rig->vcpu[i]);
	}
	KUNIT_EXPECT_EQ(test, has, RIG_VCPUS);
}

/* In x2APIC mode ids are the vCPUs', and logical ones follow from them. */
static void x2apic(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct keel_apic_msg msg = { .logical = true, .x2apic = true, .vector = 0x80, .src = -1 };
	unsigned int i;
	u64 base;

	KUNIT_EXPECT_EQ(test, reg_write(rig, 1, APIC_ID, 9U << 24), 0);
	for (i = 0; i < RIG_VCPUS; i++) {
		rig_load(rig->vcpu[i]);
		rig_give_cpuid(test, rig->vcpu[i]);
		base = keel_apic_get_base(rig->vcpu[i]) | X2APIC_ENABLE;
		KUNIT_EXPECT_EQ(test, keel_apic_set_base(rig->vcpu[i], base, true), 0);
		rig_put(rig->vcpu[i]);
	}
	KUNIT_EXPECT_EQ(test, physical(rig, 1), 1);
	KUNIT_EXPECT_EQ(test, physical(rig, 9), NOBODY);
	msg.dest = BIT(0) | BIT(2);
	KUNIT_EXPECT_EQ(test, keel_apic_deliver(rig->vm, &msg), 2);
	msg.dest = 1U << 16 | BIT(0);
	KUNIT_EXPECT_EQ(test, keel_apic_deliver(rig->vm, &msg), NOBODY);
	msg.dest = ~0U;
	KUNIT_EXPECT_EQ(test, keel_apic_deliver(rig->vm, &msg), RIG_VCPUS - 2);
}

/* ---- races ---- */

struct wanderer {
	struct rig *rig;
	u8 id;
	unsigned int wrong;
};

/* When the write is done the new id is found, and the old one is not. */
static void change_id(void *arg)
{
	struct wanderer *w = arg;
	u8 old = w->id;

	w->id = old == 9 ? 10 : 9;
	w->wrong += reg_write(w->rig, 1, APIC_ID, w->id << 24) != 0;
	w->wrong += physical(w->rig, w->id) == NOBODY;
	w->wrong += physical(w->rig, old) != NOBODY;
}

/* Who keeps its id is found all the time, and nobody twice. */
static void ids_change_under_senders(struct kunit *test)
{
	struct wanderer w = { .rig = rig_of(test), .id = 1 };
	struct rig_thread other = { .fn = change_id, .arg = &w };
	unsigned int i, wrong = 0;
	int r;

	change_id(&w);
	rig_thread_start(test, &other);
	for (i = 0; i < 20000 || READ_ONCE(other.rounds) < 200; i++) {
		r = physical(w.rig, i & 1 ? 0 : 2);
		wrong += r != 0 && r != 1;	/* 0: it waits there already */
		wrong += physical(w.rig, 77) != NOBODY;
		wrong += physical(w.rig, 9) > 1;
		cond_resched();
	}
	rig_thread_stop(&other);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, w.wrong, 0);
}

static struct kunit_case map_cases[] = {
	KUNIT_CASE(flat),
	KUNIT_CASE(clusters),
	KUNIT_CASE(models_mixed),
	KUNIT_CASE(one_id_twice),
	KUNIT_CASE(lowest_priority),
	KUNIT_CASE(x2apic),
	KUNIT_CASE(ids_change_under_senders),
	{ }
};

struct kunit_suite keel_apic_map_suite = {
	.name = "keel_apic_map",
	.init = map_init,
	.exit = rig_exit,
	.test_cases = map_cases,
};

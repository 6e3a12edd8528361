// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - counters: their names, where they are, and that they count
 */
#include <linux/string.h>
#include <keel/stats.h>
#include "rig.h"

typedef const struct keel_counter *(*counter_fn)(unsigned int i);

static bool same_name(const struct keel_counter *a, const struct keel_counter *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->prefix ?: "", b->prefix ?: "");
}

/* Each has a name and a place of its own, within what it is of. */
static void check_counters(struct kunit *test, counter_fn get, size_t size)
{
	const struct keel_counter *c, *other;
	unsigned int i, j, wrong = 0;

	for (i = 0; (c = get(i)); i++) {
		wrong += c->offset + sizeof(u64) > size || c->offset % sizeof(u64);
		for (j = 0; j < i && (other = get(j)); j++)
			wrong += same_name(c, other) || c->offset == other->offset;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, i, 3U);
	KUNIT_EXPECT_TRUE(test, !get(i) && !get(~0U));
}

static void counters_of_a_vm(struct kunit *test)
{
	check_counters(test, keel_vm_counter, sizeof(struct keel_vm_stat));
}

static void counters_of_a_vcpu(struct kunit *test)
{
	check_counters(test, keel_vcpu_counter, sizeof(struct keel_vcpu_stat));
}

static u64 vm_count(struct rig *rig, const char *name)
{
	const struct keel_counter *c;
	unsigned int i;

	for (i = 0; (c = keel_vm_counter(i)); i++)
		if (!strcmp(c->name, name))
			return keel_counter_read(&rig->vm->stat, c);
	return ~0ULL;
}

static void pages_are_counted(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	u64 unmaps = vm_count(rig, "mmu_unmaps");
	unsigned int i;

	KUNIT_EXPECT_EQ(test, vm_count(rig, "pages_4k"), 0ULL);
	rig_load(rig->vcpu[0]);
	for (i = 0; i < 10; i++)
		rig_fault(rig->vcpu[0], (RIG_BASE >> PAGE_SHIFT) + i, true);
	rig_put(rig->vcpu[0]);
	KUNIT_EXPECT_EQ(test, vm_count(rig, "pages_4k") + 512 * vm_count(rig, "pages_2m"), 10ULL);
	KUNIT_EXPECT_EQ(test, rig->vcpu[0]->stat.faults, 10ULL);
	vm_munmap(rig->hva, 10 << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, vm_count(rig, "pages_4k"), 0ULL);
	KUNIT_EXPECT_GE(test, vm_count(rig, "mmu_unmaps"), unmaps + 10);
}

/* Timing is given, taken and given again, and the counters stay. */
static void times_come_and_go(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[0];
	struct keel_exit_times *times;

	KUNIT_EXPECT_EQ(test, keel_times_start(vcpu), 0);
	times = vcpu->times;
	KUNIT_ASSERT_NOT_NULL(test, times);
	KUNIT_EXPECT_EQ(test, keel_times_start(vcpu), 0);
	KUNIT_EXPECT_EQ(test, vcpu->times_users, 2U);
	keel_times_stop(vcpu);
	keel_times_stop(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->times_users, 0U);
	KUNIT_EXPECT_PTR_EQ(test, vcpu->times, times);
}

static struct kunit_case stats_cases[] = {
	KUNIT_CASE(counters_of_a_vm),
	KUNIT_CASE(counters_of_a_vcpu),
	KUNIT_CASE(pages_are_counted),
	KUNIT_CASE(times_come_and_go),
	{ }
};

struct kunit_suite keel_stats_suite = {
	.name = "keel_stats",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = stats_cases,
};

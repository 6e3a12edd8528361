// SPDX-License-Identifier: GPL-2.0
/*
 * slots.c - memory slots: what is taken, what is found, and what a refusal leaves
 */
#include <linux/mman.h>
#include "rig.h"

#define FIRST	(RIG_BASE >> PAGE_SHIFT)

static int set(struct rig *rig, u32 id, gfn_t base, unsigned long pages, unsigned long at, u32 flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = id, .flags = flags, .guest_phys_addr = base << PAGE_SHIFT,
		.memory_size = pages << PAGE_SHIFT, .userspace_addr = rig->hva + (at << PAGE_SHIFT),
	};

	return keel_memslot_set(rig->vm, &r);
}

/* The id of the slot that holds @gfn, or -1. */
static int found(struct rig *rig, gfn_t gfn)
{
	struct keel_memslot *slot;
	int idx, id;

	idx = srcu_read_lock(&rig->vm->srcu);
	slot = keel_memslot_find(rig->vm, gfn);
	id = slot ? slot->id : -1;
	srcu_read_unlock(&rig->vm->srcu, idx);
	return id;
}

static void ends_of_a_slot(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, found(rig, FIRST - 1), -1);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST), 0);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST + RIG_PAGES - 1), 0);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST + RIG_PAGES), -1);
	KUNIT_EXPECT_EQ(test, found(rig, KEEL_MAX_GFN), -1);
	KUNIT_EXPECT_EQ(test, found(rig, ~0ULL), -1);
}

static void overlap_is_refused(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, set(rig, 1, FIRST - 1, 2, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(rig, 1, FIRST + RIG_PAGES - 1, 1, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(rig, 1, FIRST + 7, 1, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(rig, 1, FIRST - 1, 1, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, set(rig, 2, FIRST + RIG_PAGES, 1, 0, 0), 0);
	/* To move one onto another is refused, and it is where it was. */
	KUNIT_EXPECT_EQ(test, set(rig, 2, FIRST, 1, 0, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST + RIG_PAGES), 2);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST), 0);
	KUNIT_EXPECT_EQ(test, rig->vm->slots.nr_pages, RIG_PAGES + 2);
}

static void refusals(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	u64 generation = rig->vm->slots.generation;

	KUNIT_EXPECT_EQ(test, set(rig, KEEL_MEMSLOT_MAX, 0, 1, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(rig, 0, FIRST, RIG_PAGES - 1, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(rig, 0, FIRST, RIG_PAGES, 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(rig, 3, KEEL_MAX_GFN, 2, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(rig, 3, 0, 1, 0, 1U << 31), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(rig, 3, 0, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(rig, 3, 0, 1, -(rig->hva >> PAGE_SHIFT) - 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rig->vm->slots.generation, generation);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST), 0);
}

static void moved_and_deleted(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	KUNIT_EXPECT_EQ(test, set(rig, 0, 0, RIG_PAGES, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, found(rig, FIRST + RIG_PAGES - 1), -1);
	KUNIT_EXPECT_EQ(test, found(rig, 5), 0);
	KUNIT_EXPECT_EQ(test, set(rig, 0, 0, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, found(rig, 5), -1);
	KUNIT_EXPECT_EQ(test, rig->vm->slots.nr_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&rig->vm->slots.by_hva.rb_root));
	KUNIT_EXPECT_EQ(test, rig->vm->slots.generation % 2, 0ULL);
}

/* What the guest writes by the host's hand is in the log. */
static void log_of_host_writes(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct keel_vcpu *vcpu = rig->vcpu[0];
	struct keel_memslot *slot;
	u32 word = 0x1234;

	KUNIT_ASSERT_EQ(test, set(rig, 0, FIRST, RIG_PAGES, 0, KVM_MEM_LOG_DIRTY_PAGES), 0);
	rig_load(vcpu);
	keel_mem_enter(vcpu);
	/* Across a page. */
	KUNIT_EXPECT_EQ(test, keel_write_guest(vcpu, RIG_BASE + 4 * PAGE_SIZE - 2, &word, 4), 0);
	KUNIT_EXPECT_EQ(test, keel_read_guest(vcpu, RIG_BASE + 9 * PAGE_SIZE, &word, 4), 0);
	KUNIT_EXPECT_EQ(test, keel_write_guest(vcpu, RIG_BASE - 2, &word, 4), -EFAULT);
	slot = keel_vcpu_memslot(vcpu, FIRST);
	KUNIT_EXPECT_EQ(test, slot->dirty[0], BIT(3) | BIT(4));
	keel_mem_leave(vcpu);
	rig_put(vcpu);
}

static void read_only_slot(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct keel_vcpu *vcpu = rig->vcpu[0];
	u32 word = 0;

	KUNIT_ASSERT_EQ(test, set(rig, 1, 0, 2, 0, KVM_MEM_READONLY), 0);
	rig_load(vcpu);
	keel_mem_enter(vcpu);
	KUNIT_EXPECT_TRUE(test, keel_gfn_backed(vcpu, 1));
	KUNIT_EXPECT_FALSE(test, keel_gfn_writable(vcpu, 1));
	KUNIT_EXPECT_EQ(test, keel_read_guest(vcpu, 0, &word, 4), 0);
	KUNIT_EXPECT_EQ(test, keel_write_guest(vcpu, 0, &word, 4), -EFAULT);
	keel_mem_leave(vcpu);
	rig_put(vcpu);
}

static void compare_and_exchange(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[0];
	u64 old = 0, new = 0x1122334455667788;

	rig_load(vcpu);
	keel_mem_enter(vcpu);
	KUNIT_EXPECT_EQ(test, keel_cmpxchg_guest(vcpu, RIG_BASE, &old, &new, 8), 0);
	KUNIT_EXPECT_EQ(test, keel_cmpxchg_guest(vcpu, RIG_BASE, &old, &new, 8), -EAGAIN);
	KUNIT_EXPECT_EQ(test, old, new);
	KUNIT_EXPECT_EQ(test, keel_cmpxchg_guest(vcpu, RIG_BASE + PAGE_SIZE - 4, &old, &new, 8),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, keel_cmpxchg_guest(vcpu, RIG_BASE, &old, &new, 3), -EFAULT);
	KUNIT_EXPECT_EQ(test, keel_cmpxchg_guest(vcpu, 0, &old, &new, 8), -EFAULT);
	keel_mem_leave(vcpu);
	rig_put(vcpu);
}

static struct kunit_case slots_cases[] = {
	KUNIT_CASE(ends_of_a_slot),
	KUNIT_CASE(overlap_is_refused),
	KUNIT_CASE(refusals),
	KUNIT_CASE(moved_and_deleted),
	KUNIT_CASE(log_of_host_writes),
	KUNIT_CASE(read_only_slot),
	KUNIT_CASE(compare_and_exchange),
	{ }
};

struct kunit_suite keel_slots_suite = {
	.name = "keel_slots",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = slots_cases,
};

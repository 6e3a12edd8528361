// SPDX-License-Identifier: GPL-2.0
/*
 * notifier.c - the host's memory changes: what is mapped for a guest goes with it
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include "rig.h"

#define FIRST	(RIG_BASE >> PAGE_SHIFT)

static unsigned long hva_of(struct rig *rig, gfn_t gfn)
{
	return rig->hva + ((gfn - FIRST) << PAGE_SHIFT);
}

static unsigned int mapped_frames(struct keel_vm *vm)
{
	unsigned int n = 0;
	gfn_t gfn;

	for (gfn = FIRST; gfn < FIRST + RIG_PAGES; gfn++)
		n += rig_mapped(vm, gfn);
	return n;
}

static void touch(struct kunit *test, struct rig *rig, gfn_t first, gfn_t n)
{
	gfn_t gfn;

	rig_load(rig->vcpu[0]);
	for (gfn = first; gfn < first + n; gfn++)
		KUNIT_EXPECT_EQ(test, rig_fault(rig->vcpu[0], gfn, true), KEEL_RESUME);
	rig_put(rig->vcpu[0]);
}

static void munmap_takes_away(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	touch(test, rig, FIRST, 64);
	KUNIT_EXPECT_EQ(test, mapped_frames(rig->vm), 64);
	vm_munmap(hva_of(rig, FIRST + 10), 20 << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, mapped_frames(rig->vm), 44);
	KUNIT_EXPECT_TRUE(test, rig_mapped(rig->vm, FIRST + 9));
	KUNIT_EXPECT_FALSE(test, rig_mapped(rig->vm, FIRST + 10));
	KUNIT_EXPECT_FALSE(test, rig_mapped(rig->vm, FIRST + 29));
	KUNIT_EXPECT_TRUE(test, rig_mapped(rig->vm, FIRST + 30));
}

/* No such memory: userspace is told, and may mend it. */
static void fault_on_nothing(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	vm_munmap(rig->hva, PAGE_SIZE);
	rig_load(rig->vcpu[0]);
	KUNIT_EXPECT_EQ(test, rig_fault(rig->vcpu[0], FIRST, true), -EFAULT);
	KUNIT_EXPECT_FALSE(test, rig_mapped(rig->vm, FIRST));
	KUNIT_EXPECT_EQ(test, rig_map(rig->hva, 1), rig->hva);
	KUNIT_EXPECT_EQ(test, rig_fault(rig->vcpu[0], FIRST, true), KEEL_RESUME);
	KUNIT_EXPECT_TRUE(test, rig_mapped(rig->vm, FIRST));
	rig_put(rig->vcpu[0]);
}

static bool retry(struct rig *rig, unsigned long seq, gfn_t gfn)
{
	bool r;

	spin_lock(&rig->vm->mmu_lock);
	r = keel_notifier_retry(rig->vm, seq, hva_of(rig, gfn));
	spin_unlock(&rig->vm->mmu_lock);
	return r;
}

static void sequence_tells_of_invalidation(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	unsigned long seq;

	touch(test, rig, FIRST, 2);
	seq = keel_notifier_seq(rig->vm);
	KUNIT_EXPECT_FALSE(test, retry(rig, seq, FIRST));
	vm_munmap(hva_of(rig, FIRST + 1), PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, retry(rig, seq, FIRST));
	KUNIT_EXPECT_FALSE(test, retry(rig, keel_notifier_seq(rig->vm), FIRST));
}

/* While an invalidation is under way nobody maps in its range, whatever the sequence. */
static void active_range_refuses(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct mmu_notifier_range range = {
		.mm = rig->vm->mm, .start = hva_of(rig, FIRST),
		.end = hva_of(rig, FIRST + 1), .flags = MMU_NOTIFIER_RANGE_BLOCKABLE,
	};
	const struct mmu_notifier_ops *ops = rig->vm->mn.ops;

	touch(test, rig, FIRST, 1);
	ops->invalidate_range_start(&rig->vm->mn, &range);
	KUNIT_EXPECT_FALSE(test, rig_mapped(rig->vm, FIRST));
	KUNIT_EXPECT_TRUE(test, retry(rig, keel_notifier_seq(rig->vm), FIRST));
	/* A second one, inside the first. */
	ops->invalidate_range_start(&rig->vm->mn, &range);
	ops->invalidate_range_end(&rig->vm->mn, &range);
	KUNIT_EXPECT_TRUE(test, retry(rig, keel_notifier_seq(rig->vm), FIRST));
	ops->invalidate_range_end(&rig->vm->mn, &range);
	KUNIT_EXPECT_FALSE(test, retry(rig, keel_notifier_seq(rig->vm), FIRST));
}

static void age(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	const struct mmu_notifier_ops *ops = rig->vm->mn.ops;
	struct mmu_notifier *mn = &rig->vm->mn;
	unsigned long at = hva_of(rig, FIRST + 3);

	KUNIT_EXPECT_FALSE(test, ops->test_young(mn, mn->mm, at));
	touch(test, rig, FIRST + 3, 1);
	KUNIT_EXPECT_TRUE(test, ops->test_young(mn, mn->mm, at));
	KUNIT_EXPECT_TRUE(test, ops->clear_young(mn, mn->mm, at, at + PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, ops->clear_young(mn, mn->mm, at, at + PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, ops->test_young(mn, mn->mm, at));
}

/* A slot that goes takes its mappings with it; its memory may then do what it likes. */
static void slot_takes_mappings(struct kunit *test)
{
	struct kvm_userspace_memory_region none = { .slot = 0 };
	struct rig *rig = rig_of(test);

	touch(test, rig, FIRST, 16);
	KUNIT_EXPECT_EQ(test, keel_memslot_set(rig->vm, &none), 0);
	KUNIT_EXPECT_EQ(test, mapped_frames(rig->vm), 0);
	vm_munmap(rig->hva, 16 << PAGE_SHIFT);
}

/* ---- races ---- */

#define RACED	16

struct race {
	struct rig *rig;
	struct rnd_state rnd;
	unsigned int left;	/* found mapped after their memory went */
};

/* Nothing is mapped when munmap() has returned, until there is memory again. */
static void unmap_and_map(void *arg)
{
	struct race *race = arg;
	struct rig *rig = race->rig;
	gfn_t gfn = FIRST + prandom_u32_state(&race->rnd) % RACED;

	vm_munmap(hva_of(rig, gfn), PAGE_SIZE);
	race->left += rig_mapped(rig->vm, gfn);
	rig_map(hva_of(rig, gfn), 1);
}

static void faults_against_munmap(struct kunit *test)
{
	struct race race = { .rig = rig_of(test) };
	struct rig_thread other = { .fn = unmap_and_map, .arg = &race };
	struct rig *rig = race.rig;
	unsigned int i, wrong = 0;
	int r;

	prandom_seed_state(&race.rnd, 1);
	rig_thread_start(test, &other);
	for (i = 0; i < 2000 || READ_ONCE(other.rounds) < 200; i++) {
		rig_load(rig->vcpu[0]);
		r = rig_fault(rig->vcpu[0], FIRST + i % RACED, i & 1);
		rig_put(rig->vcpu[0]);
		wrong += r != KEEL_RESUME && r != -EFAULT;
		cond_resched();
	}
	rig_thread_stop(&other);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, race.left, 0);
	vm_munmap(rig->hva, RACED << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, mapped_frames(rig->vm), 0);
	KUNIT_EXPECT_EQ(test, rig->vm->mn_active, 0);
}

static void move_slot(void *arg)
{
	struct rig *rig = arg;
	struct kvm_userspace_memory_region r = {
		.guest_phys_addr = RIG_BASE << 4, .memory_size = RIG_PAGES << PAGE_SHIFT,
		.userspace_addr = rig->hva,
	};

	keel_memslot_set(rig->vm, &r);
	r.guest_phys_addr = RIG_BASE;
	keel_memslot_set(rig->vm, &r);
}

/* The slot that a fault found may be gone when it maps: then nothing is mapped. */
static void faults_against_slots(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct rig_thread other = { .fn = move_slot, .arg = rig };
	unsigned int i;

	rig_thread_start(test, &other);
	for (i = 0; i < 300 || READ_ONCE(other.rounds) < 30; i++) {
		rig_load(rig->vcpu[0]);
		/* Where there is no slot the instruction is emulated: none is there, either. */
		rig_fault(rig->vcpu[0], FIRST + i % RACED, true);
		rig_put(rig->vcpu[0]);
		cond_resched();
	}
	rig_thread_stop(&other);
	vm_munmap(rig->hva, RIG_PAGES << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, mapped_frames(rig->vm), 0);
}

static struct kunit_case notifier_cases[] = {
	KUNIT_CASE(munmap_takes_away),
	KUNIT_CASE(fault_on_nothing),
	KUNIT_CASE(sequence_tells_of_invalidation),
	KUNIT_CASE(active_range_refuses),
	KUNIT_CASE(age),
	KUNIT_CASE(slot_takes_mappings),
	KUNIT_CASE(faults_against_munmap),
	KUNIT_CASE(faults_against_slots),
	{ }
};

struct kunit_suite keel_notifier_suite = {
	.name = "keel_notifier",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = notifier_cases,
};

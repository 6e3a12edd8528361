// SPDX-License-Identifier: GPL-2.0
/*
 * notifier.c - the host's memory changes: what is mapped for a guest goes with it
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
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
	unsigned int left;	/* found mapped after their memory or slot went */
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

	rig_random(&race.rnd);
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

#define AWAY	(RIG_BASE << 4)

static int set_slot(struct rig *rig, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.guest_phys_addr = gpa, .memory_size = size, .userspace_addr = rig->hva,
	};

	return keel_memslot_set(rig->vm, &r);
}

static unsigned int mapped_of_raced(struct rig *rig)
{
	unsigned int n = 0;
	gfn_t gfn;

	for (gfn = FIRST; gfn < FIRST + RACED; gfn++)
		n += rig_mapped(rig->vm, gfn);
	return n;
}

/* Nothing is mapped where the slot was, once it has moved. */
static void move_slot(void *arg)
{
	struct race *race = arg;

	if (set_slot(race->rig, AWAY, RIG_PAGES << PAGE_SHIFT))
		race->left++;
	race->left += mapped_of_raced(race->rig);
	if (set_slot(race->rig, RIG_BASE, RIG_PAGES << PAGE_SHIFT))
		race->left++;
}

static void faults_against_slots(struct kunit *test)
{
	struct race race = { .rig = rig_of(test) };
	struct rig_thread other = { .fn = move_slot, .arg = &race };
	struct rig *rig = race.rig;
	unsigned int i, mapped = 0, away = 0;
	int r;

	rig_thread_start(test, &other);
	for (i = 0; i < 300 || READ_ONCE(other.rounds) < 30; i++) {
		rig_load(rig->vcpu[0]);
		r = rig_fault(rig->vcpu[0], FIRST + i % RACED, true);
		rig_put(rig->vcpu[0]);
		mapped += r == KEEL_RESUME;
		/* Without a slot the instruction is emulated, and there is none, either. */
		away += r == KEEL_TO_USER;
		cond_resched();
	}
	rig_thread_stop(&other);
	KUNIT_EXPECT_EQ(test, race.left, 0);
	KUNIT_EXPECT_EQ(test, mapped + away, i);
	KUNIT_EXPECT_GT(test, mapped, 0);
	KUNIT_EXPECT_GT(test, away, 0);
	vm_munmap(rig->hva, RIG_PAGES << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, mapped_frames(rig->vm), 0);
}

/* ---- between look-up and mapping ---- */

/* Memory that has the host call us while the fault waits for its page. */
struct halfway {
	struct rig *rig;
	void (*then)(struct halfway *h);
	struct page *page;
	unsigned int calls, late;
	/* for a slot that goes */
	struct keel_memslot *slot;
	u64 gpa, size;		/* to be */
	bool go;
	int result;
};

static vm_fault_t halfway_fault(struct vm_fault *vmf)
{
	struct halfway *h = vmf->vma->vm_private_data;

	h->calls++;
	h->then(h);
	get_page(h->page);
	vmf->page = h->page;
	return 0;
}

static const struct vm_operations_struct halfway_vm_ops = { .fault = halfway_fault };

static int halfway_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_private_data = file->private_data;
	vma->vm_ops = &halfway_vm_ops;
	return 0;
}

static const struct file_operations halfway_fops = { .owner = THIS_MODULE, .mmap = halfway_mmap };

/* In place of the slot's first page. */
static void halfway_map(struct kunit *test, struct halfway *h)
{
	struct file *file;

	h->rig = rig_of(test);
	h->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, h->page);
	file = anon_inode_getfile("keel-kunit", &halfway_fops, h, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, vm_mmap(file, h->rig->hva, PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_FIXED, 0), h->rig->hva);
	fput(file);
}

static void halfway_unmap(struct halfway *h)
{
	vm_munmap(h->rig->hva, PAGE_SIZE);
	put_page(h->page);
}

static int fault_at_first(struct rig *rig)
{
	int r;

	rig_load(rig->vcpu[0]);
	r = rig_fault(rig->vcpu[0], FIRST, true);
	rig_put(rig->vcpu[0]);
	return r;
}

static void invalidate(struct halfway *h, bool end)
{
	const struct mmu_notifier_ops *ops = h->rig->vm->mn.ops;
	struct mmu_notifier_range range = {
		.mm = h->rig->vm->mm, .start = h->rig->hva, .end = h->rig->hva + PAGE_SIZE,
	};

	if (end)
		ops->invalidate_range_end(&h->rig->vm->mn, &range);
	else
		ops->invalidate_range_start(&h->rig->vm->mn, &range);
}

static void invalidate_all_of_it(struct halfway *h)
{
	invalidate(h, false);
	invalidate(h, true);
}

static void begin_invalidation(struct halfway *h)
{
	invalidate(h, false);
}

/* What was looked up before the invalidation ended is not mapped; what is, after, is. */
static void invalidated_halfway(struct kunit *test)
{
	struct halfway h = { .then = invalidate_all_of_it };

	halfway_map(test, &h);
	KUNIT_EXPECT_EQ(test, fault_at_first(h.rig), KEEL_RESUME);
	KUNIT_EXPECT_EQ(test, h.calls, 1);
	KUNIT_EXPECT_FALSE(test, rig_mapped(h.rig->vm, FIRST));
	KUNIT_EXPECT_EQ(test, fault_at_first(h.rig), KEEL_RESUME);
	KUNIT_EXPECT_EQ(test, h.calls, 1);
	KUNIT_EXPECT_TRUE(test, rig_mapped(h.rig->vm, FIRST));
	halfway_unmap(&h);
	KUNIT_EXPECT_FALSE(test, rig_mapped(h.rig->vm, FIRST));
}

static void invalidation_goes_on(struct kunit *test)
{
	struct halfway h = { .then = begin_invalidation };

	halfway_map(test, &h);
	KUNIT_EXPECT_EQ(test, fault_at_first(h.rig), KEEL_RESUME);
	KUNIT_EXPECT_EQ(test, h.calls, 1);
	KUNIT_EXPECT_FALSE(test, rig_mapped(h.rig->vm, FIRST));
	KUNIT_EXPECT_EQ(test, fault_at_first(h.rig), KEEL_RESUME);
	KUNIT_EXPECT_FALSE(test, rig_mapped(h.rig->vm, FIRST));
	invalidate(&h, true);
	KUNIT_EXPECT_EQ(test, fault_at_first(h.rig), KEEL_RESUME);
	KUNIT_EXPECT_TRUE(test, rig_mapped(h.rig->vm, FIRST));
	halfway_unmap(&h);
}

static void change_when_told(void *arg)
{
	struct halfway *h = arg;

	if (!xchg(&h->go, false)) {
		schedule_timeout_uninterruptible(1);
		return;
	}
	h->result = set_slot(h->rig, h->gpa, h->size);
}

static struct keel_memslot *slot_0(struct rig *rig)
{
	return xa_load(&rig->vm->slots.by_id, 0);
}

/* The slot's number is given on when its frames are unmapped: then the fault may go on. */
static void let_slot_go(struct halfway *h)
{
	WRITE_ONCE(h->go, true);
	h->late += !rig_soon(slot_0(h->rig) != h->slot);
}

/* The slot that the fault has found goes meanwhile: nothing is mapped where it was. */
static void slot_goes_halfway(struct kunit *test, u64 gpa, u64 size)
{
	struct halfway h = { .then = let_slot_go, .gpa = gpa, .size = size, .result = 1 };
	struct rig_thread other = { .fn = change_when_told, .arg = &h };

	halfway_map(test, &h);
	h.slot = slot_0(h.rig);
	rig_thread_start(test, &other);
	KUNIT_EXPECT_EQ(test, fault_at_first(h.rig), KEEL_RESUME);
	rig_thread_stop(&other);
	KUNIT_EXPECT_EQ(test, h.calls, 1);
	KUNIT_EXPECT_EQ(test, h.late, 0);
	KUNIT_EXPECT_EQ(test, h.result, 0);
	KUNIT_EXPECT_FALSE(test, rig_mapped(h.rig->vm, FIRST));
	halfway_unmap(&h);
}

static void slot_moves_halfway(struct kunit *test)
{
	slot_goes_halfway(test, AWAY, RIG_PAGES << PAGE_SHIFT);
}

static void slot_is_deleted_halfway(struct kunit *test)
{
	slot_goes_halfway(test, 0, 0);
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
	KUNIT_CASE(invalidated_halfway),
	KUNIT_CASE(invalidation_goes_on),
	KUNIT_CASE(slot_moves_halfway),
	KUNIT_CASE(slot_is_deleted_halfway),
	{ }
};

struct kunit_suite keel_notifier_suite = {
	.name = "keel_notifier",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = notifier_cases,
};

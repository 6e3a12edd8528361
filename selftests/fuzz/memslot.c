// SPDX-License-Identifier: GPL-2.0
/*
 * memslot.c - KVM_SET_USER_MEMORY_REGION with anything in it, and no memory at times
 *
 * A plain list says what must come out; when a slot leaves, its mappings must have.
 */
#include "fuzz.h"
#include <keel/arch.h>
#include "../../virt/virt.h"

#define MAX_SLOTS	64
#define MAX_LOGGED	BIT(20)		/* pages of a slot with a log: what calloc() must find */

static struct keel_vm vm;
static struct keel_vcpu vcpu;
static struct kvm_userspace_memory_region slot[MAX_SLOTS];
static unsigned int nr;
static struct { gfn_t first, end; } unmapped, protected;
static bool logging, owes_flush, flushed;

bool arch_mmu_protect_range(struct keel_vm *v, gfn_t start, gfn_t end)
{
	CHECK(v->mmu_lock.held && start < end);
	CHECK(!protected.end || start == protected.end);
	protected.first = protected.end ? protected.first : start;
	protected.end = end;
	return owes_flush;
}

void arch_mmu_flush(struct keel_vm *v)
{
	flushed = true;
}

void arch_dirty_logging(struct keel_vm *v, bool on)
{
	CHECK(logging != on);
	logging = on;
}

void arch_memslot_changed(struct keel_vm *v, const struct keel_memslot *old,
			  const struct keel_memslot *new)
{
	CHECK(v->slots.generation & 1);
}

void keel_unmap_gfns(struct keel_vm *v, gfn_t start, gfn_t end)
{
	CHECK(!v->mmu_lock.held);
	unmapped.first = start;
	unmapped.end = end;
}

static struct kvm_userspace_memory_region *by_id(u32 id)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (slot[i].slot == id)
			return &slot[i];
	return NULL;
}

static bool overlaps(const struct kvm_userspace_memory_region *r)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (slot[i].slot != r->slot &&
		    r->guest_phys_addr < slot[i].guest_phys_addr + slot[i].memory_size &&
		    slot[i].guest_phys_addr < r->guest_phys_addr + r->memory_size)
			return true;
	return false;
}

static bool region_valid(const struct kvm_userspace_memory_region *r)
{
	unsigned __int128 end = (unsigned __int128)r->guest_phys_addr + r->memory_size;

	return !(r->flags & ~3) && r->slot < KEEL_MEMSLOT_MAX &&
	       !((r->memory_size | r->guest_phys_addr | r->userspace_addr) & 0xfff) &&
	       r->memory_size >> 12 <= KEEL_MAX_PAGES &&
	       access_ok((void *)(unsigned long)r->userspace_addr, r->memory_size) && !(end >> 64);
}

/* What the ABI says, from the list alone. */
static int expected(const struct kvm_userspace_memory_region *r)
{
	const struct kvm_userspace_memory_region *old = by_id(r->slot);

	if (!region_valid(r))
		return -EINVAL;
	if (!r->memory_size)
		return old ? 0 : -EINVAL;
	if ((r->guest_phys_addr + r->memory_size - 1) >> 52)
		return -EINVAL;
	if (old && (old->memory_size != r->memory_size || ((old->flags ^ r->flags) & 2) ||
		    old->userspace_addr != r->userspace_addr))
		return -EINVAL;
	return overlaps(r) ? -EEXIST : 0;
}

static void make_region(struct fuzz *f, struct kvm_userspace_memory_region *r)
{
	u8 how = fuzz_u8(f);

	*r = (struct kvm_userspace_memory_region){
		.slot = fuzz_u8(f) & 15, .flags = how & 3,
		.guest_phys_addr = (u64)fuzz_u8(f) << 14, .memory_size = (u64)fuzz_u8(f) << 12,
		.userspace_addr = (u64)fuzz_u8(f) << 21,
	};
	if (how & 0x10)
		r->slot = fuzz_u32(f);
	if (how & 0x20)
		r->flags = fuzz_u8(f);
	if (how & 0x40)
		r->guest_phys_addr ^= fuzz_num(f) << (how & 8 ? 12 : 0);
	if (how & 0x80)
		r->memory_size ^= fuzz_num(f) << (how & 8 ? 12 : 0);
	if (how & 0x04)
		r->userspace_addr ^= fuzz_num(f) << (how & 8 ? 12 : 0);
	if (r->memory_size >> 12 > MAX_LOGGED)
		r->flags &= ~(u32)KVM_MEM_LOG_DIRTY_PAGES;
}

/* A slot that moved or went has left nothing in the tables; one that logs is protected. */
static void check_mappings(const struct kvm_userspace_memory_region *old,
			   const struct kvm_userspace_memory_region *r)
{
	u64 first = old->guest_phys_addr >> 12, end = first + (old->memory_size >> 12);
	bool moved = !r->memory_size || old->guest_phys_addr != r->guest_phys_addr;

	if (moved)
		CHECK(unmapped.first == first && unmapped.end == end);
	else if (old->flags != r->flags && (r->flags & KVM_MEM_LOG_DIRTY_PAGES))
		CHECK(protected.first == first && protected.end == end && flushed == owes_flush);
}

static void note(const struct kvm_userspace_memory_region *r)
{
	struct kvm_userspace_memory_region *old = by_id(r->slot);

	if (old) {
		check_mappings(old, r);
		*old = *r;
		if (!r->memory_size)
			*old = slot[--nr];
	} else {
		CHECK(nr < MAX_SLOTS);
		slot[nr++] = *r;
	}
}

static void set_region(struct fuzz *f)
{
	u64 generation = vm.slots.generation;
	struct kvm_userspace_memory_region r;
	int want, got;

	make_region(f, &r);
	want = expected(&r);
	memset(&unmapped, 0, sizeof(unmapped));
	memset(&protected, 0, sizeof(protected));
	owes_flush = fuzz_u8(f) & 1;
	flushed = false;
	shim_fail = fuzz_u8(f) % 16 - 8;
	if (by_id(r.slot) && by_id(r.slot)->guest_phys_addr != r.guest_phys_addr && shim_fail > 2)
		shim_fail = -1;		/* what may not fail waits, as long as it takes */
	got = keel_memslot_set(&vm, &r);
	if (got == -ENOMEM)
		CHECK(shim_fail == -1);
	else
		CHECK_EQ(got, want);
	shim_fail = -1;
	CHECK(got != want || got || !want);
	CHECK(!(vm.slots.generation & 1));
	CHECK(got || vm.slots.generation >= generation);
	if (!got)
		note(&r);
}

static void check_slot(const struct kvm_userspace_memory_region *r)
{
	gfn_t first = r->guest_phys_addr >> 12, last = first + (r->memory_size >> 12) - 1;
	struct keel_memslot *s = keel_memslot_find(&vm, first);

	CHECK(s && s == keel_memslot_find(&vm, last));
	CHECK(s->base == first && s->npages == r->memory_size >> 12 && s->id == r->slot);
	CHECK(s->hva == r->userspace_addr && s->flags == r->flags && !keel_slot_gone(s));
	CHECK_EQ(!!s->dirty, r->flags & KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(keel_slot_writable(s), !(r->flags & KVM_MEM_READONLY));
	CHECK(s->node.linked && s->node.start == s->hva);
	CHECK_EQ(keel_slot_hva(s, last), s->hva + r->memory_size - 0x1000);
	CHECK(keel_vcpu_memslot(&vcpu, first) == s && keel_vcpu_memslot(&vcpu, last) == s);
	mutex_lock(&vm.slots_lock);
	CHECK(keel_memslot_by_id(&vm, r->slot) == s);
	mutex_unlock(&vm.slots_lock);
}

static void check(void)
{
	unsigned long pages = 0;
	unsigned int i, logs = 0;

	vcpu.last_slot = NULL;
	for (i = 0; i < nr; i++) {
		check_slot(&slot[i]);
		pages += slot[i].memory_size >> 12;
		logs += slot[i].flags & KVM_MEM_LOG_DIRTY_PAGES;
	}
	CHECK_EQ(vm.slots.by_gfn.nr, nr);
	CHECK_EQ(vm.slots.by_hva.nr, nr);
	CHECK_EQ(vm.slots.nr_pages, pages);
	CHECK_EQ(vm.slots.nr_logs, logs);
	CHECK_EQ(logging, logs > 0);
	CHECK_EQ(shim_live, nr + logs);
	CHECK(!vm.slots_lock.held && !vm.mmu_lock.held);
}

void fuzz_one(struct fuzz *f)
{
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	nr = 0;
	logging = false;
	keel_memslots_init(&vm);
	while (fuzz_more(f) && nr < MAX_SLOTS) {
		set_region(f);
		check();
	}
	keel_memslots_destroy(&vm);
	CHECK_EQ(shim_live, 0);
}

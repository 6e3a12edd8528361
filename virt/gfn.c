// SPDX-License-Identifier: GPL-2.0
/*
 * gfn.c - the host's reads and writes of guest memory
 *
 * They go through the user mapping, in the vCPU's thread, whose mm is the
 * VM's: every ioctl has checked that.
 */
#include <linux/cache.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <keel/compat.h>
#include <keel/gfn.h>

bool keel_gfn_backed(struct keel_vcpu *vcpu, gfn_t gfn)
{
	return keel_vcpu_memslot(vcpu, gfn);
}

bool keel_gfn_writable(struct keel_vcpu *vcpu, gfn_t gfn)
{
	struct keel_memslot *slot = keel_vcpu_memslot(vcpu, gfn);

	return slot && keel_slot_writable(slot);
}

static size_t piece_len(gpa_t gpa, size_t len)
{
	return min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
}

/* The slot of @gpa and the user address it stands for; NULL: none, or not to be written. */
static struct keel_memslot *gpa_to_user(struct keel_vcpu *vcpu, gpa_t gpa, bool write,
					void __user **user)
{
	struct keel_memslot *slot = keel_vcpu_memslot(vcpu, gpa >> PAGE_SHIFT);

	if (!slot || (write && !keel_slot_writable(slot)))
		return NULL;
	*user = (void __user *)(keel_slot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa));
	return slot;
}

int keel_read_guest(struct keel_vcpu *vcpu, gpa_t gpa, void *buf, size_t len)
{
	void __user *user;
	size_t n;

	for (; len; len -= n, gpa += n, buf += n) {
		n = piece_len(gpa, len);
		if (!gpa_to_user(vcpu, gpa, false, &user) || copy_from_user(buf, user, n))
			return -EFAULT;
	}
	return 0;
}

int keel_write_guest(struct keel_vcpu *vcpu, gpa_t gpa, const void *buf, size_t len)
{
	struct keel_memslot *slot;
	void __user *user;
	size_t n, left;

	for (; len; len -= n, gpa += n, buf += n) {
		n = piece_len(gpa, len);
		slot = gpa_to_user(vcpu, gpa, true, &user);
		if (!slot)
			return -EFAULT;
		left = copy_to_user(user, buf, n);
		if (left < n)	/* also what was written before a failure */
			keel_mark_dirty(vcpu->vm, slot, gpa >> PAGE_SHIFT);
		if (left)
			return -EFAULT;
	}
	return 0;
}

/* True where it exchanged. A failure of access goes to @label. */
#define user_cmpxchg(type, user, old, new, label)				\
	unsafe_try_cmpxchg_user((type __user *)(user), (type *)(old), *(const type *)(new), label)

static int cmpxchg_user(void __user *user, void *old, const void *new, size_t len)
{
	bool done = false;

	if (!user_access_begin(user, len))
		return -EFAULT;
	switch (len) {
	case 1:
		done = user_cmpxchg(u8, user, old, new, fault);
		break;
	case 2:
		done = user_cmpxchg(u16, user, old, new, fault);
		break;
	case 4:
		done = user_cmpxchg(u32, user, old, new, fault);
		break;
	case 8:
		done = user_cmpxchg(u64, user, old, new, fault);
		break;
	}
	user_access_end();
	return done ? 0 : -EAGAIN;

fault:
	user_access_end();
	return -EFAULT;
}

/* No instruction exchanges 16 bytes of user memory with a fixup: pin the page for it. */
static int cmpxchg_user16(void __user *user, void *old, const void *new)
{
	struct keel_page pg;
	bool done;
	void *p;

	if (!keel_compat_has_cmpxchg128())
		return -EFAULT;
	if (get_user_pages_fast((unsigned long)user, 1, FOLL_WRITE, &pg.page) != 1)
		return -EFAULT;
	p = kmap_local_page(pg.page) + offset_in_page(user);
	done = keel_compat_cmpxchg128(p, old, new);
	if (!done)
		memcpy(old, p, 16);
	kunmap_local(p);
	keel_page_put(&pg, done);
	return done ? 0 : -EAGAIN;
}

/*
 * A locked operation across cache lines locks the whole bus, and where the host
 * detects such split locks, one made by the kernel is fatal. So compare and
 * write, not atomically: a guest that relies on it does what is forbidden to all.
 */
static int cmpxchg_user_split(void __user *user, void *old, const void *new, size_t len)
{
	u8 now[16];

	if (copy_from_user(now, user, len))
		return -EFAULT;
	if (memcmp(now, old, len)) {
		memcpy(old, now, len);
		return -EAGAIN;
	}
	return copy_to_user(user, new, len) ? -EFAULT : 0;
}

static bool is_split(gpa_t gpa, size_t len)
{
	if (len == 16)
		return gpa & 15;
	return (gpa & (L1_CACHE_BYTES - 1)) + len > L1_CACHE_BYTES;
}

int keel_cmpxchg_guest(struct keel_vcpu *vcpu, gpa_t gpa, void *old, const void *new, size_t len)
{
	struct keel_memslot *slot;
	void __user *user;
	int r;

	if (!is_power_of_2(len) || len > 16 || piece_len(gpa, len) != len)
		return -EFAULT;
	slot = gpa_to_user(vcpu, gpa, true, &user);
	if (!slot)
		return -EFAULT;

	if (is_split(gpa, len))
		r = cmpxchg_user_split(user, old, new, len);
	else if (len == 16)
		r = cmpxchg_user16(user, old, new);
	else
		r = cmpxchg_user(user, old, new, len);
	if (!r)
		keel_mark_dirty(vcpu->vm, slot, gpa >> PAGE_SHIFT);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - the kernel's services that virt/ uses, for one thread in userspace
 *
 * The Makefile makes a header of each name that virt/ includes and the unit tests'
 * shim does not have; all of them include this one. Locks note that they are held,
 * allocations fail when the target says so, and the trees are short lists.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <signal.h>
#include <linux/ioctl.h>
#include <linux/overflow.h>
#include <keel/core.h>

/* ---- what is only there to have a size ---- */

struct kref { int refs; };
struct list_head { struct list_head *next, *prev; };
struct mmu_notifier { int unused; };
struct srcu_struct { int unused; };
struct preempt_notifier { int unused; };
struct rcuwait { int unused; };
struct fpu_guest { int unused; };
struct pvclock_vcpu_time_info { int unused; };
struct file_operations;
struct mm_struct;
struct dentry;
struct pid;

#define DECLARE_STATIC_KEY_FALSE(name)	extern int name
struct static_key_false_deferred { int key; };
#define static_branch_unlikely(key)	(*(key))

struct shim_task {
	struct mm_struct *mm;
};

extern struct shim_task shim_task;
#define current (&shim_task)

/* ---- static calls: functions of the target's ---- */

#define DECLARE_STATIC_CALL(name, func)	extern typeof(func) op_##name
#define static_call(name)	op_##name

/* ---- memory: the n-th allocation fails, counted by the target ---- */

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define SZ_1G			0x40000000
#define BITMAP_LAST_WORD_MASK(n) (~0UL >> (-(n) & 63))

extern int shim_fail;		/* allocations until one fails; below 0: none does */
extern long shim_live;		/* allocated, not freed */

void *shim_alloc(size_t n, size_t size);
void shim_free(const void *p);

#define kzalloc(size, gfp)	shim_alloc(1, size)
#define kcalloc(n, size, gfp)	shim_alloc(n, size)
#define kvzalloc(size, gfp)	shim_alloc(1, size)
#define kvcalloc(n, size, gfp)	shim_alloc(n, size)
#define __vcalloc(n, size, gfp)	shim_alloc(n, size)
#define kfree(p)		shim_free(p)
#define kvfree(p)		shim_free(p)
#define vfree(p)		shim_free(p)

#define ERR_PTR(err)	((void *)(long)(err))
#define PTR_ERR(p)	((long)(p))
#define IS_ERR(p)	((unsigned long)(p) >= -4095UL)

/* ---- the CPU's facts, by the manuals; the numbers of MSRs are the kernel's own header ---- */

#define APIC_BASE_MSR		0x800
#define MCG_BANKCNT_MASK	0xff
#define MCG_EXT_CNT_MASK	0xff0000
#define MCG_CTL_P		BIT_ULL(8)
#define MCG_SER_P		BIT_ULL(24)
#define MCG_STATUS_MCIP		BIT_ULL(2)
#define MCI_STATUS_VAL		BIT_ULL(63)
#define MCI_STATUS_OVER		BIT_ULL(62)
#define MCI_STATUS_UC		BIT_ULL(61)

enum { X86_TRAP_NMI = 2, X86_TRAP_BP = 3, X86_TRAP_OF = 4, X86_TRAP_MC = 18 };
enum { X86_FEATURE_ARCH_CAPABILITIES, X86_FEATURE_LFENCE_RDTSC };

#define boot_cpu_has(feature)	true
#define cpu_feature_enabled(feature)	false	/* PKRU is left alone */
#define OPTIMIZER_HIDE_VAR(var)	do { } while (0)
#define rdmsrq_safe(msr, p)	(*(p) = ~0ULL, 0)
#define indirect_branch_prediction_barrier() do { } while (0)
#define pr_err(...)		do { } while (0)
#define pr_debug_ratelimited(...) do { } while (0)

/* ---- user memory: the target's, all there; and addresses of 47 bits ---- */

#define copy_from_user(to, from, n)	(memcpy(to, from, n), 0)
#define copy_to_user(to, from, n)	(memcpy(to, from, n), 0)
#define get_user(x, p)			((x) = *(p), 0)
#define put_user(x, p)			(*(p) = (x), 0)

static inline void *memdup_user(const void *from, size_t n)
{
	void *p = shim_alloc(1, n ?: 1);

	return p ? memcpy(p, from, n) : ERR_PTR(-ENOMEM);
}

#define untagged_addr(a)	(a)

static inline bool access_ok(const void *p, unsigned long size)
{
	unsigned long limit = (1UL << 47) - PAGE_SIZE;

	return size <= limit && (unsigned long)p <= limit - size;
}

/* ---- locks ---- */

struct mutex { bool held; };
typedef struct { bool held; } spinlock_t;
typedef spinlock_t raw_spinlock_t;

void shim_lock(bool *held);
void shim_unlock(bool *held);
void shim_assert(bool held);

#define mutex_lock(l)		shim_lock(&(l)->held)
#define mutex_unlock(l)		shim_unlock(&(l)->held)
#define spin_lock(l)		shim_lock(&(l)->held)
#define spin_unlock(l)		shim_unlock(&(l)->held)
#define lockdep_assert_held(l)	shim_assert((l)->held)
#define lockdep_is_held(l)	((l)->held)
#define cond_resched()		do { } while (0)
#define schedule_timeout_uninterruptible(n) do { } while (0)

#define rcu_read_lock()			do { } while (0)
#define rcu_read_unlock()		do { } while (0)
#define rcu_dereference(p)		(p)
#define rcu_dereference_protected(p, c)	({ shim_assert(c); (p); })
#define rcu_assign_pointer(p, v)	((p) = (v))
#define RCU_INIT_POINTER(p, v)		((p) = (v))
#define RCU_LOCKDEP_WARN(c, s)		do { } while (0)
#define synchronize_rcu_expedited()	do { } while (0)
#define synchronize_srcu_expedited(s)	do { } while (0)
#define srcu_read_lock_held(s)		true

/* ---- maple tree, xarray: ranges to pointers ---- */

#define SHIM_RANGES	512

struct shim_range {
	unsigned long first, last;
	void *p;		/* NULL in an xarray: reserved */
};

struct shim_ranges {
	unsigned int nr;
	struct shim_range r[SHIM_RANGES];
};

#define maple_tree	shim_ranges
#define xarray		shim_ranges
#define MT_FLAGS_USE_RCU	0
#define XA_FLAGS_ACCOUNT	0

struct shim_range *shim_find(struct shim_ranges *t, unsigned long first, unsigned long last);
int shim_store(struct shim_ranges *t, unsigned long first, unsigned long last, void *p);
void shim_store_there(struct shim_ranges *t, unsigned long index, void *p);

static inline void *shim_load(struct shim_ranges *t, unsigned long index)
{
	struct shim_range *r = shim_find(t, index, index);

	return r ? r->p : NULL;
}

#define mt_init_flags(t, flags)		((t)->nr = 0)
#define mt_clear_in_rcu(t)		do { } while (0)
#define mtree_destroy(t)		((t)->nr = 0)
#define mtree_load(t, i)		shim_load(t, i)
#define mtree_store_range(t, a, b, p, gfp) shim_store(t, a, b, p)
#define mt_for_each(t, e, index, max)						\
	for (struct shim_range *r__ = shim_find(t, index, max); r__ && ((e) = r__->p);	\
	     (index) = r__->last + 1,						\
	     r__ = (index) <= (max) ? shim_find(t, index, max) : NULL)

#define xa_init_flags(x, flags)		((x)->nr = 0)
#define xa_destroy(x)			((x)->nr = 0)
#define xa_load(x, i)			shim_load(x, i)
#define xa_reserve(x, i, gfp)		shim_store(x, i, i, NULL)
#define xa_store(x, i, p, gfp)		shim_store_there(x, i, p)
#define xa_erase(x, i)			shim_store_there(x, i, NULL)
#define xa_release(x, i)		shim_store_there(x, i, NULL)
#define xa_for_each(x, i, e)							\
	for ((i) = 0; (i) < (x)->nr; (i)++)					\
		if (((e) = (x)->r[i].p))

/* ---- interval tree: how many are in it is enough ---- */

struct interval_tree_node {
	unsigned long start, last;
	bool linked;
};

struct rb_root_cached { int nr; };

#define RB_ROOT_CACHED	((struct rb_root_cached){ 0 })

static inline void interval_tree_insert(struct interval_tree_node *n, struct rb_root_cached *root)
{
	shim_assert(!n->linked);
	n->linked = true;
	root->nr++;
}

static inline void interval_tree_remove(struct interval_tree_node *n, struct rb_root_cached *root)
{
	shim_assert(n->linked);
	n->linked = false;
	root->nr--;
}

#endif

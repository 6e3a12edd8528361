/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - what differs between the kernels Keel is built for (6.1 to 6.18)
 *
 * The one place for LINUX_VERSION_CODE and for tests of kernel features. Each
 * entry is a function or macro with one meaning, named keel_compat_*.
 */
#ifndef KEEL_COMPAT_H
#define KEEL_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/cpuhotplug.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>
#include <asm/reboot.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

#if !IS_ENABLED(CONFIG_PREEMPT_NOTIFIERS) || !IS_ENABLED(CONFIG_MMU_NOTIFIER)
#error "Keel needs a kernel with CONFIG_KVM: it selects PREEMPT_NOTIFIERS and MMU_NOTIFIER"
#endif

/*
 * Add one to an eventfd. Any context but NMI. Not from within another's wake-up:
 * the kernel warns and does nothing; this does nothing without the warning.
 */
static inline void keel_compat_eventfd_signal(struct eventfd_ctx *ctx)
{
	if (!eventfd_signal_allowed())
		return;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* get_user_pages(): let a fault that waits (userfaultfd) end at any signal, where that exists. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define KEEL_COMPAT_FOLL_INTR	FOLL_INTERRUPTIBLE
#else
#define KEEL_COMPAT_FOLL_INTR	0
#endif

/*
 * Write-back: of the types that Linux gives by PCD and PWT the one with neither. (PAT's bit
 * alone is write-back, too, and in a huge entry it is elsewhere.)
 */
static inline bool keel_compat_cached(pgprot_t prot)
{
	return !(pgprot_val(prot) & (_PAGE_PCD | _PAGE_PWT));
}

/*
 * The frame that @vma, a VM_PFNMAP or VM_IO mapping, holds at @hva. mmap_lock
 * held for reading. -EINVAL: not mapped now.
 */
static inline int keel_compat_follow_pfn(struct vm_area_struct *vma, unsigned long hva,
					 unsigned long *pfn, bool *writable, bool *device)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct follow_pfnmap_args args = { .vma = vma, .address = hva };
	int r = follow_pfnmap_start(&args);

	if (r)
		return r;
	*pfn = args.pfn;
	*writable = args.writable;
	*device = !keel_compat_cached(args.pgprot);
	follow_pfnmap_end(&args);
	return 0;
#else
	spinlock_t *ptl;	/* of the page table */
	pte_t *ptep, pte;
	int r;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	r = follow_pte(vma, hva, &ptep, &ptl);
#else
	r = follow_pte(vma->vm_mm, hva, &ptep, &ptl);
#endif
	if (r)
		return r;
	__acquire(ptl);	/* sparse does not see that success holds it */
	pte = *ptep;
	*pfn = pte_pfn(pte);
	*writable = pte_write(pte);
	*device = !keel_compat_cached(pte_pgprot(pte));
	pte_unmap_unlock(ptep, ptl);
	return 0;
#endif
}

/* In a file's mmap, on the vma that is being made. */
static inline void keel_compat_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* Atomically exchange 16 aligned bytes of kernel memory; @old is not updated. */
static inline bool keel_compat_cmpxchg128(void *p, const u64 old[2], const u64 new[2])
{
#ifdef system_has_cmpxchg128
	u128 o = (u128)old[1] << 64 | old[0];
	u128 n = (u128)new[1] << 64 | new[0];

	return try_cmpxchg128((u128 *)p, &o, n);
#else
	u64 *q = p;

	return cmpxchg_double(q, q + 1, old[0], old[1], new[0], new[1]);
#endif
}

static inline bool keel_compat_has_cmpxchg128(void)
{
#ifdef system_has_cmpxchg128
	return system_has_cmpxchg128();
#else
	return system_has_cmpxchg_double();
#endif
}

/* The CPU hotplug state that kvm claims, too: who holds it holds the machine's virtualization. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define KEEL_CPUHP_STATE	CPUHP_AP_KVM_ONLINE
#define KEEL_CPUHP_MAY_FAIL	true
#else
#define KEEL_CPUHP_STATE	CPUHP_AP_KVM_STARTING
#define KEEL_CPUHP_MAY_FAIL	false
#endif

/* Is the kernel's event delivery by FRED? */
static inline bool keel_compat_has_fred(void)
{
#ifdef X86_FEATURE_FRED
	return cpu_feature_enabled(X86_FEATURE_FRED);
#else
	return false;
#endif
}

/* The key that asks for VERW before an entry on CPUs that do not need it elsewhere. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define keel_compat_stale_data_clear	cpu_buf_vm_clear
#else
#define keel_compat_stale_data_clear	mmio_stale_data_clear
#endif

/*
 * What runs on each CPU in a crash or an emergency reboot. One slot: hold
 * KEEL_CPUHP_STATE. May sleep. Kernels without it switch VMX off themselves.
 */
#if (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 149) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define keel_compat_emergency_register(fn)	cpu_emergency_register_virt_callback(fn)
#define keel_compat_emergency_unregister(fn)	cpu_emergency_unregister_virt_callback(fn)
#else
#define keel_compat_emergency_register(fn)	((void)(fn))
#define keel_compat_emergency_unregister(fn)	((void)(fn))
#endif

/* Work that is due before guest mode. kvm's vCPU is written to, where it is asked for. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define keel_compat_guest_mode_work(sink)	xfer_to_guest_mode_handle_work()
#else
#define keel_compat_guest_mode_work(sink)	xfer_to_guest_mode_handle_work(sink)
#endif

/* A guest has run on this CPU: userspace must not use its branch history ("VMSCAPE"). */
static inline void keel_compat_guest_ran(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

#endif

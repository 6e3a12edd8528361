/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - what differs between the kernels Keel is built for (6.1 to 6.18)
 *
 * The one place for it, for assembly, too: no other file asks which kernel this is. A
 * difference is known by the kernel's headers, not by its number, as stable kernels take
 * over newer interfaces: Kbuild looks for words there and defines KEEL_HAS_*. The code
 * uses a function's newest name; here older kernels get it, or, where more than the
 * name differs, a keel_compat_* has one meaning for all. Documentation/porting lists
 * each, with its version.
 */
#ifndef KEEL_COMPAT_H
#define KEEL_COMPAT_H

#include <asm/nospec-branch.h>

#ifdef __ASSEMBLER__

/* Before a return in AMD's exit path: against RETBleed and SRSO, with IBPB where asked for. */
.macro KEEL_COMPAT_UNTRAIN_RET
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
#ifdef X86_FEATURE_IBPB_ON_VMEXIT
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif
#endif
.endm

/* VERW for guests only (TSA). */
#ifndef VM_CLEAR_CPU_BUFFERS
#define VM_CLEAR_CPU_BUFFERS
#endif

/* Branch history after an exit: with a feature bit of its own from ITS on, before with BHI's. */
.macro KEEL_COMPAT_CLEAR_BHB
#if defined(KEEL_HAS_CLEAR_BHB_VMEXIT)
	CLEAR_BRANCH_HISTORY_VMEXIT
#elif defined(KEEL_HAS_CLEAR_BHB)
	CLEAR_BRANCH_HISTORY
#endif
.endm

#else

#include <linux/cpuhotplug.h>
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/syscore_ops.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/ptrace.h>
#include <asm/reboot.h>
#include <asm/vmx.h>

/* entry-virt.h came with a helper that needs no vCPU of kvm's. */
#ifdef KEEL_HAS_ENTRY_VIRT
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

#ifdef KEEL_HAS_CPUID_BASE_HYPERVISOR
#include <asm/cpuid/api.h>
#endif

#if !IS_ENABLED(CONFIG_PREEMPT_NOTIFIERS) || !IS_ENABLED(CONFIG_MMU_NOTIFIER)
#error "Keel needs a kernel with CONFIG_KVM: it selects PREEMPT_NOTIFIERS and MMU_NOTIFIER"
#endif

/* ---- new names ---- */

#ifndef KEEL_HAS_RDMSRQ
#define rdmsrq(msr, val)	rdmsrl(msr, val)
#define rdmsrq_safe(msr, p)	rdmsrl_safe(msr, p)
#define wrmsrq(msr, val)	wrmsrl(msr, val)
#endif

#ifndef KEEL_HAS_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*fn)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#endif

#ifndef KEEL_HAS_VM_FLAGS_CLEAR
static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#ifndef KEEL_HAS_CPUID_BASE_HYPERVISOR
#define cpuid_base_hypervisor(sig, leaves)	hypervisor_cpuid_base(sig, leaves)
#endif

#ifndef KEEL_HAS_X86_CLEAR_CPU_BUFFERS
#define x86_clear_cpu_buffers()	mds_clear_cpu_buffers()
#endif

#ifndef SECONDARY_EXEC_ENABLE_XSAVES
#define SECONDARY_EXEC_ENABLE_XSAVES	SECONDARY_EXEC_XSAVES
#endif

/* ---- eventfd ---- */

/*
 * Add one to an eventfd. Any context but NMI. Not from within another's wake-up:
 * the kernel warns and does nothing; this does nothing without the warning.
 */
static inline void keel_compat_eventfd_signal(struct eventfd_ctx *ctx)
{
	if (!eventfd_signal_allowed())
		return;
#ifdef KEEL_HAS_EVENTFD_SIGNAL_ONE
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* ---- memory ---- */

/* get_user_pages(): let a fault that waits (userfaultfd) end at any signal, where that exists. */
#ifdef KEEL_HAS_FOLL_INTERRUPTIBLE
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
#ifdef KEEL_HAS_FOLLOW_PFNMAP
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

#ifdef KEEL_HAS_FOLLOW_PTE_VMA
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

/* ---- CPUs that come and go ---- */

/* The CPU hotplug state that kvm claims, too: who holds it holds the machine's virtualization. */
#ifdef KEEL_HAS_CPUHP_KVM_ONLINE
#define KEEL_CPUHP_STATE	CPUHP_AP_KVM_ONLINE
#define KEEL_CPUHP_MAY_FAIL	true
#else
#define KEEL_CPUHP_STATE	CPUHP_AP_KVM_STARTING
#define KEEL_CPUHP_MAY_FAIL	false
#endif

/*
 * Callbacks of suspend and resume, with interrupts off on the last CPU. They take
 * KEEL_COMPAT_SYSCORE_ARG.
 */
#ifdef KEEL_HAS_REGISTER_SYSCORE
#define KEEL_COMPAT_SYSCORE_ARG	void *unused
#define KEEL_COMPAT_DEFINE_SYSCORE(name, on_suspend, on_resume)				\
	static const struct syscore_ops name##_ops = {					\
		.suspend = on_suspend, .resume = on_resume,				\
	};										\
	static struct syscore name = { .ops = &name##_ops }
#define keel_compat_register_syscore(s)		register_syscore(s)
#define keel_compat_unregister_syscore(s)	unregister_syscore(s)
#else
#define KEEL_COMPAT_SYSCORE_ARG	void
#define KEEL_COMPAT_DEFINE_SYSCORE(name, on_suspend, on_resume)				\
	static struct syscore_ops name = {						\
		.suspend = on_suspend, .resume = on_resume,				\
	}
#define keel_compat_register_syscore(s)		register_syscore_ops(s)
#define keel_compat_unregister_syscore(s)	unregister_syscore_ops(s)
#endif

/*
 * What runs on each CPU in a crash or an emergency reboot. One slot: hold
 * KEEL_CPUHP_STATE. May sleep. Kernels without it switch SVM and VMX off themselves.
 */
#ifdef KEEL_HAS_EMERGENCY_CALLBACK
#define keel_compat_emergency_register(fn)	cpu_emergency_register_virt_callback(fn)
#define keel_compat_emergency_unregister(fn)	cpu_emergency_unregister_virt_callback(fn)
#else
#define keel_compat_emergency_register(fn)	((void)(fn))
#define keel_compat_emergency_unregister(fn)	((void)(fn))
#endif

/* ---- around an entry ---- */

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
#ifdef KEEL_HAS_CPU_BUF_VM_CLEAR
#define keel_compat_stale_data_clear	cpu_buf_vm_clear
#else
#define keel_compat_stale_data_clear	mmio_stale_data_clear
#endif

/* Work that is due before guest mode. kvm's vCPU is written to, where it is asked for. */
#ifdef KEEL_HAS_ENTRY_VIRT
#define keel_compat_guest_mode_work(sink)	xfer_to_guest_mode_handle_work()
#else
#define keel_compat_guest_mode_work(sink)	xfer_to_guest_mode_handle_work(sink)
#endif

/* Interrupts off: nothing on this CPU reads under RCU. */
static __always_inline void keel_compat_rcu_note_guest(void)
{
#ifdef KEEL_HAS_RCU_NOTE_NO_ARG
	rcu_virt_note_context_switch();
#else
	rcu_virt_note_context_switch(smp_processor_id());
#endif
}

/* kvm_run's immediate_exit, under a name that says who else writes it, in newer headers. */
static inline bool keel_compat_immediate_exit(const struct kvm_run *run)
{
#ifdef HINT_UNSAFE_IN_KVM
	return READ_ONCE(run->HINT_UNSAFE_IN_KVM(immediate_exit));
#else
	return READ_ONCE(run->immediate_exit);
#endif
}

/*
 * A machine check hit while the guest ran: the host's handler, as if from user mode. A kernel
 * without one (CONFIG_X86_MCE, which cloud kernels do not have) does not switch them on.
 */
static inline void keel_compat_machine_check(void)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	if (IS_ENABLED(CONFIG_X86_MCE))
		do_machine_check(&regs);
}

/* A guest has run on this CPU: userspace must not use its branch history ("VMSCAPE"). */
static inline void keel_compat_guest_ran(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

#endif
#endif

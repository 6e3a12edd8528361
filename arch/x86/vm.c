// SPDX-License-Identifier: GPL-2.0
/*
 * vm.c - a VM's life on x86, its ioctls, and which capabilities there are
 *
 * Each ioctl of the architecture is one line of the tables at the end: the
 * command, how its argument travels, and the handler in the file it belongs to.
 */
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <keel/arch.h>
#include <keel/gfn.h>
#include "clock.h"
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "msr.h"
#include "regs.h"

/* ---- life ---- */

#define KEEL_IDENTITY_MAP_DEFAULT	0xfffbc000ULL

bool arch_vm_type_valid(unsigned long type)
{
	return !type;
}

int arch_vm_init(struct keel_vm *vm)
{
	keel_apic_vm_init(vm);
	vm->arch.identity_map_addr = KEEL_IDENTITY_MAP_DEFAULT;
	keel_clock_vm_init(vm);
	return keel_mmu_vm_init(vm);
}

/* The last users of the mm are gone, or going: no vCPU enters again. */
void arch_vm_release(struct keel_vm *vm)
{
	keel_mmu_zap_all(vm);
}

void arch_vm_destroy(struct keel_vm *vm)
{
	keel_pit_destroy(vm);
	keel_irqchip_destroy(vm);
	keel_apic_vm_destroy(vm);
	keel_mmu_vm_destroy(vm);
}

/* ---- addresses and numbers that are only stored ---- */

#define KEEL_TSS_PAGES		3
#define KEEL_MIN_MMU_PAGES	64

/* Three pages below 4 GiB. */
static long vm_set_tss_addr(struct keel_vm *vm, union keel_arg arg)
{
	if (arg.value > SZ_4G - KEEL_TSS_PAGES * PAGE_SIZE)
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->arch.tss_addr = arg.value;
	mutex_unlock(&vm->lock);
	return 0;
}

static long vm_set_identity_map_addr(struct keel_vm *vm, union keel_arg arg)
{
	u64 addr = *(u64 *)arg.buf;
	long r = -EINVAL;

	if (addr > SZ_4G - PAGE_SIZE)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (!vm->nr_vcpus) {
		vm->arch.identity_map_addr = addr ?: KEEL_IDENTITY_MAP_DEFAULT;
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

static long vm_set_boot_cpu_id(struct keel_vm *vm, union keel_arg arg)
{
	long r = -EBUSY;

	if (arg.value >= KEEL_MAX_VCPU_IDS)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (!vm->nr_vcpus) {
		vm->arch.bsp_vcpu_id = arg.value;
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

/* A limit on shadow page tables, of which there are none. */
static long vm_set_nr_mmu_pages(struct keel_vm *vm, union keel_arg arg)
{
	if (arg.value < KEEL_MIN_MMU_PAGES || arg.value > UINT_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->arch.nr_mmu_pages, arg.value);
	return 0;
}

static long vm_get_nr_mmu_pages(struct keel_vm *vm, union keel_arg arg)
{
	return READ_ONCE(vm->arch.nr_mmu_pages);
}

/* ---- interrupt chips ---- */

static long vm_create_irqchip(struct keel_vm *vm, union keel_arg arg)
{
	long r;

	mutex_lock(&vm->lock);
	r = keel_irqchip_create(vm);
	mutex_unlock(&vm->lock);
	return r;
}

static long vm_get_irqchip(struct keel_vm *vm, union keel_arg arg)
{
	return keel_irqchip_get(vm, arg.buf);
}

static long vm_set_irqchip(struct keel_vm *vm, union keel_arg arg)
{
	return keel_irqchip_set(vm, arg.buf);
}

static long vm_create_pit2(struct keel_vm *vm, union keel_arg arg)
{
	long r;

	mutex_lock(&vm->lock);
	r = keel_pit_create(vm, arg.buf);
	mutex_unlock(&vm->lock);
	return r;
}

static long vm_create_pit(struct keel_vm *vm, union keel_arg arg)
{
	struct kvm_pit_config cfg = { .flags = KVM_PIT_SPEAKER_DUMMY };

	arg.buf = &cfg;
	return vm_create_pit2(vm, arg);
}

static long vm_get_pit2(struct keel_vm *vm, union keel_arg arg)
{
	return keel_pit_get(vm, arg.buf);
}

static long vm_set_pit2(struct keel_vm *vm, union keel_arg arg)
{
	return keel_pit_set(vm, arg.buf);
}

/* The older form of the state has the channels alone. */
static long vm_get_pit(struct keel_vm *vm, union keel_arg arg)
{
	struct kvm_pit_state *old = arg.buf;
	struct kvm_pit_state2 s = {};
	int r = keel_pit_get(vm, &s);

	BUILD_BUG_ON(sizeof(old->channels) != sizeof(s.channels));
	if (!r)
		memcpy(old->channels, s.channels, sizeof(old->channels));
	return r;
}

static long vm_set_pit(struct keel_vm *vm, union keel_arg arg)
{
	const struct kvm_pit_state *old = arg.buf;
	struct kvm_pit_state2 s = {};
	int r = keel_pit_get(vm, &s);

	if (r)
		return r;
	memcpy(s.channels, old->channels, sizeof(s.channels));
	return keel_pit_set(vm, &s);
}

/* The command says nothing of its argument's size. */
static long vm_reinject_control(struct keel_vm *vm, union keel_arg arg)
{
	struct kvm_reinject_control c;

	if (copy_from_user(&c, arg.user, sizeof(c)))
		return -EFAULT;
	return keel_pit_reinject(vm, &c);
}

/* ---- KVM_ENABLE_CAP ---- */

#define KEEL_X2APIC_API	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

static int enable_x2apic_api(struct keel_vm *vm, u64 flags)
{
	if (flags & ~(u64)KEEL_X2APIC_API)
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(vm->arch.x2apic_format, true);
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(vm->arch.x2apic_no_broadcast_quirk, true);
	return 0;
}

/* Can be said once, before there are vCPUs. */
static int enable_max_vcpu_id(struct keel_vm *vm, u64 max)
{
	if (max == vm->max_vcpu_ids)
		return 0;
	if (!max || max > KEEL_MAX_VCPU_IDS || vm->max_vcpu_ids != KEEL_MAX_VCPU_IDS ||
	    vm->nr_vcpus)
		return -EINVAL;
	vm->max_vcpu_ids = max;
	return 0;
}

/* Each is a way in which KVM differs from the CPU, and on until userspace wants the CPU's. */
#define KEEL_QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_LAPIC_MMIO_HOLE | \
			 KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)

static int disable_quirks(struct keel_vm *vm, u64 quirks)
{
	WRITE_ONCE(vm->arch.disabled_quirks, quirks);
	return 0;
}

/* The older one does not tell which there are, and takes any. */
static int disable_quirks2(struct keel_vm *vm, u64 quirks)
{
	return quirks & ~(u64)KEEL_QUIRKS ? -EINVAL : disable_quirks(vm, quirks);
}

static const struct keel_enable_row {
	u32 cap;
	int (*fn)(struct keel_vm *vm, u64 arg);	/* vm->lock held */
} keel_enable_rows[] = {
	{ KVM_CAP_SPLIT_IRQCHIP,	keel_irqchip_split },
	{ KVM_CAP_X2APIC_API,		enable_x2apic_api },
	{ KVM_CAP_MAX_VCPU_ID,		enable_max_vcpu_id },
	{ KVM_CAP_DISABLE_QUIRKS,	disable_quirks },
	{ KVM_CAP_DISABLE_QUIRKS2,	disable_quirks2 },
};

static long vm_enable_cap(struct keel_vm *vm, union keel_arg arg)
{
	const struct kvm_enable_cap *cap = arg.buf;
	long r = -EINVAL;
	unsigned int i;

	if (cap->flags)
		return -EINVAL;
	mutex_lock(&vm->lock);
	for (i = 0; i < ARRAY_SIZE(keel_enable_rows); i++)
		if (keel_enable_rows[i].cap == cap->cap)
			r = keel_enable_rows[i].fn(vm, cap->args[0]);
	mutex_unlock(&vm->lock);
	return r;
}

/* Of a vCPU there is one. */
static long vcpu_enable_cap(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_enable_cap *cap = arg.buf;

	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->arch.pv_enforced = cap->args[0];
	return 0;
}

/* ---- capabilities ---- */

static long cap_xcrs(struct keel_vm *vm)
{
	return boot_cpu_has(X86_FEATURE_XSAVE);
}

static long cap_tsc_scaling(struct keel_vm *vm)
{
	return keel_caps.tsc_scaling;
}

/* What is not listed is not there. Capabilities of virt/ are answered before. */
static const struct keel_cap_row {
	int value;
	long (*fn)(struct keel_vm *vm);
} keel_cap_rows[] = {
	[KVM_CAP_IRQCHIP]		= { 1 },
	[KVM_CAP_HLT]			= { 1 },
	[KVM_CAP_MMU_SHADOW_CACHE_CONTROL] = { 1 },
	[KVM_CAP_SET_TSS_ADDR]		= { 1 },
	[KVM_CAP_EXT_CPUID]		= { 1 },
	[KVM_CAP_CLOCKSOURCE]		= { 1 },
	[KVM_CAP_PIT]			= { 1 },
	[KVM_CAP_NOP_IO_DELAY]		= { 1 },
	[KVM_CAP_MP_STATE]		= { 1 },
	[KVM_CAP_MCE]			= { KEEL_MCE_BANKS },
	[KVM_CAP_USER_NMI]		= { 1 },
	[KVM_CAP_SET_GUEST_DEBUG]	= { 1 },
	[KVM_CAP_REINJECT_CONTROL]	= { 1 },
	[KVM_CAP_PIT2]			= { 1 },
	[KVM_CAP_SET_BOOT_CPU_ID]	= { 1 },
	[KVM_CAP_PIT_STATE2]		= { 1 },
	[KVM_CAP_SET_IDENTITY_MAP_ADDR]	= { 1 },
	[KVM_CAP_ADJUST_CLOCK]		= { KEEL_CLOCK_FLAGS },
	[KVM_CAP_VCPU_EVENTS]		= { 1 },
	[KVM_CAP_DEBUGREGS]		= { 1 },
	[KVM_CAP_X86_ROBUST_SINGLESTEP]	= { 1 },
	[KVM_CAP_XSAVE]			= { 1 },
	[KVM_CAP_XCRS]			= { .fn = cap_xcrs },
	[KVM_CAP_TSC_CONTROL]		= { .fn = cap_tsc_scaling },
	[KVM_CAP_GET_TSC_KHZ]		= { 1 },
	[KVM_CAP_TSC_DEADLINE_TIMER]	= { 1 },
	[KVM_CAP_SYNC_REGS]		= { KVM_SYNC_X86_VALID_FIELDS },
	[KVM_CAP_KVMCLOCK_CTRL]		= { 1 },
	[KVM_CAP_EXT_EMUL_CPUID]	= { 1 },
	[KVM_CAP_IOAPIC_POLARITY_IGNORED] = { 1 },
	[KVM_CAP_ENABLE_CAP_VM]		= { 1 },
	[KVM_CAP_ENABLE_CAP]		= { 1 },
	[KVM_CAP_DISABLE_QUIRKS]	= { 1 },
	[KVM_CAP_DISABLE_QUIRKS2]	= { KEEL_QUIRKS },
	[KVM_CAP_ENFORCE_PV_FEATURE_CPUID] = { 1 },
	[KVM_CAP_SPLIT_IRQCHIP]		= { 1 },
	[KVM_CAP_X2APIC_API]		= { KEEL_X2APIC_API },
	[KVM_CAP_GET_MSR_FEATURES]	= { 1 },
	[KVM_CAP_STEAL_TIME]		= { IS_ENABLED(CONFIG_SCHED_INFO) },
	[KVM_CAP_SET_GUEST_DEBUG2]	= { KEEL_GUESTDBG_KNOWN },
	[KVM_CAP_XSAVE2]		= { .fn = keel_fpu_xsave2_size },
	[KVM_CAP_VM_TSC_CONTROL]	= { .fn = cap_tsc_scaling },
};

long arch_check_extension(struct keel_vm *vm, long cap)
{
	const struct keel_cap_row *row;

	if (cap < 0 || cap >= ARRAY_SIZE(keel_cap_rows))
		return 0;
	row = &keel_cap_rows[array_index_nospec(cap, ARRAY_SIZE(keel_cap_rows))];
	return row->fn ? row->fn(vm) : row->value;
}

/* ---- ioctls of a vCPU that belong to no other file ---- */

static long vcpu_get_lapic(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return keel_apic_get_state(vcpu, arg.buf);
}

static long vcpu_set_lapic(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return keel_apic_set_state(vcpu, arg.buf);
}

/*
 * Reports would let userspace patch the TPR accesses of old 32-bit guests, to make
 * them faster. None are made (KVM_CAP_VAPIC is 0), and clients that ask carry on.
 */
static long vcpu_tpr_access_reporting(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_tpr_access_ctl *ctl = arg.buf;

	return ctl->flags ? -EINVAL : 0;
}

/* The word where such a guest would keep its TPR: must be memory, is not used. */
static long vcpu_set_vapic_addr(struct keel_vcpu *vcpu, union keel_arg arg)
{
	u64 addr = ((const struct kvm_vapic_addr *)arg.buf)->vapic_addr;
	bool backed;

	if (!keel_apic_in_kernel(vcpu))
		return -EINVAL;
	if (!addr)
		return 0;
	if (addr > ULLONG_MAX - sizeof(u32))
		return -EINVAL;
	keel_mem_enter(vcpu);
	backed = keel_gfn_backed(vcpu, addr >> PAGE_SHIFT) &&
		 keel_gfn_backed(vcpu, (addr + sizeof(u32) - 1) >> PAGE_SHIFT);
	keel_mem_leave(vcpu);
	return backed ? 0 : -EINVAL;
}

/* ---- tables ---- */

#define IN	KEEL_IOC_IN
#define OUT	KEEL_IOC_OUT
#define VALUE	KEEL_IOC_VALUE
#define USER	KEEL_IOC_USER

const struct keel_sys_ioctl arch_sys_ioctls[KEEL_NR_IOCTLS] = {
	KEEL_IOCTL(KVM_GET_SUPPORTED_CPUID, USER, keel_ioc_get_supported_cpuid),
	KEEL_IOCTL(KVM_GET_EMULATED_CPUID, USER, keel_ioc_get_emulated_cpuid),
	KEEL_IOCTL(KVM_GET_MSR_INDEX_LIST, USER, keel_ioc_get_msr_index_list),
	KEEL_IOCTL(KVM_GET_MSR_FEATURE_INDEX_LIST, USER, keel_ioc_get_msr_feature_index_list),
	KEEL_IOCTL(KVM_GET_MSRS, USER, keel_ioc_sys_get_msrs),
	KEEL_IOCTL(KVM_X86_GET_MCE_CAP_SUPPORTED, OUT, keel_ioc_get_mce_cap_supported),
};

const struct keel_vm_ioctl arch_vm_ioctls[KEEL_NR_IOCTLS] = {
	KEEL_IOCTL(KVM_SET_TSS_ADDR, VALUE, vm_set_tss_addr),
	KEEL_IOCTL(KVM_SET_IDENTITY_MAP_ADDR, IN, vm_set_identity_map_addr),
	KEEL_IOCTL(KVM_SET_BOOT_CPU_ID, VALUE, vm_set_boot_cpu_id),
	KEEL_IOCTL(KVM_SET_NR_MMU_PAGES, VALUE, vm_set_nr_mmu_pages),
	KEEL_IOCTL(KVM_GET_NR_MMU_PAGES, VALUE, vm_get_nr_mmu_pages),
	KEEL_IOCTL(KVM_CREATE_IRQCHIP, VALUE, vm_create_irqchip),
	KEEL_IOCTL(KVM_GET_IRQCHIP, IN | OUT, vm_get_irqchip),
	KEEL_IOCTL(KVM_SET_IRQCHIP, IN, vm_set_irqchip),
	KEEL_IOCTL(KVM_CREATE_PIT, VALUE, vm_create_pit),
	KEEL_IOCTL(KVM_CREATE_PIT2, IN, vm_create_pit2),
	KEEL_IOCTL(KVM_GET_PIT, OUT, vm_get_pit),
	KEEL_IOCTL(KVM_SET_PIT, IN, vm_set_pit),
	KEEL_IOCTL(KVM_GET_PIT2, OUT, vm_get_pit2),
	KEEL_IOCTL(KVM_SET_PIT2, IN, vm_set_pit2),
	KEEL_IOCTL(KVM_REINJECT_CONTROL, USER, vm_reinject_control),
	KEEL_IOCTL(KVM_GET_CLOCK, OUT, keel_ioc_get_clock),
	KEEL_IOCTL(KVM_SET_CLOCK, IN, keel_ioc_set_clock),
	KEEL_IOCTL(KVM_SET_TSC_KHZ, VALUE, keel_ioc_vm_set_tsc_khz),
	KEEL_IOCTL(KVM_GET_TSC_KHZ, VALUE, keel_ioc_vm_get_tsc_khz),
	KEEL_IOCTL(KVM_ENABLE_CAP, IN, vm_enable_cap),
};

const struct keel_vcpu_ioctl arch_vcpu_ioctls[KEEL_NR_IOCTLS] = {
	KEEL_IOCTL(KVM_GET_REGS, OUT, keel_ioc_get_regs),
	KEEL_IOCTL(KVM_SET_REGS, IN, keel_ioc_set_regs),
	KEEL_IOCTL(KVM_GET_SREGS, OUT, keel_ioc_get_sregs),
	KEEL_IOCTL(KVM_SET_SREGS, IN, keel_ioc_set_sregs),
	KEEL_IOCTL(KVM_TRANSLATE, IN | OUT, keel_ioc_translate),
	KEEL_IOCTL(KVM_GET_FPU, OUT, keel_ioc_get_fpu),
	KEEL_IOCTL(KVM_SET_FPU, IN, keel_ioc_set_fpu),
	KEEL_IOCTL(KVM_GET_XSAVE, OUT, keel_ioc_get_xsave),
	KEEL_IOCTL(KVM_GET_XSAVE2, USER, keel_ioc_get_xsave2),
	KEEL_IOCTL(KVM_SET_XSAVE, USER, keel_ioc_set_xsave),
	KEEL_IOCTL(KVM_GET_XCRS, OUT, keel_ioc_get_xcrs),
	KEEL_IOCTL(KVM_SET_XCRS, IN, keel_ioc_set_xcrs),
	KEEL_IOCTL(KVM_GET_DEBUGREGS, OUT, keel_ioc_get_debugregs),
	KEEL_IOCTL(KVM_SET_DEBUGREGS, IN, keel_ioc_set_debugregs),
	KEEL_IOCTL(KVM_SET_GUEST_DEBUG, IN, keel_ioc_set_guest_debug),
	KEEL_IOCTL(KVM_SET_CPUID, USER, keel_ioc_set_cpuid),
	KEEL_IOCTL(KVM_SET_CPUID2, USER, keel_ioc_set_cpuid2),
	KEEL_IOCTL(KVM_GET_CPUID2, USER, keel_ioc_get_cpuid2),
	KEEL_IOCTL(KVM_ENABLE_CAP, IN, vcpu_enable_cap),
	KEEL_IOCTL(KVM_GET_MSRS, USER, keel_ioc_get_msrs),
	KEEL_IOCTL(KVM_SET_MSRS, USER, keel_ioc_set_msrs),
	KEEL_IOCTL(KVM_X86_SETUP_MCE, IN, keel_ioc_setup_mce),
	KEEL_IOCTL(KVM_X86_SET_MCE, IN, keel_ioc_set_mce),
	KEEL_IOCTL(KVM_GET_LAPIC, OUT, vcpu_get_lapic),
	KEEL_IOCTL(KVM_SET_LAPIC, IN, vcpu_set_lapic),
	KEEL_IOCTL(KVM_TPR_ACCESS_REPORTING, IN | OUT, vcpu_tpr_access_reporting),
	KEEL_IOCTL(KVM_SET_VAPIC_ADDR, IN, vcpu_set_vapic_addr),
	KEEL_IOCTL(KVM_INTERRUPT, IN, keel_ioc_interrupt),
	KEEL_IOCTL(KVM_NMI, VALUE, keel_ioc_nmi),
	KEEL_IOCTL(KVM_GET_VCPU_EVENTS, OUT, keel_ioc_get_vcpu_events),
	KEEL_IOCTL(KVM_SET_VCPU_EVENTS, IN, keel_ioc_set_vcpu_events),
	KEEL_IOCTL(KVM_GET_MP_STATE, OUT, keel_ioc_get_mp_state),
	KEEL_IOCTL(KVM_SET_MP_STATE, IN, keel_ioc_set_mp_state),
	KEEL_IOCTL(KVM_SET_TSC_KHZ, VALUE, keel_ioc_set_tsc_khz),
	KEEL_IOCTL(KVM_GET_TSC_KHZ, VALUE, keel_ioc_get_tsc_khz),
	KEEL_IOCTL(KVM_KVMCLOCK_CTRL, VALUE, keel_ioc_kvmclock_ctrl),
};

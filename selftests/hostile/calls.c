// SPDX-License-Identifier: GPL-2.0
/*
 * calls.c - every ioctl of /dev/keel, with its argument's fields and its errnos
 */
#include <errno.h>
#include "storm.h"

#define AT(type, member)	offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define FIELD(type, member, kind, what)	{ AT(type, member), kind, what, 0, 0 }
/* The same member of @n elements of an array that starts at @array. */
#define EACH(type, array, element, member, kind, what, n)				\
	{ offsetof(struct type, array) + offsetof(struct element, member),		\
	  sizeof(((struct element *)0)->member), kind, what, n, sizeof(struct element) }
/* @n words of @size from a member on. */
#define WORDS(type, member, size, kind, what, n)					\
	{ offsetof(struct type, member), size, kind, what, n, size }

static const struct field cpuid2[] = {
	FIELD(kvm_cpuid2, nent, F_COUNT, 100),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, function, F_RAND, 0, 40),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, index, F_MAX, 4, 40),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, flags, F_BITS, 7, 40),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, eax, F_RAND, 0, 40),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, ebx, F_RAND, 0, 40),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, ecx, F_RAND, 0, 40),
	EACH(kvm_cpuid2, entries, kvm_cpuid_entry2, edx, F_RAND, 0, 40),
};

static const struct field cpuid1[] = {
	FIELD(kvm_cpuid, nent, F_COUNT, 100),
	EACH(kvm_cpuid, entries, kvm_cpuid_entry, function, F_RAND, 0, 40),
	EACH(kvm_cpuid, entries, kvm_cpuid_entry, ecx, F_RAND, 0, 40),
};

static const struct field msr_list[] = {
	FIELD(kvm_msr_list, nmsrs, F_COUNT, 600),
};

static const struct field msrs[] = {
	FIELD(kvm_msrs, nmsrs, F_COUNT, 40),
	FIELD(kvm_msrs, pad, F_ZERO, 0),
	EACH(kvm_msrs, entries, kvm_msr_entry, index, F_MSR, 0, 40),
	EACH(kvm_msrs, entries, kvm_msr_entry, reserved, F_ZERO, 0, 40),
	EACH(kvm_msrs, entries, kvm_msr_entry, data, F_MSR_VALUE, 0, 40),
};

static const struct field region[] = {
	FIELD(kvm_userspace_memory_region, slot, F_MAX, 8),
	FIELD(kvm_userspace_memory_region, flags, F_BITS, 3),
	FIELD(kvm_userspace_memory_region, guest_phys_addr, F_GPA, 0),
	FIELD(kvm_userspace_memory_region, memory_size, F_SIZE, 0),
	FIELD(kvm_userspace_memory_region, userspace_addr, F_HVA, 0),
};

static const struct field dirty_log[] = {
	FIELD(kvm_dirty_log, slot, F_MAX, 8),
	FIELD(kvm_dirty_log, dirty_bitmap, F_HVA, 0),
};

static const struct field irqfd[] = {
	FIELD(kvm_irqfd, fd, F_FD, 0),
	FIELD(kvm_irqfd, gsi, F_GSI, 0),
	FIELD(kvm_irqfd, flags, F_BITS, 3),
	FIELD(kvm_irqfd, resamplefd, F_FD, 0),
	FIELD(kvm_irqfd, pad, F_ZERO, 0),
};

static const struct field ioeventfd[] = {
	FIELD(kvm_ioeventfd, datamatch, F_RAND, 0),
	FIELD(kvm_ioeventfd, addr, F_GPA, 0),
	FIELD(kvm_ioeventfd, len, F_LENGTH, 0),
	FIELD(kvm_ioeventfd, fd, F_FD, 0),
	FIELD(kvm_ioeventfd, flags, F_BITS, 7),
};

static const struct field zone[] = {
	FIELD(kvm_coalesced_mmio_zone, addr, F_GPA, 0),
	FIELD(kvm_coalesced_mmio_zone, size, F_SIZE, 0),
	FIELD(kvm_coalesced_mmio_zone, pio, F_MAX, 1),
};

#define ROUTES	60
static const struct field routing[] = {
	FIELD(kvm_irq_routing, nr, F_COUNT, ROUTES),
	FIELD(kvm_irq_routing, flags, F_ZERO, 0),
	EACH(kvm_irq_routing, entries, kvm_irq_routing_entry, gsi, F_GSI, 0, ROUTES),
	EACH(kvm_irq_routing, entries, kvm_irq_routing_entry, type, F_MAX, 2, ROUTES),
	EACH(kvm_irq_routing, entries, kvm_irq_routing_entry, flags, F_ZERO, 0, ROUTES),
	EACH(kvm_irq_routing, entries, kvm_irq_routing_entry, u.irqchip.irqchip, F_MAX, 2, ROUTES),
	EACH(kvm_irq_routing, entries, kvm_irq_routing_entry, u.irqchip.pin, F_MAX, 23, ROUTES),
	EACH(kvm_irq_routing, entries, kvm_irq_routing_entry, u.msi.data, F_RAND, 0, ROUTES),
};

static const struct field msi[] = {
	FIELD(kvm_msi, address_lo, F_GPA, 0),
	FIELD(kvm_msi, address_hi, F_ZERO, 0),
	FIELD(kvm_msi, data, F_RAND, 0),
	FIELD(kvm_msi, flags, F_ZERO, 0),
};

static const struct field irq_level[] = {
	FIELD(kvm_irq_level, irq, F_GSI, 0),
	FIELD(kvm_irq_level, level, F_MAX, 1),
};

/* An address of memory, or one below 4 GiB. */
static const struct field number64[] = {
	{ 0, 8, F_GPA, 0, 0, 0 },
	{ 0, 8, F_ONE, 0xfffbc000, 0, 0 },
};

static const struct field irqchip[] = {
	FIELD(kvm_irqchip, chip_id, F_MAX, 2),
	WORDS(kvm_irqchip, chip, 8, F_RAND, 0, 64),
};

static const struct field pit_config[] = {
	FIELD(kvm_pit_config, flags, F_BITS, 1),
	WORDS(kvm_pit_config, pad, 4, F_ZERO, 0, 15),
};

static const struct field pit_state[] = {
	WORDS(kvm_pit_state2, channels, 8, F_RAND, 0, 9),
	FIELD(kvm_pit_state2, flags, F_BITS, 1),
};

static const struct field reinject[] = {
	FIELD(kvm_reinject_control, pit_reinject, F_MAX, 1),
};

static const struct field clock_data[] = {
	FIELD(kvm_clock_data, clock, F_RAND, 0),
	FIELD(kvm_clock_data, flags, F_BITS, 4),
	FIELD(kvm_clock_data, realtime, F_RAND, 0),
};

static const struct field enable_cap[] = {
	FIELD(kvm_enable_cap, cap, F_MAX, 240),
	FIELD(kvm_enable_cap, cap, F_ONE, KVM_CAP_SPLIT_IRQCHIP),
	FIELD(kvm_enable_cap, cap, F_ONE, KVM_CAP_X2APIC_API),
	FIELD(kvm_enable_cap, cap, F_ONE, KVM_CAP_MAX_VCPU_ID),
	FIELD(kvm_enable_cap, flags, F_ZERO, 0),
	WORDS(kvm_enable_cap, args, 8, F_MAX, 3, 4),
};

static const struct field regs[] = {
	WORDS(kvm_regs, rax, 8, F_RAND, 0, 16),
	FIELD(kvm_regs, rip, F_GPA, 0),
	FIELD(kvm_regs, rflags, F_RAND, 0),
};

static const struct field sregs[] = {
	WORDS(kvm_sregs, cs, 8, F_RAND, 0, 24),
	WORDS(kvm_sregs, gdt, 8, F_GPA, 0, 4),
	FIELD(kvm_sregs, cr0, F_BITS, 0xe005003f),
	FIELD(kvm_sregs, cr3, F_GPA, 0),
	FIELD(kvm_sregs, cr4, F_BITS, 0x7ff),
	FIELD(kvm_sregs, cr8, F_MAX, 15),
	FIELD(kvm_sregs, efer, F_BITS, 0xd01),
	FIELD(kvm_sregs, apic_base, F_GPA, 0),
	WORDS(kvm_sregs, interrupt_bitmap, 8, F_RAND, 0, 4),
};

static const struct field translation[] = {
	FIELD(kvm_translation, linear_address, F_GPA, 0),
};

static const struct field fpu[] = {
	WORDS(kvm_fpu, fpr, 8, F_RAND, 0, 50),
	FIELD(kvm_fpu, mxcsr, F_BITS, 0xffff),
};

static const struct field xsave[] = {
	WORDS(kvm_xsave, region, 8, F_RAND, 0, 80),
	{ 512, 8, F_BITS, 0xff, 0, 0 },
	{ 520, 8, F_ZERO, 0, 7, 8 },
};

static const struct field xcrs[] = {
	FIELD(kvm_xcrs, nr_xcrs, F_MAX, 2),
	FIELD(kvm_xcrs, flags, F_ZERO, 0),
	EACH(kvm_xcrs, xcrs, kvm_xcr, xcr, F_ZERO, 0, 2),
	EACH(kvm_xcrs, xcrs, kvm_xcr, value, F_BITS, 0xff, 2),
};

static const struct field debugregs[] = {
	WORDS(kvm_debugregs, db, 8, F_RAND, 0, 4),
	FIELD(kvm_debugregs, dr6, F_BITS, 0xffff),
	FIELD(kvm_debugregs, dr7, F_BITS, 0xffffffff),
	FIELD(kvm_debugregs, flags, F_ZERO, 0),
};

static const struct field guest_debug[] = {
	FIELD(kvm_guest_debug, control, F_BITS, 0xf0003),
	WORDS(kvm_guest_debug, arch, 8, F_RAND, 0, 8),
};

static const struct field mce_cap[] = {
	{ 0, 8, F_BITS, 0x100001f, 0, 0 },
};

static const struct field mce[] = {
	WORDS(kvm_x86_mce, status, 8, F_RAND, 0, 4),
	FIELD(kvm_x86_mce, bank, F_MAX, 32),
};

static const struct field lapic[] = {
	{ 0x20, 4, F_RAND, 0, 63, 16 },
};

static const struct field tpr_ctl[] = {
	FIELD(kvm_tpr_access_ctl, enabled, F_MAX, 1),
	FIELD(kvm_tpr_access_ctl, flags, F_ZERO, 0),
};

static const struct field interrupt[] = {
	FIELD(kvm_interrupt, irq, F_MAX, 255),
};

static const struct field events[] = {
	WORDS(kvm_vcpu_events, exception, 1, F_MAX, 31, 4),
	FIELD(kvm_vcpu_events, exception.error_code, F_RAND, 0),
	WORDS(kvm_vcpu_events, interrupt, 1, F_MAX, 1, 4),
	WORDS(kvm_vcpu_events, nmi, 1, F_MAX, 1, 4),
	FIELD(kvm_vcpu_events, sipi_vector, F_MAX, 255),
	FIELD(kvm_vcpu_events, flags, F_BITS, 0x1f),
	WORDS(kvm_vcpu_events, smi, 1, F_ZERO, 0, 4),
};

static const struct field mp_state[] = {
	FIELD(kvm_mp_state, mp_state, F_MAX, 4),
};

/* KICK_SIGNAL must stay able to end KVM_RUN: exec.c takes it out. */
static const struct field signal_mask[] = {
	FIELD(kvm_signal_mask, len, F_ONE, 8),
	{ 4, 8, F_RAND, 0, 0, 0 },
};

#define FIELDS(f)	.fields = f, .nr_fields = ARRAY_SIZE(f)
/* @id's name is taken by the outermost macro: further in it is a number. */
#define POINTER(text, obj, id, f, bytes, get, ...)					\
	{ .name = text, .object = obj, .cmd = id, .size = bytes, .before = get, FIELDS(f), \
	  .errnos = { __VA_ARGS__ } }
#define STRUCT(obj, id, ...)	POINTER(#id, obj, id, __VA_ARGS__)
#define IN(obj, id, f, ...)	POINTER(#id, obj, id, f, _IOC_SIZE(id), 0, __VA_ARGS__)
#define SET(obj, id, f, get, ...) POINTER(#id, obj, id, f, _IOC_SIZE(id), get, __VA_ARGS__)
#define OUT(obj, id, ...)								\
	{ .name = #id, .object = obj, .cmd = id, .size = _IOC_SIZE(id), .errnos = { __VA_ARGS__ } }
#define NUMBER(obj, id, top, ...)							\
	{ .name = #id, .object = obj, .cmd = id, .value = true, .max = top,		\
	  .errnos = { __VA_ARGS__ } }

#define CPUID2_SIZE	(8 + 256 * 40)
#define CPUID1_SIZE	(8 + 256 * 24)
#define MSRS_SIZE	(8 + 256 * 16)
#define LIST_SIZE	(4 + 1024 * 4)
#define ROUTING_SIZE	(8 + 256 * 48)

const struct call calls[] = {
	NUMBER(O_SYS, KVM_GET_API_VERSION, 0, EINVAL),
	{ .name = "KVM_CREATE_VM", .object = O_SYS, .cmd = KVM_CREATE_VM, .value = true,
	  .errnos = { EINVAL, EMFILE, EINTR }, .makes_fd = true },
	NUMBER(O_SYS, KVM_CHECK_EXTENSION, 250, 0),
	NUMBER(O_SYS, KVM_GET_VCPU_MMAP_SIZE, 0, EINVAL),
	STRUCT(O_SYS, KVM_GET_SUPPORTED_CPUID, cpuid2, CPUID2_SIZE, 0, E2BIG),
	STRUCT(O_SYS, KVM_GET_EMULATED_CPUID, cpuid2, CPUID2_SIZE, 0, E2BIG),
	STRUCT(O_SYS, KVM_GET_MSR_INDEX_LIST, msr_list, LIST_SIZE, 0, E2BIG),
	STRUCT(O_SYS, KVM_GET_MSR_FEATURE_INDEX_LIST, msr_list, LIST_SIZE, 0, E2BIG),
	STRUCT(O_SYS, KVM_GET_MSRS, msrs, MSRS_SIZE, 0, E2BIG),
	OUT(O_SYS, KVM_X86_GET_MCE_CAP_SUPPORTED, 0),

	NUMBER(O_VM, KVM_CHECK_EXTENSION, 250, 0),
	{ .name = "KVM_CREATE_VCPU", .object = O_VM, .cmd = KVM_CREATE_VCPU, .value = true,
	  .max = 8, .errnos = { EINVAL, EEXIST, EMFILE }, .makes_fd = true },
	IN(O_VM, KVM_SET_USER_MEMORY_REGION, region, EINVAL, EEXIST),
	IN(O_VM, KVM_GET_DIRTY_LOG, dirty_log, EINVAL, ENOENT),
	IN(O_VM, KVM_IRQFD, irqfd, EINVAL, EBADF, EBUSY, EAGAIN),
	IN(O_VM, KVM_IOEVENTFD, ioeventfd, EINVAL, EBADF, EEXIST, ENOENT, ENOSPC),
	IN(O_VM, KVM_REGISTER_COALESCED_MMIO, zone, EINVAL, ENOSPC, EEXIST),
	IN(O_VM, KVM_UNREGISTER_COALESCED_MMIO, zone, EINVAL),
	STRUCT(O_VM, KVM_SET_GSI_ROUTING, routing, ROUTING_SIZE, 0, EINVAL),
	IN(O_VM, KVM_SIGNAL_MSI, msi, EINVAL, EPERM, ENXIO),
	IN(O_VM, KVM_IRQ_LINE, irq_level, ENXIO, EINVAL),
	IN(O_VM, KVM_IRQ_LINE_STATUS, irq_level, ENXIO, EINVAL),
	NUMBER(O_VM, KVM_SET_TSS_ADDR, 0xffffffff, EINVAL),
	IN(O_VM, KVM_SET_IDENTITY_MAP_ADDR, number64, EINVAL),
	NUMBER(O_VM, KVM_SET_BOOT_CPU_ID, 8, EINVAL, EBUSY),
	NUMBER(O_VM, KVM_SET_NR_MMU_PAGES, 4096, EINVAL),
	NUMBER(O_VM, KVM_GET_NR_MMU_PAGES, 0, 0),
	NUMBER(O_VM, KVM_CREATE_IRQCHIP, 0, EEXIST, EINVAL),
	SET(O_VM, KVM_GET_IRQCHIP, irqchip, 0, ENXIO, EINVAL),
	SET(O_VM, KVM_SET_IRQCHIP, irqchip, KVM_GET_IRQCHIP,
	       ENXIO, EINVAL),
	NUMBER(O_VM, KVM_CREATE_PIT, 0, EEXIST, ENOENT, ENXIO, EINVAL),
	IN(O_VM, KVM_CREATE_PIT2, pit_config, EEXIST, ENOENT, ENXIO, EINVAL),
	OUT(O_VM, KVM_GET_PIT, ENXIO),
	SET(O_VM, KVM_SET_PIT, pit_state, KVM_GET_PIT, ENXIO, EINVAL),
	OUT(O_VM, KVM_GET_PIT2, ENXIO),
	SET(O_VM, KVM_SET_PIT2, pit_state, KVM_GET_PIT2, ENXIO, EINVAL),
	STRUCT(O_VM, KVM_REINJECT_CONTROL, reinject, sizeof(struct kvm_reinject_control), 0, ENXIO,
	       EINVAL),
	OUT(O_VM, KVM_GET_CLOCK, 0),
	SET(O_VM, KVM_SET_CLOCK, clock_data, KVM_GET_CLOCK, EINVAL),
	{ .name = "KVM_SET_TSC_KHZ", .object = O_VM, .cmd = KVM_SET_TSC_KHZ, .value = true,
	  .max = 5000000, .before = KVM_GET_TSC_KHZ, .errnos = { EINVAL } },
	NUMBER(O_VM, KVM_GET_TSC_KHZ, 0, 0),
	IN(O_VM, KVM_ENABLE_CAP, enable_cap, EINVAL, EEXIST),

	NUMBER(O_VCPU, KVM_RUN, 0, EINTR, EAGAIN, EINVAL),
	IN(O_VCPU, KVM_SET_SIGNAL_MASK, signal_mask, EINVAL),
	OUT(O_VCPU, KVM_GET_REGS, 0),
	SET(O_VCPU, KVM_SET_REGS, regs, KVM_GET_REGS, EINVAL),
	OUT(O_VCPU, KVM_GET_SREGS, 0),
	SET(O_VCPU, KVM_SET_SREGS, sregs, KVM_GET_SREGS, EINVAL),
	IN(O_VCPU, KVM_TRANSLATE, translation, 0),
	OUT(O_VCPU, KVM_GET_FPU, 0),
	SET(O_VCPU, KVM_SET_FPU, fpu, KVM_GET_FPU, EINVAL),
	OUT(O_VCPU, KVM_GET_XSAVE, EINVAL),
	STRUCT(O_VCPU, KVM_GET_XSAVE2, xsave, 16384, 0, EINVAL),
	STRUCT(O_VCPU, KVM_SET_XSAVE, xsave, 16384, KVM_GET_XSAVE, EINVAL),
	OUT(O_VCPU, KVM_GET_XCRS, EINVAL),
	SET(O_VCPU, KVM_SET_XCRS, xcrs, KVM_GET_XCRS, EINVAL),
	OUT(O_VCPU, KVM_GET_DEBUGREGS, 0),
	SET(O_VCPU, KVM_SET_DEBUGREGS, debugregs, KVM_GET_DEBUGREGS, EINVAL),
	IN(O_VCPU, KVM_SET_GUEST_DEBUG, guest_debug, EINVAL, EBUSY),
	STRUCT(O_VCPU, KVM_SET_CPUID, cpuid1, CPUID1_SIZE, 0, EINVAL, E2BIG),
	STRUCT(O_VCPU, KVM_SET_CPUID2, cpuid2, CPUID2_SIZE, KVM_GET_CPUID2, EINVAL, E2BIG),
	STRUCT(O_VCPU, KVM_GET_CPUID2, cpuid2, CPUID2_SIZE, 0, E2BIG),
	STRUCT(O_VCPU, KVM_GET_MSRS, msrs, MSRS_SIZE, 0, E2BIG, EINVAL),
	STRUCT(O_VCPU, KVM_SET_MSRS, msrs, MSRS_SIZE, 0, E2BIG, EINVAL),
	IN(O_VCPU, KVM_X86_SETUP_MCE, mce_cap, EINVAL),
	IN(O_VCPU, KVM_X86_SET_MCE, mce, EINVAL),
	OUT(O_VCPU, KVM_GET_LAPIC, EINVAL),
	SET(O_VCPU, KVM_SET_LAPIC, lapic, KVM_GET_LAPIC, EINVAL),
	IN(O_VCPU, KVM_TPR_ACCESS_REPORTING, tpr_ctl, EINVAL),
	IN(O_VCPU, KVM_SET_VAPIC_ADDR, number64, EINVAL),
	IN(O_VCPU, KVM_INTERRUPT, interrupt, EINVAL, ENXIO, EEXIST),
	NUMBER(O_VCPU, KVM_NMI, 0, 0),
	OUT(O_VCPU, KVM_GET_VCPU_EVENTS, 0),
	SET(O_VCPU, KVM_SET_VCPU_EVENTS, events, KVM_GET_VCPU_EVENTS, EINVAL),
	OUT(O_VCPU, KVM_GET_MP_STATE, 0),
	IN(O_VCPU, KVM_SET_MP_STATE, mp_state, EINVAL),
	{ .name = "KVM_SET_TSC_KHZ", .object = O_VCPU, .cmd = KVM_SET_TSC_KHZ, .value = true,
	  .max = 5000000, .before = KVM_GET_TSC_KHZ, .errnos = { EINVAL } },
	NUMBER(O_VCPU, KVM_GET_TSC_KHZ, 0, 0),
	NUMBER(O_VCPU, KVM_KVMCLOCK_CTRL, 0, EINVAL),
};

const unsigned int nr_calls = ARRAY_SIZE(calls);

bool call_may_fail_with(const struct call *c, int error)
{
	unsigned int i;

	if (error == ENOMEM || (error == EFAULT && (!c->value || c->cmd == KVM_RUN)))
		return true;
	for (i = 0; i < MAX_ERRNOS; i++)
		if (error && c->errnos[i] == error)
			return true;
	return false;
}

const struct call *call_find(enum object object, unsigned long cmd)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].object == object && calls[i].cmd == cmd)
			return &calls[i];
	return NULL;
}

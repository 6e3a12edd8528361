// SPDX-License-Identifier: GPL-2.0
/*
 * caps.c - KVM_ENABLE_CAP: what a VM or a vCPU does differently when it is asked to
 */
#include <linux/kvm_para.h>
#include "abi.h"

#define QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_LAPIC_MMIO_HOLE | \
		 KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)

static struct vm vm;
static struct vcpu c;

/* ---- quirks ---- */

TEST(quirks)
{
	make_vm(&vm, VM_NO_MEM);
	EXPECT_EQ(cap(KVM_CAP_DISABLE_QUIRKS), 1);
	EXPECT_EQ(cap(KVM_CAP_DISABLE_QUIRKS2) & QUIRKS, QUIRKS);
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_DISABLE_QUIRKS2, QUIRKS));
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_DISABLE_QUIRKS2, 0));
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_DISABLE_QUIRKS2, QUIRKS | 1U << 30), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_DISABLE_QUIRKS2, 1UL << 32), EINVAL);
	EXPECT_OK(enable_cap(vm.fd, KVM_CAP_DISABLE_QUIRKS, ~0UL));
}

/* A VM with these quirks off, before its vCPU comes; the code is 64 bit. */
static void make_without(unsigned int flags, uint64_t quirks, const void *code, const void *end)
{
	make_vm(&vm, flags);
	ASSERT_OK(enable_cap(vm.fd, KVM_CAP_DISABLE_QUIRKS2, quirks));
	guest_code(&vm, CODE, code, end);
	make_vcpu(&c, &vm, 0);
	set_all_cpuid(&c);
	start_long(&c, CODE);
}

GUEST(64, out_7e, "out %al, $0x7e\n" GUEST_OUT);

/* With it, RIP is past the instruction when userspace sees the exit. */
TEST(quirk_out_7e)
{
	make_without(0, 0, out_7e, out_7e_end);
	run_to_out(&c, 0x7e);
	EXPECT_EQ(get_regs(&c).rip, CODE + 2);
	run_to_out(&c, DONE_PORT);
	drop_vcpu(&c);
	drop_vm(&vm);

	make_without(0, KVM_X86_QUIRK_OUT_7E_INC_RIP, out_7e, out_7e_end);
	run_to_out(&c, 0x7e);
	EXPECT_EQ(get_regs(&c).rip, CODE);
	run_to_out(&c, DONE_PORT);
}

#define LVT_LINT0	0x350

static uint32_t lint0_at_reset(uint64_t quirks)
{
	struct kvm_lapic_state s;
	uint32_t val;

	make_without(VM_IRQCHIP, quirks, out_7e, out_7e_end);
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &s));
	memcpy(&val, s.regs + LVT_LINT0, sizeof(val));
	drop_vcpu(&c);
	drop_vm(&vm);
	return val;
}

/* With it, the first CPU's LINT0 takes the PIC's interrupts as if a BIOS had set it up. */
TEST(quirk_lint0)
{
	EXPECT_EQ(lint0_at_reset(0), 0x700);
	EXPECT_EQ(lint0_at_reset(KVM_X86_QUIRK_LINT0_REENABLED), 0x10000);
}

GUEST(64, read_apic,
	"mov $0xfee00020, %ebx\n"
	"mov (%rbx), %eax\n"
	GUEST_OUT);

static void make_apic_off(uint64_t quirks)
{
	struct kvm_sregs s;

	make_without(VM_IRQCHIP, quirks, read_apic, read_apic_end);
	s = get_sregs(&c);
	s.apic_base &= ~(1UL << 11);
	set_sregs(&c, &s);
}

/* With it, the page of an APIC that is off reads as ones; without, it is userspace's. */
TEST(quirk_apic_hole)
{
	make_apic_off(0);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0xffffffff);
	drop_vcpu(&c);
	drop_vm(&vm);

	make_apic_off(KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.phys_addr, 0xfee00020);
	EXPECT_EQ(c.run->mmio.len, 4);
	EXPECT_FALSE(c.run->mmio.is_write);
	memcpy(c.run->mmio.data, "\x11\x22\x33\x44", 4);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0x44332211);
}

#define MISC_ENABLE		0x1a0
#define MISC_ENABLE_MWAIT	(1UL << 18)
#define CPUID_MWAIT		(1U << 3)

static bool has_mwait(void)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + 256 * sizeof(t->entries[0]));
	bool has;

	t->nent = 256;
	ASSERT_OK(ioctl(c.fd, KVM_GET_CPUID2, t));
	has = find_cpuid(t, 1, 0)->ecx & CPUID_MWAIT;
	free(t);
	return has;
}

/* With it, CPUID's MWAIT is what userspace set; without, it is MISC_ENABLE's. */
TEST(quirk_mwait)
{
	bool before;
	uint64_t val;

	make_without(0, 0, out_7e, out_7e_end);
	ASSERT_EQ(get_msr(&c, MISC_ENABLE, &val), 1);
	before = has_mwait();
	ASSERT_EQ(set_msr(&c, MISC_ENABLE, val ^ MISC_ENABLE_MWAIT), 1);
	EXPECT_EQ(has_mwait(), before);
	drop_vcpu(&c);
	drop_vm(&vm);

	make_without(0, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT, out_7e, out_7e_end);
	ASSERT_EQ(set_msr(&c, MISC_ENABLE, val | MISC_ENABLE_MWAIT), 1);
	EXPECT_TRUE(has_mwait());
	ASSERT_EQ(set_msr(&c, MISC_ENABLE, val & ~MISC_ENABLE_MWAIT), 1);
	EXPECT_FALSE(has_mwait());
}

/* ---- paravirtual features that CPUID does not offer ---- */

GUEST(64, kick_by_vmcall, "vmcall\n" GUEST_OUT);
GUEST(64, kick_by_vmmcall, "vmmcall\n" GUEST_OUT);

static int64_t kick_result(void)
{
	struct kvm_regs r;

	start_long(&c, CODE);
	r = get_regs(&c);
	r.rax = KVM_HC_KICK_CPU;
	r.rbx = 0;
	r.rcx = 77;		/* nobody's APIC ID */
	set_regs(&c, &r);
	run_to_out(&c, DONE_PORT);
	return get_regs(&c).rax;
}

/* CPUID without KVM's leaves. */
static void set_no_pv(void)
{
	struct kvm_cpuid2 *t = supported_cpuid();
	unsigned int i;

	for (i = 0; i < t->nent; i++)
		if (t->entries[i].function == KVM_CPUID_FEATURES)
			t->entries[i].eax = 0;
	ASSERT_OK(ioctl(c.fd, KVM_SET_CPUID2, t));
}

static void make_no_pv(void)
{
	make_vm(&vm, VM_IRQCHIP);
	if (on_host("intel"))
		guest_code(&vm, CODE, kick_by_vmcall, kick_by_vmcall_end);
	else
		guest_code(&vm, CODE, kick_by_vmmcall, kick_by_vmmcall_end);
	make_vcpu(&c, &vm, 0);
	set_no_pv();
}

TEST(enforced_pv)
{
	make_no_pv();
	EXPECT_EQ(cap(KVM_CAP_ENFORCE_PV_FEATURE_CPUID), 1);
	EXPECT_EQ(kick_result(), 0);
	ASSERT_OK(enable_cap(c.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1));
	EXPECT_EQ(kick_result(), -KVM_ENOSYS);
	ASSERT_OK(enable_cap(c.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0));
	EXPECT_EQ(kick_result(), 0);
}

GUEST(64, read_wall_clock, "rdmsr\n" GUEST_OUT);

/* An MSR of such a feature is not there. The exception ends the guest, which has no IDT. */
TEST(enforced_pv_msr)
{
	struct kvm_regs r;

	make_no_pv();
	guest_code(&vm, CODE, read_wall_clock, read_wall_clock_end);
	ASSERT_OK(enable_cap(c.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1));
	start_long(&c, CODE);
	r = get_regs(&c);
	r.rcx = MSR_KVM_WALL_CLOCK_NEW;
	set_regs(&c, &r);
	run_to(&c, KVM_EXIT_SHUTDOWN);
}

/* Nor for userspace. */
TEST(enforced_pv_host)
{
	uint64_t val;

	make_no_pv();
	EXPECT_EQ(set_msr(&c, MSR_KVM_SYSTEM_TIME_NEW, DATA | 1), 1);
	EXPECT_EQ(get_msr(&c, MSR_KVM_SYSTEM_TIME_NEW, &val), 1);
	EXPECT_EQ(val, DATA | 1);
	ASSERT_OK(enable_cap(c.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1));
	EXPECT_EQ(set_msr(&c, MSR_KVM_SYSTEM_TIME_NEW, 0), 0);
	EXPECT_EQ(get_msr(&c, MSR_KVM_SYSTEM_TIME_NEW, &val), 0);
	EXPECT_EQ(set_msr(&c, MSR_KVM_STEAL_TIME, 0), 0);
}

TEST(vcpu_cap_errors)
{
	struct kvm_enable_cap e = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = 1 };

	make_no_pv();
	EXPECT_ERR(ioctl(c.fd, KVM_ENABLE_CAP, &e), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_ENABLE_CAP, BAD_PTR), EFAULT);
	EXPECT_ERR(enable_cap(c.fd, KVM_CAP_X2APIC_API, 1), EINVAL);
	EXPECT_ERR(enable_cap(vm.fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1), EINVAL);
	EXPECT_ERR(enable_cap(c.fd, ~0U, 1), EINVAL);
}

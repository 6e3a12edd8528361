// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/kvm_para.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "mmu/gtlb.h"
#include "regs.h"

/* State components that Keel keeps for a guest: none that a process needs permission for. */
#define KEEL_XCR0	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 | \
			 XFEATURE_MASK_PKRU)
/* Guest physical addresses that second-level tables reach, by their levels. */
#define KEEL_GPA_BITS	(keel_caps.s2_levels == 5 ? 52 : 48)

/* What this host offers; constant after load. */
static struct kvm_cpuid_entry2 supported[CPUID_MAX_SUPPORTED];
static struct keel_cpuid supported_table = { .e = supported };
static u64 supported_features;
static u64 host_xcr0;
static struct cpuid_xstate host_xstate;

static void host_query(u32 leaf, u32 subleaf, struct cpuid_out *o)
{
	cpuid_count(leaf, subleaf, &o->reg[CPUID_REG_EAX], &o->reg[CPUID_REG_EBX],
		    &o->reg[CPUID_REG_ECX], &o->reg[CPUID_REG_EDX]);
}

bool keel_host_is_amd(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

bool keel_host_offers(enum keel_guest_feature f)
{
	return supported_features & BIT_ULL(f);
}

static u32 host_pv_features(void)
{
	u32 pv = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
		 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_PV_UNHALT) |
		 BIT(KVM_FEATURE_PV_SEND_IPI) | BIT(KVM_FEATURE_POLL_CONTROL) |
		 BIT(KVM_FEATURE_PV_SCHED_YIELD) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);

	return sched_info_on() ? pv | BIT(KVM_FEATURE_STEAL_TIME) : pv;
}

static u64 find_host_xcr0(void)
{
	u64 xcr0;

	if (!boot_cpu_has(X86_FEATURE_OSXSAVE))
		return 0;
	xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & KEEL_XCR0;
	return boot_cpu_has(X86_FEATURE_OSPKE) ? xcr0 : xcr0 & ~XFEATURE_MASK_PKRU;
}

int keel_cpuid_setup(void)
{
	struct cpuid_host h = {
		.query = host_query,
		.caps = boot_cpu_data.x86_capability,
		.xcr0 = find_host_xcr0(),
		.xss = keel_caps.xss,
		.pv_features = host_pv_features(),
		.max_gpa_bits = KEEL_GPA_BITS,
		.amd = keel_host_is_amd(),
		.intel = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL,
	};
	int n;

	n = cpuid_supported(&h, supported, ARRAY_SIZE(supported));
	if (n < 0)
		return n;
	supported_table.nent = n;
	cpuid_index(&supported_table);
	supported_features = cpuid_features(&supported_table);
	host_xcr0 = h.xcr0;
	cpuid_xstate_probe(&h, &host_xstate);
	return 0;
}

/* ---- a vCPU's table ---- */

static struct keel_cpuid *table_alloc(unsigned int nent)
{
	struct keel_cpuid *t;

	t = kvzalloc(sizeof(*t) + nent * sizeof(*t->e), GFP_KERNEL_ACCOUNT);
	if (!t)
		return NULL;
	t->nent = nent;
	t->e = (struct kvm_cpuid_entry2 *)(t + 1);
	return t;
}

/* Until userspace has said what CPU it is, it is any that the host can be. */
int keel_cpuid_init(struct keel_vcpu *vcpu)
{
	struct keel_vcpu_arch *a = &vcpu->arch;

	a->cpuid = table_alloc(0);
	if (!a->cpuid)
		return -ENOMEM;
	a->features = 0;
	a->maxphyaddr = cpuid_maxphyaddr(a->cpuid);
	a->cr4_reserved = ~cpuid_cr4(supported_features);
	a->efer_reserved = ~(keel_caps.efer & cpuid_efer(supported_features));
	a->xcr0_supported = XFEATURE_MASK_FP;
	return 0;
}

void keel_cpuid_destroy(struct keel_vcpu *vcpu)
{
	kvfree(vcpu->arch.cpuid);
	vcpu->arch.cpuid = NULL;
}

static void table_update_runtime(struct keel_vcpu *vcpu, struct keel_cpuid *t)
{
	struct keel_vcpu_arch *a = &vcpu->arch;
	u64 cr4 = keel_cr4(vcpu);
	struct cpuid_runtime rt = {
		.osxsave = cr4 & X86_CR4_OSXSAVE,
		.ospke = cr4 & X86_CR4_PKE,
		.apic = keel_apic_get_base(vcpu) & MSR_IA32_APICBASE_ENABLE,
		.follow_mwait = !keel_guest_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT),
		.mwait = a->misc_enable & MSR_IA32_MISC_ENABLE_MWAIT,
		.xcr0 = a->xcr0,
		.xss = a->xss,
	};

	cpuid_set_runtime(t, &host_xstate, &rt);
}

void keel_cpuid_update_runtime(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.cpuid)
		table_update_runtime(vcpu, vcpu->arch.cpuid);
}

bool keel_guest_is_amd(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.cpuid->amd;
}

u64 keel_guest_xss(const struct keel_vcpu *vcpu)
{
	return cpuid_xss(vcpu->arch.cpuid) & keel_caps.xss;
}

/* Everything that follows from the table in force. */
static void table_apply(struct keel_vcpu *vcpu)
{
	struct keel_vcpu_arch *a = &vcpu->arch;
	u64 both;

	a->features = cpuid_features(a->cpuid);
	both = a->features & supported_features;
	a->maxphyaddr = cpuid_maxphyaddr(a->cpuid);
	a->cr4_reserved = ~cpuid_cr4(both);
	a->efer_reserved = ~(keel_caps.efer & cpuid_efer(both));
	a->xcr0_supported = (cpuid_xcr0(a->cpuid) & host_xcr0) | XFEATURE_MASK_FP;
	keel_gtlb_forget(vcpu);
	if (keel_apic_in_kernel(vcpu))
		keel_apic_cpuid_changed(vcpu);
	keel_op(update_intercepts)(vcpu);
}

/* What a guest has seen of its CPU must not change below it. */
static bool has_run(struct keel_vcpu *vcpu)
{
	return rcu_access_pointer(vcpu->pid);
}

/* Takes over @t on success. */
static int table_set(struct keel_vcpu *vcpu, struct keel_cpuid *t)
{
	struct keel_cpuid *old = vcpu->arch.cpuid;
	int r;

	cpuid_index(t);
	r = cpuid_check(t);
	if (r)
		return r;
	table_update_runtime(vcpu, t);
	if (has_run(vcpu)) {
		table_update_runtime(vcpu, old);
		if (!cpuid_equal(old, t))
			return -EINVAL;
	}
	vcpu->arch.cpuid = t;
	kvfree(old);
	table_apply(vcpu);
	return 0;
}

/* ---- the instruction ---- */

void keel_cpuid_query(struct keel_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	struct cpuid_out o;

	cpuid_read(vcpu->arch.cpuid, *eax, *ecx, &o);
	*eax = o.reg[CPUID_REG_EAX];
	*ebx = o.reg[CPUID_REG_EBX];
	*ecx = o.reg[CPUID_REG_ECX];
	*edx = o.reg[CPUID_REG_EDX];
}

static bool cpuid_faults(struct keel_vcpu *vcpu)
{
	return (vcpu->arch.misc_features & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT) &&
	       keel_op(get_cpl)(vcpu) > 0;
}

/* A leaf that the table does not have. */
static noinline int cpuid_unlisted(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 eax = keel_reg_read(vcpu, KEEL_RAX);
	u32 ecx = keel_reg_read(vcpu, KEEL_RCX);
	u32 ebx, edx;

	keel_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	keel_reg_write(vcpu, KEEL_RAX, eax);
	keel_reg_write(vcpu, KEEL_RBX, ebx);
	keel_reg_write(vcpu, KEEL_RCX, ecx);
	keel_reg_write(vcpu, KEEL_RDX, edx);
	return keel_skip(vcpu, exit);
}

int keel_cpuid_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u32 eax = keel_reg_read(vcpu, KEEL_RAX);
	u32 ecx = keel_reg_read(vcpu, KEEL_RCX);
	const struct kvm_cpuid_entry2 *e;

	if (cpuid_faults(vcpu)) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	e = cpuid_find(vcpu->arch.cpuid, eax, ecx);
	if (unlikely(!e))
		return cpuid_unlisted(vcpu, exit);
	keel_reg_write(vcpu, KEEL_RAX, e->eax);
	keel_reg_write(vcpu, KEEL_RBX, e->ebx);
	keel_reg_write(vcpu, KEEL_RCX, e->ecx);
	keel_reg_write(vcpu, KEEL_RDX, e->edx);
	return keel_skip(vcpu, exit);
}

/* ---- ioctls ---- */

/* @t to a struct kvm_cpuid2 whose nent says how much room there is. */
static long table_to_user(struct kvm_cpuid2 __user *user, const struct keel_cpuid *t)
{
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent < t->nent)
		return -E2BIG;
	head.nent = t->nent;
	if (copy_to_user(user->entries, t->e, t->nent * sizeof(*t->e)) ||
	    copy_to_user(user, &head, sizeof(head)))
		return -EFAULT;
	return 0;
}

long keel_ioc_get_supported_cpuid(union keel_arg arg)
{
	return table_to_user(arg.user, &supported_table);
}

/* Nothing is emulated that the host does not have, beyond what is in the supported table. */
long keel_ioc_get_emulated_cpuid(union keel_arg arg)
{
	static const struct keel_cpuid none;
	struct kvm_cpuid2 head;

	if (copy_from_user(&head, arg.user, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;	/* as the ABI has it for both lists of the system */
	return table_to_user(arg.user, &none);
}

long keel_ioc_get_cpuid2(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return table_to_user(arg.user, vcpu->arch.cpuid);
}

long keel_ioc_set_cpuid2(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_cpuid2 __user *user = arg.user;
	struct kvm_cpuid2 head;
	struct keel_cpuid *t;
	int r = -EFAULT;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > CPUID_MAX_ENTRIES)
		return -E2BIG;
	t = table_alloc(head.nent);
	if (!t)
		return -ENOMEM;
	if (!copy_from_user(t->e, user->entries, head.nent * sizeof(*t->e)))
		r = table_set(vcpu, t);
	if (r)
		kvfree(t);
	return r;
}

/* The old form has no subleaves. */
static int copy_old_entries(struct keel_cpuid *t, const struct kvm_cpuid_entry __user *user)
{
	struct kvm_cpuid_entry old;
	unsigned int i;

	for (i = 0; i < t->nent; i++) {
		if (copy_from_user(&old, &user[i], sizeof(old)))
			return -EFAULT;
		t->e[i] = (struct kvm_cpuid_entry2) {
			.function = old.function,
			.eax = old.eax, .ebx = old.ebx, .ecx = old.ecx, .edx = old.edx,
		};
	}
	return 0;
}

long keel_ioc_set_cpuid(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_cpuid __user *user = arg.user;
	struct kvm_cpuid head;
	struct keel_cpuid *t;
	int r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > CPUID_MAX_ENTRIES)
		return -E2BIG;
	t = table_alloc(head.nent);
	if (!t)
		return -ENOMEM;
	r = copy_old_entries(t, user->entries);
	if (!r)
		r = table_set(vcpu, t);
	if (r)
		kvfree(t);
	return r;
}

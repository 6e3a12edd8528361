/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cpuid.h - what CPUID tells the guest, and what of it Keel acts on
 *
 * cpuid.c keeps a vCPU's table; what Keel offers and how a table is read are
 * logic cores, see cpuid_policy.h.
 */
#ifndef KEEL_X86_CPUID_H
#define KEEL_X86_CPUID_H

#include <keel/vcpu.h>
#include "cpuid_policy.h"
#include "exit.h"

/* vCPU thread. False for all until CPUID is set. */
static inline bool keel_guest_has(const struct keel_vcpu *vcpu, enum keel_guest_feature f)
{
	return vcpu->arch.features & BIT_ULL(f);
}

/* Of CR4, what CPUID shows: after a change of it keel_cpuid_update_runtime(). */
#define KEEL_CR4_IN_CPUID	(X86_CR4_OSXSAVE | X86_CR4_PKE)

/* May the guest use a paravirtual feature? Any, unless KVM_CAP_ENFORCE_PV_FEATURE_CPUID. */
static inline bool keel_guest_may_pv(const struct keel_vcpu *vcpu, enum keel_guest_feature f)
{
	return !vcpu->arch.pv_enforced || keel_guest_has(vcpu, f);
}

/* Any context. Is @quirk (one KVM_X86_QUIRK_*) on, as it is until userspace disables it? */
static inline bool keel_guest_quirk(const struct keel_vm *vm, u64 quirk)
{
	return !(READ_ONCE(vm->arch.disabled_quirks) & quirk);
}

bool keel_guest_is_amd(const struct keel_vcpu *vcpu);	/* by the vendor string it was given */
bool keel_host_offers(enum keel_guest_feature f);	/* in KVM_GET_SUPPORTED_CPUID */
bool keel_host_is_amd(void);
u64 keel_guest_xss(const struct keel_vcpu *vcpu);	/* bits IA32_XSS may have */

/*
 * Load: host's and Keel's limits into the table. After the backend's setup: keel_caps
 * is read.
 */
int keel_cpuid_setup(void);
int keel_cpuid_init(struct keel_vcpu *vcpu);	/* -ENOMEM */
void keel_cpuid_destroy(struct keel_vcpu *vcpu);

/*
 * The guest executes CPUID; leaf, subleaf in, four registers out. Dynamic bits (OSXSAVE,
 * APIC) in.
 */
void keel_cpuid_query(struct keel_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
int keel_cpuid_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);
/* CR4, XCR0, XSS, APIC base or MISC_ENABLE changed: bits that follow them. */
void keel_cpuid_update_runtime(struct keel_vcpu *vcpu);

long keel_ioc_get_supported_cpuid(union keel_arg arg);	/* USER; -E2BIG */
long keel_ioc_get_emulated_cpuid(union keel_arg arg);	/* USER; none; -E2BIG: nent is 0 */
/* -E2BIG: more than CPUID_MAX_ENTRIES; -EINVAL: impossible, or a change after KVM_RUN. */
long keel_ioc_set_cpuid(struct keel_vcpu *vcpu, union keel_arg arg);	/* USER */
long keel_ioc_set_cpuid2(struct keel_vcpu *vcpu, union keel_arg arg);	/* USER */
long keel_ioc_get_cpuid2(struct keel_vcpu *vcpu, union keel_arg arg);	/* USER; -E2BIG */

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * msr_table.c - every MSR a guest or userspace can reach
 *
 * Registers that exist on real CPUs and that operating systems touch without asking
 * read as harmless constants here; what is not in the table is #GP.
 */
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/kvm_para.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <keel/compat.h>
#include <keel/mtrr.h>
#include "clock.h"
#include "cpuid.h"
#include "irqchip/irqchip.h"
#include "msr_table.h"
#include "regs.h"

/* ---- addresses ---- */

static u64 sign_extend_address(struct keel_vcpu *vcpu, u64 addr)
{
	return sign_extend64(addr, keel_cr4(vcpu) & X86_CR4_LA57 ? 56 : 47);
}

static int check_canonical(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return rq->val == sign_extend_address(vcpu, rq->val) ? 0 : -EINVAL;
}

/* AMD's CPUs do not fault here; Intel's entry needs a canonical address. Both get one. */
static int make_canonical(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = sign_extend_address(vcpu, rq->val);
	return 0;
}

/* ---- time ---- */

static int get_tsc(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = keel_guest_tsc(vcpu);
	return 0;
}

static int set_tsc(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	keel_tsc_write(vcpu, rq->val, rq->host);
	return 0;
}

static int set_tsc_adjust(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	keel_tsc_adjust_write(vcpu, rq->val, rq->host);
	return 0;
}

/* 32 bits; AMD's CPUs drop the rest, Intel's fault. */
static int check_tsc_aux(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (upper_32_bits(rq->val) && !rq->host && !keel_guest_is_amd(vcpu))
		return -EINVAL;
	rq->val = lower_32_bits(rq->val);
	return 0;
}

/* ---- APIC ---- */

static int get_apic_base(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = keel_apic_get_base(vcpu);
	return 0;
}

static int set_apic_base(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	int r = keel_apic_set_base(vcpu, rq->val, rq->host);

	if (!r)
		keel_cpuid_update_runtime(vcpu);
	return r;
}

static int get_x2apic(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return keel_apic_msr_read(vcpu, rq->msr, &rq->val);
}

static int set_x2apic(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return keel_apic_msr_write(vcpu, rq->msr, rq->val);
}

static int get_deadline(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = keel_apic_get_tsc_deadline(vcpu);
	return 0;
}

static int set_deadline(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	keel_apic_set_tsc_deadline(vcpu, rq->val);
	return 0;
}

/* ---- memory types ---- */

static int check_pat(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return mtrr_pat_valid(rq->val) ? 0 : -EINVAL;
}

static int get_mtrr(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return mtrr_read(&vcpu->arch.mtrr, rq->msr, &rq->val) ? -EINVAL : 0;
}

static int set_mtrr(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return mtrr_write(&vcpu->arch.mtrr, rq->msr, rq->val, vcpu->arch.maxphyaddr) ? -EINVAL : 0;
}

/* ---- modes ---- */

static int get_efer(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = vcpu->arch.efer;
	return 0;
}

static int set_efer(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return keel_set_efer(vcpu, rq->val);
}

#define MISC_ENABLE_FIXED (MSR_IA32_MISC_ENABLE_EMON | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | \
			   MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)

static int set_misc_enable(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	u64 changed = rq->val ^ vcpu->arch.misc_enable;
	bool mwait = (changed & MSR_IA32_MISC_ENABLE_MWAIT) &&
		     !keel_guest_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT);

	if (!rq->host && (changed & MISC_ENABLE_FIXED))
		return -EINVAL;
	/* MWAIT must not be switched without SSE3. */
	if (!rq->host && mwait && !keel_guest_has(vcpu, KEEL_F_XMM3))
		return -EINVAL;
	vcpu->arch.misc_enable = rq->val;
	if (mwait)
		keel_cpuid_update_runtime(vcpu);
	return 0;
}

static int check_misc_features(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	bool able = vcpu->arch.platform_info & MSR_PLATFORM_INFO_CPUID_FAULT;

	return !rq->val || able ? 0 : -EINVAL;
}

/* What is switched on must stay possible. */
static int check_platform_info(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	bool on = vcpu->arch.misc_features & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT;

	return (rq->val & MSR_PLATFORM_INFO_CPUID_FAULT) || !on ? 0 : -EINVAL;
}

static int set_xss(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (rq->val & ~keel_guest_xss(vcpu))
		return -EINVAL;
	vcpu->arch.xss = rq->val;
	keel_cpuid_update_runtime(vcpu);
	return 0;
}

/* ---- speculation ---- */

static u64 spec_ctrl_bits(struct keel_vcpu *vcpu, bool host)
{
	static const struct { u8 feature; u64 bit; } rules[] = {
		{ KEEL_F_SPEC_CTRL, SPEC_CTRL_IBRS },
		{ KEEL_F_STIBP, SPEC_CTRL_STIBP },
		{ KEEL_F_SSBD, SPEC_CTRL_SSBD },
	};
	unsigned int i;
	u64 bits = 0;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		if (keel_host_offers(rules[i].feature) &&
		    (host || keel_guest_has(vcpu, rules[i].feature)))
			bits |= rules[i].bit;
	}
	return bits;
}

/* Any feature that has a bit in it brings the register. */
static int get_spec_ctrl(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (!rq->host && !spec_ctrl_bits(vcpu, false))
		return -EINVAL;
	rq->val = vcpu->arch.spec_ctrl;
	return 0;
}

static int set_spec_ctrl(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	u64 bits = spec_ctrl_bits(vcpu, rq->host);

	if ((!rq->host && !bits) || (rq->val & ~bits))
		return -EINVAL;
	vcpu->arch.spec_ctrl = rq->val;
	return 0;
}

static int set_pred_cmd(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (!keel_host_offers(KEEL_F_PRED_CMD) || (rq->val & ~(u64)PRED_CMD_IBPB))
		return -EINVAL;
	if (rq->val)
		indirect_branch_prediction_barrier();
	return 0;
}

#define ARCH_CAPS_KNOWN (ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA |		\
	ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO |	\
	ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO |			\
	ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO |	\
	ARCH_CAP_GDS_NO)

/* Bits by which a CPU says what it is safe from; no controls come with them. */
u64 msr_host_arch_capabilities(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq_safe(MSR_IA32_ARCH_CAPABILITIES, &caps);
	return caps & ARCH_CAPS_KNOWN;
}

/* ---- AMD ---- */

#define HWCR_IGNORED	(BIT(3) | BIT(6) | BIT(8))	/* chicken bits of old CPUs */
#define HWCR_KEPT	(BIT(18) | BIT(24))		/* McStatusWrEn, TscFreqSel */

static int check_hwcr(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val &= ~(u64)HWCR_IGNORED;
	return 0;
}

static u64 host_de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

static int get_de_cfg(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = host_de_cfg();
	return 0;
}

/* A guest may set what is set. */
static int set_de_cfg(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	u64 now = host_de_cfg();

	return (rq->val & ~now) || (!rq->host && rq->val != now) ? -EINVAL : 0;
}

/* ---- paravirtual ---- */

/* The same for userspace as for the guest. */
static int check_pv(const struct keel_vcpu *vcpu, enum keel_guest_feature f)
{
	return keel_guest_may_pv(vcpu, f) ? 0 : -EINVAL;
}

static enum keel_guest_feature clock_feature(u32 msr)
{
	return msr == MSR_KVM_WALL_CLOCK || msr == MSR_KVM_SYSTEM_TIME ?
	       KEEL_F_PV_CLOCK : KEEL_F_PV_CLOCK2;
}

static int get_system_time(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = vcpu->arch.clock.msr;
	return check_pv(vcpu, clock_feature(rq->msr));
}

static int set_system_time(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (check_pv(vcpu, clock_feature(rq->msr)))
		return -EINVAL;
	return keel_clock_set_system_time(vcpu, rq->val, rq->msr == MSR_KVM_SYSTEM_TIME,
					  rq->host);
}

static int get_wall_clock(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = READ_ONCE(vcpu->vm->arch.wall_clock_msr);
	return check_pv(vcpu, clock_feature(rq->msr));
}

static int set_wall_clock(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (check_pv(vcpu, clock_feature(rq->msr)))
		return -EINVAL;
	return keel_clock_set_wall_clock(vcpu, rq->val);
}

static int get_steal(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = vcpu->arch.clock.steal_msr;
	return check_pv(vcpu, KEEL_F_PV_STEAL);
}

static int set_steal(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (check_pv(vcpu, KEEL_F_PV_STEAL))
		return -EINVAL;
	return keel_clock_set_steal(vcpu, rq->val);
}

static int get_poll(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	rq->val = vcpu->arch.pv_poll;
	return check_pv(vcpu, KEEL_F_PV_POLL);
}

static int check_poll(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	return check_pv(vcpu, KEEL_F_PV_POLL);
}

/* A guest writes it before it asks for the revision, "Microcode Update Facilities". */
static int set_ucode_rev(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	if (rq->host)
		vcpu->arch.ucode_rev = rq->val;
	return 0;
}

/* ---- the table ---- */

#define ONE(m)		.first = (m), .last = (m), .feature = MSR_ANY
#define RANGE(a, b)	.first = (a), .last = (b), .feature = MSR_ANY
#define ONE_IF(m, f)	.first = (m), .last = (m), .feature = KEEL_F_##f
#define FIELD(name)	PART(name, ~0ULL)
#define PART(name, mask) .field = offsetof(struct keel_vcpu_arch, name), .writable = (mask)
#define BITS(mask)	.writable = (mask)
#define ACCESS(name)	.get = get_##name, .set = set_##name
#define HW_ADDRESS	.flags = MSR_LISTED | MSR_HARDWARE, .writable = ~0ULL

#define PERF_STATUS	(1000ULL | 4ULL << 40)	/* a clock of the right order */
#define MTRR_RULE(m, nr) { RANGE(m, (m) + (nr) - 1), ACCESS(mtrr) }
#define READS_0(a, b)	{ RANGE(a, b) }
#define IGNORED(a, b)	{ RANGE(a, b), .flags = MSR_DROPS }

const struct msr_rule msr_rules[] = {
	IGNORED(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE),
	{ ONE(MSR_IA32_TSC), ACCESS(tsc), .flags = MSR_LISTED },
	{ ONE(MSR_KVM_WALL_CLOCK), ACCESS(wall_clock), .flags = MSR_LISTED },
	{ ONE(MSR_KVM_SYSTEM_TIME), ACCESS(system_time), .flags = MSR_LISTED },
	READS_0(MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID),
	{ ONE(MSR_IA32_APICBASE), ACCESS(apic_base) },
	READS_0(MSR_IA32_EBL_CR_POWERON, MSR_IA32_EBL_CR_POWERON),
	{ ONE(MSR_EBC_FREQUENCY_ID), .value = BIT(24) },
	{ ONE(MSR_SMI_COUNT), FIELD(smi_count), .flags = MSR_LISTED | MSR_HOST_SETS },
	{ ONE(MSR_IA32_FEAT_CTL), .value = FEAT_CTL_LOCKED, BITS(FEAT_CTL_LOCKED),
	  .flags = MSR_IF_INTEL | MSR_HOST_SETS },
	{ ONE_IF(MSR_IA32_TSC_ADJUST, TSC_ADJUST), FIELD(tsc_adjust), .set = set_tsc_adjust,
	  .flags = MSR_LISTED | MSR_QUICK },
	{ ONE(MSR_IA32_SPEC_CTRL), ACCESS(spec_ctrl),
	  .flags = MSR_LISTED | MSR_HARDWARE | MSR_QUICK },
	{ ONE_IF(MSR_IA32_PRED_CMD, PRED_CMD), .set = set_pred_cmd,
	  .flags = MSR_WRITE_ONLY | MSR_QUICK },
	IGNORED(MSR_IA32_UCODE_WRITE, MSR_IA32_UCODE_WRITE),
	{ ONE(MSR_IA32_UCODE_REV), FIELD(ucode_rev), .set = set_ucode_rev, .flags = MSR_LISTED },
	{ ONE(MSR_IA32_SMBASE), FIELD(smbase), .flags = MSR_HOST_ONLY },
	IGNORED(MSR_P6_PERFCTR0, MSR_P6_PERFCTR1),
	{ ONE(MSR_FSB_FREQ), .value = 3 },
	{ ONE(MSR_PLATFORM_INFO), FIELD(platform_info), .check = check_platform_info,
	  .flags = MSR_LISTED | MSR_HOST_SETS },
	MTRR_RULE(MTRR_MSR_CAP, 1),
	{ ONE_IF(MSR_IA32_ARCH_CAPABILITIES, ARCH_CAPS), FIELD(arch_capabilities),
	  .flags = MSR_LISTED | MSR_HOST_SETS },
	{ ONE(MSR_IA32_BBL_CR_CTL3), .value = 0xbe702111, .flags = MSR_DROPS },
	{ ONE(MSR_MISC_FEATURES_ENABLES), .check = check_misc_features,
	  PART(misc_features, MSR_MISC_FEATURES_ENABLES_CPUID_FAULT), .flags = MSR_LISTED },
	{ ONE(MSR_IA32_SYSENTER_CS), HW_ADDRESS },
	{ ONE(MSR_IA32_SYSENTER_ESP), HW_ADDRESS, .check = make_canonical },
	{ ONE(MSR_IA32_SYSENTER_EIP), HW_ADDRESS, .check = make_canonical },
	{ ONE(MSR_IA32_MCG_CAP), FIELD(mcg_cap), .flags = MSR_READ_ONLY },
	{ ONE(MSR_IA32_MCG_STATUS), FIELD(mcg_status), .flags = MSR_LISTED },
	{ ONE(MSR_IA32_MCG_CTL), .get = mce_get_ctl, .set = mce_set_ctl, .flags = MSR_LISTED },
	IGNORED(MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1),
	{ ONE(MSR_IA32_PERF_STATUS), .value = PERF_STATUS },
	READS_0(MSR_IA32_PERF_CTL, MSR_IA32_PERF_CTL),
	{ ONE(MSR_IA32_MISC_ENABLE), FIELD(misc_enable), .set = set_misc_enable,
	  .flags = MSR_LISTED },
	/* Branch tracing is not there: what a debugger asks for has no effect. */
	{ ONE(MSR_IA32_DEBUGCTLMSR), BITS(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF) },
	READS_0(MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP),
	{ ONE(MSR_IA32_POWER_CTL), FIELD(power_ctl), .flags = MSR_LISTED | MSR_IF_INTEL },
	MTRR_RULE(MTRR_MSR_VAR, 2 * MTRR_VAR_RANGES),
	MTRR_RULE(MTRR_MSR_FIX64K, 1),
	MTRR_RULE(MTRR_MSR_FIX16K, MTRR_NR_FIX16K),
	MTRR_RULE(MTRR_MSR_FIX4K, MTRR_NR_FIX4K),
	{ ONE(MSR_IA32_CR_PAT), FIELD(pat), .check = check_pat,
	  .flags = MSR_LISTED | MSR_HARDWARE },
	MTRR_RULE(MTRR_MSR_DEF_TYPE, 1),
	{ RANGE(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 4 * KEEL_MCE_BANKS - 1), .get = mce_get_bank,
	  .set = mce_set_bank },
	READS_0(MSR_RAPL_POWER_UNIT, MSR_RAPL_POWER_UNIT),
	READS_0(MSR_PKG_ENERGY_STATUS, MSR_PKG_ENERGY_STATUS),
	READS_0(MSR_DRAM_ENERGY_STATUS, MSR_DRAM_ENERGY_STATUS),
	READS_0(MSR_PP0_ENERGY_STATUS, MSR_PP0_ENERGY_STATUS),
	READS_0(MSR_PP1_ENERGY_STATUS, MSR_PP1_ENERGY_STATUS),
	{ ONE(MSR_IA32_TSC_DEADLINE), ACCESS(deadline), .flags = MSR_LISTED | MSR_QUICK },
	{ RANGE(APIC_BASE_MSR, APIC_BASE_MSR + 0xff), ACCESS(x2apic) },
	{ ONE_IF(MSR_IA32_XSS, XSAVES), FIELD(xss), .set = set_xss, .flags = MSR_LISTED },

	{ ONE(MSR_KVM_WALL_CLOCK_NEW), ACCESS(wall_clock), .flags = MSR_LISTED },
	{ ONE(MSR_KVM_SYSTEM_TIME_NEW), ACCESS(system_time), .flags = MSR_LISTED },
	{ ONE(MSR_KVM_ASYNC_PF_EN), .flags = MSR_HOST_ONLY },
	{ ONE(MSR_KVM_STEAL_TIME), ACCESS(steal), .flags = MSR_LISTED },
	{ ONE(MSR_KVM_PV_EOI_EN), .flags = MSR_HOST_ONLY },
	{ ONE(MSR_KVM_POLL_CONTROL), PART(pv_poll, BIT(0)), .get = get_poll,
	  .check = check_poll, .flags = MSR_LISTED },
	{ ONE(MSR_KVM_ASYNC_PF_INT), .flags = MSR_HOST_ONLY },

	{ ONE(MSR_EFER), ACCESS(efer) },
	{ ONE(MSR_STAR), HW_ADDRESS },
	{ ONE(MSR_LSTAR), HW_ADDRESS, .check = check_canonical },
	{ ONE(MSR_CSTAR), HW_ADDRESS, .check = check_canonical },
	{ ONE(MSR_SYSCALL_MASK), HW_ADDRESS },
	{ ONE(MSR_FS_BASE), .flags = MSR_HARDWARE, .check = check_canonical, BITS(~0ULL) },
	{ ONE(MSR_GS_BASE), .flags = MSR_HARDWARE, .check = check_canonical, BITS(~0ULL) },
	{ ONE(MSR_KERNEL_GS_BASE), HW_ADDRESS, .check = check_canonical },
	{ ONE_IF(MSR_TSC_AUX, TSC_AUX), FIELD(tsc_aux), .check = check_tsc_aux,
	  .flags = MSR_LISTED | MSR_HARDWARE },

	IGNORED(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3),
	READS_0(MSR_AMD64_SYSCFG, MSR_AMD64_SYSCFG),
	{ ONE(MSR_K7_HWCR), PART(hwcr, HWCR_KEPT), .check = check_hwcr,
	  .flags = MSR_LISTED | MSR_IF_AMD },
	{ ONE(MSR_K7_CLK_CTL), .value = 0x20000000, .flags = MSR_DROPS },
	IGNORED(MSR_AMD64_NB_CFG, MSR_AMD64_NB_CFG),
	IGNORED(MSR_AMD64_PATCH_LOADER, MSR_AMD64_PATCH_LOADER),
	READS_0(MSR_K8_INT_PENDING_MSG, MSR_K8_INT_PENDING_MSG),
	READS_0(MSR_FAM10H_MMIO_CONF_BASE, MSR_FAM10H_MMIO_CONF_BASE),
	READS_0(MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK),
	{ ONE_IF(MSR_AMD64_OSVW_ID_LENGTH, OSVW), FIELD(osvw_length),
	  .flags = MSR_HOST_SETS },
	{ ONE_IF(MSR_AMD64_OSVW_STATUS, OSVW), FIELD(osvw_status),
	  .flags = MSR_HOST_SETS },
	IGNORED(MSR_F15H_PERF_CTL, MSR_F15H_PERF_CTR + 10),
	IGNORED(MSR_AMD64_DC_CFG, MSR_AMD64_DC_CFG),
	{ ONE(MSR_AMD64_DE_CFG), ACCESS(de_cfg), .flags = MSR_IF_AMD },
	IGNORED(MSR_AMD64_BU_CFG2, MSR_AMD64_BU_CFG2),
	IGNORED(MSR_F15H_EX_CFG, MSR_F15H_EX_CFG),
};

const unsigned int msr_nr_rules = ARRAY_SIZE(msr_rules);
static_assert(ARRAY_SIZE(msr_rules) <= U8_MAX + 1);	/* hints are bytes */

/* ---- feature MSRs ---- */

static bool always(void)
{
	return true;
}

static bool offers_arch_caps(void)
{
	return keel_host_offers(KEEL_F_ARCH_CAPS);
}

static u64 host_ucode_rev(void)
{
	u64 rev = 0;

	rdmsrq_safe(MSR_IA32_UCODE_REV, &rev);
	return rev;
}

const struct msr_feature msr_features[] = {
	{ MSR_IA32_UCODE_REV, always, host_ucode_rev },
	{ MSR_IA32_ARCH_CAPABILITIES, offers_arch_caps, msr_host_arch_capabilities },
	{ MSR_AMD64_DE_CFG, keel_host_is_amd, host_de_cfg },
};

const unsigned int msr_nr_features = ARRAY_SIZE(msr_features);

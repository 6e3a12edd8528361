// SPDX-License-Identifier: GPL-2.0
/*
 * caps.c - is VMX there, what can it do, and switching it on and off a CPU
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>
#include <keel/compat.h>
#include "vmx.h"

#define CPUID_1_ECX_VMX		BIT(5)
#define VMX_TSC_FRAC_BITS	48

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);
struct vmx_facts vmx_facts;

/* ---- controls ---- */

/* Where the CPU says what each word may hold; the second register where VMX_BASIC has it. */
static const struct { u32 msr, true_msr; const char *name; } vmx_ctl_msrs[VMX_NR_CTLS] = {
	[VMX_PIN] = { MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS,
		      "pin-based" },
	[VMX_CPU] = { MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		      "processor-based" },
	[VMX_CPU2] = { MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2,
		       "secondary processor-based" },
	[VMX_EXIT] = { MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS, "exit" },
	[VMX_ENTRY] = { MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS, "entry" },
};

/*
 * NEEDED and ALWAYS: set in every VMCS, NEEDED or no Keel. MUST_CAN: set at times.
 * Other bits stay 0, or are tested in vmx_facts.can where they are used. NEVER: must
 * not be forced to 1.
 */
enum vmx_want { VMX_NEEDED, VMX_ALWAYS, VMX_MUST_CAN, VMX_NEVER };

/* The end of a line that says what is missing. */
#define VMX_TOO_LITTLE	"Keel needs a newer CPU or, in a virtual machine, a host that offers it\n"

#define BIT_ROW(c, w, b) { VMX_##c, VMX_##w, b, #b }

static const struct vmx_ctl_row {
	u8 ctl;		/* enum vmx_ctl */
	u8 want;
	u32 bit;
	const char *name;
} vmx_ctl_rows[] = {
	BIT_ROW(PIN, NEEDED, PIN_BASED_EXT_INTR_MASK),
	BIT_ROW(PIN, NEEDED, PIN_BASED_NMI_EXITING),
	BIT_ROW(PIN, NEEDED, PIN_BASED_VIRTUAL_NMIS),

	BIT_ROW(PIN, ALWAYS, PIN_BASED_VMX_PREEMPTION_TIMER),

	BIT_ROW(CPU, NEEDED, CPU_BASED_USE_TSC_OFFSETTING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_HLT_EXITING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_MWAIT_EXITING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_MONITOR_EXITING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_RDPMC_EXITING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_MOV_DR_EXITING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_UNCOND_IO_EXITING),
	BIT_ROW(CPU, NEEDED, CPU_BASED_USE_MSR_BITMAPS),
	BIT_ROW(CPU, NEEDED, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS),
	BIT_ROW(CPU, ALWAYS, CPU_BASED_TPR_SHADOW),
	BIT_ROW(CPU, MUST_CAN, CPU_BASED_INTR_WINDOW_EXITING),
	BIT_ROW(CPU, MUST_CAN, CPU_BASED_NMI_WINDOW_EXITING),
	BIT_ROW(CPU, MUST_CAN, CPU_BASED_CR8_LOAD_EXITING),
	BIT_ROW(CPU, MUST_CAN, CPU_BASED_CR8_STORE_EXITING),
	BIT_ROW(CPU, NEVER, CPU_BASED_CR3_LOAD_EXITING),
	BIT_ROW(CPU, NEVER, CPU_BASED_CR3_STORE_EXITING),
	BIT_ROW(CPU, NEVER, CPU_BASED_INVLPG_EXITING),
	BIT_ROW(CPU, NEVER, CPU_BASED_RDTSC_EXITING),

	BIT_ROW(CPU2, NEEDED, SECONDARY_EXEC_ENABLE_EPT),
	BIT_ROW(CPU2, NEEDED, SECONDARY_EXEC_UNRESTRICTED_GUEST),
	BIT_ROW(CPU2, ALWAYS, SECONDARY_EXEC_WBINVD_EXITING),
	BIT_ROW(CPU2, ALWAYS, SECONDARY_EXEC_PAUSE_LOOP_EXITING),
	BIT_ROW(CPU2, ALWAYS, SECONDARY_EXEC_TSC_SCALING),
	BIT_ROW(CPU2, ALWAYS, SECONDARY_EXEC_ENCLS_EXITING),

	BIT_ROW(EXIT, NEEDED, VM_EXIT_HOST_ADDR_SPACE_SIZE),
	BIT_ROW(EXIT, NEEDED, VM_EXIT_SAVE_DEBUG_CONTROLS),
	BIT_ROW(EXIT, NEEDED, VM_EXIT_LOAD_IA32_EFER),
	BIT_ROW(EXIT, NEEDED, VM_EXIT_LOAD_IA32_PAT),
	BIT_ROW(EXIT, NEVER, VM_EXIT_ACK_INTR_ON_EXIT),

	BIT_ROW(ENTRY, NEEDED, VM_ENTRY_LOAD_DEBUG_CONTROLS),
	BIT_ROW(ENTRY, NEEDED, VM_ENTRY_LOAD_IA32_EFER),
	BIT_ROW(ENTRY, NEEDED, VM_ENTRY_LOAD_IA32_PAT),
	BIT_ROW(ENTRY, MUST_CAN, VM_ENTRY_IA32E_MODE),
};

static void vmx_read_ctls(u32 *must, u64 basic)
{
	unsigned int i;

	for (i = 0; i < VMX_NR_CTLS; i++) {
		u32 msr = basic & VMX_BASIC_TRUE_CTLS ? vmx_ctl_msrs[i].true_msr :
							vmx_ctl_msrs[i].msr;
		u64 val = 0;

		/* Without secondary controls, their register does not exist. */
		rdmsrq_safe(msr, &val);
		must[i] = val;
		vmx_facts.can[i] = val >> 32;
		vmx_facts.base[i] = must[i];
	}
}

static int vmx_check_row(const struct vmx_ctl_row *row, const u32 *must)
{
	bool can = vmx_facts.can[row->ctl] & row->bit;

	if (can && (row->want == VMX_NEEDED || row->want == VMX_ALWAYS))
		vmx_facts.base[row->ctl] |= row->bit;
	if (!can && (row->want == VMX_NEEDED || row->want == VMX_MUST_CAN)) {
		pr_err("this CPU's VMX has no %s (a %s control): " VMX_TOO_LITTLE, row->name,
		       vmx_ctl_msrs[row->ctl].name);
		return -EOPNOTSUPP;
	}
	if (row->want == VMX_NEVER && (must[row->ctl] & row->bit)) {
		pr_err("this CPU's VMX cannot switch %s off: " VMX_TOO_LITTLE, row->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int vmx_check_ctls(u64 basic)
{
	u32 must[VMX_NR_CTLS];
	unsigned int i;
	int r;

	vmx_read_ctls(must, basic);
	for (i = 0; i < ARRAY_SIZE(vmx_ctl_rows); i++) {
		r = vmx_check_row(&vmx_ctl_rows[i], must);
		if (r)
			return r;
	}
	return 0;
}

/* ---- what there is ---- */

bool vmx_present(void)
{
	return cpuid_ecx(1) & CPUID_1_ECX_VMX;
}

static int vmx_check_firmware(void)
{
	u64 ctl;

	if (keel_compat_has_fred()) {
		pr_err("this kernel delivers events by FRED, which Keel does not know on Intel yet: boot it with fred=off\n");
		return -EOPNOTSUPP;
	}
	if (rdmsrq_safe(MSR_IA32_FEAT_CTL, &ctl))
		return 0;
	if ((ctl & FEAT_CTL_LOCKED) && !(ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)) {
		pr_err("VMX is disabled by the firmware: switch it on in the BIOS set-up\n");
		return -EOPNOTSUPP;
	}
	if (!(ctl & FEAT_CTL_LOCKED)) {
		pr_err("neither firmware nor kernel has enabled VMX: switch it on in the BIOS set-up\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int vmx_check_ept(u64 cap)
{
	static const struct { u64 bit; const char *name; } needs[] = {
		{ VMX_EPT_PAGE_WALK_4_BIT, "EPT tables of four levels" },
		{ VMX_EPTP_WB_BIT, "write-back EPT tables" },
		{ VMX_EPT_INVEPT_BIT, "INVEPT" },
		{ VMX_EPT_EXTENT_GLOBAL_BIT, "INVEPT of all contexts" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		if (cap & needs[i].bit)
			continue;
		pr_err("this CPU's VMX has no %s: " VMX_TOO_LITTLE, needs[i].name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static void vmx_read_ept(u64 cap, struct keel_caps *caps)
{
	bool invvpid = cap >> 32 & VMX_VPID_INVVPID_BIT;

	vmx_facts.ept_ad = cap & VMX_EPT_AD_BIT;
	vmx_facts.ept_5level = cap & VMX_EPT_PAGE_WALK_5_BIT;
	vmx_facts.invept_single = cap & VMX_EPT_EXTENT_CONTEXT_BIT;
	vmx_facts.vpid = (vmx_facts.can[VMX_CPU2] & SECONDARY_EXEC_ENABLE_VPID) && invvpid &&
			 (cap >> 32 & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT);

	caps->max_level = 1;
	if (cap & VMX_EPT_2MB_PAGE_BIT)
		caps->max_level = cap & VMX_EPT_1GB_PAGE_BIT ? 3 : 2;
	caps->s2_format = vmx_facts.ept_ad ? &s2_format_ept : &s2_format_ept_noad;
	caps->s2_levels = vmx_facts.ept_5level && boot_cpu_data.x86_phys_bits > 48 ? 5 : 4;
}

/*
 * Signatures (CPUID.1:EAX) of CPUs whose preemption timer does not count at the rate it
 * says, by their specification updates.
 */
static const u32 vmx_bad_timers[] = {
	0x000106a0, 0x000106a1, 0x000106a4, 0x000106a5, 0x000106e5, 0x00020652, 0x00020655,
	0x000206e6, 0x000306a8,
};

/* A timer that is no use stays switched off. */
static void vmx_read_timer(u64 misc)
{
	u32 signature = cpuid_eax(1) & ~GENMASK(15, 12) & GENMASK(27, 0);
	unsigned int i;

	vmx_facts.preempt_shift = vmx_misc_preemption_timer_rate(misc);
	for (i = 0; i < ARRAY_SIZE(vmx_bad_timers); i++)
		if (signature == vmx_bad_timers[i])
			vmx_facts.base[VMX_PIN] &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
	vmx_facts.preempt_timer = vmx_facts.base[VMX_PIN] & PIN_BASED_VMX_PREEMPTION_TIMER;
}

/* Every CPU with virtual interrupt delivery can; Bochs cannot. */
static bool vmx_can_post(void)
{
	u64 pin;

	rdmsrq(MSR_IA32_VMX_PINBASED_CTLS, pin);
	return pin >> 32 & PIN_BASED_POSTED_INTR;
}

static void vmx_read_facts(u64 basic, struct keel_caps *caps)
{
	u64 misc, arch_caps = 0;

	rdmsrq(MSR_IA32_VMX_MISC, misc);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED0, vmx_facts.cr4_fixed);
	vmx_facts.revision = vmx_basic_vmcs_revision_id(basic);
	vmx_facts.tpr_shadow = vmx_facts.base[VMX_CPU] & CPU_BASED_TPR_SHADOW;
	vmx_facts.tsc_scaling = vmx_facts.base[VMX_CPU2] & SECONDARY_EXEC_TSC_SCALING;
	vmx_facts.pause_loop = vmx_facts.base[VMX_CPU2] & SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	vmx_read_timer(misc);
	vmx_facts.log = vmx_can_log();
	if (!vmx_facts.tpr_shadow)
		vmx_facts.base[VMX_CPU] |= CPU_BASED_CR8_LOAD_EXITING |
					   CPU_BASED_CR8_STORE_EXITING;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, arch_caps);
	vmx_facts.flush_l1d = boot_cpu_has_bug(X86_BUG_L1TF) &&
			      l1tf_mitigation != L1TF_MITIGATION_OFF &&
			      !(arch_caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
	if (vmx_facts.flush_l1d && !boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		pr_warn("no microcode against L1TF: guests may read what is in the L1 cache\n");
		vmx_facts.flush_l1d = false;
	}

	caps->apicv = vmx_can_apicv();
	caps->apicv_flawed = caps->apicv && !vmx_can_post();
	caps->log_writes = vmx_facts.log;
	caps->preempt_timer = vmx_facts.preempt_timer;
	caps->tsc_scaling = vmx_facts.tsc_scaling;
	caps->tsc_frac_bits = VMX_TSC_FRAC_BITS;
	caps->tsc_max_ratio = U64_MAX;
	caps->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
}

static void vmx_free_cpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).vmxon);
		per_cpu(vmx_cpu, cpu).vmxon = NULL;
	}
}

static int vmx_alloc_cpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = &per_cpu(vmx_cpu, cpu);

		INIT_LIST_HEAD(&vc->loaded);
		vc->vmxon = (void *)get_zeroed_page(GFP_KERNEL);
		if (!vc->vmxon) {
			vmx_free_cpus();
			return -ENOMEM;
		}
		*(u32 *)vc->vmxon = vmx_facts.revision;
	}
	return 0;
}

int vmx_setup(struct keel_caps *caps)
{
	u64 basic, ept;
	int r = vmx_check_firmware();

	if (r)
		return r;
	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	r = vmx_check_ctls(basic);
	if (r)
		return r;
	rdmsrq(MSR_IA32_VMX_EPT_VPID_CAP, ept);
	r = vmx_check_ept(ept);
	if (r)
		return r;
	vmx_read_ept(ept, caps);
	vmx_read_facts(basic, caps);
	return vmx_alloc_cpus();
}

void vmx_teardown(void)
{
	vmx_free_cpus();
}

/* ---- on and off ---- */

static bool vmx_cpu_in_use(void)
{
	return native_read_cr4() & X86_CR4_VMXE;
}

static int vmx_vmxon(u64 pa)
{
	bool failed = true;	/* what stays if it faults */

	asm volatile("1: vmxon %[pa]\n\t"
		     "setbe %[failed]\n"
		     "2:\n" _ASM_EXTABLE(1b, 2b)
		     : [failed] "+q" (failed) : [pa] "m" (pa) : "cc", "memory");
	return failed ? -EIO : 0;
}

static void vmx_vmxoff(void)
{
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

int vmx_cpu_enable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	if (vmx_cpu_in_use())
		return -EBUSY;
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (vmx_vmxon(__pa(vc->vmxon))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	asm volatile("sgdt %0" : "=m" (vc->gdt));
	vmx_read_host_msrs(vc);
	vc->current_vmcs = NULL;
	/* What was in the TLB under our tables before is not ours. */
	vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	vc->enabled = true;
	return 0;
}

void vmx_cpu_disable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	if (!vc->enabled)
		return;
	vc->enabled = false;
	vmx_clear_loaded(vc);
	vmx_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/*
 * The machine goes down at once, by a crash or a reboot, on any CPU, in an NMI or
 * with interrupts off: the list may be in the middle of a change, and is only read.
 */
static void vmx_emergency(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx;

	if (!(native_read_cr4() & X86_CR4_VMXE))
		return;
	if (READ_ONCE(vc->enabled)) {
		WRITE_ONCE(vc->enabled, false);
		list_for_each_entry(vmx, &vc->loaded, loaded_link)
			vmx_vmclear(vmx->vmcs_pa);
	}
	vmx_vmxoff();	/* faults, and no harm done, where VMXON was still to come */
	cr4_clear_bits(X86_CR4_VMXE);
}

void vmx_emergency_hook(bool on)
{
	if (on)
		keel_compat_emergency_register(vmx_emergency);
	else
		keel_compat_emergency_unregister(vmx_emergency);
}

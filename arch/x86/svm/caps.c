// SPDX-License-Identifier: GPL-2.0
/*
 * caps.c - is SVM there, what can it do, and switching it on and off a CPU
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <keel/compat.h>
#include "svm.h"

/* Leaf 0x8000000A, EDX: "SVM Revision and Feature Identification" */
#define SVM_EDX_NPT		BIT(0)
#define SVM_EDX_NRIPS		BIT(3)
#define SVM_EDX_TSC_RATIO	BIT(4)
#define SVM_EDX_FLUSH_BY_ASID	BIT(6)
#define SVM_EDX_DECODE		BIT(7)
#define SVM_EDX_PAUSE_FILTER	BIT(10)
#define SVM_EDX_SPEC_CTRL	BIT(20)

#define SVM_LEAF		0x8000000a

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);
struct svm_facts svm_facts;

static struct page *svm_iopm;

bool svm_present(void)
{
	return boot_cpu_has(X86_FEATURE_SVM) ||
	       (cpuid_eax(0x80000000) >= 0x80000001 && (cpuid_ecx(0x80000001) & BIT(2)));
}

static int svm_check(u32 edx)
{
	u64 vm_cr;

	if (!(edx & SVM_EDX_NPT)) {
		pr_err("this CPU's SVM has no nested paging: Keel needs a newer CPU or, in a virtual machine, a host that offers it\n");
		return -EOPNOTSUPP;
	}
	if (!rdmsrq_safe(MSR_VM_CR, &vm_cr) && (vm_cr & SVM_VM_CR_SVM_DIS_MASK)) {
		pr_err("SVM is disabled by the firmware: switch it on in the BIOS set-up\n");
		return -EOPNOTSUPP;
	}
	if (cpuid_ebx(SVM_LEAF) < 2) {
		pr_err("this CPU's SVM has no address space identifiers: Keel needs a newer CPU or, in a virtual machine, a host that offers them\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static void svm_read_facts(u32 edx, struct keel_caps *caps)
{
	svm_facts.nrips = edx & SVM_EDX_NRIPS;
	svm_facts.decode_assists = edx & SVM_EDX_DECODE;
	svm_facts.flush_by_asid = edx & SVM_EDX_FLUSH_BY_ASID;
	svm_facts.v_spec_ctrl = edx & SVM_EDX_SPEC_CTRL;
	svm_facts.pause_filter = edx & SVM_EDX_PAUSE_FILTER;
	svm_facts.tsc_ratio = edx & SVM_EDX_TSC_RATIO;
	svm_facts.loses_shadow = boot_cpu_has(X86_FEATURE_HYPERVISOR) &&
				 cpuid_base_hypervisor("TCGTCGTCGTCG", 0);

	caps->max_level = boot_cpu_has(X86_FEATURE_GBPAGES) ? 3 : 2;
	caps->s2_format = &s2_format_npt;
	caps->s2_levels = boot_cpu_has(X86_FEATURE_LA57) ? 5 : 4;
	caps->shutdown_loses_state = true;
	caps->tsc_scaling = svm_facts.tsc_ratio;
	caps->tsc_frac_bits = 32;
	caps->tsc_max_ratio = SVM_TSC_RATIO_MAX;
	caps->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
	if (boot_cpu_has(X86_FEATURE_FXSR_OPT))
		caps->efer |= EFER_FFXSR;
}

static void svm_free_cpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sc = &per_cpu(svm_cpu, cpu);

		if (sc->hsave)
			__free_page(sc->hsave);
		if (sc->host)
			__free_page(sc->host);
		memset(sc, 0, sizeof(*sc));
	}
}

static int svm_alloc_cpus(void)
{
	u32 asids = cpuid_ebx(SVM_LEAF);
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sc = &per_cpu(svm_cpu, cpu);

		sc->hsave = alloc_page(GFP_KERNEL | __GFP_ZERO);
		sc->host = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!sc->hsave || !sc->host) {
			svm_free_cpus();
			return -ENOMEM;
		}
		sc->host_pa = __sme_set(page_to_phys(sc->host));
		sc->asid_generation = 1;
		sc->max_asid = asids - 1;
		sc->next_asid = asids;	/* the first user starts a generation with a flush */
	}
	return 0;
}

int svm_setup(struct keel_caps *caps)
{
	u32 edx = cpuid_eax(0x80000000) >= SVM_LEAF ? cpuid_edx(SVM_LEAF) : 0;
	int r = svm_check(edx);

	if (r)
		return r;
	svm_read_facts(edx, caps);
	svm_iopm = alloc_pages(GFP_KERNEL, SVM_IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(page_address(svm_iopm), 0xff, PAGE_SIZE << SVM_IOPM_ORDER);
	svm_facts.iopm_pa = __sme_set(page_to_phys(svm_iopm));
	r = svm_alloc_cpus();
	if (r)
		__free_pages(svm_iopm, SVM_IOPM_ORDER);
	return r;
}

void svm_teardown(void)
{
	svm_free_cpus();
	__free_pages(svm_iopm, SVM_IOPM_ORDER);
}

static void svm_reset_tsc_ratio(struct svm_cpu *sc)
{
	if (!svm_facts.tsc_ratio)
		return;
	sc->tsc_ratio = SVM_TSC_RATIO_DEFAULT;
	wrmsrq(MSR_AMD64_TSC_RATIO, sc->tsc_ratio);
}

static bool svm_cpu_in_use(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	return efer & EFER_SVME;
}

int svm_cpu_enable(void)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u64 efer;

	if (svm_cpu_in_use())
		return -EBUSY;
	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_EFER, efer | EFER_SVME);
	wrmsrq(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(sc->hsave)));
	svm_reset_tsc_ratio(sc);
	if (boot_cpu_has(X86_FEATURE_RDTSCP))
		rdmsrq(MSR_TSC_AUX, sc->tsc_aux);
	/* What was in the TLB under our ASIDs before is not ours. */
	sc->asid_generation++;
	sc->next_asid = sc->max_asid + 1;
	sc->enabled = true;
	return 0;
}

void svm_cpu_disable(void)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u64 efer;

	if (!sc->enabled)
		return;
	sc->enabled = false;
	svm_reset_tsc_ratio(sc);
	wrmsrq(MSR_VM_HSAVE_PA, 0);
	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_EFER, efer & ~EFER_SVME);
}

/*
 * The machine goes down at once, by a crash or a reboot, on any CPU, in an NMI or with
 * interrupts off, and perhaps between CLGI and STGI: INIT, which starts the CPU again,
 * would stay blocked. While Keel has the hook nobody else's SVM is on.
 */
static void svm_emergency(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	WRITE_ONCE(this_cpu_ptr(&svm_cpu)->enabled, false);
	asm volatile("1: stgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
	wrmsrq(MSR_VM_HSAVE_PA, 0);
	wrmsrq(MSR_EFER, efer & ~EFER_SVME);
}

void svm_emergency_hook(bool on)
{
	if (on)
		keel_compat_emergency_register(svm_emergency);
	else
		keel_compat_emergency_unregister(svm_emergency);
}

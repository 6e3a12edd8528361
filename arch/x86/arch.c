// SPDX-License-Identifier: GPL-2.0
/*
 * arch.c - which backend, and its hardware on and off: load, first and last VM,
 * CPU hotplug, suspend, reboot
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <keel/arch.h>
#include <keel/compat.h>
#include "backend.h"
#include "clock.h"
#include "cpuid.h"
#include "msr.h"

struct keel_caps keel_caps;
const struct keel_backend *keel_backend;

#define KEEL_DEFINE_OP(name) \
	DEFINE_STATIC_CALL_NULL(keel_##name, *(((struct keel_backend *)0)->name));
KEEL_BACKEND_OPS(KEEL_DEFINE_OP)

static DEFINE_MUTEX(keel_hw_lock);
static unsigned int keel_hw_users;	/* keel_hw_lock */
static bool keel_hw_on;			/* written under keel_hw_lock and cpus_read_lock */
static bool keel_rebooting;

size_t arch_vm_size(void)
{
	return keel_backend->vm_size;
}

size_t arch_vcpu_size(void)
{
	return keel_backend->vcpu_size;
}

static void keel_bind_ops(void)
{
#define KEEL_BIND_OP(name) static_call_update(keel_##name, keel_backend->name);
	KEEL_BACKEND_OPS(KEEL_BIND_OP)
}

/* ---- one CPU ---- */

static void keel_cpu_on(void *error)
{
	int r = READ_ONCE(keel_rebooting) ? -ESHUTDOWN : keel_backend->cpu_enable();

	if (r)
		atomic_set(error, r);
}

/* Of .cpu_enable: what is wrong, and is to be mended before more is done */
static const char *keel_cpu_error(int r)
{
	return r == -EBUSY ? "in use by another hypervisor: end that" :
			     "refused by the CPU or its firmware: allow it there";
}

static void keel_cpu_off(void *unused)
{
	keel_backend->cpu_disable();
}

void keel_cpu_unusable(struct keel_vcpu *vcpu)
{
	keel_vm_kill(vcpu->vm, "virtualization is switched off on its CPU");
}

/*
 * Hotplug callbacks on the CPU that comes or goes; kernels differ in whether interrupts
 * are off. A CPU that cannot be switched on does not come, or, where the kernel does not
 * ask, is out of use: a VM that comes there ends, the others go on.
 */
static int keel_cpu_starting(unsigned int cpu)
{
	unsigned long flags;
	int r;

	local_irq_save(flags);
	r = keel_backend->cpu_enable();
	local_irq_restore(flags);
	if (r)
		pr_err_ratelimited("CPU %u: virtualization is %s, and take the CPU off and on\n",
				   cpu, keel_cpu_error(r));
	return KEEL_CPUHP_MAY_FAIL ? r : 0;
}

static int keel_cpu_dying(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	keel_backend->cpu_disable();
	local_irq_restore(flags);
	return 0;
}

/* ---- suspend and reboot: one CPU left, interrupts off; or all of them ---- */

static int keel_suspend(KEEL_COMPAT_SYSCORE_ARG)
{
	if (keel_hw_on)
		keel_backend->cpu_disable();
	return 0;
}

static void keel_resume(KEEL_COMPAT_SYSCORE_ARG)
{
	int r = keel_hw_on ? keel_backend->cpu_enable() : 0;

	if (r)
		pr_err("virtualization, after resume, is %s, and start the virtual machines again\n",
		       keel_cpu_error(r));
}

KEEL_COMPAT_DEFINE_SYSCORE(keel_syscore, keel_suspend, keel_resume);

static int keel_reboot(struct notifier_block *nb, unsigned long val, void *v)
{
	WRITE_ONCE(keel_rebooting, true);
	on_each_cpu(keel_cpu_off, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block keel_reboot_nb = { .notifier_call = keel_reboot };

/* ---- all CPUs ---- */

/*
 * The hotplug state is one that only one hypervisor can hold: kvm claims the same one
 * when its vendor module is loaded. It is taken before the first CPU is switched on.
 */
static int keel_hw_enable(void)
{
	atomic_t error = ATOMIC_INIT(0);
	int r;

	cpus_read_lock();
	r = cpuhp_setup_state_nocalls_cpuslocked(KEEL_CPUHP_STATE, "keel:starting",
						 keel_cpu_starting, keel_cpu_dying);
	if (r) {
		pr_err_ratelimited("kvm holds this machine's virtualization: remove its module (modprobe -r kvm_amd or kvm_intel) and try again\n");
		r = -EBUSY;
		goto out;
	}
	keel_backend->emergency_hook(true);
	on_each_cpu(keel_cpu_on, &error, 1);
	r = atomic_read(&error);
	if (r) {
		if (r != -ESHUTDOWN)
			pr_err_ratelimited("%s is %s, and try the virtual machine again\n",
					   keel_backend->name, keel_cpu_error(r));
		on_each_cpu(keel_cpu_off, NULL, 1);
		keel_backend->emergency_hook(false);
		cpuhp_remove_state_nocalls_cpuslocked(KEEL_CPUHP_STATE);
		goto out;
	}
	keel_hw_on = true;
out:
	cpus_read_unlock();
	return r;
}

static void keel_hw_disable(void)
{
	cpus_read_lock();
	keel_hw_on = false;
	on_each_cpu(keel_cpu_off, NULL, 1);
	keel_backend->emergency_hook(false);
	cpuhp_remove_state_nocalls_cpuslocked(KEEL_CPUHP_STATE);
	cpus_read_unlock();
}

int arch_hardware_get(void)
{
	int r = 0;

	mutex_lock(&keel_hw_lock);
	if (!keel_hw_users)
		r = keel_hw_enable();
	if (!r)
		keel_hw_users++;
	mutex_unlock(&keel_hw_lock);
	return r;
}

void arch_hardware_put(void)
{
	mutex_lock(&keel_hw_lock);
	if (!--keel_hw_users)
		keel_hw_disable();
	mutex_unlock(&keel_hw_lock);
}

/* ---- kvm's modules ---- */

/*
 * What makes two owners impossible is the hotplug state. But kvm_intel of 6.1 registers
 * for crashes before it asks for that, which the kernel warns of: so say no before.
 */
static int keel_module_event(struct notifier_block *nb, unsigned long event, void *v)
{
	const struct module *mod = v;

	if (event != MODULE_STATE_COMING || !READ_ONCE(keel_hw_on) ||
	    (strcmp(mod->name, "kvm_amd") && strcmp(mod->name, "kvm_intel")))
		return NOTIFY_DONE;
	pr_err_ratelimited("%s is not let in while VMs of Keel's run: end them and try again\n",
			   mod->name);
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block keel_module_nb = { .notifier_call = keel_module_event };

/* ---- load ---- */

static const struct keel_backend * const keel_backends[] = { &svm_backend, &vmx_backend };

static int keel_choose_backend(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keel_backends); i++) {
		if (!keel_backends[i]->present())
			continue;
		keel_backend = keel_backends[i];
		return keel_backend->setup(&keel_caps);
	}
	pr_err("this CPU has neither AMD SVM nor Intel VMX, or the firmware hides it: switch it on in the BIOS set-up or, in a virtual machine, in its host\n");
	return -EOPNOTSUPP;
}

int arch_init(void)
{
	int r = keel_choose_backend();

	if (r)
		return r;
	keel_bind_ops();
	r = keel_cpuid_setup();
	if (!r)
		r = keel_msr_setup();
	if (!r)
		r = keel_clock_setup();
	if (r)
		goto err_backend;
	r = register_module_notifier(&keel_module_nb);
	if (r)
		goto err_clock;
	keel_compat_register_syscore(&keel_syscore);
	register_reboot_notifier(&keel_reboot_nb);
	return 0;

err_clock:
	keel_clock_exit();
err_backend:
	keel_backend->teardown();
	return r;
}

void arch_exit(void)
{
	keel_clock_exit();	/* its worker may hold the last reference to a VM */
	unregister_reboot_notifier(&keel_reboot_nb);
	keel_compat_unregister_syscore(&keel_syscore);
	unregister_module_notifier(&keel_module_nb);
	keel_backend->teardown();
}

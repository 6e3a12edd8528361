// SPDX-License-Identifier: GPL-2.0
/*
 * rig.c - starts the tests, and makes what they work on
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "arch/x86/backend.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/irqchip/irqchip.h"
#include "arch/x86/mmu/s2_vm.h"
#include "rig.h"

#define APIC_SVR	0xfee000f0ULL
#define CPUID_ENTRIES	256

static struct mm_struct *borrowed;
static DEFINE_MUTEX(control_lock);
static bool results_there;

static struct kunit_suite *suites[] = {
	&keel_stage2_suite, &keel_notifier_suite, &keel_event_suite, &keel_request_suite,
	&keel_routing_suite, &keel_bus_suite, &keel_slots_suite, &keel_policy_suite,
	&keel_stats_suite, &keel_apic_map_suite,
};

/*
 * 1: run all; the results are in debugfs until 0 is written, and that must be done before
 * the module goes. KUnit itself would run them before module_init().
 */
static int control_set(const char *val, const struct kernel_param *kp)
{
	bool run;
	int r = kstrtobool(val, &run);

	if (r)
		return r;
	mutex_lock(&control_lock);
	if (results_there)
		__kunit_test_suites_exit(suites, ARRAY_SIZE(suites));
	if (run) {
		borrowed = current->mm;
		__kunit_test_suites_init(suites, ARRAY_SIZE(suites));
		borrowed = NULL;
	}
	results_there = run;
	mutex_unlock(&control_lock);
	return 0;
}

/* How many suites there are: who reads their results must have found as many. */
static int control_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%zu\n", ARRAY_SIZE(suites));
}

static const struct kernel_param_ops control_ops = { .set = control_set, .get = control_get };
module_param_cb(kunit, &control_ops, NULL, 0600);
MODULE_PARM_DESC(kunit, "1: run the tests; 0: forget their results; read: how many suites");

static ulong kunit_seed = 1;
module_param(kunit_seed, ulong, 0600);
MODULE_PARM_DESC(kunit_seed, "of what is random in the tests");

void rig_random(struct rnd_state *rnd)
{
	prandom_seed_state(rnd, kunit_seed);
}

/* ---- memory ---- */

unsigned long rig_map(unsigned long at, unsigned long pages)
{
	return vm_mmap(NULL, at, pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), 0);
}

int rig_fault(struct keel_vcpu *vcpu, gfn_t gfn, bool write)
{
	struct keel_exit exit = {
		.kind = KEEL_EXIT_FAULT,
		.fault = {
			.gpa = gfn << PAGE_SHIFT,
			.access = write ? KEEL_ACC_WRITE : KEEL_ACC_READ,
		},
	};

	return keel_fault_exit(vcpu, &exit);
}

bool rig_mapped(struct keel_vm *vm, gfn_t gfn)
{
	struct s2_leaf leaf;
	bool found;

	spin_lock(&vm->mmu_lock);
	found = s2_lookup(vm->arch.s2, gfn, &leaf);
	spin_unlock(&vm->mmu_lock);
	return found;
}

/* ---- VM ---- */

void rig_load(struct keel_vcpu *vcpu)
{
	mutex_lock(&vcpu->mutex);
	keel_vcpu_load(vcpu);
}

void rig_put(struct keel_vcpu *vcpu)
{
	keel_vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
}

static int rig_vcpus(struct rig *rig)
{
	unsigned int i;
	long fd;

	for (i = 0; i < RIG_VCPUS; i++) {
		fd = keel_vcpu_create_fd(rig->vm, i);
		if (fd < 0)
			return fd;
		close_fd(fd);	/* it lives as long as the VM */
		rig->vcpu[i] = keel_vcpu_by_index(rig->vm, i);
	}
	return 0;
}

static int rig_fill(struct rig *rig)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = RIG_BASE, .memory_size = RIG_PAGES << PAGE_SHIFT,
	};
	int r;

	mutex_lock(&rig->vm->lock);
	r = keel_irqchip_create(rig->vm);
	mutex_unlock(&rig->vm->lock);
	if (r)
		return r;
	rig->hva = rig_map(0, RIG_PAGES);
	if (IS_ERR_VALUE(rig->hva))
		return rig->hva;
	region.userspace_addr = rig->hva;
	return keel_memslot_set(rig->vm, &region) ?: rig_vcpus(rig);
}

int rig_init(struct kunit *test)
{
	struct rig *rig = kzalloc(sizeof(*rig), GFP_KERNEL);
	int r;

	if (!rig)
		return -ENOMEM;
	kthread_use_mm(borrowed);
	rig->vm = keel_vm_create(0);
	if (IS_ERR(rig->vm)) {
		r = PTR_ERR(rig->vm);
		kthread_unuse_mm(borrowed);
		kfree(rig);
		return r;
	}
	test->priv = rig;
	r = rig_fill(rig);
	if (r)
		rig_exit(test);
	return r;
}

/* After an assertion that failed this is called by another thread, which has the mm by birth. */
void rig_exit(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	if (!rig)
		return;
	test->priv = NULL;
	flush_delayed_fput();
	keel_vm_put(rig->vm);
	if (rig->hva && !IS_ERR_VALUE(rig->hva))
		vm_munmap(rig->hva, RIG_PAGES << PAGE_SHIFT);
	if (current->flags & PF_KTHREAD)
		kthread_unuse_mm(borrowed);
	kfree(rig);
}

void rig_enable_apics(struct rig *rig)
{
	u32 enabled = 0x1ff;
	unsigned int i;

	for (i = 0; i < RIG_VCPUS; i++) {
		rig_load(rig->vcpu[i]);
		keel_apic_mmio_write(rig->vcpu[i], APIC_SVR, 4, &enabled);
		rig_put(rig->vcpu[i]);
	}
}

void rig_give_cpuid(struct kunit *test, struct keel_vcpu *vcpu)
{
	union keel_arg arg = { .user = (void __user *)rig_of(test)->hva };
	struct kvm_cpuid2 head = { .nent = CPUID_ENTRIES };

	KUNIT_ASSERT_EQ(test, copy_to_user(arg.user, &head, sizeof(head)), 0UL);
	KUNIT_ASSERT_EQ(test, keel_ioc_get_supported_cpuid(arg), 0L);
	KUNIT_ASSERT_EQ(test, keel_ioc_set_cpuid2(vcpu, arg), 0L);
}

/* ---- threads ---- */

static int thread_main(void *arg)
{
	struct rig_thread *t = arg;

	kthread_use_mm(borrowed);
	while (!kthread_should_stop()) {
		t->fn(t->arg);
		WRITE_ONCE(t->rounds, t->rounds + 1);
		cond_resched();
	}
	kthread_unuse_mm(borrowed);
	return 0;
}

void rig_thread_start(struct kunit *test, struct rig_thread *t)
{
	t->task = kthread_run(thread_main, t, "keel-kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->task));
}

void rig_thread_stop(struct rig_thread *t)
{
	kthread_stop(t->task);
}

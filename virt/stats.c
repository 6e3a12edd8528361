// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - counters in debugfs: keel/<pid>-<fd>/vm and keel/<pid>-<fd>/vcpus
 *
 * Lines of "name value", and for vCPUs "vcpu<id>.name value". Counters are read
 * while they count: each is of some moment, not all of one.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <keel/stats.h>
#include <keel/vcpu.h>
#include "virt.h"

struct counter {
	const char *name;
	size_t offset;
};

#define VM_COUNTER(f)	{ #f, offsetof(struct keel_vm_stat, f) }
static const struct counter vm_counters[] = {
	VM_COUNTER(mmu_unmaps),
	VM_COUNTER(tlb_flushes),
	VM_COUNTER(pages_4k),
	VM_COUNTER(pages_2m),
	VM_COUNTER(pages_1g),
};

#define VCPU_COUNTER(f)	{ #f, offsetof(struct keel_vcpu_stat, f) }
static const struct counter vcpu_counters[] = {
	VCPU_COUNTER(user_exits),
	VCPU_COUNTER(signal_exits),
	VCPU_COUNTER(halts),
	VCPU_COUNTER(wakeups),
	VCPU_COUNTER(irq_injections),
	VCPU_COUNTER(nmi_injections),
	VCPU_COUNTER(exception_injections),
	VCPU_COUNTER(insns_emulated),
	VCPU_COUNTER(faults),
};

static struct dentry *stats_root;

static u64 counter_read(const void *stat, const struct counter *c)
{
	return READ_ONCE(*(const u64 *)(stat + c->offset));
}

/* The debugfs core keeps the VM: removal waits for readers, and is before the VM's end. */
static int vm_show(struct seq_file *s, void *unused)
{
	const struct keel_vm *vm = s->private;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vm_counters); i++)
		seq_printf(s, "%s %llu\n", vm_counters[i].name,
			   counter_read(&vm->stat, &vm_counters[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm);

static void vcpu_show(struct seq_file *s, const struct keel_vcpu *vcpu)
{
	unsigned int i;
	u64 n;

	for (i = 0; i < ARRAY_SIZE(vcpu_counters); i++)
		seq_printf(s, "vcpu%u.%s %llu\n", vcpu->id, vcpu_counters[i].name,
			   counter_read(&vcpu->stat, &vcpu_counters[i]));
	for (i = 0; i < KEEL_NR_EXIT_STATS; i++) {
		n = READ_ONCE(vcpu->stat.exits[i]);
		if (n)
			seq_printf(s, "vcpu%u.exit%u %llu\n", vcpu->id, i, n);
	}
}

static int vcpus_show(struct seq_file *s, void *unused)
{
	struct keel_vm *vm = s->private;
	struct keel_vcpu *vcpu;
	unsigned int i;

	keel_for_each_vcpu(i, vcpu, vm)
		vcpu_show(s, vcpu);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpus);

void keel_stats_init(void)
{
	stats_root = debugfs_create_dir("keel", NULL);
}

void keel_stats_exit(void)
{
	debugfs_remove(stats_root);
}

/* A VM whose fd was closed may live on by its vCPUs and hold the name: then go without. */
void keel_stats_vm_add(struct keel_vm *vm, int fd)
{
	struct dentry *other;
	char name[32];

	snprintf(name, sizeof(name), "%d-%d", task_tgid_nr(current), fd);
	other = debugfs_lookup(name, stats_root);
	if (other) {
		dput(other);
		return;
	}
	vm->debugfs = debugfs_create_dir(name, stats_root);
	debugfs_create_file("vm", 0400, vm->debugfs, vm, &vm_fops);
	debugfs_create_file("vcpus", 0400, vm->debugfs, vm, &vcpus_fops);
}

void keel_stats_vm_remove(struct keel_vm *vm)
{
	debugfs_remove(vm->debugfs);
}

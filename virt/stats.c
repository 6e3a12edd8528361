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
#include <keel/arch.h>
#include <keel/stats.h>
#include <keel/vcpu.h>
#include "virt.h"

#define VM_COUNTER(f)	{ .name = #f, .offset = offsetof(struct keel_vm_stat, f) }
#define VM_NUMBER(f)	{ .name = #f, .offset = offsetof(struct keel_vm_stat, f), .now = true }
static const struct keel_counter vm_counters[] = {
	VM_COUNTER(mmu_unmaps),
	VM_COUNTER(tlb_flushes),
	VM_NUMBER(pages_4k),
	VM_NUMBER(pages_2m),
	VM_NUMBER(pages_1g),
};

#define VCPU_COUNTER(f)	{ .name = #f, .offset = offsetof(struct keel_vcpu_stat, f) }
#define VCPU_IS(f)	{ .name = #f, .offset = offsetof(struct keel_vcpu_stat, f), \
			  .now = true, .yes_or_no = true }
static const struct keel_counter vcpu_named[] = {
	VCPU_COUNTER(user_exits),
	VCPU_COUNTER(signal_exits),
	VCPU_COUNTER(halts),
	VCPU_COUNTER(wakeups),
	VCPU_COUNTER(irq_injections),
	VCPU_COUNTER(nmi_injections),
	VCPU_COUNTER(exception_injections),
	VCPU_COUNTER(insns_emulated),
	VCPU_COUNTER(faults),
	VCPU_IS(blocking),
};

/* The exits follow; their names are the architecture's. */
static struct keel_counter vcpu_exits[KEEL_NR_EXIT_STATS];

const struct keel_counter *keel_vm_counter(unsigned int i)
{
	return i < ARRAY_SIZE(vm_counters) ? &vm_counters[i] : NULL;
}

const struct keel_counter *keel_vcpu_counter(unsigned int i)
{
	if (i < ARRAY_SIZE(vcpu_named))
		return &vcpu_named[i];
	i -= ARRAY_SIZE(vcpu_named);
	return i < KEEL_NR_EXIT_STATS && vcpu_exits[i].name ? &vcpu_exits[i] : NULL;
}

u64 keel_counter_read(const void *stat, const struct keel_counter *c)
{
	return READ_ONCE(*(const u64 *)(stat + c->offset));
}

static void name_exits(void)
{
	unsigned int i;

	for (i = 0; i < KEEL_NR_EXIT_STATS && arch_exit_name(i); i++)
		vcpu_exits[i] = (struct keel_counter){
			.prefix = "exit_",
			.name = arch_exit_name(i),
			.offset = offsetof(struct keel_vcpu_stat, exits) + i * sizeof(u64),
		};
}

static struct dentry *stats_root;

/* The debugfs core keeps the VM: removal waits for readers, and is before the VM's end. */
static int vm_show(struct seq_file *s, void *unused)
{
	const struct keel_vm *vm = s->private;
	const struct keel_counter *c;
	unsigned int i;

	for (i = 0; (c = keel_vm_counter(i)); i++)
		seq_printf(s, "%s %llu\n", c->name, keel_counter_read(&vm->stat, c));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm);

/* Of the exits those that happened. */
static void vcpu_show(struct seq_file *s, const struct keel_vcpu *vcpu)
{
	const struct keel_counter *c;
	unsigned int i;
	u64 n;

	for (i = 0; (c = keel_vcpu_counter(i)); i++) {
		n = keel_counter_read(&vcpu->stat, c);
		if (n || !c->prefix)
			seq_printf(s, "vcpu%u.%s%s %llu\n", vcpu->id, c->prefix ?: "", c->name, n);
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
	name_exits();
	stats_root = debugfs_create_dir("keel", NULL);
}

void keel_stats_exit(void)
{
	keel_times_flush();
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

// SPDX-License-Identifier: GPL-2.0
/*
 * vm.c - the life of a VM
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <keel/arch.h>
#include <keel/gfn.h>
#include <keel/irq.h>
#include "virt.h"

LIST_HEAD(keel_vm_list);
DEFINE_MUTEX(keel_vm_list_lock);	/* keel_vm_list */

static void vm_init_fields(struct keel_vm *vm)
{
	kref_init(&vm->ref);
	vm->mm = current->mm;
	vm->owner = task_tgid_nr(current);
	mmgrab(vm->mm);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->irq_lock);
	spin_lock_init(&vm->mmu_lock);
	spin_lock_init(&vm->ring_lock);
	xa_init_flags(&vm->vcpus, XA_FLAGS_ACCOUNT);
	vm->max_vcpu_ids = KEEL_MAX_VCPU_IDS;
	INIT_LIST_HEAD(&vm->ioeventfds);
	INIT_LIST_HEAD(&vm->coalesced_zones);
	INIT_LIST_HEAD(&vm->link);
	keel_memslots_init(vm);
}

static void vm_free(struct keel_vm *vm)
{
	xa_destroy(&vm->vcpus);
	mmdrop(vm->mm);
	kvfree(vm);
}

/* The parts without the CPU: what remains when the hardware is off again. */
static int vm_init_generic(struct keel_vm *vm)
{
	int r;

	r = init_srcu_struct(&vm->srcu);
	if (r)
		return r;
	r = keel_buses_init(vm);
	if (r)
		goto err_srcu;
	r = keel_coalesced_init(vm);
	if (r)
		goto err_buses;
	r = keel_irqfds_init(vm);
	if (r)
		goto err_coalesced;
	return 0;

err_coalesced:
	keel_coalesced_destroy(vm);
err_buses:
	keel_bus_destroy(vm);
err_srcu:
	cleanup_srcu_struct(&vm->srcu);
	return r;
}

/* keel_bus_destroy() has been called. */
static void vm_exit_generic(struct keel_vm *vm)
{
	keel_routing_destroy(vm);
	keel_irqfds_destroy(vm);
	keel_coalesced_destroy(vm);
	keel_memslots_destroy(vm);
	cleanup_srcu_struct(&vm->srcu);
}

struct keel_vm *keel_vm_create(unsigned long type)
{
	struct keel_vm *vm;
	int r;

	if (!arch_vm_type_valid(type))
		return ERR_PTR(-EINVAL);
	vm = kvzalloc(arch_vm_size(), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm_init_fields(vm);
	r = vm_init_generic(vm);
	if (r)
		goto err_free;
	r = arch_hardware_get();
	if (r)
		goto err_generic;
	r = arch_vm_init(vm);
	if (r)
		goto err_hardware;
	r = keel_notifier_register(vm);	/* from here on the host can call arch_mmu_*() */
	if (r)
		goto err_arch;

	mutex_lock(&keel_vm_list_lock);
	list_add(&vm->link, &keel_vm_list);
	mutex_unlock(&keel_vm_list_lock);
	return vm;

err_arch:
	arch_vm_release(vm);
	arch_vm_destroy(vm);
err_hardware:
	arch_hardware_put();
err_generic:
	keel_bus_destroy(vm);
	vm_exit_generic(vm);
err_free:
	vm_free(vm);
	return ERR_PTR(r);
}

/*
 * The order: nobody finds the VM; no eventfd injects; devices on the buses are
 * released (a timer of one may inject: it stops now, while vCPUs exist); the
 * host calls no notifier, and all of guest memory is unmapped; then vCPUs, the
 * architecture, and the rest.
 */
static void vm_destroy(struct kref *ref)
{
	struct keel_vm *vm = container_of(ref, struct keel_vm, ref);

	keel_stats_vm_remove(vm);
	mutex_lock(&keel_vm_list_lock);
	list_del(&vm->link);
	mutex_unlock(&keel_vm_list_lock);
	keel_irqfds_release(vm);
	keel_bus_destroy(vm);
	keel_ioeventfd_destroy(vm);
	keel_notifier_unregister(vm);
	keel_vcpus_destroy(vm);
	arch_vm_destroy(vm);
	vm_exit_generic(vm);
	arch_hardware_put();
	vm_free(vm);
}

void keel_vm_get(struct keel_vm *vm)
{
	kref_get(&vm->ref);
}

void keel_vm_put(struct keel_vm *vm)
{
	kref_put(&vm->ref, vm_destroy);
}

void keel_vm_kill(struct keel_vm *vm, const char *why)
{
	struct keel_vcpu *vcpu;
	unsigned int i;

	if (xchg(&vm->dead, true))
		return;
	pr_err_ratelimited("VM of process %d stopped: %s\n", task_pid_nr(current), why);
	keel_for_each_vcpu(i, vcpu, vm) {
		keel_vcpu_request(vcpu, KEEL_REQ_DEAD);
		keel_vcpu_kick(vcpu);
	}
}

/*
 * A vCPU is in the xarray before nr_vcpus says so (release, acquire), and stays
 * until the VM ends; whoever has a VM may use its vCPUs without more.
 */
struct keel_vcpu *keel_vcpu_by_index(struct keel_vm *vm, unsigned int idx)
{
	/* The number, before the entry: pairs with vcpu_publish(). */
	unsigned int nr = smp_load_acquire(&vm->nr_vcpus);

	if (idx >= nr)
		return NULL;
	return xa_load(&vm->vcpus, array_index_nospec(idx, nr));
}

struct keel_vcpu *keel_vcpu_by_id(struct keel_vm *vm, u32 id)
{
	struct keel_vcpu *vcpu = keel_vcpu_by_index(vm, id);
	unsigned int i;

	if (vcpu && vcpu->id == id)	/* the usual: ids are given in order */
		return vcpu;
	keel_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

long keel_vm_create_fd(unsigned long type)
{
	struct keel_vm *vm;
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = keel_vm_create(type);
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	/* The name is what tools look for in /proc/<pid>/fd. The file takes over the reference. */
	file = anon_inode_getfile("kvm-vm", &keel_vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		keel_vm_put(vm);
		return PTR_ERR(file);
	}
	keel_stats_vm_add(vm, fd);
	fd_install(fd, file);
	return fd;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd.c - writes to an eventfd raise a GSI
 *
 * An irqfd is in force while it is on irqfds->active. It leaves the list once, by
 * deassign, by the end of the VM's file or by the hangup of its eventfd, and who
 * took it off queues its shutdown: the wait queue is left, then it is freed. The
 * hangup comes inside the eventfd's lock, so that much needs a worker.
 *
 * Lock order: irqfds->mutex; then vm->irq_lock, or the lock of an eventfd and in it
 * irqfds->lock.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <keel/arch.h>
#include <keel/compat.h>
#include "virt.h"

struct keel_irqfds {
	struct mutex mutex;		/* assign and deassign whole; the list of resamplers */
	spinlock_t lock;		/* active; taken with interrupts off */
	struct list_head active;
	struct list_head resamplers;	/* mutex for writing, RCU for reading */
	unsigned int nr_resamplers;	/* mutex */
};

struct keel_irqfd {
	struct keel_vm *vm;
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;	/* NULL: edges; else a level until the guest's EOI */
	struct list_head link;		/* irqfds->active */
	struct list_head resampler;	/* irqfds->resamplers */
	wait_queue_entry_t wait;
	poll_table pt;
	struct work_struct shutdown;
};

static struct workqueue_struct *irqfd_wq;

int keel_irqfd_init(void)
{
	irqfd_wq = alloc_workqueue("keel-irqfd", 0, 0);
	return irqfd_wq ? 0 : -ENOMEM;
}

void keel_irqfd_exit(void)
{
	destroy_workqueue(irqfd_wq);
}

static void irqfd_fire(struct keel_irqfd *irqfd)
{
	if (irqfd->resamplefd) {
		keel_irq_set(irqfd->vm, KEEL_IRQ_RESAMPLE, irqfd->gsi, 1);
		return;
	}
	keel_irq_set(irqfd->vm, KEEL_IRQ_USERSPACE, irqfd->gsi, 1);
	keel_irq_set(irqfd->vm, KEEL_IRQ_USERSPACE, irqfd->gsi, 0);
}

/* Off the list means out of force; only the one that takes it off queues the work. */
static void irqfd_retire(struct keel_irqfd *irqfd)
{
	lockdep_assert_held(&irqfd->vm->irqfds->lock);
	if (list_empty(&irqfd->link))
		return;
	list_del_init(&irqfd->link);
	queue_work(irqfd_wq, &irqfd->shutdown);
}

/* The eventfd's lock is held, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct keel_irqfd *irqfd = container_of(wait, struct keel_irqfd, wait);
	struct keel_irqfds *irqfds = irqfd->vm->irqfds;
	__poll_t events = key_to_poll(key);
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_fire(irqfd);
		taken = 1;	/* an exclusive waiter: nobody else need wake for this */
	}
	if (events & EPOLLHUP) {
		spin_lock(&irqfds->lock);
		irqfd_retire(irqfd);
		spin_unlock(&irqfds->lock);
	}
	return taken;
}

static void irqfd_queue_proc(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	struct keel_irqfd *irqfd = container_of(pt, struct keel_irqfd, pt);

	add_wait_queue_priority(wqh, &irqfd->wait);
}

/* The architecture sees the EOIs it is asked for only: it asks again who listens. */
static void irqfd_listeners_changed(struct keel_vm *vm)
{
	mutex_lock(&vm->irq_lock);
	arch_routing_changed(vm);
	mutex_unlock(&vm->irq_lock);
}

static bool resampler_for(struct keel_irqfds *irqfds, u32 gsi)
{
	struct keel_irqfd *irqfd;

	list_for_each_entry_rcu(irqfd, &irqfds->resamplers, resampler,
				lockdep_is_held(&irqfds->mutex))
		if (irqfd->gsi == gsi)
			return true;
	return false;
}

/* The last resampler of a GSI lets go of the line. */
static void irqfd_resample_end(struct keel_irqfd *irqfd)
{
	struct keel_irqfds *irqfds = irqfd->vm->irqfds;

	mutex_lock(&irqfds->mutex);
	list_del_rcu(&irqfd->resampler);
	irqfds->nr_resamplers--;
	if (!resampler_for(irqfds, irqfd->gsi))
		keel_irq_set(irqfd->vm, KEEL_IRQ_RESAMPLE, irqfd->gsi, 0);
	irqfd_listeners_changed(irqfd->vm);
	mutex_unlock(&irqfds->mutex);
	synchronize_rcu_expedited();
	eventfd_ctx_put(irqfd->resamplefd);
}

static void irqfd_shutdown(struct work_struct *work)
{
	struct keel_irqfd *irqfd = container_of(work, struct keel_irqfd, shutdown);
	u64 count;

	/* Takes the eventfd's lock: afterwards irqfd_wakeup() has ended and is not called again. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	if (irqfd->resamplefd)
		irqfd_resample_end(irqfd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

/* Before it was ever in force. */
static void irqfd_free(struct keel_irqfd *irqfd)
{
	if (!IS_ERR_OR_NULL(irqfd->resamplefd))
		eventfd_ctx_put(irqfd->resamplefd);
	if (!IS_ERR_OR_NULL(irqfd->eventfd))
		eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static struct keel_irqfd *irqfd_alloc(struct keel_vm *vm, const struct kvm_irqfd *args,
				      struct file *file)
{
	struct keel_irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	long r;

	if (!irqfd)
		return ERR_PTR(-ENOMEM);
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->link);
	INIT_WORK(&irqfd->shutdown, irqfd_shutdown);
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->pt, irqfd_queue_proc);

	irqfd->eventfd = eventfd_ctx_fileget(file);
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		irqfd->resamplefd = eventfd_ctx_fdget(args->resamplefd);
	r = PTR_ERR_OR_ZERO(irqfd->eventfd) ?: PTR_ERR_OR_ZERO(irqfd->resamplefd);
	if (r) {
		irqfd_free(irqfd);
		return ERR_PTR(r);
	}
	return irqfd;
}

/* -EBUSY: each event would be taken by only one of two. */
static int irqfd_list_add(struct keel_irqfds *irqfds, struct keel_irqfd *irqfd)
{
	struct keel_irqfd *other;
	int r = 0;

	spin_lock_irq(&irqfds->lock);
	list_for_each_entry(other, &irqfds->active, link)
		if (other->eventfd == irqfd->eventfd)
			r = -EBUSY;
	if (!r)
		list_add_tail(&irqfd->link, &irqfds->active);
	spin_unlock_irq(&irqfds->lock);
	return r;
}

/*
 * The mutex keeps deassign away until the wait queue is joined, and the caller's
 * reference to @file keeps the hangup away: nothing ends the irqfd meanwhile.
 */
static int irqfd_activate(struct keel_irqfds *irqfds, struct keel_irqfd *irqfd, struct file *file)
{
	int r;

	mutex_lock(&irqfds->mutex);
	r = irqfd_list_add(irqfds, irqfd);
	if (!r) {
		if (irqfd->resamplefd) {
			list_add_rcu(&irqfd->resampler, &irqfds->resamplers);
			if (irqfds->nr_resamplers++ >= KEEL_CROWD)
				WRITE_ONCE(irqfd->vm->crowded, true);
			irqfd_listeners_changed(irqfd->vm);
		}
		if (vfs_poll(file, &irqfd->pt) & EPOLLIN)
			irqfd_fire(irqfd);	/* signalled before we listened */
	}
	mutex_unlock(&irqfds->mutex);
	return r;
}

/* EOIs of the IOAPIC are seen in the kernel only if the IOAPIC is there, with its pins. */
static bool irqfd_allowed(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	bool ioapic;

	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return arch_irqchip_present(vm);
	mutex_lock(&vm->irq_lock);
	ioapic = arch_irq_pin_valid(vm, KVM_IRQCHIP_IOAPIC, 0);
	mutex_unlock(&vm->irq_lock);
	return ioapic && arch_irqchip_present(vm);
}

static int irqfd_assign(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	struct keel_irqfd *irqfd;
	struct file *file;
	int r;

	if (!irqfd_allowed(vm, args))
		return -EINVAL;
	file = eventfd_fget(args->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	irqfd = irqfd_alloc(vm, args, file);
	if (IS_ERR(irqfd)) {
		r = PTR_ERR(irqfd);
	} else {
		r = irqfd_activate(vm->irqfds, irqfd, file);
		if (r)
			irqfd_free(irqfd);
	}
	fput(file);	/* from here on @irqfd may be gone */
	return r;
}

/* On return none of them fires any more: the work of all retired ones is done. */
static void irqfds_retire(struct keel_irqfds *irqfds, const struct eventfd_ctx *eventfd, u32 gsi)
{
	struct keel_irqfd *irqfd, *next;

	mutex_lock(&irqfds->mutex);
	spin_lock_irq(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->active, link)
		if (!eventfd || (irqfd->eventfd == eventfd && irqfd->gsi == gsi))
			irqfd_retire(irqfd);
	spin_unlock_irq(&irqfds->lock);
	mutex_unlock(&irqfds->mutex);
	flush_workqueue(irqfd_wq);
}

static int irqfd_deassign(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfds_retire(vm->irqfds, eventfd, args->gsi);
	eventfd_ctx_put(eventfd);
	return 0;
}

int keel_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(vm, args);
	return irqfd_assign(vm, args);
}

/* Lower the line first: a device that still wants it raises it again when told. */
void keel_irq_eoi(struct keel_vm *vm, u32 chip, u32 pin)
{
	struct keel_irqfds *irqfds = vm->irqfds;
	struct keel_irqfd *irqfd;
	int gsi;

	rcu_read_lock();
	gsi = keel_routing_pin_gsi(vm, chip, pin);
	if (gsi >= 0 && resampler_for(irqfds, gsi)) {
		keel_irq_set(vm, KEEL_IRQ_RESAMPLE, gsi, 0);
		list_for_each_entry_rcu(irqfd, &irqfds->resamplers, resampler)
			if (irqfd->gsi == gsi)
				keel_compat_eventfd_signal(irqfd->resamplefd);
	}
	rcu_read_unlock();
}

bool keel_irq_has_eoi_listener(struct keel_vm *vm, u32 chip, u32 pin)
{
	bool found;
	int gsi;

	rcu_read_lock();
	gsi = keel_routing_pin_gsi(vm, chip, pin);
	found = gsi >= 0 && resampler_for(vm->irqfds, gsi);
	rcu_read_unlock();
	return found;
}

int keel_irqfds_init(struct keel_vm *vm)
{
	struct keel_irqfds *irqfds = kzalloc(sizeof(*irqfds), GFP_KERNEL_ACCOUNT);

	if (!irqfds)
		return -ENOMEM;
	mutex_init(&irqfds->mutex);
	spin_lock_init(&irqfds->lock);
	INIT_LIST_HEAD(&irqfds->active);
	INIT_LIST_HEAD(&irqfds->resamplers);
	vm->irqfds = irqfds;
	return 0;
}

void keel_irqfds_release(struct keel_vm *vm)
{
	irqfds_retire(vm->irqfds, NULL, 0);
}

void keel_irqfds_destroy(struct keel_vm *vm)
{
	kfree(vm->irqfds);
	vm->irqfds = NULL;
}

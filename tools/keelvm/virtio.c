// SPDX-License-Identifier: GPL-2.0
/*
 * virtio.c - the registers of virtio devices, their interrupts and their kicks
 *
 * A kick is an ioeventfd, so that no CPU leaves the guest for long; an interrupt is an
 * irqfd on an edge triggered GSI: status is told by InterruptStatus, and each new event
 * is an edge of its own.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "virtio.h"

#define MAGIC		0x74726976
#define VENDOR		0x4c45454b
#define FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC)

extern const struct vdev_type vdev_console, vdev_blk, vdev_rng, vdev_net, vdev_vsock,
	vdev_balloon;

const struct vdev_type * const virtio_types[VIRTIO_TYPES] = {
	&vdev_console, &vdev_blk, &vdev_rng, &vdev_net, &vdev_vsock, &vdev_balloon,
};

/* What a PC has no device at: 3 and 4 are serial lines, 8 the clock, 9 ACPI's, 13 the FPU */
unsigned int virtio_gsi(unsigned int index)
{
	static const uint8_t gsi[VIRTIO_MAX] = {
		5, 6, 7, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	};

	return gsi[index];
}

bool vdev_live(const struct vdev *d)
{
	return (d->r.status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) ==
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

static void interrupt(struct vdev *d, uint32_t why)
{
	d->r.isr |= why;
	vm_must(!eventfd_write(d->irqfd, 1), VM_HOST, "interrupt of %s", d->type->option);
}

void vdev_changed(struct vdev *d)
{
	d->r.generation++;
	if (vdev_live(d))
		interrupt(d, VIRTIO_MMIO_INT_CONFIG);
}

void vdev_done(struct vdev *d, struct vq *q)
{
	if (q->broken && vdev_live(d)) {
		d->r.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
		interrupt(d, VIRTIO_MMIO_INT_CONFIG);
	} else if (vq_wants_irq(q)) {
		interrupt(d, VIRTIO_MMIO_INT_VRING);
	}
}

bool vdev_pop(struct vdev *d, unsigned int q, struct vq_chain *c)
{
	struct vq *vq = &d->q[q];

	if (!vdev_live(d) || vm.paused || d->halted)
		return false;
	return vq_pop(vq, c) || (vq_more(vq) && vq_pop(vq, c));
}

bool vdev_each(struct vdev *d, unsigned int q, unsigned int max,
	       int64_t (*use)(struct vdev *d, struct vq_chain *c))
{
	struct vq *vq = &d->q[q];
	bool some = true;
	struct vq_chain c;
	int64_t len = 0;

	while (max-- && len != VDEV_LATER && (some = vdev_pop(d, q, &c))) {
		len = use(d, &c);
		if (len == VDEV_LATER)
			vq_unpop(vq);
		else
			vq_push(vq, c.head, len);
	}
	if (some && len != VDEV_LATER)
		eventfd_write(d->kicked[q].fd, 1);
	vdev_done(d, vq);
	return !some;
}

static void kick(struct vdev *d, unsigned int q)
{
	if (vdev_live(d) && d->q[q].ready && !vm.paused) {
		if (d->type->work && q == d->type->work_queue)
			pthread_cond_signal(&d->more);
		else
			d->type->kick(d, q);
	}
	if (d->q[q].broken)
		vdev_done(d, &d->q[q]);
}

static void kicked(struct watch *w, short events __unused)
{
	struct vdev *d = w->owner;
	eventfd_t unused;

	if (!eventfd_read(w->fd, &unused))
		kick(d, w - d->kicked);
}

/* ---- threads of devices that work ---- */

static void *worker(void *arg)
{
	struct vdev *d = arg;
	struct vq *q = &d->q[d->type->work_queue];
	uint32_t len;

	pthread_mutex_lock(&vm.lock);
	for (;;) {
		if (!vdev_pop(d, d->type->work_queue, &d->chain)) {
			vdev_done(d, q);
			pthread_cond_wait(&d->more, &vm.lock);
			continue;
		}
		d->busy = true;
		vm.working++;
		pthread_mutex_unlock(&vm.lock);
		len = d->type->work(d, &d->chain);
		pthread_mutex_lock(&vm.lock);
		d->busy = false;
		vm.working--;
		vq_push(q, d->chain.head, len);
		vdev_done(d, q);
		pthread_cond_broadcast(&vm.idle);
		loop_wake();		/* one may wait for it */
	}
	return NULL;
}

/* What works has the guest's memory: it ends before the guest may have that back. */
static void halt(struct vdev *d)
{
	if (d->type->stop)
		d->type->stop(d);
	d->halted++;
	while (d->busy)
		pthread_cond_wait(&vm.idle, &vm.lock);
	d->halted--;
}

/* ---- registers ---- */

static void reset(struct vdev *d)
{
	unsigned int i;

	halt(d);
	if (d->type->reset)
		d->type->reset(d);
	memset(&d->r, 0, offsetof(struct vdev_regs, generation));
	for (i = 0; i < VIRTIO_QUEUES; i++)
		vq_reset(&d->q[i]);
}

static void set_status(struct vdev *d, uint32_t val)
{
	uint32_t fresh = val & ~d->r.status;
	unsigned int i;

	if (!val) {
		reset(d);
		return;
	}
	if ((d->r.features & ~d->offered) || !(d->r.features & 1ULL << VIRTIO_F_VERSION_1))
		val &= ~VIRTIO_CONFIG_S_FEATURES_OK | d->r.status;
	d->r.status = (val & 0xff) | (d->r.status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if (fresh & VIRTIO_CONFIG_S_DRIVER_OK)
		for (i = 0; i < d->type->queues; i++)
			kick(d, i);
}

static void set_half(uint64_t *p, bool high, uint32_t val)
{
	*p = high ? (*p & 0xffffffff) | (uint64_t)val << 32 : (*p & ~0xffffffffULL) | val;
}

static void set_ready(struct vdev *d, struct vq *q, bool on)
{
	if (!on) {
		halt(d);
		vq_reset(q);
		return;
	}
	q->r.event_idx = d->r.features >> VIRTIO_RING_F_EVENT_IDX & 1;
	q->r.indirect = d->r.features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	if (!vq_start(q))
		vdev_done(d, q);
}

/* Those of the selected queue */
static void write_queue(struct vdev *d, struct vq *q, unsigned int reg, uint32_t val)
{
	if (reg == VIRTIO_MMIO_QUEUE_READY && (val & 1) != q->ready)
		set_ready(d, q, val & 1);
	else if (reg == VIRTIO_MMIO_QUEUE_NUM && !q->ready)
		q->r.num = val;
	else if (reg >= VIRTIO_MMIO_QUEUE_DESC_LOW && reg <= VIRTIO_MMIO_QUEUE_USED_HIGH &&
		 !(reg & 8) && !q->ready)
		set_half(&q->r.gpa[(reg - VIRTIO_MMIO_QUEUE_DESC_LOW) >> 4], reg & 4, val);
}

static void write_reg(struct vdev *d, unsigned int reg, uint32_t val)
{
	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		d->r.device_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		d->r.driver_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (d->r.driver_sel < 2 && !(d->r.status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&d->r.features, d->r.driver_sel, val);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		d->r.queue_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:		/* if not by ioeventfd */
		if (val < d->type->queues)
			kick(d, val);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		d->r.isr &= ~val;
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(d, val);
		break;
	default:
		if (d->r.queue_sel < d->type->queues)
			write_queue(d, &d->q[d->r.queue_sel], reg, val);
	}
}

static uint32_t read_reg(const struct vdev *d, unsigned int reg)
{
	bool queue = d->r.queue_sel < d->type->queues;
	const uint32_t regs[VIRTIO_MMIO_CONFIG] = {
		[VIRTIO_MMIO_MAGIC_VALUE] = MAGIC,
		[VIRTIO_MMIO_VERSION] = 2,
		[VIRTIO_MMIO_DEVICE_ID] = d->type->id,
		[VIRTIO_MMIO_VENDOR_ID] = VENDOR,
		[VIRTIO_MMIO_DEVICE_FEATURES] = d->r.device_sel < 2 ?
			d->offered >> 32 * d->r.device_sel : 0,
		[VIRTIO_MMIO_QUEUE_NUM_MAX] = queue ? VQ_SIZE : 0,
		[VIRTIO_MMIO_QUEUE_READY] = queue && d->q[d->r.queue_sel].ready,
		/* Who interrupts for vhost's queues does not say so. */
		[VIRTIO_MMIO_INTERRUPT_STATUS] = d->r.isr |
			(d->type->vhost ? VIRTIO_MMIO_INT_VRING : 0),
		[VIRTIO_MMIO_STATUS] = d->r.status,
		[VIRTIO_MMIO_SHM_LEN_LOW ... VIRTIO_MMIO_SHM_BASE_HIGH] = ~0u,	/* none */
		[VIRTIO_MMIO_CONFIG_GENERATION] = d->r.generation,
	};

	return regs[reg];
}

static void access_config(struct vdev *d, unsigned int at, bool write, unsigned int len,
			  uint8_t *data)
{
	if (at > VIRTIO_CONFIG || len > VIRTIO_CONFIG - at)
		return;
	if (!write)
		memcpy(data, d->r.config + at, len);
	else if (d->type->config_writable)
		memcpy(d->r.config + at, data, len);
}

bool virtio_mmio(uint64_t addr, bool write, unsigned int len, uint8_t *data)
{
	uint64_t index = (addr - VIRTIO_BASE) / VIRTIO_STRIDE;
	unsigned int reg = addr % VIRTIO_STRIDE;
	struct vdev *d;
	uint32_t val = 0;

	if (addr < VIRTIO_BASE || index >= vm.vdevs)
		return false;
	d = vm.vdev[index];
	if (!write)
		memset(data, 0, len);
	if (reg >= VIRTIO_MMIO_CONFIG) {
		access_config(d, reg - VIRTIO_MMIO_CONFIG, write, len, data);
	} else if (len == 4 && !(reg & 3)) {
		memcpy(&val, data, 4);
		if (write)
			write_reg(d, reg, val);
		else
			val = read_reg(d, reg);
		memcpy(data, &val, 4);
	}
	return true;
}

void virtio_pause(void)
{
	unsigned int i;

	for (i = 0; i < vm.vdevs; i++)
		if (vm.vdev[i]->type->stop)
			vm.vdev[i]->type->stop(vm.vdev[i]);
}

void virtio_resume(void)
{
	unsigned int i, q;

	for (i = 0; i < vm.vdevs; i++)
		for (q = 0; q < vm.vdev[i]->type->queues; q++)
			kick(vm.vdev[i], q);
}

/* An interrupt more than there was is harmless, one less is not. */
bool virtio_restore(struct vdev *d)
{
	unsigned int i;

	if (d->r.features & ~d->offered)
		return false;
	for (i = 0; i < VIRTIO_QUEUES; i++) {
		struct vq *q = &d->q[i];

		if (q->r.event_idx > 1 || q->r.indirect > 1 || q->r.started > 1 ||
		    (q->r.started && (i >= d->type->queues || !vq_start(q))))
			return false;
	}
	if (d->type->restored && !d->type->restored(d))
		return false;
	if (d->r.isr || d->type->vhost)
		interrupt(d, 0);
	return true;
}

/* ---- made ---- */

void virtio_add(const struct vdev_type *type, char *arg)
{
	struct vdev *d = calloc(1, sizeof(*d) + type->size);
	pthread_t t;

	vm_must(d && vm.vdevs < VIRTIO_MAX, VM_USAGE, "no more than %u virtio devices", VIRTIO_MAX);
	d->type = type;
	d->index = vm.vdevs;
	d->own = d + 1;
	d->offered = FEATURES | type->features;
	if (type->create)
		type->create(d, arg);
	pthread_cond_init(&d->more, NULL);
	vm_must(!type->work || !pthread_create(&t, NULL, worker, d), VM_HOST, "thread of %s",
		type->option);
	vm.vdev[vm.vdevs++] = d;
}

void virtio_describe(void)
{
	size_t size = strlen(opt.cmdline) + 64 * VIRTIO_MAX;
	char *line = malloc(size), *end = line;
	unsigned int i;

	vm_must(line, VM_HOST, "memory");
	vm.cmdline = line;
	end += sprintf(end, "%s%s", opt.cmdline, opt.exec ? " rdinit=/.keelvm" : "");
	vm.acpi = vm.vdevs && !strstr(line, "acpi=off");
	if (vm.acpi)
		acpi_write();
	for (i = 0; !vm.acpi && i < vm.vdevs; i++)
		end += sprintf(end, " virtio_mmio.device=4K@%#llx:%u",
			       VIRTIO_BASE + i * VIRTIO_STRIDE, virtio_gsi(i));
}

static void connect_queue(struct vdev *d, unsigned int i)
{
	struct watch *w = &d->kicked[i];
	struct kvm_ioeventfd e = {
		.addr = VIRTIO_BASE + d->index * VIRTIO_STRIDE + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = 4, .datamatch = i, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	e.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm_must(!ioctl(vm.fd, KVM_IOEVENTFD, &e), VM_HOST, "KVM_IOEVENTFD of %s", d->type->option);
	*w = (struct watch){ .fd = e.fd, .ready = kicked, .owner = d };
	loop_watch(w, POLLIN);
}

void virtio_connect(void)
{
	unsigned int i, q;

	for (i = 0; i < vm.vdevs; i++) {
		struct vdev *d = vm.vdev[i];
		struct kvm_irqfd f = { .gsi = virtio_gsi(i) };

		d->irqfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f.fd = d->irqfd;
		vm_must(!ioctl(vm.fd, KVM_IRQFD, &f), VM_HOST, "KVM_IRQFD of %s", d->type->option);
		for (q = 0; q < d->type->queues; q++)
			connect_queue(d, q);
	}
}

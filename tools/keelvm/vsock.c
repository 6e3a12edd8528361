// SPDX-License-Identifier: GPL-2.0
/*
 * vsock.c - virtio: sockets between guest and host (AF_VSOCK), by the kernel's vhost
 *
 * From the driver's start to its end the kernel has the queues for packets, takes kicks
 * from their ioeventfds and interrupts by the irqfd; nothing of it passes through here.
 */
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include "virtio.h"

enum { RX, TX, EVENT };

#define HOST_CID	2
#define VHOST		"/dev/vhost-vsock"

struct vsock {
	int fd;				/* of vhost */
	uint64_t cid;
	bool running;			/* the kernel has the queues */
};

static bool set_memory(int fd)
{
	struct {
		struct vhost_memory h;
		struct vhost_memory_region r[2];
	} m = { .h.nregions = opt.mem > vm_low() ? 2 : 1, .r = {
		{ 0, vm_low(), (uintptr_t)vm.mem, 0 },
		{ KEELVM_GAP_END, opt.mem - vm_low(), (uintptr_t)vm.mem + vm_low(), 0 },
	} };

	return !ioctl(fd, VHOST_SET_MEM_TABLE, &m);
}

static bool give(struct vdev *d, unsigned int i)
{
	const struct vq *q = &d->q[i];
	struct vhost_vring_state num = { i, q->r.num }, base = { i, q->r.last_avail };
	int fd = ((struct vsock *)d->own)->fd;

	return !ioctl(fd, VHOST_SET_VRING_NUM, &num) && !ioctl(fd, VHOST_SET_VRING_BASE, &base) &&
	       !ioctl(fd, VHOST_SET_VRING_ADDR, &(struct vhost_vring_addr){ .index = i,
			.desc_user_addr = (uintptr_t)q->desc,
			.avail_user_addr = (uintptr_t)q->avail,
			.used_user_addr = (uintptr_t)q->used }) &&
	       !ioctl(fd, VHOST_SET_VRING_KICK, &(struct vhost_vring_file){ i, d->kicked[i].fd }) &&
	       !ioctl(fd, VHOST_SET_VRING_CALL, &(struct vhost_vring_file){ i, d->irqfd });
}

/* What was kicked before is the kernel's to find: it is kicked once more. */
static void vsock_kick(struct vdev *d, unsigned int unused __unused)
{
	struct vsock *v = d->own;
	unsigned int i;

	if (v->running || !d->q[RX].ready || !d->q[TX].ready)
		return;
	for (i = RX; i <= TX; i++)
		loop_watch(&d->kicked[i], 0);
	v->running = !ioctl(v->fd, VHOST_SET_FEATURES, &d->r.features) && set_memory(v->fd) &&
		     give(d, RX) && give(d, TX) &&
		     !ioctl(v->fd, VHOST_VSOCK_SET_RUNNING, &(int){ 1 });
	for (i = RX; i <= TX; i++)
		if (v->running)
			eventfd_write(d->kicked[i].fd, 1);
		else
			loop_watch(&d->kicked[i], POLLIN);
	if (!v->running) {
		d->q[RX].broken = true;
		vdev_done(d, &d->q[RX]);
	}
}

static void vsock_stop(struct vdev *d)
{
	struct vsock *v = d->own;
	struct vhost_vring_state s;

	if (!v->running)
		return;
	v->running = false;
	vm_must(!ioctl(v->fd, VHOST_VSOCK_SET_RUNNING, &(int){ 0 }), VM_HOST, "end of vsock");
	for (s.index = RX; s.index <= TX; s.index++) {
		struct vq *q = &d->q[s.index];

		vm_must(!ioctl(v->fd, VHOST_GET_VRING_BASE, &s), VM_HOST, "queue of vsock");
		q->r.last_avail = s.num;
		q->r.used_idx = q->used->idx;
		q->r.signalled = q->r.used_idx;
		loop_watch(&d->kicked[s.index], POLLIN);
	}
}

/* Connections are not in a snapshot; the driver closes its ends, and reads its CID anew. */
static bool vsock_restored(struct vdev *d)
{
	struct virtio_vsock_event e = { VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct vq_chain c;

	((struct virtio_vsock_config *)d->r.config)->guest_cid = ((struct vsock *)d->own)->cid;
	if (vdev_pop(d, EVENT, &c))
		vq_push(&d->q[EVENT], c.head, vq_write(&c, 0, &e, sizeof(e)));
	vdev_done(d, &d->q[EVENT]);
	return true;
}

static void vsock_create(struct vdev *d, char *arg)
{
	struct virtio_vsock_config *config = (void *)d->r.config;
	struct vsock *v = d->own;
	uint64_t features;
	char *end;

	v->cid = strtoul(arg, &end, 10);
	vm_must(v->cid > HOST_CID && v->cid < UINT32_MAX && !*end, VM_USAGE,
		"--vsock CID, a number above 2");
	v->fd = open(VHOST, O_RDWR | O_CLOEXEC);
	vm_must(v->fd >= 0, VM_HOST, VHOST " (of the module vhost_vsock)");
	vm_must(!ioctl(v->fd, VHOST_SET_OWNER) && !ioctl(v->fd, VHOST_GET_FEATURES, &features) &&
		!ioctl(v->fd, VHOST_VSOCK_SET_GUEST_CID, &v->cid), VM_HOST, "--vsock %s", arg);
	d->offered = (d->offered | 1 << VIRTIO_VSOCK_F_SEQPACKET) & features;
	config->guest_cid = v->cid;
}

const struct vdev_type vdev_vsock = {
	.option = "vsock", .has_value = true, .id = VIRTIO_ID_VSOCK, .queues = 3, .vhost = true,
	.size = sizeof(struct vsock), .create = vsock_create, .kick = vsock_kick,
	.stop = vsock_stop, .restored = vsock_restored,
};

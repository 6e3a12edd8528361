// SPDX-License-Identifier: GPL-2.0
/*
 * net.c - virtio: a network card on a tap device or a datagram socket; and a balloon
 */
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_net.h>
#include "virtio.h"

enum { RX, TX };

#define HEADER		sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define BATCH		64	/* packets at a time */

struct net {
	struct watch w;			/* each read and write of it is a packet */
	struct sockaddr_un peer;	/* of a socket */
};

/* What cannot be sent now is lost, as on a wire. A peer may come, go and come again. */
static int64_t transmit(struct vdev *d, struct vq_chain *c)
{
	struct net *n = d->own;
	struct iovec *iov = c->iov;
	unsigned int k = iov_cut(&iov, c->out, HEADER, c->out_len);
	ssize_t sent = k ? writev(n->w.fd, iov, k) : 0;

	if (sent < 0 && n->peer.sun_family &&
	    !connect(n->w.fd, (struct sockaddr *)&n->peer, sizeof(n->peer)))
		sent = writev(n->w.fd, iov, k);
	return 0;
}

static int64_t receive(struct vdev *d, struct vq_chain *c)
{
	struct virtio_net_hdr_mrg_rxbuf h = { .num_buffers = 1 };
	struct net *n = d->own;
	struct iovec *iov = c->iov + c->out;
	size_t head = vq_write(c, 0, &h, HEADER);
	unsigned int k = iov_cut(&iov, c->in, HEADER, c->in_len);
	ssize_t len = k ? readv(n->w.fd, iov, k) : 0;

	if (again(len))
		return VDEV_LATER;
	if (len < 0 && n->peer.sun_family)
		len = 0;		/* the peer has gone: an empty packet tells nothing */
	if (len < 0) {
		fprintf(stderr, "keelvm: the network card has no wire any more: %s\n",
			strerror(errno));
		loop_forget(&n->w);
		return VDEV_LATER;
	}
	return head + len;
}

static void readable(struct watch *w, short events __unused)
{
	if (vdev_each(w->owner, RX, BATCH, receive))
		loop_watch(w, 0);	/* until the driver has room */
}

static void net_kick(struct vdev *d, unsigned int q)
{
	struct net *n = d->own;

	if (q == TX)
		vdev_each(d, TX, VQ_SIZE, transmit);
	else if (n->w.fd >= 0)
		loop_watch(&n->w, POLLIN);
}

static void net_reset(struct vdev *d)
{
	loop_watch(&((struct net *)d->own)->w, 0);
}

static int open_tap(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	vm_must(fd >= 0 && !ioctl(fd, TUNSETIFF, &r), VM_HOST, "tap device %s", name);
	return fd;
}

static int open_socket(struct net *n, char *arg)
{
	char *comma = strchr(arg, ',');

	vm_must(comma && unix_address(&n->peer, comma + 1), VM_USAGE,
		"--net dgram:HERE,THERE are names of sockets");
	*comma = 0;
	return unix_bind(arg, SOCK_DGRAM);
}

static void net_create(struct vdev *d, char *arg)
{
	struct net *n = d->own;
	struct virtio_net_config *config = (void *)d->r.config;
	uint32_t id = getpid() << 4 | d->index;

	n->w = (struct watch){ .ready = readable, .owner = d };
	if (!strncmp(arg, "tap:", 4))
		n->w.fd = open_tap(arg + 4);
	else if (!strncmp(arg, "dgram:", 6))
		n->w.fd = open_socket(n, arg + 6);
	else
		vm_die(VM_USAGE, "--net is tap:NAME or dgram:HERE,THERE");
	memcpy(config->mac, "\x02K", 2);	/* locally administered, of this process */
	memcpy(config->mac + 2, &id, 4);
}

const struct vdev_type vdev_net = {
	.option = "net", .has_value = true, .id = VIRTIO_ID_NET, .queues = 2,
	.size = sizeof(struct net), .features = 1u << VIRTIO_NET_F_MAC,
	.create = net_create, .kick = net_kick, .reset = net_reset,
};

/* ---- balloon ---- */

enum { INFLATE, DEFLATE };

#define PFNS	1024		/* of a chain */

/* Memory of a page that the guest gave is the host's again; it reads as zeros. */
static int64_t inflate(struct vdev *d __unused, struct vq_chain *c)
{
	uint32_t pfn[PFNS];
	size_t i, n = vq_read(c, 0, pfn, sizeof(pfn)) / sizeof(*pfn);

	for (i = 0; i < n; i++) {
		void *page = vm_ram((uint64_t)pfn[i] << VIRTIO_BALLOON_PFN_SHIFT, 4096);

		if (page)
			madvise(page, 4096, MADV_DONTNEED);
	}
	return 0;
}

static int64_t deflate(struct vdev *d __unused, struct vq_chain *c __unused)
{
	return 0;		/* comes back by itself */
}

static void balloon_kick(struct vdev *d, unsigned int q)
{
	vdev_each(d, q, VQ_SIZE, q == INFLATE ? inflate : deflate);
}

static void balloon_create(struct vdev *d, char *arg __unused)
{
	vm.balloon = d;
}

const struct vdev_type vdev_balloon = {
	.option = "balloon", .id = VIRTIO_ID_BALLOON, .queues = 2, .create = balloon_create,
	.kick = balloon_kick, .config_writable = true,
};

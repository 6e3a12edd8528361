// SPDX-License-Identifier: GPL-2.0
/*
 * vsock.c - virtio: stream sockets between guest and host
 *
 * On the host they are AF_UNIX sockets. Who connects to PATH and sends "CONNECT PORT\n"
 * gets the guest's port, and "OK PORT\n" when it is there. What the guest connects to at
 * port N of CID 2 is PATH_N.
 */
#include <linux/virtio_vsock.h>
#include "virtio.h"

enum { RX, TX, EVENT };

#define HOST_CID	2
#define CONNS		32
#define BUF		0x10000		/* from the guest, on its way to the host */
#define LINE		32		/* "CONNECT PORT" */
#define HEADER		sizeof(struct virtio_vsock_hdr)
#define OP(name)	(1u << VIRTIO_VSOCK_OP_##name)
#define BOTH		(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

enum state { FREE, GREETING, REQUESTED, OPEN };

struct conn {
	enum state state;
	struct watch w;			/* the host's socket */
	uint32_t guest_port, host_port;
	uint32_t peer_alloc, peer_fwd;	/* the guest's room: it told so */
	uint32_t sent;			/* bytes to the guest */
	uint32_t got, fwd, told;	/* bytes from the guest, of them written, and told it */
	uint32_t ops;			/* bits: packets that the guest shall get */
	size_t line;			/* bytes of the greeting */
	uint32_t shutdown, guest_shutdown;	/* flags of what is over, by host and guest */
	char buf[BUF];
};

static struct vsock {
	struct vdev *d;
	struct watch listener;
	char path[100];
	uint64_t cid;
	uint32_t next_port;
	struct conn conn[CONNS];
	struct conn *from;		/* whose data is forwarded */
	bool room;			/* the guest has buffers */
} v;

/* ---- to the guest ---- */

static uint32_t put_header(struct vq_chain *c, struct conn *n, uint16_t op, uint32_t len)
{
	struct virtio_vsock_hdr h = {
		.src_cid = HOST_CID, .dst_cid = v.cid, .src_port = n->host_port,
		.dst_port = n->guest_port, .len = len, .type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op, .flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? n->shutdown : 0,
		.buf_alloc = BUF, .fwd_cnt = n->fwd,
	};

	n->told = n->fwd;
	return vq_write(c, 0, &h, sizeof(h));
}

static void drop(struct conn *n)
{
	close(loop_forget(&n->w));
	n->state = FREE;
	n->ops = 0;
}

/* The guest learns it, when there is room. */
static void reset_conn(struct conn *n)
{
	loop_watch(&n->w, 0);
	n->ops = OP(RST);
	if (n->state == GREETING)
		drop(n);
}

/* The smallest operation first: requests and responses before all, RST before the rest */
static int64_t put_next(struct vdev *d __unused, struct vq_chain *c)
{
	struct conn *n = v.conn;
	unsigned int op, len;

	while (n < v.conn + CONNS && !n->ops)
		n++;
	if (n == v.conn + CONNS)
		return VDEV_LATER;
	op = __builtin_ctz(n->ops);
	n->ops &= n->ops - 1;
	len = put_header(c, n, op, 0);
	if (op == VIRTIO_VSOCK_OP_RST)
		drop(n);
	return len;
}

/* To what has no connection, if the guest has room for it */
static bool refuse(const struct virtio_vsock_hdr *h)
{
	static struct conn none;
	struct vq_chain c;

	if (!vdev_pop(v.d, RX, &c))
		return false;
	none.guest_port = h->src_port;
	none.host_port = h->dst_port;
	vq_push(&v.d->q[RX], c.head, put_header(&c, &none, VIRTIO_VSOCK_OP_RST, 0));
	return true;
}

/* What the guest would take, if it tells no nonsense */
static uint32_t room_of(const struct conn *n)
{
	uint32_t room = n->peer_alloc - (n->sent - n->peer_fwd);

	return room <= n->peer_alloc ? room : 0;
}

static void watch_conn(struct conn *n)
{
	uint32_t events = n->got != n->fwd ? POLLOUT : 0;

	if (n->state == FREE || (n->ops & OP(RST)))
		return;
	if (n->state == GREETING || (n->state == OPEN && v.room && room_of(n) &&
				     !(n->shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)))
		events |= POLLIN;
	loop_watch(&n->w, events);
}

/* Packets without data go out as long as there are such, and room. */
static void pump(void)
{
	unsigned int i;

	v.room = !vdev_each(v.d, RX, VQ_SIZE, put_next);
	for (i = 0; i < CONNS; i++)
		watch_conn(&v.conn[i]);
}

/* A packet of what the host wrote, as far as the guest has room */
static int64_t forward(struct vdev *d, struct vq_chain *c)
{
	static char data[0x4000];
	struct conn *n = v.from;
	uint32_t room = room_of(n);
	ssize_t len;

	if (c->in_len <= HEADER) {
		d->q[RX].broken = true;		/* no room for anything, ever */
		return VDEV_LATER;
	}
	if (room > sizeof(data))
		room = sizeof(data);
	if (room > c->in_len - HEADER)
		room = c->in_len - HEADER;
	len = read(n->w.fd, data, room);
	if (len > 0) {
		n->sent += len;
		return put_header(c, n, VIRTIO_VSOCK_OP_RW, len) + vq_write(c, HEADER, data, len);
	}
	if (!len && room) {
		n->shutdown |= VIRTIO_VSOCK_SHUTDOWN_SEND;
		n->ops |= OP(SHUTDOWN);
	} else if (len < 0 && !again(len)) {
		reset_conn(n);
	}
	return VDEV_LATER;
}

/* ---- the host's side ---- */

/* What the guest sent goes on to the host's socket. */
static void flush(struct conn *n)
{
	while (n->got != n->fwd) {
		uint32_t at = n->fwd % BUF, len = n->got - n->fwd;
		ssize_t r = send(n->w.fd, n->buf + at, len < BUF - at ? len : BUF - at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (again(r))
			break;
		if (r < 0) {
			reset_conn(n);
			return;
		}
		n->fwd += r;
	}
	if (n->fwd - n->told >= BUF / 2)
		n->ops |= OP(CREDIT_UPDATE);
	if (n->got != n->fwd || !n->guest_shutdown)
		return;
	if (n->guest_shutdown == BOTH)
		reset_conn(n);
	else if (n->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)
		shutdown(n->w.fd, SHUT_WR);
}

/* What follows the line is for the guest. */
static void greet(struct conn *n)
{
	int done = read_line(n->w.fd, n->buf, &n->line, LINE);
	char rest;

	if (done < 0 || (done && sscanf(n->buf, "CONNECT %u%c", &n->guest_port, &rest) != 1)) {
		drop(n);
	} else if (done) {
		n->state = REQUESTED;
		n->ops = OP(REQUEST);
	}
}

static void conn_ready(struct watch *w, short events)
{
	struct conn *n = w->owner;

	v.from = n;
	if (n->state == GREETING)
		greet(n);
	else if (n->state == OPEN && (events & POLLIN))
		vdev_each(v.d, RX, 1, forward);
	else if (n->state == OPEN && (events & (POLLHUP | POLLERR)))
		reset_conn(n);
	if (n->state == OPEN && (events & POLLOUT))
		flush(n);
	pump();
}

static struct conn *new_conn(int fd, enum state state)
{
	struct conn *n = v.conn;

	while (n < v.conn + CONNS && n->state != FREE)
		n++;
	if (n == v.conn + CONNS)
		return NULL;
	memset(n, 0, offsetof(struct conn, buf));
	n->state = state;
	n->host_port = v.next_port++;
	n->w = (struct watch){ .fd = fd, .ready = conn_ready, .owner = n };
	return n;
}

static void accepted(struct watch *w, short events __unused)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *n = fd < 0 ? NULL : new_conn(fd, GREETING);

	if (n)
		watch_conn(n);
	else
		close(fd);
}

/* ---- from the guest ---- */

static struct conn *find(uint32_t guest_port, uint32_t host_port)
{
	unsigned int i;

	for (i = 0; i < CONNS; i++)
		if (v.conn[i].state > GREETING && v.conn[i].guest_port == guest_port &&
		    v.conn[i].host_port == host_port)
			return &v.conn[i];
	return NULL;
}

static bool guest_connects(const struct virtio_vsock_hdr *h)
{
	char name[sizeof(v.path) + 12];
	struct sockaddr_un a;
	struct conn *n;
	int fd;

	if (h->op != VIRTIO_VSOCK_OP_REQUEST || h->type != VIRTIO_VSOCK_TYPE_STREAM)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(name, sizeof(name), "%s_%u", v.path, h->dst_port);
	n = unix_address(&a, name) && !connect(fd, (struct sockaddr *)&a, sizeof(a)) ?
		new_conn(fd, OPEN) : NULL;
	if (!n) {
		close(fd);
		return false;
	}
	n->guest_port = h->src_port;
	n->host_port = h->dst_port;
	n->peer_alloc = h->buf_alloc;
	n->ops = OP(RESPONSE);
	return true;
}

static void guest_accepts(struct conn *n)
{
	char line[LINE];
	int len = snprintf(line, sizeof(line), "OK %u\n", n->host_port);

	if (n->state != REQUESTED || send(n->w.fd, line, len, MSG_NOSIGNAL) != len)
		reset_conn(n);
	else
		n->state = OPEN;
}

static void guest_sends(struct conn *n, struct vq_chain *c, uint32_t len)
{
	uint32_t at = n->got % BUF, first = len < BUF - at ? len : BUF - at;

	if (n->state != OPEN || len > c->out_len - HEADER || len > BUF - (n->got - n->fwd)) {
		reset_conn(n);		/* more than it was allowed */
		return;
	}
	vq_read(c, HEADER, n->buf + at, first);
	vq_read(c, HEADER + first, n->buf, len - first);
	n->got += len;
	flush(n);
}

static void packet(struct conn *n, const struct virtio_vsock_hdr *h, struct vq_chain *c)
{
	n->peer_alloc = h->buf_alloc;
	n->peer_fwd = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		guest_accepts(n);
		break;
	case VIRTIO_VSOCK_OP_RW:
		guest_sends(n, c, h->len);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		n->guest_shutdown |= h->flags & BOTH;
		flush(n);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		n->ops |= OP(CREDIT_UPDATE);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_RST:
		drop(n);
		break;
	default:
		reset_conn(n);
	}
}

static int64_t transmit(struct vdev *d __unused, struct vq_chain *c)
{
	struct virtio_vsock_hdr h;
	struct conn *n;

	if (vq_read(c, 0, &h, HEADER) != HEADER || h.src_cid != v.cid || h.dst_cid != HOST_CID)
		return 0;
	n = h.type == VIRTIO_VSOCK_TYPE_STREAM ? find(h.src_port, h.dst_port) : NULL;
	if (n && h.op != VIRTIO_VSOCK_OP_REQUEST)
		packet(n, &h, c);
	else if (n)
		reset_conn(n);
	else if (h.op != VIRTIO_VSOCK_OP_RST && !guest_connects(&h) && !refuse(&h))
		return VDEV_LATER;
	return 0;
}

/* ---- the device ---- */

static void vsock_kick(struct vdev *d, unsigned int q)
{
	if (q == RX)
		pump();
	vdev_each(d, TX, VQ_SIZE, transmit);	/* at new room, too: packets waited for it */
	pump();
}

static void vsock_reset(struct vdev *d __unused)
{
	unsigned int i;

	for (i = 0; i < CONNS; i++)
		if (v.conn[i].state != FREE)
			drop(&v.conn[i]);
}

/* Connections are not in a snapshot; the driver closes its ends, and reads its CID anew. */
static bool vsock_restored(struct vdev *d)
{
	struct virtio_vsock_event e = { VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct vq_chain c;

	((struct virtio_vsock_config *)d->r.config)->guest_cid = v.cid;
	if (vdev_pop(d, EVENT, &c))
		vq_push(&d->q[EVENT], c.head, vq_write(&c, 0, &e, sizeof(e)));
	vdev_done(d, &d->q[EVENT]);
	return true;
}

static void vsock_create(struct vdev *d, char *arg)
{
	struct virtio_vsock_config *config = (void *)d->r.config;
	char *path;
	unsigned long cid = strtoul(arg, &path, 10);

	vm_must(!v.d && cid > HOST_CID && cid < UINT32_MAX && *path++ == ',' &&
		strlen(path) < sizeof(v.path) - 12, VM_USAGE,
		"one --vsock CID,PATH, with a CID above 2");
	strcpy(v.path, path);
	config->guest_cid = cid;
	v.d = d;
	v.cid = cid;
	v.next_port = 1u << 30;
	v.listener = (struct watch){ .fd = unix_bind(path, SOCK_STREAM),
		.ready = accepted };
	loop_watch(&v.listener, POLLIN);
}

const struct vdev_type vdev_vsock = {
	.option = "vsock", .has_value = true, .id = VIRTIO_ID_VSOCK, .queues = 3,
	.create = vsock_create, .kick = vsock_kick, .reset = vsock_reset,
	.restored = vsock_restored,
};

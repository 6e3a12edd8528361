// SPDX-License-Identifier: GPL-2.0
/*
 * console.c - virtio: a console on stdin and stdout, and random numbers
 */
#include <errno.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <linux/virtio_ids.h>
#include "virtio.h"

enum { RX, TX };

static struct console {
	struct vdev *d;
	struct watch in, out;
	char buf[4096];		/* on its way out: as much as a pipe that is ready takes */
	size_t len, sent;
} con;

static int64_t transmit(struct vdev *d, struct vq_chain *c)
{
	if (con.len)
		return VDEV_LATER;
	con.len = vq_read(c, d->r.offset, con.buf, sizeof(con.buf));
	d->r.offset += con.len;
	if (con.len)
		loop_watch(&con.out, EPOLLOUT);
	if (d->r.offset < c->out_len)
		return VDEV_LATER;
	d->r.offset = 0;
	return 0;
}

static void writable(struct watch *w, uint32_t events __attribute__((unused)))
{
	ssize_t n = write(w->fd, con.buf + con.sent, con.len - con.sent);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	con.sent += n < 0 ? con.len - con.sent : (size_t)n;	/* nobody reads: lost */
	if (con.sent < con.len)
		return;
	con.sent = 0;
	con.len = 0;
	loop_watch(w, 0);
	vdev_each(con.d, TX, transmit);
	loop_wake();		/* one may wait for it */
}

void console_flush(void)
{
	while (con.sent < con.len) {
		ssize_t n = write(STDOUT_FILENO, con.buf + con.sent, con.len - con.sent);

		if (n < 0 && errno != EINTR)
			return;
		con.sent += n > 0 ? n : 0;
	}
}

static int64_t receive(struct vdev *d, struct vq_chain *c)
{
	char buf[4096];
	ssize_t n = read(con.in.fd, buf, c->in_len < sizeof(buf) ? c->in_len : sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return VDEV_LATER;
	if (n <= 0 && c->in_len) {
		loop_watch(&con.in, 0);
		con.in.fd = -1;
		return VDEV_LATER;
	}
	return vq_write(c, 0, buf, serial_escape(d->vm, buf, n > 0 ? n : 0));
}

/* One chain of what is there: more is there only when epoll says so again. */
static void readable(struct watch *w, uint32_t events __attribute__((unused)))
{
	struct vq *q = &con.d->q[RX];
	struct vq_chain c;
	int64_t n;

	if (vdev_pop(con.d, RX, &c)) {
		n = receive(con.d, &c);
		if (n == VDEV_LATER)
			vq_unpop(q);
		else
			vq_push(q, c.head, n);
	} else {
		loop_watch(w, 0);	/* until the driver has room */
	}
	vdev_done(con.d, q);
}

static void console_kick(struct vdev *d, unsigned int q)
{
	if (q == TX)
		vdev_each(d, TX, transmit);
	else if (con.in.fd >= 0)
		loop_watch(&con.in, EPOLLIN);
}

static bool console_busy(struct vdev *d __attribute__((unused)))
{
	return con.len;
}

static void console_create(struct vdev *d, char *arg __attribute__((unused)))
{
	if (con.d)
		vm_die(d->vm, VM_USAGE, "there is one stdin: one --console");
	con.d = d;
	con.in = (struct watch){ .fd = STDIN_FILENO, .ready = readable, .vm = d->vm };
	con.out = (struct watch){ .fd = STDOUT_FILENO, .ready = writable, .vm = d->vm };
}

bool console_there(void)
{
	return con.d;
}

const struct vdev_type vdev_console = {
	.option = "console", .id = VIRTIO_ID_CONSOLE, .queues = 2,
	.create = console_create, .kick = console_kick, .busy = console_busy,
};

/* ---- random numbers ---- */

static int64_t fill(struct vdev *d __attribute__((unused)), struct vq_chain *c)
{
	uint8_t buf[256];
	ssize_t n = getrandom(buf, sizeof(buf), GRND_NONBLOCK);

	return n > 0 ? vq_write(c, 0, buf, n) : 0;
}

static void rng_kick(struct vdev *d, unsigned int q)
{
	vdev_each(d, q, fill);
}

const struct vdev_type vdev_rng = {
	.option = "rng", .id = VIRTIO_ID_RNG, .queues = 1, .kick = rng_kick,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * console.c - virtio: a console on stdin and stdout, and random numbers
 *
 * Whoever reads stdout may be slow, so the console has a thread that writes.
 */
#include <sys/random.h>
#include "virtio.h"

enum { RX, TX };

static struct {
	struct vdev *d;
	struct watch in;
} con;

/* If nobody reads, it is lost. */
static uint32_t transmit(struct vdev *d __unused, struct vq_chain *c)
{
	unsigned int i;

	for (i = 0; i < c->out; i++)
		output(STDOUT_FILENO, c->iov[i].iov_base, c->iov[i].iov_len);
	return 0;
}

static int64_t receive(struct vdev *d __unused, struct vq_chain *c)
{
	char buf[4096];
	ssize_t n = c->in_len < sizeof(buf) ? c->in_len : sizeof(buf);

	if (!n)
		return 0;
	n = serial_input(&con.in, buf, n);
	return n > 0 ? (int64_t)vq_write(c, 0, buf, n) : VDEV_LATER;
}

/* One chain of what is there: more is there only when poll() says so again. */
static void readable(struct watch *w, short events __unused)
{
	if (vdev_each(con.d, RX, 1, receive))
		loop_watch(w, 0);	/* until the driver has room */
}

static void console_kick(struct vdev *d __unused, unsigned int q __unused)
{
	if (con.in.fd >= 0)
		loop_watch(&con.in, POLLIN);
}

static void console_create(struct vdev *d, char *arg __unused)
{
	vm_must(!con.d, VM_USAGE, "there is one stdin: one --console");
	con.d = d;
	con.in = (struct watch){ .fd = STDIN_FILENO, .ready = readable };
}

bool console_there(void)
{
	return con.d;
}

bool console_unwritten(void)
{
	if (con.d)
		pthread_cond_signal(&con.d->more);
	return con.d && (con.d->busy || (vdev_live(con.d) && !vm.paused && vq_more(&con.d->q[TX])));
}

const struct vdev_type vdev_console = {
	.option = "console", .id = VIRTIO_ID_CONSOLE, .queues = 2,
	.create = console_create, .kick = console_kick, .work = transmit, .work_queue = TX,
};

/* ---- random numbers ---- */

static int64_t fill(struct vdev *d __unused, struct vq_chain *c)
{
	uint8_t buf[256];
	ssize_t n = getrandom(buf, sizeof(buf), GRND_NONBLOCK);

	return n > 0 ? vq_write(c, 0, buf, n) : 0;
}

static void rng_kick(struct vdev *d, unsigned int q)
{
	vdev_each(d, q, VQ_SIZE, fill);
}

const struct vdev_type vdev_rng = {
	.option = "rng", .id = VIRTIO_ID_RNG, .queues = 1, .kick = rng_kick,
};

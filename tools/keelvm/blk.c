// SPDX-License-Identifier: GPL-2.0
/*
 * blk.c - virtio: a raw file as a disk
 *
 * A file may be slow, so each disk has a thread that carries out one request after
 * another.
 */
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include "virtio.h"

#define SECTOR		512

struct blk {
	int fd;
	uint64_t sectors;
	bool ro;
	char id[VIRTIO_BLK_ID_BYTES];
};

/* All of @len bytes at @pos, or false */
static bool transfer(struct blk *b, bool in, struct iovec *iov, unsigned int n, uint64_t skip,
		     uint64_t len, uint64_t pos)
{
	n = iov_cut(&iov, n, skip, len);
	while (len) {
		ssize_t r = in ? preadv(b->fd, iov, n, pos) : pwritev(b->fd, iov, n, pos);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		pos += r;
		len -= r;
		n = iov_cut(&iov, n, r, len);
	}
	return true;
}

static bool in_disk(const struct blk *b, uint64_t sector, uint64_t len)
{
	return !(len % SECTOR) && sector <= b->sectors && len / SECTOR <= b->sectors - sector;
}

/* The last byte that can be written is for the status. */
static uint8_t serve(struct blk *b, struct vq_chain *c, uint32_t in_len)
{
	struct virtio_blk_outhdr h;
	uint32_t out_len = c->out_len - sizeof(h);
	bool good = false;

	if (vq_read(c, 0, &h, sizeof(h)) != sizeof(h))
		return VIRTIO_BLK_S_IOERR;
	switch (h.type) {
	case VIRTIO_BLK_T_IN:
		good = in_disk(b, h.sector, in_len) &&
		       transfer(b, true, c->iov + c->out, c->in, 0, in_len, h.sector * SECTOR);
		break;
	case VIRTIO_BLK_T_OUT:
		good = !b->ro && in_disk(b, h.sector, out_len) &&
		       transfer(b, false, c->iov, c->out, sizeof(h), out_len, h.sector * SECTOR);
		break;
	case VIRTIO_BLK_T_FLUSH:
		good = !fdatasync(b->fd);
		break;
	case VIRTIO_BLK_T_GET_ID:
		good = in_len >= sizeof(b->id) && vq_write(c, 0, b->id, sizeof(b->id));
		break;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
	return good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint32_t request(struct vdev *d, struct vq_chain *c)
{
	unsigned int last = c->out + c->in;
	uint8_t *status;

	if (!c->in_len)
		return 0;		/* nowhere to say what is wrong */
	while (!c->iov[--last].iov_len)
		;
	status = (uint8_t *)c->iov[last].iov_base + c->iov[last].iov_len - 1;
	*status = serve(d->own, c, c->in_len - 1);
	return c->in_len;
}

static uint64_t file_size(int fd)
{
	struct stat st = { 0 };
	uint64_t size = 0;

	fstat(fd, &st);
	if (S_ISREG(st.st_mode))
		return st.st_size;
	return ioctl(fd, BLKGETSIZE64, &size) < 0 ? 0 : size;
}

static void blk_create(struct vdev *d, char *arg)
{
	struct blk *b = d->own;
	struct virtio_blk_config *config = (void *)d->r.config;
	char *option = strrchr(arg, ',');

	if (option && !strcmp(option, ",ro")) {
		*option = 0;
		b->ro = true;
	}
	b->fd = open(arg, (b->ro ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	vm_must(b->fd >= 0, VM_HOST, "%s", arg);
	b->sectors = file_size(b->fd) / SECTOR;
	vm_must(b->sectors, VM_USAGE, "%s is no file or disk of a sector or more", arg);
	snprintf(b->id, sizeof(b->id), "keelvm-%u", d->index);
	d->offered |= b->ro ? 1u << VIRTIO_BLK_F_RO : 0;
	config->capacity = b->sectors;
	config->seg_max = VQ_SIZE - 2;
}

/* Disks are not in a snapshot: they must be as they were. */
static bool blk_restored(struct vdev *d)
{
	struct virtio_blk_config *config = (void *)d->r.config;
	struct blk *b = d->own;

	return config->capacity == b->sectors && config->seg_max == VQ_SIZE - 2;
}

const struct vdev_type vdev_blk = {
	.option = "blk", .has_value = true, .id = VIRTIO_ID_BLOCK, .queues = 1,
	.size = sizeof(struct blk),
	.features = 1u << VIRTIO_BLK_F_SEG_MAX | 1u << VIRTIO_BLK_F_FLUSH,
	.create = blk_create, .restored = blk_restored, .work = request,
};

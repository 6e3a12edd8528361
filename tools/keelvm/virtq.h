/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtq.h - split virtqueues, the device's side
 *
 * All that is read from a ring is the guest's word: each descriptor is read once, into
 * the VMM's memory, checked, and not looked at again. A queue that breaks a rule is
 * broken until the device is reset, and yields nothing.
 */
#ifndef KEELVM_VIRTQ_H
#define KEELVM_VIRTQ_H

#include "keelvm.h"
#include <sys/uio.h>
#include <linux/virtio_ring.h>

#define VQ_SIZE		256		/* entries at most */
#define VQ_CHAIN_MAX	(64u << 20)	/* bytes of one chain at most */

struct vq {
	struct vq_regs {		/* what a snapshot has */
		uint64_t gpa[3];	/* descriptors, available, used */
		uint32_t num;		/* what the driver wrote; checked by vq_start() */
		uint16_t last_avail, used_idx, signalled;
		uint8_t started, event_idx, indirect;
	} r;
	bool ready, broken;
	struct vm *vm;
	const struct vring_desc *desc;	/* the rings in RAM, while ready */
	const struct vring_avail *avail;
	struct vring_used *used;
};

struct vq_chain {
	uint16_t head;
	unsigned int out, in;		/* segments to be read, then segments to be written */
	uint32_t out_len, in_len;	/* bytes of them */
	struct iovec iov[VQ_SIZE];	/* the guest may write to them at any time */
};

/* Take over the rings that the driver named. False, and broken, if they cannot be. */
bool vq_start(struct vq *q);
/* Forget all but the guest's memory. */
void vq_reset(struct vq *q);
/* The next chain the driver made available. False if there is none or the queue is broken. */
bool vq_pop(struct vq *q, struct vq_chain *c);
/* The last chain was not used after all. */
void vq_unpop(struct vq *q);
/* Is there more? If not, the driver will kick. */
bool vq_more(struct vq *q);
/* A chain is done, @len bytes of it written. */
void vq_push(struct vq *q, uint16_t head, uint32_t len);
/* Does the driver want an interrupt for what was pushed since it was asked last? */
bool vq_wants_irq(struct vq *q);

/*
 * Bytes from @offset on of segments, from or to @buf. As many as there are of @len.
 * The same of a chain's readable part, and to its writable part.
 */
size_t iov_copy(void *buf, const struct iovec *iov, unsigned int n, size_t offset, size_t len,
		bool to_iov);
static inline size_t vq_read(const struct vq_chain *c, size_t offset, void *buf, size_t len)
{
	return iov_copy(buf, c->iov, c->out, offset, len, false);
}

static inline size_t vq_write(struct vq_chain *c, size_t offset, const void *buf, size_t len)
{
	return iov_copy((void *)buf, c->iov + c->out, c->in, offset, len, true);
}

/*
 * The segments less @skip bytes at the start and all beyond @len bytes after those, in
 * place. Returns how many segments are left, in *@iov.
 */
unsigned int iov_cut(struct iovec **iov, unsigned int n, size_t skip, size_t len);

#endif

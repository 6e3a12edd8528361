// SPDX-License-Identifier: GPL-2.0
/*
 * virtq.c - split virtqueues, the device's side
 */
#include "virtio.h"

static void *ring(uint64_t gpa, unsigned int align, size_t len)
{
	return gpa % align ? NULL : vm_ram(gpa, len);
}

bool vq_start(struct vq *q)
{
	q->ready = false;
	q->broken = true;
	if (!q->r.num || q->r.num > VQ_SIZE || (q->r.num & (q->r.num - 1)))
		return false;
	q->desc = ring(q->r.gpa[0], 16, sizeof(*q->desc) * q->r.num);
	/* Flags, index, ring, and the other side's event index */
	q->avail = ring(q->r.gpa[1], 2, 6 + 2 * q->r.num);
	q->used = ring(q->r.gpa[2], 4, 6 + sizeof(struct vring_used_elem) * q->r.num);
	q->ready = q->desc && q->avail && q->used;
	q->broken = !q->ready;
	q->r.started |= q->ready;
	return q->ready;
}

void vq_reset(struct vq *q)
{
	*q = (struct vq){ 0 };
}

/* ---- available ---- */

static bool add_segment(struct vq *q, struct vq_chain *c, const struct vring_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	uint32_t *len = in ? &c->in_len : &c->out_len;
	unsigned int n = c->out + c->in;
	void *p = vm_ram(d->addr, d->len);

	/* Loops end here, too: no chain is longer than its queue. */
	if (!p || n == q->r.num || (!in && c->in) || d->len > VQ_CHAIN_MAX ||
	    c->in_len + c->out_len > VQ_CHAIN_MAX - d->len)
		return false;
	c->iov[n] = (struct iovec){ p, d->len };
	*len += d->len;
	c->in += in;
	c->out += !in;
	return true;
}

struct table {
	const uint8_t *desc;		/* an indirect one may lie anywhere */
	unsigned int num;
	bool indirect;
};

/* An indirect table has the whole chain: nothing follows it, and no other is in it. */
static bool open_table(struct vq *q, struct table *t, const struct vring_desc *d)
{
	if (!q->r.indirect || t->indirect || (d->flags & VRING_DESC_F_NEXT) ||
	    !d->len || d->len % sizeof(*d) || d->len / sizeof(*d) > q->r.num)
		return false;
	t->desc = vm_ram(d->addr, d->len);
	t->num = d->len / sizeof(*d);
	t->indirect = true;
	return t->desc;
}

static bool gather(struct vq *q, struct vq_chain *c, unsigned int i)
{
	struct table t = { (const uint8_t *)q->desc, q->r.num, false };
	struct vring_desc d;

	for (;;) {
		if (i >= t.num)
			return false;
		memcpy(&d, t.desc + i * sizeof(d), sizeof(d));
		__asm__ __volatile__("" : : : "memory");	/* once */
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!open_table(q, &t, &d))
				return false;
			i = 0;
			continue;
		}
		if (!add_segment(q, c, &d))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		i = d.next;
	}
}

static uint16_t pending(struct vq *q)
{
	return __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) - q->r.last_avail;
}

bool vq_pop(struct vq *q, struct vq_chain *c)
{
	uint16_t n = q->ready && !q->broken ? pending(q) : 0;

	if (!n)
		return false;
	memset(c, 0, offsetof(struct vq_chain, iov));
	c->head = __atomic_load_n(&q->avail->ring[q->r.last_avail % q->r.num], __ATOMIC_RELAXED);
	q->broken = n > q->r.num || !gather(q, c, c->head);
	q->r.last_avail += !q->broken;
	return !q->broken;
}

void vq_unpop(struct vq *q)
{
	q->r.last_avail--;
}

bool vq_more(struct vq *q)
{
	if (!q->ready || q->broken)
		return false;
	if (q->r.event_idx)		/* it is behind the ring */
		__atomic_store_n((uint16_t *)&q->used->ring[q->r.num], q->r.last_avail,
				 __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return pending(q);
}

/* ---- used ---- */

void vq_push(struct vq *q, uint16_t head, uint32_t len)
{
	struct vring_used_elem *e;

	if (!q->ready)
		return;
	e = &q->used->ring[q->r.used_idx % q->r.num];
	e->id = head;
	e->len = len;
	__atomic_store_n(&q->used->idx, ++q->r.used_idx, __ATOMIC_RELEASE);
}

bool vq_wants_irq(struct vq *q)
{
	uint16_t old = q->r.signalled, event;

	if (!q->ready || old == q->r.used_idx)
		return false;
	q->r.signalled = q->r.used_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->r.event_idx)
		return !(__atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	event = __atomic_load_n(&q->avail->ring[q->r.num], __ATOMIC_RELAXED);
	return vring_need_event(event, q->r.used_idx, old);
}

/* ---- segments ---- */

size_t iov_copy(void *buf, const struct iovec *iov, unsigned int n, size_t offset, size_t len,
		bool to_iov)
{
	size_t done = 0, part;

	for (; n && done < len; n--, iov++) {
		uint8_t *p = (uint8_t *)iov->iov_base + offset;

		if (offset >= iov->iov_len) {
			offset -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - offset < len - done ? iov->iov_len - offset : len - done;
		memcpy(to_iov ? p : (uint8_t *)buf + done, to_iov ? (uint8_t *)buf + done : p,
		       part);
		done += part;
		offset = 0;
	}
	return done;
}

unsigned int iov_cut(struct iovec **iov, unsigned int n, size_t skip, size_t len)
{
	unsigned int i;

	for (; n && skip >= (*iov)->iov_len; n--, (*iov)++)
		skip -= (*iov)->iov_len;
	if (!n || !len)
		return 0;
	(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + skip;
	(*iov)->iov_len -= skip;
	for (i = 0; i < n && len; i++) {
		if ((*iov)[i].iov_len > len)
			(*iov)[i].iov_len = len;
		len -= (*iov)[i].iov_len;
	}
	return i;
}

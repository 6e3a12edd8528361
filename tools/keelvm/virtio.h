/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio.h - virtio devices behind MMIO registers (version 2), and their split queues
 */
#ifndef KEELVM_VIRTIO_H
#define KEELVM_VIRTIO_H

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <sys/uio.h>
#include "keelvm.h"

/*
 * virtq.c: all that is read from a ring is the guest's word: each descriptor is read once,
 * into the VMM's memory, checked, and not looked at again. A queue that breaks a rule is
 * broken until the device is reset, and yields nothing.
 */
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

#define VIRTIO_BASE	0xd2000000ULL	/* registers of device i: a page each */
#define VIRTIO_STRIDE	0x1000
#define VIRTIO_QUEUES	3
#define VIRTIO_CONFIG	64		/* bytes of configuration at most */

/*
 * A type of device; its name is the option that makes one. All of its functions are called
 * with vm.lock held; those that have nothing to do are NULL.
 */
struct vdev;
struct vdev_type {
	const char *option;
	bool has_value;			/* of the option */
	uint32_t id;
	uint64_t features;		/* beside those of all devices */
	unsigned int queues;
	bool config_writable;
	bool vhost;			/* the kernel has queues, and interrupts for them */
	size_t size;			/* of vdev->own */
	/* Make it of the option's value, NULL if it has none. Dies if that is wrong. */
	void (*create)(struct vdev *d, char *arg);
	/* Queue @q has something, or the device was just started */
	void (*kick)(struct vdev *d, unsigned int q);
	void (*reset)(struct vdev *d);		/* keep nothing of the guest's */
	void (*stop)(struct vdev *d);		/* use no queue until the next kick */
	/* Registers are those of a snapshot; false if they cannot be. */
	bool (*restored)(struct vdev *d);
	/*
	 * For what may wait long: carries out a chain of queue @work_queue, in a thread of its
	 * own, without the lock. Returns the number of bytes written.
	 */
	uint32_t (*work)(struct vdev *d, struct vq_chain *c);
	unsigned int work_queue;
};

struct vdev {
	const struct vdev_type *type;
	unsigned int index;
	int irqfd;
	uint64_t offered;
	struct vdev_regs {
		uint64_t features;
		uint32_t device_sel, driver_sel, queue_sel, status, isr;
		uint32_t generation;		/* from here on a reset leaves all */
		uint8_t config[VIRTIO_CONFIG];
	} r;
	struct vq q[VIRTIO_QUEUES];
	struct watch kicked[VIRTIO_QUEUES];
	void *own;			/* the type's, zeros at first */
	/* Of the thread: it has a chain; none is to be taken up */
	bool busy;
	unsigned int halted;
	pthread_cond_t more;
	struct vq_chain chain;
};

/* virtio.c */
#define VIRTIO_TYPES	6
extern const struct vdev_type * const virtio_types[VIRTIO_TYPES];
void virtio_add(const struct vdev_type *type, char *arg);
/* Tables or words on the command line by which a guest finds them */
void virtio_describe(void);
/* Registers and interrupts of all devices, once the VM is there */
void virtio_connect(void);
/* The machine stops: what the kernel does ends. It goes on: look at all queues. */
void virtio_pause(void);
void virtio_resume(void);
/* Registers and queues are those of a snapshot, and so is the memory. False: no driver's. */
bool virtio_restore(struct vdev *d);
/* False if no device is at @addr. vm.lock is held. */
bool virtio_mmio(uint64_t addr, bool write, unsigned int len, uint8_t *data);
unsigned int virtio_gsi(unsigned int index);

/* For devices. Has the driver started it, and is nothing broken? */
bool vdev_live(const struct vdev *d);
/* After pushes: the interrupt, if the driver wants one, or the word that all is broken. */
void vdev_done(struct vdev *d, struct vq *q);
void vdev_changed(struct vdev *d);	/* the configuration */
/* The next chain of queue @q. If there is none, the driver will kick when there is. */
bool vdev_pop(struct vdev *d, unsigned int q, struct vq_chain *c);
/*
 * Give the chains of queue @q, but no more than @max, to @use, which returns the number of
 * bytes written, or VDEV_LATER if it cannot now. After @max the queue is kicked. True if
 * there are no more chains: the driver will kick when there are.
 */
#define VDEV_LATER	(-1)
bool vdev_each(struct vdev *d, unsigned int q, unsigned int max,
	       int64_t (*use)(struct vdev *d, struct vq_chain *c));

/* tables.c: CPUs, interrupts and the virtio devices; the second is for guests without ACPI */
#define ACPI_RSDP	0xe0000
#define ACPI_PM1_EVT	0x600
#define ACPI_PM1_CNT	0x604
void acpi_write(void);
void mptable_write(void);

#endif

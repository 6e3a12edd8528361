/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio.h - virtio devices behind MMIO registers (version 2), found by ACPI
 *
 * A type of device is a struct vdev_type, and its name the option that makes one. All of
 * its functions are called with vm->lock held; those that have nothing to do are NULL.
 */
#ifndef KEELVM_VIRTIO_H
#define KEELVM_VIRTIO_H

#include "virtq.h"

#define VIRTIO_BASE	0xd2000000ULL	/* registers of device i: a page each */
#define VIRTIO_STRIDE	0x1000
#define VIRTIO_QUEUES	3
#define VIRTIO_CONFIG	64		/* bytes of configuration at most */

struct vdev;

struct vdev_type {
	const char *option;
	uint32_t id;
	uint64_t features;		/* beside those of all devices */
	unsigned int queues;
	bool config_writable;
	/* Make it of the option's value, NULL if it has none. Dies if that is wrong. */
	void (*create)(struct vdev *d, char *arg);
	/* Queue @q has something, or the device was just started */
	void (*kick)(struct vdev *d, unsigned int q);
	void (*reset)(struct vdev *d);		/* keep nothing of the guest's */
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
	struct vm *vm;
	unsigned int index;
	int irqfd;
	uint64_t offered;
	struct vdev_regs {
		uint64_t features;
		uint32_t device_sel, driver_sel, queue_sel, status, isr, generation;
		uint8_t config[VIRTIO_CONFIG];
	} r;
	struct vq q[VIRTIO_QUEUES];
	struct watch kicked[VIRTIO_QUEUES];
	void *own;			/* of the type */
	/* Of the thread: it has a chain; none is to be taken up */
	bool busy;
	unsigned int halted;
	pthread_cond_t more;
	struct vq_chain chain;
};

/* virtio.c */
/* What @option makes, or NULL */
const struct vdev_type *virtio_type(const char *option);
void virtio_add(struct vm *vm, const struct vdev_type *type, char *arg);
/* Tables or words on the command line by which a guest finds them */
void virtio_describe(struct vm *vm);
/* Registers and interrupts of all devices, once the VM is there */
void virtio_connect(struct vm *vm);
/* Look at all queues: the machine goes on. */
void virtio_resume(struct vm *vm);
/* Is no thread of a device at work? */
bool virtio_idle(struct vm *vm);
/* Registers and queues are those of a snapshot, and so is the memory. False: no driver's. */
bool virtio_restore(struct vdev *d);
/* False if no device is at @addr. vm->lock is held. */
bool virtio_mmio(struct vm *vm, uint64_t addr, bool write, unsigned int len, uint8_t *data);
unsigned int virtio_gsi(unsigned int index);

/* For devices. Has the driver started it, and is nothing broken? */
bool vdev_live(const struct vdev *d);
/* After pushes: the interrupt, if the driver wants one, or the word that all is broken. */
void vdev_done(struct vdev *d, struct vq *q);
void vdev_changed(struct vdev *d);	/* the configuration */
/* The next chain of queue @q. If there is none, the driver will kick when there is. */
bool vdev_pop(struct vdev *d, unsigned int q, struct vq_chain *c);
/*
 * Give each chain of queue @q to @use, which returns the number of bytes written, or
 * VDEV_LATER if it cannot now. Comes back by itself if there are very many.
 */
#define VDEV_LATER	(-1)
void vdev_each(struct vdev *d, unsigned int q,
	       int64_t (*use)(struct vdev *d, struct vq_chain *c));

/* tables.c: CPUs, interrupts and the virtio devices; the second is for guests without ACPI */
#define ACPI_RSDP	0xe0000
#define ACPI_PM1_EVT	0x600
#define ACPI_PM1_CNT	0x604
void acpi_write(struct vm *vm);
void mptable_write(struct vm *vm);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * driver.h - a driver of the devices, which may be as bad as a test wants
 */
#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

#include "rig.h"
#include "virtio.h"

/* Rings of queue @q, and room for buffers, for drivers of whole devices */
#define RING(q)		(0x20000u + (q) * 0x8000u)
#define RING_AVAIL(q)	(RING(q) + 0x2000u)
#define RING_USED(q)	(RING(q) + 0x4000u)
#define BUFFERS		0x80000u

uint32_t reg_read(unsigned int reg);
void reg_write(unsigned int reg, uint32_t val);
/* The only device is one of this option, not started. */
struct vdev *driver_device(const char *option, const char *arg);
/* Features agreed on, NUM entries for each queue, DRIVER_OK. */
void driver_start(void);
/* Descriptor @i of queue @q */
void driver_put(unsigned int q, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags);
/* Make the chain at @head available and kick. */
void driver_kick(unsigned int q, uint16_t head);
/* Wait until the device has used one more; the length written. */
uint32_t driver_used(unsigned int q);
/* Under the lock: is there a used one that driver_used() has not seen? */
bool driver_has_used(unsigned int q);

#endif

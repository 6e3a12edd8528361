/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig.h - guest memory with RAM on both sides of a gap that is near, and a queue in it
 */
#ifndef VIRTIO_RIG_H
#define VIRTIO_RIG_H

#include <assert.h>
#include "virtio.h"

#define RAM		(1u << 20)
#define NUM		16u
#define DESC		0x1000u
#define AVAIL		0x2000u
#define USED		0x3000u
#define DATA		0x10000u
#define TABLE		0x4001u		/* an indirect one may lie anywhere */

extern struct vq rig_q;
extern struct vq_chain rig_c;

static inline struct vring_desc *rig_desc(unsigned int i)
{
	return (struct vring_desc *)(vm.mem + DESC) + i;
}

static inline struct vring_avail *rig_avail(void)
{
	return (struct vring_avail *)(vm.mem + AVAIL);
}

static inline struct vring_used *rig_used(void)
{
	return (struct vring_used *)(vm.mem + USED);
}

/* Empty memory, and a queue of NUM entries with all features, started. */
void rig_setup(void);
void rig_put(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
/* Entry @i of the indirect table. */
void rig_put_table(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
/* Make the chain that starts at @head available. */
void rig_offer(uint16_t head);
/*
 * A test that goes by chance begins with this: SEED, from the environment, says how it goes,
 * whatever ran before it. It is 1 unless KEEL_FULL is set; printed.
 */
void rig_seed(void);
uint32_t rig_random(void);

#endif

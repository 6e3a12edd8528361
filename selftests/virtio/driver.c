// SPDX-License-Identifier: GPL-2.0
/*
 * driver.c - a driver of the devices, and what of keelvm is not linked
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "driver.h"

static uint16_t seen[VIRTIO_QUEUES];

/* ---- instead of the rest of keelvm ---- */

void vm_die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	abort();
}

void vm_exit(int status)
{
	abort();
}

ssize_t serial_input(struct watch *w, void *buf, size_t len)
{
	return -1;
}

void control_progress(void)
{
}

/* ---- the driver ---- */

uint32_t reg_read(unsigned int reg)
{
	uint32_t val = 0;

	pthread_mutex_lock(&vm.lock);
	virtio_mmio(VIRTIO_BASE + reg, false, 4, (uint8_t *)&val);
	pthread_mutex_unlock(&vm.lock);
	return val;
}

void reg_write(unsigned int reg, uint32_t val)
{
	pthread_mutex_lock(&vm.lock);
	virtio_mmio(VIRTIO_BASE + reg, true, 4, (uint8_t *)&val);
	pthread_mutex_unlock(&vm.lock);
}

static void *devices(void *arg)
{
	loop_run();
}

struct vdev *driver_device(const char *option, const char *arg)
{
	static char text[256];
	static bool running;
	pthread_t thread;
	unsigned int q;

	if (!running) {
		loop_init();
		assert(!pthread_create(&thread, NULL, devices, NULL));
	}
	running = true;
	if (vm.vdevs)
		reg_write(VIRTIO_MMIO_STATUS, 0);
	pthread_mutex_lock(&vm.lock);
	rig_setup();
	vm.vdevs = 0;
	strcpy(text, arg ? arg : "");
	for (q = 0; strcmp(virtio_types[q]->option, option); q++)
		;
	virtio_add(virtio_types[q], text);
	vm.vdev[0]->irqfd = eventfd(0, EFD_NONBLOCK);
	for (q = 0; q < VIRTIO_QUEUES; q++)
		vm.vdev[0]->kicked[q].fd = vm.vdev[0]->irqfd;
	pthread_mutex_unlock(&vm.lock);
	return vm.vdev[0];
}

void driver_start(void)
{
	unsigned int q;

	reg_write(VIRTIO_MMIO_STATUS, 0);
	memset(seen, 0, sizeof(seen));
	memset(vm.mem, 0, RAM);
	reg_write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	reg_write(VIRTIO_MMIO_STATUS, 11);
	assert(reg_read(VIRTIO_MMIO_STATUS) == 11);
	for (q = 0; q < vm.vdev[0]->type->queues; q++) {
		reg_write(VIRTIO_MMIO_QUEUE_SEL, q);
		reg_write(VIRTIO_MMIO_QUEUE_NUM, NUM);
		reg_write(VIRTIO_MMIO_QUEUE_DESC_LOW, RING(q));
		reg_write(VIRTIO_MMIO_QUEUE_AVAIL_LOW, RING_AVAIL(q));
		reg_write(VIRTIO_MMIO_QUEUE_USED_LOW, RING_USED(q));
		reg_write(VIRTIO_MMIO_QUEUE_READY, 1);
		assert(reg_read(VIRTIO_MMIO_QUEUE_READY) == 1);
	}
	reg_write(VIRTIO_MMIO_STATUS, 15);
}

void driver_put(unsigned int q, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct vring_desc *d = (struct vring_desc *)(vm.mem + RING(q));

	d[i] = (struct vring_desc){ addr, len, flags, i + 1 };
}

void driver_kick(unsigned int q, uint16_t head)
{
	struct vring_avail *a = (struct vring_avail *)(vm.mem + RING_AVAIL(q));

	a->ring[a->idx % NUM] = head;
	__atomic_add_fetch(&a->idx, 1, __ATOMIC_RELEASE);
	reg_write(VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

bool driver_has_used(unsigned int q)
{
	struct vring_used *u = (struct vring_used *)(vm.mem + RING_USED(q));

	return __atomic_load_n(&u->idx, __ATOMIC_ACQUIRE) != seen[q];
}

uint32_t driver_used(unsigned int q)
{
	struct vring_used *u = (struct vring_used *)(vm.mem + RING_USED(q));

	while (!driver_has_used(q))
		sched_yield();
	return u->ring[seen[q]++ % NUM].len;
}

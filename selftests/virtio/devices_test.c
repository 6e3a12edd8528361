// SPDX-License-Identifier: GPL-2.0
/*
 * devices_test.c - registers and devices: right use, and drivers that lie
 */
#include <fcntl.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <sys/socket.h>
#include "driver.h"
#include "tap.h"

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define DISK	64		/* sectors */

static uint8_t *at(uint32_t gpa)
{
	return vm.mem + gpa;
}

static const char *temporary(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/virtio-%d-%s", getpid(), name);
	return path;
}

/* ---- registers ---- */

TEST(registers)
{
	uint8_t data[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	driver_device("rng", NULL);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_VERSION), 2);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_QUEUE_NUM_MAX), VQ_SIZE);
	reg_write(VIRTIO_MMIO_QUEUE_SEL, 1);	/* there is one */
	EXPECT_EQ(reg_read(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	reg_write(VIRTIO_MMIO_QUEUE_NUM, 4);
	reg_write(VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_QUEUE_READY), 0);
	reg_write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_DEVICE_FEATURES), 1);
	reg_write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	/* other widths, and behind the device's configuration and the last device */
	EXPECT_TRUE(virtio_mmio(VIRTIO_BASE, false, 8, data));
	EXPECT_MEMEQ(data, "\0\0\0\0\0\0\0\0", 8);
	EXPECT_TRUE(virtio_mmio(VIRTIO_BASE + 0x100 + VIRTIO_CONFIG - 4, false, 8, data));
	EXPECT_TRUE(virtio_mmio(VIRTIO_BASE + 0xffc, false, 8, data));
	EXPECT_FALSE(virtio_mmio(VIRTIO_BASE + VIRTIO_STRIDE, false, 4, data));
	EXPECT_FALSE(virtio_mmio(VIRTIO_BASE - 1, false, 4, data));
}

TEST(features_must_be_those_offered)
{
	static const struct { uint32_t low, high, status; } tries[] = {
		{ 0, 1, 11 }, { 0, 0, 3 }, { 1, 1, 3 }, { 0, 0x80000001, 3 },
		{ 1u << VIRTIO_RING_F_EVENT_IDX, 1, 11 },
	};
	unsigned int i;

	driver_device("rng", NULL);
	for (i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		reg_write(VIRTIO_MMIO_STATUS, 0);
		reg_write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
		reg_write(VIRTIO_MMIO_DRIVER_FEATURES, tries[i].low);
		reg_write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		reg_write(VIRTIO_MMIO_DRIVER_FEATURES, tries[i].high);
		reg_write(VIRTIO_MMIO_STATUS, 11);
		EXPECT_EQ(reg_read(VIRTIO_MMIO_STATUS), tries[i].status);
	}
}

TEST(a_broken_queue_needs_a_reset)
{
	struct vdev *d = driver_device("rng", NULL);
	uint64_t irqs;

	driver_start();
	driver_put(0, 0, RAM, 16, WRITE);
	driver_kick(0, 0);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_STATUS), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	EXPECT_EQ(read(d->irqfd, &irqs, 8), 8);
	driver_put(0, 0, BUFFERS, 16, WRITE);
	driver_kick(0, 0);
	EXPECT_FALSE(driver_has_used(0));
	driver_start();
	driver_put(0, 0, BUFFERS, 16, WRITE);
	driver_kick(0, 0);
	EXPECT_EQ(driver_used(0), 16);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	reg_write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* ---- disk ---- */

static void make_disk(bool ro)
{
	char arg[80];
	uint8_t data[DISK * 512];
	unsigned int i;
	int fd;

	snprintf(arg, sizeof(arg), "%s%s", temporary("disk"), ro ? ",ro" : "");
	fd = open(temporary("disk"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (i = 0; i < sizeof(data); i++)
		data[i] = i >> 9;
	assert(write(fd, data, sizeof(data)) == sizeof(data));
	close(fd);
	driver_device("blk", arg);
	unlink(temporary("disk"));
	driver_start();
}

/* Header, @out bytes for the disk or @in from it, status. The status, 0xee if it is not set. */
static int disk(uint32_t type, uint64_t sector, uint32_t out, uint32_t in)
{
	struct virtio_blk_outhdr h = { .type = type, .sector = sector };

	memcpy(at(BUFFERS), &h, sizeof(h));
	*at(BUFFERS + 0x100) = 0xee;
	driver_put(0, 0, BUFFERS, sizeof(h), NEXT);
	driver_put(0, 1, BUFFERS + 0x1000, out ? out : in, out ? NEXT : NEXT | WRITE);
	driver_put(0, 2, BUFFERS + 0x100, 1, WRITE);
	driver_kick(0, 0);
	EXPECT_EQ(driver_used(0), in + 1);
	return *at(BUFFERS + 0x100);
}

TEST(disk_right_use)
{
	make_disk(false);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, 3, 0, 1024), VIRTIO_BLK_S_OK);
	EXPECT_EQ(*at(BUFFERS + 0x1000), 3);
	EXPECT_EQ(*at(BUFFERS + 0x1000 + 1023), 4);
	memset(at(BUFFERS + 0x1000), 0x77, 512);
	EXPECT_EQ(disk(VIRTIO_BLK_T_OUT, DISK - 1, 512, 0), VIRTIO_BLK_S_OK);
	EXPECT_EQ(disk(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	memset(at(BUFFERS + 0x1000), 0, 1024);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, DISK - 2, 0, 1024), VIRTIO_BLK_S_OK);
	EXPECT_EQ(*at(BUFFERS + 0x1000), DISK - 2);
	EXPECT_EQ(*at(BUFFERS + 0x1000 + 1023), 0x77);
	EXPECT_EQ(disk(VIRTIO_BLK_T_GET_ID, 0, 0, 20), VIRTIO_BLK_S_OK);
	EXPECT_STREQ((char *)at(BUFFERS + 0x1000), "keelvm-0");
}

TEST(disk_wrong_use)
{
	make_disk(true);
	EXPECT_EQ(disk(VIRTIO_BLK_T_OUT, 0, 512, 0), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, DISK, 0, 512), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, DISK - 1, 0, 1024), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, ~0ull, 0, 512), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, 1ull << 55, 0, 512), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, 0, 0, 511), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(VIRTIO_BLK_T_GET_ID, 0, 0, 19), VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(disk(99, 0, 0, 512), VIRTIO_BLK_S_UNSUPP);
	/* half a header; nothing to write to; nothing at all */
	driver_put(0, 0, BUFFERS, 8, NEXT);
	driver_put(0, 1, BUFFERS + 0x100, 1, WRITE);
	driver_kick(0, 0);
	EXPECT_EQ(driver_used(0), 1);
	EXPECT_EQ(*at(BUFFERS + 0x100), VIRTIO_BLK_S_IOERR);
	driver_put(0, 0, BUFFERS, 16, 0);
	driver_kick(0, 0);
	EXPECT_EQ(driver_used(0), 0);
	driver_put(0, 0, BUFFERS, 16, NEXT);
	driver_put(0, 1, BUFFERS, 0, WRITE);
	driver_kick(0, 0);
	EXPECT_EQ(driver_used(0), 0);
	EXPECT_EQ(reg_read(VIRTIO_MMIO_STATUS), 15);
}

/* What the thread has under way ends first, and what follows is for the next start. */
TEST(disk_queue_taken_away_while_it_works)
{
	unsigned int i, n;

	make_disk(false);
	for (i = 0; i < 500; i++) {
		struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_IN };

		driver_start();
		memcpy(at(BUFFERS), &h, sizeof(h));
		driver_put(0, 0, BUFFERS, sizeof(h), NEXT);
		driver_put(0, 1, BUFFERS + 0x1000, DISK * 512, NEXT | WRITE);
		driver_put(0, 2, BUFFERS + 0x100, 1, WRITE);
		for (n = 0; n < NUM; n++)
			driver_kick(0, 0);
		reg_write(VIRTIO_MMIO_QUEUE_SEL, 0);
		reg_write(i % 2 ? VIRTIO_MMIO_QUEUE_READY : VIRTIO_MMIO_STATUS, 0);
		memset(at(BUFFERS + 0x1000), 0x55, DISK * 512);
		EXPECT_EQ(reg_read(VIRTIO_MMIO_QUEUE_READY), 0);
		EXPECT_EQ(*at(BUFFERS + 0x1000 + 512), 0x55);
	}
	driver_start();
	EXPECT_EQ(disk(VIRTIO_BLK_T_IN, 3, 0, 512), VIRTIO_BLK_S_OK);
}

/* ---- network ---- */

TEST(network_both_ways)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char arg[240], buf[100];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), n;

	strcpy(a.sun_path, temporary("wire"));
	unlink(a.sun_path);
	snprintf(arg, sizeof(arg), "dgram:%s.here,%s", a.sun_path, a.sun_path);
	driver_device("net", arg);
	driver_start();
	/* nobody is there yet: lost */
	driver_put(1, 0, BUFFERS, 12 + 5, 0);
	memcpy(at(BUFFERS + 12), "hello", 5);
	driver_kick(1, 0);
	driver_used(1);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	driver_kick(1, 0);
	driver_used(1);
	EXPECT_EQ(recv(fd, buf, sizeof(buf), 0), 5);
	EXPECT_MEMEQ(buf, "hello", 5);
	/* shorter than a header, and no more than one */
	for (n = 0; n <= 12; n += 6) {
		driver_put(1, 0, BUFFERS, n, 0);
		driver_kick(1, 0);
		driver_used(1);
	}
	unlink(a.sun_path);
	strcat(a.sun_path, ".here");
	driver_put(0, 0, BUFFERS + 0x200, 64, WRITE);
	driver_kick(0, 0);
	EXPECT_EQ(sendto(fd, "answer", 6, 0, (struct sockaddr *)&a, sizeof(a)), 6);
	EXPECT_EQ(driver_used(0), 12 + 6);
	EXPECT_MEMEQ(at(BUFFERS + 0x200 + 12), "answer", 6);
	unlink(a.sun_path);
	close(fd);
}

/* ---- anything ---- */

static void random_register(struct vdev *d)
{
	static const uint16_t regs[] = {
		0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70, 0x80, 0x84, 0x90, 0x94,
		0xa0, 0xa4, 0x100, 0x104, 0x13c,
	};
	static const uint32_t values[] = {
		0, 1, 2, 3, 11, 15, NUM, VQ_SIZE, RING(0), RING_AVAIL(0), RING_USED(0), RING(1),
		RAM - 16, 0xffffffff,
	};
	uint32_t val = rig_random() % 4 ? values[rig_random() % 14] : rig_random();

	/* Reset and start again more often than by chance */
	if (rig_random() % 64 == 0)
		driver_start();
	else
		reg_write(regs[rig_random() % 18], val);
}

/* Rings, and what they lead to, from bytes that are likely to mean something */
static void random_memory(void)
{
	unsigned int i, q;

	for (q = 0; q < VIRTIO_QUEUES; q++) {
		for (i = 0; i < NUM; i++)
			driver_put(q, i, rig_random() % 8 ? BUFFERS + rig_random() % 0x1000 :
				   rig_random(), rig_random() % 8 ? rig_random() % 128 : rig_random(),
				   rig_random() % 4);
		*(uint16_t *)at(RING_AVAIL(q) + 2) += rig_random() % 4;
		*(uint16_t *)at(RING_AVAIL(q) + 4 + 2 * (rig_random() % NUM)) = rig_random() % NUM;
	}
	for (i = 0; i < 64; i++)
		*at(BUFFERS + rig_random() % 0x1000) = rig_random() % 8;
}

static void anything(struct vdev *d)
{
	unsigned int i;

	rig_seed();
	driver_start();
	for (i = 0; i < 20000; i++) {
		if (rig_random() % 4 == 0)
			random_memory();
		random_register(d);
	}
	driver_start();
	EXPECT_EQ(reg_read(VIRTIO_MMIO_STATUS), 15);
}

TEST(any_driver_of_random_numbers)
{
	anything(driver_device("rng", NULL));
}

/* What it writes must not get among the results. */
TEST(any_driver_of_a_console)
{
	int out;

	fflush(stdout);
	out = dup(STDOUT_FILENO);
	dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	anything(driver_device("console", NULL));
	reg_write(VIRTIO_MMIO_STATUS, 0);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
}

TEST(any_driver_of_a_balloon)
{
	anything(driver_device("balloon", NULL));
}

TEST(any_driver_of_a_disk)
{
	make_disk(false);
	anything(vm.vdev[0]);
}

TEST(any_driver_of_a_network)
{
	char arg[160];

	snprintf(arg, sizeof(arg), "dgram:%s,", temporary("n"));
	strcat(arg, temporary("m"));
	anything(driver_device("net", arg));
	unlink(temporary("n"));
}

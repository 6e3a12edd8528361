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
#include <linux/virtio_vsock.h>
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

/* ---- vsock ---- */

#define GUEST	77
#define HEADER	sizeof(struct virtio_vsock_hdr)

static void make_vsock(void)
{
	char arg[80];
	unsigned int i;

	snprintf(arg, sizeof(arg), "%u,%s", GUEST, temporary("vsock"));
	if (!vm.vdevs || vm.vdev[0]->type->id != VIRTIO_ID_VSOCK)
		driver_device("vsock", arg);
	driver_start();
	for (i = 0; i < NUM; i++)
		driver_put(0, i, BUFFERS + 0x10000 + i * 0x1000, 0x1000, WRITE);
}

static void vsock_room(unsigned int n)
{
	while (n--)
		driver_kick(0, n);
}

static void vsock_send(uint16_t op, uint32_t len, uint32_t guest_port, uint32_t host_port)
{
	struct virtio_vsock_hdr h = { .src_cid = GUEST, .dst_cid = 2, .src_port = guest_port,
		.dst_port = host_port, .len = len, .type = 1, .op = op, .buf_alloc = 0x10000 };

	memcpy(at(BUFFERS), &h, sizeof(h));
	driver_put(1, 0, BUFFERS, HEADER, NEXT);
	driver_put(1, 1, BUFFERS + 0x1000, 0x1000, 0);
	driver_kick(1, 0);
	driver_used(1);
}

/* The next packet to the guest. Buffers were offered from the last to the first. */
static struct virtio_vsock_hdr vsock_got(unsigned int buffer)
{
	struct virtio_vsock_hdr h;

	driver_used(0);
	memcpy(&h, at(BUFFERS + 0x10000 + buffer * 0x1000), sizeof(h));
	return h;
}

static int host_connects(unsigned int port)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char line[32];

	strcpy(a.sun_path, temporary("vsock"));
	EXPECT_EQ(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	snprintf(line, sizeof(line), "CONNECT %u\n", port);
	EXPECT_EQ(write(fd, line, strlen(line)), strlen(line));
	return fd;
}

TEST(vsock_from_the_host)
{
	struct virtio_vsock_hdr h;
	char line[64] = "", want[64];
	int fd;

	make_vsock();
	vsock_room(8);
	fd = host_connects(500);
	h = vsock_got(7);
	EXPECT_EQ(h.op, VIRTIO_VSOCK_OP_REQUEST);
	EXPECT_EQ(h.dst_port, 500);
	EXPECT_EQ(h.dst_cid, GUEST);
	vsock_send(VIRTIO_VSOCK_OP_RESPONSE, 0, 500, h.src_port);
	snprintf(want, sizeof(want), "OK %u\n", h.src_port);
	EXPECT_EQ(read(fd, line, sizeof(line)), strlen(want));
	EXPECT_STREQ(line, want);
	memcpy(at(BUFFERS + 0x1000), "guest", 5);
	vsock_send(VIRTIO_VSOCK_OP_RW, 5, 500, h.src_port);
	EXPECT_EQ(read(fd, line, sizeof(line)), 5);
	EXPECT_MEMEQ(line, "guest", 5);
	EXPECT_EQ(write(fd, "host", 4), 4);
	h = vsock_got(6);
	EXPECT_EQ(h.op, VIRTIO_VSOCK_OP_RW);
	EXPECT_EQ(h.len, 4);
	EXPECT_EQ(h.fwd_cnt, 5);
	EXPECT_MEMEQ(at(BUFFERS + 0x16000 + HEADER), "host", 4);
	shutdown(fd, SHUT_WR);
	h = vsock_got(5);
	EXPECT_EQ(h.op, VIRTIO_VSOCK_OP_SHUTDOWN);
	vsock_send(VIRTIO_VSOCK_OP_SHUTDOWN, 0, 500, h.src_port);	/* with no flags: nothing */
	vsock_send(VIRTIO_VSOCK_OP_RST, 0, 500, h.src_port);
	EXPECT_EQ(read(fd, line, sizeof(line)), 0);
	close(fd);
}

TEST(vsock_lies)
{
	struct virtio_vsock_hdr h;
	char line[32];
	int fd;

	make_vsock();
	vsock_room(12);
	/* to a port where nobody is, on a connection that is none, of a kind that is none */
	vsock_send(VIRTIO_VSOCK_OP_REQUEST, 0, 1, 1);
	EXPECT_EQ(vsock_got(11).op, VIRTIO_VSOCK_OP_RST);
	vsock_send(VIRTIO_VSOCK_OP_RW, 100, 1, 1);
	EXPECT_EQ(vsock_got(10).op, VIRTIO_VSOCK_OP_RST);
	vsock_send(99, 0, 1, 1);
	EXPECT_EQ(vsock_got(9).op, VIRTIO_VSOCK_OP_RST);
	vsock_send(VIRTIO_VSOCK_OP_RST, 0, 1, 1);	/* no answer to that */
	/* more data than the packet has; more than there is room for */
	fd = host_connects(600);
	h = vsock_got(8);
	vsock_send(VIRTIO_VSOCK_OP_RESPONSE, 0, 600, h.src_port);
	EXPECT_GT(read(fd, line, sizeof(line)), 3);
	vsock_send(VIRTIO_VSOCK_OP_RW, 0xffffffff, 600, h.src_port);
	EXPECT_EQ(vsock_got(7).op, VIRTIO_VSOCK_OP_RST);
	EXPECT_EQ(read(fd, line, sizeof(line)), 0);
	close(fd);
	/* an answer to what was not asked */
	fd = host_connects(601);
	h = vsock_got(6);
	vsock_send(VIRTIO_VSOCK_OP_RW, 4, 601, h.src_port);
	EXPECT_EQ(vsock_got(5).op, VIRTIO_VSOCK_OP_RST);
	EXPECT_EQ(read(fd, line, sizeof(line)), 0);
	close(fd);
	/* a host that talks nonsense */
	fd = host_connects(602);
	h = vsock_got(4);
	EXPECT_EQ(h.dst_port, 602);
	close(fd);
}

/* Many packets that must be answered, and no room: all are, once there is some. */
TEST(vsock_without_room)
{
	struct virtio_vsock_hdr h = { .src_cid = GUEST, .dst_cid = 2, .src_port = 1,
		.dst_port = 1, .type = 1, .op = VIRTIO_VSOCK_OP_REQUEST };
	unsigned int round, i;

	make_vsock();
	for (round = 0; round < 20; round++) {
		memcpy(at(BUFFERS), &h, sizeof(h));
		driver_put(1, 0, BUFFERS, HEADER, 0);
		for (i = 0; i < 8; i++)
			driver_kick(1, 0);
		EXPECT_FALSE(driver_has_used(1));
		vsock_room(8);
		for (i = 0; i < 8; i++) {
			driver_used(1);
			EXPECT_EQ(vsock_got(7 - i).op, VIRTIO_VSOCK_OP_RST);
		}
	}
}

TEST(vsock_greetings_that_are_wrong)
{
	static const char * const lines[] = {
		"CONNECT\n", "CONNECT x\n", "CONNECT 5 6\n", "\n",
		"CONNECT 55555555555555555555555555555555555555555555555555555555\n",
	};
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	unsigned int i;
	char c;

	make_vsock();
	strcpy(a.sun_path, temporary("vsock"));
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		ASSERT_EQ(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
		EXPECT_GT(send(fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL), 0);
		EXPECT_LE(read(fd, &c, 1), 0);
		close(fd);
	}
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
	for (i = 0; i < 16; i++) {
		struct virtio_vsock_hdr h = { .src_cid = GUEST, .dst_cid = 2,
			.src_port = rig_random() % 4, .dst_port = rig_random() % 4,
			.len = rig_random() % 128, .type = 1, .op = rig_random() % 9,
			.flags = rig_random() % 4, .buf_alloc = rig_random() };

		memcpy(at(BUFFERS + rig_random() % 0x1000), &h, sizeof(h));
	}
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

TEST(any_driver_of_vsock)
{
	make_vsock();
	anything(vm.vdev[0]);
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
	unlink(temporary("vsock"));
}

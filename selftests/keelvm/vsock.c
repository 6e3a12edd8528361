// SPDX-License-Identifier: GPL-2.0
/*
 * vsock.c - a guest's use of vsock
 *
 *	vsock cid		its CID
 *	vsock send PORT BYTES	a pattern to the host, which answers "good"
 *	vsock echo PORT		what one who connects sends, back to him
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/vm_sockets.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static char buf[10000];

static int put(int fd, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = write(fd, buf + at, len - at);

		if (n <= 0)
			return -1;
		at += n;
	}
	return 0;
}

static int send_pattern(unsigned int port, long bytes)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST,
		.svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	long i, at = 0;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	while (at < bytes) {
		for (i = 0; i < (long)sizeof(buf) && at + i < bytes; i++)
			buf[i] = (at + i) * 7 >> 3;
		if (put(fd, i))
			return 2;
		at += i;
	}
	shutdown(fd, SHUT_WR);
	return read(fd, buf, sizeof(buf)) != 4 || memcmp(buf, "good", 4) ? 3 : 0;
}

static int echo(unsigned int port)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
		.svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	ssize_t n;

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return 1;
	fd = accept(fd, NULL, NULL);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (put(fd, n))
			return 2;
	close(fd);
	return n < 0 ? 3 : 0;
}

static int cid(void)
{
	unsigned int id = 0;
	int fd = open("/dev/vsock", O_RDONLY);

	if (ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &id) < 0)
		return 1;
	printf("%u\n", id);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "send"))
		return send_pattern(atoi(argv[2]), atol(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "echo"))
		return echo(atoi(argv[2]));
	return argc == 2 && !strcmp(argv[1], "cid") ? cid() : 64;
}

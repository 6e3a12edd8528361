// SPDX-License-Identifier: GPL-2.0
/*
 * exec.c - a program of a directory: the initramfs that has it, its input and output
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "keelvm.h"

/* init/init.c, linked statically */
extern const char init_start[], init_end[];

static struct vm *the_vm;	/* nftw() passes nothing on */
static FILE *archive;
static unsigned int entries;

/* ---- the initramfs: cpio, "newc" ---- */

static void pad(void)
{
	while (ftell(archive) & 3)
		fputc(0, archive);
}

static void put_header(const char *name, const struct stat *st, uint64_t size)
{
	if (size > 0xffffffff)
		vm_die(the_vm, VM_USAGE, "%s is too large", name);
	fprintf(archive, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s", ++entries,
		st->st_mode, 0, 0, 1, (unsigned int)st->st_mtime, (unsigned int)size, 0, 0,
		major(st->st_rdev), minor(st->st_rdev), (unsigned int)strlen(name) + 1, 0, name);
	fputc(0, archive);
	pad();
}

static void put(const char *name, mode_t mode, const void *data, size_t size)
{
	put_header(name, &(struct stat){ .st_mode = mode }, size);
	if (size)
		fwrite(data, 1, size, archive);
	pad();
}

/* As long as it was, should it change meanwhile */
static void put_contents(const char *path, uint64_t size)
{
	char buf[65536] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		vm_die(the_vm, VM_HOST, "%s", path);
	for (; size; size -= n) {
		size_t want = size < sizeof(buf) ? size : sizeof(buf);

		n = read(fd, buf, want);
		if (n <= 0)
			memset(buf, 0, n = want);
		fwrite(buf, 1, n, archive);
	}
	close(fd);
	pad();
}

static int put_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + strlen(the_vm->opt->exec);
	char link[4096];
	ssize_t n = 0;

	if (type == FTW_NS || type == FTW_DNR)
		vm_die(the_vm, VM_HOST, "%s", path);
	if (!ftw->level || S_ISSOCK(st->st_mode))
		return 0;
	name += strspn(name, "/");
	if (S_ISLNK(st->st_mode)) {
		n = readlink(path, link, sizeof(link));
		if (n < 0)
			vm_die(the_vm, VM_HOST, "%s", path);
		put(name, st->st_mode, link, n);
		return 0;
	}
	put_header(name, st, S_ISREG(st->st_mode) ? st->st_size : 0);
	if (S_ISREG(st->st_mode))
		put_contents(path, st->st_size);
	return 0;
}

/* Its name */
const char *exec_initramfs(struct vm *vm)
{
	static const char * const dirs[] = { "dev", "proc", "sys", "tmp", ".keelvm" };
	static char name[32];
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	char *args = NULL;
	size_t size = 0, len;
	unsigned int i;

	the_vm = vm;
	archive = fd < 0 ? NULL : fdopen(fd, "w");
	if (!archive || nftw(vm->opt->exec, put_file, 64, FTW_PHYS) < 0)
		vm_die(vm, VM_HOST, "%s", vm->opt->exec);
	for (i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		put(dirs[i], S_IFDIR | (i == 3 ? 01777 : 0755), NULL, 0);
	for (i = 0; vm->opt->argv[i]; i++, size += len) {
		len = strlen(vm->opt->argv[i]) + 1;
		args = realloc(args, size + len);
		if (!args)
			vm_die(vm, VM_HOST, "memory");
		memcpy(args + size, vm->opt->argv[i], len);
	}
	put(".keelvm/args", S_IFREG | 0444, args, size);
	put(".keelvm/init", S_IFREG | 0555, init_start, init_end - init_start);
	put("TRAILER!!!", 0, NULL, 0);
	if (fflush(archive) || ferror(archive))
		vm_die(vm, VM_HOST, "initramfs");
	free(args);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return name;
}

/* ---- input and output ---- */

static char input[KEELVM_CHUNK];
static uint32_t input_len, input_at;

static uint32_t read_input(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	n = read(STDIN_FILENO, input, sizeof(input));
	input_at = 0;
	input_len = n > 0 ? n : 0;
	return n > 0 ? n : KEELVM_EOF;
}

/* Whoever reads it may be slow: the lock is not held. If he has gone, that is SIGPIPE. */
static void write_output(struct vm *vm, int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EPIPE)
			vm_exit(vm, 128 + SIGPIPE);
		if (n < 0 && errno != EINTR)
			return;
		data += n > 0 ? n : 0;
		len -= n > 0 ? n : 0;
	}
}

bool exec_io(struct vm_cpu *cpu, const struct kvm_run *run, uint8_t *data)
{
	unsigned int port = run->io.port, len = run->io.count * run->io.size, i;

	if (!cpu->vm->opt->exec || port < KEELVM_PORT_OUT || port > KEELVM_PORT_READ)
		return false;
	if (run->io.direction == KVM_EXIT_IO_OUT) {
		if (port <= KEELVM_PORT_ERR)
			write_output(cpu->vm, port - KEELVM_PORT_OUT + STDOUT_FILENO, data, len);
		return true;
	}
	pthread_mutex_lock(&cpu->vm->lock);
	if (port == KEELVM_PORT_READ && len == 4)
		memcpy(data, &(uint32_t){ read_input() }, 4);
	for (i = 0; port == KEELVM_PORT_IN && i < len; i++)
		data[i] = input_at < input_len ? input[input_at++] : 0;
	pthread_mutex_unlock(&cpu->vm->lock);
	return true;
}

__asm__(".section .rodata\n"
	".global init_start, init_end\n"
	"init_start: .incbin \"" INIT "\"\n"
	"init_end:\n"
	".previous\n");

// SPDX-License-Identifier: GPL-2.0
/*
 * exec.c - a program of a directory: the initramfs that has it, its input and output; and
 * the doctor, which is a script
 */
#include <sys/wait.h>
#include "keelvm.h"

/* init/init.c, linked statically */
extern const char init_start[], init_end[];
/* The file doctor */
extern const char doctor_text[];

static struct exec_window window __attribute__((aligned(4096)));

/* The initramfs is two archives of cpio: of the directory, and of what keelvm adds. */
static void archive_directory(int fd)
{
	static const char script[] =
		"cd -- \"$0\" >&2 && find . ! -type s -print0 | cpio -0 -o -H newc --quiet";
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		dup2(fd, STDOUT_FILENO);
		unsetenv("CDPATH");	/* "cd" means the directory */
		execlp("bash", "bash", "-o", "pipefail", "-c", script, opt.exec, NULL);
		perror("keelvm: bash");
		_exit(1);
	}
	waitpid(pid, &status, 0);
	vm_must(!status, VM_USAGE, "%s: no archive of this can be made (by cpio)", opt.exec);
}

static void put(FILE *f, const char *name, mode_t mode, const void *data, size_t size)
{
	fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s%c", 1,
		mode, 0, 0, 1, 0, size, 0, 0, 0, 0, strlen(name) + 1, 0, name, 0);
	while (ftell(f) & 3)
		fputc(0, f);
	fwrite(data, 1, size, f);
	while (ftell(f) & 3)
		fputc(0, f);
}

static void put_arguments(void)
{
	char **arg, *to = window.args;

	for (arg = opt.argv; *arg; arg++, window.argc++) {
		vm_must(strlen(*arg) < (size_t)(window.args + sizeof(window.args) - to),
			VM_USAGE, "too many arguments");
		to = stpcpy(to, *arg) + 1;
	}
}

const char *exec_initramfs(void)
{
	static char name[32];
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	FILE *f;

	put_arguments();
	vm_add_slot(3, EXEC_BASE + sizeof(window.reg), sizeof(window) - sizeof(window.reg),
		    window.data);
	archive_directory(fd);
	f = fdopen(fd, "a");
	vm_must(f && !fseek(f, 0, SEEK_END), VM_HOST, "initramfs");
	put(f, ".keelvm", S_IFREG | 0555, init_start, init_end - init_start);
	put(f, "TRAILER!!!", 0, "", 0);
	vm_must(!fflush(f) && !ferror(f), VM_HOST, "initramfs");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return name;
}

/* ---- input and output ---- */

static uint32_t read_input(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	n = read(STDIN_FILENO, window.data, sizeof(window.data));
	return n > 0 ? n : EXEC_EOF;
}

static void tell_start(void)
{
	static bool told;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (opt.verbose && !told)
		fprintf(stderr, "keelvm: first program after %lld us\n",
			(now.tv_sec - vm.start.tv_sec) * 1000000LL +
			(now.tv_nsec - vm.start.tv_nsec) / 1000);
	told = true;
}

bool exec_mmio(struct kvm_run *run)
{
	uint64_t reg = (run->mmio.phys_addr - EXEC_BASE) / sizeof(window.reg[0]);
	uint32_t val;

	if (!opt.exec || reg > EXEC_EXIT || run->mmio.len != sizeof(val))
		return false;
	tell_start();
	memcpy(&val, run->mmio.data, sizeof(val));
	if (!run->mmio.is_write)
		memcpy(run->mmio.data, &(uint32_t){ reg == EXEC_IN ? read_input() : 0 }, 4);
	else if (reg == EXEC_EXIT)
		vm_exit(val & 0xff);
	/* As a program: who writes what nobody reads ends by SIGPIPE. */
	else if (reg != EXEC_IN && val <= sizeof(window.data) &&
		 !output(reg + STDOUT_FILENO, window.data, val) && errno == EPIPE)
		vm_exit(128 + SIGPIPE);
	return true;
}

void doctor(const char *dev)
{
	char *self = realpath("/proc/self/exe", NULL);

	execlp("bash", "bash", "-c", doctor_text, "keelvm", self, dev, NULL);
	perror("keelvm: bash");
	exit(VM_HOST);
}

__asm__(".section .rodata\n"
	".global init_start, init_end, doctor_text\n"
	"doctor_text: .incbin \"" DOCTOR "\"\n"
	".byte 0\n"
	"init_start: .incbin \"" INIT "\"\n"
	"init_end:\n"
	".previous\n");

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

/* The initramfs is two archives of cpio: of the directory, and of what keelvm adds. */
static void archive_directory(struct vm *vm, int fd)
{
	static const char script[] =
		"cd -- \"$0\" && find . ! -type s -print0 | cpio -0 -o -H newc --quiet";
	int status;
	pid_t pid = fork();

	if (!pid) {
		dup2(fd, STDOUT_FILENO);
		execlp("bash", "bash", "-o", "pipefail", "-c", script, vm->opt->exec, NULL);
		perror("keelvm: bash");
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		vm_die(vm, VM_HOST, "%s", vm->opt->exec);
	if (status)
		vm_die(vm, VM_USAGE, "%s: no archive of this can be made (by cpio)",
		       vm->opt->exec);
}

static void pad(FILE *f)
{
	while (ftell(f) & 3)
		fputc(0, f);
}

static void put(FILE *f, const char *name, mode_t mode, const void *data, size_t size)
{
	static unsigned int inode;

	fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s%c", ++inode,
		mode, 0, 0, 1, 0, size, 0, 0, 0, 0, strlen(name) + 1, 0, name, 0);
	pad(f);
	fwrite(data, 1, size, f);
	pad(f);
}

/* Its name */
const char *exec_initramfs(struct vm *vm)
{
	static const char * const dirs[] = { "dev", "proc", "sys", ".keelvm", "tmp" };
	static char name[32];
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	char *args = NULL, **arg;
	size_t size = 0;
	unsigned int i;
	FILE *f, *a = open_memstream(&args, &size);

	archive_directory(vm, fd);
	f = fdopen(fd, "a");
	if (!f || !a || fseek(f, 0, SEEK_END) < 0)
		vm_die(vm, VM_HOST, "initramfs");
	for (i = 0; i < COUNT(dirs); i++)
		put(f, dirs[i], S_IFDIR | (i == 4 ? 01777 : 0755), "", 0);
	for (arg = vm->opt->argv; *arg; arg++)
		fwrite(*arg, 1, strlen(*arg) + 1, a);
	fclose(a);
	if (size > KEELVM_MAX_ARGS)
		vm_die(vm, VM_USAGE, "too many arguments");
	put(f, ".keelvm/args", S_IFREG | 0444, args, size);
	put(f, ".keelvm/init", S_IFREG | 0555, init_start, init_end - init_start);
	put(f, "TRAILER!!!", 0, "", 0);
	if (fflush(f) || ferror(f))
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

bool exec_io(struct vm_cpu *cpu, const struct kvm_run *run, uint8_t *data)
{
	unsigned int port = run->io.port, len = run->io.count * run->io.size, i;

	if (!cpu->vm->opt->exec || port < KEELVM_PORT_OUT || port > KEELVM_PORT_READ)
		return false;
	if (run->io.direction == KVM_EXIT_IO_OUT) {
		/* As a program: who writes what nobody reads ends by SIGPIPE. */
		if (port <= KEELVM_PORT_ERR &&
		    !output(port - KEELVM_PORT_OUT + STDOUT_FILENO, data, len) && errno == EPIPE)
			vm_exit(cpu->vm, 128 + SIGPIPE);
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

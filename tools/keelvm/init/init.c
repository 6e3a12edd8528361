// SPDX-License-Identifier: GPL-2.0
/*
 * init.c - PID 1 of a guest of keelvm --exec: runs a program and tells its status
 *
 * Its arguments are in a file of the initramfs, with a zero byte after each. Standard input
 * and output go by ports of keelvm: nothing buffers, so nothing is lost at the end.
 */
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include "../keelvm.h"

#define TICK_MS		20	/* how often input is looked for */

enum { IN, OUT, ERR };

static void finish(int status)
{
	outb(status, KEELVM_EXIT_PORT);
	for (;;)
		pause();
}

static void fail(const char *what, int status)
{
	dprintf(ERR, "keelvm: %s: %s\n", what, strerror(errno));
	_exit(status);
}

/* The file's words */
static char **arguments(void)
{
	static char text[KEELVM_MAX_ARGS], *argv[KEELVM_MAX_ARGS + 1];
	int fd = open("/.keelvm/args", O_RDONLY | O_CLOEXEC);
	ssize_t i, size = read(fd, text, sizeof(text));
	size_t n = 0;

	for (i = 0; i < size; i += strlen(text + i) + 1)
		argv[n++] = text + i;
	return argv;
}

static void child(int fd[3][2])
{
	char **argv = arguments();
	int i;

	for (i = IN; i <= ERR; i++)
		if (dup2(fd[i][i != IN], i) < 0)
			_exit(VM_HOST);
	if (!*argv)
		fail("arguments", VM_HOST);
	setsid();
	execvp(argv[0], argv);
	fail(argv[0], errno == ENOENT ? 127 : VM_HOST);
}

/* Bytes of the host's input that the program got; -1 at the end of either */
static int feed(int fd)
{
	static char buf[KEELVM_CHUNK];
	uint32_t n = inl(KEELVM_PORT_READ);

	if (n > sizeof(buf))
		return -1;
	insb(KEELVM_PORT_IN, buf, n);
	return !n || write(fd, buf, n) == (ssize_t)n ? (int)n : -1;
}

static int drain(int fd, unsigned short port)
{
	static char buf[KEELVM_CHUNK];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0)
		outsb(port, buf, n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/*
 * Until the program has ended and its output is drained. A pipe that daemons keep open
 * is left when the program has ended and the pipe is empty.
 */
static int serve(int fd[3][2], pid_t pid)
{
	struct pollfd p[3] = {
		{ fd[OUT][0], POLLIN, 0 }, { fd[ERR][0], POLLIN, 0 }, { fd[IN][1], POLLOUT, 0 },
	};
	int status = 0, i, ended = 0, fed = 1;

	for (;;) {
		int n = poll(p, 3, ended ? 0 : TICK_MS);

		for (i = 0; i < 2; i++)
			if (p[i].revents && !drain(p[i].fd, i ? KEELVM_PORT_ERR : KEELVM_PORT_OUT))
				p[i].fd = -1;
		if (ended && (n <= 0 || (!p[0].revents && !p[1].revents)))
			return status;
		i = p[2].revents;
		p[2].revents = 0;
		if (i) {
			fed = feed(fd[IN][1]);
			if (fed < 0)
				close(fd[IN][1]);
		}
		/* A pipe with room wakes poll at once: not as long as there is no input. */
		p[2].fd = fed < 0 || (i && !fed) ? -1 : fd[IN][1];
		while ((i = waitpid(-1, &n, WNOHANG)) > 0) {
			if (i != pid)
				continue;
			ended = 1;
			status = WIFEXITED(n) ? WEXITSTATUS(n) : 128 + WTERMSIG(n);
		}
	}
}

int main(void)
{
	int fd[3][2], i;
	pid_t pid;

	if (iopl(3) < 0)
		fail("the guest's kernel has no CONFIG_X86_IOPL_IOPERM", VM_HOST);
	signal(SIGPIPE, SIG_IGN);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	for (i = IN; i <= ERR; i++)
		if (pipe2(fd[i], O_CLOEXEC) < 0)
			finish(VM_HOST);
	pid = fork();
	if (!pid)
		child(fd);
	for (i = IN; i <= ERR; i++) {
		close(fd[i][i != IN]);
		fcntl(fd[i][i == IN], F_SETFL, O_NONBLOCK);
	}
	if (pid < 0) {
		outsb(KEELVM_PORT_ERR, "keelvm: fork failed\n", 20);
		finish(VM_HOST);
	}
	finish(serve(fd, pid));
}

// SPDX-License-Identifier: GPL-2.0
/*
 * init.c - PID 1 of a guest of keelvm --exec: runs a program and tells its status
 *
 * Standard input and output go by registers of keelvm: nothing buffers, so nothing is lost
 * at the end.
 */
#include <sys/mount.h>
#include <sys/wait.h>
#include "../keelvm.h"

#define TICK_MS		20	/* how often input is looked for */

enum { IN, OUT, ERR };

static struct exec_window *window = MAP_FAILED;

static void fail(const char *what, int status)
{
	dprintf(ERR, "keelvm: %s: %s\n", what, strerror(errno));
	if (getpid() == 1 && window != MAP_FAILED)
		window->reg[EXEC_EXIT] = status;
	_exit(status);
}

static void child(int fd[3][2])
{
	char **argv = calloc(window->argc + 1, sizeof(*argv)), *at = window->args;
	uint32_t n;
	int i;

	for (i = IN; i <= ERR; i++)
		if (dup2(fd[i][i != IN], i) < 0)
			_exit(VM_HOST);
	if (!argv)
		fail("arguments", VM_HOST);
	for (n = 0; n < window->argc; n++, at += strlen(at) + 1)
		argv[n] = at;
	setsid();
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	fail(argv[0], errno == ENOENT ? 127 : VM_HOST);
}

/* Bytes of the host's input that the program got; -1 at the end of either */
static int feed(int fd)
{
	uint32_t n = window->reg[EXEC_IN];

	return n == EXEC_EOF || (n && write(fd, window->data, n) != (ssize_t)n) ? -1 : (int)n;
}

static int drain(int fd, unsigned int reg)
{
	ssize_t n = read(fd, window->data, sizeof(window->data));

	if (n > 0)
		window->reg[reg] = n;
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
			if (p[i].revents && !drain(p[i].fd, i ? EXEC_ERR : EXEC_OUT))
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

static int run(void)
{
	int fd[3][2], i;
	pid_t pid;

	for (i = IN; i <= ERR; i++)
		if (pipe2(fd[i], O_CLOEXEC) < 0)
			fail("pipe", VM_HOST);
	pid = fork();
	if (pid < 0)
		fail("fork", VM_HOST);
	if (!pid)
		child(fd);
	for (i = IN; i <= ERR; i++) {
		close(fd[i][i != IN]);
		fcntl(fd[i][i == IN], F_SETFL, O_NONBLOCK);
	}
	return serve(fd, pid);
}

int main(void)
{
	static const char * const mounts[][2] = {
		{ "/dev", "devtmpfs" }, { "/proc", "proc" }, { "/sys", "sysfs" },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < COUNT(mounts); i++) {
		mkdir(mounts[i][0], 0755);
		mount(mounts[i][1], mounts[i][0], mounts[i][1], 0, NULL);
	}
	if (!mkdir("/tmp", 0))
		chmod("/tmp", 01777);
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	window = mmap(NULL, sizeof(*window), PROT_READ | PROT_WRITE, MAP_SHARED, fd, EXEC_BASE);
	if (window == MAP_FAILED)
		fail("the guest's kernel has no /dev/mem (CONFIG_DEVMEM)", VM_HOST);
	signal(SIGPIPE, SIG_IGN);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	window->reg[EXEC_EXIT] = run();
	for (;;)
		pause();
}

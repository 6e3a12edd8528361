// SPDX-License-Identifier: GPL-2.0
/*
 * loop.c - the thread in which the devices wait for the world, and files they have there
 *
 * Level triggered, and each call handles a bounded amount: all that is ready has its turn,
 * so that nobody who is always ready keeps the others waiting.
 */
#include "keelvm.h"

#define WATCHES		256	/* devices have fewer */

static int wake_fd = -1;
static struct watch *watches[WATCHES];
static unsigned int count;

void loop_init(void)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void loop_wake(void)
{
	if (eventfd_write(wake_fd, 1) < 0)
		return;		/* full: it will wake */
}

void loop_watch(struct watch *w, short events)
{
	unsigned int i;

	for (i = 0; i < count && watches[i] != w; i++)
		;
	vm_must(i < WATCHES, VM_USAGE, "too many files to wait for");
	if (i == count)
		watches[count++] = w;
	if (events != w->events)
		loop_wake();	/* poll() would hold a file that is closed */
	w->events = events;
}

int loop_forget(struct watch *w)
{
	int fd = w->fd;

	loop_watch(w, 0);
	w->fd = -1;
	return fd;
}

/* Who was told to wait for something else meanwhile, or for another file, is not called. */
static void call(struct watch *w, const struct pollfd *p)
{
	if (w->fd == p->fd && w->events && p->revents & (w->events | POLLERR | POLLHUP))
		w->ready(w, p->revents);
}

void loop_run(void)
{
	struct pollfd p[WATCHES + 1];
	unsigned int i, n;
	eventfd_t unused;

	for (;;) {
		pthread_mutex_lock(&vm.lock);
		control_progress();
		for (n = 0; n < count; n++)
			p[n] = (struct pollfd){ .fd = watches[n]->events ? watches[n]->fd : -1,
				.events = watches[n]->events };
		pthread_mutex_unlock(&vm.lock);
		p[n] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
		vm_must(poll(p, n + 1, -1) >= 0 || errno == EINTR, VM_HOST, "poll");
		if (p[n].revents)
			eventfd_read(wake_fd, &unused);
		for (i = 0; i < n; i++) {
			if (!p[i].revents)
				continue;
			pthread_mutex_lock(&vm.lock);
			call(watches[i], &p[i]);
			pthread_mutex_unlock(&vm.lock);
		}
	}
}

/* ---- files ---- */

bool unix_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(a->sun_path))
		return false;
	strcpy(a->sun_path, path);
	return true;
}

int unix_bind(const char *path, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;
	struct stat st;

	vm_must(unix_address(&a, path), VM_USAGE, "'%s' cannot be the name of a socket", path);
	/* One that a process left behind when it ended is in nobody's way. */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode)) {
		int old = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		vm_must(connect(old, (struct sockaddr *)&a, sizeof(a)) < 0 &&
			errno == ECONNREFUSED, VM_USAGE, "%s: another process has this socket",
			path);
		close(old);
		unlink(path);
	}
	vm_must(!bind(fd, (struct sockaddr *)&a, sizeof(a)) &&
		(type != SOCK_STREAM || !listen(fd, 16)), VM_HOST, "%s", path);
	return fd;
}

int read_line(int fd, char *line, size_t *len, size_t size)
{
	ssize_t n;

	while ((n = read(fd, line + *len, 1)) == 1 && line[*len] != '\n')
		if (++*len == size)
			return -1;
	if (n == 1)
		line[*len] = 0;
	return n == 1 ? 1 : again(n) - 1;
}

bool output(int fd, const void *data, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	while (len) {
		ssize_t n = write(fd, data, len);

		if (again(n))
			poll(&p, 1, -1);
		else if (n < 0)
			return false;
		data = (const uint8_t *)data + (n > 0 ? n : 0);
		len -= n > 0 ? n : 0;
	}
	return true;
}

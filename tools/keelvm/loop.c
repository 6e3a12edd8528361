// SPDX-License-Identifier: GPL-2.0
/*
 * loop.c - the thread in which the devices wait for the world
 *
 * Level triggered, and each call handles a bounded amount: epoll hands out what is ready
 * in turn, so that nobody who is always ready keeps the others waiting.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "keelvm.h"

#define BATCH		16
#define MAX_ALWAYS	8

static int epoll_fd = -1, wake_fd = -1;
/* What epoll does not take because it is always ready: regular files, /dev/null */
static struct watch *always[MAX_ALWAYS];

void loop_wake(void)
{
	uint64_t one = 1;

	if (write(wake_fd, &one, sizeof(one)) < 0)
		return;		/* full: it will wake */
}

static void woken(struct watch *w, uint32_t events __attribute__((unused)))
{
	eventfd_drain(w->fd);
	control_progress(w->vm);
}

bool eventfd_drain(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n);
}

bool unix_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(a->sun_path))
		return false;
	strcpy(a->sun_path, path);
	return true;
}

int unix_bind(struct vm *vm, const char *path, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;
	struct stat st;

	if (!unix_address(&a, path))
		vm_die(vm, VM_USAGE, "'%s' cannot be the name of a socket", path);
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);		/* of one that ended */
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) < 0))
		vm_die(vm, VM_HOST, "%s", path);
	return fd;
}

static struct watch wake = { .ready = woken };

void loop_init(struct vm *vm)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll_fd < 0 || wake_fd < 0)
		vm_die(vm, VM_HOST, "event loop");
	wake.fd = wake_fd;
	wake.vm = vm;
	loop_watch(&wake, EPOLLIN);
}

static void watch_always(struct watch *w, bool on)
{
	unsigned int i, room = MAX_ALWAYS;

	for (i = 0; i < MAX_ALWAYS; i++) {
		if (always[i] == w)
			always[i] = NULL;
		if (!always[i])
			room = i;
	}
	if (on && room == MAX_ALWAYS)
		vm_die(w->vm, VM_HOST, "too many files to watch");
	if (on)
		always[room] = w;
	loop_wake();
}

void loop_watch(struct watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };
	int op = !w->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

	if (events == w->events)
		return;
	if (w->always) {
		watch_always(w, events);
	} else if (epoll_ctl(epoll_fd, op, w->fd, &e) < 0) {
		if (errno != EPERM)
			vm_die(w->vm, VM_HOST, "event loop");
		w->always = true;
		watch_always(w, true);
	}
	w->events = events;
}

/* Who stopped watching in the same batch is not called any more. */
static void call(struct watch *w, uint32_t events)
{
	pthread_mutex_lock(&w->vm->lock);
	if (events & (w->events | EPOLLERR | EPOLLHUP) && w->events)
		w->ready(w, events);
	pthread_mutex_unlock(&w->vm->lock);
}

static bool call_always(void)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < MAX_ALWAYS; i++) {
		struct watch *w = __atomic_load_n(&always[i], __ATOMIC_ACQUIRE);

		if (!w)
			continue;
		call(w, w->events);
		any = true;
	}
	return any;
}

void loop_run(struct vm *vm)
{
	struct epoll_event e[BATCH];

	for (;;) {
		int i, n = epoll_wait(epoll_fd, e, BATCH, call_always() ? 0 : -1);

		if (n < 0 && errno != EINTR)
			vm_die(vm, VM_HOST, "epoll_wait");
		for (i = 0; i < n; i++)
			call(e[i].data.ptr, e[i].events);
	}
}

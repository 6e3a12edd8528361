// SPDX-License-Identifier: GPL-2.0
/*
 * control.c - a socket for lines that are commands; each is answered by a line
 *
 * Nothing here waits: a client that does not read its answer is dropped, and a command
 * that takes time is looked at again when something has happened.
 */
#include <linux/virtio_balloon.h>
#include "virtio.h"

#define CLIENTS		4

struct client {
	bool used;
	struct watch w;
	char line[512];
	size_t len;
};

static struct client clients[CLIENTS];
static struct watch listener, saver;
static struct client *waiting;		/* for a pause, or for a snapshot */
static char *snapshot;			/* a file to be written once all is quiet */
static bool go_on;			/* after it */

static void hang_up(struct client *c)
{
	close(loop_forget(&c->w));
	c->used = false;
}

static void answer(struct client *c, const char *text)
{
	char line[600];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (send(c->w.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		hang_up(c);
	else
		loop_watch(&c->w, POLLIN);
}

static void finish(const char *text)
{
	answer(waiting, text);
	waiting = NULL;
	free(snapshot);
	snapshot = NULL;
}

/* ---- commands: what they return is the answer; NULL: it comes later ---- */

static const char *do_status(struct client *c __unused, char *arg __unused)
{
	static char text[128];
	struct virtio_balloon_config *b = vm.balloon ? (void *)vm.balloon->r.config : NULL;

	snprintf(text, sizeof(text), "ok %s cpus %u mem %llu balloon %u",
		 vm.paused ? "paused" : "running", opt.cpus,
		 (unsigned long long)opt.mem >> 20, b ? b->actual >> 8 : 0);
	return text;
}

static const char *stop(struct client *c, char *file)
{
	if (waiting) {
		free(file);
		return "error: another command is under way";
	}
	snapshot = file;
	go_on = !vm.paused;
	waiting = c;
	loop_watch(&c->w, 0);		/* it may have gone, but not before it is answered */
	vm_pause();
	loop_wake();
	return NULL;
}

static const char *do_pause(struct client *c, char *arg __unused)
{
	return stop(c, NULL);
}

/* A pause that cannot end, as nobody reads what the guest says, ends so. */
static const char *do_resume(struct client *c __unused, char *arg __unused)
{
	if (waiting && !saver.events)
		finish("error: undone by resume");
	vm_resume();
	return "ok";
}

static const char *do_snapshot(struct client *c, char *arg)
{
	if (opt.exec)
		return "error: a machine of --exec has no snapshots";
	return *arg ? stop(c, strdup(arg)) : "error: snapshot FILE";
}

static const char *do_balloon(struct client *c __unused, char *arg)
{
	struct vdev *d = vm.balloon;
	unsigned long mib;
	char *end;

	errno = 0;
	mib = strtoul(arg, &end, 10);
	if (!d)
		return "error: there is no --balloon";
	if (errno || !*arg || *end || mib >= opt.mem >> 20)
		return "error: balloon MIB, less than the guest's memory";
	((struct virtio_balloon_config *)d->r.config)->num_pages = mib << 8;
	vdev_changed(d);
	return "ok";
}

static const char *do_quit(struct client *c, char *arg __unused)
{
	answer(c, "ok");
	vm_exit(0);
}

static const struct {
	const char *name;
	const char *(*run)(struct client *c, char *arg);
} commands[] = {
	{ "status", do_status }, { "pause", do_pause }, { "resume", do_resume },
	{ "snapshot", do_snapshot }, { "balloon", do_balloon }, { "quit", do_quit },
};

static void command(struct client *c)
{
	char *arg = c->line + strcspn(c->line, " \r");
	const char *text = "error: status, pause, resume, snapshot FILE, balloon MIB or quit";
	unsigned int i;

	if (*arg)
		*arg++ = 0;
	arg[strcspn(arg, "\r")] = 0;
	for (i = 0; i < COUNT(commands); i++)
		if (!strcmp(c->line, commands[i].name))
			text = commands[i].run(c, arg);
	if (text)
		answer(c, text);
}

/* ---- what takes time ---- */

/* A process of its own has written the snapshot, and says how that went. */
static void saved(struct watch *w, short events __unused)
{
	char text[512] = "";

	if (read(w->fd, text, sizeof(text) - 1) <= 0)
		strcpy(text, "error: no process could write the snapshot");
	close(loop_forget(w));
	finish(text);
}

void control_progress(void)
{
	if (!waiting || saver.events || !vm_quiet())
		return;
	if (!snapshot) {
		finish("ok");
		return;
	}
	saver = (struct watch){ .fd = snapshot_save(snapshot), .ready = saved };
	if (saver.fd >= 0)
		loop_watch(&saver, POLLIN);
	else
		finish("error: no process for the snapshot");
	if (go_on)
		vm_resume();
}

/* ---- clients ---- */

static void readable(struct watch *w, short events __unused)
{
	struct client *c = w->owner;
	int n = read_line(w->fd, c->line, &c->len, sizeof(c->line));

	if (n < 0)
		hang_up(c);
	if (n <= 0)
		return;
	c->len = 0;
	command(c);
}

static void accepted(struct watch *w, short events __unused)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), i;

	for (i = 0; i < CLIENTS && clients[i].used; i++)
		;
	if (fd < 0 || i == CLIENTS) {
		close(fd);
		return;
	}
	clients[i] = (struct client){ .used = true, .w = { .fd = fd, .ready = readable,
		.owner = &clients[i] } };
	loop_watch(&clients[i].w, POLLIN);
}

void control_start(void)
{
	if (!opt.control)
		return;
	listener = (struct watch){ .fd = unix_bind(opt.control, SOCK_STREAM),
		.ready = accepted };
	loop_watch(&listener, POLLIN);
	signal(SIGCHLD, SIG_IGN);	/* those that write snapshots need not be waited for */
}

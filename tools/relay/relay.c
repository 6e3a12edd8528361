// SPDX-License-Identifier: GPL-2.0
/*
 * relay - a command's terminal, output and exit status over one byte channel.
 *
 *   relay serve CHANNEL COMMAND [ARG...]
 *	Runs inside a machine. CHANNEL is a virtio port or a serial line.
 *	Announces itself, waits for a go, runs COMMAND, and passes its input,
 *	output and exit status.
 *
 *   relay attach [-t] [-k] [-b BOOT] [-c COMMAND] [-s SILENCE] [-p PID] [-r REPORT]
 *		  SOCKET
 *	Runs outside. Connects the channel's socket with its own stdin, stdout
 *	and stderr. BOOT is how many seconds the machine may take to announce
 *	itself, COMMAND how many the command may take, SILENCE how many it may
 *	say nothing; 0 is for ever. PID is the emulator's: when it is gone, so is
 *	the machine. -t asks for a terminal, -k keeps the machine awake: each second
 *	it gets an interrupt. REPORT gets one line: exit N, no-boot, timeout, lost or
 *	interrupted.
 *
 *   relay send SOCKET TEXT
 *	Writes TEXT and a newline to SOCKET (an emulator's monitor).
 *
 *   relay kexec KERNEL INITRD CMDLINE
 *	Boots another kernel, at once. Returns only when it fails.
 *
 *   relay crash KERNEL INITRD CMDLINE
 *	Crashes this one, into another in the memory that crashkernel= left for it.
 *
 *   relay tsc
 *	Prints the frequency of this machine's TSC in kHz, which is the emulated one's.
 *
 * A frame is a type, a length of two bytes, low byte first, and the payload; but for
 * the one that wakes.
 * Everything before the announcement is noise, such as a firmware's greeting.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define HELLO		"\nkeel-relay-1\n"
#define HELLO_LEN	(sizeof(HELLO) - 1)
#define FRAME_HEAD	3
#define FRAME_DATA	4096
#define ESCAPE_KEY	0x1d	/* Ctrl-], twice in a row, ends the machine */
#define ACK_WAIT_MS	10000
#define GONE_WAIT_MS	3000	/* for what a host that is gone has said before */
#define SHAKE_WAIT_MS	3000
#define WAKE_MS		1000

enum frame_type {
	FRAME_GO	= 'G',	/* terminal wanted, rows, columns */
	FRAME_INPUT	= 'I',	/* empty: end of file */
	FRAME_SIZE	= 'W',	/* rows, columns */
	FRAME_OUTPUT	= 'O',
	FRAME_ERROR	= 'E',
	FRAME_EXIT	= 'X',	/* the status */
	FRAME_ACK	= 'A',
	FRAME_SHAKE	= 'D',	/* time is up: have the kernel say who waits where */
	FRAME_WAKE	= 'K',	/* nothing, not even a length: its interrupt is all */
};

struct frame {
	uint8_t type;
	size_t len;
	uint8_t data[FRAME_DATA];
};

/* Bytes received, until they make a frame. */
struct inbox {
	uint8_t buf[FRAME_HEAD + FRAME_DATA];
	size_t fill;
};

/* Bytes accepted, until the other end takes them. */
struct outbox {
	uint8_t buf[FRAME_HEAD + FRAME_DATA];
	size_t fill, sent;
};

static volatile sig_atomic_t window_changed, stop_asked, child_ended;

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		window_changed = 1;
	else if (sig == SIGCHLD)
		child_ended = 1;
	else
		stop_asked = 1;
}

static void fail(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(125);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void catch(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(sig, &sa, NULL);
}

static void set_nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Write all of it, waiting where @fd does not block by itself. */
static int write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			poll(&pfd, 1, 100);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static size_t frame_pack(uint8_t *to, uint8_t type, const void *data, size_t len)
{
	to[0] = type;
	to[1] = len & 0xff;
	to[2] = len >> 8;
	if (len)
		memcpy(to + FRAME_HEAD, data, len);
	return FRAME_HEAD + len;
}

static int frame_send(int fd, uint8_t type, const void *data, size_t len)
{
	uint8_t buf[FRAME_HEAD + FRAME_DATA];

	return write_all(fd, buf, frame_pack(buf, type, data, len));
}

/* Take the first frame out of @in. Returns 1, 0 when incomplete, -1 on junk. */
static int inbox_take(struct inbox *in, struct frame *f)
{
	size_t len, skip = 0;

	while (skip < in->fill && in->buf[skip] == FRAME_WAKE)
		skip++;
	in->fill -= skip;
	memmove(in->buf, in->buf + skip, in->fill);
	if (in->fill < FRAME_HEAD)
		return 0;
	len = in->buf[1] | in->buf[2] << 8;
	if (len > FRAME_DATA)
		return -1;
	if (in->fill < FRAME_HEAD + len)
		return 0;
	f->type = in->buf[0];
	f->len = len;
	memcpy(f->data, in->buf + FRAME_HEAD, len);
	in->fill -= FRAME_HEAD + len;
	memmove(in->buf, in->buf + FRAME_HEAD + len, in->fill);
	return 1;
}

/* Returns bytes read, 0 when there are none now, -1 at the end. */
static ssize_t inbox_fill(struct inbox *in, int fd)
{
	ssize_t n = read(fd, in->buf + in->fill, sizeof(in->buf) - in->fill);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	in->fill += n;
	return n;
}

static void outbox_put(struct outbox *out, uint8_t type, const void *data, size_t len)
{
	out->fill += frame_pack(out->buf + out->fill, type, data, len);
}

static bool outbox_room(const struct outbox *out, size_t len)
{
	return out->fill + FRAME_HEAD + len <= sizeof(out->buf);
}

static void outbox_clear(struct outbox *out)
{
	out->fill = 0;
	out->sent = 0;
}

/* Pass on what @fd takes now. Returns -1 when it takes nothing any more. */
static int outbox_flush(struct outbox *out, int fd)
{
	ssize_t n = write(fd, out->buf + out->sent, out->fill - out->sent);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	out->sent += n;
	if (out->sent == out->fill)
		outbox_clear(out);
	return 0;
}

/* ---- serve: inside the machine ---- */

struct server {
	int channel;
	int input;		/* to the command; -1 when closed */
	int output, error;	/* from the command; error is -1 with a terminal */
	bool tty;
	pid_t pid;
	struct inbox in;
	struct outbox pending;	/* raw bytes for the command's input */
};

static int open_channel(const char *path)
{
	struct termios tio;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	if (!tcgetattr(fd, &tio)) {
		cfmakeraw(&tio);
		cfsetspeed(&tio, B115200);
		tio.c_cflag |= CLOCAL | CRTSCTS;
		tcsetattr(fd, TCSANOW, &tio);
	}
	return fd;
}

static void set_size(int fd, const uint8_t *size)
{
	struct winsize ws = {
		.ws_row = size[0] | size[1] << 8,
		.ws_col = size[2] | size[3] << 8,
	};

	ioctl(fd, TIOCSWINSZ, &ws);
}

static void command_exec(char **argv, int in, int out, int err, bool tty)
{
	setsid();
	if (tty)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	fprintf(stderr, "relay: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void start_with_pty(struct server *s, char **argv, const uint8_t *size)
{
	int slave, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) || unlockpt(master))
		fail("pty");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		fail("pty");
	set_size(master, size);
	s->pid = fork();
	if (!s->pid)
		command_exec(argv, slave, slave, slave, true);
	close(slave);
	s->input = master;
	s->output = master;
	s->error = -1;
}

static void start_with_pipes(struct server *s, char **argv)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		fail("pipe");
	s->pid = fork();
	if (!s->pid)
		command_exec(argv, in[0], out[1], err[1], false);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	s->input = in[1];
	s->output = out[0];
	s->error = err[0];
}

/* Wait for the other end's go; anything else before it is ignored. */
static void wait_for_go(struct server *s, struct frame *f)
{
	for (;;) {
		int got = inbox_take(&s->in, f);

		if (got > 0 && f->type == FRAME_GO && f->len == 5)
			return;
		if (got < 0)
			fail("broken frame");
		if (!got && inbox_fill(&s->in, s->channel) < 0)
			usleep(10000);
	}
}

static void end_input(struct server *s)
{
	if (s->input >= 0 && s->tty)
		write_all(s->input, "\004", 1);
	else if (s->input >= 0)
		close(s->input);
	s->input = -1;
}

/* Raise the console's level, then blocked tasks and every CPU's backtrace. */
static void shake(void)
{
	const char *keys = "8wl";
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	for (; fd >= 0 && *keys; keys++)
		if (write(fd, keys, 1) != 1)
			break;
	if (fd >= 0)
		close(fd);
}

static void take_frames(struct server *s)
{
	struct frame f;

	while (!s->pending.fill) {
		int got = inbox_take(&s->in, &f);

		if (got < 0)
			fail("broken frame");
		if (!got)
			return;
		if (f.type == FRAME_SIZE && f.len == 4 && s->tty) {
			set_size(s->output, f.data);
		} else if (f.type == FRAME_SHAKE) {
			shake();
		} else if (f.type == FRAME_INPUT && !f.len) {
			end_input(s);
		} else if (f.type == FRAME_INPUT && s->input >= 0) {
			memcpy(s->pending.buf, f.data, f.len);
			s->pending.fill = f.len;
		}
	}
}

/* Returns false when there is nothing more to come from *@fd now. */
static bool pass_output(struct server *s, int *fd, uint8_t type)
{
	uint8_t buf[FRAME_DATA];
	ssize_t n;

	if (*fd < 0)
		return false;
	n = read(*fd, buf, sizeof(buf));
	if (n > 0) {
		if (frame_send(s->channel, type, buf, n))
			fail("channel");
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (!s->tty)
		close(*fd);
	*fd = -1;
	return false;
}

static void serve_once(struct server *s)
{
	struct pollfd p[4] = {
		{ .fd = s->pending.fill ? -1 : s->channel, .events = POLLIN },
		{ .fd = s->output, .events = POLLIN },
		{ .fd = s->error, .events = POLLIN },
		{ .fd = s->pending.fill ? s->input : -1, .events = POLLOUT },
	};

	/* The time limit closes the race with a child that has just ended. */
	if (poll(p, 4, 100) < 0)
		return;
	if (p[0].revents && inbox_fill(&s->in, s->channel) < 0) {
		/* Nobody attached: leave the command running, do not spin. */
		usleep(10000);
	}
	if (p[3].revents && outbox_flush(&s->pending, s->input)) {
		outbox_clear(&s->pending);
		end_input(s);
	}
	take_frames(s);
	if (p[1].revents)
		pass_output(s, &s->output, FRAME_OUTPUT);
	if (p[2].revents)
		pass_output(s, &s->error, FRAME_ERROR);
}

static void wait_for_ack(struct server *s)
{
	int64_t end = now_ms() + ACK_WAIT_MS;
	struct frame f;

	while (now_ms() < end) {
		struct pollfd p = { .fd = s->channel, .events = POLLIN };

		while (inbox_take(&s->in, &f) > 0)
			if (f.type == FRAME_ACK)
				return;
		if (poll(&p, 1, 100) > 0 && inbox_fill(&s->in, s->channel) < 0)
			usleep(10000);
	}
}

static int serve(const char *channel, char **argv)
{
	struct server s = { .channel = open_channel(channel) };
	struct frame go;
	uint8_t code;
	int status;

	signal(SIGPIPE, SIG_IGN);
	catch(SIGCHLD);
	if (write_all(s.channel, HELLO, HELLO_LEN))
		fail(channel);
	wait_for_go(&s, &go);
	s.tty = go.data[0];
	if (s.tty)
		start_with_pty(&s, argv, go.data + 1);
	else
		start_with_pipes(&s, argv);
	set_nonblock(s.input);
	set_nonblock(s.output);
	if (s.error >= 0)
		set_nonblock(s.error);
	while (!child_ended || waitpid(s.pid, &status, WNOHANG) != s.pid)
		serve_once(&s);
	while (pass_output(&s, &s.output, FRAME_OUTPUT))
		;
	while (pass_output(&s, &s.error, FRAME_ERROR))
		;
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	frame_send(s.channel, FRAME_EXIT, &code, 1);
	wait_for_ack(&s);
	return code;
}

/* ---- attach: outside ---- */

struct client {
	int channel;
	bool tty, awake, started, input_ended, broken;
	int status;		/* -1 until the command has ended */
	pid_t emulator;
	uint8_t last_key;
	int64_t heard;		/* when the machine last said something */
	int64_t woken;		/* when it last had a FRAME_WAKE */
	size_t matched;		/* bytes of HELLO seen */
	struct inbox in;
	struct outbox out;
};

static struct termios saved_tio;

static void terminal_raw(void)
{
	struct termios tio;

	tcgetattr(0, &saved_tio);
	tio = saved_tio;
	cfmakeraw(&tio);
	tcsetattr(0, TCSADRAIN, &tio);
}

static int connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		fail(path);
	strcpy(sun.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	close(fd);
	return -1;
}

/* Also one that has ended and that its parent, a shell that waits for us, has not reaped. */
static bool gone(pid_t pid)
{
	char name[32], state = 0;
	FILE *f;

	if (pid <= 0)
		return false;
	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	f = fopen(name, "re");
	if (!f)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'Z' || state == 'X';
}

static void put_size(uint8_t *to)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };

	ioctl(0, TIOCGWINSZ, &ws);
	to[0] = ws.ws_row & 0xff;
	to[1] = ws.ws_row >> 8;
	to[2] = ws.ws_col & 0xff;
	to[3] = ws.ws_col >> 8;
}

static void client_start(struct client *c)
{
	uint8_t go[5] = { c->tty };

	put_size(go + 1);
	outbox_put(&c->out, FRAME_GO, go, sizeof(go));
	c->started = true;
	if (c->tty)
		terminal_raw();
}

/* Drop noise up to and including the announcement. */
static void look_for_hello(struct client *c)
{
	size_t i;

	for (i = 0; i < c->in.fill && c->matched < HELLO_LEN; i++) {
		if (c->in.buf[i] != HELLO[c->matched])
			c->matched = 0;
		if (c->in.buf[i] == HELLO[c->matched])
			c->matched++;
	}
	c->in.fill -= i;
	memmove(c->in.buf, c->in.buf + i, c->in.fill);
	if (c->matched == HELLO_LEN)
		client_start(c);
}

static void client_frames(struct client *c)
{
	struct frame f;
	int got;

	while ((got = inbox_take(&c->in, &f)) > 0) {
		if (f.type == FRAME_OUTPUT)
			c->broken |= write_all(1, f.data, f.len) < 0;
		else if (f.type == FRAME_ERROR)
			write_all(2, f.data, f.len);
		else if (f.type == FRAME_EXIT && f.len == 1)
			c->status = f.data[0];
	}
	if (got < 0) {
		fprintf(stderr, "relay: broken frame\n");
		stop_asked = 1;
	}
}

static void client_input(struct client *c)
{
	uint8_t buf[1024];
	ssize_t i, n = read(0, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		c->input_ended = true;
		outbox_put(&c->out, FRAME_INPUT, NULL, 0);
		return;
	}
	for (i = 0; c->tty && i < n; i++) {
		if (buf[i] == ESCAPE_KEY && c->last_key == ESCAPE_KEY)
			stop_asked = 1;
		c->last_key = buf[i];
	}
	outbox_put(&c->out, FRAME_INPUT, buf, n);
}

static void client_wake(struct client *c)
{
	if (!c->awake || !c->started || c->out.fill || now_ms() < c->woken + WAKE_MS)
		return;
	c->woken = now_ms();
	/* A machine that sleeps may lose it; half a frame would be worse. */
	c->out.buf[c->out.fill++] = FRAME_WAKE;
}

/* Returns -1 when the channel has ended. */
static int client_once(struct client *c, int wait_ms)
{
	bool want_input = c->started && !c->input_ended && outbox_room(&c->out, 1024);
	struct pollfd p[2] = {
		{ .fd = c->channel, .events = POLLIN | (c->out.fill ? POLLOUT : 0) },
		{ .fd = want_input ? 0 : -1, .events = POLLIN },
	};

	if (window_changed && c->started && outbox_room(&c->out, 4)) {
		uint8_t size[4];

		window_changed = 0;
		put_size(size);
		outbox_put(&c->out, FRAME_SIZE, size, sizeof(size));
	}
	client_wake(c);
	if (poll(p, 2, wait_ms) < 0)
		return 0;
	if (p[1].revents)
		client_input(c);
	if (c->out.fill && outbox_flush(&c->out, c->channel))
		return -1;
	if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
		if (inbox_fill(&c->in, c->channel) < 0)
			return -1;
		c->heard = now_ms();
		if (!c->started)
			look_for_hello(c);
		if (c->started)
			client_frames(c);
	}
	return 0;
}

static int client_connect(struct client *c, const char *path, int64_t end)
{
	while ((c->channel = connect_to(path)) < 0) {
		if (stop_asked || gone(c->emulator) || now_ms() >= end)
			return -1;
		usleep(20000);
	}
	set_nonblock(c->channel);
	return 0;
}

/* The command takes too long. Give its machine some time to say why. */
static const char *client_shake(struct client *c)
{
	int64_t end = now_ms() + SHAKE_WAIT_MS;

	if (!outbox_room(&c->out, 0))
		return "timeout";
	outbox_put(&c->out, FRAME_SHAKE, NULL, 0);
	while (now_ms() < end && client_once(c, 200) >= 0)
		;
	c->status = -1;
	return "timeout";
}

/* Seconds, for each phase; 0 is for ever. */
struct limits {
	long boot, command, silence;
};

static int64_t deadline(int64_t from, long seconds)
{
	return seconds ? from + seconds * 1000LL : INT64_MAX;
}

static bool too_long(const struct client *c, const struct limits *l, int64_t end)
{
	return now_ms() >= end || (c->started && now_ms() >= deadline(c->heard, l->silence));
}

/* Returns what became of it, in one word. */
static const char *client_run(struct client *c, const char *path, const struct limits *l)
{
	int64_t end = deadline(now_ms(), l->boot);
	bool timed = false;

	if (client_connect(c, path, end))
		return stop_asked ? "interrupted" : "no-boot";
	while (c->status < 0) {
		if (stop_asked)
			return "interrupted";
		if (too_long(c, l, end))
			return c->started ? client_shake(c) : "no-boot";
		/* A bridge may stand between: it stays, with what it still has for us. */
		if (client_once(c, 200) < 0 ||
		    (gone(c->emulator) && now_ms() >= c->heard + GONE_WAIT_MS))
			return c->started ? "lost" : "no-boot";
		if (c->started && !timed) {
			timed = true;
			end = deadline(now_ms(), l->command);
		}
	}
	outbox_put(&c->out, FRAME_ACK, NULL, 0);
	while (c->out.fill && !outbox_flush(&c->out, c->channel))
		usleep(1000);
	return "exit";
}

static void write_report(const char *path, const struct client *c, const char *end)
{
	FILE *f = path ? fopen(path, "w") : NULL;

	if (!f)
		return;
	if (c->status >= 0)
		fprintf(f, "exit %d\n", c->status);
	else
		fprintf(f, "%s\n", end);
	fclose(f);
}

static void usage(void)
{
	fprintf(stderr, "usage: relay serve CHANNEL COMMAND [ARG...]\n"
			"       relay attach [-t] [-k] [-b BOOT] [-c COMMAND] [-s SILENCE]\n"
			"                    [-p PID] [-r REPORT] SOCKET\n"
			"       relay send SOCKET TEXT\n"
			"       relay kexec|crash KERNEL INITRD CMDLINE\n"
			"       relay tsc\n");
	exit(64);
}

static int attach(int argc, char **argv)
{
	struct client c = { .status = -1 };
	struct limits limits = {};
	const char *report = NULL, *end;
	int opt;

	while ((opt = getopt(argc, argv, "+tkb:c:s:p:r:")) != -1) {
		switch (opt) {
		case 't':
			c.tty = isatty(0) && isatty(1);
			break;
		case 'k':
			c.awake = true;
			break;
		case 'b':
			limits.boot = atol(optarg);
			break;
		case 'c':
			limits.command = atol(optarg);
			break;
		case 's':
			limits.silence = atol(optarg);
			break;
		case 'p':
			c.emulator = atoi(optarg);
			break;
		case 'r':
			report = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc)
		usage();
	signal(SIGPIPE, SIG_IGN);
	catch(SIGINT);
	catch(SIGTERM);
	catch(SIGHUP);
	catch(SIGWINCH);
	end = client_run(&c, argv[optind], &limits);
	if (c.tty && c.started)
		tcsetattr(0, TCSADRAIN, &saved_tio);
	write_report(report, &c, end);
	return c.status >= 0 ? c.status : 125;
}

static int send_text(const char *path, const char *text)
{
	int fd = connect_to(path);

	if (fd < 0)
		return 1;
	if (write_all(fd, text, strlen(text)) || write_all(fd, "\n", 1))
		return 1;
	/* Give the monitor the time to read it before the connection ends. */
	usleep(300000);
	return 0;
}

static void crash(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "c", 1) != 1)
		fail("/proc/sysrq-trigger");
}

static int boot_kernel(const char *kernel, const char *initrd, const char *cmdline,
		       unsigned long flags)
{
	int kernel_fd = open(kernel, O_RDONLY | O_CLOEXEC);
	int initrd_fd = open(initrd, O_RDONLY | O_CLOEXEC);

	if (kernel_fd < 0 || initrd_fd < 0)
		fail("kexec's files");
	if (syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, strlen(cmdline) + 1, cmdline,
		    flags))
		fail("kexec_file_load");
	sync();
	if (flags & KEXEC_FILE_ON_CRASH)
		crash();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	fail("kexec");
	return 125;
}

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The TSC and the clock at one moment: of some tries, that in which least time passed. */
static void read_clocks(uint64_t *tsc, uint64_t *ns)
{
	uint64_t before, after, least = UINT64_MAX, now;
	int i;

	for (i = 0; i < 100; i++) {
		before = nanoseconds();
		now = __builtin_ia32_rdtsc();
		after = nanoseconds();
		if (after - before >= least)
			continue;
		least = after - before;
		*tsc = now;
		*ns = before + least / 2;
	}
}

static int print_tsc(void)
{
	uint64_t tsc[2], ns[2];

	read_clocks(&tsc[0], &ns[0]);
	usleep(50000);
	read_clocks(&tsc[1], &ns[1]);
	printf("%.0f\n", (tsc[1] - tsc[0]) * 1e6 / (ns[1] - ns[0]));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv + 3);
	if (argc >= 3 && !strcmp(argv[1], "attach"))
		return attach(argc - 1, argv + 1);
	if (argc == 4 && !strcmp(argv[1], "send"))
		return send_text(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "kexec"))
		return boot_kernel(argv[2], argv[3], argv[4], 0);
	if (argc == 5 && !strcmp(argv[1], "crash"))
		return boot_kernel(argv[2], argv[3], argv[4], KEXEC_FILE_ON_CRASH);
	if (argc == 2 && !strcmp(argv[1], "tsc"))
		return print_tsc();
	usage();
}

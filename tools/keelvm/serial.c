// SPDX-License-Identifier: GPL-2.0
/*
 * serial.c - a 16550 on stdin and stdout
 */
#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include <sys/epoll.h>
#include "keelvm.h"

enum { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RX		0x01
#define IER_TX		0x02
#define IIR_NONE	0x01
#define IIR_TX		0x02
#define IIR_RX		0x04
#define IIR_FIFO	0xc0
#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02
#define LCR_DLAB	0x80
#define MCR_OUT2	0x08	/* gates the interrupt line */
#define MCR_LOOP	0x10
#define LSR_RX		0x01
#define LSR_IDLE	0x60
#define MSR_UP		0xb0	/* DCD, DSR, CTS */

#define ESCAPE		0x01	/* Ctrl-A */
#define FIFO_SIZE	64

struct serial {
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool tx_irq;		/* THR became empty, not yet seen in IIR */
	int level;
	uint8_t fifo[FIFO_SIZE];
	unsigned int head, count;
	unsigned int busy;	/* bytes on their way to stdout; from here on of no snapshot */
	struct watch input;
};

static struct serial serial;

static struct termios saved;
static bool raw;

void serial_restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void terminal_raw(void)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	t = saved;
	cfmakeraw(&t);
	t.c_oflag |= OPOST;
	raw = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static uint8_t interrupt_id(struct serial *s)
{
	if ((s->ier & IER_RX) && s->count)
		return IIR_RX;
	if ((s->ier & IER_TX) && s->tx_irq)
		return IIR_TX;
	return IIR_NONE;
}

static void update_irq(struct vm *vm, struct serial *s)
{
	int level = interrupt_id(s) != IIR_NONE && (s->mcr & MCR_OUT2);

	if (level != s->level)
		vm_irq(vm, SERIAL_IRQ, level);
	s->level = level;
}

static void push(struct serial *s, uint8_t c)
{
	s->fifo[(s->head + s->count++) % FIFO_SIZE] = c;
}

static uint8_t pop(struct serial *s)
{
	uint8_t c = s->fifo[s->head];

	if (!s->count)
		return 0;
	s->head = (s->head + 1) % FIFO_SIZE;
	s->count--;
	loop_watch(&s->input, s->input.fd < 0 ? 0 : EPOLLIN);
	return c;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == IIR_TX)
		s->tx_irq = false;
	return id | ((s->fcr & FCR_ENABLE) ? IIR_FIFO : 0);
}

static uint8_t read_reg(struct serial *s, unsigned int reg)
{
	switch (reg) {
	case REG_DATA:
		return (s->lcr & LCR_DLAB) ? s->dll : pop(s);
	case REG_IER:
		return (s->lcr & LCR_DLAB) ? s->dlm : s->ier;
	case REG_IIR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return (s->busy ? 0 : LSR_IDLE) | (s->count ? LSR_RX : 0);
	/* In loopback the outputs come back as inputs */
	case REG_MSR:
		return (s->mcr & MCR_LOOP) ? (s->mcr & 0xc) << 4 | (s->mcr & 2) << 3 |
						   (s->mcr & 1) << 5 : MSR_UP;
	default:
		return s->scr;
	}
}

/* The lock is not held while somebody may be slow to read stdout. */
static void write_data(struct vm_cpu *cpu, struct serial *s, uint8_t val)
{
	if (s->mcr & MCR_LOOP) {
		if (s->count < FIFO_SIZE)
			push(s, val);
		s->tx_irq = true;
		return;
	}
	s->busy++;
	cpu->tx_port = 1;
	cpu->tx = val;
}

static void write_ier(struct serial *s, uint8_t val)
{
	if ((val & IER_TX) && !(s->ier & IER_TX))
		s->tx_irq = true;
	s->ier = val & 0xf;
}

static void write_reg(struct vm_cpu *cpu, struct serial *s, unsigned int reg, uint8_t val)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = val;
		else
			write_data(cpu, s, val);
		break;
	case REG_IER:
		if (dlab)
			s->dlm = val;
		else
			write_ier(s, val);
		break;
	case REG_IIR:
		s->fcr = val;
		if (val & FCR_CLEAR_RX) {
			while (s->count)
				pop(s);
		}
		break;
	case REG_LCR:
		s->lcr = val;
		break;
	case REG_MCR:
		s->mcr = val & 0x1f;
		break;
	case REG_SCR:
		s->scr = val;
		break;
	}
}

uint8_t serial_read(struct vm *vm, unsigned int reg)
{
	uint8_t val = read_reg(&serial, reg);

	update_irq(vm, &serial);
	return val;
}

void serial_write(struct vm_cpu *cpu, unsigned int reg, uint8_t val)
{
	write_reg(cpu, &serial, reg, val);
	update_irq(cpu->vm, &serial);
}

void serial_flush(struct vm_cpu *cpu)
{
	int out = cpu->vm->opt->exec ? STDERR_FILENO : STDOUT_FILENO;

	if (!cpu->tx_port)
		return;
	while (write(out, &cpu->tx, 1) < 0 && errno == EINTR)
		;
	cpu->tx_port = 0;
	pthread_mutex_lock(&cpu->vm->lock);
	if (!--serial.busy)
		serial.tx_irq = true;
	update_irq(cpu->vm, &serial);
	pthread_mutex_unlock(&cpu->vm->lock);
}

void *serial_state(size_t *size)
{
	*size = offsetof(struct serial, busy);
	return &serial;
}

size_t serial_escape(struct vm *vm, char *buf, size_t len)
{
	static bool escaped;
	size_t i, n = 0;

	for (i = 0; raw && i < len; i++) {
		if (escaped && buf[i] == 'x')
			vm_exit(vm, 0);
		escaped = !escaped && buf[i] == ESCAPE;
		if (!escaped)
			buf[n++] = buf[i];
	}
	return raw ? n : len;
}

static void input(struct watch *w, uint32_t events __attribute__((unused)))
{
	struct serial *s = w->owner;
	char buf[FIFO_SIZE];
	size_t i, typed;
	ssize_t n = read(w->fd, buf, FIFO_SIZE - s->count);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	typed = n > 0 ? serial_escape(w->vm, buf, n) : 0;
	for (i = 0; i < typed; i++)
		push(s, buf[i]);
	if (n <= 0 || s->count == FIFO_SIZE)
		loop_watch(w, 0);
	if (n <= 0)
		w->fd = -1;	/* end of input: the guest goes on */
	update_irq(w->vm, s);
}

void serial_start(struct vm *vm)
{
	if (!vm->opt->exec)
		terminal_raw();
	serial.input = (struct watch){ .fd = STDIN_FILENO, .ready = input, .vm = vm,
		.owner = &serial };
	if (!console_there() && !vm->opt->exec)
		loop_watch(&serial.input, EPOLLIN);
	else
		serial.input.fd = -1;
}

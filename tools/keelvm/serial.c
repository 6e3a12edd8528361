// SPDX-License-Identifier: GPL-2.0
/*
 * serial.c - a 16550 on stdin and stdout
 */
#include <termios.h>
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

static struct watch stdin_watch;
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

static uint8_t pop(struct serial *s)
{
	uint8_t c = s->fifo[0];

	if (!s->count)
		return 0;
	memmove(s->fifo, s->fifo + 1, --s->count);
	loop_watch(&stdin_watch, stdin_watch.fd < 0 ? 0 : POLLIN);
	return c;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == IIR_TX)
		s->tx_irq = false;
	return id | ((s->fcr & FCR_ENABLE) ? IIR_FIFO : 0);
}

static uint8_t read_reg(struct vm *vm, struct serial *s, unsigned int reg)
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
		return (vm->writing ? 0 : LSR_IDLE) | (s->count ? LSR_RX : 0);
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
		if (s->count < SERIAL_FIFO)
			s->fifo[s->count++] = val;
		s->tx_irq = true;
		return;
	}
	cpu->vm->writing++;
	cpu->tx_ready = true;
	cpu->tx = val;
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
		if (dlab) {
			s->dlm = val;
			break;
		}
		s->tx_irq |= val & ~s->ier & IER_TX;
		s->ier = val & 0xf;
		break;
	case REG_IIR:
		s->fcr = val;
		while ((val & FCR_CLEAR_RX) && s->count)
			pop(s);
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
	uint8_t val = read_reg(vm, &vm->pc.serial, reg);

	update_irq(vm, &vm->pc.serial);
	return val;
}

void serial_write(struct vm_cpu *cpu, unsigned int reg, uint8_t val)
{
	write_reg(cpu, &cpu->vm->pc.serial, reg, val);
	update_irq(cpu->vm, &cpu->vm->pc.serial);
}

void serial_flush(struct vm_cpu *cpu)
{
	struct vm *vm = cpu->vm;

	if (!cpu->tx_ready)
		return;
	output(vm->opt->exec ? STDERR_FILENO : STDOUT_FILENO, &cpu->tx, 1);
	cpu->tx_ready = false;
	pthread_mutex_lock(&vm->lock);
	if (!--vm->writing)
		vm->pc.serial.tx_irq = true;
	pthread_cond_broadcast(&vm->idle);
	update_irq(vm, &vm->pc.serial);
	pthread_mutex_unlock(&vm->lock);
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

static void input(struct watch *w, short events __unused)
{
	struct serial *s = &w->vm->pc.serial;
	ssize_t n;

	if (s->count == SERIAL_FIFO) {
		loop_watch(w, 0);	/* until the guest has read */
		return;
	}
	n = read(w->fd, s->fifo + s->count, SERIAL_FIFO - s->count);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		s->count += serial_escape(w->vm, (char *)s->fifo + s->count, n);
	if (n <= 0) {		/* end of input: the guest goes on */
		loop_watch(w, 0);
		w->fd = -1;
	}
	update_irq(w->vm, s);
}

void serial_start(struct vm *vm)
{
	bool mine = !console_there() && !vm->opt->exec;

	if (!vm->opt->exec)
		terminal_raw();
	stdin_watch = (struct watch){ .fd = mine ? STDIN_FILENO : -1, .ready = input, .vm = vm };
	loop_watch(&stdin_watch, mine ? POLLIN : 0);
}

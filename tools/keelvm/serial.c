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

static struct serial * const s = &vm.pc.serial;
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

static uint8_t interrupt_id(void)
{
	if ((s->reg[REG_IER] & IER_RX) && s->count)
		return IIR_RX;
	if ((s->reg[REG_IER] & IER_TX) && s->tx_irq)
		return IIR_TX;
	return IIR_NONE;
}

static void update_irq(void)
{
	int level = interrupt_id() != IIR_NONE && (s->reg[REG_MCR] & MCR_OUT2);

	if (level != s->level)
		vm_irq(SERIAL_IRQ, level);
	s->level = level;
}

static uint8_t pop(void)
{
	uint8_t c = s->fifo[0];

	if (!s->count)
		return 0;
	memmove(s->fifo, s->fifo + 1, --s->count);
	loop_watch(&stdin_watch, stdin_watch.fd < 0 ? 0 : POLLIN);
	return c;
}

static uint8_t read_iir(void)
{
	uint8_t id = interrupt_id();

	if (id == IIR_TX)
		s->tx_irq = false;
	return id | ((s->fcr & FCR_ENABLE) ? IIR_FIFO : 0);
}

/* In loopback the outputs come back as inputs. */
static uint8_t read_msr(uint8_t mcr)
{
	return (mcr & MCR_LOOP) ? (mcr & 0xc) << 4 | (mcr & 2) << 3 | (mcr & 1) << 5 : MSR_UP;
}

/* The first two are the divisor's while DLAB is set. */
static bool is_divisor(unsigned int reg)
{
	return reg <= REG_IER && (s->reg[REG_LCR] & LCR_DLAB);
}

static uint8_t read_reg(unsigned int reg)
{
	if (is_divisor(reg))
		return s->divisor[reg];
	switch (reg) {
	case REG_DATA:
		return pop();
	case REG_IIR:
		return read_iir();
	case REG_LSR:
		return (vm.writing ? 0 : LSR_IDLE) | (s->count ? LSR_RX : 0);
	case REG_MSR:
		return read_msr(s->reg[REG_MCR]);
	default:
		return s->reg[reg];
	}
}

/* The lock is not held while somebody may be slow to read stdout. */
static void write_data(struct vm_cpu *cpu, uint8_t val)
{
	if (s->reg[REG_MCR] & MCR_LOOP) {
		if (s->count < SERIAL_FIFO)
			s->fifo[s->count++] = val;
		s->tx_irq = true;
		return;
	}
	vm.writing++;
	cpu->tx_ready = true;
	cpu->tx = val;
}

static void write_reg(struct vm_cpu *cpu, unsigned int reg, uint8_t val)
{
	/* What can be written, of those that are read as they were written */
	static const uint8_t mask[8] = {
		[REG_IER] = 0x0f, [REG_LCR] = 0xff, [REG_MCR] = 0x1f, [REG_SCR] = 0xff,
	};

	if (is_divisor(reg)) {
		s->divisor[reg] = val;
	} else if (reg == REG_DATA) {
		write_data(cpu, val);
	} else if (reg == REG_IIR) {
		s->fcr = val;
		while ((val & FCR_CLEAR_RX) && s->count)
			pop();
	} else {
		s->tx_irq |= reg == REG_IER && (val & ~s->reg[REG_IER] & IER_TX);
		s->reg[reg] = val & mask[reg];
	}
}

uint8_t serial_read(unsigned int reg)
{
	uint8_t val = read_reg(reg);

	update_irq();
	return val;
}

void serial_write(struct vm_cpu *cpu, unsigned int reg, uint8_t val)
{
	write_reg(cpu, reg, val);
	update_irq();
}

void serial_flush(struct vm_cpu *cpu)
{
	if (!cpu->tx_ready)
		return;
	output(opt.exec ? STDERR_FILENO : STDOUT_FILENO, &cpu->tx, 1);
	cpu->tx_ready = false;
	pthread_mutex_lock(&vm.lock);
	if (!--vm.writing)
		s->tx_irq = true;
	pthread_cond_broadcast(&vm.idle);
	update_irq();
	pthread_mutex_unlock(&vm.lock);
}

static size_t escape(char *buf, size_t len)
{
	static bool escaped;
	size_t i, n = 0;

	for (i = 0; raw && i < len; i++) {
		if (escaped && buf[i] == 'x')
			vm_exit(0);
		escaped = !escaped && buf[i] == ESCAPE;
		if (!escaped)
			buf[n++] = buf[i];
	}
	return raw ? n : len;
}

ssize_t serial_input(struct watch *w, void *buf, size_t len)
{
	ssize_t n = read(w->fd, buf, len);

	if (n > 0 || again(n))
		return n > 0 ? escape(buf, n) : 0;
	loop_forget(w);		/* end of input: the guest goes on */
	return -1;
}

static void input(struct watch *w, short events __unused)
{
	ssize_t n;

	if (s->count == SERIAL_FIFO) {
		loop_watch(w, 0);	/* until the guest has read */
		return;
	}
	n = serial_input(w, s->fifo + s->count, SERIAL_FIFO - s->count);
	s->count += n > 0 ? n : 0;
	update_irq();
}

void serial_start(void)
{
	bool mine = !console_there() && !opt.exec;

	if (!opt.exec)
		terminal_raw();
	stdin_watch = (struct watch){ .fd = mine ? STDIN_FILENO : -1, .ready = input };
	loop_watch(&stdin_watch, mine ? POLLIN : 0);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * serial.c - a 16550 on stdin and stdout
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
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
	pthread_mutex_t lock;
	pthread_cond_t room;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool tx_irq;		/* THR became empty, not yet seen in IIR */
	int level;
	uint8_t fifo[FIFO_SIZE];
	unsigned int head, count;
};

static struct serial serial = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER,
};

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

static void put_char(uint8_t c)
{
	while (write(STDOUT_FILENO, &c, 1) < 0 && errno == EINTR)
		;
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
	pthread_cond_signal(&s->room);
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
		return LSR_IDLE | (s->count ? LSR_RX : 0);
	/* In loopback the outputs come back as inputs */
	case REG_MSR:
		return (s->mcr & MCR_LOOP) ? (s->mcr & 0xc) << 4 | (s->mcr & 2) << 3 |
						   (s->mcr & 1) << 5 : MSR_UP;
	default:
		return s->scr;
	}
}

static void write_data(struct serial *s, uint8_t val)
{
	if ((s->mcr & MCR_LOOP) && s->count < FIFO_SIZE)
		push(s, val);
	else
		put_char(val);
	s->tx_irq = true;
}

static void write_ier(struct serial *s, uint8_t val)
{
	if ((val & IER_TX) && !(s->ier & IER_TX))
		s->tx_irq = true;
	s->ier = val & 0xf;
}

static void write_reg(struct serial *s, unsigned int reg, uint8_t val)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = val;
		else
			write_data(s, val);
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
			s->head = 0;
			s->count = 0;
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
	uint8_t val;

	pthread_mutex_lock(&serial.lock);
	val = read_reg(&serial, reg);
	update_irq(vm, &serial);
	pthread_mutex_unlock(&serial.lock);
	return val;
}

void serial_write(struct vm *vm, unsigned int reg, uint8_t val)
{
	pthread_mutex_lock(&serial.lock);
	write_reg(&serial, reg, val);
	update_irq(vm, &serial);
	pthread_mutex_unlock(&serial.lock);
}

static void receive(struct vm *vm, uint8_t c)
{
	pthread_mutex_lock(&serial.lock);
	while (serial.count == FIFO_SIZE)
		pthread_cond_wait(&serial.room, &serial.lock);
	push(&serial, c);
	update_irq(vm, &serial);
	pthread_mutex_unlock(&serial.lock);
}

static void *input(void *arg)
{
	struct vm *vm = arg;
	bool escaped = false;
	uint8_t c;

	while (read(STDIN_FILENO, &c, 1) == 1) {
		if (escaped && c == 'x')
			vm_exit(vm, 0);
		if (raw && !escaped && c == ESCAPE) {
			escaped = true;
			continue;
		}
		escaped = false;
		receive(vm, c);
	}
	return NULL;	/* end of input: the guest goes on */
}

void serial_start(struct vm *vm)
{
	pthread_t t;

	terminal_raw();
	if (pthread_create(&t, NULL, input, vm))
		vm_die(vm, VM_HOST, "console thread");
}

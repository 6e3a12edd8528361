// SPDX-License-Identifier: GPL-2.0
/*
 * tap.c - results on the serial port
 */
#include "lib.h"

#define SERIAL		0x3f8
#define EXIT_PORT	0xf4
#define MB_CMDLINE	4	/* word of the boot information */

extern u32 boot_info;

static unsigned int number;
static bool failed, skipped, own_plan, any_failed;
static const char *why_skipped;

static void put(char c)
{
	outb(SERIAL, c);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(u64 n, unsigned int base, unsigned int width, char fill)
{
	char buf[24], *p = buf + sizeof(buf);

	*--p = 0;
	do {
		*--p = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	while (buf + sizeof(buf) - 1 - p < (long)width && p > buf)
		*--p = fill;
	put_string(p);
}

/* The arguments of %d and so on by the number of l's */
static u64 get_number(va_list *ap, unsigned int longs, bool sign)
{
	if (longs)
		return va_arg(*ap, u64);
	return sign ? (u64)va_arg(*ap, int) : va_arg(*ap, unsigned int);
}

static void put_signed(s64 n)
{
	if (n < 0)
		put('-');
	put_number(n < 0 ? -n : n, 10, 0, ' ');
}

/* %s %c %d %u %x, with #, 0, a width and l */
static const char *put_format(const char *f, va_list *ap)
{
	unsigned int width = 0, longs = 0;
	bool prefix = false;
	char fill = ' ';

	for (; *f == '#' || *f == '0'; f++) {
		prefix |= *f == '#';
		fill = *f == '0' ? '0' : fill;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		width = width * 10 + *f - '0';
	for (; *f == 'l'; f++)
		longs++;
	switch (*f) {
	case 's':
		put_string(va_arg(*ap, const char *));
		break;
	case 'c':
		put(va_arg(*ap, int));
		break;
	case 'd':
		put_signed((s64)get_number(ap, longs, true));
		break;
	case 'u':
		put_number(get_number(ap, longs, false), 10, width, fill);
		break;
	case 'x':
		if (prefix)
			put_string("0x");
		put_number(get_number(ap, longs, false), 16, width, fill);
		break;
	default:
		put(*f);
	}
	return f + 1;
}

static void vprint(const char *f, va_list *ap)
{
	while (*f) {
		if (*f == '%')
			f = put_format(f + 1, ap);
		else
			put(*f++);
	}
}

static void print_line(const char *start, const char *fmt, va_list *ap)
{
	put_string(start);
	vprint(fmt, ap);
	put('\n');
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, &ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line("# ", fmt, &ap);
	va_end(ap);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	failed = true;
	va_start(ap, fmt);
	print_line("# ", fmt, &ap);
	va_end(ap);
}

void skip(const char *why)
{
	skipped = true;
	why_skipped = why;
}

bool failing(void)
{
	return failed;
}

void report(bool good, const char *fmt, ...)
{
	va_list ap;

	any_failed |= !good;
	print("%s %u - ", good ? "ok" : "not ok", ++number);
	va_start(ap, fmt);
	print_line("", fmt, &ap);
	va_end(ap);
}

void plan(unsigned int n)
{
	own_plan = true;
	print("1..%u\n", n);
}

void quit(int status)
{
	for (;;)
		outb(EXIT_PORT, status);
}

bool option(const char *word)
{
	const u32 *info = (const u32 *)(u64)boot_info;
	const char *s = (const char *)(u64)info[MB_CMDLINE];

	while (*s) {
		size_t n = 0;

		while (word[n] && s[n] == word[n])
			n++;
		if (!word[n] && (!s[n] || s[n] == ' '))
			return true;
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	return false;
}

__attribute__((weak)) void setup(void)
{
}

static void run(const struct test *t)
{
	const struct trap *trap;
	volatile bool ended = false;

	failed = false;
	skipped = false;
	trap = CATCH(t->fn(); ended = true);
	if (!ended)
		fail("vector %d, error %#llx, at %#llx, cr2 %#llx", trap->vector,
		     (unsigned long long)trap->error, (unsigned long long)trap->regs.rip,
		     (unsigned long long)trap->cr2);
	irq_disable();
	if (own_plan) {
		any_failed |= failed;
		return;
	}
	if (skipped && !failed)
		report(true, "%s # SKIP %s", t->name, why_skipped);
	else
		report(!failed, "%s", t->name);
}

void tap_main(void)
{
	const struct test *t;
	unsigned int n = 0;

	for (t = tests; t->fn; t++)
		n++;
	put_string("TAP version 13\n");
	setup();
	if (!own_plan)
		print("1..%u\n", n);
	for (t = tests; t->fn; t++)
		run(t);
	quit(any_failed);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tap.h - the unit tests' harness
 *
 *	TEST(name) { EXPECT_EQ(1 + 1, 2); }
 *
 * A test registers itself; main() is here and runs them in the order of the
 * link, prints TAP, and exits with 1 if one failed. Arguments pick tests by a
 * part of their name. EXPECT_x notes a failure and goes on, ASSERT_x leaves
 * the function. A test's own message goes out by tap_note().
 */
#ifndef UNIT_TAP_H
#define UNIT_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* EXPECT_EQ(u32_value, 1) is what a test means to say. */
#pragma GCC diagnostic ignored "-Wsign-compare"

struct tap_test {
	const char *name;
	void (*run)(void);
	struct tap_test *next;
};

__attribute__((weak)) struct tap_test *tap_first;
__attribute__((weak)) struct tap_test **tap_last;
__attribute__((weak)) int tap_failures;		/* of the running test */
__attribute__((weak)) const char *tap_skipped;	/* why, if it was */

#define TAP_MAX_NOTES	20	/* of failed expectations, per test */

static inline void tap_register(struct tap_test *t)
{
	if (!tap_last)
		tap_last = &tap_first;
	*tap_last = t;
	tap_last = &t->next;
}

static inline __attribute__((format(printf, 1, 2))) void tap_note(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static inline int tap_compare(int ok, const char *file, int line, const char *expr,
			      unsigned long long a, unsigned long long b)
{
	if (ok)
		return 1;
	if (tap_failures++ < TAP_MAX_NOTES)
		tap_note("%s:%d: %s: %llu (0x%llx) and %llu (0x%llx)", file, line, expr,
			 a, a, b, b);
	return 0;
}

static inline int tap_compare_str(int ok, const char *file, int line, const char *expr,
				  const char *a, const char *b)
{
	if (ok)
		return 1;
	if (tap_failures++ < TAP_MAX_NOTES)
		tap_note("%s:%d: %s: \"%s\" and \"%s\"", file, line, expr, a, b);
	return 0;
}

static inline int tap_compare_mem(const char *file, int line, const char *expr,
				  const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	size_t i;

	for (i = 0; i < n && x[i] == y[i];)
		i++;
	if (i == n)
		return 1;
	if (tap_failures++ < TAP_MAX_NOTES)
		tap_note("%s:%d: %s: at byte %zu of %zu 0x%02x and 0x%02x", file, line, expr,
			 i, n, x[i], y[i]);
	return 0;
}

#define TAP_CMP(a, op, b) ({							\
	__typeof__((a) + 0) tap_a = (a);					\
	__typeof__((b) + 0) tap_b = (b);					\
	tap_compare(tap_a op tap_b, __FILE__, __LINE__, #a " " #op " " #b,	\
		    (unsigned long long)tap_a, (unsigned long long)tap_b); })
#define TAP_STR(a, b) ({							\
	const char *tap_a = (a), *tap_b = (b);					\
	tap_compare_str(!strcmp(tap_a, tap_b), __FILE__, __LINE__,		\
			#a " == " #b, tap_a, tap_b); })

#define EXPECT_EQ(a, b)		((void)TAP_CMP(a, ==, b))
#define EXPECT_NE(a, b)		((void)TAP_CMP(a, !=, b))
#define EXPECT_LT(a, b)		((void)TAP_CMP(a, <, b))
#define EXPECT_LE(a, b)		((void)TAP_CMP(a, <=, b))
#define EXPECT_GT(a, b)		((void)TAP_CMP(a, >, b))
#define EXPECT_GE(a, b)		((void)TAP_CMP(a, >=, b))
#define EXPECT_TRUE(a)		((void)TAP_CMP(!!(a), ==, 1))
#define EXPECT_FALSE(a)		((void)TAP_CMP(!!(a), ==, 0))
#define EXPECT_STREQ(a, b)	((void)TAP_STR(a, b))
#define EXPECT_MEMEQ(a, b, n) \
	((void)tap_compare_mem(__FILE__, __LINE__, #a " == " #b, a, b, n))

#define ASSERT_EQ(a, b)		do { if (!TAP_CMP(a, ==, b)) return; } while (0)
#define ASSERT_NE(a, b)		do { if (!TAP_CMP(a, !=, b)) return; } while (0)
#define ASSERT_TRUE(a)		do { if (!TAP_CMP(!!(a), ==, 1)) return; } while (0)
#define ASSERT_FALSE(a)		do { if (!TAP_CMP(!!(a), ==, 0)) return; } while (0)

/* Leave the test as skipped; the report gives the reason. */
#define SKIP(why)		do { tap_skipped = (why); return; } while (0)

#define TEST(id)								\
	static void test_##id(void);						\
	static struct tap_test tap_##id = { .name = #id, .run = test_##id };	\
	__attribute__((constructor)) static void tap_register_##id(void)	\
	{									\
		tap_register(&tap_##id);					\
	}									\
	static void test_##id(void)

static inline int tap_wanted(const struct tap_test *t, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(t->name, argv[i]))
			return 1;
	return argc < 2;
}

__attribute__((weak)) int main(int argc, char **argv)
{
	struct tap_test *t;
	int n = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = tap_first; t; t = t->next)
		n += tap_wanted(t, argc, argv);
	printf("TAP version 13\n1..%d\n", n);
	n = 0;
	for (t = tap_first; t; t = t->next) {
		if (!tap_wanted(t, argc, argv))
			continue;
		tap_failures = 0;
		tap_skipped = NULL;
		t->run();
		failed += !!tap_failures;
		printf("%s %d - %s%s%s\n", tap_failures ? "not ok" : "ok", ++n, t->name,
		       tap_skipped ? " # SKIP " : "", tap_skipped ? tap_skipped : "");
	}
	return failed ? 1 : 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: least, greatest, between. */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

#define min(a, b) ({ __typeof__(a) a__ = (a); __typeof__(b) b__ = (b);	\
		     (void)(&a__ == &b__); a__ < b__ ? a__ : b__; })
#define max(a, b) ({ __typeof__(a) a__ = (a); __typeof__(b) b__ = (b);	\
		     (void)(&a__ == &b__); a__ > b__ ? a__ : b__; })
#define min_t(type, a, b) ({ type a__ = (a); type b__ = (b); a__ < b__ ? a__ : b__; })
#define max_t(type, a, b) ({ type a__ = (a); type b__ = (b); a__ > b__ ? a__ : b__; })
#define min3(a, b, c)		min((__typeof__(a))min(a, b), c)
#define max3(a, b, c)		max((__typeof__(a))max(a, b), c)
#define clamp(v, lo, hi)	min((__typeof__(v))max(v, lo), hi)
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)
#define clamp_val(v, lo, hi)	clamp_t(__typeof__(v), v, lo, hi)
#define swap(a, b) \
	do { __typeof__(a) t__ = (a); (a) = (b); (b) = t__; } while (0)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace answer to the kernel's header: atomics on the compiler's builtins. */
#ifndef SHIM_LINUX_ATOMIC_H
#define SHIM_LINUX_ATOMIC_H

#include <linux/compiler.h>
#include <linux/types.h>

#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC64_INIT(i)	{ (i) }
#define ATOMIC_LONG_INIT(i)	{ (i) }

#define SHIM_ATOMIC(pfx, type, val)						\
static inline val pfx##_read(const type *v)					\
{ return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); }			\
static inline val pfx##_read_acquire(const type *v)				\
{ return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); }			\
static inline void pfx##_set(type *v, val i)					\
{ __atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); }				\
static inline void pfx##_set_release(type *v, val i)				\
{ __atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); }				\
static inline void pfx##_add(val i, type *v)					\
{ __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline void pfx##_sub(val i, type *v)					\
{ __atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline void pfx##_or(val i, type *v)					\
{ __atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline void pfx##_and(val i, type *v)					\
{ __atomic_fetch_and(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline void pfx##_andnot(val i, type *v)					\
{ __atomic_fetch_and(&v->counter, ~i, __ATOMIC_SEQ_CST); }			\
static inline void pfx##_inc(type *v) { pfx##_add(1, v); }			\
static inline void pfx##_dec(type *v) { pfx##_sub(1, v); }			\
static inline val pfx##_add_return(val i, type *v)				\
{ return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST); }		\
static inline val pfx##_sub_return(val i, type *v)				\
{ return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST); }		\
static inline val pfx##_inc_return(type *v) { return pfx##_add_return(1, v); }	\
static inline val pfx##_dec_return(type *v) { return pfx##_sub_return(1, v); }	\
static inline val pfx##_fetch_add(val i, type *v)				\
{ return __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST); }		\
static inline val pfx##_fetch_or(val i, type *v)				\
{ return __atomic_fetch_or(&v->counter, i, __ATOMIC_SEQ_CST); }			\
static inline val pfx##_fetch_and(val i, type *v)				\
{ return __atomic_fetch_and(&v->counter, i, __ATOMIC_SEQ_CST); }		\
static inline val pfx##_fetch_andnot(val i, type *v)				\
{ return __atomic_fetch_and(&v->counter, ~i, __ATOMIC_SEQ_CST); }		\
static inline val pfx##_xchg(type *v, val n)					\
{ return __atomic_exchange_n(&v->counter, n, __ATOMIC_SEQ_CST); }		\
static inline bool pfx##_dec_and_test(type *v)					\
{ return pfx##_dec_return(v) == 0; }						\
static inline bool pfx##_try_cmpxchg(type *v, val *o, val n)			\
{ return __atomic_compare_exchange_n(&v->counter, o, n, false,			\
				     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); }	\
static inline val pfx##_cmpxchg(type *v, val o, val n)				\
{ pfx##_try_cmpxchg(v, &o, n); return o; }

SHIM_ATOMIC(atomic, atomic_t, int)
SHIM_ATOMIC(atomic64, atomic64_t, s64)
SHIM_ATOMIC(atomic_long, atomic_long_t, long)

#define xchg(ptr, v)	__atomic_exchange_n(ptr, v, __ATOMIC_SEQ_CST)
#define cmpxchg(ptr, o, n) ({							\
	__typeof__(*(ptr)) o__ = (o);						\
	__atomic_compare_exchange_n(ptr, &o__, n, false,			\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
	o__; })
#define try_cmpxchg(ptr, oldp, n)						\
	__atomic_compare_exchange_n(ptr, oldp, n, false,			\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define cmpxchg64(ptr, o, n)		cmpxchg(ptr, o, n)
#define try_cmpxchg64(ptr, oldp, n)	try_cmpxchg(ptr, oldp, n)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - tracepoints of the run path: what entered, what stopped it, what was given
 *
 * A no-op of five bytes each while off. Documentation/debugging has examples of use.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM keel

#if !defined(KEEL_X86_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KEEL_X86_TRACE_H

#include <linux/tracepoint.h>
#include "backend.h"
#include "exit.h"

#undef KEEL_TRACE_ENUM
#define KEEL_TRACE_ENUM(kind, name) TRACE_DEFINE_ENUM(KEEL_EXIT_##kind);
KEEL_EXIT_NAMES(KEEL_TRACE_ENUM)
TRACE_DEFINE_ENUM(KEEL_NR_EXITS);
TRACE_DEFINE_ENUM(KEEL_EV_EXCEPTION);
TRACE_DEFINE_ENUM(KEEL_EV_NMI);
TRACE_DEFINE_ENUM(KEEL_EV_IRQ);

#undef KEEL_TRACE_NAME
#define KEEL_TRACE_NAME(kind, name) { KEEL_EXIT_##kind, name },
#undef KEEL_TRACE_KIND
#define KEEL_TRACE_KIND(kind) \
	__print_symbolic(kind, KEEL_EXIT_NAMES(KEEL_TRACE_NAME) { KEEL_NR_EXITS, "?" })

TRACE_EVENT(keel_entry,
	TP_PROTO(unsigned int vcpu, u64 rip),
	TP_ARGS(vcpu, rip),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u rip %#llx", __entry->vcpu, __entry->rip)
);

/* reason, info1 and info2 are the vendor's own words */
TRACE_EVENT(keel_exit,
	TP_PROTO(unsigned int vcpu, u64 rip, const struct keel_exit *exit),
	TP_ARGS(vcpu, rip, exit),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(unsigned int, kind)
		__field(u64, rip)
		__field(u64, reason)
		__field(u64, info1)
		__field(u64, info2)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->kind = exit->kind;
		__entry->rip = rip;
		__entry->reason = exit->hw.reason;
		__entry->info1 = exit->hw.info1;
		__entry->info2 = exit->hw.info2;
	),
	TP_printk("vcpu %u %s rip %#llx reason %#llx info %#llx %#llx", __entry->vcpu,
		  KEEL_TRACE_KIND(__entry->kind), __entry->rip, __entry->reason,
		  __entry->info1, __entry->info2)
);

TRACE_EVENT(keel_inject,
	TP_PROTO(unsigned int vcpu, const struct keel_event *ev),
	TP_ARGS(vcpu, ev),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u8, type)
		__field(u8, vector)
		__field(bool, has_error)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->type = ev->type;
		__entry->vector = ev->vector;
		__entry->has_error = ev->has_error;
		__entry->error = ev->has_error ? ev->error : 0;
	),
	TP_printk("vcpu %u %s vector %u%s %#x", __entry->vcpu,
		  __print_symbolic(__entry->type,
				   { KEEL_EV_EXCEPTION, "exception" },
				   { KEEL_EV_NMI, "nmi" },
				   { KEEL_EV_IRQ, "irq" }),
		  __entry->vector, __entry->has_error ? " error" : " no error",
		  __entry->error)
);

/* A second-level fault, before it is handled. */
TRACE_EVENT(keel_fault,
	TP_PROTO(unsigned int vcpu, u64 rip, u64 gpa, u32 access, bool present),
	TP_ARGS(vcpu, rip, gpa, access, present),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u32, access)
		__field(u64, rip)
		__field(u64, gpa)
		__field(bool, present)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->access = access;
		__entry->rip = rip;
		__entry->gpa = gpa;
		__entry->present = present;
	),
	TP_printk("vcpu %u rip %#llx gpa %#llx %s%s", __entry->vcpu, __entry->rip,
		  __entry->gpa,
		  __print_flags(__entry->access, "|",
				{ KEEL_ACC_READ, "read" }, { KEEL_ACC_WRITE, "write" },
				{ KEEL_ACC_EXEC, "exec" }, { KEEL_ACC_GWALK, "walk" }),
		  __entry->present ? ", mapped" : "")
);

/* An access where no memory is. value: of the first eight bytes; of a read only if known. */
TRACE_EVENT(keel_mmio,
	TP_PROTO(unsigned int vcpu, bool write, u64 gpa, unsigned int len, u64 value, bool done),
	TP_ARGS(vcpu, write, gpa, len, value, done),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(unsigned int, len)
		__field(u64, gpa)
		__field(u64, value)
		__field(bool, write)
		__field(bool, done)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->len = len;
		__entry->gpa = gpa;
		__entry->value = value;
		__entry->write = write;
		__entry->done = done;
	),
	TP_printk("vcpu %u %s gpa %#llx len %u value %#llx %s", __entry->vcpu,
		  __entry->write ? "write" : "read", __entry->gpa, __entry->len,
		  __entry->value, __entry->done ? "in kernel" : "to userspace")
);

TRACE_EVENT(keel_pio,
	TP_PROTO(unsigned int vcpu, const struct keel_exit *exit, u32 value),
	TP_ARGS(vcpu, exit, value),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u16, port)
		__field(u8, size)
		__field(bool, in)
		__field(bool, string)
		__field(u32, value)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->port = exit->pio.port;
		__entry->size = exit->pio.size;
		__entry->in = exit->pio.in;
		__entry->string = exit->pio.string;
		__entry->value = value;
	),
	TP_printk("vcpu %u %s%s port %#x size %u value %#x", __entry->vcpu,
		  __entry->in ? "in" : "out", __entry->string ? " string" : "",
		  __entry->port, __entry->size, __entry->value)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

/* Outside of the guard: the tracing core reads this file several times. */
#include <trace/define_trace.h>

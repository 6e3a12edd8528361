/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bench.h - how operations are measured
 *
 * In the emulated hosts the TSC counts instructions, and a guest's is the host's with an
 * offset: what passes in it between two RDTSC around an exit is what the exit cost.
 *
 * A figure is the least of some short batches, as a tick of the host's timer falls into
 * some of them; what the loop around the operations costs is measured as well and taken off.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sys/syscall.h>
#include "abi.h"

#define OPS		32	/* operations in a batch */
#define BATCHES		16
#define STRING(x)	STRING_(x)
#define STRING_(x)	#x

#define RESULT		0x10000	/* where guests leave the instructions of a batch */
#define IDT		0x30000	/* in guests that take interrupts */
#define HANDLER		0x3000	/* their handler of VECTOR */
#define VECTOR		0x40

static inline uint64_t tsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (uint64_t)hi << 32;
}

/* An ioctl without the C library's part; -errno. */
static inline long bare_ioctl(int fd, unsigned long req, const void *arg)
{
	long r = SYS_ioctl;

	asm volatile("syscall" : "+a"(r) : "D"((long)fd), "S"(req), "d"(arg)
		     : "rcx", "r11", "memory");
	return r;
}

/* The result: one line of comment, "bench NAME INSTRUCTIONS". NULL: nobody wants it. */
void bench_result(const char *name, double instructions);

/*
 * What lies between the two is measured, so that the profile finds it. The windows after
 * window_less(), which is one with nothing in it, are those of what is taken off.
 */
void window_start(void);
void window_end(void);
void window_less(void);

/*
 * An emulated machine's TSC goes on when the CPU sleeps. After idle_start() a process that
 * runs when no other can counts, and its instructions are taken off: work_tsc() is the
 * number of those that were work. That process has the files that were open then; and to
 * close many VMs takes long, for which it should be stopped first.
 */
void idle_start(void);
void idle_stop(void);
uint64_t work_tsc(void);

/* ---- from inside a guest ---- */

struct bench_guest {
	const char *name;
	unsigned int flags;		/* of make_vm() */
	void (*prepare)(struct vm *vm);	/* after vCPU 0 is made; or NULL */
	const uint8_t *code, *code_end;	/* setup and loop */
	const uint8_t *less, *less_end;	/* the same without the operation */
};

void bench_guest(const struct bench_guest *g);
/* A vCPU that has everything and starts at CODE in 64-bit mode, with an IDT for VECTOR. */
void bench_make(struct vm *vm, struct vcpu *c, unsigned int flags, const void *code,
		const void *end);
/* One more, that starts at @ip; an APIC id above 0 is in no KVM_MP_STATE_UNINITIALIZED. */
void bench_vcpu(struct vcpu *c, struct vm *vm, unsigned int id, uint64_t ip);

#define GUEST_TSC	"rdtsc\nshl $32, %rdx\nor %rdx, %rax\n"
/* R13: how many of the guest's own instructions are to be taken off */
#define GUEST_BATCH(setup, body)					\
	setup								\
	"8: mov $" STRING(OPS) ", %r15d\n"				\
	"xor %r13d, %r13d\n"						\
	GUEST_TSC							\
	"mov %rax, %r14\n"						\
	"9: " body							\
	"dec %r15d\n"							\
	"jnz 9b\n"							\
	GUEST_TSC							\
	"sub %r14, %rax\n"						\
	"sub %r13, %rax\n"						\
	"mov %rax, " STRING(RESULT) "\n"					\
	GUEST_OUT							\
	"jmp 8b\n"

/*
 * A loop of @op, which leaves R13 to R15 alone; @prep comes before each and is not
 * counted, and no more are the instructions @own, which the guest executes for it
 * elsewhere, as in a handler. Labels 7 to 9 are taken.
 */
#define GUEST_BENCH(id, label, vm_flags, prepare_vm, setup, prep, op, own)	\
	GUEST(64, id##_code, GUEST_BATCH(setup, prep op));		\
	GUEST(64, id##_less, GUEST_BATCH(setup, prep own));		\
	TEST(id)							\
	{								\
		bench_guest(&(struct bench_guest){			\
			.name = label, .flags = vm_flags,		\
			.prepare = prepare_vm,				\
			.code = id##_code, .code_end = id##_code_end,	\
			.less = id##_less, .less_end = id##_less_end,	\
		});							\
	}

/* The handler counts here. */
#define COUNT		0x10100
#define GUEST_NO_IRQ	"movl $0, " STRING(COUNT) "\n"
/* Wait with interrupts on for VECTOR since GUEST_NO_IRQ; of its instructions two count. */
#define GUEST_WAIT_IRQ	"7: add $3, %r13\ncmpl $0, " STRING(COUNT) "\nje 7b\n"
#define GUEST_HANDLER	"nop\nnop\nnop\nnop\nnop\n"	/* as many as the handler's own */

#define GUEST_MSR(index) "mov $" #index ", %ecx\n"
#define GUEST_MSR_0(index) GUEST_MSR(index) "xor %eax, %eax\nxor %edx, %edx\n"
#define GUEST_X2APIC		\
	GUEST_MSR(0x1b)		\
	"rdmsr\n"		\
	"or $0xc00, %eax\n"	\
	"wrmsr\n"		\
	GUEST_MSR_0(0x80f)	\
	"mov $0x1ff, %eax\n"	\
	"wrmsr\n"
#define GUEST_AT(addr)	"mov $" #addr ", %ebx\n"

/* ---- from the VMM ---- */

/* @fn is called in batches; it should be little more than a system call. */
void bench_calls(const char *name, void (*fn)(void));
uint64_t least_calls(void (*fn)(void));		/* of a batch, the loop taken off */

bool on_intel(void);
bool bench_full(void);		/* what takes long, too */

#endif

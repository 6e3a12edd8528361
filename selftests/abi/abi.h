/* SPDX-License-Identifier: GPL-2.0 */
/*
 * abi.h - the ABI tests' harness and helpers
 *
 *	TEST(name) { ...; EXPECT_EQ(run_vcpu(&c), 0); }
 *
 * Each test runs in a process of its own: one that dies or hangs is a `not ok`.
 * EXPECT_x notes a failure and goes on, ASSERT_x ends the test, in any function
 * of it. Helpers that do not return an error assert.
 *
 * Every expectation is what kvm does. Where Keel means to differ, the test
 * begins with DIFFERS("how"): it is then skipped on kvm.
 */
#ifndef ABI_H
#define ABI_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- tests ---- */

struct abi_test {
	const char *name;
	void (*run)(void);
	struct abi_test *next;
};

void abi_register(struct abi_test *t);
void abi_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool abi_check(bool ok, const char *file, int line, const char *what, long long a, long long b);
bool abi_check_errno(long r, int want, const char *file, int line, const char *what);
void abi_end(void) __attribute__((noreturn));
void abi_skip(const char *why) __attribute__((noreturn));
void abi_differs(const char *how);
bool abi_on_kvm(void);

#define TEST(id)								\
	static void test_##id(void);						\
	static struct abi_test abi_##id = { .name = #id, .run = test_##id };	\
	__attribute__((constructor)) static void abi_register_##id(void)	\
	{									\
		abi_register(&abi_##id);					\
	}									\
	static void test_##id(void)

/* The texts are made where the arguments are not expanded yet. */
#define ABI_CMP(a, op, b, text) ({						\
	__typeof__((a) + 0) abi_a = (a);					\
	__typeof__((b) + 0) abi_b = (b);					\
	abi_check(abi_a op abi_b, __FILE__, __LINE__, text,			\
		  (long long)abi_a, (long long)abi_b); })
#define ABI_ERR(call, e, text) ({						\
	long abi_r;								\
	errno = 0;								\
	abi_r = (long)(call);							\
	abi_check_errno(abi_r, e, __FILE__, __LINE__, text); })

#define EXPECT_EQ(a, b)		((void)ABI_CMP(a, ==, b, #a " == " #b))
#define EXPECT_NE(a, b)		((void)ABI_CMP(a, !=, b, #a " != " #b))
#define EXPECT_LT(a, b)		((void)ABI_CMP(a, <, b, #a " < " #b))
#define EXPECT_LE(a, b)		((void)ABI_CMP(a, <=, b, #a " <= " #b))
#define EXPECT_GT(a, b)		((void)ABI_CMP(a, >, b, #a " > " #b))
#define EXPECT_GE(a, b)		((void)ABI_CMP(a, >=, b, #a " >= " #b))
#define EXPECT_TRUE(a)		((void)ABI_CMP(!!(a), ==, 1, #a))
#define EXPECT_FALSE(a)		((void)ABI_CMP(!!(a), ==, 0, "not " #a))
#define EXPECT_OK(call)		((void)ABI_ERR(call, 0, #call))	/* a result of 0 or more */
#define EXPECT_ERR(call, e)	((void)ABI_ERR(call, e, #call))	/* -1 with this errno */

#define ASSERT_EQ(a, b)		do { if (!ABI_CMP(a, ==, b, #a " == " #b)) abi_end(); } while (0)
#define ASSERT_NE(a, b)		do { if (!ABI_CMP(a, !=, b, #a " != " #b)) abi_end(); } while (0)
#define ASSERT_TRUE(a)		do { if (!ABI_CMP(!!(a), ==, 1, #a)) abi_end(); } while (0)
#define ASSERT_OK(call)		do { if (!ABI_ERR(call, 0, #call)) abi_end(); } while (0)

#define SKIP(why)		abi_skip(why)
#define DIFFERS(how)		abi_differs(how)

/* ---- VMs ---- */

#define VM_IRQCHIP	1	/* PICs and IOAPIC in the kernel */
#define VM_SPLIT	2	/* only the LAPICs, 24 IOAPIC routes */
#define VM_PIT		4
#define VM_NO_MEM	8	/* without the usual slot 0 */

#define MEM_SIZE	(4UL << 20)	/* slot 0, from address 0 */
#define CODE		0x1000		/* where guest_code() puts it */
#define STACK		0x8000
#define DATA		0x10000		/* free for the test; DS and ES are 0 */
#define TABLES		0x20000		/* page tables, GDT and the like */
#define HOLE		0xd0000000ULL	/* no memory, no chip */
#define DONE_PORT	0xf4		/* ports that nobody has */
#define STEP_PORT	0xf5
#define BAD_PTR		((void *)8)	/* not mapped */

struct vm {
	int fd;
	uint8_t *mem;
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	struct vm *vm;
};

extern const char *dev_path;
extern int dev;			/* the device, open */

int cap(int nr);			/* of the system fd */
int open_dev(void);
void make_vm(struct vm *vm, unsigned int flags);
void make_vcpu(struct vcpu *c, struct vm *vm, unsigned long id);
/* A VM with one vCPU that will run @code in real mode. */
void make_guest(struct vm *vm, struct vcpu *c, unsigned int flags, const void *code,
		const void *end);
void drop_vcpu(struct vcpu *c);
void drop_vm(struct vm *vm);
void *map_pages(size_t size);
void *map_run(int vcpu_fd);
int set_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
	     const void *hva);

void guest_code(struct vm *vm, uint64_t gpa, const void *code, const void *end);
void start_at(struct vcpu *c, uint64_t ip);	/* real mode, CS and others 0 */
void start_long(struct vcpu *c, uint64_t ip);	/* 64-bit, 4 GiB mapped one to one */
void set_idt_entry(struct vm *vm, uint8_t vector, uint16_t ip);	/* real mode */
void set_all_cpuid(struct vcpu *c);		/* what is supported */
int enable_cap(int fd, uint32_t cap, uint64_t arg);

int run_vcpu(struct vcpu *c);		/* KVM_RUN: 0 or -errno */
void run_to(struct vcpu *c, uint32_t reason);	/* asserts the exit reason */
void run_to_out(struct vcpu *c, uint16_t port);	/* asserts an OUT to @port */
uint32_t out_value(struct vcpu *c);
void *pio_data(struct vcpu *c);
struct kvm_regs get_regs(struct vcpu *c);
void set_regs(struct vcpu *c, const struct kvm_regs *r);
struct kvm_sregs get_sregs(struct vcpu *c);
void set_sregs(struct vcpu *c, const struct kvm_sregs *s);
int get_msr(struct vcpu *c, uint32_t index, uint64_t *val);	/* 1: got it */
int set_msr(struct vcpu *c, uint32_t index, uint64_t val);
struct kvm_cpuid2 *supported_cpuid(void);
const struct kvm_cpuid_entry2 *find_cpuid(const struct kvm_cpuid2 *t, uint32_t leaf, uint32_t sub);
int irq_line(struct vm *vm, uint32_t gsi, uint32_t level);

/* How many hold the module: files of VMs and vCPUs, and us. */
int count_refs(void);
int module_refs(void);		/* the same, when what earlier tests left is gone */
void expect_refs(int want);	/* soon: a killed process' files go after waitpid() */

uint64_t now_ms(void);
void sleep_ms(unsigned int ms);
bool on_host(const char *name);		/* of tools/testhost: amd, intel or local */
bool kernel_is(const char *name);	/* of tools/testhost: stock, test, kasan, kcsan */
uint64_t take_eventfd(int fd);		/* its count, 0 if none */

/* Guest code in 16, 32 or 64 bit; labels in it shall be numbers. */
#define GUEST(bits, id, code)						\
	extern const uint8_t id[], id##_end[];				\
	asm(".pushsection .rodata\n.code" #bits "\n" #id ":\n" code	\
	    "\n" #id "_end:\n.code64\n.popsection\n")

/*
 * Before a loop that has no exit: from a guest that was entered with its interrupts off
 * Bochs keeps the host's, too, until it exits.
 */
#define GUEST_LOOP	"sti\n1: "

#define GUEST_OUT	"out %al, $0xf4\n"	/* to DONE_PORT */
#define GUEST_STEP	"out %al, $0xf5\n"	/* to STEP_PORT */

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lib.h - what a guest test is made of
 *
 * A test program defines tests[], a function for each line of TAP. The library brings
 * the boot processor there in long mode, with interrupts off, 4 GiB mapped one to one
 * and an IDT; starts other processors on demand; prints results on the serial port.
 */
#ifndef LIB_H
#define LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1ull << (n))
#define barrier()	asm volatile("" : : : "memory")
#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/* ---- tests and their results (tap.c) ---- */

struct test {
	const char *name;
	void (*fn)(void);
};

extern const struct test tests[];	/* defined by the program; ended by an empty one */
void setup(void);			/* before the first test; optional */

void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of comment */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The rest of the running test is not to be judged. */
void skip(const char *why);
bool failing(void);			/* has the running test failed yet? */
/* One line of TAP, for a program that has more tests than functions. */
void report(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The plan of such a program; tests[] has one function, whose own line does not count. */
void plan(unsigned int n);
void quit(int status) __attribute__((noreturn));
/* Is the word on the command line? "tcg": emulated CPU; "kvm": the referee */
bool option(const char *word);

#define EXPECT(cond) ({							\
	bool good_ = (cond);						\
	if (!good_)							\
		fail("%s:%d: %s", __FILE__, __LINE__, #cond);		\
	good_; })
#define EXPECT_EQ(got, want) ({						\
	u64 got_ = (u64)(got), want_ = (u64)(want);			\
	if (got_ != want_)						\
		fail("%s:%d: %s is %#llx, not %#llx", __FILE__, __LINE__, #got,	\
		     (unsigned long long)got_, (unsigned long long)want_);	\
	got_ == want_; })

/* ---- processors (cpu.c) ---- */

/* As trap_common of start.S pushes them */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

struct trap {
	int vector;		/* -1: there was none */
	u64 error, cr2, dr6;
	struct regs regs;
};

struct jump {
	u64 rbx, rbp, r12, r13, r14, r15, rip, rsp, rflags;
	int armed;
};

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 ist[8];		/* 0 is reserved; see IST_* */
	u64 reserved1;
	u16 reserved2, iomap;
} __attribute__((packed));

struct cpu {
	struct cpu *self;
	struct jump jump;
	struct trap trap;
	u32 id;			/* APIC id, and index of cpus[] */
	bool x2apic;
	int online;		/* how often it has started */
	void (*work)(u64 arg);
	u64 arg;
	unsigned int count[256];	/* interrupts by vector */
	struct tss tss;
	u8 iomap[8192 + 1];
};

extern struct cpu cpus[MAX_CPUS];
extern char vectors[];	/* entry points, 16 bytes each */

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	asm volatile("mov %%gs:0, %0" : "=r"(c));
	return c;
}

int trap_set(void) __attribute__((returns_twice));

struct jump trap_begin(void);
void trap_end(const struct jump *outer);

/*
 * Run a statement and catch an exception of it; may be nested. Gives a struct trap * of
 * this CPU, the last one. Local variables that the statement changes should be volatile.
 */
#define CATCH(stmt) ({							\
	const struct jump outer_ = trap_begin();			\
	if (!trap_set()) {						\
		stmt;							\
		barrier();						\
	}								\
	trap_end(&outer_);						\
	(const struct trap *)&this_cpu()->trap; })

/* The statement must raise that exception. */
#define EXPECT_TRAP(vec, stmt) ({					\
	const struct trap *t_ = CATCH(stmt);				\
	if (t_->vector != (vec))					\
		fail("%s:%d: vector %d, not %d, of %s", __FILE__, __LINE__,	\
		     t_->vector, (vec), #stmt);				\
	t_; })
#define EXPECT_NO_TRAP(stmt) EXPECT_TRAP(-1, stmt)

#define DE	0
#define DB	1
#define NMI	2
#define BP	3
#define OF	4
#define BR	5
#define UD	6
#define NM	7
#define DF	8
#define TS	10
#define NP	11
#define SS	12
#define GP	13
#define PF	14
#define MF	16
#define AC	17
#define XM	19
#define VEC_LEAVE 0x81		/* ring 3 may use it to end enter_user() */

#define PF_P	BIT(0)
#define PF_W	BIT(1)
#define PF_U	BIT(2)
#define PF_I	BIT(4)

#define IST_DF	1
#define IST_NMI	2
#define IST_SPARE 3

/* Who handles a vector; NULL: exceptions are caught, interrupts counted and ended (EOI). */
void on_vector(unsigned int vector, void (*fn)(struct regs *regs));
/* Entry of the IDT. Give type and DPL: 0x8e interrupt gate, 0xee for ring 3. */
void set_gate(unsigned int vector, u64 offset, u16 sel, u8 type, u8 ist);
u64 *idt_entry(unsigned int vector);

void enter_user(u64 rip, u64 cs, u64 rsp, u64 rflags);
u64 call_code32(void (*fn)(void), u64 arg);
u64 user_stack(void);			/* top of a stack that ring 3 may use */

/* Start all processors; how many there are. They wait for work by HLT. */
unsigned int cpus_start(void);
extern unsigned int nr_cpus;
void cpu_wait_online(unsigned int cpu, int times);
void on_cpu(unsigned int cpu, void (*fn)(u64), u64 arg);
void wait_cpu(unsigned int cpu);	/* until its work is done */
void trampoline_install(void);

/* ---- memory (mem.c) ---- */

#define PAGE		4096ull
#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_PS		BIT(7)
#define PTE_G		BIT(8)
#define PTE_NX		BIT(63)
#define PTE_RW		(PTE_P | PTE_W | PTE_U)

u64 mem_size(void);			/* bytes of RAM from 0 */
void *pages(unsigned int n);		/* zeroed, never given back */
u64 *pte_of(u64 virt);			/* of 4 KiB; larger pages are split */
u64 *pde_of(u64 virt);
void map(u64 virt, u64 phys, u64 flags);	/* one page of 4 KiB; flushes */
u64 virt_area(unsigned int n);		/* n pages of unused addresses above 4 GiB */

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
u64 random64(void);

/* ---- instructions ---- */

#define MMIO_NONE	0xd8000000u	/* nobody there: reads give ones */
#define MMIO_SCRATCH	0xd0000000u	/* memory behind MMIO exits */
#define SCRATCH_RAM	0xd1000000u	/* the same memory as RAM */
#define MMIO_SCRATCH_SIZE 0x10000

#define PORT_FIFO	0x500
#define PORT_LINE	0x510
#define PORT_LATER	0x514
#define PORT_MSI_ADDR	0x518
#define PORT_MSI_DATA	0x51c
#define PORT_NMI	0x520

#define SYSREG(name)							\
static inline u64 read_##name(void)					\
{									\
	u64 val;							\
									\
	asm volatile("mov %%" #name ", %0" : "=r"(val) : : "memory");	\
	return val;							\
}									\
static inline void write_##name(u64 val)				\
{									\
	asm volatile("mov %0, %%" #name : : "r"(val) : "memory");	\
}

SYSREG(cr0)
SYSREG(cr2)
SYSREG(cr3)
SYSREG(cr4)
SYSREG(cr8)
SYSREG(dr0)
SYSREG(dr1)
SYSREG(dr2)
SYSREG(dr3)
SYSREG(dr6)
SYSREG(dr7)

#define PORT_FN(letter, type, reg)					\
static inline type in##letter(u16 port)					\
{									\
	type val;							\
									\
	asm volatile("in %w1, %" reg : "=a"(val) : "Nd"(port) : "memory");	\
	return val;							\
}									\
static inline void out##letter(u16 port, type val)			\
{									\
	asm volatile("out %" reg ", %w1" : : "a"(val), "Nd"(port) : "memory");	\
}

PORT_FN(b, u8, "b0")
PORT_FN(w, u16, "w0")
PORT_FN(l, u32, "k0")

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 val)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

struct cpuid {
	u32 a, b, c, d;
};

static inline struct cpuid cpuid(u32 leaf, u32 sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}

static inline u64 rflags(void)
{
	u64 val;

	asm volatile("pushf; pop %0" : "=r"(val) : : "memory");
	return val;
}

static inline void set_rflags(u64 val)
{
	asm volatile("push %0; popf" : : "r"(val) : "memory", "cc");
}

static inline void irq_enable(void)
{
	asm volatile("sti; nop" : : : "memory");
}

static inline void irq_disable(void)
{
	asm volatile("cli" : : : "memory");
}

/* Interrupts are taken at once if there are any. */
static inline void irq_window(void)
{
	asm volatile("sti; nop; nop; cli" : : : "memory");
}

static inline void halt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline void invlpg(u64 addr)
{
	asm volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

/* An access of one size that the compiler leaves alone */
#define PEEK(type, addr) (*(volatile type *)(u64)(addr))
#define POKE(type, addr, val) (*(volatile type *)(u64)(addr) = (val))

struct descriptor_ptr {
	u16 limit;
	u64 base;
} __attribute__((packed));

static inline void lidt(const struct descriptor_ptr *p)
{
	asm volatile("lidt %0" : : "m"(*p) : "memory");
}

static inline void sidt(struct descriptor_ptr *p)
{
	asm volatile("sidt %0" : "=m"(*p));
}

#define CR0_PE		BIT(0)
#define CR0_MP		BIT(1)
#define CR0_EM		BIT(2)
#define CR0_TS		BIT(3)
#define CR0_ET		BIT(4)
#define CR0_NE		BIT(5)
#define CR0_WP		BIT(16)
#define CR0_AM		BIT(18)
#define CR0_NW		BIT(29)
#define CR0_CD		BIT(30)
#define CR0_PG		BIT(31)
#define CR4_VME		BIT(0)
#define CR4_TSD		BIT(2)
#define CR4_DE		BIT(3)
#define CR4_PSE		BIT(4)
#define CR4_PAE		BIT(5)
#define CR4_PGE		BIT(7)
#define CR4_PCE		BIT(8)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXMMEXCPT	BIT(10)
#define CR4_UMIP	BIT(11)
#define CR4_LA57	BIT(12)
#define CR4_FSGSBASE	BIT(16)
#define CR4_PCIDE	BIT(17)
#define CR4_OSXSAVE	BIT(18)
#define CR4_SMEP	BIT(20)
#define CR4_SMAP	BIT(21)

#define FL_CF		BIT(0)
#define FL_PF		BIT(2)
#define FL_AF		BIT(4)
#define FL_ZF		BIT(6)
#define FL_SF		BIT(7)
#define FL_TF		BIT(8)
#define FL_IF		BIT(9)
#define FL_DF		BIT(10)
#define FL_OF		BIT(11)
#define FL_NT		BIT(14)
#define FL_RF		BIT(16)
#define FL_AC		BIT(18)

#define MSR_TSC		0x10
#define MSR_APIC_BASE	0x1b
#define MSR_TSC_ADJUST	0x3b
#define MSR_SYSENTER_CS	0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_PAT		0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_SFMASK	0xc0000084
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KERNEL_GS	0xc0000102
#define MSR_TSC_AUX	0xc0000103

#define EFER_SCE	BIT(0)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_NXE	BIT(11)

/* ---- time ---- */

#define LONG_TIME	20000000000ull	/* in ticks of the TSC: only a hang waits so long */
#define SHORT_TIME	30000000ull	/* in which what must not come would have come */

/*
 * Poll with interrupts as they are; what became true need not stay so. PAUSE: where there
 * are fewer real CPUs the hypervisor sees who waits. And Bochs keeps the host's interrupts
 * from a guest that was entered with its own off and does not exit.
 */
#define WAIT(cond) ({							\
	u64 start_ = rdtsc();						\
	bool came_;							\
									\
	while (!(came_ = (cond)) && rdtsc() - start_ < LONG_TIME)	\
		pause();						\
	came_; })

static inline void delay(u64 ticks)
{
	u64 start = rdtsc();

	while (rdtsc() - start < ticks)
		barrier();
}

#endif

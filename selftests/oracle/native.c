// SPDX-License-Identifier: GPL-2.0
/*
 * native.c - the oracle that is right by definition: this machine's own CPU
 *
 * A case is entered by IRET, so that compatibility mode (a code segment of the GDT, or of
 * 16 bits from the LDT) is as good as 64-bit mode; behind the instruction and at each target
 * of a branch there is INT3, and the signal's frame is the outcome. All runs in a child: what
 * an instruction could do to it, it does only to it, and the parent says which case it was.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "oracle.h"

#define CODE		0x20000000UL
#define DATA		0x20010000UL
#define STACK		0x37650000UL	/* where IRET takes its frame, and no operand is */
#define GS_SHIFT	0x40UL
#define USER_CS		0x33
#define USER_CS32	0x23
#define USER_DS		0x2b
#define MAX_DEATHS	10
#define LIMIT_SECONDS	10
#define XSTATE_BV	512		/* offsets in the signal frame's XSAVE area */
#define XSTATE_XMM	160
#define XSTATE_YMM	576

enum { LDT_CODE16, LDT_DATA16, LDT_GS16, LDT_GS32 };

#define SEL_LDT(n)	((n) << 3 | 7)

/* Seen by the assembly below: gpr at 0, frame of IRET at 128, ymm at 168. */
struct native_cpu {
	u64 gpr[16];
	u64 rip, cs, rflags, rsp, ss;
	u8 ymm[16][32];
} __attribute__((packed, aligned(64)));

struct native_cpu native_cpu __attribute__((visibility("hidden")));
u64 native_stack __attribute__((visibility("hidden")));
void native_enter(u64 stack);
void native_leave(void);
void native_trap(int sig, siginfo_t *si, void *ctx);
void native_trap_c(int sig, siginfo_t *si, void *ctx);

/* A handler starts with the AC and NT that the case had. */
asm(".pushsection .text\n"
".globl native_enter, native_leave, native_trap\n"
"native_enter:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rsp, native_stack(%rip)\n"
"	lea native_cpu(%rip), %rax\n"
"	mov %rdi, %rsp\n"
"	pushq 160(%rax); pushq 152(%rax); pushq 144(%rax); pushq 136(%rax); pushq 128(%rax)\n"
"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	vmovdqu 168 + 32 * \\n(%rax), %ymm\\n\n"
"	.endr\n"
"	mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 40(%rax), %rbp\n"
"	mov 48(%rax), %rsi; mov 56(%rax), %rdi\n"
"	.irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	mov 8 * \\n(%rax), %r\\n\n"
"	.endr\n"
"	mov (%rax), %rax\n"
"	iretq\n"
"native_leave:\n"
"	cld\n"
"	vzeroupper\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
"native_trap:\n"
"	pushq $0x202\n"
"	popfq\n"
"	jmp native_trap_c\n"
".popsection\n");

static const u8 native_greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static struct outcome native_got;
static bool native_inside;
static u64 native_msw;		/* programs cannot change it */

static void native_vectors(const u8 *xsave)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		memcpy(native_got.ymm[i], xsave + XSTATE_XMM + 16 * i, 16);
		memcpy(native_got.ymm[i] + 16, xsave + XSTATE_YMM + 16 * i, 16);
		/* A clear bit 2: the upper halves are in their initial state. */
		if (!(xsave[XSTATE_BV] & 4))
			memset(native_got.ymm[i] + 16, 0, 16);
	}
}

/* INT3, and nothing there to fetch, are the end; a page fault there is a target's. */
static void native_vector(const greg_t *g)
{
	struct outcome *o = &native_got;

	o->vector = g[REG_TRAPNO];
	o->has_error = true;
	o->error = g[REG_ERR];
	o->addr = g[REG_CR2];
	if (o->vector == 3 || (o->vector == VECTOR_PF && o->error & 16)) {
		o->rip -= o->vector == 3;
		o->vector = NO_VECTOR;
	}
}

void native_trap_c(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *g = uc->uc_mcontext.gregs;
	unsigned int i;

	if (!native_inside)
		_exit(120);
	native_inside = false;
	for (i = 0; i < 16; i++)
		native_got.gpr[i] = g[native_greg[i]];
	native_vectors((const u8 *)uc->uc_mcontext.fpregs);
	native_got.rip = g[REG_RIP];
	native_got.rflags = g[REG_EFL];
	native_got.msw = native_msw;
	native_vector(g);
	g[REG_RIP] = (greg_t)native_leave;
	g[REG_RSP] = native_stack;
	g[REG_EFL] = 0x202;
	g[REG_CSGSFS] = USER_CS | (u64)USER_DS << 48;
}

static void native_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	static u8 altstack[65536] __attribute__((aligned(64)));
	struct sigaction sa = { .sa_sigaction = native_trap };
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	unsigned int i;

	sigaltstack(&ss, NULL);
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

/* ---- memory and segments ---- */

static u8 *native_code;		/* the code, writable */

static bool native_map(void)
{
	int fixed = MAP_FIXED_NOREPLACE, fd = syscall(SYS_memfd_create, "code", 0);
	int private = MAP_PRIVATE | MAP_ANONYMOUS | fixed, rw = PROT_READ | PROT_WRITE;

	if (fd < 0 || ftruncate(fd, CODE_SIZE))
		return false;
	native_code = mmap(NULL, CODE_SIZE, rw, MAP_SHARED, fd, 0);
	if (native_code == MAP_FAILED ||
	    mmap((void *)CODE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | fixed, fd, 0) !=
	    (void *)CODE ||
	    mmap((void *)DATA, DATA_SIZE, rw, private, -1, 0) != (void *)DATA ||
	    mmap((void *)STACK, PAGE_SIZE, rw, private, -1, 0) != (void *)STACK)
		return false;
	memset(native_code, INT3, CODE_SIZE);
	return true;
}

static bool native_ldt(unsigned int nr, u64 base, u32 limit, bool code, bool wide)
{
	struct user_desc d = {
		.entry_number = nr, .base_addr = base,
		.limit = wide ? limit >> 12 : limit, .limit_in_pages = wide,
		.seg_32bit = wide, .contents = code ? 2 : 0, .useable = 1,
	};

	return !syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
}

/* GS ends in the middle of the data. */
static bool native_descriptors(const struct place *p)
{
	return native_ldt(LDT_CODE16, p->at.cs_base, 0xffff, true, false) &&
	       native_ldt(LDT_DATA16, p->at.data_base, 0xffff, false, false) &&
	       native_ldt(LDT_GS16, p->c.seg[EMUL_GS].base, p->c.seg[EMUL_GS].limit, false, false);
}

static void native_load_segments(u16 data, u16 gs)
{
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%gs" : : "r"(data), "r"(gs));
}

static u64 native_fs_base(void)
{
	u64 base = 0;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
	return base;
}

static const char *native_long(struct place *p)
{
	p->c.seg[EMUL_GS].base = GS_SHIFT;
	p->c.seg[EMUL_FS].base = native_fs_base();
	native_cpu.cs = USER_CS;
	native_cpu.ss = USER_DS;
	return syscall(SYS_arch_prctl, ARCH_SET_GS, GS_SHIFT) ? "cannot set GS" : NULL;
}

static const char *native_prot32(struct place *p)
{
	p->c.seg[EMUL_GS].base = GS_SHIFT;
	p->c.seg[EMUL_GS].limit = DATA + PAGE_SIZE - 1;
	p->c.seg[EMUL_FS].unusable = true;
	if (!native_ldt(LDT_GS32, GS_SHIFT, DATA + PAGE_SIZE - 1, false, true))
		return "the kernel has no modify_ldt()";
	native_load_segments(USER_DS, SEL_LDT(LDT_GS32));
	native_cpu.cs = USER_CS32;
	native_cpu.ss = USER_DS;
	return NULL;
}

static const char *native_prot16(struct place *p)
{
	p->c.seg[EMUL_GS].base = p->at.data_base - GS_SHIFT;
	p->c.seg[EMUL_GS].limit = DATA_OFFSET + PAGE_SIZE - 1;
	p->c.seg[EMUL_FS].unusable = true;
	p->rsp_high = (STACK + PAGE_SIZE - 64) & 0xffff0000;	/* IRET gives SP only */
	if (!native_descriptors(p))
		return "the kernel has no modify_ldt() with segments of 16 bits";
	native_load_segments(SEL_LDT(LDT_DATA16), SEL_LDT(LDT_GS16));
	native_cpu.cs = SEL_LDT(LDT_CODE16);
	native_cpu.ss = SEL_LDT(LDT_DATA16);
	return NULL;
}

static bool native_split_locks_cost(void)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "flags", 5) && strstr(line, "split_lock_detect");
	if (f)
		fclose(f);
	return found;
}

static const char *native_place(struct place *p, enum emul_mode mode)
{
	struct layout at = { .code = CODE, .data = DATA };
	unsigned int a, b, c, d, i;

	if (mode == EMUL_PROT16) {
		at.cs_base = CODE - CODE_OFFSET;
		at.data_base = DATA - DATA_OFFSET;
	}
	place_init(p, mode, &at);
	__cpuid_count(0, 0, a, b, c, d);
	p->c.amd_branch16 = b == 0x68747541;	/* "Auth" */
	__cpuid_count(1, 0, a, b, c, d);
	p->c.has_movbe = c & BIT(22);
	p->c.has_avx = c & BIT(28);
	p->c.has_cx16 = c & BIT(13);
	__cpuid_count(7, 0, a, b, c, d);
	p->c.has_avx2 = b & BIT(5);
	p->c.cpl = 3;
	p->split_locks_cost = native_split_locks_cost();
	for (i = 0; i < EMUL_NR_SEGS; i++)
		p->c.seg[i].dpl = 3;
	p->oracle = "CPU";
	p->id = AT_NATIVE;
	p->random_flags = FLAGS_ARITH | FLAG_DF | FLAG_AC;
	p->fixed_flags = 0x202;
	if (!p->c.has_avx || !p->c.has_avx2)
		return "the CPU has no AVX2";
	return mode == EMUL_LONG ? native_long(p) :
	       mode == EMUL_PROT32 ? native_prot32(p) : native_prot16(p);
}

/* What MOV and PUSH of a segment register see */
static void native_selectors(struct place *p)
{
	u16 ds, es, fs, gs;

	asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
		     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	p->c.seg[EMUL_DS].sel = ds;
	p->c.seg[EMUL_ES].sel = es;
	p->c.seg[EMUL_FS].sel = fs;
	p->c.seg[EMUL_GS].sel = gs;
	p->c.seg[EMUL_CS].sel = native_cpu.cs;
	p->c.seg[EMUL_SS].sel = native_cpu.ss;
}

/* ---- one case ---- */

/*
 * May the CPU do what the emulator did? It must not end within the instruction, or in what
 * is mapped for this program: all but the sandbox lies above 4 GiB.
 */
static bool native_safe(const struct test_case *t, const struct outcome *o)
{
	u64 own = t->place->at.cs_base + t->rip, end = t->place->at.cs_base + o->rip;

	if (o->stray)
		return false;
	if (o->vector != NO_VECTOR)
		return true;
	if (o->rflags & (X86_EFLAGS_TF | X86_EFLAGS_NT))
		return false;
	if (end > own - sizeof(t->insn) && end < own + sizeof(t->insn) && end != own + t->i.pos)
		return false;
	return end < BIT_ULL(32) || end >= BIT_ULL(47);
}

static void native_execute(const struct test_case *t)
{
	u64 at = t->place->at.cs_base + t->rip - CODE;
	unsigned int len = t->decoded == EMUL_DONE ? t->i.pos : 15, i;

	memcpy((void *)DATA, t->mem, DATA_SIZE);
	memcpy(native_code + at, t->insn, len);
	memcpy(native_cpu.gpr, t->gpr, sizeof(t->gpr));
	memcpy(native_cpu.ymm, t->ymm, sizeof(t->ymm));
	native_cpu.rip = t->rip;
	native_cpu.rsp = t->gpr[EMUL_RSP];
	native_cpu.rflags = t->rflags;
	native_inside = true;
	native_enter(STACK + PAGE_SIZE - 64);
	/* The kernel leaves its own upper halves where 32-bit code does not see them. */
	for (i = 0; i < 16 && t->place->mode != EMUL_LONG; i++)
		native_got.gpr[i] = (u32)native_got.gpr[i];
	memset(native_code + at, INT3, len);
	memcpy(native_got.mem, (void *)DATA, DATA_SIZE);
}

struct native_shared {
	unsigned long nr, end;
	struct test_case t;
};

static void native_case(struct native_shared *s, const struct place *p, struct tally *n)
{
	static struct outcome emul;
	enum emul_result r;

	rnd_start(gen_seed ^ (s->nr + 1) * 0x9e3779b97f4a7c15ULL);
	gen_case(&s->t, p, s->nr);
	n->cases++;
	if (excluded(&s->t)) {
		n->excluded++;
		return;
	}
	r = world_run(&s->t, &emul);
	if (r == EMUL_UNHANDLED) {
		n->unhandled++;
		return;
	}
	if (!native_safe(&s->t, &emul)) {
		n->unsafe++;
		return;
	}
	native_execute(&s->t);
	judge(&s->t, &emul, &native_got, n);
}

/* Of CPU time: what does not end kills the child, and the parent says what it was. */
static void native_watch(unsigned long nr)
{
	const struct itimerval limit = { .it_value.tv_sec = LIMIT_SECONDS };

	if (nr % 1024 == 0)
		setitimer(ITIMER_PROF, &limit, NULL);
}

static void native_child(struct native_shared *s, struct run *r)
{
	static struct place p;

	if (native_place(&p, r->mode))
		_exit(121);
	native_selectors(&p);
	native_msw = p.c.cr0 & MSW_BITS;
	s->t.place = &p;
	native_signals();
	memset(native_code, INT3, CODE_SIZE);	/* what one that died has left there */
	native_watch(0);
	for (; s->nr < s->end; s->nr++) {
		native_watch(s->nr);
		native_case(s, &p, r->n);
	}
	fflush(stdout);
	_exit(0);
}

static int native_fork(struct native_shared *s, struct run *r)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		native_child(s, r);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* What allow.c and flags.c say of CPUs was found on those of this maker. */
static bool native_known(void)
{
	unsigned int eax, ebx, ecx, edx;

	return getenv("ANY_CPU") || (__get_cpuid(0, &eax, &ebx, &ecx, &edx) &&
				     ebx == signature_AMD_ebx);
}

/* Does the kernel let us in there at all? Asked in a child, since it may kill. */
const char *native_possible(enum emul_mode mode)
{
	static struct place p;

	if (!native_known())
		return "no tables for this maker's CPUs yet (ANY_CPU=1 goes without)";
	if (mode == EMUL_REAL || mode == EMUL_VM86)
		return "a 64-bit kernel has no such mode for programs";
	if (!native_code && !native_map())
		return "cannot map the sandbox";
	return native_place(&p, mode);
}

void native_run(struct run *r)
{
	struct native_shared *s = shared_memory(sizeof(*s));
	unsigned int deaths;
	static struct place p;
	int status;

	r->skip = native_possible(r->mode);
	if (r->skip)
		return;
	native_place(&p, r->mode);
	s->end = r->cases;
	for (deaths = 0; deaths < MAX_DEATHS && s->nr < s->end; deaths++) {
		status = native_fork(s, r);
		if (!status)
			break;
		s->t.place = &p;
		judge_died(&s->t, status);
		r->n->differ++;
		s->nr++;
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * native.c - emul_step() against this machine's own CPU
 *
 * A random instruction runs twice from the same state: in the emulator over a
 * copy of memory, and natively in a page that ends in INT3. A signal ends
 * every native run, and its frame is the state to compare. SEED=n repeats a
 * run, CASES=n lengthens it.
 */
#define _GNU_SOURCE
#include <keel/emul.h>
#include "tap.h"

#include <asm/prctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <cpuid.h>

#define CODE		0x20000000UL	/* three pages, the instruction in the second */
#define INSN		(CODE + 0x1800)
#define DATA		0x20010000UL	/* two pages among unmapped ones */
#define DATA_SIZE	0x2000UL
#define GUARD		0x8000UL
#define GS_BASE		0x40UL
#define POOL_SIZE	0x40000UL

struct native_state {
	u64 gpr[16];
	u64 rip, rflags;
	u8 ymm[16][32];
	u64 trapno, error, cr2;
};

/* Seen by the assembly below: offsets are gpr 0, rip 128, rflags 136, ymm 144. */
struct native_state native_cpu __attribute__((visibility("hidden")));
u64 native_stack __attribute__((visibility("hidden")));
void native_enter(void);
void native_leave(void);

asm(".pushsection .text\n"
".globl native_enter, native_leave\n"
"native_enter:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rsp, native_stack(%rip)\n"
"	lea native_cpu(%rip), %rax\n"
"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	vmovdqu 144 + 32 * \\n(%rax), %ymm\\n\n"
"	.endr\n"
"	pushq 136(%rax)\n"
"	popfq\n"
"	mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 40(%rax), %rbp\n"
"	mov 48(%rax), %rsi; mov 56(%rax), %rdi\n"
"	.irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	mov 8 * \\n(%rax), %r\\n\n"
"	.endr\n"
"	mov 32(%rax), %rsp\n"
"	mov (%rax), %rax\n"
"	jmp *native_cpu+128(%rip)\n"
"native_leave:\n"
"	cld\n"
"	vzeroupper\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
".popsection\n");

static const u8 native_greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static bool native_inside;
static struct sigaction native_old[NSIG];
static const int native_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };

static void native_signal(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *g = uc->uc_mcontext.gregs;
	const u8 *xsave = (const u8 *)uc->uc_mcontext.fpregs;
	unsigned int i;

	if (!native_inside) {
		sigaction(sig, &native_old[sig], NULL);
		return;
	}
	for (i = 0; i < 16; i++) {
		native_cpu.gpr[i] = g[native_greg[i]];
		memcpy(native_cpu.ymm[i], xsave + 160 + 16 * i, 16);
		memcpy(native_cpu.ymm[i] + 16, xsave + 576 + 16 * i, 16);
		/* A clear bit 2 in XSTATE_BV: the upper halves are in their initial state. */
		if (!(xsave[512] & 4))
			memset(native_cpu.ymm[i] + 16, 0, 16);
	}
	native_cpu.rip = g[REG_RIP];
	native_cpu.rflags = g[REG_EFL];
	native_cpu.trapno = g[REG_TRAPNO];
	native_cpu.error = g[REG_ERR];
	native_cpu.cr2 = g[REG_CR2];
	g[REG_RIP] = (greg_t)native_leave;
	g[REG_RSP] = native_stack;
	g[REG_EFL] = 0x202;
	native_inside = false;
}

static void native_open(void)
{
	struct sigaction sa = { .sa_sigaction = native_signal };
	static u8 altstack[65536];
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	unsigned int i;

	sigaltstack(&ss, NULL);
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	for (i = 0; i < ARRAY_SIZE(native_signals); i++)
		sigaction(native_signals[i], &sa, &native_old[native_signals[i]]);
	syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE);
}

static void native_close(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(native_signals); i++)
		sigaction(native_signals[i], &native_old[native_signals[i]], NULL);
}

/* ---- the emulator's side ---- */

struct world {
	struct emul_ctxt c;
	u8 data[DATA_SIZE];	/* the emulator's copy */
	u8 start[DATA_SIZE];
	u8 ymm[16][32], ymm_start[16][32];
	u8 insn[16];
	bool unsafe;		/* touched what is not ours: do not run natively */
	u8 pool[POOL_SIZE];
	u64 seed;
	unsigned long run, skipped, unhandled, faults;
	unsigned long runs_of[256];	/* by template */
};

static struct world w;

static enum emul_result world_fault(struct emul_ctxt *c, u64 addr, bool write)
{
	c->fault = (struct emul_fault){
		.vector = 14, .has_error = true, .error = write ? 6 : 4, .addr = addr,
	};
	return EMUL_FAULT;
}

static enum emul_result world_data(struct emul_ctxt *c, u64 addr, unsigned int len, bool write,
				   u8 **p)
{
	if (addr >= DATA && addr < DATA + DATA_SIZE && len <= DATA + DATA_SIZE - addr) {
		*p = w.data + (addr - DATA);
		return EMUL_DONE;
	}
	if (addr < DATA - GUARD || addr >= DATA + DATA_SIZE + GUARD)
		w.unsafe = true;
	if (addr < DATA + DATA_SIZE && addr + len > DATA + DATA_SIZE)
		addr = DATA + DATA_SIZE;
	return world_fault(c, addr, write);
}

static enum emul_result world_fetch(struct emul_ctxt *c, gva_t addr, void *buf,
				    unsigned int len, unsigned int *got)
{
	memset(buf, 0xcc, len);
	if (addr >= INSN && addr < INSN + 15)
		memcpy(buf, w.insn + (addr - INSN), min_t(u64, len, INSN + 15 - addr));
	*got = len;
	return EMUL_DONE;
}

static enum emul_result world_read(struct emul_ctxt *c, gva_t addr, void *buf,
				   unsigned int len, unsigned int access)
{
	u8 *p;
	enum emul_result r = world_data(c, addr, len, access & EMUL_WRITE, &p);

	if (r == EMUL_DONE)
		memcpy(buf, p, len);
	return r;
}

static enum emul_result world_write(struct emul_ctxt *c, gva_t addr, const void *buf,
				    unsigned int len, unsigned int access)
{
	u8 *p;
	enum emul_result r = world_data(c, addr, len, true, &p);

	if (r == EMUL_DONE)
		memcpy(p, buf, len);
	return r;
}

static enum emul_result world_cmpxchg(struct emul_ctxt *c, gva_t addr, const void *old,
				      const void *new, unsigned int len, unsigned int access)
{
	u8 *p;
	enum emul_result r = world_data(c, addr, len, true, &p);

	if (r != EMUL_DONE)
		return r;
	if (memcmp(p, old, len))
		return EMUL_INTR;
	memcpy(p, new, len);
	return r;
}

static enum emul_result world_probe(struct emul_ctxt *c, gva_t addr, unsigned int len,
				    unsigned int access)
{
	u8 *p;

	return world_data(c, addr, len, true, &p);
}

static enum emul_result world_port(struct emul_ctxt *c, u16 port, unsigned int size)
{
	c->fault = (struct emul_fault){ .vector = 13, .has_error = true };
	return EMUL_FAULT;
}

static void world_vec_read(struct emul_ctxt *c, unsigned int nr, void *buf, unsigned int len)
{
	memcpy(buf, w.ymm[nr], len);
}

static void world_vec_write(struct emul_ctxt *c, unsigned int nr, const void *buf,
			    unsigned int len, bool zext)
{
	memcpy(w.ymm[nr], buf, len);
	if (zext)
		memset(w.ymm[nr] + len, 0, 32 - len);
}

static const struct emul_ops world_ops = {
	.fetch = world_fetch,
	.read = world_read,
	.write = world_write,
	.cmpxchg = world_cmpxchg,
	.probe_write = world_probe,
	.port_check = world_port,
	.vec_read = world_vec_read,
	.vec_write = world_vec_write,
};

/* ---- random instructions ---- */

#define CF	0x001
#define PF	0x004
#define AF	0x010
#define ZF	0x040
#define SF	0x080
#define OF	0x800
#define ALL	(CF | PF | AF | ZF | SF | OF)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { ONE, M0F, M38, V0F, V38 };

struct template {
	const char *group;
	u8 map, first, last;
	bool modrm;
	u8 regs;	/* of a group: a bit for each; 0: all */
	u16 undefined;	/* flags */
	u8 imm;		/* 8: random; 4: near; 'm': an address */
};

static const struct template templates[] = {
	{ "alu", ONE, 0x00, 0x03, .modrm = true, .imm = 8 },
	{ "alu", ONE, 0x10, 0x13, .modrm = true },
	{ "alu", ONE, 0x18, 0x1b, .modrm = true },
	{ "alu", ONE, 0x28, 0x2b, .modrm = true },
	{ "alu", ONE, 0x38, 0x3b, .modrm = true },
	{ "alu imm", ONE, 0x04, 0x05, .modrm = false },
	{ "alu imm", ONE, 0x14, 0x15, .modrm = false },
	{ "alu imm", ONE, 0x1c, 0x1d, .modrm = false },
	{ "alu imm", ONE, 0x2c, 0x2d, .modrm = false },
	{ "alu imm", ONE, 0x3c, 0x3d, .modrm = false },
	{ "logic", ONE, 0x08, 0x0b, .modrm = true, .undefined = AF },
	{ "logic", ONE, 0x20, 0x23, .modrm = true, .undefined = AF },
	{ "logic", ONE, 0x30, 0x33, .modrm = true, .undefined = AF },
	{ "logic imm", ONE, 0x0c, 0x0d, .modrm = false, .undefined = AF },
	{ "logic imm", ONE, 0x24, 0x25, .modrm = false, .undefined = AF },
	{ "logic imm", ONE, 0x34, 0x35, .modrm = false, .undefined = AF },
	{ "group 1", ONE, 0x80, 0x83, .modrm = true, .regs = 0xad },
	{ "group 1 logic", ONE, 0x80, 0x83, .modrm = true, .regs = 0x52, .undefined = AF },
	{ "no64", ONE, 0x06, 0x07, .modrm = false },
	{ "no64", ONE, 0x27, 0x27, .modrm = false },
	{ "no64", ONE, 0x60, 0x61, .modrm = false },
	{ "no64", ONE, 0xd4, 0xd6, .modrm = false },
	{ "push pop", ONE, 0x50, 0x5f, .modrm = false },
	{ "movsxd", ONE, 0x63, 0x63, .modrm = true },
	{ "push imm", ONE, 0x68, 0x68, .modrm = false },
	{ "push imm", ONE, 0x6a, 0x6a, .modrm = false },
	{ "imul", ONE, 0x69, 0x69, .modrm = true, .undefined = SF | ZF | AF | PF },
	{ "imul", ONE, 0x6b, 0x6b, .modrm = true, .undefined = SF | ZF | AF | PF },
	{ "ins outs", ONE, 0x6c, 0x6f, .modrm = false },
	{ "jcc", ONE, 0x70, 0x7f, .modrm = false },
	{ "test", ONE, 0x84, 0x85, .modrm = true, .undefined = AF },
	{ "xchg", ONE, 0x86, 0x87, .modrm = true },
	{ "mov", ONE, 0x88, 0x8b, .modrm = true },
	{ "lea", ONE, 0x8d, 0x8d, .modrm = true },
	{ "pop rm", ONE, 0x8f, 0x8f, .modrm = true, .regs = 1 },
	{ "xchg", ONE, 0x90, 0x97, .modrm = false },
	{ "cbw", ONE, 0x98, 0x99, .modrm = false },
	{ "pushf popf", ONE, 0x9c, 0x9d, .modrm = false },
	{ "sahf", ONE, 0x9e, 0x9f, .modrm = false },
	{ "moffs", ONE, 0xa0, 0xa3, .modrm = false, .imm = 'm' },
	{ "string", ONE, 0xa4, 0xa7, .modrm = false },
	{ "string", ONE, 0xaa, 0xaf, .modrm = false },
	{ "test imm", ONE, 0xa8, 0xa9, .modrm = false, .undefined = AF },
	{ "mov imm", ONE, 0xb0, 0xbf, .modrm = false },
	{ "shift", ONE, 0xc0, 0xc1, .modrm = true },
	{ "shift", ONE, 0xd0, 0xd3, .modrm = true },
	{ "ret", ONE, 0xc2, 0xc3, .modrm = false },
	{ "mov imm", ONE, 0xc6, 0xc7, .modrm = true, .regs = 1 },
	{ "leave", ONE, 0xc9, 0xc9, .modrm = false },
	{ "xlat", ONE, 0xd7, 0xd7, .modrm = false },
	{ "loop", ONE, 0xe0, 0xe3, .modrm = false },
	{ "in out", ONE, 0xe4, 0xe7, .modrm = false },
	{ "in out", ONE, 0xec, 0xef, .modrm = false },
	{ "call jmp", ONE, 0xe8, 0xe9, .modrm = false, .imm = 4 },
	{ "jmp", ONE, 0xeb, 0xeb, .modrm = false },
	{ "flags", ONE, 0xf5, 0xf5, .modrm = false },
	{ "flags", ONE, 0xf8, 0xf9, .modrm = false },
	{ "flags", ONE, 0xfc, 0xfd, .modrm = false },
	{ "test", ONE, 0xf6, 0xf7, .modrm = true, .regs = 3, .undefined = AF },
	{ "not neg", ONE, 0xf6, 0xf7, .modrm = true, .regs = 0xc },
	{ "mul", ONE, 0xf6, 0xf7, .modrm = true, .regs = 0x30, .undefined = SF | ZF | AF | PF },
	{ "div", ONE, 0xf6, 0xf7, .modrm = true, .regs = 0xc0, .undefined = ALL },
	{ "inc dec", ONE, 0xfe, 0xff, .modrm = true, .regs = 3 },
	{ "group 5", ONE, 0xff, 0xff, .modrm = true, .regs = 0xd4 },
	{ "ud2", M0F, 0x0b, 0x0b, .modrm = false },
	{ "ud0", M0F, 0xff, 0xff, .modrm = true },
	{ "prefetch", M0F, 0x0d, 0x0d, .modrm = true, .regs = 3 },
	{ "nop", M0F, 0x1f, 0x1f, .modrm = true },
	{ "prefetch", M0F, 0x18, 0x18, .modrm = true, .regs = 0xf },
	{ "cmov", M0F, 0x40, 0x4f, .modrm = true },
	{ "jcc", M0F, 0x80, 0x8f, .modrm = false, .imm = 4 },
	{ "setcc", M0F, 0x90, 0x9f, .modrm = true },
	{ "bt", M0F, 0xa3, 0xa3, .modrm = true, .undefined = OF | SF | AF | PF },
	{ "bt", M0F, 0xab, 0xab, .modrm = true, .undefined = OF | SF | AF | PF },
	{ "bt", M0F, 0xb3, 0xb3, .modrm = true, .undefined = OF | SF | AF | PF },
	{ "bt", M0F, 0xbb, 0xbb, .modrm = true, .undefined = OF | SF | AF | PF },
	{ "bt imm", M0F, 0xba, 0xba, .modrm = true, .undefined = OF | SF | AF | PF },
	{ "shiftd", M0F, 0xa4, 0xa5, .modrm = true },
	{ "shiftd", M0F, 0xac, 0xad, .modrm = true },
	{ "fence", M0F, 0xae, 0xae, .modrm = true, .regs = 0xe0 },
	{ "imul", M0F, 0xaf, 0xaf, .modrm = true, .undefined = SF | ZF | AF | PF },
	{ "cmpxchg", M0F, 0xb0, 0xb1, .modrm = true },
	{ "movx", M0F, 0xb6, 0xb7, .modrm = true },
	{ "movx", M0F, 0xbe, 0xbf, .modrm = true },
	{ "xadd", M0F, 0xc0, 0xc1, .modrm = true },
	{ "movnti", M0F, 0xc3, 0xc3, .modrm = true },
	{ "cmpxchg8b", M0F, 0xc7, 0xc7, .modrm = true, .regs = 2 },
	{ "bswap", M0F, 0xc8, 0xcf, .modrm = false },
	{ "movbe", M38, 0xf0, 0xf1, .modrm = true },
	{ "sse", M0F, 0x10, 0x13, .modrm = true },
	{ "sse", M0F, 0x16, 0x17, .modrm = true },
	{ "sse", M0F, 0x28, 0x29, .modrm = true },
	{ "sse", M0F, 0x2b, 0x2b, .modrm = true },
	{ "sse", M0F, 0x6e, 0x6f, .modrm = true },
	{ "sse", M0F, 0x7e, 0x7f, .modrm = true },
	{ "sse", M0F, 0xd6, 0xd6, .modrm = true },
	{ "sse", M0F, 0xe7, 0xe7, .modrm = true },
	{ "sse", M0F, 0xf0, 0xf0, .modrm = true },
	{ "sse", M38, 0x2a, 0x2a, .modrm = true },
	{ "avx", V0F, 0x10, 0x13, .modrm = true },
	{ "avx", V0F, 0x16, 0x17, .modrm = true },
	{ "avx", V0F, 0x28, 0x29, .modrm = true },
	{ "avx", V0F, 0x2b, 0x2b, .modrm = true },
	{ "avx", V0F, 0x6e, 0x6f, .modrm = true },
	{ "avx", V0F, 0x7e, 0x7f, .modrm = true },
	{ "avx", V0F, 0xd6, 0xd6, .modrm = true },
	{ "avx", V0F, 0xe7, 0xe7, .modrm = true },
	{ "avx", V0F, 0xf0, 0xf0, .modrm = true },
	{ "avx", V38, 0x2a, 0x2a, .modrm = true },
};

static u64 rnd_state;

static u64 rnd(void)
{
	u64 z = rnd_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static bool chance(unsigned int percent)
{
	return rnd() % 100 < percent;
}

static u64 rnd_address(void)
{
	u64 off = rnd() % DATA_SIZE;

	if (chance(5))		/* at the edge */
		off = DATA_SIZE - rnd() % 40;
	else if (chance(30))
		off &= ~31ULL;
	return DATA + off;
}

static u64 rnd_value(void)
{
	static const u64 edges[] = {
		0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};

	switch (rnd() % 4) {
	case 0:
		return edges[rnd() % ARRAY_SIZE(edges)];
	case 1:
		return (s64)(rnd() % 128) - 64;
	default:
		return rnd();
	}
}

static unsigned int put_prefixes(const struct template *t, u8 *p)
{
	static const u8 segs[] = { 0x26, 0x2e, 0x36, 0x3e, 0x65 };
	bool string = t->first >= 0x6c && t->last <= 0xaf && !t->modrm && t->map == ONE;
	bool vec = t->map >= V0F || !strcmp(t->group, "sse");
	unsigned int n = 0;

	if (chance(!strcmp(t->group, "movsxd") ? 0 :	/* of a word AMD CPUs read two */
		   vec && t->map < V0F ? 40 : t->map >= V0F ? 2 : 20))
		p[n++] = 0x66;
	if (chance(10))
		p[n++] = 0x67;
	if (chance(!strcmp(t->group, "loop") ? 0 :	/* AMD CPUs take another condition */
		   string || (vec && t->map < V0F) ? 50 : vec ? 2 : 8))
		p[n++] = chance(50) ? 0xf2 : 0xf3;
	if (chance(vec ? 2 : 10))
		p[n++] = 0xf0;
	if (chance(10))
		p[n++] = segs[rnd() % ARRAY_SIZE(segs)];
	if (chance(t->map >= V0F ? 2 : 50))
		p[n++] = 0x40 | (rnd() & 15);
	return n;
}

static unsigned int put_opcode(const struct template *t, u8 *p)
{
	u8 op = t->first + rnd() % (t->last - t->first + 1), last = rnd();
	unsigned int n = 0;

	if (chance(70))
		last |= 0x78;
	switch (t->map) {
	case M0F:
		p[n++] = 0x0f;
		break;
	case M38:
		p[n++] = 0x0f;
		p[n++] = 0x38;
		break;
	case V0F:
	case V38:
		if (t->map == V0F && chance(50)) {
			p[n++] = 0xc5;
			p[n++] = last;
			break;
		}
		p[n++] = 0xc4;
		p[n++] = (rnd() & 0xe0) | (t->map == V0F ? 1 : 2);
		p[n++] = last;
		break;
	}
	p[n++] = op;
	return n;
}

static unsigned int put_disp32(u8 *p, s32 disp)
{
	memcpy(p, &disp, 4);
	return 4;
}

static unsigned int put_modrm(const struct template *t, u8 *p, u64 at)
{
	u8 modrm = rnd(), mod, rm;
	unsigned int n = 0;
	s32 disp = (s32)(rnd() % 512) - 256;

	while (t->regs && !(t->regs >> (modrm >> 3 & 7) & 1))
		modrm = rnd();
	if (chance(30))
		modrm |= 0xc0;
	mod = modrm >> 6;
	rm = modrm & 7;
	p[n++] = modrm;
	if (mod == 3)
		return n;
	if (rm == 4) {
		p[n++] = rnd();
		if (mod == 0 && (p[n - 1] & 7) == 5)
			return n + put_disp32(p + n, chance(50) ? (s32)rnd_address() : disp);
	}
	if (mod == 0 && rm == 5)
		return n + put_disp32(p + n, rnd_address() - at - 8);
	if (mod == 1)
		p[n++] = rnd();
	if (mod == 2)
		n += put_disp32(p + n, disp);
	return n;
}

static unsigned int put_imm(const struct template *t, u8 *p)
{
	u64 imm = rnd_value();

	if (t->imm == 4)
		imm = (s64)(rnd() % 0x1000) - 0x800;
	if (t->imm == 'm')
		imm = rnd_address();
	memcpy(p, &imm, 8);
	return 8;
}

static void make_insn(const struct template *t)
{
	u8 buf[48];
	unsigned int n;

	n = put_prefixes(t, buf);
	n += put_opcode(t, buf + n);
	if (t->modrm)
		n += put_modrm(t, buf + n, INSN + n);
	put_imm(t, buf + n);
	memcpy(w.insn, buf, 15);
}

static void make_data(void)
{
	unsigned int i;

	switch (rnd() % 4) {
	case 0:
		memset(w.start, 0, DATA_SIZE);
		break;
	case 1:
		for (i = 0; i < DATA_SIZE; i += 8)
			memcpy(w.start + i, &w.c.gpr[RAX], 8);
		break;
	default:
		memcpy(w.start, w.pool + (rnd() % (POOL_SIZE - DATA_SIZE)), DATA_SIZE);
		break;
	}
	memcpy(w.data, w.start, DATA_SIZE);
}

static void make_state(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		w.c.gpr[i] = chance(45) ? rnd_address() : rnd_value();
	if (chance(90)) {
		w.c.gpr[RSP] = DATA + 0x1000 + (rnd() % 256) * 8 - 1024;
		w.c.gpr[RBP] = rnd_address();
	}
	if (chance(70)) {
		w.c.gpr[RSI] = rnd_address();
		w.c.gpr[RDI] = rnd_address();
		w.c.gpr[RCX] = rnd() % 24;
	}
	w.c.rip = INSN;
	w.c.rflags = (rnd() & (ALL | (chance(50) ? 0x400 : 0))) | 0x202;
	for (i = 0; i < 16; i++)
		memcpy(w.ymm[i], w.pool + rnd() % (POOL_SIZE - 32), 32);
	memcpy(w.ymm_start, w.ymm, sizeof(w.ymm));
}

/* ---- comparison ---- */

/* Flags that a shift leaves undefined depend on its count. */
static u16 shift_undefined(const struct emul_ctxt *before, const struct emul_decoded *d,
			   const struct template *t)
{
	unsigned int size = t->map == ONE && !(d->opcode & 1) ? 1 : d->opsize, count, bits;
	bool rotate = t->map == ONE && (d->reg & 7) < 4;

	if (t->map == ONE && d->opcode >= 0xd0)
		count = d->opcode < 0xd2 ? 1 : before->gpr[RCX] & 0xff;
	else if (t->map == M0F && d->opcode & 1)
		count = before->gpr[RCX] & 0xff;
	else
		count = w.c.insn[w.c.insn_len - 1];
	count &= size == 8 ? 63 : 31;
	bits = size * 8;
	if (!count)
		return 0;
	if (t->map == M0F && count > bits)
		return ALL;
	return (count != 1 ? OF : 0) | (rotate ? 0 : AF) | (!rotate && count >= bits ? CF : 0);
}

static u16 undefined_flags(const struct emul_ctxt *before, const struct template *t)
{
	struct emul_decoded d;

	if (strncmp(t->group, "shift", 5))
		return t->undefined;
	emul_decoded(&w.c, &d);
	return shift_undefined(before, &d, t);
}

/* A double shift of a word by more than 16 has no defined result either. */
static bool undefined_result(const struct template *t, u16 undefined)
{
	struct emul_decoded d;

	emul_decoded(&w.c, &d);
	if (!strcmp(t->group, "bswap"))
		return d.opsize == 2;
	return !strcmp(t->group, "shiftd") && undefined == ALL;
}

static void complain(const struct template *t, const char *what, u64 cpu, u64 emul)
{
	char hex[3 * 15 + 1] = "";
	unsigned int i;

	for (i = 0; i < w.c.insn_len; i++)
		sprintf(hex + 3 * i, "%02x ", w.c.insn[i]);
	if (tap_failures++ < TAP_MAX_NOTES)
		tap_note("%s: %s: %s: CPU %llx, emulator %llx", t->group, hex, what, cpu, emul);
}

/* CMPS and CALL touch two places; which faults first is the CPU's choice. */
static bool either_fault(const struct template *t)
{
	u8 op = w.c.insn[w.c.insn_len - 1] & 0xfe;

	return !strcmp(t->group, "group 5") || (!strcmp(t->group, "string") && op == 0xa6);
}

static void compare_fault(const struct template *t)
{
	const struct emul_fault *f = &w.c.fault;

	w.faults++;
	if (native_cpu.trapno != 3 && either_fault(t))
		return;

	if (native_cpu.trapno != f->vector)
		complain(t, "vector", native_cpu.trapno, f->vector);
	else if (f->vector == 14 && native_cpu.cr2 != f->addr)
		complain(t, "CR2", native_cpu.cr2, f->addr);
	else if (f->has_error && native_cpu.error != f->error)
		complain(t, "error code", native_cpu.error, f->error);
	if (native_cpu.rip != w.c.rip)
		complain(t, "RIP at the fault", native_cpu.rip, w.c.rip);
}

static void compare_end(const struct template *t)
{
	u64 rip = native_cpu.rip;

	if (native_cpu.trapno == 3)
		rip--;
	else if (native_cpu.trapno != 14 || !(native_cpu.error & 16))
		return complain(t, "vector", native_cpu.trapno, 3);
	if (rip != w.c.rip)
		complain(t, "RIP", rip, w.c.rip);
}

static void compare_rest(const struct template *t, u16 undefined)
{
	u64 flags = (ALL | 0x400) & ~undefined;
	char name[16];
	unsigned int i;

	for (i = 0; i < 16; i++) {
		sprintf(name, "GPR %u", i);
		if (native_cpu.gpr[i] != w.c.gpr[i])
			complain(t, name, native_cpu.gpr[i], w.c.gpr[i]);
		sprintf(name, "YMM %u", i);
		if (memcmp(native_cpu.ymm[i], w.ymm[i], 32))
			complain(t, name, *(u64 *)native_cpu.ymm[i], *(u64 *)w.ymm[i]);
	}
	if ((native_cpu.rflags & flags) != (w.c.rflags & flags))
		complain(t, "RFLAGS", native_cpu.rflags & flags, w.c.rflags & flags);
	for (i = 0; i < DATA_SIZE && memcmp((u8 *)DATA, w.data, DATA_SIZE); i++) {
		if (((u8 *)DATA)[i] != w.data[i]) {
			sprintf(name, "memory %x", i);
			return complain(t, name, ((u8 *)DATA)[i], w.data[i]);
		}
	}
}

static enum emul_result emulate(void)
{
	enum emul_result r;

	do {
		r = emul_step(&w.c);
	} while (r == EMUL_AGAIN);
	return r;
}

/* A jump may land on our INT3s or on nothing, not in itself; the flags must not hurt us. */
static bool safe_end(enum emul_result r)
{
	u64 rip = w.c.rip;

	if (r == EMUL_DONE && rip >= INSN && rip < INSN + w.c.insn_len)
		return false;
	if (w.unsafe || w.c.rflags & 0x44100)	/* AC, NT, TF */
		return false;
	return (rip >= CODE && rip < CODE + 0x3000) || (rip >= DATA - GUARD && rip < DATA);
}

/* Register forms have no business in memory, but for CALL, PUSH and POP. */
static bool stray_access(const struct template *t)
{
	struct emul_decoded d;

	emul_decoded(&w.c, &d);
	return w.unsafe && d.has_modrm && d.modrm >= 0xc0 && strcmp(t->group, "group 5") &&
	       strcmp(t->group, "pop rm");
}

static void run_native(const struct emul_ctxt *before)
{
	memcpy((void *)DATA, w.start, DATA_SIZE);
	memset((void *)INSN, 0xcc, 16);
	memcpy((void *)INSN, w.insn, min_t(unsigned int, w.c.insn_len, 15));
	memcpy(native_cpu.gpr, before->gpr, sizeof(native_cpu.gpr));
	memcpy(native_cpu.ymm, w.ymm_start, sizeof(w.ymm));
	native_cpu.rip = before->rip;
	native_cpu.rflags = before->rflags;
	native_inside = true;
	native_enter();
}

/*
 * Where the two may differ: AMD asks for the port's permission even if REP
 * counts zero, and the emulator does not walk the page tables for CLFLUSH.
 */
static bool excused(const struct template *t)
{
	if (!strcmp(t->group, "ins outs"))
		return native_cpu.trapno == 13;
	return !strcmp(t->group, "fence") && native_cpu.trapno == 14;
}

static void one_case(const struct template *t)
{
	struct emul_ctxt before;
	enum emul_result r;
	u16 undefined;

	make_insn(t);
	make_state();
	make_data();
	w.unsafe = false;
	before = w.c;
	r = emulate();
	if (r == EMUL_UNHANDLED) {
		w.unhandled++;
		return;
	}
	if (r != EMUL_DONE && r != EMUL_FAULT)
		return complain(t, "result", 0, r);
	if (stray_access(t))
		complain(t, "memory touched by a register form", 0, 1);
	if (!safe_end(r)) {
		w.skipped++;
		return;
	}
	undefined = undefined_flags(&before, t);
	run_native(&before);
	w.run++;
	w.runs_of[t - templates]++;
	if (r == EMUL_DONE && excused(t))
		return;
	if (r == EMUL_FAULT)
		compare_fault(t);
	else
		compare_end(t);
	if (!undefined_result(t, undefined))
		compare_rest(t, r == EMUL_FAULT ? 0 : undefined);
}

static bool native_map(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	int prot = PROT_READ | PROT_WRITE;
	void *code = (void *)CODE, *data = (void *)DATA;

	if (mmap(code, 0x3000, prot | PROT_EXEC, flags, -1, 0) != code ||
	    mmap(data, DATA_SIZE, prot, flags, -1, 0) != data)
		return false;
	memset(code, 0xcc, 0x3000);
	return true;
}

static bool native_cpuid(void)
{
	unsigned int a, b, c, d;

	__cpuid_count(0, 0, a, b, c, d);
	w.c.amd_branch16 = b == 0x68747541;	/* "Auth" */
	__cpuid_count(1, 0, a, b, c, d);
	w.c.has_movbe = c & BIT(22);
	w.c.has_avx = c & BIT(28);
	w.c.has_cx16 = c & BIT(13);
	__cpuid_count(7, 0, a, b, c, d);
	w.c.has_avx2 = b & BIT(5);
	return w.c.has_avx && w.c.has_avx2;
}

static void world_start(void)
{
	const char *seed = getenv("SEED");
	unsigned int i;

	w.seed = seed ? strtoull(seed, NULL, 0) : (u64)time(NULL) * 1000003 + getpid();
	rnd_state = w.seed;
	for (i = 0; i < POOL_SIZE; i++)
		w.pool[i] = rnd();
	w.c.ops = &world_ops;
	w.c.mode = EMUL_LONG;
	w.c.cpl = 3;
	w.c.cr0 = 0x80050033;
	w.c.cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	w.c.xcr0 = 7;
	w.c.seg[EMUL_GS].base = GS_BASE;
}

TEST(native)
{
	const char *cases = getenv("CASES");
	unsigned long n = cases ? strtoul(cases, NULL, 0) : 300000, i;

	if (!native_cpuid())
		SKIP("needs AVX2");
	if (!native_map())
		SKIP("cannot map the sandbox");
	world_start();
	native_open();
	for (i = 0; i < n && tap_failures < 1000; i++)
		one_case(&templates[rnd() % ARRAY_SIZE(templates)]);
	native_close();
	tap_note("seed %llu: %lu instructions run on CPU and emulator, %lu of them faults; "
		 "%lu not emulated, %lu not safe to run", w.seed, w.run, w.faults, w.unhandled,
		 w.skipped);
	EXPECT_GT(w.run, n / 2);
	for (i = 0; i < ARRAY_SIZE(templates) && n >= 100000; i++)
		EXPECT_GT(w.runs_of[i], 20);
}

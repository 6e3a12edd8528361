// SPDX-License-Identifier: GPL-2.0
/*
 * mmio.c - each form of instruction that may reach MMIO does there what it does in RAM
 *
 * A form is executed twice from the same registers: with its memory operands in RAM,
 * and with the same bytes in memory that is answered by exits. Registers, flags, memory
 * and the exception, if there is one, must be the same. Operands are (%rdi), and for
 * those that have two (%rsi). RCX is small, for counts; RDX is small and signed, for bit
 * offsets.
 */
#include "lib.h"

struct form {
	u64 code;
	const char *text;
	u64 undefined;		/* flags */
	u64 kind;
};

extern const struct form forms[], forms_end[];

enum {
	K_LOCK = 1,	/* an exit from within TCG's locked access across a page loses flags */
	K_AVX = 2,
};

#define A_ALL	0x8d5	/* OF SF ZF AF PF CF */
#define A_LOG	0x010	/* AF after a logical operation */
#define A_SHIFT	0x810
#define A_BT	0x894	/* all but CF and ZF */
#define A_MUL	0x0d4
#define A_DIV	A_ALL

#define FORM3(text, undef, kind)						\
	asm(".pushsection .text\n771: " text "\nret\n.popsection\n"		\
	    ".pushsection .rodata\n772: .asciz \"" text "\"\n.popsection\n"	\
	    ".pushsection .forms, \"a\"\n.quad 771b, 772b, " #undef ", " #kind "\n.popsection")
#define FORM2(text, undef)	FORM3(text, undef, 0)
#define FORM(text)		FORM2(text, 0)
#define FORM_LOCK(text, undef)	FORM3(text, undef, 1)

/* One for each operand size */
#define SIZES(op, args_b, args_w, args_l, args_q)				\
	FORM(op "b " args_b); FORM(op "w " args_w); FORM(op "l " args_l); FORM(op "q " args_q)
#define REG_MEM(op)	SIZES(op, "%al, (%rdi)", "%ax, (%rdi)", "%eax, (%rdi)", "%rax, (%rdi)")
#define MEM_REG(op)	SIZES(op, "(%rdi), %al", "(%rdi), %ax", "(%rdi), %eax", "(%rdi), %rax")
#define IMM_MEM(op)	SIZES(op, "$0x5a, (%rdi)", "$0x5a5b, (%rdi)", "$0x12345678, (%rdi)", \
			      "$-0x12345678, (%rdi)")
#define ALU(op)		REG_MEM(op); MEM_REG(op); IMM_MEM(op);			\
			FORM(op "w $-3, (%rdi)"); FORM(op "l $-3, (%rdi)"); FORM(op "q $-3, (%rdi)")
#define LOGIC2(op, undef)							\
	FORM2(op "b %al, (%rdi)", undef); FORM2(op "w %ax, (%rdi)", undef);	\
	FORM2(op "l %eax, (%rdi)", undef); FORM2(op "q %rax, (%rdi)", undef);	\
	FORM2(op "b $0x5a, (%rdi)", undef); FORM2(op "w $0x5a5b, (%rdi)", undef);	\
	FORM2(op "l $0x12345678, (%rdi)", undef); FORM2(op "q $-2, (%rdi)", undef)
#define LOGIC(op)								\
	LOGIC2(op, A_LOG);							\
	FORM2(op "b (%rdi), %bl", A_LOG); FORM2(op "w (%rdi), %bx", A_LOG);	\
	FORM2(op "l (%rdi), %ebx", A_LOG); FORM2(op "q (%rdi), %rbx", A_LOG)
#define LOCKED(op)								\
	FORM3("lock " op "b %al, (%rdi)", 0, 1); FORM3("lock " op "l %eax, (%rdi)", 0, 1);	\
	FORM3("lock " op "q $1, (%rdi)", 0, 1)
#define UNARY(op)								\
	FORM(op "b (%rdi)"); FORM(op "w (%rdi)"); FORM(op "l (%rdi)"); FORM(op "q (%rdi)");	\
	FORM3("lock " op "l (%rdi)", 0, 1)
#define SHIFT(op)								\
	FORM2(op "b $1, (%rdi)", A_LOG); FORM2(op "l $1, (%rdi)", A_LOG);	\
	FORM2(op "q $1, (%rdi)", A_LOG);					\
	FORM2(op "b $3, (%rdi)", A_SHIFT); FORM2(op "w $5, (%rdi)", A_SHIFT);	\
	FORM2(op "l $33, (%rdi)", A_SHIFT); FORM2(op "q $33, (%rdi)", A_SHIFT);	\
	FORM2(op "b %cl, (%rdi)", A_SHIFT); FORM2(op "w %cl, (%rdi)", A_SHIFT);	\
	FORM2(op "l %cl, (%rdi)", A_SHIFT); FORM2(op "q %cl, (%rdi)", A_SHIFT)
#define BITS(op)								\
	FORM2(op "w %dx, (%rdi)", A_BT); FORM2(op "l %edx, (%rdi)", A_BT);	\
	FORM2(op "q %rdx, (%rdi)", A_BT);					\
	FORM2(op "w $5, (%rdi)", A_BT); FORM2(op "l $37, (%rdi)", A_BT);	\
	FORM2(op "q $61, (%rdi)", A_BT)
#define EXTEND(op)								\
	FORM(op "bw (%rdi), %ax"); FORM(op "bl (%rdi), %eax"); FORM(op "bq (%rdi), %rax");	\
	FORM(op "wl (%rdi), %eax"); FORM(op "wq (%rdi), %rax")
#define STRING(op)	FORM(op "b"); FORM(op "w"); FORM(op "l"); FORM(op "q")
#define REPEAT(prefix, op)							\
	FORM(prefix " " op "b"); FORM(prefix " " op "w"); FORM(prefix " " op "l");	\
	FORM(prefix " " op "q")
#define DOWN(op)	FORM("std; " op "b; cld"); FORM("std; " op "l; cld"); FORM("std; " op "q; cld")
#define SSE(op)		FORM(op " (%rdi), %xmm1"); FORM(op " %xmm0, (%rdi)")
#define AVX(op)									\
	FORM3(op " (%rdi), %xmm1", 0, 2); FORM3(op " %xmm0, (%rdi)", 0, 2);	\
	FORM3(op " (%rdi), %ymm1", 0, 2); FORM3(op " %ymm0, (%rdi)", 0, 2)

/* ---- moves ---- */
REG_MEM("mov");
MEM_REG("mov");
IMM_MEM("mov");
FORM("movb %ah, (%rdi)");
FORM("movb (%rdi), %bh");
FORM("movb %sil, (%rdi)");
FORM("movb (%rdi), %r9b");
FORM("movq %r11, (%rdi)");
FORM("movl (%rdi), %r12d");
FORM("movl 8(%rdi), %eax");
FORM("movl -8(%rdi,%rcx,4), %eax");
FORM("movq %rax, 0x10(%rdi,%rcx,8)");
FORM("movl %fs:(%rdi), %eax");
FORM("movw %ds, (%rdi)");
FORM("movw (%rdi), %ax; movw %cs, (%rdi)");
FORM("movl (%edi), %eax");
FORM("movnti %eax, (%rdi)");
FORM("movnti %rax, (%rdi)");
FORM("movslq (%rdi), %rax");
EXTEND("movz");
EXTEND("movs");
FORM("movbew (%rdi), %ax");
FORM("movbel (%rdi), %eax");
FORM("movbeq (%rdi), %rax");
FORM("movbew %ax, (%rdi)");
FORM("movbel %eax, (%rdi)");
FORM("movbeq %rax, (%rdi)");
FORM("cmovcl (%rdi), %eax");
FORM("cmovncq (%rdi), %rax");
FORM("cmovzw (%rdi), %ax");
FORM("cmovgl (%rdi), %eax");
FORM("setc (%rdi)");
FORM("setnle (%rdi)");
FORM("setp (%rdi)");

/* ---- arithmetic ---- */
ALU("add");
ALU("adc");
ALU("sub");
ALU("sbb");
ALU("cmp");
LOGIC("and");
LOGIC("or");
LOGIC("xor");
LOGIC2("test", A_LOG);
LOCKED("add");
LOCKED("adc");
LOCKED("sub");
LOCKED("sbb");
FORM_LOCK("lock orl $5, (%rdi)", A_LOG);
FORM_LOCK("lock andq %rax, (%rdi)", A_LOG);
FORM_LOCK("lock xorw %ax, (%rdi)", A_LOG);
UNARY("inc");
UNARY("dec");
UNARY("not");
UNARY("neg");
SHIFT("rol");
SHIFT("ror");
SHIFT("rcl");
SHIFT("rcr");
SHIFT("shl");
SHIFT("shr");
SHIFT("sar");
FORM2("shldl $5, %eax, (%rdi)", A_SHIFT);
FORM2("shldq %cl, %rax, (%rdi)", A_SHIFT);
FORM2("shrdl $5, %eax, (%rdi)", A_SHIFT);
FORM2("shrdq %cl, %rax, (%rdi)", A_SHIFT);
FORM2("mulb (%rdi)", A_MUL);
FORM2("mull (%rdi)", A_MUL);
FORM2("mulq (%rdi)", A_MUL);
FORM2("imulb (%rdi)", A_MUL);
FORM2("imulq (%rdi)", A_MUL);
FORM2("imull (%rdi), %eax", A_MUL);
FORM2("imulq (%rdi), %rax", A_MUL);
FORM2("imull $17, (%rdi), %eax", A_MUL);
FORM2("imulw $-1717, (%rdi), %ax", A_MUL);
FORM2("divb (%rdi)", A_DIV);
FORM2("xor %edx, %edx; divl (%rdi)", A_DIV);
FORM2("xor %edx, %edx; divq (%rdi)", A_DIV);
FORM2("cltd; idivl (%rdi)", A_DIV);
FORM2("cqto; idivq (%rdi)", A_DIV);

/* ---- exchange ---- */
FORM3("xchgb %al, (%rdi)", 0, 1);
FORM3("xchgw %ax, (%rdi)", 0, 1);
FORM3("xchgl %eax, (%rdi)", 0, 1);
FORM3("xchgq %rax, (%rdi)", 0, 1);
FORM3("lock xchgl %eax, (%rdi)", 0, 1);
REG_MEM("xadd");
FORM3("lock xaddl %eax, (%rdi)", 0, 1);
REG_MEM("cmpxchg");
FORM3("lock cmpxchgl %ebx, (%rdi)", 0, 1);
FORM("mov (%rdi), %rax; cmpxchgq %rbx, (%rdi)");
FORM3("mov (%rdi), %eax; lock cmpxchgl %ebx, (%rdi)", 0, 1);
FORM("mov (%rdi), %al; cmpxchgb %bl, (%rdi)");
FORM("cmpxchg8b (%rdi)");
FORM3("mov (%rdi), %eax; mov 4(%rdi), %edx; lock cmpxchg8b (%rdi)", 0, 1);
FORM("cmpxchg16b (%rdi)");
FORM3("mov (%rdi), %rax; mov 8(%rdi), %rdx; lock cmpxchg16b (%rdi)", 0, 1);
BITS("bt");
BITS("bts");
BITS("btr");
BITS("btc");
FORM_LOCK("lock btsl %edx, (%rdi)", A_BT);

/* ---- strings ---- */
STRING("movs");
STRING("stos");
STRING("lods");
STRING("cmps");
STRING("scas");
REPEAT("rep", "movs");
REPEAT("rep", "stos");
REPEAT("rep", "lods");
REPEAT("repe", "cmps");
REPEAT("repne", "cmps");
REPEAT("repe", "scas");
REPEAT("repne", "scas");
DOWN("movs");
DOWN("rep stos");
DOWN("rep movs");
DOWN("repe cmps");

/* ---- stack and branches ---- */
FORM("pushq (%rdi); popq %rax");
FORM("pushw (%rdi); popw %ax");
FORM("pushq %rax; popq (%rdi)");
FORM("pushw %ax; popw (%rdi)");
FORM("lea 1f(%rip), %rax; xchg %rax, (%rdi); jmpq *(%rdi); ud2; 1: xor %eax, %eax; mov %rax, (%rdi)");
FORM("lea 1f(%rip), %rax; mov %rax, (%rdi); callq *(%rdi); ud2; 1: pop %rax; xor %eax, %eax; mov %rax, (%rdi)");
FORM("mov %rdi, %rbx; xlat");
FORM("prefetcht0 (%rdi)");
FORM("nopl (%rdi)");
FORM("clflush (%rdi)");

/* ---- vectors ---- */
SSE("movups");
SSE("movaps");
SSE("movupd");
SSE("movapd");
SSE("movdqu");
SSE("movdqa");
SSE("movss");
SSE("movsd");
SSE("movq");
SSE("movd");
FORM("movlps (%rdi), %xmm1");
FORM("movhps (%rdi), %xmm1");
FORM("movlps %xmm0, (%rdi)");
FORM("movhps %xmm0, (%rdi)");
FORM("movntdq %xmm0, (%rdi)");
FORM("movntps %xmm0, (%rdi)");
FORM("lddqu (%rdi), %xmm1");
FORM("movntdqa (%rdi), %xmm1");
AVX("vmovups");
AVX("vmovaps");
AVX("vmovdqu");
AVX("vmovdqa");

/* ---- the machine that runs them ---- */

struct state {
	u64 reg[16];		/* by number; RSP is left alone */
	u64 flags;
	u8 ymm[2][32];
};

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

static struct state *current;
static bool use_avx;

void run_form(u64 code, struct state *s);
asm(".pushsection .text\n"
    "run_form:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "push %rsi\n"
    "push %rdi\n"
    "mov %rsi, %r15\n"
    "movups 136(%r15), %xmm0; movups 168(%r15), %xmm1\n"
    "push 128(%r15); popf\n"
    "mov (%r15), %rax; mov 8(%r15), %rcx; mov 16(%r15), %rdx; mov 24(%r15), %rbx\n"
    "mov 40(%r15), %rbp; mov 48(%r15), %rsi; mov 56(%r15), %rdi\n"
    "mov 64(%r15), %r8; mov 72(%r15), %r9; mov 80(%r15), %r10; mov 88(%r15), %r11\n"
    "mov 96(%r15), %r12; mov 104(%r15), %r13; mov 112(%r15), %r14; mov 120(%r15), %r15\n"
    "call *(%rsp)\n"
    "push %r15\n"
    "mov 16(%rsp), %r15\n"
    "mov %rax, (%r15); mov %rcx, 8(%r15); mov %rdx, 16(%r15); mov %rbx, 24(%r15)\n"
    "mov %rbp, 40(%r15); mov %rsi, 48(%r15); mov %rdi, 56(%r15)\n"
    "mov %r8, 64(%r15); mov %r9, 72(%r15); mov %r10, 80(%r15); mov %r11, 88(%r15)\n"
    "mov %r12, 96(%r15); mov %r13, 104(%r15); mov %r14, 112(%r15)\n"
    "pop %rax; mov %rax, 120(%r15)\n"
    "pushf; popq 128(%r15)\n"
    "movups %xmm0, 136(%r15); movups %xmm1, 168(%r15)\n"
    "add $16, %rsp\n"
    "cld\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n.popsection");

static void ymm_high(struct state *s, bool load)
{
	if (!use_avx)
		return;
	if (load)
		asm volatile("vmovups %0, %%ymm0; vmovups %1, %%ymm1" : : "m"(s->ymm[0]),
			     "m"(s->ymm[1]));
	else
		asm volatile("vmovups %%ymm0, %0; vmovups %%ymm1, %1" : "=m"(s->ymm[0]),
			     "=m"(s->ymm[1]));
}

/* Three pages: the operands of a form lie in the middle of them, or across an edge. */
#define AREA	(3 * PAGE)

struct area {
	u64 virt;
	u8 *page[3];		/* what is behind it, seen as RAM */
};

struct place {
	const char *name;
	u64 dst, src;		/* addresses the registers get */
};

static struct area ram_dst, ram_src, ram_other, io_dst, io_src, ram_io, io_ram;
static u8 *image_dst, *image_src;

static void put_area(const struct area *a, const u8 *from)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		memcpy(a->page[i], from + i * PAGE, PAGE);
}

static void make_state(struct state *s, unsigned int seed)
{
	static const u8 counts[] = { 3, 0, 1, 5 };
	static const s32 offsets[] = { 5, -70, 130, 63 };
	unsigned int i;

	for (i = 0; i < 16; i++)
		s->reg[i] = random64();
	s->reg[RCX] = counts[seed % 4];
	s->reg[RDX] = (s64)offsets[seed % 4];
	s->reg[RBX] &= ~0xffull;
	s->flags = 2 | (random64() & A_ALL);
	for (i = 0; i < 64; i++)
		s->ymm[i / 32][i % 32] = random64();
}

static const char *why_skipped;

struct result {
	struct state s;
	struct trap trap;
};

static void execute(const struct form *f, struct result *r, u64 dst, u64 src)
{
	const struct trap *t;

	r->s.reg[RDI] = dst;
	r->s.reg[RSI] = src;
	current = &r->s;
	ymm_high(&r->s, true);
	t = CATCH(run_form(f->code, current));
	asm volatile("cld");
	if (t->vector < 0)
		ymm_high(&r->s, false);
	r->trap = *t;
}

/* The pointers may move, by the same distance. */
static u64 moved(const struct result *r, unsigned int reg, u64 from)
{
	return r->s.reg[reg] - from;
}

static const char *const reg_names[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static bool compare(const struct form *f, const struct result *a, const struct result *b,
		    const struct place *ram, const struct place *io)
{
	unsigned int i;

	if (option("kvm") && a->trap.vector < 0 && b->trap.vector == UD) {
		why_skipped = "kvm does not emulate it";
		return false;
	}
	if (a->trap.vector != b->trap.vector) {
		fail("%s, %s: vector %d in RAM, %d here (cr2 %#llx, error %#llx)", f->text, io->name,
		     a->trap.vector, b->trap.vector, (unsigned long long)b->trap.cr2,
		     (unsigned long long)b->trap.error);
		return false;
	}
	if (a->trap.vector >= 0)
		return true;
	for (i = 0; i < 16; i++) {
		u64 x = a->s.reg[i], y = b->s.reg[i];

		if (i == RSP)
			continue;
		if (i == RDI) {
			x = moved(a, i, ram->dst);
			y = moved(b, i, io->dst);
		} else if (i == RSI) {
			x = moved(a, i, ram->src);
			y = moved(b, i, io->src);
		} else if (i == RBX && x == ram->dst) {
			x -= ram->dst;
			y -= io->dst;
		}
		if (x != y) {
			fail("%s, %s: %s is %#llx, in RAM %#llx", f->text, io->name, reg_names[i],
			     (unsigned long long)y, (unsigned long long)x);
			return false;
		}
	}
	if ((a->s.flags ^ b->s.flags) & ~f->undefined) {
		fail("%s, %s: flags are %#llx, in RAM %#llx", f->text, io->name,
		     (unsigned long long)b->s.flags, (unsigned long long)a->s.flags);
		return false;
	}
	if (memcmp(a->s.ymm, b->s.ymm, use_avx ? 64 : 16) ||
	    memcmp(a->s.ymm[1], b->s.ymm[1], 16)) {
		fail("%s, %s: vector registers differ", f->text, io->name);
		return false;
	}
	return true;
}

/* Byte by byte is slow in an emulated CPU. */
static unsigned int first_difference(const u8 *a, const u8 *b)
{
	unsigned int i;

	for (i = 0; i < PAGE; i += 8)
		if (*(const u64 *)(a + i) != *(const u64 *)(b + i))
			break;
	return i;
}

static bool check_area(const struct form *f, const char *name, const struct area *a,
		       const struct area *want)
{
	unsigned int i, at;

	for (i = 0; i < 3; i++) {
		at = first_difference(a->page[i], want->page[i]);
		if (at == PAGE)
			continue;
		fail("%s, %s: memory at +%#x is %#llx, in RAM %#llx", f->text, name,
		     (unsigned int)(i * PAGE + at), *(unsigned long long *)(a->page[i] + at),
		     *(unsigned long long *)(want->page[i] + at));
		return false;
	}
	return true;
}

static bool try_at(const struct form *f, unsigned int seed, const char *name, u64 off,
		   const struct area *dst, const struct area *src)
{
	struct place ram = { "RAM", ram_dst.virt + off, ram_src.virt + off };
	struct place io = { name, dst->virt + off, src->virt + off };
	const u8 *from = seed & 1 ? image_dst : image_src;
	struct result a, b;

	make_state(&a.s, seed);
	b.s = a.s;
	put_area(&ram_dst, image_dst);
	put_area(&ram_src, from);
	execute(f, &a, ram.dst, ram.src);
	put_area(dst, image_dst);
	put_area(src, from);
	execute(f, &b, io.dst, io.src);
	return compare(f, &a, &b, &ram, &io) && check_area(f, name, dst, &ram_dst) &&
	       check_area(f, name, src, &ram_src);
}

static bool try_form(const struct form *f)
{
	unsigned int seed;

	for (seed = 0; seed < 4; seed++) {
		if (!try_at(f, seed, "MMIO", PAGE + 64, &io_dst, &io_src) ||
		    !try_at(f, seed, "MMIO and RAM", PAGE + 64, &io_dst, &ram_other) ||
		    !try_at(f, seed, "RAM and MMIO", PAGE + 64, &ram_io, &io_src))
			return false;
		if ((f->kind & K_LOCK) && option("tcg"))
			continue;
		if (!try_at(f, seed, "across an edge of MMIO", 2 * PAGE - 3, &io_dst, &io_src) ||
		    !try_at(f, seed, "from RAM into MMIO", 2 * PAGE - 3, &ram_io, &io_src) ||
		    !try_at(f, seed, "from MMIO into RAM", 2 * PAGE - 3, &io_ram, &ram_other))
			return false;
	}
	return true;
}

/* Three pages, those with a bit in @io as MMIO */
static void make_area(struct area *a, unsigned int io)
{
	static unsigned int next;	/* page of the scratch memory */
	unsigned int i;

	a->virt = virt_area(3);
	for (i = 0; i < 3; i++) {
		if (io & BIT(i)) {
			a->page[i] = (u8 *)(u64)(SCRATCH_RAM + next * PAGE);
			map(a->virt + i * PAGE, MMIO_SCRATCH + next++ * PAGE, PTE_RW);
		} else {
			a->page[i] = pages(1);
			map(a->virt + i * PAGE, (u64)a->page[i], PTE_RW);
		}
	}
}

static void make_areas(void)
{
	unsigned int i;

	make_area(&ram_dst, 0);
	make_area(&ram_src, 0);
	make_area(&ram_other, 0);
	make_area(&io_dst, 7);
	make_area(&io_src, 7);
	make_area(&ram_io, 4);
	make_area(&io_ram, 3);
	image_dst = pages(3);
	image_src = pages(3);
	for (i = 0; i < AREA; i += 8) {
		*(u64 *)(image_dst + i) = random64();
		*(u64 *)(image_src + i) = random64();
	}
}

static bool avx_on(void)
{
	if (option("tcg") || !(cpuid(1, 0).c & BIT(28)))
		return false;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	asm volatile("xsetbv" : : "a"(7), "c"(0), "d"(0));
	return true;
}

static unsigned int nr_forms(void)
{
	return forms_end - forms;
}

void setup(void)
{
	make_areas();
	use_avx = avx_on();
	plan(nr_forms());
}

static void one(const struct form *f)
{
	bool good;

	why_skipped = NULL;
	if ((f->kind & K_AVX) && !use_avx)
		why_skipped = option("tcg") ? "TCG does not intercept XSETBV: no AVX in guests" :
					      "no AVX";
	good = why_skipped || try_form(f);
	if (why_skipped)
		report(true, "%s # SKIP %s", f->text, why_skipped);
	else
		report(good, "%s", f->text);
}

static void all(void)
{
	const struct form *f;

	for (f = forms; f < forms_end; f++)
		one(f);
}

const struct test tests[] = {
	{ "all", all },
	{ }
};

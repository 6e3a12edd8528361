// SPDX-License-Identifier: GPL-2.0
/*
 * guest.c - the same instruction by the CPU and by the emulator, inside a VM
 *
 * Each case is executed with its memory in RAM, where the CPU does it, and at the same
 * address with MMIO behind one page of the data or both, where the hypervisor's emulator
 * must. Registers, flags, XMM registers, memory, what went through the port, and the
 * exception must be the same.
 */
#include "lib.h"
#include "../guest/cases.h"

#define CODE_PAGES	3
#define DATA_PAGES	2
#define FIFO_BYTES	72		/* of eight iterations of 4 bytes, and some more */
#define MAX_TOLD	20
#define REX_RSP		4

extern const struct guest_cases cases;

asm(".pushsection .rodata\n.balign 16\n.globl cases\ncases: .incbin \"" CASES_FILE "\"\n"
    ".popsection");

struct result {
	u64 reg[16];
	u64 flags;
	u8 xmm[16][16];
	struct trap trap;
	u8 fifo[FIFO_BYTES];
	u8 mem[DATA_PAGES * PAGE];
};

struct state {
	u64 reg[16], flags;
	u8 xmm[16][16];
};

struct state state;
u64 code_at;
u64 state_rax;

void run_case(void);
extern char case_end[];

/* The instruction is followed by a jump to case_end, through memory: no flag is touched. */
asm(".pushsection .text\n"
    "run_case:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "movups state + 136 + 16 * \\n, %xmm\\n\n"
    ".endr\n"
    "push state + 128; popf\n"
    "mov state, %rax; mov state + 8, %rcx; mov state + 16, %rdx; mov state + 24, %rbx\n"
    "mov state + 40, %rbp; mov state + 48, %rsi; mov state + 56, %rdi\n"
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "mov state + 8 * \\n, %r\\n\n"
    ".endr\n"
    "jmp *code_at\n"
    ".globl case_end\n"
    "case_end:\n"
    "mov %rax, state; mov %rcx, state + 8; mov %rdx, state + 16; mov %rbx, state + 24\n"
    "mov %rbp, state + 40; mov %rsi, state + 48; mov %rdi, state + 56\n"
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "mov %r\\n, state + 8 * \\n\n"
    ".endr\n"
    "pushf; pop state + 128\n"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "movups %xmm\\n, state + 136 + 16 * \\n\n"
    ".endr\n"
    "cld\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n.popsection");

static u8 *code, *ram, *image;

struct way {
	const char *name;
	unsigned int mmio;	/* a bit for each page of the data */
};

static const struct way ways[] = {
	{ "RAM", 0 }, { "MMIO", 3 }, { "RAM, then MMIO", 2 }, { "MMIO, then RAM", 1 },
};

static u8 *page_of(const struct way *w, unsigned int i)
{
	return w->mmio & BIT(i) ? (u8 *)(u64)(SCRATCH_RAM + i * PAGE) : ram + i * PAGE;
}

static void map_data(const struct way *w)
{
	unsigned int i;

	for (i = 0; i < DATA_PAGES; i++) {
		u64 phys = w->mmio & BIT(i) ? MMIO_SCRATCH + i * PAGE : (u64)(ram + i * PAGE);

		map(GUEST_DATA + i * PAGE, phys, PTE_RW);
		memcpy(page_of(w, i), image + i * PAGE, PAGE);
	}
}

static void put_code(const struct guest_case *c)
{
	u8 *p = code + c->at;
	u64 end = (u64)case_end;

	memcpy(p, c->insn, c->len);
	memcpy(p + c->len, "\xff\x25\0\0\0\0", 6);	/* jmp *0(%rip) */
	memcpy(p + c->len + 6, &end, 8);
	code_at = GUEST_CODE + c->at;
}

static void fifo_drain(u8 *to, unsigned int n)
{
	while (n--)
		*to++ = inb(PORT_FIFO);
}

static void fifo_fill(void)
{
	unsigned int i;

	for (i = 0; i < FIFO_BYTES / 2; i++)
		outb(PORT_FIFO, 0x40 + i);
}

static void trap_registers(struct result *r)
{
	const struct regs *t = &r->trap.regs;
	const u64 from[16] = {
		t->rax, t->rcx, t->rdx, t->rbx, 0, t->rbp, t->rsi, t->rdi,
		t->r8, t->r9, t->r10, t->r11, t->r12, t->r13, t->r14, t->r15,
	};

	memcpy(r->reg, from, sizeof(from));
	r->flags = t->rflags;
}

static void execute(const struct guest_case *c, const struct way *w, struct result *r)
{
	unsigned int i;

	map_data(w);
	memcpy(state.reg, c->gpr, sizeof(state.reg));
	for (i = 0; i < 16; i++)
		memcpy(state.xmm[i], image + 16 * i, 16);
	state.flags = c->rflags;
	if (c->kind & CASE_PORT)
		fifo_fill();
	r->trap = *CATCH(run_case());
	asm volatile("cld");
	if (c->kind & CASE_PORT)
		fifo_drain(r->fifo, FIFO_BYTES);
	memcpy(r->reg, state.reg, sizeof(r->reg));
	memcpy(r->xmm, state.xmm, sizeof(r->xmm));
	r->flags = state.flags;
	if (r->trap.vector >= 0)
		trap_registers(r);
	for (i = 0; i < DATA_PAGES; i++)
		memcpy(r->mem + i * PAGE, page_of(w, i), PAGE);
}

/* ---- comparison ---- */

static unsigned int told;

static bool differs(const struct guest_case *c, const struct way *w, const char *what, u64 is,
		    u64 want)
{
	unsigned int i;

	if (is == want)
		return false;
	if (told++ >= MAX_TOLD)
		return true;
	print("# bytes");
	for (i = 0; i < c->len; i++)
		print(" %02x", c->insn[i]);
	print(", %s: %s is %#llx, in RAM %#llx\n#   from", w->name, what, (unsigned long long)is,
	      (unsigned long long)want);
	for (i = 0; i < 16; i++)
		print(" r%u %#llx", i, (unsigned long long)c->gpr[i]);
	print(" rip %#llx rflags %#x\n", (unsigned long long)GUEST_CODE + c->at, c->rflags);
	return true;
}

/* Quickly, as the CPU is emulated: @n is a multiple of 8. */
static bool same_bytes(const void *a, const void *b, u64 n)
{
	bool same;

	n /= 8;
	asm volatile("repe cmpsq" : "+S"(a), "+D"(b), "+c"(n), "=@ccz"(same) : : "memory");
	return same;
}

static bool differ_bytes(const struct guest_case *c, const struct way *w, const char *what,
			 const u8 *a, const u8 *b, unsigned int n)
{
	unsigned int i;

	if (same_bytes(a, b, n))
		return false;
	for (i = 0; i < n; i += 8)
		if (differs(c, w, what, *(const u64 *)(a + i), *(const u64 *)(b + i)))
			return true;
	return false;
}

static const char *const reg_names[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static bool differ(const struct guest_case *c, const struct way *w, const struct result *got,
		   const struct result *want)
{
	const u64 which = 0xcd5 & ~(want->trap.vector < 0 ? c->undefined : 0);
	/* TCG reads before it looks whether a read-modify-write may write; CPUs do not. */
	const u64 error = option("tcg") ? ~PF_W : ~0ull;
	bool fault = want->trap.vector == PF;
	unsigned int i;

	if (differs(c, w, "vector", got->trap.vector, want->trap.vector) ||
	    (fault && differs(c, w, "error code", got->trap.error & error,
			      want->trap.error & error)) ||
	    (fault && differs(c, w, "CR2", got->trap.cr2, want->trap.cr2)) ||
	    differs(c, w, "rflags", got->flags & which, want->flags & which))
		return true;
	for (i = 0; i < 16; i++)
		if (i != REX_RSP && differs(c, w, reg_names[i], got->reg[i], want->reg[i]))
			return true;
	return differ_bytes(c, w, "memory", got->mem, want->mem, sizeof(got->mem)) ||
	       (want->trap.vector < 0 &&
		differ_bytes(c, w, "xmm", got->xmm[0], want->xmm[0], sizeof(got->xmm))) ||
	       ((c->kind & CASE_PORT) &&
		differ_bytes(c, w, "port", got->fifo, want->fifo, FIFO_BYTES));
}

/* ---- all of them ---- */

static unsigned int done[ARRAY_SIZE(ways)], bad[ARRAY_SIZE(ways)], faults, skipped, wrong;

static void one(const struct guest_case *c)
{
	static struct result want, got;
	unsigned int i;

	if ((c->kind & CASE_NOT_TCG) && option("tcg")) {
		wrong++;
		return;
	}
	put_code(c);
	execute(c, &ways[0], &want);
	done[0]++;
	faults += want.trap.vector >= 0;
	for (i = 1; i < ARRAY_SIZE(ways); i++) {
		/* An exit from within TCG's locked access across a page loses flags. */
		if ((c->kind & CASE_LOCK_ACROSS) && option("tcg")) {
			skipped++;
			continue;
		}
		execute(c, &ways[i], &got);
		done[i]++;
		bad[i] += differ(c, &ways[i], &got, &want);
	}
}

/* Read-only there: an operand may be in the code, which must be the same each time. */
static void map_code(void)
{
	unsigned int i;

	write_cr0(read_cr0() | CR0_WP);
	code = pages(CODE_PAGES);
	for (i = 0; i < CODE_PAGES; i++)
		map(GUEST_CODE + i * PAGE, (u64)code + i * PAGE, PTE_P);
}

void setup(void)
{
	unsigned int i;

	map_code();
	ram = pages(DATA_PAGES);
	image = pages(DATA_PAGES);
	for (i = 0; i < DATA_PAGES * PAGE; i += 8)
		*(u64 *)(image + i) = random64();
	*pte_of(GUEST_DATA - PAGE) = 0;
	*pte_of(GUEST_DATA + DATA_PAGES * PAGE) = 0;
	write_cr3(read_cr3());
	plan(ARRAY_SIZE(ways) - 1);
}

static void all(void)
{
	u64 nr = option("full") ? cases.nr : cases.nr / CASES_PARTS, i;
	unsigned int k;

	note("SEED=%llu, %llu cases", (unsigned long long)cases.seed, (unsigned long long)nr);
	for (i = 0; i < nr; i++)
		one(&cases.c[i]);
	note("%u cases in RAM, %u with an exception; TCG's errors: %u not run, %u not in MMIO",
	     done[0], faults, wrong, skipped);
	for (k = 1; k < ARRAY_SIZE(ways); k++)
		report(!bad[k] && done[k] > nr / 2, "%s: %u compared, %u differ", ways[k].name,
		       done[k], bad[k]);
}

const struct test tests[] = {
	{ "all", all },
	{ }
};

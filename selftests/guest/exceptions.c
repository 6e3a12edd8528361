// SPDX-License-Identifier: GPL-2.0
/*
 * exceptions.c - each exception by a real cause: vector, error code, RIP, CR2; and those
 * that happen on the way to a handler
 */
#include "lib.h"

/* Error code of a fault at an IDT entry. TCG takes the entries' size in long mode for 8. */
static u64 idt_error(unsigned int vector)
{
	return vector * (option("tcg") ? 16 : 8) + 2;
}

/* A label of assembly code that is run, and the one where RIP must be */
#define CODE(name, text)						\
	asm(".pushsection .text\n" #name ": " text "\nret\n.popsection");	\
	extern char name[], name##_at[];				\
	static inline void run_##name(void)				\
	{								\
		asm volatile("call " #name : : : "rax", "rcx", "rdx", "rbx", "rsi", "rdi",	\
			     "memory", "cc");				\
	}

#define USER_CODE(name, text) asm(".pushsection .text\n" #name ": " text "\n.popsection"); \
	extern char name[]

/* The exception must be that one, at label NAME_at. */
#define CHECK(name, vec, err) ({					\
	const struct trap *c_ = EXPECT_TRAP(vec, run_##name());		\
	EXPECT_EQ(c_->regs.rip, (u64)name##_at);			\
	EXPECT_EQ(c_->error, err);					\
	c_; })

CODE(code_div, "xor %edx, %edx; mov $1, %eax; xor %ecx, %ecx; code_div_at: div %ecx")
CODE(code_idiv, "mov $0x80000000, %eax; cltd; mov $-1, %ecx; code_idiv_at: idiv %ecx")
CODE(code_bp, "int3; code_bp_at: nop")
CODE(code_int3, "int $3; code_int3_at: nop")
CODE(code_db, "code_db_at: .byte 0xf1; code_db_after: nop")
CODE(code_ud, "code_ud_at: ud2")
CODE(code_ud_lock, "code_ud_lock_at: lock; nop")
CODE(code_nm, "code_nm_at: fninit")
CODE(code_nm_sse, "code_nm_sse_at: movaps %xmm0, %xmm1")
CODE(code_nm_wait, "code_nm_wait_at: fwait")
CODE(code_np, "mov $0x30, %eax; code_np_at: mov %eax, %es")
CODE(code_ss_np, "mov $0x30, %eax; code_ss_np_at: mov %eax, %ss")
CODE(code_ss, "mov %rsp, %rdx; mov $0x900000000000, %rcx; mov %rcx, %rsp; code_ss_at: pop %rax")
CODE(code_ss_rbp, "push %rbp; mov $0x900000000000, %rbp; code_ss_rbp_at: mov (%rbp), %al; pop %rbp")
CODE(code_gp, "mov $0x900000000000, %rcx; code_gp_at: mov (%rcx), %al")
CODE(code_gp_sel, "mov $0xffe8, %eax; code_gp_sel_at: mov %eax, %ds")
CODE(code_gp_ldt, "mov $0x1c, %eax; code_gp_ldt_at: mov %eax, %es")
CODE(code_gp_ss0, "xor %eax, %eax; push %rax; code_gp_ss0_at: lldtw 0x10(%rsp)")
CODE(code_gp_cr, "mov $0x80000000, %eax; code_gp_cr_at: mov %rax, %cr0")
CODE(code_pf_read, "code_pf_read_at: mov 0x7f0000000abc, %al")
CODE(code_mf, "fninit; movw $0x37b, -16(%rsp); fldcw -16(%rsp); fld1; fldz; fdivrp; code_mf_at: fwait")
CODE(code_xm, "movl $0x1d80, -16(%rsp); ldmxcsr -16(%rsp); xorps %xmm1, %xmm1; mov $1, %eax;"
	      "cvtsi2ss %eax, %xmm0; code_xm_at: divss %xmm1, %xmm0")
CODE(code_gp_align, "code_gp_align_at: movaps 1(%rsp), %xmm0")

static void t_de(void)
{
	CHECK(code_div, DE, 0);
	CHECK(code_idiv, DE, 0);
}

static void t_bp(void)
{
	CHECK(code_bp, BP, 0);
	CHECK(code_int3, BP, 0);
}

static void t_db(void)
{
	extern char code_db_after[];
	const struct trap *t;

	if (option("tcg")) {
		skip("TCG has #UD for INT1");
		return;
	}
	t = EXPECT_TRAP(DB, run_code_db());
	EXPECT_EQ(t->regs.rip, (u64)code_db_after);
}

static void t_ud(void)
{
	CHECK(code_ud, UD, 0);
	CHECK(code_ud_lock, UD, 0);
}

static void t_nm(void)
{
	u64 cr0 = read_cr0();

	write_cr0(cr0 | CR0_TS);
	CHECK(code_nm, NM, 0);
	CHECK(code_nm_sse, NM, 0);
	CHECK(code_nm_wait, NM, 0);
	asm volatile("clts");
	EXPECT_EQ(read_cr0(), cr0);
	EXPECT_NO_TRAP(run_code_nm());
	write_cr0((cr0 | CR0_EM) & ~CR0_MP);
	CHECK(code_nm, NM, 0);
	EXPECT_TRAP(UD, run_code_nm_sse());	/* EM: SSE is undefined */
	write_cr0(cr0);
}

static void t_np(void)
{
	CHECK(code_np, NP, SEL_ABSENT);
}

static void t_ss(void)
{
	CHECK(code_ss_np, SS, SEL_ABSENT);
	/* TCG has #GP for any address that is not canonical. */
	if (option("tcg"))
		return;
	CHECK(code_ss_rbp, SS, 0);
	/* The stack is gone: the handler needs one of its own. */
	set_gate(SS, (u64)vectors + 16 * SS, SEL_CODE64, 0x8e, IST_SPARE);
	CHECK(code_ss, SS, 0);
	set_gate(SS, (u64)vectors + 16 * SS, SEL_CODE64, 0x8e, 0);
}

static void t_gp(void)
{
	CHECK(code_gp, GP, 0);
	CHECK(code_gp_sel, GP, 0xffe8);
	CHECK(code_gp_ldt, GP, 0x1c);
	CHECK(code_gp_cr, GP, 0);
	CHECK(code_gp_align, GP, 0);
}

static void t_pf(void)
{
	const struct trap *t = CHECK(code_pf_read, PF, 0);

	EXPECT_EQ(t->cr2, 0x7f0000000abc);
}

static volatile u8 *fault_addr;

static void t_pf_errors(void)
{
	u64 v = virt_area(2), p = (u64)pages(1);
	const struct trap *t;

	fault_addr = (u8 *)v + 0x123;
	t = EXPECT_TRAP(PF, *fault_addr = 1);
	EXPECT_EQ(t->error, PF_W);
	EXPECT_EQ(t->cr2, (u64)fault_addr);
	map(v, p, PTE_P | PTE_U);
	EXPECT_NO_TRAP((void)*fault_addr);
	t = EXPECT_TRAP(PF, *fault_addr = 1);
	EXPECT_EQ(t->error, PF_W | PF_P);
	map(v, p, PTE_RW | PTE_NX);
	t = EXPECT_TRAP(PF, asm volatile("call *%0" : : "r"(v)));
	EXPECT_EQ(t->error, PF_I | PF_P);
	EXPECT_EQ(t->cr2, v);
	EXPECT_EQ(t->regs.rip, v);
	/* Reserved bits: those above the physical address */
	map(v, p | BIT(51), PTE_RW);
	if ((cpuid(0x80000008, 0).a & 0xff) < 52) {
		t = EXPECT_TRAP(PF, (void)*fault_addr);
		/* TCG forgets PF_P. */
		EXPECT_EQ(t->error | (option("tcg") ? PF_P : 0), BIT(3) | PF_P);
	}
	*pte_of(v) = 0;
	invlpg(v);
}

u64 user_addr;

USER_CODE(user_read, "mov user_addr, %rax; user_read_at: mov (%rax), %al; int $0x81");
USER_CODE(user_write, "mov user_addr, %rax; mov %al, (%rax); int $0x81");

static void t_pf_user(void)
{
	u64 v = virt_area(1), p = (u64)pages(1);
	const struct trap *t;

	user_addr = v + 8;
	map(v, p, PTE_RW);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_read, SEL_USER64, user_stack(), 2));
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_write, SEL_USER64, user_stack(), 2));
	map(v, p, PTE_P | PTE_W);
	t = EXPECT_TRAP(PF, enter_user((u64)user_read, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->error, PF_U | PF_P);
	EXPECT_EQ(t->cr2, user_addr);
	t = EXPECT_TRAP(PF, enter_user((u64)user_write, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->error, PF_U | PF_P | PF_W);
}

static void t_mf(void)
{
	CHECK(code_mf, MF, 0);
	asm volatile("fnclex; fninit");
}

static void t_xm(void)
{
	u32 mxcsr = 0x1f80;

	if (option("tcg")) {
		skip("TCG has no SIMD floating-point exceptions");
		return;
	}
	CHECK(code_xm, XM, 0);
	write_cr4(read_cr4() & ~CR4_OSXMMEXCPT);
	EXPECT_TRAP(UD, run_code_xm());
	write_cr4(read_cr4() | CR4_OSXMMEXCPT);
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void t_ac(void)
{
	extern char user_unaligned[];
	u64 cr0 = read_cr0();
	const struct trap *t;

	if (option("tcg")) {
		skip("TCG does not check alignment");
		return;
	}
	asm volatile("jmp 1f\n"
		     "user_unaligned: mov 1(%rsp), %eax; int $0x81\n"
		     "1:");
	write_cr0(cr0 | CR0_AM);
	t = EXPECT_TRAP(AC, enter_user((u64)user_unaligned, SEL_USER64, user_stack(), 2 | FL_AC));
	EXPECT_EQ(t->error, 0);
	EXPECT_EQ(t->regs.rip, (u64)user_unaligned);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_unaligned, SEL_USER64, user_stack(), 2));
	write_cr0(cr0);
}

/* Bounds and INTO are 32 bit code's. */
asm(".pushsection .text; .code32\n"
    "code_br: push %eax; push $5; push $1; code_br_at: bound %eax, (%esp)\n"
    "add $8, %esp; pop %eax; lret\n"
    "code_of: mov $0x7fffffff, %eax; add $1, %eax; into; code_of_at: lret\n"
    "code_compat: push %ebp; mov %esp, %ebp; lea 1(%eax), %eax; pop %ebp; lret\n"
    "code_compat_ud: code_compat_ud_at: ud2\n"
    ".code64; .popsection");

void code_br(void);
void code_of(void);
void code_compat(void);
void code_compat_ud(void);
extern char code_br_at[], code_of_at[], code_compat_ud_at[];

static void t_compat(void)
{
	const struct trap *t;

	EXPECT_EQ(call_code32(code_compat, 0xffffffff), 0);
	EXPECT_NO_TRAP(call_code32(code_br, 3));
	t = EXPECT_TRAP(BR, call_code32(code_br, 6));
	EXPECT_EQ(t->regs.rip, (u64)code_br_at);
	t = EXPECT_TRAP(OF, call_code32(code_of, 0));
	EXPECT_EQ(t->regs.rip, (u64)code_of_at);
	EXPECT_EQ(t->regs.cs, SEL_CODE32);
	t = EXPECT_TRAP(UD, call_code32(code_compat_ud, 0));
	EXPECT_EQ(t->regs.rip, (u64)code_compat_ud_at);
}

USER_CODE(user_int_dpl0, "int $0x80");
USER_CODE(user_hlt, "hlt");
USER_CODE(user_cli, "cli");
USER_CODE(user_in, "in $0x80, %al; int $0x81");
USER_CODE(user_cr, "mov %cr0, %rax");
USER_CODE(user_leave, "int $0x81");

static void t_user(void)
{
	const struct trap *t;

	t = EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_leave, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->regs.cs, SEL_USER64);
	EXPECT_EQ(t->regs.ss, SEL_USER_DATA);
	EXPECT_EQ(t->regs.rip, (u64)user_leave + 2);
	t = EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_leave, SEL_USER32, user_stack(), 2));
	EXPECT_EQ(t->regs.cs, SEL_USER32);
	t = EXPECT_TRAP(GP, enter_user((u64)user_int_dpl0, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->error, idt_error(0x80));
	EXPECT_EQ(t->regs.rip, (u64)user_int_dpl0);
	EXPECT_TRAP(GP, enter_user((u64)user_hlt, SEL_USER64, user_stack(), 2));
	EXPECT_TRAP(GP, enter_user((u64)user_cli, SEL_USER64, user_stack(), 2));
	EXPECT_TRAP(GP, enter_user((u64)user_cr, SEL_USER64, user_stack(), 2));
}

/* The I/O permission bitmap */
static void t_user_io(void)
{
	EXPECT_TRAP(GP, enter_user((u64)user_in, SEL_USER64, user_stack(), 2));
	this_cpu()->iomap[0x80 / 8] &= ~BIT(0x80 % 8);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_in, SEL_USER64, user_stack(), 2));
	this_cpu()->iomap[0x80 / 8] |= BIT(0x80 % 8);
	EXPECT_TRAP(GP, enter_user((u64)user_in, SEL_USER64, user_stack(), 2));
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_in, SEL_USER64, user_stack(), 2 | 3 << 12));
}

/* An interrupt through a stack table entry that lies outside the TSS */
static void t_ts(void)
{
	extern u64 gdt[];
	u64 *tss = &gdt[SEL_TSS / 8], old = *tss;
	const struct trap *t;

	*tss = (old & ~0x000f00000000ffffull & ~(0xfull << 40)) | 0x53 | 9ull << 40;
	asm volatile("ltr %w0" : : "r"(SEL_TSS));
	set_gate(0x40, (u64)vectors + 16 * 0x40, SEL_CODE64, 0x8e, 7);
	t = EXPECT_TRAP(TS, asm volatile("int $0x40"));
	EXPECT_EQ(t->error, SEL_TSS);
	*tss = (old & ~(0xfull << 40)) | 9ull << 40;
	asm volatile("ltr %w0" : : "r"(SEL_TSS));
	set_gate(0x40, (u64)vectors + 16 * 0x40, SEL_CODE64, 0x8e, 0);
}

static void hit(struct regs *r)
{
}

/* INT n to any gate, and the error codes of gates that are no good */
static void t_int_n(void)
{
	const struct trap *t;
	unsigned int before = this_cpu()->count[0x41];

	on_vector(0x41, hit);
	asm volatile("int $0x41");
	EXPECT_EQ(this_cpu()->count[0x41], before + 1);
	*idt_entry(0x41) &= ~BIT(47);
	t = EXPECT_TRAP(NP, asm volatile("int $0x41"));
	EXPECT_EQ(t->error, idt_error(0x41));
	*idt_entry(0x41) |= BIT(47);
	*idt_entry(0x41) &= ~(0x1full << 40);
	t = EXPECT_TRAP(GP, asm volatile("int $0x41"));
	EXPECT_EQ(t->error, idt_error(0x41));
	set_gate(0x41, (u64)vectors + 16 * 0x41, SEL_CODE64, 0x8e, 0);
}

/* ---- on the way to a handler ---- */

/* #NP while #DE is delivered: both contributory, so #DF */
static void t_double_contributory(void)
{
	const struct trap *t;

	/* TCG delivers #NP. */
	if (!option("tcg")) {
		*idt_entry(DE) &= ~BIT(47);
		t = EXPECT_TRAP(DF, run_code_div());
		EXPECT_EQ(t->error, 0);
		*idt_entry(DE) |= BIT(47);
	}
	/* #UD is benign: the second one is handled alone. */
	*idt_entry(UD) &= ~BIT(47);
	t = EXPECT_TRAP(NP, run_code_ud());
	EXPECT_EQ(t->regs.rip, (u64)code_ud_at);
	EXPECT_EQ(t->error & ~1, idt_error(UD));
	*idt_entry(UD) |= BIT(47);
}

/* #PF, then one that cannot be delivered */
static void t_double_page_fault(void)
{
	const struct trap *t;

	if (option("tcg")) {
		skip("TCG delivers the second exception");
		return;
	}
	*idt_entry(PF) &= ~BIT(47);
	t = EXPECT_TRAP(DF, run_code_pf_read());
	EXPECT_EQ(t->error, 0);
	EXPECT_EQ(t->cr2, 0x7f0000000abc);
	*idt_entry(PF) |= BIT(47);
}

/* A bad stack: #PF at its own delivery is #DF, which has a stack of its own. */
static void t_double_stack(void)
{
	const struct trap *t;
	volatile u64 rsp = virt_area(1) + PAGE;

	t = EXPECT_TRAP(DF, asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; push %%rax"
		: : "r"(rsp) : "rbx"));
	EXPECT_EQ(t->cr2, rsp - 8);
	/* #UD is benign: its page fault is only that. With a stack, the handler runs. */
	set_gate(PF, (u64)vectors + 16 * PF, SEL_CODE64, 0x8e, IST_SPARE);
	t = EXPECT_TRAP(PF, asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; ud2"
		: : "r"(rsp) : "rbx"));
	EXPECT_EQ(t->error, PF_W);
	EXPECT_EQ(t->regs.rsp, rsp);
	set_gate(PF, (u64)vectors + 16 * PF, SEL_CODE64, 0x8e, 0);
}

/*
 * Stack, IDT, GDT and handler in memory that the hypervisor has never seen: what was
 * being delivered must be delivered again after the nested fault. Each gets a new page.
 */
static volatile unsigned int fresh_hits;
static volatile u64 fresh_error;

static void fresh_hit(struct regs *r)
{
	fresh_hits++;
	fresh_error = r->error;
	if (r->vector == UD || r->vector == DE)
		r->rip += 2;
	else if (r->vector == GP)
		r->rip += 3;
}

static u64 fresh_next = 0x4000000;	/* RAM that no one has touched */

/* A gate whose stack is untouched RAM */
static void fresh_stack(unsigned int vector)
{
	fresh_next += 4 * PAGE;
	this_cpu()->tss.ist[IST_SPARE] = fresh_next;
	set_gate(vector, (u64)vectors + 16 * vector, SEL_CODE64, 0x8e, IST_SPARE);
	on_vector(vector, fresh_hit);
	fresh_hits = 0;
	fresh_error = ~0ull;
}

static void old_stack(unsigned int vector)
{
	set_gate(vector, (u64)vectors + 16 * vector, SEL_CODE64, vector == BP ? 0xee : 0x8e, 0);
	on_vector(vector, NULL);
}

static void t_fresh_stack(void)
{
	fresh_stack(0x50);
	asm volatile("int $0x50");
	EXPECT_EQ(fresh_hits, 1);
	old_stack(0x50);

	fresh_stack(BP);
	asm volatile("int3");
	EXPECT_EQ(fresh_hits, 1);
	old_stack(BP);

	fresh_stack(UD);
	asm volatile("ud2");
	EXPECT_EQ(fresh_hits, 1);
	old_stack(UD);

	fresh_stack(DE);
	asm volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; div %%ecx" : : : "eax", "ecx", "edx");
	EXPECT_EQ(fresh_hits, 1);
	old_stack(DE);

	fresh_stack(GP);
	asm volatile("mov %%rax, %%cr0" : : "a"(0x80000000ull) : "memory");
	EXPECT_EQ(fresh_hits, 1);
	EXPECT_EQ(fresh_error, 0);
	old_stack(GP);
}

/* The IDT itself in untouched RAM: written by the CPU's own string store is a touch, so
 * remapped at another guest-physical address after a copy.
 */
static void t_fresh_idt(void)
{
	struct descriptor_ptr old, p = { 4095, 0 };

	fresh_next += 4 * PAGE;
	sidt(&old);
	memcpy((void *)fresh_next, (void *)old.base, 4096);
	p.base = fresh_next;
	on_vector(0x51, hit);
	lidt(&p);
	asm volatile("int $0x51");
	lidt(&old);
	EXPECT_EQ(this_cpu()->count[0x51], 1);
}

/* A handler in RAM that has been written, never executed, far from all else */
static void t_fresh_handler(void)
{
	static const u8 code[] = { 0x48, 0xff, 0xc3, 0x48, 0xcf };	/* inc %rbx; iretq */
	u64 rbx = 41;

	fresh_next += BIT(21);
	memcpy((void *)fresh_next, code, sizeof(code));
	set_gate(0x52, fresh_next, SEL_CODE64, 0x8e, 0);
	asm volatile("int $0x52" : "+b"(rbx));
	EXPECT_EQ(rbx, 42);
	set_gate(0x52, (u64)vectors + 16 * 0x52, SEL_CODE64, 0x8e, 0);
}

/* IRET that faults leaves the frame and is restarted. */
static void t_iret_faults(void)
{
	const struct trap *t;

	t = EXPECT_TRAP(GP, asm volatile("pushq $0x10; push %%rsp; pushq $2; pushq $0xfff8; pushq $0;"
		"iretq" : : : "memory"));
	EXPECT_EQ(t->error, 0xfff8);
	t = EXPECT_TRAP(GP, asm volatile("mov $0x900000000000, %%rax; pushq $0x10; push %%rsp;"
		"pushq $2; pushq $8; push %%rax; iretq" : : : "rax", "memory"));
}

const struct test tests[] = {
	{ "#DE", t_de },
	{ "#BP", t_bp },
	{ "#DB by INT1", t_db },
	{ "#UD", t_ud },
	{ "#NM", t_nm },
	{ "#NP", t_np },
	{ "#SS", t_ss },
	{ "#GP", t_gp },
	{ "#PF", t_pf },
	{ "#PF, error codes", t_pf_errors },
	{ "#PF from ring 3", t_pf_user },
	{ "#MF", t_mf },
	{ "#XM", t_xm },
	{ "#AC", t_ac },
	{ "#BR and #OF in compatibility mode", t_compat },
	{ "ring 3", t_user },
	{ "I/O permission bitmap", t_user_io },
	{ "#TS", t_ts },
	{ "INT n and bad gates", t_int_n },
	{ "#DF of contributory exceptions", t_double_contributory },
	{ "#DF of a page fault", t_double_page_fault },
	{ "#DF by a bad stack", t_double_stack },
	{ "delivery to an untouched stack", t_fresh_stack },
	{ "delivery by an untouched IDT", t_fresh_idt },
	{ "delivery to an untouched handler", t_fresh_handler },
	{ "IRET that faults", t_iret_faults },
	{ }
};

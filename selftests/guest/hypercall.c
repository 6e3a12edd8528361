// SPDX-License-Identifier: GPL-2.0
/*
 * hypercall.c - calls of the hypervisor
 */
#include "apic.h"
#include "lib.h"

#define ENOSYS		1000
#define HC_POLL		1
#define HC_KICK		5
#define HC_SEND_IPI	10
#define HC_YIELD	11

static bool intel;

void setup(void)
{
	intel = cpuid(0, 0).b == 0x756e6547;
	cpus_start();
}

static s64 call(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	s64 ret;

	if (intel)
		asm volatile("vmcall" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			     : "memory");
	else
		asm volatile("vmmcall" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			     : "memory");
	return ret;
}

static bool feature(unsigned int bit)
{
	return cpuid(0x40000001, 0).a & BIT(bit);
}

static void t_unknown(void)
{
	EXPECT_EQ(call(0, 0, 0, 0, 0), -ENOSYS);
	EXPECT_EQ(call(4711, 0, 0, 0, 0), -ENOSYS);
	EXPECT_EQ(call(~0ull, 0, 0, 0, 0), -ENOSYS);
	EXPECT_EQ(call(BIT(32) | HC_POLL, 0, 0, 0, 0), -ENOSYS);
	EXPECT_EQ(call(HC_POLL, 0, 0, 0, 0), 0);
}

#define USER_CODE(name, text) asm(".pushsection .text\n" #name ": " text "\n.popsection"); \
	extern char name[]

USER_CODE(user_vmmcall, "mov $1, %eax; vmmcall; int $0x81");
USER_CODE(user_vmcall, "mov $1, %eax; vmcall; int $0x81");

static void t_ring3(void)
{
	const struct trap *t;

	t = EXPECT_TRAP(VEC_LEAVE, enter_user(intel ? (u64)user_vmcall : (u64)user_vmmcall,
					      SEL_USER64, user_stack(), 2));
	EXPECT_EQ(t->regs.rax, (u64)-1);	/* -EPERM */
}

asm(".pushsection .text; .code32\n"
    "hc32_amd: vmmcall; lret\n"
    "hc32_intel: vmcall; lret\n"
    ".code64; .popsection");
void hc32_amd(void);
void hc32_intel(void);

/* In compatibility mode the result has 32 bits. */
static void t_compat(void)
{
	EXPECT_EQ(call_code32(intel ? hc32_intel : hc32_amd, 4711), (u32)-ENOSYS);
	EXPECT_EQ(call_code32(intel ? hc32_intel : hc32_amd, HC_POLL), 0);
}

/* The other vendor's instruction: #UD, or put right as KVM does; the machine lives. */
static void t_other_vendor(void)
{
	const struct trap *t;
	volatile u64 rax = 4711;

	if (intel)
		t = CATCH(asm volatile("vmmcall" : "+a"(rax) : : "rbx", "rcx", "rdx", "memory"));
	else
		t = CATCH(asm volatile("vmcall" : "+a"(rax) : : "rbx", "rcx", "rdx", "memory"));
	EXPECT(t->vector == UD || (t->vector == -1 && rax == (u64)-ENOSYS));
}

static volatile unsigned int got[MAX_CPUS];

static void on_irq(struct regs *r)
{
	got[this_cpu()->id]++;
	apic_write(APIC_EOI, 0);
}

static void t_send_ipi(void)
{
	if (!feature(11)) {
		EXPECT_EQ(call(HC_SEND_IPI, 2, 0, 0, 0x77), -ENOSYS);
		return;
	}
	on_vector(0x77, on_irq);
	EXPECT_EQ(call(HC_SEND_IPI, 0xe, 0, 0, 0x77), 3);
	EXPECT(WAIT(got[1] == 1 && got[2] == 1 && got[3] == 1));
	/* APIC ids do not go round at 2^32; with kvm they do. */
	if (!option("kvm"))
		EXPECT_EQ(call(HC_SEND_IPI, 0, 1, (u64)-62 & 0xffffffff, 0x77), 0);
	EXPECT_EQ(call(HC_SEND_IPI, 2, 0, 1, 0x77), 1);	/* from APIC id 1 on */
	EXPECT(WAIT(got[2] == 2));
	EXPECT_EQ(call(HC_SEND_IPI, 1, 0, 1000, 0x77), 0);
	EXPECT_EQ(call(HC_SEND_IPI, 0, 0, 0, 0x77), 0);
	EXPECT_EQ(got[1] + got[3], 2);
}

static void t_yield(void)
{
	if (feature(13))
		EXPECT_EQ(call(HC_YIELD, 1, 0, 0, 0), 0);
	else
		EXPECT_EQ(call(HC_YIELD, 1, 0, 0, 0), -ENOSYS);
	if (feature(13))
		EXPECT_EQ(call(HC_YIELD, 12345678, 0, 0, 0), 0);
}

static volatile unsigned int woken;

static void sleep_masked(u64 arg)
{
	irq_disable();
	asm volatile("hlt");
	woken++;
}

/* A kick ends a HLT with interrupts off. */
static void t_kick(void)
{
	if (!feature(7)) {
		skip("no PV unhalt");
		return;
	}
	on_cpu(1, sleep_masked, 0);
	delay(SHORT_TIME);
	EXPECT_EQ(woken, 0);
	EXPECT_EQ(call(HC_KICK, 0, 1, 0, 0), 0);
	EXPECT(WAIT(woken == 1));
	wait_cpu(1);
	EXPECT_EQ(call(HC_KICK, 0, 4711, 0, 0), 0);
}

#define TURNS 3000
#define TIMER_VECTOR 0x71

static volatile unsigned int turn, masked_ticks, ticks;
static volatile u64 masked_at;

static u64 handler_of(unsigned int vector)
{
	const u64 *e = idt_entry(vector);

	return (e[0] & 0xffff) | e[0] >> 48 << 16 | e[1] << 32;
}

/*
 * QEMU's TCG may deliver an interrupt that was injected once more, as the first thing in its
 * own handler (Documentation/testing). That is no one's that came while it was masked.
 */
static void on_tick(struct regs *r)
{
	ticks++;
	if (!(r->rflags & BIT(9)) && r->rip != handler_of(TIMER_VECTOR)) {
		masked_at = r->rip;
		masked_ticks++;
	}
	apic_write(APIC_EOI, 0);
}

/* As the kernel waits for a lock: interrupts off, look, HLT; who unlocks kicks. */
static void take_turns(u64 me)
{
	/* A kernel with sanitizers, on a CPU that is slow by its own clock, does nothing else. */
	unsigned int slow = option("slow") ? 10 : 1, i;

	apic_write(APIC_LVT_TIMER, TIMER_VECTOR | APIC_PERIODIC);
	apic_write(APIC_TIMER_DIV, 0xb);
	apic_write(APIC_TIMER_INIT, (300000 + 7000 * me) * slow);
	for (i = 0; i < TURNS / slow; i++) {
		irq_disable();
		while (turn != me)
			asm volatile("hlt");
		turn = !me;
		call(HC_KICK, 0, !me, 0, 0);
		irq_enable();
	}
	apic_write(APIC_TIMER_INIT, 0);
	apic_write(APIC_LVT_TIMER, APIC_MASKED);
	asm volatile("nop");
	irq_disable();
}

static void t_kicks(void)
{
	if (!feature(7)) {
		skip("no PV unhalt");
		return;
	}
	on_vector(TIMER_VECTOR, on_tick);
	on_cpu(1, take_turns, 1);
	take_turns(0);
	wait_cpu(1);
	EXPECT_EQ(masked_ticks, 0);
	EXPECT_EQ(masked_at, 0);
	EXPECT(ticks > 10);
}

/* SVM's own instructions are undefined, as CPUID says. */
static void t_svm_instructions(void)
{
	if (cpuid(0x80000001, 0).c & BIT(2)) {
		skip("nested SVM is offered");
		return;
	}
	EXPECT_TRAP(UD, asm volatile("vmload" : : "a"(0x4000000)));
	EXPECT_TRAP(UD, asm volatile("vmsave" : : "a"(0x4000000)));
	EXPECT_TRAP(UD, asm volatile("vmrun" : : "a"(0x4000000)));
	EXPECT_TRAP(UD, asm volatile("stgi"));
	EXPECT_TRAP(UD, asm volatile("clgi"));
}

static void t_monitor(void)
{
	int vector;

	vector = CATCH(asm volatile("monitor" : : "a"(&woken), "c"(0), "d"(0)))->vector;
	EXPECT(vector == -1 || vector == UD);
	vector = CATCH(asm volatile("mwait" : : "a"(0), "c"(0)))->vector;
	EXPECT(vector == -1 || vector == UD);
}

static void t_others(void)
{
	EXPECT_NO_TRAP(asm volatile("wbinvd"));
	EXPECT_NO_TRAP(asm volatile("invd"));
	EXPECT_TRAP(GP, asm volatile("rdpmc" : : "c"(1000) : "eax", "edx"));
	EXPECT_TRAP(UD, asm volatile("rsm"));
	EXPECT_NO_TRAP(asm volatile("pause"));
}

const struct test tests[] = {
	{ "unknown calls", t_unknown },
	{ "from ring 3", t_ring3 },
	{ "from compatibility mode", t_compat },
	{ "the other vendor's instruction", t_other_vendor },
	{ "IPIs", t_send_ipi },
	{ "yield", t_yield },
	{ "kick", t_kick },
	{ "kicks and a timer", t_kicks },
	{ "SVM's instructions", t_svm_instructions },
	{ "MONITOR and MWAIT", t_monitor },
	{ "other instructions that exit", t_others },
	{ }
};

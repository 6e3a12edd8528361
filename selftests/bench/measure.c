// SPDX-License-Identifier: GPL-2.0
/*
 * measure.c - batches of operations, in a guest or in the VMM
 */
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "bench.h"

bool on_intel(void)
{
	unsigned int a, b = 0, c, d;

	__cpuid(0, a, b, c, d);
	return b == signature_INTEL_ebx;
}

bool bench_full(void)
{
	const char *full = getenv("KEEL_FULL");

	return full && *full;
}

void bench_result(const char *name, double instructions)
{
	if (!name)
		return;
	abi_note("bench %s %.0f", name, instructions);
	if (getenv("KEEL_BENCH_PROFILE"))
		abi_note("profile end");
}

/* A test that hangs spins: seconds of the host, of which the AMD one's are long. */
static void limit_time(void)
{
	if (!getenv("KEEL_BENCH_PROFILE"))
		alarm(on_host("intel") ? 25 : 10);
}

__attribute__((constructor)) static void limit_tests(void)
{
	pthread_atfork(NULL, NULL, limit_time);
}

/* ---- what the profile looks for; XCHG of BX with itself stops Bochs for its debugger ---- */

/* Who traces the emulator by its monitor says when it is ready. */
static void wait_for_profile(void)
{
	static bool waited;
	char answer;

	if (waited || !getenv("KEEL_BENCH_PROFILE") || !on_host("amd"))
		return;
	waited = true;
	abi_note("profile ready");
	ASSERT_EQ(read(STDIN_FILENO, &answer, 1), 1);
}

__attribute__((noinline)) void window_start(void)
{
	wait_for_profile();
	asm volatile("xchg %%bx, %%bx" : : : "memory");
}

__attribute__((noinline)) void window_end(void)
{
	asm volatile("xchg %%bx, %%bx" : : : "memory");
}

/* A window with nothing in it */
void window_less(void)
{
	window_start();
	window_end();
}

/* ---- idle time ---- */

static volatile uint64_t *spins;
static pid_t spinner;

#define SPIN_INSTRUCTIONS	2

static void spin(void)
{
	struct sched_param param = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_IDLE, &param);
	asm volatile("1: incq %0\njmp 1b" : : "m"(*spins));
}

void idle_start(void)
{
	spins = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((long)spins, -1L);
	spinner = fork();
	if (!spinner)
		spin();
	/* It has to have come so far. */
	while (!*spins)
		usleep(1000);
}

void idle_stop(void)
{
	kill(spinner, SIGKILL);
	waitpid(spinner, NULL, 0);
}

uint64_t work_tsc(void)
{
	return tsc() - (spins ? *spins : 0) * SPIN_INSTRUCTIONS;
}

/* ---- guests ---- */

struct gate {
	uint16_t offset0, selector;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, reserved;
};

static void set_gate(struct vm *vm, uint8_t vector, uint32_t gpa)
{
	struct gate *gate = (struct gate *)(vm->mem + IDT) + vector;

	*gate = (struct gate){ .offset0 = gpa, .selector = 8, .type = 0x8e, .offset1 = gpa >> 16 };
}

/* The handler comes back by IRETQ, which reads the segments. */
static void set_gdt(struct vm *vm, struct kvm_sregs *s)
{
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

	memcpy(vm->mem + IDT + PAGE, gdt, sizeof(gdt));
	s->gdt.base = IDT + PAGE;
	s->gdt.limit = sizeof(gdt) - 1;
	s->idt.base = IDT;
	s->idt.limit = PAGE - 1;
}

/* What a guest does at VECTOR: an EOI by MSR, and back. */
GUEST(64, handler,
	"incl " STRING(COUNT) "\n"
	GUEST_MSR_0(0x80b)
	"wrmsr\n"
	"iretq\n");

#define TSC_DEADLINE	(1U << 24)

/* What is supported, and the timer's deadline, which a VMM asks for by itself. */
static void set_cpuid(struct vcpu *c, unsigned int id)
{
	struct kvm_cpuid2 *t = supported_cpuid();
	unsigned int i;

	for (i = 0; i < t->nent; i++) {
		if (t->entries[i].function == 1) {
			t->entries[i].ecx |= TSC_DEADLINE;
			t->entries[i].ebx = (t->entries[i].ebx & 0xffffff) | id << 24;
		} else if (t->entries[i].function == 0xb) {
			t->entries[i].edx = id;
		}
	}
	ASSERT_OK(ioctl(c->fd, KVM_SET_CPUID2, t));
	free(t);
}

void bench_vcpu(struct vcpu *c, struct vm *vm, unsigned int id, uint64_t ip)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs s;

	make_vcpu(c, vm, id);
	set_cpuid(c, id);
	start_long(c, ip);
	s = get_sregs(c);
	set_gdt(vm, &s);
	set_sregs(c, &s);
	if (id)
		ASSERT_OK(ioctl(c->fd, KVM_SET_MP_STATE, &mp));
}

void bench_make(struct vm *vm, struct vcpu *c, unsigned int flags, const void *code,
		const void *end)
{
	make_vm(vm, flags);
	guest_code(vm, CODE, code, end);
	guest_code(vm, HANDLER, handler, handler_end);
	set_gate(vm, VECTOR, HANDLER);
	bench_vcpu(c, vm, 0, CODE);
}

/* A profile's batches are written down, instruction by instruction. */
static int batches(void)
{
	return getenv("KEEL_BENCH_PROFILE") ? 4 : BATCHES;
}

static uint64_t least_batch(const struct bench_guest *g, const void *code, const void *end)
{
	uint64_t least = ~0UL, *result;
	struct vcpu c;
	struct vm vm;
	int i;

	bench_make(&vm, &c, g->flags, code, end);
	if (g->prepare)
		g->prepare(&vm);
	result = (void *)(vm.mem + RESULT);
	for (i = 0; i < batches(); i++) {
		window_start();
		run_to_out(&c, DONE_PORT);
		window_end();
		if (*result < least)
			least = *result;
	}
	drop_vcpu(&c);
	drop_vm(&vm);
	return least;
}

void bench_guest(const struct bench_guest *g)
{
	uint64_t with = least_batch(g, g->code, g->code_end);
	uint64_t without;

	window_less();
	without = least_batch(g, g->less, g->less_end);

	bench_result(g->name, ((double)with - without) / OPS);
}

/* ---- the VMM ---- */

static uint64_t calls_batch(void (*fn)(void))
{
	uint64_t start, t;
	int i;

	window_start();
	start = tsc();
	for (i = 0; i < OPS; i++)
		fn();
	t = tsc() - start;
	window_end();
	return t;
}

static uint64_t least_of(void (*fn)(void))
{
	uint64_t least = ~0UL, t;
	int i;

	for (i = 0; i < batches(); i++) {
		t = calls_batch(fn);
		if (t < least)
			least = t;
	}
	return least;
}

static void nothing(void)
{
	asm volatile("");
}

uint64_t least_calls(void (*fn)(void))
{
	uint64_t with = least_of(fn);

	window_less();
	return with - least_of(nothing);
}

void bench_calls(const char *name, void (*fn)(void))
{
	bench_result(name, (double)least_calls(fn) / OPS);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * run.c - KVM_RUN: interruption by signals, immediate_exit, interrupts, NMI, HLT
 */
#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include "abi.h"

static struct vm vm;
static struct vcpu c;

GUEST(16, spin, GUEST_LOOP "jmp 1b\n");
GUEST(16, out_loop, "1: " GUEST_OUT "jmp 1b\n");
GUEST(16, sti_spin, GUEST_LOOP "jmp 1b\n");
GUEST(16, sti_hlt, "1: sti\nhlt\n" GUEST_STEP "jmp 1b\n");
GUEST(16, cli_hlt, "1: cli\nhlt\n" GUEST_STEP "jmp 1b\n");
/* A handler: tells, and returns. */
GUEST(16, handler, GUEST_OUT "iretw\n");
#define HANDLER		0x2000

static volatile int handled;

static void on_signal(int sig)
{
	handled++;
}

static void catch_signal(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	ASSERT_OK(sigaction(sig, &sa, NULL));
}

/* KVM_RUN until a signal. It comes again and again: the first may be there too early. */
static int run_for_ms(struct vcpu *v, unsigned int ms)
{
	struct itimerval t = { .it_value.tv_usec = ms * 1000, .it_interval.tv_usec = ms * 1000 };
	struct itimerval off = { 0 };
	int before = handled, r;

	catch_signal(SIGALRM);
	ASSERT_OK(setitimer(ITIMER_REAL, &t, NULL));
	r = run_vcpu(v);
	ASSERT_OK(setitimer(ITIMER_REAL, &off, NULL));
	EXPECT_GT(handled, before);
	return r;
}

static void make(unsigned int flags, const void *code, const void *end)
{
	make_guest(&vm, &c, flags, code, end);
	guest_code(&vm, HANDLER, handler, handler_end);
	handled = 0;
}

/* ---- interruption ---- */

TEST(immediate_exit)
{
	make(0, spin, spin_end);
	c.run->immediate_exit = 1;
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	c.run->immediate_exit = 0;
	start_at(&c, CODE);
	guest_code(&vm, CODE, out_loop, out_loop_end);
	run_to_out(&c, DONE_PORT);
}

TEST(signal_ends_run)
{
	make(0, spin, spin_end);
	EXPECT_EQ(run_for_ms(&c, 50), -EINTR);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_INTR);
}

TEST(signal_ends_kernel_halt)
{
	make(VM_IRQCHIP, cli_hlt, cli_hlt_end);
	EXPECT_EQ(run_for_ms(&c, 50), -EINTR);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_INTR);
	EXPECT_EQ(run_for_ms(&c, 50), -EINTR);
}

/* The handler of VMMs sets immediate_exit: whenever it comes, KVM_RUN ends. */
static void set_immediate(int sig)
{
	c.run->immediate_exit = 1;
	handled++;
}

TEST(immediate_exit_by_handler)
{
	struct sigaction sa = { .sa_handler = set_immediate };
	struct itimerval t = { { 0, 0 }, { 0, 500 } };
	int i;

	make(0, spin, spin_end);
	ASSERT_OK(sigaction(SIGALRM, &sa, NULL));
	for (i = 0; i < 300; i++) {
		c.run->immediate_exit = 0;
		handled = 0;
		t.it_value.tv_usec = 1 + i * 3;
		ASSERT_OK(setitimer(ITIMER_REAL, &t, NULL));
		ASSERT_EQ(run_vcpu(&c), -EINTR);
		while (!handled)
			;
	}
}

static void set_mask(uint32_t len, uint64_t mask)
{
	struct {
		struct kvm_signal_mask h;
		uint64_t set;
	} m = { .h.len = len, .set = mask };

	memcpy(m.h.sigset, &mask, sizeof(mask));
	EXPECT_OK(ioctl(c.fd, KVM_SET_SIGNAL_MASK, &m));
}

#define BIT(sig)	(1UL << ((sig) - 1))

/* The signal is blocked but for KVM_RUN: it ends it, and is still there. */
TEST(signal_mask)
{
	sigset_t blocked, pending;
	int sig;

	make(0, spin, spin_end);
	catch_signal(SIGUSR1);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	ASSERT_OK(sigprocmask(SIG_BLOCK, &blocked, NULL));
	set_mask(8, ~BIT(SIGUSR1));
	raise(SIGUSR1);
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_INTR);
	EXPECT_EQ(handled, 0);
	ASSERT_OK(sigpending(&pending));
	EXPECT_TRUE(sigismember(&pending, SIGUSR1));
	ASSERT_OK(sigwait(&blocked, &sig));
	EXPECT_EQ(sig, SIGUSR1);
	/* The thread's own mask is as before. */
	ASSERT_OK(sigprocmask(SIG_BLOCK, NULL, &pending));
	EXPECT_TRUE(sigismember(&pending, SIGUSR1));
	EXPECT_FALSE(sigismember(&pending, SIGALRM));
}

GUEST(16, wait_for_flag, GUEST_LOOP "cmpb $0, 0x7000\nje 1b\n" GUEST_OUT "jmp 1b\n");

static void *set_flag(void *arg)
{
	sleep_ms(100);
	vm.mem[0x7000] = 1;
	return NULL;
}

/* A signal that the mask blocks waits until KVM_RUN is over. */
TEST(signal_mask_blocks)
{
	struct itimerval t = { .it_value.tv_usec = 20000 };
	sigset_t set;
	pthread_t th;

	make(0, wait_for_flag, wait_for_flag_end);
	catch_signal(SIGALRM);
	set_mask(8, BIT(SIGALRM));
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	ASSERT_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));	/* for the thread, too */
	ASSERT_OK(pthread_create(&th, NULL, set_flag, NULL));
	ASSERT_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
	ASSERT_OK(setitimer(ITIMER_REAL, &t, NULL));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(handled, 1);
	pthread_join(th, NULL);
}

TEST(signal_mask_errors)
{
	struct {
		struct kvm_signal_mask h;
		uint64_t set[2];
	} m = { .h.len = 4 };

	make(0, out_loop, out_loop_end);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_SIGNAL_MASK, &m), EINVAL);
	m.h.len = 16;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_SIGNAL_MASK, &m), EINVAL);
	m.h.len = 0;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_SIGNAL_MASK, &m), EINVAL);
	set_mask(8, ~0UL);	/* KILL and STOP are never blocked */
	EXPECT_OK(ioctl(c.fd, KVM_SET_SIGNAL_MASK, NULL));
	run_to_out(&c, DONE_PORT);
}

/* ---- user irqchip: KVM_INTERRUPT and the window ---- */

static int interrupt(uint32_t vector)
{
	struct kvm_interrupt i = { .irq = vector };

	return ioctl(c.fd, KVM_INTERRUPT, &i);
}

TEST(user_irq)
{
	make(0, sti_spin, sti_spin_end);
	set_idt_entry(&vm, 0x21, HANDLER);
	/* Until STI there is no window. */
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(c.run->ready_for_interrupt_injection, 1);
	EXPECT_EQ(c.run->if_flag, 1);
	c.run->request_interrupt_window = 0;
	EXPECT_OK(interrupt(0x21));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(c.run->if_flag, 0);
	EXPECT_EQ(c.run->ready_for_interrupt_injection, 0);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(get_regs(&c).rsp, STACK);
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
}

TEST(user_irq_many)
{
	int i;

	make(0, sti_spin, sti_spin_end);
	for (i = 0x20; i < 0x100; i++) {
		set_idt_entry(&vm, i, HANDLER);
		c.run->request_interrupt_window = 1;
		run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
		c.run->request_interrupt_window = 0;
		ASSERT_OK(interrupt(i));
		run_to_out(&c, DONE_PORT);
	}
}

/* HLT ends with the exit; the interrupt comes then. */
TEST(user_irq_after_hlt)
{
	make(0, sti_hlt, sti_hlt_end);
	set_idt_entry(&vm, 0x30, HANDLER);
	run_to(&c, KVM_EXIT_HLT);
	EXPECT_EQ(c.run->ready_for_interrupt_injection, 1);
	EXPECT_OK(interrupt(0x30));
	run_to_out(&c, DONE_PORT);
	run_to_out(&c, STEP_PORT);
	run_to(&c, KVM_EXIT_HLT);
}

TEST(user_irq_errors)
{
	make(0, sti_spin, sti_spin_end);
	EXPECT_ERR(interrupt(256), EINVAL);
	EXPECT_ERR(interrupt(~0U), EINVAL);
}

/* With PICs in the kernel nobody else interrupts. */
TEST(user_irq_with_irqchip)
{
	make(VM_IRQCHIP, sti_spin, sti_spin_end);
	EXPECT_ERR(interrupt(0x20), ENXIO);
	EXPECT_ERR(interrupt(256), EINVAL);
	c.run->request_interrupt_window = 1;	/* means nothing */
	EXPECT_EQ(run_for_ms(&c, 50), -EINTR);
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_INTR);
	EXPECT_EQ(c.run->ready_for_interrupt_injection, 1);
}

/* A VMM that puts the special registers back as they were: it is the same interrupt still. */
TEST(user_irq_in_sregs)
{
	struct kvm_sregs s;

	make(0, sti_spin, sti_spin_end);
	set_idt_entry(&vm, 0x30, HANDLER);
	set_idt_entry(&vm, 0x31, HANDLER);
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_OK(interrupt(0x30));
	s = get_sregs(&c);
	set_sregs(&c, &s);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(get_regs(&c).rsp, STACK);
	/* Another one in its place */
	EXPECT_OK(interrupt(0x30));
	s.interrupt_bitmap[0] = 1UL << 0x31;
	set_sregs(&c, &s);
	EXPECT_EQ(get_sregs(&c).interrupt_bitmap[0], 1UL << 0x31);
	run_to_out(&c, DONE_PORT);
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(get_regs(&c).rsp, STACK);
}

/* As the ABI's documentation has it. */
TEST(user_irq_again)
{
	DIFFERS("a vector that was not taken yet is replaced on kvm, -EEXIST on Keel");
	make(0, sti_spin, sti_spin_end);
	set_idt_entry(&vm, 0x30, HANDLER);
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	c.run->request_interrupt_window = 0;
	EXPECT_OK(interrupt(0x30));
	EXPECT_ERR(interrupt(0x31), EEXIST);
	run_to_out(&c, DONE_PORT);
}

/* A vector that was not taken yet can be seen, dropped and put back. */
TEST(user_irq_in_events)
{
	struct kvm_vcpu_events ev, none;
	struct kvm_regs regs;

	make(0, out_loop, out_loop_end);
	set_idt_entry(&vm, 0x30, HANDLER);
	EXPECT_OK(interrupt(0x30));
	EXPECT_EQ(get_sregs(&c).interrupt_bitmap[0], 1UL << 0x30);
	ASSERT_OK(ioctl(c.fd, KVM_GET_VCPU_EVENTS, &ev));
	EXPECT_EQ(ev.interrupt.injected, 1);
	EXPECT_EQ(ev.interrupt.nr, 0x30);
	none = ev;
	none.interrupt.injected = 0;
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &none));
	EXPECT_EQ(get_sregs(&c).interrupt_bitmap[0], 0);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK);
	EXPECT_EQ(c.run->ready_for_interrupt_injection, 0);
	/* Intel's CPUs refuse to inject an interrupt while they are off. */
	regs = get_regs(&c);
	regs.rflags |= 0x200;
	ASSERT_OK(ioctl(c.fd, KVM_SET_REGS, &regs));
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
}

/*
 * An exception and an interrupt at once: the exception first, whose handler has interrupts
 * off; the interrupt when they are on again.
 */
GUEST(16, after_ud, GUEST_STEP "sti\nnop\n" GUEST_OUT);
GUEST(16, after_ud_halt, GUEST_STEP "sti\nhlt\n" GUEST_OUT);
#define AFTER_UD	0x3000

static void exception_and_irq(unsigned int flags, const uint8_t *code, const uint8_t *end)
{
	struct kvm_vcpu_events ev;
	struct kvm_regs regs;

	make(flags, out_loop, out_loop_end);
	guest_code(&vm, AFTER_UD, code, end);
	set_idt_entry(&vm, 6, AFTER_UD);
	set_idt_entry(&vm, 0x30, HANDLER);
	regs = get_regs(&c);
	regs.rflags |= 0x200;
	ASSERT_OK(ioctl(c.fd, KVM_SET_REGS, &regs));
	ASSERT_OK(ioctl(c.fd, KVM_GET_VCPU_EVENTS, &ev));
	ev.exception.injected = 1;
	ev.exception.nr = 6;
	ev.interrupt.injected = 1;
	ev.interrupt.nr = 0x30;
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 12);
	EXPECT_EQ(get_regs(&c).rip & ~0xffUL, HANDLER);
}

TEST(user_irq_behind_exception)
{
	exception_and_irq(0, after_ud, after_ud_end);
}

TEST(user_irq_behind_exception_ends_halt)
{
	exception_and_irq(VM_SPLIT, after_ud_halt, after_ud_halt_end);
}

/* In split mode the vector waits, and there is room for one. */
TEST(split_user_irq)
{
	struct kvm_lapic_state l;
	uint32_t *lvt0 = (void *)(l.regs + 0x350);

	make(VM_SPLIT, sti_spin, sti_spin_end);
	set_idt_entry(&vm, 0x30, HANDLER);
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &l));
	*lvt0 = 0x700;		/* ExtINT */
	ASSERT_OK(ioctl(c.fd, KVM_SET_LAPIC, &l));
	EXPECT_OK(interrupt(0x30));
	EXPECT_ERR(interrupt(0x31), EEXIST);
	run_to_out(&c, DONE_PORT);
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_OK(interrupt(0x30));
}

/* HLT in STI's shadow opens the window, too: who has asked for it does not sleep on. */
TEST(split_window_at_hlt)
{
	struct kvm_lapic_state l;
	uint32_t *lvt0 = (void *)(l.regs + 0x350);

	make(VM_SPLIT, sti_hlt, sti_hlt_end);
	set_idt_entry(&vm, 0x30, HANDLER);
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &l));
	*lvt0 = 0x700;		/* ExtINT */
	ASSERT_OK(ioctl(c.fd, KVM_SET_LAPIC, &l));
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(c.run->ready_for_interrupt_injection, 1);
	c.run->request_interrupt_window = 0;
	EXPECT_OK(interrupt(0x30));
	run_to_out(&c, DONE_PORT);
	run_to_out(&c, STEP_PORT);
}

/* The window opens after STI's shadow, not in it. */
TEST(window_and_shadow)
{
	GUEST(16, sti_cli,
	      "1: sti\n"
	      "cli\n"
	      "in $0x60, %al\n"
	      "sti\n"
	      "nop\n"
	      "2: jmp 2b\n");

	make(0, sti_cli, sti_cli_end);
	c.run->request_interrupt_window = 1;
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(c.run->io.port, 0x60);
	run_to(&c, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_GE(get_regs(&c).rip, CODE + 6);
}

/* ---- NMI ---- */

TEST(nmi)
{
	make(0, spin, spin_end);
	set_idt_entry(&vm, 2, HANDLER);
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
}

/* One is held while one is handled; a third is lost. */
TEST(nmi_held_until_iret)
{
	make(0, spin, spin_end);
	set_idt_entry(&vm, 2, HANDLER);
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	run_to_out(&c, DONE_PORT);
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(run_for_ms(&c, 100), -EINTR);
	EXPECT_EQ(get_regs(&c).rsp, STACK);
}

TEST(nmi_ends_kernel_halt)
{
	make(VM_IRQCHIP, cli_hlt, cli_hlt_end);
	set_idt_entry(&vm, 2, HANDLER);
	EXPECT_EQ(run_for_ms(&c, 50), -EINTR);
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	run_to_out(&c, DONE_PORT);
	run_to_out(&c, STEP_PORT);
}

/* ---- kernel irqchip ---- */

static void *raise_line(void *arg)
{
	sleep_ms(50);
	EXPECT_OK(irq_line(&vm, 4, 1));
	EXPECT_OK(irq_line(&vm, 4, 0));
	return NULL;
}

/* ICW1 to ICW4 for the master: vectors from 0x20, all masked but IRQ 4. */
GUEST(16, pic_hlt,
	"mov $0x11, %al\nout %al, $0x20\n"
	"mov $0x20, %al\nout %al, $0x21\n"
	"mov $4, %al\nout %al, $0x21\n"
	"mov $1, %al\nout %al, $0x21\n"
	"mov $0xef, %al\nout %al, $0x21\n"
	GUEST_STEP
	"1: sti\n"
	"hlt\n"
	GUEST_STEP
	"jmp 1b\n");

TEST(pic_ends_halt)
{
	pthread_t t;

	make(VM_IRQCHIP, pic_hlt, pic_hlt_end);
	set_idt_entry(&vm, 0x24, HANDLER);
	run_to_out(&c, STEP_PORT);
	ASSERT_OK(pthread_create(&t, NULL, raise_line, NULL));
	run_to_out(&c, DONE_PORT);
	run_to_out(&c, STEP_PORT);
	pthread_join(t, NULL);
}

TEST(pic_interrupts_running)
{
	pthread_t t;

	make(VM_IRQCHIP, pic_hlt, pic_hlt_end);
	set_idt_entry(&vm, 0x24, HANDLER);
	run_to_out(&c, STEP_PORT);
	guest_code(&vm, CODE, sti_spin, sti_spin_end);
	start_at(&c, CODE);
	ASSERT_OK(pthread_create(&t, NULL, raise_line, NULL));
	run_to_out(&c, DONE_PORT);
	pthread_join(t, NULL);
}

/* An AP that nobody has started waits. */
TEST(uninitialized_waits)
{
	struct kvm_mp_state mp;
	struct vcpu ap;

	make(VM_IRQCHIP, spin, spin_end);
	make_vcpu(&ap, &vm, 1);
	ASSERT_OK(ioctl(ap.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	EXPECT_EQ(run_for_ms(&ap, 50), -EINTR);
	ap.run->immediate_exit = 1;
	EXPECT_EQ(run_vcpu(&ap), -EINTR);
}

static struct vcpu ap;

static void *run_ap(void *arg)
{
	int r;

	do {
		r = run_vcpu(&ap);
	} while (r == -EAGAIN || r == -EINTR);
	EXPECT_EQ(r, 0);
	return NULL;
}

/* kvm knows the APs as destinations only once an APIC has changed: SPIV first. */
GUEST(64, init_sipi,
	"mov $0xfee00300, %ebx\n"
	"movl $0x1ff, -0x210(%rbx)\n"
	"movl $0x01000000, 0x10(%rbx)\n"
	"movl $0xc500, (%rbx)\n"		/* INIT, assert */
	"movl $0x01000000, 0x10(%rbx)\n"
	"movl $0x0603, (%rbx)\n"		/* SIPI to 0x3000 */
	GUEST_OUT);

TEST(init_sipi_starts_ap)
{
	struct kvm_sregs s;
	pthread_t t;

	make(VM_IRQCHIP, init_sipi, init_sipi_end);
	guest_code(&vm, 0x3000, out_loop, out_loop_end);
	start_long(&c, CODE);
	make_vcpu(&ap, &vm, 1);
	ASSERT_OK(pthread_create(&t, NULL, run_ap, NULL));
	sleep_ms(50);
	run_to_out(&c, DONE_PORT);
	pthread_join(t, NULL);
	EXPECT_EQ(ap.run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(ap.run->io.port, DONE_PORT);
	s = get_sregs(&ap);
	EXPECT_EQ(s.cs.base, 0x3000);
	EXPECT_EQ(s.cs.selector, 0x300);
}

/* ---- mp_state ---- */

static int set_mp(uint32_t state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	return ioctl(c.fd, KVM_SET_MP_STATE, &mp);
}

static uint32_t mp_state(void)
{
	struct kvm_mp_state mp;

	ASSERT_OK(ioctl(c.fd, KVM_GET_MP_STATE, &mp));
	return mp.mp_state;
}

TEST(mp_state_user_irqchip)
{
	make(0, out_loop, out_loop_end);
	EXPECT_EQ(mp_state(), KVM_MP_STATE_RUNNABLE);
	EXPECT_OK(set_mp(KVM_MP_STATE_RUNNABLE));
	EXPECT_ERR(set_mp(KVM_MP_STATE_HALTED), EINVAL);
	EXPECT_ERR(set_mp(KVM_MP_STATE_UNINITIALIZED), EINVAL);
	EXPECT_ERR(set_mp(KVM_MP_STATE_INIT_RECEIVED), EINVAL);
	EXPECT_ERR(set_mp(KVM_MP_STATE_SIPI_RECEIVED), EINVAL);
	EXPECT_ERR(set_mp(100), EINVAL);
	run_to_out(&c, DONE_PORT);
}

TEST(mp_state_kernel_irqchip)
{
	make(VM_IRQCHIP, out_loop, out_loop_end);
	EXPECT_OK(set_mp(KVM_MP_STATE_HALTED));
	EXPECT_EQ(mp_state(), KVM_MP_STATE_HALTED);
	EXPECT_OK(set_mp(KVM_MP_STATE_UNINITIALIZED));
	EXPECT_EQ(mp_state(), KVM_MP_STATE_UNINITIALIZED);
	EXPECT_ERR(set_mp(KVM_MP_STATE_STOPPED), EINVAL);
	EXPECT_ERR(set_mp(KVM_MP_STATE_CHECK_STOP), EINVAL);
	EXPECT_ERR(set_mp(~0U), EINVAL);
	EXPECT_OK(set_mp(KVM_MP_STATE_INIT_RECEIVED));
	EXPECT_EQ(mp_state(), KVM_MP_STATE_INIT_RECEIVED);
	EXPECT_OK(set_mp(KVM_MP_STATE_RUNNABLE));
	run_to_out(&c, DONE_PORT);
}

TEST(mp_state_halted_sleeps)
{
	make(VM_IRQCHIP, out_loop, out_loop_end);
	EXPECT_OK(set_mp(KVM_MP_STATE_HALTED));
	EXPECT_EQ(run_for_ms(&c, 50), -EINTR);
	EXPECT_OK(set_mp(KVM_MP_STATE_RUNNABLE));
	run_to_out(&c, DONE_PORT);
}

#define KICK_1 "mov $5, %eax\nxor %ebx, %ebx\nmov $1, %ecx\n"	/* KVM_HC_KICK_CPU */
GUEST(16, kick_intel, KICK_1 "vmcall\n" GUEST_OUT);
GUEST(16, kick_amd, KICK_1 "vmmcall\n" GUEST_OUT);

/* One that is halted and not in KVM_RUN is kicked: it must not be saved as halted. */
TEST(mp_state_knows_of_kick)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };
	unsigned int a, b = 0, x, d;

	__cpuid(0, a, b, x, d);
	make(VM_IRQCHIP, kick_amd, kick_amd_end);
	if (b == signature_INTEL_ebx)
		guest_code(&vm, CODE, kick_intel, kick_intel_end);
	set_all_cpuid(&c);
	make_vcpu(&ap, &vm, 1);
	ASSERT_OK(ioctl(ap.fd, KVM_SET_MP_STATE, &mp));
	EXPECT_OK(ioctl(ap.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(mp.mp_state, KVM_MP_STATE_HALTED);
	run_to_out(&c, DONE_PORT);
	EXPECT_OK(ioctl(ap.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
}

/* ---- registers in kvm_run ---- */

TEST(sync_regs)
{
	make(0, out_loop, out_loop_end);
	c.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(c.run->s.regs.regs.rip & ~0xfUL, CODE);
	EXPECT_EQ(c.run->s.regs.sregs.cr0, get_sregs(&c).cr0);
	c.run->s.regs.regs.rbx = 0x1234567;
	c.run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rbx, 0x1234567);
	EXPECT_EQ(c.run->kvm_dirty_regs, 0);
	/* Without the bit the copy is not looked at. */
	c.run->s.regs.regs.rbx = 1;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rbx, 0x1234567);
}

TEST(sync_regs_errors)
{
	make(0, out_loop, out_loop_end);
	c.run->kvm_valid_regs = 8;
	EXPECT_EQ(run_vcpu(&c), -EINVAL);
	c.run->kvm_valid_regs = 1U << 31;
	EXPECT_EQ(run_vcpu(&c), -EINVAL);
	c.run->kvm_valid_regs = 0;
	c.run->kvm_dirty_regs = 8;
	EXPECT_EQ(run_vcpu(&c), -EINVAL);
	c.run->kvm_dirty_regs = 0;
	c.run->s.regs.sregs.cr4 = ~0UL;
	c.run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	EXPECT_EQ(run_vcpu(&c), -EINVAL);
	c.run->kvm_dirty_regs = 0;
	run_to_out(&c, DONE_PORT);
}

TEST(cr8_in_run)
{
	make(0, out_loop, out_loop_end);
	c.run->cr8 = 5;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(c.run->cr8, 5);
	EXPECT_EQ(get_sregs(&c).cr8, 5);
	EXPECT_EQ(c.run->apic_base & 0xfffff000, 0xfee00000);
	c.run->cr8 = 16;
	EXPECT_EQ(run_vcpu(&c), -EINVAL);
	c.run->cr8 = 0;
	run_to_out(&c, DONE_PORT);
}

/* ---- single step ---- */

TEST(guest_debug_step)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	static const uint8_t code[] = { 0x90, 0x90, 0x40, 0xe6, 0xf4 };	/* nop, nop, inc, out */
	unsigned int i, behind = !on_host("intel");

	/* At an intercepted #DB, Bochs still has the RIP of the instruction. */
	make(0, code, code + sizeof(code));
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	for (i = 0; i < 3; i++) {
		run_to(&c, KVM_EXIT_DEBUG);
		EXPECT_EQ(c.run->debug.arch.exception, 1);
		EXPECT_EQ(c.run->debug.arch.pc, CODE + i + behind);
		EXPECT_EQ(c.run->debug.arch.dr6 & 0x4000, 0x4000);
		EXPECT_EQ(get_regs(&c).rflags & 0x100, 0);
	}
	dbg.control = 0;
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	run_to_out(&c, DONE_PORT);
}

GUEST(64, popf, "popfq\n" GUEST_OUT);

/* From a device, so that it is emulated: TF before it counts, not what it loads. */
TEST(guest_debug_step_popf)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_regs r;

	if (on_host("intel"))
		SKIP("Bochs has the step's #DB before the device is asked, on kvm, too");
	make(0, popf, popf_end);
	start_long(&c, CODE);
	r = get_regs(&c);
	r.rsp = HOLE;
	set_regs(&c, &r);
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.phys_addr, HOLE);
	EXPECT_EQ(c.run->mmio.len, 8);
	memcpy(c.run->mmio.data, "\x02\x08\0\0\0\0\0", 8);	/* OF */
	run_to(&c, KVM_EXIT_DEBUG);
	EXPECT_EQ(c.run->debug.arch.pc, CODE + 1);
	r = get_regs(&c);
	EXPECT_EQ(r.rsp, HOLE + 8);
	EXPECT_EQ(r.rflags & 0x900, 0x800);
	dbg.control = 0;
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	run_to_out(&c, DONE_PORT);
}

TEST(guest_debug_int3)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};
	static const uint8_t code[] = { 0x90, 0xcc, 0xe6, 0xf4 };

	if (on_host("amd"))
		SKIP("the emulated CPU does not intercept INT3");
	make(0, code, code + sizeof(code));
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	run_to(&c, KVM_EXIT_DEBUG);
	EXPECT_EQ(c.run->debug.arch.exception, 3);
	EXPECT_EQ(c.run->debug.arch.pc, CODE + 1);
	EXPECT_EQ(get_regs(&c).rip, CODE + 1);
}

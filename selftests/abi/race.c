// SPDX-License-Identifier: GPL-2.0
/*
 * race.c - ioctls against ioctls, and against a running vCPU
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "abi.h"

static struct vm vm;
static struct vcpu c;
static volatile bool stop;

/* How long two threads go on: a look at each race, or a search for the rare ones. */
static unsigned int run_ms(void)
{
	return getenv("KEEL_FULL") ? 1500 : 250;
}

static void nothing(int sig)
{
}

/* A thread that calls @fn until stop is set. */
static void *repeat(void *arg)
{
	void (*fn)(void) = arg;

	while (!stop)
		fn();
	return NULL;
}

static pthread_t start(void (*fn)(void))
{
	pthread_t t;

	ASSERT_EQ(pthread_create(&t, NULL, repeat, fn), 0);
	return t;
}

/* A guest that never exits ends by a signal, as often as it takes: one may come too early. */
static void end_thread(pthread_t t)
{
	while (pthread_tryjoin_np(t, NULL) == EBUSY) {
		pthread_kill(t, SIGUSR1);
		sleep_ms(1);
	}
}

/* ... and on, until @enough has come of it: on a slow host that is later. */
static void for_a_while_until(void (*a)(void), void (*b)(void), bool (*enough)(void))
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t t[2];

	ASSERT_OK(sigaction(SIGUSR1, &sa, NULL));
	t[0] = start(a);
	t[1] = start(b);
	sleep_ms(run_ms());
	while (!stop && !enough())
		sleep_ms(10);
	stop = true;
	if (c.run)
		c.run->immediate_exit = 1;
	end_thread(t[0]);
	end_thread(t[1]);
	if (c.run)
		c.run->immediate_exit = 0;
	stop = false;
}

static bool always(void)
{
	return true;
}

static void for_a_while(void (*a)(void), void (*b)(void))
{
	for_a_while_until(a, b, always);
}

/* ---- set-up against set-up ---- */

static pthread_barrier_t gate;
static long irqchip_result, vcpu_result, second_result;

static void *create_irqchip(void *arg)
{
	pthread_barrier_wait(&gate);
	irqchip_result = ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0) ? -errno : 0;
	return NULL;
}

static void *create_vcpu(void *arg)
{
	long r;

	pthread_barrier_wait(&gate);
	r = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
	vcpu_result = r < 0 ? -errno : r;
	return NULL;
}

static void *create_split(void *arg)
{
	pthread_barrier_wait(&gate);
	second_result = enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 24) ? -errno : 0;
	return NULL;
}

static void both(void *(*a)(void *), void *(*b)(void *))
{
	pthread_t t;

	ASSERT_EQ(pthread_barrier_init(&gate, NULL, 2), 0);
	ASSERT_EQ(pthread_create(&t, NULL, a, NULL), 0);
	b(NULL);
	pthread_join(t, NULL);
}

/* Either the vCPU comes later and has a LAPIC, or first, and there are no chips. */
TEST(irqchip_and_vcpu)
{
	struct kvm_lapic_state l;
	int i, r;

	for (i = 0; i < 40; i++) {
		make_vm(&vm, VM_NO_MEM);
		both(create_irqchip, create_vcpu);
		ASSERT_TRUE(vcpu_result >= 0);
		ASSERT_TRUE(irqchip_result == 0 || irqchip_result == -EINVAL);
		r = ioctl(vcpu_result, KVM_GET_LAPIC, &l);
		ASSERT_EQ(r, irqchip_result ? -1 : 0);
		close(vcpu_result);
		drop_vm(&vm);
	}
}

TEST(irqchip_and_split)
{
	struct kvm_irqchip chip = { .chip_id = 0 };
	int i, r;

	for (i = 0; i < 40; i++) {
		make_vm(&vm, VM_NO_MEM);
		both(create_irqchip, create_split);
		ASSERT_TRUE((irqchip_result == 0) != (second_result == 0));
		ASSERT_TRUE(irqchip_result == 0 || irqchip_result == -EEXIST);
		ASSERT_TRUE(second_result == 0 || second_result == -EEXIST);
		r = ioctl(vm.fd, KVM_GET_IRQCHIP, &chip);
		ASSERT_EQ(r, irqchip_result ? -1 : 0);
		drop_vm(&vm);
	}
}

/* Of two vCPUs with one id one is. */
TEST(vcpu_and_vcpu)
{
	long first;
	int i;

	for (i = 0; i < 40; i++) {
		pthread_t t;

		make_vm(&vm, VM_NO_MEM | VM_IRQCHIP);
		ASSERT_EQ(pthread_barrier_init(&gate, NULL, 2), 0);
		ASSERT_EQ(pthread_create(&t, NULL, create_vcpu, NULL), 0);
		pthread_barrier_wait(&gate);
		first = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
		first = first < 0 ? -errno : first;
		pthread_join(t, NULL);
		ASSERT_TRUE((first >= 0) != (vcpu_result >= 0));
		ASSERT_EQ(first < 0 ? first : vcpu_result, -EEXIST);
		close(first >= 0 ? first : vcpu_result);
		drop_vm(&vm);
	}
}

static uint32_t next_id;

static void add_vcpu(void)
{
	int fd;

	if (next_id >= 60)
		return;
	fd = ioctl(vm.fd, KVM_CREATE_VCPU, __atomic_add_fetch(&next_id, 1, __ATOMIC_RELAXED));
	EXPECT_OK(fd);
	close(fd);
}

static void broadcast_msi(void)
{
	struct kvm_msi msi = { .address_lo = 0xfeeff000, .data = 0x40 };

	ioctl(vm.fd, KVM_SIGNAL_MSI, &msi);
	irq_line(&vm, 4, 1);
	irq_line(&vm, 4, 0);
}

static bool ten_vcpus(void)
{
	return __atomic_load_n(&next_id, __ATOMIC_RELAXED) >= 10;
}

/* vCPUs come to be while interrupts look for them. */
TEST(vcpus_and_interrupts)
{
	make_vm(&vm, VM_IRQCHIP | VM_PIT);
	for_a_while_until(add_vcpu, broadcast_msi, ten_vcpus);
	EXPECT_GE(next_id, 10);
}

/* ---- slots while a vCPU runs ---- */

/* Write and read all of 16 pages at 0x10000, for ever, and tell nobody. */
GUEST(16, touch_pages,
	GUEST_LOOP "mov $0x1000, %bx\n"
	"2: mov %bx, %es\n"
	"incw %es:0\n"
	"mov %es:2, %ax\n"
	"add $0x100, %bx\n"
	"cmp $0x2000, %bx\n"
	"jne 2b\n"
	"jmp 1b\n");

#define PLACE	0x10000UL
#define PAGES	16

static uint8_t *mem;
static volatile unsigned long exits;

static bool any_exit(void)
{
	return exits;
}

static bool some_exits(void)
{
	return exits > 10;
}

/* With slots coming and going the guest's accesses are memory or MMIO, nothing else. */
static void run_any(void)
{
	int r = run_vcpu(&c);

	exits++;
	if (r == -EINTR)
		return;
	if (r || c.run->exit_reason != KVM_EXIT_MMIO) {
		stop = true;
		EXPECT_EQ(r, 0);
		ASSERT_EQ(c.run->exit_reason, KVM_EXIT_MMIO);
	}
	if (c.run->mmio.phys_addr < PLACE || c.run->mmio.phys_addr >= PLACE + PAGES * PAGE)
		stop = true;
	EXPECT_GE(c.run->mmio.phys_addr, PLACE);
	EXPECT_LT(c.run->mmio.phys_addr, PLACE + PAGES * PAGE);
}

static void make_toucher(uint32_t flags)
{
	make_vm(&vm, VM_NO_MEM);
	vm.mem = map_pages(MEM_SIZE);
	mem = map_pages(PAGES * PAGE);
	guest_code(&vm, CODE, touch_pages, touch_pages_end);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, PLACE, vm.mem));
	ASSERT_OK(set_slot(&vm, 1, flags, PLACE, PAGES * PAGE, mem));
	make_vcpu(&c, &vm, 0);
	start_at(&c, CODE);
}

static void delete_and_create(void)
{
	EXPECT_OK(set_slot(&vm, 1, 0, 0, 0, NULL));
	EXPECT_OK(set_slot(&vm, 1, 0, PLACE, PAGES * PAGE, mem));
}

TEST(slot_delete_while_running)
{
	make_toucher(0);
	for_a_while_until(run_any, delete_and_create, any_exit);
	EXPECT_GT(exits, 0);
}

static void move_away_and_back(void)
{
	EXPECT_OK(set_slot(&vm, 1, 0, PLACE + (1 << 20), PAGES * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 1, 0, PLACE + 4 * PAGE, PAGES * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 1, 0, PLACE, PAGES * PAGE, mem));
}

TEST(slot_move_while_running)
{
	make_toucher(0);
	for_a_while_until(run_any, move_away_and_back, any_exit);
	EXPECT_GT(exits, 0);
}

static void log_on_and_off(void)
{
	uint64_t bits[1];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	EXPECT_OK(set_slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, PLACE, PAGES * PAGE, mem));
	EXPECT_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(bits[0] >> PAGES, 0);
	EXPECT_OK(set_slot(&vm, 1, 0, PLACE, PAGES * PAGE, mem));
}

TEST(log_while_running)
{
	make_toucher(0);
	for_a_while(run_any, log_on_and_off);
}

/* A write that the log has not told of is in no page that it did not name. */
static uint8_t last_seen[PAGES * PAGE];
static volatile unsigned int rounds;

static bool some_rounds(void)
{
	return rounds > 3 && *(volatile uint16_t *)mem;
}

static void check_log(void)
{
	uint64_t bits[1];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	unsigned int i;

	ASSERT_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < PAGES; i++)
		if (bits[0] >> i & 1)
			memcpy(last_seen + i * PAGE, mem + i * PAGE, PAGE);
	rounds++;
}

TEST(log_misses_nothing)
{
	make_toucher(KVM_MEM_LOG_DIRTY_PAGES);
	for_a_while_until(run_any, check_log, some_rounds);
	check_log();
	EXPECT_GT(rounds, 3);
	EXPECT_EQ(memcmp(last_seen, mem, PAGES * PAGE), 0);
	EXPECT_NE(*(uint16_t *)mem, 0);
}

/* The host takes the memory away and gives it back. */
static void remap(void)
{
	unsigned int i;

	madvise(mem, PAGES * PAGE, MADV_DONTNEED);
	for (i = 0; i < PAGES; i++)
		mprotect(mem + i * PAGE, PAGE, PROT_READ | PROT_WRITE | (i & 1) * PROT_EXEC);
}

TEST(host_unmaps_while_running)
{
	make_toucher(0);
	for_a_while(run_any, remap);
}

/* Pages move between processes (copy on write) while the guest writes them. */
static void fork_often(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	while (waitpid(pid, NULL, 0) != pid && errno == EINTR)
		;
}

TEST(host_forks_while_running)
{
	make_toucher(0);
	for_a_while(run_any, fork_often);
}

/* ---- eventfds ---- */

static int efd;

static void assign_and_deassign(void)
{
	struct kvm_irqfd f = { .fd = efd, .gsi = 4 };

	EXPECT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
	f.flags = KVM_IRQFD_FLAG_DEASSIGN;
	EXPECT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
}

static void signal_it(void)
{
	uint64_t one = 1;

	EXPECT_EQ(write(efd, &one, 8), 8);
	take_eventfd(efd);
}

TEST(irqfd_and_signals)
{
	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	efd = eventfd(0, EFD_NONBLOCK);
	for_a_while(assign_and_deassign, signal_it);
}

static void resample_assign_and_deassign(void)
{
	struct kvm_irqfd f = {
		.fd = efd, .gsi = 4, .flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = eventfd(0, EFD_NONBLOCK),
	};

	EXPECT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
	f.flags = KVM_IRQFD_FLAG_DEASSIGN;
	EXPECT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
	close(f.resamplefd);
}

TEST(resampler_and_signals)
{
	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	efd = eventfd(0, EFD_NONBLOCK);
	for_a_while(resample_assign_and_deassign, signal_it);
}

static void assign_and_close(void)
{
	struct kvm_irqfd f = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = 4 };
	uint64_t one = 1;

	EXPECT_OK(ioctl(vm.fd, KVM_IRQFD, &f));
	EXPECT_EQ(write(f.fd, &one, 8), 8);
	close(f.fd);
}

static void change_routes(void)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e;
	} t = {
		.h.nr = 1,
		.e = { .gsi = 4, .type = KVM_IRQ_ROUTING_IRQCHIP,
		       .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 4 } },
	};

	EXPECT_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t));
	t.e = (struct kvm_irq_routing_entry){
		.gsi = 4, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = 0x40 },
	};
	EXPECT_OK(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t));
}

TEST(irqfd_hangup_and_routes)
{
	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	for_a_while(assign_and_close, change_routes);
}

GUEST(16, out_for_ever, "1: out %al, $0x50\nout %al, $0x60\njmp 1b\n");

static void run_out(void)
{
	int r = run_vcpu(&c);

	if (r != -EINTR)
		EXPECT_EQ(r, 0);
	if (!r)
		EXPECT_EQ(c.run->exit_reason, KVM_EXIT_IO);
	exits++;
}

static void ioeventfd_add_and_drop(void)
{
	struct kvm_ioeventfd e = { .addr = 0x50, .len = 1, .fd = efd,
				   .flags = KVM_IOEVENTFD_FLAG_PIO };

	EXPECT_OK(ioctl(vm.fd, KVM_IOEVENTFD, &e));
	e.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	EXPECT_OK(ioctl(vm.fd, KVM_IOEVENTFD, &e));
}

/* Each write is the eventfd's or userspace's: none is lost, none is both. */
static volatile unsigned long port_50, port_60;

static bool some_writes(void)
{
	return port_60 > 10;
}

static void count_out(void)
{
	if (run_vcpu(&c))
		return;
	port_50 += c.run->io.port == 0x50;
	port_60 += c.run->io.port == 0x60;
}

TEST(ioeventfd_while_running)
{
	make_guest(&vm, &c, 0, out_for_ever, out_for_ever_end);
	efd = eventfd(0, EFD_NONBLOCK);
	for_a_while_until(count_out, ioeventfd_add_and_drop, some_writes);
	port_50 += take_eventfd(efd);
	EXPECT_GT(port_60, 10);
	EXPECT_GE(port_50, port_60);
	EXPECT_LE(port_50, port_60 + 1);
}

static void zone_add_and_drop(void)
{
	struct kvm_coalesced_mmio_zone z = { .addr = 0x50, .size = 1, .pio = 1 };

	EXPECT_OK(ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z));
	EXPECT_OK(ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
}

TEST(coalesced_while_running)
{
	make_guest(&vm, &c, 0, out_for_ever, out_for_ever_end);
	for_a_while_until(run_out, zone_add_and_drop, some_exits);
	EXPECT_GT(exits, 10);
}

/* ---- one vCPU, two threads ---- */

GUEST(16, spin, GUEST_LOOP "jmp 1b\n");

static volatile pid_t runner;

static void *run_until_stopped(void *arg)
{
	runner = syscall(SYS_gettid);
	while (!stop)
		EXPECT_EQ(run_vcpu(&c), -EINTR);
	return NULL;
}

/* Another thread's ioctl waits for KVM_RUN to end. */
TEST(ioctl_waits_for_run)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct kvm_regs r;
	pthread_t t;
	int i;

	ASSERT_OK(sigaction(SIGUSR1, &sa, NULL));
	make_guest(&vm, &c, 0, spin, spin_end);
	ASSERT_EQ(pthread_create(&t, NULL, run_until_stopped, NULL), 0);
	while (!runner)
		sleep_ms(1);
	for (i = 0; i < 20; i++) {
		sleep_ms(2);
		c.run->immediate_exit = 1;
		syscall(SYS_tgkill, getpid(), runner, SIGUSR1);
		ASSERT_OK(ioctl(c.fd, KVM_GET_REGS, &r));
		EXPECT_EQ(r.rip & ~1ULL, CODE);
		c.run->immediate_exit = 0;
	}
	stop = true;
	c.run->immediate_exit = 1;
	syscall(SYS_tgkill, getpid(), runner, SIGUSR1);
	pthread_join(t, NULL);
}

/* The vCPU may change threads from one KVM_RUN to the next. */
static void *run_once(void *arg)
{
	run_to(&c, KVM_EXIT_IO);
	return NULL;
}

TEST(vcpu_changes_threads)
{
	pthread_t t;
	int i;

	make_guest(&vm, &c, VM_IRQCHIP, out_for_ever, out_for_ever_end);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(pthread_create(&t, NULL, run_once, NULL), 0);
		pthread_join(t, NULL);
		EXPECT_EQ(c.run->io.port, i & 1 ? 0x60 : 0x50);
	}
}

/* ---- all ioctls of one vCPU while it runs ---- */

/* Each waits for KVM_RUN to end, or says that it came at a bad time; the state is its own. */
static void move_state(void)
{
	struct kvm_vcpu_events ev;
	struct kvm_lapic_state apic;
	struct kvm_mp_state mp;
	struct kvm_sregs s;
	uint64_t val;

	EXPECT_OK(ioctl(c.fd, KVM_GET_VCPU_EVENTS, &ev));
	EXPECT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	EXPECT_OK(ioctl(c.fd, KVM_GET_LAPIC, &apic));
	EXPECT_OK(ioctl(c.fd, KVM_SET_LAPIC, &apic));
	EXPECT_OK(ioctl(c.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_OK(ioctl(c.fd, KVM_SET_MP_STATE, &mp));
	EXPECT_OK(ioctl(c.fd, KVM_GET_SREGS, &s));
	EXPECT_OK(ioctl(c.fd, KVM_SET_SREGS, &s));
	EXPECT_EQ(get_msr(&c, 0x1b, &val), 1);
	EXPECT_EQ(set_msr(&c, 0x1b, val), 1);
}

TEST(state_set_while_running)
{
	make_guest(&vm, &c, VM_IRQCHIP, out_for_ever, out_for_ever_end);
	for_a_while_until(run_out, move_state, some_exits);
	EXPECT_GT(exits, 10);
}

static struct kvm_cpuid2 *table;

static void set_cpuid(void)
{
	int r = ioctl(c.fd, KVM_SET_CPUID2, table);

	EXPECT_TRUE(!r || errno == EINVAL);	/* EINVAL: it has run with another one */
}

GUEST(16, cpuid_for_ever, "1: mov $1, %eax\ncpuid\nout %al, $0x50\njmp 1b\n");

TEST(cpuid_set_while_running)
{
	make_guest(&vm, &c, VM_IRQCHIP, cpuid_for_ever, cpuid_for_ever_end);
	table = supported_cpuid();
	for_a_while_until(run_out, set_cpuid, some_exits);
	EXPECT_GT(exits, 10);
}

/* ---- the chips, while others use what there may be of them ---- */

static volatile int vm_fd;

/* Whatever comes back is an answer of before or of after. */
static void use_chips(void)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e;
	} t = { .h.nr = 1, .e = { .gsi = 4, .type = KVM_IRQ_ROUTING_MSI,
				  .u.msi = { .address_lo = 0xfee00000, .data = 0x40 } } };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level line = { .irq = 4, .level = 1 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
	struct kvm_irqfd f = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = 4 };
	struct kvm_pit_state2 pit;
	int fd = vm_fd;

	ioctl(fd, KVM_IRQ_LINE, &line);
	ioctl(fd, KVM_GET_IRQCHIP, &chip);
	ioctl(fd, KVM_SET_IRQCHIP, &chip);
	ioctl(fd, KVM_GET_PIT2, &pit);
	ioctl(fd, KVM_SET_GSI_ROUTING, &t);
	ioctl(fd, KVM_SIGNAL_MSI, &msi);
	ioctl(fd, KVM_IRQFD, &f);
	close(f.fd);
}

static volatile unsigned long made;

static bool some_made(void)
{
	return made > 2;
}

/* The signal that ends a thread may end this first. */
static int new_vm(void)
{
	int fd = ioctl(dev, KVM_CREATE_VM, 0);

	if (fd < 0)
		EXPECT_EQ(errno, EINTR);
	return fd;
}

static void make_chips(void)
{
	struct kvm_pit_config pit = { 0 };
	int fd = new_vm(), cpu;

	if (fd < 0)
		return;
	vm_fd = fd;
	EXPECT_OK(ioctl(fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_OK(ioctl(fd, KVM_CREATE_PIT2, &pit));
	cpu = ioctl(fd, KVM_CREATE_VCPU, 0);
	EXPECT_OK(cpu);
	close(cpu);
	vm_fd = -1;
	close(fd);
	made++;
}

TEST(chips_created_and_used)
{
	vm_fd = -1;
	for_a_while_until(make_chips, use_chips, some_made);
	EXPECT_GT(made, 2);
}

/* ---- the end of a VM against the ends of what it uses ---- */

static volatile int dying;

static void hang_up(void)
{
	int fd = __atomic_exchange_n(&dying, -1, __ATOMIC_SEQ_CST);
	uint64_t one = 1;

	if (fd < 0)
		return;
	EXPECT_EQ(write(fd, &one, 8), 8);
	close(fd);
}

/* VM, eventfd and memory go at the same time, in any order. */
static void vm_with_irqfd(void)
{
	struct kvm_irqfd f = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = 4 };
	struct vm v = { .fd = new_vm(), .mem = map_pages(MEM_SIZE) };

	if (v.fd < 0)
		return;
	EXPECT_OK(set_slot(&v, 0, 0, 0, MEM_SIZE, v.mem));
	EXPECT_OK(ioctl(v.fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_OK(ioctl(v.fd, KVM_IRQFD, &f));
	dying = f.fd;
	close(v.fd);
	munmap(v.mem, MEM_SIZE);
	while (dying >= 0 && !stop)
		sched_yield();
	made++;
}

TEST(vm_and_eventfd_end)
{
	dying = -1;
	for_a_while_until(vm_with_irqfd, hang_up, some_made);
	EXPECT_GT(made, 2);
}

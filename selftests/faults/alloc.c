// SPDX-License-Identifier: GPL-2.0
/*
 * alloc.c - each allocation of an ioctl fails in turn, and each copy from and to user memory
 *
 * The kernel fails the Nth chance that a thread has for a failure: N is 1, 2 ... until the
 * call has no Nth. Either the call says ENOMEM or EFAULT, and the same call then succeeds,
 * or it made do and succeeded. What is lost is kmemleak's to say, at the end of the host.
 */
#include <linux/keel.h>
#include "faults.h"

static struct vm vm;
static struct vcpu c;
static int fd = -1, efd = -1;

struct op {
	void (*prepare)(void);
	long (*call)(void);
	void (*undo)(void);
};

/* ---- failing ---- */

static int nth = -1;

static void fail_settings(void)
{
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void need_faults(void)
{
	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	NEED(nth >= 0, "this kernel has no fault injection");
	fail_settings();
}

/* To write is a chance, too: the write may be what fails, and then nothing is left. */
static void set_nth(const char *text)
{
	ssize_t len = strlen(text);

	if (pwrite(nth, text, len, 0) != len)
		ASSERT_EQ(pwrite(nth, text, len, 0), len);
}

/* The read says what is left before it; if it fails itself, something was. */
static bool has_failed(void)
{
	char left[16] = "";
	ssize_t n = pread(nth, left, sizeof(left) - 1, 0);

	set_nth("0");
	return n > 0 && atoi(left) == 0;
}

/* True if there was an Nth chance. @refused: it was told of. */
static bool fail_once(const struct op *op, unsigned int n, bool *refused)
{
	char text[16];
	bool failed;
	long r;
	int e;

	snprintf(text, sizeof(text), "%u", n);
	set_nth(text);
	errno = 0;
	r = op->call();
	e = errno;
	failed = has_failed();
	*refused = r < 0;
	if (r >= 0)
		return failed;
	if (!failed || (e != ENOMEM && e != EFAULT))
		abi_note("failure %u: errno %d, %s", n, e, failed ? "unexpected" : "not injected");
	EXPECT_TRUE(failed && (e == ENOMEM || e == EFAULT));
	return failed;
}

static void fail_each(const struct op *op)
{
	unsigned int n, refusals = 0;
	bool refused, more = true;
	int refs;

	need_faults();
	refs = module_refs();
	for (n = 1; more; n++) {
		if (op->prepare)
			op->prepare();
		more = fail_once(op, n, &refused);
		refusals += refused;
		if (refused)
			ASSERT_OK(op->call());
		if (op->undo)
			op->undo();
	}
	abi_note("%u failures, %u of them told", n - 2, refusals);
	EXPECT_GT(n, 2);
	EXPECT_GT(refusals, 0);
	expect_refs(refs);
}

/* ---- VMs and vCPUs ---- */

static long create_vm(void)
{
	fd = ioctl(dev, KVM_CREATE_VM, 0);
	return fd;
}

static void close_fd(void)
{
	close(fd);
}

/* No other VM is there: the hardware is switched on for each, too. */
TEST(create_vm)
{
	fail_each(&(struct op){ NULL, create_vm, close_fd });
}

static void bare_vm(void)
{
	make_vm(&vm, VM_NO_MEM);
}

static void chip_vm(void)
{
	make_vm(&vm, VM_NO_MEM | VM_IRQCHIP);
}

static void drop(void)
{
	drop_vm(&vm);
}

static void close_fd_and_drop(void)
{
	close(fd);
	drop_vm(&vm);
}

static long create_vcpu(void)
{
	fd = ioctl(vm.fd, KVM_CREATE_VCPU, 3);
	return fd;
}

TEST(create_vcpu)
{
	fail_each(&(struct op){ bare_vm, create_vcpu, close_fd_and_drop });
}

TEST(create_vcpu_with_lapic)
{
	fail_each(&(struct op){ chip_vm, create_vcpu, close_fd_and_drop });
}

static long create_irqchip(void)
{
	return ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0);
}

TEST(create_irqchip)
{
	fail_each(&(struct op){ bare_vm, create_irqchip, drop });
}

static long create_pit(void)
{
	struct kvm_pit_config pit = { 0 };

	return ioctl(vm.fd, KVM_CREATE_PIT2, &pit);
}

TEST(create_pit)
{
	fail_each(&(struct op){ chip_vm, create_pit, drop });
}

static long split(void)
{
	return enable_cap(vm.fd, KVM_CAP_SPLIT_IRQCHIP, 24);
}

TEST(split_irqchip)
{
	fail_each(&(struct op){ bare_vm, split, drop });
}

/* ---- memory ---- */

static void vm_and_memory(void)
{
	make_vm(&vm, VM_NO_MEM);
	vm.mem = map_pages(MEM_SIZE);
}

static long create_slot(void)
{
	return set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, vm.mem);
}

TEST(create_slot)
{
	fail_each(&(struct op){ vm_and_memory, create_slot, drop });
}

static void vm_with_slot(void)
{
	vm_and_memory();
	ASSERT_OK(set_slot(&vm, 0, 0, 0, MEM_SIZE, vm.mem));
}

/* Beside another one, so that a tree grows. */
static long move_slot(void)
{
	return set_slot(&vm, 0, 0, MEM_SIZE, MEM_SIZE, vm.mem);
}

TEST(move_slot)
{
	fail_each(&(struct op){ vm_with_slot, move_slot, drop });
}

static long log_slot(void)
{
	return set_slot(&vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEM_SIZE, vm.mem);
}

TEST(log_slot)
{
	fail_each(&(struct op){ vm_with_slot, log_slot, drop });
}

static void vm_with_slots(void)
{
	unsigned int i;

	vm_and_memory();
	for (i = 0; i < 40; i++)
		ASSERT_OK(set_slot(&vm, i, 0, i * 2 * PAGE, PAGE, vm.mem + i * PAGE));
}

static long delete_slot(void)
{
	return set_slot(&vm, 17, 0, 0, 0, NULL);
}

/* What cannot be deleted is still there: the same place is taken, until it can. */
static long delete_slot_or_keep(void)
{
	long r = delete_slot();
	int e = errno;

	if (!has_failed() || r >= 0)
		return r;
	EXPECT_ERR(set_slot(&vm, 50, 0, 17 * 2 * PAGE, PAGE, vm.mem), EEXIST);
	set_nth("0");
	errno = e;
	return r;
}

TEST(delete_slot)
{
	fail_each(&(struct op){ vm_with_slots, delete_slot, drop });
}

TEST(slot_that_stays)
{
	char text[16];
	unsigned int n;
	long r = -1;

	need_faults();
	for (n = 1; r < 0; n++) {
		vm_with_slots();
		snprintf(text, sizeof(text), "%u", n);
		set_nth(text);
		r = delete_slot_or_keep();
		set_nth("0");
		if (r < 0)
			EXPECT_OK(delete_slot());
		EXPECT_OK(set_slot(&vm, 50, 0, 17 * 2 * PAGE, PAGE, vm.mem));
		drop_vm(&vm);
	}
	EXPECT_GT(n, 2);
}

static void vm_with_log(void)
{
	vm_and_memory();
	ASSERT_OK(create_slot());
}

static long get_log(void)
{
	uint64_t bits[MEM_SIZE / PAGE / 64];
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bits };

	return ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log);
}

TEST(get_dirty_log)
{
	fail_each(&(struct op){ vm_with_log, get_log, drop });
}

/* ---- eventfds and routes ---- */

static void chip_vm_and_eventfd(void)
{
	chip_vm();
	efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_OK(efd);
}

static void close_eventfd_and_drop(void)
{
	close(efd);
	drop_vm(&vm);
}

static long irqfd(void)
{
	struct kvm_irqfd f = { .fd = efd, .gsi = 4 };

	return ioctl(vm.fd, KVM_IRQFD, &f);
}

TEST(irqfd)
{
	fail_each(&(struct op){ chip_vm_and_eventfd, irqfd, close_eventfd_and_drop });
}

static long resample_irqfd(void)
{
	struct kvm_irqfd f = { .fd = efd, .gsi = 4, .flags = KVM_IRQFD_FLAG_RESAMPLE,
			       .resamplefd = efd };

	return ioctl(vm.fd, KVM_IRQFD, &f);
}

TEST(resample_irqfd)
{
	fail_each(&(struct op){ chip_vm_and_eventfd, resample_irqfd, close_eventfd_and_drop });
}

static long ioeventfd(uint32_t flags)
{
	struct kvm_ioeventfd e = { .addr = HOLE, .fd = efd, .flags = flags };

	return ioctl(vm.fd, KVM_IOEVENTFD, &e);
}

static long ioeventfd_on(void)
{
	return ioeventfd(0);
}

/* Of no length: it is on two buses. */
TEST(ioeventfd)
{
	fail_each(&(struct op){ chip_vm_and_eventfd, ioeventfd_on, close_eventfd_and_drop });
}

static void vm_with_ioeventfd(void)
{
	chip_vm_and_eventfd();
	ASSERT_OK(ioeventfd_on());
}

static long ioeventfd_off(void)
{
	return ioeventfd(KVM_IOEVENTFD_FLAG_DEASSIGN);
}

TEST(ioeventfd_deassign)
{
	fail_each(&(struct op){ vm_with_ioeventfd, ioeventfd_off, close_eventfd_and_drop });
}

static long coalesced(void)
{
	struct kvm_coalesced_mmio_zone z = { .addr = HOLE, .size = 8 };

	return ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &z);
}

TEST(coalesced_mmio)
{
	fail_each(&(struct op){ bare_vm, coalesced, drop });
}

static long set_routes(void)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e[3];
	} t = { .h.nr = 3 };
	unsigned int i;

	for (i = 0; i < 3; i++)
		t.e[i] = (struct kvm_irq_routing_entry){
			.gsi = i * 100, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = 0x40 + i },
		};
	return ioctl(vm.fd, KVM_SET_GSI_ROUTING, &t);
}

TEST(gsi_routing)
{
	fail_each(&(struct op){ chip_vm, set_routes, drop });
}

/* ---- what a vCPU needs ---- */

static void vm_with_vcpu(void)
{
	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
}

static void drop_both(void)
{
	drop_vcpu(&c);
	drop_vm(&vm);
}

static struct kvm_cpuid2 *table;

static long set_cpuid(void)
{
	return ioctl(c.fd, KVM_SET_CPUID2, table);
}

TEST(set_cpuid)
{
	need_faults();
	table = supported_cpuid();
	fail_each(&(struct op){ vm_with_vcpu, set_cpuid, drop_both });
}

static long get_supported_cpuid(void)
{
	table->nent = 200;
	return ioctl(dev, KVM_GET_SUPPORTED_CPUID, table);
}

TEST(get_supported_cpuid)
{
	need_faults();
	table = supported_cpuid();
	fail_each(&(struct op){ NULL, get_supported_cpuid, NULL });
}

/* The number of those that were done is the result: fewer is no error. */
static long set_msrs(void)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[2];
	} m = { .h.nmsrs = 2, .e = { { .index = 0x174, .data = 8 }, { .index = 0x10 } } };

	return ioctl(c.fd, KVM_SET_MSRS, &m);
}

TEST(set_msrs)
{
	fail_each(&(struct op){ vm_with_vcpu, set_msrs, drop_both });
}

static long move_lapic(void)
{
	struct kvm_lapic_state l;

	return ioctl(c.fd, KVM_GET_LAPIC, &l) ?: ioctl(c.fd, KVM_SET_LAPIC, &l);
}

TEST(lapic_state)
{
	fail_each(&(struct op){ vm_with_vcpu, move_lapic, drop_both });
}

static struct kvm_xsave xsave_area;

static long get_xsave(void)
{
	return ioctl(c.fd, KVM_GET_XSAVE, &xsave_area);
}

TEST(get_xsave)
{
	fail_each(&(struct op){ vm_with_vcpu, get_xsave, drop_both });
}

static long vm_stats(void)
{
	fd = ioctl(vm.fd, KVM_GET_STATS_FD, 0);
	return fd;
}

TEST(stats_fd)
{
	fail_each(&(struct op){ bare_vm, vm_stats, close_fd_and_drop });
}

static void vcpu_with_stats(void)
{
	vm_with_vcpu();
	fd = ioctl(c.fd, KVM_GET_STATS_FD, 0);
	ASSERT_OK(fd);
}

static long stats_times(void)
{
	return ioctl(fd, KEEL_STATS_TIMES, 0);
}

static void drop_stats(void)
{
	close(fd);
	drop_both();
}

TEST(stats_times)
{
	fail_each(&(struct op){ vcpu_with_stats, stats_times, drop_stats });
}

/* ---- KVM_RUN ---- */

GUEST(16, write_far,
	"mov $0x2000, %bx\n"
	"mov %bx, %es\n"
	"movb $0x42, %es:0\n"
	"mov $0x3000, %bx\n"
	"mov %bx, %es\n"
	"movb $0x43, %es:0\n"
	GUEST_OUT);

static void vm_with_guest(void)
{
	make_guest(&vm, &c, VM_IRQCHIP, write_far, write_far_end);
}

static long run_guest(void)
{
	return ioctl(c.fd, KVM_RUN, 0);
}

static void judge_guest(void)
{
	EXPECT_EQ(c.run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(vm.mem[0x20000], 0x42);
	EXPECT_EQ(vm.mem[0x30000], 0x43);
	drop_both();
}

/* The guest's pages, and the tables that map them: it goes on where it was. */
TEST(run)
{
	fail_each(&(struct op){ vm_with_guest, run_guest, judge_guest });
}

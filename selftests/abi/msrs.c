// SPDX-License-Identifier: GPL-2.0
/*
 * msrs.c - a vCPU's CPUID, MSRs and machine check banks
 */
#include "abi.h"

static struct vm vm;
static struct vcpu c;

static void make(unsigned int flags)
{
	make_vm(&vm, flags | VM_NO_MEM);
	make_vcpu(&c, &vm, 0);
}

/* ---- CPUID of a vCPU ---- */

static struct kvm_cpuid2 *room_for(uint32_t n)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + 256 * sizeof(t->entries[0]));

	t->nent = n;
	return t;
}

/* kvm of some versions leaves nent as it was, which is 256. */
static void expect_nent(const struct kvm_cpuid2 *t, uint32_t want)
{
	if (!abi_on_kvm() || t->nent != 256)
		EXPECT_EQ(t->nent, want);
	EXPECT_EQ(t->entries[want].function | t->entries[want].eax | t->entries[want].ebx, 0);
}

TEST(cpuid2)
{
	struct kvm_cpuid2 *a = supported_cpuid(), *b = room_for(256);

	make(0);
	ASSERT_OK(ioctl(c.fd, KVM_SET_CPUID2, a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_CPUID2, b));
	expect_nent(b, a->nent);
	EXPECT_EQ(b->entries[0].ebx, a->entries[0].ebx);
	b->nent = a->nent - 1;
	EXPECT_ERR(ioctl(c.fd, KVM_GET_CPUID2, b), E2BIG);
	b->nent = 0;
	EXPECT_ERR(ioctl(c.fd, KVM_GET_CPUID2, b), E2BIG);
	b->nent = a->nent;
	EXPECT_OK(ioctl(c.fd, KVM_GET_CPUID2, b));
}

TEST(cpuid2_limits)
{
	struct kvm_cpuid2 *t = room_for(257);

	make(0);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_CPUID2, t), E2BIG);
	t->nent = ~0U;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_CPUID2, t), E2BIG);
	t->nent = 0;
	EXPECT_OK(ioctl(c.fd, KVM_SET_CPUID2, t));
	t->nent = 0;
	EXPECT_OK(ioctl(c.fd, KVM_GET_CPUID2, t));
	EXPECT_EQ(t->nent, 0);
}

TEST(cpuid_old_form)
{
	struct kvm_cpuid *t = calloc(1, sizeof(*t) + 4 * sizeof(t->entries[0]));
	struct kvm_cpuid2 *b = room_for(256);

	make(0);
	t->nent = 2;
	t->entries[0].function = 0;
	t->entries[0].eax = 1;
	t->entries[1].function = 1;
	t->entries[1].eax = 0x123;
	ASSERT_OK(ioctl(c.fd, KVM_SET_CPUID, t));
	ASSERT_OK(ioctl(c.fd, KVM_GET_CPUID2, b));
	expect_nent(b, 2);
	EXPECT_EQ(b->entries[1].eax, 0x123);
	t->nent = 257;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_CPUID, t), E2BIG);
}

/* What is set is what CPUID says, and a leaf that is not there is zero. */
TEST(cpuid_in_guest)
{
	GUEST(32, ask_cpuid, "1: cpuid\n" GUEST_OUT "jmp 1b\n");
	struct kvm_cpuid2 *t = room_for(3);
	struct kvm_regs r;

	make_guest(&vm, &c, 0, ask_cpuid, ask_cpuid_end);
	start_long(&c, CODE);
	t->entries[0] = (struct kvm_cpuid_entry2){ .function = 0, .eax = 2, .ebx = 0x11 };
	t->entries[1] = (struct kvm_cpuid_entry2){ .function = 1, .eax = 0x600, .ecx = 0x22 };
	t->entries[2] = (struct kvm_cpuid_entry2){
		.function = 2, .index = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .edx = 0x33,
	};
	ASSERT_OK(ioctl(c.fd, KVM_SET_CPUID2, t));
	r = get_regs(&c);
	r.rax = 0;
	r.rcx = 0x99;
	set_regs(&c, &r);
	run_to_out(&c, DONE_PORT);
	r = get_regs(&c);
	EXPECT_EQ(r.rax, 2);
	EXPECT_EQ(r.rbx, 0x11);
	EXPECT_EQ(r.rcx, 0);
	r.rax = 2;
	r.rcx = 7;
	set_regs(&c, &r);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rdx, 0x33);
	r.rax = 2;
	r.rcx = 8;
	set_regs(&c, &r);
	run_to_out(&c, DONE_PORT);
	r = get_regs(&c);
	EXPECT_EQ(r.rax | r.rbx | r.rcx | r.rdx, 0);
}

/* After KVM_RUN the CPU is what it is. */
TEST(cpuid_after_run)
{
	GUEST(16, once, GUEST_OUT);
	struct kvm_cpuid2 *t = supported_cpuid();
	unsigned int i;

	make_guest(&vm, &c, 0, once, once_end);
	ASSERT_OK(ioctl(c.fd, KVM_SET_CPUID2, t));
	run_to_out(&c, DONE_PORT);
	EXPECT_OK(ioctl(c.fd, KVM_SET_CPUID2, t));	/* the same again */
	for (i = 0; i < t->nent; i++)
		if (t->entries[i].function == 0)
			t->entries[i].ebx ^= 1;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_CPUID2, t), EINVAL);
}

/* ---- MSRs ---- */

TEST(msrs)
{
	static const struct {
		uint32_t index;
		uint64_t val;
	} msrs[] = {
		{ 0x174, 0x10 }, { 0x175, 0xffff888000001000 }, { 0x176, 0xffffffff81000000 },
		{ 0xc0000081, 0x23001000000000 }, { 0xc0000082, 0xffffffff81001000 },
		{ 0xc0000083, 0xffffffff81002000 }, { 0xc0000084, 0x47700 },
		{ 0xc0000102, 0x7f0000001000 }, { 0xc0000100, 0x1000 },
		{ 0xc0000101, 0xffff888000002000 }, { 0x277, 0x0007040600070406 },
		{ 0x2ff, 0xc06 }, { 0x250, 0x0606060606060606 }, { 0x200, 0x6 },
		{ 0x201, 0xff0000800 }, { 0x20f, 0x0 }, { 0x1a0, 0x1 }, { 0x17a, 0 },
		{ 0x400, ~0UL }, { 0x401, 0 },
	};
	unsigned int i;
	uint64_t val;

	make(0);
	set_all_cpuid(&c);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		if (set_msr(&c, msrs[i].index, msrs[i].val) != 1 ||
		    get_msr(&c, msrs[i].index, &val) != 1)
			abi_note("MSR %#x", msrs[i].index);
		EXPECT_EQ(set_msr(&c, msrs[i].index, msrs[i].val), 1);
		EXPECT_EQ(get_msr(&c, msrs[i].index, &val), 1);
		/* kvm on AMD keeps of SYSENTER's what that has: it is not for 64-bit mode. */
		if (abi_on_kvm() && (msrs[i].index & ~3U) == 0x174 && !(val >> 32))
			EXPECT_EQ(val, (uint32_t)msrs[i].val);
		else
			EXPECT_EQ(val, msrs[i].val);
	}
}

/* Each that is listed can be read, and what was read can be written. */
TEST(msrs_listed)
{
	struct kvm_msr_list head = { .nmsrs = 0 }, *list;
	unsigned int i;
	uint64_t val;

	make(VM_IRQCHIP);
	set_all_cpuid(&c);
	ioctl(dev, KVM_GET_MSR_INDEX_LIST, &head);
	list = calloc(1, sizeof(*list) + head.nmsrs * 4);
	list->nmsrs = head.nmsrs;
	ASSERT_OK(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list));
	for (i = 0; i < list->nmsrs; i++) {
		if (get_msr(&c, list->indices[i], &val) == 1 &&
		    set_msr(&c, list->indices[i], val) == 1)
			continue;
		abi_note("MSR %#x", list->indices[i]);
		EXPECT_EQ(get_msr(&c, list->indices[i], &val), 1);
		EXPECT_EQ(set_msr(&c, list->indices[i], val), 1);
	}
}

TEST(msrs_refused)
{
	static const struct {
		uint32_t index;
		uint64_t val;
	} msrs[] = {
		{ 0xdead0000, 0 }, { 0x1b, 0xfee00400 }, { 0x277, 0x0202020202020202 },
		{ 0x2ff, 1UL << 40 }, { 0x250, 0x0202020202020202 }, { 0xc0000080, 1UL << 40 },
		{ 0xc0000082, 0x1000800000000000 }, { 0x4b564d02, 2 },
	};
	unsigned int i;

	make(0);
	set_all_cpuid(&c);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		if (set_msr(&c, msrs[i].index, msrs[i].val))
			abi_note("MSR %#x", msrs[i].index);
		EXPECT_EQ(set_msr(&c, msrs[i].index, msrs[i].val), 0);
	}
}

TEST(msrs_up_to_the_first_refused)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[4];
	} m = { .h.nmsrs = 4 };

	make(0);
	m.e[0] = (struct kvm_msr_entry){ .index = 0x174, .data = 0x10 };
	m.e[1] = (struct kvm_msr_entry){ .index = 0xdead0000 };
	m.e[2] = (struct kvm_msr_entry){ .index = 0x175, .data = 0x20 };
	m.e[3] = (struct kvm_msr_entry){ .index = 0x176, .data = 0x30 };
	EXPECT_EQ(ioctl(c.fd, KVM_SET_MSRS, &m), 1);
	m.e[0].data = 0xaa;
	m.e[2].data = 0xbb;
	EXPECT_EQ(ioctl(c.fd, KVM_GET_MSRS, &m), 1);
	EXPECT_EQ(m.e[0].data, 0x10);
	EXPECT_EQ(m.e[2].data, 0xbb);
	m.h.nmsrs = 0;
	EXPECT_EQ(ioctl(c.fd, KVM_GET_MSRS, &m), 0);
	EXPECT_EQ(ioctl(c.fd, KVM_SET_MSRS, &m), 0);
	m.h.nmsrs = 256;
	EXPECT_ERR(ioctl(c.fd, KVM_GET_MSRS, &m), E2BIG);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_MSRS, &m), E2BIG);
	m.h.nmsrs = ~0U;
	EXPECT_ERR(ioctl(c.fd, KVM_GET_MSRS, &m), E2BIG);
}

TEST(msr_tsc)
{
	uint64_t a, b;

	make(0);
	EXPECT_EQ(set_msr(&c, 0x10, 1000000000000), 1);
	EXPECT_EQ(get_msr(&c, 0x10, &a), 1);
	EXPECT_GE(a, 1000000000000);
	EXPECT_LT(a, 1100000000000);
	sleep_ms(10);
	EXPECT_EQ(get_msr(&c, 0x10, &b), 1);
	EXPECT_GT(b, a);
}

/* kvmclock's page, by the new MSR. */
TEST(msr_kvmclock)
{
	GUEST(16, once2, "1: " GUEST_OUT "jmp 1b\n");
	struct {
		uint32_t version, pad;
		uint64_t tsc, system_time;
		uint32_t mul;
		int8_t shift;
		uint8_t flags;
	} *info;
	uint64_t first;

	make_guest(&vm, &c, 0, once2, once2_end);
	set_all_cpuid(&c);
	EXPECT_ERR(ioctl(c.fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
	ASSERT_EQ(set_msr(&c, 0x4b564d01, 0x5001), 1);
	info = (void *)(vm.mem + 0x5000);
	run_to_out(&c, DONE_PORT);
	EXPECT_NE(info->version, 0);
	EXPECT_EQ(info->version & 1, 0);
	EXPECT_NE(info->mul, 0);
	first = info->system_time;
	EXPECT_OK(ioctl(c.fd, KVM_KVMCLOCK_CTRL, 0));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(info->flags & 2, 2);	/* PVCLOCK_GUEST_STOPPED */
	EXPECT_GE(info->system_time, first);
	ASSERT_EQ(set_msr(&c, 0x4b564d01, 0), 1);
	EXPECT_ERR(ioctl(c.fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
}

/* ---- machine checks ---- */

TEST(setup_mce)
{
	uint64_t cap = 10, val;

	make(0);
	EXPECT_OK(ioctl(c.fd, KVM_X86_SETUP_MCE, &cap));
	EXPECT_EQ(get_msr(&c, 0x179, &val), 1);
	EXPECT_EQ(val & 0xff, 10);
	EXPECT_EQ(get_msr(&c, 0x400 + 9 * 4, &val), 1);
	EXPECT_EQ(val, ~0UL);
	EXPECT_EQ(get_msr(&c, 0x400 + 10 * 4, &val), 0);
	cap = 0;
	EXPECT_ERR(ioctl(c.fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 33;
	EXPECT_ERR(ioctl(c.fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 255;
	EXPECT_ERR(ioctl(c.fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 10 | 1UL << 40;
	EXPECT_ERR(ioctl(c.fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
}

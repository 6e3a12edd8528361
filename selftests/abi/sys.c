// SPDX-License-Identifier: GPL-2.0
/*
 * sys.c - the system fd: opening, its ioctls, the capabilities that clients need
 */
#include <stdlib.h>
#include "abi.h"

TEST(api_version)
{
	EXPECT_EQ(ioctl(dev, KVM_GET_API_VERSION, 0), 12);
	EXPECT_ERR(ioctl(dev, KVM_GET_API_VERSION, 1), EINVAL);
}

TEST(mmap_size)
{
	EXPECT_EQ(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * PAGE);
	EXPECT_ERR(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1), EINVAL);
}

TEST(read_only_open)
{
	int fd = open(dev_path, O_RDONLY);

	ASSERT_OK(fd);
	EXPECT_EQ(ioctl(fd, KVM_GET_API_VERSION, 0), 12);
	EXPECT_OK(ioctl(fd, KVM_CREATE_VM, 0));
}

TEST(no_read_write_mmap)
{
	char c;

	EXPECT_ERR(read(dev, &c, 1), EINVAL);
	EXPECT_ERR(write(dev, &c, 1), EINVAL);
	EXPECT_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dev, 0), ENODEV);
}

TEST(create_vm)
{
	char link[64] = "", path[64];
	int fd = ioctl(dev, KVM_CREATE_VM, 0);

	ASSERT_OK(fd);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_GT(readlink(path, link, sizeof(link) - 1), 0);
	EXPECT_EQ(strcmp(link, "anon_inode:kvm-vm"), 0);
	EXPECT_ERR(ioctl(dev, KVM_CREATE_VM, 1), EINVAL);
	EXPECT_ERR(ioctl(dev, KVM_CREATE_VM, 1UL << 40), EINVAL);
}

TEST(unknown_ioctls)
{
	char buf[4096] = "";

	EXPECT_ERR(ioctl(dev, _IO(KVMIO, 0xfe), 0), EINVAL);
	EXPECT_ERR(ioctl(dev, _IO(KVMIO + 1, 0), 0), EINVAL);
	EXPECT_ERR(ioctl(dev, _IOW(KVMIO, 0, int), buf), EINVAL);
	EXPECT_ERR(ioctl(dev, KVM_CREATE_VCPU, 0), EINVAL);
	EXPECT_ERR(ioctl(dev, KVM_RUN, 0), EINVAL);
	EXPECT_ERR(ioctl(dev, KVM_GET_REGS, buf), EINVAL);
	EXPECT_ERR(ioctl(dev, 0xffffffff, buf), EINVAL);
}

/* The number alone does not make the ioctl: its size and direction belong to it. */
TEST(wrong_size)
{
	struct kvm_msr_list list = { .nmsrs = 0 };

	EXPECT_ERR(ioctl(dev, _IOWR(KVMIO, 0x02, struct kvm_regs), &list), EINVAL);
	EXPECT_ERR(ioctl(dev, _IOW(KVMIO, 0x02, struct kvm_msr_list), &list), EINVAL);
	EXPECT_ERR(ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list), E2BIG);
}

TEST(unknown_capabilities)
{
	EXPECT_EQ(cap(-1), 0);
	EXPECT_EQ(cap(100000), 0);
	EXPECT_EQ(cap(0x7fffffff), 0);
	EXPECT_EQ(ioctl(dev, KVM_CHECK_EXTENSION, ~0UL), 0);
	EXPECT_EQ(ioctl(dev, KVM_CHECK_EXTENSION, 1UL << 32), 0);
	EXPECT_EQ(cap(KVM_CAP_S390_PSW), 0);
}

static const struct {
	int cap, value;
} exact_caps[] = {
	{ KVM_CAP_IRQCHIP, 1 }, { KVM_CAP_HLT, 1 }, { KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 }, { KVM_CAP_EXT_CPUID, 1 }, { KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_COALESCED_MMIO, 2 }, { KVM_CAP_SYNC_MMU, 1 }, { KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 }, { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_IRQ_ROUTING, 4096 }, { KVM_CAP_IRQ_INJECT_STATUS, 1 }, { KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_PIT2, 1 }, { KVM_CAP_PIT_STATE2, 1 }, { KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 }, { KVM_CAP_ADJUST_CLOCK, 0xe },
	{ KVM_CAP_VCPU_EVENTS, 1 }, { KVM_CAP_DEBUGREGS, 1 }, { KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XCRS, 1 }, { KVM_CAP_GET_TSC_KHZ, 1 }, { KVM_CAP_MAX_VCPUS, 1024 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 }, { KVM_CAP_SYNC_REGS, 7 }, { KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_READONLY_MEM, 1 }, { KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 }, { KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 }, { KVM_CAP_NR_MEMSLOTS, 32764 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 }, { KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 }, { KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 }, { KVM_CAP_SET_BOOT_CPU_ID, 1 }, { KVM_CAP_X2APIC_API, 3 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 }, { KVM_CAP_REINJECT_CONTROL, 1 },
};

TEST(capability_values)
{
	struct vm vm;
	unsigned int i;

	make_vm(&vm, VM_NO_MEM);
	for (i = 0; i < ARRAY_SIZE(exact_caps); i++) {
		if (cap(exact_caps[i].cap) != exact_caps[i].value)
			abi_note("capability %d", exact_caps[i].cap);
		EXPECT_EQ(cap(exact_caps[i].cap), exact_caps[i].value);
		EXPECT_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, exact_caps[i].cap),
			  exact_caps[i].value);
	}
}

TEST(capability_relations)
{
	EXPECT_GE(cap(KVM_CAP_NR_VCPUS), 1);
	EXPECT_LE(cap(KVM_CAP_NR_VCPUS), cap(KVM_CAP_MAX_VCPUS));
	EXPECT_GE(cap(KVM_CAP_MAX_VCPU_ID), cap(KVM_CAP_MAX_VCPUS));
	EXPECT_TRUE(cap(KVM_CAP_XSAVE2) == 0 || cap(KVM_CAP_XSAVE2) >= 4096);
	EXPECT_TRUE(cap(KVM_CAP_MCE) == 0 || cap(KVM_CAP_MCE) >= 10);
	EXPECT_TRUE(cap(KVM_CAP_MULTI_ADDRESS_SPACE) <= 1 + !!cap(KVM_CAP_X86_SMM));
	EXPECT_TRUE(cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) == 0 ||
		    cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) == 3);
	EXPECT_EQ(cap(KVM_CAP_VAPIC) & ~1, 0);
}

/* ---- CPUID ---- */

#define ROOM	256

static struct kvm_cpuid2 *cpuid_table(uint32_t nent)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + ROOM * sizeof(t->entries[0]));

	t->nent = nent;
	return t;
}

/* As QEMU asks: doubling from 1 until there is room. */
TEST(cpuid_e2big_protocol)
{
	struct kvm_cpuid2 *t;
	uint32_t n;

	for (n = 1; n <= ROOM; n *= 2) {
		t = cpuid_table(n);
		if (!ioctl(dev, KVM_GET_SUPPORTED_CPUID, t))
			break;
		ASSERT_EQ(errno, E2BIG);
	}
	ASSERT_TRUE(n <= ROOM);
	EXPECT_GT(n, 1);
	EXPECT_GT(t->nent, 10);
	EXPECT_LT(t->nent, n);
	EXPECT_LE(t->nent, 80);
}

TEST(cpuid_exact_room)
{
	struct kvm_cpuid2 *t = supported_cpuid(), *again;

	again = cpuid_table(t->nent - 1);
	EXPECT_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, again), E2BIG);
	again->nent = t->nent;
	EXPECT_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, again));
	EXPECT_EQ(again->nent, t->nent);
	again->nent = 0;
	EXPECT_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, again), E2BIG);
	EXPECT_ERR(ioctl(dev, KVM_GET_SUPPORTED_CPUID, BAD_PTR), EFAULT);
}

TEST(cpuid_room_beyond_all)
{
	struct kvm_cpuid2 *t = supported_cpuid();
	uint32_t n = t->nent;

	t->nent = ~0U;
	EXPECT_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, t));
	EXPECT_EQ(t->nent, n);
}

TEST(cpuid_contents)
{
	static const uint32_t leaves[] = {
		0, 1, 7, 0xd, 0x40000000, 0x40000001, 0x80000000, 0x80000001, 0x80000005,
		0x80000006, 0x80000008,
	};
	struct kvm_cpuid2 *t = supported_cpuid();
	const struct kvm_cpuid_entry2 *e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		if (!find_cpuid(t, leaves[i], 0))
			abi_note("leaf %#x", leaves[i]);
		EXPECT_TRUE(find_cpuid(t, leaves[i], 0));
	}
	e = find_cpuid(t, 0x40000000, 0);
	ASSERT_TRUE(e);
	EXPECT_EQ(e->eax, 0x40000001);
	EXPECT_EQ(memcmp(&e->ebx, "KVMK", 4), 0);
	EXPECT_EQ(memcmp(&e->ecx, "VMKV", 4), 0);
	EXPECT_EQ(memcmp(&e->edx, "M\0\0\0", 4), 0);
	e = find_cpuid(t, 0x40000001, 0);
	ASSERT_TRUE(e);
	EXPECT_TRUE(e->eax & (1U << 0));
	EXPECT_TRUE(e->eax & (1U << 3));
	EXPECT_TRUE(e->eax & (1U << 24));
}

TEST(emulated_cpuid)
{
	struct kvm_cpuid2 *t = cpuid_table(ROOM);

	EXPECT_OK(ioctl(dev, KVM_GET_EMULATED_CPUID, t));
	EXPECT_LT(t->nent, ROOM);
	EXPECT_ERR(ioctl(dev, KVM_GET_EMULATED_CPUID, BAD_PTR), EFAULT);
}

TEST(emulated_cpuid_no_room)
{
	struct kvm_cpuid2 *t = cpuid_table(0);

	EXPECT_ERR(ioctl(dev, KVM_GET_EMULATED_CPUID, t), E2BIG);
}

/* ---- MSR lists ---- */

static struct kvm_msr_list *msr_list(unsigned long cmd)
{
	struct kvm_msr_list head = { .nmsrs = 0 }, *list;
	unsigned int i;

	EXPECT_ERR(ioctl(dev, cmd, &head), E2BIG);
	ASSERT_TRUE(head.nmsrs > 0);
	list = calloc(1, sizeof(*list) + (head.nmsrs + 1) * sizeof(list->indices[0]));
	list->nmsrs = head.nmsrs - 1;
	EXPECT_ERR(ioctl(dev, cmd, list), E2BIG);
	EXPECT_EQ(list->nmsrs, head.nmsrs);
	EXPECT_EQ(list->indices[0], 0);
	list->indices[head.nmsrs] = 0x5a5a5a5a;
	ASSERT_OK(ioctl(dev, cmd, list));
	EXPECT_EQ(list->nmsrs, head.nmsrs);
	EXPECT_EQ(list->indices[head.nmsrs], 0x5a5a5a5a);
	for (i = 1; i < list->nmsrs; i++)
		EXPECT_NE(list->indices[i], list->indices[i - 1]);
	EXPECT_ERR(ioctl(dev, cmd, BAD_PTR), EFAULT);
	return list;
}

TEST(msr_index_list)
{
	static const uint32_t needed[] = {
		0x10, 0x174, 0x175, 0x176, 0x277, 0xc0000081, 0xc0000082, 0xc0000083,
		0xc0000084, 0xc0000102, 0x1a0, 0x4b564d00, 0x4b564d01,
	};
	struct kvm_msr_list *list = msr_list(KVM_GET_MSR_INDEX_LIST);
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		for (k = 0; k < list->nmsrs && list->indices[k] != needed[i];)
			k++;
		if (k == list->nmsrs)
			abi_note("MSR %#x", needed[i]);
		EXPECT_LT(k, list->nmsrs);
	}
}

TEST(msr_feature_list)
{
	struct kvm_msr_list *list = msr_list(KVM_GET_MSR_FEATURE_INDEX_LIST);
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[2];
	} m = { .h.nmsrs = 1 };
	unsigned int i;

	for (i = 0; i < list->nmsrs; i++) {
		m.e[0].index = list->indices[i];
		EXPECT_EQ(ioctl(dev, KVM_GET_MSRS, &m), 1);
	}
	m.e[1].index = 0xdead0000;
	m.h.nmsrs = 2;
	EXPECT_EQ(ioctl(dev, KVM_GET_MSRS, &m), 1);
	m.e[0].index = 0xdead0000;
	EXPECT_EQ(ioctl(dev, KVM_GET_MSRS, &m), 0);
	m.h.nmsrs = 0;
	EXPECT_EQ(ioctl(dev, KVM_GET_MSRS, &m), 0);
	m.h.nmsrs = 256;
	EXPECT_ERR(ioctl(dev, KVM_GET_MSRS, &m), E2BIG);
	EXPECT_ERR(ioctl(dev, KVM_GET_MSRS, BAD_PTR), EFAULT);
}

/* Of an ordinary MSR the system knows nothing. */
TEST(msr_feature_not_a_feature)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e.index = 0x174 };

	EXPECT_EQ(ioctl(dev, KVM_GET_MSRS, &m), 0);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * slots.c - KVM_SET_USER_MEMORY_REGION and KVM_GET_DIRTY_LOG
 */
#include "abi.h"

#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define RO	KVM_MEM_READONLY
#define BASE	0x10000000UL	/* for slots of the tests */

static struct vm vm;
static struct vcpu c;
static uint8_t *mem;		/* 16 pages */
#define SIZE	(16 * PAGE)

static void setup(void)
{
	make_vm(&vm, VM_NO_MEM);
	mem = map_pages(SIZE);
}

/* ---- what is refused ---- */

TEST(bad_flags)
{
	setup();
	EXPECT_ERR(set_slot(&vm, 1, 4, BASE, SIZE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 1U << 31, BASE, SIZE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 8, BASE, 0, mem), EINVAL);
	EXPECT_OK(set_slot(&vm, 1, LOG | RO, BASE, SIZE, mem));
	EXPECT_ERR(set_slot(&vm, 1, ~0U, BASE, 0, mem), EINVAL);
}

TEST(unaligned)
{
	setup();
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE + 1, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE + 2048, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, PAGE + 1, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, 1, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, PAGE, mem + 1), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, PAGE, mem + 0x800), EINVAL);
	EXPECT_OK(set_slot(&vm, 1, 0, BASE, PAGE, mem));
}

TEST(bad_ids)
{
	uint32_t spaces;

	setup();
	spaces = ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) ?: 1;
	EXPECT_OK(set_slot(&vm, 32763, 0, BASE, PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 32764, 0, BASE + SIZE, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 32767, 0, BASE + SIZE, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 65535, 0, BASE + SIZE, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, spaces << 16, 0, BASE + SIZE, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 0xffff0000, 0, BASE + SIZE, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, ~0U, 0, BASE + SIZE, PAGE, mem), EINVAL);
}

TEST(bad_guest_addresses)
{
	setup();
	EXPECT_ERR(set_slot(&vm, 1, 0, -PAGE, 2 * PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, -PAGE, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, 1UL << 63, PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, 1UL << 52, PAGE, mem), EINVAL);
}

TEST(bad_sizes)
{
	setup();
	EXPECT_ERR(set_slot(&vm, 1, 0, 0, -PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, 0, 1UL << 62, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, 0, 1UL << 43, (void *)PAGE), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, 0, 1UL << 47, mem), EINVAL);
}

TEST(bad_host_addresses)
{
	setup();
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, PAGE, (void *)-PAGE), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, PAGE, (void *)0xffff888000000000UL), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, PAGE, (void *)0x800000000000UL), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, 2 * PAGE, (void *)0x7ffffffff000UL), EINVAL);
	/* Not mapped, but could be. */
	EXPECT_OK(set_slot(&vm, 1, 0, BASE, PAGE, (void *)0x10000));
}

TEST(bad_pointer)
{
	setup();
	EXPECT_ERR(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, BAD_PTR), EFAULT);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, BAD_PTR), EFAULT);
}

/* ---- overlap, change, deletion ---- */

TEST(overlap)
{
	setup();
	ASSERT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 2, 0, BASE, 4 * PAGE, mem), EEXIST);
	EXPECT_ERR(set_slot(&vm, 2, 0, BASE + 3 * PAGE, PAGE, mem), EEXIST);
	EXPECT_ERR(set_slot(&vm, 2, 0, BASE - PAGE, 2 * PAGE, mem), EEXIST);
	EXPECT_ERR(set_slot(&vm, 2, 0, BASE - PAGE, 8 * PAGE, mem), EEXIST);
	EXPECT_ERR(set_slot(&vm, 2, 0, BASE + PAGE, PAGE, mem), EEXIST);
	/* Neighbours, and the same host memory twice. */
	EXPECT_OK(set_slot(&vm, 2, 0, BASE + 4 * PAGE, PAGE, mem));
	EXPECT_OK(set_slot(&vm, 3, 0, BASE - PAGE, PAGE, mem));
}

TEST(change)
{
	setup();
	ASSERT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, 5 * PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, 3 * PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem + PAGE), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, RO, BASE, 4 * PAGE, mem), EINVAL);
	EXPECT_ERR(set_slot(&vm, 1, RO | LOG, BASE, 4 * PAGE, mem), EINVAL);
	EXPECT_OK(set_slot(&vm, 1, LOG, BASE, 4 * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	ASSERT_OK(set_slot(&vm, 2, RO, BASE + SIZE, PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 2, 0, BASE + SIZE, PAGE, mem), EINVAL);
	EXPECT_OK(set_slot(&vm, 2, RO | LOG, BASE + SIZE, PAGE, mem));
}

TEST(move)
{
	setup();
	ASSERT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	ASSERT_OK(set_slot(&vm, 2, 0, BASE + 8 * PAGE, 4 * PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE + 5 * PAGE, 4 * PAGE, mem), EEXIST);
	EXPECT_OK(set_slot(&vm, 1, 0, BASE + 2 * PAGE, 4 * PAGE, mem));	/* over itself */
	EXPECT_OK(set_slot(&vm, 1, 0, BASE + PAGE, 4 * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 1, LOG, BASE + 16 * PAGE, 4 * PAGE, mem));
	/* The old place is free, the new one is not. */
	EXPECT_OK(set_slot(&vm, 3, 0, BASE, 8 * PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 4, 0, BASE + 19 * PAGE, PAGE, mem), EEXIST);
}

TEST(delete)
{
	setup();
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE, 0, mem), EINVAL);
	ASSERT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 1, 0, 0, 0, NULL));
	EXPECT_ERR(set_slot(&vm, 1, 0, 0, 0, NULL), EINVAL);
	ASSERT_OK(set_slot(&vm, 1, RO | LOG, BASE, SIZE, mem));
	EXPECT_OK(set_slot(&vm, 1, 0, BASE, 0, mem));
	EXPECT_OK(set_slot(&vm, 2, 0, BASE, SIZE, mem));
}

TEST(refused_change_keeps_slot)
{
	setup();
	ASSERT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	ASSERT_OK(set_slot(&vm, 2, 0, BASE + 4 * PAGE, 4 * PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 1, 0, BASE + 2 * PAGE, 4 * PAGE, mem), EEXIST);
	EXPECT_ERR(set_slot(&vm, 3, 0, BASE, PAGE, mem), EEXIST);
	EXPECT_OK(set_slot(&vm, 1, 0, BASE, 4 * PAGE, mem));
	EXPECT_OK(set_slot(&vm, 2, 0, 0, 0, NULL));
	EXPECT_OK(set_slot(&vm, 1, 0, BASE + 2 * PAGE, 4 * PAGE, mem));
}

TEST(many)
{
	unsigned int i;

	setup();
	for (i = 0; i < 2000; i++)
		ASSERT_OK(set_slot(&vm, i, 0, BASE + i * PAGE, PAGE, mem));
	EXPECT_ERR(set_slot(&vm, 2000, 0, BASE, 2000 * PAGE, mem), EEXIST);
	for (i = 0; i < 2000; i += 2)
		ASSERT_OK(set_slot(&vm, i, 0, 0, 0, NULL));
	EXPECT_ERR(set_slot(&vm, 0, 0, BASE, 2 * PAGE, mem), EEXIST);
	EXPECT_OK(set_slot(&vm, 0, 0, BASE, PAGE, mem));
}

/* ---- what the guest finds ---- */

/* Store AL to [0x9000], load from there, tell. */
GUEST(16, poke,
	"1: mov %al, 0x9000\n"
	"mov 0x9001, %al\n"
	GUEST_OUT
	"jmp 1b\n");

#define PLACE	0x9000UL

static void poke_guest(uint32_t flags)
{
	make_vm(&vm, VM_NO_MEM);
	vm.mem = map_pages(MEM_SIZE);
	mem = map_pages(SIZE);
	memset(mem, 0x5a, SIZE);
	guest_code(&vm, CODE, poke, poke_end);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, PLACE, vm.mem));
	ASSERT_OK(set_slot(&vm, 1, flags, PLACE, PAGE, mem));
	make_vcpu(&c, &vm, 0);
	start_at(&c, CODE);
}

static void set_al(uint8_t val)
{
	struct kvm_regs r = get_regs(&c);

	r.rax = val;
	set_regs(&c, &r);
}

TEST(guest_uses_slot)
{
	poke_guest(0);
	set_al(7);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(mem[0], 7);
	EXPECT_EQ(out_value(&c), 0x5a);
}

/* A write to a read-only slot is an MMIO exit, a read is none. */
TEST(guest_read_only)
{
	poke_guest(RO);
	set_al(7);
	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.phys_addr, PLACE);
	EXPECT_EQ(c.run->mmio.len, 1);
	EXPECT_EQ(c.run->mmio.is_write, 1);
	EXPECT_EQ(c.run->mmio.data[0], 7);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(mem[0], 0x5a);
	EXPECT_EQ(out_value(&c), 0x5a);
}

/* The host's own protection does not make a slot read-only. */
TEST(guest_read_only_host_memory)
{
	poke_guest(0);
	ASSERT_OK(mprotect(mem, PAGE, PROT_READ));
	EXPECT_EQ(run_vcpu(&c), -EFAULT);
	ASSERT_OK(mprotect(mem, PAGE, PROT_READ | PROT_WRITE));
	run_to_out(&c, DONE_PORT);
}

TEST(guest_unmapped_host_memory)
{
	poke_guest(0);
	ASSERT_OK(munmap(mem, PAGE));
	EXPECT_EQ(run_vcpu(&c), -EFAULT);
	EXPECT_EQ(run_vcpu(&c), -EFAULT);
}

TEST(guest_after_delete)
{
	poke_guest(0);
	run_to_out(&c, DONE_PORT);
	ASSERT_OK(set_slot(&vm, 1, 0, 0, 0, NULL));
	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.is_write, 1);
	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.is_write, 0);
	EXPECT_EQ(c.run->mmio.phys_addr, PLACE + 1);
	c.run->mmio.data[0] = 0x77;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(out_value(&c), 0x77);
}

TEST(guest_after_replacement)
{
	uint8_t *other;

	poke_guest(0);
	run_to_out(&c, DONE_PORT);
	other = map_pages(PAGE);
	ASSERT_OK(set_slot(&vm, 1, 0, 0, 0, NULL));
	ASSERT_OK(set_slot(&vm, 1, 0, PLACE, PAGE, other));
	other[1] = 0x33;
	set_al(9);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(out_value(&c), 0x33);
	EXPECT_EQ(other[0], 9);
}

TEST(guest_after_move)
{
	poke_guest(0);
	run_to_out(&c, DONE_PORT);
	ASSERT_OK(set_slot(&vm, 1, 0, PLACE + 4 * PAGE, PAGE, mem));
	run_to(&c, KVM_EXIT_MMIO);
	run_to(&c, KVM_EXIT_MMIO);
	c.run->mmio.data[0] = 0;
	run_to_out(&c, DONE_PORT);
	ASSERT_OK(set_slot(&vm, 1, 0, PLACE, PAGE, mem));
	set_al(0x44);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(mem[0], 0x44);
}

/* New host memory at the same address: the MMU notifier must have told. */
TEST(guest_after_remap)
{
	poke_guest(0);
	run_to_out(&c, DONE_PORT);
	ASSERT_EQ((long)mmap(mem, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), (long)mem);
	mem[1] = 0x21;
	set_al(0x12);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(out_value(&c), 0x21);
	EXPECT_EQ(mem[0], 0x12);
	ASSERT_OK(madvise(mem, PAGE, MADV_DONTNEED));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(out_value(&c), 0);
}

/* Code in no memory at all. */
TEST(guest_fetch_from_hole)
{
	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	start_at(&c, 0x1000);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, 0, NULL));
	run_to(&c, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(c.run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}

/* ---- dirty log ---- */

static uint64_t log_of(uint32_t slot)
{
	uint64_t bits[4] = { ~0UL, ~0UL, ~0UL, ~0UL };
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bits };

	ASSERT_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(bits[1], ~0UL);	/* 64 pages or less: one word */
	return bits[0];
}

TEST(log_errors)
{
	uint64_t bits[4];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	setup();
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	ASSERT_OK(set_slot(&vm, 1, 0, BASE, SIZE, mem));
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	log.slot = 32764;
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), EINVAL);
	log.slot = 0xffff0001;
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), EINVAL);
	ASSERT_OK(set_slot(&vm, 1, LOG, BASE, SIZE, mem));
	log.slot = 1;
	log.dirty_bitmap = BAD_PTR;
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), EFAULT);
	log.dirty_bitmap = bits;
	EXPECT_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(bits[0], 0);
}

/* Write a byte to each page whose number is in the list at 0x6000, ended by 0xff. */
GUEST(16, write_pages,
	"mov $0x6000, %si\n"
	"1: lodsb\n"
	"cmp $0xff, %al\n"
	"je 2f\n"
	"movzx %al, %bx\n"
	"shl $8, %bx\n"			/* segment of the page */
	"add $0x1000, %bx\n"
	"mov %bx, %es\n"
	"mov %al, %es:0x10\n"
	"jmp 1b\n"
	"2:" GUEST_OUT
	"mov $0x6000, %si\n"
	"jmp 1b\n");

#define LOGGED		0x10000UL	/* slot 1, 64 pages */
#define LOGGED_PAGES	64

static void log_guest(uint32_t flags)
{
	make_vm(&vm, VM_NO_MEM);
	vm.mem = map_pages(MEM_SIZE);
	mem = map_pages(LOGGED_PAGES * PAGE);
	guest_code(&vm, CODE, write_pages, write_pages_end);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, LOGGED, vm.mem));
	ASSERT_OK(set_slot(&vm, 1, flags, LOGGED, LOGGED_PAGES * PAGE, mem));
	make_vcpu(&c, &vm, 0);
	start_at(&c, CODE);
}

static void write_these(uint64_t pages)
{
	uint8_t *list = vm.mem + 0x6000;
	unsigned int i;

	for (i = 0; i < LOGGED_PAGES; i++)
		if (pages >> i & 1)
			*list++ = i;
	*list = 0xff;
	run_to_out(&c, DONE_PORT);
}

TEST(log_exact)
{
	static const uint64_t rounds[] = {
		1, 0, 0x8000000000000001, 0x5555, 0xaaaa, ~0UL, 0, 1UL << 63, 0xff00ff00ff00ff00,
	};
	unsigned int i;

	log_guest(LOG);
	EXPECT_EQ(log_of(1), 0);
	for (i = 0; i < ARRAY_SIZE(rounds); i++) {
		write_these(rounds[i]);
		EXPECT_EQ(log_of(1), rounds[i]);
		EXPECT_EQ(log_of(1), 0);
	}
}

TEST(log_started_later)
{
	log_guest(0);
	write_these(0xff);
	ASSERT_OK(set_slot(&vm, 1, LOG, LOGGED, LOGGED_PAGES * PAGE, mem));
	EXPECT_EQ(log_of(1), 0);
	write_these(0x18);
	EXPECT_EQ(log_of(1), 0x18);
	ASSERT_OK(set_slot(&vm, 1, 0, LOGGED, LOGGED_PAGES * PAGE, mem));
	write_these(0x3);
	ASSERT_OK(set_slot(&vm, 1, LOG, LOGGED, LOGGED_PAGES * PAGE, mem));
	EXPECT_EQ(log_of(1), 0);
	write_these(0xc);
	EXPECT_EQ(log_of(1), 0xc);
}

/* The copy that userspace did not get is not lost. */
TEST(log_bad_pointer_loses_nothing)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = BAD_PTR };

	DIFFERS("kvm forgets the bits when the copy to userspace fails");
	log_guest(LOG);
	write_these(0x77);
	EXPECT_ERR(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), EFAULT);
	EXPECT_EQ(log_of(1), 0x77);
}

/* Huge pages are split, and only what is written is logged. */
TEST(log_of_huge_mapping)
{
	uint64_t bits[8];
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bits };

	mem = map_pages(8 << 20);
	mem = (void *)(((uintptr_t)mem + (4 << 20) - 1) & ~((4UL << 20) - 1));
	madvise(mem, 4 << 20, MADV_HUGEPAGE);
	memset(mem, 0, 4 << 20);
	make_vm(&vm, VM_NO_MEM);
	vm.mem = mem;
	guest_code(&vm, CODE, write_pages, write_pages_end);
	ASSERT_OK(set_slot(&vm, 0, 0, 0, 2 << 20, mem));
	make_vcpu(&c, &vm, 0);
	start_at(&c, CODE);
	write_these(0xf0);
	ASSERT_OK(set_slot(&vm, 0, LOG, 0, 2 << 20, mem));
	write_these(0x30);
	ASSERT_OK(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(bits[0], 0x30UL << (LOGGED / PAGE));
	EXPECT_EQ(bits[1] | bits[2] | bits[7], 0);
}

/* The kernel writes guest memory, too: INS by the emulator. */
GUEST(16, ins_byte,
	"mov $0x1000, %ax\n"
	"mov %ax, %es\n"
	"mov $0x3000, %di\n"
	"mov $0x10, %dx\n"
	"insb\n"
	GUEST_OUT);

TEST(log_of_emulated_write)
{
	log_guest(LOG);
	guest_code(&vm, CODE, ins_byte, ins_byte_end);
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(log_of(1), 0);
	*(uint8_t *)pio_data(&c) = 0x42;
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(mem[0x3000], 0x42);
	EXPECT_EQ(log_of(1), 1 << 3);
}

TEST(log_read_only_slot)
{
	log_guest(LOG | RO);
	ASSERT_TRUE(vm.mem);
	vm.mem[0x6000] = 2;
	vm.mem[0x6001] = 0xff;
	run_to(&c, KVM_EXIT_MMIO);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(log_of(1), 0);
}

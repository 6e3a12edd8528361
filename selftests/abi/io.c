// SPDX-License-Identifier: GPL-2.0
/*
 * io.c - exits for ports and MMIO: what they tell, what the answers do
 */
#include "abi.h"

static struct vm vm;
static struct vcpu c;

static void expect_io(int in, int size, uint16_t port, unsigned int count)
{
	run_to(&c, KVM_EXIT_IO);
	EXPECT_EQ(c.run->io.direction, in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT);
	EXPECT_EQ(c.run->io.size, size);
	EXPECT_EQ(c.run->io.port, port);
	EXPECT_EQ(c.run->io.count, count);
	EXPECT_EQ(c.run->io.data_offset, PAGE);
}

static void expect_mmio(bool write, unsigned int len, uint64_t gpa)
{
	run_to(&c, KVM_EXIT_MMIO);
	EXPECT_EQ(c.run->mmio.is_write, write);
	EXPECT_EQ(c.run->mmio.len, len);
	EXPECT_EQ(c.run->mmio.phys_addr, gpa);
}

static uint64_t mmio_value(void)
{
	uint64_t val;

	memcpy(&val, c.run->mmio.data, 8);
	return val;
}

static void mmio_answer(uint64_t val)
{
	memcpy(c.run->mmio.data, &val, 8);
}

static void with_rax(uint64_t val)
{
	struct kvm_regs r = get_regs(&c);

	r.rax = val;
	set_regs(&c, &r);
}

/* ---- ports ---- */

GUEST(16, out_sizes,
	"mov $0x1234, %dx\n"
	"out %al, $0x10\n"
	"out %ax, $0x12\n"
	"out %eax, $0x14\n"
	"out %al, %dx\n"
	"out %ax, %dx\n"
	"out %eax, %dx\n"
	"hlt\n");

TEST(out)
{
	static const struct {
		int size;
		uint16_t port;
	} want[] = { { 1, 0x10 }, { 2, 0x12 }, { 4, 0x14 }, { 1, 0x1234 }, { 2, 0x1234 },
		     { 4, 0x1234 } };
	unsigned int i;

	make_guest(&vm, &c, 0, out_sizes, out_sizes_end);
	with_rax(0xffffffff89abcdef);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		expect_io(0, want[i].size, want[i].port, 1);
		EXPECT_EQ(out_value(&c), 0x89abcdefU & (~0U >> (32 - 8 * want[i].size)));
	}
	run_to(&c, KVM_EXIT_HLT);
}

GUEST(16, in_sizes,
	"mov $0xfffe, %dx\n"
	"in $0x20, %al\n"
	GUEST_STEP
	"in $0x22, %ax\n"
	GUEST_STEP
	"in $0x24, %eax\n"
	GUEST_STEP
	"in %dx, %al\n"
	"hlt\n");

TEST(in)
{
	make_guest(&vm, &c, 0, in_sizes, in_sizes_end);
	with_rax(0x1111111122222222);
	expect_io(1, 1, 0x20, 1);
	memset(pio_data(&c), 0xa5, 8);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0x11111111222222a5);
	expect_io(1, 2, 0x22, 1);
	memset(pio_data(&c), 0xb6, 8);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0x111111112222b6b6);
	expect_io(1, 4, 0x24, 1);
	memset(pio_data(&c), 0xc7, 8);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0xc7c7c7c7);
	expect_io(1, 1, 0xfffe, 1);
	memset(pio_data(&c), 0, 8);
	run_to(&c, KVM_EXIT_HLT);
	EXPECT_EQ(get_regs(&c).rax, 0xc7c7c700);
}

/* The page of data is the answer also when userspace writes into kvm_run. */
TEST(in_hostile_run)
{
	make_guest(&vm, &c, 0, in_sizes, in_sizes_end);
	expect_io(1, 1, 0x20, 1);
	memset(pio_data(&c), 0x3c, PAGE);
	c.run->io.size = 255;
	c.run->io.count = 0xffffffff;
	c.run->io.data_offset = ~0ULL;
	c.run->io.port = 0x666;
	c.run->exit_reason = 0x1234;
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0x3c);
}

/* Registers are of the instruction's begin until the answer is in. */
TEST(in_pending_state)
{
	make_guest(&vm, &c, 0, in_sizes, in_sizes_end);
	expect_io(1, 1, 0x20, 1);
	EXPECT_EQ(get_regs(&c).rip, CODE + 3);
	c.run->immediate_exit = 1;
	*(uint8_t *)pio_data(&c) = 0x77;
	EXPECT_EQ(run_vcpu(&c), -EINTR);	/* completed all the same */
	EXPECT_EQ(get_regs(&c).rip, CODE + 5);
	EXPECT_EQ(get_regs(&c).rax & 0xff, 0x77);
	c.run->immediate_exit = 0;
	run_to_out(&c, STEP_PORT);
}

GUEST(16, string_io,
	"mov $0x40, %dx\n"
	"mov $0x7000, %si\n"
	"mov $0x7100, %di\n"
	"outsb\n"
	"outsw\n"
	"outsl\n"
	"insb\n"
	"insw\n"
	"insl\n"
	"hlt\n");

TEST(string_once)
{
	struct kvm_regs r;
	int i;

	make_guest(&vm, &c, 0, string_io, string_io_end);
	for (i = 0; i < 16; i++)
		vm.mem[0x7000 + i] = 0x10 + i;
	expect_io(0, 1, 0x40, 1);
	EXPECT_EQ(out_value(&c), 0x10);
	expect_io(0, 2, 0x40, 1);
	EXPECT_EQ(out_value(&c), 0x1211);
	expect_io(0, 4, 0x40, 1);
	EXPECT_EQ(out_value(&c), 0x16151413);
	for (i = 1; i <= 4; i *= 2) {
		expect_io(1, i, 0x40, 1);
		memset(pio_data(&c), 0x50 + i, 8);
	}
	run_to(&c, KVM_EXIT_HLT);
	EXPECT_EQ(memcmp(vm.mem + 0x7100, "\x51\x52\x52\x54\x54\x54\x54\0", 8), 0);
	r = get_regs(&c);
	EXPECT_EQ(r.rsi, 0x7007);
	EXPECT_EQ(r.rdi, 0x7107);
}

/* As many exits as userspace is asked for; together they are the whole. */
static void rep_out(unsigned int size, unsigned int count)
{
	unsigned int seen = 0, exits = 0;
	uint8_t got[4096];

	while (seen < count) {
		run_to(&c, KVM_EXIT_IO);
		ASSERT_EQ(c.run->io.direction, KVM_EXIT_IO_OUT);
		ASSERT_EQ(c.run->io.size, size);
		ASSERT_EQ(c.run->io.port, 0x40);
		ASSERT_TRUE(c.run->io.count > 0 && c.run->io.count <= count - seen);
		memcpy(got + seen * size, pio_data(&c), c.run->io.count * size);
		seen += c.run->io.count;
		ASSERT_TRUE(++exits <= count);
	}
	EXPECT_EQ(memcmp(got, vm.mem + 0x7000, count * size), 0);
}

GUEST(16, rep_outs,
	"mov $0x40, %dx\n"
	"mov $0x7000, %si\n"
	"mov $100, %cx\n"
	"rep outsb\n"
	GUEST_STEP
	"mov $0x7000, %si\n"
	"mov $30, %ecx\n"
	"rep outsl\n"
	GUEST_STEP
	"xor %cx, %cx\n"
	"rep outsw\n"
	"hlt\n");

TEST(rep_outs)
{
	int i;

	make_guest(&vm, &c, 0, rep_outs, rep_outs_end);
	for (i = 0; i < 256; i++)
		vm.mem[0x7000 + i] = i * 7;
	rep_out(1, 100);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rcx, 0);
	EXPECT_EQ(get_regs(&c).rsi, 0x7000 + 100);
	rep_out(4, 30);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rsi, 0x7000 + 120);
	run_to(&c, KVM_EXIT_HLT);
}

static unsigned int rep_in(unsigned int size, unsigned int count)
{
	unsigned int seen = 0, exits = 0, i;

	while (seen < count) {
		run_to(&c, KVM_EXIT_IO);
		ASSERT_EQ(c.run->io.direction, KVM_EXIT_IO_IN);
		ASSERT_EQ(c.run->io.size, size);
		ASSERT_TRUE(c.run->io.count > 0 && c.run->io.count <= count - seen);
		for (i = 0; i < c.run->io.count * size; i++)
			((uint8_t *)pio_data(&c))[i] = (seen * size + i) * 3 + 1;
		seen += c.run->io.count;
		exits++;
	}
	return exits;
}

GUEST(16, rep_ins,
	"mov $0x40, %dx\n"
	"mov $0x7000, %di\n"
	"mov $1000, %cx\n"
	"rep insb\n"
	GUEST_STEP
	"mov $0x7ff8, %di\n"		/* over the page's end */
	"mov $8, %cx\n"
	"rep insl\n"
	GUEST_STEP
	"std\n"
	"mov $0x7100, %di\n"
	"mov $8, %cx\n"
	"rep insw\n"
	"hlt\n");

TEST(rep_ins)
{
	unsigned int i;

	make_guest(&vm, &c, 0, rep_ins, rep_ins_end);
	EXPECT_LT(rep_in(1, 1000), 10);	/* not one exit for each byte */
	run_to_out(&c, STEP_PORT);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(vm.mem[0x7000 + i], (uint8_t)(i * 3 + 1));
	EXPECT_EQ(vm.mem[0x7000 + 1000], 0);
	EXPECT_EQ(get_regs(&c).rdi, 0x7000 + 1000);
	EXPECT_EQ(get_regs(&c).rcx, 0);
	rep_in(4, 8);
	run_to_out(&c, STEP_PORT);
	for (i = 0; i < 32; i++)
		ASSERT_EQ(vm.mem[0x7ff8 + i], (uint8_t)(i * 3 + 1));
	rep_in(2, 8);
	run_to(&c, KVM_EXIT_HLT);
	EXPECT_EQ(get_regs(&c).rdi, 0x70f0);
	for (i = 0; i < 16; i++)
		ASSERT_EQ(vm.mem[0x7100 - i / 2 * 2 + i % 2], (uint8_t)(i * 3 + 1));
}

/* A port write in kvm_run->exit order: the instruction is over when userspace sees it again. */
TEST(out_then_state)
{
	make_guest(&vm, &c, 0, out_sizes, out_sizes_end);
	expect_io(0, 1, 0x10, 1);
	c.run->immediate_exit = 1;
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	EXPECT_EQ(get_regs(&c).rip, CODE + 5);
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	EXPECT_EQ(get_regs(&c).rip, CODE + 5);
	c.run->immediate_exit = 0;
	expect_io(0, 2, 0x12, 1);
}

/* Userspace moves the vCPU while an answer is owed: as on a reset. */
TEST(in_then_reset)
{
	make_guest(&vm, &c, 0, in_sizes, in_sizes_end);
	guest_code(&vm, 0x3000, out_sizes, out_sizes_end);
	expect_io(1, 1, 0x20, 1);
	start_at(&c, 0x3000);
	expect_io(0, 1, 0x10, 1);
	expect_io(0, 2, 0x12, 1);
}

/* ---- MMIO ---- */

GUEST(64, mmio_sizes,
	"mov $0xd0000000, %ebx\n"
	"mov %al, (%rbx)\n"
	"mov %ax, 0x10(%rbx)\n"
	"mov %eax, 0x20(%rbx)\n"
	"mov %rax, 0x30(%rbx)\n"
	"movb $0x5a, 0x41(%rbx)\n"
	"movq $-2, 0x48(%rbx)\n"
	"mov (%rbx), %al\n"
	GUEST_STEP
	"mov 0x10(%rbx), %ax\n"
	GUEST_STEP
	"mov 0x20(%rbx), %eax\n"
	GUEST_STEP
	"mov 0x30(%rbx), %rax\n"
	GUEST_STEP
	"movzbl 0x50(%rbx), %eax\n"
	GUEST_STEP
	"movswq 0x52(%rbx), %rax\n"
	GUEST_STEP
	"hlt\n");

static void make_long_guest(const void *code, const void *end)
{
	make_guest(&vm, &c, 0, code, end);
	start_long(&c, CODE);
}

TEST(mmio_writes)
{
	uint64_t val = 0x8899aabbccddeeff;
	unsigned int i;

	make_long_guest(mmio_sizes, mmio_sizes_end);
	with_rax(val);
	for (i = 0; i < 4; i++) {
		expect_mmio(true, 1 << i, HOLE + 0x10 * i);
		EXPECT_EQ(mmio_value() & (~0UL >> (64 - (8 << i))),
			  val & (~0UL >> (64 - (8 << i))));
	}
	expect_mmio(true, 1, HOLE + 0x41);
	EXPECT_EQ(c.run->mmio.data[0], 0x5a);
	expect_mmio(true, 8, HOLE + 0x48);
	EXPECT_EQ(mmio_value(), -2UL);
}

static void expect_read(unsigned int len, uint64_t gpa, uint64_t answer, uint64_t rax)
{
	expect_mmio(false, len, gpa);
	mmio_answer(answer);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, rax);
}

TEST(mmio_reads)
{
	unsigned int i;

	make_long_guest(mmio_sizes, mmio_sizes_end);
	with_rax(0x8899aabbccddeeff);
	for (i = 0; i < 6; i++)
		run_to(&c, KVM_EXIT_MMIO);
	expect_read(1, HOLE, 0x0102030405060708, 0x8899aabbccddee08);
	expect_read(2, HOLE + 0x10, 0x0102030405060708, 0x8899aabbccdd0708);
	expect_read(4, HOLE + 0x20, 0xffffffff85060708, 0x85060708);
	expect_read(8, HOLE + 0x30, 0xfefdfcfbfaf9f8f7, 0xfefdfcfbfaf9f8f7);
	expect_read(1, HOLE + 0x50, 0xffff80, 0x80);
	expect_read(2, HOLE + 0x52, 0x8001, 0xffffffffffff8001);
	run_to(&c, KVM_EXIT_HLT);
}

GUEST(64, mmio_rmw,
	"mov $0xd0000000, %ebx\n"
	"addl $5, (%rbx)\n"
	GUEST_STEP
	"orb $0x80, 3(%rbx)\n"
	GUEST_STEP
	"xchg %eax, 8(%rbx)\n"
	GUEST_STEP
	"hlt\n");

TEST(mmio_read_modify_write)
{
	make_long_guest(mmio_rmw, mmio_rmw_end);
	expect_mmio(false, 4, HOLE);
	mmio_answer(100);
	expect_mmio(true, 4, HOLE);
	EXPECT_EQ((uint32_t)mmio_value(), 105);
	run_to_out(&c, STEP_PORT);
	expect_mmio(false, 1, HOLE + 3);
	mmio_answer(1);
	expect_mmio(true, 1, HOLE + 3);
	EXPECT_EQ((uint8_t)mmio_value(), 0x81);
	run_to_out(&c, STEP_PORT);
	with_rax(0x4242);
	expect_mmio(false, 4, HOLE + 8);
	mmio_answer(0x11223344);
	expect_mmio(true, 4, HOLE + 8);
	EXPECT_EQ((uint32_t)mmio_value(), 0x4242);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0x11223344);
}

/* Across a page, and from memory into a hole. */
GUEST(64, mmio_split,
	"mov $0xd0000ffe, %ebx\n"
	"mov %eax, (%rbx)\n"
	GUEST_STEP
	"mov (%rbx), %eax\n"
	GUEST_STEP
	"mov $0x3ffffd, %ebx\n"		/* the last three bytes of slot 0 */
	"mov %rax, (%rbx)\n"
	GUEST_STEP
	"hlt\n");

TEST(mmio_across_pages)
{
	make_long_guest(mmio_split, mmio_split_end);
	with_rax(0x44332211);
	expect_mmio(true, 2, HOLE + 0xffe);
	EXPECT_EQ((uint16_t)mmio_value(), 0x2211);
	expect_mmio(true, 2, HOLE + 0x1000);
	EXPECT_EQ((uint16_t)mmio_value(), 0x4433);
	run_to_out(&c, STEP_PORT);
	expect_mmio(false, 2, HOLE + 0xffe);
	mmio_answer(0xbbaa);
	expect_mmio(false, 2, HOLE + 0x1000);
	mmio_answer(0xddcc);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(get_regs(&c).rax, 0xddccbbaa);
}

TEST(mmio_across_end_of_memory)
{
	make_long_guest(mmio_split, mmio_split_end);
	run_to(&c, KVM_EXIT_MMIO);
	run_to(&c, KVM_EXIT_MMIO);
	run_to_out(&c, STEP_PORT);
	run_to(&c, KVM_EXIT_MMIO);
	run_to(&c, KVM_EXIT_MMIO);
	run_to_out(&c, STEP_PORT);
	with_rax(0x8877665544332211);
	expect_mmio(true, 5, MEM_SIZE);
	EXPECT_EQ(mmio_value() & 0xffffffffff, 0x8877665544);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(memcmp(vm.mem + MEM_SIZE - 3, "\x11\x22\x33", 3), 0);
}

GUEST(64, mmio_string,
	"mov $0xd0000000, %edi\n"
	"mov $0x7000, %esi\n"
	"mov $4, %ecx\n"
	"rep movsw\n"
	GUEST_STEP
	"mov $0xd0000000, %esi\n"
	"mov $0x7100, %edi\n"
	"mov $3, %ecx\n"
	"rep movsq\n"
	GUEST_STEP
	"mov $0xd0000000, %edi\n"
	"mov $3, %ecx\n"
	"rep stosb\n"
	GUEST_STEP
	"hlt\n");

TEST(mmio_string)
{
	unsigned int i;

	make_long_guest(mmio_string, mmio_string_end);
	for (i = 0; i < 8; i++)
		vm.mem[0x7000 + i] = i + 1;
	for (i = 0; i < 4; i++) {
		expect_mmio(true, 2, HOLE + 2 * i);
		EXPECT_EQ((uint16_t)mmio_value(), (2 * i + 2) << 8 | (2 * i + 1));
	}
	run_to_out(&c, STEP_PORT);
	for (i = 0; i < 3; i++) {
		expect_mmio(false, 8, HOLE + 8 * i);
		mmio_answer(0x0101010101010101 * (i + 1));
	}
	run_to_out(&c, STEP_PORT);
	for (i = 0; i < 24; i++)
		EXPECT_EQ(vm.mem[0x7100 + i], i / 8 + 1);
	with_rax(0x66);
	for (i = 0; i < 3; i++) {
		expect_mmio(true, 1, HOLE + i);
		EXPECT_EQ(c.run->mmio.data[0], 0x66);
	}
	run_to_out(&c, STEP_PORT);
}

TEST(mmio_sse)
{
	GUEST(64, mmio_sse,
	      "mov $0xd0000000, %ebx\n"
	      "movups (%rbx), %xmm3\n"
	      "movups %xmm3, 0x7000\n"
	      "movaps %xmm3, 0x20(%rbx)\n"
	      GUEST_STEP);

	make_long_guest(mmio_sse, mmio_sse_end);
	expect_mmio(false, 8, HOLE);
	mmio_answer(0x1122334455667788);
	expect_mmio(false, 8, HOLE + 8);
	mmio_answer(0x99aabbccddeeff00);
	expect_mmio(true, 8, HOLE + 0x20);
	EXPECT_EQ(mmio_value(), 0x1122334455667788);
	expect_mmio(true, 8, HOLE + 0x28);
	EXPECT_EQ(mmio_value(), 0x99aabbccddeeff00);
	run_to_out(&c, STEP_PORT);
	EXPECT_EQ(*(uint64_t *)(vm.mem + 0x7000), 0x1122334455667788);
	EXPECT_EQ(*(uint64_t *)(vm.mem + 0x7008), 0x99aabbccddeeff00);
}

TEST(mmio_hostile_run)
{
	make_long_guest(mmio_sizes, mmio_sizes_end);
	expect_mmio(true, 1, HOLE);
	c.run->mmio.len = 0xffffffff;
	c.run->mmio.phys_addr = ~0UL;
	c.run->mmio.is_write = 0;
	expect_mmio(true, 2, HOLE + 0x10);
	c.run->mmio.len = 0;
	expect_mmio(true, 4, HOLE + 0x20);
}

TEST(mmio_pending_state)
{
	make_long_guest(mmio_rmw, mmio_rmw_end);
	expect_mmio(false, 4, HOLE);
	EXPECT_EQ(get_regs(&c).rip, CODE + 5);
	c.run->immediate_exit = 1;
	mmio_answer(7);
	/* Half of the instruction is done: the write comes before the interruption. */
	expect_mmio(true, 4, HOLE);
	EXPECT_EQ((uint32_t)mmio_value(), 12);
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	EXPECT_GT(get_regs(&c).rip, CODE + 5);
	c.run->immediate_exit = 0;
	run_to_out(&c, STEP_PORT);
}

/* Something that no emulator knows, on a device. */
GUEST(64, mmio_unknown,
	"mov $0xd0000000, %ebx\n"
	"paddb (%rbx), %xmm1\n");

TEST(mmio_unknown_instruction)
{
	make_long_guest(mmio_unknown, mmio_unknown_end);
	run_to(&c, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(c.run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	EXPECT_EQ(get_regs(&c).rip, CODE + 5);
}

/* ---- the ends ---- */

TEST(triple_fault)
{
	static const uint8_t ud2[] = { 0x0f, 0x0b };
	struct kvm_sregs s;

	make_guest(&vm, &c, 0, ud2, ud2 + 2);
	s = get_sregs(&c);
	s.idt.limit = 0;
	set_sregs(&c, &s);
	run_to(&c, KVM_EXIT_SHUTDOWN);
}

TEST(hlt_to_user)
{
	static const uint8_t hlt[] = { 0xf4, 0xf4 };

	make_guest(&vm, &c, 0, hlt, hlt + 2);
	run_to(&c, KVM_EXIT_HLT);
	EXPECT_EQ(get_regs(&c).rip, CODE + 1);
	run_to(&c, KVM_EXIT_HLT);
	EXPECT_EQ(get_regs(&c).rip, CODE + 2);
}

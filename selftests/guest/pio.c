// SPDX-License-Identifier: GPL-2.0
/*
 * pio.c - ports: all widths, string instructions with every count and direction, faults
 * in the middle
 */
#include "lib.h"

static u8 *buf, *out;

static void fifo_put(const void *p, unsigned int n)
{
	const u8 *b = p;

	while (n--)
		outb(PORT_FIFO, *b++);
}

static void setup_buffers(void)
{
	unsigned int i;

	buf = pages(4);
	out = pages(4);
	for (i = 0; i < 4 * PAGE; i++)
		buf[i] = random64();
}

void setup(void)
{
	setup_buffers();
}

static void t_widths(void)
{
	u64 rax = 0x1122334455667788;

	fifo_put("\x01\x02\x03\x04\x05\x06\x07", 7);
	asm volatile("in %%dx, %%al" : "+a"(rax) : "d"(PORT_FIFO));
	EXPECT_EQ(rax, 0x1122334455667701);
	asm volatile("in %%dx, %%ax" : "+a"(rax) : "d"(PORT_FIFO));
	EXPECT_EQ(rax, 0x1122334455660302);
	asm volatile("in %%dx, %%eax" : "+a"(rax) : "d"(PORT_FIFO));
	EXPECT_EQ(rax, 0x07060504);
	EXPECT_EQ(inb(PORT_FIFO), 0xff);	/* empty */
	outl(PORT_FIFO, 0x44332211);
	outw(PORT_FIFO, 0x6655);
	EXPECT_EQ(inw(PORT_FIFO), 0x2211);
	EXPECT_EQ(inl(PORT_FIFO), 0x66554433);
}

/* Ports by immediate, nobody there, and both ends of the port space */
static void t_nobody(void)
{
	EXPECT_EQ(inb(0xe0), 0xff);
	EXPECT_EQ(inw(0xe0), 0xffff);
	EXPECT_EQ(inl(0xe0), 0xffffffff);
	outb(0xe0, 1);
	outb(0, 0);
	inb(0);
	EXPECT_EQ(inb(0xffff), 0xff);
	inl(0xffff);
	outl(0xfffd, 0);
}

#define STRING_OUT(suffix)						\
static void outs##suffix(u16 port, const void *from, u64 n)		\
{									\
	asm volatile("rep outs" #suffix : "+S"(from), "+c"(n) : "d"(port) : "memory");	\
}									\
static void ins##suffix(u16 port, void *to, u64 n)			\
{									\
	asm volatile("rep ins" #suffix : "+D"(to), "+c"(n) : "d"(port) : "memory");	\
}

STRING_OUT(b)
STRING_OUT(w)
STRING_OUT(l)

static void check_string(unsigned int n, unsigned int size)
{
	memset(out, 0xee, n + 8);
	if (memcmp(out, buf, n) == 0)
		fail("the buffer is there before");
	if (size == 1)
		insb(PORT_FIFO, out, n);
	else if (size == 2)
		insw(PORT_FIFO, out, n / 2);
	else
		insl(PORT_FIFO, out, n / 4);
	if (memcmp(out, buf, n))
		fail("%u bytes by %u: different", n, size);
	if (out[n] != 0xee)
		fail("%u bytes by %u: one too many", n, size);
}

static void t_strings(void)
{
	static const u16 n[] = { 4, 8, 12, 64, 252, 4096, 4100, 8192, 12288 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(n); i++) {
		outsb(PORT_FIFO, buf, n[i]);
		check_string(n[i], 1);
		outsw(PORT_FIFO, buf, n[i] / 2);
		check_string(n[i], 4);
		outsl(PORT_FIFO, buf, n[i] / 4);
		check_string(n[i], 2);
	}
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
}

static void t_string_none(void)
{
	u64 di = (u64)out, si = (u64)buf, cx = 0;

	asm volatile("rep insb" : "+D"(di), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(di, (u64)out);
	asm volatile("rep outsb" : "+S"(si), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(si, (u64)buf);
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
}

static void t_string_single(void)
{
	u64 di = (u64)out, si = (u64)buf, cx = 77;

	asm volatile("outsl; insl" : "+D"(di), "+S"(si), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(di, (u64)out + 4);
	EXPECT_EQ(si, (u64)buf + 4);
	EXPECT_EQ(cx, 77);
	EXPECT_EQ(*(u32 *)out, *(u32 *)buf);
}

/* Downwards, across a page's edge, from unaligned addresses */
static void t_string_down(void)
{
	u64 di = (u64)out + 2 * PAGE + 5, si = (u64)buf + 2 * PAGE + 5, cx = 3000, i;

	asm volatile("std; rep outsw; cld" : "+S"(si), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(si, (u64)buf + 2 * PAGE + 5 - 6000);
	EXPECT_EQ(cx, 0);
	memset(out, 0, 3 * PAGE);
	cx = 3000;
	asm volatile("std; rep insw; cld" : "+D"(di), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(di, (u64)out + 2 * PAGE + 5 - 6000);
	for (i = di + 2; i < (u64)out + 2 * PAGE + 7; i++)
		if (*(u8 *)i != buf[i - (u64)out])
			break;
	EXPECT_EQ(i, (u64)out + 2 * PAGE + 7);
}

/* Address size 32: only ESI, EDI and ECX count, and lose their upper halves. */
static void t_string_address_size(void)
{
	u64 si = (u64)buf | 0xdead00000000, di = (u64)out | 0xdead00000000, cx = 0xdead00000003;

	asm volatile("addr32 rep outsb" : "+S"(si), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(si, (u64)buf + 3);
	EXPECT_EQ(cx, 0);
	cx = 0xdead00000003;
	asm volatile("addr32 rep insb" : "+D"(di), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT_EQ(di, (u64)out + 3);
	EXPECT(!memcmp(out, buf, 3));
}

static u64 hole;	/* a page of RAM, then one that is not mapped */

static volatile u64 at_si, at_di, at_cx;

static const struct trap *outs_fault(u64 si, u64 cx)
{
	const struct trap *t = CATCH(asm volatile("rep outsb" : : "S"(si), "c"(cx),
						  "d"(PORT_FIFO) : "memory"));

	at_si = t->regs.rsi;
	at_cx = t->regs.rcx;
	return t;
}

static const struct trap *ins_fault(u64 di, u64 cx)
{
	const struct trap *t = CATCH(asm volatile("rep insb" : : "D"(di), "c"(cx),
						  "d"(PORT_FIFO) : "memory"));

	at_di = t->regs.rdi;
	at_cx = t->regs.rcx;
	return t;
}

/* Between the two a fault may come, and what was read is gone. */
static bool reads_ahead(void)
{
	if (option("kvm"))
		skip("kvm reads the port before it looks at the memory");
	return option("kvm");
}

static void drain(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		inl(PORT_FIFO);
}

/* A fault leaves registers as after the iterations done; nothing is read from the port twice. */
static void t_string_faults(void)
{
	const struct trap *t;

	hole = virt_area(2);
	map(hole, (u64)pages(1), PTE_RW);
	memcpy((void *)(hole + PAGE - 16), buf, 16);
	drain();
	t = outs_fault(hole + PAGE - 10, 50);
	EXPECT_EQ(t->vector, PF);
	EXPECT_EQ(t->cr2, hole + PAGE);
	EXPECT_EQ(t->error, 0);
	EXPECT_EQ(at_si, hole + PAGE);
	EXPECT_EQ(at_cx, 40);
	insb(PORT_FIFO, out, 10);
	EXPECT(!memcmp(out, buf + 6, 10));
	EXPECT_EQ(inb(PORT_FIFO), 0xff);

	fifo_put(buf, 20);
	t = ins_fault(hole + PAGE - 10, 20);
	EXPECT_EQ(t->vector, PF);
	EXPECT_EQ(t->error, PF_W);
	EXPECT_EQ(t->cr2, hole + PAGE);
	EXPECT_EQ(at_di, hole + PAGE);
	EXPECT_EQ(at_cx, 10);
	EXPECT(!memcmp((void *)(hole + PAGE - 10), buf, 10));
	if (reads_ahead())
		return;
	/* What was not stored is still there. */
	insb(PORT_FIFO, out, 10);
	EXPECT(!memcmp(out, buf + 10, 10));
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
}

/* The handler maps the page: the instruction goes on where it was. */
static void on_page_fault(struct regs *r)
{
	map(hole + PAGE, (u64)pages(1), PTE_RW);
}

static void t_string_continues(void)
{
	u64 di = hole + PAGE - 10;

	if (reads_ahead())
		return;
	drain();
	fifo_put(buf, 20);
	on_vector(PF, on_page_fault);
	insb(PORT_FIFO, (void *)di, 20);
	on_vector(PF, NULL);
	EXPECT(!memcmp((void *)di, buf, 20));
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
	*pte_of(hole + PAGE) = 0;
	invlpg(hole + PAGE);
	outsb(PORT_FIFO, (void *)di, 10);
	insb(PORT_FIFO, out, 10);
	EXPECT(!memcmp(out, buf, 10));
}

/* One element that itself crosses into the hole */
static void t_string_split_fault(void)
{
	const struct trap *t;

	if (reads_ahead())
		return;
	drain();
	fifo_put(buf, 8);
	t = CATCH(asm volatile("rep insl" : : "D"(hole + PAGE - 6), "c"(2ull), "d"(PORT_FIFO)
			       : "memory"));
	EXPECT_EQ(t->vector, PF);
	EXPECT_EQ(t->cr2, hole + PAGE);
	EXPECT_EQ(t->regs.rcx, 1);
	EXPECT_EQ(t->regs.rdi, hole + PAGE - 2);
	EXPECT_EQ(inl(PORT_FIFO), *(u32 *)(buf + 4));
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
}

static void t_string_not_canonical(void)
{
	EXPECT_EQ(outs_fault(0x800000000000, 1)->vector, GP);
	EXPECT_EQ(ins_fault(0x800000000000, 1)->vector, GP);
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
}

/* Strings between ports and MMIO */
static void t_string_mmio(void)
{
	u64 di = MMIO_SCRATCH, si = MMIO_SCRATCH + 64, cx = 16;

	drain();
	memset((void *)(u64)SCRATCH_RAM, 0, 128);
	fifo_put(buf, 32);
	asm volatile("rep insw" : "+D"(di), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	EXPECT(!memcmp((void *)(u64)SCRATCH_RAM, buf, 32));
	memcpy((void *)(u64)(SCRATCH_RAM + 64), buf + 100, 16);
	cx = 4;
	asm volatile("rep outsl" : "+S"(si), "+c"(cx) : "d"(PORT_FIFO) : "memory");
	insb(PORT_FIFO, out, 16);
	EXPECT(!memcmp(out, buf + 100, 16));
}

#define USER_CODE(name, text) asm(".pushsection .text\n" #name ": " text "\n.popsection"); \
	extern char name[]

u64 user_out, user_buf;

USER_CODE(user_ins, "mov user_out, %rdi; mov $8, %ecx; mov $0x500, %edx; rep insb; int $0x81");
USER_CODE(user_outs, "mov user_buf, %rsi; mov $8, %ecx; mov $0x500, %edx; rep outsl; int $0x81");
USER_CODE(user_ins_kernel, "mov user_out, %rdi; mov $4, %ecx; mov $0x21, %edx; rep insb; int $0x81");

static void permit(u16 port, unsigned int n, bool yes)
{
	for (; n--; port++) {
		if (yes)
			this_cpu()->iomap[port / 8] &= ~BIT(port % 8);
		else
			this_cpu()->iomap[port / 8] |= BIT(port % 8);
	}
}

/* The permission bitmap, with each port of a wide access */
static void t_user(void)
{
	user_out = (u64)out;
	user_buf = (u64)buf;
	drain();
	EXPECT_TRAP(GP, enter_user((u64)user_ins, SEL_USER64, user_stack(), 2));
	EXPECT_TRAP(GP, enter_user((u64)user_outs, SEL_USER64, user_stack(), 2));
	permit(PORT_FIFO, 3, true);
	EXPECT_TRAP(GP, enter_user((u64)user_outs, SEL_USER64, user_stack(), 2));
	EXPECT_EQ(inb(PORT_FIFO), 0xff);
	permit(PORT_FIFO, 4, true);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_outs, SEL_USER64, user_stack(), 2));
	memset(out, 0, 64);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_ins, SEL_USER64, user_stack(), 2));
	EXPECT(!memcmp(out, buf, 8));
	permit(PORT_FIFO, 4, false);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_ins, SEL_USER64, user_stack(), 2 | 3 << 12));
	EXPECT_TRAP(GP, enter_user((u64)user_ins_kernel, SEL_USER64, user_stack(), 2));
	permit(0x21, 1, true);
	EXPECT_TRAP(VEC_LEAVE, enter_user((u64)user_ins_kernel, SEL_USER64, user_stack(), 2));
	permit(0x21, 1, false);
	drain();
}

/* User memory without permission for ring 3 */
static void t_user_fault(void)
{
	u64 v = virt_area(1);
	const struct trap *t;

	map(v, (u64)pages(1), PTE_P | PTE_W);
	user_out = v;
	fifo_put(buf, 8);
	t = EXPECT_TRAP(PF, enter_user((u64)user_ins, SEL_USER64, user_stack(), 2 | 3 << 12));
	EXPECT_EQ(t->error, PF_P | PF_W | PF_U);
	EXPECT_EQ(t->regs.rcx, 8);
	if (reads_ahead())
		return;
	insb(PORT_FIFO, out, 8);
	EXPECT(!memcmp(out, buf, 8));
}

/* Strings to and from ports that the kernel answers */
static void t_string_kernel(void)
{
	u8 masks[3] = { 0x12, 0x34, 0x56 };

	outsb(0x21, masks, 3);
	EXPECT_EQ(inb(0x21), 0x56);
	insb(0x21, out, 5);
	EXPECT_EQ(out[0], 0x56);
	EXPECT_EQ(out[4], 0x56);
	outb(0x21, 0xff);
}

const struct test tests[] = {
	{ "widths", t_widths },
	{ "ports with nobody", t_nobody },
	{ "REP INS and OUTS", t_strings },
	{ "count 0", t_string_none },
	{ "without REP", t_string_single },
	{ "downwards", t_string_down },
	{ "32 bit addresses", t_string_address_size },
	{ "ports answered in the kernel", t_string_kernel },
	{ "faults in the middle", t_string_faults },
	{ "going on after a fault", t_string_continues },
	{ "fault within an element", t_string_split_fault },
	{ "addresses that are not canonical", t_string_not_canonical },
	{ "to and from MMIO", t_string_mmio },
	{ "ring 3 and the permission bitmap", t_user },
	{ "ring 3 and a page fault", t_user_fault },
	{ }
};

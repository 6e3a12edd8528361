// SPDX-License-Identifier: GPL-2.0
/*
 * apic.c - the interrupt controllers and the PIT
 */
#include "apic.h"

#define APIC_BASE_X2	BIT(10)
#define APIC_BASE_EN	BIT(11)
#define X2APIC_MSR	0x800
#define ICR_BUSY	BIT(12)

u32 apic_read(u32 reg)
{
	if (this_cpu()->x2apic)
		return rdmsr(X2APIC_MSR + reg / 16);
	return PEEK(u32, APIC_BASE + reg);
}

void apic_write(u32 reg, u32 val)
{
	if (this_cpu()->x2apic)
		wrmsr(X2APIC_MSR + reg / 16, val);
	else
		POKE(u32, APIC_BASE + reg, val);
}

void apic_enable(void)
{
	static const u16 lvt[] = { APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF,
		APIC_LVT_LINT0, APIC_LVT_LINT1, APIC_LVT_ERROR };
	unsigned int i;

	apic_write(APIC_SVR, APIC_SW_ENABLE | SPURIOUS_VECTOR);
	apic_write(APIC_TPR, 0);
	for (i = 0; i < ARRAY_SIZE(lvt); i++)
		apic_write(lvt[i], APIC_MASKED);
	apic_write(APIC_TIMER_INIT, 0);
}

static void set_base(u64 mode)
{
	u64 base = rdmsr(MSR_APIC_BASE) & ~(APIC_BASE_EN | APIC_BASE_X2);

	wrmsr(MSR_APIC_BASE, base | mode);
	this_cpu()->x2apic = mode & APIC_BASE_X2;
}

void apic_set_x2apic(void)
{
	set_base(APIC_BASE_EN | APIC_BASE_X2);
}

void apic_set_disabled(void)
{
	set_base(0);
}

void apic_set_xapic(void)
{
	set_base(APIC_BASE_EN);
}

void apic_ipi(u32 dest, u32 icr)
{
	if (this_cpu()->x2apic) {
		wrmsr(X2APIC_MSR + APIC_ICR / 16, (u64)dest << 32 | icr);
		return;
	}
	POKE(u32, APIC_BASE + APIC_ICR2, dest << 24);
	POKE(u32, APIC_BASE + APIC_ICR, icr);
	while (PEEK(u32, APIC_BASE + APIC_ICR) & ICR_BUSY)
		barrier();
}

bool apic_bit(u32 reg, unsigned int vector)
{
	return apic_read(reg + vector / 32 * 16) & BIT(vector % 32);
}

u32 ioapic_read(u8 reg)
{
	POKE(u32, IOAPIC_BASE, reg);
	return PEEK(u32, IOAPIC_BASE + 0x10);
}

void ioapic_write(u8 reg, u32 val)
{
	POKE(u32, IOAPIC_BASE, reg);
	POKE(u32, IOAPIC_BASE + 0x10, val);
}

void ioapic_set(unsigned int pin, u64 entry)
{
	ioapic_write(0x10 + 2 * pin, REDIR_MASKED);
	ioapic_write(0x11 + 2 * pin, entry >> 32);
	ioapic_write(0x10 + 2 * pin, entry);
}

u64 ioapic_get(unsigned int pin)
{
	return ioapic_read(0x10 + 2 * pin) | (u64)ioapic_read(0x11 + 2 * pin) << 32;
}

void line(unsigned int gsi, bool level)
{
	outl(PORT_LINE, gsi | level << 8);
}

void line_later(unsigned int gsi, bool level)
{
	outl(PORT_LATER, gsi | level << 8);
}

void msi(u32 address, u32 data)
{
	outl(PORT_MSI_ADDR, address);
	outl(PORT_MSI_DATA, data);
}

void pic_init(void)
{
	outb(0x20, 0x11);
	outb(0x21, PIC_BASE);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, PIC_BASE + 8);
	outb(0xa1, 2);
	outb(0xa1, 1);
	outb(0x4d0, 0);
	outb(0x4d1, 0);
	pic_mask(0xffff);
}

void pic_mask(u16 mask)
{
	outb(0x21, mask);
	outb(0xa1, mask >> 8);
}

static u16 pic_ocw3(u8 cmd)
{
	outb(0x20, cmd);
	outb(0xa0, cmd);
	return inb(0x20) | inb(0xa0) << 8;
}

u16 pic_irr(void)
{
	return pic_ocw3(0x0a);
}

u16 pic_isr(void)
{
	return pic_ocw3(0x0b);
}

void pic_eoi(unsigned int irq)
{
	if (irq >= 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

void pit_set(unsigned int channel, unsigned int mode, u16 count)
{
	outb(0x43, channel << 6 | 0x30 | mode << 1);
	outb(0x40 + channel, count);
	outb(0x40 + channel, count >> 8);
}

u16 pit_read(unsigned int channel)
{
	u8 lo;

	outb(0x43, channel << 6);
	lo = inb(0x40 + channel);
	return lo | inb(0x40 + channel) << 8;
}

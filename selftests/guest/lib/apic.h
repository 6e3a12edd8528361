/* SPDX-License-Identifier: GPL-2.0 */
/* apic.h - the interrupt controllers and the PIT */
#ifndef APIC_H
#define APIC_H

#include "lib.h"

#define APIC_BASE	0xfee00000u

#define APIC_ID		0x20
#define APIC_VERSION	0x30
#define APIC_TPR	0x80
#define APIC_APR	0x90
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_TMR	0x180
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF	0x340
#define APIC_LVT_LINT0	0x350
#define APIC_LVT_LINT1	0x360
#define APIC_LVT_ERROR	0x370
#define APIC_TIMER_INIT	0x380
#define APIC_TIMER_NOW	0x390
#define APIC_TIMER_DIV	0x3e0
#define APIC_SELF_IPI	0x3f0

#define APIC_FIXED	0x000
#define APIC_LOWEST	0x100
#define APIC_SMI	0x200
#define APIC_NMI	0x400
#define APIC_INIT	0x4500	/* with "assert" */
#define APIC_SIPI	0x4600
#define APIC_LOGICAL	BIT(11)
#define APIC_ASSERT	BIT(14)
#define APIC_SELF	(1u << 18)
#define APIC_ALL	(2u << 18)
#define APIC_OTHERS	(3u << 18)

#define APIC_MASKED	BIT(16)
#define APIC_PERIODIC	BIT(17)
#define APIC_DEADLINE	BIT(18)
#define APIC_SW_ENABLE	BIT(8)
#define SPURIOUS_VECTOR	0xff

/* By xAPIC offset, in whichever mode this CPU is */
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 val);
void apic_enable(void);			/* as at start: software enabled, LVT masked, TPR 0 */
void apic_set_x2apic(void);		/* there is no way back but through apic_set_disabled() */
void apic_set_disabled(void);
void apic_set_xapic(void);
/* Send; @icr without destination; @dest an APIC id or a logical destination. */
void apic_ipi(u32 dest, u32 icr);
bool apic_bit(u32 reg, unsigned int vector);	/* of APIC_IRR, APIC_ISR or APIC_TMR */

#define IOAPIC_BASE	0xfec00000u
#define IOAPIC_PINS	24

#define REDIR_LOGICAL	BIT(11)
#define REDIR_PENDING	BIT(12)
#define REDIR_LOW	BIT(13)
#define REDIR_REMOTE	BIT(14)
#define REDIR_LEVEL	BIT(15)
#define REDIR_MASKED	BIT(16)

u32 ioapic_read(u8 reg);
void ioapic_write(u8 reg, u32 val);
void ioapic_set(unsigned int pin, u64 entry);	/* masked while it changes */
u64 ioapic_get(unsigned int pin);
void line(unsigned int gsi, bool level);
void line_later(unsigned int gsi, bool level);
void msi(u32 address, u32 data);

#define PIC_BASE	0x30	/* vector of IRQ 0 after pic_init() */
/* Both 8259s: edge, cascaded, everything masked */
void pic_init(void);
void pic_mask(u16 mask);		/* one bit an IRQ; 1 is masked */
u16 pic_irr(void);
u16 pic_isr(void);
void pic_eoi(unsigned int irq);

#define PIT_HZ		1193182
void pit_set(unsigned int channel, unsigned int mode, u16 count);
u16 pit_read(unsigned int channel);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic.c - an 82093AA I/O APIC
 *
 * Lines are logical: up is asserted, whatever an entry's polarity bit says,
 * since userspace drives them so.
 */
#include "ioapic.h"

enum { REG_SELECT = 0x00, REG_WINDOW = 0x10 };		/* MMIO offsets */
enum { REG_ID, REG_VERSION, REG_ARB, REG_ENTRY = 0x10 };	/* by REG_SELECT */

#define VERSION		0x11
#define ID_SHIFT	24
#define ID_MASK		0x0f

/* Redirection entry */
#define RTE_VECTOR	GENMASK_ULL(7, 0)
#define RTE_MODE_SHIFT	8
#define RTE_MODE	7
#define RTE_LOGICAL	BIT_ULL(11)
#define RTE_STATUS	BIT_ULL(12)
#define RTE_REMOTE_IRR	BIT_ULL(14)
#define RTE_LEVEL	BIT_ULL(15)
#define RTE_MASKED	BIT_ULL(16)
#define RTE_DEST_SHIFT	56

/* What a guest can write: not delivery status and remote IRR, nor reserved bits. */
#define RTE_LOW		(GENMASK_ULL(16, 0) & ~(RTE_STATUS | RTE_REMOTE_IRR))
#define RTE_HIGH	GENMASK_ULL(63, RTE_DEST_SHIFT)

/* What decides whether, and at which vector, an EOI matters. */
#define RTE_EOI		(RTE_VECTOR | (u64)RTE_MODE << RTE_MODE_SHIFT | RTE_LEVEL)

static enum keel_apic_dm rte_mode(u64 rte)
{
	return (rte >> RTE_MODE_SHIFT) & RTE_MODE;
}

/*
 * Only these modes know level triggering: the others end without an EOI, so a
 * remote IRR would stay for good.
 */
static bool rte_is_level(u64 rte)
{
	enum keel_apic_dm mode = rte_mode(rte);

	return (rte & RTE_LEVEL) && (mode == KEEL_DM_FIXED || mode == KEEL_DM_LOWEST);
}

static bool rte_is_valid(u64 rte)
{
	enum keel_apic_dm mode = rte_mode(rte);

	return mode != KEEL_DM_REMOTE && mode != KEEL_DM_SIPI;
}

static struct keel_apic_msg rte_msg(u64 rte)
{
	return (struct keel_apic_msg){
		.dest = rte >> RTE_DEST_SHIFT,
		.vector = rte & RTE_VECTOR,
		.mode = rte_mode(rte),
		.shorthand = KEEL_SH_NONE,
		.logical = rte & RTE_LOGICAL,
		.level = rte_is_level(rte),
		.assert = true,
		.redir_hint = rte_mode(rte) == KEEL_DM_LOWEST,
		.src = -1,
	};
}

/* Send @pin's message if its entry lets it. */
static int ioapic_service(struct ioapic *io, unsigned int pin)
{
	u64 *rte = &io->entry[pin];
	struct keel_apic_msg msg;
	int ret;

	if (*rte & (RTE_MASKED | RTE_REMOTE_IRR) || !rte_is_valid(*rte))
		return -1;
	msg = rte_msg(*rte);
	ret = io->ops->deliver(io, &msg);

	/* A level that no APIC accepted has no EOI to wait for. */
	if (!msg.level)
		io->sent |= BIT(pin);
	else if (ret >= 0)
		*rte |= RTE_REMOTE_IRR;
	return ret;
}

static bool ioapic_level_up(const struct ioapic *io, unsigned int pin)
{
	return rte_is_level(io->entry[pin]) && (io->line & BIT(pin));
}

static int ioapic_raise(struct ioapic *io, unsigned int pin)
{
	bool was_up = io->line & BIT(pin);

	io->line |= BIT(pin);
	if (was_up && !rte_is_level(io->entry[pin]))
		return 0;
	return ioapic_service(io, pin);
}

static int ioapic_lower(struct ioapic *io, unsigned int pin)
{
	io->line &= ~BIT(pin);
	io->sent &= ~BIT(pin);
	io->delayed &= ~BIT(pin);
	return 1;
}

int ioapic_set_line(struct ioapic *io, unsigned int pin, unsigned int source, bool level)
{
	if (pin >= IOAPIC_PINS || source >= 8)
		return -1;
	pin = array_index_nospec(pin, IOAPIC_PINS);

	if (level)
		io->source[pin] |= BIT(source);
	else
		io->source[pin] &= ~BIT(source);
	return io->source[pin] ? ioapic_raise(io, pin) : ioapic_lower(io, pin);
}

/* Half of an entry as 32 bits, or all ones beyond the last. */
static u32 ioapic_read_entry(const struct ioapic *io, u32 reg)
{
	u32 pin = (reg - REG_ENTRY) / 2;
	u64 rte;

	if (pin >= IOAPIC_PINS)
		return ~0U;
	rte = io->entry[array_index_nospec(pin, IOAPIC_PINS)];
	return reg & 1 ? upper_32_bits(rte) : lower_32_bits(rte);
}

static u32 ioapic_read_reg(const struct ioapic *io, u32 reg)
{
	switch (reg) {
	case REG_ID:
	case REG_ARB:
		return (u32)io->id << ID_SHIFT;
	case REG_VERSION:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	default:
		return reg < REG_ENTRY ? 0 : ioapic_read_entry(io, reg);
	}
}

u32 ioapic_read(const struct ioapic *io, u32 offset)
{
	switch (offset) {
	case REG_SELECT:
		return io->regsel;
	case REG_WINDOW:
		return ioapic_read_reg(io, io->regsel);
	default:
		return 0;
	}
}

/*
 * A write may unmask a line that is up, or name a CPU that is there. An entry
 * made edge triggered loses its remote IRR: that is how software of this
 * version's time ends an interrupt without an EOI register.
 */
static void ioapic_write_entry(struct ioapic *io, u32 reg, u32 val)
{
	u32 pin = (reg - REG_ENTRY) / 2;
	u64 old, rte;

	if (pin >= IOAPIC_PINS)
		return;
	pin = array_index_nospec(pin, IOAPIC_PINS);
	old = io->entry[pin];
	if (reg & 1)
		rte = (old & ~RTE_HIGH) | ((u64)val << 32 & RTE_HIGH);
	else
		rte = (old & ~RTE_LOW) | (val & RTE_LOW);
	if (!rte_is_level(rte))
		rte &= ~RTE_REMOTE_IRR;

	io->entry[pin] = rte;
	if ((rte ^ old) & RTE_EOI)
		io->ops->eoi_changed(io);
	if (ioapic_level_up(io, pin))
		ioapic_service(io, pin);
}

void ioapic_write(struct ioapic *io, u32 offset, u32 val)
{
	if (offset == REG_SELECT)
		io->regsel = val & 0xff;
	if (offset != REG_WINDOW)
		return;

	if (io->regsel == REG_ID)
		io->id = val >> ID_SHIFT & ID_MASK;
	else if (io->regsel >= REG_ENTRY)
		ioapic_write_entry(io, io->regsel, val);
}

u32 ioapic_vector_pins(const struct ioapic *io, u8 vector)
{
	unsigned int pin;
	u32 pins = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if ((io->entry[pin] & RTE_VECTOR) == vector)
			pins |= BIT(pin);
	return pins;
}

u32 ioapic_masked_pins(const struct ioapic *io)
{
	unsigned int pin;
	u32 pins = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (io->entry[pin] & RTE_MASKED)
			pins |= BIT(pin);
	return pins;
}

static void ioapic_eoi_pin(struct ioapic *io, unsigned int pin)
{
	io->entry[pin] &= ~RTE_REMOTE_IRR;
	if (!(io->line & BIT(pin)) || io->entry[pin] & RTE_MASKED) {
		io->storm[pin] = 0;
		return;
	}
	if (++io->storm[pin] < IOAPIC_STORM_EOIS) {
		ioapic_service(io, pin);
		return;
	}
	io->storm[pin] = 0;
	io->delayed |= BIT(pin);
}

void ioapic_eoi(struct ioapic *io, u8 vector)
{
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if ((io->entry[pin] & RTE_VECTOR) == vector && rte_is_level(io->entry[pin]))
			ioapic_eoi_pin(io, pin);
}

void ioapic_redeliver(struct ioapic *io)
{
	u32 pins = io->delayed;
	unsigned int pin;

	io->delayed = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if ((pins & BIT(pin)) && ioapic_level_up(io, pin))
			ioapic_service(io, pin);
}

void ioapic_eoi_vectors(const struct ioapic *io, u32 edges, unsigned long *vectors)
{
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (rte_is_level(io->entry[pin]) || edges & BIT(pin))
			__set_bit(io->entry[pin] & RTE_VECTOR, vectors);
}

void ioapic_init(struct ioapic *io, const struct ioapic_ops *ops)
{
	unsigned int pin;

	*io = (struct ioapic){ .ops = ops };
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		io->entry[pin] = RTE_MASKED;
}

void ioapic_get(const struct ioapic *io, struct kvm_ioapic_state *s)
{
	unsigned int pin;

	*s = (struct kvm_ioapic_state){
		.base_address = IOAPIC_BASE,
		.ioregsel = io->regsel,
		.id = io->id,
		.irr = io->line & ~io->sent,
	};
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		s->redirtbl[pin].bits = io->entry[pin];
}

/*
 * A pin in @s->irr is up, or has an edge to deliver. Who holds it up the state
 * does not tell; the next change by any source settles the line.
 */
void ioapic_set(struct ioapic *io, const struct kvm_ioapic_state *s)
{
	unsigned int pin;

	io->regsel = s->ioregsel & 0xff;
	io->id = s->id & ID_MASK;
	io->line = 0;
	io->sent = 0;
	io->delayed = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 rte = s->redirtbl[pin].bits & (RTE_LOW | RTE_HIGH | RTE_REMOTE_IRR);

		io->entry[pin] = rte_is_level(rte) ? rte : rte & ~RTE_REMOTE_IRR;
		io->storm[pin] = 0;
	}
	io->ops->eoi_changed(io);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (s->irr & BIT(pin))
			ioapic_raise(io, pin);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * ioapic.c - lines, registers, EOIs and hostile state in any order
 */
#include "fuzz.h"
#include "../../arch/x86/irqchip/ioapic.h"

#define RTE_STATUS	BIT_ULL(12)
#define RTE_REMOTE_IRR	BIT_ULL(14)
#define RTE_MASKED	BIT_ULL(16)
#define RTE_RESERVED	GENMASK_ULL(55, 17)

static struct ioapic io;
static struct fuzz *in;
static bool from_state;		/* lines came from ioapic_set(): nobody holds them */
static unsigned long told[4];	/* vectors when eoi_changed() was called last */

static bool is_level(u64 rte)
{
	return (rte & BIT(15)) && (rte >> 8 & 7) <= KEEL_DM_LOWEST;
}

static int deliver(struct ioapic *chip, const struct keel_apic_msg *msg)
{
	unsigned long now[4] = {};
	unsigned int pin, from = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		from += (u8)io.entry[pin] == msg->vector && !(io.entry[pin] & RTE_MASKED) &&
			(io.line & BIT(pin)) && io.entry[pin] >> 56 == msg->dest &&
			is_level(io.entry[pin]) == msg->level;
	CHECK(from);
	CHECK(msg->mode != KEEL_DM_REMOTE && msg->mode != KEEL_DM_SIPI);
	CHECK_EQ(msg->src, -1);
	ioapic_eoi_vectors(&io, 0, now);
	CHECK(!memcmp(now, told, sizeof(now)));
	return (s8)fuzz_u8(in) % 3 - 1;
}

static void eoi_changed(struct ioapic *chip)
{
	memset(told, 0, sizeof(told));
	ioapic_eoi_vectors(&io, 0, told);
}

static const struct ioapic_ops ops = { .deliver = deliver, .eoi_changed = eoi_changed };

static void check_pin(unsigned int pin)
{
	u64 rte = io.entry[pin];

	CHECK(!(rte & (RTE_RESERVED | RTE_STATUS)));
	CHECK(!(rte & RTE_REMOTE_IRR) || is_level(rte));
	CHECK_EQ(!!(ioapic_masked_pins(&io) & BIT(pin)), !!(rte & RTE_MASKED));
	CHECK(ioapic_vector_pins(&io, rte) & BIT(pin));
	CHECK(io.storm[pin] < IOAPIC_STORM_EOIS);
	if (!from_state)
		CHECK_EQ(!!(io.line & BIT(pin)), !!io.source[pin]);
}

static void check(void)
{
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		check_pin(pin);
	CHECK(!(io.line & ~GENMASK(IOAPIC_PINS - 1, 0)));
	CHECK(!(io.sent & ~io.line));
	CHECK(!(io.delayed & ~io.line));
	CHECK(io.regsel <= 0xff && io.id <= 0xf);
}

static void set_state(struct fuzz *f)
{
	struct kvm_ioapic_state s, got, again;
	unsigned int pin;

	fuzz_bytes(f, &s, sizeof(s));
	ioapic_set(&io, &s);
	from_state = true;
	memset(io.source, 0, sizeof(io.source));
	ioapic_get(&io, &got);
	CHECK_EQ(got.base_address, IOAPIC_BASE);
	CHECK_EQ(got.irr & ~(s.irr & GENMASK(IOAPIC_PINS - 1, 0)), 0);
	ioapic_get(&io, &again);
	CHECK(!memcmp(&got, &again, sizeof(got)));
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		CHECK_EQ((got.redirtbl[pin].bits ^ s.redirtbl[pin].bits) & 0xff000000000187ffULL &
			 ~RTE_REMOTE_IRR, 0);
}

/* A guest that says EOI and serves nobody: the last of very many of them. */
static void storm(struct fuzz *f)
{
	u8 vector = 0x30 | (fuzz_u8(f) & 1);
	unsigned int i;

	for (i = 0; i < IOAPIC_PINS; i++)
		if (io.storm[i])
			io.storm[i] = IOAPIC_STORM_EOIS - 2;
	for (i = 0; i < 3; i++)
		ioapic_eoi(&io, vector);
}

/* Few pins, so that what is done to them meets; all if the bit says so. */
static unsigned int pin_of(u8 b)
{
	return b & 0x40 ? b & 31 : b & 1;
}

/* A plausible entry in a byte, or any. */
static void write_entry(struct fuzz *f)
{
	u8 a = fuzz_u8(f), b = fuzz_u8(f);
	u32 val = 0x30 | (b & 1) | (b & 14) << 7 | (b & 0x10) << 11 | (b & 0x20) << 11;

	if (b & 0x80)
		val = fuzz_u32(f);
	ioapic_write(&io, 0, 0x10 + 2 * (pin_of(a) % IOAPIC_PINS) + (a >> 7));
	ioapic_write(&io, 0x10, val);
	if (!(b & 0x80) && !(a >> 7))
		CHECK_EQ(ioapic_read(&io, 0x10) & ~RTE_REMOTE_IRR, val);
}

static void operate(struct fuzz *f)
{
	u8 a, b;

	switch (fuzz_u8(f) % 9) {
	case 0:
	case 1:
		a = fuzz_u8(f);
		b = fuzz_u8(f);
		if (pin_of(a) >= IOAPIC_PINS || b % 9 >= 8)
			CHECK_EQ(ioapic_set_line(&io, pin_of(a), b % 9, a & 0x80), -1);
		else
			ioapic_set_line(&io, pin_of(a), b % 9, a & 0x80);
		break;
	case 2:
		a = fuzz_u8(f);
		ioapic_write(&io, a & 0x10, a & 0x80 ? fuzz_u32(f) : fuzz_u8(f));
		break;
	case 3:
		write_entry(f);
		break;
	case 4:
		a = fuzz_u8(f);
		ioapic_read(&io, a);
		ioapic_write(&io, a, fuzz_u32(f));
		break;
	case 5:
		a = fuzz_u8(f);
		ioapic_eoi(&io, a & 0x80 ? a & 0x7f : 0x30 | (a & 1));
		break;
	case 6:
		ioapic_redeliver(&io);
		CHECK_EQ(io.delayed, 0);
		break;
	case 7:
		set_state(f);
		break;
	default:
		storm(f);
	}
}

void fuzz_one(struct fuzz *f)
{
	in = f;
	from_state = false;
	memset(told, 0, sizeof(told));
	ioapic_init(&io, &ops);
	while (fuzz_more(f)) {
		operate(f);
		check();
	}
}

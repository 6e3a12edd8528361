// SPDX-License-Identifier: GPL-2.0
/*
 * pic.c - the two 8259A interrupt controllers of a PC, with the PIIX's ELCR
 *
 * Two things differ from the chip on purpose. A request on an edge triggered
 * pin stays in the IRR when the line falls before it is acknowledged: those
 * who raise lines pulse them. And the master's cascade input follows the slave's
 * output as a wire, so that masking at the slave leaves no spurious request.
 */
#include "pic.h"

#define ICW1_INIT	BIT(4)
#define ICW1_SINGLE	BIT(1)
#define ICW1_ICW4	BIT(0)
#define ICW2_BASE	0xf8
#define ICW4_AUTO_EOI	BIT(1)
#define ICW4_NESTED	BIT(4)

#define OCW2_ROTATE	BIT(7)
#define OCW2_SPECIFIC	BIT(6)
#define OCW2_EOI	BIT(5)
#define OCW2_LEVEL	0x07

#define OCW3		BIT(3)
#define OCW3_SET_SMM	BIT(6)
#define OCW3_SMM	BIT(5)
#define OCW3_POLL	BIT(2)
#define OCW3_READ	BIT(1)
#define OCW3_ISR	BIT(0)

#define POLL_REQUEST	BIT(7)

#define NO_RANK		8	/* below every level */
#define SPURIOUS	7	/* the level that answers INTA when none asks */

/* Pins that may be level triggered: not the timer, keyboard, cascade, RTC and FPU. */
static const u8 pic_elcr_mask[PIC_NR_CHIPS] = { 0xf8, 0xde };

static unsigned int pic_level(const struct pic_chip *c, unsigned int rank)
{
	return (c->top + rank) & 7;
}

/* Rank of the highest priority level in @levels: 0 to 7, or NO_RANK. */
static unsigned int pic_rank(const struct pic_chip *c, u8 levels)
{
	return levels ? __ffs(ror8(levels, c->top)) : NO_RANK;
}

/* The level for which chip @id asserts INT, or -1. */
static int pic_request(const struct pic *pic, enum pic_chip_id id)
{
	const struct pic_chip *c = &pic->chip[id];
	unsigned int rank, busy, level;

	if (c->icw)
		return -1;

	/* In special mask mode a masked level in service holds back nobody. */
	busy = pic_rank(c, c->special_mask ? c->isr & ~c->imr : c->isr);
	rank = pic_rank(c, c->irr & ~c->imr);
	if (rank == NO_RANK || rank > busy)
		return -1;

	/* The slave may interrupt its own service where the nesting is special. */
	level = pic_level(c, rank);
	if (rank == busy && !(c->nested && id == PIC_MASTER && level == PIC_CASCADE))
		return -1;
	return level;
}

/* The wire from the slave's INT to the master. */
static void pic_cascade(struct pic *pic)
{
	struct pic_chip *m = &pic->chip[PIC_MASTER];
	u8 up = pic_request(pic, PIC_SLAVE) >= 0 ? BIT(PIC_CASCADE) : 0;

	m->irr = (m->irr & ~BIT(PIC_CASCADE)) | up;
}

static void pic_note_eoi(struct pic *pic, enum pic_chip_id id, u8 levels)
{
	pic->eoi |= levels << (id * PIC_CHIP_PINS);
}

static void pic_note_opened(struct pic *pic, enum pic_chip_id id, u8 levels)
{
	pic->opened |= levels << (id * PIC_CHIP_PINS);
}

/* An input changes, as the edge or level circuit of its cell sees it. */
static bool pic_drive(struct pic_chip *c, u8 bit, bool up)
{
	u8 irr = c->irr;
	bool rises = up && !(c->line & bit);

	c->line = up ? c->line | bit : c->line & ~bit;
	if (c->elcr & bit) {
		c->irr = up ? irr | bit : irr & ~bit;
		return !up || !(irr & bit);
	}
	if (rises)
		c->irr |= bit;
	return !rises || !(irr & bit);
}

int pic_set_line(struct pic *pic, unsigned int pin, unsigned int source, bool level)
{
	struct pic_chip *c;
	bool taken;
	u8 bit;

	if (pin >= PIC_PINS || pin == PIC_CASCADE || source >= 8)
		return -1;
	pin = array_index_nospec(pin, PIC_PINS);

	if (level)
		pic->source[pin] |= BIT(source);
	else
		pic->source[pin] &= ~BIT(source);

	c = &pic->chip[pin / PIC_CHIP_PINS];
	bit = BIT(pin % PIC_CHIP_PINS);
	taken = pic_drive(c, bit, pic->source[pin]);
	pic_cascade(pic);
	return c->imr & bit ? -1 : taken;
}

/* @level's service is over; its bit was set. */
static void pic_end(struct pic *pic, enum pic_chip_id id, unsigned int level)
{
	struct pic_chip *c = &pic->chip[id];

	if (c->isr & BIT(level))
		pic_note_eoi(pic, id, BIT(level));
	c->isr &= ~BIT(level);
}

/* Chip @id answers INTA with @level. */
static void pic_serve(struct pic *pic, enum pic_chip_id id, unsigned int level)
{
	struct pic_chip *c = &pic->chip[id];

	if (!(c->elcr & BIT(level)))
		c->irr &= ~BIT(level);
	c->isr |= BIT(level);
	if (!c->auto_eoi)
		return;
	pic_end(pic, id, level);
	if (c->rotate_aeoi)
		c->top = (level + 1) & 7;
}

bool pic_output(const struct pic *pic)
{
	return pic_request(pic, PIC_MASTER) >= 0;
}

static int pic_ack_slave(struct pic *pic)
{
	int level = pic_request(pic, PIC_SLAVE);

	if (level >= 0)
		pic_serve(pic, PIC_SLAVE, level);
	else
		level = SPURIOUS;
	return pic->chip[PIC_SLAVE].base + level;
}

int pic_ack(struct pic *pic)
{
	int level = pic_request(pic, PIC_MASTER);
	int vector;

	if (level < 0)
		return -1;
	pic_serve(pic, PIC_MASTER, level);
	vector = level == PIC_CASCADE ? pic_ack_slave(pic) : pic->chip[PIC_MASTER].base + level;
	pic_cascade(pic);
	return vector;
}

u16 pic_take_eoi(struct pic *pic)
{
	u16 eoi = pic->eoi;

	/* The cascade's own service is nobody's interrupt. */
	pic->eoi = 0;
	return eoi & ~BIT(PIC_CASCADE);
}

u16 pic_take_opened(struct pic *pic)
{
	u16 opened = pic->opened;

	pic->opened = 0;
	return opened;
}

/*
 * ICW1 resets the chip. The edge circuits forget their requests and wait for
 * the next rise; requests that are dropped here will see no EOI, so say it now.
 */
static void pic_icw1(struct pic *pic, enum pic_chip_id id, u8 val)
{
	struct pic_chip *c = &pic->chip[id];

	pic_note_eoi(pic, id, c->isr | (c->irr & ~c->elcr));
	pic_note_opened(pic, id, 0xff);
	c->irr &= c->elcr;
	c->imr = 0;
	c->isr = 0;
	c->top = 0;
	c->special_mask = false;
	c->read_isr = false;
	c->poll = false;
	c->rotate_aeoi = false;
	c->icw4 = val & ICW1_ICW4;
	c->single = val & ICW1_SINGLE;
	if (!c->icw4) {
		c->auto_eoi = false;
		c->nested = false;
	}
	c->icw = 1;
}

/* ICW2 to ICW4, in their order. ICW3 says how the chips are wired, which is fixed. */
static void pic_icw(struct pic_chip *c, u8 val)
{
	switch (c->icw) {
	case 1:
		c->base = val & ICW2_BASE;
		c->icw = c->single ? (c->icw4 ? 3 : 0) : 2;
		break;
	case 2:
		c->icw = c->icw4 ? 3 : 0;
		break;
	default:
		c->auto_eoi = val & ICW4_AUTO_EOI;
		c->nested = val & ICW4_NESTED;
		c->icw = 0;
	}
}

/* The level a non-specific EOI ends. Special mask mode hides masked ones from it. */
static int pic_in_service(const struct pic_chip *c)
{
	unsigned int rank = pic_rank(c, c->special_mask ? c->isr & ~c->imr : c->isr);

	return rank == NO_RANK ? -1 : (int)pic_level(c, rank);
}

static void pic_ocw2(struct pic *pic, enum pic_chip_id id, u8 val)
{
	struct pic_chip *c = &pic->chip[id];
	int level = val & OCW2_SPECIFIC ? val & OCW2_LEVEL : pic_in_service(c);

	switch (val & (OCW2_EOI | OCW2_SPECIFIC)) {
	case 0:
		c->rotate_aeoi = val & OCW2_ROTATE;
		return;
	case OCW2_SPECIFIC:
		break;		/* set priority; without R no operation */
	default:
		if (level < 0)
			return;
		pic_end(pic, id, level);
	}
	if (val & OCW2_ROTATE)
		c->top = (level + 1) & 7;
}

static void pic_ocw3(struct pic_chip *c, u8 val)
{
	if (val & OCW3_SET_SMM)
		c->special_mask = val & OCW3_SMM;
	if (val & OCW3_READ)
		c->read_isr = val & OCW3_ISR;
	if (val & OCW3_POLL)
		c->poll = true;
}

static void pic_command(struct pic *pic, enum pic_chip_id id, u8 val)
{
	if (val & ICW1_INIT)
		pic_icw1(pic, id, val);
	else if (val & OCW3)
		pic_ocw3(&pic->chip[id], val);
	else
		pic_ocw2(pic, id, val);
}

static void pic_data(struct pic *pic, enum pic_chip_id id, u8 val)
{
	struct pic_chip *c = &pic->chip[id];

	if (c->icw) {
		pic_icw(c, val);
		return;
	}
	pic_note_opened(pic, id, c->imr & ~val);
	c->imr = val;
}

/* A pin that becomes level triggered shows its line. */
static void pic_write_elcr(struct pic *pic, enum pic_chip_id id, u8 val)
{
	struct pic_chip *c = &pic->chip[id];

	c->elcr = val & pic_elcr_mask[id];
	c->irr = (c->irr & ~c->elcr) | (c->line & c->elcr);
}

void pic_write(struct pic *pic, u16 port, u8 val)
{
	switch (port) {
	case PIC_PORT_MASTER:
		pic_command(pic, PIC_MASTER, val);
		break;
	case PIC_PORT_MASTER + 1:
		pic_data(pic, PIC_MASTER, val);
		break;
	case PIC_PORT_SLAVE:
		pic_command(pic, PIC_SLAVE, val);
		break;
	case PIC_PORT_SLAVE + 1:
		pic_data(pic, PIC_SLAVE, val);
		break;
	case PIC_PORT_ELCR:
		pic_write_elcr(pic, PIC_MASTER, val);
		break;
	case PIC_PORT_ELCR + 1:
		pic_write_elcr(pic, PIC_SLAVE, val);
		break;
	}
	pic_cascade(pic);
}

/* The read after a poll command acknowledges like INTA, of this chip alone. */
static u8 pic_poll(struct pic *pic, enum pic_chip_id id)
{
	int level = pic_request(pic, id);

	pic->chip[id].poll = false;
	if (level < 0)
		return SPURIOUS;
	pic_serve(pic, id, level);
	pic_cascade(pic);
	return POLL_REQUEST | level;
}

static u8 pic_read_chip(struct pic *pic, enum pic_chip_id id, bool data)
{
	struct pic_chip *c = &pic->chip[id];

	if (c->poll)
		return pic_poll(pic, id);
	if (data)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

u8 pic_read(struct pic *pic, u16 port)
{
	switch (port) {
	case PIC_PORT_MASTER:
	case PIC_PORT_MASTER + 1:
		return pic_read_chip(pic, PIC_MASTER, port & 1);
	case PIC_PORT_SLAVE:
	case PIC_PORT_SLAVE + 1:
		return pic_read_chip(pic, PIC_SLAVE, port & 1);
	case PIC_PORT_ELCR:
		return pic->chip[PIC_MASTER].elcr;
	case PIC_PORT_ELCR + 1:
		return pic->chip[PIC_SLAVE].elcr;
	default:
		return 0xff;
	}
}

void pic_init(struct pic *pic)
{
	*pic = (struct pic){ };
}

void pic_get(const struct pic *pic, enum pic_chip_id id, struct kvm_pic_state *s)
{
	const struct pic_chip *c = &pic->chip[id];

	*s = (struct kvm_pic_state){
		.last_irr = c->line,
		.irr = c->irr,
		.imr = c->imr,
		.isr = c->isr,
		.priority_add = c->top,
		.irq_base = c->base,
		.read_reg_select = c->read_isr,
		.poll = c->poll,
		.special_mask = c->special_mask,
		.init_state = c->icw,
		.auto_eoi = c->auto_eoi,
		.rotate_on_auto_eoi = c->rotate_aeoi,
		.special_fully_nested_mode = c->nested,
		.init4 = c->icw4,
		.elcr = c->elcr,
		.elcr_mask = pic_elcr_mask[id],
	};
}

void pic_set(struct pic *pic, enum pic_chip_id id, const struct kvm_pic_state *s)
{
	pic->chip[id] = (struct pic_chip){
		.line = s->last_irr,
		.irr = s->irr,
		.imr = s->imr,
		.isr = s->isr,
		.top = s->priority_add & 7,
		.base = s->irq_base & ICW2_BASE,
		.read_isr = s->read_reg_select,
		.poll = s->poll,
		.special_mask = s->special_mask,
		.icw = s->init_state <= 3 ? s->init_state : 0,
		.auto_eoi = s->auto_eoi,
		.rotate_aeoi = s->rotate_on_auto_eoi,
		.nested = s->special_fully_nested_mode,
		.icw4 = s->init4,
		.elcr = s->elcr & pic_elcr_mask[id],
	};
	pic_cascade(pic);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * pic.c - port accesses, lines, INTA cycles and hostile state in any order
 */
#include "fuzz.h"
#include "../../arch/x86/irqchip/pic.h"

static struct pic p;

static struct kvm_pic_state state_of(enum pic_chip_id id)
{
	struct kvm_pic_state s;

	pic_get(&p, id, &s);
	return s;
}

/* The request that wins, by the data sheet's words: search from the highest priority down. */
static int request(const struct kvm_pic_state *s, bool master)
{
	int rank, level;

	for (rank = 0; rank < 8 && !s->init_state; rank++) {
		level = (s->priority_add + rank) & 7;
		bool served = s->isr & BIT(level), masked = s->imr & BIT(level);
		bool wants = (s->irr & BIT(level)) && !masked;

		if (served && !(s->special_mask && masked))
			return wants && master && level == PIC_CASCADE &&
			       s->special_fully_nested_mode ? level : -1;
		if (wants)
			return level;
	}
	return -1;
}

static void check(void)
{
	struct kvm_pic_state m = state_of(PIC_MASTER), s = state_of(PIC_SLAVE);

	CHECK(m.priority_add < 8 && s.priority_add < 8);
	CHECK(m.init_state <= 3 && s.init_state <= 3);
	CHECK_EQ(m.elcr & ~m.elcr_mask, 0);
	CHECK_EQ(s.elcr & ~s.elcr_mask, 0);
	CHECK_EQ((m.irq_base | s.irq_base) & 7, 0);
	CHECK_EQ(!!(m.irr & BIT(PIC_CASCADE)), request(&s, false) >= 0);
	CHECK_EQ(pic_output(&p), request(&m, true) >= 0);
}

/* What a level that was taken leaves behind. */
static void check_taken(const struct kvm_pic_state *was, const struct kvm_pic_state *is, int level)
{
	CHECK(was->irr & BIT(level));
	CHECK(!(was->imr & BIT(level)));
	if (!was->auto_eoi)
		CHECK_EQ(is->isr, was->isr | BIT(level));
	if (level != PIC_CASCADE && !(was->elcr & BIT(level)))
		CHECK(!(is->irr & BIT(level)));
}

static void ack(void)
{
	struct kvm_pic_state m = state_of(PIC_MASTER), s = state_of(PIC_SLAVE), after;
	int level = request(&m, true), vector = pic_ack(&p);

	if (level < 0) {
		CHECK_EQ(vector, -1);
		return;
	}
	after = state_of(PIC_MASTER);
	check_taken(&m, &after, level);
	if (level != PIC_CASCADE) {
		CHECK_EQ(vector, m.irq_base + level);
		return;
	}
	level = request(&s, false);
	CHECK_EQ(vector, s.irq_base + (level < 0 ? 7 : level));
	after = state_of(PIC_SLAVE);
	if (level >= 0)
		check_taken(&s, &after, level);
}

static void set_line(struct fuzz *f)
{
	u8 pin = fuzz_u8(f), source = fuzz_u8(f) % 10;
	bool up = pin & 0x80;
	int r;

	pin &= 0x1f;
	r = pic_set_line(&p, pin, source, up);
	if (pin >= PIC_PINS || pin == PIC_CASCADE || source >= 8) {
		CHECK_EQ(r, -1);
		return;
	}
	CHECK_EQ(!!(p.source[pin] & BIT(source)), up);
	CHECK(r == (state_of(pin / 8).imr & BIT(pin % 8) ? -1 : r));
	if (p.source[pin] && r == 1 && state_of(pin / 8).elcr & BIT(pin % 8))
		CHECK(state_of(pin / 8).irr & BIT(pin % 8));
}

/* What goes out may come in, and is the same then. */
static void move(void)
{
	struct kvm_pic_state s[2] = { state_of(PIC_MASTER), state_of(PIC_SLAVE) }, is;
	unsigned int i;

	for (i = 0; i < 2; i++)
		pic_set(&p, i, &s[i]);
	for (i = 0; i < 2; i++) {
		is = state_of(i);
		CHECK(!memcmp(&is, &s[i], sizeof(is)));
	}
}

static void set_state(struct fuzz *f)
{
	struct kvm_pic_state s;
	u8 id = fuzz_u8(f) & 1;

	fuzz_bytes(f, &s, sizeof(s));
	pic_set(&p, id, &s);
}

static void take(void)
{
	CHECK(!(pic_take_eoi(&p) & BIT(PIC_CASCADE)));
	CHECK_EQ(pic_take_eoi(&p), 0);
	pic_take_opened(&p);
	CHECK_EQ(pic_take_opened(&p), 0);
}

static void operate(struct fuzz *f)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x22, 0 };
	u8 op = fuzz_u8(f);

	switch (op & 7) {
	case 0:
	case 1:
		pic_write(&p, ports[op >> 3 & 7], fuzz_u8(f));
		break;
	case 2:
		if (pic_read(&p, ports[op >> 3 & 7]) != 0xff)
			CHECK((op >> 3 & 7) < 6);
		break;
	case 3:
	case 4:
		set_line(f);
		break;
	case 5:
		ack();
		break;
	case 6:
		if (op & 8)
			take();
		else
			move();
		break;
	default:
		set_state(f);
	}
}

void fuzz_one(struct fuzz *f)
{
	pic_init(&p);
	while (fuzz_more(f)) {
		operate(f);
		check();
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * pit.c - port accesses, time and hostile state in any order
 */
#include "fuzz.h"
#include "../../arch/x86/irqchip/pit.h"

static struct pit p;
static u64 now;

static void check_channel(const struct pit_channel *c)
{
	CHECK(c->count >= 1 && c->count <= 0x10000);
	CHECK(c->next <= 0x10000);
	CHECK(c->mode < PIT_NR_MODES || c->mode == PIT_MODE_NONE);
	CHECK(c->rw <= 3 && c->latch_state <= PIT_RW_WORD0);
	CHECK(c->read_state <= PIT_RW_WORD1 && c->write_state <= PIT_RW_WORD1);
}

/* Times at which channel 0's output rises are not missed, nor made up. */
static void check_due(void)
{
	struct pit copy = p;
	u64 due = pit_due(&p);

	if (due == PIT_NEVER || due <= now)
		return;
	CHECK(!p.hpet_legacy);
	CHECK(due >= p.last + PIT_MIN_PERIOD_NS || due == p.last + PIT_MIN_PERIOD_NS);
	/* A count of 1 has no low time: the data sheet's modes 2 and 3 begin with 2. */
	if (due != p.last + PIT_MIN_PERIOD_NS &&
	    p.ch[0].count > 1 && p.ch[0].next != 1)
		CHECK(pit_out(&copy, 0, due));
}

static void check(void)
{
	unsigned int i;
	struct pit copy;

	for (i = 0; i < PIT_CHANNELS; i++) {
		check_channel(&p.ch[i]);
		copy = p;
		CHECK_EQ(pit_out(&copy, i, now), pit_out(&copy, i, now));
	}
	CHECK(!p.waiting || p.backlog);
	CHECK(p.waiting || !p.backlog);
	check_due();
}

/* Time passes; an output that was low and is high has risen, and that was due. */
static void pass(u64 ns)
{
	struct pit copy = p;
	bool low = !pit_out(&copy, 0, now);
	u64 due = pit_due(&p), before = now;

	now += ns;
	if (!low || p.hpet_legacy || !p.ch[0].gate || !p.ch[0].loaded || due <= before)
		return;
	if (pit_out(&copy, 0, now))
		CHECK(due <= now || due == p.last + PIT_MIN_PERIOD_NS);
}

static void expire(void)
{
	bool due = pit_due(&p) <= now, waited = p.waiting;
	u32 backlog = p.backlog;
	bool pulse = pit_expire(&p, now);

	if (!due)
		CHECK(!pulse);
	if (!due || pit_due(&p) == PIT_NEVER)
		return;
	CHECK(pit_due(&p) > now);
	if (p.reinject) {
		CHECK_EQ(pulse, !waited);
		CHECK(p.waiting && p.backlog > backlog - (backlog == U32_MAX / 2));
	}
}

static void ack(void)
{
	u32 backlog = p.backlog;
	bool more = pit_ack(&p);

	CHECK_EQ(p.backlog, backlog ? backlog - 1 : 0);
	CHECK_EQ(more, p.backlog > 0);
}

static void set_state(struct fuzz *f)
{
	struct kvm_pit_state2 s, got;
	unsigned int i;

	memset(&s, 0, sizeof(s));
	s.flags = fuzz_u8(f);
	for (i = 0; i < PIT_CHANNELS; i++)
		fuzz_bytes(f, &s.channels[i], sizeof(s.channels[i]));
	pit_set(&p, &s, now);
	pit_get(&p, &got, now);
	for (i = 0; i < PIT_CHANNELS; i++)
		CHECK(got.channels[i].count <= 0x10000);
	CHECK_EQ(got.flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON), 0);
}

/* What goes out comes in and goes out the same. */
static void move(void)
{
	struct kvm_pit_state2 s, again;
	unsigned int i;

	pit_get(&p, &s, now);
	pit_set(&p, &s, now);
	pit_get(&p, &again, now);
	for (i = 0; i < PIT_CHANNELS; i++) {
		s.channels[i].count_load_time = 0;
		again.channels[i].count_load_time = 0;
	}
	CHECK(!memcmp(&s, &again, sizeof(s)));
}

static void operate(struct fuzz *f)
{
	u8 op = fuzz_u8(f);

	switch (op & 7) {
	case 0:
	case 1:
		pit_write(&p, op & 8 ? PIT_SPEAKER_PORT : PIT_PORT + (op >> 4 & 3), fuzz_u8(f), now);
		break;
	case 2:
		pit_read(&p, op & 8 ? PIT_SPEAKER_PORT : PIT_PORT + (op >> 4), now);
		break;
	case 3:
		pass(fuzz_num(f) & GENMASK_ULL(40, 0));
		break;
	case 4:
		if (pit_due(&p) != PIT_NEVER && pit_due(&p) > now)
			pass(pit_due(&p) - now - (op >> 7));
		expire();
		break;
	case 5:
		ack();
		break;
	case 6:
		if (op & 8)
			move();
		else if (op & 16)
			pit_set_reinject(&p, op & 32);
		else
			pit_forget(&p);
		break;
	default:
		set_state(f);
	}
}

void fuzz_one(struct fuzz *f)
{
	now = 1000000000;
	pit_init(&p, now);
	while (fuzz_more(f)) {
		operate(f);
		check();
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * pit.c - an 8254 timer, and the PC's port 0x61 around its channel 2
 *
 * A counter's state is computed when somebody looks. The one CLK that the chip
 * takes from a write to the load of the counter is left out.
 */
#include "pit.h"

#define CONTROL_PORT	(PIT_PORT + 3)
#define CTL_CHANNEL	6	/* shift */
#define CTL_RW		4	/* shift */
#define CTL_MODE	1	/* shift */
#define CTL_BCD		BIT(0)
#define READ_BACK	3	/* as channel */
#define RB_NO_COUNT	BIT(5)
#define RB_NO_STATUS	BIT(4)
#define RB_CHANNEL0	1	/* shift */

#define STATUS_OUT	BIT(7)
#define STATUS_NULL	BIT(6)

#define SPK_GATE	BIT(0)
#define SPK_DATA	BIT(1)
#define SPK_REFRESH	BIT(4)
#define SPK_OUT		BIT(5)
#define REFRESH_NS	15085	/* one DRAM refresh; the bit toggles at each */

#define COUNT_MAX	0x10000
#define BACKLOG_MAX	(U32_MAX / 2)

static struct pit_channel *pit_channel(struct pit *pit, unsigned int n)
{
	return &pit->ch[array_index_nospec(n, PIT_CHANNELS)];
}

/* Four digits; those above 9, which no datasheet defines, count as they stand. */
static u32 bcd_decode(u32 v)
{
	return (v & 0xf) + (v >> 4 & 0xf) * 10 + (v >> 8 & 0xf) * 100 + (v >> 12 & 0xf) * 1000;
}

static u32 bcd_encode(u32 v)
{
	return v % 10 | (v / 10 % 10) << 4 | (v / 100 % 10) << 8 | (v / 1000 % 10) << 12;
}

/* The count @raw of a channel in CLKs: 1 to 65536. 0 stands for the greatest. */
static u32 pit_clocks(const struct pit_channel *c, u32 raw)
{
	u32 n = raw & 0xffff;

	if (!n)
		return c->bcd ? 10000 : COUNT_MAX;
	return c->bcd ? bcd_decode(n) : n;
}

/* CLKs in the high half of a square wave: an odd count is longer high than low. */
static u32 pit_high(u32 n)
{
	return (n + 1) / 2;
}

/* @clocks CLKs in nanoseconds, so that they are over by then. */
static u64 pit_to_ns(u64 clocks)
{
	return clocks ? mul_u64_u32_div(clocks, KEEL_NSEC_PER_SEC, PIT_HZ) + 1 : 0;
}

/* Nanoseconds counted. A @now before the load time counts as none. */
static u64 pit_elapsed(const struct pit_channel *c, u64 now)
{
	bool hardware = c->mode == PIT_MODE_ONESHOT || c->mode == PIT_MODE_HW_STROBE;

	if (!c->loaded || (hardware && !c->triggered))
		return 0;
	if (!c->gate && !hardware)
		return c->frozen;
	return max_t(s64, now - c->load_time, 0);
}

/* CLKs counted. */
static u64 pit_counted(const struct pit_channel *c, u64 now)
{
	return mul_u64_u32_div(pit_elapsed(c, now), PIT_HZ, KEEL_NSEC_PER_SEC);
}

/* The first nanosecond at which pit_counted() is @clocks. */
static u64 pit_time_of(const struct pit_channel *c, u64 clocks)
{
	return c->load_time + pit_to_ns(clocks);
}

static bool pit_is_periodic(const struct pit_channel *c)
{
	return c->mode == PIT_MODE_RATE || c->mode == PIT_MODE_SQUARE;
}

/* A count that was waiting takes over. */
static void pit_take_next(struct pit_channel *c)
{
	if (c->next)
		c->count = c->next;
	c->next = 0;
}

/* Bring a periodic channel up to @now, where a new count may have begun. */
static void pit_settle(struct pit_channel *c, u64 now)
{
	if (!c->next || !pit_is_periodic(c) || !c->gate || now < c->next_at)
		return;
	c->load_time = c->next_load;
	pit_take_next(c);
}

/*
 * A new count for a periodic channel that runs: the rate generator takes it at
 * the end of its cycle, the square wave at the end of the half it is in.
 */
static void pit_schedule(struct pit_channel *c, u32 raw, u64 now)
{
	u32 n = pit_clocks(c, c->count), high = pit_high(n);
	u64 d = pit_counted(c, now);
	u64 start = d - d % n;
	bool half = c->mode == PIT_MODE_SQUARE && d % n < high;

	c->next = raw;
	c->next_at = pit_time_of(c, start + (half ? high : n));
	c->next_load = c->next_at - (half ? pit_to_ns(pit_high(pit_clocks(c, raw))) : 0);
}

static void pit_load(struct pit_channel *c, u16 val, u64 now)
{
	u32 raw = val ? val : COUNT_MAX;

	if (c->loaded && pit_is_periodic(c) && c->gate) {
		pit_schedule(c, raw, now);
		return;
	}
	if (c->triggered) {
		c->next = raw;
		return;
	}
	c->count = raw;
	c->next = 0;
	c->load_time = now;
	c->frozen = 0;
	c->loaded = true;
}

static bool pit_channel_out(const struct pit_channel *c, u64 now)
{
	u32 n = pit_clocks(c, c->count);
	u64 d = pit_counted(c, now);

	switch (c->mode) {
	case PIT_MODE_TERMINAL:
		return c->loaded && d >= n;
	case PIT_MODE_ONESHOT:
		return !c->triggered || d >= n;
	case PIT_MODE_RATE:
		return !c->gate || !c->loaded || d % n != n - 1;
	case PIT_MODE_SQUARE:
		return !c->gate || !c->loaded || d % n < pit_high(n);
	case PIT_MODE_STROBE:
		return !c->loaded || d != n;
	case PIT_MODE_HW_STROBE:
		return !c->triggered || d != n;
	default:
		return false;
	}
}

bool pit_out(struct pit *pit, unsigned int n, u64 now)
{
	struct pit_channel *c = &pit->ch[n];

	pit_settle(c, now);
	return pit_channel_out(c, now);
}

/* What the counting element holds, as a guest reads it. */
static u16 pit_counter(const struct pit_channel *c, u64 now)
{
	u32 n = pit_clocks(c, c->count), wrap = c->bcd ? 10000 : COUNT_MAX;
	u64 d = pit_counted(c, now);
	u32 v;

	switch (c->mode) {
	case PIT_MODE_RATE:
		v = n - d % n;
		break;
	case PIT_MODE_SQUARE:
		/* By two, from the even count at or below n, in either half. */
		d %= n;
		v = (n & ~1U) - 2 * (d < pit_high(n) ? d : d - pit_high(n));
		break;
	default:
		v = n + wrap - d % wrap;
	}
	v %= wrap;
	return c->bcd ? bcd_encode(v) : v;
}

/* The next rise of @c's output after @after; @c is settled at @after. */
static u64 pit_next_rise(const struct pit_channel *c, u64 after)
{
	u32 n = pit_clocks(c, c->count);
	u64 d = pit_counted(c, after), at;

	if (!c->loaded || !c->gate)
		return PIT_NEVER;
	switch (c->mode) {
	case PIT_MODE_TERMINAL:
		at = n;
		break;
	case PIT_MODE_STROBE:
		at = n + 1;
		break;
	case PIT_MODE_RATE:
	case PIT_MODE_SQUARE:
		at = d - d % n + n;
		break;
	default:
		return PIT_NEVER;	/* nothing triggers channel 0 */
	}
	return d < at ? pit_time_of(c, at) : PIT_NEVER;
}

/* As pit_next_rise() of channel 0, over the change to a new count. */
static u64 pit_next_irq(const struct pit *pit, u64 after)
{
	struct pit_channel c = pit->ch[0];
	u64 at;

	if (pit->hpet_legacy)
		return PIT_NEVER;
	at = pit_next_rise(&c, after);
	if (!c.next || at <= c.next_at)
		return at;
	after = c.next_at;
	pit_settle(&c, after);
	return pit_next_rise(&c, after);
}

static void pit_arm(struct pit *pit, u64 now)
{
	u64 at = pit_next_irq(pit, now);

	pit->due = at == PIT_NEVER ? at : max(at, pit->last + PIT_MIN_PERIOD_NS);
}

/*
 * Channel 0 may have changed. A tick that is due already, whose timer is about
 * to fire, is not taken back.
 */
static void pit_rearm(struct pit *pit, u64 now)
{
	if (pit->due > now)
		pit_arm(pit, now);
}

/* Ticks that @now owes, the one that is due included: the timer may be late. */
static u32 pit_ticks(const struct pit *pit, u64 now)
{
	const struct pit_channel *c = &pit->ch[0];
	u64 period;

	if (!pit_is_periodic(c))
		return 1;
	period = max_t(u64, pit_to_ns(pit_clocks(c, c->count)), PIT_MIN_PERIOD_NS);
	return min_t(u64, (now - pit->due) / period, BACKLOG_MAX - 1) + 1;
}

bool pit_expire(struct pit *pit, u64 now)
{
	bool pulse = true;

	if (pit->due == PIT_NEVER || now < pit->due)
		return false;
	if (pit->reinject) {
		pulse = !pit->waiting;
		pit->backlog = min(pit->backlog + pit_ticks(pit, now), BACKLOG_MAX);
		pit->waiting = true;
	}
	pit->last = now;
	pit_settle(&pit->ch[0], now);
	pit_arm(pit, now);
	return pulse;
}

bool pit_ack(struct pit *pit)
{
	if (!pit->waiting)
		return false;
	pit->backlog--;
	pit->waiting = pit->backlog;
	return pit->waiting;
}

void pit_forget(struct pit *pit)
{
	pit->backlog = 0;
	pit->waiting = false;
}

void pit_set_reinject(struct pit *pit, bool reinject)
{
	if (pit->reinject != reinject)
		pit_forget(pit);
	pit->reinject = reinject;
}

static void pit_set_gate(struct pit_channel *c, bool gate, u64 now)
{
	if (gate == c->gate)
		return;
	if (!gate) {
		c->frozen = pit_elapsed(c, now);
		c->gate = false;
		return;
	}
	c->gate = true;
	switch (c->mode) {
	case PIT_MODE_TERMINAL:
	case PIT_MODE_STROBE:
		c->load_time = now - c->frozen;
		break;
	default:
		pit_take_next(c);
		c->load_time = now;
		c->triggered = c->loaded && !pit_is_periodic(c);
	}
}

static void pit_latch_count(struct pit_channel *c, u64 now)
{
	if (c->latch_state)
		return;
	c->latched = pit_counter(c, now);
	c->latch_state = c->rw ? c->rw : PIT_RW_LSB;
}

static void pit_latch_status(struct pit_channel *c, u64 now)
{
	if (c->status_latched)
		return;
	c->status = (pit_channel_out(c, now) ? STATUS_OUT : 0) |
		    (!c->loaded || c->next ? STATUS_NULL : 0) |
		    c->rw << CTL_RW | (c->mode & 7) << CTL_MODE | c->bcd;
	c->status_latched = true;
}

static void pit_read_back(struct pit *pit, u8 val, u64 now)
{
	unsigned int n;

	for (n = 0; n < PIT_CHANNELS; n++) {
		if (!(val & BIT(RB_CHANNEL0 + n)))
			continue;
		if (!(val & RB_NO_COUNT))
			pit_latch_count(&pit->ch[n], now);
		if (!(val & RB_NO_STATUS))
			pit_latch_status(&pit->ch[n], now);
	}
}

/* A control word stops the channel until its count is written. */
static void pit_program(struct pit_channel *c, u8 val)
{
	u8 mode = val >> CTL_MODE & 7;

	c->rw = val >> CTL_RW & 3;
	c->read_state = c->rw;
	c->write_state = c->rw;
	c->latch_state = 0;
	c->status_latched = false;
	c->mode = mode < PIT_NR_MODES ? mode : mode & 3;
	c->bcd = val & CTL_BCD;
	c->loaded = false;
	c->triggered = false;
	c->next = 0;
}

static void pit_control(struct pit *pit, u8 val, u64 now)
{
	unsigned int n = val >> CTL_CHANNEL;

	if (n == READ_BACK)
		pit_read_back(pit, val, now);
	else if (val >> CTL_RW & 3)
		pit_program(pit_channel(pit, n), val);
	else
		pit_latch_count(pit_channel(pit, n), now);
}

static void pit_write_count(struct pit_channel *c, u8 val, u64 now)
{
	switch (c->write_state) {
	case PIT_RW_MSB:
		pit_load(c, val << 8, now);
		break;
	case PIT_RW_WORD0:
		c->write_low = val;
		c->write_state = PIT_RW_WORD1;
		if (c->mode == PIT_MODE_TERMINAL)
			c->loaded = false;	/* half a count stops this mode */
		break;
	case PIT_RW_WORD1:
		pit_load(c, c->write_low | val << 8, now);
		c->write_state = PIT_RW_WORD0;
		break;
	default:
		pit_load(c, val, now);
	}
}

static u8 pit_read_latched(struct pit_channel *c)
{
	u8 state = c->latch_state;

	c->latch_state = state == PIT_RW_WORD0 ? PIT_RW_MSB : 0;
	return state == PIT_RW_MSB ? c->latched >> 8 : c->latched;
}

static u8 pit_read_count(struct pit_channel *c, u64 now)
{
	u16 v;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->latch_state)
		return pit_read_latched(c);

	v = pit_counter(c, now);
	switch (c->read_state) {
	case PIT_RW_MSB:
		return v >> 8;
	case PIT_RW_WORD0:
		c->read_state = PIT_RW_WORD1;
		return v;
	case PIT_RW_WORD1:
		c->read_state = PIT_RW_WORD0;
		return v >> 8;
	default:
		return v;
	}
}

static u8 pit_read_speaker(struct pit *pit, u64 now)
{
	return (pit->ch[2].gate ? SPK_GATE : 0) | (pit->speaker_on ? SPK_DATA : 0) |
	       (div_u64(now, REFRESH_NS) & 1 ? SPK_REFRESH : 0) |
	       (pit_out(pit, 2, now) ? SPK_OUT : 0);
}

static void pit_settle_all(struct pit *pit, u64 now)
{
	unsigned int n;

	for (n = 0; n < PIT_CHANNELS; n++)
		pit_settle(&pit->ch[n], now);
}

/* The control port cannot be read. */
u8 pit_read(struct pit *pit, u16 port, u64 now)
{
	pit_settle_all(pit, now);
	switch (port) {
	case PIT_PORT ... CONTROL_PORT - 1:
		return pit_read_count(pit_channel(pit, port - PIT_PORT), now);
	case CONTROL_PORT:
		return 0;
	case PIT_SPEAKER_PORT:
		return pit_read_speaker(pit, now);
	default:
		return 0xff;
	}
}

void pit_write(struct pit *pit, u16 port, u8 val, u64 now)
{
	pit_settle_all(pit, now);
	switch (port) {
	case PIT_PORT ... CONTROL_PORT - 1:
		pit_write_count(pit_channel(pit, port - PIT_PORT), val, now);
		break;
	case CONTROL_PORT:
		pit_control(pit, val, now);
		break;
	case PIT_SPEAKER_PORT:
		pit->speaker_on = val & SPK_DATA;
		pit_set_gate(&pit->ch[2], val & SPK_GATE, now);
		return;
	}
	pit_rearm(pit, now);
}

/* Channel 2's gate is port 0x61's; the others' are tied high. */
void pit_init(struct pit *pit, u64 now)
{
	unsigned int n;

	*pit = (struct pit){ .reinject = true, .due = PIT_NEVER };
	for (n = 0; n < PIT_CHANNELS; n++)
		pit->ch[n] = (struct pit_channel){
			.count = COUNT_MAX,
			.mode = PIT_MODE_NONE,
			.gate = n != 2,
			.load_time = now,
		};
}

static void pit_get_channel(struct pit_channel *c, struct kvm_pit_channel_state *s, u64 now)
{
	pit_settle(c, now);
	*s = (struct kvm_pit_channel_state){
		.count = c->next ? c->next : c->count,
		.latched_count = c->latched,
		.count_latched = c->latch_state,
		.status_latched = c->status_latched,
		.status = c->status,
		.read_state = c->read_state,
		.write_state = c->write_state,
		.write_latch = c->write_low,
		.rw_mode = c->rw,
		.mode = c->mode,
		.bcd = c->bcd,
		.gate = c->gate,
		.count_load_time = now - pit_elapsed(c, now),
	};
}

void pit_get(struct pit *pit, struct kvm_pit_state2 *s, u64 now)
{
	unsigned int n;

	*s = (struct kvm_pit_state2){
		.flags = (pit->hpet_legacy ? KVM_PIT_FLAGS_HPET_LEGACY : 0) |
			 (pit->speaker_on ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0),
	};
	for (n = 0; n < PIT_CHANNELS; n++)
		pit_get_channel(&pit->ch[n], &s->channels[n], now);
}

static u8 pit_valid_mode(u8 mode)
{
	if (mode < PIT_NR_MODES)
		return mode;
	return mode <= 7 ? mode & 3 : PIT_MODE_NONE;
}

static void pit_set_channel(struct pit_channel *c, const struct kvm_pit_channel_state *s, u64 now)
{
	*c = (struct pit_channel){
		.count = s->count && s->count <= COUNT_MAX ? s->count : COUNT_MAX,
		.latched = s->latched_count,
		.latch_state = s->count_latched <= PIT_RW_WORD0 ? s->count_latched : 0,
		.status_latched = s->status_latched,
		.status = s->status,
		.read_state = s->read_state <= PIT_RW_WORD1 ? s->read_state : 0,
		.write_state = s->write_state <= PIT_RW_WORD1 ? s->write_state : 0,
		.write_low = s->write_latch,
		.rw = s->rw_mode & 3,
		.mode = pit_valid_mode(s->mode),
		.bcd = s->bcd,
		.gate = s->gate,
		.load_time = now,
		.loaded = pit_valid_mode(s->mode) != PIT_MODE_NONE,
	};
}

void pit_set(struct pit *pit, const struct kvm_pit_state2 *s, u64 now)
{
	unsigned int n;

	for (n = 0; n < PIT_CHANNELS; n++)
		pit_set_channel(&pit->ch[n], &s->channels[n], now);
	pit->hpet_legacy = s->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_on = s->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	pit_forget(pit);
	pit_arm(pit, now);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * deliver.c - acceptance, priorities, EOI and errors
 *
 * From "Handling Interrupts" and "Error Handling" in the manual, and a model of
 * 256 vectors that knows nothing of words, classes' caches and flags.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include "rig.h"

TEST(post_ack_eoi)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(lapic_ack(&r.a), -1);
	EXPECT_EQ(lapic_post(&r.a, 0x41, false), LAPIC_POSTED);
	EXPECT_EQ(lapic_post(&r.a, 0x41, false), LAPIC_COALESCED);
	EXPECT_EQ(rd(&r, LAPIC_IRR + 0x20), 2);
	EXPECT_EQ(lapic_pending(&r.a), 0x41);
	EXPECT_TRUE(lapic_in_flight(&r.a, 0x41));
	EXPECT_EQ(lapic_ack(&r.a), 0x41);
	EXPECT_EQ(rd(&r, LAPIC_IRR + 0x20), 0);
	EXPECT_EQ(rd(&r, LAPIC_ISR + 0x20), 2);
	EXPECT_TRUE(lapic_in_flight(&r.a, 0x41));
	EXPECT_EQ(rd(&r, LAPIC_PPR), 0x40);
	EXPECT_EQ(lapic_pending(&r.a), -1);

	/* One more of the same vector waits in IRR while the first is served. */
	EXPECT_EQ(lapic_post(&r.a, 0x41, false), LAPIC_POSTED);
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(wr(&r, LAPIC_EOI, 0), LAPIC_FX_EOI | LAPIC_FX_EVENT);
	EXPECT_EQ(r.fx.eoi_vector, 0x41);
	EXPECT_EQ(lapic_ack(&r.a), 0x41);
	EXPECT_EQ(wr(&r, LAPIC_EOI, 0), LAPIC_FX_EOI);
	EXPECT_FALSE(lapic_in_flight(&r.a, 0x41));
	EXPECT_EQ(rd(&r, LAPIC_PPR), 0);
}

TEST(eoi_without_service)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(wr(&r, LAPIC_EOI, 0), 0);
	lapic_post(&r.a, 0x30, false);
	EXPECT_EQ(wr(&r, LAPIC_EOI, 0), 0);
	EXPECT_EQ(lapic_ack(&r.a), 0x30);
}

TEST(higher_class_nests)
{
	struct rig r;

	rig_xapic(&r);
	lapic_post(&r.a, 0x45, false);
	lapic_ack(&r.a);
	lapic_post(&r.a, 0x4f, false);		/* same class: waits */
	EXPECT_EQ(lapic_pending(&r.a), -1);
	lapic_post(&r.a, 0x50, false);		/* higher class: nests */
	EXPECT_EQ(lapic_ack(&r.a), 0x50);
	EXPECT_EQ(rd(&r, LAPIC_PPR), 0x50);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_EQ(r.fx.eoi_vector, 0x50);
	EXPECT_EQ(rd(&r, LAPIC_PPR), 0x40);
	EXPECT_EQ(lapic_pending(&r.a), -1);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_EQ(r.fx.eoi_vector, 0x45);
	EXPECT_EQ(lapic_ack(&r.a), 0x4f);
}

TEST(ppr_is_the_greater_class)
{
	struct rig r;
	u32 tpr;

	rig_xapic(&r);
	lapic_post(&r.a, 0x63, false);
	lapic_ack(&r.a);
	for (tpr = 0; tpr <= 0xff; tpr++) {
		wr(&r, LAPIC_TPR, tpr);
		EXPECT_EQ(rd(&r, LAPIC_PPR), tpr >= 0x60 ? tpr : 0x60);
	}
}

TEST(tpr_masks_its_class)
{
	struct rig r;

	rig_xapic(&r);
	wr(&r, LAPIC_TPR, 0x50);
	lapic_post(&r.a, 0x5f, false);
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(lapic_tpr_masked(&r.a), 0x5f);
	EXPECT_EQ(wr(&r, LAPIC_TPR, 0x5f), LAPIC_FX_EVENT);	/* CR8 follows */
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(wr(&r, LAPIC_TPR, 0x4f), LAPIC_FX_EVENT);
	EXPECT_EQ(lapic_tpr_masked(&r.a), -1);
	EXPECT_EQ(lapic_ack(&r.a), 0x5f);

	/* Held back by what is in service, not by TPR alone. */
	wr(&r, LAPIC_TPR, 0x50);
	lapic_post(&r.a, 0x5e, false);
	EXPECT_EQ(lapic_tpr_masked(&r.a), -1);
	/* From the EOI on the TPR alone holds it, whose changes must be seen. */
	EXPECT_EQ(wr(&r, LAPIC_EOI, 0), LAPIC_FX_EOI | LAPIC_FX_EVENT);
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(lapic_tpr_masked(&r.a), 0x5e);
}

TEST(disabled_refuses_but_holds)
{
	struct rig r;

	rig_init(&r, 0, &rig_plain);
	EXPECT_EQ(lapic_post(&r.a, 0x41, false), LAPIC_REFUSED);
	EXPECT_EQ(lapic_post(&r.a, 0x05, false), LAPIC_REFUSED);
	EXPECT_EQ(esr(&r), 0);
	wr(&r, LAPIC_SPIV, 0x1ff);
	lapic_post(&r.a, 0x41, false);
	wr(&r, LAPIC_SPIV, 0xff);
	EXPECT_EQ(lapic_post(&r.a, 0x51, false), LAPIC_REFUSED);
	EXPECT_EQ(lapic_ack(&r.a), 0x41);	/* what was accepted stays */
	wr(&r, LAPIC_EOI, 0);
	EXPECT_EQ(r.fx.eoi_vector, 0x41);
}

TEST(trigger_mode_and_broadcast)
{
	struct rig r;

	rig_xapic(&r);
	lapic_post(&r.a, 0x41, true);
	EXPECT_EQ(rd(&r, LAPIC_TMR + 0x20), 2);
	lapic_ack(&r.a);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_TRUE(r.fx.eoi_level);
	EXPECT_TRUE(r.fx.eoi_broadcast);
	lapic_post(&r.a, 0x41, false);
	EXPECT_EQ(rd(&r, LAPIC_TMR + 0x20), 0);
	lapic_ack(&r.a);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_FALSE(r.fx.eoi_level);

	wr(&r, LAPIC_SPIV, 0x11ff);		/* suppress */
	lapic_post(&r.a, 0x41, true);
	lapic_ack(&r.a);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_TRUE(r.fx.eoi_level);
	EXPECT_FALSE(r.fx.eoi_broadcast);
}

TEST(suppression_needs_the_feature)
{
	struct rig r;

	rig_init(&r, 0, &rig_plain);
	wr(&r, LAPIC_SPIV, 0x11ff);
	lapic_post(&r.a, 0x41, true);
	lapic_ack(&r.a);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_TRUE(r.fx.eoi_broadcast);
}

TEST(lvt_sources)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(lapic_lvt_post(&r.a, LAPIC_LVTT), LAPIC_REFUSED);	/* masked */
	wr(&r, LAPIC_LVTT, 0xec);
	EXPECT_EQ(lapic_lvt_post(&r.a, LAPIC_LVTT), LAPIC_POSTED);
	EXPECT_EQ(lapic_ack(&r.a), 0xec);
	wr(&r, LAPIC_LVTT, 0x0c);
	EXPECT_EQ(lapic_lvt_post(&r.a, LAPIC_LVTT), LAPIC_REFUSED);
	EXPECT_EQ(esr(&r), 0x40);
}

TEST(illegal_vector_received)
{
	struct rig r;
	unsigned int v;

	for (v = 0; v < 18; v++) {
		rig_xapic(&r);
		EXPECT_EQ(lapic_post(&r.a, v, false), v < 16 ? LAPIC_REFUSED : LAPIC_POSTED);
		EXPECT_EQ(rd(&r, LAPIC_ESR), 0);	/* not before a write latches */
		EXPECT_EQ(esr(&r), v < 16 ? 0x40 : 0);
		EXPECT_EQ(esr(&r), 0);			/* a write clears */
	}
}

TEST(illegal_vector_sent)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_EQ(wr(&r, LAPIC_ICR, 0x400f), LAPIC_FX_IPI);
	EXPECT_EQ(esr(&r), 0x20);
	wr(&r, LAPIC_ICR, 0x4010);
	EXPECT_EQ(esr(&r), 0);
	wr(&r, LAPIC_ICR, 0x4500);	/* INIT has no vector */
	wr(&r, LAPIC_ICR, 0x4608);	/* SIPI's is a page */
	wr(&r, LAPIC_ICR, 0x4402);	/* NMI's is ignored */
	EXPECT_EQ(esr(&r), 0);
	rig_x2apic(&r, 0);
	wrmsr_fx(&r, LAPIC_SELF_IPI, 3);
	EXPECT_EQ(wrmsr_fx(&r, LAPIC_ESR, 0), 0);
	EXPECT_EQ(rd(&r, LAPIC_ESR), 0x20);
}

TEST(error_interrupt_once_until_rearmed)
{
	struct rig r;

	rig_xapic(&r);
	wr(&r, LAPIC_LVTERR, 0xfe);
	EXPECT_TRUE(lapic_error(&r.a, LAPIC_ESR_ILLEGAL_REG));
	EXPECT_EQ(lapic_ack(&r.a), 0xfe);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_FALSE(lapic_error(&r.a, LAPIC_ESR_RECV_ILLEGAL));
	EXPECT_EQ(lapic_pending(&r.a), -1);
	EXPECT_EQ(esr(&r), 0xc0);
	EXPECT_EQ(lapic_post(&r.a, 1, false), LAPIC_ERROR);
	EXPECT_EQ(lapic_ack(&r.a), 0xfe);
	EXPECT_EQ(wr(&r, LAPIC_ICR, 1), LAPIC_FX_IPI);	/* not armed */
	esr(&r);
	wr(&r, LAPIC_EOI, 0);
	EXPECT_EQ(wr(&r, LAPIC_ICR, 1), LAPIC_FX_IPI | LAPIC_FX_EVENT);
	EXPECT_EQ(lapic_ack(&r.a), 0xfe);
}

TEST(error_interrupt_masked_or_illegal)
{
	struct rig r;

	rig_xapic(&r);
	EXPECT_FALSE(lapic_error(&r.a, LAPIC_ESR_ILLEGAL_REG));
	EXPECT_EQ(esr(&r), 0x80);
	wr(&r, LAPIC_LVTERR, 0x0e);	/* a vector that is an error itself */
	EXPECT_FALSE(lapic_error(&r.a, LAPIC_ESR_ILLEGAL_REG));
	EXPECT_EQ(esr(&r), 0xc0);
	EXPECT_EQ(lapic_pending(&r.a), -1);
}

/* ---- against a model ---- */

static u64 rnd_state;

static u32 rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state >> 24;
}

static u64 seed(void)
{
	const char *s = getenv("SEED");

	rnd_state = s ? strtoull(s, NULL, 0) : (u64)time(NULL) * 2654435761u + 1;
	tap_note("SEED=%llu", (unsigned long long)rnd_state);
	return rnd_state;
}

struct model {
	bool irr[256], isr[256], tmr[256];
	bool enabled;
	int tpr;
};

static int m_top(const bool *set)
{
	int v;

	for (v = 255; v >= 0 && !set[v]; v--)
		;
	return v;
}

static int m_ppr(const struct model *m)
{
	int isr = m_top(m->isr);

	if (isr / 16 > m->tpr / 16)
		return isr / 16 * 16;
	return m->tpr;
}

static int m_pending(const struct model *m)
{
	int v = m_top(m->irr);

	return v >= 0 && v / 16 > m_ppr(m) / 16 ? v : -1;
}

/* What the TPR alone holds back */
static int m_held(const struct model *m)
{
	int v = m_top(m->irr), isr = m_top(m->isr);

	return v >= 0 && v / 16 <= m->tpr / 16 && (isr < 0 || v / 16 > isr / 16) ? v : -1;
}

static int m_post(struct model *m, int v, bool level)
{
	int r;

	if (!m->enabled || v < 16)
		return LAPIC_REFUSED;
	r = m->irr[v] ? LAPIC_COALESCED : LAPIC_POSTED;
	m->irr[v] = true;
	m->tmr[v] = level;
	return r;
}

static int m_ack(struct model *m)
{
	int v = m_pending(m);

	if (v >= 0) {
		m->irr[v] = false;
		m->isr[v] = true;
	}
	return v;
}

static bool m_reg(struct rig *r, unsigned int reg, const bool *set)
{
	int v;

	for (v = 0; v < 256; v++)
		if (!!(rd(r, reg + v / 32 * 16) & 1U << v % 32) != set[v])
			return false;
	return true;
}

static void model_step(struct rig *r, struct model *m)
{
	u32 x = rnd(), v = x >> 8 & 0xff;
	bool level = x >> 16 & 1;
	int top;

	switch (x % 8) {
	case 0:
	case 1:
	case 2:
		EXPECT_EQ(lapic_post(&r->a, v, level), m_post(m, v, level));
		break;
	case 3:
	case 4:
		EXPECT_EQ(lapic_ack(&r->a), m_ack(m));
		break;
	case 5:
		top = m_top(m->isr);
		EXPECT_EQ(!!(wr(r, LAPIC_EOI, x) & LAPIC_FX_EOI), top >= 0);
		if (top < 0)
			break;
		EXPECT_EQ(r->fx.eoi_vector, top);
		EXPECT_EQ(r->fx.eoi_level, m->tmr[top]);
		m->isr[top] = false;
		EXPECT_EQ(!!(r->fx.what & LAPIC_FX_EVENT), m_pending(m) >= 0 || m_held(m) >= 0);
		break;
	case 6:
		m->tpr = v & (x >> 17 & 1 ? 0xff : 0x3f);
		EXPECT_EQ(wr(r, LAPIC_TPR, m->tpr), LAPIC_FX_EVENT);
		break;
	default:
		if (x >> 17 & 7)
			break;
		m->enabled = x >> 20 & 3;
		wr(r, LAPIC_SPIV, m->enabled ? 0x1ff : 0xff);
	}
}

TEST(random_against_model)
{
	struct model m = { .enabled = true };
	struct rig r;
	int i;

	seed();
	rig_xapic(&r);
	for (i = 0; i < 200000 && !tap_failures; i++) {
		model_step(&r, &m);
		EXPECT_EQ(lapic_pending(&r.a), m_pending(&m));
		EXPECT_EQ(lapic_tpr_masked(&r.a), m_held(&m));
		EXPECT_EQ(rd(&r, LAPIC_PPR), m_ppr(&m));
		if (i % 64)
			continue;
		EXPECT_TRUE(m_reg(&r, LAPIC_IRR, m.irr));
		EXPECT_TRUE(m_reg(&r, LAPIC_ISR, m.isr));
		EXPECT_TRUE(m_reg(&r, LAPIC_TMR, m.tmr));
	}
}

/* ---- senders on other CPUs ---- */

#define SENDERS		3
#define SENDS		30000
#define PATIENCE	30	/* seconds */

struct sender {
	pthread_t thread;
	struct lapic *a;
	u32 x;
	bool stop;
};

/* Send until it is accepted anew: so a vector that stays unseen in IRR stops us for good. */
static void *sender(void *arg)
{
	struct sender *s = arg;
	int i;

	for (i = 0; i < SENDS; i++) {
		s->x = s->x * 1664525 + 1013904223;
		while (lapic_post(s->a, 16 + (s->x >> 16) % 240, s->x >> 31) != LAPIC_POSTED &&
		       !READ_ONCE(s->stop))
			sched_yield();
	}
	return NULL;
}

/* Each vector that went into IRR comes out once, and none is left behind unseen. */
TEST(concurrent_senders_lose_nothing)
{
	time_t end = time(NULL) + PATIENCE;
	struct sender s[SENDERS];
	unsigned long taken = 0;
	struct rig r;
	int i;

	rig_xapic(&r);
	for (i = 0; i < SENDERS; i++) {
		s[i] = (struct sender){ .a = &r.a, .x = i * 77 + 1 };
		ASSERT_EQ(pthread_create(&s[i].thread, NULL, sender, &s[i]), 0);
	}
	while (taken < SENDERS * SENDS && time(NULL) < end) {
		if (lapic_ack(&r.a) < 0) {
			sched_yield();
			continue;
		}
		taken++;
		wr(&r, LAPIC_EOI, 0);
	}
	for (i = 0; i < SENDERS; i++)
		WRITE_ONCE(s[i].stop, true);
	for (i = 0; i < SENDERS; i++)
		pthread_join(s[i].thread, NULL);
	EXPECT_EQ(taken, SENDERS * SENDS);
	EXPECT_EQ(lapic_ack(&r.a), -1);
	for (i = LAPIC_IRR; i < LAPIC_ESR; i += 16)
		EXPECT_EQ(rd(&r, i), 0);
}

/*
 * One vector is acknowledged while the next arrives, and then nothing more comes: if
 * the second is not noticed, it stays so.
 */
#define PAIRS		100000

struct pairs {
	pthread_t thread;
	struct lapic *a;
	unsigned long taken;	/* by the receiver */
	bool stop;
};

static void pairs_wait(struct pairs *p, unsigned long taken)
{
	unsigned int spins = 0;

	while (READ_ONCE(p->taken) < taken && !READ_ONCE(p->stop))
		if (++spins % 4096 == 0)
			sched_yield();
}

static void *pairs_send(void *arg)
{
	struct pairs *p = arg;
	unsigned long i, delay;

	for (i = 0; i < PAIRS && !READ_ONCE(p->stop); i++) {
		lapic_post(p->a, 0x50, false);
		for (delay = i % 200; delay; delay--)
			barrier();
		lapic_post(p->a, 0x60, false);
		pairs_wait(p, 2 * i + 2);
	}
	return NULL;
}

TEST(arrival_during_acknowledge)
{
	time_t end = time(NULL) + PATIENCE;
	unsigned int spins = 0;
	struct pairs p = { };
	struct rig r;

	rig_xapic(&r);
	p.a = &r.a;
	ASSERT_EQ(pthread_create(&p.thread, NULL, pairs_send, &p), 0);
	while (p.taken < 2 * PAIRS) {
		if (lapic_ack(&r.a) >= 0) {
			wr(&r, LAPIC_EOI, 0);
			WRITE_ONCE(p.taken, p.taken + 1);
			spins = 0;
		} else if (++spins % 4096 == 0) {
			sched_yield();
			if (time(NULL) >= end)
				break;
		}
	}
	WRITE_ONCE(p.stop, true);
	pthread_join(p.thread, NULL);
	EXPECT_EQ(p.taken, 2 * PAIRS);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * virtq_test.c - split queues: what a driver may do, and what it may not
 */
#include <pthread.h>
#include "rig.h"
#include "tap.h"

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define INDIR	VRING_DESC_F_INDIRECT

/* The one chain offered is refused, and the queue with all that follows. */
static void expect_refused(void)
{
	rig_offer(0);
	EXPECT_FALSE(vq_pop(&rig_q, &rig_c));
	EXPECT_TRUE(rig_q.broken);
	rig_put(1, DATA, 1, 0, 0);
	rig_offer(1);
	EXPECT_FALSE(vq_pop(&rig_q, &rig_c));
	EXPECT_FALSE(vq_more(&rig_q));
}

TEST(chain_is_read_written_and_used)
{
	char buf[16] = "";

	rig_setup();
	memcpy(vm.mem + DATA, "abcdef", 6);
	rig_put(3, DATA, 2, NEXT, 5);
	rig_put(5, DATA + 2, 4, NEXT, 0);
	rig_put(0, DATA + 0x100, 3, WRITE | NEXT, 1);
	rig_put(1, DATA + 0x200, 5, WRITE, 0);
	EXPECT_FALSE(vq_pop(&rig_q, &rig_c));
	rig_offer(3);
	ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
	EXPECT_EQ(rig_c.head, 3);
	EXPECT_EQ(rig_c.out, 2);
	EXPECT_EQ(rig_c.in, 2);
	EXPECT_EQ(rig_c.out_len, 6);
	EXPECT_EQ(rig_c.in_len, 8);
	EXPECT_EQ(vq_read(&rig_c, 1, buf, sizeof(buf)), 5);
	EXPECT_STREQ(buf, "bcdef");
	EXPECT_EQ(vq_write(&rig_c, 2, "12345678", 8), 6);
	EXPECT_MEMEQ(vm.mem + DATA + 0x100, "\0\0001", 3);
	EXPECT_MEMEQ(vm.mem + DATA + 0x200, "23456\0", 6);
	vq_push(&rig_q, rig_c.head, 8);
	EXPECT_EQ(rig_used()->idx, 1);
	EXPECT_EQ(rig_used()->ring[0].id, 3);
	EXPECT_EQ(rig_used()->ring[0].len, 8);
	EXPECT_FALSE(vq_more(&rig_q));
	EXPECT_FALSE(vq_pop(&rig_q, &rig_c));
}

TEST(an_unpopped_chain_comes_again)
{
	rig_setup();
	rig_put(2, DATA, 2, 0, 0);
	rig_offer(2);
	ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
	vq_unpop(&rig_q);
	EXPECT_TRUE(vq_more(&rig_q));
	ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
	EXPECT_EQ(rig_c.head, 2);
}

TEST(rings_that_cannot_be)
{
	static const struct { uint32_t num; uint64_t desc, avail, used; } bad[] = {
		{ 0, DESC, AVAIL, USED }, { 3, DESC, AVAIL, USED },
		{ 2 * VQ_SIZE, DESC, AVAIL, USED }, { 0x80000000, DESC, AVAIL, USED },
		{ NUM, DESC + 8, AVAIL, USED }, { NUM, DESC, AVAIL + 1, USED },
		{ NUM, DESC, AVAIL, USED + 2 }, { NUM, RAM - 16 * NUM + 16, AVAIL, USED },
		{ NUM, DESC, RAM - 2 * NUM - 4, USED }, { NUM, DESC, AVAIL, RAM - 8 * NUM - 4 },
		{ NUM, -16ull, AVAIL, USED }, { NUM, DESC, -2ull, USED },
		{ NUM, DESC, AVAIL, -4ull }, { NUM, KEELVM_GAP_START, AVAIL, USED },
		{ NUM, KEELVM_GAP_END, AVAIL, USED },
	};
	unsigned int i;

	rig_setup();
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		vq_reset(&rig_q);
		rig_q.r.num = bad[i].num;
		rig_q.r.gpa[0] = bad[i].desc;
		rig_q.r.gpa[1] = bad[i].avail;
		rig_q.r.gpa[2] = bad[i].used;
		EXPECT_FALSE(vq_start(&rig_q));
		EXPECT_TRUE(rig_q.broken);
		EXPECT_FALSE(rig_q.ready);
		EXPECT_FALSE(vq_pop(&rig_q, &rig_c));
	}
	/* and the last place that is right */
	vq_reset(&rig_q);
	rig_q = (struct vq){ .r.num = NUM,
		.r.gpa = { RAM - 16 * NUM, AVAIL, USED } };
	EXPECT_TRUE(vq_start(&rig_q));
}

TEST(a_descriptor_outside_of_memory)
{
	static const struct { uint64_t addr; uint32_t len; } bad[] = {
		{ RAM, 1 }, { RAM - 1, 2 }, { 0, RAM + 1 }, { DATA, 0xffffffff },
		{ 0xffffffff, 0xffffffff }, { -1ull, 1 }, { -1ull, 2 }, { -16ull, 0xffffffff },
		{ KEELVM_GAP_START, 1 }, { KEELVM_GAP_END - 1, 2 }, { KEELVM_GAP_END, 1 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		rig_setup();
		rig_put(0, bad[i].addr, bad[i].len, i & 1 ? WRITE : 0, 0);
		expect_refused();
	}
}

TEST(a_chain_that_is_too_long_in_bytes)
{
	unsigned int i;

	/* No sum of lengths may pass the limit, whatever RAM there is. */
	rig_setup();
	for (i = 0; i < NUM - 1; i++)
		rig_put(i, 0, RAM, NEXT, i + 1);
	rig_put(NUM - 1, 0, RAM, 0, 0);
	rig_offer(0);
	ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
	EXPECT_EQ(rig_c.out_len, NUM * RAM);
	rig_setup();
	rig_q.r.num = VQ_SIZE;
	rig_q.r.gpa[2] = 0x8000;
	ASSERT_TRUE(vq_start(&rig_q));
	for (i = 0; i < 65; i++)
		rig_put(i, 0, RAM, NEXT, i + 1);
	rig_put(i, 0, RAM, 0, 0);
	expect_refused();
}

TEST(chains_that_loop)
{
	rig_setup();
	rig_put(0, DATA, 1, NEXT, 0);
	expect_refused();
	rig_setup();
	rig_put(0, DATA, 1, NEXT, 4);
	rig_put(4, DATA, 1, NEXT, 0);
	expect_refused();
	rig_setup();		/* of nothing */
	rig_put(0, DATA, 0, WRITE | NEXT, 0);
	expect_refused();
	rig_setup();		/* in a table, which leads back to itself */
	rig_put(0, TABLE, 32, INDIR, 0);
	rig_put_table(0, DATA, 1, NEXT, 1);
	rig_put_table(1, DATA, 1, NEXT, 0);
	expect_refused();
}

TEST(indices_out_of_range)
{
	rig_setup();
	rig_put(0, DATA, 1, NEXT, NUM);
	expect_refused();
	rig_setup();
	rig_offer(NUM);
	expect_refused();
	rig_setup();
	rig_offer(0xffff);
	expect_refused();
	rig_setup();		/* more available than there are */
	rig_put(0, DATA, 1, 0, 0);
	rig_avail()->idx = NUM;
	expect_refused();
	rig_setup();
	rig_put(0, TABLE, 32, INDIR, 0);
	rig_put_table(0, DATA, 1, NEXT, 2);
	expect_refused();
}

TEST(readable_after_writable)
{
	rig_setup();
	rig_put(0, DATA, 1, WRITE | NEXT, 1);
	rig_put(1, DATA, 1, 0, 0);
	expect_refused();
}

TEST(indirect_tables)
{
	static const struct { uint64_t addr; uint32_t len; uint16_t flags; } bad[] = {
		{ TABLE, 0, INDIR }, { TABLE, 17, INDIR }, { TABLE, 16 * (NUM + 1), INDIR },
		{ TABLE, 32, INDIR | NEXT }, { RAM - 16, 32, INDIR }, { -16ull, 16, INDIR },
		{ TABLE, 0xfffffff0, INDIR },
	};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		rig_setup();
		rig_put_table(0, DATA, 1, 0, 0);
		rig_put(0, bad[i].addr, bad[i].len, bad[i].flags, 1);
		expect_refused();
	}
	rig_setup();		/* one in another */
	rig_put(0, TABLE, 32, INDIR, 0);
	rig_put_table(0, TABLE, 32, INDIR, 0);
	expect_refused();
	rig_setup();		/* none was agreed on */
	rig_q.r.indirect = false;
	rig_put(0, TABLE, 32, INDIR, 0);
	rig_put_table(0, DATA, 1, 0, 0);
	expect_refused();
	rig_setup();		/* the right use */
	rig_put(0, TABLE, 16 * NUM, INDIR, 0);
	for (i = 0; i < NUM; i++)
		rig_put_table(i, DATA, 1, WRITE | (i < NUM - 1 ? NEXT : 0), i + 1);
	rig_offer(0);
	ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
	EXPECT_EQ(rig_c.in, NUM);
	EXPECT_EQ(rig_c.in_len, NUM);
}

TEST(interrupts_by_flag)
{
	rig_setup();
	EXPECT_FALSE(vq_wants_irq(&rig_q));
	vq_push(&rig_q, 0, 0);
	EXPECT_TRUE(vq_wants_irq(&rig_q));
	EXPECT_FALSE(vq_wants_irq(&rig_q));
	rig_avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vq_push(&rig_q, 0, 0);
	EXPECT_FALSE(vq_wants_irq(&rig_q));
}

TEST(interrupts_and_kicks_by_event_index)
{
	unsigned int i;

	rig_setup();
	rig_q.r.event_idx = true;
	rig_avail()->ring[NUM] = 2;	/* at the third */
	for (i = 0; i < 5; i++) {
		vq_push(&rig_q, 0, 0);
		EXPECT_EQ(vq_wants_irq(&rig_q), i == 2);
	}
	rig_put(0, DATA, 1, 0, 0);
	rig_offer(0);
	EXPECT_TRUE(vq_more(&rig_q));
	ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
	EXPECT_FALSE(vq_more(&rig_q));
	EXPECT_EQ(*(uint16_t *)&rig_used()->ring[NUM], 1);
}

TEST(indices_wrap)
{
	unsigned int i;

	rig_setup();
	rig_put(0, DATA, 1, 0, 0);
	for (i = 0; i < 0x10010; i++) {
		rig_offer(0);
		ASSERT_TRUE(vq_pop(&rig_q, &rig_c));
		vq_push(&rig_q, rig_c.head, 0);
		ASSERT_TRUE(vq_wants_irq(&rig_q));
	}
	EXPECT_EQ(rig_used()->idx, 0x10);
	EXPECT_FALSE(vq_pop(&rig_q, &rig_c));
}

/* All of it lies in RAM, and the sums are right. */
static int chain_is_sound(const struct vq_chain *c)
{
	uint64_t out = 0, in = 0;
	unsigned int i;

	if (c->out + c->in > NUM)
		return 0;
	for (i = 0; i < c->out + c->in; i++) {
		uint64_t at = (uint8_t *)c->iov[i].iov_base - vm.mem;

		*(i < c->out ? &out : &in) += c->iov[i].iov_len;
		if (at > RAM || c->iov[i].iov_len > RAM - at)
			return 0;
	}
	return out == c->out_len && in == c->in_len && out + in <= VQ_CHAIN_MAX;
}

static uint64_t random_address(void)
{
	static const uint64_t at[] = {
		0, DESC, AVAIL, USED, TABLE, DATA, RAM, KEELVM_GAP_START, KEELVM_GAP_END, 0,
	};

	return at[rig_random() % 10] + rig_random() % 8 - 4 * (rig_random() % 2);
}

static void random_ring(void)
{
	static const uint32_t length[] = { 0, 1, 16, 32, 256, RAM, 0x80000000, 0xffffffff };
	unsigned int i;

	for (i = 0; i < NUM; i++) {
		uint16_t flags = rig_random() & rig_random() & 7, next = rig_random() % (NUM + 1);
		uint32_t len = length[rig_random() % (rig_random() % 2 ? 8 : 5)];

		rig_put(i, random_address(), len, flags, next);
		rig_put_table(i, random_address(), len, rig_random() & 7, rig_random() % NUM);
	}
}

TEST(any_ring_at_all)
{
	unsigned int i, j, popped = 0, broken = 0;

	rig_seed();
	for (i = 0; i < 20000; i++) {
		rig_setup();
		rig_q.r.event_idx = i & 1;
		random_ring();
		for (j = 0; j < NUM; j++)
			rig_avail()->ring[j] = rig_random() % (NUM + !(rig_random() % 16));
		rig_avail()->idx = rig_random() % (NUM + 2);
		for (j = 0; vq_pop(&rig_q, &rig_c); j++) {
			ASSERT_TRUE(chain_is_sound(&rig_c));
			vq_push(&rig_q, rig_c.head, 0);
			vq_wants_irq(&rig_q);
		}
		ASSERT_TRUE(j <= NUM);
		popped += j;
		broken += rig_q.broken;
	}
	tap_note("%u chains, %u queues broken", popped, broken);
	EXPECT_GT(popped, 5000);
	EXPECT_GT(broken, 5000);
}

static volatile int scribbling;

static void *scribble(void *arg)
{
	volatile uint32_t *word = (volatile uint32_t *)(vm.mem + DESC);
	unsigned int i, bits = 12345;

	/* Each length now small, now huge; each next here and there; in no order */
	while (scribbling) {
		for (i = 0; i < NUM; i++) {
			bits = bits * 1103515245 + 12345;
			word[4 * i + 2] = bits & 0x10000 ? 0xffffffff : 8;
			word[4 * i + 3] = NEXT | (bits >> 20 & 15) << 16;
			word[4 * i + 3] = bits >> 18 & 2;
		}
	}
	return NULL;
}

TEST(a_ring_that_changes_while_it_is_read)
{
	unsigned int i, popped = 0;
	pthread_t thread;

	rig_setup();
	for (i = 0; i < NUM; i++)
		rig_put(i, DATA, 8, 0, 0);
	scribbling = 1;
	ASSERT_EQ(pthread_create(&thread, NULL, scribble, NULL), 0);
	for (i = 0; i < 200000; i++) {
		rig_q.broken = false;
		rig_q.r.last_avail = rig_avail()->idx;
		rig_offer(i % NUM);
		if (!vq_pop(&rig_q, &rig_c))
			continue;
		popped++;
		if (!chain_is_sound(&rig_c))
			break;
	}
	scribbling = 0;
	pthread_join(thread, NULL);
	EXPECT_EQ(i, 200000);
	EXPECT_GT(popped, 0);
}

TEST(segments_are_cut)
{
	unsigned int skip, len, n, i, all;

	for (skip = 0; skip < 14; skip++) {
		for (len = 0; len < 14; len++) {
			uint8_t data[12] = { 0 }, a[12], b[12];
			struct iovec iov[4] = { { data, 3 }, { data + 3, 0 }, { data + 3, 4 },
				{ data + 7, 5 } }, *v = iov;

			for (i = 0; i < 12; i++)
				data[i] = i + 1;
			all = skip > 12 ? 0 : 12 - skip;
			n = iov_copy(a, iov, 4, skip, len > 12 ? 12 : len, false);
			EXPECT_EQ(n, all < len ? all : len);
			EXPECT_MEMEQ(a, data + (skip > 12 ? 12 : skip), n);
			i = iov_cut(&v, 4, skip, len);
			EXPECT_EQ(iov_copy(b, v, i, 0, sizeof(b), false), n);
			EXPECT_MEMEQ(a, b, n);
		}
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * request.c - the request word, kicks, and sleep in HLT
 */
#include "rig.h"

static void taken_once(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[0];

	WRITE_ONCE(vcpu->requests, 0);
	KUNIT_EXPECT_FALSE(test, keel_vcpu_take_request(vcpu, KEEL_REQ_TLB_FLUSH));
	keel_vcpu_request(vcpu, KEEL_REQ_TLB_FLUSH);
	keel_vcpu_request(vcpu, KEEL_REQ_TLB_FLUSH);
	keel_vcpu_request(vcpu, KEEL_REQ_OUT);
	KUNIT_EXPECT_TRUE(test, keel_vcpu_take_request(vcpu, KEEL_REQ_TLB_FLUSH));
	KUNIT_EXPECT_FALSE(test, keel_vcpu_take_request(vcpu, KEEL_REQ_TLB_FLUSH));
	KUNIT_EXPECT_TRUE(test, keel_vcpu_requested(vcpu, KEEL_REQ_OUT));
	KUNIT_EXPECT_TRUE(test, keel_vcpu_take_request(vcpu, KEEL_REQ_OUT));
	KUNIT_EXPECT_EQ(test, vcpu->requests, 0);
}

static void all_are_asked(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	unsigned int i;

	for (i = 0; i < RIG_VCPUS; i++)
		WRITE_ONCE(rig->vcpu[i]->requests, 0);
	keel_request_all(rig->vm, KEEL_REQ_TLB_FLUSH);
	for (i = 0; i < RIG_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, rig->vcpu[i]->requests, BIT(KEEL_REQ_TLB_FLUSH));
}

/* ---- letters: what a request is about ---- */

struct letterbox {
	struct keel_vcpu *vcpu;
	unsigned int req;
	unsigned long written, read, wrong;
};

#define LETTERS	300UL

static void write_letter(void *arg)
{
	struct letterbox *box = arg;

	WRITE_ONCE(box->written, box->written + 1);
	keel_vcpu_request(box->vcpu, box->req);
}

static void write_when_read(void *arg)
{
	struct letterbox *box = arg;

	if (READ_ONCE(box->read) == box->written)
		write_letter(box);
}

/* The next letter is written when the last was read: each request brings one, and one only. */
static void read_letter(struct letterbox *box)
{
	if (!keel_vcpu_take_request(box->vcpu, box->req))
		return;
	box->wrong += READ_ONCE(box->written) != box->read + 1;
	WRITE_ONCE(box->read, READ_ONCE(box->written));
}

static bool letters_read(struct letterbox *box)
{
	read_letter(&box[0]);
	read_letter(&box[1]);
	return box[0].read >= LETTERS && box[1].read >= LETTERS;
}

static void a_letter_for_each(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[0];
	struct letterbox box[2] = {
		{ .vcpu = vcpu, .req = KEEL_REQ_TLB_FLUSH }, { .vcpu = vcpu, .req = KEEL_REQ_OUT },
	};
	struct rig_thread writer[2] = {
		{ .fn = write_when_read, .arg = &box[0] },
		{ .fn = write_when_read, .arg = &box[1] },
	};
	unsigned int i;

	WRITE_ONCE(vcpu->requests, 0);
	for (i = 0; i < 2; i++)
		rig_thread_start(test, &writer[i]);
	KUNIT_EXPECT_TRUE(test, rig_soon(letters_read(box)));
	for (i = 0; i < 2; i++) {
		rig_thread_stop(&writer[i]);
		KUNIT_EXPECT_EQ(test, box[i].wrong, 0UL);
	}
}

/* Writers that wait for nobody: the last letter of each is read all the same. */
static void no_request_is_lost(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[0];
	struct letterbox box[2] = {
		{ .vcpu = vcpu, .req = KEEL_REQ_TLB_FLUSH }, { .vcpu = vcpu, .req = KEEL_REQ_OUT },
	};
	struct rig_thread writer[2] = {
		{ .fn = write_letter, .arg = &box[0] }, { .fn = write_letter, .arg = &box[1] },
	};
	unsigned int i, round;

	for (round = 0; round < 30; round++) {
		WRITE_ONCE(vcpu->requests, 0);
		for (i = 0; i < 2; i++)
			rig_thread_start(test, &writer[i]);
		KUNIT_EXPECT_TRUE(test, rig_soon(letters_read(box)));
		for (i = 0; i < 2; i++) {
			rig_thread_stop(&writer[i]);
			read_letter(&box[i]);
			KUNIT_EXPECT_EQ(test, box[i].read, box[i].written);
			box[i].read = 0;
			box[i].written = 0;
		}
	}
}

/* ---- sleep in HLT ---- */

struct sleeper {
	struct rig_thread thread;
	struct keel_vcpu *vcpu;
	unsigned long woken;
};

static void sleep_once(void *arg)
{
	struct sleeper *s = arg;

	rig_load(s->vcpu);
	keel_vcpu_block(s->vcpu);
	clear_bit(KEEL_REQ_UNBLOCK, &s->vcpu->requests);
	clear_bit(KEEL_REQ_OUT, &s->vcpu->requests);
	rig_put(s->vcpu);
	WRITE_ONCE(s->woken, s->woken + 1);
}

/* An application processor waits for a SIPI: nothing but its request word wakes it. */
static void sleeper_start(struct kunit *test, struct sleeper *s)
{
	s->vcpu = rig_of(test)->vcpu[1];
	s->thread.fn = sleep_once;
	s->thread.arg = s;
	WRITE_ONCE(s->vcpu->requests, 0);
	rig_thread_start(test, &s->thread);
}

/* To stop a thread wakes it, too: it ends although a kick may not. */
static void sleeper_stop(struct sleeper *s)
{
	set_bit(KEEL_REQ_DEAD, &s->vcpu->requests);
	rig_thread_stop(&s->thread);
	clear_bit(KEEL_REQ_DEAD, &s->vcpu->requests);
}

static bool sleeps(const struct sleeper *s)
{
	return READ_ONCE(s->vcpu->stat.blocking) && rig_thread_sleeps(&s->thread);
}

/* One kick, once. */
static void kick(struct sleeper *s, unsigned int req)
{
	keel_vcpu_request(s->vcpu, req);
	keel_vcpu_kick(s->vcpu);
}

#define KICKS	100UL

static void kick_ends_sleep(struct kunit *test)
{
	struct sleeper s = { };
	unsigned long i;

	sleeper_start(test, &s);
	for (i = 0; i < KICKS; i++) {
		if (!rig_soon(sleeps(&s)) || READ_ONCE(s.woken) != i)
			break;
		kick(&s, i & 1 ? KEEL_REQ_OUT : KEEL_REQ_UNBLOCK);
		if (!rig_soon(READ_ONCE(s.woken) == i + 1))
			break;
	}
	KUNIT_EXPECT_EQ(test, i, KICKS);
	/* It sleeps still, as nobody kicked it. */
	KUNIT_EXPECT_TRUE(test, rig_soon(sleeps(&s)));
	KUNIT_EXPECT_EQ(test, READ_ONCE(s.woken), KICKS);
	sleeper_stop(&s);
}

/* Wherever it is on the way to its sleep. */
static void kick_comes_early(struct kunit *test)
{
	struct sleeper s = { };
	unsigned long i;

	sleeper_start(test, &s);
	for (i = 0; i < 50 * KICKS; i++) {
		kick(&s, KEEL_REQ_UNBLOCK);
		if (!rig_soon(READ_ONCE(s.woken) > i))
			break;
	}
	KUNIT_EXPECT_EQ(test, i, 50 * KICKS);
	sleeper_stop(&s);
}

/* What is asked of a vCPU that sleeps, and is none of its sleep's business, does not end it. */
static void other_requests_wait(struct kunit *test)
{
	struct sleeper s = { };

	sleeper_start(test, &s);
	KUNIT_EXPECT_TRUE(test, rig_soon(sleeps(&s)));
	kick(&s, KEEL_REQ_TLB_FLUSH);
	KUNIT_EXPECT_TRUE(test, rig_soon(sleeps(&s)));
	KUNIT_EXPECT_EQ(test, READ_ONCE(s.woken), 0UL);
	KUNIT_EXPECT_TRUE(test, keel_vcpu_requested(s.vcpu, KEEL_REQ_TLB_FLUSH));
	sleeper_stop(&s);
}

/* A VM that was killed takes its vCPUs out of their sleep. */
static void killed_vm_wakes(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct sleeper s = { };
	unsigned int i;

	sleeper_start(test, &s);
	KUNIT_EXPECT_TRUE(test, rig_soon(sleeps(&s)));
	keel_vm_kill(rig->vm, "a test says so");
	KUNIT_EXPECT_TRUE(test, rig_soon(READ_ONCE(s.woken) > 0));
	KUNIT_EXPECT_TRUE(test, rig->vm->dead);
	for (i = 0; i < RIG_VCPUS; i++)
		KUNIT_EXPECT_TRUE(test, keel_vcpu_requested(rig->vcpu[i], KEEL_REQ_DEAD));
	sleeper_stop(&s);
}

static struct kunit_case request_cases[] = {
	KUNIT_CASE(taken_once),
	KUNIT_CASE(all_are_asked),
	KUNIT_CASE(a_letter_for_each),
	KUNIT_CASE(no_request_is_lost),
	KUNIT_CASE(kick_ends_sleep),
	KUNIT_CASE(kick_comes_early),
	KUNIT_CASE(other_requests_wait),
	KUNIT_CASE(killed_vm_wakes),
	{ }
};

struct kunit_suite keel_request_suite = {
	.name = "keel_request",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = request_cases,
};

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

/* What a request is about is there when the request is seen. */
struct letterbox {
	struct keel_vcpu *vcpu;
	unsigned int req;
	unsigned long written, seen, stale;
};

static void write_letter(void *arg)
{
	struct letterbox *box = arg;

	WRITE_ONCE(box->written, box->written + 1);
	keel_vcpu_request(box->vcpu, box->req);
}

static void read_letters(struct letterbox *box)
{
	unsigned long now;

	if (!keel_vcpu_take_request(box->vcpu, box->req))
		return;
	now = READ_ONCE(box->written);
	box->stale += now < box->seen;
	box->seen = now;
}

static void no_request_is_lost(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[0];
	struct letterbox box[2] = {
		{ .vcpu = vcpu, .req = KEEL_REQ_TLB_FLUSH }, { .vcpu = vcpu, .req = KEEL_REQ_OUT },
	};
	struct rig_thread writer[2] = {
		{ .fn = write_letter, .arg = &box[0] }, { .fn = write_letter, .arg = &box[1] },
	};
	unsigned int i;

	WRITE_ONCE(vcpu->requests, 0);
	for (i = 0; i < 2; i++)
		rig_thread_start(test, &writer[i]);
	while (box[0].seen < 5000 || box[1].seen < 5000) {
		for (i = 0; i < 2; i++)
			read_letters(&box[i]);
		cond_resched();
	}
	for (i = 0; i < 2; i++) {
		rig_thread_stop(&writer[i]);
		read_letters(&box[i]);
		KUNIT_EXPECT_EQ(test, box[i].seen, box[i].written);
		KUNIT_EXPECT_EQ(test, box[i].stale, 0);
	}
}

/* Sleeps in HLT until what it waits for comes, again and again. */
struct sleeper {
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

static void kick_ends_sleep(struct kunit *test)
{
	struct keel_vcpu *vcpu = rig_of(test)->vcpu[1];
	struct sleeper s = { .vcpu = vcpu };
	struct rig_thread sleeper = { .fn = sleep_once, .arg = &s };
	unsigned long want, i;

	/* An application processor waits for a SIPI: nothing else wakes it. */
	WRITE_ONCE(vcpu->requests, 0);
	rig_thread_start(test, &sleeper);
	for (i = 0; i < 200; i++) {
		want = READ_ONCE(s.woken) + 1;
		while (READ_ONCE(s.woken) < want) {
			keel_vcpu_request(vcpu, i & 1 ? KEEL_REQ_OUT : KEEL_REQ_UNBLOCK);
			keel_vcpu_kick(vcpu);
			cond_resched();
		}
	}
	keel_vcpu_request(vcpu, KEEL_REQ_OUT);
	keel_vcpu_kick(vcpu);
	KUNIT_EXPECT_GE(test, s.woken, 200UL);
	/* It may have gone to sleep again before it is told to stop. */
	while (READ_ONCE(vcpu->blocked)) {
		keel_vcpu_request(vcpu, KEEL_REQ_OUT);
		keel_vcpu_kick(vcpu);
		cond_resched();
	}
	set_bit(KEEL_REQ_DEAD, &vcpu->requests);
	keel_vcpu_kick(vcpu);
	rig_thread_stop(&sleeper);
	clear_bit(KEEL_REQ_DEAD, &vcpu->requests);
}

/* A VM that was killed takes its vCPUs out of their sleep, and its ioctls say so. */
static void killed_vm_wakes(struct kunit *test)
{
	struct rig *rig = rig_of(test);

	keel_vm_kill(rig->vm, "a test says so");
	KUNIT_EXPECT_TRUE(test, rig->vm->dead);
	KUNIT_EXPECT_TRUE(test, keel_vcpu_requested(rig->vcpu[0], KEEL_REQ_DEAD));
	rig_load(rig->vcpu[2]);
	keel_vcpu_block(rig->vcpu[2]);
	rig_put(rig->vcpu[2]);
	KUNIT_EXPECT_TRUE(test, keel_vcpu_requested(rig->vcpu[2], KEEL_REQ_DEAD));
}

static struct kunit_case request_cases[] = {
	KUNIT_CASE(taken_once),
	KUNIT_CASE(all_are_asked),
	KUNIT_CASE(no_request_is_lost),
	KUNIT_CASE(kick_ends_sleep),
	KUNIT_CASE(killed_vm_wakes),
	{ }
};

struct kunit_suite keel_request_suite = {
	.name = "keel_request",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = request_cases,
};

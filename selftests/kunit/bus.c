// SPDX-License-Identifier: GPL-2.0
/*
 * bus.c - devices by address, that come and go
 */
#include <linux/slab.h>
#include "rig.h"

struct device {
	struct keel_iodev dev;
	gpa_t last;
	u64 value;
	unsigned long accesses;
	unsigned int released;
	bool refuses, gone;
	unsigned int after_end;		/* accesses after release() */
};

static int device_read(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len,
		       void *val)
{
	struct device *d = container_of(dev, struct device, dev);

	if (d->refuses)
		return -EOPNOTSUPP;
	d->after_end += READ_ONCE(d->gone);
	d->accesses++;
	d->last = addr;
	memcpy(val, &d->value, len);
	return 0;
}

static int device_write(struct keel_iodev *dev, struct keel_vcpu *vcpu, gpa_t addr, int len,
			const void *val)
{
	struct device *d = container_of(dev, struct device, dev);

	if (d->refuses)
		return -EOPNOTSUPP;
	d->accesses++;
	d->last = addr;
	d->value = 0;
	memcpy(&d->value, val, len);
	return 0;
}

static void device_release(struct keel_iodev *dev)
{
	struct device *d = container_of(dev, struct device, dev);

	WRITE_ONCE(d->gone, true);
	d->released++;
}

static const struct keel_iodev_ops device_ops = {
	.read = device_read, .write = device_write, .release = device_release,
};

static int add(struct rig *rig, struct device *d, gpa_t addr, u64 len)
{
	int r;

	d->dev.ops = &device_ops;
	mutex_lock(&rig->vm->slots_lock);
	r = keel_bus_register(rig->vm, KEEL_BUS_MMIO, addr, len, &d->dev);
	mutex_unlock(&rig->vm->slots_lock);
	return r;
}

static void drop(struct rig *rig, struct device *d)
{
	mutex_lock(&rig->vm->slots_lock);
	keel_bus_unregister(rig->vm, KEEL_BUS_MMIO, &d->dev);
	mutex_unlock(&rig->vm->slots_lock);
}

static int read_at(struct rig *rig, gpa_t addr, int len, u64 *val)
{
	*val = 0;
	return keel_bus_read(rig->vcpu[0], KEEL_BUS_MMIO, addr, len, val);
}

#define AT	0xe0000000ULL

static void whole_accesses_only(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct device d = { .value = 0x1234 };
	u64 val;

	KUNIT_ASSERT_EQ(test, add(rig, &d, AT, 8), 0);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT + 4, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x1234ULL);
	KUNIT_EXPECT_EQ(test, d.last, AT + 4);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT + 6, 4, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT - 1, 2, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT + 8, 1, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, d.accesses, 1UL);
	val = 0xabcd;
	KUNIT_EXPECT_EQ(test, keel_bus_write(rig->vcpu[0], KEEL_BUS_MMIO, AT, 2, &val), 0);
	KUNIT_EXPECT_EQ(test, d.value, 0xabcdULL);
	/* The other buses do not know it. */
	KUNIT_EXPECT_EQ(test, keel_bus_write(rig->vcpu[0], KEEL_BUS_PIO, AT, 2, &val), -EOPNOTSUPP);
	drop(rig, &d);
	KUNIT_EXPECT_EQ(test, d.released, 1);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 4, &val), -EOPNOTSUPP);
}

/* The lower start first, then the earlier one; who refuses lets the next one answer. */
static void overlap(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct device low = { .value = 1 }, first = { .value = 2 }, second = { .value = 3 };
	u64 val;

	KUNIT_ASSERT_EQ(test, add(rig, &first, AT, 16), 0);
	KUNIT_ASSERT_EQ(test, add(rig, &second, AT, 16), 0);
	KUNIT_ASSERT_EQ(test, add(rig, &low, AT - 8, 32), 0);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 1ULL);
	low.refuses = true;
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 2ULL);
	drop(rig, &first);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 3ULL);
	second.refuses = true;
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 1, &val), -EOPNOTSUPP);
	drop(rig, &low);
	drop(rig, &second);
	KUNIT_EXPECT_EQ(test, low.released + first.released + second.released, 3);
}

static void sizes(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct device d = { }, any = { .value = 5 };
	u64 val;

	KUNIT_EXPECT_EQ(test, add(rig, &d, ~0ULL - 3, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, d.released, 0);
	KUNIT_ASSERT_EQ(test, add(rig, &any, AT, 0), 0);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, read_at(rig, AT + 1, 1, &val), -EOPNOTSUPP);
	drop(rig, &any);
}

/* However many ranges: found by each, released once. */
static void many_ranges(struct kunit *test)
{
	struct rig *rig = rig_of(test);
	struct device d = { .value = 9 };
	unsigned int i, found = 0;
	u64 val;

	for (i = 0; i < 200; i++)
		KUNIT_EXPECT_EQ(test, add(rig, &d, AT + (i * 67 % 200) * 16, 4), 0);
	for (i = 0; i < 200; i++)
		found += !read_at(rig, AT + i * 16, 4, &val) && d.last == AT + i * 16;
	KUNIT_EXPECT_EQ(test, found, 200);
	drop(rig, &d);
	KUNIT_EXPECT_EQ(test, d.released, 1);
	for (i = 0; i < 200; i++)
		found -= read_at(rig, AT + i * 16, 4, &val) == -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, found, 0);
}

/* Nobody is inside a device when it was released. */
struct coming_and_going {
	struct rig *rig;
	unsigned int after_end, released;
};

static void come_and_go(void *arg)
{
	struct coming_and_going *c = arg;
	struct device *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return;
	d->value = 7;
	if (!add(c->rig, d, AT, 4)) {
		drop(c->rig, d);
		c->released += d->released;
		c->after_end += d->after_end;
	}
	kfree(d);	/* KASAN sees who comes later */
}

static void released_when_unused(struct kunit *test)
{
	struct coming_and_going c = { .rig = rig_of(test) };
	struct rig_thread other = { .fn = come_and_go, .arg = &c };
	unsigned int i, wrong = 0;
	u64 val;
	int r;

	rig_thread_start(test, &other);
	for (i = 0; i < 5000 || READ_ONCE(other.rounds) < 50; i++) {
		r = read_at(c.rig, AT, 4, &val);
		wrong += r ? r != -EOPNOTSUPP : val != 7;
		cond_resched();
	}
	rig_thread_stop(&other);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, c.after_end, 0);
	KUNIT_EXPECT_EQ(test, (unsigned long)c.released, other.rounds);
}

static struct kunit_case bus_cases[] = {
	KUNIT_CASE(whole_accesses_only),
	KUNIT_CASE(overlap),
	KUNIT_CASE(sizes),
	KUNIT_CASE(many_ranges),
	KUNIT_CASE(released_when_unused),
	{ }
};

struct kunit_suite keel_bus_suite = {
	.name = "keel_bus",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = bus_cases,
};

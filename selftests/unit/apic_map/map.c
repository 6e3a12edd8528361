// SPDX-License-Identifier: GPL-2.0
/*
 * map.c - destinations
 *
 * From "Determining IPI Destination" and "Logical Destination Mode in x2APIC Mode" in
 * the manual. The rule is tested by cases; the tables by comparing with the rule.
 */
#include <time.h>
#include "../../../arch/x86/irqchip/apic_map.h"
#include "tap.h"

static struct apic_addr xapic(u8 xid, u8 ldr, enum apic_model model)
{
	return (struct apic_addr) {
		.id = xid, .xid = xid, .ldr = ldr, .mode = LAPIC_XAPIC, .model = model,
	};
}

static struct apic_addr x2apic(u32 id)
{
	return (struct apic_addr) { .id = id, .mode = LAPIC_X2APIC, .model = APIC_X2CLUSTER };
}

static struct keel_apic_msg phys(u32 dest)
{
	return (struct keel_apic_msg) { .dest = dest, .vector = 0x40, .src = -1 };
}

static struct keel_apic_msg logical(u32 dest)
{
	struct keel_apic_msg msg = phys(dest);

	msg.logical = true;
	return msg;
}

static struct keel_apic_msg from_x2(struct keel_apic_msg msg)
{
	msg.src = 99;
	msg.x2apic = true;
	return msg;
}

static bool match(struct apic_addr a, struct keel_apic_msg msg)
{
	return apic_addr_match(&a, 0, &msg, false);
}

TEST(physical)
{
	EXPECT_TRUE(match(xapic(5, 0, APIC_FLAT), phys(5)));
	EXPECT_FALSE(match(xapic(5, 0, APIC_FLAT), phys(4)));
	EXPECT_FALSE(match(xapic(5, 0, APIC_FLAT), from_x2(phys(0x105))));
	EXPECT_TRUE(match(x2apic(5), phys(5)));
	EXPECT_TRUE(match(x2apic(0x12345), from_x2(phys(0x12345))));
	EXPECT_FALSE(match(x2apic(0x12345), from_x2(phys(0x45))));
}

TEST(physical_renamed)
{
	struct apic_addr a = xapic(9, 0, APIC_FLAT);

	a.id = 5;	/* the guest wrote 9 into the id register */
	EXPECT_TRUE(match(a, phys(9)));
	EXPECT_FALSE(match(a, phys(5)));
	/* A CPU whose id has no 8 bit form is found by it before it enters x2APIC mode. */
	a.id = 0x105;
	a.xid = 5;
	EXPECT_TRUE(match(a, from_x2(phys(0x105))));
	EXPECT_TRUE(match(a, phys(5)));
	a.mode = LAPIC_OFF;
	EXPECT_FALSE(match(a, from_x2(phys(0x105))));
	EXPECT_FALSE(match(a, phys(5)));
}

TEST(broadcast)
{
	struct keel_apic_msg ipi = phys(0xff);

	ipi.src = 1;
	EXPECT_TRUE(match(xapic(5, 0, APIC_FLAT), ipi));
	EXPECT_TRUE(match(xapic(5, 0, APIC_FLAT), phys(0xff)));
	EXPECT_TRUE(match(xapic(5, 0, APIC_FLAT), logical(0xff)));
	EXPECT_TRUE(match(x2apic(5), phys(0xff)));
	EXPECT_TRUE(match(x2apic(5), from_x2(phys(~0U))));
	EXPECT_TRUE(match(x2apic(5), from_x2(logical(~0U))));
	EXPECT_TRUE(match(xapic(5, 0, APIC_FLAT), from_x2(phys(~0U))));
	EXPECT_FALSE(match(x2apic(5), from_x2(phys(0xff))));
	EXPECT_TRUE(match(x2apic(255), from_x2(phys(0xff))));
}

/* KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK: 0xff of a device is CPU 255, or CPUs 0 to 7. */
TEST(broadcast_quirk)
{
	struct apic_addr x2 = x2apic(5), x2_255 = x2apic(255), x2_9 = x2apic(9);
	struct apic_addr x = xapic(5, 0, APIC_FLAT);
	struct keel_apic_msg p = phys(0xff), l = logical(0xff), ipi = phys(0xff);

	EXPECT_FALSE(apic_addr_match(&x2, 0, &p, true));
	EXPECT_TRUE(apic_addr_match(&x2_255, 0, &p, true));
	EXPECT_TRUE(apic_addr_match(&x, 0, &p, true));
	EXPECT_TRUE(apic_addr_match(&x2, 0, &l, true));
	EXPECT_FALSE(apic_addr_match(&x2_9, 0, &l, true));
	EXPECT_TRUE(apic_addr_match(&x2_9, 0, &l, false));
	ipi.src = 1;
	EXPECT_TRUE(apic_addr_match(&x2, 0, &ipi, true));
}

TEST(flat)
{
	EXPECT_TRUE(match(xapic(0, 0x04, APIC_FLAT), logical(0x04)));
	EXPECT_TRUE(match(xapic(0, 0x04, APIC_FLAT), logical(0x86)));
	EXPECT_FALSE(match(xapic(0, 0x04, APIC_FLAT), logical(0x03)));
	EXPECT_FALSE(match(xapic(0, 0x00, APIC_FLAT), logical(0x7f)));
	EXPECT_TRUE(match(xapic(0, 0x81, APIC_FLAT), logical(0x80)));
	EXPECT_FALSE(match(xapic(0, 0x04, APIC_FLAT), from_x2(logical(0x104))));
}

TEST(cluster)
{
	EXPECT_TRUE(match(xapic(0, 0x24, APIC_CLUSTER), logical(0x24)));
	EXPECT_TRUE(match(xapic(0, 0x24, APIC_CLUSTER), logical(0x2f)));
	EXPECT_FALSE(match(xapic(0, 0x24, APIC_CLUSTER), logical(0x34)));
	EXPECT_FALSE(match(xapic(0, 0x24, APIC_CLUSTER), logical(0x21)));
	EXPECT_FALSE(match(xapic(0, 0x24, APIC_CLUSTER), logical(0x20)));
	EXPECT_TRUE(match(xapic(0, 0x24, APIC_CLUSTER), logical(0xff)));
	EXPECT_FALSE(match(xapic(0, 0x24, APIC_CLUSTER), from_x2(logical(0x124))));
	EXPECT_FALSE(match(xapic(0, 0x24, APIC_NO_LOGICAL), logical(0x24)));
}

TEST(x2apic_logical)
{
	EXPECT_TRUE(match(x2apic(0x35), from_x2(logical(0x00030020))));
	EXPECT_TRUE(match(x2apic(0x35), from_x2(logical(0x0003ffff))));
	EXPECT_FALSE(match(x2apic(0x35), from_x2(logical(0x0003ffdf))));
	EXPECT_FALSE(match(x2apic(0x35), from_x2(logical(0x00020020))));
	EXPECT_TRUE(match(x2apic(3), logical(0x08)));	/* 8 bits of a device: cluster 0 */
	EXPECT_FALSE(match(x2apic(0x13), logical(0x08)));
	EXPECT_EQ(apic_x2apic_ldr(0x35), 0x00030020);
}

TEST(shorthands)
{
	struct keel_apic_msg msg = phys(0x77);
	struct apic_addr a = xapic(5, 0, APIC_FLAT);

	msg.src = 2;
	msg.shorthand = KEEL_SH_SELF;
	EXPECT_TRUE(apic_addr_match(&a, 2, &msg, false));
	EXPECT_FALSE(apic_addr_match(&a, 3, &msg, false));
	msg.shorthand = KEEL_SH_OTHERS;
	EXPECT_FALSE(apic_addr_match(&a, 2, &msg, false));
	EXPECT_TRUE(apic_addr_match(&a, 3, &msg, false));
	msg.shorthand = KEEL_SH_ALL;
	EXPECT_TRUE(apic_addr_match(&a, 2, &msg, false));
	EXPECT_TRUE(apic_addr_match(&a, 3, &msg, false));
	a.mode = LAPIC_OFF;
	EXPECT_FALSE(apic_addr_match(&a, 3, &msg, false));
	/* A device has no self. */
	a.mode = LAPIC_XAPIC;
	msg.src = -1;
	msg.shorthand = KEEL_SH_SELF;
	EXPECT_FALSE(apic_addr_match(&a, 0, &msg, false));
}

/* ---- the tables ---- */

static struct apic_map build(const struct apic_addr *addr, unsigned int nr)
{
	struct apic_map map = { };

	apic_map_size(&map, addr, nr);
	map.phys = calloc(map.nr_phys, sizeof(u16));
	map.logical = calloc(map.nr_logical ?: 1, sizeof(u16));
	apic_map_fill(&map, addr);
	return map;
}

static void drop(struct apic_map *map)
{
	free(map->phys);
	free(map->logical);
}

/* The lookup's answer as a set; -1 where it asks for a scan. */
static int found(const struct apic_map *map, struct keel_apic_msg msg, u64 *set)
{
	u16 idx[APIC_MAP_TARGETS];
	int n = apic_map_lookup(map, &msg, idx), i;

	*set = 0;
	for (i = 0; i < n; i++) {
		EXPECT_LT(idx[i], map->nr);
		EXPECT_EQ(*set >> idx[i] & 1, 0);	/* nobody twice */
		*set |= 1ULL << idx[i];
	}
	return n;
}

static u64 found_set(const struct apic_map *map, struct keel_apic_msg msg)
{
	u64 set;

	EXPECT_GE(found(map, msg, &set), 0);
	return set;
}

static int found_count(const struct apic_map *map, struct keel_apic_msg msg)
{
	u64 set;

	return found(map, msg, &set);
}

TEST(map_flat)
{
	struct apic_addr a[8];
	struct apic_map map;
	int i;

	for (i = 0; i < 8; i++)
		a[i] = xapic(i, 1 << i, APIC_FLAT);
	map = build(a, 8);
	EXPECT_EQ(found_set(&map, phys(3)), 8);
	EXPECT_EQ(found_set(&map, phys(8)), 0);
	EXPECT_EQ(found_set(&map, phys(0x12345)), 0);
	EXPECT_EQ(found_set(&map, logical(0xa5)), 0xa5);
	EXPECT_EQ(found_set(&map, from_x2(logical(0x1a5))), 0);
	EXPECT_EQ(found_count(&map, phys(0xff)), APIC_MAP_SCAN);
	EXPECT_EQ(found_count(&map, logical(0xff)), APIC_MAP_SCAN);
	drop(&map);
}

TEST(map_cluster)
{
	struct apic_addr a[60];
	struct apic_map map;
	int i;

	for (i = 0; i < 60; i++)
		a[i] = xapic(i, (i / 4) << 4 | 1 << i % 4, APIC_CLUSTER);
	map = build(a, 60);
	EXPECT_EQ(found_set(&map, logical(0x3a)), 1ULL << 13 | 1ULL << 15);
	EXPECT_EQ(found_set(&map, logical(0xef)), 0xfULL << 56);
	EXPECT_EQ(found_set(&map, logical(0xf1)), 0);
	drop(&map);
}

TEST(map_x2apic)
{
	static const u32 ids[] = { 0, 1, 17, 255, 256, 300, 4095 };
	struct apic_addr a[ARRAY_SIZE(ids)];
	struct apic_map map;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		a[i] = x2apic(ids[i]);
	map = build(a, ARRAY_SIZE(ids));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_EQ(found_set(&map, from_x2(phys(ids[i]))), 1 << i);
		EXPECT_EQ(found_set(&map, from_x2(logical(apic_x2apic_ldr(ids[i])))), 1 << i);
	}
	EXPECT_EQ(found_set(&map, from_x2(logical(0xffff))), 3);
	EXPECT_EQ(found_set(&map, logical(0x03)), 3);
	EXPECT_EQ(found_set(&map, from_x2(phys(4096))), 0);
	EXPECT_EQ(found_set(&map, from_x2(logical(0x0100ffff))), 0);
	EXPECT_EQ(found_set(&map, from_x2(logical(0xffff8000))), 0);
	EXPECT_EQ(found_count(&map, from_x2(phys(~0U))), APIC_MAP_SCAN);
	drop(&map);
}

/* APs that nobody has initialised do not spoil the boot CPU's model. */
TEST(map_ignores_who_has_no_logical_address)
{
	struct apic_addr a[] = {
		x2apic(0), xapic(1, 0, APIC_FLAT), xapic(2, 0, APIC_FLAT), xapic(3, 1, APIC_FLAT),
	};
	struct apic_map map;

	a[3].mode = LAPIC_OFF;
	map = build(a, ARRAY_SIZE(a));
	EXPECT_EQ(map.model, APIC_X2CLUSTER);
	EXPECT_EQ(found_set(&map, from_x2(logical(1))), 1);
	EXPECT_EQ(found_set(&map, from_x2(phys(2))), 4);
	EXPECT_EQ(found_set(&map, phys(3)), 0);
	drop(&map);
}

TEST(map_scans_what_it_cannot_say)
{
	struct apic_addr a[3];
	struct apic_map map;

	/* two models */
	a[0] = xapic(0, 1, APIC_FLAT);
	a[1] = xapic(1, 1, APIC_CLUSTER);
	map = build(a, 2);
	EXPECT_EQ(found_count(&map, logical(1)), APIC_MAP_SCAN);
	EXPECT_EQ(found_set(&map, phys(1)), 2);
	drop(&map);

	/* two bits in one LDR */
	a[1] = xapic(1, 6, APIC_FLAT);
	map = build(a, 2);
	EXPECT_EQ(found_count(&map, logical(1)), APIC_MAP_SCAN);
	drop(&map);

	/* one bit in two LDRs: others of the table still answer */
	a[1] = xapic(1, 1, APIC_FLAT);
	a[2] = xapic(2, 2, APIC_FLAT);
	map = build(a, 3);
	EXPECT_EQ(found_count(&map, logical(1)), APIC_MAP_SCAN);
	EXPECT_EQ(found_count(&map, logical(3)), APIC_MAP_SCAN);
	EXPECT_EQ(found_set(&map, logical(2)), 4);
	drop(&map);

	/* one id twice */
	a[2].xid = 0;
	map = build(a, 3);
	EXPECT_EQ(found_count(&map, phys(0)), APIC_MAP_SCAN);
	EXPECT_EQ(found_set(&map, phys(1)), 2);
	EXPECT_EQ(found_set(&map, phys(2)), 0);
	drop(&map);
}

TEST(map_of_nobody)
{
	struct apic_addr a = xapic(0, 1, APIC_FLAT);
	struct apic_map map = build(&a, 0);

	EXPECT_EQ(found_set(&map, phys(0)), 0);
	EXPECT_EQ(found_set(&map, logical(1)), 0);
	drop(&map);
	a.mode = LAPIC_OFF;
	map = build(&a, 1);
	EXPECT_EQ(found_set(&map, phys(0)), 0);
	EXPECT_EQ(found_set(&map, logical(1)), 0);
	drop(&map);
}

/* ---- any set of APICs, any message: the tables say what the rule says ---- */

static unsigned int pick(unsigned int n)
{
	return random() % n;
}

static struct apic_addr random_addr(unsigned int kind, unsigned int i)
{
	static const u8 models[] = { APIC_FLAT, APIC_CLUSTER, APIC_NO_LOGICAL };
	struct apic_addr a = x2apic(i * 3 + pick(3) + (kind & 8 ? 200 : 0));

	if (kind & 1 ? kind & 2 : pick(2))
		return a;
	a.mode = pick(16) ? LAPIC_XAPIC : LAPIC_OFF;
	a.model = models[kind & 1 ? kind >> 2 & 1 : pick(3)];
	a.xid = pick(20) ? a.id : pick(256);
	a.ldr = pick(4) ? 1 << pick(8) : pick(256);
	return a;
}

static struct keel_apic_msg random_msg(void)
{
	struct keel_apic_msg msg = phys(pick(4) ? pick(256) : pick(1024));

	msg.logical = pick(2);
	if (pick(3) == 0) {
		msg = from_x2(msg);
		if (msg.logical)
			msg.dest = pick(20) << 16 | pick(0x10000);
	} else if (pick(2)) {
		msg.src = 99;
		msg.dest &= 0xff;
	}
	if (pick(20) == 0)
		msg.dest = ~0U;
	return msg;
}

TEST(random_tables_against_rule)
{
	const char *env = getenv("SEED");
	unsigned int n = env ? strtoul(env, NULL, 0) : time(NULL), i, j, k, fast = 0;

	tap_note("SEED=%u", n);
	srandom(n);
	for (i = 0; i < 1500 && !tap_failures; i++) {
		unsigned int nr = 1 + pick(64), kind = pick(16);
		struct apic_addr a[64];
		struct apic_map map;

		for (j = 0; j < nr; j++)
			a[j] = random_addr(kind, j);
		map = build(a, nr);
		for (j = 0; j < 300; j++) {
			struct keel_apic_msg msg = random_msg();
			u64 rule = 0, set;

			for (k = 0; k < nr; k++)
				rule |= (u64)apic_addr_match(&a[k], k, &msg, i & 1) << k;
			if (found(&map, msg, &set) == APIC_MAP_SCAN)
				continue;
			EXPECT_EQ(set, rule);
			fast += !!set;
		}
		drop(&map);
	}
	EXPECT_GT(fast, 10000);
}

/* ---- MSI ---- */

TEST(msi_fields)
{
	struct keel_apic_msg msg;

	EXPECT_EQ(apic_msi_decode(&msg, 0xfee12000, 0x4041, false), 0);
	EXPECT_EQ(msg.dest, 0x12);
	EXPECT_EQ(msg.vector, 0x41);
	EXPECT_EQ(msg.mode, KEEL_DM_FIXED);
	EXPECT_EQ(msg.shorthand, KEEL_SH_NONE);
	EXPECT_EQ(msg.src, -1);
	EXPECT_TRUE(msg.assert);
	EXPECT_FALSE(msg.logical);
	EXPECT_FALSE(msg.level);
	EXPECT_FALSE(msg.x2apic);
	EXPECT_FALSE(apic_msg_lowest(&msg));

	EXPECT_EQ(apic_msi_decode(&msg, 0xfee0100c, 0xc1ff, false), 0);
	EXPECT_EQ(msg.dest, 1);
	EXPECT_TRUE(msg.logical);
	EXPECT_TRUE(msg.redir_hint);
	EXPECT_TRUE(msg.level);
	EXPECT_EQ(msg.mode, KEEL_DM_LOWEST);
	EXPECT_TRUE(apic_msg_lowest(&msg));

	apic_msi_decode(&msg, 0xfee00008, 0x0400, false);
	EXPECT_EQ(msg.mode, KEEL_DM_NMI);
	EXPECT_TRUE(apic_msg_lowest(&msg));
}

TEST(msi_extended_destination)
{
	struct keel_apic_msg msg;
	unsigned int bit;

	EXPECT_EQ(apic_msi_decode(&msg, 0x00abcd00fee12000, 0x41, true), 0);
	EXPECT_EQ(msg.dest, 0x00abcd12);
	EXPECT_EQ(apic_msi_decode(&msg, 0xffffff00feeff000, 0x41, true), 0);
	EXPECT_EQ(msg.dest, ~0U);
	for (bit = 32; bit < 40; bit++)
		EXPECT_EQ(apic_msi_decode(&msg, 1ULL << bit | 0xfee12000, 0x41, true), -EINVAL);
	/* Without the format's capability the upper half is not looked at. */
	EXPECT_EQ(apic_msi_decode(&msg, 0xffffffff00000000 | 0xfee12000, 0x41, false), 0);
	EXPECT_EQ(msg.dest, 0x12);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * apic_map.c - any set of APICs, any message: the tables say what the rule says
 */
#include "fuzz.h"
#include "../../arch/x86/irqchip/apic_map.h"

#define MAX_APICS	64
#define MAX_ID		4095

static struct apic_addr addr[MAX_APICS];

static struct apic_addr make_addr(struct fuzz *f)
{
	u8 how = fuzz_u8(f);
	struct apic_addr a = { .id = fuzz_u16(f) & MAX_ID, .mode = how % 3 };

	if (how & 0x80)
		a.id &= 0x1f;	/* so that they meet */
	a.xid = how & 0x40 ? fuzz_u8(f) : a.id;
	a.ldr = how & 0x20 ? 1U << (how >> 2 & 7) : fuzz_u8(f);
	a.model = a.mode == LAPIC_X2APIC ? APIC_X2CLUSTER : (how >> 3) % 3;
	return a;
}

static struct keel_apic_msg make_msg(struct fuzz *f)
{
	u8 how = fuzz_u8(f);
	struct keel_apic_msg msg = {
		.dest = how & 1 ? fuzz_u32(f) : fuzz_u8(f),
		.vector = 0x30,
		.mode = how >> 5,
		.logical = how & 2,
		.x2apic = how & 4,
		.src = how & 8 ? how % MAX_APICS : -1,
		.shorthand = how & 16 ? fuzz_u8(f) & 3 : KEEL_SH_NONE,
	};

	if (how & 4)
		msg.src = 0;	/* a message with 32 bits is of an APIC, or decoded below */
	return msg;
}

/* The set of targets is that of the rule, each once. */
static void compare(const struct apic_map *map, const struct keel_apic_msg *msg, bool dev_ids)
{
	u16 idx[APIC_MAP_TARGETS + 1];
	u8 named[MAX_APICS] = {};
	int n, i;

	idx[APIC_MAP_TARGETS] = 0x5a5a;
	n = apic_map_lookup(map, msg, idx);
	CHECK_EQ(idx[APIC_MAP_TARGETS], 0x5a5a);
	if (n == APIC_MAP_SCAN)
		return;
	CHECK(n >= 0 && n <= APIC_MAP_TARGETS);
	for (i = 0; i < n; i++) {
		CHECK(idx[i] < map->nr);
		CHECK(!named[idx[i]]++);
	}
	for (i = 0; i < (int)map->nr; i++)
		CHECK_EQ(apic_addr_match(&addr[i], i, msg, dev_ids), named[i]);
}

static void decode(struct fuzz *f)
{
	u64 address = fuzz_u64(f);
	bool ext = fuzz_u8(f) & 1;
	u32 data = fuzz_u32(f);
	struct keel_apic_msg msg;
	int r = apic_msi_decode(&msg, address, data, ext);

	CHECK_EQ(r, ext && (address & APIC_MSI_ADDR_RESERVED) ? -EINVAL : 0);
	CHECK_EQ(msg.dest & 0xff, (address >> 12) & 0xff);
	CHECK(ext || msg.dest <= 0xff);
	CHECK_EQ(msg.vector, data & 0xff);
	CHECK_EQ(apic_msg_lowest(&msg), (data >> 8 & 7) == 1 || (address & 8));
}

void fuzz_one(struct fuzz *f)
{
	unsigned int nr = fuzz_u8(f) % (MAX_APICS + 1), i;
	bool dev_ids = fuzz_u8(f) & 1;
	struct keel_apic_msg msg;
	struct apic_map map = {};

	for (i = 0; i < nr; i++)
		addr[i] = make_addr(f);
	apic_map_size(&map, addr, nr);
	CHECK(map.nr_phys <= MAX_ID + 1 && map.nr_logical <= MAX_ID + 1);
	map.phys = calloc(map.nr_phys, sizeof(u16));
	map.logical = calloc(map.nr_logical ?: 1, sizeof(u16));
	apic_map_fill(&map, addr);
	while (fuzz_more(f)) {
		msg = make_msg(f);
		compare(&map, &msg, dev_ids);
		if (fuzz_u8(f) & 1)
			decode(f);
	}
	free(map.phys);
	free(map.logical);
}

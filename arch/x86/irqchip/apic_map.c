// SPDX-License-Identifier: GPL-2.0
/*
 * apic_map.c - which APICs an interrupt message names
 *
 * "Destination modes" in the manual's chapter on the APIC: physical, logical flat,
 * logical cluster, and x2APIC's logical mode with its id-derived destinations.
 */
#include "apic_map.h"

#define APIC_MAP_MANY	U16_MAX

#define APIC_BROADCAST_8	0xffU
#define APIC_BROADCAST_32	(~0U)

/* Two kinds of broadcast; the 8 bit one may be an x2APIC's plain id. */
static bool apic_broadcast(const struct apic_addr *a, const struct keel_apic_msg *msg,
			   bool dev_ids)
{
	if (msg->dest == APIC_BROADCAST_32)
		return true;
	if (msg->dest != APIC_BROADCAST_8 || msg->x2apic)
		return false;
	return msg->src >= 0 || !dev_ids || a->mode != LAPIC_X2APIC;
}

static bool apic_match_physical(const struct apic_addr *a, u32 dest)
{
	if (a->mode == LAPIC_X2APIC)
		return a->id == dest;
	/* An id of more than 8 bits still finds its APIC before that is in x2APIC mode. */
	return a->xid == dest || (a->id > 0xff && a->id == dest);
}

static bool apic_match_logical(const struct apic_addr *a, u32 dest)
{
	switch (a->model) {
	case APIC_X2CLUSTER:
		return dest >> 16 == a->id >> 4 && dest & BIT(a->id & 0xf);
	case APIC_FLAT:
		return dest <= 0xff && dest & a->ldr;
	case APIC_CLUSTER:
		return dest >> 4 == a->ldr >> 4 && dest & a->ldr & 0xf;
	default:
		return false;
	}
}

static bool apic_match_shorthand(unsigned int idx, const struct keel_apic_msg *msg)
{
	bool self = msg->src >= 0 && idx == (unsigned int)msg->src;

	switch (msg->shorthand) {
	case KEEL_SH_SELF:
		return self;
	case KEEL_SH_OTHERS:
		return !self;
	default:
		return true;
	}
}

bool apic_addr_match(const struct apic_addr *a, unsigned int idx,
		     const struct keel_apic_msg *msg, bool dev_ids)
{
	if (a->mode == LAPIC_OFF)
		return false;
	if (msg->shorthand != KEEL_SH_NONE)
		return apic_match_shorthand(idx, msg);
	if (apic_broadcast(a, msg, dev_ids))
		return true;
	return msg->logical ? apic_match_logical(a, msg->dest) : apic_match_physical(a, msg->dest);
}

/* The model that @a adds to the map: none while nothing addresses it logically. */
static enum apic_model apic_map_model(const struct apic_addr *a)
{
	unsigned int bits = a->model == APIC_CLUSTER ? a->ldr & 0xf : a->ldr;

	if (a->mode == LAPIC_OFF)
		return APIC_NO_LOGICAL;
	if (a->model == APIC_X2CLUSTER)
		return APIC_X2CLUSTER;
	if (a->model == APIC_NO_LOGICAL || !bits)
		return APIC_NO_LOGICAL;
	return hweight8(bits) == 1 ? (enum apic_model)a->model : APIC_MIXED;
}

static void apic_map_join(struct apic_map *map, enum apic_model model)
{
	if (model == APIC_NO_LOGICAL)
		return;
	if (map->model != APIC_NO_LOGICAL && map->model != model)
		model = APIC_MIXED;
	map->model = model;
}

void apic_map_size(struct apic_map *map, const struct apic_addr *addr, unsigned int nr)
{
	u32 max_id = 0xff;
	unsigned int i;

	map->nr = nr;
	map->model = APIC_NO_LOGICAL;
	for (i = 0; i < nr; i++) {
		max_id = max(max_id, addr[i].id);
		apic_map_join(map, apic_map_model(&addr[i]));
	}
	map->nr_phys = max_id + 1;

	switch (map->model) {
	case APIC_FLAT:
		map->nr_logical = 8;
		break;
	case APIC_CLUSTER:
		map->nr_logical = 16 * 4;
		break;
	case APIC_X2CLUSTER:
		map->nr_logical = ALIGN(map->nr_phys, 16);
		break;
	default:
		map->nr_logical = 0;
	}
}

static void apic_map_put(u16 *slot, unsigned int idx)
{
	*slot = *slot ? APIC_MAP_MANY : idx + 1;
}

/* The place of @a, which has exactly one destination bit, in the logical table. */
static u16 *apic_map_slot(struct apic_map *map, const struct apic_addr *a)
{
	unsigned int bit = __ffs(a->ldr | BIT(8));

	switch (map->model) {
	case APIC_X2CLUSTER:
		return &map->logical[a->id];
	case APIC_CLUSTER:
		return &map->logical[(a->ldr >> 4) * 4 + bit];
	default:
		return &map->logical[bit];
	}
}

void apic_map_fill(struct apic_map *map, const struct apic_addr *addr)
{
	unsigned int i;

	for (i = 0; i < map->nr; i++) {
		const struct apic_addr *a = &addr[i];

		if (a->mode == LAPIC_OFF)
			continue;
		if (a->mode == LAPIC_XAPIC)
			apic_map_put(&map->phys[a->xid], i);
		if (a->mode == LAPIC_X2APIC || a->id > 0xff)
			apic_map_put(&map->phys[a->id], i);
		if (map->nr_logical && apic_map_model(a) == map->model)
			apic_map_put(apic_map_slot(map, a), i);
	}
}

static int apic_map_physical(const struct apic_map *map, u32 dest, u16 *idx)
{
	u16 who;

	if (dest >= map->nr_phys)
		return 0;
	who = map->phys[array_index_nospec(dest, map->nr_phys)];
	if (who == APIC_MAP_MANY)
		return APIC_MAP_SCAN;
	*idx = who - 1;
	return !!who;
}

/* The part of the logical table that @dest selects: first entry, and a bit for each. */
static u32 apic_map_group(const struct apic_map *map, u32 dest, unsigned long *bits)
{
	switch (map->model) {
	case APIC_FLAT:
		*bits = dest <= 0xff ? dest : 0;
		return 0;
	case APIC_CLUSTER:
		*bits = dest <= 0xff ? dest & 0xf : 0;
		return (dest >> 4) * 4;
	default:
		*bits = dest & 0xffff;
		return (dest >> 16) * 16;
	}
}

static int apic_map_logical(const struct apic_map *map, u32 dest, u16 *idx)
{
	unsigned long bits;
	int n = 0;
	u32 first;

	if (map->model == APIC_MIXED)
		return APIC_MAP_SCAN;
	if (map->model == APIC_NO_LOGICAL)
		return 0;

	first = apic_map_group(map, dest, &bits);
	if (first >= map->nr_logical)
		return 0;
	first = array_index_nospec(first, map->nr_logical);
	for (; bits; bits &= bits - 1) {
		u16 who = map->logical[first + __ffs(bits)];

		if (who == APIC_MAP_MANY)
			return APIC_MAP_SCAN;
		if (who)
			idx[n++] = who - 1;
	}
	return n;
}

int apic_map_lookup(const struct apic_map *map, const struct keel_apic_msg *msg, u16 *idx)
{
	if (msg->shorthand != KEEL_SH_NONE || msg->dest == APIC_BROADCAST_32)
		return APIC_MAP_SCAN;
	if (msg->dest == APIC_BROADCAST_8 && !msg->x2apic)
		return APIC_MAP_SCAN;
	return msg->logical ? apic_map_logical(map, msg->dest, idx) :
			      apic_map_physical(map, msg->dest, idx);
}

int apic_msi_decode(struct keel_apic_msg *msg, u64 address, u32 data, bool ext_ids)
{
	*msg = (struct keel_apic_msg) {
		.dest		= (address >> 12) & 0xff,
		.logical	= address & BIT(2),
		.redir_hint	= address & BIT(3),
		.vector		= data & 0xff,
		.mode		= (data >> 8) & 7,
		.level		= data & BIT(15),
		.assert		= true,
		.src		= -1,
	};
	if (!ext_ids)
		return 0;
	if (address & APIC_MSI_ADDR_RESERVED)
		return -EINVAL;
	msg->dest |= (u32)(address >> 32) & ~0xffU;
	return 0;
}

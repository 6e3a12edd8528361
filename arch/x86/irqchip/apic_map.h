/* SPDX-License-Identifier: GPL-2.0 */
/*
 * apic_map.h - which APICs an interrupt message names
 *
 * apic_addr_match() is the rule, for one APIC. struct apic_map answers the common
 * messages (one physical id, a logical destination of at most 16 CPUs) from tables,
 * without looking at each APIC; it answers APIC_MAP_SCAN for what its tables cannot
 * say, and the caller then applies the rule to all. A logic core: no locks, no memory
 * of its own; apic_deliver.c allocates, publishes by RCU and walks.
 */
#ifndef KEEL_X86_APIC_MAP_H
#define KEEL_X86_APIC_MAP_H

#include "apic_msg.h"

enum lapic_mode { LAPIC_OFF, LAPIC_XAPIC, LAPIC_X2APIC };

/* How an APIC compares logical destinations. */
enum apic_model { APIC_NO_LOGICAL, APIC_FLAT, APIC_CLUSTER, APIC_X2CLUSTER, APIC_MIXED };

/* What of an APIC's state makes its address. */
struct apic_addr {
	u32 id;		/* the 32 bit id, whatever the mode */
	u8 xid;		/* xAPIC: the id register's upper byte */
	u8 ldr;		/* xAPIC: the upper byte of LDR */
	u8 mode;	/* enum lapic_mode */
	u8 model;	/* enum apic_model, without APIC_MIXED; NO_LOGICAL: a reserved DFR */
};

/* The destination register of an x2APIC follows from its id. */
static inline u32 apic_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | BIT(id & 0xf);
}

/*
 * apic_addr_match() - does the APIC at @a take part in @msg? @idx is its vCPU's
 * index, for shorthands. @dev_ids: a device's destination 0xff names x2APIC 255 and
 * is no broadcast to APICs in x2APIC mode (KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK).
 */
bool apic_addr_match(const struct apic_addr *a, unsigned int idx,
		     const struct keel_apic_msg *msg, bool dev_ids);

#define APIC_MAP_TARGETS	16	/* most that one lookup names */
#define APIC_MAP_SCAN		(-1)

struct apic_map {
	unsigned int nr;		/* APICs it was built from, by vCPU index */
	u32 nr_phys, nr_logical;	/* entries of the tables */
	enum apic_model model;		/* of all APICs that have a logical address */
	u16 *phys, *logical;		/* vCPU index + 1; 0 nobody, APIC_MAP_MANY several */
};

/* Compute the size of both tables (nr_phys, nr_logical) for @addr[@nr], @nr < 65535. */
void apic_map_size(struct apic_map *map, const struct apic_addr *addr, unsigned int nr);

/* Fill the tables, which the caller supplies zeroed after apic_map_size(). */
void apic_map_fill(struct apic_map *map, const struct apic_addr *addr);

/*
 * apic_map_lookup() - vCPU indices that @msg names, into @idx[APIC_MAP_TARGETS].
 * Returns how many (0: nobody), or APIC_MAP_SCAN. Any context.
 */
int apic_map_lookup(const struct apic_map *map, const struct keel_apic_msg *msg, u16 *idx);

/* Lowest priority: one of those named takes it. */
static inline bool apic_msg_lowest(const struct keel_apic_msg *msg)
{
	return msg->mode == KEEL_DM_LOWEST || msg->redir_hint;
}

/* Address bits 63:40 carry bits 31:8 of the destination where KVM_CAP_X2APIC_API says so. */
#define APIC_MSI_ADDR_RESERVED	GENMASK_ULL(39, 32)

/*
 * apic_msi_decode() - @address and @data of an MSI as a message. @ext_ids: 32 bit
 * destinations. -EINVAL: reserved bits of an extended address.
 */
int apic_msi_decode(struct keel_apic_msg *msg, u64 address, u32 data, bool ext_ids);

#endif

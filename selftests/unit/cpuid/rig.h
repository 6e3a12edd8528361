/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig.h - a made-up host and tables for the CPUID tests
 */
#ifndef UNIT_CPUID_RIG_H
#define UNIT_CPUID_RIG_H

#include "../../../arch/x86/cpuid_policy.h"
#include <asm/cpufeatures.h>
#include <asm/kvm_para.h>
#include "tap.h"

#define FBIT(f)	BIT((f) & 31)

/* A host that has every bit of every leaf, up to the maxima below. */
extern struct cpuid_host rig_host;
extern u32 rig_max_basic, rig_max_extended;
void rig_reset(bool amd);

struct rig_table {
	struct keel_cpuid t;
	struct kvm_cpuid_entry2 e[CPUID_MAX_ENTRIES];
};

/* Append an entry; cpuid_index() is the caller's. */
void rig_add(struct rig_table *r, u32 leaf, int subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx);
void rig_add_vendor(struct rig_table *r, u32 max, bool amd);
void rig_supported(struct rig_table *r);

#endif

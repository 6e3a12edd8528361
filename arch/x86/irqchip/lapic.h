/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lapic.h - the registers of one local APIC
 *
 * A logic core: register reads and writes, acceptance, priorities, EOI. What a
 * write asks of the world (an IPI, an EOI broadcast, the timer) comes back in a
 * struct lapic_effect, and apic.c does it.
 *
 * The page is laid out as the memory-mapped APIC is, and so as struct
 * kvm_lapic_state. Any CPU may set bits in IRR and TMR, note errors and read the
 * registers that make an APIC's address; all else is the vCPU thread's.
 *
 * Where the hardware delivers interrupts by itself, the page is what it works on
 * while the guest runs: IRR, ISR, TPR and PPR change there. Others then post to PIR,
 * which the vCPU thread merges into IRR by lapic_take_posted(). Nothing about ISR is
 * remembered beside the page.
 */
#ifndef KEEL_X86_LAPIC_H
#define KEEL_X86_LAPIC_H

#include "apic_map.h"

/* Offsets of the registers; in x2APIC mode MSR 0x800 + offset / 16. */
enum {
	LAPIC_ID	= 0x020,
	LAPIC_LVR	= 0x030,
	LAPIC_TPR	= 0x080,
	LAPIC_APR	= 0x090,
	LAPIC_PPR	= 0x0a0,
	LAPIC_EOI	= 0x0b0,
	LAPIC_RRR	= 0x0c0,
	LAPIC_LDR	= 0x0d0,
	LAPIC_DFR	= 0x0e0,
	LAPIC_SPIV	= 0x0f0,
	LAPIC_ISR	= 0x100,
	LAPIC_TMR	= 0x180,
	LAPIC_IRR	= 0x200,
	LAPIC_ESR	= 0x280,
	LAPIC_LVTCMCI	= 0x2f0,
	LAPIC_ICR	= 0x300,
	LAPIC_ICR2	= 0x310,
	LAPIC_LVTT	= 0x320,
	LAPIC_LVTTHMR	= 0x330,
	LAPIC_LVTPC	= 0x340,
	LAPIC_LVT0	= 0x350,
	LAPIC_LVT1	= 0x360,
	LAPIC_LVTERR	= 0x370,
	LAPIC_TMICT	= 0x380,
	LAPIC_TMCCT	= 0x390,
	LAPIC_TDCR	= 0x3e0,
	LAPIC_SELF_IPI	= 0x3f0,
};

#define LAPIC_REGS_SIZE		0x400	/* of struct kvm_lapic_state */
#define LAPIC_PIR_SIZE		32	/* bytes */
#define LAPIC_MSR_BASE		0x800

#define LAPIC_VERSION		0x14
#define LAPIC_LVR_DIRECTED_EOI	BIT(24)
#define LAPIC_SPIV_ENABLED	BIT(8)
#define LAPIC_SPIV_NO_BROADCAST	BIT(12)
#define LAPIC_LVT_MASKED	BIT(16)
#define LAPIC_LVT_PERIODIC	BIT(17)
#define LAPIC_LVT_DEADLINE	BIT(18)

#define LAPIC_ESR_SEND_ILLEGAL	BIT(5)
#define LAPIC_ESR_RECV_ILLEGAL	BIT(6)
#define LAPIC_ESR_ILLEGAL_REG	BIT(7)

/* IA32_APIC_BASE */
#define LAPIC_BASE_BSP		BIT(8)
#define LAPIC_BASE_X2APIC	BIT(10)
#define LAPIC_BASE_ENABLE	BIT(11)
#define LAPIC_BASE_ADDR		GENMASK_ULL(51, 12)
#define LAPIC_BASE_DEFAULT	0xfee00000ULL

/* What the guest's CPUID and the VM's chips offer. */
struct lapic_features {
	bool tsc_deadline;
	bool directed_eoi;	/* EOI broadcast can be suppressed */
	u8 nr_lvt;		/* 6, or 7 with LVT CMCI */
	u64 base_reserved;	/* bits of IA32_APIC_BASE that must be 0 */
};

/*
 *   (c) constant after lapic_init()
 *   (v) the vCPU thread
 *   (a) any CPU, atomic or single-copy
 */
struct lapic {
	unsigned long *page;	/* (c) LAPIC_REGS_SIZE bytes or more; contents as above */
	u32 id;			/* (c) 32 bit APIC id */
	unsigned int idx;	/* (c) vCPU index, the source of its IPIs */
	u64 base;		/* (v) written, (a) read: IA32_APIC_BASE */
	struct lapic_features feat;	/* (v) */
	unsigned long *pir;	/* (c) 256 bits, atomic: posted vectors; NULL: no such hardware */
	u32 lvtt;		/* (v) LVT timer as Keel last saw it */
	int isr_top;		/* (v) highest vector in service, or -1; not with pir */
	unsigned int isr_count;	/* (v) vectors in service; not with pir */
	bool irr_pending;	/* (a) false: IRR is empty */
	atomic_t errors;	/* (a) ESR bits since the last write to ESR */
	atomic_t arb;		/* (a) lowest priority interrupts taken */
};

#define LAPIC_FX_IPI	BIT(0)	/* send msg */
#define LAPIC_FX_EOI	BIT(1)	/* eoi_vector left service; eoi_level, eoi_broadcast */
#define LAPIC_FX_MAP	BIT(2)	/* the APIC's address changed */
#define LAPIC_FX_EVENT	BIT(3)	/* something may be deliverable, now or when the TPR goes down */
#define LAPIC_FX_LVTT	BIT(4)	/* LVT timer was written */
#define LAPIC_FX_TMICT	BIT(5)	/* initial count was written */
#define LAPIC_FX_TDCR	BIT(6)	/* divide configuration was written */
#define LAPIC_FX_OFF	BIT(7)	/* disabled: the timer stops */

struct lapic_effect {
	unsigned int what;	/* LAPIC_FX_*; the caller starts with 0 */
	u8 eoi_vector;
	bool eoi_level;
	bool eoi_broadcast;	/* software has not suppressed it */
	struct keel_apic_msg msg;
};

enum lapic_post {
	LAPIC_REFUSED	= -1,	/* APIC disabled, illegal vector, LVT masked */
	LAPIC_COALESCED	= 0,	/* was in IRR already */
	LAPIC_POSTED	= 1,	/* in IRR now: tell the vCPU */
	LAPIC_ERROR	= 2,	/* refused, but an error interrupt was posted: tell the vCPU */
};

static inline u32 lapic_get(const struct lapic *a, unsigned int reg)
{
	return READ_ONCE(a->page[reg >> 3]);
}

static inline enum lapic_mode lapic_base_mode(u64 base)
{
	if (!(base & LAPIC_BASE_ENABLE))
		return LAPIC_OFF;
	return base & LAPIC_BASE_X2APIC ? LAPIC_X2APIC : LAPIC_XAPIC;
}

static inline enum lapic_mode lapic_mode(const struct lapic *a)
{
	return lapic_base_mode(READ_ONCE(a->base));
}

/* Enabled by the spurious vector register; the hardware enable is lapic_mode()'s. */
static inline bool lapic_sw_enabled(const struct lapic *a)
{
	return lapic_get(a, LAPIC_SPIV) & LAPIC_SPIV_ENABLED;
}

/*
 * @page: LAPIC_REGS_SIZE zeroed bytes that outlive @a; @pir: LAPIC_PIR_SIZE such bytes, or NULL.
 * Follow with lapic_reset().
 */
void lapic_init(struct lapic *a, unsigned long *page, unsigned long *pir, u32 id,
		unsigned int idx);
void lapic_set_features(struct lapic *a, const struct lapic_features *feat);

enum lapic_reset { LAPIC_RESET, LAPIC_INIT };
/* INIT keeps IA32_APIC_BASE and the id. @extint: leave LINT0 open for the 8259s. */
void lapic_reset(struct lapic *a, enum lapic_reset how, bool bsp, bool extint);

/*
 * Registers by offset. 0, or -EINVAL: no such register, or in x2APIC mode what
 * must be #GP. An xAPIC's caller notes -EINVAL by lapic_error(). The current
 * count is the caller's to answer; it reads as 0 here.
 */
int lapic_read(struct lapic *a, unsigned int reg, u32 *val);
int lapic_write(struct lapic *a, unsigned int reg, u32 val, struct lapic_effect *fx);
int lapic_msr_read(struct lapic *a, unsigned int reg, u64 *val);
int lapic_msr_write(struct lapic *a, unsigned int reg, u64 val, struct lapic_effect *fx);

void lapic_set_tpr(struct lapic *a, u8 tpr, struct lapic_effect *fx);

/*
 * ---- with pir ----
 * lapic_take_posted() - PIR into IRR; true if there was one. lapic_hw_status() - the
 * highest vectors in IRR and ISR or 0, which the hardware wants to know.
 * lapic_hw_written() - the hardware has put a write to @reg into the page: what remains
 * to be done. lapic_hw_eoi() - it has ended the service of @vector.
 */
bool lapic_take_posted(struct lapic *a);
void lapic_hw_status(const struct lapic *a, u8 *irr, u8 *isr);
void lapic_hw_written(struct lapic *a, unsigned int reg, struct lapic_effect *fx);
void lapic_hw_eoi(const struct lapic *a, u8 vector, struct lapic_effect *fx);

/* Is @base one that may follow @old? @host: by ioctl, where every valid mode may. */
bool lapic_base_valid(u64 old, u64 base, u64 reserved, bool host);
/* 0, or -EINVAL as above. */
int lapic_set_base(struct lapic *a, u64 base, bool host, struct lapic_effect *fx);

/* Any CPU: a fixed interrupt arrives. */
enum lapic_post lapic_post(struct lapic *a, u8 vector, bool level);
/* The local source of LVT register @lvt (timer, error) fires. Any CPU. */
enum lapic_post lapic_lvt_post(struct lapic *a, unsigned int lvt);
/* Note an error (LAPIC_ESR_*); true: an error interrupt was posted. Any CPU. */
bool lapic_error(struct lapic *a, u32 error);
/* What the pin LINT0 or LINT1 (@lvt) does now: enum keel_apic_dm, or -1 masked. Any CPU. */
int lapic_lint_mode(const struct lapic *a, unsigned int lvt);
/* Does the CPU take the 8259s' interrupt? Also if the APIC is off. Any CPU. */
bool lapic_accepts_extint(const struct lapic *a);

/* Highest vector that priorities let through, or -1. */
int lapic_pending(const struct lapic *a);
/* Take it: IRR to ISR. -1: none. */
int lapic_ack(struct lapic *a);
/* Highest vector in IRR that only TPR holds back, or -1. */
int lapic_tpr_masked(const struct lapic *a);
/* Is @vector requested or in service? With pir: after lapic_take_posted(). */
bool lapic_in_flight(const struct lapic *a, u8 vector);

/* Where the APIC can be reached; any CPU. */
void lapic_addr(const struct lapic *a, struct apic_addr *addr);
/* Of two APICs that may take a lowest priority interrupt: is @a the better? Any CPU. */
bool lapic_arb_before(const struct lapic *a, const struct lapic *b);

/*
 * KVM_GET_LAPIC, KVM_SET_LAPIC. @format32: ids of x2APIC mode are written with 32
 * bits, else in the upper byte. The timer's counts pass through as registers.
 * set: -EINVAL: the id is another CPU's.
 */
void lapic_get_state(const struct lapic *a, void *regs, bool format32);
int lapic_set_state(struct lapic *a, const void *regs, bool format32);

#endif

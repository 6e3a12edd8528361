/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pit.h - an 8254 timer, and the PC's port 0x61 around its channel 2
 *
 * A logic core. Nothing ticks in it: what a counter shows follows from when
 * it was loaded and from @now, the host's monotonic clock in nanoseconds,
 * which must not go backwards. The owner's lock is held around every call.
 *
 * Channel 0 raises IRQ 0. The owner sets a timer to pit_due(); when it fires
 * he calls pit_expire(), and where that or pit_ack() says so he pulses the line.
 */
#ifndef KEEL_X86_PIT_H
#define KEEL_X86_PIT_H

#include <linux/kvm.h>
#include <keel/core.h>

#define PIT_HZ			1193182U
#define PIT_CHANNELS		3
#define PIT_PORT		0x40	/* to 0x43 */
#define PIT_NR_PORTS		4
#define PIT_SPEAKER_PORT	0x61
#define PIT_NEVER		U64_MAX

/* IRQ 0 no more often than this: each is an interrupt of the host, too. */
#define PIT_MIN_PERIOD_NS	(200 * 1000ULL)

enum {
	PIT_MODE_TERMINAL,	/* interrupt on terminal count */
	PIT_MODE_ONESHOT,	/* hardware retriggerable one-shot */
	PIT_MODE_RATE,		/* rate generator */
	PIT_MODE_SQUARE,	/* square wave */
	PIT_MODE_STROBE,	/* software triggered strobe */
	PIT_MODE_HW_STROBE,	/* hardware triggered strobe */
	PIT_NR_MODES,
	PIT_MODE_NONE = 0xff,	/* no control word since power-on */
};

/* Which byte is next, and for ->rw which bytes there are; 0 is taken as LSB. */
enum { PIT_RW_LSB = 1, PIT_RW_MSB, PIT_RW_WORD0, PIT_RW_WORD1 };

struct pit_channel {
	u32 count;		/* as programmed (BCD or not), 1 to 0x10000 */
	u32 next;		/* the count that follows it, or 0 */
	u64 next_at;		/* modes 2, 3: when it does, */
	u64 next_load;		/* and the load time that goes with it */
	u64 load_time;		/* when counting began */
	u64 frozen;		/* gate low: nanoseconds counted before */
	u16 latched;
	u8 latch_state;		/* byte of ->latched that is next; 0: not latched */
	u8 status;
	u8 read_state, write_state, rw;
	u8 write_low;
	u8 mode;
	bool status_latched;
	bool bcd, gate;
	bool loaded;		/* a count was written since the control word */
	bool triggered;		/* modes 1, 5: the gate rose since then */
};

struct pit {
	struct pit_channel ch[PIT_CHANNELS];
	bool hpet_legacy;	/* the HPET has taken IRQ 0 */
	bool speaker_on;
	/* IRQ 0 */
	u64 due;		/* next rise of channel 0's output, or PIT_NEVER */
	u64 last;		/* the one before */
	bool reinject;		/* ticks that the guest could not take wait for it */
	bool waiting;		/* the guest has been given one that it has not ended */
	u32 backlog;		/* ticks not yet ended, that one included */
};

/* Power-on state; reinject is on. */
void pit_init(struct pit *pit, u64 now);

/* Ports PIT_PORT to PIT_PORT + 3, and 0x61, a byte at a time. */
u8 pit_read(struct pit *pit, u16 port, u64 now);
void pit_write(struct pit *pit, u16 port, u8 val, u64 now);

/* The level of channel @n's output (n < 3). */
bool pit_out(struct pit *pit, unsigned int n, u64 now);

/* When to call pit_expire(): a time, or PIT_NEVER. Changes with any write or set. */
static inline u64 pit_due(const struct pit *pit)
{
	return pit->due;
}

/* The timer fired. True: pulse IRQ 0. Sets the next pit_due(). */
bool pit_expire(struct pit *pit, u64 now);
/* The guest ended an IRQ 0. True: pulse it again for a tick that waits. */
bool pit_ack(struct pit *pit);
/* IRQ 0 cannot be, or was not, delivered, or is unmasked only now: nothing waits. */
void pit_forget(struct pit *pit);
void pit_set_reinject(struct pit *pit, bool reinject);

/*
 * KVM_GET_PIT2, KVM_SET_PIT2. Setting starts all counts anew at @now, as kvm
 * does: count_load_time is a time of another host. What no chip can hold is
 * brought into range.
 */
void pit_get(struct pit *pit, struct kvm_pit_state2 *s, u64 now);
void pit_set(struct pit *pit, const struct kvm_pit_state2 *s, u64 now);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * debug.c - debug registers, and the guest under userspace's debugger
 *
 * Accesses to debug registers are always intercepted, and so is #DB: arch.db,
 * dr6 and dr7 are what the guest sees, and never change behind our back. The
 * CPU's DR0 to DR3 are the guest's only between keel_debug_load() and
 * keel_debug_unload(), and only while DR7 has a breakpoint on; a guest that
 * debugs nothing pays nothing. The CPU's DR6 starts each entry without events,
 * so that what an exit finds in it is new.
 *
 * A debugger's registers (KVM_GUESTDBG_USE_HW_BP) take the place of the guest's
 * in the CPU; the guest's own stay readable and writable, without effect.
 */
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "cpuid.h"
#include "event.h"
#include "regs.h"

/* "Debug Registers": bits that exist, bits that are always 1 */
#define KEEL_DR6_BD		BIT_ULL(13)
#define KEEL_DR6_EVENTS		(DR_TRAP_BITS | KEEL_DR6_BD | DR_STEP | DR_SWITCH)
#define KEEL_DR6_ONES		0xffff0ff0ULL
#define KEEL_DR6_RTM		BIT_ULL(16)	/* 0 says: within a transaction */
#define KEEL_DR7_ENABLES	0xffULL
#define KEEL_DR7_RTM		BIT_ULL(11)
#define KEEL_DR7_GD		BIT_ULL(13)
#define KEEL_DR7_KNOWN		0xffff23ffULL
#define KEEL_DR7_ONES		BIT_ULL(10)

static bool debugged(const struct keel_vcpu *vcpu, u32 how)
{
	return vcpu->arch.guest_debug & how;
}

/* ---- values ---- */

static u64 dr6_value(struct keel_vcpu *vcpu, u64 val)
{
	u64 free = KEEL_DR6_EVENTS;

	if (keel_guest_has(vcpu, KEEL_F_RTM))
		free |= KEEL_DR6_RTM;
	return (val & free) | (KEEL_DR6_ONES & ~free);
}

static u64 dr7_value(struct keel_vcpu *vcpu, u64 val)
{
	u64 free = KEEL_DR7_KNOWN;

	if (keel_guest_has(vcpu, KEEL_F_RTM))
		free |= KEEL_DR7_RTM;
	return (val & free) | KEEL_DR7_ONES;
}

static u64 effective_dr7(const struct keel_vcpu *vcpu)
{
	return debugged(vcpu, KVM_GUESTDBG_USE_HW_BP) ? vcpu->arch.guest_debug_dr7 :
							vcpu->arch.dr7;
}

/* The CPU's DR7, and what is intercepted. */
static void debug_update(struct keel_vcpu *vcpu)
{
	if (!debugged(vcpu, KVM_GUESTDBG_USE_HW_BP))
		memcpy(vcpu->arch.eff_db, vcpu->arch.db, sizeof(vcpu->arch.db));
	keel_op(set_dr7)(vcpu, effective_dr7(vcpu));
	keel_vcpu_request(vcpu, KEEL_REQ_INTERCEPTS);
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE says otherwise. */
static bool dr_exists(struct keel_vcpu *vcpu, unsigned int nr)
{
	return nr < 8 && !((nr == 4 || nr == 5) && (keel_cr4(vcpu) & X86_CR4_DE));
}

int keel_set_dr(struct keel_vcpu *vcpu, unsigned int nr, u64 val)
{
	if (!dr_exists(vcpu, nr))
		return -ENXIO;
	if (nr >= 4 && upper_32_bits(val))
		return -EINVAL;
	if (nr < 4)
		vcpu->arch.db[array_index_nospec(nr, 4)] = val;
	else if (nr & 1)
		vcpu->arch.dr7 = dr7_value(vcpu, val);
	else
		vcpu->arch.dr6 = dr6_value(vcpu, val);
	debug_update(vcpu);
	return 0;
}

u64 keel_get_dr(struct keel_vcpu *vcpu, unsigned int nr)
{
	if (nr < 4)
		return vcpu->arch.db[array_index_nospec(nr, 4)];
	return nr & 1 ? vcpu->arch.dr7 : vcpu->arch.dr6;
}

/* ---- around an entry; interrupts off ---- */

/*
 * The exit leaves DR7 with all breakpoints off. The host's must be off before as well:
 * they would match the guest's addresses in our own code.
 */
void keel_debug_load(struct keel_vcpu *vcpu)
{
	bool active = effective_dr7(vcpu) & KEEL_DR7_ENABLES;

	if (keel_op(get_dr6)(vcpu) != KEEL_DR6_ONES)
		keel_op(set_dr6)(vcpu, KEEL_DR6_ONES);
	if (active || hw_breakpoint_active())
		set_debugreg(0UL, 7);
	if (!active)
		return;
	set_debugreg(vcpu->arch.eff_db[0], 0);
	set_debugreg(vcpu->arch.eff_db[1], 1);
	set_debugreg(vcpu->arch.eff_db[2], 2);
	set_debugreg(vcpu->arch.eff_db[3], 3);
	vcpu->arch.dr_loaded = true;
}

/* What the guest could not change need not be read back. */
void keel_debug_unload(struct keel_vcpu *vcpu)
{
	vcpu->arch.dr_loaded = false;
	if (hw_breakpoint_active())
		hw_breakpoint_restore();
}

/* ---- to the debugger ---- */

static int exit_debug(struct keel_vcpu *vcpu, u8 vector, u64 dr6_bits)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pad = 0;
	run->debug.arch.pc = keel_linear_rip(vcpu);
	run->debug.arch.dr6 = KEEL_DR6_ONES | dr6_bits;
	run->debug.arch.dr7 = effective_dr7(vcpu);
	return KEEL_TO_USER;
}

/* #DB for the guest itself: general detection is off for its handler. */
static int guest_db(struct keel_vcpu *vcpu, u64 dr6_bits)
{
	if (vcpu->arch.dr7 & KEEL_DR7_GD) {
		vcpu->arch.dr7 &= ~KEEL_DR7_GD;
		debug_update(vcpu);
	}
	keel_queue_db(vcpu, dr6_bits);
	return KEEL_RESUME;
}

/*
 * INT3 is intercepted for the debugger alone. If it has gone meanwhile, the guest
 * executes it again, without the intercept.
 */
int keel_db_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 dr6_bits = exit->exc.payload & KEEL_DR6_EVENTS;

	if (exit->exc.vector == X86_TRAP_DB) {
		if (debugged(vcpu, KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
			return exit_debug(vcpu, X86_TRAP_DB, dr6_bits);
		return guest_db(vcpu, dr6_bits);
	}
	if (debugged(vcpu, KVM_GUESTDBG_USE_SW_BP))
		return exit_debug(vcpu, X86_TRAP_BP, 0);
	keel_vcpu_request(vcpu, KEEL_REQ_INTERCEPTS);
	return KEEL_RESUME;
}

int keel_debug_step_done(struct keel_vcpu *vcpu, bool tf)
{
	if (likely(!tf))
		return KEEL_RESUME;
	if (debugged(vcpu, KVM_GUESTDBG_SINGLESTEP))
		return exit_debug(vcpu, X86_TRAP_DB, DR_STEP);
	return guest_db(vcpu, DR_STEP);
}

/* ---- MOV DR ---- */

/* General detection: #DB before the access. */
static int general_detect(struct keel_vcpu *vcpu)
{
	if (debugged(vcpu, KVM_GUESTDBG_USE_HW_BP))
		return exit_debug(vcpu, X86_TRAP_DB, KEEL_DR6_BD);
	return guest_db(vcpu, KEEL_DR6_BD);
}

static int write_dr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 val = keel_reg_read(vcpu, exit->cr.gpr & 15);

	if (!keel_is_64bit(vcpu))
		val = (u32)val;
	if (keel_set_dr(vcpu, exit->cr.nr, val)) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	return keel_skip(vcpu, exit);
}

static int read_dr(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	u64 val = keel_get_dr(vcpu, exit->cr.nr);

	keel_reg_write(vcpu, exit->cr.gpr & 15, keel_is_64bit(vcpu) ? val : (u32)val);
	return keel_skip(vcpu, exit);
}

/* 0: *exit has the general register; else how to go on, as keel_decode(). */
static int decode_dr(struct keel_vcpu *vcpu, struct keel_exit *exit, int *next)
{
	struct emul_decoded d;
	unsigned int len;

	if (exit->cr.decoded)
		return 0;
	*next = keel_decode(vcpu, &d, &len);
	if (*next != KEEL_RESUME || !len)
		return -EAGAIN;
	exit->insn_len = len;
	exit->cr.gpr = d.rm;
	return 0;
}

int keel_dr_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	int next;

	if (!dr_exists(vcpu, exit->cr.nr)) {
		keel_inject_ud(vcpu);
		return KEEL_RESUME;
	}
	if (keel_op(get_cpl)(vcpu)) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	if (effective_dr7(vcpu) & KEEL_DR7_GD)
		return general_detect(vcpu);
	if (decode_dr(vcpu, exit, &next))
		return next;
	return exit->cr.write ? write_dr(vcpu, exit) : read_dr(vcpu, exit);
}

/* ---- ioctls ---- */

long keel_ioc_get_debugregs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_debugregs *d = arg.buf;

	memset(d, 0, sizeof(*d));
	BUILD_BUG_ON(sizeof(d->db) != sizeof(vcpu->arch.db));
	memcpy(d->db, vcpu->arch.db, sizeof(d->db));
	d->dr6 = vcpu->arch.dr6;
	d->dr7 = vcpu->arch.dr7;
	return 0;
}

long keel_ioc_set_debugregs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_debugregs *d = arg.buf;

	if (d->flags || upper_32_bits(d->dr6) || upper_32_bits(d->dr7))
		return -EINVAL;
	memcpy(vcpu->arch.db, d->db, sizeof(vcpu->arch.db));
	vcpu->arch.dr6 = dr6_value(vcpu, d->dr6);
	vcpu->arch.dr7 = dr7_value(vcpu, d->dr7);
	debug_update(vcpu);
	return 0;
}

/* Give the guest an exception that a debugger got and does not want. -EBUSY: it has one. */
static int inject_for_debugger(struct keel_vcpu *vcpu, u32 control)
{
	if (!(control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)))
		return 0;
	if (vcpu->arch.exception.pending || vcpu->arch.exception.injected)
		return -EBUSY;
	keel_queue_exception(vcpu, control & KVM_GUESTDBG_INJECT_DB ? X86_TRAP_DB : X86_TRAP_BP);
	return 0;
}

static void set_breakpoints(struct keel_vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	if (!debugged(vcpu, KVM_GUESTDBG_USE_HW_BP))
		return;
	memcpy(vcpu->arch.eff_db, dbg->arch.debugreg, sizeof(vcpu->arch.eff_db));
	vcpu->arch.guest_debug_dr7 = dr7_value(vcpu, dbg->arch.debugreg[7]);
}

/* Single step is TF in the CPU's flags, hidden from userspace's view of them. */
long keel_ioc_set_guest_debug(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_guest_debug *dbg = arg.buf;
	u32 control = dbg->control;
	u64 rflags;
	int r;

	if (control & ~KEEL_GUESTDBG_KNOWN)
		return -EINVAL;
	r = inject_for_debugger(vcpu, control);
	if (r)
		return r;
	rflags = keel_rflags_to_user(vcpu);
	vcpu->arch.guest_debug = 0;
	if (control & KVM_GUESTDBG_ENABLE)
		vcpu->arch.guest_debug = control & ~(KVM_GUESTDBG_INJECT_DB |
						     KVM_GUESTDBG_INJECT_BP);
	set_breakpoints(vcpu, dbg);
	keel_rflags_from_user(vcpu, rflags);
	debug_update(vcpu);
	return 0;
}

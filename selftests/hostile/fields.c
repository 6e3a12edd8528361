// SPDX-License-Identifier: GPL-2.0
/*
 * fields.c - arguments of ioctls: mostly right, and wrong where it hurts
 */
#include <string.h>
#include <sys/ioctl.h>
#include "gcode.h"
#include "storm.h"

enum { RIGHT, ONE_WRONG, MANY_WRONG, BAD_POINTER };

static u64 right_size(struct rng *r)
{
	static const u64 sizes[] = {
		0, PAGE, 2 * PAGE, 16 * PAGE, 1 << 20, 2 << 20, GUEST_MEM, 1, 4, 8,
	};

	return rng_pick(r, sizes);
}

static u64 right_value(struct world *w, const struct field *f, struct rng *r)
{
	switch (f->type) {
	case F_ZERO: return 0;
	case F_ONE: return f->arg;
	case F_MAX: return rng_below(r, f->arg + 1);
	case F_COUNT: return rng_one_in(r, 2) ? rng_below(r, 4) : rng_below(r, f->arg + 1);
	case F_BITS: return rng_next(r) & f->arg & (rng_one_in(r, 2) ? ~0U : rng_next(r));
	case F_GPA: return gcode_address(r);
	case F_HVA: return world_hva(w, r);
	case F_SIZE: return right_size(r);
	case F_FD: return world_any_fd(w, r);
	case F_MSR: return gcode_msr(r);
	case F_MSR_VALUE: return gcode_msr_value(r);
	case F_LENGTH: return (1 << rng_below(r, 5)) >> 1;
	case F_GSI: return rng_below(r, rng_one_in(r, 4) ? 5000 : 24);
	default: return rng_one_in(r, 2) ? rng_boundary(r) : rng_below(r, 16);
	}
}

static void put_field(u8 *buf, const struct field *f, unsigned int i, u64 val)
{
	memcpy(buf + f->at + i * f->stride, &val, f->size);
}

static void fill_field(struct world *w, u8 *buf, const struct field *f, struct rng *r, bool wrong)
{
	unsigned int i, n = f->repeat ? f->repeat : 1;

	for (i = 0; i < n; i++)
		put_field(buf, f, i, wrong ? rng_boundary(r) : right_value(w, f, r));
}

/* Bits that may be set: flipping one or two of what is there keeps most states sane. */
static void change_field(struct world *w, u8 *buf, const struct field *f, struct rng *r)
{
	unsigned int i = f->repeat ? rng_below(r, f->repeat) : 0;
	u64 val = 0;

	memcpy(&val, buf + f->at + i * f->stride, f->size);
	if (f->type == F_BITS)
		val ^= (1ULL << rng_below(r, 64)) & f->arg;
	else
		val = right_value(w, f, r);
	put_field(buf, f, i, val);
}

static const struct field *any_field(const struct call *c, struct rng *r)
{
	return &c->fields[rng_below(r, c->nr_fields)];
}

/* From what is there; else from nothing, all fields in their order. */
static void fill(struct world *w, const struct call *c, int fd, struct rng *r, unsigned int level,
		 u8 *buf)
{
	unsigned int i, n;

	memset(buf, 0, c->size);
	if (c->before == KVM_GET_CPUID2)
		((struct kvm_cpuid2 *)buf)->nent = 256;
	if (c->before && !rng_one_in(r, 8) && !ioctl(fd, c->before, buf)) {
		for (n = rng_below(r, 4); n && c->nr_fields; n--)
			change_field(w, buf, any_field(c, r), r);
	} else {
		for (i = 0; i < c->nr_fields; i++)
			if (c->fields[i].type != F_ONE || rng_one_in(r, 2))
				fill_field(w, buf, &c->fields[i], r, false);
	}
	if (level == RIGHT || !c->nr_fields)
		return;
	for (n = level == ONE_WRONG ? 1 : 1 + rng_below(r, 6); n; n--)
		fill_field(w, buf, any_field(c, r), r, true);
	if (level == MANY_WRONG)
		for (n = rng_below(r, 8); n; n--)
			buf[rng_below(r, c->size)] = rng_next(r);
}

/* Not mapped, not writable, ending too early, the kernel's, not an address at all. */
static unsigned long bad_pointer(struct world *w, const struct call *c, struct rng *r,
				 const u8 *buf)
{
	u32 size = c->size < PAGE ? c->size : PAGE;
	u32 kept = size ? rng_below(r, size) : 0;

	switch (rng_below(r, 6)) {
	case 0: return 0;
	case 1: return 8;
	case 2: return 0xffff888000000000UL + rng_below(r, 1 << 20);
	case 3: return rng_boundary(r);
	case 4:		/* zeros: as registers they have no TR, see tcg_stands_tr() */
		return c->cmd == KVM_SET_SREGS && on_host("amd") ? 8 :
		       (unsigned long)w->rom + rng_below(r, 64);
	default:
		/* The page behind is not there. */
		memcpy(w->half + PAGE - kept, buf, kept);
		return (unsigned long)w->half + PAGE - kept;
	}
}

unsigned long make_argument(struct world *w, const struct call *c, int fd, struct rng *r,
			    unsigned int level, u8 *buf)
{
	struct kvm_signal_mask *mask = (void *)buf;

	if (c->value && c->before && rng_one_in(r, 2))
		return ioctl(fd, c->before, 0);
	if (c->value)
		return level ? rng_boundary(r) : c->max ? rng_below(r, c->max + 1) : 0;
	fill(w, c, fd, r, level, buf);
	/* What ends endless guests must not be blocked. */
	if (c->cmd == KVM_SET_SIGNAL_MASK)
		mask->sigset[(KICK_SIGNAL - 1) / 8] &= ~(1 << ((KICK_SIGNAL - 1) % 8));
	if (c->cmd == KVM_SET_SREGS)
		tcg_stands_tr((void *)buf);
	return level >= BAD_POINTER && c->cmd != KVM_SET_SIGNAL_MASK ?
	       bad_pointer(w, c, r, buf) : (unsigned long)buf;
}

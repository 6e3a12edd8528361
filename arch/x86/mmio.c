// SPDX-License-Identifier: GPL-2.0
/*
 * mmio.c - the emulator's memory: guest RAM, the devices in the kernel, userspace
 *
 * Where no memory answers there is a device. Its accesses are cut into pieces of
 * at most eight bytes, and each piece goes into a log with what it read. An
 * instruction that must wait for userspace is run anew later; then it makes the
 * same accesses, and gets those in the log from there: a device sees each once.
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <keel/gfn.h>
#include <keel/iobus.h>
#include "emulate.h"
#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "trace.h"

#define MMIO_PIECE	8U	/* kvm_run->mmio.data */

/* ---- the log ---- */

void keel_mmio_forget(struct keel_vcpu *vcpu)
{
	vcpu->arch.mmio.nr = 0;
	vcpu->arch.mmio.next = 0;
}

void keel_mmio_replay(struct keel_vcpu *vcpu)
{
	vcpu->arch.mmio.next = 0;
}

static struct keel_mmio_frag *mmio_last(struct keel_vcpu *vcpu)
{
	return &vcpu->arch.mmio.frag[vcpu->arch.mmio.nr - 1];
}

bool keel_mmio_waits(const struct keel_vcpu *vcpu)
{
	const struct keel_mmio *m = &vcpu->arch.mmio;

	return m->nr && !m->frag[m->nr - 1].done;
}

/* ---- userspace ---- */

/* The answer is read once, into the log. */
static int mmio_complete(struct keel_vcpu *vcpu)
{
	struct keel_mmio_frag *f;

	vcpu->complete = NULL;
	if (!keel_mmio_waits(vcpu))
		return KEEL_RESUME;
	f = mmio_last(vcpu);
	if (!f->write)
		memcpy(f->data, vcpu->run->mmio.data, f->len);
	f->done = true;
	return keel_emulate_again(vcpu, vcpu->arch.mmio.rip);
}

int keel_mmio_to_user(struct keel_vcpu *vcpu, u64 rip)
{
	const struct keel_mmio_frag *f = mmio_last(vcpu);
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = f->gpa;
	run->mmio.len = f->len;
	run->mmio.is_write = f->write;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (f->write)
		memcpy(run->mmio.data, f->data, f->len);
	vcpu->arch.mmio.rip = rip;
	vcpu->complete = mmio_complete;
	return KEEL_TO_USER;
}

/* ---- one piece ---- */

int keel_mmio_write(struct keel_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *data)
{
	if (keel_apic_is_at(vcpu, gpa) && !keel_apic_mmio_write(vcpu, gpa, len, data))
		return 0;
	return keel_bus_write(vcpu, KEEL_BUS_MMIO, gpa, len, data);
}

int keel_mmio_read(struct keel_vcpu *vcpu, gpa_t gpa, unsigned int len, void *data)
{
	if (keel_apic_is_at(vcpu, gpa) && !keel_apic_mmio_read(vcpu, gpa, len, data))
		return 0;
	return keel_bus_read(vcpu, KEEL_BUS_MMIO, gpa, len, data);
}

bool keel_mmio_write_quick(struct keel_vcpu *vcpu, gpa_t gpa)
{
	return !keel_apic_is_at(vcpu, gpa) || keel_apic_reg_quick(gpa & 0xff0);
}

static bool mmio_in_kernel(struct keel_vcpu *vcpu, struct keel_mmio_frag *f)
{
	return !(f->write ? keel_mmio_write(vcpu, f->gpa, f->len, f->data) :
			    keel_mmio_read(vcpu, f->gpa, f->len, f->data));
}

static void mmio_trace(struct keel_vcpu *vcpu, const struct keel_mmio_frag *f)
{
	u64 value = 0;

	if (!trace_keel_mmio_enabled())
		return;
	if (f->write || f->done)
		memcpy(&value, f->data, min_t(unsigned int, f->len, sizeof(value)));
	trace_keel_mmio(vcpu->id, f->write, f->gpa, f->len, value, f->done);
}

static bool mmio_same(const struct keel_mmio_frag *a, const struct keel_mmio_frag *b)
{
	return a->gpa == b->gpa && a->len == b->len && a->write == b->write;
}

/*
 * @want: in, and for a read out. A replayed write is not compared by data: memory
 * that it came from may have changed, but the device has had its write. A replay
 * that goes another way (somebody moved memory or registers) voids the log.
 */
static enum emul_result mmio_frag(struct keel_vcpu *vcpu, struct keel_mmio_frag *want)
{
	struct keel_mmio *m = &vcpu->arch.mmio;
	struct keel_mmio_frag *f;

	if (m->next < m->nr) {
		f = &m->frag[m->next];
		if (!f->done || !mmio_same(f, want)) {
			keel_mmio_forget(vcpu);
			return EMUL_INTR;
		}
	} else {
		if (m->nr == ARRAY_SIZE(m->frag))
			return EMUL_UNHANDLED;
		f = &m->frag[m->nr++];
		*f = *want;
		f->done = mmio_in_kernel(vcpu, f);
		mmio_trace(vcpu, f);
		if (!f->done)
			return EMUL_WAIT;
	}
	m->next++;
	memcpy(want->data, f->data, sizeof(want->data));
	return EMUL_DONE;
}

static enum emul_result mmio_read(struct keel_vcpu *vcpu, gpa_t gpa, u8 *buf, unsigned int len)
{
	enum emul_result r;
	unsigned int n;

	for (; len; len -= n, gpa += n, buf += n) {
		struct keel_mmio_frag f = { .gpa = gpa };

		n = min(len, MMIO_PIECE);
		f.len = n;
		r = mmio_frag(vcpu, &f);
		if (r != EMUL_DONE)
			return r;
		memcpy(buf, f.data, n);
	}
	return EMUL_DONE;
}

static enum emul_result mmio_write(struct keel_vcpu *vcpu, gpa_t gpa, const u8 *buf,
				   unsigned int len)
{
	enum emul_result r;
	unsigned int n;

	for (; len; len -= n, gpa += n, buf += n) {
		struct keel_mmio_frag f = { .gpa = gpa, .write = true };

		n = min(len, MMIO_PIECE);
		f.len = n;
		memcpy(f.data, buf, n);
		r = mmio_frag(vcpu, &f);
		if (r != EMUL_DONE)
			return r;
	}
	return EMUL_DONE;
}

/* ---- a linear range: one or two pages ---- */

struct mmio_span {
	gpa_t gpa[2];
	unsigned int len[2];	/* [1] is 0 in one page */
};

/* Both pages are translated before either is touched: a fault finds nothing done. */
static enum emul_result mmio_translate(struct emul_ctxt *c, gva_t addr, unsigned int len,
				       unsigned int access, struct mmio_span *s)
{
	struct keel_vcpu *vcpu = c->priv;
	enum emul_result r;
	gva_t next;

	s->len[0] = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(addr));
	s->len[1] = len - s->len[0];
	access &= EMUL_WRITE | EMUL_FETCH | EMUL_USER;
	r = keel_gwalk(vcpu, addr, access, &s->gpa[0], &c->fault);
	if (r != EMUL_DONE || !s->len[1])
		return r;
	next = addr + s->len[0];
	if (c->mode != EMUL_LONG)
		next = (u32)next;
	return keel_gwalk(vcpu, next, access, &s->gpa[1], &c->fault);
}

enum emul_result keel_emul_fetch(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				 unsigned int *got)
{
	unsigned int access = EMUL_FETCH | (c->cpl == 3 ? EMUL_USER : 0);
	struct keel_vcpu *vcpu = c->priv;
	struct mmio_span s;
	enum emul_result r;

	len = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(addr));
	r = mmio_translate(c, addr, len, access, &s);
	if (r != EMUL_DONE)
		return r;
	if (keel_read_guest(vcpu, s.gpa[0], buf, len))
		return EMUL_UNHANDLED;	/* code in a device */
	*got = len;
	return EMUL_DONE;
}

enum emul_result keel_emul_read(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				unsigned int access)
{
	struct keel_vcpu *vcpu = c->priv;
	struct mmio_span s;
	enum emul_result r;
	unsigned int i;

	r = mmio_translate(c, addr, len, access & ~EMUL_WRITE, &s);
	for (i = 0; r == EMUL_DONE && i < 2 && s.len[i]; i++) {
		if (keel_read_guest(vcpu, s.gpa[i], buf, s.len[i]))
			r = mmio_read(vcpu, s.gpa[i], buf, s.len[i]);
		buf += s.len[i];
	}
	return r;
}

/* One side of a page boundary. EMUL_UNHANDLED: it is not RAM. */
static enum emul_result mmio_write_ram(struct keel_vcpu *vcpu, const struct mmio_span *s,
				       unsigned int i, const void *buf)
{
	return keel_write_guest(vcpu, s->gpa[i], buf, s->len[i]) ? EMUL_UNHANDLED : EMUL_DONE;
}

/*
 * Where one side is RAM and the other MMIO, MMIO goes first: it may have to wait for
 * userspace, and what is read when the instruction starts anew must still be the old.
 */
static enum emul_result mmio_write_span(struct keel_vcpu *vcpu, const struct mmio_span *s,
					const void *buf)
{
	enum emul_result r = EMUL_DONE;
	bool ram[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ram[i] = s->len[i] && keel_gfn_writable(vcpu, s->gpa[i] >> PAGE_SHIFT);
	for (i = 0; r == EMUL_DONE && i < 2; i++)
		if (s->len[i] && !ram[i])
			r = mmio_write(vcpu, s->gpa[i], buf + (i ? s->len[0] : 0), s->len[i]);
	for (i = 0; r == EMUL_DONE && i < 2; i++) {
		if (!ram[i])
			continue;
		r = mmio_write_ram(vcpu, s, i, buf + (i ? s->len[0] : 0));
		if (r == EMUL_UNHANDLED)	/* read-only, or not there to write */
			r = mmio_write(vcpu, s->gpa[i], buf + (i ? s->len[0] : 0), s->len[i]);
	}
	return r;
}

enum emul_result keel_emul_write(struct emul_ctxt *c, gva_t addr, const void *buf,
				 unsigned int len, unsigned int access)
{
	struct mmio_span s;
	enum emul_result r;

	r = mmio_translate(c, addr, len, access | EMUL_WRITE, &s);
	return r == EMUL_DONE ? mmio_write_span(c->priv, &s, buf) : r;
}

/* Not atomic across two pages: there it is a write, as a device's is. */
enum emul_result keel_emul_cmpxchg(struct emul_ctxt *c, gva_t addr, const void *old,
				   const void *new, unsigned int len, unsigned int access)
{
	struct keel_vcpu *vcpu = c->priv;
	struct mmio_span s;
	enum emul_result r;
	u8 was[16];

	if (len > sizeof(was))
		return EMUL_UNHANDLED;
	r = mmio_translate(c, addr, len, access | EMUL_WRITE, &s);
	if (r != EMUL_DONE)
		return r;
	if (s.len[1])
		return mmio_write_span(vcpu, &s, new);
	memcpy(was, old, len);
	switch (keel_cmpxchg_guest(vcpu, s.gpa[0], was, new, len)) {
	case 0:
		return EMUL_DONE;
	case -EAGAIN:
		return EMUL_INTR;
	default:
		return mmio_write(vcpu, s.gpa[0], new, len);
	}
}

enum emul_result keel_emul_probe_write(struct emul_ctxt *c, gva_t addr, unsigned int len,
				       unsigned int access)
{
	struct mmio_span s;

	return mmio_translate(c, addr, len, access | EMUL_WRITE, &s);
}

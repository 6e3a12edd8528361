// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - a vCPU's registers: round trips, what is refused, state after reset
 */
#include "abi.h"

static struct vm vm;
static struct vcpu c;

static void make(unsigned int flags)
{
	make_vm(&vm, flags | VM_NO_MEM);
	make_vcpu(&c, &vm, 0);
}

/* ---- general registers ---- */

TEST(reset_state)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	make(0);
	r = get_regs(&c);
	s = get_sregs(&c);
	EXPECT_EQ(r.rip, 0xfff0);
	EXPECT_EQ(r.rflags, 2);
	EXPECT_EQ(r.rdx, 0x600);
	EXPECT_EQ(r.rax | r.rbx | r.rcx | r.rsi | r.rdi | r.rsp | r.rbp | r.r8 | r.r15, 0);
	EXPECT_EQ(s.cs.base, 0xffff0000);
	EXPECT_EQ(s.cs.selector, 0xf000);
	EXPECT_EQ(s.cs.limit, 0xffff);
	EXPECT_EQ(s.cs.type | 1, 11);		/* accessed or not */
	EXPECT_EQ(s.cs.present, 1);
	EXPECT_EQ(s.ds.base | s.es.base | s.ss.base | s.fs.base | s.gs.base, 0);
	EXPECT_EQ(s.ds.type, 3);
	EXPECT_EQ(s.ds.limit, 0xffff);
	EXPECT_EQ(s.tr.type | 8, 11);		/* of 16 or 32 bits */
	EXPECT_EQ(s.ldt.type, 2);
	EXPECT_EQ(s.gdt.limit, 0xffff);
	EXPECT_EQ(s.idt.limit, 0xffff);
	EXPECT_EQ(s.cr0, 0x60000010);
	EXPECT_EQ(s.cr2 | s.cr3 | s.cr4 | s.cr8 | s.efer, 0);
	EXPECT_EQ(s.apic_base, 0xfee00900);	/* the boot CPU, whoever has its APIC */
}

TEST(reset_state_with_apic)
{
	struct vcpu b;

	make(VM_IRQCHIP);
	make_vcpu(&b, &vm, 1);
	EXPECT_EQ(get_sregs(&c).apic_base, 0xfee00900);
	EXPECT_EQ(get_sregs(&b).apic_base, 0xfee00800);
}

TEST(regs)
{
	struct kvm_regs a, b;
	uint64_t *w = (void *)&a;
	unsigned int i;

	make(0);
	for (i = 0; i < sizeof(a) / 8; i++)
		w[i] = 0x0123456789abcdef * (i + 1);
	a.rflags = 0x202 | 0xcd5;	/* all of the arithmetic flags, IF, DF */
	set_regs(&c, &a);
	b = get_regs(&c);
	EXPECT_EQ(memcmp(&a, &b, sizeof(a)), 0);
}

/* RFLAGS: bit 1 is 1 whatever is set. */
TEST(regs_rflags_fixed)
{
	struct kvm_regs r;

	make(0);
	r = get_regs(&c);
	r.rflags = 0;
	set_regs(&c, &r);
	EXPECT_EQ(get_regs(&c).rflags, 2);
}

TEST(regs_rflags_reserved)
{
	struct kvm_regs r;

	DIFFERS("kvm keeps bits of RFLAGS that do not exist, Keel drops them");
	make(0);
	r = get_regs(&c);
	r.rflags = ~0UL;
	set_regs(&c, &r);
	EXPECT_EQ(get_regs(&c).rflags, 0x3f7fd7);
}

/* ---- sregs ---- */

static void same_sregs(const struct kvm_sregs *a)
{
	struct kvm_sregs b = get_sregs(&c);

	EXPECT_EQ(memcmp(a, &b, sizeof(b)), 0);
}

TEST(sregs_same)
{
	struct kvm_sregs s;

	make(0);
	s = get_sregs(&c);
	set_sregs(&c, &s);
	same_sregs(&s);
}

TEST(sregs_values)
{
	struct kvm_sregs s;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	start_long(&c, CODE);
	s = get_sregs(&c);
	s.fs.base = 0x7fff12345000;
	s.gs.base = 0xffff888000000000;
	s.es.selector = 0x2b;
	s.es.dpl = 3;
	s.tr = (struct kvm_segment){
		.base = 0xfffffe0000003000, .limit = 0x206f, .selector = 0x40, .type = 11,
		.present = 1,
	};
	s.ldt = (struct kvm_segment){ .unusable = 1 };
	s.gdt = (struct kvm_dtable){ .base = 0xfffffe0000001000, .limit = 0x7f };
	s.idt = (struct kvm_dtable){ .base = 0xfffffe0000000000, .limit = 0xfff };
	s.cr2 = 0x123456789000;
	s.cr8 = 3;
	set_sregs(&c, &s);
	s.ldt = get_sregs(&c).ldt;	/* unusable: the rest means nothing */
	EXPECT_EQ(s.ldt.unusable, 1);
	same_sregs(&s);
}

static void bad_sregs(const struct kvm_sregs *s)
{
	EXPECT_ERR(ioctl(c.fd, KVM_SET_SREGS, s), EINVAL);
}

TEST(sregs_bad_control)
{
	struct kvm_sregs good, s;

	make(0);
	good = get_sregs(&c);
	s = good, s.cr0 |= 1UL << 32, bad_sregs(&s);
	s = good, s.cr0 |= 1UL << 63, bad_sregs(&s);
	s = good, s.cr0 |= 1UL << 31, bad_sregs(&s);		/* PG without PE */
	s = good, s.cr0 = 0x20000010, bad_sregs(&s);		/* NW without CD */
	s = good, s.cr4 |= 1UL << 63, bad_sregs(&s);
	s = good, s.cr4 |= 1UL << 30, bad_sregs(&s);
	s = good, s.cr4 |= 1UL << 13, bad_sregs(&s);		/* VMXE on AMD */
	s = good, s.apic_base |= 1, bad_sregs(&s);
	s = good, s.apic_base = 0xfee00400, bad_sregs(&s);	/* x2APIC, not enabled */
	same_sregs(&good);
}

TEST(sregs_bad_long_mode)
{
	struct kvm_sregs good, s;

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	start_long(&c, CODE);
	good = get_sregs(&c);
	s = good, s.cr4 &= ~0x20UL, bad_sregs(&s);	/* no PAE */
	s = good, s.efer = 0x100, bad_sregs(&s);	/* LME without LMA */
	s = good, s.efer = 0x400, bad_sregs(&s);
	s = good, s.efer = 0, bad_sregs(&s);		/* CS.L */
	s = good, s.cr0 &= ~(1UL << 31), bad_sregs(&s);
	s = good, s.cr3 |= 1UL << 60, bad_sregs(&s);
	same_sregs(&good);
}

TEST(sregs_bad_efer)
{
	struct kvm_sregs s;

	DIFFERS("kvm takes any EFER, Keel those that the host has");
	make(0);
	s = get_sregs(&c);
	s.efer = 1UL << 40;
	bad_sregs(&s);
}

TEST(sregs_interrupt_bitmap)
{
	struct kvm_sregs s;
	struct kvm_vcpu_events ev;

	make(0);
	s = get_sregs(&c);
	s.interrupt_bitmap[1] = 1UL << 5;
	set_sregs(&c, &s);
	EXPECT_EQ(get_sregs(&c).interrupt_bitmap[1], 1UL << 5);
	ASSERT_OK(ioctl(c.fd, KVM_GET_VCPU_EVENTS, &ev));
	EXPECT_EQ(ev.interrupt.injected, 1);
	EXPECT_EQ(ev.interrupt.nr, 69);
}

TEST(translate)
{
	struct kvm_translation tr = { .linear_address = 0x123456 };

	make_vm(&vm, 0);
	make_vcpu(&c, &vm, 0);
	ASSERT_OK(ioctl(c.fd, KVM_TRANSLATE, &tr));
	EXPECT_EQ(tr.valid, 1);
	EXPECT_EQ(tr.physical_address, 0x123456);
	start_long(&c, CODE);
	tr.linear_address = 0xd0000123;
	ASSERT_OK(ioctl(c.fd, KVM_TRANSLATE, &tr));
	EXPECT_EQ(tr.valid, 1);
	EXPECT_EQ(tr.physical_address, 0xd0000123);
	tr.linear_address = 0x7f0000000000;
	ASSERT_OK(ioctl(c.fd, KVM_TRANSLATE, &tr));
	EXPECT_EQ(tr.valid, 0);
	EXPECT_EQ(tr.physical_address, ~0ULL);
}

/* ---- FPU ---- */

TEST(fpu)
{
	struct kvm_fpu a, b;
	unsigned int i;

	make(0);
	memset(&a, 0xff, sizeof(a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_FPU, &a));
	EXPECT_EQ(a.fcw, 0x37f);
	if (!abi_on_kvm())		/* which has no MXCSR here */
		EXPECT_EQ(a.mxcsr, 0x1f80);
	for (i = 0; i < 8; i++)
		memset(a.fpr[i], 0x10 + i, 10);
	for (i = 0; i < 16; i++)
		memset(a.xmm[i], 0x80 + i, 16);
	a.fcw = 0x27f;
	a.fsw = 0x3800;
	a.ftwx = 0xff;
	a.last_opcode = 0x123;
	a.last_ip = 0x456789;
	a.last_dp = 0xabcdef;
	ASSERT_OK(ioctl(c.fd, KVM_SET_FPU, &a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_FPU, &b));
	EXPECT_EQ(memcmp(a.fpr, b.fpr, sizeof(a.fpr)), 0);
	EXPECT_EQ(memcmp(a.xmm, b.xmm, sizeof(a.xmm)), 0);
	EXPECT_EQ(b.fcw, a.fcw);
	EXPECT_EQ(b.fsw, a.fsw);
	EXPECT_EQ(b.ftwx, a.ftwx);
	EXPECT_EQ(b.last_opcode, a.last_opcode);
	EXPECT_EQ(b.last_ip, a.last_ip);
	EXPECT_EQ(b.last_dp, a.last_dp);
}

static struct kvm_xsave *get_xsave(void)
{
	struct kvm_xsave *x = calloc(1, sizeof(*x));

	ASSERT_OK(ioctl(c.fd, KVM_GET_XSAVE, x));
	return x;
}

#define XSTATE_BV	(512 / 4)	/* in words of the region */
#define XCOMP_BV	(520 / 4)

TEST(xsave)
{
	struct kvm_xsave *a, *b;
	unsigned int i;

	make(0);
	a = get_xsave();
	EXPECT_EQ(a->region[0] & 0xffff, 0x37f);
	EXPECT_EQ(a->region[6], 0x1f80);
	for (i = 40; i < 104; i++)
		a->region[i] = i * 0x01010101;	/* the XMM registers */
	a->region[XSTATE_BV] = 3;
	ASSERT_OK(ioctl(c.fd, KVM_SET_XSAVE, a));
	b = get_xsave();
	EXPECT_EQ(memcmp(a->region, b->region, 464), 0);	/* to the bytes for software */
	EXPECT_EQ(b->region[XSTATE_BV] & 3, 3);
}

TEST(xsave_bad)
{
	struct kvm_xsave *good, *x;

	make(0);
	good = get_xsave();
	x = get_xsave();
	x->region[XSTATE_BV + 1] = 1U << 30;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_XSAVE, x), EINVAL);
	x->region[XSTATE_BV + 1] = 0;
	x->region[XSTATE_BV] |= 1 << 10;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_XSAVE, x), EINVAL);
	free(x);
	x = get_xsave();
	x->region[XSTATE_BV] |= 2;
	x->region[6] = 0xffffffff;	/* MXCSR */
	EXPECT_ERR(ioctl(c.fd, KVM_SET_XSAVE, x), EINVAL);
	free(x);
	x = get_xsave();
	EXPECT_EQ(memcmp(x, good, sizeof(*x)), 0);
}

TEST(xsave2)
{
	struct kvm_xsave *a = calloc(1, 4 * sizeof(*a)), *b;

	make(0);
	if (!cap(KVM_CAP_XSAVE2))
		SKIP("no KVM_CAP_XSAVE2");
	b = get_xsave();
	ASSERT_OK(ioctl(c.fd, KVM_GET_XSAVE2, a));
	EXPECT_EQ(memcmp(a, b, sizeof(*b)), 0);
	EXPECT_ERR(ioctl(c.fd, KVM_GET_XSAVE2, BAD_PTR), EFAULT);
}

/* kvm's KVM_SET_FPU is lost where the state still counts as the initial one. */
static void leave_initial_state(void)
{
	struct kvm_xsave *x;

	if (!abi_on_kvm())
		return;
	x = get_xsave();
	x->region[XSTATE_BV] |= 3;
	ASSERT_OK(ioctl(c.fd, KVM_SET_XSAVE, x));
	free(x);
}

/* What the one sets the other gets. */
TEST(fpu_and_xsave)
{
	struct kvm_xsave *x;
	struct kvm_fpu f;

	make(0);
	leave_initial_state();
	ASSERT_OK(ioctl(c.fd, KVM_GET_FPU, &f));
	memset(f.xmm[5], 0x55, 16);
	f.fcw = 0x33f;
	ASSERT_OK(ioctl(c.fd, KVM_SET_FPU, &f));
	x = get_xsave();
	EXPECT_EQ(x->region[0] & 0xffff, 0x33f);
	EXPECT_EQ(x->region[40 + 5 * 4], 0x55555555);
	x->region[40 + 5 * 4] = 0x66666666;
	x->region[XSTATE_BV] |= 3;
	ASSERT_OK(ioctl(c.fd, KVM_SET_XSAVE, x));
	ASSERT_OK(ioctl(c.fd, KVM_GET_FPU, &f));
	EXPECT_EQ(f.xmm[5][0], 0x66);
	EXPECT_EQ(f.xmm[5][4], 0x55);
}

/* And what is set is what the guest has. */
TEST(fpu_in_guest)
{
	GUEST(64, swap_xmm,
	      "movups %xmm2, 0x7000\n"
	      "movups 0x7010, %xmm2\n"
	      GUEST_OUT);
	struct kvm_fpu f;

	make_guest(&vm, &c, 0, swap_xmm, swap_xmm_end);
	start_long(&c, CODE);
	memset(vm.mem + 0x7010, 0x77, 16);
	leave_initial_state();
	ASSERT_OK(ioctl(c.fd, KVM_GET_FPU, &f));
	memset(f.xmm[2], 0x22, 16);
	ASSERT_OK(ioctl(c.fd, KVM_SET_FPU, &f));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(vm.mem[0x7000], 0x22);
	EXPECT_EQ(vm.mem[0x700f], 0x22);
	ASSERT_OK(ioctl(c.fd, KVM_GET_FPU, &f));
	EXPECT_EQ(f.xmm[2][0], 0x77);
	EXPECT_EQ(f.xmm[2][15], 0x77);
}

/* ---- XCR0 ---- */

static bool host_has_xsave(void)
{
	const struct kvm_cpuid_entry2 *e = find_cpuid(supported_cpuid(), 1, 0);

	return e && e->ecx & 1 << 26;
}

static int set_xcr0(uint64_t val)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = val };

	return ioctl(c.fd, KVM_SET_XCRS, &x);
}

TEST(xcrs)
{
	struct kvm_xcrs x;

	make(0);
	if (!host_has_xsave())
		SKIP("no XSAVE");
	memset(&x, 0xff, sizeof(x));
	set_all_cpuid(&c);
	ASSERT_OK(ioctl(c.fd, KVM_GET_XCRS, &x));
	EXPECT_EQ(x.nr_xcrs, 1);
	EXPECT_EQ(x.flags, 0);
	EXPECT_EQ(x.xcrs[0].xcr, 0);
	EXPECT_EQ(x.xcrs[0].value, 1);
	EXPECT_OK(set_xcr0(3));
	ASSERT_OK(ioctl(c.fd, KVM_GET_XCRS, &x));
	EXPECT_EQ(x.xcrs[0].value, 3);
}

TEST(xcrs_errors)
{
	struct kvm_xcrs x = { .nr_xcrs = 17 };

	make(0);
	if (!host_has_xsave())
		SKIP("no XSAVE");
	set_all_cpuid(&c);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_XCRS, &x), EINVAL);
	x.nr_xcrs = ~0U;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_XCRS, &x), EINVAL);
	x = (struct kvm_xcrs){ .nr_xcrs = 1, .flags = 1, .xcrs[0].value = 1 };
	EXPECT_ERR(ioctl(c.fd, KVM_SET_XCRS, &x), EINVAL);
	EXPECT_ERR(set_xcr0(0), EINVAL);	/* x87 is always on */
	EXPECT_ERR(set_xcr0(2), EINVAL);
	EXPECT_ERR(set_xcr0(5), EINVAL);	/* AVX without SSE */
	EXPECT_ERR(set_xcr0(1UL << 63 | 1), EINVAL);
	x = (struct kvm_xcrs){ .nr_xcrs = 0 };
	EXPECT_OK(ioctl(c.fd, KVM_SET_XCRS, &x));
}

/* ---- debug registers ---- */

TEST(debugregs)
{
	struct kvm_debugregs a, b;

	make(0);
	memset(&a, 0xff, sizeof(a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_DEBUGREGS, &a));
	EXPECT_EQ(a.dr6, 0xffff0ff0);
	EXPECT_EQ(a.dr7, 0x400);
	EXPECT_EQ(a.flags, 0);
	EXPECT_EQ(a.db[0] | a.db[1] | a.db[2] | a.db[3], 0);
	a.db[0] = 0x1000;
	a.db[1] = 0xffff800000001000;
	a.db[3] = 1;
	a.dr6 = 0xffff4ff1;
	a.dr7 = 0x55;
	ASSERT_OK(ioctl(c.fd, KVM_SET_DEBUGREGS, &a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_DEBUGREGS, &b));
	EXPECT_EQ(memcmp(a.db, b.db, sizeof(a.db)), 0);
	EXPECT_EQ(b.dr6, 0xffff4ff1);
	EXPECT_EQ(b.dr7 & ~0x400UL, 0x55);
}

TEST(debugregs_errors)
{
	struct kvm_debugregs d;

	make(0);
	ASSERT_OK(ioctl(c.fd, KVM_GET_DEBUGREGS, &d));
	d.flags = 1;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	d.flags = 0;
	d.dr6 |= 1UL << 32;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	d.dr6 = 0;
	d.dr7 = 1UL << 32;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_DEBUGREGS, &d), EINVAL);
}

/* ---- events ---- */

static struct kvm_vcpu_events events(void)
{
	struct kvm_vcpu_events ev;

	memset(&ev, 0xff, sizeof(ev));
	ASSERT_OK(ioctl(c.fd, KVM_GET_VCPU_EVENTS, &ev));
	return ev;
}

TEST(vcpu_events)
{
	struct kvm_vcpu_events ev;

	make(0);
	ev = events();
	EXPECT_EQ(ev.exception.injected | ev.interrupt.injected | ev.nmi.injected, 0);
	EXPECT_EQ(ev.nmi.pending | ev.nmi.masked | ev.interrupt.shadow, 0);
	EXPECT_EQ(ev.flags & 5, 5);
	ev.nmi.pending = 1;
	ev.nmi.masked = 1;
	ev.interrupt.shadow = 1;
	ev.exception.injected = 1;
	ev.exception.nr = 14;
	ev.exception.has_error_code = 1;
	ev.exception.error_code = 0x15;
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	ev = events();
	EXPECT_EQ(ev.nmi.pending, 1);
	EXPECT_EQ(ev.nmi.masked, 1);
	EXPECT_NE(ev.interrupt.shadow, 0);
	EXPECT_EQ(ev.exception.injected, 1);
	EXPECT_EQ(ev.exception.nr, 14);
	EXPECT_EQ(ev.exception.has_error_code, 1);
	EXPECT_EQ(ev.exception.error_code, 0x15);
}

TEST(vcpu_events_optional)
{
	struct kvm_vcpu_events ev;

	make(VM_IRQCHIP);
	ev = events();
	ev.nmi.pending = 1;
	ev.interrupt.shadow = 1;
	ev.sipi_vector = 0x9a;
	ev.flags = 0;
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	ev = events();
	EXPECT_EQ(ev.nmi.pending, 0);
	EXPECT_EQ(ev.interrupt.shadow, 0);
	EXPECT_EQ(ev.sipi_vector, 0);
}

TEST(vcpu_events_errors)
{
	struct kvm_vcpu_events good, ev;

	make(0);
	good = events();
	ev = good;
	ev.flags |= 1U << 31;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	ev = good;
	ev.exception.injected = 1;
	ev.exception.nr = 32;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	ev.exception.nr = 2;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	ev = good;
	ev.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;	/* not enabled */
	EXPECT_ERR(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
}

/* An exception that was set is taken. */
TEST(vcpu_events_exception_taken)
{
	GUEST(16, at_once, GUEST_OUT);
	struct kvm_vcpu_events ev;

	make_guest(&vm, &c, 0, at_once, at_once_end);
	guest_code(&vm, 0x3000, at_once, at_once_end);
	set_idt_entry(&vm, 6, 0x3000);
	ev = events();
	ev.exception.injected = 1;
	ev.exception.nr = 6;
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rip & ~0xfUL, 0x3000);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
	EXPECT_EQ(events().exception.injected, 0);
}

/* INT n, which KVM_GET_VCPU_EVENTS never shows, is executed again and not injected. */
TEST(vcpu_events_soft_interrupt)
{
	GUEST(16, no_int, GUEST_OUT);
	struct kvm_vcpu_events ev;

	if (abi_on_kvm())
		SKIP("kvm injects it");
	make_guest(&vm, &c, 0, no_int, no_int_end);
	ev = events();
	ev.interrupt.injected = 1;
	ev.interrupt.soft = 1;
	ev.interrupt.nr = 0x30;
	ASSERT_OK(ioctl(c.fd, KVM_SET_VCPU_EVENTS, &ev));
	EXPECT_EQ(events().interrupt.injected, 0);
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rip & ~0xfUL, CODE);
}

TEST(nmi_in_events)
{
	make(0);
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	EXPECT_EQ(events().nmi.pending, 1);
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	EXPECT_OK(ioctl(c.fd, KVM_NMI, 0));
	/* kvm of some versions says only that there are any. */
	if (!abi_on_kvm() || events().nmi.pending != 1)
		EXPECT_EQ(events().nmi.pending, 2);
}

/* ---- guest debug ---- */

TEST(guest_debug_errors)
{
	struct kvm_guest_debug dbg = { .control = 0 };

	make(0);
	EXPECT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	dbg.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	EXPECT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	dbg.control = KVM_GUESTDBG_INJECT_DB;
	EXPECT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	EXPECT_ERR(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg), EBUSY);
}

/* The handler of #BP finds the address behind INT3, who ever had it first. */
TEST(guest_debug_inject_bp)
{
	GUEST(16, on_bp, GUEST_OUT);
	static const uint8_t int3[] = { 0xcc, 0xf4 };
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};
	uint16_t ip;

	make_guest(&vm, &c, 0, int3, int3 + sizeof(int3));
	guest_code(&vm, 0x3000, on_bp, on_bp_end);
	set_idt_entry(&vm, 3, 0x3000);
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	if (!on_host("amd"))		/* which does not intercept INT3 */
		run_to(&c, KVM_EXIT_DEBUG);
	dbg.control |= KVM_GUESTDBG_INJECT_BP;
	ASSERT_OK(ioctl(c.fd, KVM_SET_GUEST_DEBUG, &dbg));
	run_to_out(&c, DONE_PORT);
	EXPECT_EQ(get_regs(&c).rip & ~0xfUL, 0x3000);
	EXPECT_EQ(get_regs(&c).rsp, STACK - 6);
	memcpy(&ip, vm.mem + STACK - 6, 2);
	EXPECT_EQ(ip, CODE + 1);
}

/* ---- LAPIC ---- */

static uint32_t lapic_reg(const struct kvm_lapic_state *s, unsigned int reg)
{
	uint32_t val;

	memcpy(&val, s->regs + reg, 4);
	return val;
}

static void set_lapic_reg(struct kvm_lapic_state *s, unsigned int reg, uint32_t val)
{
	memcpy(s->regs + reg, &val, 4);
}

TEST(lapic)
{
	struct kvm_lapic_state a, b;

	make(VM_IRQCHIP);
	memset(&a, 0xff, sizeof(a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &a));
	EXPECT_EQ(lapic_reg(&a, 0x20), 0);
	EXPECT_EQ(lapic_reg(&a, 0x30) & 0xff, 0x14);
	EXPECT_EQ(lapic_reg(&a, 0xf0), 0xff);
	EXPECT_EQ(lapic_reg(&a, 0xe0), ~0U);
	EXPECT_EQ(lapic_reg(&a, 0x350), 0x700);		/* ExtINT: the 8259s work at once */
	EXPECT_EQ(lapic_reg(&a, 0x320), 0x10000);
	set_lapic_reg(&a, 0x80, 0x30);
	set_lapic_reg(&a, 0xf0, 0x1ff);
	set_lapic_reg(&a, 0xd0, 0x01000000);
	set_lapic_reg(&a, 0x350, 0x10700);
	set_lapic_reg(&a, 0x360, 0x400);
	set_lapic_reg(&a, 0x210, 0x80);			/* vector 0x27 in IRR */
	ASSERT_OK(ioctl(c.fd, KVM_SET_LAPIC, &a));
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &b));
	EXPECT_EQ(lapic_reg(&b, 0x80), 0x30);
	EXPECT_EQ(lapic_reg(&b, 0xf0), 0x1ff);
	EXPECT_EQ(lapic_reg(&b, 0xd0), 0x01000000);
	EXPECT_EQ(lapic_reg(&b, 0x350), 0x10700);
	EXPECT_EQ(lapic_reg(&b, 0x360), 0x400);
	EXPECT_EQ(lapic_reg(&b, 0x210), 0x80);
	EXPECT_EQ(get_sregs(&c).cr8, 3);
}

TEST(lapic_garbage)
{
	GUEST(16, once3, "cli\n" GUEST_OUT);
	struct kvm_lapic_state a;

	make_guest(&vm, &c, VM_IRQCHIP, once3, once3_end);
	memset(&a, 0xff, sizeof(a));
	ioctl(c.fd, KVM_SET_LAPIC, &a);
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &a));
	run_to_out(&c, DONE_PORT);
	memset(&a, 0, sizeof(a));
	ioctl(c.fd, KVM_SET_LAPIC, &a);
	ASSERT_OK(ioctl(c.fd, KVM_GET_LAPIC, &a));
}

TEST(lapic_without)
{
	struct kvm_lapic_state a;

	memset(&a, 0, sizeof(a));
	make(0);
	EXPECT_ERR(ioctl(c.fd, KVM_GET_LAPIC, &a), EINVAL);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_LAPIC, &a), EINVAL);
}

TEST(lapic_x2apic)
{
	struct kvm_lapic_state a;
	struct vcpu b;

	make(VM_IRQCHIP);
	ASSERT_OK(enable_cap(vm.fd, KVM_CAP_X2APIC_API, 3));
	make_vcpu(&b, &vm, 300);
	set_all_cpuid(&b);
	ASSERT_EQ(set_msr(&b, 0x1b, 0xfee00c00), 1);
	ASSERT_OK(ioctl(b.fd, KVM_GET_LAPIC, &a));
	EXPECT_EQ(lapic_reg(&a, 0x20), 300);
	EXPECT_EQ(lapic_reg(&a, 0xd0), 300 / 16 << 16 | 1 << 300 % 16);
	EXPECT_OK(ioctl(b.fd, KVM_SET_LAPIC, &a));
	set_lapic_reg(&a, 0x20, 301);
	EXPECT_ERR(ioctl(b.fd, KVM_SET_LAPIC, &a), EINVAL);
}

TEST(vapic_addr)
{
	struct kvm_vapic_addr va = { .vapic_addr = 0 };
	struct kvm_tpr_access_ctl tpr = { .enabled = 1 };

	make_vm(&vm, VM_IRQCHIP);
	make_vcpu(&c, &vm, 0);
	EXPECT_OK(ioctl(c.fd, KVM_SET_VAPIC_ADDR, &va));
	va.vapic_addr = 0x5000;
	EXPECT_OK(ioctl(c.fd, KVM_SET_VAPIC_ADDR, &va));
	va.vapic_addr = HOLE;
	EXPECT_ERR(ioctl(c.fd, KVM_SET_VAPIC_ADDR, &va), EINVAL);
	EXPECT_OK(ioctl(c.fd, KVM_TPR_ACCESS_REPORTING, &tpr));
	tpr.flags = 1;
	EXPECT_ERR(ioctl(c.fd, KVM_TPR_ACCESS_REPORTING, &tpr), EINVAL);
}

TEST(vapic_addr_without_apic)
{
	struct kvm_vapic_addr va = { .vapic_addr = 0 };

	make(0);
	EXPECT_ERR(ioctl(c.fd, KVM_SET_VAPIC_ADDR, &va), EINVAL);
}

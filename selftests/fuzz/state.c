// SPDX-License-Identifier: GPL-2.0
/*
 * state.c - a vCPU's state from outside: MSRs by guest and host, KVM_SET_SREGS,
 * KVM_SET_VCPU_EVENTS, KVM_INTERRUPT, KVM_SET_MP_STATE, with anything in them
 *
 * What is refused has changed nothing; what is taken is what no CPU refuses.
 */
#include "fuzz.h"
#include <asm/msr-index.h>
#include "../../arch/x86/backend.h"
#include "../../arch/x86/clock.h"
#include "../../arch/x86/cpuid.h"
#include "../../arch/x86/event.h"
#include "../../arch/x86/irqchip/irqchip.h"
#include "../../arch/x86/msr_table.h"
#include "../../arch/x86/regs.h"

#define HARDWARE	16	/* MSRs that the backend holds */

static struct keel_vm vm;
static struct keel_vcpu vcpu;
static bool amd;
static u64 offers;
static struct { u32 msr; u64 val; } held[HARDWARE];
static struct kvm_segment segments[KEEL_NR_SEGS];
static u32 shadow;
static bool nmi_mask;

struct keel_caps keel_caps = { .efer = 0x4d01 };

/* ---- the backend, as plain as can be ---- */

static bool is_address(u32 msr)
{
	return msr == MSR_LSTAR || msr == MSR_CSTAR || msr == MSR_FS_BASE || msr == MSR_GS_BASE ||
	       msr == MSR_KERNEL_GS_BASE || msr == MSR_IA32_SYSENTER_ESP ||
	       msr == MSR_IA32_SYSENTER_EIP;
}

void op_keel_cache_reg(struct keel_vcpu *v, unsigned int reg)
{
	__set_bit(reg, &v->arch.avail);
}

int op_keel_get_msr(struct keel_vcpu *v, u32 msr, u64 *val)
{
	if (!is_address(msr))
		return -ENOENT;
	*val = held[msr % HARDWARE].val;
	return 0;
}

/* An address that is not canonical would fail the entry to the guest. */
int op_keel_set_msr(struct keel_vcpu *v, u32 msr, u64 val)
{
	if (is_address(msr))
		CHECK_EQ((u64)sign_extend64(val, v->arch.cr4 & X86_CR4_LA57 ? 56 : 47), val);
	else if (msr != MSR_TSC_AUX && msr != MSR_IA32_CR_PAT && msr != MSR_IA32_SPEC_CTRL)
		return -ENOENT;
	held[msr % HARDWARE].val = val;
	return 0;
}

void op_keel_get_segment(struct keel_vcpu *v, enum keel_segreg seg, struct kvm_segment *s)
{
	*s = segments[seg];
}

void op_keel_set_segment(struct keel_vcpu *v, enum keel_segreg seg, const struct kvm_segment *s)
{
	segments[seg] = *s;
}

void op_keel_get_dtable(struct keel_vcpu *v, bool idt, struct kvm_dtable *dt)
{
}

void op_keel_set_dtable(struct keel_vcpu *v, bool idt, const struct kvm_dtable *dt)
{
}

void op_keel_set_cr0(struct keel_vcpu *v, u64 cr0)
{
	v->arch.cr0 = cr0;
}

void op_keel_set_cr3(struct keel_vcpu *v, u64 cr3)
{
	v->arch.cr3 = cr3;
}

void op_keel_set_cr4(struct keel_vcpu *v, u64 cr4)
{
	v->arch.cr4 = cr4;
}

void op_keel_set_efer(struct keel_vcpu *v, u64 efer)
{
	v->arch.efer = efer;
}

u32 op_keel_get_shadow(struct keel_vcpu *v)
{
	return shadow;
}

void op_keel_set_shadow(struct keel_vcpu *v, u32 val)
{
	shadow = val;
}

bool op_keel_get_nmi_mask(struct keel_vcpu *v)
{
	return nmi_mask;
}

void op_keel_set_nmi_mask(struct keel_vcpu *v, bool masked)
{
	nmi_mask = masked;
}

/* ---- the rest of arch/x86 ---- */

bool keel_host_is_amd(void)
{
	return amd;
}

bool keel_host_offers(enum keel_guest_feature f)
{
	return offers & BIT_ULL(f);
}

bool keel_guest_is_amd(const struct keel_vcpu *v)
{
	return amd;
}

u64 keel_guest_xss(const struct keel_vcpu *v)
{
	return 0x100;
}

u64 keel_guest_tsc(struct keel_vcpu *v)
{
	return 0x1234;
}

bool keel_cr0_valid(u64 cr0)
{
	return !(cr0 >> 32) && (!(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE));
}

bool keel_cr4_valid(struct keel_vcpu *v, u64 cr4)
{
	return !(cr4 & ~0x3f7fffULL);
}

int keel_set_efer(struct keel_vcpu *v, u64 efer)
{
	if (efer & ~keel_caps.efer & ~BIT_ULL(10))
		return -EINVAL;
	v->arch.efer = (efer & ~BIT_ULL(10)) | (v->arch.efer & BIT_ULL(10));
	return 0;
}

int keel_apic_set_base(struct keel_vcpu *v, u64 base, bool host)
{
	if (base & 0x2ff)
		return -EINVAL;
	v->arch.apic_base = base;
	return 0;
}

u64 keel_apic_get_base(struct keel_vcpu *v)	{ return v->arch.apic_base; }
u64 keel_get_cr8(struct keel_vcpu *v)		{ return v->arch.cr8; }
u8 keel_apic_sipi_vector(struct keel_vcpu *v)	{ return 0; }
u64 keel_apic_get_tsc_deadline(struct keel_vcpu *v) { return 0; }
int keel_apic_msr_read(struct keel_vcpu *v, u32 msr, u64 *val) { return -EINVAL; }
bool keel_apic_reg_quick(unsigned int reg)		{ return true; }
int keel_apic_msr_write(struct keel_vcpu *v, u32 msr, u64 val) { return -EINVAL; }
int keel_clock_set_wall_clock(struct keel_vcpu *v, u64 val) { return 0; }
int keel_clock_set_steal(struct keel_vcpu *v, u64 val)	{ return 0; }
int keel_skip(struct keel_vcpu *v, const struct keel_exit *exit) { return KEEL_RESUME; }
void keel_apic_set_sipi_vector(struct keel_vcpu *v, u8 vector) { }
void keel_apic_post_sipi(struct keel_vcpu *v)		{ }
void keel_apic_set_tsc_deadline(struct keel_vcpu *v, u64 tsc) { }
void keel_cpuid_update_runtime(struct keel_vcpu *v)	{ }
void keel_tsc_write(struct keel_vcpu *v, u64 val, bool host) { }
void keel_tsc_adjust_write(struct keel_vcpu *v, u64 val, bool host) { }
void keel_nmi_take(struct keel_vcpu *v)			{ }
void keel_nmi_queue(struct keel_vcpu *v)		{ }
void keel_events_init_sipi(struct keel_vcpu *v)		{ }
void keel_deliver_exception_payload(struct keel_vcpu *v) { }
void keel_queue_exception(struct keel_vcpu *v, u8 vector) { }
void keel_queue_exception_error(struct keel_vcpu *v, u8 vector, u32 error) { }

int keel_clock_set_system_time(struct keel_vcpu *v, u64 val, bool old_msr, bool host)
{
	return 0;
}

int keel_set_cr8(struct keel_vcpu *v, u64 cr8)
{
	if (cr8 > 15)
		return -EINVAL;
	v->arch.cr8 = cr8;
	return 0;
}

/* ---- the target ---- */

static u32 make_msr(struct fuzz *f)
{
	u8 how = fuzz_u8(f);
	const struct msr_rule *r = &msr_rules[fuzz_u8(f) % msr_nr_rules];

	if (how & 0x80)
		return fuzz_u32(f);
	return how & 0x40 ? r->first - 1 + (how & 31) : r->first + (how & 31) % (r->last - r->first + 1);
}

static const struct msr_rule *rule_of(u32 msr)
{
	unsigned int i;

	for (i = 0; i < msr_nr_rules; i++)
		if (msr >= msr_rules[i].first && msr <= msr_rules[i].last)
			return &msr_rules[i];
	return NULL;
}

/* By the table's flags alone: may @host, or the guest, write it at all? */
static bool may_write(const struct msr_rule *r, bool host)
{
	if (!r || r->flags & (amd ? MSR_IF_INTEL : MSR_IF_AMD) || r->flags & MSR_READ_ONLY)
		return false;
	if (host)
		return true;
	return !(r->flags & (MSR_HOST_ONLY | MSR_HOST_SETS)) &&
	       (r->feature == MSR_ANY || vcpu.arch.features & BIT_ULL(r->feature));
}

static bool pat_valid(u64 pat)
{
	unsigned int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return false;
	return true;
}

static void check_values(void)
{
	const struct keel_vcpu_arch *a = &vcpu.arch;

	CHECK(pat_valid(a->pat));
	CHECK_EQ(a->xss & ~keel_guest_xss(&vcpu), 0);
	CHECK_EQ(a->spec_ctrl & ~7ULL, 0);
	CHECK(!(a->tsc_aux >> 32));
	CHECK_EQ(a->pv_poll & ~1ULL, 0);
	CHECK_EQ(a->hwcr & ~(BIT_ULL(18) | BIT_ULL(24)), 0);
	CHECK(!(a->misc_features & 1) || (a->platform_info & BIT_ULL(31)));
}

static void op_msr(struct fuzz *f)
{
	static struct keel_vcpu before;
	u32 msr = make_msr(f);
	bool host = fuzz_u8(f) & 1;
	u64 val = fuzz_num(f), got = 0x5a;
	int r;

	before = vcpu;
	r = keel_msr_set(&vcpu, msr, val, host);
	CHECK(!r || r == -EINVAL);
	if (!may_write(rule_of(msr), host))
		CHECK_EQ(r, -EINVAL);
	if (r)
		CHECK(!memcmp(&vcpu, &before, sizeof(vcpu)));
	r = keel_msr_get(&vcpu, msr, &got, host);
	CHECK(!r || (r == -EINVAL && got == 0x5a));
	CHECK(!r || !host || !rule_of(msr) || rule_of(msr)->get || !may_write(rule_of(msr), true) ||
	      rule_of(msr)->flags & MSR_WRITE_ONLY);
}

/* KVM_SET_MSRS and KVM_GET_MSRS: how many were done, up to the first that was not. */
static void op_msrs(struct fuzz *f)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e[8]; } m = { };
	unsigned int i;
	long n;

	m.head.nmsrs = fuzz_u8(f) % 9;
	for (i = 0; i < m.head.nmsrs; i++)
		m.e[i] = (struct kvm_msr_entry){ .index = make_msr(f), .data = fuzz_num(f) };
	shim_fail = fuzz_u8(f) ? -1 : 0;
	n = keel_ioc_set_msrs(&vcpu, (union keel_arg){ .user = &m });
	CHECK(n == -ENOMEM ? shim_fail < 0 : n >= 0 && n <= m.head.nmsrs);
	shim_fail = -1;
	if (n < m.head.nmsrs && n >= 0)
		CHECK_EQ(keel_msr_set(&vcpu, m.e[n].index, m.e[n].data, true), -EINVAL);
	n = keel_ioc_get_msrs(&vcpu, (union keel_arg){ .user = &m });
	CHECK(n >= 0 && n <= m.head.nmsrs);
	m.head.nmsrs = 256 + fuzz_u32(f) % 4096;
	CHECK_EQ(keel_ioc_get_msrs(&vcpu, (union keel_arg){ .user = &m }), -E2BIG);
	CHECK_EQ(shim_live, 1);		/* the banks */
}

static void op_sregs(struct fuzz *f)
{
	static struct keel_vcpu before;
	struct kvm_sregs s;

	keel_ioc_get_sregs(&vcpu, (union keel_arg){ .buf = &s });
	s.cr0 = fuzz_num(f);
	s.cr4 = fuzz_num(f);
	s.efer = fuzz_num(f);
	s.cr3 = fuzz_num(f);
	s.cr8 = fuzz_u8(f);
	s.cs.l = fuzz_u8(f) & 1;
	s.apic_base = fuzz_num(f);
	s.interrupt_bitmap[fuzz_u8(f) % 4] = fuzz_num(f);
	before = vcpu;
	if (keel_ioc_set_sregs(&vcpu, (union keel_arg){ .buf = &s })) {
		CHECK(!memcmp(&vcpu, &before, sizeof(vcpu)));
		return;
	}
	CHECK_EQ(!!(vcpu.arch.efer & BIT(10)),
		 (vcpu.arch.efer & BIT(8)) && (vcpu.arch.cr0 & X86_CR0_PG));
	CHECK(!(vcpu.arch.efer & BIT(10)) || (vcpu.arch.cr4 & X86_CR4_PAE));
	CHECK(!segments[KEEL_CS].l || (vcpu.arch.efer & BIT(10)));
	CHECK(vcpu.arch.cr8 <= 15);
	CHECK_EQ(vcpu.arch.efer & ~keel_caps.efer & ~BIT_ULL(10), 0);
}

static void op_events(struct fuzz *f)
{
	static struct keel_vcpu before;
	struct kvm_vcpu_events ev, got = { }, again = { };

	fuzz_bytes(f, &ev, 40);
	memset((u8 *)&ev + 40, 0, sizeof(ev) - 40);
	before = vcpu;
	if (keel_ioc_set_vcpu_events(&vcpu, (union keel_arg){ .buf = &ev })) {
		CHECK(!memcmp(&vcpu, &before, sizeof(vcpu)));
		return;
	}
	CHECK(!vcpu.arch.exception.injected ||
	      (vcpu.arch.exception.vector < 32 && vcpu.arch.exception.vector != 2));
	CHECK(vcpu.arch.nmi_pending <= 2);
	keel_ioc_get_vcpu_events(&vcpu, (union keel_arg){ .buf = &got });
	CHECK_EQ(keel_ioc_set_vcpu_events(&vcpu, (union keel_arg){ .buf = &got }), 0);
	keel_ioc_get_vcpu_events(&vcpu, (union keel_arg){ .buf = &again });
	CHECK(!memcmp(&got, &again, sizeof(got)));
}

static void op_small(struct fuzz *f)
{
	struct kvm_interrupt irq = { .irq = fuzz_num(f) };
	struct kvm_mp_state mp = { .mp_state = fuzz_u8(f) % 16 };
	u32 was = vcpu.arch.mp_state;
	int user = vcpu.arch.user_irq;
	long r;

	r = keel_ioc_interrupt(&vcpu, (union keel_arg){ .buf = &irq });
	CHECK(r ? vcpu.arch.user_irq == user : vcpu.arch.user_irq == (int)irq.irq);
	CHECK(vcpu.arch.user_irq >= -1 && vcpu.arch.user_irq < 256);
	r = keel_ioc_set_mp_state(&vcpu, (union keel_arg){ .buf = &mp });
	CHECK(r == -EINVAL ? vcpu.arch.mp_state == was : !r);
	CHECK(vcpu.arch.mp_state <= KVM_MP_STATE_HALTED);
	if (!keel_apic_in_kernel(&vcpu))
		CHECK_EQ(vcpu.arch.mp_state, KVM_MP_STATE_RUNNABLE);
	vcpu.requests = 0;
}

static void start(struct fuzz *f)
{
	u8 how = fuzz_u8(f);

	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(held, 0, sizeof(held));
	memset(segments, 0, sizeof(segments));
	amd = how & 1;
	CHECK_EQ(keel_msr_setup(), 0);	/* as the host's vendor is another */
	offers = how & 2 ? ~0ULL : fuzz_u64(f);
	vcpu.arch.pv_enforced = how & 4;
	vm.arch.disabled_quirks = how & 8 ? ~0ULL : 0;
	vcpu.vm = &vm;
	vcpu.arch.maxphyaddr = 32 + how % 21;
	vcpu.arch.user_irq = -1;
	vcpu.arch.features = how & 16 ? ~0ULL : fuzz_u64(f);
	vcpu.arch.apic = how & 32 ? (void *)&vm : NULL;
	vcpu.arch.avail = ~0UL;
	CHECK_EQ(keel_msr_init(&vcpu), 0);
	keel_msr_reset(&vcpu, false);
}

void fuzz_one(struct fuzz *f)
{
	start(f);
	while (fuzz_more(f)) {
		switch (fuzz_u8(f) % 8) {
		case 4:
			op_msrs(f);
			break;
		case 5:
			op_sregs(f);
			break;
		case 6:
			op_events(f);
			break;
		case 7:
			op_small(f);
			break;
		default:
			op_msr(f);
		}
		check_values();
	}
	keel_msr_destroy(&vcpu);
	CHECK_EQ(shim_live, 0);
}

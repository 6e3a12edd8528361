// SPDX-License-Identifier: GPL-2.0
/*
 * apic.c - a vCPU's local APIC: life, registers, and the interrupts it has for the CPU
 */
#include <linux/gfp.h>
#include <linux/slab.h>
#include "apic.h"
#include "../cpuid.h"

static_assert(sizeof(struct kvm_lapic_state) == LAPIC_REGS_SIZE);

/* ---- what a register's change asks for ---- */

static void apic_eoi(struct keel_apic *apic, const struct lapic_effect *fx)
{
	struct keel_vcpu *vcpu = apic->vcpu;
	bool wanted = test_bit(fx->eoi_vector, apic->eoi_vectors);

	if (fx->eoi_level && !fx->eoi_broadcast)
		return;
	if (vcpu->vm->arch.irqchip_mode == KEEL_IRQCHIP_KERNEL) {
		if (wanted || fx->eoi_level)
			keel_ioapic_eoi(vcpu, fx->eoi_vector, fx->eoi_level);
	} else if (wanted) {
		apic->user_eoi = fx->eoi_vector;
		keel_vcpu_request(vcpu, KEEL_REQ_IOAPIC_EOI);
	}
}

static void apic_apply_rare(struct keel_apic *apic, unsigned int what)
{
	if (what & LAPIC_FX_OFF)
		apic_timer_stop(apic);
	if (what & (LAPIC_FX_LVTT | LAPIC_FX_TMICT | LAPIC_FX_TDCR))
		apic_timer_written(apic, what);
	if (what & LAPIC_FX_MAP)
		apic_map_update(apic->vcpu->vm);
}

static void apic_apply(struct keel_apic *apic, const struct lapic_effect *fx)
{
	if (fx->what & LAPIC_FX_EOI)
		apic_eoi(apic, fx);
	if (fx->what & LAPIC_FX_IPI)
		keel_apic_deliver(apic->vcpu->vm, &fx->msg);
	if (fx->what & LAPIC_FX_EVENT)
		keel_vcpu_request(apic->vcpu, KEEL_REQ_EVENT);
	if (fx->what & ~(LAPIC_FX_EOI | LAPIC_FX_IPI | LAPIC_FX_EVENT))
		apic_apply_rare(apic, fx->what);
}

/* ---- life ---- */

static void apic_reset(struct keel_apic *apic, bool init)
{
	const struct keel_vm_arch *va = &apic->vcpu->vm->arch;

	lapic_reset(&apic->core, init ? LAPIC_INIT : LAPIC_RESET,
		    apic->vcpu->id == va->bsp_vcpu_id,
		    keel_guest_quirk(apic->vcpu->vm, KVM_X86_QUIRK_LINT0_REENABLED));
	apic_timer_stop(apic);
	apic->user_eoi = -1;
	if (!init)
		atomic_long_set(&apic->pending, 0);
	apicv_mode_changed(apic);
}

void keel_apic_reset(struct keel_vcpu *vcpu, bool init)
{
	apic_reset(vcpu->arch.apic, init);
	apic_map_update(vcpu->vm);
}

int keel_apic_create(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic;
	unsigned long *page, *pir;

	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	page = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	pir = apicv_create(vcpu);
	if (!apic || !page || IS_ERR(pir)) {
		if (!IS_ERR(pir))
			kfree(pir);
		free_page((unsigned long)page);
		kfree(apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	if (pir)
		vcpu->arch.apicv_regs = page;
	lapic_init(&apic->core, page, pir, vcpu->id, vcpu->idx);
	apic_timer_init(apic);
	apic_reset(apic, false);
	vcpu->arch.apic = apic;
	keel_vcpu_request(vcpu, KEEL_REQ_SCAN_IOAPIC);
	return 0;
}

/* Nothing delivers any more, or the vCPU was never to be found. */
void keel_apic_destroy(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (!apic)
		return;
	hrtimer_cancel(&apic->hrtimer);
	vcpu->arch.apic = NULL;
	vcpu->arch.apicv_regs = NULL;
	kfree(apic->core.pir);
	free_page((unsigned long)apic->core.page);
	kfree(apic);
}

/* Bits of IA32_APIC_BASE that are no address for this guest, and X2APIC if it has none. */
static u64 apic_base_reserved(struct keel_vcpu *vcpu)
{
	u64 reserved = keel_guest_has(vcpu, KEEL_F_X2APIC) ? 0 : LAPIC_BASE_X2APIC;

	if (vcpu->arch.maxphyaddr && vcpu->arch.maxphyaddr < 52)
		reserved |= GENMASK_ULL(51, vcpu->arch.maxphyaddr);
	return reserved;
}

void keel_apic_cpuid_changed(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_features feat = {
		.tsc_deadline	= keel_guest_has(vcpu, KEEL_F_TSC_DEADLINE),
		.nr_lvt		= 6,	/* no LVT CMCI: KVM_X86_SETUP_MCE refuses MCG_CMCI_P */
		.base_reserved	= apic_base_reserved(vcpu),
	};

	if (!apic)
		return;
	/* The in-kernel IOAPIC has no EOI register for a guest that suppresses broadcasts. */
	feat.directed_eoi = keel_guest_has(vcpu, KEEL_F_X2APIC) &&
			    vcpu->vm->arch.irqchip_mode == KEEL_IRQCHIP_SPLIT;
	lapic_set_features(&apic->core, &feat);
}

u64 keel_apic_get_base(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	return apic ? apic->core.base : vcpu->arch.apic_base;
}

int keel_apic_set_base(struct keel_vcpu *vcpu, u64 base, bool host)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_effect fx = { .what = 0 };
	int r;

	if (!apic) {
		if (!lapic_base_valid(vcpu->arch.apic_base, base, apic_base_reserved(vcpu), host))
			return -EINVAL;
		vcpu->arch.apic_base = base;
		return 0;
	}
	r = lapic_set_base(&apic->core, base, host, &fx);
	if (r)
		return r;
	apicv_mode_changed(apic);
	apic_apply(apic, &fx);
	return 0;
}

/* ---- registers ---- */

u8 keel_apic_get_cr8(struct keel_vcpu *vcpu)
{
	return lapic_get(&vcpu->arch.apic->core, LAPIC_TPR) >> 4;
}

void keel_apic_set_cr8(struct keel_vcpu *vcpu, u8 cr8)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_effect fx = { .what = 0 };

	lapic_set_tpr(&apic->core, (cr8 & 0xf) << 4, &fx);
	apic_apply(apic, &fx);
}

bool keel_apic_reg_quick(unsigned int reg)
{
	return reg != LAPIC_ID && reg != LAPIC_LDR && reg != LAPIC_DFR && reg != LAPIC_SPIV;
}

int keel_apic_msr_read(struct keel_vcpu *vcpu, u32 msr, u64 *val)
{
	struct keel_apic *apic = vcpu->arch.apic;
	unsigned int reg = array_index_nospec(msr - LAPIC_MSR_BASE, 0x100) << 4;

	if (!apic || lapic_msr_read(&apic->core, reg, val))
		return -EINVAL;
	if (reg == LAPIC_TMCCT)
		*val = apic_timer_count(apic);
	return 0;
}

int keel_apic_msr_write(struct keel_vcpu *vcpu, u32 msr, u64 val)
{
	struct keel_apic *apic = vcpu->arch.apic;
	unsigned int reg = array_index_nospec(msr - LAPIC_MSR_BASE, 0x100) << 4;
	struct lapic_effect fx = { .what = 0 };

	if (!apic || lapic_msr_write(&apic->core, reg, val, &fx))
		return -EINVAL;
	apic_apply(apic, &fx);
	return 0;
}

bool keel_apic_is_at(const struct keel_vcpu *vcpu, gpa_t gpa)
{
	const struct keel_apic *apic = vcpu->arch.apic;

	return apic && !((gpa ^ apic->core.base) & LAPIC_BASE_ADDR);
}

/* How an access to the APIC's page ends. */
enum apic_page { APIC_ELSEWHERE, APIC_HOLE, APIC_HERE };

/*
 * With the APIC off or in x2APIC mode there are no registers; unless userspace says
 * otherwise the page is then a hole that reads as ones, not userspace's.
 */
static enum apic_page apic_page(const struct keel_vcpu *vcpu)
{
	if (lapic_mode(&vcpu->arch.apic->core) == LAPIC_XAPIC)
		return APIC_HERE;
	return keel_guest_quirk(vcpu->vm, KVM_X86_QUIRK_LAPIC_MMIO_HOLE) ?
	       APIC_HOLE : APIC_ELSEWHERE;
}

static void apic_illegal_reg(struct keel_apic *apic)
{
	if (lapic_error(&apic->core, LAPIC_ESR_ILLEGAL_REG))
		keel_vcpu_request(apic->vcpu, KEEL_REQ_EVENT);
}

static u32 apic_mmio_reg(struct keel_apic *apic, unsigned int reg)
{
	u32 val;

	if (lapic_read(&apic->core, reg, &val))
		apic_illegal_reg(apic);
	else if (reg == LAPIC_TMCCT)
		val = apic_timer_count(apic);
	return val;
}

/* A read may be narrow, but not leave the 32 bits of the register. */
int keel_apic_mmio_read(struct keel_vcpu *vcpu, gpa_t gpa, int len, void *val)
{
	unsigned int byte = gpa & 0xf;
	u32 reg;

	switch (apic_page(vcpu)) {
	case APIC_ELSEWHERE:
		return -EOPNOTSUPP;
	case APIC_HOLE:
		memset(val, 0xff, len);
		return 0;
	case APIC_HERE:
		break;
	}
	memset(val, 0, len);
	if (byte + len <= sizeof(reg)) {
		reg = apic_mmio_reg(vcpu->arch.apic, gpa & 0xff0);
		memcpy(val, (u8 *)&reg + byte, len);
	}
	return 0;
}

/* Writes other than of 32 aligned bits are undefined: ignored. */
int keel_apic_mmio_write(struct keel_vcpu *vcpu, gpa_t gpa, int len, const void *val)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_effect fx = { .what = 0 };
	enum apic_page where = apic_page(vcpu);
	u32 reg;

	if (where == APIC_ELSEWHERE)
		return -EOPNOTSUPP;
	if (where == APIC_HOLE || len != sizeof(reg) || gpa & 0xf)
		return 0;
	memcpy(&reg, val, sizeof(reg));
	if (lapic_write(&apic->core, gpa & 0xff0, reg, &fx))
		apic_illegal_reg(apic);
	else
		apic_apply(apic, &fx);
	return 0;
}

/* ---- accesses that the hardware has begun ---- */

void keel_apic_hw_written(struct keel_vcpu *vcpu, unsigned int reg)
{
	struct keel_apic *apic = vcpu->arch.apic;
	struct lapic_effect fx = { .what = 0 };

	lapic_hw_written(&apic->core, reg, &fx);
	apic_apply(apic, &fx);
}

void keel_apic_hw_eoi(struct keel_vcpu *vcpu, u8 vector)
{
	struct lapic_effect fx = { .what = 0 };

	lapic_hw_eoi(&vcpu->arch.apic->core, vector, &fx);
	apic_apply(vcpu->arch.apic, &fx);
}

/* ---- state ---- */

int keel_apic_get_state(struct keel_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct keel_apic *apic = vcpu->arch.apic;
	u32 count;

	if (!apic)
		return -EINVAL;
	keel_apic_timer_expired(vcpu);	/* a tick that is due is in IRR, not lost */
	apicv_take_posted(apic);
	lapic_get_state(&apic->core, s->regs, READ_ONCE(vcpu->vm->arch.x2apic_format));
	count = apic_timer_count(apic);
	memcpy(s->regs + LAPIC_TMCCT, &count, sizeof(count));
	return 0;
}

int keel_apic_set_state(struct keel_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct keel_apic *apic = vcpu->arch.apic;
	u32 count;

	if (!apic || lapic_set_state(&apic->core, s->regs, READ_ONCE(vcpu->vm->arch.x2apic_format)))
		return -EINVAL;
	memcpy(&count, s->regs + LAPIC_TMCCT, sizeof(count));
	apic_timer_restore(apic, lapic_get(&apic->core, LAPIC_TMICT), count);
	apic_map_update(vcpu->vm);
	keel_vcpu_request(vcpu, KEEL_REQ_EVENT);
	return 0;
}

/* ---- EOIs that an IOAPIC waits for ---- */

int keel_apic_take_ioapic_eoi(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;
	int vector;

	if (!apic)
		return -1;
	vector = apic->user_eoi;
	apic->user_eoi = -1;
	return vector;
}

/* A vector that was on its way when its route changed is reported all the same. */
void keel_apic_scan_ioapic(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;
	DECLARE_BITMAP(wanted, 256) = { 0 };
	unsigned long vector;

	if (!apic)
		return;
	apicv_take_posted(apic);
	keel_ioapic_scan(vcpu, wanted);
	for_each_set_bit(vector, apic->eoi_vectors, 256)
		if (lapic_in_flight(&apic->core, vector))
			__set_bit(vector, wanted);
	bitmap_copy(apic->eoi_vectors, wanted, 256);
	apicv_eoi_vectors_changed(apic);
}

/* ---- interrupts for the CPU ---- */

bool keel_apic_accepts_extint(struct keel_vcpu *vcpu)
{
	return !vcpu->arch.apic || lapic_accepts_extint(&vcpu->arch.apic->core);
}

/* An interrupt from outside the APICs: the 8259s', or the vector userspace gave. */
static bool apic_extint_pending(struct keel_vcpu *vcpu)
{
	if (!keel_apic_accepts_extint(vcpu))
		return false;
	if (vcpu->vm->arch.irqchip_mode == KEEL_IRQCHIP_KERNEL)
		return keel_pic_pending(vcpu->vm);
	return vcpu->arch.user_irq >= 0;
}

static int apic_extint_ack(struct keel_vcpu *vcpu)
{
	int vector;

	if (vcpu->vm->arch.irqchip_mode == KEEL_IRQCHIP_KERNEL)
		return keel_pic_ack(vcpu->vm);
	vector = vcpu->arch.user_irq;
	vcpu->arch.user_irq = -1;
	return vector;
}

bool keel_irq_pending(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (apic) {
		apicv_take_posted(apic);
		if (lapic_pending(&apic->core) >= 0)
			return true;
	}
	return apic_extint_pending(vcpu);
}

bool keel_irq_to_inject(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (apic && !apic->core.pir && lapic_pending(&apic->core) >= 0)
		return true;
	return apic_extint_pending(vcpu);
}

int keel_irq_ack(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	if (apic_extint_pending(vcpu)) {
		int vector = apic_extint_ack(vcpu);

		if (vector >= 0)
			return vector;
	}
	return apic && !apic->core.pir ? lapic_ack(&apic->core) : -1;
}

int keel_irq_highest_irr(struct keel_vcpu *vcpu)
{
	struct keel_apic *apic = vcpu->arch.apic;

	/* With userspace's APIC any lowering of CR8 may matter: something is always held back. */
	return apic ? lapic_tpr_masked(&apic->core) : 0;
}

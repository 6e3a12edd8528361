// SPDX-License-Identifier: GPL-2.0
/*
 * fpu.c - the guest's FPU and extended state, by way of the kernel's guest FPU
 *
 * From KVM_RUN's begin to its end the guest's state is the thread's FPU state, and
 * context switches save and load it. Outside it lies in memory, where the ioctls
 * work on it in the uncompacted XSAVE layout of userspace.
 *
 * PKRU is the guest's only from just before an entry to just after, XCR0 and XSS for a turn
 * of entries.
 *
 * Kernels from 6.19 on keep these interfaces for modules named kvm*: nothing of
 * asm/fpu/api.h is used in another file.
 */
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include <keel/compat.h>
#include "regs.h"

/* "XSAVE Area": legacy region, then the header */
struct keel_xsave_image {
	struct fxregs_state fx;
	struct xstate_header header;
};

#define KEEL_XSAVE_LEGACY	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE)
/* Not for guests: MPX is gone from CPUs, AMX needs buffers that grow (XFD). */
#define KEEL_XSAVE_WITHHELD	(XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR | XFEATURE_MASK_XTILE)
#define KEEL_MXCSR_INIT		0x1f80
#define KEEL_MXCSR_KNOWN	0xffff
#define KEEL_FCW_INIT		0x37f

/* All CPUs have the same, and the kernel does not change them: read at each vCPU's creation. */
static u64 keel_host_xcr0 __read_mostly;
static u64 keel_host_xss __read_mostly;

/* Between entry and exit, interrupts off. */
static DEFINE_PER_CPU(u32, keel_host_pkru);

static void read_host(void)
{
	u64 xss = 0;

	if (boot_cpu_has(X86_FEATURE_XSAVE))
		WRITE_ONCE(keel_host_xcr0, xgetbv(XCR_XFEATURE_ENABLED_MASK));
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrq(MSR_IA32_XSS, xss);
	WRITE_ONCE(keel_host_xss, xss);
}

/* Components that the guest's buffer has room for, and that it may be given. */
static u64 guest_features(const struct keel_vcpu *vcpu)
{
	return vcpu->arch.fpu.xfeatures & READ_ONCE(keel_host_xcr0) & ~KEEL_XSAVE_WITHHELD;
}

/* ---- life ---- */

int keel_fpu_init(struct keel_vcpu *vcpu)
{
	read_host();
	if (!fpu_alloc_guest_fpstate(&vcpu->arch.fpu))
		return -ENOMEM;
	return 0;
}

void keel_fpu_destroy(struct keel_vcpu *vcpu)
{
	fpu_free_guest_fpstate(&vcpu->arch.fpu);
}

static const struct keel_xsave_image keel_xsave_reset = {
	.fx = { .cwd = KEEL_FCW_INIT, .mxcsr = KEEL_MXCSR_INIT },
};

static void reset_all(struct keel_vcpu *vcpu)
{
	u32 pkru;

	/* No component is in use: only the header is read, or fx on a CPU without XSAVE. */
	fpu_copy_uabi_to_guest_fpstate(&vcpu->arch.fpu, &keel_xsave_reset,
				       guest_features(vcpu), &pkru);
	vcpu->arch.xcr0 = XFEATURE_MASK_FP;
	vcpu->arch.xss = 0;
	vcpu->arch.pkru = 0;
}

/* INIT leaves all of it as it is, but for MPX, which no guest has. */
void keel_fpu_reset(struct keel_vcpu *vcpu, bool init)
{
	bool loaded = vcpu->arch.fpu.fpstate->in_use;

	if (init)
		return;
	if (loaded)
		keel_fpu_leave(vcpu);
	reset_all(vcpu);
	if (loaded)
		keel_fpu_enter(vcpu);
}

/* ---- KVM_RUN, entry, exit ---- */

void keel_fpu_enter(struct keel_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->arch.fpu, true);
}

void keel_fpu_leave(struct keel_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->arch.fpu, false);
}

/* Can the guest use XSAVE now, and so see XCR0, XSS and what they enable? */
static bool uses_xsave(const struct keel_vcpu *vcpu)
{
	return keel_cr4_kept(vcpu) & X86_CR4_OSXSAVE;
}

static bool uses_pkru(const struct keel_vcpu *vcpu)
{
	return (keel_cr4_kept(vcpu) & X86_CR4_PKE) || (vcpu->arch.xcr0 & XFEATURE_MASK_PKRU);
}

static void load_xcr(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.xcr0 != keel_host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->arch.xcr0);
	if (vcpu->arch.xss != keel_host_xss)
		wrmsrq(MSR_IA32_XSS, vcpu->arch.xss);
}

static void load_host_xcr(struct keel_vcpu *vcpu)
{
	if (vcpu->arch.xcr0 != keel_host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, keel_host_xcr0);
	if (vcpu->arch.xss != keel_host_xss)
		wrmsrq(MSR_IA32_XSS, keel_host_xss);
}

/* A softirq or the scheduler may have taken the registers since KVM_RUN began. */
void keel_fpu_load_xcr(struct keel_vcpu *vcpu)
{
	fpregs_assert_state_consistent();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (uses_xsave(vcpu))
		load_xcr(vcpu);
}

/*
 * The same questions as at entry, with the same answers: the exits by which the guest
 * changes CR4 or XCR0 are handled after this.
 */
void keel_fpu_load_host_xcr(struct keel_vcpu *vcpu)
{
	if (uses_xsave(vcpu))
		load_host_xcr(vcpu);
}

void keel_fpu_swap_pkru(struct keel_vcpu *vcpu, bool guest)
{
	u32 old, new;

	if (!uses_pkru(vcpu))
		return;
	old = rdpkru();
	if (guest)
		this_cpu_write(keel_host_pkru, old);
	else
		vcpu->arch.pkru = old;
	new = guest ? vcpu->arch.pkru : this_cpu_read(keel_host_pkru);
	if (old != new)
		wrpkru(new);
}

/* ---- vector registers for the emulator ---- */

/* @insn for the one register that %[nr] names; \r is its number. */
#define KEEL_FOR_VEC(insn)						\
	".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"		\
	"cmpl $\\r, %[nr]\n\t"						\
	"jne 1f\n\t"							\
	insn "\n"							\
	"1:\n\t"							\
	".endr\n"

static void get_xmm(unsigned int nr, void *buf)
{
	asm volatile(KEEL_FOR_VEC("movdqu %%xmm\\r, (%[p])")
		     : : [nr] "r" (nr), [p] "r" (buf) : "memory", "cc");
}

static void get_ymm(unsigned int nr, void *buf)
{
	asm volatile(KEEL_FOR_VEC("vmovdqu %%ymm\\r, (%[p])")
		     : : [nr] "r" (nr), [p] "r" (buf) : "memory", "cc");
}

static void set_xmm(unsigned int nr, const void *buf)
{
	asm volatile(KEEL_FOR_VEC("movdqu (%[p]), %%xmm\\r")
		     : : [nr] "r" (nr), [p] "r" (buf) : "memory", "cc");
}

/* As instructions with a VEX prefix do: whatever lies above is zeroed. */
static void set_xmm_zext(unsigned int nr, const void *buf)
{
	asm volatile(KEEL_FOR_VEC("vmovdqu (%[p]), %%xmm\\r")
		     : : [nr] "r" (nr), [p] "r" (buf) : "memory", "cc");
}

static void set_ymm(unsigned int nr, const void *buf)
{
	asm volatile(KEEL_FOR_VEC("vmovdqu (%[p]), %%ymm\\r")
		     : : [nr] "r" (nr), [p] "r" (buf) : "memory", "cc");
}

/* The guest's state into the registers, and no softirq or preemption until unlock. */
static void lock_registers(void)
{
	fpregs_lock();
	fpregs_assert_state_consistent();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

static bool host_has_avx(void)
{
	return READ_ONCE(keel_host_xcr0) & XFEATURE_MASK_YMM;
}

void keel_fpu_vec_read(struct keel_vcpu *vcpu, unsigned int nr, void *buf, unsigned int len)
{
	memset(buf, 0, len);
	lock_registers();
	if (len == 32 && host_has_avx())
		get_ymm(nr, buf);
	else if (len == 16)
		get_xmm(nr, buf);
	fpregs_unlock();
}

void keel_fpu_vec_write(struct keel_vcpu *vcpu, unsigned int nr, const void *buf,
			unsigned int len, bool zext)
{
	lock_registers();
	if (len == 32 && host_has_avx())
		set_ymm(nr, buf);
	else if (len == 16 && zext && host_has_avx())
		set_xmm_zext(nr, buf);
	else if (len == 16)
		set_xmm(nr, buf);
	fpregs_unlock();
}

/* ---- KVM_GET_XSAVE, KVM_GET_XSAVE2, KVM_SET_XSAVE ---- */

/* Of userspace's image. What is withheld is also all that does not fit the plain size. */
#define KEEL_XSAVE_SIZE	sizeof(struct kvm_xsave)

long keel_fpu_xsave2_size(struct keel_vm *vm)
{
	return KEEL_XSAVE_SIZE;
}

/* On a CPU without XSAVE the kernel fills the legacy part and names it in the header. */
static void state_to_uabi(struct keel_vcpu *vcpu, void *buf)
{
	memset(buf, 0, KEEL_XSAVE_SIZE);
	fpu_copy_guest_fpstate_to_uabi(&vcpu->arch.fpu, buf, KEEL_XSAVE_SIZE,
				       guest_features(vcpu), vcpu->arch.pkru);
}

/*
 * The kernel's copy refuses what XRSTOR would fault on: unknown components, the
 * compacted form, reserved bits of MXCSR. It warns of components that XFD disables.
 */
static int state_from_uabi(struct keel_vcpu *vcpu, const void *buf)
{
	const struct keel_xsave_image *image = buf;
	u64 allowed = guest_features(vcpu) | KEEL_XSAVE_LEGACY;
	u32 pkru = vcpu->arch.pkru;
	int r;

	if (image->header.xfeatures & (~allowed | vcpu->arch.fpu.fpstate->xfd))
		return -EINVAL;
	r = fpu_copy_uabi_to_guest_fpstate(&vcpu->arch.fpu, buf, allowed, &pkru);
	if (!r)
		vcpu->arch.pkru = pkru;
	return r;
}

long keel_ioc_get_xsave(struct keel_vcpu *vcpu, union keel_arg arg)
{
	state_to_uabi(vcpu, arg.buf);
	return 0;
}

long keel_ioc_get_xsave2(struct keel_vcpu *vcpu, union keel_arg arg)
{
	void *buf = kzalloc(KEEL_XSAVE_SIZE, GFP_KERNEL_ACCOUNT);
	long r = 0;

	if (!buf)
		return -ENOMEM;
	state_to_uabi(vcpu, buf);
	if (copy_to_user(arg.user, buf, KEEL_XSAVE_SIZE))
		r = -EFAULT;
	kfree(buf);
	return r;
}

long keel_ioc_set_xsave(struct keel_vcpu *vcpu, union keel_arg arg)
{
	void *buf = memdup_user(arg.user, KEEL_XSAVE_SIZE);
	long r;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	r = state_from_uabi(vcpu, buf);
	kfree(buf);
	return r;
}

/* ---- KVM_GET_FPU, KVM_SET_FPU: the legacy part of the same image ---- */

/* The part of struct kvm_fpu that is laid out as in the image. */
static void fpu_from_image(struct kvm_fpu *fpu, const struct fxregs_state *fx)
{
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	fpu->mxcsr = fx->mxcsr;
}

static void fpu_to_image(struct fxregs_state *fx, const struct kvm_fpu *fpu)
{
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	if (fpu->mxcsr)	/* clients of KVM, which ignores it, leave it 0 */
		fx->mxcsr = fpu->mxcsr & KEEL_MXCSR_KNOWN;
}

static struct keel_xsave_image *get_image(struct keel_vcpu *vcpu)
{
	void *buf = kzalloc(KEEL_XSAVE_SIZE, GFP_KERNEL_ACCOUNT);

	BUILD_BUG_ON(sizeof(struct keel_xsave_image) > sizeof(struct kvm_xsave));
	if (buf)
		state_to_uabi(vcpu, buf);
	return buf;
}

long keel_ioc_get_fpu(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct keel_xsave_image *image = get_image(vcpu);

	if (!image)
		return -ENOMEM;
	memset(arg.buf, 0, sizeof(struct kvm_fpu));
	fpu_from_image(arg.buf, &image->fx);
	kfree(image);
	return 0;
}

long keel_ioc_set_fpu(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct keel_xsave_image *image = get_image(vcpu);
	long r;

	if (!image)
		return -ENOMEM;
	fpu_to_image(&image->fx, arg.buf);
	image->header.xfeatures |= KEEL_XSAVE_LEGACY;
	r = state_from_uabi(vcpu, image);
	kfree(image);
	return r;
}

/* ---- KVM_GET_XCRS, KVM_SET_XCRS ---- */

long keel_ioc_get_xcrs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	struct kvm_xcrs *xcrs = arg.buf;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	memset(xcrs, 0, sizeof(*xcrs));
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->arch.xcr0;
	return 0;
}

/* XCR0 is the only one; others in the list are passed over. */
long keel_ioc_set_xcrs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	const struct kvm_xcrs *xcrs = arg.buf;
	unsigned int i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return -EINVAL;
	if (xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return keel_set_xcr(vcpu, XCR_XFEATURE_ENABLED_MASK, xcrs->xcrs[i].value);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/kvm_para.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <keel/mtrr.h>
#include "cpuid.h"
#include "event.h"
#include "irqchip/irqchip.h"
#include "msr_table.h"
#include "regs.h"

#define MAX_MSRS	256	/* of one KVM_GET_MSRS, not included */
#define MAX_LISTED	64
#define SMBASE_RESET	0x30000
#define UCODE_REV_INTEL	0x100000000ULL
#define UCODE_REV_AMD	0x01000065

static u32 listed[MAX_LISTED];		/* KVM_GET_MSR_INDEX_LIST; constant after load */
static unsigned int nr_listed;
static u32 listed_features[MAX_LISTED];
static unsigned int nr_listed_features;
static u16 foreign __ro_after_init;	/* the flag of rules for another vendor's hosts */

/* ---- look-up and the rules of access ---- */

/* The rule that a number with this hash probably has; any rule is as good as none. */
static u8 rule_hints[256] __ro_after_init;

static unsigned int hint_of(u32 msr)
{
	return (msr ^ msr >> 24) % ARRAY_SIZE(rule_hints);
}

static bool rule_holds(const struct msr_rule *r, u32 msr)
{
	return msr - r->first <= r->last - r->first;
}

static const struct msr_rule *search_rule(u32 msr)
{
	unsigned int lo = 0, hi = msr_nr_rules;

	while (lo < hi) {
		unsigned int mid = array_index_nospec((lo + hi) / 2, msr_nr_rules);
		const struct msr_rule *r = &msr_rules[mid];

		if (msr < r->first)
			hi = mid;
		else if (msr > r->last)
			lo = mid + 1;
		else
			return r;
	}
	return NULL;
}

static __always_inline const struct msr_rule *find_rule(u32 msr)
{
	const struct msr_rule *r = &msr_rules[rule_hints[hint_of(msr)]];

	OPTIMIZER_HIDE_VAR(r);		/* GCC would work it out for each member */
	return likely(rule_holds(r, msr)) ? r : search_rule(msr);
}

static bool host_has(const struct msr_rule *r)
{
	bool amd = keel_host_is_amd();

	if (r->flags & (amd ? MSR_IF_INTEL : MSR_IF_AMD))
		return false;
	return r->feature == MSR_ANY || keel_host_offers(r->feature);
}

/* The rule by which @rq may go on, or NULL. */
static __always_inline const struct msr_rule *find_for(struct keel_vcpu *vcpu,
						       const struct msr_req *rq)
{
	const struct msr_rule *r = find_rule(rq->msr);

	if (!r || (r->flags & foreign))
		return NULL;
	if (rq->host)
		return r;
	if (r->flags & MSR_HOST_ONLY)
		return NULL;
	return r->feature == MSR_ANY || keel_guest_has(vcpu, r->feature) ? r : NULL;
}

static u64 *rule_field(struct keel_vcpu *vcpu, const struct msr_rule *r)
{
	return (void *)&vcpu->arch + r->field;
}

static __always_inline int rule_get(struct keel_vcpu *vcpu, const struct msr_rule *r,
				    struct msr_req *rq)
{
	int ret = 0;

	if (r->flags & MSR_WRITE_ONLY)
		return -EINVAL;
	if (r->get)
		ret = r->get(vcpu, rq);
	else
		rq->val = r->field ? *rule_field(vcpu, r) : r->value;
	if (ret || !(r->flags & MSR_HARDWARE))
		return ret;
	ret = keel_op(get_msr)(vcpu, rq->msr, &rq->val);
	return ret == -ENOENT ? 0 : ret;
}

/* A register without a setter of its own. */
static int store(struct keel_vcpu *vcpu, const struct msr_rule *r, struct msr_req *rq)
{
	int ret = r->check ? r->check(vcpu, rq) : 0;

	if (ret || (rq->val & ~r->writable))
		return -EINVAL;
	if (r->field)
		*rule_field(vcpu, r) = rq->val;
	return 0;
}

static __always_inline int rule_set(struct keel_vcpu *vcpu, const struct msr_rule *r,
				    struct msr_req *rq)
{
	int ret;

	if ((r->flags & MSR_READ_ONLY) || (!rq->host && (r->flags & MSR_HOST_SETS)))
		return -EINVAL;
	if (r->flags & MSR_DROPS)
		return 0;
	ret = r->set ? r->set(vcpu, rq) : store(vcpu, r, rq);
	if (ret || !(r->flags & MSR_HARDWARE))
		return ret;
	ret = keel_op(set_msr)(vcpu, rq->msr, rq->val);
	return ret == -ENOENT ? 0 : ret;
}

static noinline void tell_unknown(struct keel_vcpu *vcpu, const struct msr_req *rq,
				  const char *what)
{
	if (!rq->host)
		pr_debug_ratelimited("vCPU %u: %s of MSR %#x refused\n", vcpu->id, what, rq->msr);
}

static __always_inline int msr_get(struct keel_vcpu *vcpu, struct msr_req *rq)
{
	const struct msr_rule *r = find_for(vcpu, rq);

	if (likely(r && !rule_get(vcpu, r, rq)))
		return 0;
	tell_unknown(vcpu, rq, "read");
	return -EINVAL;
}

static __always_inline int msr_set(struct keel_vcpu *vcpu, const struct msr_rule *r,
				   struct msr_req *rq)
{
	if (likely(r && !rule_set(vcpu, r, rq)))
		return 0;
	tell_unknown(vcpu, rq, "write");
	return -EINVAL;
}

int keel_msr_get(struct keel_vcpu *vcpu, u32 msr, u64 *val, bool host)
{
	struct msr_req rq = { .msr = msr, .host = host };
	int r = msr_get(vcpu, &rq);

	if (!r)
		*val = rq.val;
	return r;
}

int keel_msr_set(struct keel_vcpu *vcpu, u32 msr, u64 val, bool host)
{
	struct msr_req rq = { .msr = msr, .host = host, .val = val };

	return msr_set(vcpu, find_for(vcpu, &rq), &rq);
}

/* ---- exits ---- */

int keel_msr_read_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	struct msr_req rq = { .msr = keel_reg_read(vcpu, KEEL_RCX) };

	if (msr_get(vcpu, &rq)) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	keel_set_edx_eax(vcpu, rq.val);
	return keel_skip(vcpu, exit);
}

/* Writing one may take a lock that sleeps. */
static bool write_is_quick(const struct msr_rule *r, u32 msr)
{
	if (!r || !r->set || (r->flags & MSR_QUICK))
		return true;
	return msr - APIC_BASE_MSR <= 0xff && keel_apic_reg_quick((msr - APIC_BASE_MSR) << 4);
}

static __always_inline int write_exit(struct keel_vcpu *vcpu, struct keel_exit *exit, bool quick)
{
	struct msr_req rq = { .msr = keel_reg_read(vcpu, KEEL_RCX), .val = keel_edx_eax(vcpu) };
	const struct msr_rule *r = find_for(vcpu, &rq);

	if (quick && !write_is_quick(r, rq.msr))
		return KEEL_LATER;
	if (msr_set(vcpu, r, &rq)) {
		keel_inject_gp(vcpu, 0);
		return KEEL_RESUME;
	}
	return keel_skip(vcpu, exit);
}

int keel_msr_write_exit(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return write_exit(vcpu, exit, false);
}

int keel_msr_write_quick(struct keel_vcpu *vcpu, struct keel_exit *exit)
{
	return write_exit(vcpu, exit, true);
}

/* ---- life ---- */

static bool table_sorted(void)
{
	unsigned int i;

	for (i = 0; i < msr_nr_rules; i++) {
		if (msr_rules[i].last < msr_rules[i].first ||
		    (i && msr_rules[i].first <= msr_rules[i - 1].last))
			return false;
	}
	return true;
}

static int list_rules(void)
{
	unsigned int i;
	u32 msr;

	for (i = 0; i < msr_nr_rules; i++) {
		const struct msr_rule *r = &msr_rules[i];

		if (!(r->flags & MSR_LISTED) || !host_has(r))
			continue;
		for (msr = r->first; msr <= r->last; msr++) {
			if (nr_listed == MAX_LISTED)
				return -ENOSPC;
			listed[nr_listed++] = msr;
		}
	}
	return 0;
}

static void make_hint(const struct msr_rule *r)
{
	u32 msr;

	for (msr = r->first; msr <= r->last; msr++)
		rule_hints[hint_of(msr)] = r - msr_rules;
}

/*
 * The later prevail: of many registers those of x2APIC, and over them the rules of one, the
 * lowest last. The TSC's deadline and SPEC_CTRL are written all the time, and low.
 */
static void make_hints(void)
{
	unsigned int i;

	for (i = 0; i < msr_nr_rules; i++)
		if (msr_rules[i].first != msr_rules[i].last)
			make_hint(&msr_rules[i]);
	while (i--)
		if (msr_rules[i].first == msr_rules[i].last)
			make_hint(&msr_rules[i]);
}

int keel_msr_setup(void)
{
	unsigned int i;

	BUILD_BUG_ON(offsetof(struct keel_vcpu_arch, regs) != 0);	/* field 0 is none */
	if (!table_sorted()) {
		pr_err("the table of MSRs is out of order: build Keel from clean sources\n");
		return -EINVAL;
	}
	nr_listed = 0;
	nr_listed_features = 0;
	make_hints();
	foreign = keel_host_is_amd() ? MSR_IF_INTEL : MSR_IF_AMD;
	for (i = 0; i < msr_nr_features; i++) {
		if (msr_features[i].offered())
			listed_features[nr_listed_features++] = msr_features[i].msr;
	}
	return list_rules();
}

int keel_msr_init(struct keel_vcpu *vcpu)
{
	struct keel_vcpu_arch *a = &vcpu->arch;

	a->arch_capabilities = msr_host_arch_capabilities();
	a->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	a->ucode_rev = keel_host_is_amd() ? UCODE_REV_AMD : UCODE_REV_INTEL;
	/* Errata of the first CPUs with OSVW that the host takes care of. */
	a->osvw_length = 3;
	a->osvw_status = 0;
	a->pv_poll = 1;
	return mce_init(vcpu);
}

void keel_msr_destroy(struct keel_vcpu *vcpu)
{
	mce_destroy(vcpu);
}

/* INIT leaves them alone. */
void keel_msr_reset(struct keel_vcpu *vcpu, bool init)
{
	struct keel_vcpu_arch *a = &vcpu->arch;

	if (init)
		return;
	a->misc_enable = MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL;
	a->misc_features = 0;
	a->smbase = SMBASE_RESET;
	a->spec_ctrl = 0;
	a->xss = 0;
	a->mcg_status = 0;
	keel_msr_set(vcpu, MSR_IA32_CR_PAT, PAT_RESET, true);
}

/* ---- ioctls ---- */

/* Where there is too little room, userspace learns how much it takes. */
static long list_to_user(struct kvm_msr_list __user *user, const u32 *list, u32 n)
{
	u32 room;

	if (get_user(room, &user->nmsrs) || put_user(n, &user->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	return copy_to_user(user->indices, list, n * sizeof(*list)) ? -EFAULT : 0;
}

long keel_ioc_get_msr_index_list(union keel_arg arg)
{
	return list_to_user(arg.user, listed, nr_listed);
}

long keel_ioc_get_msr_feature_index_list(union keel_arg arg)
{
	return list_to_user(arg.user, listed_features, nr_listed_features);
}

typedef int (*msr_access_t)(struct keel_vcpu *vcpu, struct kvm_msr_entry *e);

static int access_get(struct keel_vcpu *vcpu, struct kvm_msr_entry *e)
{
	u64 val = 0;
	int r = keel_msr_get(vcpu, e->index, &val, true);

	if (!r)
		e->data = val;
	return r;
}

static int access_set(struct keel_vcpu *vcpu, struct kvm_msr_entry *e)
{
	return keel_msr_set(vcpu, e->index, e->data, true);
}

static int access_feature(struct keel_vcpu *vcpu, struct kvm_msr_entry *e)
{
	unsigned int i;

	for (i = 0; i < msr_nr_features; i++) {
		if (msr_features[i].msr == e->index && msr_features[i].offered()) {
			e->data = msr_features[i].value();
			return 0;
		}
	}
	return -EINVAL;
}

/* Up to the first one that is refused. */
static long access_user(struct keel_vcpu *vcpu, struct kvm_msrs __user *user,
			msr_access_t access, bool write_back)
{
	struct kvm_msr_entry *e;
	struct kvm_msrs head;
	size_t size;
	long n;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_MSRS)
		return -E2BIG;
	size = array_size(head.nmsrs, sizeof(*e));
	e = memdup_user(user->entries, size);
	if (IS_ERR(e))
		return PTR_ERR(e);
	for (n = 0; n < head.nmsrs; n++) {
		if (access(vcpu, &e[n]))
			break;
	}
	if (write_back && copy_to_user(user->entries, e, size))
		n = -EFAULT;
	kfree(e);
	return n;
}

long keel_ioc_sys_get_msrs(union keel_arg arg)
{
	return access_user(NULL, arg.user, access_feature, true);
}

long keel_ioc_get_msrs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return access_user(vcpu, arg.user, access_get, true);
}

long keel_ioc_set_msrs(struct keel_vcpu *vcpu, union keel_arg arg)
{
	return access_user(vcpu, arg.user, access_set, false);
}

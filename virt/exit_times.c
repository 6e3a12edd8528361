// SPDX-License-Identifier: GPL-2.0
/*
 * exit_times.c - how long exits take, counted while somebody looks
 */
#include <linux/jump_label_ratelimit.h>
#include <linux/log2.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>
#include <keel/stats.h>
#include <keel/vcpu.h>

DEFINE_STATIC_KEY_DEFERRED_FALSE(keel_times_on, HZ);

int keel_times_start(struct keel_vcpu *vcpu)
{
	struct keel_exit_times *times;
	struct keel_vm *vm = vcpu->vm;
	int r = 0;

	mutex_lock(&vm->lock);
	if (!vcpu->times) {
		times = __vmalloc(sizeof(*times), GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!times)
			r = -ENOMEM;
		/* Zeroed, before the vCPU's thread finds it. */
		smp_store_release(&vcpu->times, times);
	}
	/* An exit that was noted when others looked is no exit of now. */
	if (!r && !vcpu->times_users)
		WRITE_ONCE(vcpu->times_since, 0);
	if (!r)
		WRITE_ONCE(vcpu->times_users, vcpu->times_users + 1);
	mutex_unlock(&vm->lock);
	if (!r)
		static_branch_inc(&keel_times_on.key);
	return r;
}

void keel_times_stop(struct keel_vcpu *vcpu)
{
	mutex_lock(&vcpu->vm->lock);
	WRITE_ONCE(vcpu->times_users, vcpu->times_users - 1);
	mutex_unlock(&vcpu->vm->lock);
	/* Not at once: each change of the code costs all CPUs an interrupt. */
	static_branch_slow_dec_deferred(&keel_times_on);
}

void keel_times_flush(void)
{
	static_key_deferred_flush(&keel_times_on);
}

void keel_times_note_exit(struct keel_vcpu *vcpu, unsigned int kind)
{
	vcpu->times_kind = kind;
	WRITE_ONCE(vcpu->times_since, get_cycles());
}

/* The first exit that is timed ends with the entry behind it; other CPUs' cycles may differ. */
void keel_times_note_entry(struct keel_vcpu *vcpu)
{
	/* Pairs with the release in keel_times_start(). */
	struct keel_exit_times *times = smp_load_acquire(&vcpu->times);
	u64 since = READ_ONCE(vcpu->times_since);
	s64 cycles = get_cycles() - since;
	unsigned int bucket;

	if (times && since && cycles > 0 && READ_ONCE(vcpu->times_users)) {
		bucket = min_t(unsigned int, ilog2(cycles), KEEL_TIMES_BUCKETS - 1);
		keel_count(&times->count[vcpu->times_kind][bucket], 1);
	}
	WRITE_ONCE(vcpu->times_since, 0);
}

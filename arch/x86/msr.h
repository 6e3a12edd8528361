/* SPDX-License-Identifier: GPL-2.0 */
/*
 * msr.h - the guest's model-specific registers, one table (msr_table.c), its
 * look-up, the exits and the ioctls (msr.c), machine checks (mce.c)
 */
#ifndef KEEL_X86_MSR_H
#define KEEL_X86_MSR_H

#include "exit.h"

#define KEEL_MCE_BANKS	32

int keel_msr_setup(void);	/* load: which of the lists this host can offer; after CPUID's */
int keel_msr_init(struct keel_vcpu *vcpu);
void keel_msr_destroy(struct keel_vcpu *vcpu);
void keel_msr_reset(struct keel_vcpu *vcpu, bool init);

/*
 * @host: from an ioctl (userspace may set what a guest may not), else RDMSR or WRMSR.
 * 0; -EINVAL: #GP, unknown MSRs included. vCPU thread, loaded; may sleep.
 *
 * Where the table says that hardware may hold the register, the backend is asked last and
 * has the last word; with its -ENOENT, what the table's rule has read or stored stands.
 */
int keel_msr_get(struct keel_vcpu *vcpu, u32 msr, u64 *val, bool host);
int keel_msr_set(struct keel_vcpu *vcpu, u32 msr, u64 val, bool host);

int keel_msr_read_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);
int keel_msr_write_exit(struct keel_vcpu *vcpu, struct keel_exit *exit);
/* See keel_exit_quick(). Reads are quick as they are. */
int keel_msr_write_quick(struct keel_vcpu *vcpu, struct keel_exit *exit);

long keel_ioc_get_msr_index_list(union keel_arg arg);		/* USER; -E2BIG */
long keel_ioc_get_msr_feature_index_list(union keel_arg arg);	/* USER; -E2BIG */
/* These three: USER; the number of entries done; -E2BIG: more than 255 of them. */
long keel_ioc_sys_get_msrs(union keel_arg arg);
long keel_ioc_get_msrs(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_set_msrs(struct keel_vcpu *vcpu, union keel_arg arg);

/* mce.c */
long keel_ioc_setup_mce(struct keel_vcpu *vcpu, union keel_arg arg);	/* IN u64; -EINVAL */
/* IN struct kvm_x86_mce; -EINVAL: no such bank, or no error in it. */
long keel_ioc_set_mce(struct keel_vcpu *vcpu, union keel_arg arg);
long keel_ioc_get_mce_cap_supported(union keel_arg arg);		/* OUT u64 */

#endif

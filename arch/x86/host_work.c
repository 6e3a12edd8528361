// SPDX-License-Identifier: GPL-2.0
/*
 * host_work.c - the kernel's own work that is due before an entry
 *
 * Until 6.18 the helper notes a signal in kvm's struct of a vCPU. It gets one that
 * nobody reads. (The headers of kvm and Keel name the same types, hence this file.)
 */
#include <linux/kvm_host.h>
#include <keel/compat.h>
#include "host_work.h"

static struct kvm_run host_work_run;
static struct kvm_vcpu host_work_sink = { .run = &host_work_run };

int keel_host_work_do(void)
{
	return keel_compat_guest_mode_work(&host_work_sink);
}

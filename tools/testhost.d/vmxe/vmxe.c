// SPDX-License-Identifier: GPL-2.0
/*
 * vmxe.c - is CR4.VMXE off on every CPU? Loading it fails with -EBUSY where it is on.
 *
 * Nothing tells userspace. The register is read, not the kernel's copy of it.
 */
#include <linux/atomic.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

static void vmxe_look(void *on)
{
	if (!(native_read_cr4() & X86_CR4_VMXE))
		return;
	pr_err("vmxe: VMX is still on: CPU %d\n", smp_processor_id());
	atomic_inc(on);
}

static int __init vmxe_init(void)
{
	atomic_t on = ATOMIC_INIT(0);

	on_each_cpu(vmxe_look, &on, 1);
	return atomic_read(&on) ? -EBUSY : 0;
}

static void __exit vmxe_exit(void)
{
}

module_init(vmxe_init);
module_exit(vmxe_exit);
MODULE_DESCRIPTION("Test of CR4.VMXE on every CPU");
MODULE_LICENSE("GPL");

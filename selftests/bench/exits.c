// SPDX-License-Identifier: GPL-2.0
/*
 * exits.c - exits that the kernel handles, and exits to the VMM
 */
#include "bench.h"

/* ---- instructions ---- */

GUEST_BENCH(cpuid, "cpuid", 0, NULL, "", "xor %eax, %eax\nxor %ecx, %ecx\n", "cpuid\n", "");

/* KVM_HC_VAPIC_POLL_IRQ: does nothing */
#define POLL_IRQ "mov $1, %eax\n"
GUEST(64, vmcall_code, GUEST_BATCH("", POLL_IRQ "vmcall\n"));
GUEST(64, vmmcall_code, GUEST_BATCH("", POLL_IRQ "vmmcall\n"));
GUEST(64, vmcall_less, GUEST_BATCH("", POLL_IRQ));

TEST(vmcall)
{
	bool intel = on_intel();

	bench_guest(&(struct bench_guest){
		.name = "vmcall",
		.code = intel ? vmcall_code : vmmcall_code,
		.code_end = intel ? vmcall_code_end : vmmcall_code_end,
		.less = vmcall_less, .less_end = vmcall_less_end,
	});
}

/* TSC_ADJUST */
GUEST_BENCH(rdmsr, "rdmsr", 0, NULL, "", GUEST_MSR(0x3b), "rdmsr\n", "");
GUEST_BENCH(wrmsr, "wrmsr", 0, NULL, "", GUEST_MSR_0(0x3b), "wrmsr\n", "");

/* CR0: WP; CR4: VME, which no guest owns */
GUEST_BENCH(cr0_write, "cr0-write", 0, NULL, "", "mov %cr0, %rax\nxor $0x10000, %eax\n",
	    "mov %rax, %cr0\n", "");
GUEST_BENCH(cr4_write, "cr4-write", 0, NULL, "", "mov %cr4, %rax\nxor $1, %eax\n",
	    "mov %rax, %cr4\n", "");
GUEST_BENCH(cr8_write, "cr8-write", VM_IRQCHIP, NULL, "", "xor %eax, %eax\n",
	    "mov %rax, %cr8\n", "");
GUEST_BENCH(invlpg, "invlpg", 0, NULL, GUEST_AT(0x10000), "", "invlpg (%rbx)\n", "");

/* ---- ports and MMIO that the kernel has ---- */

GUEST_BENCH(port_in, "port-in-kernel", VM_IRQCHIP, NULL, "", "", "in $0x21, %al\n", "");
GUEST_BENCH(port_out, "port-out-kernel", VM_IRQCHIP, NULL, "mov $0xff, %al\n", "",
	    "out %al, $0x21\n", "");
GUEST_BENCH(mmio_ioapic_read, "mmio-ioapic-read", VM_IRQCHIP, NULL,
	    GUEST_AT(0xfec00000) "movl $1, (%rbx)\n", "", "mov 0x10(%rbx), %eax\n", "");
GUEST_BENCH(mmio_ioapic_write, "mmio-ioapic-write", VM_IRQCHIP, NULL, GUEST_AT(0xfec00000), "",
	    "movl $1, (%rbx)\n", "");
/* The divide configuration, which has no side effect */
GUEST_BENCH(mmio_apic_read, "mmio-apic-read", VM_IRQCHIP, NULL, GUEST_AT(0xfee003e0), "",
	    "mov (%rbx), %eax\n", "");
GUEST_BENCH(mmio_apic_write, "mmio-apic-write", VM_IRQCHIP, NULL, GUEST_AT(0xfee003e0), "",
	    "movl $3, (%rbx)\n", "");

/* ---- exits to the VMM ---- */

static struct vm vm;
static struct vcpu c;

static void run(void)
{
	bare_ioctl(c.fd, KVM_RUN, NULL);
}

static void bench_exit(const char *name, uint32_t reason, const void *code, const void *end)
{
	bench_make(&vm, &c, VM_IRQCHIP, code, end);
	run_to(&c, reason);
	bench_calls(name, run);
	EXPECT_EQ(c.run->exit_reason, reason);
}

#define EXIT_BENCH(id, name, reason, setup, op)					\
	GUEST(64, id##_code, setup "9: .rept 64\n" op ".endr\njmp 9b\n");	\
	TEST(id)								\
	{									\
		bench_exit(name, reason, id##_code, id##_code_end);		\
	}

EXIT_BENCH(port_out_user, "port-out-user", KVM_EXIT_IO, "", "out %al, $0xf4\n");
EXIT_BENCH(port_in_user, "port-in-user", KVM_EXIT_IO, "", "in $0xf4, %al\n");
EXIT_BENCH(mmio_read_user, "mmio-read-user", KVM_EXIT_MMIO, GUEST_AT(0xd0000000),
	   "mov (%rbx), %eax\n");
EXIT_BENCH(mmio_write_user, "mmio-write-user", KVM_EXIT_MMIO, GUEST_AT(0xd0000000),
	   "mov %eax, (%rbx)\n");

TEST(run_nothing)
{
	bench_make(&vm, &c, VM_IRQCHIP, port_out_user_code, port_out_user_code_end);
	run_to_out(&c, DONE_PORT);
	c.run->immediate_exit = 1;
	EXPECT_EQ(run_vcpu(&c), -EINTR);
	bench_calls("run-nothing", run);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * enter.S - into the guest and back
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/asm.h>
#include <asm/bitsperlong.h>
#include <asm/frame.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <keel/compat.h>

/* struct vmx_enter_args; lifecycle.c asserts the offsets */
#define ARG_REGS	0
#define ARG_HOST_RSP	8
#define ARG_GUEST_SPEC	16
#define ARG_HOST_SPEC	24
#define ARG_SWAP_SPEC	32
#define ARG_LAUNCHED	33
#define ARG_FAILED	34

#define FIELD_HOST_RSP	0x6c14

/* keel_vcpu_arch.regs, in encoding order; RSP travels in the VMCS */
#define REG(n)		((n) * 8)

.section .noinstr.text, "ax"

/*
 * void vmx_enter_guest(struct vmx_enter_args *args)
 *
 * Interrupts are off. An entry that the CPU refuses goes on behind the instruction,
 * and so does one that faults (another CPU's crash switched VMX off): the way back is
 * then the same as from the guest, with all registers as they were loaded.
 */
SYM_FUNC_START(vmx_enter_guest)
	push %rbp
	push %r15
	push %r14
	push %r13
	push %r12
	push %rbx
	push %rdi			/* args */

	cmpq %rsp, ARG_HOST_RSP(%rdi)
	je 1f
	movq %rsp, ARG_HOST_RSP(%rdi)
	movl $FIELD_HOST_RSP, %eax
10:	vmwrite %rsp, %rax
1:
	cmpb $0, ARG_SWAP_SPEC(%rdi)
	je 2f
	movl $MSR_IA32_SPEC_CTRL, %ecx
	movl ARG_GUEST_SPEC(%rdi), %eax
	movl ARG_GUEST_SPEC+4(%rdi), %edx
	wrmsr
2:
	cmpb $0, ARG_LAUNCHED(%rdi)	/* the flags live until the branch below */
	movq ARG_REGS(%rdi), %rdi
	movq REG(0)(%rdi), %rax
	movq REG(1)(%rdi), %rcx
	movq REG(2)(%rdi), %rdx
	movq REG(3)(%rdi), %rbx
	movq REG(5)(%rdi), %rbp
	movq REG(6)(%rdi), %rsi
	movq REG(8)(%rdi), %r8
	movq REG(9)(%rdi), %r9
	movq REG(10)(%rdi), %r10
	movq REG(11)(%rdi), %r11
	movq REG(12)(%rdi), %r12
	movq REG(13)(%rdi), %r13
	movq REG(14)(%rdi), %r14
	movq REG(15)(%rdi), %r15
	movq REG(7)(%rdi), %rdi
	jne 4f

	CLEAR_CPU_BUFFERS
3:	vmlaunch
	jmp 6f
4:	CLEAR_CPU_BUFFERS
5:	vmresume

6:	/* not entered */
	push %rax
	movq 8(%rsp), %rax		/* args */
	movb $1, ARG_FAILED(%rax)
	pop %rax

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	push %rax
	movq 8(%rsp), %rax		/* args */
	movq ARG_REGS(%rax), %rax
	movq %rcx, REG(1)(%rax)
	movq %rdx, REG(2)(%rax)
	movq %rbx, REG(3)(%rax)
	movq %rbp, REG(5)(%rax)
	movq %rsi, REG(6)(%rax)
	movq %rdi, REG(7)(%rax)
	movq %r8, REG(8)(%rax)
	movq %r9, REG(9)(%rax)
	movq %r10, REG(10)(%rax)
	movq %r11, REG(11)(%rax)
	movq %r12, REG(12)(%rax)
	movq %r13, REG(13)(%rax)
	movq %r14, REG(14)(%rax)
	movq %r15, REG(15)(%rax)
	pop %rcx
	movq %rcx, REG(0)(%rax)

	/* The guest's values must not be speculated on; nor those popped below. */
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %ebx, %ebx
	xorl %ebp, %ebp
	xorl %esi, %esi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d

	/* Before any return: fill the RSB, so that nothing the guest left is used. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE

	popq %rdi			/* args */
	cmpb $0, ARG_SWAP_SPEC(%rdi)
	je 7f
	movl $MSR_IA32_SPEC_CTRL, %ecx
	movl ARG_HOST_SPEC(%rdi), %eax
	movl ARG_HOST_SPEC+4(%rdi), %edx
	wrmsr
7:	lfence
	KEEL_COMPAT_CLEAR_BHB

	pop %rbx
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	pop %rbp
	RET

	_ASM_EXTABLE(10b, 1b)
	_ASM_EXTABLE(3b, 6b)
	_ASM_EXTABLE(5b, 6b)
SYM_FUNC_END(vmx_enter_guest)

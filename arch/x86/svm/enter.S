/* SPDX-License-Identifier: GPL-2.0 */
/*
 * enter.S - into the guest and back
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/bitsperlong.h>
#include <asm/frame.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <keel/compat.h>

/* struct svm_enter_args; lifecycle.c asserts the offsets */
#define ARG_VMCB	0
#define ARG_HOST	8
#define ARG_REGS	16
#define ARG_GUEST_SPEC	24
#define ARG_HOST_SPEC	32
#define ARG_SWAP_SPEC	40

/* keel_vcpu_arch.regs, in encoding order; RAX and RSP travel in the VMCB */
#define REG(n)		((n) * 8)

.section .noinstr.text, "ax"

/*
 * void svm_enter_guest(struct svm_enter_args *args)
 *
 * GIF is 0 around it, interrupts are off outside and on inside the guest. An
 * instruction of SVM that faults (another CPU's crash switched SVM off) is passed
 * over: the exit code stays what the caller had put there.
 */
SYM_FUNC_START(svm_enter_guest)
	push %rbp
	push %r15
	push %r14
	push %r13
	push %r12
	push %rbx
	push %rdi			/* args */

	cmpb $0, ARG_SWAP_SPEC(%rdi)
	je 1f
	movl $MSR_IA32_SPEC_CTRL, %ecx
	movl ARG_GUEST_SPEC(%rdi), %eax
	movl ARG_GUEST_SPEC+4(%rdi), %edx
	wrmsr
1:
	movq ARG_VMCB(%rdi), %rax
	movq ARG_REGS(%rdi), %rdi
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

	VM_CLEAR_CPU_BUFFERS
	sti
2:	vmload %rax
3:	vmrun %rax
4:	vmsave %rax
5:	cli

	movq (%rsp), %rax		/* args */
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

	popq %rdi			/* args */
	movq ARG_HOST(%rdi), %rax
6:	vmload %rax
7:
	/*
	 * Before any return: fill the RSB, so that nothing the guest left is used. Newer
	 * kernels count here in per-CPU memory, so the host's GS must be back.
	 */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

	cmpb $0, ARG_SWAP_SPEC(%rdi)
	je 8f
	movl $MSR_IA32_SPEC_CTRL, %ecx
	movl ARG_HOST_SPEC(%rdi), %eax
	movl ARG_HOST_SPEC+4(%rdi), %edx
	wrmsr
8:
	KEEL_COMPAT_UNTRAIN_RET

	pop %rbx
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	pop %rbp
	RET

	_ASM_EXTABLE(2b, 3b)
	_ASM_EXTABLE(3b, 4b)
	_ASM_EXTABLE(4b, 5b)
	_ASM_EXTABLE(6b, 7b)
SYM_FUNC_END(svm_enter_guest)

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * start.S - from the boot loader to C in long mode; the same for application
 * processors; exceptions; the way to and from other modes
 */
#include "layout.h"

	.section .multiboot, "a"
	.balign 4
	.long 0x1badb002, 0, -0x1badb002

/* ---- 32 bit ---- */

	.text
	.code32
	.globl start
start:
	mov %ebx, boot_info
	/* 4 GiB one to one by 2 MiB pages; all may be reached from ring 3 */
	mov $page_pd, %edi
	xor %ecx, %ecx
1:	mov %ecx, %eax
	shl $21, %eax
	or $0x87, %eax
	mov %eax, (%edi, %ecx, 8)
	inc %ecx
	cmp $2048, %ecx
	jne 1b
	mov $page_pdpt, %edi
	movl $page_pd + 0x007, (%edi)
	movl $page_pd + 0x1007, 8(%edi)
	movl $page_pd + 0x2007, 16(%edi)
	movl $page_pd + 0x3007, 24(%edi)
	movl $page_pdpt + 7, page_pml4

/* Both kinds of processor, any paging off */
enter_long:
	mov $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $page_pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x900, %eax			/* LME, NXE */
	wrmsr
	mov $0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov %eax, %cr0
	lgdt gdt_ptr
	ljmp $SEL_CODE64, $start64

	.globl ap_start32
ap_start32:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	jmp enter_long

/* ---- 64 bit ---- */

	.code64
start64:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $1, %eax
	cpuid
	shr $24, %ebx
	and $MAX_CPUS - 1, %ebx
	mov %ebx, %edi
	lea 1(%rbx), %rsp
	shl $14, %rsp			/* STACK_SIZE */
	add $stacks, %rsp
	xor %ebp, %ebp
	call cpu_start			/* does not return */
	ud2

/* ---- application processors ---- */

	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	mov %cs, %ax
	mov %ax, %ds
	lgdtl trampoline_gdt - trampoline
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $SEL_CODE32, $ap_start32
	.balign 4
trampoline_gdt:
	.word gdt_end - gdt - 1
	.long gdt
trampoline_end:

/* ---- exceptions and interrupts ---- */

	.code64
	.globl vectors
	.balign 16
vectors:
	vector = 0
	.rept 256
	.balign 16
	.if vector != 8 && !(vector >= 10 && vector <= 14) && vector != 17 && vector != 21 && \
	    vector != 29 && vector != 30
	push $0
	.endif
	push $vector
	jmp trap_common
	vector = vector + 1
	.endr

trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	call trap_entry
	mov %rbp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	.globl trap_iret
trap_iret:
	iretq

/* int trap_set(void): 0 now; 1 when an exception comes before trap_end() */
	.globl trap_set
trap_set:
	mov %gs:CPU_SELF, %rax
	add $CPU_JUMP, %rax
	mov %rbx, (%rax)
	mov %rbp, 8(%rax)
	mov %r12, 16(%rax)
	mov %r13, 24(%rax)
	mov %r14, 32(%rax)
	mov %r15, 40(%rax)
	mov (%rsp), %rdx
	mov %rdx, 48(%rax)
	lea 8(%rsp), %rdx
	mov %rdx, 56(%rax)
	pushf
	popq 64(%rax)
	movl $1, 72(%rax)
	xor %eax, %eax
	ret

/* ---- other modes ---- */

/* void enter_user(u64 rip, u64 cs, u64 rsp, u64 rflags): ends by an exception */
	.globl enter_user
enter_user:
	push $SEL_USER_DATA
	push %rdx
	push %rcx
	push %rsi
	push %rdi
	iretq

/* u64 call_code32(void (*fn)(void), u64 arg): @fn in compatibility mode, argument in EAX */
	.globl call_code32
call_code32:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $16, %rsp
	mov %edi, (%rsp)
	movl $SEL_CODE32, 4(%rsp)
	mov %rsi, %rax
	lcall *(%rsp)
	add $16, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* ---- data ---- */

	.data
	.balign 16
	.globl gdt, gdt_ptr
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 08: 64 bit code */
	.quad 0x00cf93000000ffff	/* 10: data */
	.quad 0x00cf9b000000ffff	/* 18: 32 bit code */
	.quad 0x00009b050000ffff	/* 20: 16 bit code, base REAL_CODE */
	.quad 0x000093050000ffff	/* 28: 16 bit data, base REAL_CODE */
	.quad 0x00cf13000000ffff	/* 30: absent */
	.quad 0				/* 38 */
	.quad 0x00cffb000000ffff	/* 40: user, 32 bit code */
	.quad 0x00cff3000000ffff	/* 48: user, data */
	.quad 0x00affb000000ffff	/* 50: user, 64 bit code */
	.quad 0
	.fill 2 * MAX_CPUS, 8, 0	/* 60: TSS */
gdt_end:
gdt_ptr:
	.word gdt_end - gdt - 1
	.quad gdt
	.globl boot_info
boot_info:
	.long 0

	.bss
	.balign 4096
	.globl page_pml4, page_pd
page_pml4:
	.skip 4096
page_pdpt:
	.skip 4096
page_pd:
	.skip 4 * 4096
stacks:
	.skip MAX_CPUS * STACK_SIZE

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * modes.S - from long mode to real mode or 32 bit protected mode, and back
 */
#include "layout.h"

#define EFER		0xc0000080
#define GS_BASE		0xc0000101
#define LME		0x100
#define PG		0x80000000
#define PAE		0x20
#define PSE		0x10

/* ---- down: what both ways share ---- */

	.text
	.code64
/* u32 call_real(u32 offset): 16 bit code at REAL_CODE + @offset; EAX when it returns */
	.globl call_real
call_real:
	lea real_down(%rip), %rax
	mov %eax, down_to
	jmp leave_long

/* void visit_protected(struct visit *v) */
	.globl visit_protected
visit_protected:
	lea protected_down(%rip), %rax
	mov %eax, down_to
leave_long:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	pushf
	cli
	mov %rsp, saved_rsp
	mov %edi, argument
	mov %cr0, %rax
	mov %eax, saved_cr0
	mov %cr3, %rax
	mov %eax, saved_cr3
	mov %cr4, %rax
	mov %eax, saved_cr4
	mov $GS_BASE, %ecx
	rdmsr
	mov %eax, saved_gs
	mov %edx, saved_gs + 4
	sidt saved_idt
	mov $EFER, %ecx
	rdmsr
	mov %eax, saved_efer
	ljmp *compat_pointer

	.code32
compat:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %cr0, %eax
	and $~PG, %eax
	mov %eax, %cr0
	mov $EFER, %ecx
	rdmsr
	and $~LME, %eax
	wrmsr
	jmp *down_to

/* ---- up ---- */

back_up:
	mov saved_cr4, %eax
	mov %eax, %cr4
	mov saved_cr3, %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	xor %edx, %edx
	mov saved_efer, %eax
	wrmsr
	mov saved_cr0, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE64, $back_long
	.code64
back_long:
	mov saved_rsp, %rsp
	lidt saved_idt
	mov $GS_BASE, %ecx
	mov saved_gs, %eax
	mov saved_gs + 4, %edx
	wrmsr
	mov result, %eax
	popf
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* ---- real mode ---- */

	.code32
real_down:
	lidt real_idt
	ljmp $SEL_CODE16, $real16 - real_blob

	.globl real_blob, real_blob_end
real_blob:
	.code16
real16:
	mov $SEL_DATA16, %ax
	mov %ax, %ds
	mov %ax, %ss
	/* ES, FS and GS keep 4 GiB of limit in real mode. */
	mov $SEL_DATA, %ax
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %cr0, %eax
	and $~1, %al
	mov %eax, %cr0
	ljmp $REAL_CODE >> 4, $1f - real_blob
1:	mov %cs, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0xfff0, %esp
	addr32 mov %fs:argument, %ecx
	xor %eax, %eax
	call *%cx
	cli
	mov %eax, %ebx
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $SEL_CODE32, $real_up

	.code32
real_up:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %ebx, result
	jmp back_up

	/* ---- 16 bit routines; offsets from real_blob; EAX is the result ---- */
	.code16
	.globl rm_cr0, rm_int, rm_divide, rm_step, rm_a20, rm_mmio, rm_outs, rm_halt, rm_stos
	.globl rm_cpuid, rm_push, rm_irq, rm_handler, rm_de_handler, rm_db_handler, rm_irq_handler
	.globl rm_string_mmio, rm_ud, rm_ud_handler, rm_count
rm_cr0:
	mov %cr0, %eax
	ret
rm_int:
	mov $1, %eax
	int $0x40
	add $1, %eax
	ret
rm_handler:
	add $100, %eax
	iret
rm_divide:
	mov $5, %ax
	mov $0, %cl
	div %cl
	mov $0x77, %ah
	ret
/* The fault's return address is DIV, two bytes long. */
rm_de_handler:
	mov $0x66, %al
	push %bp
	mov %sp, %bp
	addw $2, 2(%bp)
	pop %bp
	iret
rm_ud:
	xor %eax, %eax
	ud2
	or $0x100, %eax
	ret
rm_ud_handler:
	mov $6, %al
	push %bp
	mov %sp, %bp
	addw $2, 2(%bp)
	pop %bp
	iret
rm_step:
	xor %eax, %eax
	movl $0, %cs:rm_count - real_blob
	pushfw
	pop %bx
	or $0x100, %bx
	push %bx
	popfw
	nop
	nop
	in $0x80, %al
	nop
	pushfw
	pop %bx
	and $~0x100, %bx
	push %bx
	popfw
	mov %cs:rm_count - real_blob, %eax
	ret
rm_db_handler:
	incl %cs:rm_count - real_blob
	iret
rm_count:
	.long 0
/* FFFF:0010 is 1 MiB: there is no A20 gate. */
rm_a20:
	push %ds
	mov $0xffff, %bx
	mov %bx, %ds
	mov 0x10, %eax
	pop %ds
	ret
rm_mmio:
	mov $0xfee00030, %ebx
	addr32 mov %fs:(%ebx), %eax
	ret
rm_stos:
	mov $0xd0000000, %edi
	mov $4, %ecx
	mov $0x11223344, %eax
	cld
	addr32 rep stosl
	mov %ecx, %eax
	ret
/* 64 bytes from MMIO to DS:8000 by a 16 bit string move */
rm_string_mmio:
	mov $0xd0000000, %esi
	mov $0x58000, %edi
	mov $16, %ecx
	addr32 rep movsl %fs:(%esi), %es:(%edi)
	addr32 mov %fs:0x58000, %eax
	ret
rm_outs:
	mov $rm_text - real_blob, %si
	mov $4, %cx
	mov $0x500, %dx
	rep outsb
	in %dx, %eax
	ret
rm_text:
	.ascii "REAL"
rm_cpuid:
	mov $1, %eax
	cpuid
	mov %edx, %eax
	ret
rm_push:
	push $0x1234
	pushl $0x56789abc
	pop %ax
	pop %bx
	pop %cx
	shl $16, %eax
	mov %cx, %ax
	ret
rm_irq:
	sti
	nop
	nop
	cli
	ret
rm_halt:
	sti
	hlt
	cli
	ret
rm_irq_handler:
	inc %eax
	mov $0xfee000b0, %ebx
	addr32 movl $0, %fs:(%ebx)
	iret
real_blob_end:

/* ---- 32 bit protected mode: without paging, with PAE, with 4 MiB pages ---- */

#define V_PAE	0
#define V_PSE	4
#define V_ADDR	8
#define V_OUT	12	/* four stages of value, CR0, CR4, EFER */

	.macro record stage
	mov V_ADDR(%esi), %ebx
	mov (%ebx), %eax
	mov %eax, V_OUT + 16 * \stage(%esi)
	mov %cr0, %eax
	mov %eax, V_OUT + 16 * \stage + 4(%esi)
	mov %cr4, %eax
	mov %eax, V_OUT + 16 * \stage + 8(%esi)
	mov $EFER, %ecx
	rdmsr
	mov %eax, V_OUT + 16 * \stage + 12(%esi)
	.endm

	.macro paging on
	mov %cr0, %eax
	.if \on
	or $PG, %eax
	.else
	and $~PG, %eax
	.endif
	mov %eax, %cr0
	.endm

	.code32
protected_down:
	mov argument, %esi
	mov $protected_stack_end, %esp
	record 0
	mov V_PAE(%esi), %eax
	mov %eax, %cr3
	paging 1
	record 1
	paging 0
	mov %cr4, %eax
	and $~PAE, %eax
	or $PSE, %eax
	mov %eax, %cr4
	mov V_PSE(%esi), %eax
	mov %eax, %cr3
	paging 1
	record 2
	/* A far call and return, a push and pop of segments */
	push %es
	pop %es
	lcall $SEL_CODE32, $1f
	paging 0
	record 3
	movl $0, result
	jmp back_up
1:	lret

	.data
	.balign 8
compat_pointer:
	.long compat
	.word SEL_CODE32
real_idt:
	.word 0x3ff
	.long 0
	.bss
	.balign 8
saved_rsp:	.skip 8
saved_gs:	.skip 8
saved_idt:	.skip 16
saved_cr0:	.skip 4
saved_cr3:	.skip 4
saved_cr4:	.skip 4
saved_efer:	.skip 4
down_to:	.skip 4
argument:	.skip 4
result:		.skip 4
	.skip 256
protected_stack_end:

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * real.S - 16 bit code from reset on: nothing here ever leaves real mode but to make
 * segment limits large
 */
	.code16
	.text
	.globl _start
_start:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	ljmp $0, $main

/* ---- TAP ---- */

	.macro say text
	.pushsection .text.strings, "ax"
770:	.asciz "\text"
	.popsection
	mov $770b, %si
	call print
	.endm

	.macro result name
	.pushsection .text.strings, "ax"
771:	.asciz "\name"
	.popsection
	mov $771b, %si
	call report
	.endm

	/* Equal, or the test has failed */
	.macro expectw a, b
	cmpw \b, \a
	je 773f
	incw failed
773:
	.endm

	.macro expect a, b
	cmp \b, \a
	je 772f
	incw failed
772:
	.endm

print:
	mov $0x3f8, %dx
1:	lodsb
	test %al, %al
	jz 2f
	out %al, %dx
	jmp 1b
2:	ret

/* SI: name */
report:
	push %si
	cmpw $0, failed
	je 1f
	incw any_failed
	mov $text_not, %si
	call print
1:	mov $text_ok, %si
	call print
	incw number
	mov number, %ax
	mov $10, %cl
	div %cl
	push %ax
	add $'0', %al
	out %al, %dx
	pop %ax
	mov %ah, %al
	add $'0', %al
	out %al, %dx
	mov $text_dash, %si
	call print
	pop %si
	call print
	mov $10, %al
	out %al, %dx
	movw $0, failed
	ret

text_not:	.asciz "not "
text_ok:	.asciz "ok "
text_dash:	.asciz " - "
number:		.word 0
failed:		.word 0
any_failed:	.word 0

/* ---- vectors ---- */

	.macro vector n, handler
	movw $\handler, 4 * \n
	movw $0, 4 * \n + 2
	.endm

hits:	.word 0

/* A trap: go on. */
on_trap:
	incw %cs:hits
	iret

/* A fault of an instruction of two bytes: step over. */
on_fault2:
	incw %cs:hits
	push %bp
	mov %sp, %bp
	addw $2, 2(%bp)
	pop %bp
	iret

/* PIC's IRQ 0 */
on_timer:
	push %ax
	incw %cs:hits
	mov $0x20, %al
	out %al, $0x20
	pop %ax
	iret

/* ---- tests ---- */

t_arithmetic:
	mov $0xffff, %ax
	add $1, %ax
	expect %ax, $0
	mov $0x12345678, %eax
	shl $4, %eax
	expect %eax, $0x23456780
	mov $200, %ax
	mov $7, %cl
	div %cl
	expect %ax, $0x041c
	mov $0x39, %al
	add $0x28, %al
	daa
	expect %al, $0x67
	mov $0x0205, %ax
	aad
	expect %al, $25
	result "arithmetic, decimal too"
	ret

t_segments:
	mov $0x1234, %ax
	mov %ax, %es
	movl $0xcafebabe, %es:0x10
	xor %ax, %ax
	mov %ax, %es
	mov $0x1000, %ax
	mov %ax, %es
	mov %es:0x2350, %eax		/* the same address: 12350 */
	expect %eax, $0xcafebabe
	push %es
	pop %ax
	expect %ax, $0x1000
	xor %ax, %ax
	mov %ax, %es
	lcall $0, $far_routine
	expect %bx, $0x4321
	ljmp $0x100, $1f - 0x1000
1:	mov %cs, %ax
	expect %ax, $0x100
	ljmp $0, $1f
1:	lds far_pointer, %si
	expect %si, $0x5678
	mov %ds, %ax
	push %ax
	xor %bx, %bx
	mov %bx, %ds
	pop %ax
	expect %ax, $0x9abc
	result "segments and far pointers"
	ret
far_routine:
	mov $0x4321, %bx
	lret
far_pointer:
	.word 0x5678, 0x9abc

t_interrupts:
	vector 0x40, on_trap
	vector 3, on_trap
	vector 4, on_trap
	movw $0, hits
	int $0x40
	int $3
	int3
	mov $0x7f, %al
	add $1, %al
	into
	xor %al, %al
	into
	expectw hits, $4
	/* FLAGS on the stack, IF off in the handler */
	vector 0x41, on_flags
	sti
	int $0x41
	cli
	testw $0x200, seen_flags
	jz 1f
	testw $0x200, handler_flags
	jz 2f
1:	incw failed
2:	result "INT n, INT3 and INTO"
	ret
on_flags:
	push %bp
	mov %sp, %bp
	push %ax
	mov 6(%bp), %ax
	mov %ax, %cs:seen_flags
	pushf
	pop %ax
	mov %ax, %cs:handler_flags
	pop %ax
	pop %bp
	iret
seen_flags:	.word 0
handler_flags:	.word 0

t_exceptions:
	vector 0, on_fault2
	vector 6, on_fault2
	movw $0, hits
	mov $1, %ax
	xor %cl, %cl
	div %cl
	expectw hits, $1
	ud2
	expectw hits, $2
	mov $bounds, %si
	vector 5, on_fault2
	mov $9, %ax
	bound %ax, (%si)
	expectw hits, $3
	mov $5, %ax
	bound %ax, (%si)
	expectw hits, $3
	result "exceptions"
	ret
bounds:	.word 1, 8

t_step:
	vector 1, on_trap
	movw $0, hits
	pushf
	pop %ax
	or $0x100, %ax
	push %ax
	popf
	nop
	in $0x80, %al
	out %al, $0x80
	mov $0, %eax
	cpuid
	pushf
	pop %ax
	and $~0x100, %ax
	push %ax
	popf
	expectw hits, $10
	result "single step"
	ret

t_ports:
	mov $0x500, %dx
	mov $text_ports, %si
	mov $8, %cx
	rep outsb
	expect %cx, $0
	mov $buffer, %di
	mov $4, %cx
	rep insw
	mov $text_ports, %si
	mov $buffer, %di
	mov $8, %cx
	repe cmpsb
	je 1f
	incw failed
1:	in %dx, %al
	expect %al, $0xff
	/* DI wraps at 64 KiB, as addresses have 16 bits. */
	mov $0x2000, %ax
	mov %ax, %es
	mov $text_ports, %si
	mov $4, %cx
	rep outsb
	mov $0xfffe, %di
	mov $4, %cx
	rep insb
	expect %di, $2
	mov %es:0xfffe, %ax
	expect %ax, text_ports
	mov %es:0, %ax
	expect %ax, text_ports + 2
	xor %ax, %ax
	mov %ax, %es
	result "string I/O"
	ret
text_ports:	.ascii "0123wxyz"
buffer:		.skip 16

/* Large limits: into protected mode and back with FS and ES of 4 GiB */
t_big:
	lgdt gdt_pointer
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $8, %bx
	mov %bx, %fs
	mov %bx, %es
	and $~1, %al
	mov %eax, %cr0
	xor %ax, %ax
	mov %ax, %fs
	mov %ax, %es
	mov $0x200000, %ebx
	movl $0x600df00d, %fs:(%ebx)
	mov %fs:(%ebx), %eax
	expect %eax, $0x600df00d
	/* The APIC's version, and memory behind exits */
	mov $0xfee00030, %ebx
	mov %fs:(%ebx), %eax
	cmp $0x10, %al
	jae 1f
	incw failed
1:	mov $0xd0000000, %ebx
	movl $0x11223344, %fs:(%ebx)
	addw $0x1111, %fs:(%ebx)
	mov %fs:(%ebx), %eax
	expect %eax, $0x11224455
	mov $0xd0000010, %edi
	mov $8, %ecx
	mov $0xa5, %al
	addr32 rep stosb
	expect %edi, $0xd0000018
	mov %fs:(-4)(%edi), %eax
	expect %eax, $0xa5a5a5a5
	result "4 GiB segments and MMIO"
	ret
	.balign 8
gdt:	.quad 0, 0x00cf93000000ffff
gdt_pointer:
	.word 15
	.long gdt

t_timer:
	vector 8, on_timer
	movw $0, hits
	mov $0x11, %al
	out %al, $0x20
	mov $8, %al
	out %al, $0x21
	mov $4, %al
	out %al, $0x21
	mov $1, %al
	out %al, $0x21
	mov $0xfe, %al
	out %al, $0x21
	mov $0x34, %al
	out %al, $0x43
	mov $0x50, %al
	out %al, $0x40
	mov $0x09, %al
	out %al, $0x40
1:	sti
	hlt
	cli
	cmpw $10, hits
	jb 1b
	mov $0xff, %al
	out %al, $0x21
	result "HLT and the PIT"
	ret

main:
	say "TAP version 13\n1..8\n"
	call t_arithmetic
	call t_segments
	call t_interrupts
	call t_exceptions
	call t_step
	call t_ports
	call t_big
	call t_timer
	mov any_failed, %ax
	mov $0xf4, %dx
	out %al, %dx
	hlt

	.section .note.GNU-stack, "", @progbits

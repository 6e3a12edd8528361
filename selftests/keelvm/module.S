/* SPDX-License-Identifier: GPL-2.0 */
/*
 * module.S - a multiboot kernel that writes its command line and its first module to the
 * serial line, as bytes, and ends with status 3
 */
	.code32
	.text
	.long	0x1badb002, 0, -0x1badb002

	.global	_start
_start:	cmp	$0x2badb002, %eax
	jne	1f
	mov	$0x3f8, %edx
	mov	16(%ebx), %esi		/* the command line */
	mov	$4, %ecx
	rep outsb
	cmpl	$1, 20(%ebx)		/* modules */
	jne	1f
	mov	24(%ebx), %ebp
	mov	(%ebp), %esi
	mov	4(%ebp), %ecx
	sub	%esi, %ecx
	rep outsb
	mov	$3, %al
	out	%al, $0xf4
1:	mov	$99, %al
	out	%al, $0xf4

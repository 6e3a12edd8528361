/* SPDX-License-Identifier: GPL-2.0 */
/*
 * boot.S - a boot sector of 512 bytes, in real mode, for disk and CD
 *
 * Says what works on the first serial line: the BIOS's INT 13h reads the sector
 * DATA_LBA, a text; the PIT's interrupts advance the BIOS's clock while the CPU
 * halts. Ends through isa-debug-exit, 33 for success and 35 for failure.
 */
	.code16
	.globl	_start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	ljmp	$0, $1f
1:	cld
	movw	$booted, %si
	call	print

	movb	$0x42, %ah		/* extended read, DL is still the drive */
	movw	$packet, %si
	int	$0x13
	jc	failed
	movw	$0x8000, %si
	call	print

	call	ticks
	leaw	9(%eax), %bx		/* half a second */
2:	hlt
	call	ticks
	subw	%bx, %ax
	js	2b
	movw	$ticked, %si
	call	print
	movb	$16, %al
	jmp	end

failed:
	movw	$no_sector, %si
	call	print
	movb	$17, %al
end:
	outb	%al, $0xf4
	hlt
	jmp	end

/* AX: the low word of the BIOS's tick count. */
ticks:
	pushw	%bx
	xorb	%ah, %ah
	int	$0x1a
	movw	%dx, %ax
	popw	%bx
	ret

/* The text at SI, to the serial line. */
print:
	pushw	%dx
2:	lodsb
	testb	%al, %al
	jz	4f
	movb	%al, %ah
	movw	$0x3fd, %dx
3:	inb	%dx, %al
	testb	$0x20, %al
	jz	3b
	movb	%ah, %al
	movw	$0x3f8, %dx
	outb	%al, %dx
	jmp	2b
4:	popw	%dx
	ret

booted:
	.asciz	"case: booted\r\n"
ticked:
	.asciz	"case: clock ticks\r\n"
no_sector:
	.asciz	"case: INT 13h fails\r\n"

	.balign	4
packet:
	.byte	16, 0
	.word	1			/* sector */
	.word	0x8000, 0		/* to */
	.quad	DATA_LBA

	.org	510
	.word	0xaa55

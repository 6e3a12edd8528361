/* SPDX-License-Identifier: GPL-2.0 */
/*
 * disk.S - a disk: the boot sector and the text that it reads
 *
 * A mebibyte: SeaBIOS reads nothing from a disk of less than a cylinder on q35.
 */
	.incbin	"disk.boot"
	.org	512
	.asciz	"case: sector read\r\n"
	.org	1 << 20

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * disk.S - a disk: the boot sector and the text that it reads
 */
	.incbin	"disk.boot"
	.org	512
	.asciz	"case: sector read\r\n"
	.org	65536

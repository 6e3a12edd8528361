/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cd.S - a CD with nothing but El Torito's records, the boot sector (no
 * emulation) and the text that it reads
 */
#define SECTOR(n)	.org (n) * 2048

	SECTOR(16)			/* primary volume descriptor */
	.byte	1
	.ascii	"CD001\001"
	SECTOR(17)			/* boot record */
	.byte	0
	.ascii	"CD001\001"
	.ascii	"EL TORITO SPECIFICATION"
	.org	17 * 2048 + 0x47
	.long	19
	SECTOR(18)			/* terminator */
	.byte	255
	.ascii	"CD001\001"
	SECTOR(19)			/* catalogue: validation entry */
	.byte	1, 0, 0, 0
	.org	19 * 2048 + 0x1c
	.word	0x55aa			/* the words add up to 0 */
	.byte	0x55, 0xaa
	.byte	0x88, 0			/* initial entry: bootable, no emulation */
	.word	0
	.byte	0, 0
	.word	1			/* sector of 512 bytes */
	.long	20
	SECTOR(20)
	.incbin	"cd.boot"
	SECTOR(21)
	.asciz	"case: sector read\r\n"
	SECTOR(64)

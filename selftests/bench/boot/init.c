// SPDX-License-Identifier: GPL-2.0
/*
 * init.c - all of the guest's userspace: it resets the machine
 *
 * Without the C library, as every page of it is unpacked and read by an emulated CPU.
 */
#include <linux/reboot.h>
#include <sys/syscall.h>

void _start(void)
{
	long r = SYS_reboot;

	asm volatile("syscall" : "+a"(r)
		     : "D"(LINUX_REBOOT_MAGIC1), "S"(LINUX_REBOOT_MAGIC2),
		       "d"(LINUX_REBOOT_CMD_RESTART) : "rcx", "r11", "memory");
	for (;;)
		asm volatile("pause");
}

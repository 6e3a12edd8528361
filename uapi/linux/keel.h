/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * keel.h - the ABI of /dev/keel
 *
 * The ABI is that of /dev/kvm, as <linux/kvm.h> defines it; a program that
 * runs on one runs on the other. This header adds what is Keel's own.
 */
#ifndef _UAPI_LINUX_KEEL_H
#define _UAPI_LINUX_KEEL_H

#include <linux/kvm.h>

#define KEEL_DEV_PATH	"/dev/keel"

#endif

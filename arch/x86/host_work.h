/* SPDX-License-Identifier: GPL-2.0 */
/*
 * host_work.h - the kernel's own work that is due before an entry
 */
#ifndef KEEL_X86_HOST_WORK_H
#define KEEL_X86_HOST_WORK_H

/* Reschedule, task work and so on. 0, or -EINTR: a signal. Interrupts on; sleeps. */
int keel_host_work_do(void);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emulate.h - the instruction emulator inside a vCPU
 *
 * emulate.c gives it the vCPU's state and takes the result; mmio.c is its
 * memory and pio.c its ports. An access that userspace must answer ends the
 * emulator's run with EMUL_WAIT. The answer is kept in the vCPU, and the
 * instruction is run anew: the accesses made before get the same answers.
 */
#ifndef KEEL_X86_EMULATE_H
#define KEEL_X86_EMULATE_H

#include "exit.h"

/*
 * keel_emulate_again() - userspace has answered what the instruction at linear @rip
 * waited for: run it anew. If the vCPU is elsewhere now, the answer is void.
 */
int keel_emulate_again(struct keel_vcpu *vcpu, u64 rip);

/* mmio.c; see struct emul_ops. */
enum emul_result keel_emul_fetch(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				 unsigned int *got);
enum emul_result keel_emul_read(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				unsigned int access);
enum emul_result keel_emul_write(struct emul_ctxt *c, gva_t addr, const void *buf,
				 unsigned int len, unsigned int access);
enum emul_result keel_emul_cmpxchg(struct emul_ctxt *c, gva_t addr, const void *old,
				   const void *new, unsigned int len, unsigned int access);
enum emul_result keel_emul_probe_write(struct emul_ctxt *c, gva_t addr, unsigned int len,
				       unsigned int access);

/* The log of MMIO accesses: an instruction (iteration) starts (anew); it is over. */
void keel_mmio_replay(struct keel_vcpu *vcpu);
void keel_mmio_forget(struct keel_vcpu *vcpu);
bool keel_mmio_waits(const struct keel_vcpu *vcpu);
/* Fill kvm_run with the access that waits. KEEL_TO_USER. */
int keel_mmio_to_user(struct keel_vcpu *vcpu, u64 rip);

/*
 * The devices in the kernel, 1 to 8 bytes in a page: 0, or -EOPNOTSUPP: none of them. A read
 * with interrupts on or off; a write with interrupts off only where it is quick.
 */
int keel_mmio_write(struct keel_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *data);
int keel_mmio_read(struct keel_vcpu *vcpu, gpa_t gpa, unsigned int len, void *data);
bool keel_mmio_write_quick(struct keel_vcpu *vcpu, gpa_t gpa);

/* pio.c */
enum emul_result keel_emul_port_in(struct emul_ctxt *c, u16 port, void *buf,
				   unsigned int size);
enum emul_result keel_emul_port_out(struct emul_ctxt *c, u16 port, const void *buf,
				    unsigned int size);
enum emul_result keel_emul_port_check(struct emul_ctxt *c, u16 port, unsigned int size);

/* The port access of an iteration: it starts (anew); it is over; what is left is void. */
void keel_pio_replay(struct keel_vcpu *vcpu);
void keel_pio_iterated(struct keel_vcpu *vcpu);
void keel_pio_forget(struct keel_vcpu *vcpu);
bool keel_pio_left(const struct keel_vcpu *vcpu);	/* answers that no iteration has taken */
int keel_pio_to_user(struct keel_vcpu *vcpu, u64 rip);

#endif

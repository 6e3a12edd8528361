/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emul.h - the instruction emulator
 *
 * Emulates one instruction (one iteration of a string instruction with REP)
 * for the cases in which the CPU cannot: accesses to MMIO, string I/O, and
 * what an exit leaves undecoded. It is a logic core: it sees registers and
 * segments as plain data, and memory and ports through struct emul_ops.
 *
 * Emulation is a pure function of the context until it ends: nothing in
 * struct emul_ctxt's architectural state changes unless emul_step() returns
 * EMUL_DONE or EMUL_AGAIN. So an op that must wait for userspace returns
 * EMUL_WAIT; the caller later starts the same instruction anew, and answers
 * the accesses already made from a log kept in order. The emulator promises
 * to make the same accesses, in the same order, with the same sizes, when
 * started again with the same state and the same answers.
 */
#ifndef KEEL_EMUL_H
#define KEEL_EMUL_H

#include <keel/core.h>

enum emul_result {
	/* Completed; rip is past the instruction. */
	EMUL_DONE,
	/* One iteration of REP done, rip unchanged: call again, or enter the guest. */
	EMUL_AGAIN,
	/* ctxt->fault holds the exception; state as before the instruction (iteration). */
	EMUL_FAULT,
	/* An op needs userspace; nothing changed; start again when it has answered. */
	EMUL_WAIT,
	/* Not an instruction that is emulated; insn[], insn_len hold its bytes. */
	EMUL_UNHANDLED,
	/* The op could not complete (fetch changed, signal): enter the guest again. */
	EMUL_INTR,
};

enum emul_mode {
	EMUL_REAL,	/* CR0.PE = 0 */
	EMUL_VM86,	/* RFLAGS.VM = 1 */
	EMUL_PROT16,	/* CS.D = 0 */
	EMUL_PROT32,	/* CS.D = 1 */
	EMUL_LONG,	/* EFER.LMA and CS.L; compatibility mode is PROT16 or PROT32 */
};

/* In the order of the instruction encoding. */
enum emul_seg { EMUL_ES, EMUL_CS, EMUL_SS, EMUL_DS, EMUL_FS, EMUL_GS, EMUL_NR_SEGS };

enum emul_access {
	EMUL_READ	= 0,
	EMUL_WRITE	= BIT(0),
	EMUL_FETCH	= BIT(1),
	EMUL_USER	= BIT(2),	/* at CPL 3; unset: supervisor, SMAP by RFLAGS.AC */
	/* Part of a LOCKed (or XCHG) read-modify-write: for tests, Keel's ops need not know. */
	EMUL_LOCKED	= BIT(3),
};

struct emul_segment {
	u64 base;
	u32 limit;	/* in bytes, G applied */
	u16 sel;
	u8 type;	/* descriptor type, 4 bits */
	u8 dpl;
	bool s, present, db, l, unusable;
};

struct emul_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 addr;	/* CR2 for #PF */
};

struct emul_ctxt;

/*
 * All addresses are linear (segmentation, canonical and alignment checks done,
 * truncated to 32 bits outside long mode). An access may cross a page; the op
 * splits it. Sizes are 1, 2, 4, 8, 16 or 32 bytes. Each returns EMUL_DONE,
 * EMUL_FAULT (ctxt->fault filled), EMUL_WAIT, EMUL_INTR or EMUL_UNHANDLED.
 */
struct emul_ops {
	/*
	 * Up to @len instruction bytes at linear @addr, all within one page;
	 * returns through *@got how many, at least one.
	 */
	enum emul_result (*fetch)(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				  unsigned int *got);
	enum emul_result (*read)(struct emul_ctxt *c, gva_t addr, void *buf, unsigned int len,
				 unsigned int access);
	enum emul_result (*write)(struct emul_ctxt *c, gva_t addr, const void *buf,
				  unsigned int len, unsigned int access);
	/*
	 * Atomic compare-and-exchange of @len bytes (1 to 16) for LOCKed
	 * instructions: stores @new if memory still holds @old, else EMUL_INTR
	 * so that the instruction starts anew. On MMIO a plain write.
	 */
	enum emul_result (*cmpxchg)(struct emul_ctxt *c, gva_t addr, const void *old,
				    const void *new, unsigned int len, unsigned int access);
	/* Check write permission of a range without writing (RMW, INS before the port read). */
	enum emul_result (*probe_write)(struct emul_ctxt *c, gva_t addr, unsigned int len,
					unsigned int access);
	enum emul_result (*port_in)(struct emul_ctxt *c, u16 port, void *buf, unsigned int size);
	enum emul_result (*port_out)(struct emul_ctxt *c, u16 port, const void *buf,
				     unsigned int size);
	/*
	 * I/O permission by the TSS bitmap; EMUL_DONE or a #GP(0). Called only
	 * where mode, CPL and IOPL do not already permit.
	 */
	enum emul_result (*port_check)(struct emul_ctxt *c, u16 port, unsigned int size);
	/*
	 * Vector registers 0..15 by 16 (XMM) or 32 (YMM) bytes; a write of 16
	 * with @zext clears the rest, as does one of 32 beyond the YMM register.
	 */
	void (*vec_read)(struct emul_ctxt *c, unsigned int nr, void *buf, unsigned int len);
	void (*vec_write)(struct emul_ctxt *c, unsigned int nr, const void *buf, unsigned int len,
			  bool zext);
};

struct emul_ctxt {
	/* Inputs, architectural state; gpr, rip, rflags, cr0 (LMSW) and seg[] are outputs too. */
	const struct emul_ops *ops;
	void *priv;		/* the caller's */
	u64 gpr[16];		/* by encoding: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
	u64 rip;
	u64 rflags;
	u64 cr0, cr4, efer, xcr0;
	enum emul_mode mode;
	u8 cpl;
	struct emul_segment seg[EMUL_NR_SEGS];
	/*
	 * CPUID facts of the guest that decide between an instruction and #UD.
	 */
	bool has_movbe, has_avx, has_avx2, has_cx16;
	bool amd_branch16;	/* 66 narrows near branches in long mode, as on AMD */

	/* Outputs. */
	struct emul_fault fault;	/* valid on EMUL_FAULT */
	u8 insn[15];			/* the bytes fetched, */
	u8 insn_len;			/* and how many; after decode, the instruction's length */
	bool sets_shadow;		/* blocks interrupts after it (pop ss, mov ss) */
};

/*
 * emul_decode_len() - length of the instruction at c->rip.
 *
 * For stepping over an intercepted instruction on a CPU that does not report
 * the next RIP. Fetches through ops->fetch. On EMUL_DONE c->insn_len is the
 * length; knows every instruction of the one-byte, 0F, 0F38 and 0F3A maps, VEX
 * included, whether or not it can be executed by emul_step().
 */
enum emul_result emul_decode_len(struct emul_ctxt *c);

/*
 * emul_step() - emulate the instruction at c->rip, or one iteration of REP.
 *
 * The interrupt shadow, single step (RFLAGS.TF) and debug breakpoints are the
 * caller's. Context: whatever the ops need; the emulator itself never sleeps
 * or allocates.
 */
enum emul_result emul_step(struct emul_ctxt *c);

/*
 * emul_decoded() - facts of the last decoded instruction for exits that name
 * an instruction but not its operand (MOV CR/DR without decode assists).
 */
struct emul_decoded {
	u8 opcode;	/* last opcode byte */
	u8 map;		/* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
	u8 modrm;	/* 0 if none */
	u8 reg, rm;	/* extended by REX or VEX */
	u8 opsize;	/* operand size in bytes: 2, 4, 8 */
	bool has_modrm, rep, repne;
};

void emul_decoded(const struct emul_ctxt *c, struct emul_decoded *d);

/*
 * Plain MOVs of 64 bit code between a register or a constant and memory, by which drivers
 * reach device registers, without the rest of the emulator: plain.c.
 */
#define EMUL_PLAIN_BYTES	16	/* that must be readable; no instruction has as many */
#define EMUL_PLAIN_NONE		0xff	/* no such register, */
#define EMUL_PLAIN_RIP		0xfe	/* or the address of the next instruction */

struct emul_plain {
	u8 len;
	u8 size;		/* of the memory operand: 1, 2, 4, 8 */
	u8 reg_size;		/* a load: how much of the register it sets */
	u8 reg;			/* unless has_imm */
	u8 base, index;		/* a register, EMUL_PLAIN_NONE, and base EMUL_PLAIN_RIP */
	u8 scale;		/* of index: a shift */
	bool write, sign, has_imm;
	s32 disp;
	u64 imm;
};

/* False: not one of these; @p is then undefined. */
bool emul_plain_decode(const u8 insn[EMUL_PLAIN_BYTES], struct emul_plain *p);
/* The operand's linear address; @base and @index are 0 where there is none. */
u64 emul_plain_address(const struct emul_plain *p, u64 base, u64 index);
/* The register after a load of @val (p->size bytes of it), @old before. */
u64 emul_plain_loaded(const struct emul_plain *p, u64 old, u64 val);

#endif

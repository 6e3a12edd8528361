// SPDX-License-Identifier: GPL-2.0
/*
 * gtables.c - what a hostile guest starts with: tables, handlers, registers
 */
#include <string.h>
#include <sys/ioctl.h>
#include "gcode.h"

const char *const gmode_name[G_MODES] = {
	[G_REAL] = "real", [G_PROT] = "prot", [G_PAGED] = "paged", [G_PAE] = "pae", [G_LONG] = "long",
};

/* ---- exceptions go on with the next unit ---- */

struct handler {
	u8 len, code[16];
};

static const struct handler real_handler = {
	/* push bp; mov bp, sp; or word [bp + 2], 63; inc word [bp + 2]; pop bp; iret */
	12, { 0x55, 0x89, 0xe5, 0x83, 0x4e, 2, GCODE_UNIT - 1, 0xff, 0x46, 2, 0x5d, 0xcf }
};
/* The first bytes take the error code off. */
static const struct handler prot_handler = {
	11, { 0x83, 0xc4, 4, 0x83, 0x0c, 0x24, GCODE_UNIT - 1, 0xff, 0x04, 0x24, 0xcf }
};
static const struct handler long_handler = {
	15, { 0x48, 0x83, 0xc4, 8, 0x48, 0x83, 0x0c, 0x24, GCODE_UNIT - 1, 0x48, 0xff, 0x04, 0x24,
	      0x48, 0xcf }
};

#define ERROR_VECTORS	0x60227d00UL	/* 8, 10 to 14, 17, 21, 29, 30 */

static u32 handler_of(unsigned int vector, unsigned int skip)
{
	bool error = vector < 32 && (ERROR_VECTORS >> vector & 1);

	return G_HANDLERS + (error ? 0 : skip);
}

static void put_real_vectors(u8 *mem)
{
	u16 *ivt = (u16 *)(mem + G_IDT);
	unsigned int i;

	memcpy(mem + G_HANDLERS, real_handler.code, real_handler.len);
	for (i = 0; i < 256; i++) {
		ivt[i * 2] = G_HANDLERS;
		ivt[i * 2 + 1] = 0;
	}
}

static u64 gate(u16 selector, u32 offset, u8 type)
{
	return (offset & 0xffff) | (u64)selector << 16 | (u64)type << 40 |
	       (u64)(offset >> 16) << 48;
}

static void put_gates(u8 *mem, bool wide)
{
	const struct handler *h = wide ? &long_handler : &prot_handler;
	u64 *idt = (u64 *)(mem + G_IDT);
	unsigned int i;

	memcpy(mem + G_HANDLERS, h->code, h->len);
	for (i = 0; i < 256; i++) {
		u64 g = gate(wide ? 0x18 : 0x08, handler_of(i, wide ? 4 : 3), 0xee);

		if (wide)
			idt[i * 2] = g, idt[i * 2 + 1] = 0;
		else
			idt[i] = i == 0x30 ? gate(0x30, 0, 0xe5) : g;
	}
}

static void put_gdt(u8 *mem)
{
	static const u64 gdt[] = {
		0,
		0x00cf9b000000ffff,	/* 08: code of 32 bit */
		0x00cf93000000ffff,	/* 10: data */
		0x00af9b000000ffff,	/* 18: code of 64 bit */
		0x008f9b000000ffff,	/* 20: code of 16 bit */
		0x00ef9b000000ffff,	/* 28: code with L and D */
		0x0000890000000067 | (u64)G_TSS << 16,		/* 30: TSS of 32 bit */
		0x00008b0000000067 | (u64)G_TSS << 16,		/* 38: the same, busy */
		0x0000810000000067 | (u64)G_TSS << 16,		/* 40: TSS of 16 bit */
		0x0000850000300000,	/* 48: task gate */
		0x0000890000000005 | (u64)G_TSS << 16,		/* 50: too short */
		0x00cf9e000000ffff,	/* 58: conforming, not accessed */
		0x00cffb000000ffff,	/* 60: code of level 3 */
		0x00cff3000000ffff,	/* 68: data of level 3 */
		0x0000ec0000080000 | (u64)G_CODE >> 16 << 48,	/* 70: call gate */
		0x000082000000ffff | (u64)G_GDT << 16,		/* 78: LDT */
		0x00cf13000000ffff,	/* 80: not present */
		0,
	};

	memcpy(mem + G_GDT, gdt, sizeof(gdt));
}

static void put_tss(u8 *mem)
{
	static const struct { u8 at; u32 val; } words[] = {
		{ 0, 0x38 }, { 4, G_STACK }, { 8, 0x10 }, { 28, G_TABLES }, { 32, G_CODE },
		{ 36, 2 }, { 56, G_STACK }, { 72, 0x10 }, { 76, 0x08 }, { 80, 0x10 },
		{ 84, 0x10 }, { 88, 0x10 }, { 92, 0x10 }, { 100, 0x680000 },
	};
	unsigned int i;

	memset(mem + G_TSS, 0, PAGE);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		memcpy(mem + G_TSS + words[i].at, &words[i].val, sizeof(u32));
}

/* ---- paging: all of 4 GiB one to one ---- */

#define TABLE		7	/* present, writable, for all */
#define LARGE		0x87

static void put_paged(u8 *mem)
{
	u32 *dir = (u32 *)(mem + G_TABLES), *table = dir + 1024;
	u32 i;

	for (i = 0; i < 1024; i++) {
		dir[i] = i << 22 | LARGE;
		table[i] = i << 12 | TABLE;
	}
	dir[0] = (G_TABLES + PAGE) | TABLE;
}

static void put_dirs(u8 *mem, u32 at)
{
	u64 *dir = (u64 *)(mem + at), i;

	for (i = 0; i < 4 * 512; i++)
		dir[i] = i << 21 | LARGE;
}

static void put_pae(u8 *mem)
{
	u64 *top = (u64 *)(mem + G_TABLES), i;

	for (i = 0; i < 4; i++)
		top[i] = (G_TABLES + (i + 1) * PAGE) | 1;
	put_dirs(mem, G_TABLES + PAGE);
}

static void put_long(u8 *mem)
{
	u64 *top = (u64 *)(mem + G_TABLES), *second = top + 512, *last = top + 6 * 512, i;

	top[0] = (G_TABLES + PAGE) | TABLE;
	for (i = 0; i < 4; i++)
		second[i] = (G_TABLES + (i + 2) * PAGE) | TABLE;
	put_dirs(mem, G_TABLES + 2 * PAGE);
	for (i = 0; i < 512; i++)
		last[i] = i << 12 | TABLE;
	top[2 * 512] = (G_TABLES + 6 * PAGE) | TABLE;	/* the first 2 MiB, by pages */
}

static void put_tables(u8 *mem, enum gmode mode)
{
	static void (*const put[G_MODES])(u8 *mem) = {
		[G_PAGED] = put_paged, [G_PAE] = put_pae, [G_LONG] = put_long,
	};

	memset(mem + G_TABLES, 0, G_TABLES_SIZE);
	if (put[mode])
		put[mode](mem);
	put_gdt(mem);
	put_tss(mem);
	if (mode == G_REAL)
		put_real_vectors(mem);
	else
		put_gates(mem, mode == G_LONG);
}

/* ---- registers ---- */

static const struct {
	u64 cr0, cr4, efer;
} controls[G_MODES] = {
	[G_REAL]  = { 0x10, 0, 0 },
	[G_PROT]  = { 0x31, 0x600, 0 },
	[G_PAGED] = { 0x80000031, 0x610, 0 },
	[G_PAE]   = { 0x80010031, 0x620, 0 },
	[G_LONG]  = { 0x80000033, 0x620, 0x500 },
};

/*
 * TCG of QEMU 7.2 ends itself ("invalid tss", "invalid tss type") when a 32 bit guest takes
 * an exception from level 3 and TR is not present, or busy, as TRs from outside are: only
 * LTR makes TCG's kind.
 */
void tcg_stands_tr(struct kvm_sregs *s)
{
	if (!on_host("amd"))
		return;
	s->tr.present = 1;
	s->tr.unusable = 0;
	s->tr.s = 0;
	s->tr.type = 9;
}

static void set_segments(struct kvm_sregs *s, enum gmode mode)
{
	struct kvm_segment data = {
		.limit = ~0U, .selector = mode == G_REAL ? 0 : 0x10, .type = 3, .present = 1,
		.s = 1, .db = mode != G_REAL, .g = 1,
	}, code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1,
	};

	if (mode == G_REAL) {
		code.base = G_CODE;
		code.selector = G_CODE >> 4;
		code.db = code.g = 0;
		code.limit = 0xffff;
	} else if (mode == G_LONG) {
		code.selector = 0x18;
		code.db = 0;
		code.l = 1;
	}
	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	/* See tcg_stands_tr(); VMX wants a TSS that is busy. */
	s->tr = (struct kvm_segment){
		.base = G_TSS, .limit = 0x67, .selector = 0x30, .present = 1,
		.type = on_host("amd") ? 9 : 11,
	};
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->gdt = (struct kvm_dtable){ .base = G_GDT, .limit = 0x8f };
	s->idt = (struct kvm_dtable){ .base = G_IDT, .limit = mode == G_REAL ? 0x3ff :
				      mode == G_LONG ? 0xfff : 0x7ff };
}

static int set_sregs(int vcpu, enum gmode mode)
{
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -errno;
	set_segments(&s, mode);
	s.cr0 = controls[mode].cr0;
	s.cr2 = 0;
	s.cr3 = G_TABLES;
	s.cr4 = controls[mode].cr4;
	s.cr8 = 0;
	s.efer = controls[mode].efer;
	s.apic_base = 0xfee00800 | (s.apic_base & 0x100);
	memset(s.interrupt_bitmap, 0, sizeof(s.interrupt_bitmap));
	return ioctl(vcpu, KVM_SET_SREGS, &s) ? -errno : 0;
}

static int set_regs(struct rng *r, int vcpu, enum gmode mode)
{
	struct kvm_regs regs;

	rng_fill(r, &regs, sizeof(regs));
	regs.rip = mode == G_REAL ? 0 : G_CODE;
	regs.rsp = G_STACK;
	regs.rflags = 2 | (rng_one_in(r, 2) ? 0x200 : 0);
	return ioctl(vcpu, KVM_SET_REGS, &regs) ? -errno : 0;
}

/* What the last guest left: events, breakpoints, a state of waiting. */
static int set_rest(int vcpu)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct kvm_debugregs dr = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct kvm_vcpu_events ev = { .flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
				      KVM_VCPUEVENT_VALID_SHADOW };

	if (ioctl(vcpu, KVM_SET_VCPU_EVENTS, &ev) || ioctl(vcpu, KVM_SET_DEBUGREGS, &dr))
		return -errno;
	/* Without an APIC in the kernel no vCPU waits. */
	return ioctl(vcpu, KVM_SET_MP_STATE, &runnable) && errno != EINVAL ? -errno : 0;
}

int gcode_load(struct rng *r, u8 *mem, int vcpu, enum gmode mode, unsigned int family,
	       unsigned int units)
{
	size_t len;
	int e;

	put_tables(mem, mode);
	memset(mem + G_CODE, 0x90, G_CODE_SIZE);
	len = gcode_make(r, mem + G_CODE, G_CODE_SIZE, G_CODE, mode, family, units);
	/* The same again where the slot ends. */
	memcpy(mem + GUEST_MEM - PAGE, mem + G_CODE, len < PAGE ? len : PAGE);
	e = set_sregs(vcpu, mode);
	if (!e)
		e = set_rest(vcpu);
	return e ?: set_regs(r, vcpu, mode);
}

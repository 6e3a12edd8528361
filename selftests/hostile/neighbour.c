// SPDX-License-Identifier: GPL-2.0
/*
 * neighbour.c - a guest in 64 bit mode that nobody may disturb
 *
 * Each round compares all general registers, the XMM registers, breakpoints' addresses,
 * CR2 and MSRs that are swapped with the guest, with what they were given at the start,
 * and its memory with what the last round wrote.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "neighbour.h"

#define N_MEM		(4UL << 20)
#define N_CODE		0x1000
#define N_TABLES	0x20000
#define N_PATTERNS	0x30000		/* 16 general registers, then 16 XMM registers */
#define N_SCRATCH	0x31000
#define N_PORT		0xf4
#define N_BAD_PORT	0xf5

extern const u8 neighbour_code[], neighbour_end[];

/* R15 counts rounds; RAX, RCX and RDX are scratch. EAX at N_BAD_PORT says what is wrong. */
asm(".pushsection .rodata\n"
    ".macro pattern reg, n\n mov 0x30000 + 8 * \\n, %\\reg\n .endm\n"
    ".macro compare reg, n\n mov $\\n, %eax\n cmp %\\reg, 0x30000 + 8 * \\n\n jne 9f\n .endm\n"
    ".macro general what\n"
    " \\what rbx, 3\n \\what rsp, 4\n \\what rbp, 5\n \\what rsi, 6\n \\what rdi, 7\n"
    " \\what r8, 8\n \\what r9, 9\n \\what r10, 10\n \\what r11, 11\n \\what r12, 12\n"
    " \\what r13, 13\n \\what r14, 14\n .endm\n"
    ".macro xmm n\n movups %xmm\\n, 0x31000\n mov $0x20 + \\n, %eax\n mov 0x31000, %rcx\n"
    " cmp %rcx, 0x30100 + 16 * \\n\n jne 9f\n mov 0x31008, %rcx\n"
    " cmp %rcx, 0x30108 + 16 * \\n\n jne 9f\n .endm\n"
    ".macro loadxmm n\n movups 0x30100 + 16 * \\n, %xmm\\n\n .endm\n"
    ".macro setmsr msr, val\n mov $\\msr, %ecx\n mov $\\val, %eax\n xor %edx, %edx\n wrmsr\n"
    " .endm\n"
    ".macro cmpmsr msr, val\n mov $\\msr, %ecx\n rdmsr\n cmp $\\val, %eax\n mov %ecx, %eax\n"
    " jne 9f\n .endm\n"
    ".macro setdr n, val\n mov $\\val, %eax\n mov %rax, %db\\n\n .endm\n"
    ".macro cmpdr n, val\n mov %db\\n, %rcx\n mov $0x40 + \\n, %eax\n cmp $\\val, %rcx\n"
    " jne 9f\n .endm\n"
    ".macro msrs what\n"
    " \\what 0xc0000082, 0x12345678\n \\what 0xc0000084, 0x257fd5\n"
    " \\what 0xc0000102, 0x7ffe1234\n \\what 0xc0000100, 0x6ffe4321\n"
    " \\what 0xc0000103, 0x5a5a\n \\what 0x174, 0x1238\n \\what 0x176, 0x4fff0010\n .endm\n"
    ".macro drs what\n \\what 0, 0x11110000\n \\what 1, 0x22220000\n \\what 2, 0x33330000\n"
    " \\what 3, 0x44440000\n .endm\n"
    "neighbour_code:\n"
    "general pattern\n"
    "loadxmm 0\nloadxmm 1\nloadxmm 2\nloadxmm 3\nloadxmm 7\nloadxmm 8\nloadxmm 14\nloadxmm 15\n"
    "msrs setmsr\n"
    "drs setdr\n"
    "mov $0x5555000, %eax\nmov %rax, %cr2\n"
    "xor %r15d, %r15d\n"
    "1: general compare\n"
    "xmm 0\nxmm 1\nxmm 2\nxmm 3\nxmm 7\nxmm 8\nxmm 14\nxmm 15\n"
    "msrs cmpmsr\n"
    "drs cmpdr\n"
    "mov %cr2, %rcx\nmov $0x50, %eax\ncmp $0x5555000, %rcx\njne 9f\n"
    /* memory: the round's number times an odd number, and the address */
    "mov $0x40000, %ecx\n"
    "2: imul $0x10001, %r15, %rdx\nadd %rcx, %rdx\nmov $0x51, %eax\n"
    "cmp %rdx, (%rcx)\njne 9f\nadd $0x10001, %rdx\nmov %rdx, (%rcx)\n"
    "add $8, %ecx\ncmp $0x42000, %ecx\njne 2b\n"
    "inc %r15\nmov %r15d, %eax\nout %eax, $0xf4\n"
    "jmp 1b\n"
    "9: out %eax, $0xf5\njmp 9b\n"
    "neighbour_end:\n"
    ".popsection\n");

#define N_PLAIN		0x40000
#define N_PLAIN_SIZE	0x2000

static bool wrong(struct neighbour *n, const char *what, u64 num)
{
	if (!n->wrong[0])
		snprintf(n->wrong, sizeof(n->wrong), "%s (%#llx) in round %u", what,
			 (unsigned long long)num, n->rounds);
	return false;
}

static void fill_memory(struct neighbour *n)
{
	struct rng r = { 0x6e656967 };
	u64 *top = (u64 *)(n->mem + N_TABLES), i;

	top[0] = (N_TABLES + PAGE) | 7;
	top[512] = (N_TABLES + 2 * PAGE) | 7;
	for (i = 0; i < 512; i++)
		top[1024 + i] = i << 21 | 0x87;
	rng_fill(&r, n->mem + N_PATTERNS, 0x200);
	for (i = N_PLAIN; i < N_PLAIN + N_PLAIN_SIZE; i += 8)
		memcpy(n->mem + i, &i, 8);
	memcpy(n->mem + N_CODE, neighbour_code, neighbour_end - neighbour_code);
}

static bool set_registers(struct neighbour *n)
{
	struct kvm_regs regs = { .rip = N_CODE, .rflags = 2 };
	struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs s;

	if (ioctl(n->vcpu, KVM_GET_SREGS, &s))
		return false;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cs = data;
	s.cs.selector = 8;
	s.cs.type = 11;
	s.cs.db = 0;
	s.cs.l = 1;
	s.cr0 = 0x80000033;
	s.cr3 = N_TABLES;
	s.cr4 = 0x620;
	s.efer = 0x500;
	return !ioctl(n->vcpu, KVM_SET_SREGS, &s) && !ioctl(n->vcpu, KVM_SET_REGS, &regs);
}

static bool set_cpuid(int dev, int vcpu)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + 256 * sizeof(t->entries[0]));
	bool ok;

	t->nent = 256;
	ok = !ioctl(dev, KVM_GET_SUPPORTED_CPUID, t) && !ioctl(vcpu, KVM_SET_CPUID2, t);
	free(t);
	return ok;
}

bool neighbour_start(struct neighbour *n, int dev)
{
	struct kvm_userspace_memory_region slot = { .memory_size = N_MEM };

	memset(n, 0, sizeof(*n));
	n->mem = mmap(NULL, N_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	n->vm = ioctl(dev, KVM_CREATE_VM, 0);
	if (n->mem == MAP_FAILED || n->vm < 0)
		return wrong(n, "no VM", errno);
	ioctl(n->vm, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	slot.userspace_addr = (uintptr_t)n->mem;
	n->vcpu = ioctl(n->vm, KVM_SET_USER_MEMORY_REGION, &slot) ? -1 :
		  ioctl(n->vm, KVM_CREATE_VCPU, 0);
	if (n->vcpu < 0)
		return wrong(n, "no vCPU", errno);
	n->run = vcpu_map(n->vcpu);
	fill_memory(n);
	if (!n->run || !set_cpuid(dev, n->vcpu) || !set_registers(n))
		return wrong(n, "no registers", errno);
	return true;
}

/* 1: at the end of a round, 0: interrupted, -1: something is wrong. */
static int one_run(struct neighbour *n)
{
	u32 val;

	if (n->wrong[0])
		return -1;
	if (ioctl(n->vcpu, KVM_RUN, 0)) {
		if (errno == EINTR)
			return 0;
		wrong(n, "KVM_RUN fails", errno);
		return -1;
	}
	if (n->run->exit_reason != KVM_EXIT_IO || n->run->io.data_offset != PAGE) {
		wrong(n, "exit reason", n->run->exit_reason);
		return -1;
	}
	memcpy(&val, (u8 *)n->run + PAGE, sizeof(val));
	if (n->run->io.port != N_PORT) {
		wrong(n, n->run->io.port == N_BAD_PORT ? "its guest found" : "port", val);
		return -1;
	}
	if (val != ++n->rounds) {
		wrong(n, "its guest says round", val);
		return -1;
	}
	return 1;
}

bool neighbour_poke(struct neighbour *n)
{
	return one_run(n) >= 0;
}

bool neighbour_round(struct neighbour *n)
{
	int r;

	do {
		r = one_run(n);
	} while (!r);
	return r > 0;
}

void neighbour_stop(struct neighbour *n)
{
	munmap(n->run, RUN_PAGES * PAGE);
	close(n->vcpu);
	close(n->vm);
	munmap(n->mem, N_MEM);
}

/* ---- would it notice? ---- */

static bool spoil_memory(struct neighbour *n)
{
	n->mem[N_PLAIN + N_PLAIN_SIZE - 8] ^= 1;
	return true;
}

static bool spoil_register(struct neighbour *n)
{
	struct kvm_regs regs;

	if (ioctl(n->vcpu, KVM_GET_REGS, &regs))
		return false;
	regs.r12 ^= 1ULL << 63;
	return !ioctl(n->vcpu, KVM_SET_REGS, &regs);
}

static bool spoil_xmm(struct neighbour *n)
{
	struct kvm_fpu fpu;

	if (ioctl(n->vcpu, KVM_GET_FPU, &fpu))
		return false;
	fpu.xmm[15][15] ^= 0x80;
	return !ioctl(n->vcpu, KVM_SET_FPU, &fpu);
}

static bool spoil_msr(struct neighbour *n)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e = { .index = 0xc0000102, .data = 1 } };

	return ioctl(n->vcpu, KVM_SET_MSRS, &m) == 1;
}

static bool spoil_breakpoint(struct neighbour *n)
{
	struct kvm_debugregs dr;

	if (ioctl(n->vcpu, KVM_GET_DEBUGREGS, &dr))
		return false;
	dr.db[3]++;
	return !ioctl(n->vcpu, KVM_SET_DEBUGREGS, &dr);
}

static const struct {
	const char *what;
	bool (*spoil)(struct neighbour *n);
} spoilers[] = {
	{ "memory", spoil_memory }, { "a register", spoil_register }, { "XMM", spoil_xmm },
	{ "an MSR", spoil_msr }, { "a breakpoint", spoil_breakpoint },
};

const char *neighbour_control(int dev)
{
	const char *missed = NULL;
	struct neighbour n;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spoilers) && !missed; i++) {
		if (!neighbour_start(&n, dev) || !neighbour_round(&n) || !spoilers[i].spoil(&n) ||
		    neighbour_round(&n))
			missed = spoilers[i].what;
		neighbour_stop(&n);
	}
	return missed;
}

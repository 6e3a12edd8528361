/* SPDX-License-Identifier: GPL-2.0 */
/*
 * storm.h - hostile userspace: programs of ioctls, made from a table of the ABI's types
 *
 *	calls.c		the table: each ioctl, its argument's fields, its errnos
 *	fields.c	an argument, from a call's row, a seed and a level of malice
 *	world.c		the objects a program works on, and what is done to them besides
 *	program.c	programs: made, changed, written as text and read back
 *	exec.c		one program carried out, in two threads with a third that scribbles
 *	kcov.c		which code of the kernel a program reached
 *	storm.c		the whole
 */
#ifndef STORM_H
#define STORM_H

#include <sys/ioctl.h>
#include "hostile.h"

/* ---- calls.c ---- */

enum object { O_SYS, O_VM, O_VCPU, O_KINDS };

enum field_type {
	F_RAND,		/* any number */
	F_ZERO,		/* reserved: 0 is right */
	F_MAX,		/* 0 to arg */
	F_BITS,		/* any of the bits in arg */
	F_COUNT,	/* of elements that follow: 0 to arg */
	F_GPA, F_HVA, F_SIZE, F_LENGTH, F_FD, F_MSR, F_MSR_VALUE, F_GSI,
	F_ONE,		/* exactly arg */
};

struct field {
	u16 at;
	u8 size;		/* 1, 2, 4, 8 */
	u8 type;
	u32 arg;
	u16 repeat, stride;	/* so many of it, if not 0 */
};

#define MAX_ERRNOS 6

struct call {
	const char *name;
	enum object object;
	unsigned long cmd;
	bool value;			/* the argument is a number up to max, not a pointer */
	u32 max;
	u32 size;			/* bytes that the kernel may read or write */
	unsigned long before;		/* an ioctl that says what is there now */
	const struct field *fields;
	unsigned int nr_fields;
	int errnos[MAX_ERRNOS];		/* besides EFAULT for a bad pointer, and ENOMEM */
	bool makes_fd;
};

extern const struct call calls[];
extern const unsigned int nr_calls;

bool call_may_fail_with(const struct call *c, int error);
/* The row of @cmd for @object, or NULL. */
const struct call *call_find(enum object object, unsigned long cmd);

/* ---- programs ---- */

enum step_kind {
	S_CALL,		/* an ioctl of the table */
	S_SETUP,	/* a VM with memory, chips and a vCPU that has code */
	S_CLOSE,	/* an object's fd becomes that of something else */
	S_DUP,
	S_FORK,		/* the ioctl by a child: EIO */
	S_MAP,		/* mmap of a vCPU at an odd offset */
	S_MEMORY,	/* munmap, mprotect, madvise, fallocate under the guest */
	S_RUN,		/* KVM_RUN, some times, with answers to the exits */
	S_SCRIBBLE,	/* into kvm_run, tables and code */
	S_SIGNAL,	/* eventfds of irqfds and ioeventfds */
	S_KINDS
};

struct step {
	u8 kind;	/* enum step_kind */
	u8 call;	/* index in calls[], of S_CALL and S_FORK */
	u8 object;	/* which VM or vCPU */
	u8 thread;	/* 0 or 1 */
	u8 level;	/* 0: right, 1: one field wrong, 2: many, 3: a bad pointer, 4: a wrong fd */
	u32 seed;
};

#define MAX_STEPS	40

struct program {
	u32 nr;
	u32 scribbler;		/* 0: none, else the seed of its thread */
	struct step steps[MAX_STEPS];
};

void program_make(struct rng *r, struct program *p);
/* Changes @p; @other is one more of the corpus, to take steps from. */
void program_mutate(struct rng *r, struct program *p, const struct program *other);
/* Text: a line for a step. The length; 0: it does not fit. */
size_t program_print(const struct program *p, char *buf, size_t size);
bool program_read(struct program *p, const char *path);	/* false, having said why */

/* ---- fields.c ---- */

#define ARG_ROOM	(64 * 1024)

struct world;
/*
 * The argument of @c for a step: a pointer that is meant to be good, or bad, or a number.
 * @buf: ARG_ROOM bytes.
 */
unsigned long make_argument(struct world *w, const struct call *c, int fd, struct rng *r,
			    unsigned int level, u8 *buf);

/* ---- world.c ---- */

#define VMS		2
#define VCPUS		4	/* vCPU i belongs to VM i / 2 */
#define EVENTFDS	3
#define GUEST_SHARED	(1UL << 20)	/* bytes of a memfd, slot 3 of VM 0 */

struct world {
	int dev, vms[VMS], vcpus[VCPUS];
	void *runs[VCPUS];		/* kvm_run and the two pages behind, or NULL */
	int eventfds[EVENTFDS], memfd, closed;
	u8 *mem[VMS], *shared, *rom, *half;
	u8 *args[2];
	u32 wrong_fds;			/* calls made on something else than meant */
};

void world_make(struct world *w, int dev);
void world_drop(struct world *w);
int world_fd(struct world *w, enum object object, unsigned int i);
void world_setup(struct world *w, unsigned int vm, struct rng *r);
void world_new_fd(struct world *w, const struct call *c, unsigned int i, int fd);
void world_close(struct world *w, unsigned int i);
void world_dup(struct world *w, unsigned int i);
void world_map(struct world *w, unsigned int i, struct rng *r);
void world_memory(struct world *w, unsigned int vm, struct rng *r);
void world_scribble(struct world *w, struct rng *r);
void world_signal(struct world *w, struct rng *r);
u64 world_hva(struct world *w, struct rng *r);
int world_any_fd(struct world *w, struct rng *r);

/* ---- exec.c ---- */

struct verdict {
	u64 calls, runs, good, forks;	/* good: calls that succeeded */
	u32 reached[128];		/* calls[] that succeeded */
	u64 bad;
	char first[200];		/* the first thing that was wrong */
};

struct cover;
/* True: it reached code that no other had. */
bool exec_program(const struct program *p, int dev, struct verdict *v, struct cover *cover);

/* ---- kcov.c ---- */

#define COVER_BITS	(1U << 20)

struct cover {
	u32 pcs, edges;			/* different ones so far */
	u8 pc_seen[COVER_BITS / 8], edge_seen[COVER_BITS / 8];
};

bool kcov_open(void);			/* false: this kernel has none */
void kcov_start(unsigned int thread);	/* 0 to 1, by the thread itself */
/* Adds to @c; true if there was anything new. */
bool kcov_stop(unsigned int thread, struct cover *c);

#endif

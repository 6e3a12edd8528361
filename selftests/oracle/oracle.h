/* SPDX-License-Identifier: GPL-2.0 */
/*
 * oracle.h - the instruction emulator against others who know what an instruction does
 *
 * A case is an instruction and the state it starts from, made by gen.c from a row of the
 * emulator's own opcode tables (slots.c). world.c runs it in the emulator, an oracle
 * (native.c, unicorn.c) runs it elsewhere, and judge.c compares the two outcomes. What may
 * differ is in tables: flags that the manual leaves undefined (flags.c), and errors or
 * liberties of one oracle (allow.c), each with its reason.
 */
#ifndef ORACLE_H
#define ORACLE_H

#undef F_LOCK	/* of <unistd.h>, for lockf(): the emulator has a flag of that name */
#include "../../arch/x86/emul/emul.h"

#define PAGE_SIZE	0x1000U
#define CODE_SIZE	0x3000U	/* three pages, read-only; filled with INT3 */
#define DATA_SIZE	0x2000U	/* two pages, with unmapped ones around */
#define CODE_OFFSET	0x6000U	/* of the code in a code segment of 64 KiB */
#define DATA_OFFSET	0x7000U
#define INT3		0xcc
#define NO_VECTOR	(-1)
#define VECTOR_PF	14
#define SOME_VECTOR	(-2)	/* an exception, but the oracle does not say which */
#define NR_MODES	(EMUL_LONG + 1)
#define MAX_ITERATIONS	0x4000	/* of REP: no loop of a case is that long */

#define MSW_BITS	0xfU
#define FLAG_DF		0x400U
#define FLAG_AC		0x40000U

extern const char *const mode_names[NR_MODES];

/* A row of the tables that is emulated; in memory that children share. */
struct slot {
	u8 vex, map, opcode;
	u8 reg;			/* of a group; NO_GROUP */
	bool movbe;		/* no F2 or F3 before it */
	const struct emul_opcode *row;
	u16 flags;		/* the row's and its group's */
	unsigned long compared;	/* by an oracle that executes */
	unsigned long ended;	/* of those, without an exception */
};

#define NO_GROUP	0xff

extern struct slot *slots;
extern unsigned int nr_slots;
/* Finds them all; false if one has no rule in flags.c, which is said. */
bool slots_init(void);
const char *slot_name(const struct slot *s, char *buf, size_t len);

/* Linear addresses, and what the segment bases leave of them as offsets. */
struct layout {
	u64 code, data;
	u64 cs_base, data_base;	/* of CS; of DS, ES and SS */
};

struct port_access {
	u16 port;
	u8 size;
	bool out;
	u32 val;
};

#define MAX_PORTS	64

/* Where cases run; the oracle fills it in. */
struct place {
	const char *oracle;
	enum emul_mode mode;
	struct layout at;
	struct emul_ctxt c;	/* what does not change from case to case */
	u32 random_flags;	/* RFLAGS bits a case may start with */
	u32 fixed_flags;
	u64 rsp_high;		/* bits 16 to 31, where the oracle cannot choose them */
	bool split_locks_cost;	/* the kernel lets who splits a lock wait */
	bool ports;		/* else each port access is #GP */
	bool vague;		/* the state is of no use after an exception */
	unsigned int id;	/* bit for allow.c */
};

enum { AT_NATIVE = BIT(0), AT_UNICORN = BIT(1) };

struct test_case {
	const struct slot *slot;
	const struct place *place;
	u8 insn[16];
	struct emul_insn i;	/* as the emulator decodes it, */
	enum emul_result decoded;	/* if it does */
	u64 gpr[16], rip, rflags;
	u8 ymm[16][32];
	u8 mem[DATA_SIZE];
};

struct outcome {
	int vector;		/* NO_VECTOR: past the instruction, or at a branch's target */
	bool has_error;
	u32 error;
	u64 addr;		/* of a page fault */
	u64 gpr[16], rip, rflags;
	u8 ymm[16][32];
	u8 mem[DATA_SIZE];
	u64 msw;		/* the bits of CR0 that LMSW changes */
	u16 sel[EMUL_NR_SEGS];	/* in real mode, where they can be loaded */
	struct port_access port[MAX_PORTS];
	unsigned int ports;
	bool stray;		/* touched what is neither code nor data nor near them */
};

/* gen.c */
extern u64 gen_seed;
u64 rnd(void);
void rnd_start(u64 seed);
/* How many combinations of slot, prefixes and operand form a mode has. */
unsigned long gen_combinations(enum emul_mode mode);
/* Combination @nr with random operands. */
void gen_case(struct test_case *t, const struct place *p, unsigned long nr);
/* Bytes of an instruction only. */
void gen_bytes(u8 *bytes, enum emul_mode mode, unsigned long nr);

/* world.c */
void place_init(struct place *p, enum emul_mode mode, const struct layout *at);
/* Runs to the end, through all iterations of REP. */
enum emul_result world_run(const struct test_case *t, struct outcome *o);
/* Is its operand locked and, maybe, on both sides of a multiple of @line? */
bool locked_across(const struct test_case *t, unsigned int line);
u32 world_port_value(u16 port, unsigned int size);
void world_note_port(struct outcome *o, u16 port, unsigned int size, bool out, u32 val);

/* flags.c */
bool flags_known(const struct slot *s);
/* Flags that are undefined after it; *result is set if the destination is too. */
u64 flags_undefined(const struct test_case *t, bool *result);

/* allow.c */
struct difference {
	const struct test_case *t;
	const struct outcome *emul, *oracle;
	const char *what;
	u64 is, want;		/* the emulator's, the oracle's */
};

/* Is it in the table? Counted there. */
bool allowed(const struct difference *d);
/* Cases this oracle cannot run at all, with the reason in the table. */
bool excluded(const struct test_case *t);
/* Would an AMD host's CPU, which is QEMU, execute it wrongly? t->place->id is AT_UNICORN. */
bool tcg_cannot(const struct test_case *t);
void allow_report(const char *indent);
void allow_init(void);

/* judge.c */
struct tally {
	unsigned long cases, compared, ended, unhandled, excluded, unsafe, differ;
};

/* Compares, and prints what is not allowed. */
void judge(const struct test_case *t, const struct outcome *emul, const struct outcome *oracle,
	   struct tally *n);
void judge_died(const struct test_case *t, int status);
void print_hex(char *to, const u8 *bytes, unsigned int n);

/* An oracle's run in one mode; what it says goes out as comments, *why a reason to skip. */
struct run {
	enum emul_mode mode;
	unsigned long cases;
	struct tally *n;	/* shared with children */
	const char *skip;
};

void native_run(struct run *r);
/* Why the native oracle cannot be asked in @mode, or NULL. */
const char *native_possible(enum emul_mode mode);
void unicorn_run(struct run *r);
void zydis_run(struct run *r);

/* Cases for the guest program, into a file. */
int export_cases(const char *file, unsigned long nr);

void *shared_memory(size_t size);
void comment(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

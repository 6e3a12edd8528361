// SPDX-License-Identifier: GPL-2.0
/*
 * guests.c - hostile guests, a small VMM that runs them, and a neighbour that checks
 *
 *	guests [FIRST [COUNT]]
 *	guests dump N		(the code of guest N to stdout, without a VM)
 *
 * Guest N of a seed is always the same; a VM serves some guests, one after the other, so
 * a guest is repeated with those before it in its VM. SEED, GUESTS and KEEL_DEV are taken
 * from the environment. TAP on stdout.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gcode.h"
#include "neighbour.h"

#define VCPUS		2
#define GUESTS_OF_VM	24	/* then a new VM */
#define GUESTS_OF_PROCESS 480
#define RUNS		48	/* calls of KVM_RUN for a guest and vCPU */
#define SIGNALS		2	/* that end a guest */
#define POKE		8	/* the neighbour runs after so many calls */
#define MAX_REASON	40

static const struct counts guests_wanted = { "GUESTS", 960, 240, 120, 30000 };

/* Shared with the process that runs the guests. */
static struct state {
	volatile u64 next;		/* guest */
	u64 runs, signals, guests, refused, rounds;
	u64 reasons[MAX_REASON], suberrors[8];
	u32 failures;
	u32 family_bad[64], family_ran[64];
	char neighbour[120];
	char fresh[120], missed[40];
} *state;

static u64 seed;
static unsigned long first, last;
static bool stepping;

/* ---- a VM for guests ---- */

struct vcpu {
	int fd;
	struct kvm_run *run;
	struct rng r;		/* for answers to reads */
	u64 guest;
	unsigned int family;
	bool waits;		/* started as a CPU that waits for SIPI */
	bool pokes;		/* its thread runs the neighbour */
	struct neighbour *neighbour;
};

struct machine {
	int vm;
	u8 *mem, *rom, *log;
	bool chips;
	struct vcpu vcpus[VCPUS];
};

/* With TRACE in the environment: each guest, and where it was when it failed. */
static bool trace;

static void tell_state(const struct vcpu *v)
{
	struct kvm_debugregs dr = { 0 };
	struct kvm_sregs s;
	struct kvm_regs r;

	ioctl(v->fd, KVM_GET_DEBUGREGS, &dr);
	if (!trace || ioctl(v->fd, KVM_GET_SREGS, &s) || ioctl(v->fd, KVM_GET_REGS, &r))
		return;
	note("rip %#llx rsp %#llx rflags %#llx rax %#llx cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx",
	     r.rip, r.rsp, r.rflags, r.rax, s.cr0, s.cr3, s.cr4, s.efer);
	note("dr6 %#llx dr7 %#llx", dr.dr6, dr.dr7);
	note("cs %#x base %#llx limit %#x type %u l %u db %u dpl %u p %u s %u; ss %#x dpl %u type %u; tr %#x type %u",
	     s.cs.selector, s.cs.base, s.cs.limit, s.cs.type, s.cs.l, s.cs.db, s.cs.dpl,
	     s.cs.present, s.cs.s, s.ss.selector, s.ss.dpl, s.ss.type, s.tr.selector, s.tr.type);
}

static void fail(const struct vcpu *v, const char *what, u64 a, u64 b)
{
	__atomic_fetch_add(&state->family_bad[v->family == G_ALL ? gcode_families() : v->family], 1,
			   __ATOMIC_RELAXED);
	if (__atomic_add_fetch(&state->failures, 1, __ATOMIC_RELAXED) <= 40)
		note("guest %llu (%s): %s (%#llx, %#llx)", (unsigned long long)v->guest,
		     gcode_family_name(v->family), what, (unsigned long long)a,
		     (unsigned long long)b);
	tell_state(v);
}

static bool add_slot(struct machine *m, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	struct kvm_userspace_memory_region s = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return !ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &s);
}

static void *pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#define LOG_SIZE	0x10000

static bool add_memory(struct machine *m)
{
	m->mem = pages(GUEST_MEM);
	m->rom = pages(PAGE);
	m->log = pages(LOG_SIZE);
	return m->mem && m->rom && m->log &&
	       add_slot(m, 0, 0, 0, GUEST_MEM, m->mem) &&
	       add_slot(m, 1, 0, GUEST_HIGH, PAGE, m->mem + GUEST_MEM - PAGE) &&
	       add_slot(m, 2, KVM_MEM_READONLY, GUEST_ROM, PAGE, m->rom) &&
	       add_slot(m, 3, KVM_MEM_LOG_DIRTY_PAGES, GUEST_LOG, LOG_SIZE, m->log);
}

/* Most have chips in the kernel; some only APICs, some none. */
static bool add_chips(struct machine *m, struct rng *r)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_pit_config pit = { 0 };

	m->chips = true;
	switch (rng_below(r, 6)) {
	case 0:
		m->chips = false;
		return true;
	case 1:
		return !ioctl(m->vm, KVM_ENABLE_CAP, &split);
	default:
		return !ioctl(m->vm, KVM_CREATE_IRQCHIP, 0) && !ioctl(m->vm, KVM_CREATE_PIT2, &pit);
	}
}

static bool add_vcpu(struct machine *m, int dev, unsigned int i)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + 256 * sizeof(t->entries[0]));
	struct vcpu *v = &m->vcpus[i];
	bool ok;

	t->nent = 256;
	v->fd = ioctl(m->vm, KVM_CREATE_VCPU, i);
	v->run = v->fd < 0 ? NULL : vcpu_map(v->fd);
	ok = v->run && !ioctl(dev, KVM_GET_SUPPORTED_CPUID, t) &&
	     !ioctl(v->fd, KVM_SET_CPUID2, t);
	free(t);
	return ok;
}

static bool machine_make(struct machine *m, int dev, struct rng *r)
{
	unsigned int i;

	m->vm = ioctl(dev, KVM_CREATE_VM, 0);
	if (m->vm < 0 || ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) || !add_memory(m) ||
	    !add_chips(m, r))
		return false;
	for (i = 0; i < VCPUS; i++)
		if (!add_vcpu(m, dev, i))
			return false;
	return true;
}

static void machine_drop(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++) {
		munmap(m->vcpus[i].run, RUN_PAGES * PAGE);
		close(m->vcpus[i].fd);
	}
	close(m->vm);
	munmap(m->mem, GUEST_MEM);
	munmap(m->rom, PAGE);
	munmap(m->log, LOG_SIZE);
}

/* ---- exits ---- */

/* True: go on. */
static bool exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	u64 size = run->io.size, n = run->io.count;

	if ((size != 1 && size != 2 && size != 4) || !n || size * n > PAGE ||
	    run->io.data_offset != PAGE) {
		fail(v, "io: size and count", size, n);
		return false;
	}
	if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == GCODE_PORT)
		return false;
	if (run->io.direction == KVM_EXIT_IO_IN)
		rng_fill(&v->r, (u8 *)run + PAGE, size * n);
	return true;
}

static bool in_memory(u64 gpa)
{
	return gpa < GUEST_MEM || gpa - GUEST_HIGH < PAGE || gpa - GUEST_LOG < LOG_SIZE;
}

static bool exit_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	u64 gpa = run->mmio.phys_addr, len = run->mmio.len;

	if (!len || len > sizeof(run->mmio.data) || in_memory(gpa) ||
	    (gpa & (PAGE - 1)) + len > PAGE) {
		fail(v, "mmio: address and length", gpa, len);
		return false;
	}
	if (gpa - GUEST_ROM < PAGE && !run->mmio.is_write) {
		fail(v, "mmio: a read of read-only memory", gpa, len);
		return false;
	}
	rng_fill(&v->r, run->mmio.data, sizeof(run->mmio.data));
	return true;
}

static bool exit_end(struct vcpu *v)
{
	return false;
}

static bool exit_hlt(struct vcpu *v)
{
	struct kvm_interrupt irq = { 0x40 };

	if (v->run->ready_for_interrupt_injection)
		ioctl(v->fd, KVM_INTERRUPT, &irq);
	return true;
}

static void set_stepping(struct vcpu *v)
{
	struct kvm_guest_debug d = {
		.control = stepping ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP : 0,
	};

	if (ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d) && stepping)
		fail(v, "KVM_SET_GUEST_DEBUG", errno, 0);
}

/* What loaded the flags, as POPF does, has taken TF away: it is asked for anew. */
static bool exit_debug(struct vcpu *v)
{
	if (!stepping)
		fail(v, "KVM_EXIT_DEBUG, and nobody debugs", v->run->debug.arch.exception, 0);
	else
		set_stepping(v);
	return stepping;
}

/* Emulation may fail, and an event whose delivery needs MMIO: nothing else. */
static bool exit_internal(struct vcpu *v)
{
	u32 sub = v->run->internal.suberror;

	__atomic_fetch_add(&state->suberrors[sub % 8], 1, __ATOMIC_RELAXED);
	if (sub != KVM_INTERNAL_ERROR_EMULATION && sub != KVM_INTERNAL_ERROR_DELIVERY_EV)
		fail(v, "KVM_EXIT_INTERNAL_ERROR", sub, v->run->internal.data[0]);
	return false;
}

static bool exit_eoi(struct vcpu *v)
{
	return true;
}

static bool (*const exits[MAX_REASON])(struct vcpu *v) = {
	[KVM_EXIT_IO] = exit_io,
	[KVM_EXIT_MMIO] = exit_mmio,
	[KVM_EXIT_SHUTDOWN] = exit_end,
	[KVM_EXIT_HLT] = exit_hlt,
	[KVM_EXIT_DEBUG] = exit_debug,
	[KVM_EXIT_INTERNAL_ERROR] = exit_internal,
	[KVM_EXIT_IOAPIC_EOI] = exit_eoi,
};

/*
 * QEMU 7.2's TCG ends a guest with SVM_EXIT_ERR when 64 bit code writes bits into CR3 that
 * the CPU has not, where a CPU raises #GP. kvm_amd's guests get the same there.
 */
static bool is_tcg_cr3(const struct vcpu *v)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	return on_host("amd") && (u32)v->run->fail_entry.hardware_entry_failure_reason == ~0U &&
	       !ioctl(v->fd, KVM_GET_SREGS, &s) && !ioctl(v->fd, KVM_GET_REGS, &r) &&
	       (s.efer & 0x400) && r.rax >> 40;
}

static bool handle_exit(struct vcpu *v)
{
	u32 reason = v->run->exit_reason;
	struct kvm_run *run = v->run;

	__atomic_fetch_add(&state->reasons[reason < MAX_REASON ? reason : 0], 1, __ATOMIC_RELAXED);
	if (reason < MAX_REASON && exits[reason])
		return exits[reason](v);
	if (reason == KVM_EXIT_FAIL_ENTRY && is_tcg_cr3(v))
		__atomic_fetch_add(&state->refused, 1, __ATOMIC_RELAXED);
	else if (reason == KVM_EXIT_FAIL_ENTRY)
		fail(v, "the guest reached KVM_EXIT_FAIL_ENTRY",
		     run->fail_entry.hardware_entry_failure_reason, run->fail_entry.cpu);
	else
		fail(v, "exit reason", reason, 0);
	return false;
}

/* ---- a guest ---- */

/* Where a vCPU waits for SIPI it may say EAGAIN. */
static bool run_ended_well(const struct vcpu *v)
{
	return errno == EINTR || (errno == EAGAIN && v->waits);
}

static void *run_guest(void *arg)
{
	struct vcpu *v = arg;
	unsigned int i, signals = 0;
	struct kicker k;

	kick_start(&k, &v->run->immediate_exit);
	for (i = 0; i < RUNS * (stepping ? 4 : 1) && signals < SIGNALS; i++) {
		__atomic_fetch_add(&state->runs, 1, __ATOMIC_RELAXED);
		v->run->immediate_exit = 0;
		if (v->pokes && i % POKE == POKE - 1)
			neighbour_poke(v->neighbour);
		if (!ioctl(v->fd, KVM_RUN, 0)) {
			if (!handle_exit(v))
				break;
			continue;
		}
		if (!run_ended_well(v)) {
			fail(v, "KVM_RUN's errno", errno, 0);
			break;
		}
		signals++;
		__atomic_fetch_add(&state->signals, 1, __ATOMIC_RELAXED);
	}
	kick_stop(&k);
	return NULL;
}

/* A second vCPU starts with the same code, or waits to be started. */
static bool load(struct machine *m, struct vcpu *v, struct rng *r, enum gmode mode)
{
	struct kvm_mp_state wait = { KVM_MP_STATE_UNINITIALIZED };
	int e = gcode_load(r, m->mem, v->fd, mode, v->family, 4 + rng_below(r, 40));

	v->waits = false;
	v->r = *r;
	if (e) {
		fail(v, "its state is refused", -e, mode);
		return false;
	}
	set_stepping(v);
	v->waits = v != m->vcpus && m->chips && rng_one_in(r, 3) &&
		   !ioctl(v->fd, KVM_SET_MP_STATE, &wait);
	return true;
}

/* Random bytes and each family take turns with all together. */
static unsigned int family_of(u64 guest)
{
	unsigned int f = guest % (2 * gcode_families());

	return f % 2 || gcode_excluded(f / 2) ? G_ALL : f / 2;
}

static void one_guest(struct machine *m, struct neighbour *n, u64 guest)
{
	struct rng r = { seed * 0x9e3779b97f4a7c15ULL + guest };
	unsigned int i, cpus = rng_one_in(&r, 3) ? 2 : 1;
	enum gmode mode = rng_below(&r, G_MODES);
	bool ok = true;
	pthread_t t;

	if (trace)
		note("guest %llu: %s, %s, %u CPUs, chips %d", (unsigned long long)guest,
		     gcode_family_name(family_of(guest)), gmode_name[mode], cpus, m->chips);
	for (i = 0; i < cpus; i++) {
		struct vcpu *v = &m->vcpus[i];

		v->guest = guest;
		v->family = family_of(guest);
		v->neighbour = n;
		v->pokes = !i;
		ok &= load(m, v, &r, mode);
	}
	if (!ok)
		return;
	if (cpus > 1 && pthread_create(&t, NULL, run_guest, &m->vcpus[1]))
		cpus = 1;
	run_guest(&m->vcpus[0]);
	if (cpus > 1)
		pthread_join(t, NULL);
	state->guests++;
	state->family_ran[family_of(guest) == G_ALL ? gcode_families() : family_of(guest)]++;
}

/* What one_guest() makes of the same numbers, as the last vCPU to be loaded leaves it. */
static int dump(u64 guest)
{
	struct rng r = { seed * 0x9e3779b97f4a7c15ULL + guest };
	unsigned int i, cpus = rng_one_in(&r, 3) ? 2 : 1;
	enum gmode mode = rng_below(&r, G_MODES);
	u8 *mem = pages(GUEST_MEM);

	fprintf(stderr, "%s, %s, %u CPUs, code at %#x\n", gcode_family_name(family_of(guest)),
		gmode_name[mode], cpus, G_CODE);
	for (i = 0; i < cpus; i++)
		gcode_load(&r, mem, -1, mode, family_of(guest), 4 + rng_below(&r, 40));
	return fwrite(mem + G_CODE, G_CODE_SIZE, 1, stdout) == 1 ? 0 : 1;
}

/* ---- all of them ---- */

/* Guests from state->next on, as many as one process takes. */
static int run_guests(void *arg)
{
	unsigned long end = state->next + GUESTS_OF_PROCESS;
	struct neighbour n;
	struct machine m;
	int dev = dev_open();

	if (!neighbour_start(&n, dev))
		goto out;
	for (; state->next < last && state->next < end && !n.wrong[0]; state->next++) {
		struct rng r = { seed + state->next };

		if (state->next % GUESTS_OF_VM == 0 && !machine_make(&m, dev, &r)) {
			note("guest %llu: no VM: %s", (unsigned long long)state->next,
			     strerror(errno));
			return 2;
		}
		one_guest(&m, &n, state->next);
		neighbour_round(&n);
		if (state->next % GUESTS_OF_VM == GUESTS_OF_VM - 1 || state->next + 1 == last)
			machine_drop(&m);
	}
	state->rounds += n.rounds;
out:
	memcpy(state->neighbour, n.wrong, sizeof(n.wrong));
	snprintf(state->fresh, sizeof(state->fresh), "%s", fresh_vm_check(dev) ?: "");
	snprintf(state->missed, sizeof(state->missed), "%s", neighbour_control(dev) ?: "");
	return n.wrong[0] ? 3 : 0;
}

static void tell(void)
{
	unsigned int i;

	note("%llu guests, %llu calls of KVM_RUN, %llu ended by a signal, %llu rounds of the neighbour",
	     (unsigned long long)state->guests, (unsigned long long)state->runs,
	     (unsigned long long)state->signals, (unsigned long long)state->rounds);
	if (state->refused)
		note("%llu ended by TCG at MOV CR3, see is_tcg_cr3()",
		     (unsigned long long)state->refused);
	for (i = 0; i < MAX_REASON; i++)
		if (state->reasons[i])
			note("exit reason %u: %llu", i, (unsigned long long)state->reasons[i]);
	for (i = 0; i < ARRAY_SIZE(state->suberrors); i++)
		if (state->suberrors[i])
			note("internal error %u: %llu", i, (unsigned long long)state->suberrors[i]);
}

static void judge_families(void)
{
	unsigned int i, n = gcode_families();

	for (i = 0; i <= n; i++) {
		const char *why = gcode_excluded(i);

		if (!why && !state->family_ran[i])
			why = "no guest of it was asked for";
		if (why)
			tap_skip(gcode_family_name(i), why);
		else
			tap(!state->family_bad[i], "%s: no exit that a guest must not reach",
			    gcode_family_name(i));
	}
}

static int run_all(void)
{
	int status = 0;

	while (state->next < last && !status) {
		status = run_watched(run_guests, NULL, &state->next);
		if (status)
			note("guest %llu: the process ended with %d", (unsigned long long)state->next,
			     status);
	}
	return status;
}

int main(int argc, char **argv)
{
	int status;

	if (argc == 3 && !strcmp(argv[1], "dump")) {
		seed = strtoull(getenv("SEED") ?: "1", NULL, 0);
		return dump(strtoull(argv[2], NULL, 0));
	}
	state = shared_memory(sizeof(*state));
	tap_plan(gcode_families() + 5);
	seed = seed_of_run();
	trace = getenv("TRACE");
	/*
	 * Bochs 2.7 keeps the host's interrupts from a guest that was entered with its own
	 * off: one that spins so would stop the host. Guests take single steps there.
	 */
	stepping = on_host("intel");
	first = argc > 1 ? strtoul(argv[1], NULL, 0) / GUESTS_OF_VM * GUESTS_OF_VM : 0;
	last = argc > 1 ? strtoul(argv[1], NULL, 0) + (argc > 2 ? strtoul(argv[2], NULL, 0) : 1) :
	       count_of_run(&guests_wanted);
	state->next = first;
	status = run_all();
	tell();
	judge_families();
	tap(!status, "every KVM_RUN ends, and so do all guests");
	tap(!state->neighbour[0] && (state->rounds >= state->guests || status),
	    "the neighbour keeps its memory and registers");
	if (state->neighbour[0])
		note("neighbour: %s", state->neighbour);
	tap(!state->missed[0], "a neighbour that is disturbed notices it");
	if (state->missed[0])
		note("not noticed: %s", state->missed);
	tap(!state->fresh[0], "a fresh VM runs a guest");
	if (state->fresh[0])
		note("fresh VM: %s", state->fresh);
	return tap_status();
}

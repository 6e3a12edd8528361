// SPDX-License-Identifier: GPL-2.0
/*
 * exec.c - carries a program out, and looks at the result of each call
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "storm.h"

#define RUNS		6	/* KVM_RUNs of a step */
#define SCRIBBLES	32	/* between two turns of others */

struct run {
	const struct program *p;
	struct world w;
	struct verdict *v;
	bool over;
};

struct thread {
	struct run *run;
	unsigned int nr;
	struct cover *cover;
};

static void complain(struct run *x, const struct call *c, const char *what, long a, long b)
{
	if (!__atomic_fetch_add(&x->v->bad, 1, __ATOMIC_RELAXED))
		snprintf(x->v->first, sizeof(x->v->first), "%s: %s (%ld, %#lx)", c->name, what, a,
			 b);
}

/*
 * An fd may be that of an object which is gone (an eventfd: ENOTTY) or, meant so, of
 * another kind. Then what that kind says of the command is right.
 */
static bool errno_right(const struct call *c, int error, unsigned int level)
{
	unsigned int kind;

	if (call_may_fail_with(c, error) || error == ENOTTY)
		return true;
	if (level != 4)
		return false;
	if (error == EINVAL || error == EBADF)
		return true;
	for (kind = 0; kind < O_KINDS; kind++) {
		const struct call *other = call_find(kind, c->cmd);

		if (other && call_may_fail_with(other, error))
			return true;
	}
	return false;
}

static void judge(struct run *x, const struct step *s, const struct call *c, long r, int error)
{
	__atomic_fetch_add(&x->v->calls, 1, __ATOMIC_RELAXED);
	if (r >= 0) {
		__atomic_fetch_add(&x->v->good, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&x->v->reached[s->call], 1, __ATOMIC_RELAXED);
	} else if (!errno_right(c, error, s->level)) {
		complain(x, c, "its errno", error, s->seed);
	}
}

/* ---- steps ---- */

/* As the table has it, unless a wrong fd is meant. */
static int fd_of(struct run *x, const struct step *s, const struct call *c, struct rng *r)
{
	return s->level == 4 ? world_any_fd(&x->w, r) : world_fd(&x->w, c->object, s->object);
}

static void step_call(struct run *x, const struct step *s)
{
	const struct call *c = &calls[s->call];
	struct rng r = { s->seed };
	int fd = fd_of(x, s, c, &r), error;
	unsigned long arg = make_argument(&x->w, c, fd, &r, s->level, x->w.args[s->thread]);
	long result;

	result = ioctl(fd, c->cmd, arg);
	error = errno;
	judge(x, s, c, result, error);
	if (result >= 0 && c->makes_fd)
		world_new_fd(&x->w, c, s->object, result);
}

/* A child shares the fds, not the memory: a VM is its creator's alone. */
static void step_fork(struct run *x, const struct step *s)
{
	const struct call *c = &calls[s->call];
	int fd = world_fd(&x->w, c->object, s->object), status;
	pid_t pid;

	if (c->object == O_SYS)
		return;
	pid = fork();
	if (!pid) {
		int r = ioctl(fd, c->cmd, x->w.args[s->thread]);

		_exit(r >= 0 ? 1 : errno == EIO || errno == ENOTTY ? 0 : 2);
	}
	if (pid < 0)
		return;
	__atomic_fetch_add(&x->v->forks, 1, __ATOMIC_RELAXED);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		complain(x, c, "another process may", status, s->seed);
}

static bool run_reason_known(u32 reason)
{
	static const u32 known[] = {
		KVM_EXIT_UNKNOWN, KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN, KVM_EXIT_HLT,
		KVM_EXIT_DEBUG, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_IOAPIC_EOI, KVM_EXIT_FAIL_ENTRY,
		KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_INTR, KVM_EXIT_SET_TPR,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == reason)
			return true;
	return false;
}

static void answer(struct kvm_run *run, struct rng *r)
{
	rng_fill(r, (u8 *)run + PAGE, 64);
	if (run->exit_reason == KVM_EXIT_MMIO)
		rng_fill(r, run->mmio.data, sizeof(run->mmio.data));
}

static void single_step(int fd)
{
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	ioctl(fd, KVM_SET_GUEST_DEBUG, &d);
}

static void step_run(struct run *x, const struct step *s)
{
	unsigned int nr = s->object % VCPUS, i;
	struct kvm_run *run = __atomic_load_n(&x->w.runs[nr], __ATOMIC_RELAXED);
	const struct call *c = call_find(O_VCPU, KVM_RUN);
	struct step as = *s;
	struct rng r = { s->seed };
	int result, error;

	as.call = c - calls;
	kick_aim(run ? &run->immediate_exit : NULL);
	for (i = 0; i < RUNS; i++) {
		if (run)
			run->immediate_exit = rng_one_in(&r, 8);
		/* A guest that spins with interrupts off stops Bochs, see guests.c. */
		if (on_host("intel"))
			single_step(x->w.vcpus[nr]);
		result = ioctl(x->w.vcpus[nr], KVM_RUN, rng_one_in(&r, 32));
		error = errno;
		judge(x, &as, c, result, error);
		__atomic_fetch_add(&x->v->runs, 1, __ATOMIC_RELAXED);
		if (!run || (result && error != EINTR))
			break;
		if (!result && !x->p->scribbler && !run_reason_known(run->exit_reason))
			complain(x, c, "exit reason", run->exit_reason, s->seed);
		answer(run, &r);
	}
	kick_aim(NULL);
}

static void do_step(struct run *x, const struct step *s)
{
	struct rng r = { s->seed };

	switch (s->kind) {
	case S_CALL: step_call(x, s); break;
	case S_SETUP: world_setup(&x->w, s->object % VMS, &r); break;
	case S_CLOSE: world_close(&x->w, s->object); break;
	case S_DUP: world_dup(&x->w, s->object); break;
	case S_FORK: step_fork(x, s); break;
	case S_MAP: world_map(&x->w, s->object, &r); break;
	case S_MEMORY: world_memory(&x->w, s->object, &r); break;
	case S_RUN: step_run(x, s); break;
	case S_SCRIBBLE: world_scribble(&x->w, &r); break;
	case S_SIGNAL: world_signal(&x->w, &r); break;
	}
}

/* ---- threads ---- */

static void do_thread(struct thread *t)
{
	const struct program *p = t->run->p;
	struct kicker k;
	unsigned int i;

	kick_start(&k, NULL);
	for (i = 0; i < p->nr; i++)
		if (p->steps[i].thread == t->nr)
			do_step(t->run, &p->steps[i]);
	kick_stop(&k);
}

static void *second_thread(void *arg)
{
	struct thread *t = arg;

	kcov_start(t->nr);
	do_thread(t);
	kcov_stop(t->nr, t->cover);
	return NULL;
}

static void *scribbler(void *arg)
{
	struct run *x = arg;
	struct rng r = { x->p->scribbler };
	unsigned int i;

	while (!__atomic_load_n(&x->over, __ATOMIC_RELAXED)) {
		for (i = 0; i < SCRIBBLES; i++)
			world_scribble(&x->w, &r);
		world_memory(&x->w, rng_below(&r, VMS), &r);
		world_signal(&x->w, &r);
		sched_yield();
	}
	return NULL;
}

bool exec_program(const struct program *p, int dev, struct verdict *v, struct cover *cover)
{
	struct run x = { .p = p, .v = v };
	struct thread threads[2] = { { &x, 0, cover }, { &x, 1, cover } };
	bool two = false, scribbles = false, news;
	pthread_t second, third;

	world_make(&x.w, dev);
	if (p->scribbler) {
		two = !pthread_create(&second, NULL, second_thread, &threads[1]);
		scribbles = !pthread_create(&third, NULL, scribbler, &x);
	}
	kcov_start(0);
	do_thread(&threads[0]);
	if (two)
		pthread_join(second, NULL);
	__atomic_store_n(&x.over, true, __ATOMIC_RELAXED);
	if (scribbles)
		pthread_join(third, NULL);
	world_drop(&x.w);
	news = kcov_stop(0, cover);
	return news;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keelvm.h - a small VMM: the example of the ABI, and the tests' machine
 *
 * One machine: RAM from 0 (below 3 GiB, the rest above 4 GiB), in-kernel interrupt
 * controllers and PIT, one 16550 at 0x3f8 (IRQ 4), virtio devices that options add, and
 * a port that ends it.
 */
#ifndef KEELVM_H
#define KEELVM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define COUNT(array)		(sizeof(array) / sizeof(*(array)))
#define __unused		__attribute__((unused))
#define __noreturn		__attribute__((noreturn))

#define KEELVM_MAX_CPUS		64
#define VIRTIO_MAX		16	/* devices */
#define KEELVM_MAX_MIB		(1ULL << 20)
#define KEELVM_GAP_START	0xc0000000ULL	/* no RAM from here */
#define KEELVM_GAP_END		0x100000000ULL	/* to here */
#define KEELVM_EXIT_PORT	0xf4		/* a byte written here is the exit status */

enum vm_status {		/* exit status of keelvm beside the guest's own */
	VM_USAGE	= 125,	/* bad options, files that cannot be read */
	VM_HOST		= 126,	/* the hypervisor refused something */
	VM_GUEST	= 127,	/* the guest did what cannot be gone on from */
};

struct vm_options {
	const char *dev;	/* /dev/keel or /dev/kvm */
	const char *kernel, *initrd, *cmdline, *flat;
	const char *exec;	/* directory of a program to run; argv is the program */
	char **argv;
	const char *restore, *control;	/* files */
	uint64_t flat_addr;
	uint64_t mem;		/* bytes */
	unsigned int cpus;
	bool verbose;		/* exits counted and printed at the end */
	bool go_on;		/* after an emulation error */
	bool doctor, help;
};

/* What a snapshot has of ports.c and serial.c. No field of it may be trusted after a restore. */
#define SERIAL_FIFO	64

struct pc_state {
	uint8_t cmos_index;
	/* ACPI's status, enable and control, 16 bits each. Nothing ever happens there. */
	uint8_t pm1[6];
	struct serial {
		uint8_t reg[8];		/* as written, and with DLAB, the divisor */
		uint8_t divisor[2], fcr;
		uint8_t tx_irq;		/* THR became empty, not yet seen in IIR */
		uint8_t level;
		uint8_t count;		/* bytes received */
		uint8_t fifo[SERIAL_FIFO];
	} serial;
};

struct vm_cpu {
	bool tx_ready;		/* a byte goes out of the serial line, after the lock */
	uint8_t tx;
	volatile sig_atomic_t show;	/* asked for by a signal */
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	uint64_t exits[64];	/* by exit_reason */
};

struct vm {
	int sys, fd;
	size_t run_size;
	uint8_t *mem;		/* RAM; guest address a below the gap is mem[a] */
	struct vm_cpu cpu[KEELVM_MAX_CPUS];
	/* Held by the loop while it calls, and by a CPU in an exit; never while writing
	 * to stdout. Protects all devices. Who has it already is told so (EDEADLK).
	 */
	pthread_mutex_t lock;
	pthread_cond_t idle;	/* something under way has ended */
	struct pc_state pc;
	unsigned int writing;	/* bytes of the serial line on their way to stdout */
	unsigned int working;	/* threads of devices that have a chain */
	bool ending;
	struct vdev *vdev[VIRTIO_MAX], *balloon;
	unsigned int vdevs;
	const char *cmdline;	/* with what devices add */
	bool acpi;		/* tables are there */
	bool paused;		/* CPUs stop, and devices take up nothing new */
	unsigned int parked;	/* CPUs that have stopped */
	pthread_cond_t resumed;
	struct kvm_cpuid2 *cpuid;	/* of the last CPU made */
	struct timespec start;	/* of the CPUs */
};

extern struct vm_options opt;
extern struct vm vm;		/* the one there is */

/* RAM below the gap, in bytes */
static inline uint64_t vm_low(void)
{
	return opt.mem < KEELVM_GAP_START ? opt.mem : KEELVM_GAP_START;
}

/* Guest RAM at @addr, or NULL if not [addr, addr + len) is all RAM on one side of the gap. */
static inline void *vm_ram(uint64_t addr, uint64_t len)
{
	bool high = addr >= KEELVM_GAP_END;
	uint64_t base = high ? vm_low() : 0, size = high ? opt.mem - base : vm_low();

	addr -= high ? KEELVM_GAP_END : 0;
	return addr <= size && len <= size - addr ? vm.mem + base + addr : NULL;
}

/* loop.c: the main thread, in which devices wait for files. vm.lock is held. */
struct watch {
	int fd;
	void (*ready)(struct watch *w, short events);
	void *owner;
	short events;			/* waited for now, as of poll() */
};

void loop_init(void);
void loop_watch(struct watch *w, short events);	/* wait for others; 0: for none */
/* Never look at the file again. Returns it, for close(). */
int loop_forget(struct watch *w);
void loop_wake(void);		/* to look at all files anew; any thread, without the lock, too */
void loop_run(void) __noreturn;
/* The address of the socket @path. False if it is too long. */
bool unix_address(struct sockaddr_un *a, const char *path);
/* A socket of that name, that does not block; SOCK_STREAM: one that listens. */
int unix_bind(const char *path, int type);
/* @n is what read() or the like returned: can it be tried again? */
static inline bool again(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * Read up to the end of a line into @line of @size, where *@len bytes are already; what
 * follows is left. 1: it is there, without its end; 0: the rest comes later; -1: never.
 */
int read_line(int fd, char *line, size_t *len, size_t size);
/* Write all of it, to a file that may block or not, without the lock. False if nobody reads. */
bool output(int fd, const void *data, size_t len);

/*
 * End the whole program with @status; what was taken for stdout goes there first, as long as
 * somebody reads. Any thread, with the lock or without.
 */
void vm_exit(int status) __noreturn;
/* The same with a message. @status VM_HOST adds errno's text. */
void vm_die(int status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
#define vm_must(good, status, ...) \
	do { if (!(good)) vm_die(status, __VA_ARGS__); } while (0)

void vm_irq(unsigned int gsi, int level);
void vm_add_slot(unsigned int slot, uint64_t gpa, uint64_t size, void *hva);

/* cpu.c */
void cpu_create(unsigned int id);
/* With @regs, flat 32 bit; or real, where rip is a linear address. */
void cpu_start(struct vm_cpu *cpu, struct kvm_regs regs, bool real);
void cpu_show_on_quit(void);	/* SIGQUIT prints where each CPU is */
void *cpu_run(void *cpu);	/* thread function; returns only through vm_exit() */
size_t cpu_cpuid_size(void);
/* CPUs stop, with what they do complete, and devices. vm.lock is held. Is it so yet? */
void vm_pause(void);
bool vm_quiet(void);
void vm_resume(void);

/* load.c: what to run, and the boot CPU set up to run it */
void load_guest(void);

/* ports.c: I/O of devices that userspace has */
void port_io(struct vm_cpu *cpu, uint16_t port, bool in, unsigned int size, uint8_t *data);

/*
 * Devices for guest tests, where keelvm is linked with selftests/guest/vmm/testdev.c.
 * vm.lock is held.
 */
#pragma weak testdev_init
#pragma weak testdev_mmio
#pragma weak testdev_io
void testdev_init(void);
void testdev_mmio(uint64_t addr, bool write, unsigned int len, uint8_t *data);
bool testdev_io(struct vm_cpu *cpu, uint16_t port, bool in, unsigned int size, uint8_t *data);

/* serial.c: vm.lock is held, but for serial_restore() and serial_flush() */
#define SERIAL_BASE	0x3f8
#define SERIAL_IRQ	4
void serial_start(void);	/* console on stdin and stdout */
void serial_restore(void);		/* the terminal as it was; any number of times */
uint8_t serial_read(unsigned int reg);
void serial_write(struct vm_cpu *cpu, unsigned int reg, uint8_t val);
/*
 * Read what was typed, without Ctrl-A; Ctrl-A x ends it all. Returns how much, 0 if nothing
 * is left, -1 if nothing comes any more: then stdin is forgotten.
 */
ssize_t serial_input(struct watch *w, void *buf, size_t len);
/* What this CPU has sent goes out. May wait for whoever reads stdout. */
void serial_flush(struct vm_cpu *cpu);

/*
 * exec.c: to a guest of --exec, a page of registers, and behind it memory for what they
 * move. A kernel with /dev/mem lets a program have both.
 */
#define EXEC_BASE	0xd3000000ULL
#define EXEC_EOF	0xffffffff
enum {
	EXEC_OUT,	/* written: so many bytes of data[] go to stdout */
	EXEC_ERR,	/* ... to stderr */
	EXEC_IN,	/* read: so many bytes of stdin are in data[] now, or EXEC_EOF */
	EXEC_EXIT,	/* written: the exit status */
};

struct exec_window {
	volatile uint32_t reg[1024];
	char data[4096];
	uint32_t argc;
	char args[(2 << 20) - 4];	/* the program and its arguments, each with its zero byte */
};

/* The name of an initramfs of the directory and the program that runs the other */
const char *exec_initramfs(void);
/* False if nothing of --exec is there. vm.lock is not held. */
bool exec_mmio(struct kvm_run *run);
/* Can a guest run here? Says it, and what to do, and ends the program. */
void doctor(const char *dev) __noreturn;

/* control.c */
void control_start(void);
void control_progress(void);	/* something has happened that one may wait for */

/* snapshot.c */
/*
 * Begin to write all to the file @name; the machine is quiet, and may go on after it.
 * Returns a file in which a text will be, "ok" or "error: ...", or -1.
 */
int snapshot_save(const char *name);
/* Check the file opt.restore, and take the size of the machine from it. */
void snapshot_open(void);
/* All state out of it, into a machine that was made but never ran. */
void snapshot_restore(void);

/* console.c: is there a virtio console, for which stdin is? Has it more to write? */
bool console_there(void);
bool console_unwritten(void);

#endif

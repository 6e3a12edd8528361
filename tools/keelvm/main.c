// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - options, the machine put together, and its end
 */
#include <getopt.h>
#include <stdarg.h>
#include "virtio.h"

static const char usage[] =
	"usage: keelvm [options] --kernel FILE [--initrd FILE] [--cmdline TEXT]\n"
	"       keelvm [options] --kernel FILE --exec DIR PROGRAM [ARGUMENT...]\n"
	"       keelvm [options] --restore FILE\n"
	"       keelvm [options] --flat FILE[@ADDRESS]     (16 bit code; default 0x7c00)\n"
	"       keelvm [--dev PATH] --doctor               (can a guest run here?)\n"
	"\n"
	"  -m, --mem MIB        guest memory (128)\n"
	"  -s, --smp N          virtual CPUs (1)\n"
	"  -d, --dev PATH       hypervisor device (/dev/keel)\n"
	"      --console        a virtio console (hvc0) on stdin and stdout\n"
	"      --blk FILE[,ro]  a virtio disk; may be repeated\n"
	"      --rng            virtio random numbers\n"
	"      --net tap:NAME | dgram:HERE,THERE\n"
	"                       a network card: a tap device, or AF_UNIX datagram sockets\n"
	"      --vsock CID,PATH vsock; CONNECT PORT in PATH, and PATH_N for the guest's port N\n"
	"      --balloon        memory that the guest gives back\n"
	"      --control PATH   a socket for commands: status, pause, resume, quit,\n"
	"                       snapshot FILE, balloon MIB\n"
	"  -v, --verbose        count exits, print them at the end\n"
	"  -e, --emulation      go on after an emulation error: the guest gets #UD\n"
	"\n"
	"FILE is a bzImage, or an ELF with a PVH note or a multiboot header. --exec makes\n"
	"an initramfs of DIR, runs PROGRAM in it, and ends with its status; --restore takes\n"
	"what --control's snapshot wrote, with the same virtio devices in the same order.\n"
	"The first serial port is stdin and stdout; Ctrl-A x ends a terminal session.\n"
	"A byte written to port 0xf4 is the exit status. 125: bad usage; 126: the\n"
	"hypervisor refused; 127: the guest died. SIGQUIT prints where each CPU is.\n";

static struct vm_options opt = {
	.dev = "/dev/keel", .mem = 128 << 20, .cpus = 1, .flat_addr = 0x7c00,
	.cmdline = "console=ttyS0 panic=-1",
};

static struct vm vm = {
	.opt = &opt, .lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
	.idle = PTHREAD_COND_INITIALIZER, .resumed = PTHREAD_COND_INITIALIZER,
	.pc.pm1 = { [ACPI_PM1_CNT - ACPI_PM1_EVT] = 1 },	/* SCI_EN: no SMI is needed */
};

static unsigned long number(const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (errno || end == text || *end || n < min || n > max) {
		fprintf(stderr, "keelvm: '%s' is not a number from %lu to %lu\n", text, min, max);
		exit(VM_USAGE);
	}
	return n;
}

static void set_mem(char *arg)
{
	opt.mem = number(arg, 1, KEELVM_MAX_MIB) << 20;
}

static void set_cpus(char *arg)
{
	opt.cpus = number(arg, 1, KEELVM_MAX_CPUS);
}

static void set_flat(char *arg)
{
	char *at = strrchr(arg, '@');

	if (at) {
		*at = 0;
		opt.flat_addr = number(at + 1, 0, 0xfffff);
	}
	opt.flat = arg;
}

static void help(char *arg __unused)
{
	fputs(usage, stdout);
	exit(0);
}

/* Each sets a text or a flag, calls a function, or makes the virtio device of that name. */
static const struct choice {
	const char *name;
	char letter;
	int has_arg;
	const char **text;
	bool *flag;
	void (*set)(char *arg);
	bool virtio;
} choices[] = {
	{ "kernel", 0, required_argument, .text = &opt.kernel },
	{ "initrd", 0, required_argument, .text = &opt.initrd },
	{ "cmdline", 0, required_argument, .text = &opt.cmdline },
	{ "flat", 0, required_argument, .set = set_flat },
	{ "mem", 'm', required_argument, .set = set_mem },
	{ "smp", 's', required_argument, .set = set_cpus },
	{ "dev", 'd', required_argument, .text = &opt.dev },
	{ "console", 0, no_argument, .virtio = true },
	{ "blk", 0, required_argument, .virtio = true },
	{ "rng", 0, no_argument, .virtio = true },
	{ "net", 0, required_argument, .virtio = true },
	{ "vsock", 0, required_argument, .virtio = true },
	{ "balloon", 0, no_argument, .virtio = true },
	{ "exec", 0, required_argument, .text = &opt.exec },
	{ "control", 0, required_argument, .text = &opt.control },
	{ "restore", 0, required_argument, .text = &opt.restore },
	{ "verbose", 'v', no_argument, .flag = &opt.verbose },
	{ "emulation", 'e', no_argument, .flag = &opt.go_on },
	{ "doctor", 0, no_argument, .flag = &opt.doctor },
	{ "help", 'h', no_argument, .set = help },
};

#define CHOICES	COUNT(choices)
#define PATIENCE 5	/* seconds: nobody reads stdout at the end */
#define FIRST	256	/* getopt's value of the first */

static void choose(const struct choice *c, char *arg)
{
	if (c->text)
		*c->text = arg;
	else if (c->flag)
		*c->flag = true;
	else if (c->set)
		c->set(arg);
	else
		virtio_add(&vm, virtio_type(c->name), arg);
}

static void parse(int argc, char **argv)
{
	struct option options[CHOICES + 1] = { 0 };
	char letters[2 * CHOICES + 2] = "+", *l = letters + 1;
	unsigned int i;
	int c;

	for (i = 0; i < CHOICES; i++) {
		options[i] = (struct option){ choices[i].name, choices[i].has_arg, NULL,
			FIRST + i };
		if (choices[i].letter)
			*l++ = choices[i].letter;
		if (choices[i].letter && choices[i].has_arg)
			*l++ = ':';
	}
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		for (i = 0; i < CHOICES; i++)
			if (c == (int)(FIRST + i) || c == choices[i].letter)
				break;
		if (i == CHOICES)
			break;
		choose(&choices[i], optarg);
	}
	opt.argv = argv + optind;
	if (opt.doctor && c == -1 && !*opt.argv)
		doctor(opt.dev);
	if (c != -1 || !opt.exec != !argv[optind] || (opt.exec && !opt.kernel) ||
	    !!opt.kernel + !!opt.flat + !!opt.restore != 1) {
		fputs(usage, stderr);
		exit(VM_USAGE);
	}
}

static const char * const exit_names[] = {
	[KVM_EXIT_IO] = "io", [KVM_EXIT_MMIO] = "mmio", [KVM_EXIT_HLT] = "hlt",
	[KVM_EXIT_INTR] = "intr", [KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_SYSTEM_EVENT] = "system_event",
};

static void print_exits(struct vm *vm)
{
	unsigned int i, c;

	for (i = 0; i < 64; i++) {
		char other[16];
		uint64_t n = 0;

		for (c = 0; c < vm->opt->cpus; c++)
			n += vm->cpu[c].exits[i];
		snprintf(other, sizeof(other), "reason-%u", i);
		if (n)
			fprintf(stderr, "keelvm: exits %s %llu\n", i < COUNT(exit_names) &&
				exit_names[i] ? exit_names[i] : other, (unsigned long long)n);
	}
}

void vm_exit(struct vm *vm, int status)
{
	struct timespec until;

	pthread_mutex_lock(&vm->lock);	/* or it is held already: both are right */
	while (vm->ending)		/* another thread ends the program */
		pthread_cond_wait(&vm->resumed, &vm->lock);
	vm->ending = true;
	do {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += PATIENCE;
	} while ((vm->writing || console_unwritten()) &&
		 !pthread_cond_timedwait(&vm->idle, &vm->lock, &until));
	serial_restore();
	if (vm->opt->verbose)
		print_exits(vm);
	fflush(NULL);
	_exit(status);
}

void vm_die(struct vm *vm, int status, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	serial_restore();
	fputs("keelvm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (status == VM_HOST)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	vm_exit(vm, status);
}

void vm_irq(struct vm *vm, unsigned int gsi, int level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &irq) < 0)
		vm_die(vm, VM_HOST, "KVM_IRQ_LINE %u", gsi);
}

void vm_add_slot(struct vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
		vm_die(vm, VM_HOST, "memory slot of %llu bytes at %#llx",
		       (unsigned long long)size, (unsigned long long)gpa);
}

static void create_memory(struct vm *vm)
{
	uint64_t size = vm->opt->mem, low = vm_low(vm);

	vm->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE, -1, 0);
	if (vm->mem == MAP_FAILED)
		vm_die(vm, VM_HOST, "guest memory");
	vm_add_slot(vm, 0, 0, low, vm->mem);
	if (size > low)
		vm_add_slot(vm, 1, KEELVM_GAP_END, size - low, vm->mem + low);
	if (testdev_init)
		testdev_init(vm);
}

static void create_vm(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm->sys = open(vm->opt->dev, O_RDWR | O_CLOEXEC);
	if (vm->sys < 0)
		vm_die(vm, VM_HOST, "%s", vm->opt->dev);
	if (ioctl(vm->sys, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		vm_die(vm, VM_USAGE, "%s does not speak API version %d", vm->opt->dev,
		       KVM_API_VERSION);
	vm->fd = ioctl(vm->sys, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		vm_die(vm, VM_HOST, "KVM_CREATE_VM");
	vm->run_size = ioctl(vm->sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0)
		vm_die(vm, VM_HOST, "KVM_SET_TSS_ADDR");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		vm_die(vm, VM_HOST, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		vm_die(vm, VM_HOST, "KVM_CREATE_PIT2");
}

int main(int argc, char **argv)
{
	unsigned int i;
	int fd;

	/* Files that are opened must not be taken for stdin, stdout or stderr. */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
	loop_init();
	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (opt.restore)
		snapshot_open(&vm, &opt);
	create_vm(&vm);
	create_memory(&vm);
	for (i = 0; i < opt.cpus; i++)
		cpu_create(&vm, i);
	virtio_connect(&vm);
	pthread_mutex_lock(&vm.lock);
	if (opt.restore) {
		snapshot_restore(&vm);
	} else {
		virtio_describe(&vm);
		load_guest(&vm);
		mptable_write(&vm);
	}
	serial_start(&vm);
	control_start(&vm);
	virtio_resume(&vm);
	pthread_mutex_unlock(&vm.lock);
	cpu_show_on_quit(&vm);
	for (i = 0; i < opt.cpus; i++)
		if (pthread_create(&vm.cpu[i].thread, NULL, cpu_run, &vm.cpu[i]))
			vm_die(&vm, VM_HOST, "thread of CPU %u", i);
	loop_run(&vm);
}

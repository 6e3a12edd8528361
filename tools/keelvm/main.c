// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - options, the machine put together, and its end
 */
#include <getopt.h>
#include <stdarg.h>
#include "virtio.h"

static const char usage[] =
	"usage: keelvm [OPTION...] --kernel FILE [--initrd FILE] [--cmdline TEXT]\n"
	"       keelvm [OPTION...] --kernel FILE --exec DIR PROGRAM [ARGUMENT...]\n"
	"       keelvm [OPTION...] --restore FILE\n"
	"       keelvm [OPTION...] --flat FILE[@ADDRESS]   (16 bit code; default 0x7c00)\n"
	"       keelvm [--dev PATH] --doctor               (can a guest run here?)\n"
	"\n"
	"  -m, --mem MIB (128)   -s, --smp CPUS (1)   -d, --dev PATH (/dev/keel)\n"
	"  --console   --rng   --balloon   --blk FILE[,ro]   --vsock CID\n"
	"  --net tap:NAME   --net dgram:HERE,THERE    virtio devices\n"
	"  --control PATH    a socket for status, pause, resume, quit, snapshot FILE, balloon MIB\n"
	"  -v, --verbose     count exits, print them at the end\n"
	"  -e, --emulation   go on after an emulation error: the guest gets #UD\n"
	"\n"
	"FILE is a bzImage, or an ELF with a PVH note or a multiboot header. keelvm(1) has more.\n";

struct vm_options opt = {
	.dev = "/dev/keel", .mem = 128 << 20, .cpus = 1, .flat_addr = 0x7c00,
	.cmdline = "console=ttyS0 panic=-1",
};

struct vm vm = {
	.lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
	.idle = PTHREAD_COND_INITIALIZER, .resumed = PTHREAD_COND_INITIALIZER,
	.pc.pm1 = { [ACPI_PM1_CNT - ACPI_PM1_EVT] = 1 },	/* SCI_EN: no SMI is needed */
};

static unsigned long number(const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 0);
	vm_must(!errno && end != text && !*end && n >= min && n <= max, VM_USAGE,
		"'%s' is not a number from %lu to %lu", text, min, max);
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

/* Each sets a text, sets a flag, or calls a function. */
static const struct choice {
	const char *name;
	char letter;
	const char **text;
	bool *flag;
	void (*set)(char *arg);
} choices[] = {
	{ "kernel", .text = &opt.kernel },
	{ "initrd", .text = &opt.initrd },
	{ "cmdline", .text = &opt.cmdline },
	{ "flat", .set = set_flat },
	{ "mem", 'm', .set = set_mem },
	{ "smp", 's', .set = set_cpus },
	{ "dev", 'd', .text = &opt.dev },
	{ "exec", .text = &opt.exec },
	{ "control", .text = &opt.control },
	{ "restore", .text = &opt.restore },
	{ "verbose", 'v', .flag = &opt.verbose },
	{ "emulation", 'e', .flag = &opt.go_on },
	{ "doctor", .flag = &opt.doctor },
	{ "help", 'h', .flag = &opt.help },
};

#define CHOICES	COUNT(choices)
#define LONG	256	/* getopt's value of the first option without a letter */
#define PATIENCE 5	/* seconds: nobody reads stdout at the end */

static void choose(const struct choice *c, char *arg)
{
	if (c->text)
		*c->text = arg;
	else if (c->flag)
		*c->flag = true;
	else
		c->set(arg);
}

static void __noreturn print_usage(FILE *f, int status)
{
	fputs(usage, f);
	exit(status);
}

static void parse(int argc, char **argv)
{
	struct option options[CHOICES + VIRTIO_TYPES + 1] = { 0 };
	unsigned int i;
	int c;

	for (i = 0; i < CHOICES; i++)
		options[i] = (struct option){ choices[i].name, !choices[i].flag, NULL,
			choices[i].letter ? choices[i].letter : (int)(LONG + i) };
	for (; i < CHOICES + VIRTIO_TYPES; i++)
		options[i] = (struct option){ virtio_types[i - CHOICES]->option,
			virtio_types[i - CHOICES]->has_value, NULL, LONG + i };
	while ((c = getopt_long(argc, argv, "+m:s:d:veh", options, NULL)) != -1) {
		for (i = 0; options[i].name && options[i].val != c; i++)
			;
		if (i < CHOICES)
			choose(&choices[i], optarg);
		else if (options[i].name)
			virtio_add(virtio_types[i - CHOICES], optarg);
		else
			print_usage(stderr, VM_USAGE);
	}
	opt.argv = argv + optind;
	if (opt.help)
		print_usage(stdout, 0);
	if (opt.doctor && !*opt.argv)
		doctor(opt.dev);
	if (!opt.exec != !*opt.argv || (opt.exec && !opt.kernel) ||
	    !!opt.kernel + !!opt.flat + !!opt.restore != 1)
		print_usage(stderr, VM_USAGE);
}

static void print_exits(void)
{
	static const char * const names[COUNT(vm.cpu->exits)] = {
		[KVM_EXIT_IO] = "io", [KVM_EXIT_MMIO] = "mmio", [KVM_EXIT_HLT] = "hlt",
		[KVM_EXIT_INTR] = "intr", [KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_SYSTEM_EVENT] = "system_event",
	};
	unsigned int i, c;

	for (i = 0; i < COUNT(names); i++) {
		uint64_t n = 0;

		for (c = 0; c < opt.cpus; c++)
			n += vm.cpu[c].exits[i];
		if (n && names[i])
			fprintf(stderr, "keelvm: exits %s %llu\n", names[i], (unsigned long long)n);
		else if (n)
			fprintf(stderr, "keelvm: exits reason-%u %llu\n", i, (unsigned long long)n);
	}
}

void vm_exit(int status)
{
	struct timespec until;

	pthread_mutex_lock(&vm.lock);	/* or it is held already: both are right */
	while (vm.ending)		/* another thread ends the program */
		pthread_cond_wait(&vm.resumed, &vm.lock);
	vm.ending = true;
	do {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += PATIENCE;
	} while ((vm.writing || console_unwritten()) &&
		 !pthread_cond_timedwait(&vm.idle, &vm.lock, &until));
	serial_restore();
	if (opt.verbose)
		print_exits();
	fflush(NULL);
	_exit(status);
}

void vm_die(int status, const char *fmt, ...)
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
	vm_exit(status);
}

void vm_irq(unsigned int gsi, int level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	vm_must(!ioctl(vm.fd, KVM_IRQ_LINE, &irq), VM_HOST, "KVM_IRQ_LINE %u", gsi);
}

void vm_add_slot(unsigned int slot, uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	vm_must(!ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &r), VM_HOST,
		"memory slot of %llu bytes at %#llx", (unsigned long long)size,
		(unsigned long long)gpa);
}

static void create_memory(void)
{
	uint64_t size = opt.mem, low = vm_low();

	vm.mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE, -1, 0);
	vm_must(vm.mem != MAP_FAILED, VM_HOST, "guest memory");
	vm_add_slot(0, 0, low, vm.mem);
	if (size > low)
		vm_add_slot(1, KEELVM_GAP_END, size - low, vm.mem + low);
	if (testdev_init)
		testdev_init();
}

static void create_vm(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm.sys = open(opt.dev, O_RDWR | O_CLOEXEC);
	vm_must(vm.sys >= 0, VM_HOST, "%s", opt.dev);
	vm_must(ioctl(vm.sys, KVM_GET_API_VERSION, 0) == KVM_API_VERSION, VM_USAGE,
		"%s does not speak API version %d", opt.dev, KVM_API_VERSION);
	vm.fd = ioctl(vm.sys, KVM_CREATE_VM, 0);
	vm_must(vm.fd >= 0, VM_HOST, "KVM_CREATE_VM");
	vm.run_size = ioctl(vm.sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm_must(!ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000UL), VM_HOST, "KVM_SET_TSS_ADDR");
	vm_must(!ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), VM_HOST, "KVM_CREATE_IRQCHIP");
	vm_must(!ioctl(vm.fd, KVM_CREATE_PIT2, &pit), VM_HOST, "KVM_CREATE_PIT2");
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
		snapshot_open();
	create_vm();
	create_memory();
	for (i = 0; i < opt.cpus; i++)
		cpu_create(i);
	virtio_connect();
	pthread_mutex_lock(&vm.lock);
	if (opt.restore) {
		snapshot_restore();
	} else {
		virtio_describe();
		load_guest();
		mptable_write();
	}
	serial_start();
	control_start();
	virtio_resume();
	pthread_mutex_unlock(&vm.lock);
	cpu_show_on_quit();
	clock_gettime(CLOCK_MONOTONIC, &vm.start);
	for (i = 0; i < opt.cpus; i++)
		vm_must(!pthread_create(&vm.cpu[i].thread, NULL, cpu_run, &vm.cpu[i]),
			VM_HOST, "thread of CPU %u", i);
	loop_run();
}

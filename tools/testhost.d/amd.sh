# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The AMD host: QEMU's TCG, which emulates SVM with nested paging.
#
# A backend has these functions. They read the options (opt_*), $log (the log
# directory, shared with the host as "results"), $work (a short-lived directory
# for sockets) and $kernel. backend_awake=1 has the relay keep the host awake.
#   backend_check	what it needs is there, or die with EXIT_SETUP
#   backend_image	prints the name of the host's initramfs, if that is made before
#   backend_start	starts the emulator, sets emulator_pid and channel_socket
#   backend_shake	a host that hangs: make its kernel say where
#   backend_stop	the emulator must go
# The host kernel's console goes to $log/console.log.

# shellcheck source=tools/testhost.d/copy.sh
. "$top/tools/testhost.d/copy.sh"

AMD_MODULES="virtio_pci 9p 9pnet_virtio virtio_console"
AMD_CPU=EPYC,+svm,+npt

backend_check() {
	command -v qemu-system-x86_64 >/dev/null ||
		die "$EXIT_SETUP" "qemu-system-x86_64 is missing: run tools/setup"
}

backend_image() {
	[ "$opt_root" = share ] || return 0
	# shellcheck disable=SC2086
	image host "$top/tools/testhost.d/host-init" \
		"$opt_modules_root" "$(kernel_version "$kernel")" $AMD_MODULES
}

# QEMU 7.2 has two faults here. With one thread for all CPUs an interrupt that a
# hypervisor injects may be delivered twice: a kick of any CPU, which comes ten times a
# second where there are several, makes it raise the vector again, whatever IF says;
# guests hang. With a thread for each CPU it may go on executing a breakpoint that the
# kernel has already patched away: see undisturbed() in host-init. So: one thread only
# where there is one CPU. KEEL_TCG_THREAD=single or multi decides for both.
amd_accel() {
	local threads=multi

	[ "$opt_cpus" != 1 ] || threads=single
	threads=${KEEL_TCG_THREAD:-$threads}
	if [ -n "$opt_icount" ]; then
		echo "-icount shift=0,sleep=off"
		threads=single
	fi
	echo "-accel tcg,thread=$threads"
}

# The emulated VMRUN sets the request of a virtual interrupt without a lock, and a
# request that the thread of the devices makes at that moment may be lost. Without its
# timer's interrupt a host waits for ever: another one, now and then, brings both.
amd_keep_awake() {
	[ -n "$opt_icount" ] || backend_awake=1
}

# All CPUs of the emulator have one TSC, this machine's, which the kernel does not trust
# by itself; guests' clocks are then as on a machine that people have. Its frequency is
# told, for a busy machine's kernel measures anything. With --icount a tick is 1 ns.
amd_tsc() {
	local khz=1000000

	[ -n "$opt_icount" ] || khz=$("$relay" tsc)
	echo "tsc=reliable tsc_early_khz=$khz"
}

# The kernels of tools/testkernel know no ACPI, and in the firmware's older table there is
# one CPU a package.
amd_cpus() {
	case $opt_kernel in
	test | kasan | kcsan) echo "$opt_cpus,sockets=$opt_cpus" ;;
	*) echo "$opt_cpus" ;;
	esac
}

# Memory for the kernel that takes over after a crash: enough for a suite's run.
amd_crash_append() {
	[ "$opt_kexec" != crash ] || echo " crashkernel=1024M"
}

amd_append() {
	echo "console=ttyS0 loglevel=5 panic=-1 log_buf_len=4M $(amd_tsc)" \
		"unknown_nmi_panic=1 rcupdate.rcu_cpu_stall_timeout=$HOST_STALL_TIMEOUT" \
		"watchdog_thresh=$HOST_STALL_TIMEOUT $(sanitizer_append)$(amd_crash_append) $opt_append"
}

# The machine's / and the log directory, and a channel, by virtio.
amd_shared() {
	amd_devices=(-initrd "$image"
		-chardev "socket,id=channel,path=$channel_socket,server=on,wait=off"
		-device virtio-serial-pci,max_ports=2
		-device "virtserialport,nr=1,chardev=channel,name=keel.channel"
		-virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
		-virtfs "local,path=$log,mount_tag=results,security_model=none,multidevs=remap")
}

amd_copied() {
	copy_initrd "$work/tree" kvm_amd > "$work/initrd"
	amd_devices=(-initrd "$work/initrd"
		-serial "unix:$channel_socket,server=on,wait=off"
		-serial "file:$log/host.steps" -serial "file:$log/dmesg.log")
}

backend_start() {
	local -a cmd amd_devices

	amd_keep_awake
	channel_socket=$work/channel
	case $opt_root in
	share) amd_shared ;;
	copy) amd_copied ;;
	esac
	# shellcheck disable=SC2207
	cmd=(qemu-system-x86_64 $(amd_accel) -cpu "$AMD_CPU$opt_cpu_flags"
		-smp "$(amd_cpus)" -m "$opt_mem"
		-nodefaults -display none -no-reboot
		-kernel "$kernel" -append "$(amd_append)"
		-serial "file:$log/console.log"
		-monitor "unix:$work/monitor,server=on,wait=off" "${amd_devices[@]}")
	printf '%q ' "${cmd[@]}" > "$log/emulator.cmd"
	# A group of its own: a Ctrl-C at the terminal is the runner's to handle.
	setsid "${cmd[@]}" </dev/null > "$log/emulator.log" 2>&1 &
	emulator_pid=$!
}

backend_shake() {
	"$relay" send "$work/monitor" "info registers -a" 2>/dev/null || return 0
	# unknown_nmi_panic: the kernel prints a backtrace and ends.
	"$relay" send "$work/monitor" nmi 2>/dev/null || return 0
	wait_for_emulator 10 || true
}

backend_stop() {
	kill -9 "$emulator_pid" 2>/dev/null || true
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The Intel host: Bochs, which emulates VMX with EPT. amd.sh says what these
# functions are for.
#
# Bochs has no virtio: the host's / is a copy (copy.sh), on a CD made for each run.
#
# KEEL_BOCHS_DEBUGGER may name a file of commands for the emulator's debugger, to which
# XCHG of BX with itself then returns.
#
# The kernel is by default that of tools/testkernel. The emulator's second has
# INTEL_IPS instructions, and so many ticks has its TSC; the CPU model claims another
# frequency, which the kernel must not believe.

# shellcheck source=tools/testhost.d/copy.sh
. "$top/tools/testhost.d/copy.sh"

INTEL_MODEL=corei7_skylake_x
INTEL_IPS=50000000
# With sanitizers the kernel is no faster than its own timers on that.
! has_sanitizers || INTEL_IPS=200000000

backend_check() {
	local program

	for program in bochs-bin grub-mkrescue xorriso mformat python3; do
		command -v $program >/dev/null ||
			die "$EXIT_SETUP" "$program is missing: run tools/setup intel"
	done
	[ "$opt_root" = copy ] || die "$EXIT_USAGE" "the Intel host has no share"
	[ "$opt_cpus" -le 2 ] || die "$EXIT_USAGE" "the Intel host has one or two CPUs"
	[ -z "$opt_icount" ] || inform "the Intel host is always deterministic"
	[ "$opt_mem" -le 1024 ] || opt_mem=1024
	HOST_BOOT_TIMEOUT=$(scaled 900)
	HOST_END_TIMEOUT=$(scaled 120)
}

# Made for each run, by backend_start.
backend_image() {
	:
}

make_vmxe() {
	mkdir -p "$work/vmxe"
	cp "$top"/tools/testhost.d/vmxe/* "$work/vmxe/"
	make -s -C "$intel_kdir" M="$work/vmxe" modules > "$log/vmxe.log" 2>&1 ||
		die "$EXIT_SETUP" "vmxe.ko does not build: $log/vmxe.log"
	strip --strip-debug -o "$1" "$work/vmxe/vmxe.ko"
}

# The module that tells whether VMX was left on, for this kernel.
intel_vmxe() {
	local version=$1 intel_kdir=$opt_modules_root/lib/modules/$1/build

	[ -d "$intel_kdir" ] || intel_kdir=$(dirname "$kernel")/build
	[ -d "$intel_kdir" ] ||
		die "$EXIT_SETUP" "the headers of $version are missing: run tools/setup"
	cached vmxe .ko "$(content_key "$top"/tools/testhost.d/vmxe/* \
		"$intel_kdir/include/generated/compile.h" "$version" \
		"$intel_kdir/Module.symvers")" make_vmxe
}

intel_iso() {
	local dir=$work/iso

	mkdir -p "$dir/boot/grub"
	mkdir -p "$work/tree/modules"
	cp "$(intel_vmxe "$(kernel_version "$kernel")")" "$work/tree/modules/vmxe.ko"
	# Loading a byte more costs the emulated machine less than to decompress it.
	copy_initrd "$work/tree" kvm_intel > "$dir/boot/initrd"
	cp "$kernel" "$dir/boot/vmlinuz"
	cat > "$dir/boot/grub/grub.cfg" <<END
set timeout=0
linux /boot/vmlinuz $(intel_append)
initrd /boot/initrd
boot
END
	grub-mkrescue -d /usr/lib/grub/i386-pc -o "$work/host.iso" "$dir" \
		> "$log/mkrescue.log" 2>&1 || die "$EXIT_SETUP" "grub-mkrescue: see $log/mkrescue.log"
	rm -rf "$dir"
}

# A guest with its interrupts off keeps the host's away, and unpacks a kernel for long.
intel_append() {
	echo "console=ttyS0,115200 loglevel=5 panic=-1 no_timer_check tsc=reliable" \
		"tsc_early_khz=$((INTEL_IPS / 1000)) reboot=t" \
		"nokaslr 8250.nr_uarts=4 clearcpuid=xsaves,xsavec retbleed=off" \
		"rcupdate.rcu_cpu_stall_timeout=$HOST_STALL_TIMEOUT" \
		"watchdog_thresh=$HOST_STALL_TIMEOUT $(sanitizer_append) $opt_append"
}

intel_config() {
	cat <<END
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, e1000=0, parallel=0, serial=1
config_interface: textconfig
display_library: rfb, options="timeout=0"
cpu: model=$INTEL_MODEL, count=$opt_cpus, ips=$INTEL_IPS, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=local
megs: $opt_mem
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
com1: enabled=1, mode=file, dev=$log/console.log
com2: enabled=1, mode=term, dev=$(cat "$work/pty")
com3: enabled=1, mode=file, dev=$log/host.steps
com4: enabled=1, mode=file, dev=$log/dmesg.log
ata0-master: type=cdrom, path=$work/host.iso, status=inserted
boot: cdrom
magic_break: enabled=$([ -n "${KEEL_BOCHS_DEBUGGER:-}" ] && echo 1 || echo 0)
log: $log/emulator.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
}

backend_start() {
	intel_iso
	channel_socket=$work/channel
	setsid "$top/tools/testhost.d/pty-bridge" "$channel_socket" "$work/pty" &
	intel_bridge=$!
	until [ -s "$work/pty" ]; do
		kill -0 "$intel_bridge" || die "$EXIT_SETUP" "the serial bridge does not start"
		sleep 0.1
	done
	intel_config > "$log/bochsrc"
	echo c > "$work/debugger"
	[ -z "${KEEL_BOCHS_DEBUGGER:-}" ] || cp "$KEEL_BOCHS_DEBUGGER" "$work/debugger"
	setsid nice -n 5 bochs-bin -q -f "$log/bochsrc" -rc "$work/debugger" \
		</dev/null > "$log/bochs.out" 2>&1 &
	emulator_pid=$!
}

backend_shake() {
	tail -n 3 "$log/emulator.log" >&2
}

backend_stop() {
	kill -9 "$emulator_pid" "$intel_bridge" 2>/dev/null || true
}

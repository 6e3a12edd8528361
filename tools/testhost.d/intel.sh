# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The Intel host: Bochs, which emulates VMX with EPT. amd.sh says what these
# functions are for.
#
# Bochs has no virtio: the host's / is a copy of what a test needs, in its
# initramfs, on a CD made for each run. The relay speaks over the second serial
# line; the host's steps and its kernel log come over the third and fourth, as
# files. A boot takes minutes, so run many tests in one.
#
# The kernel is by default that of tools/testkernel. The emulator's second has
# INTEL_IPS instructions, and so many ticks has its TSC; the CPU model claims another
# frequency, which the kernel must not believe.

INTEL_MODEL=corei7_skylake_x
INTEL_IPS=50000000
INTEL_BASE="build/tools build/hello.bin build/guest build/abi tools selftests"
INTEL_PROGRAMS="bash cat grep sed awk env timeout dirname realpath mktemp stat seq"

backend_check() {
	local program

	for program in bochs-bin grub-mkrescue xorriso mformat python3; do
		command -v $program >/dev/null ||
			die "$EXIT_SETUP" "$program is missing: run tools/setup intel"
	done
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

# Libraries and the loader of the programs named.
intel_libraries() {
	local file

	for file; do
		ldd "$file" 2>/dev/null
	done | awk '$2 == "=>" && $3 ~ "^/" { print $3 } $1 ~ "^/" { print $1 }' | sort -u
}

# intel_copy ROOT FILE...: to the same place below ROOT.
intel_copy() {
	local root=$1 file

	shift
	for file; do
		[ -e "$file" ] || continue
		mkdir -p "$root$(dirname "$file")"
		cp -rL "$file" "$root$(dirname "$file")/"
	done
}

intel_busybox() {
	local name

	cp "$(busybox_program)" "$1/bin/busybox"
	for name in $("$1/bin/busybox" --list); do
		[ -e "$1/bin/$name" ] || ln -s busybox "$1/bin/$name"
		[ -e "$1/sbin/$name" ] || ln -s ../bin/busybox "$1/sbin/$name"
	done
}

intel_modules() {
	local root=$1 version=$2 dir=/lib/modules/$2 file

	for file in $(module_files "$opt_modules_root" "$version" kvm_intel msr 2>/dev/null); do
		mkdir -p "$root$dir/kernel"
		cp "$file" "$root$dir/kernel/"
	done
	mkdir -p "$root$dir"
	cp "$opt_modules_root$dir"/modules.{order,builtin,builtin.modinfo} "$root$dir/"
	/sbin/depmod -b "$root" "$version"
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

# The directory that becomes the host's initramfs; the host's / is in it at raw.
intel_tree() {
	local dir=$1 version=$2 root=$1/raw item
	local -a files=()

	mkdir -p "$dir"/{bin,dev,proc,sys,tmp,root,modules,etc,results}
	mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib/modules,usr/lib64,dev,proc,sys,tmp,run,var/tmp}
	for item in bin sbin lib lib64; do
		ln -s usr/$item "$root/$item"
	done
	cp "$(busybox_program)" "$dir/bin/busybox"
	cp "$relay" "$dir/bin/relay"
	cp "$top/tools/testhost.d/host-init" "$dir/init"
	chmod +x "$dir/init"
	cp "$log"/{host.conf,command.sh} "$dir/results/"
	cp "$(intel_vmxe "$version")" "$dir/modules/vmxe.ko"
	for item in $INTEL_BASE; do
		files+=("$top/$item")
	done
	[ "$opt_module" != keel ] || files+=("$module_file")
	for item in $INTEL_PROGRAMS "${opt_file[@]+"${opt_file[@]}"}"; do
		case $item in
		/*) files+=("$item") ;;
		*/*) files+=("$top/$item") ;;
		*) files+=("$(command -v "$item")") ;;
		esac
		[ -e "${files[-1]}" ] || die "$EXIT_SETUP" "$item is not there"
	done
	intel_copy "$root" "${files[@]}"
	# Debugging symbols are most of a module, and every byte is read by an emulated CPU.
	[ ! -f "$root$module_file" ] || strip --strip-debug "$root$module_file"
	find "$root$top/build" "$root$top/selftests" "$root$top/tools" \
		\( -name '*.[chSo]' -o -name '*.64' \) -delete
	mapfile -t files < <(find "$root" -type f -perm /111 ! -name '*.ko' ! -name '*.elf*')
	# shellcheck disable=SC2046
	intel_copy "$root" $(intel_libraries "${files[@]}")
	intel_busybox "$root"
	# Guests boot the same kernel.
	mkdir -p "$root/boot"
	cp "$kernel" "$root/boot/vmlinuz-$version"
	intel_modules "$root" "$version"
}

intel_iso() {
	local dir=$work/iso

	mkdir -p "$dir/boot/grub" "$work/tree"
	intel_tree "$work/tree" "$(kernel_version "$kernel")"
	# Loading a byte more costs the emulated machine less than to decompress it.
	(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet) > "$dir/boot/initrd"
	cp "$kernel" "$dir/boot/vmlinuz"
	cat > "$dir/boot/grub/grub.cfg" <<END
set timeout=0
linux /boot/vmlinuz $(intel_append)
initrd /boot/initrd
boot
END
	grub-mkrescue -d /usr/lib/grub/i386-pc -o "$work/host.iso" "$dir" \
		> "$log/mkrescue.log" 2>&1 || die "$EXIT_SETUP" "grub-mkrescue: see $log/mkrescue.log"
	rm -rf "$work/tree" "$dir"
}

# A guest with its interrupts off keeps the host's away, and unpacks a kernel for long.
intel_append() {
	echo "console=ttyS0,115200 loglevel=5 panic=-1 no_timer_check tsc=reliable" \
		"tsc_early_khz=$((INTEL_IPS / 1000)) reboot=t" \
		"nokaslr 8250.nr_uarts=4 clearcpuid=xsaves,xsavec retbleed=off" \
		"rcupdate.rcu_cpu_stall_timeout=$HOST_STALL_TIMEOUT" \
		"watchdog_thresh=$HOST_STALL_TIMEOUT $opt_append"
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

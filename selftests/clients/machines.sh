# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Linux comes up on each machine type, and the BIOS from disk and CD.

# boot MACHINE IRQCHIP SMP
boot() {
	if [ "$2" = off ] && [ "$3" -gt 1 ]; then
		why "with its own APIC this QEMU loops when a second CPU starts, on kvm too"
		return 4
	fi
	guest_start guest boot machine="$1" irqchip="$2" smp="$3"
	boots "$3" kvm-clock
}

boot_keelvm() {
	keelvm_start guest boot -m 256 -s "$1"
	# It is shown an invariant TSC where the host has one.
	boots "$1" '@(kvm-clock|tsc)'
}

# boots SMP CLOCKSOURCE: the guest that was started.
boots() {
	local cpu

	guest_wait guest end 1 "$UP_LIMIT" || return 1
	guest_ended guest 0 || return 1
	guest_tells kernel "$(kernel_version "$(newest_kernel)")" && guest_tells cpus "$1" &&
		guest_tells clocksource "$2" || return 1
	for ((cpu = 0; cpu < $1; cpu++)); do
		guest_said guest "cpu $cpu sleeps" 1 && continue
		why "CPU $cpu of the guest does not work"
		return 1
	done
}

# guest_tells WHAT PATTERN: what its script has said of it.
guest_tells() {
	guest_count guest "$1 "
	# shellcheck disable=SC2053
	[ "$count" = 1 ] && [[ ${line#"$1 "} == $2 ]] && return 0
	why "the guest's $1: '${line#"$1 "}', not '$2'"
	return 1
}

# Each machine type, irqchip mode and number of CPUs is in the short list, with the
# boot whose exits are counted.
machine_list() {
	local machine irqchip smp

	if [ "${KEEL_HOST:-}" = intel ]; then
		printf '%s\n' "pc on 2" "q35 split 1" "microvm off 1"
		return
	fi
	if [ -z "${KEEL_FULL:-}" ]; then
		printf '%s\n' "pc on 4" "pc off 1" "q35 split 4" "microvm split 1"
		return
	fi
	for machine in pc q35 microvm; do
		for irqchip in on split off; do
			for smp in 1 4; do
				echo "$machine $irqchip $smp"
			done
		done
	done
}

machine_cases() {
	local machine irqchip smp

	while read -r machine irqchip smp; do
		run_case "$machine, irqchip $irqchip, smp $smp" \
			boot "$machine" "$irqchip" "$smp"
	done < <(machine_list)
	run_case "keelvm, smp 2" boot_keelvm 2
	run_case "pc, irqchip on, smp 1: exits counted" counted pc on 1
}

# A boot to the first process; its exits as comments. Ten times what it takes, and
# something goes round in circles.
MOST_EXITS=150000

counted() {
	local exits

	guest_start guest idle machine="$1" irqchip="$2" smp="$3"
	guest_up guest || return 1
	"${module}_counters" > "$work/exits"
	sed "s/^/# $1, irqchip $2, smp $3: /" "$work/exits"
	exits=$(awk '$2 == "exits" { print $1 }' "$work/exits")
	[ "${exits:-0}" -gt 0 ] && [ "$exits" -lt $MOST_EXITS ] && return 0
	why "${exits:-no} exits"
	return 1
}

# firmware MACHINE IRQCHIP WORD...: real mode, INT 13h and the PIT.
firmware() {
	local machine=$1 irqchip=$2 what

	shift 2
	qemu_start guest "$irqchip" -M "$machine" -m 64 \
		-device isa-debug-exit,iobase=0xf4,iosize=1 "$@"
	guest_ended guest 33 "$STEP_LIMIT" || return 1
	for what in booted "sector read" "clock ticks"; do
		guest_said guest "$what" 1 && continue
		why "the boot sector does not say: $what"
		return 1
	done
}

firmware_cases() {
	local disk="file=$images/disk.img,format=raw,snapshot=on,if=ide"
	local machine irqchip

	run_case "pc, SeaBIOS from disk" firmware pc on -drive "$disk"
	run_case "q35, SeaBIOS from CD" firmware q35 split -cdrom "$images/cd.img"
	[ -n "${KEEL_FULL:-}" ] || return 0
	for machine in pc q35; do
		for irqchip in on split off; do
			run_case "$machine, SeaBIOS from disk, irqchip $irqchip" \
				firmware "$machine" "$irqchip" -drive "$disk"
			run_case "$machine, SeaBIOS from CD, irqchip $irqchip" \
				firmware "$machine" "$irqchip" -cdrom "$images/cd.img"
		done
	done
}

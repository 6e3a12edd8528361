# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Guests that reboot, are killed, come and go, and share a CPU.

LEAK_KIB=8192	# less than the smallest of the guests here has

# reboots MACHINE SMP WORD: boots once more, and in the long form again, by its own doing.
reboots() {
	local boots=0 want=2

	[ -z "${KEEL_FULL:-}" ] || want=3
	guest_start guest reboot machine="$1" smp="$2" append="$3"
	while [ $boots -lt $want ]; do
		boots=$((boots + 1))
		guest_wait guest "up $2" $boots "$UP_LIMIT" || return 1
	done
	guest_quit guest
}

# A guest that uses all its CPUs is killed: all it had is free again.
killed() {
	local before after

	before=$(host_memory)
	guest_start guest up smp=4 mem=512
	guest_up guest || return 1
	pause 1
	guest_kill guest
	host_free || return 1
	after=$(host_memory)
	memory_kept "$before" "$after"
}

memory_kept() {
	[ $(($1 - $2)) -ge "$LEAK_KIB" ] || return 0
	why "$(($1 - $2)) KiB of memory are lost"
	return 1
}

# Twenty VMs, one after the other, of changing kinds. What the first ones leave in the
# host's caches is no leak.
rounds() {
	local round before after machine irqchip smp
	local -a kinds=("pc on" "q35 split" "pc split" "q35 on" "pc off")

	for ((round = 0; round < 20; round++)); do
		read -r machine irqchip <<< "${kinds[round % ${#kinds[@]}]}"
		smp=$((round % 4 + 1))
		[ "$irqchip" != off ] || smp=1	# boot() says why
		firmware "$machine" "$irqchip" -smp $smp \
			-drive "file=$images/disk.img,format=raw,snapshot=on,if=ide" || {
			why "round $round: $machine, irqchip $irqchip"
			return 1
		}
		[ $round != 4 ] || before=$(host_memory)
	done
	after=$(host_memory)
	host_free && memory_kept "$before" "$after"
}

# What keelstat sees of a guest whose CPUs work.
watched() {
	local out want pid

	guest_start guest up smp=2
	guest_up guest || return 1
	pid=${guest_pid[guest]}
	out=$("$top/build/tools/keelstat" -a -p "$pid" 2>&1 &&
		"$top/build/tools/keelstat" -t -n 1 -d 2 -p "$pid" 2>&1) || {
		why "keelstat: $out"
		return 1
	}
	for want in "^VM of process $pid, file [0-9]+$" "^vCPU 1 of process $pid, file [0-9]+$" '^ +[0-9]+ exit_pio$' \
		'^ +[0-9]+ pages_4k$' '^ +[0-9]+ /s exit_' '^ +[a-z_]+: [0-9]+, cycles$' \
		'^ +>= 2\^[0-9]+ +[0-9]+ #+$'; do
		grep -qE -- "$want" <<< "$out" && continue
		why "no line $want in: $(head -c 2000 <<< "$out")"
		return 1
	done
	guest_quit guest
}

life_cases() {
	run_case "pc, smp 4, reboot by reset" reboots pc 4 ""
	run_case "q35, smp 1, reboot by triple fault" reboots q35 1 reboot=t
	run_case "SIGKILL" killed
	[ "${KEEL_MODULE:-keel}" != keel ] || run_case "keelstat" watched
	run_case "20 rounds of create and destroy" rounds
	[ -n "${KEEL_FULL:-}" ] || return 0
	run_case "pc, smp 4, reboot by triple fault" reboots pc 4 reboot=t
	run_case "q35, smp 4, reboot by reset" reboots q35 4 ""
	run_case "microvm, smp 4, reboot" reboots microvm 4 ""
}

### One CPU for two guests

TICKS=25	# of 200 ms, for a guest that has half a CPU
DRIFT=1500	# ms between a guest's clock and ours: how long we may take to look

# tick_now NAME: the guest's last tick, its clock in ms, its timer interrupts.
tick_now() {
	guest_count "$1" tick
	read -r _ tick clock timers <<< "$line"
}

# ticks_from NAME: notes where the guest and the host's clock are.
declare -A at_tick at_clock at_timers at_host
ticks_from() {
	local tick clock timers

	tick_now "$1"
	at_tick[$1]=$tick at_clock[$1]=$clock at_timers[$1]=$timers
	at_host[$1]=$((${EPOCHREALTIME/./} / 1000))
}

# ticks_kept NAME: since then, the guest's clock has gone as fast as the host's, and
# every sleep had its interrupt.
ticks_kept() {
	local tick clock timers host

	guest_wait "$1" tick $((count + 1)) || return 1
	tick_now "$1"
	host=$((${EPOCHREALTIME/./} / 1000 - at_host[$1]))
	clock=$((clock - at_clock[$1]))
	tick=$((tick - at_tick[$1])) timers=$((timers - at_timers[$1]))
	if [ $((clock - host)) -gt $DRIFT ] || [ $((host - clock)) -gt $DRIFT ]; then
		why "$1: its clock went $clock ms in $host ms"
		return 1
	fi
	if [ $timers -lt $tick ]; then
		why "$1: $timers timer interrupts in $tick sleeps"
		return 1
	fi
}

at_once() {
	local name

	for name in one two; do
		guest_start $name clock
		taskset -a -p -c 0 "${guest_pid[$name]}" > /dev/null
	done
	for name in one two; do
		guest_wait $name tick 1 "$UP_LIMIT" || return 1
	done
	for name in one two; do
		guest_wait $name tick 1 || return 1
		ticks_from $name
	done
	for name in one two; do
		guest_wait $name tick $((at_tick[$name] + TICKS)) || return 1
	done
	for name in one two; do
		ticks_kept $name || return 1
	done
}

# One is stopped while the other runs, for longer than any of its timers.
in_turns() {
	local turn name

	for name in one two; do
		guest_runs $name || return 1
		ticks_from $name
	done
	kill -STOP "${guest_pid[one]}"
	for turn in 1 2 3; do
		pause 1.5
		kill -STOP "${guest_pid[two]}"
		kill -CONT "${guest_pid[one]}"
		pause 1.5
		kill -STOP "${guest_pid[one]}"
		kill -CONT "${guest_pid[two]}"
	done
	kill -CONT "${guest_pid[one]}"
	for name in one two; do
		guest_count $name tick
		guest_wait $name tick $((count + 5)) || return 1
	done
	for name in one two; do
		ticks_kept $name || return 1
	done
}

clock_cases() {
	step "two guests at once on one CPU" at_once
	run_case "two guests in turns on one CPU" in_turns
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Cases, and guests under QEMU: start, watch, end, judge. Source it with $top set.
#
# Of each guest there is a directory $work/NAME: console, what came over its serial
# line; qemu.log, QEMU's messages; monitor.log, its monitor's answers; qemu.cmd.

: "${top:?}"
# shellcheck source=tools/lib.sh
. "$top/tools/lib.sh"

clients=$top/selftests/clients
images=$top/build/clients
module=${KEEL_MODULE:-keel}

UP_LIMIT=$(scaled 240)		# a guest's boot, with others beside it
STEP_LIMIT=$(scaled 120)	# the next line of a guest's script
END_LIMIT=$(scaled 60)		# an end that was asked for
TAIL=${KEEL_TAIL:-12}		# lines shown of a failed guest's console

declare -A guest_pid guest_status guest_monitor guest_input guest_console guest_rest
work=$(mktemp -d /tmp/clients-XXXXXX)
# A pipe that nobody writes: to sleep without a process.
mkfifo "$work/never"
exec {never}<>"$work/never"

pause() {
	read -r -t "$1" -u "$never" || true
}

seconds_since() {
	local now=${EPOCHREALTIME/./} then=${1/./}

	printf '%d.%d' $(((now - then) / 1000000)) $(((now - then) / 100000 % 10))
}

# Why a case fails or is skipped.
why() {
	echo "$*" >> "$work/why"
}

# until_true SECONDS COMMAND...: 1 when it does not become true in that time.
until_true() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		pause 0.2
	done
}

### Guests

# As bootguest: TCG never takes SVM's XSETBV intercept, so no XSAVE there.
# kvm of 6.1 refuses an MSR that QEMU sets with -cpu host when the local APIC is QEMU's.
guest_cpu() {
	local cpu=host

	[ "${KEEL_HOST:-}" != amd ] || cpu=$cpu,-xsave
	[ "$module:$1" != kvm:off ] || cpu=$cpu,-kvm-asyncpf-int
	echo "$cpu"
}

# guest_place NAME: its directory and what is open there.
guest_place() {
	local name=$1 dir=$work/$1 monitor input console

	rm -rf "$dir"
	mkdir -p "$dir"
	: > "$dir/console"
	mkfifo "$dir/monitor" "$dir/input.in" "$dir/input.out"
	exec {monitor}<>"$dir/monitor" {input}<>"$dir/input.in"
	exec {console}< "$dir/console"
	guest_monitor[$name]=$monitor guest_input[$name]=$input
	guest_console[$name]=$console guest_rest[$name]=''
	declare -ga "said_by_$name=()"
}

# guest_launch NAME FILE COMMAND...: what the VMM itself says goes to FILE.
guest_launch() {
	local name=$1 dir=$work/$1 output=$2

	shift 2
	printf '%q ' "$@" > "$dir/qemu.cmd"
	"$@" < "$dir/monitor" > "$dir/$output" 2> "$dir/qemu.log" &
	guest_pid[$name]=$!
	guest_status[$name]=''
}

# qemu_start NAME IRQCHIP WORD...
qemu_start() {
	local name=$1 irqchip=$2

	shift 2
	guest_place "$name"
	guest_launch "$name" monitor.log qemu-system-x86_64 \
		-accel "kvm,kernel-irqchip=$irqchip" -cpu "$(guest_cpu "$irqchip")" \
		-nodefaults -display none -monitor stdio \
		-serial "file:$work/$name/console" "$@"
}

# keelvm_start NAME SCRIPT WORD...: the same kernel and script under keelvm, which has no
# ACPI, and gives the guest all of the CPU.
keelvm_start() {
	local name=$1 script=$2 append='acpi=off'

	shift 2
	[ "${KEEL_HOST:-}" != amd ] || append="$append noxsave"
	guest_initrd "$script"
	guest_place "$name"
	guest_launch "$name" console "$top/build/tools/keelvm" -d /dev/kvm "$@" \
		--kernel "$(newest_kernel)" --initrd "$work/initrd-$script" \
		--cmdline "console=ttyS0 loglevel=5 panic=-1 $append"
}

# guest_start NAME SCRIPT [VARIABLE=VALUE...] [-- WORD...]: Debian's kernel, and of
# guest/ the script. The variables are those of the first line.
guest_start() {
	local machine=pc irqchip=on smp=1 mem=256 append='' name=$1 script=$2

	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		local "$1"
		shift
	done
	[ $# = 0 ] || shift
	[ "$machine" != microvm ] || machine=microvm,rtc=on
	if [ "${KEEL_HOST:-}" = intel ]; then
		# The small kernel has no ACPI: CPUs by the BIOS's MP table, which has the
		# first of each package, and the end is a reset.
		smp=$smp,sockets=$smp append="$append reboot=t"
		set -- "$@" -no-reboot
	fi
	guest_initrd "$script"
	qemu_start "$name" "$irqchip" -M "$machine" -smp "$smp" -m "$mem" \
		-kernel "$(newest_kernel)" -initrd "$work/initrd-$script" \
		-append "console=ttyS0 loglevel=5 panic=-1 $append" "$@"
}

# The script is an archive of its own, before the initramfs.
guest_initrd() {
	local file=$work/initrd-$1

	[ ! -f "$file" ] || return 0
	mkdir -p "$work/add"
	cp "$clients/guest/$1" "$work/add/case.sh"
	{
		(cd "$work/add" && echo case.sh | cpio -o -H newc --quiet)
		cat "$images/initramfs"
	} > "$file"
}

guest_runs() {
	kill -0 "${guest_pid[$1]}" 2>/dev/null
}

# Reads on: the lines of the guest's script go, without "case: ", into said_by_NAME.
# The line that is not complete yet is kept.
guest_read() {
	local -n said=said_by_$1
	local text=''

	[ -z "${guest_status[$1]}" ] || return 0
	while IFS= read -r -u "${guest_console[$1]}" text; do
		text=${guest_rest[$1]}$text
		text=${text%$'\r'}
		guest_rest[$1]=''
		[ "${text#case: }" = "$text" ] || said+=("${text#case: }")
	done
	guest_rest[$1]+=$text
}

# guest_count NAME PREFIX: how many such lines, in $count; the last one in $line.
guest_count() {
	local -n all=said_by_$1
	local text

	count=0 line=''
	guest_read "$1"
	for text in "${all[@]}"; do
		[ "${text#"$2"}" = "$text" ] || { count=$((count + 1)); line=$text; }
	done
}

guest_said() {
	guest_count "$1" "$2"
	[ "$count" -ge "$3" ]
}

# guest_wait NAME PREFIX [COUNT [SECONDS]]: until it has said so that often.
guest_wait() {
	local name=$1 prefix=$2 want=${3:-1} end=$((SECONDS + ${4:-$STEP_LIMIT}))

	until guest_said "$name" "$prefix" "$want"; do
		if ! guest_runs "$name"; then
			guest_said "$name" "$prefix" "$want" && return 0
			why "$name ended before it said '$prefix' ($count of $want)"
			return 1
		fi
		if [ "$SECONDS" -ge "$end" ]; then
			why "$name hangs: no '$prefix' ($count of $want)"
			return 1
		fi
		pause 0.3
	done
}

guest_up() {
	guest_wait "$1" up 1 "$UP_LIMIT"
}

guest_gone() {
	! guest_runs "$1"
}

# guest_ended NAME STATUS [SECONDS]: it ends by itself, and so.
guest_ended() {
	if ! until_true "${3:-$END_LIMIT}" guest_gone "$1"; then
		why "$1 does not end"
		return 1
	fi
	guest_reap "$1"
	[ "${guest_status[$1]}" = "$2" ] && return 0
	why "QEMU of $1 ended with status ${guest_status[$1]}, not $2"
	return 1
}

guest_reap() {
	local monitor=${guest_monitor[$1]} input=${guest_input[$1]} status=0
	local console=${guest_console[$1]}

	[ -z "${guest_status[$1]}" ] || return 0
	wait "${guest_pid[$1]}" 2>/dev/null || status=$?
	guest_read "$1"
	guest_status[$1]=$status
	exec {monitor}>&- {input}>&- {console}<&-
}

# A line for QEMU's monitor.
guest_command() {
	echo "$2" >&"${guest_monitor[$1]}"
}

# A line for the guest's second serial line, where it has one: WORDs of guest_start are
# -chardev pipe,id=input,path=$work/NAME/input -device isa-serial,index=1,chardev=input
guest_tell() {
	echo "$2" >&"${guest_input[$1]}"
}

guest_quit() {
	guest_command "$1" quit
	guest_ended "$1" 0
}

guest_kill() {
	kill -9 "${guest_pid[$1]}" 2>/dev/null || true
	guest_reap "$1"
}

harmless() {
	grep -v -e '^#' -e '^$' "$clients/harmless"
}

# The lines of the console; the last one only if it has ended: a reset cuts it.
guest_console_lines() {
	local console=$work/$1/console unended=''

	[ -z "$(tail -c 1 "$console")" ] || unended='$d'
	tr -d '\r' < "$console" | sed "$unended"
}

# The console has nothing but the script's lines and what is known to be harmless.
guest_console_clean() {
	local text

	text=$(guest_console_lines "$1" | grep -av -e '^case: ' -e '^$' |
		grep -avE -f <(harmless))
	[ -n "$text" ] || return 0
	why "warning on the console of $1: $(head -n 1 <<< "$text")"
	return 1
}

guests_show() {
	local name

	for name in "${!guest_pid[@]}"; do
		# Where one that hangs is.
		! guest_runs "$name" || guest_command "$name" "info registers -a"
	done
	pause 1
	for name in "${!guest_pid[@]}"; do
		echo "# $name: $(cat "$work/$name/qemu.cmd")"
		cat "$work/$name"/{qemu,monitor}.log 2> /dev/null |
			grep -avE '^($|[^ ]*(MM|PR)[0-9]|\(qemu\) [^ ]*i)' |
			cut -c 1-120 | head -n 60 | sed "s/^/# $name qemu: /"
		tail -n "$TAIL" "$work/$name/console" | awk -v name="$name" '{ print "# " name ": " $0 }'
	done | tr -d '\r'
}

guests_kill() {
	local name

	for name in "${!guest_pid[@]}"; do
		guest_kill "$name"
		if [ -n "${RESULTS:-}" ]; then
			mkdir -p "$RESULTS/consoles"
			cp "$work/$name/console" "$RESULTS/consoles/$number-$name"
		fi
	done
	guest_pid=()
}

### Exits

# Sums over the vCPUs.
keel_counters() {
	cat /sys/kernel/debug/keel/*/vcpus | awk '
	{
		sub(/^vcpu[0-9]*\./, "")
		sum[$1] += $2
		if ($1 ~ /^exit_/)
			all += $2
	}
	END {
		printf "%10d exits\n", all
		for (key in sum)
			if (key ~ /^exit_/)
				printf "%10d   %s\n", sum[key], substr(key, 6) | "sort -rn"
		close("sort -rn")
		for (key in sum)
			if (key !~ /^exit_/)
				printf "%10d %s\n", sum[key], key | "sort -k 2"
	}'
	awk '{ printf "%10d %s\n", $2, $1 }' /sys/kernel/debug/keel/*/vm
}

kvm_counters() {
	local file

	for file in /sys/kernel/debug/kvm/*; do
		[ ! -f "$file" ] || printf '%10d %s\n' "$(cat "$file")" "${file##*/}"
	done | awk '$1'	# "exits" is among them
}

### The host

module_users() {
	local name=keel

	if [ "$module" = kvm ]; then
		name=kvm_intel
		[ ! -d /sys/module/kvm_amd ] || name=kvm_amd
	fi
	cat "/sys/module/$name/refcnt" 2>/dev/null || echo 0
}

module_unused() {
	[ "$(module_users)" = 0 ]
}

# No VM is left.
host_free() {
	if ! until_true "$END_LIMIT" module_unused; then
		why "the module still has $(module_users) users"
		return 1
	fi
	[ "$module" = keel ] || return 0
	if [ -n "$(ls /sys/kernel/debug/keel 2>/dev/null)" ]; then
		why "debugfs still has $(echo /sys/kernel/debug/keel/*)"
		return 1
	fi
}

host_log_lines=0

# Nothing new in the kernel log that complains.
host_log_clean() {
	local from=$host_log_lines text

	dmesg > "$work/dmesg"
	host_log_lines=$(wc -l < "$work/dmesg")
	tail -n +$((from + 1)) "$work/dmesg" > "$work/dmesg.new"
	text=$("$top/tools/testhost.d/scan" "$work/dmesg.new") && return 0
	why "host's log: $(head -n 1 <<< "$text")"
	return 1
}

# Free memory of the host in KiB, with nothing cached.
host_memory() {
	sync
	echo 3 > /proc/sys/vm/drop_caches
	awk '$1 == "MemFree:" { print $2 }' /proc/meminfo
}

vmstat_of() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}

### Cases

number=0 failed=0

# step NAME COMMAND...: one line of TAP. COMMAND returns 0, 4 for a skip, else failed.
# Guests stay for the next step.
step() {
	local name=$1 status=0 start=$EPOCHREALTIME result=ok note=''

	shift
	if [ -n "${KEEL_CASES:-}" ] && [[ ! $name =~ $KEEL_CASES ]]; then
		return 0
	fi
	number=$((number + 1))
	: > "$work/why"
	"$@" || status=$?
	host_log_clean || status=1
	case $status in
	0) ;;
	4) note=" # SKIP $(head -n 1 "$work/why")" ;;
	*) result="not ok" failed=$((failed + 1)) ;;
	esac
	if [ "$result" != ok ]; then
		sed 's/^/# /' "$work/why"
		guests_show
	fi
	echo "$result $number - $name: $(seconds_since "$start") s$note"
}

# A case is a step of its own, after which no guest is left, and no VM.
run_case() {
	step "$1" clean_case "${@:2}"
	guests_kill
}

clean_case() {
	local status=0 name

	"$@" || status=$?
	[ "$status" = 0 ] || return "$status"
	for name in "${!guest_pid[@]}"; do
		guest_console_clean "$name" || status=1
		! guest_runs "$name" || guest_kill "$name"
	done
	host_free || status=1
	return "$status"
}

cases_end() {
	guests_kill
	echo "1..$number"
	rm -rf "$work"
	[ "$failed" = 0 ]
}

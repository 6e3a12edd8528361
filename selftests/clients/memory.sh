# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The host moves a guest's memory about while the guest proves that it is all there.

thp=/sys/kernel/mm/transparent_hugepage
ksm=/sys/kernel/mm/ksm

ROUNDS=2	# of the guest, under each kind of trouble
[ -z "${KEEL_FULL:-}" ] || ROUNDS=6

# trouble COUNTER COMMAND: COMMAND over and over for ROUNDS rounds of the guest, which
# finds nothing wrong; COUNTER of vmstat, or of a file, must have risen.
trouble() {
	local counter=$1 before after want end=$((SECONDS + STEP_LIMIT * 2))

	shift
	guest_runs guest || { why "the guest is gone"; return 1; }
	before=$(counter_of "$counter")
	[ -n "$before" ] || { why "this kernel does not count $counter"; return 4; }
	guest_count guest round
	want=$((count + ROUNDS))
	until guest_said guest round $want; do
		if ! guest_runs guest || [ "$SECONDS" -ge $end ]; then
			why "the guest does not go on"
			return 1
		fi
		"$@" || return $?
		pause 0.5
	done
	guest_sound || return 1
	after=$(counter_of "$counter")
	[ "$after" -le "$before" ] || return 0
	why "$counter has not risen from $before"
	return 1
}

counter_of() {
	if [ -f "$1" ]; then
		cat "$1"
	else
		vmstat_of "$1"
	fi
}

guest_sound() {
	guest_count guest corrupt
	[ "$count" = 0 ] && return 0
	why "memory of the guest: $line"
	return 1
}

# QEMU is in a memory control group, so that it can be told to give memory back.
group=''

memory_guest() {
	group_make
	[ -z "$group" ] || echo "$BASHPID" > "$group/cgroup.procs"
	guest_start guest memory smp=2 mem=256
	[ -z "$group" ] || echo "$BASHPID" > "$work/cgroup/cgroup.procs"
	guest_up guest
}

group_make() {
	mkdir -p "$work/cgroup"
	mount -t cgroup2 none "$work/cgroup" || return 0
	group=$work/cgroup/keel-clients
	mkdir "$group"
	echo +memory 2>/dev/null > "$work/cgroup/cgroup.subtree_control" &&
		[ -w "$group/memory.reclaim" ] || group_remove
}

group_remove() {
	[ -n "$group" ] || return 0
	rmdir "$group"
	umount "$work/cgroup"
	group=''
}

### Swapping

swapped() {
	local status=0

	[ -n "$group" ] || { why "no memory control group"; return 4; }
	modprobe zram num_devices=1 2>/dev/null || { why "no zram"; return 4; }
	echo 512M > /sys/block/zram0/disksize
	busybox mkswap /dev/zram0 > /dev/null
	busybox swapon /dev/zram0 || { why "no swap"; return 4; }
	trouble pswpin reclaim || status=$?
	busybox swapoff /dev/zram0
	guest_sound || status=1
	echo 1 > /sys/block/zram0/reset
	rmmod zram
	return $status
}

# Less than was asked for is an error; any will do.
reclaim() {
	echo 150M 2>/dev/null > "$group/memory.reclaim" || true
}

### Merging

merged() {
	local status=0

	[ -f $ksm/run ] || { why "no KSM"; return 4; }
	echo 20000 > $ksm/pages_to_scan
	echo 0 > $ksm/sleep_millisecs
	echo 1 > $ksm/run
	trouble $ksm/pages_sharing true || status=$?
	# Every page is its own again.
	echo 2 > $ksm/run
	echo 0 > $ksm/run
	guest_wait guest round $((count + 2)) || status=1
	guest_sound || status=1
	return $status
}

### Splitting and collapsing huge pages

split_and_collapsed() {
	local split=/sys/kernel/debug/split_huge_pages collapsed

	[ -w $split ] && [ -d $thp/khugepaged ] || { why "no THP"; return 4; }
	echo always > $thp/enabled
	echo 10 > $thp/khugepaged/scan_sleep_millisecs
	echo 10 > $thp/khugepaged/alloc_sleep_millisecs
	echo 8192 > $thp/khugepaged/pages_to_scan
	# On one CPU it would wait for the guest.
	busybox renice -n -20 -p "$(busybox pidof khugepaged)" > /dev/null
	collapsed=$(vmstat_of thp_collapse_alloc)
	# What there is of them now may be none: swapping and merging leave small pages.
	split_all
	if ! until_true "$STEP_LIMIT" risen thp_collapse_alloc "$collapsed"; then
		why "no huge page was made"
		return 1
	fi
	trouble thp_split_page split_all
}

risen() {
	[ "$(vmstat_of "$1")" -gt "$2" ]
}

split_all() {
	echo 1 > /sys/kernel/debug/split_huge_pages
	pause 1
}

### Moving

moved() {
	[ -w /proc/sys/vm/compact_memory ] || { why "no compaction"; return 4; }
	trouble pgmigrate_success compact
}

compact() {
	echo 1 > /proc/sys/vm/compact_memory
}

memory_cases() {
	step "memory: a guest that checks its own" memory_guest
	step "memory: the host swaps" swapped
	step "memory: the host merges equal pages" merged
	step "memory: the host splits and makes huge pages" split_and_collapsed
	step "memory: the host moves pages" moved
	run_case "memory: the guest goes" guest_quit guest
	group_remove
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# This machine itself as the host, for one that has SVM or VMX. Needs root. It
# gives no second chance: a fault in the module is this machine's fault.

local_module_name() {
	if [ "$opt_module" = keel ]; then
		echo keel
	elif grep -qw svm /proc/cpuinfo; then
		echo kvm_amd
	else
		echo kvm_intel
	fi
}

local_load() {
	local name

	[ "$opt_module" != none ] || return 0
	if [ "$opt_module" = keel ]; then
		for name in $(/sbin/modinfo -F depends "$module_file" | tr , ' '); do
			/sbin/modprobe "$name" || return 1
		done
		# shellcheck disable=SC2086
		/sbin/insmod "$module_file" $opt_params
	else
		# shellcheck disable=SC2086
		/sbin/modprobe "$(local_module_name)" $opt_params
	fi
}

local_unload() {
	local tries=0

	[ "$opt_module" != none ] && [ -z "$opt_keep" ] || return 0
	until /sbin/rmmod "$(local_module_name)"; do
		tries=$((tries + 1))
		[ "$tries" -lt "$HOST_RMMOD_TIMEOUT" ] || return 1
		sleep 1
	done
}

# Only what the kernel says from here on is this run's.
local_log_since() {
	dmesg | awk -v mark="$1" 'found; index($0, mark) { found = 1 }' \
		> "$log/dmesg.log"
}

run_local() {
	local mark="keel testhost $$ $RANDOM" status=0

	[ "$(id -u)" = 0 ] || die "$EXIT_SETUP" "--host local needs root"
	echo "$mark" > /dev/kmsg
	local_load || die "$EXIT_LOAD" "the module cannot be loaded"
	timeout --foreground "${opt_timeout:-0}" /bin/sh "$log/command.sh" || status=$?
	if ! local_unload; then
		local_log_since "$mark"
		die "$EXIT_RMMOD" "the module cannot be removed"
	fi
	local_log_since "$mark"
	scan_logs
	exit "$status"
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Steps as TAP. A step's own output is shown as comments if it fails.

number=0 failed=0

# step NAME COMMAND...: the command's status decides.
step() {
	local name=$1

	shift
	if "$@" > "$work/said" 2>&1; then
		passed "$name"
	else
		failed "$name" "$work/said"
	fi
}

passed() {
	number=$((number + 1))
	echo "ok $number - $1"
}

failed() {	# NAME FILE
	number=$((number + 1))
	echo "not ok $number - $1"
	tail -n "${KEEL_TAIL:-30}" "$2" | sed 's/^/# /'
	failed=1
}

skipped() {	# NAME REASON
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

# same FILE FILE: or show the difference.
same() {
	diff -u "$1" "$2"
}

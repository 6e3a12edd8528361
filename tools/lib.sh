# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts in tools/ share. Source it with $top set to the repository.

: "${top:?}"
# shellcheck source=tools/timeouts
. "$top/tools/timeouts"

say() {
	echo "${0##*/}: $*" >&2
}

die() {
	local status=$1

	shift
	say "$*"
	exit "$status"
}

cache_dir() {
	echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/keel"
}

# The version string inside a bzImage.
kernel_version() {
	local at

	at=$(od -An -tu2 -j 526 -N 2 "$1" | tr -d ' ')
	dd if="$1" bs=1 skip=$((at + 512)) count=128 2>/dev/null |
		tr '\0' '\n' | sed 's/ .*//;q'
}

# The newest stock kernel that is installed.
newest_kernel() {
	local found

	found=$(find /boot -maxdepth 1 -name 'vmlinuz-*' 2>/dev/null | sort -V | tail -n 1)
	[ -n "$found" ] && echo "$found"
}

# The kernel a module was built for, where that is installed.
kernel_of_module() {
	local version

	[ -f "$1" ] || return 1
	version=$(/sbin/modinfo -F vermagic "$1" | sed 's/ .*//')
	[ -f "/boot/vmlinuz-$version" ] && echo "/boot/vmlinuz-$version"
}

# File names of the modules named by the arguments and of all they need, in the
# order of loading. A module that is built into the kernel yields nothing.
module_files() {
	local root=$1 version=$2 name

	shift 2
	for name; do
		/sbin/modprobe -d "$root" -S "$version" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Warnings and errors in the log of a build of the module, but for what the kernel's build
# says of any that is not its own. Status 1: none.
build_warnings() {
	grep -E 'warning:|error:' "$1" |
		grep -v -e 'Skipping BTF generation' -e 'the compiler differs from the one used' \
			-e 'The kernel was built by:' -e 'You are using:'
}

# First free directory NAME-N below the log directory.
new_log_dir() {
	local base=${KEEL_LOGS:-$top/build/logs} n=1

	mkdir -p "$base"
	base=$(cd "$base" && pwd)
	until mkdir "$base/$1-$n" 2>/dev/null; do
		n=$((n + 1))
		[ "$n" -lt 100000 ] || die 1 "no log directory can be made in $base"
	done
	echo "$base/$1-$n"
}

# Content key of files and strings, for names in the cache.
content_key() {
	{
		local item

		for item; do
			if [ -f "$item" ]; then
				cat "$item"
			else
				printf '%s\0' "$item"
			fi
		done
	} | sha256sum | cut -c 1-20
}

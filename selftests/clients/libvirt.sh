# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's libvirt: the domain and the commands of Documentation/libvirt.

DAEMON_LIMIT=$(scaled 60)	# libvirtd, until it listens
QEMU_USER=64055		# Debian's libvirt-qemu

virsh_system() {
	virsh -q -c qemu:///system "$@"
}

# says PATTERN COMMAND...: it succeeds, and a line of what it says ($said) is so.
says() {
	local pattern=$1 status=0

	shift
	said=$("$@" 2>&1) || status=$?
	if [ $status != 0 ] || ! grep -qE -- "$pattern" <<< "$said"; then
		why "$*: status $status, no line '$pattern' in: $(head -c 500 <<< "$said")"
		return 1
	fi
}

virsh_says() {
	local pattern=$1

	shift
	says "$pattern" virsh_system "$@"
}

domain_state() {
	[ "$(virsh_system domstate guest 2>&1)" = "$1" ]
}

# Who enters a mount namespace, as libvirt does for each domain, is at its root, and what
# runs in the host is in a chroot: in one of its own, that becomes the root.
in_own_root() {
	# shellcheck disable=SC2016
	unshare -m nsenter --mount=/proc/self/ns/mnt /bin/busybox sh -c \
		'cd /root && mount -o move . / && exec chroot . "$@"' sh "$@"
}

libvirt_begin() {
	in_own_root "$clients/libvirtd" "$work/libvirtd.log" > "$work/libvirtd.out" 2>&1 || {
		why "libvirtd does not start: $(cat "$work/libvirtd.out" "$work/libvirtd.log")"
		return 1
	}
	until_true "$DAEMON_LIMIT" test -S /run/libvirt/libvirt-sock || {
		why "no socket of libvirtd: $(cat "$work/libvirtd.log")"
		return 1
	}
}

# What libvirt has found out by asking QEMU.
libvirt_capable() {
	libvirt_begin || return 1
	# It fails by what has nothing to do with /dev/kvm, such as no TUN device.
	virt-host-validate qemu > "$work/validate" 2>&1
	says 'hardware virtualization +: PASS' cat "$work/validate" &&
		says '/dev/kvm exists +: PASS' cat "$work/validate" &&
		says '/dev/kvm is accessible +: PASS' cat "$work/validate" &&
		virsh_says "<domain>kvm</domain>" domcapabilities --virttype kvm || return 1
	for mode in host-passthrough host-model; do
		grep -q "<mode name='$mode' supported='yes'>" <<< "$said" && continue
		why "domcapabilities has no $mode"
		return 1
	done
}

# The domain of the documentation, with the files of here. As in guest_cpu(): no XSAVE.
domain_xml() {
	sed -n '/^    <domain/,/^    <.domain>/ s/^    //p' "$top/Documentation/libvirt" |
		sed -e "s|<kernel>.*</kernel>|<kernel>$(newest_kernel)</kernel>|" \
			-e "s|<initrd>.*</initrd>|<initrd>$work/initrd-button</initrd>|" \
			-e "s|<cmdline>.*</cmdline>|<cmdline>console=ttyS0 loglevel=5 panic=-1</cmdline>|" \
			-e "s|<cpu mode='host-passthrough'/>|<cpu mode='host-passthrough'><feature policy='disable' name='xsave'/></cpu>|"
}

# A person's terminal: virsh's console wants one.
console_start() {
	guest_place guest
	guest_launch guest console script -qefc "virsh -q -c qemu:///system $*" /dev/null
}

# domain_of UID FILE: the domain's process, which FILE tells, is that user's.
domain_of() {
	says '^[0-9]+$' cat "$2" && says "^Uid:[[:space:]]+$1[[:space:]]" cat "/proc/$said/status"
}

# A cgroup of its own, and another /dev than that of the host's other processes.
domain_apart() {
	local pid

	domain_of "$QEMU_USER" /run/libvirt/qemu/guest.pid || return 1
	pid=$(cat /run/libvirt/qemu/guest.pid)
	says '^0::/machine/qemu-1-guest' cat "/proc/$pid/cgroup" || return 1
	[ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink "/proc/$(cat /run/libvirtd.pid)/ns/mnt")" ] &&
		return 0
	why "it is in libvirtd's mount namespace"
	return 1
}

libvirt_starts() {
	guest_initrd button
	chmod 755 "$work"	# QEMU runs as another user
	domain_xml > "$work/guest.xml"
	virsh_says '' define "$work/guest.xml" || return 1
	console_start start guest --console
	guest_up guest && domain_apart || return 1
	virsh_says '^State: +running$' dominfo guest &&
		virsh_says '^kvm support: enabled' qemu-monitor-command guest --hmp info kvm ||
		return 1
	[ "$module" != keel ] || says . ls /sys/kernel/debug/keel
}

# It goes on by some ticks.
ticking() {
	guest_count guest tick
	guest_wait guest tick $((count + 3))
}

libvirt_stands() {
	local before

	ticking || return 1
	virsh_says '^paused$' 'suspend guest; domstate guest' || return 1
	pause 1
	guest_count guest tick
	before=$count
	pause 2
	guest_count guest tick
	[ "$count" = "$before" ] || { why "it ticks while it is suspended"; return 1; }
	virsh_says '^running$' 'resume guest; domstate guest' && ticking
}

# Saved, it is no VM; started, it goes on where it was.
libvirt_saves() {
	local before

	virsh_says '^Managed save: +yes$' 'managedsave guest; dominfo guest' || return 1
	guest_ended guest 0 || return 1
	guest_count guest tick
	before=${line#tick }
	host_free || { why "saved, and still there"; return 1; }
	console_start start guest --console
	guest_wait guest tick 3 || return 1
	guest_count guest up
	[ "$count" = 0 ] || { why "it has booted again"; return 1; }
	guest_count guest tick
	[ "${line#tick }" -gt "$before" ] && return 0
	why "restored, it is at ${line#tick }, and was at $before"
	return 1
}

libvirt_ends() {
	virsh_says '' shutdown guest || return 1
	guest_wait guest button || return 1
	until_true "$END_LIMIT" domain_state 'shut off' || { why "no end"; return 1; }
	host_free || return 1
	virsh_says '^running$' 'start guest; domstate guest' &&
		virsh_says '^shut off$' 'destroy guest; domstate guest' || return 1
	host_free || { why "destroyed, and still there"; return 1; }
	virsh_says '' 'undefine guest; list --all --name' && [ -z "$said" ] && return 0
	why "undefined, and still there: $said"
	return 1
}

# Who is in the group kvm, and nothing else.
as_user() {
	setpriv --reuid nobody --regid "$(stat -c %g /dev/kvm)" --clear-groups \
		env -i PATH="$PATH" HOME="$work/home" XDG_RUNTIME_DIR="$work/home" "$@"
}

virsh_session() {
	as_user virsh -q -c qemu:///session "$@"
}

# A user's own libvirtd, which virsh starts.
session_lives() {
	mkdir "$work/home" && chown nobody "$work/home" || return 1
	guest_place guest
	guest_launch guest console as_user script -qefc \
		"virsh -q -c qemu:///session create $work/guest.xml --console" /dev/null
	guest_up guest || return 1
	says '^running$' virsh_session domstate guest &&
		domain_of 65534 "$work/home/libvirt/qemu/run/guest.pid" &&
		says '' virsh_session destroy guest || return 1
	guest_ended guest 0 && host_free
}

libvirt_end() {
	virsh_system destroy guest > /dev/null 2>&1
	kill "$(cat /run/libvirtd.pid)" "$(cat /run/virtlogd.pid)" 2> /dev/null
	[ -z "${RESULTS:-}" ] || cp "$work/libvirtd.log" "$RESULTS/"
}

libvirt_elsewhere() {
	why "it would be this machine's own libvirt"
	return 4
}

# Each begins where the one before has ended.
libvirt_step() {
	[ "$failed" != "$failed_before" ] || step "libvirt: $1" "$2"
}

libvirt_cases() {
	local failed_before=$failed

	if [ "${KEEL_HOST:-} ${KEEL_ROOT:-}" != "amd share" ]; then
		step "libvirt" libvirt_elsewhere
		return
	fi
	libvirt_step "what it finds in /dev/kvm" libvirt_capable
	libvirt_step "define, start with a console" libvirt_starts
	libvirt_step "suspend, resume" libvirt_stands
	libvirt_step "managedsave, start" libvirt_saves
	libvirt_step "shutdown, start, destroy, undefine" libvirt_ends
	[ -z "${KEEL_FULL:-}" ] || libvirt_step "a user's session" session_lives
	libvirt_end
	guests_kill
}

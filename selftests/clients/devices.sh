# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU's screen, which needs the dirty log, and virtio, which needs ioeventfd and irqfd.

### Screen

# screen_guest SCRIPT MODE: the host says on the second serial line what to show.
screen_guest() {
	guest_start guest "$1" append="vga=$2" -- -vga std \
		-chardev "pipe,id=input,path=$work/guest/input" \
		-device isa-serial,index=1,chardev=input
	guest_up guest
}

# screen NAME: what the guest's screen shows, in the file $screen.
screen() {
	screen=$work/$1/screen.ppm
	rm -f "$screen"
	guest_command "$1" "screendump $screen"
	until_true "$END_LIMIT" screen_whole "$screen" && return 0
	why "no screendump"
	return 1
}

# A PPM: three lines of head, three bytes a pixel.
screen_whole() {
	local wide='' high=''

	[ -s "$1" ] || return 1
	{ read -r _ && read -r wide high; } < "$1" 2>/dev/null
	[ -n "$high" ] && [ "$(stat -c %s "$1")" -ge $((wide * high * 3 + 15)) ]
}

# Text is by MMIO, a word at a time: what is shown depends on it alone.
text_screen() {
	local text
	local -A seen

	screen_guest text normal || return 1
	for text in one two one; do
		guest_count guest shown
		guest_tell guest "$text"
		guest_wait guest shown $((count + 1)) || return 1
		screen guest || return 1
		seen[$text]="${seen[$text]:-} $(sha256sum < "$screen")"
	done
	read -r first _ again _ <<< "${seen[one]}"
	read -r other _ <<< "${seen[two]}"
	[ "$first" = "$again" ] || { why "the same text looks different"; return 1; }
	[ "$first" != "$other" ] || { why "another text looks the same"; return 1; }
}

FRAME_LINES=480

# paint BYTE FIRST COUNT: guest and expected picture; 0 is black and 15 is white.
paint() {
	local colour='\0' line=$((640 * 3))

	[ "$1" = 0 ] || colour='\377'
	head -c $((line * $3)) /dev/zero | tr '\0' "$colour" |
		dd of="$work/picture" bs=$line seek="$2" conv=notrunc 2>/dev/null
	guest_count guest filled
	guest_tell guest "$(printf '%03o' "$1") $2 $3"
	guest_wait guest filled $((count + 1)) || return 1
	screen guest || return 1
	tail -c +16 "$screen" | cmp -s - "$work/picture" && return 0
	why "the screen does not show $3 lines from $2 on as $1"
	return 1
}

# A byte a pixel is a format that QEMU converts, by the dirty log, line by line.
frame_buffer() {
	screen_guest frame 0x301 || return 1
	: > "$work/picture"
	paint 0 0 $FRAME_LINES && paint 15 0 $FRAME_LINES && paint 0 100 100 &&
		paint 15 150 1 && paint 15 101 40 && paint 0 0 $FRAME_LINES
}

screen_cases() {
	run_case "VGA text screen" text_screen
	run_case "VGA frame buffer, dirty log" frame_buffer
}

### virtio

DISK_MIB=16 STREAM_MIB=4

sum_of() {
	sha256sum "$@" | cut -d ' ' -f 1
}

# virtio_io MACHINE IRQCHIP BUS: BUS is pci, or device for virtio-mmio. An iothread
# makes QEMU use irqfds too.
virtio_io() {
	local disk=$work/disk stream=$work/stream half sum

	half=$((DISK_MIB / 2))
	head -c ${half}M /dev/urandom > "$disk"
	truncate -s ${DISK_MIB}M "$disk"
	head -c ${STREAM_MIB}M /dev/urandom > "$stream"
	sum=$(sum_of "$disk")
	guest_start guest virtio machine="$1" irqchip="$2" smp=2 -- \
		-object iothread,id=io \
		-drive "file=$disk,format=raw,if=none,id=disk" \
		-device "virtio-blk-$3,drive=disk,iothread=io" \
		-netdev "user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:80-cmd:cat $stream" \
		-device "virtio-net-$3,netdev=net"
	guest_wait guest end 1 "$UP_LIMIT" && guest_ended guest 0 || return 1
	guest_said guest "disk $sum" 1 || { why "the disk reads wrong"; return 1; }
	guest_said guest "net $(sum_of "$stream")" 1 || { why "the net reads wrong"; return 1; }
	[ "$(head -c ${half}M "$disk" | sum_of)" = "$(tail -c ${half}M "$disk" | sum_of)" ] ||
		{ why "the disk was written wrong"; return 1; }
}

virtio_cases() {
	run_case "virtio-blk and virtio-net, pc" virtio_io pc on pci
	[ -n "${KEEL_FULL:-}" ] || return 0
	run_case "virtio-blk and virtio-net, q35, irqchip split" virtio_io q35 split pci
	run_case "virtio-blk and virtio-net, pc, irqchip off" virtio_io pc off pci
	run_case "virtio-blk and virtio-net, microvm" virtio_io microvm split device
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# A host without virtio: its / is a copy of what a test needs, in its initramfs. The
# relay speaks over the second serial line; the host's steps and its kernel log come
# over the third and fourth, as files.

COPY_BASE="build/tools build/hello.bin build/guest build/abi tools selftests"
COPY_PROGRAMS="bash cat grep sed awk env timeout dirname realpath mktemp stat seq"

# Libraries and the loader of the programs named.
copy_libraries() {
	local file

	for file; do
		ldd "$file" 2>/dev/null
	done | awk '$2 == "=>" && $3 ~ "^/" { print $3 } $1 ~ "^/" { print $1 }' | sort -u
}

# copy_files ROOT FILE...: to the same place below ROOT.
copy_files() {
	local root=$1 file

	shift
	for file; do
		[ -e "$file" ] || continue
		mkdir -p "$root$(dirname "$file")"
		cp -rL "$file" "$root$(dirname "$file")/"
	done
}

copy_busybox() {
	local name

	cp "$(busybox_program)" "$1/bin/busybox"
	for name in $("$1/bin/busybox" --list); do
		[ -e "$1/bin/$name" ] || ln -s busybox "$1/bin/$name"
		[ -e "$1/sbin/$name" ] || ln -s ../bin/busybox "$1/sbin/$name"
	done
}

copy_modules() {
	local root=$1 version=$2 kvm=$3 dir=/lib/modules/$2 file

	for file in $(module_files "$opt_modules_root" "$version" "$kvm" msr 2>/dev/null); do
		mkdir -p "$root$dir/kernel"
		cp "$file" "$root$dir/kernel/"
	done
	mkdir -p "$root$dir"
	cp "$opt_modules_root$dir"/modules.{order,builtin,builtin.modinfo} "$root$dir/"
	/sbin/depmod -b "$root" "$version"
}

# The directory that becomes the host's initramfs; the host's / is in it at raw.
copy_tree() {
	local dir=$1 kvm=$2 root=$1/raw version item
	local -a files=()

	version=$(kernel_version "$kernel")
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
	for item in $COPY_BASE; do
		files+=("$top/$item")
	done
	[ "$opt_module" != keel ] || files+=("$module_file")
	for item in $COPY_PROGRAMS "${opt_file[@]+"${opt_file[@]}"}"; do
		case $item in
		/*) files+=("$item") ;;
		*/*) files+=("$top/$item") ;;
		*) files+=("$(command -v "$item")") ;;
		esac
		[ -e "${files[-1]}" ] || die "$EXIT_SETUP" "$item is not there"
	done
	mkdir -p "$root$top/build"
	copy_files "$root" "${files[@]}"
	# Debugging symbols are most of a module, and every byte is read by an emulated CPU.
	[ ! -f "$root$module_file" ] || strip --strip-debug "$root$module_file"
	find "$root$top/build" "$root$top/selftests" "$root$top/tools" \
		\( -name '*.[chSo]' -o -name '*.64' \) -delete
	mapfile -t files < <(find "$root" -type f -perm /111 ! -name '*.ko' ! -name '*.elf*')
	# shellcheck disable=SC2046
	copy_files "$root" $(copy_libraries "${files[@]}")
	copy_busybox "$root"
	# Guests boot the same kernel.
	mkdir -p "$root/boot"
	cp "$kernel" "$root/boot/vmlinuz-$version"
	copy_modules "$root" "$version" "$kvm"
}

# copy_initrd DIR KVM: the initramfs on stdout, of DIR, which goes. KVM's module is there.
copy_initrd() {
	copy_tree "$1" "$2"
	(cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet)
	rm -rf "$1"
}

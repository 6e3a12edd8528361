# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the packages bring, file by file. Unpacked: $out/keel-dkms and $tools; $sources is
# the module's in the former.

# MODE PATH of all that is in a package, but directories as they should be.
listing() {	# PACKAGE
	(cd "$out/$1" && find . -mindepth 1 ! \( -type d -perm 755 \) -printf '%m %P\n' |
		LC_ALL=C sort -k 2)
}

tools_files() {
	grep -v '^#' "$suite/files" | LC_ALL=C sort -k 2 > "$work/expected"
	listing keel-tools | sed -E 's:(doc/keel-tools/[^/]*)\.gz$:\1:' |
		LC_ALL=C sort -k 2 > "$work/found"
	same "$work/expected" "$work/found"
}

# As Debian has them: long ones are compressed.
pages_there() {
	local page path count=0

	for page in "$top"/README "$top"/Documentation/*; do
		path=$tools/usr/share/doc/keel-tools/${page##*/}
		case $page in
		*.[1-9]) continue ;;
		esac
		cmp "$page" "$path" 2> /dev/null || zcat "$path.gz" | cmp "$page" - || return
		count=$((count + 1))
	done
	[ $count -gt 10 ]
}

# The sources as they are here, no more and no less, and what Debian wants.
dkms_files() {
	{
		echo "644 usr/lib/modules-load.d/keel.conf"
		echo "644 usr/share/doc/keel-dkms/changelog.gz"
		echo "644 usr/share/doc/keel-dkms/copyright"
		echo "644 usr/src/keel-$version/Kbuild"
		echo "644 usr/src/keel-$version/dkms.conf"
		(cd "$top" && find arch include uapi virt -name '*.[chS]') |
			sed "s:^:644 usr/src/keel-$version/:"
	} | LC_ALL=C sort -k 2 > "$work/expected"
	listing keel-dkms > "$work/found"
	same "$work/expected" "$work/found"
}

sources_same() {
	local file count=0

	while read -r file; do
		cmp "$top/$file" "$sources/$file" || return
		count=$((count + 1))
	done < <(cd "$sources" && find . -name '*.[chS]' -o -name Kbuild)
	[ $count -gt 100 ]
}

owners() {
	local file

	for file in "$out"/deb/*_"$version"_*.deb; do
		dpkg-deb -c "$file"
	done > "$work/list"
	[ "$(wc -l < "$work/list")" -gt 100 ] && ! grep -v ' root/root ' "$work/list"
}

no_build_paths() {
	! grep -rlaF -e "$top" -e "$out" "$out/keel-dkms" "$tools"
}

# The same packages from another directory.
same_again() {
	local file

	"$top/tools/package/build" "$out/again" || return
	for file in "$out"/again/*.deb; do
		cmp "$file" "$out/deb/$(basename "$file")" || return
	done
}

one_version() {
	local file

	for file in "$out"/deb/*.deb; do
		[ "$(dpkg-deb -f "$file" Version)" = "$version" ] || return
	done
	(. "$sources/dkms.conf" && [ "$PACKAGE_VERSION" = "$version" ]) &&
		[ "$(/sbin/modinfo -F version "$out/module/keel.ko")" = "$version" ]
}

lintian_silent() {
	lintian --pedantic --display-experimental --fail-on error,warning \
		"$out/deb/keel_${version}_amd64.changes" > "$work/lintian" 2> "$work/lintian.err"
	local status=$?

	cat "$work/lintian" "$work/lintian.err"
	[ $status = 0 ] && ! grep -q '^[EWIPX]:' "$work/lintian"
}

# It would say something: the same package, with a program that all may write.
lintian_awake() {
	cp -r "$tools" "$work/bad" && mkdir -p "$work/bad/DEBIAN" &&
		dpkg-deb -e "$out"/deb/keel-tools_*.deb "$work/bad/DEBIAN" &&
		chmod 777 "$work/bad/usr/bin/keelvm" &&
		dpkg-deb --root-owner-group -b "$work/bad" "$work/bad.deb" || return
	! lintian --fail-on error,warning "$work/bad.deb" 2>&1
}

### DKMS

newest_kdir() {
	local dir

	dir=/lib/modules/$(uname -r)/build
	if [ -n "${KDIR:-}" ]; then
		echo "$KDIR"
	elif [ -f "$dir/Makefile" ]; then
		echo "$dir"
	else
		dirname "$(ls -d /lib/modules/*/build/Makefile | sort -rV | head -n 1)"
	fi
}

# As DKMS does: in a copy, by the kernel's Makefile, with nothing else of this tree.
module_builds() {
	cp -r "$sources" "$out/module" &&
		make -j "$(nproc)" -C "$(newest_kdir)" M="$out/module" modules || return
	[ -f "$out/module/keel.ko" ]
}

# dkms_takes KERNEL...: BUILD_EXCLUSIVE_KERNEL, as DKMS reads it.
dkms_takes() {
	local kernel

	for kernel; do
		(. "$sources/dkms.conf" && [[ $kernel =~ $BUILD_EXCLUSIVE_KERNEL ]]) || return
	done
}

dkms_kernels() {
	local kernel

	dkms_takes 6.1.0-56-amd64 6.1.192 6.6.30 6.8.0-1 6.9.1 6.10.3 6.12.9-amd64 6.18.0 || return
	for kernel in 5.10.0-1-amd64 5.15.0 6.0.19 3.16.1 4.6.1 6.2.0 6.5.1 6.7.2-amd64 6.19.0 7.0.1; do
		! dkms_takes "$kernel" || return
	done
}

# What the module's Kbuild asks of a kernel is what DKMS asks.
dkms_config() {
	grep -oE 'CONFIG_[A-Z_]+' <(grep '^ifneq.*yyy' "$top/Kbuild") | sort > "$work/expected"
	(. "$sources/dkms.conf" && tr ' ' '\n' <<< "$BUILD_EXCLUSIVE_CONFIG") | sort > "$work/found"
	[ -s "$work/expected" ] && same "$work/expected" "$work/found"
}

### udev, modprobe, modules-load

UDEV_PAIR='[A-Z]+(\{[^}]+\})?(==|!=|=|\+=|:=)"[^"]*"'

udev_rule() {
	local rules=$tools/lib/udev/rules.d/60-keel.rules

	! grep -vE "^(#.*|$UDEV_PAIR(, $UDEV_PAIR)*)?$" "$rules" || return
	grep -q 'KERNEL=="keel".*GROUP="kvm", MODE="0660"' "$rules" || return
	# From systemd 254 on udev judges a file itself.
	! udevadm verify --help > /dev/null 2>&1 || udevadm verify "$rules"
}

# Each line of the example without its #, in modprobe's words.
modprobe_example() {
	local file=$tools/usr/share/doc/keel-tools/examples/modprobe.d/keel.conf name line

	sed -n 's/^#\([a-z]\)/\1/p' "$file" > "$work/keel.conf"
	/sbin/modprobe -C "$work/keel.conf" -c | head -n 20 > "$work/config"
	while read -r line; do
		grep -qF "$line" "$work/config" || { echo "modprobe: $line"; return 1; }
	done < "$work/keel.conf"
	for name in $(sed -n 's/^options keel \([a-z_]*\)=.*/\1/p' "$work/keel.conf"); do
		/sbin/modinfo -F parm "$out/module/keel.ko" | grep "^$name:" || return
	done
	grep -q '^blacklist kvm_amd' "$work/config"
}

modules_load() {
	local dkms_name

	dkms_name=$(. "$sources/dkms.conf" && echo "${BUILT_MODULE_NAME[0]}")
	[ "$(grep -v '^#' "$out/keel-dkms/usr/lib/modules-load.d/keel.conf")" = "$dkms_name" ]
}

contents_steps() {
	step "keel-tools has its files, with their modes" tools_files
	step "README and all of Documentation are in keel-tools" pages_there
	step "keel-dkms has the sources and nothing else" dkms_files
	step "the sources are those of this tree" sources_same
	step "all belongs to root" owners
	step "no path of the build is in it" no_build_paths
	step "built elsewhere, the packages are the same" same_again
	step "lintian says nothing" lintian_silent
	step "lintian would say something" lintian_awake
	step "the module builds from the packaged sources alone" module_builds
	step "packages, DKMS and the module have one version" one_version
	step "DKMS takes the kernels that Keel does" dkms_kernels
	step "DKMS wants the configuration that Keel does" dkms_config
	step "the udev rule is one" udev_rule
	step "modprobe takes the example" modprobe_example
	step "the module that is loaded at boot is the one that DKMS builds" modules_load
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The life of the packages in a Debian root with a stock kernel and its headers: installed,
# built by DKMS, loaded in an emulated host, built for another kernel, upgraded, purged.
# The root is made once and kept in the cache; what is changed is a copy.

# shellcheck source=tools/testhost.d/image.sh
. "$top/tools/testhost.d/image.sh"

ROOT_PACKAGES="linux-image-amd64,linux-headers-amd64,dkms,openssl,udev,systemd,kmod,util-linux"
LATER=99.1			# the version of the upgrade
OLD_KERNEL=5.10.0-1-amd64	# DKMS is not to build for it,
BARE_KERNEL=6.1.0-1-bare	# nor for this one, without KVM

# Where this machine's own packages come from.
debian_sources() {
	# shellcheck disable=SC2016
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u
}

make_root() {
	debian_sources | mmdebstrap --variant=minbase --include=$ROOT_PACKAGES '' "$1" - ||
		{ rm -rf "$1"; return 1; }
}

# The root's own files are root's, and devices.
get_root() {
	local kept

	kept=$(cached package-root "" "$(content_key $ROOT_PACKAGES "$(debian_sources)")" \
		make_root) && [ -d "$kept/usr" ] || return
	cp -a --reflink=auto "$kept" "$root" || return
	kernel=$(cd "$root/boot" && echo vmlinuz-*)
	kernel=${kernel#vmlinuz-}
	[ -f "$root/boot/vmlinuz-$kernel" ] && [ -f "$(headers)/Makefile" ]
}

# The link is the root's own.
headers() {
	echo "$root$(readlink "$root/lib/modules/$kernel/build")"
}

# A command in the root, without a network: nothing may be fetched.
in_root() {
	# shellcheck disable=SC2016
	unshare --mount --net sh -c '
		mount -t proc proc "$1/proc" || exit
		root=$1
		shift
		exec chroot "$root" /usr/bin/env -i LC_ALL=C DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$root" "$@"
}

# Type, mode, owner, size and name of all files, but of those that change with any package,
# and DKMS's key, which it makes once and keeps.
root_files() {
	(cd "$root" && find . -mindepth 1 \( \
		-path './var/lib/apt' -o -path './var/lib/dpkg/status*' -o \
		-path './var/lib/dpkg/lock*' -o -path './var/lib/dpkg/triggers' -o \
		-path './var/log' -o -path './var/cache' -o -path './tmp' -o -path './run' -o \
		-path './var/lib/dkms/mok.*' \) -prune \
		-o -type d -printf '%y %m %u %g - %p\n' \
		-o -printf '%y %m %u %g %s %p %l\n' | LC_ALL=C sort -k 6)
}

install_packages() {	# DIR VERSION
	mkdir -p "$root/root/debs" &&
		cp "$1"/keel-dkms_"$2"_*.deb "$1"/keel-tools_"$2"_*.deb "$root/root/debs/" &&
		in_root sh -c 'apt-get install -y --no-install-recommends /root/debs/*.deb'
	local status=$?

	rm -rf "$root/root/debs"
	return $status
}

module_file() {	# KERNEL
	echo "$root/lib/modules/$1/updates/dkms/keel.ko"
}

# dkms_has VERSION KERNEL: built and in its place, and no other version is.
dkms_has() {
	in_root dkms status -k "$2"
	[ "$(in_root dkms status -k "$2")" = "keel/$1, $2, x86_64: installed" ] &&
		[ "$(/sbin/modinfo -F version "$(module_file "$2")")" = "$1" ]
}

# The key that signed it is the one that the machine's owner enrols.
dkms_signed() {
	local serial

	serial=$(in_root openssl x509 -inform der -in /var/lib/dkms/mok.pub -noout -serial) &&
		serial=${serial#serial=} && [ -n "$serial" ] &&
		[ "$(/sbin/modinfo -F sig_key "$(module_file "$kernel")" | tr -d ':')" = "$serial" ]
}

packages_verify() {
	local said

	said=$(in_root dpkg --verify keel-dkms keel-tools) && [ -z "$said" ] || {
		echo "$said"
		return 1
	}
}

# A kernel by the name of $1, with the headers of the one that is there.
another_kernel() {
	local dir=$root/lib/modules/$1

	mkdir -p "$dir" && cp -a "$root/lib/modules/$kernel"/{build,source} "$dir/" &&
		cp "$root/lib/modules/$kernel"/modules.{order,builtin*} "$dir/"
}

# What the package of a kernel runs when it is installed.
kernel_comes() {
	another_kernel "$1" && in_root /etc/kernel/postinst.d/dkms "$1" && dkms_has "$version" "$1"
}

# DKMS knows the kernel $1, and does not begin to build.
refused() {
	! in_root dkms build "keel/$version" -k "$1" > "$work/refused" 2>&1 || return
	cat "$work/refused"
	grep -q BUILD_EXCLUSIVE "$work/refused" && [ ! -e "$(module_file "$1")" ] &&
		rm -r "$root/lib/modules/$1"
}

old_refused() {
	another_kernel $OLD_KERNEL && refused $OLD_KERNEL
}

# Nothing but KVM selects PREEMPT_NOTIFIERS.
bare_refused() {
	local dir=$root/lib/modules/$BARE_KERNEL/build

	another_kernel $BARE_KERNEL && rm "$dir" && mkdir -p "$dir/include" &&
		grep -vE 'KVM|PREEMPT_NOTIFIERS' "$(headers)/.config" > "$dir/.config" &&
		refused $BARE_KERNEL
}

# In a host that boots the root's kernel; its steps are subtests.
machine() {	# VERSION
	"$top/tools/testhost" -n --name package --quiet --module none --keep --cpus 1 \
		--kernel "$root/boot/vmlinuz-$kernel" --modules-root "$root" \
		-- "$suite/inside" "$root" "$1" > "$work/machine" 2> "$work/machine.err"
	local status=$?

	sed 's/^/    /' "$work/machine"
	if [ $status = 0 ]; then
		passed "a machine runs $1"
	else
		failed "a machine runs $1" "$work/machine.err"
	fi
}

upgrades() {
	"$top/tools/package/build" --version $LATER "$out/later" &&
		install_packages "$out/later" $LATER && dkms_has $LATER "$kernel" &&
		[ ! -e "$root/usr/src/keel-$version" ]
}

purges() {
	in_root apt-get purge -y keel-dkms keel-tools || return
	[ -z "$(in_root dkms status)" ] && ! find "$root/lib/modules" -name 'keel.ko*' | grep .
}

no_residue() {
	root_files > "$work/files.after"
	same "$work/files.before" "$work/files.after"
}

life_steps() {
	root=$out/root

	if [ "$(id -u)" != 0 ]; then
		skipped "the life of the packages" "a Debian root wants root"
		return
	fi
	step "a Debian root with a kernel" get_root
	[ $failed = 0 ] || return
	root_files > "$work/files.before"
	step "the packages install" install_packages "$out/deb" "$version"
	step "DKMS builds the module for the stock kernel" dkms_has "$version" "$kernel"
	step "it is signed by DKMS's key" dkms_signed
	step "the files are as they were packed" packages_verify
	machine "$version"
	step "the module is built for a kernel that comes" kernel_comes "$kernel-later"
	step "not for one that is too old" old_refused
	step "not for one without KVM" bare_refused
	step "a later version takes its place" upgrades
	machine $LATER
	step "they are purged" purges
	rm -r "$root/lib/modules/$kernel-later"
	step "nothing is left of them" no_residue
}

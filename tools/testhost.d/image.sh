# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The initramfs of host and guest and the relay program, made once and kept in
# the cache under a name that is the content's key.

# Print the name of the file $1-KEY$2 in the cache; make it by "$4 FILE" when it
# is not there. $3 is the key.
cached() {
	local file dir

	dir=$(cache_dir)
	file=$dir/$1-$3$2
	if [ ! -e "$file" ]; then
		mkdir -p "$dir"
		"$4" "$file.$$"
		mv "$file.$$" "$file"
	fi
	echo "$file"
}

make_relay() {
	${CC:-gcc} -Wall -O2 -static -o "$1" "$top/tools/relay/relay.c"
}

relay_program() {
	cached relay "" "$(content_key "$top/tools/relay/relay.c")" make_relay
}

busybox_program() {
	local path

	path=$(command -v busybox) || die 1 "busybox is missing: run tools/setup"
	echo "$path"
}

# image_init, image_relay, image_modules: what goes into the image.
make_image() {
	local dir file

	dir=$(mktemp -d)
	mkdir -p "$dir"/{bin,dev,proc,sys,tmp,run,root,raw,modules,etc}
	cp "$(busybox_program)" "$dir/bin/busybox"
	cp "$image_relay" "$dir/bin/relay"
	cp "$image_init" "$dir/init"
	chmod +x "$dir/init"
	for file in $image_modules; do
		cp "$file" "$dir/modules/"
		echo "${file##*/}" >> "$dir/modules/order"
	done
	(cd "$dir" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) > "$1"
	rm -rf "$dir"
}

# image NAME INIT ROOT VERSION MODULE...: print the image's file name.
image() {
	local name=$1 image_init=$2 root=$3 version=$4 image_relay image_modules key

	shift 4
	image_relay=$(relay_program)
	image_modules=$(module_files "$root" "$version" "$@")
	# shellcheck disable=SC2086
	key=$(content_key "$image_init" "$image_relay" "$(busybox_program)" \
		"$top/tools/testhost.d/image.sh" $image_modules)
	cached "$name" .img "$key" make_image
}

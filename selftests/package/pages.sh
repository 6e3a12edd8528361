# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Manual pages and completion: in order, and complete.

page_file() {	# keelvm.1
	echo "$tools/usr/share/man/man${1##*.}/$1.gz"
}

# A page as text, of long lines.
page_text() {
	zcat "$(page_file "$1")" | mandoc -T ascii -O width=500 | sed 's/.\x08//g'
}

page_renders() {
	local file said

	zcat "$(page_file "$1")" > "$work/$1"
	file=$work/$1
	said=$(mandoc -T lint -W warning "$file"
		groff -ww -man -Tutf8 "$file" 2>&1 > /dev/null
		man --warnings -E UTF-8 -l -Tutf8 -Z "$file" 2>&1 > /dev/null)
	[ -z "$said" ] || { echo "$said"; return 1; }
	page_text "$1" > "$work/text"
	grep -q '^NAME' "$work/text" && grep -q '^SEE ALSO' "$work/text" &&
		[ "$(wc -w < "$work/text")" -gt 150 ]
}

# Options as a program's help names them: "-m, --mem MIB", "[-p PID]", "--kernel FILE"; and
# that for the help itself.
options_of() {
	{
		echo -h
		[ "$1" != keelvm ] || echo --help
		"$1" -h
	} | grep -oE '(^|[ [(])--?[a-zA-Z][a-z-]*' | tr -d ' [(' | sort -u
}

options_in_page() {
	local option count=0

	page_text "$1.1" | sed -n '/^OPTIONS/,/^[A-NP-Z]/p' > "$work/options"
	for option in $(options_of "$1"); do
		grep -qE -- "^ *(-.*, )?$option( |,|$)" "$work/options" ||
			{ echo "$1.1 does not tell of $option"; return 1; }
		count=$((count + 1))
	done
	[ $count -ge 5 ]
}

parameters_in_page() {
	local name count=0

	page_text keel.4 > "$work/text"
	while read -r name; do
		grep -qE "^ *$name \(" "$work/text" || { echo "no parameter $name"; return 1; }
		count=$((count + 1))
	done < <(/sbin/modinfo -F parm "$out/module/keel.ko" | sed 's/:.*//')
	[ $count -gt 0 ]
}

# The first three words or more in a row that each message of the module has for itself.
messages() {
	find "$top/arch" "$top/virt" -name '*.c' -exec perl -0777 -ne '
		while (/\bpr_(?:err|warn)\w*\(\s*"((?:[^"\\]|\\.)*)"/g) {
			for my $part (split /%[#0-9]*[a-z]+|: | \(|\\n/, $1) {
				$part =~ s/^[\s,)]+|[\s,]+$//g;
				next if split(" ", $part) < 3;
				print "$part\n";
				last;
			}
		}' {} +
}

messages_in_page() {
	local text count=0 bad=0

	page_text keel.4 > "$work/text"
	while read -r text; do
		count=$((count + 1))
		grep -qF "$text" "$work/text" || { echo "not in keel.4: $text"; bad=1; }
	done < <(messages)
	[ $count -gt 15 ] && [ $bad = 0 ]
}

# Files of the packages that pages and documentation name are there.
paths_exist() {
	local path count=0 bad=0

	cat "$top/Documentation/install" <(page_text keel.4) <(page_text keelvm.1) \
		<(page_text keelstat.1) > "$work/text"
	while read -r path; do
		count=$((count + 1))
		[ -e "$tools$path" ] || [ -e "$out/keel-dkms$path" ] || { echo "no $path"; bad=1; }
	done < <(grep -oE '/usr/[a-z/.-]*keel[a-z0-9/.-]*[a-z0-9]' "$work/text" |
		grep -v '^/usr/src/' | sort -u)
	[ $count -gt 2 ] && [ $bad = 0 ]
}

### Completion

# complete_words WORD...: what the last word may become, a line each.
complete_words() {
	bash --norc --noprofile -c '
		. "$1" || exit
		shift
		complete -p "$1" > /dev/null || exit
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		"_$1" "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
		[ ${#COMPREPLY[@]} = 0 ] || printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$tools/usr/share/bash-completion/completions/$1" "$@" 2>&1 | sort
}

sources_cleanly() {
	local name said

	for name in keelvm keelstat; do
		said=$(bash --norc --noprofile -u -c '. "$1"; complete -p "$2" > /dev/null' bash \
			"$tools/usr/share/bash-completion/completions/$name" "$name" 2>&1) ||
			return
		[ -z "$said" ] || { echo "$said"; return 1; }
	done
}

completes_options() {
	local prefix=$2

	options_of "$1" | grep -- "^$prefix" > "$work/expected"
	complete_words "$1" "$prefix" > "$work/found"
	sort -u -o "$work/found" "$work/found"
	same "$work/expected" "$work/found"
}

completes_words() {
	mkdir -p "$work/dir"
	touch "$work/dir/kernel-1" "$work/dir/kernel-2"
	complete_words keelvm --kernel "$work/dir/k" > "$work/found"
	printf '%s\n' "$work"/dir/kernel-{1,2} > "$work/expected"
	same "$work/expected" "$work/found" || return
	[ "$(complete_words keelvm -d /dev/ke)" = /dev/keel ] &&
		[ -z "$(complete_words keelvm --smp '')" ] &&
		[ -z "$(complete_words keelstat -d '')" ]
}

pages_steps() {
	local page

	for page in keel.4 keelvm.1 keelstat.1; do
		step "$page is in order" page_renders $page
	done
	step "keelvm(1) has every option" options_in_page keelvm
	step "keelstat(1) has every option" options_in_page keelstat
	step "keel(4) has every parameter" parameters_in_page
	step "keel(4) has every message of a refusal" messages_in_page
	step "the files that they name are there" paths_exist
	step "completion is read without a word" sources_cleanly
	step "keelvm's options are completed" completes_options keelvm --
	step "keelstat's options are completed" completes_options keelstat -
	step "files, devices and numbers are told apart" completes_words
}

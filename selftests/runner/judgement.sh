# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For run: what the tools make of what others say. A runner that takes a failure for a
# success is believed by everybody.

# counts WHAT "PASSED FAILED SKIPPED": tools/tap, of the TAP on stdin
counts() {
	local got=none

	rm -f "$work/result"
	"$top/tools/tap" made-up 0 "$work/result" > "$work/out" 2>&1 && got=$(cat "$work/result")
	[ "$got" = "$2" ] || echo "# $got"
	[ "$got" = "$2" ]
	report $? "tap: $1: $2"
}

counts_tap() {
	counts "passed, failed and skipped" "1 1 1" <<-END
		TAP version 13
		1..3
		ok 1 - one
		not ok 2 - another
		ok 3 - a third # SKIP it cannot be had here
	END
	counts "fewer tests than were planned" "2 1 0" <<-END
		1..3
		ok 1
		ok 2
	END
	counts "more tests than were planned" "2 1 0" <<-END
		1..1
		ok 1
		ok 2
	END
	counts "a skip that has no name" "0 0 1" <<-END
		ok 1 # SKIP it cannot be had here
	END
	counts "nothing at all" "0 1 0" < /dev/null
	counts "a plan of none, with its reason" "0 0 1" <<-END
		1..0 # no such CPU
	END
	counts "only words" "0 1 0" <<-END
		okay then
		a line
		# ok 1 - in a comment
	END
	counts "it gives up" "1 1 0" <<-END
		ok 1
		Bail out! no device
	END
	counts "a test that is to do" "0 0 1" <<-END
		not ok 1 - later # TODO when there is time
	END
	counts "an end of line of a serial line" "1 1 0" < <(printf 'ok 1 - a\r\nnot ok 2\r\n')
}

counts_subtests() {
	counts "only the innermost" "2 0 0" <<-END
		1..1
		    1..2
		    ok 1 - inner
		    ok 2 - inner
		ok 1 - outer
	END
	counts "a failure within, once" "1 1 0" <<-END
		1..1
		    ok 1 - inner
		    not ok 2 - inner
		not ok 1 - outer
	END
	counts "the outer alone failed" "1 1 0" <<-END
		    ok 1 - inner
		not ok 1 - outer
	END
	counts "an inner plan not met" "1 1 0" <<-END
		    1..2
		    ok 1 - inner
		ok 1 - outer
	END
	counts "an end within, so that both plans are not met" "1 2 0" <<-END
		1..1
		    1..2
		    ok 1 - inner
	END
}

# A tree with the tools and suites of one script each.
make_tree() {
	tree=$work/tree
	mkdir -p "$tree/selftests"
	cp -r "$top/tools" "$tree/"
	printf 'modules:\n' > "$tree/Makefile"
	suite good here 'echo 1..3; echo ok 1; echo ok 2; echo "ok 3 # SKIP why"'
	suite bad here 'echo 1..2; echo ok 1; echo not ok 2; exit 1'
	suite calm here 'echo 1..2; echo ok 1; echo not ok 2'
	suite unclean here 'echo 1..1; echo ok 1; exit 3'
	suite killed here 'echo 1..1; echo ok 1; kill -9 $$'
	suite mute here :
	suite late here 'echo 1..1; echo ok 1; sleep 1000'
	suite long 'full here' 'echo 1..1; echo ok 1'
	suite nowhere there 'echo 1..1; echo ok 1'
	suite unbuilt here 'echo 1..1; echo ok 1'
	printf 'all:\n\tfalse\n' > "$tree/selftests/unbuilt/Makefile"
}

suite() {	# NAME WHERE SCRIPT
	mkdir -p "$tree/selftests/$1"
	echo "$2" > "$tree/selftests/$1/where"
	printf '#!/bin/sh\n%s\n' "$3" > "$tree/selftests/$1/run"
	chmod +x "$tree/selftests/$1/run"
}

# verdict WHAT STATUS "LAST LINE" ARG...: of tools/run-tests in that tree. The first that
# passed is always the module's build.
verdict() {
	local what=$1 status=$2 line=$3 got=0

	shift 3
	env -u KEEL_FULL KEEL_LOGS="$work/logs" KEEL_TIMEOUT_SCALE="${SCALE:-1}" \
		"$tree/tools/run-tests" "$@" > "$work/out" 2>&1 < /dev/null || got=$?
	if [ "$got" = "$status" ] && [ "$(tail -n 1 "$work/out")" = "$line" ]; then
		report 0 "run-tests: $what: $line"
	else
		sed 's/^/# /' "$work/out"
		report 1 "run-tests: $what: $line, and status $status, not $got"
	fi
}

judges_suites() {
	make_tree
	verdict "all is well" 0 "3 passed, 0 failed, 1 skipped" good
	verdict "a test failed" 1 "2 passed, 1 failed, 0 skipped" bad
	verdict "a test failed, whatever the status" 1 "2 passed, 1 failed, 0 skipped" calm
	verdict "a status that no test explains" 1 "2 passed, 1 failed, 0 skipped" unclean
	verdict "killed after the last test" 1 "2 passed, 1 failed, 0 skipped" killed
	verdict "no test" 1 "1 passed, 1 failed, 0 skipped" mute
	SCALE=0.001 verdict "does not end" 1 "2 passed, 1 failed, 0 skipped" late
	verdict "a line that says no place" 1 "1 passed, 1 failed, 0 skipped" nowhere
	verdict "cannot be built" 1 "1 passed, 1 failed, 0 skipped" unbuilt
	verdict "the sum of several" 1 "4 passed, 2 failed, 1 skipped" good bad unbuilt
	verdict "what only the long form takes" 0 "2 passed, 0 failed, 0 skipped" --full long
	verdict "no such run" 64 "run-tests: no run long: see $tree/selftests/long/where" long
	verdict "no such suite" 64 "run-tests: no suite other" other
}

# complains WHAT LINES: tools/testhost.d/scan finds that many in the log on stdin
complains() {
	local status=0

	cat > "$work/log"
	"$top/tools/testhost.d/scan" "$work/log" "$work/none" > "$work/out" || status=$?
	[ "$(wc -l < "$work/out")" = "$2" ] && [ "$status" = $(($2 > 0)) ]
	report $? "scan: $1: $2"
}

scans_logs() {
	complains "nothing amiss" 0 <<-END
		[    0.000000] Linux version 6.1
		[    0.000000] Spectre V2 : WARNING: Unprivileged eBPF is enabled
	END
	complains "each complaint once" 2 <<-END
		[    1.000000] BUG: one
		[    1.000000] BUG: one
		[    2.000000] WARNING: CPU: 0 PID: 1 at arch/x86/run.c:1
	END
	complains "a race of the kernel's own, in what Keel called" 0 <<-END
		[    1.000000] ==================================
		[    1.000000] BUG: KCSAN: data-race in one / two
		[    1.000000]
		[    1.000000] write to 0xffff888012345678 of 8 bytes by task 259 on cpu 1:
		[    1.000000]  one+0x10/0x20
		[    1.000000]  caller+0x10/0x20
		[    1.000000]  keel_one+0x10/0x20 [keel]
		[    1.000000]
		[    1.000000] read to 0xffff888012345678 of 8 bytes by interrupt on cpu 0:
		[    1.000000]  two+0x10/0x20
		[    1.000000] ==================================
		[    1.000000]  a line [keel]
	END
	complains "a race of Keel's, and another complaint within one" 2 <<-END
		[    1.000000] ==================================
		[    1.000000] BUG: KCSAN: data-race in one / memcpy
		[    1.000000]
		[    1.000000] write to 0xffff888012345678 of 8 bytes by task 259 on cpu 1:
		[    1.000000]  one+0x10/0x20
		[    1.000000]
		[    1.000000] read to 0xffff888012345678 of 8 bytes by task 260 on cpu 0:
		[    1.000000]  memcpy+0x10/0x20
		[    1.000000]  keel_one+0x10/0x20 [keel]
		[    1.000000] ==================================
		[    1.000000] ==================================
		[    1.000000] BUG: KCSAN: data-race in three / four
		[    1.000000] WARNING: CPU: 0 PID: 1 at kernel/fork.c:1
		[    1.000000] ==================================
	END
}

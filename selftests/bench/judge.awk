# SPDX-License-Identifier: GPL-2.0
#
# The bench's figures against the baseline, for the script run: TAP on stdout, status 1 when
# a test failed. "in the baseline:" is in each line that a new baseline puts right.
#
#	host		of which host the figures are
#	kernel		the test kernel they were measured on
#	baseline	the file
#	expected	"" when only some items were asked for
#	left_out	items that this run does not measure

function result(good, text) {
	number++
	print (good ? "ok " : "not ok ") number " - " text
	fflush()
	failed += !good
}

function read_baseline(    line, word, n) {
	while ((getline line < baseline) > 0) {
		n = split(line, word)
		if (word[1] == "kernel")
			base_kernel = word[2]
		else if (word[1] == host && n == 5)
			base[order[++items] = word[2]] = word[3]
	}
}

# Figures of two kernels say nothing of Keel.
function check_files() {
	read_baseline()
	if (kernel == "")
		result(0, "build/bench/kernel does not say which test kernel this is")
	if (!items || base_kernel == "")
		result(0, "no figures of this host, or no kernel, in the baseline: " renew)
	else if (kernel != "" && kernel != base_kernel)
		result(0, "this is " kernel ", and " base_kernel " in the baseline: if it is to be " \
			"another test kernel, " renew)
	same = kernel != "" && kernel == base_kernel
}

# More than 1 % and 3 instructions is a failure; what got much better should be kept.
function judge(name, figure,    text, old, limit) {
	measured[name] = 1
	text = name ": " figure " instructions"
	if (!(name in base)) {
		result(0, text ", and none in the baseline: " renew)
		return
	}
	old = base[name]
	limit = old * 0.01 > 3 ? old * 0.01 : 3
	text = text ", " old " in the baseline"
	if (!same)
		result(1, text " # SKIP of another test kernel")
	else if (figure - old > limit)
		result(0, text ": grown")
	else if (figure - old < -0.05 * old)
		result(1, text ": better, run make baseline")
	else
		result(1, text)
}

function check_missing(    i, n, word) {
	n = split(left_out, word)
	for (i = 1; i <= n; i++)
		measured[word[i]] = 1
	for (i = 1; i <= items; i++)
		if (!(order[i] in measured))
			result(0, order[i] ": not measured, " base[order[i]] " in the baseline")
}

BEGIN {
	renew = "make baseline REASON='why the figures changed'"
	print "TAP version 13"
	check_files()
}

/^not ok/ { sub(/^not ok [0-9]* *-? */, ""); result(0, $0); next }
$1 != "bench" { print; next }
{ print "# " $0; fflush(); figures++ }
$3 == "keel" { judge($4, $5) }

END {
	if (!figures)
		result(0, "nothing was measured")
	if (expected != "")
		check_missing()
	print "1.." number + 0
	exit failed > 0
}

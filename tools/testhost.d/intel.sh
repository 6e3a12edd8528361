# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The Intel host: Bochs, which emulates VMX with EPT. Not built yet; amd.sh says
# which functions belong here.

backend_check() {
	die "$EXIT_NO_BACKEND" "the Intel host is not built yet"
}

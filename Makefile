# SPDX-License-Identifier: GPL-2.0
#
# Keel, out of tree. `make help` lists the targets.

# The kernel to build for: the running one if its headers are here, else the
# newest stock one that is installed (as in a container or a fresh chroot).
ifndef KDIR
KDIR := $(firstword $(wildcard /lib/modules/$(shell uname -r)/build/Makefile) \
	$(shell ls -d /lib/modules/*/build/Makefile 2>/dev/null | sort -rV))
KDIR := $(KDIR:/Makefile=)
endif

HOST ?= amd
MODULE ?= keel
SMP ?= 2
MEM ?= 512
MACHINE ?= pc
HOST_CPUS ?= 1
export HOST MODULE SMP MEM MACHINE HOST_CPUS
# The shell of the guest shall see CMD as it was written, $ included.
ifdef CMD
export KEEL_CMD := $(value CMD)
endif

PROGRAMS := $(patsubst %/Makefile,%,$(wildcard tools/*/Makefile))
SUITES := $(patsubst %/Makefile,%,$(wildcard selftests/*/Makefile))

all: modules	## the module (the default)

modules: headers	## keel.ko, for the kernel in KDIR
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

modules_install: modules	## install keel.ko for that kernel
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

# Make's own status would be 2 for any failure: $(exit) of tools/run.d/exit.c ends
# make with that of the guest's command instead. All of a recipe is expanded before
# it runs, hence two targets.
run: run-guest	## boot a host, and in it a Linux guest with a shell; CMD='...' runs that instead
	$(call exit,$(RUN_STATUS))@exit $(RUN_STATUS)

# However it ends, what root built in another's tree by sudo is that one's.
GIVE_BACK = [ "$$(id -u)" != 0 ] || [ "$$(stat -c %u Makefile)" = 0 ] || \
	find . -xdev -user root -exec chown -h --reference=Makefile {} + 2> /dev/null || :

run-guest:
	@tools/setup $(if $(filter intel,$(HOST)),intel,run)
	@trap '$(GIVE_BACK)' EXIT; $(MAKE) --no-print-directory -s module-for-run >&2
	@trap '$(GIVE_BACK)' EXIT; tools/run; echo $$? > $(STATUS_FILE)

STATUS_FILE := build/run.status-$(shell echo $$PPID)
RUN_STATUS = $(eval RUN_STATUS := $(shell cat $(STATUS_FILE); rm -f $(STATUS_FILE)))$(RUN_STATUS)

# Made before all else, as make reloads what it loads.
ifneq ($(filter run,$(MAKECMDGOALS)),)
-load build/exit.so

build/exit.so: tools/run.d/exit.c
	@tools/setup run
	@mkdir -p build
	@$(CC) -Wall -O2 -shared -fPIC -o $@ $<
endif

deb:	## Debian packages of module and programs, in build/deb (Documentation/install)
	@tools/setup deb
	@tools/package/build

check:	## static checks and all tests; the last line counts them
	@tools/setup check
	@exec tools/run-tests

check-full:	## the same, with the tests that take long
	@tools/setup check
	@exec tools/run-tests --full

kernels:	## build the module for every kernel whose headers are here or can be had by apt
	@tools/setup check
	@exec tools/check-kernels

bench:	## what operations cost on both emulated hosts, Keel beside KVM: table, build/bench.svg
	@tools/setup check
	@exec selftests/bench/all show

baseline:	## the same, kept as what make check expects; REASON='...' says why it changed
	@[ -n '$(REASON)' ] || { echo "make baseline REASON='why the figures changed'" >&2; exit 1; }
	@tools/setup check
	@exec selftests/bench/all baseline '$(REASON)'

coverage:	## lines of the logic cores that unit tests and kept fuzz inputs reach
	@tools/setup check
	@exec selftests/fuzz/coverage

programs: $(PROGRAMS:%=%.programs)	## the programs in tools/

selftests: $(SUITES:%=%.programs)	## build the tests

clean: $(PROGRAMS:%=%.clean) $(SUITES:%=%.clean)	## remove what was built, and the logs
	@[ ! -f "$(KDIR)/Makefile" ] || $(MAKE) -s -C $(KDIR) M=$(CURDIR) clean
	rm -rf build

help:	## this list
	@echo "Targets:"
	@sed -nE 's/^([a-z_-]+):[^#]*## (.*)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
	@echo
	@echo "Variables:"
	@echo "  KDIR=DIR          kernel build directory ($(or $(KDIR),none found))"
	@echo "  HOST=NAME         for run: amd (emulated), intel (emulated), local ($(HOST))"
	@echo "  MODULE=NAME       for run: keel, or kvm to compare ($(MODULE))"
	@echo "  SMP=N MEM=MIB     for run: the guest's vCPUs and memory ($(SMP), $(MEM))"
	@echo "  MACHINE=TYPE      for run: QEMU's -M ($(MACHINE))"
	@echo "  HOST_CPUS=N       for run: CPUs of the emulated host ($(HOST_CPUS))"
	@echo "  KEEL_TIMEOUT_SCALE=N, KEEL_LOGS=DIR   see Documentation/testing"

headers:
	@[ -n "$(KDIR)" ] || { echo "no kernel headers: run tools/setup, or say KDIR=" >&2; exit 1; }

ifeq ($(MODULE),keel)
module-for-run: modules
else
module-for-run:
endif

%.programs:
	$(MAKE) -C $*

%.clean:
	$(MAKE) -s -C $* clean

.PHONY: all modules modules_install run deb check check-full kernels bench baseline coverage programs \
	selftests run-guest clean help headers module-for-run

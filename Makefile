# A thin front of Meson; HACKING.md tells the rest.
BUILD ?= build
ASAN  ?= build-asan
TSAN  ?= build-tsan

.PHONY: all demo test bench bench-backup install clean

all:
	tools/install-packages build
	[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) -Dtests=false
	ninja -C $(BUILD)

# Build customised, bootable installation ISOs out of depots that it makes itself.
demo:
	tools/install-packages demo
	tools/demo

# Everything that must hold, in one command: what CI runs.
test:
	tools/install-packages test
	tools/run-tests

# Measure everything, for half an hour; bench/README.md tells what.
bench:
	tools/install-packages bench
	bench/all

bench-backup:
	tools/install-packages bench
	bench/backup

install: all
	meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) $(ASAN) $(TSAN) build-bench build-fuzz out

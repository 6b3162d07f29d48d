# A thin front of Meson; HACKING.md tells the rest.
BUILD ?= build
ASAN  ?= build-asan

.PHONY: all demo test bench install clean

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

bench:
	tools/install-packages bench
	bench/run

install: all
	meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) $(ASAN) build-fuzz out

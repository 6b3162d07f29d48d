# SPDX-License-Identifier: GPL-3.0-or-later
# What scripts of the tests use, in the guest.
set -e

# The block device of a LUN, as soon as it is there.
disk() {
    try=0
    while [ "$try" -lt 150 ]; do
        for path in /sys/bus/scsi/devices/*:"$1"/block/*; do
            if [ -b "/dev/${path##*/}" ]; then
                echo "/dev/${path##*/}"
                return 0
            fi
        done
        sleep 0.1
        try=$((try + 1))
    done
    echo "LUN $1 does not come" >&2
    return 1
}

# No LUN is there any more.
no_disks() {
    try=0
    while ls /sys/bus/scsi/devices/*/block >/dev/null 2>&1; do
        [ "$try" -lt 150 ] || return 1
        sleep 0.1
        try=$((try + 1))
    done
}

# Only the digest.
digest() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# Forget what was read, so that it is read again.
forget() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

# How often the command must fail, and does: with a status other than 0.
must_fail() {
    if "$@"; then
        echo "this must fail, and does not: $*" >&2
        return 1
    fi
}

#!/bin/busybox sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The guest's first and only process: sets up, and runs what comes over the second serial line.
#
# A request is a line "NUMBER BASE64": a script.  Its output comes back, and then a line
# "SLIPWAY-GUEST end NUMBER STATUS".  What it was told and how it ended is also on the console.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

die() {
    echo "SLIPWAY-GUEST failed: $*" >/dev/console
    poweroff -f
}

/bin/busybox --install -s /bin || die "busybox --install"
mount -t devtmpfs dev /dev || die "mount /dev"
mount -t proc proc /proc || die "mount /proc"
mount -t sysfs sys /sys || die "mount /sys"
mount -t tmpfs run /run || die "mount /run"
mkdir -p /run/lock/iscsi

while read -r module; do
    insmod "/lib/modules/$module.ko" || die "module $module"
done </etc/modules

ip link set lo up || die "no loopback"
ip link set eth0 up || die "no network"
ip addr add 10.0.2.15/24 dev eth0 || die "no address"
ip route add default via 10.0.2.2 || die "no route"

iscsid 2>/dev/console || die "iscsid"

exec </dev/ttyS1 >/dev/ttyS1 2>&1
stty raw -echo || die "ttyS1"
echo "SLIPWAY-GUEST ready $(uname -r)" | tee /dev/console
while read -r number script; do
    echo "$script" | base64 -d >/tmp/script
    sed "s/^/SLIPWAY-GUEST $number + /" /tmp/script >/dev/console
    sh -c '. /lib/functions.sh; . /tmp/script' </dev/null
    status=$?
    echo "SLIPWAY-GUEST end $number $status" | tee /dev/console
done
poweroff -f

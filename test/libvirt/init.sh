#!/bin/busybox sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The first process of a machine of libvirt: runs what comes over its first serial line.  A request
# is a line "NUMBER BASE64": a script; its output comes back, and "SLIPWAY-GUEST end NUMBER STATUS".
export PATH=/bin

/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

while read -r module; do
    insmod "/lib/modules/$module.ko"
done </etc/modules 2>/dev/ttyS0

setsid /agent </dev/null >/dev/null 2>&1 &

exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty raw -echo
while read -r number script; do
    [ -n "$script" ] || continue
    echo "$script" | base64 -d >/tmp/script 2>/dev/null || continue
    sh /tmp/script </dev/null
    echo "SLIPWAY-GUEST end $number $?"
done
poweroff -f

#!/bin/busybox sh
# SPDX-License-Identifier: GPL-3.0-or-later
# As much of a guest agent as is needed to bring file systems to rest: what is mounted at /mnt is
# frozen.  /tmp/agent-log has what was asked; /tmp/agent-refuse makes it refuse, and with
# /tmp/agent-silent it goes away for good, without an answer, when it has frozen.
export PATH=/bin

# The port appears some time after its driver; a machine without one has no agent.
tries=0
until port=$(ls /dev/vport*p1 2>/dev/null); do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || exit 0
    sleep 0.1
done
exec 3<>"$port"

field() {
    echo "$1" | sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p"
}

answer() {
    printf '%s\n' "$1" >&3
}

# While the host is not connected there is nothing to read, which is no end.
while :; do
    read -r line <&3 || sleep 0.1
    [ -n "$line" ] || continue
    line=$(printf '%s' "$line" | tr -d '\377\r')
    command=$(field "$line" execute)
    echo "$command" >>/tmp/agent-log
    case "$command" in
    guest-sync-delimited)
        printf '\377{"return": %s}\n' "$(field "$line" id)" >&3 ;;
    guest-sync)
        answer "{\"return\": $(field "$line" id)}" ;;
    guest-ping)
        answer '{"return": {}}' ;;
    guest-fsfreeze-freeze)
        if [ -e /tmp/agent-refuse ]; then
            answer '{"error": {"class": "GenericError", "desc": "the guest refuses to rest"}}'
        elif grep -q ' /mnt ' /proc/mounts; then
            sync
            fsfreeze --freeze /mnt
            [ ! -e /tmp/agent-silent ] || exit 0
            answer '{"return": 1}'
        else
            answer '{"return": 0}'
        fi ;;
    guest-fsfreeze-thaw)
        fsfreeze --unfreeze /mnt 2>/dev/null
        answer '{"return": 1}' ;;
    guest-fsfreeze-status)
        answer '{"return": "thawed"}' ;;
    *)
        answer '{"error": {"class": "CommandNotFound", "desc": "not here"}}' ;;
    esac
done

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mark.h: the name of what a run leaves on a host while it works: snapshots, checkpoints, jobs.
 *
 *     slipway-OWNER-PID.START.RANDOM       [a-z0-9.-], at most MARK_MAX bytes
 *
 * OWNER is this computer (of /etc/machine-id and the host name, hashed), PID and START (this boot
 * and namespace of processes, hashed, and clock ticks since the boot) the process.  By it whoever
 * comes later knows whose it is and whether that process still lives; on a computer without a
 * machine id, such as a container, only until it is started anew.  Any thread. */
#pragma once

#include <glib.h>

#define MARK_MAX 80u

enum mark_state {
    MARK_FOREIGN,   /* no mark: not made by this program */
    MARK_ELSEWHERE, /* of another computer or container: nobody here can say whether it lives */
    MARK_ALIVE,     /* of a process that runs, perhaps this one */
    MARK_LEFT,      /* of a process of this computer that is gone */
};

/* A new mark of this process; each is another.  Free with g_free(). */
char *mark_new(void);
enum mark_state mark_look(const char *text);

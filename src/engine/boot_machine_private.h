/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot_machine_private.h: what starts a machine (boot_launch.c) and what watches it share. */
#pragma once

#include "engine/boot_machine.h"
#include "engine/boot_process.h"
#include "hyper/qmp.h"

#include <unistd.h>

#define BOOT_COMMAND_MS 20000 /* for what QEMU answers at once */

struct boot_machine {
    struct boot_process *process;
    struct qmp *qmp;
    int serial, agent; /* our ends */
    int screen;        /* what dumps are read from */
    int screen_writer; /* the description that QEMU writes with: its offset is ours to set */
    enum boot_accelerator accelerator;
    char *no_kvm, *vnc;
    enum boot_state state;
    guint resets;
    char *last_words; /* of QEMU, since it started */
};

static inline void
boot_machine_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* boot.h: what the commands share that start a backup set. */
#pragma once

#include "cli/session.h"
#include "engine/boot_set.h"

/* Of the machine, and of what it writes. */
#define BOOT_OPTIONS                                                                               \
    OPTION_FIRMWARE, OPTION_BUS, OPTION_ACCELERATOR, OPTION_MEMORY, OPTION_CPUS,                   \
        OPTION_NO_NETWORK, OPTION_SCRATCH, OPTION_WRITE_LIMIT, OPTION_CACHE, OPTION_WORKERS

/* SLIPWAY_ERROR_USAGE with the words of the row when the one that was given is not `known`. */
gboolean boot_options_word(struct session *session, enum option_id id, gboolean known,
                           GError **error);

/* What these say; the set and its disks are the caller's. */
gboolean boot_options_read(struct session *session, struct boot_set_options *ret, GError **error);

/* "UEFI, disks on sata, tcg"; g_free() */
char *boot_options_words(const struct boot_hardware *hardware, enum boot_accelerator accelerator);

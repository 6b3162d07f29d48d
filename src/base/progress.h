/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress.h: what long work tells whoever watches it.
 *
 * The library never prints.  It reports steps, amounts, notes and warnings to a
 * `struct progress`; the command line draws a bar or lines, a service would send
 * JSON.  A NULL progress is silent everywhere.  All functions may be called from
 * any thread; an implementation must lock for itself. */
#pragma once

#include <glib.h>

enum progress_unit { PROGRESS_BYTES, PROGRESS_ITEMS };
enum progress_note { PROGRESS_DEBUG, PROGRESS_INFO, PROGRESS_WARNING };

struct progress;

struct progress_class {
    /* A step begins: `what` is a phrase ("fetching 3 VIBs"), `total` its amount, 0 unknown. */
    void (*begin)(struct progress *self, const char *what, guint64 total, enum progress_unit unit);
    /* `amount` more of the current step is done. */
    void (*advance)(struct progress *self, guint64 amount);
    /* The current step is over, well (`ok`) or not. */
    void (*end)(struct progress *self, gboolean ok);
    /* A sentence for the user, without a newline. */
    void (*note)(struct progress *self, enum progress_note kind, const char *text);
};

/* Implementations put this first in their own struct. */
struct progress {
    const struct progress_class *class;
};

void progress_begin(struct progress *progress, guint64 total, enum progress_unit unit,
                    const char *format, ...) G_GNUC_PRINTF(4, 5);
void progress_advance(struct progress *progress, guint64 amount);
void progress_end(struct progress *progress, gboolean ok);
void progress_debug(struct progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);
void progress_info(struct progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);
void progress_warning(struct progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);

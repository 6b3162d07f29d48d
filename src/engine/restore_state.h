/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore_state.h: the file that says how far a restore came: JSON, replaced as a whole.
 *
 * Segments are begun in the order of the disk, so one number says enough: all before it are done.
 * Values; one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define RESTORE_STATE_MAX 65536u /* bytes that are read */

struct restore_state {
    /* What the run is about: a state of something else is of no use. */
    char *store;  /* its id */
    char *set;    /* its id */
    char *disk;   /* name in the set */
    char *target; /* its label */
    guint64 size; /* of the target */
    /* How far it is: */
    gboolean target_is_zero; /* where nothing was written yet */
    guint64 done;            /* segments */
};
void restore_state_free(struct restore_state *state);
AUTO_PTR_DEFINE(restore_state, restore_state_free)

gboolean restore_state_same_run(const struct restore_state *left,
                                const struct restore_state *right);

/* SLIPWAY_ERROR_NOT_FOUND; SLIPWAY_ERROR_CORRUPT when it is none of ours. */
struct restore_state *restore_state_read(const char *path, GError **error);
/* Durable when this returns. */
gboolean restore_state_write(const char *path, const struct restore_state *state, GError **error);
/* Remove the file; none there is fine. */
gboolean restore_state_remove(const char *path, GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* export_record.h: exports that run on this computer, as other processes of the same user see them.
 *
 * Each has a file ID.json in the runtime directory (XDG_RUNTIME_DIR/slipway/exports; without it in
 * the user's cache), and ID.lock, which its process locks: the lock tells who is alive, whatever
 * became of the file.  The document is the caller's; no secret belongs there.  One thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>
#include <jansson.h>
#include <sys/types.h>

#define EXPORT_RECORD_MAX (1u << 20)

/* Of the process that serves. */
struct export_record;

/* With a new random id of 6 letters and digits. */
struct export_record *export_record_new(GError **error);
const char *export_record_id(const struct export_record *record);
/* Where a process in the background may write what happens. */
const char *export_record_log(const struct export_record *record);
/* Where a local socket may be, which its owner alone can use. */
const char *export_record_socket(const struct export_record *record);
/* Put the document in the place of the last one; `document` is borrowed. */
gboolean export_record_put(struct export_record *record, const json_t *document, GError **error);
/* Take it all away, but for the log when `keep_log`. */
void export_record_free(struct export_record *record, gboolean keep_log);

/* For everybody else. */
struct export_running {
    char *id;
    pid_t pid;
    json_t *document; /* NULL while there is none */
};
void export_running_free(struct export_running *running);
AUTO_PTR_DEFINE(export_running, export_running_free)

/* All that are alive, of struct export_running *, by id.  What dead ones left is removed. */
GPtrArray *export_record_list(GError **error);
/* The one that `id` (or the beginning of one) names.  SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_USAGE
 * when several begin so. */
struct export_running *export_record_find(const char *id, GError **error);
/* Ask its process to end, and wait for that.  SLIPWAY_ERROR_BUSY: it did not within `seconds`;
 * SLIPWAY_ERROR_FAILED: it did, and left a log of something that failed at its end, which the
 * message names. */
gboolean export_record_stop(const struct export_running *running, guint seconds, GError **error);

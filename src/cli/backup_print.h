/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup_print.h: what commands that make a backup set share. */
#pragma once

#include "cli/session.h"
#include "engine/backup.h"

/* --verify; SLIPWAY_ERROR_USAGE. */
gboolean backup_print_verify(struct session *session, enum backup_verify *ret, GError **error);
/* The set that was made. */
void backup_print(struct ui *ui, const struct backup_report *report, const struct store *store);
json_t *backup_print_json(const struct backup_report *report);
/* Retention, by --keep or the rule of the store: only after a backup that went well.  *ret_expired:
 * sets that are gone. */
gboolean backup_print_expire(struct session *session, struct store *store, const char *name,
                             guint *ret_expired, GError **error);

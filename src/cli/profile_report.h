/* SPDX-License-Identifier: GPL-3.0-or-later */
/* profile_report.h: what was done to a profile, and what is wrong with it now. */
#pragma once

#include "cli/session.h"
#include "esx/profile_edit.h"

/* Each change as a line, and how many rules are broken now, with the command that lists them. */
void profile_report_changes(struct session *session, const struct profile *profile,
                            const GPtrArray *changes, const GPtrArray *problems);

/* Each problem as a line, with its remedy. */
void profile_report_problems(struct session *session, const GPtrArray *problems);

/* "3 errors and 1 warning"; free with g_free(). */
char *profile_report_count(const GPtrArray *problems);

/* An export that was done (`ok`): problems as warnings, then "Wrote FILE (...)"; one that failed:
 * its problems for --json, as the error tells them otherwise. */
void profile_report_export(struct session *session, const char *output, gboolean ok,
                           const struct image_report *report);

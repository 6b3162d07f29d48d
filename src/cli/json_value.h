/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_value.h: our structs as JSON for --json.  Members keep the order of these functions; what is
 * not known is null.  The caller owns what is returned. */
#pragma once

#include "esx/depot_verify.h"
#include "esx/image_export.h"
#include "esx/profile_edit.h"
#include "esx/workspace.h"

#include <jansson.h>

/* A string, made valid UTF-8; null for NULL. */
json_t *json_value_text(const char *text);
/* Strings of a list of char *; [] for NULL. */
json_t *json_value_texts(const GPtrArray *texts);

/* A connected depot that is loaded. */
json_t *json_value_depot(const struct workspace_depot *entry, const struct depot *depot);
/* packages, good, remembered, damaged: a list of {id, problems} */
json_t *json_value_verification(const struct depot_verification *verification);
/* A line of a list, and everything. */
json_t *json_value_package(const struct package *package);
json_t *json_value_vib(const struct vib *vib);
json_t *json_value_profile(const struct profile *profile, const char *source);
json_t *json_value_problems(const GPtrArray *problems);
json_t *json_value_changes(const GPtrArray *changes);
json_t *json_value_report(const struct image_report *report);

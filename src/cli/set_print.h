/* SPDX-License-Identifier: GPL-3.0-or-later */
/* set_print.h: backup sets as text and JSON. */
#pragma once

#include "cli/ui.h"
#include "engine/verify.h"
#include "store/store_sets.h"

/* Digits of an id that lists show: enough to be unique, short enough to type. */
#define SET_PRINT_DIGITS 12

/* "2026-11-25 21:30" in local time; "-" for 0.  Free with g_free(). */
char *set_print_time(gint64 time);
/* "3f2a9c01d4e5"; free with g_free(). */
char *set_print_id(const struct set_id *id);
/* "2.41" */
char *set_print_ratio(guint64 whole, guint64 part);

json_t *set_print_json(const struct set_entry *entry, gboolean with_config);
json_t *set_print_damage_json(const GPtrArray *damage);
/* A line for each damaged range. */
void set_print_damage(struct ui *ui, const GPtrArray *damage);

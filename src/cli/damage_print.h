/* SPDX-License-Identifier: GPL-3.0-or-later */
/* damage_print.h: what `store check` and `store repair` found, as text and JSON. */
#pragma once

#include "cli/ui.h"
#include "store/checker.h"

/* A paragraph for each: what is damaged, why, and who needs it.  `damage` is of struct
 * checker_damage *. */
void damage_print(struct ui *ui, const GPtrArray *damage);
json_t *damage_print_json(const GPtrArray *damage);

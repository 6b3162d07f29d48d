/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_print.h: virtual machines as text and JSON. */
#pragma once

#include "cli/ui.h"
#include "hyper/machine.h"

/* "/DC0/vm/prod/app01"; free with g_free(). */
char *machine_print_path(const struct machine *machine);
/* "on", "off", "suspended", "template" */
const char *machine_print_state(const struct machine *machine);
/* Fields, and tables of disks and NICs. */
void machine_print(struct ui *ui, const struct machine *machine);
/* What a set shows of it: hardware and NICs. */
void machine_print_brief(struct ui *ui, const struct machine *machine);
/* A line of a list; everything but native and firmware data is in machine_to_json(). */
json_t *machine_print_json(const struct machine *machine);

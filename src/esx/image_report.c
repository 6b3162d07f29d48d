/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/image_export.h"

void
image_report_clear(struct image_report *report)
{
    g_clear_pointer(&report->problems, g_ptr_array_unref);
    *report = (struct image_report){0};
}

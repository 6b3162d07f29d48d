/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_print.h: everything a VIB says of itself, as text. */
#pragma once

#include "cli/ui.h"
#include "esx/vib.h"

void vib_print(struct ui *ui, const struct vib *vib);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* depot_private.h: what depot.c and depot_load.c share. */
#pragma once

#include "esx/depot_source.h"

/* An empty depot without a source. */
struct depot *depot_new(const char *location);

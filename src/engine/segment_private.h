/* SPDX-License-Identifier: GPL-3.0-or-later */
/* segment_private.h: shared by the files of segment.h. */
#pragma once

#include "engine/segment.h"

/* Number of the first old entry that ends behind `block`; old.n when there is none. */
guint segment_find_old(const struct segment *segment, guint block);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index_sort.h: entries in the order of an index object: by fingerprint, pack, slot.  In place, as
 * there may be many millions.  Pure. */
#pragma once

#include "store/index_table.h"

void index_sort(struct index_entry *entries, gsize n);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk_suite.h: what every driver of struct disk must do (src/disk/disk.h), as tests of one kind of
 * disk under /disk/NAME/. */
#pragma once

#include "../unit/scratch_directory.h"
#include "disk/disk_open.h"

struct disk_suite {
    const char *name;
    /* A disk of `size` zeros, writable.  Whatever it needs may be put into the scratch directory.
     * NULL when that cannot be tried here, after g_test_skip(). */
    struct disk *(*create)(const struct disk_suite *suite, const struct scratch *scratch,
                           guint64 size);
    /* The same disk again, after the first was closed; NULL: it does not last. */
    struct disk *(*open)(const struct disk_suite *suite, const struct scratch *scratch,
                         gboolean writable);
    /* Undo what create() did outside of the scratch directory; may be NULL. */
    void (*end)(const struct disk_suite *suite, const struct scratch *scratch);
    gconstpointer data; /* theirs */
    gboolean dense;     /* what it knows of extents is that all is data */
};

/* Add the tests; `suite` is constant and outlives g_test_run(). */
void disk_suite_add(const struct disk_suite *suite);

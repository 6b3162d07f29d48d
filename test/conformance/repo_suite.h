/* SPDX-License-Identifier: GPL-3.0-or-later */
/* repo_suite.h: what every driver of struct repo must do.
 *
 * A test program of a driver adds the suite, under a prefix, once for each way to open a repo. */
#pragma once

#include "repo/repo.h"

struct repo_suite {
    const char *prefix; /* "/repo/memory" */
    /* A new, empty repo.  `directory` is an empty one of the file system, for this test alone. */
    struct repo *(*open)(const char *directory);
    /* "Put if absent" is not exact while several put the same name. */
    gboolean inexact;
};

/* `suite` must stay where it is while the tests run. */
void repo_suite_add(const struct repo_suite *suite);

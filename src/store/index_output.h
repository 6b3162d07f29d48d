/* SPDX-License-Identifier: GPL-3.0-or-later */
/* index_output.h: the bytes of a new index object, streamed into a repo. */
#pragma once

#include "repo/repo.h"
#include "store/index_merge.h"

struct index_output {
    struct repo *repo;
    const char *owner;   /* of the unfinished object */
    GPtrArray *packs;    /* of struct pack_name *, ascending */
    GPtrArray *replaced; /* of digests, ascending */
    const struct index_run *runs;
    guint n_runs;
};

/* Put the object under its name; one of that name that is there already is as good.
 * SLIPWAY_ERROR_LIMIT when it would be beyond the limits of an index object; what repo.h says. */
gboolean index_output_write(const struct index_output *output, GError **error);

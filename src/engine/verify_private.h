/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify_private.h: what the files of verify.h share. */
#pragma once

#include "engine/chunk_needs.h"
#include "engine/verify.h"
#include "store/chunk_reader.h"

/* Chunks whose words are kept; of more it is only known that they are damaged. */
#define VERIFY_WORDS_MAX 4096u

struct verify {
    struct store *store;
    struct locator *locator;
    const struct verify_options *options;
    struct chunk_reader *reader; /* of the calling thread */
    struct chunk_needs *needs;   /* what is to be read now */
    struct chunk_needs *before;  /* what was read already; NULL */
    GMutex lock;                 /* of what follows */
    GHashTable *damaged;         /* struct chunk_id * -> char *: why */
    gboolean nodes_damaged;
    guint64 chunks, bytes; /* that were read well */
    GError *unreadable;    /* the first SLIPWAY_ERROR_IO */
};

/* A chunk was read in vain: remembered as damaged, or, when `why` is no damage, FALSE with it.
 * Takes over `why`.  Any thread. */
gboolean verify_add_damaged(struct verify *verify, const struct chunk_id *id, GError *why,
                            GError **error);

/* Read everything in verify->needs by several threads.  What cannot be read becomes damaged; a pack
 * that is gone gets its `failed` set.  FALSE when reading does not work. */
gboolean verify_read(struct verify *verify, GError **error);

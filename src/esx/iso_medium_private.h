/* SPDX-License-Identifier: GPL-3.0-or-later */
/* iso_medium_private.h: what the parts of iso_medium*.c share: the libisofs image and its nodes. */
#pragma once

#include "esx/iso_medium.h"

#include <stdint.h>
#include <sys/types.h>

#include <libisofs/libisofs.h>

#define ISO_BLOCK 2048u

struct iso_medium {
    IsoImage *image;
    char *path; /* of the ISO that was opened; NULL: a new one */
    int fd;     /* likewise; -1 */
    gboolean rock_ridge;
    gboolean joliet;
    gint64 time;
    int next_weight;
    GHashTable *bytes; /* upper-case path -> GBytes *: what was put as bytes */
    GMutex lock;       /* guards error: contents fail in libisofs's thread */
    GError *error;
};

/* Set `error` from a libisofs result; FALSE. */
gboolean iso_medium_fail(int result, const char *what, GError **error);

/* An image without names or files. */
struct iso_medium *iso_medium_new_empty(GError **error);

/* Call for every node, depth first, directories before what is in them; FALSE stops. */
typedef gboolean (*iso_medium_visit_func)(struct iso_medium *medium, const char *path,
                                          IsoNode *node, void *user_data);
void iso_medium_visit(struct iso_medium *medium, iso_medium_visit_func function, void *user_data);

/* NULL when there is none; regardless of case. */
IsoNode *iso_medium_find(struct iso_medium *medium, const char *path);

/* Put the medium's time on a node. */
void iso_medium_stamp(struct iso_medium *medium, IsoNode *node);

/* A libisofs stream over `content`, which it takes over. */
IsoStream *iso_medium_content_stream(struct iso_medium *medium, guint64 size,
                                     struct iso_content *content);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_post.h: one disk, compressed on the fly, sent to the URL that a lease gives for it. */
#pragma once

#include "disk/disk.h"
#include "hyper/vsphere/vim.h"

struct import_post {
    struct vim *vim;
    const char *url;
    const char *thumbprint; /* of the server there; NULL: the session's rules */
    gboolean cookie;        /* it is the session's own server */
    const char *what;       /* for messages */
    struct disk *source;
    struct progress *progress; /* gets every byte of the disk once; NULL */
    /* How far it is, for whoever keeps the lease alive; FALSE with an error: give up. */
    gboolean (*tell)(gpointer user, guint64 position, GError **error);
    gpointer user;
};

/* A transfer that is lost is begun again, a few times: a server takes a disk from its start. */
gboolean import_post_run(const struct import_post *post, GError **error);
/* The URL of a lease with the session's host for "*"; SLIPWAY_ERROR_CORRUPT when it is none that
 * may be used.  *ret_own: it is the session's server.  Free with g_free(). */
char *import_post_url(struct vim *vim, const char *text, gboolean *ret_own, GError **error);

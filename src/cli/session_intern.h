/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_intern.h: what the files of the session share among themselves. */
#pragma once

#include "cli/session.h"

struct session {
    const struct arguments *arguments;
    struct ui *ui;
    struct workspace *workspace;
    struct http_client *client;
    struct http_cache *cache;
    char *downloads;
    struct depot_context context;
    gboolean context_ready;
    struct depot_set *depots;
    struct trust_store *trust;
    struct store *store;
    GPtrArray *entrusted;    /* of char *: URLs; NULL: none was named */
    char *host_password;     /* that was asked for last */
    char *secrets[OPTION_N]; /* by the option that names their file; NULL: not asked for yet */
};

/* How servers are reached, by the options of this run: without credentials for them, and without
 * auth_urls.  Warns about what is dangerous. */
gboolean session_network_options(struct session *session, struct http_options *ret, GError **error);

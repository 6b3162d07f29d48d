/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nbd_server.h: a real NBD server (nbdkit) on a socket in a scratch directory. */
#pragma once

#include "../unit/scratch_directory.h"

struct nbd_server;

/* Run `nbdkit ARGUMENTS` and wait until it serves; NULL after g_test_skip() when there is none. */
struct nbd_server *nbd_server_start(const struct scratch *scratch, const char *const *arguments);

/* Its URI; valid as long as the server. */
const char *nbd_server_uri(const struct nbd_server *server);

/* Send it `signal_number`, wait for its end, and free it.  NULL is fine. */
void nbd_server_stop(struct nbd_server *server, int signal_number);

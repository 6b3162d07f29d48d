/* SPDX-License-Identifier: GPL-3.0-or-later */
/* privileges.h: what the account of a session may do.
 *
 * Rights can be given anywhere in the inventory, so what counts is whether there is any machine on
 * which the account has one. */
#pragma once

#include "hyper/vsphere/vim.h"

/* Names of the privileges that backups need and that the account has on no machine: of char *. NULL
 * when it has all, when there is no machine to ask about, or the server does not tell.
 * *ret_read_only: the ones are among them without which nothing can be backed up.  Free with
 * g_ptr_array_unref(). */
GPtrArray *privileges_missing(struct vim *vim, gboolean *ret_read_only);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_list.h: hypervisors that the user has named (`host add`), with how to log in.
 *
 * One JSON file, hosts.json in the user's configuration (SLIPWAY_HOSTS names another), which only
 * the user can read, written durably, under a lock.  A password is either in the user's own file,
 * whose path is kept, or in a file of ours beside it, hosts/NAME.password, mode 0600.  One
 * thread. */
#pragma once

#include "base/auto_ptr.h"
#include "hyper/hypervisor.h"

#define HOST_LABEL_MAX 64u /* bytes, [A-Za-z0-9._-], no leading dot or dash */
#define HOST_LIST_MAX 1000u

struct host {
    char *name;
    char *uri; /* what hypervisor_open() takes */
    char *user;
    char *password_file; /* NULL: none */
    gboolean own_file;   /* that file is ours */
    char *ca_file, *thumbprint;
    gboolean insecure;
    enum hypervisor_transport transport;
    char *own_machine;
    char *id, *product; /* what it said it was when it was added; may be NULL */
};
struct host *host_new(void);
void host_free(struct host *host);
AUTO_PTR_DEFINE(host, host_free)

struct host_list {
    GPtrArray *hosts; /* of struct host *, by name */
};
/* The list; empty when there is no file.  SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_IO. */
struct host_list *host_list_read(GError **error);
void host_list_free(struct host_list *list);
AUTO_PTR_DEFINE(host_list, host_list_free)

struct host *host_list_find(const struct host_list *list, const char *name);
/* By its URI, or by its authority ("vsphere://vcenter.example"): the first one. */
struct host *host_list_find_uri(const struct host_list *list, const char *uri);

/* Add `host` (taken over), with its password (NULL: none, or in host->password_file).
 * SLIPWAY_ERROR_EXISTS: the name is taken; SLIPWAY_ERROR_USAGE: no such name may be. */
gboolean host_list_add(struct host *host, const char *password, gboolean overwrite, GError **error);
/* Forget one, and its password file where that is ours.  SLIPWAY_ERROR_NOT_FOUND. */
gboolean host_list_remove(const char *name, GError **error);
/* The password, read anew; NULL without an error: none.  Free with secret_free(). */
gboolean host_password(const struct host *host, char **ret_password, GError **error);

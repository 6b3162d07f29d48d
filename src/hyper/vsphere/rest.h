/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rest.h: a session with the tagging part of vCenter's REST interface, as the web services
 * interface knows no tags: below /rest/com/vmware/cis since 6.5, below /api/cis since 7.0.
 *
 * Source: the vSphere Automation API reference, "cis tagging".  A session of its own, for one
 * thread; nothing here looks at cancel.h. */
#pragma once

#include "hyper/vsphere/vsphere.h"

#include <jansson.h>

struct rest;

/* Log in.  SLIPWAY_ERROR_NOT_FOUND: the server has no such interface. */
struct rest *rest_open(struct vsphere *vsphere, GError **error);
/* Log out; what fails then is a note.  NULL is fine. */
void rest_close(struct rest *rest);
AUTO_PTR_DEFINE(rest, rest_close)

/* Read a "category" or "tag", or all ids of that `kind` (`id` NULL).  json_decref() what comes.
 * SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_DENIED, SLIPWAY_ERROR_UNSUPPORTED (400, with the server's
 * words), SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT, SLIPWAY_ERROR_NETWORK. */
json_t *rest_get(struct rest *rest, const char *kind, const char *id, GError **error);
/* Do `action` ("attach") with `body` (taken over; may be NULL); otherwise the same.  json_null()
 * where the server says nothing. */
json_t *rest_do(struct rest *rest, const char *kind, const char *id, const char *action,
                json_t *body, GError **error);
/* Ids of the tags of a category. */
json_t *rest_list_tags(struct rest *rest, const char *category, GError **error);

/* What of an answer is a text that can be taken for an id or a name; NULL; g_free(). */
char *rest_text(const json_t *value);

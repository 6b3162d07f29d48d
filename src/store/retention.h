/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention.h: a struct store_retention as a member of JSON documents.  Values; any thread. */
#pragma once

#include "store/store.h"

#include <jansson.h>

#define RETENTION_COUNT_MAX 1000000

/* json_decref() it. */
json_t *retention_to_json(const struct store_retention *retention);
/* FALSE when it is no object, or a count is out of its limits; one that is missing is 0. */
gboolean retention_from_json(const json_t *json, struct store_retention *ret);

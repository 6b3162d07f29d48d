/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tag_names.h: what tags are called, as sets keep them: "category/tag".  Each is asked for once.
 * For one thread. */
#pragma once

#include "hyper/vsphere/rest.h"

#define TAG_NAMES_MAX 10000u /* different tags, or categories */

struct tag_names;

/* `rest` must outlive it. */
struct tag_names *tag_names_new(struct rest *rest);
void tag_names_free(struct tag_names *names);
AUTO_PTR_DEFINE(tag_names, tag_names_free)

/* Of a category, and of a tag with its category; borrowed.  As rest_get(). */
const char *tag_names_category(struct tag_names *names, const char *id, GError **error);
const char *tag_names_tag(struct tag_names *names, const char *id, GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bulletin.h: bulletins, and components (bulletins with a name and a version of
 * their own, 7.0 and later), as depots list them.  Format: doc/format/depot.md. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define BULLETIN_XML_MAX (4u << 20)

struct bulletin {
    char *id;
    char *vendor;
    char *summary;
    char *severity;
    char *category;
    char *urgency;
    char *release_type;
    char *description;
    char *kb_url;
    char *contact;
    char *release_date;
    char *component_name; /* NULL: a plain bulletin */
    char *component_version;
    char *component_name_ui;
    char *component_version_ui;
    GPtrArray *platforms; /* of char *: versions for embeddedEsx */
    GPtrArray *vib_ids;   /* of char * */
    GBytes *xml;          /* the exact document it was parsed from; NULL when made by us */
};

struct bulletin *bulletin_new(const char *id);
struct bulletin *bulletin_parse(const void *data, gsize length, const char *label, GError **error);
void bulletin_free(struct bulletin *bulletin);
AUTO_PTR_DEFINE(bulletin, bulletin_free)

/* As in bulletins/ID.xml: the original bytes when there are any. */
GBytes *bulletin_format(const struct bulletin *bulletin);

/* Append the elements before <vibList>: one a line at `depth` levels of two blanks, or with
 * `depth` -1 all on one line. */
void bulletin_put_fields(const struct bulletin *bulletin, GString *out, int depth);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tar_names.h: names in a tar archive: long ones from extension records, and whether a name from a
 * stranger may be used. */
#pragma once

#include "base/stream.h"
#include "esx/tar_header.h"

/* What GNU (`L`, `K`) and pax (`x`) records say of the member that follows. */
struct tar_names {
    char *name;   /* NULL: as in the header */
    char *target; /* NULL: as in the header */
    gboolean has_size;
    guint64 size;
};
void tar_names_clear(struct tar_names *names);

/* TRUE for a header that is no member but says something of the next. */
gboolean tar_names_is_record(const struct tar_header *header);

/* Read exactly the header->size bytes of a record.  SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT. */
gboolean tar_names_read(struct tar_names *names, const struct tar_header *header,
                        struct stream *tar, GError **error);

/* `raw` without `.` components, doubled and trailing slashes ("" for the root).  Names that are
 * absolute, hold `..` or control characters are SLIPWAY_ERROR_CORRUPT, overlong ones
 * SLIPWAY_ERROR_LIMIT; `label` names the archive. */
gboolean tar_name_clean(const char *raw, const char *label, char **ret_name, GError **error);

/* A copy of the target of a symbolic link, which may point anywhere but must be a text. */
gboolean tar_target_check(const char *raw, const char *label, char **ret_target, GError **error);

/* A name from a stranger as it may be shown: escaped and not too long. */
char *tar_name_shown(const char *name);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* version.h: VIB versions and the relations between VIBs.
 *
 * A version is `version[-release]`.  Each part is a list of fields between
 * dots; a field is a number (or none) and the text after it.  Numbers compare as
 * numbers, then texts bytewise; a list that is a prefix of another is smaller; the
 * version part decides before the release part.  Pure functions, any thread.
 * Format: doc/format/vib.md. */
#pragma once

#include <glib.h>

enum version_relation {
    VERSION_ANY, /* no relation given */
    VERSION_LESS,
    VERSION_LESS_EQUAL,
    VERSION_EQUAL,
    VERSION_GREATER_EQUAL,
    VERSION_GREATER,
};

/* TRUE when `text` can be a version: 1..128 characters of [0-9A-Za-z._-] with at most one `-`,
 * which has something on both sides. */
gboolean version_valid(const char *text);

/* <0, 0, >0 as `a` is older than, the same as, newer than `b`. */
int version_compare(const char *a, const char *b);

/* TRUE when `version` stands in `relation` to `bound`.  When `bound` has no release,
 * only the version parts are compared: 6.7.0-0.0.8169922 = 6.7.0 holds. */
gboolean version_satisfies(const char *version, enum version_relation relation, const char *bound);

/* "<<" "<=" "=" ">=" ">>"; FALSE for anything else. */
gboolean version_relation_parse(const char *text, enum version_relation *ret_relation);
/* The same text; "" for VERSION_ANY. */
const char *version_relation_text(enum version_relation relation);

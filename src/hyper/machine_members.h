/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine_members.h: the members of a machine, its disks and NICs, a row each, from which copying,
 * freeing and the document follow.  Those in lists, and the firmware's bytes, have no row. */
#pragma once

#include "hyper/machine.h"

enum machine_member_kind {
    MACHINE_TEXT,  /* char * */
    MACHINE_COUNT, /* guint */
    MACHINE_BYTES, /* guint64 */
    MACHINE_FLAG,  /* gboolean */
    MACHINE_WORD,  /* an enum, with words */
};

struct machine_member {
    const char *name; /* in the document */
    gsize offset;
    enum machine_member_kind kind;
    gboolean required; /* in the document, and not empty */
    gboolean passing;  /* not in the document */
    gsize max;         /* bytes of a text */
    const char *const *words;
    guint n_words;
};

struct machine_members {
    const struct machine_member *rows;
    guint n;
};
extern const struct machine_members machine_members, machine_disk_members, machine_nic_members;

/* Copy (to a struct that is all zeros) or free the texts and numbers, not the struct. */
void machine_members_copy(const struct machine_members *members, const void *from, void *to);
void machine_members_free(const struct machine_members *members, void *thing);

static inline char **
machine_member_text(const struct machine_member *member, const void *thing)
{
    return (char **)((char *)thing + member->offset);
}

static inline guint *
machine_member_count(const struct machine_member *member, const void *thing)
{
    return (guint *)((char *)thing + member->offset);
}

static inline guint64 *
machine_member_bytes(const struct machine_member *member, const void *thing)
{
    return (guint64 *)((char *)thing + member->offset);
}

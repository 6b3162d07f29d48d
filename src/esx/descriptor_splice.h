/* SPDX-License-Identifier: GPL-3.0-or-later */
/* descriptor_splice.h: a VIB's descriptor as metadata.zip has it.
 *
 * The exact bytes of descriptor.xml with three elements put in, which say where the .vib file is
 * and what it must be; nothing is written anew.  Format: doc/format/depot.md. */
#pragma once

#include <glib.h>

/* What a depot says of a .vib file. */
struct vib_facts {
    const char *relative_path;
    guint64 size;       /* 0: not known, and not written */
    const char *sha256; /* lower-case hex; NULL: likewise */
};

/* `descriptor` with relative-path, packed-size and checksum right behind its software-tags; when
 * it has none, in front of system-requires, or at the end.  Elements of these names that the
 * descriptor had already are left out.  `label` names the VIB in errors: SLIPWAY_ERROR_CORRUPT
 * when this is no XML document in an encoding that extends ASCII. */
GBytes *descriptor_splice(GBytes *descriptor, const struct vib_facts *facts, const char *label,
                          GError **error);

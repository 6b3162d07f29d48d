/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib.h: what a VIB says of itself: its descriptor.
 *
 * Parsed once, never changed after; reference-counted; any thread may read it.
 * Format: doc/format/vib.md.  Unknown elements are not lost: whoever writes a
 * descriptor again writes the original bytes (vib_file.h), never a copy made from
 * this struct. */
#pragma once

#include "base/auto_ptr.h"
#include "base/digest.h"
#include "esx/acceptance.h"
#include "esx/version.h"

#include <glib.h>

#define VIB_DESCRIPTOR_MAX (8u << 20)
#define VIB_PAYLOADS_MAX 4096
#define VIB_RELATIONS_MAX 20000
#define VIB_FILES_MAX 200000

enum vib_type { VIB_BOOTBANK, VIB_LOCKER, VIB_META };

struct relation {
    char *name;
    enum version_relation relation; /* VERSION_ANY: the name alone */
    char *version;                  /* NULL with VERSION_ANY; for provides: what is provided */
};

struct checksum {
    enum digest_kind kind;
    char
        *verify_process; /* NULL: the stored bytes; "gunzip": the decompressed ones; others: kept */
    char *hex;           /* lower case */
};

struct payload {
    char *name;
    char *type;     /* "boot", "vgz", "tgz", "text", "upgrade", ... */
    int boot_order; /* -1 when not given */
    char *vfat_name;
    guint64 size;
    GArray *checksums; /* of struct checksum */
};

struct software_platform {
    char *version;
    char *locale;
    char *product; /* "embeddedEsx", "esxio" */
};

struct hardware_platform {
    char *vendor;
    char *model; /* NULL: any */
};

struct vib {
    int refs;
    char *id; /* vendor_type_name_version */
    enum vib_type type;
    char *name;
    char *version;
    char *vendor;
    char *summary;
    char *description;
    char *release_date; /* as written */
    gint64 released;    /* seconds since 1970 UTC; 0 when not known */
    GArray *depends;    /* these five: of struct relation */
    GArray *conflicts;
    GArray *replaces;
    GArray *provides; /* without the implicit own name */
    GArray *compatible_with;
    GPtrArray *tags; /* of char * */
    gboolean maintenance_mode;
    GArray *software_platforms; /* of struct software_platform */
    GArray *hardware_platforms; /* of struct hardware_platform */
    GPtrArray *files;           /* of char *: relative paths */
    enum acceptance acceptance;
    gboolean live_install_allowed;
    gboolean live_remove_allowed;
    gboolean cimom_restart;
    gboolean stateless_ready;
    gboolean overlay;
    GPtrArray *payloads; /* of struct payload *, in the order of the descriptor */
    /* Only in a depot's copy of the descriptor: where the .vib file is and what it must be. */
    char *relative_path;
    guint64 packed_size;
    GArray *file_checksums; /* of struct checksum; also set when a VIB was hashed by us */
};

/* Parse a descriptor.  `label` names it in errors: SLIPWAY_ERROR_CORRUPT (not XML, not a
 * VIB, a required field missing or malformed), SLIPWAY_ERROR_LIMIT. */
struct vib *vib_parse(const void *data, gsize length, const char *label, GError **error);

/* Empty ones, for whoever makes descriptors up: lists allocated, texts NULL.  What fills them
 * owns every rule that the parser enforces. */
struct vib *vib_new(void);
struct payload *payload_new(void);

struct vib *vib_ref(struct vib *vib);
void vib_unref(struct vib *vib);
AUTO_PTR_DEFINE(vib, vib_unref)

const char *vib_type_name(enum vib_type type);

/* TRUE when the VIB is meant for `product` ("embeddedEsx" or "esxio"): it names no
 * software platform at all, or this one among others. */
gboolean vib_for_product(const struct vib *vib, const char *product);

/* The payload called `name`, or NULL. */
const struct payload *vib_payload(const struct vib *vib, const char *name);
/* SHA-256 of the .vib file in lower-case hex, where metadata says it; else NULL. */
const char *vib_file_sha256(const struct vib *vib);

/* TRUE for boot, vgz, tgz, installer_vgz, insvgz: gzip streams. */
gboolean payload_is_gzip(const struct payload *payload);

/* The hex of the checksum of `kind` over the stored bytes (`verify_process` NULL) or after
 * that process; NULL when the descriptor has none. */
const char *payload_checksum(const struct payload *payload, enum digest_kind kind,
                             const char *verify_process);

/* TRUE when `vib` provides `wanted`: by its own name and version, or by <provides>.  A
 * provide without a version satisfies no versioned wish. */
gboolean vib_provides(const struct vib *vib, const struct relation *wanted);

/* TRUE when `relation` names `vib` itself (own name and version only; for replaces). */
gboolean relation_matches_vib(const struct relation *relation, const struct vib *vib);

/* "vmkapi_2_2_0_0" or "esx-base >= 6.7.0"; free with g_free(). */
char *relation_text(const struct relation *relation);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_verdict.h: what was found out about one .vib file, as a list of findings. */
#pragma once

#include "base/auto_ptr.h"
#include "base/error.h"
#include "esx/vib_signature.h"

enum vib_finding_kind { VIB_FINDING_OK, VIB_FINDING_WARNING, VIB_FINDING_ERROR };

/* What a finding is about. */
enum vib_finding_topic {
    VIB_TOPIC_ARCHIVE,    /* the ar archive and its members */
    VIB_TOPIC_DESCRIPTOR, /* names, version, flags */
    VIB_TOPIC_SIGNATURE,
    VIB_TOPIC_PAYLOAD, /* sizes and checksums */
    VIB_TOPIC_FILES,   /* the list of files against what the payloads hold, and where they go */
};

struct vib_finding {
    enum vib_finding_kind kind;
    enum vib_finding_topic topic;
    char *subject; /* the payload's name or the path; NULL for the VIB as a whole */
    char *text;    /* a whole sentence, lower case, no full stop */
};
const char *vib_finding_kind_name(enum vib_finding_kind kind);    /* "ok", "warning", "error" */
const char *vib_finding_topic_name(enum vib_finding_topic topic); /* "archive", ... */

struct vib_verdict {
    char *id;                /* NULL when the descriptor cannot be read */
    GPtrArray *findings;     /* of struct vib_finding *, in the order in which they were made */
    enum slipway_error code; /* of what is wrong beside the signature: SLIPWAY_ERROR_CORRUPT, or
                              * that of the error for which the file could not be opened */
    struct signature_result signature;
};
struct vib_verdict *vib_verdict_new(void);
void vib_verdict_free(struct vib_verdict *verdict);
AUTO_PTR_DEFINE(vib_verdict, vib_verdict_free)

/* Add one finding. */
void vib_verdict_add(struct vib_verdict *verdict, enum vib_finding_kind kind,
                     enum vib_finding_topic topic, const char *subject, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

/* TRUE when a finding is an error. */
gboolean vib_verdict_is_bad(const struct vib_verdict *verdict);

/* All errors as one: SLIPWAY_ERROR_SIGNATURE when all are about the signature, otherwise the
 * verdict's code; TRUE when there is none. */
gboolean vib_verdict_to_error(const struct vib_verdict *verdict, GError **error);

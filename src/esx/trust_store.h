/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust_store.h: the anchors inside a trust store, for whoever checks signatures.
 *
 * An anchor is known by the SHA-256 of its certificate's DER form, never by a name: names can be
 * copied.  What everybody needs (new, free, add_file) is in vib_signature.h. */
#pragma once

#include "esx/vib_signature.h"

#include <openssl/x509.h>

#define TRUST_FILE_MAX (1u << 20)
#define TRUST_CERTIFICATES_MAX 256

/* The subject of the certificate that all accepted and partner chains end in. */
#define TRUST_VENDOR_ROOT_CN "VMware Root CA"

struct trust_anchor {
    enum acceptance level;   /* highest level that it vouches for */
    gboolean level_by_chain; /* the certificates below it may say that it is less */
    X509 *certificate;       /* NULL: only the fingerprint is known */
};

/* Trust whatever certificate has this fingerprint (64 hex digits, any case). */
void trust_store_pin(struct trust_store *store, const char *sha256, enum acceptance level,
                     gboolean level_by_chain);

/* The anchor that `certificate` is; NULL when it is none. */
const struct trust_anchor *trust_store_find(const struct trust_store *store, X509 *certificate);

/* Certificates of anchors: those from files, and those of `embedded` (may be NULL) that are pinned.
 * Free the stack with sk_X509_pop_free(stack, X509_free). */
STACK_OF(X509) *
    trust_store_certificates(const struct trust_store *store, STACK_OF(X509) * embedded);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vib_signature.h: who signed a VIB, and whether that is worth the level it claims.
 *
 * PKCS#7 (RFC 2315) in PEM or DER, detached, over the exact bytes of the descriptor.  Validity
 * dates are not looked at (images of 2018 stay valid).  Format and anchors: doc/format/vib.md.  A
 * trust store is read-only after it was filled and may be used from any thread. */
#pragma once

#include "base/auto_ptr.h"
#include "esx/acceptance.h"

#include <glib.h>

#define VIB_SIGNATURE_SIGNERS_MAX 8
#define VIB_SIGNATURE_CERTIFICATES_MAX 32

struct trust_store;

/* With the vendor's public anchors, pinned by the SHA-256 of their DER form. */
struct trust_store *trust_store_new(void);
void trust_store_free(struct trust_store *store);
AUTO_PTR_DEFINE(trust_store, trust_store_free)

/* Trust the certificates of a PEM file too.  A line `level: certified|accepted|partner` limits the
 * certificates after it (up to the next such line) to that level and those below; without one a
 * certificate is trusted for every level, except one of the vendor's anchors, which keeps its own.
 * Blank lines, comments (#) and the subject= and issuer= lines of `openssl pkcs7 -print_certs` may
 * stand between.  SLIPWAY_ERROR_NOT_FOUND, SLIPWAY_ERROR_CORRUPT, SLIPWAY_ERROR_LIMIT; what was
 * read before the fault stays in the store. */
gboolean trust_store_add_file(struct trust_store *store, const char *path, GError **error);

struct signature_result {
    gboolean is_signed;
    char *signer;          /* subject of the signing certificate; NULL when unsigned */
    char *anchor;          /* subject of the anchor that vouches; NULL when none does */
    enum acceptance level; /* highest level that the anchor vouches for */
};
void signature_result_clear(struct signature_result *result);

/* Check `signature` over `descriptor` of a VIB that claims `claimed`.  Community needs no
 * signature, and no trusted one, but one that is there must still fit the descriptor.  With several
 * signers each must fit and one must be good for the level.  `label` names the VIB.
 * SLIPWAY_ERROR_SIGNATURE: unsigned but claims more, altered descriptor, no trusted signer, signer
 * not good for that level, weak digest; SLIPWAY_ERROR_CORRUPT: no PKCS#7; SLIPWAY_ERROR_LIMIT.
 * `ret_result` is filled as far as known in either case; may be NULL. */
gboolean vib_signature_check(const struct trust_store *store, GBytes *descriptor, GBytes *signature,
                             enum acceptance claimed, const char *label,
                             struct signature_result *ret_result, GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kdf.h: keys out of secrets: HKDF-SHA256 (RFC 5869) and scrypt (RFC 7914).  Pure; any thread. */
#pragma once

#include <glib.h>

/* `length` bytes (at most 8160) into `out` from a secret that is random already.  `salt` may be
 * NULL with a length of 0. */
void kdf_hkdf(const void *secret, gsize secret_length, const void *salt, gsize salt_length,
              const void *info, gsize info_length, guint8 *out, gsize length);

/* What scrypt costs: about 128 * n * r bytes of memory, p times the work. */
struct kdf_cost {
    guint64 n; /* a power of 2 */
    guint32 r, p;
};

/* Whether a cost that somebody else wrote down is one that we pay: n at most 2^20, r at most 16, p
 * at most 4, and not more than 1 GiB of memory or work. */
gboolean kdf_cost_valid(const struct kdf_cost *cost);

/* `length` bytes into `out` from a passphrase.  SLIPWAY_ERROR_FAILED when there is not enough
 * memory. */
gboolean kdf_scrypt(const void *secret, gsize secret_length, const void *salt, gsize salt_length,
                    const struct kdf_cost *cost, guint8 *out, gsize length, GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* digest.h: message digests by the names that VIB descriptors use. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

enum digest_kind { DIGEST_SHA256, DIGEST_SHA1, DIGEST_SHA512, DIGEST_MD5, DIGEST_N };

struct digest;

struct digest *digest_new(enum digest_kind kind);
void digest_update(struct digest *digest, const void *data, gsize length);
/* The digest so far in lower-case hex.  No update may follow. */
char *digest_hex(struct digest *digest);
void digest_free(struct digest *digest);
AUTO_PTR_DEFINE(digest, digest_free)

/* "sha-256", "sha256", "SHA1", ... FALSE when it is none that we know. */
gboolean digest_kind_parse(const char *name, enum digest_kind *ret_kind);
/* "sha-256" */
const char *digest_kind_name(enum digest_kind kind);

char *digest_hex_of(enum digest_kind kind, const void *data, gsize length);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* certificate_chain.h: from the certificate of a signer up to an anchor. */
#pragma once

#include "esx/trust_store.h"

/* Certificates between a signer and its anchor, the anchor included. */
#define CERTIFICATE_CHAIN_MAX 8

/* The highest level that an anchor of `store` vouches for when it comes to `signer`, with the
 * certificates of `embedded` (may be NULL) in between; *ret_anchor is the anchor's subject.
 * ACCEPTANCE_NONE with SLIPWAY_ERROR_SIGNATURE, which says who signed and what is missing, when
 * no anchor does. */
enum acceptance certificate_chain_level(const struct trust_store *store, X509 *signer,
                                        STACK_OF(X509) * embedded, char **ret_anchor,
                                        GError **error);

/* `C=US, O="VMware, Inc.", CN=VMware Root CA`: plain ASCII, the rest escaped, cut when it is
 * overlong.  Free with g_free(). */
char *certificate_subject(X509 *certificate);

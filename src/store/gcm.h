/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gcm.h: AES-256-GCM with a key that is used for several messages.
 *
 * The caller sees to it that no nonce is used twice with one key.  One struct gcm belongs to one
 * thread at a time. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define GCM_KEY_SIZE 32u
#define GCM_NONCE_SIZE 12u
#define GCM_TAG_SIZE 16u

struct gcm;

struct gcm *gcm_new(const guint8 key[GCM_KEY_SIZE]);
/* Overwritten, then freed. */
void gcm_free(struct gcm *gcm);
AUTO_PTR_DEFINE(gcm, gcm_free)

/* `out` gets the ciphertext and its tag: length + GCM_TAG_SIZE bytes; length is at most 1 GiB. */
void gcm_seal(struct gcm *gcm, const guint8 nonce[GCM_NONCE_SIZE], const void *aad,
              gsize aad_length, const void *plain, gsize length, guint8 *out);
/* `length` includes the tag.  FALSE when it is not what was sealed; `out` is zeros then. */
gboolean gcm_open(struct gcm *gcm, const guint8 nonce[GCM_NONCE_SIZE], const void *aad,
                  gsize aad_length, const void *sealed, gsize length, guint8 *out);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* object_hash.h: the SHA-256 that packs and index objects are named by, and its 64 hex digits.  One
 * hash belongs to one thread. */
#pragma once

#include "base/auto_ptr.h"

#include <glib.h>

#define OBJECT_HASH_SIZE 32u
#define OBJECT_HASH_TEXT (2 * OBJECT_HASH_SIZE + 1)

struct object_hash;

struct object_hash *object_hash_new(void);
void object_hash_update(struct object_hash *hash, const void *data, gsize length);
/* Nothing may follow but free. */
void object_hash_finish(struct object_hash *hash, guint8 ret[OBJECT_HASH_SIZE]);
void object_hash_free(struct object_hash *hash);
AUTO_PTR_DEFINE(object_hash, object_hash_free)

/* The digits and a NUL into `ret`; returns ret. */
char *object_hash_format(const guint8 bytes[OBJECT_HASH_SIZE], char ret[OBJECT_HASH_TEXT]);
/* Exactly 64 lower-case digits to the end of `text`. */
gboolean object_hash_parse(const char *text, guint8 ret[OBJECT_HASH_SIZE]);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_key_private.h: what store_cipher.c needs of a key and nobody else may have. */
#pragma once

#include "store/store_key.h"

/* STORE_KEY_SIZE bytes from which the keys of objects are derived. */
const guint8 *store_key_data_key(const struct store_key *key);

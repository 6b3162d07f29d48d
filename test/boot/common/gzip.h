/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gzip.h: gzip files (RFC 1952) in memory. */
#ifndef BOOT_GZIP_H
#define BOOT_GZIP_H

#include "inflate.h"

#include <stdbool.h>

/* True when `in` starts as a gzip file does (1f 8b). */
bool gzip_detect(const uint8_t *in, size_t in_size);

/* A first guess at the size of what `in` expands to, at least 1.  Exact for a file of
 * one member that is as it should be; else gzip_expand() may say EXPAND_FULL and the
 * caller tries again with twice as much. */
size_t gzip_size_guess(const uint8_t *in, size_t in_size);

/* Expand all members of the gzip file `in` into `out`, checking each one's CRC and size.
 *
 * What follows the last member and is not another one is left alone: a signed module
 * has its signature there.  Sets `ret_size` only when all is well. */
enum expand_status gzip_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_capacity,
                               size_t *ret_size);

/* Words for a status, such as "gzip CRC mismatch". */
const char *expand_status_text(enum expand_status status);

#endif

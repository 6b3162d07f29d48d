/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inflate.h: raw deflate data (RFC 1951) into a buffer of a fixed size.
 *
 * Everything in common/ is plain freestanding C: it allocates nothing, calls no
 * library but memcpy and its kin, and is compiled for 32-bit BIOS, 64-bit UEFI
 * and, to be tested, for the host. */
#ifndef BOOT_INFLATE_H
#define BOOT_INFLATE_H

#include <stddef.h>
#include <stdint.h>

enum expand_status {
    EXPAND_OK,
    EXPAND_FULL,       /* the output buffer is too small; nothing else is known to be wrong */
    EXPAND_TRUNCATED,  /* the input ends too early */
    EXPAND_BAD_HEADER, /* not a gzip header that we know */
    EXPAND_BAD_DATA,   /* not deflate data */
    EXPAND_BAD_CRC,    /* the gzip trailer's CRC32 differs from that of the output */
    EXPAND_BAD_SIZE,   /* the gzip trailer's length differs from that of the output */
};

/* Expand the deflate stream at the start of `in`.
 *
 * Sets `ret_used` to the number of input bytes that belong to the stream and
 * `ret_size` to the number of bytes written; neither on failure.  Never reads
 * beyond `in_size` and never writes beyond `out_capacity`.  Not for several
 * threads at once: the code tables are static, as loaders have small stacks. */
enum expand_status inflate_expand(const uint8_t *in, size_t in_size, uint8_t *out,
                                  size_t out_capacity, size_t *ret_used, size_t *ret_size);

#endif

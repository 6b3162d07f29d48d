/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_pdu.h"

#include <isa-l/crc.h>

/* ISA-L counts in int. */
#define PIECE_MAX (1u << 30)

guint32
iscsi_digest_add(guint32 digest, const void *data, gsize length)
{
    const guint8 *at = data;
    while (length > 0) {
        gsize n = MIN(length, PIECE_MAX);
        digest = crc32_iscsi((unsigned char *)at, (int)n, digest);
        at += n;
        length -= n;
    }
    return digest;
}

void
iscsi_digest_put(guint32 digest, guint8 to[ISCSI_DIGEST])
{
    guint32 value = GUINT32_TO_LE(~digest);
    memcpy(to, &value, sizeof value);
}

gboolean
iscsi_digest_is(guint32 digest, const guint8 stored[ISCSI_DIGEST])
{
    guint8 own[ISCSI_DIGEST];
    iscsi_digest_put(digest, own);
    return memcmp(own, stored, sizeof own) == 0;
}

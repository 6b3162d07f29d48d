/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/random.h"

#include "base/error.h"

#include <errno.h>
#include <sys/random.h>

gboolean
random_fill(void *buffer, gsize length, GError **error)
{
    guint8 *next = buffer;
    while (length > 0) {
        ssize_t got = getrandom(next, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(error, SLIPWAY_ERROR_FAILED,
                             "the operating system gives no random bytes: %s", g_strerror(errno));
        next += got;
        length -= (gsize)got;
    }
    return TRUE;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hyper/libvirt/failure.h"

#include "base/error.h"

#include <libvirt/virterror.h>
#include <stdarg.h>
#include <string.h>

static const struct row {
    int theirs;
    enum slipway_error ours;
} rows[] = {
    {VIR_ERR_NO_DOMAIN, SLIPWAY_ERROR_NOT_FOUND},
    {VIR_ERR_NO_NETWORK, SLIPWAY_ERROR_NOT_FOUND},
    {VIR_ERR_NO_STORAGE_POOL, SLIPWAY_ERROR_NOT_FOUND},
    {VIR_ERR_NO_STORAGE_VOL, SLIPWAY_ERROR_NOT_FOUND},
    {VIR_ERR_NO_DOMAIN_CHECKPOINT, SLIPWAY_ERROR_NOT_FOUND},
    {VIR_ERR_NO_DOMAIN_BACKUP, SLIPWAY_ERROR_NOT_FOUND},
    {VIR_ERR_DOM_EXIST, SLIPWAY_ERROR_EXISTS},
    {VIR_ERR_STORAGE_VOL_EXIST, SLIPWAY_ERROR_EXISTS},
    {VIR_ERR_AUTH_FAILED, SLIPWAY_ERROR_DENIED},
    {VIR_ERR_AUTH_CANCELLED, SLIPWAY_ERROR_DENIED},
    {VIR_ERR_AUTH_UNAVAILABLE, SLIPWAY_ERROR_DENIED},
    {VIR_ERR_ACCESS_DENIED, SLIPWAY_ERROR_DENIED},
    {VIR_ERR_OPERATION_DENIED, SLIPWAY_ERROR_DENIED},
    {VIR_ERR_NO_CONNECT, SLIPWAY_ERROR_NETWORK},
    {VIR_ERR_UNKNOWN_HOST, SLIPWAY_ERROR_NETWORK},
    {VIR_ERR_RPC, SLIPWAY_ERROR_NETWORK},
    {VIR_ERR_GNUTLS_ERROR, SLIPWAY_ERROR_NETWORK},
    {VIR_ERR_SSH, SLIPWAY_ERROR_NETWORK},
    {VIR_ERR_LIBSSH, SLIPWAY_ERROR_NETWORK},
    {VIR_ERR_NO_SUPPORT, SLIPWAY_ERROR_UNSUPPORTED},
    {VIR_ERR_OPERATION_UNSUPPORTED, SLIPWAY_ERROR_UNSUPPORTED},
    {VIR_ERR_CONFIG_UNSUPPORTED, SLIPWAY_ERROR_UNSUPPORTED},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, SLIPWAY_ERROR_UNSUPPORTED},
    {VIR_ERR_OPERATION_TIMEOUT, SLIPWAY_ERROR_BUSY}, /* another operation holds the machine */
    {VIR_ERR_RESOURCE_BUSY, SLIPWAY_ERROR_BUSY},
    {VIR_ERR_BLOCK_COPY_ACTIVE, SLIPWAY_ERROR_BUSY},
};

/* A system error is the daemon's socket when nothing but that was touched: a connection. */
static enum slipway_error
translate(const virError *last)
{
    if (last->code == VIR_ERR_SYSTEM_ERROR && last->domain == VIR_FROM_RPC) {
        gboolean permission =
            last->message != NULL && strstr(last->message, "Permission denied") != NULL;
        return permission ? SLIPWAY_ERROR_DENIED : SLIPWAY_ERROR_NETWORK;
    }
    if (last->code == VIR_ERR_INTERNAL_ERROR && last->domain == VIR_FROM_RPC)
        return SLIPWAY_ERROR_NETWORK; /* "client socket is closed" */
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].theirs == last->code)
            return rows[i].ours;
    return SLIPWAY_ERROR_FAILED;
}

static const char *
remedy(const virError *last)
{
    if (last->code == VIR_ERR_SYSTEM_ERROR && last->domain == VIR_FROM_RPC) {
        if (strstr(last->message, "Permission denied") != NULL)
            return "; run this as root, or be in the group libvirt";
        return "; is libvirtd running there ('systemctl status libvirtd')?";
    }
    return "";
}

char *
failure_words(void)
{
    const virError *last = virGetLastError();
    const char *text = last != NULL && last->message != NULL ? last->message : "no words";
    char *words = g_utf8_make_valid(text, -1);
    g_strdelimit(g_strstrip(words), "\n\r\t", ' ');
    return words;
}

static void
explain(GError **error, const char *format, va_list args)
{
    const virError *last = virGetLastError();
    enum slipway_error code = last != NULL ? translate(last) : SLIPWAY_ERROR_FAILED;
    const char *more = last != NULL && last->message != NULL ? remedy(last) : "";
    g_autofree char *words = failure_words();
    g_autofree char *tried = g_strdup_vprintf(format, args);
    error_set(error, code, "%s: %s%s", tried, words, more);
}

gboolean
failure_set(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    explain(error, format, args);
    va_end(args);
    return FALSE;
}

gpointer
failure_null(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    explain(error, format, args);
    va_end(args);
    return NULL;
}

gboolean
failure_is_missing(void)
{
    const virError *last = virGetLastError();
    return last != NULL && translate(last) == SLIPWAY_ERROR_NOT_FOUND;
}

gboolean
failure_is_silence(void)
{
    const virError *last = virGetLastError();
    return last != NULL &&
           (last->code == VIR_ERR_AGENT_UNRESPONSIVE || last->code == VIR_ERR_AGENT_UNSYNCED ||
            last->code == VIR_ERR_OPERATION_TIMEOUT || translate(last) == SLIPWAY_ERROR_NETWORK);
}

/* Some of these come from QEMU, and have no code of their own. */
gboolean
failure_is_tracking(void)
{
    const virError *last = virGetLastError();
    if (last == NULL || last->message == NULL)
        return FALSE;
    switch (translate(last)) {
    case SLIPWAY_ERROR_BUSY: /* "... (held by remoteDispatchDomainCheckpointCreateXML)" */
    case SLIPWAY_ERROR_NETWORK:
    case SLIPWAY_ERROR_DENIED:
        return FALSE;
    default:
        break;
    }
    switch (last->code) {
    case VIR_ERR_CHECKPOINT_INCONSISTENT:
    case VIR_ERR_INVALID_DOMAIN_CHECKPOINT:
    case VIR_ERR_NO_DOMAIN_CHECKPOINT:
        return TRUE;
    }
    g_autofree char *lower = g_ascii_strdown(last->message, -1);
    return strstr(lower, "bitmap") != NULL || strstr(lower, "checkpoint") != NULL ||
           strstr(lower, "incremental") != NULL;
}

static void
say_nothing(void *data, virErrorPtr error)
{
    (void)data;
    (void)error;
}

void
failure_silence(void)
{
    virSetErrorFunc(NULL, say_nothing);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>

static const struct {
    int exit_code;
    const char *name;
    const char *meaning;
} codes[SLIPWAY_ERROR_N] = {
    [SLIPWAY_ERROR_FAILED] = {1, "failed", "failed for a reason that has no code of its own"},
    [SLIPWAY_ERROR_USAGE] = {2, "usage", "the command line or the recipe is wrong"},
    [SLIPWAY_ERROR_NOT_FOUND] =
        {3, "not-found", "a file, depot, image profile, package, store or set is not there"},
    [SLIPWAY_ERROR_CORRUPT] = {4, "corrupt", "an input is damaged, malformed or hostile"},
    [SLIPWAY_ERROR_LIMIT] = {5, "limit", "an input is larger than its stated limit"},
    [SLIPWAY_ERROR_SIGNATURE] = {6, "signature", "a signature is missing, wrong or not trusted"},
    [SLIPWAY_ERROR_RULES] = {7, "rules", "the image profile breaks a rule"},
    [SLIPWAY_ERROR_NETWORK] = {8, "network", "a server does not answer, or answers wrongly"},
    [SLIPWAY_ERROR_DENIED] = {9, "denied",
                              "a server, a proxy or an encrypted store wants (other) credentials"},
    [SLIPWAY_ERROR_IO] = {10, "io", "the local disk is full, read-only, forbidden or failing"},
    [SLIPWAY_ERROR_EXISTS] = {11, "exists", "the target exists already; --overwrite replaces it"},
    [SLIPWAY_ERROR_READ_ONLY] = {12, "read-only",
                                 "the image profile is read-only, or the set archived"},
    [SLIPWAY_ERROR_UNSUPPORTED] = {13, "unsupported", "a format that is known but not handled"},
    [SLIPWAY_ERROR_BUSY] = {14, "busy", "another slipway holds the workspace or the store"},
    [SLIPWAY_ERROR_CANCELLED] = {130, "cancelled", "stopped by the user"},
};

/* G_DEFINE_QUARK would not do: two threads may make the first error at once. */
GQuark
slipway_error_quark(void)
{
    static gsize quark;
    if (g_once_init_enter(&quark))
        g_once_init_leave(&quark, g_quark_from_static_string("slipway-error-quark"));
    return (GQuark)quark;
}

static void
set_valist(GError **error, enum slipway_error code, const char *format, va_list args)
{
    if (error == NULL)
        return;
    g_autofree char *text = g_strdup_vprintf(format, args);
    /* A second error over a first would hide the cause: keep the first. */
    if (*error == NULL)
        g_set_error_literal(error, SLIPWAY_ERROR, (int)code, text);
}

gboolean
error_set(GError **error, enum slipway_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_valist(error, code, format, args);
    va_end(args);
    return FALSE;
}

gpointer
error_null(GError **error, enum slipway_error code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_valist(error, code, format, args);
    va_end(args);
    return NULL;
}

static const char *
errno_remedy(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return "; free some space or choose another place";
    case EACCES:
    case EPERM:
        return "; check the owner and the permissions";
    case EROFS:
        return "; choose a place that can be written";
    case EIO:
        return "; the medium is failing: look at the kernel's log, and replace it";
    default:
        return "";
    }
}

gboolean
error_set_errno(GError **error, int number, const char *format, ...)
{
    enum slipway_error code = SLIPWAY_ERROR_IO;
    if (number == ENOENT || number == ENOTDIR)
        code = SLIPWAY_ERROR_NOT_FOUND;
    else if (number == EEXIST)
        code = SLIPWAY_ERROR_EXISTS;

    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, code, "%s: %s%s", text, g_strerror(number), errno_remedy(number));
}

int
error_exit_code(const GError *error)
{
    if (error == NULL)
        return 0;
    if (error->domain != SLIPWAY_ERROR || error->code < 0 || error->code >= SLIPWAY_ERROR_N)
        return 1;
    return codes[error->code].exit_code;
}

int
error_code_exit(enum slipway_error code)
{
    return codes[code].exit_code;
}

const char *
error_code_name(enum slipway_error code)
{
    return codes[code].name;
}

const char *
error_code_meaning(enum slipway_error code)
{
    return codes[code].meaning;
}

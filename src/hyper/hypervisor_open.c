/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The drivers, and URIs: whose it is, and where the hypervisor ends and its machines begin. */
#include "base/error.h"
#include "base/secret.h"
#include "hyper/hypervisor_driver.h"

#include <string.h>

#define HYPERVISOR_URI_MAX 8192u /* bytes */

/* A row for every driver there is, also for those that are not in this program: their URIs are
 * known, and what is missing can be said. */
struct row {
    const char *name;
    const char *const *schemes;
    const struct hypervisor_class *class;
    const char *remedy;
};

static const char *const vsphere_schemes[] = {"vsphere", "esx", NULL};
static const char *const libvirt_schemes[] = {"qemu", "qemu+*", NULL};
static const char *const qemu_schemes[] = {"qmp", NULL};

static const struct row rows[] = {
    {
        .name = "vSphere",
        .schemes = vsphere_schemes,
#ifdef HYPERVISOR_WITH_VSPHERE
        .class = &hypervisor_vsphere,
#endif
        .remedy = "build it with that driver",
    },
    {
        .name = "libvirt",
        .schemes = libvirt_schemes,
#ifdef HYPERVISOR_WITH_LIBVIRT
        .class = &hypervisor_libvirt,
#endif
        .remedy = "install libvirt-dev and build it with -Dlibvirt=enabled",
    },
    {
        .name = "QEMU",
        .schemes = qemu_schemes,
#ifdef HYPERVISOR_WITH_QEMU
        .class = &hypervisor_qemu,
#endif
        .remedy = "build it with that driver",
    },
};

/* In lower case, up to "://"; NULL: the text begins with no scheme. */
static char *
get_scheme(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789+-.";
    gsize length = text != NULL ? strspn(text, allowed) : 0;
    if (length == 0 || !g_str_has_prefix(text + length, "://"))
        return NULL;
    return g_ascii_strdown(text, (gssize)length);
}

static gboolean
is_scheme(const char *pattern, const char *scheme)
{
    gsize length = strlen(pattern);
    if (pattern[length - 1] == '*')
        return strlen(scheme) >= length && strncmp(scheme, pattern, length - 1) == 0;
    return strcmp(scheme, pattern) == 0;
}

static const struct row *
find_row(const char *scheme)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const *schemes =
            rows[i].class != NULL ? rows[i].class->schemes : rows[i].schemes;
        for (; *schemes != NULL; schemes++)
            if (is_scheme(*schemes, scheme))
                return &rows[i];
    }
    return NULL;
}

gboolean
hypervisor_is_uri(const char *text)
{
    g_autofree char *scheme = get_scheme(text);
    return scheme != NULL && find_row(scheme) != NULL;
}

/* A URI's path may have wildcards: a question mark begins options only when a name and an equals
 * sign follow. */
static const char *
find_query(const char *text)
{
    for (; (text = strchr(text, '?')) != NULL; text++) {
        gsize length = 0;
        while (g_ascii_isalnum(text[1 + length]) || text[1 + length] == '_' ||
               text[1 + length] == '-')
            length++;
        if (length > 0 && text[1 + length] == '=')
            return text;
    }
    return NULL;
}

/* Decode what is between `begin` and `end`; NULL when it cannot be. */
static char *
decode(const char *begin, const char *end)
{
    g_autofree char *plain = g_uri_unescape_segment(begin, end, NULL);
    if (plain == NULL || !g_utf8_validate(plain, -1, NULL))
        return NULL;
    return g_steal_pointer(&plain);
}

/* Where what decodes to `length` bytes ends. */
static const char *
skip_decoded(const char *raw, const char *end, gsize length)
{
    for (; length > 0 && raw < end; length--)
        raw += *raw == '%' ? 3 : 1;
    return MIN(raw, end);
}

/* Names of users have an @ themselves ("administrator@vsphere.local"): the last one counts.  What
 * was given for a password is hidden wherever the URI is shown from now on. */
static gboolean
check_password(const char *authority, const char *end, GError **error)
{
    const char *at = g_strrstr_len(authority, end - authority, "@");
    const char *colon = at != NULL ? memchr(authority, ':', (gsize)(at - authority)) : NULL;
    if (colon == NULL)
        return TRUE;
    char *password = g_strndup(colon + 1, (gsize)(at - colon - 1));
    secret_register(password);
    secret_free(password);
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "the URI of the hypervisor has a password in it, which everybody on this "
                     "computer can read; leave it out and name a file that has it");
}

/* A password with a slash in it would otherwise look like a port and a path. */
static gboolean
check_port(const char *authority, const char *end, GError **error)
{
    const char *at = g_strrstr_len(authority, end - authority, "@");
    const char *bracket = g_strrstr_len(authority, end - authority, "]");
    const char *from = bracket != NULL ? bracket : at != NULL ? at : authority;
    const char *colon = memchr(from, ':', (gsize)(end - from));
    gsize digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
    return colon == NULL || colon + 1 + digits == end ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "the port in the URI of the hypervisor is no number (and a password does not "
                     "belong there: name a file that has it)");
}

static gboolean
check_uri(const char *uri, const char *authority, const char *path, const char *end, GError **error)
{
    for (const char *c = uri; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "the URI of the hypervisor has a control character in it");
    if (!check_password(authority, path, error))
        return FALSE;
    if (check_port(authority, path, error))
        return TRUE;
    /* To hide what may have been meant for one, the rest of it too. */
    check_password(authority, end, NULL);
    return FALSE;
}

static const struct row *
look_up(const char *uri, char **ret_scheme, GError **error)
{
    if (uri != NULL && strlen(uri) > HYPERVISOR_URI_MAX)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "the URI of the hypervisor is longer than %u bytes", HYPERVISOR_URI_MAX);
    g_autofree char *scheme = get_scheme(uri);
    const struct row *row = scheme != NULL ? find_row(scheme) : NULL;
    if (row == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "%s%s is no URI of a hypervisor; they begin with vsphere://, esx://, "
                          "qemu:///, qemu+unix:///, qemu+ssh:// or qmp:///",
                          scheme != NULL ? scheme : "that", scheme != NULL ? "://..." : "");
    *ret_scheme = g_steal_pointer(&scheme);
    return row;
}

gboolean
hypervisor_uri_split(const char *uri, char **ret_host, char **ret_path, GError **error)
{
    g_autofree char *scheme = NULL;
    const struct row *row = look_up(uri, &scheme, error);
    if (row == NULL)
        return FALSE;
    const char *authority = uri + strlen(scheme) + strlen("://");
    const char *query = find_query(authority);
    const char *end = query != NULL ? query : authority + strlen(authority);
    const char *path = g_strstr_len(authority, end - authority, "/");
    if (path == NULL)
        path = end;
    if (!check_uri(uri, authority, path, end, error))
        return FALSE;

    g_autofree char *plain = decode(path, end);
    if (plain == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the path in the URI of the hypervisor is not UTF-8, percent-encoded");
    gsize own = row->class != NULL && row->class->path_length != NULL
                    ? row->class->path_length(scheme, plain)
                    : 0;
    own = MIN(own, strlen(plain));
    const char *machines = skip_decoded(path, end, own);
    *ret_host = g_strdup_printf("%s://%.*s%s", scheme, (int)(machines - authority), authority,
                                query != NULL ? query : "");
    if (ret_path != NULL)
        *ret_path = g_strdup(plain + own);
    return TRUE;
}

struct hypervisor *
hypervisor_open(const char *uri, const struct hypervisor_options *options, GError **error)
{
    static const struct hypervisor_options defaults;
    g_autofree char *scheme = NULL, *host = NULL;
    const struct row *row = look_up(uri, &scheme, error);
    if (row == NULL || !hypervisor_uri_split(uri, &host, NULL, error))
        return NULL;
    if (row->class == NULL)
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "this slipway was built without its driver of %s, which %s:// needs; %s",
                          row->name, scheme, row->remedy);
    return row->class->open(host, options != NULL ? options : &defaults, error);
}

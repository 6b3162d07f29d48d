/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/url.h"

#include "base/error.h"
#include "base/secret.h"

#include <curl/curl.h>
#include <string.h>

/* Shortest run of characters that can be a token. */
#define TOKEN_MIN 20
/* In it is a run of so many letters and digits; names of words with dashes have none. */
#define TOKEN_RUN_MIN 12
#define BASENAME_MAX 100

struct span {
    const char *text;
    gsize length;
};

/* Where the parts of a URL lie in its text.  An absent part has text NULL. */
struct parts {
    struct span head; /* scheme and slashes */
    struct span user; /* without its @ */
    struct span host; /* with its port */
    struct span path;
    struct span query;
    struct span fragment;
};

gboolean
url_is_http(const char *text)
{
    return g_ascii_strncasecmp(text, "http://", 7) == 0 ||
           g_ascii_strncasecmp(text, "https://", 8) == 0;
}

static struct span
span_of(const char *begin, const char *end)
{
    return (struct span){begin, (gsize)(end - begin)};
}

/* Where the @ of the authority stands, NULL without.  A password may hold an
 * unescaped slash, against the rules: what follows the colon is then no port, and
 * an @ comes later. */
static const char *
find_at(const char *authority, const char **end)
{
    const char *at = memrchr(authority, '@', (gsize)(*end - authority));
    if (at != NULL || *authority == '[')
        return at;
    const char *colon = memchr(authority, ':', (gsize)(*end - authority));
    if (colon == NULL || colon + 1 + strspn(colon + 1, "0123456789") == *end)
        return NULL;
    at = strrchr(*end, '@');
    if (at != NULL)
        *end = at + strcspn(at, "/?#");
    return at;
}

/* Split `url` for showing: it may be anything, nothing is refused. */
static struct parts
split(const char *url)
{
    struct parts parts = {0};
    const char *slashes = strstr(url, "://");
    const char *authority = slashes != NULL ? slashes + 3 : url;
    const char *end = authority + strcspn(authority, "/?#");
    const char *at = find_at(authority, &end);
    if (slashes == NULL && at == NULL)
        end = authority; /* a relative reference has neither */

    parts.head = span_of(url, authority);
    if (at != NULL)
        parts.user = span_of(authority, at);
    parts.host = span_of(at != NULL ? at + 1 : authority, end);
    const char *path_end = end + strcspn(end, "?#");
    parts.path = span_of(end, path_end);
    const char *query_end = path_end;
    if (*path_end == '?') {
        query_end = path_end + strcspn(path_end, "#");
        parts.query = span_of(path_end + 1, query_end);
    }
    if (*query_end == '#')
        parts.fragment = span_of(query_end + 1, query_end + strlen(query_end));
    return parts;
}

static gboolean
token_like(struct span span)
{
    gboolean letters = FALSE, digits = FALSE;
    gsize run = 0, longest = 0;
    for (gsize i = 0; i < span.length; i++) {
        letters |= g_ascii_isalpha(span.text[i]);
        digits |= g_ascii_isdigit(span.text[i]);
        if (!g_ascii_isalnum(span.text[i]) && strchr("_~=-", span.text[i]) == NULL)
            return FALSE;
        run = g_ascii_isalnum(span.text[i]) ? run + 1 : 0;
        longest = MAX(longest, run);
    }
    return span.length >= TOKEN_MIN && longest >= TOKEN_RUN_MIN && letters && digits;
}

static gboolean
is_broadcom(struct span host)
{
    static const char name[] = "dl.broadcom.com";
    gsize length = sizeof name - 1;
    return host.length >= length && g_ascii_strncasecmp(host.text, name, length) == 0 &&
           (host.length == length || host.text[length] == ':');
}

static void
register_span(struct span span)
{
    g_autofree char *raw = g_strndup(span.text, span.length);
    g_autofree char *plain = g_uri_unescape_string(raw, NULL);
    secret_register(raw);
    secret_register(plain);
}

/* Show `span` as it is or, when hidden, as stars; `remember` registers it. */
static void
show(GString *shown, struct span span, gboolean hidden, gboolean remember)
{
    if (!hidden)
        g_string_append_len(shown, span.text, (gssize)span.length);
    else
        g_string_append(shown, "***");
    if (hidden && remember)
        register_span(span);
}

static void
show_user(GString *shown, struct span user, gboolean remember)
{
    if (user.text == NULL)
        return;
    const char *colon = memchr(user.text, ':', user.length);
    const char *end = user.text + user.length;
    struct span name = span_of(user.text, colon != NULL ? colon : end);
    show(shown, name, token_like(name), remember);
    if (colon != NULL) {
        g_string_append_c(shown, ':');
        show(shown, span_of(colon + 1, end), TRUE, remember);
    }
    g_string_append_c(shown, '@');
}

static void
show_path(GString *shown, struct span path, gboolean hide_first, gboolean remember)
{
    const char *at = path.text, *end = path.text + path.length;
    while (at < end) {
        const char *stop = memchr(at, '/', (gsize)(end - at));
        struct span segment = span_of(at, stop != NULL ? stop : end);
        gboolean hidden = segment.length > 0 && (hide_first || token_like(segment));
        if (segment.length > 0)
            hide_first = FALSE;
        show(shown, segment, hidden, remember);
        if (stop != NULL)
            g_string_append_c(shown, '/');
        at = segment.text + segment.length + 1;
    }
}

/* Whether a query's value is a secret for certain, not just perhaps. */
static gboolean
names_secret(struct span name, struct span value)
{
    static const char *const hints[] = {"token", "key",  "sig", "pass", "pwd",   "secret",
                                        "auth",  "cred", "jwt", "hmac", "hdnea", "session"};
    g_autofree char *text = g_strndup(name.text, name.length);
    g_autofree char *lower = g_ascii_strdown(text, -1);
    for (gsize i = 0; i < G_N_ELEMENTS(hints); i++)
        if (strstr(lower, hints[i]) != NULL)
            return TRUE;
    return value.length >= TOKEN_MIN;
}

static void
show_query(GString *shown, struct span query, gboolean remember)
{
    if (query.text == NULL)
        return;
    g_string_append_c(shown, '?');
    const char *at = query.text, *end = query.text + query.length;
    while (at < end) {
        gsize length = 0;
        while (at + length < end && strchr("&;", at[length]) == NULL)
            length++;
        const char *equals = memchr(at, '=', length);
        struct span name = span_of(at, equals != NULL ? equals : at);
        struct span value = span_of(equals != NULL ? equals + 1 : at, at + length);
        g_string_append_len(shown, at, value.text - at);
        if (value.length > 0)
            show(shown, value, TRUE, remember && names_secret(name, value));
        if (at + length < end)
            g_string_append_c(shown, at[length]);
        at += length + 1;
    }
}

static char *
show_url(const char *url, gboolean remember)
{
    struct parts parts = split(url);
    GString *shown = g_string_new_len(parts.head.text, (gssize)parts.head.length);
    show_user(shown, parts.user, remember);
    g_string_append_len(shown, parts.host.text, (gssize)parts.host.length);
    show_path(shown, parts.path, is_broadcom(parts.host), remember);
    show_query(shown, parts.query, remember);
    if (parts.fragment.text != NULL) {
        g_string_append_c(shown, '#');
        show(shown, parts.fragment, parts.fragment.length > 0, FALSE);
    }
    return g_string_free(shown, FALSE);
}

char *
url_redact(const char *url)
{
    g_autofree char *shown = show_url(url, FALSE);
    return secret_redact(shown);
}

void
url_register_secrets(const char *url)
{
    g_free(show_url(url, TRUE));
}

/* libcurl's own parser, since what libcurl connects to is what counts. */
char *
url_origin(const char *url)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;
    CURLU *parts = curl_url();
    if (url_is_http(url) && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        g_autofree char *text = g_strdup_printf("%s://%s:%s", scheme, host, port);
        origin = g_ascii_strdown(text, -1);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return origin;
}

/* People and programs leave bytes in a reference that RFC 3986 wants encoded. */
static char *
encode_stray(const char *reference)
{
    GString *encoded = g_string_new(NULL);
    for (const char *at = reference; *at != '\0'; at++) {
        gboolean stray_percent =
            *at == '%' && !(g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2]));
        if ((guchar)*at > 0x7f || strchr(" \"<>\\^`{|}", *at) != NULL || stray_percent)
            g_string_append_printf(encoded, "%%%02X", (guchar)*at);
        else
            g_string_append_c(encoded, *at);
    }
    return g_string_free(encoded, FALSE);
}

static gboolean
check_text(const char *text, GError **error)
{
    if (strlen(text) > URL_MAX)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "a URL of more than %d bytes is refused",
                         URL_MAX);
    for (const char *at = text; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            return error_set(error, SLIPWAY_ERROR_CORRUPT,
                             "a URL with a control character in it is refused");
    return TRUE;
}

static GUri *
parse_relative(const char *base, const char *reference)
{
    const GUriFlags flags = G_URI_FLAGS_ENCODED | G_URI_FLAGS_PARSE_RELAXED;
    g_autofree char *encoded = encode_stray(reference);
    g_autofree char *encoded_base = encode_stray(base != NULL ? base : "");
    g_autoptr(GUri) base_uri = base != NULL ? g_uri_parse(encoded_base, flags, NULL) : NULL;
    if (base != NULL && base_uri == NULL)
        return NULL;
    return g_uri_parse_relative(base_uri, encoded, flags, NULL);
}

/* A name or an address, as every reader of URLs understands it.  GLib has decoded it, and made
 * ASCII of international names. */
static gboolean
host_is_plain(const char *host)
{
    if (host == NULL || *host == '\0')
        return FALSE;
    if (strchr(host, ':') != NULL)
        return g_hostname_is_ip_address(host) && strchr(host, '%') == NULL; /* no zones */
    while (g_ascii_isalnum(*host) || (*host != '\0' && strchr("-._~", *host) != NULL))
        host++;
    return *host == '\0';
}

char *
url_resolve(const char *base, const char *reference, GError **error)
{
    if (!check_text(reference, error) || (base != NULL && !check_text(base, error)))
        return NULL;
    g_autoptr(GUri) uri = parse_relative(base, reference);
    g_autofree char *shown = url_redact(reference);
    if (uri == NULL ||
        (strcmp(g_uri_get_scheme(uri), "http") != 0 && strcmp(g_uri_get_scheme(uri), "https") != 0))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s is no http or https URL", shown);
    if (!host_is_plain(g_uri_get_host(uri)))
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s names no host", shown);
    /* GLib ends a host at a `;`, others do not: nobody means such a URL. */
    if (*g_uri_get_path(uri) != '\0' && *g_uri_get_path(uri) != '/')
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s is no http or https URL", shown);

    g_autofree char *url = g_uri_join(
        G_URI_FLAGS_ENCODED, g_uri_get_scheme(uri), g_uri_get_userinfo(uri), g_uri_get_host(uri),
        g_uri_get_port(uri), g_uri_get_path(uri), g_uri_get_query(uri), NULL);
    if (!check_text(url, error))
        return NULL;
    return g_steal_pointer(&url);
}

static void
make_safe(GString *name)
{
    for (gsize i = 0; i < name->len; i++)
        if (!g_ascii_isalnum(name->str[i]) && strchr("._+-", name->str[i]) == NULL)
            name->str[i] = '_';
    /* The end says what kind of file it is. */
    if (name->len > BASENAME_MAX)
        g_string_erase(name, 0, (gssize)(name->len - BASENAME_MAX));
    if (name->str[0] == '.')
        name->str[0] = '_';
}

char *
url_basename(const char *url)
{
    struct parts parts = split(url);
    const char *end = parts.path.text + parts.path.length;
    const char *slash = memrchr(parts.path.text, '/', parts.path.length);
    struct span segment = span_of(slash != NULL ? slash + 1 : parts.path.text, end);
    gboolean first = slash == parts.path.text && is_broadcom(parts.host);
    if (segment.length == 0 || first || token_like(segment))
        return g_strdup("download");

    g_autofree char *raw = g_strndup(segment.text, segment.length);
    g_autofree char *plain = g_uri_unescape_string(raw, NULL);
    GString *name = g_string_new(plain != NULL ? plain : raw);
    make_safe(name);
    return g_string_free(name, FALSE);
}

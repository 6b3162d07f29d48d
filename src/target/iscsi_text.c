/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "target/iscsi_text.h"

#include "base/error.h"

#include <stdarg.h>
#include <string.h>

struct iscsi_text {
    char *bytes;
    guint n;
    struct iscsi_pair pairs[ISCSI_TEXT_KEYS_MAX];
};

/* A key begins with a letter; RFC 7143 also allows these signs in it. */
static gboolean
is_key(const char *key)
{
    if (!g_ascii_isalpha(*key) || strlen(key) > ISCSI_KEY_MAX)
        return FALSE;
    for (const char *at = key; *at != '\0'; at++) {
        if (!g_ascii_isalnum(*at) && strchr(".-+@_/#:", *at) == NULL)
            return FALSE;
    }
    return TRUE;
}

static gboolean
add(struct iscsi_text *text, char *pair, GError **error)
{
    char *sign = strchr(pair, '=');
    if (sign == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "a text without \"=\"");
    *sign = '\0';
    if (!is_key(pair))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "a key that is none");
    if (iscsi_text_get(text, pair) != NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "the key %s twice", pair);
    if (text->n == ISCSI_TEXT_KEYS_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "more than %u keys", ISCSI_TEXT_KEYS_MAX);
    text->pairs[text->n++] = (struct iscsi_pair){pair, sign + 1};
    return TRUE;
}

static gboolean
parse(struct iscsi_text *text, gsize length, GError **error)
{
    char *at = text->bytes, *end = text->bytes + length;
    while (at < end) {
        gsize n = strlen(at);
        /* Some pad with more than one NUL. */
        if (n > 0 && !add(text, at, error))
            return FALSE;
        at += n + 1;
    }
    return TRUE;
}

struct iscsi_text *
iscsi_text_parse(const void *data, gsize length, GError **error)
{
    const char *bytes = data;
    if (length > ISCSI_TEXT_MAX)
        return error_null(error, SLIPWAY_ERROR_LIMIT, "a text of more than %u bytes",
                          ISCSI_TEXT_MAX);
    if (length > 0 && bytes[length - 1] != '\0')
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "a text without its end");
    auto_ptr(iscsi_text) text = g_new0(struct iscsi_text, 1);
    text->bytes = g_malloc0(length + 1);
    if (length > 0)
        memcpy(text->bytes, data, length);
    return parse(text, length, error) ? g_steal_pointer(&text) : NULL;
}

void
iscsi_text_free(struct iscsi_text *text)
{
    if (text == NULL)
        return;
    g_free(text->bytes);
    g_free(text);
}

guint
iscsi_text_count(const struct iscsi_text *text)
{
    return text->n;
}

struct iscsi_pair
iscsi_text_at(const struct iscsi_text *text, guint i)
{
    g_assert(i < text->n);
    return text->pairs[i];
}

const char *
iscsi_text_get(const struct iscsi_text *text, const char *key)
{
    for (guint i = 0; i < text->n; i++) {
        if (g_str_equal(text->pairs[i].key, key))
            return text->pairs[i].value;
    }
    return NULL;
}

void
iscsi_text_put(GByteArray *to, const char *key, const char *value)
{
    g_byte_array_append(to, (const guint8 *)key, (guint)strlen(key));
    g_byte_array_append(to, (const guint8 *)"=", 1);
    g_byte_array_append(to, (const guint8 *)value, (guint)strlen(value) + 1);
}

void
iscsi_text_putf(GByteArray *to, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *value = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    iscsi_text_put(to, key, value);
}

/* ---- Values ---------------------------------------------------------------------------------- */

gboolean
iscsi_number_parse(const char *text, guint32 low, guint32 high, guint32 *ret)
{
    guint64 value = 0;
    gboolean hexadecimal = g_ascii_strncasecmp(text, "0x", 2) == 0;
    const char *digits = hexadecimal ? text + 2 : text;
    if (!g_ascii_string_to_unsigned(digits, hexadecimal ? 16 : 10, low, high, &value, NULL))
        return FALSE;
    *ret = (guint32)value;
    return TRUE;
}

gboolean
iscsi_boolean_parse(const char *text, gboolean *ret)
{
    *ret = g_str_equal(text, "Yes");
    return *ret || g_str_equal(text, "No");
}

gboolean
iscsi_list_has(const char *list, const char *word)
{
    gsize length = strlen(word);
    for (const char *at = list;;) {
        gsize n = strcspn(at, ",");
        if (n == length && memcmp(at, word, n) == 0)
            return TRUE;
        if (at[n] == '\0')
            return FALSE;
        at += n + 1;
    }
}

static GBytes *
parse_hexadecimal(const char *digits, gsize max)
{
    gsize n = strlen(digits), at = 0;
    gsize length = (n + 1) / 2;
    if (n == 0 || length > max)
        return NULL;
    g_autofree guint8 *bytes = g_malloc0(length);
    /* An odd number of digits: the first one is a byte by itself. */
    for (gsize i = n % 2; at < n; at++, i++) {
        int value = g_ascii_xdigit_value(digits[at]);
        if (value < 0)
            return NULL;
        bytes[i / 2] = (guint8)(bytes[i / 2] << 4 | value);
    }
    return g_bytes_new_take(g_steal_pointer(&bytes), length);
}

/* g_base64_decode() skips what is no digit; here that is no base64. */
static GBytes *
parse_base64(const char *digits, gsize max)
{
    gsize n = strlen(digits), length = 0;
    gsize body = n;
    while (body > 0 && n - body < 2 && digits[body - 1] == '=')
        body--;
    if (n == 0 || n % 4 != 0 || n / 4 * 3 > max + 2)
        return NULL;
    for (gsize i = 0; i < body; i++) {
        if (!g_ascii_isalnum(digits[i]) && digits[i] != '+' && digits[i] != '/')
            return NULL;
    }
    g_autofree guint8 *bytes = g_base64_decode(digits, &length);
    if (length == 0 || length > max)
        return NULL;
    return g_bytes_new_take(g_steal_pointer(&bytes), length);
}

GBytes *
iscsi_binary_parse(const char *text, gsize max)
{
    if (g_ascii_strncasecmp(text, "0x", 2) == 0)
        return parse_hexadecimal(text + 2, max);
    if (g_ascii_strncasecmp(text, "0b", 2) == 0)
        return parse_base64(text + 2, max);
    return NULL;
}

char *
iscsi_binary_format(const void *data, gsize length)
{
    static const char digits[] = "0123456789abcdef";
    const guint8 *bytes = data;
    GString *text = g_string_sized_new(2 * length + 2);
    g_string_append(text, "0x");
    for (gsize i = 0; i < length; i++) {
        g_string_append_c(text, digits[bytes[i] >> 4]);
        g_string_append_c(text, digits[bytes[i] & 15]);
    }
    return g_string_free(text, FALSE);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static gboolean
all_of(const char *text, gboolean (*wanted)(char), gsize least)
{
    gsize n = 0;
    while (wanted(text[n]))
        n++;
    return text[n] == '\0' && n >= least;
}

static gboolean
is_hexadecimal(char c)
{
    return g_ascii_isxdigit(c);
}

static gboolean
is_name_character(char c)
{
    return g_ascii_islower(c) || g_ascii_isdigit(c) || c == '-' || c == '.' || c == ':';
}

/* "iqn.2024-01.org.example:anything" */
static gboolean
is_qualified(const char *name)
{
    const char *at = name + 4;
    for (guint i = 0; i < 7; i++, at++) {
        if (i == 4 ? *at != '-' : !g_ascii_isdigit(*at))
            return FALSE;
    }
    return *at == '.' && all_of(at + 1, is_name_character, 1);
}

gboolean
iscsi_name_is_valid(const char *name)
{
    gsize length = strlen(name);
    if (length > ISCSI_NAME_MAX)
        return FALSE;
    if (g_str_has_prefix(name, "iqn."))
        return is_qualified(name);
    if (g_str_has_prefix(name, "eui."))
        return length == 20 && all_of(name + 4, is_hexadecimal, 16);
    if (g_str_has_prefix(name, "naa."))
        return (length == 20 || length == 36) && all_of(name + 4, is_hexadecimal, 16);
    return FALSE;
}

char *
iscsi_name_fold(const char *name)
{
    return g_ascii_strdown(name, -1);
}

char *
iscsi_printable(const char *text)
{
    char *shown = g_strndup(text, ISCSI_NAME_MAX);
    for (char *at = shown; *at != '\0'; at++) {
        if (!g_ascii_isprint(*at))
            *at = '?';
    }
    return shown;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/boot_sign.h"

#include "base/error.h"
#include "engine/boot_screen.h"

#include <jansson.h>
#include <string.h>

struct boot_sign {
    GRegex *text;
    guint settle_ms;
    GString *serial;
    GString *agent; /* a line that is not whole yet */
    GBytes *screen; /* as it is since `since`; NULL: none yet */
    gint64 since;
    guint colours, width, height; /* of that screen */
    enum boot_sign_kind found;
    char *words;
};

const char *
boot_sign_name(enum boot_sign_kind kind)
{
    static const char *const names[] = {NULL, "serial", "agent", "screen"};
    return names[kind];
}

struct boot_sign *
boot_sign_new(const char *text, guint settle_ms, GError **error)
{
    g_autoptr(GError) local = NULL;
    if (text == NULL)
        text = BOOT_SIGN_TEXT_DEFAULT;
    /* RAW: the guest writes bytes, not characters. */
    GRegex *regex = g_regex_new(text, G_REGEX_RAW | G_REGEX_OPTIMIZE, 0, &local);
    if (regex == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE, "\"%s\" is no regular expression: %s", text,
                          local->message);
    struct boot_sign *sign = g_new0(struct boot_sign, 1);
    sign->text = regex;
    sign->settle_ms = settle_ms;
    sign->serial = g_string_new(NULL);
    sign->agent = g_string_new(NULL);
    return sign;
}

void
boot_sign_free(struct boot_sign *sign)
{
    if (sign == NULL)
        return;
    g_regex_unref(sign->text);
    g_string_free(sign->serial, TRUE);
    g_string_free(sign->agent, TRUE);
    g_clear_pointer(&sign->screen, g_bytes_unref);
    g_free(sign->words);
    g_free(sign);
}

static void
find(struct boot_sign *sign, enum boot_sign_kind kind, char *words)
{
    if (sign->found == BOOT_SIGN_NONE) {
        sign->found = kind;
        sign->words = words;
    } else {
        g_free(words);
    }
}

/* ---- Serial port ----------------------------------------------------------------------------- */

/* How many bytes of a terminal's sequence ("ESC [ ... letter") begin here; 0: none does. */
static gsize
sequence(const char *text, gsize length)
{
    if (length < 2 || text[0] != '\033' || text[1] != '[')
        return 0;
    gsize n = 2;
    while (n < length && (g_ascii_isdigit(text[n]) || text[n] == ';' || text[n] == '?'))
        n++;
    return MIN(n + 1, length);
}

/* Bytes of the guest as words for people: printable ASCII in one line, the end of it. */
static char *
clean(const char *text, gsize length)
{
    g_autoptr(GString) words = g_string_new(NULL);
    for (gsize i = 0, n; i < length; i += n) {
        n = sequence(text + i, length - i);
        if (n == 0 && g_ascii_isprint(text[i]))
            g_string_append_c(words, text[i]);
        else if (words->len > 0 && words->str[words->len - 1] != ' ')
            g_string_append_c(words, ' ');
        n = MAX(n, 1);
    }
    const char *end = words->len > BOOT_SIGN_WORDS_MAX
                          ? words->str + words->len - BOOT_SIGN_WORDS_MAX
                          : words->str;
    return g_strstrip(g_strdup(end));
}

static void
search(struct boot_sign *sign)
{
    g_autoptr(GMatchInfo) match = NULL;
    gint start = 0, end = 0;
    /* A search that would take too long fails, which is no match. */
    if (!g_regex_match_full(sign->text, sign->serial->str, (gssize)sign->serial->len, 0, 0, &match,
                            NULL) ||
        !g_match_info_fetch_pos(match, 0, &start, &end))
        return;
    g_autofree char *what = clean(sign->serial->str + start, (gsize)(end - start));
    find(sign, BOOT_SIGN_SERIAL, g_strdup_printf("\"%s\" on the serial port", what));
}

void
boot_sign_take_serial(struct boot_sign *sign, const void *data, gsize length)
{
    const char *bytes = data;
    if (length > BOOT_SIGN_SERIAL_MAX) {
        bytes += length - BOOT_SIGN_SERIAL_MAX;
        length = BOOT_SIGN_SERIAL_MAX;
    }
    if (sign->serial->len + length > BOOT_SIGN_SERIAL_MAX)
        g_string_erase(sign->serial, 0,
                       (gssize)(sign->serial->len + length - BOOT_SIGN_SERIAL_MAX));
    g_string_append_len(sign->serial, bytes, (gssize)length);
    if (sign->found == BOOT_SIGN_NONE && length > 0)
        search(sign);
}

/* ---- Agent ----------------------------------------------------------------------------------- */

static void
take_answer(struct boot_sign *sign)
{
    json_t *answer = json_loadb(sign->agent->str, sign->agent->len, 0, NULL);
    if (json_object_get(answer, "return") != NULL)
        find(sign, BOOT_SIGN_AGENT, g_strdup("the guest agent answers"));
    json_decref(answer);
}

void
boot_sign_take_agent(struct boot_sign *sign, const void *data, gsize length)
{
    for (const char *c = data; length > 0; c++, length--) {
        if (*c == '\n') {
            take_answer(sign);
            g_string_truncate(sign->agent, 0);
        } else if (sign->agent->len < BOOT_SIGN_AGENT_MAX) {
            g_string_append_c(sign->agent, *c);
        }
    }
}

/* ---- Screen ---------------------------------------------------------------------------------- */

static gboolean
is_same(const struct boot_sign *sign, const struct boot_screen *screen)
{
    struct boot_screen before;
    return sign->screen != NULL && boot_screen_parse(sign->screen, &before, NULL) &&
           boot_screen_same(&before, screen);
}

/* It is always held against what it was first: what changes little by little changes. */
void
boot_sign_take_screen(struct boot_sign *sign, GBytes *dump, gint64 now_ms)
{
    struct boot_screen screen;
    gboolean known = boot_screen_parse(dump, &screen, NULL);
    if (!known || !is_same(sign, &screen)) {
        g_clear_pointer(&sign->screen, g_bytes_unref);
        sign->screen = known ? g_bytes_ref(dump) : NULL;
        sign->since = now_ms;
        sign->colours = known ? boot_screen_colours(&screen, BOOT_SCREEN_COLOURS_MANY) : 0;
        sign->width = screen.width;
        sign->height = screen.height;
        return;
    }
    if (sign->settle_ms > 0 && sign->colours >= BOOT_SCREEN_COLOURS_MANY &&
        now_ms - sign->since >= (gint64)sign->settle_ms)
        find(sign, BOOT_SIGN_SCREEN,
             g_strdup_printf("a screen of %u x %u that stays as it is", screen.width,
                             screen.height));
}

/* ---- Results --------------------------------------------------------------------------------- */

enum boot_sign_kind
boot_sign_found(const struct boot_sign *sign, char **ret_words)
{
    if (ret_words != NULL)
        *ret_words = g_strdup(sign->words);
    return sign->found;
}

char *
boot_sign_lack(const struct boot_sign *sign)
{
    g_autofree char *end = clean(sign->serial->str, sign->serial->len);
    GString *text = g_string_new(NULL);
    if (*end != '\0')
        g_string_append_printf(text, "the serial port ends with \"%s\"", end);
    else
        g_string_append(text, "nothing on the serial port");
    if (sign->screen == NULL)
        g_string_append(text, "; no screen");
    else if (sign->colours <= 1)
        g_string_append(text, "; the screen is blank");
    else if (sign->colours < BOOT_SCREEN_COLOURS_MANY)
        g_string_append(text, "; the screen shows text or little else");
    else
        g_string_append(text, "; the screen did not come to rest");
    return g_string_free(text, FALSE);
}

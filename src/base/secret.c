/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/secret.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Shorter ones would blank out ordinary text. */
#define SECRET_MIN 4

static GMutex lock;
static GHashTable *forms; /* a set: every secret in every form */

/* g_uri_escape_string() writes %2F; servers and people also write %2f. */
static char *
lower_escapes(const char *escaped)
{
    char *lower = g_strdup(escaped);
    for (char *at = strchr(lower, '%'); at != NULL && at[1] && at[2]; at = strchr(at + 3, '%')) {
        at[1] = g_ascii_tolower(at[1]);
        at[2] = g_ascii_tolower(at[2]);
    }
    return lower;
}

void
secret_register(const char *secret)
{
    if (secret == NULL || strlen(secret) < SECRET_MIN)
        return;
    char *escaped = g_uri_escape_string(secret, NULL, FALSE);
    char *lower = lower_escapes(escaped);

    g_mutex_lock(&lock);
    if (forms == NULL)
        forms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(forms, g_strdup(secret));
    g_hash_table_add(forms, escaped);
    g_hash_table_add(forms, lower);
    g_mutex_unlock(&lock);
}

void
secret_forget_all(void)
{
    g_mutex_lock(&lock);
    GHashTableIter iter;
    gpointer form = NULL;
    if (forms != NULL) {
        g_hash_table_iter_init(&iter, forms);
        while (g_hash_table_iter_next(&iter, &form, NULL)) {
            g_hash_table_iter_steal(&iter);
            secret_free(form);
        }
    }
    g_mutex_unlock(&lock);
}

/* Secrets may overlap, so the bytes to hide are marked first. */
static void
mark(const char *text, const char *form, char *hidden)
{
    gsize length = strlen(form);
    for (const char *at = strstr(text, form); at != NULL; at = strstr(at + 1, form))
        memset(hidden + (at - text), 1, length);
}

static char *
blank(const char *text, const char *hidden)
{
    GString *shown = g_string_new(NULL);
    for (gsize i = 0; text[i] != '\0'; i++) {
        if (!hidden[i])
            g_string_append_c(shown, text[i]);
        else if (i == 0 || !hidden[i - 1])
            g_string_append(shown, "***");
    }
    return g_string_free(shown, FALSE);
}

char *
secret_redact(const char *text)
{
    if (text == NULL)
        return NULL;
    g_autofree char *hidden = g_malloc0(strlen(text) + 1);

    g_mutex_lock(&lock);
    GHashTableIter iter;
    gpointer form = NULL;
    if (forms != NULL) {
        g_hash_table_iter_init(&iter, forms);
        while (g_hash_table_iter_next(&iter, &form, NULL))
            mark(text, form, hidden);
    }
    g_mutex_unlock(&lock);
    return blank(text, hidden);
}

/* Byte by byte, so that nothing after the line is taken from a pipe or terminal
 * and a second secret can follow on it. */
static gboolean
read_line(int fd, const char *path, char *line, gsize *ret_length, GError **error)
{
    gsize length = 0;
    for (;;) {
        char byte = '\0';
        ssize_t got = read(fd, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, errno, "cannot read the secret in %s", path);
        if (got == 0 || byte == '\n')
            break;
        if (length == SECRET_MAX)
            return error_set(error, SLIPWAY_ERROR_LIMIT,
                             "%s: its first line is longer than %d bytes and no secret; give a "
                             "file with the secret alone",
                             path, SECRET_MAX);
        line[length++] = byte;
    }
    if (length > 0 && line[length - 1] == '\r')
        length--;
    *ret_length = length;
    return TRUE;
}

static char *
take_line(int fd, const char *path, GError **error)
{
    char line[SECRET_MAX + 1] = "";
    gsize length = 0;
    char *secret = NULL;
    if (!read_line(fd, path, line, &length, error))
        secret = NULL;
    else if (length == 0)
        error_set(error, SLIPWAY_ERROR_USAGE, "%s: holds no secret: its first line is empty", path);
    else if (memchr(line, '\0', length) != NULL)
        error_set(error, SLIPWAY_ERROR_USAGE, "%s: holds a NUL byte and so no secret", path);
    else
        secret = g_strndup(line, length);
    explicit_bzero(line, sizeof line);
    return secret;
}

char *
secret_read_file(const char *path, GError **error)
{
    gboolean standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open %s for the secret in it", path);
        return NULL;
    }
    char *secret = take_line(fd, standard_input ? "standard input" : path, error);
    if (!standard_input)
        close(fd);
    secret_register(secret);
    return secret;
}

void
secret_free(char *secret)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

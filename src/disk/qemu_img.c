/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "disk/qemu_img.h"

#include "base/error.h"

#include <string.h>
#include <sys/wait.h>

/* Exit codes of `qemu-img check`. */
#define CHECK_FAILED 1       /* also of an image it cannot open */
#define CHECK_LEAKS 3        /* space that nothing refers to: all data is there */
#define CHECK_UNSUPPORTED 63 /* nothing to check in this format */

char *
qemu_img_find_program(const char *name, GError **error)
{
    char *path = g_find_program_in_path(name);
    if (path == NULL)
        error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                  "%s is not installed; install the package qemu-utils, or use a raw disk", name);
    return path;
}

char *
qemu_img_words(const char *program, const char *text)
{
    g_autoptr(GString) words = g_string_new(NULL);
    g_autofree char *prefix = g_strconcat(program, ": ", NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        const char *said = g_strstrip(*line);
        if (g_str_has_prefix(said, prefix))
            said += strlen(prefix);
        if (*said != '\0')
            g_string_append_printf(words, "%s%s", words->len > 0 ? "; " : "", said);
    }
    if (words->len == 0)
        return NULL;
    /* It may name files in bytes that are no text. */
    return g_utf8_make_valid(words->str, (gssize)words->len);
}

/* In --image-opts a comma is doubled, and every other byte stands for itself. */
static void
add_option(GString *options, const char *key, const char *value)
{
    g_string_append_printf(options, "%s%s=", options->len > 0 ? "," : "", key);
    for (const char *c = value; *c != '\0'; c++)
        g_string_append_len(options, *c == ',' ? ",," : c, *c == ',' ? 2 : 1);
}

char *
qemu_img_options(const char *path, enum disk_format format)
{
    GString *options = g_string_new(NULL);
    add_option(options, "driver", disk_format_name(format));
    add_option(options, "file.driver", disk_is_device(path) ? "host_device" : "file");
    add_option(options, "file.filename", path);
    return g_string_free(options, FALSE);
}

gboolean
qemu_img_check(const char *path, enum disk_format format, gboolean *ret_damaged, GError **error)
{
    *ret_damaged = FALSE;
    if (format != DISK_FORMAT_QCOW2 && format != DISK_FORMAT_VMDK)
        return TRUE;
    g_autofree char *program = qemu_img_find_program("qemu-img", error);
    if (program == NULL)
        return FALSE;
    g_autofree char *options = qemu_img_options(path, format);
    const char *argv[] = {program, "check", "-q", "--image-opts", "--", options, NULL};
    int status = 0;
    /* A damaged image gives a line for each cluster, so nobody keeps them. */
    GSpawnFlags quiet = G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL;
    g_autoptr(GError) failure = NULL;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, quiet, NULL, NULL, NULL, NULL, &status, &failure))
        return error_set(error, SLIPWAY_ERROR_IO, "cannot check disk %s: %s", path,
                         failure->message);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : CHECK_FAILED;
    *ret_damaged = code != 0 && code != CHECK_LEAKS && code != CHECK_UNSUPPORTED;
    return TRUE;
}

gboolean
qemu_img_create(const char *path, enum disk_format format, guint64 size, GError **error)
{
    g_autofree char *program = qemu_img_find_program("qemu-img", error);
    if (program == NULL)
        return FALSE;
    /* "file:" makes everything behind it a plain path, whatever it looks like. */
    g_autofree char *name = g_strconcat("file:", path, NULL);
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    const char *argv[10] = {program, "create", "-q", "-f", disk_format_name(format)};
    guint n = 5;
    if (format == DISK_FORMAT_VPC) {
        /* Otherwise the size is rounded up to cylinders. */
        argv[n++] = "-o";
        argv[n++] = "force_size=on";
    }
    argv[n++] = name;
    argv[n++] = bytes;
    g_autofree char *said = NULL;
    int status = 0;
    g_autoptr(GError) failure = NULL;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                      &said, &status, &failure))
        return error_set(error, SLIPWAY_ERROR_IO, "cannot create disk %s: %s", path,
                         failure->message);
    if (status == 0)
        return TRUE;
    g_autofree char *words = qemu_img_words("qemu-img", said);
    return error_set(error, SLIPWAY_ERROR_IO, "cannot create disk %s with qemu-img: %s", path,
                     words != NULL ? words : "it failed without a word");
}

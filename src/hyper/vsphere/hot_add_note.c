/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/durable_file.h"
#include "base/error.h"
#include "hyper/mark.h"
#include "hyper/vsphere/hot_add_private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>

#define ENDING ".json"
#define NOTES_MAX 4096u

void
hot_add_note_free(struct hot_add_note *note)
{
    if (note == NULL)
        return;
    g_free(note->mark);
    g_free(note->server);
    moref_clear(&note->self);
    g_free(note->file);
    g_free(note->uuid);
    g_free(note);
}

static char *
find_directory(void)
{
    return g_build_filename(g_get_user_state_dir(), "slipway", "attached", NULL);
}

gboolean
hot_add_note_write(const struct hot_add_note *note, char **ret_path, GError **error)
{
    g_autofree char *directory = find_directory();
    if (g_mkdir_with_parents(directory, 0700) != 0)
        return error_set_errno(error, errno, "cannot make directory %s", directory);
    g_autofree char *name = g_strconcat(note->mark, ENDING, NULL);
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *self = moref_format(&note->self);
    json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:b}", "mark", note->mark, "server",
                                 note->server, "machine", self, "file", note->file, "uuid",
                                 note->uuid, "writable", note->writable);
    char *text = document != NULL ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    if (text == NULL)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "the name of a disk's file is no text that can be kept");
    gboolean ok = durable_file_put(path, text, strlen(text), 0600, error);
    free(text);
    if (ok)
        *ret_path = g_steal_pointer(&path);
    return ok;
}

void
hot_add_note_remove(const char *path)
{
    g_unlink(path);
}

static struct hot_add_note *
read_note(const char *path)
{
    g_autofree char *text = NULL;
    gsize length;
    GStatBuf status;
    if (g_stat(path, &status) != 0 || status.st_size > HOT_ADD_NOTE_MAX ||
        !g_file_get_contents(path, &text, &length, NULL))
        return NULL;
    json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const char *mark, *server, *self, *file, *uuid = NULL;
    int writable;
    struct hot_add_note *note = NULL;
    if (document != NULL &&
        json_unpack(document, "{s:s, s:s, s:s, s:s, s?:s, s:b}", "mark", &mark, "server", &server,
                    "machine", &self, "file", &file, "uuid", &uuid, "writable", &writable) == 0) {
        note = g_new0(struct hot_add_note, 1);
        note->mark = g_strdup(mark);
        note->server = g_strdup(server);
        note->file = g_strdup(file);
        note->uuid = g_strdup(uuid);
        note->writable = writable != 0;
        if (!moref_parse(self, &note->self))
            g_clear_pointer(&note, hot_add_note_free);
    }
    json_decref(document);
    return note;
}

GPtrArray *
hot_add_note_list(GPtrArray **ret_paths)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)hot_add_note_free);
    *ret_paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *directory = find_directory();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir != NULL && list->len < NOTES_MAX && (name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_suffix(name, ENDING))
            continue;
        g_autofree char *path = g_build_filename(directory, name, NULL);
        struct hot_add_note *note = read_note(path);
        if (note == NULL)
            continue;
        g_ptr_array_add(list, note);
        g_ptr_array_add(*ret_paths, g_steal_pointer(&path));
    }
    return list;
}

char *
hot_add_note_server(struct vsphere *vsphere)
{
    const struct vim_service *service = vim_service(vsphere->vim);
    return g_strdup(service->instance_uuid != NULL ? service->instance_uuid
                                                   : vim_url(vsphere->vim));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/restore_state.h"

#include "base/durable_file.h"
#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>

#define VERSION 1
#define FORMAT "slipway-restore"
#define MODE 0600

void
restore_state_free(struct restore_state *state)
{
    if (state == NULL)
        return;
    g_free(state->store);
    g_free(state->set);
    g_free(state->disk);
    g_free(state->target);
    g_free(state);
}

gboolean
restore_state_same_run(const struct restore_state *left, const struct restore_state *right)
{
    return g_str_equal(left->store, right->store) && g_str_equal(left->set, right->set) &&
           g_str_equal(left->disk, right->disk) && g_str_equal(left->target, right->target) &&
           left->size == right->size;
}

static struct restore_state *
from_json(json_t *json)
{
    const char *format, *store, *set, *disk, *target;
    int version, zero;
    json_int_t size, done;
    if (json_unpack(json, "{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:b, s:I}", "format", &format,
                    "version", &version, "store", &store, "set", &set, "disk", &disk, "target",
                    &target, "size", &size, "target_is_zero", &zero, "done", &done) != 0 ||
        !g_str_equal(format, FORMAT) || version != VERSION || size < 0 || done < 0)
        return NULL;
    struct restore_state *state = g_new0(struct restore_state, 1);
    state->store = g_strdup(store);
    state->set = g_strdup(set);
    state->disk = g_strdup(disk);
    state->target = g_strdup(target);
    state->size = (guint64)size;
    state->target_is_zero = zero != 0;
    state->done = (guint64)done;
    return state;
}

static gboolean
read_file(const char *path, char buffer[RESTORE_STATE_MAX], gsize *ret_length, GError **error)
{
    FILE *file = g_fopen(path, "rbe");
    if (file == NULL)
        return error_set_errno(error, errno, "cannot open %s", path);
    *ret_length = fread(buffer, 1, RESTORE_STATE_MAX, file);
    gboolean ok = !ferror(file);
    fclose(file);
    return ok || error_set(error, SLIPWAY_ERROR_IO, "cannot read %s", path);
}

struct restore_state *
restore_state_read(const char *path, GError **error)
{
    g_autofree char *buffer = g_malloc(RESTORE_STATE_MAX);
    gsize length = 0;
    if (!read_file(path, buffer, &length, error))
        return NULL;
    json_t *json = json_loadb(buffer, length, JSON_REJECT_DUPLICATES, NULL);
    struct restore_state *state = json != NULL ? from_json(json) : NULL;
    json_decref(json);
    if (state == NULL)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s does not say how far a restore came",
                          path);
    return state;
}

gboolean
restore_state_write(const char *path, const struct restore_state *state, GError **error)
{
    json_t *json =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:b, s:I}", "format", FORMAT, "version",
                  VERSION, "store", state->store, "set", state->set, "disk", state->disk, "target",
                  state->target, "size", (json_int_t)state->size, "target_is_zero",
                  state->target_is_zero, "done", (json_int_t)state->done);
    char *text = json != NULL ? json_dumps(json, JSON_SORT_KEYS | JSON_INDENT(1)) : NULL;
    json_decref(json);
    if (text == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s: the name of the target or of the disk is no UTF-8", path);
    gboolean ok = durable_file_put(path, text, strlen(text), MODE, error);
    free(text);
    return ok;
}

gboolean
restore_state_remove(const char *path, GError **error)
{
    if (g_unlink(path) != 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove %s", path);
    return TRUE;
}

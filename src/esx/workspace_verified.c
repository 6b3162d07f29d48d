/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VIB files that were once checked in full: verified.json.  Only a memory: a file that is lost or
 * damaged costs time, so it is read as empty then. */
#include "base/error.h"
#include "esx/workspace_intern.h"

#define VERIFIED_FILE "verified.json"
#define SHA256_HEX 64

void
workspace_forget_verified(struct workspace *workspace)
{
    g_clear_pointer(&workspace->verified_set, g_hash_table_unref);
    g_clear_pointer(&workspace->verified, g_ptr_array_unref);
}

static gboolean
is_sha256(const char *text)
{
    return strlen(text) == SHA256_HEX && strspn(text, "0123456789abcdef") == SHA256_HEX;
}

static void
remember(struct workspace *workspace, const char *sha256)
{
    if (!is_sha256(sha256) || g_hash_table_contains(workspace->verified_set, sha256))
        return;
    char *copy = g_strdup(sha256);
    g_ptr_array_add(workspace->verified, copy);
    g_hash_table_add(workspace->verified_set, copy);
}

static void
read_verified(struct workspace *workspace)
{
    if (workspace->verified != NULL)
        return;
    workspace->verified = g_ptr_array_new_with_free_func(g_free);
    workspace->verified_set = g_hash_table_new(g_str_hash, g_str_equal);
    json_t *root = NULL;
    if (!workspace_read_json(workspace, VERIFIED_FILE, &root, NULL))
        return;
    gsize i;
    json_t *value;
    json_array_foreach(json_object_get(root, "verified"), i, value)
    {
        if (json_is_string(value))
            remember(workspace, json_string_value(value));
    }
    json_decref(root);
}

gboolean
workspace_is_verified(struct workspace *workspace, const char *sha256)
{
    read_verified(workspace);
    return g_hash_table_contains(workspace->verified_set, sha256);
}

static void
forget_oldest(struct workspace *workspace)
{
    if (workspace->verified->len <= WORKSPACE_VERIFIED_MAX)
        return;
    guint surplus = workspace->verified->len - WORKSPACE_VERIFIED_MAX;
    for (guint i = 0; i < surplus; i++)
        g_hash_table_remove(workspace->verified_set, workspace->verified->pdata[i]);
    g_ptr_array_remove_range(workspace->verified, 0, surplus);
}

static gboolean
write_verified(struct workspace *workspace, GError **error)
{
    json_t *list = json_array();
    for (guint i = 0; i < workspace->verified->len; i++)
        json_array_append_new(list, json_string(workspace->verified->pdata[i]));
    json_t *root = json_object();
    json_object_set_new(root, "verified", list);
    return workspace_write_json(workspace, VERIFIED_FILE, root, error);
}

static gboolean
read_again(struct workspace *workspace, G_GNUC_UNUSED GError **error)
{
    workspace_forget_verified(workspace);
    read_verified(workspace);
    return TRUE;
}

gboolean
workspace_add_verified(struct workspace *workspace, GPtrArray *sha256s, GError **error)
{
    gboolean held;
    if (!workspace_hold(workspace, read_again, &held, error))
        return FALSE;
    read_verified(workspace);
    guint before = workspace->verified->len;
    for (guint i = 0; i < sha256s->len; i++)
        remember(workspace, sha256s->pdata[i]);
    gboolean changed = workspace->verified->len != before;
    forget_oldest(workspace);
    gboolean ok = !changed || write_verified(workspace, error);
    workspace_release(workspace, held);
    return ok;
}

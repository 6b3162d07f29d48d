/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/vib_verify_files.h"

#include "base/error.h"
#include "esx/path_rules.h"

#include <string.h>

struct packed_files {
    GHashTable *names; /* char *: itself; what is no directory */
    gsize bytes;       /* of all names */
    gboolean has_unknown;
};

/* One kind of complaint about paths, listed up to a limit. */
struct complaint {
    struct vib_verdict *verdict;
    const char *text; /* after the path */
    guint count;
};

struct packed_files *
packed_files_new(void)
{
    struct packed_files *files = g_new0(struct packed_files, 1);
    files->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return files;
}

void
packed_files_free(struct packed_files *files)
{
    if (files == NULL)
        return;
    g_hash_table_unref(files->names);
    g_free(files);
}

gboolean
packed_files_add(const struct visor_member *member, struct stream *data G_GNUC_UNUSED,
                 void *user_data, GError **error)
{
    struct packed_files *files = user_data;
    if (member->type == '5')
        return TRUE;
    files->bytes += strlen(member->name);
    g_hash_table_add(files->names, g_strdup(member->name));
    if (files->bytes > VISOR_TAR_NAMES_MAX || g_hash_table_size(files->names) > VIB_FILES_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "holds more than %d files", VIB_FILES_MAX);
    return TRUE;
}

void
packed_files_set_unknown(struct packed_files *files)
{
    files->has_unknown = TRUE;
}

static void
complain(struct complaint *complaint, const char *path)
{
    if (complaint->count++ < VIB_FINDINGS_LISTED_MAX)
        vib_verdict_add(complaint->verdict, VIB_FINDING_WARNING, VIB_TOPIC_FILES, path, "/%s %s",
                        path, complaint->text);
}

static void
finish(struct complaint *complaint)
{
    if (complaint->count > VIB_FINDINGS_LISTED_MAX)
        vib_verdict_add(complaint->verdict, VIB_FINDING_WARNING, VIB_TOPIC_FILES, NULL,
                        "%u more: %s", complaint->count - VIB_FINDINGS_LISTED_MAX, complaint->text);
}

static guint
check_listed(const struct packed_files *files, const struct vib *vib, struct vib_verdict *verdict)
{
    struct complaint missing = {verdict, "is listed but in no payload", 0};
    struct complaint forbidden = {verdict, "is where a VIB of this level may place no file", 0};
    struct complaint overlong = {verdict, "is longer than 99 bytes", 0};
    for (guint i = 0; i < vib->files->len; i++) {
        const char *path = vib->files->pdata[i];
        if (!files->has_unknown && !g_hash_table_contains(files->names, path))
            complain(&missing, path);
        if (!path_rules_allow(path, vib->acceptance))
            complain(&forbidden, path);
        if (strlen(path) > VIB_PATH_MAX)
            complain(&overlong, path);
    }
    finish(&missing);
    finish(&forbidden);
    finish(&overlong);
    return missing.count;
}

static guint
check_packed(const struct packed_files *files, const struct vib *vib, struct vib_verdict *verdict)
{
    g_autoptr(GHashTable) listed = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < vib->files->len; i++)
        g_hash_table_add(listed, vib->files->pdata[i]);
    struct complaint unlisted = {verdict, "is in a payload but not listed", 0};
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(files->names), (GCompareFunc)strcmp);
    for (const GList *name = names; name != NULL; name = name->next)
        if (!g_hash_table_contains(listed, name->data))
            complain(&unlisted, name->data);
    finish(&unlisted);
    return unlisted.count;
}

void
packed_files_compare(struct packed_files *files, const struct vib *vib, struct vib_verdict *verdict)
{
    guint wrong = check_listed(files, vib, verdict) + check_packed(files, vib, verdict);
    if (wrong == 0 && !files->has_unknown)
        vib_verdict_add(verdict, VIB_FINDING_OK, VIB_TOPIC_FILES, NULL,
                        "the %u files listed are those in the payloads", vib->files->len);
}

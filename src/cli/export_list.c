/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/export.h"
#include "cli/nouns.h"
#include "cli/set_print.h"
#include "cli/text.h"

/* "iqn... at 192.0.2.1:3260", "/mnt/backups": where it is to be had. */
static char *
describe_access(const json_t *document)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    const json_t *iscsi = json_object_get(document, "iscsi"),
                 *nbd = json_object_get(document, "nbd");
    const char *name = json_string_value(json_object_get(iscsi, "name"));
    const char *mount = json_string_value(json_object_get(document, "mount"));
    if (name != NULL)
        g_ptr_array_add(parts, g_strdup(name));
    const json_t *address = json_array_get(json_object_get(nbd, "addresses"), 0);
    if (json_is_string(address))
        g_ptr_array_add(parts, g_strdup_printf("nbd %s", json_string_value(address)));
    if (mount != NULL)
        g_ptr_array_add(parts, g_strdup(mount));
    const json_t *machine = json_object_get(document, "machine_runs");
    const char *screen = json_string_value(json_object_get(machine, "vnc"));
    if (machine != NULL)
        g_ptr_array_add(parts, screen != NULL ? g_strdup_printf("runs, vnc %s", screen)
                                              : g_strdup("runs"));
    g_ptr_array_add(parts, NULL);
    return g_strjoinv(", ", (char **)parts->pdata);
}

static char *
describe_users(const json_t *document)
{
    gsize sessions =
        json_array_size(json_object_get(json_object_get(document, "iscsi"), "sessions"));
    json_int_t clients =
        json_integer_value(json_object_get(json_object_get(document, "nbd"), "connections"));
    return g_strdup_printf("%" G_GSIZE_FORMAT, sessions + (gsize)clients);
}

static char *
describe_written(const json_t *document)
{
    guint64 total = 0;
    gsize i;
    json_t *disk;
    if (json_is_true(json_object_get(document, "read_only")))
        return g_strdup("-");
    json_array_foreach(json_object_get(document, "disks"), i, disk) total +=
        (guint64)json_integer_value(json_object_get(disk, "written"));
    return text_bytes(total);
}

static void
add_row(struct table *table, const struct export_running *running)
{
    const json_t *document = running->document;
    const char *store = json_string_value(json_object_get(document, "store"));
    g_autofree char *what =
        store != NULL ? g_strdup_printf("all of %s", store) : export_print_what(document);
    g_autofree char *access = describe_access(document), *users = describe_users(document);
    g_autofree char *written = describe_written(document);
    g_autofree char *since = set_print_time(json_integer_value(json_object_get(document, "since")));
    table_add(table, running->id, what, access, users, written, since, NULL);
}

static gboolean
run(struct session *session, GError **error)
{
    g_autoptr(GPtrArray) list = export_record_list(error);
    if (list == NULL)
        return FALSE;
    auto_ptr(table) table =
        table_new("Export", "Set", "Access", ">Users", ">Written", "Since", NULL);
    json_t *json = json_array();
    for (guint i = 0; i < list->len; i++) {
        const struct export_running *running = list->pdata[i];
        if (running->document == NULL) /* it is just beginning */
            continue;
        add_row(table, running);
        json_object_set_new(running->document, "pid", json_integer(running->pid));
        json_array_append(json, running->document);
    }
    ui_table(session_ui(session), table, "Nothing is exported");
    ui_set(session_ui(session), "exports", json);
    return TRUE;
}

const struct verb verb_export_list = {
    .name = "list",
    .summary = "list what is served just now",
    .description = "List the exports of this user that run on this computer: what they serve, "
                   "where, to how many, and how much was written. --json tells more: sessions, "
                   "disks, bytes, the cache.",
    .examples = {{"slipway export list", "what is served"}},
    .run = run,
};

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/diff.h"
#include "store/store_sets.h"

static json_t *
extents_to_json(const struct extent_list *list)
{
    json_t *json = json_array();
    for (guint i = 0; i < list->extents->len; i++) {
        const struct extent *extent = &g_array_index(list->extents, struct extent, i);
        json_array_append_new(json, json_pack("{s:I, s:I}", "offset", (json_int_t)extent->offset,
                                              "length", (json_int_t)extent->length));
    }
    return json;
}

static void
print_extents(struct ui *ui, const char *name, const struct extent_list *list)
{
    g_autofree char *bytes = text_bytes(extent_list_total(list));
    g_autofree char *ranges = text_count(list->extents->len, "range", "ranges");
    ui_print(ui, "%s: %s in %s\n", name, bytes, ranges);
    for (guint i = 0; i < list->extents->len; i++) {
        const struct extent *extent = &g_array_index(list->extents, struct extent, i);
        ui_print(ui, "%16" G_GUINT64_FORMAT " %12" G_GUINT64_FORMAT "\n", extent->offset,
                 extent->length);
    }
}

static gboolean
compare(struct session *session, struct store *store, const struct set *left,
        const struct set *right, GError **error)
{
    const char *only = session_text(session, OPTION_DISK);
    json_t *disks = json_array();
    gboolean ok = TRUE;
    if (only != NULL && set_find_disk(right, only) == NULL)
        ok = error_set(error, SLIPWAY_ERROR_NOT_FOUND, "the set has no disk %s", only);
    for (guint i = 0; ok && i < right->disks->len; i++) {
        const struct set_disk *disk = right->disks->pdata[i];
        if (only != NULL && !g_str_equal(only, disk->name))
            continue;
        auto_ptr(extent_list) list = diff_disks(store, NULL, left, right, disk->name, error);
        ok = list != NULL;
        if (!ok)
            break;
        print_extents(session_ui(session), disk->name, list);
        json_array_append_new(disks, json_pack("{s:s, s:I, s:o}", "name", disk->name, "bytes",
                                               (json_int_t)extent_list_total(list), "extents",
                                               extents_to_json(list)));
        if (only != NULL)
            ui_set(session_ui(session), "extents", extents_to_json(list));
    }
    ui_set(session_ui(session), "disks", disks);
    return ok;
}

static gboolean
run(struct session *session, GError **error)
{
    struct store *store = session_store(session, error);
    struct set_entry *left =
        store != NULL ? store_sets_find(store, session_operand(session, 0), error) : NULL;
    struct set_entry *right =
        left != NULL ? store_sets_find(store, session_operand(session, 1), error) : NULL;
    gboolean ok = right != NULL && compare(session, store, left->set, right->set, error);
    set_entry_free(left);
    set_entry_free(right);
    return ok;
}

const struct verb verb_backup_diff = {
    .name = "diff",
    .summary = "show which extents differ between two sets",
    .description =
        "Show the ranges of each disk of NEW that are not as in OLD: offset and length in "
        "bytes. Nothing but the maps is read. With --json and --disk the output is what "
        "--changed-extents takes.",
    .operands = {{"OLD", FALSE, FALSE, COMPLETE_SETS, NULL},
                 {"NEW", FALSE, FALSE, COMPLETE_SETS, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_DISK},
    .examples = {{"slipway backup diff web1@2026-11-24 web1", "what changed since that day"}},
    .run = run,
};

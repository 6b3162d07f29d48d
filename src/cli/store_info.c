/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/set_print.h"
#include "cli/text.h"
#include "engine/retain.h"
#include "store/index.h"
#include "store/lease.h"
#include "store/store_sets.h"

struct numbers {
    guint sets, machines;
    guint64 size, data; /* of all sets, as if each were kept alone */
    guint packs;
    guint64 pack_bytes, parity_bytes;
    struct chunk_index_stats index;
    guint64 free_space;
};

static gboolean
sum_objects(struct store *store, const char *folder, guint *ret_n, guint64 *ret_bytes,
            GError **error)
{
    g_autoptr(GPtrArray) list = repo_list(store_repo(store), folder, error);
    if (list == NULL)
        return FALSE;
    for (guint i = 0; i < list->len; i++)
        *ret_bytes += ((const struct repo_entry *)list->pdata[i])->size;
    *ret_n = list->len;
    return TRUE;
}

static gboolean
sum_sets(struct session *session, struct store *store, struct numbers *ret, GError **error)
{
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) list = store_sets_list(store, &damaged, error);
    /* As set_same_machine() tells them apart. */
    g_autoptr(GHashTable) identities = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    if (list == NULL)
        return FALSE;
    for (guint i = 0; i < list->len; i++) {
        const struct set *set = ((const struct set_entry *)list->pdata[i])->set;
        g_hash_table_add(set->identity != NULL ? identities : names,
                         set->identity != NULL ? set->identity : set->name);
        ret->size += set->stats.size;
        ret->data += set->stats.data;
    }
    for (guint i = 0; i < damaged->len; i++)
        ui_warning(session_ui(session), "%s", (const char *)damaged->pdata[i]);
    ret->sets = list->len;
    ret->machines = g_hash_table_size(identities) + g_hash_table_size(names);
    return TRUE;
}

static gboolean
collect(struct session *session, struct store *store, struct numbers *ret, GError **error)
{
    guint parity;
    auto_ptr(chunk_index) index = chunk_index_open(store_repo(store), error);
    if (index == NULL || !sum_sets(session, store, ret, error) ||
        !sum_objects(store, "packs", &ret->packs, &ret->pack_bytes, error) ||
        !sum_objects(store, "parity", &parity, &ret->parity_bytes, error))
        return FALSE;
    chunk_index_stats(index, &ret->index);
    ret->free_space = repo_free_space(store_repo(store));
    return TRUE;
}

static void
print_bytes(struct ui *ui, const char *label, guint64 bytes)
{
    g_autofree char *text = text_bytes(bytes);
    ui_field(ui, label, text);
}

static void
print_count(struct ui *ui, const char *label, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    ui_field(ui, label, text);
}

static const char *
codec_word(enum codec_kind kind)
{
    return kind == CODEC_ZSTD ? "zstd" : kind == CODEC_LZ4 ? "lz4" : "off";
}

static void
print_settings(struct ui *ui, const struct store *store)
{
    const struct store_config *config = store_config(store);
    g_autofree char *made = set_print_time(config->created);
    g_autofree char *keep = retain_format(&config->retention);
    g_autofree char *parity = g_strdup_printf("%u.%u%%", config->parity / 10, config->parity % 10);
    g_autofree char *coding = config->codec == CODEC_ZSTD
                                  ? g_strdup_printf("zstd, level %d", config->level)
                                  : g_strdup(codec_word(config->codec));
    ui_field(ui, "Store", store_label(store));
    ui_field(ui, "Id", config->id);
    ui_field(ui, "Made", made);
    ui_field(ui, "Encrypted", config->encrypted ? "yes" : "no");
    ui_field(ui, "Compression", coding);
    ui_field(ui, "Parity", config->parity > 0 ? parity : "none");
    ui_field(ui, "Retention", config->has_retention ? keep : "all sets stay");
    ui_set(ui, "store", json_value_text(store_label(store)));
    ui_set(ui, "id", json_string(config->id));
    ui_set(ui, "created", json_integer(config->created));
    ui_set(ui, "encrypted", json_boolean(config->encrypted));
    ui_set(ui, "compression",
           json_pack("{s:s, s:i}", "codec", codec_word(config->codec), "level", config->level));
    ui_set(ui, "parity_percent", json_real(config->parity / 10.0));
    ui_set(ui, "retention", config->has_retention ? json_string(keep) : json_null());
}

static void
print_numbers(struct ui *ui, const struct numbers *numbers)
{
    g_autofree char *ratio =
        set_print_ratio(numbers->data, numbers->pack_bytes + numbers->parity_bytes);
    print_count(ui, "Machines", numbers->machines);
    print_count(ui, "Sets", numbers->sets);
    print_bytes(ui, "Disks of all sets", numbers->size);
    print_bytes(ui, "Data of all sets", numbers->data);
    print_bytes(ui, "Stored", numbers->pack_bytes);
    if (numbers->parity_bytes > 0)
        print_bytes(ui, "Parity", numbers->parity_bytes);
    ui_field(ui, "Saving", ratio);
    print_count(ui, "Packs", numbers->packs);
    print_count(ui, "Chunks", numbers->index.entries);
    print_bytes(ui, "Index", numbers->index.bytes);
    if (numbers->free_space != G_MAXUINT64)
        print_bytes(ui, "Free space", numbers->free_space);
    ui_set_all(ui, json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:i, s:I, s:I}", "machines",
                             (int)numbers->machines, "sets", (int)numbers->sets, "size",
                             (json_int_t)numbers->size, "data", (json_int_t)numbers->data, "stored",
                             (json_int_t)numbers->pack_bytes, "parity",
                             (json_int_t)numbers->parity_bytes, "packs", (int)numbers->packs,
                             "chunks", (json_int_t)numbers->index.entries, "index",
                             (json_int_t)numbers->index.bytes));
    ui_set(ui, "free_space",
           numbers->free_space == G_MAXUINT64 ? json_null()
                                              : json_integer((json_int_t)numbers->free_space));
}

static gboolean
print_leases(struct ui *ui, struct store *store, GError **error)
{
    g_autoptr(GPtrArray) leases = lease_list(store, NULL, error);
    if (leases == NULL)
        return FALSE;
    json_t *list = json_array();
    for (guint i = 0; i < leases->len; i++) {
        const struct lease_info *lease = leases->pdata[i];
        g_autofree char *since = set_print_time(lease->created);
        g_autofree char *text =
            g_strdup_printf("%s on %s, process %" G_GINT64_FORMAT ", since %s%s",
                            lease->kind == LEASE_PRUNE ? "prune" : "writer",
                            lease->host != NULL ? lease->host : "?", lease->pid, since,
                            lease->dead ? " (dead)" : "");
        ui_field(ui, i == 0 ? "Active" : "", text);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:I, s:I, s:b}", "id", lease->id, "kind",
                            lease->kind == LEASE_PRUNE ? "prune" : "writer", "host",
                            json_value_text(lease->host), "pid", (json_int_t)lease->pid, "created",
                            (json_int_t)lease->created, "dead", lease->dead));
    }
    ui_set(ui, "leases", list);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    struct numbers numbers = {0};
    struct store *store = session_store(session, error);
    if (store == NULL || !collect(session, store, &numbers, error))
        return FALSE;
    print_settings(session_ui(session), store);
    print_numbers(session_ui(session), &numbers);
    if (numbers.index.damaged > 0)
        ui_warning(session_ui(session),
                   "part of the index is damaged; `slipway store repair` makes it again");
    return print_leases(session_ui(session), store, error);
}

const struct verb verb_store_info = {
    .name = "info",
    .summary = "show what a store is and what is in it",
    .description = "Show the settings of a store, how much is in it, and who writes to it now.",
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE},
    .examples = {{"slipway store info --store /srv/backup", "a store by its directory"}},
    .run = run,
};

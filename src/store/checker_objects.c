/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cancel.h"
#include "base/error.h"
#include "store/checker_private.h"
#include "store/keyring_slot.h"
#include "store/machine_rule.h"
#include "store/object_parity.h"
#include "store/parity.h"
#include "store/set_screen.h"

#define OBJECT_MAX (SEAL_PAYLOAD_MAX + SEAL_OVERHEAD)
/* Objects without parity that are named one by one. */
#define NAMES_MAX 3u

/* What helps, behind what is wrong. */
static const char *
remedy(struct check *check, const char *name)
{
    if (g_str_has_prefix(name, "leases/"))
        return "; it ends by itself, or with `slipway store unlock --all`";
    if (g_str_has_prefix(name, "doomed/") || g_str_has_prefix(name, "lost/"))
        return "; `slipway store repair` makes it again or does without";
    if (store_config(check->store)->parity == 0 || !object_parity_applies(name))
        return "; there is no parity: restore this object from a copy of the store";
    return "; `slipway store repair` heals it if its parity is good";
}

/* Note that an object cannot be read.  FALSE when that is no damage.  Takes `why`. */
static gboolean
add_object(struct check *check, const char *name, GError *why, GError **error)
{
    if (checker_is_gone(why)) {
        g_error_free(why);
        return TRUE;
    }
    if (!checker_is_damage(why)) {
        g_propagate_error(error, why);
        return FALSE;
    }
    g_autofree char *words = g_strconcat(why->message, remedy(check, name), NULL);
    checker_count_io(check, why);
    checker_add(check, CHECKER_OBJECT, name, NULL, words);
    g_error_free(why);
    return TRUE;
}

/* ---- Each kind ------------------------------------------------------------------------------- */

/* What an object must be beyond being sealed.  `name` is that of the object. */
typedef gboolean (*parse_func)(struct check *check, const char *name, const char *label,
                               GBytes *object, GError **error);

static gboolean
parse_set(struct check *check, const char *name, const char *label, GBytes *object, GError **error)
{
    char id[SET_ID_TEXT];
    auto_ptr(set) set = set_open(object, label, store_key_of(check->store), error);
    if (set == NULL)
        return FALSE;
    if (!g_str_equal(set_id_format(&set->id, id), name + strlen("sets/")))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: the document is that of set %s", label,
                         id);
    g_clear_pointer(&set->config, g_free); /* all sets of a store have many of them */
    g_ptr_array_add(check->sets, g_steal_pointer(&set));
    return TRUE;
}

static gboolean
parse_key(struct check *check G_GNUC_UNUSED, const char *name, const char *label, GBytes *object,
          GError **error)
{
    const char *id = name + strlen("keys/");
    if (!keyring_id_valid(id))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "%s: no key slot has this name", label);
    auto_ptr(keyring_secret) slot = keyring_secret_parse(id, label, object, error);
    return slot != NULL;
}

static gboolean
parse_screen(struct check *check, const char *name G_GNUC_UNUSED, const char *label, GBytes *object,
             GError **error)
{
    g_autoptr(GBytes) payload =
        seal_open(SEAL_SCREEN, store_key_of(check->store), label, object, error);
    g_autoptr(GBytes) png = payload != NULL ? set_screen_parse(payload, label, error) : NULL;
    return png != NULL;
}

struct kind {
    const char *folder;
    enum seal_kind seal;
    parse_func parse; /* NULL: what its list function below finds is enough */
};
static const struct kind kinds[] = {
    {"keys", SEAL_KEY, parse_key}, {"sets", SEAL_SET, parse_set},
    {"flags", SEAL_FLAGS, NULL},   {"screens", SEAL_SCREEN, parse_screen},
    {"rules", SEAL_RULE, NULL},    {"leases", SEAL_LEASE, NULL},
    {"doomed", SEAL_DOOMED, NULL}, {"lost", SEAL_LOST, NULL},
};

static gboolean
parse_flags(const char *label, GBytes *payload, GError **error)
{
    struct set_flags flags;
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    gboolean ok = set_flags_from_json(json, &flags, error);
    json_decref(json);
    if (!ok)
        g_prefix_error(error, "%s: ", label);
    else
        set_flags_clear(&flags);
    return ok;
}

static gboolean
read_object(struct check *check, const struct kind *kind, const char *name, GError **error)
{
    const struct store_key *key = store_key_of(check->store);
    g_autofree char *label = g_strdup_printf("%s: %s", store_label(check->store), name);
    g_autoptr(GBytes) object = repo_read_all(store_repo(check->store), name, OBJECT_MAX, error);
    if (object == NULL)
        return FALSE;
    if (kind->parse != NULL)
        return kind->parse(check, name, label, object, error);
    g_autoptr(GBytes) payload = seal_open(kind->seal, key, label, object, error);
    return payload != NULL && (kind->seal != SEAL_FLAGS || parse_flags(label, payload, error));
}

static gboolean
read_folder(struct check *check, const struct kind *kind, guint *ret_damaged, GError **error)
{
    guint before = check->report->damage->len;
    g_autoptr(GPtrArray) objects = repo_list(store_repo(check->store), kind->folder, error);
    if (objects == NULL)
        return FALSE;
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        GError *local = NULL;
        if (!cancel_check(error))
            return FALSE;
        if (!read_object(check, kind, entry->name, &local) &&
            !add_object(check, entry->name, local, error))
            return FALSE;
    }
    *ret_damaged = check->report->damage->len - before;
    return TRUE;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static void
take_doomed(struct check *check, GPtrArray *lists)
{
    for (guint i = 0; i < lists->len; i++) {
        const struct doomed *list = lists->pdata[i];
        GHashTableIter iter;
        gpointer name;
        g_hash_table_iter_init(&iter, list->packs);
        while (g_hash_table_iter_next(&iter, &name, NULL))
            checker_pack(check, name)->doomed = TRUE;
    }
}

/* Objects that are sealed well but say what cannot be: these functions name the first. */
static gboolean
read_list(struct check *check, const char *folder, gboolean ok, GError *why, GError **error)
{
    g_autofree char *name = g_strconcat(folder, "/", NULL);
    return ok || add_object(check, name, why, error);
}

static gboolean
read_lists(struct check *check, const guint *damaged, GError **error)
{
    GError *local = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        gboolean ok = TRUE;
        if (damaged[i] > 0)
            continue;
        if (kinds[i].seal == SEAL_DOOMED) {
            g_autoptr(GPtrArray) lists = doomed_list(check->store, &local);
            if ((ok = lists != NULL))
                take_doomed(check, lists);
        } else if (kinds[i].seal == SEAL_LOST) {
            GHashTable *lost = lost_list(check->store, &local);
            if ((ok = lost != NULL)) {
                g_hash_table_unref(check->lost);
                check->lost = lost;
            }
        } else if (kinds[i].seal == SEAL_RULE) {
            g_autoptr(GPtrArray) rules = machine_rule_list(check->store, &local);
            ok = rules != NULL;
        }
        if (!read_list(check, kinds[i].folder, ok, g_steal_pointer(&local), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_config(struct check *check, GError **error)
{
    GError *local = NULL;
    g_autofree char *label = g_strdup_printf("%s: config", store_label(check->store));
    g_autoptr(GBytes) object =
        repo_read_all(store_repo(check->store), "config", OBJECT_MAX, &local);
    g_autoptr(GBytes) payload =
        object != NULL ? seal_open(SEAL_CONFIG, NULL, label, object, &local) : NULL;
    if (payload != NULL)
        return TRUE;
    if (!checker_is_gone(local))
        return add_object(check, "config", local, error);
    checker_add(check, CHECKER_OBJECT, "config", NULL,
                "config is missing: nobody can open this store any more; `slipway store repair` "
                "makes it again");
    g_error_free(local);
    return TRUE;
}

gboolean
checker_objects(struct check *check, GError **error)
{
    guint damaged[G_N_ELEMENTS(kinds)] = {0};
    progress_begin(check->options->progress, G_N_ELEMENTS(kinds), PROGRESS_ITEMS,
                   "reading sets, keys and lists");
    gboolean ok = read_config(check, error);
    for (guint i = 0; ok && i < G_N_ELEMENTS(kinds); i++) {
        ok = read_folder(check, &kinds[i], &damaged[i], error);
        progress_advance(check->options->progress, 1);
    }
    ok = ok && read_lists(check, damaged, error);
    check->report->sets = check->sets->len;
    progress_end(check->options->progress, ok);
    return ok;
}

/* ---- Index ----------------------------------------------------------------------------------- */

static void
note_listed(const struct pack_name *name, gpointer data)
{
    struct check_pack *pack = g_hash_table_lookup(((struct check *)data)->packs, name);
    if (pack != NULL)
        pack->listed = TRUE;
}

static gboolean
verify_objects(struct check *check, GPtrArray *objects, GError **error)
{
    for (guint i = 0; i < objects->len; i++) {
        const struct repo_entry *entry = objects->pdata[i];
        g_autoptr(GError) local = NULL;
        if (!cancel_check(error))
            return FALSE;
        if (!chunk_index_verify(store_repo(check->store), entry->name, &local) &&
            !checker_is_gone(local)) {
            if (!checker_is_damage(local)) {
                g_propagate_error(error, g_steal_pointer(&local));
                return FALSE;
            }
            checker_add(check, CHECKER_INDEX, entry->name, NULL, local->message);
            check->index_damaged = TRUE;
        }
        progress_advance(check->options->progress, entry->size);
    }
    return TRUE;
}

gboolean
checker_index(struct check *check, GError **error)
{
    guint64 total = 0;
    g_autoptr(GPtrArray) objects = repo_list(store_repo(check->store), "index", error);
    if (objects == NULL)
        return FALSE;
    for (guint i = 0; i < objects->len; i++)
        total += ((struct repo_entry *)objects->pdata[i])->size;
    progress_begin(check->options->progress, total, PROGRESS_BYTES, "reading the index");
    gboolean ok = verify_objects(check, objects, error);
    progress_end(check->options->progress, ok);
    if (!ok || (check->locator = locator_new(check->store, error)) == NULL)
        return FALSE;
    check->reader = chunk_reader_new(check->store, check->locator);
    chunk_index_packs(locator_index(check->locator), note_listed, check);
    return TRUE;
}

/* ---- Parity ---------------------------------------------------------------------------------- */

static GHashTable *
list_names(struct repo *repo, const char *folder, GPtrArray **ret_list, GError **error)
{
    if ((*ret_list = repo_list(repo, folder, error)) == NULL)
        return NULL;
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < (*ret_list)->len; i++)
        g_hash_table_add(names, ((struct repo_entry *)(*ret_list)->pdata[i])->name);
    return names;
}

static void
note_missing(struct check *check, GHashTable *there, const char *name, const char *parity,
             guint *missing)
{
    if (g_hash_table_contains(there, parity))
        return;
    if ((*missing)++ < NAMES_MAX)
        checker_note(check, "%s has no parity; `slipway store repair` makes it", name);
}

static gboolean
is_named(struct check *check, const char *object)
{
    for (guint i = 0; i < check->report->damage->len; i++) {
        const struct checker_damage *damage = check->report->damage->pdata[i];
        if (g_strcmp0(damage->object, object) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Of a small object that is good itself. */
static gboolean
check_parity(struct check *check, const char *name, const char *parity, GError **error)
{
    struct parity_report report;
    g_autoptr(GError) local = NULL;
    gboolean fits = FALSE;
    if (parity_check(store_repo(check->store), name, parity, &report, NULL, &local)) {
        fits = report.damaged == 0 && report.parity_damaged == 0;
        parity_report_clear(&report);
    } else if (checker_is_gone(local)) {
        return TRUE;
    } else if (!checker_is_damage(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!fits && !is_named(check, name))
        checker_add(check, CHECKER_PARITY, parity, NULL,
                    local != NULL ? local->message
                                  : "it is damaged, or that of an older object; `slipway store "
                                    "repair` makes it again");
    return TRUE;
}

static gboolean
look_at_object(struct check *check, GHashTable *there, const char *name, guint *missing,
               GError **error)
{
    g_autofree char *parity = object_parity_name(name);
    note_missing(check, there, name, parity, missing);
    return !check->options->read_data || !g_hash_table_contains(there, parity) ||
           check_parity(check, name, parity, error);
}

static gboolean
look_for_objects(struct check *check, GHashTable *there, guint *missing, GError **error)
{
    static const char *const folders[] = {"keys", "sets", "flags", "screens", "rules"};
    if (!look_at_object(check, there, "config", missing, error))
        return FALSE;
    for (guint f = 0; f < G_N_ELEMENTS(folders); f++) {
        g_autoptr(GPtrArray) objects = repo_list(store_repo(check->store), folders[f], error);
        if (objects == NULL)
            return FALSE;
        for (guint i = 0; i < objects->len; i++) {
            const struct repo_entry *entry = objects->pdata[i];
            if (!cancel_check(error) || !look_at_object(check, there, entry->name, missing, error))
                return FALSE;
        }
    }
    return TRUE;
}

gboolean
checker_parity_there(struct check *check, GError **error)
{
    guint missing = 0;
    if (store_config(check->store)->parity == 0)
        return TRUE;
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GHashTable) there = list_names(store_repo(check->store), "parity", &list, error);
    if (there == NULL || !look_for_objects(check, there, &missing, error))
        return FALSE;
    g_autoptr(GPtrArray) packs = checker_packs(check);
    for (guint i = 0; i < packs->len; i++) {
        const struct check_pack *pack = packs->pdata[i];
        char object[PACK_OBJECT_TEXT], parity[PACK_OBJECT_TEXT];
        if (pack->present && !pack->doomed)
            note_missing(check, there, pack_name_object(&pack->name, "packs", object),
                         pack_name_object(&pack->name, "parity", parity), &missing);
    }
    if (missing > NAMES_MAX)
        checker_note(check, "%u objects have no parity", missing);
    return TRUE;
}

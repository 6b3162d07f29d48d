/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/store.h"

#include "base/error.h"
#include "base/random.h"
#include "store/object_parity.h"
#include "store/retention.h"
#include "store/seal.h"
#include "store/set_shelf.h"

#include <jansson.h>
#include <string.h>

#define CONFIG_OBJECT "config"
#define CONFIG_MAX 65536u
#define LEVEL_MIN (-7)
#define LEVEL_MAX 19

struct store {
    struct repo *repo;
    struct store_key *key;
    struct store_config config;
    struct set_shelf *shelf;
};

static const struct {
    enum codec_kind kind;
    const char *name;
} codecs[] = {{CODEC_NONE, "none"}, {CODEC_ZSTD, "zstd"}, {CODEC_LZ4, "lz4"}};

static const char *
codec_name(enum codec_kind kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(codecs); i++) {
        if (codecs[i].kind == kind)
            return codecs[i].name;
    }
    return "none";
}

static gboolean
find_codec(const char *name, enum codec_kind *ret)
{
    for (gsize i = 0; name != NULL && i < G_N_ELEMENTS(codecs); i++) {
        if (g_str_equal(codecs[i].name, name)) {
            *ret = codecs[i].kind;
            return TRUE;
        }
    }
    return FALSE;
}

static json_t *
config_to_json(const struct store_config *config)
{
    json_t *json = json_pack("{s:s, s:i, s:s, s:I, s:b, s:i, s:{s:s, s:i}}", "format",
                             "slipway-store", "version", STORE_VERSION, "id", config->id, "created",
                             (json_int_t)config->created, "encrypted", config->encrypted, "parity",
                             (int)config->parity, "compression", "codec", codec_name(config->codec),
                             "level", config->level);
    if (config->has_retention)
        json_object_set_new(json, "retention", retention_to_json(&config->retention));
    return json;
}

static gboolean
config_from_json(json_t *json, struct store_config *ret, GError **error)
{
    const char *format = NULL, *id = NULL, *codec = NULL;
    int version = 0, encrypted = 0, parity = 0, level = 0;
    json_int_t created = 0;
    json_t *retention = NULL;
    *ret = (struct store_config){0};
    if (json_unpack(json, "{s:s, s:i, s:s, s:I, s:b, s:i, s:{s:s, s:i}, s?o}", "format", &format,
                    "version", &version, "id", &id, "created", &created, "encrypted", &encrypted,
                    "parity", &parity, "compression", "codec", &codec, "level", &level, "retention",
                    &retention) != 0 ||
        !g_str_equal(format, "slipway-store"))
        return error_set(error, SLIPWAY_ERROR_CORRUPT, "this is not the description of a store");
    if (version > STORE_VERSION)
        return error_set(
            error, SLIPWAY_ERROR_UNSUPPORTED,
            "the store has format version %d, this slipway reads up to %d; use a newer "
            "slipway",
            version, STORE_VERSION);
    if (version < STORE_VERSION)
        return error_set(error, SLIPWAY_ERROR_UNSUPPORTED,
                         "the store has format version %d, of a slipway before its first release; "
                         "this one reads %d: make a new store and back up again",
                         version, STORE_VERSION);
    gboolean ok = strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && parity >= 0 &&
                  parity <= (int)STORE_PARITY_MAX && find_codec(codec, &ret->codec) &&
                  level >= LEVEL_MIN && level <= LEVEL_MAX;
    ret->has_retention = retention != NULL;
    ok = ok && (retention == NULL || retention_from_json(retention, &ret->retention));
    if (!ok)
        return error_set(error, SLIPWAY_ERROR_CORRUPT,
                         "the description of the store has a value out of its limits");
    g_strlcpy(ret->id, id, sizeof ret->id);
    ret->created = created;
    ret->encrypted = encrypted != 0;
    ret->parity = (unsigned)parity;
    ret->level = level;
    return TRUE;
}

static GBytes *
seal_config(const struct store_config *config, GError **error)
{
    json_t *json = config_to_json(config);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(json);
    GBytes *object = seal_close(SEAL_CONFIG, NULL, text, strlen(text), error);
    free(text);
    return object;
}

gboolean
store_read_config(struct repo *repo, struct store_config *ret, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) object = object_parity_read(repo, CONFIG_OBJECT, CONFIG_MAX, &local);
    if (object == NULL && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                         "there is no store in %s; `slipway store init` makes one",
                         repo_label(repo));
    if (object == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_autofree char *label = g_strdup_printf("%s: config", repo_label(repo));
    g_autoptr(GBytes) payload = seal_open(SEAL_CONFIG, NULL, label, object, error);
    if (payload == NULL)
        return FALSE;
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    gboolean ok = config_from_json(json, ret, error);
    json_decref(json);
    if (!ok)
        g_prefix_error(error, "%s: ", label);
    return ok;
}

static struct store *
make(struct repo *repo, struct store_key *key)
{
    struct store *store = g_new0(struct store, 1);
    store->repo = repo;
    store->key = key;
    store->shelf = set_shelf_new();
    return store;
}

/* Key slots come first; anything else belongs to somebody. */
static gboolean
check_empty(struct repo *repo, GError **error)
{
    static const char *const folders[] = {"packs", "parity",  "index", "sets",
                                          "flags", "screens", "rules", "lost"};
    guint64 size;
    g_autoptr(GError) local = NULL;
    if (repo_size(repo, CONFIG_OBJECT, &size, &local))
        return error_set(error, SLIPWAY_ERROR_EXISTS, "there is a store in %s already",
                         repo_label(repo));
    if (!g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autoptr(GPtrArray) found = repo_list(repo, folders[i], error);
        if (found == NULL)
            return FALSE;
        if (found->len > 0)
            return error_set(error, SLIPWAY_ERROR_USAGE,
                             "%s has a folder %s that is not empty, but no store: if it is what is "
                             "left of one, its `config` is missing; otherwise choose another place",
                             repo_label(repo), folders[i]);
    }
    return TRUE;
}

static gboolean
remove_all(struct repo *repo, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) found = repo_list(repo, folder, error);
    gboolean ok = found != NULL;
    for (guint i = 0; ok && i < found->len; i++)
        ok = repo_remove(repo, ((const struct repo_entry *)found->pdata[i])->name, error);
    return ok;
}

/* A slot of another secret would open the new store with a key that fits none of its objects. */
gboolean
store_prepare(struct repo *repo, GError **error)
{
    return check_empty(repo, error) && remove_all(repo, "parity", error) &&
           remove_all(repo, "keys", error);
}

/* Slots that were added before there was a store. */
static gboolean
put_key_parity(struct repo *repo, GError **error)
{
    g_autoptr(GPtrArray) keys = repo_list(repo, "keys", error);
    gboolean ok = keys != NULL;
    for (guint i = 0; ok && i < keys->len; i++) {
        const struct repo_entry *entry = keys->pdata[i];
        g_autoptr(GBytes) object = repo_read_all(repo, entry->name, CONFIG_MAX, error);
        ok = object != NULL && object_parity_put(repo, entry->name, g_bytes_get_data(object, NULL),
                                                 g_bytes_get_size(object), error);
    }
    return ok;
}

/* Parity first: what is listed is complete. */
static gboolean
put_config(struct store *store, const struct store_config *config, gboolean replace, GError **error)
{
    gsize length;
    g_autoptr(GBytes) object = seal_config(config, error);
    if (object == NULL)
        return FALSE;
    const void *data = g_bytes_get_data(object, &length);
    if (config->parity > 0 && !object_parity_put(store->repo, CONFIG_OBJECT, data, length, error))
        return FALSE;
    if (!(replace ? repo_replace : repo_put)(store->repo, CONFIG_OBJECT, data, length, error))
        return FALSE;
    /* That of an older one would be no help. */
    return config->parity > 0 || object_parity_remove(store->repo, CONFIG_OBJECT, error);
}

struct store *
store_init(struct repo *repo, const struct store_config *config, struct store_key *key,
           GError **error)
{
    auto_ptr(store) store = make(repo, key);
    store->config = *config;
    store->config.encrypted = key != NULL;
    store->config.created = g_get_real_time() / G_USEC_PER_SEC;
    if (!check_empty(repo, error) || !store_random_id(store->config.id, error))
        return NULL;
    if ((config->parity > 0 && !put_key_parity(repo, error)) ||
        !put_config(store, &store->config, FALSE, error))
        return NULL;
    return g_steal_pointer(&store);
}

struct store *
store_open(struct repo *repo, struct store_key *key, GError **error)
{
    auto_ptr(store) store = make(repo, key);
    if (!store_read_config(repo, &store->config, error))
        return NULL;
    if (store->config.encrypted && key == NULL)
        return error_null(
            error, SLIPWAY_ERROR_DENIED,
            "the store in %s is encrypted: a passphrase, a key file or its recovery key "
            "is needed",
            repo_label(repo));
    /* Whoever can write to the repo could have made it say so, to get backups in the clear. */
    if (!store->config.encrypted && key != NULL)
        return error_null(error, SLIPWAY_ERROR_DENIED,
                          "the store in %s is not encrypted although there is a key for it; if it "
                          "should be, somebody changed its `config`",
                          repo_label(repo));
    return g_steal_pointer(&store);
}

void
store_close(struct store *store)
{
    if (store == NULL)
        return;
    set_shelf_free(store->shelf);
    store_key_free(store->key);
    repo_close(store->repo);
    g_free(store);
}

struct repo *
store_repo(const struct store *store)
{
    return store->repo;
}

const struct store_key *
store_key_of(const struct store *store)
{
    return store->key;
}

const struct store_config *
store_config(const struct store *store)
{
    return &store->config;
}

const char *
store_label(const struct store *store)
{
    return repo_label(store->repo);
}

struct set_shelf *
store_shelf(const struct store *store)
{
    return store->shelf;
}

gboolean
store_set_config(struct store *store, const struct store_config *config, GError **error)
{
    struct store_config next = *config;
    g_strlcpy(next.id, store->config.id, sizeof next.id);
    next.created = store->config.created;
    next.encrypted = store->config.encrypted;
    if (!put_config(store, &next, TRUE, error))
        return FALSE;
    store->config = next;
    return TRUE;
}

gboolean
store_random_id(char ret[STORE_ID_TEXT], GError **error)
{
    guint8 bytes[(STORE_ID_TEXT - 1) / 2];
    if (!random_fill(bytes, sizeof bytes, error))
        return FALSE;
    for (gsize i = 0; i < sizeof bytes; i++)
        g_snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return TRUE;
}

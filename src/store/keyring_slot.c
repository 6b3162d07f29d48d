/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/keyring_slot.h"

#include "base/error.h"
#include "base/random.h"
#include "store/gcm.h"
#include "store/seal.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>

/* 64 MiB and about a quarter of a second: what a login may cost, and a guess must. */
#define COST_N 65536u
#define COST_R 8u
#define COST_P 1u
#define INFO "slipway slot"

void
keyring_slot_free(struct keyring_slot *slot)
{
    if (slot == NULL)
        return;
    g_free(slot->id);
    g_free(slot->label);
    g_free(slot);
}

const char *
keyring_kind_name(enum keyring_kind kind)
{
    static const char *const names[KEYRING_N] = {
        [KEYRING_PASSPHRASE] = "passphrase",
        [KEYRING_FILE] = "key-file",
        [KEYRING_RECOVERY] = "recovery",
    };
    return names[kind];
}

void
keyring_secret_free(struct keyring_secret *slot)
{
    if (slot == NULL)
        return;
    keyring_slot_free(slot->about);
    g_free(slot);
}

static gboolean
is_hex(const char *text, gsize length)
{
    return text != NULL && strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

gboolean
keyring_id_valid(const char *id)
{
    return is_hex(id, KEYRING_ID_TEXT - 1);
}

/* ---- The document ---------------------------------------------------------------------------- */

static json_t *
hex_to_json(const guint8 *bytes, gsize length)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (gsize i = 0; i < length; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return json_string(text->str);
}

static gboolean
hex_from_json(const json_t *object, const char *name, guint8 *ret, gsize length)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!is_hex(text, 2 * length))
        return FALSE;
    for (gsize i = 0; i < length; i++)
        ret[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                          g_ascii_xdigit_value(text[2 * i + 1]));
    return TRUE;
}

static json_t *
kdf_to_json(const struct keyring_secret *slot)
{
    json_t *json = json_object();
    json_object_set_new(json, "salt", hex_to_json(slot->salt, sizeof slot->salt));
    if (slot->about->kind != KEYRING_PASSPHRASE) {
        json_object_set_new(json, "name", json_string("hkdf"));
        return json;
    }
    json_object_set_new(json, "name", json_string("scrypt"));
    json_object_set_new(json, "n", json_integer((json_int_t)slot->cost.n));
    json_object_set_new(json, "r", json_integer(slot->cost.r));
    json_object_set_new(json, "p", json_integer(slot->cost.p));
    return json;
}

GBytes *
keyring_secret_format(const struct keyring_secret *slot, GError **error)
{
    const struct keyring_slot *about = slot->about;
    if (strlen(about->label) > KEYRING_LABEL_MAX || !g_utf8_validate(about->label, -1, NULL))
        return error_null(error, SLIPWAY_ERROR_USAGE,
                          "the label of a key slot must be UTF-8 and have at most %u bytes",
                          KEYRING_LABEL_MAX);
    json_t *json = json_object();
    json_object_set_new(json, "id", json_string(about->id));
    json_object_set_new(json, "kind", json_string(keyring_kind_name(about->kind)));
    json_object_set_new(json, "created", json_integer(about->created));
    json_object_set_new(json, "label", json_string(about->label));
    json_object_set_new(json, "kdf", kdf_to_json(slot));
    json_object_set_new(json, "wrapped", hex_to_json(slot->wrapped, sizeof slot->wrapped));
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    GBytes *object = seal_close(SEAL_KEY, NULL, text, strlen(text), error);
    free(text);
    json_decref(json);
    return object;
}

static gboolean
read_kind(const json_t *json, enum keyring_kind *ret)
{
    const char *name = json_string_value(json_object_get(json, "kind"));
    for (guint kind = 0; kind < KEYRING_N; kind++) {
        if (g_strcmp0(name, keyring_kind_name(kind)) == 0) {
            *ret = kind;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
read_small(const json_t *json, const char *name, guint32 *ret)
{
    const json_int_t value = json_integer_value(json_object_get(json, name));
    *ret = (guint32)value;
    return value >= 0 && value <= G_MAXUINT32;
}

/* A passphrase with the function for random bytes would be guessed at once, so that each kind has
 * but its own is not only for tidiness. */
static gboolean
read_kdf(struct keyring_secret *slot, const json_t *json)
{
    const json_t *kdf = json_object_get(json, "kdf");
    const char *name = json_string_value(json_object_get(kdf, "name"));
    gboolean slow = slot->about->kind == KEYRING_PASSPHRASE;
    guint32 n = 0;
    if (g_strcmp0(name, slow ? "scrypt" : "hkdf") != 0 ||
        !hex_from_json(kdf, "salt", slot->salt, sizeof slot->salt))
        return FALSE;
    if (!slow)
        return TRUE;
    gboolean ok = read_small(kdf, "n", &n) && read_small(kdf, "r", &slot->cost.r) &&
                  read_small(kdf, "p", &slot->cost.p);
    slot->cost.n = n;
    return ok && kdf_cost_valid(&slot->cost);
}

static gboolean
read_slot(struct keyring_secret *slot, const char *id, const json_t *json)
{
    struct keyring_slot *about = slot->about;
    const char *stated = json_string_value(json_object_get(json, "id"));
    const char *words = json_string_value(json_object_get(json, "label"));
    const json_t *created = json_object_get(json, "created");
    about->id = g_strdup(id);
    about->label = g_strdup(words);
    about->created = json_integer_value(created);
    return g_strcmp0(stated, id) == 0 && words != NULL && strlen(words) <= KEYRING_LABEL_MAX &&
           json_is_integer(created) && about->created >= 0 && read_kind(json, &about->kind) &&
           read_kdf(slot, json) &&
           hex_from_json(json, "wrapped", slot->wrapped, sizeof slot->wrapped);
}

struct keyring_secret *
keyring_secret_parse(const char *id, const char *label, GBytes *object, GError **error)
{
    g_autoptr(GBytes) payload = seal_open(SEAL_KEY, NULL, label, object, error);
    if (payload == NULL)
        return NULL;
    auto_ptr(keyring_secret) slot = g_new0(struct keyring_secret, 1);
    slot->about = g_new0(struct keyring_slot, 1);
    json_t *json = json_loadb(g_bytes_get_data(payload, NULL), g_bytes_get_size(payload),
                              JSON_REJECT_DUPLICATES, NULL);
    gboolean ok = read_slot(slot, id, json);
    json_decref(json);
    if (!ok)
        return error_null(error, SLIPWAY_ERROR_CORRUPT, "%s is not the key slot %s", label, id);
    return g_steal_pointer(&slot);
}

/* ---- The key --------------------------------------------------------------------------------- */

static gboolean
derive(const struct keyring_secret *slot, const void *secret, gsize length,
       guint8 ret[GCM_KEY_SIZE], GError **error)
{
    if (slot->about->kind == KEYRING_PASSPHRASE)
        return kdf_scrypt(secret, length, slot->salt, sizeof slot->salt, &slot->cost, ret,
                          GCM_KEY_SIZE, error);
    kdf_hkdf(secret, length, slot->salt, sizeof slot->salt, INFO, strlen(INFO), ret, GCM_KEY_SIZE);
    return TRUE;
}

/* The nonce is always the same, and the key never: it comes from a salt. */
static const guint8 nonce[GCM_NONCE_SIZE];

gboolean
keyring_secret_wrap(struct keyring_secret *slot, const struct store_key *key, const void *secret,
                    gsize length, GError **error)
{
    guint8 wrapping[GCM_KEY_SIZE];
    const char *id = slot->about->id;
    slot->cost = (struct kdf_cost){.n = COST_N, .r = COST_R, .p = COST_P};
    if (!random_fill(slot->salt, sizeof slot->salt, error) ||
        !derive(slot, secret, length, wrapping, error))
        return FALSE;
    auto_ptr(gcm) gcm = gcm_new(wrapping);
    gcm_seal(gcm, nonce, id, strlen(id), store_key_secret(key), STORE_KEY_SIZE, slot->wrapped);
    OPENSSL_cleanse(wrapping, sizeof wrapping);
    return TRUE;
}

gboolean
keyring_secret_unwrap(const struct keyring_secret *slot, const void *secret, gsize length,
                      struct store_key **ret_key, GError **error)
{
    guint8 wrapping[GCM_KEY_SIZE], plain[STORE_KEY_SIZE];
    const char *id = slot->about->id;
    *ret_key = NULL;
    if (!derive(slot, secret, length, wrapping, error))
        return FALSE;
    auto_ptr(gcm) gcm = gcm_new(wrapping);
    if (gcm_open(gcm, nonce, id, strlen(id), slot->wrapped, sizeof slot->wrapped, plain))
        *ret_key = store_key_new(plain);
    OPENSSL_cleanse(wrapping, sizeof wrapping);
    OPENSSL_cleanse(plain, sizeof plain);
    return TRUE;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/keyring.h"

#include "base/error.h"
#include "base/random.h"
#include "base/secret.h"
#include "store/keyring_slot.h"
#include "store/object_parity.h"
#include "store/recovery_key.h"
#include "store/store.h"

#include <openssl/crypto.h>
#include <string.h>

#define FOLDER "keys/"

/* For people. */
static const char *const kinds[KEYRING_N] = {
    [KEYRING_PASSPHRASE] = "passphrase",
    [KEYRING_FILE] = "key file",
    [KEYRING_RECOVERY] = "recovery key",
};

/* ---- Secrets as the user has them ------------------------------------------------------------ */

/* Messages and logs must not show what was typed. */
static void
register_text(const void *secret, gsize length)
{
    char *text = g_strndup(secret, length);
    secret_register(text);
    secret_free(text);
}

static gboolean
check_file(gsize length, GError **error)
{
    if (length < KEYRING_FILE_MIN)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the key file has %" G_GSIZE_FORMAT
                         " bytes; it must have at least %u, and random ones",
                         length, KEYRING_FILE_MIN);
    if (length > KEYRING_FILE_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "the key file has more than %u bytes",
                         KEYRING_FILE_MAX);
    return TRUE;
}

static gboolean
check_new(enum keyring_kind kind, const void *secret, gsize length, GError **error)
{
    if (kind != KEYRING_PASSPHRASE)
        return kind != KEYRING_FILE || check_file(length, error);
    gboolean text = length > 0 && g_utf8_validate_len(secret, length, NULL);
    gsize characters = text ? (gsize)g_utf8_strlen(secret, (gssize)length) : length;
    if (characters < KEYRING_PASSPHRASE_MIN)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the passphrase is too short: it must have at least %u characters, and "
                         "five words are better",
                         KEYRING_PASSPHRASE_MIN);
    if (length > SECRET_MAX)
        return error_set(error, SLIPWAY_ERROR_LIMIT, "the passphrase has more than %d bytes",
                         SECRET_MAX);
    return TRUE;
}

/* What a slot's key is made of: the bytes of a recovery key, else the secret as it is.  `room` is
 * the caller's to wipe. */
static gboolean
to_bytes(enum keyring_kind kind, const void **secret, gsize *length, guint8 room[RECOVERY_KEY_SIZE],
         GError **error)
{
    if (kind != KEYRING_FILE)
        register_text(*secret, *length);
    if (kind != KEYRING_RECOVERY)
        return TRUE;
    if (!recovery_key_parse(*secret, *length, room, error))
        return FALSE;
    *secret = room;
    *length = RECOVERY_KEY_SIZE;
    return TRUE;
}

/* ---- Adding ---------------------------------------------------------------------------------- */

static struct keyring_secret *
new_slot(enum keyring_kind kind, const char *label, GError **error)
{
    guint64 number = 0;
    if (!random_fill(&number, sizeof number, error))
        return NULL;
    struct keyring_secret *slot = g_new0(struct keyring_secret, 1);
    slot->about = g_new0(struct keyring_slot, 1);
    slot->about->id = g_strdup_printf("%016" G_GINT64_MODIFIER "x", number);
    slot->about->kind = kind;
    slot->about->created = g_get_real_time() / G_USEC_PER_SEC;
    slot->about->label = g_strdup(label != NULL ? label : "");
    return slot;
}

/* `secret` is bytes here, also of a recovery key. */
/* Before there is a store nobody knows; store_init() sees to it. */
static gboolean
put_slot(struct repo *repo, const char *name, GBytes *object, GError **error)
{
    struct store_config config;
    gsize length;
    const void *data = g_bytes_get_data(object, &length);
    gboolean parity = store_read_config(repo, &config, NULL) && config.parity > 0;
    return (!parity || object_parity_put(repo, name, data, length, error)) &&
           repo_put(repo, name, data, length, error);
}

static gboolean
add_slot(struct repo *repo, const struct store_key *key, enum keyring_kind kind, const void *secret,
         gsize length, const char *label, char **ret_id, GError **error)
{
    auto_ptr(keyring_secret) slot = new_slot(kind, label, error);
    if (slot == NULL || !keyring_secret_wrap(slot, key, secret, length, error))
        return FALSE;
    g_autoptr(GBytes) object = keyring_secret_format(slot, error);
    g_autofree char *name = g_strconcat(FOLDER, slot->about->id, NULL);
    if (object == NULL || !put_slot(repo, name, object, error))
        return FALSE;
    if (ret_id != NULL)
        *ret_id = g_strdup(slot->about->id);
    return TRUE;
}

gboolean
keyring_add(struct repo *repo, const struct store_key *key, enum keyring_kind kind,
            const void *secret, gsize length, const char *label, char **ret_id, GError **error)
{
    guint8 room[RECOVERY_KEY_SIZE];
    gboolean ok = check_new(kind, secret, length, error) &&
                  to_bytes(kind, &secret, &length, room, error) &&
                  add_slot(repo, key, kind, secret, length, label, ret_id, error);
    OPENSSL_cleanse(room, sizeof room);
    return ok;
}

char *
keyring_add_recovery(struct repo *repo, const struct store_key *key, char **ret_id, GError **error)
{
    guint8 bytes[RECOVERY_KEY_SIZE];
    char *text = NULL;
    if (random_fill(bytes, sizeof bytes, error) &&
        add_slot(repo, key, KEYRING_RECOVERY, bytes, sizeof bytes, "", ret_id, error))
        text = recovery_key_format(bytes);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return text;
}

/* ---- Finding --------------------------------------------------------------------------------- */

static gint
compare_age(gconstpointer left, gconstpointer right)
{
    const struct keyring_slot *a = (*(struct keyring_secret *const *)left)->about;
    const struct keyring_slot *b = (*(struct keyring_secret *const *)right)->about;
    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* One slot into `slots`, or its id into `damaged`; nothing when it was removed meanwhile. */
static gboolean
load_slot(struct repo *repo, const char *name, GPtrArray *slots, GPtrArray *damaged, GError **error)
{
    const char *id = name + strlen(FOLDER);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) object = object_parity_read(repo, name, KEYRING_SLOT_MAX, &local);
    if (object == NULL && !g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_LIMIT)) {
        if (g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_autofree char *label = g_strdup_printf("%s: %s", repo_label(repo), name);
    struct keyring_secret *slot = object != NULL && keyring_id_valid(id)
                                      ? keyring_secret_parse(id, label, object, NULL)
                                      : NULL;
    if (slot != NULL)
        g_ptr_array_add(slots, slot);
    else
        g_ptr_array_add(damaged, g_strdup(id));
    return TRUE;
}

/* All slots (struct keyring_secret *), oldest first, and the ids of damaged ones. */
static GPtrArray *
load_all(struct repo *repo, GPtrArray *damaged, GError **error)
{
    g_autoptr(GPtrArray) names = repo_list(repo, "keys", error);
    if (names == NULL)
        return NULL;
    g_autoptr(GPtrArray) slots =
        g_ptr_array_new_with_free_func((GDestroyNotify)keyring_secret_free);
    for (guint i = 0; i < names->len; i++) {
        const struct repo_entry *entry = names->pdata[i];
        if (!load_slot(repo, entry->name, slots, damaged, error))
            return NULL;
    }
    g_ptr_array_sort(slots, compare_age);
    return g_steal_pointer(&slots);
}

/* "2 of passphrase, 1 of recovery key" */
static char *
describe(GPtrArray *slots, GPtrArray *damaged)
{
    GString *words = g_string_new(NULL);
    for (guint kind = 0; kind < KEYRING_N; kind++) {
        guint n = 0;
        for (guint i = 0; i < slots->len; i++)
            n += ((struct keyring_secret *)slots->pdata[i])->about->kind == kind;
        if (n > 0)
            g_string_append_printf(words, "%s%u of %s", words->len > 0 ? ", " : "", n, kinds[kind]);
    }
    if (damaged->len > 0)
        g_string_append_printf(words, "%s%u damaged", words->len > 0 ? ", " : "", damaged->len);
    return g_string_free(words, FALSE);
}

static gboolean
try_slots(GPtrArray *slots, enum keyring_kind kind, const void *secret, gsize length,
          struct store_key **ret_key, GError **error)
{
    *ret_key = NULL;
    for (guint i = 0; i < slots->len && *ret_key == NULL; i++) {
        const struct keyring_secret *slot = slots->pdata[i];
        if (slot->about->kind == kind &&
            !keyring_secret_unwrap(slot, secret, length, ret_key, error))
            return FALSE;
    }
    return TRUE;
}

static struct store_key *
open_any(struct repo *repo, enum keyring_kind kind, const void *secret, gsize length,
         GError **error)
{
    struct store_key *key = NULL;
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) slots = load_all(repo, damaged, error);
    if (slots == NULL || !try_slots(slots, kind, secret, length, &key, error) || key != NULL)
        return key;
    g_autofree char *words = describe(slots, damaged);
    return error_null(error, SLIPWAY_ERROR_DENIED,
                      "%s: this %s opens no key slot of the store; there are: %s", repo_label(repo),
                      kinds[kind], *words != '\0' ? words : "none");
}

struct store_key *
keyring_open(struct repo *repo, enum keyring_kind kind, const void *secret, gsize length,
             GError **error)
{
    guint8 room[RECOVERY_KEY_SIZE];
    struct store_key *key = NULL;
    if ((kind != KEYRING_FILE || check_file(length, error)) &&
        to_bytes(kind, &secret, &length, room, error))
        key = open_any(repo, kind, secret, length, error);
    OPENSSL_cleanse(room, sizeof room);
    return key;
}

GPtrArray *
keyring_list(struct repo *repo, GPtrArray **ret_damaged, GError **error)
{
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) slots = load_all(repo, damaged, error);
    if (slots == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)keyring_slot_free);
    for (guint i = 0; i < slots->len; i++) {
        struct keyring_secret *slot = slots->pdata[i];
        g_ptr_array_add(list, g_steal_pointer(&slot->about));
    }
    if (ret_damaged != NULL)
        *ret_damaged = g_steal_pointer(&damaged);
    return list;
}

/* ---- Removing -------------------------------------------------------------------------------- */

static gboolean
has_slot(GPtrArray *slots, GPtrArray *damaged, const char *id, gboolean *ret_good)
{
    for (guint i = 0; i < slots->len; i++) {
        if (g_str_equal(((struct keyring_secret *)slots->pdata[i])->about->id, id))
            return *ret_good = TRUE;
    }
    *ret_good = FALSE;
    return g_ptr_array_find_with_equal_func(damaged, id, g_str_equal, NULL);
}

gboolean
keyring_remove(struct repo *repo, const char *id, GError **error)
{
    gboolean good = FALSE;
    g_autoptr(GPtrArray) damaged = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) slots = load_all(repo, damaged, error);
    if (slots == NULL)
        return FALSE;
    if (!has_slot(slots, damaged, id, &good))
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s: there is no key slot %s",
                         repo_label(repo), id);
    /* A damaged slot may yet be mended by hand, so it stays when nothing else opens the store. */
    if (slots->len == (good ? 1 : 0))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s: without key slot %s nothing would open the store any more; add "
                         "another one first",
                         repo_label(repo), id);
    g_autofree char *name = g_strconcat(FOLDER, id, NULL);
    return repo_remove(repo, name, error) && object_parity_remove(repo, name, error);
}

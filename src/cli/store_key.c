/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "cli/text.h"
#include "store/keyring.h"

#include <string.h>

static gboolean
list_slots(struct session *session, struct store *store, GError **error)
{
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) slots = keyring_list(store_repo(store), &damaged, error);
    if (slots == NULL)
        return FALSE;
    auto_ptr(table) table = table_new("Key", "Kind", "Made", "Label", NULL);
    json_t *list = json_array();
    for (guint i = 0; i < slots->len; i++) {
        const struct keyring_slot *slot = slots->pdata[i];
        g_autofree char *date = text_date(slot->created);
        table_add(table, slot->id, keyring_kind_name(slot->kind), date, slot->label, NULL);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:o}", "id", slot->id, "kind",
                                              keyring_kind_name(slot->kind), "created",
                                              (json_int_t)slot->created, "label",
                                              json_value_text(slot->label)));
    }
    for (guint i = 0; damaged != NULL && i < damaged->len; i++)
        ui_warning(session_ui(session), "%s is damaged", (const char *)damaged->pdata[i]);
    ui_table(session_ui(session), table, "the store is not encrypted and has no key");
    ui_set(session_ui(session), "keys", list);
    return TRUE;
}

/* A new slot by --new-key-file or a new passphrase. */
static gboolean
add_slot(struct session *session, struct store *store, char **ret_id, GError **error)
{
    const char *label = session_text(session, OPTION_LABEL);
    const char *file = session_text(session, OPTION_NEW_KEY_FILE);
    struct repo *repo = store_repo(store);
    label = label != NULL ? label : "";
    if (file != NULL) {
        g_autoptr(GBytes) bytes = session_key_file(file, error);
        return bytes != NULL &&
               keyring_add(repo, store_key_of(store), KEYRING_FILE, g_bytes_get_data(bytes, NULL),
                           g_bytes_get_size(bytes), label, ret_id, error);
    }
    const char *text = session_passphrase(session, OPTION_NEW_PASSPHRASE_FILE,
                                          "SLIPWAY_NEW_PASSPHRASE", TRUE, error);
    return text != NULL && keyring_add(repo, store_key_of(store), KEYRING_PASSPHRASE, text,
                                       strlen(text), label, ret_id, error);
}

static gboolean
add(struct session *session, struct store *store, GError **error)
{
    g_autofree char *id = NULL;
    if (!add_slot(session, store, &id, error))
        return FALSE;
    ui_print(session_ui(session), "Added key %s\n", id);
    ui_set(session_ui(session), "id", json_value_text(id));
    return TRUE;
}

/* The new one first: a crash in between leaves both. */
static gboolean
change(struct session *session, struct store *store, GError **error)
{
    g_autofree char *id = NULL;
    g_autoptr(GPtrArray) slots = keyring_list(store_repo(store), NULL, error);
    if (slots == NULL || !add_slot(session, store, &id, error))
        return FALSE;
    for (guint i = 0; i < slots->len; i++) {
        const struct keyring_slot *slot = slots->pdata[i];
        if (slot->kind == KEYRING_PASSPHRASE && !keyring_remove(store_repo(store), slot->id, error))
            return FALSE;
    }
    ui_print(session_ui(session), "Changed the passphrase; the new key is %s\n", id);
    ui_set(session_ui(session), "id", json_value_text(id));
    return TRUE;
}

static gboolean
recovery(struct session *session, struct store *store, GError **error)
{
    g_autofree char *id = NULL;
    char *text = keyring_add_recovery(store_repo(store), store_key_of(store), &id, error);
    if (text == NULL)
        return FALSE;
    ui_print(session_ui(session), "Recovery key %s: %s\nIt is not shown again.\n", id, text);
    ui_set(session_ui(session), "id", json_value_text(id));
    ui_set(session_ui(session), "recovery_key", json_string(text));
    secret_free(text);
    return TRUE;
}

static gboolean
remove_slot(struct session *session, struct store *store, GError **error)
{
    const char *id = session_operand(session, 1);
    if (id == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "which key? `slipway store key list` shows them");
    if (!ui_confirm(session_ui(session), "Remove this key from the store?", error) ||
        !keyring_remove(store_repo(store), id, error))
        return FALSE;
    ui_print(session_ui(session), "Removed key %s\n", id);
    return TRUE;
}

static gboolean
run(struct session *session, GError **error)
{
    static const struct {
        const char *name;
        gboolean (*run)(struct session *, struct store *, GError **);
    } actions[] = {{"list", list_slots},
                   {"add", add},
                   {"change", change},
                   {"remove", remove_slot},
                   {"recovery", recovery}};
    const char *action = session_operand(session, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (!g_str_equal(actions[i].name, action))
            continue;
        struct store *store = session_store(session, error);
        if (store == NULL)
            return FALSE;
        if (i > 0 && store_key_of(store) == NULL)
            return error_set(
                error, SLIPWAY_ERROR_USAGE,
                "the store in %s is not encrypted; only `store init --encrypt` makes an "
                "encrypted one",
                store_label(store));
        return actions[i].run(session, store, error);
    }
    return error_set(error, SLIPWAY_ERROR_USAGE,
                     "%s: list, add, change, remove or recovery is wanted", action);
}

const struct verb verb_store_key = {
    .name = "key",
    .summary = "list, add, change and remove keys of an encrypted store",
    .description =
        "Keys are ways to open an encrypted store: passphrases, key files, recovery keys. None of "
        "these actions rewrites data.\n\n"
        "list shows them. add adds a passphrase or, with --new-key-file, a key file. change adds a "
        "new passphrase and removes the old ones. remove removes the key KEY, but never the last "
        "one. recovery makes a recovery key and prints it once.\n\n"
        "Whoever copied the store before can still open the copy with an old key.",
    .operands = {{"ACTION", FALSE, FALSE, COMPLETE_WORDS, "list add change remove recovery"},
                 {"KEY", TRUE, FALSE, COMPLETE_NONE, NULL}},
    .options = {OPTION_STORE, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE, OPTION_RECOVERY_FILE,
                OPTION_NEW_PASSPHRASE_FILE, OPTION_NEW_KEY_FILE, OPTION_LABEL},
    .examples = {{"slipway store key change", "a new passphrase"},
                 {"slipway store key add --new-key-file /root/backup.key --label cron",
                  "a key file for unattended backups"}},
    .run = run,
};

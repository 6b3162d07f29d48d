/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "cli/json_value.h"
#include "cli/nouns.h"
#include "cli/session.h"
#include "engine/retain.h"
#include "repo/repo.h"
#include "store/keyring.h"

#include <errno.h>
#include <string.h>

/* The first slot, from a key file or a passphrase, and one for a recovery key that is printed. */
static struct store_key *
make_key(struct session *session, struct repo *repo, GError **error)
{
    const char *file = session_text(session, OPTION_KEY_FILE), *text = NULL;
    auto_ptr(store_key) key = NULL;
    g_autoptr(GBytes) bytes = NULL;
    if (file != NULL) {
        if ((bytes = session_key_file(file, error)) == NULL)
            return NULL;
    } else if ((text = session_passphrase(session, OPTION_PASSPHRASE_FILE, "SLIPWAY_PASSPHRASE",
                                          TRUE, error)) == NULL) {
        return NULL;
    }
    key = store_key_generate(error);
    gboolean ok =
        key != NULL &&
        (bytes != NULL
             ? keyring_add(repo, key, KEYRING_FILE, g_bytes_get_data(bytes, NULL),
                           g_bytes_get_size(bytes), "", NULL, error)
             : keyring_add(repo, key, KEYRING_PASSPHRASE, text, strlen(text), "", NULL, error));
    return ok ? g_steal_pointer(&key) : NULL;
}

static gboolean
print_recovery(struct session *session, struct repo *repo, const struct store_key *key,
               GError **error)
{
    g_autofree char *id = NULL;
    char *text = keyring_add_recovery(repo, key, &id, error);
    if (text == NULL)
        return FALSE;
    ui_print(
        session_ui(session),
        "Recovery key: %s\n"
        "Print it or write it down and keep it elsewhere: it opens the store when the passphrase "
        "or the key file is lost. It is not shown again.\n",
        text);
    ui_set(session_ui(session), "recovery_key", json_string(text));
    secret_free(text);
    return TRUE;
}

static gboolean
read_options(struct session *session, struct store_config *config, GError **error)
{
    const char *keep = session_text(session, OPTION_KEEP);
    config->codec = CODEC_ZSTD;
    config->level = STORE_LEVEL_DEFAULT;
    if (!session_percent(session, OPTION_PARITY, &config->parity, error) ||
        !session_compression(session, config, error))
        return FALSE;
    if (config->parity > STORE_PARITY_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "--parity: at most %u%%",
                         STORE_PARITY_MAX / 10);
    if (session_flag(session, OPTION_KEY_FILE) && !session_flag(session, OPTION_ENCRYPT))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--key-file is for --encrypt");
    config->has_retention = keep != NULL;
    return keep == NULL || retain_parse(keep, &config->retention, error);
}

static gboolean
run(struct session *session, GError **error)
{
    struct ui *ui = session_ui(session);
    struct store_config config = {0};
    gboolean is_default;
    g_autofree char *location = session_store_location(session, &is_default);
    if (!read_options(session, &config, error))
        return FALSE;
    if (is_default && g_mkdir_with_parents(location, 0700) != 0)
        return error_set_errno(error, errno, "cannot make %s", location);
    auto_ptr(repo) repo = repo_directory_open(location, TRUE, error);
    if (repo == NULL || !store_prepare(repo, error))
        return FALSE;
    struct store_key *key = NULL;
    if (session_flag(session, OPTION_ENCRYPT) && ((key = make_key(session, repo, error)) == NULL ||
                                                  !print_recovery(session, repo, key, error))) {
        store_key_free(key);
        return FALSE;
    }
    auto_ptr(store) store = store_init(g_steal_pointer(&repo), &config, key, error);
    if (store == NULL)
        return FALSE;
    ui_print(ui, "Made a store in %s%s\n", location,
             store_config(store)->encrypted ? ", encrypted" : "");
    ui_set(ui, "store", json_value_text(location));
    ui_set(ui, "id", json_value_text(store_config(store)->id));
    ui_set(ui, "encrypted", json_boolean(store_config(store)->encrypted));
    return TRUE;
}

const struct verb verb_store_init = {
    .name = "init",
    .summary = "make a store",
    .description =
        "Make a store in an empty directory, which is made when it is missing.\n\n"
        "With --encrypt nothing can be read without the passphrase or the key file, not even the "
        "names of machines; a recovery key is printed once. Without them all backups are lost: "
        "there "
        "is no other way in.\n\n"
        "--keep sets which sets stay when no other rule is given for a machine; --parity makes the "
        "store able to heal damaged bytes.",
    .options = {OPTION_STORE, OPTION_ENCRYPT, OPTION_PASSPHRASE_FILE, OPTION_KEY_FILE,
                OPTION_PARITY, OPTION_COMPRESSION, OPTION_KEEP},
    .examples = {{"slipway store init --store /srv/backup", "a plain store"},
                 {"slipway store init -s /mnt/nas/backup --encrypt --parity 2% --keep typical",
                  "encrypted, able to heal itself, with the usual retention"}},
    .run = run,
};

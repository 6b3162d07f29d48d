/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The store of the backup half: where it is, and what opens it. */
#include "base/error.h"
#include "base/secret.h"
#include "base/stream.h"
#include "cli/session_intern.h"
#include "cli/terminal.h"
#include "repo/repo.h"

#include <errno.h>
#include <string.h>

char *
session_store_location(const struct session *session, gboolean *ret_default)
{
    const char *location = session_text(session, OPTION_STORE);
    *ret_default = FALSE;
    if (location == NULL)
        location = g_getenv("SLIPWAY_STORE");
    if (location != NULL && *location != '\0')
        return g_strdup(location);
    *ret_default = TRUE;
    return g_build_filename(g_get_user_data_dir(), "slipway", "store", NULL);
}

static const char *
ask(struct session *session, enum option_id id, gboolean twice, GError **error)
{
    if (!terminal_is(stdin) || !terminal_is(stderr)) {
        error_set(error, SLIPWAY_ERROR_USAGE,
                  "the passphrase cannot be asked for without a terminal; give it with --%s FILE",
                  option_row(id)->name);
        return NULL;
    }
    char *first = terminal_ask_secret(twice ? "New passphrase" : "Passphrase of the store");
    char *second = twice && first != NULL ? terminal_ask_secret("Once more") : NULL;
    if (first == NULL || (twice && g_strcmp0(first, second) != 0)) {
        error_set(error, first == NULL ? SLIPWAY_ERROR_CANCELLED : SLIPWAY_ERROR_USAGE, "%s",
                  first == NULL ? "no passphrase was given" : "the two passphrases differ");
        secret_free(first);
        secret_free(second);
        return NULL;
    }
    secret_free(second);
    secret_register(first);
    return session->secrets[id] = first;
}

const char *
session_passphrase(struct session *session, enum option_id id, const char *variable, gboolean twice,
                   GError **error)
{
    const char *secret;
    if (!session_secret(session, id, variable, &secret, error))
        return NULL;
    return secret != NULL ? secret : ask(session, id, twice, error);
}

GBytes *
session_key_file(const char *path, GError **error)
{
    auto_ptr(stream) stream = stream_new_file(path, error);
    return stream != NULL ? stream_read_all(stream, KEYRING_FILE_MAX, error) : NULL;
}

static struct store_key *
open_key(struct session *session, struct repo *repo, GError **error)
{
    const char *file = session_text(session, OPTION_KEY_FILE), *text;
    if (file != NULL) {
        g_autoptr(GBytes) bytes = session_key_file(file, error);
        return bytes == NULL ? NULL
                             : keyring_open(repo, KEYRING_FILE, g_bytes_get_data(bytes, NULL),
                                            g_bytes_get_size(bytes), error);
    }
    gboolean recovery = session_text(session, OPTION_RECOVERY_FILE) != NULL;
    if (recovery) {
        if (!session_secret(session, OPTION_RECOVERY_FILE, "", &text, error))
            return NULL;
    } else {
        text =
            session_passphrase(session, OPTION_PASSPHRASE_FILE, "SLIPWAY_PASSPHRASE", FALSE, error);
    }
    if (text == NULL)
        return NULL;
    return keyring_open(repo, recovery ? KEYRING_RECOVERY : KEYRING_PASSPHRASE, text, strlen(text),
                        error);
}

static gboolean
gives_key(const struct session *session)
{
    const char *passphrase = g_getenv("SLIPWAY_PASSPHRASE");
    return session_text(session, OPTION_KEY_FILE) != NULL ||
           session_text(session, OPTION_RECOVERY_FILE) != NULL ||
           session_text(session, OPTION_PASSPHRASE_FILE) != NULL ||
           (passphrase != NULL && *passphrase != '\0');
}

static struct store *
open_store(struct session *session, const char *location, GError **error)
{
    auto_ptr(repo) repo = repo_directory_open(location, FALSE, error);
    struct store_config config;
    if (repo == NULL || !store_read_config(repo, &config, error))
        return NULL;
    if (!config.encrypted && gives_key(session))
        return error_null(
            error, SLIPWAY_ERROR_DENIED,
            "the store in %s is not encrypted, but a passphrase or key for it is given; "
            "if it should be encrypted, somebody changed its `config`, otherwise give "
            "none (SLIPWAY_PASSPHRASE counts)",
            location);
    struct store_key *key = config.encrypted ? open_key(session, repo, error) : NULL;
    if (config.encrypted && key == NULL)
        return NULL;
    return store_open(g_steal_pointer(&repo), key, error);
}

struct store *
session_store(struct session *session, GError **error)
{
    gboolean is_default;
    if (session->store != NULL)
        return session->store;
    g_autofree char *location = session_store_location(session, &is_default);
    g_autoptr(GError) local = NULL;
    session->store = open_store(session, location, &local);
    if (session->store != NULL)
        return session->store;
    if (is_default && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND))
        return error_null(
            error, SLIPWAY_ERROR_NOT_FOUND,
            "there is no store in %s yet; `slipway backup run` makes one, --store DIR "
            "names another",
            location);
    g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
}

struct store *
session_store_or_new(struct session *session, GError **error)
{
    gboolean is_default;
    g_autofree char *location = session_store_location(session, &is_default);
    g_autoptr(GError) local = NULL;
    struct store *store = session_store(session, &local);
    if (store != NULL || !is_default ||
        !g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND)) {
        if (store == NULL)
            g_propagate_error(error, g_steal_pointer(&local));
        return store;
    }
    if (g_mkdir_with_parents(location, 0700) != 0) {
        error_set_errno(error, errno, "cannot make %s", location);
        return NULL;
    }
    struct repo *repo = repo_directory_open(location, TRUE, error);
    struct store_config config = {.codec = CODEC_ZSTD, .level = STORE_LEVEL_DEFAULT};
    session->store = repo != NULL ? store_init(repo, &config, NULL, error) : NULL;
    if (session->store != NULL)
        ui_info(session->ui,
                "made a store in %s (not encrypted; `slipway store init` makes others)", location);
    return session->store;
}

/* ---- Values ---------------------------------------------------------------------------------- */

gboolean
session_percent(const struct session *session, enum option_id id, unsigned *ret_tenths,
                GError **error)
{
    const char *text = session_text(session, id);
    if (text == NULL)
        return TRUE;
    char *end;
    double value = g_ascii_strtod(text, &end);
    if (*end == '%')
        end++;
    if (end == text || *end != '\0' || !(value >= 0 && value <= 100))
        return error_set(error, SLIPWAY_ERROR_USAGE, "--%s %s: a percentage such as 2%% is wanted",
                         option_row(id)->name, text);
    *ret_tenths = (unsigned)(value * 10 + 0.5);
    return TRUE;
}

/* A number with a unit of 1000s behind it; FALSE when it is none. */
static gboolean
parse_amount(const char *text, guint64 *ret)
{
    static const char units[] = "kMGT";
    char *end;
    double value = g_ascii_strtod(text, &end);
    const char *unit = *end != '\0' ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
    if (unit != NULL)
        end++;
    if (end == text || *end != '\0' || !(value > 0 && value < 1e12))
        return FALSE;
    for (gsize i = 0; unit != NULL && i <= (gsize)(unit - units); i++)
        value *= 1000;
    *ret = (guint64)MIN(value, 1e18);
    return TRUE;
}

gboolean
session_size(const struct session *session, enum option_id id, guint64 *ret_bytes, GError **error)
{
    const char *text = session_text(session, id);
    return text == NULL || parse_amount(text, ret_bytes) ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "--%s %s: bytes such as 800k, 50M or 1G are wanted", option_row(id)->name,
                     text);
}

gboolean
session_rate(const struct session *session, enum option_id id, guint64 *ret_bytes, GError **error)
{
    const char *text = session_text(session, id);
    return text == NULL || parse_amount(text, ret_bytes) ||
           error_set(error, SLIPWAY_ERROR_USAGE,
                     "--%s %s: bytes a second such as 800k, 50M or 1G are wanted",
                     option_row(id)->name, text);
}

gboolean
session_compression(const struct session *session, struct store_config *config, GError **error)
{
    const char *text = session_text(session, OPTION_COMPRESSION);
    gint64 level = STORE_LEVEL_DEFAULT;
    if (text == NULL)
        return TRUE;
    gboolean has_level = g_str_has_prefix(text, "zstd:");
    if (g_str_equal(text, "off") || g_str_equal(text, "none")) {
        config->codec = CODEC_NONE;
        config->level = 0;
    } else if (g_str_equal(text, "lz4")) {
        config->codec = CODEC_LZ4;
        config->level = 0;
    } else if (g_str_equal(text, "zstd") ||
               (has_level && g_ascii_string_to_signed(text + 5, 10, -7, 19, &level, NULL) &&
                level != 0)) {
        config->codec = CODEC_ZSTD;
        config->level = (int)level;
    } else {
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "--compression %s: zstd, zstd:LEVEL (-7 to 19), lz4 or off is wanted",
                         text);
    }
    return TRUE;
}

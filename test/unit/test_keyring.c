/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"
#include "base/secret.h"
#include "repo/repo.h"
#include "store/keyring.h"
#include "store/keyring_slot.h"
#include "store/recovery_key.h"

#include <string.h>

#define PASSPHRASE "correct horse battery"
static const char file[KEYRING_FILE_MIN + 1] = "0123456789abcdef\0\1\2\3\4\5\6\7\xff\xfe";

struct fixture {
    struct repo *repo;
    struct store_key *key;
};

static void
set_up(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->repo = repo_memory_new();
    fixture->key = store_key_generate(NULL);
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    repo_close(fixture->repo);
    store_key_free(fixture->key);
    secret_forget_all();
}

static char *
add(struct fixture *fixture, enum keyring_kind kind, const void *secret, gsize length,
    const char *label)
{
    g_autoptr(GError) error = NULL;
    char *id = NULL;
    g_assert_true(
        keyring_add(fixture->repo, fixture->key, kind, secret, length, label, &id, &error));
    g_assert_no_error(error);
    g_assert_true(keyring_id_valid(id));
    return id;
}

/* 0 when it gives the store's key, else the code. */
static int
try(struct fixture *fixture, enum keyring_kind kind, const void *secret, gsize length)
{
    g_autoptr(GError) error = NULL;
    auto_ptr(store_key) key = keyring_open(fixture->repo, kind, secret, length, &error);
    if (key == NULL) {
        g_assert_cmpuint(error->domain, ==, SLIPWAY_ERROR);
        return error->code;
    }
    g_assert_no_error(error);
    g_assert_cmpmem(store_key_secret(key), STORE_KEY_SIZE, store_key_secret(fixture->key),
                    STORE_KEY_SIZE);
    return 0;
}

static void
test_passphrase(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *id = add(fixture, KEYRING_PASSPHRASE, PASSPHRASE, strlen(PASSPHRASE), "mine");
    g_assert_cmpint(try(fixture, KEYRING_PASSPHRASE, PASSPHRASE, strlen(PASSPHRASE)), ==, 0);
    g_assert_cmpint(try(fixture, KEYRING_PASSPHRASE, PASSPHRASE, strlen(PASSPHRASE) - 1), ==,
                    SLIPWAY_ERROR_DENIED);
    g_assert_cmpint(try(fixture, KEYRING_PASSPHRASE, "", 0), ==, SLIPWAY_ERROR_DENIED);
    g_autofree char *shown = secret_redact("it was " PASSPHRASE);
    g_assert_cmpstr(shown, ==, "it was ***");
}

static void
test_file(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *id = add(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN, "");
    char other[KEYRING_FILE_MIN];
    memcpy(other, file, sizeof other);
    other[31] ^= 1;
    g_assert_cmpint(try(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN), ==, 0);
    g_assert_cmpint(try(fixture, KEYRING_FILE, other, KEYRING_FILE_MIN), ==, SLIPWAY_ERROR_DENIED);
    g_assert_cmpint(try(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN - 1), ==,
                    SLIPWAY_ERROR_USAGE);
    g_autofree char *large = g_malloc0(KEYRING_FILE_MAX + 1);
    g_assert_cmpint(try(fixture, KEYRING_FILE, large, KEYRING_FILE_MAX), ==, SLIPWAY_ERROR_DENIED);
    g_assert_cmpint(try(fixture, KEYRING_FILE, large, KEYRING_FILE_MAX + 1), ==,
                    SLIPWAY_ERROR_LIMIT);
}

static void
test_recovery(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *id = NULL;
    char *text = keyring_add_recovery(fixture->repo, fixture->key, &id, &error);
    g_assert_no_error(error);
    g_assert_true(g_regex_match_simple("^([A-Z2-7]{7}-){7}[A-Z2-7]{7}$", text, 0, 0));
    g_autofree char *shown = secret_redact(text);
    g_assert_cmpstr(shown, ==, text); /* it must be possible to print it */
    g_assert_cmpint(try(fixture, KEYRING_RECOVERY, text, strlen(text)), ==, 0);

    guint8 bytes[RECOVERY_KEY_SIZE] = "another key, of another store..";
    char *other = recovery_key_format(bytes);
    g_assert_cmpint(try(fixture, KEYRING_RECOVERY, other, strlen(other)), ==, SLIPWAY_ERROR_DENIED);
    /* A printed key can be given to a second store. */
    g_autofree char *second = add(fixture, KEYRING_RECOVERY, other, strlen(other), "other");
    g_assert_cmpint(try(fixture, KEYRING_RECOVERY, other, strlen(other)), ==, 0);
    secret_free(text);
    secret_free(other);
}

/* ---- The text of a recovery key ---------------------------------------------------------------
 */

static gboolean
parses(const char *text, const guint8 *expected)
{
    g_autoptr(GError) error = NULL;
    guint8 bytes[RECOVERY_KEY_SIZE];
    if (recovery_key_parse(text, strlen(text), bytes, &error)) {
        g_assert_cmpmem(bytes, sizeof bytes, expected, RECOVERY_KEY_SIZE);
        return TRUE;
    }
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
    return FALSE;
}

/* What Python's base64.b32encode() and hashlib.sha256() say of the bytes 0 to 31. */
#define KNOWN_TEXT "AAAQEAY-EAUDAOC-AJBIFQY-DIOB4IB-CEQTCQK-RMFYYDE-NBWHA5D-YPWGDON"

static void
test_text(void)
{
    guint8 bytes[RECOVERY_KEY_SIZE];
    for (guint i = 0; i < RECOVERY_KEY_SIZE; i++)
        bytes[i] = (guint8)i;
    char *text = recovery_key_format(bytes);
    g_assert_cmpstr(text, ==, KNOWN_TEXT);
    g_assert_true(parses(text, bytes));
    g_autofree char *lower = g_ascii_strdown(text, -1);
    g_assert_true(parses(g_strdelimit(lower, "-", ' '), bytes));
    g_autofree char *zeros = g_strdelimit(g_strdup(text), "O", '0');
    g_assert_true(parses(zeros, bytes));
    secret_free(text);
}

static void
test_typing_errors(void)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    guint8 bytes[RECOVERY_KEY_SIZE] = "some bytes that are always same";
    char *text = recovery_key_format(bytes);
    for (gsize i = 0; i < strlen(text); i++) {
        char right = text[i];
        if (right == '-')
            continue;
        for (const char *wrong = alphabet; *wrong != '\0'; wrong++) {
            text[i] = *wrong;
            g_assert_cmpint(parses(text, bytes), ==, *wrong == right);
        }
        text[i] = '9';
        g_assert_false(parses(text, bytes));
        text[i] = '-'; /* left out */
        g_assert_false(parses(text, bytes));
        text[i] = right;
        if (i > 0 && text[i - 1] != '-' && text[i - 1] != right) { /* two in the wrong order */
            text[i] = text[i - 1];
            text[i - 1] = right;
            g_assert_false(parses(text, bytes));
            text[i - 1] = text[i];
            text[i] = right;
        }
    }
    g_autofree char *longer = g_strconcat(text, "A", NULL);
    g_assert_false(parses(longer, bytes));
    g_assert_false(parses("", bytes));
    secret_free(text);
}

/* ---- Slots ------------------------------------------------------------------------------------
 */

static void
test_weak(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        enum keyring_kind kind;
        const char *secret;
        int code;
    } rows[] = {
        {KEYRING_PASSPHRASE, "", SLIPWAY_ERROR_USAGE},
        {KEYRING_PASSPHRASE, "1234567", SLIPWAY_ERROR_USAGE},
        {KEYRING_PASSPHRASE, "\303\244\303\244\303\244\303\244", SLIPWAY_ERROR_USAGE},
        {KEYRING_FILE, "a key file of thirty-one bytes.", SLIPWAY_ERROR_USAGE},
        {KEYRING_RECOVERY, "AAAAAAA", SLIPWAY_ERROR_USAGE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(keyring_add(fixture->repo, fixture->key, rows[i].kind, rows[i].secret,
                                   strlen(rows[i].secret), NULL, NULL, &error));
        int code = rows[i].code;
        g_assert_error(error, SLIPWAY_ERROR, code);
    }
    g_autoptr(GPtrArray) slots = keyring_list(fixture->repo, NULL, NULL);
    g_assert_cmpuint(slots->len, ==, 0);
    g_autoptr(GError) error = NULL;
    g_assert_false(keyring_add(fixture->repo, fixture->key, KEYRING_FILE, file, KEYRING_FILE_MIN,
                               "\xff", NULL, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_USAGE);
}

static void
test_list(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *one = add(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN, "of the \"office\"");
    g_autofree char *two =
        add(fixture, KEYRING_PASSPHRASE, PASSPHRASE, strlen(PASSPHRASE), "of the boss");
    secret_free(keyring_add_recovery(fixture->repo, fixture->key, NULL, NULL));
    repo_put(fixture->repo, "keys/0123456789abcdef", "damaged", 7, NULL);
    repo_put(fixture->repo, "keys/readme", "damaged", 7, NULL);
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) slots = keyring_list(fixture->repo, &damaged, NULL);
    g_assert_cmpuint(slots->len, ==, 3);
    guint found = 0;
    for (guint i = 0; i < slots->len; i++) {
        const struct keyring_slot *slot = slots->pdata[i];
        g_assert_cmpint(slot->created, >, 1600000000);
        if (g_str_equal(slot->id, one)) {
            g_assert_cmpstr(slot->label, ==, "of the \"office\"");
            g_assert_cmpint(slot->kind, ==, KEYRING_FILE);
            found++;
        }
        found += slot->kind == KEYRING_RECOVERY;
    }
    g_assert_cmpuint(found, ==, 2);
    g_assert_cmpuint(damaged->len, ==, 2);
    g_assert_cmpstr(damaged->pdata[0], ==, "0123456789abcdef");
    g_assert_cmpstr(damaged->pdata[1], ==, "readme");
}

static void
test_denied_words(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_null(keyring_open(fixture->repo, KEYRING_FILE, file, KEYRING_FILE_MIN, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_nonnull(strstr(error->message, "there are: none"));
    g_clear_error(&error);
    g_autofree char *id = add(fixture, KEYRING_PASSPHRASE, PASSPHRASE, strlen(PASSPHRASE), "");
    secret_free(keyring_add_recovery(fixture->repo, fixture->key, NULL, NULL));
    repo_put(fixture->repo, "keys/0123456789abcdef", "damaged", 7, NULL);
    g_assert_null(keyring_open(fixture->repo, KEYRING_FILE, file, KEYRING_FILE_MIN, &error));
    g_assert_error(error, SLIPWAY_ERROR, SLIPWAY_ERROR_DENIED);
    g_assert_nonnull(strstr(error->message, "this key file opens no key slot of the store; there "
                                            "are: 1 of passphrase, 1 of recovery key, 1 damaged"));
}

static int
remove_slot(struct fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    return keyring_remove(fixture->repo, id, &error) ? 0 : error->code;
}

static void
test_remove(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *one = add(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN, "");
    g_autofree char *two = NULL;
    secret_free(keyring_add_recovery(fixture->repo, fixture->key, &two, NULL));
    repo_put(fixture->repo, "keys/0123456789abcdef", "damaged", 7, NULL);
    g_assert_cmpint(remove_slot(fixture, "../config"), ==, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpint(remove_slot(fixture, "0000000000000000"), ==, SLIPWAY_ERROR_NOT_FOUND);
    g_assert_cmpint(remove_slot(fixture, one), ==, 0);
    g_assert_cmpint(try(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN), ==, SLIPWAY_ERROR_DENIED);
    g_assert_cmpint(remove_slot(fixture, two), ==, SLIPWAY_ERROR_USAGE);
    g_assert_cmpint(remove_slot(fixture, "0123456789abcdef"), ==, 0);
    g_autoptr(GPtrArray) slots = keyring_list(fixture->repo, NULL, NULL);
    g_assert_cmpuint(slots->len, ==, 1);
}

static void
test_last_damaged(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    repo_put(fixture->repo, "keys/0123456789abcdef", "damaged", 7, NULL);
    g_assert_cmpint(remove_slot(fixture, "0123456789abcdef"), ==, SLIPWAY_ERROR_USAGE);
}

/* No damage of a slot goes unseen, and one that is copied over another does not open. */
static void
test_every_byte(struct fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *id = add(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN, "label");
    g_autofree char *name = g_strconcat("keys/", id, NULL);
    g_autoptr(GBytes) object = repo_read_all(fixture->repo, name, KEYRING_SLOT_MAX, NULL);
    gsize size = g_bytes_get_size(object);
    g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(object, NULL), size);
    for (gsize i = 0; i < size; i++) {
        bytes[i] ^= (guint8)(1u << i % 8);
        repo_replace(fixture->repo, name, bytes, size, NULL);
        g_autoptr(GPtrArray) damaged = NULL;
        g_autoptr(GPtrArray) slots = keyring_list(fixture->repo, &damaged, NULL);
        g_assert_cmpuint(slots->len, ==, 0);
        g_assert_cmpuint(damaged->len, ==, 1);
        g_assert_cmpint(try(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN), ==,
                        SLIPWAY_ERROR_DENIED);
        bytes[i] ^= (guint8)(1u << i % 8);
    }
    repo_remove(fixture->repo, name, NULL);
    repo_put(fixture->repo, "keys/0123456789abcdef", bytes, size, NULL);
    g_assert_cmpint(try(fixture, KEYRING_FILE, file, KEYRING_FILE_MIN), ==, SLIPWAY_ERROR_DENIED);
}

/* Somebody who mends the digest still cannot change the wrapped key or the salt. */
static void
test_forged(void)
{
    auto_ptr(store_key) key = store_key_generate(NULL);
    struct keyring_slot about = {.id = (char *)"0123456789abcdef", .kind = KEYRING_FILE};
    struct keyring_secret slot = {.about = &about};
    g_assert_true(keyring_secret_wrap(&slot, key, file, KEYRING_FILE_MIN, NULL));
    guint8 *const ranges[] = {slot.salt, slot.wrapped};
    const gsize sizes[] = {sizeof slot.salt, sizeof slot.wrapped};
    for (gsize range = 0; range < G_N_ELEMENTS(ranges); range++) {
        for (gsize i = 0; i < sizes[range]; i++) {
            struct store_key *found = NULL;
            ranges[range][i] ^= 4;
            g_assert_true(keyring_secret_unwrap(&slot, file, KEYRING_FILE_MIN, &found, NULL));
            g_assert_null(found);
            ranges[range][i] ^= 4;
        }
    }
    auto_ptr(store_key) found = NULL;
    g_assert_true(keyring_secret_unwrap(&slot, file, KEYRING_FILE_MIN, &found, NULL));
    g_assert_nonnull(found);
    about.id = (char *)"0123456789abcdee";
    auto_ptr(store_key) moved = NULL;
    g_assert_true(keyring_secret_unwrap(&slot, file, KEYRING_FILE_MIN, &moved, NULL));
    g_assert_null(moved);
}

#define ADD(path, function) g_test_add(path, struct fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/keyring/passphrase", test_passphrase);
    ADD("/keyring/file", test_file);
    ADD("/keyring/recovery", test_recovery);
    g_test_add_func("/recovery-key/text", test_text);
    g_test_add_func("/recovery-key/typing-errors", test_typing_errors);
    ADD("/keyring/weak", test_weak);
    ADD("/keyring/list", test_list);
    ADD("/keyring/denied-words", test_denied_words);
    ADD("/keyring/remove", test_remove);
    ADD("/keyring/last-damaged", test_last_damaged);
    ADD("/keyring/every-byte", test_every_byte);
    g_test_add_func("/keyring/forged", test_forged);
    return g_test_run();
}

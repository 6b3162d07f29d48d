/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A key slot, of which the input is the document, and the text of a recovery key.  An accepted slot
 * costs no more than the limits say and is the same when it is written and read again; nothing
 * opens it. */
#include "base/error.h"
#include "fuzz.h"
#include "store/keyring_slot.h"
#include "store/recovery_key.h"
#include "store/seal.h"

#include <string.h>

#define ID "0123456789abcdef"

static void
check_slot(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) object = seal_close(SEAL_KEY, NULL, data, size, &error);
    fuzz_check_pointer(object, error);
    if (object == NULL)
        return;
    auto_ptr(keyring_secret) slot = keyring_secret_parse(ID, "input", object, &error);
    fuzz_check_pointer(slot, error);
    if (slot == NULL)
        return;
    g_assert_cmpuint(slot->about->kind, <, KEYRING_N);
    g_assert_true(slot->about->kind != KEYRING_PASSPHRASE || kdf_cost_valid(&slot->cost));
    g_autoptr(GBytes) written = keyring_secret_format(slot, &error);
    g_assert_no_error(error);
    auto_ptr(keyring_secret) again = keyring_secret_parse(ID, "again", written, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(slot->about->label, ==, again->about->label);
    g_assert_cmpint(slot->about->created, ==, again->about->created);
    g_assert_cmpmem(slot->salt, sizeof slot->salt, again->salt, sizeof again->salt);
    g_assert_cmpmem(slot->wrapped, sizeof slot->wrapped, again->wrapped, sizeof again->wrapped);
    /* scrypt at the limits takes seconds. */
    if (slot->about->kind == KEYRING_PASSPHRASE && slot->cost.n * slot->cost.r > 64)
        return;
    struct store_key *key = NULL;
    g_assert_true(keyring_secret_unwrap(slot, data, size, &key, &error));
    g_assert_null(key);
}

static void
check_recovery(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    guint8 bytes[RECOVERY_KEY_SIZE], again[RECOVERY_KEY_SIZE];
    gboolean ok = recovery_key_parse((const char *)data, size, bytes, &error);
    fuzz_check(ok, error);
    if (!ok)
        return;
    g_autofree char *text = recovery_key_format(bytes);
    g_assert_true(recovery_key_parse(text, strlen(text), again, &error));
    g_assert_cmpmem(bytes, sizeof bytes, again, sizeof again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_slot(data, size);
    check_recovery(data, size);
    return 0;
}

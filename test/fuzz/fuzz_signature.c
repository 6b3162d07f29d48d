/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A signature.  The input: a letter for the level that is claimed (c, p, a, C), the file of trusted
 * certificates, NUL, the descriptor, NUL, sig.pkcs7.
 *
 * Nothing above community is accepted without an anchor that is good for it; a signature that fits
 * a descriptor fits no other; without certificates of our own nobody can forge. */
#include "base/error.h"
#include "esx/vib_signature.h"
#include "fuzz.h"

#include <string.h>

static enum acceptance
take_level(const uint8_t **data, size_t *size)
{
    static const char letters[] = "cpaC";
    if (*size == 0)
        return ACCEPTANCE_COMMUNITY;
    const char *found = memchr(letters, **data, strlen(letters));
    (*data)++;
    (*size)--;
    return found != NULL ? ACCEPTANCE_COMMUNITY + (enum acceptance)(found - letters)
                         : ACCEPTANCE_COMMUNITY;
}

static void
check_altered(const struct trust_store *store, GBytes *descriptor, GBytes *signature)
{
    g_autoptr(GByteArray) altered = g_byte_array_new();
    g_byte_array_append(altered, g_bytes_get_data(descriptor, NULL),
                        (guint)g_bytes_get_size(descriptor));
    g_byte_array_append(altered, (const guint8 *)"x", 1);
    g_autoptr(GBytes) other = g_byte_array_free_to_bytes(g_steal_pointer(&altered));
    g_autoptr(GError) error = NULL;
    g_assert_false(vib_signature_check(store, other, signature, ACCEPTANCE_COMMUNITY, "altered",
                                       NULL, &error));
    fuzz_check(FALSE, error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum acceptance claimed = take_level(&data, &size);
    g_autofree char *trust = fuzz_take_text(&data, &size, '\0');
    g_autoptr(GBytes) descriptor = fuzz_take_bytes(&data, &size, '\0');
    g_autoptr(GBytes) signature = g_bytes_new_static(data, size);
    auto_ptr(trust_store) store = trust_store_new();
    if (*trust != '\0') {
        g_autofree char *path = fuzz_put_file("trust.pem", trust, strlen(trust));
        trust_store_add_file(store, path, NULL);
    }
    struct signature_result result = {0};
    g_autoptr(GError) error = NULL;
    gboolean ok =
        vib_signature_check(store, descriptor, signature, claimed, "input", &result, &error);
    fuzz_check(ok, error);
    g_assert_cmpint(result.is_signed, ==, size > 0);
    g_assert_true((result.level == ACCEPTANCE_NONE) == (result.anchor == NULL));
    if (ok && claimed > ACCEPTANCE_COMMUNITY)
        g_assert_cmpint(result.level, >=, claimed);
    if (ok && result.is_signed)
        check_altered(store, descriptor, signature);
    signature_result_clear(&result);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file of trusted certificates.  Accepted, it holds at least one; refused, the pinned anchors
 * stay. */
#include "base/error.h"
#include "esx/trust_store.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = fuzz_put_file("trust.pem", data, size);
    auto_ptr(trust_store) store = trust_store_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = trust_store_add_file(store, path, &error);
    fuzz_check(ok, error);
    STACK_OF(X509) *certificates = trust_store_certificates(store, NULL);
    if (ok)
        g_assert_cmpint(sk_X509_num(certificates), >=, 1);
    for (int i = 0; i < sk_X509_num(certificates); i++)
        g_assert_nonnull(trust_store_find(store, sk_X509_value(certificates, i)));
    sk_X509_pop_free(certificates, X509_free);
    return 0;
}

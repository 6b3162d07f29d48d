/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A .vib file, read with every checksum, and verified.
 *
 * No payload gives more bytes than it says; each comes once; whatever cannot be read is an error
 * of vib_verify() too. */
#include "base/error.h"
#include "esx/payload_check.h"
#include "esx/vib_file.h"
#include "esx/vib_verify.h"
#include "fuzz.h"

static gboolean
read_payload(struct vib_file *file, const struct payload *payload, GError **error)
{
    auto_ptr(payload_check) check = payload_check_new(payload, PAYLOAD_CHECK_ALL, "input");
    char buffer[1000];
    guint64 total = 0;
    gssize got;
    while ((got = vib_file_read(file, buffer, sizeof buffer, error)) > 0) {
        total += (guint64)got;
        payload_check_update(check, buffer, (gsize)got);
    }
    g_assert_cmpuint(total, <=, payload->size);
    return got == 0 && payload_check_finish(check, error);
}

static gboolean
read_all(GBytes *bytes, GError **error)
{
    auto_ptr(vib_file) file = vib_file_open(stream_new_bytes(bytes, "input"), error);
    if (file == NULL)
        return FALSE;
    guint seen = 0;
    const struct payload *payload = NULL;
    while (vib_file_next(file, &payload, error)) {
        if (payload == NULL) {
            g_assert_cmpuint(seen, ==, vib_file_vib(file)->payloads->len);
            return TRUE;
        }
        if (!read_payload(file, payload, error))
            return FALSE;
        seen++;
    }
    return FALSE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(GError) error = NULL;
    gboolean good = read_all(bytes, &error);
    fuzz_check(good, error);

    auto_ptr(trust_store) trust = trust_store_new();
    auto_ptr(vib_verdict) verdict = vib_verify(stream_new_bytes(bytes, "input"), trust, NULL, NULL);
    g_assert_nonnull(verdict);
    g_assert_true(good || vib_verdict_is_bad(verdict));
    g_autoptr(GError) findings = NULL;
    gboolean clean = vib_verdict_to_error(verdict, &findings);
    g_assert_cmpint(clean, ==, !vib_verdict_is_bad(verdict));
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sealed object, as it is and with its digest mended, and what is in it: a backup set, its
 * flags or its screen.  With a key nothing opens that was not made with it; what opens can be
 * sealed again; a document that is accepted comes out of a second reading as it was. */
#include "base/error.h"
#include "fuzz.h"
#include "store/set.h"
#include "store/set_screen.h"

#include <openssl/sha.h>
#include <string.h>

#define HEADER 48u
#define DIGEST 32u

/* Whatever it is the payload of. */
static void
check_set(GBytes *payload)
{
    g_autoptr(GError) error = NULL;
    gsize size = 0;
    const void *data = g_bytes_get_data(payload, &size);
    g_autoptr(GBytes) sealed = seal_close(SEAL_SET, NULL, data, size, &error);
    g_assert_no_error(error);
    auto_ptr(set) set = set_open(sealed, "input", NULL, &error);
    fuzz_check_pointer(set, error);
    if (set == NULL)
        return;
    g_assert_cmpuint(set->disks->len, <=, SET_DISKS_MAX);
    g_assert_cmpuint(set->tags->len, <=, SET_TAGS_MAX);
    g_autoptr(GBytes) object = set_seal(set, NULL, &error);
    fuzz_check_pointer(object, error); /* escapes may make the document too long */
    if (object == NULL)
        return;
    auto_ptr(set) again = set_open(object, "again", NULL, &error);
    g_assert_no_error(error);
    json_t *one = set_to_json(set), *two = set_to_json(again);
    g_assert_true(json_equal(one, two));
    g_assert_cmpstr(set->config, ==, again->config);
    json_decref(one);
    json_decref(two);
}

static void
check_flags(const json_t *json)
{
    g_autoptr(GError) error = NULL;
    struct set_flags flags, again;
    gboolean ok = set_flags_from_json(json, &flags, &error);
    fuzz_check(ok, error);
    if (!ok)
        return;
    json_t *one = set_flags_to_json(&flags);
    g_assert_true(set_flags_from_json(one, &again, NULL));
    json_t *two = set_flags_to_json(&again);
    g_assert_true(json_equal(one, two));
    json_decref(one);
    json_decref(two);
    set_flags_clear(&flags);
    set_flags_clear(&again);
}

static void
check_screen(GBytes *payload)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) png = set_screen_parse(payload, "input", &error);
    fuzz_check_pointer(png, error);
    if (png != NULL)
        g_assert_true(set_screen_check(png, NULL));
}

static void
check_payload(GBytes *payload)
{
    check_screen(payload);
    check_set(payload);
    gsize size = 0;
    const char *text = g_bytes_get_data(payload, &size);
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    check_flags(json);
    json_decref(json);
}

static void
check_object(GBytes *object)
{
    static const guint8 secret[STORE_KEY_SIZE] = "fuzz";
    auto_ptr(store_key) key = store_key_new(secret);
    for (enum seal_kind kind = 0; kind < SEAL_N; kind++) {
        g_autoptr(GError) error = NULL, denied = NULL;
        g_autoptr(GBytes) payload = seal_open(kind, NULL, "input", object, &error);
        g_autoptr(GBytes) with_key = seal_open(kind, key, "input", object, &denied);
        fuzz_check_pointer(payload, error);
        fuzz_check_pointer(with_key, denied);
        gboolean open = kind == SEAL_CONFIG || kind == SEAL_KEY;
        g_assert_true(with_key == NULL || open);
        if (payload == NULL)
            continue;
        g_assert_cmpint(with_key != NULL, ==, open);
        gsize size = 0;
        const void *data = g_bytes_get_data(payload, &size);
        g_autoptr(GBytes) again = seal_close(kind, NULL, data, size, &error);
        g_assert_no_error(error);
        g_assert_true(g_bytes_equal(again, object));
        check_payload(payload);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) object = g_bytes_new(data, size);
    check_object(object);
    if (size < HEADER + DIGEST)
        return 0;
    guint8 *mended = g_memdup2(data, size);
    guint64 length = GUINT64_TO_LE(size - HEADER - DIGEST);
    if (mended[14] == 0) /* so that a payload of another length is one too */
        memcpy(mended + 16, &length, sizeof length);
    SHA256(mended, size - DIGEST, mended + size - DIGEST);
    g_autoptr(GBytes) good = g_bytes_new_take(mended, size);
    check_object(good);
    return 0;
}

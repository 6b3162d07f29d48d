/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image database, imgdb.tgz, or the plain tar inside it, which is packed here first so that
 * mutations need no checksum of gzip.
 *
 * Written and read again it is the same, and written again the same bytes. */
#include "base/error.h"
#include "esx/gzip_writer.h"
#include "esx/imgdb.h"
#include "fuzz.h"

static gboolean
append(void *user_data, const void *data, gsize length, GError **error G_GNUC_UNUSED)
{
    g_byte_array_append(user_data, data, (guint)length);
    return TRUE;
}

static GBytes *
pack(const uint8_t *data, size_t size)
{
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b)
        return g_bytes_new_static(data, size);
    g_autoptr(GByteArray) packed = g_byte_array_new();
    auto_ptr(gzip_writer) gzip = gzip_writer_new(append, packed);
    g_assert_true(gzip_writer_write(gzip, data, size, NULL) && gzip_writer_finish(gzip, NULL));
    return g_byte_array_free_to_bytes(g_steal_pointer(&packed));
}

/* Directories may become more, for those above others are written too. */
static void
check_extra(const struct imgdb *left, const struct imgdb *right)
{
    g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < right->extra_names->len; i++)
        g_hash_table_insert(found, right->extra_names->pdata[i], right->extra_data->pdata[i]);
    for (guint i = 0; i < left->extra_names->len; i++) {
        GBytes *twin = g_hash_table_lookup(found, left->extra_names->pdata[i]);
        g_assert_true(fuzz_bytes_equal(left->extra_data->pdata[i], twin));
        g_hash_table_remove(found, left->extra_names->pdata[i]);
    }
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, found);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_assert_true(g_str_has_suffix(name, "/"));
}

static void
check_same(const struct imgdb *left, const struct imgdb *right)
{
    g_autoptr(GBytes) mine = profile_format(left->profile, TRUE);
    g_autoptr(GBytes) other = profile_format(right->profile, TRUE);
    g_assert_true(g_bytes_equal(mine, other));
    g_assert_cmpuint(left->vibs->len, ==, right->vibs->len);
    for (guint i = 0; i < left->vibs->len; i++) {
        const struct imgdb_vib *vib = left->vibs->pdata[i];
        const struct imgdb_vib *twin = imgdb_find(right, vib->vib->id);
        g_assert_nonnull(twin);
        g_assert_true(g_bytes_equal(vib->descriptor, twin->descriptor));
        g_assert_true(g_bytes_equal(vib->xml != NULL ? vib->xml : vib->descriptor, twin->xml));
        g_assert_true(fuzz_bytes_equal(vib->signature, twin->signature));
    }
    check_extra(left, right);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) tgz = pack(data, size);
    g_autoptr(GError) error = NULL;
    auto_ptr(imgdb) db = imgdb_parse(tgz, "input", &error);
    fuzz_check_pointer(db, error);
    if (db == NULL)
        return 0;
    g_autoptr(GBytes) written = imgdb_format(db, &error);
    fuzz_check_pointer(written, error);
    if (written == NULL)
        return 0;
    auto_ptr(imgdb) again = imgdb_parse(written, "again", &error);
    g_assert_no_error(error);
    check_same(db, again);
    g_autoptr(GBytes) twice = imgdb_format(again, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(written, twice));
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UPGRADE/METADATA.ZIP of a medium: a zip archive as it is, or parts (fuzz.h).  VIBs are found by
 * their own id. */
#include "base/error.h"
#include "esx/image_upgrade.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) parts = fuzz_parts(data, size);
    g_autoptr(GBytes) zip =
        parts->len > 0 ? fuzz_parts_zip(parts, NULL) : g_bytes_new_static(data, size);
    if (zip == NULL)
        return 0;
    g_autoptr(GError) error = NULL;
    auto_ptr(upgrade_metadata) metadata = upgrade_metadata_parse(zip, "input", &error);
    fuzz_check_pointer(metadata, error);
    if (metadata == NULL)
        return 0;
    GHashTableIter iter;
    gpointer id, vib;
    g_hash_table_iter_init(&iter, metadata->vibs);
    while (g_hash_table_iter_next(&iter, &id, &vib))
        g_assert_cmpstr(id, ==, ((struct vib *)vib)->id);
    return 0;
}

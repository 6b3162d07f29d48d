/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Either index of a depot.  Limits hold, and fields that must be there are. */
#include "base/error.h"
#include "esx/depot_index.h"
#include "fuzz.h"

static void
check_vendors(const GPtrArray *vendors)
{
    g_assert_cmpuint(vendors->len, <=, DEPOT_INDEX_ENTRIES_MAX);
    for (guint i = 0; i < vendors->len; i++) {
        const struct depot_vendor *vendor = vendors->pdata[i];
        g_assert_true(vendor->name != NULL && vendor->code != NULL);
        g_assert_cmpstr(vendor->index_file, !=, "");
        g_assert_true(g_str_has_prefix(vendor->index_file, vendor->relative_path));
        g_assert_true(*vendor->relative_path == '\0' ||
                      g_str_has_suffix(vendor->relative_path, "/"));
    }
}

static void
check_metadata(const GPtrArray *list)
{
    g_assert_cmpuint(list->len, <=, DEPOT_INDEX_ENTRIES_MAX);
    for (guint i = 0; i < list->len; i++) {
        const struct depot_metadata *metadata = list->pdata[i];
        g_assert_true(metadata->product != NULL && metadata->version != NULL);
        g_assert_cmpstr(metadata->channel, !=, "");
        g_assert_cmpstr(metadata->vib_url, !=, "");
        g_assert_true(*metadata->url != '\0' || !g_str_equal(metadata->product, "embeddedEsx"));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) vendors = depot_index_parse(data, size, "input", &error);
    fuzz_check_pointer(vendors, error);
    if (vendors != NULL)
        check_vendors(vendors);
    g_clear_error(&error);
    g_autoptr(GPtrArray) list = vendor_index_parse(data, size, "input", &error);
    fuzz_check_pointer(list, error);
    if (list != NULL)
        check_metadata(list);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An offline bundle: a zip archive as it is, or parts (fuzz.h) of which index.xml and
 * vendor-index.xml lie in the bundle, those called vib20/... too, and all others in its
 * metadata.zip.
 *
 * Packages are unique and lie inside the bundle; the rules can be checked over whatever is there.
 */
#include "base/error.h"
#include "base/zip_writer.h"
#include "esx/depot_set.h"
#include "esx/rules.h"
#include "esx/vib_file.h"
#include "fuzz.h"

#include <string.h>

static gboolean
is_outer(const char *name)
{
    return strcmp(name, "index.xml") == 0 || strcmp(name, "vendor-index.xml") == 0 ||
           g_str_has_prefix(name, "vib20/");
}

static gboolean
is_inner(const char *name)
{
    return !is_outer(name);
}

static GBytes *
make_bundle(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) parts = fuzz_parts(data, size);
    if (parts->len == 0)
        return g_bytes_new_static(data, size);
    g_autoptr(GBytes) metadata = fuzz_parts_zip(parts, is_inner);
    if (metadata == NULL)
        return NULL;
    struct fuzz_part *part = g_new0(struct fuzz_part, 1);
    part->name = g_strdup("metadata.zip");
    part->bytes = g_steal_pointer(&metadata);
    for (guint i = parts->len; i > 0; i--)
        if (is_inner(((struct fuzz_part *)parts->pdata[i - 1])->name))
            g_ptr_array_remove_index(parts, i - 1);
    g_ptr_array_add(parts, part);
    return fuzz_parts_zip(parts, NULL);
}

static void
read_package(const struct package *package)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) steps = g_strsplit(package->location, "/", -1);
    g_assert_true(*package->location != '/');
    g_assert_false(g_strv_contains((const char *const *)steps, ".."));
    struct stream *stream = package_open(package, &error);
    fuzz_check_pointer(stream, error);
    if (stream == NULL)
        return;
    auto_ptr(vib_file) file = vib_file_open(stream, &error);
    fuzz_check_pointer(file, error);
}

static void
check_rules(struct depot *depot)
{
    auto_ptr(depot_set) set = depot_set_new();
    depot_set_add_borrowed(set, depot);
    g_autoptr(GPtrArray) vibs = g_ptr_array_new();
    for (guint i = 0; i < depot->packages->len; i++) {
        struct package *package = depot->packages->pdata[i];
        g_assert_true(depot_set_find(set, package->vib->id) == package);
        g_ptr_array_add(vibs, package->vib);
    }
    struct rules_input input = {.vibs = vibs, .acceptance = ACCEPTANCE_PARTNER, .depots = set};
    g_autoptr(GPtrArray) problems = rules_check(&input);
    for (guint i = 0; i < problems->len; i++)
        g_assert_cmpstr(((struct problem *)problems->pdata[i])->message, !=, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bundle = make_bundle(data, size);
    if (bundle == NULL)
        return 0;
    g_autofree char *path =
        fuzz_put_file("bundle.zip", g_bytes_get_data(bundle, NULL), g_bytes_get_size(bundle));
    struct depot_context context = {0};
    g_autoptr(GError) error = NULL;
    auto_ptr(depot) depot = depot_load(path, &context, &error);
    fuzz_check_pointer(depot, error);
    if (depot == NULL)
        return 0;
    for (guint i = 0; i < depot->packages->len; i++) {
        const struct package *package = depot->packages->pdata[i];
        if (i > 0)
            g_assert_cmpstr(((struct package *)depot->packages->pdata[i - 1])->vib->id, <,
                            package->vib->id);
        read_package(package);
    }
    check_rules(depot);
    return 0;
}

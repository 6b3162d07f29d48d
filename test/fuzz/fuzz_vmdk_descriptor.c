/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text beside a disk, and the paths of files of datastores: whatever a server sends, a name
 * stays a name, and the limits hold. */
#include "base/error.h"
#include "fuzz.h"
#include "hyper/vsphere/folder.h"
#include "hyper/vsphere/vmdk_descriptor.h"

#include <string.h>

static void
check_descriptor(const char *text, gsize size)
{
    struct vmdk_descriptor descriptor;
    g_autoptr(GError) error = NULL;
    gboolean ok = vmdk_descriptor_parse(text, size, &descriptor, &error);
    fuzz_check(ok, error);
    if (!ok) {
        g_assert_null(descriptor.file);
        g_assert_null(descriptor.type);
        return;
    }
    g_assert_cmpuint(size, <=, VMDK_DESCRIPTOR_MAX);
    g_assert_cmpuint(descriptor.n_extents, >=, 1);
    g_assert_cmpuint(descriptor.n_extents, <=, VMDK_DESCRIPTOR_EXTENTS_MAX);
    g_assert_nonnull(descriptor.type);
    g_assert_true(descriptor.file == NULL || *descriptor.file != '\0');
    g_assert_cmpuint(descriptor.sectors, <=, G_MAXUINT64 / 512);
    vmdk_descriptor_clear(&descriptor);
}

static void
check_place(const char *text)
{
    struct folder_place place;
    g_autoptr(GError) error = NULL;
    gboolean ok = folder_place_parse(text, NULL, &place, &error);
    fuzz_check(ok, error);
    if (!ok)
        return;
    g_assert_true(*place.datastore != '\0' && *place.path != '/');
    g_auto(GStrv) steps = g_strsplit(place.path, "/", -1);
    g_assert_false(g_strv_contains((const char *const *)steps, ".."));
    g_assert_true(g_utf8_validate(place.path, -1, NULL));
    folder_place_clear(&place);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    check_descriptor((const char *)data, size);
    check_place(text);
    return 0;
}

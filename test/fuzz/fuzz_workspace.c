/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of a workspace, as parts (fuzz.h): depots.json, verified.json, profiles/a.xml,
 * profiles/b.xml.  What was read can be saved and found again. */
#include "base/error.h"
#include "base/secret.h"
#include "esx/workspace.h"
#include "fuzz.h"

#include <string.h>

static const char *const files[] = {"depots.json", "verified.json", "profiles/a.xml",
                                    "profiles/b.xml"};

static void
put_files(GPtrArray *parts)
{
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        fuzz_remove_file(files[i]);
    for (guint k = 0; k < parts->len; k++) {
        const struct fuzz_part *part = parts->pdata[k];
        for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
            if (strcmp(part->name, files[i]) == 0)
                g_free(fuzz_put_file(files[i], g_bytes_get_data(part->bytes, NULL),
                                     g_bytes_get_size(part->bytes)));
    }
}

static void
check_workspace(struct workspace *workspace)
{
    GPtrArray *depots = workspace_depots(workspace);
    for (guint i = 0; i < depots->len; i++) {
        const struct workspace_depot *depot = depots->pdata[i];
        g_assert_true(depot->name != NULL && depot->location != NULL && depot->title != NULL);
        g_assert_nonnull(workspace_find_depot(workspace, depot->name));
    }
    GPtrArray *profiles = workspace_profiles(workspace);
    for (guint i = 0; i < profiles->len; i++) {
        const struct profile *profile = profiles->pdata[i];
        g_assert_true(profile->name != NULL && profile->vendor != NULL);
    }
    workspace_is_verified(workspace, "00112233");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) parts = fuzz_parts(data, size);
    put_files(parts);
    g_autoptr(GError) error = NULL;
    auto_ptr(workspace) workspace = workspace_open(fuzz_directory(), &error);
    fuzz_check_pointer(workspace, error);
    if (workspace != NULL)
        check_workspace(workspace);
    secret_forget_all();
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/customize_input.h"

#include "base/error.h"
#include "esx/depot_private.h"
#include "esx/image_layout.h"
#include "esx/image_vibs.h"
#include "esx/vib_build.h"

#include <glib/gstdio.h>
#include <string.h>

#define DRIVER_VERSION "1.0-1"

struct customize_input {
    const struct image_export *common;
    char *path;
    struct iso_medium *medium;
    struct imgdb *db;
    GHashTable *vibs;      /* VIB id -> struct vib *: those of the ISO */
    struct depot_set *all; /* the ISO, the connected depots and the --add files */
    char *scratch;         /* directory of VIBs made from driver archives; NULL: none */
};

static void
free_vib(gpointer data)
{
    vib_unref(data);
}

/* Its packages have no files: nothing of the ISO is ever read as a VIB. */
static struct depot *
depot_of_iso(const struct customize_input *input)
{
    struct depot *depot = depot_new(input->path);
    depot->kind = DEPOT_VIB;
    depot->source = depot_source_new(DEPOT_VIB);
    for (guint i = 0; i < input->db->vibs->len; i++) {
        struct vib *vib = ((struct imgdb_vib *)input->db->vibs->pdata[i])->vib;
        /* What is in the database only, lies on the ISO in no form that could be used. */
        if (profile_find_vib(input->db->profile, vib->id) == NULL)
            continue;
        struct package *package = g_new0(struct package, 1);
        package->vib = vib_ref(vib);
        package->depot = depot;
        package->channels = g_ptr_array_new();
        package->location = g_strdup(input->path);
        package->local_path = g_strdup(input->path);
        g_ptr_array_add(depot->packages, package);
    }
    return depot;
}

/* The connected depots belong to the caller; the set of this customisation borrows them. */
static void
borrow_depots(struct customize_input *input)
{
    if (input->common->depots == NULL)
        return;
    GPtrArray *depots = depot_set_depots(input->common->depots);
    for (guint i = 0; i < depots->len; i++)
        depot_set_add_borrowed(input->all, depots->pdata[i]);
}

struct customize_input *
customize_input_open(const char *path, const struct image_export *common, GError **error)
{
    auto_ptr(customize_input) input = g_new0(struct customize_input, 1);
    input->common = common;
    input->path = g_strdup(path);
    input->vibs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_vib);
    input->all = depot_set_new();
    input->medium = iso_medium_open(path, error);
    if (input->medium == NULL)
        return NULL;
    if (!iso_medium_has(input->medium, IMAGE_IMGDB) ||
        !iso_medium_has(input->medium, IMAGE_BOOT_CFG))
        return error_null(error, SLIPWAY_ERROR_UNSUPPORTED,
                          "%s is no installation ISO of ESXi 5.0 or later: it has no imgdb.tgz and "
                          "boot.cfg",
                          path);
    g_autoptr(GBytes) bytes = iso_medium_read(input->medium, IMAGE_IMGDB, IMGDB_MAX, error);
    g_autofree char *label = g_strdup_printf("imgdb.tgz on %s", path);
    input->db = bytes != NULL ? imgdb_parse(bytes, label, error) : NULL;
    if (input->db == NULL)
        return NULL;
    for (guint i = 0; i < input->db->vibs->len; i++) {
        struct vib *vib = ((struct imgdb_vib *)input->db->vibs->pdata[i])->vib;
        g_hash_table_replace(input->vibs, vib->id, vib_ref(vib));
    }
    depot_set_add(input->all, depot_of_iso(input));
    borrow_depots(input);
    return g_steal_pointer(&input);
}

static void
remove_scratch(char *directory)
{
    if (directory == NULL)
        return;
    GDir *dir = g_dir_open(directory, 0, NULL);
    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_unlink(path);
    }
    if (dir != NULL)
        g_dir_close(dir);
    g_rmdir(directory);
    g_free(directory);
}

void
customize_input_free(struct customize_input *input)
{
    if (input == NULL)
        return;
    depot_set_free(input->all);
    imgdb_free(input->db);
    iso_medium_free(input->medium);
    g_hash_table_unref(input->vibs);
    remove_scratch(input->scratch);
    g_free(input->path);
    g_free(input);
}

struct imgdb *
customize_input_database(struct customize_input *input)
{
    return input->db;
}

struct iso_medium *
customize_input_medium(struct customize_input *input)
{
    return input->medium;
}

struct depot_set *
customize_input_depots(struct customize_input *input)
{
    return input->all;
}

const struct vib *
customize_input_vib(struct customize_input *input, const char *vib_id)
{
    return g_hash_table_lookup(input->vibs, vib_id);
}

/* --add. */

static gboolean
is_archive(const char *word)
{
    static const char *const endings[] = {".tgz", ".tar.gz", ".tar"};
    for (gsize i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(word, endings[i]))
            return TRUE;
    return FALSE;
}

/* A name for the VIB out of the file's: what VIB names may hold, without the ending. */
static char *
driver_name(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    char *dot = strstr(base, ".t");
    if (dot != NULL && dot != base)
        *dot = '\0';
    g_strcanon(base, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-", '-');
    return g_ascii_strdown(base, 64);
}

/* What ESXi-Customizer did with an oem.tgz: a community VIB around it. */
static char *
build_driver(struct customize_input *input, const char *path, GError **error)
{
    if (input->scratch == NULL) {
        input->scratch = g_dir_make_tmp("slipway-XXXXXX", error);
        if (input->scratch == NULL)
            return NULL;
    }
    g_autofree char *name = driver_name(path);
    g_autofree char *file = g_strconcat(name, ".vib", NULL);
    char *output = g_build_filename(input->scratch, file, NULL);
    g_autofree char *summary = g_strdup_printf("Files of %s.tgz", name);
    const struct vib_build build = {.name = name,
                                    .version = DRIVER_VERSION,
                                    .vendor = "custom",
                                    .summary = summary,
                                    .description = summary,
                                    .maintenance_mode = TRUE,
                                    .stateless_ready = TRUE,
                                    .acceptance = ACCEPTANCE_COMMUNITY};
    if (!vib_build_write(&build, path, output, TRUE, input->common->context->progress, error))
        g_clear_pointer(&output, g_free);
    return output;
}

static void
take_all(struct depot *depot, GPtrArray *packages)
{
    for (guint i = 0; i < depot->packages->len; i++) {
        struct package *package = depot->packages->pdata[i];
        if (vib_for_product(package->vib, IMAGE_PRODUCT))
            g_ptr_array_add(packages, package);
    }
}

static gboolean
take_file(struct customize_input *input, const char *word, GPtrArray *packages, GError **error)
{
    g_autofree char *made = is_archive(word) ? build_driver(input, word, error) : NULL;
    if (is_archive(word) && made == NULL)
        return FALSE;
    g_autofree char *path = g_canonicalize_filename(made != NULL ? made : word, NULL);
    struct depot *depot = depot_load(path, input->common->context, error);
    if (depot == NULL)
        return FALSE;
    depot_set_add(input->all, depot);
    guint before = packages->len;
    take_all(depot, packages);
    if (packages->len == before)
        return error_set(error, SLIPWAY_ERROR_NOT_FOUND, "%s has no VIB for %s", word,
                         IMAGE_PRODUCT);
    return TRUE;
}

GPtrArray *
customize_input_packages(struct customize_input *input, const char *const *words, GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    for (; words != NULL && *words != NULL; words++) {
        gboolean file = g_file_test(*words, G_FILE_TEST_EXISTS);
        if (file ? !take_file(input, *words, packages, error)
                 : !depot_set_resolve(input->all, *words, packages, error))
            return NULL;
    }
    return g_steal_pointer(&packages);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Building what a recipe says.  Format: doc/format/recipe.md. */
#include "base/error.h"
#include "esx/export_prepare.h"
#include "esx/profile_edit.h"
#include "esx/recipe_profile.h"

#include <string.h>

struct work {
    const struct recipe_build *build;
    const struct recipe *recipe;
    struct recipe_depots *depots;
    struct trust_store *trust;  /* our own, when the recipe has certificates; NULL */
    struct recipe_lock *locked; /* what must be; NULL: anything */
    struct recipe_lock *actual; /* what is */
    struct image_export export;
};

static void
clear_work(struct work *work)
{
    g_clear_pointer(&work->depots, recipe_depots_free);
    g_clear_pointer(&work->trust, trust_store_free);
    g_clear_pointer(&work->locked, recipe_lock_free);
    g_clear_pointer(&work->actual, recipe_lock_free);
}

/* lab.yaml -> lab.lock, beside it. */
static char *
lock_path(const struct work *work)
{
    if (work->build->lock_path != NULL)
        return g_strdup(work->build->lock_path);
    return recipe_lock_path(work->recipe->path);
}

/* "iso" or "zip", by the name of the output. */
static const char *
output_kind(const char *output, GError **error)
{
    static const char *const kinds[] = {"iso", "zip"};
    g_autofree char *lower = g_ascii_strdown(output, -1);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *suffix = g_strconcat(".", kinds[i], NULL);
        if (g_str_has_suffix(lower, suffix))
            return kinds[i];
    }
    return error_null(error, SLIPWAY_ERROR_USAGE,
                      "%s: name the output .iso for an installation ISO or .zip for an offline "
                      "bundle",
                      output);
}

/* ---- settings ----------------------------------------------------------------------------- */

static gboolean
settle_trust(struct work *work, GError **error)
{
    const struct recipe *recipe = work->recipe;
    if (!recipe->signature_check || work->build->common.trust == NULL) {
        work->export.trust = NULL;
        return TRUE;
    }
    if (recipe->trust->len == 0)
        return TRUE;
    work->trust = trust_store_new();
    work->export.trust = work->trust;
    for (guint i = 0; i < recipe->trust->len; i++)
        if (!trust_store_add_file(work->trust, recipe->trust->pdata[i], error))
            return FALSE;
    const char *const *files = work->build->trust_files;
    for (gsize i = 0; files != NULL && files[i] != NULL; i++)
        if (!trust_store_add_file(work->trust, files[i], error))
            return FALSE;
    return TRUE;
}

/* The command line goes before the recipe; switches add up. */
static gboolean
settle_export(struct work *work, GError **error)
{
    const struct recipe *recipe = work->recipe;
    struct image_export *export = &work->export;
    *export = work->build->common;
    export->depots = work->depots->set;
    export->force |= recipe->force;
    export->no_installer |= recipe->no_installer;
    if (export->kernel_options == NULL && recipe->kernel_options->len > 0)
        export->kernel_options = (const char *const *)recipe->kernel_options->pdata;
    if (export->kickstart == NULL)
        export->kickstart = recipe->kickstart;
    if (export->base_iso == NULL || recipe->base_profile == NULL)
        export->base_iso = recipe->base_iso;
    return settle_trust(work, error);
}

/* ---- the lock file ------------------------------------------------------------------------ */

static gboolean
fail_locked(const struct work *work, const GPtrArray *differences, GError **error)
{
    g_autofree char *path = lock_path(work);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < differences->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", (char *)differences->pdata[i]);
    error_set(error, SLIPWAY_ERROR_RULES,
              "the build is locked by %s, but %s; build without --locked to take what there is now",
              path, text->str);
    g_string_free(text, TRUE);
    return FALSE;
}

static gboolean
check_locked(const struct work *work, GError **error)
{
    if (work->locked == NULL)
        return TRUE;
    g_autoptr(GPtrArray) differences = recipe_lock_compare(work->locked, work->actual);
    return differences->len == 0 || fail_locked(work, differences, error);
}

static gboolean
add_file(struct work *work, const char *path, GError **error)
{
    if (path == NULL)
        return TRUE;
    g_autofree char *title = recipe_path_title(work->recipe, path);
    return recipe_lock_add_file(work->actual, title, path, error);
}

/* Every file that goes into the output beside the VIBs of depots. */
static gboolean
add_files(struct work *work, GError **error)
{
    const struct recipe *recipe = work->recipe;
    if (!add_file(work, work->export.base_iso, error) ||
        !add_file(work, work->export.kickstart, error))
        return FALSE;
    for (guint i = 0; recipe->base_profile == NULL && i < recipe->add->len; i++)
        if (recipe_is_file(recipe->add->pdata[i]) && !add_file(work, recipe->add->pdata[i], error))
            return FALSE;
    return TRUE;
}

static gboolean
add_packages(struct work *work, GPtrArray *packages, GError **error)
{
    struct progress *progress = work->export.context->progress;
    gboolean ok = TRUE;
    progress_begin(progress, packages->len, PROGRESS_ITEMS, "taking the checksums of %u VIBs",
                   packages->len);
    for (guint i = 0; i < packages->len && ok; i++) {
        const struct package *package = packages->pdata[i];
        const char *title = recipe_depots_title(work->depots, package);
        ok = recipe_lock_add_package(work->actual, package, title, error);
        progress_advance(progress, 1);
    }
    progress_end(progress, ok);
    return ok;
}

/* Hold `packages` and all files against the lock file: first by what the depots state, which
 * costs nothing, then, once they are fetched, by their bytes. */
static gboolean
take_inputs(struct work *work, GPtrArray *packages, GError **error)
{
    work->actual = recipe_lock_new();
    for (guint i = 0; i < packages->len; i++) {
        const struct package *package = packages->pdata[i];
        recipe_lock_add_stated(work->actual, package, recipe_depots_title(work->depots, package));
    }
    if (!add_files(work, error) || !check_locked(work, error) ||
        !packages_fetch(packages, work->export.context, error))
        return FALSE;
    g_ptr_array_set_size(work->actual->vibs, 0);
    return add_packages(work, packages, error) && check_locked(work, error);
}

static void
describe_profile(struct work *work, const struct profile *profile)
{
    work->actual->profile_name = g_strdup(profile->name);
    work->actual->profile_vendor = g_strdup(profile->vendor);
    work->actual->acceptance = profile->acceptance;
}

/* The same inputs gave another output: another version of the program, or other options. */
static void
warn_output(const struct work *work)
{
    const struct recipe_lock *locked = work->locked, *actual = work->actual;
    if (g_strcmp0(locked->output_kind, actual->output_kind) == 0 &&
        g_strcmp0(locked->output_sha256, actual->output_sha256) != 0)
        progress_warning(work->export.context->progress,
                         "everything that went in is as locked, but the output has the SHA-256 %s "
                         "instead of %s: options or the version of slipway differ",
                         actual->output_sha256, locked->output_sha256);
}

static gboolean
finish_lock(struct work *work, const char *kind, const char *output, GError **error)
{
    if (!recipe_lock_set_output(work->actual, kind, output, error))
        return FALSE;
    if (work->locked != NULL) {
        warn_output(work);
        return TRUE;
    }
    g_autofree char *path = lock_path(work);
    return recipe_lock_write(work->actual, path, error);
}

/* ---- building ----------------------------------------------------------------------------- */

static gboolean
build_from_profile(struct work *work, const char *kind, const char *output,
                   struct image_report *report, GError **error)
{
    auto_ptr(profile) profile =
        recipe_profile_make(work->recipe, work->depots, work->locked, error);
    if (profile == NULL)
        return FALSE;
    /* VIBs that no depot has are named by the lock, or else by the export. */
    g_autoptr(GPtrArray) packages = profile_packages(profile, work->depots->set, NULL);
    if (!take_inputs(work, packages, error))
        return FALSE;
    describe_profile(work, profile);
    return strcmp(kind, "zip") == 0
               ? image_export_bundle(&work->export, profile, output, report, error)
               : image_export_iso(&work->export, profile, output, report, error);
}

static int
compare_packages(gconstpointer a, gconstpointer b)
{
    const struct package *left = *(struct package *const *)a;
    const struct package *right = *(struct package *const *)b;
    return strcmp(left->vib->id, right->vib->id);
}

static void
add_locked(const struct work *work, GPtrArray *packages)
{
    for (guint i = 0; i < work->locked->vibs->len; i++) {
        const struct recipe_lock_item *item = work->locked->vibs->pdata[i];
        struct package *package = depot_set_find(work->depots->set, item->name);
        if (package != NULL)
            g_ptr_array_add(packages, package);
    }
}

/* The packages that names in `add` stand for, or those of the lock file in their place; by id,
 * so that both ways give the same image. */
static GPtrArray *
find_additions(const struct work *work, GError **error)
{
    g_autoptr(GPtrArray) packages = g_ptr_array_new();
    const GPtrArray *add = work->recipe->add;
    if (work->locked != NULL)
        add_locked(work, packages);
    for (guint i = 0; work->locked == NULL && i < add->len; i++)
        if (!recipe_is_file(add->pdata[i]) &&
            !depot_set_resolve(work->depots->set, add->pdata[i], packages, error))
            return NULL;
    g_ptr_array_sort(packages, compare_packages);
    return g_steal_pointer(&packages);
}

/* What image_customize_write() shall add: files as they are, packages by their exact ids. */
static GPtrArray *
list_additions(const struct work *work, const GPtrArray *packages)
{
    GPtrArray *list = g_ptr_array_new_null_terminated(1, NULL, TRUE);
    for (guint i = 0; i < work->recipe->add->len; i++)
        if (recipe_is_file(work->recipe->add->pdata[i]))
            g_ptr_array_add(list, work->recipe->add->pdata[i]);
    for (guint i = 0; i < packages->len; i++)
        g_ptr_array_add(list, ((struct package *)packages->pdata[i])->vib->id);
    return list;
}

static gboolean
describe_output(struct work *work, const char *output, GError **error)
{
    auto_ptr(image_info) info = image_info_read(output, error);
    if (info == NULL)
        return FALSE;
    describe_profile(work, info->db->profile);
    return TRUE;
}

static gboolean
build_from_iso(struct work *work, const char *kind, const char *output, struct image_report *report,
               GError **error)
{
    const struct recipe *recipe = work->recipe;
    if (strcmp(kind, "iso") != 0)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "%s: an ISO as base gives an ISO; name the output .iso, or use a profile "
                         "as base",
                         output);
    g_autoptr(GPtrArray) packages = find_additions(work, error);
    if (packages == NULL || !take_inputs(work, packages, error))
        return FALSE;
    g_autoptr(GPtrArray) add = list_additions(work, packages);
    struct image_customize customize = {
        .common = work->export,
        .add = (const char *const *)add->pdata,
        .remove = (const char *const *)recipe->remove->pdata,
        .name = recipe->name,
        .vendor = recipe->vendor,
        .description = recipe->description,
        .acceptance = recipe->acceptance,
        .lower_acceptance = recipe->lower_acceptance,
    };
    customize.common.base_iso = NULL; /* it is the input */
    return image_customize_write(&customize, recipe->base_iso, output, report, error) &&
           describe_output(work, output, error);
}

static gboolean
run(struct work *work, const char *output, struct image_report *report, GError **error)
{
    const struct recipe *recipe = work->recipe;
    const char *kind = output_kind(output, error);
    if (kind == NULL)
        return FALSE;
    g_autofree char *path = lock_path(work);
    if (work->build->locked) {
        work->locked = recipe_lock_read(path, error);
        if (work->locked == NULL)
            return FALSE;
    }
    gboolean by_profile = recipe->base_profile != NULL;
    work->depots = recipe_depots_load(recipe, by_profile, work->build->common.context, error);
    if (work->depots == NULL || !settle_export(work, error) ||
        !export_check_output(&work->export, output, error))
        return FALSE;
    gboolean ok = by_profile ? build_from_profile(work, kind, output, report, error)
                             : build_from_iso(work, kind, output, report, error);
    return ok && finish_lock(work, kind, output, error);
}

gboolean
recipe_build_write(const struct recipe_build *build, const struct recipe *recipe,
                   const char *output, struct image_report *report, GError **error)
{
    struct work work = {.build = build, .recipe = recipe};
    gboolean ok = run(&work, output, report, error);
    clear_work(&work);
    return ok;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/export_prepare.h"

#include "base/cancel.h"
#include "base/error.h"
#include "esx/profile_edit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static struct export_prepared *
new_prepared(void)
{
    struct export_prepared *prepared = g_new0(struct export_prepared, 1);
    prepared->files = g_ptr_array_new_with_free_func((GDestroyNotify)export_vib_free);
    prepared->vibs = g_ptr_array_new();
    return prepared;
}

void
export_prepared_free(struct export_prepared *prepared)
{
    if (prepared == NULL)
        return;
    g_ptr_array_unref(prepared->vibs);
    g_ptr_array_unref(prepared->files);
    g_clear_pointer(&prepared->problems, g_ptr_array_unref);
    g_free(prepared);
}

static gboolean
open_files(struct export_prepared *prepared, GPtrArray *packages, struct progress *progress,
           GError **error)
{
    gboolean ok = TRUE;
    progress_begin(progress, packages->len, PROGRESS_ITEMS, "reading %u VIBs", packages->len);
    for (guint i = 0; i < packages->len && ok; i++) {
        struct export_vib *file =
            cancel_check(error) ? export_vib_open(packages->pdata[i], error) : NULL;
        ok = file != NULL;
        if (!ok)
            break;
        g_ptr_array_add(prepared->files, file);
        g_ptr_array_add(prepared->vibs, file->vib);
        progress_advance(progress, 1);
    }
    progress_end(progress, ok);
    return ok;
}

static struct problem *
signature_problem(const struct export_vib *file, const GError *cause)
{
    struct problem *problem = g_new0(struct problem, 1);
    problem->rule = RULE_SIGNATURE;
    problem->severity = RULE_ERROR;
    problem->vib_id = g_strdup(file->vib->id);
    problem->message = g_strdup(cause->message);
    problem->candidates = g_ptr_array_new_with_free_func(g_free);
    return problem;
}

/* All of them, so that the user learns of every bad VIB at once. */
static gboolean
check_signatures(const struct export_prepared *prepared, const struct trust_store *trust,
                 const char *profile_name, GError **error)
{
    if (trust == NULL)
        return TRUE;
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
    for (guint i = 0; i < prepared->files->len; i++) {
        const struct export_vib *file = prepared->files->pdata[i];
        g_autoptr(GError) cause = NULL;
        if (!vib_signature_check(trust, file->descriptor, file->signature, file->vib->acceptance,
                                 file->vib->id, NULL, &cause))
            g_ptr_array_add(problems, signature_problem(file, cause));
    }
    return problems->len == 0 || problems_to_error(problems, profile_name, error);
}

/* Only those of rule `rule`; the caller's list keeps owning them. */
static GPtrArray *
problems_of_rule(GPtrArray *problems, enum rule rule)
{
    GPtrArray *list = g_ptr_array_new();
    for (guint i = 0; i < problems->len; i++) {
        struct problem *problem = problems->pdata[i];
        if (problem->rule == rule)
            g_ptr_array_add(list, problem);
    }
    return list;
}

/* The VIBs of the profile by what their depots say, before anything is fetched. */
static GPtrArray *
find_packages(const struct image_export *export, const struct profile *profile, GError **error)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) packages = profile_packages(profile, export->depots, missing);
    g_autoptr(GPtrArray) problems = profile_problems(profile, export->depots);
    if (problems_have_errors(problems) && !export->force) {
        problems_to_error(problems, profile->name, error);
        return NULL;
    }
    if (missing->len > 0) {
        g_autoptr(GPtrArray) absent = problems_of_rule(problems, RULE_MISSING);
        /* The list of problems has an end; this one may be behind it. */
        if (problems_to_error(absent, profile->name, error))
            error_set(error, SLIPWAY_ERROR_RULES,
                      "VIB %s is in image profile '%s', but in no connected depot",
                      (char *)missing->pdata[0], profile->name);
        return NULL;
    }
    return g_steal_pointer(&packages);
}

/* The rules once more, for the VIBs as they are: a depot may have said less than the truth. */
static gboolean
check_rules(struct export_prepared *prepared, const struct image_export *export,
            const struct profile *profile, GError **error)
{
    struct rules_input input = {
        .vibs = prepared->vibs, .acceptance = profile->acceptance, .depots = export->depots};
    prepared->problems = rules_check(&input);
    if (!problems_have_errors(prepared->problems) || export->force)
        return TRUE;
    return problems_to_error(prepared->problems, profile->name, error);
}

struct export_prepared *
export_prepare(const struct image_export *export, const struct profile *profile, GError **error)
{
    auto_ptr(export_prepared) prepared = new_prepared();
    g_autoptr(GPtrArray) packages = find_packages(export, profile, error);
    if (packages == NULL || !packages_fetch(packages, export->context, error) ||
        !open_files(prepared, packages, export->context->progress, error) ||
        !check_signatures(prepared, export->trust, profile->name, error) ||
        !check_rules(prepared, export, profile, error))
        return NULL;
    return g_steal_pointer(&prepared);
}

void
export_prepared_report(struct export_prepared *prepared, struct image_report *report)
{
    if (report == NULL)
        return;
    report->vibs = prepared->files->len;
    g_clear_pointer(&report->problems, g_ptr_array_unref);
    report->problems = g_steal_pointer(&prepared->problems);
}

gboolean
export_check_output(const struct image_export *export, const char *path, GError **error)
{
    struct stat about;
    if (lstat(path, &about) != 0)
        return TRUE; /* whatever is wrong with the path, creating the file will say it better */
    if (S_ISDIR(about.st_mode))
        return error_set(error, SLIPWAY_ERROR_EXISTS,
                         "%s is a directory; name the file to be written", path);
    if (export->overwrite)
        return TRUE;
    return error_set(error, SLIPWAY_ERROR_EXISTS,
                     "%s exists already; choose another name, or replace it with --overwrite",
                     path);
}

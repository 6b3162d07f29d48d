/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "esx/export_prepare.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/stream_digest.h"
#include "esx/profile_edit.h"
#include "esx/vib_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void
free_file(gpointer data)
{
    struct export_vib *file = data;
    vib_unref(file->vib);
    g_clear_pointer(&file->descriptor, g_bytes_unref);
    g_clear_pointer(&file->signature, g_bytes_unref);
    g_free(file->sha256);
    g_free(file);
}

static struct export_prepared *
new_prepared(void)
{
    struct export_prepared *prepared = g_new0(struct export_prepared, 1);
    prepared->files = g_ptr_array_new_with_free_func(free_file);
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

/* What `depot` says of a VIB is not so: set the error and return FALSE. */
static gboolean differs(const struct package *package, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
differs(const struct package *package, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(error, SLIPWAY_ERROR_CORRUPT,
                     "%s: the .vib file is not what its depot %s says: %s; the depot is damaged or "
                     "was changed, get it again",
                     package->vib->id, package->depot->title, text);
}

/* Every checksum that both know must be the same. */
static gboolean
checksums_agree(const struct payload *actual, const struct payload *stated)
{
    for (guint i = 0; i < stated->checksums->len; i++) {
        const struct checksum *checksum = &g_array_index(stated->checksums, struct checksum, i);
        const char *hex = payload_checksum(actual, checksum->kind, checksum->verify_process);
        if (hex != NULL && strcmp(hex, checksum->hex) != 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_payload(const struct package *package, const struct payload *actual, GError **error)
{
    const struct payload *stated = vib_payload(package->vib, actual->name);
    if (stated == NULL)
        return differs(package, error, "the depot knows no payload %s", actual->name);
    if (stated->size != actual->size)
        return differs(package, error,
                       "payload %s has %" G_GUINT64_FORMAT
                       " bytes, in the depot %" G_GUINT64_FORMAT,
                       actual->name, actual->size, stated->size);
    if (strcmp(stated->type, actual->type) != 0)
        return differs(package, error, "payload %s is of type %s, in the depot %s", actual->name,
                       actual->type, stated->type);
    if (!checksums_agree(actual, stated))
        return differs(package, error, "payload %s has other checksums", actual->name);
    return TRUE;
}

static gboolean
check_identity(const struct package *package, const struct vib *actual, GError **error)
{
    const struct vib *stated = package->vib;
    if (strcmp(actual->id, stated->id) != 0)
        return differs(package, error, "its id is %s", actual->id);
    if (actual->acceptance != stated->acceptance)
        return differs(package, error, "its acceptance level is %s, in the depot %s",
                       acceptance_title(actual->acceptance), acceptance_title(stated->acceptance));
    for (guint i = 0; i < actual->payloads->len; i++)
        if (!check_payload(package, actual->payloads->pdata[i], error))
            return FALSE;
    if (actual->payloads->len != stated->payloads->len)
        return differs(package, error, "it has %u payloads, in the depot %u", actual->payloads->len,
                       stated->payloads->len);
    return TRUE;
}

/* A single .vib file has no metadata that says what it must be. */
static gboolean
find_facts(struct export_vib *file, GError **error)
{
    const struct package *package = file->package;
    file->size = package->vib->packed_size;
    file->sha256 = g_strdup(package_sha256(package));
    if (file->sha256 != NULL)
        return TRUE;
    return stream_digest(package_open(package, error), DIGEST_SHA256, &file->sha256, &file->size,
                         error);
}

static struct export_vib *
open_file(struct package *package, GError **error)
{
    struct stream *stream = package_open(package, error);
    if (stream == NULL)
        return NULL;
    auto_ptr(vib_file) opened = vib_file_open(stream, error);
    if (opened == NULL || !check_identity(package, vib_file_vib(opened), error))
        return NULL;
    struct export_vib *file = g_new0(struct export_vib, 1);
    file->package = package;
    file->vib = vib_ref(vib_file_vib(opened));
    file->descriptor = g_bytes_ref(vib_file_descriptor(opened));
    file->signature = g_bytes_ref(vib_file_signature(opened));
    if (!find_facts(file, error))
        g_clear_pointer((gpointer *)&file, free_file);
    return file;
}

static gboolean
open_files(struct export_prepared *prepared, GPtrArray *packages, struct progress *progress,
           GError **error)
{
    gboolean ok = TRUE;
    progress_begin(progress, packages->len, PROGRESS_ITEMS, "reading %u VIBs", packages->len);
    for (guint i = 0; i < packages->len && ok; i++) {
        struct export_vib *file = cancel_check(error) ? open_file(packages->pdata[i], error) : NULL;
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

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image profile as an offline bundle: only what the profile needs.  Format: doc/format/depot.md.
 */
#include "base/durable_file.h"
#include "base/error.h"
#include "esx/depot_index.h"
#include "esx/depot_path.h"
#include "esx/generation.h"
#include "esx/image_export.h"
#include "esx/metadata_write.h"
#include "esx/vib_copy.h"

#include <string.h>

#define FILE_MODE 0644
#define ANY_VERSION "5.*" /* for an image of no known release, as vibauthor writes */
#define EPOCH "1970-01-01T00:00:00+00:00"

struct bundle {
    const struct image_export *export;
    const struct profile *profile;
    GPtrArray *files;     /* of struct export_vib *, borrowed; by VIB id */
    GPtrArray *versions;  /* of char *, ended by NULL: platform versions */
    GPtrArray *bulletins; /* of struct bulletin *, borrowed; by id */
    struct bulletin *rollup;
    char *timestamp;
    GArray *vibs;        /* of struct metadata_vib, filled while the VIBs are copied */
    GPtrArray *texts;    /* of char *: what their facts point at */
    GPtrArray *verified; /* of char *: SHA-256 of VIBs that were fully checked now */
    struct zip_writer *zip;
};

static void
clear_bundle(struct bundle *bundle)
{
    g_clear_pointer(&bundle->files, g_ptr_array_unref);
    g_clear_pointer(&bundle->versions, g_ptr_array_unref);
    g_clear_pointer(&bundle->bulletins, g_ptr_array_unref);
    g_clear_pointer(&bundle->rollup, bulletin_free);
    g_clear_pointer(&bundle->timestamp, g_free);
    g_clear_pointer(&bundle->vibs, g_array_unref);
    g_clear_pointer(&bundle->texts, g_ptr_array_unref);
    g_clear_pointer(&bundle->verified, g_ptr_array_unref);
    g_clear_pointer(&bundle->zip, zip_writer_free);
}

static int
compare_files(gconstpointer a, gconstpointer b)
{
    const struct export_vib *left = *(struct export_vib *const *)a;
    const struct export_vib *right = *(struct export_vib *const *)b;
    return strcmp(left->vib->id, right->vib->id);
}

static int
compare_bulletins(gconstpointer a, gconstpointer b)
{
    const struct bulletin *left = *(struct bulletin *const *)a;
    const struct bulletin *right = *(struct bulletin *const *)b;
    return strcmp(left->id, right->id);
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- what the image says of itself -------------------------------------------------------- */

static void
add_channel_versions(const struct package *package, GPtrArray *versions)
{
    for (guint i = 0; i < package->channels->len; i++) {
        const struct depot_channel *channel = package->channels->pdata[i];
        for (guint j = 0; j < channel->versions->len; j++)
            if (!g_ptr_array_find_with_equal_func(versions, channel->versions->pdata[j],
                                                  g_str_equal, NULL))
                g_ptr_array_add(versions, g_strdup(channel->versions->pdata[j]));
    }
}

/* The release of the image; for VIBs that are no whole image, those that their depots name. */
static GPtrArray *
find_versions(const struct export_prepared *prepared)
{
    GPtrArray *versions = g_ptr_array_new_null_terminated(1, g_free, TRUE);
    const char *release = NULL;
    if (generation_of(prepared->vibs, &release, NULL) != NULL) {
        g_ptr_array_add(versions, g_strndup(release, strcspn(release, "-")));
        return versions;
    }
    for (guint i = 0; i < prepared->files->len; i++)
        add_channel_versions(((struct export_vib *)prepared->files->pdata[i])->package, versions);
    if (versions->len == 0)
        g_ptr_array_add(versions, g_strdup(ANY_VERSION));
    g_ptr_array_sort(versions, compare_texts);
    return versions;
}

/* A time that is a property of the profile: the same profile must give the same bytes. */
static char *
find_timestamp(const struct profile *profile, const GPtrArray *files)
{
    if (profile->modified != NULL || profile->created != NULL)
        return g_strdup(profile->modified != NULL ? profile->modified : profile->created);
    gint64 newest = 0;
    for (guint i = 0; i < files->len; i++)
        newest = MAX(newest, ((struct export_vib *)files->pdata[i])->vib->released);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(newest);
    return time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%S+00:00") : g_strdup(EPOCH);
}

/* The bulletin that stands for the profile. */
static struct bulletin *
make_rollup(const struct bundle *bundle)
{
    const struct profile *profile = bundle->profile;
    g_autofree char *id = g_strconcat("ImageProfile-", profile->name, NULL);
    g_strcanon(id, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._+-", '_');
    struct bulletin *rollup = bulletin_new(id);
    rollup->vendor = g_strdup(profile->vendor);
    rollup->summary = g_strconcat("Image Profile ", profile->name, NULL);
    rollup->severity = g_strdup("general");
    rollup->category = g_strdup("Misc");
    rollup->urgency = g_strdup("moderate");
    rollup->release_type = g_strdup("rollup");
    rollup->description = g_strdup(profile->description);
    rollup->release_date = g_strdup(bundle->timestamp);
    for (guint i = 0; i < bundle->versions->len; i++)
        g_ptr_array_add(rollup->platforms, g_strdup(bundle->versions->pdata[i]));
    for (guint i = 0; i < bundle->files->len; i++) {
        const struct export_vib *file = bundle->files->pdata[i];
        g_ptr_array_add(rollup->vib_ids, g_strdup(file->vib->id));
    }
    return rollup;
}

/* ---- what of the depots goes along -------------------------------------------------------- */

static gboolean
is_complete(const struct bulletin *bulletin, const struct profile *profile)
{
    for (guint i = 0; i < bulletin->vib_ids->len; i++)
        if (profile_find_vib(profile, bulletin->vib_ids->pdata[i]) == NULL)
            return FALSE;
    return bulletin->vib_ids->len > 0;
}

/* Bulletins and components whose VIBs are all in the image.  One that an earlier export made for
 * the same profile gives way to the new one. */
static GPtrArray *
find_bulletins(const struct bundle *bundle)
{
    GPtrArray *found = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(seen, bundle->rollup->id);
    GPtrArray *depots = depot_set_depots(bundle->export->depots);
    for (guint i = 0; i < depots->len; i++) {
        const struct depot *depot = depots->pdata[i];
        for (guint j = 0; j < depot->bulletins->len; j++) {
            struct bulletin *bulletin = depot->bulletins->pdata[j];
            if (is_complete(bulletin, bundle->profile) && g_hash_table_add(seen, bulletin->id))
                g_ptr_array_add(found, bulletin);
        }
    }
    g_ptr_array_add(found, bundle->rollup);
    g_ptr_array_sort(found, compare_bulletins);
    return found;
}

static gboolean
same_vibs(const struct profile *a, const struct profile *b)
{
    if (a->vibs->len != b->vibs->len)
        return FALSE;
    for (guint i = 0; i < a->vibs->len; i++)
        if (profile_find_vib(b, ((struct profile_vib *)a->vibs->pdata[i])->id) == NULL)
            return FALSE;
    return TRUE;
}

static gboolean
offers_profile(const struct depot *depot, const struct profile *profile)
{
    for (guint i = 0; i < depot->profiles->len; i++) {
        const struct profile *offered = depot->profiles->pdata[i];
        if (strcmp(offered->name, profile->name) == 0 &&
            strcmp(offered->vendor, profile->vendor) == 0 && same_vibs(offered, profile))
            return TRUE;
    }
    return FALSE;
}

/* Members that we do not understand (base images, add-ons, manifests, notifications) speak of a
 * depot as a whole.  They go along only when the export is that whole: an unchanged profile of
 * the depot, and no VIB in the depot besides.  NULL: they do not. */
static GHashTable *
find_extra(const struct bundle *bundle)
{
    const struct export_vib *first = bundle->files->len > 0 ? bundle->files->pdata[0] : NULL;
    const struct depot *depot = first != NULL ? first->package->depot : NULL;
    if (depot == NULL || depot->packages->len != bundle->files->len ||
        !offers_profile(depot, bundle->profile))
        return NULL;
    for (guint i = 0; i < bundle->files->len; i++)
        if (((struct export_vib *)bundle->files->pdata[i])->package->depot != depot)
            return NULL;
    return depot->extra;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* VMW out of "VMware, Inc.": three letters or digits, as tools want a vendor's code. */
static char *
vendor_code(const char *vendor)
{
    GString *code = g_string_new(NULL);
    for (; *vendor != '\0' && code->len < 3; vendor++)
        if (g_ascii_isalnum(*vendor))
            g_string_append_c(code, g_ascii_toupper(*vendor));
    while (code->len < 3)
        g_string_append_c(code, 'X');
    return g_string_free(code, FALSE);
}

static gboolean
write_indexes(struct bundle *bundle, GError **error)
{
    g_autofree char *code = vendor_code(bundle->profile->vendor);
    g_autofree char *index = depot_index_format(bundle->profile->vendor, code);
    g_autofree char *vendor_index =
        vendor_index_format((const char *const *)bundle->versions->pdata);
    return zip_writer_add(bundle->zip, "index.xml", index, strlen(index), error) &&
           zip_writer_add(bundle->zip, "vendor-index.xml", vendor_index, strlen(vendor_index),
                          error);
}

static enum payload_check_depth
check_depth(const struct bundle *bundle, const struct export_vib *file)
{
    gboolean known = bundle->export->verified != NULL &&
                     workspace_is_verified(bundle->export->verified, file->sha256);
    return known ? PAYLOAD_CHECK_STORED : PAYLOAD_CHECK_ALL;
}

static gboolean
write_vib(struct bundle *bundle, const struct export_vib *file, GError **error)
{
    enum payload_check_depth depth = check_depth(bundle, file);
    char *path = depot_path_vib(file->vib), *sha256 = NULL;
    g_ptr_array_add(bundle->texts, path);
    struct metadata_vib entry = {.vib = file->vib, .descriptor = file->descriptor};
    if (!vib_copy_write(file, depth, bundle->zip, path, bundle->export->context->progress,
                        &entry.facts.size, &sha256, error))
        return FALSE;
    g_ptr_array_add(bundle->texts, sha256);
    if (depth == PAYLOAD_CHECK_ALL)
        g_ptr_array_add(bundle->verified, sha256);
    entry.facts.relative_path = path;
    entry.facts.sha256 = sha256;
    g_array_append_val(bundle->vibs, entry);
    return TRUE;
}

static guint64
total_size(const GPtrArray *files)
{
    guint64 total = 0;
    for (guint i = 0; i < files->len; i++)
        total += ((struct export_vib *)files->pdata[i])->package->vib->packed_size;
    return total;
}

static gboolean
write_vibs(struct bundle *bundle, GError **error)
{
    struct progress *progress = bundle->export->context->progress;
    gboolean ok = TRUE;
    progress_begin(progress, total_size(bundle->files), PROGRESS_BYTES, "writing %u VIBs",
                   bundle->files->len);
    for (guint i = 0; i < bundle->files->len && ok; i++)
        ok = write_vib(bundle, bundle->files->pdata[i], error);
    progress_end(progress, ok);
    return ok;
}

/* Stored, so that readers need not unpack an archive to read an archive; behind the VIBs, because
 * their checksums are in it. */
static gboolean
write_metadata(struct bundle *bundle, GError **error)
{
    g_autoptr(GPtrArray) profiles = g_ptr_array_new();
    g_ptr_array_add(profiles, (gpointer)bundle->profile);
    struct metadata_write metadata = {
        .versions = (const char *const *)bundle->versions->pdata,
        .timestamp = bundle->timestamp,
        .vibs = bundle->vibs,
        .bulletins = bundle->bulletins,
        .profiles = profiles,
        .extra = find_extra(bundle),
    };
    g_autoptr(GBytes) bytes = metadata_write(&metadata, error);
    if (bytes == NULL)
        return FALSE;
    gsize length;
    const void *data = g_bytes_get_data(bytes, &length);
    return zip_writer_begin(bundle->zip, "metadata.zip", length, error) &&
           zip_writer_write(bundle->zip, data, length, error) && zip_writer_end(bundle->zip, error);
}

static void
begin_bundle(struct bundle *bundle, const struct export_prepared *prepared)
{
    bundle->files = g_ptr_array_new();
    for (guint i = 0; i < prepared->files->len; i++)
        g_ptr_array_add(bundle->files, prepared->files->pdata[i]);
    g_ptr_array_sort(bundle->files, compare_files);
    bundle->versions = find_versions(prepared);
    bundle->timestamp = find_timestamp(bundle->profile, bundle->files);
    bundle->rollup = make_rollup(bundle);
    bundle->bulletins = find_bulletins(bundle);
    bundle->vibs = g_array_new(FALSE, FALSE, sizeof(struct metadata_vib));
    bundle->texts = g_ptr_array_new_with_free_func(g_free);
    bundle->verified = g_ptr_array_new();
}

static gboolean
write_bundle(struct bundle *bundle, const char *path, GError **error)
{
    auto_ptr(durable_file) file = durable_file_new(path, FILE_MODE, error);
    if (file == NULL)
        return FALSE;
    bundle->zip = zip_writer_new_fd(durable_file_fd(file), path);
    if (!write_indexes(bundle, error) || !write_vibs(bundle, error) ||
        !write_metadata(bundle, error) || !zip_writer_finish(bundle->zip, error))
        return FALSE;
    return durable_file_commit(g_steal_pointer(&file), error);
}

gboolean
image_export_bundle(const struct image_export *export, const struct profile *profile,
                    const char *path, struct image_report *report, GError **error)
{
    if (!export_check_output(export, path, error))
        return FALSE;
    auto_ptr(export_prepared) prepared = export_prepare(export, profile, error);
    if (prepared == NULL)
        return FALSE;

    struct bundle bundle = {.export = export, .profile = profile};
    begin_bundle(&bundle, prepared);
    gboolean ok = write_bundle(&bundle, path, error);
    guint64 bytes = ok ? zip_writer_size(bundle.zip) : 0;
    /* Only a memory of checks: what cannot be remembered is checked again next time. */
    if (ok && export->verified != NULL)
        workspace_add_verified(export->verified, bundle.verified, NULL);
    clear_bundle(&bundle);
    if (!ok)
        return FALSE;
    export_prepared_report(prepared, report);
    if (report != NULL)
        report->bytes = bytes;
    return TRUE;
}

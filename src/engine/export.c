/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/export.h"

#include "base/error.h"
#include "disk/overlay.h"
#include "engine/diff.h"
#include "engine/shared_disk.h"
#include "store/lease.h"
#include "target/disk_tree.h"

/* That are tried, one after the other, when the user says none. */
#define PORTS 100u

struct unit {
    const char *name; /* the set's */
    struct disk *disk;
    gboolean overlay;
    struct extent_list *changes; /* since an older set; NULL */
};

struct export
{
    struct store *store;
    struct lease *lease; /* NULL in a store that cannot be written */
    struct locator *locator;
    struct set_entry *entry;
    struct set_entry *older; /* NULL */
    struct set_cache *cache;
    GArray *units; /* of struct unit */
    struct scsi_device *device;
    struct iscsi_server *iscsi;
    char *iscsi_name;
    struct nbd_server *nbd;
    struct disk_tree *tree;
    char *mount, *commit;
    gboolean read_only;
    gint64 since;
    void (*log)(const char *line, gpointer data);
    gpointer log_data;
};

static void tell(struct export *export, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
tell(struct export *export, const char *format, ...)
{
    if (export->log == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    export->log(line, export->log_data);
}

/* ---- The disks ------------------------------------------------------------------------------- */

/* The lease before the set: what is found then, no prune removes while the lease is there.  A store
 * on a medium that cannot be written has no prune either. */
static gboolean
find_set(struct export *export, const struct export_options *options, GError **error)
{
    g_autoptr(GError) local = NULL;
    export->lease = lease_take(export->store, LEASE_WRITER, &local);
    if (export->lease == NULL)
        tell(export, "no lease: %s; do not prune the store while this export is served",
             local->message);
    export->entry = store_sets_find(export->store, options->set, error);
    if (export->entry == NULL)
        return FALSE;
    if (options->since != NULL &&
        (export->older = store_sets_find(export->store, options->since, error)) == NULL)
        return FALSE;
    export->locator = locator_new(export->store, error);
    export->cache = export->locator != NULL
                        ? set_cache_new(export->store, export->locator, &options->cache, error)
                        : NULL;
    return export->cache != NULL;
}

static gboolean
check_commit(struct export *export, const struct export_options *options, GError **error)
{
    if (options->commit == NULL)
        return TRUE;
    if (options->read_only)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the export is read-only: there is nothing to make a set of");
    if (*options->commit == '\0' || g_str_equal(options->commit, export->entry->set->name))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "a set under the name \"%s\" would be taken for the newest state of that "
                         "machine by its next backup; choose another name",
                         options->commit);
    if (!backup_check_name(export->store, options->commit, error))
        return FALSE;
    export->commit = g_strdup(options->commit);
    return TRUE;
}

/* Who the disk is to an initiator: the same set and disk are the same disk again. */
static char *
make_identity(const struct export *export, const char *name)
{
    char id[SET_ID_TEXT];
    return g_strdup_printf("%s set %s, disk %s", store_config(export->store)->id,
                           set_id_format(&export->entry->set->id, id), name);
}

static struct disk *
add_overlay(struct export *export, const struct export_options *options, guint n, const char *name,
            struct disk *base, GError **error)
{
    g_autofree char *identity = make_identity(export, name);
    g_autofree char *path = options->keep == NULL ? NULL
                            : n > 1               ? g_strdup_printf("%s.%s", options->keep, name)
                                                  : g_strdup(options->keep);
    struct overlay_options how = {
        .directory = options->directory,
        .path = path,
        .identity = identity,
        .limit = options->limit > 0 ? MAX(options->limit / n, 1) : 0, /* 0 is any */
    };
    return disk_overlay_open(base, &how, error);
}

static struct unit *
find_unit(struct export *export, const char *name)
{
    for (guint i = 0; i < export->units->len; i++) {
        struct unit *unit = &g_array_index(export->units, struct unit, i);
        if (g_str_equal(unit->name, name))
            return unit;
    }
    return NULL;
}

static gboolean
add_unit(struct export *export, const struct export_options *options, guint n, const char *name,
         GError **error)
{
    const struct set_disk *found = set_need_disk(export->entry->set, name, error);
    /* An initiator takes two LUNs of one identity for two ways to the same disk. */
    if (found != NULL && find_unit(export, name) != NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE, "disk %s is named twice", name);
    struct disk *disk =
        found != NULL ? set_cache_open(export->cache, export->entry->set, name, error) : NULL;
    if (disk != NULL && !options->read_only)
        disk = add_overlay(export, options, n, name, disk, error);
    if (disk == NULL)
        return FALSE;
    struct unit unit = {.name = found->name, .disk = disk, .overlay = !options->read_only};
    if (export->older != NULL)
        unit.changes = diff_disks(export->store, export->locator, export->older->set,
                                  export->entry->set, name, error);
    g_array_append_val(export->units, unit);
    return export->older == NULL || unit.changes != NULL;
}

static gboolean
open_disks(struct export *export, const struct export_options *options, GError **error)
{
    const struct set *set = export->entry->set;
    guint n = options->disks != NULL ? g_strv_length((char **)options->disks) : set->disks->len;
    for (guint i = 0; i < n; i++) {
        const char *name = options->disks != NULL ? options->disks[i]
                                                  : ((struct set_disk *)set->disks->pdata[i])->name;
        if (!add_unit(export, options, n, name, error))
            return FALSE;
    }
    if (n == 0)
        return error_set(error, SLIPWAY_ERROR_USAGE, "the set has no disk to serve");
    return TRUE;
}

/* ---- iSCSI ----------------------------------------------------------------------------------- */

/* "iqn.2026-11.org.slipway:app01.3f2a9c01d4e5": RFC 3722 allows lower-case letters, digits, '-',
 * '.' and ':'. */
static char *
make_name(const struct set *set)
{
    char id[SET_ID_TEXT];
    set_id_format(&set->id, id);
    g_autofree char *machine = g_utf8_strdown(set->name, 64);
    for (char *c = machine; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && *c != '-' && *c != '.')
            *c = '-';
    return g_strdup_printf(EXPORT_IQN_PREFIX "%.64s.%.12s", machine, id);
}

static void
log_medium(const char *words, gpointer data)
{
    tell(data, "%s", words);
}

typedef gboolean (*start_func)(struct export *export, gpointer how, const char *const *listen,
                               GError **error);

/* Where the user says; else on all addresses, on the first port from `port` on that is free: each
 * export has servers of its own. */
static gboolean
start_somewhere(struct export *export, start_func start, gpointer how, const char *const *listen,
                guint port, GError **error)
{
    if (listen != NULL)
        return start(export, how, listen, error);
    for (guint i = 0;; i++) {
        g_autofree char *address = g_strdup_printf("*:%u", port + i);
        const char *const one[] = {address, NULL};
        g_autoptr(GError) local = NULL;
        if (start(export, how, one, &local))
            return TRUE;
        if (i + 1 < PORTS && g_error_matches(local, SLIPWAY_ERROR, SLIPWAY_ERROR_BUSY))
            continue;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
}

static gboolean
start_iscsi(struct export *export, gpointer how, const char *const *listen, GError **error)
{
    struct iscsi_options *options = how;
    options->listen = listen;
    export->iscsi = iscsi_server_start(options, error);
    return export->iscsi != NULL;
}

static gboolean
serve_iscsi(struct export *export, const struct export_options *options, GError **error)
{
    struct iscsi_options how = *options->iscsi;
    export->device = scsi_device_new();
    scsi_device_set_log(export->device, log_medium, export);
    for (guint i = 0; i < export->units->len; i++) {
        struct unit *unit = &g_array_index(export->units, struct unit, i);
        g_autofree char *identity = make_identity(export, unit->name);
        struct scsi_unit_options lun = {
            .disk = unit->disk,
            .number = i,
            .identity = identity,
            .product = "Backup disk",
            .block_size = options->block_size != 0 ? options->block_size : 512,
            .read_only = options->read_only,
        };
        if (!scsi_device_add(export->device, &lun, error))
            return FALSE;
    }
    export->iscsi_name = how.name != NULL ? g_strdup(how.name) : make_name(export->entry->set);
    how.name = export->iscsi_name;
    how.device = export->device;
    if (how.alias == NULL)
        how.alias = export->entry->set->name;
    how.log = export->log;
    how.log_data = export->log_data;
    return start_somewhere(export, start_iscsi, &how, how.listen, EXPORT_ISCSI_PORT, error);
}

/* ---- NBD ------------------------------------------------------------------------------------- */

/* Written since counts as changed as well. */
static gboolean
find_changed(gpointer data, guint64 offset, guint64 length, gboolean *ret_changed,
             guint64 *ret_length, G_GNUC_UNUSED GError **error)
{
    struct unit *unit = data;
    guint64 n = length;
    if (unit->overlay && disk_overlay_changed(unit->disk, offset, length, &n)) {
        *ret_changed = TRUE;
        *ret_length = n;
        return TRUE;
    }
    struct extent next = {offset + n, 0};
    extent_list_next(unit->changes, offset, NULL, &next);
    *ret_changed = next.offset == offset;
    *ret_length = MIN(n, *ret_changed ? next.length : next.offset - offset);
    return TRUE;
}

static void
add_nbd(GArray *exports, const struct export *export, struct unit *unit, const char *name)
{
    struct nbd_export one = {
        .name = name,
        .description = export->entry->set->name,
        .disk = unit->disk,
        .read_only = export->read_only,
        .changed = unit->changes != NULL ? find_changed : NULL,
        .changed_data = unit,
    };
    g_array_append_val(exports, one);
}

static gboolean
start_nbd(struct export *export, gpointer how, const char *const *listen, GError **error)
{
    struct nbd_options *options = how;
    options->listen = listen;
    export->nbd = nbd_server_start(options, error);
    return export->nbd != NULL;
}

static gboolean
serve_nbd(struct export *export, const struct export_options *options, GError **error)
{
    struct nbd_options how = *options->nbd;
    g_autoptr(GArray) exports = g_array_new(FALSE, FALSE, sizeof(struct nbd_export));
    struct unit *units = (struct unit *)(gpointer) export->units->data;
    if (export->units->len == 1)
        add_nbd(exports, export, &units[0], "");
    for (guint i = 0; i < export->units->len; i++)
        add_nbd(exports, export, &units[i], units[i].name);
    how.exports = (const struct nbd_export *)(gpointer)exports->data;
    how.n_exports = exports->len;
    how.log = export->log;
    how.log_data = export->log_data;
    if (how.listen == NULL && how.tls_directory == NULL)
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "NBD without TLS lets anybody read who can connect: say where it listens");
    return start_somewhere(export, start_nbd, &how, how.listen, EXPORT_NBD_PORT, error);
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* "disk0.raw"; free with g_free(). */
static char *
file_name(const struct unit *unit)
{
    char *name = g_strconcat(unit->name, ".raw", NULL);
    return g_strdelimit(name, "/", '_');
}

static GPtrArray *
list_files(gpointer data, const char *path, GError **error)
{
    const struct export *export = data;
    if (*path != '\0')
        return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no folder %s", path);
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)disk_tree_entry_free);
    for (guint i = 0; i < export->units->len; i++) {
        const struct unit *unit = &g_array_index(export->units, struct unit, i);
        struct disk_tree_entry *entry = g_new0(struct disk_tree_entry, 1);
        entry->name = file_name(unit);
        entry->size = disk_size(unit->disk);
        entry->time = export->entry->set->created;
        g_ptr_array_add(list, entry);
    }
    return list;
}

static struct disk *
open_file(gpointer data, const char *path, GError **error)
{
    const struct export *export = data;
    for (guint i = 0; i < export->units->len; i++) {
        g_autofree char *name = file_name(&g_array_index(export->units, struct unit, i));
        if (g_str_equal(name, path))
            return shared_disk_new(g_array_index(export->units, struct unit, i).disk);
    }
    return error_null(error, SLIPWAY_ERROR_NOT_FOUND, "there is no file %s", path);
}

static gboolean
serve_files(struct export *export, const struct export_options *options, GError **error)
{
    struct disk_tree_source source = {list_files, open_file, export};
    struct disk_tree_options how = {
        .mount_point = options->mount,
        .allow_other = options->allow_other,
        .log = export->log,
        .log_data = export->log_data,
    };
    export->mount = g_strdup(options->mount);
    export->tree = disk_tree_mount(&source, &how, error);
    return export->tree != NULL;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static gboolean
serve(struct export *export, const struct export_options *options, GError **error)
{
    return find_set(export, options, error) && check_commit(export, options, error) &&
           open_disks(export, options, error) &&
           (options->iscsi == NULL || serve_iscsi(export, options, error)) &&
           (options->nbd == NULL || serve_nbd(export, options, error)) &&
           (options->mount == NULL || serve_files(export, options, error));
}

struct export *
export_open(struct store *store, const struct export_options *options, GError **error)
{
    if (options->iscsi == NULL && options->nbd == NULL && options->mount == NULL)
        return error_null(error, SLIPWAY_ERROR_USAGE, "nothing says how to serve the disks");
    struct export *export = g_new0(struct export, 1);
    export->store = store;
    export->read_only = options->read_only;
    export->since = g_get_real_time() / G_USEC_PER_SEC;
    export->log = options->log;
    export->log_data = options->log_data;
    export->units = g_array_new(FALSE, FALSE, sizeof(struct unit));
    if (serve(export, options, error))
        return export;
    export_close(export);
    return NULL;
}

gboolean
export_flush(struct export *export, GError **error)
{
    for (guint i = 0; i < export->units->len; i++) {
        const struct unit *unit = &g_array_index(export->units, struct unit, i);
        if (unit->overlay && !disk_flush(unit->disk, error))
            return FALSE;
    }
    return TRUE;
}

/* Initiators take what was answered for written, and will not send it again when they find the disk
 * once more. */
static void
flush_at_end(struct export *export)
{
    g_autoptr(GError) local = NULL;
    if (!export_flush(export, &local))
        tell(export, "what was written may be lost: %s", local->message);
}

void
export_stop(struct export *export)
{
    gboolean served = export->iscsi != NULL || export->nbd != NULL;
    g_clear_pointer(&export->iscsi, iscsi_server_stop);
    g_clear_pointer(&export->nbd, nbd_server_stop);
    g_clear_pointer(&export->tree, disk_tree_unmount);
    if (served)
        flush_at_end(export);
}

void
export_close(struct export *export)
{
    if (export == NULL)
        return;
    export_stop(export);
    g_clear_pointer(&export->device, scsi_device_free);
    for (guint i = 0; i < export->units->len; i++) {
        struct unit *unit = &g_array_index(export->units, struct unit, i);
        extent_list_free(unit->changes);
        disk_close(unit->disk);
    }
    g_array_unref(export->units);
    set_cache_free(export->cache);
    locator_free(export->locator);
    set_entry_free(export->older);
    set_entry_free(export->entry);
    lease_release(export->lease);
    g_free(export->iscsi_name);
    g_free(export->mount);
    g_free(export->commit);
    g_free(export);
}

gboolean
export_is_served(struct export *export)
{
    return export->iscsi != NULL || export->nbd != NULL ||
           (export->tree != NULL && !disk_tree_is_gone(export->tree));
}

/* ---- What is told ---------------------------------------------------------------------------- */

static void
look_at_disks(struct export *export, struct export_view *view)
{
    view->disks = g_array_new(FALSE, FALSE, sizeof(struct export_disk));
    for (guint i = 0; i < export->units->len; i++) {
        const struct unit *unit = &g_array_index(export->units, struct unit, i);
        struct export_disk disk = {.name = unit->name, .lun = i, .size = disk_size(unit->disk)};
        if (unit->overlay)
            disk_overlay_usage(unit->disk, &disk.written, &disk.limit);
        g_array_append_val(view->disks, disk);
    }
}

static void
look_at_device(struct export *export, struct export_view *view)
{
    g_autoptr(GArray) units = scsi_device_status(export->device);
    for (guint i = 0; i < units->len; i++) {
        const struct scsi_unit_status *unit = &g_array_index(units, struct scsi_unit_status, i);
        view->read_bytes += unit->read_bytes;
        view->written_bytes += unit->written_bytes;
    }
}

void
export_look(struct export *export, struct export_view *ret)
{
    *ret = (struct export_view){
        .set = export->entry->set,
        .read_only = export->read_only,
        .iscsi_name = export->iscsi != NULL ? export->iscsi_name : NULL,
        .mount = export->tree != NULL ? export->mount : NULL,
        .since = export->since,
    };
    look_at_disks(export, ret);
    if (export->device != NULL)
        look_at_device(export, ret);
    if (export->iscsi != NULL) {
        ret->iscsi = iscsi_server_addresses(export->iscsi);
        ret->sessions = iscsi_server_sessions(export->iscsi);
    }
    if (export->nbd != NULL) {
        ret->nbd = nbd_server_addresses(export->nbd);
        ret->nbd_connections = nbd_server_connections(export->nbd);
    }
    set_cache_status(export->cache, &ret->cache);
}

void
export_view_clear(struct export_view *view)
{
    g_clear_pointer(&view->disks, g_array_unref);
    g_clear_pointer(&view->sessions, g_ptr_array_unref);
}

/* ---- What was written ------------------------------------------------------------------------ */

static struct extent_list *
list_written(const struct unit *unit)
{
    struct extent_list *list = extent_list_new();
    guint64 size = disk_size(unit->disk), n;
    for (guint64 offset = 0; offset < size; offset += n)
        if (disk_overlay_changed(unit->disk, offset, size - offset, &n))
            extent_list_add(list, offset, n);
    extent_list_settle(list, size);
    return list;
}

/* One of the set's disks for the new set: as it was written, or, when it was not served, as it is
 * in the old one. */
static gboolean
add_source(struct export *export, const struct set_disk *disk, GArray *sources, GPtrArray *lists,
           GPtrArray *own, GError **error)
{
    struct unit *unit = find_unit(export, disk->name);
    struct extent_list *list = unit != NULL ? list_written(unit) : extent_list_new();
    g_ptr_array_add(lists, list);
    struct backup_source source = {.name = disk->name, .changed = list};
    if (unit != NULL) {
        source.disk = unit->disk;
    } else {
        source.disk = set_cache_open(export->cache, export->entry->set, disk->name, error);
        if (source.disk == NULL)
            return FALSE;
        g_ptr_array_add(own, source.disk);
    }
    g_array_append_val(sources, source);
    return TRUE;
}

gboolean
export_commit(struct export *export, struct progress *progress, struct backup_report *report,
              GError **error)
{
    const struct set *set = export->entry->set;
    g_autoptr(GArray) sources = g_array_new(FALSE, FALSE, sizeof(struct backup_source));
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify)extent_list_free);
    g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func((GDestroyNotify)disk_close);
    for (guint i = 0; i < set->disks->len; i++)
        if (!add_source(export, set->disks->pdata[i], sources, lists, own, error))
            return FALSE;
    char id[SET_ID_TEXT];
    const struct store_config *config = store_config(export->store);
    struct backup_options options = {
        .name = export->commit,
        .sources = (const struct backup_source *)(gpointer)sources->data,
        .n_sources = sources->len,
        .config_type = set->config_type,
        .config = set->config,
        .codec = config->codec,
        .level = config->level,
        .since = set_id_format(&set->id, id),
        .progress = progress,
    };
    return backup_run(export->store, &options, report, error);
}

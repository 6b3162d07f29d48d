/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/backup.h"

#include "base/error.h"
#include "engine/pipeline.h"
#include "store/store_writer.h"

#include <string.h>
#include <sys/resource.h>

/* Seconds that the clocks of two computers may differ without a word. */
#define CLOCK_SLACK 60

void
backup_report_clear(struct backup_report *report)
{
    set_free(report->set);
    set_flags_clear(&report->flags);
    verify_report_clear(&report->verify);
    report->set = NULL;
}

/* What is in the store when a run begins. */
struct past {
    GPtrArray *sets;    /* of struct set_entry *, oldest first */
    GPtrArray *damaged; /* of char *: those that cannot be read */
};

static void
past_clear(struct past *past)
{
    g_clear_pointer(&past->sets, g_ptr_array_unref);
    g_clear_pointer(&past->damaged, g_ptr_array_unref);
}

/* TRUE when no other machine has this name. */
static gboolean
may_use_name(const struct past *past, const struct backup_options *options, const char *name,
             const struct set_entry **ret_owner)
{
    const struct set machine = {.name = (char *)name, .identity = (char *)options->identity};
    *ret_owner = store_sets_owner(past->sets, name);
    return *ret_owner == NULL || set_same_machine((*ret_owner)->set, &machine);
}

/* Sets of two machines must not get mixed up; free with g_free(). */
static char *
choose_name(const struct past *past, const struct backup_options *options, GError **error)
{
    const struct set_entry *owner;
    char id[SET_ID_TEXT];
    if (may_use_name(past, options, options->name, &owner))
        return g_strdup(options->name);
    if (!options->other_name)
        return error_null(error, SLIPWAY_ERROR_EXISTS,
                          "%s: the sets of this name, set %s for one, are another machine's (%s); "
                          "give another name",
                          options->name, set_id_format(&owner->set->id, id),
                          owner->set->identity != NULL ? owner->set->identity : "of no hypervisor");
    for (guint n = 2;; n++) {
        g_autofree char *name = g_strdup_printf("%s (%u)", options->name, n);
        if (may_use_name(past, options, name, &owner))
            return g_steal_pointer(&name);
    }
}

/* The set to compare with; TRUE with NULL when there is none. */
static gboolean
find_parent(const struct past *past, const struct backup_options *options,
            const struct set_entry **ret, GError **error)
{
    struct set_id id;
    *ret = NULL;
    if (options->full)
        return TRUE;
    if (options->since == NULL) {
        *ret = store_sets_newest(past->sets, options->name, options->identity);
        return TRUE;
    }
    if (!set_id_parse(options->since, &id))
        return error_set(error, SLIPWAY_ERROR_USAGE, "%s: this is not the id of a set",
                         options->since);
    for (guint i = 0; i < past->sets->len && *ret == NULL; i++) {
        const struct set_entry *entry = past->sets->pdata[i];
        if (memcmp(&entry->set->id, &id, sizeof id) == 0)
            *ret = entry;
    }
    return *ret != NULL || error_set(error, SLIPWAY_ERROR_NOT_FOUND,
                                     "set %s is not there, or cannot be read", options->since);
}

/* What was tracked, and also what lies beyond the end of the older disk, or of the new one. */
static struct extent_list *
complete_extents(const struct backup_source *source, guint64 old_size)
{
    struct extent_list *list = extent_list_new();
    guint64 size = disk_size(source->disk), less = MIN(size, old_size);
    struct extent extent;
    for (guint64 at = 0; extent_list_next(source->changed, at, NULL, &extent);
         at = extent.offset + extent.length)
        extent_list_add(list, extent.offset, extent.length);
    if (size != old_size && less > 0)
        extent_list_add(list, (less - 1) & ~(guint64)(DISK_BLOCK - 1), DISK_BLOCK);
    if (size > old_size)
        extent_list_add(list, old_size, size - old_size);
    extent_list_settle(list, size);
    return list;
}

struct lost_search {
    struct store_writer *writer;
    struct extent_list *list;
};

static gboolean
find_lost(gpointer data, guint64 segment, const struct map_leaf *leaf, GError **error G_GNUC_UNUSED)
{
    struct lost_search *search = data;
    for (guint i = 0; i < leaf->n; i++) {
        const struct map_entry *entry = &leaf->entries[i];
        if (store_writer_lost(search->writer, &entry->id))
            extent_list_add(search->list,
                            segment * CHUNK_SEGMENT + (guint64)entry->block * CHUNK_BLOCK,
                            (guint64)entry->blocks * CHUNK_BLOCK);
    }
    return TRUE;
}

/* Places of chunks that the store has lost are read although nothing changed there. */
static gboolean
add_lost(struct store *store, struct store_writer *writer, const struct map *old, guint64 size,
         struct extent_list *list, GError **error)
{
    if (!store_writer_has_lost(writer) || old->empty)
        return TRUE;
    auto_ptr(chunk_reader) reader = chunk_reader_new(store, store_writer_locator(writer));
    struct map_source source = chunk_reader_map_source(reader);
    struct lost_search search = {writer, list};
    struct map_visitor visitor = {NULL, find_lost, &search};
    gboolean ok = map_walk(old, &source, &visitor, error);
    extent_list_settle(list, size);
    return ok;
}

struct beyond {
    guint64 segments; /* of the new disk */
    guint64 data, chunks;
};

static gboolean
count_beyond(gpointer data, guint64 segment, const struct map_leaf *leaf,
             GError **error G_GNUC_UNUSED)
{
    struct beyond *beyond = data;
    for (guint i = 0; segment >= beyond->segments && i < leaf->n; i++) {
        beyond->data += (guint64)leaf->entries[i].blocks * CHUNK_BLOCK;
        beyond->chunks++;
    }
    return TRUE;
}

/* What the older disk has in segments that this one, which is smaller, has not. */
static gboolean
sum_beyond(struct store *store, struct store_writer *writer, const struct map *old, guint64 size,
           struct beyond *ret, GError **error)
{
    *ret = (struct beyond){.segments = map_segments(size)};
    if (old->empty || map_segments(old->size) <= ret->segments)
        return TRUE;
    auto_ptr(chunk_reader) reader = chunk_reader_new(store, store_writer_locator(writer));
    struct map_source source = chunk_reader_map_source(reader);
    struct map_visitor visitor = {.leaf = count_beyond, .data = ret};
    return map_walk(old, &source, &visitor, error);
}

static const struct set_disk *
find_old_disk(const struct backup_options *options, const struct backup_source *source,
              const struct set_entry *parent)
{
    const struct set_disk *old = parent != NULL ? set_find_disk(parent->set, source->name) : NULL;
    if (old == NULL && source->changed != NULL)
        progress_warning(options->progress,
                         "%s: there is no older set of this disk, so all of it is read although a "
                         "list of changed extents was given",
                         source->name);
    return old;
}

static void
begin_progress(const struct backup_options *options, const struct backup_source *source,
               const struct extent_list *changed)
{
    guint64 total = changed != NULL ? extent_list_total(changed) : disk_size(source->disk);
    progress_begin(options->progress, total, PROGRESS_BYTES, "backing up %s of %s", source->name,
                   options->name);
}

/* One disk; *ret_tracked says whether only changes were read. */
static gboolean
run_disk(struct store *store, struct store_writer *writer, const struct backup_options *options,
         const struct backup_source *source, const struct set_entry *parent,
         struct set_disk *ret_disk, struct segment_stats *stats, gboolean *ret_tracked,
         GError **error)
{
    const struct set_disk *old = find_old_disk(options, source, parent);
    auto_ptr(extent_list) changed = NULL;
    struct beyond beyond = {0};
    if (old != NULL && source->changed != NULL) {
        changed = complete_extents(source, old->map.size);
        if (!add_lost(store, writer, &old->map, disk_size(source->disk), changed, error) ||
            !sum_beyond(store, writer, &old->map, disk_size(source->disk), &beyond, error))
            return FALSE;
    }
    struct pipeline_input input = {
        .disk = source->disk,
        .changed = changed,
        .old = old != NULL ? &old->map : NULL,
        .codec = options->codec,
        .level = options->level,
        .threads = options->threads,
        .bandwidth = options->bandwidth,
    };
    *ret_tracked = changed != NULL;
    ret_disk->name = g_strdup(source->name);
    ret_disk->source = set_cut_text(disk_label(source->disk), SET_TEXT_MAX);
    ret_disk->change_id = g_strdup(source->change_id);
    begin_progress(options, source, changed);
    struct segment_stats own = {0};
    gboolean ok =
        pipeline_run(&input, store, writer, options->progress, &ret_disk->map, &own, error);
    progress_end(options->progress, ok);
    if (!ok)
        g_prefix_error(error, "%s, disk %s: ", options->name, source->name);
    /* What was not looked at is as it was. */
    ret_disk->data = own.data + (changed != NULL ? old->data - own.old_data - beyond.data : 0);
    ret_disk->chunks =
        own.chunks + (changed != NULL ? old->chunks - own.old_chunks - beyond.chunks : 0);
    stats->read += own.read;
    stats->changed += own.changed;
    stats->unique += own.unique;
    return ok;
}

/* Later than every set of the machine that is there, and of its name: "the newest" is what changed
 * extents are relative to, and must not be the wrong one because a clock was set back. */
static gint64
choose_time(const struct past *past, const struct backup_options *options)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC, time = now;
    const struct set_entry *newest[] = {
        store_sets_newest(past->sets, options->name, options->identity),
        store_sets_owner(past->sets, options->name)};
    for (gsize i = 0; i < G_N_ELEMENTS(newest); i++)
        time = newest[i] != NULL ? MAX(time, newest[i]->set->created + 1) : time;
    if (time > now + CLOCK_SLACK)
        progress_warning(options->progress,
                         "the newest set of %s is younger than the clock of this computer says; "
                         "this one is noted as a second younger still. Is the clock right?",
                         options->name);
    return time;
}

static void
describe(struct set *set, const struct backup_options *options, const struct set_entry *parent)
{
    set->name = g_strdup(options->name);
    set->identity = g_strdup(options->identity);
    set->driver = g_strdup(options->driver);
    set->hypervisor = g_strdup(options->hypervisor);
    set->consistency = g_strdup(options->consistency);
    set->host = g_strdup(g_get_host_name());
    set->has_parent = parent != NULL;
    if (parent != NULL)
        set->parent = parent->set->id;
    set->config_type = g_strdup(options->config_type);
    set->config = g_strdup(options->config);
    for (gsize i = 0; options->tags != NULL && options->tags[i] != NULL; i++)
        g_ptr_array_add(set->tags, g_strdup(options->tags[i]));
}

/* All disks, into a set that is not stored yet. */
static struct set *
run_disks(struct store *store, struct store_writer *writer, const struct backup_options *options,
          const struct past *past, const struct set_entry *parent, GError **error)
{
    auto_ptr(set) set = set_new();
    struct segment_stats stats = {0};
    gboolean all_tracked = TRUE;
    describe(set, options, parent);
    set->created = choose_time(past, options);
    for (guint i = 0; i < options->n_sources; i++) {
        struct set_disk *disk = g_new0(struct set_disk, 1);
        gboolean tracked;
        g_ptr_array_add(set->disks, disk);
        if (!run_disk(store, writer, options, &options->sources[i], parent, disk, &stats, &tracked,
                      error))
            return NULL;
        all_tracked = all_tracked && tracked;
        set->stats.size += disk->map.size;
        set->stats.data += disk->data;
        set->stats.chunks += disk->chunks;
    }
    set->method = g_strdup(all_tracked ? "extents" : parent != NULL ? "scan" : "full");
    set->stats.read = stats.read;
    set->stats.changed = stats.changed;
    set->stats.unique = stats.unique;
    return g_steal_pointer(&set);
}

/* For the report alone: a set that retention took meanwhile has none. */
static void
note_flags(struct store *store, struct backup_report *report)
{
    struct set_entry *entry = store_sets_read(store, &report->set->id, NULL);
    set_flags_clear(&report->flags);
    if (entry != NULL) {
        report->flags = entry->flags;
        entry->flags = (struct set_flags){0};
    }
    set_entry_free(entry);
}

static gboolean
verify(struct store *store, const struct backup_options *options, const struct set_entry *parent,
       struct backup_report *report, GError **error)
{
    report->flags.archived = options->archive;
    if (options->verify == BACKUP_VERIFY_NONE)
        return TRUE;
    struct set_entry entry = {.set = report->set, .flags = {.archived = options->archive}};
    struct verify_options how = {
        .since = options->verify == BACKUP_VERIFY_NEW && parent != NULL ? parent->set : NULL,
        .threads = options->threads,
        .progress = options->progress,
    };
    if (!verify_and_note(store, &entry, &how, &report->verify, error))
        return FALSE;
    report->verified = TRUE;
    note_flags(store, report);
    if (report->verify.damage->len == 0)
        return TRUE;
    const struct verify_damage *first = report->verify.damage->pdata[0];
    return error_set(
        error, SLIPWAY_ERROR_CORRUPT,
        "the set was stored, but cannot be read back: disk %s at %" G_GUINT64_FORMAT
        ": %s; check the storage of %s, then run `slipway store repair` and back up again",
        first->disk, first->offset, first->words, store_label(store));
}

static guint64
peak_memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (guint64)usage.ru_maxrss * 1024;
}

static gboolean
check_name(const struct backup_options *options, GError **error)
{
    if (*options->name == '\0' || strlen(options->name) > SET_NAME_MAX ||
        !g_utf8_validate(options->name, -1, NULL))
        return error_set(error, SLIPWAY_ERROR_USAGE,
                         "the name of a machine has 1 to %u bytes of UTF-8", SET_NAME_MAX);
    return TRUE;
}

static gboolean
check_sources(const struct backup_options *options, GError **error)
{
    if (options->n_sources == 0 || options->n_sources > SET_DISKS_MAX)
        return error_set(error, SLIPWAY_ERROR_USAGE, "a set has 1 to %u disks", SET_DISKS_MAX);
    if (options->config != NULL &&
        (strlen(options->config) > SET_CONFIG_MAX || !g_utf8_validate(options->config, -1, NULL)))
        return error_set(error, SLIPWAY_ERROR_LIMIT,
                         "the configuration document must be UTF-8 of at most %u bytes",
                         SET_CONFIG_MAX);
    return TRUE;
}

/* The set is written last; its flags only say what is not the default. */
static gboolean
commit(struct store *store, struct store_writer *writer, const struct backup_options *options,
       gint64 start, struct backup_report *report, GError **error)
{
    report->set->stats.duration = (g_get_monotonic_time() - start) / 1000;
    if (!store_writer_commit(writer, report->set, error)) {
        backup_report_clear(report);
        return FALSE;
    }
    if (options->hooks.stored != NULL)
        options->hooks.stored(options->hooks.data);
    struct set_flags flags = {.archived = options->archive};
    return !options->archive || store_sets_put_flags(store, &report->set->id, &flags, error);
}

/* Changed extents count from the newest set.  When a set cannot be read nobody knows whether it is
 * that one, so everything is read.  Free with g_free(). */
static struct backup_source *
choose_sources(const struct past *past, const struct backup_options *options)
{
    gboolean tracked = FALSE;
    struct backup_source *sources =
        g_memdup2(options->sources, options->n_sources * sizeof *sources);
    for (guint i = 0; i < options->n_sources; i++)
        tracked = tracked || sources[i].changed != NULL;
    /* Whoever opened the sources was told which one it is. */
    if (!tracked || options->since != NULL || options->hooks.open != NULL ||
        past->damaged->len == 0)
        return sources;
    progress_warning(options->progress,
                     "all of the disks is read although lists of changed extents were given: a set "
                     "that is damaged may be the one that they count from: %s",
                     (const char *)past->damaged->pdata[0]);
    for (guint i = 0; i < options->n_sources; i++)
        sources[i].changed = NULL;
    return sources;
}

/* Damage of an older set must not keep the machine from getting a new one. */
static gboolean
is_past_broken(const struct set_entry *parent, const GError *error)
{
    return parent != NULL && (g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_CORRUPT) ||
                              g_error_matches(error, SLIPWAY_ERROR, SLIPWAY_ERROR_NOT_FOUND));
}

/* Again with a new writer, as the first one has claimed chunks that it never stored, and with
 * nothing of an older set. */
static struct set *
run_without_past(struct store *store, struct store_writer **writer, struct backup_options *options,
                 const struct past *past, const GError *why, GError **error)
{
    progress_warning(options->progress,
                     "%s: all is read and compared with nothing, as the set before cannot be read "
                     "(%s); `slipway store check` says what is damaged",
                     options->name, why->message);
    g_clear_pointer(writer, store_writer_abandon);
    options->full = TRUE;
    *writer = store_writer_begin(store, error);
    return *writer != NULL ? run_disks(store, *writer, options, past, NULL, error) : NULL;
}

/* All that is read; *parent becomes NULL when it was of no use.  The sources are needed until it is
 * known that nothing has to be read again. */
static gboolean
run_sources(struct store *store, struct store_writer **writer, struct backup_options *options,
            const struct past *past, const struct set_entry **parent, struct backup_report *report,
            GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree struct backup_source *sources = choose_sources(past, options);
    options->sources = sources;
    report->set = run_disks(store, *writer, options, past, *parent, &local);
    if (report->set == NULL && is_past_broken(*parent, local)) {
        report->set = run_without_past(store, writer, options, past, local, error);
        *parent = NULL;
    } else if (report->set == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
    }
    options->sources = NULL;
    if (report->set == NULL || options->hooks.sources_read == NULL ||
        options->hooks.sources_read(options->hooks.data, error))
        return report->set != NULL;
    backup_report_clear(report);
    return FALSE;
}

/* Takes over the writer. */
static gboolean
run(struct store *store, struct store_writer *given_writer, const struct past *past,
    const struct backup_options *given, gint64 start, struct backup_report *report, GError **error)
{
    auto_ptr(store_writer) writer = given_writer;
    struct backup_options options = *given;
    const struct set_entry *parent;
    g_autofree char *name = choose_name(past, given, error);
    if (name == NULL)
        return FALSE;
    options.name = name;
    return check_name(&options, error) && find_parent(past, &options, &parent, error) &&
           (options.hooks.open == NULL ||
            options.hooks.open(options.hooks.data, &options, parent, error)) &&
           check_sources(&options, error) &&
           run_sources(store, &writer, &options, past, &parent, report, error) &&
           commit(store, g_steal_pointer(&writer), &options, start, report, error) &&
           verify(store, &options, parent, report, error);
}

gboolean
backup_run(struct store *store, const struct backup_options *options, struct backup_report *report,
           GError **error)
{
    gint64 start = g_get_monotonic_time();
    struct past past = {0};
    *report = (struct backup_report){.config = *store_config(store)};
    if (!check_name(options, error) ||
        (options->hooks.open == NULL && !check_sources(options, error)))
        return FALSE;
    /* The lease before the older sets are looked for: prune cannot doom what is found then. */
    auto_ptr(store_writer) writer = store_writer_begin(store, error);
    gboolean ok = writer != NULL &&
                  (past.sets = store_sets_list(store, &past.damaged, error)) != NULL &&
                  run(store, g_steal_pointer(&writer), &past, options, start, report, error);
    past_clear(&past);
    report->milliseconds = (g_get_monotonic_time() - start) / 1000;
    report->memory = peak_memory();
    return ok;
}

gboolean
backup_check_name(struct store *store, const char *name, GError **error)
{
    const struct backup_options options = {.name = name};
    struct past past = {0};
    g_autofree char *chosen = NULL;
    past.sets = store_sets_list(store, &past.damaged, error);
    if (past.sets != NULL && check_name(&options, error))
        chosen = choose_name(&past, &options, error);
    past_clear(&past);
    return chosen != NULL;
}
